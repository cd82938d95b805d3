"""Answers: JSON as WIRE 2 says."""

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from ordod.wire.answers import encode

IST = timezone(timedelta(hours=5, minutes=30))


class Side(StrEnum):
    BUY = "BUY"


class Row(Struct):
    price: Decimal
    at: datetime
    side: Side = Side.BUY
    children: tuple[str, ...] = ()
    strategy: str | None = None


def test_a_struct_is_an_object_with_plain_words_and_a_time_with_its_offset() -> None:
    row = Row(Decimal("1450.50"), datetime(2026, 11, 23, 9, 15, 0, 123456, IST))

    assert encode(row) == (
        b'{"price":1450.5,"at":"2026-11-23T09:15:00.123456+05:30","side":"BUY","children":[],"strategy":null}'
    )


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("1450.50", b"1450.5"),
        ("1450", b"1450"),
        ("1E+3", b"1000"),
        ("1E-7", b"0"),
        ("-0.00001", b"0"),
        ("1450.466666667", b"1450.4667"),
        ("0.0001", b"0.0001"),
        ("-12.30", b"-12.3"),
        ("123456789012345678.1234", b"123456789012345678.1234"),
    ],
)
def test_a_decimal_is_a_number_with_at_most_four_decimals(amount: str, text: bytes) -> None:
    assert encode(Decimal(amount)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
def test_four_decimals_survive_the_round_trip(amount: Decimal) -> None:
    assert json.loads(encode(amount), parse_float=Decimal, parse_int=Decimal) == amount


@pytest.mark.parametrize("value", [Decimal("nan"), Decimal("inf"), object()])
def test_what_is_no_json_is_never_answered(value: object) -> None:
    with pytest.raises(TypeError):
        encode(value)
