"""Candles as a picture of characters: as many as the terminal is wide, several of them drawn as one where there are more."""

from collections.abc import Sequence
from decimal import Decimal

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from ordoctl.models import Candle
from ordoctl.render.words import day_and_minute, rupees

__all__ = ["Plot"]

HEIGHT = 18  # lines of prices
WIDTH_MAX = 160  # columns; a pipe has no width of its own
WICK, BODY = "│", "█"


class Plot:
    """Prices up, time to the right; a rising candle green and a falling one red."""

    def __init__(self, candles: Sequence[Candle]) -> None:
        self._candles = candles

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self._candles:
            yield Text("no candles")
            return
        low, high = min(c.low for c in self._candles), max(c.high for c in self._candles)
        labels = [rupees(_level(low, high, line)) for line in range(HEIGHT)]
        margin = max(len(label) for label in labels) + 2
        drawn = _merged(self._candles, max(1, min(options.max_width, WIDTH_MAX) - margin))
        for line, label in enumerate(labels):
            row = Text(f"{label if line % 4 == 0 else '':>{margin - 2}} ┤", style="dim")
            for candle in drawn:
                style = "green" if candle.close >= candle.open else "red"
                row.append(_cell(candle, low, high, line), style=f"not dim {style}")
            yield row
        first, last = (day_and_minute(one.at) for one in (drawn[0], self._candles[-1]))
        between = max(1, len(drawn) - len(first) - len(last))
        yield Text(" " * margin + first + " " * between + last, style="dim")
        of_each = -(-len(self._candles) // len(drawn))
        note = f"{len(self._candles)} candles" + (
            f", {of_each} in one column" if of_each > 1 else ""
        )
        yield Text(" " * margin + f"{note}, low {rupees(low)}, high {rupees(high)}", style="dim")


def _merged(candles: Sequence[Candle], columns: int) -> list[Candle]:
    """At most so many candles, each of as many neighbours as needed."""
    size = -(-len(candles) // columns)
    groups = (candles[at : at + size] for at in range(0, len(candles), size))
    return [
        Candle(
            group[0].at,
            group[0].open,
            max(one.high for one in group),
            min(one.low for one in group),
            group[-1].close,
        )
        for group in groups
    ]


def _level(low: Decimal, high: Decimal, line: int) -> Decimal:
    """The price in the middle of a line; line 0 is the highest."""
    return (high - (high - low) * (2 * line + 1) / (2 * HEIGHT)).quantize(Decimal("0.01"))


def _line(price: Decimal, low: Decimal, high: Decimal) -> int:
    if high == low:
        return HEIGHT // 2
    return min(HEIGHT - 1, int((high - price) / (high - low) * HEIGHT))


def _cell(candle: Candle, low: Decimal, high: Decimal, line: int) -> str:
    top, bottom = (_line(price, low, high) for price in (candle.high, candle.low))
    if not top <= line <= bottom:
        return " "
    ends = sorted(_line(price, low, high) for price in (candle.open, candle.close))
    return BODY if ends[0] <= line <= ends[1] else WICK
