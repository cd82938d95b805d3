"""A whole daemon and Upstox's market feed: prices come, and come back after trouble, each time over an address of its own."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path

import pytest

from ordoctl import Client
from ordod.sim.process import SimProcess, running
from tests.brokers.accounts import is_told, table
from tests.brokers.streams import SYMBOLS, feed, heard
from tests.promises.daemon import Daemon, until

AUTHORIZE = "/v3/feed/market-data-feed/authorize"


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimProcess]:
    with running("--seed", "5", broker="upstox") as sim:
        yield sim


@pytest.fixture
def daemon(make: Callable[..., Daemon], simulator: SimProcess, tmp_path: Path) -> Iterator[Daemon]:
    made = make(table("real", "upstox", simulator, tmp_path / "token")).ready()
    yield made
    made.stop()


def test_prices_come_back_after_every_trouble(daemon: Daemon, simulator: SimProcess) -> None:
    at = attrgetter("traded_at")
    with Client(socket=daemon.socket) as client, client.ticks(sorted(SYMBOLS)) as ticks:
        assert heard(ticks, at) == SYMBOLS
        simulator.feed_fault("disconnect")
        until(lambda: feed(daemon)["opened"] == 2)
        assert heard(ticks, at) == SYMBOLS
        simulator.feed_fault("cut")
        until(lambda: feed(daemon)["unreadable"] == 1)
        assert heard(ticks, at) == SYMBOLS
        simulator.feed_fault("refuse")
        simulator.feed_fault("disconnect")
        until(lambda: feed(daemon)["opened"] == 3)
        assert heard(ticks, at) == SYMBOLS

    asked = [one for one in simulator.requests() if one["path"] == AUTHORIZE]
    assert len(asked) >= 3  # the simulator lets nobody in at an address it gave before
    log = daemon.log.read_text()
    for secret in simulator.secrets():
        assert not is_told(secret, log)
