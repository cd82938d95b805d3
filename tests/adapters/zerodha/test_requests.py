"""What goes to Kite: method, path, headers, form, field for field (zerodha.md 4, 6, 7)."""

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from ordo_adapters.zerodha import ZERODHA
from ordod.adapter import (
    IST,
    BrokerOrder,
    Conversion,
    Fault,
    GttLeg,
    HttpRequest,
    HttpResponse,
    Interval,
    NewGtt,
    NewOrder,
    OrderChanges,
    OrderType,
    Product,
    Side,
    Status,
    Validity,
    Variety,
)
from ordod.adapter.suite import load, play
from tests.adapters.bench import history

SAMPLES = load(Path(__file__).parent / "samples")
SESSION = SAMPLES.session
SBIN = SAMPLES.instruments["NSE:SBIN"]
NIFTY = SAMPLES.instruments["NFO:NIFTY24NOV26FUT"]
CRUDE = SAMPLES.instruments["MCX:CRUDEOIL19NOV26FUT"]
INDEX = SAMPLES.instruments["NSE_INDEX:NIFTY"]
HEADERS = (
    ("X-Kite-Version", "3"),
    ("Authorization", "token appkey0123456789:the-session-token"),
)
TAG = "qz7f3a91c2dabcdefgh2"

ORDER = NewOrder(
    symbol="NSE:SBIN",
    side=Side.BUY,
    quantity=10,
    type=OrderType.LIMIT,
    product=Product.CNC,
    price=Decimal("801.50"),
    tag=TAG,
)
ROW = BrokerOrder(
    broker_order_id="1950000000000000006",
    status=Status.OPEN,
    symbol="NSE:SBIN",
    side=Side.BUY,
    quantity=10,
    type=OrderType.LIMIT,
    product=Product.CNC,
    variety=Variety.REGULAR,
    price=Decimal("801.5"),
)


def asked(dialogue: Any, *answers: str) -> HttpRequest:
    """The last request of a dialogue that is answered with these files."""
    given = [HttpResponse(200, (), (SAMPLES.folder / name).read_bytes()) for name in answers]
    played = play(dialogue, given)
    assert played.error is None, played.error
    return played.requests[-1]


def place(changes: dict[str, Any], instrument: Any = SBIN) -> HttpRequest:
    order = structs.replace(ORDER, **changes)
    return asked(ZERODHA.place(SESSION, order, instrument), "order_response.json")


def refusal(dialogue: Any) -> tuple[Fault, str, int]:
    """The fault of a dialogue that asks for nothing, its words, and how many requests it made."""
    played = play(dialogue, [])
    assert played.error is not None
    return played.error.fault, played.error.message, len(played.requests)


def test_a_limit_order_is_a_form_to_its_variety_s_path() -> None:
    request = place({})

    assert request == HttpRequest(
        "POST",
        "rest",
        "/orders/regular",
        "orders.place",
        HEADERS,
        form={
            "exchange": "NSE",
            "tradingsymbol": "SBIN",
            "transaction_type": "BUY",
            "order_type": "LIMIT",
            "quantity": "10",
            "product": "CNC",
            "validity": "DAY",
            "price": "801.5",
            "tag": TAG,
        },
        writes=True,
    )
    assert request.body() == (
        "application/x-www-form-urlencoded",
        (
            b"exchange=NSE&tradingsymbol=SBIN&transaction_type=BUY&order_type=LIMIT&quantity=10"
            b"&product=CNC&validity=DAY&price=801.5&tag=qz7f3a91c2dabcdefgh2"
        ),
    )


@pytest.mark.parametrize(
    ("changes", "path", "form"),
    [
        pytest.param(
            {"type": OrderType.SL, "trigger_price": Decimal(799), "side": Side.SELL},
            "/orders/regular",
            {
                "order_type": "SL",
                "price": "801.5",
                "trigger_price": "799",
                "transaction_type": "SELL",
            },
            id="stop-limit",
        ),
        pytest.param(
            {"validity": Validity.TTL, "validity_minutes": 5},
            "/orders/regular",
            {"validity": "TTL", "validity_ttl": "5"},
            id="ttl",
        ),
        pytest.param(
            {"validity": Validity.IOC, "disclosed_quantity": 2, "product": Product.MTF},
            "/orders/regular",
            {"validity": "IOC", "disclosed_quantity": "2", "product": "MTF"},
            id="disclosed, ioc, mtf",
        ),
        pytest.param({"variety": Variety.AMO}, "/orders/amo", {}, id="after market"),
        pytest.param(
            {"variety": Variety.ICEBERG, "iceberg_legs": 5},
            "/orders/iceberg",
            {"iceberg_legs": "5", "iceberg_quantity": "2"},
            id="iceberg",
        ),
        pytest.param(
            {"variety": Variety.CO, "trigger_price": Decimal(790), "product": Product.MIS},
            "/orders/co",
            {"trigger_price": "790", "product": "MIS"},
            id="cover",
        ),
    ],
)
def test_each_variety_adds_its_own_fields(
    changes: dict[str, Any], path: str, form: dict[str, str]
) -> None:
    request = place(changes)

    assert request.path == path
    plain = dict(place({}).form or {})
    assert dict(request.form or {}) == plain | form


@pytest.mark.parametrize("kind", [OrderType.MARKET, OrderType.SL_M])
@pytest.mark.parametrize("variety", [Variety.REGULAR, Variety.AMO, Variety.CO])
def test_an_order_without_a_limit_always_carries_market_protection(
    kind: OrderType, variety: Variety
) -> None:
    bare = place({"type": kind, "price": None, "variety": variety, "trigger_price": Decimal(790)})
    asked_for = place({"type": kind, "price": None, "market_protection": Decimal("2.50")})

    assert (bare.form or {})["market_protection"] == "-1"
    assert (asked_for.form or {})["market_protection"] == "2.5"
    assert "price" not in (bare.form or {})


@pytest.mark.parametrize("kind", [OrderType.LIMIT, OrderType.SL])
def test_an_order_with_a_limit_carries_none(kind: OrderType) -> None:
    request = place({"type": kind, "market_protection": Decimal(2)})

    assert "market_protection" not in (request.form or {})


def test_no_tag_is_no_field() -> None:
    assert "tag" not in (place({"tag": None}).form or {})


def test_units_become_lots_on_mcx_and_stay_units_on_nfo() -> None:
    crude = place({"quantity": 300, "disclosed_quantity": 100}, CRUDE).form or {}
    nifty = place({"quantity": 130}, NIFTY).form or {}

    assert (crude["exchange"], crude["quantity"], crude["disclosed_quantity"]) == ("MCX", "3", "1")
    assert (nifty["exchange"], nifty["quantity"]) == ("NFO", "130")


@pytest.mark.parametrize(
    ("changes", "instrument", "fault", "words"),
    [
        pytest.param(
            {"quantity": 150},
            CRUDE,
            Fault.INVALID_INPUT,
            "multiple of the lot of 100",
            id="part lot",
        ),
        pytest.param(
            {}, structs.replace(CRUDE, lot_size=None), Fault.UNSUPPORTED, "units", id="no lot size"
        ),
        pytest.param({}, INDEX, Fault.UNSUPPORTED, "NSE_INDEX", id="an index"),
        pytest.param(
            {"variety": Variety.ICEBERG, "iceberg_legs": 3},
            SBIN,
            Fault.INVALID_INPUT,
            "3 equal legs",
            id="iceberg with a rest",
        ),
        pytest.param(
            {"variety": Variety.ICEBERG, "iceberg_legs": 4, "quantity": 130},
            NIFTY,
            Fault.INVALID_INPUT,
            "whole lots",
            id="iceberg legs of half lots",
        ),
        pytest.param(
            {"variety": Variety.ICEBERG, "iceberg_legs": 51, "quantity": 510},
            SBIN,
            Fault.INVALID_INPUT,
            "2 to 50",
            id="too many legs",
        ),
        pytest.param(
            {"variety": Variety.ICEBERG}, SBIN, Fault.INVALID_INPUT, "not None", id="no legs"
        ),
        pytest.param(
            {"validity": Validity.TTL}, SBIN, Fault.INVALID_INPUT, "validity_minutes", id="ttl"
        ),
        pytest.param(
            {"type": OrderType.MARKET, "market_protection": Decimal(0)},
            SBIN,
            Fault.INVALID_INPUT,
            "market_protection 0",
            id="no protection",
        ),
        pytest.param(
            {"type": OrderType.MARKET, "market_protection": Decimal(101)},
            SBIN,
            Fault.INVALID_INPUT,
            "market_protection 101",
            id="too much protection",
        ),
    ],
)
def test_an_order_that_cannot_be_said_is_refused_before_any_request(
    changes: dict[str, Any], instrument: Any, fault: Fault, words: str
) -> None:
    order = structs.replace(ORDER, **changes)

    found, message, requests = refusal(ZERODHA.place(SESSION, order, instrument))

    assert (found, requests) == (fault, 0)
    assert words in message


def modify(changes: OrderChanges, instrument: Any = SBIN, **row: Any) -> HttpRequest:
    dialogue = ZERODHA.modify(SESSION, structs.replace(ROW, **row), changes, instrument)
    return asked(dialogue, "order_modify.json")


def test_a_modify_sends_what_changes_and_the_type_beside_a_price() -> None:
    request = modify(OrderChanges(price=Decimal("802.00")))

    assert request == HttpRequest(
        "PUT",
        "rest",
        "/orders/regular/1950000000000000006",
        "orders.modify",
        HEADERS,
        form={"price": "802", "order_type": "LIMIT"},
        writes=True,
    )


@pytest.mark.parametrize(
    ("changes", "row", "form"),
    [
        (OrderChanges(quantity=20), {}, {"quantity": "20"}),
        (OrderChanges(disclosed_quantity=0), {}, {"disclosed_quantity": "0"}),
        (OrderChanges(validity=Validity.IOC), {}, {"validity": "IOC"}),
        (
            OrderChanges(type=OrderType.MARKET),
            {},
            {"order_type": "MARKET", "market_protection": "-1"},
        ),
        (
            OrderChanges(trigger_price=Decimal(790)),
            {"type": OrderType.SL_M},
            {"trigger_price": "790", "order_type": "SL-M", "market_protection": "-1"},
        ),
        (
            OrderChanges(quantity=20),
            {"type": OrderType.MARKET},
            {"quantity": "20", "market_protection": "-1"},
        ),
    ],
)
def test_a_change_carries_protection_where_the_order_has_no_limit(
    changes: OrderChanges, row: dict[str, Any], form: dict[str, str]
) -> None:
    assert modify(changes, **row).form == form


def test_an_after_market_order_stays_under_its_own_path() -> None:
    request = modify(OrderChanges(price=Decimal(802)), variety=Variety.AMO)

    assert request.path == "/orders/amo/1950000000000000006"


def test_a_changed_quantity_on_mcx_is_in_lots() -> None:
    assert modify(OrderChanges(quantity=300), CRUDE).form == {"quantity": "3"}


def test_a_cover_order_s_leg_sends_its_price_and_its_parent_only() -> None:
    request = modify(
        OrderChanges(trigger_price=Decimal(791)), variety=Variety.CO, parent_order_id="19"
    )

    assert request.path == "/orders/co/1950000000000000006"
    assert request.form == {"trigger_price": "791", "parent_order_id": "19"}


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        (OrderChanges(quantity=20), {"variety": Variety.CO}),
        (OrderChanges(validity=Validity.TTL), {}),
        (OrderChanges(price=Decimal(802)), {"variety": None}),
    ],
)
def test_a_change_that_kite_has_no_words_for_is_unsupported(
    changes: OrderChanges, row: dict[str, Any]
) -> None:
    dialogue = ZERODHA.modify(SESSION, structs.replace(ROW, **row), changes, SBIN)

    assert refusal(dialogue)[::2] == (Fault.UNSUPPORTED, 0)


def test_a_cancel_is_a_delete_without_a_body() -> None:
    request = asked(ZERODHA.cancel(SESSION, ROW), "order_cancel.json")

    assert request == HttpRequest(
        "DELETE",
        "rest",
        "/orders/regular/1950000000000000006",
        "orders.cancel",
        HEADERS,
        writes=True,
    )


def test_leaving_a_cover_order_names_its_parent() -> None:
    row = structs.replace(ROW, variety=Variety.CO, parent_order_id="1950000000000000014")

    request = asked(ZERODHA.cancel(SESSION, row), "order_cancel.json")

    target = "/orders/co/1950000000000000006?parent_order_id=1950000000000000014"
    assert request.target() == target


def test_an_auction_order_cannot_be_cancelled_from_here() -> None:
    dialogue = ZERODHA.cancel(SESSION, structs.replace(ROW, variety=None))

    assert refusal(dialogue)[::2] == (Fault.UNSUPPORTED, 0)


STOP = GttLeg(trigger_price=Decimal(780), side=Side.SELL, quantity=10, price=Decimal("779.50"))
TARGET = GttLeg(trigger_price=Decimal("830.5"), side=Side.SELL, quantity=10, price=Decimal(830))


def test_a_gtt_is_json_text_in_a_form() -> None:
    gtt = NewGtt(symbol="NSE:SBIN", legs=(STOP, TARGET), last_price=Decimal("801.5"))

    request = asked(ZERODHA.place_gtt(SESSION, gtt, SBIN), "gtt_place_order.json")

    form = dict(request.form or {})
    assert (request.method, request.path, request.writes) == ("POST", "/gtt/triggers", True)
    assert form["type"] == "two-leg"
    assert form["condition"] == (
        '{"exchange":"NSE","tradingsymbol":"SBIN","trigger_values":[780,830.5],"last_price":801.5}'
    )
    assert json.loads(form["orders"]) == [
        {
            "exchange": "NSE",
            "tradingsymbol": "SBIN",
            "transaction_type": "SELL",
            "quantity": 10,
            "order_type": "LIMIT",
            "product": "CNC",
            "price": price,
        }
        for price in (779.5, 830)
    ]


def test_a_gtt_without_a_last_price_asks_for_it_first() -> None:
    gtt = NewGtt(symbol="NSE:SBIN", legs=(STOP,))
    ltp = b'{"status":"success","data":{"NSE:SBIN":{"instrument_token":1,"last_price":801.5}}}'
    answers = [
        HttpResponse(200, (), ltp),
        HttpResponse(200, (), (SAMPLES.folder / "gtt_place_order.json").read_bytes()),
    ]

    played = play(ZERODHA.place_gtt(SESSION, gtt, SBIN), answers)

    assert played.value == "123"
    assert [request.target() for request in played.requests] == [
        "/quote/ltp?i=NSE%3ASBIN",
        "/gtt/triggers",
    ]
    assert '"last_price":801.5' in (played.requests[1].form or {})["condition"]


def test_a_gtt_of_an_instrument_without_a_price_is_not_sent() -> None:
    gtt = NewGtt(symbol="NSE:SBIN", legs=(STOP,))

    played = play(
        ZERODHA.place_gtt(SESSION, gtt, SBIN),
        [HttpResponse(200, (), b'{"status":"success","data":{}}')],
    )

    assert played.error is not None
    assert played.error.fault is Fault.INVALID_INPUT
    assert not any(request.writes for request in played.requests)


@pytest.mark.parametrize(
    ("legs", "fault"),
    [
        ((), Fault.INVALID_INPUT),
        ((STOP, TARGET, TARGET), Fault.INVALID_INPUT),
        ((structs.replace(STOP, type=OrderType.MARKET),), Fault.UNSUPPORTED),
    ],
)
def test_a_gtt_of_other_legs_is_refused(legs: tuple[GttLeg, ...], fault: Fault) -> None:
    gtt = NewGtt(symbol="NSE:SBIN", legs=legs, last_price=Decimal(800))

    assert refusal(ZERODHA.place_gtt(SESSION, gtt, SBIN))[::2] == (fault, 0)


def test_a_gtt_is_changed_whole_and_deleted_by_its_id() -> None:
    gtt = NewGtt(symbol="NSE:SBIN", legs=(STOP,), last_price=Decimal(800))

    changed = asked(ZERODHA.modify_gtt(SESSION, "123", gtt, SBIN), "gtt_modify_order.json")
    deleted = asked(ZERODHA.cancel_gtt(SESSION, "123"), "gtt_delete_order.json")

    assert (changed.method, changed.path) == ("PUT", "/gtt/triggers/123")
    assert set(changed.form or {}) == {"type", "condition", "orders"}
    assert deleted == HttpRequest(
        "DELETE", "rest", "/gtt/triggers/123", "others", HEADERS, writes=True
    )


@pytest.mark.parametrize(("overnight", "word"), [(False, "day"), (True, "overnight")])
def test_a_conversion_names_the_side_of_the_position(overnight: bool, word: str) -> None:
    conversion = Conversion(
        symbol="MCX:CRUDEOIL19NOV26FUT",
        side=Side.SELL,
        quantity=200,
        from_product=Product.MIS,
        to_product=Product.NRML,
        overnight=overnight,
    )

    request = asked(ZERODHA.convert(SESSION, conversion, CRUDE), "convert_position.json")

    assert (request.method, request.path, request.writes) == ("PUT", "/portfolio/positions", True)
    assert request.form == {
        "exchange": "MCX",
        "tradingsymbol": "CRUDEOIL26NOVFUT",
        "transaction_type": "SELL",
        "position_type": word,
        "quantity": "2",
        "old_product": "MIS",
        "new_product": "NRML",
    }


def test_one_order_s_margin_is_asked_for_alone_and_several_as_a_basket() -> None:
    one = asked(ZERODHA.margin(SESSION, ((ORDER, SBIN),)), "order_margins.json")
    two = asked(
        ZERODHA.margin(SESSION, ((ORDER, SBIN), (structs.replace(ORDER, quantity=200), CRUDE))),
        "basket_margins.json",
    )

    assert (one.target(), two.target()) == (
        "/margins/orders",
        "/margins/basket?consider_positions=true",
    )
    assert one.body() == (
        "application/json",
        (
            b'[{"exchange":"NSE","tradingsymbol":"SBIN","transaction_type":"BUY","variety":"regular",'
            b'"product":"CNC","order_type":"LIMIT","quantity":10,"price":801.50,"trigger_price":0}]'
        ),
    )
    assert two.json[1]["quantity"] == 2
    assert not one.writes
    assert not two.writes


@pytest.mark.parametrize(
    ("start", "path"),
    [
        (lambda: ZERODHA.orders(SESSION, None), "/orders"),  # type: ignore[arg-type]
        (lambda: ZERODHA.trail(SESSION, "151", None), "/orders/151"),  # type: ignore[arg-type]
        (lambda: ZERODHA.trades(SESSION, None), "/trades"),  # type: ignore[arg-type]
        (lambda: ZERODHA.gtts(SESSION, None), "/gtt/triggers"),  # type: ignore[arg-type]
        (lambda: ZERODHA.positions(SESSION, None), "/portfolio/positions"),  # type: ignore[arg-type]
        (lambda: ZERODHA.holdings(SESSION, None), "/portfolio/holdings"),  # type: ignore[arg-type]
        (lambda: ZERODHA.funds(SESSION), "/user/margins"),
        (lambda: ZERODHA.user(SESSION), "/user/profile"),
        (lambda: ZERODHA.master(SESSION), "/instruments"),
    ],
)
def test_a_reading_is_one_get_in_the_session(start: Callable[[], Any], path: str) -> None:
    request = next(start())

    assert request == HttpRequest("GET", "rest", path, "others", HEADERS)


def test_logout_ends_the_token_in_the_query_as_kite_demands() -> None:
    request = asked(ZERODHA.logout(SESSION), "session_logout.json")

    assert request.method == "DELETE"
    assert request.target() == (
        "/session/token?api_key=appkey0123456789&access_token=the-session-token"
    )


def test_quotes_are_asked_for_in_batches_and_indices_under_their_exchange() -> None:
    many = tuple(
        structs.replace(SBIN, broker_symbol=f"S{n}", symbol=f"NSE:S{n}") for n in range(1001)
    )
    empty = HttpResponse(200, (), b'{"status":"success","data":{}}')

    quotes = play(ZERODHA.quotes(SESSION, many), [empty] * 3)
    ltp = play(ZERODHA.ltp(SESSION, many), [empty] * 2)
    index = play(ZERODHA.quotes(SESSION, (INDEX,)), [empty])

    assert [len(request.query) for request in quotes.requests] == [500, 500, 1]
    assert [len(request.query) for request in ltp.requests] == [1000, 1]
    assert quotes.requests[2].target() == "/quote?i=NSE%3AS1000"
    assert {request.group for request in quotes.requests + ltp.requests} == {"quotes"}
    assert index.requests[0].target() == "/quote?i=NSE%3ANIFTY+50"


def test_candles_beyond_one_request_s_range_are_asked_for_in_parts_that_touch() -> None:
    start, end = datetime(2026, 1, 1, 9, 15, tzinfo=IST), datetime(2026, 4, 11, 15, 30, tzinfo=IST)
    empty = HttpResponse(200, (), b'{"status":"success","data":{"candles":[]}}')

    played = play(history(ZERODHA, SESSION, NIFTY, Interval.M1, start, end), [empty] * 2)

    assert played.value == ()
    assert [request.query for request in played.requests] == [
        (
            ("from", "2026-01-01 09:15:00"),
            ("to", "2026-03-02 09:15:00"),
            ("continuous", "0"),
            ("oi", "1"),
        ),
        (
            ("from", "2026-03-02 09:15:00"),
            ("to", "2026-04-11 15:30:00"),
            ("continuous", "0"),
            ("oi", "1"),
        ),
    ]
    assert {(request.path, request.group) for request in played.requests} == {
        ("/instruments/historical/12683010/minute", "candles")
    }


def test_a_range_that_ends_before_it_begins_asks_for_nothing() -> None:
    start, end = datetime(2026, 1, 2, tzinfo=IST), datetime(2026, 1, 1, tzinfo=IST)

    played = play(history(ZERODHA, SESSION, SBIN, Interval.D1, start, end), [])

    assert (played.value, played.requests) == ((), [])
