"""A real daemon as a process, a client of its socket, and what it leaves behind. What the promises are proved with.

Everything here is what a user has: a configuration file, signals, the socket, the state directory, standard error.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlencode

from ordod.core.orders.checking import Report, verify
from ordod.io.files import Files
from ordod.sim.process import SimProcess
from ordod.sim.zerodha import App
from ordod.sim.zerodha import Client as SimClient

__all__ = [
    "HORIZON_S",
    "LOOK_S",
    "PAPER",
    "READY_S",
    "SHARES",
    "Client",
    "Daemon",
    "Refused",
    "access_token",
    "until",
    "zerodha",
]

READY_S = 45.0  # far more than a start takes: a loaded machine is not a failure
ANSWER_S = 60.0
LOOK_S = 0.02
HORIZON_S = 1  # of doubt; short, because the simulator's books do not lag unless told to
SHARES = ("NSE:TCS", "NSE:SBIN", "NSE:ITC", "NSE:LT", "NSE:AXISBANK", "NSE:TITAN", "NSE:WIPRO")
PAPER = '[accounts.paper]\nbroker = "paper"\n'


class Refused(Exception):  # noqa: N818 - an answer
    """The daemon answered with an error. `kind`, `retry`, `data` as WIRE 5 has them."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.data: dict[str, Any] = error.get("data") or {}
        self.kind: str = self.data.get("kind", "")
        self.retry: str | None = self.data.get("retry")


class Client:
    """One connection. Answers are matched by id, events kept in `events`; `raw` is every byte that came."""

    def __init__(self, path: Path, timeout_s: float = ANSWER_S) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        try:
            self._socket.connect(str(path))  # waits where the backlog is full
            self._socket.settimeout(timeout_s)
        except OSError:
            self._socket.close()
            raise
        self._buffer = b""
        self._next = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.raw = b""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(self, method: str, **params: Any) -> Any:
        """The result. Raises Refused, or OSError where the connection ends first."""
        return self.answer(self.send(method, **params))

    def send(self, method: str, **params: Any) -> int:
        """Ask, and do not wait; the id `answer` takes."""
        self._next += 1
        request = {"jsonrpc": "2.0", "id": self._next, "method": method, "params": params}
        self.write(json.dumps(request).encode() + b"\n")
        return self._next

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self, number: int) -> Any:
        while number not in self._answers:
            self._read()
        answer = self._answers.pop(number)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    def wait_events(self, count: int) -> list[dict[str, Any]]:
        """The first so many events, once they are there."""
        while len(self.events) < count:
            self._read()
        return self.events[:count]

    def _read(self) -> None:
        data = self._socket.recv(1 << 20)
        if not data:
            raise ConnectionResetError("the daemon hung up")
        self.raw += data
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if message.get("method") == "event":
                self.events.append(message["params"])
            else:
                self._answers[message["id"]] = message


class Daemon:
    """One state directory and its configuration, and the process that runs on it now, if any.

    Args:
        folder: what it lives in: `ordod.conf`, `state/`, `log` (its standard error of all runs) and the socket.
        accounts: the `[accounts.NAME]` tables.
        faulty: run as `tests.simulation.faulty_daemon`, which follows `plan`.
    """

    def __init__(
        self,
        folder: Path,
        accounts: str = PAPER,
        *,
        state: Path | None = None,
        faulty: bool = False,
    ) -> None:
        self.folder = folder
        self.state = state or folder / "state"
        self.log = folder / "log"
        self.socket = folder / "s"
        self.config = folder / "ordod.conf"
        self._plan = folder / "plan.json"
        self._faulty = faulty
        self._prices: dict[str, int] = {}
        self._pricing = Lock()
        self.process: subprocess.Popen[bytes] | None = None
        text = f'[daemon]\nstate_dir = "{self.state}"\nsocket = "{self.socket}"\n{accounts}'
        self.config.touch(0o600)
        self.config.write_text(text)

    # Its life

    def start(self) -> "Daemon":
        """Begin, and return at once."""
        assert self.process is None
        module = "tests.simulation.faulty_daemon" if self._faulty else "ordod"
        command = [sys.executable, "-m", module, "--config", str(self.config)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stderr=log, env=self._environment())
        return self

    def ready(self) -> "Daemon":
        """Begin, and wait until every account can trade."""
        self.start()
        self.wait_ready()
        return self

    def wait_ready(self) -> dict[str, Any]:
        return self.wait_status(lambda status: all(a["can_trade"] for a in status["accounts"]))

    def wait_status(self, wanted: Any, within_s: float = READY_S) -> dict[str, Any]:
        """`system.status` once `wanted` holds of it."""
        found: dict[str, Any] = {}

        def look() -> bool:
            nonlocal found
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            try:
                found = self.call("system.status")
            except OSError:
                return False
            return bool(wanted(found))

        until(look, within_s)
        return found

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.died()

    def died(self, within_s: float = ANSWER_S) -> int:
        """Wait for the end of the process; its exit status, -9 after SIGKILL."""
        assert self.process is not None
        status = self.process.wait(within_s)
        self.process = None
        return status

    def stop(self) -> int:
        """SIGTERM, and the end; the exit status."""
        assert self.process is not None
        self.process.terminate()
        return self.died()

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def _environment(self) -> dict[str, str]:
        own = [str(Path(__file__).parent.parent.parent)] if self._faulty else []
        given = os.environ.get("PYTHONPATH")
        path = os.pathsep.join([*own, *([given] if given else [])])
        return (
            os.environ
            | {"ORDOD_TEST_PLAN": str(self._plan)}
            | ({"PYTHONPATH": path} if path else {})
        )

    def plan(self, do: str, of: str, **more: Any) -> None:
        """From now on, as `faulty_daemon` says; a new plan takes the old one's place and counts anew."""
        scrap = self._plan.with_suffix(".new")
        scrap.write_text(json.dumps({"do": do, "of": of, **more}))
        scrap.replace(self._plan)

    def step_clock(self, seconds: float) -> None:
        """The wall clock is off by so much from now on."""
        scrap = self._plan.with_suffix(".new")
        scrap.write_text(str(seconds))
        scrap.replace(self._plan.with_suffix(".clock"))

    def no_plan(self) -> None:
        self._plan.unlink(missing_ok=True)

    # Talking to it

    def client(self, timeout_s: float = ANSWER_S) -> Client:
        return Client(self.socket, timeout_s)

    def call(self, method: str, **params: Any) -> Any:
        with self.client() as client:
            return client.call(method, **params)

    def order(self, key: str, symbol: str = "NSE:INFY", **more: Any) -> dict[str, Any]:
        """Parameters of `order.place`: a LIMIT below the market, which stays open; changed by what is named."""
        usual = {
            "account": "zerodha",
            "side": "BUY",
            "quantity": 1,
            "type": "LIMIT",
            "product": "CNC",
        }
        if "price" not in more:
            account = more.get("account", "zerodha")
            more["price"] = self._below(account, symbol)
        return usual | {"key": key, "symbol": symbol} | more

    def _below(self, account: str, symbol: str) -> int:
        """Whole rupees some 3 % below the market: within the day's limits, and not filled in the life of a test."""
        with self._pricing:
            if symbol not in self._prices:
                answer = self.call("market.ltp", symbols=[symbol], account=account)
                self._prices[symbol] = int(float(answer["quotes"][symbol]["last_price"]) * 0.97)
            return self._prices[symbol]

    def place(self, key: str, **more: Any) -> Any:
        """`order.place` of `order(key)`: the whole result."""
        return self.call("order.place", **self.order(key, **more))

    def get(self, key: str, account: str = "zerodha") -> dict[str, Any]:
        found: dict[str, Any] = self.call("order.get", account=account, key=key)["order"]
        return found

    def settled(self, key: str, within_s: float = 30.0, account: str = "zerodha") -> dict[str, Any]:
        """The order of a key once it is no longer in doubt."""
        found: dict[str, Any] = {}

        def look() -> bool:
            nonlocal found
            found = self.get(key, account)
            return bool(found["status"] != "IN_DOUBT")

        until(look, within_s)
        return found

    def insist(self, key: str, **more: Any) -> dict[str, Any]:
        """The rule for bots: the same key again until there is a result, `new_key` or `never`. The order."""
        deadline = time.monotonic() + ANSWER_S
        while True:
            assert time.monotonic() < deadline, "no result in time"
            try:
                found: dict[str, Any] = self.place(key, **more)["order"]
            except Refused as refused:
                if refused.retry != "same_key":
                    raise
            except OSError:
                pass
            else:
                return found
            time.sleep(LOOK_S)

    # What it leaves behind

    def journal(self) -> list[dict[str, Any]]:
        """Every whole line, in order."""
        lines: list[dict[str, Any]] = []
        for segment in sorted((self.state / "journal").glob("*.ndjson")):
            whole = segment.read_bytes().rpartition(b"\n")[0]
            lines += [json.loads(line) for line in whole.split(b"\n") if line]
        return lines

    def records(self, type_: str, **having: Any) -> list[dict[str, Any]]:
        """The journal's records of a type whose fields are these."""
        return [
            line
            for line in self.journal()
            if line["type"] == type_ and having.items() <= line.items()
        ]

    def verified(self, head: tuple[int, str] | None = None) -> Report:
        """The journal checked offline, as `ordoctl journal verify` does."""
        disk = Files(self.state, exclusive=False)
        try:
            return verify(disk, head=head)
        finally:
            disk.close()

    def log_text(self) -> str:
        return self.log.read_text()


def zerodha(
    sim: SimProcess, *, login: bool = False, token: str | None = None, more: str = ""
) -> str:
    """The table of an account at the simulator.

    Args:
        token: a ready-made access token. Default: a new one, unless `login`.
        login: with what the unattended login needs.
    """
    app, user = App(), SimClient()
    lines = [
        "[accounts.zerodha]",
        'broker = "zerodha"',
        f'base_url = "{sim.url}"',
        f"doubt_horizon_s = {HORIZON_S}",
        f'api_key = "{app.api_key}"',
    ]
    if login:
        lines += [
            'login = "headless"',
            f'user_id = "{user.user_id}"',
            f'api_secret = "{app.api_secret}"',
            f'password = "{user.password}"',
            f'totp_secret = "{user.totp_secret}"',
        ]
    if token or not login:
        lines.append(f'access_token = "{token or access_token(sim)}"')
    return "\n".join([*lines, more, ""])


def access_token(sim: SimProcess) -> str:
    """What a person gets who logs in by hand. It ends every session there was before."""
    app, request_token = App(), sim.request_token()
    checksum = sha256(f"{app.api_key}{request_token}{app.api_secret}".encode()).hexdigest()
    form = {"api_key": app.api_key, "request_token": request_token, "checksum": checksum}
    connection = HTTPConnection(sim.url.partition("://")[2], timeout=ANSWER_S)
    try:
        connection.request(
            "POST",
            "/session/token",
            urlencode(form),
            {"content-type": "application/x-www-form-urlencoded", "x-kite-version": "3"},
        )
        answer = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    return str(answer["data"]["access_token"])


def until(holds: Any, within_s: float = READY_S) -> None:
    """Wait until it does; AssertionError where it never did."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(LOOK_S)


@contextmanager
def ended(daemons: list[Daemon]) -> Iterator[list[Daemon]]:
    """Whatever of these still runs is killed at the end."""
    try:
        yield daemons
    finally:
        for daemon in daemons:
            if daemon.process is not None:
                daemon.kill()
