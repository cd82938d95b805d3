"""The adapter talks to the simulator without a socket: two independent readings of one fact sheet must agree."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ordo_adapters.fyers import FYERS
from ordod.adapter import (
    IST,
    Ask,
    BrokerError,
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
from ordod.sim.fyers import Client, FyersSim
from tests.adapters.bench import TEN, Bench, history

USER = Client()
CREDENTIALS = Credentials(
    user_id=USER.fy_id,
    api_key=Secret(USER.app_id),
    api_secret=Secret(USER.app_secret),
    pin=Secret(USER.pin),
    totp_secret=Secret(USER.totp_secret),
    mode="headless",
    options={"redirect_uri": USER.redirect_uri},
)
CRUDE = "MCX:CRUDEOIL18DEC26FUT"


@pytest.fixture
def bench() -> Bench:
    return Bench(FYERS, FyersSim(seed=7, now=TEN), CREDENTIALS)


def test_a_headless_login_ends_with_a_session_that_lives(bench: Bench) -> None:
    assert bench.session.user_id == USER.fy_id
    assert bench.session.expires_at == datetime(2026, 11, 26, 6, 0, tzinfo=IST)
    assert bench.run(FYERS.user(bench.session)) == USER.fy_id


def test_the_page_leads_to_one_too() -> None:
    sim = FyersSim(seed=7, now=TEN)
    code = sim.request_token(USER.fy_id, TEN)
    official = Credentials(
        api_key=CREDENTIALS.api_key,
        api_secret=CREDENTIALS.api_secret,
        options=CREDENTIALS.options,
    )

    def browser(ask: Ask, now: datetime) -> str:
        assert ask.kind == "page"
        return f"{USER.redirect_uri}?s=ok&code=200&auth_code={code}&state=ordo"

    assert Bench(FYERS, sim, official, answers=browser).session.user_id == USER.fy_id


def test_a_wrong_pin_is_denied_and_tried_once(bench: Bench) -> None:
    wrong = Credentials(
        user_id=USER.fy_id,
        api_key=CREDENTIALS.api_key,
        api_secret=CREDENTIALS.api_secret,
        pin=Secret("0000"),
        totp_secret=CREDENTIALS.totp_secret,
        mode="headless",
        options=CREDENTIALS.options,
    )
    bench.now += timedelta(minutes=1)
    before = len(bench.sim.requests)

    error = bench.refused(FYERS.login(wrong, bench.now))

    assert error.fault is Fault.AUTH_DENIED
    assert [seen.path for seen in bench.sim.requests[before:]] == [
        "/send_login_otp_v2",
        "/verify_otp",
        "/verify_pin_v2",
    ]


def test_a_session_is_dead_after_its_logout(bench: Bench) -> None:
    bench.run(FYERS.logout(bench.session))

    error = bench.refused(FYERS.orders(bench.session, bench))

    assert (error.fault, error.code) == (Fault.AUTH_EXPIRED, "-16")


def test_a_market_order_is_found_by_its_tag_and_filled(bench: Bench) -> None:
    order_id = bench.place()

    row = bench.row(order_id)

    assert (row.status, row.filled_quantity) == (Status.FILLED, 10)
    assert row.type is OrderType.LIMIT  # market protection made it one
    found = bench.run(FYERS.by_tag(bench.session, bench.tag, bench))
    assert [one.broker_order_id for one in found.good] == [order_id]
    trades = bench.run(FYERS.trades(bench.session, bench))
    assert trades.is_whole
    assert sum(fill.quantity for fill in trades.good) == 10


def test_a_limit_order_is_modified_and_cancelled(bench: Bench) -> None:
    low = bench.near("0.95")
    order_id = bench.place(type=OrderType.LIMIT, price=low)
    changes = OrderChanges(price=low - 1, quantity=12)

    bench.run(FYERS.modify(bench.session, bench.row(order_id), changes, bench.infy))
    modified = bench.row(order_id)
    bench.run(FYERS.cancel(bench.session, modified))

    assert (modified.price, modified.quantity, modified.status) == (low - 1, 12, Status.OPEN)
    assert bench.row(order_id).status is Status.CANCELLED


@pytest.mark.parametrize(
    ("terms", "status"),
    [
        ({"type": OrderType.SL}, Status.TRIGGER_PENDING),
        ({"type": OrderType.SL_M, "price": None}, Status.TRIGGER_PENDING),
        ({"trigger_price": None, "validity": Validity.IOC}, Status.CANCELLED),
        ({"trigger_price": None, "variety": Variety.AMO}, Status.PENDING),
    ],
)
def test_every_type_and_validity_is_taken(
    bench: Bench, terms: dict[str, Any], status: Status
) -> None:
    low = bench.near("0.95")
    base: dict[str, Any] = {
        "side": Side.SELL,
        "product": Product.MIS,
        "price": low,
        "trigger_price": low + 1,
    }
    if terms.get("trigger_price", 1) is None:
        base |= {"type": OrderType.LIMIT, "side": Side.BUY}

    row = bench.row(bench.place(**(base | terms)))

    assert row.status is status
    assert row.variety is terms.get("variety", Variety.REGULAR)


def test_lots_become_units_and_units_lots(bench: Bench) -> None:
    order_id = bench.place(CRUDE, quantity=200, product=Product.NRML)

    assert bench.row(order_id).filled_quantity == 200
    assert bench.sim.orders.deeds[-1].terms["qty"] == "2"
    positions = bench.run(FYERS.positions(bench.session, bench))
    assert [position.quantity for position in positions.good] == [200]


def test_a_refusal_that_names_no_order_is_sure(bench: Bench) -> None:
    with pytest.raises(BrokerError) as error:
        bench.place(type=OrderType.LIMIT, price=Decimal("1450.512"))

    assert (error.value.fault, error.value.sure) == (Fault.INVALID_INPUT, True)
    assert bench.rows() == ()


def test_a_refusal_that_names_an_order_leaves_it_to_the_book(bench: Bench) -> None:
    with pytest.raises(BrokerError) as error:
        bench.place(quantity=90_000)

    assert (error.value.fault, error.value.sure) == (Fault.INSUFFICIENT_FUNDS, False)
    assert [(row.status, row.tags) for row in bench.rows()] == [(Status.REJECTED, (bench.tag,))]


@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        ("funds", Fault.INSUFFICIENT_FUNDS),
        ("holdings", Fault.INSUFFICIENT_FUNDS),
        ("input", Fault.INVALID_INPUT),
        ("order", Fault.ORDER_REJECTED),
        ("closed", Fault.MARKET_CLOSED),
        ("limit", Fault.RATE_LIMITED),
    ],
)
def test_the_simulators_refusals_are_understood(bench: Bench, reason: str, fault: Fault) -> None:
    bench.sim.faults.add("reject", *bench.sim.scopes["place"], reason=reason)

    with pytest.raises(BrokerError) as error:
        bench.place()

    assert (error.value.fault, error.value.sure) == (fault, True)


@pytest.mark.parametrize("kind", ["timed_out_400", "garbage", "no_order_id", "status"])
def test_what_is_not_sure_is_not_taken_for_a_no(bench: Bench, kind: str) -> None:
    bench.sim.faults.add(kind, *bench.sim.scopes["place"])

    with pytest.raises(BrokerError) as error:
        bench.place()

    assert not error.value.sure
    assert [row.tags for row in bench.rows()] == [(bench.tag,)]


def test_a_gtt_of_two_legs_lives_changes_and_ends(bench: Bench) -> None:
    low, high = bench.near("0.9"), bench.near("1.1")
    bench.place()

    def leg(trigger: Decimal, quantity: int) -> GttLeg:
        return GttLeg(trigger_price=trigger, side=Side.SELL, quantity=quantity, price=trigger)

    gtt = NewGtt(symbol="NSE:INFY", legs=(leg(low, 2), leg(high, 2)))
    made = bench.run(FYERS.place_gtt(bench.session, gtt, bench.infy))
    changed = NewGtt(symbol="NSE:INFY", legs=(leg(low - 1, 3), leg(high, 2)))
    bench.run(FYERS.modify_gtt(bench.session, made, changed, bench.infy))
    (active,) = bench.run(FYERS.gtts(bench.session, bench)).good
    bench.run(FYERS.cancel_gtt(bench.session, made))
    (ended,) = bench.run(FYERS.gtts(bench.session, bench)).good

    assert (active.broker_gtt_id, active.status) == (made, GttStatus.ACTIVE)
    assert active.legs == changed.legs
    assert ended.status is GttStatus.CANCELLED


def test_a_position_is_converted(bench: Bench) -> None:
    bench.place()
    conversion = Conversion(
        symbol="NSE:INFY",
        side=Side.BUY,
        quantity=4,
        from_product=Product.CNC,
        to_product=Product.MIS,
    )
    bench.run(FYERS.convert(bench.session, conversion, bench.infy))

    held = bench.run(FYERS.positions(bench.session, bench)).good
    assert {one.product: one.quantity for one in held} == {Product.CNC: 6, Product.MIS: 4}


def test_margins_funds_and_the_next_days_holdings(bench: Bench) -> None:
    bench.place()
    order = NewOrder(
        symbol="NSE:INFY",
        side=Side.BUY,
        quantity=10,
        type=OrderType.LIMIT,
        product=Product.CNC,
        price=Decimal(1400),
        tag=None,
    )
    margin = bench.run(FYERS.margin(bench.session, ((order, bench.infy), (order, bench.infy))))
    equity, _ = bench.run(FYERS.funds(bench.session))
    bench.now = datetime(2026, 11, 26, 5, 50, tzinfo=IST)
    bench.sim.new_day(bench.now)
    (held,) = bench.run(FYERS.holdings(bench.session, bench)).good

    assert (margin.needed, margin.available) == (28_000, equity.available)
    assert (held.symbol, held.quantity) == ("NSE:INFY", 10)
    assert bench.rows() == ()


def test_the_contracts_of_the_files_have_prices(bench: Bench) -> None:
    listed = bench.instruments[:52]
    quotes = bench.run(FYERS.quotes(bench.session, listed))

    assert [seen.path for seen in bench.sim.requests[-2:]] == ["/quotes", "/quotes"]  # 50 a request
    assert set(quotes) == {one.symbol for one in listed}
    single = bench.run(FYERS.quotes(bench.session, (bench.infy,)))["NSE:INFY"]
    assert len(single.depth.buy) == len(single.depth.sell) == 5


@pytest.mark.parametrize(
    ("interval", "days", "requests"), [(Interval.M5, 2, 1), (Interval.D1, 500, 2)]
)
def test_candles_are_joined_oldest_first_and_each_once(
    bench: Bench, interval: Interval, days: int, requests: int
) -> None:
    start = TEN.replace(hour=0) - timedelta(days)
    before = len(bench.sim.requests)
    candles = bench.run(history(FYERS, bench.session, bench.infy, interval, start, TEN))

    times = [candle.at for candle in candles]
    assert len(bench.sim.requests) == before + requests
    assert times == sorted(set(times))
    assert len(times) > 90
    assert start <= times[0] <= times[-1] <= TEN


def test_no_candles_are_none(bench: Bench) -> None:
    night = datetime(2026, 11, 25, 2, 0, tzinfo=IST)
    candles = bench.run(
        history(FYERS, bench.session, bench.infy, Interval.M5, night, night + timedelta(hours=1))
    )

    assert candles == ()
