"""What the paper broker cannot show, against the simulator of Zerodha: symbols of its own, and a broker that is gone."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from ordod.sim.process import running as simulated
from tests.acceptance.daemon import Client, Daemon, running
from tests.promises.daemon import zerodha


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with simulated("--no-limits") as sim, running(tmp_path / "ordod", zerodha(sim)) as started:
        yield started


# WIRE 2: here the two differ, as `NFO:NIFTY26NOVFUT` and `NFO:NIFTY24NOV26FUT` do.
def test_an_order_can_be_placed_found_and_cancelled_by_the_brokers_own_symbol(
    client: Client,
) -> None:
    found = client.ask("instrument.search", text="NIFTY FUT", account="zerodha", limit=20)
    future: Any = next(
        each
        for each in found["instruments"]
        if each["exchange"] == "NFO" and f"NFO:{each['broker_symbol']}" != each["symbol"]
    )
    own, name = f"NFO:{future['broker_symbol']}", future["symbol"]
    price = client.ask("market.ltp", symbols=[own], account="zerodha")["quotes"][own]["last_price"]
    order = {
        "account": "zerodha",
        "key": "own-1",
        "side": "BUY",
        "quantity": future["lot_size"],
        "type": "LIMIT",
        "product": "NRML",
        "price": float(price) // 1 - 500,
    }

    subscribed = client.ask("events.subscribe", topics=["orders"], symbols=[own])

    placed = client.ask("order.place", **order, symbol=own)["order"]
    in_full = client.ask("order.place", **order, symbol=name)
    listed = client.ask("order.list", symbol=own)["orders"]
    cancelled = client.ask("order.cancel_all", symbol=own)["results"]

    assert placed["symbol"] == name
    event = client.event()
    assert event["order"]["order_id"] == placed["order_id"]
    assert event["prev"] == subscribed["seq"]
    assert in_full["replayed"] is True
    assert [each["order_id"] for each in listed] == [placed["order_id"]]
    assert [each["order_id"] for each in cancelled] == [placed["order_id"]]
    assert client.ask("instrument.get", symbol=own, account="zerodha")["instrument"] == future


def test_an_order_that_would_wait_too_long_for_its_slot_says_when_one_is_free(
    client: Client,
) -> None:
    quotes = client.ask("market.ltp", symbols=["NSE:INFY"], account="zerodha")["quotes"]
    order = {
        "account": "zerodha",
        "symbol": "NSE:INFY",
        "side": "BUY",
        "quantity": 1,
        "type": "LIMIT",
        "product": "CNC",
        "price": float(quotes["NSE:INFY"]["last_price"] // 1 - 100),
        "timeout_ms": 300,
    }

    numbers = [client.begin("order.place", **order, key=f"slot-{n}") for n in range(30)]
    answers = [client.answer(number) for number in numbers]

    limited = [answer["error"]["data"] for answer in answers if "error" in answer]
    assert {data["kind"] for data in limited} == {"RATE_LIMITED"}
    assert all(0 < data["retry_after_ms"] <= 1000 for data in limited)
    assert client.ask("order.place", **{**order, "timeout_ms": 10_000}, key="slot-29")


def test_a_key_is_known_also_when_the_broker_is_gone(tmp_path: Path) -> None:
    leg = {"trigger_price": 900, "side": "BUY", "quantity": 1, "price": 900}
    gtt = {"account": "zerodha", "key": "gone-1", "symbol": "NSE:INFY", "legs": [leg]}
    with ExitStack() as stack:
        with simulated("--no-limits") as sim:
            started = stack.enter_context(running(tmp_path / "ordod", zerodha(sim)))
            client = stack.enter_context(started.connect())
            placed = client.ask("gtt.place", **gtt)

        replayed = client.ask("gtt.place", **gtt, timeout_ms=1000)
        reused = client.refused("gtt.place", **{**gtt, "legs": [{**leg, "quantity": 2}]})

    assert replayed == {**placed, "replayed": True}
    assert reused["data"]["kind"] == "KEY_REUSED"
