"""The brokers' table is made of code and samples."""

import json
import shutil
from pathlib import Path

import pytest

from ordo_adapters.zerodha import ZERODHA
from ordod.adapter.table import main, table

SAMPLES = Path(__file__).parent / "zerodha" / "samples"


def test_a_cell_says_what_proves_an_operation_and_counts_the_answers() -> None:
    lines = table({ZERODHA: SAMPLES}).splitlines()

    assert lines[0] == "| operation | zerodha |"
    assert "| `place` | client 12+26 |" in lines
    assert "| `by_tag` | - |" in lines
    assert "| `parse_master` | samples 2 |" in lines
    assert lines[-1] == (
        "| Zerodha | official, `headless` | 20 of 32 | orders 9/s, orders 390/min, "
        "orders.place 5000/day, quotes 1/s, candles 3/s, others 9/s |"
    )


def test_the_table_of_an_adapter_without_samples_says_so() -> None:
    lines = table({ZERODHA: None}).splitlines()

    assert "| `place` | not proved |" in lines


@pytest.fixture
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Zerodha's entry point, as an installation leaves it."""
    info = tmp_path / "here-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: here\nVersion: 1\n")
    entry = "[ordod.adapters]\nzerodha = ordo_adapters.zerodha:ZERODHA\n"
    (info / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("_installed")
def test_the_command_prints_the_table_of_what_is_installed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = main([str(SAMPLES.parent.parent)])

    told = capsys.readouterr()
    assert (status, told.err) == (0, "")
    assert "client 12+26" in told.out


def test_a_command_with_too_much_is_told_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["one", "two"]) == 2
    assert "usage: python -m ordod.adapter.table" in capsys.readouterr().err


def test_without_what_the_sdk_sent_recorded_answers_are_the_proof(tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    shutil.copytree(SAMPLES, folder, ignore=shutil.ignore_patterns("vendor"))

    assert "| `place` | samples 12+26 |" in table({ZERODHA: folder}).splitlines()


def test_answers_composed_from_documentation_are_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    shutil.copytree(SAMPLES, folder, ignore=shutil.ignore_patterns("vendor"))
    file = folder / "suite.json"
    content = json.loads(file.read_text())
    for one in content["conversations"]:
        if one["operation"] == "trades":
            one["source"] = "documentation"
    file.write_text(json.dumps(content))

    lines = table({ZERODHA: folder}).splitlines()

    assert "| `trades` | documentation 2 |" in lines
    assert "| `orders` | samples 2+1 |" in lines


def test_a_request_of_another_shape_than_the_sdk_s_is_not_proved_by_it(tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    shutil.copytree(SAMPLES, folder)
    file = folder / "vendor" / "requests.json"
    content = json.loads(file.read_text())
    for one in content["sent"]:
        one["request"]["path"] = one["request"]["path"].replace("/trades", "/executions")
    file.write_text(json.dumps(content))

    assert "| `trades` | samples 2 |" in table({ZERODHA: folder}).splitlines()
