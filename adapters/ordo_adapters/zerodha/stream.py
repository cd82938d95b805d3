"""Kite's stream (zerodha.md 9): what subscribes, and the bytes of prices and the texts of orders read.

A binary frame is a count of packets and the packets, each behind its length; a packet's kind is its length, nothing else. So a
frame is read only where counts and lengths fill it exactly: one that was cut, or whose length is wrong, is refused whole,
because from the first wrong length on everything would be read from a wrong place.

Speed matters here, thousands of packets a second: a packet is unpacked in one step, and the Decimal of a price is made once.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from struct import Struct as Layout
from typing import Any

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
PRICES_KEPT = 100_000  # some 15 MB; 3,000 instruments have about 20 prices each in their books

_TWO = Layout(">H")
_TOKEN = Layout(">I")
_LTP = Layout(">4xI")
_INDEX = Layout(">4xI4I4x")  # last, high, low, open, close; the change is left out
_INDEX_FULL = Layout(">4xI4I4xI")  # and the exchange's time
_QUOTE = Layout(">4x10I")
_FULL = Layout(">4x15I" + "IIHxx" * 10)

_JSON = msgspec.json.Encoder()


class _Prices(dict[int, Decimal]):
    """What a packet's numbers mean in rupees; made once each, they repeat all day."""

    def __init__(self, divisor: int) -> None:
        super().__init__()
        self._divisor = Decimal(divisor)

    def __missing__(self, number: int) -> Decimal:
        if number >= PRICE_LIMIT:
            raise BrokerError(Fault.UNREADABLE, f"{number} is no price")
        if len(self) >= PRICES_KEPT:
            self.clear()
        price = self[number] = round(number / self._divisor, 4).normalize() + 0
        return price


class _Contract(Struct, frozen=True):
    """What reading a packet takes. `size`: units of one of Kite's quantities; None: not known, and quantities are left out."""

    symbol: str
    prices: _Prices
    size: int | None
    has_oi: bool
    is_index: bool


class _Text(Struct):
    """`{"type": "order", "data": {...}}` (9.4)."""

    type: str
    data: Any = None


class KiteStream(Stream):
    """One connection's codec."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self._contracts: dict[int, _Contract] = {}
        self._prices: dict[int, _Prices] = {}

    # What we say (9.2)

    def subscribe(self, instruments: Sequence[Instrument], mode: Mode) -> Iterable[Frame]:
        """New ones are subscribed first; twice subscribed would count twice against the limit (9.1)."""
        tokens = [int(instrument.instrument_token) for instrument in instruments]
        news = [token for token in tokens if token not in self._contracts]
        for token, instrument in zip(tokens, instruments, strict=True):
            self._contracts[token] = self._contract(token, instrument)
        if news:
            yield _say("subscribe", news)
        yield _say("mode", [STREAM_MODE[mode], tokens])

    def unsubscribe(self, instruments: Sequence[Instrument]) -> Iterable[Frame]:
        tokens = [int(instrument.instrument_token) for instrument in instruments]
        for token in tokens:
            self._contracts.pop(token, None)
        yield _say("unsubscribe", tokens)

    def _contract(self, token: int, instrument: Instrument) -> _Contract:
        divisor = DIVISOR.get(token & 0xFF, RUPEE_DIVISOR)
        return _Contract(
            symbol=instrument.symbol,
            prices=self._prices.setdefault(divisor, _Prices(divisor)),
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
        for start, end in _packets(frame):
            if end - start < 4:
                raise BrokerError(Fault.UNREADABLE, f"a packet of {end - start} bytes")
            contract = self._contracts.get(_TOKEN.unpack_from(frame, start)[0])
            if contract is None:
                continue  # it crossed our unsubscribing
            try:
                self._read_packet(frame, start, end - start, contract, pushed)
            except BrokerError as error:
                pushed.append(BadRow(f"{contract.symbol}: {error.message}", frame[start:end]))
        return pushed

    def _read_packet(
        self, frame: bytes, at: int, length: int, contract: _Contract, pushed: list[Pushed]
    ) -> None:
        """Raises BrokerError: UNREADABLE."""
        if length == 8:
            last = contract.prices[_LTP.unpack_from(frame, at)[0]]
            if last:  # 0: never traded
                pushed.append(Tick(symbol=contract.symbol, last_price=last))
        elif contract.is_index and length == 28:
            pushed.append(_index_tick(contract, *_INDEX.unpack_from(frame, at)))
        elif contract.is_index and length == 32:
            pushed.append(_index_tick(contract, *_INDEX_FULL.unpack_from(frame, at)))
        elif length == 44 and not contract.is_index:
            _read_quote(contract, _QUOTE.unpack_from(frame, at), pushed)
        elif length == 184 and not contract.is_index:
            _read_full(contract, _FULL.unpack_from(frame, at), pushed)
        else:
            raise BrokerError(Fault.UNREADABLE, f"a packet of {length} bytes")

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


def _packets(frame: bytes) -> list[tuple[int, int]]:
    """Where each packet begins and ends. Raises BrokerError: UNREADABLE, where they do not fill the frame."""
    size = len(frame)
    if size < 2:
        raise BrokerError(Fault.UNREADABLE, "an empty frame")
    found: list[tuple[int, int]] = []
    at = 2
    for _ in range(_TWO.unpack_from(frame)[0]):
        if at + 2 > size:
            raise BrokerError(Fault.UNREADABLE, f"a frame of {size} bytes was cut")
        start = at + 2
        at = start + _TWO.unpack_from(frame, at)[0]
        found.append((start, at))
    if at != size:
        raise BrokerError(Fault.UNREADABLE, f"a frame of {size} bytes whose packets end at {at}")
    return found


def _read_quote(contract: _Contract, numbers: tuple[int, ...], pushed: list[Pushed]) -> None:
    tick = _tick(contract, numbers, None, None, None)
    if tick.last_price:
        pushed.append(tick)


def _read_full(contract: _Contract, numbers: tuple[int, ...], pushed: list[Pushed]) -> None:
    at, size, prices = _time(numbers[14]), contract.size, contract.prices
    oi = numbers[11] if contract.has_oi else None
    tick = _tick(contract, numbers, at, _time(numbers[10]), oi)
    if tick.last_price:
        pushed.append(tick)
    if size is not None:
        buy, sell = (_levels(prices, size, numbers[start : start + 15]) for start in (15, 30))
        pushed.append(DepthTick(symbol=contract.symbol, buy=buy, sell=sell, at=at))


def _levels(prices: _Prices, size: int, numbers: tuple[int, ...]) -> tuple[Level, ...]:
    """Five times quantity, price, orders; empty levels are left out."""
    quantities, orders = numbers[::3], numbers[2::3]
    levels = map(Level, map(prices.__getitem__, numbers[1::3]), quantities, orders)
    if size == 1 and 0 not in quantities:
        return tuple(levels)
    return tuple(
        [Level(one.price, one.quantity * size, one.orders) for one in levels if one.quantity]
    )


def _tick(
    contract: _Contract,
    numbers: tuple[int, ...],
    at: datetime | None,
    traded_at: datetime | None,
    oi: int | None,
) -> Tick:
    prices, size = contract.prices, contract.size
    last, quantity, average, volume, buys, sells, first, high, low, close = numbers[:10]
    return Tick(
        symbol=contract.symbol,
        last_price=prices[last],
        at=at,
        traded_at=traded_at,
        last_quantity=None if size is None else quantity * size,
        average_price=prices[average] if average else None,
        volume=None if size is None else volume * size,
        buy_quantity=None if size is None else buys * size,
        sell_quantity=None if size is None else sells * size,
        open_price=prices[first] if first else None,
        high_price=prices[high] if high else None,
        low_price=prices[low] if low else None,
        close_price=prices[close] if close else None,
        oi=None if oi is None or size is None else oi * size,
    )


def _index_tick(
    contract: _Contract, last: int, high: int, low: int, first: int, close: int, at: int = 0
) -> Tick:
    prices = contract.prices
    return Tick(
        symbol=contract.symbol,
        last_price=prices[last],
        at=_time(at),
        open_price=prices[first] if first else None,
        high_price=prices[high] if high else None,
        low_price=prices[low] if low else None,
        close_price=prices[close] if close else None,
    )


@lru_cache(maxsize=256)
def _time(seconds: int) -> datetime | None:
    """UTC epoch seconds, as the fixtures show (9.3); 0: none."""
    return datetime.fromtimestamp(seconds, IST) if seconds else None


def _say(action: str, value: Any) -> str:
    return _JSON.encode({"a": action, "v": value}).decode()
