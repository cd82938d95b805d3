"""Values that tests of the core begin with: orders, rows, records, short to write."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from ordod.core.orders.book import Book
from ordod.core.orders.records import Entry, Intent, Record
from ordod.domain.calendar import WEEKDAYS, Calendar, OddDay
from ordod.domain.instruments import Exchange
from ordod.domain.orders import (
    BrokerOrder,
    Fill,
    OrderTerms,
    OrderType,
    Product,
    Side,
    Status,
)
from tests.simulation.ports import IST

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=IST)  # a Monday
USER = "AB1"


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def closed_on(days: Iterable[date]) -> Calendar:
    """Weekdays, but for these."""
    closed = tuple(OddDay(on=on, name="holiday", exchanges=tuple(Exchange)) for on in days)
    return replace(WEEKDAYS, days=closed)


def terms(**changed: Any) -> OrderTerms:
    fields: dict[str, Any] = {
        "symbol": "NSE:INFY",
        "side": Side.BUY,
        "quantity": 10,
        "type": OrderType.LIMIT,
        "product": Product.CNC,
        "price": Decimal(1400),
    }
    return OrderTerms(**fields | changed)


def row(broker_order_id: str = "b1", **changed: Any) -> BrokerOrder:
    fields: dict[str, Any] = {
        "broker_order_id": broker_order_id,
        "status": Status.OPEN,
        "symbol": "NSE:INFY",
        "side": Side.BUY,
        "quantity": 10,
        "type": OrderType.LIMIT,
        "product": Product.CNC,
        "price": Decimal(1400),
        "placed_at": NOW,
        "updated_at": NOW,
    }
    return BrokerOrder(**fields | changed)


def fill(trade_id: str = "t1", quantity: int = 4, broker_order_id: str = "b1") -> Fill:
    return Fill(
        trade_id=trade_id,
        broker_order_id=broker_order_id,
        symbol="NSE:INFY",
        side=Side.BUY,
        quantity=quantity,
        price=Decimal(1400),
        product=Product.CNC,
        at=NOW,
    )


def intent(order_id: str = "o1", key: str = "k1", **changed: Any) -> Intent:
    fields: dict[str, Any] = {
        "id": order_id,
        "operation": "place",
        "account": "paper",
        "user": USER,
        "key": key,
        "fingerprint": f"print of {key}",
        "caller": "test",
        "tag": f"tag-{key}",
        "symbol_written": "NSE:INFY",
        "order": terms(),
    }
    return Intent(**fields | changed)


class Journaled:
    """A book that was given records one a second."""

    def __init__(self, *records: Record) -> None:
        self.book = Book()
        self.seq = 0
        self.write(*records)

    def write(self, *records: Record) -> None:
        for record in records:
            self.seq += 1
            self.book.apply(Entry(self.seq, at(self.seq), record))
