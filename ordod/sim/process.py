"""The simulator as a process of its own, and its back door, for tests and benchmarks that want a broker outside."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any

__all__ = ["SimProcess", "running"]

READY = "ready at "
STOP_S = 5
CALL_S = 10


class SimProcess:
    """A simulator at `url`. Its methods are the control requests of `control.py`."""

    def __init__(self, url: str, process: "subprocess.Popen[str]") -> None:
        self.url = url
        self.process = process
        self._host = url.partition("://")[2]

    def call(self, method: str, what: str, asked: Any = None) -> Any:
        """One control request. Raises RuntimeError with the simulator's reason."""
        connection = HTTPConnection(self._host, timeout=CALL_S)
        try:
            connection.request(
                method, f"/_sim/{what}", None if asked is None else json.dumps(asked)
            )
            response = connection.getresponse()
            said = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(said["error"])
        return said

    def fault(self, kind: str, method: str = "", prefix: str = "/", **more: Any) -> None:
        asked = {"kind": kind, "method": method, "prefix": prefix, **more}
        self.call("POST", "faults", asked)

    def feed_fault(self, kind: str, **more: Any) -> None:
        self.call("POST", "feed_faults", {"kind": kind, **more})

    def chance(self, text: str) -> None:
        self.call("POST", "chance", {"text": text})

    def deeds(self) -> list[dict[str, Any]]:
        return self.call("GET", "deeds")  # type: ignore[no-any-return]

    def placements(self) -> list[dict[str, Any]]:
        """Every order that was really made, by whom and under which tag."""
        return [deed for deed in self.deeds() if deed["what"] == "place" and not deed["error"]]

    def requests(self) -> list[dict[str, Any]]:
        return self.call("GET", "requests")  # type: ignore[no-any-return]

    def access_token(self) -> str:
        return str(self.call("POST", "access_token", {})["access_token"])

    def scopes(self) -> dict[str, tuple[str, str]]:
        """Method and path of each change: `place`, `modify`, `cancel` ..."""
        return {name: (method, path) for name, (method, path) in self.call("GET", "scopes").items()}

    def config(self) -> dict[str, str]:
        """What an account's configuration says to be the first user here."""
        return self.call("GET", "config")  # type: ignore[no-any-return]

    def secrets(self) -> list[str]:
        """Every text that must never be seen."""
        return self.call("GET", "secrets")  # type: ignore[no-any-return]

    def request_token(self) -> str:
        return str(self.call("POST", "request_token", {})["request_token"])

    def step(self, seconds: float) -> None:
        self.call("POST", "clock", {"step_s": seconds})


@contextmanager
def running(*options: str, broker: str = "zerodha") -> Iterator[SimProcess]:
    """`python -m ordod.sim BROKER` with these options while the block lasts. HTTP only: no `--certificate`."""
    command = [sys.executable, "-m", "ordod.sim", broker, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ)  # noqa: S603 - fixed argv
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if READY not in line:
            raise RuntimeError(f"the simulator did not start: {line!r}")
        yield SimProcess(line.partition(READY)[2].strip(), process)
    finally:
        process.terminate()
        process.wait(STOP_S)
        process.stdout.close()
