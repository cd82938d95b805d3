"""What is listed, and how its price moves: a pure function of seed, name and time.

The price is a sum of smooth random waves, each four times as long and twice as high as the one before, which looks like a
random walk but needs no state: any instant of any day can be asked for in any order, so candles of the past, quotes of now
and a replay all agree, and nothing has to run while nobody looks.
"""

from collections.abc import Callable, Iterator
from datetime import date, time, timedelta
from decimal import Decimal
from functools import partial
from hashlib import blake2b
from math import sqrt

from msgspec import Struct

from ordod.domain.instruments import Exchange, Instrument, InstrumentKind
from ordod.paper.hours import STEPS_DAY, day_of, step_on

__all__ = ["Listing", "Walk", "listings", "to_paise"]

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
    """

    instrument: Instrument
    last_price: Decimal
    volatility: float = 0.015
    margin_rate: Decimal = Decimal(1)
    band: Decimal = Decimal("0.2")
    depth_quantity: int = 500
    day_volume: int = 1_000_000
    walk: str = ""


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


# What is listed

SHARES: tuple[
    tuple[str, str, bool], ...
] = (  # name, price, on BSE too; prices are plausible, not of any day
    ("RELIANCE", "1420", True),
    ("TCS", "3120", True),
    ("HDFCBANK", "985", True),
    ("ICICIBANK", "1385", True),
    ("INFY", "1450", True),
    ("SBIN", "865", True),
    ("ITC", "405", True),
    ("BHARTIARTL", "2010", True),
    ("HINDUNILVR", "2480", False),
    ("LT", "3820", False),
    ("AXISBANK", "1210", False),
    ("KOTAKBANK", "2105", False),
    ("BAJFINANCE", "1035", False),
    ("MARUTI", "15600", False),
    ("SUNPHARMA", "1690", False),
    ("TITAN", "3740", False),
    ("ASIANPAINT", "2515", False),
    ("ULTRACEMCO", "12050", False),
    ("WIPRO", "242", False),
    ("HCLTECH", "1545", False),
    ("NTPC", "335", False),
    ("POWERGRID", "285", False),
    ("ONGC", "248", False),
    ("COALINDIA", "390", False),
    ("TATASTEEL", "172", True),
    ("JSWSTEEL", "1160", False),
    ("HINDALCO", "760", False),
    ("M&M", "3540", False),
    ("BAJAJ-AUTO", "8950", False),
    ("NESTLEIND", "1225", False),
    ("IDEA", "9.5", True),
    ("YESBANK", "22.4", False),
)
INDICES: tuple[tuple[Exchange, str, str], ...] = (
    (Exchange.NSE_INDEX, "NIFTY", "25000"),
    (Exchange.NSE_INDEX, "BANKNIFTY", "56000"),
    (Exchange.NSE_INDEX, "FINNIFTY", "26500"),
    (Exchange.NSE_INDEX, "INDIAVIX", "12.5"),
    (Exchange.BSE_INDEX, "SENSEX", "82000"),
)
FUTURES: tuple[tuple[str, str, str, int, int], ...] = (  # name, price, tick, lot, freeze: units
    ("NIFTY", "25000", "0.1", 65, 1_800),
    ("BANKNIFTY", "56000", "0.2", 30, 600),
    ("RELIANCE", "1420", "0.1", 500, 50_000),
    ("INFY", "1450", "0.1", 400, 40_000),
    ("SBIN", "865", "0.05", 750, 60_000),
    ("TATASTEEL", "172", "0.01", 5_500, 200_000),
)
COMMODITIES: tuple[tuple[str, str, str, int, int, int], ...] = (
    # name, price, tick, lot in units of the quotation, freeze, day of the month it expires at the latest
    ("CRUDEOIL", "5800", "1", 100, 10_000, 19),
    ("GOLDM", "122000", "1", 10, 1_000, 5),
    ("SILVERM", "152000", "1", 5, 300, 28),
    ("NATURALGAS", "310", "0.1", 1_250, 60_000, 26),
    ("COPPER", "985", "0.05", 2_500, 70_000, 28),
)
CASH_FREEZE = 100_000
CARRY = Decimal("0.0002")  # what a future costs above its underlying, for each day to its end


def listings(on: date) -> tuple[Listing, ...]:
    """A few dozen instruments as they stand on a day: shares, indices, futures of two expiries, commodities."""
    return (*_shares(), *_indices(), *_futures(on), *_commodities(on))


def _shares() -> Iterator[Listing]:
    for number, (name, price, on_bse) in enumerate(SHARES):
        for exchange in (Exchange.NSE, Exchange.BSE)[: 1 + on_bse]:
            level = Decimal(price)
            token = 1_000 + number if exchange is Exchange.NSE else 500_000 + number
            yield Listing(
                instrument=Instrument(
                    exchange=exchange,
                    symbol=f"{exchange}:{name}",
                    broker_symbol=name,
                    instrument_token=str(token),
                    kind=InstrumentKind.EQUITY,
                    tick_size=_cash_tick(level),
                    lot_size=1,
                    name=name,
                    freeze_quantity=CASH_FREEZE,
                ),
                last_price=level,
                depth_quantity=max(100, int(1_000_000 / level)),
                day_volume=int(5_000_000_000 / level),
                walk=name,
            )


def _cash_tick(price: Decimal) -> Decimal:
    """NSE's ticks by price since April 2025."""
    for below, tick in ((250, "0.01"), (1_000, "0.05"), (5_000, "0.1"), (10_000, "0.5")):
        if price < below:
            return Decimal(tick)
    return Decimal(1)


def _indices() -> Iterator[Listing]:
    for number, (exchange, name, price) in enumerate(INDICES):
        yield Listing(
            instrument=Instrument(
                exchange=exchange,
                symbol=f"{exchange}:{name}",
                broker_symbol=name,
                instrument_token=str(900_000 + number),
                kind=InstrumentKind.INDEX,
                tick_size=Decimal("0.05"),
                lot_size=None,
                name=name,
            ),
            last_price=Decimal(price),
            volatility=0.008,
            depth_quantity=0,
            day_volume=0,
            walk=name,
        )


def _futures(on: date) -> Iterator[Listing]:
    indices = {name for _, name, _ in INDICES}
    for expiry in _expiries(on, _last_tuesday):
        for number, (name, price, tick, lot, freeze) in enumerate(FUTURES):
            yield _future(
                Exchange.NFO,
                name,
                expiry,
                token=35_000 + number + 100 * expiry.month,
                price=Decimal(price) * (1 + CARRY * (expiry - on).days),
                tick=Decimal(tick),
                lot=lot,
                freeze=freeze,
                volatility=0.008 if name in indices else 0.015,
                margin_rate=Decimal("0.12") if name in indices else Decimal("0.18"),
            )


def _commodities(on: date) -> Iterator[Listing]:
    for number, (name, price, tick, lot, freeze, latest) in enumerate(COMMODITIES):
        for expiry in _expiries(on, partial(_weekday_by, latest)):
            yield _future(
                Exchange.MCX,
                name,
                expiry,
                token=420_000 + number + 100 * expiry.month,
                price=Decimal(price) * (1 + CARRY * (expiry - on).days),
                tick=Decimal(tick),
                lot=lot,
                freeze=freeze,
                volatility=0.012,
                margin_rate=Decimal("0.1"),
            )


def _future(
    exchange: Exchange,
    name: str,
    expiry: date,
    *,
    token: int,
    price: Decimal,
    tick: Decimal,
    lot: int,
    freeze: int,
    volatility: float,
    margin_rate: Decimal,
) -> Listing:
    contract = f"{name}{expiry:%d%b%y}FUT".upper()
    return Listing(
        instrument=Instrument(
            exchange=exchange,
            symbol=f"{exchange}:{contract}",
            broker_symbol=contract,
            instrument_token=str(token),
            kind=InstrumentKind.FUTURE,
            tick_size=tick,
            lot_size=lot,
            name=name,
            expiry=expiry,
            freeze_quantity=freeze,
        ),
        last_price=price // tick * tick,
        volatility=volatility,
        margin_rate=margin_rate,
        band=Decimal("0.1"),
        depth_quantity=lot * 10,
        day_volume=lot * 100_000,
        walk=name,
    )


def _expiries(on: date, rule: Callable[[int, int], date]) -> tuple[date, date]:
    """The next two expiries, today's included."""
    found: list[date] = []
    year, month = on.year, on.month
    while len(found) < 2:
        if (expiry := rule(year, month)) >= on:
            found.append(expiry)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return found[0], found[1]


def _last_tuesday(year: int, month: int) -> date:
    """NSE's monthly contracts end on the month's last Tuesday (since September 2025)."""
    following = date(year + month // 12, month % 12 + 1, 1)
    last = following - timedelta(days=1)
    return last - timedelta(days=(last.weekday() - 1) % 7)


def _weekday_by(latest: int, year: int, month: int) -> date:
    day = date(year, month, latest)
    return day - timedelta(days=max(0, day.weekday() - 4))
