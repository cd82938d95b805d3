"""Following events over any number of connections, each once and none missing. Pure.

A connection that ends is followed by another one that asks for what came `since`. Two events can share one `seq` (a fill changes an
order and is a trade), and a connection can end between them. So we ask since the last number that was surely whole, the one before
the newest, and drop what was delivered already.

`prev` names the event before on the same subscription. If it is one we never got, something is missing: the connection is given up
and the next one asks since the last number that was whole.
"""

from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import Raw, Struct

from ordoctl.conversation import (
    FIRST_PAUSE_S,
    Garbled,
    Lost,
    Pause,
    Send,
    Silent,
    Unconnected,
    next_pause,
)
from ordoctl.errors import REPEATED, UNREADABLE, NoDaemon, TryAgain, from_wire
from ordoctl.models import Event, Snapshot
from ordoctl.requests import Object
from ordoctl.wire import Error, Notice

__all__ = ["Connect", "Deliver", "Doing", "Follow", "Next", "Wanted", "follow", "wanted"]

PRICES = ("ticks", "depth")  # they carry no seq: there is nothing to go on from


class Wanted(Struct, frozen=True, kw_only=True):
    """What to follow, and from where on."""

    topics: tuple[str, ...]
    accounts: tuple[str, ...] | None = None
    strategy: str | None = None
    symbols: tuple[str, ...] | None = None
    since: int | None = None
    epoch: str | None = None


class Connect(Struct, frozen=True):
    """Leave the connection there was and make another."""


class Next(Struct, frozen=True):
    """Wait for the next notice."""


class Deliver(Struct, frozen=True):
    """Hand this to whoever follows."""

    event: Event


class _Started(Struct, frozen=True):
    epoch: str
    seq: int
    reset: bool = False
    snapshot: Snapshot | None = None


Doing: TypeAlias = Connect | Send | Next | Pause | Deliver
Follow: TypeAlias = Generator[Doing, Any, None]

_starts = msgspec.json.Decoder(_Started)
_events = msgspec.json.Decoder(Event)


class _Gap(Exception):  # noqa: N818 - a finding
    """An event is missing before this one, or no more will come of the subscription."""


class _Place:
    """How far we are: what was delivered, and from where the next connection goes on."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._epoch = wanted.epoch
        self._whole = wanted.since  # every event up to here was delivered
        self._newest: int | None = None  # of this one some were, maybe all
        self._delivered: set[tuple[str | None, ...]] = set()  # those of `_newest`
        self._last_on_connection = 0

    def params(self) -> Object:
        wanted = self._wanted
        goes_on = self._whole is not None and not set(wanted.topics) <= set(PRICES)
        params = {
            "topics": wanted.topics,
            "accounts": wanted.accounts,
            "strategy": wanted.strategy,
            "symbols": wanted.symbols,
            "since": self._whole if goes_on else None,
            "epoch": self._epoch if goes_on else None,
        }
        return {name: value for name, value in params.items() if value is not None}

    def start(self, result: Raw) -> Event | None:
        """Go on from a subscription's answer; the snapshot, where one came."""
        started = _starts.decode(result)
        self._epoch = started.epoch
        if self._whole is not None and not started.reset:
            self._last_on_connection = self._whole
            return None
        self._whole = self._last_on_connection = started.seq
        self._newest = None
        self._delivered.clear()
        if started.snapshot is None and not started.reset:
            return None
        return Event(
            topic="snapshot",
            epoch=started.epoch,
            seq=started.seq,
            reset=started.reset,
            snapshot=started.snapshot or Snapshot(),
        )

    def take(self, event: Event) -> bool:
        """Whether this event is news. Raises _Gap."""
        if event.ended is not None:
            raise _Gap  # whoever asks anew hears why
        if event.seq is None:
            return True
        if event.prev is not None and event.prev > self._last_on_connection:
            raise _Gap
        self._last_on_connection = max(self._last_on_connection, event.seq)
        if self._whole is not None and event.seq <= self._whole:
            return False
        if self._newest is None or event.seq > self._newest:
            self._whole = self._newest if self._newest is not None else self._whole
            self._newest = event.seq
            self._delivered = {_identity(event)}
            return True
        if _identity(event) in self._delivered:
            return False
        self._delivered.add(_identity(event))
        return True


def follow(wanted: Wanted, *, clock: Callable[[], float], timeout: float) -> Follow:
    """The events that are wanted, for ever; the driver stops it by closing.

    Replies: to Connect None, Unconnected or the Error that a token met, to Send as in `conversation`, to Next a Notice, Lost or Garbled.

    Raises:
        NoDaemon: at the first connection. Later ones are tried until they come.
        Refused, NotAllowed: the daemon does not take the subscription (`since` of another journal, say).
        TryAgain: UNREADABLE.
    """
    place = _Place(wanted)
    pause = FIRST_PAUSE_S
    while True:
        unconnected = yield Connect()
        if isinstance(unconnected, Unconnected):
            if unconnected.first:
                raise NoDaemon(unconnected.why)
        elif isinstance(unconnected, Error):
            _raise_if_final(unconnected)
        else:
            reply = yield Send("events.subscribe", place.params(), clock() + timeout)
            match reply:
                case Raw():
                    try:
                        first = place.start(reply)
                    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
                        raise _unreadable(str(why)) from None
                    if first is not None:
                        yield Deliver(first)
                    if (yield from _until_lost(place)):
                        pause = FIRST_PAUSE_S
                case Error():
                    _raise_if_final(reply)
                case Garbled():
                    raise _unreadable(reply.why)
                case _:
                    assert isinstance(reply, (Lost, Silent)), "a Send is replied to"
        yield Pause(pause)
        pause = next_pause(pause)


def _raise_if_final(error: Error) -> None:
    failure = from_wire(
        error.code, error.message, error.data if isinstance(error.data, dict) else {}
    )
    if failure.kind not in REPEATED:
        raise failure


def _until_lost(place: _Place) -> Generator[Next | Deliver, Any, bool]:
    """Deliver what comes over this connection; whether any news came."""
    any_news = False
    while True:
        notice = yield Next()
        match notice:
            case Notice(method="event"):
                try:
                    event = _events.decode(notice.params)
                except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
                    raise _unreadable(str(why)) from None
                try:
                    is_news = place.take(event)
                except _Gap:
                    return any_news
                if is_news:
                    any_news = True
                    yield Deliver(event)
            case Notice():
                continue  # of a newer daemon; not for us
            case Garbled():
                raise _unreadable(notice.why)
            case _:
                assert isinstance(notice, Lost), "a Next is replied to"
                return any_news


def _unreadable(why: str) -> TryAgain:
    return TryAgain(UNREADABLE, f"the daemon sent an event that this client cannot read ({why})")


def _identity(event: Event) -> tuple[str | None, ...]:
    if event.order is not None:
        return event.topic, event.order.order_id
    if event.trade is not None:
        return event.topic, event.trade.account, event.trade.trade_id, event.trade.order_id
    if event.account is not None:
        return event.topic, event.account.account
    return (event.topic,)


def wanted(
    topics: Sequence[str],
    accounts: Sequence[str] | None = None,
    strategy: str | None = None,
    symbols: Sequence[str] | None = None,
    since: int | None = None,
    epoch: str | None = None,
) -> Wanted:
    """As a caller gives it. A text where a list belongs is a mistake that would be hard to see."""
    for name, value in (("topics", topics), ("accounts", accounts), ("symbols", symbols)):
        if isinstance(value, str):
            raise TypeError(f"{name} is a list of texts, not one text: [{value!r}]")
    return Wanted(
        topics=tuple(topics),
        accounts=None if accounts is None else tuple(accounts),
        strategy=strategy,
        symbols=None if symbols is None else tuple(symbols),
        since=since,
        epoch=epoch,
    )
