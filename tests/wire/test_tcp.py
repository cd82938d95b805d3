"""The front: strangers, slow ones, many ones, and who came in. Real sockets, real TLS, tokens of the test's own."""

import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest
import trustme
from anyio.streams.tls import TLSStream
from structlog.testing import capture_logs

from ordod.service.methods import Caller, Role
from ordod.wire.dispatch import Dispatcher
from ordod.wire.door import KNOWN_WITHIN_S, UNKNOWN_OF_ADDRESS_MAX
from ordod.wire.guests import GREETING_BYTES_MAX, Guest, is_ours
from ordod.wire.http import Page
from ordod.wire.server import Server
from ordod.wire.sockets import ListenError, listening_tcp
from ordod.wire.tcp import TOKEN_CONNECTIONS_MAX, TcpFront, TcpLimits
from ordod.wire.tls import Tls
from tests.wire.conftest import Client, Desk

Connect: TypeAlias = Callable[..., Awaitable[Client]]
LIMITS = TcpLimits(connections=128, idle_s=300.0)


class Keys:
    """Fulfils the port; `revoked` are known no more, `looks` counts."""

    def __init__(self) -> None:
        self.guests = {
            "good": Guest(Caller("token:good", Role.TRADE), None, "good"),
            "other": Guest(Caller("token:other", Role.READ, {"main": Role.TRADE}), None, "other"),
        }
        self.revoked: set[str] = set()

    def find(self, token: str) -> Guest | None:
        return None if token in self.revoked else self.guests.get(token)

    def lives(self, guest: Guest) -> bool:
        return guest.key not in self.revoked


class Clock:
    """Seconds that pass as a test says."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class House:
    """One server with a front."""

    def __init__(self, ca: trustme.CA, port: int, clock: Clock, keys: Keys) -> None:
        self.ca = ca
        self.port = port
        self.clock = clock
        self.keys = keys


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def keys(anyio_backend: Any) -> Keys:
    return Keys()


@pytest.fixture
async def open_house(
    desk: Desk, keys: Keys, ca: trustme.CA
) -> AsyncIterator[Callable[..., Awaitable[House]]]:
    """Starts a server with nothing but a front; the first argument says whether it speaks TLS."""
    servers: list[Server] = []
    clock = Clock()
    with ExitStack() as stack:
        async with anyio.create_task_group() as tasks:

            async def begin(is_tls: bool = False, limits: TcpLimits = LIMITS) -> House:
                context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                ca.issue_cert("localhost", "127.0.0.1").configure_cert(context)
                tls = Tls(context=context, names=frozenset({"ordo.example"}), worry="")
                listeners = stack.enter_context(listening_tcp("127.0.0.1", 0, only_loopback=True))
                front = TcpFront(
                    listeners,
                    keys,
                    tls=lambda: tls if is_tls else None,
                    own_names=frozenset({"127.0.0.1"}),
                    limits=limits,
                    clock=clock,
                )
                pages = {"/healthz": lambda caller, show: show(Page(caller.name.encode()))}
                server = Server(Dispatcher(desk.table()), lambda _: Caller("x", Role.ADMIN), pages)
                await tasks.start(partial(server.serve, front=front, drain_s=2))
                servers.append(server)
                return House(ca, listeners[0].getsockname()[1], clock, keys)

            yield begin
            for server in servers:
                server.stop()


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    streams: list[Any] = []

    async def open_one(house: House, token: str | None = "good", *, tls: bool = False) -> Client:
        stream: Any = await anyio.connect_tcp("127.0.0.1", house.port)
        streams.append(stream)
        if tls:
            context = ssl.create_default_context()
            house.ca.configure_trust(context)
            stream = await TLSStream.wrap(
                stream, hostname="localhost", ssl_context=context, standard_compatible=False
            )
        client = Client(stream)
        if token is not None:
            answer = await client.ask("system.authenticate", token=token)
            assert "result" in answer, answer
        return client

    yield open_one
    for stream in streams:
        with anyio.CancelScope(shield=True):
            await anyio.aclose_forcefully(stream)


async def until(condition: Callable[[], Any]) -> None:
    with anyio.fail_after(20):
        while not condition():  # noqa: ASYNC110 - the server offers tests no event
            await anyio.sleep(0.005)


async def hung_up(client: Client) -> bool:
    """It ends, and nothing more is said."""
    with anyio.fail_after(20):
        try:
            return not await client.stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return True


def raw(port: int) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", port), 10)
    link.settimeout(20)
    return link


# Who comes in


async def test_a_token_opens_what_its_role_opens_and_is_told_so(
    open_house: Any, connect: Connect, desk: Desk
) -> None:
    client = await connect(await open_house(), token=None)

    told = await client.ask("system.authenticate", token="other")
    pong = await client.ask("ping")
    refused = await client.ask("order.place", account="second", key="k")
    placed = await client.ask("order.place", account="main", key="k")

    assert told["result"] == {"caller": "token:other", "role": "read", "accounts": {"main": "trade"}, "expires_at": None}  # fmt: skip
    assert pong["result"] == {"pong": "token:other"}
    assert refused["error"]["data"]["kind"] == "FORBIDDEN"
    assert "ordoctl token new" in refused["error"]["message"]
    assert "result" in placed


@pytest.mark.parametrize(
    ("first", "word"),
    [
        ({"method": "ping"}, "system.authenticate"),
        ({"method": "system.authenticate", "params": {"token": "wrong"}}, "nobody has this token"),
        ({"method": "system.authenticate", "params": {"token": ["good"]}}, "token"),
        ({"method": "system.authenticate", "params": {"token": "good", "more": 1}}, "more"),
        ({"method": "system.authenticate", "params": ["good"]}, "by name"),
        ({"method": "system.authenticate"}, "token"),
        ({"method": ["system.authenticate"]}, "system.authenticate"),
    ],
)
async def test_nothing_else_comes_first(
    open_house: Any, connect: Connect, desk: Desk, first: dict[str, Any], word: str
) -> None:
    client = await connect(await open_house(), token=None)

    await client.send(
        {"jsonrpc": "2.0", "id": "a", **first},
        {
            "jsonrpc": "2.0",
            "id": "b",
            "method": "order.place",
            "params": {"account": "main", "key": "k"},
        },
    )
    answer = await client.read()

    assert answer["id"] == "a"
    assert answer["error"]["data"]["kind"] in ("UNAUTHENTICATED", "INVALID_PARAMS")
    assert word in answer["error"]["message"]
    assert await hung_up(client)
    assert desk.begun == []


@pytest.mark.parametrize(
    "line",
    [b"{\n", b"[]\n", b"\x16\x03\x01\n", b"17\n", b"null\n", b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]\n', b"\xff\n", b"x" * (GREETING_BYTES_MAX + 1)],
)  # fmt: skip
async def test_what_is_no_message_gets_a_stranger_nowhere(
    open_house: Any, connect: Connect, line: bytes
) -> None:
    client = await connect(await open_house(), token=None)

    await client.send(line)

    assert "error" in await client.read()
    assert await hung_up(client)


async def test_a_token_and_what_follows_may_come_in_any_pieces(
    open_house: Any, connect: Connect, desk: Desk
) -> None:
    client = await connect(await open_house(), token=None)
    greeting = b'\r\n\n{"jsonrpc":"2.0","id":1,"method":"system.authenticate","params":{"token":"good"}}\r\n'
    ping = b'{"jsonrpc":"2.0","id":2,"method":"ping"}\n'

    for byte in greeting[:40]:
        await client.send(bytes([byte]))
    await client.send(greeting[40:] + ping + ping[:10])
    await client.send(ping[10:])

    assert [(await client.read())["id"] for _ in range(3)] == [1, 2, 2]


async def test_a_connection_has_one_caller_all_its_life(open_house: Any, connect: Connect) -> None:
    from ordod.service.identity import methods

    (method,) = methods()
    client = await connect(await open_house())

    # The desk's table has no such method: what the real one answers is looked at by itself.
    from ordod.errors import OrdoError
    from ordod.service.methods import Call

    with pytest.raises(OrdoError, match="make another connection"):
        await method.run(Call(Caller("token:good", Role.TRADE)), method.params(token="other"))
    told = await method.run(Call(Caller("uid:0 (root)", Role.ADMIN)), method.params(token="other"))
    assert told.caller == "uid:0 (root)"
    assert (await client.ask("ping"))["result"] == {"pong": "token:good"}


async def test_a_token_that_is_revoked_opens_nothing_from_the_next_request_on(
    open_house: Any, connect: Connect, desk: Desk
) -> None:
    house = await open_house()
    client, stays = await connect(house), await connect(house, "other")

    house.keys.revoked.add("good")
    answer = await client.ask("order.place", "mine", account="main", key="k")

    assert answer["id"] == "mine"
    assert answer["error"]["data"]["kind"] == "UNAUTHENTICATED"
    assert "token:good was revoked or has expired" in answer["error"]["message"]
    assert await hung_up(client)
    assert desk.begun == []
    assert "result" in await stays.ask("ping")


async def test_what_waits_when_a_token_is_revoked_is_refused_and_what_is_under_way_is_answered(
    open_house: Any, connect: Connect, desk: Desk
) -> None:
    house = await open_house()
    client = await connect(house)
    request = {"jsonrpc": "2.0", "id": "slow", "method": "hold", "params": {"n": 1}}
    await client.send(request)
    await desk.heard.wait()

    house.keys.revoked.add("good")
    await client.send({**request, "id": "late"})
    late = await client.read()
    desk.gate.set()
    slow = await client.read()

    assert (late["id"], late["error"]["data"]["kind"]) == ("late", "UNAUTHENTICATED")
    assert (slow["id"], slow["result"]) == ("slow", {"n": 1})
    assert await hung_up(client)


async def test_who_only_listens_is_closed_too_when_the_token_is_revoked(
    open_house: Any, connect: Connect
) -> None:
    house = await open_house()
    client = await connect(house)

    house.keys.revoked.add("good")

    assert await hung_up(client)


# Failures


async def test_each_wrong_token_is_answered_later_than_the_one_before(
    open_house: Any, connect: Connect
) -> None:
    house = await open_house()
    took = []

    for _ in range(4):
        client = await connect(house, token=None)
        began = anyio.current_time()
        await client.ask("system.authenticate", token="wrong")
        took.append(anyio.current_time() - began)

    # The loop's clock has whole milliseconds; a difference of two of its times may be 0.19999999999709.
    waited = [round(t, 3) for t in took]
    assert all(t >= least for t, least in zip(waited, (0.1, 0.2, 0.4, 0.8), strict=True)), took


async def test_a_good_token_gets_in_at_once_however_often_its_neighbours_failed(
    open_house: Any, connect: Connect
) -> None:
    house = await open_house()
    failing = [await connect(house, token=None) for _ in range(12)]
    for client in failing:
        await client.send({"jsonrpc": "2.0", "id": 1, "method": "system.authenticate", "params": {"token": "x"}})  # fmt: skip
    await failing[0].read()  # the others wait, the last for ten seconds

    with anyio.fail_after(5):
        good = await connect(house)

    assert "result" in await good.ask("ping")


async def test_what_a_stranger_sends_is_never_logged(open_house: Any, connect: Connect) -> None:
    house = await open_house()
    with capture_logs() as logs:
        client = await connect(house, token=None)
        await client.ask("system.authenticate", token="hunter2-secret")
        await connect(house)
        with raw(house.port) as link:
            link.sendall(
                b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer hunter2-secret\r\n\r\n"
            )
            while await anyio.to_thread.run_sync(link.recv, 4096):
                pass

    assert [each["event"] for each in logs].count("token_refused") >= 1
    assert {"event": "tcp_in", "caller": "token:good"}.items() <= next(
        each for each in logs if each["event"] == "tcp_in"
    ).items()
    assert "hunter2" not in repr(logs)


# Many, slow, silent


async def test_silent_strangers_take_no_place_from_who_has_a_token(
    open_house: Any, connect: Connect
) -> None:
    house = await open_house()
    inside = await connect(house)
    silent = [await connect(house, token=None) for _ in range(UNKNOWN_OF_ADDRESS_MAX * 2)]

    good = await connect(house)

    assert await hung_up(silent[0])
    assert "result" in await good.ask("ping")
    assert "result" in await inside.ask("ping")


async def test_handshakes_that_never_end_hold_up_nobody(open_house: Any, connect: Connect) -> None:
    house = await open_house(is_tls=True)
    stuck = [raw(house.port) for _ in range(UNKNOWN_OF_ADDRESS_MAX * 2)]
    for link in stuck[::2]:
        link.sendall(b"\x16\x03\x01\x02\x00\x01")  # a handshake that begins and stops

    with anyio.fail_after(10):
        good = await connect(house, tls=True)

    assert "result" in await good.ask("ping")
    # The oldest made room: their end is seen on the wire.
    assert await anyio.to_thread.run_sync(_ends, stuck[0])
    for link in stuck:
        link.close()


def _ends(link: socket.socket) -> bool:
    try:
        return link.recv(1) == b""
    except ConnectionResetError:
        return True


def _has_ended(link: socket.socket) -> bool:
    try:
        return _ends(link)
    except BlockingIOError:
        return False


@pytest.mark.parametrize("is_tls", [False, True])
async def test_who_shows_no_token_in_time_is_hung_up_on(
    open_house: Any, connect: Connect, is_tls: bool
) -> None:
    house = await open_house(is_tls=is_tls)
    inside = await connect(house, tls=is_tls)
    silent = raw(house.port)
    silent.setblocking(False)

    with anyio.fail_after(8):  # less than the handshake's own limit
        while not _has_ended(silent):
            house.clock.at += KNOWN_WITHIN_S + 1
            await anyio.sleep(0.1)

    silent.close()
    assert "result" in await inside.ask("ping")


async def test_a_connection_that_does_nothing_is_closed_and_one_that_pings_is_not(
    open_house: Any, connect: Connect, desk: Desk
) -> None:
    house = await open_house(limits=TcpLimits(connections=128, idle_s=30))
    idle, pings, waits, follows = [await connect(house) for _ in range(4)]
    await waits.send({"jsonrpc": "2.0", "id": "w", "method": "hold", "params": {"n": 1}})
    await desk.heard.wait()
    await follows.ask("ping")
    outbox = desk.calls[-1].outbox
    assert outbox is not None
    outbox.on_close(lambda: None)  # as a subscription does
    ended = anyio.Event()

    async def watch() -> None:
        assert await hung_up(idle)
        ended.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        while not ended.is_set():
            house.clock.at += 5
            assert "result" in await pings.ask("ping")
            with anyio.move_on_after(0.5):
                await ended.wait()

    assert "result" in await pings.ask("ping")
    desk.gate.set()
    assert (await waits.read())["id"] == "w"
    assert "result" in await follows.ask("ping")


async def test_one_token_has_its_share_of_connections_and_beyond_it_only_stops_something(
    open_house: Any, connect: Connect
) -> None:
    house = await open_house()
    mine = [await connect(house) for _ in range(TOKEN_CONNECTIONS_MAX)]
    asks, kills = await connect(house), await connect(house)

    answer = await asks.ask("ping")
    stopped = await kills.ask("kill")
    other = await connect(house, "other")

    assert answer["error"]["data"]["kind"] == "OVERLOADED"
    assert await hung_up(asks)
    assert "result" in stopped
    assert await hung_up(kills)
    assert "result" in await other.ask("ping")
    await mine[0].stream.aclose()
    with anyio.fail_after(10):
        while "result" not in await (await connect(house)).ask("ping"):
            pass


async def test_beyond_the_daemons_bound_one_only_stops_something_and_nobody_inside_is_troubled(
    open_house: Any, connect: Connect
) -> None:
    house = await open_house(limits=TcpLimits(connections=3, idle_s=300))
    inside = [await connect(house), await connect(house), await connect(house, "other")]

    asks, kills = await connect(house), await connect(house, "other")

    assert (await asks.ask("ping"))["error"]["data"]["kind"] == "OVERLOADED"
    assert "result" in await kills.ask("kill")
    for client in inside:
        assert "result" in await client.ask("ping")
    status, body = await say(
        house, *POST, "Host: localhost", "Authorization: Bearer good", body=PING
    )
    assert (status, json.loads(body)["error"]["data"]["kind"]) == (200, "OVERLOADED")


async def test_who_speaks_no_tls_to_tls_is_hung_up_on_and_harms_nobody(
    open_house: Any, connect: Connect
) -> None:
    house = await open_house(is_tls=True)
    inside = await connect(house, tls=True)
    with capture_logs() as logs:
        for first in (b'{"jsonrpc":"2.0"}\n', b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 300):
            with raw(house.port) as link:
                link.sendall(first)
                assert await anyio.to_thread.run_sync(_ended_without_words, link)
        await until(lambda: any(each["event"] == "tls_failed" for each in logs))

    assert "result" in await inside.ask("ping")


def _ended_without_words(link: socket.socket) -> bool:
    """TLS may say an alert; nothing of ours is said."""
    try:
        while data := link.recv(4096):
            if data[:1] != b"\x15":
                return False
    except ConnectionResetError:
        pass
    return True


async def test_the_end_of_the_server_ends_what_is_inside_and_what_arrives(
    desk: Desk, open_house: Any, connect: Connect
) -> None:
    house = await open_house(is_tls=True)
    inside = await connect(house, tls=True)
    stuck = raw(house.port)
    request = {"jsonrpc": "2.0", "id": "w", "method": "hold", "params": {"n": 1}}
    await inside.send(request)
    await desk.heard.wait()

    desk.gate.set()

    assert (await inside.read())["id"] == "w"
    stuck.close()


# HTTP


async def say(house: House, *lines: str, body: str = "") -> tuple[int, str]:
    """Status and body of one request, over a connection of its own."""
    head = [*lines, f"Content-Length: {len(body)}", "Connection: close", "", body]

    def talk() -> bytes:
        with raw(house.port) as link:
            link.sendall("\r\n".join(head).encode())
            data = b""
            while more := link.recv(1 << 16):
                data += more
            return data

    answer = (await anyio.to_thread.run_sync(talk)).decode()
    return int(answer.split(" ", 2)[1]), answer.partition("\r\n\r\n")[2]


PING = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})
POST = ("POST /rpc HTTP/1.1", "Content-Type: application/json")


async def test_http_has_its_caller_from_the_token_it_bears(open_house: Any) -> None:
    house = await open_house()
    head = (*POST, f"Host: 127.0.0.1:{house.port}")

    status, body = await say(house, *head, "Authorization: Bearer good", body=PING)
    page = await say(
        house, "GET /healthz HTTP/1.1", "Host: localhost", "Authorization: bearer other"
    )

    assert (status, json.loads(body)["result"]) == (200, {"pong": "token:good"})
    assert page == (200, "token:other")


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (["Host: 127.0.0.1"], 401),
        (["Host: 127.0.0.1", "Authorization: Bearer wrong"], 401),
        (["Host: 127.0.0.1", "Authorization: Bearer"], 401),
        (["Host: 127.0.0.1", "Authorization: Basic Z29vZA=="], 401),
        (["Host: 127.0.0.1", "Authorization: Bearer good", "Origin: http://127.0.0.1"], 403),
        (["Host: 127.0.0.1", "Authorization: Bearer good", "Origin: null"], 403),
        (["Host: evil.example", "Authorization: Bearer good"], 421),
        (["Host: localhost.evil.example", "Authorization: Bearer good"], 421),
        (["Host: 192.0.2.1", "Authorization: Bearer good"], 421),
        (["Host: ordo.example", "Authorization: Bearer good"], 421),
        (["Host:", "Authorization: Bearer good"], 421),
    ],
)
async def test_a_request_that_shows_too_little_is_refused_before_its_body(
    open_house: Any, desk: Desk, more: list[str], status: int
) -> None:
    house = await open_house()

    assert (await say(house, *POST, *more, body=PING))[0] == status
    assert desk.calls == []


async def test_http_shows_its_token_with_every_request(open_house: Any, desk: Desk) -> None:
    house = await open_house()
    request = (
        "POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(PING)}\r\nAuthorization: Bearer good\r\n\r\n{PING}"
    ).encode()

    def talk() -> tuple[bytes, bytes]:
        with raw(house.port) as link:
            link.sendall(request)
            first = link.recv(4096)
            house.keys.revoked.add("good")
            link.sendall(request)
            second = link.recv(4096)
            return first, second

    first, second = await anyio.to_thread.run_sync(talk)

    assert first.startswith(b"HTTP/1.1 200")
    assert second.startswith((b"HTTP/1.1 401", b""))
    assert len(desk.calls) == 1


HERE = "127.0.0.1"


@pytest.mark.parametrize(
    ("host", "names", "arrived_at", "ours"),
    [
        ("localhost", "", HERE, True),
        ("localhost:9999", "", HERE, True),
        ("LOCALHOST.", "", HERE, True),
        ("127.0.0.1:7878", "", HERE, True),
        ("[::1]:7878", "", "::1", True),
        ("[::1]", "", HERE, True),
        ("localhost", "", "192.0.2.1", False),
        ("127.0.0.1", "", "192.0.2.1", False),
        ("192.0.2.1:7878", "", "192.0.2.1", True),
        ("192.0.2.2", "", "192.0.2.1", False),
        ("203.0.113.9", "203.0.113.9", "192.0.2.1", True),
        ("Ordo.Example:7878", "ordo.example", "192.0.2.1", True),
        ("ordo.example.evil.example", "ordo.example", "192.0.2.1", False),
        ("a.ordo.example", "*.ordo.example", "192.0.2.1", True),
        ("a.b.ordo.example", "*.ordo.example", "192.0.2.1", False),
        ("", "", HERE, False),
        (":7878", "", HERE, False),
        ("localhost:x", "", HERE, False),
        ("user@localhost", "", HERE, False),
        ("::1", "", "::1", False),
        ("[::1", "", "::1", False),
    ],
)
def test_which_hosts_are_ours(host: str, names: str, arrived_at: str, ours: bool) -> None:
    assert is_ours(host, frozenset(names.split()), arrived_at) is ours


# Listening


def test_an_address_that_is_taken_or_not_ours_is_told() -> None:
    with listening_tcp("127.0.0.1", 0, only_loopback=True) as (one,):
        port = one.getsockname()[1]
        with (
            pytest.raises(ListenError, match=r"127\.0\.0\.1 port .* another \[daemon\] tcp"),
            listening_tcp("127.0.0.1", port, only_loopback=True),
        ):
            pass
    with pytest.raises(ListenError), listening_tcp("192.0.2.1", 7878, only_loopback=False):
        pass
    with (
        pytest.raises(ListenError, match="has no address"),
        listening_tcp("no.such.host.invalid", 7878, only_loopback=False),
    ):
        pass


def test_without_tls_a_name_that_leads_off_this_machine_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("0.0.0.0", 0))]  # as a hosts file may say
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: away)

    with (
        pytest.raises(ListenError, match="takes TLS"),
        listening_tcp("localhost", 0, only_loopback=True),
    ):
        pass


def test_the_unspecified_address_of_ipv6_takes_ipv4_too() -> None:
    if not Path("/proc/net/if_inet6").exists():
        pytest.skip("this machine has no IPv6")
    with listening_tcp("::", 0, only_loopback=False) as (listener,):
        socket.create_connection(("127.0.0.1", listener.getsockname()[1]), 5).close()
