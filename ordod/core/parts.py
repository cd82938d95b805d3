"""All parts of a running daemon, for the services to take what they need."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import anyio
from msgspec import Struct

from ordod.core.account import Account
from ordod.core.events import Events
from ordod.core.guard.gate import Gate
from ordod.core.guard.kill import KillSwitch
from ordod.core.hub import Hub
from ordod.core.masters import MasterKeeper
from ordod.core.orders.book import Book
from ordod.core.orders.changes import Changes
from ordod.core.orders.desk import Desk
from ordod.core.orders.journal import Journal
from ordod.core.orders.keyed import KeyedChanges
from ordod.core.orders.ledger import Ledger
from ordod.core.orders.looking import Reader
from ordod.core.ports import Clock, Disk
from ordod.core.prices import Prices
from ordod.core.tasks import Tasks
from ordod.domain.calendar import LoadedCalendar

__all__ = ["Parts", "Reloaded"]


class Reloaded(Struct, frozen=True):
    """Names of settings, never their values.

    Args:
        changed: hold from now on; accounts among them as `accounts.NAME (added)` and `(removed)`.
        needs_restart: differ in the file, and wait for a restart of the daemon.
        waits: what cannot be now because of what is open at an account, each with what for.
    """

    changed: list[str]
    needs_restart: list[str]
    waits: list[str] = []


class Parts(Struct, kw_only=True):
    """`shown_settings`: the configuration without secrets. `shut_down` begins the orderly end: it sets `stopping`.

    `reload`: reads the configuration again on behalf of a caller; None where there is no file.
    """

    version: str
    started_at: datetime
    clock: Clock
    disk: Disk
    journal: Journal
    ledger: Ledger
    book: Book
    events: Events
    gate: Gate
    accounts: Mapping[str, Account]
    readers: Mapping[str, Reader]
    masters: Mapping[str, MasterKeeper]  # by broker
    desk: Desk
    changes: Changes
    keyed: KeyedChanges
    kill: KillSwitch
    prices: Prices
    calendar: LoadedCalendar
    hub: Hub
    tasks: Tasks
    shown_settings: Mapping[str, Any]
    shut_down: Callable[[], None]
    stopping: anyio.Event
    reload: Callable[[str], Awaitable[Reloaded]] | None = None
