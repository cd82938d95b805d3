"""A start takes the journal in as a life did, only without what nobody can ask for any more."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from ordod.adapter import IST
from ordod.core import replaying
from ordod.core.events import Events
from ordod.core.orders.book import Book
from ordod.core.orders.records import Accepted, Entry, Intent, Update
from ordod.core.replaying import Replay, past_days
from ordod.domain.orders import BrokerOrder, OrderTerms, OrderType, Product, Side, Status

NINE = datetime(2026, 11, 2, 9, 0, tzinfo=IST)


def day_of_orders(day: int, first: int, count: int) -> list[Entry]:
    """Each order is asked for, taken and filled."""
    at = NINE + timedelta(days=day)
    entries: list[Entry] = []
    for n in range(count):
        number = day * 1000 + n
        intent = Intent(
            id=f"o{number}",
            operation="place",
            account="a",
            user="u",
            key=f"k{number}",
            fingerprint="f",
            caller="c",
            order=OrderTerms(
                symbol="NSE:INFY",
                side=Side.BUY,
                quantity=1,
                type=OrderType.LIMIT,
                product=Product.CNC,
                price=Decimal(10),
            ),
        )
        row = BrokerOrder(
            broker_order_id=f"b{number}",
            status=Status.FILLED,
            symbol="NSE:INFY",
            side=Side.BUY,
            quantity=1,
            type=OrderType.LIMIT,
            product=Product.CNC,
        )
        accepted = Accepted(id=intent.id, broker_id=row.broker_order_id)
        filled = Update(id=intent.id, row=row, status=Status.FILLED)
        for record in (intent, accepted, filled):
            entries.append(Entry(first + len(entries), at, record))
    return entries


def test_only_the_last_two_days_stay_as_objects_and_every_key_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replaying, "KEPT", 10)
    entries: list[Entry] = []
    for day in range(6):
        entries += day_of_orders(day, len(entries) + 1, 20)
    book = Book()
    replay = Replay(book, Events(book))

    for entry in entries:
        replay.take(entry)
    replay.finish(entries[-1].seq)

    assert replay.count == len(entries)
    assert sorted({order.placed_at.day - NINE.day for order in book.orders.values()}) == [4, 5]
    assert all(book.by_key("u", f"k{day * 1000 + n}") for day in range(6) for n in range(20))


def test_the_events_of_the_last_records_are_those_of_the_life_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replaying, "KEPT", 30)
    entries = day_of_orders(0, 1, 40)
    lived = Events(lived_book := Book())
    for entry in entries:
        lived_book.apply(entry)
        lived.publish(entry)
    events = Events(book := Book())
    replay = Replay(book, events)

    for entry in entries:
        replay.take(entry)
    replay.finish(entries[-1].seq)

    kept_from = entries[-1].seq - 30
    assert events.since(kept_from) == lived.since(kept_from)
    assert events.since(kept_from - 1) is None


def test_orders_of_yesterday_are_not_yet_past() -> None:
    now = datetime(2026, 11, 25, 2, 30, tzinfo=IST)

    assert past_days(now) == datetime(2026, 11, 24, tzinfo=IST)
