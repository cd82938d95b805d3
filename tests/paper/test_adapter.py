"""The adapter, played by hand against the broker: each operation's requests and what comes of the answers."""

from collections.abc import Generator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from ordod.adapter import (
    BASE32,
    CONTRACT,
    OPERATIONS,
    BrokerError,
    BrokerOrder,
    Conversion,
    Credentials,
    Exchange,
    Fault,
    GttLeg,
    GttStatus,
    HttpRequest,
    HttpResponse,
    Instrument,
    Interval,
    NewGtt,
    NewOrder,
    OrderChanges,
    OrderType,
    Product,
    Side,
    Status,
    supports,
)
from ordod.paper import PAPER
from ordod.paper.broker import PaperBroker
from ordod.paper.hours import IST
from tests.adapters.bench import history

T = TypeVar("T")
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=IST)
LATER = NOW + timedelta(minutes=1)


class NoInstruments:
    """Rows of this broker name Ordo's symbols: nothing needs to be looked up."""

    def by_broker_symbol(self, exchange: Exchange, broker_symbol: str) -> Instrument | None:
        raise AssertionError("not needed")

    def by_token(self, instrument_token: str) -> Instrument | None:
        raise AssertionError("not needed")


NAMES = NoInstruments()


class Table:
    """A broker and one user's session with it; keeps the requests that went over."""

    def __init__(self) -> None:
        self.broker = PaperBroker(NOW)
        self.sent: list[HttpRequest] = []
        self.now = NOW
        self.session = self.play(PAPER.login(Credentials(), NOW))
        content = self.play(PAPER.master(self.session))
        self.names = {x.symbol: x for x in PAPER.parse_master(content, NOW.date())}
        self.infy = self.names["NSE:INFY"]

    def play(self, dialogue: Generator[Any, Any, T]) -> T:
        """Hand every request over and every answer back."""
        try:
            request = next(dialogue)
            while True:
                self.sent.append(request)
                request = dialogue.send(self.broker.handle("asha", request, self.now))
        except StopIteration as stop:
            value: T = stop.value
            return value

    def place(self, **over: Any) -> str:
        return self.play(PAPER.place(self.session, terms(**over), self.infy)).broker_order_id

    def row(self, order_id: str) -> BrokerOrder:
        rows = self.play(PAPER.orders(self.session, NAMES))
        return next(row for row in rows.good if row.broker_order_id == order_id)


def terms(**over: Any) -> NewOrder:
    fields: dict[str, Any] = {
        "symbol": "NSE:INFY",
        "side": Side.BUY,
        "quantity": 10,
        "type": OrderType.MARKET,
        "product": Product.CNC,
        "tag": "ab234567abcdefghijkl",
    }
    return NewOrder(**(fields | over))


RESTING = {"type": OrderType.LIMIT, "price": Decimal(1300)}


def test_the_paper_broker_can_do_everything_the_contract_knows() -> None:
    assert PAPER.contract == CONTRACT
    assert [name for name in OPERATIONS if not supports(PAPER, name)] == []
    assert PAPER.spec.tag is not None
    assert (PAPER.spec.tag.length, PAPER.spec.tag.alphabet) == (20, BASE32)


def test_a_login_needs_nothing_and_names_the_user() -> None:
    table = Table()

    assert table.session.user_id == "asha"
    assert table.play(PAPER.user(table.session)) == "asha"
    assert (table.sent[0].method, table.sent[0].path) == ("GET", "/login")


def test_after_a_logout_the_session_is_dead_until_the_next_login() -> None:
    table = Table()

    table.play(PAPER.logout(table.session))
    with pytest.raises(BrokerError) as dead:
        table.place()
    table.play(PAPER.login(Credentials(), NOW))

    assert (dead.value.fault, dead.value.sure) == (Fault.AUTH_EXPIRED, True)
    assert table.place()


def test_an_order_with_its_tag_is_found_in_the_book_by_tag_and_by_its_trail() -> None:
    table = Table()

    order_id = table.place()

    row = table.row(order_id)
    found = table.play(PAPER.by_tag(table.session, "ab234567abcdefghijkl", NAMES))
    trail = table.play(PAPER.trail(table.session, order_id, NAMES))
    assert (row.status, row.filled_quantity, row.symbol) == (Status.FILLED, 10, "NSE:INFY")
    assert row.tags == ("ab234567abcdefghijkl",)
    assert found.good == (row,)
    assert [one.status for one in trail.good] == [Status.PENDING, Status.FILLED]
    assert table.play(PAPER.by_tag(table.session, "other", NAMES)).good == ()


def test_only_the_requests_that_change_something_say_so() -> None:
    table = Table()
    order_id = table.place(**RESTING)
    row = table.row(order_id)
    instrument = table.infy

    table.play(PAPER.modify(table.session, row, OrderChanges(quantity=5), instrument))
    table.play(PAPER.cancel(table.session, row))
    table.play(PAPER.trades(table.session, NAMES))
    table.play(PAPER.margin(table.session, ((terms(), instrument),)))

    changes = [(one.method, one.path) for one in table.sent if one.writes]
    assert changes == [
        ("POST", "/orders"),
        ("PUT", f"/orders/{order_id}"),
        ("DELETE", f"/orders/{order_id}"),
    ]


def test_the_body_of_an_order_is_plain_json() -> None:
    table = Table()

    table.place(**RESTING)

    kind, body = table.sent[-1].body()
    assert kind == "application/json"
    assert b'"price":"1300"' in body
    assert b'"side":"BUY"' in body


def test_a_change_and_a_cancel_are_seen_in_the_row() -> None:
    table = Table()
    order_id = table.place(**RESTING)

    changes = OrderChanges(price=Decimal(1310), quantity=7)
    table.play(PAPER.modify(table.session, table.row(order_id), changes, table.infy))
    changed = table.row(order_id)
    table.play(PAPER.cancel(table.session, changed))

    assert (changed.price, changed.quantity, changed.status) == (Decimal(1310), 7, Status.OPEN)
    assert table.row(order_id).status is Status.CANCELLED


@pytest.mark.parametrize(
    ("over", "fault"),
    [
        ({"quantity": 0}, Fault.INVALID_INPUT),
        ({"symbol": "NSE:NONE"}, Fault.NOT_FOUND),
        ({"quantity": 90_000}, Fault.INSUFFICIENT_FUNDS),
        ({"product": Product.MTF}, Fault.INVALID_INPUT),
    ],
)
def test_every_refusal_is_sure(over: dict[str, Any], fault: Fault) -> None:
    table = Table()

    with pytest.raises(BrokerError) as refusal:
        table.place(**over)

    assert (refusal.value.fault, refusal.value.sure) == (fault, True)
    assert refusal.value.message


def test_an_answer_nobody_understands_is_unreadable_and_never_sure() -> None:
    table = Table()
    session = table.session

    for answer in (
        HttpResponse(200, (), b"<html>"),
        HttpResponse(200, (), b"{}"),
        HttpResponse(502, (), b""),
        HttpResponse(400, (), b'{"fault":"SOMETHING","message":"?"}'),
    ):
        dialogue = PAPER.place(session, terms(), table.infy)
        next(dialogue)
        with pytest.raises(BrokerError) as error:
            dialogue.send(answer)
        assert (error.value.fault, error.value.sure) == (Fault.UNREADABLE, False)


def test_trades_positions_and_funds_tell_one_story() -> None:
    table = Table()
    before = table.play(PAPER.funds(table.session))[0].available

    table.place()

    (trade,) = table.play(PAPER.trades(table.session, NAMES)).good
    (position,) = table.play(PAPER.positions(table.session, NAMES)).good
    (after,) = table.play(PAPER.funds(table.session))
    assert (position.symbol, position.quantity) == ("NSE:INFY", trade.quantity)
    assert before - after.available == trade.quantity * trade.price


def test_a_conversion_and_the_next_days_holdings() -> None:
    table = Table()
    table.place(product=Product.MIS)
    conversion = Conversion(
        symbol="NSE:INFY",
        side=Side.BUY,
        quantity=10,
        from_product=Product.MIS,
        to_product=Product.CNC,
    )

    table.play(PAPER.convert(table.session, conversion, table.infy))
    table.now = NOW + timedelta(days=1)

    (holding,) = table.play(PAPER.holdings(table.session, NAMES)).good
    assert (holding.symbol, holding.quantity) == ("NSE:INFY", 10)
    assert table.play(PAPER.orders(table.session, NAMES)).good == ()
    assert table.play(PAPER.positions(table.session, NAMES)).good == ()


def test_a_gtt_is_placed_changed_listed_and_cancelled() -> None:
    table = Table()
    leg = GttLeg(trigger_price=Decimal(1300), side=Side.BUY, quantity=5, price=Decimal(1301))
    gtt = NewGtt(symbol="NSE:INFY", legs=(leg,))
    changed = NewGtt(symbol="NSE:INFY", legs=(replace_quantity(leg, 6),))

    gtt_id = table.play(PAPER.place_gtt(table.session, gtt, table.infy))
    table.play(PAPER.modify_gtt(table.session, gtt_id, changed, table.infy))
    (row,) = table.play(PAPER.gtts(table.session, NAMES)).good
    table.play(PAPER.cancel_gtt(table.session, gtt_id))

    assert (row.broker_gtt_id, row.status, row.legs) == (gtt_id, GttStatus.ACTIVE, changed.legs)
    (ended,) = table.play(PAPER.gtts(table.session, NAMES)).good
    assert ended.status is GttStatus.CANCELLED


def replace_quantity(leg: GttLeg, quantity: int) -> GttLeg:
    return GttLeg(
        trigger_price=leg.trigger_price, side=leg.side, quantity=quantity, price=leg.price
    )


def test_the_margin_of_orders_is_what_they_would_tie_up_together() -> None:
    table = Table()
    resting = terms(**RESTING)

    margin = table.play(PAPER.margin(table.session, ((resting, table.infy),) * 2))

    assert margin.needed == 26_000
    assert margin.available == 1_000_000


def test_prices_come_by_symbol_and_unknown_ones_are_left_out() -> None:
    table = Table()
    unknown = Instrument(
        exchange=Exchange.NSE,
        symbol="NSE:NONE",
        broker_symbol="NONE",
        instrument_token="1",
        kind=table.infy.kind,
        tick_size=Decimal("0.05"),
        lot_size=1,
    )
    wanted = (table.infy, unknown, table.names["NSE_INDEX:NIFTY"])

    quotes = table.play(PAPER.quotes(table.session, wanted))
    last = table.play(PAPER.ltp(table.session, wanted))

    assert set(quotes) == set(last) == {"NSE:INFY", "NSE_INDEX:NIFTY"}
    assert quotes["NSE:INFY"].depth is not None
    assert last["NSE:INFY"].depth is None
    assert last["NSE:INFY"].last_price == quotes["NSE:INFY"].last_price


def test_candles_over_many_days_are_joined_each_once() -> None:
    table = Table()
    start = NOW - timedelta(days=20)

    found = table.play(history(PAPER, table.session, table.infy, Interval.H1, start, LATER))

    requests = [one for one in table.sent if one.path == "/candles"]
    moments = [candle.at for candle in found]
    assert len(requests) > 1
    assert moments == sorted(set(moments))
    assert min(moments) >= start
    assert max(moments) <= LATER
    assert len({moment.date() for moment in moments}) == 15


def test_a_damaged_master_is_unreadable() -> None:
    with pytest.raises(BrokerError) as error:
        PAPER.parse_master(b'[{"symbol": "NSE:INFY"}]', NOW.date())

    assert error.value.fault is Fault.UNREADABLE
