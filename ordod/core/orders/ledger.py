"""Journal, book and events as one: what is written is synced, then known, then told, in the journal's order."""

from ordod.core.events import Events
from ordod.core.orders.book import Book
from ordod.core.orders.journal import Journal, Pending
from ordod.core.orders.records import Entry, Record

__all__ = ["Ledger"]


class Ledger:
    def __init__(self, journal: Journal, book: Book, events: Events) -> None:
        self.journal = journal
        self.book = book
        self.events = events

    def write(self, *records: Record) -> Pending:
        """Queue records for the next sync; the book and the subscribers have them before `durable()` returns."""
        return self.journal.write(*records, then=self._take_in)

    async def record(self, *records: Record) -> None:
        """Write and wait. Raises JournalFailed."""
        await self.write(*records).durable()

    def _take_in(self, entries: list[Entry]) -> None:
        for entry in entries:
            self.book.apply(entry)
            self.events.publish(entry)
