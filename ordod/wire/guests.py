"""Who comes over TCP: a token first, whichever the language. In lines the first one is `system.authenticate`; in HTTP every
request has `Authorization: Bearer TOKEN`, names a host that is ours and comes from no web page.

A wrong token is answered late (`door`), and its connection closed. One that was good is looked at again with everything that
comes, so that it opens nothing after it was revoked.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Protocol, TypeAlias

import h11
from msgspec import Struct

from ordod.errors import Kind, OrdoError
from ordod.service.identity import AUTHENTICATE, Authenticate, identity
from ordod.service.methods import Call, Caller
from ordod.service.params import read
from ordod.wire.answers import encode, failure_from, success
from ordod.wire.connection import Way
from ordod.wire.dispatch import NO_ID, Dispatcher, request_id_of
from ordod.wire.http import Refusal
from ordod.wire.lines import LineTalk
from ordod.wire.roles import NEW_TOKEN

__all__ = ["Guest", "GuestLines", "HttpGate", "Keys", "admitted", "is_ours"]

GREETING_BYTES_MAX = 8 * 1024  # a token has 48
WANTED = (
    f"over TCP the first message is {AUTHENTICATE} with a token (`ordoctl token new` makes one)"
)
UNKNOWN = f"nobody has this token, or it was revoked: {NEW_TOKEN}"


class Guest(Struct, frozen=True):
    """A caller by token. `key` is what `Keys` knows the token by."""

    caller: Caller
    expires_at: datetime | None
    key: Any


class Keys(Protocol):
    """The tokens there are."""

    def find(self, token: str) -> Guest | None:
        """Whose token this is, also where it has come to its end."""
        ...

    def lives(self, guest: Guest) -> bool: ...


Recognise: TypeAlias = Callable[[Guest], Call]
"""Counts the connection as this guest's from now on; how it calls."""

Failed: TypeAlias = Callable[[], float]
"""Notes a wrong token; how many seconds its answer waits."""


def admitted(keys: Keys, token: str) -> Guest:
    """Whose token this is. Raises OrdoError: UNAUTHENTICATED."""
    guest = keys.find(token)
    if guest is None:
        raise OrdoError(Kind.UNAUTHENTICATED, UNKNOWN)
    if not keys.lives(guest):
        ended = f" on {guest.expires_at.isoformat()}" if guest.expires_at else ""
        raise OrdoError(
            Kind.UNAUTHENTICATED, f"{guest.caller.name} has expired{ended}: {NEW_TOKEN}"
        )
    return guest


class GuestLines:
    """One connection's lines: none is heard before a token is."""

    def __init__(
        self,
        way: Way,
        dispatcher: Dispatcher,
        keys: Keys,
        *,
        recognise: Recognise,
        failed: Failed,
        lines: Callable[[Caller], LineTalk],
    ) -> None:
        self._way = way
        self._dispatcher = dispatcher
        self._keys = keys
        self._recognise = recognise
        self._failed = failed
        self._lines = lines
        self._begun = bytearray()
        self._guest: Guest | None = None
        self._inner: LineTalk | None = None
        self._refusing: asyncio.TimerHandle | None = None

    @property
    def kept(self) -> int:
        return self._inner.kept if self._inner else len(self._begun)

    @property
    def is_busy(self) -> bool:
        return self._inner is not None and self._inner.is_busy

    def feed(self, data: bytes) -> None:
        if self._inner is not None and self._guest is not None:
            if not self._keys.lives(self._guest):
                self._inner.disown()
            self._inner.feed(data)
        elif self._refusing is None:
            self._begun += data
            self._hear()

    def end(self) -> None:
        if self._inner is not None:
            self._inner.end()
        elif self._refusing is None:
            self._way.close()

    def stop(self) -> None:
        if self._inner is not None:
            self._inner.stop()
            return
        if self._refusing is not None:
            self._refusing.cancel()
        self._way.close()

    def _hear(self) -> None:
        while self._inner is None and self._refusing is None:
            line, found, rest = self._begun.partition(b"\n")
            if not found:
                if len(self._begun) > GREETING_BYTES_MAX:
                    self._refuse(NO_ID, OrdoError(Kind.UNAUTHENTICATED, WANTED))
                return
            self._begun = rest
            if line.strip():
                self._greet(bytes(line))
        if self._inner is not None and self._begun:
            rest, self._begun = self._begun, bytearray()
            self._inner.feed(bytes(rest))

    def _greet(self, line: bytes) -> None:
        request_id: bytes | None = NO_ID
        try:
            message = self._dispatcher.parse(line)
            request: Any = None if message.is_batch else message.members[0]
            request_id = request_id_of(request)
            guest = admitted(self._keys, _token_of(request))
        except OrdoError as error:
            self._refuse(request_id or NO_ID, error)
            return
        self._recognise(guest)
        if request_id is not None:
            self._way.push(success(request_id, encode(identity(guest.caller, guest.expires_at))))
        self._guest = guest
        self._inner = self._lines(guest.caller)

    def _refuse(self, request_id: bytes, error: OrdoError) -> None:
        """Nothing more is heard; the answer comes when the pause is over."""
        self._begun.clear()
        self._way.read_on(False)
        self._refusing = asyncio.get_running_loop().call_later(
            self._failed(), self._hang_up, failure_from(request_id, error)
        )

    def _hang_up(self, answer: bytes) -> None:
        self._way.push(answer)
        self._way.close()


def _token_of(request: dict[str, Any]) -> str:
    if request.get("method") != AUTHENTICATE:
        raise OrdoError(Kind.UNAUTHENTICATED, WANTED)
    return read(Authenticate, request.get("params") or {}).token


class HttpGate:
    """What a request over TCP has to show: see the module's first lines.

    Args:
        own_names: host names and addresses of this daemon, in lower case.
        arrived_at: the address of this machine that the connection came to.
    """

    def __init__(
        self,
        keys: Keys,
        *,
        own_names: frozenset[str],
        arrived_at: str,
        recognise: Recognise,
        failed: Failed,
    ) -> None:
        self._keys = keys
        self._own_names = own_names
        self._arrived_at = arrived_at
        self._recognise = recognise
        self._failed = failed

    def __call__(self, request: h11.Request) -> Call | Refusal:
        given = {name: value.decode("latin-1") for name, value in request.headers}
        if b"origin" in given:
            return Refusal(
                HTTPStatus.FORBIDDEN,
                "this comes from a web page (Origin): pages have no business with ordod",
            )
        host = given.get(b"host", "")
        if not is_ours(host, self._own_names, self._arrived_at):
            return Refusal(
                HTTPStatus.MISDIRECTED_REQUEST,
                f"the Host {host[:100]!r} is not this ordod's: use the address it listens at, or a name in its certificate",
            )
        try:
            guest = admitted(self._keys, _bearer(given.get(b"authorization", "")))
        except OrdoError as error:
            return Refusal(
                HTTPStatus.UNAUTHORIZED,
                error.message,
                (("www-authenticate", "Bearer"),),
                after_s=self._failed(),
            )
        return self._recognise(guest)


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise OrdoError(
            Kind.UNAUTHENTICATED,
            "over TCP every request has `Authorization: Bearer TOKEN` (`ordoctl token new` makes one)",
        )
    return token.strip()


def is_ours(host: str, own_names: frozenset[str], arrived_at: str) -> bool:
    """Whether a `Host` names this daemon, whatever its port: behind a tunnel it is another. A page that had its own name lead
    here (DNS rebinding) would name itself."""
    name = _host_name(host)
    here = ip_address(arrived_at)
    if not name:
        return False
    if name in own_names or (here.is_loopback and name == "localhost"):
        return True
    try:
        address = ip_address(name)
    except ValueError:
        _, dot, parent = name.partition(".")
        return bool(dot) and f"*.{parent}" in own_names
    return (
        address == here or (address.is_loopback and here.is_loopback) or str(address) in own_names
    )


def _host_name(host: str) -> str:
    """Without port and brackets; "" where it is none."""
    name, colon, port = host.rpartition(":")
    if not colon or "]" in port:
        name, port = host, ""
    if port and not port.isdecimal():
        return ""
    if name.startswith("[") and name.endswith("]"):
        return name[1:-1].lower()
    return "" if ":" in name else name.rstrip(".").lower()
