"""What the README says about brokers is what the suite says, and CI runs its test command. Its blocks: `tests/documents`."""

import re
import subprocess
from pathlib import Path

import pytest

from ordod.adapter.table import table
from tests.adapters.known import ADAPTERS, samples_of

ROOT = Path(__file__).parent.parent
TEST_COMMAND = "python3 -m venv .venv && .venv/bin/pip install -q '.[test]' && .venv/bin/pytest"


def test_the_brokers_table_is_the_one_the_suite_makes() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- brokers: .*? -->\n(.*?)<!-- end of brokers -->", text, re.DOTALL)
    samples = {adapter: samples_of(adapter) for adapter in ADAPTERS.values()}

    assert shown is not None
    assert shown[1] == table(samples), "python -m ordod.adapter.table"


def test_ci_runs_the_readmes_own_test_command() -> None:
    assert TEST_COMMAND in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    ci = ROOT / ".ci/run"
    if not ci.exists():
        pytest.skip("a source distribution has no .ci")

    (pattern,) = re.findall(r"grep -m1 '(.+?)' README.md", ci.read_text(encoding="utf-8"))
    found = subprocess.run(
        ["grep", "-m1", pattern, "README.md"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert found.stdout == f"{TEST_COMMAND}\n"
