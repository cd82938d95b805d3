"""Brokers' websockets: the port `Feeds`, by the library `websockets`.

No proxies from the environment, no redirects, no reconnecting by itself: what becomes of a connection is the hub's to decide.
Its pings find a dead peer where the broker sends no heartbeats; its queue is bounded, and beyond it TCP holds the broker back.
"""

import ssl
from collections.abc import Mapping

import anyio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from ordod import __version__
from ordod.adapter import BrokerSpec, Frame, StreamRequest
from ordod.core.ports import Feed, FeedLost, LineSettings
from ordod.io.connections import tls_context

__all__ = ["WebsocketFeed", "WebsocketFeeds"]

OPEN_S = 10.0
CLOSE_S = 1.0
PING_S = 15.0
FRAME_BYTES_MAX = 4 << 20  # 3,000 instruments in full are 0.6 MB
QUEUED_FRAMES = 64
SCHEMES: Mapping[str, str] = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


class _Once(connect):
    """A connection to this address and no other."""

    MAX_REDIRECTS_ALLOWED = 0

    def process_redirect(self, exc: Exception) -> Exception:
        return exc


class WebsocketFeeds:
    """Opens websockets. `tls` is a parameter for tests."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls

    async def open(self, spec: BrokerSpec, settings: LineSettings, request: StreamRequest) -> Feed:
        scheme, _, rest = _address(spec, settings, request).partition("://")
        address = f"{SCHEMES[scheme]}://{rest}"
        if SCHEMES[scheme] == "wss" and self._tls is None:
            self._tls = tls_context()
        source = settings.source_address
        try:
            with anyio.fail_after(OPEN_S):
                connection = await _Once(
                    address,
                    additional_headers=request.headers,
                    user_agent_header=f"ordod/{__version__}",
                    proxy=None,
                    compression=None,
                    ssl=self._tls if SCHEMES[scheme] == "wss" else None,
                    local_addr=(source, 0) if source else None,
                    open_timeout=None,
                    close_timeout=CLOSE_S,
                    ping_interval=PING_S,
                    ping_timeout=PING_S,
                    max_size=FRAME_BYTES_MAX,
                    max_queue=QUEUED_FRAMES,
                )
        except InvalidStatus as error:
            status = error.response.status_code
            raise FeedLost(f"{spec.name} answered {status} to the stream", status) from None
        except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as error:
            # The address holds tokens, so no message of the library's is told.
            raise FeedLost(
                f"no connection to {spec.name}'s stream: {type(error).__name__}"
            ) from None
        return WebsocketFeed(connection)


class WebsocketFeed(Feed):
    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def send(self, frame: Frame) -> None:
        try:
            await self._connection.send(frame)
        except ConnectionClosed as error:
            raise FeedLost(_words(error)) from None

    async def receive(self) -> Frame:
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise FeedLost(_words(error)) from None

    async def aclose(self) -> None:
        with anyio.move_on_after(CLOSE_S):
            await self._connection.close()


def _address(spec: BrokerSpec, settings: LineSettings, request: StreamRequest) -> str:
    """The whole of it. One that the broker named is no less protected than the configured ones, and stays to the letter."""
    target = request.target()
    if "://" not in request.host:
        root = settings.urls[request.host].rstrip("/")
        return f"{root}{target}" if target.startswith("/") else f"{root}/{target}"
    is_plain = any(url.startswith("http://") for url in settings.urls.values())
    if not request.host.startswith("wss://") and not is_plain:
        raise FeedLost(f"{spec.name} named an address for its stream that is not wss://")
    return f"{request.host}{target}"


def _words(error: ConnectionClosed) -> str:
    closed = error.rcvd
    if closed is None:
        return "the connection broke off"
    return f"the broker closed the stream ({closed.code}{f', {closed.reason}' if closed.reason else ''})"
