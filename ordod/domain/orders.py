"""Orders and what becomes of them."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

__all__ = [
    "FINAL",
    "LIVE",
    "BrokerOrder",
    "Fill",
    "NewOrder",
    "Order",
    "OrderChanges",
    "OrderTerms",
    "OrderType",
    "Placed",
    "Product",
    "Side",
    "Status",
    "Trade",
    "Validity",
    "Variety",
]


class Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    SL = "SL"  # stop-limit: price and trigger_price
    SL_M = "SL-M"  # stop-market: trigger_price only


class Product(StrEnum):
    CNC = "CNC"
    MIS = "MIS"
    NRML = "NRML"
    MTF = "MTF"


class Validity(StrEnum):
    DAY = "DAY"
    IOC = "IOC"
    TTL = "TTL"


class Variety(StrEnum):
    REGULAR = "REGULAR"
    AMO = "AMO"
    ICEBERG = "ICEBERG"
    CO = "CO"


class Status(StrEnum):
    """How an order stands (WIRE 2). The last two are Ordo's own; a broker's row never has them."""

    PENDING = "PENDING"
    OPEN = "OPEN"
    TRIGGER_PENDING = "TRIGGER_PENDING"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    IN_DOUBT = "IN_DOUBT"
    NOT_PLACED = "NOT_PLACED"


LIVE = frozenset({Status.PENDING, Status.OPEN, Status.TRIGGER_PENDING, Status.PARTIALLY_FILLED})
FINAL = frozenset(
    {Status.FILLED, Status.CANCELLED, Status.REJECTED, Status.EXPIRED, Status.NOT_PLACED}
)


class OrderTerms(Struct, frozen=True, kw_only=True):
    """What was asked for. Prices in rupees, quantities in units.

    Args:
        validity_minutes: with TTL only.
        product: null only for an order placed elsewhere in a product that Ordo has no word for.
        market_protection: of MARKET and SL-M, percent.
        iceberg_legs: with ICEBERG: in how many parts.
    """

    symbol: str
    side: Side
    quantity: int
    type: OrderType
    product: Product | None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    validity: Validity = Validity.DAY
    validity_minutes: int | None = None
    variety: Variety = Variety.REGULAR
    iceberg_legs: int | None = None
    disclosed_quantity: int | None = None
    market_protection: Decimal | None = None


class NewOrder(OrderTerms, frozen=True, kw_only=True):
    """What an adapter places: checked terms, and the tag that will find the order again (None: the broker has no tags)."""

    product: Product
    tag: str | None


class OrderChanges(Struct, frozen=True, kw_only=True):
    """The fields a modify changes; left out: stays as it is."""

    price: Decimal | None = None
    trigger_price: Decimal | None = None
    quantity: int | None = None
    type: OrderType | None = None
    validity: Validity | None = None
    disclosed_quantity: int | None = None


class Placed(Struct, frozen=True):
    """The broker's sure yes: it took the order under this id."""

    broker_order_id: str


class BrokerOrder(Struct, frozen=True, kw_only=True, gc=False):
    """One row of a broker's order book, in our words. Quantities in units; null: the row does not say.

    Args:
        tags: every text of the row that may be a tag of ours.
        symbol: Ordo's whole name where the master knows the contract, else the broker's own behind the exchange.
        status: how the order stands.
        filled_quantity: units.
        status_message: the broker's words.
        parent_order_id: of a leg: the order it belongs to.
        placed_at: as the row says.
        updated_at: as the row says.
    """

    broker_order_id: str
    status: Status
    symbol: str
    side: Side
    quantity: int
    type: OrderType
    product: Product | None
    validity: Validity | None = None
    variety: Variety | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    disclosed_quantity: int | None = None
    filled_quantity: int = 0
    average_price: Decimal | None = None
    status_message: str | None = None
    exchange_order_id: str | None = None
    parent_order_id: str | None = None
    tags: tuple[str, ...] = ()
    placed_at: datetime | None = None
    updated_at: datetime | None = None


class Fill(Struct, frozen=True, kw_only=True, gc=False):
    """One execution. Counts once by (broker_order_id, trade_id).

    Args:
        trade_id: the exchange's, or the broker's.
        price: rupees a unit.
    """

    trade_id: str
    broker_order_id: str
    symbol: str
    side: Side
    quantity: int
    price: Decimal
    product: Product | None
    at: datetime
    exchange_order_id: str | None = None


class Order(Struct, frozen=True, kw_only=True):
    """An order as clients see it. What is not known yet, or does not apply, is null.

    Args:
        key: null: placed elsewhere, or adopted from the broker's book.
        tag: what stands on the broker's order, by which it is found again.
        status_message: the broker's words, or Ordo's; null: none.
        filled_quantity: units, of `quantity`.
        children: order_ids of the parts of a slice or basket.
        since: while it is in doubt: since when.
        next_check: while it is in doubt: when the broker's book is looked at next.
        placed_at: when it was sent, or the broker's row says.
        updated_at: of the newest record of it.
        status: docs/orders.md.
    """

    order_id: str
    key: str | None
    account: str
    strategy: str | None
    symbol: str
    side: Side
    quantity: int
    type: OrderType
    product: Product | None
    price: Decimal | None
    trigger_price: Decimal | None
    validity: Validity | None
    variety: Variety | None
    disclosed_quantity: int | None
    tag: str | None
    broker_order_id: str | None
    exchange_order_id: str | None
    status: Status
    status_message: str | None
    filled_quantity: int
    average_price: Decimal | None
    children: tuple[str, ...] = ()
    since: datetime | None = None
    next_check: datetime | None = None
    placed_at: datetime | None = None
    updated_at: datetime | None = None
    seq: int = 0


class Trade(Struct, frozen=True, kw_only=True):
    """A fill as clients see it, with the order it belongs to.

    Args:
        trade_id: the exchange's, or the broker's.
        price: rupees a unit.
        key: of the order; null: placed elsewhere.
    """

    trade_id: str
    order_id: str
    key: str | None
    account: str
    strategy: str | None
    broker_order_id: str
    exchange_order_id: str | None
    symbol: str
    side: Side
    quantity: int
    price: Decimal
    product: Product | None
    at: datetime
