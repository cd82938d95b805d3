"""Every request of ours is the one that Angel One's own SDK sends for the same wish (`samples/vendor/requests.json`).

Two differences are known and meant. The SDK puts the arguments of a GET, or `{}`, into the query as JSON text, which the broker
does not read; and with a session at hand it signs its login too. The address it says it comes from is written into it; ours is
the account's, here the same.
"""

import json
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ordo_adapters.angelone import ANGELONE
from ordod.adapter import (
    IST,
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
    OrderTerms,
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

SAMPLES = Path(__file__).parent / "samples"
SENT: dict[str, Any] = {
    one["name"]: one["request"]
    for one in json.loads((SAMPLES / "vendor" / "requests.json").read_text())["sent"]
}
CLIENT = {
    "client_local_ip": "127.0.0.1",
    "client_public_ip": "106.193.147.98",
    "mac_address": "02:00:00:00:00:01",
}
SESSION = Session(
    user_id="A100001",
    access_token=Secret("token0"),
    api_key="key0",
    options=CLIENT,
)
NONE = Listed(())


def instrument(
    exchange: Exchange,
    name: str,
    token: str,
    kind: InstrumentKind = InstrumentKind.EQUITY,
    lot: int | None = 1,
) -> Instrument:
    return Instrument(
        exchange=exchange,
        symbol=f"{exchange}:{name}",
        broker_symbol=name,
        instrument_token=token,
        kind=kind,
        tick_size=Decimal("0.05"),
        lot_size=lot,
    )


SBIN = instrument(Exchange.NSE, "SBIN-EQ", "3045")
OPTION = instrument(Exchange.NFO, "NIFTY28OCT2525000CE", "44662", InstrumentKind.CALL, 75)
NIFTY = instrument(Exchange.NSE_INDEX, "Nifty 50", "99926000", InstrumentKind.INDEX, None)
SENSEX = instrument(Exchange.BSE_INDEX, "SENSEX", "99919000", InstrumentKind.INDEX, None)


def place(one: Instrument = SBIN, **more: Any) -> Generator[HttpRequest, HttpResponse, Any]:
    terms: dict[str, Any] = {
        "symbol": one.symbol,
        "side": Side.BUY,
        "quantity": 10,
        "type": OrderType.LIMIT,
        "product": Product.CNC,
        "price": Decimal("812.50"),
        "tag": "a7f3a91c2dk5m7q2w3x",
    }
    return ANGELONE.place(SESSION, NewOrder(**(terms | more)), one)


def row(**more: Any) -> BrokerOrder:
    terms: dict[str, Any] = {
        "broker_order_id": "251013000481205",
        "status": Status.OPEN,
        "symbol": "NSE:SBIN",
        "side": Side.BUY,
        "quantity": 10,
        "type": OrderType.LIMIT,
        "product": Product.CNC,
        "validity": Validity.DAY,
        "variety": Variety.REGULAR,
        "price": Decimal("812.5"),
    }
    return BrokerOrder(**(terms | more))


SL: dict[str, Any] = {"type": OrderType.SL, "trigger_price": Decimal(800)}
SOLD: dict[str, Any] = {"side": Side.SELL, "product": Product.MIS, "trigger_price": Decimal(800)}
GTT = NewGtt(
    symbol="NSE:SBIN",
    legs=(GttLeg(trigger_price=Decimal(780), side=Side.BUY, quantity=10, price=Decimal(781)),),
)
TERMS = OrderTerms(
    symbol=OPTION.symbol,
    side=Side.SELL,
    quantity=75,
    type=OrderType.LIMIT,
    product=Product.NRML,
    price=Decimal("120.5"),
)


def modify(changes: OrderChanges, **more: Any) -> Generator[HttpRequest, HttpResponse, Any]:
    return ANGELONE.modify(SESSION, row(**more), changes, SBIN)


OURS: dict[str, Callable[[], Generator[Any, Any, Any]]] = {
    "logout": lambda: ANGELONE.logout(SESSION),
    "user": lambda: ANGELONE.user(SESSION),
    "place_limit": place,
    "place_market": lambda: place(type=OrderType.MARKET, price=None),
    "place_sl": lambda: place(**SOLD, type=OrderType.SL, price=Decimal("799.5")),
    "place_slm": lambda: place(**SOLD, type=OrderType.SL_M, price=None),
    "place_ioc": lambda: place(validity=Validity.IOC, product=Product.MTF),
    "place_disclosed": lambda: place(disclosed_quantity=5),
    "place_nfo": lambda: place(OPTION, quantity=75, product=Product.NRML),
    "modify_price": lambda: modify(OrderChanges(price=Decimal("811.5"))),
    "modify_to_market": lambda: modify(OrderChanges(type=OrderType.MARKET, quantity=20)),
    "modify_sl": lambda: modify(
        OrderChanges(trigger_price=Decimal(801)), **(SL | {"price": Decimal("811.5")})
    ),
    "cancel": lambda: ANGELONE.cancel(SESSION, row()),
    "cancel_sl": lambda: ANGELONE.cancel(SESSION, row(**SL)),
    "orders": lambda: ANGELONE.orders(SESSION, NONE),
    "trail": lambda: ANGELONE.trail(SESSION, "251013000481205", NONE),
    "trades": lambda: ANGELONE.trades(SESSION, NONE),
    "positions": lambda: ANGELONE.positions(SESSION, NONE),
    "holdings": lambda: ANGELONE.holdings(SESSION, NONE),
    "funds": lambda: ANGELONE.funds(SESSION),
    "convert": lambda: ANGELONE.convert(
        SESSION,
        Conversion(
            symbol="NSE:SBIN",
            side=Side.BUY,
            quantity=10,
            from_product=Product.MIS,
            to_product=Product.CNC,
        ),
        SBIN,
    ),
    "place_gtt": lambda: ANGELONE.place_gtt(SESSION, GTT, SBIN),
    "modify_gtt": lambda: ANGELONE.modify_gtt(SESSION, "1857148", GTT, SBIN),
    "cancel_gtt_details": lambda: ANGELONE.cancel_gtt(SESSION, "1857148"),
    "cancel_gtt": lambda: ANGELONE.cancel_gtt(SESSION, "1857148"),
    "gtts": lambda: ANGELONE.gtts(SESSION, NONE),
    "margin": lambda: ANGELONE.margin(SESSION, ((TERMS, OPTION),)),
    "quotes": lambda: ANGELONE.quotes(SESSION, (SBIN, OPTION, NIFTY, SENSEX)),
    "ltp": lambda: ANGELONE.ltp(SESSION, (SBIN,)),
    "candles": lambda: history(
        ANGELONE,
        SESSION,
        SBIN,
        Interval.M5,
        datetime(2025, 10, 13, 3, 45, tzinfo=UTC),
        datetime(2025, 10, 13, 15, 30, tzinfo=IST),
    ),
}
FIRST_ANSWERS = {
    "trail": "order_book.json",
    "modify_gtt": "handmade_rule.json",
    "cancel_gtt": "handmade_rule.json",
}  # the second is compared


def plain(request: HttpRequest) -> dict[str, Any]:
    """A request of ours as the sample writes the SDK's."""
    content_type, body = request.body()
    said: dict[str, Any] = {
        "method": request.method,
        "path": request.path,
        "headers": {name.lower(): value for name, value in request.headers},
    }
    if content_type:
        said["headers"]["content-type"] = content_type
        said["json"] = json.loads(body)
    return said


def vendor(name: str) -> dict[str, Any]:
    """The SDK's request, less the query."""
    said = dict(SENT[name])
    query = said.pop("query")
    assert not query or said["method"] == "GET"
    return said


@pytest.mark.parametrize("name", OURS)
def test_our_request_is_the_one_the_sdk_sends(name: str) -> None:
    dialogue = OURS[name]()
    request = next(dialogue)
    if name in FIRST_ANSWERS:
        request = dialogue.send(HttpResponse(200, (), (SAMPLES / FIRST_ANSWERS[name]).read_bytes()))

    assert plain(request) == vendor(name)


def test_the_session_is_asked_for_as_the_sdk_asks() -> None:
    credentials = Credentials(
        user_id="A100001", api_key=Secret("key0"), pin=Secret("4821"), options=CLIENT
    )
    dialogue = ANGELONE.login(credentials, datetime(2025, 10, 13, 8, 30, tzinfo=IST))
    next(dialogue)

    request = dialogue.send("331207")

    assert isinstance(request, HttpRequest)
    said = vendor("login")
    del said["headers"]["authorization"]
    assert plain(request) == said


def test_every_call_of_the_sample_is_compared() -> None:
    assert set(SENT) == {*OURS, "login"}
