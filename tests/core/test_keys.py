"""Fingerprints and tags: how an order is recognised again."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict

from ordod.adapter import BASE32, DIGITS, Tag
from ordod.core.orders.keys import (
    differing,
    fingerprint,
    fingerprint_of,
    key_mark,
    make_tag,
    tag_prefix,
)
from ordod.core.orders.states import OrderState
from ordod.domain.orders import OrderTerms, OrderType, Product, Side, Status, Validity, Variety
from tests.simulation.ports import IST

prices = st.none() | st.decimals("0.05", "9999", places=2)
counts = st.none() | st.integers(0, 3)
terms = st.builds(
    OrderTerms,
    symbol=st.just("NSE:INFY"),
    side=st.sampled_from(Side),
    quantity=st.integers(1, 3),
    type=st.sampled_from(OrderType),
    product=st.sampled_from(Product),
    price=prices,
    trigger_price=prices,
    validity=st.sampled_from(Validity),
    validity_minutes=counts,
    variety=st.sampled_from(Variety),
    iceberg_legs=counts,
    disclosed_quantity=counts,
    market_protection=prices,
)
labels = st.none() | st.sampled_from(["orb", "mean"])
keys = st.text("abcXYZ019._:-", min_size=1, max_size=64)
PLAIN = OrderTerms(
    symbol="NSE:INFY", side=Side.BUY, quantity=1, type=OrderType.LIMIT, product=Product.CNC
)


@given(terms, labels, terms, labels)
def test_two_fingerprints_are_equal_only_where_every_field_is(
    one: OrderTerms, label: str | None, other: OrderTerms, other_label: str | None
) -> None:
    same = one == other and label == other_label

    assert (fingerprint(one, label) == fingerprint(other, other_label)) is same


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("side", Side.SELL),
        ("quantity", 2),
        ("type", OrderType.MARKET),
        ("product", Product.MIS),
        ("price", Decimal(1)),
        ("trigger_price", Decimal(1)),
        ("validity", Validity.IOC),
        ("validity_minutes", 0),
        ("variety", Variety.AMO),
        ("iceberg_legs", 0),
        ("disclosed_quantity", 0),
        ("market_protection", Decimal(1)),
    ],
)
def test_each_field_changes_the_fingerprint(field: str, value: object) -> None:
    fields: dict[str, Any] = asdict(PLAIN) | {field: value}

    assert fingerprint(OrderTerms(**fields), None) != fingerprint(PLAIN, None)


def test_the_symbol_is_not_in_the_fingerprint() -> None:
    renamed = OrderTerms(**asdict(PLAIN) | {"symbol": "NSE:INFOSYS"})

    assert fingerprint(renamed, None) == fingerprint(PLAIN, None)


def test_a_price_is_the_same_however_it_is_written() -> None:
    short = OrderTerms(**asdict(PLAIN) | {"price": Decimal("1450.5")})
    long = OrderTerms(**asdict(PLAIN) | {"price": Decimal("1450.50")})

    assert fingerprint(short, None) == fingerprint(long, None)


@given(
    st.lists(st.text("a\x1f:1", max_size=3), max_size=3),
    st.lists(st.text("a\x1f:1", max_size=3), max_size=3),
)
def test_no_two_lists_of_parts_share_a_fingerprint(one: list[str], other: list[str]) -> None:
    assert (fingerprint_of(*one) == fingerprint_of(*other)) is (one == other)


@pytest.mark.parametrize(
    ("written", "differs"),
    [("NSE:INFY", []), ("NSE:infy-eq", []), ("NSE:TCS", ["symbol"])],
)
def test_a_symbol_matches_as_written_and_as_resolved(written: str, differs: list[str]) -> None:
    at = datetime(2026, 11, 23, tzinfo=IST)
    order = OrderState(
        id="o1",
        account="paper",
        user="AB1",
        terms=PLAIN,
        status=Status.OPEN,
        sent="placed",
        seq=1,
        first_seq=1,
        placed_at=at,
        updated_at=at,
        symbol_written="NSE:infy-eq",
    )
    wanted = OrderTerms(**asdict(PLAIN) | {"symbol": written})

    assert differing(order, wanted, None) == differs


def test_what_differs_is_named() -> None:
    at = datetime(2026, 11, 23, tzinfo=IST)
    order = OrderState(
        id="o1",
        account="paper",
        user="AB1",
        terms=PLAIN,
        status=Status.OPEN,
        sent="placed",
        seq=1,
        first_seq=1,
        placed_at=at,
        updated_at=at,
        strategy="orb",
    )
    wanted = OrderTerms(**asdict(PLAIN) | {"quantity": 5, "price": Decimal(9)})

    assert differing(order, wanted, "mean") == ["quantity", "price", "strategy"]


@given(
    keys,
    st.integers(0, 3),
    st.integers(6, 40),
    st.sampled_from([BASE32, DIGITS]),
)
def test_a_tag_fits_the_brokers_field(key: str, salt: int, length: int, alphabet: str) -> None:
    rule = Tag(length, alphabet)

    tag = make_tag("install", "AB1", key, str(salt), rule)

    assert len(tag) == length
    assert set(tag) <= set(alphabet)
    assert tag.startswith(tag_prefix("install", rule))


@given(st.lists(st.tuples(st.sampled_from(["AB1", "AB2"]), keys, st.integers(0, 2)), unique=True))
def test_tags_of_different_users_keys_and_salts_differ(
    seeds: list[tuple[str, str, int]],
) -> None:
    tags = {make_tag("install", user, key, str(salt), Tag(20)) for user, key, salt in seeds}

    assert len(tags) == len(seeds)


def test_a_tag_is_the_same_after_a_restart() -> None:
    assert make_tag("i1", "AB1", "k1", "f", Tag(20)) == make_tag("i1", "AB1", "k1", "f", Tag(20))


def test_tags_of_one_key_begin_alike_whatever_the_terms() -> None:
    mark = key_mark("i1", "AB1", "k1", Tag(20))

    assert make_tag("i1", "AB1", "k1", "one", Tag(20)).startswith(mark)
    assert make_tag("i1", "AB1", "k1", "other", Tag(20)).startswith(mark)
    assert not make_tag("i1", "AB1", "k2", "one", Tag(20)).startswith(mark)
    assert len(mark) == 12
