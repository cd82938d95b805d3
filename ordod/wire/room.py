"""Room for connections: everybody has his own, all together leave the daemon its files, and who wants to stop something gets in.

Beyond a caller's share, or when all places are taken, a connection is let in for one message that stops something (kill,
cancel) and is closed when that is answered. There are few such places; the oldest of whoever holds most of them makes room
for the next. So a bot that leaks connections, or a user who opens them out of malice, keeps nobody from the kill switch.
"""

from collections import Counter
from enum import Enum
from typing import Protocol

from ordod.service.methods import Caller, Role
from ordod.wire.roles import is_stranger

__all__ = [
    "ADMINS_MORE",
    "CALLER_MAX",
    "STRANGERS_MAX",
    "TOTAL_MAX",
    "URGENT_MAX",
    "Place",
    "Room",
    "total_within",
]

CALLER_MAX = 256  # of one caller: who leaks them leaves the others theirs
TOTAL_MAX = 4096  # some 5 KiB each
ADMINS_MORE = 64  # for admins alone, when the others have taken all
URGENT_MAX = 64  # on top of all
STRANGERS_MAX = 32  # who have no role, all together: each is told so at his first message
FILES_KEPT = 256  # for the journal, the tables and the brokers' connections
TOTAL_LEAST = 32
STRANGERS = "strangers"


class Place(Enum):
    FULL = "full"
    ORDINARY = "ordinary"
    URGENT = "urgent"
    """For one message that stops something."""


class _Connection(Protocol):
    def abort(self) -> None: ...


def total_within(files: int) -> int:
    """How many ordinary connections there may be, where the process may have so many files."""
    left = files - FILES_KEPT - ADMINS_MORE - URGENT_MAX - STRANGERS_MAX
    return max(TOTAL_LEAST, min(TOTAL_MAX, left))


class Room:
    def __init__(self, total: int) -> None:
        self._total = total
        self._ordinary: dict[_Connection, str] = {}
        self._counts: Counter[str] = Counter()
        self._urgent: dict[_Connection, str] = {}  # the oldest first

    def enter(self, connection: _Connection, caller: Caller, most: int = CALLER_MAX) -> Place:
        """A place for this connection, which is to `leave`. FULL: there is none, for one more stranger.

        Args:
            most: how many ordinary places this caller may have.
        """
        if is_stranger(caller):
            whose, most, total = STRANGERS, STRANGERS_MAX, self._total + STRANGERS_MAX
        else:
            more = ADMINS_MORE if caller.role is Role.ADMIN else 0
            whose, total = caller.name, self._total + more
        if self._counts[whose] < most and len(self._ordinary) < total:
            self._ordinary[connection] = whose
            self._counts[whose] += 1
            return Place.ORDINARY
        if whose is STRANGERS:
            return Place.FULL
        if len(self._urgent) >= URGENT_MAX:
            self._make_room()
        self._urgent[connection] = whose
        return Place.URGENT

    def leave(self, connection: _Connection) -> None:
        self._urgent.pop(connection, None)
        whose = self._ordinary.pop(connection, None)
        if whose is not None:
            self._counts[whose] -= 1
            if not self._counts[whose]:
                del self._counts[whose]

    def _make_room(self) -> None:
        """The oldest urgent one of whoever has most: who only wants to stop something has one, and it is new."""
        ((most, _),) = Counter(self._urgent.values()).most_common(1)
        oldest = next(each for each, whose in self._urgent.items() if whose == most)
        del self._urgent[oldest]
        oldest.abort()
