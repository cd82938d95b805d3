"""Dhan's own streaming clients for some seconds: `dhan_streams.py URL CLIENT_ID ACCESS_TOKEN`, and on standard input
`{"instruments": [[segment, id, mode], ...], "order": {...} or null}`.

Writes one JSON object: what the client of prices said, each frame it was sent with what it made of it, what the client of orders
said and each text it was sent, and the errors. With an order there are both clients, without one that of prices alone.
"""

import base64
import contextlib
import io
import json
import os
import sys
import threading
import time
import types
import urllib.request
from typing import Any

from dhanhq import DhanContext, marketfeed, orderupdate  # type: ignore[import-not-found, unused-ignore]

URL, CLIENT_ID, ACCESS_TOKEN = sys.argv[1:]
ROOT = URL.replace("http", "ws")
GIVE_UP_S = 30
ENOUGH_FRAMES = 40
asked: dict[str, Any] = json.load(sys.stdin)
report: dict[str, Any] = {
    "said": [],
    "frames": [],
    "login": [],
    "updates": [],
    "errors": [],
}
done = threading.Event()
marketfeed.MarketFeed.market_feed_wss = ROOT


def control(what: str, asked: Any) -> None:
    request = urllib.request.Request(f"{URL}/_sim/{what}", json.dumps(asked).encode())
    urllib.request.urlopen(request, timeout=10).close()


def check() -> None:
    names = {
        (told["told"]["exchange_segment"], str(told["told"]["security_id"]), told["told"]["type"])
        for told in report["frames"]
        if isinstance(told["told"], dict)
    }
    kinds = {15: "Ticker Data", 17: "Quote Data", 21: "Full Data"}
    wanted = {(segment, one, kinds[mode]) for segment, one, mode in asked["instruments"]}
    statuses = [update["told"]["Data"]["status"] for update in report["updates"]]
    has_updates = not asked["order"] or "Traded" in statuses
    if len(report["frames"]) >= ENOUGH_FRAMES and names >= wanted and has_updates:
        done.set()


class Prices(marketfeed.MarketFeed):  # type: ignore[misc, unused-ignore]
    def process_data(self, data: bytes) -> Any:
        told = super().process_data(data)
        report["frames"].append({"payload": base64.b64encode(data).decode(), "told": told})
        check()
        return told


def recording(kept: list[str]) -> types.SimpleNamespace:
    """The module `json`, as far as the SDK uses it; what it is asked to write is what the client says."""

    def dumps(value: Any) -> str:
        kept.append(json.dumps(value))
        return kept[-1]

    def loads(text: str) -> Any:
        report["updates"].append({"text": text, "told": {}})
        return json.loads(text)

    return types.SimpleNamespace(dumps=dumps, loads=loads)


def on_update(update: dict[str, Any]) -> None:
    report["updates"][-1]["told"] = update
    check()


def on_error(_: Any, error: Exception) -> None:
    report["errors"].append(type(error).__name__)
    done.set()


def hear_prices() -> Any:
    marketfeed.json = recording(report["said"])
    context = DhanContext(CLIENT_ID, ACCESS_TOKEN)
    instruments = [tuple(each) for each in asked["instruments"]]
    prices = Prices(context, instruments, "v2", on_error=on_error)
    prices.start()
    return prices


def hear_updates() -> None:
    orderupdate.json = recording(report["login"])
    updates = orderupdate.OrderUpdate(DhanContext(CLIENT_ID, ACCESS_TOKEN))
    updates.order_feed_wss = ROOT
    updates.on_update = on_update
    threading.Thread(target=updates.connect_to_dhan_websocket_sync, daemon=True).start()
    time.sleep(1)
    control("place", asked["order"])


with contextlib.redirect_stdout(io.StringIO()):  # the SDK prints, tokens too
    prices = hear_prices()
    if asked["order"]:
        hear_updates()
    done.wait(GIVE_UP_S)
    if not report["errors"]:
        prices.unsubscribe_symbols([tuple(each) for each in asked["instruments"]])
        time.sleep(0.5)
sys.stdout.write(json.dumps(report))
sys.stdout.flush()
os._exit(0)  # its threads would go on
