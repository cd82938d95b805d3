"""`events.*`: no gap and no repeat."""

from typing import Any

import anyio
import pytest

from ordod.errors import Kind
from tests.core.world import (
    VIRTUAL,
    World,
    account,
    lost_before,
    request_is,
    running_world,
    until,
)
from tests.service.calling import PLACE, Connection, client


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


ALL = ["orders", "trades", "accounts", "kill", "system"]


async def subscribed(world: World, connection: Connection, **params: Any) -> dict[str, Any]:
    answer: dict[str, Any] = await client(world, connection)(
        "events.subscribe", **{"topics": ALL} | params
    )
    await anyio.sleep(0.01)
    return answer


async def place(world: World, key: str, **changed: Any) -> None:
    await client(world)("order.place", key=key, **{**PLACE, **changed})
    await until(lambda: world.order(key, changed.get("account", "paper")).row)


def joined(answer: dict[str, Any], pushed: list[dict[str, Any]]) -> bool:
    """Each event names the one before it, from the answer on."""
    prevs = [answer["seq"], *(event["seq"] for event in pushed)]
    return [event["prev"] for event in pushed] == prevs[:-1] and prevs == sorted(set(prevs))


async def test_the_snapshot_and_the_stream_join_without_a_gap() -> None:
    async with running_world() as world:
        connection = Connection()
        await place(world, "k1")

        answer = await subscribed(world, connection)
        await place(world, "k2")

        assert [order["key"] for order in answer["snapshot"]["orders"]] == ["k1"]
        assert answer["snapshot"]["kill"] == {"engaged": False}
        assert [a["account"] for a in answer["snapshot"]["accounts"]] == ["paper"]
        assert "paper" in answer["snapshot"]["positions"]
        assert {event["order"]["key"] for event in connection.pushed} == {"k2"}
        assert joined(answer, connection.pushed)


async def test_who_comes_back_with_since_misses_nothing() -> None:
    async with running_world() as world:
        connection = Connection()
        answer = await subscribed(world, connection)
        await place(world, "k1")
        connection.close()
        last = connection.pushed[-1]["seq"]
        await place(world, "k2")

        again = Connection()
        back = await subscribed(world, again, since=last, epoch=answer["epoch"])
        await place(world, "k3")

        assert back["snapshot"] is None
        assert back["reset"] is False
        assert [e["order"]["key"] for e in again.pushed] == ["k2", "k2", "k3", "k3"]
        assert joined({"seq": last}, again.pushed)


async def test_since_serves_over_a_restart() -> None:
    world = World()
    async with world.daemon():
        connection = Connection()
        answer = await subscribed(world, connection)
        await place(world, "k1")
        last = connection.pushed[0]["seq"]
        world.disk = world.disk.crash()

    async with world.daemon():
        again = Connection()
        back = await subscribed(world, again, topics=["orders"], since=last, epoch=answer["epoch"])

        assert not back["reset"]
        assert [e["order"]["status"] for e in again.pushed] == ["OPEN"]


async def test_what_is_no_longer_kept_is_a_reset_with_a_snapshot() -> None:
    async with running_world() as world:
        await place(world, "k1")
        world.parts.events.forget_before(world.parts.journal.head[0])

        back = await subscribed(world, Connection(), since=1, epoch=world.parts.journal.epoch)

        assert back["reset"] is True
        assert [order["key"] for order in back["snapshot"]["orders"]] == ["k1"]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"since": 1}, "epoch"),
        ({"since": 1, "epoch": "another"}, "epoch"),
        ({"since": 10**6, "epoch": "own"}, "since"),
    ],
    ids=["no epoch", "another epoch", "beyond the head"],
)
async def test_a_since_that_cannot_be_is_refused(params: dict[str, Any], field: str) -> None:
    async with running_world() as world:
        if params.get("epoch") == "own":
            params = {**params, "epoch": world.parts.journal.epoch}

        error = await client(world, Connection()).refused(
            "events.subscribe", topics=["orders"], **params
        )

        assert error.kind is Kind.INVALID_PARAMS
        assert error.data["field"] == field


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        ({"accounts": ["second"]}, ["k2"]),
        ({"strategy": "orb"}, ["k1"]),
        ({"symbols": ["NSE:INFY"]}, ["k1", "k2"]),
        ({"topics": ["trades"]}, []),
    ],
    ids=["account", "strategy", "symbol", "topic"],
)
async def test_a_subscription_hears_what_it_asked_for(
    wanted: dict[str, Any], keys: list[str]
) -> None:
    async with running_world(account(), account("second")) as world:
        connection = Connection()
        answer = await subscribed(world, connection, **wanted)

        await place(world, "k1", strategy="orb")
        await place(world, "k2", account="second")

        heard = dict.fromkeys(e["order"]["key"] for e in connection.pushed)
        assert list(heard) == keys
        assert joined(answer, connection.pushed)


async def test_kill_and_account_events_have_their_objects() -> None:
    async with running_world() as world:
        connection = Connection()
        await subscribed(world, connection)

        await client(world)("kill.engage", reason="drill")
        await client(world)("account.logout", account="paper")

        kinds = {event["topic"]: event for event in connection.pushed}
        assert kinds["kill"]["kill"]["reason"] == "drill"
        assert kinds["accounts"]["account"]["event"] == "denied"


async def test_nothing_is_heard_after_an_unsubscribe() -> None:
    async with running_world() as world:
        connection = Connection()
        answer = await subscribed(world, connection)
        call = client(world, connection)
        # The table is made once in a daemon; a second one would not know this subscription.
        error = await call.refused("events.unsubscribe", subscription=answer["subscription"])

        one = client(world, connection)
        mine = await one("events.subscribe", topics=["orders"])
        await one("events.unsubscribe", subscription=mine["subscription"])
        await place(world, "k1")

        assert error.kind is Kind.INVALID_PARAMS
        assert {e["subscription"] for e in connection.pushed} == {answer["subscription"]}


async def test_a_closed_connection_ends_its_subscriptions() -> None:
    async with running_world() as world:
        connection = Connection()
        await subscribed(world, connection)
        connection.close()

        await place(world, "k1")

        assert connection.pushed == []


async def test_one_connection_has_so_many_subscriptions() -> None:
    async with running_world() as world:
        call = client(world, Connection())
        for _ in range(64):
            await call("events.subscribe", topics=["kill"])

        error = await call.refused("events.subscribe", topics=["kill"])

        assert error.kind is Kind.OVERLOADED


async def test_over_http_there_are_no_events() -> None:
    async with running_world() as world:
        error = await client(world).refused("events.subscribe", topics=["orders"])

        assert error.kind is Kind.INVALID_REQUEST


async def test_an_account_that_cannot_be_read_is_left_out_of_the_positions() -> None:
    async with running_world(account(), account("second")) as world:
        world.line("second").always(lost_before, request_is("GET", "/positions"))

        answer = await subscribed(world, Connection())

        assert list(answer["snapshot"]["positions"]) == ["paper"]
