"""The awaited client: `await AsyncClient().order.place(...) -> Order`.

All calls share one connection and are under way at once; they leave in the order they were made. There is no task in the background:
whichever call waits for its answer reads the connection for all, and hands that over when it leaves.
"""

import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSStream
from msgspec import Raw, Struct

from ordoctl import requests
from ordoctl.connection import AUTHENTICATED_S, CONNECT_S, is_gone
from ordoctl.conversation import Garbled, Lost, Pause, Reply, Send, Silent, Unconnected, converse
from ordoctl.endpoint import (
    AUTHENTICATE,
    Endpoint,
    TcpEndpoint,
    check,
    endpoint_of,
    no_connection,
    no_entry,
)
from ordoctl.errors import NoDaemon
from ordoctl.events import Connect, Deliver, Doing, Next, Wanted, follow, wanted
from ordoctl.models import Event, Tick
from ordoctl.namespaces import AsyncGroups
from ordoctl.requests import Object, Progress, Request
from ordoctl.wire import EVENT, Answer, Error, Lines, Notice, Unreadable, progress, read, write

__all__ = ["AsyncClient", "AsyncEvents", "AsyncTicks"]

T = TypeVar("T")

CHUNK_BYTES = 256 * 1024


class AsyncClient(AsyncGroups):
    """A way to the daemon. Connects at the first call, and again whenever it has to. Arguments as of `Client`."""

    def __init__(
        self,
        socket: str | os.PathLike[str] | None = None,
        *,
        url: str | None = None,
        token: str | None = None,
        token_file: str | os.PathLike[str] | None = None,
        ca: str | os.PathLike[str] | None = None,
        client_cert: str | os.PathLike[str] | None = None,
        client_key: str | os.PathLike[str] | None = None,
        timeout: float = 30.0,
        patient: bool = True,
    ) -> None:
        super().__init__(self)
        check(socket, url)
        self._find = partial(
            endpoint_of,
            socket,
            url,
            token=token,
            token_file=token_file,
            ca=ca,
            client_cert=client_cert,
            client_key=client_key,
        )
        self._timeout = timeout
        self._patient = patient
        self._connection: AsyncConnection | None = None
        self._connecting = anyio.Lock()
        self._endpoint: Endpoint | None = (
            None  # once found it stays: another daemon does not know our keys
        )

    new_key = staticmethod(requests.new_key)

    async def call(self, method: str, /, **params: Any) -> Object:
        """Any method by its name on the wire; the result as it is, numbers with a fraction as Decimal."""
        return await self.send(requests.call(method, **params))

    async def send(self, request: Request[T]) -> T:
        """Send a request and wait for its result. Raises Refused, TryAgain, NotAllowed, NoDaemon."""
        conversation = converse(
            request, clock=anyio.current_time, timeout=self._timeout, patient=self._patient
        )
        step = next(conversation)
        while True:
            reply: Reply = None
            match step:
                case Send():
                    reply = await self._exchange(step)
                case Pause():
                    await anyio.sleep(step.seconds)
            try:
                step = conversation.send(reply)
            except StopIteration as end:
                return request.read(end.value)

    def events(
        self,
        topics: Sequence[str] = ("orders", "trades", "accounts", "kill", "system"),
        *,
        accounts: Sequence[str] | None = None,
        strategy: str | None = None,
        symbols: Sequence[str] | None = None,
        since: int | None = None,
        epoch: str | None = None,
    ) -> "AsyncEvents":
        """As `Client.events`, for `async for`."""
        return AsyncEvents(self, wanted(topics, accounts, strategy, symbols, since, epoch))

    def ticks(self, symbols: Sequence[str], *, account: str | None = None) -> "AsyncTicks":
        """As `Client.ticks`, for `async for`."""
        accounts = None if account is None else [account]
        return AsyncTicks(self.events(["ticks"], symbols=symbols, accounts=accounts))

    async def aclose(self) -> None:
        """Close the connection; calls under way end in TryAgain or connect anew."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _exchange(self, send: Send) -> Reply:
        async with self._connecting:
            if self._connection is None or self._connection.is_lost:
                await self.aclose()
                connection = await self.connect()
                if not isinstance(connection, AsyncConnection):
                    return connection
                self._connection = connection
            connection = self._connection
        return await connection.ask(send)

    async def connect(self) -> "AsyncConnection | Unconnected | Error":
        """A new connection of one's own."""
        try:
            place = self._endpoint or self._find()
        except NoDaemon as why:
            return Unconnected(why.message, first=True)
        try:
            connection = await _connected(place)
        except LookupError as why:
            return no_entry(str(why))
        except (OSError, EOFError, UnicodeError) as why:
            return no_connection(place, why, first=self._endpoint is None)
        if isinstance(connection, AsyncConnection):
            self._endpoint = place
        return connection


async def _connected(place: Endpoint) -> "AsyncConnection | Error":
    """As `connection.connect`. Raises OSError, EOFError, LookupError."""
    if not isinstance(place, TcpEndpoint):
        return AsyncConnection(await anyio.connect_unix(place.path))
    token, context = place.token(), place.context()
    with anyio.fail_after(CONNECT_S):
        stream = await _tcp(place)
    try:
        if context is not None:
            with anyio.fail_after(CONNECT_S):
                # Our lines tell by themselves whether they are whole; a wait for the other end's goodbye could be long.
                stream = await TLSStream.wrap(
                    stream, hostname=place.host, ssl_context=context, standard_compatible=False
                )
        connection = AsyncConnection(stream)
        reply = await connection.ask(
            Send(AUTHENTICATE, {"token": token}, anyio.current_time() + AUTHENTICATED_S)
        )
    except BaseException:
        await anyio.aclose_forcefully(stream)
        raise
    if isinstance(reply, Raw):
        return connection
    await connection.aclose()
    if isinstance(reply, Error):
        return reply
    raise connection.failure or EOFError("no answer to the token")


async def _tcp(place: TcpEndpoint) -> ByteStream:
    try:
        return await anyio.connect_tcp(place.host, place.port)
    except OSError as why:
        raise why.__cause__ if isinstance(why.__cause__, OSError) else why from None


class _Waiter:
    """Someone who waits for an answer, or for a turn to read."""

    def __init__(self) -> None:
        self.reply: Reply = None
        self.turn = anyio.Event()


class _Told(Struct, frozen=True):
    """Who is told how far a call is, and the scope whose deadline that puts off."""

    call: Progress
    scope: anyio.CancelScope
    patience: float


class AsyncConnection:
    """One stream with any number of calls under way."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._lines = Lines()
        self._waiters: dict[int, _Waiter] = {}
        self._told: dict[Any, _Told] = {}
        self._notices: deque[Notice] = deque()
        self._sending = anyio.Lock()
        self._is_read = False
        self._last_id = 0
        self._end: Lost | Garbled | None = None
        self.failure: OSError | None = None  # what the system, or TLS, said at the end

    @property
    def is_lost(self) -> bool:
        """It ended. Where nobody waits nobody reads, so that the socket itself is looked at."""
        if self._end is None and not self._waiters:
            return is_gone(self._stream.extra(SocketAttribute.raw_socket))  # noqa: S610 - anyio's
        return self._end is not None

    async def ask(self, send: Send) -> Reply:
        """Send one call and wait for its answer until the deadline."""
        self._last_id += 1
        call_id = self._last_id
        waiter = self._waiters[call_id] = _Waiter()
        patience = max(send.deadline - anyio.current_time(), 0)
        word = send.params.get("progress")
        try:
            with anyio.fail_after(patience) as scope:
                if send.progress is not None:
                    self._told[word] = _Told(send.progress, scope, patience)
                await self._write(write(call_id, send.method, send.params))
                await self._read_until(waiter, lambda: waiter.reply is not None)
        except TimeoutError:
            return waiter.reply if waiter.reply is not None else Silent()
        finally:
            del self._waiters[call_id]
            self._told.pop(word, None)
        return waiter.reply if waiter.reply is not None else self._end

    async def next_notice(self) -> Notice | Lost | Garbled:
        """The next event's message, whenever it comes."""
        waiter = self._waiters[0] = _Waiter()  # no call has this number
        try:
            await self._read_until(waiter, lambda: bool(self._notices))
        finally:
            del self._waiters[0]
        if self._notices:
            return self._notices.popleft()
        assert self._end is not None, "reading stops at a notice or at the end"
        return self._end

    async def aclose(self) -> None:
        self._ended(Lost("the connection was closed"))
        await self._stream.aclose()

    async def _write(self, line: bytes) -> None:
        async with self._sending:
            if self._end is not None:
                return
            try:
                await self._stream.send(line)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                self._ended(Lost("the connection was lost"))
            except OSError as why:
                self.failure = why
                self._ended(Lost(f"the connection was lost ({why.strerror or why})"))
            except BaseException:
                self._ended(Lost("a call was given up with half a line sent"))
                raise

    async def _read_until(self, waiter: _Waiter, is_done: Callable[[], bool]) -> None:
        while not is_done() and self._end is None:
            if self._is_read:
                await waiter.turn.wait()
                waiter.turn = anyio.Event()
                continue
            self._is_read = True
            try:
                while not is_done() and self._end is None:
                    await self._read()
            finally:
                self._is_read = False
                self._hand_over()

    async def _read(self) -> None:
        try:
            for line in self._lines.feed(await self._stream.receive(CHUNK_BYTES)):
                self._dispatch(line)
        except anyio.EndOfStream:
            self._ended(Lost("the daemon closed the connection"))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            self._ended(Lost("the connection was lost"))
        except OSError as why:
            self.failure = why
            self._ended(Lost(f"the connection was lost ({why.strerror or why})"))
        except Unreadable as why:
            self._ended(Garbled(str(why)))

    def _dispatch(self, line: bytes) -> None:
        match read(line):
            case Answer(id=int(call_id)) as answer:
                waiter = self._waiters.get(call_id)
                if waiter is not None:  # else it was given up
                    waiter.reply = answer.result if answer.error is None else answer.error
                    waiter.turn.set()
            case Answer() as answer:
                raise Unreadable(
                    f"an answer to no call: {answer.error.message if answer.error else ''}"
                )
            case Notice(method=method) as notice if method != EVENT:
                far = progress(notice)
                told = self._told.get(far.progress) if far is not None else None
                if far is not None and told is not None:  # else that call was given up
                    told.scope.deadline = anyio.current_time() + told.patience
                    told.call(far.done, far.of)
            case Notice() as notice:
                self._notices.append(notice)
                if 0 in self._waiters:
                    self._waiters[0].turn.set()

    def _hand_over(self) -> None:
        for waiter in self._waiters.values():
            if waiter.reply is None:
                waiter.turn.set()
                return

    def _ended(self, end: Lost | Garbled) -> None:
        self._end = self._end or end
        for waiter in self._waiters.values():
            waiter.turn.set()


class AsyncEvents(AsyncIterator[Event]):
    """Events, one after the other. `aclose()` ends it."""

    def __init__(self, client: AsyncClient, what: Wanted) -> None:
        self._client = client
        self._follow = follow(what, clock=anyio.current_time, timeout=client._timeout)
        self._connection: AsyncConnection | None = None
        self._is_closed = False
        self._reply: object = None
        self._step: Doing | None = None

    async def __anext__(self) -> Event:
        while not self._is_closed:
            step, self._step = self._step or await self._advance(), None
            if isinstance(step, Deliver):
                return step.event
            try:
                self._reply = await self._do(step)
            except BaseException:  # cancelled: the step is done again by whoever goes on
                self._step = step
                if isinstance(step, Send):  # and not twice on one connection
                    with anyio.CancelScope(shield=True):
                        await self._drop()
                raise
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """End it; whoever waits for the next event gets StopAsyncIteration."""
        self._is_closed = True
        await self._drop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def _advance(self) -> Doing:
        try:
            return self._follow.send(self._reply)
        except BaseException:
            await self.aclose()
            raise

    async def _do(self, step: Connect | Send | Next | Pause) -> object:
        match step:
            case Connect():
                return await self._reconnect()
            case Pause():
                await anyio.sleep(step.seconds)
                return None
            case Send() | Next():
                connection = self._connection
                if connection is None:
                    return Lost("it was left")
                if isinstance(step, Next):
                    return await connection.next_notice()
                return await connection.ask(step)

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()

    async def _reconnect(self) -> Unconnected | Error | None:
        await self._drop()
        made = await self._client.connect()
        if not isinstance(made, AsyncConnection):
            return made
        self._connection = made
        return None


class AsyncTicks(AsyncIterator[Tick]):
    """Prices, one after the other. `aclose()` ends it; `skipped`: how many were passed over so far."""

    def __init__(self, events: AsyncEvents) -> None:
        self._events = events
        self._ready: deque[Tick] = deque()
        self.skipped = 0

    async def __anext__(self) -> Tick:
        while not self._ready:
            event = await anext(self._events)
            self._ready.extend(event.ticks or ())
            self.skipped += event.skipped or 0
        return self._ready.popleft()

    async def aclose(self) -> None:
        await self._events.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._events.aclose()
