"""The far side: a broker that carries out what reaches it, remembers the truth, and shows it badly.

What it carried out stands in `placed`, whatever it answers, shows or forgets afterwards: this is the truth that checkers read.
"""

import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
from msgspec import Struct

from ordod.adapter import HttpRequest, HttpResponse
from ordod.domain.orders import LIVE, NewOrder, OrderType, Product, Side, Status
from ordod.paper.broker import PaperBroker
from ordod.paper.exchange import Refusal
from ordod.sim.zerodha import ZerodhaSim
from ordod.sim.zerodha.envelope import KiteError

__all__ = ["BY_HAND", "SYMBOLS", "Far", "PaperFar", "Placement", "Shown", "ZerodhaFar", "fields"]

SYMBOLS = ("NSE:INFY", "NSE:RELIANCE", "NSE:TCS", "NSE:SBIN")
BOOK_DAY = timedelta(hours=6)
AWAY = {Side.BUY: Decimal("0.95"), Side.SELL: Decimal("1.05")}  # of the last price: it rests
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


class Far:
    """A broker with its truth beside it. `time`: virtual seconds that never stand still; `now`: its wall clock.

    What differs between brokers stands in the methods that raise NotImplementedError here.
    """

    def __init__(
        self, chance: random.Random, *, time: Callable[[], float], now: Callable[[], datetime]
    ) -> None:
        self.placed: list[Placement] = []
        self.by_id: dict[str, Placement] = {}
        self.shown = Shown()
        self._chance = chance
        self._time = time
        self._now = now
        self._day = (now() - BOOK_DAY).date()
        self._copies: list[tuple[float, bytes]] = []

    # What differs

    def log_out(self, user: str) -> None:
        """The session dies at the broker."""
        raise NotImplementedError

    def place_by_hand(self, user: str, quantity: int, symbol: str, side: Side) -> None:
        """A person places an order in another app."""
        raise NotImplementedError

    def _answer(self, user: str, request: HttpRequest, now: datetime) -> HttpResponse:
        raise NotImplementedError

    def _stands(self, placement: Placement) -> tuple[Status, int]:
        """Of an order of today: how it stands, and how much of it is filled."""
        raise NotImplementedError

    def _last_price(self, symbol: str, now: datetime) -> Decimal:
        raise NotImplementedError

    def _new_day(self, now: datetime) -> None:
        raise NotImplementedError

    def _rows(self, body: bytes) -> list[dict[str, Any]]:
        """The rows of an order book's answer."""
        raise NotImplementedError

    def _of_rows(self, rows: list[dict[str, Any]]) -> bytes:
        """The answer of these rows."""
        raise NotImplementedError

    def _show_tag(self, row: dict[str, Any], tag: str | None) -> None:
        raise NotImplementedError

    # What reaches it

    def carry_out(self, user: str, request: HttpRequest) -> HttpResponse:
        now = self._now()
        self._end_the_day(now)
        response = self._answer(user, request, now)
        if response.status != 200:
            return response
        if request.method == "POST" and "tag" in fields(request):
            self._remember(user, _order_id(response.body), dict(fields(request)))
        elif request.method == "GET" and request.path == "/orders":
            return HttpResponse(200, response.headers, self._as_shown(response.body))
        return response

    # What is true

    def of(self, user: str, mark: Callable[[int], bool]) -> list[Placement]:
        return [p for p in self.placed if p.user == user and mark(p.quantity)]

    def state(self, placement: Placement) -> tuple[Status, int]:
        """How it stands, and how much of it is filled; of a day that is over, as the day left it."""
        self._end_the_day(self._now())
        if placement.status is not None:
            return placement.status, placement.filled
        return self._stands(placement)

    def live(self, user: str) -> list[Placement]:
        return [p for p in self.placed if p.user == user and self.state(p)[0] in LIVE]

    def price(self, symbol: str, factor: Decimal) -> Decimal:
        """So much of the last price, on the tick."""
        return (self._last_price(symbol, self._now()) * factor).quantize(Decimal("0.1"))

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
                    status, placement.filled = self._stands(placement)
                    placement.status = Status.EXPIRED if status in LIVE else status
            self._copies.clear()
            self._new_day(now)

    def _as_shown(self, body: bytes) -> bytes:
        """Late rows left out, tags as they are shown, perhaps an old copy, perhaps a row cut short."""
        time, shown, chance = self._time(), self.shown, self._chance
        rows = []
        is_changed = False
        for row in self._rows(body):
            placement = self.by_id.get(row.get("broker_order_id") or row.get("order_id") or "")
            if placement is not None and placement.seen_from > time:
                is_changed = True
                continue
            if placement is not None and placement.shows_tag != placement.tag:
                self._show_tag(row, placement.shows_tag)
                is_changed = True
            rows.append(row)
        if is_changed:
            body = self._of_rows(rows)
        if shown.stale_s:
            self._copies.append((time, body))
            if chance.random() < 0.5:
                body = next(b for at, b in self._copies if at >= time - shown.stale_s)
            elif len(self._copies) > 50:
                del self._copies[:25]
        if rows and chance.random() < shown.breaks_row:
            body = body[: len(body) - 40]
        return body


class PaperFar(Far):
    """The paper broker."""

    def __init__(
        self,
        chance: random.Random,
        *,
        seed: int,
        time: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        super().__init__(chance, time=time, now=now)
        self.broker = PaperBroker(now(), seed=seed)

    def open_account(self, user: str, cash: Decimal) -> None:
        self.broker.open_account(user, cash, self._now())

    def log_out(self, user: str) -> None:
        self.broker.end_session(user)

    def place_by_hand(self, user: str, quantity: int, symbol: str, side: Side) -> None:
        now = self._now()
        self._end_the_day(now)
        order = NewOrder(
            symbol=symbol,
            side=side,
            quantity=BY_HAND + quantity,
            type=OrderType.LIMIT,
            product=Product.MIS,
            price=self.price(symbol, AWAY[side]),
            tag=None,
        )
        try:
            placed = self.broker.exchange.place(user, order, now)
        except Refusal:
            return
        self._remember(user, placed.order_id, {"quantity": order.quantity, "tag": None})

    def _answer(self, user: str, request: HttpRequest, now: datetime) -> HttpResponse:
        return self.broker.handle(user, request, now)

    def _stands(self, placement: Placement) -> tuple[Status, int]:
        order = self.broker.exchange.order(placement.user, placement.order_id)
        return order.status, order.filled_quantity

    def _last_price(self, symbol: str, now: datetime) -> Decimal:
        return self.broker.exchange.last_price(symbol, now)

    def _new_day(self, now: datetime) -> None:
        """It begins by itself."""

    def _rows(self, body: bytes) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = orjson.loads(body)
        return rows

    def _of_rows(self, rows: list[dict[str, Any]]) -> bytes:
        return orjson.dumps(rows)

    def _show_tag(self, row: dict[str, Any], tag: str | None) -> None:
        row["tags"] = [tag] if tag else []


class ZerodhaFar(Far):
    """Zerodha's simulator: its bytes, its sessions and its own limits around the same exchange."""

    def __init__(
        self,
        chance: random.Random,
        *,
        seed: int,
        time: Callable[[], float],
        now: Callable[[], datetime],
        cash: Decimal,
    ) -> None:
        super().__init__(chance, time=time, now=now)
        self.sim = ZerodhaSim(seed=seed, now=now(), cash=cash)

    def log_out(self, user: str) -> None:
        for client in self.sim.accounts.clients:
            self.sim.accounts.end_all(client)

    def place_by_hand(self, user: str, quantity: int, symbol: str, side: Side) -> None:
        now = self._now()
        self._end_the_day(now)
        exchange, _, name = symbol.partition(":")
        form = {
            "variety": "regular",
            "exchange": exchange,
            "tradingsymbol": name,
            "transaction_type": str(side),
            "quantity": str(BY_HAND + quantity),
            "order_type": "LIMIT",
            "product": "MIS",
            "validity": "DAY",
            "price": str(self.price(symbol, AWAY[side])),
        }
        try:
            placed = self.sim.place_by_hand(self.sim.users[0], form, now)
        except KiteError:
            return
        self._remember(user, placed, {"quantity": form["quantity"], "tag": None})

    def _answer(self, user: str, request: HttpRequest, now: datetime) -> HttpResponse:
        kind, content = request.body()
        headers = (*request.headers, *((("Content-Type", kind),) if kind else ()))
        answer = self.sim.handle(request.method, request.target(), headers, content, now)
        named = tuple((name.lower(), value) for name, value in answer.headers)
        return HttpResponse(answer.status, named, answer.body)

    def _stands(self, placement: Placement) -> tuple[Status, int]:
        self.sim.advance(self._now())
        row = self.sim.desk._booked[placement.order_id].row
        return row.status, row.filled_quantity

    def _last_price(self, symbol: str, now: datetime) -> Decimal:
        return self.sim.paper.last_price(symbol, now)

    def _new_day(self, now: datetime) -> None:
        self.sim.new_day(now)

    def _rows(self, body: bytes) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = orjson.loads(body)["data"]
        return rows

    def _of_rows(self, rows: list[dict[str, Any]]) -> bytes:
        return orjson.dumps({"status": "success", "data": rows})

    def _show_tag(self, row: dict[str, Any], tag: str | None) -> None:
        row["tag"] = tag
        row["tags"] = [tag] if tag else []


def fields(request: HttpRequest) -> Mapping[str, Any]:
    """What a request carries, whichever way the broker wants it."""
    if request.form is not None:
        return request.form
    return request.json if isinstance(request.json, dict) else {}


def _order_id(body: bytes) -> str:
    answer = orjson.loads(body)
    return str(answer.get("data", answer)["order_id"])
