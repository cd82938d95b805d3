"""Addresses of streams that work once, and who asked for them (upstox.md 9.1, 9.5)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlencode

from msgspec import Struct

from ordod.sim.message import Request
from ordod.sim.upstox.accounts import Accounts, Login
from ordod.sim.upstox.feeds import UPDATE_TYPES

__all__ = ["Ticket", "Tickets"]

LIVES = timedelta(minutes=1)
PATHS = {"market": "/market-data-feeder/v3/feeds", "portfolio": "/portfolio-feeder/feeds"}


class Ticket(Struct, frozen=True, kw_only=True):
    """What one address opens. `updates`: types, of the portfolio's stream."""

    stream: str  # market, portfolio
    login: Login
    updates: tuple[str, ...]
    at: datetime


class Tickets:
    """`scheme`: how this machine is reached, `ws` or `wss`."""

    def __init__(self, accounts: Accounts, scheme: Callable[[], str]) -> None:
        self._accounts = accounts
        self._scheme = scheme
        self._given: dict[str, Ticket] = {}

    def give(self, stream: str, login: Login, request: Request, now: datetime) -> str:
        """The address, at the host that was asked. Without types it is orders that are told."""
        asked = request.one("update_types").split(",")
        code = self._accounts.text(24)
        self._given[code] = Ticket(
            stream=stream,
            login=login,
            updates=tuple(kind for kind in UPDATE_TYPES if kind in asked) or ("order",),
            at=now,
        )
        query = urlencode({"requestId": self._accounts.text(12), "code": code})
        return (
            f"{self._scheme()}://{request.headers.get('host', 'localhost')}{PATHS[stream]}?{query}"
        )

    def take(self, request: Request, now: datetime) -> Ticket | None:
        """What this address opens; None where it opens nothing, or nothing any more."""
        ticket = self._given.pop(request.one("code"), None)
        is_good = ticket is not None and now - ticket.at <= LIVES
        return ticket if ticket and is_good and request.path == PATHS[ticket.stream] else None
