"""Parameters: read strictly, and a mistake says what, where and what to do."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from ordod.domain.orders import Side
from ordod.errors import Kind, OrdoError
from ordod.service.methods import Rupees
from ordod.service.params import AccountName, Instant, Key, Label, OddNumber, Private, closest, read


class Leg(Struct, forbid_unknown_fields=True):
    side: Side
    price: Rupees


class Params(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: AccountName
    key: Key
    side: Side = Side.BUY
    quantity: int = 1
    percent: Annotated[int, Meta(ge=1, le=100)] | None = None
    price: Rupees | None = None
    legs: tuple[Leg, ...] = ()
    symbols: Annotated[list[str], Meta(min_length=1, max_length=3)] | None = None
    partial: bool = False
    strategy: Label | None = None
    mode: Literal["halt", "reduce"] = "halt"
    otp: Private | None = None
    since: Instant | None = None
    on: date | None = None


def given_(**more: Any) -> dict[str, Any]:
    return {"account": "main", "key": "k-1", **more}


def mistake(**more: Any) -> OrdoError:
    with pytest.raises(OrdoError) as caught:
        read(Params, given_(**more))
    assert caught.value.kind is Kind.INVALID_PARAMS
    return caught.value


def test_every_field_becomes_its_type() -> None:
    params = read(
        Params,
        given_(
            side="SELL",
            quantity=5,
            price="1450.50",
            legs=[{"side": "BUY", "price": Decimal("0.05")}],
            since="2026-11-23T09:15:00+05:30",
            on="2026-11-24",
            mode="reduce",
        ),
    )

    assert params.side is Side.SELL
    assert params.legs == (Leg(Side.BUY, Rupees("0.05")),)
    assert params.since == datetime.fromisoformat("2026-11-23T09:15:00+05:30")
    assert params.on == date(2026, 11, 24)


@pytest.mark.parametrize("price", ["1450.50", Decimal("1450.50"), 1450])
def test_a_price_is_a_plain_decimal_so_that_it_can_be_journaled(price: Any) -> None:
    assert type(read(Params, given_(price=price)).price) is Decimal


def test_null_means_absent_wherever_it_stands() -> None:
    assert read(Params, given_(price=None, quantity=None)).quantity == 1
    assert mistake(legs=[{"side": "BUY", "price": None}]).data["field"] == "legs[0].price"


@pytest.mark.parametrize(
    ("wrong", "field", "message"),
    [
        ({"key": None}, "key", "`key` is missing: give 1 to 64 of `A-Z a-z 0-9 . _ : -`"),
        ({"kye": "x"}, "kye", "there is no parameter `kye`; did you mean `key`?"),
        (
            {"legs": [{"side": "BUY", "prise": 1}]},
            "legs[0].prise",
            "there is no parameter `legs[0].prise`; did you mean `price`?",
        ),
        (
            {"legs": [{"side": "BUY", "zzz": 1}]},
            "legs[0].zzz",
            "there is no parameter `legs[0].zzz`; there are `side`, `price`",
        ),
        ({"quantity": "5"}, "quantity", '`quantity` must be a whole number, not "5"'),
        ({"quantity": True}, "quantity", "`quantity` must be a whole number, not true"),
        ({"quantity": Decimal("1.0")}, "quantity", "`quantity` must be a whole number, not 1.0"),
        (
            {"quantity": 2**63},
            "quantity",
            "`quantity` must be a whole number, not 9223372036854775808: it has an exponent, or is beyond 64 bits",
        ),
        ({"percent": 101}, "percent", "`percent` must be a whole number from 1 to 100, not 101"),
        ({"partial": 1}, "partial", "`partial` must be true or false, not 1"),
        (
            {"side": "buy"},
            "side",
            '`side` must be one of `BUY`, `SELL`, not "buy"; did you mean `BUY`?',
        ),
        ({"side": 1}, "side", "`side` must be one of `BUY`, `SELL`, not 1"),
        (
            {"mode": "reduced"},
            "mode",
            '`mode` must be one of `halt`, `reduce`, not "reduced"; did you mean `reduce`?',
        ),
        (
            {"legs": [{"side": "BUY", "price": 1}, {"side": "SEL", "price": 1}]},
            "legs[1].side",
            '`legs[1].side` must be one of `BUY`, `SELL`, not "SEL"; did you mean `SELL`?',
        ),
        ({"legs": {}}, "legs", "`legs` must be a list, not an object"),
        ({"legs": [1]}, "legs[0]", "`legs[0]` must be an object, not 1"),
        ({"symbols": []}, "symbols", "`symbols` must be a list of 1 to 3 members, not a list of 0"),
        ({"symbols": ["A", None]}, "symbols[1]", "`symbols[1]` must be a text, not null"),
        (
            {"price": OddNumber("1e5")},
            "price",
            '`price` must be a price in rupees, such as 1450.5 or "1450.5", not 1e5: it has an exponent, or is beyond 64 bits',
        ),
        (
            {"price": -1},
            "price",
            '`price` must be a price in rupees, such as 1450.5 or "1450.5", not -1: negative',
        ),
        (
            {"since": "2026-11-23T09:15:00"},
            "since",
            '`since` must be an RFC 3339 time with offset (2026-11-23T09:15:00+05:30), not "2026-11-23T09:15:00"',
        ),
        ({"on": "24-11-2026"}, "on", '`on` must be a date (2026-11-24), not "24-11-2026"'),
        ({"account": "Main"}, "account", '`account` must be 1 to 32 of `a-z 0-9 _ -`, not "Main"'),
        (
            {"account": "main\n"},
            "account",
            '`account` must be 1 to 32 of `a-z 0-9 _ -`, not "main\\n"',
        ),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_a_mistake_is_named_with_its_field_its_value_and_the_way_out(
    wrong: dict[str, Any], field: str, message: str
) -> None:
    error = mistake(**wrong)

    assert error.message == message
    assert error.data["field"] == field


@pytest.mark.parametrize("price", ["nan", "inf", "1e5", "0x10", "", " 1", "1_0", True, [], {}])
def test_what_is_no_plain_amount_is_no_price(price: Any) -> None:
    assert mistake(price=price).data["field"] == "price"


def test_a_number_with_an_exponent_is_not_taken_for_a_text() -> None:
    assert mistake(key=OddNumber("1e5")).data == {"field": "key", "value": "1e5"}


def test_what_is_echoed_is_bounded() -> None:
    error = mistake(key="k" * 5000)

    assert len(error.data["value"]) == 100
    assert len(error.message) < 300
    assert len(mistake(**{"n" * 5000: 1}).message) < 1000


@pytest.mark.parametrize("otp", [123456, "", "123456" * 1000, ["123456"]], ids=str)
def test_a_private_value_is_never_echoed(otp: Any) -> None:
    error = mistake(otp=otp)

    assert "123456" not in error.message
    assert error.data == {"field": "otp"}


def test_the_value_of_an_unknown_name_or_an_object_is_not_echoed() -> None:
    assert "123456" not in str(mistake(opt="123456").as_data()) + mistake(opt="123456").message
    assert "123456" not in str(mistake(key={"otp": "123456"}).as_data())


@pytest.mark.parametrize("raw", [[1], "x", 5, True])
def test_parameters_that_are_no_object_are_invalid(raw: Any) -> None:
    with pytest.raises(OrdoError, match="by name"):
        read(Params, raw)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.decimals(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(Params.__struct_fields__), json_values)
def test_whatever_is_sent_is_read_or_explained(name: str, value: Any) -> None:
    error = None
    try:
        read(Params, given_(**{name: value}))
    except OrdoError as raised:
        error = raised

    assert error is None or error.kind is Kind.INVALID_PARAMS
    assert error is None or error.data["field"].startswith(name)


def test_the_closest_word_is_found_whatever_its_case_and_none_is_forced() -> None:
    assert closest("Sl-m", ["SL", "SL-M", "MARKET"]) == "SL-M"
    assert closest("xyz", ["SL", "MARKET"]) is None
