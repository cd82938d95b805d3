"""The server: accepts connections, owns the tasks of what was asked, and drains at the end."""

import asyncio
import socket
from collections.abc import Callable

import anyio
import structlog
from anyio.abc import TaskStatus

from ordod.service.methods import Call, Caller
from ordod.wire.answers import failure_from
from ordod.wire.connection import Connection, Kept, Talk
from ordod.wire.dispatch import NO_ID, Checked, Dispatcher, Send, is_worth_a_line
from ordod.wire.http import HttpTalk, Pages
from ordod.wire.lines import LineTalk
from ordod.wire.peers import HasSocketOptions
from ordod.wire.roles import stranger
from ordod.wire.room import TOTAL_MAX, Place, Room
from ordod.wire.sockets import BACKLOG

__all__ = ["Server"]

log = structlog.get_logger()


class Server:
    """Serves a dispatcher's methods on listening sockets.

    Args:
        identify: who is at the other end of a connection (`Peers.caller`); may be exchanged by `identify_by`.
        pages: what GET answers, by path (`/healthz`, `/openrpc.json`).
        connections: how many there may be, but for what is kept for admins and for stopping (`room.total_within`).
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        identify: Callable[[HasSocketOptions], Caller],
        pages: Pages | None = None,
        connections: int = TOTAL_MAX,
    ) -> None:
        self._dispatcher = dispatcher
        self.tally = dispatcher.tally
        self._identify = identify
        self._pages = pages or {}
        self._connections: set[Connection] = set()
        self._room = Room(connections)
        self._times_full = 0
        self._kept = Kept()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = anyio.Event()
        self._drained = anyio.Event()

    def identify_by(self, identify: Callable[[HasSocketOptions], Caller]) -> None:
        """From now on connections are told apart so (`system.reload`); those whose caller changes are closed in good order."""
        self._identify = identify
        for connection in tuple(self._connections):
            if connection.caller != identify(connection.transport.get_extra_info("socket")):
                connection.stop()

    async def serve(
        self,
        *listeners: socket.socket,
        drain_s: float,
        task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until `stop`; then answer what is under way for at most `drain_s`, and close.

        Closing a connection cancels nothing; cancelling this does.
        """
        loop = asyncio.get_running_loop()
        # asyncio's group, not anyio's: a task costs 1.3 us instead of 11, and each request is one.
        async with asyncio.TaskGroup() as group:
            self._group = group
            servers = [
                await loop.create_unix_server(self._connection, sock=s, backlog=BACKLOG)
                for s in listeners
            ]
            try:
                task_status.started()
                await self._stopping.wait()
                for server in servers:
                    server.close()
                await self._drain(drain_s)
            finally:
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
        place = self._room.enter(connection, caller)
        if place is not Place.ORDINARY:
            self._times_full += 1
            if is_worth_a_line(self._times_full):
                log.warning("wire.full", caller=caller.name, times=self._times_full)
        if place is Place.FULL:
            connection.push(failure_from(NO_ID, stranger(caller)))
            return None
        connection.is_urgent = place is Place.URGENT
        self._connections.add(connection)
        self.tally.connections = len(self._connections)
        return caller

    def _gone(self, connection: Connection) -> None:
        self._room.leave(connection)
        self._connections.discard(connection)
        self.tally.connections = len(self._connections)
        self._look_whether_drained()

    def _relieve(self) -> None:
        max(self._connections, key=lambda each: each.kept).abort("wire.memory")

    def _speak(self, connection: Connection, caller: Caller, first: int) -> Talk:
        """Methods of HTTP are words in capitals; no JSON begins so."""
        if ord("A") <= first <= ord("Z"):
            call = Call(caller, only_urgent=connection.is_urgent)
            return HttpTalk(connection, call, self._dispatcher, self._start, self._pages)
        call = Call(caller, connection, only_urgent=connection.is_urgent)
        return LineTalk(connection, call, self._dispatcher, self._start)

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
