"""Accounts: their sessions, their broker's limits and reach, and what it pushes."""

from collections.abc import Iterator, Sequence

from prometheus_client.core import Metric

from ordod.core.account import Account
from ordod.core.parts import Parts
from ordod.core.sessions import LOGIN_OUTCOMES, SessionState
from ordod.metrics.shapes import counter, gauge, histogram
from ordod.service.accounts import account_status

__all__ = ["families"]

REQUESTS = {False: "read", True: "write"}
ACCOUNT = ("account",)


def families(parts: Parts, seen: Sequence[Account]) -> Iterator[Metric]:
    yield from _sessions(seen)
    yield from _limits(seen)
    yield from _prices(parts, seen)
    yield from _updates(parts, seen)


def _sessions(seen: Sequence[Account]) -> Iterator[Metric]:
    yield gauge(
        "ordod_account_can_trade",
        "1: orders of the account are taken.",
        ("account", "broker"),
        (((one.name, one.spec.id), account_status(one).can_trade) for one in seen),
    )
    yield gauge(
        "ordod_session_state",
        "1 at the session's state, 0 at the others.",
        ("account", "broker", "state"),
        (
            ((one.name, one.spec.id, state.value.lower()), one.keeper.state is state)
            for one in seen
            for state in SessionState
        ),
    )
    yield gauge(
        "ordod_session_needs_person",
        "1: `ordoctl login ACCOUNT` is wanted.",
        ACCOUNT,
        (((one.name,), one.keeper.needs_person) for one in seen),
    )
    yield gauge(
        "ordod_session_expiry_timestamp_seconds",
        "When the session ends, Unix time; none: it has no session, or no hour is known.",
        ACCOUNT,
        (((one.name,), _expiry(one)) for one in seen),
    )
    yield counter(
        "ordod_logins",
        "Logins: made; kept (an earlier session, or a ready-made token, lives); failed; denied.",
        ("account", "outcome"),
        (
            ((one.name, outcome), one.keeper.counts[outcome])
            for one in seen
            for outcome in LOGIN_OUTCOMES
        ),
    )
    yield counter(
        "ordod_session_renewals",
        "Sessions that took the place of an earlier one.",
        ACCOUNT,
        (((one.name,), one.keeper.renewals) for one in seen),
    )
    yield gauge(
        "ordod_clock_skew_seconds",
        "The broker's clock less this machine's, where measured in the last ten minutes.",
        ACCOUNT,
        (((one.name,), one.keeper.skew.seconds) for one in seen),
    )


def _expiry(account: Account) -> float | None:
    session = account.keeper.session
    return session.expires_at.timestamp() if session and session.expires_at else None


def _limits(seen: Sequence[Account]) -> Iterator[Metric]:
    yield histogram(
        "ordod_rate_wait_seconds",
        "Waits for a slot in the broker's limits, of requests that had to wait.",
        ("account", "request"),
        (
            ((one.name, request), one.slot_waits[writes])
            for one in seen
            for writes, request in REQUESTS.items()
        ),
    )
    yield counter(
        "ordod_rate_refused",
        "Requests with no slot before their deadline.",
        ("account", "request"),
        (
            ((one.name, request), one.slots_refused[writes])
            for one in seen
            for writes, request in REQUESTS.items()
        ),
    )
    yield gauge(
        "ordod_breaker_open",
        "1: the broker could not be reached of late; new orders are told so at once.",
        ACCOUNT,
        (((one.name,), one.breaker.is_open) for one in seen),
    )
    yield counter(
        "ordod_breaker_openings",
        "How often the breaker opened.",
        ACCOUNT,
        (((one.name,), one.breaker.openings) for one in seen),
    )


def _prices(parts: Parts, seen: Sequence[Account]) -> Iterator[Metric]:
    """Of accounts whose broker pushes prices."""
    now = parts.clock.now()
    feeds = {(one.name,): parts.hub.status(one.name) for one in seen if parts.hub.can(one.name)}
    told = feeds.items()
    yield gauge(
        "ordod_feed_connections",
        "Price connections open now.",
        ACCOUNT,
        ((name, feed.open) for name, feed in told),
    )
    yield counter(
        "ordod_feed_connects",
        "Price connections opened, those anew included.",
        ACCOUNT,
        ((name, feed.opened) for name, feed in told),
    )
    yield counter(
        "ordod_feed_silences",
        "Price connections left because nothing came.",
        ACCOUNT,
        ((name, feed.silences) for name, feed in told),
    )
    yield gauge(
        "ordod_feed_instruments",
        "Instruments wanted.",
        ACCOUNT,
        ((name, feed.instruments) for name, feed in told),
    )
    yield gauge(
        "ordod_feed_subscribed",
        "Of these, subscribed at the broker.",
        ACCOUNT,
        ((name, feed.subscribed) for name, feed in told),
    )
    yield counter(
        "ordod_feed_unreadable",
        "Frames, or parts of them, that could not be read.",
        ACCOUNT,
        ((name, feed.unreadable) for name, feed in told),
    )
    yield gauge(
        "ordod_feed_age_seconds",
        "Since the last price came.",
        ACCOUNT,
        (
            (name, max(0.0, (now - feed.last_at).total_seconds()) if feed.last_at else None)
            for name, feed in told
        ),
    )


def _updates(parts: Parts, seen: Sequence[Account]) -> Iterator[Metric]:
    """Of accounts whose broker pushes what becomes of orders."""
    channels = {
        one.name: channel
        for one in seen
        if one.name in parts.readers and (channel := parts.hub.updates_status(one.name)) is not None
    }
    heard = {name: parts.readers[name].hearing for name in channels}
    yield gauge(
        "ordod_order_updates_open",
        "1: the stream of order updates is open.",
        ACCOUNT,
        (((name,), channel.is_open) for name, channel in channels.items()),
    )
    yield counter(
        "ordod_order_updates_connects",
        "Streams of order updates opened, those anew included.",
        ACCOUNT,
        (((name,), channel.opened) for name, channel in channels.items()),
    )
    yield counter(
        "ordod_order_updates_silences",
        "Streams of order updates left because nothing came.",
        ACCOUNT,
        (((name,), channel.silences) for name, channel in channels.items()),
    )
    yield counter(
        "ordod_order_updates",
        "Order updates heard.",
        ACCOUNT,
        (((name,), hearing.heard_count) for name, hearing in heard.items()),
    )
    yield gauge(
        "ordod_order_update_lag_seconds",
        "How late order updates are told, medians of the last 100: broker, from the time in the broker's row, often whole seconds; taken, from hearing it until clients were told.",
        ("account", "part"),
        (
            ((name, part), None if late_ms is None else late_ms / 1000)
            for name, hearing in heard.items()
            for lag in (hearing.lag,)
            for part, late_ms in (("broker", lag.broker_ms), ("taken", lag.taken_ms))
        ),
    )
