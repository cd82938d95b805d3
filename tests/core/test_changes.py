"""Cancel, modify, and a person's word on a doubt."""

from decimal import Decimal
from typing import Any

import anyio
import pytest

from ordod.core.guard.gate import Scope
from ordod.core.orders.changes import ChangeResult
from ordod.core.orders.states import OrderState
from ordod.domain.orders import OrderChanges, OrderType, Side, Status
from ordod.domain.risk import RiskLimits
from ordod.errors import Kind, OrdoError
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
)

CHEAPER = OrderChanges(price=Decimal(1190))


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


async def placed(world: World, key: str = "k1", **terms: Any) -> OrderState:
    await world.parts.desk.place(wanted(key, resting(**terms)))
    await until(lambda: world.order(key).status is Status.OPEN)
    return world.order(key)


async def doubtful(world: World, act: Any = lost_before, key: str = "k1") -> OrderState:
    world.line().script(act)
    await world.parts.desk.place(wanted(key, timeout_s=60.0))
    return world.order(key)


async def cancel(world: World, order: OrderState, timeout_s: float = 10.0) -> ChangeResult:
    return await world.parts.changes.cancel(order, caller="test", timeout_s=timeout_s)


async def modify(
    world: World,
    order: OrderState,
    changes: OrderChanges = CHEAPER,
    key: str | None = None,
    timeout_s: float = 10.0,
) -> ChangeResult:
    return await world.parts.changes.modify(
        order, changes, change_key=key, caller="test", timeout_s=timeout_s
    )


async def refused(awaitable: Any) -> OrdoError:
    with pytest.raises(OrdoError) as raised:
        await awaitable
    return raised.value


# Cancel


async def test_a_cancel_is_done_when_the_row_shows_it() -> None:
    async with running_world() as world:
        order = await placed(world)

        result = await cancel(world, order)

        assert result.change == "done"
        assert result.durable
        assert result.order.status is Status.CANCELLED
        assert world.records()[3:] == ["cancel", "accepted", "update", "settled"]


async def test_an_acknowledged_cancel_is_not_yet_a_cancel() -> None:
    async with running_world() as world:
        order = await placed(world)
        world.line().always(answers(503, "BROKER_UNAVAILABLE"), request_is("GET", "/orders"))

        result = await cancel(world, order)

        assert result.change == "in_doubt"
        assert result.order.status is Status.OPEN


async def test_a_lost_answer_to_a_cancel_is_in_doubt_until_the_row_tells() -> None:
    async with running_world() as world:
        order = await placed(world)
        world.line().script(lost_before)

        result = await cancel(world, order)
        again = await cancel(world, order)

        assert result.change == "in_doubt"
        assert again.change == "done"


async def test_a_cancel_of_what_is_cancelled_is_done_and_sends_nothing() -> None:
    async with running_world() as world:
        order = await placed(world)
        await cancel(world, order)

        again = await cancel(world, order)

        assert again.change == "done"
        assert len(world.line().writes("DELETE")) == 1


async def test_what_is_filled_cannot_be_cancelled() -> None:
    async with running_world() as world:
        await world.parts.desk.place(wanted("k1", market()))
        await until(lambda: world.order("k1").status is Status.FILLED)

        error = await refused(cancel(world, world.order("k1")))

        assert error.kind is Kind.ORDER_REJECTED
        assert error.data["order"].status is Status.FILLED
        assert not world.line().writes("DELETE")


async def test_a_refused_cancel_is_done_where_the_order_ended_meanwhile() -> None:
    async with running_world() as world:
        order = await placed(world)
        world.line().script(answers(400, "ORDER_REJECTED", executes=True))

        assert (await cancel(world, order)).change == "done"


async def test_a_refused_cancel_of_a_living_order_says_what_the_broker_said() -> None:
    async with running_world() as world:
        order = await placed(world)
        world.line().script(answers(400, "ORDER_REJECTED", "under processing"))

        error = await refused(cancel(world, order))

        assert error.kind is Kind.ORDER_REJECTED
        assert error.data["broker_message"] == "under processing"
        assert order.is_live


async def test_a_cancel_without_a_connection_was_not_sent() -> None:
    async with running_world() as world:
        order = await placed(world)
        world.line().script(unsent)

        error = await refused(cancel(world, order))

        assert error.kind is Kind.BROKER_UNAVAILABLE
        assert (await cancel(world, order)).change == "done"


async def test_a_cancel_passes_the_closed_gate() -> None:
    async with running_world() as world:
        order = await placed(world)
        world.parts.gate.close(Scope())

        assert (await cancel(world, order)).change == "done"


@pytest.mark.parametrize("hangs", [False, True], ids=["dead disk", "hanging disk"])
async def test_a_cancel_goes_out_without_the_disk_and_says_so(hangs: bool) -> None:
    async with running_world() as world:
        order = await placed(world)
        if hangs:
            world.disk.hang()
        else:
            world.disk.fail_at(1)

        result = await cancel(world, order)

        assert result.change == "in_doubt"
        assert not result.durable
        assert world.at_broker()[0].status is Status.CANCELLED
        if hangs:
            world.disk.resume()
            await until(lambda: not world.parts.book.open_changes("paper"))


async def test_a_disk_that_hangs_between_a_cancel_and_its_outcome_holds_nobody_up() -> None:
    async with running_world() as world:
        order = await placed(world)

        async def hangs() -> None:
            world.disk.hang()

        world.line().script(first(hangs))
        began = world.clock.boot()

        result = await cancel(world, order)

        assert not result.durable
        assert world.clock.boot() - began < 5
        world.disk.resume()


async def test_a_cancel_of_an_order_in_doubt_goes_out_when_the_order_appears() -> None:
    async with running_world() as world:
        stop = world.line().always(answers(503, ""), request_is("GET", "/orders"))
        order = await doubtful(world, lost_after)

        result = await cancel(world, order)
        twice = await cancel(world, order)
        assert not world.line().writes("DELETE")
        stop()
        await until(lambda: order.status is Status.CANCELLED)

        assert result.change == twice.change == "in_doubt"
        assert len(world.line().writes("DELETE")) == 1
        await until(lambda: not world.parts.book.open_changes("paper"))


async def test_a_cancel_of_an_order_that_never_arrived_ends_with_it() -> None:
    async with running_world() as world:
        await placed(world, "echo")
        order = await doubtful(world)
        await cancel(world, order)

        await until(lambda: order.status is Status.NOT_PLACED, 300)

        await until(lambda: not world.parts.book.open_changes("paper"))
        assert not world.line().writes("DELETE")


async def test_a_waiting_cancel_that_finds_no_connection_is_tried_again() -> None:
    async with running_world() as world:
        stop = world.line().always(answers(503, ""), request_is("GET", "/orders"))
        order = await doubtful(world, lost_after)
        await cancel(world, order)
        world.line().script(unsent, unsent, match=request_is("DELETE", "/orders"))
        stop()

        await until(lambda: order.status is Status.CANCELLED)

        assert len(world.line().writes("DELETE")) == 1


async def test_a_waiting_cancel_survives_a_restart() -> None:
    world = World()
    async with world.daemon():
        world.line().always(answers(503, ""), request_is("GET", "/orders"))
        order = await doubtful(world, lost_after)
        await cancel(world, order)
        world.disk = world.disk.crash()

    async with world.daemon():
        await until(lambda: world.order("k1").status is Status.CANCELLED)

        assert world.at_broker()[0].status is Status.CANCELLED


# Modify


async def test_a_modify_is_done_when_the_row_shows_it() -> None:
    async with running_world() as world:
        order = await placed(world)

        result = await modify(world, order)

        assert result.change == "done"
        assert result.order.price == Decimal(1190)
        assert world.at_broker()[0].price == Decimal(1190)
        assert world.records()[3:5] == ["modify", "accepted"]


async def test_a_modify_that_was_lost_is_in_doubt_and_the_next_one_is_refused() -> None:
    async with running_world() as world:
        order = await placed(world)
        world.line().script(lost_before)

        result = await modify(world, order)
        error = await refused(modify(world, order))

        assert result.change == "in_doubt"
        assert error.kind is Kind.ORDER_IN_DOUBT
        assert error.data["order"].order_id == order.id


async def test_a_modify_that_never_arrived_is_not_done_after_the_horizon() -> None:
    async with running_world() as world:
        order = await placed(world)
        world.line().script(lost_before)
        await modify(world, order, key="m1")

        await until(lambda: not world.parts.book.open_changes("paper"), 300)

        error = await refused(modify(world, order, key="m1"))
        assert error.kind is Kind.ORDER_REJECTED
        assert (await modify(world, order)).change == "done"


async def test_a_modify_of_an_order_in_doubt_is_refused() -> None:
    async with running_world() as world:
        order = await doubtful(world)

        error = await refused(modify(world, order))

        assert error.kind is Kind.ORDER_IN_DOUBT
        assert "modify" not in world.records()


async def test_a_refused_modify_changes_nothing() -> None:
    async with running_world() as world:
        order = await placed(world)
        world.line().script(answers(400, "ORDER_REJECTED", "too many changes"))

        error = await refused(modify(world, order, key="m1"))
        again = await refused(modify(world, order, key="m1"))

        assert error.kind is again.kind is Kind.ORDER_REJECTED
        assert len(world.line().writes("PUT")) == 1


async def test_a_modify_that_was_not_sent_frees_its_key() -> None:
    async with running_world() as world:
        order = await placed(world)
        world.line().script(unsent)

        error = await refused(modify(world, order, key="m1"))
        again = await modify(world, order, key="m1")

        assert error.kind is Kind.BROKER_UNAVAILABLE
        assert again.change == "done"


async def test_a_change_key_names_one_change() -> None:
    async with running_world() as world:
        order = await placed(world)
        await modify(world, order, key="m1")

        again = await modify(world, order, key="m1")
        other = await refused(modify(world, order, OrderChanges(price=Decimal(1180)), key="m1"))
        orders = await refused(modify(world, order, key="k1"))

        assert again.change == "done"
        assert other.kind is orders.kind is Kind.KEY_REUSED
        assert len(world.line().writes("PUT")) == 1


async def test_one_change_key_side_by_side_is_sent_once() -> None:
    async with running_world() as world:
        order = await placed(world)
        world.line().script(late(0.5))
        results = []

        async def go() -> None:
            results.append((await modify(world, order, key="m1")).change)

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(go)

        assert results == ["done"] * 5
        assert len(world.line().writes("PUT")) == 1


async def test_a_change_waits_for_the_one_before_it() -> None:
    async with running_world() as world:
        order = await placed(world)
        world.line().script(late(1.0))
        ended = []

        async def change() -> None:
            await modify(world, order)
            ended.append("modify")

        async def end() -> None:
            await until(lambda: world.line().writes("PUT"))
            assert (await cancel(world, order)).change == "done"
            ended.append("cancel")

        async with anyio.create_task_group() as group:
            group.start_soon(change)
            group.start_soon(end)

        assert [r.method for r in world.line().writes()] == ["POST", "PUT", "DELETE"]


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        (OrderChanges(), Kind.INVALID_PARAMS),
        (OrderChanges(quantity=0), Kind.INVALID_PARAMS),
        (OrderChanges(price=Decimal("1190.01")), Kind.INVALID_PARAMS),
        (OrderChanges(trigger_price=Decimal(1190)), Kind.INVALID_PARAMS),
        (OrderChanges(type=OrderType.SL), Kind.INVALID_PARAMS),
        (OrderChanges(quantity=51), Kind.RISK_REFUSED),
    ],
)
async def test_a_wrong_modify_is_refused_and_stores_nothing(
    changes: OrderChanges, kind: Kind
) -> None:
    async with running_world(account(risk=RiskLimits(max_quantity=50))) as world:
        order = await placed(world)

        error = await refused(modify(world, order, changes))

        assert error.kind is kind
        assert "modify" not in world.records()


async def test_a_modify_does_not_pass_the_closed_gate() -> None:
    async with running_world() as world:
        order = await placed(world)
        world.parts.gate.close(Scope())

        assert (await refused(modify(world, order))).kind is Kind.KILLED
        assert not world.line().writes("PUT")


async def test_what_has_ended_cannot_be_changed() -> None:
    async with running_world() as world:
        order = await placed(world)
        await cancel(world, order)

        assert (await refused(modify(world, order))).kind is Kind.ORDER_REJECTED


async def test_a_modify_on_a_hanging_disk_is_not_sent_ever() -> None:
    async with running_world() as world:
        order = await placed(world)
        world.disk.hang()

        error = await refused(modify(world, order))
        world.disk.resume()
        await anyio.sleep(30)

        assert error.kind is Kind.JOURNAL_FAILED
        assert not world.line().writes("PUT")
        assert (await modify(world, order)).change == "done"


@pytest.mark.parametrize("act", [None, answers(400, "ORDER_REJECTED")], ids=["accepted", "refused"])
async def test_a_modify_whose_outcome_cannot_be_stored_is_in_doubt(act: Any) -> None:
    async with running_world() as world:
        order = await placed(world)

        async def dies() -> None:
            world.disk.fail_at(1)

        world.line().script(first(dies, act))

        assert (await modify(world, order)).change == "in_doubt"


# Finding


async def test_an_order_is_found_by_id_and_by_key() -> None:
    async with running_world() as world:
        order = await placed(world)
        find = world.parts.changes.find

        assert find(order.id, None, None) is order
        assert find(None, "paper", "k1") is order


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        (("o404", None, None), Kind.UNKNOWN_ORDER),
        ((None, "paper", "k404"), Kind.UNKNOWN_ORDER),
        ((None, "paper", None), Kind.INVALID_PARAMS),
        ((None, None, "k1"), Kind.INVALID_PARAMS),
        ((None, "zerodha", "k1"), Kind.UNKNOWN_ACCOUNT),
    ],
)
async def test_what_cannot_be_found_is_told_how(reference: Any, kind: Kind) -> None:
    async with running_world() as world:
        with pytest.raises(OrdoError) as raised:
            world.parts.changes.find(*reference)

        assert raised.value.kind is kind


# A person's word


async def resolve(world: World, order: OrderState, outcome: str, broker_id: str = "") -> Any:
    return await world.parts.changes.resolve(
        order, outcome=outcome, broker_order_id=broker_id, reason="looked", caller="asha"
    )


async def test_a_person_ends_a_doubt_either_way() -> None:
    async with running_world() as world:
        world.line().always(answers(503, ""), request_is("GET", "/orders"))
        one = await doubtful(world, key="k1")
        two = await doubtful(world, key="k2")

        absent = await resolve(world, one, "not_placed")
        present = await resolve(world, two, "placed", "b77")

        assert (absent.status, absent.status_message) == (Status.NOT_PLACED, "looked")
        assert (present.status, present.broker_order_id) == (Status.PENDING, "b77")
        assert "admin" in world.records()


async def test_a_persons_word_is_overruled_by_the_brokers_row() -> None:
    async with running_world() as world:
        stop = world.line().always(answers(503, ""), request_is("GET", "/orders"))
        order = await doubtful(world, lost_after)
        await resolve(world, order, "not_placed")

        stop()
        await until(lambda: order.is_live)

        assert order.status is Status.OPEN


async def test_a_person_is_told_what_is_missing_or_not_in_doubt() -> None:
    async with running_world() as world:
        live = await placed(world, "k1", side=Side.BUY)
        order = await doubtful(world, key="k2")

        no_id = await refused(resolve(world, order, "placed"))
        no_doubt = await refused(resolve(world, live, "not_placed"))
        world.disk.fail_at(1)
        no_disk = await refused(resolve(world, order, "not_placed"))

        assert no_id.data["field"] == "broker_order_id"
        assert "not in doubt" in no_doubt.message
        assert no_disk.kind is Kind.JOURNAL_FAILED
        assert order.status is Status.IN_DOUBT
