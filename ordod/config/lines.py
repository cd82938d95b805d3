"""On which line of a TOML text a key stands. `tomllib` gives the values; nothing in the library gives places.

The text was read by `tomllib` before: the scanner believes it is valid TOML and only keeps count.
"""

import re
import tomllib
from bisect import bisect_right
from typing import TypeAlias

__all__ = ["KeyPath", "key_lines"]

KeyPath: TypeAlias = tuple[str, ...]

BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
KEY_PART = re.compile(r"""[ \t]*("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)[ \t]*""")
STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")|\'\'\'.*?\'{3,5}(?!\')|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'',
    re.DOTALL,
)
BARE = re.compile(r"[^,\]}#\n]+")


def key_lines(text: str) -> dict[KeyPath, int]:
    """Every key and table of `text` by its path, with the line (from 1) where it stands first."""
    return _Scanner(text.replace("\r\n", "\n")).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._ends = [place.start() for place in re.finditer("\n", text)]
        self._lines: dict[KeyPath, int] = {}

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self._blank()
        while self._at < len(self._text):
            if self._take("["):
                self._take("[")
                table = self._key(())
                self._take("]")
                self._take("]")
            else:
                self._pair(table)
            self._blank()
        return self._lines

    def _pair(self, table: KeyPath) -> None:
        path = self._key(table)
        self._take("=")
        self._value(path)

    def _key(self, table: KeyPath) -> KeyPath:
        """A key, dotted or not, below `table`; every step of it is noted."""
        path = table
        line = bisect_right(self._ends, self._at - 1) + 1
        while part := KEY_PART.match(self._text, self._at):
            self._at = part.end()
            path = (*path, _plain(part[1]))
            self._lines.setdefault(path, line)
            if not self._take("."):
                break
        assert path != table, "a key has a part; without one the scan would not end"
        return path

    def _value(self, path: KeyPath) -> None:
        self._blank()
        if string := STRING.match(self._text, self._at):
            self._at = string.end()
        elif self._take("["):
            self._blank()
            while not self._take("]"):
                self._value(path)
                self._comma()
        elif self._take("{"):
            self._blank()
            while not self._take("}"):
                self._pair(path)
                self._comma()
        else:
            self._skip(BARE)

    def _comma(self) -> None:
        self._blank()
        self._take(",")
        self._blank()

    def _blank(self) -> None:
        self._skip(BLANK)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        assert match is not None, "in valid TOML a value has a character, and blanks may be none"
        self._at = match.end()

    def _take(self, mark: str) -> bool:
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True


def _plain(part: str) -> str:
    """A key's part without quotes and escapes."""
    return next(iter(tomllib.loads(f"{part} = 0"))) if part[0] in "\"'" else part
