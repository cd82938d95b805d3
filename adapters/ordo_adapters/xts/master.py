"""XTS' instrument files: one a segment, rows of fields between bars and no header; indices are a list of their own (xts.md 8).

They are kept joined; of the lists each index stands in a row that begins with our exchange.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from ordo_adapters.xts.tables import EXCHANGE, INDEX_NAMES, NUMBERS, UNCOUNTED
from ordod.adapter import (
    BrokerError,
    Exchange,
    Fault,
    Instrument,
    InstrumentKind,
    decimal,
    derivative_symbol,
    units,
)

__all__ = ["parse"]

CASH_FIELDS, FUTURE_FIELDS, OPTION_FIELDS = 16, 21, 23  # at least; cash has six more by now
INDICES = frozenset({Exchange.NSE_INDEX, Exchange.BSE_INDEX})
OPTION_KINDS = {"3": InstrumentKind.CALL, "4": InstrumentKind.PUT}


def parse(content: bytes) -> Iterator[Instrument]:
    """The contracts, lazily. A row that cannot be read is a contract that cannot be named, and left out.

    Raises:
        BrokerError: UNREADABLE: not one contract could be read.
    """
    count = 0
    for line in content.splitlines():
        try:
            instrument = _contract(line.decode().split("|"))
        except (BrokerError, ValueError):
            continue
        if instrument is not None:
            count += 1
            yield instrument
    if not count:
        raise BrokerError(Fault.UNREADABLE, "instrument file without a single contract")


def _contract(cells: list[str]) -> Instrument | None:
    if cells[0] in INDICES:
        return _index(Exchange(cells[0]), cells[1])
    if len(cells) < CASH_FIELDS:
        return None
    exchange, name, series = EXCHANGE.read(cells[0]), cells[3], cells[5]
    if not name:
        return None
    if exchange in {Exchange.NSE, Exchange.BSE}:
        if series == "SPOT":  # an index: its list has it
            return None
        ours = f"{name}-{series}" if exchange is Exchange.NSE and series != "EQ" else name
        return _listed(exchange, cells, InstrumentKind.EQUITY, symbol=f"{exchange}:{ours}")
    if series.startswith("FUT") and len(cells) >= FUTURE_FIELDS:
        return _listed(exchange, cells, InstrumentKind.FUTURE)
    if series.startswith("OPT") and len(cells) >= OPTION_FIELDS and cells[18] in OPTION_KINDS:
        return _listed(exchange, cells, OPTION_KINDS[cells[18]], strike=decimal(cells[17]))
    return None  # spreads and the like


def _listed(
    exchange: Exchange,
    cells: list[str],
    kind: InstrumentKind,
    *,
    symbol: str = "",
    strike: Decimal | None = None,
) -> Instrument:
    expiry = None if symbol else datetime.fromisoformat(cells[16]).date()
    if expiry is not None:
        symbol = derivative_symbol(exchange, cells[3], expiry, kind, strike)
    return Instrument(
        exchange=exchange,
        symbol=symbol,
        broker_symbol=str(int(cells[1])),
        instrument_token=f"{NUMBERS[exchange]}_{int(cells[1])}",
        kind=kind,
        tick_size=decimal(cells[11]),
        lot_size=None if exchange in UNCOUNTED else units(cells[12]),
        name=cells[4] if expiry is None else cells[3],
        expiry=expiry,
        strike=strike,
    )


def _index(exchange: Exchange, listed: str) -> Instrument:
    """`NIFTY 50_26000`: the name, and the id behind the last bar."""
    theirs, _, number = listed.rpartition("_")
    name = INDEX_NAMES.get(theirs.upper(), theirs.upper().replace(" ", ""))
    return Instrument(
        exchange=exchange,
        symbol=f"{exchange}:{name}",
        broker_symbol=str(int(number)),
        instrument_token=f"{NUMBERS[exchange]}_{int(number)}",
        kind=InstrumentKind.INDEX,
        tick_size=Decimal("0.05"),
        lot_size=None,
        name=theirs,
    )
