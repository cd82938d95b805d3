"""What Dhan's answers become: rows, statuses, refusals, and what is spoiled by what (dhan.md 3, 5, 6, 7, 11)."""

import json
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ordo_adapters.dhan import DHAN
from ordo_adapters.dhan.tables import FAULTS
from ordod.adapter import (
    IST,
    BrokerError,
    BrokerGtt,
    BrokerOrder,
    Candle,
    Conversion,
    Depth,
    Exchange,
    Fault,
    Fill,
    Funds,
    GttLeg,
    GttStatus,
    Holding,
    HttpResponse,
    Interval,
    Level,
    Margin,
    NewOrder,
    OrderType,
    Placed,
    Position,
    Product,
    Quote,
    Side,
    Status,
    Validity,
    Variety,
)
from ordod.adapter.suite import Listed, load, play
from tests.adapters.bench import history

FOLDER = Path(__file__).parent / "samples"
SAMPLES = load(FOLDER)
SESSION = SAMPLES.session
LISTED = Listed(SAMPLES.instruments.values())
TCS = SAMPLES.instruments["NSE:TCS"]
NIFTY = SAMPLES.instruments["NSE_INDEX:NIFTY"]
FUTURE = SAMPLES.instruments["NFO:NIFTY27JAN26FUT"]
GOLD = SAMPLES.instruments["MCX:GOLD05FEB26FUT"]
ORDER = NewOrder(
    symbol="NSE:TCS",
    side=Side.BUY,
    quantity=5,
    type=OrderType.LIMIT,
    product=Product.MIS,
    price=Decimal("3345.5"),
    tag="a7f3a91c2dk5m7q2w3xy",
)
ROW = BrokerOrder(
    broker_order_id="112111182045",
    status=Status.OPEN,
    symbol="NSE:TCS",
    side=Side.BUY,
    quantity=5,
    type=OrderType.LIMIT,
    product=Product.MIS,
    validity=Validity.DAY,
)


def file(name: str) -> HttpResponse:
    return HttpResponse(200, (), (FOLDER / name).read_bytes())


def sample(name: str) -> Any:
    return json.loads((FOLDER / name).read_bytes())


def said(value: Any, status: int = 200) -> HttpResponse:
    return HttpResponse(status, (), json.dumps(value).encode())


def refusal(status: int, code: str, words: str) -> HttpResponse:
    return said({"errorType": "x", "errorCode": code, "errorMessage": words}, status)


def data_refusal(status: int, code: str, words: str) -> HttpResponse:
    return said({"data": {code: words}, "status": "failed"}, status)


def read(dialogue: Any, *answers: HttpResponse) -> Any:
    played = play(dialogue, answers)
    assert played.error is None, played.error
    assert played.is_over
    return played.value


def refused(dialogue: Any, answer: HttpResponse) -> BrokerError:
    error = play(dialogue, [answer]).error
    assert error is not None
    return error


def book(*rows: dict[str, Any]) -> Any:
    return read(DHAN.orders(SESSION, LISTED), said(list(rows)))


BARE = sample("order_object.json")


# Orders


def test_a_row_of_the_book_is_read_field_for_field() -> None:
    rows = read(DHAN.orders(SESSION, LISTED), file("order.json"))

    assert rows.bad == ()
    at = datetime(2026, 1, 2, 10, 14, 22, tzinfo=IST)
    assert rows.good == (
        BrokerOrder(
            broker_order_id="112111182198",
            status=Status.OPEN,
            symbol="NSE:TCS",
            side=Side.BUY,
            quantity=5,
            type=OrderType.LIMIT,
            product=Product.MIS,
            validity=Validity.DAY,
            variety=Variety.REGULAR,
            price=Decimal("3345.5"),
            filled_quantity=0,
            exchange_order_id="1100000012345678",
            tags=("ordo-7f3a91c2d4e5",),
            placed_at=at,
            updated_at=at,
        ),
    )


def test_every_status_type_product_and_segment_is_read() -> None:
    rows = read(DHAN.orders(SESSION, LISTED), file("handmade_orders.json"))

    assert rows.bad == ()
    assert [row.status for row in rows.good[:14]] == [
        Status.PENDING,
        Status.OPEN,
        Status.TRIGGER_PENDING,
        Status.TRIGGER_PENDING,
        Status.PENDING,  # parked until the market opens
        Status.PARTIALLY_FILLED,
        Status.FILLED,
        Status.CANCELLED,
        Status.REJECTED,
        Status.EXPIRED,
        Status.OPEN,  # a leg of a super order that fired
        Status.FILLED,  # a super order that is through
        Status.OPEN,
        Status.PARTIALLY_FILLED,  # PENDING, but one of five is filled
    ]
    assert rows.good[8].status_message == (
        "EXCH:16283 The order price is not multiple of the tick size."
    )
    assert rows.good[4].variety is Variety.AMO
    assert [row.product for row in rows.good[10:12]] == [None, None]  # CO and BO
    assert [row.symbol for row in rows.good[14:]] == [
        "NFO:NIFTY27JAN26FUT",
        "BSE:TCS",
        "BFO:SENSEX29JAN2682000CE",
        "MCX:CRUDEOIL19JAN26FUT",
        "CDS:USDINR28JAN26FUT",
        "BCD:USDINR28JAN26FUT",
    ]


def test_a_contract_that_the_file_lacks_keeps_dhans_name() -> None:
    rows = book(BARE | {"securityId": "4242", "tradingSymbol": "NEWCO"})

    assert rows.good[0].symbol == "NSE:NEWCO"


@pytest.mark.parametrize(
    "wrong",
    [
        {"orderStatus": "INACTIVE"},
        {"orderStatus": ""},
        {"orderType": "ICEBERG"},
        {"productType": "NRML"},
        {"transactionType": "B"},
        {"validity": "GTC"},
        {"exchangeSegment": "INX_EQ", "securityId": "1"},
        {"quantity": 2.5},
        {"quantity": None},
        {"filledQty": None},
        {"orderId": ""},
        {"price": "dear"},
        {"createTime": "yesterday"},
    ],
)
def test_a_row_that_is_not_understood_spoils_itself_alone(wrong: dict[str, Any]) -> None:
    rows = book(BARE | wrong, BARE)

    assert (len(rows.good), len(rows.bad)) == (1, 1)


def test_what_is_null_or_of_the_year_one_is_none() -> None:
    nothing: dict[str, Any] = {
        "afterMarketOrder": None,
        "correlationId": None,
        "updateTime": "0001-01-01 00:00:00",
        "omsErrorDescription": "NA",
        "exchangeOrderId": "",
    }

    (row,) = book(BARE | nothing).good

    assert (row.variety, row.tags, row.updated_at) == (Variety.REGULAR, (), None)
    assert (row.status_message, row.exchange_order_id) == (None, None)


def test_numbers_may_be_text_as_in_the_documentations_samples() -> None:
    (row,) = book(BARE | {"quantity": "5", "price": "3345.5", "filledQty": "0"}).good

    assert (row.quantity, row.price) == (5, Decimal("3345.5"))


@pytest.mark.parametrize("name", ["order.json", "order_object.json"])
def test_one_order_comes_as_a_list_or_by_itself(name: str) -> None:
    by_id = read(DHAN.trail(SESSION, "112111182198", LISTED), file(name))
    by_tag = read(DHAN.by_tag(SESSION, "ordo-7f3a91c2d4e5", LISTED), file(name))

    assert [row.broker_order_id for row in by_id.good] == ["112111182198"]
    assert by_tag == by_id


@pytest.mark.parametrize(
    "nothing",
    [
        said([]),
        said({}),
        refusal(400, "DH-906", "Order not found"),
        refusal(400, "DH-906", "Incorrect request"),
        refusal(404, "DH-907", "no data"),
    ],
)
def test_a_tag_that_is_not_there_is_no_rows(nothing: HttpResponse) -> None:
    rows = read(DHAN.by_tag(SESSION, "x", LISTED), nothing)

    assert (rows.good, rows.bad) == ((), ())


@pytest.mark.parametrize("code", ["DH-1111", "DH-1112", "DH-907"])
def test_a_refusal_is_never_an_empty_book_of_orders(code: str) -> None:
    """Only a reading may say that an order is absent."""
    for dialogue in (DHAN.orders(SESSION, LISTED), DHAN.trades(SESSION, LISTED)):
        assert refused(dialogue, refusal(400, code, "none")).fault is Fault.NOT_FOUND


def test_a_trade_is_one_execution() -> None:
    rows = read(DHAN.trades(SESSION, LISTED), file("trades.json"))

    assert rows.good == (
        Fill(
            trade_id="15112111182045",
            broker_order_id="112111182045",
            symbol="NSE:TCS",
            side=Side.BUY,
            quantity=40,
            price=Decimal("3345.8"),
            product=Product.MIS,
            at=datetime(2026, 1, 2, 11, 23, 23, tzinfo=IST),
            exchange_order_id="15112111182045",
        ),
    )


# The yes of a write


def test_a_yes_is_an_order_id() -> None:
    placed = read(DHAN.place(SESSION, ORDER, TCS), file("placed.json"))
    created = read(DHAN.place(SESSION, ORDER, TCS), HttpResponse(201, (), file("placed.json").body))

    assert placed == created == Placed("112111182198")


WRITES: dict[str, Callable[[], Any]] = {
    "place": lambda: DHAN.place(SESSION, ORDER, TCS),
    "cancel": lambda: DHAN.cancel(SESSION, ROW),
    "convert": lambda: DHAN.convert(
        SESSION,
        Conversion(
            symbol="NSE:TCS",
            side=Side.BUY,
            quantity=5,
            from_product=Product.MIS,
            to_product=Product.CNC,
        ),
        TCS,
    ),
}


@pytest.mark.parametrize(
    "answer",
    [
        HttpResponse(200, (), b""),
        HttpResponse(201, (), b""),
        HttpResponse(200, (), b"{}"),
        HttpResponse(200, (), b'{"orderId":null,"orderStatus":"TRANSIT"}'),
        HttpResponse(200, (), b'{"orderStatus":"TRANSIT"}'),
        HttpResponse(202, (), b"<html>"),
        HttpResponse(204, (), b""),
        HttpResponse(302, (("location", "https://x/"),), b""),
        HttpResponse(400, (), b""),
        HttpResponse(404, (), b"<html>not here</html>"),
        HttpResponse(500, (), b'{"orderId":"1"}'),
    ],
)
@pytest.mark.parametrize("operation", WRITES)
def test_anything_less_is_doubt(operation: str, answer: HttpResponse) -> None:
    error = refused(WRITES[operation](), answer)

    assert not error.sure


def test_an_empty_202_is_a_yes_to_a_cancel_and_a_conversion_and_not_to_an_order() -> None:
    empty = HttpResponse(202, (), b"")

    read(WRITES["cancel"](), empty)
    read(WRITES["convert"](), empty)
    assert not refused(WRITES["place"](), empty).sure


def test_a_conversion_takes_no_other_yes_than_202() -> None:
    read(WRITES["convert"](), said({"status": "success"}, 202))

    assert not refused(WRITES["convert"](), said({"status": "success"})).sure


# Refusals


CODES = sorted({row.code for row in FAULTS.rows if row.code.startswith("DH-")})


@pytest.mark.parametrize("code", [*CODES, "DH-999"])
@pytest.mark.parametrize("status", [200, 201, 202, 299, 500, 502, 503, 504, 520])
def test_no_refusal_outside_400_to_499_is_sure(status: int, code: str) -> None:
    error = refused(WRITES["place"](), refusal(status, code, "Insufficient funds, invalid token"))

    assert not error.sure


@pytest.mark.parametrize("code", ["DH-907", "DH-908", "DH-909", "DH-910", "DH-1111", "DH-999", ""])
def test_codes_that_say_nothing_sure_are_doubt(code: str) -> None:
    assert not refused(WRITES["place"](), refusal(400, code, "whatever")).sure


def test_a_refusal_that_speaks_of_time_is_doubt_whatever_its_code() -> None:
    error = refused(WRITES["place"](), refusal(400, "DH-906", "Order request timed out"))

    assert (error.fault, error.sure) == (Fault.AMBIGUOUS, False)


DEAD = (
    refusal(401, "DH-901", "Client ID or user generated access token is invalid or expired."),
    refusal(400, "DH-906", "Invalid Token"),
    data_refusal(401, "808", "Authentication Failed - Client ID or Access Token invalid"),
    data_refusal(400, "807", "Access token is expired"),
    data_refusal(400, "809", "Access token is invalid"),
)


@pytest.mark.parametrize("dead", DEAD)
def test_a_dead_session_is_known_in_each_of_its_shapes(dead: HttpResponse) -> None:
    dialogues = (
        DHAN.user(SESSION),
        DHAN.orders(SESSION, LISTED),
        DHAN.by_tag(SESSION, "x", LISTED),
        DHAN.holdings(SESSION, LISTED),
        DHAN.ltp(SESSION, (TCS,)),
        WRITES["place"](),
    )

    assert {refused(dialogue, dead).fault for dialogue in dialogues} == {Fault.AUTH_EXPIRED}


@pytest.mark.parametrize(
    "missing",
    [
        data_refusal(401, "806", "Data APIs not subscribed"),
        refusal(401, "DH-902", "User has not subscribed to Data APIs"),
    ],
)
def test_a_missing_data_plan_is_named_where_data_is_asked_for(missing: HttpResponse) -> None:
    start = datetime(2026, 1, 8, 9, 15, tzinfo=IST)
    dialogues = (
        DHAN.ltp(SESSION, (TCS,)),
        DHAN.quotes(SESSION, (TCS,)),
        history(DHAN, SESSION, TCS, Interval.M5, start, start),
    )

    for dialogue in dialogues:
        error = refused(dialogue, missing)
        assert error.fault is Fault.AUTH_DENIED
        assert "data plan" in error.message
    assert "data plan" not in refused(DHAN.funds(SESSION), missing).message
    wrong_id = data_refusal(401, "810", "Client ID is invalid")
    assert refused(DHAN.ltp(SESSION, (TCS,)), wrong_id).message == "Client ID is invalid"


def test_a_token_in_dhans_words_is_masked() -> None:
    token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzUxMiJ9.eyJpc3MiOiJkaGFuIn0.Xk3_-a"

    error = refused(DHAN.user(SESSION), refusal(401, "DH-901", f"bad access-token {token}!"))

    assert error.message == "bad access-token ***!"


# Forever orders


def test_the_legs_of_one_forever_order_are_one_trigger() -> None:
    rows = read(DHAN.gtts(SESSION, LISTED), file("forever.json"))

    assert rows.bad == ()
    single, oco, *others = rows.good
    assert single == BrokerGtt(
        broker_gtt_id="1132208051115",
        status=GttStatus.ACTIVE,
        symbol="NSE:TCS",
        legs=(
            GttLeg(
                trigger_price=Decimal(3427),
                side=Side.BUY,
                quantity=10,
                price=Decimal(3428),
            ),
        ),
        created_at=datetime(2026, 1, 2, 12, 44, 19, tzinfo=IST),
    )
    assert [leg.trigger_price for leg in oco.legs] == [3301, 3499]  # ascending
    assert [row.status for row in others] == [
        GttStatus.TRIGGERED,
        GttStatus.CANCELLED,
        GttStatus.REJECTED,
        GttStatus.EXPIRED,
        GttStatus.ACTIVE,
        GttStatus.ACTIVE,
        GttStatus.TRIGGERED,
    ]


@pytest.mark.parametrize(
    ("statuses", "whole"),
    [
        (("CANCELLED", "TRADED"), GttStatus.TRIGGERED),
        (("CONFIRM", "CANCELLED"), GttStatus.ACTIVE),
        (("REJECTED", "CANCELLED"), GttStatus.REJECTED),
    ],
)
def test_legs_that_ended_differently_make_one_fate(
    statuses: tuple[str, str], whole: GttStatus
) -> None:
    legs = [
        leg | {"orderStatus": s}
        for leg, s in zip(sample("forever.json")[1:3], statuses, strict=True)
    ]

    assert read(DHAN.gtts(SESSION, LISTED), said(legs)).good[0].status is whole


def test_a_bad_leg_spoils_its_trigger_alone() -> None:
    single, upper, lower, *_ = sample("forever.json")

    rows = read(
        DHAN.gtts(SESSION, LISTED), said([single, upper, lower | {"orderStatus": "ODD"}, 7])
    )

    assert [row.broker_gtt_id for row in rows.good] == [single["orderId"]]
    assert len(rows.bad) == 2


# Portfolio


def test_a_position_is_signed_and_in_units() -> None:
    rows = read(DHAN.positions(SESSION, LISTED), file("positions.json"))

    assert rows.good == (
        Position(
            symbol="NSE:TCS",
            product=Product.CNC,
            quantity=40,
            average_price=Decimal(3215),
            pnl=Decimal(6122),
            realised=Decimal(0),
            unrealised=Decimal(6122),
            buy_quantity=40,
            buy_value=Decimal(133832),
            sell_quantity=0,
            sell_value=Decimal(0),
        ),
    )


def test_what_was_carried_into_the_day_is_told_apart() -> None:
    (row,) = sample("positions.json")
    short = row | {
        "netQty": -75,
        "exchangeSegment": "NSE_FNO",
        "securityId": "52175",
        "productType": "MARGIN",
        "carryForwardSellQty": 75,
        "carryForwardSellValue": 1942500.0,
    }

    (position,) = read(DHAN.positions(SESSION, LISTED), said([short])).good

    assert (position.quantity, position.overnight_quantity) == (-75, -75)
    assert position.sell_value == 1942500


def test_a_commodity_position_of_an_unknown_measure_is_unreadable() -> None:
    (row,) = sample("positions.json")
    crude = row | {"exchangeSegment": "MCX_COMM", "securityId": "440939", "productType": "MARGIN"}

    rows = read(
        DHAN.positions(SESSION, LISTED),
        said([crude, crude | {"multiplier": 100}, row | {"multiplier": 75}]),
    )

    assert [position.symbol for position in rows.good] == ["MCX:CRUDEOIL19JAN26FUT", "NSE:TCS"]
    assert len(rows.bad) == 1


@pytest.mark.parametrize("status", [400, 404, 500])
@pytest.mark.parametrize("code", ["DH-1111", "DH-1112"])
def test_nothing_held_is_an_empty_list(status: int, code: str) -> None:
    nothing = refusal(status, code, "No holdings available")

    assert read(DHAN.holdings(SESSION, LISTED), nothing).good == ()
    assert read(DHAN.positions(SESSION, LISTED), nothing).is_whole


def test_a_holding_counts_what_is_yet_to_come() -> None:
    rows = read(DHAN.holdings(SESSION, LISTED), file("holdings.json"))

    assert rows.good == (
        Holding(
            symbol="NSE:TCS",
            isin="INE467B01029",
            quantity=1000,
            t1_quantity=100,
            average_price=Decimal(2655),
            last_price=Decimal("3345.8"),
        ),
    )


@pytest.mark.parametrize(
    ("fields", "symbol"),
    [
        ({"securityId": "532540"}, "BSE:TCS"),
        ({"exchange": "BSE", "securityId": "532540"}, "BSE:TCS"),
        ({"securityId": "532540", "tradingSymbol": "OTHER"}, "NSE:OTHER"),
        ({"exchange": "BSE", "tradingSymbol": "OTHER"}, "BSE:OTHER"),
        ({"securityId": "52175", "tradingSymbol": "OTHER"}, "NSE:OTHER"),
    ],
)
def test_an_id_names_a_share_where_its_symbol_fits_too(fields: dict[str, str], symbol: str) -> None:
    (row,) = sample("holdings.json")

    (holding,) = read(DHAN.holdings(SESSION, LISTED), said([row | fields])).good

    assert holding.symbol == symbol


def test_funds_are_one_purse() -> None:
    assert read(DHAN.funds(SESSION), file("fundlimit.json")) == (
        Funds(
            segment="all",
            available=Decimal(98440),
            used=Decimal(15202),
            collateral=Decimal(0),
            opening=Decimal(113642),
        ),
    )


def test_margins_are_told_for_one_and_for_several() -> None:
    one = read(DHAN.margin(SESSION, ((ORDER, TCS),)), file("margin.json"))
    two = read(DHAN.margin(SESSION, ((ORDER, TCS), (ORDER, TCS))), file("margin_multi.json"))

    assert one == Margin(needed=Decimal(2800), available=Decimal(10500))
    assert two == Margin(needed=Decimal(150000))


# Market data


def test_a_quote_has_levels_and_an_index_has_none() -> None:
    quotes = read(DHAN.quotes(SESSION, (TCS, NIFTY)), file("quote.json"))

    assert quotes["NSE:TCS"] == Quote(
        symbol="NSE:TCS",
        last_price=Decimal(4520),
        at=datetime(2026, 1, 2, 10, 14, 22, tzinfo=IST),
        open_price=Decimal(4510),
        high_price=Decimal(4533),
        low_price=Decimal(4495),
        close_price=Decimal(4500),
        volume=150000,
        average_price=Decimal("4500.12"),
        oi=0,
        lower_circuit=Decimal(4068),
        upper_circuit=Decimal(4972),
        depth=Depth((Level(Decimal(77), 1800, 1),), (Level(Decimal("78.5"), 25, 2),)),
    )
    index = quotes["NSE_INDEX:NIFTY"]
    assert (index.last_price, index.at, index.depth) == (Decimal("25876.85"), None, None)


def test_what_was_not_asked_for_or_cannot_be_read_is_left_out() -> None:
    prices = {"NSE_EQ": {"11536": {"last_price": "?"}, "1": {"last_price": 5}}}
    both = prices | {"NSE_FNO": {"52175": {"last_price": 25641.8}}}

    quotes = read(DHAN.ltp(SESSION, (TCS, FUTURE)), said({"data": both, "status": "success"}))

    assert quotes == {
        "NFO:NIFTY27JAN26FUT": Quote(symbol="NFO:NIFTY27JAN26FUT", last_price=Decimal("25641.8"))
    }


def test_volumes_of_an_unsure_lot_are_not_told() -> None:
    price = {"last_price": 130000, "volume": 12, "oi": 5, "depth": {"buy": [], "sell": []}}
    answer = said({"data": {"MCX_COMM": {"440940": price}}, "status": "success"})

    quote = read(DHAN.quotes(SESSION, (GOLD,)), answer)[GOLD.symbol]

    assert (quote.volume, quote.oi, quote.depth) == (None, None, None)


def test_candles_come_in_columns_and_utc_seconds() -> None:
    start, end = (datetime(2026, 1, day, tzinfo=IST) for day in (8, 9))

    days = read(history(DHAN, SESSION, FUTURE, Interval.D1, start, end), file("candles_daily.json"))

    assert days[0] == Candle(
        at=start,
        open=Decimal("25900.5"),
        high=Decimal(26010),
        low=Decimal(25850),
        close=Decimal(25990),
        volume=100,
        oi=1500,
    )
    assert [candle.at for candle in days] == [start, end]


def test_candles_outside_the_range_are_left_out() -> None:
    first = datetime(2026, 1, 8, 9, 15, tzinfo=IST)

    candles = read(
        history(DHAN, SESSION, TCS, Interval.M1, first, first), file("candles_intraday.json")
    )

    assert [(candle.at, candle.oi) for candle in candles] == [(first, None)]


def test_columns_of_different_lengths_are_unreadable() -> None:
    columns = sample("candles_daily.json")
    start = datetime(2026, 1, 8, tzinfo=IST)

    error = refused(
        history(DHAN, SESSION, FUTURE, Interval.D1, start, start),
        said(columns | {"close": [1]}),
    )

    assert error.fault is Fault.UNREADABLE


def test_no_data_of_that_time_is_no_candles() -> None:
    start = datetime(2026, 1, 8, tzinfo=IST)
    nothing = refusal(400, "DH-907", "no data present")

    assert read(history(DHAN, SESSION, TCS, Interval.D1, start, start), nothing) == ()


def test_the_exchange_of_every_segment_is_known() -> None:
    assert {row.symbol.partition(":")[0] for row in book(*sample("handmade_orders.json")).good} == {
        str(exchange) for exchange in Exchange if "INDEX" not in exchange
    }
