"""Every broker that has a simulator, each a process, and real daemons beside them."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.promises.daemon import Daemon, ended


@pytest.fixture(scope="module")
def make() -> Iterator[Callable[..., Daemon]]:
    """Makes daemons, each in a short folder of its own (a socket's path may have 107 bytes); they end with the module."""
    made: list[Daemon] = []
    numbers = count()
    with TemporaryDirectory(prefix="ordod-") as name, ended(made):

        def new(accounts: str, **more: Any) -> Daemon:
            home = Path(name) / str(next(numbers))
            home.mkdir()
            made.append(Daemon(home, accounts, **more))
            return made[-1]

        yield new
