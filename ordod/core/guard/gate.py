"""The gate: the last look before an order's bytes are handed to a socket.

Byte 0 of the mapped cell closes everything; non-zero is closed. Narrower scopes (an account, a strategy) are a set in
memory. Reading costs well under a microsecond and awaits nothing, so it stands inside the write itself. A signal handler
or another process closes the gate by storing one byte: no turn of the event loop is needed. They store THROWN; what the switch
itself has taken in is TAKEN, so that a release sees whether somebody threw it meanwhile.
"""

from collections.abc import MutableSequence

from msgspec import Struct

__all__ = ["TAKEN", "THROWN", "Gate", "Scope"]

THROWN = 1
TAKEN = 2


class Scope(Struct, frozen=True):
    """What a kill covers: everything, one account, one strategy, or one strategy at one account."""

    account: str | None = None
    strategy: str | None = None

    @property
    def is_everything(self) -> bool:
        return self.account is None and self.strategy is None

    def covers(self, account: str, strategy: str | None) -> bool:
        return self.account in (None, account) and self.strategy in (None, strategy)


class Gate:
    """Closed for everything by the mapped byte, for narrower scopes by `close` and `open`."""

    def __init__(self, cell: MutableSequence[int]) -> None:
        self._cell = cell
        self._scopes: set[Scope] = set()

    def is_closed_for(self, account: str, strategy: str | None) -> bool:
        return self._cell[0] != 0 or any(s.covers(account, strategy) for s in self._scopes)

    @property
    def is_closed(self) -> bool:
        """Closed for everything."""
        return self._cell[0] != 0

    @property
    def was_thrown(self) -> bool:
        """Closed from outside, and not taken in yet."""
        return self._cell[0] not in (0, TAKEN)

    @property
    def scopes(self) -> frozenset[Scope]:
        return frozenset(self._scopes) | ({Scope()} if self.is_closed else set())

    def close(self, scope: Scope) -> None:
        if scope.is_everything:
            self._cell[0] = TAKEN
        else:
            self._scopes.add(scope)

    def open(self, scope: Scope) -> None:
        if scope.is_everything:
            self._cell[0] = 0
        else:
            self._scopes.discard(scope)
