"""A small table of methods on a real socket, and a client that reads lines."""

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec import Struct

from ordod.errors import Kind, OrdoError
from ordod.service.methods import Call, Method, Role, Rupees
from ordod.service.params import AccountName, Key
from ordod.wire.dispatch import Dispatcher
from ordod.wire.http import Page
from ordod.wire.peers import Access, Peers
from ordod.wire.room import TOTAL_MAX
from ordod.wire.server import Server
from ordod.wire.sockets import listening


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Order(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: AccountName
    key: Key
    quantity: int = 1
    price: Rupees | None = None


class Number(Struct, frozen=True, forbid_unknown_fields=True):
    n: int


class Desk:
    """What the methods did, and a gate that holds `hold` until it is opened; `heard` is set by the first of either."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.ended: list[Any] = []
        self.calls: list[Call] = []
        self.gate = anyio.Event()
        self.heard = anyio.Event()

    async def ping(self, call: Call, _: Nothing) -> dict[str, str]:
        self.calls.append(call)
        self.heard.set()
        return {"pong": call.caller.name}

    async def place(self, _: Call, order: Order) -> dict[str, Any]:
        self.begun.append(order.key)
        return {"order": order}

    async def hold(self, _: Call, number: Number) -> dict[str, int]:
        self.begun.append(number.n)
        self.heard.set()
        await self.gate.wait()
        self.ended.append(number.n)
        return {"n": number.n}

    async def refuse(self, _: Call, __: Nothing) -> dict[str, str]:
        raise OrdoError(
            Kind.RISK_REFUSED, "too much: 5 orders a minute", limit="orders", field=None
        )

    async def break_down(self, _: Call, __: Nothing) -> dict[str, str]:
        raise ZeroDivisionError("the secret is 1234")

    async def break_order(self, _: Call, order: Order) -> dict[str, str]:
        raise ZeroDivisionError(order.key)

    async def unreadable(self, _: Call, __: Nothing) -> Any:
        return {"what": object()}

    def table(self) -> tuple[Method, ...]:
        def row(name: str, role: Role, params: type, run: Any, **more: Any) -> Method:
            return Method(
                name=name, role=role, summary=name, params=params, result=dict, run=run, **more
            )

        return (
            row("ping", Role.READ, Nothing, self.ping, accounts=lambda _: ()),
            row("order.place", Role.TRADE, Order, self.place, changes=True),
            row("hold", Role.READ, Number, self.hold),
            row("refuse", Role.READ, Nothing, self.refuse),
            row("break_down", Role.READ, Nothing, self.break_down),
            row("break_order", Role.TRADE, Order, self.break_order),
            row("unreadable", Role.READ, Nothing, self.unreadable),
            row("kill", Role.READ, Nothing, self.ping, urgent=True),
        )


class Client:
    """One connection."""

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self.stream = stream
        self._begun = b""

    async def send(self, *messages: Any) -> None:
        for each in messages:
            data = each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n"
            await self.stream.send(data)

    async def ask(self, method: str, request_id: Any = 1, **params: Any) -> Any:
        await self.send({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})
        return await self.read()

    async def read(self) -> Any:
        """The next line; raises EndOfStream."""
        with anyio.fail_after(10):
            while b"\n" not in self._begun:
                self._begun += await self.stream.receive()
        line, self._begun = self._begun.split(b"\n", 1)
        return json.loads(line)


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    """Both loops: the daemon runs on uvloop, and falls back on the other where there is none."""
    return request.param


@pytest.fixture
def desk(anyio_backend: Any) -> Desk:
    return Desk()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ordod.sock"


@pytest.fixture
async def start(path: Path) -> AsyncIterator[Callable[..., Awaitable[Server]]]:
    """Starts a server at `path`; what it takes more is Server's and Dispatcher's."""
    servers: list[Server] = []
    with listening(path) as listener:
        async with anyio.create_task_group() as tasks:

            async def begin(
                table: tuple[Method, ...],
                *,
                access: Access | None = None,
                drain_s: float = 2,
                connections: int = TOTAL_MAX,
                **more: Any,
            ) -> Server:
                pages = {"/healthz": lambda _, show: show(Page(b'{"ok":true}'))}
                identify = Peers(access or Access(), os.getuid()).caller
                server = Server(Dispatcher(table, **more), identify, pages, connections)
                await tasks.start(partial(server.serve, listener, drain_s=drain_s))
                servers.append(server)
                return server

            yield begin
            for server in servers:
                server.stop()


@pytest.fixture
async def server(start: Any, desk: Desk) -> Server:
    started: Server = await start(desk.table())
    return started


@pytest.fixture
async def connect(path: Path) -> AsyncIterator[Callable[[], Awaitable[Client]]]:
    streams: list[anyio.abc.SocketStream] = []

    async def open_one() -> Client:
        streams.append(await anyio.connect_unix(path))
        return Client(streams[-1])

    yield open_one
    for stream in streams:
        await stream.aclose()


@pytest.fixture
async def client(server: Server, connect: Callable[[], Awaitable[Client]]) -> Client:
    return await connect()
