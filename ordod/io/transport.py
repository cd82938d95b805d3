"""One HTTP/1.1 request over one connection, sent once; what is said of it is what the socket saw.

    no connection before the deadline, nothing handed over     Unsent
    `admit` raised before the first byte                       what it raised, unchanged
    a whole answer, whatever its status                        HttpResponse
    anything else after the first byte                         Lost

There is no retry but that for a connection, no redirect is followed, no cookie kept, no proxy read from the environment,
nothing logged: those are properties of a client, and here is only a transport (httpx's interface and models, h11's
protocol).
"""

import ssl
from contextlib import suppress

import anyio
import h11
import httpx

from ordod.core.ports import Clock, Lost, Unsent
from ordod.io.connections import Broken, Connection, Origin, connect

__all__ = ["ANSWER_S", "BODY_MAX", "IDLE_S", "Transport", "origin_of", "unwritable"]

ANSWER_S = 7.0  # from the first byte to the last of the answer: the design's total limit of a call
IDLE_S = 45.0  # common load balancers close after 60 s: an order must not meet their FIN
KEPT_MAX = 8  # warm connections an origin; more than a burst of 9 orders a second ever has in flight at 100 ms each
WARM_S = 5.0  # for one connection made ahead; a name server may hang for half a minute
RETRY_FIRST_S, RETRY_MAX_S = 0.1, 1.0  # pauses between attempts to connect
HEAD_MAX = 65_536  # bytes of a head, and of a chunk's header
BODY_MAX = 64 * 1024 * 1024  # bytes, also unpacked; the largest instrument file has about 40 MB


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
        # In use -> whether what it carries was gated.
        self._unanswered: dict[Connection, bool] = {}
        self._is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, its body read whole and still packed. Raises Unsent, Lost, and what `admit` raises."""
        origin = origin_of(request.url)
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


def origin_of(url: httpx.URL) -> Origin:
    """Where requests to this URL go."""
    is_tls = url.scheme == "https"
    return Origin(url.host, url.port or (443 if is_tls else 80), is_tls)


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
        raise unwritable() from None
    return b"".join((head or b"", body or b"", end or b""))


def unwritable() -> Unsent:
    """For a request that cannot be formed. It does not say why: the reason would quote a header, perhaps a token."""
    return Unsent("a header or the target has bytes that may not stand in HTTP")


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
