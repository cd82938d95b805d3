"""What the simulation found, played again by hand, so that it stays found however the worlds change."""

from decimal import Decimal

import anyio

from ordod.core.orders.keys import make_tag
from ordod.core.orders.states import OrderState
from ordod.domain.orders import Side, Status
from ordod.errors import Kind
from ordod.paper.adapter import PAPER
from tests.simulation.clients import call, release
from tests.simulation.far import Shown
from tests.simulation.near import Fates
from tests.simulation.stage import Stage, ask, listed, place
from tests.simulation.world import ACCOUNT, Life


def test_a_key_whose_order_was_adopted_is_answered_each_time() -> None:
    stage = Stage()
    stage.act(nothing)
    backup = stage.disk.copy()
    price = Decimal(1400)

    async def first(_: Stage, life: Life) -> None:
        await place(life, "k1", 10, price=price)

    stage.act(first)
    stage.disk = backup
    stage.disk.inode += 1

    async def again(stage: Stage, life: Life) -> None:
        await release(life)
        begun = stage.time
        answers = [await place(life, "k1", 10, price=price) for _ in range(3)]
        other = await place(life, "k1", 10, price=price - 1)

        assert [answer.result.order.key for answer in answers] == ["k1"] * 3
        assert other.error is not None
        assert other.error.kind is Kind.KEY_REUSED
        assert stage.time - begun < 1
        assert life.parts.desk.under_way == {}

    stage.act(again)
    assert len(stage.far.placed) == 1


def test_a_clock_that_was_set_back_before_a_start_holds_no_order_and_no_cancel_back() -> None:
    stage = Stage()
    stage.stepped_s = 3600.0

    async def fill_the_windows(_: Stage, life: Life) -> None:
        for number in range(1, 9):
            await placed(life, f"k{number}", number * 10)
            await anyio.sleep(0.3)
            await ask(life, "order.cancel", key=f"k{number}")

    stage.act(fill_the_windows)
    stage.stepped_s = 0.0

    async def go_on(stage: Stage, life: Life) -> None:
        await anyio.sleep(20)  # the longest window
        begun = stage.time
        await placed(life, "k11", 110)
        assert stage.time - begun < 2

    stage.act(go_on)


def test_a_clock_that_is_set_back_leaves_no_change_open() -> None:
    stage = Stage()

    async def cancel(stage: Stage, life: Life) -> None:
        await placed(life, "k1", 10)
        await anyio.sleep(5)
        stage.fates = Fates(lost_answer=1.0, reads=0.0)
        await ask(life, "order.cancel", key="k1", timeout_ms=1000)
        stage.stepped_s = -3600.0
        stage.fates = Fates()
        await anyio.sleep(20)
        assert life.parts.book.open_changes(ACCOUNT) == []

    stage.act(cancel)


def test_an_order_shown_without_its_tag_is_listed_once_when_a_person_has_said_whose_it_is() -> None:
    stage = Stage()
    stage.far.shown = Shown(drops_tag=1.0)

    async def resolve(stage: Stage, life: Life) -> None:
        stage.fates = Fates(lost_answer=1.0, reads=0.0)
        doubtful = await place(life, "k1", 10)
        assert doubtful.result.order.status is Status.IN_DOUBT
        stage.fates = Fates()
        await anyio.sleep(5)
        (stranger,) = [o for o in listed(await ask(life, "order.list")) if o.key is None]
        await ask(
            life,
            "order.resolve",
            key="k1",
            outcome="placed",
            broker_order_id=stranger.broker_order_id,
            reason="seen",
        )
        await anyio.sleep(5)

        ours, twin = sorted(listed(await ask(life, "order.list")), key=lambda o: o.key is None)
        assert (ours.key, ours.status) == ("k1", Status.OPEN)
        assert (twin.status, twin.broker_order_id) == (Status.NOT_PLACED, None)
        assert ours.order_id in (twin.status_message or "")

    stage.act(resolve)


def test_a_key_keeps_its_tag_when_its_first_try_was_unsent() -> None:
    stage = Stage()

    async def twice(stage: Stage, life: Life) -> None:
        stage.link_down, stage.link_up_at = True, stage.time + 5
        unsent = await place(life, "k1", 10)
        assert unsent.error is not None
        stage.link_down = False
        await anyio.sleep(3)
        await placed(life, "k1", 10)

        order = life.parts.book.by_key(ACCOUNT, "k1")
        assert isinstance(order, OrderState)
        assert PAPER.spec.tag is not None
        installation = life.parts.journal.installation
        tag = make_tag(installation, ACCOUNT, "k1", order.fingerprint, PAPER.spec.tag)
        assert [placement.tag for placement in stage.far.placed] == [tag]

    stage.act(twice)


def test_the_sweep_of_a_kill_ends_though_an_order_of_yesterday_is_never_heard_of_again() -> None:
    stage = Stage(night=True)

    async def kill(stage: Stage, life: Life) -> None:
        await placed(life, "k1", 10)
        await anyio.sleep(60)  # past six in the morning: the book is empty
        await call(life, "kill.engage", reason="test")
        await anyio.sleep(20)

        sweep = life.parts.kill.status().sweep
        assert sweep is not None
        assert not sweep.running

    stage.act(kill)


def test_a_switch_that_is_thrown_from_outside_during_a_release_stays_thrown() -> None:
    stage = Stage()

    async def throw(stage: Stage, life: Life) -> None:
        await call(life, "kill.engage", reason="test")
        life.disk.hang()
        async with anyio.create_task_group() as group:
            group.start_soon(release, life)
            await anyio.sleep(0.5)
            life.disk.gate()[0] = 1
            life.disk.resume()
        await anyio.sleep(1)

        refused = await place(life, "k1", 10)
        assert refused.error is not None
        assert refused.error.kind is Kind.KILLED
        assert life.parts.kill.status().engaged

    stage.act(throw)


def test_what_appears_when_the_sweep_of_a_kill_is_over_is_swept_as_well() -> None:
    stage = Stage()
    stage.act(nothing)
    backup = stage.disk.copy()
    stage.fates = Fates(held=1.0, held_s=30.0, reads=0.0)
    stage.act(lambda stage, life: doubtful(life, "k1", 10))
    stage.fates = Fates()
    stage.disk = backup
    stage.disk.inode += 1

    async def kill(stage: Stage, life: Life) -> None:
        await call(life, "kill.engage", reason="test")
        await anyio.sleep(2)
        assert stage.far.placed == []  # it is on its way, and nobody knows
        await anyio.sleep(60)

        assert len(stage.far.placed) == 1
        assert stage.far.live(ACCOUNT) == []

    stage.act(kill)


def test_a_placed_trigger_is_told_of_though_the_broker_cannot_be_reached() -> None:
    stage = Stage()

    async def again(stage: Stage, life: Life) -> None:
        price = stage.far.price("NSE:INFY", Decimal("0.85"))
        leg = {"trigger_price": price, "price": price, "side": Side.BUY, "quantity": 5}
        asked = {"key": "g1", "symbol": "NSE:INFY", "legs": [leg]}
        first = await ask(life, "gtt.place", **asked)
        stage.link_down, stage.link_up_at = True, stage.time + 60
        second = await ask(life, "gtt.place", **asked)

        assert first.result.change == second.result.change == "done"
        assert second.result.replayed

    stage.act(again)


def test_the_longer_windows_hold_across_a_restart_for_what_waited_for_its_slot() -> None:
    stage = Stage()

    async def burst(_: Stage, life: Life) -> None:
        async with anyio.create_task_group() as group:
            for number in range(1, 20):
                group.start_soon(place, life, f"k{number}", number * 10)

    stage.act(burst)

    async def more(stage: Stage, life: Life) -> None:
        await anyio.sleep(
            max(0.0, 19.0 - stage.time)
        )  # the first intents are that old, the last sends are not
        async with anyio.create_task_group() as group:
            for number in range(20, 40):
                group.start_soon(place, life, f"k{number}", number * 10)

    stage.act(more)  # whether a window is overrun is looked at with each hand-over


async def doubtful(life: Life, key: str, quantity: int) -> None:
    answer = await place(life, key, quantity, timeout_ms=2000)
    assert answer.result.order.status is Status.IN_DOUBT


async def nothing(_: Stage, __: Life) -> None:
    """It starts, and dies."""


async def placed(life: Life, key: str, quantity: int) -> None:
    answer = await place(life, key, quantity)
    assert answer.result is not None, answer.error
    assert answer.result.order.status is Status.PENDING
