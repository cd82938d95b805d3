"""The last prices anybody asked for or was pushed: what risk limits are held against when an order names none."""

from collections.abc import Iterable
from decimal import Decimal

from ordod.core.ports import Clock
from ordod.domain.market import Quote, Tick

__all__ = ["Prices"]

FRESH_S = 5.0  # older says nothing in a moving market
KEPT = 20_000  # symbols; beyond it the oldest is forgotten


class Prices:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last: dict[str, tuple[Decimal, float]] = {}

    def learn(self, quotes: Iterable[Quote | Tick]) -> None:
        now = self._clock.boot()
        for quote in quotes:
            self._last.pop(quote.symbol, None)
            self._last[quote.symbol] = (quote.last_price, now)
        while len(self._last) > KEPT:
            del self._last[next(iter(self._last))]

    def fresh(self, symbol: str) -> Decimal | None:
        """The last price, in rupees, if it is not older than FRESH_S."""
        price, at = self._last.get(symbol, (None, 0.0))
        return price if price is not None and self._clock.boot() - at <= FRESH_S else None
