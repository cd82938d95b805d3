"""The codecs talk to the simulator's streams without a socket: what is pushed is what the market is."""

from collections.abc import Iterable

import pytest

from ordo_adapters.angelone import ANGELONE
from ordod.adapter import (
    BadRow,
    BrokerOrder,
    DepthTick,
    Level,
    Mode,
    Pushed,
    Status,
    Stream,
    Tick,
    suite,
)
from ordod.sim.broker import Options
from ordod.sim.feeds import FeedFault, FeedFaultKind
from ordod.sim.message import Answer, Request
from tests.adapters.angelone.test_with_simulator import bench_of
from tests.adapters.bench import Bench
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
    return bench_of(Options(seed=7))


def prices(bench: Bench, symbols: Iterable[str], mode: Mode) -> tuple[Line, Stream]:
    feed = opened(bench, bench.run(ANGELONE.connect_stream(bench.session)))
    stream = ANGELONE.stream(bench.session, suite.Listed(bench.instruments))
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
        assert value.at
        assert abs(value.at - quote.at).total_seconds() < 0.001
        assert value.volume == (None if "INDEX" in value.symbol else quote.volume)
        assert value.oi == (quote.oi if value.traded_at else None)
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
        assert tick == Tick(tick.symbol, tick.last_price, tick.at)
    assert [type(value) for value in more] == [Tick, DepthTick]
    for value in more:
        assert_true(bench, value)
    line.say(stream.unsubscribe([bench.infy]))
    assert line.later(5) == []


def test_the_lines_end_with_the_session_and_a_dead_one_is_not_let_in(bench: Bench) -> None:
    line, _ = prices(bench, SYMBOLS, Mode.QUOTE)
    line.later()
    bench.sim.end_sessions(bench.session.user_id)

    requests = [
        bench.run(connect(bench.session))
        for connect in (ANGELONE.connect_stream, ANGELONE.connect_updates)
    ]
    answers = [
        bench.sim.open_feed(Request.read("GET", one.target(), list(one.headers), b""), bench.now)
        for one in requests
    ]

    assert line.feed.is_over(bench.now)
    assert [one.status for one in answers if isinstance(one, Answer)] == [401, 401]


def test_a_client_that_keeps_silent_is_let_go_and_a_ping_is_answered(bench: Bench) -> None:
    line, stream = prices(bench, SYMBOLS, Mode.QUOTE)
    line.later(29)
    line.say([stream.keep_alive()])
    assert line.hear() == []
    line.later(29)
    assert not line.feed.is_over(bench.now)

    line.later(2)

    assert line.feed.is_over(bench.now)


def test_an_order_is_pushed_as_the_book_has_it(bench: Bench) -> None:
    feed = opened(bench, bench.run(ANGELONE.connect_updates(bench.session)))
    line = Line(bench, ANGELONE.updates(bench.session, suite.Listed(bench.instruments)), feed)
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
    feed = opened(bench, bench.run(ANGELONE.connect_updates(bench.session)))
    line = Line(bench, ANGELONE.updates(bench.session, suite.Listed(bench.instruments)), feed)

    bench.sim.end_sessions(bench.session.user_id)

    assert feed.is_over(bench.now)
    assert line.unreadable == 0
