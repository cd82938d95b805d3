"""The adapter talks to the simulator without a socket: two independent readings of one fact sheet must agree."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ordo_adapters.xts import (
    COMPOSITEDGE,
    FIVEPAISA,
    IBULLS,
    IIFL,
    JAINAM,
    RMONEY,
    WISDOM,
    Xts,
)
from ordod.adapter import (
    IST,
    Ask,
    BrokerError,
    Conversion,
    Credentials,
    Fault,
    Interval,
    NewOrder,
    OrderChanges,
    OrderType,
    Product,
    Secret,
    Side,
    Status,
    Validity,
    supports,
)
from ordod.sim.xts import Client, XtsSim
from tests.adapters.bench import TEN, Bench, history

MEMBERS = (IIFL, FIVEPAISA, JAINAM, COMPOSITEDGE, IBULLS, WISDOM, RMONEY)
USER = Client()
CREDENTIALS = Credentials(
    api_key=Secret(USER.app_key),
    api_secret=Secret(USER.secret_key),
    options={"redirect_uri": USER.return_url},
    secrets={
        "market_api_key": Secret(USER.market_key),
        "market_api_secret": Secret(USER.market_secret),
    },
)


def logged_in(adapter: Xts) -> Bench:
    sim = XtsSim(member=adapter.spec.id, seed=7, now=TEN)

    def browser(ask: Ask, now: datetime) -> str:
        assert (ask.kind, "returnURL=" in ask.url) == ("page", True)
        return sim.request_token(USER.client_id, now)

    return Bench(adapter, sim, CREDENTIALS, answers=browser)


@pytest.fixture
def bench() -> Bench:
    return logged_in(IIFL)


@pytest.mark.parametrize("adapter", MEMBERS, ids=lambda adapter: adapter.spec.id)
def test_every_member_logs_in_and_trades(adapter: Xts) -> None:
    bench = logged_in(adapter)

    row = bench.row(bench.place())

    assert bench.session.user_id == USER.client_id
    assert (row.status, row.filled_quantity, row.tags) == (Status.FILLED, 10, (bench.tag,))


def test_a_wrong_key_is_denied_and_tried_once(bench: Bench) -> None:
    wrong = Credentials(
        api_key=CREDENTIALS.api_key, api_secret=Secret("wrong"), secrets=CREDENTIALS.secrets
    )
    before = len(bench.sim.requests)

    error = bench.refused(IIFL.login(wrong, bench.now))

    assert error.fault is Fault.AUTH_DENIED
    assert [seen.path for seen in bench.sim.requests[before:]] == ["/user/session"]


def test_both_sessions_are_dead_after_a_logout(bench: Bench) -> None:
    bench.run(IIFL.logout(bench.session))

    for dialogue in (
        IIFL.orders(bench.session, bench),
        IIFL.ltp(bench.session, (bench.infy,)),
    ):
        assert bench.refused(dialogue).fault is Fault.AUTH_EXPIRED


def test_a_dead_market_session_spares_a_session_that_a_person_made() -> None:
    bench = logged_in(RMONEY)
    bench.sim.accounts.end(USER.client_id, "market")  # type: ignore[attr-defined]

    error = bench.refused(RMONEY.ltp(bench.session, (bench.infy,)))

    assert error.fault is Fault.BROKER_UNAVAILABLE
    assert bench.run(RMONEY.user(bench.session)) == USER.client_id


def test_a_limit_order_is_modified_and_cancelled(bench: Bench) -> None:
    low = bench.near("0.95")
    order_id = bench.place(type=OrderType.LIMIT, price=low)
    changes = OrderChanges(price=low - 1, quantity=12)

    bench.run(IIFL.modify(bench.session, bench.row(order_id), changes, bench.infy))
    modified = bench.row(order_id)
    bench.run(IIFL.cancel(bench.session, modified))
    trail = bench.run(IIFL.trail(bench.session, order_id, bench))

    assert (modified.price, modified.quantity, modified.status) == (low - 1, 12, Status.OPEN)
    assert modified.tags == (bench.tag,)
    assert trail.good[-1].status is Status.CANCELLED


@pytest.mark.parametrize(
    ("terms", "status"),
    [
        ({"type": OrderType.SL}, Status.TRIGGER_PENDING),
        ({"type": OrderType.SL_M, "price": None}, Status.TRIGGER_PENDING),
        (
            {"trigger_price": None, "type": OrderType.LIMIT, "side": Side.BUY}
            | {"validity": Validity.IOC},
            Status.CANCELLED,
        ),
    ],
)
def test_every_type_and_validity_is_taken(
    bench: Bench, terms: dict[str, Any], status: Status
) -> None:
    low = bench.near("0.95")
    base: dict[str, Any] = {"side": Side.SELL, "product": Product.MIS, "price": low}
    base["trigger_price"] = low + 1

    assert bench.row(bench.place(**(base | terms))).status is status


def test_what_the_gateway_refuses_is_sure(bench: Bench) -> None:
    bench.sim.faults.add("reject", *bench.sim.scopes["place"], reason="order")

    with pytest.raises(BrokerError) as error:
        bench.place()

    assert (error.value.fault, error.value.sure) == (Fault.INVALID_INPUT, True)
    assert bench.rows() == ()


def test_what_risk_refuses_has_an_id_and_is_rejected_in_the_book(bench: Bench) -> None:
    order_id = bench.place(quantity=90_000)

    row = bench.row(order_id)

    assert (row.status, row.tags) == (Status.REJECTED, (bench.tag,))
    assert row.status_message


@pytest.mark.parametrize(
    ("reason", "fault"), [("input", Fault.INVALID_INPUT), ("limit", Fault.RATE_LIMITED)]
)
def test_the_simulators_sure_refusals_are_understood(
    bench: Bench, reason: str, fault: Fault
) -> None:
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


def test_nothing_is_ordered_where_units_are_not_known(bench: Bench) -> None:
    before = len(bench.sim.requests)

    with pytest.raises(BrokerError) as error:
        bench.place("MCX:CRUDEOIL18DEC26FUT", quantity=100, product=Product.NRML)

    assert error.value.fault is Fault.UNSUPPORTED
    assert len(bench.sim.requests) == before


def test_a_position_is_converted(bench: Bench) -> None:
    bench.place()
    conversion = Conversion(
        symbol="NSE:INFY",
        side=Side.BUY,
        quantity=4,
        from_product=Product.CNC,
        to_product=Product.MIS,
    )
    bench.run(IIFL.convert(bench.session, conversion, bench.infy))

    held = bench.run(IIFL.positions(bench.session, bench)).good
    assert {one.product: one.quantity for one in held} == {Product.CNC: 6, Product.MIS: 4}


def test_trades_funds_and_the_next_days_holdings(bench: Bench) -> None:
    assert bench.run(IIFL.holdings(bench.session, bench)).good == ()
    order_id = bench.place()
    trades = bench.run(IIFL.trades(bench.session, bench)).good
    (funds,) = bench.run(IIFL.funds(bench.session))
    bench.now = datetime(2026, 11, 26, 5, 50, tzinfo=IST)
    bench.sim.new_day(bench.now)
    (held,) = bench.run(IIFL.holdings(bench.session, bench)).good

    assert {(fill.broker_order_id, fill.symbol) for fill in trades} == {(order_id, "NSE:INFY")}
    assert sum(fill.quantity for fill in trades) == 10
    assert 0 < funds.available < 10_000_000
    assert funds.collateral is None
    assert (held.symbol, held.quantity) == ("NSE:INFY", 10)
    assert bench.rows() == ()


def test_rmoney_reckons_margins_and_the_others_do_not() -> None:
    bench = logged_in(RMONEY)
    order = NewOrder(
        symbol="NSE:INFY",
        side=Side.BUY,
        quantity=10,
        type=OrderType.LIMIT,
        product=Product.CNC,
        price=Decimal(1400),
        tag=None,
    )

    margin = bench.run(RMONEY.margin(bench.session, ((order, bench.infy),) * 2))

    assert margin.needed == 28_000
    assert [one.spec.id for one in MEMBERS if supports(one, "margin")] == ["rmoney"]


def test_the_contracts_of_the_files_have_prices(bench: Bench) -> None:
    listed = bench.instruments[:52]
    quotes = bench.run(IIFL.quotes(bench.session, listed))

    paths = [seen.path for seen in bench.sim.requests[-2:]]
    assert paths == ["/instruments/quotes"] * 2  # 50 a request
    assert set(quotes) == {one.symbol for one in listed}
    infy = quotes["NSE:INFY"]
    assert infy.depth is not None
    assert len(infy.depth.buy) == len(infy.depth.sell) == 5
    assert infy.at is not None
    assert timedelta(0) <= bench.now - infy.at < timedelta(minutes=1)
    assert {"NSE_INDEX:NIFTY", "BSE_INDEX:SENSEX"} <= {one.symbol for one in bench.instruments}


@pytest.mark.parametrize(
    ("interval", "days", "requests"),
    [(Interval.M5, 2, 1), (Interval.H1, 13, 3), (Interval.D1, 30, 6)],
)
def test_candles_are_joined_oldest_first_and_each_once(
    bench: Bench, interval: Interval, days: int, requests: int
) -> None:
    start = TEN.replace(hour=0) - timedelta(days)
    before = len(bench.sim.requests)
    candles = bench.run(history(IIFL, bench.session, bench.infy, interval, start, TEN))

    times = [candle.at for candle in candles]
    assert len(bench.sim.requests) == before + requests
    assert times == sorted(set(times))
    assert len(times) > 15
    assert start <= times[0] <= times[-1] <= TEN


def test_no_candles_are_none(bench: Bench) -> None:
    night = datetime(2026, 11, 25, 2, 0, tzinfo=IST)
    end = night + timedelta(hours=1)

    assert bench.run(history(IIFL, bench.session, bench.infy, Interval.M5, night, end)) == ()
