"""A person at a pseudo terminal: reads until something stands there, types, and presses Ctrl-C."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

__all__ = ["COLUMNS", "Person", "at_a_terminal"]

COLUMNS = 80
PATIENCE_S = 60.0  # far more than it takes: a loaded machine is not a failure


class Person:
    """`shown`: everything that stood on the screen so far."""

    def __init__(self, terminal: int, process: "subprocess.Popen[bytes]") -> None:
        self._terminal = terminal
        self._process = process
        self._read = 0
        self.shown = ""

    def sees(self, text: str) -> str:
        """What came up to and with this text, after what was seen before; AssertionError where it never comes."""
        until = time.monotonic() + PATIENCE_S
        while text not in self.shown[self._read :]:
            assert time.monotonic() < until, f"no {text!r} in {self.shown[self._read :]!r}"
            if not self._more():
                raise AssertionError(f"it ended without {text!r}: {self.shown[self._read :]!r}")
        begin = self._read
        self._read = self.shown.index(text, begin) + len(text)
        return self.shown[begin : self._read]

    def types(self, text: str) -> None:
        os.write(self._terminal, text.encode() + b"\n")

    def answers(self, question: str, text: str) -> None:
        self.sees(question)
        self.types(text)

    def presses_ctrl_c(self) -> None:
        os.write(self._terminal, b"\x03")

    def ends(self) -> int:
        """The exit status, once all was read."""
        until = time.monotonic() + PATIENCE_S
        while self._more():
            assert time.monotonic() < until, self.shown[-500:]
        return self._process.wait(PATIENCE_S)

    def _more(self) -> bool:
        """Read what is there, waiting a little; False: the other end is closed."""
        if not select.select([self._terminal], [], [], 0.1)[0]:
            return self._process.poll() is None
        try:
            data = os.read(self._terminal, 65536)
        except OSError:  # closed
            return False
        self.shown += data.decode(errors="replace").replace("\r\n", "\n")
        return True


@contextmanager
def at_a_terminal(command: list[str], environment: Mapping[str, str]) -> Iterator[Person]:
    """The command in a terminal of 80 columns of its own, which is its controlling one: passwords are asked at that."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=dict(environment),
    )
    os.close(theirs)
    try:
        yield Person(ours, process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(ours)
