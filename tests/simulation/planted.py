"""Bugs to catch: each a small change of a real class, as somebody might make it one day. The tester is tested by them.

`planted(name)` puts one in for as long as the context lasts. `CANARY` breaks everything and has to be found at once.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest

import ordod.core.orders.desk as desk
import ordod.core.orders.reconcile as reconcile
import ordod.core.orders.settling as settling
from ordod.adapter import HttpRequest, HttpResponse
from ordod.core.account import Account, Hand
from ordod.core.events import Events
from ordod.core.guard.kill import KillSwitch
from ordod.core.guard.windows import Windows
from ordod.core.orders import format as lines
from ordod.core.orders import keys
from ordod.core.orders.book import Book
from ordod.core.orders.desk import Desk, PlaceResult, WantedOrder
from ordod.core.orders.journal import Journal, Pending
from ordod.core.orders.ledger import Ledger
from ordod.core.orders.looking import Reader
from ordod.core.orders.reconcile import Reading
from ordod.core.orders.records import Filled, Kill, Seal, Settled
from ordod.core.orders.sending import Outcome, Sender, _Hand, _unsent
from ordod.core.ports import Lost
from ordod.domain.orders import LIVE, OrderTerms
from ordod.errors import Kind

__all__ = ["BUGS", "CANARY", "planted"]

Patch = pytest.MonkeyPatch


def never_synced(patch: Patch) -> None:
    """The journal is written and never synced."""
    _written_only(patch, lambda body: False)


def told_before_synced(patch: Patch) -> None:
    """Only seals are synced, a second later than what they close was told."""
    _written_only(patch, lambda body: body == lines.body(Seal()))


def _written_only(patch: Patch, is_synced: Callable[[bytes], bool]) -> None:
    async def append(self: Any, at: Any, bodies: Any) -> None:
        seq, previous = self.head
        data, digest = self._codec.lines(
            bodies, seq=seq + 1, batch=self._batch + 1, at=at, previous=previous
        )
        if is_synced(bodies[0]):
            await self._file.append(data)
        else:
            self._file.write(data)
        self.head = (seq + len(bodies), digest)
        self._batch += 1
        self._size += len(data)

    patch.setattr(Journal, "_append", append)


def synced_after_the_send(patch: Patch) -> None:
    """An intent is queued, and not waited for."""

    async def store(self: Ledger, record: Any) -> None:
        self.write(record)

    patch.setattr(Ledger, "store", store)


def looks_only_at_open_orders(patch: Patch) -> None:
    """The reader leaves out rows that are not live."""
    look = Reader._look

    async def only_live(self: Reader) -> Reading:
        reading = await look(self)
        return _with_rows(reading, tuple(row for row in reading.rows if row.status in LIVE))

    patch.setattr(Reader, "_look", only_live)


def _with_rows(reading: Reading, rows: Any) -> Reading:
    from msgspec.structs import replace

    return replace(reading, rows=rows)


def absent_after_ten_seconds(patch: Patch) -> None:
    """The horizon is taken for a suggestion."""
    why = reconcile.why_not_absent

    def soon(*args: Any, horizon_s: float, **kwargs: Any) -> str:
        return why(*args, horizon_s=10.0, **kwargs)

    patch.setattr(settling, "why_not_absent", soon)


def sends_again_after_absent(patch: Patch) -> None:
    """Looks for a few seconds, and then lets the same key be sent again."""
    absent_after_ten_seconds(patch)
    settle = Book._settled

    def settled(self: Book, seq: int, at: Any, record: Settled) -> None:
        settle(self, seq, at, record)
        order = self.orders.get(record.id)
        if order is not None and record.outcome == "not_placed":
            self._free_key(order.user, order.key, order.id)

    patch.setattr(Book, "_settled", settled)


def gate_read_too_early(patch: Patch) -> None:
    """The gate is read when the send begins, not where the bytes are handed over."""
    init, check = _Hand.__init__, _Hand.check

    def begin(self: Any, *args: Any) -> None:
        init(self, *args)
        self.has_looked = False

    def look_once(self: Any, *, is_first: bool) -> None:
        if self.has_looked:
            self._gate = None
        self.has_looked = True
        check(self, is_first=is_first)

    patch.setattr(_Hand, "__init__", begin)
    patch.setattr(_Hand, "check", look_once)


def tag_from_a_counter(patch: Patch) -> None:
    """Tags count up from one, in each process anew."""
    counters: dict[int, Iterator[int]] = {}
    make = keys.make_tag

    def tagged(installation: str, user: str, key: str, variant: str, tag: Any) -> str:
        _, _, salt = variant.partition(" ")
        return make(installation, user, salt or "0", "", tag)

    patch.setattr(desk, "make_tag", tagged)
    patch.setattr(Book, "tag_is_taken", lambda self, user, tag: tag in _given(self, counters, tag))


def _given(book: Book, counters: dict[int, Iterator[int]], tag: str) -> set[str]:
    """The tags that this process gave; asking for one that is free gives it."""
    given: set[str] = book.__dict__.setdefault("given", set())
    if tag not in given:
        given.add(tag)
        return set()
    return given


def limiter_forgets_cancels(patch: Patch) -> None:
    """A cancel takes no slot."""
    take = Windows.take

    def taken(
        self: Windows, group: str, now: float, *, writes: bool = False, cancel: bool = False
    ) -> bool:
        return True if cancel else take(self, group, now, writes=writes)

    patch.setattr(Windows, "take", taken)


def lost_taken_for_unsent(patch: Patch) -> None:
    """A connection that dies after the bytes is told as if there had been none."""

    def unsent(self: Sender, why: str, sent_at: Any) -> Outcome[Any]:
        return _unsent(0, Kind.BROKER_UNAVAILABLE, why)

    patch.setattr(Sender, "_doubt", unsent)


def absent_from_a_new_day(patch: Patch) -> None:
    """A new day's book is believed to say something of yesterday."""
    why = reconcile.why_not_absent

    def any_day(*args: Any, is_same_book_day: bool, **kwargs: Any) -> str:
        return why(*args, is_same_book_day=True, **kwargs)

    patch.setattr(settling, "why_not_absent", any_day)


def lost_tags_ignored(patch: Patch) -> None:
    """Neither the echo nor an order nobody claims is looked for."""
    patch.setattr(reconcile, "_echoes", lambda *_: True)
    patch.setattr(reconcile, "_unclaimed", lambda *_: "")


def sweep_ignores_doubts(patch: Patch) -> None:
    """The sweep of a kill takes only what is live."""
    everything = KillSwitch._open

    def only_live(self: KillSwitch, account: str | None) -> Any:
        return [order for order in everything(self, account) if order.is_live]

    patch.setattr(KillSwitch, "_open", only_live)


def slot_before_the_sync(patch: Patch) -> None:
    """The slot of a window is taken before the intent is stored; what a stalled sync held back goes out in one burst."""
    take = Account._take
    carry = Desk._carry

    def taken(self: Account, request: HttpRequest, cancel: bool) -> bool:
        return True if request.json and "tag" in request.json else take(self, request, cancel)

    async def early(self: Desk, call: Any, account: Account, *rest: Any) -> None:
        now = self._clock.boot()
        account.windows.take("orders", now, writes=True)
        await carry(self, call, account, *rest)

    async def free(
        self: Account, request: HttpRequest, deadline: float, hand: Hand | None, cancel: bool
    ) -> None:
        if not (request.json and "tag" in request.json):
            await comes(self, request, deadline, hand, cancel)

    comes = Account._slot_comes
    patch.setattr(Account, "_take", taken)
    patch.setattr(Account, "_slot_comes", free)
    patch.setattr(Desk, "_carry", early)


def validates_before_the_key(patch: Patch) -> None:
    """Whoever asks again after an order is told why a new one would be refused."""
    place = Desk.place

    async def checked(self: Desk, wanted: WantedOrder) -> PlaceResult:
        self.check(wanted)
        return await place(self, wanted)

    patch.setattr(Desk, "place", checked)


def write_sent_twice(patch: Patch) -> None:
    """A layer below the desk repeats a request whose answer was lost."""
    exchange = Account._exchange

    async def again(self: Account, request: HttpRequest, *rest: Any) -> HttpResponse:
        try:
            return await exchange(self, request, *rest)
        except Lost:
            return await exchange(self, request, *rest)

    patch.setattr(Account, "_exchange", again)


def any_payload_will_do(patch: Patch) -> None:
    """A key is looked up without comparing what was asked."""

    def same(known: Any, terms: OrderTerms, strategy: str | None) -> list[str]:
        return []

    patch.setattr(desk, "differing", same)


def kill_in_memory_only(patch: Patch) -> None:
    """The kill switch says that it is durable, and is not."""

    write = Journal.write

    async def durable(self: KillSwitch, *_: Any, **__: Any) -> bool:
        return True

    def forgotten(self: Journal, *records: Any, then: Any = None) -> Pending:
        if not isinstance(records[0], Kill):
            return write(self, *records, then=then)
        pending = Pending(records, then)
        pending._end()
        return pending

    patch.setattr(Journal, "write", forgotten)
    patch.setattr(KillSwitch, "_durable", durable)


def fills_counted_again(patch: Patch) -> None:
    """Whatever the trades show is new."""

    def all_fills(book: Book, reading: Reading) -> Iterator[Any]:
        for fill in reading.fills or ():
            order = book.by_broker_id(reading.user, fill.broker_order_id)
            if order is not None:
                yield Filled(id=order.id, fill=fill)

    patch.setattr(settling, "fresh_fills", all_fills)


def old_rows_believed(patch: Patch) -> None:
    """A row that differs is taken for news, however old."""
    patch.setattr(reconcile, "advances", lambda order, row: order.row != row)


def events_dropped(patch: Patch) -> None:
    """Every ninth event is lost."""
    publish, number = Events.publish, count(1)

    def some(self: Events, entry: Any) -> None:
        if next(number) % 9:
            publish(self, entry)

    patch.setattr(Events, "publish", some)


def open_ends_forgotten(patch: Patch) -> None:
    """After a start nobody asks what became of an order that was being sent."""
    patch.setattr(Book, "without_outcome", lambda self: [])


def doubt_ends_by_timer(patch: Patch) -> None:
    """A doubt that is old enough is rejected."""

    def soon(*args: Any, waited_s: float, **kwargs: Any) -> str:
        return "" if waited_s > 20 else "wait"

    patch.setattr(settling, "why_not_absent", soon)


def every_key_is_new(patch: Patch) -> None:
    """The canary: no key is ever known."""
    patch.setattr(Book, "by_key", lambda self, user, key: None)
    patch.setattr(Book, "key_is_spent", lambda self, user, key: False)


CANARY = every_key_is_new
BUGS: dict[str, Callable[[Patch], None]] = {
    plant.__name__: plant
    for plant in (
        never_synced,
        told_before_synced,
        synced_after_the_send,
        looks_only_at_open_orders,
        absent_after_ten_seconds,
        sends_again_after_absent,
        gate_read_too_early,
        tag_from_a_counter,
        limiter_forgets_cancels,
        lost_taken_for_unsent,
        absent_from_a_new_day,
        lost_tags_ignored,
        sweep_ignores_doubts,
        slot_before_the_sync,
        validates_before_the_key,
        write_sent_twice,
        any_payload_will_do,
        kill_in_memory_only,
        fills_counted_again,
        old_rows_believed,
        events_dropped,
        open_ends_forgotten,
        doubt_ends_by_timer,
        every_key_is_new,
    )
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """With this bug in."""
    with Patch.context() as patch:
        BUGS[name](patch)
        yield
