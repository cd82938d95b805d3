"""An exchange in memory: deterministic, without clock, socket or chance of its own.

Time is handed in; prices are a function of seed and time (`market`). What happens is therefore decided by the commands and
their times alone: `save` is given each command that changed something, one JSON line each, and `replay` of those lines
gives the same exchange to the last trade number. Between two commands the waiting orders are looked at in steps: every
quarter of a second for ten minutes, every five seconds for six hours, then every minute. The steps are counted from the last
command and never from a look, so it does not matter how often anybody calls `advance`.

Without `hours` it is always open and its day ends only with `new_day`.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ordod.adapter import Fault
from ordod.domain.gtt import GttStatus, NewGtt
from ordod.domain.instruments import InstrumentKind
from ordod.domain.market import Candle, Interval, Quote
from ordod.domain.orders import (
    Fill,
    NewOrder,
    OrderChanges,
    OrderTerms,
    OrderType,
    Product,
    Side,
    Status,
    Validity,
    Variety,
)
from ordod.domain.portfolio import Conversion, Funds, Holding, Margin, Position
from ordod.paper.accounts import Account, Bucket
from ordod.paper.candles import DayRange, candles
from ordod.paper.hours import STEPS_S, Hours, day_of, instant, step_of
from ordod.paper.market import Listing, to_paise
from ordod.paper.matching import Book, Execution, Ladder, Numbers, is_reached
from ordod.paper.orders import PaperGtt, PaperOrder, Part, rupees_of
from ordod.paper.rules import (
    PRODUCTS,
    Refusal,
    entry,
    has_ended,
    on_tick,
    outside,
    released,
)

__all__ = ["Exchange", "Refusal", "order_id"]

GTT_LIFE = timedelta(days=365)
GTT_MEMORY = timedelta(days=7)  # how long a GTT that has ended stays in the list
PACES = ((600 * STEPS_S, 1), (6 * 3600 * STEPS_S, 5 * STEPS_S))  # since the last command -> steps
SLOWEST = 60 * STEPS_S


class _State(Struct):
    """Everything that commands have changed."""

    numbers: Numbers
    step: int
    anchor: int
    accounts: dict[str, Account]
    orders: list[PaperOrder]
    gtts: list[PaperGtt]
    ladders: dict[str, Ladder]
    active: list[str]


def order_id(now: datetime, number: int) -> str:
    """Fifteen digits: the day and a count."""
    return f"{now.year % 100:02}{now.month:02}{now.day:02}{number:09}"


class Exchange:
    """One exchange, all its users.

    Every command first lets the market move up to `now`. Times that go backwards count as the latest step looked at.

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
        self._seed = seed
        self._cash = to_paise(cash)
        self._hours = hours
        self._save = save
        self._order_ids = order_ids
        self._numbers = Numbers()
        self._books: dict[str, Book] = {}
        self._active: dict[str, Book] = {}  # those at which somebody waits
        self._accounts: dict[str, Account] = {}
        self._orders: dict[str, dict[str, PaperOrder]] = {}
        self._gtts: dict[str, PaperGtt] = {}
        self._armed: dict[str, list[PaperGtt]] = {}  # by symbol
        self._ranges: dict[str, DayRange] = {}
        self._timed: list[PaperOrder] = []
        self._step = self._anchor = 0  # the last step looked at; that of the last command
        self._seen = 0  # the latest step anybody spoke of: what books are valued at
        self._encoder = msgspec.json.Encoder()
        self._list(listings)

    # Orders

    def place(self, user: str, order: NewOrder, now: datetime) -> PaperOrder:
        """Take an order and match it. One outside the circuit limits is taken and REJECTED in the book.

        Raises:
            Refusal: INVALID_INPUT, INSUFFICIENT_FUNDS, MARKET_CLOSED, UNSUPPORTED.
        """
        now, step = self._arrive(now)
        placed = self._place(user, order, now, step)
        self._did("place", now, step, user, order)
        return placed

    def modify(self, user: str, order_id: str, changes: OrderChanges, now: datetime) -> PaperOrder:
        """Change a living order. Another price, or a larger quantity, sends it to the end of its queue.

        Raises:
            Refusal: as `place`; NOT_FOUND; ORDER_REJECTED where it is not alive any more.
        """
        now, step = self._arrive(now)
        order = self._living(user, order_id)
        self._modify(order, changes, now, step)
        self._did("modify", now, step, user, order_id, changes)
        return order

    def cancel(self, user: str, order_id: str, now: datetime) -> PaperOrder:
        """End a living order. Raises Refusal: NOT_FOUND, ORDER_REJECTED."""
        now, step = self._arrive(now)
        order = self._living(user, order_id)
        self._books[order.terms.symbol].remove(order)
        self._end(order, Status.CANCELLED, now)
        self._did("cancel", now, step, user, order_id)
        return order

    def orders(self, user: str) -> list[PaperOrder]:
        """The day's, oldest first."""
        return list(self._orders.get(user, {}).values())

    def order(self, user: str, order_id: str) -> PaperOrder:
        """Raises Refusal: NOT_FOUND."""
        try:
            return self._orders[user][order_id]
        except KeyError:
            raise Refusal(Fault.NOT_FOUND, f"there is no order {order_id}") from None

    def trades(self, user: str) -> list[Fill]:
        """The day's executions, oldest first."""
        fills = [fill for order in self.orders(user) for fill in order.fills]
        return sorted(fills, key=lambda fill: int(fill.trade_id))

    # Portfolio

    def open_account(self, user: str, cash: Decimal, now: datetime) -> None:
        """Give a new user so many rupees; one who is known already keeps what he has."""
        now, step = self._arrive(now)
        if user not in self._accounts:
            money = to_paise(cash)
            self._accounts[user] = Account(cash=money, opening=money)
            self._did("open", now, step, user, cash)

    def positions(self, user: str) -> list[Position]:
        return [
            b.position(self._last(b.symbol))
            for b in self._account(user).buckets.values()
            if _traded(b)
        ]

    def holdings(self, user: str) -> list[Holding]:
        account = self._account(user)
        day = day_of(self._seen)
        return [
            account.holdings(symbol, self._last(symbol), self._books[symbol].walk.band(day)[3])
            for symbol in account.held
        ]

    def funds(self, user: str) -> Funds:
        account = self._account(user)
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
        account = self._account(user)
        buckets: dict[str, Bucket] = {}
        for terms in orders:
            book = self._book(terms.symbol)
            way = entry(book, terms, step)
            real = account.bucket(book.listing, terms.product)
            bucket = buckets.setdefault(terms.symbol + terms.product, copy(real))
            bucket.ask(terms.side is Side.BUY, terms.quantity, way.blocked)
        needed = sum(bucket.needs() - bucket.tied for bucket in buckets.values())
        return Margin(
            needed=rupees_of(max(0, needed)),
            available=rupees_of(account.available),
            charges=Decimal(0),
        )

    def convert(self, user: str, conversion: Conversion, now: datetime) -> None:
        """Move a position to another product at its average cost. Raises Refusal."""
        now, step = self._arrive(now)
        self._convert(user, conversion)
        self._did("convert", now, step, user, conversion)

    # GTT

    def place_gtt(self, user: str, gtt: NewGtt, now: datetime) -> str:
        """Wait for a price and then place an order; two legs: the one that comes first ends the other."""
        now, step = self._arrive(now)
        rising = self._rising(gtt, step)
        self._numbers.gtt += 1
        made = PaperGtt(
            user=user,
            gtt_id=str(self._numbers.gtt),
            gtt=gtt,
            rising=rising,
            created_at=now,
            updated_at=now,
            expires_at=now + GTT_LIFE,
        )
        self._gtts[made.gtt_id] = made
        self._arm()
        self._wake(gtt.symbol)
        self._did("place_gtt", now, step, user, gtt)
        return made.gtt_id

    def modify_gtt(self, user: str, gtt_id: str, gtt: NewGtt, now: datetime) -> None:
        now, step = self._arrive(now)
        found = self._living_gtt(user, gtt_id)
        if gtt.symbol != found.gtt.symbol:
            raise Refusal(Fault.INVALID_INPUT, "the symbol of a GTT cannot be changed")
        found.rising = self._rising(gtt, step)
        found.gtt, found.updated_at = gtt, now
        self._did("modify_gtt", now, step, user, gtt_id, gtt)

    def cancel_gtt(self, user: str, gtt_id: str, now: datetime) -> None:
        now, step = self._arrive(now)
        found = self._living_gtt(user, gtt_id)
        found.status, found.updated_at = GttStatus.CANCELLED, now
        self._arm()
        self._did("cancel_gtt", now, step, user, gtt_id)

    def gtts(self, user: str) -> list[PaperGtt]:
        return [gtt for gtt in self._gtts.values() if gtt.user == user]

    # Market

    def listing(self, symbol: str) -> Listing | None:
        book = self._books.get(symbol)
        return book.listing if book else None

    def listings(self) -> tuple[Listing, ...]:
        return tuple(book.listing for book in self._books.values())

    def is_open(self, symbol: str, now: datetime) -> bool:
        return self._is_open(self._book(symbol), step_of(now))

    def last_price(self, symbol: str, now: datetime) -> Decimal:
        """Raises Refusal: NOT_FOUND."""
        book = self._book(symbol)
        return rupees_of(book.walk.price(self._priced(book, self._look(now))))

    def quote(self, symbol: str, now: datetime) -> Quote:
        """Raises Refusal: NOT_FOUND."""
        book = self._book(symbol)
        seen = self._look(now)
        step = self._priced(book, seen)
        day = day_of(step)
        _, low, high, close = book.walk.band(day)
        ranged = self._ranges.setdefault(symbol, DayRange(book.walk, book.instrument.exchange))
        first, highest, lowest = ranged.until(step, from_midnight=self._hours is None)
        is_index = book.instrument.kind is InstrumentKind.INDEX
        return Quote(
            symbol=symbol,
            last_price=rupees_of(book.walk.price(step)),
            at=instant(step),
            open_price=rupees_of(first),
            high_price=rupees_of(highest),
            low_price=rupees_of(lowest),
            close_price=rupees_of(close),
            volume=None if is_index else book.walk.volume(step),
            average_price=None if is_index else rupees_of((first + highest + lowest) // 3),
            lower_circuit=rupees_of(low),
            upper_circuit=rupees_of(high),
            depth=None if is_index else book.depth(seen),
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
        book = self._book(symbol)
        upto = step_of(now) if now is not None else None
        return candles(book.walk, book.instrument.exchange, interval, start, end, upto)

    # Time

    def advance(self, now: datetime) -> None:
        """Let the market move up to now: stops, GTTs, waiting orders, ends of validity and of the day."""
        self._arrive(now)

    def new_day(self, now: datetime, listings: Iterable[Listing] | None = None) -> None:
        """Begin a new book: orders and trades are gone (after-market orders that wait apart), deliveries are in the
        holdings, intraday positions and ended contracts closed at the last price, the rest is carried.

        Args:
            listings: what is traded from now on; None: the same, less the contracts that ended.
        """
        now, step = self._arrive(now)
        for book in self._books.values():
            for order in [o for o in book.waiting() if o not in book.held]:
                book.remove(order)
                self._end(order, Status.EXPIRED, now, "the day is over")
        held = [order for book in self._books.values() for order in book.held]
        today = day_of(step)
        last = {symbol: self._last(symbol) for symbol in self._books}
        wanted = (
            list(listings) if listings is not None else [b.listing for b in self._books.values()]
        )
        wanted = [listing for listing in wanted if not has_ended(listing.instrument, today)]
        ended = set(self._books) - {listing.instrument.symbol for listing in wanted}
        for order in [order for order in held if order.terms.symbol in ended]:
            held.remove(order)
            self._end(order, Status.REJECTED, now, "the contract has ended")
        for account in self._accounts.values():
            account.next_day(last, ended)
        self._forget_gtts(now, ended)
        self._orders = {}
        self._list(wanted)
        for order in held:
            self._orders.setdefault(order.user, {})[order.order_id] = order
            self._books[order.terms.symbol].held.append(order)
        self._active = {
            symbol: book
            for symbol, book in self._books.items()
            if book.held or symbol in self._armed
        }
        self._step = self._anchor = step
        if self._save:
            self._save(self._encoder.encode(["state", self._state()]) + b"\n")

    # State

    def dump(self) -> bytes:
        """Everything, as one JSON value; two exchanges of the same dump behave the same from here on."""
        return self._encoder.encode(self._state())

    def load(self, dump: bytes) -> None:
        """Be as the exchange that was dumped: same listings, seed and hours are taken for granted."""
        self._take_in(msgspec.json.decode(dump, type=_State))

    def replay(self, lines: Iterable[bytes]) -> None:
        """Carry out again what was saved. `save` is not called.

        Raises:
            ValueError: a line is damaged, or is not of an exchange with these listings.
        """
        save, self._save = self._save, None
        try:
            for line in lines:
                self._redo(line)
        except Refusal as refusal:
            raise ValueError(f"not saved by this exchange: {refusal}") from None
        finally:
            self._save = save

    # The way of an order

    def _place(self, user: str, terms: NewOrder, at: datetime, step: int) -> PaperOrder:
        book = self._book(terms.symbol)
        way = entry(book, terms, step)
        self._check_hours(book, terms.variety, step)
        account = self._account(user)
        is_within = self._is_within(book, terms.price, step)
        buy = terms.side is Side.BUY
        if is_within:
            self._tie_up(account, book, terms, way.blocked)
        numbers = self._numbers
        numbers.order += 1
        numbers.priority += 1
        order = PaperOrder(
            user=user,
            order_id=self._order_ids(at, numbers.order),
            number=numbers.order,
            terms=terms,
            status=Status.PENDING,
            limit=way.limit,
            blocked=way.blocked,
            priority=numbers.priority,
            placed_at=at,
            updated_at=at,
            buy=buy,
            remaining=terms.quantity,
            leg_size=way.leg_size,
            leg=way.leg_size,
        )
        if terms.validity is Validity.TTL:
            assert terms.validity_minutes is not None
            order.ends = step + terms.validity_minutes * 60 * STEPS_S
            self._timed.append(order)
        self._accounts[user] = account
        self._orders.setdefault(user, {})[order.order_id] = order
        order.mark(Status.PENDING, at)
        if not is_within:
            order.remaining = order.leg = 0
            order.mark(Status.REJECTED, at, outside(book, step))
        elif terms.variety is Variety.AMO:
            book.held.append(order)
            self._wake(terms.symbol)
        else:
            self._enter(book, order, at, step)
        return order

    def _enter(self, book: Book, order: PaperOrder, at: datetime, step: int) -> None:
        """Into the book: wait for the trigger, or take what there is and wait with the rest."""
        order.exchange_order_id = order.exchange_order_id or str(
            1_100_000_000_000_000 + order.number
        )
        if order.waits_for_trigger:
            if not is_reached(order, book.walk.price(step)):
                book.stops.append(order)
                order.mark(Status.TRIGGER_PENDING, at)
                self._wake(order.terms.symbol)
                return
            order.triggered = True
        for execution in book.match(order, step):
            self._settle(book, execution, at)
        if not order.remaining:
            order.mark(Status.FILLED, at)
        elif order.terms.validity is Validity.IOC:
            self._end(order, Status.CANCELLED, at, "immediate or cancel: the rest was cancelled")
        else:
            order.mark(Status.PARTIALLY_FILLED if order.filled_quantity else Status.OPEN, at)
            book.rest(order)
            self._wake(order.terms.symbol)

    def _settle(self, book: Book, execution: Execution, at: datetime) -> None:
        """Give both sides what they traded, and show how the one that waited stands."""
        self._numbers.trade += 1
        self._give(book, execution.order, execution.quantity, execution.price, at)
        if (other := execution.other) is not None:
            self._give(book, other, execution.quantity, execution.price, at)
            self._show(other, at)

    def _give(self, book: Book, order: PaperOrder, quantity: int, price: int, at: datetime) -> None:
        order.parts.append(Part(self._numbers.trade, quantity, price, at))
        account = self._accounts[order.user]
        bucket = account.bucket(book.listing, order.terms.product)
        bucket.ask(order.buy, -quantity, order.blocked)
        account.cash += bucket.fill(order.buy, quantity, price)
        account.settle(bucket)

    def _show(self, order: PaperOrder, at: datetime) -> None:
        order.mark(Status.PARTIALLY_FILLED if order.remaining else Status.FILLED, at)

    def _end(self, order: PaperOrder, status: Status, at: datetime, why: str | None = None) -> None:
        """The rest of an order that stands nowhere any more will not be filled."""
        account = self._accounts[order.user]
        bucket = account.bucket(self._books[order.terms.symbol].listing, order.terms.product)
        bucket.ask(order.buy, -order.remaining, order.blocked)
        account.settle(bucket)
        order.remaining = order.leg = 0
        order.mark(status, at, why)

    def _modify(self, order: PaperOrder, changes: OrderChanges, at: datetime, step: int) -> None:
        book = self._books[order.terms.symbol]
        before = order.terms
        given = {
            name: value
            for name, value in msgspec.structs.asdict(changes).items()
            if value is not None
        }
        kind = given.get("type", before.type)
        if kind in (OrderType.MARKET, OrderType.SL_M):
            given["price"] = None
        if kind in (OrderType.MARKET, OrderType.LIMIT):
            given["trigger_price"] = None
        terms = replace(before, **given)
        way = entry(book, terms, step)
        remaining = terms.quantity - order.filled_quantity
        if remaining <= 0:
            raise Refusal(Fault.INVALID_INPUT, f"{order.filled_quantity} units are filled already")
        if not self._is_within(book, terms.price, step):
            raise Refusal(Fault.INVALID_INPUT, outside(book, step))
        self._retie(order, book, remaining, way.blocked)
        book.remove(order)
        keeps_place = (
            way.limit == order.limit
            and terms.type is before.type
            and terms.trigger_price == before.trigger_price
            and remaining <= order.remaining
        )
        order.terms, order.limit, order.blocked = terms, way.limit, way.blocked
        order.leg_size = way.leg_size
        order.remaining, order.leg = remaining, min(way.leg_size, remaining)
        if not keeps_place:
            self._numbers.priority += 1
            order.priority = self._numbers.priority
        if order.status is Status.PENDING:
            book.held.append(order)
            order.mark(Status.PENDING, at)
        else:
            self._enter(book, order, at, step)

    # Checks

    def _book(self, symbol: str) -> Book:
        try:
            return self._books[symbol]
        except KeyError:
            raise Refusal(Fault.NOT_FOUND, f"{symbol} is not listed here") from None

    def _check_hours(self, book: Book, variety: Variety, step: int) -> None:
        if self._hours is None:
            return
        is_open = self._is_open(book, step)
        if is_open and variety is Variety.AMO:
            raise Refusal(
                Fault.INVALID_INPUT, "after-market orders are taken while the market is closed"
            )
        if not is_open and variety is not Variety.AMO:
            raise Refusal(Fault.MARKET_CLOSED, f"{book.instrument.exchange} is closed")

    def _tie_up(self, account: Account, book: Book, terms: NewOrder, blocked: int) -> None:
        """Tie up what an order needs, or refuse it and change nothing."""
        buy = terms.side is Side.BUY
        bucket = account.bucket(book.listing, terms.product)
        if (
            not buy
            and terms.product is Product.CNC
            and (can := account.sellable(bucket)) < terms.quantity
        ):
            raise Refusal(
                Fault.INSUFFICIENT_FUNDS,
                f"{terms.quantity} units to sell for delivery, but {max(0, can)} are there; to sell short use MIS",
            )
        bucket.ask(buy, terms.quantity, blocked)
        self._check_funds(account, bucket, lambda: bucket.ask(buy, -terms.quantity, blocked))

    def _retie(self, order: PaperOrder, book: Book, remaining: int, blocked: int) -> None:
        """Tie up what a changed order needs in place of what it did."""
        account = self._accounts[order.user]
        bucket = account.bucket(book.listing, order.terms.product)
        more = remaining - order.remaining
        if not order.buy and bucket.is_delivery and account.sellable(bucket) < more:
            raise Refusal(
                Fault.INSUFFICIENT_FUNDS, "there are not so many units to sell for delivery"
            )

        def undo() -> None:
            bucket.ask(order.buy, -remaining, blocked)
            bucket.ask(order.buy, order.remaining, order.blocked)

        bucket.ask(order.buy, -order.remaining, order.blocked)
        bucket.ask(order.buy, remaining, blocked)
        self._check_funds(account, bucket, undo)

    def _check_funds(self, account: Account, bucket: Bucket, undo: Callable[[], None]) -> None:
        more = bucket.needs() - bucket.tied
        if more > 0 and more > account.available:
            undo()
            raise Refusal(
                Fault.INSUFFICIENT_FUNDS,
                f"{rupees_of(more)} rupees are needed and {rupees_of(account.available)} available",
            )
        account.put(bucket)

    def _is_within(self, book: Book, price: Decimal | None, step: int) -> bool:
        if price is None:
            return True
        _, low, high, _ = book.walk.band(day_of(step))
        return low <= to_paise(price) <= high

    def _living(self, user: str, order_id: str) -> PaperOrder:
        order = self.order(user, order_id)
        if not order.is_live:
            raise Refusal(Fault.ORDER_REJECTED, f"order {order_id} is {order.status} already")
        return order

    # Positions

    def _account(self, user: str) -> Account:
        """The user's account; of one who never did anything a new one, which is not kept."""
        found = self._accounts.get(user)
        return found if found is not None else Account(cash=self._cash, opening=self._cash)

    def _convert(self, user: str, conversion: Conversion) -> None:
        book = self._book(conversion.symbol)
        account = self._account(user)
        allowed = PRODUCTS.get(book.instrument.kind, frozenset())
        if not {conversion.from_product, conversion.to_product} <= allowed:
            raise Refusal(
                Fault.INVALID_INPUT, f"{conversion.symbol} knows {' '.join(sorted(allowed))}"
            )
        if conversion.from_product is conversion.to_product:
            raise Refusal(Fault.INVALID_INPUT, "the position has this product already")
        source = copy(account.bucket(book.listing, conversion.from_product))
        target = copy(account.bucket(book.listing, conversion.to_product))
        is_long = conversion.side is Side.BUY
        there = source.net if is_long else -source.net
        if not 0 < conversion.quantity <= there:
            raise Refusal(
                Fault.INVALID_INPUT, f"{max(0, there)} units to convert, not {conversion.quantity}"
            )
        if not is_long and Product.CNC in (conversion.from_product, conversion.to_product):
            raise Refusal(Fault.INVALID_INPUT, "a sale cannot be converted to or from delivery")
        change = source.hand_over(target, conversion.quantity)
        more = source.needs() + target.needs() - source.tied - target.tied - change
        if more > 0 and more > account.available:
            raise Refusal(
                Fault.INSUFFICIENT_FUNDS,
                f"{rupees_of(more)} rupees are needed and {rupees_of(account.available)} available",
            )
        account.cash += change
        for bucket in (source, target):
            account.put(bucket)

    # GTT

    def _rising(self, gtt: NewGtt, step: int) -> list[bool]:
        """For each leg whether the price is below its trigger now. Raises Refusal where a leg could never be placed."""
        book = self._book(gtt.symbol)
        if not 1 <= len(gtt.legs) <= 2:
            raise Refusal(Fault.INVALID_INPUT, "a GTT has one leg or two")
        price = book.walk.price(self._priced(book, step))
        for leg in gtt.legs:
            entry(book, released(gtt.symbol, leg), step)
            on_tick(book, leg.trigger_price, "trigger_price")
            if to_paise(leg.trigger_price) == price:
                raise Refusal(
                    Fault.INVALID_INPUT, f"the trigger {leg.trigger_price} is the price now"
                )
        rising = [to_paise(leg.trigger_price) > price for leg in gtt.legs]
        if len(rising) == 2 and rising != [False, True]:
            raise Refusal(
                Fault.INVALID_INPUT,
                "of two legs the first triggers below the price, the second above",
            )
        return rising

    def _living_gtt(self, user: str, gtt_id: str) -> PaperGtt:
        found = self._gtts.get(gtt_id)
        if found is None or found.user != user:
            raise Refusal(Fault.NOT_FOUND, f"there is no GTT {gtt_id}")
        if found.status is not GttStatus.ACTIVE:
            raise Refusal(Fault.ORDER_REJECTED, f"GTT {gtt_id} is {found.status} already")
        return found

    def _arm(self) -> None:
        """Know by symbol which GTTs wait."""
        self._armed = {}
        for gtt in self._gtts.values():
            if gtt.status is GttStatus.ACTIVE:
                self._armed.setdefault(gtt.gtt.symbol, []).append(gtt)

    def _fire(self, gtt: PaperGtt, price: int, at: datetime, step: int) -> None:
        for leg, rising in zip(gtt.gtt.legs, gtt.rising, strict=True):
            trigger = to_paise(leg.trigger_price)
            if price < trigger if rising else price > trigger:
                continue
            gtt.updated_at = at
            try:
                order = self._place(gtt.user, released(gtt.gtt.symbol, leg), at, step)
            except Refusal as refusal:
                gtt.status, gtt.status_message = GttStatus.REJECTED, refusal.message
            else:
                gtt.status = GttStatus.TRIGGERED
                gtt.placed_order_ids.append(order.order_id)
            self._arm()
            return

    def _forget_gtts(self, now: datetime, ended: set[str]) -> None:
        for gtt in list(self._gtts.values()):
            if gtt.status is GttStatus.ACTIVE and (
                gtt.expires_at <= now or gtt.gtt.symbol in ended
            ):
                gtt.status, gtt.updated_at = GttStatus.EXPIRED, now
            elif gtt.status is not GttStatus.ACTIVE and gtt.updated_at + GTT_MEMORY < now:
                del self._gtts[gtt.gtt_id]
        self._arm()

    # Time

    def _arrive(self, now: datetime) -> tuple[datetime, int]:
        """The market as of now: the time and step a command is carried out at."""
        step = step_of(now)
        if step < self._step:
            step, now = self._step, instant(self._step)
        if self._active:
            self._advance(step)
        self._seen = max(self._seen, step)
        return now, step

    def _advance(self, upto: int) -> None:
        while self._active:
            step = self._step + _pace(self._step - self._anchor)
            if step > upto:
                return
            self._step = step
            for symbol, book in list(self._active.items()):
                self._visit(symbol, book, step)

    def _visit(self, symbol: str, book: Book, step: int) -> None:
        """One step of one instrument at which somebody waits."""
        at = instant(step)
        if self._timed:
            self._end_timed(book, at, step)
        if not self._is_open(book, step):
            for order in [o for o in book.waiting() if o not in book.held]:
                book.remove(order)
                self._end(order, Status.EXPIRED, at, "the market has closed")
        else:
            for order in book.held[:]:
                book.held.remove(order)
                self._enter(book, order, at, step)
            for order in book.triggered(step):
                order.triggered = True
                self._numbers.priority += 1
                order.priority = self._numbers.priority
                self._enter(book, order, at, step)
            for order in book.hungry[:]:
                self._feed(book, order, at, step)
            for execution in book.reach(step):
                self._settle_waiting(book, execution, at)
            for gtt in self._armed.get(symbol, ()):
                self._fire(gtt, book.walk.price(step), at, step)
        if book.is_quiet and symbol not in self._armed:
            self._active.pop(symbol, None)

    def _feed(self, book: Book, order: PaperOrder, at: datetime, step: int) -> None:
        """Let a market order ask again."""
        executions = book.match(order, step)
        for execution in executions:
            self._settle(book, execution, at)
        if not order.remaining:
            book.hungry.remove(order)
        if executions:
            self._show(order, at)

    def _settle_waiting(self, book: Book, execution: Execution, at: datetime) -> None:
        self._settle(book, execution, at)
        self._show(execution.order, at)

    def _end_timed(self, book: Book, at: datetime, step: int) -> None:
        self._timed = [order for order in self._timed if order.is_live]
        for order in self._timed:
            assert order.ends is not None
            if order.ends <= step and order.terms.symbol == book.instrument.symbol:
                book.remove(order)
                self._end(order, Status.EXPIRED, at, "its validity is over")

    def _is_open(self, book: Book, step: int) -> bool:
        return self._hours is None or self._hours.is_open(book.instrument.exchange, step)

    def _priced(self, book: Book, step: int) -> int:
        """The step whose price is the last price: while the market is closed, that of the close."""
        if self._hours is None:
            return step
        return self._hours.last_open(book.instrument.exchange, step)

    def _look(self, now: datetime | None) -> int:
        if now is not None:
            self._seen = max(self._seen, step_of(now))
        return self._seen

    def _last(self, symbol: str) -> int:
        book = self._books[symbol]
        return book.walk.price(self._priced(book, self._seen))

    def _wake(self, symbol: str) -> None:
        self._active.setdefault(symbol, self._books[symbol])

    # State

    def _list(self, listings: Iterable[Listing]) -> None:
        self._books = {
            listing.instrument.symbol: Book(listing, self._seed, self._numbers)
            for listing in listings
        }
        self._ranges = {}

    def _did(self, verb: str, now: datetime, step: int, *arguments: Any) -> None:
        self._step = self._anchor = step
        if self._save is not None:
            self._save(self._encoder.encode((verb, now, *arguments)) + b"\n")

    def _redo(self, line: bytes) -> None:
        try:
            verb, *arguments = msgspec.json.decode(line)
            if verb == "state":
                self._take_in(msgspec.convert(arguments[0], _State))
                return
            now, user, *rest = arguments
            method, shapes = self._verbs()[verb]
            values = [
                msgspec.convert(value, shape) for value, shape in zip(rest, shapes, strict=True)
            ]
            at = msgspec.convert(now, datetime)
        except (msgspec.MsgspecError, KeyError, IndexError, TypeError) as error:
            raise ValueError(f"not a saved command: {line[:80]!r}: {error}") from None
        method(user, *values, at)

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

    def _state(self) -> _State:
        return _State(
            numbers=self._numbers,
            step=self._step,
            anchor=self._anchor,
            accounts=self._accounts,
            orders=[order for orders in self._orders.values() for order in orders.values()],
            gtts=list(self._gtts.values()),
            ladders={
                symbol: book.ladder_left
                for symbol, book in self._books.items()
                if book.ladder_left.step >= 0
            },
            active=list(self._active),
        )

    def _take_in(self, state: _State) -> None:
        self._numbers = state.numbers
        self._list([book.listing for book in self._books.values()])
        self._step, self._anchor = state.step, state.anchor
        self._seen = max(self._seen, state.step)
        self._accounts = state.accounts
        self._orders = {}
        for order in state.orders:
            self._orders.setdefault(order.user, {})[order.order_id] = order
        self._gtts = {gtt.gtt_id: gtt for gtt in state.gtts}
        self._arm()
        self._timed = [order for order in state.orders if order.ends is not None and order.is_live]
        for order in sorted(state.orders, key=lambda order: order.priority):
            if order.is_live:
                self._books[order.terms.symbol].put_back(order)
        for symbol, ladder in state.ladders.items():
            self._books[symbol].ladder_left = ladder
        self._active = {symbol: self._books[symbol] for symbol in state.active}


def _traded(bucket: Bucket) -> bool:
    return bool(bucket.net or bucket.buy_quantity or bucket.sell_quantity or bucket.carried)


def _pace(since: int) -> int:
    for within, pace in PACES:
        if since < within:
            return pace
    return SLOWEST
