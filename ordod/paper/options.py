"""Options: chains of strikes whose prices follow from a forward that moves as futures do.

An option's price is Black's of 1976 on that forward, with a fixed smile and no interest, at each instant: so the whole chain
moves with its underlying, calls and puts agree on the forward to the tick, time decays, and nothing is kept. After the close
of its last day an option is worth what it would be if exercised then.
"""

from collections.abc import Iterator
from datetime import date, time
from decimal import Decimal
from functools import cached_property
from math import exp, log, sqrt

from msgspec import Struct
from msgspec.structs import replace

from ordod.domain.black76 import price as black
from ordod.domain.instruments import Exchange, Instrument, InstrumentKind
from ordod.paper.hours import STEPS_S, day_number, step_on
from ordod.paper.market import CLOSE, Listing, Walk

__all__ = ["Chain", "OptionWalk", "chain_listings", "walk_of"]

TICK = Decimal("0.05")
TRADING_DAYS = 252
SKEW, SMILE = -0.8, 6.0  # of the volatility, by ln(strike / forward) and its square
LEAST = 0.5  # of the volatility at the money; far strikes have no less
TOKENS = 1_000_000  # the first instrument token
FORWARD_BAND = Decimal("0.1")  # as futures have it
LOTS_DAY = 40_000  # traded in a day at the money
NEAR = 0.04  # ln(strike / level) at which a third of that is traded
STEPS_YEAR = 365 * 86_400 * STEPS_S


class Chain(Struct, frozen=True, kw_only=True):
    """The options of one underlying and expiry.

    Args:
        level: of the underlying, rupees; strikes stand `reach` (a fraction) on both sides of it, `step` apart.
        forward: the level of the forward to the expiry.
        finest: the least step any chain of this underlying has: strikes are numbered by it, so that tokens stay.
        short_rate: fraction of the forward's value that a short option ties up: a future's.
    """

    name: str
    expiry: date
    level: Decimal
    forward: Decimal
    step: Decimal
    finest: Decimal
    reach: Decimal
    lot: int
    freeze: int
    volatility: float
    short_rate: Decimal


def chain_listings(chain: Chain, number: int, on: date) -> Iterator[Listing]:
    """A call and a put for each strike. `number`: the underlying's, below 8."""
    lowest = chain.level * (1 - chain.reach) // chain.step * chain.step
    highest = chain.level * (1 + chain.reach)
    week = day_number(chain.expiry) // 7 % 100
    first = chain.level * (1 - chain.reach) // chain.finest
    strike = lowest
    while strike <= highest:
        place = int(strike / chain.finest - first) + 1
        assert 0 <= place < 256
        token = TOKENS + ((week * 8 + number) * 256 + place) * 2
        for kind in (InstrumentKind.CALL, InstrumentKind.PUT):
            yield _listing(chain, strike, kind, token + (kind is InstrumentKind.PUT), on)
        strike += chain.step


def _listing(chain: Chain, strike: Decimal, kind: InstrumentKind, token: int, on: date) -> Listing:
    contract = f"{chain.name}{chain.expiry:%d%b%y}{strike.normalize():f}{kind}".upper()
    distance = abs(log(strike / chain.level))
    steps = step_on(day_number(chain.expiry), CLOSE) - step_on(day_number(on), time(9, 15))
    worth = _worth(kind, float(chain.forward), float(strike), steps, chain.volatility)
    return Listing(
        instrument=Instrument(
            exchange=Exchange.NFO,
            symbol=f"NFO:{contract}",
            broker_symbol=contract,
            instrument_token=str(token),
            kind=kind,
            tick_size=TICK,
            lot_size=chain.lot,
            name=chain.name,
            expiry=chain.expiry,
            strike=strike,
            freeze_quantity=chain.freeze,
        ),
        last_price=max(TICK, round(Decimal(worth) / TICK) * TICK),
        volatility=chain.volatility,
        depth_quantity=chain.lot * 20,
        day_volume=chain.lot * (10 + int(LOTS_DAY * exp(-distance / NEAR))),
        walk=chain.name,
        forward=chain.forward,
        short_margin=(chain.forward * chain.short_rate).quantize(TICK),
    )


def walk_of(listing: Listing, seed: int) -> Walk:
    """How the price of this listing moves."""
    return Walk(listing, seed) if listing.forward is None else OptionWalk(listing, seed)


class OptionWalk(Walk):
    """The price of an option, in paise: never below a tick while it lives."""

    def __init__(self, listing: Listing, seed: int) -> None:
        instrument = listing.instrument
        assert listing.forward is not None
        assert instrument.strike is not None
        assert instrument.expiry is not None
        # What is drawn for it (sizes, volumes) is its own; its moves are the forward's.
        super().__init__(replace(listing, volatility=0.0, walk=instrument.symbol), seed)
        self._of = listing
        self._seed = seed
        self._kind = instrument.kind
        self._strike = float(instrument.strike)
        self._ends_at = step_on(day_number(instrument.expiry), CLOSE)

    @cached_property
    def forward(self) -> Walk:
        assert self._of.forward is not None
        instrument = replace(self._of.instrument, tick_size=TICK)
        forward = Listing(
            instrument=instrument,
            last_price=self._of.forward,
            volatility=self._of.volatility,
            band=FORWARD_BAND,
            walk=self._of.walk,
        )
        return Walk(forward, self._seed)

    def band(self, day: int) -> tuple[int, int, int, int]:
        """(day, lower circuit, upper circuit, close of the day before): a tick, and what its forward's circuit would make of it."""
        if self._band[0] != day:
            closed = step_on(day - 1, CLOSE)
            _, low, high, _ = self.forward.band(day)
            farthest = high if self._kind is InstrumentKind.CALL else low
            close = self._free(closed)
            limit = self._rounded(self._worth(farthest / 100, closed))
            self._band = (day, self.tick, max(limit, close) + self.tick, close)
        return self._band

    def settlement(self) -> int:
        """What it is worth at its end, paise; 0 where it is not exercised."""
        forward = self.forward.price(self._ends_at - 1) / 100
        return round(_worth(self._kind, forward, self._strike, 0, 0.0) * 100)

    def _free(self, step: int) -> int:
        step = min(step, self._ends_at)
        forward = self.forward.price(min(step, self._ends_at - 1)) / 100
        return self._rounded(self._worth(forward, step))

    def _worth(self, forward: float, step: int) -> float:
        steps = max(0, self._ends_at - step)
        return _worth(self._kind, forward, self._strike, steps, self._of.volatility)

    def _rounded(self, worth: float) -> int:
        return max(self.tick, round(worth * 100 / self.tick) * self.tick)


def _worth(kind: InstrumentKind, forward: float, strike: float, steps: int, move: float) -> float:
    """Rupees, so many steps before the end. `move`: the underlying's of a trading day."""
    away = log(strike / forward)
    volatility = move * sqrt(TRADING_DAYS) * max(LEAST, 1 + SKEW * away + SMILE * away * away)
    is_call = kind is InstrumentKind.CALL
    return black(is_call, forward, strike, steps / STEPS_YEAR, 0.0, volatility)
