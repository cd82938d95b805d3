"""What is told of conditions that begin, last, flap and end, by a clock that a test turns."""

import itertools
from datetime import datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordod.core.alerts.tracking import CALM_S, OF_ONE_PER_HOUR, Condition, Memory, Tracker
from ordod.domain.alerts import Alert, AlertKind, AlertState, Severity
from tests.simulation.ports import IST

BEGINS = datetime(2026, 11, 23, 9, 15, tzinfo=IST)
FIRING, RESOLVED = AlertState.FIRING, AlertState.RESOLVED


class Watch:
    """A tracker and its clock."""

    def __init__(
        self, memory: Memory | None = None, *, at_s: float = 0.0, per_hour: int = 30
    ) -> None:
        self.at_s = at_s
        self.tracker = Tracker(
            host="desk",
            remind_s=1800.0,
            per_hour=per_hour,
            now=self.now,
            boot=self.boot,
            memory=memory,
        )

    @property
    def now(self) -> datetime:
        return BEGINS + timedelta(seconds=self.at_s)

    @property
    def boot(self) -> float:
        return 5000.0 + self.at_s

    def look(self, *conditions: Condition, after_s: float = 1.0) -> list[Alert]:
        self.at_s += after_s
        return self.tracker.look(conditions, now=self.now, boot=self.boot)

    def seen(self, *conditions: Condition, after_s: float = 1.0) -> list[tuple[str, AlertState]]:
        return [(alert.id, alert.state) for alert in self.look(*conditions, after_s=after_s)]

    def restarted(self, *, down_s: float = 5.0) -> "Watch":
        """The next daemon, with what the file of this one says."""
        told = msgspec.json.encode(self.tracker.memory(now=self.now, boot=self.boot))
        memory = msgspec.json.decode(told, type=Memory)
        return Watch(memory, at_s=self.at_s + down_s, per_hour=self.tracker.per_hour)


def condition(kind: AlertKind = AlertKind.BREAKER, **more: object) -> Condition:
    fields = {
        "severity": Severity.WARNING,
        "message": f"{kind} is wrong",
        "ended": f"{kind} is well",
    }
    return Condition(kind=kind, **(fields | more))  # type: ignore[arg-type]


KILL = condition(AlertKind.KILL, severity=Severity.CRITICAL)
BREAKER = condition(account="zerodha")


def test_a_condition_is_told_when_it_begins_and_when_it_ends_and_not_between() -> None:
    watch = Watch()

    began = watch.look(BREAKER)
    lasting = [watch.look(BREAKER) for _ in range(100)]
    calm = [watch.look() for _ in range(int(CALM_S))]
    ended = watch.look()
    after = [watch.look() for _ in range(100)]

    assert [(a.id, a.state, a.reminder) for a in began] == [("breaker:zerodha", FIRING, False)]
    assert not any(lasting)
    assert not any(calm)
    assert [(a.id, a.state, a.message) for a in ended] == [
        ("breaker:zerodha", RESOLVED, "breaker is well")
    ]
    assert ended[0].since == began[0].since
    assert not any(after)


def test_a_condition_that_lasts_is_told_again_every_half_hour_as_a_reminder() -> None:
    watch = Watch()

    told = [alert for _ in range(2 * 3600) for alert in watch.look(BREAKER)]

    assert [alert.reminder for alert in told] == [False, True, True, True]
    gaps = {b.at - a.at for a, b in itertools.pairwise(told)}
    assert gaps == {timedelta(minutes=30)}


def test_what_comes_back_before_it_was_calm_was_never_over() -> None:
    watch = Watch()
    watch.look(BREAKER)

    flapping = [
        alert
        for _ in range(50)
        for alert in (*watch.look(after_s=20), *watch.look(BREAKER, after_s=5))
    ]

    assert flapping == []


def test_the_end_of_a_kill_is_told_at_once() -> None:
    watch = Watch()

    assert watch.seen(KILL) == [("kill", FIRING)]
    assert watch.seen() == [("kill", RESOLVED)]
    assert watch.seen(KILL) == [("kill", FIRING)]


def test_what_must_last_to_be_told_is_not_told_where_it_does_not() -> None:
    watch = Watch()
    slow = condition(AlertKind.SESSION, account="zerodha", after_s=60.0)

    short = [watch.look(slow) for _ in range(59)]
    gone = [watch.look() for _ in range(100)]
    again = [watch.seen(slow) for _ in range(61)]

    assert not any(short)
    assert not any(gone)
    assert again[-1] == [("session:zerodha", FIRING)]
    assert not any(again[:-1])


def test_what_happened_once_is_told_once_and_never_over() -> None:
    watch = Watch()
    event = condition(AlertKind.CONTRADICTION, account="zerodha", subject="o1", is_event=True)

    first = watch.seen(event)
    rest = [watch.look(event) for _ in range(4000)] + [watch.look() for _ in range(100)]

    assert first == [("contradiction:zerodha:o1", FIRING)]
    assert not any(rest)
    assert watch.tracker.firing == ()


def test_the_gravest_is_told_first() -> None:
    assert [key for key, _ in Watch().seen(BREAKER, KILL)] == ["kill", "breaker:zerodha"]


# Restarts


def test_after_a_restart_what_is_still_so_is_told_once_more_and_what_ended_meanwhile_as_over() -> (
    None
):
    watch = Watch()
    skew = condition(AlertKind.CLOCK, account="zerodha")
    watch.look(KILL, skew)

    watch = watch.restarted()
    first = watch.look(KILL)
    later = [alert for _ in range(100) for alert in watch.look(KILL)]

    assert [(a.id, a.state, a.reminder) for a in first] == [("kill", FIRING, True)]
    assert first[0].since == BEGINS + timedelta(seconds=1)
    assert [(a.id, a.state, a.message) for a in later] == [
        ("clock:zerodha", RESOLVED, "clock is well")
    ]


def test_a_daemon_that_dies_again_and_again_floods_nobody() -> None:
    watch, told = Watch(), 0

    for _ in range(500):
        watch = watch.restarted(down_s=2.0)
        told += len(watch.look(KILL, BREAKER, condition(AlertKind.DISK)))

    assert told <= 30 + 2 * OF_ONE_PER_HOUR
    assert watch.at_s < 3600


def test_a_clock_that_was_set_back_or_forward_between_two_lives_blocks_nothing_for_good() -> None:
    watch = Watch()
    for _ in range(OF_ONE_PER_HOUR):
        watch.look(KILL)
        watch.look()

    for by_s in (-7200.0, 7200.0):
        watch.at_s += by_s
        watch = watch.restarted()

        assert watch.seen(KILL, BREAKER)[0] == ("kill", FIRING)


# Bounds


def test_what_the_hours_bound_holds_back_is_told_when_there_is_room_if_it_is_still_so() -> None:
    watch = Watch(per_hour=3)
    many = [condition(AlertKind.DOUBT, account=f"a{number}") for number in range(5)]

    first = watch.look(*many)
    held = watch.tracker.held
    rest = [alert for _ in range(3601) for alert in watch.look(*many[1:])]

    assert len(first) == 3
    assert held == 2
    assert {alert.account for alert in rest} >= {"a3", "a4"}


def test_the_kill_switch_has_a_bound_of_its_own() -> None:
    watch = Watch(per_hour=3)
    watch.look(*[condition(AlertKind.DOUBT, account=f"a{number}") for number in range(10)])

    assert watch.seen(KILL) == [("kill", FIRING)]
    assert watch.seen() == [("kill", RESOLVED)]


def test_one_that_comes_and_goes_all_day_does_not_use_up_what_others_need() -> None:
    watch = Watch()
    told = 0
    for _ in range(40):
        told += len(watch.look(BREAKER)) + len(watch.look()) + len(watch.look(after_s=CALM_S))

    assert watch.at_s < 3600
    assert told == OF_ONE_PER_HOUR
    assert ("disk", FIRING) in watch.seen(condition(AlertKind.DISK))


KINDS = [
    KILL,
    BREAKER,
    condition(AlertKind.DISK),
    condition(AlertKind.SESSION, account="x", after_s=3.0),
]
LOOKS = st.lists(
    st.tuples(st.sets(st.sampled_from(range(len(KINDS)))), st.floats(0.5, 900), st.booleans()),
    max_size=80,
)


@given(LOOKS)
def test_begins_and_ends_take_turns_and_no_hour_has_more_than_its_bound(
    looks: list[tuple[set[int], float, bool]],
) -> None:
    watch = Watch(per_hour=10)
    told: list[Alert] = []

    for present, after_s, restarts in looks:
        if restarts:
            watch = watch.restarted()
        told += watch.look(*(KINDS[number] for number in present), after_s=after_s)

    for key in {alert.id for alert in told}:
        states = [alert.state for alert in told if alert.id == key and not alert.reminder]
        assert states == [(FIRING, RESOLVED)[number % 2] for number in range(len(states))]
    for alert in told:
        hour = [one for one in told if alert.at <= one.at < alert.at + timedelta(hours=1)]
        assert len(hour) <= 20


@given(LOOKS)
def test_what_holds_long_enough_is_told_in_the_end(
    looks: list[tuple[set[int], float, bool]],
) -> None:
    watch = Watch(per_hour=10)
    for present, after_s, _ in looks:
        watch.look(*(KINDS[number] for number in present), after_s=after_s)

    for _ in range(3 * 60):
        watch.look(KILL, BREAKER, after_s=60)

    assert {"kill", "breaker:zerodha"} <= {firing.id for firing in watch.tracker.firing}
    assert watch.tracker.held == 0


@pytest.mark.parametrize("kind", AlertKind)
def test_every_kind_outlives_a_restart_as_it_was(kind: AlertKind) -> None:
    watch = Watch()
    one = condition(kind, account="zerodha", subject="strategy=s1")
    watch.look(one)

    again = watch.restarted()

    assert again.tracker.firing == watch.tracker.firing
    assert again.seen(one) == [(one.id, FIRING)]
