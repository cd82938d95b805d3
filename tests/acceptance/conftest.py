"""One daemon for the whole folder, with two paper accounts; tests tell themselves apart by their keys."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count

import pytest

from tests.acceptance.daemon import Client, Daemon, running

ACCOUNTS = """
[accounts.paper]
broker = "paper"
cash = "1000000000"
[accounts.second]
broker = "paper"
cash = "1000000000"
[accounts.poor]
broker = "paper"
cash = "10"
"""


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running(tmp_path_factory.mktemp("ordod"), ACCOUNTS) as started:
        yield started


@pytest.fixture
def client(daemon: Daemon) -> Iterator[Client]:
    with daemon.connect() as connected:
        yield connected


@pytest.fixture
def connect(daemon: Daemon) -> Iterator[Callable[[], Client]]:
    """More connections, closed at the end."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(daemon.connect())


_NUMBERS = count(1)


@pytest.fixture
def new_key() -> Callable[[], str]:
    return lambda: f"t-{next(_NUMBERS)}"
