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
from ordoctl.models import Candle, Holidays, MarketStatus, OptionChain, Order, OrderPage


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


def a_leg(symbol: str, delta: float) -> dict[str, object]:
    greeks = {"price": 63.2, "iv_percent": 12.75, "delta": delta} | dict.fromkeys(
        ("gamma", "theta", "vega", "rho"), 0.1
    )
    return {"symbol": symbol, "last_price": 63.2, "oi": 1639885, "greeks": greeks}


def a_chain() -> OptionChain:
    rows = [
        {"strike": 24450, "call": a_leg("C1", 0.52), "put": a_leg("P1", -0.48)},
        {"strike": 24500.5, "call": {"symbol": "C2", "last_price": 0.05}},
    ]
    basis = {
        "forward": {"price": 24464.55, "source": "future", "symbols": ["NFO:NIFTY29DEC26FUT"]},
        "days": 5.041,
        "rate_percent": 0,
        "model": "black-76",
        "day_count": "actual/365",
    }
    raw = {
        "symbol": "NFO:NIFTY",
        "expiry": "2026-12-29",
        "money": 24450,
        "spot": 24440.15,
        "lot_size": 65,
        "strikes": rows,
        "basis": basis,
    }
    return msgspec.json.decode(msgspec.json.encode(raw), type=OptionChain)


def test_a_chain_has_calls_left_puts_right_and_the_strike_between() -> None:
    title, heading, _, money, above, basis = shown(render.chain(a_chain()), 140)

    assert title == ("NFO:NIFTY  Tue 29 Dec 2026   spot 24,440.15   forward 24,464.55   lot 65")
    assert heading.split() == [
        "OI",
        "delta",
        "IV",
        "bid",
        "ask",
        "call",
        "strike",
        "put",
        "bid",
        "ask",
        "IV",
        "delta",
        "OI",
    ]
    assert money.split() == (
        [
            "16,39,885",
            "+0.52",
            "12.8",
            "-",
            "-",
            "63.20",
            "24450",
            "63.20",
            "-",
            "-",
            "12.8",
            "-0.48",
            "16,39,885",
        ]
    )
    assert above.split() == ["-"] * 5 + ["0.05", "24500.5"] + ["-"] * 6
    assert "forward by future of NFO:NIFTY29DEC26FUT, rate 0 %, 5.04 days, actual/365" in basis


def test_a_narrow_terminal_keeps_the_greeks_of_a_chain() -> None:
    lines = shown(render.chain(a_chain()), 80)

    assert lines[1].split() == ["OI", "delta", "IV", "call", "strike", "put", "IV", "delta", "OI"]
    assert lines[3].split() == [
        "16,39,885",
        "+0.52",
        "12.8",
        "63.20",
        "24450",
        "63.20",
        "12.8",
        "-0.48",
        "16,39,885",
    ]


def candle(minute: int, *prices: int) -> Candle:
    at = datetime.fromisoformat(f"2020-11-23T09:{15 + minute}:00+05:30")
    start, high, low, end = map(Decimal, prices)
    return Candle(at, start, high, low, end)


def test_candles_are_drawn_between_their_lowest_and_highest() -> None:
    rising, falling = candle(0, 100, 118, 100, 118), candle(1, 118, 118, 100, 109)

    lines = shown(render.Plot([rising, falling]), 80)

    drawn = [line.partition("┤")[2] for line in lines[:18]]
    assert drawn == ["██"] * 10 + ["█│"] * 8
    assert lines[0].split()[0] == "117.50"
    assert "23 Nov 09:15" in lines[18]
    assert lines[19].strip() == "2 candles, low 100.00, high 118.00"


@given(
    st.lists(st.tuples(*[st.integers(1, 10**6)] * 4), min_size=1, max_size=300),
    st.integers(20, 200),
)
def test_a_plot_fits_its_terminal_whatever_the_prices(
    prices: list[tuple[int, int, int, int]], width: int
) -> None:
    candles = [candle(n % 45, one[0], max(one), min(one), one[3]) for n, one in enumerate(prices)]

    lines = shown(render.Plot(candles), width)

    assert all(len(line) <= max(width, 20) for line in lines[:18])
    assert any("█" in line for line in lines)


def test_no_candles_are_no_picture() -> None:
    assert shown(render.Plot([]), 80) == ["no candles"]
