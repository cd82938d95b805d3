"""P9: no event is lost or repeated for a client that reconnects; nothing is told before its record is durable."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from ordod.sim.process import SimProcess
from tests.promises.daemon import PAPER, Client, Daemon, Refused

Make = Callable[..., Daemon]

OF_ORDERS = ("accepted", "rejected", "unsent", "doubt", "settled", "update")
TOPICS = ["orders", "trades"]


def subscribe(client: Client, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = client.call("events.subscribe", topics=TOPICS, **more)
    return answer


def due(daemon: Daemon, after: int) -> list[int]:
    """The numbers of the records an order subscriber must have heard of."""
    orders = {line["id"] for line in daemon.records("intent")}
    return [
        line["seq"]
        for line in daemon.journal()
        if line["seq"] > after
        and (line["type"] == "fill" or (line["type"] in OF_ORDERS and line["id"] in orders))
    ]


def all_events(client: Client) -> list[dict[str, Any]]:
    """Those that came before the daemon died."""
    with suppress(OSError):
        while True:
            client.wait_events(len(client.events) + 1)
    return client.events


def test_a_subscriber_that_comes_back_after_sigkill_misses_nothing_and_hears_nothing_twice(
    make: Make,
) -> None:
    daemon = make(PAPER).ready()
    heard: list[dict[str, Any]] = []
    with daemon.client() as client:
        begun = subscribe(client)
        since, first_since = begun["seq"], begun["seq"]

    for life in range(4):
        with daemon.client() as listener, daemon.client() as trader:
            answer = subscribe(listener, since=since, epoch=begun["epoch"])
            calls = [
                trader.send("order.place", **daemon.order(f"k{life}-{n}", account="paper"))
                for n in range(20)
            ]
            trader.answer(calls[10])
            listener.wait_events(1 + life)
            daemon.kill()
            heard += all_events(listener)
            since = heard[-1]["seq"]
            assert answer["reset"] is False
        daemon.ready()
    with daemon.client() as listener:
        subscribe(listener, since=since, epoch=begun["epoch"])
        all_due = due(daemon, first_since)
        listener.wait_events(len([seq for seq in all_due if seq > since]))
        heard += listener.events

    assert [event["seq"] for event in heard][: len(all_due)] == all_due
    assert [event["prev"] for event in heard] == [first_since, *(e["seq"] for e in heard[:-1])]
    assert {event["epoch"] for event in heard} == {begun["epoch"]}


def test_after_an_orderly_end_too_a_subscriber_knows_how_everything_stands(make: Make) -> None:
    daemon = make(PAPER).ready()
    daemon.place("before", account="paper")
    with daemon.client() as client:
        begun = subscribe(client)
        daemon.place("heard", account="paper")
        since = client.wait_events(1)[0]["seq"]
    daemon.place("missed", account="paper")

    assert daemon.stop() == 0
    daemon.ready()
    with daemon.client() as client:
        answer = subscribe(client, since=since, epoch=begun["epoch"])
        client.call("system.ping")
        told = {event["order"]["key"] for event in client.events}
        shown = {order["key"] for order in (answer["snapshot"] or {"orders": []})["orders"]}

    assert "missed" in told | shown
    assert answer["reset"] is (answer["snapshot"] is not None)


def test_an_answer_or_event_never_comes_before_its_record_is_durable(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker, faulty=True).ready()
    terms = daemon.order("slow")
    with daemon.client() as listener, daemon.client() as trader:
        subscribe(listener)
        daemon.plan("hang", "append", seconds=1.0, holding='"accepted"')
        began = time.monotonic()
        call = trader.send("order.place", **terms)
        listener.wait_events(1)
        told_s = time.monotonic() - began
        trader.answer(call)
        answered_s = time.monotonic() - began

    assert told_s > 1.0
    assert answered_s > 1.0
    assert listener.events[0]["seq"] == daemon.records("accepted")[0]["seq"]


def test_an_outcome_that_cannot_be_stored_is_told_as_in_doubt_and_no_event_tells_more(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker, faulty=True).ready()
    with daemon.client() as listener:
        subscribe(listener)
        daemon.plan("fail", "append", holding='"accepted"')
        answer = daemon.place("unstored")["order"]
        again = daemon.place("unstored")["order"]
        listener.call("system.ping")
        events = list(listener.events)
    daemon.kill()
    daemon.no_plan()
    daemon.ready()
    end = daemon.settled("unstored")

    assert (answer["status"], again["status"]) == ("IN_DOUBT", "IN_DOUBT")
    assert events == []
    assert end["status"] == "OPEN"
    assert sum(deed["tag"] == end["tag"] for deed in sim.placements()) == 1


def test_a_since_of_another_journal_or_beyond_the_head_is_refused(make: Make) -> None:
    daemon = make(PAPER).ready()

    with daemon.client() as client:
        epoch = subscribe(client)["epoch"]
        refusals = []
        for params in ({"since": 1, "epoch": "f" * 16}, {"since": 10_000, "epoch": epoch}):
            with pytest.raises(Refused) as refused:
                subscribe(client, **params)
            refusals.append(refused.value.kind)

    assert refusals == ["INVALID_PARAMS", "INVALID_PARAMS"]
