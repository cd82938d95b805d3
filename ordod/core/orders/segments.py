"""The files of the journal: their names, their lines, and what was set aside.

`journal/<first seq>.ndjson`, the number padded so that names sort as they follow one another. What was cut off stands beside
them as `torn-...` and `damaged-...`, which nothing reads again.
"""

from collections.abc import Iterator

from msgspec import Struct

from ordod.core.ports import Disk

__all__ = [
    "FOLDER",
    "REPAIRING",
    "Damage",
    "Segment",
    "last_line",
    "lines_between",
    "listed",
    "path_of",
    "pieces",
    "set_aside",
]

FOLDER = "journal"
REPAIRING = "repairing"  # a file there while a repair is under way
_ENDING = ".ndjson"
_DIGITS = 12
_PIECE = 1 << 20  # bytes read at a time: start-up must not hold a whole segment in memory
_LINE_MAX = 1 << 21  # no record comes near; a last line is looked for in so many bytes


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


class Segment(Struct, frozen=True):
    """One file. `first`: the seq of its first record, as its name says."""

    first: int
    path: str
    size: int


def path_of(first: int) -> str:
    return f"{FOLDER}/{first:0{_DIGITS}}{_ENDING}"


def listed(disk: Disk) -> list[Segment]:
    """The segments in order.

    Raises:
        Damage: a file looks like a segment and is not named as one; a renamed segment must not pass for a missing one.
    """
    found = []
    for name in disk.names(FOLDER):
        if not name.endswith(_ENDING):
            continue
        path = f"{FOLDER}/{name}"
        stem = name.removesuffix(_ENDING)
        if not (stem.isascii() and stem.isdigit() and path_of(int(stem)) == path):
            why = "not a segment's name: a segment was renamed, or the file does not belong here"
            raise Damage(why, path=path, line=0, offset=0, seq=0)
        found.append(Segment(int(stem), path, disk.size(path)))
    return sorted(found, key=lambda segment: segment.first)


def pieces(disk: Disk, path: str) -> Iterator[tuple[list[bytes], bytes]]:
    """Whole lines in order, without their newlines, many at a time; beside them the bytes after the last newline.

    The last of these rests is what the file ends with after its last newline.
    """
    offset = 0
    rest = b""
    while data := disk.read(path, offset, _PIECE):
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
    """Its last whole line, unchecked; empty where there is none."""
    start = max(0, segment.size - _LINE_MAX)
    return disk.read(segment.path, start).rpartition(b"\n")[0].rpartition(b"\n")[2]


async def set_aside(disk: Disk, folder: str, stem: str, data: bytes) -> str:
    """A durable copy of what will be cut away, under a name of its own: `<stem>-<n>`."""
    taken = set(disk.names(folder))
    n = next(n for n in range(1, len(taken) + 2) if f"{stem}-{n}" not in taken)
    path = f"{folder}/{stem}-{n}"
    await disk.replace(path, data)
    return path
