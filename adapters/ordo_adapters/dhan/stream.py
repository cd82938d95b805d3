"""Dhan's live market feed (dhan.md 9.1): what subscribes, and binary packets of prices read.

A packet's code says how long it is, and its header says it again. A frame mostly is one packet; several may follow one another.
It is read only where they fill it exactly: behind a wrong length every price would be read from a wrong place. Packets of codes
that are not documented are passed over by their length.

A contract that was never traded has no time of a trade, and its last price is none. An index is never traded, and told all the
same. What a packet alone does not tell is remembered: the previous close and, beside quotes, the open interest come in packets of
their own. The close in a quote is of today once the market has closed, so it is left alone. So is the last quantity, which
has 16 bits: 66,036 shares would be told as 500.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from struct import Struct as Layout
from typing import Any

import msgspec

from ordo_adapters.dhan.float32 import Prices, Rupees, Shortest
from ordo_adapters.dhan.tables import DISCONNECTED, FAULTS, FEED_SEGMENT, STREAM_MODE
from ordod.adapter import (
    IST,
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
    Stream,
    Tick,
    masked,
)

__all__ = ["DhanStream"]

SAID_AT_ONCE = 100  # instruments of one frame (9.1)
DAYS_KEPT, TIMES_KEPT = 20_000, 1000
FIRST_S, LAST_S = 946_684_800, 4_102_444_800  # of 2000 to 2100
# Of what was never traded: nothing, or the first moment of 1980 (7), in IST or in UTC.
NEVER = (0, 315_513_000, 315_532_800)

# Codes and sizes in bytes (9.1)
HEADER, ID_SIZE = 8, 4
INDEX, TICKER, QUOTE, INTEREST, PREVIOUS, FULL, DISCONNECT = 1, 2, 4, 5, 6, 8, 50
SIZES = {TICKER: 16, QUOTE: 50, INTEREST: 12, PREVIOUS: 16, FULL: 162, DISCONNECT: 10}
_TICKER = Layout("<8xfI")  # last, its time
_PREVIOUS = Layout("<8xfI")  # previous close, and open interest
_INTEREST = Layout("<8xI")
_QUOTE = Layout("<8xf2xIfIII16s")  # last, its time, average, volume, sells, buys, the day's prices
_FULL = Layout("<8xf2xIfIIII8x16s" + "IIHHff" * 5)  # and interest; a level is of both sides
_DAY = Layout("<f4xff")  # open, high, low; the close between them is left out
_REASON = Layout("<8xH")

_JSON = msgspec.json.Encoder()


class _Days(dict[bytes, tuple[Any, ...]]):
    """Open, high and low as packed, in rupees: most packets repeat them."""

    def __init__(self, prices: Rupees) -> None:
        super().__init__()
        self._prices = prices

    def __missing__(self, packed: bytes) -> tuple[Any, ...]:
        if len(self) >= DAYS_KEPT:
            self.clear()
        day = self[packed] = tuple(self._prices[number] for number in _DAY.unpack(packed))
        return day


class _Times(dict[int, datetime | None]):
    """Seconds that read as UTC give the Indian wall clock (9.1)."""

    def __missing__(self, seconds: int) -> datetime | None:
        if len(self) >= TIMES_KEPT:
            self.clear()
        at = None
        if FIRST_S <= seconds < LAST_S:
            at = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=IST)
        elif seconds not in NEVER:
            raise BrokerError(Fault.UNREADABLE, f"{seconds} is no time of a trade")
        self[seconds] = at
        return at


_TIMES = _Times()
_RECKONED = Shortest(rounds=True)


class _Followed:
    """One contract that is subscribed, and what was told of it apart.

    `counts`: whether its quantities are told; where its lot is in doubt they may be lots, and an index has none.
    """

    __slots__ = ("close", "counts", "days", "has_oi", "is_index", "mode", "oi", "prices", "symbol")

    def __init__(self, instrument: Instrument, mode: Mode, prices: Rupees, days: _Days) -> None:
        self.symbol = instrument.symbol
        self.counts = instrument.lot_size is not None
        self.has_oi = self.counts and instrument.expiry is not None
        self.is_index = instrument.kind is InstrumentKind.INDEX
        self.mode = mode
        self.prices = prices
        self.days = days
        self.close: Decimal | None = None
        self.oi: int | None = None


class DhanStream(Stream):
    """One connection's codec."""

    def __init__(self) -> None:
        self._followed: dict[bytes, _Followed] = {}
        self._grids: dict[Decimal | None, tuple[Rupees, _Days]] = {}
        self._readers = {
            INDEX: self._read_index,
            TICKER: self._read_ticker,
            QUOTE: self._read_quote,
            INTEREST: self._read_interest,
            PREVIOUS: self._read_previous,
            FULL: self._read_full,
        }

    # What we say

    def subscribe(self, instruments: Sequence[Instrument], mode: Mode) -> Iterable[Frame]:
        """A mode is a subscription of its own, so that the old one is left first."""
        news: list[Instrument] = []
        changed: dict[Mode, list[Instrument]] = {}
        for instrument in instruments:
            key = _key(instrument)
            followed = self._followed.get(key)
            if followed is None:
                self._followed[key] = _Followed(instrument, mode, *self._grid(instrument))
            elif followed.mode is mode:
                continue
            else:
                changed.setdefault(followed.mode, []).append(instrument)
                followed.mode = mode
            news.append(instrument)
        for before, some in changed.items():
            yield from _say(STREAM_MODE[before] + 1, some)
        yield from _say(STREAM_MODE[mode], news)

    def unsubscribe(self, instruments: Sequence[Instrument]) -> Iterable[Frame]:
        gone: dict[Mode, list[Instrument]] = {}
        for instrument in instruments:
            followed = self._followed.pop(_key(instrument), None)
            if followed is not None:
                gone.setdefault(followed.mode, []).append(instrument)
        for mode, some in gone.items():
            yield from _say(STREAM_MODE[mode] + 1, some)

    def _grid(self, instrument: Instrument) -> tuple[Rupees, _Days]:
        """What its prices mean; None: an index' and what the file has no tick of."""
        is_index = instrument.kind is InstrumentKind.INDEX
        tick = None if is_index or not instrument.tick_size else instrument.tick_size
        if tick not in self._grids:
            made = Shortest(rounds=False) if tick is None else Prices(tick)
            self._grids[tick] = made, _Days(made)
        return self._grids[tick]

    # What comes

    def read(self, frame: Frame) -> Sequence[Pushed]:
        """Raises BrokerError: what ended the connection, where a packet tells it."""
        if isinstance(frame, str):
            return (Notice(masked(frame)[:500], is_error=True),)  # no text is documented
        pushed: list[Pushed] = []
        for code, at, end in _packets(frame):
            if code == DISCONNECT:
                raise _disconnected(_REASON.unpack_from(frame, at)[0])
            read = self._readers.get(code)
            followed = self._followed.get(frame[at + 3 : at + HEADER])
            if read is None or followed is None:
                continue  # of no documented kind; or it crossed our unsubscribing
            try:
                read(frame, at, followed, pushed)
            except BrokerError as error:
                pushed.append(BadRow(f"{followed.symbol}: {error.message}", frame[at:end]))
        return pushed

    def _read_index(self, frame: bytes, at: int, of: _Followed, pushed: list[Pushed]) -> None:
        raise BrokerError(Fault.UNREADABLE, "a packet of a kind that Dhan does not document")

    def _read_ticker(self, frame: bytes, at: int, of: _Followed, pushed: list[Pushed]) -> None:
        last, seconds = _TICKER.unpack_from(frame, at)
        price, traded_at = of.prices[last], _TIMES[seconds]
        if price is not None and (traded_at is not None or of.is_index):
            pushed.append(Tick(of.symbol, price, traded_at=traded_at, close_price=of.close))

    def _read_previous(self, frame: bytes, at: int, of: _Followed, pushed: list[Pushed]) -> None:
        close, interest = _PREVIOUS.unpack_from(frame, at)
        if interest >= FIRST_S:  # a ticker's time: but for their codes the two are alike
            raise BrokerError(Fault.UNREADABLE, f"{interest} contracts are no open interest")
        of.close = _RECKONED[close]

    def _read_interest(self, frame: bytes, at: int, of: _Followed, pushed: list[Pushed]) -> None:
        (of.oi,) = _INTEREST.unpack_from(frame, at)

    def _read_quote(self, frame: bytes, at: int, of: _Followed, pushed: list[Pushed]) -> None:
        last, traded, average, volume, sells, buys, day = _QUOTE.unpack_from(frame, at)
        _add_tick(of, pushed, last, traded, average, volume, sells, buys, of.oi, day)

    def _read_full(self, frame: bytes, at: int, of: _Followed, pushed: list[Pushed]) -> None:
        # fmt: off
        (
            last, traded, average, volume, sells, buys, oi, day,
            bq1, sq1, bo1, so1, bp1, sp1, bq2, sq2, bo2, so2, bp2, sp2, bq3, sq3, bo3, so3, bp3, sp3,
            bq4, sq4, bo4, so4, bp4, sp4, bq5, sq5, bo5, so5, bp5, sp5,
        ) = _FULL.unpack_from(frame, at)
        # fmt: on
        depth = None
        if of.counts:
            rupees = of.prices
            buy: tuple[Level, ...] = (
                Level(rupees[bp1], bq1, bo1),
                Level(rupees[bp2], bq2, bo2),
                Level(rupees[bp3], bq3, bo3),
                Level(rupees[bp4], bq4, bo4),
                Level(rupees[bp5], bq5, bo5),
            )
            sell: tuple[Level, ...] = (
                Level(rupees[sp1], sq1, so1),
                Level(rupees[sp2], sq2, so2),
                Level(rupees[sp3], sq3, so3),
                Level(rupees[sp4], sq4, so4),
                Level(rupees[sp5], sq5, so5),
            )
            is_whole = bq1 and bq2 and bq3 and bq4 and bq5 and sq1 and sq2 and sq3 and sq4 and sq5
            if not (is_whole and bp1 > bp2 > bp3 > bp4 > bp5 > 0 < sp1 < sp2 < sp3 < sp4 < sp5):
                buy, sell = _without_empty(buy), _without_empty(sell)
                _check_order(buy, sell)
            depth = DepthTick(of.symbol, buy, sell)
        _add_tick(of, pushed, last, traded, average, volume, sells, buys, oi, day)
        if depth is not None:
            pushed.append(depth)


# Of packets


def _packets(frame: bytes) -> list[tuple[int, int, int]]:
    """Code, place and end of each. Raises BrokerError, UNREADABLE, where they do not fill the frame."""
    found, at, size = [], 0, len(frame)
    while at < size:
        if size - at < HEADER:
            raise BrokerError(Fault.UNREADABLE, f"{size - at} bytes behind the last packet")
        code, length = frame[at], frame[at + 1] | frame[at + 2] << 8
        if length != SIZES.get(code, length) or not HEADER <= length <= size - at:
            raise BrokerError(
                Fault.UNREADABLE, f"a packet {code} of {length} bytes, of which {size - at} came"
            )
        found.append((code, at, at + length))
        at += length
    return found


def _add_tick(
    of: _Followed,
    pushed: list[Pushed],
    last: float,
    traded: int,
    average: float,
    volume: int,
    sells: int,
    buys: int,
    oi: int | None,
    day: bytes,
) -> None:
    price, traded_at, mean = of.prices[last], _TIMES[traded], _RECKONED[average]
    first, high, low = of.days[day]
    if price is None or (traded_at is None and not of.is_index):  # never traded
        return
    counts = of.counts
    pushed.append(
        Tick(
            of.symbol,
            price,
            None,
            traded_at,
            None,
            mean,
            volume if counts else None,
            buys if counts else None,
            sells if counts else None,
            first,
            high,
            low,
            of.close,
            oi if of.has_oi else None,
        )
    )


def _without_empty(levels: tuple[Level, ...]) -> tuple[Level, ...]:
    return tuple(level for level in levels if level.quantity and level.price)


def _check_order(buy: tuple[Level, ...], sell: tuple[Level, ...]) -> None:
    """The best stands first on both sides. Raises BrokerError: UNREADABLE."""
    falls = all(better.price > worse.price for better, worse in pairwise(buy))
    if not falls or not all(better.price < worse.price for better, worse in pairwise(sell)):
        raise BrokerError(Fault.UNREADABLE, "levels that are not in order")


def _disconnected(reason: int) -> BrokerError:
    words = DISCONNECTED.get(reason, "for a reason that is not documented")
    row = FAULTS.find(0, str(reason), words)
    fault = Fault.BROKER_UNAVAILABLE if row is None else row.fault
    return BrokerError(fault, f"Dhan ended the stream: {words} ({reason})", code=str(reason))


# Of requests


def _key(instrument: Instrument) -> bytes:
    """Segment and id, as a header has them: an id alone is of several segments. One too long for a header is in none."""
    segment, _, security_id = instrument.instrument_token.partition(":")
    number = int(security_id)
    size = max(ID_SIZE, -(-number.bit_length() // 8))
    return bytes((FEED_SEGMENT[segment],)) + number.to_bytes(size, "little")


def _say(code: int, instruments: Sequence[Instrument]) -> Iterable[Frame]:
    for at in range(0, len(instruments), SAID_AT_ONCE):
        tokens = [one.instrument_token for one in instruments[at : at + SAID_AT_ONCE]]
        listed = [
            {"ExchangeSegment": segment, "SecurityId": security_id}
            for segment, _, security_id in (token.partition(":") for token in tokens)
        ]
        said = {"RequestCode": code, "InstrumentCount": len(listed), "InstrumentList": listed}
        yield _JSON.encode(said).decode()
