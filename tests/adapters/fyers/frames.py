"""HSM's frames, made by hand after the sheet (fyers.md 9.1), for tests of what reads them."""

import struct
from collections.abc import Sequence

__all__ = [
    "ABSENT", "BOOK", "INDEX", "SHARE", "answer", "data", "last", "login", "notice", "snapshot", "update",
]  # fmt: skip

ABSENT = -(1 << 31)

# ltp, volume, times of trade and exchange, best sizes and prices, last and total quantities, average, OI, low, high, of the year,
# circuits, open, previous close
SHARE = (
    *(80210, 1234567, 1767590099, 1767590100, 500, 600, 80205, 80215, 25, 256443, 363009, 80170, ABSENT),
    *(79820, 80500, ABSENT, ABSENT, 72080, 88100, 79900, 80090),
)  # fmt: skip
INDEX = (
    2500050,
    2480000,
    1767590100,
    2510000,
    2490000,
    2495000,
)  # ltp, close, time, high, low, open
BOOK = (
    *(80205, 80200, 80195, 80190, 80185, 80215, 80220, 80225, 80230, 80235),
    *(500, 140, 2, 219, 50, 600, 44, 302, 141, 724),
    *(5, 2, 1, 7, 1, 6, 3, 3, 2, 5),
)


def _fields(kind: int, *fields: bytes) -> bytes:
    told = b"".join(struct.pack(">BH", n, len(f)) + f for n, f in enumerate(fields, 1))
    return struct.pack(">HBB", len(told) + 2, kind, len(fields)) + told


def login(word: bytes = b"K", ack_every: int = 0) -> bytes:
    return _fields(1, word, struct.pack(">I", ack_every))


def answer(kind: int, word: bytes = b"K") -> bytes:
    return _fields(kind, word)


def notice(code: int, words: str) -> bytes:
    return _fields(51, struct.pack(">i", code), words.encode(), b"\4")


def data(*records: bytes, number: int = 1) -> bytes:
    told = struct.pack(">IH", number, len(records)) + b"".join(records)
    return struct.pack(">HB", len(told) + 1, 6) + told


def snapshot(
    topic: int,
    name: str,
    numbers: Sequence[int],
    *,
    precision: int = 2,
    multiplier: int = 1,
) -> bytes:
    told = struct.pack("<BHB", 83, topic, len(name)) + name.encode()
    told += struct.pack(f">B{len(numbers)}i", len(numbers), *numbers)
    told += b"\0\0" + struct.pack(">HB", multiplier, precision)
    labels = (name.split("|")[1], name.split("|")[-1], "SBIN-EQ")
    return told + b"".join(bytes((len(each),)) + each.encode() for each in labels)


def update(topic: int, numbers: Sequence[int]) -> bytes:
    return struct.pack("<BH", 85, topic) + struct.pack(f">B{len(numbers)}i", len(numbers), *numbers)


def last(topic: int, number: int) -> bytes:
    return struct.pack("<BH", 76, topic) + struct.pack(">i", number)
