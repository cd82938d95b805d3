"""One order, one change, one kill, as the book holds them. Only the book writes; everyone else reads."""

from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from ordod.adapter import BrokerOrder, Fill, OrderChanges
from ordod.core.orders.records import Intent
from ordod.domain.orders import LIVE, OrderTerms, OrderType, Status, Variety

__all__ = ["ChangeState", "KillNote", "OrderState", "row_of"]


class OrderState(Struct, kw_only=True, omit_defaults=True):
    """One order. Owned by the book; everyone else reads.

    `sent` is: `intent` (on disk, outcome unknown), `placed`, `rejected` (the broker's sure no), `doubt`, `not_placed`,
    `unsent`. `first_seq`: of its first record, `seq`: of the one that made it as it is. While `intent` or `doubt` the order may exist.
    """

    id: str
    account: str
    user: str
    terms: OrderTerms
    status: Status
    sent: str
    seq: int
    first_seq: int
    placed_at: datetime
    updated_at: datetime
    key: str | None = None
    fingerprint: str = ""
    symbol_written: str = ""
    tag: str | None = None
    strategy: str | None = None
    broker_order_id: str | None = None
    row: BrokerOrder | None = None
    error_kind: str = ""
    message: str | None = None
    code: str = ""
    sent_by: datetime | None = None  # of the first record after the intent: no later it was sent
    sends: int = 1  # how often it was, or may have been, handed over
    sent_at: datetime | None = None  # of a doubt
    died_at: datetime | None = None
    absences: int = 0  # complete readings in a row that did not hold it, within the rule
    has_lapsed: bool = (
        False  # its book day ended before its end was seen; `status` is the last shown
    )
    fills: dict[str, Fill] = {}
    legs: dict[str, BrokerOrder] = {}  # of an iceberg: broker id -> row; `row` is the current one
    next_check: datetime | None = None  # set by settling, tells people only

    @property
    def current(self) -> OrderTerms:
        """The terms as they stand now: what was asked, then what the broker's row shows of changes.

        A protected MARKET order stands in the book as a limit order; it stays what it was asked as. An iceberg's row shows
        one leg; a cover order's stop is another row's trigger.
        """
        terms, row = self.terms, self.row
        if row is None:
            return terms
        is_protected = (terms.type, row.type) in (
            (OrderType.MARKET, OrderType.LIMIT),
            (OrderType.SL_M, OrderType.SL),
        )
        return replace(
            terms,
            type=terms.type if is_protected else row.type,
            price=terms.price if is_protected else row.price,
            trigger_price=row.trigger_price
            or (terms.trigger_price if terms.variety is Variety.CO else None),
            quantity=terms.quantity if terms.iceberg_legs else row.quantity,
            disclosed_quantity=row.disclosed_quantity or None,
            validity=row.validity or terms.validity,
        )

    @property
    def is_open_doubt(self) -> bool:
        return self.sent in ("intent", "doubt")

    @property
    def is_live(self) -> bool:
        """At the broker, and may still trade."""
        return self.sent == "placed" and self.status in LIVE and not self.has_lapsed

    @property
    def is_cover_leg(self) -> bool:
        """The second leg of a cover order: asked to end, it trades at the market."""
        row = self.row
        return row is not None and row.variety is Variety.CO and row.parent_order_id is not None

    @property
    def filled_quantity(self) -> int:
        seen = sum(fill.quantity for fill in self.fills.values())
        return max(seen, sum(row.filled_quantity for row in self._rows))

    @property
    def average_price(self) -> Decimal | None:
        filled = [(row.filled_quantity, row.average_price) for row in self._rows]
        values = [(count, price) for count, price in filled if count and price is not None]
        if len(values) < 2:
            return values[0][1] if values else None
        count = sum(count for count, _ in values)
        return round(sum((n * price for n, price in values), Decimal(0)) / count, 4)

    @property
    def _rows(self) -> tuple[BrokerOrder, ...]:
        if self.legs:
            return tuple(self.legs.values())
        return (self.row,) if self.row else ()

    def row_of(self, broker_order_id: str) -> BrokerOrder | None:
        """What we know of a row of this order: its only one, or that leg of an iceberg."""
        if self.terms.iceberg_legs:
            return self.legs.get(broker_order_id)
        return self.row

    def with_leg(self, row: BrokerOrder) -> tuple[BrokerOrder, Status]:
        """An iceberg's current leg and status, with this row of it. The broker sends the next leg when one is filled."""
        self.legs = {**self.legs, row.broker_order_id: row}
        living = [leg for leg in self.legs.values() if leg.status in LIVE]
        last = (living or list(self.legs.values()))[-1]
        filled = sum(leg.filled_quantity for leg in self.legs.values())
        if filled >= self.terms.quantity:
            return last, Status.FILLED
        if last.status is Status.FILLED or (filled and last.status is Status.OPEN):
            return last, Status.PARTIALLY_FILLED
        if last.status is Status.REJECTED and filled:
            return last, Status.CANCELLED  # the rest of it will not come
        return last, last.status


class ChangeState(Struct, kw_only=True, omit_defaults=True):
    """One change: modify, cancel, GTT or conversion. `state`: intent, unsent, accepted, rejected, doubt, done, not_done.

    `accepted` is an acknowledgement; of a GTT or conversion it is `done` at once, since there is nothing more to see.
    """

    id: str
    operation: str
    account: str
    user: str
    state: str
    seq: int
    at: datetime
    order_id: str | None = None
    key: str | None = None
    fingerprint: str = ""
    changes: OrderChanges | None = None
    intent: Intent | None = None
    broker_id: str = ""
    error_kind: str = ""
    message: str = ""
    code: str = ""
    sent_by: datetime | None = None  # of the first record after the intent: no later it was sent
    sends: int = 1  # how often it was, or may have been, handed over
    sent_at: datetime | None = None
    died_at: datetime | None = None
    absences: int = 0

    @property
    def is_open(self) -> bool:
        """Its end is not known: in flight, in doubt, or only acknowledged."""
        return self.state in ("intent", "doubt", "accepted")


class KillNote(Struct, frozen=True):
    """A kill that stands, for people to read."""

    account: str | None
    strategy: str | None
    reason: str
    caller: str
    at: datetime
    cancel_open: bool = True


def row_of(order: OrderState) -> BrokerOrder:
    """How the broker shows the order, or, before it was read, what its acceptance implies."""
    if order.row is not None:
        return order.row
    assert order.broker_order_id is not None
    terms = order.terms
    return BrokerOrder(
        broker_order_id=order.broker_order_id,
        status=order.status,
        symbol=terms.symbol,
        side=terms.side,
        quantity=terms.quantity,
        type=terms.type,
        product=terms.product,
        validity=terms.validity,
        variety=terms.variety,
        price=terms.price,
        trigger_price=terms.trigger_price,
        tags=(order.tag,) if order.tag else (),
    )
