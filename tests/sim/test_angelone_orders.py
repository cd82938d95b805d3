"""Simulated Angel One: orders, their books, and the ways an order is refused."""

from typing import Any

import orjson
import pytest

from ordod.paper.hours import MARKET_HOURS
from tests.sim.angelone import INFY, ORDER, SECURE, TEN, Smart


@pytest.fixture
def smart() -> Smart:
    return Smart()


def limit(smart: Smart, **more: Any) -> dict[str, Any]:
    low = int(smart.last_price() * 0.95)
    return {"ordertype": "LIMIT", "price": str(low), **more}


def test_a_placement_names_the_order_twice(smart: Smart) -> None:
    data = smart.ask("POST", f"{ORDER}/placeOrder", smart.order(ordertag="tag1"))

    row = smart.row(data["orderid"])
    details = smart.ask("GET", f"{ORDER}/details/{data['uniqueorderid']}")

    assert data["script"] == "INFY-EQ"
    assert data["orderid"].startswith("261125")
    assert len(data["orderid"]) == 15
    assert row == details
    assert row["ordertag"] == "tag1"


def test_a_row_has_prices_as_numbers_and_quantities_as_text(smart: Smart) -> None:
    row = smart.row(smart.place(**limit(smart)))

    assert isinstance(row["price"], float)
    assert (row["quantity"], row["filledshares"], row["unfilledshares"]) == ("10", "0", "10")
    assert row["status"] == row["orderstatus"] == "open"
    assert row["updatetime"].startswith("25-Nov-2026 10:00:")


def test_a_market_order_is_a_limit_order_inside_the_brokers_band(smart: Smart) -> None:
    row = smart.row(smart.place())

    assert (row["status"], row["ordertype"], row["variety"]) == ("complete", "LIMIT", "NORMAL")
    assert row["price"] > row["averageprice"]


def test_a_change_is_the_whole_order(smart: Smart) -> None:
    asked = limit(smart)
    order_id = smart.place(**asked)
    body = smart.order(**asked, orderid=order_id, transactiontype=None)

    done = smart.ask("POST", f"{ORDER}/modifyOrder", body | {"quantity": "12"})
    row = smart.row(order_id)
    smart.ask("POST", f"{ORDER}/cancelOrder", {"variety": "NORMAL", "orderid": order_id})

    assert done["orderid"] == order_id
    assert (row["quantity"], row["price"]) == ("12", float(asked["price"]))
    assert smart.row(order_id)["status"] == "cancelled"
    assert [deed.what for deed in smart.sim.orders.deeds] == ["place", "modify", "cancel"]


def test_an_order_goes_under_its_own_variety(smart: Smart) -> None:
    low = int(smart.last_price() * 0.95)
    stop = smart.place(
        variety="STOPLOSS",
        ordertype="STOPLOSS_LIMIT",
        transactiontype="SELL",
        producttype="INTRADAY",
        price=str(low - 1),
        triggerprice=str(low),
    )

    def cancel(variety: str) -> dict[str, str]:
        return {"variety": variety, "orderid": stop}

    row = smart.row(stop)
    wrong = smart.refused("POST", f"{ORDER}/cancelOrder", cancel("NORMAL"))
    shown = smart.refused("POST", f"{ORDER}/cancelOrder", cancel("AMO"))
    smart.ask("POST", f"{ORDER}/cancelOrder", cancel("STOPLOSS"))

    assert (row["variety"], row["status"]) == ("STOPLOSS", "trigger pending")
    assert (wrong, shown) == ("AB1008", "AB1008")


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"variety": "AMO"}, "AB1008"),
        ({"variety": "ROBO"}, "AB2002"),
        ({"variety": "STOPLOSS"}, "AB1020"),
        ({"ordertype": "STOPLOSS_MARKET"}, "AB1020"),
        ({"ordertype": "SL"}, "AB1020"),
        ({"producttype": "CNC"}, "AB1012"),
        ({"symboltoken": ""}, "AB4018"),
        ({"symboltoken": "7"}, "AB1018"),
        ({"tradingsymbol": "TCS-EQ"}, "AB1009"),
        ({"ordertag": "x" * 20}, "AB4008"),
        ({"quantity": "0"}, "AB1004"),
        ({"quantity": "1.5"}, "AB1004"),
        ({"duration": "GTC"}, "AB1004"),
        ({"exchange": None}, "AB1004"),
        ({"order_tag": "misspelt"}, "AB1004"),
        ({"price": "ten"}, "AB1004"),
    ],
)
def test_what_validation_refuses_is_in_no_book(
    smart: Smart, more: dict[str, Any], code: str
) -> None:
    if more.get("price"):
        more = more | {"ordertype": "LIMIT"}

    assert smart.refused("POST", f"{ORDER}/placeOrder", smart.order(**more)) == code
    assert smart.ask("GET", f"{ORDER}/getOrderBook") is None
    assert [deed.what for deed in smart.sim.orders.deeds if deed.error] == ["place"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"quantity": "90000"}, "needed"),
        ({"ordertype": "LIMIT", "price": "1400.01"}, "tick"),
        ({"ordertype": "LIMIT", "price": "100"}, "circuit"),
        ({"transactiontype": "SELL"}, "sell"),
    ],
)
def test_what_the_order_system_refuses_is_taken_and_rejected_in_the_book(
    smart: Smart, more: dict[str, Any], words: str
) -> None:
    row = smart.row(smart.place(**more))

    assert row["status"] == "rejected"
    assert words in row["text"]


def test_after_hours_an_ordinary_order_is_parked_and_goes_out_at_the_open() -> None:
    smart = Smart(hours=MARKET_HOURS)
    smart.now = TEN.replace(hour=18)
    order_id = smart.place(ordertype="LIMIT", price="1300")
    parked = smart.row(order_id)

    smart.now = smart.now.replace(day=26, hour=9, minute=15, second=0)
    smart.sim.new_day(smart.now)
    smart.jwt = smart.sim.access_token("A100001", smart.now)
    open_row = smart.row(order_id)

    assert (parked["variety"], parked["status"]) == ("AMO", "AMO SUBMITTED")
    assert parked["exchorderupdatetime"] == ""
    assert (open_row["variety"], open_row["status"]) == ("NORMAL", "open")


def test_an_unknown_order_and_a_finished_one(smart: Smart) -> None:
    done = smart.place()

    def cancel(order_id: str) -> str:
        body = {"variety": "NORMAL", "orderid": order_id}
        return smart.refused("POST", f"{ORDER}/cancelOrder", body)

    assert (cancel("42"), cancel(done)) == ("AB1013", "AB2000")
    assert smart.refused("GET", f"{ORDER}/details/nope") == "AB1013"


def test_trades_have_neither_token_nor_date(smart: Smart) -> None:
    order_id = smart.place()

    (trade,) = smart.ask("GET", f"{ORDER}/getTradeBook")

    assert (trade["orderid"], trade["fillsize"]) == (order_id, "10")
    assert "symboltoken" not in trade
    assert trade["filltime"].count(":") == 2
    assert len(trade["filltime"]) == 8


def test_an_empty_list_is_null(smart: Smart) -> None:
    paths = ("order/v1/getOrderBook", "order/v1/getTradeBook", "order/v1/getPosition")

    assert {smart.ask("GET", f"{SECURE}/{path}") for path in paths} == {None}


def test_the_empty_answer_is_of_an_order_that_went_through(smart: Smart) -> None:
    place = smart.sim.scopes["place"]
    smart.sim.faults.add("no_order_id", *place)
    headers = [*smart.headers.items(), ("Authorization", f"Bearer {smart.jwt}")]
    body = orjson.dumps(smart.order(ordertag="lost"))

    reply = smart.sim.answer(*place, headers, body, smart.now)

    assert (reply.answer.status, reply.answer.body) == (200, b"")
    assert [row["ordertag"] for row in smart.ask("GET", f"{ORDER}/getOrderBook")] == ["lost"]


def test_an_order_by_hand_counts_for_no_limit(smart: Smart) -> None:
    ids = [smart.sim.place_by_hand("A100001", smart.order(), smart.now) for _ in range(12)]

    assert len({*ids}) == 12
    assert {deed.origin for deed in smart.sim.orders.deeds} == {"hand"}


@pytest.mark.parametrize("reason", ["funds", "holdings", "input", "order", "closed", "depository"])
def test_every_refusal_on_request_names_no_order(smart: Smart, reason: str) -> None:
    said = orjson.loads(smart.sim.refusal(reason).body)

    assert (said["status"], said["data"]) == (False, None)
    assert said["errorcode"]


def test_scopes_are_the_requests_they_name(smart: Smart) -> None:
    assert all(path.startswith("/") for _, path in smart.sim.scopes.values())
    paths = [path for _, path in smart.sim.scopes.values()]
    assert not [a for a in paths for b in paths if a != b and b.startswith(a)]
    assert smart.sim.scopes["place"] == ("POST", f"{ORDER}/placeOrder")
    assert INFY["symboltoken"] == "1004"
