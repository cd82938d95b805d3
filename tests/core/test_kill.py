"""The kill switch: closed before anything awaits, durable, and everything open is cancelled."""

from collections.abc import Callable
from typing import Any

import anyio
import pytest
from msgspec.structs import asdict

from ordod.adapter import NewOrder, Window
from ordod.core.guard.kill import KillResult
from ordod.core.orders.states import OrderState
from ordod.domain.orders import OrderChanges, Status
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
    request_is,
    resting,
    running_world,
    until,
    wanted,
    with_spec,
)


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


async def placed(world: World, *keys: str, at: str = "paper") -> list[OrderState]:
    for key in keys:
        await world.parts.desk.place(wanted(key, account=at))
    await until(lambda: all(world.order(key, at).status is Status.OPEN for key in keys))
    return [world.order(key, at) for key in keys]


async def engage(world: World, **changed: Any) -> KillResult:
    return await world.parts.kill.engage(caller="asha", reason="enough", **changed)


def cancelled(world: World, user: str = "paper") -> bool:
    return all(row.status is Status.CANCELLED for row in world.at_broker(user))


def swept(world: World) -> Callable[[], bool]:
    def is_swept() -> bool:
        sweep = world.parts.kill.status().sweep
        return sweep is not None and not sweep.running and sweep.left == 0

    return is_swept


async def test_everything_open_is_cancelled_and_nothing_new_leaves() -> None:
    async with running_world() as world:
        await placed(world, "k1", "k2", "k3")

        result = await engage(world)

        assert result.durable
        assert (result.cancelled, result.failed, result.exposed) == (3, 0, 0)
        assert cancelled(world)
        with pytest.raises(OrdoError) as refused:
            await world.parts.desk.place(wanted("k4"))
        assert refused.value.kind is Kind.KILLED
        await until(swept(world))


async def test_the_gate_is_closed_before_anything_awaits() -> None:
    async with running_world() as world:
        engaging = engage(world).__await__()

        next(engaging)  # to its first wait

        assert world.parts.gate.is_closed
        engaging.close()


async def test_it_is_durable_by_three_means() -> None:
    async with running_world() as world:
        await engage(world)
        await anyio.sleep(1)

        dead = world.disk.crash()

        assert dead.names("kill.d") == ["all.json"]
        assert "kill" in world.records()
        assert dead.gate()[0] != 0 or world.disk.gate()[0] != 0


async def test_a_dead_disk_stops_neither_the_gate_nor_the_cancels() -> None:
    async with running_world() as world:
        await placed(world, "k1", "k2")
        world.disk.fail_at(1)

        result = await engage(world)

        assert not result.durable
        assert world.parts.gate.is_closed
        assert cancelled(world)
        assert world.parts.kill.status().scopes[0]["reason"] == "enough"


async def test_a_disk_that_hangs_stops_neither_the_gate_nor_the_cancels() -> None:
    async with running_world() as world:
        await placed(world, "k1", "k2")
        world.disk.hang()

        result = await engage(world)

        assert cancelled(world)
        assert result.took_ms < 6000
        world.disk.resume()


async def test_a_kill_without_cancelling_leaves_orders_alone() -> None:
    async with running_world() as world:
        await placed(world, "k1")

        result = await engage(world, cancel_open=False)
        await anyio.sleep(30)

        assert result.cancelled == 0
        assert world.order("k1").is_live
        assert world.parts.kill.status().sweep is None


async def test_an_order_in_doubt_is_cancelled_when_it_appears() -> None:
    async with running_world() as world:
        stop = world.line().always(answers(503, ""), request_is("GET", "/orders"))
        world.line().script(lost_after)
        await world.parts.desk.place(wanted("k1", timeout_s=60))

        result = await engage(world)
        assert not cancelled(world)
        stop()
        await until(lambda: cancelled(world))

        assert result.cancelled == 1
        await until(swept(world))


async def test_the_sweep_goes_on_while_a_doubt_is_open() -> None:
    async with running_world() as world:
        await placed(world, "echo")
        world.line().script(lost_before)
        await world.parts.desk.place(wanted("k1", timeout_s=60))

        await engage(world)
        await anyio.sleep(30)
        sweep = world.parts.kill.status().sweep
        goes_on = sweep is not None and sweep.running
        await until(swept(world), 300)

        assert goes_on
        assert world.order("k1").status is Status.NOT_PLACED


async def test_a_refused_cancel_of_a_living_order_is_repeated() -> None:
    async with running_world() as world:
        await placed(world, "k1")
        world.line().script(answers(400, "ORDER_REJECTED", "under processing"))

        result = await engage(world)
        await until(lambda: cancelled(world))

        assert (result.cancelled, result.failed) == (0, 1)
        await until(swept(world))


async def test_orders_placed_elsewhere_are_cancelled_too() -> None:
    async with running_world() as world:
        by_hand = NewOrder(**asdict(resting()), tag="by hand")
        world.exchange.exchange.place("paper", by_hand, world.clock.now())
        await until(lambda: world.parts.book.orders)

        await engage(world)

        assert cancelled(world)


async def test_an_order_under_way_is_held_back_by_the_gate() -> None:
    async with running_world() as world, anyio.create_task_group() as group:
        errors = []
        world.line().script(first(lambda: anyio.sleep(1)))

        async def place() -> None:
            try:
                await world.parts.desk.place(wanted("k1"))
            except OrdoError as error:
                errors.append(error.kind)

        group.start_soon(place)
        await anyio.sleep(0.5)
        await engage(world)
        await until(lambda: errors)

        assert errors == [Kind.KILLED]
        assert not world.at_broker()


async def test_unanswered_connections_are_reset_and_counted() -> None:
    async with running_world() as world:
        world.line().exposed = 2

        result = await engage(world)

        assert world.line().resets == 1
        assert result.exposed == 2


async def test_a_cancel_comes_before_orders_in_a_full_window() -> None:
    windows = (Window("orders", count=9, seconds=1),)
    async with running_world(adapter=with_spec(windows=windows)) as world:
        await anyio.sleep(2)
        for n in range(20):
            await world.parts.desk.place(wanted(f"k{n}", timeout_s=30))
        await anyio.sleep(2)

        result = await engage(world)

        assert result.cancelled == 20
        assert 1000 <= result.took_ms < 4000
        await until(swept(world))


async def test_one_account_that_hangs_holds_no_other_up() -> None:
    async with running_world(account(), account("second")) as world:
        await placed(world, "a1")
        await placed(world, "b1", at="second")
        world.line().always(lost_before, lambda request: True)
        world.line("second").script(answers(400, "ORDER_REJECTED"), answers(400, "ORDER_REJECTED"))
        began = world.clock.boot()
        async with anyio.create_task_group() as group:
            group.start_soon(engage, world)

            await until(lambda: cancelled(world, "second"))
            took_s = world.clock.boot() - began

            group.cancel_scope.cancel()

        assert took_s < 15


# Ways in


async def test_a_file_in_kill_d_is_noticed() -> None:
    async with running_world() as world:
        await placed(world, "k1")
        world.disk.put("kill.d/ops.json", b"{}")

        await until(lambda: cancelled(world))

        assert world.parts.gate.is_closed


async def test_a_byte_that_another_process_set_is_noticed() -> None:
    async with running_world() as world:
        await placed(world, "k1")
        world.disk.gate()[0] = 1

        await until(lambda: cancelled(world))


async def test_a_signal_kills() -> None:
    async with running_world() as world:
        await placed(world, "k1")
        world.signals.kill()

        await until(lambda: cancelled(world))

        assert world.parts.kill.status().scopes[0]["caller"] == "SIGUSR1"


# Over a restart


async def test_a_kill_stands_over_a_crash_and_the_sweep_goes_on() -> None:
    world = World()
    async with world.daemon():
        await placed(world, "k1")
        world.line().always(answers(400, "ORDER_REJECTED"), request_is("DELETE", "/orders"))
        await engage(world)
        world.disk = world.disk.crash(power=False)

    async with world.daemon():
        assert world.parts.gate.is_closed
        await until(lambda: cancelled(world))

        assert world.parts.kill.status().engaged


@pytest.mark.parametrize("means", ["gate", "folder", "journal"])
async def test_any_one_of_the_three_means_keeps_the_next_start_killed(means: str) -> None:
    world = World()
    async with world.daemon():
        if means == "journal":
            await engage(world, cancel_open=False)
            await anyio.sleep(1)
    world.disk.gate()[0] = 1 if means == "gate" else 0
    if means != "journal":
        world.disk.put("kill.d/x", b"") if means == "folder" else None
    else:
        await world.disk.remove("kill.d/all.json")

    async with world.daemon():
        assert world.parts.gate.is_closed
        assert world.parts.kill.status().engaged
        await until(lambda: world.parts.book.kills)


async def test_a_release_frees_orders_and_stands_over_a_restart() -> None:
    world = World()
    async with world.daemon():
        await engage(world)
        await world.parts.kill.release(caller="admin", reason="fixed")

        assert not world.parts.gate.is_closed
        await placed(world, "k1")
        assert not world.parts.kill.status().engaged

    async with world.daemon():
        assert not world.parts.gate.is_closed


async def test_what_is_not_engaged_cannot_be_released() -> None:
    async with running_world() as world:
        with pytest.raises(OrdoError) as refused:
            await world.parts.kill.release(caller="admin", reason="why not")

        assert refused.value.kind is Kind.INVALID_PARAMS


async def test_a_release_that_cannot_be_written_down_releases_nothing() -> None:
    async with running_world() as world:
        await engage(world)
        world.disk.fail_at(1)

        with pytest.raises(OrdoError) as refused:
            await world.parts.kill.release(caller="admin", reason="fixed")

        assert refused.value.kind is Kind.JOURNAL_FAILED
        assert world.parts.gate.is_closed


async def test_a_modify_in_flight_does_not_hold_the_cancel_up_for_ever() -> None:
    async with running_world() as world, anyio.create_task_group() as group:
        (order,) = await placed(world, "k1")
        world.line().script(late(3.0))

        async def modify() -> None:
            await world.parts.changes.modify(
                order, OrderChanges(quantity=5), change_key=None, caller="t", timeout_s=10
            )

        group.start_soon(modify)
        await until(lambda: world.line().writes("PUT"))
        result = await engage(world)

        assert result.cancelled == 1
        assert cancelled(world)
        group.cancel_scope.cancel()
