"""Every adapter keeps the contract (DESIGN 8): the compliance suite, run for those of this repository and those installed."""

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from ordo_adapters.dhan import DHAN
from ordo_adapters.zerodha import ZERODHA
from ordod.adapter import Adapter, suite

HERE = Path(__file__).parent


def _adapters() -> list[Adapter]:
    """Ours, installed or not, and whatever else is installed."""
    installed = [point.load() for point in entry_points(group="ordod.adapters")]
    by_id = {adapter.spec.id: adapter for adapter in [*installed, DHAN, ZERODHA]}
    return [by_id[broker] for broker in sorted(by_id)]


CHECKS = [
    check
    for adapter in _adapters()
    for check in suite.checks(adapter, HERE / adapter.spec.id / "samples")
]


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_an_adapter_keeps_the_contract(check: suite.Check) -> None:
    try:
        check.run()
    except suite.Skipped as reason:
        pytest.skip(str(reason))
