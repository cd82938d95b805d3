"""How long orders take: of the last ones of each account, from the call to its outcome on disk, and the broker's share of it."""

from collections import deque
from statistics import median, quantiles

from msgspec import Struct

__all__ = ["Latencies", "OrderLatency"]

KEPT = 200  # of each account: a busy minute's


class OrderLatency(Struct, frozen=True, kw_only=True):
    """Of the last `orders` of an account, in milliseconds.

    Args:
        median_ms, slow_ms: from the call until the outcome was on disk; within slow_ms were 95 of 100.
        broker_ms: median of the broker's part: the wait for a slot in its limits, and its answer.
    """

    account: str
    orders: int
    median_ms: float
    slow_ms: float
    broker_ms: float


class Latencies:
    def __init__(self) -> None:
        self._taken: dict[str, deque[tuple[float, float]]] = {}

    def count(self, account: str, *, whole_s: float, broker_s: float) -> None:
        self._taken.setdefault(account, deque(maxlen=KEPT)).append((whole_s, broker_s))

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
