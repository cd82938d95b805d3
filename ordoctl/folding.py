"""Talk that fits a terminal: folded between words, never within a path or a command."""

import os
import shlex
import shutil
import sys
from pathlib import Path
from textwrap import wrap
from typing import TextIO

__all__ = ["folded", "short", "width"]

NARROWEST = 40
PIPE_COLUMNS = 10_000


def width(stream: TextIO) -> int:
    """Of the terminal this goes to. A file or a pipe gets its lines whole."""
    if not stream.isatty():
        return PIPE_COLUMNS
    return max(shutil.get_terminal_size((80, 24)).columns, NARROWEST)


def folded(text: str, *, columns: int | None = None, hanging: int = 0) -> str:
    """Each line of `text` folded, what goes on indented by so many blanks. A first line's own blanks stay.

    Args:
        columns: else those of standard error, where talk goes.
    """
    lines = []
    for line in text.split("\n"):
        blanks = " " * (len(line) - len(line.lstrip(" ")))
        lines += wrap(
            line.strip(),
            columns or width(sys.stderr),
            initial_indent=blanks,
            subsequent_indent=" " * hanging if hanging else blanks,
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
        ) or [""]
    return "\n".join(lines)


def short(path: Path | str) -> str:
    """A path as a shell takes it, below one's home with ~."""
    text, home = str(path), os.environ.get("HOME", "")
    rest = text.removeprefix(home.rstrip("/") + "/")
    if len(home) > 1 and rest != text and shlex.quote(rest) == rest:
        return f"~/{rest}"
    return shlex.quote(text)
