"""The kill switch of a daemon that does not answer: its gate is a byte in a file that it has mapped.

The daemon looks at the byte before every hand-over of an order's bytes, so storing it here stops the next one, whatever its event loop
is doing. What is left in `kill.d` is read by the daemon when it turns again or starts anew, and says why.
"""

import json
import mmap
import os
import pwd
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from ordoctl.ist import IST

__all__ = ["Closed", "GateError", "close_gate"]

GATE = "kill.gate"
GATE_BYTES = mmap.PAGESIZE
SCOPES = "kill.d"


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
        owner = state.stat()
        _store(gate, owner)
    except OSError as why:
        raise GateError(
            f"{gate} could not be closed ({why.strerror}). Name the daemon's state directory with --state, do it as the daemon's "
            f"user or root, or stop the daemon: kill -USR1 closes its gate, kill -KILL ends it"
        ) from None
    now = datetime.now(UTC).astimezone(IST)
    file = state / SCOPES / f"local-{now:%Y%m%dT%H%M%S.%f}.json"
    try:
        _leave(file, {"reason": reason, "caller": _caller(), "at": now.isoformat()}, owner)
    except OSError as why:
        return Closed(gate=str(gate), why_no_file=why.strerror)
    return Closed(gate=str(gate), file=str(file))


def _store(gate: Path, owner: os.stat_result) -> None:
    """The byte first, its sync after: it works from the store on, and a hanging disk must not keep it from that."""
    fd = os.open(gate, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.pwrite(fd, b"\x01", 0)  # of a mapped file: seen by whoever has it mapped, at once
        if os.fstat(fd).st_size < GATE_BYTES:  # there was none; the daemon to come finds it closed
            os.pwrite(fd, b"\x00" * (GATE_BYTES - 1), 1)
            _give(fd, owner)
        os.fsync(fd)
    finally:
        os.close(fd)


def _leave(file: Path, what: dict[str, str], owner: os.stat_result) -> None:
    if not file.parent.is_dir():
        file.parent.mkdir(mode=0o700)
        folder = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
        _give(folder, owner)
        os.close(folder)
    scrap = file.with_name(f".{file.name}.new")  # the daemon never reads half a file
    fd = os.open(scrap, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, json.dumps({"account": None, "strategy": None, **what}).encode() + b"\n")
        _give(fd, owner)
        os.fsync(fd)
    finally:
        os.close(fd)
    scrap.replace(file)


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
