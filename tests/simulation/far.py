"""The far side: a broker that carries out what reaches it, remembers the truth, and shows it badly.

What it carried out stands in `placed`, whatever it answers, shows or forgets afterwards: this is the truth that checkers read.
"""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
from msgspec import Struct

from ordod.adapter import HttpRequest, HttpResponse
from ordod.domain.orders import LIVE, NewOrder, OrderType, Product, Side, Status
from ordod.paper.broker import PaperBroker
from ordod.paper.exchange import Refusal

__all__ = ["BY_HAND", "SYMBOLS", "PaperFar", "Placement", "Shown"]

SYMBOLS = ("NSE:INFY", "NSE:RELIANCE", "NSE:TCS", "NSE:SBIN")
BOOK_DAY = timedelta(hours=6)
BY_HAND = 1_000_000  # quantities from here on are of orders that a person placed in another app


class Placement(Struct):
    """One order that was carried out. `sent`: its terms as they came; `seen_from`: when rows show it; `status` at the end of its day."""

    at: float
    user: str
    order_id: str
    tag: str | None
    quantity: int
    sent: dict[str, Any]
    seen_from: float = 0.0
    shows_tag: str | None = None
    status: Status | None = None
    filled: int = 0


class Shown(Struct):
    """How badly rows are shown, just now. Seconds and probabilities."""

    lag_s: float = 0.0
    stale_s: float = 0.0
    drops_tag: float = 0.0
    changes_tag: float = 0.0
    breaks_row: float = 0.0


class PaperFar:
    """The paper broker, with its truth beside it. `time`: virtual seconds that never stand still; `now`: its wall clock."""

    def __init__(
        self,
        chance: random.Random,
        *,
        seed: int,
        time: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self.broker = PaperBroker(now(), seed=seed)
        self._day = (now() - BOOK_DAY).date()
        self.placed: list[Placement] = []
        self.by_id: dict[str, Placement] = {}
        self.shown = Shown()
        self._chance = chance
        self._time = time
        self._now = now
        self._copies: list[tuple[float, bytes]] = []

    # What reaches it

    def carry_out(self, user: str, request: HttpRequest) -> HttpResponse:
        now = self._now()
        self._end_the_day(now)
        response = self.broker.handle(user, request, now)
        if request.method == "POST" and request.path == "/orders" and response.status == 200:
            self._remember(user, orjson.loads(response.body)["order_id"], request.json)
        elif request.method == "GET" and request.path == "/orders" and response.status == 200:
            return HttpResponse(200, response.headers, self._as_shown(response.body))
        return response

    def log_out(self, user: str) -> None:
        """The session dies at the broker."""
        self.broker._logged_out.add(user)

    def place_by_hand(self, user: str, quantity: int, symbol: str, side: Side) -> None:
        """A person places an order in another app."""
        now = self._now()
        self._end_the_day(now)
        price = self.price(symbol, Decimal("0.95") if side is Side.BUY else Decimal("1.05"))
        order = NewOrder(
            symbol=symbol,
            side=side,
            quantity=BY_HAND + quantity,
            type=OrderType.LIMIT,
            product=Product.MIS,
            price=price,
            tag=None,
        )
        try:
            placed = self.broker.exchange.place(user, order, now)
        except Refusal:
            return
        self._remember(user, placed.order_id, {"quantity": order.quantity, "tag": None})

    def cancel_by_hand(self, placement: Placement) -> None:
        """The same, ending one."""
        try:
            self.broker.exchange.cancel(placement.user, placement.order_id, self._now())
        except Refusal:
            return

    # What is true

    def of(self, user: str, mark: Callable[[int], bool]) -> list[Placement]:
        return [p for p in self.placed if p.user == user and mark(p.quantity)]

    def state(self, placement: Placement) -> tuple[Status, int]:
        """How it stands, and how much of it is filled; of a day that is over, as the day left it."""
        if placement.status is not None:
            return placement.status, placement.filled
        self._end_the_day(self._now())
        if placement.status is not None:
            return placement.status, placement.filled
        self.broker.exchange.advance(self._now())
        order = self.broker.exchange.order(placement.user, placement.order_id)
        return order.status, order.filled_quantity

    def live(self, user: str) -> list[Placement]:
        return [p for p in self.placed if p.user == user and self.state(p)[0] in LIVE]

    def price(self, symbol: str, factor: Decimal) -> Decimal:
        """So much of the last price, on the tick."""
        last = self.broker.exchange.last_price(symbol, self._now())
        return (last * factor).quantize(Decimal("0.1"))

    # Within

    def _remember(self, user: str, order_id: str, sent: dict[str, Any]) -> None:
        shown, tag = self.shown, sent.get("tag")
        placement = Placement(
            at=self._time(),
            user=user,
            order_id=order_id,
            tag=tag,
            quantity=int(sent["quantity"]),
            sent=sent,
            seen_from=self._time() + self._chance.random() * shown.lag_s,
            shows_tag=tag,
        )
        if tag and self._chance.random() < shown.drops_tag:
            placement.shows_tag = None
        elif tag and self._chance.random() < shown.changes_tag:
            placement.shows_tag = "x:" + tag[:-3]
        self.placed.append(placement)
        self.by_id[order_id] = placement

    def _end_the_day(self, now: datetime) -> None:
        """Before the broker forgets it, remember how the day ended."""
        day = (now - BOOK_DAY).date()
        if day > self._day:
            self._day = day
            for placement in self.placed:
                if placement.status is None:
                    order = self.broker.exchange.order(placement.user, placement.order_id)
                    ended = Status.EXPIRED if order.status in LIVE else order.status
                    placement.status, placement.filled = ended, order.filled_quantity
            self._copies.clear()

    def _as_shown(self, body: bytes) -> bytes:
        """Late rows left out, tags as they are shown, perhaps an old copy, perhaps a row cut short."""
        time, shown, chance = self._time(), self.shown, self._chance
        rows = []
        is_changed = False
        for row in orjson.loads(body):
            placement = self.by_id.get(row["broker_order_id"])
            if placement is not None and placement.seen_from > time:
                is_changed = True
                continue
            if placement is not None and placement.shows_tag != placement.tag:
                row["tags"] = [placement.shows_tag] if placement.shows_tag else []
                is_changed = True
            rows.append(row)
        if is_changed:
            body = orjson.dumps(rows)
        if shown.stale_s:
            self._copies.append((time, body))
            if chance.random() < 0.5:
                body = next(b for at, b in self._copies if at >= time - shown.stale_s)
            elif len(self._copies) > 50:
                del self._copies[:25]
        if rows and chance.random() < shown.breaks_row:
            body = body[: len(body) - 40]
        return body
