"""What every adapter reads with: rows, money, units, Indian time. Each refuses rather than guesses."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct, field

from ordod.adapter.codes import BrokerError, Fault
from ordod.domain.instruments import Exchange, InstrumentKind
from ordod.domain.money import canonical

__all__ = [
    "IST",
    "BadRow",
    "Rows",
    "amount",
    "decimal",
    "derivative_symbol",
    "from_json",
    "from_paise",
    "identifier",
    "isin",
    "ist_date",
    "ist_datetime",
    "masked",
    "paise",
    "read_rows",
    "shaped",
    "spans",
    "units",
]

IST = timezone(timedelta(hours=5, minutes=30), "IST")

T = TypeVar("T")
U = TypeVar("U")


MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]")

TOKEN = re.compile(r"[A-Za-z0-9_.-]{24,}")  # of a JWT or a hash; an order id has at most 20

_JSON: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=Decimal)
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_ROWS = msgspec.json.Decoder(list[Raw])
_NO_JSON = (msgspec.MsgspecError, UnicodeError, RecursionError)


class BadRow(Struct, frozen=True):
    """A row that could not be read, and why. `row` is the broker's own, for the log's eyes only."""

    why: str
    row: Any


class Rows(Struct, Generic[T], frozen=True):
    """A list as the broker gave it: what was read, and what was not. Only a list read whole may conclude *absent*.

    `known`: its good rows by the broker's own words, for the next reading; empty where there was no last.
    """

    good: tuple[T, ...]
    bad: tuple[BadRow, ...] = ()
    known: Mapping[bytes, T] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        return not self.bad


def read_rows(
    raw: Iterable[Any],
    shape: type[U],
    convert: Callable[[U], T],
    last: Rows[T] | None = None,
    *,
    strict: bool = False,
) -> Rows[T]:
    """Each raw row as `shape` (msgspec), then through `convert`. A row that fails either is kept as bad, the rest go on.

    Args:
        raw: decoded rows, or rows as they stand in the answer (`from_json`), in any mix.
        last: the reading before, by the same shape, conversion and instruments: a row that stands as it stood then is not
            decoded again.
    Raises:
        BrokerError: UNREADABLE, a row is no JSON: then the answer is none.
    """
    good: list[T] = []
    bad: list[BadRow] = []
    known: dict[bytes, T] = {}
    for row in raw:
        words = bytes(row) if last is not None and isinstance(row, Raw) else b""
        if last is not None and words in last.known:
            value = last.known[words]
        else:
            plain = _decoded(row) if isinstance(row, Raw) else row
            try:
                value = convert(msgspec.convert(plain, shape, strict=strict))
            except (msgspec.ValidationError, BrokerError, ValueError, ArithmeticError) as error:
                bad.append(BadRow(str(error), plain))
                continue
        good.append(value)
        if words:
            known[words] = value
    return Rows(tuple(good), tuple(bad), known)


def _decoded(row: Raw) -> Any:
    try:
        return _JSON.decode(row)
    except _NO_JSON:
        raise BrokerError(Fault.UNREADABLE, "a row that is no JSON") from None


def from_json(body: bytes, *, rows: str | None = None) -> Any:
    """What an answer's body says, its fractions as Decimal; None where it is no JSON, as for a plain `null`.

    Args:
        rows: the rows of a list are left as they stand, for `read_rows`: of the list under this name, "" for the body itself.
    """
    try:
        if rows is not None:
            with suppress(*_NO_JSON):
                return _ROWS.decode(body) if not rows else _with_rows(_FIELDS.decode(body), rows)
        return _JSON.decode(body)
    except _NO_JSON:
        return None


def _with_rows(fields: dict[str, Raw], rows: str) -> dict[str, Any]:
    return {
        name: (_ROWS if name == rows and memoryview(value)[:1].tobytes() == b"[" else _JSON).decode(
            value
        )
        for name, value in fields.items()
    }


def shaped(value: Any, shape: type[T]) -> T:
    """A decoded value as this shape. Raises BrokerError: UNREADABLE."""
    try:
        return msgspec.convert(value, shape, strict=False)
    except msgspec.ValidationError as error:
        raise BrokerError(Fault.UNREADABLE, f"unexpected answer: {error}") from None


def identifier(text: str) -> str:
    """What names an order, an execution, a trigger: an empty one names nothing."""
    if not text:
        raise BrokerError(Fault.UNREADABLE, "an empty id")
    return text


def masked(words: str) -> str:
    """A broker's words without what may be a token."""
    return TOKEN.sub("***", words)


def decimal(value: float | str | Decimal) -> Decimal:
    """The amount a broker's number means: binary noise beyond the fourth decimal is rounded away."""
    try:
        number = Decimal(str(value))
        if not number.is_finite():
            raise BrokerError(Fault.UNREADABLE, f"not a finite number: {value!r}")
        return round(number, 4).normalize() + 0
    except InvalidOperation:  # no number, or one of more digits than any amount has
        raise BrokerError(Fault.UNREADABLE, f"not a number: {value!r}") from None


def amount(value: Decimal | None) -> Decimal | None:
    """A price, where 0 and null mean that there is none."""
    return decimal(value) if value else None


def units(value: float | str | Decimal) -> int:
    """A whole quantity, also where the broker writes `159.0`."""
    number = decimal(value)
    if number != number.to_integral_value():
        raise BrokerError(Fault.UNREADABLE, f"not a whole quantity: {value!r}")
    return int(number)


def paise(rupees: Decimal) -> int:
    """Whole paise; more decimals than two are refused."""
    number = rupees * 100
    if number != number.to_integral_value():
        raise BrokerError(Fault.INVALID_INPUT, f"{rupees} has a fraction of a paisa")
    return int(number)


def from_paise(value: int) -> Decimal:
    return Decimal(value) / 100


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


def spans(
    start: datetime, end: datetime, longest: timedelta
) -> Iterator[tuple[datetime, datetime]]:
    """The range in parts that one request may cover. They touch: whether a broker counts the last moment in is seldom known."""
    first = start
    while first <= end:
        last = min(first + longest, end)
        yield first, last
        if last == end:
            return
        first = last


def isin(text: str) -> str | None:
    """The security's number, where this is one; some brokers write NA or a blank instead."""
    return text if ISIN.fullmatch(text) else None


def derivative_symbol(
    exchange: Exchange, underlying: str, expiry: date, kind: InstrumentKind, strike: Decimal | None
) -> str:
    """Ordo's name of a future (`NFO:NIFTY24NOV26FUT`) or an option (`NFO:NIFTY24NOV2624500CE`)."""
    dated = f"{underlying}{expiry.day:02}{MONTHS[expiry.month - 1]}{expiry.year % 100:02}"
    return f"{exchange}:{dated}{'' if strike is None else canonical(strike)}{kind}"
