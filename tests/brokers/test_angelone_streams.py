"""A whole daemon and Angel One's market socket: prices come back after trouble, and orders are told as they are pushed."""

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
    with running("--seed", "5", broker="angelone") as sim:
        yield sim


@pytest.fixture(scope="module")
def daemon(make: Callable[..., Daemon], simulator: SimProcess) -> Iterator[Daemon]:
    """By PIN and TOTP: a ready-made token comes without the feed's."""
    made = make(table("real", "angelone", simulator)).ready()
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
        until(lambda: feed(daemon)["unreadable"] >= 2)
        assert heard(ticks, at) == SYMBOLS

    log = daemon.log.read_text()
    for secret in simulator.secrets():
        assert not is_told(secret, log)


def test_what_becomes_of_an_order_is_pushed(daemon: Daemon) -> None:
    with Client(socket=daemon.socket) as client:
        order = client.order.place("real", "NSE:INFY", "BUY", 1, "MARKET", "CNC")
        until(lambda: client.order.get(order.order_id).status == "FILLED")

    until(lambda: daemon.call("system.status")["updates"][0]["heard"] >= 1)
