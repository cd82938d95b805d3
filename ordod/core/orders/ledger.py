"""Journal, book and events as one: what is written is synced, then known, then told, in the journal's order."""

from ordod.core.events import Events
from ordod.core.orders.book import Book
from ordod.core.orders.journal import Journal, JournalFailed, Pending
from ordod.core.orders.records import Entry, Intent, Modify, Record, Unsent
from ordod.core.orders.trail import Trail
from ordod.errors import Kind, OrdoError

__all__ = ["Ledger"]

SYNC_S = 2.0  # an intent that is not on disk by then is not sent


class Ledger:
    def __init__(self, journal: Journal, book: Book, events: Events) -> None:
        self.journal = journal
        self.book = book
        self.events = events
        self.trail = Trail(book)

    def write(self, *records: Record) -> Pending:
        """Queue records for the next sync; the book and the subscribers have them before `durable()` returns."""
        return self.journal.write(*records, then=self._take_in)

    async def record(self, *records: Record) -> None:
        """Write and wait. Raises JournalFailed."""
        await self.write(*records).durable()

    async def store(self, record: Intent | Modify) -> None:
        """Write what is about to be sent, and wait until it is on disk, SYNC_S at most.

        Past that it leaves the queue; if a batch has it already, `unsent` is queued right behind it. Either way nothing of it
        may be sent, and a late sync sends nothing.

        Raises:
            OrdoError: JOURNAL_FAILED.
        """
        pending = self.write(record)
        try:
            if await pending.durable(within_s=SYNC_S):
                return
        except JournalFailed as error:
            raise _not_stored(str(error)) from error
        if not pending.withdraw():
            self.write(Unsent(id=record.id, kind=Kind.JOURNAL_FAILED.name))
        raise _not_stored(f"it did not answer within {SYNC_S:g} s")

    def _take_in(self, entries: list[Entry]) -> None:
        for entry in entries:
            self.book.apply(entry)
            self.events.publish(entry)
            self.trail.take(entry.record)


def _not_stored(why: str) -> OrdoError:
    return OrdoError(
        Kind.JOURNAL_FAILED,
        f"it could not be written down ({why}), so nothing was sent. See to the disk",
    )
