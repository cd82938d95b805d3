"""A disk in memory that tears, lies and dies as real ones do, all from one seed.

What was synced stays. What was only written may survive a power cut as a prefix, with a sector torn or zeroed, or not at all.
It fails the n-th operation, fills up, hangs, and takes its time on the virtual clock.
"""

import random
from collections.abc import Callable, MutableSequence
from dataclasses import dataclass
from typing import TypeVar

import anyio
import anyio.lowlevel

from ordod.core.ports import DiskError, Identity

SECTOR = 512

T = TypeVar("T")


@dataclass
class Stored:
    """One file: what a reader sees, how much of it was synced, and how many bytes it may fill in any case."""

    content: bytearray
    synced: int
    reserved: int = 0

    @property
    def takes(self) -> int:
        return max(len(self.content), self.reserved)


def stored(data: bytes, reserved: int = 0) -> Stored:
    """All of it synced."""
    return Stored(bytearray(data), len(data), reserved)


Change = Callable[[dict[str, Stored]], None]


class TearingDisk:
    """Fulfils `Disk`. `capacity` in bytes; `latency()` is the seconds the next sync takes."""

    def __init__(
        self,
        seed: int = 0,
        *,
        machine: str = "machine-1",
        inode: int = 1,
        filesystem: str = "ext4",
        capacity: int | None = None,
        latency: Callable[[], float] | None = None,
    ) -> None:
        self.seed = seed
        self.machine = machine
        self.inode = inode
        self.filesystem = filesystem
        self.capacity = capacity
        self.latency = latency
        self.files: dict[str, Stored] = {}
        self.operations = 0
        self.syncs = 0
        self._chance = random.Random(seed)
        self._fails: Callable[[int], bool] = lambda _: False
        self._hanging: anyio.Event | None = None
        self._under_way: dict[int, Change] = {}
        self._gate = bytearray(1)
        self._flushed_gate = bytearray(1)

    # Faults

    def fail_at(self, n: int, *, once: bool = False) -> None:
        """The n-th operation from here on (1: the next) fails, and, unless `once`, every later one."""
        at = self.operations + n
        self._fails = (lambda now: now == at) if once else (lambda now: now >= at)

    def hang(self) -> None:
        """Appends do not return any more, until `resume`."""
        self._hanging = anyio.Event()

    def resume(self) -> None:
        assert self._hanging is not None
        self._hanging.set()
        self._hanging = None

    def crash(self, *, power: bool = True) -> "TearingDisk":
        """The disk a restart finds; this one may go on being used by what is dead. `power=False`: only the process died."""
        after = TearingDisk(
            self._chance.randrange(1 << 32),
            machine=self.machine,
            inode=self.inode,
            filesystem=self.filesystem,
            capacity=self.capacity,
            latency=self.latency,
        )
        for path, file in self.files.items():
            content = self._torn(file) if power else bytes(file.content)
            after.files[path] = stored(content, file.reserved)
        for change in self._under_way.values():
            if self._chance.random() < 0.5:
                change(after.files)
        kept = self._flushed_gate if power and self._chance.random() < 0.5 else self._gate
        after._gate[:] = after._flushed_gate[:] = kept
        return after

    def _torn(self, file: Stored) -> bytes:
        start = file.synced
        kept = file.content[start : self._chance.randint(start, len(file.content))]
        if kept and self._chance.random() < 0.3:
            # A sector of the new bytes that never arrived, though later ones did: zeros from somewhere on.
            sector = (start + self._chance.randrange(len(kept))) // SECTOR * SECTOR
            begin, end = max(sector, start) - start, min(sector + SECTOR - start, len(kept))
            begin = self._chance.randint(begin, end)
            kept[begin:end] = bytes(end - begin)
        return bytes(file.content[:start] + kept)

    # For tests

    def put(self, path: str, data: bytes) -> None:
        """The file is there, synced."""
        self.files[path] = stored(data)

    def flip(self, path: str, bit: int) -> None:
        data = bytearray(self.read(path))
        data[bit // 8] ^= 1 << bit % 8
        self.put(path, bytes(data))

    def copy(self) -> "TearingDisk":
        """As it is now, all of it synced: a backup."""
        return self.crash(power=False)

    @property
    def used(self) -> int:
        return sum(file.takes for file in self.files.values())

    # Disk

    def identity(self) -> Identity:
        return Identity(self.machine, self.inode, self.filesystem)

    def names(self, folder: str) -> list[str]:
        start = f"{folder}/"
        below = (path.removeprefix(start) for path in self.files if path.startswith(start))
        return sorted(name for name in below if "/" not in name)

    def size(self, path: str) -> int:
        return len(self._file(path).content)

    def read(self, path: str, offset: int = 0, length: int = -1) -> bytes:
        return bytes(self._file(path).content[offset : None if length < 0 else offset + length])

    async def aside(self, job: Callable[[], T]) -> T:
        await anyio.lowlevel.checkpoint()
        return job()

    async def create(self, path: str, *, reserve: int = 0) -> "TearingFile":
        assert path not in self.files, f"{path} is there already"
        await self._change(lambda files: files.__setitem__(path, stored(b"")))
        self._room(reserve)  # a refused reserve leaves the empty file behind
        self.files[path].reserved = reserve
        return TearingFile(self, path)

    def reopen(self, path: str) -> "TearingFile":
        self._file(path)
        return TearingFile(self, path)

    async def replace(self, path: str, data: bytes) -> None:
        self._room(len(data))
        await self._change(lambda files: files.__setitem__(path, stored(data)))

    async def truncate(self, path: str, size: int) -> None:
        cut = self.read(path, 0, size)
        await self._change(lambda files: files.__setitem__(path, stored(cut)))

    async def remove(self, path: str) -> None:
        self._file(path)
        await self._change(lambda files: files.__delitem__(path))

    async def free_bytes(self) -> int:
        return 1 << 40 if self.capacity is None else max(0, self.capacity - self.used)

    def gate(self) -> MutableSequence[int]:
        return self._gate

    async def flush_gate(self) -> None:
        await self._operate()
        self._flushed_gate[:] = self._gate

    # Within

    def _file(self, path: str) -> Stored:
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]

    def _room(self, size: int) -> None:
        if self.capacity is not None and self.used + size > self.capacity:
            raise DiskError("no space left on the disk")

    async def _operate(self) -> None:
        self.operations += 1
        number = self.operations
        if self.latency is not None:
            await anyio.sleep(self.latency())
        if self._fails(number):
            raise DiskError(f"operation {number} failed")

    async def _change(self, change: Change) -> None:
        """A change that a crash meanwhile finds done or not done, never half."""
        mark = id(change)
        self._under_way[mark] = change
        try:
            await self._operate()
            change(self.files)
        finally:
            del self._under_way[mark]

    async def append(self, path: str, data: bytes) -> None:
        file = self._file(path)
        before = len(file.content)
        room = len(data)
        if self.capacity is not None:
            room = max(0, self.capacity - self.used + file.takes - before)
        file.content += data[:room]
        try:
            if self._hanging is not None:
                await self._hanging.wait()
            await self._operate()
        except DiskError:
            del file.content[before + self._chance.randint(0, len(data)) :]
            raise
        except anyio.get_cancelled_exc_class():
            if self._hanging is None:
                file.synced = len(file.content)  # the writer's thread goes on without who waited
            raise
        if room < len(data):
            raise DiskError("no space left on the disk")
        self.syncs += 1
        file.synced = len(file.content)


class TearingFile:
    """Fulfils `AppendFile`."""

    def __init__(self, disk: TearingDisk, path: str) -> None:
        self._disk = disk
        self._path = path
        self._busy = False

    async def append(self, data: bytes) -> None:
        assert not self._busy, "one append at a time"
        self._busy = True
        try:
            await self._disk.append(self._path, data)
        finally:
            self._busy = False

    def write(self, data: bytes) -> None:
        self._disk.files[self._path].content += data

    def close(self) -> None:
        """Nothing is held."""
