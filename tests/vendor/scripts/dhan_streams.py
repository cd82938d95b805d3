"""Dhan's own streaming clients for some seconds: `dhan_streams.py WS_URL URL CLIENT_ID ACCESS_TOKEN`, and on standard input
`{"wishes": [[segment number, id, request code], ...], "order": {...} or null}`.

Writes one JSON object: each frame of prices with what the client made of it, what it was told of orders, and what went wrong.
"""

import asyncio
import base64
import json
import os
import sys
import threading
import urllib.request
from typing import Any

from dhanhq import (  # type: ignore[import-not-found, unused-ignore]
    DhanContext,
    MarketFeed,
    OrderUpdate,
)

ROOT, URL, CLIENT_ID, ACCESS_TOKEN = sys.argv[1:]
ENOUGH_FRAMES = 40
GIVE_UP_S = 40
asked: dict[str, Any] = json.load(sys.stdin)
report: dict[str, Any] = {"frames": [], "orders": [], "errors": [], "ended": False}
done = threading.Event()


def control(what: str, body: Any) -> None:
    request = urllib.request.Request(f"{URL}/_sim/{what}", json.dumps(body).encode())
    urllib.request.urlopen(request, timeout=10).close()


def check() -> None:
    names = {f["told"]["security_id"] for f in report["frames"] if f["told"]}
    has_all = names >= {int(one[1]) for one in asked["wishes"]}
    has_orders = asked["order"] is None or any(
        one["Data"]["status"] == "Traded" for one in report["orders"]
    )
    if report["ended"] or (len(report["frames"]) >= ENOUGH_FRAMES and has_all and has_orders):
        done.set()


class Prices(MarketFeed):  # type: ignore[misc, unused-ignore]
    market_feed_wss = ROOT

    def process_data(self, data: bytes) -> Any:
        told = super().process_data(data)
        report["frames"].append({"payload": base64.b64encode(data).decode(), "told": told})
        check()
        return told


def heard(told: Any) -> None:
    report["orders"].append(told)
    check()


def ended(_: Any) -> None:
    report["ended"] = True


MarketFeed.market_feed_wss = ROOT
context = DhanContext(CLIENT_ID, ACCESS_TOKEN)
prices = Prices(
    context,
    [tuple(one) for one in asked["wishes"]],
    on_error=lambda _, error: report["errors"].append(str(error)),
    on_close=ended,
)
prices.start()
if asked["order"] is not None:
    orders = OrderUpdate(context)
    orders.order_feed_wss = ROOT
    orders.on_update = heard
    sys.stdout, kept = sys.stderr, sys.stdout  # it prints the token

    def hear() -> None:
        asyncio.run(orders.connect_order_update())

    threading.Thread(target=hear, daemon=True).start()
    threading.Timer(1.5, control, ("place", asked["order"])).start()
    done.wait(GIVE_UP_S)
    sys.stdout = kept
else:
    done.wait(GIVE_UP_S)
sys.stdout.write(json.dumps(report, default=str))
sys.stdout.flush()
os._exit(0)
