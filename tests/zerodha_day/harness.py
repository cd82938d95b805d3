"""A whole Ordo beside a whole broker: `python -m ordod` and `python -m ordod.sim zerodha`, each a process, and a client between.

Tests see what users see: answers and events on the socket. The broker's truth comes through the simulator's back door.
"""

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pyotp

from ordod.sim.process import SimProcess
from ordod.sim.zerodha import App, Client

__all__ = [
    "APP",
    "USER",
    "Ordo",
    "Refused",
    "Trouble",
    "browse",
    "eventually",
    "ordo",
    "session_of",
]

APP, USER = App(), Client()
ACCOUNT = "kite"
START_S = 45
ANSWER_S = 20
STOP_S = 30


class Refused(Exception):  # noqa: N818 - an answer, not a failure
    """An error the daemon answered."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.kind: str = error["data"]["kind"]
        self.retry: str = error["data"].get("retry", "")
        self.data: dict[str, Any] = error["data"]


def eventually(look: Callable[[], Any], *, within_s: float = 30.0) -> Any:
    """The first true thing that `look` sees. Raises AssertionError with the last it saw."""
    until = time.monotonic() + within_s
    while not (seen := look()):
        assert time.monotonic() < until, f"still {seen!r} after {within_s} s"
        time.sleep(0.05)
    return seen


class Ordo:
    """A running daemon with one account at the simulator, and a connection to it."""

    def __init__(self, path: Path, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.path = path
        self.process = process
        self.log = log
        self._link = socket.socket(socket.AF_UNIX)
        self._link.settimeout(ANSWER_S)
        self._link.connect(str(path))
        self._lines = self._link.makefile("rb")
        self._ids = count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.keys = (f"k{number}" for number in count(1))

    def close(self) -> None:
        self._lines.close()
        self._link.close()

    def send(self, method: str, **params: Any) -> int:
        """Ask without waiting; `answer` waits."""
        number = next(self._ids)
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        self._link.sendall(json.dumps(message).encode() + b"\n")
        return number

    def answer(self, number: int) -> Any:
        """The result of a request. Raises Refused."""
        while number not in self._answers:
            line = self._lines.readline()
            assert line, "the daemon closed the connection"
            message = json.loads(line)
            if "id" in message:
                self._answers[message["id"]] = message
            else:
                self.events.append(message["params"])
        message = self._answers.pop(number)
        if "error" in message:
            raise Refused(message["error"])
        return message["result"]

    def call(self, method: str, **params: Any) -> Any:
        return self.answer(self.send(method, **params))

    def refused(self, method: str, **params: Any) -> Refused:
        """The error of a call that must not succeed."""
        try:
            result = self.call(method, **params)
        except Refused as error:
            return error
        raise AssertionError(f"{method} was not refused: {result}")

    # Words that most tests need

    def place(self, **more: Any) -> dict[str, Any]:
        """A LIMIT order far below the market, unless said otherwise."""
        return dict(self.call("order.place", **self.order(**more))["order"])

    def order(self, **more: Any) -> dict[str, Any]:
        order: dict[str, Any] = {
            "account": ACCOUNT,
            "key": next(self.keys),
            "symbol": "NSE:INFY",
            "side": "BUY",
            "quantity": 10,
            "type": "LIMIT",
            "product": "CNC",
        } | more
        if order["type"] == "LIMIT" and "price" not in order:
            order["price"] = 1300
        return order

    def get(self, key: str) -> dict[str, Any]:
        return dict(self.call("order.get", account=ACCOUNT, key=key)["order"])

    def comes_to(self, key: str, *statuses: str, within_s: float = 30.0) -> dict[str, Any]:
        """The order of this key once it has one of these statuses."""

        def look() -> dict[str, Any] | None:
            order = self.get(key)
            return order if order["status"] in statuses else None

        return dict(eventually(look, within_s=within_s))

    def listed(self) -> list[dict[str, Any]]:
        return list(self.call("order.list", account=ACCOUNT, limit=1000)["orders"])

    def trades(self, key: str | None) -> list[dict[str, Any]]:
        told = self.call("order.trades", account=ACCOUNT, limit=1000)["trades"]
        return [trade for trade in told if trade["key"] == key]

    def account(self) -> dict[str, Any]:
        return dict(self.call("account.status", account=ACCOUNT)["accounts"][0])

    def positions(self) -> dict[tuple[str, str], dict[str, Any]]:
        told = self.call("portfolio.positions", account=ACCOUNT)["accounts"][0]
        return {(row["symbol"], row["product"]): row for row in told["positions"]}

    def can_trade(self, *, within_s: float = START_S) -> None:
        eventually(lambda: self.account()["can_trade"], within_s=within_s)

    def log_in(self, sim: SimProcess) -> None:
        """By a person at the official page; also where the daemon has had enough of logins by itself."""
        if self.call("account.login", account=ACCOUNT)["ask"] is not None:
            self.call("account.otp", account=ACCOUNT, otp=sim.request_token())
        self.can_trade()

    def journal(self) -> str:
        folder = self.path.parent / "state" / "journal"
        return "".join(file.read_text() for file in sorted(folder.iterdir()))


@contextmanager
def ordo(folder: Path, sim: SimProcess, *, trades: bool = True, **settings: Any) -> Iterator[Ordo]:
    """The daemon while the block lasts.

    Args:
        settings: of the account; the app's key and secret are there unless given as None.
        trades: wait until the account can trade.
    """
    account: dict[str, Any] = {
        "broker": "zerodha",
        "base_url": sim.url,
        "doubt_horizon_s": 1,
        "api_key": APP.api_key,
        "api_secret": APP.api_secret,
    } | settings
    lines = [
        f"{name} = {json.dumps(value)}" for name, value in account.items() if value is not None
    ]
    config = folder / "ordod.conf"
    config.write_text(
        f"[daemon]\nstate_dir = {json.dumps(str(folder / 'state'))}\n"
        f"socket = {json.dumps(str(folder / 'sock'))}\n[accounts.{ACCOUNT}]\n" + "\n".join(lines)
    )
    config.chmod(0o600)
    log = folder / "log"
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "ordod", "--config", str(config)], stderr=errors, env=os.environ
        )
    try:
        eventually(lambda: _listens(folder / "sock", process, log), within_s=START_S)
        running = Ordo(folder / "sock", process, log)
        try:
            if trades:
                running.can_trade()
            yield running
        finally:
            running.close()
    finally:
        process.terminate()
        process.wait(STOP_S)


def _listens(path: Path, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    assert process.poll() is None, f"the daemon ended: {log.read_text()}"
    with socket.socket(socket.AF_UNIX) as link:
        try:
            link.connect(str(path))
        except OSError:
            return False
    return True


class Trouble:
    """Faults at the simulator while a test lasts, and what arrived there since."""

    def __init__(self, sim: SimProcess) -> None:
        self.sim = sim
        self._before = len(sim.requests())

    def befall(self, kind: str, method: str, prefix: str, **more: Any) -> None:
        self.sim.fault(kind, method, prefix, **more)

    def requests(self, method: str, prefix: str) -> list[dict[str, Any]]:
        """What arrived whole since this began."""
        return [
            seen
            for seen in self.sim.requests()[self._before :]
            if seen["method"] == method and seen["path"].startswith(prefix)
        ]


def session_of(sim: SimProcess) -> str:
    """An access token, as another program of the same app would have got it."""
    request_token = sim.request_token()
    text = APP.api_key + request_token + APP.api_secret
    form = {
        "api_key": APP.api_key,
        "request_token": request_token,
        "checksum": hashlib.sha256(text.encode()).hexdigest(),
    }
    status, _, body = _http(sim.url, "POST", "/session/token", form, {"X-Kite-Version": "3"})
    assert status == 200, body
    return str(json.loads(body)["data"]["access_token"])


def browse(url: str, sim: SimProcess) -> str:
    """A person logs in on the broker's page; the address the browser is sent to at the end.

    The page's own host stands in the address; here it is the simulator that serves it.
    """
    cookies: dict[str, str] = {}
    asked = urlsplit(url)
    target = f"{asked.path}?{asked.query}"
    target = _follow(sim, target, cookies)
    _, _, body = _http(
        sim.url,
        "POST",
        "/api/login",
        {"user_id": USER.user_id, "password": USER.password},
        {},
        cookies,
    )
    code = pyotp.TOTP(USER.totp_secret).now()
    form = {
        "user_id": USER.user_id,
        "request_id": json.loads(body)["data"]["request_id"],
        "twofa_value": code,
        "twofa_type": "totp",
    }
    status, _, body = _http(sim.url, "POST", "/api/twofa", form, {}, cookies)
    assert status == 200, body
    return _follow(sim, f"{target}&skip_session=true", cookies)


def _follow(sim: SimProcess, target: str, cookies: dict[str, str]) -> str:
    """The page a chain of redirects ends at, or the address outside of the broker that it leads to."""
    for _ in range(5):
        status, location, _ = _http(sim.url, "GET", target, None, {}, cookies)
        if status not in range(300, 400):
            return target
        if "request_token" in parse_qs(urlsplit(location).query):
            return location
        target = location
    raise AssertionError("too many redirects")


def _http(
    url: str,
    method: str,
    target: str,
    form: dict[str, str] | None,
    headers: dict[str, str],
    cookies: dict[str, str] | None = None,
) -> tuple[int, str, bytes]:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=5)
    try:
        body = urlencode(form) if form is not None else None
        if form is not None:
            headers = headers | {"Content-Type": "application/x-www-form-urlencoded"}
        if cookies:
            headers = headers | {"Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())}
        connection.request(method, target, body, headers)
        response: HTTPResponse = connection.getresponse()
        for text in response.headers.get_all("set-cookie") or []:
            name, _, value = text.partition(";")[0].partition("=")
            assert cookies is not None
            cookies[name] = value
        return response.status, response.headers.get("location") or "", response.read()
    finally:
        connection.close()
