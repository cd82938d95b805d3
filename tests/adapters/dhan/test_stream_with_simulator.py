"""The codecs talk to the simulator's streams without a socket: what is pushed is what the market is, whatever was lost on the way."""

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from ordo_adapters.dhan import DHAN
from ordod.adapter import (
    BrokerError,
    BrokerOrder,
    DepthTick,
    Fault,
    Level,
    Mode,
    OrderType,
    Pushed,
    Secret,
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


def updates(bench: Bench) -> Line:
    feed = opened(bench, bench.run(DHAN.connect_updates(bench.session)))
    return Line(bench, DHAN.updates(bench.session, suite.Listed(bench.instruments)), feed)


def assert_true(bench: Bench, value: Pushed) -> None:
    """What is told now is what the exchange says now."""
    if isinstance(value, Tick):
        quote = bench.sim.paper.quote(value.symbol, bench.now)
        for name in ("last_price", "open_price", "high_price", "low_price", "close_price"):
            assert getattr(value, name) == getattr(quote, name), (name, value)
        assert quote.at
        assert value.traded_at == quote.at.replace(microsecond=0)
        assert (value.volume, value.oi) == (quote.volume, quote.oi)
    elif isinstance(value, DepthTick):
        depth = bench.sim.paper.quote(value.symbol, bench.now).depth
        assert depth is not None
        for told, levels in ((value.buy, depth.buy), (value.sell, depth.sell)):
            assert told == tuple(Level(one.price, one.quantity, one.orders) for one in levels[:5])
    else:
        pytest.fail(f"unread: {value}")


@pytest.mark.parametrize("mode", [Mode.QUOTE, Mode.DEPTH])
def test_what_is_pushed_is_what_the_market_is(bench: Bench, mode: Mode) -> None:
    line, _ = prices(bench, SYMBOLS, mode)
    seen = {Tick: set[str](), DepthTick: set[str]()}

    for _ in range(60):
        for value in line.later():
            assert_true(bench, value)
            if isinstance(value, Tick | DepthTick):
                seen[type(value)].add(value.symbol)

    books = {s for s in SYMBOLS if "INDEX" not in s} if mode is Mode.DEPTH else set[str]()
    assert seen == {Tick: set(SYMBOLS), DepthTick: books}
    assert line.unreadable == 0


def test_frames_that_are_cut_doubled_or_swapped_leave_nothing_wrong_behind(bench: Bench) -> None:
    line, _ = prices(bench, SYMBOLS, Mode.QUOTE)
    line.hear()
    told = 0

    for second in range(60):
        kind = {5: FeedFaultKind.CUT, 15: FeedFaultKind.DUPLICATE, 25: FeedFaultKind.REORDER}
        if second in kind:
            fault = FeedFault(kind=kind[second], times=2)
            bench.sim.feed_faults.add(fault, bench.now)
        for value in line.later():
            told += isinstance(value, Tick)
            if second < 25:  # what was held back is of the second before
                assert_true(bench, value)

    assert line.unreadable == 2
    assert told > 60 * len(SYMBOLS) / 3


def test_a_mode_may_change_on_the_way(bench: Bench) -> None:
    line, stream = prices(bench, SYMBOLS, Mode.LTP)
    ticks = [value for value in line.later(5) if isinstance(value, Tick)]
    line.say(stream.subscribe([bench.infy], Mode.DEPTH))
    more = line.hear()
    line.say(stream.unsubscribe([bench.listed(symbol) for symbol in SYMBOLS]))

    for tick in ticks:
        quote = bench.sim.paper.quote(tick.symbol, bench.now)
        assert (tick.last_price, tick.close_price) == (quote.last_price, quote.close_price)
        assert tick.volume is None
    assert {tick.symbol for tick in ticks} == set(SYMBOLS)
    assert [type(value) for value in more] == [Tick, DepthTick]
    assert line.hear() == line.later(5) == []


def test_a_dead_session_is_told_by_a_packet(bench: Bench) -> None:
    line, _ = prices(bench, SYMBOLS, Mode.LTP)
    bench.sim.end_sessions(bench.session.user_id)

    with pytest.raises(BrokerError) as raised:
        line.hear()

    assert raised.value.fault is Fault.AUTH_EXPIRED
    assert line.feed.is_over(bench.now)


def test_updates_want_a_living_token(bench: Bench) -> None:
    bench.session = replace(bench.session, access_token=Secret("dead"))

    line = updates(bench)

    assert line.feed.is_over(bench.now)


def test_an_order_is_pushed_as_the_book_has_it(bench: Bench) -> None:
    line = updates(bench)

    placed = bench.place()
    (filled,) = line.hear()
    near = bench.near("0.95")
    waits = bench.place(type=OrderType.LIMIT, price=near)
    (limit,) = line.hear()
    bench.run(DHAN.cancel(bench.session, bench.row(waits)))
    (ended,) = line.hear()
    crude = bench.place("MCX:CRUDEOIL18DEC26FUT", quantity=200, product="NRML")
    (lots,) = line.hear()

    assert isinstance(filled, BrokerOrder)
    assert isinstance(limit, BrokerOrder)
    assert (filled.status, filled.tags) == (Status.FILLED, (bench.tag,))
    assert (limit.broker_order_id, limit.status, limit.price) == (waits, Status.OPEN, near)
    assert [filled, ended, lots] == [bench.row(one) for one in (placed, waits, crude)]
