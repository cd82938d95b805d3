"""Prices: a function of seed and time that looks like a market."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from ordod.domain.instruments import InstrumentKind
from ordod.domain.market import Interval
from ordod.domain.money import is_on_tick
from ordod.paper.exchange import Exchange
from ordod.paper.hours import IST
from ordod.paper.listed import listings

MONDAY = datetime(2026, 11, 23, 9, 15, tzinfo=IST)
CLOSE = MONDAY.replace(hour=15, minute=30)


def exchange(seed: int = 7) -> Exchange:
    return Exchange(listings(MONDAY.date()), seed=seed)


def test_the_same_seed_gives_the_same_prices_in_whatever_order_they_are_asked_for() -> None:
    moments = [MONDAY + timedelta(minutes=minute) for minute in range(0, 300, 7)]
    forwards, backwards = exchange(), exchange()

    there = [forwards.candles("NSE:INFY", Interval.M1, at, at) for at in moments]
    back = [backwards.candles("NSE:INFY", Interval.M1, at, at) for at in reversed(moments)]

    assert there == back[::-1]
    assert there != [exchange(8).candles("NSE:INFY", Interval.M1, at, at) for at in moments]


def test_prices_move_and_stay_on_the_tick_and_within_the_circuit_limits() -> None:
    market = exchange()

    quotes = [market.quote("NSE:TCS", MONDAY + timedelta(minutes=n)) for n in range(0, 375, 5)]

    tick = next(x.instrument.tick_size for x in listings(MONDAY.date()) if x.walk == "TCS")
    assert len({quote.last_price for quote in quotes}) > 30
    for quote in quotes:
        assert is_on_tick(quote.last_price, tick)
        assert quote.lower_circuit is not None
        assert quote.upper_circuit is not None
        assert quote.low_price is not None
        assert quote.high_price is not None
        assert quote.lower_circuit <= quote.low_price <= quote.last_price <= quote.high_price
        assert quote.high_price <= quote.upper_circuit


def test_the_market_makers_levels_are_finite_and_in_order() -> None:
    depth = exchange().quote("NSE:TCS", MONDAY).depth

    assert depth is not None
    buys, sells = ([level.price for level in side] for side in (depth.buy, depth.sell))
    assert len(buys) == len(sells) == 5
    assert buys == sorted(buys, reverse=True)
    assert sells == sorted(sells)
    assert buys[0] < sells[0]
    assert all(level.quantity > 0 for level in depth.buy + depth.sell)


def test_five_one_minute_candles_make_one_five_minute_candle() -> None:
    market = exchange()

    (five,) = market.candles("NSE:INFY", Interval.M5, MONDAY, MONDAY)
    ones = market.candles("NSE:INFY", Interval.M1, MONDAY, MONDAY + timedelta(minutes=4))

    assert (five.open, five.close) == (ones[0].open, ones[-1].close)
    assert five.high == max(candle.high for candle in ones)
    assert five.low == min(candle.low for candle in ones)
    assert five.volume == sum(candle.volume for candle in ones)


def test_candles_cover_the_session_of_weekdays_only() -> None:
    market = exchange()
    saturday = MONDAY - timedelta(days=2)

    minutes = market.candles("NSE:INFY", Interval.M1, saturday, CLOSE)
    days = market.candles("NSE:INFY", Interval.D1, MONDAY - timedelta(days=7), CLOSE)

    assert len(minutes) == 375
    assert minutes[0].at == MONDAY
    assert [candle.at.date().day for candle in days] == [17, 18, 19, 20, 23]


def test_a_candle_tells_nothing_of_the_future() -> None:
    market = exchange()
    now = MONDAY + timedelta(minutes=2, seconds=30)

    so_far = market.candles("NSE:INFY", Interval.M5, MONDAY, CLOSE, now)

    assert len(so_far) == 1
    shorter = market.candles("NSE:INFY", Interval.M1, MONDAY, MONDAY + timedelta(minutes=1))
    assert so_far[0].high >= max(candle.high for candle in shorter)
    assert so_far[0].volume < market.candles("NSE:INFY", Interval.M5, MONDAY, MONDAY)[0].volume


def test_every_listed_name_and_token_is_unique_and_futures_have_not_ended() -> None:
    for on in (date(2026, 11, 23), date(2026, 11, 25), date(2026, 12, 31), date(2027, 2, 28)):
        listed = [listing.instrument for listing in listings(on)]

        assert len({instrument.symbol for instrument in listed}) == len(listed)
        assert len({instrument.instrument_token for instrument in listed}) == len(listed)
        futures = [x for x in listed if x.kind is InstrumentKind.FUTURE]
        assert all(x.expiry is not None and x.expiry >= on for x in futures)
        assert all((x.freeze_quantity or 0) >= (x.lot_size or 0) > 0 for x in futures)


def test_a_contract_keeps_its_name_and_token_from_day_to_day() -> None:
    first, second = (
        {x.instrument.symbol: x.instrument for x in listings(date(2026, 11, day))}
        for day in (23, 26)
    )

    kept = set(first) & set(second)

    assert "NFO:NIFTY24NOV26FUT" in first
    assert "NFO:NIFTY24NOV26FUT" not in second
    assert "NFO:NIFTY29DEC26FUT" in kept
    assert all(first[symbol] == second[symbol] for symbol in kept)


def test_a_share_costs_about_the_same_on_both_exchanges() -> None:
    market = exchange()

    for day in range(10):
        at = MONDAY + timedelta(days=day)
        nse, bse = (market.last_price(f"{name}:INFY", at) for name in ("NSE", "BSE"))
        assert abs(nse - bse) <= Decimal(1)
