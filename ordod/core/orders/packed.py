"""A segment compressed: gzip for `zcat`, and any part of it to be had without what stands before.

`<first seq>.ndjson.gz` is one gzip member for each `PIECE` bytes of the segment, then an empty one whose extra field, of the
subfield `OX`, holds the members' lengths (RFC 1952, 2.3.1.1):

    lengths, 4 bytes each | bytes of the segment, 8 | length of the extra field, 4           little-endian

So a reader finds the lengths from the file's end, and the member of an offset from the lengths. Every byte that is not
deflated data or its check sum is compared with what it must be: no bit can change without being seen.
"""

import struct
import zlib
from itertools import accumulate

from msgspec import Struct

from ordod.core.ports import Disk

__all__ = [
    "PIECE",
    "NotReadable",
    "index_member",
    "member",
    "packed_size",
    "read_packed",
    "salvaged",
]

PIECE = 128 << 10  # unpacked in a third of a millisecond: the loop reads these too
INDEX_BYTES_MAX = 60_000  # of an extra field's 65535: 14,990 members, 1.8 GiB
_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_INDEX_HEAD = b"\x1f\x8b\x08\x04\x00\x00\x00\x00\x00\xff"
_EMPTY = b"\x03\x00" + bytes(8)  # deflate of nothing, its check sum and its length
_FOOT_BYTES = 8


class NotReadable(Exception):  # noqa: N818 - a finding about the disk
    """From byte `offset` of the segment on it cannot be unpacked."""

    def __init__(self, why: str, offset: int) -> None:
        super().__init__(why)
        self.offset = offset


class _Index(Struct, frozen=True):
    """Where each member begins and the last one ends; `size`: of the segment, unpacked."""

    begins: list[int]
    size: int


def member(data: bytes) -> bytes:
    """One piece, packed."""
    assert 0 < len(data) <= PIECE
    deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return b"".join((_HEAD, deflate.compress(data), deflate.flush(), _foot(data)))


def index_member(lengths: list[int], size: int) -> bytes:
    """What the file ends with.

    Args:
        lengths: of the members, in order.
        size: bytes of the segment, unpacked.
    """
    body_bytes = 4 * len(lengths) + 12
    assert body_bytes <= INDEX_BYTES_MAX
    extra_bytes = body_bytes + 4
    body = struct.pack(f"<{len(lengths)}IQI", *lengths, size, extra_bytes)
    field = b"OX" + struct.pack("<H", body_bytes) + body
    return _INDEX_HEAD + struct.pack("<H", extra_bytes) + field + _EMPTY


def packed_size(disk: Disk, path: str) -> int:
    """Bytes of the segment, unpacked.

    Raises:
        NotReadable: the index is damaged.
        FileNotFoundError
    """
    return _index(disk, path).size


def read_packed(disk: Disk, path: str, offset: int, length: int) -> bytes:
    """These bytes of the segment, or as many of them as it has; `length` -1: all from there on.

    Raises:
        NotReadable: a member that they lie in, or the index, is damaged.
        FileNotFoundError
    """
    index = _index(disk, path)
    end = index.size if length < 0 else min(index.size, offset + length)
    if offset >= end:
        return b""
    first, last = offset // PIECE, (end - 1) // PIECE
    start = index.begins[first]
    packed = disk.read(path, start, index.begins[last + 1] - start)
    parts = []
    for place in range(first, last + 1):
        one = packed[index.begins[place] - start : index.begins[place + 1] - start]
        wanted = min(PIECE, index.size - place * PIECE)
        data = _unpacked(one)
        if data is None or len(data) != wanted:
            raise NotReadable("its compressed bytes were changed", place * PIECE)
        parts.append(data)
    return b"".join(parts)[offset - first * PIECE : end - first * PIECE]


def salvaged(packed: bytes) -> bytes:
    """What of a damaged file can be unpacked from its beginning on, with or without its index."""
    parts = []
    while packed.startswith(_HEAD):
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            data = inflate.decompress(packed[len(_HEAD) :], PIECE)
        except zlib.error:
            break
        rest = inflate.unused_data
        if not inflate.eof or rest[:_FOOT_BYTES] != _foot(data):
            break
        parts.append(data)
        packed = rest[_FOOT_BYTES:]
    return b"".join(parts)


def _unpacked(one: bytes) -> bytes | None:
    """One member's piece; None where a bit of it was changed."""
    if not one.startswith(_HEAD):
        return None
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflate.decompress(one[len(_HEAD) :], PIECE)
    except zlib.error:
        return None
    return data if inflate.eof and inflate.unused_data == _foot(data) else None


def _index(disk: Disk, path: str) -> _Index:
    file_bytes = disk.size(path)
    damaged = NotReadable("the index at its end was changed or cut", 0)
    tail_bytes = min(file_bytes, 4 + len(_EMPTY))
    tail = disk.read(path, file_bytes - tail_bytes, tail_bytes)
    if len(tail) < 4 + len(_EMPTY) or tail[4:] != _EMPTY:
        raise damaged
    (extra_bytes,) = struct.unpack("<I", tail[:4])
    whole = len(_INDEX_HEAD) + 2 + extra_bytes + len(_EMPTY)
    count, odd = divmod(extra_bytes - 16, 4)
    if odd or count < 0 or extra_bytes > INDEX_BYTES_MAX + 4 or whole > file_bytes:
        raise damaged
    found = disk.read(path, file_bytes - whole, whole)
    *lengths, size, _ = struct.unpack_from(f"<{count}IQI", found, len(_INDEX_HEAD) + 6)
    begins = list(accumulate(lengths, initial=0))
    if (
        found != index_member(lengths, size)
        or begins[-1] != file_bytes - whole
        or count != -(-size // PIECE)
    ):
        raise damaged
    return _Index(begins, size)


def _foot(data: bytes) -> bytes:
    return struct.pack("<II", zlib.crc32(data), len(data))
