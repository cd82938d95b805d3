"""One receiver: what waits for it, and the telling of it, again where it fails.

Nobody waits for a receiver. The queue is bounded, what the receiver answers is the port's to bound, and a receiver that is broken
costs nothing but its own alerts, which are counted.
"""

from collections import deque
from collections.abc import Collection
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
RETRY_FOR_S = 900.0  # a router restarts in minutes; what is older than that the next reminder tells
SEND_S = 15.0  # a receiver keeps to 10 s by itself; this is for one that does not

log = structlog.get_logger("alerts")


class ReceiverStatus(Struct, frozen=True, kw_only=True):
    """How a receiver of `[alerts]` stands, since the start.

    Args:
        failed: alerts that were given up; `dropped`: because too many waited.
        problem: why the last try failed; "" where it did not.
    """

    receiver: str
    delivered: int
    failed: int
    dropped: int
    waiting: int
    delivered_at: datetime | None
    problem: str


class Outlet:
    """`kinds`: what it is told; empty: everything."""

    def __init__(
        self, name: str, receiver: Receiver, *, clock: Clock, kinds: Collection[str] = ()
    ) -> None:
        self.name = name
        self.receiver = receiver
        self._kinds = frozenset(kinds)
        self._clock = clock
        self._waiting: deque[Alert] = deque()
        self._under_way: Alert | None = None
        self._changed = anyio.Event()
        self._idle = anyio.Event()
        self._delivered = self._failed = self._dropped = 0
        self._delivered_at: datetime | None = None
        self._problem = ""

    def status(self) -> ReceiverStatus:
        return ReceiverStatus(
            receiver=self.name,
            delivered=self._delivered,
            failed=self._failed,
            dropped=self._dropped,
            waiting=len(self._waiting) + (self._under_way is not None),
            delivered_at=self._delivered_at,
            problem=self._problem,
        )

    def put(self, alert: Alert) -> None:
        """Queue it. Where too many wait the oldest goes that is not of the kill switch."""
        if self._kinds and alert.kind not in self._kinds:
            return
        if len(self._waiting) >= WAITING_MAX:
            spared = (one for one in self._waiting if one.kind != AlertKind.KILL)
            self._waiting.remove(next(spared, self._waiting[0]))
            self._dropped += 1
            log.warning("alert_dropped", receiver=self.name)
        self._waiting.append(alert)
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            while self._waiting:
                self._under_way = self._waiting.popleft()
                try:
                    await self._deliver(self._under_way)
                finally:
                    self._under_way = None
            self._idle.set()
            self._changed, self._idle = anyio.Event(), anyio.Event()
            await self._changed.wait()

    async def idle(self) -> None:
        """Nothing waits for it any more."""
        while self._waiting or self._under_way is not None:
            idle = self._idle
            await idle.wait()

    async def _deliver(self, alert: Alert) -> None:
        try:
            async for attempt in stamina.retry_context(
                on=_is_worth_another_try,
                attempts=None,
                timeout=RETRY_FOR_S,
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
