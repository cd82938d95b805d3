"""Angel One's own streaming clients for some seconds: `angelone_streams.py WS_URL URL API_KEY CLIENT_CODE JWT FEED_TOKEN`, and on
standard input `{"wishes": {"mode": {"exchange type": [token, ...]}}, "order": {...} or null}`. Its logs go to the working directory.

Writes one JSON object: each frame of prices with what the client made of it, what it was told of orders, and what went wrong.
"""

import base64
import json
import os
import sys
import threading
import urllib.request
from typing import Any

from SmartApi.smartWebSocketOrderUpdate import (  # type: ignore[import-not-found, unused-ignore]
    SmartWebSocketOrderUpdate,
)
from SmartApi.smartWebSocketV2 import (  # type: ignore[import-not-found, unused-ignore]
    SmartWebSocketV2,
)

ROOT, URL, API_KEY, CLIENT_CODE, JWT, FEED_TOKEN = sys.argv[1:]
ENOUGH_FRAMES = 30
GIVE_UP_S = 40
asked: dict[str, Any] = json.load(sys.stdin)
report: dict[str, Any] = {"frames": [], "orders": [], "errors": []}
done = threading.Event()


def control(what: str, body: Any) -> None:
    request = urllib.request.Request(f"{URL}/_sim/{what}", json.dumps(body).encode())
    urllib.request.urlopen(request, timeout=10).close()


def check() -> None:
    names = {frame["told"]["token"] for frame in report["frames"]}
    wanted = {t for rows in asked["wishes"].values() for each in rows.values() for t in each}
    is_filled = any('"complete"' in text for text in report["orders"])
    if len(report["frames"]) >= ENOUGH_FRAMES and names >= wanted and is_filled:
        done.set()


class Prices(SmartWebSocketV2):  # type: ignore[misc, unused-ignore]
    ROOT_URI = f"{ROOT}/smart-stream"

    def _on_data(self, wsapp: Any, data: Any, data_type: int, continue_flag: bool) -> None:
        if data_type == 2:
            report["frames"].append({"payload": base64.b64encode(data).decode(), "told": {}})
        super()._on_data(wsapp, data, data_type, continue_flag)

    def on_data(self, wsapp: Any, data: Any) -> None:
        report["frames"][-1]["told"] = data
        check()

    def on_open(self, wsapp: Any) -> None:
        for mode, rows in asked["wishes"].items():
            tokens = [{"exchangeType": int(e), "tokens": each} for e, each in rows.items()]
            self.subscribe("bystander1", int(mode), tokens)

    def on_error(self, *words: Any) -> None:
        report["errors"].append([str(word) for word in words])
        done.set()


class Orders(SmartWebSocketOrderUpdate):  # type: ignore[misc, unused-ignore]
    WEBSOCKET_URI = f"{ROOT}/smart-order-update"

    def on_message(self, wsapp: Any, message: Any) -> None:
        report["orders"].append(message if isinstance(message, str) else message.decode())
        check()


who = (f"Bearer {JWT}", API_KEY, CLIENT_CODE, FEED_TOKEN)
prices = Prices(*who, max_retry_attempt=0)
threading.Thread(target=prices.connect, daemon=True).start()
if asked["order"] is not None:
    orders = Orders(*who)
    threading.Thread(target=orders.connect, daemon=True).start()
    threading.Timer(1.5, control, ("place", asked["order"])).start()
done.wait(GIVE_UP_S)
sys.stdout.write(json.dumps(report))
sys.stdout.flush()
os._exit(0)
