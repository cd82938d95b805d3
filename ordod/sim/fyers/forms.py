"""What a request's JSON says, read as FYERS reads it: what it does not understand is -50 (fyers.md 4)."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from ordod.domain.gtt import GttLeg, NewGtt
from ordod.domain.orders import (
    NewOrder,
    OrderChanges,
    OrderTerms,
    OrderType,
    Product,
    Side,
    Validity,
)
from ordod.domain.portfolio import Conversion
from ordod.sim.fyers.envelope import FyersError
from ordod.sim.fyers.market import Market

__all__ = [
    "PRODUCTS",
    "TYPES",
    "read_changes",
    "read_conversion",
    "read_gtt",
    "read_order",
    "read_terms",
]

T = TypeVar("T")
PRODUCTS = {
    "CNC": Product.CNC,
    "INTRADAY": Product.MIS,
    "MARGIN": Product.NRML,
    "MTF": Product.MTF,
}
TYPES = {1: OrderType.LIMIT, 2: OrderType.MARKET, 3: OrderType.SL_M, 4: OrderType.SL}
SIDES = {1: Side.BUY, -1: Side.SELL}
VALIDITIES = {"DAY": Validity.DAY, "IOC": Validity.IOC}
TAG = re.compile(r"[A-Za-z0-9]{1,30}")
STOPS = frozenset({OrderType.SL, OrderType.SL_M})


def read_terms(body: Mapping[str, Any], market: Market) -> OrderTerms:
    """What a placement and an item of a margin share. Raises FyersError."""
    contract = market.find(body.get("symbol"))
    kind = _one_of(body, "type", TYPES)
    priced = kind in {OrderType.LIMIT, OrderType.SL}
    return OrderTerms(
        symbol=contract.symbol,
        side=_one_of(body, "side", SIDES),
        quantity=_whole(body, "qty") * contract.lot,
        type=kind,
        product=_one_of(body, "productType", PRODUCTS),
        price=_amount(body, "limitPrice", zero=not priced) if priced else None,
        trigger_price=_amount(body, "stopPrice") if kind in STOPS else None,
    )


def read_order(body: Mapping[str, Any], market: Market, user: str) -> NewOrder:
    """`POST /orders/sync`; after-market is the desk's matter."""
    terms = read_terms(body, market)
    assert terms.product is not None
    tag = body.get("orderTag")
    if tag is not None and not (isinstance(tag, str) and TAG.fullmatch(tag)):
        raise FyersError.bad_input("orderTag: letters and digits, at most 30")
    if tag in {user, "Untagged"}:
        raise FyersError.bad_input("orderTag: not allowed")
    if not isinstance(body.get("offlineOrder", False), bool):
        raise FyersError.bad_input("offlineOrder: Invalid input")
    return NewOrder(
        symbol=terms.symbol,
        side=terms.side,
        quantity=terms.quantity,
        type=terms.type,
        product=terms.product,
        price=terms.price,
        trigger_price=terms.trigger_price,
        validity=_one_of(body, "validity", VALIDITIES),
        disclosed_quantity=_whole(body, "disclosedQty", zero=True) * market.of(terms.symbol).lot
        or None,
        tag=tag,
    )


def read_changes(body: Mapping[str, Any], lot: int) -> OrderChanges:
    """`PATCH /orders/sync`: the type, and what else is there."""
    return OrderChanges(
        type=_one_of(body, "type", TYPES),
        price=_amount(body, "limitPrice") if body.get("limitPrice") else None,
        trigger_price=_amount(body, "stopPrice") if body.get("stopPrice") else None,
        quantity=_whole(body, "qty") * lot if "qty" in body else None,
        disclosed_quantity=_whole(body, "disclosedQty") * lot if body.get("disclosedQty") else None,
    )


def read_gtt(body: Mapping[str, Any], market: Market) -> NewGtt:
    """`/gtt/orders/sync`: leg1, or leg1 above and leg2 below. By ascending trigger, as the exchange wants them."""
    contract = market.find(body.get("symbol"))
    info = body.get("orderInfo")
    if not isinstance(info, dict) or not {"leg1"} <= info.keys() <= {"leg1", "leg2"}:
        raise FyersError.bad_input("orderInfo: Invalid input")
    product = _one_of(body, "productType", PRODUCTS)
    if product is Product.MIS:
        raise FyersError.bad_input("productType: Invalid input")
    side = _one_of(body, "side", SIDES)
    legs = tuple(
        GttLeg(
            trigger_price=_amount(info[name], "triggerPrice"),
            side=side,
            quantity=_whole(info[name], "qty") * contract.lot,
            price=_amount(info[name], "price"),
            product=product,
        )
        for name in ("leg2", "leg1")
        if isinstance(info.get(name), dict)
    )
    if len(legs) != len(info) or legs[0].trigger_price > legs[-1].trigger_price:
        raise FyersError.bad_input("orderInfo: leg1 is the upper one")
    return NewGtt(symbol=contract.symbol, legs=legs)


def read_conversion(body: Mapping[str, Any], market: Market) -> Conversion:
    """`POST /positions`: `symbol` is the position's id, ticker and product."""
    ticker, _, word = str(body.get("symbol")).rpartition("-")
    movable = {name: ours for name, ours in PRODUCTS.items() if ours is not Product.MTF}
    if word != body.get("convertFrom") or body.get("overnight") not in {0, 1}:
        raise FyersError(400, -53, "Invalid position id")
    contract = market.find(ticker)
    return Conversion(
        symbol=contract.symbol,
        side=_one_of(body, "positionSide", SIDES),
        quantity=_whole(body, "convertQty") * contract.lot,
        from_product=_one_of(body, "convertFrom", movable),
        to_product=_one_of(body, "convertTo", movable),
        overnight=body["overnight"] == 1,
    )


def _one_of(body: Mapping[str, Any], name: str, words: Mapping[Any, T]) -> T:
    word = body.get(name)
    if isinstance(word, bool | dict | list) or word not in words:
        raise FyersError.bad_input(f"{name}: Invalid input")
    return words[word]


def _whole(body: Mapping[str, Any], name: str, *, zero: bool = False) -> int:
    value = body.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < (not zero):
        raise FyersError.bad_input(f"{name}: Invalid input")
    return value


def _amount(body: Mapping[str, Any], name: str, *, zero: bool = False) -> Decimal:
    value = body.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FyersError.bad_input(f"{name}: Invalid input")
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise FyersError.bad_input(f"{name}: Invalid input") from None
    if amount < 0 or (amount == 0 and not zero):
        raise FyersError.bad_input(f"{name}: Invalid input")
    return amount
