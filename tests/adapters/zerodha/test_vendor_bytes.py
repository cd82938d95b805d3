"""Every request of ours is the one that Zerodha's own SDK sends for the same wish (`samples/vendor/requests.json`).

Three differences are known and meant. The SDK repeats path segments in the body or query (`variety`, `order_id`, `interval`);
it writes Python's `True` where Kite documents `true`; and with a session at hand it signs `POST /session/token` too.
"""

import json
from collections.abc import Callable, Generator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ordo_adapters.zerodha import ZERODHA
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
REPEATED = {"variety", "order_id", "interval"}
SESSION = Session(user_id="ZX0001", access_token=Secret("token0"), api_key="key0")
NOW = datetime(2026, 11, 25, 10, 0, tzinfo=IST)


class NoInstruments:
    """A master that is empty: nothing is read here."""

    def by_broker_symbol(self, exchange: Exchange, broker_symbol: str) -> Instrument | None:
        return None

    def by_token(self, instrument_token: str) -> Instrument | None:
        return None


NONE = NoInstruments()


def instrument(
    exchange: Exchange,
    name: str,
    token: str,
    kind: InstrumentKind = InstrumentKind.EQUITY,
    lot: int = 1,
) -> Instrument:
    return Instrument(
        exchange=exchange,
        symbol=f"{exchange}:{name}",
        broker_symbol=name,
        instrument_token=token,
        kind=kind,
        tick_size=Decimal("0.05"),
        lot_size=lot,
        expiry=date(2026, 12, 29) if kind is InstrumentKind.FUTURE else None,
    )


INFY = instrument(Exchange.NSE, "INFY", "408065")
MAHINDRA = instrument(Exchange.NSE, "M&M", "519937")
NIFTY = instrument(Exchange.NSE_INDEX, "NIFTY 50", "256265", InstrumentKind.INDEX)
NIFTY_FUTURE = instrument(Exchange.NFO, "NIFTY26DECFUT", "8960002", InstrumentKind.FUTURE, 65)
CRUDE = instrument(Exchange.MCX, "CRUDEOIL26DECFUT", "107520007", InstrumentKind.FUTURE, 100)


def order(**more: Any) -> NewOrder:
    terms: dict[str, Any] = {
        "symbol": "NSE:INFY",
        "side": Side.BUY,
        "quantity": 10,
        "type": OrderType.LIMIT,
        "product": Product.CNC,
        "price": Decimal("1450.50"),
        "tag": "a7f3a91c2dk5m7q2w3xy",
    }
    return NewOrder(**(terms | more))


def row(variety: Variety = Variety.REGULAR, **more: Any) -> BrokerOrder:
    terms: dict[str, Any] = {
        "broker_order_id": "1953341975595868160",
        "status": Status.OPEN,
        "symbol": "NSE:INFY",
        "side": Side.BUY,
        "quantity": 10,
        "type": OrderType.LIMIT,
        "product": Product.CNC,
        "variety": variety,
    }
    return BrokerOrder(**(terms | more))


def place(**more: Any) -> Generator[HttpRequest, HttpResponse, Any]:
    return ZERODHA.place(SESSION, order(**more), INFY)


def modify(**changes: Any) -> Generator[HttpRequest, HttpResponse, Any]:
    return ZERODHA.modify(SESSION, row(), OrderChanges(**changes), INFY)


def leg(trigger: int, price: str) -> GttLeg:
    return GttLeg(trigger_price=Decimal(trigger), side=Side.SELL, quantity=10, price=Decimal(price))


def gtt(*legs: GttLeg) -> NewGtt:
    return NewGtt(symbol="NSE:INFY", legs=legs, last_price=Decimal("1450.50"))


SOLD = {"side": Side.SELL, "product": Product.MIS}
LOWER, UPPER = leg(1400, "1399.50"), leg(1500, "1500.50")
START = datetime(2026, 11, 24, 3, 45, tzinfo=UTC)  # 09:15 IST
END = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
CONVERSION = Conversion(
    symbol="NSE:INFY",
    side=Side.BUY,
    quantity=10,
    from_product=Product.MIS,
    to_product=Product.CNC,
)

OURS: dict[str, Callable[[], Generator[HttpRequest, HttpResponse, Any]]] = {
    "logout": lambda: ZERODHA.logout(SESSION),
    "profile": lambda: ZERODHA.user(SESSION),
    "place_limit": place,
    "place_market": lambda: place(type=OrderType.MARKET, price=None),
    "place_market_protected": lambda: place(
        type=OrderType.MARKET, price=None, market_protection=Decimal("2.5")
    ),
    "place_sl": lambda: place(
        **SOLD, type=OrderType.SL, price=Decimal("1395.5"), trigger_price=Decimal("1400.5")
    ),
    "place_slm": lambda: place(
        **SOLD, type=OrderType.SL_M, price=None, trigger_price=Decimal("1400.5")
    ),
    "place_ioc": lambda: place(validity=Validity.IOC),
    "place_ttl": lambda: place(validity=Validity.TTL, validity_minutes=5),
    "place_disclosed": lambda: place(disclosed_quantity=5),
    "place_amo": lambda: place(variety=Variety.AMO),
    "place_iceberg": lambda: place(variety=Variety.ICEBERG, iceberg_legs=2),
    "place_cover": lambda: place(
        variety=Variety.CO, product=Product.MIS, trigger_price=Decimal("1400.5")
    ),
    "place_mcx": lambda: ZERODHA.place(
        SESSION, order(quantity=200, product=Product.NRML, price=Decimal(5800)), CRUDE
    ),
    "modify_price": lambda: modify(price=Decimal("1449.50")),
    "modify_quantity": lambda: modify(quantity=20),
    "modify_to_market": lambda: modify(type=OrderType.MARKET),
    "cancel": lambda: ZERODHA.cancel(SESSION, row()),
    "exit_cover": lambda: ZERODHA.cancel(
        SESSION,
        row(
            Variety.CO,
            broker_order_id="1953341975595868161",
            parent_order_id="1953341975595868160",
        ),
    ),
    "orders": lambda: ZERODHA.orders(SESSION, NONE),
    "trail": lambda: ZERODHA.trail(SESSION, "1953341975595868160", NONE),
    "trades": lambda: ZERODHA.trades(SESSION, NONE),
    "positions": lambda: ZERODHA.positions(SESSION, NONE),
    "convert": lambda: ZERODHA.convert(SESSION, CONVERSION, INFY),
    "holdings": lambda: ZERODHA.holdings(SESSION, NONE),
    "funds": lambda: ZERODHA.funds(SESSION),
    "gtt_place_single": lambda: ZERODHA.place_gtt(SESSION, gtt(LOWER), INFY),
    "gtt_place_two_legs": lambda: ZERODHA.place_gtt(SESSION, gtt(LOWER, UPPER), INFY),
    "gtt_modify": lambda: ZERODHA.modify_gtt(SESSION, "123", gtt(LOWER), INFY),
    "gtt_delete": lambda: ZERODHA.cancel_gtt(SESSION, "123"),
    "gtts": lambda: ZERODHA.gtts(SESSION, NONE),
    "margin_of_one": lambda: ZERODHA.margin(SESSION, ((order(), INFY),)),
    "margin_of_two": lambda: ZERODHA.margin(SESSION, ((order(), INFY), (order(), INFY))),
    "quote": lambda: ZERODHA.quotes(SESSION, (INFY, NIFTY, MAHINDRA)),
    "ltp": lambda: ZERODHA.ltp(SESSION, (INFY, NIFTY, MAHINDRA)),
    "candles": lambda: history(ZERODHA, SESSION, INFY, Interval.M5, START, END),
    "candles_with_oi": lambda: history(ZERODHA, SESSION, NIFTY_FUTURE, Interval.D1, START, END),
    "instruments": lambda: ZERODHA.master(SESSION),
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
    if request.form is not None:
        said["form"] = _form(dict(request.form))
    elif content_type:
        said["json"] = json.loads(body)
    return said


def vendor(name: str) -> dict[str, Any]:
    """The SDK's request, less what it repeats."""
    said = dict(SENT[name])
    said["query"] = [
        [key, {"True": "true"}.get(value, value)]
        for key, value in said["query"]
        if key not in REPEATED
    ]
    if "form" in said:
        said["form"] = _form({key: v for key, v in said["form"].items() if key not in REPEATED})
    return said


def _form(form: dict[str, str]) -> dict[str, Any]:
    """The JSON texts inside a trigger's form as what they say: spacing and `1400.0` for `1400` are no difference."""
    return {
        key: json.loads(value) if key in ("condition", "orders") else value
        for key, value in form.items()
    }


@pytest.mark.parametrize("name", OURS)
def test_our_request_is_the_one_the_sdk_sends(name: str) -> None:
    request = next(OURS[name]())

    assert plain(request) == vendor(name)


def test_the_session_is_asked_for_as_the_sdk_asks() -> None:
    credentials = Credentials(api_key=Secret("key0"), api_secret=Secret("secret0"))
    dialogue = ZERODHA.login(credentials, NOW)
    next(dialogue)

    request = dialogue.send("http://127.0.0.1/?status=success&request_token=request0")

    assert isinstance(request, HttpRequest)
    said = vendor("session")
    del said["headers"]["authorization"]
    assert plain(request) == said


def test_every_call_of_the_sample_is_compared() -> None:
    assert set(SENT) == {*OURS, "session"}
