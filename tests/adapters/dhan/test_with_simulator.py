"""The adapter talks to the simulator without a socket: two independent readings of one fact sheet must agree."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest

from ordo_adapters.dhan import DHAN
from ordod.adapter import (
    Ask,
    BrokerError,
    Credentials,
    Fault,
    HttpRequest,
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
from tests.adapters.bench import TEN, Bench

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
