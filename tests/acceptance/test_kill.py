"""The kill switch over the socket (WIRE 3, 4): it closes, it tells, and only a release opens it."""

import signal
import time
from collections.abc import Callable, Iterator
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
LOOKED_AT_LEAST_S = 0.6  # the daemon looks for switches thrown from outside more often than this


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One of its own: a kill is everybody's."""
    accounts = '[accounts.paper]\nbroker = "paper"\n[accounts.second]\nbroker = "paper"\n'
    with running(tmp_path_factory.mktemp("kill"), accounts) as started:
        yield started


@pytest.fixture(autouse=True)
def released(daemon: Daemon) -> Iterator[None]:
    yield
    with daemon.connect() as client:
        if client.ask("kill.status")["engaged"]:
            client.ask("kill.release", reason="the test is over")


def test_while_killed_nothing_new_passes_and_every_open_order_is_cancelled(
    daemon: Daemon, client: Client, new_key: Callable[[], str]
) -> None:
    keys = [new_key() for _ in range(6)]
    for number, key in enumerate(keys):
        account = ("paper", "second")[number % 2]
        client.ask("order.place", **{**RESTING, "account": account}, key=key)

    result = client.ask("kill.engage", reason="a test")

    assert set(result) == {"durable", "cancelled", "failed", "exposed", "took_ms"}
    assert (result["durable"], result["cancelled"], result["failed"]) == (True, 6, 0)
    killed = new_key()
    for method, params in (
        ("order.place", {**TERMS, "key": killed}),
        ("order.place", {**TERMS, "key": killed, "dry_run": True}),
        ("risk.check", TERMS),
        (
            "gtt.place",
            {
                "account": "paper",
                "key": killed,
                "symbol": "NSE:INFY",
                "legs": [{"trigger_price": 900, "side": "BUY", "quantity": 1, "price": 900}],
            },
        ),
    ):
        error = client.refused(method, **params)
        assert (error["data"]["kind"], error["data"]["retry"]) == ("KILLED", "same_key")
    status = client.ask("kill.status")
    assert status["engaged"]
    assert status["scopes"][0]["reason"] == "a test"
    assert client.ask("system.status")["state"] == "KILLED"
    assert client.ask("order.place", **{**RESTING, "account": "second"}, key=keys[1])["replayed"]
    assert f'"{killed}"' not in daemon.journal()


def test_a_release_lets_the_same_key_pass(client: Client, new_key: Callable[[], str]) -> None:
    key = new_key()
    client.ask("kill.engage", cancel_open=False)
    client.refused("order.place", **TERMS, key=key)

    assert client.ask("kill.release", reason="all is well") == {"state": "RELEASED"}

    assert client.ask("order.place", **TERMS, key=key)["replayed"] is False
    error = client.refused("kill.release", reason="again")
    assert error["data"]["kind"] == "INVALID_PARAMS"


def test_orders_stay_where_they_are_not_to_be_cancelled_and_can_be_cancelled_by_hand(
    client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    client.ask("order.place", **RESTING, key=key)

    result = client.ask("kill.engage", cancel_open=False)

    assert result["cancelled"] == 0
    modify = client.refused("order.modify", account="paper", key=key, trigger_price=2901)
    assert modify["data"]["kind"] == "KILLED"
    assert client.ask("order.cancel", account="paper", key=key)["change"] == "done"


def test_a_release_right_after_an_engage_stays_a_release(client: Client) -> None:
    for _ in range(30):
        client.ask("kill.engage", cancel_open=False)
        client.ask("kill.release", reason="at once")

    time.sleep(LOOKED_AT_LEAST_S)
    assert client.ask("kill.status")["engaged"] is False


def test_an_engage_that_comes_during_a_release_wins(client: Client) -> None:
    for _ in range(30):
        client.ask("kill.engage", cancel_open=False)
        release = client.begin("kill.release", reason="too early")
        engage = client.begin("kill.engage", cancel_open=False)

        answers = client.answer(release), client.answer(engage)

        assert answers[1]["result"]["durable"]
        assert client.ask("kill.status")["engaged"]
        client.ask("kill.release", reason="now")


def test_after_a_signal_beside_a_release_the_switch_is_as_the_journal_ends(
    daemon: Daemon, client: Client
) -> None:
    client.ask("events.subscribe", topics=["kill"])
    for _ in range(20):
        client.ask("kill.engage", cancel_open=False)
        release = client.begin("kill.release", reason="too early")
        daemon.signal(signal.SIGUSR1)
        client.answer(release)
        event = client.event()
        while event["kill"]["caller"] != "SIGUSR1":
            event = client.event()

        newest = client.ask("journal.tail", limit=10)["entries"]
        words = [entry["type"] for entry in newest if entry["type"] in ("kill", "release")]
        is_engaged = client.ask("kill.status")["engaged"]
        assert is_engaged is (words[-1] == "kill")
        if is_engaged:
            client.ask("kill.release", reason="now")


@pytest.mark.parametrize(
    "params",
    [
        {"mode": "reduce"},
        {"square_off": True},
        {"cancel_gtt": True},
        {"account": "paper"},
        {"strategy": "orb"},
    ],
)
def test_a_kill_that_is_not_available_yet_stops_nothing_and_says_so(
    client: Client, params: dict[str, Any]
) -> None:
    error = client.refused("kill.engage", **params)

    assert error["data"]["field"] in params
    assert "not available yet" in error["message"]
    assert client.ask("kill.status")["engaged"] is False
