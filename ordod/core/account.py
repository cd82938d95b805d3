"""One account: its adapter, its line, its limits, its session, and the conversation between them.

`converse` drives an adapter's dialogue over the line. It keeps the rate windows, and it is the only place that does.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from math import ceil
from typing import Protocol, TypeVar

import anyio
import stamina
from msgspec import Struct

from ordod.adapter import (
    Adapter,
    BrokerError,
    BrokerSpec,
    Dialogue,
    Fault,
    HttpRequest,
    HttpResponse,
    Session,
    supports,
)
from ordod.core.guard.breaker import Breaker
from ordod.core.guard.windows import Windows
from ordod.core.histogram import Histogram
from ordod.core.ports import Clock, Line, Lost, Master, NotAdmitted, Unsent
from ordod.core.sessions import SessionKeeper
from ordod.domain.risk import RiskLimits
from ordod.errors import Kind, OrdoError

__all__ = ["UNREACHED", "Account", "AccountRules", "Going", "Hand", "Held"]

READ_TRIES = 3  # a read may be asked again; a write never is
READ_PAUSE_S = 0.2
GATE_LOOK_S = 0.1  # while a slot is waited for

T = TypeVar("T")

UNREACHED = (  # what a gateway may have said in the broker's place; every other answer shows that it is there
    Fault.BROKER_UNAVAILABLE,
    Fault.AMBIGUOUS,
    Fault.UNREADABLE,
)
READ_KINDS = {  # what a refused read is told as
    Fault.AUTH_EXPIRED: Kind.SESSION_REQUIRED,
    Fault.AUTH_DENIED: Kind.UNSUPPORTED,
    Fault.RATE_LIMITED: Kind.RATE_LIMITED,
    Fault.BROKER_UNAVAILABLE: Kind.BROKER_UNAVAILABLE,
    Fault.AMBIGUOUS: Kind.BROKER_UNAVAILABLE,
    Fault.UNSUPPORTED: Kind.UNSUPPORTED,
}


class Held(NotAdmitted):
    """A request that was held back before its first byte, the kind of error that says why, and when it may be asked again."""

    def __init__(self, kind: Kind, message: str, *, retry_after_ms: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.retry_after_ms = retry_after_ms

    def as_error(self, account: str) -> OrdoError:
        """What the caller is told."""
        return OrdoError(self.kind, str(self), account=account, retry_after_ms=self.retry_after_ms)


class Hand(Protocol):
    """Stands between a writing request and its bytes: asked with no await before each hand-over."""

    def check(self, *, is_first: bool) -> None:
        """Raises Held to hold the bytes back."""
        ...

    def hands_over(self) -> None:
        """The first bytes go to the socket now."""
        ...


class _NoSlot(NotAdmitted):
    """Another request took the slot while this one waited for its connection."""


class AccountRules(Struct, frozen=True, kw_only=True):
    """What the configuration says of an account, as far as the core decides by it.

    Args:
        doubt_horizon_s: how long after a send absence from the book proves nothing.
        market_protection: percent for MARKET and SL-M; None: the broker's automatic.
        user_id: the broker's user this account belongs to; "" until a login tells.
        is_real: money is at stake (neither paper nor a loopback address).
    """

    name: str
    doubt_horizon_s: float = 300.0
    market_protection: Decimal | None = None
    user_id: str = ""
    is_real: bool = True
    risk: RiskLimits = RiskLimits()


class Going(Enum):
    """Why an account takes nothing new: it is no longer configured, or is about to begin anew at another address."""

    FOR_GOOD = "for good"
    ANEW = "anew"


class Account:
    """Everything about one account that lives in memory.

    `slot_waits`: of requests that had to wait for a slot, reads and (True) writes; `slots_refused`: of those that had no time to.
    """

    def __init__(
        self,
        rules: AccountRules,
        *,
        adapter: Adapter,
        line: Line,
        windows: Windows,
        keeper: SessionKeeper,
        master: Master,
        clock: Clock,
    ) -> None:
        self.rules = rules
        self.name = rules.name
        self.adapter = adapter
        self.line = line
        self.windows = windows
        self.breaker = Breaker(rules.name)
        self.keeper = keeper
        self.master = master
        self._clock = clock
        self.slot_waits = {False: Histogram(), True: Histogram()}
        self.slots_refused = {False: 0, True: 0}
        self.is_read = False  # the first complete reading of its book is done
        self.goes: Going | None = None  # None: it stays

    @property
    def spec(self) -> BrokerSpec:
        return self.adapter.spec

    def can(self, operation: str) -> bool:
        """Whether this broker has that operation of the adapter contract in Ordo."""
        return supports(self.adapter, operation)

    @property
    def user(self) -> str | None:
        """The broker user whose keys and orders these are; None before the first login ever."""
        return self.keeper.user or None

    def book_day(self, at: datetime) -> datetime:
        """When the broker's book day that holds this time began."""
        turn = self.spec.book_day
        start = at.replace(hour=turn.hour, minute=turn.minute, second=turn.second, microsecond=0)
        return start if start <= at else start - timedelta(days=1)

    async def converse(
        self,
        dialogue: Dialogue[T],
        *,
        deadline: float,
        hand: Hand | None = None,
        cancel: bool = False,
    ) -> T:
        """Play an adapter's dialogue to its end.

        Args:
            deadline: boot time until which slots and connections are waited for.
            hand: of the writing request; a read has none.
            cancel: its write comes first in the windows.
        Raises:
            BrokerError, Unsent, Lost, Held.
        """
        try:
            request = next(dialogue)
            while True:
                response = await self._exchange(request, deadline, hand, cancel)
                request = dialogue.send(response)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # StopIteration's value is untyped

    async def _exchange(
        self,
        request: HttpRequest,
        deadline: float,
        hand: Hand | None,
        cancel: bool,
    ) -> HttpResponse:
        if cancel:
            self.windows.cancel_waits()
        try:
            while True:
                await self._slot_comes(request, deadline, hand, cancel)
                if hand is None or not request.writes:
                    if self._take(request, cancel):
                        return await self.line.send(request, deadline=deadline)
                    continue
                with suppress(_NoSlot):
                    admit = self._admission(request, hand, cancel)
                    return await self.line.send(request, deadline=deadline, admit=admit)
        finally:
            if cancel:
                self.windows.cancel_left()

    def _admission(self, request: HttpRequest, hand: Hand, cancel: bool) -> Callable[[], None]:
        """Gate and deadline first, then the slot: a held request costs none. Further bytes of it pass the gate alone."""
        is_first = True

        def admit() -> None:
            nonlocal is_first
            hand.check(is_first=is_first)
            if is_first:
                if not self._take(request, cancel):
                    raise _NoSlot
                is_first = False
                hand.hands_over()

        return admit

    def _take(self, request: HttpRequest, cancel: bool) -> bool:
        now = self._clock.boot()
        return self.windows.take(request.group, now, writes=request.writes, cancel=cancel)

    async def _slot_comes(
        self, request: HttpRequest, deadline: float, hand: Hand | None, cancel: bool
    ) -> None:
        began: float | None = None
        while wait_s := self.windows.wait_s(
            request.group, now := self._clock.boot(), writes=request.writes, cancel=cancel
        ):
            began = now if began is None else began
            self._check_wait(request.group, wait_s, now, deadline, writes=request.writes)
            if hand is not None and request.writes:
                hand.check(
                    is_first=True
                )  # who waits is told of a kill at once, not when the slot comes
                wait_s = min(wait_s, GATE_LOOK_S)
            await anyio.sleep(wait_s)
        if began is not None:
            self.slot_waits[request.writes].add(now - began)

    def check_stays(self) -> None:
        """Raises OrdoError: UNKNOWN_ACCOUNT, SESSION_REQUIRED, where it takes nothing new any more."""
        if self.goes is Going.FOR_GOOD:
            raise OrdoError(
                Kind.UNKNOWN_ACCOUNT,
                f"{self.name} was taken out of the configuration and takes nothing new; "
                "what is open there can be cancelled and is settled",
                account=self.name,
            )
        if self.goes is Going.ANEW:
            raise OrdoError(
                Kind.SESSION_REQUIRED,
                f"{self.name} begins anew with what its configuration says now; ask again in a moment",
                account=self.name,
            )

    def check_reach(self) -> None:
        """Raises Held, BROKER_UNAVAILABLE, while the breaker is open."""
        if wait_s := self.breaker.wait_s(self._clock.boot()):
            raise Held(
                Kind.BROKER_UNAVAILABLE,
                f"{self.spec.name} could not be reached of late; the next try is in {wait_s:.0f} s",
            )

    def check_slot(self, group: str, deadline: float) -> None:
        """Raises Held, RATE_LIMITED, where a write of the group has no slot by the deadline."""
        now = self._clock.boot()
        if wait_s := self.windows.wait_s(group, now, writes=True):
            self._check_wait(group, wait_s, now, deadline, writes=True)

    def _check_wait(
        self, group: str, wait_s: float, now: float, deadline: float, *, writes: bool
    ) -> None:
        if now + wait_s > deadline:
            self.slots_refused[writes] += 1
            raise Held(
                Kind.RATE_LIMITED,
                f"the broker's limit of {group} is reached; a slot is free in {wait_s:.1f} s, past the deadline",
                retry_after_ms=ceil(wait_s * 1000),
            )

    async def read(self, operation: Callable[[Session], Dialogue[T]], *, deadline: float) -> T:
        """A question to the broker: asked again where the connection failed or the session died.

        Raises:
            OrdoError: SESSION_REQUIRED, AUTH_DENIED, UNSUPPORTED, RATE_LIMITED, BROKER_UNAVAILABLE, BROKER_ERROR.
        """
        for is_last in (False, True):
            session = await self.keeper.ensure(deadline)
            try:
                async for attempt in stamina.retry_context(
                    on=(Unsent, Lost),
                    attempts=READ_TRIES,
                    wait_initial=READ_PAUSE_S,
                    wait_jitter=0,
                ):
                    with attempt:
                        answer = await self.converse(operation(session), deadline=deadline)
                        self.breaker.succeeded()
                        return answer
            except BrokerError as error:
                if error.fault not in UNREACHED:
                    self.breaker.succeeded()
                if error.fault is Fault.AUTH_EXPIRED:
                    self.keeper.died(session, error.message)
                    if not is_last:
                        continue
                kind = READ_KINDS.get(error.fault, Kind.BROKER_ERROR)
                raise OrdoError(
                    kind,
                    f"{self.spec.name} answered: {error.message}",
                    account=self.name,
                    broker_code=error.code or None,
                    broker_message=error.message,
                ) from error
            except (Unsent, Lost) as error:
                self.breaker.failed(self._clock.boot())
                raise OrdoError(
                    Kind.BROKER_UNAVAILABLE, f"{self.spec.name}: {error}", account=self.name
                ) from error
            except Held as error:
                raise error.as_error(self.name) from error
        raise AssertionError("unreachable: the second turn returns or raises")
