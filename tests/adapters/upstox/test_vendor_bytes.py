"""Every request of ours is the one that Upstox's own SDK sends for the same wish (`samples/vendor/requests.json`).

Known and meant differences: the SDK sends `Content-Type` without a body and an empty object with a DELETE, asks the order calls
for `*/*`, leaves `Api-Version` out of the margin call and the token out of candles, calls the key of the v2 quotes `symbol`
(Upstox's documentation calls it `instrument_key`, as its v3 does), and lacks `response_type` on the login page.
"""

import json
from collections.abc import Callable, Generator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ordo_adapters.upstox import UPSTOX
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
from tests.adapters.bench import history

SAMPLE = Path(__file__).parent / "samples" / "vendor" / "requests.json"
SENT: dict[str, Any] = {
    one["name"]: one["request"] for one in json.loads(SAMPLE.read_text())["sent"]
}
SESSION = Session(user_id="ZZ0001", access_token=Secret("token0"))
NOW = datetime(2026, 11, 25, 10, 0, tzinfo=IST)
CREDENTIALS = Credentials(
    api_key=Secret("client0"),
    api_secret=Secret("secret0"),
    options={"redirect_uri": "http://127.0.0.1:8800/"},
)


class NoInstruments:
    """A master that is empty: nothing is read here."""

    def by_broker_symbol(self, exchange: Exchange, broker_symbol: str) -> Instrument | None:
        return None

    def by_token(self, instrument_token: str) -> Instrument | None:
        return None


NONE = NoInstruments()


def instrument(
    exchange: Exchange, key: str, kind: InstrumentKind = InstrumentKind.EQUITY, lot: int = 1
) -> Instrument:
    return Instrument(
        exchange=exchange,
        symbol=f"{exchange}:X",
        broker_symbol="X",
        instrument_token=key,
        kind=kind,
        tick_size=Decimal("0.05"),
        lot_size=lot,
        expiry=date(2026, 12, 29) if kind is InstrumentKind.FUTURE else None,
    )


INFY = instrument(Exchange.NSE, "NSE_EQ|INE009A01021")
NIFTY = instrument(Exchange.NSE_INDEX, "NSE_INDEX|Nifty 50", InstrumentKind.INDEX)
FUTURE = instrument(Exchange.NFO, "NSE_FO|40062", InstrumentKind.FUTURE, 75)
CRUDE = instrument(Exchange.MCX, "MCX_FO|499095", InstrumentKind.FUTURE, 100)


def order(**more: Any) -> NewOrder:
    terms: dict[str, Any] = {
        "symbol": "NSE:X",
        "side": Side.BUY,
        "quantity": 10,
        "type": OrderType.LIMIT,
        "product": Product.CNC,
        "price": Decimal("1450.5"),
        "tag": "a7f3a91c2dk5m7q2w3xy",
    }
    return NewOrder(**(terms | more))


def place(instrument: Instrument = INFY, **more: Any) -> Generator[Any, Any, Any]:
    return UPSTOX.place(SESSION, order(**more), instrument)


ROW = BrokerOrder(
    broker_order_id="260105000987654",
    status=Status.OPEN,
    symbol="NSE:X",
    side=Side.BUY,
    quantity=10,
    type=OrderType.LIMIT,
    product=Product.CNC,
    validity=Validity.DAY,
    variety=Variety.REGULAR,
    price=Decimal("1450.5"),
)


def modify(**more: Any) -> Generator[Any, Any, Any]:
    return UPSTOX.modify(SESSION, ROW, OrderChanges(**more), INFY)


def gtt(trigger: str) -> NewGtt:
    price = Decimal(trigger)
    leg = GttLeg(trigger_price=price, price=price, side=Side.SELL, quantity=10)
    return NewGtt(symbol="NSE:X", legs=(leg,), last_price=Decimal(1450))


def candles() -> Generator[Any, Any, Any]:
    start, end = (datetime(2026, 11, day, 10, 0, tzinfo=IST) for day in (20, 24))
    return history(UPSTOX, SESSION, NIFTY, Interval.M5, start, end)


def positions_mtf() -> Generator[Any, Any, Any]:
    dialogue = UPSTOX.positions(SESSION, NONE)
    next(dialogue)
    return _after(dialogue, b'{"status":"success","data":[]}')


def candles_today() -> Generator[Any, Any, Any]:
    dialogue = candles()
    next(dialogue)
    return _after(dialogue, b'{"status":"success","data":{"candles":[]}}')


def login(mode: str = "") -> Generator[Any, Any, Any]:
    credentials = Credentials(
        api_key=CREDENTIALS.api_key,
        api_secret=CREDENTIALS.api_secret,
        mode=mode,
        options=CREDENTIALS.options,
    )
    return UPSTOX.login(credentials, NOW)


def login_by_code() -> Generator[Any, Any, Any]:
    dialogue = login()
    next(dialogue)
    yield dialogue.send("mk404xQ")


def _after(dialogue: Any, body: bytes) -> Generator[Any, Any, Any]:
    yield dialogue.send(HttpResponse(200, (), body))


CALLS: dict[str, Callable[[], Generator[Any, Any, Any]]] = {
    "login": login_by_code,
    "login_push": lambda: login("push"),
    "logout": lambda: UPSTOX.logout(SESSION),
    "user": lambda: UPSTOX.user(SESSION),
    "place_limit": place,
    "place_market": lambda: place(type=OrderType.MARKET, price=None),
    "place_market_protected": lambda: place(
        type=OrderType.MARKET, price=None, market_protection=Decimal("2.5")
    ),
    "place_sl": lambda: place(
        type=OrderType.SL,
        price=Decimal("1395.5"),
        trigger_price=Decimal("1400.5"),
        side=Side.SELL,
        product=Product.MIS,
    ),
    "place_slm": lambda: place(
        type=OrderType.SL_M,
        price=None,
        trigger_price=Decimal("1400.5"),
        side=Side.SELL,
        product=Product.MIS,
    ),
    "place_ioc": lambda: place(validity=Validity.IOC),
    "place_disclosed": lambda: place(disclosed_quantity=5),
    "place_amo": lambda: place(variety=Variety.AMO),
    "place_future": lambda: place(
        FUTURE, quantity=75, price=Decimal("120.05"), product=Product.NRML
    ),
    "place_mcx": lambda: place(CRUDE, quantity=200, price=Decimal(5800), product=Product.NRML),
    "modify_price": lambda: modify(price=Decimal("1449.5")),
    "modify_quantity": lambda: modify(quantity=20),
    "modify_to_market": lambda: modify(type=OrderType.MARKET),
    "cancel": lambda: UPSTOX.cancel(SESSION, ROW),
    "orders": lambda: UPSTOX.orders(SESSION, NONE),
    "trail": lambda: UPSTOX.trail(SESSION, ROW.broker_order_id, NONE),
    "by_tag": lambda: UPSTOX.by_tag(SESSION, "a7f3a91c2dk5m7q2w3xy", NONE),
    "trades": lambda: UPSTOX.trades(SESSION, NONE),
    "place_gtt": lambda: UPSTOX.place_gtt(SESSION, gtt("1500.5"), INFY),
    "modify_gtt": lambda: UPSTOX.modify_gtt(SESSION, "GTT-C26010500123456", gtt("1400"), INFY),
    "cancel_gtt": lambda: UPSTOX.cancel_gtt(SESSION, "GTT-C26010500123456"),
    "gtts": lambda: UPSTOX.gtts(SESSION, NONE),
    "positions": lambda: UPSTOX.positions(SESSION, NONE),
    "positions_mtf": positions_mtf,
    "holdings": lambda: UPSTOX.holdings(SESSION, NONE),
    "funds": lambda: UPSTOX.funds(SESSION),
    "convert": lambda: UPSTOX.convert(
        SESSION,
        Conversion(
            symbol="NSE:X",
            side=Side.BUY,
            quantity=10,
            from_product=Product.MIS,
            to_product=Product.CNC,
        ),
        INFY,
    ),
    "margin": lambda: UPSTOX.margin(
        SESSION,
        (
            (order(), INFY),
            (order(quantity=5, type=OrderType.MARKET, price=None), INFY),
        ),
    ),
    "quotes": lambda: UPSTOX.quotes(SESSION, (INFY, NIFTY)),
    "ltp": lambda: UPSTOX.ltp(SESSION, (INFY, NIFTY)),
    "candles": candles,
    "candles_today": candles_today,
}


def as_sent(request: HttpRequest) -> dict[str, Any]:
    """As the recorder keeps it; the other host shows in the path."""
    content_type, body = request.body()
    parts = urlsplit(request.target())
    headers = {name.lower(): value for name, value in request.headers}
    kept: dict[str, Any] = {
        "method": request.method,
        "path": f"/hft{parts.path}" if request.host == "hft" else parts.path,
        "query": [list(pair) for pair in parse_qsl(parts.query, keep_blank_values=True)],
        "headers": headers | ({"content-type": content_type} if content_type else {}),
    }
    if content_type == "application/json":
        kept["json"] = json.loads(body)
    elif body:
        kept["form"] = dict(parse_qsl(body.decode(), keep_blank_values=True))
    return kept


def comparable(request: dict[str, Any]) -> dict[str, Any]:
    """Without the differences that are known."""
    kept = dict(request)
    headers = dict(kept["headers"])
    assert headers.pop("accept") in ("*/*", "application/json")
    if kept.get("json") == {}:
        del kept["json"]
    if "json" not in kept and "form" not in kept:
        headers.pop("content-type", None)
    if kept["path"] == "/v2/charges/margin":
        headers.pop("api-version", None)
    if "historical-candle" in kept["path"]:
        headers.pop("authorization", None)
    if kept["path"] == "/v2/market-quote/quotes":
        kept["query"] = [["symbol", value] for _, value in kept["query"]]
    return kept | {"headers": headers}


@pytest.mark.parametrize("name", CALLS)
def test_a_request_is_what_the_sdk_sends(name: str) -> None:
    request = next(CALLS[name]())

    assert isinstance(request, HttpRequest)
    assert comparable(as_sent(request)) == comparable(SENT[name])


def test_every_recorded_request_is_compared() -> None:
    assert set(SENT) == {*CALLS, "login_page"}


def test_the_login_page_is_the_sdks() -> None:
    ask: Any = next(login())
    parts = urlsplit(ask.url)

    assert isinstance(ask, Ask)
    assert parts.path == SENT["login_page"]["path"]
    theirs = dict(SENT["login_page"]["query"])
    assert dict(parse_qsl(parts.query)) == theirs | {"response_type": "code"}


def test_times_are_indian_whatever_zone_is_asked_in() -> None:
    start = datetime(2026, 11, 20, 19, 0, tzinfo=UTC)  # the 21st in India
    request = next(history(UPSTOX, SESSION, NIFTY, Interval.M5, start, NOW))

    assert request.path.endswith("/2026-11-25/2026-11-21")
