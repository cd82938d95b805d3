"""What FYERS' answers are in our words."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ordo_adapters.fyers import FYERS
from ordod.adapter import (
    IST,
    BrokerError,
    BrokerOrder,
    Fault,
    HttpResponse,
    Instrument,
    Interval,
    OrderType,
    Product,
    Rows,
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
NONE = Listed(())


def answer(name: str, status: int = 200) -> HttpResponse:
    return HttpResponse(status, (), (SAMPLES / name).read_bytes())


def value(dialogue: Any, *answers: HttpResponse) -> Any:
    played = play(dialogue, answers)
    assert played.error is None, played.error
    return played.value


def orders(name: str) -> tuple[BrokerOrder, ...]:
    rows = value(FYERS.orders(SESSION, LISTED), answer(name))
    assert rows.is_whole, rows.bad
    good: tuple[BrokerOrder, ...] = rows.good
    return good


def test_the_documented_order() -> None:
    (order,) = orders("orders.json")

    assert order == BrokerOrder(
        broker_order_id="26010500000123",
        status=Status.FILLED,
        symbol="NSE:SBIN",
        side=Side.BUY,
        quantity=5,
        type=OrderType.LIMIT,
        product=Product.MIS,
        validity=Validity.DAY,
        variety=Variety.REGULAR,
        price=Decimal("801.5"),
        filled_quantity=5,
        average_price=Decimal("801.4"),
        exchange_order_id="1100000012345678",
        tags=("ordo7f3a91",),
        placed_at=datetime(2026, 1, 5, 9, 34, 38, tzinfo=IST),
    )


def test_each_status_and_what_the_quantities_make_of_it() -> None:
    assert [order.status for order in orders("handmade_orders.json")] == [
        Status.OPEN,
        Status.PARTIALLY_FILLED,
        Status.TRIGGER_PENDING,
        Status.TRIGGER_PENDING,
        Status.CANCELLED,
        Status.PENDING,
        Status.REJECTED,
        Status.EXPIRED,
        Status.FILLED,
        Status.OPEN,
    ]


def test_a_row_says_what_it_is() -> None:
    rows = orders("handmade_orders.json")

    assert [row.tags for row in rows[:2]] == [("a7f3a91c2dk5m7q2w3xy",), ()]
    assert (rows[2].price, rows[2].trigger_price) == (None, Decimal(810))
    assert rows[2].symbol == "BSE:SBIN"
    assert (rows[3].type, rows[3].quantity, rows[3].symbol) == (
        OrderType.SL,
        75,
        "NFO:NIFTY27JAN26FUT",
    )
    assert (rows[4].side, rows[4].symbol) == (Side.SELL, "BFO:SENSEX29JAN2682000CE")
    assert (rows[5].variety, rows[5].exchange_order_id) == (Variety.AMO, None)
    assert rows[6].status_message is not None
    assert "Margin Shortfall" in rows[6].status_message
    assert (rows[7].quantity, rows[7].disclosed_quantity, rows[7].validity) == (
        200,
        100,
        Validity.IOC,
    )
    assert (rows[8].filled_quantity, rows[8].price) == (3000, Decimal("85.1025"))
    assert (rows[9].product, rows[9].variety, rows[9].parent_order_id) == (
        None,
        None,
        "26010500000210",
    )


def test_without_a_master_lots_cannot_be_read_and_units_can() -> None:
    rows: Rows[BrokerOrder] = value(FYERS.orders(SESSION, NONE), answer("handmade_orders.json"))

    assert [row.symbol for row in rows.good][:3] == ["NSE:SBIN-EQ", "NSE:SBIN-EQ", "BSE:SBIN-A"]
    assert len(rows.bad) == 2
    assert all("in lots" in bad.why for bad in rows.bad)


@pytest.mark.parametrize(
    "change",
    [
        {"status": 3},
        {"type": 5},
        {"side": 0},
        {"segment": 20},
        {"id": ""},
        {"orderDateTime": "2026-01-05 09:34:38"},
        {"qty": 2.5},
        {"productType": "BTST"},
        {"orderValidity": "GTC"},
    ],
)
def test_what_is_not_known_makes_the_row_unreadable(change: Mapping[str, Any]) -> None:
    said = msgspec.json.decode((SAMPLES / "orders.json").read_bytes())
    said["orderBook"].append(said["orderBook"][0] | change)
    rows = value(FYERS.orders(SESSION, LISTED), HttpResponse(200, (), msgspec.json.encode(said)))

    assert (len(rows.good), len(rows.bad)) == (1, 1)


def test_trades_are_in_units() -> None:
    sbin, crude = value(FYERS.trades(SESSION, LISTED), answer("trades.json")).good

    assert (sbin.trade_id, sbin.broker_order_id) == ("26010500000123-1234567", "26010500000123")
    assert (sbin.price, sbin.quantity) == (Decimal("801.4"), 5)
    assert (crude.symbol, crude.quantity) == ("MCX:CRUDEOIL19JAN26FUT", 200)


def test_positions_are_signed_and_in_units() -> None:
    sbin, crude = value(FYERS.positions(SESSION, LISTED), answer("positions.json")).good

    assert (sbin.quantity, sbin.product, sbin.buy_value) == (5, Product.MIS, Decimal(4007))
    assert (crude.quantity, crude.overnight_quantity, crude.sell_quantity) == (-200, -200, 200)
    assert crude.pnl == Decimal(200)


def test_shares_not_settled_yet_may_stand_in_a_row_of_their_own() -> None:
    held, unsettled = value(FYERS.holdings(SESSION, LISTED), answer("holdings.json")).good

    assert (held.quantity, held.t1_quantity, held.collateral_quantity) == (10, 2, 1)
    assert (held.isin, held.average_price) == ("INE062A01020", Decimal("750.25"))
    assert (unsettled.symbol, unsettled.quantity, unsettled.t1_quantity) == ("BSE:SBIN", 3, 3)


def test_money_stands_in_rows_by_number() -> None:
    equity, commodity = value(FYERS.funds(SESSION), answer("funds.json"))

    assert (equity.segment, equity.available, equity.used) == (
        "equity",
        Decimal("55000.5"),
        Decimal(3000),
    )
    assert (equity.cash, equity.collateral) == (Decimal("28000.5"), Decimal(30000))
    assert (commodity.segment, commodity.available) == ("commodity", 0)


def test_the_legs_of_an_oco_rise_as_ours_do() -> None:
    one, two, ended = value(FYERS.gtts(SESSION, LISTED), answer("gtts.json")).good

    assert [(leg.trigger_price, leg.price) for leg in one.legs] == [(849, 850)]
    assert [(leg.trigger_price, leg.quantity) for leg in two.legs] == [(761, 2), (849, 1)]
    assert one.created_at == datetime(2026, 1, 24, 16, 13, 31, tzinfo=IST)
    assert (ended.status, ended.status_message) == ("CANCELLED", "cancelled by the user")


def quotes(name: str, *symbols: str) -> Any:
    asked: tuple[Instrument, ...] = tuple(BY_NAME[symbol] for symbol in symbols)
    return value(FYERS.quotes(SESSION, asked), answer(name))


def test_a_bad_symbol_is_left_out_and_an_index_has_a_price_alone() -> None:
    found = quotes("quotes.json", "NSE:SBIN", "NSE_INDEX:NIFTY", "BSE:SBIN")

    assert set(found) == {"NSE:SBIN", "NSE_INDEX:NIFTY"}
    assert found["NSE_INDEX:NIFTY"].last_price == Decimal("25010.35")
    sbin = found["NSE:SBIN"]
    assert (sbin.close_price, sbin.volume) == (Decimal("800.9"), 1_234_567)
    assert sbin.at == datetime(2026, 1, 5, 10, 50, tzinfo=IST)
    assert sbin.depth is None


def test_one_contract_is_told_with_its_levels() -> None:
    nifty = quotes("depth.json", "NFO:NIFTY27JAN26FUT")["NFO:NIFTY27JAN26FUT"]

    assert [level.quantity for level in nifty.depth.buy] == [75, 150, 300, 75]
    assert (nifty.depth.sell[0].price, nifty.depth.sell[0].orders) == (Decimal("25100.5"), 3)
    assert (nifty.oi, nifty.lower_circuit) == (9_876_525, Decimal("22536.1"))


def test_a_days_candle_begins_at_its_midnight_whatever_hour_it_is_stamped_with() -> None:
    crude = BY_NAME["MCX:CRUDEOIL19JAN26FUT"]
    start, end = (datetime(2026, 1, day, tzinfo=IST) for day in (5, 6))
    first, last = value(
        history(FYERS, SESSION, crude, Interval.D1, start, end), answer("history_oi.json")
    )

    assert (first.at, last.at) == (start, end)
    assert (first.volume, first.oi) == (4200, 91_000)


def test_a_long_range_is_asked_for_in_parts_and_no_candle_comes_twice() -> None:
    start, end = datetime(2025, 10, 1, tzinfo=IST), datetime(2026, 1, 20, tzinfo=IST)
    dialogue = history(FYERS, SESSION, BY_NAME["NSE:SBIN"], Interval.M1, start, end)
    played = play(dialogue, [answer("history.json"), answer("history.json")])

    assert played.is_over
    assert len(played.requests) == 2
    assert len(played.value) == 2


def test_the_files_are_joined() -> None:
    names = ("NSE_CM", "NSE_FO", "NSE_CD", "BSE_CM", "BSE_FO", "MCX_COM")
    played = play(FYERS.master(SESSION), [answer(f"{name}.csv") for name in names])

    assert played.value == (SAMPLES / "instruments.csv").read_bytes()
    assert [request.path for request in played.requests] == [f"/{name}.csv" for name in names]
    assert not any(request.headers for request in played.requests)  # public: no token goes there


def test_one_file_that_is_none_is_no_master() -> None:
    page = HttpResponse(200, (), b"<html></html>")
    played = play(FYERS.master(SESSION), [answer("NSE_CM.csv"), page])

    assert played.error is not None
    assert played.error.fault is Fault.UNREADABLE
    assert "NSE_FO.csv" in str(played.error)


# The instrument files


def parsed(content: bytes) -> dict[str, Instrument]:
    return {one.symbol: one for one in FYERS.parse_master(content, date(2026, 1, 5))}


def test_contracts_have_names_of_ours() -> None:
    found = parsed((SAMPLES / "instruments.csv").read_bytes())

    assert list(found) == [
        "NSE:SBIN",
        "NSE:BAJAJ-AUTO",
        "NSE:M&M",
        "NSE:SOMETHING-BE",
        "NSE_INDEX:NIFTY",
        "NSE_INDEX:BANKNIFTY",
        "NFO:NIFTY27JAN26FUT",
        "NFO:NIFTY27JAN2625000CE",
        "NFO:NIFTY06JAN2625050PE",
        "NFO:INFY27JAN261502.5CE",
        "CDS:USDINR28JAN26FUT",
        "BSE:SBIN",
        "BSE_INDEX:SENSEX",
        "BFO:SENSEX29JAN2682000CE",
        "MCX:CRUDEOIL19JAN26FUT",
        "MCX:NOSUCHMETAL27FEB26FUT",
    ]
    assert found["NSE:SBIN"].broker_symbol == "NSE:SBIN-EQ"
    assert found["NSE_INDEX:NIFTY"].lot_size is None
    assert found["NFO:NIFTY27JAN2625000CE"].strike == Decimal(25000)
    assert (found["MCX:CRUDEOIL19JAN26FUT"].lot_size, found["CDS:USDINR28JAN26FUT"].lot_size) == (
        100,
        1000,
    )
    assert found["MCX:NOSUCHMETAL27FEB26FUT"].lot_size is None
    assert found["CDS:USDINR28JAN26FUT"].tick_size == Decimal("0.0025")


def test_the_sample_instruments_are_those_of_the_files() -> None:
    found = parsed((SAMPLES / "instruments.csv").read_bytes())
    for symbol, listed in BY_NAME.items():
        read = found[symbol]
        assert (read.broker_symbol, read.instrument_token, read.lot_size, read.expiry) == (
            listed.broker_symbol,
            listed.instrument_token,
            listed.lot_size,
            listed.expiry,
        )


@pytest.mark.parametrize(
    "spoiled",
    [
        (b"NIFTY26JANFUT,10,11", b"NIFTY26JANFUT,10,77"),
        (b"1769508000", b"never"),
        (b"1769508000", b"9" * 30),
        (b",75,0.1,", b",seventy,0.1,"),
        (b"NSE:NIFTY26JANFUT,10,11,52175,NIFTY,", b"NSE:NIFTY26JANFUT,10,11,52175,,"),
        (b"-1.0,XX", b"-1.0,ZZ"),
    ],
)
def test_a_contract_that_cannot_be_read_is_left_out(spoiled: tuple[bytes, bytes]) -> None:
    content = (SAMPLES / "NSE_FO.csv").read_bytes() + (SAMPLES / "NSE_CM.csv").read_bytes()
    found = parsed(content.replace(*spoiled))

    assert "NFO:NIFTY27JAN26FUT" not in found
    assert "NSE:SBIN" in found


@pytest.mark.parametrize("content", [b"", b"1,2,3\n", b"\xff\xfe\n"])
def test_a_file_without_a_contract_is_none(content: bytes) -> None:
    with pytest.raises(BrokerError) as refused:
        parsed(content)
    assert refused.value.fault is Fault.UNREADABLE
