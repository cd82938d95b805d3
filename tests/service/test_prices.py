"""`events.subscribe` with `ticks` and `depth`: the newest price, whoever reads it, and nothing for who left."""

from typing import Any

import anyio
import pytest

from ordod.errors import Kind
from tests.core.world import VIRTUAL, World, account, running_world, until
from tests.service.calling import Connection, client


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


async def ticking(world: World, connection: Connection, **params: Any) -> dict[str, Any]:
    asked = {"topics": ["ticks"], "symbols": ["NSE:INFY"]} | params
    answer: dict[str, Any] = await client(world, connection)("events.subscribe", **asked)
    return answer


def told(connection: Connection, topic: str = "ticks") -> list[dict[str, Any]]:
    return [one for event in connection.pushed for one in event.get(topic, ())]


async def test_prices_come_as_they_move() -> None:
    async with running_world() as world:
        connection = Connection()
        answer = await ticking(world, connection)

        await until(lambda: len(told(connection)) >= 3)

        assert answer["snapshot"] is None
        event, tick = connection.pushed[0], told(connection)[0]
        assert event["topic"] == "ticks"
        assert event["subscription"] == answer["subscription"]
        assert event["skipped"] == 0
        assert "seq" not in event
        assert tick["symbol"] == "NSE:INFY"
        assert tick["last_price"] > 0
        assert {"open_price", "high_price", "low_price", "close_price", "volume"} <= set(tick)
        assert "depth" not in event


async def test_the_last_price_alone_comes_where_no_more_is_wanted() -> None:
    async with running_world() as world:
        connection = Connection()
        await ticking(world, connection, mode="ltp")

        await until(lambda: told(connection))

        assert set(told(connection)[0]) == {"symbol", "last_price", "at"}


async def test_depth_is_a_topic_of_its_own() -> None:
    async with running_world() as world:
        connection = Connection()
        await ticking(world, connection, topics=["depth", "ticks"])

        await until(lambda: told(connection, "depth") and told(connection))

        depth = told(connection, "depth")[0]
        assert depth["symbol"] == "NSE:INFY"
        assert depth["buy"][0]["price"] < depth["sell"][0]["price"]


async def test_prices_come_beside_order_events() -> None:
    async with running_world() as world:
        connection = Connection()
        answer = await ticking(world, connection, topics=["orders", "ticks"])

        await until(lambda: told(connection))

        assert answer["snapshot"]["orders"] == []


async def test_who_comes_second_is_told_the_newest_at_once() -> None:
    async with running_world() as world:
        first, second = Connection(), Connection()
        await ticking(world, first)
        await until(lambda: told(first))

        await ticking(world, second)

        assert told(second) == told(first)[-1:]


async def test_a_slow_reader_gets_the_newest_and_a_count_and_slows_nobody() -> None:
    async with running_world() as world:
        slow, quick = Connection(), Connection()
        slow.is_stuck = True
        await ticking(world, slow)
        await ticking(world, quick)
        await until(lambda: len(told(quick)) >= 20)

        before = len(slow.pushed)
        slow.free()

        assert before == 0
        assert told(slow) == told(quick)[-1:]
        assert slow.pushed[0]["skipped"] == len(told(quick)) - 1


@pytest.mark.parametrize("leaves", ["unsubscribes", "hangs up"])
async def test_who_leaves_is_told_nothing_more(leaves: str) -> None:
    async with running_world() as world:
        connection = Connection()
        call = client(world, connection)
        asked = {"topics": ["ticks"], "symbols": ["NSE:INFY", "NSE:TCS"]}
        answer = await call("events.subscribe", **asked)
        await until(lambda: told(connection))

        if leaves == "unsubscribes":
            await call("events.unsubscribe", subscription=answer["subscription"])
        else:
            connection.close()
        heard = len(connection.pushed)
        await anyio.sleep(5)

        assert len(connection.pushed) == heard
        assert world.parts.hub.status("paper").instruments == 0
        assert world.parts.hub.status("paper").subscribed == 0


async def test_a_price_that_was_pushed_is_fresh_for_the_limits() -> None:
    async with running_world() as world:
        connection = Connection()
        await ticking(world, connection)
        await until(lambda: told(connection))

        assert world.parts.prices.fresh("NSE:INFY") is not None


@pytest.mark.parametrize(
    ("params", "kind", "field"),
    [
        ({"symbols": None}, Kind.INVALID_PARAMS, "symbols"),
        ({"symbols": ["NSE:NOWHERE"]}, Kind.UNKNOWN_INSTRUMENT, "symbol"),
        ({"accounts": ["nobody"]}, Kind.UNKNOWN_ACCOUNT, "account"),
    ],
)
async def test_what_cannot_be_pushed_is_refused(
    params: dict[str, Any], kind: Kind, field: str
) -> None:
    async with running_world() as world:
        asked = {"topics": ["ticks"], "symbols": ["NSE:INFY"]} | params
        error = await client(world, Connection()).refused("events.subscribe", **asked)

        assert error.kind is kind
        assert error.data["field"] == field


async def test_without_a_way_to_the_stream_prices_are_unsupported() -> None:
    world = World()
    world.feeds = None
    async with running_world(world=world):
        error = await client(world, Connection()).refused(
            "events.subscribe", topics=["ticks"], symbols=["NSE:INFY"]
        )

        assert error.kind is Kind.UNSUPPORTED


async def test_the_account_that_is_named_pushes() -> None:
    async with running_world(account(), account("second")) as world:
        connection = Connection()
        await ticking(world, connection, accounts=["second"])

        await until(lambda: told(connection))

        assert world.parts.hub.status("second").subscribed == 1
        assert world.parts.hub.status("paper").subscribed == 0


async def test_the_status_tells_how_the_prices_stand() -> None:
    async with running_world() as world:
        await ticking(world, Connection(), symbols=["NSE:INFY", "NSE:TCS"])
        await until(lambda: world.parts.hub.status("paper").subscribed == 2)

        [feed] = (await client(world)("system.status"))["feeds"]

        assert (feed["account"], feed["instruments"], feed["subscribed"]) == ("paper", 2, 2)
        assert (feed["open"], feed["opened"], feed["unreadable"]) == (1, 1, 0)
        assert feed["message"] == ""
