"""What takes long is done in turns: who asks for much waits for himself, and memory is bounded."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.promises.daemon import PAPER, Daemon, ended, until
from tests.security.hostile import everything, fared, raw, request, resident

MEGABYTE = 1 << 20
SOON_S = (
    0.5  # in turns the longest is some 30 ms on an idle machine; all at once these took 1 to 12 s
)
ORDERS = 1000
CONNECTIONS = 2


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon with a thousand open orders."""
    accounts = f'{PAPER}cash = "100000000"\n'
    with ended([Daemon(tmp_path_factory.mktemp("b"), accounts)]) as (daemon,):
        daemon.ready()
        with daemon.client() as client:
            asked = [
                client.send("order.place", **daemon.order(f"k{n}", account="paper"))
                for n in range(ORDERS)
            ]
            for number in asked:
                client.answer(number)
        yield daemon


def asked_by_many(daemon: Daemon, data: bytes, connections: int = CONNECTIONS) -> None:
    """Each sends it all, reads all answers, and is answered to the end."""
    heard: list[bytes] = []

    def talk() -> None:
        with raw(daemon) as one:
            sending = threading.Thread(target=one.sendall, args=(data,))
            sending.start()
            sending.join()
            one.shutdown(socket.SHUT_WR)
            heard.append(everything(one)[-1:])

    talking = [threading.Thread(target=talk) for _ in range(connections)]
    for each in talking:
        each.start()
    for each in talking:
        each.join()
    assert heard == [b"\n"] * connections


LONG: dict[str, dict[str, Any]] = {
    "order.list": {"account": "paper", "limit": 1000},
    "journal.tail": {"limit": 1000},
    "journal.verify": {},
    "events.subscribe": {"topics": ["orders"]},
}


@pytest.mark.parametrize("method", LONG)
def test_who_asks_for_long_answers_by_the_dozen_waits_for_himself_alone(
    busy: Daemon, method: str
) -> None:
    many = b"".join(request(n, method, **LONG[method]) for n in range(24))
    before = resident(busy)

    with fared(busy) as took:
        asked_by_many(busy, many)

    assert max(took) < SOON_S
    assert resident(busy) - before < 64 * MEGABYTE


def test_pages_sent_for_ahead_are_all_answered_and_hold_up_nobody(busy: Daemon) -> None:
    page = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"

    with fared(busy) as took, raw(busy) as one:
        one.sendall(page * 300)
        one.shutdown(socket.SHUT_WR)
        answered = everything(one)

    assert answered.count(b"HTTP/1.1 200") == 300
    assert max(took) < SOON_S


def test_a_client_that_comes_back_for_thousands_of_events_gets_all_and_holds_up_nobody(
    busy: Daemon,
) -> None:
    epoch = busy.call("system.version")["epoch"]

    with fared(busy) as took, busy.client() as client:
        client.call("events.subscribe", topics=["orders"], since=1, epoch=epoch)
        events = client.wait_events(ORDERS)

    assert [event["prev"] for event in events[1:]] == [event["seq"] for event in events[:-1]]
    assert max(took) < SOON_S


def test_candles_of_two_weeks_come_in_steps(busy: Daemon) -> None:
    span = {"from": "2026-01-01T09:15:00+05:30", "to": "2026-01-15T15:30:00+05:30"}

    with fared(busy) as took:
        found = busy.call(
            "market.candles", account="paper", symbol="NSE:INFY", interval="1m", **span
        )

    assert len(found["candles"]) > 3000
    assert max(took) < SOON_S


def test_long_answers_that_nobody_reads_are_not_made(busy: Daemon) -> None:
    before = resident(busy)
    many = b"".join(request(n, "order.list", account="paper", limit=1000) for n in range(100))

    with ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(raw(busy)).sendall(many)
        orders = busy.call("order.list", account="paper", limit=10)["orders"]
        grown = resident(busy) - before

    assert len(orders) == 10
    assert grown < 64 * MEGABYTE


def test_a_batch_of_long_answers_keeps_within_the_memory_of_all(busy: Daemon) -> None:
    before = resident(busy)
    member = request(1, "order.list", account="paper", limit=1000).strip()
    batch = b"[" + b",".join([member] * 64) + b"]\n"

    with ExitStack() as stack:
        for _ in range(4):
            one = stack.enter_context(raw(busy))
            one.sendall(batch * 2)
        until(lambda: '"memory"' in busy.log_text())
        assert busy.call("system.ping")
        grown = resident(busy) - before

    assert grown < 192 * MEGABYTE


def test_a_caller_has_so_many_subscriptions_and_no_more(busy: Daemon) -> None:
    now = busy.call("system.status")["journal"]
    asked = {"topics": ["kill"], "since": now["seq"], "epoch": now["epoch"]}
    most = b"".join(request(n, "events.subscribe", **asked) for n in range(64))
    with ExitStack() as stack:
        for _ in range(8):
            one = stack.enter_context(raw(busy))
            one.sendall(most)
            heard = b""
            while heard.count(b"\n") < 64:
                data = one.recv(1 << 20)
                assert data
                heard += data
            assert b"error" not in heard
        last = stack.enter_context(raw(busy))
        last.sendall(request(1, "events.subscribe", **asked))
        refused = json.loads(last.recv(1 << 16))

    assert refused["error"]["data"]["kind"] == "OVERLOADED"
    until(lambda: "result" in _subscribed(busy, asked))


def _subscribed(daemon: Daemon, asked: dict[str, Any]) -> dict[str, Any]:
    with raw(daemon) as one:
        one.sendall(request(1, "events.subscribe", **asked))
        answer: dict[str, Any] = json.loads(one.recv(1 << 16))
        return answer


@pytest.mark.slow
def test_subscribing_and_ending_it_again_and_again_leaves_nothing(busy: Daemon) -> None:
    now = busy.call("system.status")["journal"]
    asked = {"topics": ["kill"], "since": now["seq"], "epoch": now["epoch"]}

    def rounds(count: int) -> int:
        for _ in range(count):
            name = client.call("events.subscribe", **asked)["subscription"]
            client.call("events.unsubscribe", subscription=name)
        return resident(busy)

    with busy.client() as client:
        before = rounds(1000)
        grown = rounds(3000) - before

    assert grown < MEGABYTE  # each once left half a kilobyte
