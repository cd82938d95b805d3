"""The journal's lines about something, for people and auditors."""

import pytest

from ordod.core.orders import history
from ordod.core.orders.history import last_lines, records_of
from ordod.core.orders.records import Accepted, Cancel, Note
from tests.core.making import intent
from tests.simulation.disk import TearingDisk
from tests.simulation.scribe import Scribe


def written() -> Scribe:
    """Two segments; o1 in both, and a note that only mentions it."""
    scribe = Scribe(TearingDisk()).segment().batch(intent())
    scribe.batch(Note(text='about "o1" alone'), intent("o2", "k2")).seal()
    return scribe.segment().batch(
        Accepted(id="o1", broker_id="b1"), Cancel(id="c1", order_id="o1", caller="t")
    )


@pytest.mark.parametrize("step_bytes", [64, 256 * 1024])
async def test_every_record_about_an_order_is_found_across_segments(
    step_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "STEP_BYTES", step_bytes)
    scribe = written()

    found = await records_of(scribe.disk, {"o1"}, range(1, scribe.head[0] + 1))

    assert [record["type"] for record in found] == ["intent", "accepted", "cancel"]
    assert "hash" not in found[0]


async def test_segments_before_its_first_record_are_not_read() -> None:
    scribe = written()
    scribe.disk.put("journal/" + scribe.disk.names("journal")[0], b"")
    head = scribe.head[0]

    found = await records_of(scribe.disk, {"o1"}, range(head - 1, head + 1))

    assert [record["type"] for record in found] == ["accepted", "cancel"]


async def test_what_is_behind_the_head_is_not_told() -> None:
    scribe = written()
    head = scribe.head[0] - 1

    found = await records_of(scribe.disk, {"o1"}, range(1, head + 1))

    assert [record["type"] for record in found] == ["intent", "accepted"]
    assert [line["seq"] for line in await last_lines(scribe.disk, 2, head)] == [head - 1, head]


@pytest.mark.parametrize("step_bytes", [64, 256 * 1024])
async def test_the_newest_lines_come_oldest_first_across_segments(
    step_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "STEP_BYTES", step_bytes)
    scribe = written()
    head = scribe.head[0]

    lines = await last_lines(scribe.disk, 4, head)

    assert [line["type"] for line in lines] == ["seal", "open", "accepted", "cancel"]
    assert len(await last_lines(scribe.disk, 1000, head)) == head
    assert await last_lines(TearingDisk(), 10, 0) == []
