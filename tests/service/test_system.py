"""`system.*`, `kill.*`, `risk.*` and `journal.*` as people call them."""

from decimal import Decimal
from typing import Any

import anyio
import pytest

from ordod.config.settings import RiskSettings
from ordod.domain.risk import RiskLimits
from ordod.errors import Kind
from tests.core.world import (
    VIRTUAL,
    account,
    answers,
    lost_before,
    request_is,
    running_world,
    until,
)
from tests.service.calling import PLACE, Connection, client


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


# System


async def test_a_daemon_that_is_well_says_so() -> None:
    async with running_world() as world:
        call = client(world)

        status = await call("system.status")

        assert (status["state"], status["todo"], status["doubts"]) == ("READY", "", [])
        assert status["journal"]["failed"] is False
        assert status["journal"]["seq"] == world.parts.journal.head[0]
        assert (await call("system.ping"))["at"]
        version = await call("system.version")
        assert version["epoch"] == world.parts.journal.epoch


async def test_how_long_orders_take_is_told_of_accounts_that_placed_some() -> None:
    async with running_world(account(), account("second")) as world:
        call = client(world)
        none = (await call("system.status"))["latency"]

        for number in range(3):
            await call("order.place", **PLACE | {"key": f"k{number}"})

        (told,) = (await call("system.status"))["latency"]
        assert none == []
        assert (told["account"], told["orders"]) == ("paper", 3)
        assert 0 <= told["broker_ms"] <= told["median_ms"] <= told["slow_ms"] < 10_000


@pytest.mark.parametrize(
    ("state", "todo"),
    [
        ("STOPPING", ""),
        ("JOURNAL_FAILED", "mend it, then restart"),
        ("KILLED", "ordoctl release"),
        ("PARTLY_READY", ""),
        ("NOT_READY", "ordoctl login"),
    ],
)
async def test_the_state_and_the_next_thing_to_do_are_told(state: str, todo: str) -> None:
    async with running_world(account(), account("second")) as world:
        call = client(world)
        match state:
            case "STOPPING":
                world.parts.shut_down()
            case "JOURNAL_FAILED":
                world.disk.fail_at(1)
                await call.refused("order.place", key="k1", **PLACE)
            case "KILLED":
                await call("kill.engage")
            case "PARTLY_READY":
                world.parts.accounts["second"].is_read = False
            case _:
                await call("account.logout", account="paper")
                await call("account.logout", account="second")

        status = await call("system.status")

        assert status["state"] == state
        assert todo in status["todo"]


async def test_a_doubt_that_waits_for_a_person_says_what_to_look_for() -> None:
    async with running_world() as world:
        call = client(world)
        world.line().script(lost_before)
        await call("order.place", key="k1", **PLACE, timeout_ms=60_000)
        await anyio.sleep(120)

        status = await call("system.status")

        (doubt,) = status["doubts"]
        assert doubt["order"]["key"] == "k1"
        assert "order.resolve" in doubt["why"]
        assert "ordoctl resolve --account paper k1" in status["todo"]


async def test_the_configuration_is_shown_without_secrets() -> None:
    async with running_world(account(options={"cash": "5000"})) as world:
        shown = (await client(world)("system.config"))["config"]

        assert shown["accounts"]["paper"]["broker"] == "paper"
        assert shown["accounts"]["paper"]["options"] == {"cash": "***"}


@pytest.mark.parametrize("is_dead", [False, True], ids=["disk", "dead disk"])
async def test_a_shutdown_begins_the_end_with_or_without_the_disk(is_dead: bool) -> None:
    async with running_world() as world:
        if is_dead:
            world.disk.fail_at(1)

        await client(world)("system.shutdown")

        assert world.parts.stopping.is_set()


# Kill


async def test_the_switch_is_thrown_seen_and_released() -> None:
    async with running_world() as world:
        call = client(world)
        await call("order.place", key="k1", **PLACE)
        await until(lambda: world.order("k1").row)

        engaged = await call("kill.engage", reason="drill")
        status = await call("kill.status")
        released = await call("kill.release", reason="over")

        assert (engaged["durable"], engaged["cancelled"], engaged["failed"]) == (True, 1, 0)
        assert status["engaged"]
        assert status["scopes"][0]["caller"] == "uid:1000 (asha)"
        assert released == {"state": "RELEASED"}
        assert (await call("kill.status"))["engaged"] is False


@pytest.mark.parametrize(
    "params",
    [
        {"account": "paper"},
        {"strategy": "orb"},
        {"mode": "reduce"},
        {"square_off": True},
        {"cancel_gtt": True},
    ],
    ids=["account", "strategy", "reduce", "square_off", "cancel_gtt"],
)
async def test_what_the_switch_cannot_do_yet_is_refused_and_kills_nothing(
    params: dict[str, Any],
) -> None:
    async with running_world() as world:
        error = await client(world).refused("kill.engage", **params)

        assert error.kind is Kind.INVALID_PARAMS
        assert error.data["field"] in params
        assert not world.parts.gate.is_closed


# Risk


async def test_limits_are_shown_by_scope() -> None:
    risk = RiskSettings(
        everywhere=RiskLimits(max_quantity=100), strategies={"orb": RiskLimits(max_quantity=5)}
    )
    async with running_world(risk=risk) as world:
        call = client(world)

        every = {row["scope"]: row["limits"] for row in (await call("risk.limits"))["limits"]}
        one = {row["scope"] for row in (await call("risk.limits", account="paper"))["limits"]}

        assert every["all"]["max_quantity"] == 100
        assert every["strategy orb"]["max_quantity"] == 5
        assert one == {"all", "account paper"}


async def test_a_check_says_what_a_place_would() -> None:
    risk = RiskSettings(everywhere=RiskLimits(max_quantity=10, max_value=Decimal(10**6)))
    async with running_world(risk=risk) as world:
        call = client(world)
        market = {**PLACE, "type": "MARKET", "price": None}

        passes = await call("risk.check", **market)
        error = await call.refused("risk.check", **{**PLACE, "quantity": 11})
        await call("market.ltp", symbols=["NSE:INFY"])
        priced = await call("risk.check", **market)

        assert passes == {"passes": True, "unchecked": ["max_value"]}
        assert error.kind is Kind.RISK_REFUSED
        assert priced["unchecked"] == []
        assert "intent" not in world.records()


# Journal


async def test_the_tail_shows_the_newest_records() -> None:
    async with running_world() as world:
        call = client(world)
        await call("order.place", key="k1", **PLACE)

        entries = (await call("journal.tail", limit=2))["entries"]

        assert [entry["type"] for entry in entries] == ["intent", "accepted"]
        assert entries[0]["hash"]


async def test_a_day_is_exported_page_by_page() -> None:
    async with running_world() as world:
        call = client(world)
        await call("order.place", key="k1", **PLACE)
        await call("order.place", key="k2", **PLACE)
        day = world.clock.now().date().isoformat()

        first = await call("journal.export", day=day, table="orders", limit=1)
        second = await call("journal.export", day=day, table="orders", after=first["next"])
        none = await call("journal.export", day="2020-01-01", table="orders")
        error = await call.refused("journal.export", day="26-11-2026", table="orders")

        keys = [page["rows"][0][page["columns"].index("key")] for page in (first, second)]
        assert keys == ["k1", "k2"]
        assert (len(first["rows"]), first["next"]) == (1, 1)
        assert (len(second["rows"]), second["next"]) == (1, None)
        assert none["rows"] == []
        assert error.kind is Kind.INVALID_PARAMS


async def test_the_journal_is_verified_against_a_saved_head() -> None:
    async with running_world() as world:
        call = client(world)
        await call("order.place", key="k1", **PLACE)
        await anyio.sleep(3)
        seq, digest = world.parts.journal.head

        good = await call("journal.verify", head=f"{seq}:{digest}")
        bad = await call("journal.verify", head=f"{seq}:{'0' * 32}")
        error = await call.refused("journal.verify", head=f"0:{'0' * 32}")

        assert good["is_good"]
        assert good["problem"] is None
        assert (good["seq"], good["hash"]) == (seq, digest)
        assert not bad["is_good"]
        assert bad["problem"]
        assert error.data["field"] == "head"


# Portfolio and market


async def test_what_one_owns_is_told_account_by_account() -> None:
    async with running_world(account(), account("second")) as world:
        call = client(world)
        market = {**PLACE, "type": "MARKET", "price": None}
        await call("order.place", key="k1", **market)
        world.line("second").always(
            answers(400, "UNKNOWN"), lambda request: request.method == "GET"
        )

        positions = (await call("portfolio.positions"))["accounts"]
        funds = (await call("portfolio.funds", account="paper"))["accounts"]
        holdings = (await call("portfolio.holdings"))["accounts"]

        assert positions[0]["positions"][0]["quantity"] == 10
        assert positions[0]["read_at"]
        assert positions[1]["error"]["data"]["kind"] == "BROKER_ERROR"
        assert funds[0]["funds"][0]["available"] > 0
        assert holdings[0]["account"] == "paper"
        assert "error" in holdings[1]


async def test_prices_name_what_is_missing() -> None:
    async with running_world() as world:
        call = client(world)

        quotes = await call("market.quote", symbols=["NSE:INFY"])
        depth = await call("market.depth", symbols=["NSE:INFY"], account="paper")
        error = await call.refused("market.quote", symbols=["NSE:INFYX"])

        assert quotes["quotes"]["NSE:INFY"]["last_price"] > 0
        assert quotes["missing"] == []
        assert depth["quotes"]["NSE:INFY"]["buy"]
        assert error.kind is Kind.UNKNOWN_INSTRUMENT


async def test_candles_come_oldest_first_and_in_reasonable_ranges() -> None:
    async with running_world() as world:
        call = client(world)
        span = {
            "symbol": "NSE:INFY",
            "interval": "15m",
            "from": "2026-11-23T09:15:00+05:30",
            "to": "2026-11-23T10:00:00+05:30",
        }

        candles = (await call("market.candles", **span))["candles"]
        backwards = await call.refused("market.candles", **{**span, "to": span["from"]})
        years = await call.refused(
            "market.candles", **{**span, "interval": "1m", "from": "2000-01-01T00:00:00+05:30"}
        )

        assert [row[0] for row in candles] == sorted(row[0] for row in candles)
        assert len(candles[0]) == 7
        assert backwards.data["field"] == "from"
        assert years.data["field"] == "to"


async def test_a_long_range_of_candles_says_how_far_it_is_and_costs_one_part_where_one_fails() -> (
    None
):
    async with running_world() as world:
        connection = Connection()
        call = client(world, connection)
        span = {"symbol": "NSE:INFY", "interval": "1h", "from": "2026-11-09T09:15:00+05:30"}
        span["to"] = "2026-11-23T09:30:00+05:30"
        line = world.line()
        asked = len(line.sent)
        line.script(
            answers(401, "AUTH_EXPIRED"),
            match=lambda r: (
                r.path == "/candles" and ("start", "2026-11-14T09:15:00+05:30") in r.query
            ),
        )

        told = (await call("market.candles", **span, progress="p1"))["candles"]
        connection.is_stuck = True
        quiet = (await call("market.candles", **span, progress="p2"))["candles"]
        over_http = await client(world).refused("market.candles", **span, progress="p3")

        times = [row[0] for row in told]
        assert times == sorted(set(times))
        assert {time[:10] for time in times} >= {"2026-11-09", "2026-11-13", "2026-11-23"}
        assert connection.pushed == [{"progress": "p1", "done": n, "of": 15} for n in range(1, 16)]
        assert quiet == told
        assert (over_http.kind, over_http.data["field"]) == (Kind.INVALID_REQUEST, "progress")
        paths = [request.path for request in line.sent[asked:]]
        assert paths.count("/candles") == 15 + 1 + 15
        assert paths.count("/login") == 1


async def test_instruments_are_found_and_refreshed() -> None:
    async with running_world() as world:
        call = client(world)

        one = await call("instrument.get", symbol="NSE:INFY")
        found = await call("instrument.search", text="INFY")
        fresh = await call("instrument.refresh")
        world.line().script(answers(400, "UNKNOWN"), match=request_is("GET", "/master"))
        failed = await call("instrument.refresh", account="paper")
        world.disk.fail_at(1)
        error = await call.refused("instrument.refresh")

        assert one["instrument"]["symbol"] == "NSE:INFY"
        assert found["instruments"]
        assert fresh["instruments"]["paper"] > 10
        assert isinstance(failed["instruments"]["paper"], str)
        assert error.kind is Kind.JOURNAL_FAILED


async def test_a_broker_without_prices_is_unsupported() -> None:
    from ordod.adapter import Adapter
    from ordod.paper import PAPER

    class Without(type(PAPER)):  # type: ignore[misc]  # a class made for one test
        quotes = Adapter.quotes

    async with running_world(adapter=Without()) as world:
        call = client(world)

        for params in ({}, {"account": "paper"}):
            error = await call.refused("market.quote", symbols=["NSE:INFY"], **params)
            assert error.kind is Kind.UNSUPPORTED
