"""The circuit breaker of an account."""

from ordod.core.guard.breaker import FAILURES, PAUSE_S, PAUSE_S_MAX, Breaker


def broken(count: int = FAILURES, at: float = 100.0) -> Breaker:
    breaker = Breaker()
    for _ in range(count):
        breaker.failed(at)
    return breaker


def test_a_few_failures_do_not_open_it() -> None:
    breaker = broken(FAILURES - 1)

    assert not breaker.is_open
    assert breaker.wait_s(100.0) == 0


def test_a_row_of_failures_opens_it_for_a_pause() -> None:
    breaker = broken()

    assert breaker.is_open
    assert breaker.wait_s(100.0) == PAUSE_S
    assert breaker.wait_s(100.0 + PAUSE_S) == 0


def test_a_success_in_between_starts_the_row_anew() -> None:
    breaker = broken(FAILURES - 1)
    breaker.succeeded()

    breaker.failed(100.0)

    assert not breaker.is_open


def test_the_pause_grows_to_its_bound_and_a_success_closes_it() -> None:
    breaker = broken(FAILURES + 20)

    assert breaker.wait_s(100.0) == PAUSE_S_MAX
    breaker.succeeded()
    assert breaker.wait_s(100.0) == 0
    assert not breaker.is_open
