"""Paper options: chains that move with their underlying, and what becomes of them at the end."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from ordod.adapter import Fault
from ordod.domain.instruments import Instrument, InstrumentKind
from ordod.domain.market import Interval
from ordod.domain.orders import NewOrder, OrderType, Product, Side, Status
from ordod.paper.exchange import Exchange, Refusal
from ordod.paper.hours import IST, MARKET_HOURS
from ordod.paper.listed import listings

TICK = Decimal("0.05")
MONDAY = datetime(2026, 11, 23, 11, 0, tzinfo=IST)  # the day before an expiry
WEEKLY, MONTHLY = date(2026, 12, 1), date(2026, 12, 29)
LISTED = {x.instrument.symbol: x.instrument for x in listings(MONDAY.date())}


def exchange(**options: Any) -> Exchange:
    return Exchange(listings(MONDAY.date()), seed=7, **options)


def chain(name: str, expiry: date) -> Iterator[tuple[Decimal, Instrument, Instrument]]:
    """Strike, call, put; from the lowest strike up."""
    of = [x for x in LISTED.values() if x.name == name and x.expiry == expiry and x.strike]
    calls, puts = (
        {x.strike: x for x in of if x.kind is kind}
        for kind in (InstrumentKind.CALL, InstrumentKind.PUT)
    )
    assert set(calls) == set(puts)
    for strike in sorted(strike for strike in calls if strike is not None):
        yield strike, calls[strike], puts[strike]


def order(symbol: str, quantity: int, side: Side = Side.BUY, **fields: Any) -> NewOrder:
    terms: dict[str, Any] = {"type": OrderType.MARKET, "product": Product.NRML, "tag": None}
    return NewOrder(symbol=symbol, side=side, quantity=quantity, **(terms | fields))


def test_indices_and_some_shares_have_chains_weekly_ones_only_where_there_are() -> None:
    expiries: dict[str, set[date | None]] = {}
    for one in LISTED.values():
        if one.strike is not None:
            expiries.setdefault(one.name, set()).add(one.expiry)

    months = {date(2026, 11, 24), MONTHLY}
    assert expiries.pop("NIFTY") == months | {WEEKLY}
    assert set(expiries) == {"BANKNIFTY", "FINNIFTY", "RELIANCE", "INFY", "SBIN", "TATASTEEL"}
    assert all(found == months for found in expiries.values())
    assert LISTED["NFO:TATASTEEL29DEC26170CE"].strike == 170


@pytest.mark.parametrize("hours", range(0, 26, 5))
def test_calls_and_puts_of_every_strike_agree_on_one_forward(hours: int) -> None:
    market, at = exchange(), MONDAY + timedelta(hours=hours)

    future = market.last_price("NFO:NIFTY29DEC26FUT", at)
    for expiry in (WEEKLY, MONTHLY):
        forwards = [
            strike + market.last_price(call.symbol, at) - market.last_price(put.symbol, at)
            for strike, call, put in chain("NIFTY", expiry)
        ]

        assert max(forwards) - min(forwards) <= 4 * TICK
        assert expiry == WEEKLY or abs(forwards[0] - future) <= 4 * TICK


@pytest.mark.parametrize("name", ["NIFTY", "BANKNIFTY", "FINNIFTY", "RELIANCE", "TATASTEEL"])
def test_calls_fall_and_puts_rise_with_the_strike(name: str) -> None:
    market = exchange()

    prices = [
        (market.last_price(call.symbol, MONDAY), market.last_price(put.symbol, MONDAY))
        for _, call, put in chain(name, MONTHLY)
    ]

    assert all(lower[0] >= upper[0] for lower, upper in pairwise(prices))
    assert all(lower[1] <= upper[1] for lower, upper in pairwise(prices))
    assert prices[0][0] > prices[-1][0] >= TICK


def test_the_money_is_inside_the_chain_for_months() -> None:
    for month in range(1, 13):
        at = datetime(2026, month, 9, 12, 0, tzinfo=IST)
        market = Exchange(listings(at.date()), seed=7)
        listed = [x.instrument for x in listings(at.date()) if x.instrument.name == "NIFTY"]
        strikes = [one.strike for one in listed if one.strike is not None]

        spot = market.last_price("NSE_INDEX:NIFTY", at)

        assert min(strikes) + 500 < spot < max(strikes) - 500


def test_prices_stay_on_the_tick_and_within_their_limits_and_are_the_same_in_any_order() -> None:
    moments = [MONDAY + timedelta(minutes=7 * n) for n in range(200)]
    for symbol in ("NFO:NIFTY01DEC2624500CE", "NFO:NIFTY01DEC2624500PE", "NFO:SBIN29DEC26870CE"):
        forwards, backwards = exchange(), exchange()

        there = [forwards.last_price(symbol, at) for at in moments]
        ones = [backwards.candles(symbol, Interval.M1, at, at) for at in reversed(moments)][::-1]

        limits = [forwards.circuit_limits(symbol, at) for at in moments]
        assert len(set(there)) > 40
        assert all(price % TICK == 0 for price in there)
        assert all(low <= price <= high for price, (low, high) in zip(there, limits, strict=True))
        opened = [(one[0].open, price) for one, price in zip(ones, there, strict=True) if one]
        assert len(opened) > 30
        assert all(first == price for first, price in opened)


def test_a_quote_tells_open_interest_in_whole_lots() -> None:
    market = exchange()

    near, far = (
        market.quote(f"NFO:NIFTY01DEC26{strike}CE", MONDAY).oi for strike in (25000, 22500)
    )

    assert near is not None
    assert far is not None
    assert near > far > 0
    assert near % 65 == far % 65 == 0
    assert market.quote("NSE:INFY", MONDAY).oi is None


def test_candles_of_an_option_join_up() -> None:
    market = exchange()
    symbol, opens = "NFO:NIFTY01DEC2625000CE", MONDAY.replace(hour=9, minute=15)

    (five,) = market.candles(symbol, Interval.M5, opens, opens)
    ones = market.candles(symbol, Interval.M1, opens, opens + timedelta(minutes=4))

    assert (five.open, five.close) == (ones[0].open, ones[-1].close)
    assert five.high == max(candle.high for candle in ones)


def test_orders_keep_lot_tick_and_freeze() -> None:
    market, symbol = exchange(), "NFO:NIFTY01DEC2624600CE"

    def refused(quantity: int, **fields: Any) -> str:
        with pytest.raises(Refusal) as refusal:
            market.place("asha", order(symbol, quantity, **fields), MONDAY)
        assert refusal.value.fault is Fault.INVALID_INPUT
        return refusal.value.message

    assert "lot of 65" in refused(64)
    assert "freeze quantity 1800" in refused(65 * 28)
    assert "tick 0.05" in refused(65, type=OrderType.LIMIT, price=Decimal("100.02"))
    assert "NRML" in refused(65, product=Product.CNC)
    filled = market.place("asha", order(symbol, 130), MONDAY)
    assert filled.status is Status.FILLED


def test_a_market_order_for_an_option_worth_a_tick_is_filled() -> None:
    market, symbol = exchange(), "NFO:NIFTY24NOV2627000CE"
    assert market.last_price(symbol, MONDAY) == TICK

    bought = market.place("asha", order(symbol, 65), MONDAY)

    assert (bought.status, bought.fills[0].price) == (Status.FILLED, 2 * TICK)


def test_who_buys_ties_up_the_premium_and_who_sells_what_a_future_would() -> None:
    market, symbol = exchange(), "NFO:NIFTY01DEC2624600CE"
    market.open_account("ravi", Decimal(1_000_000), MONDAY)
    premium = market.last_price(symbol, MONDAY)

    market.place("asha", order(symbol, 65), MONDAY)
    market.place("ravi", order(symbol, 65, Side.SELL), MONDAY)

    used = {user: market.funds(user).used or Decimal(0) for user in ("asha", "ravi")}
    assert abs(used["asha"] - premium * 65) <= 65 * 20 * TICK
    assert Decimal("0.11") < used["ravi"] / (25000 * 65) < Decimal("0.13")
    market.place("ravi", order(symbol, 65), MONDAY)
    assert market.funds("ravi").used == 0


def test_a_seller_without_the_margin_is_refused() -> None:
    market = exchange(cash=Decimal(50_000))

    with pytest.raises(Refusal) as refusal:
        market.place("asha", order("NFO:NIFTY01DEC2624600CE", 65, Side.SELL), MONDAY)

    assert refusal.value.fault is Fault.INSUFFICIENT_FUNDS
    assert not market.positions("asha")


def test_an_option_ends_at_what_it_is_worth_and_one_that_is_not_exercised_at_nothing() -> None:
    market = exchange()
    inside, outside = "NFO:NIFTY24NOV2624000CE", "NFO:NIFTY24NOV2625300CE"
    close = datetime(2026, 11, 24, 15, 30, tzinfo=IST)
    for symbol in (inside, outside):
        market.place("asha", order(symbol, 65), MONDAY)
    paid = {p.symbol: p.average_price for p in market.positions("asha")}
    before = market.funds("asha").cash or Decimal(0)

    market.advance(close)
    settled = market.last_price("NFO:NIFTY24NOV26FUT", close - timedelta(seconds=1)) - 24000
    wednesday = datetime(2026, 11, 25, 6, 0, tzinfo=IST)
    market.new_day(wednesday, listings(wednesday.date()))

    assert market.positions("asha") == []
    assert inside not in {x.instrument.symbol for x in market.listings()}
    gained = (settled - (paid[inside] or 0) - (paid[outside] or 0)) * 65
    assert (
        abs((market.funds("asha").cash or 0) - before - gained) <= 65 * 3 * TICK
    )  # a future ticks in 0.1


def test_time_decays_and_after_the_close_of_the_last_day_nothing_moves() -> None:
    market, symbol = exchange(), "NFO:NIFTY24NOV2624000CE"
    close = datetime(2026, 11, 24, 15, 30, tzinfo=IST)

    later = {market.last_price(symbol, close + timedelta(minutes=n)) for n in range(0, 300, 20)}

    assert len(later) == 1


def test_after_a_restart_an_option_order_is_where_it_was() -> None:
    lines: list[bytes] = []
    market = exchange(save=lines.append, hours=MARKET_HOURS)
    symbol = "NFO:NIFTY01DEC2624600PE"
    waiting = order(symbol, 65, type=OrderType.LIMIT, price=Decimal("20.05"))
    market.place("asha", order(symbol, 65), MONDAY)
    market.place("asha", waiting, MONDAY)

    again = exchange(hours=MARKET_HOURS)
    again.replay(lines)
    for one in (market, again):
        one.advance(MONDAY + timedelta(hours=3))

    assert again.dump() == market.dump()


def test_contracts_keep_symbol_and_token_until_their_end() -> None:
    tokens: dict[str, str] = {}
    for day in range(120):
        on = MONDAY.date() + timedelta(days=day)
        listed = [x.instrument for x in listings(on)]

        assert len({x.instrument_token for x in listed}) == len({x.symbol for x in listed})
        for one in listed:
            assert tokens.setdefault(one.symbol, one.instrument_token) == one.instrument_token
            assert one.expiry is None or one.expiry >= on


def test_no_contract_leaves_the_list_before_its_end() -> None:
    for day in range(60):
        on = MONDAY.date() + timedelta(days=day)
        today, tomorrow = (
            {x.instrument.symbol for x in listings(d)} for d in (on, on + timedelta(1))
        )

        ended = {x.instrument.symbol for x in listings(on) if x.instrument.expiry == on}
        assert today - tomorrow == ended
