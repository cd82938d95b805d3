"""Positions, holdings, money: one table an account."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ordoctl.models import AccountFunds, AccountHoldings, AccountPositions
from ordoctl.render.grid import Grid
from ordoctl.render.words import NOTHING, failure, gain, grouped, rupees, text, when

__all__ = ["funds", "holdings", "positions"]


def positions(accounts: Sequence[AccountPositions]) -> RenderableType:
    return _by_account(accounts, "positions", _positions)


def _positions(account: AccountPositions) -> RenderableType:
    if not account.positions:
        return Text("no positions")
    total = sum((one.pnl for one in account.positions if one.pnl is not None), Decimal(0))
    table = Grid(
        "symbol",
        "product",
        "quantity>",
        "average>",
        "last>",
        "P&L>",
        footer={"symbol": "total", "P&L": gain(total)},
    )
    for one in account.positions:
        table.row(
            one.symbol,
            one.product or NOTHING,
            grouped(one.quantity),
            rupees(one.average_price),
            rupees(one.last_price),
            gain(one.pnl),
        )
    return table


def holdings(accounts: Sequence[AccountHoldings]) -> RenderableType:
    return _by_account(accounts, "holdings", _holdings)


def _holdings(account: AccountHoldings) -> RenderableType:
    if not account.holdings:
        return Text("no holdings")
    values = [
        one.last_price * one.quantity if one.last_price is not None else None
        for one in account.holdings
    ]
    total = sum((value for value in values if value is not None), Decimal(0))
    gained = sum((one.pnl for one in account.holdings if one.pnl is not None), Decimal(0))
    table = Grid(
        "symbol",
        "quantity>",
        "T1>?",
        "pledged>?",
        "average>",
        "last>",
        "value>",
        "P&L>",
        footer={"symbol": "total", "value": text(rupees(total)), "P&L": gain(gained)},
    )
    for one, value in zip(account.holdings, values, strict=True):
        table.row(
            one.symbol,
            grouped(one.quantity),
            str(one.t1_quantity or ""),
            str(one.collateral_quantity or ""),
            rupees(one.average_price),
            rupees(one.last_price),
            rupees(value),
            gain(one.pnl),
        )
    return table


def funds(accounts: Sequence[AccountFunds]) -> RenderableType:
    return _by_account(accounts, "funds", _funds)


def _funds(account: AccountFunds) -> RenderableType:
    table = Grid("segment", "available>", "used>", "cash>", "collateral>?", "opening>?")
    for one in account.funds:
        table.row(
            one.segment,
            Text(rupees(one.available), style="bold"),
            rupees(one.used),
            rupees(one.cash),
            rupees(one.collateral),
            rupees(one.opening),
        )
    return table


def _by_account(accounts: Sequence[Any], what: str, table: Any) -> RenderableType:
    """One table an account, with the time of reading; or why there is none."""
    if not accounts:
        return Text("no accounts")
    parts: list[RenderableType] = []
    for number, one in enumerate(accounts):
        if number:
            parts.append(Text(""))
        read = f", read at {when(one.read_at)}" if one.read_at else ""
        parts.append(text(f"{one.account}{read}", "bold"))
        if one.error:
            parts.append(text(f"{what} could not be read: {failure(one.error)}", "red"))
        else:
            parts.append(table(one))
    return Group(*parts)
