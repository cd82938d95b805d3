"""An account's line to its broker: the contract's requests as httpx's, answers unpacked.

The line calls the transport itself. httpx's client between them was measured and left out: it costs 50 to 90 µs a call,
keeps cookies, and writes URLs, which hold tokens at some brokers, to the log.
"""

import ssl
import zlib

import anyio
import anyio.to_thread
import httpx
from msgspec import Struct

from ordod import __version__
from ordod.adapter import BrokerSpec, HttpRequest, HttpResponse
from ordod.core.ports import Admit, Clock, Line, LineSettings, Lost, Unsent
from ordod.io.connections import Origin, tls_context
from ordod.io.transport import ANSWER_S, BODY_MAX, Transport, origin_of, unwritable

__all__ = ["HttpBrokers", "HttpLine"]

LONG_ANSWER_S = 60.0  # for the body of a reading whose head came in time: instrument files
UNPACK_HERE_MAX = 8_192  # packed bytes; more may take over 1 ms, which the loop does not give (SIGUSR1 waits for it)


class HttpLine:
    """One account's line (`core.ports.Line`). `answer_s` is a parameter for tests."""

    def __init__(
        self,
        settings: LineSettings,
        clock: Clock,
        tls: ssl.SSLContext,
        *,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._clock = clock
        self._transport = Transport(
            clock, tls, source_address=settings.source_address, answer_s=answer_s
        )
        self._bases = {
            name: _base(httpx.URL(url))
            for name, url in settings.urls.items()
            if url.startswith(("http://", "https://"))  # the others are websockets'
        }
        # The first is the broker's main host; another becomes worth keeping warm by its first write.
        self._warmed = {base.origin: None for base in list(self._bases.values())[:1]}

    async def send(
        self, request: HttpRequest, *, deadline: float, admit: Admit | None = None
    ) -> HttpResponse:
        base = self._bases.get(request.host)
        if base is None:
            raise Unsent(f"this account has no http URL for the host {request.host!r}")
        if request.writes:
            self._warmed[base.origin] = None
        response = await self._transport.handle_async_request(
            _wire_request(request, base, deadline, admit)
        )
        body = b"".join([part async for part in response.aiter_raw()])
        encoding = response.headers.get("content-encoding", "").strip().lower()
        if body and encoding in _UNPACKED_BY:
            body = await self._unpacked(body, encoding)
        return HttpResponse(
            response.status_code,
            tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in response.headers.raw),
            body,
        )

    async def warm(self) -> None:
        for origin in list(self._warmed):
            await self._transport.warm(origin)

    def reset_writes(self) -> int:
        return self._transport.reset_writes()

    async def aclose(self) -> None:
        await self._transport.aclose()

    async def _unpacked(self, body: bytes, encoding: str) -> bytes:
        try:
            if len(body) <= UNPACK_HERE_MAX:
                return _unpack(body, encoding)
            return await anyio.to_thread.run_sync(_unpack, body, encoding)
        except (zlib.error, ValueError):
            raise Lost("the answer cannot be unpacked", self._clock.boot()) from None


class HttpBrokers:
    """The `Brokers` port. `tls` and `answer_s` are parameters for tests and simulators."""

    def __init__(
        self, clock: Clock, *, tls: ssl.SSLContext | None = None, answer_s: float = ANSWER_S
    ) -> None:
        self._clock = clock
        self._tls = tls or tls_context()
        self._answer_s = answer_s

    def line(self, spec: BrokerSpec, settings: LineSettings) -> Line:
        return HttpLine(settings, self._clock, self._tls, answer_s=self._answer_s)


class _Base(Struct, frozen=True):
    """A base URL, and what is needed of it at each request."""

    url: httpx.URL
    path: bytes
    origin: Origin


def _base(url: httpx.URL) -> _Base:
    return _Base(url, url.raw_path.rstrip(b"/"), origin_of(url))


def _wire_request(
    request: HttpRequest, base: _Base, deadline: float, admit: Admit | None
) -> httpx.Request:
    """The contract's request as httpx's. What the adapter says of a header wins over ours, but for the framing."""
    content_type, content = request.body()
    headers = {"user-agent": f"ordod/{__version__}", "accept-encoding": "gzip, deflate"}
    if content_type:
        headers["content-type"] = content_type
    headers.update((name.lower(), value) for name, value in request.headers)
    extensions = {
        "deadline": deadline,
        "admit": admit,
        "target": base.path + request.target().encode(),
    }
    if not request.writes and admit is None:
        extensions["body_s"] = LONG_ANSWER_S
    try:
        return httpx.Request(
            request.method, base.url, headers=headers, content=content, extensions=extensions
        )
    except (ValueError, TypeError):
        raise unwritable() from None


_UNPACKED_BY = {"gzip": (16 + zlib.MAX_WBITS,), "deflate": (zlib.MAX_WBITS, -zlib.MAX_WBITS)}


def _unpack(body: bytes, encoding: str) -> bytes:
    """Not by httpx's decoders: those neither bound what comes out nor notice a packed body that was cut.

    `deflate` is zlib's format by the standard and the bare one at some servers.
    """
    for attempt in _UNPACKED_BY[encoding]:
        unpacker = zlib.decompressobj(attempt)
        try:
            unpacked = unpacker.decompress(body, BODY_MAX)
        except zlib.error:
            continue
        if unpacker.eof:
            return unpacked
        break
    raise ValueError("cut, too large or not packed so")
