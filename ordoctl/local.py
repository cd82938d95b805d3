"""The kill switch of a daemon that does not answer: its gate is a byte in a file that it has mapped.

The daemon looks at the byte before every hand-over of an order's bytes, so storing it here stops the next one, whatever its event loop
is doing. What is left in `kill.d` is read by the daemon when it turns again or starts anew, and says why.
"""

import errno
import json
import mmap
import os
import pwd
import stat
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from ordoctl.ist import IST

__all__ = ["Closed", "GateError", "close_gate"]

GATE = "kill.gate"
GATE_BYTES = mmap.PAGESIZE
SCOPES = "kill.d"
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class GateError(Exception):
    """The gate could not be closed; the message says what else stops the daemon."""


class Closed(Struct, frozen=True, kw_only=True):
    """What was done: the gate's file, and the reason's (None, and why, where it could not be written)."""

    gate: str
    file: str | None = None
    why_no_file: str | None = None


def close_gate(state: Path, reason: str) -> Closed:
    """Close the gate for everything, then leave the reason beside it.

    Raises:
        GateError: the gate is not closed.
    """
    gate = state / GATE
    try:
        folder = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as why:
        raise _not_closed(gate, why) from None
    try:
        owner = os.fstat(folder)
        try:
            _store(folder, owner)
        except OSError as why:
            raise _not_closed(gate, why) from None
        now = datetime.now(UTC).astimezone(IST)
        name = f"local-{now:%Y%m%dT%H%M%S.%f}.json"
        try:
            _leave(
                folder, name, {"reason": reason, "caller": _caller(), "at": now.isoformat()}, owner
            )
        except OSError as why:
            return Closed(gate=str(gate), why_no_file=why.strerror)
    finally:
        os.close(folder)
    return Closed(gate=str(gate), file=str(state / SCOPES / name))


def _not_closed(gate: Path, why: OSError) -> GateError:
    return GateError(
        f"{gate} could not be closed ({why.strerror}). Name the daemon's state directory with --state, do it as the daemon's "
        f"user or root, or stop the daemon: kill -USR1 closes its gate, kill -KILL ends it"
    )


# Root may do this in a folder of the daemon's user, who must not lead him elsewhere: no link is followed, nothing but a plain
# file of one name is written to or given away.


def _store(folder: int, owner: os.stat_result) -> None:
    """The byte first, its sync after: it works from the store on, and a hanging disk must not keep it from that."""
    try:
        fd = os.open(GATE, os.O_RDWR | _FLAGS, dir_fd=folder)
        is_new = False
    except FileNotFoundError:  # the daemon to come finds it closed
        fd = os.open(GATE, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600, dir_fd=folder)
        is_new = True
    try:
        status = os.fstat(fd)
        if is_new:
            _give(fd, owner)
        elif not stat.S_ISREG(status.st_mode) or status.st_uid != owner.st_uid:
            raise OSError(errno.EPERM, "it is no file of the daemon's user")
        os.pwrite(fd, b"\x01", 0)  # of a mapped file: seen by whoever has it mapped, at once
        if status.st_size < GATE_BYTES:
            os.pwrite(fd, b"\x00" * (GATE_BYTES - 1), 1)
        os.fsync(fd)
    finally:
        os.close(fd)


def _leave(folder: int, name: str, what: dict[str, str], owner: os.stat_result) -> None:
    with suppress(FileExistsError):
        os.mkdir(SCOPES, 0o700, dir_fd=folder)
    scopes = os.open(SCOPES, os.O_RDONLY | os.O_DIRECTORY | _FLAGS, dir_fd=folder)
    try:
        _give(scopes, owner)
        scrap = f".{name}.new"  # the daemon never reads half a file
        fd = os.open(scrap, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600, dir_fd=scopes)
        try:
            os.write(fd, json.dumps({"account": None, "strategy": None, **what}).encode() + b"\n")
            _give(fd, owner)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(scrap, name, src_dir_fd=scopes, dst_dir_fd=scopes)
    finally:
        os.close(scopes)


def _give(fd: int, owner: os.stat_result) -> None:
    """Root's files would keep the daemon's user out."""
    if os.geteuid() == 0:
        with suppress(OSError):
            os.fchown(fd, owner.st_uid, owner.st_gid)


def _caller() -> str:
    uid = os.getuid()
    try:
        return f"uid:{uid} ({pwd.getpwuid(uid).pw_name})"
    except KeyError:
        return f"uid:{uid}"
