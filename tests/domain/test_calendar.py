"""When exchanges trade: weeks, holidays, evenings, and an hour of a Sunday."""

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ordod.domain.calendar import WEEKDAYS, Calendar, Hours, OddDay, Span
from ordod.domain.instruments import Exchange
from tests.simulation.ports import IST

MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=IST)
SUNDAY = date(2026, 11, 29)
MUHURAT = OddDay(
    on=SUNDAY,
    name="Muhurat",
    exchanges=(Exchange.NSE,),
    sessions=(Span(time(18), time(19)),),
)
EVENING = OddDay(
    on=date(2026, 11, 24),
    name="a holiday by day",
    exchanges=(Exchange.MCX,),
    sessions=(Span(time(17), time(23, 30)),),
)
CLOSED = OddDay(on=date(2026, 11, 24), name="a holiday", exchanges=(Exchange.NSE,))
CALENDAR = replace(WEEKDAYS, years=(2026,), days=(CLOSED, EVENING, MUHURAT))


@pytest.mark.parametrize(
    ("exchange", "at", "is_open"),
    [
        (Exchange.NSE, MONDAY.replace(hour=9, minute=15), True),
        (Exchange.NSE, MONDAY.replace(hour=9, minute=14), False),
        (Exchange.NSE, MONDAY.replace(hour=15, minute=30), False),
        (Exchange.MCX, MONDAY.replace(hour=22), True),
        (Exchange.CDS, MONDAY.replace(hour=9), True),
        (Exchange.NSE, MONDAY + timedelta(days=5), False),
        (Exchange.NSE, MONDAY + timedelta(days=1), False),
        (Exchange.MCX, MONDAY + timedelta(days=1), False),
        (Exchange.MCX, MONDAY + timedelta(days=1, hours=8), True),
        (Exchange.BSE, MONDAY + timedelta(days=1), True),
        (Exchange.NSE, MONDAY + timedelta(days=6, hours=8), True),
        (Exchange.NSE, MONDAY + timedelta(days=6, hours=9), False),
    ],
)
def test_exchanges_have_their_hours(exchange: Exchange, at: datetime, is_open: bool) -> None:
    assert CALENDAR.is_open(exchange, at) is is_open


def test_the_next_change_passes_over_closed_days() -> None:
    evening = MONDAY.replace(hour=16)

    assert CALENDAR.next_change(Exchange.NSE, MONDAY) == MONDAY.replace(hour=15, minute=30)
    assert CALENDAR.next_change(Exchange.NSE, evening) == datetime(2026, 11, 25, 9, 15, tzinfo=IST)
    assert CALENDAR.next_change(Exchange.MCX, datetime(2026, 11, 24, 0, 0, tzinfo=IST)) == (
        datetime(2026, 11, 24, 17, 0, tzinfo=IST)
    )


@given(
    st.sampled_from(list(Exchange)),
    st.datetimes(datetime(2026, 11, 20), datetime(2026, 12, 5)),  # noqa: DTZ001 - made aware below
)
def test_an_exchange_is_open_between_an_opening_and_the_next_close(
    exchange: Exchange, naive: datetime
) -> None:
    at = naive.replace(tzinfo=IST)
    change = CALENDAR.next_change(exchange, at)

    assert change is not None
    assert change > at
    before = change - timedelta(microseconds=1)
    assert CALENDAR.is_open(exchange, at) is CALENDAR.is_open(exchange, before)
    assert CALENDAR.is_open(exchange, change) is not CALENDAR.is_open(exchange, at)


def test_hours_change_on_a_day_and_the_oldest_hold_before_it() -> None:
    later = Hours(
        since=date(2026, 11, 25),
        exchanges=(Exchange.NSE,),
        sessions=(Span(time(9), time(17)),),
    )
    calendar = replace(WEEKDAYS, hours=(later, *WEEKDAYS.hours))

    sessions = [calendar.sessions(Exchange.NSE, date(2026, 11, day))[0] for day in (24, 25)]

    assert [span.closes for span in sessions] == [time(15, 30), time(17)]
    alone = Calendar(hours=(later,))
    assert alone.sessions(Exchange.NSE, date(1999, 1, 1)) == later.sessions


@pytest.mark.parametrize(
    ("calendar", "mistake"),
    [
        (replace(WEEKDAYS, hours=WEEKDAYS.hours[:2]), "no hours of MCX"),
        (replace(WEEKDAYS, days=(CLOSED,)), "a year that `years` does not name"),
        (
            replace(CALENDAR, days=(replace(MUHURAT, sessions=(Span(time(19), time(18)),)),)),
            "a session from 19:00 to 18:00 cannot be",
        ),
        (replace(CALENDAR, days=(replace(CLOSED, exchanges=()),)), "names no exchange"),
        (
            replace(WEEKDAYS, hours=(*WEEKDAYS.hours, replace(WEEKDAYS.hours[0], sessions=()))),
            "have no session",
        ),
    ],
)
def test_what_cannot_be_meant_is_told(calendar: Calendar, mistake: str) -> None:
    assert mistake in "\n".join(calendar.mistakes())


def test_a_calendar_that_can_be_meant_has_no_mistakes() -> None:
    assert list(WEEKDAYS.mistakes()) == list(CALENDAR.mistakes()) == []
