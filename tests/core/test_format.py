"""The lines of the journal: their bytes are a promise to `jq`, to backups and to every later version."""

import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordod.core.orders.format import Codec, body, entry, header
from ordod.core.orders.records import (
    Accepted,
    AccountNote,
    Admin,
    Cancel,
    Close,
    Doubt,
    Entry,
    Evidence,
    Filled,
    Intent,
    Kill,
    Modify,
    Note,
    Open,
    Record,
    Rejected,
    Release,
    Seal,
    Settled,
    Unsent,
    Update,
)
from ordod.domain.orders import (
    BrokerOrder,
    Fill,
    OrderChanges,
    OrderTerms,
    OrderType,
    Product,
    Side,
    Status,
)
from tests.simulation.ports import IST

AT = datetime(2026, 11, 23, 9, 15, 0, 123456, tzinfo=IST)
PRICE = Decimal("1450.05")
TERMS = OrderTerms(
    symbol="NSE:INFY",
    side=Side.BUY,
    quantity=10,
    type=OrderType.LIMIT,
    product=Product.MIS,
    price=PRICE,
)
ROW = BrokerOrder(
    broker_order_id="77",
    status=Status.OPEN,
    symbol="NSE:INFY",
    side=Side.BUY,
    quantity=10,
    type=OrderType.LIMIT,
    product=Product.MIS,
    average_price=PRICE,
    tags=("T1", "T2"),
    placed_at=AT,
)
FILL = Fill(
    trade_id="t1",
    broker_order_id="77",
    symbol="NSE:INFY",
    side=Side.BUY,
    quantity=4,
    price=PRICE,
    product=None,
    at=AT,
)
RECORDS: list[Record] = [
    Open(format=1, epoch="e", machine="m", inode=7, installation="i", previous="0" * 32),
    Intent(
        id="o1",
        operation="place",
        account="main",
        user="AB1234",
        key='a key with "quotes", \\ and ₹',
        fingerprint="f",
        caller="bot",
        order=TERMS,
    ),
    Modify(id="c1", order_id="o1", changes=OrderChanges(price=PRICE), caller="bot"),
    Cancel(id="c2", order_id="o1", caller="bot"),
    Unsent(id="o1", kind="KILLED"),
    Accepted(id="o1", broker_id="77"),
    Rejected(id="o1", kind="ORDER_REJECTED", message="no\nsuch", code="E77"),
    Doubt(id="o1", why="time-out", sent_at=AT, died_at=AT),
    Evidence(id="o1", source="book", begun_at=AT, complete=True, found=False),
    Settled(id="o1", outcome="placed", by="book", broker_id="77"),
    Update(id="o1", row=ROW, status=Status.OPEN),
    Filled(id="o1", fill=FILL),
    Kill(caller="ops", account="main"),
    Release(caller="ops", reason="done"),
    AccountNote(account="main", event="active"),
    Admin(caller="ops", method="kill.release", params={"seq": 1, "batch": None, "hash": "x"}),
    Note(text='{"seq":1,"batch":1,"at":"'),
    Seal(),
    Close(),
]


def test_every_type_of_record_is_tried_here() -> None:
    assert {type(record) for record in RECORDS} == set(get_args(Record))


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_is_read_back_as_it_was_written(record: Record) -> None:
    data, _ = Codec(None).lines([body(record)], seq=1842, batch=977, at=AT, previous="")

    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    assert entry(data[:-1], 1842) == Entry(1842, AT, record)


@pytest.mark.parametrize("record", get_args(Record))
def test_no_record_has_a_field_that_the_line_has(record: type[Record]) -> None:
    assert not {"seq", "batch", "at", "type", "hash"} & set(record.__struct_fields__)


def test_prices_are_numbers_as_written() -> None:
    data, _ = Codec(None).lines([body(RECORDS[1])], seq=1, batch=1, at=AT, previous="")

    assert b'"price":1450.05,' in data


@pytest.mark.parametrize("key", [None, b"a key"])
def test_the_hash_is_blake2b_of_the_hash_before_and_the_line_up_to_it(key: bytes | None) -> None:
    data, last = Codec(key).lines(
        [body(RECORDS[4]), body(RECORDS[5])], seq=7, batch=3, at=AT, previous="f" * 32
    )

    first, second = data.splitlines()
    covered = json.loads(first)["hash"].encode() + second[: second.rindex(b',"hash"')]
    assert hashlib.blake2b(covered, digest_size=16, key=key or b"").hexdigest() == last
    assert json.loads(second)["hash"] == last


def test_a_time_without_microseconds_is_as_long_as_any() -> None:
    at = AT.replace(microsecond=0)
    data, _ = Codec(None).lines([body(Seal())], seq=1, batch=1, at=at, previous="")

    found = header(data)

    assert found is not None
    assert found.at == "2026-11-23T09:15:00.000000+05:30"
    assert entry(data[:-1], 1).at == at


def test_a_line_under_another_key_or_behind_another_line_does_not_check() -> None:
    data, last = Codec(b"one").lines([body(Seal())], seq=1, batch=1, at=AT, previous="ab")
    line = data[:-1]

    assert Codec(b"one").check(line, b"ab") == last.encode()
    assert Codec(b"two").check(line, b"ab") is None
    assert Codec(None).check(line, b"ab") is None
    assert Codec(b"one").check(line, b"ac") is None


@given(st.text(), st.decimals("0.01", "10000000", places=2), st.datetimes(timezones=st.just(UTC)))
def test_any_text_price_and_time_comes_back(text: str, price: Decimal, at: datetime) -> None:
    record = Modify(
        id="c1", order_id=text, changes=OrderChanges(price=price), caller=text, key=text
    )
    data, _ = Codec(None).lines([body(record)], seq=1, batch=1, at=at.astimezone(IST), previous="")

    assert entry(data[:-1], 1) == Entry(1, at, record)
    assert header(data) is not None
