"""Upstox's streams (upstox.md 9): what subscribes, prices read from protobuf, orders from texts.

A frame of prices is a map of feeds by instrument key and, behind it, the time at which it was sent. A frame whose lengths do
not fit, or that lacks that time (its end was lost), is refused whole; what is wrong within one feed spoils that feed only.

Feeds are incremental: a later one may lack the last trade or the book, and zeros are never written (upstox.md 13). So what a key
said last is kept here, and a tick is all that is known of it.

A price is a double. What is traded at has at most four decimals, so a double that is none of these is not one: read from a
wrong place, it would hardly be. Averages and closes that were adjusted are reckoned and have as many decimals as they like.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import msgspec

from ordo_adapters.upstox.protobuf import (
    Fields,
    Message,
    Span,
    double,
    int64,
    many,
    nested,
    one,
    read,
    spans,
    text,
)
from ordo_adapters.upstox.rows import OrderRow, read_order
from ordo_adapters.upstox.tables import STREAM_MODE
from ordod.adapter import (
    IST,
    BadRow,
    BrokerError,
    DepthTick,
    Exchange,
    Fault,
    Frame,
    Instrument,
    Instruments,
    Level,
    Mode,
    Notice,
    Pushed,
    Stream,
    StreamRequest,
    Tick,
    UpdateStream,
    from_json,
    masked,
    shaped,
)

__all__ = ["UpstoxStream", "UpstoxUpdates", "named_address"]

PRICE_LIMIT = 1 << 31  # rupees; above it is no price of any contract
COUNT_LIMIT = 1 << 53  # above it doubles, which write open interest, leave whole numbers out
NOISE = 1e-6  # rupees: of a double of this size, and far less than a fourth decimal
PRICES_KEPT = 100_000  # some 15 MB; 2,000 instruments have about 20 prices each in their books
INITIAL_FEED, LIVE_FEED, MARKET_INFO = range(3)
DAY = "1d"
EPOCH = datetime(1970, 1, 1, 5, 30, tzinfo=IST)
FIRST_MS, LAST_MS = 946_684_800_000, 4_102_444_800_000  # of 2000 to 2100
DEAD_SESSION = "UDAPI100050"

# upstox.md 9.3; greeks, implied volatility and auctions, which Ordo does not tell, without their names
LTPC = Message(double(1, "ltp"), int64(2, "ltt"), int64(3, "ltq"), double(4, "cp"), nested(5))
QUOTE = Message(int64(1, "bidQ"), double(2, "bidP"), int64(3, "askQ"), double(4, "askP"))
LEVELS = Message(many(1, "bidAskQuote", QUOTE))
OHLC = Message(
    text(1, "interval"),
    *(double(2, "open"), double(3, "high"), double(4, "low"), double(5), int64(6), int64(7)),
)
DAYS = Message(many(1, "ohlc", OHLC))
MARKET = Message(
    *(one(1, "ltpc", LTPC), one(2, "marketLevel", LEVELS), nested(3), one(4, "marketOHLC", DAYS)),
    *(double(5, "atp"), int64(6, "vtt"), double(7, "oi"), double(8)),
    *(double(9, "tbq"), double(10, "tsq"), double(11), double(12)),
    *(int64(13), int64(14), int64(15), int64(16)),
)
INDEX = Message(one(1, "ltpc", LTPC), one(2, "marketOHLC", DAYS))
FULL = Message(one(1, "marketFF", MARKET), one(2, "indexFF", INDEX), one_of=("marketFF", "indexFF"))
FEED = Message(
    *(one(1, "ltpc", LTPC), one(2, "fullFeed", FULL), one(3, "greeks", Message()), int64(4)),
    one_of=("ltpc", "fullFeed", "greeks"),
)
ENTRY = Message(text(1, "key"), one(2, "value", FEED))
RESPONSE = Message(int64(1, "type"), spans(2, "feeds"), int64(3, "currentTs"), nested(4))

_JSON = msgspec.json.Encoder()


class _Prices(dict[float, Decimal]):
    """What doubles mean in rupees; made once each, they repeat all day."""

    def __missing__(self, number: float) -> Decimal:
        meant = round(number, 4) if 0 <= number < PRICE_LIMIT else -1.0  # what is no number too
        if meant < 0 or abs(number - meant) > NOISE:
            raise BrokerError(Fault.UNREADABLE, f"{number!r} is no price")
        if len(self) >= PRICES_KEPT:
            self.clear()
        price = self[number] = Decimal(repr(meant)).normalize() + 0
        return price


_Last: TypeAlias = tuple[Decimal, datetime | None, int | None, Decimal | None]
"""Price, time and quantity of the last trade, and the previous close."""


class _Followed:
    """One key that is subscribed: its contract, and what it said last.

    `size`: units of one of Upstox's quantities; None: not known, and quantities are left out.
    """

    __slots__ = ("average", "day", "last", "mode", "oi", "size", "symbol", "totals", "volume")  # fmt: skip

    def __init__(self, instrument: Instrument, mode: Mode) -> None:
        self.symbol = instrument.symbol
        self.size = instrument.lot_size if instrument.exchange is Exchange.MCX else 1
        self.mode = mode
        self.last: _Last | None = None
        self.day: tuple[Decimal | None, ...] = (None, None, None)  # open, high, low
        self.average: Decimal | None = None
        self.volume: int | None = None
        self.oi: int | None = None
        self.totals: tuple[int, int] | None = None  # on both sides of the book

    def tick(self, at: datetime | None) -> Tick | None:
        """All that is known; None where it never traded."""
        if self.last is None:
            return None
        price, traded_at, quantity, close = self.last
        if self.mode is Mode.LTP:
            return Tick(
                symbol=self.symbol,
                last_price=price,
                at=at,
                traded_at=traded_at,
                last_quantity=self._units(quantity),
                close_price=close,
            )
        buys, sells = self.totals or (None, None)
        return Tick(
            symbol=self.symbol,
            last_price=price,
            at=at,
            traded_at=traded_at,
            last_quantity=self._units(quantity),
            average_price=self.average,
            volume=self._units(self.volume),
            buy_quantity=self._units(buys),
            sell_quantity=self._units(sells),
            open_price=self.day[0],
            high_price=self.day[1],
            low_price=self.day[2],
            close_price=close,
            oi=self._units(self.oi),
        )

    def _units(self, quantity: int | None) -> int | None:
        return None if quantity is None or self.size is None else quantity * self.size


class UpstoxStream(Stream):
    """The codec of one connection for prices."""

    def __init__(self) -> None:
        self._followed: dict[str, _Followed] = {}
        self._prices = _Prices()
        self._said = 0

    # What we say (9.2)

    def subscribe(self, instruments: Sequence[Instrument], mode: Mode) -> Iterable[Frame]:
        """What is subscribed already changes its mode; quotes and depth are one mode there."""
        keys = [instrument.instrument_token for instrument in instruments]
        news = [key for key in keys if key not in self._followed]
        olds = [key for key in keys if key in self._followed]
        for key, instrument in zip(keys, instruments, strict=True):
            before, now = self._followed.get(key), _Followed(instrument, mode)
            if before is not None:
                now.last = before.last
            self._followed[key] = now
        if news:
            yield self._say("sub", news, mode=STREAM_MODE[mode])
        if olds:
            yield self._say("change_mode", olds, mode=STREAM_MODE[mode])

    def unsubscribe(self, instruments: Sequence[Instrument]) -> Iterable[Frame]:
        keys = [instrument.instrument_token for instrument in instruments]
        for key in keys:
            self._followed.pop(key, None)
        yield self._say("unsub", keys)

    def _say(self, method: str, keys: list[str], **data: str) -> bytes:
        self._said += 1
        said = {"guid": f"ordo-{self._said}", "method": method}
        return _JSON.encode({**said, "data": {**data, "instrumentKeys": keys}})

    # What comes (9.3)

    def read(self, frame: Frame) -> Sequence[Pushed]:
        if isinstance(frame, str):
            return _read_text(frame)
        response = read(frame, RESPONSE)
        kind, feeds = response.get("type", INITIAL_FEED), response.get("feeds", ())
        if kind not in (INITIAL_FEED, LIVE_FEED, MARKET_INFO) or (kind == MARKET_INFO and feeds):
            raise BrokerError(Fault.UNREADABLE, f"{len(feeds)} feeds in a message of type {kind}")
        sent_at = _time(response.get("currentTs", 0))
        if sent_at is None:
            raise BrokerError(Fault.UNREADABLE, f"a frame of {len(frame)} bytes without its time")
        at = sent_at if kind == LIVE_FEED else None  # a snapshot may be of any age
        pushed: list[Pushed] = []
        for key, feed in _by_key(frame, feeds, pushed).items():
            followed = self._followed.get(key)
            if followed is None:
                continue  # it crossed our unsubscribing
            try:
                depth = self._take(followed, feed, at)
            except BrokerError as error:
                pushed.append(BadRow(f"{followed.symbol}: {error.message}", feed))
                continue
            tick = followed.tick(at)
            if tick is not None:
                pushed.append(tick)
            if depth is not None:
                pushed.append(depth)
        return pushed

    def _take(self, followed: _Followed, feed: Fields, at: datetime | None) -> DepthTick | None:
        """Keep what a feed says; all of it, or nothing where some of it is wrong. Raises BrokerError: UNREADABLE."""
        match feed:
            case {"ltpc": ltpc}:
                followed.last = self._last(ltpc, followed)
                return None
            case {"fullFeed": {"indexFF": full}} | {"fullFeed": {"marketFF": full}}:
                pass
            case _:
                raise BrokerError(Fault.UNREADABLE, "a feed of a kind that was not asked for")
        last = self._last(full.get("ltpc", {}), followed)
        day = self._day(full.get("marketOHLC", {}).get("ohlc", ()), followed)
        average = _reckoned(full.get("atp", 0.0)) or followed.average
        volume = _count(full.get("vtt", 0)) or followed.volume
        oi = _count(full.get("oi", 0.0)) or followed.oi
        totals = _count(full.get("tbq", 0.0)), _count(full.get("tsq", 0.0))
        depth = None
        if "marketLevel" in full and followed.mode is Mode.DEPTH and followed.size is not None:
            depth = self._depth(full["marketLevel"].get("bidAskQuote", ()), followed, at)
        followed.last, followed.day, followed.average = last, day, average
        followed.volume, followed.oi = volume, oi
        if any(totals):  # one told, the other is 0
            followed.totals = totals
        return depth

    def _last(self, ltpc: Fields, followed: _Followed) -> _Last | None:
        price = self._prices[ltpc.get("ltp", 0.0)]
        told = (
            price,
            _time(ltpc.get("ltt", 0)),
            _count(ltpc.get("ltq", 0)) or None,  # of an index there is none
            _reckoned(ltpc.get("cp", 0.0)),
        )
        return told if price else followed.last

    def _day(self, rows: Iterable[Fields], followed: _Followed) -> tuple[Decimal | None, ...]:
        """Open, high and low of the day; other intervals come beside it."""
        for row in rows:
            if row.get("interval") == DAY:
                return tuple(self._prices[row.get(n, 0.0)] or None for n in ("open", "high", "low"))
        return followed.day

    def _depth(self, rows: Sequence[Fields], followed: _Followed, at: datetime | None) -> DepthTick:
        buy, sell = (
            tuple(
                Level(price, _count(row.get(quantity, 0)) * (followed.size or 1))
                for row in rows
                if (price := self._prices[row.get(name, 0.0)]) and row.get(quantity)
            )
            for name, quantity in (("bidP", "bidQ"), ("askP", "askQ"))
        )
        return DepthTick(symbol=followed.symbol, buy=buy, sell=sell, at=at)


class UpstoxUpdates(UpdateStream):
    """The codec of the connection that brings order updates (9.5)."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments

    def read(self, frame: Frame) -> Sequence[Pushed]:
        """Positions, holdings and GTTs are not asked for, and left alone where they come."""
        match from_json(frame.encode("utf-8", "replace") if isinstance(frame, str) else frame):
            case {"update_type": str(kind), **row}:
                return (self._read_order(row),) if kind == "order" else ()
            case _:
                raise BrokerError(Fault.UNREADABLE, "an update of no type")

    def _read_order(self, row: dict[Any, Any]) -> Pushed:
        """The row of the book, with the contract's key under two names."""
        try:
            named = row | {
                "instrument_token": row.get("instrument_token") or row.get("instrument_key")
            }
            return read_order(shaped(named, OrderRow), self._instruments)
        except (BrokerError, ValueError, ArithmeticError) as error:
            return BadRow(str(error), row)


def named_address(address: str) -> StreamRequest:
    """What opens a stream at the address that Upstox named; the code in it works once (9.1)."""
    try:
        parts = urlsplit(address)
    except ValueError:  # half an IPv6 address
        parts = urlsplit("")
    if parts.scheme not in ("wss", "ws") or not parts.netloc:
        raise BrokerError(Fault.UNREADABLE, "no address of a stream")
    return StreamRequest(address)


def _by_key(frame: bytes, feeds: Iterable[Span], pushed: list[Pushed]) -> dict[str, Fields]:
    """Each feed by its key. Raises BrokerError, UNREADABLE, where a map has a key twice: one of the two is another's."""
    found: dict[str, Fields] = {}
    for start, end in feeds:
        try:
            entry = read(frame, ENTRY, (start, end))
        except BrokerError as error:
            pushed.append(BadRow(error.message, frame[start:end]))
            continue
        if "key" not in entry or "value" not in entry:
            pushed.append(BadRow("a feed without a key, or a key alone", frame[start:end]))
        elif entry["key"] in found:
            raise BrokerError(Fault.UNREADABLE, "a frame with a key twice")
        else:
            found[entry["key"]] = entry["value"]
    return found


def _read_text(frame: str) -> Sequence[Pushed]:
    """A request that failed may be answered in JSON (9.2)."""
    if DEAD_SESSION in frame:
        raise BrokerError(Fault.AUTH_EXPIRED, "the session is dead", code=DEAD_SESSION)
    match from_json(frame.encode("utf-8", "replace")):
        case {"error": error}:
            return (Notice(masked(str(error))[:500], is_error=True),)
        case dict():
            return ()
        case _:
            raise BrokerError(Fault.UNREADABLE, "a text of no kind")


def _time(ms: int) -> datetime | None:
    """UTC epoch milliseconds; 0: none."""
    if not ms:
        return None
    if not FIRST_MS <= ms < LAST_MS:
        raise BrokerError(Fault.UNREADABLE, f"{ms} is no time")
    return EPOCH + timedelta(milliseconds=ms)


def _count(number: float) -> int:
    """A quantity, also where a double writes it."""
    if not 0 <= number < COUNT_LIMIT or number != int(number):
        raise BrokerError(Fault.UNREADABLE, f"{number!r} is no quantity")
    return int(number)


def _reckoned(number: float) -> Decimal | None:
    """A price that nobody traded at; 0: none."""
    if not 0 <= number < PRICE_LIMIT:
        raise BrokerError(Fault.UNREADABLE, f"{number!r} is no price")
    return Decimal(repr(round(number, 4))).normalize() + 0 or None
