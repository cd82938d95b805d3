"""Start-up of the journal: prove it, cut a torn tail, replay it, begin a segment of our own.

Nothing is applied before all is proved: a daemon that refuses to start has done nothing with what it read.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import date

import msgspec
from msgspec import Struct

from ordod.core.orders.format import Codec, body, entry, stated_hash
from ordod.core.orders.journal import RESERVE_BYTES, Journal
from ordod.core.orders.records import FORMAT, Entry, Kill, Note, Open, Record
from ordod.core.orders.recovery import CHECKED_BYTES_MAX, Survey, survey
from ordod.core.orders.segments import (
    FOLDER,
    REPAIRING,
    lines_between,
    listed,
    path_of,
    pieces,
    set_aside,
)
from ordod.core.orders.snapshots import FOLDER as SNAPSHOTS
from ordod.core.orders.snapshots import path_of as snapshot_path
from ordod.core.orders.snapshots import read_snapshot, snapshot_seqs
from ordod.core.orders.too_new import TooNew
from ordod.core.ports import AppendFile, Clock, Disk, Random

__all__ = ["Begun", "Mark", "begin", "last_open", "open_journal"]


class Mark(Struct, frozen=True):
    """A head that was told, as it is kept outside the state directory."""

    installation: str
    seq: int
    hash: str


async def open_journal(
    disk: Disk,
    clock: Clock,
    random: Random,
    *,
    key: bytes | None = None,
    version: str = "",
    mark: Mark | None = None,
    apply: Callable[[Entry], None],
    load: Callable[[bytes], None],
) -> Journal:
    """The journal, read back into the caller's state and open for writing.

    `load` is called with a snapshot, before any `apply`; then `apply` with every entry after it, in order, those of the
    journal's own (open, seal, note, close) among them. Where `reasons_behind` of the result is not empty the caller
    writes a `Kill` of everything before anything is sent: until then each start says it again.

    Args:
        key: of the hashes, at most 64 bytes; None: unkeyed. Always the same one.
        mark: the last head that was kept elsewhere: a journal that lacks it is an older copy. None: nothing was kept.
        load: raises ValueError, having changed nothing, for content it cannot read; an older snapshot is tried, then none.
    Raises:
        Damage: where it stands and what to do. Nothing was changed or applied.
        TooNew: nothing was changed.
        DiskError: the disk does not take the new segment.
    """
    codec = Codec(key)
    found, after = _prove(disk, codec, load)
    last = last_open(found)
    said = _replay(disk, found, after, apply)
    reasons = [*_reasons(disk, last, found), *_lacks(disk, last, found, mark), *said]
    behind = list(dict.fromkeys(reasons))
    begun = await begin(disk, clock, random, codec, found, behind=behind, version=version)
    return Journal(
        disk,
        clock,
        codec,
        begun.file,
        begun.opening,
        head=begun.head,
        batch=found.batch + 1,
        size=begun.size,
        day=begun.day,
        torn=begun.torn,
        segments=len(listed(disk)),
    )


class Begun(Struct, frozen=True, kw_only=True):
    """A segment that was begun, and how it stands."""

    file: AppendFile
    opening: Open
    head: tuple[int, str]
    size: int
    day: date
    torn: str | None


async def begin(
    disk: Disk,
    clock: Clock,
    random: Random,
    codec: Codec,
    found: Survey,
    *,
    behind: list[str],
    version: str,
) -> Begun:
    """Cut a torn tail and begin a segment behind the last good record."""
    last = last_open(found)
    torn = str(found.torn) if found.torn else None
    await _cut(disk, found)
    # A number that was told and is lost will name another record: then clients must not go on from it.
    goes_on = last is not None and not behind and not torn
    identity = disk.identity()
    opening = Open(
        format=FORMAT,
        epoch=last.epoch if last is not None and goes_on else random.token(8).hex(),
        machine=identity.machine,
        inode=identity.inode,
        installation=last.installation if last is not None else random.token(8).hex(),
        version=version,
        previous=found.hash.decode(),
        behind=tuple(behind),
    )
    records: list[Record] = [opening, *([Note(text=torn)] if torn else [])]
    seq, batch, at = found.seq + 1, found.batch + 1, clock.now()
    data, digest = codec.lines(
        map(body, records), seq=seq, batch=batch, at=at, previous=opening.previous
    )
    file = await disk.create(path_of(seq), reserve=RESERVE_BYTES)
    await file.append(data)
    await _forget_signs(disk, found)
    return Begun(
        file=file,
        opening=opening,
        head=(found.seq + len(records), digest),
        size=len(data),
        day=at.date(),
        torn=torn,
    )


def _prove(disk: Disk, codec: Codec, load: Callable[[bytes], None]) -> tuple[Survey, int]:
    """The survey, and the record up to which `load` took a snapshot (0: none).

    With a snapshot only the newest 128 MiB are walked, so that a start takes no longer with the years.
    """
    seqs = snapshot_seqs(disk)
    if seqs:
        found = _sound(survey(disk, codec, wanted=frozenset(seqs), bytes_max=CHECKED_BYTES_MAX))
        for seq in seqs:
            if seq not in found.hashes:
                continue
            snapshot = read_snapshot(disk, codec, seq)
            if snapshot is not None and found.hashes[seq] == snapshot.hash:
                with suppress(ValueError):  # another version's content: the journal has it all
                    load(snapshot.content)
                    return found, seq
    return _sound(survey(disk, codec)), 0


def _sound(found: Survey) -> Survey:
    if found.damage is not None:
        raise found.damage
    return found


def _replay(disk: Disk, found: Survey, after: int, apply: Callable[[Entry], None]) -> list[str]:
    """Bring the caller up to the last good record; why an earlier start was behind, if no kill followed it."""
    said: list[str] = []
    ends = [*(one.first - 1 for one in found.segments[1:]), found.seq]
    for segment, end in zip(found.segments, ends, strict=False):
        if end <= after:
            continue
        seq = segment.first - 1
        for lines, _ in pieces(disk, segment.path):
            for line in lines[: max(0, found.seq - seq)]:
                seq += 1
                if seq <= after:
                    continue
                one = _entry(line, seq, segment.path)
                if isinstance(one.record, Open) and one.record.behind:
                    said = list(one.record.behind)
                elif isinstance(one.record, Kill) and _is_whole(one.record):
                    said = []
                apply(one)
    return said


def _is_whole(kill: Kill) -> bool:
    return kill.account is None and kill.strategy is None


def _entry(line: bytes, seq: int, path: str) -> Entry:
    try:
        return entry(line, seq)
    except msgspec.ValidationError as error:
        raise TooNew(
            f"record {seq} in {path} is of a kind that this ordod does not know ({error}). "
            "Nothing was changed: start the ordod that wrote it, or a newer one"
        ) from None


def last_open(found: Survey) -> Open | None:
    """The newest `open` that is proved: the first line of the last file that has a good one."""
    record = _entry(found.opening, found.seq, FOLDER).record if found.opening else None
    return record if isinstance(record, Open) else None


def _reasons(disk: Disk, last: Open | None, found: Survey) -> list[str]:
    """Why the state on this disk may be older than what was told."""
    reasons = []
    now = disk.identity()
    if last is not None and last.machine != now.machine:
        reasons.append("the state directory was last used on another machine: a copy or a backup?")
    if last is not None and last.inode != now.inode:
        reasons.append("the state directory is not the one last used: a copy or a backup?")
    if newer := _newer_snapshots(disk, found):
        reasons.append(
            f"there is a snapshot of record {newer[0]}, but the journal ends with {found.seq}: it was cut"
        )
    if REPAIRING in disk.names(FOLDER):
        reasons.append("a repair of the journal was interrupted")
    return reasons


def _lacks(disk: Disk, last: Open | None, found: Survey, mark: Mark | None) -> list[str]:
    """Whether the head that was kept elsewhere is missing here. Another installation's says nothing."""
    if mark is None or last is None or mark.installation != last.installation:
        return []
    if mark.seq > found.seq:
        return [f"record {mark.seq} was told, but the journal ends with {found.seq}: a backup?"]
    line = next(lines_between(disk, mark.seq, mark.seq), b"")
    if stated_hash(line) != mark.hash:
        return [f"record {mark.seq} is not the one that was told: another journal, or a backup?"]
    return []


def _newer_snapshots(disk: Disk, found: Survey) -> list[int]:
    return [seq for seq in snapshot_seqs(disk) if seq > found.seq]


async def _forget_signs(disk: Disk, found: Survey) -> None:
    """What showed that records are gone; not before a durable `open` says so in its place."""
    for seq in _newer_snapshots(disk, found):
        path = snapshot_path(seq)
        await set_aside(disk, SNAPSHOTS, f"newer-{seq}", disk.read(path))
        await disk.remove(path)
    if REPAIRING in disk.names(FOLDER):
        await disk.remove(f"{FOLDER}/{REPAIRING}")


async def _cut(disk: Disk, found: Survey) -> None:
    """Make the journal end with its last good record, a torn tail kept aside.

    From the far end on: whatever is left if this stops half-way is judged again as it was now.
    """
    for segment in reversed(found.segments):
        torn = found.torn if found.torn and found.torn.path == segment.path else None
        if segment.first <= found.seq and torn is None:
            if not segment.is_packed:
                await disk.truncate(segment.path, segment.size)  # gives back what was reserved
            return
        offset = torn.offset if torn else 0
        if rest := disk.read(segment.path, offset):
            await set_aside(disk, FOLDER, f"torn-{max(segment.first, found.seq + 1)}", rest)
        if offset == 0:
            await disk.remove(segment.path)
        else:
            await disk.truncate(segment.path, offset)
            return
