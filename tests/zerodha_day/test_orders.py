"""A day's orders through the whole daemon: every variety, type and validity of the fact sheet, and what becomes of them."""

from decimal import Decimal
from typing import Any

import pytest

from ordod.sim.process import SimProcess
from tests.zerodha_day.harness import ACCOUNT, Ordo, Trouble, eventually


def truth(sim: SimProcess, order: dict[str, Any]) -> dict[str, Any]:
    """What the broker made of this order: the form it took, by our tag."""
    [made] = [d for d in sim.placements() if d["tag"] == order["tag"] and d["origin"] == "api"]
    return dict(made)


@pytest.mark.parametrize(
    ("terms", "status", "form"),
    [
        ({}, "OPEN", {"order_type": "LIMIT", "validity": "DAY", "price": "1300"}),
        ({"type": "MARKET"}, "FILLED", {"order_type": "MARKET", "market_protection": "-1"}),
        (
            {"type": "MARKET", "market_protection": 3},
            "FILLED",
            {"order_type": "MARKET", "market_protection": "3"},
        ),
        (
            {"type": "SL", "price": 1520, "trigger_price": 1510},
            "TRIGGER_PENDING",
            {"order_type": "SL", "price": "1520", "trigger_price": "1510"},
        ),
        (
            {"type": "SL-M", "trigger_price": 1510},
            "TRIGGER_PENDING",
            {"order_type": "SL-M", "trigger_price": "1510", "market_protection": "-1"},
        ),
        ({"validity": "IOC"}, "CANCELLED", {"validity": "IOC"}),
        (
            {"validity": "TTL", "validity_minutes": 5},
            "OPEN",
            {"validity": "TTL", "validity_ttl": "5"},
        ),
        ({"product": "MIS"}, "OPEN", {"product": "MIS"}),
        ({"disclosed_quantity": 5}, "OPEN", {"disclosed_quantity": "5"}),
        ({"variety": "AMO"}, "PENDING", {"variety": "amo"}),
        (
            {"variety": "CO", "product": "MIS", "trigger_price": 1250},
            "OPEN",
            {"variety": "co", "trigger_price": "1250"},
        ),
        (
            {"variety": "ICEBERG", "iceberg_legs": 2, "quantity": 20},
            "OPEN",
            {"variety": "iceberg", "iceberg_legs": "2", "quantity": "20"},
        ),
    ],
    ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else value,
)
def test_an_order_of_every_kind_stands_at_the_broker_as_it_was_asked(
    daemon: Ordo, sim: SimProcess, terms: dict[str, Any], status: str, form: dict[str, str]
) -> None:
    order = daemon.place(**terms)

    seen = daemon.comes_to(order["key"], status)

    made = truth(sim, order)
    assert made["order_id"] == seen["broker_order_id"]
    assert form.items() <= made["terms"].items()
    for name, asked in terms.items():
        if name in seen:
            assert seen[name] == asked, name


def test_auctions_are_not_among_the_varieties(daemon: Ordo) -> None:
    refused = daemon.refused("order.place", **daemon.order(variety="AUCTION"))

    assert refused.kind == "INVALID_PARAMS"


def test_an_iceberg_is_one_order_whatever_its_legs_are_at_the_broker(
    daemon: Ordo, sim: SimProcess
) -> None:
    order = daemon.place(variety="ICEBERG", iceberg_legs=3, quantity=30, price=1500)

    seen = daemon.comes_to(order["key"], "FILLED")

    legs = [d["order_id"] for d in sim.placements() if d["tag"] == order["tag"]]
    assert len(legs) == 3
    assert (seen["quantity"], seen["filled_quantity"]) == (30, 30)
    eventually(lambda: sum(t["quantity"] for t in daemon.trades(order["key"])) == 30)
    assert {fill["broker_order_id"] for fill in daemon.trades(order["key"])} == set(legs)
    assert not [o for o in daemon.listed() if o["broker_order_id"] in legs and o["key"] is None]
    assert not daemon.call("kill.status")["engaged"]


def test_an_icebergs_cancel_ends_the_leg_that_lives(daemon: Ordo, sim: SimProcess) -> None:
    order = daemon.place(
        variety="ICEBERG", iceberg_legs=2, quantity=20, symbol="NSE:TCS", price=2900
    )
    daemon.comes_to(order["key"], "OPEN")

    cancelled = daemon.call("order.cancel", order_id=order["order_id"])

    assert cancelled["change"] == "done"
    assert cancelled["order"]["status"] == "CANCELLED"


def test_leaving_a_cover_order_is_a_cancel_of_its_second_leg(daemon: Ordo, sim: SimProcess) -> None:
    order = daemon.place(
        variety="CO", product="MIS", symbol="NSE:SBIN", price=900, trigger_price=800
    )
    daemon.comes_to(order["key"], "FILLED")
    stop = eventually(
        lambda: next(
            (o for o in daemon.listed() if o["symbol"] == "NSE:SBIN" and not o["key"]), None
        )
    )
    assert (stop["variety"], stop["type"], stop["side"]) == ("CO", "SL-M", "SELL")

    daemon.call("order.cancel", order_id=stop["order_id"])

    eventually(lambda: daemon.positions()["NSE:SBIN", "MIS"]["quantity"] == 0)
    left = next(o for o in daemon.listed() if o["order_id"] == stop["order_id"])
    assert left["status"] == "FILLED"


def test_a_commodity_is_counted_in_units_here_and_in_lots_there(
    daemon: Ordo, sim: SimProcess
) -> None:
    [crude, *_] = daemon.call("instrument.search", text="CRUDEOIL", account=ACCOUNT)["instruments"]
    assert crude["lot_size"] == 100

    order = daemon.place(symbol=crude["symbol"], quantity=200, type="MARKET", product="NRML")

    seen = daemon.comes_to(order["key"], "FILLED")
    assert truth(sim, order)["terms"]["quantity"] == "2"
    assert seen["filled_quantity"] == 200
    assert daemon.positions()[crude["symbol"], "NRML"]["quantity"] == 200
    half = daemon.refused("order.place", **daemon.order(symbol=crude["symbol"], quantity=150))
    assert (half.kind, half.data["field"]) == ("INVALID_PARAMS", "quantity")


def test_a_modify_is_done_when_the_row_shows_it(
    daemon: Ordo, sim: SimProcess, trouble: Trouble
) -> None:
    order = daemon.place()
    daemon.comes_to(order["key"], "OPEN")

    answer = daemon.call("order.modify", order_id=order["order_id"], price=1310, quantity=15)

    assert answer["change"] == "done"
    assert (answer["order"]["price"], answer["order"]["quantity"]) == (1310, 15)
    [put] = trouble.requests("PUT", "/orders/regular/")
    assert put["form"]["order_type"] == "LIMIT"


def test_the_history_holds_every_step_and_none_twice(daemon: Ordo) -> None:
    order = daemon.place()
    daemon.comes_to(order["key"], "OPEN")
    daemon.call("order.modify", order_id=order["order_id"], price=1320)
    daemon.call("order.cancel", order_id=order["order_id"])

    records = daemon.call("order.history", order_id=order["order_id"])["records"]

    kinds = [record["type"] for record in records]
    assert kinds[:2] == ["intent", "accepted"]
    assert kinds.count("modify") == 1
    assert kinds.count("cancel") == 1
    assert kinds[-1] in ("settled", "update")
    assert len({record["seq"] for record in records}) == len(records)


def test_cancel_all_ends_what_is_open_of_a_symbol_and_nothing_else(daemon: Ordo) -> None:
    other = daemon.place()
    orders = [daemon.place(symbol="NSE:WIPRO", price=210 + n) for n in range(3)]

    results = daemon.call("order.cancel_all", account=ACCOUNT, symbol="NSE:WIPRO")["results"]

    assert [result["change"] for result in results] == ["done"] * 3
    assert {result["order_id"] for result in results} == {order["order_id"] for order in orders}
    assert daemon.comes_to(other["key"], "OPEN")


def test_an_order_placed_in_another_app_is_listed_and_told_without_a_key(
    daemon: Ordo, sim: SimProcess
) -> None:
    daemon.call("events.subscribe", topics=["orders", "trades"])
    form = {
        "exchange": "NSE",
        "tradingsymbol": "TITAN",
        "transaction_type": "BUY",
        "product": "CNC",
    }
    more = {"order_type": "MARKET", "quantity": 3, "market_protection": -1, "validity": "DAY"}

    placed = sim.call("POST", "place", form | more)["order_id"]
    daemon.place()  # so that the book is looked at now

    def told() -> list[dict[str, Any]]:
        daemon.call("system.ping")
        wanted = ("order", "trade")
        seen = [event.get(name) for event in daemon.events for name in wanted if name in event]
        return [thing for thing in seen if thing and thing["broker_order_id"] == placed]

    eventually(lambda: any("trade_id" in thing for thing in told()))
    assert {thing["key"] for thing in told()} == {None}
    [listed] = [o for o in daemon.listed() if o["broker_order_id"] == placed]
    assert (listed["key"], listed["status"], listed["quantity"]) == (None, "FILLED", 3)
    [trade] = [t for t in daemon.trades(None) if t["order_id"] == listed["order_id"]]
    assert trade["quantity"] == 3


def test_a_hidden_tag_does_not_make_two_orders_of_one(
    daemon: Ordo, sim: SimProcess, trouble: Trouble
) -> None:
    """Kite can drop the tag of a protected order, and the book can be read while its answer is on the way."""
    trouble.befall("hide_tag", "POST", "/orders", seconds=0)

    order = daemon.place(type="MARKET", symbol="NSE:LT")

    seen = daemon.comes_to(order["key"], "FILLED")
    [listed] = [o for o in daemon.listed() if o["broker_order_id"] == seen["broker_order_id"]]
    assert listed["key"] == order["key"]


def test_prices_come_out_as_the_broker_has_them(daemon: Ordo) -> None:
    order = daemon.place(type="MARKET", symbol="NSE:HDFCBANK", quantity=7)

    seen = daemon.comes_to(order["key"], "FILLED")

    [trade] = eventually(lambda: daemon.trades(order["key"]))
    assert Decimal(str(trade["price"])) == Decimal(str(seen["average_price"]))
