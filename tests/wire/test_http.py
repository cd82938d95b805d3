"""HTTP on the same socket."""

import json
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from ordod.wire.framing import LINE_BYTES_MAX

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


@pytest.fixture
async def http(server: Any, path: Path) -> Any:
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    async with httpx.AsyncClient(transport=transport, base_url="http://ordod") as client:
        yield client


async def test_a_call_is_answered(http: httpx.AsyncClient) -> None:
    response = await http.post("/rpc", json=PING)

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json()["result"]["pong"].startswith("uid:")


async def test_a_connection_is_kept_for_the_next_call(http: httpx.AsyncClient, server: Any) -> None:
    for _ in range(5):
        await http.post("/rpc", json=PING)
        await http.get("/healthz")

    assert server.tally.connections == 1


async def test_a_batch_is_answered_as_a_list_and_errors_are_answers(
    http: httpx.AsyncClient,
) -> None:
    response = await http.post("/rpc", json=[PING, {"jsonrpc": "2.0", "id": 2, "method": "no"}])

    assert response.status_code == 200
    assert [each["id"] for each in response.json()] == [1, 2]


async def test_notifications_alone_have_no_content(http: httpx.AsyncClient) -> None:
    response = await http.post("/rpc", json=[{"jsonrpc": "2.0", "method": "ping"}])

    assert (response.status_code, response.content) == (204, b"")
    assert (await http.post("/rpc", json=PING)).status_code == 200


async def test_there_is_no_way_back_for_events(http: httpx.AsyncClient, desk: Any) -> None:
    await http.post("/rpc", json=PING)

    assert desk.calls[0].outbox is None


async def test_a_page_is_there_to_be_read(http: httpx.AsyncClient) -> None:
    response = await http.get("/healthz?verbose=1")

    assert (response.status_code, response.json()) == (200, {"ok": True})


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/metrics", 404),
        ("GET", "/", 404),
        ("GET", "/rpc", 405),
        ("PUT", "/rpc", 405),
        ("POST", "/healthz", 405),
        ("HEAD", "/healthz", 405),
    ],
)
async def test_a_wrong_path_or_method_has_its_status(
    http: httpx.AsyncClient, method: str, target: str, status: int
) -> None:
    response = await http.request(method, target)

    assert response.status_code == status
    assert ("allow" in response.headers) == (status == 405)
    assert (await http.post("/rpc", json=PING)).status_code == 200


async def test_another_content_is_refused(http: httpx.AsyncClient, desk: Any) -> None:
    response = await http.post("/rpc", data={"a": "b"})

    assert response.status_code == 415
    assert "application/json" in response.json()["error"]


async def test_what_is_no_json_is_a_parse_error(http: httpx.AsyncClient) -> None:
    response = await http.post(
        "/rpc", content=b"{", headers={"content-type": "application/json; charset=utf-8"}
    )

    assert response.json()["error"]["data"]["kind"] == "PARSE"


async def test_a_body_of_the_bound_is_taken_and_one_byte_more_is_not(
    http: httpx.AsyncClient,
) -> None:
    body = json.dumps(PING).encode().ljust(LINE_BYTES_MAX)
    headers = {"content-type": "application/json"}

    assert (await http.post("/rpc", content=body, headers=headers)).status_code == 200
    assert (await http.post("/rpc", content=body + b" ", headers=headers)).status_code == 413


async def raw(path: Path, *pieces: bytes) -> bytes:
    """All that is answered until the server hangs up."""
    received = b""
    async with await anyio.connect_unix(path) as stream:
        for piece in pieces:
            await stream.send(piece)
        await stream.send_eof()
        with anyio.fail_after(5):
            try:
                while True:
                    received += await stream.receive()
            except anyio.EndOfStream:
                return received


@pytest.mark.parametrize(
    "sent",
    [b"NONSENSE\r\n\r\n", b"GET /\r\n\r\n", b"GET /healthz HTTP/1.1\r\n\r\n", b"POST\n\n"],
)
async def test_what_is_no_http_is_a_bad_request_and_the_end(
    server: Any, path: Path, sent: bytes
) -> None:
    assert (await raw(path, sent)).startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_a_request_cut_anywhere_is_answered_the_same(server: Any, path: Path) -> None:
    body = json.dumps(PING).encode()
    request = (
        b"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    whole = await raw(path, request)

    assert b"pong" in whole
    assert await raw(path, *[request[i : i + 1] for i in range(len(request))]) == whole


async def test_requests_sent_ahead_are_answered_one_after_the_other(
    server: Any, path: Path
) -> None:
    one = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

    assert (await raw(path, one * 2000)).count(b'{"ok":true}') == 2000


async def test_who_waits_to_be_told_to_go_on_is_told(server: Any, path: Path) -> None:
    body = json.dumps(PING).encode()
    head = (
        b"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    async with await anyio.connect_unix(path) as stream:
        await stream.send(head)
        told = await stream.receive()
        await stream.send(body)
        answered = await stream.receive()

    assert told.startswith(b"HTTP/1.1 100 ")
    assert b"pong" in answered


async def test_a_stop_answers_the_call_under_way_and_closes(
    http: httpx.AsyncClient, server: Any, desk: Any
) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "hold", "params": {"n": 1}}

    async def stop() -> None:
        await desk.heard.wait()
        server.stop()
        desk.gate.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stop)
        response = await http.post("/rpc", json=call)

    assert response.json()["result"] == {"n": 1}
    assert response.headers["connection"] == "close"
