"""Clock and chance of a simulated world: the small ports."""

import random
from datetime import datetime, timedelta, timezone

IST = timezone(timedelta(hours=5, minutes=30))


class SetClock:
    """Stands still until it is moved. Fulfils `Clock`."""

    def __init__(self, now: datetime | None = None) -> None:
        self.at = now or datetime(2026, 11, 23, 9, 15, tzinfo=IST)
        self.booted = 1000.0

    def now(self) -> datetime:
        return self.at

    def boot(self) -> float:
        return self.booted

    def advance(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.booted += seconds


class SeededRandom:
    """Fulfils `Random`."""

    def __init__(self, seed: int = 0) -> None:
        self._chance = random.Random(seed)

    def token(self, count: int) -> bytes:
        return self._chance.randbytes(count)
