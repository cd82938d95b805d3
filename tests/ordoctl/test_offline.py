"""`journal verify` and `journal repair`, on a journal that the daemon's own code wrote to a real disk."""

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from ordoctl.cli import main

opening = pytest.importorskip("ordod.core.orders.opening")
records = pytest.importorskip("ordod.core.orders.records")
files = pytest.importorskip("ordod.io.files")
clock = pytest.importorskip("ordod.io.clock")


async def write(state: Path, count: int) -> None:
    """So many records in a journal below `state`, and an orderly end."""
    disk = files.Files(state)
    journal = await opening.open_journal(
        disk,
        clock.SystemClock(),
        clock.SystemRandom(),
        apply=lambda _entry: None,
        load=lambda _content: None,
    )
    async with anyio.create_task_group() as group:
        group.start_soon(journal.run)
        for number in range(count):
            await journal.write(records.Note(text=f"record {number}")).durable()
        await journal.close()
        group.cancel_scope.cancel()
    disk.close()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    state = tmp_path / "state"
    anyio.run(write, state, 5)
    return state


def verified(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, Any]:
    status = main(["--json", "journal", *argv])
    return status, json.loads(capsys.readouterr().out)


def spoil(state: Path) -> None:
    (segment,) = (state / "journal").glob("*.ndjson")
    segment.write_bytes(segment.read_bytes().replace(b"record 1", b"record 7"))


def test_a_whole_journal_is_good_and_its_head_can_be_checked(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, report = verified(capsys, "verify", str(state))
    seq, _, digest = report["head"].partition(":")
    same, _ = verified(capsys, "verify", str(state / "journal"), "--head", report["head"])
    other, tampered = verified(capsys, "verify", str(state), "--head", f"{seq}:{digest[::-1]}")
    longer, cut = verified(capsys, "verify", str(state), "--head", f"{int(seq) + 1}:{digest}")

    assert status == same == 0
    assert report["good"]
    assert report["records"] == int(seq) > 5
    assert other == longer == 1
    assert tampered["tampered"]
    assert cut["tampered"]


def test_damage_is_found_set_aside_and_then_gone(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(state)

    found, damaged = verified(capsys, "verify", str(state))
    repaired, report = verified(capsys, "repair", str(state))
    after, _ = verified(capsys, "verify", str(state))

    assert found == 1
    assert damaged["damage"]["line"] > 1
    assert repaired == after == 0
    assert report["lost"]


def test_people_are_told_in_words(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "verify", str(state)]) == 0
    assert capsys.readouterr().out.endswith("whole\n")

    spoil(state)
    assert main(["journal", "verify", str(state)]) == 1
    assert "ordoctl journal repair" in capsys.readouterr().out


def test_a_repair_keeps_off_a_journal_that_a_daemon_holds(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = files.Files(state)

    held = main(["journal", "repair", str(state)])
    looked = main(["journal", "verify", str(state)])
    daemon.close()

    assert held == 1
    assert looked == 0
    assert capsys.readouterr().err.startswith("ordoctl: ")


@pytest.mark.parametrize("head", ["5", "x:y", ":", "5:"])
def test_a_head_is_a_number_and_a_hash(state: Path, head: str) -> None:
    assert main(["journal", "verify", str(state), "--head", head]) == 2
