"""A simulated broker on a real socket: HTTP/1.1 over h11, kept alive, TLS where asked for; a stream's websocket on the same port.

What the simulator decided about an answer happens here to bytes: late, cut, closed, reset. Requests below `/_sim/` go to the
control side instead (`control.py`).
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import format_datetime

import h11

from ordod.sim.broker import BrokerSim
from ordod.sim.clock import Clock
from ordod.sim.control import Control
from ordod.sim.message import Answer, Ending, Headers, Reply
from ordod.sim.websocket import WebsocketSide, asks_for_websocket

__all__ = ["Listening", "serving"]

MARKET_STEP_S = 0.25  # how often the market moves and what was held back is looked at
BODY_BYTES_MAX = 4 << 20
RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER 0: close by reset


class Listening:
    """A running server. `requests` counts what was read whole, control requests apart."""

    def __init__(self, sim: BrokerSim, control: Control, clock: Clock) -> None:
        self.sim = sim
        self.control = control
        self.clock = clock
        self.url = ""
        self.port = 0
        self.connections: set[asyncio.Transport] = set()
        self.feeds: set[WebsocketSide] = set()

    def answer(self, method: str, target: str, headers: Headers, body: bytes) -> Reply:
        if target.startswith("/_sim/"):
            return Reply(self.control.handle(method, target, body))
        return self.sim.answer(method, target, headers, body, self.clock.now())


class _Connection(asyncio.Protocol):
    """One client's connection. One request at a time; what comes meanwhile waits in h11."""

    def __init__(self, server: Listening) -> None:
        self._server = server
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=65536)
        self._request: h11.Request | None = None
        self._body = bytearray()
        self._timer: asyncio.TimerHandle | None = None
        self._is_new = True
        self._websocket: WebsocketSide | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.discard(self._transport)
        if self._websocket is not None:
            self._server.feeds.discard(self._websocket)
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        if self._is_new and asks_for_websocket(data):
            self._websocket = WebsocketSide(
                self._transport, self._server.sim, self._server.clock.now
            )
            self._server.feeds.add(self._websocket)
        self._is_new = False
        if self._websocket is not None:
            self._websocket.data_received(data)
            return
        self._h11.receive_data(data)
        self._read()

    def eof_received(self) -> bool:
        return False

    def _read(self) -> None:
        """Every event that is there, until a request is whole or bytes are missing."""
        while True:
            try:
                event = self._h11.next_event()
            except h11.RemoteProtocolError as error:
                self._deliver(Reply(Answer(error.error_status_hint, (), b"")))
                return
            match event:
                case h11.Request():
                    self._request = event
                    self._body.clear()
                    if self._h11.they_are_waiting_for_100_continue:
                        go_on = h11.InformationalResponse(status_code=100, headers=[])
                        self._transport.write(self._h11.send(go_on) or b"")
                case h11.Data():
                    self._body += event.data
                    if len(self._body) > BODY_BYTES_MAX:
                        self._transport.abort()
                        return
                case h11.EndOfMessage():
                    self._answer()
                    return
                case _:
                    return

    def _answer(self) -> None:
        assert self._request is not None
        headers = [
            (name.decode(), value.decode("latin-1")) for name, value in self._request.headers
        ]
        reply = self._server.answer(
            self._request.method.decode(), self._request.target.decode(), headers, bytes(self._body)
        )
        if reply.delay_s:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(reply.delay_s, self._deliver, reply)
        else:
            self._deliver(reply)

    def _deliver(self, reply: Reply) -> None:
        self._timer = None
        if reply.ending is Ending.HANG:
            return
        if reply.ending is Ending.RESET:
            self._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE
            )
            self._transport.abort()
            return
        if reply.ending is Ending.CLOSE:
            self._transport.close()
            return
        status, headers, body = reply.answer
        response = h11.Response(
            status_code=status,
            headers=[
                *headers,
                ("date", format_datetime(self._server.clock.now_utc(), usegmt=True)),
                ("content-length", str(len(body))),
            ],
        )
        head = self._h11.send(response) or b""
        if reply.ending is Ending.HALF:
            self._transport.write(head + body[: len(body) // 2])
            self._transport.close()
            return
        whole = head + (self._h11.send(h11.Data(data=body)) or b"")
        self._transport.write(whole + (self._h11.send(h11.EndOfMessage()) or b""))
        if self._h11.our_state is h11.MUST_CLOSE or self._h11.their_state is h11.ERROR:
            self._transport.close()
        else:
            self._h11.start_next_cycle()
            self._read()


@asynccontextmanager
async def serving(
    sim: BrokerSim, *, clock: Clock | None = None, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Listening]:
    """The simulator on loopback while the block lasts; `url` and `port` are what it got. Port 0: any free one."""
    clock = clock or Clock()
    listening = Listening(sim, Control(sim, clock), clock)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(listening), "127.0.0.1", port, ssl=tls)
    sim.feed_scheme = "wss" if tls else "ws"
    listening.port = server.sockets[0].getsockname()[1]
    listening.url = f"{'https' if tls else 'http'}://127.0.0.1:{listening.port}"
    mover = asyncio.create_task(_move(listening))
    try:
        yield listening
    finally:
        mover.cancel()
        server.close()
        for transport in tuple(listening.connections):
            transport.abort()
        await asyncio.gather(mover, return_exceptions=True)


async def _move(listening: Listening) -> None:
    while True:
        await asyncio.sleep(MARKET_STEP_S)
        listening.sim.advance(listening.clock.now())
        for feed in tuple(listening.feeds):
            feed.push()
