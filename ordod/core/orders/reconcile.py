"""What a reading of the broker's book means for what we know. Pure: a reading and the book in, records out.

Presence always wins, over absence and over a doubt that was ended. Later evidence of the broker beats earlier; a row is later
if its time says so and its filled quantity does not shrink. FILLED and EXPIRED are never left; CANCELLED and REJECTED only
for a row that is later, NOT_PLACED for any row.

Absence is weak. It counts only under all of the rules of `may_be_absent`, and each of them stands for a way in which an order
that existed was not shown.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from msgspec import Struct

from ordod.adapter import BrokerOrder, Fill, OrderChanges, Status, Variety
from ordod.core.orders.book import Book
from ordod.core.orders.records import Evidence, Filled, Record, Settled, Update
from ordod.core.orders.states import ChangeState, OrderState
from ordod.domain.orders import LIVE

__all__ = [
    "Reading",
    "advances",
    "appeared_doubts",
    "change_shows",
    "earliest",
    "found",
    "fresh_fills",
    "lacks_seen_orders",
    "wants_fills",
    "why_not_absent",
]

CLOCKS_APART = timedelta(
    minutes=5
)  # how far the broker's clock may be from ours, also where nobody keeps ours right; a measured skew is added
CALL_S = 10.0  # a call to a broker is given up after 7 s


class Reading(Struct, frozen=True, kw_only=True):
    """One look at a user's order book. `begun`: boot time; `fills` None: the trades were not asked for.

    `skew_s`: the broker's clock less ours, as far as it was measured.
    `is_whole`: every row was read; only then can it speak for absence. `shows_ours`: no row that could not be read carries a
    tag of ours; then at least nothing of ours is hidden, and orders may go on.
    `is_pushed`: no look, but what the broker said by itself, of some orders.
    """

    user: str
    begun: float
    begun_at: datetime
    rows: tuple[BrokerOrder, ...]
    is_whole: bool
    shows_ours: bool = True
    skew_s: float = 0.0
    fills: tuple[Fill, ...] | None = None
    is_pushed: bool = False

    @property
    def source(self) -> str:
        return "push" if self.is_pushed else "book"


def found(
    book: Book,
    account: str,
    reading: Reading,
    *,
    is_ours: Callable[[str], bool],
    new_id: Callable[[str], str],
) -> Iterator[Record]:
    """The records of what the reading shows: doubts that end, rows that moved, orders placed elsewhere.

    Args:
        is_ours: whether a tag is of this installation.
    """
    for twin, first in book.twins(account):
        # Its row was seen without our tag, before it was known whose it is.
        yield Settled(id=twin.id, outcome="not_placed", by="book", reason=f"it is order {first}")
    bound: set[str] = set()
    for row in reading.rows:
        order = _owner(book, reading.user, row, bound)
        if order is None:
            tag = next((tag for tag in row.tags if is_ours(tag)), None)
            yield Update(
                id=new_id("o"),
                row=row,
                status=row.status,
                account=account,
                user=reading.user,
                tag=tag,
            )
            continue
        if order.sent != "placed" and order.id not in bound:
            yield Evidence(
                id=order.id,
                source=reading.source,
                begun_at=reading.begun_at,
                complete=reading.is_whole,
                found=True,
                broker_id=row.broker_order_id,
            )
            yield Settled(
                id=order.id,
                outcome="placed",
                by=reading.source,
                broker_id=row.broker_order_id,
            )
        bound.add(order.id)
        if advances(order, row):
            yield Update(id=order.id, row=row, status=row.status)


def appeared_doubts(book: Book, reading: Reading) -> list[tuple[OrderState, BrokerOrder]]:
    """Orders in doubt that the reading shows living, with their rows: for a dead disk, where the book cannot follow."""
    pairs = [(_owner(book, reading.user, row, set()), row) for row in reading.rows]
    return [
        (o, row) for o, row in pairs if o is not None and o.is_open_doubt and row.status in LIVE
    ]


def _owner(book: Book, user: str, row: BrokerOrder, bound: set[str]) -> OrderState | None:
    """The order a row is of: by the broker's id, else by our tag, unless that order is bound to another row.

    The legs of an iceberg are orders at the broker, all under the one tag: to us they are one.
    """
    order = book.by_broker_id(user, row.broker_order_id)
    if order is not None:
        return order
    for tag in row.tags:
        order = book.by_tag(user, tag)
        if order is None:
            continue
        is_leg = order.terms.iceberg_legs and row.variety is Variety.ICEBERG
        if is_leg or (order.broker_order_id is None and order.id not in bound):
            return order
    return None


def advances(order: OrderState, row: BrokerOrder) -> bool:
    """Whether this row is news: later than what we know, not an old copy."""
    known = order.row_of(row.broker_order_id)
    if known is None:
        return True
    status = known.status if order.legs else order.status
    if row == known or status in (Status.FILLED, Status.EXPIRED):
        return False
    if row.filled_quantity < known.filled_quantity:
        return False
    is_later = bool(row.updated_at and known.updated_at and row.updated_at > known.updated_at)
    is_earlier = bool(row.updated_at and known.updated_at and row.updated_at < known.updated_at)
    if row.filled_quantity > known.filled_quantity:
        return True
    if status not in LIVE and row.status in LIVE:
        return is_later
    return not is_earlier


def fresh_fills(book: Book, reading: Reading) -> Iterator[Filled]:
    """The executions we did not know."""
    seen: set[tuple[str, str]] = set()
    for fill in reading.fills or ():
        order = book.by_broker_id(reading.user, fill.broker_order_id)
        if order is None or fill.trade_id in order.fills or (order.id, fill.trade_id) in seen:
            continue
        seen.add((order.id, fill.trade_id))
        yield Filled(id=order.id, fill=fill)


def wants_fills(book: Book, user: str, rows: Iterable[BrokerOrder]) -> bool:
    """Whether some row shows more filled than the executions we know."""
    for row in rows:
        order = book.by_broker_id(user, row.broker_order_id)
        fills = order.fills.values() if order else ()
        known = sum(f.quantity for f in fills if f.broker_order_id == row.broker_order_id)
        if row.filled_quantity > known:
            return True
    return False


def lacks_seen_orders(book: Book, reading: Reading, day: datetime) -> bool:
    """Whether the book misses an order of this book day that it showed before, or that the broker had acknowledged when it
    was read: then it is not whole, whatever it looks like. A cached copy looks whole."""
    shown = {row.broker_order_id for row in reading.rows}
    return any(
        order.broker_order_id is not None
        and order.broker_order_id not in shown
        and _is_to_be_shown(order, reading, day)
        for order in book.of_user(reading.user)
    )


def _is_to_be_shown(order: OrderState, reading: Reading, day: datetime) -> bool:
    if order.row is None:
        return order.sent == "placed" and day <= order.updated_at < reading.begun_at
    return (order.row.placed_at or order.placed_at) >= day


def why_not_absent(
    book: Book,
    order: OrderState,
    reading: Reading,
    *,
    waited_s: float,
    horizon_s: float,
    is_same_book_day: bool,
    misses_seen: bool,
) -> str:
    """Why this reading, which does not hold the order, says nothing about it; "" if it speaks for absence.

    Args:
        waited_s: boot time from the later of the send and the death of its connection to the beginning of the reading.
    """
    if reading.user != order.user:
        return f"the session is of another user than {order.user}"
    if not is_same_book_day:
        return "the broker's book of the day it was sent is gone; a trade, a position or order.resolve must tell"
    if waited_s < horizon_s:
        return f"absence counts from {horizon_s:.0f} s after the send"
    # Past the horizon each of these may stay so for good: then a person has to know.
    if not reading.is_whole:
        return "a row of the order book cannot be read; order.resolve can tell"
    if misses_seen:
        return "the order book lacks an order that it showed before; order.resolve can tell"
    if not _echoes(book, order, reading):
        kind = f"{order.terms.variety} {order.terms.type}"
        return f"today's book has not shown the tag of any {kind} order yet; order.resolve can tell"
    if stranger := _unclaimed(book, order, reading, waited_s):
        return f"order {stranger} of the same instrument and side carries no tag; order.resolve can tell"
    return ""


def _echoes(book: Book, order: OrderState, reading: Reading) -> bool:
    """Whether this book shows tags for orders of this variety and type: some brokers drop them."""
    for row in reading.rows:
        other = book.by_broker_id(reading.user, row.broker_order_id)
        if other is None or other.key is None or other.tag not in row.tags:
            continue
        if (other.terms.variety, other.terms.type) == (order.terms.variety, order.terms.type):
            return True
    return False


def _unclaimed(book: Book, order: OrderState, reading: Reading, waited_s: float) -> str:
    """An order nobody claims that could be this one with its tag lost: its broker id, or ""."""
    assert order.sent_at is not None
    # After a crash all that is known is that it was sent between the intent and the start.
    told_at = min(order.placed_at, order.sent_at)
    sent_from = earliest(told_at, now=reading.begun_at, skew_s=reading.skew_s, waited_s=waited_s)
    for row in reading.rows:
        if (row.symbol, row.side) != (order.terms.symbol, order.terms.side):
            continue
        owner = book.by_broker_id(reading.user, row.broker_order_id)
        if owner is not None and (owner.key is not None or owner.tag is not None):
            continue
        # What moved last before the send was placed before it.
        last_seen_at = row.placed_at or row.updated_at
        if last_seen_at is None or last_seen_at >= sent_from:
            return row.broker_order_id
    return ""


def earliest(told_at: datetime, *, now: datetime, skew_s: float, waited_s: float) -> datetime:
    """The earliest time, by the broker's clock, at which it can have got what we sent at `told_at` by ours.

    Our clock may be wrong, or may have been set right since: so it is also reckoned back from now.

    Args:
        waited_s: boot time since the later of the send and the death of its connection, or since the start.
    """
    skew = timedelta(seconds=skew_s)
    by_now = now + skew - timedelta(seconds=waited_s + CALL_S)
    return min(told_at - abs(skew), by_now) - CLOCKS_APART


def change_shows(change: ChangeState, order: OrderState) -> str:
    """What the order's row says of a change of it: done, not_done, or "" where it does not tell yet."""
    status = order.status
    if change.operation == "cancel":
        if status is Status.CANCELLED or (status is Status.FILLED and order.is_cover_leg):
            return "done"
        return "" if order.is_live or order.is_open_doubt else "not_done"
    if change.changes is not None and order.row is not None and _applied(change.changes, order):
        return "done"
    return "" if order.is_live else "not_done"


def _applied(changes: OrderChanges, order: OrderState) -> bool:
    now = order.current
    return all(
        wanted is None or getattr(now, name) == wanted
        for name in changes.__struct_fields__
        for wanted in (getattr(changes, name),)
    )
