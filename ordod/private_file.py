"""A file that nobody else may read, and that is only ever replaced whole: the store, the tokens.

It is written anew at every change, under a lock, beside the old one and then in its place: a crash at any moment leaves the one
or the other. Everything here blocks, on the disk or on another process's lock.
"""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["PrivateFile", "sync_folder"]

LOCK_S = 10.0  # a change takes two syncs; who holds the lock longer hangs

_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW


class PrivateFile:
    """One file, and the lock's beside it; neither need be there, nor their folder.

    Args:
        error: what is raised, with a message that says why and what to do, and nothing of the content.
    """

    def __init__(self, path: Path, error: type[Exception]) -> None:
        self.path = path
        self._error = error

    def open(self) -> int | None:
        """A descriptor to read it; None: there is no file. What is checked is what was opened."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | _FLAGS)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._error(f"{self.path}: {error.strerror}") from None
        try:
            self._check(os.fstat(fd))
        except BaseException:
            os.close(fd)
            raise
        return fd

    def read(self, bytes_max: int) -> bytes | None:
        """Its content, of which at most one byte above the bound; None: there is no file."""
        fd = self.open()
        if fd is None:
            return None
        with os.fdopen(fd, "rb") as file:
            try:
                return file.read(bytes_max + 1)
            except OSError as error:
                raise self._error(f"{self.path}: {error.strerror}") from None

    def replace(self, content: bytes) -> None:
        """On disk when this returns; else nothing was changed, or the message says what else."""
        scrap = self.path.with_name(f".{self.path.name}.new")
        try:
            scrap.unlink(missing_ok=True)  # what a crash left
            try:
                self._fill(scrap, content)
                scrap.replace(self.path)
            except OSError:
                scrap.unlink(missing_ok=True)  # on a full disk it would keep the space it got
                raise
        except OSError as error:
            raise self._error(f"{self.path} was not changed: {error.strerror}") from None
        try:
            sync_folder(self.path.parent)
        except OSError as error:
            raise self._error(
                f"{self.path} was changed, but may not outlive a power cut: {error.strerror}"
            ) from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other process, and no other thread, changes the file meanwhile."""
        lock = self.path.with_suffix(".lock")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(lock, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
        except OSError as error:
            raise self._error(f"{lock}: {error.strerror}") from None
        try:
            self._give(fd)
            until = time.monotonic() + LOCK_S
            while not _locked(fd):
                if time.monotonic() > until:
                    raise self._error(
                        f"{lock} has been held by another process for {LOCK_S:g} s; try again, or see who: fuser {lock}"
                    )
                time.sleep(0.01)
            yield
        finally:
            os.close(fd)

    def _check(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise self._error(f"{self.path} is not a file")
        if status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise self._error(
                f"{self.path} can be read by others (mode {mode:04o}); run: chmod 600 {self.path}"
            )

    def _fill(self, scrap: Path, content: bytes) -> None:
        fd = os.open(scrap, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600)
        with os.fdopen(fd, "wb") as file:
            self._give(fd)
            file.write(content)
            file.flush()
            os.fsync(fd)

    def _give(self, fd: int) -> None:
        """Root's files would keep the daemon's user out."""
        if os.geteuid() == 0 and os.fstat(fd).st_nlink == 1:  # never what has a name elsewhere too
            owner = self.path.parent.stat()
            with suppress(OSError):
                os.fchown(fd, owner.st_uid, owner.st_gid)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
