"""A whole daemon on virtual time: what goes wrong in it is told, and what a receiver does harms nobody."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import anyio
import pytest

from ordod.adapter import HttpRequest, HttpResponse
from ordod.app import alert_by
from ordod.config import AlertSettings
from ordod.core.alerts.outlet import WAITING_MAX, Outlet
from ordod.core.ports import Admit, FeedLost, Undelivered
from ordod.core.sessions import SessionState
from ordod.domain.alerts import Alert
from ordod.domain.orders import Status
from tests.core.test_settling import Shown, doubtful, echoed
from tests.core.world import (
    BEGINS,
    VIRTUAL,
    Send,
    World,
    account,
    answers,
    lost_before,
    running_world,
    unsent,
    until,
    wanted,
)
from tests.service.calling import PLACE, Connection, client
from tests.simulation.disk import TearingDisk
from tests.simulation.ports import IST

SUNDAY = datetime(2026, 11, 22, 11, 0, tzinfo=IST)


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


class Recorder:
    """A receiver that takes what it is told, or does what a test says."""

    def __init__(self, act: Callable[[Alert], Any] | None = None) -> None:
        self.told: list[Alert] = []
        self.tries = 0
        self.act = act
        self.is_prepared = False
        self.is_closed = False

    async def prepare(self) -> None:
        self.is_prepared = True

    async def send(self, alert: Alert) -> None:
        self.tries += 1
        if self.act is not None:
            await self.act(alert)
        self.told.append(alert)

    async def aclose(self) -> None:
        self.is_closed = True

    def of(self, kind: str) -> list[Alert]:
        return [alert for alert in self.told if alert.kind == kind]

    def states(self, kind: str) -> list[str]:
        return [alert.state.value for alert in self.of(kind)]


async def refuses(_: Alert) -> None:
    raise Undelivered("it is down")


async def hangs(_: Alert) -> None:
    await anyio.sleep_forever()


def told(world: World, recorder: Recorder | None = None, **settings: Any) -> Recorder:
    """From now on this world's daemon alerts it."""
    recorder = recorder or Recorder()
    outlet = Outlet("memory", recorder, clock=world.clock)
    alert_by(world.parts, AlertSettings(**settings), [outlet])
    return recorder


@asynccontextmanager
async def alerting(
    recorder: Recorder | None = None, world: World | None = None, **daemon: Any
) -> AsyncIterator[tuple[World, Recorder]]:
    async with running_world(world=world, **daemon) as started:
        yield started, told(started, recorder)


# What is told


async def test_nothing_is_told_of_a_daemon_that_is_well() -> None:
    async with alerting() as (world, receiver):
        await world.parts.desk.place(wanted("k1"))
        await anyio.sleep(1200)

        assert receiver.is_prepared
        assert receiver.told == []


async def test_a_kill_and_its_release_are_told_also_where_they_are_a_moment_apart() -> None:
    async with alerting() as (world, receiver):
        call = client(world)

        await call("kill.engage", reason="drill")
        await call("kill.release", reason="over")
        await until(lambda: len(receiver.told) == 2)

        assert receiver.states("kill") == ["firing", "resolved"]
        assert "drill" in receiver.told[0].message
        assert "ordoctl release" in receiver.told[0].message


async def test_a_state_that_may_be_behind_is_told_with_its_reason() -> None:
    world = World()
    async with world.daemon():
        await world.parts.desk.place(wanted("k1"))
    old = TearingDisk(machine="another")
    old.files = world.disk.copy().files
    world.disk = old

    async with world.daemon(ready=False):
        receiver = told(world)
        await until(lambda: receiver.told)

        [alert] = receiver.of("kill")
        assert "may be behind" in alert.message


async def test_a_doubt_is_told_when_it_is_older_than_the_limit_and_over_when_it_is_settled() -> (
    None
):
    async with alerting() as (world, receiver):
        await echoed(world)
        sent_at = world.clock.now()

        order = await doubtful(world)
        await until(lambda: receiver.of("doubt"), 300)
        at = world.clock.now()
        await until(lambda: receiver.states("doubt") == ["firing", "resolved"], 300)

        assert timedelta(seconds=60) <= at - sent_at < timedelta(seconds=75)
        assert "k1 (BUY 10 NSE:INFY)" in receiver.told[0].message
        assert receiver.told[0].account == "paper"
        assert order.status is Status.NOT_PLACED


async def test_many_doubts_of_one_account_are_one_alert() -> None:
    async with alerting() as (world, receiver):
        world.line().script(*[lost_before] * 20)
        async with anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(world.parts.desk.place, wanted(f"k{number}"))
        await until(lambda: receiver.of("doubt"), 300)

        [alert] = receiver.of("doubt")
        assert alert.message.startswith("20 orders are in doubt")


async def test_a_doubt_that_waits_for_a_person_is_told_with_what_to_run() -> None:
    async with alerting() as (world, receiver):
        await doubtful(world)  # and no order ever showed its tag: absence proves nothing
        await until(lambda: receiver.of("resolve"), 300)

        assert "ordoctl resolve --account paper KEY" in receiver.of("resolve")[0].message
        assert "k1" in receiver.of("resolve")[0].message


async def test_a_logged_out_account_is_told_at_any_hour_and_over_with_the_next_session() -> None:
    async with alerting(world=World(begins=SUNDAY)) as (world, receiver):
        call = client(world)

        await call("account.logout", account="paper")
        await until(lambda: receiver.of("session"))
        await call("account.login", account="paper")
        await until(lambda: receiver.states("session") == ["firing", "resolved"])

        assert "ordoctl login paper" in receiver.told[0].message


@pytest.mark.parametrize(
    ("begins", "is_told"), [(BEGINS, True), (SUNDAY, False)], ids=["monday", "sunday"]
)
async def test_a_session_that_is_not_renewed_is_told_when_markets_are_open(
    begins: datetime, is_told: bool
) -> None:
    async with alerting(world=World(begins=begins)) as (world, receiver):
        keeper = world.parts.accounts["paper"].keeper
        world.line().always(unsent, lambda _: True)

        assert keeper.session is not None
        keeper.died(keeper.session, "somebody else logged in")
        await anyio.sleep(300)

        assert keeper.state is not SessionState.ACTIVE
        assert bool(receiver.of("session")) is is_told


async def test_a_session_that_is_renewed_by_itself_is_told_to_nobody() -> None:
    async with alerting() as (world, receiver):
        keeper = world.parts.accounts["paper"].keeper

        assert keeper.session is not None
        keeper.died(keeper.session, "somebody else logged in")
        await anyio.sleep(300)

        assert keeper.state is SessionState.ACTIVE
        assert receiver.told == []


async def test_a_broker_that_cannot_be_reached_is_told_until_it_answers() -> None:
    async with alerting() as (world, receiver):
        world.line().always(unsent, lambda _: True)
        await until(lambda: receiver.of("breaker"), 600)

        world.line().forget()
        await until(lambda: receiver.states("breaker") == ["firing", "resolved"], 600)


async def test_a_disk_with_little_room_is_told_and_over_when_there_is_room_again() -> None:
    disk = TearingDisk(capacity=1 << 30)
    async with alerting(world=World(disk=disk)) as (_, receiver):
        disk.capacity = disk.used + (100 << 20)
        await until(lambda: receiver.of("disk"), 60)

        disk.capacity = 1 << 40
        await until(lambda: receiver.states("disk") == ["firing", "resolved"], 120)

        assert "100 MiB are left" in receiver.told[0].message


async def test_a_disk_that_failed_is_told() -> None:
    async with alerting() as (world, receiver):
        world.disk.fail_at(1)
        await client(world).refused("order.place", key="k1", **PLACE)
        await until(lambda: receiver.of("journal"))

        assert "Mend the disk" in receiver.told[0].message


async def test_a_disk_that_hangs_is_told_while_it_hangs() -> None:
    async with alerting() as (world, receiver):
        world.disk.hang()
        await client(world).refused("order.place", key="k1", **PLACE)
        await until(lambda: receiver.of("journal"), 60)

        assert "has not answered" in receiver.told[0].message
        world.disk.resume()


async def test_a_clock_that_is_off_is_told_with_the_way_it_is_off() -> None:
    async with alerting() as (world, receiver):

        async def an_hour_ahead(
            send: Send, request: HttpRequest, admit: Admit | None
        ) -> HttpResponse:
            answer = await send(request, admit)
            date = format_datetime((world.clock.now() + timedelta(hours=1)).astimezone())
            return HttpResponse(answer.status, (*answer.headers, ("date", date)), answer.body)

        honest = world.line().always(an_hour_ahead, lambda _: True)
        await until(lambda: receiver.of("clock"), 120)
        honest()
        await until(lambda: receiver.states("clock") == ["firing", "resolved"], 3600)

        assert "3600 s behind" in receiver.told[0].message.replace("3599", "3600").replace(
            "3601", "3600"
        )


async def test_an_order_that_had_ended_and_is_at_the_broker_is_told_once() -> None:
    shown = Shown()
    async with alerting(adapter=shown) as (world, receiver):
        await echoed(world)
        order = await doubtful(world)
        await until(lambda: order.status is Status.NOT_PLACED, 300)

        world.line().forget()
        row = world.at_broker()[0]
        late = row.__class__(
            **{name: getattr(row, name) for name in row.__struct_fields__}
            | {"broker_order_id": "99", "symbol": order.terms.symbol, "tags": (order.tag or "",)}
        )
        shown.show = lambda rows: rows.__class__(good=(*rows.good, late), bad=rows.bad)
        await until(lambda: receiver.of("contradiction"), 60)
        await anyio.sleep(1900)  # past the time of a reminder

        [alert] = receiver.of("contradiction")
        assert "was told as NOT_PLACED" in alert.message
        assert f"shows it as {order.status}" in alert.message


async def test_an_order_the_broker_refused_and_lists_as_refused_is_no_contradiction() -> None:
    shown = Shown()
    async with alerting(adapter=shown) as (world, receiver):
        await echoed(world)
        world.line().script(answers(400, "ORDER_REJECTED"))
        await client(world).refused("order.place", key="k1", **PLACE)
        order = world.order("k1")
        row = world.at_broker()[0]
        refused = row.__class__(
            **{name: getattr(row, name) for name in row.__struct_fields__}
            | {"broker_order_id": "99", "status": Status.REJECTED, "tags": (order.tag or "",)}
        )
        shown.show = lambda rows: rows.__class__(good=(*rows.good, refused), bad=rows.bad)
        await until(lambda: order.broker_order_id == "99", 60)
        await anyio.sleep(60)

        assert order.status is Status.REJECTED
        assert receiver.told == []


async def test_prices_that_are_not_pushed_are_told() -> None:
    class Down:
        async def open(self, *_: Any) -> Any:
            raise FeedLost("connection refused")

    world = World()
    world.feeds = Down()
    async with alerting(world=world) as (world, receiver):
        call = client(world, Connection())
        await call("events.subscribe", topics=["ticks"], symbols=["NSE:INFY"])
        await until(lambda: receiver.of("stream"), 300)

        assert "connection refused" in receiver.told[0].message


# What receivers do


async def test_a_receiver_that_was_down_hears_all_of_it_in_order_when_it_is_back() -> None:
    receiver = Recorder(refuses)
    async with alerting(receiver) as (world, _):
        call = client(world)
        await call("kill.engage", reason="drill")
        await anyio.sleep(120)
        await call("kill.release", reason="over")
        await anyio.sleep(60)
        status = (await call("system.status"))["alerts"]["receivers"][0]

        receiver.act = None
        await until(lambda: len(receiver.told) == 2, 120)

        assert (status["waiting"], status["problem"], status["delivered"]) == (2, "it is down", 0)
        assert receiver.states("kill") == ["firing", "resolved"]
        assert receiver.tries < 20
        after = (await call("system.status"))["alerts"]["receivers"][0]
        assert (after["waiting"], after["problem"], after["delivered"]) == (0, "", 2)


async def test_what_is_not_taken_in_a_quarter_of_an_hour_is_given_up_and_counted() -> None:
    async with alerting(Recorder(refuses)) as (world, receiver):
        await client(world)("kill.engage", reason="drill")
        await anyio.sleep(1000)

        status = await client(world)("system.status")
        assert status["alerts"]["receivers"][0]["failed"] == 1
        assert receiver.tries < 30


async def test_a_refusal_that_is_final_is_not_tried_again() -> None:
    async def final(_: Alert) -> None:
        raise Undelivered("chat not found", is_final=True)

    async with alerting(Recorder(final)) as (world, receiver):
        await client(world)("kill.engage", reason="drill")
        await anyio.sleep(600)

        assert receiver.tries == 1


async def test_news_of_the_kill_switch_do_not_wait_behind_another_alert_that_is_not_taken() -> None:
    async def not_doubts(alert: Alert) -> None:
        if alert.kind == "session":
            await refuses(alert)

    async with alerting(Recorder(not_doubts)) as (world, receiver):
        call = client(world)
        await call("account.logout", account="paper")
        await anyio.sleep(300)  # its pauses are a minute by now
        await call("kill.engage", reason="drill")
        await anyio.sleep(1)

        assert receiver.states("kill") == ["firing"]


@pytest.mark.parametrize("act", [refuses, hangs])
async def test_orders_flow_and_the_queue_is_bounded_whatever_a_receiver_does(act: Any) -> None:
    receiver = Recorder(act)
    async with alerting(receiver) as (world, _):
        outlet = world.parts.alerts.outlet("memory")
        assert outlet is not None
        alert = Alert(
            id="disk", kind="disk", severity="warning", state="firing", account=None,  # type: ignore[arg-type]
            since=BEGINS, at=BEGINS, host="desk", reminder=False, title="t", message="m",
        )  # fmt: skip
        for number in range(1000):
            outlet.put(alert)
            if number % 100 == 0:
                began = world.clock.boot()
                placed = await world.parts.desk.place(wanted(f"k{number}"))
                assert placed.order.status is not Status.IN_DOUBT
                assert world.clock.boot() - began < 1

        status = outlet.status()
        assert status.waiting <= WAITING_MAX + 1
        assert status.dropped >= 1000 - WAITING_MAX - 1


@pytest.mark.parametrize("act", [None, refuses, hangs])
async def test_a_stop_tells_what_it_can_and_waits_for_no_receiver(act: Any) -> None:
    receiver = Recorder(act)
    world = World()
    async with world.daemon():
        told(world, receiver)
        await anyio.sleep(1)
        world.parts.gate.close(next(iter(world.parts.gate.scopes), _everything()))
        began = world.clock.boot()

    assert world.clock.boot() - began < 2
    assert receiver.is_closed
    assert receiver.states("kill") == ([] if act else ["firing"])


def _everything() -> Any:
    from ordod.core.guard.gate import Scope

    return Scope()


async def test_after_a_restart_a_kill_is_told_again_once_and_its_release_when_it_comes() -> None:
    world = World()
    async with world.daemon():
        first = told(world)
        await client(world)("kill.engage", reason="drill")
        await until(lambda: first.told)
    async with world.daemon():
        second = told(world)
        await anyio.sleep(600)
        await client(world)("kill.release", reason="over")
        await until(lambda: len(second.told) == 2)

    assert [(a.state.value, a.reminder) for a in second.told] == [
        ("firing", True),
        ("resolved", False),
    ]


async def test_a_secret_in_a_brokers_words_is_in_no_alert() -> None:
    world = World()
    async with world.daemon() as parts:
        receiver = told(world)
        parts.alerts._hide = lambda text: text.replace("s3cret", "***")
        keeper = parts.accounts["paper"].keeper
        world.line().always(unsent, lambda _: True)
        assert keeper.session is not None
        await keeper._deny("the key s3cret is\nnot known")
        await until(lambda: receiver.of("session"))

        assert "s3cret" not in receiver.told[0].message
        assert "\n" not in receiver.told[0].message
        assert "s3cret" not in str(parts.alerts.status().firing)
        await until(lambda: "alerts.json" in world.disk.files)
        assert b"s3cret" not in world.disk.read("alerts.json")


# alert.test


async def test_a_test_tells_every_receiver_and_says_which_were_reached() -> None:
    async with running_world(account()) as world:
        good, bad, slow = Recorder(), Recorder(refuses), Recorder(hangs)
        outlets = [
            Outlet(name, one, clock=world.clock, kinds=("kill",))
            for name, one in (("good", good), ("bad", bad), ("slow", slow))
        ]
        alert_by(world.parts, AlertSettings(), outlets)
        began = world.clock.boot()

        results = (await client(world)("alert.test"))["results"]
        one = (await client(world)("alert.test", receiver="good"))["results"]
        wrong = await client(world).refused("alert.test", receiver="goood")

        assert [(r["receiver"], r["delivered"]) for r in results] == [
            ("good", True), ("bad", False), ("slow", False),
        ]  # fmt: skip
        assert results[1]["problem"] == "it is down"
        assert [r["receiver"] for r in one] == ["good"]
        assert wrong.data["field"] == "receiver"
        assert "did you mean good?" in str(wrong)
        assert [alert.kind for alert in good.told] == ["test", "test"]
        assert world.clock.boot() - began < 20


async def test_a_receiver_that_is_gone_from_the_configuration_is_told_nothing_more() -> None:
    async with alerting() as (world, first):
        second = told(world)
        await client(world)("kill.engage", reason="drill")
        await until(lambda: second.told)

        await until(lambda: first.is_closed)
        assert first.told == []


async def test_a_receiver_that_gets_nothing_is_what_a_person_should_do_next() -> None:
    async with alerting(Recorder(refuses)) as (world, _):
        await client(world)("alert.test")

        todo = (await client(world)("system.status"))["todo"]

        assert todo == "memory gets no alerts (it is down): mend it, then run: ordoctl alert test"
