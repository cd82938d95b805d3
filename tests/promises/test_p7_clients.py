"""P7: a slow, broken or hostile client harms nobody else."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.promises.daemon import PAPER, Daemon, Refused, until

Make = Callable[..., Daemon]

SOON_S = 1.0  # an answer while somebody else misbehaves: far below this on an idle machine
LINE_BYTES_MAX = 1 << 20
ROUNDS = 20


@contextmanager
def connected(daemon: Daemon) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(5)
        one.connect(str(daemon.socket))
        yield one


def slowest_s(daemon: Daemon, key: str) -> float:
    """The longest of some orders and questions of another client."""
    took = []
    with daemon.client() as client:
        for n in range(ROUNDS):
            began = time.monotonic()
            client.call("system.ping")
            client.call("order.place", **daemon.order(f"{key}-{n}", account="paper"))
            took.append(time.monotonic() - began)
    return max(took)


def request(number: int, method: str = "system.status") -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method}).encode() + b"\n"


def test_a_client_that_asks_and_never_reads_slows_nobody(make: Make) -> None:
    daemon = make(PAPER).ready()

    with connected(daemon) as deaf:
        deaf.setblocking(False)
        with suppress(BlockingIOError):
            for number in range(100_000):
                deaf.send(request(number))
        slowest = slowest_s(daemon, "deaf")

    assert slowest < SOON_S


def test_a_subscriber_that_never_reads_slows_nobody(make: Make) -> None:
    daemon = make(PAPER).ready()

    with connected(daemon) as deaf:
        asked = {"jsonrpc": "2.0", "id": 1, "method": "events.subscribe"}
        deaf.sendall(json.dumps(asked | {"params": {"topics": ["orders"]}}).encode() + b"\n")
        slowest = slowest_s(daemon, "unheard")

    assert slowest < SOON_S
    assert len(daemon.records("accepted")) == ROUNDS


def test_a_hundred_clients_at_once_are_all_served(make: Make) -> None:
    daemon = make(PAPER).ready()

    with ThreadPoolExecutor(100) as pool:
        orders = list(pool.map(lambda n: daemon.place(f"c{n}", account="paper"), range(100)))

    assert {order["order"]["key"] for order in orders} == {f"c{n}" for n in range(100)}
    assert len({order["order"]["broker_order_id"] for order in orders}) == 100


GARBAGE = {
    "no JSON": b"\x00\xff\xfe garbage\n" * 1000,
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "open braces": b"{" * 100_000 + b"\n",
    "deep lists": b"[" * 100_000 + b"]" * 100_000 + b"\n",
    "one id two hundred times": request(1) * 200,
    "unknown parameters": b'{"jsonrpc":"2.0","id":1,"method":"system.ping","params":{"a":1}}\n'
    * 200,
    "a batch too long": b"[" + b",".join([request(1).strip()] * 65) + b"]\n",
    "no such page": b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",
    "a body that never comes": b"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{",
    "an id of 5000 digits": b'{"jsonrpc":"2.0","id":' + b"9" * 5000 + b',"method":"system.ping"}\n',
    "a line too long": b"x" * (LINE_BYTES_MAX + 10),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_harms_nobody_else(kind: str, patient: Daemon) -> None:
    with connected(patient) as rude, suppress(OSError):
        rude.sendall(GARBAGE[kind])
        assert patient.call("system.ping")
        rude.settimeout(0.2)
        rude.recv(1 << 16)

    assert patient.process is not None
    assert patient.process.poll() is None
    assert patient.call("system.status")["state"] == "READY"
    assert "Traceback" not in patient.log_text()


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for all the garbage."""
    daemon = Daemon(tmp_path_factory.mktemp("p"), PAPER).ready()
    try:
        yield daemon
    finally:
        daemon.kill()


def test_a_line_that_is_too_long_is_refused_and_not_kept(make: Make) -> None:
    daemon = make(PAPER).ready()
    before = resident_bytes(daemon)

    with connected(daemon) as endless:
        endless.sendall(b"x" * (32 * LINE_BYTES_MAX))
        grown = resident_bytes(daemon) - before
        endless.sendall(b"\n" + request(2))
        said = endless.recv(65536)

    assert grown < 8 * LINE_BYTES_MAX
    assert b"error" in said
    assert daemon.call("system.ping")


def resident_bytes(daemon: Daemon) -> int:
    assert daemon.process is not None
    pages = Path(f"/proc/{daemon.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def test_a_client_that_hangs_up_cancels_nothing(make: Make) -> None:
    daemon = make(PAPER).ready()
    terms = daemon.order("left-alone", account="paper")

    with daemon.client() as client:
        client.send("order.place", **terms)
    daemon.wait_status(lambda _: daemon.records("accepted"))
    # In the file it may stand before it is durable, and until then nobody is told.
    until(lambda: daemon.get("left-alone", "paper")["status"] in ("OPEN", "PENDING"))

    assert daemon.records("doubt") == []
    assert daemon.place("left-alone", account="paper")["replayed"]


def test_what_changes_something_and_cannot_be_answered_is_not_carried_out(make: Make) -> None:
    daemon = make(PAPER).ready()
    terms = daemon.order("unanswerable", account="paper")

    with daemon.client() as client:
        asked = {"jsonrpc": "2.0", "method": "order.place", "params": terms}
        client.write(json.dumps(asked).encode() + b"\n")
        client.call("system.ping")

    with pytest.raises(Refused) as refused:
        daemon.get("unanswerable", "paper")
    assert refused.value.kind == "UNKNOWN_ORDER"
    assert not daemon.records("intent")
