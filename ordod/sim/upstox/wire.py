"""The market feed's messages, written in protobuf (upstox.md 9.3): proto3, so that what is 0 is not written."""

import struct
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from ordod.domain.market import Level, Quote
from ordod.sim.upstox.market import Contract

__all__ = [
    "INITIAL_FEED",
    "LIVE_FEED",
    "Parts",
    "feed",
    "feed_response",
    "market_info",
    "parts_of",
]

INITIAL_FEED, LIVE_FEED, MARKET_INFO = 0, 1, 2
REQUEST_MODES = {"ltpc": 0, "full": 1, "option_greeks": 2}
LEVELS = 5

Parts = Mapping[str, bytes]
"""What is told of one key: fields of its feed, each of which a later feed may leave out."""


# Fields


def _varint(number: int) -> bytes:
    number &= (1 << 64) - 1
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def _whole(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number) if number else b""


def _double(field: int, number: Decimal | float | None) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", number) if number else b""


def _inner(field: int, body: bytes) -> bytes:
    """A message; an empty one is written too."""
    return _varint(field << 3 | 2) + _varint(len(body)) + body


def _text(field: int, text: str) -> bytes:
    return _inner(field, text.encode()) if text else b""


# Messages


def feed_response(kind: int, feeds: Mapping[str, bytes], now: datetime) -> bytes:
    entries = (_inner(2, _text(1, key) + _inner(2, told)) for key, told in feeds.items())
    return _whole(1, kind) + b"".join(entries) + _whole(3, _ms(now))


def market_info(statuses: Mapping[str, int], now: datetime) -> bytes:
    """`statuses`: segment -> MarketStatus (9.4)."""
    entries = (_inner(1, _text(1, segment) + _whole(2, s)) for segment, s in statuses.items())
    return _whole(1, MARKET_INFO) + _whole(3, _ms(now)) + _inner(4, b"".join(entries))


def feed(contract: Contract, mode: str, parts: Iterable[bytes]) -> bytes:
    """One key's Feed, of these parts."""
    body = b"".join(parts)
    match mode:
        case "ltpc":
            told = body
        case "full":
            told = _inner(2, _inner(2 if contract.is_index else 1, body))
        case _:
            told = _inner(3, body)
    return told + _whole(4, REQUEST_MODES[mode])


def parts_of(contract: Contract, mode: str, quote: Quote, now: datetime) -> dict[str, bytes]:
    """All there is to tell, in the order of its fields."""
    units = contract.units
    last = _inner(1, _ltpc(contract, quote))
    if mode == "ltpc":
        return {"ltpc": last}
    days = _ohlc(contract, quote, now)
    if contract.is_index:
        return {"ltpc": last, "ohlc": _inner(2, days)} if mode == "full" else {"ltpc": last}
    depth = quote.depth
    buy, sell = (depth.buy[:LEVELS], depth.sell[:LEVELS]) if depth else ((), ())
    oi, volume = (quote.oi or 0) // units, (quote.volume or 0) // units
    if mode == "option_greeks":
        first = _inner(2, _quote(buy[0] if buy else None, sell[0] if sell else None, units))
        return {"ltpc": last, "level": first, "numbers": _whole(4, volume) + _double(5, oi)}
    pairs = (
        (buy[at] if at < len(buy) else None, sell[at] if at < len(sell) else None)
        for at in range(LEVELS)
    )
    levels = b"".join(_inner(1, _quote(bid, ask, units)) for bid, ask in pairs)
    totals = [sum(level.quantity for level in side) // units for side in (buy, sell)]
    numbers = _double(5, quote.average_price) + _whole(6, volume) + _double(7, oi)
    numbers += _double(9, totals[0]) + _double(10, totals[1])
    return {
        "ltpc": last,
        "level": _inner(2, levels),
        "ohlc": _inner(4, days),
        "numbers": numbers,
    }


def _ltpc(contract: Contract, quote: Quote) -> bytes:
    traded = 0 if contract.is_index else 1 if contract.units > 1 else contract.instrument.lot_size
    return (
        _double(1, quote.last_price)
        + _whole(2, _ms(quote.at) if quote.at else 0)
        + _whole(3, traded or 0)
        + _double(4, quote.close_price)
    )


def _quote(bid: Level | None, ask: Level | None, units: int) -> bytes:
    told = b""
    for field, level in ((1, bid), (3, ask)):
        if level is not None:
            told += _whole(field, level.quantity // units) + _double(field + 1, level.price)
    return told


def _ohlc(contract: Contract, quote: Quote, now: datetime) -> bytes:
    """A minute's that has just begun, and the day's."""
    minute = now.replace(second=0, microsecond=0)
    last, volume = quote.last_price, (quote.volume or 0) // contract.units
    bars = (
        ("I1", (last, last, last, last), 0, minute),
        (
            "1d",
            (quote.open_price, quote.high_price, quote.low_price, last),
            volume,
            minute.replace(hour=0, minute=0),
        ),
    )
    return b"".join(
        _inner(
            1,
            _text(1, interval)
            + b"".join(_double(field, price) for field, price in enumerate(prices, 2))
            + _whole(6, traded)
            + _whole(7, _ms(at)),
        )
        for interval, prices, traded, at in bars
    )


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
