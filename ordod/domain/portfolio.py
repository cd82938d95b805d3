"""What one owns and owes."""

from decimal import Decimal

from msgspec import Struct

from ordod.domain.orders import Product, Side

__all__ = ["Conversion", "Funds", "Holding", "Margin", "Position"]


class Position(Struct, frozen=True, kw_only=True):
    """Today's net quantity of an instrument and product. Units, signed: short is negative. Money in rupees."""

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
    """Shares in demat. `quantity` is what can be sold today or after settlement: free, T1 and pledged shares together."""

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
    """Money of one segment (`equity`, `commodity`, or `all`), in rupees. `available`: free cash and margin together."""

    segment: str
    available: Decimal
    cash: Decimal | None = None
    used: Decimal | None = None
    collateral: Decimal | None = None
    opening: Decimal | None = None


class Margin(Struct, frozen=True, kw_only=True):
    """What orders would need, in rupees; `charges` is everything the broker and the state take."""

    needed: Decimal
    available: Decimal | None = None
    charges: Decimal | None = None


class Conversion(Struct, frozen=True, kw_only=True):
    """A position's product changed. `side` is the side of the position: BUY for a long one; quantity in units."""

    symbol: str
    side: Side
    quantity: int
    from_product: Product
    to_product: Product
    overnight: bool = False
