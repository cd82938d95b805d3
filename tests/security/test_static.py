"""bandit over the whole program, beside ruff's `S` rules: what either finds is mended, or excepted with a reason on its line."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("ordod", "ordoctl", "adapters", "examples", "benchmarks")
EXCEPTED = "noqa: S"


def _findings() -> list[dict[str, object]]:
    """Of medium and high severity; the low ones are asserts and starts of our own programs, which ruff's rules judge one by one."""
    command = [sys.executable, "-m", "bandit", "-q", "-ll", "-f", "json", "-r", *FOLDERS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told = json.loads(done.stdout)
    assert not told["errors"]
    assert told["metrics"]["_totals"]["loc"] > 10_000
    return list(told["results"])


def test_bandit_finds_nothing_that_is_not_excepted_with_a_reason() -> None:
    open_ones = []
    for finding in _findings():
        lines = (ROOT / str(finding["filename"])).read_text().splitlines()
        numbers = finding["line_range"]
        assert isinstance(numbers, list)
        if not any(EXCEPTED in lines[number - 1] for number in numbers):
            open_ones.append(f"{finding['filename']}:{numbers[0]} {finding['issue_text']}")

    assert open_ones == []
