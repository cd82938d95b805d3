"""`python -m benchmarks`: every part, or those named; tables for people, JSON for programs."""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from benchmarks import (
    command,
    instruments,
    memory,
    order_path,
    paper,
    prices,
    small,
    startup,
    sweep,
)
from benchmarks.figures import Part
from benchmarks.report import show

__all__ = ["main"]

PARTS: dict[str, Callable[..., Part]] = {
    "order": order_path.measure,
    "paper": paper.measure,
    "start": startup.measure,
    "memory": memory.measure,
    "instruments": instruments.measure,
    "sweep": sweep.measure,
    "command": command.measure,
    "prices": prices.measure,
    "small": small.measure,
}


def main(arguments: Sequence[str] | None = None) -> int:
    asked = _parser().parse_args(arguments)
    console = Console()
    measured = []
    for name in asked.only or PARTS:
        with tempfile.TemporaryDirectory(prefix="ordo-", dir=asked.scratch) as scratch:
            part = PARTS[name](Path(scratch), quick=asked.quick)
        show(part, console)
        measured.append(part)
    if asked.json:
        machine = {
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "cores": len(os.sched_getaffinity(0)),
        }
        whole = {"machine": machine, "quick": asked.quick, "parts": measured}
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(whole)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="see that it runs; figures mean nothing"
    )
    parser.add_argument(
        "--only", nargs="+", choices=list(PARTS), metavar="NAME", help=", ".join(PARTS)
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures here")
    parser.add_argument(
        "--scratch",
        type=Path,
        help="a folder on the disk that is to be measured; default: that of temporary files",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
