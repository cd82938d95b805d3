"""How far this machine's clock is from a broker's, measured from the `Date` of its answers.

A code from a clock that is a minute off is refused, and refused codes lock accounts. `Date` has whole seconds and an answer
takes its time, so the measure is good to about a second; answers from a cache tell when they were made (`Age` is added).
"""

from email.utils import parsedate_to_datetime

from ordod.adapter import HttpRequest, HttpResponse
from ordod.core.ports import Admit, Clock, Line

__all__ = ["SKEW_S", "MeasuringLine", "Skew"]

SKEW_S = 5.0  # more than this is told to people
SLOW_S = 3.0  # an answer that took longer measures nothing
FRESH_S = 600.0  # how long a measure counts: a clock may be stepped


class Skew:
    """The broker's clock less ours, seconds."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seconds = 0.0
        self._measured_at: float | None = None

    @property
    def is_known(self) -> bool:
        return self._measured_at is not None and self._clock.boot() - self._measured_at < FRESH_S

    @property
    def seconds(self) -> float | None:
        """None: not measured of late."""
        return self._seconds if self.is_known else None

    def broker_time(self) -> float:
        """Seconds since the epoch by the broker's clock, or by ours where that was not measured of late."""
        return self._clock.now().timestamp() + (self._seconds if self.is_known else 0.0)

    def observe(self, response: HttpResponse, took_s: float) -> None:
        """Measure by an answer that came just now."""
        text = response.header("date")
        if text is None or took_s > SLOW_S:
            return
        try:
            said = parsedate_to_datetime(text).timestamp() + 0.5  # somewhere in that second
            said += float(response.header("age") or 0)
        except (ValueError, TypeError, OverflowError):
            return
        ours = self._clock.now().timestamp() - took_s / 2
        off = said - ours
        # What lies within the measure's own error is none.
        self._seconds = 0.0 if abs(off) <= 1.0 + took_s / 2 else round(off, 1)
        self._measured_at = self._clock.boot()


class MeasuringLine(Line):
    """A line whose answers measure the skew."""

    def __init__(self, line: Line, skew: Skew, clock: Clock) -> None:
        self._line = line
        self._skew = skew
        self._clock = clock

    async def send(
        self, request: HttpRequest, *, deadline: float, admit: Admit | None = None
    ) -> HttpResponse:
        began = self._clock.boot()
        response = await self._line.send(request, deadline=deadline, admit=admit)
        self._skew.observe(response, self._clock.boot() - began)
        return response

    async def warm(self) -> None:
        await self._line.warm()

    def reset_writes(self) -> int:
        return self._line.reset_writes()

    async def aclose(self) -> None:
        await self._line.aclose()
