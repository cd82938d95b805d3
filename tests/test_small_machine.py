"""A small machine, one core and 256 MiB, carries a day's trading: `benchmarks/small.py`, short always, whole behind `slow`.

Both look at what may not happen at all, and at memory. How fast it is says `python -m benchmarks --only small`: a timing is no test.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from benchmarks.confined import confined
from benchmarks.figures import Part, Verdict
from benchmarks.processes import cores
from benchmarks.small import SHORT, WHOLE, hour

MEMORY_MIB = 64
WAIT_S = 60


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A short path: a socket's may have 107 bytes."""
    with TemporaryDirectory(prefix="ordo-") as name:
        yield Path(name)


def missed(part: Part) -> list[str]:
    """The budgets that were not kept, by name; those in seconds or ratios are no business of ours."""
    judged = [figure for figure in part.figures if figure.unit in ("", "MiB")]
    return [f"{f.name}: {f.value:g} of {f.budget}" for f in judged if f.verdict is Verdict.MISSED]


def took(mib: int, prefix: tuple[str, ...]) -> int:
    """A process that fills so much memory; how it ended."""
    code = f"import os; x = bytearray(os.urandom(1)) * ({mib} << 20); assert sum(x[:: 4096]) >= 0"
    command = [*prefix, sys.executable, "-c", code]
    return subprocess.run(
        command, stderr=subprocess.DEVNULL, timeout=WAIT_S, check=False
    ).returncode


def test_what_takes_more_than_its_limit_is_ended_and_what_does_not_is_left_alone() -> None:
    with confined("test", memory_mib=MEMORY_MIB, core=cores()[0]) as limits:
        within = took(MEMORY_MIB // 4, limits.prefix)
        before = limits.kills()
        past = took(MEMORY_MIB * 2, limits.prefix)
        kills = limits.kills()

    assert within == 0
    assert before == 0
    assert past != 0
    assert kills == (1 if limits.folder else 0), limits.how


def test_it_has_one_core_and_no_other() -> None:
    core = cores()[-1]
    with confined("test", memory_mib=MEMORY_MIB, core=core) as limits:
        said = subprocess.run(
            [*limits.prefix, sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"],
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=True,
        )

    assert said.stdout.strip() == f"{{{core}}}"


def test_a_short_hour_loses_no_order_and_keeps_to_its_memory(scratch: Path) -> None:
    part = hour(scratch, SHORT)

    assert missed(part) == [], part.notes


@pytest.mark.slow
def test_an_hour_on_a_small_machine_loses_no_order_and_keeps_to_its_memory(scratch: Path) -> None:
    part = hour(scratch, WHOLE)

    assert missed(part) == [], part.notes
