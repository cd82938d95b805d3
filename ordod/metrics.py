"""`GET /metrics`: what the daemon's parts know of themselves, in Prometheus' text format, made when asked for.

Labels are accounts, brokers, receivers of alerts and fixed words: never a symbol, key or caller. Imported at the first scrape: a start does not pay
for prometheus-client.
"""

from collections.abc import Iterator, Sequence

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest

from ordod.core.account import Account
from ordod.core.orders.latency import BOUNDS_S, Histogram
from ordod.core.parts import Parts
from ordod.core.sessions import SessionState
from ordod.service.methods import Caller, Role

__all__ = ["CONTENT_TYPE_LATEST", "scrape"]


def scrape(parts: Parts, caller: Caller) -> bytes:
    """One scrape, of the accounts that the caller may read."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Collector(parts, caller))
    return generate_latest(registry)


class _Collector:
    def __init__(self, parts: Parts, caller: Caller) -> None:
        self._parts = parts
        self._seen = [
            account
            for name, account in parts.accounts.items()
            if caller.role_for(name) >= Role.READ
        ]

    def describe(self) -> Sequence[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        parts = self._parts
        yield InfoMetricFamily("ordod_build", "Version.", value={"version": parts.version})
        yield _gauge("ordod_kill_engaged", "1: everything is killed.", parts.gate.is_closed)
        yield _gauge("ordod_journal_failed", "1: the disk failed.", parts.journal.failed)
        seq = parts.journal.head[0]
        yield _gauge("ordod_journal_records", "Number of the journal's last record.", seq)
        yield from self._sessions()
        yield from self._doubts()
        yield from self._latencies()
        yield from self._streams()
        yield from self._alerts()

    def _sessions(self) -> Iterator[Metric]:
        state = GaugeMetricFamily(
            "ordod_session_state",
            "1 at the session's state.",
            labels=("account", "broker", "state"),
        )
        breaker = _by_account("ordod_breaker_open", "1: the broker could not be reached of late.")
        skew = _by_account(
            "ordod_clock_skew_seconds", "The broker's clock less this machine's, where measured."
        )
        person = _by_account("ordod_session_needs_person", "1: a person has to log in.")
        for account in self._seen:
            for each in SessionState:
                is_it = account.keeper.state is each
                state.add_metric((account.name, account.spec.id, each.value.lower()), is_it)
            breaker.add_metric((account.name,), account.breaker.is_open)
            person.add_metric((account.name,), account.keeper.needs_person)
            if account.keeper.skew.seconds is not None:
                skew.add_metric((account.name,), account.keeper.skew.seconds)
        yield from (state, breaker, person, skew)

    def _doubts(self) -> Iterator[Metric]:
        count = _by_account("ordod_doubts_open", "Orders in doubt.")
        age = _by_account("ordod_doubt_oldest_age_seconds", "Since the oldest was sent; 0: none.")
        now = self._parts.clock.now()
        for account in self._seen:
            doubts = self._parts.book.doubts(account.name)
            ages = [(now - each.sent_at).total_seconds() for each in doubts if each.sent_at]
            count.add_metric((account.name,), len(doubts))
            age.add_metric((account.name,), max(0.0, *ages) if ages else 0.0)
        yield from (count, age)

    def _latencies(self) -> Iterator[Metric]:
        whole = HistogramMetricFamily(
            "ordod_order_seconds",
            "From the call until the outcome is on disk.",
            labels=("account",),
        )
        broker = HistogramMetricFamily(
            "ordod_order_broker_seconds",
            "The broker's part: the wait for a slot in its limits, and its answer.",
            labels=("account",),
        )
        for account in self._seen:
            taken = self._parts.desk.latencies.histograms(account.name)
            if taken is not None:
                _add(whole, account, taken[0])
                _add(broker, account, taken[1])
        yield from (whole, broker)

    def _streams(self) -> Iterator[Metric]:
        hub = self._parts.hub
        opened = _counter("ordod_feed_connects", "Price connections opened.")
        unreadable = _counter("ordod_feed_unreadable", "Frames, or parts, that could not be read.")
        is_open = _by_account("ordod_feed_connections", "Price connections open now.")
        wanted = _by_account("ordod_feed_instruments", "Instruments wanted.")
        subscribed = _by_account("ordod_feed_subscribed", "Of these, subscribed at the broker.")
        age = _by_account("ordod_feed_age_seconds", "Since the last price came.")
        heard = _counter("ordod_order_updates", "Order updates heard from the broker.")
        updates_open = _by_account("ordod_order_updates_open", "1: the update stream is open.")
        lag = GaugeMetricFamily(
            "ordod_order_update_lag_seconds",
            "How late order updates are told: medians of the last 100.",
            labels=("account", "part"),
        )
        now = self._parts.clock.now()
        for account in self._seen:
            label = (account.name,)
            if hub.can(account.name):
                feed = hub.status(account.name)
                opened.add_metric(label, feed.opened)
                unreadable.add_metric(label, feed.unreadable)
                is_open.add_metric(label, feed.open)
                wanted.add_metric(label, feed.instruments)
                subscribed.add_metric(label, feed.subscribed)
                if feed.last_at is not None:
                    age.add_metric(label, max(0.0, (now - feed.last_at).total_seconds()))
            channel = hub.updates_status(account.name)
            if channel is not None:
                hearing = self._parts.readers[account.name].hearing
                heard.add_metric(label, hearing.heard_count)
                updates_open.add_metric(label, channel.is_open)
                late = {"broker": hearing.lag.broker_ms, "taken": hearing.lag.taken_ms}
                for part, late_ms in late.items():
                    if late_ms is not None:
                        lag.add_metric((account.name, part), late_ms / 1000)
        yield from (opened, unreadable, is_open, wanted, subscribed, age, heard, updates_open, lag)

    def _alerts(self) -> Iterator[Metric]:
        status = self._parts.alerts.status()
        yield _gauge("ordod_alerts_firing", "Conditions told and not over.", len(status.firing))
        yield _gauge("ordod_alerts_held", "Alerts held back by the hour's bound.", status.held)
        waiting = GaugeMetricFamily(
            "ordod_alerts_waiting", "Alerts not delivered yet.", labels=("receiver",)
        )
        delivered = _told("ordod_alerts_delivered", "Alerts a receiver took.")
        failed = _told("ordod_alerts_failed", "Alerts given up after the last try.")
        dropped = _told("ordod_alerts_dropped", "Alerts dropped because too many waited.")
        for one in status.receivers:
            label = (one.receiver,)
            waiting.add_metric(label, one.waiting)
            delivered.add_metric(label, one.delivered)
            failed.add_metric(label, one.failed)
            dropped.add_metric(label, one.dropped)
        yield from (waiting, delivered, failed, dropped)


def _told(name: str, about: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, about, labels=("receiver",))


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value=float(value))


def _by_account(name: str, about: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, labels=("account",))


def _counter(name: str, about: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, about, labels=("account",))


def _add(family: HistogramMetricFamily, account: Account, taken: Histogram) -> None:
    total, buckets = 0, []
    for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), taken.counts, strict=True):
        total += count
        buckets.append((bound, total))
    family.add_metric((account.name,), buckets, taken.sum_s)
