"""The files of the journal: their names, their lines, and what was set aside.

`journal/<first seq>.ndjson`, the number padded so that names sort as they follow one another; of past days
`<first seq>.ndjson.gz` (`packed.py`). Offsets and lines are always those of the segment itself, compressed or not, so a
reader goes on when the file is compressed under it. Where both forms are there the plain one counts: the other may be the
half of a step that a crash cut short. What was cut off stands beside them as `torn-...` and `damaged-...`, which nothing
reads again.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeVar

from msgspec import Struct

from ordod.core.orders.packed import NotReadable, packed_size, read_packed
from ordod.core.ports import Disk

__all__ = [
    "FOLDER",
    "PACKED",
    "PLAIN",
    "REPAIRING",
    "Damage",
    "Segment",
    "Unreadable",
    "last_line",
    "lines_between",
    "listed",
    "path_of",
    "pieces",
    "read",
    "set_aside",
    "size_of",
]

FOLDER = "journal"
REPAIRING = "repairing"  # a file there while a repair is under way
PLAIN = ".ndjson"
PACKED = ".ndjson.gz"
_DIGITS = 12
_PIECE = 1 << 20  # bytes read at a time: start-up must not hold a whole segment in memory
_LINE_MAX = 1 << 21  # no record comes near; a last line is looked for in so many bytes
_LINE_MOST = 1 << 14  # nearly every last line is shorter

T = TypeVar("T")


class Damage(Exception):  # noqa: N818 - a finding about the disk
    """The journal is damaged where it had been told; nothing may start from it.

    Args:
        why: what is wrong.
        path: the file, below the state directory.
        line: which line of it, from 1; 0: the file as a whole.
        offset: where that line begins, in bytes.
        seq: the record that should stand there.
    """

    def __init__(self, why: str, *, path: str, line: int, offset: int, seq: int) -> None:
        where = f"{path}, line {line}" if line else path
        super().__init__(
            f"journal damaged at {where} (record {seq}): {why}. Restore the state directory from a copy, or run "
            f"`ordoctl journal repair`, which keeps everything before record {seq}, sets the rest aside, and has the "
            f"daemon start killed"
        )
        self.why = why
        self.path = path
        self.line = line
        self.offset = offset
        self.seq = seq


class Unreadable(Damage):
    """A compressed segment cannot be unpacked."""


class Segment(Struct, frozen=True):
    """One file. `first`: the seq of its first record, as its name says; `size`: its bytes on the disk."""

    first: int
    path: str
    size: int

    @property
    def is_packed(self) -> bool:
        return self.path.endswith(PACKED)


def path_of(first: int) -> str:
    return f"{FOLDER}/{first:0{_DIGITS}}{PLAIN}"


def listed(disk: Disk) -> list[Segment]:
    """The segments in order, each once.

    Raises:
        Damage: a file looks like a segment and is not named as one; a renamed segment must not pass for a missing one.
    """
    found: dict[int, Segment] = {}
    for name in disk.names(FOLDER):  # sorted: the plain form of a segment before the packed one
        if not name.endswith((PLAIN, PACKED)):
            continue
        path = f"{FOLDER}/{name}"
        stem = name.partition(".")[0]
        if not (
            stem.isascii() and stem.isdigit() and path_of(int(stem)) == path.removesuffix(".gz")
        ):
            why = "not a segment's name: a segment was renamed, or the file does not belong here"
            raise Damage(why, path=path, line=0, offset=0, seq=0)
        try:
            segment = Segment(int(stem), path, disk.size(path))
        except FileNotFoundError:  # compressed between the two looks
            path = f"{path_of(int(stem)).removesuffix(PLAIN)}{PACKED}"
            segment = Segment(int(stem), path, disk.size(path))
        found.setdefault(segment.first, segment)
    return sorted(found.values(), key=lambda segment: segment.first)


def read(disk: Disk, path: str, offset: int = 0, length: int = -1) -> bytes:
    """These bytes of a segment, whatever its form; also where it was compressed since it was listed.

    Raises:
        Unreadable: they cannot be unpacked.
        FileNotFoundError
    """
    return _of_form(
        path,
        lambda plain: disk.read(plain, offset, length),
        lambda packed: read_packed(disk, packed, offset, length),
    )


def size_of(disk: Disk, path: str) -> int:
    """Bytes of a segment, unpacked. Raises as `read`."""
    return _of_form(path, disk.size, lambda packed: packed_size(disk, packed))


def _of_form(path: str, plain: Callable[[str], T], packed: Callable[[str], T]) -> T:
    if path.endswith(PLAIN):
        with suppress(FileNotFoundError):
            return plain(path)
        path = path.removesuffix(PLAIN) + PACKED
    try:
        return packed(path)
    except NotReadable as why:
        first = int(path.removeprefix(f"{FOLDER}/").removesuffix(PACKED))
        raise Unreadable(str(why), path=path, line=1, offset=0, seq=first) from None


def pieces(disk: Disk, path: str) -> Iterator[tuple[list[bytes], bytes]]:
    """Whole lines in order, without their newlines, many at a time; beside them the bytes after the last newline.

    The last of these rests is what the file ends with after its last newline. Raises Unreadable.
    """
    offset = 0
    rest = b""
    while data := read(disk, path, offset, _PIECE):
        offset += len(data)
        *lines, rest = (rest + data).split(b"\n")
        yield lines, rest


def lines_between(disk: Disk, first: int, last: int) -> Iterator[bytes]:
    """The lines of these records as they stand, unchecked, without newlines.

    Args:
        last: at most the journal's head, for what stands behind it may not be durable.
    Raises:
        Damage: as `listed`.
    """
    segments = listed(disk)
    for place, segment in enumerate(segments):
        if segment.first > last:
            return
        if place + 1 < len(segments) and segments[place + 1].first <= first:
            continue
        seq = segment.first
        for lines, _ in pieces(disk, segment.path):
            yield from lines[max(0, first - seq) : max(0, last + 1 - seq)]
            seq += len(lines)


def last_line(disk: Disk, segment: Segment) -> bytes:
    """Its last whole line, unchecked; empty where there is none. Raises Unreadable."""
    size = size_of(disk, segment.path)
    line = b""
    for count in (_LINE_MOST, _LINE_MAX):
        whole = read(disk, segment.path, max(0, size - count)).rpartition(b"\n")[0]
        _, begun, line = whole.rpartition(b"\n")
        if begun or count >= size:
            break
    return line


async def set_aside(disk: Disk, folder: str, stem: str, data: bytes) -> str:
    """A durable copy of what will be cut away, under a name of its own: `<stem>-<n>`."""
    taken = set(disk.names(folder))
    n = next(n for n in range(1, len(taken) + 2) if f"{stem}-{n}" not in taken)
    path = f"{folder}/{stem}-{n}"
    await disk.replace(path, data)
    return path
