"""The instrument file becomes contracts under Ordo's names."""

import gzip
import json
import tracemalloc
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordo_adapters.upstox import UPSTOX
from ordod.adapter import BrokerError, Exchange, Fault, Instrument, InstrumentKind
from ordod.adapter.suite import play
from tests.adapters.upstox.listed import SESSION, answer

SAMPLE = (Path(__file__).parent / "samples" / "instruments.json").read_bytes()
ROWS: list[dict[str, Any]] = json.loads(SAMPLE)
ON = date(2026, 1, 5)


def parsed(*rows: dict[str, Any]) -> list[Instrument]:
    return list(UPSTOX.parse_master(json.dumps(rows).encode(), ON))


def named() -> dict[str, Instrument]:
    return {one.symbol: one for one in UPSTOX.parse_master(SAMPLE, ON)}


def test_names_are_canonical_and_other_segments_left_out() -> None:
    assert list(named()) == [
        "NSE:SBIN",
        "NSE:RELIANCE",
        "NSE:SOFTTECH-BE",
        "BSE:SBIN",
        "NSE_INDEX:NIFTY",
        "NSE_INDEX:NIFTYPHARMA",
        "BSE_INDEX:SENSEX",
        "NFO:NIFTY27JAN2624000CE",
        "NFO:SBIN27JAN26802.5PE",
        "BFO:SENSEX29JAN26FUT",
        "CDS:USDINR28JAN26FUT",
        "BCD:USDINR28JAN26FUT",
        "MCX:CRUDEOIL16JAN26FUT",
    ]


def test_an_option_is_read_whole() -> None:
    assert named()["NFO:NIFTY27JAN2624000CE"] == Instrument(
        exchange=Exchange.NFO,
        symbol="NFO:NIFTY27JAN2624000CE",
        broker_symbol="NIFTY 24000 CE 27 JAN 26",
        instrument_token="NSE_FO|40062",
        kind=InstrumentKind.CALL,
        tick_size=Decimal("0.05"),
        lot_size=75,
        name="NIFTY",
        expiry=date(2026, 1, 27),
        strike=Decimal(24000),
        freeze_quantity=1800,
    )


def test_ticks_are_paise() -> None:
    found = named()

    assert found["NSE:RELIANCE"].tick_size == Decimal("0.1")
    assert found["CDS:USDINR28JAN26FUT"].tick_size == Decimal("0.0025")
    assert found["MCX:CRUDEOIL16JAN26FUT"].tick_size == 1


def test_a_lot_is_the_tables_where_upstox_does_not_count_in_units() -> None:
    found = named()

    assert found["MCX:CRUDEOIL16JAN26FUT"].lot_size == 100
    assert found["CDS:USDINR28JAN26FUT"].lot_size == 1000
    assert found["BCD:USDINR28JAN26FUT"].lot_size is None  # the file says 1: of what is not known
    assert found["MCX:CRUDEOIL16JAN26FUT"].freeze_quantity is None


def test_a_commodity_that_is_in_no_table_has_no_size() -> None:
    (odd,) = parsed(ROWS[12] | {"underlying_symbol": "COTTONSEED"})

    assert odd.lot_size is None


def test_the_file_is_read_as_it_is_served_and_unpacked() -> None:
    packed = list(UPSTOX.parse_master(gzip.compress(SAMPLE), ON))

    assert [one.symbol for one in packed] == list(named())


@pytest.mark.parametrize(
    "spoiled",
    [
        {"expiry": None},
        {"expiry": 10**30},
        {"underlying_symbol": None, "asset_symbol": None},
        {"instrument_type": "SWAP"},
        {"tick_size": 0},
        {"tick_size": "x"},
        {"trading_symbol": ""},
        {"instrument_key": ""},
        {"segment": "NSE_COM"},
        {"segment": None},
        {"lot_size": "many"},
    ],
)
def test_a_row_that_cannot_be_read_is_left_out(spoiled: dict[str, Any]) -> None:
    good, bad = ROWS[7], ROWS[7] | spoiled

    assert [one.symbol for one in parsed(bad, good)] == ["NFO:NIFTY27JAN2624000CE"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"[1,null]",
        b"<html>",
        SAMPLE[:500],
        gzip.compress(SAMPLE)[:300],
        b"\x1f\x8bno",
    ],
)
def test_what_is_no_instrument_file_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(BrokerError) as refused:
        list(UPSTOX.parse_master(content, ON))

    assert refused.value.fault is Fault.UNREADABLE


def test_a_page_instead_of_the_file_is_refused() -> None:
    error = play(UPSTOX.master(SESSION), [answer(b"<html>busy</html>")]).error

    assert error is not None
    assert error.fault is Fault.UNREADABLE


def test_a_file_of_tens_of_megabytes_takes_little_more_memory_than_its_text() -> None:
    rows = (
        ROWS[7] | {"instrument_key": f"NSE_FO|{n}", "strike_price": float(n)} for n in range(8_000)
    )
    text = json.dumps(list(rows)).encode()
    packed = gzip.compress(text, 1)

    tracemalloc.start()
    count = sum(1 for _ in UPSTOX.parse_master(packed, ON))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert count == 8_000
    assert peak < 3 * len(text)


def test_a_row_of_nse_without_a_series_is_no_share_and_an_isin_is_told() -> None:
    found = parsed(ROWS[0] | {"instrument_type": ""}, ROWS[1])

    assert [(one.symbol, one.isin) for one in found] == [("NSE:RELIANCE", "INE002A01018")]


@pytest.mark.parametrize("series", ["BE", "BZ", "SM", "ST", "W1", "N3", "GB", "E1"])
def test_another_series_stands_in_the_name(series: str) -> None:
    [found] = parsed(ROWS[0] | {"instrument_type": series})

    assert found.symbol == f"NSE:SBIN-{series}"


@given(
    st.lists(st.text(alphabet='{}[],"\\\\aé ', max_size=12), min_size=1, max_size=8), st.booleans()
)
def test_rows_are_cut_where_they_end_whatever_stands_in_them(
    names: list[str], is_packed: bool
) -> None:
    more = {"later": {"nested": [{"deep": "}"}]}}
    rows = [ROWS[0] | {"name": name, "pad": "x" * 9000} | more for name in names]
    text = json.dumps(rows, ensure_ascii=False).encode()

    found = UPSTOX.parse_master(gzip.compress(text) if is_packed else text, ON)

    assert [one.name for one in found] == names


@pytest.mark.parametrize(
    "text", ["[{}", "[{},,{}]", "[{} {}]", "[{}[{}]", "{}]", "[{", '[{"a":"}"', "[{}]]"]
)
def test_what_is_no_array_of_rows_is_unreadable(text: str) -> None:
    content = text.replace("{}", json.dumps(ROWS[0])).encode()

    with pytest.raises(BrokerError) as raised:
        list(UPSTOX.parse_master(content, ON))

    assert raised.value.fault is Fault.UNREADABLE


def test_a_row_without_end_is_unreadable_before_it_fills_the_memory() -> None:
    with pytest.raises(BrokerError, match="a row of more than"):
        list(UPSTOX.parse_master(b'[{"name":"' + b"x" * 10**6, ON))
