"""Every request of ours is the one that FYERS' own SDK sends for the same wish (`samples/vendor/requests.json`).

The differences are known and meant: the SDK names the API's version in a header that FYERS' documentation does not ask for, says
JSON of requests that have no body, and sends `null` with a logout.
"""

import json
from collections.abc import Callable, Generator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ordo_adapters.fyers import FYERS
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
    Session,
    Side,
    Status,
    Validity,
    Variety,
)
from ordod.adapter.suite import Listed, load
from tests.adapters.bench import history

SAMPLES = Path(__file__).parent / "samples"
SENT: dict[str, Any] = {
    one["name"]: one["request"]
    for one in json.loads((SAMPLES / "vendor" / "requests.json").read_text())["sent"]
}
LISTED = load(SAMPLES).instruments
SBIN, CRUDE = LISTED["NSE:SBIN"], LISTED["MCX:CRUDEOIL19JAN26FUT"]
MAHINDRA = replace(SBIN, symbol="NSE:M&M", broker_symbol="NSE:M&M-EQ")
SESSION = Session(user_id="XA00001", access_token=Secret("token0"), api_key="ABCD1234XY-100")
NONE = Listed(())
TAG = "a7f3a91c2dk5m7q2w3xy"
DAY = datetime(2026, 1, 5, tzinfo=IST)


def place(**more: Any) -> Generator[HttpRequest, HttpResponse, Any]:
    terms: dict[str, Any] = {
        "symbol": "NSE:SBIN",
        "side": Side.BUY,
        "quantity": 5,
        "type": OrderType.LIMIT,
        "product": Product.MIS,
        "price": Decimal("801.50"),
        "tag": TAG,
    }
    return FYERS.place(SESSION, NewOrder(**(terms | more)), SBIN)


ROW = BrokerOrder(
    broker_order_id="26010500000123",
    status=Status.OPEN,
    symbol="NSE:SBIN",
    side=Side.BUY,
    quantity=5,
    type=OrderType.LIMIT,
    product=Product.MIS,
)


def modify(**changes: Any) -> Generator[HttpRequest, HttpResponse, Any]:
    return FYERS.modify(SESSION, ROW, OrderChanges(**changes), SBIN)


def leg(trigger: int, price: int) -> GttLeg:
    return GttLeg(trigger_price=Decimal(trigger), side=Side.SELL, quantity=1, price=Decimal(price))


LOWER, UPPER = leg(761, 760), leg(849, 850)
TWO_LEGS = NewGtt(symbol="NSE:SBIN", legs=(LOWER, UPPER))
SOLD: dict[str, Any] = {"side": Side.SELL, "trigger_price": Decimal(796)}
CONVERSION = Conversion(
    symbol="NSE:SBIN",
    side=Side.BUY,
    quantity=1,
    from_product=Product.MIS,
    to_product=Product.CNC,
)

OURS: dict[str, Callable[[], Generator[HttpRequest, HttpResponse, Any]]] = {
    "logout": lambda: FYERS.logout(SESSION),
    "profile": lambda: FYERS.user(SESSION),
    "place_limit": place,
    "place_market": lambda: place(type=OrderType.MARKET, price=None),
    "place_sl": lambda: place(**SOLD, type=OrderType.SL, price=Decimal(795)),
    "place_slm": lambda: place(**SOLD, type=OrderType.SL_M, price=None),
    "place_ioc": lambda: place(validity=Validity.IOC),
    "place_disclosed": lambda: place(disclosed_quantity=2),
    "place_amo": lambda: place(variety=Variety.AMO),
    "place_mcx": lambda: FYERS.place(
        SESSION,
        NewOrder(
            symbol=CRUDE.symbol,
            side=Side.BUY,
            quantity=200,
            type=OrderType.LIMIT,
            product=Product.NRML,
            price=Decimal(5800),
            tag=TAG,
        ),
        CRUDE,
    ),
    "modify": lambda: modify(price=Decimal(800), quantity=6),
    "modify_to_sl": lambda: modify(
        type=OrderType.SL, price=Decimal(800), trigger_price=Decimal(799)
    ),
    "cancel": lambda: FYERS.cancel(SESSION, ROW),
    "orders": lambda: FYERS.orders(SESSION, NONE),
    "by_tag": lambda: FYERS.by_tag(SESSION, TAG, NONE),
    "trades": lambda: FYERS.trades(SESSION, NONE),
    "gtt_place_one": lambda: FYERS.place_gtt(
        SESSION, NewGtt(symbol="NSE:SBIN", legs=(UPPER,)), SBIN
    ),
    "gtt_place_two": lambda: FYERS.place_gtt(SESSION, TWO_LEGS, SBIN),
    "gtt_modify": lambda: FYERS.modify_gtt(SESSION, "25012400000001", TWO_LEGS, SBIN),
    "gtt_cancel": lambda: FYERS.cancel_gtt(SESSION, "25012400000001"),
    "gtts": lambda: FYERS.gtts(SESSION, NONE),
    "positions": lambda: FYERS.positions(SESSION, NONE),
    "holdings": lambda: FYERS.holdings(SESSION, NONE),
    "funds": lambda: FYERS.funds(SESSION),
    "convert": lambda: FYERS.convert(SESSION, CONVERSION, SBIN),
    "quotes": lambda: FYERS.ltp(SESSION, (SBIN, MAHINDRA)),
    "depth": lambda: FYERS.quotes(SESSION, (SBIN,)),
    "candles_of_minutes": lambda: history(
        FYERS,
        SESSION,
        MAHINDRA,
        Interval.M5,
        DAY.replace(hour=9, minute=15),
        DAY.replace(hour=15, minute=30),
    ),
    "candles_of_days": lambda: history(FYERS, SESSION, CRUDE, Interval.D1, DAY, DAY.replace(day=6)),
}


def plain(request: HttpRequest) -> dict[str, Any]:
    """A request of ours as the sample writes the SDK's."""
    content_type, body = request.body()
    said: dict[str, Any] = {
        "method": request.method,
        "path": request.path,
        "query": [list(pair) for pair in request.query],
        "headers": {name.lower(): value for name, value in request.headers},
    }
    if content_type:
        said["headers"]["content-type"] = content_type
        said["json"] = json.loads(body)
    return said


def vendor(name: str) -> dict[str, Any]:
    """The SDK's request, less what it sends beyond the documentation."""
    said = dict(SENT[name])
    said["headers"] = {key: text for key, text in said["headers"].items() if key != "version"}
    if said.get("json") is None:
        said.pop("json", None)
        said["headers"].pop("content-type", None)
    return said


@pytest.mark.parametrize("name", OURS)
def test_our_request_is_the_one_the_sdk_sends(name: str) -> None:
    request = next(OURS[name]())

    assert plain(request) == vendor(name)


def test_an_auth_code_is_exchanged_as_the_sdk_does() -> None:
    credentials = Credentials(
        api_key=Secret("ABCD1234XY-100"),
        api_secret=Secret("SECRET1234"),
        options={"redirect_uri": "https://app.example/back"},
    )
    dialogue = FYERS.login(credentials, DAY)
    next(dialogue)

    request = dialogue.send("https://app.example/back?s=ok&auth_code=header.payload.signature")

    assert isinstance(request, HttpRequest)
    assert plain(request) == vendor("session")


def test_every_call_of_the_sample_is_compared() -> None:
    assert set(SENT) == {*OURS, "session"}
