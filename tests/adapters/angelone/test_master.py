"""The instrument file in Ordo's names."""

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ordo_adapters.angelone import ANGELONE
from ordod.adapter import BrokerError, Exchange, Fault, Instrument, InstrumentKind
from tests.adapters.angelone.making import sample

ON = date(2025, 10, 13)
SHARE = {
    "token": "3045",
    "symbol": "SBIN-EQ",
    "name": "SBIN",
    "expiry": "",
    "strike": "-1.000000",
    "lotsize": "1",
    "instrumenttype": "",
    "exch_seg": "NSE",
    "tick_size": "5.000000",
}
OPTION = SHARE | {
    "token": "44662",
    "symbol": "NIFTY28OCT2525000CE",
    "name": "NIFTY",
    "expiry": "28OCT2025",
    "strike": "2500000.000000",
    "lotsize": "75",
    "instrumenttype": "OPTIDX",
    "exch_seg": "NFO",
}


def parsed(*rows: Any) -> list[Instrument]:
    return list(ANGELONE.parse_master(json.dumps(rows).encode(), ON))


def test_a_share_and_an_option() -> None:
    assert parsed(SHARE, OPTION) == [
        Instrument(
            exchange=Exchange.NSE,
            symbol="NSE:SBIN",
            broker_symbol="SBIN-EQ",
            instrument_token="3045",
            kind=InstrumentKind.EQUITY,
            tick_size=Decimal("0.05"),
            lot_size=1,
            name="SBIN",
        ),
        Instrument(
            exchange=Exchange.NFO,
            symbol="NFO:NIFTY28OCT2525000CE",
            broker_symbol="NIFTY28OCT2525000CE",
            instrument_token="44662",
            kind=InstrumentKind.CALL,
            tick_size=Decimal("0.05"),
            lot_size=75,
            name="NIFTY",
            expiry=date(2025, 10, 28),
            strike=Decimal(25_000),
        ),
    ]


def test_the_sample_in_ordos_names() -> None:
    read = ANGELONE.parse_master(sample("handmade_instruments.json").body, ON)

    assert {one.symbol: (one.lot_size, one.tick_size) for one in read} == {
        "NFO:NIFTY28OCT2525000CE": (75, Decimal("0.05")),
        "NSE:SBIN": (1, Decimal("0.05")),
        "NSE:IDEA-BE": (1, Decimal("0.01")),
        "BSE:SBIN": (1, Decimal("0.05")),
        "NSE_INDEX:NIFTY": (None, 0),
        "NSE_INDEX:INDIAVIX": (None, 0),
        "BSE_INDEX:SENSEX": (None, 0),
        "BFO:SENSEX30OCT25FUT": (20, Decimal("0.05")),
        "MCX:CRUDEOIL17NOV25FUT": (100, 1),
        "MCX:CRUDEOIL17NOV255000CE": (100, Decimal("0.1")),
        "MCX:GOLDM05DEC25FUT": (
            None,
            1,
        ),  # their 100 grams are 10 of the units that it is quoted for
        "CDS:USDINR29OCT25FUT": (1000, Decimal("0.0025")),
        "CDS:USDINR29OCT2588.25CE": (1000, Decimal("0.0025")),
    }


@pytest.mark.parametrize(
    ("symbol", "ours"),
    [
        ("M&M-EQ", "NSE:M&M"),
        ("BAJAJ-AUTO-EQ", "NSE:BAJAJ-AUTO"),
        ("IDEA-BE", "NSE:IDEA-BE"),
        ("ABC-SM", "NSE:ABC-SM"),
    ],
)
def test_only_the_equity_series_loses_its_suffix(symbol: str, ours: str) -> None:
    (one,) = parsed(SHARE | {"symbol": symbol})

    assert one.symbol == ours


@pytest.mark.parametrize(
    ("strike", "ours"),
    [("2507500.000000", "25075"), ("8750.000000", "87.5"), ("12.000000", "0.12")],
)
def test_a_strike_is_in_paise(strike: str, ours: str) -> None:
    (one,) = parsed(OPTION | {"strike": strike, "symbol": "NIFTYPE"})

    assert one.symbol == f"NFO:NIFTY28OCT25{ours}PE"


@pytest.mark.parametrize(
    "spoiled",
    [
        SHARE | {"token": ""},
        SHARE | {"lotsize": "one"},
        SHARE | {"tick_size": "x"},
        SHARE | {"exch_seg": "NCDEX"},
        SHARE | {"instrumenttype": "WHAT"},
        OPTION | {"expiry": "31FEB2025"},
        OPTION | {"symbol": "NIFTY28OCT25XX"},
        OPTION | {"name": ""},
        {"token": "1"},
        {},
        None,
        [1, 2],
        "text",
    ],
)
def test_a_row_that_names_no_contract_is_left_out(spoiled: Any) -> None:
    assert [one.symbol for one in parsed(spoiled, SHARE)] == ["NSE:SBIN"]


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"[{}]", b"<html>", b"[" * 100_000, b"\xff"]
)
def test_a_file_without_a_contract_is_unreadable(content: bytes) -> None:
    with pytest.raises(BrokerError) as error:
        list(ANGELONE.parse_master(content, ON))

    assert error.value.fault is Fault.UNREADABLE


def test_contracts_come_one_by_one() -> None:
    read = ANGELONE.parse_master(json.dumps([SHARE, OPTION]).encode(), ON)

    assert isinstance(read, Iterator)
    assert next(read).symbol == "NSE:SBIN"


def test_a_row_of_nse_without_a_series_is_no_share() -> None:
    found = parsed(SHARE | {"symbol": "SBIN", "token": "1"}, SHARE)

    assert [(one.symbol, one.instrument_token) for one in found] == [("NSE:SBIN", "3045")]


@pytest.mark.parametrize("series", ["BE", "BZ", "SM", "ST", "W1", "N3", "GB", "E1"])
def test_another_series_keeps_its_name(series: str) -> None:
    [found] = parsed(SHARE | {"symbol": f"SBIN-{series}"})

    assert found.symbol == f"NSE:SBIN-{series}"
