"""Instruments by what people type: `infy`, `nifty 24500 ce`, `reliance fut`, `banknfty`.

A hundred thousand contracts have a few thousand names: a share, an index, an underlying at an exchange is a *thing*. The
words are looked for among the things, and only then the contracts of those that fit are read, by an index and in the order
they are shown. So a search costs a millisecond or two, and the import hardly more than the rows themselves; an index over
the text of every contract would double both the file and the time, and would still have to sort ten thousand options.

Words like `ce`, `fut`, `nov`, `nfo` and numbers say which contracts; a share may be called so too (NSE:MCX), therefore what
finds nothing is looked for once more as names. A word that no name has is taken for the known one most like it.
"""

import difflib
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from string import ascii_uppercase
from typing import Any

from msgspec import Struct

from ordod.adapter import Exchange, InstrumentKind

__all__ = ["INDEXES", "SETUP", "Catalog", "find"]

SETUP = (
    "CREATE TABLE things (id INTEGER PRIMARY KEY, exchange, ticker, label, text, rank)",
    "CREATE TABLE words (word PRIMARY KEY, weight) WITHOUT ROWID",
)
INDEXES = ("CREATE INDEX by_thing ON instruments (thing, class, expiry)",)

CASH, FUTURE, OPTION = range(3)  # classes of contracts, in the order they are shown
CLASSES = {InstrumentKind.FUTURE: FUTURE, InstrumentKind.CALL: OPTION, InstrumentKind.PUT: OPTION}

# Ranks of things that fit equally well.
INDEX, SHARE_NSE, SHARE_BSE, UNDERLYING, FUND, SERIES = range(6)

SERIES_TAIL = re.compile(r"-[A-Z0-9]{1,2}$")  # INFY-BE, not BAJAJ-AUTO
FUNDS = re.compile(r"ETF|BEES\b")

EXACT = 0  # how well a thing fits the words: none better
ORDER = "expiry, CAST(strike AS REAL), kind, length(symbol), symbol"  # of contracts of one class

THINGS_MAX = 200  # whose contracts are looked at; ten microseconds each
WORDS_MAX = 8  # of a search; each is a condition
WORD_MAX = 64
TYPO_MIN = 4  # letters; shorter words are alike by chance
LIKENESS = 0.75

TOKEN = re.compile(r"[A-Z0-9&._-]+")
WORD = re.compile(r"[A-Z]{3,}")
NUMBER = re.compile(r"\d+(?:\.\d+)?")
YEAR = re.compile(r"20\d\d")  # behind a month
JOINED = re.compile(r"([A-Z&-]{2,})(\d{2,}(?:\.\d+)?)(CE|PE)?")  # nifty24500ce
DAY = re.compile(r"\d{0,2}(JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)[A-Z]{0,6}(\d\d)?")
MONTHS = (
    *("JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE", "JULY"),
    *("AUGUST", "SEPTEMBER", "OCTOBER", "NOVEMBER", "DECEMBER"),
)
KINDS = {
    **dict.fromkeys(("EQ", "EQUITY"), ("EQ",)),
    **dict.fromkeys(("CE", "CALL", "CALLS"), ("CE",)),
    **dict.fromkeys(("PE", "PUT", "PUTS"), ("PE",)),
    **dict.fromkeys(("FUT", "FUTURE", "FUTURES"), ("FUT",)),
    **dict.fromkeys(("OPT", "OPTION", "OPTIONS"), ("CE", "PE")),
    "INDEX": ("INDEX",),
}
WITH_INDICES = {"NSE": ("NSE", "NSE_INDEX"), "BSE": ("BSE", "BSE_INDEX")}


class Catalog:
    """The things of a master, gathered while its rows go by."""

    def __init__(self) -> None:
        self._things: dict[tuple[str, str], int] = {}
        self._labels: list[str] = []
        self._ranks: list[int] = []

    def place(
        self, exchange: str, symbol: str, kind: str, name: str, ends: str | None
    ) -> tuple[int, int]:
        """The number of the thing that this contract is, or is a contract on, and the contract's class."""
        body = symbol.partition(":")[2] or symbol
        class_ = CLASSES.get(InstrumentKind(kind), CASH)
        ticker = (body.rpartition(_stamp(ends))[0] or body) if ends and class_ else body
        known = self._things.get((exchange, ticker))
        if known is None:
            known = self._things[exchange, ticker] = len(self._ranks)
            label = _label(name)
            self._labels.append(label)
            self._ranks.append(_rank(exchange, ticker, label, class_))
        return known, class_

    def write(self, connection: sqlite3.Connection) -> None:
        """An underlying is found by its share's or index's name too: `infosys fut`."""
        names: dict[str, str] = {}
        for (_, ticker), number in self._things.items():
            if self._ranks[number] in {INDEX, SHARE_NSE, SHARE_BSE}:
                names.setdefault(ticker, self._labels[number])
        rows = []
        weights: dict[str, int] = {}
        for (exchange, ticker), number in self._things.items():
            label, rank = self._labels[number], self._ranks[number]
            if rank == UNDERLYING and ticker in names and names[ticker] != label:
                label = names[ticker]
            rows.append((number, exchange, ticker, label, f" {ticker}{label}", rank))
            for word in WORD.findall(label):
                weights.setdefault(word, 0)
            weight = 2 if rank in {INDEX, UNDERLYING} else 1
            for word in WORD.findall(ticker):
                weights[word] = max(weight, weights.get(word, 0))
        connection.executemany("INSERT INTO things VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.executemany("INSERT INTO words VALUES (?, ?)", sorted(weights.items()))


@lru_cache(4096)
def _stamp(ends: str) -> str:
    """As it stands in symbols: 24NOV26."""
    return f"{date.fromisoformat(ends):%d%b%y}".upper()


def _label(name: str) -> str:
    """A name as its words, each behind a space: ` INFOSYS LIMITED`."""
    return "".join(f" {word}" for word in TOKEN.findall(name.upper()))


def _rank(exchange: str, ticker: str, label: str, class_: int) -> int:
    if class_ != CASH:
        return UNDERLYING
    if exchange in {Exchange.NSE_INDEX, Exchange.BSE_INDEX}:
        return INDEX
    if SERIES_TAIL.search(ticker):
        return SERIES
    if FUNDS.search(ticker) or FUNDS.search(label):
        return FUND
    return SHARE_NSE if exchange == Exchange.NSE else SHARE_BSE


# A search


class _Asked(Struct, frozen=True):
    """What is looked for. `names`: of things; the rest says which contracts."""

    names: tuple[str, ...]
    exchanges: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()  # months and days in the symbol
    numbers: tuple[str, ...] = ()


def find(connection: sqlite3.Connection, columns: str, text: str, limit: int) -> list[Any]:
    """Rows of `columns`, at most `limit`, the likeliest first. For a worker: a millisecond or two at 150,000 rows."""
    place, tokens = _tokens(text)
    if not tokens:
        return []
    search = _Search(connection, columns, limit)
    as_names = _Asked(tuple(tokens), exchanges=place)
    attempts: tuple[Callable[[], _Asked | None], ...] = (
        lambda: _understood(place, tokens),
        lambda: as_names,
        lambda: search.meant(_understood(place, tokens)),
    )
    if len(tokens) == 1:
        search.begin_with(place, tokens[0])
    tried: list[_Asked] = []
    for attempt in attempts:
        if search.rows:
            break
        asked = attempt()
        if asked is not None and asked not in tried:
            tried.append(asked)
            search.run(asked)
    return list(search.rows.values())


def _tokens(text: str) -> tuple[tuple[str, ...], list[str]]:
    """The exchange that stands before a colon, and the words."""
    text = text.upper()
    before, colon, after = text.strip().partition(":")
    place: tuple[str, ...] = ()
    if colon and before in Exchange.__members__:
        place, text = (before,), after
    words = (token.removesuffix("-EQ")[:WORD_MAX] for token in TOKEN.findall(text))
    return place, list(filter(None, words))[:WORDS_MAX]


def _understood(place: tuple[str, ...], tokens: Sequence[str]) -> _Asked:
    names: list[str] = []
    exchanges = list(place)
    kinds: list[str] = []
    marks: list[str] = []
    numbers: list[str] = []
    for token in _apart(tokens):
        if token in KINDS:
            kinds += KINDS[token]
        elif token in Exchange.__members__:
            exchanges += WITH_INDICES.get(token, (token,))
        elif YEAR.fullmatch(token) and marks and marks[-1].isalpha():
            marks[-1] += token[2:]
        elif NUMBER.fullmatch(token):
            numbers.append(token)
        elif _is_day(token):
            marks.append(_mark(token))
        else:
            names.append(token)
    return _Asked(tuple(names), tuple(exchanges), tuple(kinds), tuple(marks), tuple(numbers))


def _apart(tokens: Iterable[str]) -> Iterator[str]:
    """`NIFTY24500CE` is three words; `NIFTY50` may be two."""
    for token in tokens:
        joined = JOINED.fullmatch(token)
        if joined and not _is_day(token):
            yield from filter(None, joined.groups())
        else:
            yield token


def _is_day(token: str) -> bool:
    found = DAY.fullmatch(token)
    letters = "".join(filter(str.isalpha, token))
    return found is not None and any(month.startswith(letters) for month in MONTHS)


def _mark(token: str) -> str:
    """NOVEMBER is written NOV, and 5NOV as 05NOV."""
    found = DAY.fullmatch(token)
    assert found is not None
    day = token[: found.start(1)]
    return f"{day.zfill(2) if day else ''}{found[1]}{found[2] or ''}"


class _Search:
    def __init__(self, connection: sqlite3.Connection, columns: str, limit: int) -> None:
        self._connection = connection
        self._select = f"SELECT rowid, {columns} FROM instruments WHERE"  # noqa: S608 - constants
        self._limit = limit
        self.rows: dict[int, Any] = {}  # by rowid: each once

    def begin_with(self, place: tuple[str, ...], token: str) -> None:
        """Contracts whose symbol, ours or the broker's, begins with this: one that was copied, whole or in part."""
        if not any(map(str.isdigit, token)) or not any(map(str.isalpha, token)):
            return
        end = f"{token}\U0010ffff"
        for exchange in place or tuple(Exchange):
            values = (f"{exchange}:{token}", f"{exchange}:{end}")
            self._add(f"symbol >= ? AND symbol < ? ORDER BY class, {ORDER}", values)
        if not self.rows and not place:
            condition = "broker_symbol >= ? AND broker_symbol < ?"
            self._add(f"{condition} ORDER BY class, {ORDER}", (token, end))

    def run(self, asked: _Asked) -> None:
        if not asked.names and asked.numbers:
            kinds = asked.kinds or ("CE", "PE")
            condition = f"strike = ? AND kind IN ({', '.join('?' * len(kinds))})"
            self._add(
                f"{condition} ORDER BY expiry, length(symbol), symbol", (asked.numbers[0], *kinds)
            )
            return
        things = self._things(asked)
        for number, match in things:
            if match == EXACT:
                self._contracts(asked, number, (CASH, FUTURE))
        for class_ in (CASH, FUTURE, OPTION):
            for number, _ in things:
                if len(self.rows) >= self._limit:
                    return
                self._contracts(asked, number, (class_,))

    def _things(self, asked: _Asked) -> list[tuple[int, int]]:
        """Number and how well it fits, the best first."""
        if not asked.names:
            return []
        joined, spaced = "".join(asked.names), " ".join(asked.names)
        every = " AND ".join(["instr(text, ?)"] * len(asked.names))
        begun = " AND ".join(["instr(text, ' ' || ?)"] * len(asked.names))
        values: list[str] = [joined, spaced, spaced, joined, *asked.names]
        condition = every
        if asked.exchanges:
            condition += f" AND exchange IN ({', '.join('?' * len(asked.exchanges))})"
        statement = f"""
            SELECT id, CASE
                WHEN ticker = ? THEN {EXACT}
                WHEN label = ' ' || ? AND rank < {SERIES} THEN {EXACT}
                WHEN instr(label || ' ', ' ' || ? || ' ') = 1 THEN 1
                WHEN instr(ticker, ?) = 1 THEN 2
                WHEN {begun} THEN 3
                ELSE 4 END AS match
            FROM things WHERE {condition}
            ORDER BY match > {EXACT} AND rank = {SERIES}, match, rank, length(ticker), ticker LIMIT {THINGS_MAX}"""  # noqa: S608 - words are bound
        return self._connection.execute(
            statement, (*values, *asked.names, *asked.exchanges)
        ).fetchall()

    def _contracts(self, asked: _Asked, thing: int, classes: Sequence[int]) -> None:
        """Of a thing, the nearest expiry first, and before all others those of exactly this strike."""
        for class_ in classes:
            condition = "thing = ? AND class = ?"
            values: list[int | str] = [thing, class_]
            if asked.kinds:
                condition += f" AND kind IN ({', '.join('?' * len(asked.kinds))})"
                values += asked.kinds
            for mark in asked.marks:
                condition += " AND expiry IS NOT NULL AND instr(symbol, ?)"
                values.append(mark)
            if class_ == OPTION and len(asked.numbers) == 1:
                at = f"{condition} AND strike = ? ORDER BY expiry, kind"
                self._add(at, (*values, asked.numbers[0]))
            for number in asked.numbers:
                condition += " AND (instr(symbol, ?) OR (class = 0 AND instr(name, ?)))"
                values += [number, number]
            self._add(f"{condition} ORDER BY {ORDER}", values)

    def _add(self, condition: str, values: Sequence[Any]) -> None:
        left = self._limit - len(self.rows)
        if left > 0:
            statement = f"{self._select} {condition} LIMIT {self._limit}"
            for number, *row in self._connection.execute(statement, values):
                if number not in self.rows and len(self.rows) < self._limit:
                    self.rows[number] = tuple(row)

    # Typos

    def meant(self, asked: _Asked) -> _Asked | None:
        """The same with each unknown word taken for a known one; None where there is none to be taken."""
        names = tuple(word if self._is_known(word) else self._likest(word) for word in asked.names)
        if not names or None in names or names == asked.names:
            return None
        return _Asked(names, asked.exchanges, asked.kinds, asked.marks, asked.numbers)  # type: ignore[arg-type]

    def _is_known(self, word: str) -> bool:
        statement = "SELECT 1 FROM things WHERE instr(text, ?) LIMIT 1"
        return self._connection.execute(statement, (word,)).fetchone() is not None

    def _likest(self, word: str) -> str | None:
        """A known word one slip away, what has contracts before what has none; else the one most like it of the same first letter."""
        if len(word) < TYPO_MIN or not (word.isascii() and word.isalpha()):
            return None
        slips = list(_slips(word))
        slots = ", ".join("?" * len(slips))
        best = f"SELECT word FROM words WHERE word IN ({slots}) ORDER BY weight DESC, length(word) DESC, word LIMIT 1"  # noqa: S608
        found = self._connection.execute(best, slips).fetchone()
        if found is not None:
            return str(found[0])
        alike = self._connection.execute(
            "SELECT word FROM words WHERE word >= ? AND word < ? AND length(word) BETWEEN ? AND ?",
            (word[0], chr(ord(word[0]) + 1), len(word) - 1, len(word) + 2),
        )
        near = difflib.get_close_matches(word, [row[0] for row in alike], 1, LIKENESS)
        return near[0] if near else None


def _slips(word: str) -> Iterator[str]:
    """All that one letter left out, put in, exchanged with its neighbour or mistaken makes of it."""
    parts = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    for before, after in parts:
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]
        if after:
            yield before + after[1:]
        for letter in ascii_uppercase:
            yield before + letter + after
            if after:
                yield before + letter + after[1:]
