"""The exchange's rules, one by one, on instruments that stand still."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ordod.adapter import Fault
from ordod.domain.gtt import GttLeg, GttStatus, NewGtt
from ordod.domain.instruments import Exchange as Market
from ordod.domain.instruments import Instrument, InstrumentKind
from ordod.domain.orders import (
    NewOrder,
    OrderChanges,
    OrderType,
    Product,
    Side,
    Status,
    Validity,
    Variety,
)
from ordod.domain.portfolio import Conversion
from ordod.paper.exchange import Exchange, Refusal
from ordod.paper.hours import IST, MARKET_HOURS
from ordod.paper.listed import listings
from ordod.paper.market import Listing

MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=IST)
ROCK = "NSE:ROCK"  # stands at 100, nobody but users trades it
POOL = "NSE:POOL"  # stands at 100, with a market maker
FUTURE = "NFO:POOL24NOV26FUT"


def listing(symbol: str, *, depth: int, **over: Any) -> Listing:
    exchange, name = symbol.split(":")
    fields: dict[str, Any] = {
        "exchange": Market(exchange),
        "symbol": symbol,
        "broker_symbol": name,
        "instrument_token": name,
        "kind": InstrumentKind.EQUITY,
        "tick_size": Decimal("0.05"),
        "lot_size": 1,
        "freeze_quantity": 10_000,
    }
    return Listing(
        instrument=Instrument(**(fields | over)),
        last_price=Decimal(100),
        volatility=0.0,
        depth_quantity=depth,
        margin_rate=Decimal("0.1"),
    )


def exchange(**options: Any) -> Exchange:
    future = listing(
        FUTURE,
        depth=500,
        kind=InstrumentKind.FUTURE,
        lot_size=50,
        expiry=date(2026, 11, 24),
    )
    listed = [listing(ROCK, depth=0), listing(POOL, depth=100), future]
    return Exchange(listed, seed=1, **options)


def order(
    symbol: str, side: Side, quantity: int, price: str | None = None, **over: Any
) -> NewOrder:
    fields: dict[str, Any] = {
        "symbol": symbol,
        "side": side,
        "quantity": quantity,
        "type": OrderType.MARKET if price is None else OrderType.LIMIT,
        "product": Product.MIS,
        "price": None if price is None else Decimal(price),
        "tag": None,
    }
    return NewOrder(**(fields | over))


def buy(quantity: int, price: str | None = None, symbol: str = ROCK, **over: Any) -> NewOrder:
    return order(symbol, Side.BUY, quantity, price, **over)


def sell(quantity: int, price: str | None = None, symbol: str = ROCK, **over: Any) -> NewOrder:
    return order(symbol, Side.SELL, quantity, price, **over)


# Matching


def test_two_users_trade_at_the_price_of_the_one_who_waited() -> None:
    market = exchange()
    waiting = market.place("asha", sell(10, "100.50"), MONDAY)

    taker = market.place("ravi", buy(4, "101"), MONDAY)

    assert (taker.status, taker.average_price) == (Status.FILLED, Decimal("100.5"))
    assert (waiting.status, waiting.filled_quantity) == (Status.PARTIALLY_FILLED, 4)
    assert market.trades("asha")[0].trade_id == market.trades("ravi")[0].trade_id


def test_at_one_price_the_first_is_served_first_and_a_better_price_before_both() -> None:
    market = exchange()
    first = market.place("asha", sell(5, "100"), MONDAY)
    second = market.place("bina", sell(5, "100"), MONDAY)
    better = market.place("chad", sell(5, "99.95"), MONDAY)

    market.place("ravi", buy(8, "100"), MONDAY)

    assert [o.filled_quantity for o in (better, first, second)] == [5, 3, 0]


def test_a_larger_quantity_loses_the_place_in_the_queue_and_a_smaller_one_keeps_it() -> None:
    market = exchange()
    grows = market.place("asha", sell(5, "100"), MONDAY)
    shrinks = market.place("bina", sell(5, "100"), MONDAY)
    last = market.place("chad", sell(5, "100"), MONDAY)
    market.modify("asha", grows.order_id, OrderChanges(quantity=6), MONDAY)
    market.modify("bina", shrinks.order_id, OrderChanges(quantity=4), MONDAY)

    market.place("ravi", buy(10, "100"), MONDAY)

    assert [o.filled_quantity for o in (shrinks, last, grows)] == [4, 5, 1]


def test_a_large_market_order_walks_the_book_and_fills_the_rest_later() -> None:
    market = exchange()

    large = market.place("asha", buy(700, symbol=POOL), MONDAY)
    at_once = large.filled_quantity
    market.advance(MONDAY + timedelta(seconds=5))

    prices = {fill.price for fill in market.trades("asha")}
    assert 0 < at_once < 700
    assert large.status is Status.FILLED
    assert prices == {Decimal(100) + Decimal("0.05") * level for level in range(1, 6)}


def test_what_an_ioc_does_not_get_at_once_is_cancelled() -> None:
    market = exchange()
    market.place("asha", sell(3, "100"), MONDAY)

    ioc = market.place("ravi", buy(10, "100", validity=Validity.IOC), MONDAY)

    assert (ioc.status, ioc.filled_quantity) == (Status.CANCELLED, 3)
    assert market.funds("ravi").used == Decimal(60)  # a fifth of 3 x 100


def test_an_order_valid_for_minutes_expires_after_them() -> None:
    market = exchange()
    waiting = market.place("asha", buy(1, "99", validity=Validity.TTL, validity_minutes=2), MONDAY)

    market.advance(MONDAY + timedelta(seconds=119))
    before = waiting.status
    market.advance(MONDAY + timedelta(seconds=121))

    assert (before, waiting.status) == (Status.OPEN, Status.EXPIRED)
    assert market.funds("asha").used == 0


def test_a_market_order_does_not_trade_beyond_its_protection() -> None:
    market = exchange()
    market.place("asha", sell(10, "102"), MONDAY)

    guarded = market.place("ravi", buy(10, market_protection=Decimal(1)), MONDAY)
    unguarded = market.place("ravi", buy(10), MONDAY)

    assert (guarded.status, unguarded.status) == (Status.OPEN, Status.FILLED)


def test_an_iceberg_goes_to_the_end_of_the_queue_after_each_leg() -> None:
    market = exchange()
    iceberg = market.place("asha", sell(30, "100", variety=Variety.ICEBERG, iceberg_legs=3), MONDAY)
    plain = market.place("bina", sell(30, "100"), MONDAY)
    depth = market.quote(ROCK, MONDAY).depth

    market.place("ravi", buy(25, "100"), MONDAY)
    after_a_leg = (iceberg.filled_quantity, plain.filled_quantity)
    market.place("ravi", buy(20, "100"), MONDAY)

    assert depth is not None
    assert depth.sell[0].quantity == 40
    assert after_a_leg == (10, 15)
    assert (iceberg.filled_quantity, plain.filled_quantity) == (15, 30)


def test_a_stop_waits_for_its_trigger_and_then_takes_what_is_there() -> None:
    market = Exchange(listings(MONDAY.date()), seed=3)
    last = market.last_price("NSE:SBIN", MONDAY)
    above = buy(10, symbol="NSE:SBIN", type=OrderType.SL_M, trigger_price=last + Decimal("0.5"))

    stop = market.place("asha", above, MONDAY)
    at_first = stop.status
    market.advance(MONDAY + timedelta(hours=4))

    assert at_first is Status.TRIGGER_PENDING
    assert stop.status is Status.FILLED
    assert stop.average_price is not None
    assert stop.average_price > last + Decimal("0.4")
    assert [row.status for row in stop.trail] == [
        Status.PENDING,
        Status.TRIGGER_PENDING,
        Status.FILLED,
    ]


def test_a_stop_whose_trigger_is_reached_already_is_live_at_once() -> None:
    market = exchange()
    market.place("asha", sell(5, "100"), MONDAY)

    stop = market.place(
        "ravi", buy(5, "100.05", type=OrderType.SL, trigger_price=Decimal(100)), MONDAY
    )

    assert stop.status is Status.FILLED


def test_a_resting_order_fills_at_its_own_price_when_the_market_comes_to_it() -> None:
    market = Exchange(listings(MONDAY.date()), seed=3)
    limit = market.last_price("NSE:SBIN", MONDAY) - 1

    waiting = market.place("asha", buy(10, str(limit), "NSE:SBIN", product=Product.CNC), MONDAY)
    market.advance(MONDAY + timedelta(days=1))

    assert (waiting.status, waiting.average_price) == (Status.FILLED, limit)


def test_a_released_stop_stands_behind_those_who_waited_at_its_price_before() -> None:
    restless = Listing(
        instrument=listing(ROCK, depth=0).instrument,
        last_price=Decimal(100),
        volatility=0.05,
        depth_quantity=0,
    )
    market = Exchange([restless], seed=1)
    last = market.last_price(ROCK, MONDAY)
    price, trigger = last - 5, last - Decimal("0.2")

    stop = market.place(
        "asha", sell(5, str(price), type=OrderType.SL, trigger_price=trigger), MONDAY
    )
    limit = market.place("bina", sell(5, str(price)), MONDAY)
    market.advance(MONDAY + timedelta(hours=2))
    was_released = stop.status
    market.place("ravi", buy(5, str(price)), MONDAY + timedelta(hours=2))

    assert was_released is Status.OPEN
    assert (limit.status, stop.status) == (Status.FILLED, Status.OPEN)


def test_what_was_taken_from_the_market_maker_stays_taken_in_a_dump() -> None:
    lived = exchange()
    lived.place("asha", buy(40, symbol=POOL), MONDAY)
    loaded = exchange()
    loaded.load(lived.dump())

    prices = [
        market.place("asha", buy(100, symbol=POOL), MONDAY).average_price
        for market in (lived, loaded, exchange())
    ]

    assert prices[0] == prices[1]
    assert prices[0] != prices[2]


def test_looking_at_the_depth_takes_and_gives_nothing() -> None:
    lines: list[bytes] = []
    market = exchange(save=lines.append)
    market.place("asha", buy(40, symbol=POOL), MONDAY)
    market.quote(POOL, MONDAY + timedelta(seconds=1))
    market.place("asha", buy(100, symbol=POOL), MONDAY)

    again = exchange()
    again.replay(lines)

    assert again.dump() == market.dump()


def test_the_depth_shows_five_levels_of_users_and_market_maker_together() -> None:
    market = exchange()
    alone = market.quote(POOL, MONDAY).depth
    for ticks in range(1, 9):
        market.place("asha", buy(7, str(Decimal(100) - ticks * Decimal("0.05")), POOL), MONDAY)

    depth = market.quote(POOL, MONDAY).depth

    assert alone is not None
    assert depth is not None
    assert [level.price for level in depth.buy] == [level.price for level in alone.buy]
    assert [level.quantity for level in depth.buy] == [x.quantity + 7 for x in alone.buy]
    assert {level.orders for level in depth.buy} == {2}


# What is refused at the door


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (buy(1, "100.01"), "tick"),
        (buy(1, "0"), "tick"),
        (buy(0, "100"), "lot"),
        (buy(10_001, "100"), "freeze"),
        (buy(75, "100", FUTURE, product=Product.NRML), "lot of 50"),
        (buy(1, "100", product=Product.NRML), "CNC MIS"),
        (buy(1, "100", type=OrderType.MARKET), "have none"),
        (buy(1, type=OrderType.SL_M), "trigger_price"),
        (buy(1, "99", type=OrderType.SL, trigger_price=Decimal(100)), "beyond its trigger"),
        (buy(1, "100", validity=Validity.TTL), "validity_minutes"),
        (buy(1, "100", disclosed_quantity=2), "disclosed_quantity"),
        (buy(3, "100", variety=Variety.ICEBERG, iceberg_legs=4), "iceberg"),
    ],
)
def test_an_order_that_cannot_be_one_is_refused_and_leaves_nothing(
    terms: NewOrder, words: str
) -> None:
    market = exchange()
    before = market.dump()

    with pytest.raises(Refusal, match=words) as refusal:
        market.place("asha", terms, MONDAY)

    assert refusal.value.fault is Fault.INVALID_INPUT
    assert market.dump() == before


@pytest.mark.parametrize(
    ("terms", "fault"),
    [
        (buy(1, symbol="NSE:NONE"), Fault.NOT_FOUND),
        (buy(1, variety=Variety.CO), Fault.UNSUPPORTED),
        (buy(10_000, "101", product=Product.CNC), Fault.INSUFFICIENT_FUNDS),
        (sell(1, "100", product=Product.CNC), Fault.INSUFFICIENT_FUNDS),
    ],
)
def test_each_refusal_names_its_fault(terms: NewOrder, fault: Fault) -> None:
    market = exchange()

    with pytest.raises(Refusal) as refusal:
        market.place("asha", terms, MONDAY)

    assert refusal.value.fault is fault


def test_a_refusal_for_want_of_money_frees_what_it_had_tied_up() -> None:
    market = exchange(cash=Decimal(1_000))
    market.place("asha", buy(5, "100", product=Product.CNC), MONDAY)
    before = market.dump()

    with pytest.raises(Refusal, match=r"500\.00 available"):
        market.place("asha", buy(6, "100", product=Product.CNC), MONDAY)

    assert market.dump() == before


def test_an_index_cannot_be_traded() -> None:
    market = Exchange(listings(MONDAY.date()), seed=1)

    with pytest.raises(Refusal, match="cannot be traded"):
        market.place("asha", buy(1, symbol="NSE_INDEX:NIFTY"), MONDAY)


def test_a_price_outside_the_circuit_limits_is_taken_and_rejected_in_the_book() -> None:
    market = exchange()

    rejected = market.place("asha", buy(1, "120.05"), MONDAY)

    assert rejected.status is Status.REJECTED
    assert "80.00 to 120.00" in (rejected.status_message or "")
    assert [row.status for row in rejected.trail] == [Status.PENDING, Status.REJECTED]
    assert market.funds("asha").used == 0


def test_an_ended_order_can_be_neither_changed_nor_cancelled() -> None:
    market = exchange()
    ended = market.place("asha", buy(1, "99"), MONDAY)
    market.cancel("asha", ended.order_id, MONDAY)

    with pytest.raises(Refusal, match="CANCELLED already") as cancelled:
        market.cancel("asha", ended.order_id, MONDAY)
    with pytest.raises(Refusal, match="CANCELLED already"):
        market.modify("asha", ended.order_id, OrderChanges(quantity=2), MONDAY)

    assert cancelled.value.fault is Fault.ORDER_REJECTED


def test_nobody_sees_or_cancels_anothers_order() -> None:
    market = exchange()
    hers = market.place("asha", buy(1, "99"), MONDAY)

    with pytest.raises(Refusal) as refusal:
        market.cancel("ravi", hers.order_id, MONDAY)

    assert refusal.value.fault is Fault.NOT_FOUND
    assert market.orders("ravi") == []


# Changes


def test_a_better_price_after_a_change_trades_at_once() -> None:
    market = exchange()
    market.place("asha", sell(5, "101"), MONDAY)
    waiting = market.place("ravi", buy(5, "100"), MONDAY)

    market.modify("ravi", waiting.order_id, OrderChanges(price=Decimal(101)), MONDAY)

    assert (waiting.status, waiting.average_price) == (Status.FILLED, Decimal(101))


def test_a_refused_change_leaves_the_order_as_it_was() -> None:
    market = exchange(cash=Decimal(1_000))
    waiting = market.place("ravi", buy(5, "100", product=Product.CNC), MONDAY)
    before = market.dump()

    with pytest.raises(Refusal) as refusal:
        market.modify("ravi", waiting.order_id, OrderChanges(quantity=50), MONDAY)

    assert refusal.value.fault is Fault.INSUFFICIENT_FUNDS
    assert market.dump() == before


def test_a_limit_order_made_a_market_order_takes_what_is_there() -> None:
    market = exchange()
    waiting = market.place("ravi", buy(5, "99", POOL), MONDAY)

    market.modify("ravi", waiting.order_id, OrderChanges(type=OrderType.MARKET), MONDAY)

    assert waiting.status is Status.FILLED
    assert waiting.terms.price is None


# Money


def test_delivery_is_paid_in_full_and_intraday_with_a_fifth() -> None:
    market = exchange()
    market.place("asha", sell(20, "100"), MONDAY)

    market.place("ravi", buy(10, "100", product=Product.CNC), MONDAY)
    paid = market.funds("ravi")
    market.place("ravi", buy(10, "100"), MONDAY)

    assert (paid.cash, paid.used) == (Decimal(999_000), Decimal(0))
    assert market.funds("ravi").used == Decimal(200)
    assert market.funds("asha").used == Decimal(400)


def test_an_order_that_makes_a_position_smaller_needs_no_money() -> None:
    market = exchange(cash=Decimal(200))
    market.open_account("asha", Decimal(10_000), MONDAY)
    market.place("asha", sell(20, "100"), MONDAY)
    market.place("ravi", buy(10, "100"), MONDAY)

    leaving = market.place("ravi", sell(10, "100.05"), MONDAY)
    with pytest.raises(Refusal) as refusal:
        market.place("ravi", buy(10, "99"), MONDAY)

    assert leaving.status is Status.OPEN
    assert market.funds("ravi").available == 0
    assert refusal.value.fault is Fault.INSUFFICIENT_FUNDS


def test_profit_becomes_cash_when_a_position_is_closed() -> None:
    market = exchange()
    market.place("asha", sell(10, "100"), MONDAY)
    market.place("ravi", buy(10, "100"), MONDAY)
    market.place("asha", buy(10, "102"), MONDAY)

    market.place("ravi", sell(10, "102"), MONDAY)

    (position,) = market.positions("ravi")
    assert (position.quantity, position.realised) == (0, Decimal(20))
    assert market.funds("ravi").cash == Decimal(1_000_020)
    assert market.funds("asha").cash == Decimal(999_980)


def test_margin_says_what_an_order_then_ties_up() -> None:
    market = exchange()
    orders = [buy(50, "100", FUTURE, product=Product.NRML), buy(10, "99")]

    margin = market.margin("asha", orders, MONDAY)
    market.place("asha", orders[1], MONDAY)
    market.place("asha", orders[0], MONDAY)

    assert margin.needed == Decimal(698)  # a tenth of 5,000 and a fifth of 990
    assert market.funds("asha").used == Decimal(698)


def test_opposite_open_orders_tie_up_the_larger_side_only() -> None:
    market = exchange()
    market.place("asha", buy(10, "99"), MONDAY)

    market.place("asha", sell(10, "101"), MONDAY)

    assert market.funds("asha").used == Decimal(202)


def test_a_conversion_moves_the_position_and_its_money() -> None:
    market = exchange()
    market.place("asha", sell(10, "100"), MONDAY)
    market.place("ravi", buy(10, "100"), MONDAY)
    wanted = Conversion(
        symbol=ROCK,
        side=Side.BUY,
        quantity=6,
        from_product=Product.MIS,
        to_product=Product.CNC,
    )

    market.convert("ravi", wanted, MONDAY)

    positions = {p.product: p.quantity for p in market.positions("ravi")}
    funds = market.funds("ravi")
    assert positions == {Product.MIS: 4, Product.CNC: 6}
    assert (funds.cash, funds.used) == (Decimal(999_400), Decimal(80))


@pytest.mark.parametrize(
    ("quantity", "to", "words"),
    [(11, Product.CNC, "10 are there"), (1, Product.NRML, "CNC MIS"), (1, Product.MIS, "already")],
)
def test_a_conversion_that_cannot_be_is_refused(quantity: int, to: Product, words: str) -> None:
    market = exchange()
    market.place("asha", sell(10, "100"), MONDAY)
    market.place("ravi", buy(10, "100"), MONDAY)
    wanted = Conversion(
        symbol=ROCK, side=Side.BUY, quantity=quantity, from_product=Product.MIS, to_product=to
    )

    with pytest.raises(Refusal, match=words):
        market.convert("ravi", wanted, MONDAY)


# GTT


def leg(side: Side, trigger: Decimal, price: Decimal, quantity: int = 10) -> GttLeg:
    return GttLeg(
        trigger_price=trigger, side=side, quantity=quantity, price=price, product=Product.MIS
    )


def test_a_gtt_places_its_order_when_the_price_comes() -> None:
    market = Exchange(listings(MONDAY.date()), seed=3)
    last = market.last_price("NSE:SBIN", MONDAY)
    gtt = NewGtt(symbol="NSE:SBIN", legs=(leg(Side.BUY, last + 1, last + 2),))

    gtt_id = market.place_gtt("asha", gtt, MONDAY)
    market.advance(MONDAY + timedelta(days=1))

    (row,) = (gtt.row() for gtt in market.gtts("asha"))
    assert (row.broker_gtt_id, row.status) == (gtt_id, GttStatus.TRIGGERED)
    (placed,) = market.orders("asha")
    assert row.placed_order_ids == (placed.order_id,)
    assert placed.status is Status.FILLED


def test_of_two_legs_one_order_comes() -> None:
    market = Exchange(listings(MONDAY.date()), seed=3)
    last = market.last_price("NSE:SBIN", MONDAY)
    legs = (
        leg(Side.SELL, last - Decimal("0.5"), last - 2),
        leg(Side.SELL, last + Decimal("0.5"), last),
    )

    market.place_gtt("asha", NewGtt(symbol="NSE:SBIN", legs=legs), MONDAY)
    market.advance(MONDAY + timedelta(days=1))

    assert len(market.orders("asha")) == 1


def test_a_gtt_whose_order_is_refused_says_why() -> None:
    market = Exchange(listings(MONDAY.date()), seed=3, cash=Decimal(10))
    last = market.last_price("NSE:SBIN", MONDAY)
    gtt = NewGtt(symbol="NSE:SBIN", legs=(leg(Side.BUY, last + 1, last + 2),))

    market.place_gtt("asha", gtt, MONDAY)
    market.advance(MONDAY + timedelta(days=1))

    (row,) = (gtt.row() for gtt in market.gtts("asha"))
    assert row.status is GttStatus.REJECTED
    assert "available" in (row.status_message or "")


def test_a_cancelled_gtt_never_comes() -> None:
    market = Exchange(listings(MONDAY.date()), seed=3)
    last = market.last_price("NSE:SBIN", MONDAY)
    gtt_id = market.place_gtt(
        "asha", NewGtt(symbol="NSE:SBIN", legs=(leg(Side.BUY, last + 1, last + 2),)), MONDAY
    )

    market.cancel_gtt("asha", gtt_id, MONDAY)
    market.advance(MONDAY + timedelta(days=1))

    assert market.orders("asha") == []
    with pytest.raises(Refusal, match="CANCELLED already"):
        market.cancel_gtt("asha", gtt_id, MONDAY)


def test_the_legs_of_a_gtt_lie_on_both_sides_of_the_price() -> None:
    market = exchange()
    legs = (leg(Side.SELL, Decimal(101), Decimal(101)), leg(Side.SELL, Decimal(102), Decimal(102)))

    with pytest.raises(Refusal, match="of two legs"):
        market.place_gtt("asha", NewGtt(symbol=ROCK, legs=legs), MONDAY)


# Hours and days


def test_a_clock_that_goes_back_does_not_take_the_exchange_with_it() -> None:
    market = exchange()
    market.place("asha", buy(1, "99"), MONDAY)
    market.advance(MONDAY + timedelta(seconds=10))

    late = market.place("asha", buy(1, "98"), MONDAY)

    assert late.placed_at == MONDAY + timedelta(seconds=10)


def test_a_closed_market_takes_after_market_orders_only_and_opens_with_them() -> None:
    market = exchange(hours=MARKET_HOURS)
    night = MONDAY.replace(hour=2)

    with pytest.raises(Refusal) as refusal:
        market.place("asha", buy(1, symbol=POOL), night)
    waiting = market.place("asha", buy(1, symbol=POOL, variety=Variety.AMO), night)
    at_night = waiting.status
    market.advance(MONDAY)

    assert refusal.value.fault is Fault.MARKET_CLOSED
    assert (at_night, waiting.status) == (Status.PENDING, Status.FILLED)
    assert waiting.updated_at.time() >= MONDAY.replace(hour=9, minute=15).time()


def test_an_open_market_takes_no_after_market_order() -> None:
    market = exchange(hours=MARKET_HOURS)

    with pytest.raises(Refusal, match="AMO"):
        market.place("asha", buy(1, variety=Variety.AMO), MONDAY)


def test_orders_of_the_day_expire_at_the_close() -> None:
    market = exchange(hours=MARKET_HOURS)
    waiting = market.place("asha", buy(1, "99"), MONDAY)

    market.advance(MONDAY.replace(hour=15, minute=29))
    before = waiting.status
    market.advance(MONDAY.replace(hour=15, minute=31))

    assert (before, waiting.status) == (Status.OPEN, Status.EXPIRED)


def test_a_price_stands_still_while_the_market_is_closed() -> None:
    market = Exchange(listings(MONDAY.date()), seed=1, hours=MARKET_HOURS)
    friday_night, sunday = (MONDAY - timedelta(days=days) for days in (2.5, 1))

    prices = {market.last_price("NSE:INFY", at) for at in (friday_night, sunday)}

    assert len(prices) == 1
    assert not market.is_open("NSE:INFY", sunday)


def test_a_new_day_delivers_shares_carries_futures_and_closes_intraday() -> None:
    market = exchange()
    for terms in (
        sell(10, "100"),
        buy(10, "100", product=Product.CNC),
        buy(50, "101", FUTURE, product=Product.NRML),
        buy(5, "101", POOL),
    ):
        market.place("asha", terms, MONDAY)
    waiting = market.place("asha", buy(1, "90"), MONDAY)
    next_day = MONDAY + timedelta(hours=20)

    market.new_day(next_day)

    assert market.orders("asha") == []
    assert market.trades("asha") == []
    assert waiting.status is Status.EXPIRED
    assert {h.symbol: h.quantity for h in market.holdings("asha")} == {ROCK: 10}
    (carried,) = market.positions("asha")
    assert (carried.symbol, carried.quantity, carried.overnight_quantity) == (FUTURE, 50, 50)


def test_a_contract_that_has_ended_is_settled_at_the_last_price_and_gone() -> None:
    market = exchange()
    market.place("asha", buy(50, "101", FUTURE, product=Product.NRML), MONDAY)
    paid = market.positions("asha")[0].average_price
    assert paid is not None

    market.new_day(MONDAY + timedelta(days=2))

    assert market.positions("asha") == []
    assert market.funds("asha").cash == 1_000_000 + 50 * (100 - paid)
    assert market.funds("asha").used == 0
    assert market.listing(FUTURE) is None


def test_holdings_can_be_sold_once() -> None:
    market = exchange()
    market.place("asha", sell(10, "100"), MONDAY)
    market.place("ravi", buy(10, "100", product=Product.CNC), MONDAY)
    tuesday = MONDAY + timedelta(days=1)
    market.new_day(tuesday)
    market.place("asha", buy(8, "100"), tuesday)

    market.place("ravi", sell(8, "100", product=Product.CNC), tuesday)
    with pytest.raises(Refusal, match="2 are there"):
        market.place("ravi", sell(3, "100", product=Product.CNC), tuesday)
    (today,) = market.holdings("ravi")
    market.new_day(tuesday + timedelta(days=1))

    assert (today.quantity, today.used_quantity) == (2, 8)
    assert [h.quantity for h in market.holdings("ravi")] == [2]
    assert market.funds("ravi").cash == Decimal(999_800)


def test_after_market_orders_outlive_the_change_of_day() -> None:
    market = exchange(hours=MARKET_HOURS)
    evening = MONDAY.replace(hour=20)
    waiting = market.place("asha", buy(1, "101", POOL, variety=Variety.AMO), evening)

    market.new_day(evening + timedelta(hours=10))
    market.advance(evening + timedelta(hours=14))

    assert [o.order_id for o in market.orders("asha")] == [waiting.order_id]
    assert waiting.status is Status.FILLED
