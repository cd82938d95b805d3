"""The journal's head as it was sealed last, in a file beside the socket.

That folder outlives the daemon, and no backup of the state directory holds it, so that a start on an older copy shows. It may be
a folder where others write, too (`/tmp`): what lies there and is not a file of this user's own is neither read nor written.
Where systemd holds the socket its folder is root's; then the folder `mark` in it is the daemon's (`systemd/ordod.tmpfiles`).
"""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from ordod.core.orders.opening import Mark

__all__ = ["keep_mark", "kept_mark", "mark_beside"]

BYTES_MAX = 4096
_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def mark_beside(socket: Path) -> Path:
    """The file of the daemon that listens on this socket."""
    folder = socket.parent / "mark"
    return (folder if folder.is_dir() else socket.parent) / f"{socket.stem}.head"


def kept_mark(file: Path) -> Mark | None:
    """None: there is none; after a reboot, or before the first seal."""
    try:
        with _opened(file, os.O_RDONLY) as opened:
            return msgspec.json.decode(opened.read(BYTES_MAX), type=Mark)
    except (OSError, msgspec.MsgspecError):
        return None


def keep_mark(file: Path, mark: Mark) -> None:
    """Written, not synced: it serves as long as the machine runs."""
    with suppress(OSError), _opened(file, os.O_RDWR | os.O_CREAT) as opened:
        opened.truncate(0)
        opened.write(msgspec.json.encode(mark))


def _opened(file: Path, flags: int) -> IO[bytes]:
    fd = os.open(file, flags | _FLAGS, 0o600)
    if not _is_own(fd):
        os.close(fd)
        raise PermissionError(f"{file} is no file of this user's own")
    return os.fdopen(fd, "rb" if flags == os.O_RDONLY else "r+b")


def _is_own(fd: int) -> bool:
    status = os.fstat(fd)
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and status.st_nlink == 1
