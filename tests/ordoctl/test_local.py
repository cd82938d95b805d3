"""`kill --local`: the gate of a daemon that does not answer."""

import json
import mmap
from pathlib import Path

import pytest

from ordoctl.cli import main


def test_a_mapped_gate_is_closed_at_once_and_the_reason_left_beside_it(tmp_path: Path) -> None:
    gate = tmp_path / "kill.gate"
    gate.write_bytes(bytes(mmap.PAGESIZE))
    with gate.open("r+b") as file, mmap.mmap(file.fileno(), mmap.PAGESIZE) as mapped:
        status = main(["kill", "--local", "--state", str(tmp_path), "--reason", "hung"])

        assert status == 0
        assert mapped[0] == 1
        assert mapped[1:] == bytes(mmap.PAGESIZE - 1)
    (left,) = (tmp_path / "kill.d").iterdir()
    reason = json.loads(left.read_text())
    assert reason["account"] is None
    assert reason["strategy"] is None
    assert reason["reason"] == "hung"
    assert reason["caller"].startswith("uid:")
    assert reason["at"].endswith("+05:30")
    assert left.stat().st_mode & 0o777 == 0o600


def test_a_daemon_yet_to_start_finds_its_gate_closed(tmp_path: Path) -> None:
    status = main(["kill", "--local", "--state", str(tmp_path)])

    gate = (tmp_path / "kill.gate").read_bytes()
    assert status == 0
    assert gate == b"\x01" + bytes(mmap.PAGESIZE - 1)
    assert (tmp_path / "kill.gate").stat().st_mode & 0o777 == 0o600


def test_the_gate_is_closed_also_where_no_reason_can_be_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kill.d").touch()

    status = main(["--json", "kill", "--local", "--state", str(tmp_path)])

    answer = json.loads(capsys.readouterr().out)
    assert status == 0
    assert answer["file"] is None
    assert answer["why_no_file"]
    assert (tmp_path / "kill.gate").read_bytes()[0] == 1


def test_a_gate_that_cannot_be_closed_is_a_no_that_says_what_else_stops_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "elsewhere").touch()
    (tmp_path / "kill.gate").symlink_to(tmp_path / "elsewhere")

    linked = main(["kill", "--local", "--state", str(tmp_path)])
    missing = main(["kill", "--local", "--state", str(tmp_path / "none")])

    assert linked == missing == 1
    assert "kill -USR1" in capsys.readouterr().err
    assert (tmp_path / "elsewhere").read_bytes() == b""


def test_without_state_the_daemons_usual_directory_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}:/elsewhere")

    assert main(["kill", "--local"]) == 0
    assert (tmp_path / "kill.gate").read_bytes()[0] == 1
