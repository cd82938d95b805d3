"""Kite's instrument file: one CSV of all exchanges, made each morning (zerodha.md 8).

Names are made of the columns: underlying, expiry, strike, type. Kite's own symbol of a derivative is never taken apart: its
weekly and monthly spellings differ, and some underlyings end in digits.
"""

import csv
import gzip
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from functools import lru_cache
from io import BytesIO, TextIOWrapper

from ordo_adapters.zerodha.tables import EXCHANGE, IN_LOTS, INDEX_NAMES
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

COLUMNS = (
    "instrument_token",
    "exchange_token",
    "tradingsymbol",
    "name",
    "last_price",
    "expiry",
    "strike",
    "tick_size",
    "lot_size",
    "instrument_type",
    "segment",
    "exchange",
)
GZIP = b"\x1f\x8b"  # the file is sent compressed; a client that keeps it so is served too
INDEX_EXCHANGE = {"NSE": Exchange.NSE_INDEX, "BSE": Exchange.BSE_INDEX}
CASH = frozenset({Exchange.NSE, Exchange.BSE})


def is_master(content: bytes) -> bool:
    """Whether this begins as an instrument file does: an error in JSON or a page of HTML is none."""
    return content.startswith((GZIP, ",".join(COLUMNS[:3]).encode()))


def parse(content: bytes) -> Iterator[Instrument]:
    """The contracts of the file, lazily.

    Left out: other countries' and exchanges' rows (GLOBAL, NSEIX, NCO), derivatives that name no underlying, rows cut short.

    Raises:
        BrokerError: UNREADABLE: columns we know are missing, or not one contract could be read.
    """
    raw = BytesIO(content)
    file = gzip.GzipFile(fileobj=raw) if content.startswith(GZIP) else raw
    try:
        yield from _contracts(csv.reader(TextIOWrapper(file, encoding="utf-8", newline="")))
    except (OSError, EOFError, UnicodeError, csv.Error) as error:
        raise BrokerError(Fault.UNREADABLE, f"instrument file: {error}") from None


def _contracts(lines: Iterable[list[str]]) -> Iterator[Instrument]:
    rows = iter(lines)
    header = next(rows, [])
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise BrokerError(Fault.UNREADABLE, f"instrument file without {', '.join(missing)}")
    places = [header.index(column) for column in COLUMNS]
    count = 0
    for row in rows:
        if len(row) < len(header):
            continue
        instrument = _contract([row[place] for place in places])
        if instrument:
            count += 1
            yield instrument
    if not count:
        raise BrokerError(Fault.UNREADABLE, "instrument file without a single contract")


def _contract(cells: list[str]) -> Instrument | None:
    token, _, theirs, name, _, expiry, strike, tick, lot, kind, segment, exchange = cells
    try:
        if segment == "INDICES":
            return _index(token, theirs, exchange, tick)
        if exchange not in EXCHANGE.readable or not token or not theirs:
            return None
        ours = EXCHANGE.read(exchange)
        if kind == InstrumentKind.EQUITY:
            if ours not in CASH:
                return None
            return Instrument(
                exchange=ours,
                symbol=f"{ours}:{theirs}",
                broker_symbol=theirs,
                instrument_token=token,
                kind=InstrumentKind.EQUITY,
                tick_size=_number(tick),
                lot_size=int(lot),
                name=name,
            )
        return _derivative(
            ours, token, theirs, name.strip(), _day(expiry), _number(strike), tick, lot, kind
        )
    except (BrokerError, ValueError):
        return None  # a row that cannot be read is a contract that cannot be named


def _derivative(
    exchange: Exchange,
    token: str,
    theirs: str,
    underlying: str,
    expiry: date,
    strike: Decimal,
    tick: str,
    lot: str,
    word: str,
) -> Instrument | None:
    if not underlying:
        return None
    kind = InstrumentKind(word)
    its_strike = None if kind is InstrumentKind.FUTURE else strike
    return Instrument(
        exchange=exchange,
        symbol=derivative_symbol(exchange, underlying, expiry, kind, its_strike),
        broker_symbol=theirs,
        instrument_token=token,
        kind=kind,
        tick_size=_number(tick),
        lot_size=contract_size(exchange, underlying, expiry) if exchange in IN_LOTS else int(lot),
        name=underlying,
        expiry=expiry,
        strike=its_strike,
    )


def _index(token: str, theirs: str, exchange: str, tick: str) -> Instrument | None:
    ours = INDEX_EXCHANGE.get(exchange)
    if ours is None:
        return None
    name = INDEX_NAMES.get((exchange, theirs), theirs.replace(" ", ""))
    return Instrument(
        exchange=ours,
        symbol=f"{ours}:{name}",
        broker_symbol=theirs,
        instrument_token=token,
        kind=InstrumentKind.INDEX,
        tick_size=_number(tick),
        lot_size=None,
        name=theirs,
    )


@lru_cache(
    maxsize=4096
)  # a hundred thousand rows share a few hundred dates and a few thousand numbers
def _day(text: str) -> date:
    return ist_date(text)


@lru_cache(maxsize=16_384)
def _number(text: str) -> Decimal:
    return decimal(text)
