"""One broker and one daemon for each module; a test tells its orders by their keys."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ordod.sim.process import SimProcess, running
from tests.zerodha_day.harness import Ordo, Trouble, ordo, session_of


@pytest.fixture(scope="module")
def sim() -> Iterator[SimProcess]:
    with running("--no-limits") as started:
        yield started


@pytest.fixture(scope="module")
def daemon(sim: SimProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ordo]:
    with ordo(tmp_path_factory.mktemp("o"), sim, access_token=session_of(sim)) as started:
        yield started


@pytest.fixture
def trouble(sim: SimProcess) -> Iterator[Trouble]:
    """Faults of this test alone."""
    yield Trouble(sim)
    sim.call("DELETE", "faults")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
