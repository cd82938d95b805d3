"""A whole day with Kambala's own SDK. Runs in the SDK's environment: `noren_day.py URL USER KEY SECRET CODE TOKEN`.

CODE is what the login page ends with; TOKEN a session, for the SDK that has no such login. Writes one JSON object: what each step gave,
None where the SDK says that it was refused, or what it raised.
"""

import json
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

from NorenRestApiPy.NorenApi import (  # type: ignore[import-not-found, unused-ignore]
    NorenApi,
)

URL, USER, KEY, SECRET, CODE, TOKEN = sys.argv[1:]
report: dict[str, Any] = {}


def control(what: str, asked: Any) -> None:
    request = urllib.request.Request(f"{URL}/_sim/{what}", json.dumps(asked).encode())
    urllib.request.urlopen(request, timeout=10).close()


def step(name: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Do one thing a second, so that the limits are kept, and keep what came of it."""
    control("clock", {"step_s": 1})
    try:
        report[name] = call(*arguments, **named)
    except Exception as error:  # noqa: BLE001 - its class is the result
        report[name] = {"raised": type(error).__name__, "message": str(error)}
    return report[name]


def main() -> None:
    api = NorenApi(host=URL, websocket="ws://127.0.0.1:9/")
    if hasattr(api, "getAccessToken"):
        step("wrong_secret", api.getAccessToken, "no such code", "wrong", KEY, USER)
        step("token", api.getAccessToken, CODE, SECRET, KEY, USER)
        step("token_again", api.getAccessToken, CODE, SECRET, KEY, USER)
    else:
        api.set_session(userid=USER, password="", usertoken=TOKEN)
    quote = step("quote", api.get_quotes, "NSE", "1004")
    price = float(quote["lp"])
    low = str(round(price * 0.95))

    def place(name: str, **more: Any) -> str:
        usual: dict[str, Any] = {
            "buy_or_sell": "B",
            "product_type": "C",
            "exchange": "NSE",
            "tradingsymbol": "INFY-EQ",
            "quantity": 10,
            "discloseqty": 0,
            "price_type": "LMT",
            "price": low,
            "retention": "DAY",
            "remarks": name,
            "amo": None,
        }
        made = step(name, api.place_order, **(usual | more))
        return str((made or {}).get("norenordno"))

    place("filled", price=str(round(price * 1.02)))
    waiting = place("waiting")
    place(
        "stop",
        product_type="I",
        price_type="SL-LMT",
        buy_or_sell="S",
        price=low,
        trigger_price=low,
    )
    place("market", price_type="MKT", price="0")
    place("no_symbol", tradingsymbol="NOSUCH-EQ")
    place("no_funds", quantity=90_000)
    change = {"exchange": "NSE", "tradingsymbol": "INFY-EQ", "newprice_type": "LMT"}
    step("modify", api.modify_order, waiting, newquantity=12, newprice=low, **change)
    step("orders", api.get_order_book)
    step("history", api.single_order_history, waiting)
    step("cancel", api.cancel_order, waiting)
    step("cancel_again", api.cancel_order, waiting)
    step("orders_then", api.get_order_book)
    step("trades", api.get_trade_book)
    step("positions", api.get_positions)
    step("convert", api.position_product_conversion, "NSE", "INFY-EQ", 4, "I", "C", "B", "DAY")
    step("funds", api.get_limits)
    step("holdings", api.get_holdings)
    step("minutes", api.get_time_price_series, "NSE", "1004", 1795578300, 1795579800, 5)
    step("days", api.get_daily_price_series, "NSE", "INFY-EQ", 1795000000, 1795578300)
    step("logout", api.logout)
    sys.stdout.write(f"\n{json.dumps(report)}\n")  # a line of its own: the SDK prints, too


main()
