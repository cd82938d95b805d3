"""The facts of this machine, as they are; what they mean is said elsewhere. Nothing is changed."""

import ctypes
import os
import pwd
import shutil
import stat
import subprocess
import time
from pathlib import Path

from msgspec import Struct

__all__ = ["FileFacts", "Limits", "Machine", "Space"]

COMMAND_S = 10.0
SYNC_BYTES = 4096  # a record of an order, a little more
MAXERROR_US = (
    16_000_000  # beyond it the kernel calls the clock unsynchronised, and timedatectl does
)
TIMEX_BYTES = 512  # more than any kernel's struct timex


class FileFacts(Struct, frozen=True):
    """Of a file or folder. `kind`: file, folder, socket, other."""

    mode: int
    uid: int
    gid: int
    kind: str


class Space(Struct, frozen=True):
    """What is left for who is not root. `inodes` None: this file system does not count them."""

    bytes: int
    inodes: int | None


class Limits(Struct, frozen=True):
    """Of a process; None: unlimited."""

    core_bytes: int | None
    open_files: int | None


class Machine:
    """Asked one fact at a time."""

    @property
    def uid(self) -> int:
        return os.geteuid()

    def user(self, uid: int) -> str:
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return str(uid)

    def uid_of(self, user: str) -> int | None:
        try:
            return pwd.getpwnam(user).pw_uid
        except KeyError:
            return None

    # Files

    def look(self, path: Path) -> FileFacts | None:
        """None: it is not there. Raises PermissionError where one may not see."""
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        kinds = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFSOCK: "socket"}
        kind = kinds.get(stat.S_IFMT(found.st_mode), "other")
        return FileFacts(stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, kind)

    def filesystem(self, folder: Path) -> str:
        from ordod.io.files import filesystem_of

        return filesystem_of(folder)

    def space(self, folder: Path) -> Space:
        found = os.statvfs(folder)
        return Space(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)

    def sync_s(self, folder: Path) -> float | None:
        """How long one sync of a few KiB takes there, in a file that has no name; None: no such file can be made."""
        try:
            fd = os.open(folder, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        except OSError:
            return None
        try:
            os.write(fd, bytes(SYNC_BYTES))
            began = time.perf_counter()
            os.fdatasync(fd)
            return time.perf_counter() - began
        finally:
            os.close(fd)

    # Kernel

    def is_clock_synchronised(self) -> bool | None:
        """By the kernel, which chrony, ntpd and systemd-timesyncd tell; as `timedatectl` reads it. None: it does not say."""
        timex = ctypes.create_string_buffer(TIMEX_BYTES)  # modes 0: nothing is set
        if ctypes.CDLL(None, use_errno=True).adjtimex(timex) < 0:
            return None
        longs = ctypes.cast(timex, ctypes.POINTER(ctypes.c_long))
        return int(longs[3]) < MAXERROR_US  # modes (padded), offset, freq, maxerror

    def limits(self, pid: int) -> Limits | None:
        """None: the process is gone, or not shown to us."""
        try:
            text = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
        except OSError:
            return None
        return Limits(_limit(text, "Max core file size"), _limit(text, "Max open files"))

    def memory_left(self) -> int | None:
        """Bytes that can be had without swapping."""
        return _kib(Path("/proc/meminfo"), "MemAvailable:")

    def memory_of(self, pid: int) -> int | None:
        return _kib(Path(f"/proc/{pid}/status"), "VmRSS:")

    # systemd

    @property
    def has_systemd(self) -> bool:
        return Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None

    def unit(self, name: str, *properties: str, user: bool = False) -> dict[str, str] | None:
        """Properties of a unit; None: systemd does not answer."""
        where = ["--user"] if user else []
        shown = [f"--property={','.join(properties)}"]
        text = self._command("systemctl", *where, "show", name, *shown)
        if text is None:
            return None
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def lingers(self, user: str) -> bool | None:
        text = self._command("loginctl", "show-user", user, "--property=Linger", "--value")
        return None if text is None else text.strip() == "yes"

    def _command(self, *argv: str) -> str | None:
        try:
            done = subprocess.run(  # noqa: S603 - the system's own
                argv, capture_output=True, text=True, timeout=COMMAND_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout if done.returncode == 0 else None


def _limit(text: str, name: str) -> int | None:
    """The soft one."""
    line = next(line for line in text.splitlines() if line.startswith(name))
    soft = line[len(name) :].split()[0]
    return None if soft == "unlimited" else int(soft)


def _kib(file: Path, name: str) -> int | None:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), None)
