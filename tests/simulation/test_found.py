"""What the simulation found, played again by hand, so that it stays found however the worlds change."""

import anyio

from ordod.core.orders.keys import make_tag
from ordod.domain.orders import Status
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
    stage.act(lambda stage, life: placed(life, "k1", 10))
    stage.disk = backup
    stage.disk.inode += 1

    async def again(stage: Stage, life: Life) -> None:
        await release(life)
        begun = stage.time
        answers = [await place(life, "k1", 10) for _ in range(3)]

        assert [answer.result.order.key for answer in answers] == ["k1"] * 3
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

        installation = life.parts.journal.installation
        assert PAPER.spec.tag is not None
        tag = make_tag(installation, ACCOUNT, "k1", 0, PAPER.spec.tag)
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


async def nothing(_: Stage, __: Life) -> None:
    """It starts, and dies."""


async def placed(life: Life, key: str, quantity: int) -> None:
    answer = await place(life, key, quantity)
    assert answer.result is not None, answer.error
    assert answer.result.order.status is Status.PENDING
