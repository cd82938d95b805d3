"""The daemon itself: its version, journal, kill switch, clients and machine."""

import platform
from collections.abc import Iterator

from prometheus_client.core import Metric

from ordod.core.parts import Parts
from ordod.machine import Machine
from ordod.metrics.shapes import counter, gauge, histogram, one, total
from ordod.wire.connection import DROPPED
from ordod.wire.dispatch import Tally

__all__ = ["families"]

REFUSALS = ("UNAUTHENTICATED", "FORBIDDEN")


def families(parts: Parts, tally: Tally, machine: Machine) -> Iterator[Metric]:
    yield gauge(
        "ordod_build_info",
        "1: the daemon's version, and Python's.",
        ("version", "python"),
        [((parts.version, platform.python_version()), 1)],
    )
    yield from _journal(parts)
    yield from _kill(parts)
    yield from _alerts(parts)
    yield from _clients(parts, tally)
    yield from _machine(machine)


def _journal(parts: Parts) -> Iterator[Metric]:
    journal = parts.journal
    yield one(
        "ordod_journal_failed",
        "1: the disk failed; nothing is placed until a restart.",
        journal.failed,
    )
    yield one(
        "ordod_journal_full",
        "1: the disk is full; orders are refused until it is not.",
        journal.full,
    )
    yield one(
        "ordod_journal_head_seq", "Number of the journal's last durable record.", journal.head[0]
    )
    yield one("ordod_journal_segments", "Files of the journal.", journal.segments)
    yield one("ordod_journal_queued_records", "Records that wait for the disk.", journal.queued)
    yield total(
        "ordod_journal_written_bytes", "Bytes written to the journal.", journal.written_bytes
    )
    yield histogram(
        "ordod_journal_sync_seconds",
        "Write and sync of one batch.",
        (),
        [((), journal.sync_s)],
    )
    yield histogram(
        "ordod_journal_batch_records",
        "Records that shared one sync.",
        (),
        [((), journal.batch_records)],
    )


def _kill(parts: Parts) -> Iterator[Metric]:
    kill = parts.kill
    yield one("ordod_kill_engaged", "1: everything is killed.", parts.gate.is_closed)
    yield total("ordod_kill_engagements", "How often the kill switch was thrown.", kill.engagements)
    yield histogram(
        "ordod_kill_first_cancels_seconds",
        "From the call until each open order had its first cancel.",
        (),
        [((), kill.first_cancels_s)],
    )
    yield histogram(
        "ordod_kill_sweep_seconds",
        "Sweeps that came to their end: nothing live, nothing in doubt.",
        (),
        [((), kill.sweeps_s)],
    )
    yield one("ordod_kill_sweep_running", "1: a sweep is under way.", kill.sweep.running)
    yield one(
        "ordod_kill_sweep_left_orders",
        "Orders live or in doubt at the sweep's last look.",
        kill.sweep.left,
    )


def _alerts(parts: Parts) -> Iterator[Metric]:
    status = parts.alerts.status()
    yield one(
        "ordod_alerts_firing",
        "Conditions that were told to receivers and are not over.",
        len(status.firing),
    )
    yield one(
        "ordod_alerts_held", "Alerts that wait because the hour's bound is reached.", status.held
    )
    by_receiver = {(each.receiver,): each for each in status.receivers}
    yield gauge(
        "ordod_alerts_waiting",
        "Alerts not delivered yet.",
        ("receiver",),
        ((name, each.waiting) for name, each in by_receiver.items()),
    )
    yield counter(
        "ordod_alerts_delivered",
        "Alerts it took.",
        ("receiver",),
        ((name, each.delivered) for name, each in by_receiver.items()),
    )
    yield counter(
        "ordod_alerts_failed",
        "Alerts given up after the last try.",
        ("receiver",),
        ((name, each.failed) for name, each in by_receiver.items()),
    )
    yield counter(
        "ordod_alerts_dropped",
        "Alerts dropped because too many waited.",
        ("receiver",),
        ((name, each.dropped) for name, each in by_receiver.items()),
    )


def _clients(parts: Parts, tally: Tally) -> Iterator[Metric]:
    yield one("ordod_connections", "Connections of clients open now.", tally.connections)
    yield counter(
        "ordod_connections_dropped",
        "Connections closed by the daemon: slow_reader (its queue was full), memory; too_many: no room but for one call that stops something.",
        ("reason",),
        (((reason,), tally.dropped[reason]) for reason in DROPPED),
    )
    yield one(
        "ordod_listeners",
        "Subscriptions to events, and calls that wait for an order.",
        parts.events.listening,
    )
    yield total(
        "ordod_skipped_values",
        "Prices and levels that a newer one replaced before a client took them.",
        parts.hub.skipped,
    )
    yield counter(
        "ordod_calls",
        "Calls by method (? where there is none of that name) and outcome: ok, or the error's kind.",
        ("method", "outcome"),
        (((method, outcome), count) for (method, outcome), count in sorted(tally.calls.items())),
    )
    yield counter(
        "ordod_calls_refused",
        "Calls of somebody who may not.",
        ("kind",),
        (
            ((kind,), sum(count for (_, its), count in tally.refused.items() if its == kind))
            for kind in REFUSALS
        ),
    )
    yield total(
        "ordod_calls_without_id",
        "Changes that were asked for without an id, and not carried out.",
        tally.unheard.total(),
    )


def _machine(machine: Machine) -> Iterator[Metric]:
    yield histogram(
        "ordod_loop_lag_seconds",
        "How late the event loop turned, looked at ten times a second.",
        (),
        [((), machine.lag_s)],
    )
    yield gauge(
        "ordod_disk_free_bytes",
        "What the daemon may still fill of the file system that holds its state.",
        (),
        [((), machine.free_bytes)],
    )
    yield gauge(
        "ordod_disk_size_bytes", "The size of that file system.", (), [((), machine.size_bytes)]
    )
