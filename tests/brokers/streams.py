"""What tests of pushed prices at any broker look at."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.promises.daemon import Daemon

__all__ = ["SYMBOLS", "feed", "heard"]

SYMBOLS = {"NSE:INFY", "NSE_INDEX:NIFTY"}


def feed(daemon: Daemon) -> dict[str, Any]:
    """How its one account's prices stand."""
    (told,) = daemon.call("system.status")["feeds"]
    assert isinstance(told, dict)
    return told


def heard(ticks: Any, at: Callable[[Any], datetime]) -> set[str]:
    """Both symbols, of a time after now: what waited from before does not count. `at`: the time a tick tells of itself."""
    since, seen = datetime.now(UTC), set[str]()
    while seen != SYMBOLS:
        tick = next(ticks)
        if at(tick) > since:
            seen.add(tick.symbol)
    return seen
