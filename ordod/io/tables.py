"""Instrument tables: each broker's master in SQLite, read by key in microseconds.

`STATE/instruments/<broker>.sqlite` holds the contracts, `<broker>.json` beside it the label: day, count and a hash of the
whole file. A new master is written to a temporary file in a worker thread and renamed when it is whole; the open table
serves until then. Nothing is synced: a table can be fetched again, and one that does not match its label (a crash between
the two renames, a torn page, a flipped bit) is thrown away. SQLite's own check would not see a changed price or token.

A name that stands for two different contracts finds none: whoever asks learns that, rather than trade the wrong one.
"""

import difflib
import hashlib
import os
import re
import sqlite3
import tempfile
import threading
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from functools import lru_cache
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import anyio.to_thread
import msgspec
from msgspec import Struct

from ordod.adapter import Adapter, BrokerError, Exchange, Fault, Instrument, InstrumentKind
from ordod.core.ports import DiskError
from ordod.domain.money import canonical
from ordod.io import searching
from ordod.io.searching import Catalog

__all__ = ["SqliteMaster", "SqliteTables"]

FORMAT = 3  # of file and label; another one is fetched again

BATCH = 1000  # rows: a statement's cost is spread, and a worker that is given up stops within milliseconds
CACHED = 4096  # contracts by each way of look-up; more than the 3,000 a daemon may watch live
CHUNK = (
    256 * 1024
)  # bytes hashed at a time: a third of a millisecond, so that a signal waits no longer
NEAR = 5
NEIGHBOURS = 60  # names on each side that are compared one by one with a misspelt one: 3 ms
SEARCH_MAX = 1000

SYMBOL, TOKEN = 1, 3  # in a row
AMBIGUOUS_MAX = 20  # names told; a master that has more has a fault of its own
# Names that stand for two contracts, and contracts behind one token. The inner selections are answered by an index alone.
AMBIGUOUS = f"""
    SELECT symbol FROM instruments
    WHERE symbol IN (SELECT symbol FROM instruments GROUP BY symbol HAVING count(*) > 1)
    GROUP BY symbol HAVING count(DISTINCT instrument_token || ' ' || broker_symbol) > 1
    UNION
    SELECT symbol FROM instruments JOIN (
        SELECT instrument_token AS shared, exchange AS place FROM instruments WHERE instrument_token != ''
        GROUP BY instrument_token, exchange HAVING count(*) > 1
    ) ON instrument_token = shared AND exchange = place
    GROUP BY instrument_token, exchange HAVING count(DISTINCT symbol) > 1
    ORDER BY symbol LIMIT {AMBIGUOUS_MAX}"""  # noqa: S608 - constants

BROKER_ID = re.compile(r"[a-z0-9_-]+")

COLUMNS = (
    "exchange, symbol, broker_symbol, instrument_token, kind, tick_size, lot_size, name, expiry, strike, "
    "freeze_quantity, lower_circuit, upper_circuit, isin"
)
INSERT = f"INSERT INTO instruments VALUES ({', '.join('?' * 16)})"  # noqa: S608 - constants
SELECT = f"SELECT {COLUMNS} FROM instruments WHERE"  # noqa: S608 - constants
SETUP = (
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA temp_store = MEMORY",
    f"CREATE TABLE instruments ({COLUMNS}, thing, class)",
    *searching.SETUP,
    "BEGIN",
)
INDEXES = (
    "CREATE INDEX by_symbol ON instruments (symbol, expiry, kind)",
    "CREATE INDEX by_broker_symbol ON instruments (broker_symbol, exchange)",
    "CREATE INDEX by_token ON instruments (instrument_token, exchange)",
    "CREATE INDEX by_isin ON instruments (isin) WHERE isin IS NOT NULL",
    *searching.INDEXES,
    "COMMIT",
)
SAME_MAX = 16  # rows looked at to tell one contract listed twice from two contracts of one name

EXCHANGES = {exchange.value: exchange for exchange in Exchange}
KINDS = {kind.value: kind for kind in InstrumentKind}

Row: TypeAlias = tuple[Any, ...]


class _Label(Struct, frozen=True, kw_only=True):
    """What a table must be to be believed."""

    format: int
    loaded_on: date
    rows: int
    digest: str
    ambiguous: list[str] = []


class SqliteTables:
    """`core.ports.Tables` in a folder of the state directory. For the loop's thread; `load` works in another.

    Raises:
        DiskError: the folder cannot be made.
    """

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / "instruments"
        self._masters: dict[str, SqliteMaster] = {}
        self._one_at_a_time = anyio.CapacityLimiter(1)  # each load wants memory and half a core
        try:
            # One by one: `parents` alone would leave the state directory open to others.
            state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder.mkdir(mode=0o700, exist_ok=True)
            for left in self._folder.glob("*.new"):
                left.unlink()
        except OSError as error:
            raise DiskError(f"{self._folder}: {error.strerror}") from error

    def master(self, broker: str) -> "SqliteMaster":
        """Always the same object for a broker; what an earlier run loaded serves at once."""
        assert BROKER_ID.fullmatch(broker), f"{broker!r} would be a path"
        if broker not in self._masters:
            self._masters[broker] = SqliteMaster(_reopen(self._folder, broker))
        return self._masters[broker]

    async def load(self, broker: str, adapter: Adapter, content: bytes, on: date) -> int:
        """Read a master in a worker and let it serve; the number of contracts. Until then, and if it fails, the old one.

        Raises:
            BrokerError: UNREADABLE, it names no contract; or what `parse_master` raised.
            DiskError: the table could not be written.
        """
        master = self.master(broker)
        given_up = threading.Event()

        def work() -> _Table:
            instruments = adapter.parse_master(content, on)
            return _write(self._folder, broker, instruments, on, given_up)

        try:
            table = await anyio.to_thread.run_sync(
                work, abandon_on_cancel=True, limiter=self._one_at_a_time
            )
        except anyio.get_cancelled_exc_class():
            given_up.set()
            raise
        master.serve(table)
        return table.label.rows

    def close(self) -> None:
        for master in self._masters.values():
            master.serve(None)


class SqliteMaster:
    """`core.ports.Master`: whichever table of a broker serves now. Finds nothing before the first."""

    def __init__(self, table: "_Table | None") -> None:
        self._table = table
        self.edition = 0

    def serve(self, table: "_Table | None") -> None:
        """From now on this table; the one before is closed."""
        before, self._table = self._table, table
        self.edition += 1
        if before is not None:
            before.close()

    @property
    def loaded_on(self) -> date | None:
        return self._table.label.loaded_on if self._table else None

    def __len__(self) -> int:
        return self._table.label.rows if self._table else 0

    def find(self, symbol: str) -> Instrument | None:
        """By Ordo's whole name, or by the broker's own behind the exchange (`NSE:INFY-EQ`) where it names exactly one."""
        return self._table.find(symbol) if self._table else None

    def by_broker_symbol(self, exchange: Exchange, broker_symbol: str) -> Instrument | None:
        return self._table.by_broker_symbol(exchange, broker_symbol) if self._table else None

    def by_token(self, instrument_token: str) -> Instrument | None:
        return self._table.by_token(instrument_token) if self._table else None

    def candidates(self, symbol: str) -> list[Instrument]:
        return self._table.candidates(symbol) if self._table else []

    @property
    def ambiguous(self) -> list[str]:
        return self._table.label.ambiguous if self._table else []

    def by_isin(self, exchange: Exchange, isin: str) -> list[Instrument]:
        return self._table.by_isin(exchange, isin) if self._table else []

    def closest(self, symbol: str) -> list[str]:
        """Up to five names one may have meant, the likeliest first. Bounded: a few milliseconds, on the loop."""
        return self._table.closest(symbol) if self._table else []

    def expiries(self, exchange: Exchange, name: str) -> list[tuple[date, InstrumentKind]]:
        return self._table.expiries(exchange, name) if self._table else []

    def contracts(self, exchange: Exchange, name: str, expiry: date) -> list[Instrument]:
        return self._table.contracts(exchange, name, expiry) if self._table else []

    async def search(self, text: str, limit: int = 20) -> list[Instrument]:
        """Contracts by what people type (`ordod.io.searching`), the likeliest first. In a worker: a few milliseconds."""
        if self._table is None:
            return []
        path, count = self._table.path, min(limit, SEARCH_MAX)
        return await anyio.to_thread.run_sync(_search, path, text, count)


class _Table:
    """One whole, labelled file, open for reading. It never changes; that is why answers may be cached."""

    def __init__(self, path: Path, label: _Label) -> None:
        self.path = path
        self.label = label
        # Opened by the worker that wrote it, used by the loop; never by both.
        self._connection = _connect(path)
        try:
            self._connection.execute("SELECT 1 FROM instruments LIMIT 1")  # reads the schema, here
        except sqlite3.Error:
            self._connection.close()
            raise
        self.find = lru_cache(CACHED)(self._find)
        self.by_broker_symbol = lru_cache(CACHED)(self._by_broker_symbol)
        self.by_token = lru_cache(CACHED)(self._by_token)

    def close(self) -> None:
        self._connection.close()

    def _find(self, symbol: str) -> Instrument | None:
        found = self.candidates(symbol)
        return found[0] if len(found) == 1 else None

    def candidates(self, symbol: str) -> list[Instrument]:
        """Every contract that this name may stand for, or that an order for it may go to.

        The rows of this name; where there is none, those that the broker calls so, with whatever else has the name they have.
        And those behind the same token: an order that is sent by it would be for any of them.
        """
        rows = set(self._rows("symbol = ?", (symbol,), SAME_MAX))
        exchange, _, theirs = symbol.partition(":")
        if not rows and exchange in EXCHANGES and theirs:
            named = "broker_symbol = ? AND exchange = ?"
            found = self._rows(named, (theirs, exchange), SAME_MAX)
            # Where a broker writes the series in a column of its own, its INFY may be our INFY-BE: not what was asked for.
            rows = {row for row in found if not row[SYMBOL].startswith(f"{symbol}-")}
            for ours in {row[SYMBOL] for row in rows}:
                rows.update(self._rows("symbol = ?", (ours,), SAME_MAX))
        if len(rows) == 1:
            place, *_, token = next(iter(rows))[: TOKEN + 1]
            if token:
                same = "instrument_token = ? AND exchange = ?"
                rows.update(self._rows(same, (token, place), SAME_MAX))
        return [_instrument(row) for row in sorted(rows, key=repr)]

    def by_isin(self, exchange: Exchange, isin: str) -> list[Instrument]:
        rows = self._rows("isin = ? AND exchange = ?", (isin, exchange.value), SAME_MAX)
        return [_instrument(row) for row in rows]

    def _by_broker_symbol(self, exchange: Exchange, broker_symbol: str) -> Instrument | None:
        return self._one("broker_symbol = ? AND exchange = ?", broker_symbol, exchange.value)

    def _by_token(self, instrument_token: str) -> Instrument | None:
        return self._one("instrument_token = ?", instrument_token)

    def _one(self, condition: str, *values: str) -> Instrument | None:
        """The contract, where all rows that fit are the same."""
        rows = set(self._rows(condition, values, SAME_MAX))
        return _instrument(rows.pop()) if len(rows) == 1 else None

    def _rows(self, condition: str, values: tuple[str, ...], limit: int) -> list[Row]:
        statement = f"{SELECT} {condition} LIMIT {limit}"
        return self._connection.execute(statement, values).fetchall()

    def expiries(self, exchange: Exchange, name: str) -> list[tuple[date, InstrumentKind]]:
        # A contract's symbol goes on with the day: a digit (`:` follows `9`). The index alone answers.
        start = f"{exchange}:{name}"
        rows = self._connection.execute(
            "SELECT DISTINCT expiry, kind, substr(symbol, ?, 7) FROM instruments "
            "WHERE symbol >= ? AND symbol < ? AND expiry IS NOT NULL",
            (len(start) + 1, f"{start}0", f"{start}:"),
        )
        days = {
            (expiry, KINDS[kind])
            for text, kind, stamp in rows
            if stamp == _stamp(expiry := date.fromisoformat(text))  # not one of a longer name
        }
        return sorted(days)

    def contracts(self, exchange: Exchange, name: str, expiry: date) -> list[Instrument]:
        start = f"{exchange}:{name}{_stamp(expiry)}"
        rows = self._connection.execute(
            f"{SELECT} symbol >= ? AND symbol < ? AND expiry = ? ORDER BY symbol",
            (start, f"{start}~", expiry.isoformat()),
        )
        return [_instrument(row) for row in rows]

    def closest(self, symbol: str) -> list[str]:
        wanted = symbol.upper()[:64]
        exchange, _, name = wanted.rpartition(":")
        if not name:
            return []
        own = [exchange] if exchange in EXCHANGES else ["NSE", "BSE"]
        elsewhere = (self.find(f"{other}:{name}") for other in EXCHANGES)
        same_name = [found.symbol for found in elsewhere if found is not None]
        around = {text for place in own for text in self._neighbours(place, name)}
        asked = f"{own[0]}:{name}"
        near = difflib.get_close_matches(asked, around, 3 * NEAR, 0.7)
        # Of names equally like, those that begin alike: the next strike rather than one with two digits exchanged.
        near.sort(key=lambda text: _shared_beginning(asked, text), reverse=True)
        return list(dict.fromkeys([*same_name, *near]))[:NEAR]

    def _neighbours(self, place: str, name: str) -> list[str]:
        """Names at this exchange around `name` in the alphabet: those that share its beginning the longest."""
        here, first, behind = f"{place}:{name}", f"{place}:", f"{place};"  # `;` follows `:`
        select = "SELECT symbol FROM instruments WHERE symbol"
        up = f"{select} > ? AND symbol < ? ORDER BY symbol LIMIT ?"
        down = f"{select} < ? AND symbol > ? ORDER BY symbol DESC LIMIT ?"
        execute = self._connection.execute
        above = execute(up, (here, behind, NEIGHBOURS)).fetchall()
        below = execute(down, (here, first, NEIGHBOURS)).fetchall()
        return [row[0] for row in (*above, *below)]


def _stamp(expiry: date) -> str:
    """As it stands in symbols: 24NOV26."""
    return f"{expiry:%d%b%y}".upper()


def _shared_beginning(one: str, other: str) -> int:
    """How many characters."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _connect(path: Path) -> sqlite3.Connection:
    # Immutable: no locks and no look for changes at each query, for the file under this name is only ever replaced.
    address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    return sqlite3.connect(address, uri=True, check_same_thread=False)


def _reopen(folder: Path, broker: str) -> _Table | None:
    """The table of an earlier run, if it is whole; one that is not is removed."""
    path, label_path = _paths(folder, broker)
    try:
        label = msgspec.json.decode(label_path.read_bytes(), type=_Label)
        if label.format == FORMAT and label.digest == _digest(path):
            return _Table(path, label)
    except (OSError, msgspec.DecodeError, sqlite3.Error):
        pass  # as good as not there: it is fetched again
    path.unlink(missing_ok=True)
    label_path.unlink(missing_ok=True)
    return None


def _paths(folder: Path, broker: str) -> tuple[Path, Path]:
    return folder / f"{broker}.sqlite", folder / f"{broker}.json"


def _digest(path: Path) -> str:
    hashed = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            hashed.update(chunk)
    return hashed.hexdigest()


class _GivenUp(Exception):  # noqa: N818 - an outcome nobody waits for any more
    """The load was cancelled."""


def _write(
    folder: Path,
    broker: str,
    instruments: Iterable[Instrument],
    on: date,
    given_up: threading.Event,
) -> _Table:
    """The new table, whole and under its name. Runs in a worker."""
    path, label_path = _paths(folder, broker)
    new = _empty(folder, broker)
    new_label = _empty(folder, broker)
    try:
        rows, ambiguous = _fill(new, instruments, given_up)
        if rows == 0:
            raise BrokerError(Fault.UNREADABLE, "the instrument file names no instrument")
        label = _Label(
            format=FORMAT, loaded_on=on, rows=rows, digest=_digest(new), ambiguous=ambiguous
        )
        new_label.write_bytes(msgspec.json.encode(label))
        if given_up.is_set():
            raise _GivenUp
        new.replace(path)
        new_label.replace(label_path)
        return _Table(path, label)
    except (OSError, sqlite3.Error) as error:
        raise DiskError(f"{path}: {error}") from error
    finally:
        new.unlink(missing_ok=True)
        new_label.unlink(missing_ok=True)


def _empty(folder: Path, broker: str) -> Path:
    """A new file of our own, 0600."""
    try:
        descriptor, name = tempfile.mkstemp(".new", f"{broker}.", folder)
    except OSError as error:
        raise DiskError(f"{folder}: {error.strerror}") from error
    os.close(descriptor)
    return Path(name)


def _fill(
    path: Path, instruments: Iterable[Instrument], given_up: threading.Event
) -> tuple[int, list[str]]:
    """How many rows were written, and which names stand for more than one contract."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for statement in SETUP:
            connection.execute(statement)
        rows = 0
        catalog = Catalog()
        for batch in _batches(_row(each, catalog) for each in instruments):
            if given_up.is_set():
                raise _GivenUp
            connection.executemany(INSERT, batch)
            rows += len(batch)
        catalog.write(connection)
        for statement in INDEXES:
            connection.execute(statement)
        return rows, [row[0] for row in connection.execute(AMBIGUOUS)]
    finally:
        connection.close()


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _row(instrument: Instrument, catalog: Catalog) -> Row:
    exchange, kind = instrument.exchange.value, instrument.kind.value
    expiry = instrument.expiry.isoformat() if instrument.expiry else None
    return (
        exchange,
        instrument.symbol,
        instrument.broker_symbol,
        instrument.instrument_token,
        kind,
        canonical(instrument.tick_size),
        instrument.lot_size,
        instrument.name,
        expiry,
        _text(instrument.strike),
        instrument.freeze_quantity,
        _text(instrument.lower_circuit),
        _text(instrument.upper_circuit),
        instrument.isin,
        *catalog.place(exchange, instrument.symbol, kind, instrument.name, expiry),
    )


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else canonical(amount)


def _instrument(row: Row) -> Instrument:
    (
        exchange,
        symbol,
        broker_symbol,
        token,
        kind,
        tick,
        lot,
        name,
        expiry,
        strike,
        freeze,
        low,
        up,
        isin,
    ) = row
    return Instrument(
        exchange=EXCHANGES[exchange],
        symbol=symbol,
        broker_symbol=broker_symbol,
        instrument_token=token,
        kind=KINDS[kind],
        tick_size=Decimal(tick),
        lot_size=lot,
        name=name,
        expiry=None if expiry is None else date.fromisoformat(expiry),
        strike=_amount(strike),
        freeze_quantity=freeze,
        lower_circuit=_amount(low),
        upper_circuit=_amount(up),
        isin=isin,
    )


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _search(path: Path, text: str, limit: int) -> list[Instrument]:
    """In a worker, over a connection of its own."""
    connection = _connect(path)
    try:
        return [_instrument(row) for row in searching.find(connection, COLUMNS, text, limit)]
    finally:
        connection.close()
