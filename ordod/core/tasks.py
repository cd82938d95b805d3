"""Tasks that fail alone: a bug in one account's reader must not stop another's cancels."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import structlog
from anyio.abc import TaskGroup

__all__ = ["Tasks", "Together"]

PAUSE_S = 1.0  # before a task that should run for good is begun again

log = structlog.get_logger("tasks")


class Tasks:
    """Tasks of one group, each of which logs its bug and lets the others go on. The one supervisor of the core.

    A task of anyio's costs 11 us, one of asyncio's 1.3, and every order is one: so those that run once are asyncio's, owned
    by one task of the group, which ends them when the group ends.
    """

    def __init__(self, group: TaskGroup) -> None:
        self._group = group
        self._once_running: dict[asyncio.Task[None], None] = {}  # in order: they are ended in it
        group.start_soon(self._own)

    def start_soon(self, work: Callable[..., Awaitable[Any]], *args: Any) -> None:
        """Run it once."""
        task = asyncio.get_running_loop().create_task(self._once(work, args))
        self._once_running[task] = None
        task.add_done_callback(self._once_running.pop)

    def keep_running(self, name: str, work: Callable[[], Awaitable[Any]]) -> None:
        """Run it until the group ends, again after a bug."""
        self._group.start_soon(self._forever, name, work)

    def together(self) -> "Together":
        """For the tasks of one thing that may go before the group does."""
        return Together(self._group, self._forever)

    async def _own(self) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                while running := list(self._once_running):
                    for task in running:
                        task.cancel()
                    await asyncio.gather(*running, return_exceptions=True)

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


class Together:
    """Tasks that are kept running, and ended together."""

    def __init__(self, group: TaskGroup, forever: Callable[..., Awaitable[None]]) -> None:
        self._group = group
        self._forever = forever
        self._running: dict[anyio.CancelScope, anyio.Event] = {}

    def keep_running(self, name: str, work: Callable[[], Awaitable[Any]]) -> None:
        """Run it until `end`, again after a bug."""
        scope = anyio.CancelScope()
        self._running[scope] = anyio.Event()
        self._group.start_soon(self._keep, scope, name, work)

    async def _keep(
        self, scope: anyio.CancelScope, name: str, work: Callable[[], Awaitable[Any]]
    ) -> None:
        try:
            with scope:
                await self._forever(name, work)
        finally:
            self._running.pop(scope).set()

    async def end(self) -> None:
        """None of them runs when this returns."""
        running = dict(self._running)
        for scope in running:
            scope.cancel()
        for ended in running.values():
            await ended.wait()
