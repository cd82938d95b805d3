"""Angel One's market socket (angelone.md 9.1): what subscribes, and the packets of prices.

One frame is one packet. Its mode tells its length, so a frame of any other length is refused: its numbers would be read from a
wrong place. Prices are paise, in currency ten-millionths of a rupee.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from struct import Struct as Layout
from typing import Any

import msgspec
from msgspec import Struct

from ordo_adapters.angelone.tables import FEED_EXCHANGE, SIZED, STREAM_MODE
from ordod.adapter import (
    IST,
    BadRow,
    BrokerError,
    DepthTick,
    Exchange,
    Fault,
    Frame,
    Instrument,
    InstrumentKind,
    Level,
    Mode,
    Notice,
    Pushed,
    Stream,
    Tick,
    from_json,
    masked,
)

__all__ = ["SmartStream"]

LTP, QUOTE, SNAP = 1, 2, 3  # modes, as packets name them
LENGTHS = {LTP: 51, QUOTE: 123, SNAP: 379}
_HEAD = Layout("<BB25s8xqq")  # mode, exchange, token, the exchange's time, last price
_DAY = Layout("<51x3q2d4q")  # last quantity, average, volume, buys, sells, open, high, low, close
_SNAP = Layout("<123x2q8x200s")  # time of the last trade, open interest, levels
_LEVEL = Layout("<hqqh")  # 1 buys and 0 sells, quantity, price, orders

PAISE, CURRENCY = 100, 10_000_000  # of a rupee
PRICE_LIMIT = 1 << 24  # rupees: above it is no price of any contract
COUNT_LIMIT = 1 << 50
PRICES_KEPT = 100_000  # some 15 MB
FIRST_S, LAST_S = 946_684_800, 4_102_444_800  # the years 2000 to 2100: others are no times

_JSON = msgspec.json.Encoder()


class _Prices(dict[int, Decimal | None]):
    """What a packet's numbers mean in rupees, None for none; made once each, they repeat all day."""

    def __init__(self, divisor: int) -> None:
        super().__init__({0: None})
        self._divisor = divisor

    def __missing__(self, number: int) -> Decimal:
        scaled, rest = divmod(number * 10_000, self._divisor)
        if not 0 < number < PRICE_LIMIT * self._divisor or rest:
            raise BrokerError(Fault.UNREADABLE, f"{number}/{self._divisor} is no price")
        if len(self) >= PRICES_KEPT:
            self.clear()
            self[0] = None
        price = self[number] = Decimal(scaled).scaleb(-4).normalize() + 0
        return price


_prices = lru_cache(maxsize=None)(_Prices)


class _Contract(Struct, frozen=True):
    """One that is subscribed. `counts`: its quantities are units for sure, and there are any."""

    symbol: str
    prices: _Prices
    counts: bool
    has_oi: bool
    mode: Mode


class SmartStream(Stream):
    """One connection's codec."""

    def __init__(self) -> None:
        self._contracts: dict[tuple[int, bytes], _Contract] = {}

    # What we say

    def keep_alive(self) -> Frame:
        return "ping"

    def subscribe(self, instruments: Sequence[Instrument], mode: Mode) -> Iterable[Frame]:
        """What came in another mode is left first: each mode of a token counts against the limit."""
        before: dict[Mode, list[Instrument]] = {}
        for instrument in instruments:
            name = _name(instrument)
            known = self._contracts.get(name)
            if known is not None and known.mode is not mode:
                before.setdefault(known.mode, []).append(instrument)
            self._contracts[name] = _contract(instrument, mode)
        for other, some in before.items():
            yield _say(0, other, some)
        yield _say(1, mode, instruments)

    def unsubscribe(self, instruments: Sequence[Instrument]) -> Iterable[Frame]:
        gone: dict[Mode, list[Instrument]] = {}
        for instrument in instruments:
            known = self._contracts.pop(_name(instrument), None)
            if known is not None:
                gone.setdefault(known.mode, []).append(instrument)
        for mode, some in gone.items():
            yield _say(0, mode, some)

    # What comes

    def read(self, frame: Frame) -> Sequence[Pushed]:
        if isinstance(frame, str):
            return () if frame == "pong" else (_words(frame),)
        if len(frame) < _HEAD.size or len(frame) != LENGTHS.get(frame[0]):
            raise BrokerError(Fault.UNREADABLE, f"a frame of {len(frame)} bytes is no packet")
        mode, exchange, token, at, last = _HEAD.unpack_from(frame)
        contract = self._contracts.get((exchange, token.partition(b"\0")[0]))
        if contract is None:
            return ()  # it crossed our unsubscribing
        try:
            return _READ[mode](frame, contract, _time(at / 1000), contract.prices[last])
        except BrokerError as error:
            return (BadRow(f"{contract.symbol}: {error.message}", frame),)


def _words(text: str) -> Notice:
    """What was asked for and not done. Raises BrokerError: UNREADABLE."""
    match from_json(text.encode("utf-8", "replace")):
        case {"errorCode": code, "errorMessage": message}:
            return Notice(f"{masked(str(message))[:500]} ({code})", is_error=True)
        case _:
            raise BrokerError(Fault.UNREADABLE, "a text of no kind")


# Each mode's packets. A contract that has no last price says nothing.


def _ltp(
    _: bytes, contract: _Contract, at: datetime | None, last: Decimal | None
) -> Sequence[Pushed]:
    return (Tick(contract.symbol, last, at),) if last else ()


def _quote(
    frame: bytes, contract: _Contract, at: datetime | None, last: Decimal | None
) -> Sequence[Pushed]:
    return _tick(frame, contract, at, last, None, None)


def _snap(
    frame: bytes, contract: _Contract, at: datetime | None, last: Decimal | None
) -> Sequence[Pushed]:
    traded, oi, levels = _SNAP.unpack_from(frame)
    ticks = _tick(frame, contract, at, last, _time(traded), _count(oi))
    if not contract.counts:
        return ticks
    sides: dict[int, list[Level]] = {1: [], 0: []}
    for side, quantity, number, orders in _LEVEL.iter_unpack(levels):
        price = contract.prices[number]
        if side not in sides or orders < 0:
            raise BrokerError(Fault.UNREADABLE, f"a level of side {side} and {orders} orders")
        if _count(quantity):
            if price is None:
                raise BrokerError(Fault.UNREADABLE, "a level without a price")
            sides[side].append(Level(price, quantity, orders))
    return (*ticks, DepthTick(contract.symbol, tuple(sides[1]), tuple(sides[0]), at))


def _tick(
    frame: bytes,
    contract: _Contract,
    at: datetime | None,
    last: Decimal | None,
    traded: datetime | None,
    oi: int | None,
) -> Sequence[Pushed]:
    # fmt: off
    quantity, average, volume, buys, sells, first, high, low, close = _DAY.unpack_from(frame)
    # fmt: on
    prices, counts = contract.prices, contract.counts
    counted = [_count(number) for number in (quantity, volume, buys, sells)]
    quantity, volume, buys, sells = counted if counts else [None] * 4
    mean = prices[average]
    day = (prices[first], prices[high], prices[low], prices[close])
    if not last:
        return ()
    tick = Tick(
        symbol=contract.symbol,
        last_price=last,
        at=at,
        traded_at=traded,
        last_quantity=quantity,
        average_price=mean,
        volume=volume,
        buy_quantity=buys,
        sell_quantity=sells,
        open_price=day[0],
        high_price=day[1],
        low_price=day[2],
        close_price=day[3],
        oi=oi if counts and contract.has_oi else None,
    )
    return (tick,)


_READ = {LTP: _ltp, QUOTE: _quote, SNAP: _snap}


def _count(number: float) -> int:
    """Units: two of the counts come as fractions. Raises BrokerError: UNREADABLE."""
    if not (0 <= number < COUNT_LIMIT and number == int(number)):
        raise BrokerError(Fault.UNREADABLE, f"{number} is no quantity")
    return int(number)


def _time(seconds: float) -> datetime | None:
    """Of seconds since 1970; 0: none. Raises BrokerError: UNREADABLE."""
    if not seconds:
        return None
    if not FIRST_S < seconds < LAST_S:
        raise BrokerError(Fault.UNREADABLE, f"{seconds} is no time")
    return datetime.fromtimestamp(seconds, IST)


# Names


def _name(instrument: Instrument) -> tuple[int, bytes]:
    """As packets have it."""
    return FEED_EXCHANGE[instrument.exchange], instrument.instrument_token.encode()


def _contract(instrument: Instrument, mode: Mode) -> _Contract:
    is_counted = instrument.exchange not in SIZED or instrument.lot_size is not None
    return _Contract(
        symbol=instrument.symbol,
        prices=_prices(CURRENCY if instrument.exchange is Exchange.CDS else PAISE),
        counts=is_counted and instrument.kind is not InstrumentKind.INDEX,
        has_oi=instrument.expiry is not None,
        mode=mode,
    )


def _say(action: int, mode: Mode, instruments: Sequence[Instrument]) -> str:
    tokens: dict[int, list[str]] = {}
    for instrument in instruments:
        exchange = FEED_EXCHANGE[instrument.exchange]
        tokens.setdefault(exchange, []).append(instrument.instrument_token)
    listed = [{"exchangeType": exchange, "tokens": each} for exchange, each in tokens.items()]
    params: dict[str, Any] = {"mode": STREAM_MODE[mode], "tokenList": listed}
    return _JSON.encode({"action": action, "params": params}).decode()
