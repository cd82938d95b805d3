"""A simulated broker's stream on a socket: the frames of RFC 6455 by `websockets`, without its loop."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from websockets.frames import Frame as WireFrame
from websockets.frames import Opcode
from websockets.http11 import Request as Handshake
from websockets.protocol import State
from websockets.server import ServerProtocol

from ordod.sim.broker import BrokerSim
from ordod.sim.feeds import Frame, SimFeed
from ordod.sim.message import Answer, Request

__all__ = ["WebsocketSide", "asks_for_websocket"]

UNSENT_BYTES_MAX = 8 << 20  # a client that does not read is hung up on


def asks_for_websocket(data: bytes) -> bool:
    """Whether a connection begins with a handshake. It comes in one piece: it is small."""
    head = data.partition(b"\r\n\r\n")[0].lower()
    return data.startswith(b"GET ") and b"\r\nupgrade: websocket" in head


class WebsocketSide:
    """One connection that speaks websocket.

    Args:
        now: the broker's time.
    """

    def __init__(
        self, transport: asyncio.Transport, sim: BrokerSim, now: Callable[[], datetime]
    ) -> None:
        self._transport = transport
        self._sim = sim
        self._now = now
        self._protocol = ServerProtocol()
        self._feed: SimFeed | None = None
        self._parts: list[bytes] = []
        self._is_text = False
        self._breaks = sim.feed_faults.breaks

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Handshake):
                self._open(event)
            elif isinstance(event, WireFrame):
                self._take(event)
        self.push()

    def _open(self, handshake: Handshake) -> None:
        headers = list(handshake.headers.raw_items())
        request = Request.read("GET", handshake.path, headers, b"")
        opened = self._sim.open_feed(request, self._now())
        if isinstance(opened, Answer):
            refusal = self._protocol.reject(opened.status, opened.body.decode("utf-8", "replace"))
            for name, value in opened.headers:
                refusal.headers.pop(name, None)  # the type of its body was guessed
                refusal.headers[name] = value
            self._protocol.send_response(refusal)
        else:
            self._protocol.send_response(self._protocol.accept(handshake))
            self._feed = opened

    def _take(self, frame: WireFrame) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return  # pings are answered by the protocol
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if frame.fin:
            whole = b"".join(self._parts)
            self._parts.clear()
            if self._feed is not None:
                said: Frame = whole.decode("utf-8", "replace") if self._is_text else whole
                self._feed.received(said, self._now())

    def push(self) -> None:
        """Say what there is to say."""
        if self._breaks != self._sim.feed_faults.breaks:
            self._transport.abort()
            return
        if self._feed is not None and self._protocol.state is State.OPEN:  # it may be leaving
            now = self._now()
            if self._feed.is_over(now):
                self._feed = None
                self._protocol.send_close(1000)
            else:
                for frame in self._sim.feed_faults.spoiled(self._feed.frames(now), now):
                    if isinstance(frame, str):
                        self._protocol.send_text(frame.encode())
                    else:
                        self._protocol.send_binary(frame)
        self._write()

    def _write(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()
        if self._transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            self._transport.abort()
        elif self._protocol.close_expected():
            self._transport.close()
