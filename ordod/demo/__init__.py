"""`ordod demo`: what Ordo promises, shown in half a minute and checked while it is shown.

A real daemon, a process of its own, on the paper broker in a temporary folder; this side is an ordinary client of its socket. What
the daemon says is compared with two things it cannot talk its way around: the journal's lines on the disk, and the book that the
paper broker keeps for itself. Nothing is staged: a claim that is not true is shown as false, and the exit status is 1.
"""

import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from ordod.demo.daemon import Daemon, Trouble
from ordod.demo.screen import Screen
from ordod.demo.steps import STEPS, Stage

__all__ = ["demo"]

INTERRUPTED = 130  # as a shell has it for SIGINT
SOCKET_CHARS_MAX = 100  # a Unix socket's path has 107 at most, whatever TMPDIR says


def demo() -> int:
    """Show it all; 0 where every claim was true, 1 where one was not, 130 after Ctrl-C. Leaves nothing behind."""
    screen = Screen()
    began = time.monotonic()
    try:
        with _ended_in_order(), _folder() as folder, Daemon(folder) as daemon:
            screen.opening(folder)
            stage = Stage(screen, daemon)
            for number, (title, play) in enumerate(STEPS, 1):
                with screen.step(number, title):
                    play(stage)
    except KeyboardInterrupt:
        screen.say("Stopped; the daemon is gone and its folder removed.")
        return INTERRUPTED
    except (Trouble, OSError) as trouble:
        screen.trouble(str(trouble))
        return 1
    screen.closing(time.monotonic() - began, _command())
    return 1 if screen.is_any_false else 0


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder of our own, short enough for a socket in it."""
    prefix = "ordod-demo-"
    usual = Path(tempfile.gettempdir())
    is_short = len(str(usual / prefix)) < SOCKET_CHARS_MAX - 30
    with tempfile.TemporaryDirectory(prefix=prefix, dir=usual if is_short else "/tmp") as name:  # noqa: S108 - a random name in it
        yield Path(name)


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Whoever ends the demo by a signal gets it cleaned up, as after Ctrl-C."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {which: signal.signal(which, interrupt) for which in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)


def _command() -> str:
    """How this command was called, as far as a person would type it."""
    called = Path(sys.argv[0])
    return str(called) if called.name == "ordod" and len(called.parts) < 4 else "ordod"
