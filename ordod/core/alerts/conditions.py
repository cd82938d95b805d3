"""What is wrong now: the one place that looks at every part for what a person should be told.

Each function looks at one part and says, in plain English, what it is and what to do. Nothing is remembered here.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import Struct

from ordod.core.account import Account
from ordod.core.alerts.tracking import Condition
from ordod.core.mornings import Mornings
from ordod.core.orders.states import OrderState
from ordod.core.parts import Parts
from ordod.core.sessions import SessionState
from ordod.domain.alerts import AlertKind, Severity

__all__ = ["Limits", "conditions", "damaged"]

HANGS_S = 20.0  # a sync that takes longer: a slow disk takes a second, a sick one several
PATIENCE_S = 60.0  # a session that is being renewed, a person who is typing the code, a stream that comes back
UNREADY_S = 300.0  # a session without instruments or books: large files take a minute
CONTRADICTION_AGE = timedelta(hours=1)  # older ones were told
NAMED_MAX = 3  # keys in one message
MIB = 1024 * 1024


class Limits(Struct, frozen=True, kw_only=True):
    """From which size on something is told."""

    doubt_older_than_s: float = 60.0
    disk_free_below_mb: int = 500
    clock_skew_above_s: float = 5.0


def conditions(parts: Parts, limits: Limits, free_bytes: int | None) -> Iterator[Condition]:
    """Everything that holds now. `free_bytes`: of the disk; None: not known yet."""
    now = parts.clock.now()
    yield from _kills(parts, now)
    yield from _disk(parts, limits, free_bytes)
    yield from _doubts(parts, limits, now)
    mornings = Mornings(parts.calendar.calendar)
    for account in parts.accounts.values():
        yield from _session(account, mornings, now)
        yield from _contradictions(parts, account.name, now)
        yield from _reach(account, limits)
        if account.keeper.state is SessionState.ACTIVE and mornings.is_wanted(now):
            yield from _streams(parts, account.name)


def damaged(message: str) -> Condition:
    """The daemon does not start."""
    return Condition(
        kind=AlertKind.START,
        severity=Severity.CRITICAL,
        message=f"ordod cannot start: {message}. Until it runs again nobody watches its orders",
        ended="ordod has started again",
    )


def _kills(parts: Parts, now: datetime) -> Iterator[Condition]:
    for scope in parts.kill.status().scopes:
        account, strategy = scope["account"], scope["strategy"]
        of = [f"account {account}"] if account else []
        of += [f"strategy {strategy}"] if strategy else []
        what = " and ".join(of) or "everything"
        yield Condition(
            kind=AlertKind.KILL,
            severity=Severity.CRITICAL,
            account=account,
            subject=f"strategy={strategy}" if strategy else "",
            since=datetime.fromisoformat(scope["at"]) if scope["at"] else None,
            message=(
                f"KILLED: {what}, by {scope['caller']} ({scope['reason'] or 'no reason given'}). No new order of it leaves. "
                "Look at the broker and at `ordoctl status`; when the reason is gone: ordoctl release --reason WHY"
            ),
            ended=f"released: {what} may trade again",
        )
    if parts.gate.is_closed and not parts.kill.status().scopes:
        yield Condition(
            kind=AlertKind.KILL,
            severity=Severity.CRITICAL,
            since=now,
            message=(
                "KILLED: everything, from outside of the daemon. No new order leaves; when the reason is gone: "
                "ordoctl release --reason WHY"
            ),
            ended="released: everything may trade again",
        )


def _disk(parts: Parts, limits: Limits, free_bytes: int | None) -> Iterator[Condition]:
    journal = parts.journal
    since = journal.syncing_since
    hangs_s = 0.0 if since is None else parts.clock.boot() - since
    if journal.failed or hangs_s >= HANGS_S:
        why = (
            f"failed ({journal.failure})"
            if journal.failed
            else f"has not answered for {hangs_s:.0f} s"
        )
        yield Condition(
            kind=AlertKind.JOURNAL,
            severity=Severity.CRITICAL,
            message=(
                f"the journal's disk {why}: no new order is sent, cancels and the kill switch go on. Mend the disk, then "
                "restart ordod; until then watch your positions at the broker"
            ),
            ended="the journal's disk answers again",
        )
    is_low = free_bytes is not None and free_bytes < limits.disk_free_below_mb * MIB
    if is_low or journal.full:
        left = "" if free_bytes is None else f": {free_bytes // MIB} MiB are left"
        yield Condition(
            kind=AlertKind.DISK,
            severity=Severity.CRITICAL if journal.full else Severity.WARNING,
            message=(
                f"the disk of the state directory is {'full' if journal.full else 'nearly full'}{left}. Make room: on a full "
                "disk no order is placed"
            ),
            ended="the disk of the state directory has room again",
        )


def _doubts(parts: Parts, limits: Limits, now: datetime) -> Iterator[Condition]:
    """By account: a lost connection makes a doubt of every order under way, and one alert."""
    old: dict[str, list[OrderState]] = {}
    for order in parts.book.doubts():
        if (now - (order.sent_at or order.placed_at)).total_seconds() >= limits.doubt_older_than_s:
            old.setdefault(order.account, []).append(order)
    for account, orders in old.items():
        sent_at = min(order.sent_at or order.placed_at for order in orders)
        names = [f"{order.key or order.id} ({_what(order)})" for order in orders]
        yield Condition(
            kind=AlertKind.DOUBT,
            severity=Severity.CRITICAL,
            account=account,
            since=sent_at,
            message=(
                f"{_count(len(orders), 'order')} in doubt at {account} for more than {limits.doubt_older_than_s:.0f} s: "
                f"{_few(names)}. Sent, and the answer was lost; ordod goes on looking and sends nothing again. "
                "Look at the broker's order book"
            ),
            ended=f"no order at {account} has been in doubt for so long any more",
        )
    yield from _for_a_person(parts)


def _for_a_person(parts: Parts) -> Iterator[Condition]:
    for name, reader in parts.readers.items():
        waits = [
            o for o in parts.book.doubts(name) if "order.resolve" in reader.why_open.get(o.id, "")
        ]
        keys = [f"{order.key} ({_what(order)}, tag {order.tag})" for order in waits]
        keys += [
            f"{change.key} ({change.operation} of {change.intent.symbol_written})"
            for change in parts.book.open_changes(name)
            if change.id in parts.keyed.waits and change.intent is not None
        ]
        if not keys:
            continue
        yield Condition(
            kind=AlertKind.RESOLVE,
            severity=Severity.CRITICAL,
            account=name,
            message=(
                f"only a person can end what is in doubt at {name}: {_few(keys)}. Look at the broker "
                f"and tell: ordoctl resolve --account {name} KEY placed|not_placed --reason WHY"
            ),
            ended=f"nothing at {name} waits for a person any more",
        )


def _session(account: Account, mornings: Mornings, now: datetime) -> Iterator[Condition]:
    """A session that died is told where it is wanted; a refusal at any hour: it has to be mended before the morning."""
    keeper, name = account.keeper, account.name
    is_denied = keeper.state is SessionState.DENIED
    is_wanted = mornings.is_wanted(now)
    if is_denied or (keeper.needs_person and is_wanted):
        why, after_s = keeper.advice, 0.0 if is_denied else PATIENCE_S
    elif is_wanted and keeper.state is SessionState.ACTIVE and account.master.loaded_on is None:
        why, after_s = f"{name} cannot trade: its instruments are not loaded", UNREADY_S
    elif is_wanted and keeper.state is SessionState.ACTIVE and not account.is_read:
        why, after_s = f"{name} cannot trade: its order book was not read yet", UNREADY_S
    else:
        return
    yield Condition(
        kind=AlertKind.SESSION,
        severity=Severity.CRITICAL,
        account=name,
        after_s=after_s,
        message=f"no order of {name} can be placed or cancelled. {why}",
        ended=f"{name} has a session again, or needs none now",
    )


def _contradictions(parts: Parts, account: str, now: datetime) -> Iterator[Condition]:
    for one in parts.readers[account].contradictions:
        if now - one.at < CONTRADICTION_AGE:
            yield Condition(
                kind=AlertKind.CONTRADICTION,
                severity=Severity.CRITICAL,
                account=account,
                subject=one.order,
                since=one.at,
                is_event=True,
                message=(
                    f"order {one.key or one.order} ({one.what}) at {account} was told as {one.was}, and the broker shows it as "
                    f"{one.shown}. A bot may have acted on the old word: look at the position, and at `ordoctl order {one.order}`"
                ),
            )


def _reach(account: Account, limits: Limits) -> Iterator[Condition]:
    name, broker = account.name, account.spec.name
    if account.breaker.is_open:
        yield Condition(
            kind=AlertKind.BREAKER,
            severity=Severity.WARNING,
            account=name,
            message=(
                f"{broker} could not be reached for {name}: new orders are refused (BROKER_UNAVAILABLE), cancels are tried. "
                "Look at this machine's network and the broker's status page; ordod goes on trying"
            ),
            ended=f"{broker} answers {name} again",
        )
    off = account.keeper.skew.seconds
    if off is not None and abs(off) > limits.clock_skew_above_s:
        yield Condition(
            kind=AlertKind.CLOCK,
            severity=Severity.WARNING,
            account=name,
            message=(
                f"this machine's clock is {abs(off):.0f} s {'behind' if off > 0 else 'ahead of'} {broker}'s: codes of a "
                "wrong clock are refused, and refused codes lock accounts. Let NTP keep it: timedatectl set-ntp true"
            ),
            ended=f"this machine's clock and {broker}'s agree again, or are not compared now",
        )


def _streams(parts: Parts, account: str) -> Iterator[Condition]:
    silent = []
    if parts.hub.can(account):
        feed = parts.hub.status(account)
        if feed.instruments and not feed.subscribed:
            silent.append(f"prices ({feed.message or 'not subscribed yet'})")
    updates = parts.hub.updates_status(account)
    if updates is not None and not updates.is_open and updates.message:
        silent.append(f"order updates ({updates.message})")
    if silent:
        yield Condition(
            kind=AlertKind.STREAM,
            severity=Severity.WARNING,
            account=account,
            after_s=PATIENCE_S,
            message=(
                f"the broker pushes no {' and no '.join(silent)} to {account}. ordod goes on connecting, and asks for orders "
                "meanwhile; who trades on its prices has none"
            ),
            ended=f"the broker pushes to {account} again",
        )


def _few(names: list[str]) -> str:
    more = f" and {len(names) - NAMED_MAX} more" if len(names) > NAMED_MAX else ""
    return ", ".join(names[:NAMED_MAX]) + more


def _what(order: OrderState) -> str:
    return f"{order.terms.side} {order.terms.quantity} {order.terms.symbol}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s are' if number > 1 else ' is'}"
