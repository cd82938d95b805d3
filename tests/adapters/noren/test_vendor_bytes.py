"""Every request of ours is the one that Kambala's own SDK sends for the same wish (`samples/vendor/requests.json` of two members).

The differences are known and meant: the SDK says `"None"`, `"NO"` and null where there is nothing, leaves out what a modify keeps, and names
the source of requests that are no orders.
"""

import json
from collections.abc import Callable, Generator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ordo_adapters.noren import FLATTRADE, SHOONYA, NorenGtt
from ordod.adapter import (
    IST,
    BrokerOrder,
    Conversion,
    HttpRequest,
    HttpResponse,
    Instrument,
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
    Variety,
)
from ordod.adapter.suite import Listed, load

ADAPTERS = {"shoonya": SHOONYA, "flattrade": FLATTRADE}
TESTS = Path(__file__).parents[1]
SENT: dict[tuple[str, str], Any] = {
    (member, one["name"]): one["request"]
    for member in ADAPTERS
    for one in json.loads((TESTS / member / "samples/vendor/requests.json").read_text())["sent"]
}
LISTED = load(TESTS / "shoonya" / "samples").instruments
INFY, MAHINDRA = LISTED["NSE:INFY"], LISTED["NSE:M&M"]
SESSION = Session(user_id="FA00001", access_token=Secret("token0"), options={"actid": "FA00001"})
NONE = Listed(())
DAY = datetime(2026, 1, 5, tzinfo=IST)
ROW = BrokerOrder(
    broker_order_id="26010500000417",
    status=Status.OPEN,
    symbol="NSE:INFY",
    side=Side.BUY,
    quantity=3,
    type=OrderType.LIMIT,
    product=Product.MIS,
    validity=Validity.DAY,
    price=Decimal("1510.5"),
)
CONVERSION = Conversion(
    symbol="NSE:INFY",
    side=Side.BUY,
    quantity=3,
    from_product=Product.MIS,
    to_product=Product.CNC,
)
Dialogue = Generator[HttpRequest, HttpResponse, Any]


def place(adapter: NorenGtt, instrument: Instrument = INFY, **more: Any) -> Dialogue:
    terms: dict[str, Any] = {
        "symbol": instrument.symbol,
        "side": Side.BUY,
        "quantity": 3,
        "type": OrderType.LIMIT,
        "product": Product.MIS,
        "price": Decimal("1510.50"),
        "tag": "a7f3a91c2dk5m7q2w3xy",
    }
    return adapter.place(SESSION, NewOrder(**(terms | more)), instrument)


def modify(adapter: NorenGtt, **changes: Any) -> Dialogue:
    terms = OrderChanges(price=Decimal(1509), quantity=4, **changes)
    return adapter.modify(SESSION, ROW, terms, INFY)


STOP: dict[str, Any] = {
    "side": Side.SELL,
    "type": OrderType.SL,
    "price": Decimal(1495),
    "trigger_price": Decimal(1500),
}
OURS: dict[str, Callable[[NorenGtt], Dialogue]] = {
    "place_limit": place,
    "place_sl": lambda a: place(a, **STOP),
    "place_disclosed": lambda a: place(a, disclosed_quantity=1),
    "place_ioc": lambda a: place(a, validity=Validity.IOC),
    "place_amo": lambda a: place(a, variety=Variety.AMO),
    "place_ampersand": lambda a: place(a, MAHINDRA),
    "modify": modify,
    "modify_to_sl": lambda a: modify(a, type=OrderType.SL, trigger_price=Decimal(1508)),
    "cancel": lambda a: a.cancel(SESSION, ROW),
    "orders": lambda a: a.orders(SESSION, NONE),
    "trail": lambda a: a.trail(SESSION, "26010500000417", NONE),
    "trades": lambda a: a.trades(SESSION, NONE),
    "positions": lambda a: a.positions(SESSION, NONE),
    "holdings": lambda a: a.holdings(SESSION, NONE),
    "funds": lambda a: a.funds(SESSION),
    "convert": lambda a: a.convert(SESSION, CONVERSION, INFY),
    "quotes": lambda a: a.quotes(SESSION, (INFY,)),
    "candles_of_minutes": lambda a: a.candles(
        SESSION,
        INFY,
        Interval.M5,
        DAY.replace(hour=9, minute=15),
        DAY.replace(hour=15, minute=30),
    ),
    "candles_of_days": lambda a: a.candles(
        SESSION, INFY, Interval.D1, DAY, DAY.replace(hour=15, minute=30)
    ),
    "logout": lambda a: a.logout(SESSION),
}


def taken_apart(text: str) -> tuple[dict[str, Any], str]:
    """The object and the key of a body, as the order system cuts it."""
    data, _, key = text.removeprefix("jData=").partition("&jKey=")
    return json.loads(data), key


@pytest.mark.parametrize("member", ADAPTERS)
@pytest.mark.parametrize("name", OURS)
def test_our_request_is_the_one_the_sdk_sends(member: str, name: str) -> None:
    request, theirs = next(OURS[name](ADAPTERS[member])), SENT[member, name]
    ours, our_key = taken_apart(request.body()[1].decode())
    said, key = taken_apart(theirs["text"])
    said = {field: value for field, value in said.items() if value not in (None, "None")}
    if name.startswith("modify"):
        assert ours.pop("ret") == "DAY"
    if said.get("amo") == "NO":
        del said["amo"]
    if "ordersource" not in ours:
        said.pop("ordersource", None)

    assert (request.method, request.path) == (theirs["method"], theirs["path"])
    assert (ours, our_key) == (said, key)
    assert {name.lower(): value for name, value in request.headers} == theirs["headers"]


def test_every_call_of_the_samples_is_compared() -> None:
    assert set(SENT) == {(member, name) for member in ADAPTERS for name in OURS}
