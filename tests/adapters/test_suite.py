"""Every adapter keeps the contract (DESIGN 8): the compliance suite, run for those of this repository and those installed."""

from importlib.metadata import entry_points

import pytest

from ordod.adapter import Adapter, suite
from tests.adapters.known import ADAPTERS, samples_of


def _adapters() -> list[Adapter]:
    """Ours, installed or not, and whatever else is installed."""
    installed = {point.name: point.load() for point in entry_points(group="ordod.adapters")}
    by_id = installed | ADAPTERS
    return [by_id[broker] for broker in sorted(by_id)]


CHECKS = [check for adapter in _adapters() for check in suite.checks(adapter, samples_of(adapter))]


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_an_adapter_keeps_the_contract(check: suite.Check) -> None:
    try:
        check.run()
    except suite.Skipped as reason:
        pytest.skip(str(reason))
