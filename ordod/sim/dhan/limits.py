"""How often one may ask (dhan.md 10): counted by calendar second, minute, hour and day of the broker's own clock."""

from datetime import datetime

from ordod.sim.dhan.envelope import DataError, DhanError

__all__ = ["Limits"]

QUOTE_PATHS = ("/marketfeed/",)
DATA_PATHS = ("/charts/", "/optionchain")
CHANGED = ("/orders", "/forever/")
ORDERS = {"second": 10, "minute": 250, "hour": 1000, "day": 7000}
SPANS = {
    "second": 19,
    "minute": 16,
    "hour": 13,
    "day": 10,
}  # characters of an ISO time that name it


class Limits:
    """Counts and refuses."""

    def __init__(self, *, enforced: bool = True) -> None:
        self.enforced = enforced
        self._counts: dict[tuple[str, str, str], tuple[str, int]] = {}

    def admit(self, method: str, path: str, user: str, now: datetime) -> None:
        """Count one request. Raises DhanError 429."""
        if not self.enforced:
            return
        if path.startswith(QUOTE_PATHS):
            self._check("quotes", {"second": 1}, user, now, data=True)
        elif path.startswith(DATA_PATHS):
            self._check("data", {"second": 5, "day": 100_000}, user, now, data=True)
        elif method != "GET" and path.startswith(CHANGED):
            self._check("orders", ORDERS, user, now)
        else:
            self._check("others", {"second": 20}, user, now)

    def _check(
        self, group: str, most: dict[str, int], user: str, now: datetime, *, data: bool = False
    ) -> None:
        for span, count in most.items():
            window = now.isoformat()[: SPANS[span]]
            at, seen = self._counts.get((group, span, user), ("", 0))
            seen = seen + 1 if at == window else 1
            self._counts[group, span, user] = (window, seen)
            if seen > count:
                if data:
                    raise DataError(429, "805", "Too many requests")
                words = "Too many requests on server from single user breaching rate limits."
                raise DhanError(429, "DH-904", words)
