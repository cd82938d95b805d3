"""Dhan's instrument file: one CSV of all exchanges, the detailed one, made each morning (dhan.md 8).

Names are made of the columns: underlying, expiry, strike, type. A share's ticker stands under UNDERLYING_SYMBOL; SYMBOL_NAME
is its company there and the exchange's symbol of a derivative.

How many units a lot of a commodity or currency contract has, the file may tell in units or in lots. Where it agrees with the
exchange's contract sizes the lot is sure; where it does not, the contract has none and no order is made of it.
"""

import csv
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from functools import lru_cache
from io import BytesIO, TextIOWrapper

from ordo_adapters.dhan.tables import INDEX_NAMES, INDEX_SEGMENT, SEGMENT
from ordod.adapter import (
    BrokerError,
    Exchange,
    Fault,
    Instrument,
    InstrumentKind,
    contract_size,
    decimal,
    derivative_symbol,
    isin,
    ist_date,
    units,
)

__all__ = ["is_master", "parse"]

COLUMNS = (
    "EXCH_ID",
    "SEGMENT",
    "SECURITY_ID",
    "INSTRUMENT",
    "UNDERLYING_SYMBOL",
    "SYMBOL_NAME",
    "DISPLAY_NAME",
    "SERIES",
    "LOT_SIZE",
    "SM_EXPIRY_DATE",
    "STRIKE_PRICE",
    "OPTION_TYPE",
    "TICK_SIZE",
)
OPTIONAL = (
    "ISIN",
    "SM_FREEZE_QTY",
    "SM_LOWER_LIMIT",
    "SM_UPPER_LIMIT",
)  # newer; a file without them serves
PLACES = {
    ("NSE", "E"): Exchange.NSE,
    ("BSE", "E"): Exchange.BSE,
    ("NSE", "D"): Exchange.NFO,
    ("BSE", "D"): Exchange.BFO,
    ("NSE", "C"): Exchange.CDS,
    ("BSE", "C"): Exchange.BCD,
    ("MCX", "M"): Exchange.MCX,
    ("NSE", "I"): Exchange.NSE_INDEX,
    ("BSE", "I"): Exchange.BSE_INDEX,
}
INDICES = frozenset({Exchange.NSE_INDEX, Exchange.BSE_INDEX})
CASH = frozenset({Exchange.NSE, Exchange.BSE})
SIZED = frozenset({Exchange.MCX, Exchange.CDS, Exchange.BCD})
KINDS = {"CE": InstrumentKind.CALL, "PE": InstrumentKind.PUT}
NO_NAME = frozenset({"", "NA"})


def is_master(content: bytes) -> bool:
    """Whether this begins as an instrument file does: an error in JSON or a page of HTML is none."""
    return content.startswith(b"EXCH_ID,")


def parse(content: bytes) -> Iterator[Instrument]:
    """The contracts of the file, lazily.

    Left out: other segments, contracts that name no underlying, rows cut short or beyond reading.

    Raises:
        BrokerError: UNREADABLE: columns we know are missing, or not one contract could be read.
    """
    try:
        yield from _contracts(
            csv.reader(TextIOWrapper(BytesIO(content), encoding="utf-8", newline=""))
        )
    except (UnicodeError, csv.Error) as error:
        raise BrokerError(Fault.UNREADABLE, f"instrument file: {error}") from None


def _contracts(lines: Iterable[list[str]]) -> Iterator[Instrument]:
    rows = iter(lines)
    header = next(rows, [])
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise BrokerError(Fault.UNREADABLE, f"instrument file without {', '.join(missing)}")
    places = {name: header.index(name) for name in (*COLUMNS, *OPTIONAL) if name in header}
    width = max(places.values()) + 1
    count = 0
    for cells in rows:
        if len(cells) < width:
            continue
        instrument = _contract({name: cells[place] for name, place in places.items()})
        if instrument:
            count += 1
            yield instrument
    if not count:
        raise BrokerError(Fault.UNREADABLE, "instrument file without a single contract")


def _contract(row: dict[str, str]) -> Instrument | None:
    exchange = PLACES.get((row["EXCH_ID"], row["SEGMENT"]))
    if exchange is None or not row["SECURITY_ID"].isdecimal():
        return None
    try:
        if exchange in INDICES:
            return _index(exchange, row)
        return _share(exchange, row) if exchange in CASH else _derivative(exchange, row)
    except (BrokerError, ValueError):
        return None  # a row that cannot be read is a contract that cannot be named


def _index(exchange: Exchange, row: dict[str, str]) -> Instrument | None:
    theirs = _ticker(row)
    name = INDEX_NAMES.get(theirs.upper(), theirs.upper().replace(" ", ""))
    return Instrument(
        exchange=exchange,
        symbol=f"{exchange}:{name}",
        broker_symbol=theirs,
        instrument_token=f"{INDEX_SEGMENT}:{row['SECURITY_ID']}",
        kind=InstrumentKind.INDEX,
        tick_size=_tick(row["TICK_SIZE"]),
        lot_size=None,
        name=row["DISPLAY_NAME"],
    )


def _share(exchange: Exchange, row: dict[str, str]) -> Instrument | None:
    """Of NSE the series other than EQ stand in the name, as elsewhere: the same share may be listed in several."""
    if row["INSTRUMENT"] != "EQUITY":
        return None
    ticker, series = _ticker(row), row["SERIES"].strip()
    if exchange is Exchange.NSE and series in NO_NAME:
        return None  # a share, a warrant or a bond of this name: the row does not say
    is_plain = exchange is Exchange.BSE or series == "EQ"
    return Instrument(
        exchange=exchange,
        symbol=f"{exchange}:{ticker}" if is_plain else f"{exchange}:{ticker}-{series}",
        broker_symbol=ticker,
        instrument_token=f"{SEGMENT.write(exchange)}:{row['SECURITY_ID']}",
        kind=InstrumentKind.EQUITY,
        tick_size=_tick(row["TICK_SIZE"]),
        lot_size=units(row["LOT_SIZE"]),
        name=row["SYMBOL_NAME"],
        freeze_quantity=_freeze(row),
        lower_circuit=_limit(row, "SM_LOWER_LIMIT"),
        upper_circuit=_limit(row, "SM_UPPER_LIMIT"),
        isin=isin(row.get("ISIN", "")),
    )


def _derivative(exchange: Exchange, row: dict[str, str]) -> Instrument | None:
    underlying, expiry = row["UNDERLYING_SYMBOL"].strip(), _day(row["SM_EXPIRY_DATE"][:10])
    if underlying in NO_NAME:
        return None
    is_future = row["INSTRUMENT"].startswith("FUT")
    kind = InstrumentKind.FUTURE if is_future else KINDS.get(row["OPTION_TYPE"])
    if kind is None:
        return None
    strike = None if is_future else decimal(row["STRIKE_PRICE"])
    lot: int | None = units(row["LOT_SIZE"])
    if exchange in SIZED and lot != contract_size(exchange, underlying, expiry):
        lot = None
    return Instrument(
        exchange=exchange,
        symbol=derivative_symbol(exchange, underlying, expiry, kind, strike),
        broker_symbol=row["SYMBOL_NAME"] or row["DISPLAY_NAME"],
        instrument_token=f"{SEGMENT.write(exchange)}:{row['SECURITY_ID']}",
        kind=kind,
        tick_size=_tick(row["TICK_SIZE"]),
        lot_size=lot,
        name=underlying,
        expiry=expiry,
        strike=strike,
        freeze_quantity=_freeze(row),
        lower_circuit=_limit(row, "SM_LOWER_LIMIT"),
        upper_circuit=_limit(row, "SM_UPPER_LIMIT"),
    )


def _ticker(row: dict[str, str]) -> str:
    """Raises BrokerError where the row has no name."""
    for column in ("UNDERLYING_SYMBOL", "SYMBOL_NAME"):
        if row[column].strip() not in NO_NAME:
            return row[column].strip()
    raise BrokerError(Fault.UNREADABLE, "a contract without a name")


def _limit(row: dict[str, str], column: str) -> Decimal | None:
    """A circuit limit or freeze quantity, where the file tells it: 0 and less are none."""
    limit = _number(row.get(column, ""))
    return limit if limit > 0 else None


def _freeze(row: dict[str, str]) -> int | None:
    limit = _limit(row, "SM_FREEZE_QTY")
    return None if limit is None else units(limit)


@lru_cache(
    maxsize=4096
)  # a hundred thousand rows share a few hundred dates and a few thousand numbers
def _day(text: str) -> date:
    return ist_date(text)


@lru_cache(maxsize=16_384)
def _number(text: str) -> Decimal:
    return decimal(text) if text not in NO_NAME else Decimal(0)


@lru_cache(maxsize=256)
def _tick(text: str) -> Decimal:
    """Paise, with a fraction for currencies (dhan.md 8)."""
    return decimal(text) / 100
