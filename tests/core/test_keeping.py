"""Segments of past days: compressed, read as before, and nothing lost wherever it stops."""

import gzip
import random
from collections.abc import Callable
from datetime import date, datetime, timedelta

import anyio
import pytest

from ordod.core.orders import keeping, packed, segments
from ordod.core.orders.checking import repair, verify
from ordod.core.orders.format import Codec
from ordod.core.orders.history import last_lines, records_of
from ordod.core.orders.journal import Journal
from ordod.core.orders.keeping import Keeper, closed_before, pack
from ordod.core.orders.opening import open_journal
from ordod.core.orders.packed import PIECE, NotReadable, read_packed
from ordod.core.orders.records import Entry, Note
from ordod.core.orders.segments import Damage, Segment, lines_between, listed, path_of
from ordod.core.ports import Disk, DiskError
from tests.core.making import intent
from tests.simulation.disk import TearingDisk
from tests.simulation.ports import IST, SeededRandom, SetClock
from tests.simulation.scribe import Scribe

KEY = b"the key of these tests"
LATER = date(2026, 12, 1)


async def no_pause() -> None:
    """Nothing else is to run."""


def written(disk: TearingDisk | None = None, notes: int = 3) -> Scribe:
    """Segments 1, 6 + and one more; with more notes, the first of several pieces."""
    scribe = Scribe(disk or TearingDisk(), key=KEY)
    scribe.segment().notes(notes).seal()
    scribe.segment().batch(intent()).notes(2).seal()
    return scribe.segment().notes(2)


async def pack_all(scribe: Scribe) -> None:
    for segment, after in closed_before(scribe.disk, LATER, scribe.head[0]):
        await pack(scribe.disk, Codec(KEY), segment, after, no_pause)


async def replayed(disk: TearingDisk) -> list[Entry]:
    entries: list[Entry] = []
    await open_journal(
        disk, SetClock(), SeededRandom(), key=KEY, apply=entries.append, load=lambda _: None
    )
    return entries


def names(disk: TearingDisk) -> list[str]:
    return disk.names("journal")


async def test_a_packed_segment_is_gzip_of_the_same_lines() -> None:
    scribe = written(notes=3000)
    path = path_of(1)
    before = scribe.disk.read(path)

    await pack_all(scribe)

    assert len(before) > 3 * PIECE
    assert path not in scribe.disk.files
    content = scribe.disk.read(path + ".gz")
    assert gzip.decompress(content) == before
    assert len(content) < len(before) / 3


@pytest.mark.parametrize("notes", [3, 3000])
async def test_whatever_reads_the_journal_reads_packed_segments_alike(notes: int) -> None:
    scribe = written(notes=notes)
    head = scribe.head[0]
    plain = scribe.disk.copy()

    await pack_all(scribe)

    disk = scribe.disk
    assert [name.endswith(".gz") for name in names(disk)] == [True, True, False]
    assert verify(disk, key=KEY, head=(2, scribe.hashes[2])).is_good
    assert verify(disk, key=KEY).head == verify(plain, key=KEY).head == scribe.head
    assert [*lines_between(disk, 1, head)] == [*lines_between(plain, 1, head)]
    assert await last_lines(disk, head, head) == await last_lines(plain, head, head)
    seqs = range(1, head + 1)
    assert await records_of(disk, {"o1"}, seqs) == await records_of(plain, {"o1"}, seqs) != []
    assert await replayed(disk.copy()) == await replayed(plain)


async def test_what_begins_to_read_a_plain_segment_ends_with_the_packed_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(segments, "_PIECE", 100)
    scribe = written()
    whole = [*lines_between(scribe.disk, 1, scribe.head[0])]
    reading = lines_between(scribe.disk, 1, scribe.head[0])
    first = next(reading)

    await pack_all(scribe)

    assert [first, *reading] == whole


async def test_any_stretch_of_a_packed_segment_is_read_as_it_was() -> None:
    scribe = written(notes=3000)
    before = scribe.disk.read(path_of(1))
    await pack_all(scribe)
    chance = random.Random(1)
    edges = [0, 1, PIECE - 1, PIECE, PIECE + 1, len(before) - 1, len(before), len(before) + 9]

    for _ in range(100):
        offset = chance.choice([*edges, chance.randrange(len(before))])
        length = chance.choice([-1, 0, 1, PIECE, 2 * PIECE, chance.randrange(len(before))])
        end = None if length < 0 else offset + length
        found = read_packed(scribe.disk, path_of(1) + ".gz", offset, length)
        assert found == before[offset:end]


async def test_every_flipped_bit_of_a_packed_segment_is_found() -> None:
    scribe = written()
    await pack_all(scribe)
    path = path_of(1) + ".gz"
    whole = scribe.disk.read(path)
    good = gzip.decompress(whole)

    for bit in range(len(whole) * 8):
        scribe.disk.flip(path, bit)
        try:
            same = read_packed(scribe.disk, path, 0, -1) == good
        except NotReadable:
            same = False
        damage = verify(scribe.disk, key=KEY).damage
        # A last bit or two of a deflate stream may stand for nothing.
        assert same == (damage is None), f"bit {bit}"
        assert not same or bit // 8 < len(whole) - 40, f"bit {bit}"
        scribe.disk.put(path, whole)


async def test_every_cut_of_a_packed_segment_is_found() -> None:
    scribe = written()
    await pack_all(scribe)
    path = path_of(6)
    whole = scribe.disk.read(path + ".gz")

    for length in range(len(whole)):
        scribe.disk.put(path + ".gz", whole[:length])
        damage = verify(scribe.disk, key=KEY).damage
        assert damage is not None
        assert damage.path == path + ".gz"
        with pytest.raises(Damage):
            await replayed(scribe.disk)


async def test_a_packed_last_segment_is_never_torn() -> None:
    """What came behind it was lost: then its bad bytes had been told all the same."""
    scribe = written()
    await pack_all(scribe)
    last = [one for one in listed(scribe.disk) if one.is_packed][-1]
    for one in listed(scribe.disk)[2:]:
        await scribe.disk.remove(one.path)
    scribe.disk.put(last.path, scribe.disk.read(last.path)[:-1])

    report = verify(scribe.disk, key=KEY)

    assert report.torn is None
    assert report.damage is not None


async def test_a_journal_that_ends_with_a_packed_segment_goes_on() -> None:
    scribe = written()
    await pack_all(scribe)
    await scribe.disk.remove(listed(scribe.disk)[-1].path)

    entries = await replayed(scribe.disk)

    assert entries[-1].seq == listed(scribe.disk)[-1].first - 1
    assert verify(scribe.disk, key=KEY).is_good


def spoil_middle(data: bytes) -> bytes:
    return data[: len(data) // 2] + b"\0" + data[len(data) // 2 + 1 :]


@pytest.mark.parametrize("fails_at", range(1, 14))
async def test_repair_keeps_what_can_be_unpacked_and_may_stop_anywhere(fails_at: int) -> None:
    scribe = written(notes=3000)
    await pack_all(scribe)
    disk, path = scribe.disk, path_of(1) + ".gz"
    spoilt = spoil_middle(disk.read(path))
    disk.put(path, spoilt)
    kept = len(packed.salvaged(spoilt).splitlines()) - 1

    disk.fail_at(fails_at)
    try:
        await repair(disk, SetClock(), SeededRandom(), key=KEY)
    except DiskError:
        disk = disk.crash()
        await repair(disk, SetClock(), SeededRandom(), key=KEY)

    report = verify(disk, key=KEY)
    assert report.is_good
    assert kept > 500
    assert report.records in (kept + 1, kept + 2)
    assert spoilt in [disk.read(f"journal/{name}") for name in names(disk)]


async def test_repair_loses_nothing_where_only_the_index_is_damaged() -> None:
    scribe = written(notes=3000)
    await pack_all(scribe)
    path = path_of(1) + ".gz"
    scribe.disk.put(path, scribe.disk.read(path)[:-3])

    await repair(scribe.disk, SetClock(), SeededRandom(), key=KEY)

    assert verify(scribe.disk, key=KEY, head=scribe.head).is_good


# Steps and faults


@pytest.mark.parametrize("power", [True, False])
async def test_a_crash_at_any_step_of_packing_loses_nothing(power: bool) -> None:
    before = [*lines_between(written().disk, 1, 99)]
    stops = 0
    for at in range(1, 50):
        scribe = written(TearingDisk(at))
        images: list[TearingDisk] = []

        def latency(disk: TearingDisk = scribe.disk, at: int = at) -> float:
            if disk.operations == at:
                images.append(disk.crash(power=power))  # noqa: B023 - called within this turn
            return 0.0

        scribe.disk.latency = latency
        await pack_all(scribe)
        if not images:
            break
        stops += 1
        (found,) = images
        assert verify(found, key=KEY, head=scribe.head).is_good
        assert [*lines_between(found, 1, 99)] == before
        scribe.disk = found
        found.latency = None
        await pack_all(scribe)
        assert [name.endswith(".gz") for name in names(found)] == [True, True, False]
        assert verify(found, key=KEY, head=scribe.head).is_good

    assert stops == 4  # two segments: the copy's writing, the original's removal


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("fails_at", [1, 2, 3, 4])
async def test_a_disk_that_refuses_a_step_of_packing_loses_nothing(
    fails_at: int, once: bool
) -> None:
    scribe = written()
    scribe.disk.fail_at(fails_at, once=once)

    with pytest.raises(DiskError):
        await pack_all(scribe)

    assert verify(scribe.disk, key=KEY, head=scribe.head).is_good
    assert verify(scribe.disk.crash(), key=KEY, head=scribe.head).is_good


class LyingDisk(TearingDisk):
    """What it is given to replace a file is not what it stores."""

    spoils: Callable[[bytes], bytes] = staticmethod(spoil_middle)

    async def replace(self, path: str, data: bytes) -> None:
        await super().replace(path, self.spoils(data))


@pytest.mark.parametrize(
    "spoils",
    [spoil_middle, lambda data: data[:-1], lambda _: b""],
    ids=["changed", "cut", "empty"],
)
async def test_an_original_stays_until_its_copy_was_read_back(
    spoils: Callable[[bytes], bytes],
) -> None:
    disk = LyingDisk()
    disk.spoils = spoils
    scribe = written(disk)

    with pytest.raises(DiskError, match="not written as it should be"):
        await pack_all(scribe)

    assert not [name for name in names(disk) if name.endswith(".gz")]
    assert verify(disk, key=KEY, head=scribe.head).is_good


@pytest.mark.parametrize("spoilt", ["bit", "end", "key"])
async def test_a_segment_that_is_not_whole_is_left_as_it_is(spoilt: str) -> None:
    scribe = written()
    path = path_of(1)
    if spoilt == "bit":
        scribe.disk.flip(path, 900)
    elif spoilt == "end":  # its last line is missing
        scribe.disk.put(path, scribe.disk.read(path)[: scribe.line(5).begin])
    before = scribe.disk.read(path)
    segment, after = closed_before(scribe.disk, LATER, 99)[0]

    with pytest.raises(Damage):
        await pack(
            scribe.disk, Codec(b"other" if spoilt == "key" else KEY), segment, after, no_pause
        )

    assert scribe.disk.read(path) == before
    assert path + ".gz" not in scribe.disk.files


async def test_where_both_forms_are_there_the_original_counts() -> None:
    scribe = written()
    scribe.disk.put(path_of(1) + ".gz", b"half of a copy")

    assert verify(scribe.disk, key=KEY, head=scribe.head).is_good
    await pack_all(scribe)
    assert verify(scribe.disk, key=KEY, head=scribe.head).is_good


# When


def test_only_closed_segments_of_days_before_are_due() -> None:
    scribe = written()
    day = date(2026, 11, 23)

    assert closed_before(scribe.disk, day, scribe.head[0]) == []
    due = closed_before(scribe.disk, day + timedelta(days=1), scribe.head[0])
    undurable = closed_before(scribe.disk, day + timedelta(days=1), due[1][1].first - 1)

    assert [segment.first for segment, _ in due] == [one.first for one in listed(scribe.disk)[:2]]
    assert undurable == due[:1]


@pytest.mark.parametrize(
    ("at", "packs"),
    [
        (datetime(2026, 11, 24, 10, 0, tzinfo=IST), False),  # a Tuesday's session
        (datetime(2026, 11, 24, 16, 0, tzinfo=IST), True),
        (datetime(2026, 11, 24, 7, 0, tzinfo=IST), True),
        (datetime(2026, 11, 28, 10, 0, tzinfo=IST), True),  # a Saturday
    ],
)
async def test_past_days_are_packed_in_the_hours_when_nothing_trades(
    at: datetime, packs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("LOOK_S", 0.01), ("PAUSE_S", 0.0)):
        monkeypatch.setattr(keeping, name, seconds)
    disk, clock = TearingDisk(), SetClock()

    async def opened() -> Journal:
        return await open_journal(
            disk, clock, SeededRandom(), apply=lambda _: None, load=lambda _: None
        )

    await opened()
    clock.advance((at - clock.now()).total_seconds())
    journal = await opened()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(journal.run)
        await journal.write(Note(text="about today")).durable()
        with anyio.fail_after(30):
            while not journal.is_quiet:  # noqa: ASYNC110
                await anyio.sleep(0.01)
        looks = 0

        def count(disk: Disk, day: date, head: int) -> list[tuple[Segment, Segment]]:
            nonlocal looks
            looks += 1
            return closed_before(disk, day, head)

        monkeypatch.setattr(keeping, "closed_before", count)
        tasks.start_soon(Keeper(disk, clock, Codec(None), journal).run)
        if packs:
            with anyio.fail_after(30):
                while not looks or path_of(1) in disk.files:  # noqa: ASYNC110
                    await anyio.sleep(0.01)
        else:
            await anyio.sleep(0.2)
        tasks.cancel_scope.cancel()

    assert bool(looks) is packs
    assert (path_of(1) + ".gz" in disk.files) is packs
