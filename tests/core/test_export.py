"""A day of the journal in flat tables."""

import json
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from ordod.core.orders.export import TABLES, Cell, day_tables
from ordod.core.orders.format import Codec
from ordod.core.orders.keeping import closed_before, pack
from ordod.core.orders.records import (
    Accepted,
    Admin,
    Cancel,
    Doubt,
    Filled,
    Kill,
    Rejected,
    Settled,
    Update,
)
from ordod.domain.orders import Status
from tests.core.making import NOW, fill, intent, row
from tests.simulation.disk import TearingDisk
from tests.simulation.scribe import Scribe

DAY = date(2026, 11, 23)


def dicts(tables: dict[str, list[list[Cell]]], name: str) -> list[dict[str, Any]]:
    names = [column.name for column in TABLES[name]]
    return [dict(zip(names, cells, strict=True)) for cells in tables[name]]


def written() -> Scribe:
    """An order that fills in part and is cancelled; one in doubt; one refused; one from elsewhere; a kill."""
    scribe = Scribe(TearingDisk()).segment()
    scribe.batch(intent(strategy="s1"), Accepted(id="o1", broker_id="b1"))
    partly = row(filled_quantity=4, average_price=Decimal("1399.05"))
    scribe.batch(Update(id="o1", row=partly, status=Status.OPEN), Filled(id="o1", fill=fill()))
    scribe.batch(Cancel(id="c1", order_id="o1", caller="bot"), Accepted(id="c1"))
    scribe.batch(intent("o2", "k2"), Doubt(id="o2", why="no answer", sent_at=NOW, died_at=NOW))
    scribe.seal().segment()
    scribe.batch(Settled(id="o2", outcome="not_placed", by="book"))
    scribe.batch(
        intent("o3", "k3"), Rejected(id="o3", kind="ORDER_REJECTED", message="margin, short")
    )
    other = Update(id="o4", row=row("b4"), status=Status.OPEN, account="paper", user="U")
    return scribe.batch(other, Kill(caller="me", reason="enough")).seal()


def test_an_order_is_one_row_with_the_last_that_is_said_of_it() -> None:
    scribe = written()

    rows = dicts(day_tables(scribe.disk, DAY, head=scribe.head[0]), "orders")

    assert [one["order_id"] for one in rows] == ["o1", "o2", "o3", "o4"]
    first = rows[0]
    assert (first["key"], first["strategy"], first["side"], first["quantity"]) == (
        "k1",
        "s1",
        "BUY",
        10,
    )
    assert (first["outcome"], first["status"], first["filled_quantity"]) == (
        "accepted",
        "OPEN",
        4,
    )
    assert first["average_price"] == Decimal("1399.05")
    assert (rows[1]["outcome"], rows[1]["message"]) == ("not_placed", "no answer")
    assert (rows[2]["outcome"], rows[2]["message"]) == ("rejected", "margin, short")
    assert (rows[3]["broker_order_id"], rows[3]["key"]) == ("b4", None)


def test_every_record_about_an_order_is_an_event_with_its_bytes_and_hash() -> None:
    scribe = written()
    tables = day_tables(scribe.disk, DAY, head=scribe.head[0])

    events, admin = dicts(tables, "events"), dicts(tables, "admin")

    told = {one["seq"]: one for one in [*events, *admin]}
    assert sorted(told) == [line.seq for line in scribe.lines if line.kind != "seal"]
    for line in scribe.lines:
        if line.kind != "seal":
            text = scribe.disk.read(line.path)[line.begin : line.end].decode()
            one = told[line.seq]
            assert one["type"] == line.kind
            assert one["hash"] == scribe.hashes[line.seq]
            assert one["record"][:-1] + f',"hash":"{one["hash"]}"}}\n' == text
    of_change = [one for one in events if one["id"] == "c1"]
    assert [(one["type"], one["order_id"]) for one in of_change] == [
        ("cancel", "o1"),
        ("accepted", "o1"),
    ]


def test_a_fill_is_a_row_with_its_orders_account() -> None:
    scribe = written()

    (only,) = dicts(day_tables(scribe.disk, DAY, head=scribe.head[0]), "fills")

    assert (only["order_id"], only["account"], only["trade_id"]) == ("o1", "paper", "t1")
    assert (only["quantity"], only["price"]) == (4, fill().price)
    assert only["traded_at"].utcoffset() == timedelta(hours=5, minutes=30)


def test_admin_acts_say_who() -> None:
    scribe = written().batch(Admin(caller="uid:1", method="order.resolve", params={"a": 1}))

    rows = dicts(day_tables(scribe.disk, DAY, head=scribe.head[0]), "admin")

    assert [one["type"] for one in rows] == ["open", "open", "kill", "admin"]
    assert (rows[2]["caller"], rows[2]["message"]) == ("me", "enough")
    assert (rows[3]["caller"], rows[3]["method"]) == ("uid:1", "order.resolve")
    assert json.loads(rows[3]["record"])["params"] == {"a": 1}


def test_another_day_is_empty_and_nothing_behind_the_head_is_told() -> None:
    scribe = written()

    assert not any(day_tables(scribe.disk, DAY + timedelta(days=1), head=99).values())
    assert len(day_tables(scribe.disk, DAY, head=2)["events"]) == 1


async def test_packed_segments_are_read_alike() -> None:
    scribe = written()
    before = day_tables(scribe.disk, DAY, head=scribe.head[0])

    async def no_pause() -> None:
        """Nothing else is to run."""

    for segment, after in closed_before(scribe.disk, DAY + timedelta(days=9), scribe.head[0]):
        await pack(scribe.disk, Codec(None), segment, after, no_pause)

    assert any(name.endswith(".gz") for name in scribe.disk.names("journal"))
    assert day_tables(scribe.disk, DAY, head=scribe.head[0]) == before
