"""A broker session that keeps itself alive, and never locks an account out."""

from collections.abc import Iterator
from typing import Any

import anyio
import pyotp
import pytest

from ordod.adapter import (
    Ask,
    Fault,
    Secret,
)
from ordod.core.ports import Lost, Unsent
from ordod.core.sessions import SessionState
from ordod.errors import Kind, OrdoError
from tests.core.keepers import TOTP, Bench, keeping
from tests.core.world import VIRTUAL, until


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


async def refused(bench: Bench) -> OrdoError:
    with pytest.raises(OrdoError) as raised:
        await bench.ensure()
    return raised.value


# Logging in


async def test_a_session_is_there_without_being_asked_for() -> None:
    async with keeping() as bench:
        session = await bench.ensure()

        assert session.user_id == bench.keeper.user == "AB1"
        assert bench.keeper.advice == ""
        assert bench.learned == [Secret("token 1")]
        assert bench.book.users == {"acc": "AB1"}


async def test_many_callers_share_one_login() -> None:
    async with keeping() as bench:
        bench.line.takes_s = 3.0
        sessions = []

        async def want() -> None:
            sessions.append(await bench.ensure())

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(want)

        assert bench.broker.logins == 1
        assert len({id(session) for session in sessions}) == 1


async def test_who_cannot_wait_for_the_login_is_told_to_come_back() -> None:
    async with keeping() as bench:
        bench.line.takes_s = 9.0

        with pytest.raises(OrdoError, match="is logging in") as raised:
            await bench.ensure(1.0)

        assert raised.value.kind is Kind.SESSION_REQUIRED


async def test_a_session_that_died_is_renewed_once_whoever_noticed() -> None:
    async with keeping() as bench:
        session = await bench.ensure()

        for _ in range(3):
            bench.keeper.died(session, "token invalid")
        renewed = await bench.ensure()
        bench.keeper.died(session, "an old one")

        assert renewed is not session
        assert bench.broker.logins == 2
        assert bench.keeper.state is SessionState.ACTIVE


async def test_a_session_is_renewed_when_its_hour_comes() -> None:
    async with keeping() as bench:
        bench.broker.lives_s = 1000.0
        await bench.ensure()

        await anyio.sleep(1100)

        assert bench.broker.logins == 2
        assert bench.keeper.state is SessionState.ACTIVE


async def test_a_broker_that_cannot_be_reached_is_tried_again() -> None:
    async with keeping() as bench:
        bench.line.fails = [Unsent("refused"), Lost("no answer", 0.0)]

        error = await refused(bench)
        await until(bench.is_(SessionState.ACTIVE))

        assert error.kind is Kind.SESSION_REQUIRED
        assert "could not be reached" in error.message


async def test_a_broker_that_is_down_at_login_spends_no_budget() -> None:
    async with keeping() as bench:
        bench.broker.ends = [Fault.BROKER_UNAVAILABLE] * 6

        await until(bench.is_(SessionState.ACTIVE), 600)

        assert bench.broker.logins == 7


async def test_a_bug_in_a_login_does_not_end_all_logins() -> None:
    async with keeping() as bench:
        bench.broker.bug = True
        await until(lambda: bench.broker.logins == 1)
        bench.broker.bug = False

        await until(bench.is_(SessionState.ACTIVE))

        assert bench.broker.logins == 2


# Never locked out


async def test_refused_credentials_are_tried_once() -> None:
    async with keeping() as bench:
        bench.broker.ends = [Fault.AUTH_DENIED]

        await until(bench.is_(SessionState.DENIED))
        error = await refused(bench)
        await anyio.sleep(3600)

        assert error.kind is Kind.AUTH_DENIED
        assert "ordoctl login acc" in error.message
        assert bench.broker.logins == 1


async def test_denied_is_told_only_when_a_restart_would_know_it_too() -> None:
    async with keeping() as bench:
        bench.broker.ends = [Fault.AUTH_DENIED]
        bench.disk.hang()
        await anyio.sleep(5)
        untold = bench.keeper.state
        bench.disk.resume()
        await until(bench.is_(SessionState.DENIED))

        assert untold is SessionState.LOGGING_IN
        assert bench.broker.logins == 1


async def test_denied_stands_over_a_restart_until_a_person_asks() -> None:
    bench = Bench()
    async with bench.life():
        bench.broker.ends = [Fault.AUTH_DENIED]
        await until(bench.is_(SessionState.DENIED))

    async with bench.life():
        await anyio.sleep(3600)
        assert bench.broker.logins == 1
        await bench.keeper.login()

        assert bench.keeper.state is SessionState.ACTIVE

    async with bench.life():
        await until(bench.is_(SessionState.ACTIVE))


async def test_the_fourth_login_in_ten_minutes_is_not_made() -> None:
    async with keeping() as bench:
        for _ in range(3):
            bench.keeper.died(await bench.ensure(), "someone logged in")

        await until(bench.is_(SessionState.DENIED))

        assert bench.broker.logins == 3
        assert "someone else uses this session" in bench.keeper.message


async def test_logins_far_apart_are_no_reason_to_stop() -> None:
    async with keeping() as bench:
        for _ in range(6):
            session = await bench.ensure()
            await anyio.sleep(400)
            bench.keeper.died(session, "expired")

        assert (await bench.ensure()).user_id == "AB1"


async def test_answers_nobody_understands_count_against_the_budget() -> None:
    async with keeping() as bench:
        bench.broker.ends = [Fault.UNREADABLE] * 9

        await until(bench.is_(SessionState.DENIED), 600)

        assert bench.broker.logins == 3


async def test_the_budget_stands_over_a_restart() -> None:
    bench = Bench()
    for _ in range(3):
        async with bench.life():
            await bench.ensure()

    async with bench.life():
        await until(bench.is_(SessionState.DENIED))

        assert bench.broker.logins == 3


async def test_a_login_a_person_asked_for_begins_a_new_budget_over_a_restart_too() -> None:
    bench = Bench()
    for _ in range(3):
        async with bench.life():
            await bench.ensure()
    async with bench.life():
        await until(bench.is_(SessionState.DENIED))
        await bench.keeper.login()

    async with bench.life():
        assert (await bench.ensure()).user_id == "AB1"


@pytest.mark.parametrize(("method", "looks"), [("GET", False), ("POST", True)])
async def test_looking_whether_a_session_lives_spends_no_budget(method: str, looks: bool) -> None:
    bench = Bench()
    bench.broker.method, bench.broker.looks = method, looks
    for _ in range(6):
        async with bench.life():
            assert (await bench.ensure()).user_id == "AB1"


async def test_what_the_configuration_lacks_is_no_denial() -> None:
    bench = Bench()
    bench.credentials = {}
    async with bench.life():
        error = await refused(bench)
        assert error.kind is Kind.SESSION_REQUIRED
        assert "lacks password" in error.message

    bench.credentials = {"password": Secret("pw")}
    async with bench.life():
        assert (await bench.ensure()).user_id == "AB1"


async def test_a_login_of_another_user_is_refused_where_one_is_pinned() -> None:
    async with keeping(user_id="AB9") as bench:
        await until(bench.is_(SessionState.DENIED))

        assert bench.keeper.user == "AB9"
        assert bench.keeper.session is None
        assert "AB1" in bench.keeper.message


async def test_a_ready_made_token_dies_once() -> None:
    bench = Bench()
    bench.credentials = {"access_token": Secret("ready"), "password": Secret("pw")}
    async with bench.life():
        bench.keeper.died(await bench.ensure(), "expired")

        await bench.ensure()

        assert bench.broker.tokens == [Secret("ready"), None]


async def test_a_ready_made_token_that_the_login_refuses_is_not_shown_again() -> None:
    bench = Bench()
    bench.credentials = {"access_token": Secret("stale"), "password": Secret("pw")}
    bench.broker.ends = [Fault.AUTH_EXPIRED]
    async with bench.life():
        await until(bench.is_(SessionState.ACTIVE))

        assert bench.broker.tokens == [Secret("stale"), None]


async def test_a_dead_token_without_other_secrets_wants_a_person_and_is_no_denial() -> None:
    bench = Bench()
    bench.credentials = {"access_token": Secret("ready")}
    async with bench.life():
        bench.keeper.died(await bench.ensure(), "expired")

        error = await refused(bench)

        assert error.kind is Kind.SESSION_REQUIRED


# TOTP


def totp_bench() -> Bench:
    bench = Bench()
    bench.broker.asks = [Ask("totp", "TOTP")]
    bench.credentials["totp_secret"] = TOTP
    return bench


async def test_a_totp_is_the_code_of_now_and_written_down_before_it_is_used() -> None:
    bench = totp_bench()
    async with bench.life():
        now = bench.clock.now()
        await bench.ensure()

        assert bench.broker.answers == [pyotp.TOTP(TOTP.reveal()).at(now)]
        assert [n[1].event for n in bench.book.account_notes] == ["totp", "active"]


async def test_no_totp_step_is_used_twice_over_a_restart_neither() -> None:
    bench = totp_bench()
    async with bench.life():
        bench.keeper.died(await bench.ensure(60), "gone")
        await bench.ensure(60)
    async with bench.life():
        await bench.ensure(90)

    assert len(set(bench.broker.answers)) == 3


async def test_a_totp_that_cannot_be_written_down_is_not_used() -> None:
    bench = totp_bench()
    async with bench.life():
        bench.disk.fail_at(1)

        error = await refused(bench)

        assert error.kind is Kind.SESSION_REQUIRED
        assert bench.broker.answers == []


async def test_a_totp_secret_that_is_no_base32_is_a_denial_that_does_not_show_it() -> None:
    bench = totp_bench()
    bench.credentials["totp_secret"] = Secret("not 0189 base32")
    async with bench.life():
        await until(bench.is_(SessionState.DENIED))

        assert "0189" not in bench.keeper.message


# Asking a person


def asking(kind: str = "otp") -> Bench:
    bench = Bench()
    bench.broker.asks = [Ask(kind, "the OTP from your phone", "https://example.invalid")]
    return bench


async def test_a_question_is_told_and_its_answer_ends_the_login() -> None:
    bench = asking()
    async with bench.life():
        await until(bench.is_(SessionState.WAITING_OTP))
        error = await refused(bench)
        assert bench.keeper.ask == bench.broker.asks[0]
        assert "the OTP from your phone" in error.message
        await bench.keeper.answer("123456")

        assert bench.keeper.state is SessionState.ACTIVE
        assert bench.keeper.ask is None
        assert bench.broker.answers == ["123456"]


async def test_a_totp_without_a_secret_is_asked_of_a_person() -> None:
    bench = asking("totp")
    async with bench.life():
        await until(bench.is_(SessionState.WAITING_OTP))
        await bench.keeper.answer("654321")

        assert bench.keeper.state is SessionState.ACTIVE


async def test_a_question_nobody_answers_is_not_asked_again_by_itself() -> None:
    bench = asking()
    async with bench.life():
        await until(bench.is_(SessionState.WAITING_OTP))

        await until(bench.is_(SessionState.EXPIRED), 700)
        await anyio.sleep(1800)

        assert bench.broker.logins == 1
        assert (await refused(bench)).kind is Kind.SESSION_REQUIRED
        await bench.keeper.login()
        assert bench.keeper.state is SessionState.WAITING_OTP


async def test_a_second_login_while_a_question_waits_asks_nothing_new() -> None:
    bench = asking()
    async with bench.life():
        await until(bench.is_(SessionState.WAITING_OTP))

        await bench.keeper.login()

        assert bench.broker.logins == 1


async def test_an_answer_to_no_question_is_refused() -> None:
    async with keeping() as bench:
        await bench.ensure()
        await bench.keeper.logout()

        with pytest.raises(OrdoError) as raised:
            await bench.keeper.answer("123456")

        assert raised.value.kind is Kind.INVALID_PARAMS
        assert "123456" not in raised.value.message


async def test_an_answer_that_is_told_twice_finds_the_session() -> None:
    bench = asking()
    async with bench.life():
        await until(bench.is_(SessionState.WAITING_OTP))
        await bench.keeper.answer("123456")

        await bench.keeper.answer("123456")

        assert bench.broker.answers == ["123456"]


# Logging out


async def test_a_logout_ends_the_session_at_the_broker_and_stays() -> None:
    bench = Bench()
    async with bench.life():
        await bench.ensure()

        await bench.keeper.logout()

        assert bench.broker.logged_out == ["token 1"]
        assert (await refused(bench)).kind is Kind.AUTH_DENIED
    async with bench.life():
        await anyio.sleep(600)
        assert bench.broker.logins == 1
        why = (await refused(bench)).message
        assert "was logged out by a person" in why  # and nothing of the broker or of credentials
        assert "broker" not in why
        await bench.keeper.login()
        assert bench.keeper.state is SessionState.ACTIVE


async def test_a_logout_works_here_whatever_the_broker_says() -> None:
    async with keeping() as bench:
        await bench.ensure()
        bench.line.fails = [Lost("no answer", 0.0)]

        await bench.keeper.logout()

        assert bench.keeper.session is None
        assert bench.keeper.state is SessionState.DENIED


async def test_a_logout_ends_a_login_that_waits() -> None:
    bench = asking()
    async with bench.life():
        await until(bench.is_(SessionState.WAITING_OTP))

        await bench.keeper.logout()
        await anyio.sleep(3600)

        assert bench.keeper.state is SessionState.DENIED


async def test_a_logout_on_a_dead_disk_still_stops_the_account() -> None:
    async with keeping() as bench:
        await bench.ensure()
        bench.disk.fail_at(1)

        await bench.keeper.logout()

        assert bench.keeper.state is SessionState.DENIED


async def test_a_login_after_a_denial_on_a_dead_disk_says_so_and_changes_nothing() -> None:
    async with keeping() as bench:
        await bench.ensure()
        await bench.keeper.logout()
        bench.disk.fail_at(1)

        with pytest.raises(OrdoError) as raised:
            await bench.keeper.login()

        assert raised.value.kind is Kind.JOURNAL_FAILED
        assert bench.keeper.state is SessionState.DENIED


def states() -> Iterator[SessionState]:
    yield from SessionState


@pytest.mark.parametrize("state", [s for s in states() if s is not SessionState.ACTIVE])
async def test_every_state_but_active_says_what_to_do(state: SessionState) -> None:
    async with keeping() as bench:
        await bench.ensure()
        bench.keeper.state = state

        assert "acc" in bench.keeper.advice
