"""When exchanges trade: the hours of their weeks, and the days that are unlike others.

A calendar knows two things: from which day on an exchange has which hours from Monday to Friday, and the days on which it has
other ones: none (a holiday), the evening only (MCX on most holidays), an hour of a Sunday (Muhurat). A later entry for the
same day and exchange wins. Of a year that it does not cover every weekday counts as a trading day.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from msgspec import Struct

from ordod.domain.instruments import Exchange

__all__ = ["WEEKDAYS", "Calendar", "Hours", "LoadedCalendar", "OddDay", "Span"]

LOOKED_AHEAD = 30  # days; no exchange rests longer


class Span(Struct, frozen=True, array_like=True):
    """A session of a day, IST: `closes` is the first instant after it."""

    opens: time
    closes: time


class Hours(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What these exchanges trade from Monday to Friday, `since` a day on."""

    since: date
    exchanges: tuple[Exchange, ...]
    sessions: tuple[Span, ...]


class OddDay(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A day on which these exchanges have other sessions than their week; none: a holiday."""

    on: date
    name: str
    exchanges: tuple[Exchange, ...]
    sessions: tuple[Span, ...] = ()


class Calendar(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`years`: those whose holidays are in `days`."""

    years: tuple[int, ...] = ()
    hours: tuple[Hours, ...]
    days: tuple[OddDay, ...] = ()

    def odd_day(self, exchange: Exchange, on: date) -> OddDay | None:
        """What makes this day unlike others there; None: nothing."""
        found = (day for day in reversed(self.days) if day.on == on and exchange in day.exchanges)
        return next(found, None)

    def sessions(self, exchange: Exchange, on: date) -> tuple[Span, ...]:
        """In order; empty where the exchange does not trade that day."""
        odd = self.odd_day(exchange, on)
        if odd is not None:
            return odd.sessions
        return self.usual(exchange, on) if on.weekday() < 5 else ()

    def usual(self, exchange: Exchange, on: date) -> tuple[Span, ...]:
        """What a plain weekday of that time has."""
        ever = [hours for hours in self.hours if exchange in hours.exchanges]
        known = [hours for hours in ever if hours.since <= on]
        if known:
            return max(known, key=lambda hours: hours.since).sessions
        return min(ever, key=lambda hours: hours.since).sessions

    def is_open(self, exchange: Exchange, at: datetime) -> bool:
        """`at` in IST."""
        clock = at.time()
        return any(s.opens <= clock < s.closes for s in self.sessions(exchange, at.date()))

    def is_trading_day(self, on: date) -> bool:
        """By the shares of NSE, which most accounts trade."""
        return bool(self.sessions(Exchange.NSE, on))

    def next_change(self, exchange: Exchange, at: datetime) -> datetime | None:
        """When it opens or closes next; None: not within a month. `at` in IST."""
        for ahead in range(LOOKED_AHEAD):
            day = at.date() + timedelta(days=ahead)
            for span in self.sessions(exchange, day):
                for clock in (span.opens, span.closes):
                    moment = datetime.combine(day, clock, at.tzinfo)
                    if moment > at:
                        return moment
        return None

    def mistakes(self) -> Iterator[str]:
        """What cannot be meant, in words."""
        entries: tuple[Hours | OddDay, ...] = (*self.hours, *self.days)
        for entry in entries:
            name = entry.name if isinstance(entry, OddDay) else "hours"
            on = entry.on if isinstance(entry, OddDay) else entry.since
            if not entry.exchanges:
                yield f"{name} of {on} names no exchange"
            if isinstance(entry, Hours) and not entry.sessions:
                yield f"hours of {on} have no session; a day without one belongs to days"
            ends = time(0)
            for span in entry.sessions:
                if not ends <= span.opens < span.closes:
                    yield f"{name} of {on}: a session from {span.opens:%H:%M} to {span.closes:%H:%M} cannot be"
                ends = span.closes
        missing = set(Exchange) - {exchange for hours in self.hours for exchange in hours.exchanges}
        if missing:
            yield f"there are no hours of {', '.join(sorted(missing))}"
        for day in self.days:
            if day.on.year not in self.years:
                yield f"{day.name} is on {day.on}, a year that `years` does not name"


class LoadedCalendar(Struct, frozen=True):
    """A calendar, where it is from, and why an operator's own does not serve ("": it does, or there is none)."""

    calendar: Calendar
    source: str = "built in"
    problem: str = ""


_SHARES = (Exchange.NSE, Exchange.BSE, Exchange.NFO, Exchange.BFO)
_INDICES = (Exchange.NSE_INDEX, Exchange.BSE_INDEX)

WEEKDAYS = Calendar(
    hours=(
        Hours(
            since=date.min,
            exchanges=(*_SHARES, *_INDICES),
            sessions=(Span(time(9, 15), time(15, 30)),),
        ),
        Hours(
            since=date.min,
            exchanges=(Exchange.CDS, Exchange.BCD),
            sessions=(Span(time(9), time(17)),),
        ),
        Hours(since=date.min, exchanges=(Exchange.MCX,), sessions=(Span(time(9), time(23, 30)),)),
    )
)
"""Regular hours and no holidays: for exchanges that are made up."""
