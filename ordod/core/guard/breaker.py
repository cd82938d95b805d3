"""The circuit breaker of an account: when its broker cannot be reached, new orders are told so at once.

Opens after a row of failures, lets one request try after a pause, closes at the first success. Cancels, reads and logins do
not ask it.
"""

import structlog

__all__ = ["Breaker"]

FAILURES = 5  # in a row; a single lost answer is an ordinary day
PAUSE_S = 2.0  # doubled at each failed try
PAUSE_S_MAX = 30.0  # a broker that came back should not wait longer to be noticed

log = structlog.get_logger()


class Breaker:
    """Of one account. `openings`: how often it opened since the start."""

    def __init__(self, account: str = "") -> None:
        self._account = account
        self._failures = 0
        self._opens_at = 0.0
        self._pause_s = PAUSE_S
        self.openings = 0

    def wait_s(self, now: float) -> float:
        """Seconds until a request may try; 0: now."""
        return max(0.0, self._opens_at - now) if self.is_open else 0.0

    @property
    def is_open(self) -> bool:
        return self._failures >= FAILURES

    def succeeded(self) -> None:
        if self.is_open:
            log.warning("breaker_closed", account=self._account)
        self._failures, self._pause_s = 0, PAUSE_S

    def failed(self, now: float) -> None:
        self._failures += 1
        if self._failures == FAILURES:
            self.openings += 1
            log.warning("breaker_opened", account=self._account, failures=FAILURES)
        if self.is_open:
            self._opens_at = now + self._pause_s
            self._pause_s = min(self._pause_s * 2, PAUSE_S_MAX)
