"""What a reload takes over, what it leaves, and what it says."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from ordod.config.settings import (
    AccessSettings,
    DaemonSettings,
    Grant,
    LogLevel,
    RiskSettings,
    RoleName,
    Settings,
)
from ordod.domain.references import SecretReference
from ordod.domain.risk import RiskLimits
from ordod.errors import Kind, OrdoError
from ordod.reloading import Reloader, differences, merged
from tests.core.world import VIRTUAL, World, account, resting, running_world, wanted
from tests.service.calling import client

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

    def __init__(self, world: World) -> None:
        self.settings = OLD
        self.problem = ""
        self.taken: list[Settings] = []
        self.reloader = Reloader(world.parts, OLD, read=self._read, take=self.taken.append)
        world.parts.reload = self.reloader.reload

    async def _read(self) -> Settings:
        await anyio.sleep(0.01)
        if self.problem:
            raise OrdoError(Kind.INVALID_PARAMS, self.problem)
        return self.settings


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


async def test_accounts_that_come_or_go_wait_for_a_restart_and_are_named_each_time() -> None:
    async with running_world() as world:
        file = File(world)
        file.settings = replace(OLD, accounts={"second": account("second")}, risk=TIGHT)

        first = await file.reloader.reload("test")
        again = await file.reloader.reload("test")

        waiting = ["accounts.paper (removed)", "accounts.second (added)"]
        assert first.needs_restart == again.needs_restart == waiting
        assert (len(first.changed), again.changed) == (2, [])
        assert list(world.parts.accounts) == ["paper"]
        await world.parts.desk.place(wanted("k1", resting(quantity=5)))
        assert world.order("k1").id in world.parts.book.orders


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


def _with_secret(text: str) -> Settings:
    said = account(secrets={"api_key": SecretReference.read(text)})
    return replace(OLD, accounts={"paper": said})


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
    (lambda: _with_secret("env:ORDO_KEY"), "accounts.paper.api_key"),
]


@pytest.mark.parametrize(("new", "named"), SETTINGS, ids=[name for _, name in SETTINGS])
def test_what_waits_is_named_as_in_the_file_without_its_value(
    new: Callable[[], Settings], named: str
) -> None:
    wanted_settings = new()

    assert merged(OLD, wanted_settings) == OLD
    assert list(differences(OLD, wanted_settings)) == [named]
