"""Looks at an account's order book until nothing is unclear, and keeps up with it afterwards.

One reader an account. What a look shows is the settler's to judge (`settling.py`); when the next one is due is decided here:
soon after something moved, ever later while nothing does, and seldom where the broker pushes what happens (`hearing.py`).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial

import anyio
import structlog

from ordod.adapter import BrokerOrder, Dialogue, Fill, Rows, Session, supports
from ordod.core.account import Account
from ordod.core.orders.book import Book
from ordod.core.orders.hearing import Hearing
from ordod.core.orders.journal import JournalFailed
from ordod.core.orders.reconcile import Reading, appeared_doubts
from ordod.core.orders.settling import Contradiction, Settler
from ordod.core.orders.states import OrderState
from ordod.core.ports import Clock
from ordod.core.waiting import Once
from ordod.errors import Kind, OrdoError

__all__ = ["Reader"]

DOUBT_PAUSES_S = (0.3, 0.7, 1.0, 2.0, 4.0)  # looks at 0.3, 1, 2, 4, 8 s, then every DOUBT_PAUSE_S
DOUBT_PAUSE_S = 7.0
LIVE_PAUSES_S = (0.1, 0.2, 0.7, 1.0, 1.0, 2.0)  # after something moved: no push channel tells us
LIVE_PAUSE_S = 3.0
# Where the broker pushes what happens: soon for what it leaves out, trade ids say; then seldom.
TOLD_PAUSES_S = (0.3, 3.0)
TOLD_PAUSE_S = 10.0  # a push channel may be deaf without knowing it
IDLE_PAUSE_S = 15.0  # orders placed elsewhere are listed too
READ_S = 8.0
TAGS_MAX = 5  # look-ups by tag of one turn: one order in doubt is the rule, and books come first
REST = 9.0  # times what a reading took, before the next: a book of thousands must not keep the loop from orders
REST_S_MAX = 1.0
FAILED_PAUSES_S = (1.0, 2.0, 5.0, 10.0)

log = structlog.get_logger("settling")


class Reader:
    """Reads one account's book, again and again.

    Args:
        hearing: what the broker pushes; its channel opening, and what it cannot tell, begin a look.
        appeared: called after a reading, for what waits for orders to appear (cancels of doubtful ones, the kill sweep).
    """

    def __init__(
        self,
        account: Account,
        *,
        clock: Clock,
        book: Book,
        settler: Settler,
        hearing: Hearing,
        appeared: Callable[[str], Awaitable[None]],
    ) -> None:
        self._account = account
        self._clock = clock
        self._book = book
        self._settler = settler
        self._appeared = appeared
        self.hearing = hearing
        hearing.look = self.look
        self._nudged = Once()
        self._is_wanted = False  # somebody waits for a reading begun now
        self._ended = float("-inf")  # boot time of the end of the last turn
        self._read = anyio.Event()  # set and replaced after every reading
        self._looks = 0  # since something last moved or was asked for
        self._failures = 0
        self._took_s = 0.0  # the last turn
        self._begun = float("-inf")  # of the last whole reading
        self._rows: Rows[BrokerOrder] = Rows(())  # the last reading's
        self._edition = account.master.edition  # of the instruments it was read with
        self.unstored: list[
            tuple[OrderState, BrokerOrder]
        ] = []  # on a dead disk: doubts that appeared, for the kill sweep

    @property
    def why_open(self) -> Mapping[str, str]:
        """Orders in doubt, by id -> why they are not settled yet."""
        return self._settler.why_open

    @property
    def contradictions(self) -> Iterable[Contradiction]:
        """The last orders that had ended and that the broker shows otherwise."""
        return self._settler.contradictions

    def count_from_now(self, item_id: str) -> None:
        """The send of this order or change, or its connection, ended now: its horizon counts from here."""
        self._settler.count_from_now(item_id)

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
        if is_read and self.hearing.is_open:
            if self._looks < len(TOLD_PAUSES_S):
                return TOLD_PAUSES_S[self._looks]
            return TOLD_PAUSE_S if self._is_anything_open() else IDLE_PAUSE_S
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
            if await self._settler.take_in(reading):
                self._looks = 0
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
        await self._appeared(self._account.name)

    async def _look(self) -> Reading:
        """Book, and trades where rows show fills we do not know. Raises OrdoError."""
        account = self._account
        deadline = self._clock.boot() + READ_S
        await account.keeper.ensure(deadline)
        begun, begun_at, user = self._clock.boot(), self._clock.now(), account.user
        assert user is not None

        edition = account.master.edition
        last: Rows[BrokerOrder] = self._rows if self._edition == edition else Rows(())
        rows = await account.read(
            lambda session: account.adapter.orders(session, account.master, last),
            deadline=deadline,
        )
        self._rows, self._edition = rows, edition
        if account.user != user:
            raise OrdoError(
                Kind.SESSION_REQUIRED, f"the session was {user}'s, now {account.user}'s"
            )
        for bad in rows.bad:
            log.warning("row_unreadable", account=account.name, why=bad.why)
        shows_ours = not any(self._settler.may_be_ours(bad.row) for bad in rows.bad)
        hidden = await self._by_tag(rows.good, deadline)
        fills: tuple[Fill, ...] | None = None
        if self._settler.lacks_fills(user, rows.good + hidden):
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
            and not self._settler.is_under_way(order)
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


def _orders_of(account: Account, tag: str, session: Session) -> Dialogue[Rows[BrokerOrder]]:
    return account.adapter.by_tag(session, tag, account.master)
