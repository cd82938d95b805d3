"""One order as Kite's book shows it, now and at every step of its life (zerodha.md 5).

The exchange knows how an order stands; Kite adds what it was called with, tags of its own, and words for steps that the
exchange takes at once.
"""

from decimal import Decimal
from typing import Any

from msgspec import field

from ordod.domain.orders import BrokerOrder, OrderType, Status
from ordod.sim import orders
from ordod.sim.zerodha.envelope import number
from ordod.sim.zerodha.market import Contract
from ordod.sim.zerodha.rows import stamp

__all__ = ["AUTOMATIC_PROTECTION", "Booked", "order_row", "status_word", "trail_rows"]

AUTOMATIC_PROTECTION = Decimal(2)  # percent; what the sample rows show
STATUS_WORDS = {
    Status.PENDING: "OPEN PENDING",
    Status.OPEN: "OPEN",
    Status.PARTIALLY_FILLED: "OPEN",
    Status.TRIGGER_PENDING: "TRIGGER PENDING",
    Status.FILLED: "COMPLETE",
    Status.CANCELLED: "CANCELLED",
    Status.EXPIRED: "CANCELLED",
    Status.REJECTED: "REJECTED",
}
PLACING = ("PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING")
MODIFYING = ("MODIFY VALIDATION PENDING", "MODIFY PENDING", "MODIFIED")


class Booked(orders.Booked, kw_only=True):
    """One order of the day under its Kite id."""

    variety: str
    contract: Contract
    guid: str
    system_tags: list[str] = field(default_factory=list)
    protection: Decimal | None = None
    validity_ttl: int = 0
    auction_number: str = ""
    parent_order_id: str | None = None
    meta: dict[str, Any] = field(default_factory=dict)


def status_word(booked: Booked, row: BrokerOrder | None = None) -> str:
    """Kite's word for how the order stands, or stood at `row` (zerodha.md 5.1)."""
    if booked.paper is None:
        held = {Status.PENDING: "AMO REQ RECEIVED", Status.CANCELLED: "CANCELLED AMO"}
        if booked.waiting is Status.PENDING and booked.modifications:
            return "MODIFY AMO REQ RECEIVED"
        return held.get(booked.waiting) or STATUS_WORDS[booked.waiting]
    return STATUS_WORDS[(row or booked.row).status]


def order_row(booked: Booked, row: BrokerOrder | None = None) -> dict[str, Any]:
    """One row of the order book, or of the trail: how the order stood at `row` (zerodha.md 5.2)."""
    row = row or booked.row
    contract = booked.contract
    units = contract.units
    word = status_word(booked, row)
    quantity, filled = row.quantity // units, row.filled_quantity // units
    ended = word in ("CANCELLED", "CANCELLED AMO")
    order_type, price, mktp = _protected(booked, row)
    tags = [tag for tag in (booked.shown_tag,) if tag] + booked.system_tags + mktp
    at_exchange = row.exchange_order_id is not None
    shown: dict[str, Any] = {
        "account_id": booked.user_id,
        "placed_by": booked.user_id,
        "order_id": booked.order_id,
        "exchange_order_id": row.exchange_order_id,
        "parent_order_id": booked.parent_order_id,
        "status": word,
        "status_message": row.status_message,
        "status_message_raw": row.status_message,
        "order_timestamp": stamp(row.updated_at if booked.modifications else booked.placed_at),
        "exchange_update_timestamp": stamp(row.updated_at) if at_exchange else None,
        "exchange_timestamp": stamp(row.updated_at) if at_exchange else None,
        "variety": booked.variety,
        "modified": booked.modifications > 0,
        "exchange": contract.exchange,
        "tradingsymbol": contract.tradingsymbol,
        "instrument_token": contract.instrument_token,
        "order_type": order_type,
        "transaction_type": str(row.side),
        "validity": str(row.validity),
        "validity_ttl": booked.validity_ttl,
        "product": str(row.product),
        "quantity": quantity,
        "disclosed_quantity": (row.disclosed_quantity or 0) // units,
        "price": price,
        "trigger_price": number(row.trigger_price),
        "average_price": number(row.average_price),
        "filled_quantity": filled,
        "pending_quantity": 0 if word in ("COMPLETE", "REJECTED") else quantity - filled,
        "cancelled_quantity": quantity - filled if ended else 0,
        "market_protection": 0 if mktp else number(booked.protection),
        "meta": booked.meta,
        "tag": booked.shown_tag or None,
        "guid": booked.guid,
    }
    if booked.auction_number:
        shown["auction_number"] = booked.auction_number
    if tags:
        shown["tags"] = tags
    return shown


def trail_rows(booked: Booked) -> list[dict[str, Any]]:
    """Its history, oldest first, with the steps that Kite tells and the exchange does not."""
    first = {
        "filled_quantity": 0,
        "average_price": 0,
        "exchange_order_id": None,
        "exchange_timestamp": None,
    }
    if booked.paper is None:
        return [order_row(booked)]
    marks = booked.paper.trail
    asked = marks[0].quantity // booked.contract.units
    lines = [
        order_row(booked, marks[0]) | first | {"status": word, "pending_quantity": asked}
        for word in PLACING
    ]
    before = marks[0]
    for mark in marks:
        if _terms(mark) != _terms(before):
            lines += [order_row(booked, mark) | {"status": word} for word in MODIFYING]
        if mark.status is not Status.PENDING:
            lines.append(order_row(booked, mark))
        before = mark
    return lines


def _protected(booked: Booked, row: BrokerOrder) -> tuple[str, float | int, list[str]]:
    """A protected market order goes out, and is shown, as a limit order with tags that say so (zerodha.md 4.2)."""
    if booked.protection is None or row.type is not OrderType.MARKET or booked.paper is None:
        return str(row.type), number(row.price), []
    percent = AUTOMATIC_PROTECTION if booked.protection == -1 else booked.protection
    limit = Decimal(booked.paper.limit) / 100
    return "LIMIT", number(limit), ["mktp", f"mktp:{percent:.2f}"]


def _terms(row: BrokerOrder) -> tuple[Any, ...]:
    return (
        row.quantity,
        row.type,
        row.price,
        row.trigger_price,
        row.validity,
        row.disclosed_quantity,
    )
