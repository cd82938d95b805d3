"""A whole daemon and HSM, FYERS' prices: they come, and come back after trouble, though most frames tell only what changed."""

from collections.abc import Callable, Iterator
from operator import attrgetter

import pytest

from ordoctl import Client
from ordod.sim.process import SimProcess, running
from tests.brokers.accounts import is_told, table
from tests.brokers.streams import SYMBOLS, feed, heard
from tests.promises.daemon import Daemon, until


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimProcess]:
    with running("--seed", "5", broker="fyers") as sim:
        yield sim


@pytest.fixture(scope="module")
def daemon(
    make: Callable[..., Daemon], simulator: SimProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Daemon]:
    token = tmp_path_factory.mktemp("t") / "token"
    made = make(table("real", "fyers", simulator, token)).ready()
    yield made
    made.stop()


def test_prices_come_back_after_trouble(daemon: Daemon, simulator: SimProcess) -> None:
    at = attrgetter("at")
    with Client(socket=daemon.socket) as client, client.ticks(sorted(SYMBOLS)) as ticks:
        assert heard(ticks, at) == SYMBOLS
        simulator.feed_fault("disconnect")
        until(lambda: feed(daemon)["opened"] == 2)
        assert heard(ticks, at) == SYMBOLS
        simulator.feed_fault("cut", times=2)
        until(lambda: feed(daemon)["unreadable"] == 2)
        assert heard(ticks, at) == SYMBOLS
        for kind in ("duplicate", "reorder"):
            simulator.feed_fault(kind, times=2)
            assert heard(ticks, at) == SYMBOLS
        assert feed(daemon)["opened"] == 2  # what a spoilt frame held was asked for anew

    log = daemon.log.read_text()
    assert "feed_lost" in log
    for secret in simulator.secrets():
        assert not is_told(secret, log)


def test_levels_come_beside_the_prices(daemon: Daemon) -> None:
    with (
        Client(socket=daemon.socket) as client,
        client.events(["depth"], symbols=["NSE:INFY"]) as events,
    ):
        event = next(event for event in events if event.topic == "depth")

    assert event.depth is not None
    depth = event.depth[0]
    assert depth.symbol == "NSE:INFY"
    assert len(depth.buy) == len(depth.sell) == 5
    assert depth.buy[0].price < depth.sell[0].price
