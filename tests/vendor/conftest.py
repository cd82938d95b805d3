"""Each broker's own SDK in a virtual environment of its own, made once and kept in `.vendor-envs/`.

The SDKs pin versions that conflict with ours and with each other, so they run as processes. Where one cannot be installed the
tests are skipped, with pip's reason. Samples of what an SDK sent are written anew with

    pytest tests/vendor --write-samples
"""

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / ".vendor-envs"
INSTALL_S = 300


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-samples", action="store_true", help="write what the SDKs sent as samples"
    )


def environment(name: str, *requirements: str) -> Path:
    """The interpreter of an environment with exactly these installed; skips the test where that cannot be had."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = ENVIRONMENTS / f"{name}-py{version}"
    wanted, done = "\n".join(requirements), folder / "complete"
    python = folder / "bin" / "python"
    if done.exists() and done.read_text() == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    command = [str(python), "-m", "pip", "install", "--quiet", *requirements]
    installed = subprocess.run(
        command, capture_output=True, text=True, timeout=INSTALL_S, check=False
    )
    if installed.returncode:
        reason = (installed.stderr.strip().splitlines() or ["pip failed"])[-1]
        pytest.skip(f"{', '.join(requirements)} cannot be installed here: {reason}")
    done.write_text(wanted)
    return python


@pytest.fixture(scope="session")
def kiteconnect_python() -> Path:
    """Zerodha's SDK. Its ticker imports pkg_resources, which setuptools dropped with version 81."""
    return environment("kiteconnect-5.2.2", "kiteconnect==5.2.2", "setuptools<81")


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
