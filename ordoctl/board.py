"""What `ordoctl top` knows: the daemon's state as events, prices and readings make it. Values; nothing here asks or draws."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from ordoctl.models import AccountPositions, Event, Order, Position, Status, Tick

__all__ = ["Board", "Held"]

ENDED_KEPT = 5  # orders that ended while one looked: so that a fill is seen, not only missed


class Held(Struct, frozen=True):
    """A position, and what it is worth by the last price that is known."""

    account: str
    position: Position
    last_price: Decimal | None

    @property
    def pnl(self) -> Decimal | None:
        """What the broker said, moved on by the price since."""
        told, now, then = self.position.pnl, self.last_price, self.position.last_price
        if told is None or now is None or then is None:
            return told
        return told + (now - then) * self.position.quantity


class Board(Struct, frozen=True, kw_only=True):
    """Everything on the screen.

    Args:
        orders: live ones, and the last that ended; by order_id, as they came.
        prices: by symbol, what was pushed or asked for last.
        selected: the order that keys act on.
        asks: the key that was pressed and waits to be pressed again, and the order it is about: "c" or "K".
        message: what became of the last thing that was asked for.
        lost: why there is no daemon; "": there is one.
    """

    status: Status | None = None
    orders: Mapping[str, Order] = {}
    positions: tuple[AccountPositions, ...] = ()
    prices: Mapping[str, Decimal] = {}
    selected: str | None = None
    asks: str = ""
    message: str = ""
    lost: str = ""

    # What comes

    def with_event(self, event: Event) -> "Board":
        """An order's event, or the snapshot that comes first and after a gap."""
        if event.snapshot is not None:
            live = {order.order_id: order for order in event.snapshot.orders}
            return replace(self, orders=live, lost="")._with_selection()
        if event.order is None:
            return self
        orders = dict(self.orders)
        orders[event.order.order_id] = event.order
        ended = [name for name, order in orders.items() if not _is_open(order)]
        for name in ended[:-ENDED_KEPT]:
            del orders[name]
        return replace(self, orders=orders)._with_selection()

    def with_ticks(self, ticks: Sequence[Tick]) -> "Board":
        return self.with_prices({tick.symbol: tick.last_price for tick in ticks})

    def with_prices(self, prices: Mapping[str, Decimal]) -> "Board":
        return replace(self, prices={**self.prices, **prices})

    def with_positions(self, positions: Sequence[AccountPositions]) -> "Board":
        """Of the accounts that answered; the others keep theirs, as old as they are."""
        before = {one.account: one for one in self.positions}
        for one in positions:
            if one.error is None or one.account not in before:
                before[one.account] = one
        return replace(self, positions=tuple(before.values()))

    # What is shown

    @property
    def open_orders(self) -> tuple[Order, ...]:
        """Doubts first, then what lives, newest first; then what ended."""
        newest = list(self.orders.values())[::-1]
        return tuple(sorted(newest, key=lambda one: (not _is_open(one), not one.is_in_doubt)))

    @property
    def held(self) -> tuple[Held, ...]:
        """Open positions first."""
        rows = [
            Held(account.account, row, self.prices.get(row.symbol, row.last_price))
            for account in self.positions
            for row in account.positions
        ]
        return tuple(sorted(rows, key=lambda one: one.position.quantity == 0))

    @property
    def watched(self) -> frozenset[str]:
        """Symbols whose price matters."""
        return frozenset(one.position.symbol for one in self.held if one.position.quantity)

    # What keys do

    @property
    def chosen(self) -> Order | None:
        order = self.orders.get(self.selected or "")
        return order if order is not None and _is_open(order) else None

    def moved(self, by: int) -> "Board":
        """The order `by` places further down is the selected one."""
        names = [order.order_id for order in self.open_orders if _is_open(order)]
        if not names:
            return replace(self, asks="")
        at = names.index(self.selected) if self.selected in names else 0
        return replace(self, selected=names[max(0, min(at + by, len(names) - 1))], asks="")

    def _with_selection(self) -> "Board":
        return self if self.chosen is not None else replace(self, selected=None, asks="").moved(0)


def _is_open(order: Order) -> bool:
    return not order.is_final
