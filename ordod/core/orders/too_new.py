"""A journal that a newer ordod wrote, told by the first line of its files before anything else is judged by this one's rules.

What a newer format changes is not known here: its records may look like damage, and what mends damage would destroy them. So
one thing stays the same in every format to come: each file begins with an `open` whose `format`, `version`, `previous` and
hash stand as they do now. `previous` makes that line prove itself, with none of what stands before it. A flipped bit in the
number is not proved, and so is damage like any other.
"""

from collections.abc import Iterable
from contextlib import suppress

import msgspec
from msgspec import Struct

from ordod.core.orders.format import Codec
from ordod.core.orders.records import FORMAT
from ordod.core.orders.segments import Damage, Segment, read
from ordod.core.ports import Disk

__all__ = ["TooNew", "refuse_newer", "refuse_newer_line"]

LINE_BYTES_MAX = 1 << 14  # an `open` has some 400, and a sentence for each reason to be behind


class TooNew(Exception):  # noqa: N818 - nothing is wrong with the journal
    """A newer ordod wrote this journal; this one cannot read it. The message names file, format and what to start."""


class _Open(Struct, tag="open"):
    format: int
    version: str = ""
    previous: str = ""


_decoder = msgspec.json.Decoder(_Open)


def refuse_newer(disk: Disk, codec: Codec, segments: Iterable[Segment]) -> None:
    """Look at the first line of each. Raises TooNew."""
    for segment in segments:
        with suppress(Damage, FileNotFoundError):  # the walk will say it
            line, newline, _ = read(disk, segment.path, 0, LINE_BYTES_MAX).partition(b"\n")
            if newline:
                refuse_newer_line(codec, line, segment.path)


def refuse_newer_line(codec: Codec, line: bytes, path: str) -> None:
    """Raises TooNew: the line is a proved `open` of a format that this ordod does not know."""
    try:
        found = _decoder.decode(line)
    except (msgspec.MsgspecError, ValueError):  # ValueError: no UTF-8
        return
    if found.format > FORMAT and codec.check(line, found.previous.encode()) is not None:
        version = f"ordod {found.version}" if found.version else "an ordod of unknown version"
        start = f"ordod {found.version}" if found.version else "that one"
        raise TooNew(
            f"{path} is of format {found.format}, written by {version}; this ordod reads up to format {FORMAT}. "
            f"Nothing is damaged and nothing was changed: start {start}, or a newer one"
        )
