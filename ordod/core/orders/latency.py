"""How long orders take, from the call to its outcome on disk, and the broker's share: the last ones, and all since the start."""

from bisect import bisect_left
from collections import deque
from statistics import median, quantiles

from msgspec import Struct

__all__ = ["BOUNDS_S", "Histogram", "Latencies", "OrderLatency"]

KEPT = 200  # of each account: a busy minute's
BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class OrderLatency(Struct, frozen=True, kw_only=True):
    """Of the last `orders` of an account, in milliseconds.

    Args:
        median_ms: from the call until the outcome was on disk.
        slow_ms: the same; 95 of 100 took no longer.
        broker_ms: median of the broker's part: the wait for a slot in its limits, and its answer.
        orders: how many are counted.
    """

    account: str
    orders: int
    median_ms: float
    slow_ms: float
    broker_ms: float


class Histogram:
    """`counts`: of each bound of BOUNDS_S, those within it and past the one before; last, those past all."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_s = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.sum_s += seconds


class Latencies:
    def __init__(self) -> None:
        self._all: dict[str, tuple[Histogram, Histogram]] = {}
        self._taken: dict[str, deque[tuple[float, float]]] = {}

    def count(self, account: str, *, whole_s: float, broker_s: float) -> None:
        self._taken.setdefault(account, deque(maxlen=KEPT)).append((whole_s, broker_s))
        if account not in self._all:
            self._all[account] = (Histogram(), Histogram())
        whole, broker = self._all[account]
        whole.add(whole_s)
        broker.add(broker_s)

    def forget(self, account: str) -> None:
        """It is gone."""
        self._all.pop(account, None)
        self._taken.pop(account, None)

    def histograms(self, account: str) -> tuple[Histogram, Histogram] | None:
        """Whole and the broker's part, since the start; None: it placed no order."""
        return self._all.get(account)

    def of(self, account: str) -> OrderLatency | None:
        """None: it placed no order since the start."""
        taken = self._taken.get(account)
        if not taken:
            return None
        whole = [seconds * 1000 for seconds, _ in taken]
        slow = quantiles(whole, n=20, method="inclusive")[-1] if len(whole) > 1 else whole[0]
        return OrderLatency(
            account=account,
            orders=len(whole),
            median_ms=round(median(whole), 2),
            slow_ms=round(slow, 2),
            broker_ms=round(median(seconds * 1000 for _, seconds in taken), 2),
        )
