"""How often one may ask (zerodha.md 10): counted by calendar second, minute and day of the broker's own clock."""

from datetime import datetime

from ordod.sim.zerodha.envelope import KiteError

__all__ = ["Limits"]

SECOND = {"quote": 1, "candles": 3, "orders": 10, "other": 10}
ORDERS_PER_MINUTE = 400
PLACES_PER_DAY = 5000


class Limits:
    """Counts and refuses. `who` is the api_key for data, the user for orders."""

    def __init__(self, *, enforced: bool = True) -> None:
        self.enforced = enforced
        self._counts: dict[tuple[str, str], tuple[str, int]] = {}

    def admit(self, group: str, who: str, now: datetime) -> None:
        """Count one request. Raises KiteError 429; a refused request counts for its second, not for the minute."""
        if not self.enforced:
            return
        second = now.isoformat(timespec="seconds")
        if self._count(group, who, second) > SECOND[group]:
            raise KiteError.too_many()
        if group == "orders" and self._count("minute", who, second[:16]) > ORDERS_PER_MINUTE:
            raise KiteError.too_many()

    def admit_place(self, user: str, now: datetime) -> None:
        """The day's cap, accepted and rejected alike."""
        if self.enforced and self._count("day", user, now.date().isoformat()) > PLACES_PER_DAY:
            raise KiteError.too_many("Maximum allowed order requests exceeded.")

    def _count(self, what: str, who: str, window: str) -> int:
        at, count = self._counts.get((what, who), ("", 0))
        count = count + 1 if at == window else 1
        self._counts[what, who] = (window, count)
        return count
