"""The little Markdown that pages are made of."""

import re
from collections.abc import Iterable, Sequence

__all__ = ["anchor", "row", "table"]


def row(*cells: str) -> str:
    """One line of a table; what would end a cell is escaped."""
    return f"| {' | '.join(' '.join(cell.split()).replace('|', '&#124;') for cell in cells)} |\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return row(*head) + row(*("---" for _ in head)) + "".join(row(*each) for each in rows)


def anchor(heading: str) -> str:
    """What a link to a heading names, as the forges make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
