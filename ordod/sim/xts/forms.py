"""What a request's JSON says, read as XTS reads it: what it does not understand is `Bad Request` (xts.md 4)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

from ordod.domain.orders import (
    NewOrder,
    OrderChanges,
    OrderTerms,
    OrderType,
    Product,
    Side,
    Validity,
)
from ordod.domain.portfolio import Conversion, Position
from ordod.sim.xts.envelope import XtsError
from ordod.sim.xts.market import Market

__all__ = ["read_changes", "read_conversion", "read_margin", "read_order", "whole"]

T = TypeVar("T")
PRODUCTS = {str(one): one for one in (Product.CNC, Product.MIS, Product.NRML)}
TYPES = {
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "STOPLIMIT": OrderType.SL,
    "STOPMARKET": OrderType.SL_M,
}
SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
VALIDITIES = {"DAY": Validity.DAY, "IOC": Validity.IOC}
TAG_MAX = 20
STOPS = frozenset({OrderType.SL, OrderType.SL_M})
PRICED = frozenset({OrderType.LIMIT, OrderType.SL})


def read_order(body: Mapping[str, Any], market: Market) -> NewOrder:
    """`POST /orders`."""
    kind = _one_of(body, "orderType", TYPES)
    tag = body.get("orderUniqueIdentifier", "")
    if not isinstance(tag, str) or len(tag) > TAG_MAX or not (tag.isalnum() or not tag):
        raise XtsError.bad_input("orderUniqueIdentifier")
    return NewOrder(
        symbol=market.find(body.get("exchangeSegment"), body.get("exchangeInstrumentID")).symbol,
        side=_one_of(body, "orderSide", SIDES),
        quantity=whole(body, "orderQuantity"),
        type=kind,
        product=_one_of(body, "productType", PRODUCTS),
        price=_amount(body, "limitPrice") if kind in PRICED else None,
        trigger_price=_amount(body, "stopPrice") if kind in STOPS else None,
        validity=_one_of(body, "timeInForce", VALIDITIES),
        disclosed_quantity=whole(body, "disclosedQuantity", zero=True) or None,
        tag=tag or None,
    )


def read_changes(body: Mapping[str, Any]) -> OrderChanges:
    """`PUT /orders`: the whole order as it is to be."""
    kind = _one_of(body, "modifiedOrderType", TYPES)
    _one_of(body, "modifiedProductType", PRODUCTS)
    return OrderChanges(
        type=kind,
        price=_amount(body, "modifiedLimitPrice") if kind in PRICED else None,
        trigger_price=_amount(body, "modifiedStopPrice") if kind in STOPS else None,
        quantity=whole(body, "modifiedOrderQuantity"),
        validity=_one_of(body, "modifiedTimeInForce", VALIDITIES),
        disclosed_quantity=whole(body, "modifiedDisclosedQuantity", zero=True) or None,
    )


def read_conversion(body: Mapping[str, Any], market: Market, held: list[Position]) -> Conversion:
    """`PUT /portfolio/positions/convert`: the side is that of the position."""
    symbol = market.find(body.get("exchangeSegment"), body.get("exchangeInstrumentID")).symbol
    product = _one_of(body, "oldProductType", PRODUCTS)
    is_day = body.get("isDayWise")
    if not isinstance(is_day, bool):
        raise XtsError.bad_input("isDayWise")
    found = next((one for one in held if (one.symbol, one.product) == (symbol, product)), None)
    if found is None:
        raise XtsError("e-portfolio-0005", "Data Not Available")
    return Conversion(
        symbol=symbol,
        side=Side.BUY if found.quantity > 0 else Side.SELL,
        quantity=whole(body, "targetQty"),
        from_product=product,
        to_product=_one_of(body, "newProductType", PRODUCTS),
        overnight=not is_day,
    )


def read_margin(body: Mapping[str, Any], market: Market) -> list[OrderTerms]:
    """`POST /orders/margindetails`: other spellings, and segments by number."""
    items = body.get("portfolio")
    if not isinstance(items, list) or not items:
        raise XtsError.bad_input("portfolio")
    found = []
    for one in items:
        kind = _one_of(one, "orderType", TYPES)
        contract = market.numbered(one.get("exchange"), one.get("exchangeInstrumentId"))
        if contract is None:
            raise XtsError.bad_input("exchangeInstrumentId")
        terms = OrderTerms(
            symbol=contract.symbol,
            side=_one_of(one, "orderSide", SIDES),
            quantity=whole(one, "quantity"),
            type=kind,
            product=_one_of(one, "productType", PRODUCTS),
            price=_amount(one, "price") if kind in PRICED else None,
            trigger_price=_amount(one, "stopPrice") if kind in STOPS else None,
        )
        found.append(terms)
    return found


def _one_of(body: Mapping[str, Any], name: str, words: Mapping[str, T]) -> T:
    word = body.get(name)
    if not isinstance(word, str) or word not in words:
        raise XtsError.bad_input(name)
    return words[word]


def whole(body: Mapping[str, Any], name: str, *, zero: bool = False) -> int:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < (not zero):
        raise XtsError.bad_input(name)
    return value


def _amount(body: Mapping[str, Any], name: str) -> Decimal:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise XtsError.bad_input(name)
    return Decimal(str(value))
