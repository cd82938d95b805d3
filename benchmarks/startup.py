"""How long a start takes, by the journal's length, with a snapshot and without; and what it leaves in memory.

A million records are two hundred thousand orders and more. The snapshot is the one that the daemon itself writes at its end.
"""

import shutil
from pathlib import Path
from statistics import median

from benchmarks import history
from benchmarks.figures import Figure, Part
from benchmarks.paper import ACCOUNT
from benchmarks.processes import running

__all__ = ["measure"]

READY_S = 0.6
MILLION_S = 2.0
REPEATS = 5


def measure(scratch: Path, *, quick: bool) -> Part:
    figures: list[Figure] = []
    sizes = {"no records": 0, "100 thousand records": 100_000, "a million records": 1_000_000}
    if quick:
        sizes = {"no records": 0, "a thousand records": 1_000}
    for name, records in sizes.items():
        folder = scratch / str(records)
        history.write(folder / "state", records)
        without = _start(folder)
        if records:
            figures += _figures(f"{name}, no snapshot", [without], None)
        budget = MILLION_S if records == 1_000_000 else READY_S
        again = [_start(folder) for _ in range(1 if quick else REPEATS)]
        figures += _figures(f"{name}, snapshot" if records else name, again, budget)
        shutil.rmtree(folder)
    return Part(
        name="start",
        title="Start-up",
        figures=figures,
        notes=[f"medians of {REPEATS} starts (without a snapshot there is only one)"],
    )


def _start(folder: Path) -> tuple[float, float, float, float]:
    """Seconds to the first answer and to READY=1, those of a processor, and MiB then."""
    with running(folder, ACCOUNT) as daemon:
        return daemon.answered_s, daemon.ready_s, daemon.cpu_s(), daemon.rss_mib()


def _figures(
    name: str, starts: list[tuple[float, float, float, float]], budget: float | None
) -> list[Figure]:
    answered, ready, cpu, rss = (median(values) for values in zip(*starts, strict=True))
    return [
        Figure(name=f"{name}: first answer", value=answered, unit="s"),
        Figure(name=f"{name}: ready", value=ready, unit="s", budget=budget),
        Figure(name=f"{name}: processor", value=cpu, unit="s"),
        Figure(name=f"{name}: memory", value=rss, unit="MiB"),
    ]
