"""A newer format is told by the first line of a file, before anything of it can look damaged."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from ordod.core.orders.checking import repair, verify
from ordod.core.orders.format import Codec
from ordod.core.orders.keeping import closed_before, pack
from ordod.core.orders.opening import open_journal
from ordod.core.orders.recovery import survey
from ordod.core.orders.segments import Damage, path_of
from ordod.core.orders.snapshots import path_of as snapshot_path
from ordod.core.orders.snapshots import snapshot_bytes
from ordod.core.orders.too_new import TooNew
from tests.core.test_keeping import LATER, no_pause
from tests.simulation.disk import TearingDisk
from tests.simulation.ports import SeededRandom, SetClock
from tests.simulation.scribe import Scribe

KEY = b"the key of these tests"


async def start(disk: TearingDisk, load: Callable[[bytes], Any] = lambda _: None) -> list[Any]:
    entries: list[Any] = []
    await open_journal(disk, SetClock(), SeededRandom(), key=KEY, apply=entries.append, load=load)
    return entries


def newer(*, version: str = "0.9.0") -> Scribe:
    """Two files of ours, and two of an ordod that writes format 2."""
    scribe = Scribe(TearingDisk(), key=KEY).segment().notes(3).seal()
    scribe.segment(form=2, version=version).notes(3).seal()
    return scribe.segment(form=2, version=version).notes(2)


def damaged(scribe: Scribe) -> None:
    """Behind its `open` the last file has lines of a kind and a hash that only its writer knows."""
    path = scribe.lines[-1].path
    data = scribe.disk.read(path)
    begin = data.index(b"\n") + 1
    scribe.disk.put(path, data[:begin] + b'{"n":1,"crc":7}\n' * 40)


def untouched(_: Scribe) -> None:
    pass


HAPPENED = {"as it was written": untouched, "unknown lines": damaged}


@pytest.mark.parametrize("happen", HAPPENED.values(), ids=HAPPENED)
async def test_a_start_a_look_and_a_repair_say_file_format_and_version_and_change_nothing(
    happen: Callable[[Scribe], None],
) -> None:
    scribe = newer()
    happen(scribe)
    disk = scribe.disk
    before = {path: disk.read(path) for path in disk.files}
    told = (
        r"journal/000000000011\.ndjson is of format 2, written by ordod 0\.9\.0; this ordod reads up to format 1\. "
        r"Nothing is damaged and nothing was changed: start ordod 0\.9\.0, or a newer one"
    )

    with pytest.raises(TooNew, match=told):
        await start(disk)
    with pytest.raises(TooNew, match=told):
        verify(disk, key=KEY)
    with pytest.raises(TooNew, match=told):
        await repair(disk, SetClock(), SeededRandom(), key=KEY)

    assert {path: disk.read(path) for path in disk.files} == before


async def test_a_compressed_file_says_it_too() -> None:
    scribe = newer()
    for segment, after in closed_before(scribe.disk, LATER, scribe.head[0]):
        await pack(scribe.disk, Codec(KEY), segment, after, no_pause)
    del scribe.disk.files[path_of(11)]

    with pytest.raises(TooNew, match=r"journal/000000000006\.ndjson\.gz is of format 2"):
        verify(scribe.disk, key=KEY)


async def test_an_older_file_of_a_long_journal_says_it_though_it_is_not_walked() -> None:
    scribe = Scribe(TearingDisk(), key=KEY).segment().notes(3).seal()
    scribe.segment(form=2, version="0.9.0").notes(3).seal()
    scribe.segment().notes(3).seal().segment().notes(3).seal()

    with pytest.raises(TooNew, match=r"000000000006\.ndjson is of format 2"):
        survey(scribe.disk, Codec(KEY), wanted=frozenset({18}), bytes_max=1)
    with pytest.raises(TooNew, match=r"000000000006\.ndjson is of format 2"):
        survey(scribe.disk, Codec(KEY))


async def test_a_writer_that_did_not_say_its_version_is_still_told_apart() -> None:
    with pytest.raises(TooNew, match=r"an ordod of unknown version.*start that one, or a newer"):
        await start(newer(version="").disk)


async def test_a_number_that_a_flipped_bit_made_is_damage_and_can_be_repaired() -> None:
    scribe = Scribe(TearingDisk(), key=KEY).segment().notes(3).seal().segment().notes(3).seal()
    path = path_of(6)
    data = scribe.disk.read(path)
    scribe.disk.put(path, data.replace(b'"format":1', b'"format":3', 1))

    with pytest.raises(Damage, match=r"000000000006\.ndjson, line 1"):
        await start(scribe.disk)
    report = await repair(scribe.disk, SetClock(), SeededRandom(), key=KEY)

    assert report.is_good
    assert report.records == 6


async def test_a_record_of_an_unknown_kind_names_its_file_and_changes_nothing() -> None:
    scribe = Scribe(TearingDisk(), key=KEY).segment().notes(1)
    seq, previous = scribe.head
    line, _ = Codec(KEY).lines(
        [b'"type":"teleport"'], seq=seq + 1, batch=9, at=SetClock().now(), previous=previous
    )
    scribe.disk.put(path_of(1), scribe.disk.read(path_of(1)) + line)
    before = dict(scribe.disk.files)

    with pytest.raises(TooNew, match=r"record 3 in journal/000000000001\.ndjson .*teleport"):
        await start(scribe.disk)

    assert dict(scribe.disk.files) == before


async def test_a_snapshot_of_another_format_is_not_read_and_the_journal_serves() -> None:
    scribe = Scribe(TearingDisk(), key=KEY).segment().notes(3).seal()
    loaded: list[bytes] = []
    content = snapshot_bytes(Codec(KEY), b"state", (4, scribe.hashes[4]))
    scribe.disk.put(snapshot_path(4), content)
    await start(scribe.disk.copy(), loaded.append)
    head, _, rest = content.partition(b"\n")
    changed = msgspec.json.encode({**msgspec.json.decode(head), "format": 2})

    scribe.disk.put(snapshot_path(4), changed + b"\n" + rest)
    entries = await start(scribe.disk, loaded.append)

    assert loaded == [b"state"]  # the first, of this format
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
