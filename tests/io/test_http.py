"""What became of a request, against a server that does what brokers, proxies and networks do at their worst.

The server counts the requests it read whole: none may come twice, whatever happens to the answer.
"""

import asyncio
import gzip
import os
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
import trustme

from ordod.adapter import HttpRequest, HttpResponse
from ordod.core.ports import LineSettings, Lost, NotAdmitted, Unsent
from ordod.io import http, transport
from ordod.io.clock import SystemClock
from ordod.io.connections import tls_context
from ordod.io.http import HttpLine

METHODS = ("GET", "POST", "PUT", "DELETE")
CLOCK = SystemClock()
PATIENCE_S = 5.0


@pytest.fixture(
    params=[("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})],
    ids=["asyncio", "uvloop"],
)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


# The server


@dataclass
class Call:
    """One request as the server saw it."""

    peer: str
    head: str
    body: bytes

    def has_header(self, name: str) -> bool:
        return f"\r\n{name}:" in self.head.lower()


class Exchange:
    """One request on one connection, from the server's side."""

    def __init__(self, server: "Server", sock: socket.socket) -> None:
        self.server = server
        self.sock = sock

    def wait(self) -> bool:
        """Until there are bytes of a request; False: the client left."""
        raw = socket.socket(fileno=os.dup(self.sock.fileno()))
        with raw:
            raw.settimeout(PATIENCE_S)
            return bool(raw.recv(1, socket.MSG_PEEK))

    def read(self) -> Call:
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = self.sock.recv(65_536)
            if not chunk:
                raise EOFError
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(body) < length:
            body += self.sock.recv(65_536)
        call = Call(self.sock.getpeername()[0], head.decode("latin-1"), body)
        self.server.calls.append(call)
        return call

    def answer(self, body: bytes = b"{}", *, status: str = "200 OK", headers: str = "") -> None:
        self.read()
        self.send(f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n", body)

    def send(self, head: str, body: bytes = b"") -> None:
        self.sock.sendall(head.encode("latin-1") + body)

    def close(self) -> None:
        """FIN, and nothing of TLS before it."""
        socket.socket(fileno=self.sock.detach()).close()

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def see_the_end(self) -> None:
        """Wait for the client's end, and note how it came: under TLS, which would hide it."""
        raw = socket.socket(fileno=self.sock.detach())
        raw.settimeout(PATIENCE_S)
        try:
            while raw.recv(65_536):
                pass
            self.server.ends.append("FIN")
        except OSError as error:
            self.server.ends.append("RST" if isinstance(error, ConnectionResetError) else "?")
        raw.close()
        self.server.ended.set()


Act = Callable[[Exchange], None]


@dataclass
class Server:
    """Each request it gets is met by the next act of the plan, the last act for ever."""

    tls: ssl.SSLContext | None = None
    plan: list[Act] = field(default_factory=lambda: [Exchange.answer])
    calls: list[Call] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    protocols: list[str | None] = field(default_factory=list)
    connections: int = 0
    receive_buffer: int | None = None
    ended: threading.Event = field(default_factory=threading.Event)

    def start(self, port: int = 0) -> None:
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.receive_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_buffer)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen()
        self.port = self.listener.getsockname()[1]
        self.open: list[socket.socket] = []
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def stop(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(PATIENCE_S)

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock,))
            self.threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE_S)
        # The first piece of an answer must not wait for the client's acknowledgement.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError, EOFError):
            if self.tls is not None:
                secured = self.tls.wrap_socket(sock, server_side=True)
                self.protocols.append(secured.selected_alpn_protocol())
                sock = secured
            self.open.append(sock)
            exchange = Exchange(self, sock)
            while sock.fileno() != -1 and exchange.wait():
                act = self.plan[0] if len(self.plan) == 1 else self.plan.pop(0)
                act(exchange)
        sock.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def begin(*plan: Act, port: int = 0, **settings: Any) -> Server:
        server = Server(**settings)
        if plan:
            server.plan = list(plan)
        server.start(port)
        started.append(server)
        return server

    yield begin
    for server in started:
        server.stop()


@pytest.fixture(scope="module")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


Connect = Callable[..., HttpLine]


@pytest.fixture(scope="module")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = tls_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
async def line_to(trusting: ssl.SSLContext) -> AsyncIterator[Connect]:
    lines: list[HttpLine] = []

    def make(port: int, scheme: str = "http", **settings: Any) -> HttpLine:
        options = {key: settings.pop(key) for key in ("tls", "answer_s") if key in settings}
        made = HttpLine(
            LineSettings(account="a", urls={"rest": f"{scheme}://127.0.0.1:{port}/v2"}, **settings),
            CLOCK,
            options.pop("tls", trusting),
            **options,
        )
        lines.append(made)
        return made

    yield make
    for made in lines:
        await made.aclose()


def order(method: str = "POST", *, form: dict[str, str] | None = None) -> HttpRequest:
    body = None if method in ("GET", "DELETE") else form or {"symbol": "INFY"}
    return HttpRequest(method, "rest", "/orders", "orders", form=body, writes=method != "GET")


async def send(line: HttpLine, request: HttpRequest, *, wait_s: float = 3.0) -> HttpResponse:
    return await line.send(request, deadline=CLOCK.boot() + wait_s, admit=lambda: None)


# Lost: bytes were handed over, and no whole answer came


def executes_and_closes(exchange: Exchange) -> None:
    exchange.read()
    exchange.close()


def closes_unread(exchange: Exchange) -> None:
    exchange.close()


def resets_unread(exchange: Exchange) -> None:
    exchange.reset()


def executes_and_resets(exchange: Exchange) -> None:
    exchange.read()
    exchange.reset()


def resets_in_mid_answer(exchange: Exchange) -> None:
    exchange.read()
    exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b'{"status":')
    exchange.reset()


def sends_half_a_body(exchange: Exchange) -> None:
    exchange.read()
    exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", b'{"status":')
    exchange.close()


def cuts_a_chunked_body(exchange: Exchange) -> None:
    exchange.read()
    exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\n{}\r\n")
    exchange.close()


def sends_half_a_head(exchange: Exchange) -> None:
    exchange.read()
    exchange.send("HTTP/1.1 200 OK\r\nContent-Len")
    exchange.close()


def sends_garbage(exchange: Exchange) -> None:
    exchange.read()
    exchange.send("<html>502</html>\r\n\r\n")
    exchange.see_the_end()


def sends_a_head_without_end(exchange: Exchange) -> None:
    exchange.read()
    exchange.send("HTTP/1.1 200 OK\r\n" + "X-More: and more\r\n" * 5_000)
    exchange.see_the_end()


def packs_badly(exchange: Exchange) -> None:
    exchange.answer(gzip.compress(b"{}" * 99)[:-9], headers="Content-Encoding: gzip\r\n")


LOST = (
    executes_and_closes,
    closes_unread,
    resets_unread,
    executes_and_resets,
    resets_in_mid_answer,
    sends_half_a_body,
    cuts_a_chunked_body,
    sends_half_a_head,
    sends_garbage,
    sends_a_head_without_end,
    packs_badly,
)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("act", LOST)
@pytest.mark.parametrize("method", METHODS)
async def test_a_request_without_a_whole_answer_is_lost_and_never_sent_again(
    method: str,
    act: Act,
    scheme: str,
    start: Callable[..., Server],
    server_tls: ssl.SSLContext,
    line_to: Connect,
) -> None:
    server = start(act, tls=server_tls if scheme == "https" else None)
    line = line_to(server.port, scheme)
    before = CLOCK.boot()

    with pytest.raises(Lost) as lost:
        await send(line, order(method))

    assert before <= lost.value.died_at <= CLOCK.boot()
    assert len(server.calls) == (0 if act in (resets_unread, closes_unread) else 1)
    assert server.connections == 1


@pytest.mark.parametrize("act", [executes_and_closes, executes_and_resets, resets_unread])
@pytest.mark.parametrize("method", METHODS)
async def test_a_request_lost_on_a_connection_that_served_before_is_not_sent_again(
    method: str, act: Act, start: Callable[..., Server], line_to: Connect
) -> None:
    server = start(Exchange.answer, act)
    line = line_to(server.port)
    await send(line, order(method))

    with pytest.raises(Lost):
        await send(line, order(method))

    assert len(server.calls) == (1 if act is resets_unread else 2)
    assert server.connections == 1


async def test_a_body_without_length_that_tls_does_not_end_is_lost(
    start: Callable[..., Server], server_tls: ssl.SSLContext, line_to: Connect
) -> None:
    def cuts_tls(exchange: Exchange) -> None:
        exchange.read()
        exchange.send("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b"[1, 2")
        exchange.close()

    server = start(cuts_tls, tls=server_tls)
    line = line_to(server.port, "https")

    with pytest.raises(Lost, match="TLS was cut"):
        await send(line, order())

    assert len(server.calls) == 1


WHOLE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n"
    b'{"order_id":"1"'
)


@pytest.mark.parametrize("length", range(0, len(WHOLE), 5))
async def test_an_answer_cut_anywhere_is_lost(
    length: int, start: Callable[..., Server], line_to: Connect
) -> None:
    def sends_a_part(exchange: Exchange) -> None:
        exchange.read()
        exchange.send("", WHOLE[:length])
        exchange.close()

    server = start(sends_a_part)
    line = line_to(server.port)

    with pytest.raises(Lost):
        await send(line, order())

    assert len(server.calls) == 1


def answers_never(exchange: Exchange) -> None:
    exchange.read()
    exchange.see_the_end()


@pytest.mark.parametrize("method", METHODS)
async def test_an_answer_after_the_limit_is_lost_and_the_connection_reset(
    method: str, start: Callable[..., Server], line_to: Connect
) -> None:
    server = start(answers_never)
    line = line_to(server.port, answer_s=0.2)
    before = CLOCK.boot()

    with pytest.raises(Lost, match=r"within 0\.2 s") as lost:
        await send(line, order(method))
    await anyio.to_thread.run_sync(server.ended.wait, PATIENCE_S)

    assert 0.2 <= lost.value.died_at - before < 1.0
    assert server.ends == ["RST"]
    assert len(server.calls) == 1


def drips(exchange: Exchange) -> None:
    exchange.read()
    exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n")
    for _ in range(6):
        time.sleep(0.1)
        exchange.send("x")


async def test_a_slow_body_has_longer_than_the_limit_where_nothing_is_written(
    start: Callable[..., Server], line_to: Connect
) -> None:
    server = start(drips)
    line = line_to(server.port, answer_s=0.3)

    answer = await line.send(order("GET"), deadline=CLOCK.boot() + 1)

    assert answer.body == b"xxxxxx"


async def test_a_slow_body_is_lost_at_the_limit_where_something_is_written(
    start: Callable[..., Server], line_to: Connect
) -> None:
    server = start(drips)
    line = line_to(server.port, answer_s=0.3)

    with pytest.raises(Lost):
        await line.send(order("POST"), deadline=CLOCK.boot() + 1)

    assert len(server.calls) == 1


@pytest.mark.parametrize("headers", ["", "Content-Encoding: gzip\r\n"])
async def test_an_answer_too_large_is_lost_also_where_it_was_packed_small(
    headers: str,
    start: Callable[..., Server],
    line_to: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "BODY_MAX", 100_000)
    monkeypatch.setattr(transport, "BODY_MAX", 100_000)
    body = bytes(100_001)
    server = start(
        lambda exchange: exchange.answer(gzip.compress(body) if headers else body, headers=headers)
    )
    line = line_to(server.port)

    with pytest.raises(Lost):
        await send(line, order("GET"))

    assert len(server.calls) == 1


# Whole answers


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "307 Temporary", "429 Slow", "504 Gone"])
@pytest.mark.parametrize("method", METHODS)
async def test_an_answer_of_any_status_comes_back_and_no_redirect_is_followed(
    method: str, status: str, start: Callable[..., Server], line_to: Connect
) -> None:
    server = start(
        lambda exchange: exchange.answer(b"[]", status=status, headers="Location: /elsewhere\r\n")
    )
    line = line_to(server.port)

    answer = await send(line, order(method))

    assert (answer.status, answer.body) == (int(status[:3]), b"[]")
    assert answer.header("location") == "/elsewhere"
    assert [call.head.split("\r\n")[0] for call in server.calls] == [
        f"{method} /v2/orders HTTP/1.1"
    ]


def sends_chunks(exchange: Exchange) -> None:
    exchange.read()
    exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for chunk in (b"4\r\n[1, \r\n", b"2\r\n2]\r\n", b"0\r\n\r\n"):
        exchange.send("", chunk)


def packs(pack: Callable[[bytes], bytes], name: str) -> Act:
    return lambda exchange: exchange.answer(
        pack(b"[1, 2]"), headers=f"Content-Encoding: {name}\r\n"
    )


def packs_barely(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def ends_by_closing(exchange: Exchange) -> None:
    exchange.read()
    exchange.send("HTTP/1.0 200 OK\r\n\r\n", b"[1, 2]")
    exchange.close()


def says_wait_first(exchange: Exchange) -> None:
    exchange.read()
    exchange.send(
        "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n[1, 2]"
    )


@pytest.mark.parametrize(
    "act",
    [
        sends_chunks,
        packs(gzip.compress, "gzip"),
        packs(zlib.compress, "deflate"),
        packs(packs_barely, "deflate"),
        ends_by_closing,
        says_wait_first,
    ],
    ids=["chunked", "gzip", "deflate", "bare deflate", "ends by closing", "interim answer"],
)
async def test_a_whole_answer_is_read_however_it_is_framed(
    act: Act, start: Callable[..., Server], line_to: Connect
) -> None:
    server = start(act)
    line = line_to(server.port)

    answer = await send(line, order("GET"))

    assert answer.body == b"[1, 2]"


async def test_a_large_packed_answer_is_unpacked_whole(
    start: Callable[..., Server], line_to: Connect
) -> None:
    body = os.urandom(300_000)
    server = start(
        lambda exchange: exchange.answer(gzip.compress(body), headers="Content-Encoding: gzip\r\n")
    )
    line = line_to(server.port)

    answer = await send(line, order("GET"))

    assert answer.body == body


async def test_a_request_carries_what_the_adapter_said_and_our_own_name(
    start: Callable[..., Server], line_to: Connect
) -> None:
    server = start()
    line = line_to(server.port)
    request = HttpRequest(
        "PUT",
        "rest",
        "/orders/regular/7",
        "orders",
        headers=(("X-Kite-Version", "3"), ("Authorization", "token k:t")),
        query=(("a", "1 2"), ("a", "3")),
        json={"quantity": 1},
        writes=True,
    )

    await send(line, request)

    head, body = server.calls[0].head, server.calls[0].body
    assert head.startswith("PUT /v2/orders/regular/7?a=1+2&a=3 HTTP/1.1\r\n")
    assert f"\r\nhost: 127.0.0.1:{server.port}\r\n" in head.lower()
    assert "\r\nauthorization: token k:t" in head.lower()
    assert "\r\nuser-agent: ordod/" in head.lower()
    assert "\r\naccept-encoding: gzip, deflate" in head.lower()
    assert "\r\ncontent-type: application/json" in head.lower()
    assert body == b'{"quantity":1}'


# Unsent: not one byte


async def test_a_refused_connection_is_tried_until_the_deadline_and_unsent(
    line_to: Connect,
) -> None:
    with socket.socket() as taken:  # bound and not listening: its port refuses
        taken.bind(("127.0.0.1", 0))
        line = line_to(taken.getsockname()[1])
        before = CLOCK.boot()

        with pytest.raises(Unsent, match="refused"):
            await send(line, order(), wait_s=0.4)

    assert 0.3 <= CLOCK.boot() - before < 1.0


async def test_a_server_that_comes_back_before_the_deadline_gets_the_request_once(
    start: Callable[..., Server], line_to: Connect
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    line = line_to(port)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send, line, order())
        await anyio.wait_all_tasks_blocked()
        server = start(port=port)

    assert len(server.calls) == 1


async def test_a_certificate_nobody_vouches_for_leaves_the_request_unsent(
    start: Callable[..., Server], server_tls: ssl.SSLContext, line_to: Connect
) -> None:
    server = start(tls=server_tls)
    line = line_to(server.port, "https", tls=tls_context())

    with pytest.raises(Unsent, match="certificate"):
        await send(line, order(), wait_s=0.2)

    assert server.calls == []


async def test_a_server_that_does_not_finish_the_handshake_leaves_the_request_unsent(
    start: Callable[..., Server], line_to: Connect
) -> None:
    server = start(closes_unread)
    line = line_to(server.port, "https")

    with pytest.raises(Unsent):
        await send(line, order(), wait_s=0.2)

    assert server.calls == []


async def test_a_deadline_that_passed_leaves_the_request_unsent_on_a_warm_connection_too(
    start: Callable[..., Server], line_to: Connect
) -> None:
    server = start()
    line = line_to(server.port)
    await line.warm()

    with pytest.raises(Unsent):
        await send(line, order(), wait_s=0.0)

    assert server.calls == []


@pytest.mark.parametrize("token", ["s3cret\r\nX: y", "s3crét"])
async def test_a_token_that_cannot_stand_in_a_header_is_unsent_and_not_quoted(
    token: str, start: Callable[..., Server], line_to: Connect
) -> None:
    server = start()
    line = line_to(server.port)
    request = HttpRequest("GET", "rest", "/", "orders", headers=(("authorization", token),))

    with pytest.raises(Unsent) as unsent:
        await send(line, request)

    assert "s3cr" not in str(unsent.value)
    assert server.calls == []


async def test_a_host_without_an_address_of_its_own_leaves_the_request_unsent(
    line_to: Connect,
) -> None:
    line = line_to(1)

    with pytest.raises(Unsent, match="login"):
        await send(line, HttpRequest("GET", "login", "/", "orders"))


def hangs_up_after_answering(exchange: Exchange) -> None:
    exchange.answer()
    exchange.close()
    exchange.server.ended.set()


def babbles_after_answering(exchange: Exchange) -> None:
    exchange.answer()
    exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nyesterday")
    exchange.server.ended.set()


@pytest.mark.parametrize("act", [hangs_up_after_answering, babbles_after_answering])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("method", METHODS)
async def test_an_idle_connection_the_server_spoke_on_or_closed_is_not_used(
    method: str,
    scheme: str,
    act: Act,
    start: Callable[..., Server],
    server_tls: ssl.SSLContext,
    line_to: Connect,
) -> None:
    server = start(act, Exchange.answer, tls=server_tls if scheme == "https" else None)
    line = line_to(server.port, scheme)
    await send(line, order(method))
    await anyio.to_thread.run_sync(server.ended.wait, PATIENCE_S)

    answer = await send(line, order(method))

    assert answer.body == b"{}"
    assert (len(server.calls), server.connections) == (2, 2)


# The gate


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_request_held_back_puts_no_byte_on_the_wire_and_keeps_its_connection(
    scheme: str, start: Callable[..., Server], server_tls: ssl.SSLContext, line_to: Connect
) -> None:
    server = start(tls=server_tls if scheme == "https" else None)
    line = line_to(server.port, scheme)

    def closed() -> None:
        raise NotAdmitted("the gate is closed")

    with pytest.raises(NotAdmitted, match="the gate is closed"):
        await line.send(order(form={"held": "back"}), deadline=CLOCK.boot() + 3, admit=closed)
    await send(line, order(form={"let": "through"}))

    assert [call.body for call in server.calls] == [b"let=through"]
    assert server.connections == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_gate_that_closes_between_two_hand_overs_resets_the_connection(
    scheme: str, start: Callable[..., Server], server_tls: ssl.SSLContext, line_to: Connect
) -> None:
    go_on = threading.Event()

    def reads_late(exchange: Exchange) -> None:
        go_on.wait(PATIENCE_S)
        exchange.see_the_end()

    server = start(reads_late, receive_buffer=4_096, tls=server_tls if scheme == "https" else None)
    line = line_to(server.port, scheme)
    looks: list[int] = []

    def closes_after_the_first() -> None:
        looks.append(1)
        if len(looks) == 2:
            raise NotAdmitted("the gate is closed")
        go_on.set()

    with pytest.raises(Lost, match="held back after the first byte"):
        await line.send(
            order(form={"much": "x" * 30_000_000}),
            deadline=CLOCK.boot() + 3,
            admit=closes_after_the_first,
        )
    await anyio.to_thread.run_sync(server.ended.wait, PATIENCE_S)

    assert len(looks) == 2
    assert server.ends == ["RST"]


async def test_nothing_runs_between_the_look_at_the_gate_and_the_bytes(line_to: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = line_to(listener.getsockname()[1])
        await line.warm()
        peer, _ = listener.accept()
        peer.setblocking(False)
        arrived: list[bytes] = []

        def turn() -> None:
            with peer:
                arrived.append(peer.recv(4))

        def look() -> None:
            # The loop's very next turn: on loopback what was sent before it is there.
            asyncio.get_running_loop().call_soon(turn)

        with pytest.raises(Lost):
            await line.send(order(), deadline=CLOCK.boot() + 3, admit=look)

    assert arrived == [b"POST"]


async def test_a_small_request_is_handed_over_in_one_piece(
    start: Callable[..., Server], line_to: Connect
) -> None:
    server = start()
    line = line_to(server.port)
    looks: list[int] = []

    await line.send(order(), deadline=CLOCK.boot() + 3, admit=lambda: looks.append(1))

    assert looks == [1]


async def test_unanswered_writes_are_reset_and_readings_are_not(
    start: Callable[..., Server], line_to: Connect
) -> None:
    go_on = threading.Event()

    def answers_when_told(exchange: Exchange) -> None:
        exchange.read()
        go_on.wait(PATIENCE_S)
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    server = start(answers_when_told)
    line = line_to(server.port)
    outcomes: dict[str, Any] = {}

    async def outcome(name: str, admit: Callable[[], None] | None) -> None:
        try:
            outcomes[name] = await line.send(order(), deadline=CLOCK.boot() + 3, admit=admit)
        except Lost as lost:
            outcomes[name] = lost

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outcome, "order", lambda: None)
        tasks.start_soon(outcome, "cancel", None)
        await anyio.to_thread.run_sync(_until, lambda: len(server.calls) == 2)
        count = line.reset_writes()
        go_on.set()

    assert count == 1
    assert isinstance(outcomes["order"], Lost)
    assert outcomes["cancel"].status == 200
    assert line.reset_writes() == 0


async def test_a_caller_that_gives_up_resets_the_connection(
    start: Callable[..., Server], line_to: Connect
) -> None:
    server = start(answers_never)
    line = line_to(server.port)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(send, line, order())
        await anyio.to_thread.run_sync(_until, lambda: len(server.calls) == 1)
        tasks.cancel_scope.cancel()
    await anyio.to_thread.run_sync(server.ended.wait, PATIENCE_S)

    assert server.ends == ["RST"]
    assert len(server.calls) == 1


async def test_a_closed_line_loses_what_is_unanswered_and_sends_nothing_more(
    start: Callable[..., Server], line_to: Connect
) -> None:
    server = start(answers_never)
    line = line_to(server.port)

    async def is_lost() -> None:
        with pytest.raises(Lost):
            await send(line, order())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(is_lost)
        await anyio.to_thread.run_sync(_until, lambda: len(server.calls) == 1)
        await line.aclose()

    with pytest.raises(Unsent, match="closed"):
        await send(line, order())


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


# Connections


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_warm_connection_serves_the_next_request(
    scheme: str, start: Callable[..., Server], server_tls: ssl.SSLContext, line_to: Connect
) -> None:
    server = start(tls=server_tls if scheme == "https" else None)
    line = line_to(server.port, scheme)

    await line.warm()
    await line.warm()
    await send(line, order())

    assert server.connections == 1


async def test_warming_a_line_without_a_server_raises_nothing(line_to: Connect) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        line = line_to(taken.getsockname()[1])

        await line.warm()

        assert line.reset_writes() == 0


async def test_a_connection_idle_for_too_long_is_replaced(
    start: Callable[..., Server], line_to: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "IDLE_S", 0.0)
    server = start()
    line = line_to(server.port)

    await send(line, order())
    await send(line, order())

    assert (len(server.calls), server.connections) == (2, 2)


async def test_an_answer_that_says_close_is_the_last_of_its_connection(
    start: Callable[..., Server], line_to: Connect
) -> None:
    server = start(lambda exchange: exchange.answer(headers="Connection: close\r\n"))
    line = line_to(server.port)

    await send(line, order())
    await send(line, order())

    assert (len(server.calls), server.connections) == (2, 2)


async def test_requests_side_by_side_have_connections_of_their_own_and_few_are_kept(
    start: Callable[..., Server], line_to: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "KEPT_MAX", 2)
    barrier = threading.Barrier(4)

    def waits_for_the_others(exchange: Exchange) -> None:
        exchange.read()
        barrier.wait(PATIENCE_S)
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    server = start(waits_for_the_others)
    line = line_to(server.port)

    for _ in range(2):
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(send, line, order())

    assert len(server.calls) == 8
    assert server.connections == 4 + 2


async def test_requests_come_from_the_account_s_own_address(
    start: Callable[..., Server], line_to: Connect
) -> None:
    server = start()
    line = line_to(server.port, source_address="127.0.0.2")

    await send(line, order())

    assert server.calls[0].peer == "127.0.0.2"


async def test_an_address_that_is_not_ours_leaves_the_request_unsent(
    start: Callable[..., Server], line_to: Connect
) -> None:
    server = start()
    line = line_to(server.port, source_address="192.0.2.7")

    with pytest.raises(Unsent, match="assign"):
        await send(line, order(), wait_s=0.2)

    assert server.connections == 0


async def test_no_proxy_of_the_environment_is_asked(
    start: Callable[..., Server], line_to: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    server = start()
    line = line_to(server.port)

    answer = await send(line, order())

    assert answer.status == 200


async def test_a_cookie_is_shown_and_not_sent_back(
    start: Callable[..., Server], line_to: Connect
) -> None:
    server = start(lambda exchange: exchange.answer(headers="Set-Cookie: enctoken=1\r\n"))
    line = line_to(server.port)

    answer = await send(line, order())
    await send(line, order())

    assert answer.header("set-cookie") == "enctoken=1"
    assert [call.has_header("cookie") for call in server.calls] == [False, False]


async def test_a_server_that_could_do_http_2_is_spoken_to_in_http_1(
    start: Callable[..., Server], server_tls: ssl.SSLContext, line_to: Connect
) -> None:
    server = start(tls=server_tls)
    line = line_to(server.port, "https")

    await send(line, order())

    assert server.protocols == ["http/1.1"]
