"""An order as the exchange keeps it. Prices in whole paise, so that replays are exact and sums never round."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from ordod.domain.gtt import BrokerGtt, GttStatus, NewGtt
from ordod.domain.orders import LIVE, BrokerOrder, Fill, NewOrder, OrderType, Status

__all__ = ["Mark", "PaperGtt", "PaperOrder", "Part", "average", "rupees_of"]


def rupees_of(paise: int) -> Decimal:
    return Decimal(paise).scaleb(-2)


def average(value: int, quantity: int) -> Decimal | None:
    """Rupees a unit, to four decimals, of a value in paise; None of nothing."""
    return round(Decimal(value) / (100 * quantity), 4) if quantity else None


class Mark(Struct, frozen=True, array_like=True, gc=False):
    """How an order stood at one moment of its life. `value`: of what was filled, paise."""

    at: datetime
    status: Status
    terms: NewOrder
    filled_quantity: int
    value: int
    message: str | None


class Part(Struct, frozen=True, array_like=True, gc=False):
    """One execution of an order. `price` in paise."""

    number: int
    quantity: int
    price: int
    at: datetime


class PaperOrder(Struct, kw_only=True, eq=False):
    """One order of the day's book, as it stands.

    Args:
        number: counts all orders of the exchange.
        limit: the worst price it may trade at, paise: its price, or where market protection ends.
        blocked: what each unfilled unit counts for in the margin, paise.
        priority: its place in the queue at its price; the smaller is served first.
        leg_size: units an iceberg shows at a time; other orders show all they have. `leg`: what is left of that.
        ends: the step at which its validity in minutes is over.
        value: of what was filled, paise.
        triggered: a stop that has become a live order.
    """

    user: str
    order_id: str
    number: int
    terms: NewOrder
    status: Status
    limit: int
    blocked: int
    priority: int
    placed_at: datetime
    updated_at: datetime
    buy: bool
    remaining: int
    leg_size: int
    leg: int
    ends: int | None = None
    filled_quantity: int = 0
    value: int = 0
    triggered: bool = False
    status_message: str | None = None
    exchange_order_id: str | None = None
    parent_order_id: str | None = None
    marks: list[Mark] = []
    parts: list[Part] = []

    @property
    def is_live(self) -> bool:
        return self.status in LIVE

    @property
    def is_market(self) -> bool:
        """It takes what the other side shows and never waits at a price of its own."""
        return self.terms.type in (OrderType.MARKET, OrderType.SL_M)

    @property
    def waits_for_trigger(self) -> bool:
        return self.terms.type in (OrderType.SL, OrderType.SL_M) and not self.triggered

    @property
    def average_price(self) -> Decimal | None:
        return average(self.value, self.filled_quantity)

    def take(self, quantity: int, price: int) -> None:
        """Count an execution."""
        assert 0 < quantity <= self.remaining
        self.remaining -= quantity
        self.filled_quantity += quantity
        self.value += quantity * price
        self.leg = min(self.leg - quantity, self.remaining)
        if self.leg <= 0:
            self.leg = min(self.leg_size, self.remaining)

    def mark(self, status: Status, at: datetime, message: str | None = None) -> None:
        """Stand so from now on, and remember it."""
        self.status = status
        self.status_message = message
        self.updated_at = at
        self.marks.append(Mark(at, status, self.terms, self.filled_quantity, self.value, message))

    def row(self) -> BrokerOrder:
        """How the order book shows it."""
        return self._row(self.marks[-1])

    @property
    def trail(self) -> list[BrokerOrder]:
        """What became of it, oldest first."""
        return [self._row(mark) for mark in self.marks]

    @property
    def fills(self) -> list[Fill]:
        terms = self.terms
        return [
            Fill(
                trade_id=str(part.number),
                broker_order_id=self.order_id,
                symbol=terms.symbol,
                side=terms.side,
                quantity=part.quantity,
                price=rupees_of(part.price),
                product=terms.product,
                at=part.at,
                exchange_order_id=self.exchange_order_id,
            )
            for part in self.parts
        ]

    def _row(self, mark: Mark) -> BrokerOrder:
        terms = mark.terms
        return BrokerOrder(
            broker_order_id=self.order_id,
            status=mark.status,
            symbol=terms.symbol,
            side=terms.side,
            quantity=terms.quantity,
            type=terms.type,
            product=terms.product,
            validity=terms.validity,
            variety=terms.variety,
            price=terms.price,
            trigger_price=terms.trigger_price,
            disclosed_quantity=terms.disclosed_quantity,
            filled_quantity=mark.filled_quantity,
            average_price=average(mark.value, mark.filled_quantity),
            status_message=mark.message,
            exchange_order_id=self.exchange_order_id,
            parent_order_id=self.parent_order_id,
            tags=(terms.tag,) if terms.tag else (),
            placed_at=self.placed_at,
            updated_at=mark.at,
        )


class PaperGtt(Struct, kw_only=True):
    """One good-till-triggered order. `rising`: for each leg, whether the price has to rise to its trigger."""

    user: str
    gtt_id: str
    gtt: NewGtt
    rising: list[bool]
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    status: GttStatus = GttStatus.ACTIVE
    status_message: str | None = None
    placed_order_ids: list[str] = []

    def row(self) -> BrokerGtt:
        return BrokerGtt(
            broker_gtt_id=self.gtt_id,
            status=self.status,
            symbol=self.gtt.symbol,
            legs=self.gtt.legs,
            placed_order_ids=tuple(self.placed_order_ids),
            status_message=self.status_message,
            created_at=self.created_at,
            updated_at=self.updated_at,
            expires_at=self.expires_at,
        )
