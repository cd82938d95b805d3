"""`ordoctl`: how long a person waits for the first answer."""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks.figures import Figure, Part
from benchmarks.paper import ACCOUNT
from benchmarks.processes import Daemon, environment, running

__all__ = ["measure"]

REPEATS = 10
ORDOCTL = (
    "import sys; from ordoctl.cli import main; sys.exit(main())"  # as the installed script does
)
COMMANDS = (("call", "system.ping"), ("status",), ("--json", "orders"))


def measure(scratch: Path, *, quick: bool) -> Part:
    repeats = 1 if quick else REPEATS
    with running(scratch / "daemon", ACCOUNT) as daemon:
        floor = [_seconds([sys.executable, "-c", "pass"], daemon) for _ in range(repeats)]
        figures = [Figure(name="the interpreter alone", value=median(floor) * 1e3, unit="ms")]
        for words in COMMANDS:
            command = [sys.executable, "-c", ORDOCTL, *words]
            took = median(_seconds(command, daemon) for _ in range(repeats))
            figures.append(Figure(name=f"ordoctl {' '.join(words)}", value=took * 1e3, unit="ms"))
    return Part(
        name="command",
        title="The command line, from its start to its end",
        figures=figures,
        notes=[f"medians of {repeats}"],
    )


def _seconds(command: list[str], daemon: Daemon) -> float:
    begun = time.perf_counter()
    subprocess.run(  # noqa: S603 - fixed argv
        command, check=True, capture_output=True, env=environment(ORDOD_SOCKET=str(daemon.socket))
    )
    return time.perf_counter() - begun
