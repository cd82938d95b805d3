"""The members of a family that the other tests here leave to one of them: each logs in and trades once, through a real daemon."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ordod.sim.__main__ import BROKERS, FAMILIES
from ordod.sim.process import running
from tests.brokers.accounts import table
from tests.promises.daemon import Daemon, until


@pytest.mark.parametrize("broker", sorted(set(FAMILIES) - set(BROKERS)))
def test_a_member_trades(make: Callable[..., Daemon], tmp_path: Path, broker: str) -> None:
    with running("--no-limits", "--seed", "7", broker=broker) as sim:
        daemon = make(table("real", broker, sim, tmp_path / "token")).ready()
        order = daemon.order("one", account="real", type="MARKET", price=None)

        placed = daemon.call("order.place", **order)["order"]

        def is_filled() -> bool:
            told = daemon.call("order.get", order_id=placed["order_id"])
            return bool(told["order"]["status"] == "FILLED")

        until(is_filled)
        (sent,) = sim.placements()
        assert sent["tag"] == placed["tag"]
        daemon.stop()
