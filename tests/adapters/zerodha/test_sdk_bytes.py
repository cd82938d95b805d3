"""Vendor's bytes: what Zerodha's own SDK sends equals what we send (DESIGN 8).

`samples/sdk_requests.json` is what kiteconnect 5.2.2 sent, so that these tests need no SDK; the last one asks the SDK again,
in an environment of its own. The SDK repeats the path's parameters in form and query; that is left out of the comparison.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from msgspec import structs

from ordo_adapters.zerodha import ZERODHA
from ordod.adapter import (
    IST,
    BrokerOrder,
    Conversion,
    Credentials,
    GttLeg,
    HttpRequest,
    HttpResponse,
    Interval,
    NewGtt,
    NewOrder,
    OrderChanges,
    OrderType,
    Product,
    Secret,
    Side,
    Status,
    Validity,
    Variety,
)
from ordod.adapter.suite import Listed, load, play

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SAMPLES = load(HERE / "samples")
RECORDED: dict[str, Any] = json.loads((HERE / "samples" / "sdk_requests.json").read_bytes())
ECHOED = {"variety", "order_id", "interval"}  # parameters of a path, which the SDK says again
ENVIRONMENT = ROOT / ".vendor-envs" / "kiteconnect-5.2.2"

SESSION = SAMPLES.session
SBIN = SAMPLES.instruments["NSE:SBIN"]
INFY = SAMPLES.instruments["NSE:INFY"]
INDEX = SAMPLES.instruments["NSE_INDEX:NIFTY"]
NONE = Listed(())
CREDENTIALS = Credentials(api_key=Secret(SESSION.api_key), api_secret=Secret("app-secret"))
LIMIT = NewOrder(
    symbol="NSE:SBIN",
    side=Side.BUY,
    quantity=10,
    type=OrderType.LIMIT,
    product=Product.CNC,
    price=Decimal("801.5"),
    tag="qz7f3a91c2dabcdefgh2",
)
ICEBERG = structs.replace(
    LIMIT,
    type=OrderType.MARKET,
    price=None,
    variety=Variety.ICEBERG,
    iceberg_legs=5,
    validity=Validity.TTL,
    validity_minutes=5,
    tag=None,
)
ROW = BrokerOrder(
    broker_order_id="1950",
    status=Status.OPEN,
    symbol="NSE:SBIN",
    side=Side.BUY,
    quantity=10,
    type=OrderType.LIMIT,
    product=Product.CNC,
    variety=Variety.REGULAR,
)
LEG = structs.replace(ROW, variety=Variety.CO, parent_order_id="19")
GTT = NewGtt(
    symbol="NSE:SBIN",
    legs=tuple(
        GttLeg(trigger_price=Decimal(trigger), side=Side.SELL, quantity=10, price=Decimal(price))
        for trigger, price in (("780", "779.5"), ("830.5", "830"))
    ),
    last_price=Decimal("801.5"),
)
CONVERSION = Conversion(
    symbol="NSE:SBIN",
    side=Side.BUY,
    quantity=10,
    from_product=Product.MIS,
    to_product=Product.CNC,
)
DAY = (datetime(2026, 1, 5, 9, 15, tzinfo=IST), datetime(2026, 1, 5, 15, 30, tzinfo=IST))

OURS: dict[str, Callable[[], Any]] = {
    "profile": lambda: ZERODHA.user(SESSION),
    "limit": lambda: ZERODHA.place(SESSION, LIMIT, SBIN),
    "iceberg": lambda: ZERODHA.place(SESSION, ICEBERG, SBIN),
    "modify": lambda: ZERODHA.modify(SESSION, ROW, OrderChanges(price=Decimal(802)), SBIN),
    "cancel": lambda: ZERODHA.cancel(SESSION, ROW),
    "leave cover": lambda: ZERODHA.cancel(SESSION, LEG),
    "orders": lambda: ZERODHA.orders(SESSION, NONE),
    "trail": lambda: ZERODHA.trail(SESSION, "1950", NONE),
    "trades": lambda: ZERODHA.trades(SESSION, NONE),
    "gtt": lambda: ZERODHA.place_gtt(SESSION, GTT, SBIN),
    "gtt delete": lambda: ZERODHA.cancel_gtt(SESSION, "123"),
    "gtts": lambda: ZERODHA.gtts(SESSION, NONE),
    "positions": lambda: ZERODHA.positions(SESSION, NONE),
    "holdings": lambda: ZERODHA.holdings(SESSION, NONE),
    "funds": lambda: ZERODHA.funds(SESSION),
    "convert": lambda: ZERODHA.convert(SESSION, CONVERSION, SBIN),
    "margin": lambda: ZERODHA.margin(SESSION, ((LIMIT, SBIN),)),
    "basket": lambda: ZERODHA.margin(SESSION, ((LIMIT, SBIN), (LIMIT, SBIN))),
    "quotes": lambda: ZERODHA.quotes(SESSION, (INDEX, INFY)),
    "ltp": lambda: ZERODHA.ltp(SESSION, (INFY,)),
    "candles": lambda: ZERODHA.candles(SESSION, INFY, Interval.M1, *DAY),
    "master": lambda: ZERODHA.master(SESSION),
    "logout": lambda: ZERODHA.logout(SESSION),
}


def told(request: HttpRequest) -> dict[str, Any]:
    """Our request as the recorder writes the SDK's, with the bytes that would go out."""
    target = urlsplit(request.target())
    kind, body = request.body()
    content = json.loads(body) if kind == "application/json" else parse_qsl(body.decode())
    return {
        "method": request.method,
        "host": urlsplit(ZERODHA.spec.hosts[request.host]).netloc,
        "path": target.path,
        "query": parse_qsl(target.query),
        "headers": dict(request.headers) | ({"Content-Type": kind} if kind else {}),
        "body": content,
    }


def meaning(recorded: dict[str, Any]) -> dict[str, Any]:
    """What a recorded request says: pairs in no order, JSON text as its value, the path's parameters once."""
    query = _pairs(recorded["query"])
    body = recorded["body"]
    is_form = not (body and isinstance(body[0], dict))
    return recorded | {"query": query, "body": _pairs(body) if is_form else body}


def _pairs(pairs: list[Any]) -> list[tuple[str, str]]:
    return sorted((name, _text(text)) for name, text in pairs if name not in ECHOED)


def _text(text: str) -> str:
    """JSON text written one way (830.0 is 830); True as Kite's documentation spells it."""
    if text.startswith(("{", "[")):
        return json.dumps(json.loads(text, parse_int=float), sort_keys=True)
    return "true" if text == "True" else text


def test_everything_the_sdk_was_asked_is_asked_of_ours() -> None:
    assert set(RECORDED) == {*OURS, "session"}


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_request_says_what_the_sdk_s_does(name: str) -> None:
    ours = told(next(OURS[name]()))

    assert meaning(ours) == meaning(RECORDED[name])


def test_our_login_proves_itself_as_the_sdk_does() -> None:
    played = play(
        ZERODHA.login(CREDENTIALS, DAY[0]),
        ["r7Q2kLm9XcV4bN8sD1fG6hJ3pW5tZ0yA", HttpResponse(503)],
    )

    assert meaning(told(played.requests[0])) == meaning(RECORDED["session"])


def _python() -> Path:
    """The Python of an environment with the SDK, made once. Skips where it cannot be installed."""
    python = ENVIRONMENT / "bin" / "python"
    if not (ENVIRONMENT / "complete").exists():
        install = [str(python), "-m", "pip", "install", "--quiet", "kiteconnect==5.2.2"]
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
            subprocess.run(install, check=True, capture_output=True, timeout=180)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"kiteconnect 5.2.2 cannot be installed here: {error}")
        (ENVIRONMENT / "complete").touch()
    return python


@pytest.mark.vendor
def test_the_recording_is_what_the_sdk_sends_today() -> None:
    python = _python()

    run = subprocess.run([python, HERE / "record_sdk.py"], check=True, capture_output=True)

    assert json.loads(run.stdout) == RECORDED
