"""Orders: what became of them, how long each part of their way took, and which are in doubt."""

from collections.abc import Iterator, Sequence

from prometheus_client.core import Metric

from ordod.core.account import Account
from ordod.core.orders.latency import STAGES
from ordod.core.orders.trail import OUTCOMES
from ordod.core.parts import Parts
from ordod.metrics.shapes import counter, gauge, histogram

__all__ = ["families"]

OPERATIONS = ("modify", "cancel", "place_gtt", "modify_gtt", "cancel_gtt", "convert")
SETTLED = ("placed", "not_placed", "lapsed")


def families(parts: Parts, seen: Sequence[Account]) -> Iterator[Metric]:
    trail, latencies, book = parts.ledger.trail, parts.desk.latencies, parts.book
    yield counter(
        "ordod_orders",
        "What became of orders: accepted, rejected (the broker's sure no), unsent, in_doubt; refused: before anything was stored.",
        ("account", "broker", "outcome"),
        (
            ((one.name, one.spec.id, outcome), trail.orders[one.name, outcome])
            for one in seen
            for outcome in (*OUTCOMES.values(), "refused")
        ),
    )
    yield counter(
        "ordod_changes",
        "What became of changes that were sent; of a modify or cancel accepted is not yet done.",
        ("account", "broker", "operation", "outcome"),
        (
            (
                (one.name, one.spec.id, operation, outcome),
                trail.changes[one.name, operation, outcome],
            )
            for one in seen
            for operation in OPERATIONS
            for outcome in OUTCOMES.values()
        ),
    )
    yield histogram(
        "ordod_order_seconds",
        "From the call until the outcome is on disk.",
        ("account",),
        (((one.name,), latencies.way(one.name).whole) for one in seen),
    )
    yield histogram(
        "ordod_order_stage_seconds",
        "Parts of it: checks (key, session, instrument, risk), intent_sync, slot (in the broker's limits, and a connection), broker (first byte to answer), outcome_sync.",
        ("account", "stage"),
        (
            ((one.name, stage), taken)
            for one in seen
            for stage, taken in zip(STAGES, latencies.way(one.name).stages, strict=True)
        ),
    )
    now = parts.clock.now()
    doubts = {one.name: book.doubts(one.name) for one in seen}
    yield gauge(
        "ordod_doubts_open",
        "Orders in doubt.",
        ("account",),
        (((name,), len(orders)) for name, orders in doubts.items()),
    )
    yield gauge(
        "ordod_doubt_oldest_age_seconds",
        "Since the oldest of them was sent; 0: there is none.",
        ("account",),
        (
            (
                (name,),
                max((0.0, *((now - o.sent_at).total_seconds() for o in orders if o.sent_at))),
            )
            for name, orders in doubts.items()
        ),
    )
    yield counter(
        "ordod_doubts_settled",
        "How doubts ended; lapsed: a living order whose book day ended before its own end was seen.",
        ("account", "outcome"),
        (
            ((one.name, outcome), trail.settled[one.name, outcome])
            for one in seen
            for outcome in SETTLED
        ),
    )
    yield gauge(
        "ordod_orders_open",
        "Orders live or in doubt.",
        ("account",),
        (((one.name,), len(book.open_orders(one.name))) for one in seen),
    )
