"""What one owns and owes."""

from decimal import Decimal

from msgspec import Struct

from ordod.domain.orders import Product, Side

__all__ = ["Conversion", "Funds", "Holding", "Margin", "Position"]


class Position(Struct, frozen=True, kw_only=True):
    """Today's net quantity of an instrument and product. Units, signed: short is negative. Money in rupees.

    Args:
        quantity: units, signed: short is negative.
        overnight_quantity: of it, carried over from yesterday.
        average_price: of the net quantity.
        pnl: realised and unrealised together, as the broker says.
        realised: of what was closed.
        unrealised: of what is open, by the last price.
        buy_quantity: units bought.
        buy_value: rupees paid for them.
        sell_quantity: units sold.
        sell_value: rupees got for them.
    """

    symbol: str
    product: Product | None
    quantity: int
    overnight_quantity: int = 0
    average_price: Decimal | None = None
    last_price: Decimal | None = None
    pnl: Decimal | None = None
    realised: Decimal | None = None
    unrealised: Decimal | None = None
    buy_quantity: int = 0
    buy_value: Decimal | None = None
    sell_quantity: int = 0
    sell_value: Decimal | None = None


class Holding(Struct, frozen=True, kw_only=True):
    """Shares in demat.

    Args:
        quantity: what can be sold today or after settlement: free, T1 and pledged shares together.
        t1_quantity: of it, bought and not yet settled.
        collateral_quantity: of it, pledged.
        used_quantity: of it, sold today already.
        average_price: rupees a share, as the broker keeps it.
        pnl: rupees since it was bought, as the broker says.
    """

    symbol: str
    isin: str | None
    quantity: int
    t1_quantity: int = 0
    collateral_quantity: int = 0
    used_quantity: int = 0
    average_price: Decimal | None = None
    last_price: Decimal | None = None
    close_price: Decimal | None = None
    pnl: Decimal | None = None


class Funds(Struct, frozen=True, kw_only=True):
    """Money of one segment, in rupees.

    Args:
        segment: `equity`, `commodity`, or `all`.
        available: free cash and margin together.
        cash: money, without collateral.
        used: blocked by orders and positions.
        collateral: margin for pledged shares.
        opening: the balance when the day began.
    """

    segment: str
    available: Decimal
    cash: Decimal | None = None
    used: Decimal | None = None
    collateral: Decimal | None = None
    opening: Decimal | None = None


class Margin(Struct, frozen=True, kw_only=True):
    """What orders would need, in rupees.

    Args:
        needed: margin, for all of them together.
        available: what is free now.
        charges: everything the broker and the state take.
    """

    needed: Decimal
    available: Decimal | None = None
    charges: Decimal | None = None


class Conversion(Struct, frozen=True, kw_only=True):
    """A position's product changed.

    Args:
        side: of the position: BUY for a long one.
        from_product: what it was.
        to_product: what it becomes.
        overnight: carried over from yesterday.
    """

    symbol: str
    side: Side
    quantity: int
    from_product: Product
    to_product: Product
    overnight: bool = False
