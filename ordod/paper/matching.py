"""One instrument's order book: price first, then time.

Orders of users stand in two queues; a market maker shows five finite levels on each side of the last price, new ones at
every step. An arriving order takes the best price of both, users first where they are level, and trades at the price of
the one that was there before. What it did not get waits at its limit; a market order's rest asks again at every step.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from functools import cached_property

from msgspec import Struct

from ordod.domain.market import Depth, Level
from ordod.domain.orders import Status
from ordod.paper.hours import day_of
from ordod.paper.market import Listing, Walk
from ordod.paper.options import walk_of
from ordod.paper.orders import PaperOrder, rupees_of

__all__ = ["Book", "Execution", "Ladder", "Numbers", "is_reached"]

LEVELS = 5


class Numbers(Struct):
    """What the exchange counts: never given twice, also not after a replay."""

    order: int = 0
    trade: int = 0
    priority: int = 0
    gtt: int = 0


class Ladder(Struct):
    """What the market maker still shows in this step: [price in paise, units], best first."""

    step: int
    bids: list[list[int]]
    asks: list[list[int]]


class Execution(Struct, frozen=True):
    """One trade. `other` is the order that was there before; None: the market maker. `price` in paise."""

    order: PaperOrder
    other: PaperOrder | None
    quantity: int
    price: int


Place = tuple[int, int, PaperOrder]  # sorted so that the best stands last: taking it moves nothing


class Book:
    """All of one instrument: listing, price, queues, waiting stops."""

    def __init__(self, listing: Listing, seed: int, numbers: Numbers) -> None:
        self.listing = listing
        self.instrument = listing.instrument
        self._seed = seed
        self.stops: list[PaperOrder] = []
        self.held: list[PaperOrder] = []  # after-market orders, until the open
        self.hungry: list[PaperOrder] = []  # market orders that did not get all
        self._numbers = numbers
        self._buys: list[Place] = []
        self._sells: list[Place] = []
        self.ladder_left = Ladder(-1, [], [])

    @cached_property
    def walk(self) -> Walk:
        """Made when it is first asked for: of a thousand options a few are."""
        return walk_of(self.listing, self._seed)

    # Arriving

    def match(self, order: PaperOrder, step: int) -> list[Execution]:
        """Let an order take what it may from the other side."""
        buy, limit = order.buy, order.limit
        queue = self._sells if buy else self._buys
        ladder = self.ladder(step)
        levels = ladder.asks if buy else ladder.bids
        done: list[Execution] = []
        while order.remaining:
            other: PaperOrder | None = None
            if queue:
                price, other = abs(queue[-1][0]), queue[-1][2]
                if levels and (levels[0][0] < price if buy else levels[0][0] > price):
                    price, other = levels[0][0], None
            elif levels:
                price = levels[0][0]
            else:
                break
            if price > limit if buy else price < limit:
                break
            quantity = min(order.remaining, levels[0][1] if other is None else other.leg)
            order.take(quantity, price)
            if other is None:
                _use(levels, quantity)
            else:
                self._serve(queue, other, quantity, price)
            done.append(Execution(order, other, quantity, price))
        return done

    def rest(self, order: PaperOrder) -> None:
        """Wait: at the limit, or asking again at every step."""
        if order.is_market:
            insort(self.hungry, order, key=_priority)
        elif order.buy:
            insort(self._buys, (order.limit, -order.priority, order))
        else:
            insort(self._sells, (-order.limit, -order.priority, order))

    def hold(self, order: PaperOrder) -> None:
        """Keep an after-market order until the open."""
        insort(self.held, order, key=_priority)

    def watch(self, order: PaperOrder) -> None:
        """Keep a stop until its trigger."""
        insort(self.stops, order, key=_priority)

    def put_back(self, order: PaperOrder) -> None:
        """Let a living order wait where it waited, after a restart. Oldest first."""
        if order.status is Status.PENDING:
            self.hold(order)
        elif order.waits_for_trigger:
            self.watch(order)
        else:
            self.rest(order)

    def remove(self, order: PaperOrder) -> None:
        """Take a living order out of wherever it waits."""
        for waiting in (self.held, self.stops, self.hungry):
            if order in waiting:
                waiting.remove(order)
                return
        queue = self._buys if order.buy else self._sells
        index = bisect_left(queue, (order.limit if order.buy else -order.limit, -order.priority))
        assert queue[index][2] is order
        del queue[index]

    # Waiting

    def reach(self, step: int) -> Iterator[Execution]:
        """What the market maker takes of the waiting orders at this step, at their own prices."""
        ladder = self.ladder(step)
        for queue, levels, buy in (
            (self._buys, ladder.asks, True),
            (self._sells, ladder.bids, False),
        ):
            while queue and levels:
                limit, order = abs(queue[-1][0]), queue[-1][2]
                if limit < levels[0][0] if buy else limit > levels[0][0]:
                    break
                quantity = min(order.leg, levels[0][1])
                _use(levels, quantity)
                self._serve(queue, order, quantity, limit)
                yield Execution(order, None, quantity, limit)

    def release(self) -> list[PaperOrder]:
        """The after-market orders, first come first; the market is open."""
        held, self.held = self.held, []
        return held

    def triggered(self, step: int) -> list[PaperOrder]:
        """The stops that this step's price releases, first come first; they leave the list."""
        price = self.walk.price(step)
        released = [order for order in self.stops if is_reached(order, price)]
        for order in released:
            self.stops.remove(order)
        return released

    def waiting(self) -> Iterator[PaperOrder]:
        """Every living order."""
        yield from self.held
        yield from self.stops
        yield from self.hungry
        for queue in (self._buys, self._sells):
            for place in queue:
                yield place[2]

    @property
    def is_quiet(self) -> bool:
        """Nobody waits for anything."""
        return not (self._buys or self._sells or self.stops or self.hungry or self.held)

    # Showing

    def ladder(self, step: int) -> Ladder:
        """The market maker's side of the book at this step, less what was taken from it."""
        if self.ladder_left.step != step:
            self.ladder_left = Ladder(step, *self._fresh(step))
        return self.ladder_left

    def depth(self, step: int) -> Depth:
        """What is shown; looking changes nothing, so that a replay need not know who looked."""
        ladder = (
            self.ladder_left if self.ladder_left.step == step else Ladder(step, *self._fresh(step))
        )
        return Depth(_levels(self._buys, ladder.bids, -1), _levels(self._sells, ladder.asks, 1))

    def _fresh(self, step: int) -> tuple[list[list[int]], list[list[int]]]:
        about = self.listing.depth_quantity
        if not about:
            return [], []
        walk, tick, lot = self.walk, self.walk.tick, self.instrument.lot_size or 1
        price = walk.price(step)
        _, low, high, _ = walk.band(day_of(step))
        draw = int(walk.chance(step) * 2**40)
        bids: list[list[int]] = []
        asks: list[list[int]] = []
        for number in range(1, LEVELS + 1):
            for levels, at in ((bids, price - number * tick), (asks, price + number * tick)):
                size = about * (32 + (draw & 63)) // 64  # half to one and a half of what is usual
                draw >>= 4
                if low <= at <= high:
                    levels.append([at, max(lot, size // lot * lot)])
        return bids, asks

    def _serve(self, queue: list[Place], order: PaperOrder, quantity: int, price: int) -> None:
        """Execute the order at the head of its queue; an iceberg's next leg goes to the queue's end."""
        shown = order.leg
        order.take(quantity, price)
        if quantity == shown:
            queue.pop()
            if order.remaining:
                self._numbers.priority += 1
                order.priority = self._numbers.priority
                self.rest(order)


def _priority(order: PaperOrder) -> int:
    return order.priority


def _use(levels: list[list[int]], quantity: int) -> None:
    levels[0][1] -= quantity
    if not levels[0][1]:
        levels.pop(0)


def is_reached(order: PaperOrder, price: int) -> bool:
    trigger = order.terms.trigger_price
    assert trigger is not None
    return price >= trigger * 100 if order.buy else price <= trigger * 100


def _levels(queue: list[Place], maker: list[list[int]], sign: int) -> tuple[Level, ...]:
    """The five best levels, orders of users and market maker together."""
    levels: dict[int, list[int]] = {}
    for limit, _, order in reversed(queue):
        price = abs(limit)
        if price not in levels and len(levels) == LEVELS:
            break
        level = levels.setdefault(price, [0, 0])
        level[0] += order.leg
        level[1] += 1
    for price, quantity in maker:
        level = levels.setdefault(price, [0, 0])
        level[0] += quantity
        level[1] += 1
    best = sorted(levels.items(), key=lambda item: sign * item[0])[:LEVELS]
    return tuple(Level(rupees_of(price), quantity, count) for price, (quantity, count) in best)
