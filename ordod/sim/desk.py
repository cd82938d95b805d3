"""The order desk of a broker without inventions of its own: an order there is one order at the exchange.

A broker's package translates its requests into `NewOrder` and `OrderChanges`, lets this desk act, and writes the answers
and rows in its own words. (Kite's desk, with icebergs, cover orders and slices, is its own: `zerodha/orders.py`.)
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from msgspec.structs import asdict, replace

from ordod.domain.gtt import BrokerGtt
from ordod.domain.orders import NewOrder, OrderChanges, Status
from ordod.paper.exchange import Exchange as Paper
from ordod.paper.exchange import Refusal
from ordod.sim.orders import PLAIN, Booked, Deed, Orders, Wish

__all__ = ["BOOKED_REFUSALS", "Desk"]

BOOKED_REFUSALS = frozenset(  # an order system takes these and rejects them in its book, with the reason in the row
    {"INSUFFICIENT_FUNDS", "ORDER_REJECTED", "MARKET_CLOSED"}
)


class Desk(Orders[Booked]):
    """Places, changes and cancels for every user.

    Args:
        ids: makes an order id of the time and the order's number.
        booked_refusals: what the exchange refuses for these reasons is taken all the same and stands REJECTED in the book.
    """

    def __init__(
        self,
        paper: Paper,
        *,
        ids: Callable[[datetime, int], str],
        booked_refusals: frozenset[str] = BOOKED_REFUSALS,
    ) -> None:
        super().__init__(paper)
        self._ids = ids
        self._booked_refusals = booked_refusals
        self._count = 0

    def place(
        self,
        user: str,
        terms: NewOrder,
        now: datetime,
        wish: Wish = PLAIN,
        *,
        asked: Mapping[str, object],
        held: bool = False,
    ) -> Booked:
        """Take an order. `held`: it waits for the next day (after-market). `asked`: the request, for the ground truth.

        Raises:
            Refusal: it was refused and no book will show it; the refusal is a deed.
        """
        self._count += 1
        booked = Booked(
            order_id=self._ids(now, self._count),
            user_id=user,
            terms=terms,
            placed_at=now,
            tag=terms.tag or "",
            visible_at=now + timedelta(seconds=wish.invisible_s) if wish.invisible_s else None,
            hides_tag=wish.hides_tag,
        )
        self.add(booked)
        if not held:
            try:
                self.attach(booked, self.paper.place(user, terms, now))
            except Refusal as refusal:
                if str(refusal.fault) not in self._booked_refusals:
                    self.drop(booked)
                    self.refused("place", user, now, refusal.message, asked, tag=booked.tag)
                    raise
                booked.waiting, booked.message = Status.REJECTED, refusal.message
        self.note_placed(booked, wish.origin, _words(asked))
        return booked

    def modify(
        self,
        user: str,
        order_id: str,
        changes: OrderChanges,
        now: datetime,
        *,
        asked: Mapping[str, object],
    ) -> Booked:
        """Raises Refusal: NOT_FOUND, ORDER_REJECTED (not alive any more), or as placing."""

        def act(booked: Booked) -> None:
            if booked.paper is None:
                given = {
                    name: value for name, value in asdict(changes).items() if value is not None
                }
                booked.terms = replace(booked.terms, **given)
            else:
                self.paper.modify(user, booked.paper.order_id, changes, now)
            booked.modifications += 1

        return self._change("modify", user, order_id, now, asked, act)

    def cancel(
        self, user: str, order_id: str, now: datetime, *, asked: Mapping[str, object]
    ) -> Booked:
        """Raises Refusal: NOT_FOUND, ORDER_REJECTED."""

        def act(booked: Booked) -> None:
            if booked.paper is None:
                booked.waiting = Status.CANCELLED
            else:
                self.paper.cancel(user, booked.paper.order_id, now)

        return self._change("cancel", user, order_id, now, asked, act)

    def adopt(self, user: str, gtt: BrokerGtt, now: datetime) -> tuple[Booked, ...]:
        """The orders that a trigger released, under ids of this broker."""
        found = []
        for paper_id in gtt.placed_order_ids:
            booked = self.of_paper(paper_id)
            if booked is None:
                paper = self.paper.order(user, paper_id)
                self._count += 1
                booked = Booked(
                    order_id=self._ids(now, self._count),
                    user_id=user,
                    terms=paper.terms,
                    placed_at=paper.placed_at,
                )
                self.attach(self.add(booked), paper)
                self.note_placed(booked, "broker", {})
            found.append(booked)
        return tuple(found)

    def did(
        self, what: str, user: str, now: datetime, asked: Mapping[str, object], order_id: str = ""
    ) -> None:
        """A change that is no order's was carried out: a GTT, a conversion."""
        self._note(what, user, now, asked, order_id=order_id)

    def refused(
        self,
        what: str,
        user: str,
        now: datetime,
        error: str,
        asked: Mapping[str, object],
        *,
        order_id: str = "",
        tag: str = "",
    ) -> None:
        """A change was looked at and refused: it counts, though nothing was done."""
        self._note(what, user, now, asked, order_id=order_id, error=error, tag=tag)

    def _change(
        self,
        what: str,
        user: str,
        order_id: str,
        now: datetime,
        asked: Mapping[str, object],
        act: Callable[[Booked], None],
    ) -> Booked:
        try:
            booked = self.mine(user, order_id)
            if booked is None:
                raise Refusal.unknown(f"no order {order_id}")
            if not booked.is_live:
                raise Refusal.too_late(f"the order is {booked.row.status}")
            act(booked)
        except Refusal as refusal:
            self.refused(what, user, now, refusal.message, asked, order_id=order_id)
            raise
        self._note(what, user, now, asked, order_id=order_id, tag=booked.tag)
        return booked

    def _note(
        self,
        what: str,
        user: str,
        now: datetime,
        asked: Mapping[str, object],
        *,
        order_id: str = "",
        error: str = "",
        tag: str = "",
    ) -> None:
        self.note(
            Deed(
                what=what,
                at=now,
                user_id=user,
                origin="api",
                order_id=order_id,
                tag=tag,
                terms=_words(asked),
                error=error,
            )
        )


def _words(asked: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in asked.items() if value not in (None, "")}
