"""The reader of an account's book: it keeps up, and ends doubts by evidence only."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import anyio
import pytest
from msgspec.structs import asdict, replace

from ordod.adapter import BadRow, NewOrder, Rows
from ordod.core.orders.states import OrderState
from ordod.domain.orders import BrokerOrder, Status
from ordod.paper import PAPER
from tests.core.world import (
    BEGINS,
    VIRTUAL,
    World,
    account,
    answers,
    lost_after,
    lost_before,
    market,
    request_is,
    resting,
    running_world,
    until,
    wanted,
)

BOOK = request_is("GET", "/orders")
TRADES = request_is("GET", "/trades")


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


class Shown(type(PAPER)):  # type: ignore[misc]  # the paper adapter, whose book is shown as a test says
    def __init__(self) -> None:
        self.show: Callable[[Rows[BrokerOrder]], Rows[BrokerOrder]] = lambda rows: rows
        self.readings = 0
        self.last: Any = None
        self.shown: list[Rows[BrokerOrder]] = []

    def orders(self, session: Any, instruments: Any, last: Any = None) -> Any:
        self.last = last
        rows = yield from super().orders(session, instruments, last)
        self.readings += 1
        self.shown.append(self.show(rows))
        return self.shown[-1]


async def doubtful(world: World, act: Any = lost_before, key: str = "k1") -> OrderState:
    world.line().script(act)
    await world.parts.desk.place(wanted(key, timeout_s=60))
    return world.order(key)


async def echoed(world: World) -> None:
    """An acknowledged order whose tag the book shows: without one absence never counts."""
    await world.parts.desk.place(wanted("echo", resting(symbol="NSE:TCS", price=Decimal(2900))))
    await until(lambda: world.order("echo").row)


# Absence


async def test_an_order_that_never_arrived_is_not_placed_after_the_horizon_and_two_readings() -> (
    None
):
    async with running_world() as world:
        await echoed(world)
        order = await doubtful(world)
        began = world.clock.boot()

        await until(lambda: order.status is Status.NOT_PLACED, 300)

        assert world.clock.boot() - began >= 60 + 5
        assert order.absences >= 2
        assert world.records().count("settled") == 1


async def test_a_doubt_without_an_echo_waits_for_a_person_and_says_so() -> None:
    async with running_world() as world:
        order = await doubtful(world)

        await anyio.sleep(3600)

        assert order.status is Status.IN_DOUBT
        assert "order.resolve" in world.parts.readers["paper"].why_open[order.id]


async def test_a_doubt_waits_while_the_book_cannot_be_read_whole() -> None:
    adapter = Shown()
    async with running_world(adapter=adapter) as world:
        await echoed(world)
        adapter.show = lambda rows: Rows(rows.good, (BadRow("new status", {"id": 1}),))
        order = await doubtful(world)

        await anyio.sleep(600)
        still = order.status
        adapter.show = lambda rows: rows
        await until(lambda: order.status is Status.NOT_PLACED, 60)

        assert still is Status.IN_DOUBT


async def test_a_reading_knows_the_one_before_until_other_instruments_serve() -> None:
    adapter = Shown()
    async with running_world(adapter=adapter) as world:
        shown = adapter.shown
        await echoed(world)
        await until(lambda: len(shown) > 3, 60)
        assert adapter.last is shown[-2]

        await world.parts.masters["paper"].refresh(world.parts.accounts["paper"])
        before = len(shown)
        await until(lambda: len(shown) == before + 1, 60)
        assert adapter.last == Rows(())
        await until(lambda: len(shown) == before + 2, 60)
        assert adapter.last is shown[-2]


async def test_one_bad_reading_between_the_two_begins_the_count_anew() -> None:
    adapter = Shown()
    async with running_world(adapter=adapter) as world:
        await echoed(world)
        order = await doubtful(world)
        await until(lambda: order.absences == 1, 300)
        adapter.show = lambda rows: Rows(rows.good, (BadRow("odd", {}),))
        await anyio.sleep(30)
        adapter.show = lambda rows: rows

        await until(lambda: order.absences == 2, 30)

        assert order.status is Status.IN_DOUBT


async def test_a_book_that_lost_an_order_it_showed_says_nothing_of_absence() -> None:
    adapter = Shown()
    async with running_world(adapter=adapter) as world:
        await echoed(world)
        await world.parts.desk.place(wanted("k0"))
        await until(lambda: world.order("k0").status is Status.OPEN)
        hidden = world.order("k0").broker_order_id
        adapter.show = lambda rows: Rows(
            tuple(row for row in rows.good if row.broker_order_id != hidden)
        )
        order = await doubtful(world)

        await anyio.sleep(600)

        assert order.status is Status.IN_DOUBT


async def test_an_order_the_book_does_not_show_is_found_by_its_tag() -> None:
    adapter = Shown()
    async with running_world(adapter=adapter) as world:
        await echoed(world)
        echo = world.order("echo").broker_order_id
        adapter.show = lambda rows: Rows(
            tuple(row for row in rows.good if row.broker_order_id == echo)
        )
        order = await doubtful(world, lost_after)

        await until(lambda: order.status is Status.OPEN, 5)

        assert world.records().count("settled") == 1


async def test_a_look_up_by_tag_that_fails_or_finds_nothing_speaks_for_nothing() -> None:
    async with running_world() as world:
        await echoed(world)
        world.line().always(
            answers(500, "BROKER_UNAVAILABLE"), lambda request: "tag" in dict(request.query)
        )
        order = await doubtful(world)

        await until(lambda: order.status is Status.NOT_PLACED, 300)

        assert order.absences >= 2


async def test_nothing_is_looked_up_by_tag_where_nothing_is_in_doubt() -> None:
    async with running_world() as world:
        await echoed(world)
        await anyio.sleep(60)

        assert not any(dict(request.query).get("tag") for request in world.line().sent)


async def test_the_next_days_book_says_nothing_of_yesterdays_doubt() -> None:
    before_six = BEGINS.replace(hour=5, minute=55)
    async with running_world(
        account(doubt_horizon_s=600.0), world=World(begins=before_six)
    ) as world:
        await echoed(world)
        order = await doubtful(world)
        await anyio.sleep(300)
        await world.parts.desk.place(wanted("today", market(symbol="NSE:SBIN")))

        await anyio.sleep(1200)

        assert order.status is Status.IN_DOUBT
        assert "the day it was sent" in world.parts.readers["paper"].why_open[order.id]


async def test_a_doubt_counts_its_horizon_anew_after_a_restart() -> None:
    world = World()
    async with world.daemon():
        await echoed(world)
        await doubtful(world)
        await anyio.sleep(55)
        world.disk = world.disk.crash()

    async with world.daemon():
        await anyio.sleep(30)
        still = world.order("k1").status
        await until(lambda: world.order("k1").status is Status.NOT_PLACED, 120)

        assert still is Status.IN_DOUBT


async def test_an_order_that_shows_up_after_it_was_called_absent_lives() -> None:
    adapter = Shown()
    async with running_world(adapter=adapter) as world:
        await echoed(world)
        order = await doubtful(world)
        await until(lambda: order.status is Status.NOT_PLACED, 300)
        late = NewOrder(**asdict(resting()), tag=order.tag)

        world.exchange.exchange.place("paper", late, world.clock.now())
        await until(lambda: order.is_live)

        assert order.status is Status.OPEN
        assert world.parts.gate.is_closed is False


# Keeping up


async def test_fills_are_told_once_and_in_full() -> None:
    async with running_world() as world:
        await world.parts.desk.place(wanted("k1", market()))
        await until(lambda: world.order("k1").status is Status.FILLED)
        await anyio.sleep(60)

        order = world.order("k1")
        assert order.filled_quantity == 10
        assert sum(fill.quantity for fill in order.fills.values()) == 10
        assert world.records().count("fill") == len(order.fills)


async def test_trades_that_cannot_be_read_do_not_spoil_the_order_book() -> None:
    async with running_world() as world:
        stop = world.line().always(answers(503, ""), TRADES)
        await world.parts.desk.place(wanted("k1", market()))

        await until(lambda: world.order("k1").status is Status.FILLED)
        assert not world.order("k1").fills
        stop()
        await until(lambda: world.order("k1").fills)


async def test_an_order_placed_elsewhere_is_noticed_within_the_idle_pause() -> None:
    async with running_world() as world:
        world.exchange.exchange.place(
            "paper", NewOrder(**asdict(resting()), tag="by hand"), world.clock.now()
        )

        await until(lambda: world.parts.book.orders, 16)

        (order,) = world.parts.book.orders.values()
        assert order.key is None


async def test_an_idle_account_is_read_rarely_and_a_doubt_often() -> None:
    adapter = Shown()
    async with running_world(adapter=adapter) as world:
        await anyio.sleep(60)
        idle = adapter.readings
        await anyio.sleep(60)
        idle = adapter.readings - idle
        await doubtful(world)

        before = adapter.readings
        await anyio.sleep(10)

        assert 3 <= idle <= 5
        assert 4 <= adapter.readings - before <= 8


async def test_a_broker_that_is_down_is_asked_less_often() -> None:
    async with running_world() as world:
        asked = 0

        async def count(send: Any, request: Any, admit: Any) -> Any:
            nonlocal asked
            asked += 1
            return await answers(400, "")(send, request, admit)

        world.line().always(count, BOOK)
        await anyio.sleep(120)

        assert 10 <= asked <= 20


async def test_a_session_that_dies_in_the_middle_is_renewed_and_the_book_read() -> None:
    async with running_world() as world:
        world.line().script(answers(401, "AUTH_EXPIRED"), match=BOOK)
        reader = world.parts.readers["paper"]

        assert await reader.seen_since(world.clock.boot(), within_s=5)


async def test_a_row_that_may_be_ours_and_cannot_be_read_keeps_orders_waiting_calmly() -> None:
    adapter = Shown()
    async with running_world(adapter=adapter) as world:
        placed = await world.parts.desk.place(wanted("k1"))
        await until(lambda: world.order("k1").status is Status.OPEN)
        bad = BadRow("new status", {"id": 1, "tags": [placed.order.tag, {"x": 1}]})
        adapter.show = lambda rows: Rows((), (bad,))
        world.parts.accounts["paper"].is_read = False
        before = adapter.readings

        await anyio.sleep(30)

        assert not world.parts.accounts["paper"].is_read
        assert adapter.readings - before <= 15
        adapter.show = lambda rows: Rows(rows.good, (BadRow("new status", {"id": "stranger"}),))
        await until(lambda: world.parts.accounts["paper"].is_read)


async def test_a_dead_disk_does_not_make_the_reader_spin() -> None:
    adapter = Shown()
    async with running_world(adapter=adapter) as world:
        world.disk.fail_at(1)
        world.exchange.exchange.place(
            "paper", NewOrder(**asdict(resting()), tag="by hand"), world.clock.now()
        )
        before = adapter.readings

        await anyio.sleep(60)

        assert adapter.readings - before <= 15


async def test_the_legs_of_an_iceberg_do_not_stop_everything() -> None:
    adapter = Shown()
    async with running_world(adapter=adapter) as world:
        placed = await world.parts.desk.place(wanted("k1"))
        await until(lambda: world.order("k1").status is Status.OPEN)

        def with_leg(rows: Rows[BrokerOrder]) -> Rows[BrokerOrder]:
            parent = rows.good[0].broker_order_id
            leg = replace(rows.good[0], broker_order_id="leg", parent_order_id=parent)
            return Rows((*rows.good, leg))

        adapter.show = with_leg
        await until(lambda: len(world.parts.book.orders) == 2)
        await anyio.sleep(1)

        assert placed.order.tag
        assert not world.parts.gate.is_closed


async def test_a_second_order_with_one_tag_of_ours_stops_everything() -> None:
    adapter = Shown()
    async with running_world(adapter=adapter) as world:
        await world.parts.desk.place(wanted("k1"))
        await until(lambda: world.order("k1").status is Status.OPEN)
        adapter.show = lambda rows: Rows(
            (*rows.good, replace(rows.good[0], broker_order_id="twin"))
        )

        await until(lambda: world.parts.gate.is_closed)

        assert "tag" in world.parts.kill.status().scopes[0]["reason"]  # type: ignore[operator]  # it has one


async def test_seen_since_says_no_where_no_reading_came_in_time() -> None:
    async with running_world() as world:
        world.line().always(answers(503, ""), BOOK)
        reader = world.parts.readers["paper"]

        assert not await reader.seen_since(world.clock.boot(), within_s=3)


async def test_an_acknowledged_order_is_read_at_once() -> None:
    async with running_world() as world:
        await world.parts.desk.place(wanted("k1"))
        began = world.clock.boot()

        await until(lambda: world.order("k1").status is Status.OPEN)

        assert world.clock.boot() - began < 0.5


async def test_a_lost_answer_is_looked_for_soon() -> None:
    async with running_world() as world:
        order = await doubtful(world, lost_after)
        began = world.clock.boot()

        await until(lambda: order.status is Status.OPEN)

        assert world.clock.boot() - began < 1


# Orders of past days


async def test_an_order_of_yesterday_that_todays_book_does_not_hold_has_lapsed() -> None:
    async with running_world() as world:
        await world.parts.desk.place(wanted("k1"))
        await until(lambda: world.order("k1").status is Status.OPEN)

        await anyio.sleep(24 * 3600)
        await until(lambda: not world.parts.book.live("paper"))

        assert world.order("k1").status is Status.OPEN  # nobody saw its end, so nobody claims one
        assert "day's book is gone" in (world.order("k1").message or "")


async def test_no_order_lapses_on_its_own_day() -> None:
    broker = Shown()
    async with running_world(adapter=broker) as world:
        await world.parts.desk.place(wanted("k1"))
        await until(lambda: world.order("k1").status is Status.OPEN)
        broker.show = lambda rows: Rows(())
        before = broker.readings

        await anyio.sleep(3600)

        assert broker.readings > before + 2
        assert world.order("k1").status is Status.OPEN
