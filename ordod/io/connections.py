"""One connection to a broker, on a socket we own wholly, so that "handed over" is a count and not a guess.

The wrong way is a stream of some library: it awaits between being told to send and sending (a closed gate would be read
too early), sends again on a fresh connection by itself, or closes gracefully, and a kernel goes on re-transmitting an order
for a minute after everybody gave up. Here nothing stands between `admit()` and `socket.send`, each byte the kernel took is
counted, and giving up is always a reset: the kernel throws away what it has not sent.
"""

import errno
import ipaddress
import os
import socket
import ssl
import struct
from contextlib import suppress
from typing import Any

import anyio
from msgspec import Struct

from ordod.core.ports import Admit, Clock

__all__ = ["Broken", "Connection", "Origin", "connect", "tls_context"]

CONNECT_S = 3.0  # for one address, the handshake too; a dead address leaves time for the next within a caller's 10 s
READ_BYTES = (
    65_536  # one turn of the loop: large enough for any order's answer, about 20 µs of copying
)
KEEPALIVE_IDLE_S = 15  # a quiet connection is probed this often: a NAT that forgot it is noticed before an order is
KEEPALIVE_PAUSE_S = 5


class Broken(Exception):  # noqa: N818 - a state of the connection; what it means is for the caller to say
    """The connection is of no use any more; the message says why, in words that hold none of its bytes."""


class Origin(Struct, frozen=True):
    """Where a connection leads: what two URLs must share to share connections."""

    host: str
    port: int
    is_tls: bool


def tls_context() -> ssl.SSLContext:
    """The system's authorities, names checked, TLS 1.2 or later, and HTTP/1.1 the only protocol offered."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


class Connection:
    """A connected socket, with or without TLS. Made by `connect`.

    Attributes:
        handed_over: bytes the kernel took since `begin()`; of the encrypted ones where there is TLS.
        died_at: boot time of its end; None while it lives.
    """

    def __init__(self, sock: socket.socket, tls: ssl.SSLContext | None, host: str, clock: Clock):
        self._socket = sock
        self._clock = clock
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        if tls is not None:
            self._tls = tls.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._is_ended = False
        self._is_entangled = False
        self.handed_over = 0
        self.died_at: float | None = None

    @property
    def is_untouched(self) -> bool:
        """Nothing of the request begun was handed over or even encrypted: the connection is as before."""
        return self.handed_over == 0 and not self._is_entangled

    def begin(self) -> None:
        """A new request: from here on its bytes are counted."""
        self.handed_over = 0
        self._is_entangled = False

    async def hand_over(self, data: bytes, admit: Admit | None) -> None:
        """Give all of `data` to the kernel.

        `admit` is called before every hand-over; what it raises passes through, `is_untouched` says whether it came in time.

        Raises:
            Broken: the kernel refused; `handed_over` says how much it had taken.
        """
        left: memoryview | None = None
        while left is None or left:
            if left is not None:
                await self._wait(anyio.wait_writable)
            if admit is not None:
                admit()
            # From the look at the gate to the send: no await, no callback, nothing of others (P4).
            if left is None:
                left = memoryview(self._encrypted(data))
            try:
                count = self._socket.send(left)
            except BlockingIOError:
                count = 0
            except OSError as error:
                raise Broken(_words(error)) from None
            self.handed_over += count
            left = left[count:]

    async def read(self) -> bytes:
        """The next bytes of the server, at least one; b"": it ended the connection properly.

        Always gives the loop a turn, so that a fast server cannot hold it.

        Raises:
            Broken: reset by either side, or cut without TLS's own farewell.
        """
        while not self._is_ended:
            await self._wait(anyio.wait_readable)
            if data := self._received():
                return data
        return b""

    def is_quiet(self) -> bool:
        """Whether the server said nothing since the last answer.

        An end, an error, or bytes nobody asked for: such a connection must not carry another request. (TLS session tickets
        arrive unasked and are no words of the server's; they are taken in here.)
        """
        try:
            return not self._received() and not self._is_ended and not self._outgoing.pending
        except Broken:
            return False

    def reset(self) -> None:
        """End it at once: unsent bytes are thrown away, the server gets RST, whoever waits gets Broken."""
        if self.died_at is None:
            no_linger = struct.pack("ii", 1, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_linger)
            self._close()

    def close(self) -> None:
        """End an idle one politely."""
        if self.died_at is None:
            if self._tls is not None:
                with suppress(OSError):  # it wants the server's farewell, which nobody waits for
                    self._tls.unwrap()
                with suppress(OSError):  # the server may be gone already
                    self._socket.send(self._outgoing.read())
            self._close()

    def _close(self) -> None:
        anyio.notify_closing(self._socket)
        self._socket.close()
        self.died_at = self._clock.boot()

    async def handshake(self) -> None:
        """TLS, where the origin has it. Raises Broken, and ssl.SSLError where the server is not who it should be."""
        while self._tls is not None:
            try:
                self._tls.do_handshake()
                is_done = True
            except ssl.SSLWantReadError:
                is_done = False
            await self._flush()
            if is_done:
                break
            await self._wait(anyio.wait_readable)
            self._feed(self._taken())

    async def _flush(self) -> None:
        """Send what TLS itself has to say."""
        left = memoryview(self._outgoing.read())
        while left:
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                await self._wait(anyio.wait_writable)
            except OSError as error:
                raise Broken(_words(error)) from None

    def _encrypted(self, data: bytes) -> bytes:
        if self._tls is None:
            return data
        self._is_entangled = True
        try:
            self._tls.write(data)
        except ssl.SSLError as error:  # the server wants to negotiate anew, say
            raise Broken(_words(error)) from None
        return self._outgoing.read()

    def _received(self) -> bytes:
        """What can be had without waiting. b"": nothing now, or the end (`_is_ended`)."""
        chunk = self._taken()
        if self._tls is None:
            self._is_ended = chunk == b""
            return chunk or b""
        if chunk is not None:
            self._feed(chunk)
        parts = []
        try:
            while part := self._tls.read(READ_BYTES):
                parts.append(part)
            self._is_ended = True  # close_notify
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            raise Broken(_words(error)) from None
        return b"".join(parts)

    def _taken(self) -> bytes | None:
        """What the kernel has; None: nothing now; b"": the server's side of TCP is closed."""
        try:
            return self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return None
        except OSError as error:
            raise Broken(_words(error)) from None

    def _feed(self, chunk: bytes | None) -> None:
        if chunk == b"":
            # A proper end is close_notify, seen before this. A bare FIN can come from anyone on the way.
            raise Broken("TLS was cut")
        self._incoming.write(chunk or b"")

    async def _wait(self, ready: Any) -> None:
        try:
            await ready(self._socket)
        except (anyio.ClosedResourceError, OSError, ValueError):
            raise Broken("it was reset by us") from None
        if self.died_at is not None:
            raise Broken("it was reset by us")


async def connect(
    origin: Origin,
    clock: Clock,
    tls: ssl.SSLContext,
    *,
    source_address: str | None,
    unacknowledged_s: float,
) -> Connection:
    """A connection ready for a request: the first address that answers, TLS done.

    Args:
        source_address: the local IP address to come from; only addresses of its family are tried.
        unacknowledged_s: after so long without an acknowledgement the kernel gives up sending.
    Raises:
        Broken: no address could be had; the message has the reason of the last.
    """
    why = "it has no address"
    for family, address in await _addresses(origin, source_address):
        sock = None
        try:
            sock = _socket(family, unacknowledged_s)
            with anyio.fail_after(CONNECT_S):
                await _dial(sock, address, source_address)
                connection = Connection(sock, tls if origin.is_tls else None, origin.host, clock)
                await connection.handshake()
                return connection
        except TimeoutError:
            why = f"no connection within {CONNECT_S:g} s"
        except Broken as error:
            why = str(error)
        except OSError as error:
            why = _words(error)
        except BaseException:
            if sock is not None:
                sock.close()
            raise
        if sock is not None:
            sock.close()
    raise Broken(why)


async def _addresses(origin: Origin, source_address: str | None) -> list[tuple[int, Any]]:
    """Address families and addresses, in the order to try. A name is looked up anew each time: connections are rare."""
    family = _family(source_address) if source_address else socket.AF_UNSPEC
    try:
        numeric = _family(origin.host)
    except ValueError:
        try:
            found = await anyio.getaddrinfo(
                origin.host, origin.port, family=family, type=socket.SOCK_STREAM
            )
        except (OSError, UnicodeError) as error:
            raise Broken(f"the name cannot be looked up: {_words(error)}") from None
        return [(entry[0], entry[4]) for entry in found]
    if family not in (socket.AF_UNSPEC, numeric):
        raise Broken("its address and source_address are not of one family")
    return [(numeric, (origin.host, origin.port))]


def _family(address: str) -> int:
    """Raises ValueError for what is not an IP address."""
    return socket.AF_INET if ipaddress.ip_address(address).version == 4 else socket.AF_INET6


def _socket(family: int, unacknowledged_s: float) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(unacknowledged_s * 1000))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_PAUSE_S)
    return sock


async def _dial(sock: socket.socket, address: Any, source_address: str | None) -> None:
    if source_address:
        sock.bind((source_address, 0))
    code = sock.connect_ex(address)
    if code == errno.EINPROGRESS:
        await anyio.wait_writable(sock)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _words(error: Exception) -> str:
    """What the system says went wrong; TLS's own words where it has them."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'cut'}"
    return getattr(error, "strerror", None) or type(error).__name__
