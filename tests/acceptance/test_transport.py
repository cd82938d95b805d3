"""Framing, batches, bounds and HTTP, against the real daemon (WIRE 1)."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.daemon import Client, Daemon

TERMS: dict[str, Any] = {
    "account": "paper",
    "symbol": "NSE:INFY",
    "side": "BUY",
    "quantity": 1,
    "type": "MARKET",
    "product": "CNC",
}
RESTING: dict[str, Any] = {**TERMS, "type": "SL-M", "trigger_price": 2900}


def request(number: Any, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def notification(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}


def test_a_batch_is_answered_member_by_member_whatever_the_bad_ones_are(
    client: Client, new_key: Callable[[], str]
) -> None:
    good, also_good = new_key(), new_key()

    client.send(
        [
            request(1, "order.place", **TERMS, key=good),
            request(2, "order.place", **TERMS, key=new_key(), quantty=1),
            17,
            {"jsonrpc": "2.0", "id": 4, "method": 5},
            {"id": 5, "method": "system.ping"},
            request(6, "no.such"),
            request("seven", "order.place", **TERMS, key=also_good),
            notification("system.ping"),
            {**request(9, "system.ping"), "params": 5},
            {**request(None, "system.ping")},
        ]
    )

    answers = client.read()
    kinds = [(a["id"], a.get("error", {}).get("data", {}).get("kind")) for a in answers]
    assert kinds == [
        (1, None),
        (2, "INVALID_PARAMS"),
        (None, "INVALID_REQUEST"),
        (4, "INVALID_REQUEST"),
        (5, "INVALID_REQUEST"),
        (6, "METHOD_NOT_FOUND"),
        ("seven", None),
        (9, "INVALID_REQUEST"),
        (None, None),
    ]
    for key in (good, also_good):
        assert client.ask("order.get", account="paper", key=key)


def test_a_batch_of_64_is_carried_out_and_one_of_65_is_not(
    client: Client, new_key: Callable[[], str]
) -> None:
    keys = [new_key() for _ in range(65)]
    client.send([request(n, "order.place", **TERMS, key=k) for n, k in enumerate(keys)])
    refused = client.read()

    client.send([request(n, "order.place", **TERMS, key=k) for n, k in enumerate(keys[:64])])
    carried = client.read()

    assert refused["error"]["data"]["kind"] == "INVALID_REQUEST"
    assert [answer["result"]["replayed"] for answer in carried] == [False] * 64
    assert client.refused("order.get", account="paper", key=keys[64])


def test_an_empty_batch_is_refused_and_one_of_notifications_is_not_answered(
    client: Client,
) -> None:
    client.send([])
    assert client.read()["error"]["data"]["kind"] == "INVALID_REQUEST"

    client.send([notification("system.ping"), notification("system.ping")])
    client.send(request("next", "system.ping"))

    assert client.read()["id"] == "next"


def test_a_change_without_an_id_is_not_carried_out(
    daemon: Daemon, client: Client, new_key: Callable[[], str]
) -> None:
    placed, key = new_key(), new_key()
    client.ask("order.place", **RESTING, key=placed)
    before = daemon.journal()

    client.send(notification("order.place", **TERMS, key=key))
    client.send([notification("order.place", **TERMS, key=key)])
    client.send(notification("order.cancel", account="paper", key=placed))
    client.send(notification("order.cancel_all"))
    client.send(notification("kill.engage"))
    client.send(notification("system.shutdown"))
    client.send(notification("account.logout", account="paper"))

    assert client.refused("order.get", account="paper", key=key)
    status = client.ask("order.get", account="paper", key=placed)["order"]["status"]
    assert status in ("PENDING", "TRIGGER_PENDING")
    assert client.ask("system.status")["state"] == "READY"
    later = daemon.journal().removeprefix(before)
    assert '"type":"kill"' not in later
    assert '"type":"cancel"' not in later
    assert '"type":"admin"' not in later


def test_with_256_in_flight_the_next_waits_and_is_answered_after_one(
    client: Client, connect: Callable[[], Client], new_key: Callable[[], str]
) -> None:
    key = new_key()
    status = client.ask("order.place", **RESTING, key=key)["order"]["status"]
    while status == "PENDING":  # until its row was read: the next change is the cancel's
        order = client.ask("order.get", account="paper", key=key, wait_ms=1_000)["order"]
        status = order["status"]
    busy = connect()
    waits = [busy.begin("order.get", account="paper", key=key, wait_ms=30_000) for _ in range(256)]
    last = busy.begin("system.ping")
    client.ask("system.ping")

    client.ask("order.cancel", account="paper", key=key)

    assert busy.first_answer() in waits
    assert busy.answer(last)["result"]
    for number in waits:
        assert busy.answer(number)["result"]["order"]["status"] == "CANCELLED"


def test_answers_come_as_they_finish(
    client: Client, connect: Callable[[], Client], new_key: Callable[[], str]
) -> None:
    key = new_key()
    client.ask("order.place", **RESTING, key=key)
    client.ask("order.get", account="paper", key=key, wait_ms=300)
    other = connect()

    slow = other.begin("order.get", account="paper", key=key, wait_ms=300)
    fast = other.begin("system.ping")

    assert other.first_answer() == fast
    assert other.answer(slow)["result"]


def test_a_line_of_a_mebibyte_is_read_and_a_longer_one_costs_that_line_only(
    client: Client,
) -> None:
    line = json.dumps(request(1, "system.ping")).encode()

    client.send_bytes(line + b" " * ((1 << 20) - len(line)) + b"\n")
    assert client.read()["result"]
    client.send_bytes(line + b" " * ((1 << 20) - len(line) + 1) + b"\n")
    assert client.read()["error"]["data"]["kind"] == "PARSE"

    assert client.ask("system.ping")


@pytest.mark.parametrize(
    "line",
    [b"{", b"nonsense", b'{"jsonrpc":"2.0",}', b"\xff\xfe{}", b"\x00", b'{"id":1}{"id":2}', b"'a'"],
)
def test_what_is_not_json_costs_one_line(client: Client, line: bytes) -> None:
    client.send_bytes(b" " + line + b"\r\n\r\n\n")

    answer = client.read()

    assert (answer["id"], answer["error"]["data"]["kind"]) == (None, "PARSE")
    assert client.ask("system.ping")


def test_a_line_may_come_byte_by_byte_and_the_last_needs_no_end(daemon: Daemon) -> None:
    with daemon.connect() as client:
        for byte in json.dumps(request(1, "system.ping")).encode():
            client.send_bytes(bytes([byte]))
        client.half_close()

        assert client.read()["id"] == 1
        with pytest.raises(ConnectionError):
            client.read()


def test_a_closed_connection_cancels_nothing(
    daemon: Daemon, client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    with daemon.connect() as gone:
        gone.begin("order.place", **TERMS, key=key)

    for _ in range(100):
        again = client.ask("order.place", **TERMS, key=key)
        if again["replayed"]:
            break
    assert client.ask("order.get", account="paper", key=key, wait_ms=500)["order"]["status"] in (
        "FILLED",
        "PENDING",
    )


@pytest.mark.parametrize("number", [0, -1, 2**53, "text", "ü", 1.5, None, ""])
def test_an_id_comes_back_as_it_was(client: Client, number: Any) -> None:
    client.send(request(number, "system.ping"))

    assert client.read()["id"] == number


@pytest.mark.parametrize("number", [True, [], {}, [1]])
def test_an_id_that_is_none_is_refused(client: Client, number: Any) -> None:
    client.send(request(number, "system.ping"))

    answer = client.read()
    assert (answer["id"], answer["error"]["data"]["kind"]) == (None, "INVALID_REQUEST")


# HTTP


def http(daemon: Daemon, method: str, path: str, body: bytes = b"", **headers: str) -> Any:
    """Status, headers and body of one request on a connection of its own."""
    given = {
        "host": "localhost",
        "connection": "close",
        "content-type": "application/json",
        "content-length": str(len(body)),
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    with daemon.connect(checked=False) as client:
        client.send_bytes(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        first, _, rest = client.rest().partition(b"\r\n\r\n")
    status = int(first.split(b" ", 2)[1])
    return status, first.lower(), rest


def test_http_answers_calls_and_batches_as_lines_do(
    daemon: Daemon, new_key: Callable[[], str]
) -> None:
    assert daemon.contract is not None
    one = json.dumps(request(1, "order.place", **TERMS, key=new_key())).encode()
    many = json.dumps([request(1, "system.ping"), request(2, "no.such")]).encode()

    status, _, body = http(daemon, "POST", "/rpc", one)
    batch_status, _, batch = http(daemon, "POST", "/rpc", many)

    assert (status, batch_status) == (200, 200)
    daemon.contract.check("order.place", json.loads(body))
    assert [answer["id"] for answer in json.loads(batch)] == [1, 2]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/healthz", 200),
        ("GET", "/openrpc.json", 200),
        ("GET", "/rpc", 405),
        ("POST", "/healthz", 405),
        ("GET", "/nothing", 404),
        ("GET", "/", 404),
    ],
)
def test_each_path_answers_as_it_should(
    daemon: Daemon, method: str, path: str, status: int
) -> None:
    answered, _, body = http(daemon, method, path)

    assert answered == status
    assert isinstance(json.loads(body), dict)


def test_health_says_whether_the_disk_works_and_the_switch_is_thrown(daemon: Daemon) -> None:
    status, _, body = http(daemon, "GET", "/healthz")

    assert (status, json.loads(body)) == (200, {"journal": "ok", "killed": False})


def test_metrics_are_scraped_over_the_socket(
    daemon: Daemon, client: Client, new_key: Callable[[], str]
) -> None:
    order = {"symbol": "NSE:INFY", "side": "BUY", "quantity": 1, "type": "MARKET", "product": "CNC"}
    client.ask("order.place", account="paper", key=new_key(), **order)
    until = time.monotonic() + 30
    while (
        b'ordod_order_update_lag_seconds{account="paper",part="taken"}'
        not in (http(daemon, "GET", "/metrics")[2])
    ):
        assert time.monotonic() < until, "no update was heard"
        time.sleep(0.1)

    status, _, body = http(daemon, "GET", "/metrics")

    assert status == 200
    assert b"ordod_build_info{" in body
    assert b"process_resident_memory_bytes " in body


def test_http_refuses_another_content_type_and_too_long_a_body(daemon: Daemon) -> None:
    body = json.dumps(request(1, "system.ping")).encode()

    assert http(daemon, "POST", "/rpc", body, content_type="text/plain")[0] == 415
    assert http(daemon, "POST", "/rpc", b" " * ((1 << 20) + 1))[0] == 413


def test_a_notification_over_http_has_no_content_and_changes_nothing(
    daemon: Daemon, client: Client, new_key: Callable[[], str]
) -> None:
    key = new_key()
    body = json.dumps(notification("order.place", **TERMS, key=key)).encode()

    status, _, rest = http(daemon, "POST", "/rpc", body)

    assert (status, rest) == (204, b"")
    assert client.refused("order.get", account="paper", key=key)


def test_curl_can_talk_to_it(daemon: Daemon, new_key: Callable[[], str]) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is missing")
    body = json.dumps(request(1, "order.place", **TERMS, key=new_key()))
    url = "http://localhost/rpc"

    done = subprocess.run(
        [curl, "-s", "--unix-socket", str(daemon.socket), "--json", body, url],
        capture_output=True,
        check=True,
    )

    assert json.loads(done.stdout)["result"]["replayed"] is False
