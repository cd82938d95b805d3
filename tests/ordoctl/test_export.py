"""`journal export`: files for an auditor, without a daemon."""

import csv
import json
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from pyarrow import parquet  # type: ignore[import-untyped]  # it ships no types

from ordoctl.cli import main
from ordod.adapter import IST
from ordod.core.orders.opening import open_journal
from ordod.core.orders.records import Accepted, Filled, Kill, Record, Update
from ordod.domain.orders import Status
from ordod.io.clock import SystemRandom
from ordod.io.files import Files
from tests.core.making import fill, intent, row
from tests.simulation.ports import SetClock

AT = datetime(2026, 11, 26, 10, 15, tzinfo=IST)
RECORDS: tuple[Record, ...] = (
    intent(),
    Accepted(id="o1", broker_id="b1"),
    Update(
        id="o1",
        row=row(
            filled_quantity=4, average_price=Decimal("1399.1234567"), status_message='a "b", c'
        ),
        status=Status.OPEN,
    ),
    Filled(id="o1", fill=fill()),
    Kill(caller="me", reason="enough"),
)
TABLES = ("orders", "events", "fills", "admin")


async def write(state: Path) -> None:
    disk = Files(state)
    journal = await open_journal(
        disk, SetClock(AT), SystemRandom(), apply=lambda _: None, load=lambda _: None
    )
    async with anyio.create_task_group() as group:
        group.start_soon(journal.run)
        await journal.write(*RECORDS).durable()
        await journal.close()
        group.cancel_scope.cancel()
    disk.close()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    state = tmp_path / "state"
    anyio.run(write, state)
    return state


def export(state: Path, to: Path, *more: str, day: str = "2026-11-26") -> int:
    return main(["journal", "export", str(state), "--day", day, "--to", str(to), *more])


def rows_of(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / f"{table}-2026-11-26.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_csv_files_hold_decimals_in_full_and_times_with_their_offset(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export(state, tmp_path / "out") == 0

    told = capsys.readouterr().out
    assert "fills-2026-11-26.csv: 1 rows" in told
    (order,) = rows_of(tmp_path / "out", "orders")
    assert order["at"] == "2026-11-26T10:15:00.000000+05:30"
    assert (order["average_price"], order["message"]) == ("1399.1234567", 'a "b", c')
    assert order["trigger_price"] == ""
    assert [one["type"] for one in rows_of(tmp_path / "out", "admin")] == ["open", "kill", "close"]
    assert len(rows_of(tmp_path / "out", "events")) == 4


def test_parquet_files_hold_the_same_with_types(state: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export(state, out) == 0
    assert export(state, out, "--format", "parquet") == 0

    for table in TABLES:
        found = parquet.read_table(out / f"{table}-2026-11-26.parquet").to_pylist()
        plain = rows_of(out, table)
        assert [[*one] for one in found] == [[*one] for one in plain]
        for one, text in zip(found, plain, strict=True):
            assert {name: as_text(value) for name, value in one.items()} == text
    orders = parquet.read_table(out / "orders-2026-11-26.parquet").to_pylist()
    assert orders[0]["average_price"] == Decimal("1399.1234567")
    assert orders[0]["at"] == AT
    assert orders[0]["at"].utcoffset() == timedelta(hours=5, minutes=30)


def as_text(value: Any) -> str:
    match value:
        case None:
            return ""
        case Decimal():
            return f"{value.normalize():f}"
        case datetime():
            return value.isoformat(timespec="microseconds")
        case _:
            return str(value)


def test_no_file_is_written_over(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(state, tmp_path)
    for table in ("orders", "events", "admin"):
        (tmp_path / f"{table}-2026-11-26.csv").unlink()
    (tmp_path / "fills-2026-11-26.csv").write_text("mine")

    assert export(state, tmp_path) == 1

    assert "fills-2026-11-26.csv is there already" in capsys.readouterr().err
    assert not (tmp_path / "orders-2026-11-26.csv").exists()
    assert (tmp_path / "fills-2026-11-26.csv").read_text() == "mine"


def test_without_pyarrow_a_person_is_told_what_to_do(
    state: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    assert export(state, tmp_path / "out", "--format", "parquet") == 1

    assert "pip install 'ordod[parquet]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_damaged_journal_is_not_exported(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (segment,) = (state / "journal").glob("*.ndjson")
    segment.write_bytes(segment.read_bytes().replace(b'"id":"o1"', b'"id":"o7"', 1))

    assert export(state, tmp_path / "out") == 1

    assert "journal damaged at journal/000000000001.ndjson" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_day_without_records_has_the_columns_alone(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(
        ["--json", "journal", "export", str(state), "--day", "2026-11-25", "--to", str(tmp_path)]
    )

    assert status == 0
    assert set(json.loads(capsys.readouterr().out)["rows"].values()) == {0}
    assert (tmp_path / "fills-2026-11-25.csv").read_text().startswith("seq,at,order_id,account,")


@pytest.mark.parametrize("day", ["26-11-2026", "yesterday", ""])
def test_a_day_is_a_date(state: Path, tmp_path: Path, day: str) -> None:
    with pytest.raises(SystemExit) as stopped:
        export(state, tmp_path, day=day)
    assert stopped.value.code == 2
