"""The adapter talks to the simulator without a socket: two independent readings of one fact sheet must agree."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ordo_adapters.upstox import UPSTOX
from ordod.adapter import (
    IST,
    Ask,
    BrokerError,
    Conversion,
    Credentials,
    DepthTick,
    Fault,
    GttLeg,
    GttStatus,
    Interval,
    Level,
    Mode,
    NewGtt,
    NewOrder,
    OrderChanges,
    OrderType,
    Product,
    Quote,
    Secret,
    Side,
    Status,
    StreamRequest,
    Tick,
    Validity,
    Variety,
)
from ordod.paper.hours import MARKET_HOURS
from ordod.sim.broker import Options
from ordod.sim.feeds import SimFeed
from ordod.sim.message import Answer, Request
from ordod.sim.upstox import App, UpstoxSim
from tests.adapters.bench import TEN, Bench, history

CRUDE = "MCX:CRUDEOIL18DEC26FUT"
CREDENTIALS = Credentials(
    api_key=Secret(App().client_id),
    api_secret=Secret(App().client_secret),
    options={"redirect_uri": App().redirect_uri},
)


def made(**options: Any) -> Bench:
    sim = UpstoxSim(Options(seed=7, **options), TEN)

    def answer(ask: Ask, now: datetime) -> str:
        """What a person does: the address the browser ends on, or the token that the webhook got."""
        if ask.kind == "otp":
            return sim.accounts.approve("ZZ0001", now)
        return f"{App().redirect_uri}?code={sim.request_token('ZZ0001', now)}&state=x"

    return Bench(UPSTOX, sim, CREDENTIALS, answers=answer)


@pytest.fixture
def bench() -> Bench:
    return made()


# Sessions


def test_a_page_login_ends_with_a_session_that_lives_until_half_past_three(bench: Bench) -> None:
    assert bench.session.user_id == "ZZ0001"
    assert bench.session.expires_at == datetime(2026, 11, 26, 3, 30, tzinfo=IST)
    assert bench.run(UPSTOX.user(bench.session)) == "ZZ0001"


def test_the_token_is_dead_after_half_past_three(bench: Bench) -> None:
    bench.now = datetime(2026, 11, 26, 3, 30, tzinfo=IST)

    with pytest.raises(BrokerError) as refused:
        bench.run(UPSTOX.user(bench.session))

    assert refused.value.fault is Fault.AUTH_EXPIRED


def test_a_code_is_good_for_one_try(bench: Bench) -> None:
    dialogue = UPSTOX.login(CREDENTIALS, TEN)
    next(dialogue)
    code = bench.sim.request_token("ZZ0001", bench.now)
    request: Any = dialogue.send(code)
    bench._send(request)

    with pytest.raises(BrokerError) as refused:
        dialogue.send(bench._send(request))

    assert refused.value.fault is Fault.AUTH_DENIED


def test_the_page_is_the_one_the_simulator_serves(bench: Bench) -> None:
    ask: Any = next(UPSTOX.login(CREDENTIALS, TEN))
    parts = urlsplit(ask.url)

    answer = bench.sim.handle("GET", f"{parts.path}?{parts.query}", [], b"", bench.now)

    assert answer.status == 200
    assert parse_qs(parts.query)["redirect_uri"] == [App().redirect_uri]


def test_an_approval_on_the_phone_gives_a_session(bench: Bench) -> None:
    pushed = Credentials(
        api_key=CREDENTIALS.api_key, api_secret=CREDENTIALS.api_secret, mode="push"
    )

    session = bench.run(UPSTOX.login(pushed, bench.now))

    assert session.user_id == "ZZ0001"
    assert bench.run(UPSTOX.user(session)) == "ZZ0001"


def test_a_logout_ends_the_session(bench: Bench) -> None:
    bench.run(UPSTOX.logout(bench.session))

    with pytest.raises(BrokerError) as refused:
        bench.run(UPSTOX.user(bench.session))

    assert refused.value.fault is Fault.AUTH_EXPIRED


# Orders


def test_a_market_order_is_found_by_its_tag_and_filled(bench: Bench) -> None:
    order_id = bench.place()

    row = bench.row(order_id)

    assert row.status is Status.FILLED
    assert row.tags == (bench.tag,)
    assert (row.symbol, row.filled_quantity, row.side) == ("NSE:INFY", 10, Side.BUY)


def test_every_type_is_taken_and_stands_as_it_should(bench: Bench) -> None:
    price = bench.last_price() // 10 * 10
    far, near = price * Decimal("0.9") // 1, price * Decimal("1.05") // 1
    limit = bench.place(type=OrderType.LIMIT, price=far)
    ioc = bench.place(type=OrderType.LIMIT, price=far, validity=Validity.IOC)
    stop = bench.place(type=OrderType.SL, trigger_price=near, price=near)
    market_stop = bench.place(
        type=OrderType.SL_M, trigger_price=near, market_protection=Decimal("2.5")
    )
    amo = bench.place(type=OrderType.LIMIT, price=far, variety=Variety.AMO)

    status = {row.broker_order_id: row.status for row in bench.rows()}

    assert status == {
        limit: Status.OPEN,
        ioc: Status.CANCELLED,
        stop: Status.TRIGGER_PENDING,
        market_stop: Status.TRIGGER_PENDING,
        amo: Status.PENDING,
    }
    assert bench.row(amo).variety is Variety.AMO


def test_an_order_is_changed_and_cancelled(bench: Bench) -> None:
    price = bench.last_price() // 10 * 9
    order_id = bench.place(type=OrderType.LIMIT, price=price)

    changes = OrderChanges(price=price - 1, quantity=12)
    bench.run(UPSTOX.modify(bench.session, bench.row(order_id), changes, bench.infy))
    changed = bench.row(order_id)
    bench.run(UPSTOX.cancel(bench.session, changed))

    assert (changed.price, changed.quantity, changed.status) == (price - 1, 12, Status.OPEN)
    assert bench.row(order_id).status is Status.CANCELLED


def test_a_limit_order_becomes_a_market_order(bench: Bench) -> None:
    order_id = bench.place(type=OrderType.LIMIT, price=bench.last_price() // 10 * 9)

    changes = OrderChanges(type=OrderType.MARKET)
    bench.run(UPSTOX.modify(bench.session, bench.row(order_id), changes, bench.infy))

    assert bench.row(order_id).status is Status.FILLED


def test_what_is_not_alive_is_surely_not_changed(bench: Bench) -> None:
    row = bench.row(bench.place())

    with pytest.raises(BrokerError) as cancelled:
        bench.run(UPSTOX.cancel(bench.session, row))
    with pytest.raises(BrokerError) as changed:
        bench.run(UPSTOX.modify(bench.session, row, OrderChanges(quantity=20), bench.infy))

    for refused in (cancelled.value, changed.value):
        assert (refused.fault, refused.sure) == (Fault.ORDER_REJECTED, True)


def test_the_trail_tells_a_change(bench: Bench) -> None:
    price = bench.last_price() // 10 * 9
    order_id = bench.place(type=OrderType.LIMIT, price=price)
    changes = OrderChanges(quantity=12)
    bench.run(UPSTOX.modify(bench.session, bench.row(order_id), changes, bench.infy))

    trail = bench.run(UPSTOX.trail(bench.session, order_id, bench))

    assert trail.is_whole
    assert [row.quantity for row in trail.good][-1] == 12
    assert trail.good[0].status is Status.PENDING
    assert trail.good[-1].status is Status.OPEN


def test_a_tag_finds_the_last_state_of_its_order(bench: Bench) -> None:
    order_id = bench.place()

    (row,) = bench.run(UPSTOX.by_tag(bench.session, bench.tag, bench)).good

    assert (row.broker_order_id, row.status) == (order_id, Status.FILLED)
    assert bench.run(UPSTOX.by_tag(bench.session, "nobody", bench)).good == ()


def test_a_commodity_is_ordered_in_lots_and_told_in_units(bench: Bench) -> None:
    order_id = bench.place(CRUDE, quantity=200, product=Product.NRML)

    row = bench.row(order_id)
    fills = bench.run(UPSTOX.trades(bench.session, bench)).good
    (position,) = bench.run(UPSTOX.positions(bench.session, bench)).good

    (placed,) = (seen for seen in bench.sim.requests if seen.path == "/v3/order/place")
    assert placed.form["quantity"] == "2"
    assert (row.quantity, row.filled_quantity, row.product) == (200, 200, Product.NRML)
    assert sum(fill.quantity for fill in fills) == 200
    assert (position.quantity, position.symbol) == (200, CRUDE)


def test_too_little_money_is_told_in_the_book() -> None:
    bench = made(cash=Decimal(100))

    row = bench.row(bench.place())

    assert row.status is Status.REJECTED
    assert row.status_message


def test_a_dead_session_is_told_to_an_order(bench: Bench) -> None:
    bench.sim.end_sessions("ZZ0001")

    with pytest.raises(BrokerError) as refused:
        bench.place()

    assert (refused.value.fault, refused.value.sure) == (Fault.AUTH_EXPIRED, True)


@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        ("funds", Fault.INSUFFICIENT_FUNDS),
        ("holdings", Fault.INSUFFICIENT_FUNDS),
        ("input", Fault.INVALID_INPUT),
        ("order", Fault.ORDER_REJECTED),
        ("closed", Fault.MARKET_CLOSED),
        ("limit", Fault.RATE_LIMITED),
        ("depository", Fault.ORDER_REJECTED),
    ],
)
def test_every_refusal_is_a_sure_no(bench: Bench, reason: str, fault: Fault) -> None:
    bench.sim.faults.add("reject", *bench.sim.scopes["place"], reason=reason)

    with pytest.raises(BrokerError) as refused:
        bench.place()

    assert (refused.value.fault, refused.value.sure) == (fault, True)


@pytest.mark.parametrize("kind", ["garbage", "no_order_id", "timed_out_400", "status"])
def test_an_unclear_answer_is_doubt_and_the_order_is_there(bench: Bench, kind: str) -> None:
    bench.sim.faults.add(kind, *bench.sim.scopes["place"])

    with pytest.raises(BrokerError) as refused:
        bench.place()

    assert not refused.value.sure
    assert [row.tags for row in bench.rows()] == [(bench.tag,)]


# By night


def test_at_night_reads_are_unavailable_and_orders_surely_refused() -> None:
    bench = made(hours=MARKET_HOURS)
    bench.now = datetime(2026, 11, 26, 0, 30, tzinfo=IST)

    with pytest.raises(BrokerError) as read:
        bench.rows()
    with pytest.raises(BrokerError) as placed:
        bench.place()

    assert read.value.fault is Fault.BROKER_UNAVAILABLE
    assert (placed.value.fault, placed.value.sure) == (Fault.MARKET_CLOSED, True)


def test_after_hours_an_order_waits_for_the_morning() -> None:
    bench = made(hours=MARKET_HOURS)
    bench.now = datetime(2026, 11, 25, 18, 0, tzinfo=IST)

    row = bench.row(bench.place())

    assert (row.status, row.variety) == (Status.PENDING, Variety.AMO)


# GTT


def gtt(price: Decimal, **more: Any) -> NewGtt:
    leg = GttLeg(trigger_price=price, price=price, side=Side.BUY, quantity=5)
    return NewGtt(symbol="NSE:INFY", legs=(leg,), **more)


def test_a_trigger_is_placed_changed_and_cancelled(bench: Bench) -> None:
    price = bench.last_price() // 10 * 9
    gtt_id = bench.run(UPSTOX.place_gtt(bench.session, gtt(price), bench.infy))
    bench.run(UPSTOX.modify_gtt(bench.session, gtt_id, gtt(price - 1), bench.infy))
    (changed,) = bench.run(UPSTOX.gtts(bench.session, bench)).good
    bench.run(UPSTOX.cancel_gtt(bench.session, gtt_id))
    (cancelled,) = bench.run(UPSTOX.gtts(bench.session, bench)).good

    assert changed.broker_gtt_id == gtt_id
    assert (changed.status, changed.legs[0].trigger_price) == (GttStatus.ACTIVE, price - 1)
    assert changed.created_at is not None
    assert changed.created_at.date() == TEN.date()
    assert cancelled.status is GttStatus.CANCELLED


def test_a_trigger_that_is_reached_places_its_order(bench: Bench) -> None:
    near = bench.last_price() // 1 + 3
    bench.run(UPSTOX.place_gtt(bench.session, gtt(near), bench.infy))

    for _ in range(900):
        bench.now += timedelta(seconds=60)
        bench.sim.advance(bench.now)
        if bench.sim.paper.gtts("ZZ0001")[0].placed_order_ids:
            break
    (row,) = bench.rows()

    assert (row.type, row.price, row.quantity) == (OrderType.LIMIT, near, 5)


# Portfolio


def test_what_was_bought_is_held_the_next_day(bench: Bench) -> None:
    bench.place(quantity=7)
    bench.now += timedelta(days=1)
    bench.sim.new_day(bench.now)
    bench.session = bench.run(UPSTOX.login(CREDENTIALS, bench.now))

    (holding,) = bench.run(UPSTOX.holdings(bench.session, bench)).good

    assert (holding.symbol, holding.quantity) == ("NSE:INFY", 7)
    assert bench.rows() == ()


def test_a_conversion_moves_the_quantity(bench: Bench) -> None:
    bench.place(product=Product.MIS, quantity=10)

    conversion = Conversion(
        symbol="NSE:INFY",
        side=Side.BUY,
        quantity=4,
        from_product=Product.MIS,
        to_product=Product.CNC,
    )
    bench.run(UPSTOX.convert(bench.session, conversion, bench.infy))
    rows = bench.run(UPSTOX.positions(bench.session, bench)).good

    assert {row.product: row.quantity for row in rows} == {Product.MIS: 6, Product.CNC: 4}


def test_money_and_margin_are_told(bench: Bench) -> None:
    (before,) = bench.run(UPSTOX.funds(bench.session))
    order = NewOrder(
        symbol="NSE:INFY",
        side=Side.BUY,
        quantity=10,
        type=OrderType.LIMIT,
        product=Product.CNC,
        price=Decimal(1400),
        tag=None,
    )
    alone = bench.run(UPSTOX.margin(bench.session, ((order, bench.infy),)))
    both = bench.run(UPSTOX.margin(bench.session, ((order, bench.infy), (order, bench.infy))))

    assert before.available == Decimal(10_000_000)
    assert (alone.needed, both.needed) == (14_000, 28_000)


# Market data


def test_quotes_tell_depth_and_leave_out_what_is_unknown(bench: Bench) -> None:
    nifty, crude = bench.listed("NSE_INDEX:NIFTY"), bench.listed(CRUDE)

    quotes = bench.run(UPSTOX.quotes(bench.session, (bench.infy, nifty, crude)))

    assert set(quotes) == {"NSE:INFY", "NSE_INDEX:NIFTY", CRUDE}
    assert quotes["NSE:INFY"].depth is not None
    assert len(quotes["NSE:INFY"].depth.buy) == 5
    assert quotes["NSE_INDEX:NIFTY"].depth is None
    assert quotes[CRUDE].volume is not None
    assert quotes[CRUDE].volume % 100 == 0


def test_candles_of_months_are_joined_with_those_of_today(bench: Bench) -> None:
    start = datetime(2026, 9, 1, 9, 15, tzinfo=IST)

    candles = bench.run(history(UPSTOX, bench.session, bench.infy, Interval.M15, start, bench.now))
    asked = [seen.path for seen in bench.sim.requests if "historical-candle" in seen.path]

    assert len([path for path in asked if "intraday" not in path]) == 4
    assert "intraday" in asked[-1]
    assert [c.at for c in candles] == sorted({c.at for c in candles})
    assert candles[0].at == start
    assert candles[-1].at.date() == TEN.date()


def test_candles_of_a_day_that_is_over_are_asked_for_once(bench: Bench) -> None:
    start, end = (datetime(2026, 11, 24, hour, 15, tzinfo=IST) for hour in (9, 10))

    candles = bench.run(history(UPSTOX, bench.session, bench.infy, Interval.M5, start, end))
    asked = [seen.path for seen in bench.sim.requests if "historical-candle" in seen.path]

    assert (candles[0].at, candles[-1].at, len(candles)) == (start, end, 13)
    assert len(asked) == 1


def test_the_instrument_file_names_what_is_listed(bench: Bench) -> None:
    ours = {listing.instrument.symbol: listing.instrument for listing in bench.sim.listed}
    theirs = {instrument.symbol: instrument for instrument in bench.instruments}

    assert set(theirs) == set(ours)
    for symbol, instrument in theirs.items():
        assert instrument.lot_size == ours[symbol].lot_size
        assert instrument.expiry == ours[symbol].expiry
        assert instrument.strike == ours[symbol].strike
        if ours[symbol].lot_size:
            assert instrument.tick_size == ours[symbol].tick_size


# Streams


def test_prices_are_those_of_the_exchange_from_one_feed_to_the_next(bench: Bench) -> None:
    future = next(i for i in bench.instruments if i.symbol.startswith("NFO:NIFTY") and not i.strike)
    wanted = [future, *(bench.listed(s) for s in ("NSE:INFY", "NSE_INDEX:NIFTY", CRUDE))]
    request = bench.run(UPSTOX.connect_stream(bench.session))
    feed = bench.sim.open_feed(request_of(request), bench.now)
    assert isinstance(feed, SimFeed)
    codec = UPSTOX.stream(bench.session, bench)
    for frame in codec.subscribe(wanted, Mode.DEPTH):
        feed.received(frame, bench.now)

    compared = 0
    for _ in range(20):
        bench.now += timedelta(seconds=0.25)
        bench.sim.advance(bench.now)
        pushed = [value for frame in feed.frames(bench.now) for value in codec.read(frame)]
        ticks = {value.symbol: value for value in pushed if isinstance(value, Tick)}
        depths = {value.symbol: value for value in pushed if isinstance(value, DepthTick)}
        assert len(ticks) + len(depths) == len(pushed)
        for symbol, tick in ticks.items():
            quote = bench.sim.paper.quote(symbol, bench.now)
            size = 100 if symbol == CRUDE else 1  # which is told in lots
            assert day_of(tick, size) == day_of(quote, size)
            compared += 1
            if symbol in depths and quote.depth is not None:
                depth = depths[symbol]
                assert levels_of((depth.buy, depth.sell)) == levels_of(
                    (quote.depth.buy, quote.depth.sell)
                )
    assert compared > 60


def day_of(told: Tick | Quote, size: int) -> tuple[Any, ...]:
    return (
        told.symbol,
        told.last_price,
        (told.volume or 0) // size,
        told.average_price and round(told.average_price, 4),
        (told.oi or 0) // size,
        *(told.open_price, told.high_price, told.low_price, told.close_price),
    )


def levels_of(sides: tuple[tuple[Level, ...], ...]) -> list[list[tuple[Decimal, int]]]:
    return [[(level.price, level.quantity) for level in side[:5]] for side in sides]


def request_of(request: StreamRequest) -> Request:
    parts = urlsplit(request.host)
    return Request.read("GET", f"{parts.path}?{parts.query}", request.headers, b"")


def test_an_order_is_told_as_the_book_tells_it_afterwards(bench: Bench) -> None:
    request = bench.run(UPSTOX.connect_updates(bench.session))
    feed = bench.sim.open_feed(request_of(request), bench.now)
    assert isinstance(feed, SimFeed)
    codec = UPSTOX.updates(bench.session, bench)

    order_id = bench.place()
    told = [value for frame in feed.frames(bench.now) for value in codec.read(frame)]

    assert told[-1] == bench.row(order_id)
    assert bench.sim.open_feed(request_of(request), bench.now) == Answer(403, (), b"")
