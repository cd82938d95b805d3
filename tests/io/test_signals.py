"""Signals in a process of their own, as users send them."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ordod.io.files import Files

RUNNERS = {
    "asyncio": "import asyncio; run = asyncio.run",
    "uvloop": "import uvloop; run = uvloop.run",
}
PATIENCE_S = 10.0


@contextmanager
def process(script: str, state: Path, runner: str = "asyncio") -> Iterator[subprocess.Popen[str]]:
    """A process that has written its first line."""
    source = f"{RUNNERS[runner]}\n{PREPARE}\n{script}"
    with subprocess.Popen(
        [sys.executable, "-c", source, str(state)], stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            yield child
        finally:
            child.kill()


def said(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


PREPARE = """
import os, pathlib, signal, sys, time
from asyncio import Event, sleep
from ordod.io.signals import Signals
from ordod.io.files import Files
def tell(text): print(text, flush=True)
"""

WAITING = """
async def main():
    signals = Signals()
    signals.arm(Files(pathlib.Path(sys.argv[1])).gate())
    signals.on_kill(lambda: tell("kill"))
    signals.on_stop(lambda: tell("stop"))
    signals.on_reload(lambda: tell("reload"))
    tell("ready")
    await Event().wait()
run(main())
"""

BLOCKED = """
async def main():
    signals = Signals()
    signals.arm(Files(pathlib.Path(sys.argv[1])).gate())
    signals.on_kill(lambda: tell("kill"))
    tell("ready")
    end = time.monotonic() + 60
    while time.monotonic() < end:
        time.sleep(0.0001)
run(main())
"""

EARLY = """
signals = Signals()
os.kill(os.getpid(), signal.SIGUSR1)
os.kill(os.getpid(), signal.SIGTERM)
gate = Files(pathlib.Path(sys.argv[1])).gate()
before = gate[0]
signals.arm(gate)
tell("ready")
tell(f"{before} {gate[0]}")
async def main():
    signals.on_kill(lambda: tell("kill"))
    await sleep(0)
    signals.on_stop(lambda: tell("stop"))
    await sleep(0)
run(main())
"""


@pytest.mark.parametrize("runner", RUNNERS)
def test_sigusr1_closes_the_gate_while_the_event_loop_is_blocked(
    runner: str, tmp_path: Path
) -> None:
    with process(BLOCKED, tmp_path, runner) as child:
        files = Files(tmp_path, exclusive=False)
        gate = files.gate()

        sent_at = time.monotonic()
        child.send_signal(signal.SIGUSR1)
        while gate[0] == 0 and time.monotonic() < sent_at + PATIENCE_S:
            time.sleep(0.0005)
        took_s = time.monotonic() - sent_at
        files.close()

    assert gate[0] == 1
    assert took_s < 0.1  # a millisecond as a rule; the rest is for a loaded machine


@pytest.mark.parametrize("runner", RUNNERS)
def test_sigusr1_closes_the_gate_and_wakes_a_sleeping_loop(runner: str, tmp_path: Path) -> None:
    with process(WAITING, tmp_path, runner) as child:
        child.send_signal(signal.SIGUSR1)

        assert said(child) == "kill"
        assert (tmp_path / "kill.gate").read_bytes()[0] == 1


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_request_to_stop_reaches_the_loop_and_leaves_the_gate_open(
    number: signal.Signals, runner: str, tmp_path: Path
) -> None:
    with process(WAITING, tmp_path, runner) as child:
        child.send_signal(number)

        assert said(child) == "stop"
        assert (tmp_path / "kill.gate").read_bytes()[0] == 0


def test_a_hangup_asks_for_a_reload_and_ends_nothing(tmp_path: Path) -> None:
    with process(WAITING, tmp_path) as child:
        child.send_signal(signal.SIGHUP)
        assert said(child) == "reload"

        child.send_signal(signal.SIGHUP)
        assert said(child) == "reload"
        assert child.poll() is None


def test_signals_that_came_before_anybody_asked_are_remembered(tmp_path: Path) -> None:
    with process(EARLY, tmp_path) as child:
        assert said(child) == "0 1"
        assert said(child) == "kill"
        assert said(child) == "stop"


def test_the_handlers_stand_before_anything_heavy_is_loaded() -> None:
    script = "import sys, ordod.io.signals; print(int('asyncio' in sys.modules))"

    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert result.stdout == "0\n"
