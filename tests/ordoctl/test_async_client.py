"""The awaited client: many calls over one connection, and the same rules as the blocking one."""

import threading
from typing import Any

import anyio
import pytest

from ordoctl import AsyncClient, NoDaemon, Refused, TryAgain
from ordoctl.models import Order
from tests.ordoctl.scripted import (
    HANG_UP,
    SILENCE,
    Action,
    Fail,
    Line,
    Pause,
    ScriptedDaemon,
    Silence,
    far,
    order,
)

AT = "2026-11-23T09:15:00+05:30"
pytestmark = pytest.mark.anyio


async def get(client: AsyncClient, order_id: str) -> Order:
    return await client.order.get(order_id)


def found(said: dict[str, dict[str, str]]) -> dict[str, object]:
    return {"order": order(order_id=said["params"]["order_id"])}


async def test_calls_at_once_share_a_connection_and_get_their_own_answers(
    daemon: ScriptedDaemon,
) -> None:
    daemon.on("order.get", found)
    got: dict[str, str] = {}

    async def one(client: AsyncClient, order_id: str) -> None:
        got[order_id] = (await get(client, order_id)).order_id

    async with AsyncClient(daemon.path) as client, anyio.create_task_group() as group:
        for number in range(50):
            group.start_soon(one, client, f"o{number}")

    assert got == {f"o{number}": f"o{number}" for number in range(50)}
    assert daemon.connections == 1


async def test_answers_out_of_order_find_their_calls(daemon: ScriptedDaemon) -> None:
    second = b'{"jsonrpc":"2.0","id":2,"result":{"n":2}}\n'
    first = b'{"jsonrpc":"2.0","id":1,"result":{"n":1}}\n'
    daemon.on("a.one", SILENCE)
    daemon.on("a.two", [Line(second), Line(first)])
    got: list[object] = []

    async def one(client: AsyncClient, method: str) -> None:
        got.append((method, await client.call(method)))

    async with AsyncClient(daemon.path) as client, anyio.create_task_group() as group:
        group.start_soon(one, client, "a.one")
        group.start_soon(one, client, "a.two")

    assert sorted(got, key=str) == [("a.one", {"n": 1}), ("a.two", {"n": 2})]


async def test_a_cancelled_call_leaves_the_others_their_answers(daemon: ScriptedDaemon) -> None:
    asked = threading.Event()

    def slow(_said: object) -> Silence:
        asked.set()
        return SILENCE

    daemon.on("a.slow", slow)
    daemon.on("order.get", found)
    got: list[Order] = []

    async def other(client: AsyncClient) -> None:
        got.append(await get(client, "o2"))

    async with AsyncClient(daemon.path) as client:
        async with anyio.create_task_group() as group:
            group.start_soon(client.call, "a.slow")
            await anyio.to_thread.run_sync(asked.wait)
            group.start_soon(other, client)
            while not got:
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        again = await get(client, "o3")

    assert got[0].order_id == "o2"
    assert again.order_id == "o3"
    assert daemon.connections == 1


async def test_the_reader_hands_over_when_its_own_answer_has_come(daemon: ScriptedDaemon) -> None:
    gate = threading.Event()
    daemon.on("a.quick", {})

    def slow(said: dict[str, int]) -> Line:
        gate.wait(5)
        return Line(b'{"jsonrpc":"2.0","id":%d,"result":{"slow":true}}\n' % said["id"])

    daemon.on("a.slow", slow)
    got: list[object] = []

    async def quick(client: AsyncClient) -> None:
        got.append(await client.call("a.quick"))
        gate.set()

    async def slowly(client: AsyncClient) -> None:
        got.append(await client.call("a.slow"))

    async with AsyncClient(daemon.path) as client, anyio.create_task_group() as group:
        group.start_soon(quick, client)
        group.start_soon(slowly, client)

    assert got == [{}, {"slow": True}]


async def test_a_lost_connection_is_followed_by_the_same_keys(daemon: ScriptedDaemon) -> None:
    daemon.on("order.place", HANG_UP, {"order": order(), "replayed": True})

    async with AsyncClient(daemon.path) as client:
        placed = await client.order.place("main", "NSE:INFY", "BUY", 10, "MARKET", "CNC")

    first, second = daemon.calls("order.place")
    assert placed.replayed
    assert first["key"] == second["key"]


async def test_errors_silence_and_absence_are_told_as_by_the_blocking_client(
    daemon: ScriptedDaemon,
) -> None:
    daemon.on("order.place", Fail(1204, "ORDER_REJECTED", retry="new_key"))
    daemon.on("order.get", SILENCE)

    async with AsyncClient(daemon.path, timeout=0.1) as client:
        with pytest.raises(Refused) as refused:
            await client.order.place("main", "NSE:INFY", "BUY", 10, "MARKET", "CNC", key="k1")
        with pytest.raises(TryAgain) as silent:
            await get(client, "o1")
    async with AsyncClient(daemon.path.with_name("none.sock")) as client:
        with pytest.raises(NoDaemon):
            await client.system.ping()

    assert refused.value.retry == "new_key"
    assert silent.value.may_have_happened


async def test_an_idle_connection_that_ended_is_not_mistaken_for_a_lost_call(
    daemon: ScriptedDaemon,
) -> None:
    daemon.on("system.ping", {})
    daemon.on("system.shutdown", {"state": "stopping"})

    async with AsyncClient(daemon.path) as client:
        await client.system.ping()
        daemon.stop()
        daemon.start()
        answer = await client.system.shutdown()

    assert answer == {"state": "stopping"}


@pytest.mark.parametrize("line", [b"\xff\n", b"{}\n", b"[1]\n", b'{"id":null,"error":{}}\n'])
async def test_garbage_is_told_as_unreadable(daemon: ScriptedDaemon, line: bytes) -> None:
    daemon.on("system.ping", Line(line))

    async with AsyncClient(daemon.path) as client:
        with pytest.raises(TryAgain) as raised:
            await client.system.ping()

    assert raised.value.kind == "UNREADABLE"


async def test_progress_finds_the_call_that_asked_and_puts_its_timeout_off(
    daemon: ScriptedDaemon,
) -> None:
    def parts(said: dict[str, Any]) -> list[Action]:
        word = said["params"]["progress"]
        return [
            far("another", 1),
            Pause(0.6),
            far(word, 1),
            Pause(0.6),
            far(word, 2),
            {"candles": []},
        ]

    daemon.on("market.candles", parts)
    told: list[tuple[int, int]] = []

    async with AsyncClient(daemon.path, timeout=1.0) as client:
        found = await client.market.candles(
            "NSE:INFY", "1m", AT, AT, progress=lambda done, of: told.append((done, of))
        )

    assert found == ()
    assert told == [(1, 3), (2, 3)]
