"""What `jData` says, read as Noren reads it (noren.md 4). Market orders are refused, as the order system refuses them of an API."""

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
from ordod.sim.noren.envelope import NorenError, text_of
from ordod.sim.noren.market import Market

__all__ = [
    "PRODUCTS",
    "SIDES",
    "TYPES",
    "read_changes",
    "read_conversion",
    "read_gtt",
    "read_order",
    "read_terms",
]

T = TypeVar("T")
SIDES = {"B": Side.BUY, "S": Side.SELL}
TYPES = {
    "LMT": OrderType.LIMIT,
    "MKT": OrderType.MARKET,
    "SL-LMT": OrderType.SL,
    "SL-MKT": OrderType.SL_M,
}
PRODUCTS = {"C": Product.CNC, "I": Product.MIS, "M": Product.NRML, "F": Product.MTF}
RETENTIONS = {"DAY": Validity.DAY, "IOC": Validity.IOC}
ABOVE, BELOW, BOTH = "LTP_A_O", "LTP_B_O", "LMT_BOS_O"


def read_terms(body: dict[str, Any], market: Market) -> OrderTerms:
    kind = _one_of(body, "prctyp", TYPES)
    if kind in {OrderType.MARKET, OrderType.SL_M}:
        raise NorenError("Rejected : ALGO_CHK: MKT Order type not allowed for API order")
    if kind is OrderType.LIMIT and not str(body.get("trgprc", "1")).strip("0."):
        raise NorenError("Trigger price invalid - 0.00")
    return OrderTerms(
        symbol=market.find(body).symbol,
        side=_one_of(body, "trantype", SIDES),
        quantity=_whole(body, "qty"),
        type=kind,
        product=_one_of(body, "prd", PRODUCTS),
        price=_amount(body, "prc"),
        trigger_price=_amount(body, "trgprc") if kind is OrderType.SL else None,
    )


def read_order(body: dict[str, Any], market: Market) -> NewOrder:
    terms = read_terms(body, market)
    assert terms.product is not None
    if body.get("amo", "Yes") != "Yes":
        raise NorenError("Invalid Input :  Invalid AMO")
    shown = _whole(body, "dscqty", least=0) if "dscqty" in body else 0
    return NewOrder(
        symbol=terms.symbol,
        side=terms.side,
        quantity=terms.quantity,
        type=terms.type,
        product=terms.product,
        price=terms.price,
        trigger_price=terms.trigger_price,
        validity=_one_of(body, "ret", RETENTIONS),
        disclosed_quantity=shown or None,
        tag=body.get("remarks") or None,
    )


def read_changes(body: dict[str, Any], market: Market) -> OrderChanges:
    market.find(body)
    kind = _one_of(body, "prctyp", TYPES)
    return OrderChanges(
        type=kind,
        price=_amount(body, "prc"),
        trigger_price=_amount(body, "trgprc") if kind is OrderType.SL else None,
        quantity=_whole(body, "qty"),
        disclosed_quantity=_whole(body, "dscqty") if body.get("dscqty", "0") != "0" else None,
    )


def read_conversion(body: dict[str, Any], market: Market) -> Conversion:
    if body.get("postype") not in {"DAY", "Day", "CF"}:
        raise NorenError("Invalid Input :  Invalid Position Type")
    return Conversion(
        symbol=market.find(body).symbol,
        side=_one_of(body, "trantype", SIDES),
        quantity=_whole(body, "qty"),
        from_product=_one_of(body, "prevprd", PRODUCTS),
        to_product=_one_of(body, "prd", PRODUCTS),
        overnight=body["postype"] == "CF",
    )


def read_gtt(body: dict[str, Any], market: Market, last: Mapping[str, Decimal]) -> NewGtt:
    """One trigger beside its order, or two in `oivariable`, each with an object of its own."""
    symbol = market.find(body).symbol
    if body.get("validity") not in {"GTT", "DAY"}:
        raise NorenError("Invalid Oi")
    if body.get("ai_t") == BOTH:
        triggers = [_amount(one, "d") for one in body.get("oivariable", [])]
        names = ("place_order_params", "place_order_params_leg2")
        legs = [_leg(body[name], at) for name, at in zip(names, triggers, strict=True)]
        if triggers != sorted(triggers):
            raise NorenError("Invalid Oi")
    else:
        at = _amount(body, "d")
        if body.get("ai_t") != (ABOVE if at > last[symbol] else BELOW):
            raise NorenError("Invalid Oi")
        legs = [_leg(body, at)]
    return NewGtt(symbol=symbol, legs=tuple(legs))


def _leg(said: Mapping[str, Any], trigger: Decimal) -> GttLeg:
    return GttLeg(
        trigger_price=trigger,
        side=_one_of(said, "trantype", SIDES),
        quantity=_whole(said, "qty"),
        price=_amount(said, "prc"),
        type=_one_of(said, "prctyp", TYPES),
        product=_one_of(said, "prd", PRODUCTS),
    )


def _one_of(body: Mapping[str, Any], name: str, words: Mapping[str, T]) -> T:
    word = text_of(body, name)
    if word not in words:
        raise NorenError(f"Invalid Input :  Invalid {name}")
    return words[word]


def _whole(body: Mapping[str, Any], name: str, least: int = 1) -> int:
    text = text_of(body, name)
    if not text.isdecimal() or int(text) < least:
        raise NorenError(f"Invalid Input :  Invalid {name}")
    return int(text)


def _amount(body: Mapping[str, Any], name: str) -> Decimal:
    try:
        amount = Decimal(text_of(body, name))
    except InvalidOperation:
        raise NorenError(f"Invalid Input :  Invalid {name}") from None
    if not amount.is_finite() or amount <= 0:
        raise NorenError(f"Invalid Input :  Invalid {name}")
    return amount
