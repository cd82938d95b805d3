"""The calendar file: read, checked, and replaced by the operator's own where there is one.

`calendar.toml` beside this module is what was released. The state directory's takes its place, else the one beside the
configuration: holidays are announced, moved and added after a release.
"""

import tomllib
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import msgspec

from ordod.domain.calendar import Calendar, LoadedCalendar

__all__ = ["FILE", "CalendarError", "load_calendar", "read_calendar"]

FILE = "calendar.toml"
BYTES_MAX = 1024 * 1024


class CalendarError(Exception):
    """A file that cannot be a calendar; the message says where and why."""


def load_calendar(folders: Iterable[Path]) -> LoadedCalendar:
    """The calendar of the first of these folders that has one; the built-in one where none has, or that one is bad."""
    problem = ""
    for folder in folders:
        file = folder / FILE
        try:
            with file.open("rb") as opened:
                content = opened.read(BYTES_MAX + 1)
            return LoadedCalendar(read_calendar(content), str(file))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            problem = f"{file}: {error.strerror}"
        except CalendarError as error:
            problem = f"{file}: {error}"
        break
    return LoadedCalendar(read_calendar(_built_in()), "built in", problem)


def read_calendar(content: bytes) -> Calendar:
    """Raises CalendarError."""
    if len(content) > BYTES_MAX:
        raise CalendarError("is too large to be a calendar")
    try:
        raw = tomllib.loads(content.decode())
        calendar = msgspec.convert(raw, Calendar)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise CalendarError(str(error)) from None
    for mistake in calendar.mistakes():
        raise CalendarError(mistake)
    return calendar


def _built_in() -> bytes:
    return (files(__package__) / FILE).read_bytes()
