"""TCP: takes connections, has them make their TLS handshake, and shows them to the server. Nobody waits for anybody here.

Connections are accepted one a turn of the loop, and each handshake is a task of its own with an end: a slow one holds up
nothing. asyncio's own server is not used, because it tells nobody of a connection before its handshake is done, and that is
where strangers cost most.
"""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from functools import partial

import anyio
import structlog
from msgspec import Struct

from ordod.errors import Kind
from ordod.service.methods import Call, Caller, Role
from ordod.wire.connection import Connection, Talk
from ordod.wire.dispatch import is_worth_a_line
from ordod.wire.door import KNOWN_WITHIN_S, Door, Visit, plain_address
from ordod.wire.guests import Guest, GuestLines, HttpGate, Keys
from ordod.wire.server import Server, is_http
from ordod.wire.tls import Tls

__all__ = ["TOKEN_CONNECTIONS_MAX", "TcpFront", "TcpLimits"]

TOKEN_CONNECTIONS_MAX = 64  # of one token: who leaks them leaves the others theirs
SWEEP_S = 1.0
ACCEPT_PAUSE_S = 0.1  # after an accept that failed: out of file descriptors, mostly
TLS_END_S = 2.0
USER_TIMEOUT_MS = 60_000  # bytes that nobody acknowledges; a peer that is gone is found
KEEPALIVE = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))

log = structlog.get_logger()


class TcpLimits(Struct, frozen=True):
    """`connections`: who came in by a token; beyond it one only stops something. `idle_s`: a connection that has no subscription, asks nothing and gets no answer is closed after so long."""

    connections: int
    idle_s: float


class TcpFront:
    """All connections over TCP.

    Args:
        listeners: as `sockets.listening_tcp` makes them.
        tls: the newest certificate, asked at each connection; None: no TLS, loopback only.
        own_names: what `[daemon] tcp` calls this host, for `Host`.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        listeners: list[socket.socket],
        keys: Keys,
        *,
        tls: Callable[[], Tls | None],
        own_names: frozenset[str],
        limits: TcpLimits,
        clock: Callable[[], float],
    ) -> None:
        self._listeners = listeners
        self._keys = keys
        self._tls = tls
        self._own_names = own_names
        self._limits = limits
        self._clock = clock
        self._door = Door(clock)
        self._arriving: dict[Visit, asyncio.Task[None]] = {}
        self._inside: dict[Visit, tuple[Connection, Guest | None]] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    async def receive(self, server: Server) -> None:
        """Until it is cancelled. What is inside then is the server's to end."""
        try:
            async with asyncio.TaskGroup() as group:
                for listener in self._listeners:
                    group.create_task(self._accept(listener, server, group))
                group.create_task(self._sweep())
        finally:
            for each in self._listeners:
                each.close()

    async def _accept(
        self, listener: socket.socket, server: Server, group: asyncio.TaskGroup
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                link, peer = await loop.sock_accept(listener)
            except OSError as error:
                if times := self._times("accept"):
                    log.warning("tcp_not_accepted", times=times, why=error.strerror)
                await anyio.sleep(ACCEPT_PAUSE_S)
                continue
            address = plain_address(peer[0])
            visit, leaves = self._door.knock(address)
            if leaves is not None:
                if times := self._times("makes_room"):
                    log.warning("tcp_made_room", times=times, address=leaves.address)
                self._end(leaves)
            if visit is None:
                if times := self._times("turned_away"):
                    log.warning("tcp_turned_away", times=times, address=address)
                link.close()
                continue
            task = group.create_task(self._let_in(link, visit, server))
            self._arriving[visit] = task
            task.add_done_callback(partial(self._arrived, visit, link))

    async def _let_in(self, link: socket.socket, visit: Visit, server: Server) -> None:
        loop = asyncio.get_running_loop()
        tls = self._tls()
        timeout_s = KNOWN_WITHIN_S if tls else None
        try:
            _prepare(link)
            await loop.connect_accepted_socket(
                partial(self._connection, visit, server, tls),
                link,
                ssl=tls.context if tls else None,
                ssl_handshake_timeout=timeout_s,
                ssl_shutdown_timeout=TLS_END_S if tls else None,
            )
        except OSError as error:  # of ssl's too, and of time
            if times := self._times("handshake"):
                log.warning("tls_failed", times=times, address=visit.address, why=_words(error))
        except Exception:  # one connection's, and no reason to end the others'
            log.exception("bug", task="tcp")

    def _arrived(self, visit: Visit, link: socket.socket, _: asyncio.Task[None]) -> None:
        """Also where the task was cancelled before it began."""
        del self._arriving[visit]
        if visit not in self._inside:
            link.close()
            self._door.left(visit)

    def _connection(self, visit: Visit, server: Server, tls: Tls | None) -> Connection:
        def welcome(connection: Connection) -> Caller:
            self._inside[visit] = (connection, None)
            return Caller(f"tcp:{visit.address}", Role.NOBODY)

        def gone() -> None:
            del self._inside[visit]
            self._door.left(visit)

        return server.guest(welcome, partial(self._speak, visit, server, tls), gone)

    def _speak(
        self,
        visit: Visit,
        server: Server,
        tls: Tls | None,
        connection: Connection,
        _: Caller,
        first: int,
    ) -> Talk:
        recognise = partial(self._recognise, visit, server, connection)
        failed = partial(self._failed, visit, server)
        if is_http(first):
            arrived_at = connection.transport.get_extra_info("sockname")[0]
            gate = HttpGate(
                self._keys,
                own_names=self._own_names | (tls.names if tls else frozenset()),
                arrived_at=plain_address(arrived_at),
                recognise=recognise,
                failed=failed,
            )
            return server.http(connection, gate)
        return GuestLines(
            connection,
            server.dispatcher,
            self._keys,
            recognise=recognise,
            failed=failed,
            lines=partial(server.lines, connection),
        )

    def _recognise(
        self, visit: Visit, server: Server, connection: Connection, guest: Guest
    ) -> Call:
        is_full = not visit.is_known and self._door.known_count >= self._limits.connections
        server.recognise(connection, guest.caller, 0 if is_full else TOKEN_CONNECTIONS_MAX)
        if not visit.is_known:
            caller = guest.caller.name
            if times := self._times("in", caller):
                log.info("tcp_in", times=times, caller=caller, address=visit.address)
        self._door.known(visit)
        self._inside[visit] = (connection, guest)
        return Call(guest.caller, only_urgent=connection.is_urgent)

    def _failed(self, visit: Visit, server: Server) -> float:
        pause = self._door.failed(visit)
        server.tally.refused["tcp", Kind.UNAUTHENTICATED.name] += 1
        if times := self._times("refused"):
            log.warning(
                "token_refused", times=times, address=visit.address, pause_s=round(pause, 1)
            )
        return pause

    async def _sweep(self) -> None:
        while True:
            await anyio.sleep(SWEEP_S)
            now = self._clock()
            for visit, (connection, guest) in tuple(self._inside.items()):
                if connection.heard != visit.heard:
                    visit.heard, visit.heard_at = connection.heard, now
                if guest is not None and not self._keys.lives(guest):
                    log.info("token_ended", caller=guest.caller.name, address=visit.address)
                    connection.stop()
            for visit in self._door.overdue():
                if times := self._times("no_token"):
                    log.warning("no_token", times=times, address=visit.address)
                self._end(visit)
            for visit in self._door.idle(self._limits.idle_s):
                if visit in self._inside and not self._inside[visit][0].is_in_use:
                    self._inside[visit][0].stop()

    def _end(self, visit: Visit) -> None:
        if (task := self._arriving.get(visit)) is not None:
            task.cancel()
        if visit in self._inside:
            self._inside[visit][0].abort()

    def _times(self, what: str, caller: str = "") -> int:
        """How often it happened, now included, or 0 where that is no line's worth: nobody floods the log by what happens to
        strangers."""
        self._counts[what, caller] += 1
        times = self._counts[what, caller]
        return times if is_worth_a_line(times) else 0


def _prepare(link: socket.socket) -> None:
    link.setblocking(False)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
    for option, value in KEEPALIVE:
        link.setsockopt(socket.IPPROTO_TCP, option, value)


def _words(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "SSL").lower().replace("_", " ")
    return error.strerror or type(error).__name__
