"""HTTP/1.1 to a broker: each request is sent once, and what is said of it is what the socket saw.

    no connection before the deadline, nothing handed over     Unsent
    `admit` raised before the first byte                       what it raised, unchanged
    a whole answer, whatever its status                        HttpResponse
    anything else after the first byte                         Lost

There is no retry but that for a connection, no redirect is followed, no cookie kept, no proxy read from the environment,
nothing logged: those are properties of a client, and here is only a transport (httpx's interface and models, h11's
protocol). httpx's own client on top of it was measured and left out: it costs 50 to 90 µs a call and writes URLs, which hold
tokens at some brokers, to the log.
"""

import ssl
import zlib
from contextlib import suppress

import anyio
import anyio.to_thread
import h11
import httpx
from msgspec import Struct

from ordod import __version__
from ordod.adapter import BrokerSpec, HttpRequest, HttpResponse
from ordod.core.ports import Admit, Clock, Line, LineSettings, Lost, Unsent
from ordod.io.connections import Broken, Connection, Origin, connect, tls_context

__all__ = ["ANSWER_S", "IDLE_S", "HttpBrokers", "HttpLine", "Transport"]

ANSWER_S = 7.0  # from the first byte to the last of the answer: the design's total limit of a call
LONG_ANSWER_S = (
    60.0  # for the body of a reading whose head came in time: instrument files have tens of MB
)
IDLE_S = (
    45.0  # below the 60 s after which common load balancers close: an order must not meet their FIN
)
KEPT_MAX = 8  # warm connections an origin; more than a burst of 9 orders a second ever has in flight at 100 ms each
WARM_S = 5.0  # for one connection made ahead; a name server may hang for half a minute
RETRY_FIRST_S, RETRY_MAX_S = 0.1, 1.0  # pauses between attempts to connect
HEAD_MAX = 65_536  # bytes of a head, and of a chunk's header
BODY_MAX = (
    64 * 1024 * 1024
)  # bytes of a body, also unpacked; the largest instrument file has about 40 MB
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
        if encoding in _UNPACKED_BY:
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


class Transport(httpx.AsyncBaseTransport):
    """One request over one connection, and a pool of warm ones.

    Extensions of a request: `deadline`, `admit` as in `Line.send`; `target`: the bytes of the request line, where they are
    not the URL's; `body_s`: time for the body of an answer whose head came in time, where that is more than `answer_s`.
    How many connections are open at once is bounded by the callers: the rate windows and one reading at a time.
    """

    def __init__(
        self,
        clock: Clock,
        tls: ssl.SSLContext,
        *,
        source_address: str | None = None,
        answer_s: float = ANSWER_S,
    ) -> None:
        self._clock = clock
        self._tls = tls
        self._source_address = source_address
        self._answer_s = answer_s
        self._idle: dict[Origin, list[tuple[float, Connection]]] = {}
        self._unanswered: dict[
            Connection, bool
        ] = {}  # in use -> whether it carries a gated request
        self._is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, its body read whole and still packed. Raises Unsent, Lost, and what `admit` raises."""
        origin = _origin(request.url)
        deadline = request.extensions.get("deadline", self._clock.boot() + self._answer_s)
        http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_MAX)
        wire = _bytes_of(http, request)
        while True:
            connection = await self._connection(origin, deadline)
            try:
                return await self._exchange(connection, origin, http, wire, request)
            except Broken:
                # It broke before the kernel took a byte: the same bytes, for the first time, on another. A pause,
                # because a server that accepts and hangs up at once would make this a busy loop.
                assert connection.handed_over == 0
                await anyio.sleep(RETRY_FIRST_S)

    async def warm(self, origin: Origin) -> None:
        """Have a connection whose idle time is not half over. Never raises."""
        self._drop_stale(origin)
        idle = self._idle.get(origin)
        if self._is_closed or (idle and idle[-1][0] > self._clock.boot() - IDLE_S / 2):
            return
        # Whoever sends next sees for himself what is wrong, with a deadline of his own.
        with suppress(Broken), anyio.move_on_after(WARM_S):
            self._keep(origin, await self._connected(origin))

    def reset_writes(self) -> int:
        exposed = [
            connection
            for connection, is_gated in self._unanswered.items()
            if is_gated and connection.handed_over
        ]
        for connection in exposed:
            connection.reset()
        return len(exposed)

    async def aclose(self) -> None:
        """Reset what is unanswered, close what is idle. Requests that come later are Unsent."""
        self._is_closed = True
        for connection in list(self._unanswered):
            connection.reset()
        for idle in self._idle.values():
            while idle:
                idle.pop()[1].close()

    async def _exchange(
        self,
        connection: Connection,
        origin: Origin,
        http: h11.Connection,
        wire: bytes,
        request: httpx.Request,
    ) -> httpx.Response:
        """Hand over and read. Raises Broken where nothing was handed over and another connection may serve."""
        admit = request.extensions.get("admit")
        connection.begin()
        self._unanswered[connection] = admit is not None
        try:
            with anyio.fail_after(self._answer_s) as limit:
                await connection.hand_over(wire, admit)
                head = await _head(connection, http)
                limit.deadline += request.extensions.get("body_s", 0.0)
                body = await _body(connection, http)
        except Exception as error:
            if connection.is_untouched:
                self._keep(origin, connection)
                raise
            connection.reset()
            if not connection.handed_over and isinstance(error, TimeoutError):
                raise Broken("the kernel took nothing") from None
            if not connection.handed_over:
                raise
            assert connection.died_at is not None
            raise Lost(_why(error, self._answer_s), connection.died_at) from error
        except BaseException:
            connection.reset()  # the caller gave up; the kernel must too
            raise
        finally:
            del self._unanswered[connection]
        is_over = {http.our_state, http.their_state} == {h11.DONE}
        if is_over and not http.trailing_data[0]:
            self._keep(origin, connection)
        else:
            connection.reset()  # a server may answer before it has read all; the rest must not follow
        return httpx.Response(
            head.status_code, headers=list(head.headers), stream=httpx.ByteStream(body)
        )

    async def _connection(self, origin: Origin, deadline: float) -> Connection:
        """A warm one, else a new one, tried for until the deadline."""
        pause = RETRY_FIRST_S
        why = "the deadline had passed"
        while (left := deadline - self._clock.boot()) > 0:
            if warm := self._warm_one(origin):
                return warm
            try:
                with anyio.fail_after(left):
                    connection = await self._connected(origin)
            except TimeoutError:
                why = "no connection in time"
            except Broken as error:
                why = str(error)
                await anyio.sleep(min(pause, left))
                pause = min(2 * pause, RETRY_MAX_S)
            else:
                if not self._is_closed and self._clock.boot() < deadline:
                    return connection
                self._keep(origin, connection)
        raise Unsent(f"no connection to {origin.host}: {why}")

    def _warm_one(self, origin: Origin) -> Connection | None:
        """The one used last: the others may grow old and go."""
        if self._is_closed:
            raise Unsent("the line is closed")
        self._drop_stale(origin)
        idle = self._idle.get(origin)
        return idle.pop()[1] if idle else None

    async def _connected(self, origin: Origin) -> Connection:
        return await connect(
            origin,
            self._clock,
            self._tls,
            source_address=self._source_address,
            unacknowledged_s=self._answer_s,
        )

    def _keep(self, origin: Origin, connection: Connection) -> None:
        """Into the pool, as the one that is used next."""
        if self._is_closed:
            connection.close()
            return
        idle = self._idle.setdefault(origin, [])
        idle.append((self._clock.boot(), connection))
        if len(idle) > KEPT_MAX:
            idle.pop(0)[1].close()

    def _drop_stale(self, origin: Origin) -> None:
        """Close the idle ones that are too old or on which the server said something."""
        eldest = self._clock.boot() - IDLE_S
        idle = self._idle.get(origin, [])
        for entry in idle[:]:
            since, connection = entry
            if since < eldest or not connection.is_quiet():
                idle.remove(entry)
                connection.close()


class _Base(Struct, frozen=True):
    """A base URL, and what is needed of it at each request."""

    url: httpx.URL
    path: bytes
    origin: Origin


def _base(url: httpx.URL) -> _Base:
    return _Base(url, url.raw_path.rstrip(b"/"), _origin(url))


def _origin(url: httpx.URL) -> Origin:
    is_tls = url.scheme == "https"
    return Origin(url.host, url.port or (443 if is_tls else 80), is_tls)


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
        raise Unsent(_UNWRITABLE) from None


def _bytes_of(http: h11.Connection, request: httpx.Request) -> bytes:
    """Head and body as one piece, so that they leave in one hand-over where the kernel can take them."""
    target = request.extensions.get("target", request.url.raw_path)
    try:
        head = http.send(
            h11.Request(method=request.method, target=target, headers=request.headers.raw)
        )
        body = http.send(h11.Data(data=request.content)) if request.content else b""
        end = http.send(h11.EndOfMessage())
    except h11.LocalProtocolError:
        # h11's message quotes the header: a token with a line end in it would reach the log.
        raise Unsent(_UNWRITABLE) from None
    return b"".join((head or b"", body or b"", end or b""))


_UNWRITABLE = "the request cannot be written as HTTP: a header or the target has bytes that may not stand there"


async def _head(connection: Connection, http: h11.Connection) -> h11.Response:
    while True:
        event = await _event(connection, http)
        if isinstance(event, h11.Response):
            return event
        if not isinstance(event, h11.InformationalResponse):
            raise Broken("the connection ended without an answer")


async def _body(connection: Connection, http: h11.Connection) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        event = await _event(connection, http)
        if isinstance(event, h11.EndOfMessage):
            return b"".join(parts)
        assert isinstance(event, h11.Data)
        parts.append(bytes(event.data))
        size += len(event.data)
        if size > BODY_MAX:
            raise Broken(f"the answer is larger than {BODY_MAX} bytes")


async def _event(connection: Connection, http: h11.Connection) -> object:
    """The next of h11's events, the connection read as needed."""
    while True:
        try:
            event = http.next_event()
            if event is not h11.NEED_DATA:
                return event
            http.receive_data(await connection.read())
        except h11.RemoteProtocolError:
            raise Broken("the answer is not HTTP, or was cut") from None  # h11 quotes it; we do not


def _why(error: Exception, answer_s: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no whole answer within {answer_s:g} s"
    if isinstance(error, Broken):
        return f"no whole answer: {error}"
    return f"held back after the first byte: {type(error).__name__}"


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
