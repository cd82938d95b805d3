"""The journal: what is to happen, and what happened, on disk before anybody is told.

One task, `Journal.run`, writes. It takes everything queued as one batch and syncs it once, however many callers wait (group
commit); what is queued meanwhile is the next batch. Three orders of events hold, and must not be moved:

1. No byte of a batch is handed to the disk before the sync of the one before has returned. Recovery reads from this rule
   which damage is a torn tail and which is not (`recovery.py`).
2. After the sync each record's `then` is called, in the order of the numbers, with no await between; only then do those go
   on who wait in `Pending.durable`. So book and events follow the journal, and nobody acts on what the book does not show.
3. What is queued can be taken back until it is taken into a batch, never after: then it will be on disk, sooner or later.

A disk that said no once is not asked again: a sync that failed may have dropped the pages, and the next would succeed without
them. A crash may keep the first records of a `write` without its last.
"""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import date, datetime

import anyio
from msgspec.structs import replace

from ordod.core.histogram import Histogram
from ordod.core.orders.format import Codec, body
from ordod.core.orders.records import Close, Entry, Intent, Modify, Open, Record, Seal
from ordod.core.orders.segments import FOLDER, path_of
from ordod.core.orders.snapshots import write_snapshot
from ordod.core.ports import AppendFile, Clock, Disk, DiskError
from ordod.core.waiting import Once

__all__ = ["Journal", "JournalFailed", "Pending"]

QUIET_S = 1.0  # after so much quiet a seal closes what was told
BATCH_BYTES_MAX = 2 << 20  # a sync must stay short; some 4000 records
QUEUE_RECORDS_MAX = 100_000  # a disk that let so many wait (some 50 MiB) has hung for good
SEGMENT_BYTES_MAX = 64 << 20
RESERVE_BYTES = SEGMENT_BYTES_MAX + (6 << 20)  # the last batch too, and a full disk's last hours
BATCH_BOUNDS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 5000.0)
FULL_PAUSE_S = 10.0  # so long a full disk is left alone before a new segment is tried again


class JournalFailed(Exception):  # noqa: N818 - an outcome; the caller decides what it is an error of
    """These records are not known to be on disk and none will be: the disk said no, or the journal was closed."""


Then = Callable[[list[Entry]], None]


class Pending:
    """Records on their way to disk. `seqs`: their numbers, once they are in a batch; empty before."""

    __slots__ = ("_done", "_failure", "_taken", "_then", "_waiting", "bodies", "records", "seqs")

    def __init__(self, records: tuple[Record, ...], then: Then | None) -> None:
        self.records = records
        self.bodies = [body(record) for record in records]
        self.seqs: tuple[int, ...] = ()
        self._then = then
        self._taken = False
        self._done = False
        self._failure: str | None = None
        self._waiting: Once | None = None

    async def durable(self, within_s: float | None = None) -> bool:
        """True when they are on disk; False where they were not within so many seconds.

        Raises:
            JournalFailed: they are not known to be, or were withdrawn.
        """
        if not self._done:
            self._waiting = self._waiting or Once()
            if not await self._waiting.wait(within_s):
                return False
        if self._failure is not None:
            raise JournalFailed(self._failure)
        return True

    def withdraw(self) -> bool:
        """True: taken back, never to be written. False: too late, they are in a batch (or the journal has failed)."""
        if self._taken or self._done:
            return False
        self._end("withdrawn")
        return True

    def _end(self, failure: str | None = None) -> None:
        self._done = True
        self._failure = failure
        if self._waiting is not None:
            self._waiting.set()


class Journal:
    """The journal of a running daemon; `open_journal` makes it. Its writer is `run`, which somebody must be running.

    `syncing_since`: boot time at which the disk was asked, while it does not answer. `head`: seq and hash of the last durable record. `failed`: for good. `full`: a new segment cannot be had just now, so
    intents and modifies are refused; the rest goes on in the old one. `sync_s`, `batch_records`: of each batch since the start;
    `written_bytes` of all. `segments`: files. `on_failure` is called once, with what the disk
    said; `on_seal` with the head after each seal, for the system's log.
    """

    def __init__(
        self,
        disk: Disk,
        clock: Clock,
        codec: Codec,
        file: AppendFile,
        opening: Open,
        *,
        head: tuple[int, str],
        batch: int,
        size: int,
        day: date,
        torn: str | None,
        segments: int,
    ) -> None:
        self.epoch = opening.epoch
        self.installation = opening.installation
        self.head = head
        self.failed = False
        self.failure = ""
        self.full = False
        self.syncing_since: float | None = None
        self.sync_s = Histogram()
        self.batch_records = Histogram(BATCH_BOUNDS)
        self.written_bytes = 0
        self.segments = segments
        self.torn = torn
        self.reasons_behind = list(opening.behind)
        self.on_failure: Callable[[str], None] = _nothing
        self.on_seal: Callable[[int, str], None] = _nothing
        self._disk = disk
        self._clock = clock
        self._codec = codec
        self._file = file
        self._opening = opening
        self._batch = batch
        self._size = size
        self._day = day
        self._sealed = False
        self._tried_at = 0.0
        self._queue: deque[Pending] = deque()
        self._queued_records = 0
        self._wake = Once()
        self._begun = False
        self._closing = False
        self._ended = anyio.Event()

    @property
    def queued(self) -> int:
        """Records that wait for a batch."""
        return self._queued_records

    @property
    def is_quiet(self) -> bool:
        """Nothing was written for a second, nothing waits."""
        return self._sealed and not self._queue

    def write(self, *records: Record, then: Then | None = None) -> Pending:
        """Queue records, to be written together and in this order. Never waits; a failed journal fails them at once.

        Args:
            then: called with their entries right after the sync, before anybody who waits goes on.
        """
        assert records
        pending = Pending(records, then)
        if not self.failed and self._queued_records + len(records) > QUEUE_RECORDS_MAX:
            self._fail(f"the disk hangs: {self._queued_records} records wait for it")
        if self.failed or self._closing:
            pending._end(self.failure or "the journal is closed")
            return pending
        if self.full and any(isinstance(record, Intent | Modify) for record in records):
            pending._end("the disk is full: what is left is for cancels, outcomes and the kill")
            return pending
        self._queue.append(pending)
        self._queued_records += len(records)
        self._wake.set()
        return pending

    async def run(self) -> None:
        """Write what is queued, until `close` or the disk's no. Returns then; raises only what a `then` raised."""
        if self._begun:
            return
        self._begun = True
        try:
            while not self.failed:
                if self._queue:
                    await self._write_batch()
                elif self._closing:
                    await self._seal()
                    break
                else:
                    await self._wait()
        except DiskError as error:
            self._fail(str(error) or type(error).__name__)
        finally:
            # Cancelled within an append, or a bug in a `then`: what is on disk is unknown here, a replay will know.
            if not self.failed and not (self._closing and not self._queue):
                self._fail("the writer was stopped")
            self._ended.set()

    async def close(self) -> None:
        """Write what is queued, a `close` and a seal. Returns also where the disk has failed."""
        if not self._closing:
            self.write(Close())
            self._closing = True
            self._wake.set()
        await self.run()  # in case its task never came to begin
        await self._ended.wait()
        self._file.close()

    async def save_snapshot(self, content: bytes, head: tuple[int, str] | None = None) -> None:
        """Store the state as of `head`, from which the next start goes on.

        Args:
            content: what `load` of `open_journal` will be given.
            head: the journal's when the state was read; default: now. Only ever of synced records.
        Raises:
            DiskError: there is no new snapshot; the older ones serve.
        """
        await write_snapshot(self._disk, self._codec, content, head or self.head)

    async def _wait(self) -> None:
        """Until something is queued; seals once it has been quiet."""
        self._wake = Once()
        if self._sealed:
            await self._wake.wait()
        elif not await self._wake.wait(QUIET_S):
            await self._seal()

    async def _write_batch(self) -> None:
        at = self._clock.now()
        if self._size >= SEGMENT_BYTES_MAX or at.date() > self._day:
            await self._next_segment(at)
        taken = self._take()
        if not taken:
            return
        first = self.head[0] + 1
        failure = "the writer was stopped"
        try:
            await self._append(at, [body for pending in taken for body in pending.bodies])
        except DiskError as error:
            failure = str(error)
            raise
        finally:
            if self.head[0] < first:
                for pending in taken:
                    pending._end(failure)
        self._sealed = False
        self._tell(taken, first, at)

    def _take(self) -> list[Pending]:
        """What is queued and not withdrawn, into a batch."""
        taken: list[Pending] = []
        seq = self.head[0] + 1
        count = size = 0
        while self._queue and size < BATCH_BYTES_MAX:
            pending = self._queue.popleft()
            self._queued_records -= len(pending.records)
            if pending._done:
                continue
            pending._taken = True
            pending.seqs = tuple(range(seq + count, seq + count + len(pending.records)))
            count += len(pending.records)
            size += sum(map(len, pending.bodies))
            taken.append(pending)
        return taken

    def _tell(self, taken: list[Pending], first: int, at: datetime) -> None:
        """Every `then` of the batch before the first of those who wait."""
        assert taken[0].seqs[0] == first
        assert taken[-1].seqs[-1] == self.head[0]
        try:
            for pending in taken:
                if pending._then is not None:
                    numbered = zip(pending.seqs, pending.records, strict=True)
                    pending._then([Entry(seq, at, record) for seq, record in numbered])
        finally:
            for pending in taken:
                pending._end()

    async def _append(self, at: datetime, bodies: Sequence[bytes]) -> None:
        """One batch. When this returns it is on disk, and `head` says so."""
        seq, previous = self.head
        data, digest = self._codec.lines(
            bodies, seq=seq + 1, batch=self._batch + 1, at=at, previous=previous
        )
        since = self.syncing_since = self._clock.boot()
        try:
            await self._file.append(data)
        finally:
            self.syncing_since = None
        self.sync_s.add(self._clock.boot() - since)
        self.batch_records.add(len(bodies))
        self.written_bytes += len(data)
        self.head = (seq + len(bodies), digest)
        self._batch += 1
        self._size += len(data)

    async def _seal(self) -> None:
        if self._sealed:
            return
        await self._append(self._clock.now(), [body(Seal())])
        self._sealed = True
        self.on_seal(*self.head)

    async def _next_segment(self, at: datetime) -> None:
        """Seal this segment and begin the next; on a full disk go on in this one, which has room reserved."""
        if self.full and self._clock.boot() < self._tried_at + FULL_PAUSE_S:
            return
        await self._seal()
        path = path_of(self.head[0] + 1)
        try:
            file = await self._disk.create(path, reserve=RESERVE_BYTES)
        except DiskError:
            # Nothing of a record was at stake. An empty file left behind would later pass for a missing segment.
            if path.removeprefix(f"{FOLDER}/") in self._disk.names(FOLDER):
                await self._disk.remove(path)
            self.full = True
            self._tried_at = self._clock.boot()
            return
        self.full = False
        self._file.close()
        self._file = file
        self.segments += 1
        self._size = 0
        self._day = max(at.date(), self._day)
        going_on = replace(self._opening, previous=self.head[1], behind=())
        await self._append(at, [body(going_on)])

    def _fail(self, why: str) -> None:
        self.failed = True
        self.failure = why
        while self._queue:
            pending = self._queue.popleft()
            if not pending._done:
                pending._end(why)
        self._queued_records = 0
        self._wake.set()
        self.on_failure(why)


def _nothing(*_: object) -> None:
    pass
