"""What is asked of Upstox, as values; `test_vendor_bytes.py` compares it with the SDK's requests."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from ordo_adapters.upstox import UPSTOX
from ordo_adapters.upstox.tables import SEGMENT
from ordod.adapter import (
    IST,
    BrokerError,
    Conversion,
    Exchange,
    Fault,
    GttLeg,
    HttpRequest,
    Instrument,
    Interval,
    NewGtt,
    OrderChanges,
    OrderType,
    Product,
    Side,
    Validity,
    Variety,
)
from ordod.adapter.suite import play
from tests.adapters.bench import history
from tests.adapters.upstox.listed import CRUDE, LISTED, NIFTY, NOW, OPTION, ROW, SBIN, SESSION
from tests.adapters.upstox.listed import answer as answered
from tests.adapters.upstox.listed import order as new_order

TOKEN = ("Authorization", "Bearer the-session-token-of-the-tests")
ACCEPT = ("Accept", "application/json")
V2, V3 = (ACCEPT, TOKEN, ("Api-Version", "2.0")), (ACCEPT, TOKEN)
NO_CANDLES = answered(b'{"status":"success","data":{"candles":[]}}')


def test_an_order_goes_to_the_order_host_as_json() -> None:
    request = next(UPSTOX.place(SESSION, new_order(), SBIN))

    assert request == HttpRequest(
        "POST",
        "hft",
        "/v3/order/place",
        "orders.place",
        V3,
        json={
            "quantity": 10,
            "product": "D",
            "validity": "DAY",
            "price": Decimal("801.5"),
            "tag": "o7f3a91c2dk5m7q2w3xy",
            "instrument_token": "NSE_EQ|INE062A01020",
            "order_type": "LIMIT",
            "transaction_type": "BUY",
            "disclosed_quantity": 0,
            "trigger_price": 0,
            "is_amo": False,
        },
        writes=True,
    )


def test_the_bytes_of_an_order() -> None:
    request = next(UPSTOX.place(SESSION, new_order(type=OrderType.MARKET, price=None), SBIN))

    assert request.target() == "/v3/order/place"
    assert request.body() == (
        "application/json",
        (
            b'{"quantity":10,"product":"D","validity":"DAY","price":0,"tag":"o7f3a91c2dk5m7q2w3xy",'
            b'"instrument_token":"NSE_EQ|INE062A01020","order_type":"MARKET","transaction_type":"BUY",'
            b'"disclosed_quantity":0,"trigger_price":0,"is_amo":false,"market_protection":-1}'
        ),
    )


def test_an_order_without_a_tag_has_no_tag() -> None:
    request = next(UPSTOX.place(SESSION, new_order(tag=None), SBIN))

    assert "tag" not in request.json


def test_commodities_are_ordered_in_lots() -> None:
    terms = new_order(quantity=300, disclosed_quantity=100, product=Product.NRML)

    request = next(UPSTOX.place(SESSION, terms, CRUDE))

    assert (request.json["quantity"], request.json["disclosed_quantity"]) == (3, 1)


@pytest.mark.parametrize(
    ("more", "instrument", "fault"),
    [
        ({"quantity": 150, "product": Product.NRML}, CRUDE, Fault.INVALID_INPUT),
        ({"product": Product.NRML}, SBIN, Fault.INVALID_INPUT),
        ({"product": Product.CNC}, OPTION, Fault.INVALID_INPUT),
        ({"validity": Validity.TTL, "validity_minutes": 5}, SBIN, Fault.UNSUPPORTED),
        ({"variety": Variety.ICEBERG, "iceberg_legs": 2}, SBIN, Fault.UNSUPPORTED),
        ({"variety": Variety.CO, "trigger_price": Decimal(800)}, SBIN, Fault.UNSUPPORTED),
        ({}, NIFTY, Fault.UNSUPPORTED),
        (
            {"type": OrderType.MARKET, "price": None, "market_protection": Decimal(0)},
            SBIN,
            Fault.INVALID_INPUT,
        ),
        (
            {"type": OrderType.MARKET, "price": None, "market_protection": Decimal(26)},
            SBIN,
            Fault.INVALID_INPUT,
        ),
    ],
)
def test_what_upstox_does_not_have_is_refused_before_any_request(
    more: dict[str, Any], instrument: Instrument, fault: Fault
) -> None:
    played = play(UPSTOX.place(SESSION, new_order(**more), instrument), [])

    assert played.requests == []
    assert played.error is not None
    assert played.error.fault is fault


def test_a_contract_of_unknown_size_is_not_ordered() -> None:
    unknown = msgspec.structs.replace(CRUDE, lot_size=None)

    played = play(UPSTOX.place(SESSION, new_order(product=Product.NRML), unknown), [])

    assert played.error is not None
    assert played.error.fault is Fault.UNSUPPORTED


def test_a_change_repeats_what_must_be_there_and_no_more() -> None:
    request = next(UPSTOX.modify(SESSION, ROW, OrderChanges(quantity=20), SBIN))

    assert (request.method, request.host, request.path) == ("PUT", "hft", "/v3/order/modify")
    assert (request.group, request.writes) == ("orders.modify", True)
    assert request.json == {
        "order_id": "260105000987654",
        "order_type": "LIMIT",
        "validity": "DAY",
        "price": Decimal("801.5"),
        "trigger_price": 0,
        "quantity": 20,
    }


def test_a_change_to_another_type_drops_the_prices_it_has_none_of() -> None:
    stop = msgspec.structs.replace(ROW, type=OrderType.SL, trigger_price=Decimal(800))

    to_market = next(UPSTOX.modify(SESSION, stop, OrderChanges(type=OrderType.MARKET), SBIN)).json
    to_limit = next(UPSTOX.modify(SESSION, stop, OrderChanges(type=OrderType.LIMIT), SBIN)).json

    assert (to_market["price"], to_market["trigger_price"]) == (0, 0)
    assert to_market["market_protection"] == -1
    assert (to_limit["price"], to_limit["trigger_price"]) == (Decimal("801.5"), 0)
    assert "market_protection" not in to_limit


def test_a_cancel_names_its_order_in_the_query() -> None:
    request = next(UPSTOX.cancel(SESSION, ROW))

    assert request == HttpRequest(
        "DELETE",
        "hft",
        "/v3/order/cancel",
        "orders.cancel",
        V3,
        query=(("order_id", "260105000987654"),),
        writes=True,
    )


@pytest.mark.parametrize(
    ("make", "path", "headers"),
    [
        (lambda: UPSTOX.user(SESSION), "/v2/user/profile", V2),
        (lambda: UPSTOX.orders(SESSION, LISTED), "/v2/order/retrieve-all", V2),
        (
            lambda: UPSTOX.trail(SESSION, "260105000987654", LISTED),
            "/v2/order/history?order_id=260105000987654",
            V2,
        ),
        (lambda: UPSTOX.by_tag(SESSION, "abc", LISTED), "/v2/order/history?tag=abc", V2),
        (
            lambda: UPSTOX.trades(SESSION, LISTED),
            "/v2/order/trades/get-trades-for-day",
            V2,
        ),
        (lambda: UPSTOX.gtts(SESSION, LISTED), "/v3/order/gtt", V3),
        (
            lambda: UPSTOX.positions(SESSION, LISTED),
            "/v2/portfolio/short-term-positions",
            V2,
        ),
        (lambda: UPSTOX.holdings(SESSION, LISTED), "/v2/portfolio/long-term-holdings", V2),
        (lambda: UPSTOX.funds(SESSION), "/v3/user/get-funds-and-margin", V3),
        (
            lambda: UPSTOX.quotes(SESSION, (SBIN, NIFTY)),
            "/v2/market-quote/quotes?instrument_key=NSE_EQ%7CINE062A01020%2CNSE_INDEX%7CNifty+50",
            V2,
        ),
        (
            lambda: UPSTOX.ltp(SESSION, (SBIN,)),
            "/v3/market-quote/ltp?instrument_key=NSE_EQ%7CINE062A01020",
            V3,
        ),
    ],
)
def test_a_read_asks_the_other_host(
    make: Callable[[], Any], path: str, headers: tuple[tuple[str, str], ...]
) -> None:
    request = next(make())

    assert (request.method, request.host, request.target()) == ("GET", "rest", path)
    assert request.headers == headers
    assert not request.writes


def test_the_instrument_file_is_asked_for_without_the_session() -> None:
    request = next(UPSTOX.master(SESSION))

    assert (request.host, request.headers) == ("assets", ())
    assert request.path == "/market-quote/instruments/exchange/complete.json.gz"


def test_quotes_of_many_are_asked_for_by_five_hundreds() -> None:
    many = tuple(
        msgspec.structs.replace(SBIN, symbol=f"NSE:S{n}", instrument_token=f"NSE_EQ|{n}")
        for n in range(1001)
    )

    played = play(UPSTOX.ltp(SESSION, many), [answered(b'{"status":"success","data":{}}')] * 3)

    assert [len(r.query[0][1].split(",")) for r in played.requests] == [500, 500, 1]
    assert played.value == {}


# Candles


def asked_days(interval: Interval, start: datetime, end: datetime) -> list[str]:
    played = play(history(UPSTOX, SESSION, NIFTY, interval, start, end), [NO_CANDLES] * 20)
    assert played.is_over
    return [request.path.removeprefix("/v3/historical-candle/") for request in played.requests]


def test_today_is_asked_for_besides_where_history_has_nothing_of_the_last_day() -> None:
    start = datetime(2025, 11, 12, 9, 15, tzinfo=IST)

    assert asked_days(Interval.M15, start, NOW) == [
        "NSE_INDEX|Nifty 50/minutes/15/2025-12-10/2025-11-12",
        "intraday/NSE_INDEX|Nifty 50/minutes/15",
        "NSE_INDEX|Nifty 50/minutes/15/2026-01-05/2025-12-10",
        "intraday/NSE_INDEX|Nifty 50/minutes/15",
    ]


def test_no_part_is_longer_than_upstox_allows() -> None:
    start = NOW - timedelta(days=3700)

    assert asked_days(Interval.D1, start, NOW)[2].endswith("/days/1/2026-01-05/2025-11-16")


def test_a_key_is_encoded_in_the_path() -> None:
    request = next(history(UPSTOX, SESSION, NIFTY, Interval.M1, NOW, NOW))

    assert request.target() == (
        "/v3/historical-candle/NSE_INDEX%7CNifty%2050/minutes/1/2026-01-05/2026-01-05"
    )


# GTT


def gtt(**more: Any) -> NewGtt:
    leg: dict[str, Any] = {
        "trigger_price": Decimal(850),
        "price": Decimal(850),
        "side": Side.BUY,
        "quantity": 5,
        "product": Product.CNC,
    }
    return NewGtt(symbol="NSE:SBIN", legs=(GttLeg(**(leg | more)),), last_price=Decimal(804))


def test_a_trigger_says_on_which_side_of_the_price_it_lies() -> None:
    above = next(UPSTOX.place_gtt(SESSION, gtt(), SBIN))
    below = next(
        UPSTOX.place_gtt(SESSION, gtt(trigger_price=Decimal(790), price=Decimal(790)), SBIN)
    )

    assert (above.host, above.group, above.writes) == ("rest", "orders.gtt", True)
    assert above.json == {
        "type": "SINGLE",
        "quantity": 5,
        "rules": [
            {"strategy": "ENTRY", "trigger_type": "ABOVE", "trigger_price": Decimal(850)},
        ],
        "product": "D",
        "instrument_token": "NSE_EQ|INE062A01020",
        "transaction_type": "BUY",
    }
    assert below.json["rules"][0]["trigger_type"] == "BELOW"


@pytest.mark.parametrize(
    "more", [{"price": Decimal(851)}, {"type": OrderType.MARKET}, {"type": OrderType.SL}]
)
def test_a_trigger_that_would_release_something_else_is_refused(more: dict[str, Any]) -> None:
    played = play(UPSTOX.place_gtt(SESSION, gtt(**more), SBIN), [])

    assert played.requests == []
    assert played.error is not None
    assert played.error.fault is Fault.UNSUPPORTED


def test_a_trigger_at_the_price_of_now_is_refused() -> None:
    played = play(
        UPSTOX.place_gtt(SESSION, gtt(trigger_price=Decimal(804), price=Decimal(804)), SBIN), []
    )

    assert played.requests == []
    assert played.error is not None
    assert played.error.fault is Fault.INVALID_INPUT


def test_without_a_price_no_trigger_is_placed() -> None:
    unpriced = msgspec.structs.replace(gtt(), last_price=None)

    played = play(
        UPSTOX.place_gtt(SESSION, unpriced, SBIN), [answered(b'{"status":"success","data":{}}')]
    )

    assert [request.path for request in played.requests] == ["/v3/market-quote/ltp"]
    assert played.error is not None
    assert played.error.fault is Fault.INVALID_INPUT


# Portfolio


def test_a_conversion_is_counted_in_lots_where_upstox_counts_them() -> None:
    conversion = Conversion(
        symbol=CRUDE.symbol,
        side=Side.SELL,
        quantity=200,
        from_product=Product.MIS,
        to_product=Product.NRML,
    )

    request = next(UPSTOX.convert(SESSION, conversion, CRUDE))

    assert request.writes
    assert request.json == {
        "instrument_token": "MCX_FO|499095",
        "new_product": "D",
        "old_product": "I",
        "transaction_type": "SELL",
        "quantity": 2,
    }


def test_the_margin_of_more_orders_than_upstox_takes_is_not_asked_for() -> None:
    played = play(UPSTOX.margin(SESSION, ((new_order(), SBIN),) * 21), [])

    assert played.requests == []
    assert played.error is not None
    assert played.error.fault is Fault.INVALID_INPUT


def test_a_dead_token_is_told_by_its_code() -> None:
    dialogue = UPSTOX.user(SESSION)
    next(dialogue)
    body = b'{"status":"error","errors":[{"errorCode":"UDAPI100050","message":"Invalid token"}]}'

    with pytest.raises(BrokerError) as refused:
        dialogue.send(answered(body, 401))

    assert (refused.value.fault, refused.value.code) == (Fault.AUTH_EXPIRED, "UDAPI100050")


def test_every_exchange_of_ours_has_a_segment() -> None:
    assert set(SEGMENT) == set(Exchange)
