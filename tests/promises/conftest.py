"""Daemons and simulated brokers for the promises. Each test has a state directory of its own; simulators are shared."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from ordod.sim.process import SimProcess, running
from tests.promises.daemon import PAPER, Daemon, access_token, ended, zerodha


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: a socket's may have 107 bytes."""
    with TemporaryDirectory(prefix="ordod-") as name:
        yield Path(name)


@pytest.fixture
def make(folder: Path) -> Iterator[Callable[..., Daemon]]:
    """Makes daemons, each in a folder of its own, with the arguments of `Daemon`; they end with the test."""
    made: list[Daemon] = []
    numbers = count()

    def new(accounts: str = PAPER, **more: Any) -> Daemon:
        home = folder / str(next(numbers))
        home.mkdir()
        made.append(Daemon(home, accounts, **more))
        return made[-1]

    with ended(made):
        yield new


@pytest.fixture(scope="session")
def shared_broker() -> Iterator[SimProcess]:
    """A simulated Zerodha without limits of its own, so that tests need not wait for each other's."""
    with running("--no-limits", "--seed", "7") as sim:
        yield sim


@pytest.fixture(scope="session")
def shared_token(shared_broker: SimProcess) -> str:
    return access_token(shared_broker)


@pytest.fixture
def sim(shared_broker: SimProcess) -> SimProcess:
    """The shared simulator with an empty order book and no faults waiting."""
    shared_broker.call("DELETE", "faults")
    shared_broker.call("POST", "new_day")
    return shared_broker


@pytest.fixture
def broker(sim: SimProcess, shared_token: str) -> str:
    """The account at the shared simulator, with a ready-made token."""
    return zerodha(sim, token=shared_token)
