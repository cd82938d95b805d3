"""`order.*` as clients call it."""

from decimal import Decimal
from typing import Any

import anyio
import pytest
from msgspec.structs import asdict

from ordod.adapter import NewOrder
from ordod.errors import Kind
from ordod.service.methods import Caller, Role
from tests.core.world import (
    VIRTUAL,
    account,
    answers,
    late,
    lost_before,
    request_is,
    resting,
    running_world,
    until,
    with_spec,
)
from tests.service.calling import PLACE, client


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


MARKET = {**PLACE, "type": "MARKET", "price": None}


async def test_place_answers_the_order_whole() -> None:
    async with running_world() as world:
        answer = await client(world)("order.place", key="k1", **PLACE, strategy="orb")

        assert answer["replayed"] is False
        order = answer["order"]
        assert (order["key"], order["account"], order["strategy"]) == ("k1", "paper", "orb")
        assert (order["status"], order["price"], order["quantity"]) == ("PENDING", 1200, 10)
        assert order["tag"]
        assert order["seq"] > 0


async def test_place_again_is_replayed() -> None:
    async with running_world() as world:
        call = client(world)
        await call("order.place", key="k1", **PLACE)

        again = await call("order.place", key="k1", **{**PLACE, "price": Decimal("1200.00")})

        assert again["replayed"] is True


async def test_a_reused_key_shows_the_order_that_exists() -> None:
    async with running_world() as world:
        call = client(world)
        placed = await call("order.place", key="k1", **PLACE)

        error = await call.refused("order.place", key="k1", **{**PLACE, "quantity": 11})

        assert error.kind is Kind.KEY_REUSED
        assert error.as_data()["retry"] == "never"
        assert error.data["order"].order_id == placed["order"]["order_id"]


async def test_a_dry_run_checks_everything_and_sends_nothing() -> None:
    async with running_world() as world:
        call = client(world)

        answer = await call("order.place", key="k1", **PLACE, dry_run=True)
        error = await call.refused(
            "order.place", key="k1", **{**PLACE, "quantity": 0}, dry_run=True
        )

        assert answer["dry_run"] is True
        assert answer["order"]["order_id"] == ""
        assert error.kind is Kind.INVALID_PARAMS
        assert world.records() == []


async def test_one_order_at_several_accounts_is_answered_account_by_account() -> None:
    async with running_world(account(), account("second")) as world:
        fan = {name: value for name, value in PLACE.items() if name != "account"}
        world.line("second").script(answers(400, "INSUFFICIENT_FUNDS"))

        answer = await client(world)(
            "order.place", key="k1", accounts=["second", "paper", "nobody"], **fan
        )

        second, paper, nobody = answer["results"]
        assert (second["account"], second["error"]["code"]) == ("second", 1205)
        assert paper["order"]["status"] == "PENDING"
        assert nobody["error"]["data"]["kind"] == "UNKNOWN_ACCOUNT"


@pytest.mark.parametrize(
    "accounts",
    [{}, {"account": "paper", "accounts": ["paper"]}, {"accounts": ["paper", "paper"]}],
    ids=["none", "both", "twice"],
)
async def test_account_or_accounts_each_once(accounts: dict[str, Any]) -> None:
    async with running_world() as world:
        fan = {name: value for name, value in PLACE.items() if name != "account"}

        error = await client(world).refused("order.place", key="k1", **accounts, **fan)

        assert error.kind is Kind.INVALID_PARAMS


async def test_get_finds_by_id_and_by_key() -> None:
    async with running_world() as world:
        call = client(world)
        placed = (await call("order.place", key="k1", **PLACE))["order"]

        by_id = await call("order.get", order_id=placed["order_id"])
        by_key = await call("order.get", account="paper", key="k1")
        error = await call.refused("order.get", account="paper", key="k2")

        assert by_id == by_key
        assert error.kind is Kind.UNKNOWN_ORDER


async def test_get_waits_until_the_order_changes() -> None:
    async with running_world() as world:
        call = client(world)
        placed = (await call("order.place", key="k1", **PLACE))["order"]
        began = world.clock.boot()

        changed = await call("order.get", order_id=placed["order_id"], wait_ms=5000)

        assert changed["order"]["status"] == "OPEN"
        assert world.clock.boot() - began < 1


async def test_get_waits_no_longer_than_it_was_asked() -> None:
    async with running_world() as world:
        call = client(world)
        placed = (await call("order.place", key="k1", **PLACE))["order"]
        await until(lambda: world.order("k1").row)
        began = world.clock.boot()

        await call("order.get", order_id=placed["order_id"], wait_ms=5000)

        assert world.clock.boot() - began == pytest.approx(5)


async def test_get_of_what_has_ended_does_not_wait() -> None:
    async with running_world() as world:
        call = client(world)
        placed = (await call("order.place", key="k1", **MARKET))["order"]
        await until(lambda: world.order("k1").fills)
        began = world.clock.boot()

        got = await call("order.get", order_id=placed["order_id"], wait_ms=5000)

        assert got["order"]["status"] == "FILLED"
        assert world.clock.boot() == began


async def test_lists_come_in_pages() -> None:
    async with running_world() as world:
        call = client(world)
        for n in range(5):
            await call("order.place", key=f"k{n}", **PLACE)

        keys, after, pages = [], None, 0
        while True:
            page = await call("order.list", limit=2, after=after)
            keys += [order["key"] for order in page["orders"]]
            pages += 1
            after = page["next"]
            if after is None:
                break

        assert keys == [f"k{n}" for n in range(5)]
        assert pages == 3
        error = await call.refused("order.list", after="o404")
        assert error.data["field"] == "after"


async def test_lists_are_filtered() -> None:
    async with running_world(account(), account("second")) as world:
        call = client(world)
        await call("order.place", key="k1", **PLACE, strategy="orb")
        await call("order.place", key="k2", **{**PLACE, "account": "second"})
        await call("order.place", key="k3", **MARKET)
        await until(lambda: world.order("k3").fills)

        async def keys(**wanted: Any) -> list[str]:
            listed = await call("order.list", **wanted)
            return [order["key"] for order in listed["orders"]]

        assert await keys(account="paper") == ["k1", "k3"]
        assert await keys(strategy="orb") == ["k1"]
        assert await keys(status="FILLED") == ["k3"]
        assert await keys(symbol="NSE:TCS") == []
        assert (await call.refused("order.list", account="nobody")).kind is Kind.UNKNOWN_ACCOUNT


async def test_what_was_not_sent_is_not_listed() -> None:
    async with running_world() as world:
        call = client(world)
        world.line().script(late(0))
        world.disk.hang()
        await call.refused("order.place", key="k1", **PLACE)
        world.disk.resume()
        await anyio.sleep(5)

        assert (await call("order.list"))["orders"] == []


async def test_an_order_placed_elsewhere_is_listed_with_a_null_key_and_cancelled_by_id() -> None:
    async with running_world() as world:
        call = client(world)
        world.exchange.exchange.place(
            "paper", NewOrder(**asdict(resting()), tag="by hand"), world.clock.now()
        )
        await until(lambda: world.parts.book.orders)

        (order,) = (await call("order.list"))["orders"]
        answer = await call("order.cancel", order_id=order["order_id"])

        assert order["key"] is None
        assert answer["change"] == "done"


async def test_trades_name_their_order() -> None:
    async with running_world() as world:
        call = client(world)
        await call("order.place", key="k1", **MARKET)
        await until(lambda: world.order("k1").fills)

        answer = await call("order.trades", account="paper")

        assert sum(trade["quantity"] for trade in answer["trades"]) == 10
        assert {trade["key"] for trade in answer["trades"]} == {"k1"}
        assert (await call.refused("order.trades", account="x")).kind is Kind.UNKNOWN_ACCOUNT


async def test_modify_and_cancel_answer_order_and_change() -> None:
    async with running_world() as world:
        call = client(world)
        await call("order.place", key="k1", **PLACE)
        await until(lambda: world.order("k1").row)

        modified = await call("order.modify", account="paper", key="k1", price=1190)
        cancelled = await call("order.cancel", account="paper", key="k1")

        assert (modified["order"]["price"], modified["change"]) == (1190, "done")
        assert (cancelled["order"]["status"], cancelled["change"]) == ("CANCELLED", "done")
        assert "durable" not in cancelled


async def test_a_cancel_without_the_disk_says_that_it_is_not_durable() -> None:
    async with running_world() as world:
        call = client(world)
        await call("order.place", key="k1", **PLACE)
        await until(lambda: world.order("k1").row)
        world.disk.fail_at(1)

        answer = await call("order.cancel", account="paper", key="k1")

        assert (answer["change"], answer["durable"]) == ("in_doubt", False)


async def test_cancel_all_takes_what_matches_whoever_placed_it() -> None:
    async with running_world(account(), account("second")) as world:
        call = client(world)
        await call("order.place", key="k1", **PLACE, strategy="orb")
        await call("order.place", key="k2", **PLACE)
        await call("order.place", key="k3", **{**PLACE, "account": "second"})
        world.exchange.exchange.place(
            "paper", NewOrder(**asdict(resting()), tag="by hand"), world.clock.now()
        )
        await until(lambda: len(world.parts.book.live()) == 4)

        by_strategy = await call("order.cancel_all", account="paper", strategy="orb")
        by_account = await call("order.cancel_all", account="paper")
        nothing = await call("order.cancel_all", account="paper", symbol="NSE:TCS")
        rest = await call("order.cancel_all")

        assert [r["order"]["key"] for r in by_strategy["results"]] == ["k1"]
        assert {r["order"]["key"] for r in by_account["results"]} == {"k2", None}
        assert nothing["results"] == []
        assert [r["order"]["key"] for r in rest["results"]] == ["k3"]
        assert (await call.refused("order.cancel_all", account="x")).kind is Kind.UNKNOWN_ACCOUNT


async def test_cancel_all_answers_each_order_for_itself() -> None:
    async with running_world() as world:
        call = client(world)
        await call("order.place", key="k1", **PLACE)
        await call("order.place", key="k2", **PLACE)
        await until(lambda: len(world.parts.book.live()) == 2)
        world.line().script(answers(400, "ORDER_REJECTED"))

        answer = await call("order.cancel_all")

        outcomes = sorted("error" if "error" in r else r["change"] for r in answer["results"])
        assert outcomes == ["done", "error"]


async def test_history_is_every_record_of_an_order_and_its_changes() -> None:
    async with running_world() as world:
        call = client(world)
        await call("order.place", key="k1", **PLACE)
        await until(lambda: world.order("k1").row)
        await call("order.cancel", account="paper", key="k1")

        answer = await call("order.history", account="paper", key="k1")

        types = [record["type"] for record in answer["records"]]
        assert types[:3] == ["intent", "accepted", "update"]
        assert "cancel" in types


async def test_resolve_ends_a_doubt_by_a_persons_word() -> None:
    async with running_world() as world:
        call = client(world)
        world.line().script(lost_before)
        await call("order.place", key="k1", **PLACE, timeout_ms=60_000)

        call.caller = Caller("uid:7 (ravi)", Role.ADMIN)
        answer = await call(
            "order.resolve", account="paper", key="k1", outcome="not_placed", reason="looked"
        )
        records = (await call("order.history", account="paper", key="k1"))["records"]

        assert answer["order"]["status"] == "NOT_PLACED"
        assert [each["reason"] for each in records if each.get("caller") == "uid:7 (ravi)"] == [
            "looked"
        ]


async def test_margin_tells_what_orders_would_need() -> None:
    async with running_world() as world:
        terms = {name: value for name, value in PLACE.items() if name != "account"}

        answer = await client(world)("order.margin", account="paper", orders=[terms])

        assert answer["needed"] > 0


async def test_a_broker_that_tells_no_margins_is_unsupported() -> None:
    from ordod.adapter import Adapter
    from ordod.paper import PAPER

    class NoMargin(type(PAPER)):  # type: ignore[misc]  # a class made for one test
        margin = Adapter.margin

    async with running_world(adapter=NoMargin()) as world:
        terms = {name: value for name, value in PLACE.items() if name != "account"}

        error = await client(world).refused("order.margin", account="paper", orders=[terms])

        assert error.kind is Kind.UNSUPPORTED


async def test_a_broker_without_tags_takes_no_orders() -> None:
    async with running_world(adapter=with_spec(tag=None)) as world:
        error = await client(world).refused("order.place", key="k1", **PLACE)

        assert error.kind is Kind.UNSUPPORTED
        assert not world.line().writes()


async def test_an_order_that_is_being_sent_can_be_got_and_waited_for() -> None:
    async with running_world() as world, anyio.create_task_group() as group:
        call = client(world)
        world.line().script(late(2), match=request_is("POST", "/orders"))

        async def place() -> None:
            await call("order.place", key="k1", **PLACE)

        group.start_soon(place)
        await until(lambda: world.line().writes())
        now = await call("order.get", account="paper", key="k1")
        later = await call("order.get", account="paper", key="k1", wait_ms=10_000)

        assert now["order"]["status"] == "IN_DOUBT"
        assert later["order"]["status"] in ("PENDING", "OPEN")
