"""A real daemon process on the paper broker, and a client that holds every answer against the contract.

The tables below are WIRE.md, written down a second time: the daemon's own tables are what is tested. Each result is held
against the schema of its method in the daemon's OpenRPC document, each error against WIRE 5, each order in either against
the fields of WIRE 2, whatever a test itself looks at.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import jsonschema

__all__ = ["ERRORS", "ORDER_FIELDS", "Client", "Contract", "Daemon", "running"]

START_S = 45.0
ANSWER_S = 45.0

ORDER_FIELDS = {
    "order_id",
    "key",
    "account",
    "strategy",
    "symbol",
    "side",
    "quantity",
    "type",
    "product",
    "price",
    "trigger_price",
    "validity",
    "variety",
    "disclosed_quantity",
    "tag",
    "broker_order_id",
    "exchange_order_id",
    "status",
    "status_message",
    "filled_quantity",
    "average_price",
    "children",
    "since",
    "next_check",
    "placed_at",
    "updated_at",
    "seq",
}
STATUSES = {
    "PENDING",
    "OPEN",
    "TRIGGER_PENDING",
    "PARTIALLY_FILLED",
    "FILLED",
    "CANCELLED",
    "REJECTED",
    "EXPIRED",
    "IN_DOUBT",
    "NOT_PLACED",
}
ERRORS: Mapping[str, tuple[int, str | None]] = {
    "PARSE": (-32700, None),
    "INVALID_REQUEST": (-32600, None),
    "METHOD_NOT_FOUND": (-32601, None),
    "INVALID_PARAMS": (-32602, "same_key"),
    "INTERNAL": (-32603, "same_key"),
    "UNAUTHENTICATED": (1001, "same_key"),
    "FORBIDDEN": (1002, "same_key"),
    "OVERLOADED": (1003, "same_key"),
    "UNKNOWN_ACCOUNT": (1101, "same_key"),
    "SESSION_REQUIRED": (1102, "same_key"),
    "AUTH_DENIED": (1103, "same_key"),
    "UNSUPPORTED": (1104, "same_key"),
    "KILLED": (1201, "same_key"),
    "RISK_REFUSED": (1202, "same_key"),
    "KEY_REUSED": (1203, "never"),
    "ORDER_REJECTED": (1204, "new_key"),
    "INSUFFICIENT_FUNDS": (1205, "new_key"),
    "TOO_LATE": (1206, "same_key"),
    "ORDER_IN_DOUBT": (1207, "same_key"),
    "UNKNOWN_ORDER": (1208, "same_key"),
    "UNKNOWN_INSTRUMENT": (1209, "same_key"),
    "MARKET_CLOSED": (1210, "new_key"),
    "RATE_LIMITED": (1301, "same_key"),
    "BROKER_UNAVAILABLE": (1302, "same_key"),
    "BROKER_ERROR": (1303, "same_key"),
    "JOURNAL_FAILED": (1401, "same_key"),
}
DATA_FIELDS = {
    "kind",
    "account",
    "key",
    "retry",
    "field",
    "value",
    "differs",
    "order",
    "limit",
    "broker_code",
    "broker_message",
    "retry_after_ms",
    "log_id",
}
WITH_CLOSEST = {"UNKNOWN_ORDER", "UNKNOWN_INSTRUMENT"}
ANY_METHOD = {"PARSE", "INVALID_REQUEST", "METHOD_NOT_FOUND"}


class Contract:
    """WIRE.md, and the document the daemon gives of itself."""

    def __init__(self, document: Any) -> None:
        self.document = document
        components = document["components"]
        self.methods = {method["name"]: method for method in document["methods"]}
        self._results = {
            name: jsonschema.Draft202012Validator(
                {**method["result"]["schema"], "components": components}
            )
            for name, method in self.methods.items()
        }
        self._kinds = {
            name: {each["$ref"].rsplit("/", 1)[1] for each in method["errors"]} | ANY_METHOD
            for name, method in self.methods.items()
        }
        self.seen: Counter[tuple[str, str]] = Counter()

    def check(self, method: str | None, answer: Any) -> None:
        """Raises AssertionError or jsonschema.ValidationError where an answer is not as promised."""
        assert answer["jsonrpc"] == "2.0"
        assert set(answer) in ({"jsonrpc", "id", "result"}, {"jsonrpc", "id", "error"})
        if "error" in answer:
            self.check_error(answer["error"], method)
            return
        assert isinstance(answer["result"], dict), "results are objects"
        if method is not None:
            self._results[method].validate(answer["result"])
            self.seen[method, "ok"] += 1
        if method != "rpc.discover":
            self.check_values(answer["result"])

    def check_error(self, error: Any, method: str | None = None) -> None:
        assert set(error) == {"code", "message", "data"}
        kind = error["data"]["kind"]
        code, retry = ERRORS[kind]
        assert kind != "INTERNAL", error
        assert (error["code"], error["data"].get("retry")) == (code, retry)
        allowed = DATA_FIELDS | ({"closest"} if kind in WITH_CLOSEST else set())
        assert set(error["data"]) <= allowed, error
        assert len(error["message"]) > 10
        assert "Traceback" not in error["message"]
        if kind == "INVALID_PARAMS" and method is not None:
            assert "field" in error["data"] or "by name" in error["message"], error
        if method in self._kinds:
            assert kind in self._kinds[method], f"{method} does not say that it answers {kind}"
            self.seen[str(method), kind] += 1
        self.check_values(error["data"])

    def check_values(self, value: Any) -> None:
        """What holds for every value in an answer, however deep: orders, prices, times, errors within results."""
        match value:
            case {"filled_quantity": _, "order_id": _, "placed_at": _}:
                assert set(value) == ORDER_FIELDS
                assert value["status"] in STATUSES
                assert (value["since"] is not None) == (value["status"] == "IN_DOUBT")
            case {"code": int(), "data": dict(), "message": str()}:
                self.check_error(value)
                return
            case Decimal():
                assert value == round(value, 4), f"{value} has more than 4 decimals"
            case _:
                pass
        if isinstance(value, dict):
            for name, each in value.items():
                if name == "gamma":  # a measure, not a price: 0.0004 for an index
                    continue
                if name.endswith("_at") and each is not None:
                    assert isinstance(each, str), (name, value)
                    assert datetime.fromisoformat(each).tzinfo is not None
                self.check_values(each)
        elif isinstance(value, list):
            for each in value:
                self.check_values(each)


class Client:
    """One connection. Answers are found by id; events wait in `events`."""

    def __init__(self, path: Path, contract: Contract | None) -> None:
        self._contract = contract
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_S)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._begun = bytearray()
        self._lines: deque[bytes] = deque()
        self._ids = count(1)
        self._asked: dict[Any, str] = {}
        self._answers: dict[Any, Any] = {}
        self.events: deque[Any] = deque()

    def close(self) -> None:
        self._socket.close()

    # Whole calls

    def ask(self, method: str, /, **params: Any) -> Any:
        """The result; an error fails the test."""
        answer = self.answer(self.begin(method, **params))
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def refused(self, method: str, /, **params: Any) -> Any:
        """The error; a result fails the test."""
        answer = self.answer(self.begin(method, **params))
        assert "result" not in answer, answer["result"]
        return answer["error"]

    def begin(self, method: str, /, **params: Any) -> int:
        """Send a call, and answer with its id for `answer`."""
        number = next(self._ids)
        self._asked[number] = method
        self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        return number

    def answer(self, number: int) -> Any:
        """The answer to a call; what comes before it is kept."""
        while number not in self._answers:
            self._take(self.read())
        return self._answers.pop(number)

    def first_answer(self) -> int:
        """The id of the answer that comes first among those not yet taken."""
        while not self._answers:
            self._take(self.read())
        return int(next(iter(self._answers)))

    def event(self, within_s: float = ANSWER_S) -> Any:
        """The next event's params. Raises TimeoutError."""
        self._socket.settimeout(within_s)
        try:
            while not self.events:
                self._take(self.read())
        finally:
            self._socket.settimeout(ANSWER_S)
        return self.events.popleft()

    # Lines

    def send(self, message: Any) -> None:
        self.send_bytes(json.dumps(message).encode() + b"\n")

    def send_bytes(self, data: bytes) -> None:
        self._socket.sendall(data)

    def half_close(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def rest(self) -> bytes:
        """Everything until the other side hangs up."""
        while data := self._socket.recv(1 << 16):
            self._begun += data
        return bytes(self._begun)

    def read(self) -> Any:
        """The next message, whole. Raises ConnectionError when the other side hangs up."""
        while not self._lines:
            data = self._socket.recv(1 << 16)
            if not data:
                raise ConnectionError("the daemon hung up")
            self._begun += data
            *lines, rest = bytes(self._begun).split(b"\n")
            self._lines.extend(lines)
            self._begun = bytearray(rest)
        message = json.loads(self._lines.popleft(), parse_float=Decimal)
        if self._contract is not None:
            for each in message if isinstance(message, list) else [message]:
                if "method" not in each:
                    self._contract.check(self._asked.get(each["id"]), each)
        return message

    def _take(self, message: Any) -> None:
        if message.get("method") == "event":
            self.events.append(message["params"])
            if self._contract is not None:
                self._contract.check_values(message["params"])
        elif message.get("method") != "progress":
            self._answers[message["id"]] = message


class Daemon:
    """`ordod` as a process, with a state directory and a socket of its own."""

    def __init__(self, folder: Path, config: str) -> None:
        self.folder = folder
        self.socket = folder / "ordod.sock"
        self.state = folder / "state"
        self.contract: Contract | None = None
        self._config = folder / "ordod.conf"
        self._config.write_text(
            f'[daemon]\nstate_dir = "{self.state}"\nsocket = "{self.socket}"\n{config}'
        )
        self._config.chmod(0o600)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until every account can trade."""
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ordod", "--config", str(self._config)],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        until = time.monotonic() + START_S
        while not self._is_ready():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < until, self.log()
            time.sleep(0.02)

    def stop(self) -> int:
        """End in good order; the exit status."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(timeout=START_S)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def _is_ready(self) -> bool:
        with suppress(OSError), self.connect(checked=False) as client:
            if self.contract is None:
                self.contract = Contract(client.ask("rpc.discover"))
            accounts = client.ask("account.list")["accounts"]
            return all(account["can_trade"] for account in accounts)
        return False

    @contextmanager
    def connect(self, *, checked: bool = True) -> Iterator[Client]:
        client = Client(self.socket, self.contract if checked else None)
        try:
            yield client
        finally:
            client.close()

    def journal(self) -> str:
        return "".join(
            each.read_text() for each in sorted((self.state / "journal").glob("*.ndjson"))
        )

    def paper_book(self) -> str:
        return "".join(each.read_text() for each in sorted((self.state / "paper").iterdir()))


@contextmanager
def running(folder: Path, config: str) -> Iterator[Daemon]:
    """A daemon that is ready, and ends in good order."""
    folder.mkdir(parents=True, exist_ok=True)
    daemon = Daemon(folder, config)
    try:
        daemon.start()
        yield daemon
    finally:
        assert daemon.stop() == 0, daemon.log()
