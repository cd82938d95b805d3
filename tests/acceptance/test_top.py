"""`ordoctl top` at a terminal: it shows the daemon, its keys act, and the terminal is given back as it was."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.acceptance.daemon import Client, Daemon

WAIT_S = 30.0
LEFT_SCREEN = b"\x1b[?1049l"


class Terminal:
    """A terminal of 100 columns and 30 lines in which `ordoctl top` runs."""

    def __init__(self, daemon: Daemon, account: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self._theirs = theirs
        self.before = termios.tcgetattr(theirs)
        self.seen = b""
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "ordoctl.cli",
                "--socket",
                str(daemon.socket),
                "--account",
                account,
                "top",
            ],
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.PIPE,
            env={**os.environ, "TERM": "xterm-256color"},
            start_new_session=True,
        )

    def shows(self, words: str) -> None:
        """Wait until these words were drawn, behind what was seen so far."""
        until, wanted = time.monotonic() + WAIT_S, words.encode()
        while wanted not in self.seen:
            assert time.monotonic() < until, f"no {words!r} in {self.seen[-2000:]!r}"
            assert self.process.poll() is None, self.process.stderr and self.process.stderr.read()
            if select.select([self._ours], [], [], 0.2)[0]:
                self.seen += os.read(self._ours, 65536)
        self.seen = self.seen.partition(wanted)[2]

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def end(self) -> int:
        """The exit status, once it has ended."""
        until = time.monotonic() + WAIT_S
        while self.process.poll() is None and time.monotonic() < until:
            if select.select([self._ours], [], [], 0.1)[0]:
                self.seen += os.read(self._ours, 65536)
        while select.select([self._ours], [], [], 0)[0]:
            self.seen += os.read(self._ours, 65536)
        status = self.process.poll()
        assert status is not None
        return status

    @property
    def is_as_before(self) -> bool:
        return termios.tcgetattr(self._theirs) == self.before

    def close(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()
        os.close(self._theirs)
        os.close(self._ours)


@pytest.fixture
def terminal(daemon: Daemon) -> Iterator[Terminal]:
    made = Terminal(daemon, "second")
    yield made
    made.close()


def placed(client: Client, key: str, price: int) -> dict[str, Any]:
    return dict(
        client.ask(
            "order.place", account="second", key=key, symbol="NSE:TCS", side="BUY", quantity=7,
            type="LIMIT", price=price, product="CNC",
        )["order"]
    )  # fmt: skip


def test_an_order_that_comes_is_shown_and_two_presses_cancel_it(
    terminal: Terminal, client: Client, new_key: Callable[[], str]
) -> None:
    client.ask("order.cancel_all", account="second")  # of other tests: the keys act on ours
    terminal.shows("READY")
    terminal.shows("no open orders")
    order = placed(client, new_key(), 2750)
    terminal.shows("NSE:TCS")
    terminal.press("c")
    terminal.shows("press c again")
    terminal.press("x")
    terminal.shows("choose an order")
    still = client.ask("order.get", order_id=order["order_id"])["order"]
    terminal.press("cc")
    terminal.shows("the order is cancelled")
    after = client.ask("order.get", order_id=order["order_id"])["order"]
    terminal.press("q")

    assert terminal.end() == 0
    assert (still["status"], after["status"]) == ("OPEN", "CANCELLED")
    assert terminal.is_as_before
    assert LEFT_SCREEN in terminal.seen


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_gives_the_terminal_back(terminal: Terminal, sent: signal.Signals) -> None:
    terminal.shows("READY")

    terminal.process.send_signal(sent)

    assert terminal.end() == 0
    assert terminal.is_as_before
    assert LEFT_SCREEN in terminal.seen


def test_without_a_terminal_it_says_what_there_is_instead(daemon: Daemon) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ordoctl.cli", "--socket", str(daemon.socket), "top"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "ordoctl status --json" in done.stderr
