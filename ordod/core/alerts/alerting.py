"""Looks every second, and at once when the kill switch moves; hands what is to be told to the receivers.

It reads what the parts know and changes nothing; no order waits for it. Where there is no receiver it does not look.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta

import anyio
import msgspec
import structlog
from anyio.abc import TaskGroup
from msgspec import Struct
from msgspec.structs import replace

from ordod.core.alerts.outlet import Outlet, ReceiverStatus
from ordod.core.alerts.tracking import Condition, Firing, Memory, Tracker
from ordod.core.ports import Clock, Disk, DiskError, Undelivered
from ordod.domain.alerts import TEST, Alert, AlertState, Severity

__all__ = ["Alerting", "AlertsStatus", "Tried"]

FILE = "alerts.json"
LOOK_S = 1.0
MEASURE_S = 30.0  # of the disk's room: a full one took days
MESSAGE_MAX = 1000  # characters; a phone shows some hundred
END_S = 1.5  # for what waits when the daemon stops
STORE_S = 1.0  # for the disk, where the daemon cannot start

log = structlog.get_logger("alerts")

Look = Callable[[int | None], Iterable[Condition]]


class AlertsStatus(Struct, frozen=True, kw_only=True):
    """What the daemon told people by itself, and how its receivers stand.

    Args:
        firing: what was told and is not over.
        held: alerts that wait because the hour's bound is reached.
        receivers: those of `[alerts]`.
    """

    firing: tuple[Firing, ...]
    held: int
    receivers: tuple[ReceiverStatus, ...]


class Tried(Struct, frozen=True):
    """A receiver that was tried.

    Args:
        receiver: its name in `[alerts]`.
        delivered: true: it took the alert.
        problem: why it did not; "" where it did.
    """

    receiver: str
    delivered: bool
    problem: str


class Alerting:
    """All alerts of a daemon.

    Args:
        hide: takes secrets out of a text: a broker's words may hold one.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        disk: Disk,
        host: str,
        hide: Callable[[str], str] = lambda text: text,
    ) -> None:
        self._look: Look = lambda _: ()
        self._clock = clock
        self._disk = disk
        self._host = host
        self._hide = hide
        self._outlets: dict[str, Outlet] = {}
        self._scopes: dict[str, anyio.CancelScope] = {}
        self._group: TaskGroup | None = None
        self._free_bytes: int | None = None
        self._woken = anyio.Event()
        self._to_store = anyio.Event()
        self._tracker = Tracker(
            host=host,
            now=clock.now(),
            boot=clock.boot(),
            memory=self._remembered(),
        )

    def status(self) -> AlertsStatus:
        return AlertsStatus(
            firing=self._tracker.firing,
            held=self._tracker.held,
            receivers=tuple(outlet.status() for outlet in self._outlets.values()),
        )

    # Receivers

    def use(
        self,
        outlets: Iterable[Outlet],
        *,
        remind_s: float,
        per_hour: int,
        look: Look = lambda _: (),
    ) -> None:
        """From now on these are told; those that were there before and are no more are let go.

        Args:
            look: what holds now; given the room on the disk in bytes, None where it is not known yet.
        """
        self._look = look
        self._tracker.remind_s, self._tracker.per_hour = remind_s, per_hour
        wanted = {outlet.name: outlet for outlet in outlets}
        for name, outlet in list(self._outlets.items()):
            if wanted.get(name) is not outlet:
                del self._outlets[name]
                if name in self._scopes:
                    self._scopes.pop(name).cancel()
        self._outlets |= wanted
        self._start_missing()
        self.wake()

    def outlet(self, name: str) -> Outlet | None:
        return self._outlets.get(name)

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._outlets)

    def wake(self) -> None:
        """Look at once."""
        self._woken.set()

    # Its life

    async def run(self) -> None:
        """Until cancelled."""
        async with anyio.create_task_group() as self._group:
            self._scopes.clear()
            self._start_missing()
            self._group.start_soon(self._measure)
            self._group.start_soon(self._keep)
            try:
                while True:
                    if self._outlets:
                        self.look()
                    with anyio.move_on_after(LOOK_S):
                        await self._woken.wait()
                    self._woken = anyio.Event()
            finally:
                self._group.cancel_scope.cancel()

    def look(self, *conditions: Condition) -> None:
        """One look; what is to be told is queued."""
        found = [self._fit(one) for one in conditions or self._look(self._free_bytes)]
        held = self._tracker.held
        alerts = self._tracker.look(found, now=self._clock.now(), boot=self._clock.boot())
        if self._tracker.held and not held:
            log.warning("alerts_held", waiting=self._tracker.held, per_hour=self._tracker.per_hour)
        for alert in alerts:
            log.warning("alert", id=alert.id, state=alert.state, message=alert.message)
            for outlet in self._outlets.values():
                outlet.put(alert)
        if alerts:
            self._to_store.set()

    async def end(self) -> None:
        """What waits may still go, for a moment: a stop waits for no receiver."""
        if self._group is None or not self._outlets:
            return
        self.look()
        with anyio.move_on_after(END_S):
            await self._delivered()
        for outlet in self._outlets.values():
            await outlet.receiver.aclose()

    async def tell_and_end(self, condition: Condition, within_s: float) -> None:
        """For a daemon that does not start: tell this, and be done. Never raises."""
        with anyio.move_on_after(within_s):
            async with anyio.create_task_group() as group:
                self._group = group
                self._start_missing()
                self.look(condition)
                await self._delivered()
                group.cancel_scope.cancel()
        with anyio.move_on_after(STORE_S):
            await self._store()
        for outlet in self._outlets.values():
            await outlet.receiver.aclose()

    async def test(self, names: Sequence[str]) -> list[Tried]:
        """Tell these receivers that they work, once, at the same time."""
        tried: dict[str, Tried] = {}
        alert = self._test_alert()

        async def one(outlet: Outlet) -> None:
            try:
                await outlet.send(alert)
            except Undelivered as error:
                tried[outlet.name] = Tried(outlet.name, False, str(error))
            else:
                tried[outlet.name] = Tried(outlet.name, True, "")

        async with anyio.create_task_group() as group:
            for name in names:
                group.start_soon(one, self._outlets[name])
        return [tried[name] for name in names]

    def _test_alert(self) -> Alert:
        now = self._clock.now()
        return Alert(
            id=TEST,
            kind=TEST,
            severity=Severity.INFO,
            state=AlertState.FIRING,
            account=None,
            since=now,
            at=now,
            host=self._host,
            reminder=False,
            title=f"[TEST] ordod at {self._host}",
            message="this receiver works; nothing is wrong",
        )

    def _fit(self, condition: Condition) -> Condition:
        """To be shown to anybody, and stored: no secret, no page of HTML."""
        text = "".join(c if c.isprintable() else " " for c in self._hide(condition.message))
        return replace(condition, message=text[:MESSAGE_MAX])

    # Tasks

    def _start_missing(self) -> None:
        for name, outlet in self._outlets.items():
            if self._group is not None and name not in self._scopes:
                scope = self._scopes[name] = anyio.CancelScope()
                self._group.start_soon(_run_within, scope, outlet)

    async def _delivered(self) -> None:
        for outlet in list(self._outlets.values()):
            await outlet.idle()

    async def _measure(self) -> None:
        """Apart from the looks: a disk that hangs must not stop them."""
        while True:
            if self._outlets:
                with suppress(DiskError):
                    self._free_bytes = await self._disk.free_bytes()
            await anyio.sleep(MEASURE_S)

    # What outlives a restart

    async def _keep(self) -> None:
        while True:
            await self._to_store.wait()
            self._to_store = anyio.Event()
            await self._store()

    async def _store(self) -> None:
        memory = self._tracker.memory(now=self._clock.now(), boot=self._clock.boot())
        with suppress(DiskError):
            await self._disk.replace(FILE, msgspec.json.encode(memory))

    def _remembered(self) -> Memory:
        """Nothing where the file cannot be used: then what holds is told anew."""
        try:
            memory = msgspec.json.decode(self._disk.read(FILE), type=Memory)
        except FileNotFoundError:
            return Memory()
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("alerts_forgotten", why=str(error))
            return Memory()
        later = self._clock.now() + timedelta(seconds=1)
        return Memory(firing=memory.firing, sent=tuple(s for s in memory.sent if s.at <= later))


async def _run_within(scope: anyio.CancelScope, outlet: Outlet) -> None:
    try:
        with scope:
            await outlet.run()
    finally:
        with anyio.CancelScope(shield=True):
            await outlet.receiver.aclose()
