"""What every adapter reads with: rows, money, units, Indian time. Each refuses rather than guesses."""

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from ordod.adapter.codes import BrokerError, Fault
from ordod.domain.instruments import Exchange, InstrumentKind
from ordod.domain.money import canonical

__all__ = [
    "IST",
    "BadRow",
    "Rows",
    "decimal",
    "derivative_symbol",
    "from_paise",
    "ist_date",
    "ist_datetime",
    "paise",
    "read_rows",
    "shaped",
    "units",
]

IST = timezone(timedelta(hours=5, minutes=30), "IST")

T = TypeVar("T")
U = TypeVar("U")


class BadRow(Struct, frozen=True):
    """A row that could not be read, and why. `row` is the broker's own, for the log's eyes only."""

    why: str
    row: Any


class Rows(Struct, Generic[T], frozen=True):
    """A list as the broker gave it: what was read, and what was not. Only a list read whole may conclude *absent*."""

    good: tuple[T, ...]
    bad: tuple[BadRow, ...] = ()

    @property
    def is_whole(self) -> bool:
        return not self.bad


def read_rows(
    raw: Iterable[Any], shape: type[U], convert: Callable[[U], T], *, strict: bool = False
) -> Rows[T]:
    """Each raw row as `shape` (msgspec), then through `convert`. A row that fails either is kept as bad, the rest go on."""
    good: list[T] = []
    bad: list[BadRow] = []
    for row in raw:
        try:
            good.append(convert(msgspec.convert(row, shape, strict=strict)))
        except (msgspec.ValidationError, BrokerError, ValueError, ArithmeticError) as error:
            bad.append(BadRow(str(error), row))
    return Rows(tuple(good), tuple(bad))


def shaped(value: Any, shape: type[T]) -> T:
    """A decoded answer as this shape; numbers may be text. Raises BrokerError: UNREADABLE."""
    try:
        return msgspec.convert(value, shape, strict=False)
    except msgspec.ValidationError as error:
        raise BrokerError(Fault.UNREADABLE, f"unexpected answer: {error}") from None


def decimal(value: float | str | Decimal) -> Decimal:
    """The amount a broker's number means: binary noise beyond the fourth decimal is rounded away."""
    try:
        amount = Decimal(str(value))
        if not amount.is_finite():
            raise BrokerError(Fault.UNREADABLE, f"not a finite number: {value!r}")
        return round(amount, 4).normalize() + 0
    except InvalidOperation:  # no number, or one of more digits than any amount has
        raise BrokerError(Fault.UNREADABLE, f"not a number: {value!r}") from None


def units(value: float | str | Decimal) -> int:
    """A whole quantity, also where the broker writes `159.0`."""
    amount = decimal(value)
    if amount != amount.to_integral_value():
        raise BrokerError(Fault.UNREADABLE, f"not a whole quantity: {value!r}")
    return int(amount)


def paise(rupees: Decimal) -> int:
    """Whole paise; more decimals than two are refused."""
    amount = rupees * 100
    if amount != amount.to_integral_value():
        raise BrokerError(Fault.INVALID_INPUT, f"{rupees} has a fraction of a paisa")
    return int(amount)


def from_paise(value: int) -> Decimal:
    return Decimal(value) / 100


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def derivative_symbol(
    exchange: Exchange, underlying: str, expiry: date, kind: InstrumentKind, strike: Decimal | None
) -> str:
    """Ordo's name of a future or option, `NFO:NIFTY24NOV2624500CE`; of the columns, never of a broker's own spelling."""
    dated = (
        f"{exchange}:{underlying}{expiry.day:02}{_MONTHS[expiry.month - 1]}{expiry.year % 100:02}"
    )
    return f"{dated}FUT" if strike is None else f"{dated}{canonical(strike)}{kind}"


_USUAL = "%Y-%m-%d %H:%M:%S"
_IS_USUAL = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII).fullmatch


def ist_datetime(text: str, pattern: str = _USUAL) -> datetime:
    """A broker's zoneless Indian time; None is never guessed: what does not fit the pattern is UNREADABLE."""
    try:
        # A book of thousands is read again and again, with three times a row: strptime takes 8 us for each, this 1.
        if pattern == _USUAL and _IS_USUAL(text):
            return datetime.fromisoformat(text).replace(tzinfo=IST)
        return datetime.strptime(text, pattern).replace(tzinfo=IST)
    except ValueError:
        raise BrokerError(Fault.UNREADABLE, f"not a time: {text!r}") from None


def ist_date(text: str, pattern: str = "%Y-%m-%d") -> date:
    return ist_datetime(text, pattern).date()
