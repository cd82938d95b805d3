"""Packets of the live market feed, little endian, as Dhan documents them (dhan.md 9.1). One goes into a frame: its SDK reads no more."""

import struct
from datetime import datetime
from decimal import Decimal

from ordod.domain.market import Level, Quote
from ordod.sim.dhan.market import Contract

__all__ = ["disconnect", "full", "open_interest", "previous_close", "quote", "ticker"]

SEGMENT_NUMBERS = {
    "IDX_I": 0,
    "NSE_EQ": 1,
    "NSE_FNO": 2,
    "NSE_CURRENCY": 3,
    "BSE_EQ": 4,
    "MCX_COMM": 5,
    "BSE_CURRENCY": 7,
    "BSE_FNO": 8,
}
SHIFT_S = 19_800  # the Indian wall clock, as if it were UTC
LAST_QUANTITY = 1
LEVELS = 5
NO_LEVEL = Level(Decimal(0), 0, 0)


def ticker(contract: Contract, told: Quote) -> bytes:
    return _packet(2, contract, struct.pack("<fI", _rupees(told.last_price), _seconds(told.at)))


def quote(contract: Contract, told: Quote) -> bytes:
    return _packet(4, contract, _traded(told) + _day(told))


def open_interest(contract: Contract, told: Quote) -> bytes:
    return _packet(5, contract, struct.pack("<I", told.oi or 0))


def previous_close(contract: Contract, told: Quote) -> bytes:
    return _packet(
        6, contract, struct.pack("<fI", _rupees(told.close_price), told.oi or 0)
    )  # its interest of the day before is not known here


def full(contract: Contract, told: Quote) -> bytes:
    interest = struct.pack("<3I", *[told.oi or 0] * 3)
    buy, sell = (told.depth.buy, told.depth.sell) if told.depth else ((), ())
    pairs = zip(_five(buy), _five(sell), strict=True)
    book = b"".join(
        struct.pack(
            "<IIHHff",
            bid.quantity,
            ask.quantity,
            bid.orders or 0,
            ask.orders or 0,
            bid.price,
            ask.price,
        )
        for bid, ask in pairs
    )
    return _packet(8, contract, _traded(told) + interest + _day(told) + book)


def disconnect(reason: int) -> bytes:
    return struct.pack("<BHBIH", 50, 10, 0, 0, reason)


def _packet(code: int, contract: Contract, body: bytes) -> bytes:
    number = SEGMENT_NUMBERS[contract.segment]
    return struct.pack("<BHBI", code, 8 + len(body), number, int(contract.security_id)) + body


def _traded(told: Quote) -> bytes:
    buy, sell = (told.depth.buy, told.depth.sell) if told.depth else ((), ())
    return struct.pack(
        "<fHIfIII",
        _rupees(told.last_price),
        LAST_QUANTITY,
        _seconds(told.at),
        _average(told),
        told.volume or 0,
        sum(level.quantity for level in sell),
        sum(level.quantity for level in buy),
    )


def _day(told: Quote) -> bytes:
    prices = (told.open_price, told.close_price, told.high_price, told.low_price)
    return struct.pack("<4f", *map(_rupees, prices))


def _average(told: Quote) -> float:
    """The exchange here reckons none: the middle of the day's range, and of an index 0."""
    if told.volume is None or told.high_price is None or told.low_price is None:
        return 0.0
    return _rupees((told.high_price + told.low_price) / 2)


def _five(levels: tuple[Level, ...]) -> list[Level]:
    return [*levels, *[NO_LEVEL] * LEVELS][:LEVELS]


def _rupees(amount: Decimal | None) -> float:
    return float(amount or 0)


def _seconds(at: datetime | None) -> int:
    return int(at.timestamp()) + SHIFT_S if at else 0
