"""Reloads of the real daemon while orders flow: by the method and by SIGHUP."""

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.daemon import Daemon, running

CONFIG = """log_level = "info"
[risk]
max_quantity = 1000
[accounts.paper]
broker = "paper"
cash = "1000000000"
"""
TERMS = {
    "account": "paper",
    "symbol": "NSE:INFY",
    "side": "BUY",
    "quantity": 1,
    "type": "MARKET",
    "product": "CNC",
}
OTHERS = (  # beside the account whose orders flow: one comes, changes, begins anew, goes
    '[accounts.other]\nbroker = "paper"\n',
    '[accounts.other]\nbroker = "paper"\nmarket_protection = 2\n',
    '[accounts.other]\nbroker = "paper"\nbase_url = "http://127.0.0.1:9"\n',
    "",
)
WAIT_S = 60


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with running(tmp_path_factory.mktemp("reload"), CONFIG) as started:
        yield started


@pytest.fixture
def file(own: Daemon) -> Iterator[Path]:
    """The daemon's file; what it said at first is put back."""
    path = own.folder / "ordod.conf"
    before = path.read_text()
    yield path
    path.write_text(before)
    with own.connect() as client:
        client.ask("system.reload")


def test_a_bad_file_changes_nothing_and_its_line_is_told(own: Daemon, file: Path) -> None:
    good = file.read_text()
    file.write_text(good.replace("max_quantity = 1000", 'max_quantity = "many"'))
    line = good.split("max_quantity")[0].count("\n") + 1

    with own.connect() as client:
        error = client.refused("system.reload")
        limits = client.ask("risk.limits")["limits"]

    assert error["data"]["kind"] == "INVALID_PARAMS"
    assert f"{file}:{line}" in error["message"]
    assert [each["limits"]["max_quantity"] for each in limits if each["scope"] == "all"] == [1000]


def test_sighup_takes_limits_over_and_an_account_comes(own: Daemon, file: Path) -> None:
    text = file.read_text().replace("max_quantity = 1000", "max_quantity = 7")
    file.write_text(text + '[accounts.new]\nbroker = "paper"\n')

    own.signal(signal.SIGHUP)
    until = time.monotonic() + WAIT_S
    while "accounts.new (added)" not in own.log():
        assert time.monotonic() < until, own.log()
        time.sleep(0.02)

    with own.connect() as client:
        client.ask("system.ping")
        assert client.refused("order.place", **TERMS | {"quantity": 8}, key="h-1")["data"][
            "kind"
        ] == ("RISK_REFUSED")
        listed = client.ask("account.list")["accounts"]
        assert [each["account"] for each in listed] == ["paper", "new"]
    assert '"method":"system.reload"' in own.journal()


@pytest.mark.parametrize("count", [50, pytest.param(1000, marks=pytest.mark.slow)])
def test_no_order_is_lost_or_fails_while_reloads_come(own: Daemon, file: Path, count: int) -> None:
    text = file.read_text()
    is_over = threading.Event()
    answers: list[str] = []

    def place() -> None:
        with own.connect() as client:
            while not is_over.is_set():
                key = f"r{count}-{len(answers)}"
                answers.append(client.ask("order.place", **TERMS, key=key)["order"]["key"])
                is_over.wait(0.15)  # within the broker's ten a second

    trader = threading.Thread(target=place)
    trader.start()
    with own.connect() as client:
        try:
            for number in range(count):
                limit = f"max_quantity = {1001 + number}"
                others = OTHERS[number % len(OTHERS)]
                file.write_text(text.replace("max_quantity = 1000", limit) + others)
                if number % 5 == 4:
                    own.signal(signal.SIGHUP)
                done = client.ask("system.reload")
                assert (done["needs_restart"], done["waits"]) == ([], [])
        finally:
            is_over.set()
            trader.join(WAIT_S)
        listed = client.ask("order.list", account="paper", limit=1000)["orders"]
        doubts = client.ask("system.status")["doubts"]

    assert not trader.is_alive()
    assert len(answers) > 2
    assert answers == [f"r{count}-{number}" for number in range(len(answers))]
    assert set(answers[-900:]) <= {order["key"] for order in listed}
    assert doubts == []
