"""Time and chance of the machine."""

import secrets
import time
from datetime import datetime

from ordod.adapter import IST

__all__ = ["SystemClock", "SystemRandom"]


class SystemClock:
    """Wall time in IST, and boot time: it goes on while the machine sleeps, so that no deadline outlives a suspension."""

    def now(self) -> datetime:
        return datetime.now(IST)

    def boot(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)


class SystemRandom:
    """The kernel's random bytes."""

    def token(self, count: int) -> bytes:
        return secrets.token_bytes(count)
