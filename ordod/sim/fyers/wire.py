"""HSM's frames as a server reads and writes them (fyers.md 9.1)."""

import struct
from collections.abc import Iterable, Sequence

from msgspec import Struct

__all__ = [
    "ABSENT",
    "Asked",
    "answer",
    "data",
    "lite",
    "login_answer",
    "notice",
    "read_asked",
    "scrips",
    "snapshot",
    "update",
]

ABSENT = -2147483648


class Asked(Struct, frozen=True):
    """A client's frame: its type, and its fields by their ids."""

    kind: int
    fields: dict[int, bytes]

    def number(self, field: int) -> int:
        return int.from_bytes(self.fields.get(field, b""), "big")


def read_asked(frame: bytes) -> Asked | None:
    """None: nothing that can be read. The length at its beginning is not insisted on; FYERS' clients write it wrongly."""
    if len(frame) < 4:
        return Asked(frame[2], {}) if len(frame) == 3 else None
    fields: dict[int, bytes] = {}
    at = 4
    for _ in range(frame[3]):
        if at + 3 > len(frame):
            return None
        size = int.from_bytes(frame[at + 1 : at + 3], "big")
        if at + 3 + size > len(frame):
            return None
        fields[frame[at]] = frame[at + 3 : at + 3 + size]
        at += 3 + size
    return Asked(frame[2], fields)


def scrips(listed: bytes) -> list[str] | None:
    """The names of a scrip list; None: its counts do not fit."""
    names: list[str] = []
    at = 2
    for _ in range(int.from_bytes(listed[:2], "big")):
        if at >= len(listed):
            return None
        size = listed[at]
        names.append(listed[at + 1 : at + 1 + size].decode("ascii", "replace"))
        at += 1 + size
    return names if at == len(listed) else None


def _framed(kind: int, content: bytes) -> bytes:
    return struct.pack(">HB", 1 + len(content), kind) + content


def _fields(kind: int, *values: bytes) -> bytes:
    told = [struct.pack(">BH", number, len(v)) + v for number, v in enumerate(values, 1)]
    return _framed(kind, bytes((len(values),)) + b"".join(told))


def login_answer(word: str, ack_every: int) -> bytes:
    return _fields(1, word.encode(), struct.pack(">I", ack_every))


def answer(kind: int, word: str) -> bytes:
    return _fields(kind, word.encode())


def notice(code: int, words: str, about: int) -> bytes:
    """`about`: the type of what it answers."""
    return _fields(51, struct.pack(">i", code), words.encode(), bytes((about,)))


def data(number: int, records: Sequence[bytes]) -> bytes:
    return _framed(6, struct.pack(">IH", number, len(records)) + b"".join(records))


def _numbers(numbers: Sequence[int]) -> bytes:
    return struct.pack(f">B{len(numbers)}i", len(numbers), *numbers)


def _text(words: str) -> bytes:
    return bytes((len(words.encode()),)) + words.encode()


def snapshot(
    topic: int,
    name: str,
    numbers: Sequence[int],
    *,
    multiplier: int,
    precision: int,
    labels: Iterable[str],
) -> bytes:
    """`labels`: exchange, exchange token, symbol. Topic numbers are the one thing that is little-endian."""
    scale = struct.pack(
        ">HHB", 0x0101, multiplier, precision
    )  # what the first two mean nobody says
    head = struct.pack("<BH", 83, topic) + _text(name)
    return head + _numbers(numbers) + scale + b"".join(map(_text, labels))


def update(topic: int, numbers: Sequence[int]) -> bytes:
    return struct.pack("<BH", 85, topic) + _numbers(numbers)


def lite(topic: int, last: int) -> bytes:
    return struct.pack("<BH", 76, topic) + struct.pack(">i", last)
