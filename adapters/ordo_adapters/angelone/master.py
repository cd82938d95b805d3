"""The instrument file: one JSON array of all exchanges, made each morning (angelone.md 8).

Names are made of the columns: underlying, expiry, strike, and the type at the end of the broker's symbol.
"""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import lru_cache

import msgspec
from msgspec import Struct

from ordo_adapters.angelone.tables import EXCHANGE, INDEX_NAMES, SIZED
from ordod.adapter import (
    BrokerError,
    Exchange,
    Fault,
    Instrument,
    InstrumentKind,
    contract_size,
    decimal,
    derivative_symbol,
    ist_date,
)

__all__ = ["is_master", "parse"]

INDEX = "AMXIDX"
INDEX_EXCHANGE = {"NSE": Exchange.NSE_INDEX, "BSE": Exchange.BSE_INDEX}
CASH = frozenset({Exchange.NSE, Exchange.BSE})
SERIES = re.compile(r"-[A-Z0-9]{1,2}$")  # angelone.md 8: behind every name of NSE's cash market
EQUITY_SERIES = "-EQ"  # other series (-BE, -SM) are other lines of the share and keep their names
PAISE = 100
CURRENCY_STRIKE = 10_000_000  # angelone.md 8: of OPTCUR and OPTIRC


class MasterRow(Struct):
    token: str
    symbol: str
    name: str
    expiry: str
    strike: str
    lotsize: str
    instrumenttype: str
    exch_seg: str
    tick_size: str


# A row at a time: the file has tens of megabytes, and all its rows as objects would be several times that.
_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_ROW = msgspec.json.Decoder(MasterRow)


def is_master(content: bytes) -> bool:
    """Whether this begins as an instrument file does: an error is an object, a page of HTML neither."""
    return content[:200].lstrip().startswith(b"[") and b'"exch_seg"' in content[:2000]


def parse(content: bytes) -> Iterator[Instrument]:
    """The contracts of the file, lazily.

    Left out: exchanges Ordo has no word for (NCDEX), spot rows of commodities, rows that name no contract.

    Raises:
        BrokerError: UNREADABLE: not an array, or not one contract could be read.
    """
    try:
        rows = _ARRAY.decode(content)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BrokerError(Fault.UNREADABLE, f"instrument file: {error}") from None
    count = 0
    for row in rows:
        instrument = _read(row)
        if instrument:
            count += 1
            yield instrument
    if not count:
        raise BrokerError(Fault.UNREADABLE, "instrument file without a single contract")


def _read(raw: msgspec.Raw) -> Instrument | None:
    try:
        return _contract(_ROW.decode(raw))
    except (msgspec.MsgspecError, UnicodeError, BrokerError, ValueError):
        return None  # a row that cannot be read is a contract that cannot be named


def _contract(row: MasterRow) -> Instrument | None:
    if not row.token or not row.symbol:
        return None
    if row.instrumenttype == INDEX:
        return _index(row)
    if row.exch_seg not in EXCHANGE.readable:
        return None
    exchange = EXCHANGE.read(row.exch_seg)
    if exchange in CASH:
        return _share(row, exchange) if not row.instrumenttype else None
    if row.instrumenttype.startswith(("FUT", "OPT")) and row.name:
        return _derivative(row, exchange)
    return None


def _share(row: MasterRow, exchange: Exchange) -> Instrument | None:
    if exchange is Exchange.NSE and not SERIES.search(row.symbol):
        return None  # a share, a warrant or a bond of this name: the row does not say
    name = row.symbol.removesuffix(EQUITY_SERIES) if exchange is Exchange.NSE else row.symbol
    return Instrument(
        exchange=exchange,
        symbol=f"{exchange}:{name}",
        broker_symbol=row.symbol,
        instrument_token=row.token,
        kind=InstrumentKind.EQUITY,
        tick_size=_scaled(row.tick_size, PAISE),
        lot_size=int(row.lotsize),
        name=row.name,
    )


def _derivative(row: MasterRow, exchange: Exchange) -> Instrument:
    expiry, underlying = _day(row.expiry), row.name.strip()
    kind, strike = InstrumentKind.FUTURE, None
    if row.instrumenttype.startswith("OPT"):
        kind = InstrumentKind(row.symbol[-2:])
        scale = CURRENCY_STRIKE if exchange is Exchange.CDS else PAISE
        strike = _scaled(row.strike, scale)
    return Instrument(
        exchange=exchange,
        symbol=derivative_symbol(exchange, underlying, expiry, kind, strike),
        broker_symbol=row.symbol,
        instrument_token=row.token,
        kind=kind,
        tick_size=_scaled(row.tick_size, PAISE),
        lot_size=_lot(exchange, underlying, expiry, int(row.lotsize)),
        name=underlying,
        expiry=expiry,
        strike=strike,
    )


def _lot(exchange: Exchange, underlying: str, expiry: date, theirs: int) -> int | None:
    """Where a unit is a matter of the quotation, theirs must be ours: a lot of 100 g of gold, quoted for 10 g, has 10 units."""
    if exchange not in SIZED or theirs == contract_size(exchange, underlying, expiry):
        return theirs
    return None


def _index(row: MasterRow) -> Instrument | None:
    exchange = INDEX_EXCHANGE.get(row.exch_seg)
    if exchange is None:
        return None
    name = INDEX_NAMES.get(row.token) or (row.name or row.symbol).replace(" ", "").upper()
    return Instrument(
        exchange=exchange,
        symbol=f"{exchange}:{name}",
        broker_symbol=row.symbol,
        instrument_token=row.token,
        kind=InstrumentKind.INDEX,
        tick_size=_scaled(row.tick_size, PAISE),
        lot_size=None,
        name=row.symbol,
    )


@lru_cache(
    maxsize=4096
)  # a hundred thousand rows share a few hundred dates and a few thousand numbers
def _day(text: str) -> date:
    return ist_date(text, "%d%b%Y")


@lru_cache(maxsize=16_384)
def _scaled(text: str, scale: int) -> Decimal:
    return decimal(decimal(text) / scale)
