"""HSM's frames (fyers.md 9.1), made and taken apart: lengths and numbers, no meaning.

A frame of prices is a message number, a count of records and the records. A record has no length: its kind and its counts of
fields and letters give it. So a frame is read only where its records fill it exactly; where they do not, every number behind the
first wrong count was read from a wrong place, and the frame is refused whole. (The frame's own length is not looked at: the
records are surer, and FYERS' clients write it wrongly.)
"""

from collections.abc import Iterable, Sequence
from struct import Struct as Layout
from struct import error as TooShort  # noqa: N812 - what it means here
from typing import TypeAlias

from msgspec import Struct

from ordod.adapter import BrokerError, Fault

__all__ = [
    "ABSENT",
    "ACKNOWLEDGE",
    "DATA",
    "LITE",
    "LOGIN",
    "MODE",
    "NOTICE",
    "PING",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "LastPrice",
    "Record",
    "Snapshot",
    "Update",
    "channels",
    "fields_of",
    "frame_of",
    "message_number",
    "records_of",
    "scrip_list",
]

LOGIN, ACKNOWLEDGE, SUBSCRIBE, UNSUBSCRIBE, DATA, MODE, NOTICE = 1, 3, 4, 5, 6, 12, 51
PING = bytes((0, 1, 11))
SNAPSHOT, UPDATE, LITE = b"SUL"
ABSENT = -(1 << 31)

_HEAD = Layout(">HBB")
_FIELD = Layout(">BH")
_DATA = Layout(">3xIH")
_TOPIC = Layout(
    ">BH"
)  # the record's kind, and a number for its feed's name; any reading of it will do
_SCALE = Layout(">2xHB")
_LAST = Layout(">i")
_NUMBERS = [Layout(f">{count}i") for count in range(256)]


class Snapshot(Struct, frozen=True, gc=False):
    """All of a feed, and from here on its topic."""

    topic: int
    name: str
    numbers: tuple[int, ...]
    multiplier: int
    precision: int


class Update(Struct, frozen=True, gc=False):
    """What changed; the rest is ABSENT."""

    topic: int
    numbers: tuple[int, ...]


class LastPrice(Struct, frozen=True, gc=False):
    """Of a channel in lite mode."""

    topic: int
    numbers: tuple[int]


Record: TypeAlias = Snapshot | Update | LastPrice


# What we say


def frame_of(kind: int, *fields: bytes, has_length: bool = True) -> bytes:
    """Fields are numbered from one. FYERS' clients write a length of 0 in some kinds, and so do we (fyers.md 9.1)."""
    body = b"".join(
        _FIELD.pack(number, len(field)) + field for number, field in enumerate(fields, 1)
    )
    return _HEAD.pack(len(body) + 2 if has_length else 0, kind, len(fields)) + body


def scrip_list(names: Sequence[str]) -> bytes:
    letters = (name.encode("ascii", "replace") for name in names)
    return len(names).to_bytes(2, "big") + b"".join(bytes((len(each),)) + each for each in letters)


def channels(numbers: Iterable[int]) -> bytes:
    """A mask of them."""
    return sum(1 << number for number in numbers).to_bytes(8, "big")


# What comes


def fields_of(frame: bytes) -> dict[int, bytes]:
    """Of a login's answer or a notice. Raises BrokerError: UNREADABLE, where they do not fit."""
    at, fields = 4, dict[int, bytes]()
    try:
        for _ in range(frame[3]):
            number, size = _FIELD.unpack_from(frame, at)
            at += _FIELD.size + size
            fields[number] = frame[at - size : at]
    except (TooShort, IndexError):
        at = -1
    if not 0 <= at <= len(frame):
        raise BrokerError(Fault.UNREADABLE, f"a frame of {len(frame)} bytes was cut")
    return fields


def message_number(frame: bytes) -> int:
    """Of a frame of prices. Raises BrokerError: UNREADABLE."""
    try:
        number: int = _DATA.unpack_from(frame)[0]
    except TooShort:
        raise BrokerError(Fault.UNREADABLE, "a frame of prices without its head") from None
    return number


def records_of(frame: bytes) -> list[Record]:
    """Raises BrokerError: UNREADABLE, where they do not fill the frame."""
    try:
        records, end = _records(frame)
    except (TooShort, IndexError, UnicodeDecodeError):
        records, end = [], -1
    if end != len(frame):
        raise BrokerError(
            Fault.UNREADABLE, f"a frame of {len(frame)} bytes that its records do not fill"
        )
    return records


def _records(frame: bytes) -> tuple[list[Record], int]:
    """And where the last one ends. Raises TooShort, IndexError, UnicodeDecodeError, BrokerError."""
    records: list[Record] = []
    at = _DATA.size
    for _ in range(_DATA.unpack_from(frame)[1]):
        kind, topic = _TOPIC.unpack_from(frame, at)
        at += _TOPIC.size
        if kind == UPDATE:
            numbers = _NUMBERS[frame[at]].unpack_from(frame, at + 1)
            at += 1 + 4 * len(numbers)
            records.append(Update(topic, numbers))
        elif kind == LITE:
            records.append(LastPrice(topic, _LAST.unpack_from(frame, at)))
            at += _LAST.size
        elif kind == SNAPSHOT:
            start, at = at + 1, at + 1 + frame[at]
            name = frame[start:at].decode("ascii")
            numbers = _NUMBERS[frame[at]].unpack_from(frame, at + 1)
            at += 1 + 4 * len(numbers)
            multiplier, precision = _SCALE.unpack_from(frame, at)
            at += _SCALE.size
            for _ in range(3):  # exchange, its token, symbol: the name has said it all
                at += 1 + frame[at]
            records.append(Snapshot(topic, name, numbers, multiplier, precision))
        else:
            raise BrokerError(Fault.UNREADABLE, f"a record of kind {kind}")
    return records, at
