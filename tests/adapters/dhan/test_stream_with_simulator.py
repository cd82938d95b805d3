"""The codecs talk to the simulator's streams without a socket: what is pushed is what the market is."""

from collections.abc import Iterable

import pytest

from ordo_adapters.dhan import DHAN
from ordod.adapter import (
    BadRow,
    BrokerError,
    BrokerOrder,
    DepthTick,
    Fault,
    Level,
    Mode,
    Pushed,
    Status,
    Stream,
    Tick,
    suite,
)
from ordod.sim.dhan import DhanSim
from ordod.sim.feeds import FeedFault, FeedFaultKind
from tests.adapters.bench import TEN, Bench
from tests.adapters.dhan.test_with_simulator import CREDENTIALS
from tests.adapters.line import Line, opened

SYMBOLS = (
    "NSE:INFY",
    "NSE:SBIN",
    "NSE_INDEX:NIFTY",
    "BSE_INDEX:SENSEX",
    "NFO:NIFTY29DEC26FUT",
    "MCX:CRUDEOIL18DEC26FUT",
)


@pytest.fixture
def bench() -> Bench:
    return Bench(DHAN, DhanSim(seed=7, now=TEN), CREDENTIALS)


def prices(bench: Bench, symbols: Iterable[str], mode: Mode) -> tuple[Line, Stream]:
    feed = opened(bench, bench.run(DHAN.connect_stream(bench.session)))
    stream = DHAN.stream(bench.session, suite.Listed(bench.instruments))
    line = Line(bench, stream, feed)
    line.say(stream.subscribe([bench.listed(symbol) for symbol in symbols], mode))
    return line, stream


def assert_true(bench: Bench, value: Pushed) -> None:
    """What is told now is what the exchange says now."""
    assert isinstance(value, Tick | DepthTick), value
    quote = bench.sim.paper.quote(value.symbol, bench.now)
    if isinstance(value, Tick):
        for name in ("last_price", "open_price", "high_price", "low_price", "close_price"):
            assert getattr(value, name) == getattr(quote, name), (name, value)
        assert quote.at
        assert value.traded_at == quote.at.replace(microsecond=0)
        assert value.volume == (None if "INDEX" in value.symbol else quote.volume)
        assert value.oi == quote.oi
    else:
        assert quote.depth is not None
        for told, levels in ((value.buy, quote.depth.buy), (value.sell, quote.depth.sell)):
            assert told == tuple(
                Level(one.price, one.quantity, one.orders or 1) for one in levels[:5]
            )


@pytest.mark.parametrize("mode", [Mode.QUOTE, Mode.DEPTH])
def test_what_is_pushed_is_what_the_market_is(bench: Bench, mode: Mode) -> None:
    line, _ = prices(bench, SYMBOLS, mode)
    seen = {Tick: set[str](), DepthTick: set[str]()}

    for _ in range(60):
        for value in line.later():
            assert_true(bench, value)
            if isinstance(value, Tick | DepthTick):
                seen[type(value)].add(value.symbol)

    assert seen[Tick] == set(SYMBOLS)
    of_books = {symbol for symbol in SYMBOLS if "INDEX" not in symbol}
    assert seen[DepthTick] == (of_books if mode is Mode.DEPTH else set())
    assert line.unreadable == 0


def test_frames_that_are_cut_are_passed_over_and_what_comes_next_is_true(bench: Bench) -> None:
    line, _ = prices(bench, SYMBOLS, Mode.QUOTE)
    line.later()
    bench.sim.feed_faults.add(FeedFault(kind=FeedFaultKind.CUT, times=5), bench.now)

    told = [value for _ in range(20) for value in line.later()]

    assert line.unreadable == 5
    assert told
    assert not [value for value in told if isinstance(value, BadRow)]
    for value in line.later():
        assert_true(bench, value)


def test_last_prices_come_alone_and_a_change_of_mode_brings_the_rest(bench: Bench) -> None:
    line, stream = prices(bench, SYMBOLS, Mode.LTP)
    ticks = [value for value in line.later(5) if isinstance(value, Tick)]
    line.say(stream.unsubscribe([bench.listed(symbol) for symbol in SYMBOLS[1:]]))
    line.say(stream.subscribe([bench.infy], Mode.DEPTH))
    more = line.hear()

    assert {tick.symbol for tick in ticks} == set(SYMBOLS)
    for tick in ticks:
        assert tick == Tick(
            symbol=tick.symbol, last_price=tick.last_price, traded_at=tick.traded_at
        )
    assert [type(value) for value in more] == [Tick, DepthTick]
    for value in more:
        assert_true(bench, value)
    line.say(stream.unsubscribe([bench.infy]))
    assert line.later(5) == []


def test_a_dead_session_is_told_as_one(bench: Bench) -> None:
    line, _ = prices(bench, SYMBOLS, Mode.QUOTE)
    line.later()
    bench.sim.end_sessions(bench.session.user_id)

    with pytest.raises(BrokerError) as raised:
        line.later()

    assert raised.value.fault is Fault.AUTH_EXPIRED
    assert line.feed.is_over(bench.now)


def test_an_order_is_pushed_as_the_book_has_it(bench: Bench) -> None:
    feed = opened(bench, bench.run(DHAN.connect_updates(bench.session)))
    line = Line(bench, DHAN.updates(bench.session, suite.Listed(bench.instruments)), feed)
    assert line.hear() == []

    placed = bench.place()
    (order,) = line.hear()
    crude = bench.place("MCX:CRUDEOIL18DEC26FUT", quantity=200, product="NRML")
    (lots,) = line.hear()

    assert order == bench.row(placed)
    assert lots == bench.row(crude)
    assert isinstance(order, BrokerOrder)
    assert (order.status, order.tags) == (Status.FILLED, (bench.tag,))
    assert line.hear() == []


def test_the_line_of_orders_ends_with_the_session(bench: Bench) -> None:
    feed = opened(bench, bench.run(DHAN.connect_updates(bench.session)))
    line = Line(bench, DHAN.updates(bench.session, suite.Listed(bench.instruments)), feed)

    bench.sim.end_sessions(bench.session.user_id)

    assert line.hear() == []
    assert feed.is_over(bench.now)
