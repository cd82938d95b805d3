"""The hub: what is wanted stays subscribed, whatever becomes of sessions and connections."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import anyio
import msgspec
import pytest
from msgspec.structs import replace

from ordod.adapter import Mode, StreamLimits
from ordod.core.events import Event
from ordod.core.ports import FeedLost, LineSettings
from ordod.domain.orders import Order, Status, Trade
from ordod.errors import Kind, OrdoError
from tests.core.feeds import HandFeeds, Listener
from tests.core.world import BEGINS, VIRTUAL, World, market, until, wanted, with_spec
from tests.simulation.ports import IST

INFY, TCS, SBIN, NIFTY = "NSE:INFY", "NSE:TCS", "NSE:SBIN", "NSE_INDEX:NIFTY"
NIGHT = datetime(2026, 11, 23, 20, 0, tzinfo=IST)


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


class Hall:
    """A daemon whose broker streams as the test says."""

    def __init__(self, world: World, feeds: HandFeeds) -> None:
        self.world = world
        self.feeds = feeds

    def want(
        self, *symbols: str, mode: Mode = Mode.QUOTE, reader: Listener | None = None
    ) -> tuple[Listener, Callable[[], None]]:
        reader = reader or Listener()
        found = [self.world.tables.masters["paper"].find(symbol) for symbol in symbols]
        instruments = [one for one in found if one is not None]
        assert len(instruments) == len(symbols)
        return reader, self.world.parts.hub.subscribe("paper", instruments, mode, reader)

    def push_order(self, key: str) -> None:
        """The broker's row of an order."""
        tag = self.world.order(key).tag
        orders = self.world.exchange.exchange.orders("paper")
        row = next(order.row() for order in orders if order.terms.tag == tag)
        self.feeds.last.push(msgspec.json.encode({"orders": [row]}).decode())

    @property
    def modes(self) -> dict[str, str]:
        """What the broker pushes now, over all connections."""
        return {symbol: mode for feed in self.feeds.open_now for symbol, mode in feed.modes.items()}

    async def pushes(self, **modes: str) -> None:
        """Until the broker pushes exactly this, by the symbol behind the exchange."""
        await until(lambda: {s.partition(":")[2]: m for s, m in self.modes.items()} == modes)


@asynccontextmanager
async def hall(
    begins: datetime = BEGINS,
    *,
    silence_s: float | None = None,
    has_orders: bool = False,
    **limits: int,
) -> AsyncIterator[Hall]:
    world, feeds = World(begins=begins), HandFeeds()
    world.feeds, world.pushes_orders = feeds, has_orders
    allowed = StreamLimits(instruments=100, connections=1, frame_instruments=100)
    adapter = with_spec(
        streams=replace(allowed, **limits, silence_s=silence_s, has_orders=has_orders)
    )
    async with world.daemon(adapter=adapter):
        yield Hall(world, feeds)


# What is wanted


async def test_a_symbol_that_two_want_is_subscribed_once_and_until_both_are_gone() -> None:
    async with hall() as here:
        first, end_first = here.want(INFY)
        second, end_second = here.want(INFY)
        await here.pushes(INFY="quote")
        here.feeds.last.tick(INFY, 1500)
        await until(lambda: first.told)
        end_first()
        await anyio.sleep(1)
        kept = dict(here.modes)
        end_second()
        await here.pushes()

        assert first.batch is second.batch is not None  # the very same object: it is encoded once
        assert kept == {INFY: "quote"}
        assert [wish["mode"] for wish in here.feeds.last.sent] == ["quote", None]
        assert len(here.feeds.opened) == 1


async def test_the_most_that_anybody_wants_is_subscribed() -> None:
    async with hall() as here:
        here.want(INFY, mode=Mode.LTP)
        await here.pushes(INFY="ltp")
        _, end = here.want(INFY, mode=Mode.DEPTH)
        await here.pushes(INFY="depth")
        end()
        await here.pushes(INFY="ltp")


async def test_who_wants_depth_gets_no_ticks_and_the_other_way_round() -> None:
    async with hall() as here:
        ticks, _ = here.want(INFY)
        depth, _ = here.want(INFY, mode=Mode.DEPTH)
        await here.pushes(INFY="depth")

        here.feeds.last.push(
            '{"ticks":[{"symbol":"NSE:INFY","last_price":"1"}],"depth":[{"symbol":"NSE:INFY","buy":[],"sell":[]}]}'
        )
        await until(lambda: depth.told)

        assert [type(one).__name__ for one in ticks.told] == ["Tick"]
        assert [type(one).__name__ for one in depth.told] == ["DepthTick"]
        assert ticks.flushes == depth.flushes == 2  # at its beginning, and behind the frame


async def test_more_than_one_connection_takes_go_over_several() -> None:
    async with hall(instruments=2, connections=2) as here:
        here.want(INFY, TCS, SBIN)
        await here.pushes(INFY="quote", TCS="quote", SBIN="quote")

        assert sorted(len(feed.modes) for feed in here.feeds.open_now) == [1, 2]


async def test_more_than_all_connections_take_is_refused_and_leaves_nothing() -> None:
    async with hall(instruments=2, connections=1) as here:
        here.want(INFY)

        with pytest.raises(OrdoError) as raised:
            here.want(TCS, SBIN)
        await here.pushes(INFY="quote")

        assert raised.value.kind is Kind.OVERLOADED
        assert raised.value.data["limit"] == 2
        assert here.world.parts.hub.status("paper").instruments == 1


async def test_frames_name_no_more_than_the_broker_takes() -> None:
    async with hall(frame_instruments=2) as here:
        here.want(INFY, TCS, SBIN)
        await here.pushes(INFY="quote", TCS="quote", SBIN="quote")

        assert [len(wish["symbols"]) for wish in here.feeds.last.sent] == [2, 1]


async def test_a_connection_with_nothing_wanted_is_closed_after_a_while() -> None:
    async with hall() as here:
        _, end = here.want(INFY)
        await here.pushes(INFY="quote")
        end()
        await anyio.sleep(5)
        stays = len(here.feeds.open_now)
        await anyio.sleep(10)

        assert (stays, len(here.feeds.open_now)) == (1, 0)
        here.want(INFY)
        await here.pushes(INFY="quote")


# What becomes of connections


async def test_another_source_address_opens_the_connection_anew_from_there() -> None:
    async with hall() as here:
        here.want(INFY)
        await here.pushes(INFY="quote")
        before = here.feeds.last
        elsewhere = LineSettings(account="paper", urls={}, source_address="127.0.0.2")

        here.world.parts.hub.lead("paper", elsewhere)
        await until(lambda: before.is_closed)
        await here.pushes(INFY="quote")

        assert here.feeds.sources == [None, "127.0.0.2"]


async def test_after_a_break_everything_is_subscribed_anew() -> None:
    async with hall() as here:
        reader, _ = here.want(INFY, TCS)
        await here.pushes(INFY="quote", TCS="quote")
        here.feeds.last.tick(INFY, 1)
        await until(lambda: reader.told)
        here.feeds.last.breaks()
        await until(lambda: len(here.feeds.opened) == 2)
        late, _ = here.want(INFY)
        await here.pushes(INFY="quote", TCS="quote")
        here.feeds.last.tick(INFY, 2)
        await until(lambda: len(reader.told) == 2)

        assert reader.prices == [(INFY, 1), (INFY, 2)]
        assert late.prices == [(INFY, 2)]  # not the old one
        assert here.world.parts.hub.status("paper").opened == 2


async def test_tries_that_fail_come_at_growing_distances() -> None:
    async with hall() as here:
        here.feeds.refuses = [FeedLost("no route") for _ in range(8)]
        here.want(INFY)
        await until(lambda: here.feeds.opened, within_s=300)

        tried = here.feeds.tried_at
        pauses = [later - sooner for sooner, later in pairwise(tried)]
        assert pauses[0] < 1
        assert all(a < b * 1.01 for a, b in pairwise(pauses[:6]))
        assert max(pauses) <= 31
        assert here.world.parts.hub.status("paper").message == ""


async def test_why_a_connection_is_missing_is_told() -> None:
    async with hall() as here:
        here.feeds.refuses = [FeedLost("no route") for _ in range(50)]
        here.want(INFY)
        await anyio.sleep(5)

        status = here.world.parts.hub.status("paper")
        assert (status.open, status.subscribed, status.message) == (0, 0, "no route")


async def test_a_connection_without_any_frame_is_left() -> None:
    async with hall(NIGHT, silence_s=6) as here:
        here.want(INFY)
        await here.pushes(INFY="quote")
        await anyio.sleep(5)
        here.feeds.last.push("{}")  # a heartbeat
        await anyio.sleep(5)
        stays = len(here.feeds.opened)
        await anyio.sleep(5)

        assert (stays, len(here.feeds.opened)) == (1, 2)


async def test_in_market_hours_a_connection_without_a_price_is_left_ever_later() -> None:
    async with hall() as here:
        here.want(NIFTY, INFY)
        for _ in range(100):
            await anyio.sleep(1)
            if here.feeds.open_now:
                here.feeds.last.push("{}")

        assert len(here.feeds.opened) == 3  # after 15 s, and 30 s later; then it waits for 60


async def test_at_night_no_price_is_no_reason() -> None:
    async with hall(NIGHT) as here:
        here.want(NIFTY)
        await anyio.sleep(600)

        assert len(here.feeds.opened) == 1


async def test_what_cannot_be_read_costs_nothing_but_itself() -> None:
    async with hall() as here:
        reader, _ = here.want(INFY)
        await here.pushes(INFY="quote")
        here.feeds.last.push("no json")
        here.feeds.last.push(b"\xff\x00")
        here.feeds.last.tick(INFY, 7)
        await until(lambda: reader.told)

        assert reader.prices == [(INFY, 7)]
        assert here.world.parts.hub.status("paper").unreadable == 2
        assert len(here.feeds.opened) == 1


# Sessions and days


async def test_a_session_that_is_replaced_takes_its_connection_along() -> None:
    async with hall() as here:
        here.want(INFY)
        await here.pushes(INFY="quote")
        keeper = here.world.parts.accounts["paper"].keeper
        session = keeper.session
        assert session is not None

        keeper.died(session, "token invalid")
        await until(lambda: len(here.feeds.opened) == 2)
        await here.pushes(INFY="quote")

        assert keeper.session is not session
        assert here.feeds.opened[0].is_closed


async def test_while_there_is_no_session_nobody_asks_for_one() -> None:
    async with hall() as here:
        here.want(INFY)
        await here.pushes(INFY="quote")
        keeper = here.world.parts.accounts["paper"].keeper
        session = keeper.session
        assert session is not None

        keeper.died(session, "the broker ends all sessions at this hour", rests=True)
        await anyio.sleep(3600)
        at_rest = (keeper.session, len(here.feeds.tried_at))
        await keeper.ensure(anyio.current_time() + 5)
        await here.pushes(INFY="quote")

        assert at_rest == (None, 1)


async def test_a_refused_token_is_looked_into_and_a_dead_session_renewed() -> None:
    async with hall() as here:
        here.feeds.refuses = [FeedLost("403", status=403)]
        keeper = here.world.parts.accounts["paper"].keeper
        session = keeper.session
        here.world.exchange.end_session("paper")

        here.want(INFY)
        await here.pushes(INFY="quote")

        assert keeper.session is not session


async def test_a_refused_token_of_a_living_session_costs_no_login() -> None:
    async with hall() as here:
        here.feeds.refuses = [FeedLost("403", status=403)]
        session = here.world.parts.accounts["paper"].keeper.session

        here.want(INFY)
        await here.pushes(INFY="quote")

        assert here.world.parts.accounts["paper"].keeper.session is session


async def test_the_days_instruments_are_looked_up_anew() -> None:
    async with hall() as here:
        here.want(INFY, TCS)
        await here.pushes(INFY="quote", TCS="quote")
        master = here.world.tables.masters["paper"]
        assert master.day is not None

        master.instruments = {
            symbol: replace(one, instrument_token="9" + one.instrument_token)
            for symbol, one in master.instruments.items()
            if symbol != TCS
        }
        master.day += timedelta(days=1)
        await until(lambda: len(here.feeds.opened) == 2)
        await here.pushes(INFY="quote")

        status = here.world.parts.hub.status("paper")
        assert (status.instruments, status.subscribed) == (2, 1)


@pytest.mark.parametrize("hours", [4, pytest.param(24, marks=pytest.mark.slow)])
async def test_a_day_with_a_break_a_minute_and_the_next_days_login(hours: int) -> None:
    """Every subscription is alive at the end, no order event is lost or told twice, and nothing has grown."""
    async with hall(has_orders=True) as here:
        reader, _ = here.want(INFY, TCS, NIFTY)
        parts = here.world.parts
        keeper = parts.accounts["paper"].keeper
        told: list[Event] = []
        parts.events.listen(told.append)
        early = 0
        for minute in range(hours * 60):
            await until(lambda: len(here.modes) == 3)
            here.feeds.last.tick(INFY, minute + 1)
            if minute % 10 == 0:
                await parts.desk.place(wanted(f"m{minute}", market()))
                if minute % 20 == 0:  # the others' updates are lost in the breaks
                    here.push_order(f"m{minute}")
            await anyio.sleep(59)
            if minute == hours * 5:
                early = things_of_streams()
            if minute == hours * 30:
                assert keeper.session is not None
                keeper.died(keeper.session, "the broker ends all sessions at this hour")
            else:
                here.feeds.last.breaks()
            await anyio.sleep(1)
        late = things_of_streams()

        assert reader.prices == [(INFY, minute + 1) for minute in range(hours * 60)]
        assert len(here.feeds.opened) >= hours * 60
        assert len(here.feeds.open_now) <= 1
        orders = [parts.book.view(here.world.order(f"m{m}")) for m in range(0, hours * 60, 10)]
        subjects = [event.subject for event in told]
        filled = [
            subject.order_id
            for subject in subjects
            if isinstance(subject, Order) and subject.status is Status.FILLED
        ]
        assert sorted(filled) == sorted(order.order_id for order in orders)
        trades = [subject for subject in subjects if isinstance(subject, Trade)]
        assert len({trade.trade_id for trade in trades}) == len(trades)
        assert sum(trade.quantity for trade in trades) == sum(o.quantity for o in orders)
        assert [e.seq for e in told] == sorted({e.seq for e in told})
        assert late <= early + 5


def things_of_streams() -> int:
    """How many things the streams keep, tasks among them; not the prices, which the test's listener keeps."""
    parts = ("core.hub", "core.feeding", "core.subscribing", "core.orders.hearing")
    modules = {f"ordod.{part}" for part in parts}
    gc.collect()
    kept = sum(type(each).__module__ in modules for each in gc.get_objects())
    return kept + len(asyncio.all_tasks())
