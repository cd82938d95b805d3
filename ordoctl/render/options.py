"""An option chain as traders read it: calls left, puts right, the money in the middle."""

from decimal import Decimal

from rich.console import Group, RenderableType
from rich.text import Text

from ordoctl.models import ModelBasis, OptionChain, OptionLeg
from ordoctl.render.grid import Grid
from ordoctl.render.words import NOTHING, grouped, rupees, text

__all__ = ["chain"]

# Calls from the outside in, puts mirrored. Open interest and bid, ask give way where it is narrow.
COLUMNS = (
    "OI>",
    "delta>",
    "IV>",
    "bid>?",
    "ask>?",
    "call>",
    "strike>",
    "put>",
    "bid>?",
    "ask>?",
    "IV>",
    "delta>",
    "OI>",
)


def chain(answer: OptionChain) -> RenderableType:
    table = Grid(*COLUMNS)
    for row in answer.strikes:
        is_money = row.strike == answer.money
        strike = Text(_strike(row.strike), style="bold reverse" if is_money else "bold")
        style = "bold" if is_money else ""
        table.row(
            *_leg(row.call, answer, row.strike, style),
            strike,
            *_put(row.put, answer, row.strike, style),
        )
    return Group(text(_title(answer), "bold"), table, text(_basis(answer.basis), "dim"))


def _title(answer: OptionChain) -> str:
    parts = [f"{answer.symbol}  {answer.expiry:%a %d %b %Y}"]
    if answer.spot is not None:
        parts.append(f"spot {rupees(answer.spot)}")
    if answer.basis.forward is not None:
        parts.append(f"forward {rupees(answer.basis.forward.price)}")
    if answer.lot_size:
        parts.append(f"lot {answer.lot_size}")
    return "   ".join(parts)


def _leg(leg: OptionLeg | None, answer: OptionChain, strike: Decimal, style: str) -> list[Text]:
    """Open interest, delta, IV, bid, ask, price of a call; what is in the money is told by colour."""
    is_inside = strike < answer.money
    return _cells(leg, "green" if is_inside else style)


def _put(leg: OptionLeg | None, answer: OptionChain, strike: Decimal, style: str) -> list[Text]:
    interest, delta, volatility, bid, ask, last = _cells(
        leg, "green" if strike > answer.money else style
    )
    return [last, bid, ask, volatility, delta, interest]


def _cells(leg: OptionLeg | None, style: str) -> list[Text]:
    if leg is None:
        return [Text(NOTHING, style="dim")] * 6
    greeks = leg.greeks
    return [
        text(grouped(leg.oi)),
        text(f"{greeks.delta:+.2f}" if greeks else NOTHING),
        text(f"{greeks.iv_percent:.1f}" if greeks else NOTHING),
        text(rupees(leg.bid_price), "dim"),
        text(rupees(leg.ask_price), "dim"),
        text(rupees(leg.last_price), style),
    ]


def _strike(strike: Decimal) -> str:
    return f"{strike.normalize():f}"


def _basis(basis: ModelBasis) -> str:
    if basis.forward is None:
        return "no forward is known: no IV and no greeks"
    source = " and ".join(basis.forward.symbols)
    return (
        f"{basis.model}, forward by {basis.forward.source}{f' of {source}' if source else ''}, "
        f"rate {basis.rate_percent} %, {basis.days:.2f} days, {basis.day_count}; IV in percent a year"
    )
