"""The hour at which a session is wanted again.

By the calendar's trading days; where it does not know, a weekday counts as one: a login too many does no harm, one too few
loses a morning.
"""

from datetime import datetime, time, timedelta

from ordod.domain.calendar import WEEKDAYS, Calendar

__all__ = ["DAY_ENDS", "LOGIN_AT", "Mornings"]

EVERYWHERE_OPEN = (  # IST: NSE and BSE have the shortest day, and MCX and currency trade around it
    time(9, 16),
    time(15, 29),
)
LOGIN_AT = time(8, 30)  # IST: before the market, after every broker's night
DAY_ENDS = time(
    23, 55
)  # IST: MCX closes last; a session that ends before is renewed in the morning


class Mornings:
    """On which days, and when, accounts log in."""

    def __init__(self, calendar: Calendar = WEEKDAYS) -> None:
        self._calendar = calendar

    def is_wanted(self, at: datetime) -> bool:
        """Whether a session is wanted without anybody asking for it: on a trading day, from LOGIN_AT until the last exchange closes."""
        return self._calendar.is_trading_day(at.date()) and LOGIN_AT <= at.time() < DAY_ENDS

    def is_busy(self, at: datetime) -> bool:
        """Whether every exchange trades now, so that nothing liquid can be silent."""
        opens, closes = EVERYWHERE_OPEN
        return self._calendar.is_trading_day(at.date()) and opens <= at.time() < closes

    def next_login(self, now: datetime) -> datetime:
        """The next LOGIN_AT of a trading day, later than `now`."""
        day = now.date() if now.time() < LOGIN_AT else now.date() + timedelta(days=1)
        while not self._calendar.is_trading_day(day):
            day += timedelta(days=1)
        return datetime.combine(day, LOGIN_AT, now.tzinfo)

    def last_login(self, now: datetime) -> datetime:
        """The latest LOGIN_AT of a trading day that is not later than `now`."""
        day = now.date() if now.time() >= LOGIN_AT else now.date() - timedelta(days=1)
        while not self._calendar.is_trading_day(day):
            day -= timedelta(days=1)
        return datetime.combine(day, LOGIN_AT, now.tzinfo)
