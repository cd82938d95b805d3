"""The blocking client: `Client().order.place(...) -> Order`.

Plain sockets, no event loop, no thread of its own. Any number of threads may share a client: each call takes an idle connection or
makes one, so a kill never waits behind somebody's order. Not to be carried over a fork.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from msgspec import Raw

from ordoctl import requests
from ordoctl.connection import Connection, connect
from ordoctl.conversation import Lost, Pause, Reply, Send, Unconnected, converse
from ordoctl.endpoint import Endpoint, check, endpoint_of, no_connection, no_entry
from ordoctl.errors import NoDaemon
from ordoctl.events import Connect, Deliver, Doing, Next, Wanted, follow, wanted
from ordoctl.models import Event, Tick
from ordoctl.namespaces import Groups
from ordoctl.requests import Object, Request
from ordoctl.wire import Error, Unreadable

__all__ = ["Client", "Events", "Ticks"]

T = TypeVar("T")

IDLE_MAX = 16  # connections kept; more threads at once still get theirs, and close it after use


class Client(Groups):
    """A way to the daemon. Connects at the first call, and again whenever it has to.

    Args:
        socket: where it listens; else what `url` says, `$ORDOD_URL`, `$ORDOD_SOCKET`, or the usual places (WIRE 1).
        url: `tls://HOST:PORT`, or `tcp://127.0.0.1:PORT` on the daemon's own machine.
        token: for a URL; else that in `token_file`, read at each connection, else `$ORDOD_TOKEN`.
        ca: for `tls://`: a file of the certificates that are trusted; else `$ORDOD_CA`, else the system's.
        client_cert, client_key: files, where the daemon wants a certificate; else `$ORDOD_CLIENT_CERT`, `$ORDOD_CLIENT_KEY`.
        timeout: seconds after which a call is given up.
        patient: calls answered OVERLOADED, SESSION_REQUIRED, TOO_LATE, RATE_LIMITED or BROKER_UNAVAILABLE are sent again, with the
            same key, until `timeout`; else the caller hears it at once. After a lost connection the same call is sent again in any case.

    Raises:
        ValueError: the URL is none.
    """

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
        self._idle: list[Connection] = []
        self._endpoint: Endpoint | None = (
            None  # once found it stays: another daemon does not know our keys
        )
        self._is_closed = False
        self._lock = threading.Lock()

    new_key = staticmethod(requests.new_key)

    def call(self, method: str, /, **params: Any) -> Object:
        """Any method by its name on the wire; the result as it is, numbers with a fraction as Decimal."""
        return self.send(requests.call(method, **params))

    def send(self, request: Request[T]) -> T:
        """Send a request and wait for its result. Raises Refused, TryAgain, NotAllowed, NoDaemon."""
        return request.read(self.send_raw(request))

    def send_raw(self, request: Request[T]) -> Raw:
        """As `send`, the result's own bytes."""
        conversation = converse(
            request, clock=time.monotonic, timeout=self._timeout, patient=self._patient
        )
        step = next(conversation)
        while True:
            reply: Reply = None
            match step:
                case Send():
                    reply = self._exchange(step)
                case Pause():
                    time.sleep(step.seconds)
            try:
                step = conversation.send(reply)
            except StopIteration as end:
                result: Raw = end.value
                return result

    def events(
        self,
        topics: Sequence[str] = ("orders", "trades", "accounts", "kill", "system"),
        *,
        accounts: Sequence[str] | None = None,
        strategy: str | None = None,
        symbols: Sequence[str] | None = None,
        since: int | None = None,
        epoch: str | None = None,
    ) -> "Events":
        """What happens, as it happens: an endless iterator over a connection of its own.

        It reconnects by itself and goes on where it was: no event is missing, none comes twice. Without `since` it begins with a
        snapshot (`event.topic == "snapshot"`); `since` and `epoch`, from the last event handled, go on where an earlier run ended.

        Raises, while iterated:
            NoDaemon: at the first connection. Refused: the daemon does not take the subscription. NotAllowed.
        """
        return Events(self, wanted(topics, accounts, strategy, symbols, since, epoch))

    def ticks(self, symbols: Sequence[str], *, account: str | None = None) -> "Ticks":
        """Prices as they move: an endless iterator over a connection of its own, which reconnects by itself.

        Whoever reads slower than prices move misses some, and always gets the newest of each symbol next (`Ticks.skipped`).
        `account`: whose broker pushes them; without, one that can. The levels of the book: `events(["depth"], symbols=...)`.

        Raises, while iterated: as `events`.
        """
        accounts = None if account is None else [account]
        return Ticks(self.events(["ticks"], symbols=symbols, accounts=accounts))

    def close(self) -> None:
        """Close what is idle; calls under way end by themselves."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _exchange(self, send: Send) -> Reply:
        connection = self._take()
        if not isinstance(connection, Connection):
            return connection
        try:
            return connection.ask(send, time.monotonic)
        finally:
            self._give_back(connection)

    def _take(self) -> Connection | Unconnected | Error:
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return self._connect()
            if not connection.is_gone():
                return connection
            connection.close()

    def _connect(self) -> Connection | Unconnected | Error:
        try:
            place = self._endpoint or self._find()
        except NoDaemon as why:
            return Unconnected(why.message, first=True)
        try:
            connection = connect(place)
        except LookupError as why:
            return no_entry(str(why))
        except (OSError, EOFError, Unreadable, UnicodeError) as why:
            return no_connection(place, why, first=self._endpoint is None)
        if isinstance(connection, Connection):
            self._endpoint = place
        return connection

    def _give_back(self, connection: Connection) -> None:
        with self._lock:
            if connection.is_usable and not self._is_closed and len(self._idle) < IDLE_MAX:
                self._idle.append(connection)
                return
        connection.close()


class Events(Iterator[Event]):
    """Events, one after the other. `close()` ends it, also from another thread."""

    def __init__(self, client: Client, what: Wanted) -> None:
        self._client = client
        self._follow = follow(what, clock=time.monotonic, timeout=client._timeout)
        self._connection: Connection | None = None
        self._is_closed = threading.Event()
        self._reply: object = None
        self._step: Doing | None = None

    def __next__(self) -> Event:
        while not self._is_closed.is_set():
            step, self._step = self._step or self._advance(), None
            if isinstance(step, Deliver):
                return step.event
            try:
                self._reply = self._do(step)
            except BaseException:  # Ctrl-C: the step is done again by whoever goes on
                self._step = step
                if isinstance(step, Send):  # and not twice on one connection
                    self._drop()
                raise
        self._drop()
        raise StopIteration

    def close(self) -> None:
        """End it; whoever waits in `next` gets StopIteration."""
        self._is_closed.set()
        connection = self._connection
        if connection is not None:
            connection.shut()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        self._drop()

    def _advance(self) -> Doing:
        try:
            return self._follow.send(self._reply)
        except BaseException:
            self.close()
            self._drop()
            raise

    def _do(self, step: Connect | Send | Next | Pause) -> object:
        match step:
            case Connect():
                return self._reconnect()
            case Pause():
                self._is_closed.wait(step.seconds)
                return None
            case Send() | Next():
                connection = self._connection
                if connection is None:
                    return Lost("it was left")
                if isinstance(step, Next):
                    return connection.next_notice()
                return connection.ask(step, time.monotonic)

    def _reconnect(self) -> Unconnected | Error | None:
        self._drop()
        connection = self._client._connect()
        if not isinstance(connection, Connection):
            return connection
        self._connection = connection
        return None

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class Ticks(Iterator[Tick]):
    """Prices, one after the other. `close()` ends it, also from another thread; `skipped`: how many were passed over so far."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._ready: deque[Tick] = deque()
        self.skipped = 0

    def __next__(self) -> Tick:
        while not self._ready:
            event = next(self._events)
            self._ready.extend(event.ticks or ())
            self.skipped += event.skipped or 0
        return self._ready.popleft()

    def close(self) -> None:
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._events.__exit__(kind, error, trace)
