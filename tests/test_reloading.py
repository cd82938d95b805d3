"""What a reload takes over, what it leaves, and what it says."""

import asyncio
from collections.abc import Callable, Collection
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import asdict, replace

from ordod.config.settings import (
    AccessSettings,
    AccountSettings,
    DaemonSettings,
    Grant,
    LogLevel,
    RiskSettings,
    RoleName,
    Settings,
)
from ordod.core.parts import Reloaded
from ordod.domain.orders import NewOrder, Status
from ordod.domain.references import SecretReference
from ordod.domain.risk import RiskLimits
from ordod.errors import Kind, OrdoError
from ordod.machine import Machine
from ordod.metrics import scrape
from ordod.notifying import keep_told
from ordod.reloading import Reloader, Wanted, differences, merged, planned
from ordod.running import read_again
from ordod.service.methods import Caller, Role
from ordod.wire.dispatch import Tally
from tests.core.world import (
    VIRTUAL,
    World,
    account,
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
from tests.service.calling import Connection, client

OLD = Settings(
    file=Path("/ordod.conf"),
    daemon=DaemonSettings(socket=Path("/ordod.sock"), state_dir=Path("/state")),
    accounts={"paper": account()},
)
TIGHT = RiskSettings(
    everywhere=RiskLimits(max_quantity=5), strategies={"slow": RiskLimits(orders_per_day=1)}
)


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


class File:
    """What stands in the file, and what was put in force outside of the core."""

    def __init__(self, world: World, began: Settings = OLD) -> None:
        self.settings = began
        self.problem = ""
        self.taken: list[Settings] = []
        self._adapter = next(iter(world.parts.accounts.values())).adapter
        self.unreadable = ""
        self.reloader = Reloader(
            world.parts,
            world.parts.roster,
            began,
            read=self._read,
            check=self._check,
            take=self.taken.append,
        )
        world.parts.reload = self.reloader.reload

    async def _read(self) -> Wanted:
        await anyio.sleep(0.01)
        if self.problem:
            raise OrdoError(Kind.INVALID_PARAMS, self.problem)
        return Wanted(self.settings, {"paper": self._adapter})

    async def _check(self, _: Settings, names: Collection[str]) -> None:
        await anyio.sleep(0.01)
        if self.unreadable in names:
            raise OrdoError(Kind.INVALID_PARAMS, f"accounts.{self.unreadable}: no secret")


async def test_limits_hold_from_the_reload_on_and_are_shown() -> None:
    async with running_world() as world:
        file = File(world)
        call = client(world)
        await world.parts.desk.place(wanted("k1"))
        file.settings = replace(OLD, risk=TIGHT)

        done = await call("system.reload")

        assert done == {
            "changed": ["risk.max_quantity", "risk.strategies.slow"],
            "needs_restart": [],
            "waits": [],
        }
        with pytest.raises(OrdoError) as refused:
            await world.parts.desk.place(wanted("k2"))
        assert refused.value.kind is Kind.RISK_REFUSED
        shown = (await call("system.config"))["config"]
        assert shown["risk"]["everywhere"]["max_quantity"] == 5
        file.settings = OLD
        await call("system.reload")
        await world.parts.desk.place(wanted("k2"))
        assert world.records().count("admin") == 2


async def test_what_is_said_of_an_account_holds_and_its_sessions_never_notice() -> None:
    async with running_world() as world:
        file = File(world)
        before = world.parts.accounts["paper"].keeper.session
        said = account(
            doubt_horizon_s=90.0, market_protection=Decimal(2), risk=RiskLimits(max_open_orders=3)
        )
        file.settings = replace(OLD, accounts={"paper": said})

        done = await file.reloader.reload("test")

        assert sorted(done.changed) == [
            "accounts.paper.doubt_horizon_s",
            "accounts.paper.market_protection",
            "accounts.paper.risk.max_open_orders",
        ]
        rules = world.parts.accounts["paper"].rules
        assert (rules.doubt_horizon_s, rules.market_protection) == (90.0, Decimal(2))
        assert rules.risk.max_open_orders == 3
        assert world.parts.accounts["paper"].keeper.session is before


async def test_access_and_the_log_level_are_handed_on() -> None:
    async with running_world() as world:
        file = File(world)
        access = AccessSettings(users={"asha": Grant(RoleName.TRADE)})
        file.settings = replace(
            OLD, access=access, daemon=replace(OLD.daemon, log_level=LogLevel.DEBUG)
        )

        done = await file.reloader.reload("test")

        assert sorted(done.changed) == ["access.users.asha", "daemon.log_level"]
        assert file.taken[-1].access == access
        assert file.taken[-1].daemon.log_level is LogLevel.DEBUG


SECOND = {"paper": account(), "second": account("second")}


async def test_an_account_that_comes_logs_in_by_itself_and_trades() -> None:
    async with running_world() as world:
        file = File(world)
        before = world.parts.accounts["paper"].keeper.session
        file.settings = replace(OLD, accounts=SECOND)

        done = await file.reloader.reload("test")
        await until(world.is_ready)
        await world.parts.desk.place(wanted("k1", account="second"))

        assert done == Reloaded(["accounts.second (added)"], [])
        assert len(world.at_broker("second")) == 1
        assert world.parts.accounts["paper"].keeper.session is before
        assert list(world.parts.accounts) == ["paper", "second"]


async def test_an_account_where_nothing_is_open_goes_at_once_and_its_keys_stay_known() -> None:
    async with running_world(*SECOND.values()) as world:
        file = File(world, replace(OLD, accounts=SECOND))
        filled = await world.parts.desk.place(wanted("k1", market(), account="second"))
        await until(lambda: not world.parts.book.open_orders("second"))
        line = world.line("second")
        file.settings = OLD

        done = await file.reloader.reload("test")

        assert done == Reloaded(["accounts.second (removed)"], [])
        assert line.closed
        with pytest.raises(OrdoError) as refused:
            await world.parts.desk.place(wanted("k2", account="second"))
        assert refused.value.kind is Kind.UNKNOWN_ACCOUNT
        file.settings = replace(OLD, accounts=SECOND)
        await file.reloader.reload("test")
        await until(world.is_ready)
        replayed = await world.parts.desk.place(wanted("k1", market(), account="second"))
        assert (replayed.replayed, replayed.order.order_id) == (True, filled.order.order_id)
        assert len(world.at_broker("second")) == 1


async def test_an_account_with_an_open_order_takes_nothing_new_and_goes_when_it_ends() -> None:
    async with running_world(*SECOND.values()) as world:
        file = File(world, replace(OLD, accounts=SECOND))
        await world.parts.desk.place(wanted("k1", account="second"))
        file.settings = OLD

        first = await file.reloader.reload("test")
        again = await file.reloader.reload("test")
        with pytest.raises(OrdoError) as refused:
            await world.parts.desk.place(wanted("k2", account="second"))
        known = await world.parts.desk.place(wanted("k1", account="second"))
        order = world.order("k1", "second")
        await world.parts.changes.cancel(order, caller="test", timeout_s=5.0)
        await until(lambda: "second" not in world.parts.accounts)

        waits = ["accounts.second (removed): it takes nothing new, and goes after 1 open order"]
        assert first == again == Reloaded([], [], waits)
        assert world.records().count("admin") == 1
        assert refused.value.kind is Kind.UNKNOWN_ACCOUNT
        assert known.replayed
        assert "second" not in world.parts.shown_settings["accounts"]


async def test_an_account_that_was_to_go_and_stands_in_the_file_again_goes_on() -> None:
    async with running_world(*SECOND.values()) as world:
        file = File(world, replace(OLD, accounts=SECOND))
        await world.parts.desk.place(wanted("k1", account="second"))
        file.settings = OLD
        await file.reloader.reload("test")
        file.settings = replace(OLD, accounts=SECOND)

        done = await file.reloader.reload("test")
        await world.parts.desk.place(wanted("k2", account="second"))
        for key in ("k1", "k2"):
            order = world.order(key, "second")
            await world.parts.changes.cancel(order, caller="test", timeout_s=5.0)
        await anyio.sleep(10)

        assert done == Reloaded([], [])
        assert "second" in world.parts.accounts


async def test_an_order_in_doubt_keeps_its_account_until_it_is_settled() -> None:
    async with running_world(*SECOND.values()) as world:
        file = File(world, replace(OLD, accounts=SECOND))
        await world.parts.desk.place(wanted("echo", account="second"))
        echo = world.order("echo", "second")
        await world.parts.changes.cancel(echo, caller="test", timeout_s=5.0)
        world.line("second").script(lost_before)
        file.settings = OLD

        async with anyio.create_task_group() as group:
            group.start_soon(world.parts.desk.place, wanted("k1", account="second"))
            await until(lambda: world.parts.book.doubts("second") != [])
            done = await file.reloader.reload("test")
        assert done.waits == [
            "accounts.second (removed): it takes nothing new, and goes after 1 order in doubt"
        ]
        await until(lambda: "second" not in world.parts.accounts, within_s=300)

        assert world.order("k1", "second").status is Status.NOT_PLACED


async def test_a_doubt_of_an_account_that_left_by_a_restart_is_told_and_taken_up_when_it_comes() -> (
    None
):
    world = World()
    async with running_world(*SECOND.values(), world=world):
        world.line("second").script(lost_after)
        world.line("second").always(unsent, request_is("GET", "/orders"))
        await world.parts.desk.place(wanted("k1", account="second", timeout_s=1.0))
    async with running_world(world=world):
        file = File(world)
        before = await client(world)("system.status")
        file.settings = replace(OLD, accounts=SECOND)
        await file.reloader.reload("test")
        await until(lambda: not world.parts.book.doubts())
        after = await client(world)("system.status")

        assert "second are in doubt" in before["todo"]
        assert after["todo"] == ""
        assert world.order("k1", "second").status is Status.OPEN


async def test_another_address_begins_an_account_anew_and_no_other() -> None:
    async with running_world(*SECOND.values()) as world:
        file = File(world, replace(OLD, accounts=SECOND))
        kept, line = world.parts.accounts["paper"], world.line("second")
        elsewhere = account("second", base_url="http://127.0.0.1:1")
        await world.parts.desk.place(wanted("k1", account="second"))
        file.settings = replace(OLD, accounts=SECOND | {"second": elsewhere})

        waiting = await file.reloader.reload("test")
        order = world.order("k1", "second")
        await world.parts.changes.cancel(order, caller="test", timeout_s=5.0)
        done = await file.reloader.reload("test")
        await until(world.is_ready)
        await world.parts.desk.place(wanted("k2", account="second"))

        assert waiting == Reloaded(
            [], [], ["accounts.second.base_url: reload again after 1 open order"]
        )
        assert done == Reloaded(["accounts.second.base_url"], [])
        assert line.closed
        assert world.line("second") is not line
        assert world.parts.accounts["paper"] is kept


async def test_another_source_address_is_taken_by_what_is_sent_from_then_on() -> None:
    async with running_world() as world:
        file = File(world)
        session, line = world.parts.accounts["paper"].keeper.session, world.line()
        line.script(late(2.0))
        file.settings = replace(OLD, accounts={"paper": account(source_address="127.0.0.2")})

        async with anyio.create_task_group() as group:
            group.start_soon(world.parts.desk.place, wanted("k1"))
            await until(lambda: line.writes() != [])
            done = await file.reloader.reload("test")
            was_closed = line.closed
        await until(lambda: line.closed)
        await world.parts.desk.place(wanted("k2"))

        assert done == Reloaded(["accounts.paper.source_address"], [])
        assert not was_closed
        assert (len(line.writes()), len(world.line().writes())) == (1, 1)
        assert world.order("k1").sent == "placed"
        assert world.parts.accounts["paper"].keeper.session is session


async def test_a_kill_covers_an_account_that_comes_later_and_sweeps_it() -> None:
    async with running_world(*SECOND.values()) as world:
        file = File(world, replace(OLD, accounts=SECOND))
        terms = NewOrder(**asdict(resting()), tag="elsewhere")
        file.settings = OLD
        await file.reloader.reload("test")
        world.exchange.exchange.place("second", terms, world.clock.now())
        await world.parts.kill.engage(caller="test", reason="stop")
        await until(lambda: not running_sweep(world))
        file.settings = replace(OLD, accounts=SECOND)

        await file.reloader.reload("test")
        await until(world.is_ready)
        with pytest.raises(OrdoError) as refused:
            await world.parts.desk.place(wanted("k1", account="second"))
        await until(lambda: not running_sweep(world))

        assert refused.value.kind is Kind.KILLED
        assert [row.status for row in world.at_broker("second")] == [Status.CANCELLED]


async def test_a_file_without_any_account_is_refused() -> None:
    async with running_world() as world:
        file = File(world)
        file.settings = replace(OLD, accounts={})

        error = await client(world).refused("system.reload")

        assert error.kind is Kind.INVALID_PARAMS
        assert "leave one in it" in error.message
        await world.parts.desk.place(wanted("k1"))


async def test_a_file_that_is_being_saved_is_waited_for(tmp_path: Path) -> None:
    whole = '[accounts.paper]\nbroker = "paper"\n[accounts.second]\nbroker = "paper"\n'
    file = tmp_path / "ordod.conf"
    steps = ["", "[accounts.paper]\nbro", whole[:33], whole]
    file.write_text(whole)

    async def pause() -> None:
        if steps:
            file.write_text(steps.pop(0))

    read = await read_again(file, pause)

    assert steps == []
    assert list(read.settings.accounts) == ["paper", "second"]


async def test_a_file_that_changes_all_the_time_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "ordod.conf"
    file.touch()

    async def pause() -> None:
        with file.open("a") as opened:
            opened.write("#")

    with pytest.raises(OrdoError, match="changes all the time"):
        await read_again(file, pause)


def running_sweep(world: World) -> bool:
    sweep = world.parts.kill.status().sweep
    return sweep is not None and sweep.running


async def test_a_call_under_way_is_answered_before_its_account_goes() -> None:
    async with running_world(*SECOND.values()) as world:
        file = File(world, replace(OLD, accounts=SECOND))
        world.line("second").script(late(3.0))
        answers = []

        async def place() -> None:
            answers.append(await world.parts.desk.place(wanted("k1", market(), account="second")))

        async with anyio.create_task_group() as group:
            group.start_soon(place)
            await until(lambda: world.line("second").writes() != [])
            file.settings = OLD
            await file.reloader.reload("test")
            await until(lambda: "second" not in world.parts.accounts)

        assert [answer.order.key for answer in answers] == ["k1"]
        assert world.order("k1", "second").status is Status.FILLED


async def test_one_account_that_cannot_begin_refuses_the_whole_file() -> None:
    async with running_world() as world:
        file = File(world)
        file.settings = replace(OLD, accounts=SECOND, risk=TIGHT)
        file.unreadable = "second"

        error = await client(world).refused("system.reload")

        assert error.kind is Kind.INVALID_PARAMS
        assert list(world.parts.accounts) == ["paper"]
        assert dict(world.parts.desk.limits_of(world.parts.accounts["paper"], None)) != {}
        await world.parts.desk.place(wanted("k1", resting(quantity=6)))


async def test_prices_that_named_no_account_come_from_another_and_those_that_did_end() -> None:
    async with running_world(*SECOND.values()) as world:
        first = {"second": account("second"), "paper": account()}
        file = File(world, replace(OLD, accounts=first))
        connection = Connection()
        call = client(world, connection)
        named = await call(
            "events.subscribe", topics=["ticks"], symbols=["NSE:INFY"], accounts=["paper"]
        )
        free = await call("events.subscribe", topics=["ticks"], symbols=["NSE:TCS"])
        file.settings = replace(OLD, accounts={"second": account("second")})

        await file.reloader.reload("test")
        told = len(connection.pushed)
        await until(
            lambda: any(p["subscription"] == free["subscription"] for p in connection.pushed[told:])
        )

        ends = [pushed for pushed in connection.pushed if "ended" in pushed]
        assert [pushed["subscription"] for pushed in ends] == [named["subscription"]]
        assert ends[0]["ticks"] == []
        assert world.parts.hub.status("second").instruments == 1


async def test_metrics_and_what_systemd_is_told_follow() -> None:
    async with running_world() as world:
        file = File(world)
        caller = Caller("uid:0 (root)", Role.ADMIN)
        told: list[str] = []

        file.settings = replace(OLD, accounts=SECOND)
        await file.reloader.reload("test")
        await until(world.is_ready)
        with anyio.move_on_after(1.5):
            await keep_told(world.parts, Told(told), {})
        during = await scrape(world.parts, caller, Tally(), Machine(Path("/")))
        file.settings = OLD
        await file.reloader.reload("test")
        with anyio.move_on_after(1.5):
            await keep_told(world.parts, Told(told), {})

        assert b'ordod_doubts_open{account="second"} 0.0' in during
        assert b'"second"' not in await scrape(world.parts, caller, Tally(), Machine(Path("/")))
        assert told == [
            "STATUS=2 of 2 accounts can trade",
            "STATUS=1 of 1 accounts can trade",
        ]


class Told:
    def __init__(self, told: list[str]) -> None:
        self._told = told

    def notify(self, state: str) -> None:
        self._told.append(state)


async def test_twenty_comings_and_goings_leave_nothing_running() -> None:
    async with running_world() as world:
        file = File(world)
        before = len(asyncio.all_tasks())
        for _ in range(20):
            file.settings = replace(OLD, accounts=SECOND)
            await file.reloader.reload("test")
            await until(world.is_ready)
            file.settings = OLD
            await file.reloader.reload("test")
        await anyio.sleep(5)

        assert len(asyncio.all_tasks()) == before


def test_the_same_user_under_another_name_is_the_heir() -> None:
    secrets = {"api_key": SecretReference.read("env:KEY")}
    real = AccountSettings(name="a", broker="zerodha", secrets=secrets)
    old = replace(OLD, accounts={"a": real})
    new = replace(OLD, accounts={"b": replace(real, name="b")})
    stranger = {"api_key": SecretReference.read("env:OTHER")}
    other = replace(OLD, accounts={"b": replace(real, name="b", secrets=stranger)})

    assert planned(old, new).heirs == {"a": "b"}
    assert planned(old, other).heirs == {}


@pytest.mark.parametrize("is_dead", [False, True], ids=["bad file", "dead disk"])
async def test_a_refused_reload_changes_nothing(is_dead: bool) -> None:
    async with running_world() as world:
        file = File(world)
        file.settings = replace(OLD, risk=TIGHT)
        shown = world.parts.shown_settings
        if is_dead:
            world.disk.fail_at(1)
        else:
            file.problem = "line 3: [risk] max_quantity"

        error = await client(world).refused("system.reload")

        assert error.kind is (Kind.JOURNAL_FAILED if is_dead else Kind.INVALID_PARAMS)
        assert world.parts.shown_settings is shown
        assert file.taken == []
        limits = dict(world.parts.desk.limits_of(world.parts.accounts["paper"], None))
        assert set(limits.values()) == {RiskLimits()}


async def test_without_a_file_it_says_so() -> None:
    async with running_world() as world:
        error = await client(world).refused("system.reload")

        assert error.kind is Kind.UNSUPPORTED


async def test_orders_flow_through_fifty_reloads() -> None:
    async with running_world() as world:
        file = File(world)
        answered = []

        async def place() -> None:
            for number in range(100):
                answered.append(await world.parts.desk.place(wanted(f"k{number}")))
                await anyio.sleep(0.3)  # within the broker's ten a second

        async with anyio.create_task_group() as group:
            group.start_soon(place)
            for number in range(50):
                limits = RiskLimits(max_quantity=1000 + number)
                file.settings = replace(OLD, risk=RiskSettings(everywhere=limits))
                done = await file.reloader.reload("test")
                assert done.changed == ["risk.max_quantity"]
                await anyio.sleep(0.6)

        assert len(answered) == 100
        assert len(world.at_broker()) == 100
        assert world.parts.book.doubts() == []


def test_what_an_account_logs_in_with_is_named_without_its_value_and_taken_over() -> None:
    said = account(secrets={"api_key": SecretReference.read("env:ORDO_KEY")})
    new = replace(OLD, accounts={"paper": said})

    assert merged(OLD, new) == new
    assert list(differences(OLD, new)) == ["accounts.paper.api_key"]


SETTINGS: list[tuple[Callable[[], Settings], str]] = [
    (
        lambda: replace(OLD, daemon=replace(OLD.daemon, state_dir=Path("/other"))),
        "daemon.state_dir",
    ),
    (lambda: replace(OLD, daemon=replace(OLD.daemon, socket=Path("/other"))), "daemon.socket"),
    (
        lambda: replace(OLD, accounts={"paper": account(options={"cash": "5"})}),
        "accounts.paper.cash",
    ),
]


@pytest.mark.parametrize(("new", "named"), SETTINGS, ids=[name for _, name in SETTINGS])
def test_what_waits_is_named_as_in_the_file_without_its_value(
    new: Callable[[], Settings], named: str
) -> None:
    wanted_settings = new()

    assert merged(OLD, wanted_settings) == OLD
    assert list(differences(OLD, wanted_settings)) == [named]
