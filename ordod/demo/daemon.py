"""The daemon as the demo has it: a process of its own, a socket to it, and what it leaves on the disk."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import ordod

__all__ = ["ACCOUNT", "Connection", "Daemon", "Json", "Trouble"]

Json = dict[str, Any]

ACCOUNT = "paper"
BROKER_BOOK = "paper/exchange.ndjson"
START_S = 30.0  # generous: a cold disk and a busy machine
END_S = 15.0  # for an orderly end
ANSWER_S = 30.0
CONFIG = """\
[daemon]
state_dir = "{state}"
socket = "{socket}"

[accounts.paper]
broker = "paper"
cash = "100000000"
doubt_horizon_s = 1
"""


class Trouble(Exception):  # noqa: N818 - said to a person, as it is
    """The demo cannot go on; why."""


class Connection:
    """JSON-RPC over the socket, one message a line; requests may be sent ahead of their answers."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(ANSWER_S)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")
        self._sent = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def call(self, method: str, **params: Any) -> Json:
        """The result. Raises Trouble for an error."""
        self.send([(method, params)])
        return self.result()

    def result(self) -> Json:
        """The next answer's result. Raises Trouble for an error."""
        answer = self.read()
        if "error" in answer:
            raise Trouble(f"the daemon said no: {answer['error']['message']}")
        result: Json = answer["result"]
        return result

    def rest(self) -> list[Json]:
        """The whole answers that still came from a daemon that was killed; all before have been read."""
        data = b""
        try:
            while more := self._socket.recv(1 << 16):
                data += more
        except ConnectionResetError:
            pass  # it died with requests it had not read; what it had answered has been received
        return [json.loads(line) for line in data.rpartition(b"\n")[0].splitlines()]

    def ask(self, method: str, **params: Any) -> Json:
        """The answer, be it a result or an error."""
        self.send([(method, params)])
        return self.read()

    def send(self, calls: list[tuple[str, Json]]) -> None:
        """Send requests in one go. Their ids count up from 1 over the life of the connection."""
        lines = []
        for method, params in calls:
            self._sent += 1
            request = {"jsonrpc": "2.0", "id": self._sent, "method": method, "params": params}
            lines.append(json.dumps(request).encode() + b"\n")
        self._socket.sendall(b"".join(lines))

    def read(self) -> Json:
        """The next answer. Raises Trouble where the daemon is gone."""
        try:
            line = self._lines.readline()
        except OSError as error:
            raise Trouble(f"no answer from the daemon: {error}") from error
        if not line.endswith(b"\n"):
            raise Trouble("the daemon hung up")
        answer: Json = json.loads(line)
        return answer


class Daemon:
    """`ordod --config FILE` in a folder: started, killed, started again. Leaving it kills what still runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        self.state = folder / "state"
        self.socket = folder / "ordod.sock"
        self.config = folder / "ordod.conf"
        self.log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self.config.write_text(
            CONFIG.format(state=self.state, socket=self.socket), encoding="utf-8"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> Json:
        """Start it and wait until its account can trade; the status then. Raises Trouble with what it said."""
        self._process = self.run(self.config)
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise Trouble(f"the daemon ended by itself:\n{self._last_words()}")
            try:
                with self.connect() as connection:
                    status = connection.call("system.status")
                if status["accounts"][0]["can_trade"]:
                    return status
            except OSError:
                pass  # it does not listen yet
            time.sleep(0.02)
        raise Trouble(f"the daemon was not ready after {START_S:g} s:\n{self._last_words()}")

    def run(self, config: Path) -> subprocess.Popen[bytes]:
        """A process of its own session: a Ctrl-C in the terminal is for the demo, which then ends it."""
        home = str(Path(ordod.__file__).parent.parent)  # the same code as here, wherever that is
        paths = [home, os.environ.get("PYTHONPATH", "")]
        with self.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-P", "-m", "ordod", "--config", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
                start_new_session=True,
            )

    def connect(self) -> Connection:
        return Connection(self.socket)

    def kill(self) -> None:
        """SIGKILL: no handler, no last word, nothing is flushed."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def end(self) -> int:
        """SIGTERM, and the exit status of an orderly end."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(END_S)
        except subprocess.TimeoutExpired as error:
            raise Trouble(f"the daemon did not end within {END_S:g} s of SIGTERM") from error
        finally:
            self.kill()

    def refuses_to_start(self) -> tuple[int, str]:
        """Start it where it should not: its exit status, and what it said. Raises Trouble where it runs instead."""
        self._process = self.run(self.config)
        try:
            status = self._process.wait(START_S)
        except subprocess.TimeoutExpired as error:
            raise Trouble("a daemon runs that should have refused to start") from error
        return status, self._last_words()

    def journal(self) -> list[Json]:
        """The journal's records, read from its files."""
        files = sorted((self.state / "journal").glob("*.ndjson"))
        return [record for file in files for record in _lines(file)]

    def broker_book(self) -> list[list[Any]]:
        """What the paper broker was told, from its own file: `["place", time, user, order]` and the like."""
        return list(_lines(self.state / BROKER_BOOK))

    def broker_book_bytes(self) -> int:
        return (self.state / BROKER_BOOK).stat().st_size

    def _last_words(self) -> str:
        return "\n".join(self.log.read_text(encoding="utf-8").splitlines()[-5:])


def _lines(file: Path) -> list[Any]:
    """Whole lines only: the last one may be on its way."""
    whole = file.read_bytes().rpartition(b"\n")[0] if file.exists() else b""
    return [json.loads(line) for line in whole.splitlines()]
