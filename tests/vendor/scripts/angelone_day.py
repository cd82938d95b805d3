"""A whole day with Angel One's own SDK. Runs in its environment: `angelone_day.py URL API_KEY CLIENT PIN CODE LATER LATER_CODE`.

CODE is the TOTP code of the simulator's time, LATER_CODE that of the time LATER. Writes one JSON object: what each step gave, or
what it raised.
"""

import json
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

from angelone_sdk import connect  # type: ignore[import-not-found, unused-ignore]

URL, API_KEY, CLIENT, PIN, CODE, LATER, LATER_CODE = sys.argv[1:]
SHARE = {"exchange": "NSE", "tradingsymbol": "INFY-EQ", "symboltoken": "1004"}
report: dict[str, Any] = {}


def control(what: str, asked: Any) -> None:
    request = urllib.request.Request(f"{URL}/_sim/{what}", json.dumps(asked).encode())
    urllib.request.urlopen(request, timeout=10).close()


def step(name: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Do one thing and keep what came of it. A second passes, so that the broker's limits are kept."""
    control("clock", {"step_s": 1})
    try:
        result = call(*arguments, **named)
    except Exception as error:  # noqa: BLE001 - its class is the result
        report[name] = {"raised": type(error).__name__, "message": str(error)}
        return None
    report[name] = result
    return result


def main() -> None:
    smart = connect(URL, api_key=API_KEY)
    step("wrong_pin", smart.generateSession, CLIENT, "0000", CODE)
    step("wrong_code", smart.generateSession, CLIENT, PIN, "000000")
    step("session", smart.generateSession, CLIENT, PIN, CODE)
    step("code_again", connect(URL, api_key=API_KEY).generateSession, CLIENT, PIN, CODE)
    step("profile", smart.getProfile, smart.refresh_token)
    step("renewed", smart.generateToken, smart.refresh_token)
    step("funds", smart.rmsLimit)
    step("no_orders", smart.orderBook)
    market(smart)
    orders(smart)
    portfolio(smart)
    triggers(smart)
    refusals(smart)
    step("logout", smart.terminateSession, CLIENT)
    step("after_logout", smart.orderBook)
    control("clock", {"at": LATER})
    control("new_day", {})
    step("next_session", smart.generateSession, CLIENT, PIN, LATER_CODE)
    step("next_day_orders", smart.orderBook)
    step("holdings", smart.holding)
    step("all_holdings", smart.allholding)
    control("faults", {"kind": "dead_session"})
    step("dead", smart.orderBook)
    json.dump(report, sys.stdout, default=str)


def market(smart: Any) -> None:
    step("search", smart.searchScrip, "NSE", "INFY")
    step("ltp", smart.ltpData, **SHARE)
    step("quote", smart.getMarketData, "FULL", {"NSE": ["1004", "99926000", "7"]})
    step("ohlc", smart.getMarketData, "OHLC", {"NSE": ["1004"]})
    asked = {"exchange": "NSE", "symboltoken": "1004", "interval": "FIVE_MINUTE"}
    span = {"fromdate": "2026-11-24 09:15", "todate": "2026-11-24 09:30"}
    step("candles", smart.getCandleData, asked | span)
    step(
        "no_candles",
        smart.getCandleData,
        asked | {"fromdate": "2026-11-22 09:15", "todate": "2026-11-22 09:30"},
    )


def order(**more: Any) -> dict[str, Any]:
    """As the SDK's own samples have it."""
    return {
        "variety": "NORMAL",
        **SHARE,
        "transactiontype": "BUY",
        "ordertype": "MARKET",
        "producttype": "DELIVERY",
        "duration": "DAY",
        "price": "0",
        "squareoff": "0",
        "stoploss": "0",
        "quantity": "10",
        **more,
    }


def orders(smart: Any) -> None:
    low = int(report["ltp"]["data"]["ltp"] * 0.95)
    step("place_market", smart.placeOrder, order(ordertag="day1"))
    limit = step(
        "place_limit", smart.placeOrder, order(ordertype="LIMIT", price=str(low), ordertag="day2")
    )
    changed = {
        "variety": "NORMAL",
        "orderid": limit,
        "ordertype": "LIMIT",
        "producttype": "DELIVERY",
        "duration": "DAY",
        "price": str(low - 1),
        "quantity": "6",
        **SHARE,
    }
    step("modify", smart.modifyOrder, changed)
    row = step("row", lambda: next(r for r in smart.orderBook()["data"] if r["orderid"] == limit))
    step("details", smart.individual_order_details, row["uniqueorderid"])
    step("cancel_wrong_variety", smart.cancelOrder, limit, "AMO")
    step("cancel", smart.cancelOrder, limit, "NORMAL")
    stop = {"variety": "STOPLOSS", "transactiontype": "SELL", "producttype": "INTRADAY"}
    step(
        "place_sl",
        smart.placeOrder,
        order(**stop, ordertype="STOPLOSS_LIMIT", price=str(low - 2), triggerprice=str(low)),
    )
    step(
        "place_slm",
        smart.placeOrder,
        order(**stop, ordertype="STOPLOSS_MARKET", triggerprice=str(low)),
    )
    step("place_ioc", smart.placeOrder, order(ordertype="LIMIT", price=str(low), duration="IOC"))
    step("place_full", smart.placeOrderFullResponse, order(ordertag="day3"))
    step("orders", smart.orderBook)
    step("trades", smart.tradeBook)


def portfolio(smart: Any) -> None:
    step("positions", smart.position)
    moved = {
        "exchange": "NSE",
        "oldproducttype": "DELIVERY",
        "newproducttype": "INTRADAY",
        "tradingsymbol": "INFY-EQ",
        "transactiontype": "BUY",
        "quantity": 4,
        "type": "DAY",
    }
    step("convert", smart.convertPosition, moved)
    step("positions_converted", smart.position)
    one = {
        "exchange": "NSE",
        "qty": 10,
        "price": 1400,
        "productType": "DELIVERY",
        "token": "1004",
        "tradeType": "BUY",
    }
    step("margin", smart.getMarginApi, {"positions": [one, one]})


def triggers(smart: Any) -> None:
    low = int(report["ltp"]["data"]["ltp"] * 0.9)
    terms = {"price": low, "qty": 10, "disclosedqty": 10, "triggerprice": low, "timeperiod": 365}
    rule = SHARE | {"producttype": "DELIVERY", "transactiontype": "BUY"} | terms
    made = step("gtt_create", smart.gttCreateRule, rule)
    named = {"id": made, "symboltoken": "1004", "exchange": "NSE"}
    step("gtt_modify", smart.gttModifyRule, named | terms | {"price": low - 1})
    step("gtt", smart.gttDetails, made)
    step("gtts", smart.gttLists, ["FORALL"], 1, 10)
    step("gtt_cancel", smart.gttCancelRule, named)
    step("gtts_new", smart.gttLists, ["NEW"], 1, 10)


def refusals(smart: Any) -> None:
    full = smart.placeOrderFullResponse
    step("bad_product", full, order(producttype="CNC"))
    step("bad_variety", full, order(ordertype="STOPLOSS_MARKET", triggerprice="1400"))
    step("long_tag", full, order(ordertag="x" * 20))
    step("no_symbol", full, order(symboltoken="7"))
    step("no_funds", full, order(quantity="90000"))
    step("no_order", smart.cancelOrder, "42", "NORMAL")
    step("rejected_row", lambda: smart.orderBook()["data"][-1])
    control(
        "faults",
        {
            "kind": "no_order_id",
            "method": "POST",
            "prefix": "/rest/secure/angelbroking/order/v1/placeOrder",
        },
    )
    step("empty_answer", full, order(ordertag="lost"))
    step("empty_is_there", lambda: [row["ordertag"] for row in smart.orderBook()["data"]])
    step("one", smart.tradeBook)
    control("clock", {"step_s": -1})
    step("two_a_second", smart.tradeBook)


main()
