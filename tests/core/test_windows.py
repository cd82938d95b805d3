"""Rate windows: never more than the broker allows, and a cancel always finds a slot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordod.adapter import Window
from ordod.core.guard.windows import Windows

SECOND = Window("orders", count=9, seconds=1)
MINUTE = Window("orders", count=40, seconds=60)

requests = st.lists(
    st.tuples(st.floats(0, 5, allow_nan=False), st.sampled_from(["order", "cancel", "read"])),
    max_size=300,
)


def taken(windows: Windows, wanted: list[tuple[float, str]]) -> list[float]:
    """Boot times of what was let through; `wanted`: pauses between tries, and what is tried."""
    now, times = 1000.0, []
    for pause_s, what in wanted:
        now += pause_s
        if windows.take("orders", now, writes=what != "read", cancel=what == "cancel"):
            times.append(now)
    return times


@given(requests)
def test_no_rolling_window_ever_holds_more_than_its_count(wanted: list[tuple[float, str]]) -> None:
    times = taken(Windows((SECOND, MINUTE)), wanted)

    for window in (SECOND, MINUTE):
        for begin in times:
            assert sum(begin <= at < begin + window.seconds for at in times) <= window.count


@given(requests, st.sampled_from(["order", "cancel", "read"]))
def test_a_slot_is_free_after_the_wait_that_was_told_and_not_before(
    wanted: list[tuple[float, str]], what: str
) -> None:
    windows = Windows((SECOND, MINUTE))
    times = taken(windows, wanted)
    now = (times[-1] if times else 1000.0) + 0.1
    cancel, writes = what == "cancel", what != "read"

    wait_s = windows.wait_s("orders", now, writes=writes, cancel=cancel)

    if wait_s > 0.01:
        assert not windows.take("orders", now + wait_s - 0.01, writes=writes, cancel=cancel)
    assert windows.take("orders", now + wait_s + 1e-6, writes=writes, cancel=cancel)


def test_orders_leave_a_tenth_of_the_long_windows_to_cancels() -> None:
    windows = Windows((MINUTE,))

    orders = [windows.take("orders", 0.0, writes=True) for _ in range(50)]
    cancels = [windows.take("orders", 0.0, writes=True, cancel=True) for _ in range(50)]

    assert orders.count(True) == 36
    assert cancels.count(True) == 4


def test_an_order_stands_back_while_a_cancel_waits_in_the_seconds_window() -> None:
    windows = Windows((SECOND,))
    for _ in range(8):
        assert windows.take("orders", 0.0, writes=True)

    windows.cancel_waits()

    assert not windows.take("orders", 0.0, writes=True)
    assert windows.take("orders", 0.0, writes=True, cancel=True)
    windows.cancel_left()
    assert windows.take("orders", 1.0, writes=True)


def test_many_waiting_cancels_hold_orders_back_and_not_for_ever() -> None:
    windows = Windows((SECOND,))
    for _ in range(20):
        windows.cancel_waits()

    assert windows.wait_s("orders", 0.0, writes=True) > 0
    for _ in range(20):
        windows.cancel_left()
    assert windows.take("orders", 0.0, writes=True)


def test_the_first_second_after_a_start_is_full_for_writes_only() -> None:
    windows = Windows((SECOND,), full_until=11.0)

    assert windows.wait_s("orders", 10.0, writes=True) == pytest.approx(1.0)
    assert windows.take("orders", 10.0)
    assert windows.take("orders", 11.0, writes=True)


def test_what_an_earlier_process_sent_counts() -> None:
    windows = Windows((MINUTE,))
    for at in range(60):
        windows.remember("orders", float(at))

    assert not windows.take("orders", 60.0, writes=True)


def test_another_group_and_one_without_windows_are_free() -> None:
    windows = Windows((Window("orders", 1, 1), Window("quotes", 1, 1)))
    windows.take("orders", 0.0, cancel=True)

    assert windows.take("quotes", 0.0)
    assert windows.take("nobody counts these", 0.0)


def test_a_window_counts_the_groups_below_its_own() -> None:
    windows = Windows(
        (Window("orders", 2, 1), Window("orders.place", 1, 60), Window("reads", 1, 1))
    )

    assert windows.take("orders.place", 0.0)
    assert not windows.take("orders.place", 2.0)
    assert windows.take("orders.cancel", 2.0)
    assert windows.take("orders.cancel", 2.0)
    assert windows.take("reads", 2.0)
    assert not windows.take("orders.modify", 2.5)


def test_a_window_of_no_group_counts_everything_and_keeps_a_quarter_from_reads() -> None:
    windows = Windows((Window("", 8, 60),))

    reads = [windows.take("reads", 0.0) for _ in range(8)]
    orders = [windows.take("orders.place", 0.0, writes=True) for _ in range(2)]
    cancel = windows.take("orders.cancel", 0.0, writes=True, cancel=True)

    assert reads == [True] * 6 + [False] * 2
    assert orders == [True, False]
    assert cancel


def test_a_window_does_not_count_a_group_that_only_begins_like_its_own() -> None:
    windows = Windows((Window("orders", 1, 60),))

    assert windows.take("orders2", 0.0)
    assert windows.take("orders.place", 0.0)
