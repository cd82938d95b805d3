"""The journal read from its disk, by the daemon's own code: the one place where `ordoctl` needs it."""

from pathlib import Path

import anyio
from ordod.core.orders.checking import Report
from ordod.io.clock import SystemClock, SystemRandom
from ordod.io.files import Files, StateError

from ordod.core.orders import checking
from ordod.core.ports import DiskError

__all__ = ["OfflineError", "Report", "repair", "verify"]


class OfflineError(Exception):
    """The state directory cannot be read, or not be changed; the message says why."""


def verify(state: Path, *, head: tuple[int, str] | None, key: bytes | None) -> Report:
    """What the journal in this state directory is worth; nothing is changed. A daemon may be running."""
    try:
        files = Files(state, exclusive=False)
    except StateError as why:
        raise OfflineError(str(why)) from None
    try:
        return checking.verify(files, key=key, head=head)
    finally:
        files.close()


def repair(state: Path, *, key: bytes | None) -> Report:
    """Set damage aside, so that the daemon starts, killed. Not while one runs.

    Raises:
        OfflineError: a daemon holds the directory, or the disk refused a step (nothing is lost).
    """
    try:
        files = Files(state)
    except StateError as why:
        raise OfflineError(str(why)) from None

    async def run() -> Report:
        return await checking.repair(files, SystemClock(), SystemRandom(), key=key)

    try:
        return anyio.run(run)
    except DiskError as why:
        raise OfflineError(str(why)) from None
    finally:
        files.close()
