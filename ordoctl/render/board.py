"""The screen of `ordoctl top`: as much of the board as its lines hold, the most pressing first."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.text import Text

from ordoctl.board import Board, Held
from ordoctl.models import Account, Order
from ordoctl.render.grid import Grid
from ordoctl.render.words import NOTHING, day_or_clock, gain, grouped, plain, rupees, text, word

__all__ = ["Screen"]

KEYS = "↑ ↓ choose an order   c cancel it   K kill: stop everything   q quit"
ASKED = {
    "c": "press c again to cancel the order; any other key leaves it",
    "K": "press K again to stop everything and cancel what is open; any other key does nothing",
}
ACCOUNTS_MAX, HEAD_LINES = 6, 2  # a table's heading takes two lines


class Screen:
    """The board, at most as high as the terminal."""

    def __init__(self, board: Board, at: datetime) -> None:
        self._board = board
        self._at = at

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = options.height or console.size.height
        top = [self._headline(), *self._alarms()]
        bottom = [self._latency(), self._prompt()]
        accounts = self._accounts()
        left = height - len(top) - len(bottom) - _lines(len(accounts)) - 1
        orders, held = self._board.open_orders, self._board.held
        # Both tables get half, and what the other one does not need.
        half = max(1, (left - 2 * HEAD_LINES) // 2)
        for_orders = max(half, left - 2 * HEAD_LINES - len(held))
        for_held = max(1, left - 2 * HEAD_LINES - min(len(orders), for_orders))
        parts: list[RenderableType] = [
            *top,
            _account_table(accounts),
            self._positions(held, for_held),
            self._orders(orders, for_orders),
        ]
        free = options.update(height=None)
        lines = console.render_lines(Group(*parts), free, pad=False)[: height - len(bottom)]
        lines += [[] for _ in range(height - len(bottom) - len(lines))]
        for part in bottom:
            lines += console.render_lines(part, free, pad=False)[:1] or [[]]
        for number, line in enumerate(lines):
            if number:
                yield Segment.line()
            yield from line

    def _headline(self) -> Text:
        status = self._board.status
        if status is None:
            return text(self._board.lost or "asking the daemon ...", "bold")
        style = "bold green" if status.state == "READY" else "bold yellow"
        if status.state in ("KILLED", "JOURNAL_FAILED") or self._board.lost:
            style = "bold red"
        state = "NO DAEMON" if self._board.lost else status.state
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(f"ordod {plain(status.version)}  ", "dim")
        line.append(plain(state), style)
        total = [one.pnl for one in self._board.held if one.pnl is not None]
        if total:
            line.append("   P&L ")
            line.append_text(gain(sum(total, Decimal(0))))
        line.append(f"   {self._at:%H:%M:%S} IST", "dim")
        return line

    def _alarms(self) -> list[Text]:
        status, found = self._board.status, []
        if self._board.lost:
            found.append(text(f"{self._board.lost}; trying again", "bold red"))
        if status is not None and status.kill is not None and status.kill.engaged:
            why = next((scope.reason for scope in status.kill.scopes if scope.reason), None)
            reason = f" ({why})" if why else ""
            found.append(text(f"KILLED{reason}: no new order leaves", "bold red"))
        if status is not None and status.todo:
            found.append(text(f"→ {status.todo}", "bold"))
        for line in found:
            line.no_wrap, line.overflow = True, "ellipsis"
        return found

    def _accounts(self) -> Sequence[Account]:
        """Those that cannot trade first."""
        status = self._board.status
        every = status.accounts if status is not None else ()
        return sorted(every, key=lambda one: one.can_trade is True)[:ACCOUNTS_MAX]

    def _positions(self, held: Sequence[Held], room: int) -> RenderableType:
        if not held:
            return Text("\nno positions", style="dim")
        several = len({one.account for one in held}) > 1
        table = Grid(
            "account?" if several else None,
            "position",
            "product?",
            "quantity>",
            "average>?",
            "last>",
            "P&L>",
        )
        for one in held[:room]:
            row = one.position
            table.row(
                one.account if several else None,
                row.symbol,
                row.product or NOTHING,
                grouped(row.quantity),
                rupees(row.average_price),
                rupees(one.last_price),
                gain(one.pnl),
            )
        return _with_rest(table, len(held) - room)

    def _orders(self, orders: Sequence[Order], room: int) -> RenderableType:
        if not orders:
            return Text("\nno open orders", style="dim")
        several = len({one.account for one in orders}) > 1
        table = Grid(
            "",
            "time?",
            "account?" if several else None,
            "order",
            "side",
            "quantity>",
            "price>?",
            "status",
        )
        names = [order.order_id for order in orders]
        chosen = self._board.chosen
        at = names.index(chosen.order_id) if chosen is not None else 0
        first = max(0, min(at - room + 1, len(orders) - room))
        for order in orders[first : first + room]:
            price = order.price or order.trigger_price
            table.row(
                text(">", "bold") if order is chosen else "",
                day_or_clock(order.placed_at),
                order.account if several else None,
                text(order.symbol, "bold" if order is chosen else ""),
                word(order.side),
                f"{grouped(order.filled_quantity)}/{grouped(order.quantity)}",
                rupees(price) if price is not None else order.type,
                word(order.status),
            )
        return _with_rest(table, len(orders) - room)

    def _latency(self) -> Text:
        taken = self._board.status.latency if self._board.status is not None else ()
        told = [
            f"{one.account} {one.median_ms:.1f} ms (95 of 100 within {one.slow_ms:.1f}, broker {one.broker_ms:.1f})"
            for one in taken
            if one.median_ms is not None and one.slow_ms is not None and one.broker_ms is not None
        ]
        line = text(f"orders take: {', '.join(told)}" if told else "", "dim")
        line.no_wrap, line.overflow = True, "ellipsis"
        return line

    def _prompt(self) -> Text:
        board = self._board
        if board.asks:
            line = text(ASKED[board.asks], "bold reverse")
        elif board.message:
            line = text(board.message)
        else:
            line = text(KEYS, "dim")
        line.no_wrap, line.overflow = True, "ellipsis"
        return line


def _lines(rows: int) -> int:
    return rows + HEAD_LINES if rows else 1


def _account_table(accounts: Sequence[Account]) -> RenderableType:
    if not accounts:
        return Text("no accounts", style="dim")
    table = Grid("account", "broker?", "session", "trades", "why not~")
    for one in accounts:
        trades = {True: "yes", False: "NO", None: NOTHING}[one.can_trade]
        table.row(
            one.account,
            one.broker,
            word(one.state),
            word(trades, {"yes": "green", "NO": "bold red"}),
            one.why or "",
        )
    return table


def _with_rest(table: Grid, more: int) -> RenderableType:
    return Group(table, Text(f"and {more} more", style="dim")) if more > 0 else table
