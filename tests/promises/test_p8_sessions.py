"""P8: a dead session is renewed by itself; an account is never locked out by us. As far as Zerodha's login goes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ordod.sim.process import SimProcess, running
from tests.promises.daemon import PAPER, Daemon, Refused, access_token, until, zerodha

Make = Callable[..., Daemon]

STEP_S = 30  # of a TOTP


@pytest.fixture
def own() -> Iterator[SimProcess]:
    """A broker of its own: what happens to its sessions harms no other test."""
    with running("--no-limits") as sim:
        yield sim


def requests(sim: SimProcess, path: str) -> list[dict[str, Any]]:
    return [r for r in sim.requests() if r["path"] == path and r["method"] == "POST"]


def notes(daemon: Daemon, event: str) -> list[dict[str, Any]]:
    return daemon.records("account", event=event)


def account(daemon: Daemon) -> dict[str, Any]:
    [found] = daemon.call("account.list")["accounts"]
    return dict(found)


def test_a_session_that_dies_in_mid_call_is_renewed_and_the_order_goes_through_once(
    make: Make, own: SimProcess
) -> None:
    daemon = make(zerodha(own, token=access_token(own), login=True)).ready()
    daemon.insist("before")
    own.fault("dead_session", "POST", "/orders")

    placed = daemon.place("across", timeout_ms=30_000)["order"]

    assert placed["status"] in ("PENDING", "OPEN")
    assert sum(deed["tag"] == placed["tag"] for deed in own.placements()) == 1
    assert len(requests(own, "/api/login")) == 1
    assert notes(daemon, "expired")
    assert account(daemon)["state"] == "ACTIVE"


def test_a_session_that_somebody_else_ended_is_renewed_by_itself(
    make: Make, own: SimProcess
) -> None:
    daemon = make(zerodha(own, token=access_token(own), login=True)).ready()

    own.call("POST", "end_sessions", {})
    daemon.place("renewed", timeout_ms=30_000)

    assert account(daemon)["state"] == "ACTIVE"
    assert len(requests(own, "/api/login")) == 1


def test_a_ready_made_token_that_died_asks_for_a_person_tries_nothing_and_a_new_one_serves(
    make: Make, own: SimProcess, folder: Path
) -> None:
    file = folder / "token"
    file.touch(0o600)
    file.write_text(access_token(own))
    daemon = make(zerodha(own, token=f"file:{file}")).ready()

    own.call("POST", "end_sessions", {})
    with pytest.raises(Refused) as refused:
        daemon.place("tokenless")
    todo = daemon.call("system.status")["todo"]
    file.write_text(access_token(own))
    placed = daemon.insist("tokenless")

    assert (refused.value.kind, refused.value.retry) == ("SESSION_REQUIRED", "same_key")
    assert requests(own, "/api/login") == []
    assert "ordoctl login zerodha" in todo
    assert placed["status"] in ("PENDING", "OPEN")


def test_a_wrong_password_is_tried_once_and_never_again_also_not_after_a_restart(
    make: Make, own: SimProcess
) -> None:
    right = zerodha(own, login=True)
    daemon = make(right.replace("correct-horse", "wrong-horse-battery")).start()
    daemon.wait_status(lambda status: status["accounts"][0]["state"] == "DENIED")

    with pytest.raises(Refused) as refused:
        daemon.place("denied", price=1400)
    daemon.kill()
    daemon.start()
    again = daemon.wait_status(lambda status: status["accounts"][0]["state"] == "DENIED")

    assert (refused.value.kind, refused.value.retry) == ("AUTH_DENIED", "same_key")
    assert len(requests(own, "/api/login")) == 1
    assert "ordoctl login zerodha" in again["todo"]
    assert "wrong-horse" not in daemon.log_text()


def test_a_person_who_mended_the_password_asks_for_a_login_and_it_goes_on(
    make: Make, own: SimProcess
) -> None:
    right = zerodha(own, login=True)
    daemon = make(right.replace("correct-horse", "wrong-horse-battery")).start()
    daemon.wait_status(lambda status: status["accounts"][0]["state"] == "DENIED")
    daemon.kill()
    daemon.config.write_text(
        daemon.config.read_text().replace("wrong-horse-battery", "correct-horse")
    )
    daemon.start()
    daemon.wait_status(lambda status: status["accounts"][0]["state"] == "DENIED")

    daemon.call("account.login", account="zerodha")
    daemon.wait_ready()

    assert daemon.insist("mended")["status"] in ("PENDING", "OPEN")
    assert len(requests(own, "/api/login")) == 2


@pytest.mark.slow  # it waits for two steps of a TOTP, a minute
def test_no_totp_step_is_used_twice_and_the_third_login_in_ten_minutes_is_the_last(
    make: Make, own: SimProcess
) -> None:
    daemon = make(zerodha(own, login=True)).ready()
    first = notes(daemon, "totp")

    daemon.kill()
    daemon.start()
    daemon.wait_status(lambda _: len(notes(daemon, "totp")) == 2, within_s=STEP_S + 15)
    daemon.wait_ready()
    own.call("POST", "end_sessions", {})
    with pytest.raises(Refused):
        daemon.place("ends the session", price=1400, timeout_ms=1000)
    daemon.wait_status(lambda _: len(notes(daemon, "totp")) == 3, within_s=STEP_S + 15)
    daemon.wait_ready()
    own.call("POST", "end_sessions", {})
    with pytest.raises(Refused):
        daemon.place("ends it again", price=1400, timeout_ms=1000)
    status = daemon.wait_status(lambda status: status["accounts"][0]["state"] == "DENIED")

    steps = [int(note["message"]) for note in notes(daemon, "totp")]
    assert len(first) == 1
    assert len(set(steps)) == len(steps) == 3
    assert len(requests(own, "/api/twofa")) == 3
    assert "someone else" in status["accounts"][0]["why"]


def test_restarts_cost_no_login_where_none_is_needed(make: Make, own: SimProcess) -> None:
    daemon = make(zerodha(own, token=access_token(own)) + PAPER).ready()

    for _ in range(4):
        daemon.kill()
        daemon.ready()

    assert daemon.insist("still")["status"] in ("PENDING", "OPEN")
    assert daemon.place("still", account="paper")["order"]["status"] in ("PENDING", "OPEN")
    until(lambda: len(requests(own, "/session/token")) == 1)


def test_a_kept_session_outlives_sigkill_and_stands_nowhere_in_plain(
    make: Make, own: SimProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDOD_TEST_KEY", "5a" * 32)
    key = 'store_key = "env:ORDOD_TEST_KEY"\n'
    daemon = make(key + zerodha(own, login=True)).ready()

    for _ in range(4):
        daemon.kill()
        daemon.ready()

    assert daemon.insist("after-four-deaths")["status"] in ("PENDING", "OPEN")
    assert len(requests(own, "/session/token")) == 1
    assert len(requests(own, "/api/login")) == 1
    assert len(notes(daemon, "active")) == 5
    kept = (daemon.state / "secrets.store").read_bytes()
    assert kept
    assert b"access_token" not in kept


def test_a_kept_session_that_was_ended_meanwhile_is_replaced_by_one_login(
    make: Make, own: SimProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDOD_TEST_KEY", "5a" * 32)
    daemon = make('store_key = "env:ORDOD_TEST_KEY"\n' + zerodha(own, login=True)).ready()
    daemon.kill()
    own.call("POST", "end_sessions", {})

    daemon.start()
    daemon.wait_status(lambda status: status["accounts"][0]["can_trade"], within_s=STEP_S + 15)

    assert len(requests(own, "/session/token")) == 2


def test_a_store_that_was_damaged_costs_a_login_and_says_so(
    make: Make, own: SimProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORDOD_TEST_KEY", "5a" * 32)
    daemon = make('store_key = "env:ORDOD_TEST_KEY"\n' + zerodha(own, login=True)).ready()
    daemon.kill()
    store = daemon.state / "secrets.store"
    content = bytearray(store.read_bytes())
    content[len(content) // 2] ^= 1
    store.write_bytes(content)

    daemon.start()
    daemon.wait_status(lambda status: status["accounts"][0]["can_trade"], within_s=STEP_S + 15)

    assert len(requests(own, "/session/token")) == 2
    assert "session_not_found" in daemon.log.read_text()
    assert store.read_bytes() == content
