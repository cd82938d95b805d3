"""The order desk: what Kite's order management adds to an exchange (zerodha.md 4 and 5).

Orders here are the exchange's orders under Kite's ids, plus what only the broker knows: varieties that are several orders at
the exchange (iceberg, cover), after-market orders that wait for the next day, auctions, slices, tags, the count of
modifications, and the trail. `deeds` is the ground truth: everything that was carried out, whoever saw it.
"""

import random
import string
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from ordod.domain.orders import (
    BrokerOrder,
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
from ordod.paper.orders import PaperOrder
from ordod.sim.zerodha.envelope import KiteError, number
from ordod.sim.zerodha.forms import ModifyForm, PlaceForm
from ordod.sim.zerodha.market import Contract, Market
from ordod.sim.zerodha.rows import stamp, trade_row

__all__ = ["Booked", "Deed", "Desk", "Wish", "refused"]

ID_EPOCH = datetime(
    2010, 11, 4, 1, 42, 54, 657000, UTC
)  # of the 19-digit ids: milliseconds since then, times 2**22
MODIFICATIONS_MAX = 25
SLICES_MAX = 10
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
REFUSALS = {
    "INVALID_INPUT": "InputException",
    "ORDER_REJECTED": "OrderException",
    "UNSUPPORTED": "InputException",
}


T = TypeVar("T")


class Deed(Struct, frozen=True, kw_only=True):
    """One thing that was carried out. `origin`: `api`, `hand` (placed in another app), or `broker` (a leg, a trigger).

    `error` is the refusal where the broker looked at it and said no: then nothing was done.
    """

    what: str  # place, modify, cancel, gtt_place ...
    at: datetime
    user_id: str
    origin: str
    order_id: str = ""
    tag: str = ""
    terms: dict[str, str] = {}
    error: str = ""


class Wish(Struct, frozen=True):
    """How a placement is to be shown: not before so many seconds, without its tag; and where it came from."""

    invisible_s: float = 0
    hides_tag: bool = False
    origin: str = "api"


class Booked(Struct, kw_only=True):
    """One order of the day under its Kite id. `paper` is None while it waits for the next day, or was never taken."""

    order_id: str
    user_id: str
    variety: str
    contract: Contract
    terms: NewOrder
    placed_at: datetime
    guid: str
    tag: str = ""
    system_tags: list[str] = []
    protection: Decimal | None = None
    validity_ttl: int = 0
    auction_number: str = ""
    parent_order_id: str | None = None
    meta: dict[str, Any] = {}
    paper: PaperOrder | None = None
    waiting: Status = Status.PENDING  # how it stands while `paper` is None
    message: str | None = None
    modifications: int = 0
    visible_at: datetime | None = None
    hides_tag: bool = False

    @property
    def row(self) -> BrokerOrder:
        """How the exchange shows it, or would."""
        if self.paper is not None:
            return self.paper.row()
        terms = self.terms
        return BrokerOrder(
            broker_order_id=self.order_id,
            status=self.waiting,
            symbol=terms.symbol,
            side=terms.side,
            quantity=terms.quantity,
            type=terms.type,
            product=terms.product,
            validity=terms.validity,
            price=terms.price,
            trigger_price=terms.trigger_price,
            disclosed_quantity=terms.disclosed_quantity,
            status_message=self.message,
            placed_at=self.placed_at,
            updated_at=self.placed_at,
        )

    @property
    def is_live(self) -> bool:
        return self.row.status in (
            Status.PENDING,
            Status.OPEN,
            Status.PARTIALLY_FILLED,
            Status.TRIGGER_PENDING,
        )


class _Iceberg(Struct):
    form: PlaceForm
    current: Booked
    leg: int = 1


class _Cover(Struct):
    entry: Booked
    trigger_price: Decimal


class Desk:
    """Every user's orders of the day."""

    def __init__(self, paper: Paper, market: Market, chance: random.Random) -> None:
        self._paper = paper
        self._market = market
        self._chance = chance
        self._booked: dict[str, Booked] = {}
        self._by_paper: dict[str, Booked] = {}
        self._icebergs: list[_Iceberg] = []
        self._covers: list[_Cover] = []
        self._last_id = 0
        self.deeds: list[Deed] = []

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
            with_refusals(lambda: self._paper.modify(user, paper.order_id, changes, now))
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
            with_refusals(lambda: self._paper.cancel(user, paper.order_id, now))
        elif parent == booked.parent_order_id:
            leave = OrderChanges(type=OrderType.MARKET)
            with_refusals(lambda: self._paper.modify(user, paper.order_id, leave, now))
        else:
            raise KiteError.bad_input("Invalid `parent_order_id`.")

    # The books

    def rows(self, user: str, now: datetime) -> list[dict[str, Any]]:
        return [self._row(booked, booked.row) for booked in self._visible(user, now)]

    def trail(self, user: str, order_id: str, now: datetime) -> list[dict[str, Any]]:
        """Oldest first. Raises KiteError 404 for an order that is not in the book."""
        booked = self._shown(user, order_id, now)
        first = {
            "filled_quantity": 0,
            "average_price": 0,
            "exchange_order_id": None,
            "exchange_timestamp": None,
        }
        if booked.paper is None:
            return [self._row(booked, booked.row)]
        marks = booked.paper.trail
        lines = [
            self._row(booked, marks[0])
            | first
            | {"status": word, "pending_quantity": self._asked(booked, marks[0])}
            for word in PLACING
        ]
        before = marks[0]
        for mark in marks:
            if _terms(mark) != _terms(before):
                lines += [self._row(booked, mark) | {"status": word} for word in MODIFYING]
            if mark.status is not Status.PENDING:
                lines.append(self._row(booked, mark))
            before = mark
        return lines

    def trades(self, user: str, now: datetime) -> list[dict[str, Any]]:
        visible = {booked.order_id for booked in self._visible(user, now)}
        return [row for row in self._trades(user) if row["order_id"] in visible]

    def trades_of(self, user: str, order_id: str, now: datetime) -> list[dict[str, Any]]:
        booked = self._shown(user, order_id, now)
        return [row for row in self._trades(user) if row["order_id"] == booked.order_id]

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
        known = self._by_paper.get(paper_id)
        if known is None:
            paper = self._paper.order(user, paper_id)
            contract = self._market.of(paper.terms.symbol)
            known = self._new(user, "regular", contract, paper.terms, paper.placed_at)
            self._attach(known, paper)
            self._note("place", known, "broker", {})
        return known.order_id

    def new_day(self, now: datetime) -> None:
        """The book is emptied; after-market orders go to the exchange."""
        held = [b for b in self._booked.values() if b.paper is None and b.waiting is Status.PENDING]
        self._booked = {booked.order_id: booked for booked in held}
        self._by_paper.clear()
        self._icebergs.clear()
        self._covers.clear()
        for booked in held:
            try:
                self._attach(booked, self._paper.place(booked.user_id, booked.terms, now))
            except Refusal as refusal:
                booked.waiting = Status.REJECTED
                booked.message = refusal.message

    def note(self, deed: Deed) -> None:
        self.deeds.append(deed)

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
                paper = with_refusals(lambda: self._paper.place(user, terms, now))
            except KiteError:
                del self._booked[booked.order_id]
                raise
            self._attach(booked, paper)
        self._note("place", booked, wish.origin, _plain(form))
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
        self._booked[booked.order_id] = booked
        return booked

    def _attach(self, booked: Booked, paper: PaperOrder) -> None:
        booked.paper = paper
        self._by_paper[paper.order_id] = booked

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
            self._attach(stop, self._paper.place(entry.user_id, terms, now))
        except Refusal as refusal:
            stop.waiting, stop.message = Status.REJECTED, refusal.message
        self._note("place", stop, "broker", {})

    def _next_id(self, now: datetime) -> str:
        milliseconds = (now - ID_EPOCH) // timedelta(milliseconds=1)
        self._last_id = max(self._last_id + 1, milliseconds << 22)
        return str(self._last_id)

    def _note(self, what: str, booked: Booked, origin: str, terms: dict[str, str]) -> None:
        self.deeds.append(
            Deed(
                what=what,
                at=booked.placed_at,
                user_id=booked.user_id,
                origin=origin,
                order_id=booked.order_id,
                tag=booked.tag,
                terms=terms,
            )
        )

    # Finding and showing

    def _mine(self, user: str, variety: str, order_id: str, change: str) -> Booked:
        """A living order of this user and variety. Raises KiteError."""
        booked = self._booked.get(order_id)
        if booked is None or booked.user_id != user:
            raise KiteError.no_order()
        if booked.variety != variety:
            raise KiteError.bad_input("Invalid `variety`.")
        if not booked.is_live:
            word = self._word(booked)
            raise KiteError(400, "OrderException", f"Order cannot be {change} as it is {word}.")
        return booked

    def _shown(self, user: str, order_id: str, now: datetime) -> Booked:
        for booked in self._visible(user, now):
            if booked.order_id == order_id:
                return booked
        raise KiteError(404, "GeneralException", "Couldn't find that `order_id`.")

    def _visible(self, user: str, now: datetime) -> Iterator[Booked]:
        for booked in self._booked.values():
            if booked.user_id == user and (booked.visible_at is None or booked.visible_at <= now):
                yield booked

    def _trades(self, user: str) -> list[dict[str, Any]]:
        found = (
            (fill, self._by_paper.get(fill.broker_order_id)) for fill in self._paper.trades(user)
        )
        return [trade_row(fill, b.order_id, b.contract) for fill, b in found if b is not None]

    def _word(self, booked: Booked, row: BrokerOrder | None = None) -> str:
        if booked.paper is None:
            held = {Status.PENDING: "AMO REQ RECEIVED", Status.CANCELLED: "CANCELLED AMO"}
            if booked.waiting is Status.PENDING and booked.modifications:
                return "MODIFY AMO REQ RECEIVED"
            return held.get(booked.waiting) or STATUS_WORDS[booked.waiting]
        return STATUS_WORDS[(row or booked.row).status]

    def _asked(self, booked: Booked, row: BrokerOrder) -> int:
        return row.quantity // booked.contract.units

    def _row(self, booked: Booked, row: BrokerOrder) -> dict[str, Any]:
        """One row of the order book or the trail (zerodha.md 5.2)."""
        contract = booked.contract
        units = contract.units
        word = self._word(booked, row)
        quantity, filled = row.quantity // units, row.filled_quantity // units
        ended = word in ("CANCELLED", "CANCELLED AMO")
        order_type, price, mktp = self._protected(booked, row)
        tags = (
            [tag for tag in (booked.tag,) if tag and not booked.hides_tag]
            + booked.system_tags
            + mktp
        )
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
            "tag": booked.tag if booked.tag and not booked.hides_tag else None,
            "guid": booked.guid,
        }
        if booked.auction_number:
            shown["auction_number"] = booked.auction_number
        if tags:
            shown["tags"] = tags
        return shown

    def _protected(self, booked: Booked, row: BrokerOrder) -> tuple[str, float | int, list[str]]:
        """A protected market order goes out, and is shown, as a limit order with tags that say so (zerodha.md 4.2)."""
        if booked.protection is None or row.type is not OrderType.MARKET or booked.paper is None:
            return str(row.type), number(row.price), []
        percent = AUTOMATIC_PROTECTION if booked.protection == -1 else booked.protection
        limit = Decimal(booked.paper.limit) / 100
        return "LIMIT", number(limit), ["mktp", f"mktp:{percent:.2f}"]


def refused(refusal: Refusal) -> KiteError:
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
        raise refused(refusal) from None


def _terms(row: BrokerOrder) -> tuple[Any, ...]:
    return (
        row.quantity,
        row.type,
        row.price,
        row.trigger_price,
        row.validity,
        row.disclosed_quantity,
    )


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
