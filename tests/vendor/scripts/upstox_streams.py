"""Upstox's own streaming clients for some seconds: `upstox_streams.py WS_URL URL ACCESS_TOKEN`, and on standard input
`{"keys": {"mode": [key, ...]}, "order": {...}, "frames": [base64, ...]}`.

Writes one JSON object: each frame of prices with what the client made of it, what it was told of orders, positions and holdings,
the addresses that the SDK is given by `authorize`, and what the SDK's own reader says of the frames that were given.
"""

import base64
import json
import sys
import threading
import urllib.request
from typing import Any

import upstox_client  # type: ignore[import-not-found, unused-ignore]
import websocket  # type: ignore[import-not-found, unused-ignore]
from upstox_client.feeder.market_data_streamer_v3 import (  # type: ignore[import-not-found, unused-ignore]
    json_format,
)

ROOT, URL, ACCESS_TOKEN = sys.argv[1:]
ENOUGH_FRAMES = 10
GIVE_UP_S = 30
asked: dict[str, Any] = json.load(sys.stdin)
report: dict[str, Any] = {"frames": [], "updates": [], "errors": [], "reconnects": 0}
done = threading.Event()
WebSocketApp = websocket.WebSocketApp


def redirected(address: str, **more: Any) -> Any:
    """The SDK knows one address only."""
    return WebSocketApp(address.replace("wss://api.upstox.com", ROOT), **more)


websocket.WebSocketApp = redirected


def control(what: str, asked: Any) -> None:
    request = urllib.request.Request(f"{URL}/_sim/{what}", json.dumps(asked).encode())
    urllib.request.urlopen(request, timeout=10).close()


def is_enough() -> bool:
    kinds = {json.loads(update)["update_type"] for update in report["updates"]}
    return len(report["frames"]) >= ENOUGH_FRAMES and {"order", "position"} <= kinds


def on_prices(message: Any) -> None:
    report["frames"][-1]["told"] = message
    if is_enough():
        done.set()


def on_update(message: str) -> None:
    report["updates"].append(message)


def on_error(error: Any) -> None:
    report["errors"].append(str(error))
    done.set()


def on_reconnecting(words: Any) -> None:
    report["reconnects"] += 1


configuration = upstox_client.Configuration()
configuration.host = URL
configuration.access_token = ACCESS_TOKEN
client = upstox_client.ApiClient(configuration)

(mode, keys), *rest = asked["keys"].items()
prices = upstox_client.MarketDataStreamerV3(client, keys, mode)
decode = prices.decode_protobuf


def decoded(payload: bytes) -> Any:
    report["frames"].append({"payload": base64.b64encode(payload).decode()})
    return decode(payload)


prices.decode_protobuf = decoded
updates = upstox_client.PortfolioDataStreamer(
    client, order_update=True, position_update=True, holding_update=True, gtt_update=True
)


def on_prices_open() -> None:
    for mode, keys in rest:
        prices.subscribe(keys, mode)
    updates.connect()


def on_updates_open() -> None:
    threading.Thread(target=control, args=("place", asked["order"])).start()


prices.on("open", on_prices_open)
prices.on("message", on_prices)
updates.on("open", on_updates_open)
updates.on("message", on_update)
for streamer in (prices, updates):
    streamer.on("error", on_error)
    streamer.on("reconnecting", on_reconnecting)

prices.connect()
done.wait(GIVE_UP_S)
for streamer in (prices, updates):
    if streamer.feeder is not None and streamer.feeder.ws.sock is not None:
        streamer.disconnect()

if not report["errors"]:
    api = upstox_client.WebsocketApi(client)
    report["authorized"] = [
        api.get_market_data_feed_authorize_v3().data.authorized_redirect_uri,
        api.get_portfolio_stream_feed_authorize("2.0").data.authorized_redirect_uri,
    ]


def read(payload: bytes) -> Any:
    try:
        message = decode(payload)
    except Exception as error:  # noqa: BLE001 - its class is the result
        return {"raised": type(error).__name__}
    return json_format.MessageToDict(message)


report["read"] = [read(base64.b64decode(frame)) for frame in asked["frames"]]
sys.stdout.write(json.dumps(report))
