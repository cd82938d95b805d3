"""The detailed instrument file, and what becomes of its rows (dhan.md 8)."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ordo_adapters.dhan import DHAN
from ordod.adapter import BrokerError, Exchange, Fault, HttpResponse, Instrument, InstrumentKind
from ordod.adapter.suite import load, play

SAMPLES = Path(__file__).parent / "samples"
FILE = (SAMPLES / "instruments.csv").read_bytes()
HEADER = FILE.partition(b"\n")[0]
SESSION = load(SAMPLES).session
ON = date(2026, 1, 2)


def parsed(content: bytes = FILE) -> dict[str, Instrument]:
    return {one.symbol: one for one in DHAN.parse_master(content, ON)}


def test_every_kind_has_its_name_of_the_columns() -> None:
    assert list(parsed()) == [
        "NSE:TCS",
        "NSE:ABB",
        "NSE:ARE&M-BE",
        "BSE:TCS",
        "NSE_INDEX:NIFTY",
        "NSE_INDEX:INDIAVIX",
        "BSE_INDEX:SENSEX",
        "NFO:NIFTY27JAN26FUT",
        "NFO:NIFTY29JAN2625650CE",
        "BFO:SENSEX29JAN2682000CE",
        "NFO:TCS27JAN26FUT",
        "MCX:CRUDEOIL19JAN26FUT",
        "MCX:GOLD05FEB26FUT",
        "CDS:USDINR28JAN26FUT",
        "BCD:USDINR28JAN26FUT",
    ]


def test_a_share_has_ticker_company_tick_and_circuit_limits() -> None:
    assert parsed()["NSE:TCS"] == Instrument(
        exchange=Exchange.NSE,
        symbol="NSE:TCS",
        broker_symbol="TCS",
        instrument_token="NSE_EQ:11536",
        kind=InstrumentKind.EQUITY,
        tick_size=Decimal("0.1"),
        lot_size=1,
        name="TATA CONSULTANCY SERV LT",
        lower_circuit=Decimal(3011),
        upper_circuit=Decimal(3680),
        isin="INE467B01029",
    )


def test_an_option_has_expiry_strike_lot_and_freeze_quantity() -> None:
    assert parsed()["NFO:NIFTY29JAN2625650CE"] == Instrument(
        exchange=Exchange.NFO,
        symbol="NFO:NIFTY29JAN2625650CE",
        broker_symbol="NIFTY-Jan2026-25650-CE",
        instrument_token="NSE_FNO:49081",
        kind=InstrumentKind.CALL,
        tick_size=Decimal("0.05"),
        lot_size=75,
        name="NIFTY",
        expiry=date(2026, 1, 29),
        strike=Decimal(25650),
        freeze_quantity=1801,
    )


def test_one_id_in_two_segments_is_two_contracts() -> None:
    found = parsed()

    tokens = (found["NSE:ABB"].instrument_token, found["NSE_INDEX:NIFTY"].instrument_token)
    assert tokens == ("NSE_EQ:13", "IDX_I:13")


def test_a_lot_is_sure_where_file_and_exchange_agree() -> None:
    """CRUDEOIL: 100 barrels in both. GOLD: the file says 1, the exchange a kilogram."""
    found = parsed()

    assert found["MCX:CRUDEOIL19JAN26FUT"].lot_size == 100
    assert found["MCX:GOLD05FEB26FUT"].lot_size is None
    assert found["CDS:USDINR28JAN26FUT"].lot_size == 1000
    assert found["CDS:USDINR28JAN26FUT"].tick_size == Decimal("0.0025")


def test_a_file_of_before_the_newer_columns_serves() -> None:
    lines = [line.rsplit(",", 3)[0] for line in FILE.decode().splitlines() if "ARE&M" not in line]

    found = parsed("\n".join(lines).encode())

    assert len(found) == 14
    assert found["NSE:TCS"].upper_circuit is None


def test_the_file_is_read_as_it_is_asked_for() -> None:
    more = FILE.partition(b"\n")[2] * 20
    rows = DHAN.parse_master(FILE + more + b"\xff\xff", ON)
    assert isinstance(rows, Iterator)

    assert next(rows).symbol == "NSE:TCS"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"EXCH_ID,SEGMENT,SECURITY_ID\nNSE,E,1\n",
        HEADER,
        HEADER + b"\nNSE,E,x,,,,,,,,,,,,,,,,,,,,,\n",
        b"EXCH_ID,\xff\xfe",
    ],
    ids=["empty", "few columns", "no rows", "nothing readable", "no text"],
)
def test_a_file_without_a_contract_is_unreadable(content: bytes) -> None:
    with pytest.raises(BrokerError) as refused:
        list(DHAN.parse_master(content, ON))

    assert refused.value.fault is Fault.UNREADABLE


@pytest.mark.parametrize(
    "answer",
    [
        HttpResponse(200, (), b"<html>maintenance</html>"),
        HttpResponse(403, (), FILE),
        HttpResponse(200, (), b'{"status":"error"}'),
    ],
)
def test_what_is_no_file_is_not_taken_for_one(answer: HttpResponse) -> None:
    error = play(DHAN.master(SESSION), [answer]).error

    assert error is not None
    assert error.fault is Fault.UNREADABLE


@pytest.mark.parametrize("series", ["", "NA"])
def test_a_row_of_nse_that_does_not_tell_its_series_is_no_share(series: str) -> None:
    row = b"NSE,E,11536,INE467B01029,EQUITY,,TCS,TATA,TCS,ES,%b,1.0,,,,10.0000,NA,N,NA,A,4.0,0,0,0"
    other = b"NSE,E,13,INE000000013,EQUITY,,ABB,ABB,ABB,ES,EQ,1.0,,,,50.0000,NA,N,NA,A,4.0,0,0,0"

    content = b"\n".join([HEADER, row % series.encode(), other])

    assert list(parsed(content)) == ["NSE:ABB"]
