"""SIGUSR1, SIGTERM, SIGINT, SIGHUP.

SIGUSR1 closes the gate in the handler itself, by one store into the mapped cell: a busy or blocked event loop need not turn
for it. The other way, `loop.add_signal_handler`, runs in the loop and would come after whatever holds it. Only a long call
in C on the main thread delays a handler, hence the design's rule that none lasts over 1 ms.

Install this before anything heavy is imported: until the first line of `Signals()` SIGUSR1 ends the process, after it the
signal is remembered until there is a gate to close.
"""

import signal
from collections.abc import Callable, MutableSequence
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ["Signals"]


class Signals:
    """The `Signals` port. Made once, on the main thread."""

    def __init__(self) -> None:
        self._gate: MutableSequence[int] | None = None
        self._kills = _Reaction()
        self._stops = _Reaction()
        self._reloads = _Reaction()
        signal.signal(signal.SIGUSR1, self._kill)
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGHUP, self._reload)

    def arm(self, gate: MutableSequence[int]) -> None:
        """From now on SIGUSR1 closes `gate`; at once, if it came before."""
        self._gate = gate
        if self._kills.has_come:
            gate[0] = 1

    def on_kill(self, react: Callable[[], None]) -> None:
        """Call from the running loop: `react` is called in it after SIGUSR1, also for one that came before."""
        self._kills.register(react)

    def on_stop(self, react: Callable[[], None]) -> None:
        """Call from the running loop: `react` is called in it after SIGTERM or SIGINT, also for one that came before."""
        self._stops.register(react)

    def on_reload(self, react: Callable[[], None]) -> None:
        """Call from the running loop: `react` is called in it after SIGHUP, also for one that came before."""
        self._reloads.register(react)

    def _kill(self, _number: int, _frame: FrameType | None) -> None:
        if self._gate is not None:
            self._gate[0] = 1
        self._kills.come()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stops.come()

    def _reload(self, _number: int, _frame: FrameType | None) -> None:
        self._reloads.come()


class _Reaction:
    """What follows a signal, in the loop that asked for it."""

    def __init__(self) -> None:
        self.has_come = False
        self._react: Callable[[], None] | None = None
        self._loop: AbstractEventLoop | None = None

    def register(self, react: Callable[[], None]) -> None:
        # Imported here: asyncio is heavy, and the handlers stand before it is loaded.
        from asyncio import get_running_loop

        loop = get_running_loop()
        self._react = react
        self._loop = loop
        if self.has_come:
            loop.call_soon(react)

    def come(self) -> None:
        self.has_come = True
        if self._react is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._react)
