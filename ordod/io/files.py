"""The state directory: durable when it says so, and never in the way of the event loop.

Four threads, because a disk may hang for minutes and each must then hang alone: appends (the journal), changes of whole
files (kill.d, snapshots), the sync of the gate, and long readings (`aside`). A call into them costs two hops, about 50 µs together, beside a sync
of a hundred and more. Folders are opened one by one and no symbolic link below the state directory is followed.

A failed or short write or sync is never tried again: after a failed sync the kernel may have dropped the pages and would
report the next one as a success.
"""

import ctypes
import errno
import fcntl
import mmap
import os
import stat
from collections.abc import Callable, Iterator, MutableSequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TypeVar, cast

from ordod.core.ports import DiskError, Identity
from ordod.io.worker import Worker

__all__ = ["Files", "StateError", "filesystem_of"]

T = TypeVar("T")

GATE = "kill.gate"
LOCK = "lock"
GATE_BYTES = mmap.PAGESIZE
CLOSE_S = 2.0  # a hanging disk does not keep the process from ending
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW
_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE, linux/falloc.h


class StateError(Exception):
    """The state directory cannot be used; the message says why and what to do."""


class Files:
    """The `Disk` port.

    Args:
        state: the state directory; made, or closed to others (0700), where it is not.
        exclusive: hold its lock. Offline commands that only read, or only close the gate, do without: of them the folder is neither
            made nor changed, and root may look into another user's.
    Raises:
        StateError: another daemon holds it, or it is not ours.
    """

    def __init__(self, state: Path, *, exclusive: bool = True) -> None:
        self._state = state.absolute()
        self._root = _opened_state(self._state) if exclusive else _looked_into(self._state)
        self._lock = _locked(self._root, self._state) if exclusive else None
        self._appends = Worker("ordod-appends")
        self._changes = Worker("ordod-changes")
        self._gate_syncs = Worker("ordod-gate")
        self._readings = Worker("ordod-readings")
        self._gate: tuple[int, mmap.mmap] | None = None

    def close(self) -> None:
        """Wait a moment for what was asked, and let the lock go. The mapped gate stays: a signal may still come."""
        workers = (self._appends, self._changes, self._gate_syncs, self._readings)
        ended = [worker.stop(CLOSE_S) for worker in workers]
        if not all(ended):
            return  # one hangs in the disk: what it works on stays open, and the end of the process lets the lock go
        for fd in (self._root, self._lock, self._gate and self._gate[0]):
            if fd is not None:
                os.close(fd)

    def identity(self) -> Identity:
        machine = Path("/etc/machine-id")
        return Identity(
            machine=machine.read_text(encoding="ascii").strip() if machine.exists() else "",
            inode=os.fstat(self._root).st_ino,
            filesystem=filesystem_of(self._state),
        )

    # Reading

    def names(self, folder: str) -> list[str]:
        """Links and pipes too: one in `kill.d` stops, one in the journal's folder is refused when it is read."""
        try:
            with self._folder(f"{folder}/name") as (fd, _), os.scandir(fd) as entries:
                return sorted(
                    entry.name
                    for entry in entries
                    if not entry.is_dir(follow_symlinks=False) and not _is_scrap(entry.name)
                )
        except FileNotFoundError:
            return []

    def size(self, path: str) -> int:
        """Raises FileNotFoundError."""
        with self._folder(path) as (fd, name):
            return os.stat(name, dir_fd=fd, follow_symlinks=False).st_size

    def read(self, path: str, offset: int = 0, length: int = -1) -> bytes:
        """Raises FileNotFoundError; DiskError where it is a link, a pipe or another user's, or the disk said no."""
        try:
            with self._folder(path) as (fd, name):
                file = _opened(name, os.O_RDONLY, fd)
            with os.fdopen(file, "rb") as stream:
                stream.seek(offset)
                return stream.read(length)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise DiskError(f"{path} in the state directory: {error.strerror or error}") from error

    async def aside(self, job: Callable[[], T]) -> T:
        return await self._readings.do(job)

    # Appending

    async def create(self, path: str, *, reserve: int = 0) -> "AppendFile":
        """A new empty file, it and its folders synced.

        Appends within its first `reserve` bytes cannot fail because the disk is full; what was not used is given back
        when the file is closed. (On a filesystem without `fallocate` nothing is kept.)

        Raises:
            DiskError: it is there already, or the space is not.
        """
        fd = await self._changes.do(lambda: self._created(path, reserve))
        return AppendFile(fd, path, self._appends)

    def reopen(self, path: str) -> "AppendFile":
        """Raises FileNotFoundError."""
        with self._folder(path) as (fd, name):
            file = os.open(name, os.O_WRONLY | os.O_APPEND | _FLAGS, dir_fd=fd)
        return AppendFile(file, path, self._appends)

    # Changing

    async def replace(self, path: str, data: bytes) -> None:
        await self._changes.do(lambda: self._replaced(path, data))

    async def truncate(self, path: str, size: int) -> None:
        await self._changes.do(lambda: self._truncated(path, size))

    async def remove(self, path: str) -> None:
        await self._changes.do(lambda: self._removed(path))

    async def free_bytes(self) -> int:
        found = await self._readings.do(lambda: os.fstatvfs(self._root))
        return found.f_bavail * found.f_frsize

    # The gate

    def gate(self) -> MutableSequence[int]:
        """Raises StateError where there is no room for it, or something else of its name."""
        if self._gate is None:
            fd = _opened_gate(self._root)
            self._gate = fd, mmap.mmap(fd, GATE_BYTES, mmap.MAP_SHARED)
        return cast("MutableSequence[int]", self._gate[1])

    async def flush_gate(self) -> None:
        """By fdatasync, which writes mapped pages too: `mmap.flush` holds the interpreter while the disk hangs."""
        self.gate()
        assert self._gate is not None
        fd = self._gate[0]
        await self._gate_syncs.do(lambda: os.fdatasync(fd))

    # In the threads

    def _created(self, path: str, reserve: int) -> int:
        with self._folder(path, make=True) as (folder, name):
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | _FLAGS
            fd = os.open(name, flags, 0o600, dir_fd=folder)
            try:
                _reserve(fd, reserve)
                os.fsync(fd)
                os.fsync(folder)
            except OSError:
                os.close(fd)
                os.unlink(name, dir_fd=folder)
                raise
        return fd

    def _replaced(self, path: str, data: bytes) -> None:
        with self._folder(path, make=True) as (folder, name):
            scrap = f".{name}.new"
            with suppress(FileNotFoundError):  # what a crash left
                os.unlink(scrap, dir_fd=folder)
            fd = os.open(scrap, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600, dir_fd=folder)
            try:
                _write_whole(fd, data)
                os.fsync(fd)
            except OSError:
                os.unlink(scrap, dir_fd=folder)  # on a full disk it would keep the space it got
                raise
            finally:
                os.close(fd)
            os.replace(scrap, name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def _truncated(self, path: str, size: int) -> None:
        with self._folder(path) as (folder, name):
            fd = _opened(name, os.O_WRONLY, folder)
        try:
            os.ftruncate(fd, size)
            os.fsync(fd)
        finally:
            os.close(fd)

    def _removed(self, path: str) -> None:
        with self._folder(path) as (folder, name):
            os.unlink(name, dir_fd=folder)
            os.fsync(folder)

    @contextmanager
    def _folder(self, path: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The open folder of a path, and the name in it."""
        parts = PurePosixPath(path).parts
        assert parts, path
        assert not {"/", ".."} & set(parts), path
        fd = os.dup(self._root)
        try:
            for part in parts[:-1]:
                if make:
                    _make_folder(fd, part)
                deeper = _opened(part, os.O_RDONLY | os.O_DIRECTORY, fd)
                os.close(fd)
                fd = deeper
            yield fd, parts[-1]
        finally:
            os.close(fd)


class AppendFile:
    """The `AppendFile` port. Its first failure is its last write."""

    def __init__(self, fd: int, path: str, worker: "Worker") -> None:
        self._fd = fd
        self._path = path
        self._worker = worker
        self._failure: str | None = None
        self._is_closed = False

    async def append(self, data: bytes) -> None:
        assert not self._is_closed
        await self._worker.do(lambda: self._append(data))

    def write(self, data: bytes) -> None:
        assert not self._is_closed
        self._guarded(lambda: _write_whole(self._fd, data))

    def close(self) -> None:
        """Behind what was asked before, in the thread: the number of a file closed under it could be another's by then."""
        if not self._is_closed:
            self._is_closed = True
            self._worker.put(self._close)

    def _append(self, data: bytes) -> None:
        self._guarded(lambda: _write_whole(self._fd, data))
        self._guarded(lambda: os.fdatasync(self._fd))

    def _guarded(self, step: Callable[[], None]) -> None:
        if self._failure is not None:
            raise DiskError(f"{self._path} failed before: {self._failure}")
        try:
            step()
        except OSError as error:
            self._failure = error.strerror or str(error)
            raise DiskError(f"{self._path}: {self._failure}") from error

    def _close(self) -> None:
        with suppress(
            OSError
        ):  # nothing is lost but space: to cut at the end gives back what was reserved beyond it
            os.ftruncate(self._fd, os.fstat(self._fd).st_size)
        os.close(self._fd)


def _opened_state(state: Path) -> int:
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        status = os.fstat(fd)
        if status.st_uid != os.geteuid():
            raise StateError(f"{state} belongs to user {status.st_uid}; give it to this one")
        if stat.S_IMODE(status.st_mode) & 0o077:
            os.fchmod(fd, 0o700)
    except OSError as error:
        raise StateError(
            f"{state} cannot be used ({error.strerror}): give this user a folder there, or set another state_dir"
        ) from error
    return fd


def _looked_into(state: Path) -> int:
    try:
        fd = os.open(state, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StateError(f"{state} cannot be read ({error.strerror})") from error
    owner = os.fstat(fd).st_uid
    if os.geteuid() not in (owner, 0):
        os.close(fd)
        raise StateError(f"{state} belongs to user {owner}: run this as that user, or as root")
    return fd


def _locked(root: int, state: Path) -> int:
    """The lock's file, held until it is closed or the process dies. It holds the number of the process, for people."""
    try:
        fd = _opened(LOCK, os.O_RDWR | os.O_CREAT, root)
    except DiskError as error:
        raise StateError(str(error)) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        os.close(root)
        raise StateError(
            f"{state} is in use by another ordod, process {holder}; stop it, or set another state_dir"
        ) from None
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd


def _opened_gate(root: int) -> int:
    """The gate's file, a whole page of written bytes: a store into a hole of a full disk would end the process (SIGBUS)."""
    try:
        fd = _opened(GATE, os.O_RDWR | os.O_CREAT, root)
        missing = GATE_BYTES - os.fstat(fd).st_size
        if missing > 0:
            os.pwrite(fd, bytes(missing), GATE_BYTES - missing)
            os.fsync(fd)
            os.fsync(root)
    except OSError as error:
        raise StateError(
            f"{GATE} in the state directory cannot be used: {error.strerror}"
        ) from error
    except DiskError as error:
        raise StateError(str(error)) from error
    return fd


def _opened(name: str, flags: int, folder: int) -> int:
    """Only what the folder's owner or root made: it may have been open to others once, who still hold what they put there."""
    # Non-blocking: a named pipe in a file's place would hold the daemon.
    kind, is_right = ("folder", stat.S_ISDIR) if flags & os.O_DIRECTORY else ("file", stat.S_ISREG)
    what = f"is no {kind}"
    with suppress(NotADirectoryError, IsADirectoryError):
        fd = os.open(name, flags | _FLAGS | os.O_NONBLOCK, 0o600, dir_fd=folder)
        status = os.fstat(fd)
        if is_right(status.st_mode):
            if status.st_uid in (os.fstat(folder).st_uid, 0):
                return fd
            what = f"belongs to user {status.st_uid}"
        os.close(fd)
    raise DiskError(f"{name} in the state directory {what}: see who put it there, and move it away")


def _make_folder(parent: int, name: str) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
        os.fsync(parent)


def _write_whole(fd: int, data: bytes) -> None:
    """In one piece, or an OSError: the rest of a short write is not tried, what stopped it would be asked for again."""
    written = os.write(fd, data)
    if written != len(data):
        raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes were written")


def _reserve(fd: int, count: int) -> None:
    """Blocks for the first `count` bytes; the size stays. (`os.posix_fallocate` would change it.)"""
    if count > 0 and _fallocate(fd, _KEEP_SIZE, 0, count) != 0:
        code = ctypes.get_errno()
        if code != errno.EOPNOTSUPP:
            raise OSError(code, f"cannot reserve {count} bytes: {os.strerror(code)}")


_fallocate = ctypes.CDLL(None, use_errno=True).fallocate
_fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def _is_scrap(name: str) -> bool:
    """What a crash may leave of `replace`."""
    return name.startswith(".") and name.endswith(".new")


def filesystem_of(folder: Path) -> str:
    """The kind of file system a folder lies on, as `ext4` or `tmpfs`; "unknown" where the kernel does not say."""
    return _filesystem(Path("/proc/self/mountinfo"), folder.resolve())


def _filesystem(mounts: Path, folder: Path) -> str:
    """The type of the mount a folder lies in (proc_pid_mountinfo(5)); later mounts cover earlier ones."""
    found = "unknown"
    depth = -1
    for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        fields, _, rest = line.partition(" - ")
        point = PurePosixPath(_unescaped(fields.split(" ")[4]))
        if folder.is_relative_to(point) and len(point.parts) >= depth:
            found, depth = rest.split(" ")[0], len(point.parts)
    return found


def _unescaped(text: str) -> str:
    for code in (" ", "\t", "\n", "\\"):
        text = text.replace(f"\\{ord(code):03o}", code)
    return text
