"""Good-till-triggered orders: each waits for its price and then has one order placed."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from ordod.adapter import Fault
from ordod.domain.gtt import GttStatus, NewGtt
from ordod.domain.orders import NewOrder
from ordod.paper.market import to_paise
from ordod.paper.matching import Book
from ordod.paper.orders import PaperGtt, PaperOrder
from ordod.paper.rules import Refusal, entry, on_tick, released

__all__ = ["Triggers", "rising_legs"]

LIFE = timedelta(days=365)
MEMORY = timedelta(days=7)  # how long one that has ended stays in the list


class Triggers:
    """All users' GTTs."""

    def __init__(self) -> None:
        self._gtts: dict[str, PaperGtt] = {}
        self._armed: dict[str, list[PaperGtt]] = {}  # by symbol

    def all(self) -> list[PaperGtt]:
        return list(self._gtts.values())

    def take_in(self, gtts: Iterable[PaperGtt]) -> None:
        """Have these and no others."""
        self._gtts = {gtt.gtt_id: gtt for gtt in gtts}
        self._arm()

    def are_armed(self, symbol: str) -> bool:
        return symbol in self._armed

    def add(self, user: str, gtt: NewGtt, rising: list[bool], number: int, at: datetime) -> str:
        made = PaperGtt(
            user=user,
            gtt_id=str(number),
            gtt=gtt,
            rising=rising,
            created_at=at,
            updated_at=at,
            expires_at=at + LIFE,
        )
        self._gtts[made.gtt_id] = made
        self._arm()
        return made.gtt_id

    def change(self, user: str, gtt_id: str, gtt: NewGtt, rising: list[bool], at: datetime) -> None:
        found = self._living(user, gtt_id)
        if gtt.symbol != found.gtt.symbol:
            raise Refusal(Fault.INVALID_INPUT, "the symbol of a GTT cannot be changed")
        found.gtt, found.rising, found.updated_at = gtt, rising, at

    def cancel(self, user: str, gtt_id: str, at: datetime) -> None:
        self._finish(self._living(user, gtt_id), GttStatus.CANCELLED, at)

    def fire(
        self, symbol: str, price: int, at: datetime, place: Callable[[str, NewOrder], PaperOrder]
    ) -> None:
        """Place the order of every GTT of this symbol that the price (paise) has reached."""
        for gtt in self._armed.get(symbol, ()):
            for leg, rising in zip(gtt.gtt.legs, gtt.rising, strict=True):
                trigger = to_paise(leg.trigger_price)
                if price < trigger if rising else price > trigger:
                    continue
                try:
                    order = place(gtt.user, released(symbol, leg))
                except Refusal as refusal:
                    gtt.status_message = refusal.message
                    self._finish(gtt, GttStatus.REJECTED, at)
                else:
                    gtt.placed_order_ids.append(order.order_id)
                    self._finish(gtt, GttStatus.TRIGGERED, at)
                break

    def next_day(self, at: datetime, ended: set[str]) -> None:
        """End what is a year old or whose contract has ended; forget what ended a week ago."""
        for gtt in self.all():
            if gtt.status is not GttStatus.ACTIVE:
                if gtt.updated_at + MEMORY < at:
                    del self._gtts[gtt.gtt_id]
            elif gtt.expires_at <= at or gtt.gtt.symbol in ended:
                self._finish(gtt, GttStatus.EXPIRED, at)

    def _living(self, user: str, gtt_id: str) -> PaperGtt:
        found = self._gtts.get(gtt_id)
        if found is None or found.user != user:
            raise Refusal(Fault.NOT_FOUND, f"there is no GTT {gtt_id}")
        if found.status is not GttStatus.ACTIVE:
            raise Refusal(Fault.ORDER_REJECTED, f"GTT {gtt_id} is {found.status} already")
        return found

    def _finish(self, gtt: PaperGtt, status: GttStatus, at: datetime) -> None:
        gtt.status, gtt.updated_at = status, at
        self._arm()

    def _arm(self) -> None:
        self._armed = {}
        for gtt in self._gtts.values():
            if gtt.status is GttStatus.ACTIVE:
                self._armed.setdefault(gtt.gtt.symbol, []).append(gtt)


def rising_legs(book: Book, gtt: NewGtt, price: int, step: int) -> list[bool]:
    """For each leg whether the price (paise) has to rise to its trigger.

    Raises:
        Refusal: a leg could never be placed, or is triggered already.
    """
    if not 1 <= len(gtt.legs) <= 2:
        raise Refusal(Fault.INVALID_INPUT, "a GTT has one leg or two")
    for leg in gtt.legs:
        entry(book, released(gtt.symbol, leg), step)
        if on_tick(book, leg.trigger_price, "trigger_price") == price:
            raise Refusal(Fault.INVALID_INPUT, f"the trigger {leg.trigger_price} is the price now")
    rising = [to_paise(leg.trigger_price) > price for leg in gtt.legs]
    if len(rising) == 2 and rising != [False, True]:
        raise Refusal(
            Fault.INVALID_INPUT,
            "of two legs the first triggers below the price, the second above it",
        )
    return rising
