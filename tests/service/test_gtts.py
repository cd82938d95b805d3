"""`gtt.*` and `portfolio.convert` as clients call them."""

from typing import Any

import pytest

from ordod.adapter import Adapter
from ordod.errors import Kind
from ordod.paper import PAPER
from tests.core.world import (
    VIRTUAL,
    answers,
    lost_before,
    request_is,
    running_world,
    until,
)
from tests.service.calling import PLACE, client


@pytest.fixture
def anyio_backend() -> Any:
    return VIRTUAL


LEG = {"trigger_price": 1100, "side": "BUY", "quantity": 10, "price": "1100"}
GTT = {"account": "paper", "symbol": "NSE:INFY", "legs": [LEG]}
CONVERT = {
    "account": "paper",
    "symbol": "NSE:INFY",
    "side": "BUY",
    "quantity": 10,
    "from_product": "MIS",
    "to_product": "CNC",
}


async def test_a_trigger_is_placed_changed_listed_and_taken_back() -> None:
    async with running_world() as world:
        call = client(world)

        placed = await call("gtt.place", key="g1", **GTT)
        gtt_id = placed["gtt"]["gtt_id"]
        dearer = {**GTT, "legs": [{**LEG, "price": 1110}]}
        modified = await call("gtt.modify", key="g2", gtt_id=gtt_id, **dearer)
        listed = await call("gtt.list", account="paper")
        cancelled = await call("gtt.cancel", key="g3", account="paper", gtt_id=gtt_id)

        assert (placed["change"], placed["gtt"]["status"]) == ("done", "ACTIVE")
        assert modified["gtt"]["legs"][0]["price"] == 1110
        assert [g["gtt_id"] for g in listed["gtts"]] == [gtt_id]
        assert listed["gtts"][0]["legs"][0]["price"] == 1110
        assert (cancelled["change"], cancelled["gtt"]) == ("done", None)


async def test_a_replay_needs_no_price_and_no_broker() -> None:
    async with running_world() as world:
        call = client(world)
        await call("gtt.place", key="g1", **GTT)
        world.line().always(answers(503, ""), lambda request: True)

        again = await call("gtt.place", key="g1", **GTT)

        assert again["replayed"] is True


async def test_a_lost_answer_is_in_doubt_and_an_absent_trigger_an_error() -> None:
    async with running_world() as world:
        call = client(world)
        world.line().script(lost_before)

        lost = await call("gtt.place", key="g1", **GTT, timeout_ms=60_000)
        await until(lambda: not world.parts.book.open_changes("paper"), 300)
        error = await call.refused("gtt.place", key="g1", **GTT)

        assert (lost["change"], lost["gtt"]["status"]) == ("in_doubt", "IN_DOUBT")
        assert error.kind is Kind.ORDER_REJECTED


async def test_what_is_wrong_with_a_trigger_is_named() -> None:
    async with running_world() as world:
        wrong = {**GTT, "legs": [{**LEG, "quantity": 0}]}

        error = await client(world).refused("gtt.place", key="g1", **wrong)

        assert error.data["field"] == "quantity"
        assert world.records() == []


async def test_a_conversion_is_done_and_replayed() -> None:
    async with running_world() as world:
        call = client(world)
        market = {**PLACE, "type": "MARKET", "price": None, "product": "MIS"}
        await call("order.place", key="k1", **market)
        await until(lambda: world.order("k1").fills)

        done = await call("portfolio.convert", key="v1", **CONVERT)
        again = await call("portfolio.convert", key="v1", **CONVERT)
        same = await call.refused("portfolio.convert", key="v2", **{**CONVERT, "to_product": "MIS"})

        assert done == {"change": "done", "replayed": False}
        assert again == {"change": "done", "replayed": True}
        assert same.data["field"] == "to_product"


async def test_a_conversion_that_did_not_happen_is_an_error_when_asked_again() -> None:
    async with running_world() as world:
        call = client(world)
        market = {**PLACE, "type": "MARKET", "price": None, "product": "MIS"}
        await call("order.place", key="k1", **market)
        await until(lambda: world.order("k1").fills)
        world.line().script(lost_before, match=request_is("PUT", "/positions"))

        lost = await call("portfolio.convert", key="v1", **CONVERT, timeout_ms=60_000)
        await until(lambda: not world.parts.book.open_changes("paper"), 300)

        assert lost["change"] == "in_doubt"
        error = await call.refused("portfolio.convert", key="v1", **CONVERT)
        assert error.kind is Kind.ORDER_REJECTED


async def test_a_broker_without_triggers_is_unsupported() -> None:
    class Without(type(PAPER)):  # type: ignore[misc]  # a class made for one test
        place_gtt = Adapter.place_gtt

    async with running_world(adapter=Without()) as world:
        assert (await client(world).refused("gtt.place", key="g1", **GTT)).kind is Kind.UNSUPPORTED


async def test_a_broker_that_tells_no_price_is_sent_none() -> None:
    class Without(type(PAPER)):  # type: ignore[misc]  # a class made for one test
        ltp = Adapter.ltp

    async with running_world(adapter=Without()) as world:
        assert (await client(world)("gtt.place", key="g1", **GTT))["change"] == "done"
