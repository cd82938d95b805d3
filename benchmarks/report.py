"""Figures as tables for people."""

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure, Part, Verdict

__all__ = ["show"]

STYLES = {Verdict.AIM: "green", Verdict.KEPT: "green", Verdict.MISSED: "red", Verdict.NONE: ""}


def show(part: Part, console: Console) -> None:
    table = Table(title=part.title, title_justify="left", title_style="bold")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("budget", justify="right")
    table.add_column("aim", justify="right")
    table.add_column("")
    for figure in part.figures:
        style = STYLES[figure.verdict]
        table.add_row(
            figure.name,
            _number(figure.value, figure.unit),
            _limit(figure, figure.budget),
            _limit(figure, figure.aim),
            f"[{style}]{figure.verdict}[/{style}]" if style else "",
        )
    console.print(table)
    for note in part.notes:
        console.print(f"  {note}", style="dim", highlight=False)
    console.print()


def _limit(figure: Figure, limit: float | None) -> str:
    if limit is None:
        return ""
    return f"{'≥' if figure.more_is_better else '≤'} {_number(limit, '')}".strip()


def _number(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 20 else 2
    return f"{value:,.{digits}f} {unit}".strip()
