"""Kite's instrument file becomes contracts with Ordo's names (zerodha.md 8, WIRE 2)."""

import gzip
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import structs

from ordo_adapters.zerodha import ZERODHA
from ordod.adapter import (
    BrokerError,
    Exchange,
    Fault,
    HttpResponse,
    Instrument,
    InstrumentKind,
)
from ordod.adapter.suite import load, play

SAMPLES = load(Path(__file__).parent / "samples")
TODAY = date(2026, 11, 20)
HEADER = (
    b"instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,"
    b"tick_size,lot_size,instrument_type,segment,exchange\n"
)


def parsed(content: bytes) -> dict[str, Instrument]:
    return {one.symbol: one for one in ZERODHA.parse_master(content, TODAY)}


def sample(name: str) -> bytes:
    return (SAMPLES.folder / name).read_bytes()


HANDMADE = parsed(sample("handmade_instruments.csv"))


def test_the_vendor_s_file_is_read_but_for_derivatives_without_an_underlying() -> None:
    content = sample("instruments_all.csv")
    lines = content.decode().splitlines()[1:]
    nameless = [line for line in lines if line.split(",")[3] == ""]

    found = parsed(content)

    assert all(line.endswith(",NFO-OPT,NFO") for line in nameless)
    assert len(found) == len(lines) - len(nameless)
    assert {one.kind for one in found.values()} == {InstrumentKind.EQUITY}
    assert found["NSE:ADANIPORTS"] == Instrument(
        exchange=Exchange.NSE,
        symbol="NSE:ADANIPORTS",
        broker_symbol="ADANIPORTS",
        instrument_token="3861249",
        kind=InstrumentKind.EQUITY,
        tick_size=Decimal("0.05"),
        lot_size=1,
        name="ADANI PORT & SEZ",
    )
    assert found["BSE:828GOI27-ML"].lot_size == 500_000


def test_one_exchange_s_file_has_the_same_shape() -> None:
    found = parsed(sample("instruments_nse.csv"))

    assert len(found) == len(sample("instruments_nse.csv").decode().splitlines()) - 1
    assert {one.exchange for one in found.values()} == {Exchange.NSE}


def test_names_are_made_of_underlying_expiry_strike_and_type() -> None:
    assert set(HANDMADE) == {
        "NSE:INFY",
        "NSE:SBIN",
        "BSE:SBIN",
        "NSE:CDSL-BE",
        "NSE_INDEX:NIFTY",
        "NSE_INDEX:BANKNIFTY",
        "NSE_INDEX:FINNIFTY",
        "NSE_INDEX:INDIAVIX",
        "NSE_INDEX:NIFTYIT",
        "BSE_INDEX:SENSEX",
        "NFO:NIFTY24NOV26FUT",
        "NFO:NIFTY24NOV2624500CE",
        "NFO:NIFTY01DEC2624500PE",
        "NFO:IDEA24NOV267.5CE",
        "BFO:SENSEX26NOV2682000CE",
        "MCX:CRUDEOIL19NOV26FUT",
        "MCX:CRUDEOIL17NOV265500CE",
        "MCX:GOLDPETAL30NOV26FUT",
        "MCX:COTTON30NOV26FUT",
        "CDS:USDINR26NOV26FUT",
        "CDS:USDINR26NOV2684.25PE",
        "BCD:JPYINR26NOV26FUT",
        "CDS:EURUSD26NOV26FUT",
    }


def test_a_weekly_option_has_the_name_of_its_day_and_kite_s_symbol_beside_it() -> None:
    weekly = HANDMADE["NFO:NIFTY01DEC2624500PE"]

    assert weekly == Instrument(
        exchange=Exchange.NFO,
        symbol="NFO:NIFTY01DEC2624500PE",
        broker_symbol="NIFTY26D0124500PE",
        instrument_token="10256130",
        kind=InstrumentKind.PUT,
        tick_size=Decimal("0.05"),
        lot_size=65,
        name="NIFTY",
        expiry=date(2026, 12, 1),
        strike=Decimal(24500),
    )


def test_a_future_has_no_strike() -> None:
    future = HANDMADE["NFO:NIFTY24NOV26FUT"]

    assert (future.kind, future.strike, future.lot_size, future.tick_size) == (
        InstrumentKind.FUTURE,
        None,
        65,
        Decimal("0.1"),
    )


@pytest.mark.parametrize(
    ("symbol", "lot_size"),
    [
        ("MCX:CRUDEOIL19NOV26FUT", 100),
        ("MCX:CRUDEOIL17NOV265500CE", 100),
        ("MCX:GOLDPETAL30NOV26FUT", 1),
        ("MCX:COTTON30NOV26FUT", None),
        ("CDS:USDINR26NOV26FUT", 1000),
        ("CDS:USDINR26NOV2684.25PE", 1000),
        ("BCD:JPYINR26NOV26FUT", 1000),
        ("CDS:EURUSD26NOV26FUT", None),
    ],
)
def test_a_lot_that_kite_does_not_tell_comes_from_the_dated_table_or_is_unknown(
    symbol: str, lot_size: int | None
) -> None:
    assert HANDMADE[symbol].lot_size == lot_size


def test_an_index_is_quoted_and_not_traded() -> None:
    index = HANDMADE["NSE_INDEX:BANKNIFTY"]

    assert (index.broker_symbol, index.kind, index.lot_size) == (
        "NIFTY BANK",
        InstrumentKind.INDEX,
        None,
    )


def test_a_compressed_file_reads_as_the_plain_one() -> None:
    assert parsed(gzip.compress(sample("handmade_instruments.csv"))) == HANDMADE


def test_columns_are_found_by_name() -> None:
    lines = [line.split(",") for line in sample("instruments_nse.csv").decode().splitlines()]
    turned = "\n".join(",".join([*reversed(line), "extra"]) for line in lines)

    assert parsed(turned.encode()) == parsed(sample("instruments_nse.csv"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        HEADER,
        b"<html></html>",
        HEADER.replace(b"lot_size", b"lots"),
        HEADER + b"1,2,SBIN,STATE BANK,0,,0,0.05,one,EQ,NSE,NSE\n",
        HEADER + b"\xff\xfe\n",
        b"\x1f\x8bnot really",
        gzip.compress(HEADER, mtime=0)[:-8],
    ],
)
def test_a_file_without_a_contract_is_unreadable(content: bytes) -> None:
    with pytest.raises(BrokerError) as caught:
        list(ZERODHA.parse_master(content, TODAY))

    assert caught.value.fault is Fault.UNREADABLE


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        (HttpResponse(200, (), b'{"status":"success","data":[]}'), Fault.UNREADABLE),
        (HttpResponse(200, (), b"<html>busy</html>"), Fault.UNREADABLE),
        (HttpResponse(503, (), HEADER), Fault.BROKER_UNAVAILABLE),
    ],
)
def test_an_answer_that_is_no_instrument_file_is_refused(
    response: HttpResponse, fault: Fault
) -> None:
    error = play(ZERODHA.master(SAMPLES.session), [response]).error

    assert error is not None
    assert error.fault is fault


def test_the_file_is_handed_on_as_it_came() -> None:
    content = sample("instruments_all.csv")

    played = play(ZERODHA.master(SAMPLES.session), [HttpResponse(200, (), content)])

    assert played.value == content


def test_the_suite_s_instruments_are_those_of_the_file() -> None:
    for symbol in ("NFO:NIFTY24NOV26FUT", "MCX:CRUDEOIL19NOV26FUT", "BSE:SBIN"):
        ours = SAMPLES.instruments[symbol]

        assert structs.replace(HANDMADE[symbol], name="") == ours
