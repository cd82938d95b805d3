"""How often one may ask (angelone.md 10): sliding windows, by user and call."""

from collections import deque
from datetime import datetime, timedelta

from ordod.sim.angelone.envelope import TooManyError

__all__ = ["Limits"]

DATA = ((10, 1), (500, 60), (5000, 3600))
ONE = ((1, 1),)
ALLOWED: dict[str, tuple[tuple[int, int], ...]] = {  # call -> (most, in so many seconds)
    "loginByPassword": ONE,
    "generateTokens": ((1, 1), (1000, 3600)),
    "getProfile": ((3, 1), (1000, 3600)),
    "logout": ONE,
    "getRMS": ((2, 1),),
    "orders": ((9, 1), (500, 60), (1000, 3600)),
    "getOrderBook": ONE,
    "getTradeBook": ONE,
    "getPosition": ONE,
    "searchScrip": ONE,
    "getHolding": ONE,
    "getAllHolding": ONE,
    "getLtpData": DATA,
    "quote": DATA,
    "batch": DATA,
    "convertPosition": DATA,
    "details": DATA,
    "ruleDetails": DATA,
    "ruleList": DATA,
    "createRule": ((9, 1), (500, 60), (5000, 3600)),
    "modifyRule": ((9, 1), (500, 60), (5000, 3600)),
    "cancelRule": ((9, 1), (500, 60), (5000, 3600)),
    "getCandleData": ((3, 1), (180, 60), (5000, 3600)),
}
TOGETHER = {"placeOrder": "orders", "modifyOrder": "orders", "cancelOrder": "orders"}


class Limits:
    """Counts and refuses; what was refused is not counted."""

    def __init__(self, *, enforced: bool = True) -> None:
        self._enforced = enforced
        self._asked: dict[tuple[str, str], deque[datetime]] = {}

    def admit(self, call: str, who: str, now: datetime) -> None:
        """Count one call. Raises TooManyError."""
        counted = TOGETHER.get(call, call)
        allowed = ALLOWED.get(counted, ())
        if not self._enforced or not allowed:
            return
        asked = self._asked.setdefault((counted, who), deque())
        longest = timedelta(seconds=allowed[-1][1])
        while asked and asked[0] <= now - longest:
            asked.popleft()
        for most, seconds in allowed:
            since = now - timedelta(seconds=seconds)
            if sum(at > since for at in asked) >= most:
                raise TooManyError
        asked.append(now)
