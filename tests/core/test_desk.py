"""The order path, against the paper broker behind a line that loses and refuses on request."""

from decimal import Decimal
from typing import Any

import anyio
import pytest
from msgspec.structs import asdict

from ordod.adapter import Window
from ordod.config.settings import RiskSettings
from ordod.core.guard.gate import Scope
from ordod.core.orders.desk import PlaceResult, WantedOrder
from ordod.core.orders.keys import fingerprint, make_tag
from ordod.domain.orders import OrderTerms, OrderType, Side, Status
from ordod.domain.risk import RiskLimits
from ordod.errors import Kind, OrdoError, Retry
from ordod.paper import PAPER
from tests.core.world import (
    VIRTUAL,
    World,
    account,
    answers,
    first,
    late,
    lost_after,
    lost_before,
    market,
    request_is,
    resting,
    running_world,
    unsent,
    until,
    wanted,
    with_spec,
)


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


class Told:
    """What calls came to, by name."""

    def __init__(self) -> None:
        self.results: dict[str, PlaceResult] = {}
        self.errors: dict[str, OrdoError] = {}

    def kind(self, name: str) -> Kind:
        return self.errors[name].kind

    def status(self, name: str) -> Status:
        return self.results[name].order.status


async def place(world: World, told: Told, order: WantedOrder, name: str = "") -> None:
    name = name or order.key
    try:
        told.results[name] = await world.parts.desk.place(order)
    except OrdoError as error:
        told.errors[name] = error


async def refused(world: World, order: WantedOrder) -> OrdoError:
    with pytest.raises(OrdoError) as raised:
        await world.parts.desk.place(order)
    return raised.value


# A yes


async def test_an_order_is_journaled_sent_and_answered() -> None:
    async with running_world() as world:
        result = await world.parts.desk.place(wanted("k1", strategy="orb"))

        assert not result.replayed
        assert result.order.status is Status.PENDING
        assert (result.order.key, result.order.strategy) == ("k1", "orb")
        assert world.records()[:2] == ["intent", "accepted"]
        (row,) = world.at_broker()
        assert row.tags == (result.order.tag,)
        assert row.broker_order_id == result.order.broker_order_id


async def test_the_intent_is_on_disk_before_a_byte_is_handed_over() -> None:
    async with running_world() as world:
        written: list[list[str]] = []

        async def look() -> None:
            written.append(world.disk.crash().names("journal") and world.records())

        world.line().script(first(look))
        await world.parts.desk.place(wanted("k1"))

        assert written == [["intent"]]


async def test_the_same_key_again_is_the_order_as_it_stands() -> None:
    async with running_world() as world:
        first_time = await world.parts.desk.place(wanted("k1", market()))
        await until(lambda: world.order("k1").status is Status.FILLED)

        again = await world.parts.desk.place(wanted("k1", market()))

        assert again.replayed
        assert again.order.order_id == first_time.order.order_id
        assert again.order.status is Status.FILLED
        assert len(world.at_broker()) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quantity", 11),
        ("price", Decimal(1201)),
        ("side", Side.SELL),
        ("symbol", "NSE:TCS"),
        ("type", OrderType.MARKET),
        ("disclosed_quantity", 1),
    ],
)
async def test_a_key_with_another_payload_is_refused_with_the_order_that_exists(
    field: str, value: object
) -> None:
    async with running_world() as world:
        placed = await world.parts.desk.place(wanted("k1"))
        other = OrderTerms(**asdict(resting()) | {field: value})

        error = await refused(world, wanted("k1", other))

        assert error.kind is Kind.KEY_REUSED
        assert error.kind.retry is Retry.NEVER
        assert error.data["differs"] == [field]
        assert error.data["order"].order_id == placed.order.order_id
        assert len(world.line().writes()) == 1


async def test_the_key_is_looked_at_before_anything_that_can_refuse() -> None:
    async with running_world() as world:
        await world.parts.desk.place(wanted("k1"))
        world.parts.gate.close(Scope())
        world.parts.desk.is_draining = True
        keeper = world.parts.accounts["paper"].keeper
        assert keeper.session is not None
        await keeper.logout()

        again = await world.parts.desk.place(wanted("k1"))

        assert again.replayed


# Calls side by side


async def test_a_second_call_while_the_first_is_under_way_gets_its_answer() -> None:
    async with running_world() as world, anyio.create_task_group() as group:
        told = Told()
        world.line().script(late(2.0))

        group.start_soon(place, world, told, wanted("k1"), "first")
        await until(lambda: world.line().writes())
        group.start_soon(place, world, told, wanted("k1"), "second")
        await until(lambda: len(told.results) == 2)

        assert told.status("first") is told.status("second") is Status.PENDING
        assert [told.results[n].replayed for n in ("first", "second")] == [False, True]
        assert len(world.line().writes()) == 1


async def test_a_second_call_with_another_payload_meanwhile_is_refused_at_once() -> None:
    async with running_world() as world, anyio.create_task_group() as group:
        told = Told()
        world.line().script(late(2.0))

        group.start_soon(place, world, told, wanted("k1"), "first")
        await until(lambda: world.line().writes())
        error = await refused(world, wanted("k1", resting(quantity=11)))

        assert error.kind is Kind.KEY_REUSED


async def test_fifty_calls_with_one_key_make_one_order() -> None:
    async with running_world() as world:
        told = Told()

        async with anyio.create_task_group() as group:
            for n in range(50):
                group.start_soon(place, world, told, wanted("k1"), f"call {n}")

        assert len(world.at_broker()) == 1
        assert len({r.order.order_id for r in told.results.values()}) == 1
        assert [r.replayed for r in told.results.values()].count(False) == 1


async def test_fifty_keys_make_fifty_orders_with_a_tag_each() -> None:
    async with running_world() as world:
        told = Told()

        async with anyio.create_task_group() as group:
            for n in range(50):
                group.start_soon(place, world, told, wanted(f"k{n}"))

        assert len({row.tags for row in world.at_broker()}) == 50


# A no


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("ORDER_REJECTED", Kind.ORDER_REJECTED),
        ("INVALID_INPUT", Kind.ORDER_REJECTED),
        ("NOT_FOUND", Kind.ORDER_REJECTED),
        ("UNSUPPORTED", Kind.ORDER_REJECTED),
        ("INSUFFICIENT_FUNDS", Kind.INSUFFICIENT_FUNDS),
        ("MARKET_CLOSED", Kind.MARKET_CLOSED),
    ],
)
async def test_a_sure_no_ends_the_order_and_keeps_its_key(fault: str, kind: Kind) -> None:
    async with running_world() as world:
        world.line().script(answers(400, fault, "so it says"))

        error = await refused(world, wanted("k1"))
        again = await world.parts.desk.place(wanted("k1"))

        assert error.kind is kind
        assert error.kind.retry is Retry.NEW_KEY
        assert error.data["broker_message"] == "so it says"
        assert again.replayed
        assert again.order.status is Status.REJECTED
        assert len(world.line().writes()) == 1


@pytest.mark.parametrize(
    "act",
    [
        lost_before,
        lost_after,
        answers(502, "", "bad gateway"),
        answers(200, "", "garbage", executes=True),
        answers(400, "BROKER_UNAVAILABLE"),
        answers(400, "something new"),
        answers(302, ""),
    ],
    ids=["lost", "arrived", "502", "garbage", "unavailable", "unknown word", "redirect"],
)
async def test_everything_that_is_not_a_sure_no_is_in_doubt_and_never_sent_again(
    act: Any,
) -> None:
    async with running_world() as world:
        world.line().script(act)

        result = await world.parts.desk.place(wanted("k1", timeout_s=60))
        again = await world.parts.desk.place(wanted("k1"))
        await anyio.sleep(600)

        assert result.order.status is Status.IN_DOUBT
        assert result.order.tag
        assert result.order.since is not None
        assert result.order.next_check is not None
        assert result.order.next_check >= result.order.since
        assert again.replayed
        assert len(world.line().writes("POST")) == 1


async def test_a_lost_answer_of_an_order_that_arrived_ends_when_the_book_shows_it() -> None:
    async with running_world() as world:
        world.line().script(lost_after)

        await world.parts.desk.place(wanted("k1", timeout_s=60))
        await until(lambda: world.order("k1").status is Status.OPEN)

        (row,) = world.at_broker()
        assert world.order("k1").broker_order_id == row.broker_order_id
        assert "settled" in world.records()


async def test_a_caller_who_does_not_wait_learns_that_it_may_have_been_sent() -> None:
    async with running_world() as world:
        world.line().script(late(5.0))

        result = await world.parts.desk.place(wanted("k1", timeout_s=1.0))
        await until(lambda: world.order("k1").status is not Status.IN_DOUBT)

        assert result.order.status is Status.IN_DOUBT
        assert world.order("k1").is_live


async def test_a_bug_in_the_adapter_after_the_first_byte_is_a_doubt() -> None:
    class Broken(type(PAPER)):  # type: ignore[misc]  # a class made for one test
        def place(self, session: Any, order: Any, instrument: Any) -> Any:
            yield from super().place(session, order, instrument)
            raise ZeroDivisionError

    async with running_world(adapter=Broken()) as world:
        result = await world.parts.desk.place(wanted("k1"))
        await until(lambda: world.order("k1").status is Status.OPEN)

        assert result.order.status is Status.IN_DOUBT


async def test_a_bug_in_the_adapter_before_the_first_byte_sends_nothing() -> None:
    class Broken(type(PAPER)):  # type: ignore[misc]  # a class made for one test
        def place(self, session: Any, order: Any, instrument: Any) -> Any:
            raise ZeroDivisionError

    async with running_world(adapter=Broken()) as world:
        error = await refused(world, wanted("k1"))

        assert error.kind is Kind.BROKER_UNAVAILABLE
        assert world.parts.book.by_key("paper", "k1") is None


# Nothing was sent: the key is free


async def test_no_connection_frees_the_key_for_the_same_order() -> None:
    async with running_world() as world:
        world.line().script(unsent)

        error = await refused(world, wanted("k1"))
        result = await world.parts.desk.place(wanted("k1"))

        assert error.kind is Kind.BROKER_UNAVAILABLE
        assert error.kind.retry is Retry.SAME_KEY
        assert not result.replayed
        assert len(world.at_broker()) == 1
        assert world.records()[:4] == ["intent", "unsent", "intent", "accepted"]


async def test_an_order_after_unsent_has_the_tag_of_its_key() -> None:
    async with running_world() as world:
        world.line().script(unsent)
        await refused(world, wanted("k1"))

        result = await world.parts.desk.place(wanted("k1"))

        order = wanted("k1")
        print_ = fingerprint(order.terms, order.strategy)
        installation = world.parts.journal.installation
        spec = PAPER.spec.tag
        assert spec is not None
        assert result.order.tag == make_tag(installation, "paper", "k1", print_, spec)


async def test_a_deadline_that_passes_while_a_connection_is_waited_for_sends_nothing() -> None:
    async with running_world() as world:
        world.line().script(first(lambda: anyio.sleep(3.1)))

        error = await refused(world, wanted("k1", timeout_s=3.0))
        await anyio.sleep(10)

        assert error.kind in (Kind.TOO_LATE, Kind.BROKER_UNAVAILABLE)
        assert not world.at_broker()
        assert world.parts.book.by_key("paper", "k1") is None


async def test_a_deadline_that_passes_during_the_sync_sends_nothing() -> None:
    async with running_world() as world:
        world.disk.latency = lambda: 1.0

        error = await refused(world, wanted("k1", timeout_s=0.3))
        await anyio.sleep(10)

        assert error.kind is Kind.TOO_LATE
        assert not world.line().writes()
        assert world.parts.book.by_key("paper", "k1") is None


async def test_a_kill_while_a_connection_is_waited_for_holds_the_order_back() -> None:
    async with running_world() as world:

        async def kill() -> None:
            await anyio.sleep(0.5)
            world.parts.gate.close(Scope())

        world.line().script(first(kill))

        error = await refused(world, wanted("k1"))

        assert error.kind is Kind.KILLED
        assert not world.at_broker()
        assert "unsent" in world.records()


@pytest.mark.parametrize(
    "scope",
    [Scope(), Scope(account="paper"), Scope(strategy="orb")],
    ids=["everything", "account", "strategy"],
)
async def test_a_closed_gate_refuses_before_anything_is_written(scope: Scope) -> None:
    async with running_world() as world:
        world.parts.gate.close(scope)

        error = await refused(world, wanted("k1", strategy="orb"))

        assert error.kind is Kind.KILLED
        assert "intent" not in world.records()


async def test_another_strategys_gate_does_not_hold_an_order() -> None:
    async with running_world() as world:
        world.parts.gate.close(Scope(strategy="orb"))

        assert not (await world.parts.desk.place(wanted("k1", strategy="mean"))).replayed


# Limits of the broker

NINE = (Window("orders", count=9, seconds=1), Window("orders", count=20, seconds=60))


async def test_an_order_waits_for_its_slot() -> None:
    async with running_world(adapter=with_spec(windows=NINE)) as world:
        told = Told()
        await anyio.sleep(2)
        began = world.clock.boot()

        async with anyio.create_task_group() as group:
            for n in range(12):
                group.start_soon(place, world, told, wanted(f"k{n}"))

        assert len(told.results) == 12
        assert world.clock.boot() - began >= 1.0


async def test_an_order_whose_slot_is_past_its_deadline_is_not_sent() -> None:
    async with running_world(adapter=with_spec(windows=NINE)) as world:
        told = Told()
        await anyio.sleep(2)

        async with anyio.create_task_group() as group:
            for n in range(20):
                group.start_soon(place, world, told, wanted(f"k{n}"))

        assert len(told.results) == 18
        assert {error.kind for error in told.errors.values()} == {Kind.RATE_LIMITED}
        assert len(world.at_broker()) == 18


async def test_a_bot_that_asks_again_and_again_at_a_full_window_leaves_nothing_in_the_journal() -> (
    None
):
    async with running_world(adapter=with_spec(windows=NINE)) as world:
        told = Told()
        await anyio.sleep(2)
        async with anyio.create_task_group() as group:
            for n in range(20):
                group.start_soon(place, world, told, wanted(f"k{n}"))
        before = world.parts.journal.head[0]

        errors = [await refused(world, wanted("late", timeout_s=0.5)) for _ in range(5)]

        assert {error.kind for error in errors} == {Kind.RATE_LIMITED}
        assert all(error.data["retry_after_ms"] > 0 for error in errors)
        assert world.parts.journal.head[0] == before


async def test_rate_limited_is_tried_again_until_the_deadline() -> None:
    limited = answers(429, "RATE_LIMITED", "slower")
    async with running_world(adapter=sure_of_limits()) as world:
        world.line().script(limited, limited)
        result = await world.parts.desk.place(wanted("k1"))

        world.line().always(limited, lambda request: request.writes)
        error = await refused(world, wanted("k2", timeout_s=3.5))

        assert result.order.status is Status.PENDING
        assert error.kind is Kind.RATE_LIMITED
        assert error.kind.retry is Retry.SAME_KEY
        assert world.parts.book.by_key("paper", "k2") is None
        assert len(world.at_broker()) == 1


def sure_of_limits() -> Any:
    """The paper adapter, to whom a 429 surely had no effect."""
    from ordod.adapter import BrokerError, Fault

    class Limited(type(PAPER)):  # type: ignore[misc]  # a class made for one test
        def place(self, session: Any, order: Any, instrument: Any) -> Any:
            dialogue = super().place(session, order, instrument)
            request = next(dialogue)
            response = yield request
            if response.status == 429:
                raise BrokerError(Fault.RATE_LIMITED, "slower", sure=True)
            try:
                dialogue.send(response)
            except StopIteration as end:
                return end.value

    return Limited()


# Sessions


async def test_a_dead_session_is_renewed_once_and_the_order_sent_again() -> None:
    async with running_world() as world:
        world.exchange.end_session("paper")

        result = await world.parts.desk.place(wanted("k1"))

        assert result.order.status is Status.PENDING
        assert len(world.at_broker()) == 1
        assert world.records()[:2] == ["intent", "accepted"]


async def test_a_session_that_dies_twice_in_one_call_is_told() -> None:
    async with running_world() as world:
        dead = answers(401, "AUTH_EXPIRED")
        world.line().script(dead, dead)
        world.line().always(dead, request_is("GET", "/user"))

        error = await refused(world, wanted("k1"))

        assert error.kind is Kind.SESSION_REQUIRED
        assert not world.at_broker()
        assert world.parts.book.by_key("paper", "k1") is None


async def test_a_session_that_lives_is_not_given_up_because_an_order_was_refused_for_it() -> None:
    async with running_world() as world:
        session = world.parts.accounts["paper"].keeper.session
        world.line().script(answers(401, "AUTH_EXPIRED", "invalid token"))

        error = await refused(world, wanted("k1"))
        again = await world.parts.desk.place(wanted("k1"))

        assert error.kind is Kind.SESSION_REQUIRED
        assert "refuses orders of a session that lives (invalid token)" in error.message
        assert world.parts.accounts["paper"].keeper.session is session
        assert again.order.status is Status.PENDING
        assert len(world.at_broker()) == 1


async def test_orders_wait_for_a_first_reading_of_the_book() -> None:
    async with running_world(ready=False) as world:
        world.parts.accounts["paper"].is_read = False
        world.line().always(answers(503, ""), request_is("GET", "/orders"))
        await until(lambda: world.parts.accounts["paper"].keeper.session)
        world.parts.accounts["paper"].is_read = False

        error = await refused(world, wanted("k1"))

        assert error.kind is Kind.SESSION_REQUIRED
        assert "not read yet" in error.message


async def test_an_account_that_is_not_configured_is_named_with_those_that_are() -> None:
    async with running_world() as world:
        error = await refused(world, wanted("k1", account="zerodha"))

        assert error.kind is Kind.UNKNOWN_ACCOUNT
        assert "paper" in error.message


async def test_an_unknown_instrument_is_named_with_the_closest() -> None:
    async with running_world() as world:
        error = await refused(world, wanted("k1", resting(symbol="NSE:INFYX")))

        assert error.kind is Kind.UNKNOWN_INSTRUMENT
        assert "NSE:INFY" in error.data["closest"]


async def test_before_the_first_instruments_an_order_is_told_to_come_back() -> None:
    async with running_world() as world:
        world.tables.masters["paper"].day = None

        error = await refused(world, wanted("k1"))

        assert error.kind is Kind.SESSION_REQUIRED


async def test_a_broker_without_a_tag_is_unsupported() -> None:
    async with running_world(adapter=with_spec(tag=None)) as world:
        assert (await refused(world, wanted("k1"))).kind is Kind.UNSUPPORTED


async def test_a_mistake_in_the_terms_stores_nothing_and_may_be_mended_under_the_same_key() -> None:
    async with running_world() as world:
        error = await refused(world, wanted("k1", resting(quantity=0)))

        assert error.kind is Kind.INVALID_PARAMS
        assert (await world.parts.desk.place(wanted("k1"))).replayed is False


# The disk


async def test_a_hanging_sync_is_journal_failed_and_sends_nothing_ever() -> None:
    async with running_world() as world:
        world.disk.hang()

        error = await refused(world, wanted("k1"))
        world.disk.resume()
        await anyio.sleep(60)

        assert error.kind is Kind.JOURNAL_FAILED
        assert error.kind.retry is Retry.SAME_KEY
        assert not world.line().writes()
        assert world.parts.book.by_key("paper", "k1") is None


async def test_after_a_hanging_sync_the_same_key_places_one_order() -> None:
    async with running_world() as world:
        world.disk.hang()
        await refused(world, wanted("k1"))
        world.disk.resume()

        result = await world.parts.desk.place(wanted("k1"))

        assert not result.replayed
        assert len(world.at_broker()) == 1
        assert world.order("k1").id == result.order.order_id


async def test_a_dead_disk_sends_nothing() -> None:
    async with running_world() as world:
        world.disk.fail_at(1)

        error = await refused(world, wanted("k1"))
        later = await refused(world, wanted("k2"))

        assert error.kind is later.kind is Kind.JOURNAL_FAILED
        assert not world.line().writes()


async def test_an_outcome_that_cannot_be_stored_is_answered_as_in_doubt() -> None:
    async with running_world() as world:

        async def dies() -> None:
            world.disk.fail_at(1)

        world.line().script(first(dies))

        result = await world.parts.desk.place(wanted("k1"))

        assert result.order.status is Status.IN_DOUBT
        assert len(world.at_broker()) == 1


async def test_a_sure_no_that_cannot_be_stored_is_answered_as_in_doubt() -> None:
    async with running_world() as world:

        async def dies() -> None:
            world.disk.fail_at(1)

        world.line().script(first(dies, answers(400, "ORDER_REJECTED")))

        result = await world.parts.desk.place(wanted("k1"))

        assert result.order.status is Status.IN_DOUBT


# Restarts


async def test_an_order_whose_outcome_died_with_the_daemon_is_settled_by_the_next_one() -> None:
    world = World()
    async with world.daemon():
        world.line().script(late(100.0))
        await world.parts.desk.place(wanted("k1", timeout_s=1.0))
        world.disk = world.disk.crash()

    async with world.daemon():
        again = await world.parts.desk.place(wanted("k1"))
        await until(lambda: world.order("k1").status is Status.OPEN)

        assert again.replayed
        assert len(world.at_broker()) == 1


async def test_an_order_of_ours_that_the_journal_lacks_is_adopted_and_everything_stops() -> None:
    world = World()
    async with world.daemon():
        saved = world.disk.copy()
        await world.parts.desk.place(wanted("k1"))

    world.disk = saved
    async with world.daemon():
        await until(lambda: world.parts.gate.is_closed)
        again = await world.parts.desk.place(wanted("k1"))
        other = await refused(world, wanted("k1", resting(quantity=11)))

        assert again.replayed
        assert again.order.key == "k1"
        assert other.kind is Kind.KEY_REUSED
        assert len(world.at_broker()) == 1


async def test_a_second_account_of_the_same_broker_user_does_not_serve() -> None:
    # The broker counts per user: with two of everything its limits would be passed.
    world = World()
    world.brokers.users["second"] = "paper"
    async with world.daemon(account(), account("second"), ready=False):
        await until(lambda: world.parts.accounts["paper"].is_read)
        await until(lambda: world.parts.accounts["paper"].master.loaded_on)

        placed = await world.parts.desk.place(wanted("k1"))
        error = await refused(world, wanted("k1", account="second"))

        assert placed.order.account == "paper"
        assert error.kind is Kind.SESSION_REQUIRED
        assert "is account paper already" in error.message
        assert len(world.at_broker()) == 1


async def test_an_order_of_a_renamed_account_is_the_new_names_to_cancel() -> None:
    world = World()
    world.brokers.users["new-name"] = "paper"
    async with world.daemon(account()):
        await world.parts.desk.place(wanted("k1"))
    async with world.daemon(account("new-name")):
        again = await world.parts.desk.place(wanted("k1", account="new-name"))
        order = world.order("k1")

        await world.parts.changes.cancel(order, caller="test", timeout_s=10)

        assert again.replayed
        assert again.order.account == "new-name"
        assert world.order("k1").status is Status.CANCELLED
        assert len(world.at_broker()) == 1


async def test_a_stopping_daemon_takes_no_order_and_waits_for_those_under_way() -> None:
    async with running_world() as world, anyio.create_task_group() as group:
        told = Told()
        world.line().script(late(3.0))
        group.start_soon(place, world, told, wanted("k1"))
        await until(lambda: world.line().writes())

        await world.parts.desk.drain()

        assert (await refused(world, wanted("k2"))).kind is Kind.OVERLOADED
        await until(lambda: "k1" in told.results)
        assert told.status("k1") is Status.PENDING


# Risk


def limited(**limits: Any) -> RiskSettings:
    return RiskSettings(everywhere=RiskLimits(**limits))


@pytest.mark.parametrize(
    "limits",
    [{"orders_per_second": 3}, {"orders_per_day": 3}, {"max_open_orders": 3}],
    ids=["per second", "per day", "open"],
)
async def test_orders_side_by_side_do_not_slip_through_a_limit(limits: dict[str, Any]) -> None:
    async with running_world(risk=limited(**limits)) as world:
        told = Told()

        async with anyio.create_task_group() as group:
            for n in range(10):
                group.start_soon(place, world, told, wanted(f"k{n}", resting(quantity=n + 1)))

        assert len(world.at_broker()) == 3
        assert {error.kind for error in told.errors.values()} == {Kind.RISK_REFUSED}


async def test_a_days_orders_still_count_after_a_restart() -> None:
    world = World()
    risk = limited(orders_per_day=2)
    async with world.daemon(risk=risk):
        await world.parts.desk.place(wanted("k1"))
        await world.parts.desk.place(wanted("k2"))

    async with world.daemon(risk=risk):
        error = await refused(world, wanted("k3"))

        assert error.data["limit"] == "all: orders_per_day"


async def test_a_look_alike_under_another_key_is_refused_for_a_while() -> None:
    async with running_world(risk=limited(look_alike_s=5)) as world:
        await world.parts.desk.place(wanted("k1"))
        error = await refused(world, wanted("k2"))
        await world.parts.desk.place(wanted("k3", resting(quantity=11)))
        await anyio.sleep(5)

        assert error.data["limit"] == "all: look_alike_s"
        assert not (await world.parts.desk.place(wanted("k2"))).replayed


async def test_two_look_alikes_side_by_side_make_one_order() -> None:
    async with running_world(risk=limited(look_alike_s=5)) as world:
        told = Told()

        async with anyio.create_task_group() as group:
            group.start_soon(place, world, told, wanted("k1"))
            group.start_soon(place, world, told, wanted("k2"))

        assert len(world.at_broker()) == 1
        assert [error.kind for error in told.errors.values()] == [Kind.RISK_REFUSED]


async def test_an_old_order_placed_elsewhere_does_not_hide_a_look_alike() -> None:
    async with running_world(risk=limited(look_alike_s=600)) as world:
        world.exchange.exchange.place("paper", elsewhere(), world.clock.now())
        await world.parts.desk.place(wanted("k1"))
        await until(lambda: len(world.parts.book.orders) == 2)
        foreign = next(o for o in world.parts.book.orders.values() if o.key is None)
        foreign.placed_at = foreign.placed_at.replace(year=2025)

        error = await refused(world, wanted("k2"))

        assert error.data["limit"] == "all: look_alike_s"


def elsewhere() -> Any:
    from ordod.adapter import NewOrder

    fields = asdict(resting(symbol="NSE:TCS", price=Decimal(2900)))
    return NewOrder(**fields, tag="by hand")


async def test_what_was_refused_for_sure_is_no_look_alike() -> None:
    async with running_world(risk=limited(look_alike_s=600)) as world:
        world.line().script(answers(400, "ORDER_REJECTED"))
        await refused(world, wanted("k1"))

        assert (await world.parts.desk.place(wanted("k2"))).order.status is Status.PENDING


async def test_limits_of_account_and_strategy_count_their_own() -> None:
    risk = RiskSettings(strategies={"orb": RiskLimits(max_open_orders=1)})
    async with running_world(account(risk=RiskLimits(max_open_orders=2)), risk=risk) as world:
        await world.parts.desk.place(wanted("k1", strategy="orb"))

        second = await refused(world, wanted("k2", strategy="orb"))
        await world.parts.desk.place(wanted("k2", strategy="mean"))
        third = await refused(world, wanted("k3"))

        assert second.data["limit"] == "strategy orb: max_open_orders"
        assert third.data["limit"] == "account paper: max_open_orders"


async def test_a_limit_that_lacks_a_price_is_named_in_the_answer() -> None:
    async with running_world(risk=limited(max_value=Decimal(10**9))) as world:
        result = await world.parts.desk.place(wanted("k1", market()))

        assert result.unchecked == ("max_value",)


async def test_the_accounts_market_protection_stands_in_for_the_callers() -> None:
    sent: list[Any] = []

    class Watching(type(PAPER)):  # type: ignore[misc]  # a class made for one test
        def place(self, session: Any, order: Any, instrument: Any) -> Any:
            sent.append(order)
            return (yield from super().place(session, order, instrument))

    async with running_world(account(market_protection=Decimal(3)), adapter=Watching()) as world:
        await world.parts.desk.place(wanted("k1", market()))
        await world.parts.desk.place(wanted("k2", market(market_protection=Decimal(1))))
        await world.parts.desk.place(wanted("k3"))

        assert [o.market_protection for o in sent] == [Decimal(3), Decimal(1), None]
        assert world.order("k1").terms.market_protection is None
