"""Tasks that fail alone: a bug in one account's reader must not stop another's cancels."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import structlog
from anyio.abc import TaskGroup

__all__ = ["Tasks"]

PAUSE_S = 1.0  # before a task that should run for good is begun again

log = structlog.get_logger("tasks")


class Tasks:
    """A task group that logs a task's bug and goes on. The one supervisor of the core."""

    def __init__(self, group: TaskGroup) -> None:
        self._group = group

    def start_soon(self, work: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Run it once."""
        self._group.start_soon(self._once, work, args)

    def keep_running(self, name: str, work: Callable[[], Awaitable[Any]]) -> None:
        """Run it until the group ends, again after a bug."""
        self._group.start_soon(self._forever, name, work)

    async def _once(self, work: Callable[..., Awaitable[Any]], args: tuple[Any, ...]) -> None:
        try:
            await work(*args)
        except Exception:
            log.exception("bug", task=getattr(work, "__qualname__", repr(work)))

    async def _forever(self, name: str, work: Callable[[], Awaitable[Any]]) -> None:
        while True:
            try:
                await work()
            except Exception:
                log.exception("bug", task=name)
            await anyio.sleep(PAUSE_S)
