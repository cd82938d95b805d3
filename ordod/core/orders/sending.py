"""Send once, and say what is known to have happened. The one place where a write to a broker begins.

The transport, not the exception, says what happened: what was held back or found no connection is *unsent*; once the first
byte was handed over, only a white-listed answer ends the matter, and everything else, a bug of ours too, is *doubt*.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar

import anyio
import structlog
from msgspec import Struct
from msgspec.structs import replace

from ordod.adapter import BrokerError, Dialogue, Fault, Session
from ordod.core.account import UNREACHED, Account, Held
from ordod.core.guard.gate import Gate
from ordod.core.orders.records import Accepted, Doubt, Record, Rejected, Unsent
from ordod.core.ports import Clock, Lost
from ordod.core.ports import Unsent as NothingSent
from ordod.errors import Kind, OrdoError

__all__ = ["Outcome", "Sender", "error_of", "record_of"]

T = TypeVar("T")

RATE_PAUSE_S = 1.0  # after a broker's own "too many": its windows are not ours to know
FAIR_S = 0.5  # a try that had less time than this to connect says nothing about the broker

log = structlog.get_logger("sending")

SURE_NO = {  # white-listed faults that end an order, and what they are told as (DESIGN 8)
    Fault.INVALID_INPUT: Kind.ORDER_REJECTED,
    Fault.NOT_FOUND: Kind.ORDER_REJECTED,
    Fault.AUTH_DENIED: Kind.ORDER_REJECTED,
    Fault.UNSUPPORTED: Kind.ORDER_REJECTED,
    Fault.ORDER_REJECTED: Kind.ORDER_REJECTED,
    Fault.INSUFFICIENT_FUNDS: Kind.INSUFFICIENT_FUNDS,
    Fault.MARKET_CLOSED: Kind.MARKET_CLOSED,
}

NO_EFFECT = {  # white-listed faults after which the order may be sent again
    Fault.AUTH_EXPIRED: Kind.SESSION_REQUIRED,
    Fault.RATE_LIMITED: Kind.RATE_LIMITED,
}


class Outcome(Struct, Generic[T], frozen=True, kw_only=True):
    """What is known after a send. `what`: accepted (with `value`), rejected, unsent (both with `kind`), doubt (with times).

    `handed_at`: boot time at which its first byte left, for the last time; None: none did.
    """

    what: str
    value: T | None = None
    kind: Kind | None = None
    message: str = ""
    code: str = ""
    sent_at: datetime | None = None
    died_at: datetime | None = None
    sends: int = 0  # of what is unsent: how often it was handed over, and surely not taken
    retry_after_ms: int | None = None
    handed_at: float | None = None


class _Hand:
    def __init__(
        self, clock: Clock, gate: Gate | None, account: str, strategy: str | None, deadline: float
    ) -> None:
        self._clock = clock
        self._gate = gate
        self._account = account
        self._strategy = strategy
        self._deadline = deadline
        self.passed_at: datetime | None = None
        self.handed_at: float | None = None

    def check(self, *, is_first: bool) -> None:
        if self._gate is not None and self._gate.is_closed_for(self._account, self._strategy):
            raise Held(
                Kind.KILLED,
                "the kill switch is engaged; nothing was sent. See kill.status; an admin may release it",
            )
        if is_first and self._clock.boot() > self._deadline:
            raise Held(Kind.TOO_LATE, "the deadline passed before anything was sent")

    def hands_over(self) -> None:
        self.passed_at = self._clock.now()
        self.handed_at = self._clock.boot()


class Sender:
    """Plays writing dialogues."""

    def __init__(self, clock: Clock, gate: Gate) -> None:
        self._clock = clock
        self._gate = gate

    async def send_once(
        self,
        account: Account,
        make: Callable[[Session], Dialogue[T]],
        *,
        user: str,
        strategy: str | None,
        deadline: float,
        is_cancel: bool = False,
        ids: Mapping[str, str] | None = None,
    ) -> Outcome[T]:
        """At most one send that may have had an effect.

        Args:
            make: the dialogue for a session; called again only after an answer that surely had no effect.
            user: the broker user the intent is of; a session of another one is not used.
            deadline: boot time; past it nothing is handed over.
            is_cancel: passes the gate and the breaker, and comes first in the windows.
            ids: what finds it elsewhere, for the log.
        """
        has_renewed = False
        sends = 0
        while True:
            begun = self._clock.boot()
            gate = None if is_cancel else self._gate
            hand = _Hand(self._clock, gate, account.name, strategy, deadline)
            session: Session | None = None
            try:
                hand.check(is_first=False)
                if not is_cancel:
                    account.check_reach()
                session = await account.keeper.ensure(deadline)
                if session.user_id != user:
                    return _unsent(
                        sends,
                        Kind.SESSION_REQUIRED,
                        f"the session is of user {session.user_id}, the order of {user}",
                    )
                value = await account.converse(
                    make(session), deadline=deadline, hand=hand, cancel=is_cancel
                )
            except BrokerError as error:
                if error.fault not in UNREACHED:
                    account.breaker.succeeded()  # it can be reached, whatever it says
                sends += hand.passed_at is not None
                outcome: Outcome[T] = replace(
                    self._answered(error, hand.passed_at), sends=sends, handed_at=hand.handed_at
                )
                if outcome.what == "unsent" and error.fault is Fault.AUTH_EXPIRED and session:
                    if await account.keeper.still_lives(session):
                        return _unsent(sends, Kind.SESSION_REQUIRED, _refuses(account, error))
                    account.keeper.died(session, error.message)
                    if not has_renewed:
                        has_renewed = True
                        continue
                has_time = self._clock.boot() + RATE_PAUSE_S < deadline
                if outcome.what == "unsent" and error.fault is Fault.RATE_LIMITED and has_time:
                    await anyio.sleep(RATE_PAUSE_S)
                    continue
                return outcome
            except Held as error:
                return _unsent(sends, error.kind, str(error), error.retry_after_ms)
            except OrdoError as error:
                return _unsent(sends, error.kind, str(error))
            except (NothingSent, Lost) as error:
                ended = self._clock.boot()
                if isinstance(error, NothingSent) and ended >= deadline < begun + FAIR_S:
                    return _unsent(
                        sends, Kind.TOO_LATE, "the deadline passed before anything was sent"
                    )
                account.breaker.failed(ended)
                if isinstance(error, Lost) and hand.passed_at:
                    return self._doubt(str(error), hand.passed_at, hand.handed_at)
                return _unsent(
                    sends,
                    Kind.BROKER_UNAVAILABLE,
                    f"no connection to {account.spec.name}, nothing was sent: {error}",
                )
            except Exception as error:
                # After the first byte a bug of ours is a doubt too (P3); before it, surely nothing happened.
                log.exception(
                    "bug_in_send", broker=account.spec.id, **(ids or {"account": account.name})
                )
                why = f"{type(error).__name__} in the adapter of {account.spec.id}"
                if hand.passed_at:
                    return self._doubt(why, hand.passed_at, hand.handed_at)
                return _unsent(sends, Kind.BROKER_UNAVAILABLE, f"nothing was sent: {why}")
            account.breaker.succeeded()
            return Outcome(what="accepted", value=value, handed_at=hand.handed_at)

    def _answered(self, error: BrokerError, sent_at: datetime | None) -> Outcome[T]:
        """What a fault means: before the first byte of the write always that nothing happened, after it only if sure."""
        if error.fault in NO_EFFECT and (sent_at is None or error.sure):
            return _unsent(0, NO_EFFECT[error.fault], error.message)
        if sent_at is None and error.fault is Fault.UNSUPPORTED:
            return _unsent(0, Kind.UNSUPPORTED, error.message)
        if error.fault in SURE_NO and (sent_at is None or error.sure):
            return Outcome(
                what="rejected", kind=SURE_NO[error.fault], message=error.message, code=error.code
            )
        if sent_at is None:
            return _unsent(0, Kind.BROKER_UNAVAILABLE, f"nothing was sent: {error.message}")
        return self._doubt(error.message, sent_at)

    def _doubt(self, why: str, sent_at: datetime, handed_at: float | None = None) -> Outcome[T]:
        return Outcome(
            what="doubt",
            message=why[:200],
            sent_at=sent_at,
            died_at=self._clock.now(),
            handed_at=handed_at,
        )


def _refuses(account: Account, error: BrokerError) -> str:
    return (
        f"{account.spec.name} refuses orders of a session that lives ({error.message}): is this machine's address "
        "the one registered with the app, and may the app place orders?"
    )


def _unsent(sends: int, kind: Kind, message: str, retry_after_ms: int | None = None) -> Outcome[T]:
    return Outcome(
        what="unsent", kind=kind, message=message, retry_after_ms=retry_after_ms, sends=sends
    )


def record_of(item_id: str, outcome: Outcome[Any], broker_id: str = "") -> Record:
    """What the journal holds of an outcome. `broker_id`: of what was accepted."""
    match outcome.what:
        case "accepted":
            return Accepted(id=item_id, broker_id=broker_id)
        case "rejected":
            assert outcome.kind is not None
            return Rejected(
                id=item_id, kind=outcome.kind.name, message=outcome.message, code=outcome.code
            )
        case "unsent":
            assert outcome.kind is not None
            return Unsent(
                id=item_id,
                kind=outcome.kind.name,
                message=outcome.message,
                sends=outcome.sends,
            )
        case _:
            assert outcome.sent_at is not None
            assert outcome.died_at is not None
            return Doubt(
                id=item_id,
                why=outcome.message,
                sent_at=outcome.sent_at,
                died_at=outcome.died_at,
            )


def error_of(outcome: Outcome[Any], **data: Any) -> OrdoError | None:
    """What a caller is told of an outcome that is not the thing itself; None where it is."""
    if outcome.what not in ("rejected", "unsent"):
        return None
    assert outcome.kind is not None
    if outcome.what == "unsent":
        data |= {"retry_after_ms": outcome.retry_after_ms}
    if outcome.what == "rejected":
        data |= {"broker_message": outcome.message, "broker_code": outcome.code or None}
    return OrdoError(outcome.kind, outcome.message, **data)
