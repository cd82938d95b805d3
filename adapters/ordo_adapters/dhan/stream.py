"""Dhan's live market feed (dhan.md 9.1): what subscribes, and the packets of prices.

A packet tells its kind and its length, and each kind has one length: where they do not fit, the frame is refused whole, because
behind a wrong length every price would be read from a wrong place.

A price is a float of 32 bits. What is traded at has two decimals, four in currency, so a number that is none of these, but for
what 32 bits cannot hold, was read from a wrong place. Averages and closes that were adjusted have as many decimals as they like.

Left out: the quantity of the last trade, whose 16 bits run over, and an index' packets of kind 1, which Dhan does not document.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from math import isfinite
from struct import Struct as Layout
from typing import Any

import msgspec
from msgspec import Struct

from ordo_adapters.dhan.tables import FAULTS, FEED_SEGMENT, FEED_WORDS, STREAM_MODE
from ordod.adapter import (
    IST,
    BadRow,
    BrokerError,
    DepthTick,
    Exchange,
    Fault,
    Frame,
    Instrument,
    Level,
    Mode,
    Pushed,
    Stream,
    Tick,
)

__all__ = ["DhanStream"]

INDEX, TICKER, QUOTE, OI, CLOSE, STATUS, FULL, BYE = 1, 2, 4, 5, 6, 7, 8, 50  # kinds of packets
LENGTHS = {TICKER: 16, QUOTE: 50, OI: 12, CLOSE: 16, STATUS: 8, FULL: 162, BYE: 10}
_HEAD = Layout("<BH5s")  # kind, length, and the segment and id that name a contract
_TICKER = Layout("<8x2I")
_QUOTE = Layout("<8xI2x2I3I4I")
_FULL = Layout("<8xI2x2I4I8x4I" + "IIHHII" * 5)
_ONE = Layout("<8xI")
_TWO = Layout("<8x2I")
_REASON = Layout("<8xH")
_NAME = Layout("<BI")
_BITS, _FLOAT = Layout("<I"), Layout("<f")

PAISE, FINER = Decimal("0.01"), Decimal("0.0001")
CURRENCY = frozenset({Exchange.CDS, Exchange.BCD})
PRICE_LIMIT = 1 << 24  # rupees: above it is no price of any contract
PRICES_KEPT = 100_000
TIMES_KEPT = 1000
FIRST_S = 946_684_800  # of the year 2000: before it is no time, and above it no count of contracts
# Times are told as if India's clock were Greenwich's (9.1: the SDK and others read them so).
AHEAD_S = 19_800

_JSON = msgspec.json.Encoder()


class _Prices(dict[int, Any]):
    """Bits -> rupees, None for none; made once each, they repeat all day.

    A number is what it most simply may be: the first of `units` of which it is a multiple, but for what 32 bits cannot hold.
    `rest`: what others are rounded to; None: they are no prices.
    """

    def __init__(self, *units: Decimal, rest: Decimal | None = None) -> None:
        super().__init__({0: None})
        self._units = units
        self._rest = rest

    def __missing__(self, bits: int) -> Decimal:
        (number,) = _FLOAT.unpack(_BITS.pack(bits))
        if not (isfinite(number) and 0 < number < PRICE_LIMIT):
            raise BrokerError(Fault.UNREADABLE, f"{number} is no price")
        price = self._simplest(Decimal(number))
        if len(self) >= PRICES_KEPT:
            self.clear()
            self[0] = None
        price = self[bits] = price.normalize() + 0
        return price

    def _simplest(self, number: Decimal) -> Decimal:
        for unit in self._units:
            price = number.quantize(unit)
            if abs(number - price) <= number / (1 << 23):
                return price
        if self._rest is None:
            raise BrokerError(Fault.UNREADABLE, f"{number:.7g} is no price")
        return number.quantize(self._rest)


class _Times(dict[int, datetime | None]):
    def __missing__(self, seconds: int) -> datetime | None:
        if len(self) >= TIMES_KEPT:
            self.clear()
        if seconds and seconds < FIRST_S:
            raise BrokerError(Fault.UNREADABLE, f"{seconds} is no time")
        at = self[seconds] = datetime.fromtimestamp(seconds - AHEAD_S, IST) if seconds else None
        return at


_TRADED = {PAISE: _Prices(PAISE), FINER: _Prices(FINER)}
_RECKONED = _Prices(PAISE, rest=FINER)
_TIMES = _Times()


class _Contract(Struct):
    """One that is subscribed. `counts`: its quantities are units for sure; `oi`, `close`: what its own packets of them said."""

    symbol: str
    prices: _Prices
    counts: bool
    has_oi: bool
    mode: Mode
    oi: int | None = None
    close: Decimal | None = None


class DhanStream(Stream):
    """One connection's codec."""

    def __init__(self) -> None:
        self._contracts: dict[bytes, _Contract] = {}

    # What we say

    def subscribe(self, instruments: Sequence[Instrument], mode: Mode) -> Iterable[Frame]:
        """What came in another mode is left first: whether one takes the place of the other is not documented."""
        before: dict[Mode, list[Instrument]] = {}
        for instrument in instruments:
            name = _name(instrument)
            known = self._contracts.get(name)
            if known is not None and known.mode is not mode:
                before.setdefault(known.mode, []).append(instrument)
            self._contracts[name] = _contract(instrument, mode)
        for other, some in before.items():
            yield _say(STREAM_MODE[other] + 1, some)
        yield _say(STREAM_MODE[mode], instruments)

    def unsubscribe(self, instruments: Sequence[Instrument]) -> Iterable[Frame]:
        gone: dict[Mode, list[Instrument]] = {}
        for instrument in instruments:
            known = self._contracts.pop(_name(instrument), None)
            if known is not None:
                gone.setdefault(known.mode, []).append(instrument)
        for mode, some in gone.items():
            yield _say(STREAM_MODE[mode] + 1, some)

    # What comes

    def read(self, frame: Frame) -> Sequence[Pushed]:
        if isinstance(frame, str):
            raise BrokerError(Fault.UNREADABLE, "a text, where packets should be")
        pushed: list[Pushed] = []
        for kind, name, packet in _packets(frame):
            if kind == BYE:
                raise _refusal(_REASON.unpack(packet)[0])
            contract = self._contracts.get(name)
            if contract is None or kind == STATUS:
                continue  # of an exchange; or it crossed our unsubscribing
            try:
                pushed += tuple(_READ[kind](packet, contract))  # all of it or nothing
            except BrokerError as error:
                pushed.append(BadRow(f"{contract.symbol}: {error.message}", bytes(packet)))
        return pushed


def _packets(frame: bytes) -> Iterator[tuple[int, bytes, memoryview]]:
    """Raises BrokerError: UNREADABLE, before any, where they do not fill the frame."""
    view, found, at = memoryview(frame), [], 0
    while at < len(frame):
        if len(frame) - at < _HEAD.size:
            raise BrokerError(Fault.UNREADABLE, f"a frame of {len(frame)} bytes was cut")
        kind, length, name = _HEAD.unpack_from(frame, at)
        fits = length > _HEAD.size if kind == INDEX else length == LENGTHS.get(kind)
        if not fits or at + length > len(frame):
            raise BrokerError(Fault.UNREADABLE, f"a packet of kind {kind} and {length} bytes")
        found.append((kind, name, view[at : at + length]))
        at += length
    if not found:
        raise BrokerError(Fault.UNREADABLE, "an empty frame")
    return iter(found)


def _refusal(reason: int) -> BrokerError:
    """Why Dhan ends the connection (dhan.md 11)."""
    words = f"Dhan ended the stream with {reason}"
    row = FAULTS.find(0, str(reason), words)
    return BrokerError(row.fault if row else Fault.BROKER_UNAVAILABLE, words, code=str(reason))


# Each kind of packet. A contract that was never traded today has no time of a trade, and its last price is none.


def _ticker(packet: memoryview, contract: _Contract) -> Iterable[Pushed]:
    last, traded = _TICKER.unpack(packet)
    price, at = contract.prices[last], _TIMES[traded]
    return (Tick(contract.symbol, price, None, at),) if price and at else ()


def _quote(packet: memoryview, contract: _Contract) -> Iterable[Pushed]:
    # fmt: off
    last, traded, average, volume, sells, buys, first, close, high, low = _QUOTE.unpack(packet)
    # fmt: on
    rest = (average, volume, buys, sells, first, high, low, close)
    return _tick(contract, last, traded, *rest, contract.oi)


def _full(packet: memoryview, contract: _Contract) -> Iterable[Pushed]:
    numbers = _FULL.unpack(packet)
    last, traded, average, volume, sells, buys, oi, first, close, high, low = numbers[:11]
    rest = (average, volume, buys, sells, first, high, low, close)
    yield from _tick(contract, last, traded, *rest, oi)
    if contract.counts:
        prices = contract.prices
        buy, sell = [], []
        for at in range(11, len(numbers), 6):
            bids, asks, bidders, askers, bid, ask = numbers[at : at + 6]
            if bids:
                buy.append(Level(_of_level(prices[bid]), bids, bidders))
            if asks:
                sell.append(Level(_of_level(prices[ask]), asks, askers))
        yield DepthTick(contract.symbol, tuple(buy), tuple(sell))


def _of_level(price: Decimal | None) -> Decimal:
    if price is None:
        raise BrokerError(Fault.UNREADABLE, "a level without a price")
    return price


def _tick(
    contract: _Contract,
    last: int,
    traded: int,
    average: int,
    volume: int,
    buys: int,
    sells: int,
    first: int,
    high: int,
    low: int,
    close: int,
    oi: int | None,
) -> Iterable[Pushed]:
    """`close` turns into today's when the market closes; the packet of its own keeps to the day before's."""
    prices, counts = contract.prices, contract.counts
    price, at = prices[last], _TIMES[traded]
    tick = Tick(
        symbol=contract.symbol,
        last_price=price,
        traded_at=at,
        average_price=_RECKONED[average],
        volume=volume if counts else None,
        buy_quantity=buys if counts else None,
        sell_quantity=sells if counts else None,
        open_price=prices[first],
        high_price=prices[high],
        low_price=prices[low],
        close_price=contract.close or _RECKONED[close],
        oi=oi if counts and contract.has_oi else None,
    )
    return (tick,) if price and at else ()


def _oi(packet: memoryview, contract: _Contract) -> Iterable[Pushed]:
    """Told with the next price."""
    (contract.oi,) = _ONE.unpack(packet)
    return ()


def _close(packet: memoryview, contract: _Contract) -> Iterable[Pushed]:
    close, oi = _TWO.unpack(packet)
    if oi >= FIRST_S:  # a ticker's time
        raise BrokerError(Fault.UNREADABLE, f"{oi} contracts are no open interest")
    contract.close = _RECKONED[close]
    return ()


def _index(packet: memoryview, contract: _Contract) -> Iterable[Pushed]:
    raise BrokerError(Fault.UNREADABLE, "a packet of the kind that Dhan does not document")


_READ = {
    INDEX: _index,
    TICKER: _ticker,
    QUOTE: _quote,
    OI: _oi,
    CLOSE: _close,
    FULL: _full,
}


# Names


def _name(instrument: Instrument) -> bytes:
    """As packets have it."""
    segment, _, security_id = instrument.instrument_token.partition(":")
    return _NAME.pack(FEED_SEGMENT[segment], int(security_id))


def _contract(instrument: Instrument, mode: Mode) -> _Contract:
    is_index = instrument.instrument_token.startswith(FEED_WORDS[0])
    return _Contract(
        symbol=instrument.symbol,
        prices=_TRADED[FINER if instrument.exchange in CURRENCY else PAISE],
        counts=instrument.lot_size is not None and not is_index,
        has_oi=instrument.expiry is not None,
        mode=mode,
    )


def _say(code: int, instruments: Sequence[Instrument]) -> str:
    names = [one.instrument_token.partition(":") for one in instruments]
    said = {
        "RequestCode": code,
        "InstrumentCount": len(names),
        "InstrumentList": [{"ExchangeSegment": s, "SecurityId": one} for s, _, one in names],
    }
    return _JSON.encode(said).decode()
