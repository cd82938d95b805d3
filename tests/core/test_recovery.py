"""The recovery table: what a start makes of each state a disk can be in, one row a case; and the laws behind it."""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from msgspec import Struct

from ordod.core.orders import opening
from ordod.core.orders.checking import repair, verify
from ordod.core.orders.format import Codec
from ordod.core.orders.journal import Journal
from ordod.core.orders.opening import open_journal
from ordod.core.orders.records import Entry, Kill, Note
from ordod.core.orders.recovery import survey
from ordod.core.orders.segments import Damage, lines_between, path_of
from ordod.core.orders.snapshots import path_of as snapshot_path
from ordod.core.orders.snapshots import snapshot_bytes
from ordod.core.orders.too_new import TooNew
from ordod.core.ports import DiskError
from tests.simulation.disk import TearingDisk
from tests.simulation.ports import SeededRandom, SetClock
from tests.simulation.scribe import Scribe

KEY = b"the key of these tests"


class Start(Struct):
    """A start that came about: the journal, what was applied and what was loaded."""

    journal: Journal
    applied: list[Entry]
    loaded: list[bytes]

    @property
    def kept(self) -> int:
        """The last record of the journal as it was found: before the `open` and, where it was torn, the `note` of this start."""
        return self.journal.head[0] - (2 if self.journal.torn else 1)


async def start(disk: TearingDisk, key: bytes | None = KEY) -> Start:
    applied: list[Entry] = []
    loaded: list[bytes] = []
    journal = await open_journal(
        disk, SetClock(), SeededRandom(5), key=key, apply=applied.append, load=loaded.append
    )
    return Start(journal, applied, loaded)


# The table. The journal of every row, before something happens to it:
#
#   segment 1   1 open | 2 3 4 notes | 5 seal
#   segment 6   6 open | 7 8 9 notes | 10 seal
#   segment 11  11 open | 12 13 notes | 14 15 16 notes          not sealed: 14 to 16 is the last batch


def written(disk: TearingDisk) -> Scribe:
    scribe = Scribe(disk, key=KEY)
    return scribe.segment().notes(3).seal().segment().notes(3).seal().segment().notes(2, 3)


def cut(seq: int, *, left: int) -> Callable[[Scribe], None]:
    """The file ends so many bytes behind the beginning of this line (before it, where negative)."""

    def happen(s: Scribe) -> None:
        line = s.line(seq)
        s.disk.put(line.path, s.disk.read(line.path)[: line.begin + left])

    return happen


def chop(count: int) -> Callable[[Scribe], None]:
    def happen(s: Scribe) -> None:
        path = s.line(16).path
        s.disk.put(path, s.disk.read(path)[:-count])

    return happen


def flip(seq: int, byte: int = 20) -> Callable[[Scribe], None]:
    """One bit of this line; `byte` -1 is its newline."""

    def happen(s: Scribe) -> None:
        line = s.line(seq)
        at = line.begin + byte if byte >= 0 else line.end + byte
        s.disk.flip(line.path, at * 8 + 1)

    return happen


def append(data: Callable[[Scribe], bytes]) -> Callable[[Scribe], None]:
    def happen(s: Scribe) -> None:
        path = s.line(16).path
        s.disk.put(path, s.disk.read(path) + data(s))

    return happen


def text_of(s: Scribe, seq: int) -> bytes:
    line = s.line(seq)
    return s.disk.read(line.path)[line.begin : line.end]


def old(s: Scribe, *seqs: int) -> bytes:
    return b"".join(text_of(s, seq) for seq in seqs)


def zero(seq: int) -> Callable[[Scribe], None]:
    """This line is zeros, the ones after it are whole."""

    def happen(s: Scribe) -> None:
        line = s.line(seq)
        data = bytearray(s.disk.read(line.path))
        data[line.begin : line.end] = bytes(line.end - line.begin)
        s.disk.put(line.path, bytes(data))

    return happen


def lose(*firsts: int) -> Callable[[Scribe], None]:
    def happen(s: Scribe) -> None:
        for first in firsts:
            del s.disk.files[path_of(first)]

    return happen


def rename(first: int, to: str) -> Callable[[Scribe], None]:
    def happen(s: Scribe) -> None:
        s.disk.files[to] = s.disk.files.pop(path_of(first))

    return happen


def twice(seq: int) -> Callable[[Scribe], None]:
    """The line stands there once more, right behind itself."""

    def happen(s: Scribe) -> None:
        line = s.line(seq)
        data = s.disk.read(line.path)
        s.disk.put(line.path, data[: line.end] + data[line.begin :])

    return happen


def put(path: str, data: bytes) -> Callable[[Scribe], None]:
    return lambda s: s.disk.put(path, data)


def snapshot(seq: int, *, of: int = 0, keep: int = 1 << 20) -> Callable[[Scribe], None]:
    """A snapshot of this record (with the hash of record `of`), only its first bytes if so said."""

    def happen(s: Scribe) -> None:
        head = (seq, s.hashes.get(of or seq, "0" * 32))
        s.disk.put(snapshot_path(seq), snapshot_bytes(Codec(KEY), b"state %d" % seq, head)[:keep])

    return happen


def elsewhere(machine: str, inode: int) -> Callable[[Scribe], None]:
    def happen(s: Scribe) -> None:
        s.disk.machine, s.disk.inode = machine, inode

    return happen


def both(*steps: Callable[[Scribe], None]) -> Callable[[Scribe], None]:
    def happen(s: Scribe) -> None:
        for step in steps:
            step(s)

    return happen


def other_journal(first: int) -> Callable[[Scribe], None]:
    """The same file of another journal, of an older epoch, in place of ours."""

    def happen(s: Scribe) -> None:
        other = TearingDisk()
        Scribe(other, key=KEY, epoch="e0").segment().notes(3).seal().segment().notes(3).seal()
        s.disk.put(path_of(first), other.read(path_of(first)))

    return happen


def next_segment(left: Callable[[bytes], bytes]) -> Callable[[Scribe], None]:
    """The next file was begun, and this is left of its `open`."""

    def happen(s: Scribe) -> None:
        s.segment()
        s.disk.put(path_of(17), left(s.disk.read(path_of(17))))

    return happen


def go_on(steps: Callable[[Scribe], Scribe]) -> Callable[[Scribe], None]:
    def happen(s: Scribe) -> None:
        steps(s)

    return happen


def nothing(_: Scribe) -> None:
    pass


def empty(s: Scribe) -> None:
    s.disk.files.clear()


KILL = Kill(caller="ordod")
KILL_ONE = Kill(caller="ordod", account="main")
CLEAN, TORN, BEHIND, BOTH, DAMAGE = "clean", "torn", "behind", "torn and behind", "damage"

TABLE = [
    # what happened, how, what a start says, the last record it keeps (of damage: the first bad one)
    ("nothing", nothing, CLEAN, 16),
    ("no folder yet", empty, CLEAN, 0),
    ("the first file is empty", both(empty, put(path_of(1), b"")), CLEAN, 0),
    ("the first open is cut", both(lose(6, 11), cut(1, left=50)), TORN, 0),
    ("the next file is empty", next_segment(lambda _: b""), CLEAN, 16),
    ("the next file's open is cut", next_segment(lambda line: line[:-40]), TORN, 16),
    ("the next file's open lacks its newline", next_segment(lambda line: line[:-1]), TORN, 16),
    ("the next file's open is there", next_segment(lambda line: line), CLEAN, 17),
    ("the last batch is cut in a line", cut(15, left=30), TORN, 14),
    ("the last batch is cut in its first line", cut(14, left=1), TORN, 13),
    ("the last batch is cut between lines", cut(16, left=0), CLEAN, 15),
    ("the last line lacks its newline", chop(1), TORN, 15),
    ("the last batch never came", cut(14, left=0), CLEAN, 13),
    ("a bit of the last batch's first line", flip(14), TORN, 13),
    ("a bit of the last line", flip(16), TORN, 15),
    ("the last newline", flip(16, -1), TORN, 15),
    ("a newline within the last batch", flip(14, -1), TORN, 13),
    ("the last batch's first line is zeros", zero(14), TORN, 13),
    ("the last batch's middle line is zeros", zero(15), TORN, 14),
    ("garbage behind the end", append(lambda _: b"\x00" * 700), TORN, 16),
    ("an old line behind the end", append(lambda s: text_of(s, 8)), TORN, 16),
    ("old lines and an old seal behind the end", append(lambda s: old(s, 8, 9, 10)), TORN, 16),
    ("the last line twice", twice(16), TORN, 16),
    ("a bit of the batch before the last", flip(13), DAMAGE, 13),
    ("the newline before the last batch", flip(13, -1), DAMAGE, 13),
    ("a bit before a seal", flip(8), DAMAGE, 8),
    ("the newline before a seal", flip(9, -1), DAMAGE, 9),
    ("a bit of a seal in the middle", flip(10), DAMAGE, 10),
    ("a bit of the last file's open", flip(11), DAMAGE, 11),
    ("a bit of the first line", flip(1), DAMAGE, 1),
    ("a line of zeros before a seal", zero(8), DAMAGE, 8),
    ("a line of zeros before the last seal", both(lose(11), zero(9)), DAMAGE, 9),
    ("a line of zeros two batches before the end", zero(12), DAMAGE, 12),
    ("a line of zeros that ends the batch before the last: nothing tells", zero(13), TORN, 12),
    ("a line twice in the middle", twice(8), DAMAGE, 9),
    ("the last file's open with nothing behind it", both(cut(12, left=0), flip(11)), TORN, 10),
    ("the last seal, with nothing behind it", both(lose(11), flip(10)), TORN, 9),
    ("the last seal, the next file empty", both(cut(11, left=0), flip(10)), TORN, 9),
    ("the last seal, the next file begun", both(cut(11, left=90), flip(10)), DAMAGE, 10),
    ("the last seal, the next file's open whole", both(cut(12, left=0), flip(10)), DAMAGE, 10),
    ("a middle file is cut in a line", cut(9, left=30), DAMAGE, 9),
    ("a middle file is cut between lines", cut(9, left=0), DAMAGE, 9),
    ("a middle file is empty", cut(6, left=0), DAMAGE, 6),
    ("a middle file is missing", lose(6), DAMAGE, 6),
    ("the first file is missing", lose(1), DAMAGE, 1),
    ("the last file is missing: only a saved head can tell", lose(11), CLEAN, 10),
    ("a middle file is renamed", rename(6, "journal/000000000006.ndjson.old"), DAMAGE, 6),
    ("the last file is renamed", rename(11, "journal/last.ndjson"), DAMAGE, 0),
    ("a file has another number", rename(11, path_of(12)), DAMAGE, 11),
    ("a file of an older epoch in place of ours", other_journal(6), DAMAGE, 6),
    ("a file too many", put(path_of(8), b""), DAMAGE, 11),
    ("a snapshot", snapshot(9), CLEAN, 16),
    ("a snapshot of the last record", snapshot(16), CLEAN, 16),
    ("a snapshot with a damaged content", snapshot(9, keep=105), CLEAN, 16),
    ("a snapshot half written", snapshot(9, keep=20), CLEAN, 16),
    ("a snapshot of another history", snapshot(9, of=8), CLEAN, 16),
    ("a snapshot newer than the journal", snapshot(40), BEHIND, 16),
    ("a damaged snapshot newer than the journal", snapshot(40, keep=20), BEHIND, 16),
    ("a snapshot of a file that is missing", both(snapshot(12), lose(11)), BEHIND, 10),
    ("a snapshot of a record that is torn", both(snapshot(15), flip(14)), BOTH, 13),
    ("the journal is gone, a snapshot is not", both(snapshot(9), lose(1, 6, 11)), BEHIND, 0),
    ("another machine", elsewhere("machine-2", 1), BEHIND, 16),
    ("another inode", elsewhere("machine-1", 2), BEHIND, 16),
    ("another inode and a torn tail", both(elsewhere("machine-1", 2), flip(16)), BOTH, 15),
    ("an interrupted repair", put("journal/repairing", b""), BEHIND, 16),
    ("what an earlier start set aside", put("journal/torn-17-1", b"{"), CLEAN, 16),
    ("a start, and another one", go_on(lambda s: s.segment().segment()), CLEAN, 18),
    ("a start that was behind", go_on(lambda s: s.segment(behind=("x",))), BEHIND, 17),
    ("and went on", go_on(lambda s: s.segment(behind=("x",)).segment().notes(1)), BEHIND, 19),
    ("and was killed", go_on(lambda s: s.segment(behind=("x",)).batch(KILL)), CLEAN, 18),
    ("and in part", go_on(lambda s: s.segment(behind=("x",)).batch(KILL_ONE)), BEHIND, 18),
]


@pytest.mark.parametrize(
    ("happen", "says", "last"), [pytest.param(*row[1:], id=row[0]) for row in TABLE]
)
async def test_the_recovery_table(happen: Callable[[Scribe], None], says: str, last: int) -> None:
    disk = TearingDisk()
    happen(written(disk))
    before = {path: disk.read(path) for path in disk.files}

    if says == DAMAGE:
        with pytest.raises(Damage) as refused:
            await start(disk)

        assert refused.value.seq == last
        assert {path: disk.read(path) for path in disk.files} == before
        assert not verify(disk, key=KEY).is_good
        return
    begun = await start(disk)

    assert begun.kept == last
    assert (begun.journal.torn is not None) == (says in (TORN, BOTH))
    assert bool(begun.journal.reasons_behind) == (says in (BEHIND, BOTH))
    assert verify(disk, key=KEY).is_good
    again = await start(disk)
    assert again.journal.torn is None
    assert bool(again.journal.reasons_behind) == (says in (BEHIND, BOTH))
    assert again.kept >= begun.journal.head[0]


async def test_a_start_goes_on_from_the_newest_good_snapshot() -> None:
    disk = TearingDisk()
    both(snapshot(9), snapshot(12), snapshot(15, keep=105))(written(disk))

    begun = await start(disk)

    assert begun.loaded == [b"state 12"]
    assert [e.seq for e in begun.applied] == [13, 14, 15, 16]


async def test_a_snapshot_that_cannot_be_loaded_is_passed_over() -> None:
    disk = TearingDisk()
    snapshot(9)(written(disk))
    applied: list[Entry] = []

    def load(content: bytes) -> None:
        raise ValueError(content)

    await open_journal(disk, SetClock(), SeededRandom(), key=KEY, apply=applied.append, load=load)

    assert [e.seq for e in applied] == list(range(1, 17))


async def test_two_snapshots_are_kept() -> None:
    disk = TearingDisk()
    begun = await start(disk)

    for n in range(4):
        await begun.journal.save_snapshot(b"state", (n + 1, "0" * 32))

    assert disk.names("snapshots") == ["000000000003.json", "000000000004.json"]


async def test_a_large_journal_is_walked_from_its_newest_files_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening, "CHECKED_BYTES_MAX", 10)
    disk = TearingDisk()
    both(snapshot(14), flip(3))(written(disk))

    begun = await start(disk)

    assert [e.seq for e in begun.applied] == [15, 16]
    assert verify(disk, key=KEY).damage is not None


async def test_in_a_large_journal_a_missing_file_is_still_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(opening, "CHECKED_BYTES_MAX", 10)
    disk = TearingDisk()
    both(snapshot(17), lose(6))(written(disk).segment())

    with pytest.raises(Damage):
        await start(disk)


async def test_the_wrong_key_is_damage_and_the_message_says_what_it_may_be() -> None:
    disk = TearingDisk()
    written(disk)

    with pytest.raises(Damage, match="or the key is not the one"):
        await start(disk, key=b"another")


async def test_a_newer_format_is_not_damage() -> None:
    disk = TearingDisk()
    written(disk).segment(form=2)
    before = {name: disk.read(f"journal/{name}") for name in disk.names("journal")}

    with pytest.raises(TooNew, match=r"00000000017.ndjson is of format 2.*up to format 1.*start"):
        await start(disk)

    assert {name: disk.read(f"journal/{name}") for name in disk.names("journal")} == before


@pytest.mark.parametrize("happened", [flip(16), elsewhere("machine-2", 1)], ids=["torn", "moved"])
async def test_a_journal_that_may_have_lost_what_was_told_gets_a_new_epoch(
    happened: Callable[[Scribe], None],
) -> None:
    disk = TearingDisk()
    happened(written(disk))

    begun = await start(disk)

    assert begun.journal.epoch != "e1"
    assert begun.journal.installation == "i1"


async def test_a_torn_tail_is_set_aside_cut_and_noted() -> None:
    disk = TearingDisk()
    scribe = written(disk)
    tail = text_of(scribe, 15)[:30]
    cut(15, left=30)(scribe)

    await start(disk)

    assert disk.read("journal/torn-15-1") == tail
    noted = (await start(disk)).applied[15]
    assert isinstance(noted.record, Note)
    assert "torn tail at journal/000000000011.ndjson, line 5 (record 15)" in noted.record.text


def test_a_saved_head_shows_a_cut_and_a_rewritten_journal() -> None:
    disk = TearingDisk()
    scribe = written(disk)
    head = scribe.head
    shorter = disk.copy()
    del shorter.files[path_of(11)]
    rewritten = TearingDisk()
    Scribe(rewritten, key=KEY, frozen=True).segment().notes(3).seal().segment().notes(20)

    assert verify(disk, key=KEY, head=head).is_good
    assert verify(shorter, key=KEY).is_good
    assert "ends with record 10" in (verify(shorter, key=KEY, head=head).tampered or "")
    assert "not the one" in (verify(rewritten, key=KEY, head=head).tampered or "")


DAMAGED = [row for row in TABLE if row[2] == DAMAGE]


@pytest.mark.parametrize("happen", [pytest.param(row[1], id=row[0]) for row in DAMAGED])
async def test_a_repaired_journal_keeps_what_is_before_the_damage_and_starts_behind(
    happen: Callable[[Scribe], None],
) -> None:
    disk = TearingDisk()
    happen(written(disk))
    before = b"".join(disk.read(path) for path in sorted(disk.files))
    good = verify(disk, key=KEY).records

    report = await repair(disk, SetClock(), SeededRandom(), key=KEY)

    assert report.is_good
    assert report.records >= good
    begun = await start(disk)
    assert "the journal was repaired" in begun.journal.reasons_behind[0]
    assert len([e for e in begun.applied if e.seq <= good]) == good
    everything = b"".join(disk.read(path) for path in sorted(disk.files))
    assert set(before.splitlines()) <= set(everything.splitlines())


async def test_a_repair_takes_away_only_the_file_that_is_too_many() -> None:
    disk = TearingDisk()
    put(path_of(8), b"{}")(written(disk))

    report = await repair(disk, SetClock(), SeededRandom(), key=KEY)

    assert report.records == 17
    assert report.lost == [
        "2 unreadable bytes of journal/000000000008.ndjson, kept as journal/damaged-000000000008-1"
    ]


@pytest.mark.parametrize(
    "happen",
    [flip(8), flip(3), lose(6), rename(11, "journal/x.ndjson")],
    ids=["second file", "first file", "missing", "renamed"],
)
async def test_a_repair_or_start_that_is_interrupted_anywhere_can_be_repeated(
    happen: Callable[[Scribe], None],
) -> None:
    disk = TearingDisk()
    happen(written(disk))
    good = verify(disk, key=KEY).records

    for n in range(1, 30):
        image = disk.copy()
        image.fail_at(n)
        with suppress(DiskError):
            await repair(image, SetClock(), SeededRandom(), key=KEY)
            break
        after = image.crash()
        await repair(after, SetClock(), SeededRandom(), key=KEY)
        begun = await start(after)

        assert begun.journal.reasons_behind
        assert begun.kept >= good
    else:
        pytest.fail("a repair never came to its end")


@pytest.mark.parametrize(
    "happen",
    [flip(14), next_segment(lambda line: line[:-9]), snapshot(40)],
    ids=["torn", "torn open", "newer snapshot"],
)
async def test_a_start_that_fails_at_any_operation_leaves_the_next_one_as_good(
    happen: Callable[[Scribe], None],
) -> None:
    disk = TearingDisk()
    happen(written(disk))
    whole = await start(disk.copy())

    for n in range(1, 30):
        image = disk.copy()
        image.fail_at(n)
        with suppress(DiskError):
            await start(image)
            break
        begun = await start(image.crash())

        assert begun.applied[: len(whole.applied)] == whole.applied
        assert bool(begun.journal.reasons_behind) == bool(whole.journal.reasons_behind)
    else:
        pytest.fail("a start never came to its end")


@pytest.mark.parametrize(("first", "last"), [(1, 16), (1, 1), (4, 12), (6, 6), (15, 16), (17, 17)])
def test_lines_are_read_by_number(first: int, last: int) -> None:
    disk = TearingDisk()
    scribe = written(disk)

    lines = list(lines_between(disk, first, last))

    assert lines == [text_of(scribe, seq)[:-1] for seq in range(first, min(last, 16) + 1)]


# The laws


def long_journal(*, sealed: bool, frozen: bool = False) -> tuple[TearingDisk, Scribe]:
    """500 records in batches of one to nine, with seals and three files."""
    disk = TearingDisk()
    scribe = Scribe(disk, key=KEY, frozen=frozen).segment()
    chance = random.Random(11)
    while scribe.head[0] < (499 if sealed else 500):
        match chance.randrange(12):
            case 0:
                scribe.seal()
            case 1 if scribe.head[0] in range(100, 400) and len(disk.files) < 3:
                scribe.seal().segment()
            case _:
                scribe.notes(min(chance.randint(1, 9), 500 - scribe.head[0] - sealed))
    return disk, scribe.seal() if sealed else scribe


def truncations(disk: TearingDisk, scribe: Scribe, step: int) -> Iterator[tuple[TearingDisk, int]]:
    """The journal cut at every byte (or each so many), as a disk may have kept it; how many records are whole."""
    for path in sorted({line.path for line in scribe.lines}):
        image = disk.copy()
        for later in [name for name in image.files if name > path]:
            del image.files[later]
        content = disk.read(path)
        mine = [line for line in scribe.lines if line.path == path]
        for size in range(0, len(content) + 1, step):
            image.put(path, content[:size])
            yield image, mine[0].seq - 1 + sum(line.end <= size for line in mine)


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize(
    "step", [pytest.param(97, id="few"), pytest.param(1, id="all", marks=pytest.mark.slow)]
)
def test_every_truncation_keeps_each_whole_record(sealed: bool, step: int) -> None:
    disk, scribe = long_journal(sealed=sealed)

    for image, whole in truncations(disk, scribe, step):
        found = survey(image, Codec(KEY))

        assert found.damage is None
        assert found.seq == whole


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize(
    "flips",
    [pytest.param(750, id="few"), pytest.param(25_000, id="many", marks=pytest.mark.slow)],
)
def test_a_flipped_bit_is_damage_before_a_seal_and_torn_in_the_last_batch(
    flips: int, sealed: bool, frozen: bool
) -> None:
    disk, scribe = long_journal(sealed=sealed, frozen=frozen)
    chance = random.Random(flips)
    last_batch = scribe.lines[-1].batch
    last_seal = max(
        line.seq for line in scribe.lines if line.kind == "seal" and line.batch < last_batch
    )

    for _ in range(flips):
        # Every second one near the end, where the judgement is hard.
        line = chance.choice(scribe.lines[-12:] if chance.random() < 0.5 else scribe.lines)
        original = disk.files[line.path]
        disk.flip(line.path, chance.randrange(line.begin * 8, line.end * 8))
        found = survey(disk, Codec(KEY))
        disk.files[line.path] = original

        assert found.seq == line.seq - 1
        assert (found.torn is None) != (found.damage is None)
        if line.seq <= last_seal:
            assert found.damage is not None
        if line.batch == last_batch:
            assert found.torn is not None


def test_verify_sees_every_flipped_bit_of_a_sealed_journal() -> None:
    disk = TearingDisk()
    scribe = Scribe(disk, key=KEY).segment().notes(2, 1).seal()

    for bit in range(scribe.line(5).end * 8):
        original = disk.files[path_of(1)]
        disk.flip(path_of(1), bit)
        report = verify(disk, key=KEY, head=scribe.head)
        disk.files[path_of(1)] = original

        assert not report.is_good
