"""`ordod demo`, run as a newcomer runs it: in a pipe, in a narrow one, interrupted, and with an untrue claim."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from ordod.demo.screen import Screen

COMMAND = [sys.executable, "-m", "ordod", "demo"]


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(folder), **more}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def shown(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        COMMAND, env=environment(folder), capture_output=True, text=True, timeout=120, check=False
    )


def processes_of(folder: Path) -> list[str]:
    """The command lines of running processes that name this folder."""
    lines = [_command_line(entry) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [line for line in lines if str(folder) in line]


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""  # it has just ended


def test_every_claim_is_true_and_the_exit_status_says_so(
    shown: subprocess.CompletedProcess[str],
) -> None:
    claims = re.findall("^   ✓ ", shown.stdout, re.MULTILINE)

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert shown.stderr == ""
    assert "✗" not in shown.stdout
    assert f"All {len(claims)} claims were true." in shown.stdout


@pytest.mark.parametrize(
    "claim",
    [
        r"filled: 10 at ₹1,\d\d\d\.\d\d",
        r"the broker's own book has the order \d+\.\d ms after the intent",
        r"[1-9]\d* orders are at the broker and nobody was told",
        r"the broker's own book has \d+ orders for 120 keys, none of them twice",
        r"200 orders placed: [\d,]+ a second",
        r"\d{3} cancels are out; the switch itself is on the disk",
        r"a new order is refused as KILLED, and is not at the broker",
        r"account paper is logged in: KILLED",
        r"\d+ records, unbroken",
        r"the daemon does not start on it, and says where: \d{12}\.ndjson, line \d+",
    ],
)
def test_the_demo_claims(shown: subprocess.CompletedProcess[str], claim: str) -> None:
    text = " ".join(shown.stdout.split())

    assert re.search(f"✓ {claim}", re.sub(r" \d+ ms| \d+\.\d\d s", "", text)) or re.search(
        claim, text
    )


def test_nothing_is_left_behind(shown: subprocess.CompletedProcess[str], folder: Path) -> None:
    assert shown.returncode == 0

    assert list(folder.iterdir()) == []
    assert processes_of(folder) == []


def test_a_pipe_gets_plain_text(shown: subprocess.CompletedProcess[str]) -> None:
    assert "\x1b" not in shown.stdout
    assert "\r" not in shown.stdout


@pytest.fixture
def begun(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo in a narrow terminal that knows no more than ASCII; its first step is shown."""
    process = subprocess.Popen(
        COMMAND,
        env=environment(tmp_path, COLUMNS="40", PYTHONIOENCODING="ascii", PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def iter_until(stream: IO[str], word: str) -> Iterator[str]:
    """The stream's lines up to the one with this word."""
    for line in stream:
        yield line
        if word in line:
            return


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_demo_says_so_and_leaves_nothing(
    begun: subprocess.Popen[str], tmp_path: Path, how: signal.Signals
) -> None:
    assert begun.stdout is not None
    lines = list(iter_until(begun.stdout, "READY"))

    begun.send_signal(how)
    rest, errors = begun.communicate(timeout=30)

    assert begun.returncode == 130
    assert errors == ""
    assert "Stopped; the daemon is gone" in rest
    assert list(tmp_path.iterdir()) == []
    assert processes_of(tmp_path) == []
    assert max(len(line.rstrip("\n")) for line in lines) <= 40


def test_a_reader_that_has_seen_enough_leaves_nothing_behind(
    begun: subprocess.Popen[str], tmp_path: Path
) -> None:
    assert begun.stdout is not None
    begun.stdout.readline()

    begun.stdout.close()
    begun.wait(timeout=30)

    deadline = time.monotonic() + 5
    while processes_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_daemon_that_does_not_start_is_told_with_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif '--config' in sys.orig_argv:\n    sys.exit('no disk here')\n"
    )
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])

    ended = subprocess.run(
        COMMAND,
        env=environment(tmp_path, PYTHONPATH=paths),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 1
    assert "The demo could not go on: the daemon ended by itself" in ended.stdout
    assert "no disk here" in ended.stdout


def test_a_claim_that_is_not_true_is_shown_and_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Screen()

    with screen.step(1, "A step"):
        screen.claim("water flows down", True)
        screen.claim("water flows up", False, found="puddles")
    screen.closing(1.0, "ordod")

    text = capsys.readouterr().out
    assert screen.is_any_false
    assert "✗ water flows up (found: puddles)" in text
    assert "1 of 2 claims were not true" in text
