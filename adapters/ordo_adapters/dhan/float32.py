"""What Dhan's feed means by a price in 32 bits (dhan.md 9.1).

A float32 holds some seven digits: 802.1 arrives as 802.0999755859375. What is meant is the decimal on the
contract's tick (or, off it, in whole paise) that makes this very float32, provided that its neighbours make another. So there
is one such decimal or none, and with none the packet is a bad row: from 131,072 rupees on a float32 cannot tell paise apart, and
there only ticks wider than its own steps are read. Indices have no tick and are told as the shortest decimal of four places at
most that makes this float32 (none is so high yet that it could be a paisa off); so are averages and previous closes, of which
those with more decimals are rounded.
"""

from decimal import Decimal
from struct import Struct as Layout
from typing import Any

from ordod.adapter import BrokerError, Fault

__all__ = ["Prices", "Rupees", "Shortest"]

PRICE_LIMIT = 1 << 31  # rupees; above it is no price of any contract
PRICES_KEPT = 100_000  # some 15 MB; 5,000 instruments have about 20 prices each in their books
PAISA, FINEST = Decimal("0.01"), Decimal("0.0001")
_FLOAT = Layout("<f")


class Rupees(dict[float, Any]):
    """What float32 numbers mean in rupees, 0: None; made once each, they repeat all day."""

    def __init__(self) -> None:
        super().__init__({0.0: None})

    def __missing__(self, number: float) -> Decimal:
        price = self.meant(number) if 0 < number < PRICE_LIMIT else None  # no number is neither
        if not price:
            raise BrokerError(Fault.UNREADABLE, f"{number!r} is no price")
        if len(self) >= PRICES_KEPT:
            self.clear()
            self[0.0] = None
        price = self[number] = price.normalize() + 0
        return price

    def meant(self, number: float) -> Decimal | None:
        raise NotImplementedError


class Prices(Rupees):
    """Of a contract with this tick."""

    def __init__(self, tick: Decimal) -> None:
        super().__init__()
        fallback = PAISA if tick % PAISA == 0 else FINEST
        self._steps = (tick, fallback)

    def meant(self, number: float) -> Decimal | None:
        """The only multiple of a step that makes this float32; None: there is none, or not only one."""
        for step in self._steps:
            price = (Decimal(number) / step).to_integral_value() * step
            below, above = _as_float32(price - step), _as_float32(price + step)
            if below != number == _as_float32(price) != above:
                return price
        return None


class Shortest(Rupees):
    """Of no tick. `rounds`: what has more decimals than four is told to the fourth; else it is no price."""

    def __init__(self, *, rounds: bool) -> None:
        super().__init__()
        self._rounds = rounds

    def meant(self, number: float) -> Decimal | None:
        """The shortest decimal that makes this float32."""
        exact = Decimal(number)
        for places in range(5):
            price = round(exact, places)
            if _as_float32(price) == number:
                return price
        return round(exact, 4) if self._rounds else None


def _as_float32(price: Decimal) -> float:
    number: float = _FLOAT.unpack(_FLOAT.pack(price))[0]
    return number
