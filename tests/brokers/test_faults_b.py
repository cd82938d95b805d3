"""Trouble at every change of an order (`faults.py`), at some brokers."""

import pytest

from tests.brokers.faults import *  # noqa: F403 - its tests and fixtures

BROKERS = ("shoonya", "dhan")
pytestmark = pytest.mark.parametrize("bench", BROKERS, indirect=True, scope="module")
