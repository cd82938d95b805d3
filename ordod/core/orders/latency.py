"""How long orders take, from the call to its outcome on disk, and each part of the way: the last ones, and all since the start."""

from collections import deque
from statistics import median, quantiles

from msgspec import Struct

from ordod.core.histogram import Histogram

__all__ = ["STAGES", "Latencies", "OrderLatency", "Way"]

KEPT = 200  # of each account: a busy minute's
STAGES = ("checks", "intent_sync", "slot", "broker", "outcome_sync")


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


class Way:
    """One account's orders: histograms of the whole way and of its stages, in the order of STAGES."""

    def __init__(self) -> None:
        self.whole = Histogram()
        self.stages = tuple(Histogram() for _ in STAGES)
        self.taken: deque[tuple[float, float]] = deque(maxlen=KEPT)

    def add(
        self,
        *,
        called: float,
        checked: float,
        stored: float,
        handed: float | None,
        answered: float,
        ended: float,
    ) -> None:
        """Boot times of one order. `handed`: when its first byte left for the last time; None: none ever did."""
        self.taken.append((ended - called, answered - stored))
        self.whole.add(ended - called)
        checks, intent_sync, slot, broker, outcome_sync = self.stages
        checks.add(checked - called)
        intent_sync.add(stored - checked)
        if handed is not None:
            slot.add(handed - stored)
            broker.add(answered - handed)
        outcome_sync.add(ended - answered)


class Latencies:
    """By account, of those that placed an order since the start."""

    def __init__(self) -> None:
        self._ways: dict[str, Way] = {}

    def way(self, account: str) -> Way:
        way = self._ways.get(account)
        if way is None:
            way = self._ways[account] = Way()
        return way

    def forget(self, account: str) -> None:
        """It is gone."""
        self._ways.pop(account, None)

    def of(self, account: str) -> OrderLatency | None:
        """None: it placed no order since the start."""
        if account not in self._ways or not self._ways[account].taken:
            return None
        taken = self._ways[account].taken
        whole = [seconds * 1000 for seconds, _ in taken]
        slow = quantiles(whole, n=20, method="inclusive")[-1] if len(whole) > 1 else whole[0]
        return OrderLatency(
            account=account,
            orders=len(whole),
            median_ms=round(median(whole), 2),
            slow_ms=round(slow, 2),
            broker_ms=round(median(seconds * 1000 for _, seconds in taken), 2),
        )
