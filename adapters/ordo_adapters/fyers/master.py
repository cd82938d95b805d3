"""FYERS' instrument files: a CSV without a header for each exchange and segment, made each morning (fyers.md 8).

Names are made of the columns: underlying, expiry, strike, type. Only a share's or an index's ticker is taken apart.
"""

import csv
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from io import BytesIO, TextIOWrapper

from ordo_adapters.fyers.rows import instant
from ordo_adapters.fyers.tables import EXCHANGE, IN_LOTS, INDEX_NAMES
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
)

__all__ = ["is_master", "parse"]

COLUMNS = 21
INDEX = "10"  # of the instrument types in cash
CASH = {Exchange.NSE: Exchange.NSE_INDEX, Exchange.BSE: Exchange.BSE_INDEX}
_decimal = lru_cache(maxsize=16_384)(decimal)  # a hundred thousand rows share a few thousand


def is_master(content: bytes) -> bool:
    """Whether this begins as an instrument file does: with the digits of a fyToken."""
    return content.partition(b",")[0].isdigit()


def parse(content: bytes) -> Iterator[Instrument]:
    """The contracts of the files, lazily. A row that cannot be read is a contract that cannot be named, and left out.

    Raises:
        BrokerError: UNREADABLE: not one contract could be read.
    """
    count = 0
    lines = csv.reader(TextIOWrapper(BytesIO(content), encoding="utf-8", newline=""))
    try:
        for instrument in filter(None, map(_contract, lines)):
            count += 1
            yield instrument
    except (UnicodeError, csv.Error) as error:
        raise BrokerError(Fault.UNREADABLE, f"instrument file: {error}") from None
    if not count:
        raise BrokerError(Fault.UNREADABLE, "instrument file without a single contract")


def _contract(cells: list[str]) -> Instrument | None:
    if len(cells) < COLUMNS:
        return None
    token, name, kind, lot, tick, *_, theirs = cells[:10]
    try:
        exchange = EXCHANGE.read(f"{cells[10]}:{cells[11]}")
        if exchange not in CASH:
            return _derivative(exchange, cells)
        is_index = kind == INDEX
        ours = CASH[exchange] if is_index else exchange
        return Instrument(
            exchange=ours,
            symbol=f"{ours}:{_cash_name(theirs, is_index=is_index)}",
            broker_symbol=theirs,
            instrument_token=token,
            kind=InstrumentKind.INDEX if is_index else InstrumentKind.EQUITY,
            tick_size=_decimal(tick),
            lot_size=None if is_index else int(lot),
            name=name,
            isin=None if is_index else isin(cells[5]),
        )
    except (BrokerError, ValueError, OverflowError, OSError):
        return None


def _cash_name(ticker: str, *, is_index: bool) -> str:
    """`NSE:SBIN-EQ`, `NSE:XYZ-BE`, `BSE:SBIN-A`, `NSE:NIFTY50-INDEX`: NSE's other series are other contracts, BSE's groups are not."""
    exchange, _, rest = ticker.partition(":")
    name, dash, series = rest.rpartition("-")
    if not dash or not name:
        raise ValueError(f"not a ticker of cash: {ticker!r}")
    if is_index:
        return INDEX_NAMES.get(name, name)
    return rest if exchange == "NSE" and series != "EQ" else name


def _derivative(exchange: Exchange, cells: list[str]) -> Instrument:
    token, _, _, lot, tick, *_, ends, theirs = cells[:10]
    underlying, strike, word = cells[13], cells[15], cells[16]
    is_future = word == "XX"
    kind = InstrumentKind.FUTURE if is_future else InstrumentKind(word)
    expiry = _day(ends)
    price = None if is_future else _decimal(strike)
    if not underlying:
        raise ValueError("a derivative of nothing")
    return Instrument(
        exchange=exchange,
        symbol=derivative_symbol(exchange, underlying, expiry, kind, price),
        broker_symbol=theirs,
        instrument_token=token,
        kind=kind,
        tick_size=_decimal(tick),
        lot_size=contract_size(exchange, underlying, expiry) if exchange in IN_LOTS else int(lot),
        name=underlying,
        expiry=expiry,
        strike=price,
    )


@lru_cache(maxsize=1024)
def _day(seconds: str) -> date:
    return instant(int(seconds)).date()
