"""The brokers' instrument files into tables, and searches in them.

Each import has a process of its own: what is told is how far its memory grew, the file itself included. The floor is what
nobody can do without: the rows as CSV, read by `csv` and inserted into SQLite, without names, checks or indexes.
"""

import csv
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import date
from io import StringIO
from pathlib import Path

import anyio

from benchmarks.figures import Figure, Part, percentile
from benchmarks.listing import FILES, contracts
from benchmarks.processes import environment
from ordo_adapters.angelone import ANGELONE
from ordo_adapters.dhan import DHAN
from ordo_adapters.fyers import FYERS
from ordo_adapters.upstox import UPSTOX
from ordo_adapters.zerodha import ZERODHA
from ordod.adapter import Adapter, Instrument
from ordod.io.tables import SqliteTables

__all__ = ["measure"]

ROWS = 120_000
SEARCHED = 150_000
IMPORT_S = 10
IMPORT_MIB = 100
COLUMNS = (
    *("exchange", "symbol", "broker_symbol", "instrument_token", "kind", "tick_size", "lot_size"),
    *("name", "expiry", "strike"),
)
REPEATS = 5
WATCH_S = 0.001
ON = date(2026, 11, 23)
ADAPTERS: dict[str, Adapter] = {
    "angelone": ANGELONE,
    "dhan": DHAN,
    "fyers": FYERS,
    "upstox": UPSTOX,
    "zerodha": ZERODHA,
}
TYPED = (
    *("infy", "nifty", "nifty 24500 ce", "reliance fut", "banknfty", "bank nifty", "infosys"),
    *("NFO:NIFTY24NOV2624500CE", "a", "ltd", "24500 pe", "relaince", "qwertz", "nifty dec"),
)


def measure(scratch: Path, *, quick: bool) -> Part:
    rows = list(contracts(2_000 if quick else ROWS))
    figures = []
    for name in ("floor", *ADAPTERS):
        file = scratch / name
        file.write_bytes(_plain(rows) if name == "floor" else FILES[name](rows))
        took, grew = _measured(name, file)
        told = "floor: csv and plain SQLite" if name == "floor" else name
        limits = (None, None) if name == "floor" else (IMPORT_S, IMPORT_MIB)
        figures += [
            Figure(name=f"import, {told}", value=took, unit="s", budget=limits[0]),
            Figure(name=f"its memory, {told}", value=grew, unit="MiB", budget=limits[1]),
        ]
    figures += anyio.run(_searches, scratch, 2_000 if quick else SEARCHED)
    return Part(
        name="instruments",
        title=f"Instrument files of {len(rows):,} rows, searches among {SEARCHED:,}",
        figures=figures,
        notes=["memory: how far the process grew, the file's bytes included"],
    )


def _measured(name: str, file: Path) -> tuple[float, float]:
    command = [sys.executable, "-m", "benchmarks.instruments", name, str(file)]
    done = subprocess.run(  # noqa: S603 - fixed argv
        command, check=True, capture_output=True, env=environment()
    )
    took, grew = json.loads(done.stdout)
    return took, grew


async def _searches(scratch: Path, count: int) -> list[Figure]:
    tables = SqliteTables(scratch / "searched")
    await tables.load("listing", _Listing(count), b"", ON)
    master = tables.master("listing")
    took, paused = [], []
    asked = threading.Event()

    async def watch() -> None:
        """How long the loop is kept from its work."""
        while not asked.is_set():
            begun = time.perf_counter()
            await anyio.sleep(WATCH_S)
            paused.append(time.perf_counter() - begun - WATCH_S)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        for _ in range(REPEATS):
            for text in TYPED:
                begun = time.perf_counter()
                await master.search(text)
                took.append(time.perf_counter() - begun)
        asked.set()
    some = [f"NFO:NIFTY24NOV26{strike}CE" for strike in range(17_000, 32_000, 50)]
    begun = time.perf_counter()
    found = [master.find(symbol) for symbol in some]
    each = (time.perf_counter() - begun) / len(found)
    tables.close()
    return [
        Figure(name="search, median", value=percentile(took, 50) * 1e3, unit="ms"),
        Figure(name="search, slowest", value=max(took) * 1e3, unit="ms"),
        Figure(name="the loop's longest wait meanwhile", value=max(paused) * 1e3, unit="ms"),
        Figure(name="a look-up that was not cached", value=each * 1e6, unit="us"),
    ]


class _Listing(Adapter):
    def __init__(self, count: int) -> None:
        self._count = count

    def parse_master(self, content: bytes, on: date) -> "list[Instrument]":
        return list(contracts(self._count))


def _plain(rows: list[Instrument]) -> bytes:
    text = StringIO()
    writer = csv.writer(text)
    writer.writerows([getattr(row, name) for name in COLUMNS] for row in rows)
    return text.getvalue().encode()


# In the process of one import


def _floor(content: bytes, folder: Path) -> None:
    folder.mkdir()
    connection = sqlite3.connect(folder / "floor.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("CREATE TABLE rows (a, b, c, d, e, f, g, h, i, j)")
    connection.execute("BEGIN")
    rows = csv.reader(StringIO(content.decode(), newline=""))
    connection.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    connection.execute("COMMIT")
    connection.close()


def _import(name: str) -> Callable[[bytes, Path], None]:
    def run(content: bytes, folder: Path) -> None:
        tables = SqliteTables(folder)
        anyio.run(tables.load, name, ADAPTERS[name], content, ON)
        tables.close()

    return run


def _mib(field: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return (
        int(next(line for line in status.splitlines() if line.startswith(field)).split()[1]) / 1024
    )


def _main(name: str, file: Path) -> None:
    run = _floor if name == "floor" else _import(name)
    anyio.run(anyio.sleep, 0)  # its first use imports modules
    before, begun = _mib("VmRSS"), time.perf_counter()
    run(file.read_bytes(), file.with_suffix(".tables"))
    print(json.dumps([time.perf_counter() - begun, _mib("VmHWM") - before]))  # noqa: T201 - the answer


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))
