"""The journal taken in at a start, so that a long one costs neither the memory of all its orders nor their events.

Orders go to the archive as the days pass, as they did while the daemon lived. Events are made of the last records only, for
more are not kept; each needs the book as its record left it, so the records run through a queue of so many.
"""

from collections import deque
from datetime import date, datetime, timedelta

from ordod.core.events import KEPT, Events
from ordod.core.orders.book import Book
from ordod.core.orders.records import Entry

__all__ = ["Replay", "past_days"]

KEEP_ORDERS = timedelta(days=1)  # behind the turn of the book day, before they are archived


def past_days(now: datetime) -> datetime:
    """Orders that are final and were last touched before this go to the archive."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) - KEEP_ORDERS


class Replay:
    """`take` every record in order, then `finish`. `count`: how many they were."""

    def __init__(self, book: Book, events: Events) -> None:
        self.count = 0
        self._book = book
        self._events = events
        self._last: deque[Entry] = deque()
        self._day = date.min

    def take(self, entry: Entry) -> None:
        self.count += 1
        self._last.append(entry)
        if len(self._last) > KEPT:
            self._apply(self._last.popleft())

    def finish(self, head: int) -> None:
        """Args: head: seq of the last record."""
        told = len(self._last)
        for entry in self._last:
            self._apply(entry)
            self._events.publish(entry)
        self._last.clear()
        self._events.forget_before(head - told)

    def _apply(self, entry: Entry) -> None:
        day = entry.at.date()
        if day > self._day:
            self._day = day
            self._book.archive(past_days(entry.at))
        self._book.apply(entry)
