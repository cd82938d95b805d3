"""Segments of past days are compressed, to be kept for years: to about a tenth of their size.

Never on the event loop, piece by piece, and only while nothing trades: outside of `TRADING` hours and while the journal is
quiet. The order of the steps must not move: the compressed copy is on disk and synced; it is read back, compared with the
original byte by byte, and its chain of hashes proved up to the one that the next segment names; only then does the original
go. While both are there the original counts (`segments.py`), so a crash at any step loses nothing, and the step is repeated.
"""

from collections.abc import Awaitable, Callable
from datetime import date, time
from functools import partial
from itertools import pairwise

import anyio
import msgspec
import structlog

from ordod.core.orders.format import Codec, entry, header
from ordod.core.orders.journal import Journal
from ordod.core.orders.packed import PIECE, NotReadable, index_member, member, read_packed
from ordod.core.orders.records import Open
from ordod.core.orders.segments import PACKED, PLAIN, Damage, Segment, last_line, listed, read
from ordod.core.ports import Clock, Disk, DiskError

__all__ = ["Keeper", "closed_before", "pack"]

LOOK_S = 60.0
RETRY_S = 3600.0  # a disk that had no room, or failed
PAUSE_S = 0.05  # between pieces, each of some 5 ms: others of this process have the processor nine tenths of the time
TRADING = (time(8, 30), time(15, 45))  # IST, Monday to Friday
SATURDAY = 5

log = structlog.get_logger("ordod.journal")


class Keeper:
    """Looks after the segments for as long as the daemon lives."""

    def __init__(self, disk: Disk, clock: Clock, codec: Codec, journal: Journal) -> None:
        self._disk = disk
        self._clock = clock
        self._codec = codec
        self._journal = journal
        self._done_on: date | None = None  # nothing is left of the days before
        self._refused: set[int] = set()  # damaged ones; said once

    async def run(self) -> None:
        while True:
            await anyio.sleep(LOOK_S)
            if self._may_work() and self._done_on != self._clock.now().date():
                try:
                    await self._work()
                except DiskError as error:
                    log.warning("journal_not_compressed", why=str(error))
                    await anyio.sleep(RETRY_S)

    async def _work(self) -> None:
        """Everything of the days before today."""
        today = self._clock.now().date()
        head = self._journal.head[0]
        due = await self._disk.aside(lambda: closed_before(self._disk, today, head))
        for segment, after in due:
            if segment.first in self._refused:
                continue
            try:
                size = await pack(self._disk, self._codec, segment, after, self._pause)
            except Damage as damage:
                self._refused.add(segment.first)
                log.error("journal_damaged", why=str(damage))  # noqa: TRY400 - no bug: its trace says nothing
            else:
                log.info("journal_compressed", file=segment.path, bytes=segment.size, to=size)
        self._done_on = today

    async def _pause(self) -> None:
        await anyio.sleep(PAUSE_S)
        while not self._may_work():  # noqa: ASYNC110 - the hour of the day has no event
            await anyio.sleep(LOOK_S)

    def _may_work(self) -> bool:
        now = self._clock.now()
        begins, ends = TRADING
        trades = now.weekday() < SATURDAY and begins <= now.time() < ends
        return self._journal.is_quiet and not trades


def closed_before(disk: Disk, day: date, head: int) -> list[tuple[Segment, Segment]]:
    """The plain segments that ended before this day, each with the one after it, whose `open` is durable: oldest first.

    Args:
        head: seq of the last durable record.
    Raises:
        Damage: a file's name is wrong.
    """
    found = []
    for segment, after in pairwise(listed(disk)):
        if segment.is_packed or after.first > head:
            continue
        end = header(last_line(disk, segment))
        if end is not None and date.fromisoformat(end.at[:10]) < day:
            found.append((segment, after))
    return found


async def pack(
    disk: Disk, codec: Codec, segment: Segment, after: Segment, pause: Callable[[], Awaitable[None]]
) -> int:
    """Put the compressed form of a closed segment in its place; its bytes.

    Args:
        after: the segment that goes on where this one ends.
        pause: awaited between pieces.
    Raises:
        Damage: the segment is not whole; it is left as it was.
        DiskError: a step was refused; the original is there still, or, if only its removal was refused, both are.
    """
    path = segment.path.removesuffix(PLAIN) + PACKED
    members: list[bytes] = []
    for offset in range(0, segment.size, PIECE):
        members.append(await disk.aside(partial(_packed, disk, segment.path, offset)))
        await pause()
    content = b"".join([*members, index_member([*map(len, members)], segment.size)])
    await disk.replace(path, content)
    proof = _Proof(disk, codec, segment, path)
    try:
        for offset in range(0, segment.size, PIECE):
            await disk.aside(partial(proof.take, offset))
            await pause()
        await disk.aside(lambda: proof.end(after))
    except (Damage, DiskError):
        await disk.remove(path)
        raise
    await disk.remove(segment.path)
    return len(content)


def _packed(disk: Disk, path: str, offset: int) -> bytes:
    return member(disk.read(path, offset, PIECE))


class _Proof:
    """That the copy at `path` is the segment, and that the segment is whole: piece by piece, then `end`."""

    def __init__(self, disk: Disk, codec: Codec, segment: Segment, path: str) -> None:
        self._disk = disk
        self._codec = codec
        self._segment = segment
        self._path = path
        self._seq = segment.first - 1
        self._hash: bytes | None = None
        self._offset = 0
        self._rest = b""

    def take(self, offset: int) -> None:
        """Raises Damage (the original), DiskError (the copy)."""
        try:
            data = read_packed(self._disk, self._path, offset, PIECE)
        except NotReadable as why:
            raise DiskError(f"{self._path} was not written as it should be: {why}") from None
        if data != self._disk.read(self._segment.path, offset, PIECE):
            raise DiskError(f"{self._path} was not written as it should be: it differs")
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._check(line)

    def end(self, after: Segment) -> None:
        """Raises Damage: the next segment does not go on where this one ends."""
        begin = read(self._disk, after.path, 0, 4096)
        goes_on = b'"previous":"%b"' % (self._hash or b"") in begin
        if self._rest or self._seq + 1 != after.first or not goes_on:
            raise self._damage(f"{after.path} does not go on where it ends")

    def _check(self, line: bytes) -> None:
        if self._hash is None:
            self._hash = _previous(line, self._segment.first)
        digest = self._codec.check(line, self._hash)
        if digest is None or not line.startswith(b'{"seq":%d,' % (self._seq + 1)):
            raise self._damage("the hash does not fit")
        self._hash = digest
        self._seq += 1
        self._offset += len(line) + 1

    def _damage(self, why: str) -> Damage:
        line = self._seq - self._segment.first + 2
        return Damage(
            why, path=self._segment.path, line=line, offset=self._offset, seq=self._seq + 1
        )


def _previous(line: bytes, seq: int) -> bytes:
    """The hash that a segment's first line goes on from, by its own words."""
    try:
        record = entry(line, seq).record
    except (msgspec.DecodeError, ValueError):
        return b""
    return record.previous.encode() if isinstance(record, Open) else b""
