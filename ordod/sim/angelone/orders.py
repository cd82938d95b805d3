"""Orders: placed, changed and cancelled, and the books that tell of them (angelone.md 4, 5)."""

from datetime import datetime
from typing import Any

from ordod.domain.orders import NewOrder, OrderChanges
from ordod.paper.exchange import Exchange as Paper
from ordod.paper.exchange import Refusal
from ordod.sim.angelone.asked import Asked, refused
from ordod.sim.angelone.envelope import AngelError
from ordod.sim.angelone.forms import VARIETIES, ModifyForm, read_modify, read_place
from ordod.sim.angelone.market import Market
from ordod.sim.angelone.rows import is_stop, order_row, trade_row, unique_id
from ordod.sim.desk import Desk
from ordod.sim.orders import Booked, Wish

__all__ = ["Orders"]


class Orders:
    """What becomes of each request about orders. `has_hours`: outside them an order is parked until the open."""

    def __init__(self, paper: Paper, market: Market, desk: Desk, *, has_hours: bool) -> None:
        self._paper = paper
        self._market = market
        self._desk = desk
        self._has_hours = has_hours

    def placed(self, a: Asked) -> dict[str, str]:
        booked = self.place(a.user, a.said, a.now, a.wish)
        script = self._market.of(booked.terms.symbol).tradingsymbol
        return {"script": script, **_ids(booked.order_id)}

    def place(self, user: str, asked: dict[str, Any], now: datetime, wish: Wish) -> Booked:
        """What the order system would refuse is taken and stands rejected in the book. Raises AngelError."""
        try:
            form = read_place(asked)
            contract = self._market.find(form.exchange, form.symboltoken, form.tradingsymbol)
            terms = NewOrder(
                symbol=contract.symbol,
                side=form.side,
                quantity=form.quantity,
                type=form.type,
                product=form.product,
                price=form.price,
                trigger_price=form.trigger_price,
                validity=form.validity,
                disclosed_quantity=form.disclosed_quantity or None,
                tag=form.tag or None,
            )
            held = self._has_hours and not self._paper.is_open(contract.symbol, now)
            return self._desk.place(user, terms, now, wish, asked=asked, held=held)
        except AngelError as refusal:
            tag = str(asked.get("ordertag", ""))
            self._desk.refused("place", user, now, refusal.message, asked, tag=tag)
            raise
        except Refusal as refusal:
            raise refused(refusal) from None

    def modify(self, a: Asked) -> dict[str, str]:
        form = read_modify(a.said)
        booked = self._of_variety(a, form.variety, form.order_id, "modify")
        if booked is not None and self._market.of(booked.terms.symbol).token != form.symboltoken:
            raise AngelError("AB1018", "Failed to Get Symbol Details")
        changes = _changes(form, booked.terms) if booked is not None else OrderChanges()
        try:
            self._desk.modify(a.user, form.order_id, changes, a.now, asked=a.said)
        except Refusal as refusal:
            raise refused(refusal) from None
        return _ids(form.order_id)

    def cancel(self, a: Asked) -> dict[str, str]:
        order_id = str(a.said.get("orderid", ""))
        variety = a.said.get("variety")
        if variety not in VARIETIES:
            words = f"Invalid Order Variety. Value should be {', '.join(VARIETIES)}."
            raise AngelError("AB1008", words)
        self._of_variety(a, variety, order_id, "cancel")
        try:
            self._desk.cancel(a.user, order_id, a.now, asked=a.said)
        except Refusal as refusal:
            raise refused(refusal) from None
        return _ids(order_id)

    def _of_variety(self, a: Asked, variety: str, order_id: str, what: str) -> Booked | None:
        """The order, under its own variety (angelone.md 4.4). Raises AngelError."""
        booked = self._desk.mine(a.user, order_id)
        if booked is not None and is_stop(booked) is not (variety == "STOPLOSS"):
            self._desk.refused(what, a.user, a.now, "variety", a.said, order_id=order_id)
            raise AngelError("AB1008", "Invalid Order Variety")
        return booked

    def book(self, a: Asked) -> list[dict[str, Any]] | None:
        for gtt in self._paper.gtts(a.user):
            self._desk.adopt(a.user, gtt.row(), a.now)
        rows = [self._row(booked) for booked in self._desk.visible(a.user, a.now)]
        return rows or None

    def pushed(self, user: str, now: datetime) -> list[dict[str, Any]]:
        """The book's rows as the order socket has them: without `uniqueorderid` (angelone.md 9.2)."""
        rows = [self._row(booked) for booked in self._desk.visible(user, now)]
        return [{n: v for n, v in row.items() if n != "uniqueorderid"} for row in rows]

    def details(self, a: Asked) -> dict[str, Any]:
        for booked in self._desk.visible(a.user, a.now):
            if unique_id(booked.order_id) == a.rest:
                return self._row(booked)
        raise AngelError("AB1013", "Order not found")

    def _row(self, booked: Booked) -> dict[str, Any]:
        return order_row(booked, self._market.of(booked.terms.symbol))

    def trades(self, a: Asked) -> list[dict[str, Any]] | None:
        fills = self._desk.fills(a.user, a.now)
        return [trade_row(f, b.order_id, self._market.of(f.symbol)) for f, b in fills] or None


def _ids(order_id: str) -> dict[str, str]:
    return {"orderid": order_id, "uniqueorderid": unique_id(order_id)}


def _changes(form: ModifyForm, terms: NewOrder) -> OrderChanges:
    """What differs from the order as it stands."""

    def other(new: Any, old: Any) -> Any:
        return new if new != old else None

    return OrderChanges(
        price=other(form.price, terms.price),
        trigger_price=other(form.trigger_price, terms.trigger_price),
        quantity=other(form.quantity, terms.quantity),
        type=other(form.type, terms.type),
        validity=other(form.validity, terms.validity),
        disclosed_quantity=other(form.disclosed_quantity, terms.disclosed_quantity or 0),
    )
