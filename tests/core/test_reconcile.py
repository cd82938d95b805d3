"""What a reading of the broker's book means: presence always wins, absence is weak."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ordod.core.orders.reconcile import (
    Reading,
    advances,
    change_shows,
    found,
    fresh_fills,
    lacks_seen_orders,
    wants_fills,
    why_not_absent,
)
from ordod.core.orders.records import (
    Accepted,
    Cancel,
    Doubt,
    Entry,
    Evidence,
    Filled,
    Modify,
    Record,
    Rejected,
    Settled,
    Update,
)
from ordod.domain.orders import (
    BrokerOrder,
    Fill,
    OrderChanges,
    OrderType,
    Side,
    Status,
)
from tests.core.making import NOW, USER, Journaled, at, fill, intent, row, terms

DOUBT = Doubt(id="o1", why="lost", sent_at=NOW, died_at=at(7))


def reading(*rows: BrokerOrder, **changed: Any) -> Reading:
    fields: dict[str, Any] = {
        "user": USER,
        "begun": 1000.0,
        "begun_at": at(400),
        "rows": rows,
        "is_whole": True,
    }
    return Reading(**fields | changed)


def records(journaled: Journaled, seen: Reading) -> list[Record]:
    ids = iter(f"new{n}" for n in range(100))
    return list(
        found(
            journaled.book,
            "paper",
            seen,
            is_ours=lambda tag: tag.startswith("tag-"),
            new_id=lambda prefix: next(ids),
        )
    )


# Presence


@pytest.mark.parametrize(
    "before",
    [
        (),
        (DOUBT,),
        (DOUBT, Settled(id="o1", outcome="not_placed", by="book")),
        (Rejected(id="o1", kind="ORDER_REJECTED"),),
    ],
)
def test_a_row_with_the_tag_ends_every_doubt_and_every_absence(before: tuple[Record, ...]) -> None:
    journaled = Journaled(intent(), *before)
    seen = row(tags=("tag-k1",))

    evidence, settled, update = records(journaled, reading(seen))

    assert isinstance(evidence, Evidence)
    assert evidence.found
    assert settled == Settled(id="o1", outcome="placed", by="book", broker_id="b1")
    assert update == Update(id="o1", row=seen, status=Status.OPEN)


def test_an_incomplete_reading_is_evidence_of_presence_too() -> None:
    journaled = Journaled(intent(), DOUBT)

    first, *_ = records(journaled, reading(row(tags=("tag-k1",)), is_whole=False))

    assert isinstance(first, Evidence)
    assert not first.complete


def test_a_row_of_a_known_order_is_told_only_when_it_moved() -> None:
    journaled = Journaled(intent(), Accepted(id="o1", broker_id="b1"))
    first = records(journaled, reading(row()))
    journaled.write(*first)

    assert first == [Update(id="o1", row=row(), status=Status.OPEN)]
    assert records(journaled, reading(row())) == []


def test_an_order_placed_elsewhere_is_listed_once() -> None:
    journaled = Journaled()
    first = records(journaled, reading(row("b9", tags=("someone's",))))
    journaled.write(*first)

    assert first == [
        Update(
            id="new0",
            row=row("b9", tags=("someone's",)),
            status=Status.OPEN,
            account="paper",
            user=USER,
        )
    ]
    assert records(journaled, reading(row("b9", tags=("someone's",)))) == []


def test_an_order_with_our_tag_that_the_journal_lacks_is_adopted_with_it() -> None:
    (update,) = records(Journaled(), reading(row("b9", tags=("web", "tag-lost"))))

    assert isinstance(update, Update)
    assert update.tag == "tag-lost"


def test_two_rows_with_one_tag_do_not_bind_one_order_twice() -> None:
    journaled = Journaled(intent(), DOUBT)

    written = records(journaled, reading(row("b1", tags=("tag-k1",)), row("b2", tags=("tag-k1",))))

    assert [r.id for r in written if isinstance(r, Update)] == ["o1", "new0"]
    journaled.write(*written)
    assert journaled.book.orders["o1"].broker_order_id == "b1"


def test_a_row_of_another_user_is_nobodys() -> None:
    journaled = Journaled(intent(), DOUBT)

    written = records(journaled, reading(row(tags=("tag-k1",)), user="AB2"))

    assert [type(r) for r in written] == [Update]
    assert written[0].id == "new0"  # type: ignore[union-attr]  # an Update has one


# News


def known(**changed: Any) -> Any:
    journaled = Journaled(
        intent(),
        Accepted(id="o1", broker_id="b1"),
        Update(id="o1", row=row(**changed), status=changed.get("status", Status.OPEN)),
    )
    return journaled.book.orders["o1"]


@pytest.mark.parametrize(
    ("before", "after", "is_news"),
    [
        ({}, {}, False),
        ({}, {"status": Status.CANCELLED}, True),
        ({}, {"status": Status.CANCELLED, "updated_at": at(-1)}, False),
        ({}, {"price": Decimal(1390), "updated_at": at(1)}, True),
        ({"filled_quantity": 4}, {"filled_quantity": 3, "updated_at": at(1)}, False),
        ({"filled_quantity": 4}, {"filled_quantity": 5, "updated_at": at(-1)}, True),
        ({"status": Status.CANCELLED}, {"status": Status.OPEN}, False),
        ({"status": Status.CANCELLED}, {"status": Status.OPEN, "updated_at": at(1)}, True),
        ({"status": Status.CANCELLED}, {"status": Status.OPEN, "updated_at": None}, False),
        ({"status": Status.REJECTED}, {"status": Status.OPEN, "updated_at": at(1)}, True),
        (
            {"status": Status.CANCELLED},
            {"status": Status.FILLED, "filled_quantity": 10, "updated_at": at(-1)},
            True,
        ),
        ({"status": Status.FILLED}, {"status": Status.OPEN, "updated_at": at(9)}, False),
        ({"status": Status.EXPIRED}, {"status": Status.OPEN, "updated_at": at(9)}, False),
    ],
)
def test_a_row_is_news_when_it_is_later(
    before: dict[str, Any], after: dict[str, Any], is_news: bool
) -> None:
    assert advances(known(**before), row(**after)) is is_news


states = st.tuples(
    st.sampled_from([Status.OPEN, Status.PARTIALLY_FILLED, Status.CANCELLED, Status.FILLED]),
    st.integers(0, 10),
    st.integers(0, 5),
)


@given(st.lists(states, min_size=1, max_size=12))
def test_old_copies_of_the_book_never_take_anything_back(
    shown: list[tuple[Status, int, int]],
) -> None:
    journaled = Journaled(intent(), Accepted(id="o1", broker_id="b1"))
    order = journaled.book.orders["o1"]
    filled = 0
    for status, quantity, second in shown:
        seen = row(status=status, filled_quantity=quantity, updated_at=at(second))
        was = order.status
        journaled.write(*records(journaled, reading(seen)))

        assert order.filled_quantity >= filled
        if was is Status.FILLED:
            assert order.status is Status.FILLED
        filled = order.filled_quantity


# Fills


def test_only_unknown_fills_of_known_orders_are_told_and_each_once() -> None:
    journaled = Journaled(
        intent(), Accepted(id="o1", broker_id="b1"), Filled(id="o1", fill=fill("t1"))
    )
    fills = (fill("t1"), fill("t2"), fill("t2"), fill("t3", broker_order_id="unknown"))

    assert list(fresh_fills(journaled.book, reading(fills=fills))) == [
        Filled(id="o1", fill=fill("t2"))
    ]
    assert list(fresh_fills(journaled.book, reading())) == []


@pytest.mark.parametrize(
    ("rows", "wants"),
    [
        ((), False),
        ((row(filled_quantity=4),), False),
        ((row(filled_quantity=5),), True),
        ((row("unknown", filled_quantity=1),), True),
        ((row("unknown"),), False),
    ],
)
def test_trades_are_asked_for_where_a_row_shows_more(
    rows: tuple[BrokerOrder, ...], wants: bool
) -> None:
    journaled = Journaled(
        intent(), Accepted(id="o1", broker_id="b1"), Filled(id="o1", fill=fill("t1", 4))
    )

    assert wants_fills(journaled.book, USER, rows) is wants


# Absence

ECHO = row("b2", tags=("tag-k2",), symbol="NSE:TCS")


def doubtful(*more: Record) -> Journaled:
    """An order in doubt, and an acknowledged one of its kind whose tag the book has shown."""
    return Journaled(
        intent(),
        DOUBT,
        intent("o2", "k2", order=terms(symbol="NSE:TCS")),
        Accepted(id="o2", broker_id="b2"),
        *more,
    )


def why(journaled: Journaled, seen: Reading, **changed: Any) -> str:
    fields: dict[str, Any] = {
        "waited_s": 300.0,
        "horizon_s": 300.0,
        "is_same_book_day": True,
        "misses_seen": False,
    }
    return why_not_absent(journaled.book, journaled.book.orders["o1"], seen, **fields | changed)


def test_absence_counts_where_every_rule_holds() -> None:
    assert why(doubtful(), reading(ECHO)) == ""


@pytest.mark.parametrize(
    ("seen", "changed", "says"),
    [
        (reading(ECHO, user="AB2"), {}, "another user"),
        (reading(ECHO), {"is_same_book_day": False}, "order.resolve"),
        (reading(ECHO), {"waited_s": 299.9}, "300 s after the send"),
        (reading(ECHO, is_whole=False), {}, "cannot be read; order.resolve"),
        (reading(ECHO), {"misses_seen": True}, "showed before; order.resolve"),
        (reading(), {}, "has not shown the tag"),
        (reading(replace(ECHO, tags=())), {}, "has not shown the tag"),
        (reading(ECHO, row("b3")), {}, "carries no tag"),
        (reading(ECHO, row("b3", placed_at=None, updated_at=None)), {}, "carries no tag"),
        (reading(ECHO, row("b3", placed_at=None, updated_at=at(5))), {}, "carries no tag"),
        (reading(ECHO, row("b3", placed_at=at(-65))), {}, "carries no tag"),  # our clock is ahead
        # ... by an hour, and the broker's answers tell
        (reading(ECHO, row("b3", placed_at=at(-3600)), skew_s=-3600.0), {}, "carries no tag"),
        # ... or was, when the order was sent, and was set right since
        (
            reading(ECHO, row("b3", placed_at=at(-3600)), begun_at=at(-3600 + 400)),
            {"waited_s": 390.0},
            "carries no tag",
        ),
    ],
)
def test_each_rule_alone_blocks_absence(seen: Reading, changed: dict[str, Any], says: str) -> None:
    assert says in why(doubtful(), seen, **changed)


@pytest.mark.parametrize(
    "echo",
    [
        terms(symbol="NSE:TCS", type=OrderType.MARKET, price=None),
        terms(symbol="NSE:TCS", type=OrderType.SL, trigger_price=Decimal(1)),
    ],
)
def test_the_echo_must_be_of_the_same_type(echo: Any) -> None:
    journaled = Journaled(
        intent(), DOUBT, intent("o2", "k2", order=echo), Accepted(id="o2", broker_id="b2")
    )

    assert "has not shown the tag" in why(journaled, reading(ECHO))


@pytest.mark.parametrize(
    "harmless",
    [
        row("b3", symbol="NSE:SBIN"),
        row("b3", side=Side.SELL),
        row("b3", placed_at=at(-301)),
        row("b3", placed_at=None, updated_at=at(-301)),
    ],
)
def test_an_order_that_cannot_be_this_one_does_not_block_absence(harmless: BrokerOrder) -> None:
    assert why(doubtful(), reading(ECHO, harmless)) == ""


def test_an_order_of_ours_is_no_stranger() -> None:
    journaled = doubtful(intent("o3", "k3"), Accepted(id="o3", broker_id="b3"))

    assert why(journaled, reading(ECHO, row("b3", tags=("tag-k3",)))) == ""


@given(
    st.floats(0, 1000),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.lists(st.sampled_from([ECHO, row("b3"), row("b4", side=Side.SELL)]), unique=True),
)
def test_absence_never_counts_before_the_horizon_or_from_half_a_book(
    waited_s: float, is_whole: bool, same_day: bool, misses: bool, rows: Iterable[BrokerOrder]
) -> None:
    told = why(
        doubtful(),
        reading(*rows, is_whole=is_whole),
        waited_s=waited_s,
        is_same_book_day=same_day,
        misses_seen=misses,
    )

    if waited_s < 300 or not is_whole or not same_day or misses:
        assert told


@pytest.mark.parametrize(
    ("rows", "placed_at", "lacks"),
    [((row(),), NOW, False), ((), NOW, True), ((), at(-7200), False), ((), None, True)],
)
def test_a_book_that_lost_an_order_of_the_day_is_not_whole(
    rows: tuple[BrokerOrder, ...], placed_at: datetime | None, lacks: bool
) -> None:
    journaled = Journaled(
        intent(),
        Accepted(id="o1", broker_id="b1"),
        Update(id="o1", row=row(placed_at=placed_at), status=Status.OPEN),
    )

    assert lacks_seen_orders(journaled.book, reading(*rows), at(-3600)) is lacks


def test_an_order_that_was_never_shown_is_missed_once_the_broker_has_acknowledged_it() -> None:
    journaled = Journaled(intent(), Accepted(id="o1", broker_id="b1"))
    acknowledged = journaled.book.orders["o1"].updated_at

    assert lacks_seen_orders(journaled.book, reading(), at(-3600))
    assert not lacks_seen_orders(journaled.book, reading(begun_at=acknowledged), at(-3600))


# Changes


def changed(record: Record, status: Status, **shown: Any) -> str:
    journaled = Journaled(
        intent(),
        Accepted(id="o1", broker_id="b1"),
        record,
        Accepted(id="c1"),
        Update(id="o1", row=row(status=status, **shown), status=status),
    )
    return change_shows(journaled.book.changes["c1"], journaled.book.orders["o1"])


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (Status.OPEN, ""),
        (Status.PARTIALLY_FILLED, ""),
        (Status.CANCELLED, "done"),
        (Status.FILLED, "not_done"),
        (Status.REJECTED, "not_done"),
        (Status.EXPIRED, "not_done"),
    ],
)
def test_a_cancels_end_is_the_orders(status: Status, outcome: str) -> None:
    assert changed(Cancel(id="c1", order_id="o1", caller="t"), status) == outcome


@pytest.mark.parametrize(
    ("status", "shown", "outcome"),
    [
        (Status.OPEN, {}, ""),
        (Status.OPEN, {"price": Decimal(1390)}, ""),
        (Status.OPEN, {"price": Decimal(1390), "quantity": 5}, "done"),
        (Status.FILLED, {"price": Decimal(1390), "quantity": 5}, "done"),
        (Status.FILLED, {}, "not_done"),
    ],
)
def test_a_modify_is_done_when_the_row_shows_all_of_it(
    status: Status, shown: dict[str, Any], outcome: str
) -> None:
    modify = Modify(
        id="c1",
        order_id="o1",
        changes=OrderChanges(price=Decimal(1390), quantity=5),
        caller="t",
    )

    assert changed(modify, status, **shown) == outcome


def test_nothing_is_known_of_a_cancel_while_its_order_is_in_doubt() -> None:
    journaled = Journaled(intent(), DOUBT, Cancel(id="c1", order_id="o1", caller="t"))

    assert change_shows(journaled.book.changes["c1"], journaled.book.orders["o1"]) == ""


def test_a_reading_does_not_touch_the_book() -> None:
    journaled = Journaled(intent(), DOUBT)
    before = journaled.book.dump()

    records(journaled, reading(row(tags=("tag-k1",)), row("b9")))

    assert journaled.book.dump() == before


def test_the_fills_of_a_reading_are_the_brokers_words() -> None:
    journaled = Journaled(intent(), Accepted(id="o1", broker_id="b1"))
    fills: tuple[Fill, ...] = (fill("t1", 4), fill("t2", 6))

    for record in fresh_fills(journaled.book, reading(fills=fills)):
        journaled.book.apply(Entry(99, at(99), record))

    assert tuple(journaled.book.orders["o1"].fills.values()) == fills
