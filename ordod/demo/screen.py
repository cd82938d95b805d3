"""What a person sees of the demo: steps, lines with a mark, times at the right edge, and in the end what held.

On a terminal it leaves a moment for reading; the times shown are those of the work alone. In a pipe it is plain text.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

__all__ = ["Screen"]

WIDTH_MAX = 92  # longer lines are hard to read
LINE_S = 0.15  # on a terminal only
STEP_S = 0.7


class Screen:
    """Everything that is shown goes through here, so that what was claimed can be counted."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        self._console.width = min(self._console.width, WIDTH_MAX)
        self._is_plain = self._console.options.ascii_only
        self._claims = 0
        self._false = 0
        self._paused = 0.0
        self._steps: list[tuple[str, int, float]] = []

    @property
    def is_any_false(self) -> bool:
        return self._false > 0

    def rupees(self, amount: float) -> str:
        return f"{'Rs ' if self._is_plain else '₹'}{amount:,.2f}"

    def opening(self, folder: Path) -> None:
        self._console.print("[bold]Ordo, shown in half a minute[/]")
        self.say(
            f"A real daemon on the paper broker, in {folder}. No account, no network, no money. "
            "Every ✓ was checked a moment before you read it."
        )

    @contextmanager
    def step(self, number: int, title: str) -> Iterator[None]:
        """A step of the show; its claims are counted, and its time is what was measured of it."""
        self._console.print()
        self._console.print(Text.assemble((f"{number}  ", "bold cyan"), (title, "bold")))
        claims, paused, watch = self._claims, self._paused, Watch()
        yield
        worked = watch.seconds - (self._paused - paused)
        self._steps.append((title, self._claims - claims, worked))
        self._pause(STEP_S)

    @contextmanager
    def working(self, what: str) -> Iterator["Watch"]:
        """Measures what is done meanwhile; on a terminal something turns."""
        watch = Watch()
        with self._console.status(f"[dim]{what}[/]", spinner="line" if self._is_plain else "dots"):
            yield watch
        watch.stop()

    def ask(self, text: str) -> None:
        """What is done now."""
        self._line("→", ">", "cyan", text)

    def fact(self, text: str) -> None:
        """What is to be seen, for the reader to judge."""
        self._line("·", "-", "dim", text)

    def claim(
        self, text: str, holds: object, *, took: float | None = None, found: str = ""
    ) -> None:
        """Something Ordo promises, and whether it was so. `found`: what was found instead."""
        self._claims += 1
        if holds:
            self._line("✓", "ok", "bold green", text, took)
        else:
            self._false += 1
            self._line(
                "✗", "NOT TRUE:", "bold red", f"{text}{found and f' (found: {found})'}", took
            )

    def table(self, columns: list[str], rows: list[list[str]]) -> None:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
        for name in columns:
            justify: Literal["left", "right"] = "right" if name in ("seq", "after") else "left"
            table.add_column(name, justify=justify, overflow="fold")
        for row in rows:
            table.add_row(*map(self._text, row))
        self._indented(table)
        self._pause(LINE_S)

    def say(self, text: str) -> None:
        self._console.print(self._text(text), style="dim")

    def trouble(self, text: str) -> None:
        self._console.print()
        self._console.print(Text(f"The demo could not go on: {text}", "bold red"))

    def closing(self, seconds: float, command: str) -> None:
        """The summary, and what to do next. `command`: how `ordod` is called here."""
        self._console.print()
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
        columns: tuple[tuple[str, Literal["left", "right"]], ...]
        columns = (("", "left"), ("checked", "right"), ("time", "right"))
        for name, justify in columns:
            table.add_column(name, justify=justify, overflow="fold")
        for title, claims, worked in self._steps:
            table.add_row(title, str(claims), seconds_text(worked))
        self._console.print(table)
        self._console.print()
        verdict = (
            f"{self._false} of {self._claims} claims were not true. That is a bug: please report what you see above."
            if self._false
            else f"All {self._claims} claims were true."
        )
        self._console.print(
            Text.assemble(
                (verdict, "bold red" if self._false else "bold green"),
                (f" {seconds:.0f} s in all; the folder is gone again.", "dim"),
            )
        )
        self._console.print()
        self._console.print("[bold]What to do next[/]")
        ctl = f"{command.removesuffix('ordod')}ordoctl"
        following = Table.grid(padding=(0, 3, 0, 0))
        for _ in range(2):
            following.add_column(overflow="fold")
        for typed, about in (
            (f"{command} --config ordod.conf.example", "a daemon of your own, on the paper broker"),
            (f"{ctl} status", "in another terminal: how it is"),
            (f"{ctl} place buy 10 NSE:INFY --product CNC", "your first order"),
            (f"{ctl} kill", "and how to stop everything"),
        ):
            following.add_row(Text(typed, "cyan"), Text(about, "dim"))
        self._indented(following)
        self.say("README.md goes on from here; docs/orders.md says what an answer means.")

    def _line(
        self, mark: str, plain_mark: str, style: str, text: str, took: float | None = None
    ) -> None:
        line = Table.grid(padding=(0, 1, 0, 0), expand=True)
        line.add_column(no_wrap=True)
        line.add_column(ratio=1, overflow="fold")
        line.add_column(justify="right", no_wrap=True)
        line.add_row(
            Text(plain_mark if self._is_plain else mark, style),
            self._text(text),
            Text("" if took is None else seconds_text(took), "dim"),
        )
        self._indented(line)
        self._pause(LINE_S)

    def _text(self, text: str) -> Text:
        return Text(text.replace("✓", "ok") if self._is_plain else text)

    def _indented(self, inner: RenderableType) -> None:
        self._console.print(Padding(inner, (0, 0, 0, 3)))

    def _pause(self, seconds: float) -> None:
        if self._console.is_terminal:
            self._paused += seconds
            time.sleep(seconds)


class Watch:
    """Seconds from its making until `stop`, or until now."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._ended: float | None = None

    def stop(self) -> None:
        self._ended = time.perf_counter()

    @property
    def seconds(self) -> float:
        return (self._ended or time.perf_counter()) - self._began


def seconds_text(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
