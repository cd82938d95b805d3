"""Is this an order at all? What can be said from the order, its instrument and the broker's abilities, before anything is stored.

Pure. Each refusal names the field, the value and the way out.
"""

from decimal import Decimal
from typing import NoReturn

from ordod.domain.gtt import NewGtt
from ordod.domain.instruments import Instrument, InstrumentKind
from ordod.domain.money import canonical, is_on_tick
from ordod.domain.orders import OrderTerms, OrderType, Validity, Variety
from ordod.errors import Kind, OrdoError

__all__ = ["check_changes", "check_gtt", "check_quantity", "check_terms"]

ICEBERG_LEGS = (2, 50)  # Zerodha's and Upstox' bounds; no broker allows more
QUANTITY_MAX = 10**9  # above any order the exchanges take; what is above is a typing error
VALIDITY_MINUTES_MAX = 24 * 60
HAS_PRICE = (OrderType.LIMIT, OrderType.SL)
HAS_TRIGGER = (OrderType.SL, OrderType.SL_M)


def check_terms(order: OrderTerms, instrument: Instrument) -> None:
    """Raises OrdoError: INVALID_PARAMS, or UNSUPPORTED for what cannot be traded."""
    if instrument.kind is InstrumentKind.INDEX:
        raise OrdoError(
            Kind.UNSUPPORTED,
            f"{instrument.symbol} is an index and cannot be ordered; take its future, an option or an ETF",
            field="symbol",
            value=instrument.symbol,
        )
    check_quantity(order.quantity, instrument)
    _check_prices(order, instrument)
    _check_validity(order)
    _check_variety(order)
    if order.disclosed_quantity is not None and not 0 < order.disclosed_quantity <= order.quantity:
        _refuse(
            "disclosed_quantity",
            order.disclosed_quantity,
            f"must be from 1 to the quantity, {order.quantity}",
        )
    if order.market_protection is not None:
        if order.type not in (OrderType.MARKET, OrderType.SL_M):
            _refuse(
                "market_protection",
                canonical(order.market_protection),
                f"belongs to MARKET and SL-M orders, not to {order.type}",
            )
        if not 0 < order.market_protection <= 100:
            _refuse(
                "market_protection",
                canonical(order.market_protection),
                "is a percentage above 0, up to 100",
            )


def check_quantity(quantity: int, instrument: Instrument) -> None:
    if instrument.lot_size is None:
        raise OrdoError(
            Kind.UNSUPPORTED,
            f"the contract size of {instrument.symbol} is not known to Ordo, so its quantity in units cannot be told; "
            "place this order at the broker",
            field="symbol",
            value=instrument.symbol,
        )
    if quantity <= 0:
        _refuse("quantity", quantity, "must be 1 or more")
    if quantity > QUANTITY_MAX:
        _refuse("quantity", str(quantity)[:40], f"is above {QUANTITY_MAX}")
    if quantity % instrument.lot_size:
        below = quantity - quantity % instrument.lot_size
        near = [str(q) for q in (below, below + instrument.lot_size) if q]
        _refuse(
            "quantity",
            quantity,
            f"is not a multiple of the lot size {instrument.lot_size} of {instrument.symbol}; "
            f"near: {' or '.join(near)}",
        )
    freeze = instrument.freeze_quantity
    if freeze is not None and quantity > freeze:
        _refuse(
            "quantity",
            quantity,
            f"is above the freeze quantity {freeze} of {instrument.symbol}; split it with order.slice",
        )


def check_changes(changed: OrderTerms, instrument: Instrument, filled_quantity: int) -> None:
    """The order as it would be after a modify."""
    check_terms(changed, instrument)
    if changed.quantity <= filled_quantity:
        _refuse(
            "quantity",
            changed.quantity,
            f"is not above the {filled_quantity} that are filled already; cancel the rest instead",
        )


def check_gtt(gtt: NewGtt, instrument: Instrument) -> None:
    """The triggers of a GTT and the orders they release."""
    for leg in gtt.legs:
        check_quantity(leg.quantity, instrument)
        for field, price in (("trigger_price", leg.trigger_price), ("price", leg.price)):
            _check_price(field, price, instrument)
    if len(gtt.legs) == 2 and gtt.legs[0].trigger_price >= gtt.legs[1].trigger_price:
        _refuse(
            "legs",
            canonical(gtt.legs[1].trigger_price),
            "must have ascending triggers: the stop first, then the target",
        )


def _check_prices(order: OrderTerms, instrument: Instrument) -> None:
    for field, price, wanted in (
        ("price", order.price, order.type in HAS_PRICE),
        (
            "trigger_price",
            order.trigger_price,
            order.type in HAS_TRIGGER or order.variety is Variety.CO,
        ),
    ):
        if price is None:
            if wanted:
                _refuse(field, None, f"is missing; an order of type {order.type} needs it")
            continue
        if not wanted:
            _refuse(
                field,
                canonical(price),
                f"does not belong to an order of type {order.type}; leave it out or take another type",
            )
        _check_price(field, price, instrument)
    _check_circuit(order, instrument)


def _check_price(field: str, price: Decimal, instrument: Instrument) -> None:
    if price <= 0:
        _refuse(field, canonical(price), "must be above 0")
    tick = instrument.tick_size
    if not is_on_tick(price, tick):
        below = price - price % tick
        near = [canonical(p) for p in (below, below + tick) if p]
        _refuse(
            field,
            canonical(price),
            f"is not on the tick {canonical(tick)} of {instrument.symbol}; near: {' or '.join(near)}",
        )


def _check_circuit(order: OrderTerms, instrument: Instrument) -> None:
    low, high = instrument.lower_circuit, instrument.upper_circuit
    if order.price is None or order.variety is Variety.AMO:
        return
    if (low is not None and order.price < low) or (high is not None and order.price > high):
        _refuse(
            "price", canonical(order.price), f"is outside the day's circuit limits {low} to {high}"
        )


def _check_validity(order: OrderTerms) -> None:
    if order.validity is Validity.TTL:
        if order.validity_minutes is None:
            _refuse("validity_minutes", None, "is missing; validity TTL needs it")
        if not 1 <= order.validity_minutes <= VALIDITY_MINUTES_MAX:
            _refuse(
                "validity_minutes",
                order.validity_minutes,
                f"must be from 1 to {VALIDITY_MINUTES_MAX}",
            )
    elif order.validity_minutes is not None:
        _refuse("validity_minutes", order.validity_minutes, "belongs to validity TTL only")


def _check_variety(order: OrderTerms) -> None:
    if order.variety is Variety.ICEBERG:
        low, high = ICEBERG_LEGS
        if order.iceberg_legs is None:
            _refuse("iceberg_legs", None, "is missing; variety ICEBERG needs it")
        if not low <= order.iceberg_legs <= high:
            _refuse("iceberg_legs", order.iceberg_legs, f"must be from {low} to {high}")
        if order.quantity % order.iceberg_legs:
            _refuse(
                "iceberg_legs", order.iceberg_legs, f"must divide the quantity {order.quantity}"
            )
    elif order.iceberg_legs is not None:
        _refuse("iceberg_legs", order.iceberg_legs, "belongs to variety ICEBERG only")


def _refuse(field: str, value: int | str | Decimal | None, why: str) -> NoReturn:
    shown = "" if value is None else f" {value}"
    raise OrdoError(Kind.INVALID_PARAMS, f"{field}{shown} {why}", field=field, value=value)
