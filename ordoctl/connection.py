"""A blocking connection to the daemon, one call at a time."""

import socket
import struct
from collections import deque
from collections.abc import Callable
from pathlib import Path

from ordoctl.conversation import Garbled, Lost, Reply, Send, Silent, Unconnected
from ordoctl.wire import EVENT, Answer, Lines, Message, Notice, Unreadable, progress, read, write

__all__ = ["Connection", "connect", "is_gone", "no_connection"]

CHUNK_BYTES = 256 * 1024
CONNECT_S = 5  # a Unix socket answers at once, or its backlog is full


def connect(path: Path) -> "Connection":
    """A connection to this socket. Raises OSError."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # The kernel's own patience: with Python's, which never blocks, a full backlog would be a refusal at once.
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", CONNECT_S, 0))
        link.connect(str(path))
    except BaseException:
        link.close()
        raise
    return Connection(link)


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
        self._link.settimeout(0)
        return is_gone(self._link)

    def shut(self) -> None:
        """Wake whoever reads from another thread: it gets EOFError."""
        try:
            self._link.shutdown(socket.SHUT_RDWR)
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


def is_gone(link: socket.socket) -> bool:
    """Whether an idle, non-blocking socket has come to its end, or has bytes nobody asked for."""
    try:
        link.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def no_connection(path: Path, why: OSError, *, first: bool) -> Unconnected:
    """What a failed connect means, in words that help."""
    match why:
        case FileNotFoundError():
            words = "there is no such socket"
        case ConnectionRefusedError():
            words = "nobody listens there"
        case PermissionError():
            words = "this user may not open it"
        case TimeoutError() | BlockingIOError():
            words = "it does not take connections"
        case _:
            words = str(why.strerror or why)
    return Unconnected(f"no daemon at {path}: {words}", first)
