"""The instrument files: one an exchange, comma separated, with a header of names whose order varies (noren.md 8)."""

import csv
import zlib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import lru_cache
from io import BytesIO, TextIOWrapper
from zipfile import BadZipFile, ZipFile

from ordo_adapters.noren.members import Member
from ordo_adapters.noren.tables import EXCHANGE, INDICES
from ordod.adapter import (
    BrokerError,
    Exchange,
    Fault,
    Instrument,
    InstrumentKind,
    contract_size,
    decimal,
    derivative_symbol,
    ist_date,
)

__all__ = ["parse", "unpacked"]

FILE_BYTES_MAX = 64 << 20
HEADER = b"Exchange,Token,"
CASH = {Exchange.NSE: Exchange.NSE_INDEX, Exchange.BSE: Exchange.BSE_INDEX}
FINEST = {Exchange.CDS: Decimal("0.0025")}  # where a file has no tick sizes; a paisa elsewhere
INDEX_KINDS = frozenset({"INDEX", "UNDIND"})

_decimal = lru_cache(maxsize=16_384)(decimal)  # a hundred thousand rows share a few thousand
_day = lru_cache(maxsize=1024)(lambda text: ist_date(text.title(), "%d-%b-%Y"))


def unpacked(content: bytes) -> bytes:
    """The file of a zip, or what is none as it is. Raises BrokerError: UNREADABLE where that is no instrument file."""
    if content.startswith(b"PK"):
        try:
            with ZipFile(BytesIO(content)) as archive, archive.open(archive.namelist()[0]) as file:
                content = file.read(FILE_BYTES_MAX)
        except (BadZipFile, zlib.error, LookupError, OSError, EOFError, RuntimeError, ValueError):
            raise BrokerError(Fault.UNREADABLE, "a zip that cannot be read") from None
    content = content.removeprefix(b"\xef\xbb\xbf").rstrip(b"\r\n")
    if not content.startswith(HEADER):
        raise BrokerError(Fault.UNREADABLE, f"no instrument file ({len(content)} bytes)")
    return content


def parse(member: Member, content: bytes) -> Iterator[Instrument]:
    """The contracts of the joined files, lazily. A row that cannot be read is a contract that cannot be named, and left out.

    Raises:
        BrokerError: UNREADABLE: not one contract could be read.
    """
    count, names = 0, [""]
    lines = csv.reader(TextIOWrapper(BytesIO(content), encoding="utf-8", newline=""))
    try:
        for cells in lines:
            if cells[:1] == ["Exchange"]:
                names = [name.strip().lower() for name in cells]
            elif found := _contract(member, dict(zip(names, cells, strict=False))):
                count += 1
                yield found
    except (UnicodeError, csv.Error) as error:
        raise BrokerError(Fault.UNREADABLE, f"instrument file: {error}") from None
    if not count:
        raise BrokerError(Fault.UNREADABLE, "instrument file without a single contract")


def _contract(member: Member, row: dict[str, str]) -> Instrument | None:
    try:
        exchange = EXCHANGE.read(row["exchange"])
        if not (row["symbol"] and row["tradingsymbol"] and row["token"]):
            return None
        tick = _tick(member, exchange, row)
        if exchange in CASH:
            return _cash(exchange, row, tick)
        return _derivative(exchange, row, tick)
    except (BrokerError, LookupError, ValueError):
        return None


def _tick(member: Member, exchange: Exchange, row: dict[str, str]) -> Decimal:
    if member.cash_tick_unit is None:
        return FINEST.get(exchange, Decimal("0.01"))
    return _decimal(row["ticksize"]) * (member.cash_tick_unit if exchange in CASH else 1)


def _cash(exchange: Exchange, row: dict[str, str], tick: Decimal) -> Instrument:
    theirs, token = row["tradingsymbol"], row["token"]
    is_index = row["instrument"] in INDEX_KINDS
    ours = CASH[exchange] if is_index else exchange
    name = theirs.removesuffix("-EQ") if exchange is Exchange.NSE else theirs
    if is_index:
        name, theirs = INDICES.get(token, (row["symbol"].upper().replace(" ", ""), theirs))
    return Instrument(
        exchange=ours,
        symbol=f"{ours}:{name}",
        broker_symbol=theirs,
        instrument_token=f"{exchange}|{token}",
        kind=InstrumentKind.INDEX if is_index else InstrumentKind.EQUITY,
        tick_size=tick,
        lot_size=None if is_index else int(row["lotsize"]),
        name=row["symbol"],
    )


def _derivative(exchange: Exchange, row: dict[str, str], tick: Decimal) -> Instrument:
    word = row["optiontype"]
    kind = InstrumentKind.FUTURE if word == "XX" else InstrumentKind(word)
    strike = (
        None if kind is InstrumentKind.FUTURE else _decimal(row.get("strikeprice") or row["strike"])
    )
    expiry: date = _day(row["expiry"])
    underlying = row["symbol"]
    return Instrument(
        exchange=exchange,
        symbol=derivative_symbol(exchange, underlying, expiry, kind, strike),
        broker_symbol=row["tradingsymbol"],
        instrument_token=f"{exchange}|{row['token']}",
        kind=kind,
        tick_size=tick,
        lot_size=_lot(exchange, underlying, expiry, int(row["lotsize"])),
        name=underlying,
        expiry=expiry,
        strike=strike,
    )


def _lot(exchange: Exchange, underlying: str, expiry: date, said: int) -> int | None:
    """No source tells whether MCX and currency count units or lots (noren.md 14): only where the file's size is the exchange's own
    are its quantities units, and only then is there a size."""
    if exchange in {Exchange.MCX, Exchange.CDS}:
        return said if said == contract_size(exchange, underlying, expiry) else None
    return said
