"""Words and numbers as people in India read them: IST, rupees in lakhs and crores, and nothing that steers a terminal."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from rich.text import Text

from ordoctl.ist import IST
from ordoctl.models import Failure

__all__ = [
    "NOTHING",
    "STYLES",
    "day_and_minute",
    "day_or_clock",
    "failure",
    "flat",
    "gain",
    "grouped",
    "plain",
    "rupees",
    "text",
    "told",
    "when",
    "word",
    "written_when",
]

NOTHING = "-"
STYLES = {
    "BUY": "green",
    "SELL": "red",
    "FILLED": "green",
    "PARTIALLY_FILLED": "cyan",
    "OPEN": "cyan",
    "TRIGGER_PENDING": "cyan",
    "PENDING": "cyan",
    "REJECTED": "red",
    "NOT_PLACED": "red",
    "CANCELLED": "dim",
    "EXPIRED": "dim",
    "IN_DOUBT": "bold yellow",
    "ACTIVE": "green",
    "TRIGGERED": "green",
    "DENIED": "bold red",
    "DISABLED": "dim",
}


def rupees(amount: Decimal | None) -> str:
    """12,34,567.50: grouped as in India, two decimals, more where there are more."""
    if amount is None:
        return NOTHING
    sign, text = ("-" if amount < 0 else ""), f"{abs(amount):f}"
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0")[:4].ljust(2, "0")
    return f"{sign}{_in_groups(whole)}.{fraction}"


def when(at: datetime | None, *, exactly: bool = False) -> str:
    """IST; the day only where it is not today."""
    if at is None:
        return NOTHING
    there = _in_ist(at)
    clock = f"{there:%H:%M:%S}" + (f".{there.microsecond // 1000:03d}" if exactly else "")
    today = datetime.now(UTC).astimezone(IST).date()
    return clock if there.date() == today else f"{there:%d %b} {clock}"


def _in_ist(at: datetime) -> datetime:
    try:
        return at.astimezone(IST)
    except OverflowError:  # the first or the last day there is
        return at


def day_or_clock(at: datetime | None) -> str:
    """In lists: the time for today, the day and minute for others."""
    if at is None:
        return NOTHING
    there, today = _in_ist(at), datetime.now(UTC).astimezone(IST).date()
    return f"{there:%H:%M:%S}" if there.date() == today else f"{there:%d %b %H:%M}"


def written_when(text: str) -> str:
    try:
        return when(datetime.fromisoformat(text), exactly=True)
    except ValueError:
        return text


def day_and_minute(at: datetime) -> str:
    there = _in_ist(at)
    is_day = (there.hour, there.minute) == (0, 0)
    return f"{there:%d %b %Y}" if is_day else f"{there:%d %b %H:%M}"


def _in_groups(digits: str) -> str:
    head, tail = digits[:-3], digits[-3:]
    groups = [head[max(end - 2, 0) : end] for end in range(len(head), 0, -2)]
    return ",".join([*reversed(groups), tail])


def grouped(number: int | None) -> str:
    if number is None:
        return NOTHING
    return ("-" if number < 0 else "") + _in_groups(str(abs(number)))


def gain(amount: Decimal | None) -> Text:
    if amount is None:
        return Text(NOTHING)
    shown = Decimal(f"{amount:.2f}")
    style = "green" if shown > 0 else "red" if shown < 0 else ""
    return Text(f"{'+' if shown > 0 else ''}{rupees(shown)}", style=style)


def failure(failure: Failure) -> str:
    kind = failure.data.get("kind", failure.code)
    return f"{kind}: {failure.message}"


def told(value: Any) -> dict[str, Any]:
    told = {name: getattr(value, name) for name in value.__struct_fields__}
    return {name: value for name, value in told.items() if value is not None}


def flat(value: Any) -> str:
    """A value in one line: `a=1 b=x`, nested objects by dotted names."""
    if isinstance(value, Mapping):
        return " ".join(
            _flat_item(str(name), one) for name, one in value.items() if one is not None
        )
    if isinstance(value, list | tuple):
        return ", ".join(flat(one) for one in value)
    return str(value)


def _flat_item(name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(
            _flat_item(f"{name}.{inner}", one) for inner, one in value.items() if one is not None
        )
    return f"{name}={flat(value)}"


def plain(text: str) -> str:
    """Without control characters: a broker's words must not steer a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def text(text: str, style: str = "") -> Text:
    return Text("\n".join(plain(line) for line in text.split("\n")), style=style)


def word(word: str, styles: Mapping[str, str] = STYLES) -> Text:
    return text(word, styles.get(word, ""))
