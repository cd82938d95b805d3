"""Prices."""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

__all__ = ["Candle", "Depth", "Interval", "Level", "Quote"]


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


class Level(Struct, frozen=True):
    """One level of the book: rupees, units, and how many orders stand there (None: the broker does not say)."""

    price: Decimal
    quantity: int
    orders: int | None = None


class Depth(Struct, frozen=True):
    """The levels of the book, best first; empty levels are left out."""

    buy: tuple[Level, ...]
    sell: tuple[Level, ...]


class Quote(Struct, frozen=True, kw_only=True):
    """An asked-for price. What the broker does not say is None. `close_price` is the previous day's."""

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


class Candle(Struct, frozen=True):
    """`at` is the start of the candle; rupees and units; `oi` None where there is none."""

    at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    oi: int | None = None
