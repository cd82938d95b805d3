"""FYERS' prices (fyers.md 9.1): what subscribes, and what HSM's records say.

An instrument has up to two feeds: its prices, `sf` (`if`, an index's), and its book, `dp`. A feed begins with a snapshot, which
also gives it a topic number and the scale of its prices, and goes on with what changed. What a topic said is kept here and a
tick is all that is known of it. So a record that could not be read must not simply be passed over: what it changed would be told
in its old state from then on. The topic is forgotten instead, and its feed asked for anew, which brings a snapshot.

Whether there are last prices alone or all of a feed is a matter of the channel, not of the feed: there are two.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise
from typing import TypeAlias

from msgspec import Struct

from ordo_adapters.fyers.hsm import (
    ABSENT,
    ACKNOWLEDGE,
    DATA,
    LOGIN,
    MODE,
    NOTICE,
    PING,
    SUBSCRIBE,
    UNSUBSCRIBE,
    LastPrice,
    Record,
    Snapshot,
    channels,
    fields_of,
    frame_of,
    message_number,
    records_of,
    scrip_list,
)
from ordo_adapters.fyers.indices import HSM_INDICES
from ordo_adapters.fyers.login import claim
from ordo_adapters.fyers.rows import instant, units_in_lot
from ordo_adapters.fyers.tables import HSM_SEGMENT
from ordod.adapter import (
    BadRow,
    BrokerError,
    DepthTick,
    Fault,
    Frame,
    Instrument,
    InstrumentKind,
    Level,
    Mode,
    Notice,
    Pushed,
    Reply,
    Secret,
    Session,
    Stream,
    Tick,
    masked,
)

__all__ = ["HsmStream", "hsm_key"]

FULL, LAST = 11, 12  # channels: of all that a feed has, and of last prices alone
FEEDS_IN_FRAME = 1500
ASKED_ANEW_MAX = 5  # times a connection, each feed; what is spoilt so often is not spoilt by chance
SPOILT_MAX = 5  # frames of a connection; then it is left
PRICES_KEPT = 100_000  # some 15 MB; 2,500 instruments have about 20 prices each in their books
FIRST_S = 946_684_800  # of the year 2000: before it is no time
DECIMALS_MAX = 7
OK = b"K"
ANSWERS = {4: "subscribe", 5: "unsubscribe", 7: "pause", 8: "resume", 12: "change the mode"}

# Fields of a feed, in the order of its record (9.1)
PRICES, INDEX, BOOK = "sf", "if", "dp"
COUNTS = {PRICES: 21, INDEX: 6, BOOK: 30}
LEVELS = 5


class _Prices(dict[int, Decimal | None]):
    """What a feed's numbers mean in rupees, None for none; made once each, they repeat all day."""

    def __init__(self, divisor: int) -> None:
        super().__init__()
        self._divisor = divisor

    def __missing__(self, number: int) -> Decimal | None:
        if number in (0, ABSENT):
            return None
        if len(self) >= PRICES_KEPT:
            self.clear()
        scaled, rest = divmod(number * 10_000, self._divisor)
        if number < 0 or rest:
            raise BrokerError(Fault.UNREADABLE, f"{number}/{self._divisor} is no price")
        price = self[number] = Decimal(scaled).scaleb(-4).normalize() + 0
        return price


class _Feed(Struct, frozen=True):
    """A feed that is subscribed. `size`: units of one of FYERS' quantities; None: not known, and quantities are left out."""

    kind: str
    symbol: str
    size: int | None
    has_oi: bool
    channel: int


class _Topic(Struct):
    """What a feed said last."""

    name: str
    prices: _Prices
    numbers: tuple[int, ...]


_Feeds: TypeAlias = dict[str, _Feed]


class HsmStream(Stream):
    """One connection's codec. `key`: the token's `hsm_key`."""

    def __init__(self, key: Secret) -> None:
        self._key = key
        self._feeds: _Feeds = {}
        self._topics: dict[int, _Topic] = {}
        self._numbers: dict[str, int] = {}  # of topics, by their feeds' names
        self._scales: dict[int, _Prices] = {}
        self._waits = False  # for the answer to its login
        self._held: list[bytes] = []  # until then
        self._lost: set[str] = set()  # feeds of which something could not be read
        self._asked_anew: Counter[str] = Counter()
        self._spoilt = 0
        self._ack_every = 0
        self._unacknowledged = 0

    # What we say

    def greet(self) -> Iterable[Frame]:
        self._waits = True
        yield frame_of(LOGIN, self._key.reveal().encode(), b"P", b"\1", b"ordod")
        for channel, mode in ((FULL, b"F"), (LAST, b"L")):
            yield frame_of(MODE, channels((channel,)), mode, has_length=False)

    def keep_alive(self) -> Frame:
        return PING

    def subscribe(self, instruments: Sequence[Instrument], mode: Mode) -> Iterable[Frame]:
        """A feed that changes its channel leaves the old one first: it has one name on both."""
        gone: _Feeds = {}
        news: _Feeds = {}
        for instrument in instruments:
            wanted = _wanted(instrument, mode)
            for name in _names(instrument):
                before, now = self._feeds.get(name), wanted.get(name)
                if before == now:
                    continue
                if before is not None:
                    gone[name] = before
                if now is not None:
                    news[name] = now
        self._drop(gone)
        self._feeds |= news
        return self._in_turn([*_say(UNSUBSCRIBE, gone), *_say(SUBSCRIBE, news)])

    def unsubscribe(self, instruments: Sequence[Instrument]) -> Iterable[Frame]:
        names = [name for each in instruments for name in _names(each)]
        gone = {name: self._feeds[name] for name in names if name in self._feeds}
        self._drop(gone)
        return self._in_turn(_say(UNSUBSCRIBE, gone))

    def _drop(self, gone: _Feeds) -> None:
        for name in gone:
            del self._feeds[name]
            self._forget(name)
        self._lost -= gone.keys()

    def _in_turn(self, frames: list[bytes]) -> list[bytes]:
        """Nothing is subscribed before the login is answered (9.1)."""
        if not self._waits:
            return frames
        self._held += frames
        return []

    # What comes

    def read(self, frame: Frame) -> Sequence[Pushed]:
        if isinstance(frame, str) or len(frame) < 3:
            raise BrokerError(Fault.UNREADABLE, "no frame of HSM")
        kind = frame[2]
        if kind == DATA:
            return self._read_data(frame)
        if kind == LOGIN:
            return self._read_login(frame)
        if kind == NOTICE:
            return (_notice(fields_of(frame)),)
        if kind in ANSWERS:
            return _read_answer(kind, frame)
        return ()  # of another year

    def _read_login(self, frame: bytes) -> Sequence[Pushed]:
        fields = fields_of(frame)
        if fields.get(1) != OK:
            raise BrokerError(Fault.AUTH_EXPIRED, "HSM does not take the key of this session")
        self._ack_every = int.from_bytes(fields.get(2, b""), "big")
        self._waits = False
        held, self._held = self._held, []
        return [Reply(each) for each in held]

    def _read_data(self, frame: bytes) -> Sequence[Pushed]:
        self._unacknowledged += 1
        try:
            number, records = message_number(frame), records_of(frame)
        except BrokerError:
            self._lose_all()
            raise
        pushed: list[Pushed] = []
        for record in records:
            self._read_record(record, pushed)
        if self._ack_every and self._unacknowledged >= self._ack_every:
            self._unacknowledged = 0
            pushed.append(Reply(frame_of(ACKNOWLEDGE, number.to_bytes(4, "big"))))
        if self._lost:
            pushed += self._ask_anew()
        return pushed

    def _read_record(self, record: Record, pushed: list[Pushed]) -> None:
        topic = self._topics.get(record.topic)
        if isinstance(record, Snapshot):
            name = record.name
            if topic is not None and topic.name != name:
                self._lose(topic.name)  # a number of two names: one of them is wrong
        elif topic is not None:
            name = topic.name
        else:
            return  # it crossed our unsubscribing, or waits for its snapshot
        feed = self._feeds.get(name)
        if feed is None:
            return
        try:
            value = self._taken(record, feed, topic)
        except BrokerError as error:
            pushed.append(BadRow(f"{feed.symbol}: {error.message}", record))
            self._lose(name)
        else:
            if value is not None:
                pushed.append(value)

    def _taken(self, record: Record, feed: _Feed, topic: _Topic | None) -> Tick | DepthTick | None:
        """What the feed says, now that it has said this. Raises BrokerError: UNREADABLE."""
        if isinstance(record, Snapshot):
            topic = self._opened(record, feed, topic)
        else:
            assert topic is not None
            is_last = isinstance(record, LastPrice)
            if is_last and feed.kind == BOOK:
                raise BrokerError(Fault.UNREADABLE, "a last price of a book")
            topic.numbers = _merged(topic.numbers, record.numbers)
            if is_last:  # whatever the rest is now
                return _last_tick(topic, feed)
        if feed.kind == BOOK:
            return _depth_tick(topic, feed)
        if feed.channel == LAST:
            return _last_tick(topic, feed)
        return _index_tick(topic, feed) if feed.kind == INDEX else _tick(topic, feed)

    def _opened(self, record: Snapshot, feed: _Feed, other: _Topic | None) -> _Topic:
        """A feed's new topic. Raises BrokerError: UNREADABLE."""
        name = record.name
        if other is not None and other.name != name:
            raise BrokerError(Fault.UNREADABLE, f"one topic for {name} and {other.name}")
        if record.precision > DECIMALS_MAX or not record.multiplier:
            raise BrokerError(
                Fault.UNREADABLE,
                f"prices of {record.precision} decimals and multiplier {record.multiplier}",
            )
        divisor = 10**record.precision * record.multiplier
        self._forget(name)
        topic = _Topic(
            name,
            self._scales.setdefault(divisor, _Prices(divisor)),
            _merged((ABSENT,) * COUNTS[feed.kind], record.numbers),
        )
        self._topics[record.topic], self._numbers[name] = topic, record.topic
        return topic

    # What was lost

    def _forget(self, name: str) -> None:
        number = self._numbers.pop(name, None)
        if number is not None:
            del self._topics[number]

    def _lose(self, name: str) -> None:
        self._forget(name)
        self._lost.add(name)

    def _lose_all(self) -> None:
        """A frame is lost, and nobody knows what changed in it. Raises BrokerError, where it is one too many."""
        self._topics.clear()
        self._numbers.clear()
        self._lost |= self._feeds.keys()
        self._spoilt += 1
        if self._spoilt > SPOILT_MAX:
            raise BrokerError(Fault.BROKER_UNAVAILABLE, f"{self._spoilt} frames were spoilt")

    def _ask_anew(self) -> list[Pushed]:
        self._asked_anew.update(self._lost)
        again = {n: self._feeds[n] for n in self._lost if self._asked_anew[n] <= ASKED_ANEW_MAX}
        self._lost.clear()
        return [Reply(each) for kind in (UNSUBSCRIBE, SUBSCRIBE) for each in _say(kind, again)]


def hsm_key(session: Session) -> Secret:
    """What HSM knows a session by: a claim of the access token (2.4). Raises BrokerError, where it has none."""
    try:
        key = claim(session.access_token, "hsm_key")
    except (LookupError, TypeError, ValueError):
        key = None
    if not isinstance(key, str) or not key:
        raise BrokerError(
            Fault.UNSUPPORTED,
            "prices are not pushed to this session: its access token has no hsm_key",
        )
    return Secret(key)


# Feeds


def _names(instrument: Instrument) -> tuple[str, ...]:
    """Of its prices and of its book; an index has none (9.1)."""
    segment = HSM_SEGMENT[instrument.exchange]
    if instrument.kind is InstrumentKind.INDEX:
        ticker = instrument.broker_symbol.removesuffix("-INDEX")
        name = HSM_INDICES.get(ticker) or ticker.partition(":")[2]
        return (f"{INDEX}|{segment}|{name}",)
    token = instrument.instrument_token[10:]
    return f"{PRICES}|{segment}|{token}", f"{BOOK}|{segment}|{token}"


def _wanted(instrument: Instrument, mode: Mode) -> _Feeds:
    names = _names(instrument)
    return {
        name: _Feed(
            kind=name[:2],
            symbol=instrument.symbol,
            size=units_in_lot(instrument),
            has_oi=instrument.expiry is not None,
            channel=LAST if mode is Mode.LTP else FULL,
        )
        for name in (names if mode is Mode.DEPTH else names[:1])
    }


def _say(kind: int, feeds: Mapping[str, _Feed]) -> list[bytes]:
    """Subscribe to these, or unsubscribe, each on its channel."""
    frames = []
    for channel in (FULL, LAST):
        names = [name for name, feed in feeds.items() if feed.channel == channel]
        for at in range(0, len(names), FEEDS_IN_FRAME):
            some = scrip_list(names[at : at + FEEDS_IN_FRAME])
            frames.append(frame_of(kind, some, bytes((channel,))))
    return frames


# Answers and notices


def _read_answer(kind: int, frame: bytes) -> Sequence[Pushed]:
    """One letter, always in the same place (9.1)."""
    if len(frame) < 8:
        raise BrokerError(Fault.UNREADABLE, f"a frame of {len(frame)} bytes was cut")
    if frame[7:8] == OK:
        return ()
    return (Notice(f"HSM refused to {ANSWERS[kind]}", is_error=True),)


def _notice(fields: Mapping[int, bytes]) -> Notice:
    words = masked(fields.get(2, b"").decode("utf-8", "replace"))
    code = int.from_bytes(fields.get(1, b""), "big", signed=True)
    return Notice(f"{words} ({code})"[:500], is_error=True)


# Values


def _merged(old: tuple[int, ...], new: tuple[int, ...]) -> tuple[int, ...]:
    """Raises BrokerError: UNREADABLE."""
    if len(new) > len(old):
        raise BrokerError(Fault.UNREADABLE, f"{len(new)} fields where there are {len(old)}")
    told = [was if now == ABSENT else now for now, was in zip(new, old, strict=False)]
    return (*told, *old[len(new) :])


def _last_tick(topic: _Topic, feed: _Feed) -> Tick | None:
    last = topic.prices[topic.numbers[0]]
    return Tick(symbol=feed.symbol, last_price=last) if last else None


def _index_tick(topic: _Topic, feed: _Feed) -> Tick | None:
    prices = topic.prices
    last, close, at, high, low, first = topic.numbers
    if (price := prices[last]) is None:
        return None
    return Tick(
        symbol=feed.symbol,
        last_price=price,
        at=_time(at),
        open_price=prices[first],
        high_price=prices[high],
        low_price=prices[low],
        close_price=prices[close],
    )


def _tick(topic: _Topic, feed: _Feed) -> Tick | None:
    prices, size = topic.prices, feed.size
    last, volume, traded_at, at, _, _, _, _, quantity, buys, sells, average, oi = topic.numbers[:13]
    low, high, _, _, _, _, first, close = topic.numbers[13:]
    if (price := prices[last]) is None:
        return None
    return Tick(
        symbol=feed.symbol,
        last_price=price,
        at=_time(at),
        traded_at=_time(traded_at),
        last_quantity=_units(quantity, size),
        average_price=prices[average],
        volume=_units(volume, size),
        buy_quantity=_units(buys, size),
        sell_quantity=_units(sells, size),
        open_price=prices[first],
        high_price=prices[high],
        low_price=prices[low],
        close_price=prices[close],
        oi=_units(oi, size) if feed.has_oi else None,
    )


def _depth_tick(topic: _Topic, feed: _Feed) -> DepthTick | None:
    if feed.size is None:
        return None
    prices, quantities, orders = topic.numbers[:10], topic.numbers[10:20], topic.numbers[20:]
    buy, sell = (
        _levels(topic.prices, feed.size, prices[side], quantities[side], orders[side])
        for side in (slice(LEVELS), slice(LEVELS, None))
    )
    falls = all(better.price >= worse.price for better, worse in pairwise(buy))
    if not falls or not all(better.price <= worse.price for better, worse in pairwise(sell)):
        raise BrokerError(Fault.UNREADABLE, "levels that are not in order")
    return DepthTick(symbol=feed.symbol, buy=buy, sell=sell)


def _levels(
    prices: _Prices,
    size: int,
    numbers: tuple[int, ...],
    quantities: tuple[int, ...],
    orders: tuple[int, ...],
) -> tuple[Level, ...]:
    """Empty ones are left out. Raises BrokerError: UNREADABLE."""
    levels = []
    for number, quantity, count in zip(numbers, quantities, orders, strict=True):
        price = prices[number]
        if any(told < 0 and told != ABSENT for told in (quantity, count)):
            raise BrokerError(Fault.UNREADABLE, f"a level of {quantity} in {count} orders")
        if price is not None and quantity > 0:
            levels.append(Level(price, quantity * size, None if count == ABSENT else count))
    return tuple(levels)


def _units(number: int, size: int | None) -> int | None:
    """Below zero is what the field cannot hold, a volume of more than 2,147,483,647: not told, rather than told wrong."""
    return None if number < 0 or size is None else number * size


@lru_cache(maxsize=1024)
def _time(seconds: int) -> datetime | None:
    """0, and what no exchange means: none."""
    return instant(seconds) if seconds >= FIRST_S else None
