"""The server: many clients, bad clients, slow clients, and the end."""

import json
import os
import socket
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from ordod.wire.connection import KEPT_BYTES_MAX, QUEUE_MESSAGES_MAX
from ordod.wire.dispatch import Dispatcher
from ordod.wire.framing import LINE_BYTES_MAX
from ordod.wire.lines import CONNECTION_IN_FLIGHT_MAX
from ordod.wire.peers import Access, Peers
from ordod.wire.room import ADMINS_MORE, CALLER_MAX, URGENT_MAX
from ordod.wire.server import Server
from ordod.wire.sockets import listening


def request(method: str, request_id: Any, **params: Any) -> bytes:
    message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}
    return json.dumps(message).encode() + b"\n"


async def until(condition: Any) -> None:
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - the server offers tests no event
            await anyio.sleep(0.001)


async def test_a_hundred_clients_at_once_each_get_their_own_answers(
    server: Any, connect: Any
) -> None:
    clients = [await connect() for _ in range(100)]
    heard: dict[int, list[Any]] = {}

    async def talk(number: int) -> None:
        await clients[number].send(*[request("ping", [number, i][i % 2]) for i in range(20)])
        heard[number] = [(await clients[number].read())["id"] for _ in range(20)]

    async with anyio.create_task_group() as tasks:
        for number in range(100):
            tasks.start_soon(talk, number)

    assert all(
        sorted(ids) == sorted([number, i][i % 2] for i in range(20))
        for number, ids in heard.items()
    )


async def test_answers_come_as_they_finish(client: Any, desk: Any) -> None:
    await client.send(request("hold", "slow", n=1), request("ping", "quick"))

    assert (await client.read())["id"] == "quick"
    desk.gate.set()
    assert (await client.read())["id"] == "slow"


async def test_orders_start_in_the_order_they_arrived(client: Any, desk: Any) -> None:
    keys = [f"k-{number}" for number in range(300)]
    orders = [request("order.place", key, account="main", key=key) for key in keys]
    batch = b"[" + b",".join(each.strip() for each in orders[100:150]) + b"]\n"

    await client.send(b"".join([*orders[:100], batch, *orders[150:]]))
    for _ in range(251):
        await client.read()

    assert desk.begun == keys


async def test_the_257th_request_waits_until_one_is_answered(client: Any, desk: Any) -> None:
    requests = [request("hold", n, n=n) for n in range(CONNECTION_IN_FLIGHT_MAX + 5)]

    await client.send(b"".join(requests))
    await until(lambda: len(desk.begun) >= CONNECTION_IN_FLIGHT_MAX)
    await anyio.wait_all_tasks_blocked()
    begun = len(desk.begun)
    desk.gate.set()
    answers = {(await client.read())["id"] for _ in requests}

    assert begun == CONNECTION_IN_FLIGHT_MAX
    assert answers == set(range(CONNECTION_IN_FLIGHT_MAX + 5))


async def test_a_batch_waits_until_there_is_room_for_all_of_it(client: Any, desk: Any) -> None:
    singles = [request("hold", n, n=n) for n in range(CONNECTION_IN_FLIGHT_MAX - 1)]
    batch = b"[" + b",".join(request("ping", n).strip() for n in (1, 2)) + b"]\n"

    await client.send(b"".join([*singles, batch]))
    await until(lambda: len(desk.begun) == CONNECTION_IN_FLIGHT_MAX - 1)
    await anyio.wait_all_tasks_blocked()
    pinged_before = len(desk.calls)
    desk.gate.set()
    answers = [await client.read() for _ in range(CONNECTION_IN_FLIGHT_MAX)]

    assert pinged_before == 0
    assert sum(isinstance(each, list) for each in answers) == 1


async def test_a_connection_that_is_full_harms_no_other(
    client: Any, connect: Any, desk: Any
) -> None:
    await client.send(*[request("hold", n, n=n) for n in range(CONNECTION_IN_FLIGHT_MAX + 1)])

    assert "result" in await (await connect()).ask("ping")
    desk.gate.set()


async def test_a_closed_connection_cancels_nothing(client: Any, desk: Any) -> None:
    await client.send(request("hold", 1, n=1))
    await until(lambda: desk.begun)

    await client.stream.aclose()
    desk.gate.set()

    await until(lambda: desk.ended == [1])


async def test_half_a_request_at_the_hang_up_is_not_carried_out(
    client: Any, connect: Any, desk: Any
) -> None:
    await client.send(request("order.place", 1, account="main", key="whole"))
    await client.send(request("order.place", 2, account="main", key="half")[:-3])

    await client.read()
    await client.stream.aclose()

    assert "result" in await (await connect()).ask("ping")
    assert desk.begun == ["whole"]


async def test_who_stops_sending_still_gets_the_answers_and_then_the_end(
    client: Any, desk: Any
) -> None:
    await client.send(request("hold", 1, n=1), request("ping", 2).strip())
    await client.stream.send_eof()

    assert (await client.read())["id"] == 2
    desk.gate.set()
    assert (await client.read())["id"] == 1
    with pytest.raises(anyio.EndOfStream):
        await client.read()


async def test_a_line_beyond_the_bound_is_one_error_and_the_connection_lives(client: Any) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.send, b"x" * (LINE_BYTES_MAX + 100) + b"\n")
        error = (await client.read())["error"]

    assert error["data"]["kind"] == "PARSE"
    assert "result" in await client.ask("ping")


async def test_a_line_of_nearly_the_bound_is_taken(client: Any) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.send, request("ping", 1).strip() + b" " * 1_000_000 + b"\n")
        answer = await client.read()

    assert "result" in answer


async def test_a_client_that_never_reads_is_hung_up_on_and_harms_nobody(
    server: Any, path: Path, connect: Any
) -> None:
    other = await connect()
    flood = request("ping", "x" * 10_000) * 100

    with capture_logs() as logs, socket.socket(socket.AF_UNIX) as deaf:
        deaf.connect(str(path))
        deaf.setblocking(False)
        while not logs:
            try:
                deaf.send(flood)
            except BlockingIOError:
                pass
            except OSError:
                break
            assert "result" in await other.ask("ping")

    assert [(each["event"], each["why"]) for each in logs] == [
        ("connection_dropped", "slow_reader")
    ]
    assert server.tally.dropped == {"slow_reader": 1}
    await until(lambda: server.tally.connections == 1)


async def test_events_for_a_connection_that_does_not_read_end_it_and_its_owner_is_told(
    client: Any, desk: Any
) -> None:
    await client.ask("ping")
    outbox = desk.calls[0].outbox
    closed: list[str] = []
    outbox.on_close(lambda: closed.append("told"))

    pushed = 0
    while outbox.push(b'{"jsonrpc":"2.0","method":"event","params":{}}'):
        pushed += 1
        assert pushed < 2 * QUEUE_MESSAGES_MAX
    await until(lambda: closed)

    assert pushed > QUEUE_MESSAGES_MAX
    assert closed == ["told"]
    assert outbox.push(b"{}") is False
    outbox.on_close(lambda: closed.append("at once"))
    assert closed == ["told", "at once"]


async def test_when_memory_runs_short_the_connection_that_keeps_most_is_closed(
    server: Any, connect: Any, desk: Any
) -> None:
    clients = [await connect() for _ in range(12)]
    for each in clients:
        await each.ask("ping")
    small, *large = [call.outbox for call in desk.calls]
    megabyte = b'"' + b"x" * (1 << 20) + b'"\n'

    with capture_logs() as logs:
        small.push(megabyte)
        for _ in range(8):
            for outbox in large:
                outbox.push(megabyte)

    assert {(each["event"], each["why"]) for each in logs} == {("connection_dropped", "memory")}
    assert server.tally.dropped == {"memory": len(logs)}
    assert small.push(b"1\n")
    assert await clients[0].read() == "x" * (1 << 20)


async def test_unfinished_lines_count_as_memory_too(server: Any, path: Path, connect: Any) -> None:
    piece = b"x" * (900 << 10)
    hostile = [await anyio.connect_unix(path) for _ in range(KEPT_BYTES_MAX // len(piece) + 5)]

    with capture_logs() as logs:
        for each in hostile:
            try:
                await each.send(piece)
            except anyio.BrokenResourceError:
                continue
        await until(lambda: logs)

    assert {(each["event"], each["why"]) for each in logs} == {("connection_dropped", "memory")}
    assert server.tally.dropped == {"memory": len(logs)}
    assert "result" in await (await connect()).ask("ping")
    for each in hostile:
        await each.aclose()


async def test_a_reader_that_was_slow_gets_every_event_in_order(client: Any, desk: Any) -> None:
    await client.ask("ping")
    outbox = desk.calls[0].outbox

    for number in range(5000):
        assert outbox.push(b'{"n":%d,"filler":"%b"}\n' % (number, b"x" * 200))

    assert [(await client.read())["n"] for _ in range(5000)] == list(range(5000))


async def test_thousands_of_bad_lines_in_one_piece_let_others_have_their_turn(
    client: Any, connect: Any
) -> None:
    other = await connect()
    await client.send(b"1\n" * 5000)

    assert "result" in await other.ask("ping")
    assert [(await client.read())["error"]["code"] for _ in range(5000)] == [-32600] * 5000


async def test_a_stop_answers_what_is_under_way_and_takes_nothing_new(
    server: Any, client: Any, connect: Any, path: Path, desk: Any
) -> None:
    idle = await connect()
    await idle.ask("ping")
    await client.send(request("hold", 1, n=1))
    await until(lambda: desk.begun)

    server.stop()
    with pytest.raises(anyio.EndOfStream):
        await idle.read()
    await client.send(request("hold", 2, n=2))
    desk.gate.set()

    assert (await client.read())["result"] == {"n": 1}
    with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
        await client.read()
    assert desk.begun == [1]


async def test_a_cancelled_server_hangs_up_and_cancels_what_is_under_way(
    path: Path, desk: Any
) -> None:
    server = Server(Dispatcher(desk.table()), Peers(Access(), os.getuid()).caller)
    with listening(path) as listener:
        async with anyio.create_task_group() as tasks:
            await tasks.start(partial(server.serve, listener, drain_s=5))
            async with await anyio.connect_unix(path) as stream:
                await stream.send(request("hold", 1, n=1))
                await desk.heard.wait()

                tasks.cancel_scope.cancel()
                ended = pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError))
                with anyio.CancelScope(shield=True), anyio.fail_after(5), ended:
                    await stream.receive()

    assert desk.ended == []


async def test_a_caller_with_too_many_connections_is_told_so(server: Any, connect: Any) -> None:
    for _ in range(CALLER_MAX):
        await connect()
    one_more = await connect()

    refused = await one_more.ask("ping")

    assert refused["error"]["data"]["kind"] == "OVERLOADED"
    with pytest.raises(anyio.EndOfStream):
        await one_more.read()


async def test_a_caller_with_too_many_connections_can_still_stop_everything(
    server: Any, connect: Any
) -> None:
    leaked = [await connect() for _ in range(CALLER_MAX + 2 * URGENT_MAX)]
    one_more = await connect()

    stopped = await one_more.ask("kill")

    assert "result" in stopped
    assert "result" in await leaked[0].ask("ping")


async def test_when_all_places_are_taken_an_admin_still_has_some(
    start: Any, connect: Any, desk: Any
) -> None:
    await start(desk.table(), connections=3)
    admins = [await connect() for _ in range(3 + ADMINS_MORE)]
    one_more = await connect()

    assert "result" in await admins[-1].ask("ping")
    assert "error" in await one_more.ask("ping")


async def test_a_place_that_is_left_is_free(start: Any, connect: Any, desk: Any) -> None:
    server = await start(desk.table(), connections=0)
    for _ in range(3 * ADMINS_MORE):
        client = await connect()
        assert "result" in await client.ask("ping")
        await client.stream.aclose()
        await until(lambda: server.tally.connections == 0)


async def test_a_stop_does_not_wait_for_ever(start: Any, connect: Any, desk: Any) -> None:
    server = await start(desk.table(), drain_s=0.05)
    client = await connect()
    await client.send(request("hold", 1, n=1))
    await until(lambda: desk.begun)

    server.stop()

    with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
        await client.read()
    assert desk.ended == []


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from([b"\n", b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n', b"[{}]\n"]),
            st.sampled_from([b"POST /rpc HTTP/1.1\r\nHost: x\r\n", b"\r\n\r\n", b"[[[[", b"\xf0"]),
        ),
        max_size=12,
    )
)
async def test_no_bytes_crash_the_server(server: Any, path: Path, pieces: list[bytes]) -> None:
    async with await anyio.connect_unix(path) as hostile:
        for piece in pieces:
            try:
                await hostile.send(piece)
            except anyio.BrokenResourceError:
                break

    async with await anyio.connect_unix(path) as good:
        await good.send(request("ping", 1))
        with anyio.fail_after(5):
            assert json.loads(await good.receive())["id"] == 1
