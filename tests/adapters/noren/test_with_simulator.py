"""Every member of the family talks to the simulator without a socket: two independent readings of one fact sheet must agree."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from ordo_adapters.noren import FLATTRADE, SHOONYA, TRADESMART, ZEBU, Noren
from ordod.adapter import (
    IST,
    Ask,
    BrokerError,
    Conversion,
    Credentials,
    Fault,
    GttLeg,
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
    supports,
)
from ordod.sim.noren import Client, NorenSim
from tests.adapters.bench import TEN, Bench, history

USER = Client()
CREDENTIALS = Credentials(
    user_id=USER.uid, api_key=Secret(USER.app_id), api_secret=Secret(USER.app_secret)
)
MEMBERS = (SHOONYA, FLATTRADE, ZEBU, TRADESMART)
CRUDE = "MCX:CRUDEOIL18DEC26FUT"


def benched(adapter: Noren, credentials: Credentials = CREDENTIALS) -> Bench:
    """Logged in by the member's page."""
    sim = NorenSim(adapter.spec.id, seed=7, now=TEN)

    def browser(ask: Ask, now: datetime) -> str:
        assert ask.kind == "page"
        assert ask.url.endswith(f"={USER.app_id}")
        return f"http://127.0.0.1/back?code={sim.request_token(USER.uid, now)}&client=x"

    return Bench(adapter, sim, credentials, answers=browser)


@pytest.fixture(params=MEMBERS, ids=lambda adapter: adapter.spec.id)
def member(request: pytest.FixtureRequest) -> Bench:
    return benched(request.param)


@pytest.fixture
def bench() -> Bench:
    return benched(SHOONYA)


# Every member


def test_the_page_leads_to_a_session_that_ends_with_its_logout(member: Bench) -> None:
    assert member.run(member.adapter.user(member.session)) == USER.uid
    member.run(member.adapter.logout(member.session))

    with pytest.raises(BrokerError) as error:
        member.run(member.adapter.orders(member.session, member))

    assert error.value.fault is Fault.AUTH_EXPIRED


def test_an_order_is_placed_changed_found_and_cancelled(member: Bench) -> None:
    low = member.near("0.95")
    order_id = member.place(type=OrderType.LIMIT, price=low)
    changes = OrderChanges(price=low - 1, quantity=12)

    member.run(member.adapter.modify(member.session, member.row(order_id), changes, member.infy))
    modified = member.row(order_id)
    member.run(member.adapter.cancel(member.session, modified))

    assert (modified.price, modified.quantity, modified.status) == (low - 1, 12, Status.OPEN)
    assert modified.tags == (member.tag,)
    assert member.row(order_id).status is Status.CANCELLED
    trail = member.run(member.adapter.trail(member.session, order_id, member))
    assert [row.status for row in trail.good] == [Status.CANCELLED]


def test_a_market_order_is_a_limit_order_that_is_filled(member: Bench) -> None:
    row = member.row(member.place())

    assert (row.type, row.status, row.filled_quantity) == (OrderType.LIMIT, Status.FILLED, 10)
    trades = member.run(member.adapter.trades(member.session, member))
    assert sum(fill.quantity for fill in trades.good) == 10


def test_ticks_are_in_rupees_whatever_the_file_says(member: Bench) -> None:
    files_say = member.adapter.spec.id != "flattrade"

    assert member.infy.tick_size == (Decimal("0.1") if files_say else Decimal("0.01"))
    assert member.listed(CRUDE).lot_size == 100


def test_a_wrong_secret_is_denied_and_the_code_spent(member: Bench) -> None:
    wrong = replace(CREDENTIALS, api_secret=Secret("wrong"))
    before = len(member.sim.requests)

    with pytest.raises(BrokerError) as error:
        member.run(member.adapter.login(wrong, member.now))

    assert error.value.fault is Fault.AUTH_DENIED
    assert len(member.sim.requests) == before + 1


def test_only_members_that_document_gtt_have_it() -> None:
    assert [supports(one, "place_gtt") for one in MEMBERS] == [True, True, True, False]


# What is the same everywhere


def test_a_ready_made_token_needs_no_page(bench: Bench) -> None:
    token = Secret(bench.sim.access_token(USER.uid, bench.now))
    ready = Credentials(user_id=USER.uid, access_token=token)

    assert bench.run(SHOONYA.login(ready, bench.now)).user_id == USER.uid


def test_the_session_tells_its_end(bench: Bench) -> None:
    assert bench.session.expires_at == datetime(2026, 11, 26, 6, 0, tzinfo=IST)


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


def test_a_protected_sell_stands_below_and_on_a_tick(bench: Bench) -> None:
    last = bench.last_price()

    bench.place(side=Side.SELL, product=Product.MIS, market_protection=Decimal(1))

    price = Decimal(bench.sim.orders.deeds[-1].terms["prc"])
    assert last * Decimal("0.985") < price < last
    assert price % bench.infy.tick_size == 0


def test_what_the_risk_system_refuses_stands_in_the_book(bench: Bench) -> None:
    row = bench.row(bench.place(quantity=90_000))

    assert (row.status, row.tags) == (Status.REJECTED, (bench.tag,))


@pytest.mark.parametrize(
    ("reason", "fault", "sure"),
    [
        ("funds", Fault.INSUFFICIENT_FUNDS, False),
        ("holdings", Fault.ORDER_REJECTED, False),
        ("input", Fault.INVALID_INPUT, True),
        ("order", Fault.ORDER_REJECTED, True),
        ("closed", Fault.MARKET_CLOSED, True),
        ("limit", Fault.RATE_LIMITED, True),
    ],
)
def test_the_simulators_refusals_are_understood(
    bench: Bench, reason: str, fault: Fault, sure: bool
) -> None:
    bench.sim.faults.add("reject", *bench.sim.scopes["place"], reason=reason)

    with pytest.raises(BrokerError) as error:
        bench.place()

    assert (error.value.fault, error.value.sure) == (fault, sure)


@pytest.mark.parametrize("kind", ["timed_out_400", "garbage", "no_order_id", "status"])
def test_what_is_not_sure_is_not_taken_for_a_no(bench: Bench, kind: str) -> None:
    bench.sim.faults.add(kind, *bench.sim.scopes["place"])

    with pytest.raises(BrokerError) as error:
        bench.place()

    assert not error.value.sure
    assert [row.tags for row in bench.rows()] == [(bench.tag,)]


def leg(trigger: Decimal, quantity: int) -> GttLeg:
    return GttLeg(trigger_price=trigger, side=Side.SELL, quantity=quantity, price=trigger)


@pytest.mark.parametrize("parts", [("0.9", "1.1"), ("0.9",), ("1.1",)])
def test_a_gtt_lives_changes_and_ends(bench: Bench, parts: tuple[str, ...]) -> None:
    triggers = [bench.near(part) for part in parts]
    bench.place()
    gtt = NewGtt(symbol="NSE:INFY", legs=tuple(leg(at, 2) for at in triggers))
    changed = NewGtt(symbol="NSE:INFY", legs=tuple(leg(at, 3) for at in triggers))

    made = bench.run(SHOONYA.place_gtt(bench.session, gtt, bench.infy))
    bench.run(SHOONYA.modify_gtt(bench.session, made, changed, bench.infy))
    (active,) = bench.run(SHOONYA.gtts(bench.session, bench)).good
    bench.run(SHOONYA.cancel_gtt(bench.session, made))

    assert (active.broker_gtt_id, active.legs) == (made, changed.legs)
    assert bench.run(SHOONYA.gtts(bench.session, bench)).good == ()


def test_a_gtt_never_changes_its_side_of_the_price(bench: Bench) -> None:
    below = NewGtt(symbol="NSE:INFY", legs=(leg(bench.near("0.9"), 2),))
    above = NewGtt(symbol="NSE:INFY", legs=(leg(bench.near("1.1"), 2),))
    made = bench.run(SHOONYA.place_gtt(bench.session, below, bench.infy))

    with pytest.raises(BrokerError) as error:
        bench.run(SHOONYA.modify_gtt(bench.session, made, above, bench.infy))

    assert error.value.fault is Fault.UNSUPPORTED


def test_a_position_is_converted(bench: Bench) -> None:
    bench.place()
    conversion = Conversion(
        symbol="NSE:INFY",
        side=Side.BUY,
        quantity=4,
        from_product=Product.CNC,
        to_product=Product.MIS,
    )
    bench.run(SHOONYA.convert(bench.session, conversion, bench.infy))

    held = bench.run(SHOONYA.positions(bench.session, bench)).good
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
    item = (order, bench.infy)
    one = bench.run(SHOONYA.margin(bench.session, (item,)))
    two = bench.run(SHOONYA.margin(bench.session, (item, item)))
    (funds,) = bench.run(SHOONYA.funds(bench.session))
    bench.now = datetime(2026, 11, 26, 5, 50, tzinfo=IST)
    bench.sim.new_day(bench.now)
    (held,) = bench.run(SHOONYA.holdings(bench.session, bench)).good

    assert (one.needed, two.needed) == (14_000, 28_000)
    assert abs(two.available - funds.available) < 1
    assert (held.symbol, held.quantity) == ("NSE:INFY", 10)
    assert bench.rows() == ()


def test_the_contracts_of_the_files_have_prices(bench: Bench) -> None:
    listed = bench.instruments[:20]
    quotes = bench.run(SHOONYA.quotes(bench.session, listed))

    assert set(quotes) == {one.symbol for one in listed}
    depth = quotes[bench.infy.symbol].depth
    assert depth is not None
    assert len(depth.buy) == len(depth.sell) == 5


@pytest.mark.parametrize(
    ("interval", "days", "requests"), [(Interval.M5, 30, 2), (Interval.D1, 1200, 2)]
)
def test_candles_are_joined_oldest_first_and_each_once(
    bench: Bench, interval: Interval, days: int, requests: int
) -> None:
    start = TEN.replace(hour=0) - timedelta(days)
    before = len(bench.sim.requests)
    candles = bench.run(history(SHOONYA, bench.session, bench.infy, interval, start, TEN))

    times = [candle.at for candle in candles]
    assert len(bench.sim.requests) == before + requests
    assert times == sorted(set(times))
    assert len(times) > 300
    assert start <= times[0] <= times[-1] <= TEN


def test_no_candles_are_none(bench: Bench) -> None:
    night = datetime(2026, 11, 25, 2, 0, tzinfo=IST)
    candles = bench.run(
        history(SHOONYA, bench.session, bench.infy, Interval.M5, night, night + timedelta(hours=1))
    )

    assert candles == ()
