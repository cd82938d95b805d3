"""Orders of past days: still found by key and id, in little room, and forgotten when their time is over."""

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ordod.adapter import IST
from ordod.core.orders.archive import Archive, ArchiveDump
from ordod.core.orders.book import Book
from ordod.core.orders.records import Accepted, Entry, Intent, Record, Unsent, Update
from ordod.core.orders.states import OrderState
from ordod.domain.orders import BrokerOrder, OrderTerms, OrderType, Product, Side, Status

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=IST)
TERMS = OrderTerms(
    symbol="NSE:INFY",
    side=Side.BUY,
    quantity=10,
    type=OrderType.LIMIT,
    product=Product.CNC,
    price=Decimal("1450.05"),
)


def order(number: int, at: datetime = NOON, user: str = "ZX0001") -> OrderState:
    return OrderState(
        id=f"o{number}",
        account="a",
        user=user,
        terms=TERMS,
        status=Status.FILLED,
        sent="placed",
        seq=number,
        first_seq=number,
        placed_at=at,
        updated_at=at,
        key=f"key-{number}",
    )


def row(status: Status) -> BrokerOrder:
    return BrokerOrder(
        broker_order_id="1",
        status=status,
        symbol="NSE:INFY",
        side=Side.BUY,
        quantity=10,
        type=OrderType.LIMIT,
        product=Product.CNC,
    )


def book_with(*records: Record) -> Book:
    book = Book()
    for seq, record in enumerate(records, 1):
        book.apply(Entry(seq, NOON, record))
    return book


def intent(key: str = "k1") -> Intent:
    return Intent(
        id="o1",
        operation="place",
        account="a",
        user="ZX0001",
        key=key,
        fingerprint="f",
        caller="c",
        tag="T1",
        order=TERMS,
    )


def reloaded(archive: Archive) -> Archive:
    content = msgspec.msgpack.encode(archive.dump())
    return Archive(msgspec.msgpack.decode(content, type=ArchiveDump))


@given(st.lists(st.integers(0, 70), max_size=5))
def test_every_order_is_found_whole_by_key_and_by_id_whatever_was_added_when(
    days: list[int],
) -> None:
    orders = [order(n) for n in range(sum(days))]

    archive, rest = Archive(), list(orders)
    for count in days:
        archive.add(rest[:count])
        del rest[:count]
        archive = reloaded(archive) if count % 2 else archive

    assert [archive.by_key("ZX0001", f"key-{n}") for n in range(len(orders))] == orders
    assert [archive.by_id(f"o{n}") for n in range(len(orders))] == orders
    assert archive.by_key("ZX0001", f"key-{len(orders)}") is None
    assert not archive.holds_key("ZX0002", "key-0")


def test_a_key_stays_spent_when_its_order_is_forgotten() -> None:
    archive = Archive()
    archive.add([order(1, NOON - timedelta(days=40))])
    archive.add([order(2, NOON)])

    archive.forget(NOON - timedelta(days=30))
    archive = reloaded(archive)

    assert archive.holds_key("ZX0001", "key-1")
    assert archive.by_key("ZX0001", "key-1") is None
    assert archive.by_id("o1") is None
    assert archive.by_key("ZX0001", "key-2") == order(2)


def test_a_key_of_one_user_is_not_taken_for_another_users() -> None:
    archive = Archive()

    archive.add([order(1, user="ZX0001")])
    archive.add([order(1, user="ZX0002")])

    found = archive.by_key("ZX0001", "key-1"), archive.by_key("ZX0002", "key-1")
    assert [one and one.user for one in found] == ["ZX0001", "ZX0002"]


def test_an_archived_order_answers_for_its_key_as_before_also_after_a_snapshot() -> None:
    book = book_with(
        intent(),
        Accepted(id="o1", broker_id="1"),
        Update(id="o1", row=row(Status.FILLED), status=Status.FILLED),
    )
    before = book.by_key("ZX0001", "k1")

    assert book.archive(NOON + timedelta(days=1)) == 1
    again = Book()
    again.load(book.dump())

    assert "o1" not in book.orders
    assert book.by_key("ZX0001", "k1") == before == again.by_key("ZX0001", "k1")
    assert book.by_id("o1") == before == again.by_id("o1")
    assert again.key_is_spent("ZX0001", "k1")


def test_an_order_that_may_still_trade_is_not_archived() -> None:
    book = book_with(
        intent(),
        Accepted(id="o1", broker_id="1"),
        Update(id="o1", row=row(Status.OPEN), status=Status.OPEN),
    )

    assert book.archive(NOON + timedelta(days=9)) == 0
    assert [one.id for one in book.live()] == ["o1"]


def test_an_order_in_doubt_is_not_archived() -> None:
    book = book_with(intent())

    assert book.archive(NOON + timedelta(days=9)) == 0
    assert [one.id for one in book.doubts()] == ["o1"]


def test_a_key_that_was_freed_stays_free_behind_the_archive() -> None:
    book = book_with(intent(), Unsent(id="o1", kind="KILLED"))

    book.archive(NOON + timedelta(days=1))

    assert not book.key_is_spent("ZX0001", "k1")


def test_twenty_thousand_orders_take_less_than_two_hundred_bytes_each() -> None:
    archive = Archive()

    archive.add(order(n) for n in range(20_000))

    assert len(msgspec.msgpack.encode(archive.dump())) < 20_000 * 200
