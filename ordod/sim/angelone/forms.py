"""What clients send, read strictly (angelone.md 4). A field nobody documents is refused, so that a misspelt one cannot pass."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson
from msgspec import Struct

from ordod.domain.gtt import GttLeg
from ordod.domain.orders import OrderType, Product, Side, Validity
from ordod.sim.angelone.envelope import AngelError

__all__ = [
    "GttForm",
    "ModifyForm",
    "PlaceForm",
    "read_body",
    "read_gtt",
    "read_modify",
    "read_place",
    "read_product",
    "read_side",
    "read_type",
    "whole",
]

VARIETIES = ("NORMAL", "STOPLOSS", "ROBO")
TYPES = {
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "STOPLOSS_LIMIT": OrderType.SL,
    "STOPLOSS_MARKET": OrderType.SL_M,
}
PRODUCTS = {
    "DELIVERY": Product.CNC,
    "INTRADAY": Product.MIS,
    "CARRYFORWARD": Product.NRML,
    "MARGIN": Product.MTF,
}
DURATIONS = {"DAY": Validity.DAY, "IOC": Validity.IOC}
TAG_MAX = 19
COMMON = {
    *("variety", "tradingsymbol", "symboltoken", "exchange", "ordertype", "producttype"),
    *("duration", "price", "triggerprice", "quantity", "disclosedquantity"),
}
PLACE_FIELDS = COMMON | {
    *("transactiontype", "squareoff", "stoploss", "trailingStopLoss", "ordertag", "scripconsent"),
}
MODIFY_FIELDS = COMMON | {"orderid"}
GTT_FIELDS = {
    *("id", "tradingsymbol", "symboltoken", "exchange", "transactiontype", "producttype"),
    *("price", "qty", "triggerprice", "disclosedqty", "timeperiod"),
}


class PlaceForm(Struct, frozen=True, kw_only=True):
    """`placeOrder`. Prices that do not apply, and 0, are None."""

    variety: str
    exchange: str
    tradingsymbol: str
    symboltoken: str
    side: Side
    type: OrderType
    product: Product
    validity: Validity
    quantity: int
    price: Decimal | None
    trigger_price: Decimal | None
    disclosed_quantity: int
    tag: str


class ModifyForm(Struct, frozen=True, kw_only=True):
    """`modifyOrder`: the order as it is to be."""

    variety: str
    order_id: str
    exchange: str
    tradingsymbol: str
    symboltoken: str
    type: OrderType
    product: Product
    validity: Validity
    quantity: int
    price: Decimal | None
    trigger_price: Decimal | None
    disclosed_quantity: int


class GttForm(Struct, frozen=True, kw_only=True):
    """`createRule`; of `modifyRule` the terms."""

    exchange: str
    symboltoken: str
    tradingsymbol: str | None
    leg: GttLeg


def read_body(body: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise AngelError("AB1004", "Something Went Wrong, not a JSON body") from None
    if not isinstance(said, dict):
        raise AngelError("AB1004", "Something Went Wrong, not an object")
    return said


def read_place(said: dict[str, Any]) -> PlaceForm:
    """Raises AngelError."""
    _known(said, PLACE_FIELDS)
    kind, variety = read_type(said), _variety(said)
    tag = str(said.get("ordertag", ""))
    if len(tag) > TAG_MAX:
        raise AngelError("AB4008", "ordertag length should be less than 20 characters")
    return PlaceForm(
        variety=variety,
        exchange=_text(said, "exchange"),
        tradingsymbol=_text(said, "tradingsymbol"),
        symboltoken=str(said.get("symboltoken", "")),
        side=read_side(_text(said, "transactiontype")),
        type=kind,
        product=read_product(_text(said, "producttype")),
        validity=_duration(said),
        quantity=whole(said, "quantity"),
        tag=tag,
        **_prices(said, kind),
    )


def read_modify(said: dict[str, Any]) -> ModifyForm:
    """Raises AngelError."""
    _known(said, MODIFY_FIELDS)
    kind, variety = read_type(said), _variety(said)
    return ModifyForm(
        variety=variety,
        order_id=_text(said, "orderid"),
        exchange=_text(said, "exchange"),
        tradingsymbol=_text(said, "tradingsymbol"),
        symboltoken=_text(said, "symboltoken"),
        type=kind,
        product=read_product(_text(said, "producttype")),
        validity=_duration(said),
        quantity=whole(said, "quantity"),
        **_prices(said, kind),
    )


def read_gtt(said: dict[str, Any], old: GttLeg | None = None) -> GttForm:
    """`old`: what a modification leaves as it is. Raises AngelError."""
    _known(said, GTT_FIELDS)
    if _text(said, "exchange") not in ("NSE", "BSE"):
        raise AngelError("AB9003", "Invalid Exchange")
    side = old.side if old else read_side(_text(said, "transactiontype"))
    product = old.product if old else read_product(_text(said, "producttype"))
    if product not in (Product.CNC, Product.MTF):
        raise AngelError("AB9006", "Invalid Product Type")
    price, trigger = _amount(said, "price"), _amount(said, "triggerprice")
    if price is None or trigger is None:
        raise AngelError("AB9008", "Invalid Price")
    return GttForm(
        exchange=_text(said, "exchange"),
        symboltoken=_text(said, "symboltoken"),
        tradingsymbol=None if old else _text(said, "tradingsymbol"),
        leg=GttLeg(
            trigger_price=trigger,
            side=side,
            quantity=whole(said, "qty"),
            price=price,
            product=product,
        ),
    )


def read_type(said: dict[str, Any], field: str = "ordertype") -> OrderType:
    if said.get(field) not in TYPES:
        raise AngelError("AB1020", "Invalid Order Type")
    return TYPES[said[field]]


def read_product(word: str) -> Product:
    if word not in PRODUCTS:
        raise AngelError("AB1012", "Invalid Product Type")
    return PRODUCTS[word]


def read_side(word: str) -> Side:
    if word not in ("BUY", "SELL"):
        raise AngelError("AB1004", "Something Went Wrong, transactiontype")
    return Side(word)


def whole(said: dict[str, Any], name: str) -> int:
    text = str(said.get(name, ""))
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise AngelError("AB1004", f"Something Went Wrong, {name}")
    return int(text)


def _variety(said: dict[str, Any]) -> str:
    """Stops under STOPLOSS, the others not; bracket orders are blocked here."""
    variety = said.get("variety")
    if variety not in VARIETIES:
        words = f"Invalid Order Variety. Value should be {', '.join(VARIETIES)}."
        raise AngelError("AB1008", words)
    if variety == "ROBO":
        raise AngelError("AB2002", "ROBO order is block")
    is_stop = str(said.get("ordertype", "")).startswith("STOPLOSS")
    if is_stop is not (variety == "STOPLOSS") and "orderid" not in said:
        raise AngelError("AB1020", "Invalid Order Type")
    return str(variety)


def _duration(said: dict[str, Any]) -> Validity:
    word = said.get("duration")
    if word not in DURATIONS or (word == "IOC" and said.get("exchange") == "MCX"):
        raise AngelError("AB1004", "Something Went Wrong, duration")
    return DURATIONS[word]


def _prices(said: dict[str, Any], kind: OrderType) -> dict[str, Any]:
    is_priced = kind in (OrderType.LIMIT, OrderType.SL)
    is_stop = kind in (OrderType.SL, OrderType.SL_M)
    return {
        "price": _amount(said, "price") if is_priced else None,
        "trigger_price": _amount(said, "triggerprice") if is_stop else None,
        "disclosed_quantity": int(_amount(said, "disclosedquantity") or 0),
    }


def _amount(said: dict[str, Any], name: str) -> Decimal | None:
    try:
        amount = Decimal(str(said.get(name, 0) or 0))
    except InvalidOperation:
        raise AngelError("AB1004", f"Something Went Wrong, {name}") from None
    return amount or None


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not value:
        raise AngelError("AB1004", f"Something Went Wrong, {name} is missing")
    return value


def _known(said: dict[str, Any], fields: Iterable[str]) -> None:
    unknown = set(said) - set(fields)
    if unknown:
        raise AngelError("AB1004", f"Something Went Wrong, unknown {', '.join(sorted(unknown))}")
