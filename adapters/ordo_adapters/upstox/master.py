"""Upstox's instrument file: one JSON array of all exchanges, gzipped, made each morning (upstox.md 8).

The text is tens of MB, unpacked and cut into rows a piece at a time; each row is read into a struct that skips what we have
no use for. Names are made of the fields; Upstox's own symbol is never taken apart.
"""

import zlib
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

import msgspec
from msgspec import Struct

from ordo_adapters.upstox.tables import CASH, INDEX_NAMES, SEGMENT
from ordod.adapter import (
    IST,
    BrokerError,
    Exchange,
    Fault,
    Instrument,
    InstrumentKind,
    contract_size,
    decimal,
    derivative_symbol,
    isin,
)

__all__ = ["is_master", "parse"]

GZIP = b"\x1f\x8b"
TEXT_MAX = 256 << 20  # bytes unpacked; what is larger is no instrument file
PIECE = 64 << 10
ROW_MAX = 16 << 10  # bytes; they have 500
SPACE = b" \t\r\n"
INDICES = frozenset({Exchange.NSE_INDEX, Exchange.BSE_INDEX})
OF_TABLE = frozenset({Exchange.MCX, Exchange.CDS, Exchange.BCD})  # the contract size is the table's


class Row(Struct):
    """What Ordo reads of a row. `tick_size` is paise, `expiry` epoch milliseconds, `strike_price` rupees."""

    segment: str
    instrument_key: str
    trading_symbol: str
    instrument_type: str
    name: str = ""
    lot_size: Decimal = Decimal(0)  # units
    tick_size: Decimal = Decimal(0)
    expiry: int | None = None
    strike_price: Decimal | None = None
    underlying_symbol: str | None = None
    asset_symbol: str | None = None
    freeze_quantity: Decimal | None = None
    isin: str | None = None


_ROW = msgspec.json.Decoder(Row, strict=False)


def is_master(content: bytes) -> bool:
    """Whether this begins as an instrument file does: an error in JSON or a page of HTML is none."""
    return content.startswith((GZIP, b"[{"))


def parse(content: bytes) -> Iterator[Instrument]:
    """The contracts of the file, lazily: the text is unpacked and cut a piece at a time.

    Left out: other segments (NSE_COM, the world's indices), derivatives that name no underlying, rows that cannot be read.

    Raises:
        BrokerError: UNREADABLE: no such file, cut short, or not one contract could be read.
    """
    count = 0
    try:
        for row in _rows(_text(content)):
            instrument = _contract(row)
            if instrument:
                count += 1
                yield instrument
    except (zlib.error, msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BrokerError(Fault.UNREADABLE, f"instrument file: {error}") from None
    if not count:
        raise BrokerError(Fault.UNREADABLE, "instrument file without a single contract")


def _text(content: bytes) -> Iterator[bytes]:
    """The text in pieces, never whole."""
    if not content.startswith(GZIP):
        for place in range(0, len(content), PIECE):
            yield content[place : place + PIECE]
        return
    unpacker, size = zlib.decompressobj(16 + zlib.MAX_WBITS), 0
    for place in range(0, len(content), PIECE):
        packed = content[place : place + PIECE]
        while packed and not unpacker.eof:
            piece = unpacker.decompress(packed, PIECE)
            packed = unpacker.unconsumed_tail
            size += len(piece)
            if size > TEXT_MAX:
                raise BrokerError(
                    Fault.UNREADABLE, f"instrument file of more than {TEXT_MAX} bytes"
                )
            yield piece
    yield unpacker.flush()
    if not unpacker.eof:
        raise BrokerError(Fault.UNREADABLE, "instrument file cut short")


def _rows(text: Iterable[bytes]) -> Iterator[msgspec.Raw]:
    """Each object of the array as its bytes."""
    held, expected = b"", b"["
    for piece in text:
        held += piece
        place = 0
        while (start := held.find(b"{", place)) >= 0:
            row, end = _row_at(held, start)
            if row is None:
                break
            if held[place:start].strip(SPACE) != expected:
                raise BrokerError(Fault.UNREADABLE, "instrument file: not an array of objects")
            yield row
            place, expected = end, b","
        held = held[place:]
    if held.strip(SPACE) != b"]":
        raise BrokerError(Fault.UNREADABLE, "instrument file: no end of the array")


def _row_at(held: bytes, start: int) -> tuple[msgspec.Raw | None, int]:
    """The object that begins here and where it ends; None where its end has not come yet."""
    end = held.find(b"}", start) + 1
    while end:
        try:
            return msgspec.json.decode(held[start:end], type=msgspec.Raw), end
        except msgspec.DecodeError as error:  # the brace stands in a text, or ends an object within
            if end - start > ROW_MAX:
                raise BrokerError(Fault.UNREADABLE, f"instrument file: {error}") from None
        end = held.find(b"}", end) + 1
    if len(held) - start > ROW_MAX:
        raise BrokerError(Fault.UNREADABLE, f"instrument file: a row of more than {ROW_MAX} bytes")
    return None, start


def _contract(raw: msgspec.Raw) -> Instrument | None:
    """None: a row of no use, or one that cannot be read; then its contract cannot be named."""
    try:
        row = _ROW.decode(raw)
        if row.segment not in SEGMENT.readable or not row.instrument_key or not row.trading_symbol:
            return None
        exchange = SEGMENT.read(row.segment)
        if exchange in INDICES:
            return _index(row, exchange)
        tick = _tick(row.tick_size)
        if tick <= 0:
            return None
        return _share(row, exchange, tick) if exchange in CASH else _derivative(row, exchange, tick)
    except (msgspec.MsgspecError, BrokerError, ValueError, ArithmeticError):
        return None


def _index(row: Row, exchange: Exchange) -> Instrument:
    """By the name in its key; `trading_symbol` is written in more than one way."""
    theirs = row.instrument_key.partition("|")[2].upper()
    name = INDEX_NAMES.get(theirs, theirs.replace(" ", ""))
    return Instrument(
        exchange=exchange,
        symbol=f"{exchange}:{name}",
        broker_symbol=row.trading_symbol,
        instrument_token=row.instrument_key,
        kind=InstrumentKind.INDEX,
        tick_size=_tick(row.tick_size),
        lot_size=None,
        name=row.name,
    )


def _share(row: Row, exchange: Exchange, tick: Decimal) -> Instrument | None:
    """NSE's series other than EQ stand behind the name, as the exchange writes them: `NSE:SOFTTECH-BE`."""
    series = row.instrument_type
    if not series:
        return None  # a share, a warrant or a bond of this name: the row does not say
    has_series = exchange is Exchange.NSE and series != InstrumentKind.EQUITY
    tail = f"-{series}" if has_series and not row.trading_symbol.endswith(f"-{series}") else ""
    return Instrument(
        exchange=exchange,
        symbol=f"{exchange}:{row.trading_symbol}{tail}",
        broker_symbol=row.trading_symbol,
        instrument_token=row.instrument_key,
        kind=InstrumentKind.EQUITY,
        tick_size=tick,
        lot_size=int(row.lot_size) or None,
        name=row.name,
        freeze_quantity=int(row.freeze_quantity or 0) or None,
        isin=isin(row.isin or ""),
    )


def _derivative(row: Row, exchange: Exchange, tick: Decimal) -> Instrument | None:
    underlying = row.underlying_symbol or row.asset_symbol
    if not underlying or not row.expiry:
        return None
    kind, expiry = InstrumentKind(row.instrument_type), _day(row.expiry)
    strike = None if kind is InstrumentKind.FUTURE else decimal(row.strike_price or 0)
    in_table = exchange in OF_TABLE
    return Instrument(
        exchange=exchange,
        symbol=derivative_symbol(exchange, underlying, expiry, kind, strike),
        broker_symbol=row.trading_symbol,
        instrument_token=row.instrument_key,
        kind=kind,
        tick_size=tick,
        lot_size=_size(row, exchange, underlying, expiry)
        if in_table
        else int(row.lot_size) or None,
        name=underlying,
        expiry=expiry,
        strike=strike,
        # Whether Upstox counts the commodities' and currencies' limit in lots or in units is not known.
        freeze_quantity=None if in_table else int(row.freeze_quantity or 0) or None,
    )


def _size(row: Row, exchange: Exchange, underlying: str, expiry: date) -> int | None:
    """Units in a lot, by the table. Currencies are ordered in units (upstox.md 4.4): where the file's lot says otherwise, unknown."""
    size = contract_size(exchange, underlying, expiry)
    return size if exchange is Exchange.MCX or size == row.lot_size else None


@lru_cache(maxsize=4096)  # a hundred thousand rows share a few hundred dates and a few ticks
def _day(milliseconds: int) -> date:
    return datetime.fromtimestamp(milliseconds / 1000, IST).date()


@lru_cache(maxsize=256)
def _tick(paise: Decimal) -> Decimal:
    return decimal(paise / 100)
