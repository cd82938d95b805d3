"""A blocking connection to the daemon, one call at a time."""

import select
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Protocol

from ordoctl.conversation import Garbled, Lost, Reply, Send, Silent
from ordoctl.endpoint import AUTHENTICATE, Endpoint, TcpEndpoint
from ordoctl.wire import (
    EVENT,
    Answer,
    Error,
    Lines,
    Message,
    Notice,
    Unreadable,
    progress,
    read,
    write,
)

__all__ = ["AUTHENTICATED_S", "CONNECT_S", "Connection", "connect", "is_gone"]

CHUNK_BYTES = 256 * 1024
CONNECT_S = 5  # a Unix socket answers at once, or its backlog is full
AUTHENTICATED_S = 15.0  # the answer to a wrong token waits up to 10


class _HasFileno(Protocol):
    def fileno(self) -> int: ...


def connect(place: Endpoint) -> "Connection | Error":
    """A connection to the daemon there; over TCP with the token taken, or why it was not.

    Raises:
        OSError, EOFError, Unreadable: there is none.
        LookupError: there is no token to show.
    """
    if isinstance(place, TcpEndpoint):
        return _connect_tcp(place)
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # The kernel's own patience: with Python's, which never blocks, a full backlog would be a refusal at once.
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", CONNECT_S, 0))
        link.connect(str(place.path))
    except BaseException:
        link.close()
        raise
    return Connection(link)


def _connect_tcp(place: TcpEndpoint) -> "Connection | Error":
    token, context = place.token(), place.context()
    link = socket.create_connection((place.host, place.port), CONNECT_S)
    try:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if context is not None:
            link = context.wrap_socket(link, server_hostname=place.host)
        connection = Connection(link)
        refused = connection.authenticate(token)
    except BaseException:
        link.close()
        raise
    if refused is not None:
        connection.close()
        return refused
    return connection


class Connection:
    """One socket, used by one thread at a time.

    After anything but an answer it is of no further use: an answer that comes late would be taken for the next call's. `is_usable`
    says so.
    """

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._lines = Lines()
        self._ready: deque[bytes] = deque()
        self._notices: deque[Notice] = deque()
        self._last_id = 0
        self.is_usable = True

    def authenticate(self, token: str) -> Error | None:
        """Show a token, before anything else; the daemon's refusal. Raises OSError, EOFError, Unreadable."""
        self._last_id += 1
        self._link.settimeout(AUTHENTICATED_S)
        self._link.sendall(write(self._last_id, AUTHENTICATE, {"token": token}))
        message = self._next_message(AUTHENTICATED_S)
        if not isinstance(message, Answer):
            raise Unreadable("a notice before the first answer")
        return message.error

    def ask(self, send: Send, clock: Callable[[], float]) -> Reply:
        """Send one call and wait for its answer until the deadline."""
        self.is_usable = False
        self._last_id += 1
        line = write(self._last_id, send.method, send.params)
        try:
            self._link.settimeout(max(send.deadline - clock(), 0.001))
            self._link.sendall(line)
        except TimeoutError:
            return Silent()
        except OSError as why:
            return Lost(f"the connection was lost ({why.strerror or why})")
        patience, deadline = send.deadline - clock(), send.deadline
        while True:
            reply = self._next_reply(deadline - clock())
            if isinstance(reply, Notice):
                told = progress(reply)
                if told is not None:
                    if send.progress is not None and told.progress == send.params["progress"]:
                        send.progress(told.done, told.of)
                        deadline = clock() + patience
                elif reply.method == EVENT:  # it overtook the answer to its subscription
                    self._notices.append(reply)
            elif reply is not None:
                return reply

    def next_notice(self) -> Notice | Lost | Garbled:
        """The next event's message, whenever it comes."""
        while not self._notices:
            try:
                message = self._next_message(None)
            except (EOFError, OSError) as why:
                return Lost(str(why))
            except Unreadable as why:
                return Garbled(str(why))
            if isinstance(message, Notice):
                return message
        return self._notices.popleft()

    def is_gone(self) -> bool:
        """The other end closed while the connection lay idle, or spoke out of turn."""
        return is_gone(self._link)

    def shut(self) -> None:
        """Wake whoever reads from another thread: it gets EOFError."""
        try:
            # The plain one: TLS' own forgets its state under the reader.
            socket.socket.shutdown(self._link, socket.SHUT_RDWR)
        except OSError:  # it is gone already
            return

    def close(self) -> None:
        self.is_usable = False
        self._link.close()

    def _next_reply(self, seconds: float) -> Reply | Notice:
        if seconds <= 0:
            return Silent()
        try:
            message = self._next_message(seconds)
        except TimeoutError:
            return Silent()
        except EOFError as why:
            return Lost(str(why))
        except OSError as why:
            return Lost(f"the connection was lost ({why.strerror or why})")
        except Unreadable as why:
            return Garbled(str(why))
        if not isinstance(message, Answer):
            return message
        if message.id not in (self._last_id, None):
            return None
        self.is_usable = message.id is not None
        reply = message.result if message.error is None else message.error
        assert reply is not None, "an answer is a result or an error"
        return reply

    def _next_message(self, seconds: float | None) -> Message:
        """Raises TimeoutError, EOFError (the other end closed), OSError, Unreadable."""
        while not self._ready:
            self._link.settimeout(seconds if seconds is None else max(seconds, 0.001))
            data = self._link.recv(CHUNK_BYTES)
            if not data:
                raise EOFError("the daemon closed the connection")
            self._ready.extend(self._lines.feed(data))
        return read(self._ready.popleft())


def is_gone(link: _HasFileno) -> bool:
    """Whether an idle socket has come to its end, or has bytes nobody asked for; one look, whatever is spoken on it."""
    poll = select.poll()
    try:
        poll.register(link, select.POLLIN)
    except ValueError:  # closed on this side
        return True
    return bool(poll.poll(0))
