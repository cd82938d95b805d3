"""What XTS' answers are in our words, and what its members send that the others do not."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ordo_adapters.xts import COMPOSITEDGE, IIFL, JAINAM, RMONEY, Xts
from ordod.adapter import (
    IST,
    Ask,
    BrokerOrder,
    Credentials,
    Fault,
    HttpResponse,
    Instrument,
    Interval,
    OrderType,
    Product,
    Secret,
    Side,
    Status,
    Validity,
    Variety,
)
from ordod.adapter.suite import Listed, load, play
from tests.adapters.bench import history

SAMPLES = Path(__file__).parent / "samples"
FOLDER = load(SAMPLES)
SESSION, BY_NAME = FOLDER.session, FOLDER.instruments
LISTED = Listed(BY_NAME.values())
INFY, FUTURE = BY_NAME["NSE:INFY"], BY_NAME["NFO:NIFTY29SEP26FUT"]
KEYS = Credentials(
    api_key=Secret("app-key"),
    api_secret=Secret("app-secret"),
    options={"redirect_uri": "https://app.example/back"},
    secrets={"market_api_key": Secret("m-key"), "market_api_secret": Secret("m-secret")},
)


def value(dialogue: Any, *names: str) -> Any:
    answers = [HttpResponse(200, (), (SAMPLES / name).read_bytes()) for name in names]
    played = play(dialogue, answers)
    assert played.error is None, played.error
    return played.value


def at(hour: int, minute: int, second: int = 0, microsecond: int = 0) -> datetime:
    return datetime(2026, 9, 7, hour, minute, second, microsecond, IST)


def test_the_sheets_order() -> None:
    (order,) = value(IIFL.orders(SESSION, LISTED), "order.json").good

    assert order == BrokerOrder(
        broker_order_id="1200030045",
        status=Status.PARTIALLY_FILLED,
        symbol="NSE:INFY",
        side=Side.BUY,
        quantity=3,
        type=OrderType.LIMIT,
        product=Product.MIS,
        validity=Validity.DAY,
        variety=Variety.REGULAR,
        price=Decimal("1510.5"),
        filled_quantity=1,
        average_price=Decimal("1510.45"),
        exchange_order_id="1100000012345678",
        tags=("od7f3k2m",),
        placed_at=at(9, 41, 10, 123000),
        updated_at=at(9, 41, 11, 45000),
    )


def test_every_status() -> None:
    orders = value(IIFL.orders(SESSION, LISTED), "orders.json").good

    assert [order.status for order in orders] == [
        Status.PARTIALLY_FILLED,
        Status.PENDING,
        Status.OPEN,
        Status.CANCELLED,
        Status.FILLED,
        Status.OPEN,
        Status.OPEN,
        Status.TRIGGER_PENDING,  # a stop order that is `New`
        Status.TRIGGER_PENDING,
        Status.OPEN,
        Status.PARTIALLY_FILLED,  # `PendingReplace`, and something of it was filled
        Status.OPEN,
        Status.REJECTED,
        Status.OPEN,
    ]
    assert orders[3].placed_at == at(10, 0)  # another form of a time
    assert orders[3].updated_at == at(10, 0, 1)
    assert "Margin Exceeds" in str(orders[12].status_message)
    # A bracket order of another validity, placed elsewhere: a kill must see it.
    assert (orders[13].product, orders[13].variety, orders[13].validity) == (None, None, None)


def test_a_trade_has_its_own_quantity_and_not_the_orders() -> None:
    first, foreign = value(IIFL.trades(SESSION, LISTED), "trades.json").good

    assert (first.quantity, first.price, first.trade_id) == (1, Decimal("1510.45"), "402013")
    assert (foreign.symbol, foreign.trade_id, foreign.at) == ("NSE:9999999", "402019", at(9, 50))


def test_quantities_that_nobody_can_count_are_no_positions() -> None:
    row = b'{"ExchangeSegment":"MCXFO","ExchangeInstrumentId":"440939","ProductType":"NRML","Quantity":"1",'
    row += b'"BuyAveragePrice":"1","SellAveragePrice":"0","MTM":"0","RealizedMTM":"0","UnrealizedMTM":"0"}'
    body = b'{"type":"success","result":{"positionList":[' + row + b"]}}"

    rows = play(IIFL.positions(SESSION, LISTED), [HttpResponse(200, (), body)]).value

    assert (rows.good, len(rows.bad)) == ((), 1)


def test_positions_of_both_builds() -> None:
    long, short, closed = value(IIFL.positions(SESSION, LISTED), "positions.json").good
    (old,) = value(IIFL.positions(SESSION, LISTED), "positions_v1.json").good

    assert (long.quantity, long.average_price, long.pnl) == (3, Decimal("1510.45"), Decimal("0.15"))
    assert (short.symbol, short.quantity) == ("NFO:NIFTY29SEP26FUT", -65)
    assert short.average_price == Decimal("24510.10")
    assert (closed.quantity, closed.average_price, closed.sell_quantity) == (0, None, 3)
    assert (old.quantity, old.buy_quantity, old.sell_quantity) == (3, 5, 2)


def test_holdings_and_money() -> None:
    known, unknown = value(IIFL.holdings(SESSION, LISTED), "holdings.json").good
    (funds,) = value(IIFL.funds(SESSION), "balance.json")

    assert (known.symbol, known.isin, known.quantity) == ("NSE:INFY", "INE009A01021", 12)
    assert (unknown.symbol, unknown.average_price) == ("NSE:INE999A01019", Decimal("10.5"))
    assert (funds.available, funds.cash, funds.used) == (
        95_469,
        Decimal("100000.5"),
        Decimal("4531.5"),
    )
    assert funds.collateral is None  # `NaN`


def test_a_quote_is_known_by_its_number_and_has_an_exchanges_time() -> None:
    index = BY_NAME["NSE_INDEX:NIFTY"]
    quotes = value(IIFL.quotes(SESSION, (INFY, index)), "quotes.json")

    infy = quotes["NSE:INFY"]
    assert quotes["NSE_INDEX:NIFTY"].last_price == Decimal("24512.35")
    assert (infy.last_price, infy.close_price, infy.volume) == (
        Decimal("1510.6"),
        Decimal("1504.6"),
        123_456,
    )
    assert infy.at == datetime(2026, 9, 6, 9, 41, 11, tzinfo=IST)
    assert [(one.price, one.quantity) for one in infy.depth.buy] == [
        (Decimal("1510.5"), 12),
        (Decimal("1510.4"), 500),
    ]


@pytest.mark.parametrize("name", ["touchline.json", "touchline_old.json"])
def test_a_touchline_of_either_build(name: str) -> None:
    assert value(IIFL.ltp(SESSION, (INFY,)), name)["NSE:INFY"].last_price == Decimal("1510.6")


@pytest.mark.parametrize(
    ("instrument", "interval", "name", "begins", "oi"),
    [
        (INFY, Interval.M1, "candles.json", [at(9, 15), at(9, 16)], None),
        # Stamped with the end of the bar; the last one of the day is a short one.
        (FUTURE, Interval.H1, "candles_end.json", [at(9, 15), at(15, 15)], 1_200_500),
        (INFY, Interval.D1, "candles_daily.json", [at(0, 0).replace(day=4), at(0, 0)], None),
    ],
)
def test_a_candle_is_stamped_with_its_begin(
    instrument: Instrument, interval: Interval, name: str, begins: list[datetime], oi: int | None
) -> None:
    start, end = at(0, 0).replace(day=3), at(15, 30)

    candles = value(history(IIFL, SESSION, instrument, interval, start, end), name)

    assert [candle.at for candle in candles] == begins
    assert candles[0].oi == oi


def test_the_instruments() -> None:
    content = (SAMPLES / "instruments.txt").read_bytes()
    found = {one.symbol: one for one in IIFL.parse_master(content, date(2026, 9, 7))}

    assert set(found) == {
        "NSE:INFY",
        "NSE:XYZ-BE",
        "BSE:INFY",
        "NFO:NIFTY29SEP26FUT",
        "NFO:NIFTY29SEP2624500CE",
        "NFO:NIFTY29SEP2624500PE",
        "BFO:SENSEX30SEP2682000CE",
        "CDS:USDINR28SEP26FUT",
        "MCX:CRUDEOIL21SEP26FUT",
        "NSE_INDEX:NIFTY",
        "NSE_INDEX:BANKNIFTY",
        "NSE_INDEX:INDIAVIX",
        "BSE_INDEX:SENSEX",
    }
    future = found["NFO:NIFTY29SEP26FUT"]
    assert (future.broker_symbol, future.instrument_token) == ("51001", "2_51001")
    assert (future.lot_size, future.tick_size) == (65, Decimal("0.1"))
    assert found["NFO:NIFTY29SEP2624500PE"].strike == 24_500
    assert found["MCX:CRUDEOIL21SEP26FUT"].lot_size is None


# Members


@pytest.mark.parametrize(
    ("adapter", "more"),
    [(IIFL, {"source": "WEBAPI"}), (JAINAM, {"accessToken": "none"})],
)
def test_the_keys_go_with_what_the_member_wants(adapter: Xts, more: dict[str, str]) -> None:
    (request,) = play(adapter.login(KEYS, at(8, 45)), ()).requests

    assert request.json == {"appKey": "app-key", "secretKey": "app-secret", **more}


def test_a_refusal_tells_which_keys_it_means() -> None:
    body = b'{"type":"error","code":"e-user-0001","description":"Invalid key","result":{}}'
    names = ("login.json", "profile.json")
    answers = [HttpResponse(200, (), (SAMPLES / name).read_bytes()) for name in names]

    played = play(IIFL.login(KEYS, at(8, 45)), [*answers, HttpResponse(400, (), body)])

    assert played.error is not None
    assert (played.error.fault, played.error.message) == (
        Fault.AUTH_DENIED,
        "market data: Invalid key",
    )


def test_a_page_gives_an_access_token_here_and_the_session_itself_there() -> None:
    said = '{"accessToken":"of-the-page","token":"the-session","userID":"CL1234"}'

    compositedge = play(COMPOSITEDGE.login(KEYS, at(8, 45)), (said,))
    rmoney = play(RMONEY.login(KEYS, at(8, 45)), (said,))

    (ask,) = compositedge.asks
    assert isinstance(ask, Ask)
    assert ask.url == (
        "https://xts.compositedge.com/interactive/thirdparty"
        "?appKey=app-key&returnURL=https%3A%2F%2Fapp.example%2Fback"
    )
    assert compositedge.requests[0].json["accessToken"] == "of-the-page"
    assert rmoney.requests[0].path == "/user/profile"
    assert rmoney.requests[0].headers == (("Authorization", "the-session"),)
