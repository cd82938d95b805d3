"""What a broker's SDK sends: its calls made in its own environment against a server that keeps what it is asked."""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

__all__ = ["Call", "check_sample", "sent"]

Call = tuple[str, dict[str, Any]]  # the SDK's function and its arguments; "*": positional ones
Answer = Callable[[str], tuple[str, bytes]]  # of a path: content type and body
SDK_S = 60


def sent(
    python: Path,
    script: Path,
    calls: Mapping[str, Call],
    *,
    headers: tuple[str, ...],
    answer: Answer,
) -> list[dict[str, Any]]:
    """Each call with the one request that came of it.

    `script` is run as `script URL` in the SDK's environment, with a list of `{"name", "call", "arguments"}` as JSON on standard
    input. `headers`: those that mean something to the broker (lower case). `answer`: the little that the SDK needs to go on.
    """
    asked = [
        {"name": name, "call": call, "arguments": more} for name, (call, more) in calls.items()
    ]
    with _recorder(headers, answer) as (url, kept):
        ran = subprocess.run(
            [str(python), str(script), url],
            input=json.dumps(asked),
            text=True,
            capture_output=True,
            timeout=SDK_S,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    return [call | {"request": request} for call, request in zip(asked, kept, strict=True)]


def check_sample(sample: Path, sdk: str, kept: list[dict[str, Any]], *, write: bool) -> None:
    """The sample says what the SDK sends; with `write` it is written anew."""
    found = {"sdk": sdk, "sent": kept}
    if write:
        sample.parent.mkdir(parents=True, exist_ok=True)
        sample.write_text(json.dumps(found, indent=1) + "\n")
    assert json.loads(sample.read_text()) == found


class _Server(ThreadingHTTPServer):
    kept: list[dict[str, Any]]
    headers: tuple[str, ...]
    answer: Answer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _keep(self) -> None:
        server = cast(_Server, self.server)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        parts = urlsplit(self.path)
        kept: dict[str, Any] = {
            "method": self.command,
            "path": parts.path,
            "query": [list(pair) for pair in parse_qsl(parts.query, keep_blank_values=True)],
            "headers": {
                name: self.headers[name] for name in server.headers if name in self.headers
            },
        }
        kind = self.headers.get("content-type", "")
        if body.startswith(b"jData="):  # Noren's, whatever it says it is
            kept["text"] = body.decode()
        elif body and kind.startswith("application/json"):
            kept["json"] = json.loads(body)
        elif body:
            kept["form"] = dict(parse_qsl(body.decode(), keep_blank_values=True))
        server.kept.append(kept)
        content_type, answer = server.answer(parts.path)
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _keep  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


@contextmanager
def _recorder(
    headers: tuple[str, ...], answer: Answer
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a server that keeps what it is asked, and the list of what it was."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.kept, server.headers, server.answer = [], headers, answer
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", server.kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
