"""Real processes: a daemon under repeated SIGKILL, a broker that loses answers, and what is true at the end."""

import pytest

from benchmarks.endurance import endure


def test_no_key_makes_two_orders_and_no_answer_is_untrue_under_sigkill_and_lost_answers() -> None:
    figures = endure(60, seed=1)

    assert figures.wrong == ()
    assert figures.placed + figures.not_placed == figures.keys
    assert figures.kills >= 2
    assert figures.lost >= 5
    assert figures.doubts >= figures.lost


@pytest.mark.slow
def test_the_same_with_a_thousand_keys() -> None:
    figures = endure(1000)

    assert figures.wrong == ()
    assert figures.kills >= 30
