"""What `ordoctl top` knows and shows: events and prices move it, and it is never higher or wider than the terminal."""

import io
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace
from rich.console import Console

from ordoctl.board import ENDED_KEPT, Board
from ordoctl.ist import IST
from ordoctl.models import (
    Account,
    AccountPositions,
    Event,
    Failure,
    KillScope,
    KillStatus,
    Order,
    OrderLatency,
    Position,
    Snapshot,
    Status,
    Tick,
)
from ordoctl.render.board import Screen
from tests.ordoctl.test_render import an_order

AT = datetime(2026, 11, 25, 10, 0, tzinfo=IST)


def lines(board: Board, width: int = 80, height: int = 24) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, markup=False)
    console.print(Screen(board, AT), end="")
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().split("\n")


def order(name: str, status: str = "OPEN", **more: Any) -> Order:
    return an_order(order_id=name, status=status, symbol="NSE:INFY", filled_quantity=0, **more)


def event(one: Order) -> Event:
    return Event(topic="orders", seq=1, order=one)


def position(symbol: str = "NSE:INFY", quantity: int = 10, **more: Any) -> Position:
    told = {"last_price": Decimal(1500), "average_price": Decimal(1490), "pnl": Decimal(100)}
    return Position(symbol=symbol, quantity=quantity, **(told | more))


def positions(*rows: Position, account: str = "main") -> AccountPositions:
    return AccountPositions(account=account, positions=rows)


STATUS = Status(
    state="READY",
    version="0.1.0",
    accounts=(
        Account(account="main", broker="paper", state="ACTIVE", can_trade=True),
        Account(account="kite", broker="zerodha", state="DENIED", can_trade=False, why="wrong PIN"),
    ),
    latency=(OrderLatency(account="main", orders=9, median_ms=2.5, slow_ms=4.0, broker_ms=0.5),),
)


def test_a_snapshot_is_all_there_is_and_an_event_changes_one() -> None:
    board = Board().with_event(event(order("gone")))

    board = board.with_event(
        Event(topic="snapshot", snapshot=Snapshot(orders=(order("a"), order("b"))))
    )
    board = board.with_event(event(order("a", "PARTIALLY_FILLED")))

    assert {name: one.status for name, one in board.orders.items()} == {
        "a": "PARTIALLY_FILLED",
        "b": "OPEN",
    }


def test_doubts_come_first_and_of_what_ended_the_last_few_stay() -> None:
    board = Board()
    for number in range(ENDED_KEPT + 3):
        board = board.with_event(event(order(f"e{number}", "FILLED")))
    for name, status in (("live", "OPEN"), ("doubt", "IN_DOUBT"), ("new", "PENDING")):
        board = board.with_event(event(order(name, status)))

    names = [one.order_id for one in board.open_orders]

    assert names[:3] == ["doubt", "new", "live"]
    assert names[3:] == [f"e{n}" for n in reversed(range(3, ENDED_KEPT + 3))]


def test_a_position_moves_with_its_price() -> None:
    board = Board().with_positions([positions(position(), position("NSE:TCS", -5))])

    board = board.with_ticks([Tick(symbol="NSE:INFY", last_price=Decimal(1512))])
    board = board.with_prices({"NSE:TCS": Decimal(1490)})

    assert [one.pnl for one in board.held] == [Decimal(220), Decimal(150)]
    assert board.watched == {"NSE:INFY", "NSE:TCS"}


def test_without_a_price_a_position_is_worth_what_the_broker_said() -> None:
    row = position(last_price=None)
    board = Board().with_positions([positions(row)]).with_prices({"NSE:INFY": Decimal(1)})

    assert [one.pnl for one in board.held] == [Decimal(100)]


def test_an_account_that_cannot_be_read_keeps_what_it_had() -> None:
    board = Board().with_positions([positions(position()), positions(position(), account="kite")])

    failed = AccountPositions(account="kite", error=Failure(code=1102, message="no session"))
    board = board.with_positions([positions(account="main"), failed])

    assert [(one.account, one.position.quantity) for one in board.held] == [("kite", 10)]


def test_the_chosen_order_stays_chosen_while_others_come_and_go() -> None:
    board = Board().with_event(event(order("a"))).with_event(event(order("b")))
    board = board.moved(-1).moved(1)
    chosen = board.chosen
    assert chosen is not None

    more = board.with_event(event(order("c")))
    ended = more.with_event(event(replace(chosen, status="CANCELLED")))

    assert chosen.order_id == "a"
    assert more.chosen is not None
    assert more.chosen.order_id == "a"
    assert ended.chosen is not None
    assert ended.chosen.order_id in "bc"


def test_an_order_that_ends_takes_the_question_about_it_along() -> None:
    board = replace(Board().with_event(event(order("a"))), asks="c")

    board = board.with_event(event(order("a", "FILLED")))

    assert board.asks == ""
    assert board.chosen is None


def test_moving_without_an_order_chooses_none() -> None:
    assert Board().moved(1).chosen is None


# The screen


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("height", [8, 24, 50])
@pytest.mark.parametrize("count", [0, 3, 60])
def test_a_screen_is_as_high_as_the_terminal_and_ends_with_the_keys(
    width: int, height: int, count: int
) -> None:
    board = replace(Board(), status=STATUS)
    board = board.with_positions([positions(*(position(f"NSE:S{n}") for n in range(count)))])
    for number in range(count):
        board = board.with_event(event(order(f"o{number}")))

    shown = lines(board, width, height)

    assert len(shown) == height
    assert shown[-1].startswith("↑ ↓ choose")
    assert "READY" in shown[0]


def test_what_is_pressing_is_told_first() -> None:
    kill = KillStatus(engaged=True, scopes=(KillScope(reason="too wild"),))
    status = replace(STATUS, state="KILLED", kill=kill, todo="ordoctl release --reason WHY")

    shown = lines(replace(Board(), status=status))

    assert "KILLED" in shown[0]
    assert "KILLED (too wild): no new order leaves" in shown[1]
    assert shown[2].startswith("→ ordoctl release")
    first = next(line for line in shown if "kite" in line)
    assert "NO" in first
    assert "wrong PIN" in first
    assert shown.index(first) < next(n for n, line in enumerate(shown) if line.startswith("main"))
    assert "main 2.5 ms (95 of 100 within 4.0, broker 0.5)" in shown[-2]


def test_a_daemon_that_is_gone_is_told_and_what_was_known_stays() -> None:
    board = replace(Board(), status=STATUS, lost="no daemon at /run/s")

    shown = lines(board.with_event(event(order("a"))))

    assert "NO DAEMON" in shown[0]
    assert shown[1] == "no daemon at /run/s; trying again"
    assert any("NSE:INFY" in line for line in shown)


def test_the_chosen_order_is_always_on_the_screen() -> None:
    board = replace(Board(), status=STATUS)
    for number in range(60):
        board = board.with_event(event(order(f"o{number}", quantity=1000 + number)))
    board = board.moved(-100).moved(45)
    assert board.chosen is not None

    shown = lines(board)

    marked = [line for line in shown if line.startswith(">")]
    assert len(marked) == 1
    assert f"0/1,0{board.chosen.quantity - 1000:02}" in marked[0]


@pytest.mark.parametrize(("asks", "words"), [("c", "press c again"), ("K", "press K again")])
def test_a_key_that_acts_is_asked_for_twice(asks: str, words: str) -> None:
    shown = lines(replace(Board(), status=STATUS, asks=asks))

    assert shown[-1].startswith(words)


def test_a_brokers_words_do_not_steer_the_terminal() -> None:
    evil = "\x1b[2Jgone"
    account = Account(account="main", state="DENIED", can_trade=False, why=evil)
    status = replace(STATUS, accounts=(account,), todo=evil)

    shown = "\n".join(lines(replace(Board(), status=status, message=evil)))

    assert "\x1b" not in shown
    assert "gone" in shown
