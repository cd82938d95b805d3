"""What subscribers are told: one event for each record that concerns them, in the journal's order.

An event carries the whole object, as its `get` answers it at that moment. Recent events are kept so that a client that comes
back with `since` misses nothing; after a restart those of the replayed records are there again.
"""

from collections import deque
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from ordod.core.orders.book import Book
from ordod.core.orders.records import (
    Accepted,
    AccountNote,
    Close,
    Doubt,
    Entry,
    Filled,
    Kill,
    Note,
    Open,
    Rejected,
    Release,
    Settled,
    Unsent,
    Update,
)
from ordod.domain.orders import Order, Trade

__all__ = ["AccountEvent", "Event", "Events", "KillEvent", "SystemEvent", "Topic"]

KEPT = 10_000  # at 20 orders a second and 3 events each, the last three minutes; older is a snapshot's business


class Topic(StrEnum):
    ORDERS = "orders"
    TRADES = "trades"
    ACCOUNTS = "accounts"
    KILL = "kill"
    SYSTEM = "system"
    TICKS = "ticks"  # these two are the hub's, not the journal's
    DEPTH = "depth"


class AccountEvent(Struct, frozen=True, kw_only=True):
    """`event`: active, expired, denied, refused, released; added and removed by a reload."""

    account: str
    event: str
    message: str = ""


class KillEvent(Struct, frozen=True, kw_only=True):
    """`event`: engaged, released. Account and strategy None: everything."""

    event: str
    account: str | None
    strategy: str | None
    reason: str
    caller: str


class SystemEvent(Struct, frozen=True, kw_only=True):
    """`event`: started, stopped, note."""

    event: str
    message: str = ""


class Event(Struct, frozen=True):
    """`subject` is the object of its topic, whole."""

    seq: int
    at: datetime
    topic: Topic
    subject: Order | Trade | AccountEvent | KillEvent | SystemEvent

    @property
    def account(self) -> str | None:
        return getattr(self.subject, "account", None)

    @property
    def strategy(self) -> str | None:
        return getattr(self.subject, "strategy", None)

    @property
    def symbol(self) -> str | None:
        return getattr(self.subject, "symbol", None)


class Events:
    """The recent past, and whoever listens now."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self._listeners: dict[int, Callable[[Event], None]] = {}
        self._next_listener = 0
        self._forgotten_seq = 0  # events up to this seq may be gone

    def publish(self, entry: Entry) -> None:
        """Tell what a durable record means; the book has taken it in already."""
        event = self._event(entry)
        if event is None:
            return
        self._keep(event)
        for listen in list(self._listeners.values()):
            listen(event)

    def forget_before(self, seq: int) -> None:
        """Events up to this one are not kept: a snapshot stands in their place."""
        self._forgotten_seq = max(self._forgotten_seq, seq)

    def listen(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with each event from now on; the answer ends it."""
        number = self._next_listener
        self._next_listener += 1
        self._listeners[number] = listener
        return lambda: self._listeners.pop(number, None) and None

    @property
    def listening(self) -> int:
        """How many listen: one a subscription, and one a call that waits for an order."""
        return len(self._listeners)

    def since(self, seq: int) -> list[Event] | None:
        """The events after this one, or None where some of them are gone."""
        if seq < self._forgotten_seq:
            return None
        return [event for event in self._kept if event.seq > seq]

    def _keep(self, event: Event) -> None:
        if len(self._kept) == KEPT:
            self._forgotten_seq = self._kept[0].seq
        self._kept.append(event)

    def _event(self, entry: Entry) -> Event | None:
        record = entry.record
        match record:
            case Accepted() | Rejected() | Doubt() | Settled() | Update() | Unsent():
                order = self._book.orders.get(record.id)
                if order is None:
                    return None  # of a change: its order's row tells
                return Event(entry.seq, entry.at, Topic.ORDERS, self._book.view(order))
            case Filled():
                order = self._book.orders.get(record.id)
                if order is None:
                    return None
                return Event(
                    entry.seq, entry.at, Topic.TRADES, self._book.trade(order, record.fill)
                )
            case AccountNote(event="totp"):
                return None
            case AccountNote():
                told = AccountEvent(
                    account=record.account, event=record.event, message=record.message
                )
                return Event(entry.seq, entry.at, Topic.ACCOUNTS, told)
            case Kill() | Release():
                return Event(
                    entry.seq,
                    entry.at,
                    Topic.KILL,
                    KillEvent(
                        event="engaged" if isinstance(record, Kill) else "released",
                        account=record.account,
                        strategy=record.strategy,
                        reason=record.reason,
                        caller=record.caller,
                    ),
                )
            case Open():
                return Event(entry.seq, entry.at, Topic.SYSTEM, SystemEvent(event="started"))
            case Close():
                return Event(entry.seq, entry.at, Topic.SYSTEM, SystemEvent(event="stopped"))
            case Note():
                told_note = SystemEvent(event="note", message=record.text)
                return Event(entry.seq, entry.at, Topic.SYSTEM, told_note)
            case _:
                return None
