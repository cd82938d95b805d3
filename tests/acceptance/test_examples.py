"""The bots in `examples/` do what they say, on paper."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.daemon import Client, Daemon

EXAMPLES = Path(__file__).parents[2] / "examples"
WAIT_S = 60

Run = Callable[..., list[str]]


@pytest.fixture
def run(daemon: Daemon) -> Run:
    """Runs one to its end; what it printed."""

    def ran(name: str, *asked: str, statuses: tuple[int, ...] = (0,)) -> list[str]:
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / f"{name}.py"), "--socket", str(daemon.socket), *asked],
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        assert done.returncode in statuses, done.stderr
        return done.stdout.splitlines()

    return ran


def orders(client: Client, strategy: str) -> list[dict[str, Any]]:
    found = client.ask("order.list", account="second", strategy=strategy, limit=1000)["orders"]
    return [dict(order) for order in found]


def test_the_trailing_stop_buys_and_sells_once_however_often_it_is_started(
    run: Run, client: Client
) -> None:
    asked = ("--account", "second", "--symbol", "NSE:RELIANCE", "--percent", "0.0001")

    first = run("trailing_stop", *asked, "--run", "trail-a")
    again = run("trailing_stop", *asked, "--run", "trail-a")

    assert [line.split()[0] for line in (first[0], first[-1])] == ["BUY", "SELL"]
    assert (again[0], again[-1]) == (first[0], first[-1])
    placed = orders(client, "trailing-stop")
    assert sorted((order["side"], order["status"]) for order in placed) == [
        ("BUY", "FILLED"),
        ("SELL", "FILLED"),
    ]


def test_the_diary_has_what_happened_while_it_did_not_run(
    run: Run, daemon: Daemon, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "diary"

    def place(key: str) -> None:
        order = {"account": "second", "key": key, "symbol": "NSE:SBIN", "side": "BUY"}
        client.ask("order.place", **order, quantity=1, type="MARKET", product="CNC")
        client.ask("order.get", account="second", key=key, wait_ms=10_000)

    command = [sys.executable, str(EXAMPLES / "order_diary.py"), "--socket", str(daemon.socket)]
    with subprocess.Popen([*command, "--file", str(file)], stdout=subprocess.DEVNULL) as diary:
        for number in range(1000):  # until it is there
            place(f"diary-{number}")
            if file.exists() and file.read_text():
                break
        diary.kill()
    place("diary-missed")
    file.write_text(file.read_text() + '{"seq": 9, "cut')

    run("order_diary", "--file", str(file), "--until", "diary-missed")

    entries = [json.loads(line) for line in file.read_text().splitlines() if line.endswith("}")]
    assert [one["seq"] for one in entries] == sorted({one["seq"] for one in entries})
    missed = [one["status"] for one in entries if one["key"] == "diary-missed"]
    assert missed[-1] == "FILLED"


def test_the_strangle_shows_and_then_sells_once(run: Run, client: Client) -> None:
    shown = run("strangle", "--account", "second", "--delta", "0.3")
    nothing = orders(client, "strangle")
    first = run("strangle", "--account", "second", "--delta", "0.3", "--place")
    run("strangle", "--account", "second", "--place", statuses=(0, 1))  # 1: other strikes by now

    assert [line.split()[0][-2:] for line in shown] == ["CE", "PE"]
    assert nothing == []
    assert [line.partition(" ")[0][-3:] for line in first] == ["0CE", "CE:", "0PE", "PE:"]
    placed = orders(client, "strangle")
    assert [order["side"] for order in placed] == ["SELL", "SELL"]


def test_candles_become_days(run: Run) -> None:
    lines = run("candles_to_frame", "--days", "7", "--interval", "1h", "--account", "paper")

    assert lines[0].split() == ["open", "high", "low", "close", "range"]
    assert lines[-1].endswith("% on average")
    assert len(lines) > 4
