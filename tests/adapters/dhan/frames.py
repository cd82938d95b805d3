"""Packets of Dhan's live market feed, made by hand after the sheet (dhan.md 9.1), for tests of what reads them."""

import struct
from collections.abc import Sequence
from typing import TypeAlias

__all__ = [
    "AT", "BOOK", "NSE_TCS", "Key", "disconnect", "float32", "full", "interest", "packet", "previous", "quote", "ticker",
]  # fmt: skip

Key: TypeAlias = tuple[int, int]  # segment and security id
NSE_TCS: Key = (1, 11536)
AT = 1767609899  # reads as UTC: 2026-01-05 10:44:59, which is the Indian wall clock
BOOK = (  # bid and ask quantity, bid and ask orders, bid and ask price
    (500, 600, 5, 6, 3345.4, 3345.6),
    (140, 44, 2, 3, 3345.3, 3345.7),
    (2, 302, 1, 3, 3345.2, 3345.8),
    (219, 141, 7, 2, 3345.1, 3345.9),
    (50, 724, 1, 5, 3345.0, 3346.0),
)
DAY = (3320.1, 3310.4, 3350.0, 3311.2)  # open, close, high, low


def float32(number: float) -> float:
    """What is left of a number on the wire."""
    left: float = struct.unpack("<f", struct.pack("<f", number))[0]
    return left


def packet(code: int, key: Key, body: bytes, length: int | None = None) -> bytes:
    size = 8 + len(body) if length is None else length
    return struct.pack("<BHBI", code, size, *key) + body


def ticker(last: float, key: Key = NSE_TCS, at: int = AT) -> bytes:
    return packet(2, key, struct.pack("<fI", last, at))


def previous(close: float, key: Key = NSE_TCS) -> bytes:
    return packet(6, key, struct.pack("<fI", close, 0))


def interest(count: int, key: Key = NSE_TCS) -> bytes:
    return packet(5, key, struct.pack("<I", count))


def quote(
    last: float = 3345.5,
    key: Key = NSE_TCS,
    *,
    average: float = 3338.76,
    day: Sequence[float] = DAY,
) -> bytes:
    head = struct.pack("<fHIfIII", last, 25, AT, average, 1234567, 363009, 256443)
    return packet(4, key, head + struct.pack("<4f", *day))


def full(
    last: float = 3345.5,
    key: Key = NSE_TCS,
    *,
    book: Sequence[tuple[int, int, int, int, float, float]] = BOOK,
) -> bytes:
    head = struct.pack("<fHIfIIIIII", last, 25, AT, 3338.76, 1234567, 363009, 256443, 7, 8, 6)
    levels = b"".join(struct.pack("<IIHHff", *level) for level in book)
    return packet(8, key, head + struct.pack("<4f", *DAY) + levels)


def disconnect(reason: int) -> bytes:
    return packet(50, (0, 0), struct.pack("<H", reason))
