"""Rate windows: never more than the broker allows, and cancels are never starved.

A window counts every request of its group and of the groups below it: `orders` counts `orders.place` and `orders.cancel` alike,
as brokers do, and a window of no group counts all there is. A slot is taken at the hand-over of the bytes, not before a sync
or a handshake: between the two lies time in which a window could move on.
Cancels that wait come first in the windows of a second; the longer windows keep a tenth for them. In a window of no group
reads leave a quarter to what changes orders.
"""

from collections import deque
from collections.abc import Iterable

from ordod.adapter import Window

__all__ = ["Windows", "order_group"]


def order_group(operation: str) -> str:
    """What a journaled change counts as, by the adapters' convention: `orders.place`, `orders.modify`, `orders.cancel`.

    Other changes (GTT, conversions) count as orders after a restart: it is not known any more where their broker counts them.
    """
    return f"orders.{operation}" if operation in ("place", "modify", "cancel") else "orders"


class Windows:
    """The windows of one account. Times are boot time."""

    def __init__(self, windows: Iterable[Window], *, full_until: float = 0.0) -> None:
        """`full_until`: writes before it find the windows full: nobody knows what an earlier process just sent."""
        self._windows = [(window, deque[float](maxlen=window.count)) for window in windows]
        self._of_group: dict[str, list[tuple[Window, deque[float]]]] = {}
        self._full_until = full_until
        self._waiting_cancels = 0

    def wait_s(
        self, group: str, now: float, *, writes: bool = False, cancel: bool = False
    ) -> float:
        """Seconds until a request of this group may go; 0: now."""
        counting = self._counting(group)
        wait = max(0.0, self._full_until - now) if writes and counting else 0.0
        for window, taken in counting:
            allowed = self._allowed(window, writes=writes, cancel=cancel)
            while taken and now - taken[0] >= window.seconds:
                taken.popleft()
            if len(taken) >= allowed:
                # The slot that must run out first: with `allowed` of them left, one is free.
                frees = taken[len(taken) - allowed] if allowed > 0 else taken[-1] if taken else now
                wait = max(wait, frees + window.seconds - now)
        return wait

    def take(self, group: str, now: float, *, writes: bool = False, cancel: bool = False) -> bool:
        """Take a slot in every window of the group, or in none."""
        if self.wait_s(group, now, writes=writes, cancel=cancel) > 0:
            return False
        for _, taken in self._counting(group):
            taken.append(now)
        return True

    def remember(self, group: str, at: float) -> None:
        """Count a request that an earlier process sent; oldest first."""
        for _, taken in self._counting(group):
            taken.append(at)

    def cancel_waits(self) -> None:
        """A cancel wants a slot: orders stand back in the second's window until `cancel_left`."""
        self._waiting_cancels += 1

    def cancel_left(self) -> None:
        assert self._waiting_cancels > 0
        self._waiting_cancels -= 1

    def _counting(self, group: str) -> list[tuple[Window, deque[float]]]:
        """The windows that count this group."""
        if group not in self._of_group:
            self._of_group[group] = [one for one in self._windows if one[0].counts(group)]
        return self._of_group[group]

    def _allowed(self, window: Window, *, writes: bool, cancel: bool) -> int:
        if cancel:
            return window.count
        if not writes:
            return window.count if window.group else max(1, window.count - -(-window.count // 4))
        if window.seconds <= 1:
            return max(0, window.count - self._waiting_cancels)
        return max(1, window.count - -(-window.count // 10))
