"""What can be traded."""

from datetime import date
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

__all__ = ["Exchange", "Instrument", "InstrumentKind"]


class Exchange(StrEnum):
    NSE = "NSE"
    BSE = "BSE"
    NFO = "NFO"
    BFO = "BFO"
    CDS = "CDS"
    BCD = "BCD"
    MCX = "MCX"
    NSE_INDEX = "NSE_INDEX"
    BSE_INDEX = "BSE_INDEX"


class InstrumentKind(StrEnum):
    EQUITY = "EQ"
    FUTURE = "FUT"
    CALL = "CE"
    PUT = "PE"
    INDEX = "INDEX"


class Instrument(Struct, frozen=True, kw_only=True):
    """One contract, in Ordo's words and in one broker's.

    Args:
        symbol: Ordo's whole name (`NSE:INFY`, `NFO:NIFTY24NOV26FUT`).
        broker_symbol: what the broker calls it.
        instrument_token: what else the broker calls it.
        kind: EQ, FUT, CE, PE or INDEX.
        tick_size: rupees; prices are multiples of it.
        lot_size: units; null where neither the broker's master nor the dated table tells it, and then orders for it are
            UNSUPPORTED.
        name: of the company or the underlying.
        freeze_quantity: units; an order may not have more.
        isin: of a share, where the master tells it; two securities never share one.
    """

    exchange: Exchange
    symbol: str
    broker_symbol: str
    instrument_token: str
    kind: InstrumentKind
    tick_size: Decimal
    lot_size: int | None
    name: str = ""
    expiry: date | None = None
    strike: Decimal | None = None
    freeze_quantity: int | None = None
    lower_circuit: Decimal | None = None
    upper_circuit: Decimal | None = None
    isin: str | None = None
