"""Good-till-triggered orders: a price condition that makes the broker place an order for us."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from msgspec import Struct

from ordod.domain.orders import OrderType, Product, Side

__all__ = ["BrokerGtt", "GttLeg", "GttStatus", "NewGtt"]


class GttStatus(StrEnum):
    ACTIVE = "ACTIVE"
    TRIGGERED = "TRIGGERED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    DISABLED = "DISABLED"


class GttLeg(Struct, frozen=True, kw_only=True):
    """One trigger and the order it releases. Prices in rupees, quantity in units.

    Args:
        trigger_price: rupees.
        price: limit of the order, rupees.
    """

    trigger_price: Decimal
    side: Side
    quantity: int
    price: Decimal
    type: OrderType = OrderType.LIMIT
    product: Product = Product.CNC


class NewGtt(Struct, frozen=True, kw_only=True):
    """One leg, or two.

    Args:
        legs: stop and target, by ascending trigger.
        last_price: the price now, which some brokers want.
    """

    symbol: str
    legs: tuple[GttLeg, ...]
    last_price: Decimal | None = None


class BrokerGtt(Struct, frozen=True, kw_only=True):
    """One row of a broker's list of triggers. `placed_order_ids`: the orders it released."""

    broker_gtt_id: str
    status: GttStatus
    symbol: str
    legs: tuple[GttLeg, ...]
    placed_order_ids: tuple[str, ...] = ()
    status_message: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    expires_at: datetime | None = None
