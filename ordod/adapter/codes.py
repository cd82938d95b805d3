"""Words and faults as tables: what a broker calls things, and what its refusals mean."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

__all__ = ["BrokerError", "Codes", "Fault", "FaultRow", "Faults"]

Word = TypeVar("Word", bound=StrEnum)


class Fault(StrEnum):
    """What a broker's answer means when it is not a yes (the fact sheets' list)."""

    AUTH_EXPIRED = "AUTH_EXPIRED"  # the session is dead; a login may help
    AUTH_DENIED = "AUTH_DENIED"  # not allowed, or the credentials are wrong
    INVALID_INPUT = "INVALID_INPUT"
    RATE_LIMITED = "RATE_LIMITED"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    ORDER_REJECTED = "ORDER_REJECTED"
    NOT_FOUND = "NOT_FOUND"
    MARKET_CLOSED = "MARKET_CLOSED"
    BROKER_UNAVAILABLE = "BROKER_UNAVAILABLE"
    AMBIGUOUS = "AMBIGUOUS"  # may have been done
    UNREADABLE = "UNREADABLE"  # an answer we do not understand
    UNSUPPORTED = "UNSUPPORTED"


class BrokerError(Exception):
    """What an adapter raises when the broker did not say yes.

    Args:
        fault: what it means.
        message: the broker's words, or ours where it sent none; never a secret.
        code: the broker's own code, where it has one.
        sure: the row that named it has a source: on a write this ends the order. Without, a write is in doubt.
    """

    def __init__(self, fault: Fault, message: str, *, code: str = "", sure: bool = False) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message
        self.code = code
        self.sure = sure


class Codes(Generic[Word]):
    """One vocabulary, both ways: `write` gives the broker's word, `read` ours.

    `read_also` holds words that are only read. An unknown word is UNREADABLE, never a guess; a word of ours that is not in
    the table is UNSUPPORTED at this broker.
    """

    def __init__(
        self,
        what: str,
        words: Mapping[Word, str],
        *,
        read_also: Mapping[str, Word] | None = None,
    ) -> None:
        self.what = what
        self._write = dict(words)
        self._read = {theirs: ours for ours, theirs in words.items()} | dict(read_also or {})

    def write(self, ours: Word) -> str:
        try:
            return self._write[ours]
        except KeyError:
            known = " ".join(self._write)
            raise BrokerError(
                Fault.UNSUPPORTED,
                f"{self.what} {ours} is not known at this broker; it knows {known}",
            ) from None

    def read(self, theirs: str) -> Word:
        try:
            return self._read[theirs]
        except KeyError:
            raise BrokerError(Fault.UNREADABLE, f"unknown {self.what} {theirs!r}") from None

    def __contains__(self, ours: Word) -> bool:
        return ours in self._write

    def __iter__(self) -> Iterator[Word]:
        """The words of ours that can be written: what the broker supports."""
        return iter(self._write)

    @property
    def readable(self) -> frozenset[str]:
        return frozenset(self._read)


class FaultRow(NamedTuple):
    """One way of saying no. Matches where status (None: any), code ("" any) and words (part of the message, any case) match.

    `source` says where the meaning stands; on a write a row without a source is doubt.
    """

    status: int | None
    code: str
    words: str
    fault: Fault
    source: str


class Faults:
    """The ordered table of refusals; the first row that matches wins. What matches none is UNREADABLE, and never sure."""

    def __init__(self, *rows: tuple[int | None, str, str, Fault, str]) -> None:
        self.rows = tuple(FaultRow(*row) for row in rows)

    def find(self, status: int, code: str, message: str) -> FaultRow | None:
        low = message.lower()
        for row in self.rows:
            if row.status in (None, status) and row.code in ("", code) and row.words.lower() in low:
                return row
        return None

    def error(self, status: int, code: str, message: str) -> BrokerError:
        """The exception to raise for this refusal."""
        row = self.find(status, code, message)
        if row is None:
            return BrokerError(Fault.UNREADABLE, f"HTTP {status}: {message}"[:300], code=code)
        return BrokerError(row.fault, message[:300], code=code, sure=bool(row.source))
