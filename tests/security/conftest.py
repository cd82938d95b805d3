"""Daemons for attacks, as the promises have them, and users to attack from."""

from collections.abc import Callable, Iterator

import pytest

from tests.promises.conftest import folder, make, shared_broker, shared_token, sim
from tests.promises.daemon import PAPER, Daemon
from tests.security.hostile import MALLORY, Mallory

__all__ = ["folder", "make", "shared_broker", "shared_token", "sim"]


@pytest.fixture
def watched(make: Callable[..., Daemon]) -> Daemon:
    """A daemon where MALLORY may look and trade; its socket is open to him."""
    daemon = make(f'[access.users]\n"{MALLORY}" = "trade"\n{PAPER}')
    daemon.folder.parent.chmod(0o755)
    daemon.folder.chmod(0o755)
    daemon.ready()
    daemon.socket.chmod(0o666)  # as if he were in the socket's group
    return daemon


@pytest.fixture
def mallory(watched: Daemon) -> Iterator[Callable[..., Mallory]]:
    """Makes processes of another user, who do to the daemon what they are told; they end with the test."""
    made: list[Mallory] = []

    def new(user: int = MALLORY) -> Mallory:
        made.append(Mallory(watched.socket, user))
        return made[-1]

    yield new
    for each in made:
        each.close()
