"""Paper accounts behind the core's ports."""

from datetime import datetime
from decimal import Decimal

import pytest

from ordod.adapter import HttpRequest
from ordod.core.ports import DiskError, LineSettings, Lost, NotAdmitted, Unsent
from ordod.paper import PAPER
from ordod.paper.hours import IST
from ordod.paper.line import PaperBrokers, paper_brokers

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=IST)


class StillClock:
    def now(self) -> datetime:
        return NOW

    def boot(self) -> float:
        return 100.0


def settings(account: str) -> LineSettings:
    return LineSettings(account=account, urls={"rest": "paper://exchange"})


def order(user: str) -> HttpRequest:
    terms = {
        "symbol": "NSE:INFY",
        "side": "BUY",
        "quantity": 1,
        "type": "MARKET",
        "product": "CNC",
        "tag": "a",
    }
    headers = (("authorization", f"paper session-of-{user}"),)
    return HttpRequest("POST", "rest", "/orders", "orders", headers, json=terms, writes=True)


def brokers() -> PaperBrokers:
    return paper_brokers({"demo": {"cash": "5000"}, "second": {}}, StillClock())


async def test_an_admitted_request_is_carried_out_and_answered() -> None:
    paper = brokers()
    asked: list[int] = []
    line = paper.line(PAPER.spec, settings("demo"))

    answer = await line.send(
        order("demo"),
        deadline=101.0,
        admit=lambda: asked.append(len(paper.broker.exchange.orders("demo"))),
    )

    assert answer.status == 200
    assert asked == [0]
    assert len(paper.broker.exchange.orders("demo")) == 1


async def test_what_is_not_admitted_never_reaches_the_exchange() -> None:
    paper = brokers()
    line = paper.line(PAPER.spec, settings("demo"))

    def admit() -> None:
        raise NotAdmitted

    with pytest.raises(NotAdmitted):
        await line.send(order("demo"), deadline=101.0, admit=admit)

    assert paper.broker.exchange.orders("demo") == []


async def test_past_its_deadline_nothing_is_sent() -> None:
    paper = brokers()
    line = paper.line(PAPER.spec, settings("demo"))

    with pytest.raises(Unsent):
        await line.send(order("demo"), deadline=99.0)

    assert paper.broker.exchange.orders("demo") == []


async def test_where_the_book_cannot_be_written_the_answer_is_lost_and_cancels_go_on() -> None:
    room = [b"the account"]

    def save(data: bytes) -> None:
        if not room:
            raise DiskError("no space left")
        room.pop()

    paper = paper_brokers({"demo": {}}, StillClock(), save=save)
    line = paper.line(PAPER.spec, settings("demo"))

    with pytest.raises(Lost, match="no space left"):
        await line.send(order("demo"), deadline=101.0)
    again = await line.send(order("demo"), deadline=101.0)

    assert again.status == 200
    assert len(paper.broker.exchange.orders("demo")) == 2


def test_an_account_begins_with_the_cash_of_its_options() -> None:
    paper = brokers()

    for account in ("demo", "second"):
        paper.line(PAPER.spec, settings(account))

    cash = [paper.broker.exchange.funds(account).cash for account in ("demo", "second")]
    assert cash == [Decimal(5_000), Decimal(1_000_000)]


@pytest.mark.parametrize(
    ("accounts", "words"),
    [
        ({"demo": {"cash": "plenty"}}, "plenty"),
        ({"demo": {"cash": "-1"}}, "out of range"),
        ({"demo": {"cash": "nan"}}, "out of range"),
        ({"demo": {"hours": "sometimes"}}, "always or market"),
        ({"demo": {"hours": "market"}, "second": {}}, "the same hours"),
    ],
)
def test_options_that_cannot_be_are_named(accounts: dict[str, dict[str, str]], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        paper_brokers(accounts, StillClock())


async def test_a_line_has_nothing_to_warm_reset_or_close() -> None:
    line = brokers().line(PAPER.spec, settings("demo"))

    await line.warm()
    exposed = line.reset_writes()
    await line.aclose()

    assert exposed == 0
