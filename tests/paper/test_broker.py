"""The paper broker's own book: it survives the daemon's death, a torn end and the night."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from ordod.adapter import HttpRequest, HttpResponse
from ordod.domain.calendar import WEEKDAYS
from ordod.domain.market import Interval
from ordod.paper.broker import PaperBroker
from ordod.paper.hours import IST
from tests.core.making import closed_on

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=IST)


def place(quantity: int = 1, price: str | None = None, tag: str = "a") -> HttpRequest:
    order = {
        "symbol": "NSE:INFY",
        "side": "BUY",
        "quantity": quantity,
        "type": "LIMIT" if price else "MARKET",
        "product": "CNC",
        "price": price,
        "tag": tag,
    }
    return request("POST", "/orders", json=order)


def request(method: str, path: str, **over: Any) -> HttpRequest:
    return HttpRequest(
        method, "rest", path, "any", (("authorization", "paper session-of-asha"),), **over
    )


def ask(broker: PaperBroker, path: str, now: datetime = NOW) -> Any:
    answer = broker.handle("asha", request("GET", path), now)
    assert answer.status == 200
    return msgspec.json.decode(answer.body)


class Paper:
    """A file that grows, as `AppendFile.write` sees it."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, data: bytes) -> None:
        self.content += data


def live(write: Callable[[bytes], None], saved: bytes = b"", **options: Any) -> PaperBroker:
    return PaperBroker(NOW, saved=saved, save=write, **options)


def test_what_was_answered_is_in_the_book_of_the_next_life() -> None:
    paper = Paper()
    first = live(paper.write)
    for number in range(5):
        assert first.handle("asha", place(tag=f"t{number}"), NOW).status == 200
    first.handle("asha", place(price="1300"), NOW)

    second = live(paper.write, paper.content)

    assert ask(second, "/orders") == ask(first, "/orders")
    assert ask(second, "/trades") == ask(first, "/trades")
    assert ask(second, "/funds") == ask(first, "/funds")


def test_an_order_is_saved_before_it_is_answered() -> None:
    paper = Paper()
    broker = live(paper.write)

    answer = broker.handle("asha", place(tag="mark"), NOW)

    assert answer.status == 200
    assert b'"mark"' in paper.content
    assert paper.content.endswith(b"\n")


def test_a_refused_order_and_a_look_save_nothing() -> None:
    paper = Paper()
    broker = live(paper.write)

    refused = broker.handle("asha", place(quantity=0), NOW)
    ask(broker, "/positions")

    assert refused.status == 400
    assert paper.content == b""


def test_ids_go_on_after_a_restart() -> None:
    paper = Paper()
    live(paper.write).handle("asha", place(), NOW)

    live(paper.write, paper.content).handle("asha", place(), NOW)

    orders = ask(live(paper.write, paper.content), "/orders")
    assert len({order["broker_order_id"] for order in orders}) == 2


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_torn_end_is_left_out_and_the_book_goes_on_behind_it(cut: int) -> None:
    paper = Paper()
    first = live(paper.write)
    first.handle("asha", place(tag="whole"), NOW)
    first.handle("asha", place(tag="torn"), NOW)
    paper.content = paper.content[:-cut]

    second = live(paper.write, paper.content)
    second.handle("asha", place(tag="new"), NOW)

    third = live(paper.write, paper.content)
    tags = [order["tags"] for order in ask(third, "/orders")]
    assert tags == [["whole"], ["new"]]
    assert third.exchange.dump() == second.exchange.dump()


def test_every_cut_of_the_file_opens_with_all_that_was_whole() -> None:
    paper = Paper()
    first = live(paper.write)
    for number in range(3):
        first.handle("asha", place(tag=f"t{number}"), NOW)
    morning = NOW + timedelta(days=1)
    first.handle("asha", place(tag="t3"), morning)

    ends = [at for at, byte in enumerate(paper.content) if byte == ord("\n")]
    near = {at + off for at in ends for off in (-1, 0, 1)} & set(range(len(paper.content)))
    for cut in sorted(near | set(range(0, len(paper.content), 97))):
        left = Paper()
        left.content = paper.content[:cut]
        second = live(left.write, left.content)
        second.handle("asha", place(tag="new"), NOW)

        third = PaperBroker(NOW, saved=left.content)
        bought = third.exchange.orders("asha")
        held = sum(holding.quantity for holding in third.exchange.holdings("asha"))
        told = paper.content[:cut].count(b'["place"')
        torn = 0 if paper.content[:cut].endswith(b"\n") or not cut else 1
        assert third.exchange.dump() == second.exchange.dump()
        assert told + 1 - torn <= len(bought) + held <= told + 1


def test_a_damaged_book_is_refused() -> None:
    paper = Paper()
    broker = live(paper.write)
    broker.handle("asha", place(), NOW)
    broker.handle("asha", place(), NOW)
    damaged = paper.content.replace(b'"place"', b'"plaxe"', 1)

    with pytest.raises(ValueError, match="not a saved command"):
        live(paper.write, damaged)


def test_a_new_book_begins_at_six_and_is_read_from_there() -> None:
    paper = Paper()
    broker = live(paper.write)
    broker.handle("asha", place(quantity=3), NOW)
    night, morning = (NOW.replace(day=24, hour=hour) for hour in (5, 6))
    at_night = len(ask(broker, "/orders", night))

    in_the_morning = ask(broker, "/orders", morning)
    broker.handle("asha", place(quantity=2), morning)
    again = PaperBroker(morning, saved=paper.content)

    assert (at_night, in_the_morning) == (1, [])
    assert [h["quantity"] for h in ask(again, "/holdings", morning)] == [3]
    assert [o["quantity"] for o in ask(again, "/orders", morning)] == [2]


def test_a_book_that_was_away_for_days_opens_with_new_contracts() -> None:
    paper = Paper()
    broker = live(paper.write)
    order = {
        "symbol": "NFO:NIFTY24NOV26FUT",
        "side": "BUY",
        "quantity": 65,
        "type": "MARKET",
        "product": "NRML",
        "tag": "a",
    }
    bought = broker.handle("asha", request("POST", "/orders", json=order), NOW)
    december = NOW + timedelta(days=10)

    again = PaperBroker(december, saved=paper.content)

    names = {row["symbol"] for row in ask(again, "/master", december)}
    assert bought.status == 200
    assert ask(again, "/positions", december) == []
    assert "NFO:NIFTY24NOV26FUT" not in names
    assert "NFO:NIFTY29DEC26FUT" in names


def test_a_calendar_that_was_changed_since_keeps_the_book() -> None:
    paper = Paper()
    before = live(paper.write, calendar=WEEKDAYS)
    before.handle("asha", place(quantity=3), NOW)

    after = live(paper.write, paper.content, calendar=closed_on([NOW.date()]))
    refused = after.handle("asha", place(quantity=5), NOW + timedelta(minutes=1))
    again = live(paper.write, paper.content, calendar=closed_on([NOW.date()]))

    assert (refused.status, msgspec.json.decode(refused.body)["fault"]) == (400, "MARKET_CLOSED")
    assert [order.terms.quantity for order in again.exchange.orders("asha")] == [3]
    assert again.exchange.dump() == after.exchange.dump()


def test_the_papers_market_rests_on_holidays() -> None:
    broker = live(lambda line: None, calendar=closed_on([NOW.date()]))

    days = broker.exchange.candles(
        "NSE:INFY", Interval.D1, NOW - timedelta(days=4), NOW + timedelta(days=1)
    )

    assert [candle.at.day for candle in days] == [20, 24]  # a day begins at midnight
    assert not broker.exchange.is_open("NSE:INFY", NOW)


def test_a_restart_with_other_hours_keeps_the_book() -> None:
    paper = Paper()
    always = live(paper.write)
    always.handle("asha", place(quantity=3), NOW)

    market = live(paper.write, paper.content, calendar=WEEKDAYS)
    market.handle("asha", place(quantity=4), NOW)
    night = market.handle("asha", place(quantity=5), NOW.replace(hour=20))
    again = live(paper.write, paper.content, calendar=WEEKDAYS)

    assert (night.status, msgspec.json.decode(night.body)["fault"]) == (400, "MARKET_CLOSED")
    assert [o["quantity"] for o in ask(again, "/orders")] == [3, 4]


def test_users_of_one_broker_trade_with_each_other_and_see_their_own_orders_only() -> None:
    broker = PaperBroker(NOW)
    broker.open_account("ravi", Decimal(5_000), NOW)
    ravi = HttpRequest(
        "GET", "rest", "/orders", "any", (("authorization", "paper session-of-ravi"),)
    )

    broker.handle("asha", place(), NOW)

    assert msgspec.json.decode(broker.handle("ravi", ravi, NOW).body) == []
    assert broker.exchange.funds("ravi").cash == 5_000
    assert broker.exchange.funds("asha").opening == 1_000_000


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        (request("GET", "/nothing"), 404),
        (request("PATCH", "/orders"), 404),
        (request("DELETE", "/orders/12"), 404),
        (request("POST", "/orders", json={"symbol": "NSE:INFY"}), 400),
        (request("GET", "/candles"), 400),
        (place(tag="a" * 21), 400),
        (HttpRequest("GET", "rest", "/orders", "any"), 401),
        (
            HttpRequest(
                "GET", "rest", "/orders", "any", (("authorization", "paper session-of-ravi"),)
            ),
            401,
        ),
    ],
)
def test_a_wrong_request_is_answered_with_a_fault(wrong: HttpRequest, status: int) -> None:
    answer: HttpResponse = PaperBroker(NOW).handle("asha", wrong, NOW)

    assert answer.status == status
    assert set(msgspec.json.decode(answer.body)) == {"fault", "message"}
