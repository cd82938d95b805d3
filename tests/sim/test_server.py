"""The simulator on a real socket: the endings, the back door, the process."""

import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import anyio
import httpx
import pytest

from ordod.sim.__main__ import main
from ordod.sim.clock import Clock
from ordod.sim.process import SimProcess, running
from ordod.sim.server import Listening, serving
from ordod.sim.zerodha import App, ZerodhaSim


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def listening(kite: Any) -> AsyncIterator[Listening]:
    async with serving(kite.sim, clock=Clock(kite.now, standing=True)) as server:
        yield server


def auth(kite: Any) -> dict[str, str]:
    return dict(kite.headers)


async def raw(listening: Listening, kite: Any, form: Any, **more: object) -> bytes:
    """One placement over a bare socket; whatever comes until the other side ends it."""
    body = urlencode(form(**more)).encode()
    head = "POST /orders/regular HTTP/1.1\r\nHost: kite\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in kite.headers)
    head += (
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    async with await anyio.connect_tcp("127.0.0.1", listening.port) as stream:
        await stream.send(head.encode() + body)
        received = b""
        while True:
            try:
                received += await stream.receive()
            except anyio.EndOfStream:
                return received


def tags(kite: Any) -> list[str]:
    return [deed.tag for deed in kite.sim.desk.deeds if not deed.error]


async def test_a_connection_is_kept_and_the_date_is_the_brokers(
    listening: Listening, kite: Any
) -> None:
    async with httpx.AsyncClient(base_url=listening.url, headers=auth(kite)) as client:
        first = await client.get("/user/profile")
        second = await client.get("/orders")

    assert (first.status_code, second.json()["data"]) == (200, [])
    assert first.headers["date"] == "Wed, 25 Nov 2026 04:30:00 GMT"
    assert len({seen.at for seen in kite.sim.requests}) == 1


async def test_a_lost_answer_is_a_closed_connection_without_a_byte(
    listening: Listening, kite: Any, form: Any
) -> None:
    kite.sim.faults.add("lose_before", "POST", "/orders")
    kite.sim.faults.add("lose_after", "POST", "/orders")

    before = await raw(listening, kite, form, tag="t1")
    after = await raw(listening, kite, form, tag="t2")

    assert (before, after) == (b"", b"")
    assert tags(kite) == ["t2"]


async def test_a_reset_is_a_reset(listening: Listening, kite: Any, form: Any) -> None:
    kite.sim.faults.add("reset", "POST", "/orders")

    with pytest.raises(anyio.BrokenResourceError) as caught:
        await raw(listening, kite, form, tag="t1")

    assert isinstance(caught.value.__cause__, ConnectionResetError)
    assert tags(kite) == ["t1"]


async def test_a_hanging_request_gets_nothing_and_the_next_connection_everything(
    listening: Listening, kite: Any, form: Any
) -> None:
    kite.sim.faults.add("hang", "POST", "/orders")

    with anyio.move_on_after(0.2) as waited:
        await raw(listening, kite, form, tag="t1")
    async with httpx.AsyncClient(base_url=listening.url, headers=auth(kite)) as client:
        book = (await client.get("/orders")).json()["data"]

    assert waited.cancelled_caught
    assert [row["tag"] for row in book] == ["t1"]


async def test_half_an_answer_announces_more_than_it_brings(
    listening: Listening, kite: Any, form: Any
) -> None:
    kite.sim.faults.add("half", "POST", "/orders")

    head, _, body = (await raw(listening, kite, form)).partition(b"\r\n\r\n")

    announced = int(head.lower().partition(b"content-length: ")[2].split()[0])
    assert 0 < len(body) < announced


async def test_a_delayed_answer_comes_whole_and_late(
    listening: Listening, kite: Any, form: Any
) -> None:
    kite.sim.faults.add("delay", "POST", "/orders", seconds=0.3)
    async with httpx.AsyncClient(base_url=listening.url, headers=auth(kite)) as client:
        began = time.monotonic()
        answer = await client.post("/orders/regular", data=form())

    assert answer.status_code == 200
    assert time.monotonic() - began >= 0.3


async def test_a_gateway_page_is_html(listening: Listening, kite: Any, form: Any) -> None:
    kite.sim.faults.add("status", "POST", "/orders", status=502)
    async with httpx.AsyncClient(base_url=listening.url, headers=auth(kite)) as client:
        answer = await client.post("/orders/regular", data=form())

    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")


async def test_what_is_not_http_is_answered_with_400(listening: Listening) -> None:
    async with await anyio.connect_tcp("127.0.0.1", listening.port) as stream:
        await stream.send(b"\x16\x03\x01 not http\r\n\r\n")
        answer = await stream.receive()

    assert answer.startswith(b"HTTP/1.1 400 ")


async def test_tls_is_spoken_where_a_certificate_is_given(kite: Any, tmp_path: Path) -> None:
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)

    async with (
        serving(kite.sim, clock=Clock(kite.now, standing=True), tls=server) as listening,
        httpx.AsyncClient(base_url=listening.url, headers=auth(kite), verify=client) as http,
    ):
        answer = await http.get("/user/profile")

    assert listening.url.startswith("https://")
    assert answer.status_code == 200


# The process and its back door


@pytest.fixture(scope="module")
def process() -> Iterator[SimProcess]:
    with running("--at", "2026-11-25T10:00:00+05:30", "--standing", "--no-limits") as sim:
        yield sim


def log_in(process: SimProcess) -> dict[str, str]:
    """The headers of a fresh session."""
    import hashlib

    app, token = App(), process.request_token()
    checksum = hashlib.sha256((app.api_key + token + app.api_secret).encode()).hexdigest()
    form = {"api_key": app.api_key, "request_token": token, "checksum": checksum}
    said = httpx.post(f"{process.url}/session/token", data=form, headers={"X-Kite-Version": "3"})
    access_token = said.json()["data"]["access_token"]
    return {"X-Kite-Version": "3", "Authorization": f"token {app.api_key}:{access_token}"}


def test_the_back_door_gives_trouble_and_tells_the_truth(process: SimProcess, form: Any) -> None:
    headers = log_in(process)
    process.fault("lose_after", "POST", "/orders")

    with pytest.raises(httpx.RemoteProtocolError):
        httpx.post(f"{process.url}/orders/regular", data=form(tag="lost1"), headers=headers)

    assert [deed["tag"] for deed in process.placements()] == ["lost1"]
    assert process.requests()[-1]["fault"] == "lose_after"
    book = httpx.get(f"{process.url}/orders", headers=headers).json()["data"]
    assert [row["tag"] for row in book] == ["lost1"]


def test_the_clock_moves_when_told_and_sessions_die_by_it(process: SimProcess) -> None:
    headers = log_in(process)

    process.step(timedelta(hours=21).total_seconds())

    assert httpx.get(f"{process.url}/orders", headers=headers).status_code == 403
    process.call("POST", "clock", {"at": "2026-11-25T10:00:00+05:30"})


def test_an_order_by_hand_and_an_empty_morning(process: SimProcess, form: Any) -> None:
    headers = log_in(process)
    placed = process.call("POST", "place", form(tag=None))["order_id"]
    book = httpx.get(f"{process.url}/orders", headers=headers).json()["data"]

    process.call("POST", "new_day", {})

    assert placed in [row["order_id"] for row in book]
    assert httpx.get(f"{process.url}/orders", headers=headers).json()["data"] == []


def test_faults_are_listed_taken_away_and_refused_when_odd(process: SimProcess) -> None:
    process.call("POST", "faults", [{"kind": "stale", "method": "GET"}, {"kind": "half"}])
    waiting = [fault["kind"] for fault in process.call("GET", "faults")]
    process.call("DELETE", "faults")

    assert waiting == ["stale", "half"]
    assert process.call("GET", "faults") == []
    with pytest.raises(RuntimeError, match="kind"):
        process.fault("no_such_thing")
    with pytest.raises(RuntimeError, match="no such"):
        process.call("GET", "nowhere")


def test_a_restart_on_the_same_port_is_another_broker(form: Any) -> None:
    with running("--seed", "3") as first:
        port = first.url.rpartition(":")[2]
        first.call("POST", "place", form(tag=None))
    with running("--seed", "3", "--port", port) as second:
        placements = second.placements()

    assert placements == []


def test_odd_faults_on_the_command_line_are_a_usage_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["zerodha", "--faults", "nonsense=0.1"])

    assert ended.value.code == 2
    assert "nonsense" in capsys.readouterr().err


def test_connections_that_say_nothing_harm_nobody(process: SimProcess) -> None:
    silent = [
        socket.create_connection(("127.0.0.1", int(process.url.rpartition(":")[2])))
        for _ in range(50)
    ]

    connection = HTTPConnection("127.0.0.1", int(process.url.rpartition(":")[2]), timeout=5)
    connection.request("GET", "/_sim/clock")
    answer = connection.getresponse().status

    for one in silent:
        one.close()
    connection.close()
    assert answer == 200


def test_a_simulator_knows_nothing_of_the_adapters() -> None:
    import ordod.sim.zerodha

    folder = Path(ordod.sim.zerodha.__file__).parents[1]
    texts = [path.read_text() for path in folder.rglob("*.py")]

    assert texts
    assert not any("ordo_adapters" in text or "ordod.adapter" in text for text in texts)


def test_a_simulator_answers_the_same_for_the_same_seed(kite: Any, form: Any) -> None:
    twin = type(kite)(ZerodhaSim(seed=7, now=kite.now))
    twin.login()

    assert twin.place(tag="a") == kite.place(tag="a")
    assert twin.access_token == kite.access_token
    assert twin.ask("GET", "/trades") == kite.ask("GET", "/trades")
