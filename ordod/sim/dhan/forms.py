"""What a request's JSON says, read as Dhan reads it: what it does not understand is DH-905 (dhan.md 4)."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import orjson

from ordod.domain.gtt import GttLeg
from ordod.domain.orders import NewOrder, OrderChanges, OrderType, Product, Side, Validity
from ordod.sim.dhan.envelope import DhanError
from ordod.sim.dhan.market import Contract

__all__ = [
    "PRODUCTS",
    "amount",
    "body_of",
    "one_of",
    "read_changes",
    "read_leg",
    "read_order",
    "whole",
]

T = TypeVar("T")
PRODUCTS = {
    "CNC": Product.CNC,
    "INTRADAY": Product.MIS,
    "MARGIN": Product.NRML,
    "MTF": Product.MTF,
}
TYPES = {"MARKET": OrderType.MARKET, "LIMIT": OrderType.LIMIT, "STOP_LOSS": OrderType.SL}
SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
VALIDITIES = {"DAY": Validity.DAY, "IOC": Validity.IOC}
AMO_TIMES = {"PRE_OPEN": 0, "OPEN": 1, "OPEN_30": 2, "OPEN_60": 3}
TAG = re.compile(r"[A-Za-z0-9 _-]{0,30}")


def body_of(content: bytes) -> dict[str, Any]:
    """Raises DhanError."""
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise DhanError.bad_input("Missing required fields, bad values for parameters etc.")
    return body


def read_order(body: Mapping[str, Any], contract: Contract) -> NewOrder:
    """`POST /orders`, as an order of the exchange; after-market is the desk's matter. Raises DhanError."""
    kind = _type(body)
    if body.get("afterMarketOrder"):
        one_of(body, "amoTime", AMO_TIMES)
    tag = body.get("correlationId") or ""
    if not isinstance(tag, str) or not TAG.fullmatch(tag):
        raise DhanError.bad_input("Invalid correlationId")
    price, trigger = _prices(body, kind)
    return NewOrder(
        symbol=contract.symbol,
        side=one_of(body, "transactionType", SIDES),
        quantity=whole(body, "quantity"),
        type=kind,
        product=one_of(body, "productType", PRODUCTS),
        price=price,
        trigger_price=trigger,
        validity=one_of(body, "validity", VALIDITIES),
        disclosed_quantity=whole(body, "disclosedQuantity", zero=True) or None,
        tag=tag or None,
    )


def read_changes(body: Mapping[str, Any]) -> OrderChanges:
    """`PUT /orders/{id}`: the order whole."""
    kind = _type(body)
    price, trigger = _prices(body, kind)
    return OrderChanges(
        price=price,
        trigger_price=trigger,
        quantity=whole(body, "quantity"),
        type=kind,
        validity=one_of(body, "validity", VALIDITIES),
        disclosed_quantity=whole(body, "disclosedQuantity", zero=True) or None,
    )


def read_leg(body: Mapping[str, Any], suffix: str, like: GttLeg | None = None) -> GttLeg:
    """One leg of a forever order: the fields with this suffix. `like`: what a change leaves as it is."""
    kind = one_of(body, "orderType", {"LIMIT": OrderType.LIMIT, "MARKET": OrderType.MARKET})
    return GttLeg(
        trigger_price=amount(body, f"triggerPrice{suffix}"),
        side=like.side if like else one_of(body, "transactionType", SIDES),
        quantity=whole(body, f"quantity{suffix}"),
        price=amount(body, f"price{suffix}", zero=kind is OrderType.MARKET),
        type=kind,
        product=like.product if like else one_of(body, "productType", PRODUCTS),
    )


def _type(body: Mapping[str, Any]) -> OrderType:
    if body.get("orderType") == "STOP_LOSS_MARKET":  # since prices are protected (dhan.md 13)
        raise DhanError.order("Trigger Price should be greater than Price")
    return one_of(body, "orderType", TYPES)


def _prices(body: Mapping[str, Any], kind: OrderType) -> tuple[Decimal | None, Decimal | None]:
    is_market = kind is OrderType.MARKET
    price = amount(body, "price", zero=is_market)
    return (
        None if is_market else price,
        amount(body, "triggerPrice") if kind is OrderType.SL else None,
    )


def one_of(body: Mapping[str, Any], name: str, words: Mapping[str, T]) -> T:
    word = body.get(name)
    if not isinstance(word, str) or word not in words:
        raise DhanError.bad_input(f"Invalid {name}")
    return words[word]


def whole(body: Mapping[str, Any], name: str, *, zero: bool = False) -> int:
    """A quantity; the documentation's samples write it as text. Raises DhanError."""
    value = body.get(name) or 0
    text = str(value)
    if isinstance(value, bool) or not text.isdecimal() or (int(text) == 0 and not zero):
        raise DhanError.bad_input(f"Invalid {name}")
    return int(text)


def amount(body: Mapping[str, Any], name: str, *, zero: bool = False) -> Decimal:
    try:
        value = Decimal(str(body.get(name) or 0))
    except InvalidOperation:
        raise DhanError.bad_input(f"Invalid {name}") from None
    if not value.is_finite() or value < 0 or (value == 0 and not zero):
        raise DhanError.bad_input(f"Invalid {name}")
    return value
