"""When a session is renewed: in the morning of a trading day, when somebody needs it, and never in the night for nobody."""

from datetime import date, datetime, time, timedelta
from email.utils import format_datetime
from typing import Any

import anyio
import pyotp
import pytest

from ordod.adapter import Ask, Fault, HttpResponse, Secret
from ordod.core.mornings import Mornings
from ordod.core.ports import Unsent
from ordod.core.sessions import SessionState
from ordod.errors import OrdoError
from tests.core.keepers import TOTP, Bench, MemoryVault, keeping
from tests.core.making import closed_on
from tests.core.world import VIRTUAL
from tests.simulation.ports import IST

MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=IST)
FRIDAY = datetime(2026, 11, 27, 10, 0, tzinfo=IST)
HOLIDAY = date(2026, 11, 24)  # Guru Nanak Jayanti
HOUR = 3600.0


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


def next_six(now: datetime) -> datetime:
    """Sessions of this broker end at six in the morning."""
    end = datetime.combine(now.date(), time(6), now.tzinfo)
    return end if now < end else end + timedelta(days=1)


def ending_at_six(begins: datetime, **more: Any) -> Bench:
    bench = Bench(begins, **more)
    bench.broker.until = next_six
    return bench


async def sleep_until(bench: Bench, at: datetime) -> None:
    await anyio.sleep((at - bench.clock.now()).total_seconds())


# The calendar


@pytest.mark.parametrize(
    ("now", "morning"),
    [
        (datetime(2026, 11, 23, 8, 0, tzinfo=IST), datetime(2026, 11, 23, 8, 30, tzinfo=IST)),
        (datetime(2026, 11, 23, 8, 30, tzinfo=IST), datetime(2026, 11, 25, 8, 30, tzinfo=IST)),
        (FRIDAY, datetime(2026, 11, 30, 8, 30, tzinfo=IST)),
        (datetime(2026, 11, 29, 12, 0, tzinfo=IST), datetime(2026, 11, 30, 8, 30, tzinfo=IST)),
    ],
)
def test_the_next_morning_is_of_a_trading_day(now: datetime, morning: datetime) -> None:
    mornings = Mornings(closed_on([HOLIDAY]))

    assert mornings.next_login(now) == morning
    assert mornings.last_login(morning) == morning
    assert mornings.last_login(morning - timedelta(seconds=1)) < now + timedelta(seconds=1)


# Nights, mornings, holidays


async def test_a_session_that_ended_in_the_night_is_renewed_in_the_morning() -> None:
    async with keeping(bench=ending_at_six(MONDAY)) as bench:
        await sleep_until(bench, datetime(2026, 11, 24, 8, 29, tzinfo=IST))
        at_night = (bench.keeper.state, bench.broker.logins)
        advice = bench.keeper.advice
        await sleep_until(bench, datetime(2026, 11, 24, 8, 31, tzinfo=IST))

        assert at_night == (SessionState.EXPIRED, 1)
        assert "on Tue 24 Nov at 08:30" in advice
        assert not bench.keeper.needs_person
        assert (bench.keeper.state, bench.broker.logins) == (SessionState.ACTIVE, 2)


async def test_on_a_holiday_and_on_the_weekend_nobody_logs_in() -> None:
    async with keeping(bench=ending_at_six(MONDAY, holidays=(HOLIDAY,))) as bench:
        await sleep_until(bench, datetime(2026, 11, 24, 23, 0, tzinfo=IST))
        on_the_holiday = bench.broker.logins
        await sleep_until(bench, datetime(2026, 11, 27, 23, 0, tzinfo=IST))
        on_friday = bench.broker.logins
        await sleep_until(bench, datetime(2026, 11, 30, 8, 29, tzinfo=IST))

        assert (on_the_holiday, on_friday, bench.broker.logins) == (1, 4, 4)


async def test_who_needs_a_session_at_night_gets_one() -> None:
    async with keeping(bench=ending_at_six(MONDAY)) as bench:
        await sleep_until(bench, datetime(2026, 11, 24, 7, 0, tzinfo=IST))

        session = await bench.ensure()

        assert session.user_id == "AB1"
        assert bench.broker.logins == 2


async def test_a_session_that_ends_in_market_hours_is_renewed_at_once() -> None:
    bench = Bench(MONDAY)
    bench.broker.lives_s = 2 * HOUR
    async with keeping(bench=bench):
        await anyio.sleep(2 * HOUR + 60)

        assert bench.keeper.state is SessionState.ACTIVE
        assert bench.broker.logins == 2


async def test_a_session_refused_at_night_is_renewed_because_somebody_needed_it() -> None:
    async with keeping(bench=ending_at_six(MONDAY)) as bench:
        session = await bench.ensure()
        await sleep_until(bench, datetime(2026, 11, 24, 2, 0, tzinfo=IST))

        bench.keeper.died(session, "token invalid")
        await bench.ensure()

        assert bench.broker.logins == 2


async def test_a_broker_that_is_down_in_the_morning_is_tried_until_it_is_back() -> None:
    async with keeping(bench=ending_at_six(MONDAY)) as bench:
        await sleep_until(bench, datetime(2026, 11, 24, 8, 29, tzinfo=IST))
        bench.line.fails = [Unsent("no route") for _ in range(12)]

        await sleep_until(bench, datetime(2026, 11, 24, 8, 33, tzinfo=IST))
        down = (bench.keeper.state, bench.keeper.advice)
        await sleep_until(bench, datetime(2026, 11, 24, 8, 50, tzinfo=IST))

        assert down[0] is SessionState.EXPIRED
        assert "could not be reached" in down[1]
        assert bench.keeper.state is SessionState.ACTIVE


# Sessions that live a number of hours


async def test_a_session_that_would_die_during_the_day_is_renewed_before_the_market() -> None:
    bench = Bench(MONDAY)
    bench.broker.lives_s = 24 * HOUR
    async with keeping(bench=bench):
        first = await bench.ensure()
        await sleep_until(bench, datetime(2026, 11, 24, 8, 31, tzinfo=IST))

        assert bench.broker.logins == 2
        assert (await bench.ensure()) is not first
        await sleep_until(bench, datetime(2026, 11, 24, 15, 30, tzinfo=IST))
        assert bench.broker.logins == 2


async def test_a_renewal_that_fails_leaves_a_living_session_alone() -> None:
    bench = Bench(MONDAY)
    bench.broker.lives_s = 24 * HOUR
    async with keeping(bench=bench):
        first = await bench.ensure()
        await sleep_until(bench, datetime(2026, 11, 24, 8, 29, tzinfo=IST))
        bench.broker.ends = [Fault.BROKER_UNAVAILABLE]

        await sleep_until(bench, datetime(2026, 11, 24, 8, 31, tzinfo=IST))

        assert bench.broker.logins == 2
        assert (await bench.ensure()) is first


async def test_a_renewal_that_needs_a_person_says_so_and_the_session_goes_on() -> None:
    bench = Bench(MONDAY)
    bench.broker.lives_s = 24 * HOUR
    async with keeping(bench=bench):
        first = await bench.ensure()
        bench.broker.asks = [Ask("page", "log in on the page", "https://banyan.example")]

        await sleep_until(bench, datetime(2026, 11, 24, 8, 31, tzinfo=IST))

        assert (await bench.ensure()) is first
        assert "ends at 10:00 and only a person can renew it" in bench.keeper.reminder


async def test_a_session_that_dies_while_it_is_renewed_waits_for_the_renewal() -> None:
    bench = Bench(MONDAY)
    bench.broker.lives_s = 24 * HOUR
    async with keeping(bench=bench):
        first = await bench.ensure()
        await sleep_until(bench, datetime(2026, 11, 24, 8, 29, 50, tzinfo=IST))
        bench.line.takes_s = 5.0
        await anyio.sleep(31)  # the renewal is under way
        assert bench.broker.logins == 2

        bench.keeper.died(first, "another login ended it")
        renewed = await bench.ensure(60)

        assert renewed is not first
        assert bench.broker.logins == 2


# Kept over a restart


async def test_a_restart_needs_no_login() -> None:
    bench = Bench(MONDAY, vault=MemoryVault())
    async with keeping(bench=bench):
        first = await bench.ensure()

    async with keeping(bench=bench):
        again = await bench.ensure()

    assert again == first
    assert bench.broker.logins == 1
    assert (
        bench.learned.count(first.access_token) >= 2
    )  # the new process's log must not show it either


async def test_what_a_vault_is_given_is_no_login_of_the_budget() -> None:
    bench = Bench(MONDAY, vault=MemoryVault())
    for _ in range(6):
        async with keeping(bench=bench):
            await bench.ensure()

    assert bench.broker.logins == 1
    assert bench.keeper.state is SessionState.ACTIVE


async def test_a_kept_session_that_died_meanwhile_is_replaced() -> None:
    bench = Bench(MONDAY, vault=MemoryVault())
    async with keeping(bench=bench):
        first = await bench.ensure()
    bench.broker.alive = lambda session: session.access_token != first.access_token

    async with keeping(bench=bench):
        again = await bench.ensure()

    assert again.access_token != first.access_token
    assert bench.broker.logins == 2


async def test_a_kept_session_whose_hour_has_passed_is_not_asked_about() -> None:
    bench = ending_at_six(MONDAY, vault=MemoryVault())
    async with keeping(bench=bench):
        await bench.ensure()
        await sleep_until(bench, datetime(2026, 11, 24, 7, 0, tzinfo=IST))
    bench.line.sent.clear()

    async with keeping(bench=bench):
        await bench.ensure()

    assert [request.path for request in bench.line.sent] == ["/login"]
    assert bench.broker.logins == 2


async def test_a_kept_session_is_kept_while_the_broker_cannot_be_reached() -> None:
    bench = Bench(MONDAY, vault=MemoryVault())
    async with keeping(bench=bench):
        first = await bench.ensure()
    bench.line.fails = [Unsent("no route")]

    async with keeping(bench=bench):
        with pytest.raises(OrdoError):
            await bench.ensure()
        await anyio.sleep(10)

        assert (await bench.ensure()) == first
    assert bench.broker.logins == 1


async def test_a_kept_session_of_another_user_is_not_taken() -> None:
    bench = Bench(MONDAY, vault=MemoryVault())
    async with keeping(bench=bench):
        await bench.ensure()
    bench.broker.ends = ["AB2"]

    async with keeping(bench=bench, user_id="AB2"):
        assert (await bench.ensure()).user_id == "AB2"


async def test_a_logout_forgets_what_was_kept() -> None:
    bench = Bench(MONDAY, vault=MemoryVault())
    async with keeping(bench=bench):
        await bench.ensure()
        await bench.keeper.logout()

    assert bench.vault is not None
    assert bench.vault.kept == {}


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"user_id": 7}'])
async def test_a_kept_session_that_cannot_be_read_is_a_login(content: bytes) -> None:
    bench = Bench(MONDAY, vault=MemoryVault())
    assert bench.vault is not None
    bench.vault.kept["acc"] = content

    async with keeping(bench=bench):
        await bench.ensure()

    assert bench.broker.logins == 1


async def test_a_ready_made_token_is_neither_kept_nor_replaced_by_a_kept_one() -> None:
    bench = Bench(MONDAY, vault=MemoryVault())
    async with keeping(bench=bench):
        await bench.ensure()
    bench.credentials["access_token"] = Secret("ready made")

    async with keeping(bench=bench):
        assert (await bench.ensure()).access_token == Secret("ready made")

    assert bench.vault is not None
    assert b"ready made" not in bench.vault.kept["acc"]


# A clock that is wrong


@pytest.mark.parametrize("off_s", [-90, 90, 3600])
async def test_a_code_is_of_the_broker_s_time(off_s: int) -> None:
    bench = Bench(MONDAY)
    bench.broker.asks = [Ask("totp", "TOTP")]
    bench.credentials["totp_secret"] = TOTP
    bench.line.broker_now = lambda: bench.clock.now() + timedelta(seconds=off_s)

    async with keeping(bench=bench):
        await bench.ensure(60)
        theirs = bench.line.broker_now()

        assert pyotp.TOTP(TOTP.reveal()).verify(bench.broker.answers[0], for_time=theirs)
        skew = bench.keeper.skew.seconds
        assert skew is not None
        assert abs(skew - off_s) <= 1
        assert "clock is" in bench.keeper.reminder


async def test_a_clock_that_is_right_is_left_alone() -> None:
    bench = Bench(MONDAY)
    bench.line.broker_now = bench.clock.now

    async with keeping(bench=bench):
        await bench.ensure()

        assert bench.keeper.skew.seconds == 0.0
        assert bench.keeper.reminder == ""


async def test_a_code_whose_seconds_are_nearly_over_is_not_sent() -> None:
    bench = Bench(MONDAY + timedelta(seconds=28.5))
    bench.broker.asks = [Ask("totp", "TOTP")]
    bench.credentials["totp_secret"] = TOTP

    async with keeping(bench=bench):
        await bench.ensure(60)

        assert bench.broker.answers == [
            pyotp.TOTP(TOTP.reveal()).at(MONDAY + timedelta(seconds=31))
        ]


async def test_a_page_from_a_cache_does_not_tell_a_wrong_time() -> None:
    bench = Bench(MONDAY)

    async with keeping(bench=bench):
        await bench.ensure()
        skew = bench.keeper.skew
        old = format_datetime(bench.clock.now() - timedelta(hours=3))
        skew.observe(HttpResponse(200, (("date", old), ("age", "10800"))), 0.1)

        assert skew.seconds == 0.0
