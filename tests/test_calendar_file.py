"""The calendar's file: the one that was released, and the operator's own in its place."""

from datetime import date, time
from pathlib import Path

import pytest

from ordod.config.calendar import FILE, CalendarError, load_calendar, read_calendar
from ordod.domain.calendar import Span
from ordod.domain.instruments import Exchange

RELEASED = (Path(__file__).parent.parent / "ordod/config" / FILE).read_bytes()
MUHURAT = b"""
[[days]]
on = 2026-11-08
name = "Muhurat"
exchanges = ["NSE", "NFO"]
sessions = [[13:45:00, 14:45:00]]
"""


def test_the_released_calendar_knows_the_year() -> None:
    calendar = load_calendar([]).calendar

    closed = [d for d in calendar.days if Exchange.NSE in d.exchanges and not d.sessions]
    assert calendar.years == (2026,)
    assert len([day for day in closed if day.on.weekday() < 5]) == 16
    assert not calendar.is_trading_day(date(2026, 11, 24))
    assert calendar.is_trading_day(date(2026, 2, 1)), "a Sunday, the day of the Budget"
    for on in (date(2026, 11, 24), date(2026, 11, 10)):
        assert calendar.sessions(Exchange.MCX, on) == (Span(time(17), time(23, 55)),)
    assert calendar.sessions(Exchange.MCX, date(2026, 7, 1)) == (Span(time(9), time(23, 30)),)
    assert calendar.sessions(Exchange.MCX, date(2026, 12, 25)) == ()


def test_the_operators_file_takes_its_place(tmp_path: Path) -> None:
    state, beside = tmp_path / "state", tmp_path / "etc"
    state.mkdir()
    beside.mkdir()
    (beside / FILE).write_bytes(RELEASED + MUHURAT)

    loaded = load_calendar([state, beside])
    (state / FILE).write_bytes(RELEASED)
    nearer = load_calendar([state, beside])

    span = Span(time(13, 45), time(14, 45))
    assert (loaded.source, loaded.problem) == (str(beside / FILE), "")
    assert loaded.calendar.sessions(Exchange.NSE, date(2026, 11, 8)) == (span,)
    assert nearer.source == str(state / FILE)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "missing required field `hours`"),
        (b"years = [2026", "Unclosed array"),
        (b"\xff", "utf-8"),
        (RELEASED.replace(b'name = "Holi"', b'nam = "Holi"'), "`nam`"),
        (RELEASED.replace(b'"MCX"', b'"MXC"'), "'MXC'"),
        (RELEASED.replace(b"[2026]", b"[2027]"), "a year that `years` does not name"),
        (b"#" * 1024 * 1024 + RELEASED, "too large"),
    ],
)
def test_a_bad_file_is_told_and_the_released_one_serves(
    tmp_path: Path, content: bytes, why: str
) -> None:
    (tmp_path / FILE).write_bytes(content)

    loaded = load_calendar([tmp_path])

    assert loaded.source == "built in"
    assert loaded.problem.startswith(f"{tmp_path / FILE}: ")
    assert why in loaded.problem
    assert loaded.calendar == read_calendar(RELEASED)
    with pytest.raises(CalendarError):
        read_calendar(content)


def test_a_file_that_cannot_be_read_is_a_bad_file(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()

    assert "directory" in load_calendar([tmp_path]).problem
