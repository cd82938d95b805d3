"""A whole daemon and Dhan's live market feed: prices come, and come back after every trouble; the token in its address is never told."""

from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from ordoctl import Client
from ordod.sim.process import SimProcess, running
from tests.brokers.accounts import is_told, table
from tests.brokers.streams import SYMBOLS, feed, heard
from tests.promises.daemon import Daemon, until


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimProcess]:
    with running("--seed", "5", broker="dhan") as sim:
        yield sim


@pytest.fixture
def daemon(make: Callable[..., Daemon], simulator: SimProcess, tmp_path: Path) -> Iterator[Daemon]:
    made = make(table("real", "dhan", simulator, tmp_path / "token")).ready()
    yield made
    made.stop()


def test_prices_come_back_after_every_trouble(daemon: Daemon, simulator: SimProcess) -> None:
    at = attrgetter("traded_at")
    with Client(socket=daemon.socket) as client, client.ticks(sorted(SYMBOLS)) as ticks:
        assert heard(ticks, at) == SYMBOLS
        simulator.feed_fault("disconnect")
        until(lambda: feed(daemon)["opened"] == 2)
        assert heard(ticks, at) == SYMBOLS
        simulator.feed_fault("cut", times=2)
        until(lambda: feed(daemon)["unreadable"] == 2)
        assert heard(ticks, at) == SYMBOLS
        simulator.feed_fault("refuse", times=2)  # of prices, and of updates
        simulator.feed_fault("disconnect")
        until(lambda: feed(daemon)["opened"] == 3)
        assert heard(ticks, at) == SYMBOLS
        assert feed(daemon)["unreadable"] == 2

    log = daemon.log.read_text()
    assert "feed_lost" in log
    for secret in simulator.secrets():
        assert not is_told(secret, log)


def test_what_becomes_of_an_order_is_pushed(daemon: Daemon) -> None:
    def updates() -> Any:
        (told,) = daemon.call("system.status")["updates"]
        return told

    until(lambda: updates()["channel"]["is_open"])
    order = daemon.place("pushed", account="real")["order"]
    until(lambda: updates()["heard"] >= 1)

    until(lambda: daemon.call("order.get", order_id=order["order_id"])["order"]["status"] == "OPEN")
    assert updates()["channel"]["unreadable"] == 0
