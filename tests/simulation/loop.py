"""An event loop on virtual time: when nothing is ready it jumps to the next timer, and nobody ever sleeps.

A seed must repeat to the last byte. Tasks and cancel scopes stand in sets, and a set is walked by hash, which by default is
a memory address: so both are hashed by the order of their creation here. A loop dies as a process does under SIGKILL: after
any step nothing of it runs any more, no `finally` either.
"""

import asyncio
import contextvars
import heapq
import inspect
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import anyio._backends._asyncio as backend
from anyio import CancelScope as AnyScope

__all__ = ["Dead", "Deadlock", "VirtualLoop", "bury", "repeatable"]

QUANTUM_S = 1e-6
STEPS_MAX = 300_000  # of one life; a world needs some ten thousand: more is a loop that spins


class Deadlock(AssertionError):  # noqa: N818 - what became of a loop
    """Everybody waits, and nothing will ever happen."""


class Dead(Exception):  # noqa: N818 - what became of a loop
    """The loop died before its work was done."""


class _Task(asyncio.Task[Any]):
    """A task that is hashed by the order of its creation."""

    number: int

    def __new__(cls, *args: Any, loop: "VirtualLoop", **kwargs: Any) -> "_Task":
        task = super().__new__(cls)
        task.number = loop.count()
        return task

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


class _Scope(backend.CancelScope):
    """A cancel scope that is hashed by the order of its creation."""

    __slots__ = ("number",)

    def __init__(self, deadline: float = float("inf"), shield: bool = False) -> None:
        super().__init__(deadline, shield)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.number = loop.count()

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other


@contextmanager
def repeatable() -> Iterator[None]:
    """Within it cancel scopes are hashed by creation."""
    before = backend.CancelScope
    backend.CancelScope = _Scope  # type: ignore[misc]
    try:
        yield
    finally:
        backend.CancelScope = before  # type: ignore[misc]


class VirtualLoop(asyncio.base_events.BaseEventLoop):
    """`start`: virtual seconds. `dies_at`: the number of the step after which nothing runs any more.

    `before_step` is called with each step's number; a test may let something fail there.
    """

    running_now: ClassVar["VirtualLoop | None"] = None

    def __init__(self, start: float = 0.0, *, dies_at: int | None = None) -> None:
        super().__init__()
        self.now = start
        self.steps = 0
        self.dies_at = dies_at
        self.is_dead = False
        self.on_death: Callable[[], None] = _nothing
        self.bugs: list[dict[str, Any]] = []
        self._count = 0
        self._main: asyncio.Task[Any] | None = None
        self.set_task_factory(_make_task)  # type: ignore[arg-type]
        self.set_exception_handler(lambda _, context: self.bugs.append(context))

    def count(self) -> int:
        self._count += 1
        return self._count

    def time(self) -> float:
        return self.now

    def die(self) -> None:
        """Now: the step that calls this is the last to run, and even it ends at its next await."""
        if not self.is_dead:
            self.is_dead = True
            self.on_death()
        self.stop()

    def live(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run until this is done. Raises Dead, Deadlock, and what the work raises."""
        main = self._main = self.create_task(work)
        main.add_done_callback(lambda _: self.stop() if self._main is main else None)
        self.run_forever()
        if not main.done():
            raise Dead
        return main.result()

    def _run_once(self) -> None:
        scheduled, ready = self._scheduled, self._ready  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
        if not ready:
            if not scheduled:
                raise Deadlock("every task waits and no timer is set")
            self.now = max(self.now, scheduled[0]._when)
        while scheduled and scheduled[0]._when <= self.now:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            if not handle._cancelled:
                ready.append(handle)
        self.now += (
            QUANTUM_S  # time moves on its own, too: nobody waits for an instant that never comes
        )
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            self.steps += 1
            handle._run()
            if self.is_dead:
                return
            if self.steps == self.dies_at:
                self.die()
                return
        if self.steps > STEPS_MAX:
            raise Deadlock(f"{STEPS_MAX} steps, and no end")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are dropped when their time comes."""

    def _write_to_self(self) -> None:
        """There is no other thread."""


def bury(loop: VirtualLoop) -> None:
    """Let the tasks of a dead or finished loop end, after nothing they do matters any more, and close it."""
    loop.is_dead = False
    loop.dies_at = None
    loop.steps = 0
    loop._stopping = False  # type: ignore[attr-defined]
    loop.set_exception_handler(lambda _, __: None)

    async def end() -> None:
        me = asyncio.current_task()
        for _ in range(100):
            others = [task for task in asyncio.all_tasks(loop) if task is not me]
            if not others:
                return
            for task in sorted(others, key=hash):
                if inspect.getcoroutinestate(task.get_coro()) != inspect.CORO_CREATED:  # type: ignore[arg-type]
                    task.cancel()
            await asyncio.sleep(10)

    try:
        loop.live(end())
    finally:
        loop.close()


def _make_task(
    loop: asyncio.AbstractEventLoop,
    coro: Coroutine[Any, Any, Any],
    *,
    context: contextvars.Context | None = None,
    **kwargs: Any,
) -> asyncio.Task[Any]:
    return _Task(coro, loop=loop, context=context, **kwargs)  # type: ignore[arg-type]


def _nothing() -> None:
    pass


assert issubclass(backend.CancelScope, AnyScope)
