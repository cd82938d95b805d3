"""Prices."""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

__all__ = ["Candle", "Depth", "DepthTick", "Interval", "Level", "Mode", "Quote", "Tick"]


class Interval(StrEnum):
    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M10 = "10m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    D1 = "1d"

    @property
    def length(self) -> timedelta:
        count, unit = int(self.value[:-1]), self.value[-1]
        return timedelta(**{{"m": "minutes", "h": "hours", "d": "days"}[unit]: count})


class Mode(StrEnum):
    """How much is pushed of an instrument; each includes the ones before it."""

    LTP = "ltp"  # the last price
    QUOTE = "quote"  # what the day brought, too
    DEPTH = "depth"  # the levels of the book, too


class Level(Struct, frozen=True, gc=False):
    """One level of the book.

    Args:
        price: rupees.
        quantity: units.
        orders: how many stand there; null: the broker does not say.
    """

    price: Decimal
    quantity: int
    orders: int | None = None


class Depth(Struct, frozen=True):
    """The levels of the book; empty levels are left out.

    Args:
        buy: the highest price first.
        sell: the lowest price first.
    """

    buy: tuple[Level, ...]
    sell: tuple[Level, ...]


class Quote(Struct, frozen=True, kw_only=True):
    """An asked-for price. What the broker does not say is null.

    Args:
        average_price: rupees, of what was traded today.
        at: of the last trade, or of the broker's answer.
        depth: the levels of the book, where the broker tells them in the same answer.
    """

    symbol: str
    last_price: Decimal
    at: datetime | None = None
    open_price: Decimal | None = None
    high_price: Decimal | None = None
    low_price: Decimal | None = None
    close_price: Decimal | None = None
    volume: int | None = None
    average_price: Decimal | None = None
    oi: int | None = None
    lower_circuit: Decimal | None = None
    upper_circuit: Decimal | None = None
    depth: Depth | None = None


class Tick(Struct, frozen=True, omit_defaults=True, gc=False):
    """A pushed price. What the broker does not say, or not in this mode, is None, and left out when it is encoded.

    `at` is the exchange's time, `traded_at` that of the last trade; `close_price` the previous day's; quantities in units. The
    fields' order is fixed: decoders that read thousands a second give them by place, which takes a third of the time.
    """

    symbol: str
    last_price: Decimal
    at: datetime | None = None
    traded_at: datetime | None = None
    last_quantity: int | None = None
    average_price: Decimal | None = None
    volume: int | None = None
    buy_quantity: int | None = None
    sell_quantity: int | None = None
    open_price: Decimal | None = None
    high_price: Decimal | None = None
    low_price: Decimal | None = None
    close_price: Decimal | None = None
    oi: int | None = None


class DepthTick(Struct, frozen=True, omit_defaults=True, gc=False):
    """Pushed levels of the book, best first; empty levels are left out."""

    symbol: str
    buy: tuple[Level, ...]
    sell: tuple[Level, ...]
    at: datetime | None = None


class Candle(Struct, frozen=True):
    """`at` is the start of the candle; rupees and units; `oi` None where there is none."""

    at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    oi: int | None = None
