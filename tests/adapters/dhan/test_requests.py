"""What the adapter asks for, as values: bodies, prices, protection, and what it refuses before a byte is written.

That each request is the one Dhan's SDK sends stands in test_vendor_bytes.py; here are the rules.
"""

import json
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ordo_adapters.dhan import DHAN
from ordod.adapter import (
    IST,
    BrokerOrder,
    Conversion,
    Exchange,
    Fault,
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
    Placed,
    Product,
    Side,
    Status,
    Validity,
    Variety,
)
from ordod.adapter.suite import Played, load, play
from tests.adapters.bench import history

SAMPLES = load(Path(__file__).parent / "samples")
SESSION = SAMPLES.session
TCS = SAMPLES.instruments["NSE:TCS"]  # tick 0.1, circuit limits 3011 and 3680
UNBOUND = replace(TCS, lower_circuit=None, upper_circuit=None)
FUTURE = SAMPLES.instruments["NFO:NIFTY27JAN26FUT"]
CRUDE = SAMPLES.instruments["MCX:CRUDEOIL19JAN26FUT"]
GOLD = SAMPLES.instruments["MCX:GOLD05FEB26FUT"]
ACCEPTED = HttpResponse(200, (), b'{"orderId":"112111182198","orderStatus":"TRANSIT"}')
HEADERS = (
    ("access-token", "the-session-token"),
    ("client-id", "1000000003"),
    ("Content-Type", "application/json"),
    ("Accept", "application/json"),
)


def order(**more: Any) -> NewOrder:
    terms: dict[str, Any] = {
        "symbol": "NSE:TCS",
        "side": Side.BUY,
        "quantity": 5,
        "type": OrderType.LIMIT,
        "product": Product.MIS,
        "price": Decimal("3345.50"),
        "tag": "a7f3a91c2dk5m7q2w3xy",
    }
    return NewOrder(**(terms | more))


def row(**more: Any) -> BrokerOrder:
    terms: dict[str, Any] = {
        "broker_order_id": "112111182045",
        "status": Status.OPEN,
        "symbol": "NSE:TCS",
        "side": Side.BUY,
        "quantity": 5,
        "type": OrderType.LIMIT,
        "product": Product.MIS,
        "validity": Validity.IOC,
        "price": Decimal(3340),
        "disclosed_quantity": 2,
    }
    return BrokerOrder(**(terms | more))


def asked(dialogue: Generator[Any, Any, Any]) -> HttpRequest:
    request = next(dialogue)
    assert isinstance(request, HttpRequest)
    return request


def placed(on: Instrument = TCS, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = asked(DHAN.place(SESSION, order(**more), on)).json
    return body


def refused(dialogue: Generator[Any, Any, Any]) -> Fault:
    """The fault of what is refused before anything is sent."""
    played: Played = play(dialogue, [])
    assert played.error is not None
    assert not played.requests
    return played.error.fault


# Place


def test_an_order_is_one_json_that_writes() -> None:
    request = asked(DHAN.place(SESSION, order(disclosed_quantity=2), TCS))

    assert request == HttpRequest(
        "POST",
        "rest",
        "/orders",
        "orders.place",
        HEADERS,
        json={
            "dhanClientId": "1000000003",
            "transactionType": "BUY",
            "exchangeSegment": "NSE_EQ",
            "securityId": "11536",
            "productType": "INTRADAY",
            "validity": "DAY",
            "quantity": 5,
            "disclosedQuantity": 2,
            "orderType": "LIMIT",
            "price": Decimal("3345.50"),
            "triggerPrice": Decimal(0),
            "afterMarketOrder": False,
            "correlationId": "a7f3a91c2dk5m7q2w3xy",
        },
        writes=True,
    )


def test_prices_are_numbers_of_as_many_digits_as_were_asked() -> None:
    body = asked(DHAN.place(SESSION, order(price=Decimal("0.1") + Decimal("0.2")), TCS)).body()

    assert b'"price":0.3,' in body[1]


def test_an_order_without_a_tag_has_no_correlation_id() -> None:
    assert "correlationId" not in placed(tag=None)


def test_an_order_after_the_market_says_when() -> None:
    body = placed(variety=Variety.AMO)

    assert (body["afterMarketOrder"], body["amoTime"]) == (True, "OPEN")


def test_a_market_order_has_no_price() -> None:
    body = placed(type=OrderType.MARKET, price=None)

    assert (body["orderType"], body["price"], body["triggerPrice"]) == ("MARKET", 0, 0)


def test_quantities_are_units_on_every_exchange() -> None:
    assert placed(CRUDE, quantity=200)["quantity"] == 200
    assert placed(FUTURE, quantity=75)["quantity"] == 75


@pytest.mark.parametrize(
    ("on", "terms"),
    [
        (GOLD, {}),
        (TCS, {"variety": Variety.ICEBERG, "iceberg_legs": 2}),
        (TCS, {"variety": Variety.CO}),
        (TCS, {"validity": Validity.TTL, "validity_minutes": 5}),
    ],
)
def test_what_dhan_cannot_do_is_refused_before_any_request(
    on: Instrument, terms: dict[str, Any]
) -> None:
    assert refused(DHAN.place(SESSION, order(**terms), on)) is Fault.UNSUPPORTED


# SL-M


@dataclass(frozen=True)
class Stop:
    side: Side
    trigger: str
    limit: str
    percent: str | None = None
    on: Instrument = UNBOUND


@pytest.mark.parametrize(
    "stop",
    [
        Stop(Side.BUY, "3300", "3465"),
        Stop(Side.SELL, "3300", "3135"),
        Stop(Side.BUY, "3301.7", "3466.7"),  # 3466.785 to the tick, inside the percent
        Stop(Side.SELL, "3301.7", "3136.7"),  # 3136.615 likewise
        Stop(Side.BUY, "3300", "3333", "1"),
        Stop(Side.SELL, "3300", "3267", "1"),
        Stop(Side.BUY, "3300", "3300.1", "0.001"),  # at least a tick
        Stop(Side.SELL, "3300", "3299.9", "0.001"),
        Stop(Side.SELL, "0.1", "0.1"),  # nothing is cheaper than a tick
        Stop(Side.SELL, "3300", "0.1", "100"),
        Stop(Side.BUY, "3600", "3680", on=TCS),  # never through the circuit limits
        Stop(Side.SELL, "3100", "3011", on=TCS),
    ],
    ids=str,
)
def test_an_slm_is_a_stop_with_a_limit_beyond_its_trigger(stop: Stop) -> None:
    percent = None if stop.percent is None else Decimal(stop.percent)

    body = placed(
        stop.on,
        type=OrderType.SL_M,
        side=stop.side,
        price=None,
        trigger_price=Decimal(stop.trigger),
        market_protection=percent,
    )

    assert body["orderType"] == "STOP_LOSS"
    assert (body["triggerPrice"], body["price"]) == (Decimal(stop.trigger), Decimal(stop.limit))


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, "3361.9"), (Side.SELL, "3230.1")])
def test_a_market_order_with_a_percent_is_a_limit_order_so_far_from_the_last_price(
    side: Side, price: str
) -> None:
    last = HttpResponse(200, (), b'{"data":{"NSE_EQ":{"11536":{"last_price":3296}}},"status":"x"}')
    terms = order(type=OrderType.MARKET, price=None, side=side, market_protection=Decimal(2))

    played = play(DHAN.place(SESSION, terms, UNBOUND), [last, ACCEPTED])

    asked_first, placing = played.requests
    assert (asked_first.path, asked_first.writes) == ("/marketfeed/ltp", False)
    assert (placing.json["orderType"], placing.json["price"]) == ("LIMIT", Decimal(price))
    assert played.value == Placed("112111182198")


def test_a_market_order_with_a_percent_is_not_sent_without_a_last_price() -> None:
    none = HttpResponse(200, (), b'{"data":{},"status":"success"}')
    terms = order(type=OrderType.MARKET, price=None, market_protection=Decimal(2))

    played = play(DHAN.place(SESSION, terms, UNBOUND), [none])

    assert played.error is not None
    assert not any(request.writes for request in played.requests)


def test_a_stop_with_a_price_of_its_own_keeps_it() -> None:
    body = placed(type=OrderType.SL, price=Decimal(3400), trigger_price=Decimal(3390))

    assert (body["orderType"], body["price"], body["triggerPrice"]) == ("STOP_LOSS", 3400, 3390)


# Modify and cancel


def modified(found: BrokerOrder, **changes: Any) -> dict[str, Any]:
    request = asked(DHAN.modify(SESSION, found, OrderChanges(**changes), UNBOUND))
    assert (request.method, request.path) == ("PUT", "/orders/112111182045")
    assert (request.group, request.writes) == ("orders.modify", True)
    body: dict[str, Any] = request.json
    return body


def test_a_change_says_the_order_whole() -> None:
    assert modified(row(), price=Decimal(3350)) == {
        "dhanClientId": "1000000003",
        "orderId": "112111182045",
        "quantity": 5,
        "disclosedQuantity": 2,
        "orderType": "LIMIT",
        "price": Decimal(3350),
        "triggerPrice": Decimal(0),
        "validity": "IOC",
    }


def test_an_order_made_a_market_order_drops_its_prices() -> None:
    body = modified(
        row(type=OrderType.SL, trigger_price=Decimal(3330)), type=OrderType.MARKET, quantity=9
    )

    assert (body["orderType"], body["price"], body["triggerPrice"]) == ("MARKET", 0, 0)
    assert body["quantity"] == 9


STOP_ROW = row(type=OrderType.SL, side=Side.SELL, price=Decimal(3300), trigger_price=Decimal(3310))


def test_a_stop_keeps_its_limit_while_the_trigger_stays_before_it() -> None:
    body = modified(STOP_ROW, trigger_price=Decimal(3350))

    assert (body["price"], body["triggerPrice"]) == (3300, 3350)


def test_a_trigger_that_passes_the_limit_wants_a_price_too() -> None:
    changes = OrderChanges(trigger_price=Decimal(3290))
    dialogue = DHAN.modify(SESSION, STOP_ROW, changes, UNBOUND)

    assert refused(dialogue) is Fault.INVALID_INPUT
    body = modified(STOP_ROW, trigger_price=Decimal(3290), price=Decimal(3280))
    assert (body["price"], body["triggerPrice"]) == (3280, 3290)


def test_a_stop_made_slm_has_its_limit_set_anew() -> None:
    body = modified(STOP_ROW, trigger_price=Decimal(3000), type=OrderType.SL_M)

    assert (body["orderType"], body["price"], body["triggerPrice"]) == ("STOP_LOSS", 2850, 3000)


def test_a_cancel_has_no_body() -> None:
    request = asked(DHAN.cancel(SESSION, row()))

    assert request == HttpRequest(
        "DELETE", "rest", "/orders/112111182045", "orders.cancel", HEADERS, writes=True
    )


# GTT


def leg(trigger: int, price: int, **more: Any) -> GttLeg:
    terms: dict[str, Any] = {"side": Side.SELL, "quantity": 10}
    return GttLeg(trigger_price=Decimal(trigger), price=Decimal(price), **(terms | more))


def gtt(*legs: GttLeg) -> NewGtt:
    return NewGtt(symbol="NSE:TCS", legs=legs)


def test_one_leg_is_a_single_forever_order() -> None:
    body = asked(DHAN.place_gtt(SESSION, gtt(leg(3301, 3300)), TCS)).json

    assert (body["orderFlag"], body["triggerPrice"], body["price"]) == ("SINGLE", 3301, 3300)
    assert "triggerPrice1" not in body


def test_of_two_legs_the_upper_is_the_first() -> None:
    lower, upper = leg(3301, 3300, quantity=4), leg(3499, 3500)

    body = asked(DHAN.place_gtt(SESSION, gtt(lower, upper), TCS)).json

    assert (body["orderFlag"], body["triggerPrice"], body["quantity"]) == ("OCO", 3499, 10)
    assert (body["triggerPrice1"], body["price1"], body["quantity1"]) == (3301, 3300, 4)


def test_a_leg_that_releases_a_market_order_has_no_price() -> None:
    market = leg(3301, 3300, type=OrderType.MARKET)

    assert asked(DHAN.place_gtt(SESSION, gtt(market), TCS)).json["price"] == 0
    assert changed(gtt(market), listed(3401, 3400)).json["price"] == 0


@pytest.mark.parametrize(
    ("legs", "fault"),
    [
        ((), Fault.INVALID_INPUT),
        ((leg(1, 1), leg(2, 2), leg(3, 3)), Fault.INVALID_INPUT),
        ((leg(1, 1, type=OrderType.SL_M),), Fault.UNSUPPORTED),
        ((leg(1, 1), leg(2, 2, side=Side.BUY)), Fault.UNSUPPORTED),
        ((leg(1, 1), leg(2, 2, product=Product.MTF)), Fault.UNSUPPORTED),
    ],
)
def test_a_trigger_that_dhan_cannot_keep_is_refused_before_any_request(
    legs: tuple[GttLeg, ...], fault: Fault
) -> None:
    assert refused(DHAN.place_gtt(SESSION, gtt(*legs), TCS)) is fault


LISTED: dict[str, Any] = {
    "orderId": "5132",
    "orderStatus": "CONFIRM",
    "transactionType": "SELL",
    "exchangeSegment": "NSE_EQ",
    "productType": "CNC",
    "securityId": "11536",
    "quantity": 10,
}


def listed(trigger: int, price: int, **more: Any) -> dict[str, Any]:
    return LISTED | {"triggerPrice": trigger, "price": price} | more


def changing(wanted: NewGtt, *rows: dict[str, Any]) -> Played:
    answer = HttpResponse(200, (), json.dumps([{"orderId": "7"}, *rows]).encode())
    return play(DHAN.modify_gtt(SESSION, "5132", wanted, TCS), [answer, ACCEPTED])


def changed(wanted: NewGtt, *rows: dict[str, Any]) -> HttpRequest:
    played = changing(wanted, *rows)
    assert played.error is None, played.error
    reading, writing = played.requests
    assert (reading.method, reading.path, reading.writes) == ("GET", "/forever/orders", False)
    assert (writing.method, writing.path, writing.writes) == ("PUT", "/forever/orders/5132", True)
    return writing


def test_a_single_leg_is_changed_whole() -> None:
    body = changed(gtt(leg(3301, 3300, quantity=4)), listed(3401, 3400)).json

    assert (body["orderFlag"], body["legName"], body["quantity"]) == ("SINGLE", "TARGET_LEG", 4)
    assert (body["triggerPrice"], body["price"], body["orderType"]) == (3301, 3300, "LIMIT")


@pytest.mark.parametrize(
    ("lower", "upper", "name", "trigger"),
    [
        (leg(3301, 3300), leg(3499, 3500), "STOP_LOSS_LEG", 3301),
        (leg(3291, 3290), leg(3599, 3600), "TARGET_LEG", 3599),
        (leg(3291, 3290), leg(3499, 3500, quantity=3), "TARGET_LEG", 3499),
        (leg(3291, 3290), leg(3499, 3500), "TARGET_LEG", 3499),  # nothing differs
    ],
)
def test_of_two_legs_the_one_that_differs_is_changed(
    lower: GttLeg, upper: GttLeg, name: str, trigger: int
) -> None:
    body = changed(gtt(lower, upper), listed(3291, 3290), listed(3499, 3500)).json

    assert (body["orderFlag"], body["legName"], body["triggerPrice"]) == ("OCO", name, trigger)


def test_a_leg_is_called_as_dhan_lists_it() -> None:
    rows = (
        listed(3291, 3290, legName="TARGET_LEG"),
        listed(3499, 3500, legName="STOP_LOSS_LEG"),
    )

    assert changed(gtt(leg(3301, 3300), leg(3499, 3500)), *rows).json["legName"] == "TARGET_LEG"


@pytest.mark.parametrize(
    ("wanted", "rows", "fault"),
    [
        (
            (leg(3301, 3300), leg(3599, 3600)),
            (listed(3291, 3290), listed(3499, 3500)),
            Fault.UNSUPPORTED,
        ),
        ((leg(3301, 3300, side=Side.BUY),), (listed(3291, 3290),), Fault.UNSUPPORTED),
        ((leg(3301, 3300, product=Product.MTF),), (listed(3291, 3290),), Fault.UNSUPPORTED),
        ((leg(3301, 3300),), (listed(3291, 3290), listed(3499, 3500)), Fault.UNSUPPORTED),
        ((leg(3301, 3300),), (), Fault.NOT_FOUND),
        ((leg(3301, 3300),), (listed(3291, 3290, quantity="some"),), Fault.UNREADABLE),
    ],
)
def test_a_change_that_dhan_cannot_make_whole_is_not_made_at_all(
    wanted: tuple[GttLeg, ...], rows: tuple[dict[str, Any], ...], fault: Fault
) -> None:
    played = changing(gtt(*wanted), *rows)

    assert played.error is not None
    assert played.error.fault is fault
    assert not any(request.writes for request in played.requests)


# Portfolio and market data


def test_a_short_position_is_converted_as_such() -> None:
    conversion = Conversion(
        symbol="NFO:NIFTY27JAN26FUT",
        side=Side.SELL,
        quantity=75,
        from_product=Product.MIS,
        to_product=Product.NRML,
    )

    request = asked(DHAN.convert(SESSION, conversion, FUTURE))

    assert (request.path, request.writes) == ("/positions/convert", True)
    assert (request.json["positionType"], request.json["toProductType"]) == ("SHORT", "MARGIN")


def test_the_margin_of_a_stop_is_reckoned_at_its_trigger() -> None:
    stop = order(type=OrderType.SL_M, price=None, trigger_price=Decimal(3400))

    body = asked(DHAN.margin(SESSION, ((stop, TCS),))).json

    assert (body["price"], body["triggerPrice"]) == (3400, 3400)


def test_the_margin_of_a_market_order_is_reckoned_at_its_last_price() -> None:
    market = order(type=OrderType.MARKET, price=None)
    last = HttpResponse(200, (), b'{"data":{"NSE_EQ":{"11536":{"last_price":4520}}},"status":"x"}')
    none = HttpResponse(200, (), b'{"data":{},"status":"success"}')

    played = play(DHAN.margin(SESSION, ((market, TCS),)), [last])
    unknown = play(DHAN.margin(SESSION, ((market, TCS),)), [none])

    assert played.requests[1].json["price"] == 4520
    assert unknown.error is not None
    assert unknown.error.fault is Fault.INVALID_INPUT


def test_instruments_are_asked_for_by_the_thousand_and_by_segment() -> None:
    many = tuple(
        replace(TCS, symbol=f"NSE:S{n}", instrument_token=f"NSE_EQ:{n}") for n in range(1500)
    )
    empty = HttpResponse(200, (), b'{"data":{},"status":"success"}')

    played = play(DHAN.ltp(SESSION, (*many, FUTURE)), [empty, empty])

    first, second = played.requests
    assert len(first.json["NSE_EQ"]) == 1000
    assert (len(second.json["NSE_EQ"]), second.json["NSE_FNO"]) == (500, [52175])
    assert first.group == "data.quotes"
    assert not first.writes


def test_a_long_range_of_minutes_is_asked_for_90_days_at_a_time() -> None:
    start, end = datetime(2025, 6, 1, 9, 15, tzinfo=IST), datetime(2025, 12, 1, 15, 30, tzinfo=IST)
    bar = b'{"open":[1],"high":[1],"low":[1],"close":[1],"volume":[1],"timestamp":[1756698300]}'

    played = play(
        history(DHAN, SESSION, TCS, Interval.M1, start, end), [HttpResponse(200, (), bar)] * 3
    )

    spans = [(request.json["fromDate"], request.json["toDate"]) for request in played.requests]
    assert spans == [
        ("2025-06-01 09:15:00", "2025-08-30 09:15:00"),
        ("2025-08-30 09:15:00", "2025-11-28 09:15:00"),
        ("2025-11-28 09:15:00", "2025-12-01 15:30:00"),
    ]
    assert len(played.value) == 1  # told three times, kept once


def test_days_are_asked_for_at_once_and_their_end_lies_a_day_later() -> None:
    start = datetime(2010, 1, 1, tzinfo=IST)

    request = asked(history(DHAN, SESSION, TCS, Interval.D1, start, start + timedelta(days=4000)))

    assert (request.path, request.group) == ("/charts/historical", "data.candles")
    assert (request.json["fromDate"], request.json["toDate"]) == ("2010-01-01", "2020-12-15")


@pytest.mark.parametrize("interval", [Interval.M3, Interval.M10, Interval.M30])
def test_an_interval_that_dhan_has_not_is_refused(interval: Interval) -> None:
    start = datetime(2026, 1, 8, tzinfo=IST)

    assert refused(history(DHAN, SESSION, TCS, interval, start, start)) is Fault.UNSUPPORTED


@pytest.mark.parametrize(
    ("exchange", "kind", "name", "word"),
    [
        (Exchange.NSE, InstrumentKind.EQUITY, "", "EQUITY"),
        (Exchange.BSE_INDEX, InstrumentKind.INDEX, "", "INDEX"),
        (Exchange.NFO, InstrumentKind.FUTURE, "NIFTY", "FUTIDX"),
        (Exchange.NFO, InstrumentKind.PUT, "BANKNIFTY", "OPTIDX"),
        (Exchange.NFO, InstrumentKind.FUTURE, "TCS", "FUTSTK"),
        (Exchange.BFO, InstrumentKind.CALL, "SENSEX", "OPTIDX"),
        (Exchange.NFO, InstrumentKind.CALL, "TCS", "OPTSTK"),
        (Exchange.MCX, InstrumentKind.FUTURE, "CRUDEOIL", "FUTCOM"),
        (Exchange.MCX, InstrumentKind.PUT, "CRUDEOIL", "OPTFUT"),
        (Exchange.CDS, InstrumentKind.FUTURE, "USDINR", "FUTCUR"),
        (Exchange.BCD, InstrumentKind.CALL, "USDINR", "OPTCUR"),
    ],
)
def test_charts_have_a_word_for_each_kind(
    exchange: Exchange, kind: InstrumentKind, name: str, word: str
) -> None:
    one = replace(TCS, exchange=exchange, kind=kind, name=name)
    start = datetime(2026, 1, 8, tzinfo=IST)

    assert asked(history(DHAN, SESSION, one, Interval.M5, start, start)).json["instrument"] == word
