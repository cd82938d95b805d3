"""What a broker pushes of orders: taken in at once, by the same judgement as the order book, which stays the last word."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import anyio
import msgspec
import pytest
from msgspec.structs import asdict, replace

from ordod.adapter import NewOrder
from ordod.core.orders import hearing
from ordod.core.orders.hearing import Hearing
from ordod.core.ports import FeedLost
from ordod.domain.orders import BrokerOrder, Fill, Status
from tests.core.feeds import HandFeeds
from tests.core.world import (
    VIRTUAL,
    World,
    answers,
    lost_after,
    market,
    request_is,
    resting,
    until,
    wanted,
)

BOOK = request_is("GET", "/orders")
TRADES = request_is("GET", "/trades")


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


class Room:
    """A world whose broker pushes orders: what a test pushes, or what happens."""

    def __init__(self, world: World, feeds: HandFeeds | None) -> None:
        self.world = world
        self.feeds = feeds

    @property
    def hearing(self) -> Hearing:
        return self.world.parts.readers["paper"].hearing

    @property
    def looks(self) -> int:
        return sum(BOOK(request) for request in self.world.line().sent)

    def push(self, *rows: BrokerOrder, fills: tuple[Fill, ...] = ()) -> None:
        assert self.feeds is not None
        frame = msgspec.json.encode({"orders": rows, "fills": fills}).decode()
        self.feeds.last.push(frame)

    def theirs(self, key: str) -> BrokerOrder:
        """The order's row at the broker."""
        tag = self.world.order(key).tag
        rows = [order.row() for order in self.world.exchange.exchange.orders("paper")]
        return next(row for row in rows if tag in row.tags)


@asynccontextmanager
async def room(*, by_hand: bool = False) -> AsyncIterator[Room]:
    world = World()
    world.pushes_orders = True
    feeds = HandFeeds() if by_hand else None
    if feeds is not None:
        world.feeds = feeds
    async with world.daemon() as parts:
        here = Room(world, feeds)
        await until(lambda: parts.readers["paper"].hearing.is_open)
        await anyio.sleep(5)  # the look that its opening begins
        yield here


# Taking in


async def test_a_fill_is_known_without_any_look_at_the_book() -> None:
    async with room() as here:
        here.world.line().always(answers(503, ""), lambda r: BOOK(r) or TRADES(r))

        await here.world.parts.desk.place(wanted("k1", market()))
        await until(lambda: here.world.order("k1").status is Status.FILLED, 1)

        order = here.world.order("k1")
        assert order.filled_quantity == sum(f.quantity for f in order.fills.values()) == 10


async def test_a_doubt_ends_by_what_is_pushed_and_the_journal_says_so() -> None:
    async with room(by_hand=True) as here:
        here.world.line().script(lost_after)
        here.world.line().always(answers(503, ""), BOOK)
        await here.world.parts.desk.place(wanted("k1", timeout_s=60))
        before = here.world.order("k1").status

        here.push(here.theirs("k1"))
        await until(lambda: here.world.order("k1").status is Status.OPEN, 1)

        assert before is Status.IN_DOUBT
        lines = b"".join(here.world.disk.read(f"journal/{s}") for s in here.world.segments())
        told = [json.loads(line) for line in lines.splitlines() if b'"evidence"' in line]
        assert [(one["source"], one["found"]) for one in told] == [("push", True)]


async def test_an_order_of_nobody_is_left_to_the_book_which_is_looked_at_soon() -> None:
    async with room(by_hand=True) as here:
        placed = here.world.exchange.exchange.place(
            "paper", NewOrder(**asdict(resting()), tag="by hand"), here.world.clock.now()
        )
        mend = here.world.line().always(answers(503, ""), BOOK)

        here.push(placed.row())
        await anyio.sleep(1)
        listed = dict(here.world.parts.book.orders)
        mend()
        await until(lambda: here.world.parts.book.orders, 5)

        assert not listed


async def test_a_book_that_was_asked_for_before_does_not_take_back_what_was_pushed() -> None:
    async with room(by_hand=True) as here:
        await here.world.parts.desk.place(wanted("k1"))
        await until(lambda: here.world.order("k1").row, 20)
        old = here.theirs("k1")

        async def slowly(send: Any, request: Any, admit: Any) -> Any:
            answer = await send(request, admit)
            await anyio.sleep(1)
            return answer

        here.world.line().script(slowly, match=BOOK)
        here.world.parts.readers["paper"].look()
        await until(lambda: here.looks and not here.world.line()._scripts, 20)
        changed = replace(old, price=old.price + 1 if old.price else None)
        here.push(changed)
        await until(lambda: here.world.order("k1").current.price == changed.price, 0.5)
        await anyio.sleep(1.1)

        assert here.world.order("k1").current.price == changed.price


async def test_older_and_lesser_rows_change_nothing() -> None:
    async with room(by_hand=True) as here:
        await here.world.parts.desk.place(wanted("k1", market()))
        await until(lambda: here.world.order("k1").status is Status.FILLED, 20)
        whole = here.theirs("k1")

        here.push(replace(whole, status=Status.OPEN, filled_quantity=3))
        assert whole.updated_at is not None
        later = whole.updated_at + timedelta(seconds=5)
        here.push(replace(whole, status=Status.CANCELLED, updated_at=later))
        await anyio.sleep(0.2)

        assert here.world.order("k1").status is Status.FILLED
        assert here.world.order("k1").filled_quantity == 10


async def test_the_same_twice_is_one_event() -> None:
    async with room(by_hand=True) as here:
        await here.world.parts.desk.place(wanted("k1", market()))
        row = here.theirs("k1")

        here.push(row)
        here.push(row)
        await until(lambda: here.world.order("k1").status is Status.FILLED, 0.2)
        await anyio.sleep(30)

        assert here.world.records().count("update") == 1


async def test_a_rejected_order_that_is_pushed_living_lives() -> None:
    async with room(by_hand=True) as here:
        line = here.world.line()
        line.script(answers(400, "ORDER_REJECTED", executes=True))
        with pytest.raises(Exception, match="no"):
            await here.world.parts.desk.place(wanted("k1"))
        assert here.world.order("k1").status is Status.REJECTED

        here.push(here.theirs("k1"))
        await until(lambda: here.world.order("k1").status is Status.OPEN, 0.2)


async def test_a_cancel_is_done_by_the_brokers_word_before_any_look() -> None:
    async with room() as here:
        await here.world.parts.desk.place(wanted("k1"))
        await until(lambda: here.world.order("k1").row, 1)
        await anyio.sleep(5)
        looks = here.looks

        cancel = here.world.parts.changes.cancel
        result = await cancel(here.world.order("k1"), caller="test", timeout_s=10)

        assert result.change == "done"
        assert here.looks == looks


# Looking


async def test_with_an_open_channel_the_book_is_looked_at_seldom_and_without_it_often() -> None:
    async with room(by_hand=True) as here:
        await here.world.parts.desk.place(wanted("k1"))
        await anyio.sleep(10)
        before = here.looks
        await anyio.sleep(100)
        told = here.looks - before

        assert here.feeds is not None
        here.feeds.refuses = [FeedLost("refused")] * 50
        here.feeds.last.breaks()
        await anyio.sleep(10)
        before = here.looks
        await anyio.sleep(100)

        assert told <= 11
        assert here.looks - before >= 30


async def test_after_a_break_the_book_is_looked_at_for_what_was_missed() -> None:
    async with room(by_hand=True) as here:
        await here.world.parts.desk.place(wanted("k1"))
        await anyio.sleep(20)
        order = here.world.order("k1")
        assert here.feeds is not None
        here.feeds.last.breaks()
        here.world.exchange.exchange.cancel(
            "paper", order.broker_order_id or "", here.world.clock.now()
        )

        await until(lambda: order.status is Status.CANCELLED, 2)


async def test_what_is_unclear_begins_a_look_but_no_flood_of_them() -> None:
    async with room(by_hand=True) as here:
        await here.world.parts.desk.place(wanted("k1"))
        await anyio.sleep(20)
        looks = here.looks

        for _ in range(200):
            here.hearing.unclear()
        await anyio.sleep(2)

        assert 1 <= here.looks - looks <= 3


async def test_more_than_can_be_written_down_in_time_begins_a_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hearing, "WAITING_MAX", 3)
    async with room(by_hand=True) as here:
        await here.world.parts.desk.place(wanted("k1", market()))
        row = here.theirs("k1")
        looks = here.looks

        for _ in range(5):
            here.hearing.heard([row], [])
        await until(lambda: here.world.order("k1").status is Status.FILLED, 1)
        await anyio.sleep(1)

        assert here.looks > looks


# Telling


async def test_how_late_updates_are_is_counted() -> None:
    async with room() as here:
        await here.world.parts.desk.place(wanted("k1", market()))
        await until(lambda: here.hearing.lag.taken_ms is not None, 1)

        assert here.hearing.heard_count >= 1
        assert here.hearing.lag.broker_ms is not None
        assert 0 <= here.hearing.lag.broker_ms < 1000
