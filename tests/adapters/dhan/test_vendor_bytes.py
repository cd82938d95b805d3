"""Every request of ours is the one that Dhan's own SDK sends for the same wish (`samples/vendor/requests.json`).

The differences are known and meant. The SDK sends fields of order kinds that are gone (`boProfitValue`, `boStopLossValue`,
`legName`) as null, a second leg of zeros with a SINGLE forever order, and the client id in the bodies of data calls, where a header
names it. It asks for trades at `/trades/`, and for the profile under a header of another name.
"""

import json
from collections.abc import Callable, Generator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ordo_adapters.dhan import DHAN
from ordod.adapter import (
    IST,
    Ask,
    BrokerOrder,
    Conversion,
    Credentials,
    Exchange,
    GttLeg,
    HttpRequest,
    HttpResponse,
    Instrument,
    InstrumentKind,
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
from ordod.adapter.suite import Listed
from tests.adapters.bench import history

SAMPLE = Path(__file__).parent / "samples" / "vendor" / "requests.json"
SENT: dict[str, Any] = {
    one["name"]: one["request"] for one in json.loads(SAMPLE.read_text())["sent"]
}
GONE = ("boProfitValue", "boStopLossValue", "legName")
SECOND_LEG = ("price1", "triggerPrice1", "quantity1")
SESSION = Session(user_id="1000000003", access_token=Secret("token0"))
NOW = datetime(2026, 1, 8, 10, 0, tzinfo=IST)
NONE = Listed(())
TAG = "a7f3a91c2dk5m7q2w3xy"


def instrument(
    exchange: Exchange, name: str, token: str, kind: InstrumentKind, lot: int | None
) -> Instrument:
    return Instrument(
        exchange=exchange,
        symbol=f"{exchange}:{name}",
        broker_symbol=name,
        instrument_token=token,
        kind=kind,
        tick_size=Decimal("0.1"),
        lot_size=lot,
        name=name.partition("27")[0],
        expiry=date(2026, 1, 27) if kind is InstrumentKind.FUTURE else None,
    )


TCS = instrument(Exchange.NSE, "TCS", "NSE_EQ:11536", InstrumentKind.EQUITY, 1)
NIFTY = instrument(Exchange.NSE_INDEX, "NIFTY", "IDX_I:13", InstrumentKind.INDEX, None)
FUTURE = instrument(Exchange.NFO, "NIFTY27JAN26FUT", "NSE_FNO:52175", InstrumentKind.FUTURE, 75)


def order(**more: Any) -> NewOrder:
    terms: dict[str, Any] = {
        "symbol": "NSE:TCS",
        "side": Side.BUY,
        "quantity": 5,
        "type": OrderType.LIMIT,
        "product": Product.MIS,
        "price": Decimal("3345.50"),
        "tag": TAG,
    }
    return NewOrder(**(terms | more))


def place(on: Instrument = TCS, **more: Any) -> Generator[HttpRequest, HttpResponse, Any]:
    return DHAN.place(SESSION, order(**more), on)


ROW = BrokerOrder(
    broker_order_id="112111182045",
    status=Status.OPEN,
    symbol="NSE:TCS",
    side=Side.BUY,
    quantity=5,
    type=OrderType.LIMIT,
    product=Product.MIS,
    validity=Validity.DAY,
    price=Decimal(3340),
)
STOP: dict[str, Any] = {"side": Side.SELL, "trigger_price": Decimal(3310)}


def leg(trigger: str, price: str) -> GttLeg:
    return GttLeg(trigger_price=Decimal(trigger), side=Side.SELL, quantity=10, price=Decimal(price))


def gtt(*legs: GttLeg) -> NewGtt:
    return NewGtt(symbol="NSE:TCS", legs=legs)


LOWER, UPPER = leg("3301", "3300"), leg("3499", "3500")
CONVERSION = Conversion(
    symbol="NSE:TCS",
    side=Side.BUY,
    quantity=10,
    from_product=Product.MIS,
    to_product=Product.CNC,
)
START = datetime(2026, 1, 8, 3, 45, tzinfo=UTC)  # 09:15 IST
END = datetime(2026, 1, 8, 10, 0, tzinfo=UTC)
PIN = Credentials(user_id="1000000003", pin=Secret("482913"))
PAGE = Credentials(
    user_id="1000000003", api_key=Secret("key0"), api_secret=Secret("secret0"), mode="page"
)


def by_pin() -> Generator[Any, Any, Any]:
    dialogue = DHAN.login(PIN, NOW)
    assert isinstance(next(dialogue), Ask)
    yield dialogue.send("654321")


def consume() -> Generator[Any, Any, Any]:
    dialogue = DHAN.login(PAGE, NOW)
    next(dialogue)
    assert isinstance(dialogue.send(HttpResponse(200, (), b'{"consentAppId":"c0"}')), Ask)
    yield dialogue.send("http://127.0.0.1/?tokenId=4f0a1b2c3d4e")


def modify_gtt() -> Generator[Any, Any, Any]:
    """The list is read first: what is compared is the change."""
    dialogue = DHAN.modify_gtt(SESSION, "5132208051112", gtt(LOWER), TCS)
    next(dialogue)
    listed = {
        "orderId": "5132208051112",
        "orderStatus": "CONFIRM",
        "transactionType": "SELL",
        "exchangeSegment": "NSE_EQ",
        "productType": "CNC",
        "securityId": "11536",
        "quantity": 10,
        "price": 3200.0,
        "triggerPrice": 3201.0,
    }
    yield dialogue.send(HttpResponse(200, (), json.dumps([listed]).encode()))


OURS: dict[str, Callable[[], Generator[Any, Any, Any]]] = {
    "login_by_pin": by_pin,
    "login_consent": lambda: DHAN.login(PAGE, NOW),
    "login_consume": consume,
    "user": lambda: DHAN.user(SESSION),
    "place_limit": place,
    "place_market": lambda: place(type=OrderType.MARKET, price=None),
    "place_sl": lambda: place(**STOP, type=OrderType.SL, price=Decimal(3300)),
    "place_slm_as_we_do": lambda: place(**STOP, type=OrderType.SL_M, price=None),
    "place_ioc": lambda: place(validity=Validity.IOC),
    "place_disclosed": lambda: place(disclosed_quantity=2),
    "place_amo": lambda: place(variety=Variety.AMO),
    "place_future": lambda: place(FUTURE, quantity=75, product=Product.NRML),
    "modify_price_and_quantity": lambda: DHAN.modify(
        SESSION, ROW, OrderChanges(price=Decimal("3345.8"), quantity=40), TCS
    ),
    "modify_to_market": lambda: DHAN.modify(
        SESSION, ROW, OrderChanges(type=OrderType.MARKET, quantity=40), TCS
    ),
    "cancel": lambda: DHAN.cancel(SESSION, ROW),
    "orders": lambda: DHAN.orders(SESSION, NONE),
    "trail": lambda: DHAN.trail(SESSION, "112111182045", NONE),
    "by_tag": lambda: DHAN.by_tag(SESSION, TAG, NONE),
    "trades": lambda: DHAN.trades(SESSION, NONE),
    "place_gtt_single": lambda: DHAN.place_gtt(SESSION, gtt(LOWER), TCS),
    "place_gtt_two_legs": lambda: DHAN.place_gtt(SESSION, gtt(LOWER, UPPER), TCS),
    "modify_gtt": modify_gtt,
    "cancel_gtt": lambda: DHAN.cancel_gtt(SESSION, "5132208051112"),
    "gtts": lambda: DHAN.gtts(SESSION, NONE),
    "positions": lambda: DHAN.positions(SESSION, NONE),
    "holdings": lambda: DHAN.holdings(SESSION, NONE),
    "funds": lambda: DHAN.funds(SESSION),
    "convert": lambda: DHAN.convert(SESSION, CONVERSION, TCS),
    "margin_of_one": lambda: DHAN.margin(SESSION, ((order(), TCS),)),
    "margin_of_two": lambda: DHAN.margin(SESSION, ((order(), TCS), (order(), TCS))),
    "quotes": lambda: DHAN.quotes(SESSION, (TCS, NIFTY, FUTURE)),
    "ltp": lambda: DHAN.ltp(SESSION, (TCS, NIFTY, FUTURE)),
    "candles_of_minutes": lambda: history(DHAN, SESSION, TCS, Interval.M5, START, END),
    "candles_of_days": lambda: history(
        DHAN, SESSION, FUTURE, Interval.D1, START, datetime(2026, 1, 9, 10, 0, tzinfo=UTC)
    ),
    "master": lambda: DHAN.master(SESSION),
}


def plain(request: HttpRequest) -> dict[str, Any]:
    """A request of ours as the sample writes the SDK's."""
    content_type, body = request.body()
    said: dict[str, Any] = {
        "method": request.method,
        "path": request.path,
        "query": [list(pair) for pair in request.query],
        "headers": {
            name.lower(): value for name, value in request.headers if name.lower() != "accept"
        },
    }
    if content_type:
        said["json"] = json.loads(body)
    return said


def vendor(name: str) -> dict[str, Any]:
    """The SDK's request, less the known differences."""
    said = json.loads(json.dumps(SENT[name]))
    said["path"] = said["path"].rstrip("/")
    if name == "user":
        said["headers"]["client-id"] = said["headers"].pop("dhanclientid")
        said["headers"]["content-type"] = "application/json"
    if "json" in said:
        body = said["json"]
        zeros = SECOND_LEG if body.get("orderFlag") == "SINGLE" else ()
        for field in GONE + zeros:
            if not body.get(field):
                body.pop(field, None)
        if said["path"].startswith(("/marketfeed/", "/charts/")):
            del body["dhanClientId"]
    return said  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", OURS)
def test_our_request_is_the_one_the_sdk_sends(name: str) -> None:
    request = next(OURS[name]())

    assert plain(request) == vendor(name)


def test_every_call_of_the_sample_is_compared() -> None:
    assert set(SENT) == set(OURS)
