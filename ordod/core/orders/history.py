"""The journal's lines about something, as they stand on disk, for people and auditors.

Reads in steps and lets the loop turn between them: nothing here may hold a cancel up.
"""

from collections.abc import AsyncIterator, Collection
from typing import Any

import anyio.lowlevel
import orjson

from ordod.core.orders.segments import listed
from ordod.core.ports import Disk

__all__ = ["last_lines", "records_of"]

STEP_BYTES = 256 * 1024  # read and searched in well under a millisecond


async def records_of(disk: Disk, ids: Collection[str], first_seq: int) -> list[dict[str, Any]]:
    """Every record about one of these ids, oldest first, from this number on."""
    needles = [f'"{each}"'.encode() for each in ids]
    found = []
    async for line in _lines(disk, first_seq):
        if any(needle in line for needle in needles):
            record = orjson.loads(line)
            if {record.get("id"), record.get("order_id")} & set(ids):
                del record["hash"]
                found.append(record)
    return found


async def last_lines(disk: Disk, count: int) -> list[dict[str, Any]]:
    """The newest records, oldest first."""
    segments = listed(disk)
    lines: list[bytes] = []
    while segments and len(lines) < count:
        path = segments.pop().path
        end = disk.size(path)
        start = max(0, end - STEP_BYTES * 4)
        data = disk.read(path, start, end - start)
        whole = data.split(b"\n")[1 if start else 0 : -1]
        lines = whole + lines
        await anyio.lowlevel.checkpoint()
    return [orjson.loads(line) for line in lines[-count:]]


async def _lines(disk: Disk, first_seq: int) -> AsyncIterator[bytes]:
    segments = listed(disk)
    later = [s for s in segments if s.first > first_seq]
    earlier = [s for s in segments if s.first <= first_seq]
    for segment in [*earlier[-1:], *later]:
        rest, offset, size = b"", 0, disk.size(segment.path)
        while offset < size:
            data = disk.read(segment.path, offset, STEP_BYTES)
            offset += len(data)
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield line
            await anyio.lowlevel.checkpoint()
