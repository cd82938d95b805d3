"""Forever orders: Ordo's triggers in Dhan's one body, and which leg a change means (dhan.md 4.6)."""

from decimal import Decimal
from typing import Any

from ordo_adapters.dhan.fields import ZERO, named, units_of
from ordo_adapters.dhan.rows import GttRow, read
from ordo_adapters.dhan.tables import PRODUCT, SIDE, TYPE
from ordod.adapter import (
    BrokerError,
    Fault,
    GttLeg,
    HttpResponse,
    Instrument,
    NewGtt,
    OrderType,
    decimal,
    shaped,
    units,
)

__all__ = ["changed_leg", "forever_body", "leg_price", "legs_of"]

LEG_NAMES = ("TARGET_LEG", "STOP_LOSS_LEG")  # of the upper leg, or the only one, and of the lower


def forever_body(gtt: NewGtt, instrument: Instrument) -> dict[str, Any]:
    first, *second = legs_of(gtt)
    body: dict[str, Any] = {
        "orderFlag": "OCO" if second else "SINGLE",
        "transactionType": SIDE.write(first.side),
        **named(instrument),
        "productType": PRODUCT.write(first.product),
        "orderType": TYPE.write(first.type),
        "validity": "DAY",
        "quantity": units_of(first.quantity, instrument),
        "disclosedQuantity": 0,
        "price": leg_price(first),
        "triggerPrice": first.trigger_price,
    }
    for other in second:
        body |= {
            "price1": leg_price(other),
            "triggerPrice1": other.trigger_price,
            "quantity1": other.quantity,
        }
    return body


def leg_price(leg: GttLeg) -> Decimal:
    return ZERO if leg.type is OrderType.MARKET else leg.price


def legs_of(gtt: NewGtt) -> list[GttLeg]:
    """The upper leg first, as Dhan's own sample of an OCO has it."""
    legs = sorted(gtt.legs, key=lambda leg: leg.trigger_price, reverse=True)
    if len(legs) not in {1, 2}:
        raise BrokerError(Fault.INVALID_INPUT, f"a GTT has one leg or two, not {len(legs)}")
    if len({(leg.side, leg.product, leg.type) for leg in legs}) > 1:
        raise BrokerError(
            Fault.UNSUPPORTED, "the legs of a trigger at Dhan share side, product and type"
        )
    if legs[0].type not in {OrderType.LIMIT, OrderType.MARKET}:
        raise BrokerError(
            Fault.UNSUPPORTED, f"a GTT at Dhan releases LIMIT and MARKET orders, not {legs[0].type}"
        )
    return legs


def changed_leg(
    response: HttpResponse, broker_gtt_id: str, legs: list[GttLeg]
) -> tuple[str, GttLeg]:
    """Dhan's name of the one leg that is to change, and the leg."""
    rows = [
        shaped(row, GttRow)
        for row in read(response, list[dict[str, Any]])
        if row.get("orderId") == broker_gtt_id
    ]
    if not rows:
        raise BrokerError(Fault.NOT_FOUND, f"Dhan lists no forever order {broker_gtt_id}")
    rows.sort(key=lambda row: row.trigger_price, reverse=True)
    fixed = [(SIDE.read(row.transaction_type), PRODUCT.read(row.product_type)) for row in rows]
    if fixed != [(leg.side, leg.product) for leg in legs]:
        raise BrokerError(
            Fault.UNSUPPORTED,
            "Dhan changes neither side nor product nor number of legs: cancel the trigger and place another",
        )
    each = list(zip(LEG_NAMES, legs, rows, strict=False))
    changed = [
        (row.leg_name if row.leg_name in LEG_NAMES and len(legs) == 2 else name, leg)
        for name, leg, row in each
        if (leg.trigger_price, leg_price(leg), leg.quantity)
        != (decimal(row.trigger_price), decimal(row.price), units(row.quantity))
    ]
    if len(changed) > 1:
        raise BrokerError(
            Fault.UNSUPPORTED,
            "Dhan changes the two legs of a trigger one at a time: change one, then the other",
        )
    return changed[0] if changed else (each[0][0], legs[0])
