"""The benchmarks run and give every figure. What the figures are is no test's business: machines are noisy."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from benchmarks.figures import Figure, Verdict
from benchmarks.processes import environment

ROOT = Path(__file__).parent.parent
PARTS = ["order", "paper", "start", "memory", "instruments", "sweep", "command", "prices", "small"]
LIGHT = [
    "order",
    "start",
    "command",
    "prices",
]  # the others take their time even to be seen running
WAIT_S = 600


@pytest.mark.parametrize("parts", [LIGHT, pytest.param(PARTS, marks=pytest.mark.slow)], ids=len)
def test_a_quick_run_gives_every_part_and_leaves_nothing_behind(
    parts: list[str], tmp_path: Path
) -> None:
    report = tmp_path / "report.json"

    with TemporaryDirectory() as scratch:  # a socket's path must be short
        command = [sys.executable, "-m", "benchmarks", "--quick", "--only", *parts]
        command += ["--json", str(report)]
        ran = subprocess.run(
            [*command, "--scratch", scratch],
            cwd=ROOT,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        left = list(Path(scratch).iterdir())

    assert ran.returncode == 0, ran.stderr
    told = json.loads(report.read_text())["parts"]
    assert [part["name"] for part in told] == parts
    assert all(
        figure["value"] > 0
        for part in told
        for figure in part["figures"]
        if "rest" not in figure["name"]
    )
    assert left == []


def test_a_budget_is_kept_up_to_its_very_number() -> None:
    at_most = Figure(name="a", value=1.0, budget=1.0, aim=0.7)
    at_least = Figure(name="b", value=5000, budget=5000, aim=10_000, more_is_better=True)
    without = Figure(name="c", value=3)

    assert [one.verdict for one in (at_most, at_least, without)] == [
        Verdict.KEPT,
        Verdict.KEPT,
        Verdict.NONE,
    ]


def test_a_figure_past_its_budget_is_missed_and_one_that_reaches_the_aim_says_so() -> None:
    assert Figure(name="a", value=1.01, budget=1.0).verdict is Verdict.MISSED
    assert Figure(name="b", value=4999, budget=5000, more_is_better=True).verdict is Verdict.MISSED
    assert Figure(name="c", value=0.7, budget=1.0, aim=0.7).verdict is Verdict.AIM
