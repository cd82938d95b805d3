"""FYERS' own streaming clients for some seconds: `fyers_streams.py URL APP_ID ACCESS_TOKEN LOGS`, and on standard input
`{"symbols": [ticker, ...], "books": [ticker, ...], "lite": bool, "order": {...} or null}`.

Writes one JSON object: what the client of prices said, each frame it was sent with what it made of it, what the client of orders
was sent and what it made of that, and the errors of both. With an order there are both clients, without one that of prices alone.
"""

import base64
import json
import os
import sys
import threading
import time
import types
import urllib.request
from typing import Any

from fyers_apiv3.FyersWebsocket import (  # type: ignore[import-not-found, unused-ignore]
    data_ws,
    order_ws,
)

URL, APP_ID, ACCESS_TOKEN, LOGS = sys.argv[1:]
ROOT = URL.replace("http", "ws")
GIVE_UP_S = 30
ENOUGH_FRAMES = 12
asked: dict[str, Any] = json.load(sys.stdin)
report: dict[str, Any] = {"said": [], "frames": [], "updates": [], "errors": []}
done = threading.Event()
WebSocketApp = data_ws.websocket.WebSocketApp
post = data_ws.requests.post


def redirected(address: str, **more: Any) -> Any:
    return WebSocketApp(address.replace("wss://socket.fyers.in", ROOT), **more)


def posted(url: str, **more: Any) -> Any:
    return post(url.replace("https://api-t1.fyers.in/data", URL), **more)


data_ws.websocket.WebSocketApp = redirected  # of both modules: they share it
data_ws.requests.post = posted
data_ws.defines.INDEX_HSM_MAPPING_API = f"{URL}/index_hsm_mapping.json"
# It compares the token's end with the machine's clock, and the simulator's day is another.
data_ws.time = types.SimpleNamespace(time=lambda: 0, sleep=time.sleep)


def control(what: str, asked: Any) -> None:
    request = urllib.request.Request(f"{URL}/_sim/{what}", json.dumps(asked).encode())
    urllib.request.urlopen(request, timeout=10).close()


def is_enough() -> bool:
    names = {told.get("symbol") for frame in report["frames"] for told in frame["told"]}
    kinds = {kind for update in report["updates"] for kind in update["told"]}
    wanted = {"orders", "trades", "positions"} if asked["order"] else set()
    return (
        len(report["frames"]) >= ENOUGH_FRAMES
        and names >= {*asked["symbols"], *asked["books"]}
        and kinds >= wanted
    )


def check() -> None:
    if is_enough():
        done.set()


class Prices(data_ws.FyersDataSocket):  # type: ignore[misc, unused-ignore]
    def _FyersDataSocket__response_msg(self, frame: bytes) -> None:  # noqa: N802 - the SDK's
        report["frames"].append({"payload": base64.b64encode(frame).decode(), "told": []})
        super()._FyersDataSocket__response_msg(frame)
        check()

    def _FyersDataSocket__send_message(self, frame: bytes) -> None:  # noqa: N802
        report["said"].append(base64.b64encode(bytes(frame)).decode())
        super()._FyersDataSocket__send_message(frame)


class Updates(order_ws.FyersOrderSocket):  # type: ignore[misc, unused-ignore]
    def _FyersOrderSocket__on_message(self, text: str) -> None:  # noqa: N802
        report["updates"].append({"text": text, "told": {}})
        super()._FyersOrderSocket__on_message(text)
        check()


def on_price(message: dict[str, Any]) -> None:
    report["frames"][-1]["told"].append(dict(message))


def on_update(message: dict[str, Any]) -> None:
    report["updates"][-1]["told"] = message


def on_error(error: Any) -> None:
    report["errors"].append(error if isinstance(error, dict) else str(error))
    done.set()


prices = Prices(
    access_token=f"{APP_ID}:{ACCESS_TOKEN}",
    log_path=LOGS,
    litemode=asked["lite"],
    reconnect=False,
    on_message=on_price,
    on_error=on_error,
    on_close=lambda _: None,
)
updates = Updates(
    access_token=f"{APP_ID}:{ACCESS_TOKEN}",
    log_path=LOGS,
    reconnect=False,
    on_orders=on_update,
    on_trades=on_update,
    on_positions=on_update,
    on_general=on_update,
    on_error=on_error,
    on_close=lambda _: None,
)


def hear_prices() -> None:
    prices.connect()
    prices.subscribe(asked["symbols"], "SymbolUpdate")
    if asked["books"]:
        prices.subscribe(asked["books"], "DepthUpdate")


def hear_updates() -> None:
    updates.connect()
    if not report["errors"]:
        updates.subscribe("OnOrders,OnTrades,OnPositions")
        time.sleep(0.5)
        control("place", asked["order"])


threads = [threading.Thread(target=hear_prices)]
if asked["order"]:
    threads.append(threading.Thread(target=hear_updates))
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
done.wait(GIVE_UP_S if not report["errors"] else 0)
if not report["errors"]:
    prices.unsubscribe(asked["symbols"], "SymbolUpdate")
    time.sleep(1)
sys.stdout.write(json.dumps(report))
sys.stdout.flush()
os._exit(0)  # its threads would ping for ten seconds more
