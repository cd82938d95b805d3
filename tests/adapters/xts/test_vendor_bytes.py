"""Every request of ours is the one that Symphony's own SDKs send for the same wish (`iifl/samples/vendor/requests.json`).

The differences are known and meant: the SDK for Node puts a `clientID` of `undefined` into two queries where an investor names none.
"""

import json
from collections.abc import Callable, Generator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ordo_adapters.xts import IIFL
from ordod.adapter import (
    IST,
    BrokerOrder,
    Conversion,
    Credentials,
    HttpRequest,
    HttpResponse,
    Interval,
    NewOrder,
    OrderChanges,
    OrderType,
    Product,
    Secret,
    Session,
    Side,
    Status,
    Validity,
)
from ordod.adapter.suite import Listed, load, play
from tests.adapters.bench import history

SAMPLES = Path(__file__).parent / "samples"
SENT: dict[str, Any] = {
    one["name"]: one["request"]
    for one in json.loads(
        (SAMPLES.parents[1] / "iifl" / "samples" / "vendor" / "requests.json").read_text()
    )["sent"]
}
INFY = load(SAMPLES).instruments["NSE:INFY"]
SESSION = Session(
    user_id="CL1234",
    access_token=Secret("token0"),
    extra={"market_token": Secret("token0")},
)
NONE = Listed(())
DAY = datetime(2026, 9, 7, tzinfo=IST)
PREFIXES = {"interactive": "/interactive", "market": "/apimarketdata"}
EMPTY = HttpResponse(200, (), b'{"type":"success","result":""}')
KEYS = Credentials(
    api_key=Secret("interactive-app-key"),
    api_secret=Secret("interactive-secret"),
    secrets={
        "market_api_key": Secret("market-app-key"),
        "market_api_secret": Secret("market-secret"),
    },
)


def file(name: str) -> HttpResponse:
    return HttpResponse(200, (), (SAMPLES / name).read_bytes())


def place(**more: Any) -> Generator[HttpRequest, HttpResponse, Any]:
    terms: dict[str, Any] = {
        "symbol": "NSE:INFY",
        "side": Side.BUY,
        "quantity": 3,
        "type": OrderType.LIMIT,
        "product": Product.MIS,
        "price": Decimal("1510.50"),
        "tag": "a7f3a91c2dk5m7q2w3xy",
    }
    return IIFL.place(SESSION, NewOrder(**(terms | more)), INFY)


ROW = BrokerOrder(
    broker_order_id="1200030045",
    status=Status.OPEN,
    symbol="NSE:INFY",
    side=Side.BUY,
    quantity=3,
    type=OrderType.LIMIT,
    product=Product.MIS,
    validity=Validity.DAY,
    price=Decimal("1510.5"),
    tags=("od7f3k2m",),
)
CHANGES = OrderChanges(price=Decimal(1509), quantity=5)
SOLD: dict[str, Any] = {"side": Side.SELL, "trigger_price": Decimal(1500)}
CONVERSION = Conversion(
    symbol="NSE:INFY",
    side=Side.BUY,
    quantity=3,
    from_product=Product.MIS,
    to_product=Product.CNC,
)
START, END = DAY.replace(hour=9, minute=15), DAY.replace(hour=15, minute=30)

# The dialogue, and how many answers it has before the request that is compared.
OURS: dict[str, tuple[Callable[[], Any], tuple[HttpResponse, ...]]] = {
    "login": (lambda: IIFL.login(KEYS, DAY), ()),
    "market_login": (
        lambda: IIFL.login(KEYS, DAY),
        (file("login.json"), file("profile.json")),
    ),
    "logout": (lambda: IIFL.logout(SESSION), ()),
    "market_logout": (lambda: IIFL.logout(SESSION), (file("changed.json"),)),
    "profile": (lambda: IIFL.user(SESSION), ()),
    "place_limit": (place, ()),
    "place_market": (lambda: place(type=OrderType.MARKET, price=None), ()),
    "place_sl": (lambda: place(**SOLD, type=OrderType.SL, price=Decimal(1499)), ()),
    "place_slm": (lambda: place(**SOLD, type=OrderType.SL_M, price=None), ()),
    "place_ioc": (lambda: place(validity=Validity.IOC, disclosed_quantity=1), ()),
    "modify": (lambda: IIFL.modify(SESSION, ROW, CHANGES, INFY), ()),
    "cancel": (lambda: IIFL.cancel(SESSION, ROW), ()),
    "orders": (lambda: IIFL.orders(SESSION, NONE), ()),
    "trail": (lambda: IIFL.trail(SESSION, ROW.broker_order_id, NONE), ()),
    "trades": (lambda: IIFL.trades(SESSION, NONE), ()),
    "positions": (lambda: IIFL.positions(SESSION, NONE), ()),
    "holdings": (lambda: IIFL.holdings(SESSION, NONE), ()),
    "funds": (lambda: IIFL.funds(SESSION), ()),
    "convert": (lambda: IIFL.convert(SESSION, CONVERSION, INFY), ()),
    "quotes": (lambda: IIFL.quotes(SESSION, (INFY,)), ()),
    "ltp": (lambda: IIFL.ltp(SESSION, (INFY,)), ()),
    "candles": (lambda: history(IIFL, SESSION, INFY, Interval.M1, START, END), ()),
    "master": (lambda: IIFL.master(SESSION), ()),
    "indices": (lambda: IIFL.master(SESSION), (EMPTY,) * 6),
}


def plain(request: HttpRequest) -> dict[str, Any]:
    """A request of ours as the sample writes the SDK's."""
    content_type, body = request.body()
    said: dict[str, Any] = {
        "method": request.method,
        "path": f"{PREFIXES[request.host]}{request.path}",
        "query": [list(pair) for pair in request.query],
        "headers": {name.lower(): value for name, value in request.headers},
    }
    if content_type:
        said["headers"]["content-type"] = content_type
        said["json"] = json.loads(body)
    return said


def vendor(name: str) -> dict[str, Any]:
    """The SDK's request, less the client it does not know."""
    said = dict(SENT[name])
    said["query"] = [pair for pair in said["query"] if pair != ["clientID", "undefined"]]
    return said


@pytest.mark.parametrize("name", OURS)
def test_our_request_is_the_one_the_sdk_sends(name: str) -> None:
    dialogue, before = OURS[name]

    requests = play(dialogue(), before).requests

    assert plain(requests[-1]) == vendor(name)


def test_an_untagged_order_is_cancelled_with_an_empty_tag() -> None:
    request = next(IIFL.cancel(SESSION, replace(ROW, tags=())))

    assert request.query == (("appOrderID", "1200030045"), ("orderUniqueIdentifier", ""))


def test_every_call_of_the_sample_is_compared() -> None:
    assert set(SENT) == set(OURS)
