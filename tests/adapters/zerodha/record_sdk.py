"""What kiteconnect 5.2.2, Zerodha's own SDK, sends: run in an environment that has it, prints `samples/sdk_requests.json`.

Nothing leaves the machine: the SDK's HTTP session is answered here.
"""

import json
import sys
from contextlib import suppress
from datetime import datetime
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, urlsplit

kiteconnect: Any = import_module("kiteconnect")  # neither is installed where types are checked
requests: Any = import_module("requests")

ANSWER = {
    "status": "success",
    "data": {
        "order_id": "1",
        "trigger_id": 1,
        "candles": [],
        "access_token": "the-session-token",
        "login_time": "2026-01-05 08:05:11",
    },
}
HEADERS = ("X-Kite-Version", "Authorization", "Content-Type")
LEG = {"transaction_type": "SELL", "quantity": 10, "order_type": "LIMIT", "product": "CNC"}
SBIN = {"exchange": "NSE", "tradingsymbol": "SBIN", "transaction_type": "BUY", "quantity": 10}
ITEM = SBIN | {
    "variety": "regular",
    "product": "CNC",
    "order_type": "LIMIT",
    "price": 801.5,
    "trigger_price": 0,
}
PLACED = SBIN | {"variety": "regular", "product": "CNC"}
DAY = (datetime(2026, 1, 5, 9, 15), datetime(2026, 1, 5, 15, 30))  # noqa: DTZ001 - as the SDK wants it


def conversations(kite: Any) -> dict[str, Any]:
    """By name, what is called. Names are those of the test that says the same to our adapter."""
    return {
        "session": lambda: kite.generate_session("r7Q2kLm9XcV4bN8sD1fG6hJ3pW5tZ0yA", "app-secret"),
        "profile": kite.profile,
        "limit": lambda: kite.place_order(
            **PLACED, order_type="LIMIT", price=801.5, validity="DAY", tag="qz7f3a91c2dabcdefgh2"
        ),
        "iceberg": lambda: kite.place_order(
            **PLACED | {"variety": "iceberg"},
            order_type="MARKET",
            validity="TTL",
            validity_ttl=5,
            iceberg_legs=5,
            iceberg_quantity=2,
            market_protection=-1,
        ),
        "modify": lambda: kite.modify_order("regular", "1950", price=802, order_type="LIMIT"),
        "cancel": lambda: kite.cancel_order("regular", "1950"),
        "leave cover": lambda: kite.cancel_order("co", "1950", parent_order_id="19"),
        "orders": kite.orders,
        "trail": lambda: kite.order_history("1950"),
        "trades": kite.trades,
        "gtt": lambda: kite.place_gtt(
            "two-leg",
            "SBIN",
            "NSE",
            [780, 830.5],
            801.5,
            [{**LEG, "price": 779.5}, {**LEG, "price": 830}],
        ),
        "gtt delete": lambda: kite.delete_gtt(123),
        "gtts": kite.get_gtts,
        "positions": kite.positions,
        "holdings": kite.holdings,
        "funds": kite.margins,
        "convert": lambda: kite.convert_position("NSE", "SBIN", "BUY", "day", 10, "MIS", "CNC"),
        "margin": lambda: kite.order_margins([ITEM]),
        "basket": lambda: kite.basket_order_margins([ITEM, ITEM]),
        "quotes": lambda: kite.quote(["NSE:NIFTY 50", "NSE:INFY"]),
        "ltp": lambda: kite.ltp(["NSE:INFY"]),
        "candles": lambda: kite.historical_data(408065, *DAY, "minute"),
        "master": kite.instruments,
        "logout": kite.invalidate_access_token,
    }


def main() -> None:
    sent: list[Any] = []

    def answer(_: Any, request: Any, **__: Any) -> Any:
        sent.append(request)
        response = requests.Response()
        response.status_code, response.url, response.request = 200, request.url, request
        response.headers["content-type"] = "application/json"
        response._content = json.dumps(ANSWER).encode()
        return response

    requests.Session.send = answer
    kite = kiteconnect.KiteConnect(api_key="appkey0123456789")  # "session" gives it the token
    recorded = {}
    for name, call in conversations(kite).items():
        # The SDK reads an answer that is not this call's; what it sent is what counts.
        with suppress(TypeError, AttributeError, KeyError, UnboundLocalError, ValueError):
            call()
        recorded[name] = _told(sent[-1])
    json.dump(recorded, sys.stdout, indent=1)
    sys.stdout.write("\n")


def _told(request: Any) -> dict[str, Any]:
    url = urlsplit(request.url)
    body = request.body.decode() if isinstance(request.body, bytes) else request.body or ""
    kind = request.headers.get("Content-Type", "")
    return {
        "method": request.method,
        "host": url.netloc,
        "path": url.path,
        "query": parse_qsl(url.query),
        "headers": {name: request.headers[name] for name in HEADERS if name in request.headers},
        "body": json.loads(body) if kind == "application/json" else parse_qsl(body),
    }


if __name__ == "__main__":
    main()
