"""Events: one after the other over any number of connections, each once and none missing."""

import threading
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from ordoctl import AsyncClient, Client, NoDaemon, Refused
from ordoctl.conversation import Lost, Pause, Send
from ordoctl.events import Connect, Deliver, Next, follow, wanted
from ordoctl.wire import Notice, read
from tests.ordoctl.scripted import HANG_UP, Action, Event, Fail, ScriptedDaemon, order

TRADE = {
    "trade_id": "t1",
    "account": "main",
    "symbol": "NSE:INFY",
    "side": "BUY",
    "quantity": 10,
    "price": 1450.05,
    "order_id": "o1",
}


def started(seq: int, *, reset: bool = False, orders: list[Any] | None = None) -> dict[str, Any]:
    positions = {"main": [{"symbol": "NSE:INFY", "product": "CNC", "quantity": 10}]}
    snapshot = {
        "orders": orders,
        "positions": positions,
        "accounts": [],
        "kill": {"engaged": False},
    }
    return {
        "subscription": "s1",
        "epoch": "e1",
        "seq": seq,
        "reset": reset,
        "snapshot": snapshot if orders is not None else None,
    }


def changed(seq: int, prev: int, order_id: str = "o1") -> Event:
    return Event(
        subscription="s1",
        topic="orders",
        epoch="e1",
        seq=seq,
        prev=prev,
        at="2026-11-23T09:15:00+05:30",
        order=order(order_id=order_id, seq=seq),
    )


def traded(seq: int, prev: int) -> Event:
    return Event(
        subscription="s1", topic="trades", epoch="e1", seq=seq, prev=prev, at=None, trade=TRADE
    )


def take(daemon: ScriptedDaemon, count: int, **what: Any) -> list[Any]:
    """The first events of a subscription to orders and trades."""
    with Client(daemon.path) as client, client.events(["orders", "trades"], **what) as events:
        return [next(events) for _ in range(count)]


def test_it_begins_with_a_snapshot_and_goes_on_with_whole_objects(daemon: ScriptedDaemon) -> None:
    daemon.on("events.subscribe", [started(5, orders=[order()]), changed(6, 5), traded(7, 6)])

    snapshot, event, trade = take(daemon, 3)

    assert snapshot.topic == "snapshot"
    assert snapshot.snapshot.orders[0].order_id == "o1"
    assert snapshot.snapshot.positions["main"][0].quantity == 10
    assert not snapshot.reset
    assert event.order.seq == 6
    assert trade.trade.trade_id == "t1"
    assert daemon.calls("events.subscribe") == [{"topics": ["orders", "trades"]}]


def test_an_event_that_overtakes_the_answer_is_not_lost(daemon: ScriptedDaemon) -> None:
    daemon.on("events.subscribe", [changed(6, 5), started(5), changed(7, 6)])

    events = take(daemon, 2)

    assert [event.seq for event in events] == [6, 7]


def test_a_lost_connection_is_followed_by_another_that_asks_since(daemon: ScriptedDaemon) -> None:
    daemon.on(
        "events.subscribe",
        [started(5), changed(6, 5), changed(7, 6), HANG_UP],
        [started(9), changed(7, 6), changed(8, 7), changed(9, 8)],
    )

    events = take(daemon, 4)

    assert [event.seq for event in events] == [6, 7, 8, 9]
    assert daemon.calls("events.subscribe")[1]["since"] == 6
    assert daemon.calls("events.subscribe")[1]["epoch"] == "e1"


def test_of_two_events_with_one_number_neither_is_lost_nor_repeated(daemon: ScriptedDaemon) -> None:
    daemon.on(
        "events.subscribe",
        [started(5), changed(6, 5), HANG_UP],
        [started(6), changed(6, 5), traded(6, 6), changed(7, 6)],
    )

    events = take(daemon, 3)

    assert [(event.seq, event.topic) for event in events] == [
        (6, "orders"),
        (6, "trades"),
        (7, "orders"),
    ]
    assert daemon.calls("events.subscribe")[1]["since"] == 5


def test_a_gap_is_found_and_fetched(daemon: ScriptedDaemon) -> None:
    daemon.on(
        "events.subscribe",
        [started(5), changed(6, 5), changed(8, 7)],
        [started(8), changed(6, 5), changed(7, 6), changed(8, 7)],
    )

    events = take(daemon, 3)

    assert [event.seq for event in events] == [6, 7, 8]


def test_a_reset_gives_a_new_snapshot(daemon: ScriptedDaemon) -> None:
    daemon.on(
        "events.subscribe",
        [started(5), changed(6, 5), HANG_UP],
        [started(99, reset=True, orders=[order(order_id="o9")]), changed(100, 99)],
    )

    first, snapshot, after = take(daemon, 3)

    assert first.seq == 6
    assert snapshot.reset
    assert snapshot.snapshot.orders[0].order_id == "o9"
    assert after.seq == 100


def test_an_earlier_run_is_gone_on_with(daemon: ScriptedDaemon) -> None:
    daemon.on("events.subscribe", [started(9), changed(8, 7), changed(9, 8)])

    events = take(daemon, 2, since=7, epoch="e1")

    assert [event.seq for event in events] == [8, 9]
    assert daemon.calls("events.subscribe")[0]["since"] == 7


def test_another_journal_is_refused_and_not_glossed_over(daemon: ScriptedDaemon) -> None:
    daemon.on("events.subscribe", Fail(-32602, "INVALID_PARAMS", "another epoch"))

    with pytest.raises(Refused, match="another epoch"):
        take(daemon, 1, since=7, epoch="e0")


def test_a_busy_daemon_is_asked_again(daemon: ScriptedDaemon) -> None:
    daemon.on("events.subscribe", Fail(1003, "OVERLOADED"), [started(5), changed(6, 5)])

    (event,) = take(daemon, 1)

    assert event.seq == 6


def test_a_restarted_daemon_is_waited_for_but_the_first_must_be_there(
    daemon: ScriptedDaemon,
) -> None:
    daemon.on(
        "events.subscribe", [started(5), changed(6, 5)], [started(7), changed(6, 5), changed(7, 6)]
    )

    with Client(daemon.path) as client, client.events(["orders"]) as events:
        first = next(events)
        daemon.stop()
        again = threading.Timer(0.1, daemon.start)
        again.start()
        second = next(events)
        again.join()
    daemon.stop()

    assert (first.seq, second.seq) == (6, 7)
    with pytest.raises(NoDaemon):
        take(daemon, 1)
    daemon.start()


def test_closing_from_another_thread_ends_it(daemon: ScriptedDaemon) -> None:
    daemon.on("events.subscribe", [started(5), changed(6, 5)])

    with Client(daemon.path) as client, client.events(["orders"]) as events:
        next(events)
        threading.Timer(0.05, events.close).start()
        rest = list(events)

    assert rest == []


def test_one_text_for_topics_is_a_mistake_that_is_named() -> None:
    with pytest.raises(TypeError, match="topics is a list"):
        wanted("orders")


@pytest.mark.anyio
async def test_the_awaited_client_goes_on_after_a_loss_and_after_a_cancelled_wait(
    daemon: ScriptedDaemon,
) -> None:
    daemon.on(
        "events.subscribe",
        [started(5), changed(6, 5), HANG_UP],
        [started(7), changed(6, 5), changed(7, 6)],
    )

    async with AsyncClient(daemon.path) as client, client.events(["orders"]) as events:
        first = await anext(events)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anext(events)
        second = await anext(events)
        with anyio.move_on_after(0.05):
            await anext(events)

    assert (first.seq, second.seq) == (6, 7)


@given(
    stream=st.lists(st.integers(1, 3), min_size=1, max_size=12),
    cuts=st.lists(st.integers(0, 20), max_size=6),
)
def test_wherever_connections_end_every_event_comes_once(
    stream: list[int], cuts: list[int]
) -> None:
    """`stream`: how many events share each number. `cuts`: after how many messages each connection ends."""
    events = [
        (seq, topic)
        for seq, count in enumerate(stream, start=1)
        for topic in ("orders", "trades", "system")[:count]
    ]
    lengths = iter(cuts)
    got: list[tuple[int | None, str]] = []
    steps = follow(wanted(["orders"]), clock=lambda: 0.0, timeout=1.0)
    queue: list[Action] = []
    reply: object = None

    while len(got) < len(events):
        match steps.send(reply):
            case Connect() | Pause():
                reply = None
            case Send(params=params):
                since = params.get("since", 0)
                coming = [event for event in events if event[0] > since]
                queue = [_notice(seq, topic, since) for seq, topic in coming]
                queue = queue[: next(lengths, len(queue))]
                reply = Raw(b'{"epoch":"e1","seq":0}')
            case Next():
                reply = _received(queue.pop(0)) if queue else Lost("cut")
            case Deliver(event=event):
                got.append((event.seq, event.topic))
                reply = None

    assert got == events


def _notice(seq: int, topic: str, since: int) -> Event:
    if topic == "orders":
        return changed(seq, max(since, seq - 1))
    if topic == "trades":
        return traded(seq, seq)
    return Event(topic=topic, epoch="e1", seq=seq, prev=seq, system={})


def _received(event: Action) -> Notice:
    assert isinstance(event, Event)
    message = read(event.line)
    assert isinstance(message, Notice)
    return message


# Prices


def pushed(*ticks: dict[str, Any], skipped: int = 0) -> Event:
    return Event(
        subscription="s1",
        topic="ticks",
        epoch="e1",
        at="2026-11-23T09:15:00+05:30",
        skipped=skipped,
        ticks=[{"symbol": "NSE:INFY", "last_price": 1450.05} | tick for tick in ticks],
    )


def test_ticks_come_one_by_one_and_those_skipped_are_counted(daemon: ScriptedDaemon) -> None:
    daemon.on(
        "events.subscribe",
        [
            started(5),
            pushed({"volume": 1}, {"symbol": "NSE:TCS"}),
            pushed({"volume": 2}, skipped=3),
        ],
    )

    with Client(daemon.path) as client, client.ticks(["NSE:INFY", "NSE:TCS"]) as ticks:
        told = [next(ticks) for _ in range(3)]

        assert [(tick.symbol, tick.volume) for tick in told] == [
            ("NSE:INFY", 1),
            ("NSE:TCS", None),
            ("NSE:INFY", 2),
        ]
        assert str(told[0].last_price) == "1450.05"
        assert ticks.skipped == 3
    [said] = daemon.calls("events.subscribe")
    assert said == {"topics": ["ticks"], "symbols": ["NSE:INFY", "NSE:TCS"]}


def test_ticks_go_on_over_another_connection_from_now_on(daemon: ScriptedDaemon) -> None:
    daemon.on(
        "events.subscribe",
        [started(5), pushed({"volume": 1}), HANG_UP],
        [started(9), pushed({"volume": 2})],
    )

    with Client(daemon.path) as client, client.ticks(["NSE:INFY"], account="main") as ticks:
        told = [next(ticks).volume, next(ticks).volume]

    assert told == [1, 2]
    assert (
        daemon.calls("events.subscribe")
        == [{"topics": ["ticks"], "symbols": ["NSE:INFY"], "accounts": ["main"]}] * 2
    )


async def test_ticks_can_be_awaited(daemon: ScriptedDaemon) -> None:
    daemon.on("events.subscribe", [started(5), pushed({"volume": 1}, {"volume": 2}, skipped=1)])

    async with AsyncClient(daemon.path) as client, client.ticks(["NSE:INFY"]) as ticks:
        told = []
        async for tick in ticks:
            told.append(tick.volume)
            if len(told) == 2:
                break

        assert told == [1, 2]
        assert ticks.skipped == 1


def test_prices_that_end_are_asked_for_anew_and_the_refusal_is_raised(
    daemon: ScriptedDaemon,
) -> None:
    end = Event(
        subscription="s1", topic="ticks", epoch="e1", at=None, skipped=0, ticks=[], ended="gone"
    )
    refusal = Fail(1101, "UNKNOWN_ACCOUNT", "no account 'main' is configured")
    daemon.on("events.subscribe", [started(5), end], [refusal])

    with (
        Client(daemon.path) as client,
        client.ticks(["NSE:INFY"], account="main") as ticks,
        pytest.raises(Refused, match="no account 'main'") as refused,
    ):
        next(ticks)

    assert refused.value.kind == "UNKNOWN_ACCOUNT"
