"""The adapter talks to the simulator without a socket: two independent readings of one fact sheet must agree."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from ordo_adapters.angelone import ANGELONE
from ordod.adapter import (
    IST,
    BrokerError,
    BrokerOrder,
    Conversion,
    Credentials,
    Fault,
    GttLeg,
    GttStatus,
    Interval,
    NewGtt,
    NewOrder,
    OrderChanges,
    OrderType,
    Product,
    Secret,
    Side,
    Status,
    Validity,
    Variety,
)
from ordod.paper.hours import MARKET_HOURS
from ordod.sim.angelone import AngelOneSim, App, Client
from ordod.sim.broker import Options
from tests.adapters.bench import TEN, Bench, history

CREDENTIALS = Credentials(
    user_id=Client().clientcode,
    api_key=Secret(App().api_key),
    pin=Secret(Client().pin),
    totp_secret=Secret(Client().totp_secret),
)
TAG = "a7f3a91c2dk5m7q2w3x"
PLACE = AngelOneSim.scopes["place"]


def bench_of(options: Options, at: datetime = TEN) -> Bench:
    return Bench(ANGELONE, AngelOneSim(options, at), CREDENTIALS, tag=TAG)


@pytest.fixture
def bench() -> Bench:
    return bench_of(Options(seed=7))


def sim_of(bench: Bench) -> AngelOneSim:
    assert isinstance(bench.sim, AngelOneSim)
    return bench.sim


def log_in(bench: Bench, **more: Any) -> None:
    fields = {name: getattr(CREDENTIALS, name) for name in Credentials.__struct_fields__} | more
    bench.now += timedelta(minutes=1)  # another code than the first login's
    bench.session = bench.run(ANGELONE.login(Credentials(**fields), bench.now))


def low_price(bench: Bench) -> Decimal:
    return (bench.last_price() * Decimal("0.95")).quantize(Decimal(1))


def test_a_login_ends_with_a_session_that_lives_until_midnight(bench: Bench) -> None:
    assert bench.session.user_id == "A100001"
    assert bench.session.expires_at == datetime(2026, 11, 26, 0, 0, tzinfo=IST)
    assert bench.run(ANGELONE.user(bench.session)) == "A100001"


def test_a_ready_made_token_is_taken_and_a_dead_one_replaced(bench: Bench) -> None:
    token = sim_of(bench).access_token("A100001", bench.now)

    log_in(bench, access_token=Secret(f"Bearer {token}"), pin=None)
    first = bench.session.access_token
    log_in(bench, access_token=Secret("dead"))

    assert first == Secret(token)
    assert bench.run(ANGELONE.user(bench.session)) == "A100001"


def test_a_wrong_pin_is_denied_and_tried_once(bench: Bench) -> None:
    with pytest.raises(BrokerError) as refused:
        log_in(bench, pin=Secret("0000"))

    assert refused.value.fault is Fault.AUTH_DENIED
    tried = [seen for seen in bench.sim.requests if seen.path.endswith("loginByPassword")]
    assert len(tried) == 2  # the bench's own, and this one


def test_a_code_used_before_is_denied(bench: Bench) -> None:
    with pytest.raises(BrokerError, match="Invalid totp") as refused:
        bench.run(ANGELONE.login(CREDENTIALS, bench.now))

    assert refused.value.fault is Fault.AUTH_DENIED


def test_logout_ends_the_session(bench: Bench) -> None:
    bench.run(ANGELONE.logout(bench.session))

    with pytest.raises(BrokerError) as dead:
        bench.rows()

    assert dead.value.fault is Fault.AUTH_EXPIRED


def test_midnight_ends_the_session(bench: Bench) -> None:
    bench.now = datetime(2026, 11, 26, 0, 0, 1, tzinfo=IST)

    with pytest.raises(BrokerError, match="Expired") as dead:
        bench.rows()

    assert (dead.value.fault, dead.value.sure) == (Fault.AUTH_EXPIRED, True)


def test_a_market_order_is_found_by_its_tag_and_filled(bench: Bench) -> None:
    order_id = bench.place()

    row = bench.row(order_id)
    trades = bench.run(ANGELONE.trades(bench.session, bench))

    assert (row.status, row.tags) == (Status.FILLED, (TAG,))
    assert (row.symbol, row.filled_quantity, row.side) == ("NSE:INFY", 10, Side.BUY)
    assert trades.is_whole
    assert sum(fill.quantity for fill in trades.good) == 10
    assert {fill.at.date() for fill in trades.good} == {TEN.date()}


def test_a_limit_order_is_modified_and_cancelled(bench: Bench) -> None:
    low = low_price(bench)
    order_id = bench.place(type=OrderType.LIMIT, price=low)
    changes = OrderChanges(price=low - 1, quantity=12)

    bench.run(ANGELONE.modify(bench.session, bench.row(order_id), changes, bench.infy))
    modified = bench.row(order_id)
    bench.run(ANGELONE.cancel(bench.session, modified))
    trail = bench.run(ANGELONE.trail(bench.session, order_id, bench))

    assert (modified.price, modified.quantity, modified.status) == (low - 1, 12, Status.OPEN)
    assert [row.status for row in trail.good] == [Status.CANCELLED]
    assert trail.good == (bench.row(order_id),)


def test_every_type_and_validity_is_taken_read_back_and_cancelled(bench: Bench) -> None:
    low = low_price(bench)
    sold: dict[str, Any] = {"side": Side.SELL, "product": Product.MIS}
    ids = {
        "limit": bench.place(type=OrderType.LIMIT, price=low, disclosed_quantity=5),
        "sl": bench.place(**sold, type=OrderType.SL, price=low - 2, trigger_price=low),
        "sl-m": bench.place(**sold, type=OrderType.SL_M, trigger_price=low),
        "ioc": bench.place(type=OrderType.LIMIT, price=low, validity=Validity.IOC),
    }

    rows = {name: bench.row(order_id) for name, order_id in ids.items()}
    for name in ("limit", "sl", "sl-m"):
        bench.run(ANGELONE.cancel(bench.session, rows[name]))

    assert {name: row.status for name, row in rows.items()} == {
        "limit": Status.OPEN,
        "sl": Status.TRIGGER_PENDING,
        "sl-m": Status.TRIGGER_PENDING,
        "ioc": Status.CANCELLED,
    }
    assert {row.status for row in bench.rows()} == {Status.CANCELLED}


def test_a_stop_keeps_its_variety_when_it_is_changed(bench: Bench) -> None:
    low = low_price(bench)
    order_id = bench.place(
        side=Side.SELL, product=Product.MIS, type=OrderType.SL, price=low - 2, trigger_price=low
    )
    changes = OrderChanges(trigger_price=low - 1)

    bench.run(ANGELONE.modify(bench.session, bench.row(order_id), changes, bench.infy))

    row = bench.row(order_id)
    assert (row.trigger_price, row.price) == (low - 1, low - 2)


def test_after_hours_an_ordinary_order_waits_and_can_be_cancelled() -> None:
    bench = bench_of(Options(seed=7, hours=MARKET_HOURS), TEN)
    bench.now = TEN.replace(hour=18)
    order_id = bench.place(type=OrderType.LIMIT, price=Decimal(1300))

    parked = bench.row(order_id)
    bench.run(ANGELONE.modify(bench.session, parked, OrderChanges(price=Decimal(1301)), bench.infy))
    bench.run(ANGELONE.cancel(bench.session, bench.row(order_id)))

    assert (parked.status, parked.variety) == (Status.PENDING, Variety.AMO)
    ended = bench.row(order_id)
    assert (ended.price, ended.status) == (Decimal(1301), Status.CANCELLED)


def test_what_the_exchange_refuses_stands_rejected_in_the_book(bench: Bench) -> None:
    order_id = bench.place(quantity=90_000)

    row = bench.row(order_id)

    assert row.status is Status.REJECTED
    assert row.status_message is not None
    assert "available" in row.status_message


def test_lots_are_units_where_they_agree_with_our_table(bench: Bench) -> None:
    crude = next(i for i in bench.instruments if i.name == "CRUDEOIL")
    future = next(i for i in bench.instruments if i.name == "NIFTY" and i.expiry)

    bench.place(crude.symbol, quantity=200, product=Product.NRML)
    bench.place(future.symbol, quantity=65, product=Product.NRML, side=Side.SELL)
    positions = bench.run(ANGELONE.positions(bench.session, bench))

    assert positions.is_whole
    assert {p.symbol: p.quantity for p in positions.good} == {crude.symbol: 200, future.symbol: -65}


def test_positions_holdings_and_funds_agree_with_the_exchange(bench: Bench) -> None:
    bench.place()
    (bought,) = bench.sim.paper.positions("A100001")
    (funds,) = bench.run(ANGELONE.funds(bench.session))
    (position,) = bench.run(ANGELONE.positions(bench.session, bench)).good
    bench.now += timedelta(hours=13)
    bench.sim.new_day(bench.now)

    holdings = bench.run(ANGELONE.holdings(bench.session, bench))

    assert bought.buy_value is not None
    assert funds.available == Decimal(10_000_000) - bought.buy_value
    assert (position.buy_value, position.buy_quantity) == (bought.buy_value, 10)
    assert [(holding.symbol, holding.quantity) for holding in holdings.good] == [("NSE:INFY", 10)]


def test_a_conversion_moves_a_position(bench: Bench) -> None:
    bench.place()
    conversion = Conversion(
        symbol="NSE:INFY",
        side=Side.BUY,
        quantity=4,
        from_product=Product.CNC,
        to_product=Product.MIS,
    )

    bench.run(ANGELONE.convert(bench.session, conversion, bench.infy))
    too_many = structs.replace(conversion, quantity=7)
    with pytest.raises(BrokerError) as refused:
        bench.run(ANGELONE.convert(bench.session, too_many, bench.infy))

    positions = bench.run(ANGELONE.positions(bench.session, bench)).good
    assert {p.product: p.quantity for p in positions} == {Product.CNC: 6, Product.MIS: 4}
    assert (refused.value.fault, refused.value.sure) == (Fault.ORDER_REJECTED, True)


def test_triggers_are_placed_changed_listed_and_cancelled(bench: Bench) -> None:
    low = round(bench.last_price() * Decimal("0.9"))

    def gtt(trigger: int) -> NewGtt:
        leg = GttLeg(
            trigger_price=Decimal(trigger), side=Side.BUY, quantity=5, price=Decimal(trigger)
        )
        return NewGtt(symbol="NSE:INFY", legs=(leg,))

    gtt_id = bench.run(ANGELONE.place_gtt(bench.session, gtt(low), bench.infy))
    bench.run(ANGELONE.modify_gtt(bench.session, gtt_id, gtt(low - 1), bench.infy))
    read = bench.run(ANGELONE.gtts(bench.session, bench))
    bench.run(ANGELONE.cancel_gtt(bench.session, gtt_id))
    after = bench.run(ANGELONE.gtts(bench.session, bench))

    assert read.is_whole
    (before,) = read.good
    assert (before.broker_gtt_id, before.status) == (gtt_id, GttStatus.ACTIVE)
    assert [leg.trigger_price for leg in before.legs] == [low - 1]
    assert [row.status for row in after.good] == [GttStatus.CANCELLED]


def test_a_list_of_triggers_is_read_to_its_last_page(bench: Bench) -> None:
    low = Decimal(round(bench.last_price() * Decimal("0.9")))
    for number in range(51):
        leg = GttLeg(trigger_price=low - number, side=Side.BUY, quantity=1, price=low - number)
        bench.run(
            ANGELONE.place_gtt(bench.session, NewGtt(symbol="NSE:INFY", legs=(leg,)), bench.infy)
        )

    assert len(bench.run(ANGELONE.gtts(bench.session, bench)).good) == 51


def test_margins_quotes_and_candles_are_read(bench: Bench) -> None:
    order = NewOrder(
        symbol="NSE:INFY",
        side=Side.BUY,
        quantity=10,
        type=OrderType.LIMIT,
        product=Product.CNC,
        price=Decimal(1400),
        tag=None,
    )
    nifty = bench.listed("NSE_INDEX:NIFTY")
    start = datetime(2026, 11, 24, 9, 15, tzinfo=IST)

    margin = bench.run(ANGELONE.margin(bench.session, ((order, bench.infy), (order, bench.infy))))
    quotes = bench.run(ANGELONE.quotes(bench.session, (bench.infy, nifty)))
    every = bench.run(ANGELONE.ltp(bench.session, bench.instruments))
    candles = bench.run(
        history(ANGELONE, bench.session, bench.infy, Interval.M5, start, start + timedelta(hours=1))
    )

    assert margin.needed == 28_000
    assert set(quotes) == {"NSE:INFY", "NSE_INDEX:NIFTY"}
    depth = quotes["NSE:INFY"].depth
    assert depth.buy[0].price < depth.sell[0].price
    assert set(every) == {one.symbol for one in bench.instruments}  # more than one request takes
    assert [candle.at for candle in candles] == [
        start + timedelta(minutes=5 * n) for n in range(13)
    ]


def test_candles_of_more_than_one_request_come_once_each(bench: Bench) -> None:
    start, end = datetime(2026, 9, 1, 9, 15, tzinfo=IST), datetime(2026, 11, 24, 15, 30, tzinfo=IST)

    candles = bench.run(history(ANGELONE, bench.session, bench.infy, Interval.M1, start, end))

    asked = [seen for seen in bench.sim.requests if seen.path.endswith("getCandleData")]
    assert len(asked) == 3
    assert [c.at for c in candles] == sorted({c.at for c in candles})
    assert (candles[0].at, candles[-1].at.date()) == (start, end.date())


@pytest.mark.parametrize(
    ("reason", "fault", "sure"),
    [
        ("input", Fault.INVALID_INPUT, True),
        ("order", Fault.INVALID_INPUT, True),
        ("holdings", Fault.ORDER_REJECTED, True),
        ("depository", Fault.ORDER_REJECTED, True),
        ("limit", Fault.RATE_LIMITED, True),
        ("funds", Fault.BROKER_UNAVAILABLE, False),  # no code of its own: it is looked for
        ("closed", Fault.BROKER_UNAVAILABLE, False),
    ],
)
def test_a_no_is_sure_where_its_code_is_definite(
    bench: Bench, reason: str, fault: Fault, sure: bool
) -> None:
    bench.sim.faults.add("reject", *PLACE, reason=reason)

    with pytest.raises(BrokerError) as refused:
        bench.place()

    assert (refused.value.fault, refused.value.sure) == (fault, sure)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("timed_out_400", {}),
        ("status", {"status": 502}),
        ("status", {"status": 504}),
        ("status", {"status": 500}),
        ("garbage", {}),
        ("no_order_id", {}),
        ("late", {"seconds": 30, "status": 400}),
    ],
)
def test_what_may_have_been_done_is_never_a_sure_no(
    bench: Bench, kind: str, more: dict[str, Any]
) -> None:
    bench.sim.faults.add(kind, *PLACE, **more)

    with pytest.raises(BrokerError) as doubted:
        bench.place()

    assert not doubted.value.sure


def test_an_empty_answer_is_doubt_and_the_order_is_found_by_its_tag(bench: Bench) -> None:
    bench.sim.faults.add("no_order_id", *PLACE)
    with pytest.raises(BrokerError) as doubted:
        bench.place()

    assert (doubted.value.fault, doubted.value.sure) == (Fault.UNREADABLE, False)
    assert [row.tags for row in bench.rows()] == [(TAG,)]


def test_a_dead_session_and_a_full_second_are_told_apart(bench: Bench) -> None:
    bench.sim.faults.add("dead_session", *PLACE)
    with pytest.raises(BrokerError) as dead:
        bench.place()
    log_in(bench)
    bench.rows()
    bench.now -= timedelta(seconds=1)
    with pytest.raises(BrokerError) as full:
        bench.rows()

    assert (dead.value.fault, dead.value.sure) == (Fault.AUTH_EXPIRED, True)
    assert (full.value.fault, full.value.sure) == (Fault.RATE_LIMITED, True)


def test_an_unknown_order_is_not_found(bench: Bench) -> None:
    known = bench.row(bench.place())
    unknown = BrokerOrder(
        broker_order_id="42",
        status=Status.OPEN,
        symbol=known.symbol,
        side=known.side,
        quantity=1,
        type=known.type,
        product=known.product,
        variety=Variety.REGULAR,
    )

    with pytest.raises(BrokerError) as cancelled:
        bench.run(ANGELONE.cancel(bench.session, unknown))
    with pytest.raises(BrokerError) as asked:
        bench.run(ANGELONE.trail(bench.session, "42", bench))

    assert (cancelled.value.fault, asked.value.fault) == (Fault.NOT_FOUND, Fault.NOT_FOUND)
