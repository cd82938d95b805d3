"""Looks at an account's order book until nothing is unclear, and keeps up with it afterwards.

One reader an account. A doubt ends by evidence only: a row (at once, always), or two whole readings without one, begun a
horizon after the send and 5 s apart. There is no count of tries and no timer that ends it; a doubt that no reading can end
waits for a person, and says so. Nothing is ever sent again.
"""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import anyio
import structlog

from ordod.adapter import BrokerOrder, Dialogue, Fill, Rows, Session, supports
from ordod.core.account import Account
from ordod.core.orders.journal import JournalFailed
from ordod.core.orders.keys import tag_prefix
from ordod.core.orders.ledger import Ledger
from ordod.core.orders.reconcile import (
    Reading,
    appeared_doubts,
    change_shows,
    found,
    fresh_fills,
    lacks_seen_orders,
    wants_fills,
    why_not_absent,
)
from ordod.core.orders.records import Evidence, Record, Settled, Update
from ordod.core.orders.states import ChangeState, OrderState
from ordod.core.ports import Clock
from ordod.core.waiting import Once
from ordod.domain.orders import Variety
from ordod.errors import Kind, OrdoError

__all__ = ["Reader"]

DOUBT_PAUSES_S = (0.3, 0.7, 1.0, 2.0, 4.0)  # looks at 0.3, 1, 2, 4, 8 s, then every DOUBT_PAUSE_S
DOUBT_PAUSE_S = 7.0
LIVE_PAUSES_S = (0.1, 0.2, 0.7, 1.0, 1.0, 2.0)  # after something moved: no push channel tells us
LIVE_PAUSE_S = 3.0
IDLE_PAUSE_S = 15.0  # orders placed elsewhere are listed too
APART_S = 5.0  # between the two readings that speak for absence
READ_S = 8.0
TAGS_MAX = 5  # look-ups by tag of one turn: one order in doubt is the rule, and books come first
LAPSED = "its day's book is gone before its end was seen: this is how it last stood; trades and positions tell the rest"
REST = 9.0  # times what a reading took, before the next: a book of thousands must not keep the loop from orders
REST_S_MAX = 1.0
FAILED_PAUSES_S = (1.0, 2.0, 5.0, 10.0)

log = structlog.get_logger("settling")


class Reader:
    """Reads one account's book, again and again.

    Args:
        appeared: called after a reading, for what waits for orders to appear (cancels of doubtful ones, the kill sweep).
        adopted: called with orders in the book that carry our tag while the journal lacks them.
    """

    def __init__(
        self,
        account: Account,
        *,
        clock: Clock,
        ledger: Ledger,
        new_id: Callable[[str], str],
        appeared: Callable[[str], Awaitable[None]],
        adopted: Callable[[str, list[str]], None],
    ) -> None:
        self._account = account
        self._clock = clock
        self._ledger = ledger
        self._book = ledger.book
        self._new_id = new_id
        self._appeared = appeared
        self._adopted = adopted
        self._nudged = Once()
        self._is_wanted = False  # somebody waits for a reading begun now
        self._ended = float("-inf")  # boot time of the end of the last turn
        self._read = anyio.Event()  # set and replaced after every reading
        self._looks = 0  # since something last moved or was asked for
        self._failures = 0
        self._took_s = 0.0  # the last turn
        self._begun = float("-inf")  # of the last whole reading
        self._counted_from: dict[str, float] = {}  # doubt -> boot time its horizon counts from
        self._absent_since: dict[
            str, float
        ] = {}  # order or change in doubt -> boot time of the first reading that speaks against it
        self.why_open: dict[str, str] = {}  # doubt -> why it is not settled yet
        self.unstored: list[
            tuple[OrderState, BrokerOrder]
        ] = []  # on a dead disk: doubts that appeared, for the kill sweep

    def look(self) -> None:
        """Something may have moved: look soon."""
        if self._looks or not self._nudged.is_set:
            self._say_next_check(0.0)
        self._looks = 0
        self._nudged.set()

    async def seen_since(self, boot: float, *, within_s: float) -> bool:
        """Wait for a whole reading begun at or after this boot time. False: there was none in time."""
        self._looks = 0
        with anyio.move_on_after(within_s):
            while self._begun < boot:
                read = self._read
                self._is_wanted = True
                self._nudged.set()
                await read.wait()
            return True
        return False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._due()
            is_wanted, self._is_wanted = self._is_wanted, False
            await self._turn(is_wanted)
            self._ended = self._clock.boot()

    async def _due(self) -> None:
        """Until it is time for the next reading, reckoned from the end of the last: a stream of orders does not put it off."""
        while not self._is_wanted:
            left = self._ended + self._pause_s() - self._clock.boot()
            if left <= 0:
                return
            self._say_next_check(left)
            self._nudged = Once()
            await self._nudged.wait(left)

    def _say_next_check(self, pause_s: float) -> None:
        at = self._clock.now() + timedelta(seconds=pause_s)
        for order in self._book.doubts(self._account.name):
            order.next_check = at

    def _pause_s(self) -> float:
        return max(self._wanted_pause_s(), min(self._took_s * REST, REST_S_MAX))

    def _wanted_pause_s(self) -> float:
        name = self._account.name
        if self._failures:
            return FAILED_PAUSES_S[min(self._failures, len(FAILED_PAUSES_S)) - 1]
        is_read = self._account.is_read
        if not is_read and not self._looks:
            return 0.0
        if self._book.doubts(name):
            return (
                DOUBT_PAUSES_S[self._looks] if self._looks < len(DOUBT_PAUSES_S) else DOUBT_PAUSE_S
            )
        if not is_read or self._book.has_live(name) or self._book.open_changes(name):
            return LIVE_PAUSES_S[self._looks] if self._looks < len(LIVE_PAUSES_S) else LIVE_PAUSE_S
        return IDLE_PAUSE_S

    def _is_anything_open(self) -> bool:
        name, book = self._account.name, self._book
        return bool(book.doubts(name) or book.has_live(name) or book.open_changes(name))

    async def _turn(self, is_wanted: bool) -> None:
        self._looks += 1
        is_idle = not is_wanted and not self._is_anything_open()
        if is_idle and self._account.keeper.is_resting():
            return  # the session ended with the day; a look at a book where nothing is open does not wake it
        began = self._clock.boot()
        try:
            reading = await self._look()
        except OrdoError as error:
            self._failures += 1
            log.info("book_not_read", account=self._account.name, why=error.message)
            return
        try:
            await self._take_in(reading)
        except JournalFailed:
            self._failures += 1
            log.warning("reading_not_stored", account=self._account.name)
            self.unstored = appeared_doubts(self._book, reading)
        else:
            self._failures = 0
        if reading.is_whole:
            self._begun = reading.begun
        if reading.shows_ours:
            self._account.is_read = True
        read, self._read = self._read, anyio.Event()
        read.set()
        self._took_s = self._clock.boot() - began
        self._forget_ended()
        await self._appeared(self._account.name)

    async def _look(self) -> Reading:
        """Book, and trades where rows show fills we do not know. Raises OrdoError."""
        account = self._account
        deadline = self._clock.boot() + READ_S
        await account.keeper.ensure(deadline)
        begun, begun_at, user = self._clock.boot(), self._clock.now(), account.user
        assert user is not None

        rows = await account.read(
            lambda session: account.adapter.orders(session, account.master), deadline=deadline
        )
        if account.user != user:
            raise OrdoError(
                Kind.SESSION_REQUIRED, f"the session was {user}'s, now {account.user}'s"
            )
        for bad in rows.bad:
            log.warning("row_unreadable", account=account.name, why=bad.why)
        shows_ours = not any(self._may_be_ours(bad.row) for bad in rows.bad)
        hidden = await self._by_tag(rows.good, deadline)
        fills: tuple[Fill, ...] | None = None
        if supports(account.adapter, "trades") and wants_fills(
            self._book, user, rows.good + hidden
        ):
            fills = await self._fills(user)
        return Reading(
            user=user,
            begun=begun,
            begun_at=begun_at,
            rows=rows.good + hidden,
            is_whole=rows.is_whole
            and not hidden,  # a book that lacks what the broker has is no proof of absence
            shows_ours=shows_ours,
            skew_s=account.keeper.skew.seconds or 0.0,
            fills=fills,
        )

    async def _by_tag(
        self, rows: tuple[BrokerOrder, ...], deadline: float
    ) -> tuple[BrokerOrder, ...]:
        """Orders in doubt that the book does not show and a look-up by their tag does. Finding nothing says nothing."""
        account = self._account
        if not supports(account.adapter, "by_tag"):
            return ()
        shown = {tag for row in rows for tag in row.tags}
        seen = {row.broker_order_id for row in rows}
        wanted = [
            order.tag
            for order in self._book.doubts(account.name)
            if order.tag is not None
            and order.tag not in shown
            and order.user == account.user
            and (order.sent != "intent" or order.id in self._counted_from)  # not under way
        ]
        found: dict[str, BrokerOrder] = {}
        for tag in wanted[:TAGS_MAX]:
            try:
                answer = await account.read(partial(_orders_of, account, tag), deadline=deadline)
            except OrdoError as error:
                log.info("tag_not_looked_up", account=account.name, why=error.message)
                break
            found |= {
                row.broker_order_id: row
                for row in answer.good
                if tag in row.tags and row.broker_order_id not in seen
            }
        return tuple(found.values())

    async def _fills(self, user: str) -> tuple[Fill, ...] | None:
        """Today's executions; None where they cannot be had now: the order book counts without them."""
        account = self._account
        try:
            trades = await account.read(
                lambda session: account.adapter.trades(session, account.master),
                deadline=self._clock.boot() + READ_S,
            )
        except OrdoError as error:
            log.warning("trades_not_read", account=account.name, why=error.message)
            return None
        return trades.good if account.user == user else None

    def _is_ours(self, text: str) -> bool:
        tag = self._account.spec.tag
        if tag is None or len(text) != tag.length:
            return False
        return text.startswith(tag_prefix(self._ledger.journal.installation, tag))

    def _may_be_ours(self, row: Any) -> bool:
        """Whether a row we cannot read holds a tag of this installation anywhere."""
        match row:
            case str():
                return self._is_ours(row)
            case dict():
                return any(map(self._may_be_ours, row.values()))
            case list():
                return any(map(self._may_be_ours, row))
            case _:
                return False

    async def _take_in(self, reading: Reading) -> None:
        """What the reading shows, on disk and in the book; then what it lets us conclude."""
        shown = list(
            found(
                self._book,
                self._account.name,
                reading,
                is_ours=self._is_ours,
                new_id=self._new_id,
            )
        )
        unknown = {r.id for r in shown if isinstance(r, Update) and self._is_strange(reading, r)}
        self._warn_of_contradictions(shown)
        if shown:
            self._looks = 0
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

    def _is_strange(self, reading: Reading, update: Update) -> bool:
        """Whether a row has a tag of ours that no order explains. The legs of an order repeat its tag."""
        if update.tag is None:
            return False
        owner = self._book.by_tag(reading.user, update.tag)
        has_legs = owner is not None and owner.terms.variety in (Variety.ICEBERG, Variety.CO)
        return not has_legs and update.row.parent_order_id is None

    def _warn_of_contradictions(self, shown: list[Record]) -> None:
        for record in shown:
            order = self._book.orders.get(record.id) if isinstance(record, Settled) else None
            if order is not None and not order.is_open_doubt:
                log.error(
                    "ended_order_is_at_the_broker",
                    account=order.account,
                    order=order.id,
                    was=order.status,
                )

    def _absences(self, reading: Reading) -> list[Record]:
        """Doubts that this reading does not hold, by the rules of absence."""
        records: list[Record] = []
        doubts = self._book.doubts(self._account.name)
        day = self._account.book_day(reading.begun_at)
        misses_seen = bool(doubts) and lacks_seen_orders(self._book, reading, day)
        for order in doubts:
            if order.sent == "intent" and order.id not in self._counted_from:
                continue  # still under way
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
        """What is settled needs no reckoning any more."""
        name = self._account.name
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
            log.warning("doubt_waits_for_person", account=order.account, order=order.id, why=why)
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
            if not outcome and order.is_live and is_over and order.broker_order_id in shown:
                first = self._absent_since.setdefault(change.id, reading.begun)
                outcome = "not_done" if reading.begun - first >= APART_S else ""
            if outcome:
                records.append(Settled(id=change.id, outcome=outcome, by="book"))
        return records


def _orders_of(account: Account, tag: str, session: Session) -> Dialogue[Rows[BrokerOrder]]:
    return account.adapter.by_tag(session, tag, account.master)
