"""From what holds now to what is to be told: once when it begins, once when it ends, seldom while it lasts.

A pure state machine: it is given the conditions of each look and the time. Nothing that lasts is lost here: what a bound
holds back is told when the hour has room again, if it is still so. What was told outlives a restart (`Memory`), so that the end of
a condition is told by the next daemon too, and a daemon that dies again and again does not flood anybody.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from msgspec import Struct

from ordod.domain.alerts import Alert, AlertKind, AlertState, Severity

__all__ = ["Condition", "Firing", "Memory", "Sent", "Tracker"]

HOUR_S = 3600.0
CALM_S = 30.0  # a condition that comes back within it was never over: what flaps is told once
OF_ONE_PER_HOUR = 6  # of one condition, its begins and ends; the kill switch apart
AT_ONCE = (AlertKind.KILL, AlertKind.START)  # a person ended these, and wants to hear that it is so
URGENT = (AlertKind.KILL, AlertKind.START, AlertKind.JOURNAL)  # a bound of their own
SEVERITIES = tuple(Severity)


class Condition(Struct, frozen=True, kw_only=True):
    """Something that holds now.

    Args:
        message: what it is and what to do; `ended`: what is said when it is over.
        subject: tells conditions of one kind at one account apart.
        since: None: since it was first looked at.
        after_s: told only where it has lasted so long.
        is_event: it happened, and does not last: told once, never over.
    """

    kind: AlertKind
    severity: Severity
    message: str
    ended: str = ""
    account: str | None = None
    subject: str = ""
    since: datetime | None = None
    after_s: float = 0.0
    is_event: bool = False

    @property
    def id(self) -> str:
        return ":".join(filter(None, (self.kind, self.account, self.subject)))


class Firing(Struct, frozen=True, kw_only=True):
    """A condition that was told and is not over.

    Args:
        id: the same in all that is told of it.
        kind: what is wrong, as `kinds` in `[alerts.NAME]` has it.
        severity: critical or warning.
        account: whose; null: the daemon's.
        since: when it began.
        message: what it is and what to do.
        ended: what is said when it is over.
    """

    id: str
    kind: AlertKind
    severity: Severity
    account: str | None
    since: datetime
    message: str
    ended: str = ""


class Sent(Struct, frozen=True):
    at: datetime
    id: str
    urgent: bool


class Memory(Struct, frozen=True, kw_only=True):
    """What outlives a restart."""

    firing: tuple[Firing, ...] = ()
    sent: tuple[Sent, ...] = ()


class _Standing(Struct):
    """One condition, as far as it is known. Times are boot's."""

    condition: Condition
    since: datetime
    seen_at: float
    absent_at: float | None = None
    told_at: float | None = None  # in this life
    is_told: bool = False  # in this life or the one before


class Tracker:
    """What was told, and what is to be told next.

    Args:
        remind_s: a condition that lasts is told again, not sooner than so.
        per_hour: alerts in any hour, at most; as many urgent ones besides.
        now, boot: the time at the start.
    """

    def __init__(
        self,
        *,
        host: str,
        remind_s: float = 1800.0,
        per_hour: int = 30,
        now: datetime,
        boot: float,
        memory: Memory | None = None,
    ) -> None:
        self.remind_s = remind_s
        self.per_hour = per_hour
        self.held = 0  # alerts that wait because the hour is full
        self._host = host
        self._standing: dict[str, _Standing] = {}
        self._sent: deque[tuple[float, str, bool]] = deque()
        memory = memory or Memory()
        for firing in memory.firing:
            condition = Condition(
                kind=firing.kind,
                severity=firing.severity,
                message=firing.message,
                ended=firing.ended,
                account=firing.account,
                subject=_subject(firing),
            )
            self._standing[firing.id] = _Standing(
                condition, firing.since, boot, absent_at=boot, is_told=True
            )
        for sent in memory.sent:
            age_s = (now - sent.at).total_seconds()
            if 0 <= age_s < HOUR_S:
                self._sent.append((boot - age_s, sent.id, sent.urgent))

    def look(self, conditions: Iterable[Condition], *, now: datetime, boot: float) -> list[Alert]:
        """What is to be told after this look, the gravest first; it counts as told."""
        self._take_in({one.id: one for one in conditions}, now, boot)
        while self._sent and self._sent[0][0] <= boot - HOUR_S:
            self._sent.popleft()
        due = sorted(self._due(boot), key=_rank)
        alerts = [self._tell(*one, now, boot) for one in due if self._has_room(one[0], boot)]
        self.held = len(due) - len(alerts)
        return alerts

    @property
    def firing(self) -> tuple[Firing, ...]:
        """What was told and is not over."""
        return tuple(
            _firing(key, one)
            for key, one in self._standing.items()
            if one.is_told and not one.condition.is_event
        )

    def memory(self, *, now: datetime, boot: float) -> Memory:
        return Memory(
            firing=self.firing,
            sent=tuple(
                Sent(now - timedelta(seconds=boot - at), key, urgent)
                for at, key, urgent in self._sent
            ),
        )

    def _take_in(self, present: dict[str, Condition], now: datetime, boot: float) -> None:
        for key, condition in present.items():
            one = self._standing.get(key)
            if one is None:
                self._standing[key] = _Standing(condition, condition.since or now, boot)
                continue
            one.condition, one.absent_at = condition, None
            one.since = condition.since or one.since
        for key in self._standing.keys() - present.keys():
            one = self._standing[key]
            if one.condition.is_event or not one.is_told:
                del self._standing[key]
            elif one.absent_at is None:
                one.absent_at = boot

    def _due(self, boot: float) -> Iterator[tuple[_Standing, AlertState]]:
        for one in self._standing.values():
            if one.absent_at is not None:
                calm_s = 0.0 if one.condition.kind in AT_ONCE else CALM_S
                if boot - one.absent_at >= calm_s:
                    yield one, AlertState.RESOLVED
            elif one.told_at is not None:
                if boot - one.told_at >= self.remind_s and not one.condition.is_event:
                    yield one, AlertState.FIRING
            elif one.is_told or boot - one.seen_at >= one.condition.after_s:
                yield one, AlertState.FIRING

    def _has_room(self, one: _Standing, boot: float) -> bool:
        """Of the hour's bounds; takes the place."""
        kind, key = one.condition.kind, one.condition.id
        is_urgent = kind in URGENT
        of_one = sum(sent == key for _, sent, _ in self._sent)
        if kind is not AlertKind.KILL and of_one >= OF_ONE_PER_HOUR:
            return False
        if sum(urgent is is_urgent for _, _, urgent in self._sent) >= self.per_hour:
            return False
        self._sent.append((boot, key, is_urgent))
        return True

    def _tell(self, one: _Standing, state: AlertState, now: datetime, boot: float) -> Alert:
        condition = one.condition
        is_over = state is AlertState.RESOLVED
        is_reminder = not is_over and one.is_told
        message = condition.ended if is_over and condition.ended else condition.message
        if is_over:
            del self._standing[condition.id]
        one.told_at, one.is_told = boot, True
        of = f" {condition.account}" if condition.account else ""
        word = "RESOLVED" if is_over else condition.severity.upper()
        return Alert(
            id=condition.id,
            kind=condition.kind,
            severity=condition.severity,
            state=state,
            account=condition.account,
            since=one.since,
            at=now,
            host=self._host,
            reminder=is_reminder,
            title=f"[{word}] ordod at {self._host}: {condition.kind}{of}",
            message=message,
        )


def _rank(due: tuple[_Standing, AlertState]) -> tuple[int, bool, bool]:
    """News comes before ends, ends before reminders: where the hour has little room, those wait."""
    one, state = due
    is_over = state is AlertState.RESOLVED
    is_news = not is_over and one.told_at is None
    return SEVERITIES.index(one.condition.severity), not is_news, not is_over


def _firing(key: str, one: _Standing) -> Firing:
    condition = one.condition
    return Firing(
        id=key,
        kind=condition.kind,
        severity=condition.severity,
        account=condition.account,
        since=one.since,
        message=condition.message,
        ended=condition.ended,
    )


def _subject(firing: Firing) -> str:
    before = ":".join(filter(None, (firing.kind, firing.account)))
    return firing.id.removeprefix(before).removeprefix(":")
