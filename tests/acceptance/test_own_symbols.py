"""A broker's own symbol is accepted wherever a symbol is, and answered in Ordo's words (WIRE 2).

Against the simulator of Zerodha: there the two differ, as `NFO:NIFTY26NOVFUT` and `NFO:NIFTY24NOV26FUT` do.
"""

from collections.abc import Iterator
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
