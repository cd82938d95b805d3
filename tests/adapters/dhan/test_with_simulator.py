"""The adapter talks to the simulator without a socket: two independent readings of one fact sheet must agree."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest

from ordo_adapters.dhan import DHAN
from ordod.adapter import (
    IST,
    Ask,
    BrokerError,
    BrokerOrder,
    Conversion,
    Credentials,
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
from ordod.sim.dhan import Client, DhanSim
from tests.adapters.bench import TEN, Bench, history

CREDENTIALS = Credentials(
    user_id=Client().client_id,
    pin=Secret(Client().pin),
    totp_secret=Secret(Client().totp_secret),
)
PAGE = Credentials(
    user_id=Client().client_id,
    api_key=Secret(Client().app_id),
    api_secret=Secret(Client().app_secret),
    mode="page",
)


@pytest.fixture
def bench() -> Bench:
    return Bench(DHAN, DhanSim(seed=7, now=TEN), CREDENTIALS)


def low_price(bench: Bench) -> Decimal:
    return (bench.last_price() * Decimal("0.95")).quantize(Decimal(1))


# Sessions


def test_a_login_by_pin_lives_for_a_day(bench: Bench) -> None:
    assert bench.session.user_id == "1000000001"
    assert bench.session.expires_at is not None
    assert (
        timedelta(hours=23, minutes=59)
        < bench.session.expires_at - TEN
        <= timedelta(days=1, minutes=1)
    )
    assert bench.run(DHAN.user(bench.session)) == "1000000001"


def test_a_ready_made_token_tells_its_end(bench: Bench) -> None:
    ready = Credentials(access_token=bench.session.access_token)

    session = bench.run(DHAN.login(ready, bench.now))

    assert (session.user_id, session.expires_at) == ("1000000001", bench.session.expires_at)


def test_a_dead_ready_made_token_gives_way_to_the_pin(bench: Bench) -> None:
    bench.now += timedelta(days=2)
    both = Credentials(
        user_id=CREDENTIALS.user_id,
        pin=CREDENTIALS.pin,
        totp_secret=CREDENTIALS.totp_secret,
        access_token=bench.session.access_token,
    )

    session = bench.run(DHAN.login(both, bench.now))

    assert bench.run(DHAN.user(session)) == "1000000001"


@pytest.mark.parametrize("wrong", [{"pin": Secret("000000")}, {"user_id": "1999999999"}])
def test_wrong_credentials_are_denied_and_tried_once(bench: Bench, wrong: dict[str, Any]) -> None:
    bench.now += timedelta(minutes=5)
    given = {"user_id": CREDENTIALS.user_id, "pin": CREDENTIALS.pin} | wrong

    with pytest.raises(BrokerError) as refused:
        bench.run(DHAN.login(Credentials(**given), bench.now))

    assert refused.value.fault is Fault.AUTH_DENIED
    assert "000000" not in str(refused.value)
    tried = [seen for seen in bench.sim.requests if seen.path == "/app/generateAccessToken"]
    assert len(tried) == 2


def test_a_second_token_within_two_minutes_is_too_early_and_no_word_about_the_pin(
    bench: Bench,
) -> None:
    with pytest.raises(BrokerError) as early:
        bench.run(DHAN.login(CREDENTIALS, bench.now))

    assert early.value.fault is Fault.RATE_LIMITED


def test_a_page_login_takes_the_address_the_browser_ended_on(bench: Bench) -> None:
    dialogue = DHAN.login(PAGE, bench.now)
    consent = next(dialogue)
    assert isinstance(consent, HttpRequest)
    asked = dialogue.send(bench._send(consent))
    assert isinstance(asked, Ask)
    token_id = bench.sim.request_token(CREDENTIALS.user_id, bench.now)
    consume = dialogue.send(f"http://127.0.0.1/callback?tokenId={token_id}")
    assert isinstance(consume, HttpRequest)

    with pytest.raises(StopIteration) as end:
        dialogue.send(bench._send(consume))

    assert urlsplit(asked.url).path == "/login/consentApp-login"
    session = end.value.value
    assert isinstance(session, Session)
    assert bench.run(DHAN.user(session)) == "1000000001"


# Orders


def test_a_market_order_is_found_by_its_tag_and_filled(bench: Bench) -> None:
    order_id = bench.place()

    row = bench.row(order_id)
    by_tag = bench.run(DHAN.by_tag(bench.session, bench.tag, bench))
    unknown = bench.run(DHAN.by_tag(bench.session, "never", bench))

    assert (row.status, row.tags) == (Status.FILLED, (bench.tag,))
    assert (row.symbol, row.filled_quantity, row.side) == ("NSE:INFY", 10, Side.BUY)
    assert by_tag.good == (row,)
    assert (unknown.good, unknown.bad) == ((), ())
    trades = bench.run(DHAN.trades(bench.session, bench))
    assert trades.is_whole
    assert sum(fill.quantity for fill in trades.good) == 10


def test_a_limit_order_is_modified_and_cancelled(bench: Bench) -> None:
    low = low_price(bench)
    order_id = bench.place(type=OrderType.LIMIT, price=low)
    changes = OrderChanges(price=low - 1, quantity=12)

    bench.run(DHAN.modify(bench.session, bench.row(order_id), changes, bench.infy))
    modified = bench.row(order_id)
    bench.run(DHAN.cancel(bench.session, modified))

    assert (modified.price, modified.quantity, modified.status) == (low - 1, 12, Status.OPEN)
    trail = bench.run(DHAN.trail(bench.session, order_id, bench))
    assert trail.is_whole
    assert [row.status for row in trail.good] == [Status.CANCELLED]


def test_every_type_validity_and_variety_is_taken_and_read_back(bench: Bench) -> None:
    low = low_price(bench)
    sold: dict[str, Any] = {"side": Side.SELL, "product": Product.MIS}
    limit: dict[str, Any] = {"type": OrderType.LIMIT, "price": low}

    ids = {
        "sl": bench.place(**sold, type=OrderType.SL, price=low - 2, trigger_price=low),
        "sl-m": bench.place(**sold, type=OrderType.SL_M, trigger_price=low),
        "ioc": bench.place(**limit, validity=Validity.IOC),
        "amo": bench.place(**limit, variety=Variety.AMO),
    }

    rows = {name: bench.row(order_id) for name, order_id in ids.items()}
    assert {name: row.status for name, row in rows.items()} == {
        "sl": Status.TRIGGER_PENDING,
        "sl-m": Status.TRIGGER_PENDING,
        "ioc": Status.CANCELLED,
        "amo": Status.PENDING,
    }
    assert rows["amo"].variety is Variety.AMO
    assert rows["sl-m"].type is OrderType.SL  # with a limit of ours
    assert rows["sl-m"].price is not None
    assert Decimal("0.89") < rows["sl-m"].price / low < 1


def test_a_stop_is_moved_and_made_a_market_order(bench: Bench) -> None:
    low = low_price(bench)
    order_id = bench.place(
        side=Side.SELL, product=Product.MIS, type=OrderType.SL_M, trigger_price=low
    )

    for changes in (
        OrderChanges(trigger_price=low + 1),
        OrderChanges(trigger_price=low - 100, type=OrderType.SL_M),
        OrderChanges(type=OrderType.MARKET),
    ):
        bench.run(DHAN.modify(bench.session, bench.row(order_id), changes, bench.infy))

    assert bench.row(order_id).status is Status.FILLED


def test_commodities_are_counted_in_units(bench: Bench) -> None:
    crude = next(i for i in bench.instruments if i.name == "CRUDEOIL")
    assert crude.lot_size == 100

    order_id = bench.place(crude.symbol, quantity=200, product=Product.NRML)

    assert bench.row(order_id).filled_quantity == 200
    assert bench.sim.orders.deeds[-1].terms["quantity"] == "200"


# Forever orders, portfolio, market data


def gtt(*triggers: Decimal, side: Side = Side.BUY) -> NewGtt:
    legs = tuple(
        GttLeg(trigger_price=trigger, side=side, quantity=5, price=trigger) for trigger in triggers
    )
    return NewGtt(symbol="NSE:INFY", legs=legs)


def test_triggers_are_placed_changed_listed_and_cancelled(bench: Bench) -> None:
    last = bench.last_price()
    low, high = (Decimal(round(last * Decimal(share))) for share in ("0.9", "1.1"))

    single = bench.run(DHAN.place_gtt(bench.session, gtt(low), bench.infy))
    oco = bench.run(DHAN.place_gtt(bench.session, gtt(low, high), bench.infy))
    bench.run(DHAN.modify_gtt(bench.session, single, gtt(low - 1), bench.infy))
    bench.run(DHAN.modify_gtt(bench.session, oco, gtt(low, high + 1), bench.infy))
    read = bench.run(DHAN.gtts(bench.session, bench))
    bench.run(DHAN.cancel_gtt(bench.session, single))
    after = bench.run(DHAN.gtts(bench.session, bench))

    assert read.is_whole
    assert {row.broker_gtt_id: [leg.trigger_price for leg in row.legs] for row in read.good} == {
        single: [low - 1],
        oco: [low, high + 1],
    }
    assert {row.broker_gtt_id: row.status for row in after.good} == {
        single: GttStatus.CANCELLED,
        oco: GttStatus.ACTIVE,
    }


def test_positions_holdings_and_funds_agree_with_the_exchange(bench: Bench) -> None:
    assert bench.run(DHAN.holdings(bench.session, bench)).good == ()
    bench.place()
    spent = bench.sim.paper.positions("1000000001")[0].buy_value
    (funds,) = bench.run(DHAN.funds(bench.session))
    positions = bench.run(DHAN.positions(bench.session, bench))
    bench.now += timedelta(hours=19)
    bench.sim.new_day(bench.now)

    holdings = bench.run(DHAN.holdings(bench.session, bench))

    assert funds.available == Decimal(10_000_000) - (spent or 0)
    assert [(p.symbol, p.quantity, p.buy_value) for p in positions.good] == [
        ("NSE:INFY", 10, spent)
    ]
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

    bench.run(DHAN.convert(bench.session, conversion, bench.infy))

    positions = bench.run(DHAN.positions(bench.session, bench)).good
    assert {p.product: p.quantity for p in positions} == {Product.CNC: 6, Product.MIS: 4}


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
    monday = datetime(2026, 11, 23, tzinfo=IST)

    one = bench.run(DHAN.margin(bench.session, ((order, bench.infy),)))
    two = bench.run(DHAN.margin(bench.session, ((order, bench.infy), (order, bench.infy))))
    quotes = bench.run(DHAN.quotes(bench.session, (bench.infy, nifty)))
    minutes = bench.run(
        history(DHAN, bench.session, bench.infy, Interval.M5, start, start + timedelta(hours=1))
    )
    days = bench.run(
        history(DHAN, bench.session, nifty, Interval.D1, monday, monday + timedelta(days=1))
    )

    assert (one.needed, two.needed) == (14_000, 28_000)
    assert set(quotes) == {"NSE:INFY", "NSE_INDEX:NIFTY"}
    depth = quotes["NSE:INFY"].depth
    assert depth.buy[0].price < depth.sell[0].price
    assert (len(minutes), minutes[0].at) == (13, start)
    assert [candle.at for candle in days] == [monday, monday + timedelta(days=1)]


def test_every_derivative_has_the_word_that_charts_want(bench: Bench) -> None:
    """The simulator refuses a chart that is asked for under another word."""
    start = datetime(2026, 11, 24, 9, 15, tzinfo=IST)

    for listed in bench.instruments:
        candles = bench.run(history(DHAN, bench.session, listed, Interval.H1, start, start))
        assert candles or listed.exchange == "MCX", listed.symbol


def test_without_a_data_plan_orders_go_on_and_quotes_say_why() -> None:
    bench = Bench(DHAN, DhanSim(seed=7, now=TEN, clients=(Client(data_plan=False),)), CREDENTIALS)

    assert bench.row(bench.place()).status is Status.FILLED
    with pytest.raises(BrokerError, match="data plan") as refused:
        bench.last_price()
    assert refused.value.fault is Fault.AUTH_DENIED


# Trouble


@pytest.mark.parametrize(
    ("reason", "fault"),
    [
        ("funds", Fault.INSUFFICIENT_FUNDS),
        ("holdings", Fault.INSUFFICIENT_FUNDS),
        ("input", Fault.INVALID_INPUT),
        ("order", Fault.ORDER_REJECTED),
        ("depository", Fault.ORDER_REJECTED),
        ("closed", Fault.MARKET_CLOSED),
        ("limit", Fault.RATE_LIMITED),
    ],
)
def test_a_sure_no_is_sure(bench: Bench, reason: str, fault: Fault) -> None:
    bench.sim.faults.add("reject", "POST", "/orders", reason=reason)

    with pytest.raises(BrokerError) as refused:
        bench.place()

    assert (refused.value.fault, refused.value.sure) == (fault, True)


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("timed_out_400", {}),
        ("status", {"status": 502}),
        ("status", {"status": 504}),
        ("status", {"status": 400}),
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


def test_what_risk_refuses_stands_rejected_in_the_book(bench: Bench) -> None:
    row = bench.row(bench.place(quantity=90_000))

    assert row.status is Status.REJECTED
    assert row.status_message is not None
    assert "rupees are needed" in row.status_message


def test_a_dead_session_and_a_full_second_are_told_apart(bench: Bench) -> None:
    bench.last_price()
    bench.now -= timedelta(seconds=1)
    with pytest.raises(BrokerError) as full:
        bench.last_price()
    bench.sim.faults.add("dead_session", "GET", "/orders")
    with pytest.raises(BrokerError) as dead:
        bench.rows()
    bench.now += timedelta(minutes=3)
    bench.session = bench.run(DHAN.login(CREDENTIALS, bench.now))

    assert (dead.value.fault, full.value.fault) == (Fault.AUTH_EXPIRED, Fault.RATE_LIMITED)
    assert bench.rows() == ()


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
    )

    with pytest.raises(BrokerError) as cancelled:
        bench.run(DHAN.cancel(bench.session, unknown))
    with pytest.raises(BrokerError) as asked:
        bench.run(DHAN.trail(bench.session, "42", bench))

    assert (cancelled.value.fault, asked.value.fault) == (Fault.NOT_FOUND, Fault.NOT_FOUND)
    assert cancelled.value.sure


def test_no_request_keeps_the_pin(bench: Bench) -> None:
    told = f"{bench.sim.requests}{bench.sim.orders.deeds}"

    assert Client().pin not in told
