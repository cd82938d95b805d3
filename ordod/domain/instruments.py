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

    `symbol` is Ordo's whole name (`NSE:INFY`, `NFO:NIFTY24NOV26FUT`); `broker_symbol` and `instrument_token` are what
    the broker calls it. `lot_size` is in units; None where neither the broker's master nor the dated table tells it,
    and then orders for it are UNSUPPORTED. `freeze_quantity` in units. `isin`: of a share, where the master tells it; two
    securities never share one.
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
