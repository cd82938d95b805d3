"""One account's conversation with its broker: reads, slots, the book's day."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordod.adapter import BrokerError, Dialogue, Fault, HttpRequest, Session, Window
from ordod.core.account import Account, AccountRules
from ordod.errors import Kind, OrdoError
from ordod.paper import PAPER
from tests.core.world import (
    VIRTUAL,
    World,
    answers,
    lost_before,
    running_world,
    unsent,
    with_spec,
)
from tests.simulation.ports import IST


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


READS = {"match": lambda request: request.path == "/funds"}


async def read(world: World, within_s: float = 10.0) -> Any:
    account = world.parts.accounts["paper"]
    return await account.read(account.adapter.funds, deadline=world.clock.boot() + within_s)


async def refused(world: World, within_s: float = 10.0) -> OrdoError:
    with pytest.raises(OrdoError) as raised:
        await read(world, within_s)
    return raised.value


@pytest.mark.parametrize("act", [unsent, lost_before])
async def test_a_read_is_asked_again_where_the_connection_failed(act: Any) -> None:
    async with running_world() as world:
        world.line().script(act, act, **READS)

        assert await read(world, 30)


async def test_a_read_that_fails_three_times_is_told() -> None:
    async with running_world() as world:
        world.line().script(unsent, unsent, unsent, **READS)

        error = await refused(world)

        assert error.kind is Kind.BROKER_UNAVAILABLE
        assert error.kind.retry is not None


async def test_a_read_renews_a_dead_session_once() -> None:
    dead = answers(401, "AUTH_EXPIRED")
    async with running_world() as world:
        world.line().script(dead, **READS)
        assert await read(world)

        world.line().script(dead, dead, **READS)
        assert (await refused(world)).kind is Kind.SESSION_REQUIRED


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault.AUTH_DENIED, Kind.UNSUPPORTED),
        (Fault.RATE_LIMITED, Kind.RATE_LIMITED),
        (Fault.BROKER_UNAVAILABLE, Kind.BROKER_UNAVAILABLE),
        (Fault.AMBIGUOUS, Kind.BROKER_UNAVAILABLE),
        (Fault.UNSUPPORTED, Kind.UNSUPPORTED),
        (Fault.UNREADABLE, Kind.BROKER_ERROR),
        (Fault.INVALID_INPUT, Kind.BROKER_ERROR),
    ],
)
async def test_a_refused_read_has_its_kind_and_the_brokers_words(fault: Fault, kind: Kind) -> None:
    def operation(session: Session) -> Dialogue[None]:
        yield HttpRequest("GET", "rest", "/user", "reads")
        raise BrokerError(fault, "as it says", code="17")

    async with running_world() as world:
        with pytest.raises(OrdoError) as raised:
            await world.parts.accounts["paper"].read(operation, deadline=world.clock.boot() + 5)

        assert raised.value.kind is kind
        assert raised.value.data["broker_message"] == "as it says"
        assert raised.value.data["broker_code"] == "17"


async def test_reads_keep_their_own_window() -> None:
    windows = (Window("reads", count=2, seconds=1),)
    async with running_world(adapter=with_spec(windows=windows)) as world:
        began = world.clock.boot()
        for _ in range(6):
            await read(world)

        assert world.clock.boot() - began >= 2.0


async def test_a_read_whose_slot_is_past_its_deadline_is_told() -> None:
    def alone(session: Session) -> Dialogue[None]:  # in a window that nobody else's reads take from
        yield HttpRequest("GET", "rest", "/user", "alone")

    windows = (Window("alone", count=1, seconds=60),)
    async with running_world(adapter=with_spec(windows=windows)) as world:
        account = world.parts.accounts["paper"]
        await account.read(alone, deadline=world.clock.boot() + 10)

        with pytest.raises(OrdoError) as raised:
            await account.read(alone, deadline=world.clock.boot() + 10)

        assert raised.value.kind is Kind.RATE_LIMITED


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))  # noqa: DTZ001 - a zone follows
def test_every_time_is_in_the_book_day_that_began_last(naive: datetime) -> None:
    at = naive.replace(tzinfo=IST)
    nothing: Any = None
    account = Account(
        AccountRules(name="paper"),
        adapter=PAPER,
        line=nothing,
        windows=nothing,
        keeper=nothing,
        master=nothing,
        clock=nothing,
    )

    day = account.book_day(at)

    assert day <= at < day + timedelta(days=1)
    assert (day.hour, day.minute, day.second, day.microsecond) == (6, 0, 0, 0)
