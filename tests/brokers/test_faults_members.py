"""Trouble at every change of an order (`faults.py`), at the members of families that no other file has."""

import pytest

from ordod.sim.__main__ import BROKERS, EVERY
from tests.brokers.faults import *  # noqa: F403 - its tests and fixtures

MEMBERS = [name for name in EVERY if name not in BROKERS]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("bench", MEMBERS, indirect=True, scope="module"),
]
