"""What a send came to, as records and errors; the breaker between."""

from typing import Any

import anyio
import pytest

from ordod.adapter import BrokerError, Dialogue, Fault, HttpRequest, Session
from ordod.core.guard.breaker import FAILURES
from ordod.core.orders.records import Accepted, Doubt, Rejected, Unsent
from ordod.core.orders.sending import Outcome, error_of, record_of
from ordod.errors import Kind, Retry
from tests.core.making import NOW
from tests.core.world import (
    VIRTUAL,
    World,
    answers,
    first,
    lost_before,
    request_is,
    running_world,
    unsent,
)


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


def asking(fault: Fault | None, *, before: bool, sure: bool) -> Any:
    """A dialogue that raises a fault before, or after, its writing request."""

    def make(session: Session) -> Dialogue[str]:
        if before and fault is not None:
            raise BrokerError(fault, "as it says", sure=sure)
        yield HttpRequest("GET", "rest", "/user", "reads", writes=True)
        if fault is not None:
            raise BrokerError(fault, "as it says", sure=sure)
        return "yes"

    return make


async def send(world: World, make: Any, **changed: Any) -> Outcome[Any]:
    fields: dict[str, Any] = {
        "user": "paper",
        "strategy": None,
        "deadline": world.clock.boot() + 5.0,
    }
    account = world.parts.accounts["paper"]
    return await world.parts.changes._sender.send_once(account, make, **fields | changed)


SURE = {
    Fault.INVALID_INPUT: Kind.ORDER_REJECTED,
    Fault.NOT_FOUND: Kind.ORDER_REJECTED,
    Fault.AUTH_DENIED: Kind.ORDER_REJECTED,
    Fault.UNSUPPORTED: Kind.ORDER_REJECTED,
    Fault.ORDER_REJECTED: Kind.ORDER_REJECTED,
    Fault.INSUFFICIENT_FUNDS: Kind.INSUFFICIENT_FUNDS,
    Fault.MARKET_CLOSED: Kind.MARKET_CLOSED,
}
AGAIN = {Fault.AUTH_EXPIRED: Kind.SESSION_REQUIRED, Fault.RATE_LIMITED: Kind.RATE_LIMITED}


@pytest.mark.parametrize("fault", list(Fault))
async def test_after_the_first_byte_only_a_sure_fault_is_no_doubt(fault: Fault) -> None:
    async with running_world() as world:
        sure = await send(world, asking(fault, before=False, sure=True))
        unsure = await send(world, asking(fault, before=False, sure=False))

        assert unsure.what == "doubt"
        if fault in SURE:
            assert (sure.what, sure.kind) == ("rejected", SURE[fault])
            assert SURE[fault].retry is Retry.NEW_KEY
        elif fault in AGAIN:
            assert (sure.what, sure.kind) == ("unsent", AGAIN[fault])
            assert AGAIN[fault].retry is Retry.SAME_KEY
        else:
            assert sure.what == "doubt"


@pytest.mark.parametrize("fault", list(Fault))
async def test_before_the_first_byte_no_fault_is_a_doubt(fault: Fault) -> None:
    async with running_world() as world:
        outcome = await send(world, asking(fault, before=True, sure=False))

        assert outcome.what in ("unsent", "rejected")
        assert outcome.kind is not None
        # What frees the key must not say that no order of it will exist, and what keeps it must.
        told = Retry.SAME_KEY if outcome.what == "unsent" else Retry.NEW_KEY
        assert outcome.kind.retry is told


async def test_a_session_of_another_user_is_not_used() -> None:
    async with running_world() as world:
        outcome = await send(world, asking(None, before=False, sure=False), user="AB9")

        assert (outcome.what, outcome.kind) == ("unsent", Kind.SESSION_REQUIRED)
        assert not world.line().writes()


async def test_a_broker_that_cannot_be_reached_is_not_tried_by_orders_for_a_while() -> None:
    async with running_world() as world:
        yes = asking(None, before=False, sure=False)
        world.line().script(*[unsent] * FAILURES)
        for _ in range(FAILURES):
            await send(world, yes)

        held = await send(world, yes)
        passed = await send(world, yes, is_cancel=True)

        assert held.kind is Kind.BROKER_UNAVAILABLE
        assert "next try" in held.message
        assert passed.what == "accepted"
        assert (await send(world, yes)).what == "accepted"


async def test_any_answer_closes_the_breaker() -> None:
    async with running_world() as world:
        breaker = world.parts.accounts["paper"].breaker
        for _ in range(FAILURES):
            breaker.failed(world.clock.boot())

        await send(world, asking(Fault.ORDER_REJECTED, before=False, sure=True), is_cancel=True)

        assert not breaker.is_open


async def test_a_caller_with_no_patience_does_not_open_the_breaker() -> None:
    async with running_world() as world:

        async def waits(send: Any, request: Any, admit: Any) -> Any:
            await anyio.sleep(0.002)
            return await unsent(send, request, admit)

        for _ in range(FAILURES):
            world.line().script(waits)
            await send(
                world,
                asking(None, before=False, sure=False),
                deadline=world.clock.boot() + 0.001,
            )

        assert not world.parts.accounts["paper"].breaker.is_open


async def test_lost_answers_open_the_breaker() -> None:
    async with running_world() as world:
        world.line().always(answers(503, ""), request_is("GET", "/orders"))
        world.line().script(*[lost_before] * FAILURES)
        for _ in range(FAILURES):
            assert (await send(world, asking(None, before=False, sure=False))).what == "doubt"

        assert world.parts.accounts["paper"].breaker.is_open


async def test_a_deadline_in_the_past_sends_nothing() -> None:
    async with running_world() as world:
        world.line().script(first(lambda: anyio.sleep(0.1)))

        outcome = await send(
            world,
            asking(None, before=False, sure=False),
            deadline=world.clock.boot(),
            is_cancel=True,
        )

        assert outcome.what == "unsent"
        assert outcome.kind in (Kind.TOO_LATE, Kind.BROKER_UNAVAILABLE)


async def test_a_rate_limit_past_the_deadline_is_told() -> None:
    async with running_world() as world:
        outcome = await send(
            world,
            asking(Fault.RATE_LIMITED, before=False, sure=True),
            deadline=world.clock.boot() + 2.5,
        )

        assert outcome.kind is Kind.RATE_LIMITED


async def test_an_unsure_answer_of_a_dead_session_is_a_doubt_and_not_repeated() -> None:
    async with running_world() as world:
        world.line().script(answers(403, "who knows"))

        result = await send(world, asking(Fault.AUTH_EXPIRED, before=False, sure=False))

        assert result.what == "doubt"
        assert len(world.line().writes()) == 1


@pytest.mark.parametrize(
    ("outcome", "record", "kind"),
    [
        (Outcome(what="accepted", value=1), Accepted(id="o1", broker_id="b1"), None),
        (
            Outcome(what="rejected", kind=Kind.ORDER_REJECTED, message="no", code="17"),
            Rejected(id="o1", kind="ORDER_REJECTED", message="no", code="17"),
            Kind.ORDER_REJECTED,
        ),
        (
            Outcome(what="unsent", kind=Kind.KILLED, message="stop"),
            Unsent(id="o1", kind="KILLED", message="stop"),
            Kind.KILLED,
        ),
        (
            Outcome(what="doubt", message="lost", sent_at=NOW, died_at=NOW),
            Doubt(id="o1", why="lost", sent_at=NOW, died_at=NOW),
            None,
        ),
    ],
)
def test_an_outcome_is_one_record_and_at_most_one_error(
    outcome: Outcome[int], record: Any, kind: Kind | None
) -> None:
    error = error_of(outcome, key="k1")

    assert record_of("o1", outcome, "b1") == record
    assert (error.kind if error else None) is kind
    if error and outcome.what == "rejected":
        assert error.data == {"key": "k1", "broker_message": "no", "broker_code": "17"}
