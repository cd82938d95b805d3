"""A broker's orders of the day: the exchange's orders under the broker's own ids, and the ground truth of what was done.

What is the same for every broker stands here: which order is whose, which of them a reader sees yet, which execution belongs
to which, and what becomes of them at night. `deeds` is everything that was carried out, whoever saw it.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Generic, TypeVar

from msgspec import Struct

from ordod.domain.orders import LIVE, BrokerOrder, Fill, NewOrder, Status
from ordod.paper.exchange import Exchange as Paper
from ordod.paper.exchange import Refusal
from ordod.paper.orders import PaperOrder

__all__ = ["PLAIN", "Booked", "Deed", "Orders", "Wish"]


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


PLAIN = Wish()


class Booked(Struct, kw_only=True):
    """One order of the day under the broker's id. `paper` is None while it waits for the next day, or was never taken."""

    order_id: str
    user_id: str
    terms: NewOrder
    placed_at: datetime
    tag: str = ""
    paper: PaperOrder | None = None
    waiting: Status = Status.PENDING  # how it stands while `paper` is None
    message: str | None = None
    modifications: int = 0
    visible_at: datetime | None = None
    hides_tag: bool = False

    @property
    def row(self) -> BrokerOrder:
        """How the exchange shows it, or would. Its id is the exchange's, not the broker's."""
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
        return self.row.status in LIVE

    @property
    def shown_tag(self) -> str:
        """The client's tag, as far as rows show it."""
        return "" if self.hides_tag else self.tag


B = TypeVar("B", bound=Booked)


class Orders(Generic[B]):
    """Every user's orders of the day."""

    def __init__(self, paper: Paper) -> None:
        self.paper = paper
        self.deeds: list[Deed] = []
        self._booked: dict[str, B] = {}
        self._by_paper: dict[str, B] = {}

    # Taking in

    def add(self, booked: B) -> B:
        self._booked[booked.order_id] = booked
        return booked

    def drop(self, booked: B) -> None:
        """It was refused after all, and no book will show it."""
        del self._booked[booked.order_id]

    def attach(self, booked: B, paper: PaperOrder) -> None:
        """The exchange has it, as this order of its own."""
        booked.paper = paper
        self._by_paper[paper.order_id] = booked

    def note(self, deed: Deed) -> None:
        self.deeds.append(deed)

    def note_placed(self, booked: B, origin: str, asked: dict[str, str]) -> None:
        self.note(
            Deed(
                what="place",
                at=booked.placed_at,
                user_id=booked.user_id,
                origin=origin,
                order_id=booked.order_id,
                tag=booked.tag,
                terms=asked,
            )
        )

    # Finding

    def mine(self, user: str, order_id: str) -> B | None:
        """This user's order of this id, whether a reader sees it yet or not."""
        booked = self._booked.get(order_id)
        return booked if booked is not None and booked.user_id == user else None

    def of_paper(self, paper_id: str) -> B | None:
        return self._by_paper.get(paper_id)

    def visible(self, user: str, now: datetime) -> Iterator[B]:
        """What a reader of the book sees, oldest first."""
        for booked in self._booked.values():
            if booked.user_id == user and (booked.visible_at is None or booked.visible_at <= now):
                yield booked

    def shown(self, user: str, order_id: str, now: datetime) -> B | None:
        return next((b for b in self.visible(user, now) if b.order_id == order_id), None)

    def fills(self, user: str, now: datetime) -> list[tuple[Fill, B]]:
        """The day's executions, oldest first, of the orders a reader sees."""
        visible = {booked.order_id for booked in self.visible(user, now)}
        found = (
            (fill, self._by_paper.get(fill.broker_order_id)) for fill in self.paper.trades(user)
        )
        return [(fill, b) for fill, b in found if b is not None and b.order_id in visible]

    # The night

    def new_day(self, now: datetime) -> None:
        """The book is emptied; after-market orders go to the exchange."""
        held = [b for b in self._booked.values() if b.paper is None and b.waiting is Status.PENDING]
        self._booked = {booked.order_id: booked for booked in held}
        self._by_paper.clear()
        for booked in held:
            try:
                self.attach(booked, self.paper.place(booked.user_id, booked.terms, now))
            except Refusal as refusal:
                booked.waiting = Status.REJECTED
                booked.message = refusal.message
