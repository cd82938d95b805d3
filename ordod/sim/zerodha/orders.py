"""The order desk: what Kite's order management adds to an exchange (zerodha.md 4 and 5).

Orders here are the exchange's orders under Kite's ids, plus what only the broker knows: varieties that are several orders at
the exchange (iceberg, cover), after-market orders that wait for the next day, auctions, slices, tags, the count of
modifications, and the answers to what is asked of it.
"""

import random
import string
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from ordod.domain.orders import (
    NewOrder,
    OrderChanges,
    OrderType,
    Product,
    Side,
    Status,
    Validity,
    Variety,
)
from ordod.paper.exchange import Exchange as Paper
from ordod.paper.exchange import Refusal
from ordod.sim.orders import Orders, Wish
from ordod.sim.zerodha.booked import (
    AUTOMATIC_PROTECTION,
    Booked,
    order_row,
    status_word,
    trail_rows,
)
from ordod.sim.zerodha.envelope import KiteError
from ordod.sim.zerodha.forms import ModifyForm, PlaceForm
from ordod.sim.zerodha.market import Contract, Market
from ordod.sim.zerodha.rows import trade_row

__all__ = ["Desk", "with_refusals"]

ID_EPOCH = datetime(
    2010, 11, 4, 1, 42, 54, 657000, UTC
)  # of the 19-digit ids: milliseconds since then, times 2**22
MODIFICATIONS_MAX = 25
SLICES_MAX = 10
REFUSALS = {
    "INVALID_INPUT": "InputException",
    "ORDER_REJECTED": "OrderException",
    "UNSUPPORTED": "InputException",
}


T = TypeVar("T")


class _Iceberg(Struct):
    form: PlaceForm
    current: Booked
    leg: int = 1


class _Cover(Struct):
    entry: Booked
    trigger_price: Decimal


class Desk(Orders[Booked]):
    """Every user's orders of the day, in Kite's varieties."""

    def __init__(self, paper: Paper, market: Market, chance: random.Random) -> None:
        super().__init__(paper)
        self._rows: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}  # as last shown
        self._market = market
        self._chance = chance
        self._icebergs: list[_Iceberg] = []
        self._covers: list[_Cover] = []
        self._last_id = 0

    # What clients ask for

    def place(self, user: str, form: PlaceForm, now: datetime, wish: Wish) -> dict[str, Any]:
        """The `data` of `POST /orders/{variety}`. Raises KiteError; then there is no order, and none in the book."""
        contract = self._market.find(form.exchange, form.tradingsymbol)
        freeze = contract.instrument.freeze_quantity
        if form.autoslice and freeze is not None and form.quantity * contract.units > freeze:
            return self._slices(user, form, contract, freeze, now, wish)
        if form.variety == "iceberg":
            return {"order_id": self._leg(user, form, contract, 1, now, wish).order_id}
        booked = self._book(user, form, contract, form.quantity, now, wish)
        if form.variety == "co":
            assert form.trigger_price is not None
            self._covers.append(_Cover(booked, form.trigger_price))
        return {"order_id": booked.order_id} | ({"children": []} if form.autoslice else {})

    def modify(
        self, user: str, variety: str, order_id: str, form: ModifyForm, now: datetime
    ) -> None:
        """Raises KiteError: unknown, not of this variety, finished, or changed 25 times before."""
        booked = self._mine(user, variety, order_id, "modified")
        if booked.modifications >= MODIFICATIONS_MAX:
            raise KiteError(400, "OrderException", "Maximum allowed order modifications exceeded.")
        units = booked.contract.units
        changes = OrderChanges(
            price=form.price,
            trigger_price=form.trigger_price,
            quantity=form.quantity * units if form.quantity else None,
            type=OrderType(form.order_type) if form.order_type else None,
            validity=Validity(form.validity) if form.validity else None,
            disclosed_quantity=form.disclosed_quantity,
        )
        paper = booked.paper
        if paper is None:
            given = msgspec.structs.asdict(changes)
            given = {name: value for name, value in given.items() if value is not None}
            booked.terms = msgspec.structs.replace(booked.terms, **given)
        else:
            with_refusals(lambda: self.paper.modify(user, paper.order_id, changes, now))
        booked.modifications += 1
        booked.protection = form.market_protection or booked.protection

    def cancel(self, user: str, variety: str, order_id: str, parent: str, now: datetime) -> None:
        """A cover order's second leg is left by cancelling it with its parent: it trades. Raises KiteError."""
        booked = self._mine(user, variety, order_id, "cancelled")
        self._icebergs = [berg for berg in self._icebergs if berg.current is not booked]
        paper = booked.paper
        if paper is None:
            booked.waiting = Status.CANCELLED
        elif booked.parent_order_id is None:
            with_refusals(lambda: self.paper.cancel(user, paper.order_id, now))
        elif parent == booked.parent_order_id:
            leave = OrderChanges(type=OrderType.MARKET)
            with_refusals(lambda: self.paper.modify(user, paper.order_id, leave, now))
        else:
            raise KiteError.bad_input("Invalid `parent_order_id`.")

    # The books

    def rows(self, user: str, now: datetime) -> list[dict[str, Any]]:
        return [self._row(booked) for booked in self.visible(user, now)]

    def _row(self, booked: Booked) -> dict[str, Any]:
        """Made anew when the order has moved: who waits behind a book of hundreds would be measured by its making."""
        paper = booked.paper
        at_exchange = (paper.marks[-1], paper.exchange_order_id, paper.limit) if paper else ()
        stands = (*astuple(booked), *at_exchange)
        kept = self._rows.get(booked.order_id)
        if kept is None or kept[0] != stands:
            kept = self._rows[booked.order_id] = (stands, order_row(booked))
        return kept[1]

    def trail(self, user: str, order_id: str, now: datetime) -> list[dict[str, Any]]:
        """Oldest first. Raises KiteError 404 for an order that is not in the book."""
        booked = self._shown(user, order_id, now)
        return trail_rows(booked)

    def trades(self, user: str, now: datetime) -> list[dict[str, Any]]:
        return [trade_row(fill, b.order_id, b.contract) for fill, b in self.fills(user, now)]

    def trades_of(self, user: str, order_id: str, now: datetime) -> list[dict[str, Any]]:
        booked = self._shown(user, order_id, now)
        return [row for row in self.trades(user, now) if row["order_id"] == booked.order_id]

    # What the broker does by itself

    def advance(self, now: datetime) -> None:
        """Next legs of icebergs, the stops of cover orders, orders that triggers released."""
        for berg in tuple(self._icebergs):
            if berg.current.row.status is Status.FILLED:
                self._icebergs.remove(berg)
                if berg.leg < berg.form.iceberg_legs:
                    wish = Wish(origin="broker")
                    self._leg(
                        berg.current.user_id,
                        berg.form,
                        berg.current.contract,
                        berg.leg + 1,
                        now,
                        wish,
                    )
            elif not berg.current.is_live:
                self._icebergs.remove(berg)
        for cover in tuple(self._covers):
            if not cover.entry.is_live:
                self._covers.remove(cover)
                if cover.entry.row.filled_quantity:
                    self._protect(cover, now)

    def adopt(self, user: str, paper_id: str, now: datetime) -> str:
        """The Kite id of an order the exchange made by itself (a trigger's)."""
        known = self.of_paper(paper_id)
        if known is None:
            paper = self.paper.order(user, paper_id)
            contract = self._market.of(paper.terms.symbol)
            known = self._new(user, "regular", contract, paper.terms, paper.placed_at)
            self.attach(known, paper)
            self.note_placed(known, "broker", {})
        return known.order_id

    def new_day(self, now: datetime) -> None:
        self._icebergs.clear()
        self._covers.clear()
        self._rows.clear()
        super().new_day(now)

    # Placing

    def _book(
        self,
        user: str,
        form: PlaceForm,
        contract: Contract,
        quantity: int,
        now: datetime,
        wish: Wish,
        *,
        system_tags: tuple[str, ...] = (),
    ) -> Booked:
        terms = _terms_of(form, contract, quantity)
        booked = self._new(user, form.variety, contract, terms, now)
        booked.tag = form.tag
        booked.validity_ttl = form.validity_ttl
        booked.auction_number = form.auction_number
        booked.hides_tag = wish.hides_tag
        booked.system_tags = list(system_tags)
        if form.order_type in ("MARKET", "SL-M"):
            booked.protection = form.market_protection
        if wish.invisible_s:
            booked.visible_at = now + timedelta(seconds=wish.invisible_s)
        if form.variety != "amo":
            try:
                paper = with_refusals(lambda: self.paper.place(user, terms, now))
            except KiteError:
                self.drop(booked)
                raise
            self.attach(booked, paper)
        self.note_placed(booked, wish.origin, _plain(form))
        return booked

    def _new(
        self, user: str, variety: str, contract: Contract, terms: NewOrder, now: datetime
    ) -> Booked:
        booked = Booked(
            order_id=self._next_id(now),
            user_id=user,
            variety=variety,
            contract=contract,
            terms=terms,
            placed_at=now,
            guid="".join(self._chance.choices(string.ascii_letters + string.digits, k=20)),
        )
        return self.add(booked)

    def _leg(
        self, user: str, form: PlaceForm, contract: Contract, leg: int, now: datetime, wish: Wish
    ) -> Booked:
        size = form.quantity // form.iceberg_legs
        booked = self._book(user, form, contract, size, now, wish)
        booked.meta = {
            "iceberg": {
                "leg": leg,
                "legs": form.iceberg_legs,
                "leg_quantity": size,
                "total_quantity": form.quantity,
                "remaining_quantity": form.quantity - leg * size,
            }
        }
        self._icebergs.append(_Iceberg(form, booked, leg))
        return booked

    def _slices(
        self, user: str, form: PlaceForm, contract: Contract, freeze: int, now: datetime, wish: Wish
    ) -> dict[str, Any]:
        """Slices of the freeze quantity under a parent id that is no order itself (zerodha.md 4.6)."""
        lot = contract.instrument.lot_size or 1
        whole = freeze // lot * lot // contract.units
        sizes = [whole] * (form.quantity // whole)
        sizes += [form.quantity % whole] if form.quantity % whole else []
        if len(sizes) > SLICES_MAX:
            raise KiteError.bad_input(f"Maximum {SLICES_MAX} slices are allowed.")
        parent = self._next_id(now)
        tags = ("autoslice", f"autoslice:{parent}")
        children: list[dict[str, Any]] = []
        for size in sizes:
            try:
                child = self._book(user, form, contract, size, now, wish, system_tags=tags)
                children.append({"order_id": child.order_id})
            except KiteError as error:
                said = {
                    "code": error.status,
                    "error_type": error.error_type,
                    "message": error.message,
                    "data": None,
                }
                children.append({"error": said})
        return {"order_id": parent, "children": children}

    def _protect(self, cover: _Cover, now: datetime) -> None:
        """The second leg: the stop that closes what the entry bought or sold."""
        entry = cover.entry
        terms = NewOrder(
            symbol=entry.terms.symbol,
            side=Side.SELL if entry.terms.side is Side.BUY else Side.BUY,
            quantity=entry.row.filled_quantity,
            type=OrderType.SL_M,
            product=entry.terms.product,
            trigger_price=cover.trigger_price,
            tag=None,
        )
        stop = self._new(entry.user_id, "co", entry.contract, terms, now)
        stop.parent_order_id = entry.order_id
        try:
            self.attach(stop, self.paper.place(entry.user_id, terms, now))
        except Refusal as refusal:
            stop.waiting, stop.message = Status.REJECTED, refusal.message
        self.note_placed(stop, "broker", {})

    def _next_id(self, now: datetime) -> str:
        milliseconds = (now - ID_EPOCH) // timedelta(milliseconds=1)
        self._last_id = max(self._last_id + 1, milliseconds << 22)
        return str(self._last_id)

    # Finding and showing

    def _mine(self, user: str, variety: str, order_id: str, change: str) -> Booked:
        """A living order of this user and variety. Raises KiteError."""
        booked = self.mine(user, order_id)
        if booked is None:
            raise KiteError.no_order()
        if booked.variety != variety:
            raise KiteError.bad_input("Invalid `variety`.")
        if not booked.is_live:
            word = status_word(booked)
            raise KiteError(400, "OrderException", f"Order cannot be {change} as it is {word}.")
        return booked

    def _shown(self, user: str, order_id: str, now: datetime) -> Booked:
        booked = self.shown(user, order_id, now)
        if booked is None:
            raise KiteError(404, "GeneralException", "Couldn't find that `order_id`.")
        return booked


def _refused(refusal: Refusal) -> KiteError:
    """The exchange's no in Kite's words; it comes before the order is booked, so the book never shows it."""
    if str(refusal.fault) == "NOT_FOUND":
        return KiteError.no_order()
    if str(refusal.fault) == "MARKET_CLOSED":
        words = "Markets are closed right now. Use AMO for placing orders."
        return KiteError(400, "OrderException", words)
    if str(refusal.fault) == "INSUFFICIENT_FUNDS":
        if "to sell" in refusal.message:
            return KiteError(400, "HoldingException", f"Insufficient holdings: {refusal.message}.")
        return KiteError(400, "MarginException", f"Insufficient funds. {refusal.message}.")
    return KiteError(400, REFUSALS.get(str(refusal.fault), "OrderException"), refusal.message)


def with_refusals(act: Callable[[], T]) -> T:
    """What the exchange answers; its no as Kite's."""
    try:
        return act()
    except Refusal as refusal:
        raise _refused(refusal) from None


def _plain(form: PlaceForm) -> dict[str, str]:
    return {
        name: str(value)
        for name, value in msgspec.structs.asdict(form).items()
        if value not in (None, "", 0)
    }


def _terms_of(form: PlaceForm, contract: Contract, quantity: int) -> NewOrder:
    """The exchange's order for a form: iceberg, cover, auction and after-market are Kite's own matter."""
    protection = form.market_protection if form.order_type in ("MARKET", "SL-M") else None
    return NewOrder(
        symbol=contract.symbol,
        side=Side(form.transaction_type),
        quantity=quantity * contract.units,
        type=OrderType(form.order_type),
        product=Product(form.product),
        price=form.price,
        trigger_price=form.trigger_price if form.order_type in ("SL", "SL-M") else None,
        validity=Validity(form.validity),
        validity_minutes=form.validity_ttl or None,
        variety=Variety.REGULAR,
        disclosed_quantity=form.disclosed_quantity * contract.units or None,
        market_protection=AUTOMATIC_PROTECTION if protection == -1 else protection,
        tag=form.tag or None,
    )
