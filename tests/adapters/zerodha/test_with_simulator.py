"""The adapter talks to the simulator without a socket: two independent readings of one fact sheet must agree."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest

from ordo_adapters.zerodha import ZERODHA
from ordod.adapter import (
    IST,
    Ask,
    BrokerError,
    BrokerOrder,
    Conversion,
    Credentials,
    Exchange,
    Fault,
    GttLeg,
    GttStatus,
    HttpRequest,
    Interval,
    NewGtt,
    NewOrder,
    OrderChanges,
    OrderType,
    Product,
    Secret,
    Session,
    Side,
    Status,
    Validity,
    Variety,
)
from ordod.sim.zerodha import App, Client, ZerodhaSim
from ordod.sim.zerodha.accounts import Accounts
from tests.adapters.bench import TEN, Bench, history

CREDENTIALS = Credentials(
    user_id=Client().user_id,
    api_key=Secret(App().api_key),
    api_secret=Secret(App().api_secret),
    password=Secret(Client().password),
    totp_secret=Secret(Client().totp_secret),
    mode="headless",
)


def _accounts(bench: Bench) -> Accounts:
    assert isinstance(bench.sim, ZerodhaSim)
    return bench.sim.accounts


@pytest.fixture
def bench() -> Bench:
    return Bench(ZERODHA, ZerodhaSim(seed=7, now=TEN), CREDENTIALS)


def test_a_headless_login_ends_with_a_session_that_lives(bench: Bench) -> None:
    assert bench.session.user_id == "ZX0001"
    assert bench.session.expires_at == datetime(2026, 11, 26, 6, 0, tzinfo=IST)
    assert bench.run(ZERODHA.user(bench.session)) == "ZX0001"


def test_a_wrong_password_is_denied_and_tried_once(bench: Bench) -> None:
    wrong = Credentials(
        user_id="ZX0001",
        api_key=CREDENTIALS.api_key,
        api_secret=CREDENTIALS.api_secret,
        password=Secret("nope"),
        totp_secret=CREDENTIALS.totp_secret,
        mode="headless",
    )

    with pytest.raises(BrokerError) as refused:
        bench.run(ZERODHA.login(wrong, TEN))

    assert refused.value.fault is Fault.AUTH_DENIED
    tried = [seen for seen in bench.sim.requests if (seen.path, seen.status) == ("/api/login", 403)]
    assert len(tried) == 1


def test_without_consent_the_login_says_what_to_do(bench: Bench) -> None:
    _accounts(bench).consents.clear()
    bench.now += timedelta(minutes=1)

    with pytest.raises(BrokerError, match="authorise") as refused:
        bench.run(ZERODHA.login(CREDENTIALS, bench.now))

    assert refused.value.fault is Fault.AUTH_DENIED


def test_a_page_login_takes_the_address_the_browser_ended_on(bench: Bench) -> None:
    dialogue = ZERODHA.login(
        Credentials(api_key=CREDENTIALS.api_key, api_secret=CREDENTIALS.api_secret), TEN
    )
    asked = next(dialogue)
    assert isinstance(asked, Ask)
    token = _accounts(bench).grant(App().api_key, "ZX0001", bench.now)
    request = dialogue.send(f"{App().redirect_url}?status=success&request_token={token}")
    assert isinstance(request, HttpRequest)

    with pytest.raises(StopIteration) as end:
        dialogue.send(bench._send(request))

    assert urlsplit(asked.url).path == "/connect/login"
    session = end.value.value
    assert isinstance(session, Session)
    assert bench.run(ZERODHA.user(session)) == "ZX0001"


def test_a_market_order_is_found_by_its_tag_and_filled(bench: Bench) -> None:
    order_id = bench.place()

    row = bench.row(order_id)

    assert row.status is Status.FILLED
    assert bench.tag in row.tags
    assert (row.symbol, row.filled_quantity, row.side) == ("NSE:INFY", 10, Side.BUY)
    trades = bench.run(ZERODHA.trades(bench.session, bench))
    assert trades.is_whole
    assert sum(fill.quantity for fill in trades.good) == 10


def test_lots_become_units_and_units_lots(bench: Bench) -> None:
    listed = bench.by_broker_symbol(Exchange.MCX, "CRUDEOIL26DECFUT")
    assert listed is not None
    assert listed.lot_size == 100

    order_id = bench.place(listed.symbol, quantity=200, product=Product.NRML)

    assert bench.row(order_id).filled_quantity == 200
    assert bench.sim.orders.deeds[-1].terms["quantity"] == "2"
    positions = bench.run(ZERODHA.positions(bench.session, bench))
    assert positions.is_whole
    assert [position.quantity for position in positions.good] == [200]


def test_a_limit_order_is_modified_and_cancelled_and_the_trail_tells_it(bench: Bench) -> None:
    low = (bench.last_price() * Decimal("0.95")).quantize(Decimal(1))
    order_id = bench.place(type=OrderType.LIMIT, price=low)
    changes = OrderChanges(price=low - 1, quantity=12)

    bench.run(ZERODHA.modify(bench.session, bench.row(order_id), changes, bench.infy))
    modified = bench.row(order_id)
    bench.run(ZERODHA.cancel(bench.session, modified))

    assert (modified.price, modified.quantity, modified.status) == (low - 1, 12, Status.OPEN)
    assert bench.row(order_id).status is Status.CANCELLED
    trail = bench.run(ZERODHA.trail(bench.session, order_id, bench))
    assert trail.is_whole
    assert [trail.good[0].status, trail.good[-1].status] == [Status.PENDING, Status.CANCELLED]


def test_every_type_validity_and_variety_is_taken_and_read_back(bench: Bench) -> None:
    low = (bench.last_price() * Decimal("0.95")).quantize(Decimal(1))
    sold: dict[str, Any] = {"side": Side.SELL, "product": Product.MIS}
    limit: dict[str, Any] = {"type": OrderType.LIMIT, "price": low}

    ids = {
        "sl": bench.place(**sold, type=OrderType.SL, price=low - 2, trigger_price=low),
        "sl-m": bench.place(**sold, type=OrderType.SL_M, trigger_price=low),
        "ioc": bench.place(**limit, validity=Validity.IOC),
        "ttl": bench.place(**limit, validity=Validity.TTL, validity_minutes=5),
        "amo": bench.place(**limit, variety=Variety.AMO),
        "iceberg": bench.place(**limit, variety=Variety.ICEBERG, iceberg_legs=2),
        "co": bench.place(
            product=Product.MIS, type=OrderType.MARKET, variety=Variety.CO, trigger_price=low
        ),
    }

    stands = {name: bench.row(order_id).status for name, order_id in ids.items()}
    assert stands == {
        "sl": Status.TRIGGER_PENDING,
        "sl-m": Status.TRIGGER_PENDING,
        "ioc": Status.CANCELLED,
        "ttl": Status.OPEN,
        "amo": Status.PENDING,
        "iceberg": Status.OPEN,
        "co": Status.FILLED,
    }


def test_leaving_a_cover_order_is_a_cancel_of_its_second_leg(bench: Bench) -> None:
    stop = (bench.last_price() * Decimal("0.95")).quantize(Decimal(1))
    entry = bench.place(product=Product.MIS, variety=Variety.CO, trigger_price=stop)
    leg = next(row for row in bench.rows() if row.parent_order_id == entry)

    bench.run(ZERODHA.cancel(bench.session, leg))

    assert bench.row(leg.broker_order_id).status is Status.FILLED


def test_positions_holdings_and_funds_agree_with_the_exchange(bench: Bench) -> None:
    bench.place()
    spent = bench.sim.paper.positions("ZX0001")[0].buy_value
    (funds,) = bench.run(ZERODHA.funds(bench.session))
    bench.now += timedelta(hours=19)  # before six in the morning
    bench.sim.new_day(bench.now)

    holdings = bench.run(ZERODHA.holdings(bench.session, bench))

    assert funds.available == Decimal(10_000_000) - (spent or 0)
    assert holdings.is_whole
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

    bench.run(ZERODHA.convert(bench.session, conversion, bench.infy))

    positions = bench.run(ZERODHA.positions(bench.session, bench)).good
    assert {p.product: p.quantity for p in positions} == {Product.CNC: 6, Product.MIS: 4}


def test_triggers_are_placed_changed_listed_and_cancelled(bench: Bench) -> None:
    last = bench.last_price()
    low, high = (round(last * Decimal(share)) for share in ("0.9", "1.1"))

    def gtt(*triggers: int) -> NewGtt:
        legs = tuple(
            GttLeg(trigger_price=Decimal(t), side=Side.BUY, quantity=5, price=Decimal(t))
            for t in triggers
        )
        return NewGtt(symbol="NSE:INFY", legs=legs)

    gtt_id = bench.run(ZERODHA.place_gtt(bench.session, gtt(low, high), bench.infy))
    bench.run(ZERODHA.modify_gtt(bench.session, gtt_id, gtt(low - 1, high + 1), bench.infy))
    read = bench.run(ZERODHA.gtts(bench.session, bench))
    bench.run(ZERODHA.cancel_gtt(bench.session, gtt_id))
    after = bench.run(ZERODHA.gtts(bench.session, bench))

    assert read.is_whole
    (before,) = read.good
    assert (before.broker_gtt_id, before.status) == (gtt_id, GttStatus.ACTIVE)
    assert [leg.trigger_price for leg in before.legs] == [low - 1, high + 1]
    assert [row.status for row in after.good] == [GttStatus.CANCELLED]


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

    margin = bench.run(ZERODHA.margin(bench.session, ((order, bench.infy), (order, bench.infy))))
    quotes = bench.run(ZERODHA.quotes(bench.session, (bench.infy, nifty)))
    candles = bench.run(
        history(ZERODHA, bench.session, bench.infy, Interval.M5, start, start + timedelta(hours=1))
    )

    assert margin.needed == 28_000
    assert set(quotes) == {"NSE:INFY", "NSE_INDEX:NIFTY"}
    depth = quotes["NSE:INFY"].depth
    assert depth.buy[0].price < depth.sell[0].price
    assert len(candles) == 13
    assert candles[0].at == start


@pytest.mark.parametrize(
    ("reason", "fault", "sure"),
    [
        ("funds", Fault.INSUFFICIENT_FUNDS, True),
        ("input", Fault.INVALID_INPUT, True),
        ("order", Fault.ORDER_REJECTED, True),
        ("holdings", Fault.INSUFFICIENT_FUNDS, True),
        ("depository", Fault.ORDER_REJECTED, True),
        ("closed", Fault.MARKET_CLOSED, True),
    ],
)
def test_a_sure_no_is_sure(bench: Bench, reason: str, fault: Fault, sure: bool) -> None:
    bench.sim.faults.add("reject", "POST", "/orders", reason=reason)

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
    bench.sim.faults.add(kind, "POST", "/orders", **more)

    with pytest.raises(BrokerError) as doubted:
        bench.place()

    assert not doubted.value.sure


def test_a_dead_session_and_a_full_second_are_told_apart(bench: Bench) -> None:
    bench.sim.faults.add("dead_session", "GET", "/orders")
    with pytest.raises(BrokerError) as dead:
        bench.rows()
    bench.now += timedelta(minutes=1)
    bench.session = bench.run(ZERODHA.login(CREDENTIALS, bench.now))
    bench.last_price()
    bench.now -= timedelta(seconds=1)
    with pytest.raises(BrokerError) as full:
        bench.last_price()

    assert dead.value.fault is Fault.AUTH_EXPIRED
    assert full.value.fault is Fault.RATE_LIMITED


def test_an_unknown_order_is_not_found(bench: Bench) -> None:
    order_id = bench.place()
    known = bench.row(order_id)
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
        bench.run(ZERODHA.cancel(bench.session, unknown))
    with pytest.raises(BrokerError) as asked:
        bench.run(ZERODHA.trail(bench.session, "42", bench))

    assert (cancelled.value.fault, asked.value.fault) == (Fault.NOT_FOUND, Fault.NOT_FOUND)
