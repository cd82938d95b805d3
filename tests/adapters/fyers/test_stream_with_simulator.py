"""The codecs talk to the simulator's streams without a socket: what is pushed is what the market is, whatever was lost on the way."""

from collections.abc import Iterable
from decimal import Decimal

import pytest

from ordo_adapters.fyers import FYERS
from ordod.adapter import (
    BadRow,
    BrokerError,
    BrokerOrder,
    DepthTick,
    Fault,
    Fill,
    Level,
    Mode,
    Pushed,
    Reply,
    Secret,
    Session,
    Status,
    Stream,
    Tick,
    suite,
)
from ordod.sim.feeds import FeedFault, FeedFaultKind
from ordod.sim.fyers import FyersSim
from ordod.sim.message import Answer, Request
from tests.adapters.bench import TEN, Bench
from tests.adapters.fyers.test_with_simulator import CREDENTIALS
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
    return Bench(FYERS, FyersSim(seed=7, now=TEN), CREDENTIALS)


def prices(bench: Bench, symbols: Iterable[str], mode: Mode) -> tuple[Line, Stream]:
    feed = opened(bench, bench.run(FYERS.connect_stream(bench.session)))
    stream = FYERS.stream(bench.session, suite.Listed(bench.instruments))
    line = Line(bench, stream, feed)
    line.say(stream.subscribe([bench.listed(symbol) for symbol in symbols], mode))
    line.hear()
    return line, stream


def updates(bench: Bench) -> Line:
    feed = opened(bench, bench.run(FYERS.connect_updates(bench.session)))
    return Line(bench, FYERS.updates(bench.session, suite.Listed(bench.instruments)), feed)


def assert_true(bench: Bench, value: Pushed) -> None:
    """What is told now is what the exchange says now."""
    if isinstance(value, Tick):
        quote = bench.sim.paper.quote(value.symbol, bench.now)
        in_lots = value.symbol.startswith("MCX")
        size = bench.listed(value.symbol).lot_size if in_lots else 1
        assert size
        for name in ("last_price", "open_price", "high_price", "low_price", "close_price"):
            assert getattr(value, name) == getattr(quote, name), (name, value)
        assert quote.at
        assert value.at == quote.at.replace(microsecond=0)
        for name in ("volume", "oi"):
            true = getattr(quote, name)
            assert getattr(value, name) == (true and true // size * size), (name, value)
    elif isinstance(value, DepthTick):
        depth = bench.sim.paper.quote(value.symbol, bench.now).depth
        assert depth is not None
        for told, levels in ((value.buy, depth.buy), (value.sell, depth.sell)):
            assert told == tuple(
                Level(one.price, one.quantity, one.orders or 1) for one in levels[:5]
            )
    else:
        assert isinstance(value, Reply | BadRow), value


def test_what_is_pushed_is_what_the_market_is(bench: Bench) -> None:
    line, _ = prices(bench, SYMBOLS, Mode.DEPTH)
    seen = {Tick: set[str](), DepthTick: set[str]()}

    for _ in range(120):
        for value in line.later():
            assert_true(bench, value)
            if isinstance(value, Tick | DepthTick):
                seen[type(value)].add(value.symbol)

    assert seen[Tick] == set(SYMBOLS)
    assert seen[DepthTick] == {symbol for symbol in SYMBOLS if "INDEX" not in symbol}
    assert line.unreadable == 0


def test_what_was_lost_on_the_way_is_never_told_as_it_was(bench: Bench) -> None:
    """What changed in a frame that is lost would be told in its old state with the next, were it merged with what was."""
    line, _ = prices(bench, SYMBOLS, Mode.QUOTE)
    told = 0

    for second in range(60):
        if second % 12 == 5:
            bench.sim.feed_faults.add(FeedFault(kind=FeedFaultKind.CUT), bench.now)
        for value in line.later():
            assert_true(bench, value)
            told += isinstance(value, Tick)

    assert line.unreadable == 5
    assert told > 60 * len(SYMBOLS) / 3
    assert {value.symbol for value in line.later(5) if isinstance(value, Tick)} >= {"NSE:INFY"}


def test_a_line_with_too_many_spoilt_frames_is_left(bench: Bench) -> None:
    line, _ = prices(bench, SYMBOLS, Mode.QUOTE)
    bench.sim.feed_faults.add(FeedFault(kind=FeedFaultKind.CUT, times=100), bench.now)

    with pytest.raises(BrokerError) as raised:
        all(line.later() == [] for _ in range(20))

    assert line.unreadable >= 5  # answers were cut, too
    assert raised.value.fault is Fault.BROKER_UNAVAILABLE


def test_last_prices_alone_come_in_the_mode_of_last_prices(bench: Bench) -> None:
    line, stream = prices(bench, SYMBOLS, Mode.LTP)
    ticks = [value for value in line.later(5) if isinstance(value, Tick)]
    line.say(stream.subscribe([bench.infy], Mode.DEPTH))
    more = line.hear()

    for tick in ticks:
        last = bench.sim.paper.quote(tick.symbol, bench.now).last_price
        assert tick == Tick(symbol=tick.symbol, last_price=last)
    assert len(ticks) >= 4
    assert [type(value) for value in more if not isinstance(value, Reply)] == [Tick, DepthTick]
    for value in more:
        assert_true(bench, value)


def test_what_is_not_wanted_any_more_is_silent(bench: Bench) -> None:
    line, stream = prices(bench, SYMBOLS, Mode.DEPTH)

    line.say(stream.unsubscribe([bench.listed(symbol) for symbol in SYMBOLS]))

    assert line.hear() == line.later(5) == []


def test_a_key_of_nobody_is_a_dead_session(bench: Bench) -> None:
    feed = opened(bench, bench.run(FYERS.connect_stream(bench.session)))
    bench.sim.end_sessions(bench.session.user_id)
    line = Line(bench, FYERS.stream(bench.session, suite.Listed(())), feed)

    with pytest.raises(BrokerError) as raised:
        line.hear()

    assert raised.value.fault is Fault.AUTH_EXPIRED


def test_the_order_socket_is_closed_to_a_dead_token(bench: Bench) -> None:
    session = Session(user_id="", access_token=Secret("dead"), api_key=bench.session.api_key)
    request = bench.run(FYERS.connect_updates(session))

    asked = Request.read("GET", request.target(), list(request.headers), b"")
    answer = bench.sim.open_feed(asked, bench.now)

    assert isinstance(answer, Answer)
    assert answer.status == 403


def test_an_order_is_pushed_as_the_book_has_it(bench: Bench) -> None:
    line = updates(bench)
    line.hear()

    placed = bench.place()
    order, fill = line.hear()
    crude = bench.place("MCX:CRUDEOIL18DEC26FUT", quantity=200, product="NRML")
    lots, lots_fill = line.hear()

    assert order == bench.row(placed)
    assert lots == bench.row(crude)
    assert isinstance(order, BrokerOrder)
    assert (order.status, order.tags) == (Status.FILLED, (bench.tag,))
    fills = bench.run(FYERS.trades(bench.session, bench)).good
    assert (fill, lots_fill) == fills
    assert isinstance(lots_fill, Fill)
    assert lots_fill.quantity == 200
    assert lots_fill.price > Decimal(0)
