"""Events: one for each record that concerns clients, in order, and kept for who comes back."""

from typing import Any

import pytest

from ordod.core import events as module
from ordod.core.events import AccountEvent, Event, Events, KillEvent, SystemEvent, Topic
from ordod.core.orders.records import (
    Accepted,
    AccountNote,
    Admin,
    Cancel,
    Close,
    Doubt,
    Entry,
    Evidence,
    Filled,
    Kill,
    Note,
    Open,
    Record,
    Rejected,
    Release,
    Seal,
    Settled,
    Unsent,
    Update,
)
from ordod.domain.orders import Order, Status, Trade
from tests.core.making import NOW, Journaled, at, fill, intent, row


class Told(Journaled):
    """A book with its events."""

    def __init__(self, *records: Record) -> None:
        self.heard: list[Event] = []
        super().__init__()
        self.events = Events(self.book)
        self.stop = self.events.listen(self.heard.append)
        self.tell(*records)

    def tell(self, *records: Record) -> None:
        for record in records:
            self.write(record)
            self.events.publish(Entry(self.seq, at(self.seq), record))


DOUBT = Doubt(id="o1", why="lost", sent_at=NOW, died_at=NOW)


@pytest.mark.parametrize(
    ("record", "status"),
    [
        (Accepted(id="o1", broker_id="b1"), Status.PENDING),
        (Rejected(id="o1", kind="ORDER_REJECTED"), Status.REJECTED),
        (DOUBT, Status.IN_DOUBT),
        (Unsent(id="o1", kind="TOO_LATE"), Status.NOT_PLACED),
        (Settled(id="o1", outcome="placed", by="book", broker_id="b1"), Status.PENDING),
        (Update(id="o1", row=row(), status=Status.OPEN), Status.OPEN),
    ],
)
def test_what_becomes_of_an_order_is_told_whole(record: Record, status: Status) -> None:
    told = Told(intent(strategy="orb"))

    told.tell(record)

    (event,) = told.heard
    assert isinstance(event.subject, Order)
    assert (event.topic, event.seq, event.at) == (Topic.ORDERS, 2, at(2))
    assert event.subject == told.book.view(told.book.orders["o1"])
    assert event.subject.status is status
    assert (event.account, event.strategy, event.symbol) == ("paper", "orb", "NSE:INFY")


def test_a_fill_is_a_trade() -> None:
    told = Told(intent(), Filled(id="o1", fill=fill()))

    (event,) = told.heard

    assert event.topic is Topic.TRADES
    assert isinstance(event.subject, Trade)
    assert event.subject.trade_id == "t1"


@pytest.mark.parametrize(
    ("record", "topic", "subject"),
    [
        (
            AccountNote(account="paper", event="denied", message="no"),
            Topic.ACCOUNTS,
            AccountEvent(account="paper", event="denied", message="no"),
        ),
        (
            Kill(caller="asha", reason="r"),
            Topic.KILL,
            KillEvent(event="engaged", account=None, strategy=None, reason="r", caller="asha"),
        ),
        (
            Release(caller="asha", account="paper"),
            Topic.KILL,
            KillEvent(event="released", account="paper", strategy=None, reason="", caller="asha"),
        ),
        (
            Open(format=1, epoch="e", machine="m", inode=1, installation="i"),
            Topic.SYSTEM,
            SystemEvent(event="started"),
        ),
        (Close(), Topic.SYSTEM, SystemEvent(event="stopped")),
        (Note(text="torn"), Topic.SYSTEM, SystemEvent(event="note", message="torn")),
    ],
)
def test_everything_else_has_its_topic(record: Record, topic: Topic, subject: Any) -> None:
    told = Told(record)

    (event,) = told.heard

    assert (event.topic, event.subject) == (topic, subject)
    assert event.symbol is None


@pytest.mark.parametrize(
    "record",
    [
        intent(),
        Cancel(id="c1", order_id="o1", caller="t"),
        Seal(),
        Admin(caller="t", method="m", params={}),
        Evidence(id="o1", source="book", begun_at=NOW, complete=True, found=False),
        AccountNote(account="paper", event="totp", message="1"),
        Accepted(id="c1"),
        Filled(id="unknown", fill=fill()),
    ],
)
def test_what_concerns_no_client_is_not_told(record: Record) -> None:
    assert Told(record).heard == []


def test_who_comes_back_hears_all_after_what_was_seen() -> None:
    told = Told(*(Note(text=str(n)) for n in range(5)))

    missed = told.events.since(2)

    assert missed is not None
    assert [event.seq for event in missed] == [3, 4, 5]
    assert told.events.since(5) == []


def test_what_is_no_longer_kept_is_said_to_be_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 3)
    told = Told(*(Note(text=str(n)) for n in range(5)))

    assert told.events.since(1) is None
    assert [e.seq for e in told.events.since(2) or ()] == [3, 4, 5]


def test_what_a_snapshot_stands_for_is_gone() -> None:
    told = Told(Note(text="a"))

    told.events.forget_before(1)
    told.events.forget_before(0)

    assert told.events.since(0) is None
    assert told.events.since(1) == []


def test_a_listener_hears_until_it_stops_and_may_stop_twice() -> None:
    told = Told(Note(text="a"))
    also: list[Event] = []
    stop = told.events.listen(also.append)

    told.stop()
    told.stop()
    told.tell(Note(text="b"))
    stop()
    told.tell(Note(text="c"))

    assert [e.seq for e in told.heard] == [1]
    assert [e.seq for e in also] == [2]
