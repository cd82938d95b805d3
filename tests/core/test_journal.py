"""The journal's writer: what is on disk when, who is told when."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import anyio
import pytest

from ordod.core.orders import journal as writer
from ordod.core.orders.journal import Journal, JournalFailed
from ordod.core.orders.opening import open_journal
from ordod.core.orders.records import (
    Accepted,
    Cancel,
    Close,
    Entry,
    Modify,
    Note,
    Open,
    Seal,
    Unsent,
)
from ordod.domain.orders import OrderChanges
from tests.simulation.disk import TearingDisk
from tests.simulation.ports import SeededRandom, SetClock

State = list[Entry]


async def opened(
    disk: TearingDisk, state: State | None = None, clock: SetClock | None = None
) -> Journal:
    apply: Callable[[Entry], None] = (state if state is not None else []).append
    return await open_journal(
        disk, clock or SetClock(), SeededRandom(), apply=apply, load=lambda _: None
    )


@asynccontextmanager
async def running(disk: TearingDisk, clock: SetClock | None = None) -> AsyncIterator[Journal]:
    journal = await opened(disk, clock=clock)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(journal.run)
        yield journal
        tasks.cancel_scope.cancel()


def lines(disk: TearingDisk) -> list[dict[str, object]]:
    text = b"".join(
        disk.read(f"journal/{name}") for name in disk.names("journal") if name.endswith(".ndjson")
    )
    return [json.loads(line) for line in text.splitlines()]


CHANGE = Modify(id="c1", order_id="o1", changes=OrderChanges(quantity=1), caller="bot")


def note(n: int) -> Note:
    return Note(text=f"note {n}")


async def test_a_line_is_as_the_design_shows_it() -> None:
    disk = TearingDisk()

    async with running(disk) as journal:
        await journal.write(Accepted(id="o1", broker_id="77")).durable()

    line = disk.read(f"journal/{disk.names('journal')[0]}").splitlines()[1]
    assert line.startswith(
        b'{"seq":2,"batch":2,"at":"2026-11-23T09:15:00.000000+05:30","type":"accepted","id":"o1","broker_id":"77","hash":"'
    )
    assert journal.head == (2, json.loads(line)["hash"])


async def test_what_is_durable_is_replayed_as_it_was_told() -> None:
    disk = TearingDisk()
    told: State = []
    async with running(disk) as journal:
        for n in range(5):
            await journal.write(
                note(n), Unsent(id=f"o{n}", kind="KILLED"), then=told.extend
            ).durable()
    replayed: State = []

    await opened(disk.crash(), replayed)

    assert [e for e in replayed if not isinstance(e.record, Open)] == told
    assert [e.seq for e in told] == list(range(2, 12))


async def test_a_thousand_writers_share_few_syncs() -> None:
    disk = TearingDisk(latency=lambda: 0.001)

    async with running(disk) as journal, anyio.create_task_group() as tasks:
        before = disk.syncs
        for n in range(1000):
            tasks.start_soon(journal.write(note(n)).durable)

    assert disk.syncs - before <= 3


async def test_then_is_called_in_order_before_anybody_who_waits_goes_on() -> None:
    disk = TearingDisk()
    heard: list[str] = []

    async def wait(journal: Journal, n: int) -> None:
        await journal.write(note(n), then=lambda e: heard.append(f"then {e[0].seq}")).durable()
        heard.append(f"went on {n}")

    async with running(disk) as journal, anyio.create_task_group() as tasks:
        for n in range(3):
            tasks.start_soon(wait, journal, n)

    assert heard[:3] == ["then 2", "then 3", "then 4"]
    assert sorted(heard[3:]) == ["went on 0", "went on 1", "went on 2"]


async def test_nothing_is_durable_before_the_disk_says_so() -> None:
    disk = TearingDisk()
    async with running(disk) as journal:
        disk.hang()
        pending = journal.write(note(1))

        with anyio.move_on_after(0.02) as limit:
            await pending.durable()

        assert limit.cancelled_caught
        assert journal.head[0] == 1
        disk.resume()
        await pending.durable()
        assert pending.seqs == (2,)


async def test_a_hanging_disk_stops_neither_write_nor_withdraw() -> None:
    disk = TearingDisk()
    async with running(disk) as journal:
        disk.hang()
        taken = journal.write(note(1))
        await anyio.wait_all_tasks_blocked()

        queued = journal.write(note(2))

        assert not taken.withdraw()
        assert queued.withdraw()
        disk.resume()
        await taken.durable()
        with pytest.raises(JournalFailed):
            await queued.durable()
        await journal.write(note(3)).durable()
    assert [line["text"] for line in lines(disk) if line["type"] == "note"] == ["note 1", "note 3"]


async def test_a_failed_append_fails_all_who_wait_and_all_later_and_is_never_repeated() -> None:
    disk = TearingDisk()
    failures: list[str] = []
    async with running(disk) as journal:
        journal.on_failure = failures.append
        disk.fail_at(1, once=True)
        first, second = journal.write(note(1)), journal.write(note(2))

        with pytest.raises(JournalFailed):
            await first.durable()
        with pytest.raises(JournalFailed):
            await second.durable()
        operations = disk.operations
        with pytest.raises(JournalFailed):
            await journal.write(note(3)).durable()

        assert journal.failed
        assert len(failures) == 1
        assert disk.operations == operations
        await journal.close()


async def test_a_full_disk_fails_the_journal() -> None:
    disk = TearingDisk(capacity=writer.RESERVE_BYTES)
    async with running(disk) as journal:
        filler = Note(text="x" * (1 << 20))

        last = [journal.write(filler) for _ in range(80)][-1]

        with pytest.raises(JournalFailed, match="no space"):
            await last.durable()


async def test_a_disk_too_full_for_a_new_segment_still_takes_what_ends_orders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = TearingDisk(capacity=writer.RESERVE_BYTES + 1000)
    clock = SetClock()
    async with running(disk, clock) as journal:
        monkeypatch.setattr(writer, "SEGMENT_BYTES_MAX", 10)

        await journal.write(note(1)).durable()

        assert journal.full
        with pytest.raises(JournalFailed, match="full"):
            await journal.write(CHANGE).durable()
        await journal.write(Cancel(id="c2", order_id="o1", caller="bot")).durable()
        assert not journal.failed
        disk.capacity = None
        clock.advance(writer.FULL_PAUSE_S)
        await journal.write(note(2)).durable()
        await journal.write(CHANGE).durable()
        assert not journal.full
    replayed: State = []
    again = await opened(disk.crash(), replayed)
    assert again.torn is None
    assert CHANGE in [entry.record for entry in replayed]


async def test_a_queue_without_end_is_a_dead_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "QUEUE_RECORDS_MAX", 10)
    disk = TearingDisk()
    async with running(disk) as journal:
        disk.hang()
        journal.write(note(0))
        await anyio.wait_all_tasks_blocked()

        waiting = [journal.write(note(n)) for n in range(11)]

        assert journal.failed
        with pytest.raises(JournalFailed, match="hangs"):
            await waiting[0].durable()


async def test_a_quiet_journal_is_sealed_once_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "QUIET_S", 0.01)
    disk = TearingDisk()
    sealed = anyio.Event()
    heads: list[tuple[int, str]] = []

    def on_seal(seq: int, digest: str) -> None:
        heads.append((seq, digest))
        sealed.set()

    async with running(disk) as journal:
        journal.on_seal = on_seal
        await journal.write(note(1)).durable()
        await sealed.wait()
        await anyio.sleep(0.03)

        assert heads == [journal.head]
        await journal.write(note(2)).durable()
        await anyio.sleep(0.03)
    assert [line["type"] for line in lines(disk)] == ["open", "note", "seal", "note", "seal"]
    assert [line["batch"] for line in lines(disk)] == [1, 2, 3, 4, 5]


async def test_close_ends_with_a_close_and_a_seal() -> None:
    disk = TearingDisk()
    async with running(disk) as journal:
        pending = journal.write(note(1))

        await journal.close()

        await pending.durable()
        with pytest.raises(JournalFailed):
            await journal.write(note(2)).durable()
    assert [line["type"] for line in lines(disk)] == ["open", "note", "close", "seal"]


@pytest.mark.parametrize("by", ["size", "day"])
async def test_segments_end_by_size_and_by_day_and_the_chain_goes_on(
    by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = TearingDisk()
    clock = SetClock()
    async with running(disk, clock) as journal:
        await journal.write(note(1)).durable()
        if by == "size":
            monkeypatch.setattr(writer, "SEGMENT_BYTES_MAX", 10)
        else:
            clock.advance(timedelta(hours=15).total_seconds())

        await journal.write(note(2)).durable()
    replayed: State = []
    again = await opened(disk.crash(), replayed)

    assert disk.names("journal") == ["000000000001.ndjson", "000000000004.ndjson"]
    kinds = [type(e.record) for e in replayed]
    assert kinds == [Open, Note, Seal, Open, Note]
    assert again.torn is None
    assert again.epoch == journal.epoch


async def test_a_clock_that_steps_back_over_midnight_makes_no_segment() -> None:
    disk = TearingDisk()
    clock = SetClock()
    async with running(disk, clock) as journal:
        clock.advance(-timedelta(hours=12).total_seconds())

        await journal.write(note(1)).durable()

    assert len(disk.names("journal")) == 1


async def test_a_stopped_writer_leaves_nobody_waiting() -> None:
    disk = TearingDisk()
    async with running(disk) as journal:
        disk.hang()
        taken = journal.write(note(1))
        await anyio.wait_all_tasks_blocked()
        queued = journal.write(note(2))

    with pytest.raises(JournalFailed):
        await taken.durable()
    with pytest.raises(JournalFailed):
        await queued.durable()


async def test_an_orderly_end_leaves_all_to_the_next_start() -> None:
    disk = TearingDisk()
    async with running(disk) as journal:
        await journal.close()
    replayed: State = []

    again = await opened(disk, replayed)

    assert [type(e.record) for e in replayed] == [Open, Close, Seal]
    assert (again.epoch, again.installation) == (journal.epoch, journal.installation)
    assert again.reasons_behind == []
    assert again.torn is None


async def test_a_then_that_breaks_ends_the_writer_and_leaves_nobody_waiting() -> None:
    disk = TearingDisk()
    journal = await opened(disk)

    def broken(_: State) -> None:
        raise RuntimeError("a bug of ours")

    first, second = journal.write(note(1), then=broken), journal.write(note(2))
    with pytest.raises(RuntimeError):
        await journal.run()

    await first.durable()
    await second.durable()
    assert journal.failed


async def test_a_record_that_cannot_be_written_fails_its_caller_alone() -> None:
    disk = TearingDisk()
    async with running(disk) as journal:
        with pytest.raises(TypeError):
            journal.write(Note(text=object()))  # type: ignore[arg-type]

        await journal.write(note(1)).durable()


async def test_a_journal_whose_writer_never_began_can_be_closed() -> None:
    disk = TearingDisk()
    journal = await opened(disk)
    pending = journal.write(note(1))

    await journal.close()

    await pending.durable()
