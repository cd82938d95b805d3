"""A whole day with Dhan's own SDK. Runs in the SDK's environment: `dhan_day.py URL CLIENT_ID PIN TOTP APP_ID APP_SECRET TOKEN_ID FILE`.

Writes one JSON object: what each step gave, or what it raised. FILE is where the SDK may leave the instrument file.
"""

import contextlib
import json
import sys
import urllib.request
import webbrowser
from collections.abc import Callable
from typing import Any

from dhanhq import DhanContext, DhanLogin, dhanhq  # type: ignore[import-not-found, unused-ignore]
from dhanhq._security import Security  # type: ignore[import-not-found, unused-ignore]

URL, CLIENT_ID, PIN, TOTP, APP_ID, APP_SECRET, TOKEN_ID, FILE = sys.argv[1:]
SHARE = {"exchange_segment": "NSE_EQ", "product_type": "CNC"}
report: dict[str, Any] = {}
DhanLogin.AUTH_BASE_URL = DhanLogin.API_BASE_URL = URL
Security.DETAILED_CSV_URL = f"{URL}/api-data/api-scrip-master-detailed.csv"
webbrowser.open = lambda *_: True  # type: ignore[assignment, unused-ignore]  # the consent page is a person's


def control(what: str, asked: Any) -> None:
    request = urllib.request.Request(f"{URL}/_sim/{what}", json.dumps(asked).encode())
    urllib.request.urlopen(request, timeout=10).close()


def second(seconds: float = 1) -> None:
    """Let the broker's clock go on, so that its limits are kept."""
    control("clock", {"step_s": seconds})


def step(name: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Do one thing and keep what came of it; the SDK's own data where it succeeded."""
    second()
    try:
        result = call(*arguments, **named)
    except Exception as error:  # noqa: BLE001 - its class is the result
        report[name] = {"raised": type(error).__name__, "message": str(error)}
        return None
    is_wrapped = isinstance(result, dict) and set(result) == {"status", "remarks", "data"}
    if is_wrapped and result["status"] == "success":
        result = result["data"]
    report[name] = result
    return result


def at(access_token: str) -> Any:
    context = DhanContext(CLIENT_ID, access_token)
    context.get_dhan_http().base_url = URL
    return dhanhq(context)


def main() -> None:
    login = DhanLogin(CLIENT_ID)
    token = step("token", login.generate_token, PIN, TOTP)["accessToken"]
    step("token_too_early", login.generate_token, PIN, TOTP)
    step("profile", login.user_profile, token)
    step("consent", login.generate_login_session, APP_ID, APP_SECRET)
    step("wrong_secret", login.generate_login_session, APP_ID, "wrong")
    token = step("consumed", login.consume_token_id, TOKEN_ID, APP_ID, APP_SECRET)["accessToken"]
    step("consumed_again", login.consume_token_id, TOKEN_ID, APP_ID, APP_SECRET)
    token = step("renewed", login.renew_token, token)["token"]
    dhan = at(token)
    ids = market(dhan)
    orders(dhan, ids)
    forever(dhan, ids)
    portfolio(dhan, ids)
    refusals(dhan, ids)
    control("end_sessions", {})
    step("dead_orders", dhan.get_order_list)
    step("dead_holdings", dhan.get_holdings)
    step("dead_quote", dhan.ticker_data, {"NSE_EQ": [int(ids["INFY"])]})
    step("dead_profile", login.user_profile, token)


def market(dhan: Any) -> dict[str, str]:
    table = step(
        "instruments",
        lambda: Security.fetch_security_list("detailed", FILE).astype(str).to_dict("records"),
    )
    near: dict[str, str] = {}
    for row in table:
        name = row["UNDERLYING_SYMBOL"] + ("FUT" if row["INSTRUMENT"].startswith("FUT") else "")
        if row["EXCH_ID"] != "BSE":
            near.setdefault(
                name if row["INSTRUMENT"] != "INDEX" else f"{name} INDEX", row["SECURITY_ID"]
            )
    report["instruments"] = table[:3] + [row for row in table if row["EXCH_ID"] == "MCX"]
    asked = {"NSE_EQ": [int(near["INFY"]), 1], "IDX_I": [13]}
    step("ltp", dhan.ticker_data, asked)
    step("ohlc", dhan.ohlc_data, asked)
    step("quote", dhan.quote_data, asked)
    report["two_a_second"] = dhan.quote_data(asked)
    infy = {"security_id": near["INFY"], "exchange_segment": "NSE_EQ", "instrument_type": "EQUITY"}
    span = {"from_date": "2026-11-24 09:15:00", "to_date": "2026-11-24 09:30:00"}
    step("candles", dhan.intraday_minute_data, **infy, **span, interval=5)
    days = {"from_date": "2026-11-23", "to_date": "2026-11-25"}
    step("days", dhan.historical_daily_data, **infy, **days, oi=True)
    step(
        "no_days", dhan.historical_daily_data, **infy, from_date="2026-11-21", to_date="2026-11-22"
    )
    return near


def last_price(dhan: Any, security_id: str) -> float:
    second()
    data = dhan.ticker_data({"NSE_EQ": [int(security_id)]})["data"]["data"]
    return float(data["NSE_EQ"][security_id]["last_price"])


def orders(dhan: Any, ids: dict[str, str]) -> None:
    low = float(int(last_price(dhan, ids["INFY"]) * 0.95))
    share = {**SHARE, "security_id": ids["INFY"], "transaction_type": "BUY"}
    limit = {"order_type": "LIMIT", "price": low}
    sold = {"transaction_type": "SELL", "product_type": "INTRADAY"}
    step(
        "place_market",
        dhan.place_order,
        **share,
        quantity=10,
        order_type="MARKET",
        price=0,
        tag="day1",
    )
    made = step("place_limit", dhan.place_order, **share, **limit, quantity=5, tag="day2")
    order_id = made["orderId"]
    step("modify", dhan.modify_order, order_id, "LIMIT", None, 6, low - 1, 0, 0, "DAY")
    step("one", dhan.get_order_by_id, order_id)
    step("by_tag", dhan.get_order_by_correlationID, "day2")
    step("cancel", dhan.cancel_order, order_id)
    stop = {**share, **sold, "quantity": 5, "trigger_price": low}
    step("place_sl", dhan.place_order, **stop, order_type="STOP_LOSS", price=low - 2)
    step("place_slm", dhan.place_order, **stop, order_type="STOP_LOSS_MARKET", price=0)
    step("place_ioc", dhan.place_order, **share, **limit, quantity=5, validity="IOC")
    step("place_amo", dhan.place_order, **share, **limit, quantity=5, after_market_order=True)
    far = {"product_type": "MARGIN", "order_type": "MARKET", "price": 0}
    step("place_future", dhan.place_order, ids["NIFTYFUT"], "NSE_FNO", "SELL", 65, **far)
    step("place_crude", dhan.place_order, ids["CRUDEOILFUT"], "MCX_COMM", "BUY", 200, **far)
    step("orders", dhan.get_order_list)
    step("trades", dhan.get_trade_book)
    step("order_trades", dhan.get_trade_book, report["place_market"]["orderId"])


def forever(dhan: Any, ids: dict[str, str]) -> None:
    last = last_price(dhan, ids["INFY"])
    low, high = float(int(last * 0.9)), float(int(last * 1.1))
    share = {"security_id": ids["INFY"], "exchange_segment": "NSE_EQ", "transaction_type": "SELL"}
    leg = {**share, "product_type": "CNC", "order_type": "LIMIT", "quantity": 2}
    single = step("forever_single", dhan.place_forever, **leg, price=low, trigger_Price=low)
    oco = step(
        "forever_oco",
        dhan.place_forever,
        **leg,
        order_flag="OCO",
        price=high,
        trigger_Price=high,
        price1=low,
        trigger_Price1=low,
        quantity1=2,
    )
    step(
        "forever_modify",
        dhan.modify_forever,
        oco["orderId"],
        "OCO",
        "LIMIT",
        "STOP_LOSS_LEG",
        3,
        low - 1,
        low - 1,
        0,
        "DAY",
    )
    step("forevers", dhan.get_forever)
    step("forever_cancel", dhan.cancel_forever, single["orderId"])
    step("forevers_after", dhan.get_forever)


def portfolio(dhan: Any, ids: dict[str, str]) -> None:
    step("no_holdings", dhan.get_holdings)
    step("positions", dhan.get_positions)
    step("funds", dhan.get_fund_limits)
    step("convert", dhan.convert_position, "CNC", "NSE_EQ", "LONG", ids["INFY"], 4, "INTRADAY")
    step("positions_converted", dhan.get_positions)
    one = {"security_id": ids["INFY"], "exchange_segment": "NSE_EQ", "transaction_type": "BUY"}
    step("margin", dhan.margin_calculator, **one, quantity=10, product_type="CNC", price=1400)
    listed = {
        "securityId": ids["INFY"],
        "exchangeSegment": "NSE_EQ",
        "transactionType": "BUY",
        "quantity": 10,
        "productType": "CNC",
        "price": 1400,
        "triggerPrice": 0,
    }
    step("margins", dhan.margin_calculator_multi, [dict(listed), dict(listed)])
    control("clock", {"at": "2026-11-26T05:50:00+05:30"})
    control("new_day", {})
    step("holdings", dhan.get_holdings)
    step("next_day_orders", dhan.get_order_list)


def refusals(dhan: Any, ids: dict[str, str]) -> None:
    order = {
        **SHARE,
        "security_id": ids["INFY"],
        "transaction_type": "BUY",
        "order_type": "MARKET",
        "price": 0,
    }
    step("bad_product", dhan.place_order, **{**order, "product_type": "NRML"}, quantity=1)
    step("no_contract", dhan.place_order, **{**order, "security_id": "42424242"}, quantity=1)
    step("no_funds", dhan.place_order, **order, quantity=90_000)
    step("no_funds_row", dhan.get_order_by_id, report["no_funds"]["orderId"])
    step("no_order", dhan.cancel_order, "42")
    step("no_tag", dhan.get_order_by_correlationID, "never")
    for kind, more in (
        ("status", {"status": 503}),
        ("garbage", {}),
        ("timed_out_400", {}),
        ("reject", {"reason": "order"}),
        ("no_order_id", {}),
    ):
        control("faults", {"kind": kind, "method": "POST", "prefix": "/orders", **more})
        step(f"fault_{kind}", dhan.place_order, **order, quantity=1)
    control("faults", {"kind": "lose_after", "method": "POST", "prefix": "/orders"})
    step("fault_lost", dhan.place_order, **order, quantity=1, tag="lost")
    step("lost_is_there", dhan.get_order_by_correlationID, "lost")


with contextlib.redirect_stdout(sys.stderr):  # the SDK tells its user about the page
    main()
json.dump(report, sys.stdout, default=str)
