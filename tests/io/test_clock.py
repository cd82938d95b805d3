import time
from datetime import timedelta

from ordod.io.clock import SystemClock, SystemRandom


def test_wall_time_is_indian_and_aware() -> None:
    assert SystemClock().now().utcoffset() == timedelta(hours=5, minutes=30)


def test_boot_time_is_the_system_s_and_never_behind_the_monotonic_one() -> None:
    assert time.monotonic() <= SystemClock().boot() <= time.clock_gettime(time.CLOCK_BOOTTIME) + 1


def test_tokens_have_the_length_asked_for_and_differ() -> None:
    first, second = SystemRandom().token(16), SystemRandom().token(16)

    assert (len(first), len(second)) == (16, 16)
    assert first != second
