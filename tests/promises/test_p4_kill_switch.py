"""P4: once the kill switch is engaged no new order is handed to a socket, until a person releases it."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from pwd import getpwnam
from typing import Any

import pytest

from ordod.sim.process import SimProcess
from tests.promises.daemon import SHARES, Daemon, Refused, until, zerodha
from tests.promises.gateway import gateway

Make = Callable[..., Daemon]


def posts(sim: SimProcess) -> list[dict[str, Any]]:
    return [r for r in sim.requests() if r["method"] == "POST" and r["path"].startswith("/orders")]


def outcome(daemon: Daemon, key: str, **more: Any) -> str:
    """The status of the order, or the kind of the error."""
    try:
        return str(daemon.place(key, **more)["order"]["status"])
    except Refused as refused:
        return refused.kind


def open_at_broker(sim: SimProcess) -> set[str]:
    """Ids of orders that were made and not cancelled."""
    deeds = [deed for deed in sim.deeds() if not deed["error"]]
    placed = {deed["order_id"] for deed in deeds if deed["what"] == "place"}
    return placed - {deed["order_id"] for deed in deeds if deed["what"] == "cancel"}


def engage_by_call(daemon: Daemon) -> None:
    assert daemon.call("kill.engage", reason="test")["durable"]


def engage_by_signal(daemon: Daemon) -> None:
    daemon.signal(signal.SIGUSR1)


def engage_by_file(daemon: Daemon) -> None:
    folder = daemon.state / "kill.d"
    folder.mkdir(exist_ok=True)
    (folder / "operator.json").write_text("{}")


def engage_by_byte(daemon: Daemon) -> None:
    with (daemon.state / "kill.gate").open("r+b") as gate:
        gate.write(b"\x01")


WAYS = {
    "call": engage_by_call,
    "SIGUSR1": engage_by_signal,
    "kill.d": engage_by_file,
    "gate byte": engage_by_byte,
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_in_stops_new_orders_cancels_open_ones_and_survives_sigkill(
    way: str, make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker).ready()
    daemon.insist("open")

    WAYS[way](daemon)
    daemon.wait_status(lambda status: status["kill"]["engaged"] and status["kill"]["scopes"])
    before = len(posts(sim))
    refused = outcome(daemon, "after")
    until(lambda: daemon.get("open")["status"] == "CANCELLED")
    daemon.kill()
    daemon.ready()
    after_the_crash = outcome(daemon, "after-crash")

    assert (refused, after_the_crash) == ("KILLED", "KILLED")
    assert len(posts(sim)) == before
    assert daemon.records("kill")
    assert daemon.verified().is_good


@pytest.mark.parametrize("way", ["SIGUSR1", "gate byte"])
def test_a_blocked_event_loop_does_not_let_an_order_pass_a_closed_gate(
    way: str, make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker, faulty=True).ready()
    before = len(posts(sim))
    daemon.plan("spin", "admit", seconds=1.0, holding="POST /orders")

    with daemon.client() as client:
        call = client.send("order.place", **daemon.order("late"))
        until(lambda: daemon.records("intent", key="late"))
        WAYS[way](daemon)
        with pytest.raises(Refused) as refused:
            client.answer(call)

    assert refused.value.kind == "KILLED"
    assert len(posts(sim)) == before
    assert daemon.records("unsent", kind="KILLED")


def test_under_load_no_new_order_arrives_after_the_answer_and_every_order_is_cancelled(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker).ready()
    already = open_at_broker(sim)
    sim.fault("delay", "POST", "/orders", seconds=0.2, times=None)

    with ThreadPoolExecutor(60) as pool:
        calls = [
            pool.submit(outcome, daemon, f"load-{n}", symbol=SHARES[n % len(SHARES)])
            for n in range(60)
        ]
        until(lambda: len(open_at_broker(sim) - already) >= 5)
        answer = daemon.call("kill.engage", reason="load")
        arrived = len(posts(sim))
        outcomes = [call.result() for call in calls]
    until(lambda: not open_at_broker(sim) - already, within_s=30)
    status = daemon.wait_status(lambda _: not daemon.call("kill.status")["sweep"]["running"], 30)

    assert answer["durable"]
    assert len(posts(sim)) == arrived
    assert outcomes.count("KILLED") >= 30
    assert set(outcomes) <= {"KILLED", "PENDING", "OPEN", "CANCELLED", "IN_DOUBT"}
    assert status["doubts"] == []
    killed = {f"load-{n}" for n, what in enumerate(outcomes) if what == "KILLED"}
    tags = {record["tag"] for record in daemon.records("intent") if record["key"] in killed}
    assert not tags & {deed["tag"] for deed in sim.placements()}


def test_an_order_in_doubt_is_cancelled_when_it_appears(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker).ready()
    sim.fault("late", "POST", "/orders", seconds=2.0)
    assert outcome(daemon, "doubtful") == "IN_DOUBT"

    daemon.call("kill.engage", reason="test")
    until(lambda: daemon.get("doubtful")["status"] == "CANCELLED")

    tag = daemon.get("doubtful")["tag"]
    [placed] = [deed for deed in sim.placements() if deed["tag"] == tag]
    assert placed["order_id"] not in open_at_broker(sim)


def test_a_sweep_that_sigkill_cut_off_goes_on_after_the_restart(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker).ready()
    daemon.insist("open")
    sim.fault("lose_before", "DELETE", "/orders", times=None)
    daemon.call("kill.engage", reason="test")
    uncancelled = daemon.get("open")["status"]

    daemon.kill()
    sim.call("DELETE", "faults")
    daemon.ready()
    until(lambda: daemon.get("open")["status"] == "CANCELLED")

    assert uncancelled in ("PENDING", "OPEN")
    assert daemon.call("kill.status")["engaged"]


def test_with_a_dead_disk_an_order_in_doubt_is_cancelled_when_it_appears_too(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker, faulty=True).ready()
    already = open_at_broker(sim)
    sim.fault("late", "POST", "/orders", seconds=2.0)
    assert outcome(daemon, "doubtful") == "IN_DOUBT"

    daemon.plan("fail", "disk", at=0)
    answer = daemon.call("kill.engage", reason="dead disk")
    tag = daemon.get("doubtful")["tag"]
    until(lambda: [deed for deed in sim.placements() if deed["tag"] == tag])  # it appears
    until(lambda: not open_at_broker(sim) - already)

    assert answer["durable"] is False
    assert daemon.get("doubtful")["status"] == "IN_DOUBT"


def test_an_order_that_waits_for_its_connection_or_its_handshake_is_not_sent_after_the_kill(
    make: Make, sim: SimProcess, folder: Path, shared_token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gateway(sim, folder) as way:
        monkeypatch.setenv("SSL_CERT_FILE", str(way.authority))
        account = zerodha(sim, token=shared_token).replace(sim.url, way.url)
        daemon = make(account).ready()
        daemon.insist("echo")
        before = len(posts(sim))

        way.cut()
        with daemon.client() as client:
            call = client.send("order.place", **daemon.order("handshake"))
            assert way.held.wait(10)
            until(lambda: daemon.records("intent", key="handshake"))
            daemon.call("kill.engage", reason="test", cancel_open=False)
            way.open.set()
            with pytest.raises(Refused) as refused:
                client.answer(call)
        daemon.kill()

    assert refused.value.kind == "KILLED"
    assert len(posts(sim)) == before


def test_a_broker_that_hangs_does_not_keep_the_gate_open(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker).ready()
    daemon.insist("open")
    sim.fault("hang", "DELETE", "/orders", times=None)

    with daemon.client() as client:
        call = client.send("kill.engage", reason="hung broker")
        daemon.wait_status(lambda status: status["kill"]["engaged"], within_s=2)
        refused = outcome(daemon, "meanwhile")
        sim.call("DELETE", "faults")
        answer = client.answer(call)
    until(lambda: daemon.get("open")["status"] == "CANCELLED")

    assert refused == "KILLED"
    assert answer["durable"]


def test_a_dead_disk_stops_neither_the_kill_nor_the_cancels(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker, faulty=True).ready()
    already = open_at_broker(sim)
    daemon.insist("open-1")
    daemon.insist("open-2")
    daemon.plan("fail", "disk", at=0)
    assert outcome(daemon, "dead") == "JOURNAL_FAILED"

    by_hand = daemon.call("order.cancel", account="zerodha", key="open-1")
    answer = daemon.call("kill.engage", reason="dead disk")

    assert by_hand["change"] == "in_doubt"
    assert by_hand["durable"] is False
    assert answer["durable"] is False
    assert answer["cancelled"] + answer["failed"] >= 1
    until(lambda: not open_at_broker(sim) - already)
    assert daemon.call("kill.status")["engaged"]


def test_a_hanging_disk_stops_neither_the_kill_nor_the_cancels(
    make: Make, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker, faulty=True).ready()
    already = open_at_broker(sim)
    daemon.insist("open")
    daemon.plan("hang", "disk", at=0, seconds=30)

    began = time.monotonic()
    answer = daemon.call("kill.engage", reason="hanging disk")
    took_s = time.monotonic() - began

    assert answer["durable"] is False
    until(lambda: not open_at_broker(sim) - already)
    assert took_s < 5


def test_only_an_admin_releases_and_then_orders_pass(
    make: Make, folder: Path, sim: SimProcess, broker: str
) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can ask as another user")
    daemon = make(f'[access.users]\nnobody = "trade"\n{broker}').ready()
    for path in (folder, daemon.folder):
        path.chmod(0o755)

    with as_nobody(), daemon.client() as trader:
        engaged = trader.call("kill.engage", reason="a trader may")
        with pytest.raises(Refused) as refused:
            trader.call("kill.release", reason="a trader may not")
    still = outcome(daemon, "still")
    released = daemon.call("kill.release", reason="an admin may")
    placed = daemon.insist("again")

    assert engaged["durable"]
    assert refused.value.kind == "FORBIDDEN"
    assert still == "KILLED"
    assert released == {"state": "RELEASED"}
    assert placed["status"] in ("PENDING", "OPEN")
    assert [record["reason"] for record in daemon.records("release")] == ["an admin may"]


@contextmanager
def as_nobody() -> Iterator[None]:
    """Connect as another user, who is in the socket's group."""
    os.seteuid(getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)
