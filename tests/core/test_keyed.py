"""GTTs and conversions: the whole order path, and doubts that end by the broker's lists."""

from decimal import Decimal
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from msgspec.structs import replace

from ordod.adapter import BadRow, Rows
from ordod.core.guard.gate import Scope
from ordod.core.orders.keyed import Keyed, Prepared
from ordod.core.orders.states import ChangeState
from ordod.domain.gtt import GttLeg, NewGtt
from ordod.domain.orders import Product, Side, Status
from ordod.domain.portfolio import Conversion
from ordod.errors import Kind, OrdoError
from ordod.paper import PAPER
from tests.core.world import (
    VIRTUAL,
    World,
    answers,
    first,
    late,
    lost_after,
    lost_before,
    market,
    request_is,
    running_world,
    unsent,
    until,
    wanted,
)

LEG = GttLeg(trigger_price=Decimal(1100), side=Side.BUY, quantity=10, price=Decimal(1100))
GTT = NewGtt(symbol="NSE:INFY", legs=(LEG,))
CONVERSION = Conversion(
    symbol="NSE:INFY",
    side=Side.BUY,
    quantity=10,
    from_product=Product.MIS,
    to_product=Product.CNC,
)
LISTS = request_is("GET", "/gtts")


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


class Shown(type(PAPER)):  # type: ignore[misc]  # the paper adapter, whose lists are shown as a test says
    def __init__(self) -> None:
        self.gtts_hidden = False
        self.positions_spoiled = False

    def gtts(self, session: Any, instruments: Any) -> Any:
        rows = yield from super().gtts(session, instruments)
        return (
            Rows((), tuple(BadRow("odd", row) for row in rows.good)) if self.gtts_hidden else rows
        )

    def positions(self, session: Any, instruments: Any) -> Any:
        rows = yield from super().positions(session, instruments)
        return Rows((), (BadRow("odd", {}),)) if self.positions_spoiled else rows


async def carry(
    world: World,
    key: str,
    operation: str = "place_gtt",
    *,
    gtt: NewGtt | None = GTT,
    target: str | None = None,
    timeout_s: float = 60.0,
    account: str = "paper",
) -> tuple[ChangeState, bool]:
    adapter = world.parts.accounts[account].adapter
    instrument = world.tables.masters["paper"].instruments["NSE:INFY"]

    def make(session: Any) -> Any:
        match operation:
            case "place_gtt":
                return adapter.place_gtt(session, gtt or GTT, instrument)
            case "modify_gtt":
                return adapter.modify_gtt(session, target or "", gtt or GTT, instrument)
            case "cancel_gtt":
                return adapter.cancel_gtt(session, target or "")
            case _:
                return adapter.convert(session, CONVERSION, instrument)

    is_conversion = operation == "convert"
    asked = Keyed(
        account=account,
        key=key,
        operation=operation,
        caller="test",
        timeout_s=timeout_s,
        gtt=None if is_conversion or operation == "cancel_gtt" else gtt,
        conversion=CONVERSION if is_conversion else None,
        target=target,
    )
    prepared = Prepared(make=make, gtt=asked.gtt, conversion=asked.conversion)
    return await world.parts.keyed.carry(asked, lambda: prepared)


async def refused(awaitable: Any) -> OrdoError:
    with pytest.raises(OrdoError) as raised:
        await awaitable
    return raised.value


def triggers(world: World) -> list[Any]:
    """The broker's own truth."""
    return [gtt.row() for gtt in world.exchange.exchange.gtts("paper")]


def state(world: World, key: str) -> str:
    change = world.parts.book.by_key("paper", key)
    assert isinstance(change, ChangeState)
    return change.state


# The path


async def test_a_gtt_is_journaled_sent_and_done() -> None:
    async with running_world() as world:
        change, replayed = await carry(world, "g1")

        assert (change.state, replayed) == ("done", False)
        assert change.broker_id == triggers(world)[0].broker_gtt_id
        assert world.records() == ["intent", "accepted"]


async def test_the_same_key_again_is_the_change_as_it_stands() -> None:
    async with running_world() as world:
        await carry(world, "g1")

        change, replayed = await carry(world, "g1")
        other = replace(GTT, legs=(replace(LEG, quantity=20),))
        error = await refused(carry(world, "g1", gtt=other))

        assert (change.state, replayed) == ("done", True)
        assert error.kind is Kind.KEY_REUSED
        assert len(triggers(world)) == 1


async def test_a_replay_needs_no_session() -> None:
    async with running_world() as world:
        await carry(world, "g1")
        await world.parts.accounts["paper"].keeper.logout()

        _, replayed = await carry(world, "g1")

        assert replayed


async def test_orders_and_changes_share_the_keys_of_a_user() -> None:
    async with running_world() as world:
        await world.parts.desk.place(wanted("k1"))
        await carry(world, "g1")

        assert (await refused(carry(world, "k1"))).kind is Kind.KEY_REUSED
        assert (await refused(world.parts.desk.place(wanted("g1")))).kind is Kind.KEY_REUSED


async def test_calls_side_by_side_make_one_trigger() -> None:
    async with running_world() as world:
        world.line().script(late(1.0))
        replays = []

        async def go() -> None:
            replays.append((await carry(world, "g1"))[1])

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(go)
            await until(lambda: world.line().writes())
            other = replace(GTT, legs=(replace(LEG, quantity=20),))
            error = await refused(carry(world, "g1", gtt=other))

        assert sorted(replays) == [False, True, True, True, True]
        assert error.kind is Kind.KEY_REUSED
        assert len(triggers(world)) == 1


async def test_a_sure_no_keeps_the_key_and_is_told_again() -> None:
    async with running_world() as world:
        world.line().script(answers(400, "ORDER_REJECTED", "too many triggers"))

        error = await refused(carry(world, "g1"))
        again = await refused(carry(world, "g1"))

        assert error.kind is again.kind is Kind.ORDER_REJECTED
        assert len(world.line().writes()) == 1


async def test_what_was_not_sent_frees_the_key() -> None:
    async with running_world() as world:
        world.line().script(unsent)

        error = await refused(carry(world, "g1"))
        change, replayed = await carry(world, "g1")

        assert error.kind is Kind.BROKER_UNAVAILABLE
        assert (change.state, replayed) == ("done", False)


async def test_the_closed_gate_and_a_stopping_daemon_refuse() -> None:
    async with running_world() as world:
        world.parts.desk.is_draining = True
        stopping = await refused(carry(world, "g1"))
        world.parts.desk.is_draining = False
        world.parts.gate.close(Scope())
        killed = await refused(carry(world, "g1"))

        assert (stopping.kind, killed.kind) == (Kind.OVERLOADED, Kind.KILLED)
        assert world.records() == []


async def test_a_hanging_disk_sends_nothing_ever() -> None:
    async with running_world() as world:
        world.disk.hang()

        error = await refused(carry(world, "g1"))
        world.disk.resume()
        await anyio.sleep(30)

        assert error.kind is Kind.JOURNAL_FAILED
        assert not triggers(world)


async def test_an_outcome_that_cannot_be_stored_is_in_doubt() -> None:
    async with running_world() as world:

        async def dies() -> None:
            world.disk.fail_at(1)

        world.line().script(first(dies))
        change, _ = await carry(world, "g1")

        assert change.state == "intent"


# Doubts


async def test_a_lost_gtt_that_arrived_is_found_by_its_conditions() -> None:
    async with running_world() as world:
        world.line().script(lost_after)

        change, _ = await carry(world, "g1")
        assert change.state == "doubt"
        await until(lambda: state(world, "g1") == "done", 15)

        assert change.broker_id == triggers(world)[0].broker_gtt_id


async def test_a_lost_gtt_that_never_arrived_is_not_done_after_the_horizon() -> None:
    async with running_world() as world:
        world.line().script(lost_before)
        await carry(world, "g1")
        began = world.clock.boot()

        await until(lambda: state(world, "g1") == "not_done", 300)

        assert world.clock.boot() - began >= 60


async def test_an_older_trigger_on_the_same_conditions_is_not_taken_for_it() -> None:
    async with running_world() as world:
        await carry(world, "g0")
        world.line().script(lost_before)
        await carry(world, "g1")

        await until(lambda: state(world, "g1") != "doubt", 300)

        assert state(world, "g1") == "not_done"


async def test_one_trigger_ends_one_of_two_equal_doubts() -> None:
    async with running_world() as world:
        stop = world.line().always(answers(503, ""), LISTS)
        world.line().script(lost_after, lost_before)
        await carry(world, "g1")
        await carry(world, "g2")
        stop()

        await until(lambda: "doubt" not in (state(world, "g1"), state(world, "g2")), 300)

        assert sorted([state(world, "g1"), state(world, "g2")]) == ["done", "not_done"]


async def test_a_lost_cancel_is_done_when_the_trigger_is_gone() -> None:
    async with running_world() as world:
        placed, _ = await carry(world, "g1")
        world.line().script(lost_after)

        await carry(world, "g2", "cancel_gtt", target=placed.broker_id)
        await until(lambda: state(world, "g2") == "done", 15)


async def test_a_trigger_that_an_unreadable_row_hides_is_not_gone() -> None:
    adapter = Shown()
    async with running_world(adapter=adapter) as world:
        placed, _ = await carry(world, "g1")
        world.line().script(lost_before)
        adapter.gtts_hidden = True

        await carry(world, "g2", "cancel_gtt", target=placed.broker_id)
        await anyio.sleep(300)
        hidden = state(world, "g2")
        adapter.gtts_hidden = False
        await until(lambda: state(world, "g2") == "not_done", 60)

        assert hidden == "doubt"


async def test_a_lost_modify_is_done_when_the_trigger_shows_it() -> None:
    async with running_world() as world:
        placed, _ = await carry(world, "g1")
        world.line().script(lost_after)
        dearer = replace(GTT, legs=(replace(LEG, price=Decimal(1110)),))

        await carry(world, "g2", "modify_gtt", gtt=dearer, target=placed.broker_id)
        await until(lambda: state(world, "g2") == "done", 15)

        assert triggers(world)[0].legs == dearer.legs


async def test_a_lost_modify_that_never_arrived_is_not_done() -> None:
    async with running_world() as world:
        placed, _ = await carry(world, "g1")
        world.line().script(lost_before)
        dearer = replace(GTT, legs=(replace(LEG, price=Decimal(1110)),))

        await carry(world, "g2", "modify_gtt", gtt=dearer, target=placed.broker_id)
        await until(lambda: state(world, "g2") == "not_done", 300)


async def test_a_doubt_is_settled_by_the_next_life_of_the_daemon() -> None:
    world = World()
    async with world.daemon():
        world.line().always(answers(503, ""), LISTS)
        world.line().script(late(100.0))
        async with anyio.create_task_group() as group:
            group.start_soon(carry, world, "g1")
            await until(lambda: triggers(world))
            world.disk = world.disk.crash()
            group.cancel_scope.cancel()

    async with world.daemon():
        await until(lambda: state(world, "g1") == "done", 30)

        _, replayed = await carry(world, "g1")
        assert replayed
        assert len(triggers(world)) == 1


async def test_a_disk_that_dies_meanwhile_does_not_end_the_settling() -> None:
    async with running_world() as world:
        stop = world.line().always(answers(503, ""), LISTS)
        world.line().script(lost_after)
        await carry(world, "g1")
        world.disk.fail_at(1)
        stop()

        await anyio.sleep(60)

        assert state(world, "g1") == "doubt"


# Conversions


async def bought(world: World) -> None:
    await world.parts.desk.place(wanted("buy", market(product=Product.MIS)))
    await until(lambda: world.order("buy").status is Status.FILLED)


async def test_a_conversion_moves_the_position() -> None:
    async with running_world() as world:
        await bought(world)

        change, _ = await carry(world, "v1", "convert")

        assert change.state == "done"
        products = {p.product: p.quantity for p in world.exchange.exchange.positions("paper")}
        assert products[Product.CNC] == 10


async def test_a_conversion_of_more_than_there_is_is_refused_before_it_is_stored() -> None:
    async with running_world() as world:
        error = await refused(carry(world, "v1", "convert"))

        assert error.kind is Kind.INVALID_PARAMS
        assert "intent" not in world.records()


async def test_a_lost_conversion_is_done_when_the_position_moved() -> None:
    async with running_world() as world:
        await bought(world)
        world.line().script(lost_after)

        await carry(world, "v1", "convert")
        await until(lambda: state(world, "v1") == "done", 15)


async def test_a_lost_conversion_that_never_arrived_is_not_done() -> None:
    async with running_world() as world:
        await bought(world)
        world.line().script(lost_before)

        await carry(world, "v1", "convert")
        await until(lambda: state(world, "v1") == "not_done", 300)


async def test_positions_that_cannot_be_read_whole_say_nothing_of_a_conversion() -> None:
    adapter = Shown()
    async with running_world(adapter=adapter) as world:
        await bought(world)
        world.line().script(lost_before)
        await carry(world, "v1", "convert")
        adapter.positions_spoiled = True

        await anyio.sleep(300)

        assert state(world, "v1") == "doubt"


async def test_a_position_that_moved_otherwise_leaves_the_doubt_to_a_person() -> None:
    async with running_world() as world:
        await bought(world)
        world.line().script(lost_before)
        await carry(world, "v1", "convert")
        await world.parts.desk.place(wanted("more", market(product=Product.MIS, quantity=3)))

        await anyio.sleep(600)

        assert state(world, "v1") == "doubt"


async def test_another_users_lists_end_nothing() -> None:
    async with running_world() as world:
        world.line().always(answers(503, ""), LISTS)
        world.line().script(lost_after)
        change, _ = await carry(world, "g1")
        change.user = "somebody else"

        world.line().forget()
        await anyio.sleep(300)

        assert change.state == "doubt"
