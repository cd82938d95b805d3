"""The journal's lines about something, as they stand on disk, for people and auditors.

Reads in steps and lets the loop turn between them: nothing here may hold a cancel up.
"""

from collections.abc import AsyncIterator, Collection
from typing import Any

import anyio.lowlevel
import orjson

from ordod.core.orders.segments import listed, read, size_of
from ordod.core.ports import Disk

__all__ = ["last_lines", "records_of"]

STEP_BYTES = 256 * 1024  # read and searched in well under a millisecond


async def records_of(disk: Disk, ids: Collection[str], seqs: range) -> list[dict[str, Any]]:
    """Every record about one of these ids among these numbers, oldest first. What is not synced yet is not told (P9)."""
    needles = [f'"{each}"'.encode() for each in ids]
    found = []
    async for line in _lines(disk, seqs.start):
        if any(needle in line for needle in needles):
            record = orjson.loads(line)
            if record["seq"] in seqs and {record.get("id"), record.get("order_id")} & set(ids):
                del record["hash"]
                found.append(record)
    return found


async def last_lines(disk: Disk, count: int, head: int) -> list[dict[str, Any]]:
    """The newest records up to the head, oldest first, without a gap. What is behind it is not synced yet (P9)."""
    found: list[dict[str, Any]] = []
    for segment in reversed(listed(disk)):
        oldest = max(segment.first, head - count + 1)
        lines = await _from(disk, segment.path, oldest)
        found = [orjson.loads(line) for line in lines[: max(0, head + 1 - oldest)]] + found
        if oldest > segment.first:
            break
    return found


async def _from(disk: Disk, path: str, seq: int) -> list[bytes]:
    """The whole lines of a segment from this number on; read backwards, as its end is what is wanted."""
    data, start = b"", size_of(disk, path)
    while True:
        begin = max(0, start - STEP_BYTES)
        data, start = read(disk, path, begin, start - begin) + data, begin
        lines = data.split(b"\n")[1 if start else 0 : -1]
        first = orjson.loads(lines[0])["seq"] if lines else seq + 1
        if start == 0 or first <= seq:
            return lines[max(0, seq - first) :]
        await anyio.lowlevel.checkpoint()


async def _lines(disk: Disk, first_seq: int) -> AsyncIterator[bytes]:
    segments = listed(disk)
    later = [s for s in segments if s.first > first_seq]
    earlier = [s for s in segments if s.first <= first_seq]
    for segment in [*earlier[-1:], *later]:
        rest, offset, size = b"", 0, size_of(disk, segment.path)
        while offset < size:
            data = read(disk, segment.path, offset, STEP_BYTES)
            offset += len(data)
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield line
            await anyio.lowlevel.checkpoint()
