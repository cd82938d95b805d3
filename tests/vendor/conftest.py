"""Brokers' own SDKs, each a process of an environment of its own, and a server that keeps what they send.

Samples of what an SDK sent are written anew with

    pytest tests/vendor --write-samples
"""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.vendor import environments


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-samples", action="store_true", help="write what the SDKs sent as samples"
    )


@pytest.fixture(scope="session")
def kiteconnect_python() -> Path:
    """The interpreter with Zerodha's SDK; where it cannot be had the tests are skipped, with pip's reason."""
    try:
        return environments.kiteconnect()
    except environments.CannotInstall as reason:
        pytest.skip(str(reason))


# What an SDK sends


HEADERS = ("x-kite-version", "authorization", "content-type")  # those that mean something to Kite
DATA: dict[str, Any] = {"order_id": "1", "trigger_id": 1, "login_time": "", "candles": []}
CSV = b"instrument_token,exchange_token,tradingsymbol\n"


class _Server(ThreadingHTTPServer):
    """Answers with the little that an SDK needs to go on."""

    kept: list[dict[str, Any]]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _keep(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = urlsplit(self.path)
        kept: dict[str, Any] = {
            "method": self.command,
            "path": parts.path,
            "query": [list(pair) for pair in parse_qsl(parts.query, keep_blank_values=True)],
            "headers": {name: self.headers[name] for name in HEADERS if name in self.headers},
        }
        kind = self.headers.get("content-type", "")
        if kind.startswith("application/json"):
            kept["json"] = json.loads(body)
        elif body:
            kept["form"] = dict(parse_qsl(body.decode(), keep_blank_values=True))
        cast(_Server, self.server).kept.append(kept)
        answers_csv = parts.path.startswith("/instruments") and parts.path.count("/") < 3
        data = {} if parts.path.startswith("/quote") else DATA
        answer = CSV if answers_csv else json.dumps({"status": "success", "data": data}).encode()
        self.send_response(200)
        self.send_header("content-type", "text/csv" if answers_csv else "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = _keep  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@pytest.fixture(scope="module")
def recorder() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a server that keeps what it is asked, and the list of what it was."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.kept = []
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", server.kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
