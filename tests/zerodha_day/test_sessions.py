"""Every way into a session at Zerodha and out of it, through the whole daemon."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ordod.sim.process import SimProcess, running
from tests.zerodha_day.harness import (
    ACCOUNT,
    APP,
    USER,
    Ordo,
    Trouble,
    browse,
    eventually,
    ordo,
    session_of,
)

HEADLESS: dict[str, Any] = {
    "login": "headless",
    "user_id": USER.user_id,
    "password": USER.password,
    "totp_secret": USER.totp_secret,
}


@pytest.fixture
def own_sim() -> Iterator[SimProcess]:
    """A broker that no other test has logged in to: a TOTP code counts once."""
    with running("--no-limits") as started:
        yield started


def test_a_ready_made_token_is_a_session_without_a_login(sim: SimProcess, folder: Path) -> None:
    token = session_of(sim)
    trouble = Trouble(sim)

    with ordo(folder, sim, access_token=token, api_secret=None) as daemon:
        account = daemon.account()

    assert (account["state"], account["user"]) == ("ACTIVE", USER.user_id)
    assert account["expires_at"].endswith("06:00:00+05:30")
    assert trouble.requests("POST", "/session/token") == []


def test_a_headless_login_needs_nobody(own_sim: SimProcess, folder: Path) -> None:
    with ordo(folder, own_sim, **HEADLESS) as daemon:
        assert daemon.account()["user"] == USER.user_id
        daemon.place()
        told = daemon.log.read_text() + daemon.journal()

    for secret in (USER.password, USER.totp_secret, APP.api_secret):
        assert secret not in told


def test_the_official_page_is_asked_for_and_its_address_makes_the_session(
    own_sim: SimProcess, folder: Path
) -> None:
    with ordo(folder, own_sim, trades=False) as daemon:
        asked = daemon.call("account.login", account=ACCOUNT)["ask"]
        assert (asked["kind"], asked["url"]) == (
            "page",
            f"https://kite.zerodha.com/connect/login?v=3&api_key={APP.api_key}",
        )

        address = browse(asked["url"], own_sim)
        state = daemon.call("account.otp", account=ACCOUNT, otp=address)

        assert state["state"] == "ACTIVE"
        daemon.can_trade()
        [token] = parse_qs(urlsplit(address).query)["request_token"]
        assert token not in daemon.log.read_text() + daemon.journal()


def test_an_address_without_a_token_is_refused_and_can_be_given_again(
    own_sim: SimProcess, folder: Path
) -> None:
    with ordo(folder, own_sim, trades=False) as daemon:
        daemon.call("account.login", account=ACCOUNT)

        state = daemon.call(
            "account.otp", account=ACCOUNT, otp="http://127.0.0.1/?status=cancelled"
        )

        assert state["state"] == "EXPIRED"
        assert "request_token" in state["message"]
        daemon.log_in(own_sim)


def test_ordoctl_login_catches_the_redirect_of_the_page(own_sim: SimProcess, folder: Path) -> None:
    with ordo(folder, own_sim, trades=False) as daemon, _ordoctl(daemon, "login", ACCOUNT) as typed:
        said = iter(typed.stderr.readline, "")
        url = next(m.group(1) for m in (re.search(r"Open (\S+)", line) for line in said) if m)
        _visit(browse(url, own_sim), typed.port)

        assert typed.process.wait(10) == 0
        assert daemon.account()["state"] == "ACTIVE"


class _Typed:
    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        assert process.stderr is not None
        self.process, self.port, self.stderr = process, port, process.stderr


@contextmanager
def _ordoctl(daemon: Ordo, *words: str) -> Iterator[_Typed]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = int(server.getsockname()[1])
    command = [sys.executable, "-m", "ordoctl.cli", "--socket", str(daemon.path), *words]
    process = subprocess.Popen(
        [*command, "--listen", str(port), "--no-browser"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    try:
        yield _Typed(process, port)
    finally:
        process.kill()
        process.communicate()


def _visit(address: str, port: int) -> None:
    """The browser is sent to the app's address, which leads to this machine."""
    parts = urlsplit(address)

    def visit() -> int:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", f"{parts.path}?{parts.query}")
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    assert eventually(visit) == 200


def test_logout_ends_the_session_there_and_here(own_sim: SimProcess, folder: Path) -> None:
    with ordo(folder, own_sim, access_token=session_of(own_sim)) as daemon:
        trouble = Trouble(own_sim)

        state = daemon.call("account.logout", account=ACCOUNT)

        assert state["state"] != "ACTIVE"
        assert [seen["status"] for seen in trouble.requests("DELETE", "/session/token")] == [200]
        refused = daemon.refused("order.place", **daemon.order())
        assert (refused.kind, refused.retry) == ("AUTH_DENIED", "same_key")
        daemon.log_in(own_sim)


def test_a_session_that_dies_in_mid_call_is_renewed_and_the_call_repeated(
    own_sim: SimProcess, folder: Path
) -> None:
    """With password and TOTP nobody is needed; a token that is ready lets the first code be unused."""
    with ordo(folder, own_sim, access_token=session_of(own_sim), **HEADLESS) as daemon:
        trouble = Trouble(own_sim)
        trouble.befall("dead_session", "POST", "/orders/")

        order = daemon.place()

        assert [r["status"] for r in trouble.requests("POST", "/orders/")] == [403, 200]
        assert [p["tag"] for p in own_sim.placements()] == [order["tag"]]


CHANGES: dict[str, tuple[str, str]] = {
    "order.place": ("POST", "/orders/"),
    "order.modify": ("PUT", "/orders/"),
    "order.cancel": ("DELETE", "/orders/"),
    "gtt.place": ("POST", "/gtt/"),
    "gtt.modify": ("PUT", "/gtt/"),
    "gtt.cancel": ("DELETE", "/gtt/"),
    "portfolio.convert": ("PUT", "/portfolio/"),
}


@pytest.mark.parametrize("method", CHANGES)
def test_a_dead_session_has_no_effect_and_the_same_key_works_after_a_login(
    daemon: Ordo, sim: SimProcess, trouble: Trouble, method: str
) -> None:
    if daemon.account()["state"] != "ACTIVE":
        daemon.log_in(sim)
    wanted = _wanted(daemon, method)
    trouble.befall("dead_session", *CHANGES[method])

    refused = daemon.refused(method, **wanted)
    sent = len(trouble.requests(*CHANGES[method]))
    daemon.log_in(sim)
    daemon.call(method, **wanted)

    assert refused.retry == "same_key"
    assert refused.kind in ("SESSION_REQUIRED", "AUTH_DENIED")
    assert sent == 1
    assert len(trouble.requests(*CHANGES[method])) == 2


def _wanted(daemon: Ordo, method: str) -> dict[str, Any]:
    leg = {"trigger_price": 1290, "side": "BUY", "quantity": 1, "price": 1300}
    gtt = {"account": ACCOUNT, "symbol": "NSE:INFY", "legs": [leg]}
    match method:
        case "order.place":
            return daemon.order()
        case "order.modify":
            return {"order_id": daemon.place()["order_id"], "price": 1290}
        case "order.cancel":
            return {"order_id": daemon.place()["order_id"]}
        case "gtt.place":
            return gtt | {"key": next(daemon.keys)}
        case "gtt.modify" | "gtt.cancel":
            made = daemon.call("gtt.place", key=next(daemon.keys), **gtt)["gtt"]["gtt_id"]
            wanted = gtt if method == "gtt.modify" else {"account": ACCOUNT}
            return wanted | {"gtt_id": made, "key": next(daemon.keys)}
        case _:
            daemon.place(type="MARKET", product="MIS")
            pair = {"from_product": "MIS", "to_product": "CNC", "side": "BUY", "quantity": 1}
            return {"account": ACCOUNT, "symbol": "NSE:INFY", "key": next(daemon.keys)} | pair


def test_a_wrong_password_is_tried_once_and_stops(own_sim: SimProcess, folder: Path) -> None:
    wrong = HEADLESS | {"password": "wrong"}

    with ordo(folder, own_sim, trades=False, **wrong) as daemon:
        eventually(lambda: daemon.account()["state"] == "DENIED")
        refused = daemon.refused("order.place", **daemon.order())

    assert refused.kind in ("AUTH_DENIED", "SESSION_REQUIRED")
    assert len([r for r in own_sim.requests() if r["path"] == "/api/login"]) == 1
