"""Events: no gap, no repeat, and the snapshot joins the stream (WIRE 6)."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Client, Daemon, running

TERMS: dict[str, Any] = {
    "account": "paper",
    "symbol": "NSE:INFY",
    "side": "BUY",
    "quantity": 1,
    "type": "MARKET",
    "product": "CNC",
}
RESTING: dict[str, Any] = {**TERMS, "type": "SL-M", "trigger_price": 2900}
LIVE = ("PENDING", "OPEN", "TRIGGER_PENDING", "PARTIALLY_FILLED", "IN_DOUBT")
SUBJECTS = {
    "orders": "order",
    "trades": "trade",
    "accounts": "account",
    "kill": "kill",
    "system": "system",
}


class Stream:
    """One subscription: checks the chain of each event it takes."""

    def __init__(self, client: Client, **params: Any) -> None:
        self.client = client
        self.answer = client.ask("events.subscribe", **params)
        self.seq = self.answer["seq"]

    def take(self, within_s: float = 20) -> Any:
        event = self.client.event(within_s)
        subject = SUBJECTS[event["topic"]]
        assert set(event) == {"subscription", "topic", "epoch", "seq", "prev", "at", subject}
        assert event["subscription"] == self.answer["subscription"]
        assert event["epoch"] == self.answer["epoch"]
        assert event["prev"] == self.seq
        assert event["seq"] > event["prev"]
        self.seq = event["seq"]
        return event

    def until(self, seq: int) -> list[Any]:
        """The events up to the one of this number."""
        taken = []
        while self.seq < seq:
            taken.append(self.take())
        assert self.seq == seq
        return taken

    def until_order(self, key: str, status: str) -> list[Any]:
        taken: list[Any] = []
        while not taken or (taken[-1]["order"]["key"], taken[-1]["order"]["status"]) != (
            key,
            status,
        ):
            taken.append(self.take())
        return taken


def test_an_order_is_told_from_its_acceptance_to_its_end(
    client: Client, connect: Callable[[], Client], new_key: Callable[[], str]
) -> None:
    key = new_key()
    stream = Stream(connect(), topics=["orders"])

    client.ask("order.place", **RESTING, key=key)
    client.ask("order.cancel", account="paper", key=key)

    events = stream.until_order(key, "CANCELLED")
    assert next(e["order"]["status"] for e in events if e["order"]["key"] == key) == "PENDING"
    assert events[-1]["order"] == client.ask("order.get", account="paper", key=key)["order"]
    assert events[-1]["order"]["seq"] == events[-1]["seq"]


def test_each_topic_tells_its_own_and_nothing_else(
    client: Client, connect: Callable[[], Client], new_key: Callable[[], str]
) -> None:
    streams = {topic: Stream(connect(), topics=[topic]) for topic in SUBJECTS}
    both = Stream(connect(), topics=["trades", "kill"])
    key = new_key()

    client.ask("order.place", **TERMS, key=key)
    trade = streams["trades"].take()["trade"]
    client.ask("kill.engage", reason="a test", cancel_open=False)
    client.ask("kill.release", reason="over")

    assert (trade["key"], trade["quantity"], trade["side"]) == (key, 1, "BUY")
    assert [streams["kill"].take()["kill"]["event"] for _ in range(2)] == ["engaged", "released"]
    assert [both.take()["topic"] for _ in range(3)] == ["trades", "kill", "kill"]
    streams["orders"].until_order(key, "FILLED")
    for silent in ("accounts", "system"):
        streams[silent].client.ask("system.ping")
        assert not streams[silent].client.events


def test_the_filters_of_account_strategy_and_symbol_let_only_their_own_pass(
    client: Client, connect: Callable[[], Client], new_key: Callable[[], str]
) -> None:
    streams = {
        "account": Stream(connect(), topics=["orders"], accounts=["second"]),
        "strategy": Stream(connect(), topics=["orders"], strategy="told"),
        "symbol": Stream(connect(), topics=["orders"], symbols=["NSE:ITC", "NSE:TCS"]),
        "all": Stream(
            connect(), topics=["orders"], accounts=["second"], strategy="told", symbols=["NSE:ITC"]
        ),
    }
    orders = {
        new_key(): {},
        new_key(): {"account": "second"},
        new_key(): {"strategy": "told"},
        new_key(): {"symbol": "NSE:ITC"},
        new_key(): {"account": "second", "strategy": "told", "symbol": "NSE:ITC"},
    }
    keys = list(orders)

    for key, more in orders.items():
        client.ask("order.place", **{**RESTING, **more, "key": key})
        client.ask("order.cancel", account={**TERMS, **more}["account"], key=key)

    told = {
        name: {e["order"]["key"] for e in stream.until_order(keys[-1], "CANCELLED")}
        for name, stream in streams.items()
    }
    assert told == {
        "account": {keys[1], keys[4]},
        "strategy": {keys[2], keys[4]},
        "symbol": {keys[3], keys[4]},
        "all": {keys[4]},
    }


def test_the_answer_comes_before_the_first_event_also_in_a_batch(
    client: Client, connect: Callable[[], Client], new_key: Callable[[], str]
) -> None:
    resting = new_key()
    client.ask("order.place", **RESTING, key=resting)
    client.ask("order.get", account="paper", key=resting, wait_ms=500)
    listener = connect()
    wait = {"account": "paper", "key": resting, "wait_ms": 2000}
    listener.send(
        [
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "events.subscribe",
                "params": {"topics": ["orders"]},
            },
            {"jsonrpc": "2.0", "id": 2, "method": "order.get", "params": wait},
        ]
    )
    client.ask("system.ping")

    for _ in range(5):
        client.ask("order.place", **{**RESTING, "symbol": "NSE:TCS"}, key=new_key(), strategy="b")
    client.ask("order.cancel", account="paper", key=resting)

    answers = listener.read()
    assert [answer["id"] for answer in answers] == [1, 2]
    subscribed = answers[0]["result"]
    first = listener.event()
    assert (first["subscription"], first["prev"]) == (
        subscribed["subscription"],
        subscribed["seq"],
    )


def test_fifty_connections_miss_nothing_under_load_and_their_snapshots_join(
    client: Client, connect: Callable[[], Client], new_key: Callable[[], str]
) -> None:
    placers = [connect() for _ in range(4)]
    asked = []
    streams: list[Stream] = []

    for round_ in range(50):
        for placer in placers:
            terms = RESTING if round_ % 2 else TERMS
            asked.append((placer, placer.begin("order.place", **terms, key=new_key())))
        streams.append(Stream(connect(), topics=["orders"], accounts=["paper"]))
        if round_ % 10 == 9:
            placers[0].begin("order.cancel_all", account="paper")
    for placer, number in asked:
        placer.answer(number)
    last = new_key()
    client.ask("order.place", **TERMS, key=last, strategy="last")
    Stream(
        client, topics=["orders"], since=streams[0].seq, epoch=streams[0].answer["epoch"]
    ).until_order(last, "FILLED")

    listed = {order["order_id"]: order for order in whole_list(client)}
    shown = {name: order for name, order in listed.items() if order["status"] in LIVE}
    for stream in streams:
        state = {order["order_id"]: order for order in stream.answer["snapshot"]["orders"]}
        for event in stream.until_order(last, "FILLED"):
            state[event["order"]["order_id"]] = event["order"]
        assert all(order == listed[name] for name, order in state.items())
        assert {n: order for n, order in state.items() if order["status"] in LIVE} == shown


def whole_list(client: Client) -> list[Any]:
    orders: list[Any] = []
    after = None
    while True:
        page = client.ask("order.list", account="paper", limit=1000, after=after)
        orders += page["orders"]
        after = page["next"]
        if after is None:
            return orders


def test_who_comes_back_with_since_is_told_what_was_missed_and_no_more(
    daemon: Daemon, client: Client, new_key: Callable[[], str]
) -> None:
    keys = [new_key() for _ in range(6)]
    with daemon.connect() as gone:
        stream = Stream(gone, topics=["orders", "trades"])
        client.ask("order.place", **TERMS, key=keys[0])
        seen = stream.take()["seq"]
    for key in keys[1:]:
        client.ask("order.place", **RESTING, key=key)
        client.ask("order.cancel", account="paper", key=key)

    with daemon.connect() as back:
        again = Stream(back, topics=["orders", "trades"], since=seen, epoch=stream.answer["epoch"])

        assert again.answer["snapshot"] is None
        assert (again.answer["reset"], again.answer["seq"]) == (False, seen)
        told = again.until(client.ask("order.get", account="paper", key=keys[-1])["order"]["seq"])
    ends = [e["order"]["key"] for e in told if e.get("order", {}).get("status") == "CANCELLED"]
    assert [key for key in ends if key in keys] == keys[1:]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"epoch": "0123456789abcdef"}, "epoch"),
        ({"since": 10**12}, "since"),
        ({"epoch": None}, "epoch"),
        ({"since": -1}, "since"),
        ({"since": True}, "since"),
    ],
)
def test_a_since_that_cannot_be_is_refused(
    client: Client, change: dict[str, Any], field: str
) -> None:
    epoch = client.ask("system.version")["epoch"]

    error = client.refused(
        "events.subscribe", **{"topics": ["orders"], "since": 1, "epoch": epoch, **change}
    )

    assert (error["data"]["kind"], error["data"]["field"]) == ("INVALID_PARAMS", field)


def test_a_since_at_the_head_is_told_only_what_follows(
    client: Client, connect: Callable[[], Client], new_key: Callable[[], str]
) -> None:
    status = client.ask("system.status")["journal"]

    stream = Stream(connect(), topics=["orders"], since=status["seq"], epoch=status["epoch"])
    key = new_key()
    client.ask("order.place", **RESTING, key=key)

    assert stream.take()["order"]["key"] == key


def test_an_unknown_account_cannot_be_listened_to(client: Client) -> None:
    error = client.refused("events.subscribe", topics=["orders"], accounts=["nosuch"])

    assert error["data"]["kind"] == "UNKNOWN_ACCOUNT"


def test_an_unsubscribed_stream_is_silent_and_its_neighbour_is_not(
    client: Client, connect: Callable[[], Client], new_key: Callable[[], str]
) -> None:
    listener = connect()
    first = listener.ask("events.subscribe", topics=["orders"])["subscription"]
    second = listener.ask("events.subscribe", topics=["orders"])["subscription"]

    listener.ask("events.unsubscribe", subscription=first)
    key = new_key()
    client.ask("order.place", **RESTING, key=key)
    event = listener.event()
    while event["order"]["key"] != key:  # an order of a test before may still be told, to both
        event = listener.event()

    assert event["subscription"] == second
    assert listener.refused("events.unsubscribe", subscription=first)["data"]["field"] == (
        "subscription"
    )
    assert client.refused("events.unsubscribe", subscription=second)["data"]["kind"] == (
        "INVALID_PARAMS"
    )


def test_a_connection_has_a_bounded_number_of_subscriptions(connect: Callable[[], Client]) -> None:
    listener = connect()
    for _ in range(64):
        listener.ask("events.subscribe", topics=["system"])

    assert listener.refused("events.subscribe", topics=["system"])["data"]["kind"] == "OVERLOADED"


def test_a_slow_reader_is_hung_up_on_and_comes_back_with_since(
    daemon: Daemon, client: Client, connect: Callable[[], Client], new_key: Callable[[], str]
) -> None:
    slow = connect()
    names = [slow.ask("events.subscribe", topics=["orders"])["subscription"] for _ in range(60)]
    epoch = client.ask("system.version")["epoch"]
    others = Stream(connect(), topics=["orders"])
    keys = [new_key() for _ in range(150)]

    numbers = [client.begin("order.place", **TERMS, key=key) for key in keys]
    for number in numbers:
        client.answer(number)
    everything = others.until_order(keys[-1], "FILLED")
    told: list[Any] = []
    with suppress(ConnectionError):
        while True:
            told.append(slow.event(5))

    assert len(told) < len(everything) * len(names)
    mine = [event for event in told if event["subscription"] == names[0]]
    with daemon.connect() as back:
        again = Stream(back, topics=["orders"], since=mine[-1]["seq"], epoch=epoch)
        rest = again.until(everything[-1]["seq"])
    assert [e["seq"] for e in mine + rest] == [e["seq"] for e in everything]


def test_events_are_not_for_http(daemon: Daemon) -> None:
    body = json.dumps(
        {"jsonrpc": "2.0", "id": 1, "method": "events.subscribe", "params": {"topics": ["orders"]}}
    ).encode()
    with daemon.connect(checked=False) as client:
        client.send_bytes(
            b"POST /rpc HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b" % (len(body), body)
        )

        answer = json.loads(client.rest().partition(b"\r\n\r\n")[2])

    assert answer["error"]["data"]["kind"] == "INVALID_REQUEST"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Daemon]:
    with running(tmp_path / "ordod", '[accounts.paper]\nbroker = "paper"\n') as started:
        yield started


def test_a_stream_goes_on_after_a_restart_or_is_reset_with_a_snapshot(own: Daemon) -> None:
    with ExitStack() as stack:
        client = stack.enter_context(own.connect())
        stream = Stream(stack.enter_context(own.connect()), topics=["orders"])
        client.ask("order.place", **RESTING, key="k-1")
        client.ask("order.place", **RESTING, key="k-2")
        seen = stream.take()["seq"]
        stream.until_order("k-2", "TRIGGER_PENDING")
        head = stream.seq

    own.stop()
    own.start()

    with own.connect() as back:
        epoch = back.ask("system.version")["epoch"]
        assert epoch == stream.answer["epoch"]
        again = Stream(back, topics=["orders"], since=seen, epoch=epoch)
        if again.answer["reset"]:
            orders = {order["key"] for order in again.answer["snapshot"]["orders"]}
            assert orders == {"k-1", "k-2"}
            assert again.answer["seq"] >= head
        else:
            assert again.until(head)
        back.ask("order.cancel", account="paper", key="k-1")
        again.until_order("k-1", "CANCELLED")


def test_what_is_older_than_what_is_kept_is_a_reset_with_a_snapshot(own: Daemon) -> None:
    with own.connect() as client, own.connect() as listener:
        before = client.ask("system.status")["journal"]
        client.ask("order.place", **RESTING, key="rests")
        ioc = {**TERMS, "type": "LIMIT", "validity": "IOC", "price": client_price(client)}
        count = 0
        while client.ask("system.status")["journal"]["seq"] < before["seq"] + 16_500:
            numbers = [client.begin("order.place", **ioc, key=f"k-{count + n}") for n in range(250)]
            count += 250
            for number in numbers:
                client.answer(number)

        stream = Stream(listener, topics=["orders"], since=before["seq"], epoch=before["epoch"])

        assert stream.answer["reset"] is True
        assert "rests" in {order["key"] for order in stream.answer["snapshot"]["orders"]}
        client.ask("order.cancel", account="paper", key="rests")
        stream.until_order("rests", "CANCELLED")
        newest = client.ask("journal.tail", limit=1000)["entries"]
        seqs = [entry["seq"] for entry in newest]
        assert seqs == list(range(seqs[0], seqs[0] + 1000))


def client_price(client: Client) -> Any:
    """A price within the day's band at which nobody sells."""
    quote = client.ask("market.quote", symbols=["NSE:INFY"])["quotes"]["NSE:INFY"]
    return float(round(quote["last_price"] * 9 / 10))
