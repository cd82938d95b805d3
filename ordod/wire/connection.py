"""One connection: which language it speaks, and its bounded way back.

An `asyncio.Protocol`, not an anyio stream: a request costs 40 us whole, and a stream's two tasks and their hand-overs would
cost that much again. Everything here is synchronous and awaits nothing.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol, cast

import structlog

from ordod.service.methods import Caller

__all__ = [
    "DROPPED",
    "KEPT_BYTES_MAX",
    "QUEUE_BYTES_MAX",
    "QUEUE_MESSAGES_MAX",
    "Connection",
    "Kept",
    "Talk",
    "Way",
]

QUEUE_MESSAGES_MAX = 10_000  # WIRE 6
QUEUE_BYTES_MAX = 8 << 20
DROPPED = ("slow_reader", "memory", "too_many")
"""Why the daemon closes a connection. `too_many`: there is no room, but for one call that stops something."""
KEPT_BYTES_MAX = 64 << 20  # of all connections together; the whole daemon is to need 150 MiB

log = structlog.get_logger()


class Way(Protocol):
    """What a language needs of its connection."""

    def write(self, data: bytes) -> bool: ...

    def push(self, message: bytes) -> bool: ...

    def read_on(self, wanted: bool) -> None: ...

    def close(self) -> None: ...

    def hold(self, count: int) -> bool: ...


class Talk(Protocol):
    """A language: JSON-RPC lines, or HTTP."""

    @property
    def kept(self) -> int:
        """Bytes received that are not yet carried out."""
        ...

    @property
    def is_busy(self) -> bool:
        """Something was asked that is not answered yet."""
        ...

    def feed(self, data: bytes) -> None: ...

    def end(self) -> None:
        """The other side will send nothing more, but may still read."""
        ...

    def stop(self) -> None:
        """Take no new requests; close when those under way are answered."""
        ...


class Kept:
    """Bytes kept in memory for connections, all together."""

    def __init__(self) -> None:
        self.bytes = 0


class Connection(asyncio.Protocol):
    """A way back for answers and events (it is the `Outbox`), and the first byte's decision.

    Args:
        admit: who is there; None: no room for one more, it was told so, and is hung up on.
        speak: makes the language, from the first byte.
        gone: told once, when the connection is closed, if it was admitted.
        dropped: told why, of DROPPED, when it is closed at once and what is queued is lost.
        relieve: asked to close the connection that keeps most, when all together keep too much.
    """

    def __init__(
        self,
        admit: "Callable[[Connection], Caller | None]",
        speak: "Callable[[Connection, Caller, int], Talk]",
        gone: "Callable[[Connection], None]",
        all_kept: Kept,
        dropped: Callable[[str], None],
        relieve: Callable[[], None],
    ) -> None:
        self._admit = admit
        self._speak = speak
        self._gone = gone
        self._all_kept = all_kept
        self._dropped = dropped
        self._relieve = relieve
        self._talk: Talk | None = None
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._unread_bytes = 0
        self._held_bytes = 0
        self._buffered_bytes = (
            0  # in the transport, while it is full: one long answer may be megabytes
        )
        self._is_full = False  # of the transport's own buffer, 64 KiB
        self._is_open = False
        self._is_reading = True
        self._reactions: list[Callable[[], None]] = []
        self._when_free: deque[Callable[[], None]] = deque()
        self._waiters: list[asyncio.Future[None]] = []
        self.caller: Caller | None = None
        self.heard = 0  # how often bytes came
        self.is_urgent = False  # let in to stop something, when there was no room for more

    @property
    def is_in_use(self) -> bool:
        """Something is under way, or somebody wants to hear of its end: it has had a subscription."""
        return bool(self._reactions) or (self._talk is not None and self._talk.is_busy)

    @property
    def kept(self) -> int:
        """Bytes in memory for this connection, both ways."""
        return self._queued_bytes + self._unread_bytes + self._held_bytes + self._buffered_bytes

    def _count_unread(self) -> None:
        if self._is_open and self._talk is not None:
            change = self._talk.kept - self._unread_bytes
            self._unread_bytes += change
            self._all_kept.bytes += change

    def _forget(self) -> None:
        self._all_kept.bytes -= self.kept
        self._queued_bytes = self._unread_bytes = self._held_bytes = self._buffered_bytes = 0
        self._queue.clear()
        self._wake()

    # Outbox

    def push(self, message: bytes) -> bool:
        return self.write(message if message.endswith(b"\n") else message + b"\n")

    @property
    def is_free(self) -> bool:
        return self._is_open and not self._is_full

    def on_free(self, react: Callable[[], None]) -> None:
        self._when_free.append(react)

    async def until_free(self) -> bool:
        while self._is_open and self._is_full:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        return self._is_open

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def on_close(self, react: Callable[[], None]) -> None:
        if self._is_open:
            self._reactions.append(react)
        else:
            react()

    # Way

    def write(self, data: bytes) -> bool:
        """Hand over or queue; False: the connection is closed, or just was because it does not read."""
        if not self._is_open:
            return False
        if not self._is_full:
            self.transport.write(data)
            if self._is_full and self._all_kept.bytes > KEPT_BYTES_MAX:
                self._relieve()
            return self._is_open
        self._queue.append(data)
        self._queued_bytes += len(data)
        self._all_kept.bytes += len(data)
        if len(self._queue) > QUEUE_MESSAGES_MAX or self._queued_bytes > QUEUE_BYTES_MAX:
            self.abort("slow_reader")
        elif self._all_kept.bytes > KEPT_BYTES_MAX:
            self._relieve()
        return self._is_open

    def hold(self, count: int) -> bool:
        """Count answers that wait for the others of their batch; False: nobody will hear them."""
        if self._is_open:
            self._held_bytes += count
            self._all_kept.bytes += count
            if self._all_kept.bytes > KEPT_BYTES_MAX:
                self._relieve()
        return self._is_open

    def read_on(self, wanted: bool) -> None:
        if wanted != self._is_reading and self._is_open:
            self._is_reading = wanted
            if wanted:
                self._count_unread()
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    def close(self) -> None:
        """Close when everything queued is written."""
        if self._is_open:
            self._is_open = False
            self.transport.writelines(self._queue)
            self._forget()
            self.transport.close()

    def abort(self, why: str | None = None) -> None:
        """Close at once; what is queued is lost. `why`, of DROPPED, is logged and counted."""
        if why:
            caller = self.caller.name if self.caller else None
            log.warning("connection_dropped", why=why, caller=caller, bytes=self.kept)
            self._dropped(why)
        self._is_open = False
        self._forget()
        self.transport.abort()

    def stop(self) -> None:
        if self._talk is not None:
            self._talk.stop()
        else:
            self.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._is_open = True
        self.caller = self._admit(self)
        if self.caller is None:
            self.close()

    def data_received(self, data: bytes) -> None:
        if not self._is_open or self.caller is None:
            return
        self.heard += 1
        if self._talk is None:
            self._talk = self._speak(self, self.caller, data[0])
        self._talk.feed(data)
        self._count_unread()
        if self._all_kept.bytes > KEPT_BYTES_MAX:
            self._relieve()

    def eof_received(self) -> bool:
        if self._talk is None:
            return False
        self._talk.end()
        return self.transport.get_extra_info("ssl_object") is None  # TLS knows no half of an end

    def pause_writing(self) -> None:
        self._is_full = True
        if self._is_open:
            self._count_buffered(self.transport.get_write_buffer_size())

    def _count_buffered(self, count: int) -> None:
        self._all_kept.bytes += count - self._buffered_bytes
        self._buffered_bytes = count

    def resume_writing(self) -> None:
        self._is_full = False
        self._count_buffered(0)
        while self._queue and not self._is_full:
            message = self._queue.popleft()
            self._queued_bytes -= len(message)
            self._all_kept.bytes -= len(message)
            self.transport.write(message)
        while self._when_free and self.is_free:
            self._when_free.popleft()()
        self._wake()

    def connection_lost(self, _: Exception | None) -> None:
        self._is_open = False
        self._forget()
        if self._talk is not None:
            self._talk.stop()  # what waits is not carried out; what is under way goes on
        if self.caller is not None:
            self._gone(self)
        self._when_free.clear()
        reactions, self._reactions = self._reactions, []
        for react in reactions:
            react()
