"""The simulated broker's clock: Indian time, from any moment on, running or standing."""

import time
from datetime import UTC, datetime, timedelta, timezone

__all__ = ["IST", "Clock"]

IST = timezone(timedelta(hours=5, minutes=30), "IST")


class Clock:
    """`at`: where it starts (None: the real time). `standing`: it moves only when told to."""

    def __init__(self, at: datetime | None = None, *, standing: bool = False) -> None:
        self._standing = standing
        self._set(at or datetime.now(UTC))

    def now(self) -> datetime:
        ran_s = 0.0 if self._standing else time.monotonic() - self._since
        return self._at + timedelta(seconds=ran_s)

    def now_utc(self) -> datetime:
        return self.now().astimezone(UTC)

    def step(self, seconds: float) -> None:
        self._set(self.now() + timedelta(seconds=seconds))

    def set(self, at: datetime) -> None:
        """Raises ValueError for a time without a zone."""
        self._set(at)

    def _set(self, at: datetime) -> None:
        if at.tzinfo is None:
            raise ValueError(f"{at} has no time zone")
        self._at = at.astimezone(IST)
        self._since = time.monotonic()
