"""One order, one change, one kill, as the book holds them. Only the book writes; everyone else reads."""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from ordod.adapter import BrokerOrder, Fill, OrderChanges
from ordod.core.orders.records import Intent
from ordod.domain.orders import LIVE, OrderTerms, OrderType, Status

__all__ = ["ChangeState", "KillNote", "OrderState"]


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
    sent_at: datetime | None = None  # of a doubt
    died_at: datetime | None = None
    absences: int = 0  # complete readings in a row that did not hold it, within the rule
    fills: dict[str, Fill] = {}
    next_check: datetime | None = None  # set by settling, tells people only

    @property
    def current(self) -> OrderTerms:
        """The terms as they stand now: what was asked, then what the broker's row shows of changes.

        A protected MARKET order stands in the book as a limit order; it stays what it was asked as. An iceberg's row shows
        one leg.
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
            trigger_price=row.trigger_price,
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
        return self.sent == "placed" and self.status in LIVE

    @property
    def filled_quantity(self) -> int:
        seen = sum(fill.quantity for fill in self.fills.values())
        return max(seen, self.row.filled_quantity if self.row else 0)


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
