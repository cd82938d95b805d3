"""What the broker's answers are in our words: rows, statuses, refusals, and rows that cannot be read."""

import json
from collections.abc import Generator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from ordo_adapters.angelone import ANGELONE
from ordod.adapter import (
    IST,
    BrokerError,
    BrokerOrder,
    Depth,
    Fault,
    GttLeg,
    GttStatus,
    HttpResponse,
    Interval,
    Level,
    NewGtt,
    OrderType,
    Placed,
    Product,
    Side,
    Status,
    Validity,
    Variety,
)
from tests.adapters.angelone.making import (
    GOLD,
    LISTED,
    NIFTY,
    SBIN,
    SESSION,
    order,
    row,
    said,
    sample,
    success,
)
from tests.adapters.bench import history

DATE = {"date": "Mon, 13 Oct 2025 18:44:30 GMT"}  # past midnight in India


def answered(dialogue: Generator[Any, Any, Any], *answers: HttpResponse) -> Any:
    """What a dialogue ends with, answered so."""
    next(dialogue)
    for answer in answers[:-1]:
        dialogue.send(answer)
    with pytest.raises(StopIteration) as end:
        dialogue.send(answers[-1])
    return end.value.value


def refused(dialogue: Generator[Any, Any, Any], *answers: HttpResponse) -> BrokerError:
    next(dialogue)
    for answer in answers[:-1]:
        dialogue.send(answer)
    with pytest.raises(BrokerError) as error:
        dialogue.send(answers[-1])
    return error.value


def place() -> Generator[Any, Any, Any]:
    return ANGELONE.place(SESSION, order(), SBIN)


def orders(name: str) -> Any:
    return answered(ANGELONE.orders(SESSION, LISTED), sample(name))


# Orders and trades


def test_a_placement_is_the_order_id() -> None:
    assert answered(place(), sample("placed.json")) == Placed("251013000481205")


def test_a_row_of_the_order_book() -> None:
    read = orders("order_book.json")

    assert read.is_whole
    assert read.good == (
        BrokerOrder(
            broker_order_id="251013000481205",
            status=Status.FILLED,
            symbol="NSE:SBIN",
            side=Side.BUY,
            quantity=10,
            type=OrderType.LIMIT,
            product=Product.MIS,
            validity=Validity.DAY,
            variety=Variety.REGULAR,
            price=Decimal("812.5"),
            filled_quantity=10,
            average_price=Decimal("812.35"),
            exchange_order_id="1100000034567890",
            tags=("ordo7f3a91c2d4e5",),
            updated_at=datetime(2025, 10, 13, 10, 14, 22, tzinfo=IST),
        ),
    )


def test_every_status() -> None:
    read = orders("handmade_statuses.json")

    assert read.is_whole
    assert [row.status for row in read.good] == [
        *[Status.PENDING] * 7,
        *[Status.OPEN] * 7,
        Status.TRIGGER_PENDING,
        Status.FILLED,
        Status.CANCELLED,
        Status.CANCELLED,
        Status.REJECTED,
        Status.EXPIRED,
        Status.EXPIRED,
        Status.PARTIALLY_FILLED,
    ]


def test_every_kind_of_order() -> None:
    rows = orders("handmade_kinds.json").good

    assert [(r.symbol, r.type, r.product, r.variety, r.trigger_price) for r in rows] == [
        ("NSE:SBIN", OrderType.MARKET, Product.CNC, Variety.REGULAR, None),
        ("BSE:SBIN", OrderType.SL, Product.MTF, Variety.REGULAR, 810),
        ("NFO:NIFTY28OCT2525000CE", OrderType.SL_M, Product.NRML, Variety.REGULAR, 810),
        ("BFO:SENSEX30OCT25FUT", OrderType.LIMIT, Product.NRML, Variety.AMO, None),
        ("MCX:CRUDEOIL17NOV25FUT", OrderType.LIMIT, Product.NRML, Variety.REGULAR, None),
        ("CDS:USDINR29OCT25FUT", OrderType.LIMIT, Product.NRML, Variety.REGULAR, None),
        ("NSE:SBIN", OrderType.LIMIT, None, None, None),  # a bracket order, placed elsewhere
    ]
    assert {r.validity for r in rows} == {Validity.DAY, Validity.IOC}
    assert {r.updated_at for r in rows} == {None}


def test_a_row_that_cannot_be_read_spoils_no_other() -> None:
    read = orders("handmade_bad_rows.json")

    assert len(read.good) == 1
    whys = [bad.why for bad in read.bad]
    assert [len(whys), "teleported" in whys[1], "NCDEX" in whys[5]] == [8, True, True]
    assert "no table" in whys[6]  # a quantity of which nobody knows what it counts
    assert "not a time" in whys[7]


def test_a_contract_that_is_not_listed_keeps_the_brokers_name() -> None:
    unknown = {"tradingsymbol": "NEWCO-EQ", "orderid": "1"}
    row = _row() | unknown

    (read,) = answered(ANGELONE.orders(SESSION, LISTED), success([row])).good

    assert read.symbol == "NSE:NEWCO-EQ"


def _row() -> dict[str, Any]:
    return dict(json.loads(sample("order_book.json").body)["data"][0])


@pytest.mark.parametrize("data", [None, []])
def test_an_empty_book_is_null_or_an_empty_list(data: object) -> None:
    read = answered(ANGELONE.orders(SESSION, LISTED), success(data))

    assert (read.good, read.is_whole) == ((), True)


@pytest.mark.parametrize(
    "answer",
    [
        said(status=True, message="SUCCESS", errorcode=""),  # no data at all
        success(""),
        success({}),
        HttpResponse(200, (), b""),
        HttpResponse(404, (), b'{"status":true,"message":"","errorcode":"","data":null}'),
    ],
)
def test_what_is_no_list_is_no_empty_book(answer: HttpResponse) -> None:
    assert refused(ANGELONE.orders(SESSION, LISTED), answer).fault is Fault.UNREADABLE


def test_the_trail_is_the_order_as_it_stands() -> None:
    dialogue = ANGELONE.trail(SESSION, "251013000481205", LISTED)

    read = answered(dialogue, sample("order_book.json"), sample("order_details.json"))

    assert [row.status for row in read.good] == [Status.FILLED]


def test_a_trade_gets_its_day_from_the_answers_clock() -> None:
    read = answered(ANGELONE.trades(SESSION, LISTED), sample("trade_book.json", **DATE))

    assert read.is_whole
    (fill,) = read.good
    assert (fill.trade_id, fill.broker_order_id) == ("50005750", "251013000481205")
    assert (fill.symbol, fill.side, fill.quantity) == ("NSE:SBIN", Side.BUY, 10)
    assert (fill.price, fill.product) == (Decimal("812.35"), Product.MIS)
    assert fill.at == datetime(2025, 10, 14, 10, 14, 22, tzinfo=IST)


@pytest.mark.parametrize("headers", [{}, {"date": "yesterday"}])
def test_trades_without_a_day_are_not_dated_by_guess(headers: dict[str, str]) -> None:
    error = refused(ANGELONE.trades(SESSION, LISTED), sample("trade_book.json", **headers))

    assert error.fault is Fault.UNREADABLE


# Triggers, portfolio, money


def test_triggers() -> None:
    read = answered(ANGELONE.gtts(SESSION, LISTED), sample("handmade_rules.json"))

    assert read.is_whole
    assert [row.status for row in read.good] == [
        GttStatus.ACTIVE,
        GttStatus.ACTIVE,
        GttStatus.TRIGGERED,
        GttStatus.CANCELLED,
    ]
    first = read.good[0]
    assert (first.broker_gtt_id, first.symbol) == ("1857148", "NSE:SBIN")
    assert first.legs == (
        GttLeg(trigger_price=Decimal(780), side=Side.BUY, quantity=10, price=Decimal(781)),
    )
    assert first.created_at == datetime(2025, 10, 13, 9, 20, 11, tzinfo=UTC)


@pytest.mark.parametrize("name", ["gtt_id.json", "gtt_id_as_text.json"])
def test_a_triggers_id_is_a_number_or_text(name: str) -> None:
    leg = GttLeg(trigger_price=Decimal(780), side=Side.BUY, quantity=10, price=Decimal(781))
    wish = ANGELONE.place_gtt(SESSION, _gtt(leg), SBIN)

    assert answered(wish, sample(name)) == "1857148"


@pytest.mark.parametrize("data", [{}, {"id": 0}, {"id": ""}, {"id": None}, None])
def test_a_trigger_without_an_id_is_no_success(data: object) -> None:
    leg = GttLeg(trigger_price=Decimal(780), side=Side.BUY, quantity=10, price=Decimal(781))

    error = refused(ANGELONE.place_gtt(SESSION, _gtt(leg), SBIN), success(data))

    assert (error.fault, error.sure) == (Fault.UNREADABLE, False)


def _gtt(leg: GttLeg) -> NewGtt:
    return NewGtt(symbol="NSE:SBIN", legs=(leg,))


def test_a_position_as_the_docs_show_it_and_as_it_comes() -> None:
    (plain,) = answered(ANGELONE.positions(SESSION, LISTED), sample("positions.json")).good
    (live,) = answered(ANGELONE.positions(SESSION, LISTED), sample("handmade_positions.json")).good

    assert (plain.symbol, plain.product, plain.quantity) == (
        "NFO:NIFTY28OCT2525000CE",
        Product.NRML,
        75,
    )
    assert (plain.average_price, plain.last_price, plain.pnl) == (Decimal("120.5"), None, None)
    assert (plain.buy_quantity, plain.buy_value) == (75, Decimal("9037.5"))
    assert (live.quantity, live.overnight_quantity) == (-150, -225)
    assert (live.last_price, live.pnl, live.realised) == (Decimal("118.25"), Decimal("337.5"), 0)


def test_a_holding() -> None:
    (held,) = answered(ANGELONE.holdings(SESSION, LISTED), sample("handmade_holdings.json")).good

    assert (held.symbol, held.isin) == ("NSE:SBIN", "INE062A01020")
    assert (held.quantity, held.t1_quantity, held.collateral_quantity) == (10, 2, 0)
    assert (held.average_price, held.close_price, held.pnl) == (Decimal("790.15"), 808, 223)


def test_funds_are_one_purse() -> None:
    (funds,) = answered(ANGELONE.funds(SESSION), sample("funds.json"))

    assert (funds.segment, funds.available, funds.cash) == (
        "all",
        Decimal("19948.77"),
        Decimal("19948.77"),
    )
    assert (funds.used, funds.collateral, funds.opening) == (Decimal("29.07"), 0, None)


def test_a_margin_tells_no_charges() -> None:
    margin = answered(ANGELONE.margin(SESSION, ((order(), SBIN),)), sample("margin.json"))

    assert (margin.needed, margin.charges) == (Decimal("121450.35"), None)


# Market data


def test_a_quote_with_its_depth() -> None:
    quotes = answered(ANGELONE.quotes(SESSION, (SBIN, NIFTY)), sample("handmade_quote.json"))

    assert set(quotes) == {"NSE:SBIN"}
    quote = quotes["NSE:SBIN"]
    assert (quote.last_price, quote.close_price) == (Decimal("812.35"), Decimal("809.55"))
    assert (quote.volume, quote.oi, quote.average_price) == (1_204_530, 0, Decimal("811.9"))
    assert (quote.lower_circuit, quote.upper_circuit) == (Decimal("728.6"), Decimal("890.5"))
    assert quote.at == datetime(2025, 10, 13, 10, 14, 22, tzinfo=IST)
    assert quote.depth == Depth(
        (Level(Decimal("812.3"), 150, 1), Level(Decimal("812.25"), 90, 1)),
        (Level(Decimal("812.4"), 75, 1),),
    )


def test_volumes_that_nobody_can_count_are_left_out() -> None:
    row = {"exchange": "MCX", "tradingSymbol": "GOLDM05DEC25FUT", "symbolToken": "446050"}
    more = {
        "ltp": 122000.0,
        "tradeVolume": 900,
        "opnInterest": 70,
        "depth": {"buy": [], "sell": []},
    }

    quotes = answered(
        ANGELONE.quotes(SESSION, (GOLD,)), success({"fetched": [row | more], "unfetched": []})
    )

    quote = quotes["MCX:GOLDM05DEC25FUT"]
    assert (quote.last_price, quote.volume, quote.oi, quote.depth) == (122_000, None, None, None)


def test_a_quote_that_was_not_asked_for_or_cannot_be_read_spoils_no_other() -> None:
    good = {"exchange": "NSE", "tradingSymbol": "SBIN-EQ", "symbolToken": "3045", "ltp": 812.5}
    rows = [good | {"symbolToken": "881"}, {"exchange": "NSE"}, good]

    quotes = answered(ANGELONE.ltp(SESSION, (SBIN,)), success({"fetched": rows, "unfetched": []}))

    assert {symbol: quote.last_price for symbol, quote in quotes.items()} == {
        "NSE:SBIN": Decimal("812.5")
    }


def test_candles_outside_the_range_are_left_out() -> None:
    start = datetime(2025, 10, 13, 9, 16, tzinfo=IST)
    end = datetime(2025, 10, 13, 15, 30, tzinfo=IST)

    candles = answered(
        history(ANGELONE, SESSION, SBIN, Interval.M5, start, end), sample("candles.json")
    )

    (one,) = candles
    assert one.at == datetime(2025, 10, 13, 9, 20, tzinfo=IST)
    assert (one.open, one.high, one.low, one.close, one.volume, one.oi) == (
        Decimal("812.6"),
        813,
        Decimal("811.8"),
        Decimal("812.1"),
        45_120,
        None,
    )


def test_an_instrument_file_is_known_by_its_beginning() -> None:
    content = answered(ANGELONE.master(SESSION), sample("handmade_instruments.json"))
    error = refused(ANGELONE.master(SESSION), HttpResponse(200, (), b"<html>maintenance</html>"))

    assert len(list(ANGELONE.parse_master(content, date(2025, 10, 13)))) == 13
    assert error.fault is Fault.UNREADABLE


# Refusals


@pytest.mark.parametrize(
    "answer",
    [
        sample("dead_session.json"),
        said(status=False, message="Invalid Token", errorcode="AG8001", data=None),
        said(status="false", message="Invalid Token", errorcode="AG8001", data="null"),
        said(success=False, message="Token Expired", errorCode="AG8002", data=""),
    ],
)
def test_a_dead_session_in_every_envelope_is_surely_no_order(answer: HttpResponse) -> None:
    error = refused(place(), answer)

    assert (error.fault, error.sure) == (Fault.AUTH_EXPIRED, True)


def test_the_limiters_plain_words_are_a_sure_no_and_not_quoted() -> None:
    words = b"Access denied because of exceeding access rate"

    error = refused(place(), HttpResponse(403, (), words))
    other = refused(place(), HttpResponse(403, (), b"Forbidden"))
    page = refused(place(), HttpResponse(403, (), words + b" " * 100))

    assert (error.fault, error.sure) == (Fault.RATE_LIMITED, True)
    assert "denied" not in error.message
    assert (other.fault, other.sure) == (Fault.UNREADABLE, False)
    assert (page.fault, page.sure) == (Fault.UNREADABLE, False)


@pytest.mark.parametrize(
    ("code", "fault", "sure"),
    [
        ("AB1004", Fault.BROKER_UNAVAILABLE, False),
        ("AB1007", Fault.BROKER_UNAVAILABLE, False),  # a wrong PIN at login alone
        ("AB1010", Fault.AUTH_EXPIRED, False),  # of the order system, behind the session check
        ("AB1012", Fault.INVALID_INPUT, True),
        ("AB4013", Fault.ORDER_REJECTED, True),
        ("AB1013", Fault.AMBIGUOUS, False),  # no answer to a placement
        ("AB9999", Fault.UNREADABLE, False),
        ("", Fault.UNREADABLE, False),
    ],
)
def test_a_refusal_by_its_code(code: str, fault: Fault, sure: bool) -> None:
    error = refused(place(), said(status=False, message="words", errorcode=code, data=None))

    assert (error.fault, error.sure) == (fault, sure)


def test_a_definite_code_is_no_proof_under_another_status() -> None:
    body = b'{"status":false,"message":"Invalid Product Type","errorcode":"AB1012","data":null}'

    error = refused(place(), HttpResponse(502, (), body))

    assert (error.fault, error.sure) == (Fault.BROKER_UNAVAILABLE, False)


def test_an_unknown_order_ends_a_change() -> None:
    answer = said(status=False, message="Order not found", errorcode="AB1013", data=None)

    error = refused(ANGELONE.cancel(SESSION, row()), answer)

    assert (error.fault, error.sure) == (Fault.NOT_FOUND, True)


@pytest.mark.parametrize(
    "answer",
    [
        HttpResponse(200, (), b""),
        HttpResponse(502, (), b""),
        success(None),
        success({"script": "SBIN-EQ"}),
        said(message="request from an unregistered IP"),
    ],
)
def test_an_answer_that_is_neither_yes_nor_no_is_doubt(answer: HttpResponse) -> None:
    assert not refused(place(), answer).sure


def test_a_token_in_a_message_is_masked() -> None:
    token = "eyJhbGciOiJIUzUxMiJ9.eyJ1c2VybmFtZSI6IkExMDAwMDEifQ.c2lnbmF0dXJl"

    error = refused(
        place(), said(success=False, message=f"Invalid Token {token}", errorCode="AG8001", data="")
    )

    assert error.message == "Invalid Token ***"


def test_a_logout_has_nothing_to_say_but_yes() -> None:
    assert answered(ANGELONE.logout(SESSION), sample("logout.json")) is None
