"""How the price of what is listed moves: a pure function of seed, name and time.

The price is a sum of smooth random waves, each four times as long and twice as high as the one before, which looks like a
random walk but needs no state: any instant of any day can be asked for in any order, so candles of the past, quotes of now
and a replay all agree, and nothing has to run while nobody looks.
"""

from datetime import time
from decimal import Decimal
from hashlib import blake2b
from math import sqrt

from msgspec import Struct

from ordod.domain.instruments import Instrument
from ordod.paper.hours import STEPS_DAY, day_of, step_on

__all__ = ["Listing", "Walk", "to_paise"]

WAVES = 11  # of 1 s, 4 s, 16 s ... 12 days
TRADING_DAY_S = 22_500  # 09:15 to 15:30: what `volatility` is counted for
CLOSE = time(15, 30)
_MASK = (1 << 64) - 1


class Listing(Struct, frozen=True, kw_only=True):
    """An instrument as this exchange trades it.

    Args:
        last_price: the level its price moves around, rupees.
        volatility: standard move of a trading day, as a fraction; 0: the price stands still.
        margin_rate: fraction of the value that a futures position ties up.
        band: how far from the last close orders are taken, as a fraction, where the instrument names no circuit limits.
        depth_quantity: about how many units the market maker shows at each of its five levels; 0: there is none.
        day_volume: about how many units trade in a day.
        walk: whose moves it follows (a share on two exchanges, a future its index); its own symbol where empty.
        forward: of an option: the level its forward moves around, rupees; its own price follows (`options`).
        short_margin: rupees a unit that a short position ties up; 0: `margin_rate` of its value, as a long one.
    """

    instrument: Instrument
    last_price: Decimal
    volatility: float = 0.015
    margin_rate: Decimal = Decimal(1)
    band: Decimal = Decimal("0.2")
    depth_quantity: int = 500
    day_volume: int = 1_000_000
    walk: str = ""
    forward: Decimal | None = None
    short_margin: Decimal = Decimal(0)


def to_paise(price: Decimal) -> int:
    """A price in whole paise; what lies below is cut off, so check the tick first."""
    return int(price * 100)


class Walk:
    """The price of one listing, in paise, on its tick and within its band."""

    def __init__(self, listing: Listing, seed: int) -> None:
        tick = to_paise(listing.instrument.tick_size)
        assert tick > 0
        assert tick == listing.instrument.tick_size * 100, "a tick is a whole number of paise"
        name = f"{seed}:{listing.walk or listing.instrument.symbol}"
        self.tick = tick
        self._listing = listing
        self._level = to_paise(listing.last_price)
        self._salt = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")
        self._waves: list[tuple[int, int, float]] = []
        if listing.volatility:
            for number in range(WAVES):
                seconds = 4**number
                height = listing.volatility * sqrt(seconds / TRADING_DAY_S)
                self._waves.append((number, seconds * 4, height))
        self._ends: list[tuple[int, float, float]] = [(-1, 0.0, 0.0)] * len(self._waves)
        self._band: tuple[int, int, int, int] = (-1, 0, 0, 0)
        self._at: tuple[int, int] = (-1, 0)

    def price(self, step: int) -> int:
        if self._at[0] != step:
            _, low, high, _ = self.band(day_of(step))
            self._at = (step, min(max(self._free(step), low), high))
        return self._at[1]

    def band(self, day: int) -> tuple[int, int, int, int]:
        """(day, lower circuit, upper circuit, close of the day before), paise."""
        if self._band[0] != day:
            tick, instrument = self.tick, self._listing.instrument
            close = self._free(step_on(day - 1, CLOSE))
            width = int(close * self._listing.band)
            low, high = -((width - close) // tick) * tick, (close + width) // tick * tick
            if instrument.lower_circuit is not None:
                low = to_paise(instrument.lower_circuit)
            if instrument.upper_circuit is not None:
                high = to_paise(instrument.upper_circuit)
            self._band = (day, max(low, tick), high, close)
        return self._band

    def chance(self, *of: int) -> float:
        """A number in [0, 1) that is always the same for the same arguments."""
        return self._mix(*of) / 2**64

    def _free(self, step: int) -> int:
        move = 0.0
        for number, length, height in self._waves:
            index, offset = divmod(step, length)
            ends = self._ends[number]
            if ends[0] != index:
                ends = (index, self._end(number, index), self._end(number, index + 1))
                self._ends[number] = ends
            part = offset / length
            part = part * part * (3.0 - 2.0 * part)
            move += height * (ends[1] + (ends[2] - ends[1]) * part)
        return max(self.tick, round(self._level * (1.0 + move) / self.tick) * self.tick)

    def _end(self, number: int, index: int) -> float:
        return self._mix(number, index) / 2**63 - 1.0

    def _mix(self, *of: int) -> int:
        """SplitMix64's finisher over the arguments: cheap, and the same on every machine."""
        value = self._salt
        for number in of:
            value = (value ^ number) + 0x9E3779B97F4A7C15 & _MASK
            value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & _MASK
            value = (value ^ value >> 27) * 0x94D049BB133111EB & _MASK
            value ^= value >> 31
        return value

    def volume(self, step: int) -> int:
        """Units traded since midnight of the step's day: grows steadily, about `day_volume` by its end."""
        day = day_of(step)
        passed = step - step_on(day, time(0))
        today = self._listing.day_volume * (0.5 + self.chance(WAVES, day))
        return int(today * passed / STEPS_DAY)

    def open_interest(self, step: int) -> int:
        """Units: some days' volume, from one day's level to the next one's; of futures and options."""
        day, lot = day_of(step), self._listing.instrument.lot_size or 1
        before, after = (
            self._listing.day_volume * (1 + self.chance(WAVES + 1, one)) for one in (day - 1, day)
        )
        part = (step - step_on(day, time(0))) / STEPS_DAY
        return int(before + (after - before) * part) // lot * lot
