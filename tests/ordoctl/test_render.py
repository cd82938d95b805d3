"""Tables: numbers as in India, and nothing cut that matters."""

import io
from datetime import datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from ordoctl import render
from ordoctl.models import Holidays, MarketStatus, Order, OrderPage


def shown(what: RenderableType, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, markup=False)
    console.print(what, crop=False)
    assert isinstance(console.file, io.StringIO)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def an_order(**fields: object) -> Order:
    return Order(
        **{
            "order_id": "o01hq3z7v9k2m",
            "account": "main",
            "symbol": "NFO:NIFTY24NOV2624500CE",
            "side": "BUY",
            "quantity": 1500,
            "type": "SL",
            "status": "PARTIALLY_FILLED",
            "filled_quantity": 75,
            "price": Decimal("123456.05"),
            "trigger_price": Decimal(123450),
            "average_price": Decimal("123455.1234"),
            "product": "NRML",
            "strategy": "mean-rev",
            "placed_at": datetime.fromisoformat("2020-11-23T03:45:00+00:00"),
            **fields,
        }  # type: ignore[arg-type]  # a mapping of one value type
    )


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0.00"),
        ("999.5", "999.50"),
        ("1000", "1,000.00"),
        ("100000", "1,00,000.00"),
        ("1234567.05", "12,34,567.05"),
        ("-1234567.0525", "-12,34,567.0525"),
        ("1E+3", "1,000.00"),
    ],
)
def test_rupees_are_grouped_as_in_india(amount: str, text: str) -> None:
    assert render.rupees(Decimal(amount)) == text


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=4))
def test_rupees_lose_nothing(amount: Decimal) -> None:
    assert Decimal(render.rupees(amount).replace(",", "")) == amount


def test_times_are_ist() -> None:
    utc = datetime.fromisoformat("2020-11-23T20:00:00.5+00:00")

    assert render.when(utc) == "24 Nov 01:30:00"
    assert render.when(utc, exactly=True) == "24 Nov 01:30:00.500"


def test_a_wide_terminal_shows_every_column() -> None:
    header, _, row = shown(render.orders(OrderPage(orders=(an_order(),))), 200)

    assert header.split() == (
        [
            "time",
            "order",
            "strategy",
            "side",
            "quantity",
            "symbol",
            "price",
            "product",
            "status",
            "average",
        ]
    )
    assert "23 Nov 09:15" in row
    assert "75/1,500" in row
    assert "1,23,456.05 at 1,23,450.00" in row
    assert row.endswith("1,23,455.1234")


@pytest.mark.parametrize("width", [20, 80, 100, 130])
def test_a_narrow_terminal_loses_columns_and_says_so_but_no_part_of_an_id(width: int) -> None:
    lines = shown(render.orders(OrderPage(orders=(an_order(),))), width)

    assert "o01hq3z7v9k2m" in lines[2]
    assert "NFO:NIFTY24NOV2624500CE" in lines[2]
    assert "PARTIALLY_FILLED" in lines[2]
    assert lines[3].startswith("no room for: ")


def test_accounts_are_named_where_there_are_several() -> None:
    one = shown(render.orders(OrderPage(orders=(an_order(),))), 200)
    two = shown(render.orders(OrderPage(orders=(an_order(), an_order(account="b")))), 200)

    assert "account" not in one[0]
    assert "account" in two[0]


def test_the_hours_of_exchanges() -> None:
    answer = {
        "at": "2026-11-26T10:00:00+05:30",
        "exchanges": {
            "NSE": {
                "is_open": True,
                "sessions": [
                    {
                        "opens_at": "2026-11-26T09:15:00+05:30",
                        "closes_at": "2026-11-26T15:30:00+05:30",
                    }
                ],
                "next_change": "2026-11-26T15:30:00+05:30",
            },
            "MCX": {"is_open": False, "note": "a holiday"},
        },
    }

    heading, _, *rows = shown(render.markets(msgspec.convert(answer, MarketStatus)), 80)

    assert heading.split() == ["exchange", "now", "today", "next", "note"]
    assert [row.split() for row in rows] == [
        ["NSE", "open", "09:15-15:30", "closes", "26", "Nov", "15:30"],
        ["MCX", "closed", "-", "-", "a", "holiday"],
    ]


def test_holidays_of_a_year_that_the_calendar_does_not_know() -> None:
    (line,) = shown(render.holidays(Holidays(year=2031, is_known=False, days=())), 100)

    assert line.startswith("the calendar has no holidays of 2031: every weekday")
