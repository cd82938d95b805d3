"""Tables that fit: columns are left out, never cut, and a pipe gets them whole."""

from collections.abc import Mapping, Sequence
from typing import TextIO

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from ordoctl.render.words import text

__all__ = ["Grid", "console"]

FOLDED_COLUMNS = 20  # a column that may fold gets at least so many
PIPE_COLUMNS = 1000  # into a file or a pipe nothing is cut or folded


def console(file: TextIO) -> Console:
    """Where tables go. A pipe gets them whole and plain."""
    width = None if file.isatty() else PIPE_COLUMNS
    return _Console(file=file, width=width, markup=False, emoji=False, highlight=False)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Left to `main`, as with everything else that is printed; rich would exit with 1, the daemon's no."""
        raise BrokenPipeError


class Grid:
    """A table that leaves columns out where it would not fit, and says so.

    A column's name ends in `>` for numbers, in `~` where it may fold, in `?` where it may be left out, from the right. A column None
    is not there; then its cells are None too.
    """

    def __init__(
        self,
        *columns: str | None,
        title: str | None = None,
        footer: Mapping[str, RenderableType] | None = None,
    ) -> None:
        self._columns = [column for column in columns if column is not None]
        self._rows: list[list[RenderableType]] = []
        self._title = title
        self._footer = footer

    def row(self, *cells: RenderableType | None) -> None:
        row: list[RenderableType] = [
            text(cell) if isinstance(cell, str) else cell for cell in cells if cell is not None
        ]
        assert len(row) == len(self._columns), "a cell for each column"
        self._rows.append(row)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown = list(range(len(self._columns)))
        spare = [at for at in reversed(shown) if self._columns[at].endswith("?")]
        table = self._table(shown)
        while (
            spare
            and table.__rich_measure__(console, _unlimited(options)).maximum > options.max_width
        ):
            shown.remove(spare.pop(0))
            table = self._table(shown)
        # What cannot be left out is not cut either (half an order_id is of no use): the terminal folds such lines.
        width = max(options.max_width, self._least_width(shown))
        yield from console.render(table, options.update(max_width=width))
        left_out = [_name(name) for at, name in enumerate(self._columns) if at not in shown]
        if left_out:
            yield Text(f"no room for: {', '.join(left_out)}", style="dim")

    def _least_width(self, shown: Sequence[int]) -> int:
        widths = [
            FOLDED_COLUMNS
            if "~" in self._columns[at]
            else max(
                len(str(cell)) for cell in (_name(self._columns[at]), *(r[at] for r in self._rows))
            )
            for at in shown
        ]
        return sum(widths) + 2 * len(widths)

    def _table(self, shown: Sequence[int]) -> Table:
        table = Table(
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, 1, 0, 0),
            header_style="dim",
            footer_style="bold",
            title=text(self._title, "bold") if self._title else None,
            title_justify="left",
            show_footer=self._footer is not None,
        )
        for at in shown:
            column = self._columns[at]
            table.add_column(
                Text(_name(column)),
                footer=(self._footer or {}).get(_name(column), ""),
                justify="right" if ">" in column else "left",
                no_wrap="~" not in column,
                overflow="fold",
            )
        for row in self._rows:
            table.add_row(*(row[at] for at in shown))
        return table


def _name(column: str) -> str:
    return column.rstrip(">~?")


def _unlimited(options: ConsoleOptions) -> ConsoleOptions:
    return options.update(max_width=PIPE_COLUMNS)
