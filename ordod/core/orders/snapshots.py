"""Snapshots: the state as of one record, so that a start need not read what came before.

`snapshots/<seq>.json`: a first line with the record's seq and hash and a check sum of it all, then the content. A snapshot is
a convenience, never a source: the journal has everything, so one that is damaged, or whose record the journal lacks, is not
used, and neither is one of another format than this version's. But one *newer* than the journal proves that records which
were on disk are gone, and that is told.
"""

import msgspec
from msgspec import Struct

from ordod.core.orders.format import Codec
from ordod.core.ports import Disk

__all__ = [
    "FOLDER",
    "Snapshot",
    "read_snapshot",
    "snapshot_bytes",
    "snapshot_seqs",
    "write_snapshot",
]

FOLDER = "snapshots"
FORMAT = 1  # of the content; another one is not read, and the journal has it all
KEPT = 2
_DIGITS = 12


class _Header(Struct):
    seq: int
    hash: str
    checksum: str
    format: int = 1


class Snapshot(Struct, frozen=True):
    seq: int
    hash: str
    content: bytes


def snapshot_seqs(disk: Disk) -> list[int]:
    """Of which records there are snapshots, by their names; newest first."""
    stems = [name.removesuffix(".json") for name in disk.names(FOLDER) if name.endswith(".json")]
    return sorted((int(s) for s in stems if s.isascii() and s.isdigit()), reverse=True)


def read_snapshot(disk: Disk, codec: Codec, seq: int) -> Snapshot | None:
    """The snapshot of this record; None where it is not whole, or of another format."""
    line, _, content = disk.read(path_of(seq)).partition(b"\n")
    try:
        header = msgspec.json.decode(line, type=_Header)
    except (msgspec.MsgspecError, ValueError):  # ValueError: no UTF-8
        return None
    if header.format != FORMAT or header.seq != seq:
        return None
    if header.checksum != _checksum(codec, seq, header.hash, content):
        return None
    return Snapshot(seq, header.hash, content)


async def write_snapshot(disk: Disk, codec: Codec, content: bytes, head: tuple[int, str]) -> None:
    """Store it durably, then drop all but the newest two."""
    seq, _ = head
    await disk.replace(path_of(seq), snapshot_bytes(codec, content, head))
    for old in [s for s in snapshot_seqs(disk) if s <= seq][KEPT:]:
        await disk.remove(path_of(old))


def snapshot_bytes(codec: Codec, content: bytes, head: tuple[int, str]) -> bytes:
    seq, digest = head
    header = _Header(seq, digest, _checksum(codec, seq, digest, content), FORMAT)
    return msgspec.json.encode(header) + b"\n" + content


def path_of(seq: int) -> str:
    return f"{FOLDER}/{seq:0{_DIGITS}}.json"


def _checksum(codec: Codec, seq: int, digest: str, content: bytes) -> str:
    return codec.seal(b"snapshot", b"%d" % seq, digest.encode(), content)
