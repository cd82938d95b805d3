"""Prices of Zerodha's stream through the whole daemon, whatever becomes of the stream on the way."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ordod.sim.process import SimProcess, running
from tests.zerodha_day.harness import Ordo, eventually, ordo, session_of

SYMBOLS = ["NSE:INFY", "NSE:TCS", "NSE_INDEX:NIFTY"]


@pytest.fixture(scope="module")
def sim() -> Iterator[SimProcess]:
    with running("--no-limits", "--at", "2026-11-25T10:00:00+05:30") as started:
        yield started


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where another program keeps the session's token."""
    file = tmp_path_factory.mktemp("t") / "token"
    file.touch(mode=0o600)
    return file


@pytest.fixture(scope="module")
def daemon(
    sim: SimProcess, token: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ordo]:
    token.write_text(session_of(sim))
    folder = tmp_path_factory.mktemp("o")
    with ordo(folder, sim, access_token=f"file:{token}", api_secret=None) as started:
        yield started


@pytest.fixture
def prices(daemon: Ordo) -> Iterator["Prices"]:
    subscribed = daemon.call("events.subscribe", topics=["ticks", "depth"], symbols=SYMBOLS)
    yield Prices(daemon, subscribed["subscription"])
    daemon.call("events.unsubscribe", subscription=subscribed["subscription"])


class Prices:
    """What one subscription was told."""

    def __init__(self, daemon: Ordo, subscription: str) -> None:
        self._daemon = daemon
        self._subscription = subscription

    def told(self, topic: str = "ticks") -> list[dict[str, Any]]:
        self._daemon.call("system.ping")  # reads what is there
        return [
            value
            for event in self._daemon.events
            if event["subscription"] == self._subscription
            for value in event.get(topic, ())
        ]

    def go_on(self, *, within_s: float = 45) -> None:
        """Each symbol's price comes anew. After several troubles the pause before the next try may be half a minute."""
        before = len(self.told())
        eventually(
            lambda: {tick["symbol"] for tick in self.told()[before:]} == set(SYMBOLS),
            within_s=within_s,
        )


def test_ticks_and_depth_are_those_of_the_broker(daemon: Ordo, prices: Prices) -> None:
    prices.go_on()
    eventually(lambda: prices.told("depth"))

    quote = daemon.call("market.quote", symbols=["NSE:INFY"])["quotes"]["NSE:INFY"]
    tick = [tick for tick in prices.told() if tick["symbol"] == "NSE:INFY"][-1]
    depth = prices.told("depth")[-1]
    assert tick["close_price"] == quote["close_price"]
    assert abs(tick["last_price"] - quote["last_price"]) / quote["last_price"] < 0.01
    assert tick["at"].endswith("+05:30")
    assert depth["buy"][0]["price"] < depth["sell"][0]["price"]
    assert {each["symbol"] for each in prices.told("depth")} == {"NSE:INFY", "NSE:TCS"}


@pytest.mark.parametrize(
    "faults",
    [
        [{"kind": "disconnect"}],
        [{"kind": "refuse", "times": 2}, {"kind": "disconnect"}],
        [{"kind": "cut", "times": 3}],
        [{"kind": "duplicate", "times": 3}],
        [{"kind": "reorder", "times": 3}],
        [{"kind": "silence", "seconds": 8}],
    ],
    ids=lambda faults: faults[0]["kind"],
)
def test_prices_go_on_after(faults: list[dict[str, Any]], sim: SimProcess, prices: Prices) -> None:
    prices.go_on()

    for fault in faults:
        sim.feed_fault(**fault)

    prices.go_on()


def test_prices_go_on_in_a_new_session(sim: SimProcess, token: Path, prices: Prices) -> None:
    prices.go_on()

    token.write_text(session_of(sim))  # which ends the session before

    prices.go_on()


def test_no_token_is_in_the_log(daemon: Ordo, sim: SimProcess, folder: Path) -> None:
    told = daemon.log.read_text()

    assert "feed_lost" in told
    assert not [secret for secret in sim.secrets() if secret in told]
