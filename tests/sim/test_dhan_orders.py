"""A simulated Dhan's orders, forever orders, portfolio and prices, by hand (dhan.md 4 to 8)."""

import csv
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest

from ordod.paper.hours import MARKET_HOURS
from ordod.sim.clock import IST
from ordod.sim.dhan import DhanSim
from tests.sim.dhan_client import TEN, USER, DhanClient


@pytest.fixture
def sim() -> DhanSim:
    return DhanSim(seed=7, now=TEN)


@pytest.fixture
def dhan(sim: DhanSim) -> DhanClient:
    return DhanClient(sim)


# Orders


def test_an_answer_to_an_order_is_no_more_than_a_receipt(dhan: DhanClient) -> None:
    said = dhan.ask("POST", "/orders", dhan.order(correlationId="day-1"))

    row = dhan.row(said["orderId"])
    assert said["orderStatus"] == "TRANSIT"
    assert (row["orderStatus"], row["filledQty"], row["remainingQuantity"]) == ("TRADED", 10, 0)
    assert row["correlationId"] == "day-1"
    assert dhan.ask("GET", "/orders/external/day-1") == [row]


def test_a_market_order_is_shown_as_the_limit_order_it_became(dhan: DhanClient) -> None:
    row = dhan.row(dhan.place())

    assert row["orderType"] == "LIMIT"
    assert row["price"] >= row["averageTradedPrice"] > 0


def test_a_stop_waits_as_pending_and_is_a_limit_order_once_it_fired(dhan: DhanClient) -> None:
    price = float(int(dhan.last_price() * 1.02))
    order_id = dhan.place(
        transactionType="SELL",
        productType="INTRADAY",
        orderType="STOP_LOSS",
        triggerPrice=price - 100,
        price=price - 150,
    )
    waiting = dhan.row(order_id)
    body = dhan.order(orderType="STOP_LOSS", triggerPrice=price, price=price - 150)
    dhan.ask("PUT", f"/orders/{order_id}", body)  # the trigger is above the price now: it fires

    fired = dhan.row(order_id)
    assert (waiting["orderStatus"], waiting["orderType"]) == ("PENDING", "STOP_LOSS")
    assert (fired["orderStatus"], fired["orderType"]) == ("TRADED", "LIMIT")


@pytest.mark.parametrize(
    "wrong",
    [
        {"dhanClientId": "1"},
        {"productType": "NRML"},
        {"orderType": "SL"},
        {"validity": "GTC"},
        {"transactionType": "B"},
        {"exchangeSegment": "NSE"},
        {"exchangeSegment": "IDX_I", "securityId": "13"},
        {"securityId": "42424242"},
        {"quantity": 0},
        {"quantity": 1.5},
        {"quantity": True},
        {"orderType": "LIMIT", "price": 0},
        {"orderType": "LIMIT", "price": "dear"},
        {"orderType": "LIMIT", "price": 1450.03},
        {"orderType": "STOP_LOSS", "price": 1400},
        {"correlationId": "x" * 31},
        {"correlationId": "käse"},
        {"afterMarketOrder": True},
        {"afterMarketOrder": True, "amoTime": "NOON"},
        {"productType": "MARGIN"},
    ],
)
def test_what_dhan_does_not_understand_is_refused_and_in_no_book(
    dhan: DhanClient, wrong: dict[str, Any]
) -> None:
    status, code, _ = dhan.refused("POST", "/orders", dhan.order(**wrong))

    assert (status, code) == (400, "DH-905")
    assert dhan.ask("GET", "/orders") == []
    assert [deed.error != "" for deed in dhan.sim.orders.deeds] == [True]


def test_a_body_that_is_no_object_is_refused(dhan: DhanClient) -> None:
    answer = dhan.sim.handle("POST", "/orders", dhan.headers, b"[1]", dhan.now)

    assert answer.status == 400


def test_a_bare_stop_market_order_is_refused(dhan: DhanClient) -> None:
    stop = dhan.order(orderType="STOP_LOSS_MARKET", triggerPrice=1400)

    assert dhan.refused("POST", "/orders", stop)[1:] == (
        "DH-906",
        "Trigger Price should be greater than Price",
    )


def test_numbers_may_be_text(dhan: DhanClient) -> None:
    order_id = dhan.place(quantity="5", price="", triggerPrice="", disclosedQuantity="")

    assert dhan.row(order_id)["quantity"] == 5


def test_risk_refuses_in_the_book(dhan: DhanClient) -> None:
    row = dhan.row(dhan.place(quantity=90_000))

    assert row["orderStatus"] == "REJECTED"
    assert "rupees are needed" in row["omsErrorDescription"]


def test_an_after_market_order_waits_for_the_next_day(dhan: DhanClient) -> None:
    low = dhan.low()
    order_id = dhan.place(orderType="LIMIT", price=low, afterMarketOrder=True, amoTime="OPEN")
    parked = dhan.row(order_id)
    dhan.now += timedelta(hours=20)
    dhan.sim.new_day(dhan.now)

    row = dhan.row(order_id)
    assert (parked["orderStatus"], parked["exchangeOrderId"]) == ("PENDING", None)
    assert row["exchangeOrderId"] is not None
    assert row["afterMarketOrder"] is True


def test_outside_the_hours_the_book_says_closed() -> None:
    sim = DhanSim(seed=7, now=TEN, hours=MARKET_HOURS)
    dhan = DhanClient(sim)
    dhan.now = datetime(2026, 11, 25, 20, 0, tzinfo=IST)

    assert dhan.row(dhan.place())["orderStatus"] == "REJECTED"


def test_an_order_is_changed_25_times_and_no_more(dhan: DhanClient) -> None:
    low = dhan.low()
    order_id = dhan.place(orderType="LIMIT", price=low)
    path = f"/orders/{order_id}"
    for step in range(25):
        dhan.ask("PUT", path, dhan.order(orderType="LIMIT", price=low - step))

    refused = dhan.refused("PUT", path, dhan.order(orderType="LIMIT", price=low - 30))

    assert refused[:2] == (400, "DH-906")
    assert dhan.row(order_id)["price"] == low - 24


def test_a_cancel_is_a_202_and_only_of_what_lives(dhan: DhanClient) -> None:
    order_id = dhan.place(orderType="LIMIT", price=dhan.low())

    answer = dhan.send("DELETE", f"/orders/{order_id}")

    assert answer.status == 202
    assert dhan.refused("DELETE", f"/orders/{order_id}")[:2] == (400, "DH-906")
    assert dhan.refused("DELETE", "/orders/42")[1:] == ("DH-906", "Order not found")


def test_trades_are_of_the_day_or_of_one_order(dhan: DhanClient) -> None:
    first, second = dhan.place(), dhan.place(quantity=3)

    assert sum(row["tradedQuantity"] for row in dhan.ask("GET", "/trades")) == 13
    of_one = dhan.ask("GET", f"/trades/{second}")
    assert {row["orderId"] for row in of_one} == {second}
    assert {row["orderId"] for row in dhan.ask("GET", "/trades/")} == {first, second}


# Forever orders


def forever(dhan: DhanClient, **more: Any) -> dict[str, Any]:
    body = dhan.order(orderFlag="SINGLE", orderType="LIMIT", quantity=2)
    return body | more


def test_a_forever_order_releases_its_order_into_the_book(dhan: DhanClient) -> None:
    above = dhan.last_price()
    body = forever(dhan, price=above + 50, triggerPrice=round(above + 0.1, 1))
    made = dhan.ask("POST", "/forever/orders", body)
    armed = dhan.ask("GET", "/forever/orders")[0]["orderStatus"]
    for _ in range(600):
        dhan.now += timedelta(seconds=10)
        if dhan.ask("GET", "/forever/all")[0]["orderStatus"] != "CONFIRM":
            break

    assert (made["orderStatus"], armed) == ("PENDING", "CONFIRM")
    (released,) = dhan.ask("GET", "/orders")
    assert (released["quantity"], released["orderStatus"]) == (2, "TRADED")


def test_one_leg_of_two_is_changed_at_a_time(dhan: DhanClient) -> None:
    last = dhan.last_price()
    low, high = float(int(last * 0.9)), float(int(last * 1.1))
    two = {"price1": low, "triggerPrice1": low, "quantity1": 2}
    body = forever(dhan, orderFlag="OCO", price=high, triggerPrice=high, **two)
    made = dhan.ask("POST", "/forever/orders", body)["orderId"]
    change = {"legName": "STOP_LOSS_LEG", "price": low - 1, "triggerPrice": low - 1, "quantity": 3}

    dhan.ask("PUT", f"/forever/orders/{made}", forever(dhan, orderFlag="OCO", **change))

    rows = dhan.ask("GET", "/forever/orders")
    assert [(row["legName"], row["triggerPrice"], row["quantity"]) for row in rows] == [
        ("TARGET_LEG", high, 2),
        ("STOP_LOSS_LEG", low - 1, 3),
    ]
    assert {row["orderId"] for row in rows} == {made}
    assert dhan.send("DELETE", f"/forever/orders/{made}").status == 202
    assert dhan.refused("DELETE", f"/forever/orders/{made}")[1] == "DH-906"


@pytest.mark.parametrize("order_id", ["42", "nonsense", "8130000000042"])
def test_an_unknown_forever_order_is_not_found(dhan: DhanClient, order_id: str) -> None:
    body = forever(dhan, legName="TARGET_LEG", price=1, triggerPrice=1)

    assert dhan.refused("PUT", f"/forever/orders/{order_id}", body)[1] == "DH-906"
    assert dhan.refused("DELETE", f"/forever/orders/{order_id}")[1] == "DH-906"


# Portfolio


def test_a_position_has_two_sides_and_a_sign(dhan: DhanClient) -> None:
    dhan.place(productType="INTRADAY")
    dhan.place(productType="INTRADAY", transactionType="SELL", quantity=4)

    (row,) = dhan.ask("GET", "/positions")

    assert (row["buyQty"], row["sellQty"], row["netQty"]) == (10, 4, 6)
    assert (row["positionType"], row["dayBuyQty"], row["carryForwardBuyQty"]) == ("LONG", 10, 0)


def test_what_was_bought_is_a_holding_the_next_day(dhan: DhanClient) -> None:
    assert dhan.refused("GET", "/holdings")[1] == "DH-1111"
    dhan.place()
    dhan.now += timedelta(hours=19)
    dhan.sim.new_day(dhan.now)

    (row,) = dhan.ask("GET", "/holdings")

    assert (row["exchange"], row["tradingSymbol"], row["totalQty"]) == ("ALL", "INFY", 10)


def test_a_conversion_is_an_empty_202_or_a_refusal(dhan: DhanClient) -> None:
    dhan.place()
    body = {
        "dhanClientId": USER.client_id,
        "fromProductType": "CNC",
        "exchangeSegment": "NSE_EQ",
        "positionType": "LONG",
        "securityId": dhan.security_id("NSE:INFY"),
        "convertQty": 4,
        "toProductType": "INTRADAY",
    }

    answer = dhan.send("POST", "/positions/convert", body)

    assert (answer.status, answer.body) == (202, b"")
    refused = dhan.refused("POST", "/positions/convert", body | {"convertQty": 40})
    assert refused[:2] == (400, "DH-905")


# Market data


def test_the_instrument_file_is_for_everybody_and_tells_the_day(dhan: DhanClient) -> None:
    answer = dhan.send("GET", "/api-data/api-scrip-master-detailed.csv", headers=[])

    rows = list(csv.DictReader(StringIO(answer.body.decode())))
    infy = next(
        r
        for r in rows
        if (r["UNDERLYING_SYMBOL"], r["EXCH_ID"]) == ("INFY", "NSE") and r["SEGMENT"] == "E"
    )
    nifty = next(r for r in rows if r["INSTRUMENT"] == "INDEX" and r["SECURITY_ID"] == "13")
    option = next(r for r in rows if r["OPTION_TYPE"] == "CE")
    assert (infy["SYMBOL_NAME"], infy["TICK_SIZE"], infy["SERIES"]) == ("INFY LTD", "10.0000", "EQ")
    assert float(infy["SM_LOWER_LIMIT"]) < dhan.last_price() < float(infy["SM_UPPER_LIMIT"])
    assert (nifty["SEGMENT"], nifty["UNDERLYING_SYMBOL"]) == ("I", "NIFTY")
    assert (option["INSTRUMENT"], option["LOT_SIZE"]) == ("OPTIDX", "65.0")


def test_what_is_not_listed_is_left_out_of_quotes(dhan: DhanClient) -> None:
    said = dhan.ask("POST", "/marketfeed/quote", {"NSE_EQ": [1], "IDX_I": [13, "25"]})

    assert set(said["data"]) == {"IDX_I"}
    assert set(said["data"]["IDX_I"]) == {"13", "25"}


@pytest.mark.parametrize(
    ("body", "code"), [({}, "812"), ({"NSE_EQ": list(range(1001))}, "804"), ({"NSE_EQ": 5}, "812")]
)
def test_quotes_that_ask_for_nothing_or_too_much_are_refused(
    dhan: DhanClient, body: dict[str, Any], code: str
) -> None:
    assert dhan.refused("POST", "/marketfeed/quote", body)[1] == code


def chart(dhan: DhanClient, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "securityId": dhan.security_id("NSE:INFY"),
        "exchangeSegment": "NSE_EQ",
        "instrument": "EQUITY",
        "interval": "15",
        "fromDate": "2026-11-24 09:15:00",
        "toDate": "2026-11-24 10:00:00",
    }
    return body | more


def test_days_leave_their_end_out_and_begin_at_indian_midnight(dhan: DhanClient) -> None:
    days = chart(dhan, fromDate="2026-11-23", toDate="2026-11-25", oi=True)

    said = dhan.ask("POST", "/charts/historical", days)

    at = [datetime.fromtimestamp(second, IST) for second in said["timestamp"]]
    assert at == [datetime(2026, 11, day, tzinfo=IST) for day in (23, 24)]
    assert {len(column) for column in said.values()} == {2}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"interval": "3"}, "DH-905"),
        ({"instrument": "FUTSTK"}, "DH-905"),
        ({"securityId": "1"}, "DH-905"),
        ({"fromDate": "yesterday"}, "DH-905"),
        ({"fromDate": "2026-08-01"}, "DH-905"),
        ({"fromDate": "2026-11-22", "toDate": "2026-11-22"}, "DH-907"),
    ],
)
def test_charts_of_what_is_not_there_are_refused(
    dhan: DhanClient, wrong: dict[str, Any], code: str
) -> None:
    assert dhan.refused("POST", "/charts/intraday", chart(dhan, **wrong))[1] == code


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/orders"),
        ("GET", "/forever/none"),
        ("DELETE", "/positions/1"),
        ("GET", "/nothing"),
        ("POST", "/marketfeed/depth"),
    ],
)
def test_what_is_no_path_is_a_404(dhan: DhanClient, method: str, path: str) -> None:
    assert dhan.send(method, path, {"a": 1}).status == 404
