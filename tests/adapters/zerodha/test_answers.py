"""What Kite's bytes mean: every sample becomes the values that stand here (zerodha.md 5, 6, 7)."""

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from ordo_adapters.zerodha import ZERODHA
from ordo_adapters.zerodha.rows import (
    HoldingRow,
    OrderRow,
    SegmentFunds,
    data_of,
    read,
    read_funds,
    read_holding,
    read_order,
)
from ordod.adapter import (
    IST,
    BrokerError,
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
    HttpResponse,
    Instrument,
    Interval,
    Level,
    Margin,
    NewOrder,
    OrderTerms,
    OrderType,
    Placed,
    Position,
    Product,
    Quote,
    Rows,
    Side,
    Status,
    Validity,
    Variety,
)
from ordod.adapter.suite import Listed, load, play
from tests.adapters.bench import history

SAMPLES = load(Path(__file__).parent / "samples")
SESSION = SAMPLES.session
MASTER = Listed(SAMPLES.instruments.values())
NOTHING = Listed(())
SBIN = SAMPLES.instruments["NSE:SBIN"]
INFY = SAMPLES.instruments["NSE:INFY"]
NIFTY = SAMPLES.instruments["NFO:NIFTY24NOV26FUT"]
CRUDE = SAMPLES.instruments["MCX:CRUDEOIL19NOV26FUT"]


def sample(name: str) -> HttpResponse:
    return HttpResponse(200, (), (SAMPLES.folder / name).read_bytes())


def success(data: Any) -> HttpResponse:
    return HttpResponse(200, (), json.dumps({"status": "success", "data": data}).encode())


def value(dialogue: Any, *answers: str | HttpResponse) -> Any:
    given_ = [sample(one) if isinstance(one, str) else one for one in answers]
    played = play(dialogue, given_)
    assert played.error is None, played.error
    assert played.is_over
    return played.value


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=IST)


def rupees(*texts: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(text) for text in texts)


# Orders


def test_an_accepted_order_is_its_id() -> None:
    order = msgspec.convert(
        {"symbol": "NSE:SBIN", "side": "BUY", "quantity": 1, "type": "LIMIT", "product": "CNC"},
        OrderTerms,
    )
    new = ZERODHA.place(SESSION, _tagged(order), SBIN)
    sliced = ZERODHA.place(SESSION, _tagged(order), SBIN)

    assert value(new, "order_response.json") == Placed("151220000000000")
    assert value(sliced, "autoslice_response.json") == Placed("1914227164488687616")


def _tagged(order: OrderTerms) -> NewOrder:
    return NewOrder(**structs.asdict(order), tag="qz7f3a91c2dabcdefgh2")


def test_the_order_book_of_the_samples_is_read_whole() -> None:
    book = value(ZERODHA.orders(SESSION, MASTER), "orders.json")

    assert book.is_whole
    assert [(row.symbol, row.status, row.quantity, row.filled_quantity) for row in book.good] == [
        ("CDS:USDINR28JUN21FUT", Status.CANCELLED, 1000, 0),
        ("NSE:IOC", Status.FILLED, 1, 1),
        ("NSE:IOC", Status.FILLED, 1, 1),
        ("NSE:SBIN", Status.REJECTED, 200, 0),
        ("MCX:GOLDPETAL30JUN21FUT", Status.FILLED, 1, 1),
        ("MCX:GOLDPETAL30JUN21FUT", Status.FILLED, 1, 1),
        ("NSE:BHEL", Status.CANCELLED, 60, 0),
        ("NSE:SBIN", Status.CANCELLED, 1, 0),
        ("NSE:TATASTEEL", Status.FILLED, 1, 1),
        ("NFO:NIFTY2580724400CE", Status.FILLED, 150, 150),
    ]
    assert [row.tags for row in book.good] == [
        (),
        (),
        (),
        ("icebergord",),
        ("connect test order1",),
        ("connect test order2", "XXXXX"),
        (),
        (),
        ("mktp", "mktp:2.00"),
        ("autoslice", "autoslice:1953367517640548352"),
    ]


def test_a_row_is_read_field_for_field() -> None:
    book = value(ZERODHA.orders(SESSION, MASTER), "orders.json")

    assert book.good[3] == BrokerOrder(
        broker_order_id="220524001859672",
        status=Status.REJECTED,
        symbol="NSE:SBIN",
        side=Side.BUY,
        quantity=200,
        type=OrderType.LIMIT,
        product=Product.CNC,
        validity=Validity.TTL,
        variety=Variety.ICEBERG,
        price=Decimal(463),
        status_message="Insufficient funds. Required margin is 95417.84 but available margin is 74251.80."
        " Check the orderbook for open orders.",
        tags=("icebergord",),
        placed_at=at("2022-05-24 12:26:52"),
    )
    assert book.good[2] == BrokerOrder(
        broker_order_id="500000000000000",
        status=Status.FILLED,
        symbol="NSE:IOC",
        side=Side.SELL,
        quantity=1,
        type=OrderType.MARKET,
        product=Product.CNC,
        validity=Validity.DAY,
        variety=Variety.REGULAR,
        filled_quantity=1,
        average_price=Decimal("109.35"),
        exchange_order_id="600000000000000",
        placed_at=at("2021-05-31 15:20:51"),
        updated_at=at("2021-05-31 15:20:52"),
    )


def test_an_auction_order_is_listed_without_a_variety() -> None:
    book = value(ZERODHA.orders(SESSION, MASTER), "orders.json")

    assert [row.variety for row in book.good if row.symbol == "NSE:BHEL"] == [None]


def test_every_status_of_kite_has_its_meaning() -> None:
    book = value(ZERODHA.orders(SESSION, MASTER), "handmade_statuses.json")

    assert [(row.status, row.filled_quantity) for row in book.good] == [
        (Status.PENDING, 0),
        (Status.PENDING, 0),
        (Status.PENDING, 0),
        (Status.PENDING, 0),
        (Status.PENDING, 0),
        (Status.OPEN, 0),
        (Status.PARTIALLY_FILLED, 4),
        (Status.OPEN, 0),
        (Status.PARTIALLY_FILLED, 1),
        (Status.OPEN, 0),
        (Status.OPEN, 0),
        (Status.TRIGGER_PENDING, 0),
        (Status.TRIGGER_PENDING, 0),
        (Status.FILLED, 10),
        (Status.CANCELLED, 3),
        (Status.CANCELLED, 0),
        (Status.REJECTED, 0),
        (Status.OPEN, 0),
    ]
    assert book.good[5].tags == ("qz7f3a91c2dabcdefgh2",)
    assert (book.good[12].variety, book.good[12].parent_order_id) == (
        Variety.CO,
        "1950000000000000014",
    )


def test_rows_that_cannot_be_read_spoil_no_other() -> None:
    book = value(ZERODHA.orders(SESSION, MASTER), "handmade_bad_rows.json")

    assert [row.status for row in book.good] == [Status.OPEN, Status.REJECTED]
    assert [row.why for row in book.bad] == [
        "unknown status 'SOMETHING NEW'",
        "unknown exchange 'NCO'",
        "MCX:COTTON26JANFUT: a quantity in lots, and no table tells how many units a lot has",
        "Expected `decimal`, got `null` - at `$.quantity`",
        "not a whole quantity: Decimal('1.5')",
        "not a time: 'yesterday'",
        "Expected `object`, got `str`",
    ]
    assert not book.is_whole


def test_a_contract_the_master_does_not_know_keeps_kite_s_name_where_its_units_are_sure() -> None:
    book = value(ZERODHA.orders(SESSION, NOTHING), "orders.json")

    assert [row.symbol for row in book.good if row.symbol.startswith("NFO")] == [
        "NFO:NIFTY2580724400CE"
    ]
    assert len(book.bad) == 3  # one of CDS, two of MCX: in lots of unknown size


def test_a_trail_is_the_order_s_history_oldest_first() -> None:
    trail = value(ZERODHA.trail(SESSION, "171229000724687", MASTER), "order_info.json")

    assert trail.is_whole
    assert [row.status for row in trail.good] == [
        Status.PENDING,
        Status.PENDING,
        Status.PENDING,
        Status.OPEN,
        Status.OPEN,
        Status.OPEN,
        Status.OPEN,
        Status.OPEN,
    ]
    assert [row.price for row in trail.good[-2:]] == [Decimal(300), Decimal("300.1")]
    assert trail.good[-1].placed_at == at("2017-12-29 11:08:16")


def test_a_postback_has_the_fields_of_a_row() -> None:
    row = msgspec.json.decode((SAMPLES.folder / "postback.json").read_bytes(), type=OrderRow)

    order = read_order(row, MASTER)

    assert (order.status, order.symbol, order.average_price) == (
        Status.FILLED,
        "NSE:SBIN",
        Decimal(470),
    )


def test_a_modify_and_a_cancel_end_with_kite_s_acknowledgement() -> None:
    row = BrokerOrder(
        broker_order_id="1",
        status=Status.OPEN,
        symbol="NSE:SBIN",
        side=Side.BUY,
        quantity=1,
        type=OrderType.LIMIT,
        product=None,
        variety=Variety.REGULAR,
    )

    assert value(ZERODHA.cancel(SESSION, row), "order_cancel.json") is None


def test_trades_are_read_whole_and_in_units() -> None:
    fills = value(ZERODHA.trades(SESSION, MASTER), "trades.json")

    assert fills.is_whole
    assert fills.good[1] == Fill(
        trade_id="40000000",
        broker_order_id="500000000000000",
        symbol="CDS:USDINR28JUN21FUT",
        side=Side.BUY,
        quantity=1000,
        price=Decimal("72.755"),
        product=Product.MIS,
        at=at("2021-05-31 11:18:27"),
        exchange_order_id="600000000000000",
    )
    assert [(fill.symbol, fill.quantity) for fill in fills.good] == [
        ("NSE:SBIN", 1),
        ("CDS:USDINR28JUN21FUT", 1000),
        ("MCX:GOLDPETAL30JUN21FUT", 1),
        ("MCX:GOLDPETAL30JUN21FUT", 1),
    ]


def test_an_order_s_own_trades_have_the_same_shape() -> None:
    fills = value(ZERODHA.trades(SESSION, MASTER), "order_trades.json")

    assert [(fill.trade_id, fill.at) for fill in fills.good] == [
        ("10000000", at("2021-05-31 16:00:36"))
    ]


# GTT


def test_triggers_are_read_leg_by_leg() -> None:
    rows = value(ZERODHA.gtts(SESSION, MASTER), "gtt_get_orders.json")

    single, double = rows.good
    assert (single.broker_gtt_id, single.status, single.symbol) == (
        "112127",
        GttStatus.ACTIVE,
        "NSE:INFY",
    )
    assert single.legs == (
        GttLeg(trigger_price=Decimal(702), side=Side.BUY, quantity=1, price=Decimal("702.5")),
    )
    assert single.expires_at == at("2020-09-12 13:25:16")
    assert (double.status, double.placed_order_ids) == (GttStatus.TRIGGERED, ())
    assert [leg.trigger_price for leg in double.legs] == [Decimal(102), Decimal("103.7")]
    assert (double.status_message or "").startswith("Your order price is lower")


def test_every_state_of_a_trigger_has_its_meaning() -> None:
    rows = value(ZERODHA.gtts(SESSION, MASTER), "handmade_gtts.json")

    assert [row.status for row in rows.good] == [
        GttStatus.ACTIVE,
        GttStatus.TRIGGERED,
        GttStatus.DISABLED,
        GttStatus.EXPIRED,
        GttStatus.CANCELLED,
        GttStatus.REJECTED,
        GttStatus.CANCELLED,
    ]
    assert rows.good[1].placed_order_ids == ("1950000000000000077",)


def test_one_trigger_by_its_id_is_a_row_of_the_list() -> None:
    row = data_of(sample("gtt_get_order.json"))

    rows = value(ZERODHA.gtts(SESSION, MASTER), success([json.loads(json.dumps(row, default=str))]))

    assert [one.status for one in rows.good] == [GttStatus.TRIGGERED]


def test_a_trigger_whose_orders_do_not_match_its_values_is_a_bad_row() -> None:
    row = json.loads((SAMPLES.folder / "gtt_get_orders.json").read_bytes())["data"][0]
    row["condition"]["trigger_values"] = [1, 2]

    rows = value(ZERODHA.gtts(SESSION, MASTER), success([row]))

    assert (len(rows.good), len(rows.bad)) == (0, 1)


# Portfolio


def test_net_positions_are_in_units_and_keep_the_closed_ones() -> None:
    rows = value(ZERODHA.positions(SESSION, MASTER), "positions.json")

    assert rows.is_whole
    assert rows.good[0] == Position(
        symbol="MCX:LEADMINI29DEC17FUT",
        product=Product.NRML,
        quantity=1000,
        average_price=Decimal("161.05"),
        last_price=Decimal("161.05"),
        pnl=Decimal(0),
        realised=Decimal(0),
        unrealised=Decimal(0),
        buy_quantity=1000,
        buy_value=Decimal(161050),
        sell_value=Decimal(0),
    )
    assert [(row.symbol, row.product, row.quantity) for row in rows.good[1:]] == [
        ("MCX:GOLDGUINEA29DEC17FUT", Product.NRML, 0),
        ("NSE:SBIN", None, 0),
    ]
    assert (rows.good[1].overnight_quantity, rows.good[1].pnl) == (3, Decimal(801))


def test_price_times_units_is_kite_s_value() -> None:
    for position in value(ZERODHA.positions(SESSION, MASTER), "positions.json").good:
        if position.quantity:
            assert position.average_price * position.quantity == position.buy_value


def test_a_contract_size_that_kite_contradicts_makes_a_bad_row() -> None:
    lead = SAMPLES.instruments["MCX:LEADMINI29DEC17FUT"]
    stale = Listed([structs.replace(lead, lot_size=500)])

    rows = value(ZERODHA.positions(SESSION, stale), "positions.json")

    assert "Kite says 1000 units in a lot, our table 500" in rows.bad[0].why


def test_holdings_count_free_t1_and_pledged_shares_together() -> None:
    rows = value(ZERODHA.holdings(SESSION, MASTER), "holdings.json")
    raw = json.loads((SAMPLES.folder / "holdings.json").read_bytes())["data"][1]
    row = msgspec.convert(raw | {"t1_quantity": 3, "collateral_quantity": 5}, HoldingRow)

    mixed = read_holding(row, MASTER)

    assert rows.good == (
        Holding(
            symbol="NSE:AARON",
            isin="INE721Z01010",
            quantity=1,
            average_price=Decimal(161),
            last_price=Decimal("352.95"),
            close_price=Decimal("352.35"),
            pnl=Decimal("191.95"),
        ),
        Holding(
            symbol="BSE:SBIN",
            isin="INE062A01020",
            quantity=16,
            average_price=Decimal("801.7812"),
            last_price=Decimal("762.45"),
            close_price=Decimal("766.4"),
            pnl=Decimal("-629.3"),
        ),
    )
    assert (mixed.quantity, mixed.t1_quantity, mixed.collateral_quantity) == (24, 3, 5)


def test_funds_are_those_of_the_enabled_segments() -> None:
    both = value(ZERODHA.funds(SESSION), "margins.json")
    raw = json.loads((SAMPLES.folder / "margins.json").read_bytes())["data"]
    raw["commodity"]["enabled"] = False
    one = value(ZERODHA.funds(SESSION), success(raw))

    assert both[0] == Funds(
        segment="equity",
        available=Decimal("99725.05"),
        cash=Decimal("245431.6"),
        used=Decimal("145706.55"),
        collateral=Decimal(0),
        opening=Decimal("245431.6"),
    )
    assert [funds.segment for funds in both] == ["equity", "commodity"]
    assert [funds.segment for funds in one] == ["equity"]


@pytest.mark.parametrize(
    ("name", "available"),
    [("margins_equity.json", "99725.05"), ("margin_commodity.json", "96426.33")],
)
def test_one_segment_s_funds_have_the_same_shape(name: str, available: str) -> None:
    funds = read_funds("one", read(sample(name), SegmentFunds))

    assert funds.available == Decimal(available)


def test_a_conversion_ends_with_true_and_nothing_else() -> None:
    conversion = Conversion(
        symbol="NSE:SBIN",
        side=Side.BUY,
        quantity=1,
        from_product=Product.MIS,
        to_product=Product.CNC,
    )

    done = value(ZERODHA.convert(SESSION, conversion, SBIN), "convert_position.json")
    odd = play(ZERODHA.convert(SESSION, conversion, SBIN), [success(data=False)])

    assert done is None
    assert odd.error is not None
    assert (odd.error.fault, odd.error.sure) == (Fault.UNREADABLE, False)


def test_margins_are_totals_with_all_charges() -> None:
    terms = OrderTerms(
        symbol="NSE:SBIN",
        side=Side.BUY,
        quantity=1,
        type=OrderType.MARKET,
        product=Product.CNC,
    )

    one = value(ZERODHA.margin(SESSION, ((terms, SBIN),)), "order_margins.json")
    basket = value(ZERODHA.margin(SESSION, ((terms, SBIN), (terms, INFY))), "basket_margins.json")

    assert one == Margin(needed=Decimal(1498), charges=Decimal("1.79"))
    assert basket == Margin(needed=Decimal("34786.72"), charges=Decimal("50.76"))


def test_margins_of_another_number_of_orders_are_unreadable() -> None:
    terms = OrderTerms(
        symbol="NSE:SBIN", side=Side.BUY, quantity=1, type=OrderType.MARKET, product=Product.CNC
    )

    played = play(
        ZERODHA.margin(SESSION, ((terms, SBIN), (terms, INFY), (terms, NIFTY))),
        [sample("basket_margins.json")],
    )

    assert played.error is not None
    assert played.error.fault is Fault.UNREADABLE


# Market data


def test_a_quote_is_read_with_its_depth() -> None:
    quotes = value(ZERODHA.quotes(SESSION, (INFY,)), "quote.json")

    open_, high, low, close, average, lower, upper = rupees(
        "1396", "1421.75", "1395.55", "1389.65", "1412.47", "1250.7", "1528.6"
    )
    assert quotes == {
        "NSE:INFY": Quote(
            symbol="NSE:INFY",
            last_price=Decimal("1412.95"),
            at=at("2021-06-08 15:45:56"),
            open_price=open_,
            high_price=high,
            low_price=low,
            close_price=close,
            volume=7360198,
            average_price=average,
            oi=0,
            lower_circuit=lower,
            upper_circuit=upper,
            depth=Depth((), (Level(Decimal("1412.95"), 5191, 13),)),
        )
    }


def test_an_instrument_that_kite_is_silent_about_is_missing() -> None:
    assert set(value(ZERODHA.quotes(SESSION, (INFY, SBIN)), "quote.json")) == {"NSE:INFY"}


def test_a_row_nobody_can_read_spoils_no_other_quote() -> None:
    answer = success({"NSE:INFY": {"last_price": "?"}, "NSE:SBIN": {"last_price": 801.5}})

    quotes = value(ZERODHA.ltp(SESSION, (INFY, SBIN)), answer)

    assert {name: quote.last_price for name, quote in quotes.items()} == {
        "NSE:SBIN": Decimal("801.5")
    }


@pytest.mark.parametrize(("name", "price"), [("ltp.json", "1074.35"), ("ohlc.json", "1075")])
def test_a_last_price_stands_alone(name: str, price: str) -> None:
    quotes = value(ZERODHA.ltp(SESSION, (INFY,)), name)

    assert quotes["NSE:INFY"].last_price == Decimal(price)
    assert quotes["NSE:INFY"].depth is None


@pytest.mark.parametrize(("lot_size", "volume"), [(100, 120_000), (None, None)])
def test_volume_and_depth_on_mcx_are_units_or_not_told(
    lot_size: int | None, volume: int | None
) -> None:
    level = {"price": 5600, "quantity": 7, "orders": 3}
    row = {"last_price": 5601, "volume": 1200, "oi": 5, "depth": {"buy": [level], "sell": []}}
    crude = structs.replace(CRUDE, lot_size=lot_size)

    quote = value(ZERODHA.quotes(SESSION, (crude,)), success({"MCX:CRUDEOIL26NOVFUT": row}))

    found = quote["MCX:CRUDEOIL19NOV26FUT"]
    assert found.last_price == Decimal(5601)
    assert found.volume == volume
    assert found.depth == (Depth((Level(Decimal(5600), 700, 3),), ()) if lot_size else None)


def candles(instrument: Instrument, start: str, end: str, *answers: str | HttpResponse) -> Any:
    return value(history(ZERODHA, SESSION, instrument, Interval.M1, at(start), at(end)), *answers)


def test_candles_are_read_oldest_first_and_cut_to_the_range() -> None:
    found = candles(INFY, "2017-12-15 09:16:00", "2017-12-15 09:18:30", "historical_minute.json")

    assert [candle.at.minute for candle in found] == [16, 17, 18]
    assert found[0] == Candle(
        at("2017-12-15 09:16:00"),
        open=Decimal(1702),
        high=Decimal(1702),
        low=Decimal("1698.15"),
        close=Decimal("1698.15"),
        volume=1271,
    )


def test_candles_of_a_future_have_open_interest() -> None:
    found = candles(NIFTY, "2019-12-04 09:15:00", "2019-12-04 09:15:59", "historical_oi.json")

    assert [(candle.volume, candle.oi) for candle in found] == [(163275, 13667775)]


def test_a_candle_that_two_parts_of_a_range_share_counts_once() -> None:
    def part(*times: str) -> HttpResponse:
        return success({"candles": [[f"{time}+0530", 1, 2, 0.5, 1.5, 10] for time in times]})

    found = candles(
        INFY,
        "2026-01-01 09:15:00",
        "2026-03-31 15:30:00",
        part("2026-01-01T09:15:00", "2026-03-02T09:15:00"),
        part("2026-03-02T09:15:00", "2026-03-02T09:16:00"),
    )

    assert [candle.at for candle in found] == [
        at("2026-01-01 09:15:00"),
        at("2026-03-02 09:15:00"),
        at("2026-03-02 09:16:00"),
    ]


def test_candles_on_mcx_count_units_and_are_refused_where_a_lot_is_unknown() -> None:
    answer = success({"candles": [["2026-01-05T09:15:00+0530", 1, 2, 0.5, 1.5, 10, 3]]})
    day = ("2026-01-05 09:00:00", "2026-01-05 23:30:00")

    found = candles(CRUDE, *day, answer)
    unknown = structs.replace(CRUDE, lot_size=None)
    dialogue = history(ZERODHA, SESSION, unknown, Interval.M1, at(day[0]), at(day[1]))

    assert [(candle.volume, candle.oi) for candle in found] == [(1000, 300)]
    error = play(dialogue, [answer]).error
    assert error is not None
    assert error.fault is Fault.UNSUPPORTED


@pytest.mark.parametrize(
    "row", [5, [], ["2026-01-05T09:15:00+0530", 1, 2], ["soon", 1, 2, 3, 4, 5], [1, 1, 2, 3, 4, 5]]
)
def test_a_candle_nobody_can_read_is_no_candle(row: Any) -> None:
    dialogue = history(
        ZERODHA, SESSION, INFY, Interval.M1, at("2026-01-05 09:15:00"), at("2026-01-05 09:30:00")
    )

    error = play(dialogue, [success({"candles": [row]})]).error

    assert error is not None
    assert error.fault is Fault.UNREADABLE


# The envelope


@pytest.mark.parametrize(
    "name",
    sorted(
        path.name
        for path in SAMPLES.folder.glob("*.json")
        if path.stem not in {"suite", "postback"}
    ),
)
def test_every_sample_of_kite_is_a_success_in_its_envelope(name: str) -> None:
    assert data_of(sample(name)) is not None


def test_the_profile_names_the_user() -> None:
    assert value(ZERODHA.user(SESSION), "profile.json") == "AB1234"
    assert value(ZERODHA.user(SESSION), "full_profile.json") == "AB1234"
    assert value(ZERODHA.logout(SESSION), "session_logout.json") is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"status":"error","message":"no","error_type":"InputException"}',
        b'{"status":"success"}',
        b'{"status":"ok","data":{"order_id":"1"}}',
        b'{"data":{"order_id":"1"}}',
        b'{"status":"success","data":{"order_id":""}}',
        b'{"status":"success","data":{"order_id":null}}',
        b'{"status":"success","data":[]}',
        b'{"status":"success","data":{}}',
    ],
)
def test_a_200_that_is_no_plain_success_leaves_an_order_in_doubt(body: bytes) -> None:
    order = _tagged(
        OrderTerms(
            symbol="NSE:SBIN",
            side=Side.BUY,
            quantity=1,
            type=OrderType.MARKET,
            product=Product.CNC,
        )
    )

    error = play(ZERODHA.place(SESSION, order, SBIN), [HttpResponse(200, (), body)]).error

    assert error is not None
    assert not error.sure


@pytest.mark.parametrize("status", [201, 204, 299, 302])
def test_a_success_of_another_status_is_not_a_yes(status: int) -> None:
    response = HttpResponse(status, (), (SAMPLES.folder / "order_response.json").read_bytes())

    with pytest.raises(BrokerError) as caught:
        data_of(response)

    assert not caught.value.sure


@given(st.binary(max_size=200), st.integers(100, 599))
def test_no_bytes_whatever_are_a_sure_no_without_kite_s_envelope(body: bytes, status: int) -> None:
    with pytest.raises(BrokerError) as caught:
        data_of(HttpResponse(status, (), body))

    assert not caught.value.sure


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["order_id", "status", "quantity", "price", "tags", "net", "equity"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(_JSON)
def test_data_of_any_shape_is_rows_or_a_broker_error(data: Any) -> None:
    answer = success(data)

    for dialogue in (
        ZERODHA.orders(SESSION, MASTER),
        ZERODHA.trades(SESSION, MASTER),
        ZERODHA.gtts(SESSION, MASTER),
        ZERODHA.positions(SESSION, MASTER),
        ZERODHA.holdings(SESSION, MASTER),
        ZERODHA.funds(SESSION),
        ZERODHA.quotes(SESSION, (INFY,)),
    ):
        played = play(dialogue, [answer])
        assert isinstance(played.value, Rows | dict | tuple) or played.error is not None
