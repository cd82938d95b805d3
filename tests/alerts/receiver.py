"""Receivers of alerts that are really there: an HTTP server on loopback, with or without TLS, and a command."""

import json
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import trustme

__all__ = ["BEHAVIOURS", "HttpPlace", "command", "http_place", "kept"]

BEHAVIOURS = ("hangs", "refused", "500", "404", "endless", "redirects", "garbage", "resets")
CHUNK = b"x" * 65536


class HttpPlace:
    """Takes one request a connection and keeps it in `requests`; answers as `behaviour` says.

    `sent`: bytes of endless bodies that were really taken off our hands.
    """

    def __init__(self, behaviour: str = "good", tls: ssl.SSLContext | None = None) -> None:
        self.behaviour = behaviour
        self.requests: list[dict[str, Any]] = []
        self.said = b""  # of a refusal, besides its status
        self.sent = 0
        self._tls = tls
        self._over = Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/alerts"
        self._sockets: list[socket.socket] = []

    @property
    def alerts(self) -> list[dict[str, Any]]:
        return [json.loads(one["body"]) for one in self.requests]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [alert for alert in self.alerts if alert["kind"] == kind]

    def states(self, kind: str) -> list[str]:
        return [alert["state"] for alert in self.of(kind)]

    def run(self) -> None:
        while True:
            try:
                accepted, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(accepted)
            Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def close(self) -> None:
        self._over.set()
        for one in (self._listener, *self._sockets):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve(self, accepted: socket.socket) -> None:
        with suppress(OSError):
            one = self._tls.wrap_socket(accepted, server_side=True) if self._tls else accepted
            self._sockets.append(one)
            self._take(one)
            self._answer(one)
        with suppress(OSError):
            accepted.shutdown(socket.SHUT_RDWR)
            accepted.close()

    def _take(self, one: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += one.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = [line.split(": ", 1) for line in lines]
        headers = {name.lower(): value for name, value in pairs}
        while len(body) < int(headers.get("content-length", 0)):
            body += one.recv(65536)
        method, target, _ = first.split(" ")
        self.requests.append(
            {"method": method, "target": target, "headers": headers, "body": body.decode()}
        )

    def _answer(self, one: socket.socket) -> None:
        match self.behaviour:
            case "good":
                one.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            case "hangs":
                self._over.wait(60)
            case "endless" | "drips":
                status = b"500 No" if self.behaviour == "endless" else b"200 OK"
                one.sendall(b"HTTP/1.1 " + status + b"\r\ntransfer-encoding: chunked\r\n\r\n")
                while not self._over.is_set():
                    one.sendall(b"10000\r\n" + CHUNK + b"\r\n")
                    self.sent += len(CHUNK)
            case "redirects":
                to = f"http://127.0.0.1:{self.port}/elsewhere".encode()
                one.sendall(
                    b"HTTP/1.1 307 Go\r\nlocation: " + to + b"\r\ncontent-length: 0\r\n\r\n"
                )
            case "garbage":
                one.sendall(b"\x00\xff this is no HTTP\r\n\r\n" * 1000)
            case "resets":
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                one.close()
            case status:
                length = str(len(self.said)).encode()
                one.sendall(
                    b"HTTP/1.1 "
                    + status.encode()
                    + b" No\r\ncontent-length: "
                    + length
                    + b"\r\n\r\n"
                    + self.said
                )


@contextmanager
def http_place(
    behaviour: str = "good", *, authority: trustme.CA | None = None
) -> Iterator[HttpPlace]:
    """A place while the block lasts. `refused`: nobody listens there."""
    tls = None
    if authority is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(tls)
    place = HttpPlace(behaviour, tls)
    thread = Thread(target=place.run, daemon=True)
    if behaviour == "refused":
        place.close()
    else:
        thread.start()
    try:
        yield place
    finally:
        place.close()


PROGRAMS = {
    "good": "keep()",
    "fails": "sys.stdin.read(); print('no such pager: 0123456789'); sys.exit(3)",
    "hangs": "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
    "deaf": "os.close(0); os.close(1); os.close(2); time.sleep(600)",
    "forks": "time.sleep(600) if os.fork() == 0 else keep()",
    "talks": "while True: os.write(1, b'x' * 65536)",
    "dies": "os.kill(os.getpid(), signal.SIGKILL)",
}
PROGRAM = """#!{python} -IS
import os, signal, sys, time

def keep():
    open({kept!r}, "a").write(sys.stdin.read())

{deed}
"""


def command(folder: Path, program: str = "good") -> Path:
    """A real program that does this when it is called on; `good` keeps what it was told."""
    file = folder / f"notify-{program}"
    kept = str(folder / "kept")
    file.write_text(PROGRAM.format(python=sys.executable, kept=kept, deed=PROGRAMS[program]))
    file.chmod(0o755)
    return file


def kept(folder: Path) -> list[dict[str, Any]]:
    """What the good command was told."""
    file = folder / "kept"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
