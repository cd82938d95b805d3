"""How often one may ask (fyers.md 10): all requests together, by calendar second, minute and day of the broker's own clock."""

from datetime import datetime

from ordod.sim.fyers.envelope import FyersError

__all__ = ["Limits"]

MOST = {
    "second": (10, 19),
    "minute": (200, 16),
    "day": (100_000, 10),
}  # and what of a time names it
BREACHES_MAX = 3  # of the minute, in a day; after that the API is blocked for its rest


class Limits:
    """Counts and refuses."""

    def __init__(self, *, enforced: bool = True) -> None:
        self.enforced = enforced
        self._counts: dict[tuple[str, str], tuple[str, int]] = {}
        self._breached: dict[tuple[str, str], set[str]] = {}  # user and day -> minutes

    def admit(self, user: str, now: datetime) -> None:
        """Count one request. Raises FyersError 429."""
        if not self.enforced:
            return
        breached = self._breached.setdefault((user, now.isoformat()[:10]), set())
        over = ["day"] if len(breached) > BREACHES_MAX else []
        for span, (most, letters) in MOST.items():
            window = now.isoformat()[:letters]
            at, seen = self._counts.get((user, span), ("", 0))
            seen = seen + 1 if at == window else 1
            self._counts[user, span] = (window, seen)
            if seen > most:
                over.append(span)
        if "minute" in over:
            breached.add(now.isoformat()[:16])
        if over:
            raise FyersError(429, -429, f"Request limit reached: {over[0]}")
