"""A thread for what may hang: the disk. A call costs two hops between threads, 10 to 25 µs together."""

from asyncio import AbstractEventLoop, Future, get_running_loop
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from ordod.core.ports import DiskError

__all__ = ["Worker"]

T = TypeVar("T")


class Worker:
    """A thread that does one job after another, in the order asked. It starts with the first."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # A daemon thread: one that hangs on a dead disk must not keep the process from ending.
        self._thread = Thread(target=self._run, name=name, daemon=True)

    async def do(self, job: Callable[[], T]) -> T:
        """What `job` returns. It is done also when the waiting task is cancelled. OSError becomes DiskError."""
        loop = get_running_loop()
        done: Future[T] = loop.create_future()
        self.put(lambda: _settle(job, loop, done))
        return await done

    def put(self, job: Callable[[], None]) -> None:
        if self._thread.ident is None:
            self._thread.start()
        self._jobs.put(job)

    def stop(self, patience_s: float) -> bool:
        """Let it end after what is queued; wait for that, but not longer than this. Whether it has ended."""
        if self._thread.ident is not None:
            self._jobs.put(None)
            self._thread.join(patience_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _settle(job: Callable[[], T], loop: AbstractEventLoop, done: "Future[T]") -> None:
    """Do it, and tell the loop."""
    result: Any = None
    failure: Exception | None = None
    try:
        result = job()
    except OSError as error:
        failure = DiskError(str(error))
        failure.__cause__ = error
    except Exception as error:  # noqa: BLE001 - belongs to whoever waits; the thread must live
        failure = error
    with suppress(RuntimeError):  # the loop has ended, nobody waits
        loop.call_soon_threadsafe(_tell, done, result, failure)


def _tell(done: "Future[Any]", result: Any, failure: Exception | None) -> None:
    if done.cancelled():
        return
    if failure is None:
        done.set_result(result)
    else:
        done.set_exception(failure)
