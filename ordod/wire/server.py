"""The server: accepts connections, owns the tasks of what was asked, and drains at the end."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import anyio
import structlog
from anyio.abc import TaskStatus

from ordod.errors import Kind, OrdoError
from ordod.service.methods import Call, Caller
from ordod.wire.answers import failure_from
from ordod.wire.connection import Connection, Kept, Talk
from ordod.wire.dispatch import NO_ID, Checked, Dispatcher, Send
from ordod.wire.http import Gate, HttpTalk, Pages
from ordod.wire.lines import LineTalk
from ordod.wire.peers import HasSocketOptions

__all__ = ["Front", "Server", "is_http"]

CONNECTIONS_MAX = 256  # of one caller: who leaks them leaves the others theirs, within 1024 files
TOO_MANY = f"{CONNECTIONS_MAX} connections of this user are open: close some"

log = structlog.get_logger()


def is_http(first: int) -> bool:
    """Methods of HTTP are words in capitals; no JSON begins so."""
    return ord("A") <= first <= ord("Z")


class Front(Protocol):
    """Brings connections that the kernel knows no user of."""

    async def receive(self, server: "Server") -> None:
        """Until it is cancelled."""
        ...


class Server:
    """Serves a dispatcher's methods on listening sockets.

    Args:
        identify: who is at the other end of a connection (`Peers.caller`); may be exchanged by `identify_by`.
        pages: what GET answers, by path (`/healthz`, `/openrpc.json`).
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        identify: Callable[[HasSocketOptions], Caller],
        pages: Pages | None = None,
    ) -> None:
        self._dispatcher = dispatcher
        self.tally = dispatcher.tally
        self._identify = identify
        self._pages = pages or {}
        self._connections: set[Connection] = set()
        self._guests: set[Connection] = set()  # of those, the ones over TCP
        self._by_caller: Counter[str] = Counter()
        self._kept = Kept()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = anyio.Event()
        self._drained = anyio.Event()

    def identify_by(self, identify: Callable[[HasSocketOptions], Caller]) -> None:
        """From now on connections are told apart so (`system.reload`); those whose caller changes are closed in good order."""
        self._identify = identify
        for connection in tuple(self._connections):
            if connection not in self._guests and connection.caller != identify(
                connection.transport.get_extra_info("socket")
            ):
                connection.stop()

    async def serve(
        self,
        *listeners: socket.socket,
        front: Front | None = None,
        drain_s: float,
        task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until `stop`; then answer what is under way for at most `drain_s`, and close.

        Closing a connection cancels nothing; cancelling this does.

        Args:
            front: what brings in connections over TCP, if there are to be any.
        """
        loop = asyncio.get_running_loop()
        # asyncio's group, not anyio's: a task costs 1.3 us instead of 11, and each request is one.
        async with asyncio.TaskGroup() as group:
            self._group = group
            receiving = group.create_task(front.receive(self)) if front else None
            servers = [await loop.create_unix_server(self._connection, sock=s) for s in listeners]
            try:
                task_status.started()
                await self._stopping.wait()
                for server in servers:
                    server.close()
                if receiving:
                    receiving.cancel()
                await self._drain(drain_s)
            finally:
                if receiving:
                    receiving.cancel()
                for server in servers:
                    server.close()
                for connection in tuple(self._connections):
                    connection.abort()

    def stop(self) -> None:
        """Take no new connections and requests; `serve` returns when those under way are answered."""
        self._stopping.set()

    async def _drain(self, limit_s: float) -> None:
        for connection in tuple(self._connections):
            connection.stop()
        with anyio.move_on_after(limit_s):
            self._look_whether_drained()
            await self._drained.wait()
        if self._tasks:
            log.warning("wire.undrained", requests=len(self._tasks))
        for task in self._tasks:
            task.cancel()

    def _connection(self) -> Connection:
        return Connection(self._admit, self._speak, self._gone, self._kept, self._relieve)

    def _admit(self, connection: Connection) -> Caller | None:
        caller = self._identify(connection.transport.get_extra_info("socket"))
        if self._by_caller[caller.name] >= CONNECTIONS_MAX:
            log.warning("wire.connections", caller=caller.name, limit=CONNECTIONS_MAX)
            connection.push(failure_from(NO_ID, OrdoError(Kind.OVERLOADED, TOO_MANY)))
            return None
        self._count(caller, 1)
        self._connections.add(connection)
        self.tally.connections = len(self._connections)
        return caller

    # What a front needs

    def guest(
        self,
        welcome: Callable[[Connection], Caller],
        speak: Callable[[Connection, Caller, int], Talk],
        gone: Callable[[], None],
    ) -> Connection:
        """A connection over TCP: `welcome` says who it is before its token is seen."""

        def admit(connection: Connection) -> Caller:
            caller = welcome(connection)
            self._guests.add(connection)
            self._connections.add(connection)
            self._count(caller, 1)
            self.tally.connections = len(self._connections)
            return caller

        def left(connection: Connection) -> None:
            gone()
            self._gone(connection)

        return Connection(admit, speak, left, self._kept, self._relieve)

    def rename(self, connection: Connection, caller: Caller, connections_max: int) -> None:
        """It is this caller's from now on. Raises OrdoError: OVERLOADED, where these have so many already."""
        was = connection.caller
        assert was is not None
        if was.name == caller.name:
            connection.caller = caller
            return
        if self._by_caller[caller.name] >= connections_max:
            log.warning("wire.connections", caller=caller.name, limit=connections_max)
            raise OrdoError(
                Kind.OVERLOADED,
                f"{connections_max} connections of {caller.name} are open: close some",
            )
        self._count(was, -1)
        self._count(caller, 1)
        connection.caller = caller

    def lines(self, connection: Connection, caller: Caller) -> LineTalk:
        return LineTalk(connection, Call(caller, connection), self._dispatcher, self._start)

    def http(self, connection: Connection, gate: Gate) -> HttpTalk:
        return HttpTalk(connection, gate, self._dispatcher, self._start, self._pages)

    @property
    def dispatcher(self) -> Dispatcher:
        return self._dispatcher

    def _count(self, caller: Caller, change: int) -> None:
        self._by_caller[caller.name] += change
        if not self._by_caller[caller.name]:
            del self._by_caller[caller.name]  # strangers have as many names as there are addresses

    def _gone(self, connection: Connection) -> None:
        assert connection.caller is not None
        self._count(connection.caller, -1)
        self._connections.discard(connection)
        self._guests.discard(connection)
        self.tally.connections = len(self._connections)
        self._look_whether_drained()

    def _relieve(self) -> None:
        max(self._connections, key=lambda each: each.kept).abort("wire.memory")

    def _speak(self, connection: Connection, caller: Caller, first: int) -> Talk:
        if is_http(first):
            return self.http(connection, lambda _: caller)
        return self.lines(connection, caller)

    def _start(self, checked: Checked, send: Send) -> None:
        task = self._group.create_task(self._carry_out(checked, send))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._look_whether_drained()

    def _look_whether_drained(self) -> None:
        if self._stopping.is_set() and not self._tasks and not self._connections:
            self._drained.set()

    async def _carry_out(self, checked: Checked, send: Send) -> None:
        """A bug on one answer's way back is logged, and ends nobody else's task."""
        try:
            send(await self._dispatcher.run(checked))
        except Exception:
            log.exception("wire.bug")
