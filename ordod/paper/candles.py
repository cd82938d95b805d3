"""Candles and the day's range: what the price did, read off its walk at fixed instants."""

from collections.abc import Iterator
from datetime import datetime, time

from ordod.domain.instruments import Exchange
from ordod.domain.market import Candle, Interval
from ordod.paper.hours import (
    STEPS_S,
    Hours,
    day_of,
    instant,
    step_of,
    step_on,
)
from ordod.paper.market import Walk
from ordod.paper.orders import rupees_of

__all__ = ["DAY_GLANCE", "OPTION_GLANCE", "DayRange", "candles"]

GLANCE = 15 * STEPS_S  # how often the price is looked at within a candle
DAY_GLANCE = 60 * STEPS_S
OPTION_GLANCE = 900 * STEPS_S


def candles(
    walk: Walk,
    exchange: Exchange,
    interval: Interval,
    start: datetime,
    end: datetime,
    upto: int | None,
    hours: Hours,
) -> list[Candle]:
    """The candles that begin in [start, end] within the exchange's sessions; none looks beyond step `upto`."""
    first, last = step_of(start), step_of(end)
    if start.microsecond % 250_000 or instant(first) < start:
        first += 1
    found: list[Candle] = []
    for begins, opens, closes in _spans(exchange, interval, first, last, hours):
        if upto is not None:
            if opens > upto:
                break
            closes = min(closes, upto)
        glance = DAY_GLANCE if interval is Interval.D1 else GLANCE
        found.append(_candle(walk, begins, opens, closes, glance))
    return found


def _spans(
    exchange: Exchange, interval: Interval, first: int, last: int, hours: Hours
) -> Iterator[tuple[int, int, int]]:
    """(the candle's time, first step, step it ends at) of each candle."""
    length = int(interval.length.total_seconds()) * STEPS_S
    for day in range(day_of(first), day_of(last) + 1):
        sessions = hours.sessions(exchange, day)
        if interval is Interval.D1:
            begins = step_on(day, time(0))
            if sessions and first <= begins <= last:
                yield begins, sessions[0][0], sessions[-1][1]
            continue
        for opens, closes in sessions:
            for begins in range(opens, closes, length):
                if first <= begins <= last:
                    yield begins, begins, min(begins + length, closes)


def _candle(walk: Walk, begins: int, opens: int, closes: int, glance: int) -> Candle:
    prices = [walk.price(step) for step in range(opens, closes, glance)] or [walk.price(opens)]
    prices.append(walk.price(max(opens, closes - 1)))
    return Candle(
        instant(begins),
        rupees_of(prices[0]),
        rupees_of(max(prices)),
        rupees_of(min(prices)),
        rupees_of(prices[-1]),
        max(0, walk.volume(closes) - walk.volume(opens)),
    )


class DayRange:
    """First, highest and lowest price of a day so far; remembers how far it has looked."""

    def __init__(
        self, walk: Walk, exchange: Exchange, hours: Hours, glance: int = DAY_GLANCE
    ) -> None:
        self._glance = glance
        self._hours = hours
        self._walk = walk
        self._exchange = exchange
        self._day = -1
        self._next = 0
        self._first = self._high = self._low = 0

    def until(self, step: int, from_midnight: bool) -> tuple[int, int, int]:
        """Paise; the day begins at midnight, or when its market opens."""
        day = day_of(step)
        if day != self._day:
            opens = self._hours.opening(self._exchange, day)
            self._day = day
            self._next = step_on(day, time(0)) if from_midnight else min(opens, step)
            self._first = self._high = self._low = self._walk.price(self._next)
        while self._next <= step:
            self._see(self._next)
            self._next += self._glance
        self._see(step)
        return self._first, self._high, self._low

    def _see(self, step: int) -> None:
        price = self._walk.price(step)
        self._high, self._low = max(self._high, price), min(self._low, price)
