"""One receiver: what waits for it, and the telling of it, again where it fails.

Nobody waits for a receiver. The queue is bounded, what the receiver answers is the port's to bound, and a receiver that is broken
costs nothing but its own alerts, which are counted.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime

import anyio
import stamina
import structlog
from msgspec import Struct

from ordod.core.ports import Clock, Receiver, Undelivered
from ordod.domain.alerts import Alert, AlertKind

__all__ = ["Outlet", "ReceiverStatus"]

WAITING_MAX = 100  # three hours of the most that is told in one
RETRY_FIRST_S = 2.0  # then 4, 8, ...
RETRY_LAST_S = 60.0
TRIES = 20  # in about a quarter of an hour: a router restarts in minutes, and what is older the next reminder tells
SEND_S = 15.0  # a receiver keeps to 10 s by itself; this is for one that does not

log = structlog.get_logger("alerts")


class ReceiverStatus(Struct, frozen=True, kw_only=True):
    """How a receiver of `[alerts]` stands, since the start.

    Args:
        receiver: its name.
        delivered: alerts it took.
        failed: alerts that were given up.
        dropped: alerts that went because too many waited.
        waiting: alerts that are still to be delivered.
        delivered_at: when it took the last.
        problem: why the last try failed; "" where it did not.
    """

    receiver: str
    delivered: int
    failed: int
    dropped: int
    waiting: int
    delivered_at: datetime | None
    problem: str


class _Lane:
    """Alerts in order. Bounded: the oldest goes."""

    def __init__(self) -> None:
        self.waiting: deque[Alert] = deque()
        self.under_way: Alert | None = None
        self._changed = anyio.Event()
        self._idle = anyio.Event()

    def __len__(self) -> int:
        return len(self.waiting) + (self.under_way is not None)

    def put(self, alert: Alert) -> bool:
        """False: one had to go for it."""
        is_full = len(self.waiting) >= WAITING_MAX
        if is_full:
            self.waiting.popleft()
        self.waiting.append(alert)
        self._changed.set()
        return not is_full

    async def run(self, deliver: Callable[[Alert], Awaitable[None]]) -> None:
        """Until cancelled."""
        while True:
            while self.waiting:
                self.under_way = self.waiting.popleft()
                try:
                    await deliver(self.under_way)
                finally:
                    self.under_way = None
            self._idle.set()
            self._changed, self._idle = anyio.Event(), anyio.Event()
            await self._changed.wait()

    async def idle(self) -> None:
        while len(self):
            await self._idle.wait()


class Outlet:
    """A receiver and its two lanes: news of the kill switch waits behind no other alert that is tried again and again.

    `kinds`: what it is told; empty: everything.
    """

    def __init__(
        self, name: str, receiver: Receiver, *, clock: Clock, kinds: Collection[str] = ()
    ) -> None:
        self.name = name
        self.receiver = receiver
        self._kinds = frozenset(kinds)
        self._clock = clock
        self._kills, self._others = _Lane(), _Lane()
        self._delivered = self._failed = self._dropped = 0
        self._delivered_at: datetime | None = None
        self._problem = ""

    def status(self) -> ReceiverStatus:
        return ReceiverStatus(
            receiver=self.name,
            delivered=self._delivered,
            failed=self._failed,
            dropped=self._dropped,
            waiting=len(self._kills) + len(self._others),
            delivered_at=self._delivered_at,
            problem=self._problem,
        )

    def put(self, alert: Alert) -> None:
        """Queue it, where it is for this receiver."""
        if self._kinds and alert.kind not in self._kinds:
            return
        lane = self._kills if alert.kind == AlertKind.KILL else self._others
        if not lane.put(alert):
            self._dropped += 1
            log.warning("alert_dropped", receiver=self.name)

    async def run(self) -> None:
        """Until cancelled."""
        await self.receiver.prepare()
        async with anyio.create_task_group() as group:
            for lane in (self._kills, self._others):
                group.start_soon(lane.run, self._deliver)

    async def idle(self) -> None:
        """Nothing waits for it any more."""
        await self._kills.idle()
        await self._others.idle()

    async def _deliver(self, alert: Alert) -> None:
        try:
            async for attempt in stamina.retry_context(
                on=_is_worth_another_try,
                attempts=TRIES,
                timeout=None,
                wait_initial=RETRY_FIRST_S,
                wait_max=RETRY_LAST_S,
                wait_jitter=0,
            ):
                with attempt:
                    await self.send(alert)
        except Undelivered as error:
            self._failed += 1
            log.error("alert_not_delivered", receiver=self.name, id=alert.id, why=str(error))  # noqa: TRY400 - an outcome
        else:
            log.info("alerted", receiver=self.name, id=alert.id, state=alert.state)

    async def send(self, alert: Alert) -> None:
        """Once, and at once. Raises Undelivered."""
        try:
            with anyio.fail_after(SEND_S):
                await self.receiver.send(alert)
        except TimeoutError:
            self._problem = f"it took longer than {SEND_S:.0f} s"
            raise Undelivered(self._problem) from None
        except Undelivered as error:
            self._problem = str(error)
            raise
        self._delivered += 1
        self._delivered_at, self._problem = self._clock.now(), ""


def _is_worth_another_try(error: Exception) -> bool:
    return isinstance(error, Undelivered) and not error.is_final
