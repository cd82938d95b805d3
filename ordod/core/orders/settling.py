"""What readings of an account's book, and what the broker pushes, mean for what is in doubt.

A doubt ends by evidence only: a row (at once, always), or two whole readings without one, begun a horizon after the send and
5 s apart. There is no count of tries and no timer that ends it; a doubt that no reading can end waits for a person, and says
so. Nothing is ever sent again.

One reading is taken in at a time, so that none is judged by a book which the one before is about to change. A pushed row is
newer than a reading that was begun before it came: for the orders that were heard of since, that reading is an old copy.
"""

from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import anyio
import structlog
from msgspec import Struct
from msgspec.structs import replace

from ordod.adapter import BrokerOrder, supports
from ordod.core.account import Account
from ordod.core.orders.keys import tag_prefix
from ordod.core.orders.ledger import Ledger
from ordod.core.orders.reconcile import (
    Reading,
    change_shows,
    found,
    fresh_fills,
    lacks_seen_orders,
    wants_fills,
    why_not_absent,
)
from ordod.core.orders.records import Evidence, Record, Settled, Update
from ordod.core.orders.states import ChangeState, OrderState
from ordod.core.orders.trail import about
from ordod.core.ports import Clock
from ordod.domain.orders import Status, Variety

__all__ = ["Contradiction", "Settler"]

HEARD_MAX = 50_000  # orders of one day
CONTRADICTIONS_KEPT = 20  # for whoever tells people; each is in the log and the journal besides
SURE_ENDS = (Status.REJECTED, Status.CANCELLED, Status.EXPIRED)
APART_S = 5.0  # between the two readings that speak for absence
LAPSED = "its day's book is gone before its end was seen: this is how it last stood; trades and positions tell the rest"

log = structlog.get_logger("settling")


class Contradiction(Struct, frozen=True, kw_only=True):
    """An order that had ended, by what was told of it, and that the broker shows otherwise. `was`, `shown`: its status."""

    at: datetime
    order: str
    key: str | None
    what: str
    was: Status
    shown: Status


class Settler:
    """Takes in readings of one account.

    Args:
        adopted: called with orders in the book that carry our tag while the journal lacks them.
    """

    def __init__(
        self,
        account: Account,
        *,
        clock: Clock,
        ledger: Ledger,
        new_id: Callable[[str], str],
        adopted: Callable[[str, list[str]], None],
    ) -> None:
        self._account = account
        self._clock = clock
        self._ledger = ledger
        self._book = ledger.book
        self._new_id = new_id
        self._adopted = adopted
        self._one_at_a_time = anyio.Lock()
        self._heard_at: dict[str, float] = {}  # broker order id -> boot time of the last pushed row
        self._counted_from: dict[str, float] = {}  # doubt -> boot time its horizon counts from
        # order or change in doubt -> boot time of the first reading that speaks against it
        self._absent_since: dict[str, float] = {}
        self.why_open: dict[str, str] = {}  # doubt -> why it is not settled yet
        self.contradictions: deque[Contradiction] = deque(maxlen=CONTRADICTIONS_KEPT)

    async def take_in(self, reading: Reading) -> bool:
        """What the reading shows, on disk and in the book; then what it lets us conclude. Whether it showed anything new.

        Raises JournalFailed.
        """
        async with self._one_at_a_time:
            has_news = await self._take_in(reading)
            self._forget_ended()
            return has_news

    async def hear(self, reading: Reading) -> bool:
        """The same for what the broker pushed. Whether the book must be asked about some of it.

        An order that was sent just now may be pushed before its answer is here, by an id that nobody knows yet: rows of unknown
        orders without a tag of ours are left to the book.
        """
        async with self._one_at_a_time:
            rows = tuple(row for row in reading.rows if self._is_known(row, reading.user))
            self._heard_at |= {row.broker_order_id: reading.begun for row in rows}
            await self._take_in(replace(reading, rows=rows))
            has_strangers = len(rows) < len(reading.rows)
            return has_strangers or self.lacks_fills(reading.user, rows)

    def lacks_fills(self, user: str, rows: tuple[BrokerOrder, ...]) -> bool:
        """Whether the rows show executions that we do not know, and the broker has a list of them."""
        return supports(self._account.adapter, "trades") and wants_fills(self._book, user, rows)

    def _is_known(self, row: BrokerOrder, user: str) -> bool:
        is_listed = self._book.by_broker_id(user, row.broker_order_id) is not None
        return is_listed or any(map(self.is_ours, row.tags))

    async def _take_in(self, reading: Reading) -> bool:
        news = replace(reading, rows=tuple(r for r in reading.rows if not self._is_old(r, reading)))
        shown = list(
            found(
                self._book,
                self._account.name,
                news,
                is_ours=self.is_ours,
                new_id=self._new_id,
            )
        )
        unknown = {r.id for r in shown if isinstance(r, Update) and self._is_strange(reading, r)}
        self._warn_of_contradictions(shown)
        if shown:
            await self._ledger.record(*shown)
        strangers = [r.id for r in shown if isinstance(r, Update) and r.id in unknown]
        if strangers:
            self._adopted(self._account.name, strangers)
        fills = list(fresh_fills(self._book, reading))
        if fills:
            await self._ledger.record(*fills)
        conclusions = [*self._absences(reading), *self._lapsed(reading), *self._changes(reading)]
        if conclusions:
            await self._ledger.record(*conclusions)
        return bool(shown or fills)

    def _is_old(self, row: BrokerOrder, reading: Reading) -> bool:
        return self._heard_at.get(row.broker_order_id, float("-inf")) > reading.begun

    def _is_strange(self, reading: Reading, update: Update) -> bool:
        """Whether a row has a tag of ours that no order explains. The legs of an order repeat its tag."""
        if update.tag is None:
            return False
        owner = self._book.by_tag(reading.user, update.tag)
        has_legs = owner is not None and owner.terms.variety in (Variety.ICEBERG, Variety.CO)
        return not has_legs and update.row.parent_order_id is None

    def _warn_of_contradictions(self, shown: list[Record]) -> None:
        """Before they are on disk: the book still has what was told until now."""
        rows = {record.id: record.status for record in shown if isinstance(record, Update)}
        for order, status in self._contradicted(shown, rows):
            self.contradictions.append(
                Contradiction(
                    at=self._clock.now(),
                    order=order.id,
                    key=order.key,
                    what=f"{order.terms.side} {order.terms.quantity} {order.terms.symbol}",
                    was=order.status,
                    shown=status,
                )
            )
            log.error(
                "ended_order_is_at_the_broker",
                **about(order),
                was=order.status,
                shown=status,
            )

    def _contradicted(
        self, shown: list[Record], rows: dict[str, Status]
    ) -> Iterator[tuple[OrderState, Status]]:
        """Orders that had ended and live, or were filled, after all; and how they are shown.

        One that was refused and stands in the book as refused is none: some brokers list what they rejected.
        """
        for record in shown:
            if isinstance(record, Settled) and record.outcome == "placed":
                order = self._book.orders.get(record.id)
                status = rows.get(record.id, Status.PENDING)
                if order is not None and not order.is_open_doubt and status is not order.status:
                    yield order, status
            elif isinstance(record, Update):
                order = self._book.orders.get(record.id)
                if order is None or order.sent != "placed" or order.has_lapsed or order.legs:
                    continue
                if order.status in SURE_ENDS and record.status not in SURE_ENDS:
                    yield order, record.status

    def _absences(self, reading: Reading) -> list[Record]:
        """Doubts that this reading does not hold, by the rules of absence."""
        if reading.is_pushed:
            return []
        records: list[Record] = []
        doubts = self._book.doubts(self._account.name)
        day = self._account.book_day(reading.begun_at)
        misses_seen = bool(doubts) and lacks_seen_orders(self._book, reading, day)
        for order in doubts:
            if self.is_under_way(order):
                continue
            why = why_not_absent(
                self._book,
                order,
                reading,
                waited_s=reading.begun - self._count_from(order),
                horizon_s=self._account.rules.doubt_horizon_s,
                is_same_book_day=order.sent_at is not None
                and self._account.book_day(order.sent_at) == day,
                misses_seen=misses_seen,
            )
            self._tell(order, why)
            if why:
                self._absent_since.pop(order.id, None)
                continue
            records.append(
                Evidence(
                    id=order.id,
                    source="book",
                    begun_at=reading.begun_at,
                    complete=True,
                    found=False,
                )
            )
            first = self._absent_since.setdefault(order.id, reading.begun)
            if reading.begun - first >= APART_S:
                records.append(
                    Settled(
                        id=order.id,
                        outcome="not_placed",
                        by="book",
                        reason="two complete readings of the broker's book do not hold it",
                    )
                )
        return records

    def _forget_ended(self) -> None:
        """What is settled needs no reckoning any more; what was heard of long ago no reading is older than."""
        name = self._account.name
        if len(self._heard_at) > HEARD_MAX:
            self._heard_at.clear()
        is_open = {o.id for o in self._book.open_orders(name)}
        is_open |= {c.id for c in self._book.open_changes(name)}
        for reckoning in (self._counted_from, self._absent_since, self.why_open):
            for item in [item for item in reckoning if item not in is_open]:
                del reckoning[item]

    def _lapsed(self, reading: Reading) -> list[Record]:
        """Living orders of past book days, by the same two readings: their day's book will not come back.

        How they ended nobody saw, so nobody says; they only no longer count as living. A row or a fill brings them back.
        """
        records: list[Record] = []
        day = self._account.book_day(reading.begun_at)
        shown = {row.broker_order_id for row in reading.rows}
        for order in self._book.live(self._account.name):
            placed_at = (
                order.row.placed_at if order.row and order.row.placed_at else order.placed_at
            )
            if placed_at >= day or order.broker_order_id in shown or not reading.is_whole:
                continue
            first = self._absent_since.setdefault(order.id, reading.begun)
            since_turn_s = (reading.begun_at - day).total_seconds()
            is_settled_in = since_turn_s >= self._account.rules.doubt_horizon_s
            if reading.begun - first >= APART_S and is_settled_in and order.user == reading.user:
                del self._absent_since[order.id]
                records.append(Settled(id=order.id, outcome="lapsed", by="book", reason=LAPSED))
        return records

    def is_under_way(self, order: OrderState) -> bool:
        """Whether its send has not ended yet."""
        return order.sent == "intent" and order.id not in self._counted_from

    def _count_from(self, item: OrderState | ChangeState) -> float:
        return self._counted_from.setdefault(item.id, self._clock.boot())

    def count_from_now(self, item_id: str) -> None:
        """The send of this order or change, or its connection, ended now: its horizon counts from here."""
        self._counted_from[item_id] = self._clock.boot()
        order = self._book.orders.get(item_id)
        if order is not None and order.is_open_doubt:
            order.next_check = self._clock.now()

    def _tell(self, order: OrderState, why: str) -> None:
        if why != self.why_open.get(order.id) and "order.resolve" in why:
            log.warning("doubt_waits_for_person", **about(order), why=why)
        self.why_open[order.id] = why

    def _changes(self, reading: Reading) -> list[Record]:
        """Modifies and cancels whose end the order's row shows, or that two readings past the horizon show without effect."""
        records: list[Record] = []
        shown = {row.broker_order_id for row in reading.rows}
        for change in self._book.open_changes(self._account.name):
            order = self._book.orders.get(change.order_id or "")
            waited_s = reading.begun - self._count_from(change)
            if order is None or change.state == "intent" or waited_s < 0:
                continue
            if order.user != reading.user:
                continue
            outcome = change_shows(change, order)
            is_over = waited_s >= self._account.rules.doubt_horizon_s
            if (
                not outcome
                and not reading.is_pushed
                and order.is_live
                and is_over
                and order.broker_order_id in shown
            ):
                first = self._absent_since.setdefault(change.id, reading.begun)
                outcome = "not_done" if reading.begun - first >= APART_S else ""
            if outcome:
                records.append(Settled(id=change.id, outcome=outcome, by="book"))
        return records

    def is_ours(self, text: str) -> bool:
        tag = self._account.spec.tag
        if tag is None or len(text) != tag.length:
            return False
        return text.startswith(tag_prefix(self._ledger.journal.installation, tag))

    def may_be_ours(self, row: Any) -> bool:
        """Whether a row we cannot read holds a tag of this installation anywhere."""
        match row:
            case str():
                return self.is_ours(row)
            case dict():
                return any(map(self.may_be_ours, row.values()))
            case list():
                return any(map(self.may_be_ours, row))
            case _:
                return False
