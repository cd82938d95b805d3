"""P3: the truth, always. What an error says of a key, and how a doubt ends."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from ordod.sim.process import SimProcess, running
from tests.promises.daemon import HORIZON_S, SHARES, Daemon, Refused, until, zerodha

Make = Callable[..., Daemon]

APART = timedelta(seconds=5)
REFUSALS = {  # the broker's reason -> the kind a client hears
    "funds": "INSUFFICIENT_FUNDS",
    "input": "ORDER_REJECTED",
    "order": "ORDER_REJECTED",
    "closed": "MARKET_CLOSED",
    "holdings": "INSUFFICIENT_FUNDS",
    "depository": "ORDER_REJECTED",
}


def tag_of(daemon: Daemon, key: str) -> str:
    [intent] = daemon.records("intent", key=key)
    return str(intent["tag"])


def at_broker(sim: SimProcess, tag: str) -> int:
    return sum(deed["tag"] == tag for deed in sim.placements())


def refusal(daemon: Daemon, key: str, **more: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        daemon.place(key, **more)
    return refused.value


def test_a_refusal_with_new_key_means_no_order_and_its_replay_says_so(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker).ready()

    told = {}
    for reason in REFUSALS:
        sim.fault("reject", "POST", "/orders", reason=reason)
        told[reason] = refusal(daemon, reason)
    daemon.kill()
    daemon.ready()
    replayed = {reason: daemon.place(reason) for reason in REFUSALS}

    assert {reason: error.kind for reason, error in told.items()} == REFUSALS
    assert {error.retry for error in told.values()} == {"new_key"}
    assert [at_broker(sim, tag_of(daemon, reason)) for reason in REFUSALS] == [0] * len(REFUSALS)
    assert {answer["order"]["status"] for answer in replayed.values()} == {"REJECTED"}
    assert all(answer["replayed"] for answer in replayed.values())


def test_what_is_refused_before_the_intent_stores_nothing_and_leaves_the_key_free(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker + "\n[risk]\nmax_quantity = 5\n").ready()

    refusals = [
        refusal(daemon, "free", symbol="NSE:NOSUCH", price=100),
        refusal(daemon, "free", price=1400.013),
        refusal(daemon, "free", quantity=6),
        refusal(daemon, "free", account="nobody", price=1400),
        refusal(daemon, "free", side="HOLD"),
    ]
    stored = daemon.records("intent")
    placed = daemon.insist("free")

    kinds = [error.kind for error in refusals]
    assert kinds == [
        "UNKNOWN_INSTRUMENT",
        "INVALID_PARAMS",
        "RISK_REFUSED",
        "UNKNOWN_ACCOUNT",
        "INVALID_PARAMS",
    ]
    assert {error.retry for error in refusals} == {"same_key"}
    assert stored == []
    assert at_broker(sim, placed["tag"]) == 1


def test_a_key_with_another_order_is_key_reused_and_shows_the_order_that_exists(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker).ready()
    first = daemon.insist("mine")

    error = refusal(daemon, "mine", quantity=2, price=first["price"] + 1)

    assert (error.kind, error.retry) == ("KEY_REUSED", "never")
    assert set(error.data["differs"]) == {"quantity", "price"}
    assert error.data["order"]["order_id"] == first["order_id"]
    assert at_broker(sim, first["tag"]) == 1


def test_absence_needs_two_complete_readings_after_the_horizon_and_presence_beats_it(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker).ready()
    daemon.insist("echo")
    sim.fault("lose_before", "POST", "/orders")
    sim.fault("late", "POST", "/orders", seconds=1.5)
    sim.fault("late", "POST", "/orders", seconds=10.0)

    never = daemon.place("never", symbol=SHARES[0])["order"]
    soon = daemon.place("soon", symbol=SHARES[1])["order"]
    much_later = daemon.place("much-later", symbol=SHARES[2])["order"]
    early = daemon.settled("soon")
    ends = [daemon.settled("never"), daemon.settled("much-later")]
    until(lambda: daemon.get("much-later")["status"] == "OPEN")

    assert [never["status"], soon["status"], much_later["status"]] == ["IN_DOUBT"] * 3
    assert never["next_check"] is not None
    assert early["status"] == "OPEN"
    assert [end["status"] for end in ends] == ["NOT_PLACED"] * 2
    assert at_broker(sim, never["tag"]) == 0
    assert at_broker(sim, much_later["tag"]) == 1
    [doubt] = daemon.records("doubt", id=never["order_id"])
    readings = daemon.records("evidence", id=never["order_id"], found=False)
    begun = [datetime.fromisoformat(reading["begun_at"]) for reading in readings]
    assert all(reading["complete"] for reading in readings)
    assert begun[0] - datetime.fromisoformat(doubt["died_at"]) >= timedelta(seconds=HORIZON_S)
    assert begun[-1] - begun[0] >= APART
    assert daemon.verified().is_good


@pytest.mark.parametrize("seconds", [600.0, -600.0])
def test_a_stepped_clock_ends_no_doubt_early_and_makes_no_second_order(
    make: Make, sim: SimProcess, broker: str, seconds: float
) -> None:
    daemon = make(broker, faulty=True).ready()
    daemon.insist("echo")
    sim.fault("lose_before", "POST", "/orders")
    sim.fault("lose_after", "POST", "/orders")
    never = daemon.place("never", symbol=SHARES[0])["order"]
    lost = daemon.place("lost", symbol=SHARES[1])["order"]
    begun = time.monotonic()

    daemon.step_clock(seconds)
    ends = [daemon.settled("never")["status"], daemon.settled("lost")["status"]]
    took_s = time.monotonic() - begun
    daemon.kill()
    daemon.ready()
    again = [
        daemon.place("never", symbol=SHARES[0])["order"]["status"],
        daemon.place("lost", symbol=SHARES[1])["order"]["status"],
    ]

    assert ends == again == ["NOT_PLACED", "OPEN"]
    assert (
        took_s >= HORIZON_S - 1
    )  # boot time: it was not the ten minutes that the wall clock jumped
    assert [at_broker(sim, never["tag"]), at_broker(sim, lost["tag"])] == [0, 1]
    assert daemon.verified().is_good


def test_a_doubt_stays_one_while_the_book_cannot_be_read(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker).ready()
    daemon.insist("echo")
    sim.fault("lose_before", "POST", "/orders")
    sim.fault("status", "GET", "/orders", times=None)
    daemon.place("blind")

    time.sleep(HORIZON_S + 1)
    blind, evidence = daemon.get("blind"), daemon.records("evidence")

    assert blind["status"] == "IN_DOUBT"
    assert evidence == []
    assert at_broker(sim, blind["tag"]) == 0


def test_a_deadline_that_passes_in_the_queue_sends_nothing_and_leaves_the_key_free(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker).ready()

    error = refusal(daemon, "hurry", timeout_ms=50)
    placed = daemon.insist("hurry")

    assert error.kind in ("TOO_LATE", "RATE_LIMITED")
    assert error.retry == "same_key"
    assert at_broker(sim, placed["tag"]) == 1


def test_no_connection_to_the_broker_is_broker_unavailable_and_nothing_is_sent(make: Make) -> None:
    with running("--no-limits") as sim:
        daemon = make(zerodha(sim)).ready()
        daemon.insist("echo")
        until(lambda: daemon.get("echo")["status"] == "OPEN")
    # The simulator has ended: its port refuses.

    error = refusal(daemon, "alone", timeout_ms=1500)
    status = daemon.get("echo")["status"]

    assert (error.kind, error.retry) == ("BROKER_UNAVAILABLE", "same_key")
    assert daemon.records("unsent", kind="BROKER_UNAVAILABLE")
    assert status == "OPEN"


def test_a_daemon_that_is_told_to_stop_in_mid_call_answers_first(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker).ready()
    daemon.insist("echo")
    sim.fault("delay", "POST", "/orders", seconds=0.7)

    with daemon.client() as client:
        call = client.send("order.place", **daemon.order("last"))
        until(lambda: daemon.records("intent", key="last"))
        status = daemon.stop()
        answer = client.answer(call)["order"]

    assert status == 0
    assert answer["status"] in ("PENDING", "OPEN")
    assert at_broker(sim, answer["tag"]) == 1
    assert daemon.records("close")
    assert daemon.verified().is_good
