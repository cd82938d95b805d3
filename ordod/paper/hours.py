"""When exchanges trade, and time as the exchange counts it: steps of a quarter of a second.

Inside the exchange an instant is an integer, so that replays are exact and a look at the hours costs a few divisions.
"""

from datetime import date, datetime, time, timedelta, timezone

from ordod.domain.calendar import WEEKDAYS, Calendar
from ordod.domain.instruments import Exchange

__all__ = ["IST", "MARKET_HOURS", "STEPS_DAY", "STEPS_S", "Hours", "day_of", "instant", "step_of"]

IST = timezone(timedelta(hours=5, minutes=30), "IST")
STEPS_S = 4
STEPS_DAY = 86_400 * STEPS_S
_IST_STEPS = (5 * 3600 + 30 * 60) * STEPS_S
_EPOCH = date(1970, 1, 1)
KEPT = 10_000  # days of exchanges whose steps are remembered


def step_of(at: datetime) -> int:
    """The step an aware instant lies in."""
    return int(at.timestamp() * STEPS_S)


def instant(step: int) -> datetime:
    """When a step begins, IST."""
    return datetime.fromtimestamp(step / STEPS_S, IST)


def day_of(step: int) -> int:
    """The Indian calendar day of a step, counted from 1970."""
    return (step + _IST_STEPS) // STEPS_DAY


def step_on(day: int, at: time) -> int:
    """The step at which a day's clock in India shows this time."""
    return day * STEPS_DAY - _IST_STEPS + (at.hour * 3600 + at.minute * 60 + at.second) * STEPS_S


def day_number(on: date) -> int:
    return (on - _EPOCH).days


class Hours:
    """The sessions of a calendar, in steps."""

    def __init__(self, calendar: Calendar) -> None:
        self.calendar = calendar
        self._known: dict[tuple[Exchange, int], tuple[tuple[int, int], ...]] = {}

    def sessions(self, exchange: Exchange, day: int) -> tuple[tuple[int, int], ...]:
        """The steps at which the exchange opens and closes on a day; empty where it does not trade."""
        found = self._known.get((exchange, day))
        if found is None:
            if len(self._known) > KEPT:
                self._known.clear()
            spans = self.calendar.sessions(exchange, _EPOCH + timedelta(days=day))
            found = tuple((step_on(day, span.opens), step_on(day, span.closes)) for span in spans)
            self._known[exchange, day] = found
        return found

    def opening(self, exchange: Exchange, day: int) -> int:
        """The step at which a day begins there; of a closed one as if it traded."""
        if sessions := self.sessions(exchange, day):
            return sessions[0][0]
        usual = self.calendar.usual(exchange, _EPOCH + timedelta(days=day))
        return step_on(day, usual[0].opens)

    def is_open(self, exchange: Exchange, step: int) -> bool:
        sessions = self.sessions(exchange, day_of(step))
        return any(opens <= step < closes for opens, closes in sessions)

    def last_open(self, exchange: Exchange, step: int) -> int:
        """This step while the exchange trades, else the last one at which it did."""
        day = day_of(step)
        while True:
            for opens, closes in reversed(self.sessions(exchange, day)):
                if step >= opens:
                    return min(step, closes - 1)
            day -= 1


MARKET_HOURS = Hours(WEEKDAYS)
