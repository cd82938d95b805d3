"""The trading floor: the way of an order from the door to its end, and the passing of time.

Here time is steps and every answer is decided by what was done before and when; `exchange` is the face of it. Between two
commands the waiting orders are looked at in steps: every quarter of a second for ten minutes, every five seconds for six
hours, then every minute. The steps are counted from the last command and never from a look, so it does not matter how often
anybody looks, and a weekend passes in some ten thousand of them.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import asdict, replace

from ordod.adapter import Fault
from ordod.domain.orders import NewOrder, OrderChanges, OrderType, Side, Status, Validity, Variety
from ordod.paper.accounts import Account
from ordod.paper.clearing import Clearing
from ordod.paper.hours import STEPS_S, Hours, day_of, instant
from ordod.paper.market import Listing, to_paise
from ordod.paper.matching import Book, Execution, Ladder, Numbers, is_reached
from ordod.paper.options import OptionWalk
from ordod.paper.orders import PaperGtt, PaperOrder, Part
from ordod.paper.rules import Refusal, entry, has_ended, outside
from ordod.paper.triggers import Triggers

__all__ = ["Floor", "State"]

PACES = ((600 * STEPS_S, 1), (6 * 3600 * STEPS_S, 5 * STEPS_S))  # since the last command -> steps
SLOWEST = 60 * STEPS_S


class State(Struct):
    """Everything that commands have changed."""

    numbers: Numbers
    step: int
    anchor: int
    accounts: dict[str, Account]
    orders: list[PaperOrder]
    gtts: list[PaperGtt]
    ladders: dict[str, Ladder]
    active: list[str]


class Floor:
    """Books, orders, accounts, GTTs, and how far time has come."""

    def __init__(
        self,
        listings: Iterable[Listing],
        seed: int,
        cash: int,
        hours: Hours | None,
        order_ids: Callable[[datetime, int], str],
    ) -> None:
        self.numbers = Numbers()
        self.books: dict[str, Book] = {}
        self.orders: dict[str, dict[str, PaperOrder]] = {}
        self.clearing = Clearing(cash)
        self.triggers = Triggers()
        self.seen = 0  # the latest step anybody spoke of: what positions are valued at
        self._step = self._anchor = 0  # the last step looked at; that of the last command
        self._active: dict[str, Book] = {}  # those at which somebody waits
        self._timed: list[PaperOrder] = []  # those whose validity is in minutes
        self._seed = seed
        self._hours = hours
        self._order_ids = order_ids
        self._list(listings)

    # The way of an order

    def place(self, user: str, terms: NewOrder, at: datetime, step: int) -> PaperOrder:
        book = self.book(terms.symbol)
        way = entry(book, terms, step)
        self._check_hours(book, terms.variety, step)
        is_within = _is_within(book, terms.price, step)
        if is_within:
            self.clearing.tie_up(user, book.listing, terms, way.blocked)
        self.numbers.order += 1
        order = PaperOrder(
            user=user,
            order_id=self._order_ids(at, self.numbers.order),
            number=self.numbers.order,
            terms=terms,
            status=Status.PENDING,
            limit=way.limit,
            blocked=way.blocked,
            priority=self._next_priority(),
            placed_at=at,
            updated_at=at,
            buy=terms.side is Side.BUY,
            remaining=terms.quantity,
            leg_size=way.leg_size,
            leg=way.leg_size,
        )
        if terms.validity is Validity.TTL:
            assert terms.validity_minutes is not None
            order.ends = step + terms.validity_minutes * 60 * STEPS_S
            self._timed.append(order)
        self.orders.setdefault(user, {})[order.order_id] = order
        order.mark(Status.PENDING, at)
        if not is_within:
            order.remaining = order.leg = 0
            order.mark(Status.REJECTED, at, outside(book, step))
        elif terms.variety is Variety.AMO:
            book.hold(order)
            self.wake(terms.symbol)
        else:
            self._enter(book, order, at, step)
        return order

    def _enter(self, book: Book, order: PaperOrder, at: datetime, step: int) -> None:
        """Into the book: wait for the trigger, or take what there is and wait with the rest."""
        if order.exchange_order_id is None:
            order.exchange_order_id = str(1_100_000_000_000_000 + order.number)
        if order.waits_for_trigger:
            if not is_reached(order, book.walk.price(step)):
                book.watch(order)
                order.mark(Status.TRIGGER_PENDING, at)
                self.wake(order.terms.symbol)
                return
            order.triggered = True
        for execution in book.match(order, step):
            self._settle(book, execution, at)
        if not order.remaining:
            order.mark(Status.FILLED, at)
        elif order.terms.validity is Validity.IOC:
            self._end(
                book, order, Status.CANCELLED, at, "immediate or cancel: the rest was cancelled"
            )
        else:
            order.mark(Status.PARTIALLY_FILLED if order.filled_quantity else Status.OPEN, at)
            book.rest(order)
            self.wake(order.terms.symbol)

    def _settle(self, book: Book, execution: Execution, at: datetime) -> None:
        """Give both sides what they traded, and show how the one that waited stands."""
        self.numbers.trade += 1
        self._give(book, execution.order, execution, at)
        if (other := execution.other) is not None:
            self._give(book, other, execution, at)
            _show(other, at)

    def _give(self, book: Book, order: PaperOrder, execution: Execution, at: datetime) -> None:
        quantity, price = execution.quantity, execution.price
        order.parts.append(Part(self.numbers.trade, quantity, price, at))
        self.clearing.give(order, book.listing, quantity, price)

    def _end(
        self, book: Book, order: PaperOrder, status: Status, at: datetime, why: str | None = None
    ) -> None:
        """The rest of an order that stands nowhere any more will not be filled."""
        self.clearing.release(order, book.listing)
        order.remaining = order.leg = 0
        order.mark(status, at, why)

    def cancel(self, user: str, order_id: str, at: datetime) -> PaperOrder:
        order = self._living(user, order_id)
        book = self.books[order.terms.symbol]
        book.remove(order)
        self._end(book, order, Status.CANCELLED, at)
        return order

    def modify(
        self, user: str, order_id: str, changes: OrderChanges, at: datetime, step: int
    ) -> PaperOrder:
        order = self._living(user, order_id)
        book = self.books[order.terms.symbol]
        terms = _changed(order.terms, changes)
        way = entry(book, terms, step)
        remaining = terms.quantity - order.filled_quantity
        if remaining <= 0:
            raise Refusal(Fault.INVALID_INPUT, f"{order.filled_quantity} units are filled already")
        if not _is_within(book, terms.price, step):
            raise Refusal(Fault.INVALID_INPUT, outside(book, step))
        self.clearing.retie(order, book.listing, remaining, way.blocked)
        book.remove(order)
        if not _keeps_its_place(order, terms, way.limit, remaining):
            order.priority = self._next_priority()
        if terms.validity is not Validity.TTL:
            order.ends = None
        order.terms, order.limit, order.blocked = terms, way.limit, way.blocked
        order.remaining, order.leg_size = remaining, way.leg_size
        order.leg = min(way.leg_size, remaining)
        if order.status is Status.PENDING:
            book.hold(order)
            order.mark(Status.PENDING, at)
        else:
            self._enter(book, order, at, step)
        return order

    def order(self, user: str, order_id: str) -> PaperOrder:
        """Raises Refusal: NOT_FOUND."""
        try:
            return self.orders[user][order_id]
        except KeyError:
            raise Refusal(Fault.NOT_FOUND, f"there is no order {order_id}") from None

    def book(self, symbol: str) -> Book:
        """Raises Refusal: NOT_FOUND."""
        try:
            return self.books[symbol]
        except KeyError:
            raise Refusal(Fault.NOT_FOUND, f"{symbol} is not listed here") from None

    def _living(self, user: str, order_id: str) -> PaperOrder:
        order = self.order(user, order_id)
        if not order.is_live:
            raise Refusal(Fault.ORDER_REJECTED, f"order {order_id} is {order.status} already")
        return order

    def _next_priority(self) -> int:
        self.numbers.priority += 1
        return self.numbers.priority

    # Time

    def arrive(self, step: int) -> int:
        """Let everything happen up to a step; the step a command of that time is carried out at, never an earlier one."""
        step = max(step, self._step)
        while self._active:
            coming = self._step + _pace(self._step - self._anchor)
            if coming > step:
                break
            self._step = coming
            for symbol, book in list(self._active.items()):
                self._visit(symbol, book, coming)
        self.seen = max(self.seen, step)
        return step

    def did(self, step: int) -> None:
        """A command was carried out at this step."""
        self._step = self._anchor = step

    def wake(self, symbol: str) -> None:
        """Somebody waits there."""
        self._active.setdefault(symbol, self.books[symbol])

    def is_open(self, book: Book, step: int) -> bool:
        return self._hours is None or self._hours.is_open(book.instrument.exchange, step)

    def priced(self, book: Book, step: int) -> int:
        """The step whose price is the last price: while the market is closed, that of the close."""
        if self._hours is None:
            return step
        return self._hours.last_open(book.instrument.exchange, step)

    def last(self, symbol: str) -> int:
        """The last price, paise."""
        book = self.books[symbol]
        return book.walk.price(self.priced(book, self.seen))

    def _closing(self, symbol: str, ended: bool) -> int:
        """What a day's positions are closed at: an ended option at what it was worth, everything else at its last price."""
        walk = self.books[symbol].walk
        if ended and isinstance(walk, OptionWalk):
            return walk.settlement()
        return self.last(symbol)

    def _check_hours(self, book: Book, variety: Variety, step: int) -> None:
        if self._hours is None:
            return
        is_open = self.is_open(book, step)
        if is_open and variety is Variety.AMO:
            raise Refusal(Fault.INVALID_INPUT, "AMO is for hours at which the market is closed")
        if not is_open and variety is not Variety.AMO:
            raise Refusal(Fault.MARKET_CLOSED, f"{book.instrument.exchange} is closed")

    def _visit(self, symbol: str, book: Book, step: int) -> None:
        """One step of one instrument at which somebody waits."""
        at = instant(step)
        if self._timed:
            self._end_timed(book, at, step)
        if self.is_open(book, step):
            self._trade(book, at, step)
            self.triggers.fire(
                symbol,
                book.walk.price(step),
                at,
                lambda user, terms: self.place(user, terms, at, step),
            )
        else:
            self._end_all(book, at, "the market has closed")
        if book.is_quiet and not self.triggers.are_armed(symbol):
            self._active.pop(symbol, None)

    def _trade(self, book: Book, at: datetime, step: int) -> None:
        for order in book.release():
            self._enter(book, order, at, step)
        for order in book.triggered(step):
            order.triggered = True
            order.priority = self._next_priority()
            self._enter(book, order, at, step)
        for order in book.hungry[:]:
            self._feed(book, order, at, step)
        for execution in book.reach(step):
            self._settle(book, execution, at)
            _show(execution.order, at)

    def _feed(self, book: Book, order: PaperOrder, at: datetime, step: int) -> None:
        """Let a market order ask again."""
        executions = book.match(order, step)
        for execution in executions:
            self._settle(book, execution, at)
        if not order.remaining:
            book.hungry.remove(order)
        if executions:
            _show(order, at)

    def _end_timed(self, book: Book, at: datetime, step: int) -> None:
        self._timed = [order for order in self._timed if order.is_live and order.ends is not None]
        for order in self._timed:
            assert order.ends is not None
            if order.ends <= step and order.terms.symbol == book.instrument.symbol:
                book.remove(order)
                self._end(book, order, Status.EXPIRED, at, "its validity is over")

    def _end_all(self, book: Book, at: datetime, why: str) -> None:
        """End what waits, after-market orders apart."""
        for order in [o for o in book.waiting() if o.status is not Status.PENDING]:
            book.remove(order)
            self._end(book, order, Status.EXPIRED, at, why)

    # Days

    def new_day(self, at: datetime, step: int, listings: Iterable[Listing] | None) -> None:
        today = day_of(step)
        if listings is None:
            listings = [book.listing for book in self.books.values()]
        wanted = [listing for listing in listings if not has_ended(listing.instrument, today)]
        ended = set(self.books) - {listing.instrument.symbol for listing in wanted}
        for symbol, book in self.books.items():
            self._end_all(book, at, "the day is over")
            if symbol in ended:
                for order in book.held:
                    self._end(book, order, Status.REJECTED, at, "the contract has ended")
        held = [order for book in self.books.values() for order in book.held if order.is_live]
        accounts = self.clearing.accounts.values()
        traded = {bucket.symbol for account in accounts for bucket in account.buckets.values()}
        last = {symbol: self._closing(symbol, symbol in ended) for symbol in traded}
        for account in accounts:
            account.next_day(last, ended)
        self.triggers.next_day(at, ended)
        self._list(wanted)
        self.orders = {}
        for order in held:
            self.orders.setdefault(order.user, {})[order.order_id] = order
            self.books[order.terms.symbol].hold(order)
        self._active = {
            symbol: book
            for symbol, book in self.books.items()
            if book.held or self.triggers.are_armed(symbol)
        }
        self.did(step)

    def _list(self, listings: Iterable[Listing]) -> None:
        self.books = {
            listing.instrument.symbol: Book(listing, self._seed, self.numbers)
            for listing in listings
        }

    # State

    def state(self) -> State:
        return State(
            numbers=self.numbers,
            step=self._step,
            anchor=self._anchor,
            accounts=self.clearing.accounts,
            orders=[order for orders in self.orders.values() for order in orders.values()],
            gtts=self.triggers.all(),
            ladders={
                symbol: book.ladder_left
                for symbol, book in self.books.items()
                if book.ladder_left.step >= 0
            },
            active=list(self._active),
        )

    def take_in(self, state: State) -> None:
        """Be as another floor with the same listings, seed and hours was."""
        self.numbers = state.numbers
        self._list([book.listing for book in self.books.values()])
        self._step, self._anchor = state.step, state.anchor
        self.seen = max(self.seen, state.step)
        self.clearing.accounts = state.accounts
        self.orders = {}
        for order in state.orders:
            self.orders.setdefault(order.user, {})[order.order_id] = order
        for order in sorted(state.orders, key=lambda order: order.priority):
            if order.is_live:
                self.books[order.terms.symbol].put_back(order)
        self._timed = [order for order in state.orders if order.is_live and order.ends is not None]
        self.triggers.take_in(state.gtts)
        for symbol, ladder in state.ladders.items():
            self.books[symbol].ladder_left = ladder
        self._active = {symbol: self.books[symbol] for symbol in state.active}


def _show(order: PaperOrder, at: datetime) -> None:
    order.mark(Status.PARTIALLY_FILLED if order.remaining else Status.FILLED, at)


def _changed(terms: NewOrder, changes: OrderChanges) -> NewOrder:
    """The terms after a modify; prices that the new type does not have are dropped."""
    given = {name: value for name, value in asdict(changes).items() if value is not None}
    kind = given.get("type", terms.type)
    if kind in (OrderType.MARKET, OrderType.SL_M):
        given.setdefault("price", None)
    if kind in (OrderType.MARKET, OrderType.LIMIT):
        given.setdefault("trigger_price", None)
    return replace(terms, **given)


def _keeps_its_place(order: PaperOrder, terms: NewOrder, limit: int, remaining: int) -> bool:
    return (
        limit == order.limit
        and terms.type is order.terms.type
        and terms.trigger_price == order.terms.trigger_price
        and remaining <= order.remaining
    )


def _is_within(book: Book, price: Decimal | None, step: int) -> bool:
    """Whether a price lies within the circuit limits."""
    if price is None:
        return True
    _, low, high, _ = book.walk.band(day_of(step))
    return low <= to_paise(price) <= high


def _pace(since: int) -> int:
    for within, pace in PACES:
        if since < within:
            return pace
    return SLOWEST
