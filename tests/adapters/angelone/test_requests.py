"""What is sent for each operation, as values; and what is refused before anything is sent."""

from collections.abc import Generator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ordo_adapters.angelone import ANGELONE
from ordod.adapter import (
    IST,
    BrokerError,
    Conversion,
    Exchange,
    Fault,
    GttLeg,
    HttpRequest,
    HttpResponse,
    Instrument,
    Interval,
    NewGtt,
    OrderChanges,
    OrderType,
    Product,
    Side,
    Validity,
    Variety,
    canonical,
)
from tests.adapters.angelone.making import (
    CRUDE,
    GOLD,
    LISTED,
    NIFTY,
    OPTION,
    SBIN,
    SESSION,
    listed,
    order,
    row,
    sample,
    success,
)
from tests.adapters.bench import history

KNOWN = (
    ("Accept", "application/json"),
    ("X-UserType", "USER"),
    ("X-SourceID", "WEB"),
    ("X-ClientLocalIP", "127.0.0.1"),
    ("X-ClientPublicIP", "192.0.2.10"),
    ("X-MACAddress", "02:00:00:00:00:01"),
    ("X-PrivateKey", "key0"),
    ("Authorization", "Bearer jwt0"),
)
SECURE = "/rest/secure/angelbroking"
AT = datetime(2025, 10, 13, 9, 15, tzinfo=IST)


def asked(dialogue: Generator[Any, Any, Any], *answers: HttpResponse) -> HttpRequest:
    """The request that follows these answers."""
    request = next(dialogue)
    for answer in answers:
        request = dialogue.send(answer)
    assert isinstance(request, HttpRequest)
    return request


def refused(dialogue: Generator[Any, Any, Any], *answers: HttpResponse) -> BrokerError:
    with pytest.raises(BrokerError) as error:
        asked(dialogue, *answers)
    return error.value


def place(one: Instrument = SBIN, **more: Any) -> Generator[Any, Any, Any]:
    return ANGELONE.place(SESSION, order(symbol=one.symbol, **more), one)


def modify(changes: OrderChanges, **more: Any) -> Generator[Any, Any, Any]:
    return ANGELONE.modify(SESSION, row(**more), changes, SBIN)


def gtt(**more: Any) -> NewGtt:
    terms: dict[str, Any] = {
        "trigger_price": Decimal(780),
        "side": Side.BUY,
        "quantity": 10,
        "price": Decimal("781.5"),
    }
    return NewGtt(symbol="NSE:SBIN", legs=(GttLeg(**(terms | more)),))


# Orders


def test_a_limit_order_byte_by_byte() -> None:
    request = asked(place())

    assert (request.method, request.host, request.target()) == (
        "POST",
        "rest",
        f"{SECURE}/order/v1/placeOrder",
    )
    assert request.headers == KNOWN
    assert (request.group, request.writes) == ("orders.place", True)
    content_type, body = request.body()
    assert content_type == "application/json"
    assert body == (
        b'{"variety":"NORMAL","tradingsymbol":"SBIN-EQ","symboltoken":"3045","transactiontype":"BUY","exchange":"NSE",'
        b'"ordertype":"LIMIT","producttype":"DELIVERY","duration":"DAY","price":"812.5","triggerprice":"0","squareoff":"0",'
        b'"stoploss":"0","quantity":"10","ordertag":"a7f3a91c2dk5m7q2w3x"}'
    )


@pytest.mark.parametrize(
    ("more", "sent"),
    [
        ({"type": OrderType.MARKET, "price": None}, ("NORMAL", "MARKET", "0", "0")),
        (
            {"type": OrderType.SL, "trigger_price": Decimal("812.40")},
            ("STOPLOSS", "STOPLOSS_LIMIT", "812.5", "812.4"),
        ),
        (
            {"type": OrderType.SL_M, "price": None, "trigger_price": Decimal(812)},
            ("STOPLOSS", "STOPLOSS_MARKET", "0", "812"),
        ),
    ],
)
def test_a_stop_goes_under_a_variety_of_its_own(
    more: dict[str, Any], sent: tuple[str, ...]
) -> None:
    body = asked(place(**more)).json

    assert tuple(body[n] for n in ("variety", "ordertype", "price", "triggerprice")) == sent


def test_products_validity_and_disclosed_quantity() -> None:
    words = [asked(place(product=product)).json["producttype"] for product in Product]
    body = asked(place(validity=Validity.IOC, disclosed_quantity=5, tag=None)).json

    assert words == ["DELIVERY", "INTRADAY", "CARRYFORWARD", "MARGIN"]
    assert (body["duration"], body["disclosedquantity"]) == ("IOC", "5")
    assert "ordertag" not in body


def test_quantities_are_units_on_every_exchange() -> None:
    crude = asked(place(CRUDE, quantity=200, product=Product.NRML)).json
    option = asked(place(OPTION, quantity=150, product=Product.NRML)).json

    assert (crude["exchange"], crude["quantity"]) == ("MCX", "200")
    assert (option["exchange"], option["quantity"]) == ("NFO", "150")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"variety": Variety.AMO}, "after hours"),
        ({"variety": Variety.ICEBERG}, "variety"),
        ({"variety": Variety.CO}, "variety"),
        ({"validity": Validity.TTL, "validity_minutes": 5}, "validity"),
        ({"type": OrderType.MARKET, "price": None, "market_protection": Decimal(2)}, "its own"),
        ({"one": GOLD, "quantity": 10}, "no table"),
        ({"one": NIFTY}, "no table"),
    ],
)
def test_what_the_broker_cannot_do_is_refused_before_a_request(
    more: dict[str, Any], words: str
) -> None:
    error = refused(place(**more))

    assert error.fault is Fault.UNSUPPORTED
    assert words in error.message


def test_a_quantity_of_broken_lots_is_refused_before_a_request() -> None:
    assert refused(place(OPTION, quantity=74)).fault is Fault.INVALID_INPUT


def test_the_automatic_protection_is_what_there_is() -> None:
    body = asked(place(type=OrderType.MARKET, price=None, market_protection=Decimal(-1))).json

    assert body["ordertype"] == "MARKET"


def test_a_change_sends_the_whole_order_as_it_is_to_be() -> None:
    request = asked(modify(OrderChanges(price=Decimal("811.50")), disclosed_quantity=5))

    assert (request.path, request.group) == (f"{SECURE}/order/v1/modifyOrder", "orders.modify")
    assert request.writes
    assert request.json == {
        "variety": "NORMAL",
        "orderid": "251013000481205",
        "ordertype": "LIMIT",
        "producttype": "DELIVERY",
        "duration": "DAY",
        "price": "811.5",
        "triggerprice": "0",
        "quantity": "10",
        "tradingsymbol": "SBIN-EQ",
        "symboltoken": "3045",
        "exchange": "NSE",
        "disclosedquantity": "5",
    }


def test_a_change_to_market_has_no_price() -> None:
    body = asked(modify(OrderChanges(type=OrderType.MARKET, quantity=20))).json

    assert (body["ordertype"], body["price"], body["quantity"]) == ("MARKET", "0", "20")


def test_a_stop_is_changed_under_its_variety_even_when_it_is_parked() -> None:
    stop: dict[str, Any] = {"type": OrderType.SL, "trigger_price": Decimal(810)}

    body = asked(modify(OrderChanges(trigger_price=Decimal(811)), **stop, variety=Variety.AMO)).json

    assert (body["variety"], body["triggerprice"], body["price"]) == ("STOPLOSS", "811", "812.5")


@pytest.mark.parametrize(
    ("changes", "more", "fault"),
    [
        (OrderChanges(type=OrderType.SL, trigger_price=Decimal(1)), {}, Fault.UNSUPPORTED),
        (OrderChanges(type=OrderType.LIMIT), {"type": OrderType.SL}, Fault.UNSUPPORTED),
        (OrderChanges(quantity=1), {"variety": None}, Fault.UNSUPPORTED),
        (OrderChanges(quantity=1), {"product": None}, Fault.UNSUPPORTED),
        (OrderChanges(quantity=1), {"validity": None}, Fault.UNSUPPORTED),
        (
            OrderChanges(type=OrderType.LIMIT),
            {"type": OrderType.MARKET, "price": None},
            Fault.INVALID_INPUT,
        ),
    ],
)
def test_a_change_that_cannot_be_is_refused_before_a_request(
    changes: OrderChanges, more: dict[str, Any], fault: Fault
) -> None:
    assert refused(modify(changes, **more)).fault is fault


@pytest.mark.parametrize(
    ("more", "variety"),
    [
        ({}, "NORMAL"),
        ({"variety": Variety.AMO}, "NORMAL"),  # shown so in the book, refused so in a cancel
        ({"type": OrderType.SL_M}, "STOPLOSS"),
        ({"trigger_price": Decimal(810)}, "STOPLOSS"),  # triggered: a limit order by now
    ],
)
def test_a_cancel_names_the_variety_the_order_was_placed_under(
    more: dict[str, Any], variety: str
) -> None:
    request = asked(ANGELONE.cancel(SESSION, row(**more)))

    assert (request.path, request.group) == (f"{SECURE}/order/v1/cancelOrder", "orders.cancel")
    assert request.json == {"variety": variety, "orderid": "251013000481205"}
    assert request.writes


def test_a_bracket_orders_leg_is_not_cancelled_here() -> None:
    assert refused(ANGELONE.cancel(SESSION, row(variety=None))).fault is Fault.UNSUPPORTED


@pytest.mark.parametrize(
    ("dialogue", "path", "group"),
    [
        (ANGELONE.user(SESSION), "/user/v1/getProfile", "user"),
        (ANGELONE.orders(SESSION, LISTED), "/order/v1/getOrderBook", "book"),
        (ANGELONE.trail(SESSION, "1", LISTED), "/order/v1/getOrderBook", "book"),
        (ANGELONE.trades(SESSION, LISTED), "/order/v1/getTradeBook", "trades"),
        (ANGELONE.positions(SESSION, LISTED), "/order/v1/getPosition", "positions"),
        (ANGELONE.holdings(SESSION, LISTED), "/portfolio/v1/getHolding", "holdings"),
        (ANGELONE.funds(SESSION), "/user/v1/getRMS", "funds"),
    ],
)
def test_a_book_is_asked_for_in_its_own_window(
    dialogue: Generator[Any, Any, Any], path: str, group: str
) -> None:
    request = asked(dialogue)

    assert (request.method, request.target(), request.group) == ("GET", SECURE + path, group)
    assert request.headers == (*KNOWN, ("Content-Type", "application/json"))
    assert not request.writes


def test_one_order_is_asked_for_by_the_id_in_the_book() -> None:
    request = asked(ANGELONE.trail(SESSION, "251013000481205", LISTED), sample("order_book.json"))

    unique_id = "8d0b7f0e-1f6c-4b57-9c4a-1f3f27c2a4b1"
    assert request.target() == f"{SECURE}/order/v1/details/{unique_id}"
    assert request.group == "others"


# Triggers


def test_a_trigger_is_made_and_changed() -> None:
    made = asked(ANGELONE.place_gtt(SESSION, gtt(), SBIN))
    changed = asked(
        ANGELONE.modify_gtt(SESSION, "1857148", gtt(), SBIN), sample("handmade_rule.json")
    )

    assert made.path == f"/gtt-service{SECURE}/gtt/v1/createRule"
    assert made.body()[1] == (
        b'{"tradingsymbol":"SBIN-EQ","symboltoken":"3045","exchange":"NSE","producttype":"DELIVERY","transactiontype":"BUY",'
        b'"price":781.5,"qty":10,"triggerprice":780,"disclosedqty":10,"timeperiod":365}'
    )
    assert changed.path == f"/gtt-service{SECURE}/gtt/v1/modifyRule"
    assert changed.body()[1] == (
        b'{"id":"1857148","symboltoken":"3045","exchange":"NSE","price":781.5,"qty":10,"triggerprice":780,"disclosedqty":10,'
        b'"timeperiod":365}'
    )
    assert (made.writes, changed.writes, made.group) == (True, True, "gtts")


def test_a_trigger_is_cancelled_under_the_instrument_its_details_name() -> None:
    dialogue = ANGELONE.cancel_gtt(SESSION, "1857148")

    details = asked(dialogue)
    request = dialogue.send(sample("handmade_rule.json"))

    assert (details.path, details.json) == (f"{SECURE}/gtt/v1/ruleDetails", {"id": "1857148"})
    assert not details.writes
    assert request.path == f"/gtt-service{SECURE}/gtt/v1/cancelRule"
    assert request.json == {"id": "1857148", "symboltoken": "3045", "exchange": "NSE"}
    assert request.writes


@pytest.mark.parametrize(
    ("wish", "one"),
    [
        (gtt(type=OrderType.MARKET), SBIN),
        (gtt(product=Product.MIS), SBIN),
        (gtt(), OPTION),
        (NewGtt(symbol="NSE:SBIN", legs=gtt().legs * 2), SBIN),
    ],
)
def test_a_trigger_that_cannot_be_is_refused_before_a_request(
    wish: NewGtt, one: Instrument
) -> None:
    assert refused(ANGELONE.place_gtt(SESSION, wish, one)).fault is Fault.UNSUPPORTED


@pytest.mark.parametrize("wish", [gtt(side=Side.SELL), gtt(product=Product.MTF)])
def test_a_change_the_broker_would_not_make_is_refused_before_it_is_sent(wish: NewGtt) -> None:
    dialogue = ANGELONE.modify_gtt(SESSION, "1857148", wish, SBIN)

    assert refused(dialogue, sample("handmade_rule.json")).fault is Fault.UNSUPPORTED


def test_triggers_are_asked_for_page_by_page() -> None:
    dialogue = ANGELONE.gtts(SESSION, LISTED)

    first = asked(dialogue)
    second = dialogue.send(success([{}] * 50))

    assert first.json == {"status": ["FORALL"], "page": 1, "count": 50}
    assert second.json == {"status": ["FORALL"], "page": 2, "count": 50}


# The rest


def test_a_conversion() -> None:
    conversion = Conversion(
        symbol="NSE:SBIN",
        side=Side.BUY,
        quantity=10,
        from_product=Product.MIS,
        to_product=Product.CNC,
    )

    request = asked(ANGELONE.convert(SESSION, conversion, SBIN))

    assert request.json == {
        "exchange": "NSE",
        "symboltoken": "3045",
        "oldproducttype": "INTRADAY",
        "newproducttype": "DELIVERY",
        "tradingsymbol": "SBIN-EQ",
        "transactiontype": "BUY",
        "quantity": 10,
        "type": "DAY",
    }
    assert request.writes


def test_margins_are_asked_for_together() -> None:
    pair = (order(price=Decimal("120.50"), quantity=75, product=Product.NRML), OPTION)

    request = asked(ANGELONE.margin(SESSION, (pair, pair)))

    assert request.json["positions"][1] == {
        "exchange": "NFO",
        "qty": 75,
        "price": Decimal("120.50"),
        "productType": "CARRYFORWARD",
        "token": "44662",
        "tradeType": "BUY",
        "orderType": "LIMIT",
    }
    assert refused(ANGELONE.margin(SESSION, (pair,) * 51)).fault is Fault.UNSUPPORTED


def test_quotes_are_asked_for_fifty_at_a_time_under_their_exchange() -> None:
    sensex = listed(Exchange.BSE_INDEX, "SENSEX")

    dialogue = ANGELONE.quotes(SESSION, (SBIN, NIFTY, sensex, OPTION))
    many = ANGELONE.ltp(SESSION, tuple(_numbered(51)))

    assert asked(dialogue).json == {
        "mode": "FULL",
        "exchangeTokens": {"NSE": ["3045", "99926000"], "BSE": ["99919000"], "NFO": ["44662"]},
    }
    assert len(asked(many).json["exchangeTokens"]["NSE"]) == 50
    second = many.send(success({"fetched": [], "unfetched": []}))
    assert second.json == {"mode": "LTP", "exchangeTokens": {"NSE": ["50"]}}


def _numbered(count: int) -> list[Instrument]:
    fields = {name: getattr(SBIN, name) for name in Instrument.__struct_fields__}
    return [Instrument(**(fields | {"instrument_token": str(n)})) for n in range(count)]


def test_candles_are_asked_for_in_spans_that_touch() -> None:
    dialogue = history(ANGELONE, SESSION, SBIN, Interval.M1, AT, AT + timedelta(days=45))

    first = asked(dialogue)
    second = dialogue.send(success(None))

    assert first.json == {
        "exchange": "NSE",
        "symboltoken": "3045",
        "interval": "ONE_MINUTE",
        "fromdate": "2025-10-13 09:15",
        "todate": "2025-11-12 09:15",
    }
    assert (second.json["fromdate"], second.json["todate"]) == (
        "2025-11-12 09:15",
        "2025-11-27 09:15",
    )


def test_the_instrument_file_is_asked_for_without_a_session() -> None:
    request = asked(ANGELONE.master(SESSION))

    assert (request.host, request.path) == (
        "master",
        "/OpenAPI_File/files/OpenAPIScripMaster.json",
    )
    assert request.headers == ()


def test_logout_names_the_client() -> None:
    request = asked(ANGELONE.logout(SESSION))

    assert (request.path, request.json) == (
        f"{SECURE}/user/v1/logout",
        {"clientcode": "A100001"},
    )
    assert not request.writes


def test_prices_are_written_short() -> None:
    body = asked(place(price=Decimal("1450.00"))).json

    assert body["price"] == canonical(Decimal(1450)) == "1450"
