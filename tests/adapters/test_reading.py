"""What every adapter reads with: each refuses rather than guesses."""

from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from ordod.adapter import (
    IST,
    BrokerError,
    Exchange,
    Fault,
    InstrumentKind,
    decimal,
    derivative_symbol,
    from_paise,
    ist_date,
    ist_datetime,
    paise,
    read_rows,
    shaped,
    units,
)


class Row(Struct):
    name: str
    quantity: int


def test_a_bad_row_spoils_itself_only_and_the_list_is_not_whole() -> None:
    def convert(row: Row) -> int:
        if row.name == "unknown":
            raise BrokerError(Fault.UNREADABLE, "unknown status")
        return 100 // row.quantity

    rows = read_rows(
        [
            {"name": "a", "quantity": 10},
            {"name": "b"},
            {"name": "unknown", "quantity": 1},
            {"name": "c", "quantity": 0},
            {"name": "d", "quantity": 50},
        ],
        Row,
        convert,
    )

    assert rows.good == (10, 2)
    assert not rows.is_whole
    assert [bad.row["name"] for bad in rows.bad] == ["b", "unknown", "c"]
    assert "unknown status" in rows.bad[1].why


def test_a_list_of_good_rows_is_whole() -> None:
    assert read_rows([], Row, lambda row: row).is_whole


@pytest.mark.parametrize(
    ("raw", "amount"),
    [(1450.1, "1450.1"), ("1450.10", "1450.1"), (0.1 + 0.2, "0.3"), (Decimal(5), "5"), (0, "0")],
)
def test_a_brokers_number_is_the_amount_it_means(raw: float | str, amount: str) -> None:
    assert decimal(raw) == Decimal(amount)


@pytest.mark.parametrize("raw", ["", "abc", "nan", float("inf"), "1" * 60])
def test_what_is_no_amount_is_unreadable(raw: float | str) -> None:
    with pytest.raises(BrokerError) as raised:
        decimal(raw)

    assert raised.value.fault is Fault.UNREADABLE


def test_quantities_are_whole() -> None:
    assert units("159.0") == 159
    with pytest.raises(BrokerError):
        units(0.5)


@given(st.integers(-(10**12), 10**12))
def test_paise_and_rupees_are_two_names_of_one_amount(value: int) -> None:
    assert paise(from_paise(value)) == value


def test_a_fraction_of_a_paisa_is_refused() -> None:
    with pytest.raises(BrokerError) as raised:
        paise(Decimal("0.001"))

    assert raised.value.fault is Fault.INVALID_INPUT


def test_a_zoneless_time_is_indian_and_never_guessed() -> None:
    assert ist_datetime("2026-11-23 09:15:00") == datetime(2026, 11, 23, 9, 15, tzinfo=IST)
    assert ist_date("2026-11-23") == date(2026, 11, 23)
    for bad in ("", "23-11-2026", "2026-11-23T09:15:00"):
        with pytest.raises(BrokerError):
            ist_datetime(bad)


@pytest.mark.parametrize(
    ("kind", "strike", "name"),
    [
        (InstrumentKind.FUTURE, None, "NFO:NIFTY03NOV26FUT"),
        (InstrumentKind.CALL, "24500.00", "NFO:NIFTY03NOV2624500CE"),
        (InstrumentKind.PUT, "82.25", "NFO:NIFTY03NOV2682.25PE"),
    ],
)
def test_a_derivative_is_named_by_underlying_day_and_strike(
    kind: InstrumentKind, strike: str | None, name: str
) -> None:
    price = None if strike is None else Decimal(strike)

    assert derivative_symbol(Exchange.NFO, "NIFTY", date(2026, 11, 3), kind, price) == name


def test_an_answer_of_another_shape_is_unreadable() -> None:
    assert shaped({"name": "a", "quantity": "5"}, Row) == Row("a", 5)
    for value in ({"name": "a"}, [1], None, {"name": "a", "quantity": "many"}):
        with pytest.raises(BrokerError) as refused:
            shaped(value, Row)
        assert refused.value.fault is Fault.UNREADABLE
