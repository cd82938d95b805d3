"""An option chain as traders read it: calls left, puts right, the money in the middle."""

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from ordoctl.models import ModelBasis, OptionChain, OptionLeg
from ordoctl.render.grid import Grid
from ordoctl.render.words import NOTHING, grouped, rupees, text

__all__ = ["chain"]

WIDE = 104  # columns that bids and asks of both sides need; they come and go together


def chain(answer: OptionChain) -> RenderableType:
    return Group(text(_title(answer), "bold"), _Chain(answer), text(_basis(answer.basis), "dim"))


class _Chain:
    """Calls from the outside in, puts mirrored."""

    def __init__(self, answer: OptionChain) -> None:
        self._answer = answer

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        market = ("bid>", "ask>") if options.max_width >= WIDE else (None, None)
        greeks = ("IV>", "delta>", "OI>")
        table = Grid(*reversed(greeks), *market, "call>", "strike>", "put>", *market, *greeks)
        money = self._answer.money
        for row in self._answer.strikes:
            style = "bold reverse" if row.strike == money else "bold"
            calls = _cells(row.call, is_inside=row.strike < money, is_wide=market[0] is not None)
            puts = _cells(row.put, is_inside=row.strike > money, is_wide=market[0] is not None)
            table.row(
                *reversed(calls[3:]),
                *calls[1:3],
                calls[0],
                Text(f"{row.strike.normalize():f}", style=style),
                *puts,
            )
        yield table


def _title(answer: OptionChain) -> str:
    parts = [f"{answer.symbol}  {answer.expiry:%a %d %b %Y}"]
    if answer.spot is not None:
        parts.append(f"spot {rupees(answer.spot)}")
    if answer.basis.forward is not None:
        parts.append(f"forward {rupees(answer.basis.forward.price)}")
    if answer.lot_size:
        parts.append(f"lot {answer.lot_size}")
    return "   ".join(parts)


def _cells(leg: OptionLeg | None, *, is_inside: bool, is_wide: bool) -> list[Text | None]:
    """Price, bid, ask, IV, delta, open interest; in the money in colour."""
    greeks = leg.greeks if leg is not None else None
    cells: list[Text | None] = [
        text(rupees(leg.last_price if leg else None), "green" if is_inside else ""),
        text(rupees(leg.bid_price if leg else None), "dim") if is_wide else None,
        text(rupees(leg.ask_price if leg else None), "dim") if is_wide else None,
        text(f"{greeks.iv_percent:.1f}" if greeks else NOTHING),
        text(f"{greeks.delta:+.2f}" if greeks else NOTHING),
        text(grouped(leg.oi if leg else None)),
    ]
    return cells


def _basis(basis: ModelBasis) -> str:
    if basis.forward is None:
        return "no forward is known: no IV and no greeks"
    source = " and ".join(basis.forward.symbols)
    return (
        f"{basis.model}, forward by {basis.forward.source}{f' of {source}' if source else ''}, "
        f"rate {basis.rate_percent} %, {basis.days:.2f} days, {basis.day_count}; IV in percent a year"
    )
