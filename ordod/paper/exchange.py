"""An exchange in memory: deterministic, without clock, socket or chance of its own.

Time is handed in; prices are a function of seed and time (`market`). What happens is therefore decided by the commands and
their times alone: `save` is given each command that changed something, one JSON line each, and `replay` of those lines
gives the same exchange to the last trade number, however often anybody looked at it in between (`floor`).

Simple on purpose: trades of users do not move the price; a user's two orders may trade with each other; no charges, no
settlement of shares. Without `hours` it is always open, and its day ends only with `new_day`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

import msgspec

from ordod.domain.gtt import NewGtt
from ordod.domain.instruments import Instrument, InstrumentKind
from ordod.domain.market import Candle, Interval, Quote
from ordod.domain.orders import Fill, NewOrder, OrderChanges, OrderTerms
from ordod.domain.portfolio import Conversion, Funds, Holding, Margin, Position
from ordod.paper.candles import DAY_GLANCE, OPTION_GLANCE, DayRange, candles
from ordod.paper.floor import Floor, State
from ordod.paper.hours import MARKET_HOURS, Hours, day_of, instant, step_of
from ordod.paper.listed import listings
from ordod.paper.market import Listing, to_paise
from ordod.paper.orders import PaperGtt, PaperOrder, rupees_of
from ordod.paper.rules import Refusal, entry
from ordod.paper.triggers import rising_legs

__all__ = [
    "MARKET_HOURS",
    "Exchange",
    "Hours",
    "Listing",
    "PaperOrder",
    "Refusal",
    "listings",
    "order_id",
]


def order_id(now: datetime, number: int) -> str:
    """Fifteen digits: the day and a count."""
    return f"{now.year % 100:02}{now.month:02}{now.day:02}{number:09}"


class Exchange:
    """One exchange, all its users.

    Every command first lets the market move up to `now`; times that go backwards count as the latest step looked at.

    Args:
        cash: what a user who is seen for the first time has, rupees.
        hours: when it is open; None: always.
        save: is handed each command as a line, after it was carried out.
        order_ids: makes an order id of the time and the order's number.
    """

    def __init__(
        self,
        listings: Iterable[Listing],
        *,
        seed: int,
        cash: Decimal = Decimal(1_000_000),
        hours: Hours | None = None,
        save: Callable[[bytes], None] | None = None,
        order_ids: Callable[[datetime, int], str] = order_id,
    ) -> None:
        self._floor = Floor(listings, seed, to_paise(cash), hours, order_ids)
        self._is_always_open = hours is None
        self._hours = hours or MARKET_HOURS
        self._save = save
        self._ranges: dict[str, DayRange] = {}
        self._encoder = msgspec.json.Encoder()

    # Orders

    def place(self, user: str, order: NewOrder, now: datetime) -> PaperOrder:
        """Take an order and match it. One outside the circuit limits is taken and REJECTED in the book.

        Raises:
            Refusal: INVALID_INPUT, NOT_FOUND, INSUFFICIENT_FUNDS, MARKET_CLOSED, UNSUPPORTED.
        """
        now, step = self._arrive(now)
        placed = self._floor.place(user, order, now, step)
        self._did("place", now, step, user, order)
        return placed

    def modify(self, user: str, order_id: str, changes: OrderChanges, now: datetime) -> PaperOrder:
        """Change a living order. Another price, or a larger quantity, sends it to the end of its queue.

        Raises:
            Refusal: as `place`; NOT_FOUND; ORDER_REJECTED where it is not alive any more.
        """
        now, step = self._arrive(now)
        order = self._floor.modify(user, order_id, changes, now, step)
        self._did("modify", now, step, user, order_id, changes)
        return order

    def cancel(self, user: str, order_id: str, now: datetime) -> PaperOrder:
        """End a living order. Raises Refusal: NOT_FOUND, ORDER_REJECTED."""
        now, step = self._arrive(now)
        order = self._floor.cancel(user, order_id, now)
        self._did("cancel", now, step, user, order_id)
        return order

    def orders(self, user: str) -> list[PaperOrder]:
        """The day's, oldest first."""
        return list(self._floor.orders.get(user, {}).values())

    def order(self, user: str, order_id: str) -> PaperOrder:
        """Raises Refusal: NOT_FOUND."""
        return self._floor.order(user, order_id)

    def orders_count(self, user: str) -> int:
        return len(self._floor.orders.get(user, {}))

    def orders_from(self, user: str, index: int) -> Iterator[PaperOrder]:
        """The day's from this place on, oldest first."""
        return islice(self._floor.orders.get(user, {}).values(), index, None)

    def trades(self, user: str) -> list[Fill]:
        """The day's executions, oldest first."""
        fills = [fill for order in self.orders(user) for fill in order.fills]
        return sorted(fills, key=lambda fill: int(fill.trade_id))

    # Portfolio

    def open_account(self, user: str, cash: Decimal, now: datetime) -> None:
        """Give a new user so many rupees; one who is known already keeps what he has."""
        now, step = self._arrive(now)
        if self._floor.clearing.open(user, to_paise(cash)):
            self._did("open", now, step, user, cash)

    def positions(self, user: str) -> list[Position]:
        """Today's and carried ones, closed ones too."""
        buckets = self._floor.clearing.account(user).buckets.values()
        return [b.position(self._floor.last(b.symbol)) for b in buckets if b.is_position]

    def holdings(self, user: str) -> list[Holding]:
        floor, day = self._floor, day_of(self._floor.seen)
        account = floor.clearing.account(user)
        return [
            account.holding(symbol, floor.last(symbol), floor.books[symbol].walk.band(day)[3])
            for symbol in account.held
        ]

    def funds(self, user: str) -> Funds:
        account = self._floor.clearing.account(user)
        return Funds(
            segment="all",
            available=rupees_of(account.available),
            cash=rupees_of(account.cash),
            used=rupees_of(account.tied),
            opening=rupees_of(account.opening),
        )

    def margin(
        self, user: str, orders: Sequence[OrderTerms], now: datetime | None = None
    ) -> Margin:
        """What these orders would tie up together, beside what is tied already. Raises Refusal: as `place`."""
        step = self._look(now)
        books = [self._floor.book(terms.symbol) for terms in orders]
        asked = [
            (terms, book.listing, entry(book, terms, step).blocked)
            for terms, book in zip(orders, books, strict=True)
        ]
        return self._floor.clearing.margin(user, asked)

    def convert(self, user: str, conversion: Conversion, now: datetime) -> None:
        """Move a position to another product at its average cost. Raises Refusal: INVALID_INPUT, INSUFFICIENT_FUNDS."""
        now, step = self._arrive(now)
        book = self._floor.book(conversion.symbol)
        self._floor.clearing.convert(user, book.listing, conversion)
        self._did("convert", now, step, user, conversion)

    # GTT

    def place_gtt(self, user: str, gtt: NewGtt, now: datetime) -> str:
        """Wait for a price and then place an order; of two legs the one that comes first ends the other."""
        now, step = self._arrive(now)
        rising = self._rising(gtt, step)
        self._floor.numbers.gtt += 1
        made = self._floor.triggers.add(user, gtt, rising, self._floor.numbers.gtt, now)
        self._floor.wake(gtt.symbol)
        self._did("place_gtt", now, step, user, gtt)
        return made

    def modify_gtt(self, user: str, gtt_id: str, gtt: NewGtt, now: datetime) -> None:
        """Let it wait for something else. Raises Refusal: NOT_FOUND, INVALID_INPUT, ORDER_REJECTED."""
        now, step = self._arrive(now)
        self._floor.triggers.change(user, gtt_id, gtt, self._rising(gtt, step), now)
        self._did("modify_gtt", now, step, user, gtt_id, gtt)

    def cancel_gtt(self, user: str, gtt_id: str, now: datetime) -> None:
        """Raises Refusal: NOT_FOUND, ORDER_REJECTED."""
        now, step = self._arrive(now)
        self._floor.triggers.cancel(user, gtt_id, now)
        self._did("cancel_gtt", now, step, user, gtt_id)

    def gtts(self, user: str) -> list[PaperGtt]:
        """Those that wait, and those that ended in the last week."""
        return [gtt for gtt in self._floor.triggers.all() if gtt.user == user]

    def _rising(self, gtt: NewGtt, step: int) -> list[bool]:
        book = self._floor.book(gtt.symbol)
        return rising_legs(book, gtt, book.walk.price(self._floor.priced(book, step)), step)

    # Market

    def listings(self) -> tuple[Listing, ...]:
        return tuple(book.listing for book in self._floor.books.values())

    def listing(self, symbol: str) -> Listing | None:
        book = self._floor.books.get(symbol)
        return book.listing if book else None

    def is_open(self, symbol: str, now: datetime) -> bool:
        """Raises Refusal: NOT_FOUND."""
        return self._floor.is_open(self._floor.book(symbol), step_of(now))

    def last_price(self, symbol: str, now: datetime) -> Decimal:
        """Raises Refusal: NOT_FOUND."""
        book = self._floor.book(symbol)
        return rupees_of(book.walk.price(self._floor.priced(book, self._look(now))))

    def circuit_limits(self, symbol: str, now: datetime) -> tuple[Decimal, Decimal]:
        """The day's lowest and highest price, without the work of a quote. Raises Refusal: NOT_FOUND."""
        _, low, high, _ = self._floor.book(symbol).walk.band(day_of(self._look(now)))
        return rupees_of(low), rupees_of(high)

    def quote(self, symbol: str, now: datetime) -> Quote:
        """Raises Refusal: NOT_FOUND."""
        book = self._floor.book(symbol)
        seen = self._look(now)
        step = self._floor.priced(book, seen)
        _, low, high, close = book.walk.band(day_of(step))
        if symbol not in self._ranges:
            self._ranges[symbol] = DayRange(
                book.walk, book.instrument.exchange, self._hours, _glance(book.instrument)
            )
        first, highest, lowest = self._ranges[symbol].until(step, self._is_always_open)
        trades = book.instrument.kind is not InstrumentKind.INDEX
        return Quote(
            symbol=symbol,
            last_price=rupees_of(book.walk.price(step)),
            at=instant(step),
            open_price=rupees_of(first),
            high_price=rupees_of(highest),
            low_price=rupees_of(lowest),
            close_price=rupees_of(close),
            volume=book.walk.volume(step) if trades else None,
            oi=book.walk.open_interest(step) if book.instrument.expiry else None,
            lower_circuit=rupees_of(low) if trades else None,
            upper_circuit=rupees_of(high) if trades else None,
            depth=book.depth(seen) if trades else None,
        )

    def candles(
        self,
        symbol: str,
        interval: Interval,
        start: datetime,
        end: datetime,
        now: datetime | None = None,
    ) -> list[Candle]:
        """Those that begin in [start, end], in market hours; nothing later than `now` is told where it is given."""
        book = self._floor.book(symbol)
        upto = step_of(now) if now is not None else None
        return candles(book.walk, book.instrument.exchange, interval, start, end, upto, self._hours)

    # Time

    def advance(self, now: datetime) -> None:
        """Let the market move up to now: stops, GTTs, waiting orders, ends of validity and of the day."""
        self._arrive(now)

    def new_day(self, now: datetime, listings: Iterable[Listing] | None = None) -> None:
        """Begin a new book.

        Orders and trades are gone, after-market orders that wait apart; deliveries are in the holdings; intraday positions
        and ended contracts are closed at the last price; the rest is carried. The state is saved whole.

        Args:
            listings: what is traded from now on; None: the same, less the contracts that ended.
        """
        now, step = self._arrive(now)
        self._floor.new_day(now, step, listings)
        self._ranges = {}
        if self._save is not None:
            self._save(self._encoder.encode(("state", self._floor.state())) + b"\n")

    def _arrive(self, now: datetime) -> tuple[datetime, int]:
        step = step_of(now)
        reached = self._floor.arrive(step)
        return (now, step) if reached == step else (instant(reached), reached)

    def _look(self, now: datetime | None) -> int:
        if now is not None:
            self._floor.seen = max(self._floor.seen, step_of(now))
        return self._floor.seen

    # State

    def dump(self) -> bytes:
        """Everything, as one JSON value; two exchanges of the same dump behave the same from here on."""
        return self._encoder.encode(self._floor.state())

    def load(self, dump: bytes) -> None:
        """Be as the exchange that was dumped; it had the same listings, seed and hours."""
        self._floor.take_in(msgspec.json.decode(dump, type=State))

    def replay(self, lines: Iterable[bytes]) -> None:
        """Carry out again what was saved. `save` is not called.

        Raises:
            ValueError: a line is damaged, or is not of an exchange with these listings, seed and hours.
        """
        save, self._save = self._save, None
        try:
            for line in lines:
                self._redo(line)
        except Refusal as refusal:
            raise ValueError(f"not saved by this exchange: {refusal}") from None
        finally:
            self._save = save

    def _did(self, verb: str, now: datetime, step: int, *arguments: Any) -> None:
        self._floor.did(step)
        if self._save is not None:
            self._save(self._encoder.encode((verb, now, *arguments)) + b"\n")

    def _redo(self, line: bytes) -> None:
        try:
            verb, *arguments = msgspec.json.decode(line)
            if verb == "state":
                self._floor.take_in(msgspec.convert(arguments[0], State))
                return
            at, user, *rest = arguments
            method, shapes = self._verbs()[verb]
            now = msgspec.convert(at, datetime)
            values = [
                msgspec.convert(value, shape) for value, shape in zip(rest, shapes, strict=True)
            ]
        except (msgspec.MsgspecError, ValueError, LookupError, TypeError) as error:
            raise ValueError(f"not a saved command: {line[:80]!r}: {error}") from None
        method(user, *values, now)

    def _verbs(self) -> dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]:
        return {
            "place": (self.place, (NewOrder,)),
            "modify": (self.modify, (str, OrderChanges)),
            "cancel": (self.cancel, (str,)),
            "open": (self.open_account, (Decimal,)),
            "convert": (self.convert, (Conversion,)),
            "place_gtt": (self.place_gtt, (NewGtt,)),
            "modify_gtt": (self.modify_gtt, (str, NewGtt)),
            "cancel_gtt": (self.cancel_gtt, (str,)),
        }


def _glance(instrument: Instrument) -> int:
    """How often a day's range looks at a price: a chain asks for a hundred options at once."""
    return OPTION_GLANCE if instrument.strike is not None else DAY_GLANCE
