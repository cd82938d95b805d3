"""A real daemon in which things really go wrong, and receivers that are really there, or really broken."""

import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import trustme

from ordod.sim.process import SimProcess, running
from tests.alerts.receiver import BEHAVIOURS, HttpPlace, command, http_place, kept
from tests.promises.daemon import PAPER, SHARES, Daemon, Refused, access_token, until, zerodha

Make = Callable[..., Daemon]

TOKEN = "tk-1234567890-secret"
SOON_S = 1.0  # an order while receivers misbehave: far below this on an idle machine
STOP_S = 12.0  # of a daemon whose receivers hang, on a loaded machine; it waits 1.5 s for them
GROWTH_KB = 24 * 1024  # what httpx, its connections and a queue of 100 may take


@pytest.fixture
def place() -> Iterator[HttpPlace]:
    with http_place() as one:
        yield one


@pytest.fixture
def own() -> Iterator[SimProcess]:
    with running("--no-limits") as sim:
        yield sim


def receivers(place: HttpPlace, more: str = "") -> str:
    return f'[alerts]\n{more}\n[alerts.web]\nurl = "{place.url}"\n'


def hears(place: HttpPlace, kind: str, state: str = "firing") -> dict[str, Any]:
    """The first alert of this kind and state, once it was told."""
    until(lambda: state in place.states(kind))
    return next(alert for alert in place.of(kind) if alert["state"] == state)


# What goes wrong


def test_a_kill_by_signal_and_its_release_reach_a_command_and_an_address_with_tls(
    make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "authority.pem"))
    monkeypatch.setenv("ALERT_TOKEN", TOKEN)
    with http_place(authority=authority) as place:
        daemon = make(
            f'{PAPER}[alerts.pager]\ncommand = ["{command(folder)}"]\n'
            f'[alerts.web]\nurl = "{place.url}/{{token}}"\ntoken = "env:ALERT_TOKEN"\n'
            f'headers = {{ X-Token = "{{token}}" }}\n'
        ).ready()

        daemon.signal(signal.SIGUSR1)
        told = hears(place, "kill")
        daemon.call("kill.release", reason="drill is over")
        hears(place, "kill", "resolved")
        status = daemon.wait_status(
            lambda found: {one["delivered"] for one in found["alerts"]["receivers"]} == {2}
        )["alerts"]
        metrics = http_get(daemon, "/metrics")
        shown = daemon.call("system.config")

    assert told["severity"] == "critical"
    assert "SIGUSR1" in told["message"]
    assert [alert["state"] for alert in kept(folder)] == ["firing", "resolved"]
    assert place.requests[0]["target"] == f"/alerts/{TOKEN}"
    assert [one["receiver"] for one in status["receivers"]] == ["pager", "web"]
    assert 'ordod_alerts_delivered_total{receiver="web"} 2.0' in metrics
    assert shown["config"]["alerts"]["receivers"]["web"]["url"].endswith("/***")
    everywhere = daemon.log_text() + json.dumps([status, shown])
    everywhere += "".join(
        f.read_text(errors="replace") for f in daemon.state.rglob("*") if f.is_file()
    )
    assert TOKEN not in everywhere


def test_doubts_contradictions_and_a_clock_that_is_off_are_told(
    make: Make, own: SimProcess, place: HttpPlace
) -> None:
    more = "doubt_older_than_s = 1\nclock_skew_above_s = 20\ndisk_free_below_mb = 1000000000"
    daemon = make(zerodha(own, token=access_token(own)) + receivers(place, more)).ready()
    daemon.insist("echo")
    own.fault("late", "POST", "/orders", seconds=10.0)

    daemon.place("late", symbol=SHARES[0])
    doubt = hears(place, "doubt")
    contradiction = hears(place, "contradiction")
    own.step(60)
    skew = hears(place, "clock")
    disk = hears(place, "disk")

    assert doubt["account"] == "zerodha"
    assert f"late (BUY 1 {SHARES[0]})" in doubt["message"]
    assert re.search(r"(58|59|60|61|62) s behind", skew["message"])
    assert "order late" in contradiction["message"]
    assert "was told as NOT_PLACED" in contradiction["message"]
    assert "nearly full" in disk["message"]
    assert place.states("contradiction") == ["firing"]


def test_a_login_that_is_refused_is_told(make: Make, own: SimProcess, place: HttpPlace) -> None:
    wrong = zerodha(own, login=True).replace("correct-horse", "wrong-horse-battery")
    daemon = make(wrong + receivers(place)).start()

    told = hears(place, "session")

    assert "ordoctl login zerodha" in told["message"]
    assert "wrong-horse" not in json.dumps(place.requests) + daemon.log_text()


def test_a_broker_that_is_gone_is_told(make: Make, place: HttpPlace) -> None:
    with running("--no-limits") as sim:
        daemon = make(zerodha(sim, token=access_token(sim)) + receivers(place)).ready()
        orders = [daemon.order(f"gone-{number}") for number in range(5)]
    with daemon.client() as client:
        for order in orders:
            client.send("order.place", **order)
        told = hears(place, "breaker")

    assert told["account"] == "zerodha"
    assert "BROKER_UNAVAILABLE" in told["message"]


def test_a_disk_that_fails_is_told_without_the_disk(make: Make, place: HttpPlace) -> None:
    daemon = make(PAPER + receivers(place), faulty=True).ready()
    daemon.plan("fail", "disk", at=0)

    with pytest.raises(Refused):
        daemon.place("k1", account="paper", price=1400)
    told = hears(place, "journal")

    assert "Mend the disk" in told["message"]


def test_a_daemon_that_cannot_start_says_so_and_the_next_that_can_says_that(
    make: Make, place: HttpPlace
) -> None:
    daemon = make(PAPER + receivers(place)).ready()
    daemon.place("k1", account="paper")
    until(lambda: daemon.records("seal"))
    daemon.kill()
    segment = next((daemon.state / "journal").glob("*.ndjson"))
    whole = segment.read_bytes()
    segment.write_bytes(whole.replace(b'"k1"', b'"kX"', 1))

    daemon.start()
    status = daemon.died()
    told = list(place.of("start"))
    segment.write_bytes(whole)
    daemon.ready()
    hears(place, "start", "resolved")

    assert status == 1
    [alert] = told
    assert "ordoctl journal verify" in alert["message"]


def test_after_sigkill_a_kill_is_told_once_more_and_a_release_is_told_by_the_next_life(
    make: Make, place: HttpPlace
) -> None:
    daemon = make(PAPER + receivers(place)).ready()
    daemon.call("kill.engage", reason="drill")
    hears(place, "kill")
    until(lambda: (daemon.state / "alerts.json").exists())

    daemon.kill()
    daemon.ready()
    until(lambda: len(place.of("kill")) == 2)
    daemon.call("kill.release", reason="over")
    hears(place, "kill", "resolved")

    assert [(a["state"], a["reminder"]) for a in place.of("kill")] == [
        ("firing", False),
        ("firing", True),
        ("resolved", False),
    ]


def test_a_reload_brings_a_receiver_and_takes_it_away(make: Make, place: HttpPlace) -> None:
    daemon = make(PAPER).ready()
    without = daemon.config.read_text()

    daemon.config.write_text(without + receivers(place))
    came = daemon.call("system.reload")
    tried = daemon.call("alert.test")["results"]
    daemon.config.write_text(without)
    went = daemon.call("system.reload")
    after = daemon.call("alert.test")["results"]

    assert (came["changed"], came["needs_restart"]) == (["alerts.web"], [])
    assert (went["changed"], went["needs_restart"]) == (["alerts.web"], [])
    assert [(one["receiver"], one["delivered"]) for one in tried] == [("web", True)]
    assert [alert["kind"] for alert in place.alerts] == ["test"]
    assert after == []


# What receivers do wrong


def test_broken_receivers_all_at_once_slow_no_order_take_no_memory_and_hold_no_stop_up(
    make: Make, folder: Path
) -> None:
    tables = [f'[alerts.gone]\ncommand = ["{folder}/not-there"]\n']
    tables += [
        f'[alerts.{program}]\ncommand = ["{command(folder, program)}"]\n'
        for program in ("fails", "hangs", "deaf", "forks", "talks", "dies")
    ]
    with ExitStack() as stack:
        places = {name: stack.enter_context(http_place(name)) for name in BEHAVIOURS}
        tables += [f'[alerts.web-{name}]\nurl = "{one.url}"\n' for name, one in places.items()]
        daemon = make(PAPER + "[alerts]\nper_hour = 500\n" + "".join(tables)).ready()
        daemon.call("kill.engage", reason="warm up")  # what they import is in memory from here on
        daemon.call("kill.release", reason="warm up")
        until(lambda: any(place.requests for place in places.values()))
        before_kb = memory_kb(daemon)

        took = []
        with daemon.client() as client, daemon.client() as impatient:
            for _ in range(6):
                impatient.send("alert.test")
            for number in range(100):
                if number % 5 == 0:
                    client.call("kill.engage", reason="drill")
                    client.call("kill.release", reason="drill")
                began = time.monotonic()
                client.call("order.place", **daemon.order(f"k{number}", account="paper"))
                took.append(time.monotonic() - began)
        status = {
            one["receiver"]: one for one in daemon.call("system.status")["alerts"]["receivers"]
        }
        grown_kb = memory_kb(daemon) - before_kb
        began = time.monotonic()
        ended = daemon.stop()
        stop_s = time.monotonic() - began

    assert max(took) < SOON_S
    assert grown_kb < GROWTH_KB
    assert (ended, stop_s < STOP_S) == (0, True)
    assert {f"k{number}" for number in range(100)} <= {
        one["key"] for one in daemon.records("intent")
    }
    assert all(
        one["waiting"]
        for name, one in status.items()
        if name in ("gone", "web-refused", "web-hangs")
    )
    assert not [name for name, one in status.items() if one["delivered"] and name != "forks"]
    assert "bug" not in {json.loads(line)["event"] for line in daemon.log_text().splitlines()}
    until(lambda: not processes(folder))


def memory_kb(daemon: Daemon) -> int:
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1])


def processes(folder: Path) -> list[str]:
    """Commands of this folder that still live."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if f"{folder}/notify-" in line:
                found.append(line)
    return found


def http_get(daemon: Daemon, path: str) -> str:
    with daemon.client() as client:
        client.write(f"GET {path} HTTP/1.1\r\nHost: ordod\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while more := client._socket.recv(1 << 20):
            data += more
    return data.decode()
