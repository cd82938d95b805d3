"""A whole day with FYERS' own SDK. Runs in the SDK's environment: `fyers_day.py URL APP_ID SECRET AUTH_CODE LOGS`.

Writes one JSON object: what each step gave, or what it raised. LOGS is where the SDK may leave its logs.
"""

import json
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

from fyers_apiv3 import fyersModel  # type: ignore[import-not-found, unused-ignore]

URL, APP_ID, SECRET, AUTH_CODE, LOGS = sys.argv[1:]
fyersModel.Config.API = fyersModel.Config.DATA_API = URL
INFY = "NSE:INFY-EQ"
BUY = {
    "symbol": INFY,
    "qty": 10,
    "type": 2,
    "side": 1,
    "productType": "CNC",
    "limitPrice": 0,
    "stopPrice": 0,
    "validity": "DAY",
    "disclosedQty": 0,
    "offlineOrder": False,
    "stopLoss": 0,
    "takeProfit": 0,
}
report: dict[str, Any] = {}


def control(what: str, asked: Any) -> None:
    request = urllib.request.Request(f"{URL}/_sim/{what}", json.dumps(asked).encode())
    urllib.request.urlopen(request, timeout=10).close()


def step(name: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Do one thing a second, so that the limits are kept, and keep what came of it."""
    control("clock", {"step_s": 1})
    try:
        report[name] = dict(
            call(*arguments, **named)
        )  # a copy: the SDK hands out one error again and again
    except Exception as error:  # noqa: BLE001 - its class is the result
        report[name] = {"raised": type(error).__name__, "message": str(error)}
    return report[name]


def session(name: str, secret: str) -> Any:
    one = fyersModel.SessionModel(
        client_id=APP_ID, secret_key=secret, grant_type="authorization_code"
    )
    one.set_token(AUTH_CODE)
    return step(name, one.generate_token)


def main() -> None:
    token = session("token", SECRET)["access_token"]
    session("token_again", SECRET)
    fyers = fyersModel.FyersModel(client_id=APP_ID, token=token, log_path=LOGS)
    step("profile", fyers.get_profile)
    last = market(fyers)
    orders(fyers, last)
    triggers(fyers, last)
    portfolio(fyers)
    refusals(fyers)
    step("logout", fyers.logout)
    step("dead", fyers.orderbook)
    json.dump(report, sys.stdout)


def market(fyers: Any) -> float:
    quotes = step("quotes", fyers.quotes, {"symbols": f"{INFY},NSE:NIFTY50-INDEX,NSE:NOSUCH-EQ"})
    step("depth", fyers.depth, {"symbol": INFY, "ohlcv_flag": "1"})
    asked = {"symbol": INFY, "resolution": "5", "date_format": "0", "cont_flag": "0"}
    asked |= {"range_from": "1795578300", "range_to": "1795580100"}  # 09:15 to 09:45
    step("minutes", fyers.history, asked)
    days = {"resolution": "D", "date_format": "1", "range_from": "2026-11-23", "oi_flag": "1"}
    step("days", fyers.history, asked | days | {"range_to": "2026-11-24"})
    step(
        "no_days",
        fyers.history,
        asked | days | {"range_from": "2026-11-22", "range_to": "2026-11-22"},
    )
    return float(quotes["d"][0]["v"]["lp"])


def orders(fyers: Any, last: float) -> None:
    low, high = float(int(last * 0.95)), float(int(last * 1.05))
    limit = {"type": 1, "limitPrice": low}
    future = {"symbol": "NSE:NIFTY26DECFUT", "qty": 65, "productType": "MARGIN", "side": -1}
    crude = {"symbol": "MCX:CRUDEOIL26DECFUT", "qty": 2, "productType": "MARGIN"}
    step("place_market", fyers.place_order, BUY | {"orderTag": "day1"})
    made = step("place_limit", fyers.place_order, BUY | limit | {"orderTag": "day2"})
    step(
        "place_sl", fyers.place_order, BUY | {"type": 4, "limitPrice": high + 1, "stopPrice": high}
    )
    step("place_slm", fyers.place_order, BUY | {"type": 3, "stopPrice": high})
    step("place_ioc", fyers.place_order, BUY | limit | {"validity": "IOC"})
    step("place_amo", fyers.place_order, BUY | limit | {"offlineOrder": True})
    step("place_future", fyers.place_order, BUY | future)
    step("place_crude", fyers.place_order, BUY | crude)
    step(
        "modify", fyers.modify_order, {"id": made["id"], "type": 1, "limitPrice": low - 1, "qty": 6}
    )
    step("one", fyers.get_orders, {"id": made["id"]})
    step("by_tag", fyers.orderbook, {"order_tag": "1:day2"})
    step("cancel", fyers.cancel_order, {"id": made["id"]})
    step("orders", fyers.orderbook)
    step("trades", fyers.tradebook)


def triggers(fyers: Any, last: float) -> None:
    low, high = float(int(last * 0.9)), float(int(last * 1.1))
    upper = {"price": high, "triggerPrice": high, "qty": 2}
    one = {"side": -1, "symbol": INFY, "productType": "CNC", "orderInfo": {"leg1": upper}}
    lower = {"price": low, "triggerPrice": low, "qty": 2}
    two = one | {"orderInfo": {"leg1": upper, "leg2": lower}}
    made = step("gtt_one", fyers.place_gtt_order, one)
    oco = step("gtt_two", fyers.place_gtt_order, two)
    changed = {"leg1": upper, "leg2": lower | {"qty": 3}}
    step("gtt_modify", fyers.modify_gtt_order, two | {"id": oco["id"], "orderInfo": changed})
    step(
        "gtt_upside_down",
        fyers.place_gtt_order,
        two | {"orderInfo": {"leg1": lower, "leg2": upper}},
    )
    step("gtt_cancel", fyers.cancel_gtt_order, {"id": made["id"]})
    step("gtts", fyers.gtt_orderbook)


def portfolio(fyers: Any) -> None:
    moved = {"symbol": f"{INFY}-CNC", "positionSide": 1, "convertQty": 4, "overnight": 0}
    step("positions", fyers.positions)
    step("convert", fyers.convert_position, moved | {"convertFrom": "CNC", "convertTo": "INTRADAY"})
    step("convert_mtf", fyers.convert_position, moved | {"convertFrom": "CNC", "convertTo": "MTF"})
    step("positions_converted", fyers.positions)
    step("funds", fyers.funds)
    control("clock", {"at": "2026-11-26T05:50:00+05:30"})
    control("new_day", {})
    step("holdings", fyers.holdings)
    step("next_day_orders", fyers.orderbook)


def refusals(fyers: Any) -> None:
    step("bad_tag", fyers.place_order, BUY | {"orderTag": "not a tag"})
    step("bad_symbol", fyers.place_order, BUY | {"symbol": "NSE:NOSUCH-EQ"})
    step(
        "bad_lot", fyers.place_order, BUY | {"symbol": "NSE:NIFTY26DECFUT", "productType": "MARGIN"}
    )
    step("no_funds", fyers.place_order, BUY | {"qty": 90_000})
    step("no_order", fyers.cancel_order, {"id": "42"})
    for kind, more in (
        ("status", {"status": 503}),
        ("garbage", {}),
        ("timed_out_400", {}),
        ("no_order_id", {}),
        ("reject", {"reason": "order"}),
    ):
        control("faults", {"kind": kind, "method": "POST", "prefix": "/orders/sync", **more})
        step(f"fault_{kind}", fyers.place_order, BUY | {"qty": 1})
    control("faults", {"kind": "lose_after", "method": "POST", "prefix": "/orders/sync"})
    step("fault_lost", fyers.place_order, BUY | {"qty": 1, "orderTag": "lost"})
    step("lost_is_there", fyers.orderbook, {"order_tag": "1:lost"})
    control("clock", {"step_s": 1})
    report["eleven_a_second"] = [fyers.funds()["s"] for _ in range(11)]


main()
