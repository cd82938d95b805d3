"""Zerodha's own streaming client for some seconds: `kite_ticker.py WS_URL URL API_KEY ACCESS_TOKEN` `{"mode": [token, ...]}`.

Writes one JSON object: each binary frame with what the client made of it, and what it was told of orders.
"""

import base64
import json
import sys
import threading
import urllib.request
from typing import Any

from kiteconnect import KiteTicker  # type: ignore[import-not-found, unused-ignore]

ROOT, URL, API_KEY, ACCESS_TOKEN, WISHES = sys.argv[1:]
ENOUGH_FRAMES = 8
GIVE_UP_S = 30
ORDER = {
    "variety": "regular", "exchange": "NSE", "tradingsymbol": "INFY", "transaction_type": "BUY",
    "order_type": "MARKET", "quantity": 10, "product": "CNC", "market_protection": -1,
}  # fmt: skip

modes: dict[str, list[int]] = json.loads(WISHES)
report: dict[str, Any] = {"frames": [], "orders": [], "errors": [], "heartbeats": 0}
done = threading.Event()


def control(what: str, asked: Any) -> None:
    request = urllib.request.Request(f"{URL}/_sim/{what}", json.dumps(asked).encode())
    urllib.request.urlopen(request, timeout=10).close()


def on_connect(ws: Any, response: Any) -> None:
    for mode, tokens in modes.items():
        ws.subscribe(tokens)
        ws.set_mode(mode, tokens)
    ws.factory.reactor.callInThread(control, "place", ORDER)


def on_message(ws: Any, payload: bytes, is_binary: bool) -> None:
    if is_binary and len(payload) == 1:
        report["heartbeats"] += 1
    elif is_binary:
        report["frames"].append({"payload": base64.b64encode(payload).decode()})


def on_ticks(ws: Any, ticks: list[Any]) -> None:
    report["frames"][-1]["ticks"] = ticks
    if len(report["frames"]) >= ENOUGH_FRAMES and report["orders"]:
        done.set()


def on_order_update(ws: Any, data: Any) -> None:
    report["orders"].append(data)


def on_error(ws: Any, code: Any, reason: Any) -> None:
    report["errors"].append(str(reason))
    done.set()


ticker = KiteTicker(API_KEY, ACCESS_TOKEN, root=ROOT, reconnect=False)
ticker.on_connect = on_connect
ticker.on_message = on_message
ticker.on_ticks = on_ticks
ticker.on_order_update = on_order_update
ticker.on_error = on_error
ticker.connect(threaded=True)
done.wait(GIVE_UP_S)
ticker.close()
sys.stdout.write(json.dumps(report, default=str))
