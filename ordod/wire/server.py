"""The server: accepts connections, owns the tasks of what was asked, and drains at the end."""

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

import anyio
import structlog
from anyio.abc import TaskStatus

from ordod.service.methods import Call, Caller
from ordod.wire.answers import failure_from
from ordod.wire.connection import Connection, Kept, Talk
from ordod.wire.dispatch import NO_ID, Checked, Dispatcher, Send, is_worth_a_line
from ordod.wire.http import Gate, HttpTalk, Pages
from ordod.wire.lines import LineTalk
from ordod.wire.peers import HasSocketOptions
from ordod.wire.roles import stranger
from ordod.wire.room import CALLER_MAX, TOTAL_MAX, Place, Room
from ordod.wire.sockets import BACKLOG

__all__ = ["Front", "Server", "is_http"]

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
        self._guests: set[Connection] = set()  # of those, the ones over TCP
        self._room = Room(connections)
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
            servers = [
                await loop.create_unix_server(self._connection, sock=s, backlog=BACKLOG)
                for s in listeners
            ]
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
            log.warning("requests_cut_off", requests=len(self._tasks))
        for task in self._tasks:
            task.cancel()

    def _connection(self) -> Connection:
        return Connection(
            self._admit, self._speak, self._gone, self._kept, self._dropped, self._relieve
        )

    def _dropped(self, why: str) -> None:
        self.tally.dropped[why] += 1

    def _admit(self, connection: Connection) -> Caller | None:
        caller = self._identify(connection.transport.get_extra_info("socket"))
        place = self._place(connection, caller, CALLER_MAX)
        if place is Place.FULL:
            connection.push(failure_from(NO_ID, stranger(caller)))
            return None
        self._connections.add(connection)
        self.tally.connections = len(self._connections)
        return caller

    def _place(self, connection: Connection, caller: Caller, most: int) -> Place:
        place = self._room.enter(connection, caller, most)
        if place is not Place.ORDINARY:
            self._dropped("too_many")
            times = self.tally.dropped["too_many"]
            if is_worth_a_line(times):
                log.warning("no_room_for_connection", caller=caller.name, times=times)
        connection.is_urgent = place is Place.URGENT
        return place

    # What a front needs

    def guest(
        self,
        welcome: Callable[[Connection], Caller],
        speak: Callable[[Connection, Caller, int], Talk],
        gone: Callable[[], None],
    ) -> Connection:
        """A connection over TCP: `welcome` says who it is before its token is seen. It has no place here until then."""

        def admit(connection: Connection) -> Caller:
            caller = welcome(connection)
            self._guests.add(connection)
            self._connections.add(connection)
            self.tally.connections = len(self._connections)
            return caller

        def left(connection: Connection) -> None:
            gone()
            self._gone(connection)

        return Connection(admit, speak, left, self._kept, self._dropped, self._relieve)

    def recognise(self, connection: Connection, caller: Caller, most: int) -> None:
        """It is this caller's from now on, who may have so many; beyond it is let in to stop something."""
        if connection.caller is None or connection.caller.name != caller.name:
            self._room.leave(connection)
            self._place(connection, caller, most)
        connection.caller = caller

    def lines(self, connection: Connection, caller: Caller) -> LineTalk:
        call = Call(caller, connection, only_urgent=connection.is_urgent)
        return LineTalk(connection, call, self._dispatcher, self._start)

    def http(self, connection: Connection, gate: Gate) -> HttpTalk:
        return HttpTalk(connection, gate, self._dispatcher, self._start, self._pages)

    @property
    def dispatcher(self) -> Dispatcher:
        return self._dispatcher

    def _gone(self, connection: Connection) -> None:
        self._room.leave(connection)
        self._connections.discard(connection)
        self._guests.discard(connection)
        self.tally.connections = len(self._connections)
        self._look_whether_drained()

    def _relieve(self) -> None:
        max(self._connections, key=lambda each: each.kept).abort("memory")

    def _speak(self, connection: Connection, caller: Caller, first: int) -> Talk:
        if is_http(first):
            call = Call(caller, only_urgent=connection.is_urgent)
            return self.http(connection, lambda _: call)
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
            log.exception("bug", task="answer")
