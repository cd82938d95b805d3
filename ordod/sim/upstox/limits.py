"""How often one may ask (upstox.md 10): sliding windows, per user and API; all that changes orders counts as one API."""

from collections import defaultdict, deque
from datetime import datetime, timedelta

from ordod.sim.upstox.envelope import UpstoxError

__all__ = ["Limits"]

ORDERS = ((10, 1), (500, 60), (2000, 1800))  # requests in seconds
STANDARD = ((50, 1), (500, 60), (2000, 1800))


class Limits:
    """Counts and refuses; a refused request does not count."""

    def __init__(self, *, enforced: bool = True) -> None:
        self._enforced = enforced
        self._seen: defaultdict[tuple[str, str], deque[datetime]] = defaultdict(deque)

    def admit(self, api: str, user: str, now: datetime) -> None:
        """Raises UpstoxError 429."""
        if not self._enforced:
            return
        windows = ORDERS if api == "orders" else STANDARD
        seen = self._seen[api, user]
        while seen and now - seen[0] >= timedelta(seconds=windows[-1][1]):
            seen.popleft()
        for count, seconds in windows:
            if len(seen) >= count and now - seen[-count] < timedelta(seconds=seconds):
                raise UpstoxError.too_many()
        seen.append(now)
