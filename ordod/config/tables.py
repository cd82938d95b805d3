"""Reading a TOML table key by key: what was asked for is known, what is left over was misspelt.

Nothing here raises for a person's mistake: each is noted with its line, so that all of them are told at once. Messages
never repeat a value under a key that may hold a secret.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar

from ordod.config.lines import KeyPath

__all__ = ["Mistakes", "Table", "closest_hint"]

Word = TypeVar("Word", bound=StrEnum)
T = TypeVar("T")


class Mistakes:
    """What is wrong with one file, in the order of its lines."""

    def __init__(self, file: str, lines: Mapping[KeyPath, int]) -> None:
        self._file = file
        self._lines = lines
        self._found: list[tuple[int, str]] = []

    def add(self, path: KeyPath, message: str) -> None:
        """`message` about the key at `path`; told with the line of the nearest table that stands in the file."""
        near = path
        while near and near not in self._lines:
            near = near[:-1]
        self._found.append((self._lines.get(near, 1), message))

    def __iter__(self) -> Iterator[str]:
        for line, message in sorted(self._found, key=lambda found: found[0]):
            yield f"{self._file}:{line}: {message}"

    def __bool__(self) -> bool:
        return bool(self._found)


class Table:
    """One table of the file. `close` after the last key was asked for."""

    def __init__(self, values: Mapping[str, Any], path: KeyPath, mistakes: Mistakes) -> None:
        self._values = values
        self._path = path
        self._mistakes = mistakes
        self._known: list[str] = []

    @property
    def _name(self) -> str:
        """What a message about a key here begins with."""
        return f"[{'.'.join(self._path)}] " if self._path else ""

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def names(self) -> tuple[str, ...]:
        """The keys that stand here, for tables whose keys are names a person chose."""
        self._known += self._values
        return tuple(self._values)

    def tables(self) -> tuple[str, ...]:
        """The keys under which tables stand whose names a person chose, beside keys that are known."""
        names = tuple(key for key in self._values if self.is_table(key) and key not in self._known)
        self._known += names
        return names

    def wrong(self, key: str | None, message: str) -> None:
        """Note a mistake about a key, or about the table itself."""
        if key is None:
            self._mistakes.add(self._path, f"{self._name}{message}")
        else:
            self._mistakes.add((*self._path, key), f"{self._name}{key} {message}")

    def refuse(self, key: str, message: str) -> None:
        """A key that is known and may not stand here."""
        self._known.append(key)
        if key in self._values:
            self.wrong(key, message)

    def table(self, key: str) -> "Table":
        """The table under this key; an empty one where there is none."""
        value = self._get(key, dict, "a table")
        return Table(value or {}, (*self._path, key), self._mistakes)

    def is_table(self, key: str) -> bool:
        return isinstance(self._values.get(key), dict)

    def text(self, key: str) -> str | None:
        value: str | None = self._get(key, str, "a string, in quotes")
        if value is not None and not value.strip():
            self.wrong(key, "is empty; leave the key out instead")
            return None
        return value

    def flag(self, key: str) -> bool:
        return bool(self._get(key, bool, "true or false"))

    def count(self, key: str) -> int | None:
        """A whole number, at least 1."""
        value: int | None = self._get(key, int, "a whole number")
        return value if self._is_above_zero(key, value) else None

    def amount(self, key: str) -> Decimal | None:
        """A number above 0, exact."""
        value: int | Decimal | None = self._get(key, (int, Decimal), "a number")
        return Decimal(value) if self._is_above_zero(key, value) and value is not None else None

    def texts(self, key: str) -> tuple[str, ...]:
        values = self._get(key, list, "a list of strings") or ()
        if all(isinstance(value, str) for value in values):
            return tuple(values)
        self.wrong(key, "must be a list of strings, each in quotes")
        return ()

    def plain(self, key: str) -> Any:
        """Whatever stands there, where any kind may; None: nothing."""
        self._known.append(key)
        return self._values.get(key)

    def word(self, key: str, words: type[Word]) -> Word | None:
        return self.one_of(key, words, self.text(key))

    def words(self, key: str, words: type[Word]) -> tuple[Word, ...]:
        read = (self.one_of(key, words, text) for text in self.texts(key))
        return tuple(word for word in read if word is not None)

    def one_of(self, key: str, words: type[Word], text: str | None) -> Word | None:
        """`text` as one of `words`; noted where it is none of them."""
        if text is None:
            return None
        if text in tuple(words):
            return words(text)
        hint = closest_hint(text, tuple(words))
        self.wrong(key, f'cannot be "{text}": it is one of {", ".join(words)}{hint}')
        return None

    def checked(self, key: str, convert: Callable[[str], T]) -> T | None:
        """The text under this key through `convert`, whose ValueError says what it must be."""
        text = self.text(key)
        if text is None:
            return None
        try:
            return convert(text)
        except ValueError as error:
            self.wrong(key, str(error))
            return None

    def close(self) -> None:
        """Whatever was not asked for is unknown."""
        for key in self._values:
            if key not in self._known:
                hint = closest_hint(key, self._known)
                self._mistakes.add((*self._path, key), f'{self._name}unknown key "{key}"{hint}')

    def _get(self, key: str, kind: type | tuple[type, ...], meaning: str) -> Any:
        self._known.append(key)
        value = self._values.get(key)
        is_misplaced_flag = isinstance(value, bool) and kind is not bool
        if value is not None and (is_misplaced_flag or not isinstance(value, kind)):
            self.wrong(key, f"must be {meaning}, and is {_kind_of(value)}")
            return None
        return value

    def _is_above_zero(self, key: str, value: int | Decimal | None) -> bool:
        if value is None:
            return True
        if Decimal(value).is_finite() and value > 0:
            return True
        self.wrong(key, f"must be above 0, and is {value}")
        return False


def closest_hint(text: str, known: Collection[str]) -> str:
    """`; did you mean "api_key"?`, or nothing where no known word is near."""
    near = get_close_matches(text.lower(), {word.lower(): word for word in known}, 1, 0.6)
    if not near:
        return ""
    meant = next(word for word in known if word.lower() == near[0])
    return f'; did you mean "{meant}"?'


def _kind_of(value: object) -> str:
    match value:
        case bool():
            return "true or false"
        case int():
            return "a whole number"
        case Decimal():
            return "a number with decimals"
        case str():
            return "a string"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or time"
