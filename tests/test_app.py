"""A daemon from ports: what it begins with, and how it ends."""

from datetime import timedelta
from typing import Any

import anyio
import pytest

from ordod.adapter import Window
from ordod.core.orders.segments import Damage
from ordod.domain.orders import OrderChanges, Status
from ordod.errors import Kind, OrdoError
from tests.core.world import (
    VIRTUAL,
    World,
    account,
    answers,
    late,
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


async def test_a_new_daemon_is_ready_within_a_second() -> None:
    async with running_world() as world:
        assert world.clock.boot() - 1000.0 < 1.0
        assert world.parts.book.orders == {}
        assert not world.parts.gate.is_closed


async def test_an_orderly_end_leaves_a_snapshot_and_a_close() -> None:
    world = World()
    async with world.daemon():
        await world.parts.desk.place(wanted("k1"))
        await until(lambda: world.order("k1").row)
        order = world.parts.book.view(world.order("k1"))

    assert world.records()[-1] == "close"
    assert world.line().closed
    async with world.daemon():
        assert world.parts.book.view(world.order("k1")) == order
        assert world.parts.events.since(world.parts.journal.head[0]) == []


async def test_a_daemon_that_was_killed_knows_what_it_told() -> None:
    world = World()
    async with world.daemon():
        await world.parts.desk.place(wanted("k1"))
        await until(lambda: world.order("k1").row)
        order = world.parts.book.view(world.order("k1"))
        world.disk = world.disk.crash()

    async with world.daemon():
        assert world.parts.book.view(world.order("k1")) == order


async def test_what_has_no_outcome_is_a_doubt_at_the_next_start() -> None:
    world = World()
    async with world.daemon():
        await world.parts.desk.place(wanted("k0"))
        await until(lambda: world.order("k0").row)
        async with anyio.create_task_group() as group:
            world.line().script(late(100), late(100))
            group.start_soon(world.parts.desk.place, wanted("k1", timeout_s=50))
            group.start_soon(modify, world)
            await until(lambda: len(world.line().writes()) == 3)
            world.disk = world.disk.crash()
            group.cancel_scope.cancel()

    async with world.daemon(ready=False):
        assert world.records().count("doubt") == 2
        assert world.order("k1").status is Status.IN_DOUBT


async def modify(world: World) -> None:
    await world.parts.changes.modify(
        world.order("k0"), OrderChanges(quantity=5), change_key=None, caller="t", timeout_s=50
    )


async def test_orders_under_way_are_waited_for_at_the_end() -> None:
    world = World()
    async with world.daemon(), anyio.create_task_group() as group:
        world.line().script(late(3))
        group.start_soon(world.parts.desk.place, wanted("k1"))
        await until(lambda: world.line().writes())

    assert world.records()[:2] == ["intent", "accepted"]


async def test_an_old_copy_of_the_state_starts_killed_and_says_why() -> None:
    world = World()
    async with world.daemon():
        await world.parts.desk.place(wanted("k1"))
    world.disk.machine = "another"

    async with world.daemon():
        assert world.parts.gate.is_closed
        (scope,) = world.parts.kill.status().scopes
        assert "may be behind" in str(scope["reason"])
        await anyio.sleep(10)
        assert world.order("k1").is_live


async def test_a_damaged_journal_does_not_start_and_nothing_is_changed() -> None:
    world = World()
    async with world.daemon():
        await world.parts.desk.place(wanted("k1"))
    world.disk.files = {n: f for n, f in world.disk.files.items() if "snapshot" not in n}
    (name,) = world.segments()
    world.disk.flip(f"journal/{name}", 4000)
    before = world.disk.read(f"journal/{name}")

    with pytest.raises(BaseException) as raised:  # noqa: PT011 - it is looked into below
        async with world.daemon():
            pass

    error = raised.value
    while isinstance(error, BaseExceptionGroup):
        (error,) = error.exceptions
    assert isinstance(error, Damage)
    assert world.disk.read(f"journal/{name}") == before


async def test_what_an_earlier_life_sent_counts_in_the_brokers_windows() -> None:
    adapter = with_spec(windows=(Window("orders", count=10, seconds=60),))
    world = World()
    async with world.daemon(adapter=adapter):
        await anyio.sleep(2)
        for n in range(9):
            await world.parts.desk.place(wanted(f"k{n}"))

    async with world.daemon(adapter=adapter):
        await anyio.sleep(2)
        with pytest.raises(OrdoError) as refused:
            await world.parts.desk.place(wanted("k9"))
        assert refused.value.kind is Kind.RATE_LIMITED


async def test_the_first_second_after_a_start_sends_nothing() -> None:
    adapter = with_spec(windows=(Window("orders", count=9, seconds=1),))
    async with running_world(adapter=adapter) as world:
        began = world.clock.boot()

        await world.parts.desk.place(wanted("k1"))

        assert world.clock.boot() - began >= 0.5


async def test_old_orders_are_folded_away_at_a_start() -> None:
    world = World()
    async with world.daemon():
        world.line().script(answers(400, "ORDER_REJECTED"))
        with pytest.raises(OrdoError):
            await world.parts.desk.place(wanted("k1"))
    world.clock._begins += timedelta(days=3)

    async with world.daemon():
        assert world.parts.book.orders == {}
        again = await world.parts.desk.place(wanted("k1"))
        assert again.replayed
        assert again.order.status is Status.REJECTED
    world.clock._begins += timedelta(days=40)

    async with world.daemon():
        with pytest.raises(OrdoError) as refused:
            await world.parts.desk.place(wanted("k1"))
        assert refused.value.kind is Kind.KEY_REUSED
        assert "order" not in refused.value.data


async def test_a_signal_to_stop_begins_the_end() -> None:
    async with running_world() as world:
        world.signals.stop()

        assert world.parts.stopping.is_set()


async def test_two_accounts_live_side_by_side() -> None:
    async with running_world(account(), account("second")) as world:
        world.line().always(lost_before, request_is("POST", "/orders"))
        async with anyio.create_task_group() as group:
            group.start_soon(world.parts.desk.place, wanted("k1"))
            began = world.clock.boot()
            await world.parts.desk.place(wanted("k1", resting(), account="second"))

            assert world.clock.boot() - began < 1
            group.cancel_scope.cancel()
