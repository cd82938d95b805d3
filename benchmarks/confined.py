"""A process with one core and so much memory, as a small machine has them: by what this machine offers, and told which.

A control group of version 2, else of version 1: the kernel ends what takes more, page cache counts and is given back first. Both
take root. Else RLIMIT_DATA, for the process's own writable memory: what takes more gets a MemoryError. The core by its affinity.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

__all__ = ["Confined", "confined"]

_JOIN = 'echo $$ > "$0/cgroup.procs" && exec "$@"'


class Confined(Struct, frozen=True, kw_only=True):
    """`prefix`: what a command begins with to be in it. `how`: by what, for people."""

    how: str
    prefix: tuple[str, ...]
    folder: Path | None = None
    events: str = ""  # the file that counts the kernel's kills
    peak: str = ""

    def kills(self) -> int:
        """Processes that the kernel has ended for their memory; 0 too where it does not count."""
        if self.folder is None:
            return 0
        lines = (self.folder / self.events).read_text(encoding="ascii").splitlines()
        counts = {name: int(count) for name, count in (line.split() for line in lines)}
        return counts.get("oom_kill", 0)

    def peak_mib(self) -> float:
        """The most that was charged, page cache too; 0 where nothing counts."""
        with suppress(FileNotFoundError):  # version 2 has it since Linux 5.19
            if self.folder is not None:
                return int((self.folder / self.peak).read_text(encoding="ascii")) / (1 << 20)
        return 0.0


@contextmanager
def confined(name: str, *, memory_mib: int, core: int) -> Iterator[Confined]:
    """While the block lasts; its processes must have ended by then.

    Args:
        name: of the group, beside this process's id.
    """
    one_core = ("taskset", "--cpu-list", str(core))
    size = memory_mib << 20
    made = _group_2(name, size) or _group_1(name, size)
    if made is None:
        limit = ("prlimit", f"--data={size}", "--core=0")
        yield Confined(how="RLIMIT_DATA and affinity", prefix=(*limit, *one_core))
        return
    folder, version = made
    is_new = version == 2
    try:
        yield Confined(
            how=f"a control group (version {version}) and affinity",
            prefix=("sh", "-c", _JOIN, str(folder), *one_core),
            folder=folder,
            events="memory.events" if is_new else "memory.oom_control",
            peak="memory.peak" if is_new else "memory.max_usage_in_bytes",
        )
    finally:
        folder.rmdir()


def _group_2(name: str, size: int) -> tuple[Path, int] | None:
    root = _mounted("cgroup2")
    if root is None or "memory" not in (root / "cgroup.subtree_control").read_text().split():
        return None
    return _made(root / f"ordo-{name}-{os.getpid()}", 2, {"memory.max": size, "memory.swap.max": 0})


def _group_1(name: str, size: int) -> tuple[Path, int] | None:
    root = _mounted("cgroup", option="memory")
    if root is None:
        return None
    limits = {"memory.limit_in_bytes": size, "memory.memsw.limit_in_bytes": size}
    return _made(root / f"ordo-{name}-{os.getpid()}", 1, limits)


def _made(folder: Path, version: int, limits: dict[str, int]) -> tuple[Path, int] | None:
    """None: it may not be made here, or the limit does not hold."""
    first = next(iter(limits))
    try:
        folder.mkdir()
        for file, limit in limits.items():
            if file == first or (folder / file).exists():  # swap is not counted everywhere
                (folder / file).write_text(str(limit))
        if int((folder / first).read_text()) == limits[first]:
            return folder, version
    except OSError:
        pass
    with suppress(OSError):
        folder.rmdir()
    return None


def _mounted(kind: str, option: str = "") -> Path | None:
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, place, found, options, *_ = line.split()
        if found == kind and (not option or option in options.split(",")):
            return Path(place)
    return None
