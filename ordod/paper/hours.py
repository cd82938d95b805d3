"""When exchanges trade, and time as the exchange counts it: steps of a quarter of a second.

Inside the exchange an instant is an integer, so that replays are exact and a look at the hours costs a few divisions.
"""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, timezone

from msgspec import Struct

from ordod.domain.instruments import Exchange

__all__ = ["IST", "MARKET_HOURS", "STEPS_DAY", "STEPS_S", "Hours", "day_of", "instant", "step_of"]

IST = timezone(timedelta(hours=5, minutes=30), "IST")
STEPS_S = 4
STEPS_DAY = 86_400 * STEPS_S
_IST_STEPS = (5 * 3600 + 30 * 60) * STEPS_S
_EPOCH = date(1970, 1, 1)  # a Thursday


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


def is_weekday(day: int) -> bool:
    return (day + 3) % 7 < 5


class Hours(Struct, frozen=True):
    """Opening and closing time (IST) of each exchange, Monday to Friday."""

    sessions: Mapping[Exchange, tuple[time, time]]

    def session(self, exchange: Exchange, day: int) -> tuple[int, int]:
        """The steps at which the exchange opens and closes on a day; closed days too, as if it traded."""
        opens, closes = self.sessions[exchange]
        return step_on(day, opens), step_on(day, closes)

    def is_open(self, exchange: Exchange, step: int) -> bool:
        day = day_of(step)
        opens, closes = self.session(exchange, day)
        return is_weekday(day) and opens <= step < closes

    def last_open(self, exchange: Exchange, step: int) -> int:
        """This step while the exchange trades, else the last one at which it did."""
        day = day_of(step)
        while True:
            opens, closes = self.session(exchange, day)
            if is_weekday(day) and step >= opens:
                return min(step, closes - 1)
            day -= 1


_CASH = (time(9, 15), time(15, 30))
_CURRENCY = (time(9, 0), time(17, 0))
MARKET_HOURS = Hours(
    {
        Exchange.NSE: _CASH,
        Exchange.BSE: _CASH,
        Exchange.NFO: _CASH,
        Exchange.BFO: _CASH,
        Exchange.NSE_INDEX: _CASH,
        Exchange.BSE_INDEX: _CASH,
        Exchange.CDS: _CURRENCY,
        Exchange.BCD: _CURRENCY,
        Exchange.MCX: (time(9, 0), time(23, 30)),
    }
)
