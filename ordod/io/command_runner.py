"""A process of its own that runs a receiver's command, one at a time, and outlives none of them.

Started once, beside the daemon (`commands.py`): to start a program costs whoever does it the wait until its file was read, and a
daemon whose disk hangs must not wait for that. A line of JSON in asks for a run, a line out tells how it ended. When the
daemon is gone, so are this and the command.

It imports the standard library alone, and is run by its path: it is no part of the daemon's program.
"""

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

LOOK_S = 0.05
OUTPUT_MAX = 2000  # bytes that are kept; the rest is read and dropped

running: list[
    int
] = []  # the process group of the command, while there is one; for the signal's handler


def main() -> None:
    signal.signal(signal.SIGTERM, _end)
    asked = sys.stdin.buffer
    while line := asked.readline():
        answer = run(json.loads(line))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def run(asked: dict[str, Any]) -> dict[str, Any]:
    """`status`: the exit status, None where it did not end by itself; `problem`: why there is none."""
    try:
        process = subprocess.Popen(  # noqa: S603 - the operator's command, without a shell
            asked["command"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=asked["environment"],
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        return {"status": None, "problem": f"it cannot be run: {error.strerror}", "output": ""}
    except ValueError as error:
        return {"status": None, "problem": f"it cannot be run: {error}", "output": ""}
    running.append(process.pid)
    watch = _Watch(process, asked["input"].encode())
    try:
        ended = watch.until(time.monotonic() + asked["limit_s"])
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what it left behind in its group as well
        running.clear()
        process.wait()
        watch.close()
    problem = "" if ended else f"it took longer than {asked['limit_s']:g} s, and was killed"
    return {
        "status": process.returncode if ended else None,
        "problem": problem,
        "output": watch.output.decode(errors="replace"),
    }


def _end(*_: object) -> None:
    """The daemon is gone, or has given this up: with the command."""
    for leader in running:
        with suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)
    os._exit(0)


class _Watch:
    """Feeds a command and listens to it, until it ends or its time is over."""

    def __init__(self, process: "subprocess.Popen[bytes]", data: bytes) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.output = b""
        self._process = process
        self._data = data
        self._stdin, self._stdout = process.stdin, process.stdout
        self._selector = selectors.DefaultSelector()
        for pipe, event in (
            (self._stdin, selectors.EVENT_WRITE),
            (self._stdout, selectors.EVENT_READ),
        ):
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, event)
        self._selector.register(sys.stdin, selectors.EVENT_READ)

    def until(self, deadline: float) -> bool:
        """Whether it ended in time. Where the daemon is gone the command goes too."""
        while time.monotonic() < deadline:
            if self._has_ended():
                self._read()
                return True
            for key, _ in self._selector.select(LOOK_S):
                if key.fileobj is self._stdin:
                    self._write()
                elif key.fileobj is self._stdout:
                    self._read()
                else:
                    _end()  # nobody asks twice at once: it is the end of the pipe
        return self._has_ended()

    def close(self) -> None:
        self._selector.close()
        for pipe in (self._stdin, self._stdout):
            with suppress(OSError):
                pipe.close()

    def _has_ended(self) -> bool:
        """Without reaping it: until then its number is nobody else's, and its group can be killed."""
        asked = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, asked) is not None

    def _write(self) -> None:
        try:
            self._data = self._data[os.write(self._stdin.fileno(), self._data) :]
        except BlockingIOError:
            return
        except OSError:  # it does not read
            self._data = b""
        if not self._data:
            self._selector.unregister(self._stdin)
            with suppress(OSError):
                self._stdin.close()

    def _read(self) -> None:
        with suppress(BlockingIOError, OSError, ValueError):
            data = os.read(self._stdout.fileno(), 65536)
            self.output = (self.output + data)[:OUTPUT_MAX]
            if not data and self._stdout in self._selector.get_map():
                self._selector.unregister(self._stdout)


if __name__ == "__main__":
    main()
