"""Limits a person sets on what may be sent."""

from decimal import Decimal

from msgspec import Struct

from ordod.domain.orders import Product

__all__ = ["RiskLimits"]


class RiskLimits(Struct, frozen=True, kw_only=True):
    """The limits of one scope: everything, an account, or a strategy. None, or an empty tuple: no such limit.

    An order passes where every scope it belongs to lets it pass; scopes are not merged.

    Args:
        max_quantity: units of one order.
        max_value: rupees of one order.
        orders_per_second, orders_per_minute, orders_per_day: new orders in any rolling second or minute, and in a day.
        max_open_orders: living orders at a time.
        allow_instruments: symbols, or patterns with `*` and `?` (`NFO:NIFTY*`); where any stand, nothing else passes.
        forbid_instruments: the same; what matches is refused, also where `allow_instruments` names it.
        allow_products, forbid_products: as for instruments.
        price_band_percent: how far a price may be from the last one.
        look_alike_s: an order equal in everything but its key is refused for so many seconds.
        market_hours: orders outside the exchange's hours are refused.
    """

    max_quantity: int | None = None
    max_value: Decimal | None = None
    orders_per_second: int | None = None
    orders_per_minute: int | None = None
    orders_per_day: int | None = None
    max_open_orders: int | None = None
    allow_instruments: tuple[str, ...] = ()
    forbid_instruments: tuple[str, ...] = ()
    allow_products: tuple[Product, ...] = ()
    forbid_products: tuple[Product, ...] = ()
    price_band_percent: Decimal | None = None
    look_alike_s: float | None = None
    market_hours: bool = False
