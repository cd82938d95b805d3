"""Orders in Upstox's words: bodies read into terms, rows of the book, of trails and of trades (upstox.md 4 and 5)."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from ordod.domain.orders import (
    BrokerOrder,
    Fill,
    NewOrder,
    OrderChanges,
    OrderType,
    Product,
    Side,
    Status,
    Validity,
)
from ordod.sim.orders import Booked
from ordod.sim.upstox.envelope import UpstoxError, number
from ordod.sim.upstox.market import Contract, Market

__all__ = ["order_row", "product_of", "read_changes", "read_order", "trade_row", "trail", "whole"]

WORDS = {
    Status.PENDING: "open pending",
    Status.OPEN: "open",
    Status.PARTIALLY_FILLED: "open",
    Status.TRIGGER_PENDING: "trigger pending",
    Status.FILLED: "complete",
    Status.CANCELLED: "cancelled",
    Status.EXPIRED: "cancelled",
    Status.REJECTED: "rejected",
}
PLACING = ("put order req received", "validation pending", "open pending")
MODIFYING = ("modify validation pending", "modify pending", "modified")
PLACE_FIELDS = frozenset({
    "quantity", "product", "validity", "price", "tag", "slice", "instrument_token", "order_type",
    "transaction_type", "disclosed_quantity", "trigger_price", "is_amo", "market_protection",
})  # fmt: skip
MODIFY_FIELDS = frozenset({
    "order_id", "order_type", "validity", "price", "trigger_price", "quantity",
    "disclosed_quantity", "market_protection",
})  # fmt: skip
TYPES = ("MARKET", "LIMIT", "SL", "SL-M")
TAG_MAX = 40
PROTECTION_MAX = 25


# Bodies


def read_order(body: Mapping[str, Any], market: Market) -> tuple[NewOrder, Contract]:
    """The body of a placement. Raises UpstoxError 400."""
    _known(body, PLACE_FIELDS)
    if not body.get("instrument_token"):
        raise UpstoxError.bad_input("instrument_token", "UDAPI1026")
    contract = market.find(str(body["instrument_token"]))
    kind = _one_of(body, "order_type", TYPES, "UDAPI1004", "UDAPI1056")
    quantity = whole(body.get("quantity"), "quantity")
    if quantity == 0:
        raise UpstoxError(400, "UDAPI1052", "The quantity cannot be zero", "quantity")
    tag = body.get("tag")
    if tag is not None and (not isinstance(tag, str) or len(tag) > TAG_MAX):
        raise UpstoxError(400, "UDAPI1119", "The tag is longer than 40 characters", "tag")
    if not isinstance(body.get("is_amo"), bool):
        raise UpstoxError.bad_input("is_amo")
    if body.get("slice"):
        raise UpstoxError.bad_input("slice")  # this simulator does not slice
    price = _price(body, "price", wanted=kind in ("LIMIT", "SL"))
    protection = _protection(body, kind)
    order = NewOrder(
        symbol=contract.symbol,
        side=Side(_one_of(body, "transaction_type", ("BUY", "SELL"))),
        quantity=quantity * contract.units,
        type=OrderType(kind),
        product=product_of(str(body.get("product")), contract),
        validity=Validity(_one_of(body, "validity", ("DAY", "IOC"), "UDAPI1007", "UDAPI1055")),
        price=price,
        trigger_price=_price(body, "trigger_price", wanted=kind in ("SL", "SL-M")),
        disclosed_quantity=whole(body.get("disclosed_quantity"), "disclosed_quantity")
        * contract.units
        or None,
        market_protection=protection,
        tag=tag,
    )
    return order, contract


def read_changes(body: Mapping[str, Any], contract: Contract) -> OrderChanges:
    """The body of a modification; of the optional fields those left out stay. Raises UpstoxError 400."""
    _known(body, MODIFY_FIELDS)
    kind = _one_of(body, "order_type", TYPES, "UDAPI1004", "UDAPI1056")
    _protection(body, kind)
    quantity = whole(body["quantity"], "quantity") if "quantity" in body else None
    if quantity == 0:
        raise UpstoxError(400, "UDAPI1052", "The quantity cannot be zero", "quantity")
    disclosed = body.get("disclosed_quantity")
    return OrderChanges(
        price=_price(body, "price", wanted=kind in ("LIMIT", "SL")),
        trigger_price=_price(body, "trigger_price", wanted=kind in ("SL", "SL-M")),
        quantity=quantity * contract.units if quantity else None,
        type=OrderType(kind),
        validity=Validity(_one_of(body, "validity", ("DAY", "IOC"), "UDAPI1007", "UDAPI1055")),
        disclosed_quantity=whole(disclosed, "disclosed_quantity") * contract.units
        if disclosed
        else None,
    )


def product_of(word: str, contract: Contract) -> Product:
    """D is delivery on shares and carry on derivatives."""
    is_share = contract.instrument.expiry is None
    products = {
        "D": Product.CNC if is_share else Product.NRML,
        "I": Product.MIS,
        "MTF": Product.MTF,
    }
    if word not in products:
        raise UpstoxError.bad_input("product")
    return products[word]


def whole(value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UpstoxError.bad_input(name)
    return value


def amount(value: object, name: str) -> Decimal:
    """A price above 0. Raises UpstoxError 400."""
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        raise UpstoxError.bad_input(name) from None
    if isinstance(value, bool | str) or not price.is_finite() or price <= 0:
        raise UpstoxError.bad_input(name)
    return price


def _price(body: Mapping[str, Any], name: str, *, wanted: bool) -> Decimal | None:
    """Both prices are always sent, 0 where the type has none."""
    if name not in body:
        raise UpstoxError.bad_input(name, "UDAPI1043")
    if not wanted:
        if body[name] != 0:
            raise UpstoxError.bad_input(name)
        return None
    if body[name] == 0:
        raise UpstoxError.bad_input(name, "UDAPI1043")
    return amount(body[name], name)


def _protection(body: Mapping[str, Any], kind: str) -> Decimal | None:
    """Exchanges demand it of MARKET and SL-M since April 2026."""
    if kind not in ("MARKET", "SL-M"):
        return None
    value = body.get("market_protection")
    if value is None:
        raise UpstoxError(
            400, "UDAPI1158", "Market order is not allowed. Use a limit order or market protection."
        )
    if value == -1:
        return None
    percent = amount(value, "market_protection")
    if percent > PROTECTION_MAX:
        raise UpstoxError.bad_input("market_protection")
    return percent


def _known(body: Mapping[str, Any], names: frozenset[str]) -> None:
    for name in body:
        if name not in names:
            raise UpstoxError.bad_input(name)


def _one_of(
    body: Mapping[str, Any],
    name: str,
    words: tuple[str, ...],
    missing: str = "UDAPI100036",
    wrong: str = "UDAPI100036",
) -> str:
    value = body.get(name)
    if value is None:
        raise UpstoxError.bad_input(name, missing)
    if value not in words:
        raise UpstoxError.bad_input(name, wrong)
    return str(value)


# Rows


def order_row(
    booked: Booked, contract: Contract, row: BrokerOrder | None = None, *, gtt: str | None = None
) -> dict[str, Any]:
    """One row of the book: how the order stands, or stood at `row`."""
    row = row or booked.row
    units, word = contract.units, _word(booked, row)
    left = 0 if word in ("complete", "rejected") else row.quantity - row.filled_quantity
    return contract.named() | {
        "product": "D" if row.product in (Product.CNC, Product.NRML) else "I",
        "price": number(row.price),
        "quantity": row.quantity // units,
        "status": word,
        "guid": None,
        "tag": booked.shown_tag or None,
        "placed_by": booked.user_id,
        "order_type": str(row.type),
        "validity": str(row.validity),
        "trigger_price": number(row.trigger_price),
        "disclosed_quantity": (row.disclosed_quantity or 0) // units,
        "transaction_type": str(row.side),
        "average_price": number(row.average_price),
        "filled_quantity": row.filled_quantity // units,
        "pending_quantity": left // units,
        "status_message": row.status_message,
        "status_message_raw": row.status_message,
        "exchange_order_id": row.exchange_order_id,
        "parent_order_id": None,
        "order_id": booked.order_id,
        "variety": "SIMPLE",
        "order_timestamp": stamp(booked.placed_at),
        "exchange_timestamp": stamp(row.updated_at) if row.exchange_order_id else None,
        "is_amo": booked.paper is None and booked.waiting is not Status.REJECTED,
        "order_request_id": str(1 + booked.modifications),
        "order_ref_id": gtt,
    }


def trail(booked: Booked, contract: Contract) -> list[dict[str, Any]]:
    """Its history, oldest first, without the fields that history rows lack (upstox.md 5.2)."""
    steps = _steps(booked, contract)
    lacking = ("guid", "pending_quantity", "status_message_raw", "order_ref_id")
    return [{name: row[name] for name in row if name not in lacking} for row in steps]


def _steps(booked: Booked, contract: Contract) -> list[dict[str, Any]]:
    first = {"filled_quantity": 0, "average_price": 0.0, "exchange_order_id": None}
    if booked.paper is None:
        received = [{**order_row(booked, contract), **first, "status": PLACING[0]}]
        return [*received, order_row(booked, contract)]
    marks = booked.paper.trail
    before = marks[0]
    rows = [{**order_row(booked, contract, before), **first, "status": word} for word in PLACING]
    for mark in marks:
        row = order_row(booked, contract, mark) | {"order_timestamp": stamp(mark.updated_at)}
        if _terms(mark) != _terms(before):
            rows += [row | {"status": word} for word in MODIFYING]
        if mark.status is not Status.PENDING:
            rows.append(row)
        before = mark
    return rows


def trade_row(fill: Fill, booked: Booked, contract: Contract) -> dict[str, Any]:
    return (
        contract.named()
        | {
            "product": "D" if fill.product in (Product.CNC, Product.NRML) else "I",
            "order_type": str(booked.row.type),
            "transaction_type": str(fill.side),
            "quantity": fill.quantity // contract.units,
            "exchange_order_id": fill.exchange_order_id,
            "order_id": booked.order_id,
            "exchange_timestamp": f"{fill.at:%d-%b-%Y %H:%M:%S}",  # the elder way of writing, which is seen too
            "average_price": number(fill.price),
            "trade_id": fill.trade_id,
            "order_ref_id": None,
            "order_timestamp": stamp(booked.placed_at),
        }
    )


def stamp(at: datetime | None) -> str | None:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else None


def _word(booked: Booked, row: BrokerOrder) -> str:
    if booked.paper is None:
        if booked.waiting is Status.PENDING:
            changed = "modify " if booked.modifications else ""
            return f"{changed}after market order req received"
        if booked.waiting is Status.CANCELLED:
            return "cancelled after market order"
    return WORDS[row.status]


def _terms(row: BrokerOrder) -> tuple[Any, ...]:
    return (row.quantity, row.type, row.price, row.trigger_price, row.validity)
