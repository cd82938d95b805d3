"""What a broker pushes of an account's orders, on its way into the book.

Each thing heard is taken in at once, by the same judgement as a look at the order book, and waits for no look under way. A push
channel proves presence only, and it may lose things: so whenever it opens, says something unclear, or has more to say than can
be written down in time, the book is looked at.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from statistics import median

import anyio
import structlog
from msgspec import Struct
from msgspec.structs import replace

from ordod.adapter import BrokerOrder, Fill
from ordod.core.account import Account
from ordod.core.orders.journal import JournalFailed
from ordod.core.orders.reconcile import Reading
from ordod.core.orders.settling import Settler
from ordod.core.ports import Clock

__all__ = ["Hearing", "Lag"]

WAITING_MAX = 2000  # orders; a day's rush of fills is less
UNCLEAR_S = 1.0  # between two looks for what was unclear
LAGS_KEPT = 100

log = structlog.get_logger("hearing")


class Lag(Struct, frozen=True, kw_only=True):
    """How late updates are told, in milliseconds: medians of the last 100.

    Args:
        broker_ms: from the time in the broker's row, by the broker's clock, often whole seconds; None: it tells none.
        taken_ms: from our hearing of it until it was durable and told.
    """

    broker_ms: float | None
    taken_ms: float | None


class Hearing:
    """One account's order updates. Fulfils `core.hub.UpdateListener`.

    Args:
        appeared: called when something was taken in, for what waits for orders to appear.
    """

    def __init__(
        self,
        account: Account,
        *,
        clock: Clock,
        settler: Settler,
        appeared: Callable[[str], Awaitable[None]],
    ) -> None:
        self._account = account
        self._clock = clock
        self._settler = settler
        self._appeared = appeared
        self._waiting: deque[Reading] = deque()
        self._more = anyio.Event()
        self._told = anyio.Event()  # set and replaced after everything that was taken in
        self._channels = 0
        self._unclear_at = -UNCLEAR_S
        self._broker_ms: deque[float] = deque(maxlen=LAGS_KEPT)
        self._taken_ms: deque[float] = deque(maxlen=LAGS_KEPT)
        self.look: Callable[[], None] = _nobody_looks  # the reader's
        self.heard_count = 0

    @property
    def is_open(self) -> bool:
        """Whether the broker pushes what happens now."""
        return self._channels > 0

    @property
    def lag(self) -> Lag:
        return Lag(
            broker_ms=round(median(self._broker_ms), 1) if self._broker_ms else None,
            taken_ms=round(median(self._taken_ms), 1) if self._taken_ms else None,
        )

    async def told(self, *, within_s: float) -> None:
        """Wait until something was taken in, or so long."""
        with anyio.move_on_after(within_s):
            await self._told.wait()

    # From the hub

    def heard(self, rows: Sequence[BrokerOrder], fills: Sequence[Fill]) -> None:
        user = self._account.user
        if user is None:
            return
        self.heard_count += len(rows) + len(fills)
        if len(self._waiting) >= WAITING_MAX:
            self._waiting.clear()
            log.warning("heard_too_much", account=self._account.name)
            self.look()
        reading = Reading(
            user=user,
            begun=self._clock.boot(),
            begun_at=self._clock.now(),
            rows=tuple(rows),
            is_whole=False,
            skew_s=self._account.keeper.skew.seconds or 0.0,
            fills=tuple(fills),
            is_pushed=True,
        )
        self._waiting.append(reading)
        self._more.set()

    def unclear(self) -> None:
        now = self._clock.boot()
        if now - self._unclear_at >= UNCLEAR_S:
            self._unclear_at = now
            self.look()

    def channel_opened(self) -> None:
        self._channels += 1
        self.look()

    def channel_closed(self) -> None:
        self._channels -= 1
        self.look()

    # Taking in

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._more.wait()
            self._more = anyio.Event()
            while self._waiting:
                await self._take_in(self._next())

    def _next(self) -> Reading:
        """All that waits, as far as no order is spoken of twice: what is judged together shares one sync."""
        first = self._waiting.popleft()
        rows, fills = list(first.rows), list(first.fills or ())
        spoken_of = {row.broker_order_id for row in rows}
        while self._waiting and self._waiting[0].user == first.user:
            ids = {row.broker_order_id for row in self._waiting[0].rows}
            if ids & spoken_of:
                break
            spoken_of |= ids
            more = self._waiting.popleft()
            rows += more.rows
            fills += more.fills or ()
        return replace(first, rows=tuple(rows), fills=tuple(fills))

    async def _take_in(self, reading: Reading) -> None:
        try:
            is_unclear = await self._settler.hear(reading)
        except JournalFailed:
            log.warning("heard_not_stored", account=self._account.name)
            self.look()
            return
        if is_unclear:
            self.look()
        self._count_lag(reading)
        told, self._told = self._told, anyio.Event()
        told.set()
        await self._appeared(self._account.name)

    def _count_lag(self, reading: Reading) -> None:
        self._taken_ms.append((self._clock.boot() - reading.begun) * 1000)
        theirs = self._clock.now() + timedelta(seconds=reading.skew_s)
        for row in reading.rows:
            if row.updated_at is not None:
                self._broker_ms.append((theirs - row.updated_at).total_seconds() * 1000)


def _nobody_looks() -> None: ...
