"""Who attacks: a process of another user with as many connections as it likes; and how those who are attacked fare."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.promises.daemon import Daemon

__all__ = ["MALLORY", "Mallory", "fared", "files_of", "needs_root", "raw", "request", "resident"]

MALLORY = 65_534
STRANGER = 65_533
PAUSE_S = 0.002
END_S = 60.0

# What another user runs. It reads one JSON list a line (what to do, arguments) and answers each with one line.
SCRIPT = """
import json, os, resource, socket, sys
path, user = sys.argv[1], int(sys.argv[2])
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
os.setgroups([]); os.setresgid(user, user, user); os.setresuid(user, user, user)
held = []
def connect(count):
    for _ in range(count):
        one = socket.socket(socket.AF_UNIX)
        one.connect(path)
        held.append(one)
    return len(held)
def say(text, which=-1):
    held[which].sendall(text.encode())
    return True
def hear(which=-1):
    line = b""
    while not line.endswith(b"\\n"):
        data = held[which].recv(65536)
        if not data:
            return line.decode() or None
        line += data
    return line.decode()
def flood(count, text):
    for _ in range(count):
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(path)
            try:
                one.sendall(text.encode())
            except OSError:
                pass
    return count
print("ready", flush=True)
for line in sys.stdin:
    name, *arguments = json.loads(line)
    try:
        answer = globals()[name](*arguments)
    except OSError as error:
        answer = str(error)
    print(json.dumps(answer), flush=True)
"""

needs_root = os.getuid() == 0


class Mallory:
    """A process of another user. Needs root."""

    def __init__(self, path: Path, user: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", SCRIPT, str(path), str(user)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def do(self, what: str, *arguments: Any) -> Any:
        """`connect` COUNT: how many it holds now; `say` TEXT, `hear`: on its newest connection, or that of a number."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([what, *arguments]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def call(self, method: str, **params: Any) -> Any:
        """The answer, whole, on a connection of its own."""
        self.do("connect", 1)
        self.do("say", request(1, method, **params).decode())
        return json.loads(self.do("hear"))

    def close(self) -> None:
        self._process.kill()
        with self._process:
            pass


def request(number: object, method: str, **params: Any) -> bytes:
    asked = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return json.dumps(asked).encode() + b"\n"


@contextmanager
def raw(daemon: Daemon, timeout_s: float = END_S) -> Iterator[socket.socket]:
    """A connection without any manners."""
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(daemon.socket))
        one.settimeout(timeout_s)
        yield one


def everything(one: socket.socket) -> bytes:
    """All that is answered until the daemon hangs up."""
    received = b""
    with suppress(ConnectionResetError):
        while data := one.recv(1 << 20):
            received += data
    return received


@contextmanager
def fared(daemon: Daemon) -> Iterator[list[float]]:
    """Meanwhile another client pings, again and again: how long each took, in seconds."""
    took: list[float] = []
    over = threading.Event()

    def ping() -> None:
        with daemon.client() as client:
            while not over.is_set():
                began = time.monotonic()
                client.call("system.ping")
                took.append(time.monotonic() - began)
                over.wait(PAUSE_S)

    pinging = threading.Thread(target=ping)
    pinging.start()
    try:
        yield took
    finally:
        over.set()
        pinging.join()


def resident(daemon: Daemon) -> int:
    """Bytes."""
    assert daemon.process is not None
    pages = Path(f"/proc/{daemon.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def files_of(daemon: Daemon) -> int:
    assert daemon.process is not None
    return len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))
