"""What every adapter reads with: each refuses rather than guesses."""

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw, Struct

from ordod.adapter import (
    IST,
    BrokerError,
    Exchange,
    Fault,
    InstrumentKind,
    Rows,
    amount,
    decimal,
    derivative_symbol,
    from_json,
    from_paise,
    ist_date,
    ist_datetime,
    paise,
    read_rows,
    shaped,
    spans,
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


def test_a_row_that_has_not_moved_is_taken_from_the_last_reading() -> None:
    converted: list[str] = []

    def convert(row: Row) -> list[str]:
        converted.append(row.name)
        if row.quantity < 0:
            raise BrokerError(Fault.UNREADABLE, "a negative quantity")
        return [row.name]

    def read(last: Rows[list[str]] | None, **quantities: Any) -> Rows[list[str]]:
        converted.clear()
        body = json.dumps([{"name": name, "quantity": one} for name, one in quantities.items()])
        return read_rows(from_json(body.encode(), rows=""), Row, convert, last)

    first = read(Rows(()), a=1, b=2, c=-1)
    assert converted == ["a", "b", "c"]
    second = read(first, b=2, c=-1, a=1, d=4)
    assert converted == ["c", "d"]  # what could not be read is tried again
    assert second.good == (["b"], ["a"], ["d"])
    assert second.good[0] is first.good[1]
    assert [bad.row["name"] for bad in second.bad] == ["c"]
    third = read(second, a=3, b="2")
    assert converted == ["a", "b"]  # it moved; and a text is no number
    read(third, d=4)
    assert converted == ["d"]  # only the last reading is remembered
    read(None, a=3)
    assert converted == ["a"]


@pytest.mark.parametrize(
    ("body", "rows", "said"),
    [
        (b'[{"a": 1.5}, "b"]', "", [Raw(b'{"a": 1.5}'), Raw(b'"b"')]),
        (
            b'{"a": {"b": [1.5]}, "d": [{"c": 2}], "e": [1.5]}',
            "d",
            {"a": {"b": [Decimal("1.5")]}, "d": [Raw(b'{"c": 2}')], "e": [Decimal("1.5")]},
        ),
        (b'{"d": null, "e": "no"}', "d", {"d": None, "e": "no"}),
        (b'{"d": {"e": 1.5}}', "d", {"d": {"e": Decimal("1.5")}}),
        (b'{"why": ["no"]}', "", {"why": ["no"]}),
        (b"[1]", "d", [1]),
        (b'"no"', "d", "no"),
        (b"[1, ]", "", None),
        (b'{"d": [1, ]}', "d", None),
        (b"<html>", "d", None),
        (b"", "", None),
    ],
)
def test_the_rows_of_a_list_are_left_as_they_stand_and_all_else_is_decoded(
    body: bytes, rows: str, said: Any
) -> None:
    assert _in_words(from_json(body, rows=rows)) == _in_words(said)


def _in_words(value: Any) -> Any:
    """Rows that were left compare by their words."""
    match value:
        case Raw():
            return ("as it stands", bytes(value))
        case list():
            return [_in_words(one) for one in value]
        case dict():
            return {name: _in_words(one) for name, one in value.items()}
        case _:
            return value


def test_an_answer_with_a_row_that_is_no_text_is_no_answer() -> None:
    raw = from_json(b'[{"name": "a", "quantity": 1}, {"name": "\xff", "quantity": 2}]', rows="")

    with pytest.raises(BrokerError) as caught:
        read_rows(raw, Row, lambda row: row, Rows(()))

    assert (caught.value.fault, caught.value.sure) == (Fault.UNREADABLE, False)


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


def test_a_body_that_is_no_json_is_none_and_fractions_are_exact() -> None:
    assert from_json(b'{"price": 812.35, "quantity": 10}') == {
        "price": Decimal("812.35"),
        "quantity": 10,
    }
    assert {from_json(body) for body in (b"", b"<html>", b"\xff", b"[" * 100_000, b"null")} == {
        None
    }


def test_a_value_of_another_shape_is_unreadable() -> None:
    assert shaped({"price": "812.35"}, dict[str, Decimal]) == {"price": Decimal("812.35")}
    with pytest.raises(BrokerError) as error:
        shaped({"price": "ten"}, dict[str, Decimal])

    assert (error.value.fault, error.value.sure) == (Fault.UNREADABLE, False)


def test_a_price_of_nothing_is_none() -> None:
    assert (amount(None), amount(Decimal(0)), amount(Decimal("1.50"))) == (
        None,
        None,
        Decimal("1.5"),
    )


@pytest.mark.parametrize(
    ("hours", "parts"), [(0, [0]), (2, [2]), (4, [4]), (5, [4, 1]), (9, [4, 4, 1])]
)
def test_spans_cover_a_range_and_touch(hours: int, parts: list[int]) -> None:
    start = datetime(2026, 1, 5, 9, 15, tzinfo=IST)
    end = start + timedelta(hours=hours)

    found = list(spans(start, end, timedelta(hours=4)))

    assert [last - first for first, last in found] == [timedelta(hours=part) for part in parts]
    assert (found[0][0], found[-1][1]) == (start, end)
    assert all(before[1] == after[0] for before, after in pairwise(found))


def test_a_range_that_ends_before_it_begins_has_no_spans() -> None:
    start = datetime(2026, 1, 5, 9, 15, tzinfo=IST)

    assert not list(spans(start, start - timedelta(seconds=1), timedelta(hours=4)))


@pytest.mark.parametrize(
    ("kind", "strike", "name"),
    [
        (InstrumentKind.FUTURE, None, "NFO:NIFTY04NOV26FUT"),
        (InstrumentKind.CALL, Decimal("24500.0"), "NFO:NIFTY04NOV2624500CE"),
        (InstrumentKind.PUT, Decimal("87.50"), "NFO:NIFTY04NOV2687.5PE"),
    ],
)
def test_a_derivative_is_named_by_underlying_expiry_and_strike(
    kind: InstrumentKind, strike: Decimal | None, name: str
) -> None:
    assert derivative_symbol(Exchange.NFO, "NIFTY", date(2026, 11, 4), kind, strike) == name
