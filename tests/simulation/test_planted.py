"""The tester is tested: bugs that are put in on purpose are found."""

import pytest

from tests.simulation.planted import BUGS, CANARY, planted
from tests.simulation.world import run

# Where each bug shows first; if a world has changed since, the seeds from 0 on are tried.
FIRST = {
    "synced_after_the_send": 4,
    "absent_after_ten_seconds": 103,
    "sends_again_after_absent": 103,
    "limiter_forgets_cancels": 49,
    "absent_from_a_new_day": 123,
    "lost_tags_ignored": 806,
    "sweep_ignores_doubts": 72,
    "slot_before_the_sync": 53,
    "kill_in_memory_only": 94,
    "old_rows_believed": 25,
    "open_ends_forgotten": 156,
}


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(name: str) -> None:
    with planted(name):
        assert any(run(seed).checks.found for seed in (FIRST.get(name, 0), *range(2000)))


def test_the_canary_is_found_at_once() -> None:
    with planted(CANARY.__name__):
        assert any(run(seed).checks.found for seed in range(5))
