"""What Upstox's answers are in our words, and what its refusals mean."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ordo_adapters.upstox import UPSTOX
from ordo_adapters.upstox.tables import FAULTS, STATUS, WRITE_FAULTS
from ordod.adapter import (
    IST,
    BrokerOrder,
    Candle,
    Conversion,
    Depth,
    Fault,
    Fill,
    Funds,
    GttLeg,
    GttStatus,
    Holding,
    Interval,
    Level,
    OrderChanges,
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
from ordod.adapter.suite import Played, play
from tests.adapters.bench import history
from tests.adapters.upstox.listed import (
    CRUDE,
    LISTED,
    NIFTY,
    NOW,
    ROW,
    SBIN,
    SESSION,
    answer,
    order,
)

SAMPLES = Path(__file__).parent / "samples"
BOOK = json.loads((SAMPLES / "orders.json").read_text())["data"][0]
TEN_PAST = datetime(2026, 1, 5, 9, 20, 11, tzinfo=IST)


def read(dialogue: Any, *names: str) -> Any:
    """The value that these sample answers give."""
    played = play(dialogue, [answer((SAMPLES / name).read_bytes()) for name in names])
    assert played.error is None
    return played.value


def book(*rows: dict[str, Any]) -> Any:
    """The order book with these rows."""
    body = json.dumps({"status": "success", "data": [BOOK | row for row in rows]}).encode()
    played = play(UPSTOX.orders(SESSION, LISTED), [answer(body)])
    assert played.error is None
    return played.value


def refusal(code: str, message: str = "no", status: int = 400) -> Any:
    body = {"status": "error", "errors": [{"error_code": code, "message": message}]}
    return answer(json.dumps(body).encode(), status)


def placing(*answers: Any) -> Played:
    return play(UPSTOX.place(SESSION, order(), SBIN), answers)


# Orders


def test_a_row_is_read_whole() -> None:
    (row,) = read(UPSTOX.orders(SESSION, LISTED), "orders.json").good

    assert row == BrokerOrder(
        broker_order_id="260105000987654",
        status=Status.FILLED,
        symbol="NSE:SBIN",
        side=Side.BUY,
        quantity=10,
        type=OrderType.LIMIT,
        product=Product.CNC,
        validity=Validity.DAY,
        variety=Variety.REGULAR,
        price=Decimal("801.5"),
        filled_quantity=10,
        average_price=Decimal("801.4"),
        exchange_order_id="1100000012345678",
        tags=("o7f3a91c2d",),
        placed_at=TEN_PAST,
        updated_at=TEN_PAST,
    )


@pytest.mark.parametrize("word", sorted(STATUS.readable))
def test_a_status_is_read_in_any_case(word: str) -> None:
    (row,) = book({"status": f" {word.title()} "}).good

    assert row.status is STATUS.read(word)


def test_an_unknown_status_spoils_one_row_only() -> None:
    rows = book({}, {"status": "put on ice"}, {"order_id": "2"})

    assert [row.broker_order_id for row in rows.good] == ["260105000987654", "2"]
    assert [bad.why for bad in rows.bad] == ["unknown status 'put on ice'"]


def test_a_partial_fill_is_told_by_the_quantities() -> None:
    partly, none, all_of_it = book(
        {"status": "open", "filled_quantity": 4},
        {"status": "open", "filled_quantity": 0},
        {"status": "open", "filled_quantity": 10},
    ).good

    assert partly.status is Status.PARTIALLY_FILLED
    assert none.status is all_of_it.status is Status.OPEN


@pytest.mark.parametrize(
    ("exchange", "word", "product"),
    [
        ("NSE", "D", Product.CNC),
        ("BSE", "D", Product.CNC),
        ("NFO", "D", Product.NRML),
        ("CDS", "D", Product.NRML),
        ("NSE", "I", Product.MIS),
        ("NFO", "I", Product.MIS),
        ("NSE", "MTF", Product.MTF),
        ("NSE", "CO", None),
        ("NSE", "OCO", None),
    ],
)
def test_a_product_is_read_with_its_exchange(
    exchange: str, word: str, product: Product | None
) -> None:
    (row,) = book({"exchange": exchange, "product": word, "instrument_token": "X|1"}).good

    assert row.product is product
    assert (row.variety is None) is (product is None)


def test_lots_are_told_in_units_and_without_a_size_not_at_all() -> None:
    rows = book(
        {"exchange": "MCX", "instrument_token": "MCX_FO|499095", "quantity": 2},
        {"exchange": "MCX", "instrument_token": "MCX_FO|1", "quantity": 2},
    )

    assert [(row.symbol, row.quantity) for row in rows.good] == [(CRUDE.symbol, 200)]
    assert "no table tells" in rows.bad[0].why


def test_a_contract_that_is_not_listed_goes_by_its_own_name() -> None:
    (row,) = book({"instrument_token": "NSE_EQ|INE1", "trading_symbol": None}).good

    assert row.symbol == "NSE:SBIN-EQ"


@pytest.mark.parametrize("text", ["2026-01-05 09:20:11", "05-Jan-2026 09:20:11"])
def test_times_are_read_in_both_ways_of_writing(text: str) -> None:
    (row,) = book({"exchange_timestamp": text}).good

    assert row.updated_at == TEN_PAST


@pytest.mark.parametrize(
    "bad",
    [
        {"order_id": ""},
        {"quantity": 10.5},
        {"exchange": "NASDAQ"},
        {"transaction_type": "B"},
        {"order_type": "STOP"},
        {"product": "X"},
        {"validity": "GTD"},
        {"order_timestamp": "yesterday"},
        {"exchange_timestamp": "05-Foo-2026 09:20:11"},
        {"price": "cheap"},
    ],
)
def test_a_row_that_cannot_be_read_is_bad_and_not_guessed(bad: dict[str, Any]) -> None:
    rows = book(bad, {})

    assert (len(rows.good), len(rows.bad)) == (1, 1)


def test_a_trail_is_told_oldest_first() -> None:
    trail = read(UPSTOX.trail(SESSION, "260105000987654", LISTED), "history.json").good

    assert [row.status for row in trail][-2:] == [Status.OPEN, Status.FILLED]
    assert trail[0].status is Status.PENDING


def test_of_a_tag_each_order_is_told_as_it_last_stood_whatever_the_order_of_rows() -> None:
    rows = read(UPSTOX.by_tag(SESSION, "o7f3a91c2d", LISTED), "history_by_tag.json").good

    assert [(row.broker_order_id[-2:], row.status) for row in rows] == [
        ("54", Status.FILLED),
        ("60", Status.OPEN),
    ]


def test_trades_are_executions() -> None:
    first, second = read(UPSTOX.trades(SESSION, LISTED), "trades.json").good

    assert first == Fill(
        trade_id="50091502",
        broker_order_id="260105000987654",
        symbol="NSE:SBIN",
        side=Side.BUY,
        quantity=6,
        price=Decimal("801.4"),
        product=Product.CNC,
        at=TEN_PAST,
        exchange_order_id="1100000012345678",
    )
    assert second.at.second == 12


# Placing


@pytest.mark.parametrize(
    "data", [{"order_ids": ["7"]}, {"order_id": "7"}, {"order_ids": ["7"], "order_id": "8"}]
)
def test_an_id_is_taken_in_either_shape(data: dict[str, Any]) -> None:
    played = placing(answer(json.dumps({"status": "success", "data": data}).encode()))

    assert played.value == Placed("7")


@pytest.mark.parametrize(
    "data",
    [{}, {"order_ids": []}, {"order_ids": [""]}, {"order_ids": ["1", "2"]}, {"order_id": ""}, []],
)
def test_a_success_without_one_id_is_doubt(data: Any) -> None:
    played = placing(answer(json.dumps({"status": "success", "data": data}).encode()))

    assert played.error is not None
    assert (played.error.fault, played.error.sure) == (Fault.UNREADABLE, False)


def test_a_partial_success_is_doubt() -> None:
    played = placing(answer(b'{"status":"partial_success","data":{"order_ids":["1"]}}', 207))

    assert played.error is not None
    assert not played.error.sure


@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 409, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("body", [b"", b"<html></html>", b"{}", b'{"status":"error"}', b"null"])
def test_what_is_not_upstoxs_envelope_is_never_a_sure_no(status: int, body: bytes) -> None:
    played = placing(answer(body, status))

    assert played.error is not None
    assert not played.error.sure


def test_a_code_alone_with_another_status_is_no_sure_no() -> None:
    for row in (*FAULTS.rows, *WRITE_FAULTS.rows):
        if row.source and row.code:
            played = placing(refusal(row.code, row.words or "no", status=500))
            assert played.error is not None
            assert not played.error.sure, row


def test_every_sure_row_is_of_one_status_and_by_code_or_words() -> None:
    sure = [row for row in (*FAULTS.rows, *WRITE_FAULTS.rows) if row.source]

    assert sure
    assert all(row.status in (400, 401, 403, 423, 429) for row in sure)
    assert all(row.code or row.words for row in sure)


@pytest.mark.parametrize("name", ["error_code", "errorCode"])
def test_a_code_is_read_in_either_spelling(name: str) -> None:
    body = {"status": "error", "errors": [{name: "UDAPI1052", "message": "zero"}]}

    played = placing(answer(json.dumps(body).encode(), 400))

    assert played.error is not None
    assert (played.error.fault, played.error.code) == (Fault.INVALID_INPUT, "UDAPI1052")


def test_the_night_closes_the_market_for_orders_only() -> None:
    closed = refusal("UDAPI100072", "from 5:30 AM", 423)
    written = placing(closed).error
    asked = play(UPSTOX.orders(SESSION, LISTED), [closed]).error

    assert written is not None
    assert (written.fault, written.sure) == (Fault.MARKET_CLOSED, True)
    assert asked is not None
    assert asked.fault is Fault.BROKER_UNAVAILABLE


def test_a_token_in_a_message_is_masked() -> None:
    token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.abcdefghij-KLMNOP_.x"
    error = placing(refusal("UDAPI100050", f"Invalid token {token} used", 401)).error

    assert error is not None
    assert str(error) == "Invalid token *** used"


@pytest.mark.parametrize(
    "make",
    [
        lambda: UPSTOX.modify(SESSION, ROW, OrderChanges(quantity=20), SBIN),
        lambda: UPSTOX.cancel(SESSION, ROW),
    ],
    ids=["modify", "cancel"],
)
def test_a_change_is_acknowledged_with_an_id(make: Callable[[], Any]) -> None:
    acknowledged = play(make(), [answer(b'{"status":"success","data":{"order_id":"1"}}')])
    unnamed = play(make(), [answer(b'{"status":"success","data":{}}')])

    assert acknowledged.is_over
    assert acknowledged.error is None
    assert unnamed.error is not None
    assert not unnamed.error.sure


# GTT


def test_a_trigger_is_read_whole() -> None:
    gtt = read(UPSTOX.gtts(SESSION, LISTED), "gtts.json").good[0]

    assert gtt.legs == (
        GttLeg(
            trigger_price=Decimal(850),
            side=Side.BUY,
            quantity=1,
            price=Decimal(850),
            product=Product.CNC,
        ),
    )
    assert gtt.created_at == datetime(2026, 1, 5, 10, 50, 10, tzinfo=UTC)
    assert gtt.expires_at is not None
    assert gtt.expires_at.year == 2027


def test_a_trigger_stands_as_its_rules_do() -> None:
    gtts = read(UPSTOX.gtts(SESSION, LISTED), "gtts.json").good
    status = {gtt.broker_gtt_id[-2:]: gtt.status for gtt in gtts}

    assert status["01"] is status["08"] is GttStatus.ACTIVE
    assert status["02"] is GttStatus.REJECTED
    assert status["03"] is status["04"] is status["05"] is GttStatus.TRIGGERED
    assert status["06"] is GttStatus.EXPIRED
    assert status["07"] is GttStatus.DISABLED
    assert status["09"] is GttStatus.CANCELLED


@pytest.mark.parametrize(
    ("entry", "exits", "status"),
    [
        ("SCHEDULED", "INACTIVE", GttStatus.ACTIVE),
        ("OPEN", "INACTIVE", GttStatus.ACTIVE),
        ("COMPLETED", "SCHEDULED", GttStatus.ACTIVE),
        ("COMPLETED", "CANCELLED", GttStatus.TRIGGERED),
        ("FAILED", "CANCELLED", GttStatus.REJECTED),
    ],
)
def test_a_trigger_of_several_rules_waits_as_long_as_one_may_come(
    entry: str, exits: str, status: GttStatus
) -> None:
    whole = json.loads((SAMPLES / "gtts.json").read_text())
    row = whole["data"][1]
    for rule, word in zip(row["rules"], (entry, exits, exits), strict=True):
        rule["status"] = word
    body = json.dumps({"status": "success", "data": [row]}).encode()

    (gtt,) = play(UPSTOX.gtts(SESSION, LISTED), [answer(body)]).value.good

    assert gtt.status is status


def test_a_failed_trigger_says_why_and_which_order_it_placed() -> None:
    failed = read(UPSTOX.gtts(SESSION, LISTED), "gtts.json").good[1]

    assert failed.status_message is not None
    assert "circuit limits" in failed.status_message
    assert failed.placed_order_ids == ("260105010168535",)
    assert [leg.side for leg in failed.legs] == [Side.BUY, Side.SELL, Side.SELL]


# Portfolio


def test_positions_are_signed_and_in_units() -> None:
    names = ("positions.json", "positions_mtf.json")
    long, closed, short, crude, mtf = read(UPSTOX.positions(SESSION, LISTED), *names).good

    assert long == Position(
        symbol="NSE:SBIN",
        product=Product.MIS,
        quantity=10,
        average_price=Decimal("801.4"),  # null in the row: the price it was bought at
        last_price=Decimal(804),
        pnl=Decimal(26),
        realised=Decimal(0),
        unrealised=Decimal(26),
        buy_quantity=10,
        buy_value=Decimal(8014),
        sell_value=Decimal(0),
    )
    assert (closed.quantity, closed.average_price, closed.sell_quantity) == (0, None, 10)
    assert (short.quantity, short.overnight_quantity, short.average_price) == (-75, -75, 120)
    assert (crude.quantity, crude.buy_quantity, crude.buy_value) == (200, 200, 1_160_000)
    assert (mtf.product, mtf.quantity, mtf.average_price) == (Product.MTF, 10, 790)


@pytest.mark.parametrize("status", [403, 404, 400])
def test_refused_mtf_positions_are_told_as_unread_and_spoil_no_other(status: int) -> None:
    answers = [answer((SAMPLES / "positions.json").read_bytes())]
    code = {403: "UDAPI100049", 404: "UDAPI100060", 400: "UDAPI100036"}[status]
    played = play(UPSTOX.positions(SESSION, LISTED), [*answers, refusal(code, "no MTF", status)])

    assert len(played.value.good) == 4
    assert [bad.why for bad in played.value.bad] == ["MTF positions: no MTF"]


def test_mtf_positions_that_cannot_be_had_now_are_an_error() -> None:
    answers = [answer((SAMPLES / "positions.json").read_bytes()), answer(b"<html>", 502)]
    error = play(UPSTOX.positions(SESSION, LISTED), answers).error

    assert error is not None
    assert error.fault is Fault.BROKER_UNAVAILABLE


def test_a_commodity_of_another_size_than_ours_is_not_believed() -> None:
    whole = json.loads((SAMPLES / "positions.json").read_text())
    whole["data"][3]["multiplier"] = 1.0
    none = answer(b'{"status":"success","data":[]}')
    played = play(UPSTOX.positions(SESSION, LISTED), [answer(json.dumps(whole).encode()), none])

    assert len(played.value.good) == 3
    assert "our table 100" in played.value.bad[0].why


def test_holdings_are_whole() -> None:
    (holding,) = read(UPSTOX.holdings(SESSION, LISTED), "holdings.json").good

    assert holding == Holding(
        symbol="NSE:SBIN",
        isin="INE062A01020",
        quantity=36,
        t1_quantity=1,
        collateral_quantity=5,
        used_quantity=2,
        average_price=Decimal("801.4"),
        last_price=Decimal(804),
        close_price=Decimal(799),
        pnl=Decimal("93.6"),
    )


def test_money_is_told_for_all_segments_together() -> None:
    assert read(UPSTOX.funds(SESSION), "funds.json") == (
        Funds(
            segment="all",
            available=Decimal("104500.5"),
            cash=Decimal("80000.25"),
            used=Decimal("10499.75"),
            collateral=Decimal("25000.25"),
            opening=Decimal(90000),
        ),
    )


def test_the_margin_is_what_the_orders_need_together() -> None:
    asked = ((order(), SBIN), (order(), SBIN))

    assert read(UPSTOX.margin(SESSION, asked), "margin.json").needed == Decimal("12022.51")


def test_a_conversion_that_is_not_complete_is_doubt() -> None:
    conversion = Conversion(
        symbol="NSE:SBIN",
        side=Side.BUY,
        quantity=1,
        from_product=Product.MIS,
        to_product=Product.CNC,
    )
    pending = answer(b'{"status":"success","data":{"status":"pending"}}')

    error = play(UPSTOX.convert(SESSION, conversion, SBIN), [pending]).error

    assert error is not None
    assert (error.fault, error.sure) == (Fault.UNREADABLE, False)


# Market data


def test_a_quote_is_read_whole_and_found_by_the_key_within() -> None:
    quotes = read(UPSTOX.quotes(SESSION, (SBIN, NIFTY, CRUDE)), "quotes.json")

    assert quotes["NSE:SBIN"] == Quote(
        symbol="NSE:SBIN",
        last_price=Decimal(804),
        at=datetime(2026, 1, 5, 10, 15, 8, 123000, tzinfo=IST),
        open_price=Decimal(800),
        high_price=Decimal("806.5"),
        low_price=Decimal("798.05"),
        close_price=Decimal(799),
        volume=1234567,
        average_price=Decimal("802.55"),
        oi=0,
        lower_circuit=Decimal("719.1"),
        upper_circuit=Decimal("878.9"),
        depth=Depth((Level(Decimal("803.95"), 150, 3),), (Level(Decimal("804.05"), 225, 4),)),
    )
    assert quotes["NSE_INDEX:NIFTY"].volume is None
    assert (quotes[CRUDE.symbol].volume, quotes[CRUDE.symbol].oi) == (120_000, 500_000)


def test_a_price_that_was_not_asked_for_is_left_out() -> None:
    quotes = read(UPSTOX.ltp(SESSION, (SBIN,)), "ltp.json")

    assert quotes == {"NSE:SBIN": Quote(symbol="NSE:SBIN", last_price=Decimal(804))}


def test_a_quote_that_cannot_be_read_spoils_no_other() -> None:
    whole = json.loads((SAMPLES / "quotes.json").read_text())
    whole["data"]["NSE_EQ:SBIN"]["timestamp"] = "2026-01-05 10:15"
    played = play(UPSTOX.quotes(SESSION, (SBIN, NIFTY)), [answer(json.dumps(whole).encode())])

    assert set(played.value) == {"NSE_INDEX:NIFTY"}


def test_candles_of_history_and_today_are_joined_oldest_first() -> None:
    start, end = datetime(2026, 1, 2, 15, 29, tzinfo=IST), datetime(2026, 1, 5, 9, 15, tzinfo=IST)
    candles = read(
        history(UPSTOX, SESSION, SBIN, Interval.M1, start, end),
        "candles_history.json",
        "candles_today.json",
    )

    assert candles == (
        Candle(
            at=start,
            open=Decimal("800.1"),
            high=Decimal("800.5"),
            low=Decimal("799.9"),
            close=Decimal(800),
            volume=4521,
        ),
        Candle(
            at=end,
            open=Decimal("800.5"),
            high=Decimal("801.2"),
            low=Decimal("800.1"),
            close=Decimal(801),
            volume=9000,
        ),
    )


@pytest.mark.parametrize(
    "candle",
    [
        [],
        ["2026-01-05T09:15:00+05:30", 1, 2, 3, 4, 5],
        ["2026-01-05 09:15", 1, 2, 3, 4, 5, 6],
        ["soon", 1, 2, 3, 4, 5, 6],
        ["2026-01-05T09:15:00+05:30", "x", 2, 3, 4, 5, 6],
    ],
)
def test_a_candle_that_cannot_be_read_is_an_error(candle: list[Any]) -> None:
    body = json.dumps({"status": "success", "data": {"candles": [candle]}}).encode()

    error = play(history(UPSTOX, SESSION, SBIN, Interval.M1, NOW, NOW), [answer(body)]).error

    assert error is not None
    assert error.fault is Fault.UNREADABLE
