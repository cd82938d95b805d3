"""Kite's stream (zerodha.md 9): what subscribes, and the bytes of prices and the texts of orders read.

A binary frame is a count of packets and the packets, each behind its length; a packet's kind is its length, nothing else. So a
frame is read only where counts and lengths fill it exactly: one that was cut, or whose length is wrong, is refused whole,
because from the first wrong length on everything would be read from a wrong place.

Speed matters here, thousands of packets a second: packets of one length are unpacked in one sweep, and the Decimal of a price
is made once. Prices of up to ten thousand rupees stand in a list by their paise: the levels of a book are neighbours there,
where a dict's are strewn over memory; that is what takes the time (measured: the ten levels of a packet in 2.5 us to 4.0).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from itertools import groupby
from struct import Struct as Layout
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ordo_adapters.zerodha.rows import OrderRow, read_order
from ordo_adapters.zerodha.tables import (
    DIVISOR,
    IN_LOTS,
    INDEX_SEGMENT,
    RUPEE_DIVISOR,
    STREAM_MODE,
    UPDATE,
)
from ordod.adapter import (
    IST,
    BadRow,
    BrokerError,
    BrokerOrder,
    DepthTick,
    Fault,
    Frame,
    Instrument,
    Instruments,
    Level,
    Mode,
    Notice,
    OrderType,
    Pushed,
    Stream,
    Tick,
    from_json,
    shaped,
)

__all__ = ["KiteStream"]

PRICE_LIMIT = (
    1 << 31
)  # above it is no price of any contract, but what a sign or a wrong place looks like
TIMES_KEPT = 1000
NEAR = 1_000_000  # paise: the list's length, 8 MB
PRICES_KEPT = 100_000  # some 15 MB; 3,000 instruments have about 20 prices each in their books

LTP, INDEX, INDEX_FULL, QUOTE, FULL = 8, 28, 32, 44, 184  # bytes (9.3)
_TWO = Layout(">H")
_TOKEN = Layout(">I")
_LTP = Layout(">4xI")
_INDEX = Layout(">4xI4I4x")  # last, high, low, open, close; the change is left out
_INDEX_FULL = Layout(">4xI4I4xI")  # and the exchange's time
_DAY = Layout(">4I")  # open, high, low, close
_QUOTES = Layout(">2x7I16s")  # with the length before it, and the day in one
_FULLS = Layout(">2x7I16s5I" + "IIHxx" * 10)

_JSON = msgspec.json.Encoder()


class _Prices(dict[int, Any]):
    """What a packet's numbers mean in rupees, 0: None; made once each, they repeat all day.

    `near` has those below NEAR that were made, by number, None elsewhere.
    """

    def __init__(self, divisor: int) -> None:
        super().__init__({0: None})
        self._divisor = Decimal(divisor)
        self.near: list[Any] = [None] * (NEAR if divisor == RUPEE_DIVISOR else 0)

    def __missing__(self, number: int) -> Decimal:
        if number >= PRICE_LIMIT:
            raise BrokerError(Fault.UNREADABLE, f"{number} is no price")
        if len(self) >= PRICES_KEPT:
            for known in self:
                if known < len(self.near):
                    self.near[known] = None
            self.clear()
            self[0] = None
        price = self[number] = round(number / self._divisor, 4).normalize() + 0
        if number < len(self.near):
            self.near[number] = price
        return price

    def day(self, packed: bytes) -> tuple[Any, ...]:
        """The day's four prices."""
        return tuple(self[number] for number in _DAY.unpack(packed))


class _Times(dict[int, datetime | None]):
    """UTC epoch seconds, as the fixtures show (9.3); 0: none."""

    def __missing__(self, seconds: int) -> datetime | None:
        if len(self) >= TIMES_KEPT:
            self.clear()
        at = self[seconds] = datetime.fromtimestamp(seconds, IST) if seconds else None
        return at


_TIMES = _Times()
_prices = lru_cache(maxsize=None)(_Prices)  # there are three divisors


class _Contract(Struct, frozen=True):
    """What reading a packet takes. `size`: units of one of Kite's quantities; None: not known, and quantities are left out."""

    symbol: str
    prices: _Prices
    size: int | None
    has_oi: bool
    is_index: bool

    @property
    def plain(self) -> list[Any]:
        return [self.symbol, self.prices.near, self.prices, b"", (), self.has_oi]


# By instrument token: symbol, the list of prices (for a dear one the dict), the dict, the day's prices as they came last and
# what they mean (most packets repeat them), whether it has open interest.
_Plain: TypeAlias = dict[int, list[Any]]
NEAR_AT, FAR_AT, PACKED_AT, DAY_AT = 1, 2, 3, 4


class _Text(Struct):
    """`{"type": "order", "data": {...}}` (9.4)."""

    type: str
    data: Any = None


class KiteStream(Stream):
    """One connection's codec."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._contracts: dict[int, _Contract] = {}
        self._plain: _Plain = {}  # of these, what counts in units and is no index

    # What we say (9.2)

    def subscribe(self, instruments: Sequence[Instrument], mode: Mode) -> Iterable[Frame]:
        """New ones are subscribed first; twice subscribed would count twice against the limit (9.1)."""
        tokens = [int(instrument.instrument_token) for instrument in instruments]
        news = [token for token in tokens if token not in self._contracts]
        for token, instrument in zip(tokens, instruments, strict=True):
            contract = self._contracts[token] = self._contract(token, instrument)
            if contract.size == 1 and not contract.is_index:
                self._plain[token] = contract.plain
        if news:
            yield _say("subscribe", news)
        yield _say("mode", [STREAM_MODE[mode], tokens])

    def unsubscribe(self, instruments: Sequence[Instrument]) -> Iterable[Frame]:
        tokens = [int(instrument.instrument_token) for instrument in instruments]
        for token in tokens:
            self._contracts.pop(token, None)
            self._plain.pop(token, None)
        yield _say("unsubscribe", tokens)

    def _contract(self, token: int, instrument: Instrument) -> _Contract:
        divisor = DIVISOR.get(token & 0xFF, RUPEE_DIVISOR)
        return _Contract(
            symbol=instrument.symbol,
            prices=_prices(divisor),
            size=instrument.lot_size if instrument.exchange in IN_LOTS else 1,
            has_oi=instrument.expiry is not None,
            is_index=token & 0xFF == INDEX_SEGMENT,
        )

    # What comes

    def read(self, frame: Frame) -> Sequence[Pushed]:
        if isinstance(frame, str):
            return self._read_text(frame)
        if len(frame) == 1:  # a heartbeat
            return ()
        pushed: list[Pushed] = []
        for length, run in _runs(frame):
            if length == QUOTE:
                self._read_quotes(run, self._plain, pushed)
            elif length == FULL:
                self._read_fulls(run, self._plain, pushed)
            else:
                for at in range(0, len(run), 2 + length):
                    self._read_other(run[at + 2 : at + 2 + length], pushed)
        return pushed

    # The two kinds that come by the thousand are read in one sweep each, and in place: a call a packet would cost as much.

    def _read_quotes(self, run: memoryview, plain: _Plain, pushed: list[Pushed]) -> None:
        add = pushed.append
        # fmt: off
        for (
            token, last, quantity, average, volume, buys, sells, day,
        ) in _QUOTES.iter_unpack(run):
            # fmt: on
            try:
                known = plain[token]
                symbol, rupees, dear, packed, prices, _ = known
                if packed != day:
                    prices = known[DAY_AT] = dear.day(day)
                    known[PACKED_AT] = day
                first, high, low, close = prices
                # fmt: off
                tick = Tick(
                    symbol, rupees[last] or dear[last], None, None, quantity, rupees[average] or dear[average], volume, buys, sells,
                    first, high, low, close,
                )
                # fmt: on
            except (LookupError, BrokerError) as error:
                rest = (quantity, average, volume, buys, sells, day)
                self._read_odd(error, token, _QUOTES.pack(token, last, *rest)[2:], pushed)
                continue
            if last:  # 0: never traded
                add(tick)

    def _read_fulls(self, run: memoryview, plain: _Plain, pushed: list[Pushed]) -> None:
        add = pushed.append
        for numbers in _FULLS.iter_unpack(run):
            # fmt: off
            (
                token, last, quantity, average, volume, buys, sells, day, traded, oi, _, _, at,
                q1, p1, o1, q2, p2, o2, q3, p3, o3, q4, p4, o4, q5, p5, o5,
                q6, p6, o6, q7, p7, o7, q8, p8, o8, q9, p9, o9, q10, p10, o10,
            ) = numbers
            # fmt: on
            try:
                known = plain[token]
                symbol, rupees, dear, packed, prices, has_oi = known
                if packed != day:
                    prices = known[DAY_AT] = dear.day(day)
                    known[PACKED_AT] = day
                first, high, low, close = prices
                moment = _TIMES[at]
                # fmt: off
                tick = Tick(
                    symbol, rupees[last] or dear[last], moment, _TIMES[traded], quantity, rupees[average] or dear[average], volume,
                    buys, sells, first, high, low, close, oi if has_oi else None,
                )
                # fmt: on
                buy: tuple[Level, ...] = (
                    Level(rupees[p1] or dear[p1], q1, o1),
                    Level(rupees[p2] or dear[p2], q2, o2),
                    Level(rupees[p3] or dear[p3], q3, o3),
                    Level(rupees[p4] or dear[p4], q4, o4),
                    Level(rupees[p5] or dear[p5], q5, o5),
                )
                sell: tuple[Level, ...] = (
                    Level(rupees[p6] or dear[p6], q6, o6),
                    Level(rupees[p7] or dear[p7], q7, o7),
                    Level(rupees[p8] or dear[p8], q8, o8),
                    Level(rupees[p9] or dear[p9], q9, o9),
                    Level(rupees[p10] or dear[p10], q10, o10),
                )
            except (LookupError, BrokerError) as error:
                self._read_odd(error, token, _FULLS.pack(*numbers)[2:], pushed)
                continue
            if not (q1 and q2 and q3 and q4 and q5 and q6 and q7 and q8 and q9 and q10):
                buy, sell = _without_empty(buy), _without_empty(sell)
            if last:
                add(tick)
            add(DepthTick(symbol, buy, sell, moment))

    def _read_odd(self, error: Exception, token: int, packet: bytes, pushed: list[Pushed]) -> None:
        """One that is not plain, whose price is beyond the list, or that says what cannot be."""
        if isinstance(error, IndexError):
            known = self._plain[token]
            known[NEAR_AT] = known[FAR_AT]
            self._read_alone(packet, self._plain, pushed)
        elif isinstance(error, BrokerError):
            pushed.append(_bad(self._contracts[token].symbol, error, packet))
        else:
            self._read_other(packet, pushed)

    def _read_alone(self, packet: bytes | memoryview, plain: _Plain, pushed: list[Pushed]) -> None:
        row = memoryview(len(packet).to_bytes(2, "big") + bytes(packet))
        read = self._read_quotes if len(packet) == QUOTE else self._read_fulls
        read(row, plain, pushed)

    def _read_other(self, packet: bytes | memoryview, pushed: list[Pushed]) -> None:
        """One packet: an index', a last price alone, one that counts in lots, or one that is none."""
        if len(packet) < 4:
            raise BrokerError(Fault.UNREADABLE, f"a packet of {len(packet)} bytes")
        contract = self._contracts.get(_TOKEN.unpack_from(packet)[0])
        if contract is None:
            return  # it crossed our unsubscribing
        try:
            self._read_packet(packet, contract, pushed)
        except BrokerError as error:
            pushed.append(_bad(contract.symbol, error, packet))

    def _read_packet(
        self, packet: bytes | memoryview, contract: _Contract, pushed: list[Pushed]
    ) -> None:
        """Raises BrokerError: UNREADABLE."""
        length = len(packet)
        if length == LTP:
            last = contract.prices[_LTP.unpack(packet)[0]]
            if last:  # 0: never traded
                pushed.append(Tick(symbol=contract.symbol, last_price=last))
        elif contract.is_index and length == INDEX:
            _add_index(contract, pushed, *_INDEX.unpack(packet))
        elif contract.is_index and length == INDEX_FULL:
            _add_index(contract, pushed, *_INDEX_FULL.unpack(packet))
        elif length in (QUOTE, FULL) and not contract.is_index:
            self._read_lots(packet, contract, pushed)
        else:
            raise BrokerError(Fault.UNREADABLE, f"a packet of {length} bytes")

    def _read_lots(
        self, packet: bytes | memoryview, contract: _Contract, pushed: list[Pushed]
    ) -> None:
        """A contract whose quantities are in lots: read as any other, and put into units, as far as we know them."""
        found: list[Pushed] = []
        plain = contract.plain
        plain[NEAR_AT] = contract.prices
        self._read_alone(packet, {_TOKEN.unpack_from(packet)[0]: plain}, found)
        size = contract.size
        for value in found:
            if isinstance(value, Tick):
                pushed.append(replace(value, **_in_units(value, size)))
            elif not isinstance(value, DepthTick):
                pushed.append(value)
            elif size is not None:
                buy, sell = (_levels_in_units(side, size) for side in (value.buy, value.sell))
                pushed.append(replace(value, buy=buy, sell=sell))

    def _read_text(self, frame: str) -> Sequence[Pushed]:
        """Texts of a kind that is not documented are left alone."""
        text = shaped(from_json(frame.encode("utf-8", "replace")), _Text)
        match text.type:
            case "order":
                return (self._read_order(text.data),)
            case "error" | "message":
                return (Notice(str(text.data)[:500], is_error=text.type == "error"),)
            case _:
                return ()

    def _read_order(self, data: Any) -> BrokerOrder | BadRow:
        """A postback's body is the same (9.4)."""
        try:
            row = shaped(data, OrderRow)
            return read_order(_settled(row), self._instruments)
        except (BrokerError, ValueError, ArithmeticError) as error:
            return BadRow(str(error), data)


def _settled(row: OrderRow) -> OrderRow:
    """UPDATE says that something changed, not how the order stands (9.4): it lives, and the quantities tell the rest."""
    if row.status != UPDATE:
        return row
    waits = row.order_type in (OrderType.SL, OrderType.SL_M) and not row.filled_quantity
    if waits or row.filled_quantity >= row.quantity:
        raise BrokerError(Fault.UNREADABLE, "an UPDATE that does not tell whether it is open")
    return replace(row, status="OPEN")


def _runs(frame: bytes) -> Iterator[tuple[int, memoryview]]:
    """Packets of one length in a row, each behind its length. Raises BrokerError: UNREADABLE, where they do not fill the frame."""
    size, view = len(frame), memoryview(frame)
    if size < 2:
        raise BrokerError(Fault.UNREADABLE, "an empty frame")
    count = _TWO.unpack_from(frame)[0]
    lengths = []
    at = 2
    for _ in range(count):
        if at + 2 > size:
            raise BrokerError(Fault.UNREADABLE, f"a frame of {size} bytes was cut")
        lengths.append(length := _TWO.unpack_from(frame, at)[0])
        at += 2 + length
        if len(lengths) == 1 and _are_all(frame, length, count):
            yield length, view[2:]
            return
    if at != size:
        raise BrokerError(Fault.UNREADABLE, f"a frame of {size} bytes whose packets end at {at}")
    at = 2
    for length, run in groupby(lengths):
        end = at + (2 + length) * len(list(run))
        yield length, view[at:end]
        at = end


def _are_all(frame: bytes, length: int, count: int) -> bool:
    """Whether this many packets of this length fill the frame."""
    step = 2 + length
    if len(frame) != 2 + count * step:
        return False
    high, low = length.to_bytes(2, "big")
    return frame[2::step] == bytes([high]) * count and frame[3::step] == bytes([low]) * count


def _without_empty(levels: tuple[Level, ...]) -> tuple[Level, ...]:
    return tuple(level for level in levels if level.quantity)


def _bad(symbol: str, error: BrokerError, packet: bytes | memoryview) -> BadRow:
    return BadRow(f"{symbol}: {error.message}", bytes(packet))


def _in_units(tick: Tick, size: int | None) -> dict[str, int | None]:
    counted = ("last_quantity", "volume", "buy_quantity", "sell_quantity", "oi")
    lots: dict[str, int | None] = {name: getattr(tick, name) for name in counted}
    return {
        name: None if count is None or size is None else count * size
        for name, count in lots.items()
    }


def _levels_in_units(levels: tuple[Level, ...], size: int) -> tuple[Level, ...]:
    return tuple(Level(one.price, one.quantity * size, one.orders) for one in levels)


def _add_index(
    contract: _Contract,
    pushed: list[Pushed],
    last: int,
    high: int,
    low: int,
    first: int,
    close: int,
    at: int = 0,
) -> None:
    rupees = contract.prices
    tick = Tick(
        symbol=contract.symbol,
        last_price=rupees[last],
        at=_TIMES[at],
        open_price=rupees[first],
        high_price=rupees[high],
        low_price=rupees[low],
        close_price=rupees[close],
    )
    if last:
        pushed.append(tick)


def _say(action: str, value: Any) -> str:
    return _JSON.encode({"a": action, "v": value}).decode()
