"""A daemon from ports: the one place that makes every part, wires it and supervises it.

    async with running(ports, settings, adapters, ...) as parts:
        ...  # parts is ready; `service.table(parts)` is what clients may call

The order of the start is the order of what may be believed: the journal is proved and replayed, the gate is closed where
anything says killed, open ends are written down as doubts, and only then do sessions log in and readers look. Orders wait
for the first complete reading of their account.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import anyio
import structlog

from ordod import __version__
from ordod.adapter import Adapter, Credentials, Secret
from ordod.config import AccountSettings, AlertSettings, Settings
from ordod.core.account import Account
from ordod.core.alerts.alerting import Alerting
from ordod.core.alerts.conditions import Limits, conditions
from ordod.core.alerts.outlet import Outlet
from ordod.core.events import Event, Events, Topic
from ordod.core.guard.gate import Gate
from ordod.core.guard.kill import KillSwitch
from ordod.core.hub import Hub
from ordod.core.masters import MasterKeeper
from ordod.core.mornings import Mornings
from ordod.core.orders.book import Book
from ordod.core.orders.changes import Changes
from ordod.core.orders.desk import Desk, NewId
from ordod.core.orders.format import Codec
from ordod.core.orders.journal import Journal, JournalFailed
from ordod.core.orders.keeping import Keeper
from ordod.core.orders.keyed import KeyedChanges
from ordod.core.orders.ledger import Ledger
from ordod.core.orders.looking import Reader
from ordod.core.orders.opening import Mark, open_journal
from ordod.core.orders.records import Doubt, Record
from ordod.core.orders.sending import Sender
from ordod.core.parts import Parts
from ordod.core.ports import Clock, DiskError, Ports
from ordod.core.prices import Prices
from ordod.core.replaying import Replay, past_days
from ordod.core.tasks import Tasks
from ordod.domain.calendar import WEEKDAYS, LoadedCalendar
from ordod.roster import Roster

__all__ = ["Running", "alert_by", "running"]

NO_HOLIDAYS = LoadedCalendar(WEEKDAYS)
DRAIN_S = 8.0  # a call to a broker has 7 s
SNAPSHOT_RECORDS = (
    100_000  # replayed in about half a second; past it a start makes a snapshot first
)
HOUSEKEEPING_S = 60.0

log = structlog.get_logger("app")


class Running(Parts, kw_only=True):
    """All parts, and where their accounts come from."""

    roster: Roster


@asynccontextmanager
async def running(
    ports: Ports,
    settings: Settings,
    adapters: Mapping[str, Adapter],
    *,
    credentials_of: Callable[[AccountSettings], Credentials],
    learned: Callable[[Secret], None] = lambda secret: None,
    calendar: LoadedCalendar = NO_HOLIDAYS,
    journal_key: bytes | None = None,
    mark: Mark | None = None,
    sealed: Callable[[Mark], None] = lambda mark: None,
    outlets: Iterable[Outlet] = (),
    host: str = "",
    hide: Callable[[str], str] = lambda text: text,
) -> AsyncIterator[Running]:
    """A running daemon; on leaving it drains, writes `close` and ends its tasks.

    Args:
        adapters: broker id -> adapter, for the brokers in the settings.
        credentials_of: reads an account's secrets, at each login.
        learned: is told each secret a login yields.
        calendar: when the exchanges trade.
        mark: the journal's head as `sealed` kept it last, outside the state directory; where the journal lacks it, the
            daemon starts KILLED.
        outlets: who is alerted. `host`: what they are told of where this is; `hide`: takes secrets out of what they are told.
    Raises:
        Damage, TooNew, DiskError: the journal cannot be opened; nothing was changed.
    """
    gate = Gate(ports.disk.gate())
    book = Book()
    events = Events(book)
    replay = Replay(book, events)
    journal = await open_journal(
        ports.disk,
        ports.clock,
        ports.random,
        key=journal_key,
        version=__version__,
        mark=mark,
        apply=replay.take,
        load=book.load,
    )
    replay.finish(journal.head[0])
    book.archive(past_days(ports.clock.now()))  # a daemon that runs by day only never sees one turn

    def on_seal(seq: int, digest: str) -> None:
        log.info("sealed", seq=seq, hash=digest)
        sealed(Mark(journal.installation, seq, digest))

    def on_failure(why: str) -> None:
        log.error("journal_failed", why=why)

    journal.on_seal = on_seal
    journal.on_failure = on_failure
    async with anyio.create_task_group() as writer:
        writer.start_soon(journal.run)
        if replay.count > SNAPSHOT_RECORDS:
            await _snapshot(journal, book, ports.clock)
        async with anyio.create_task_group() as group:
            parts = await _wire(
                ports,
                settings,
                adapters,
                group,
                gate,
                journal,
                book,
                events,
                credentials_of,
                learned,
                calendar,
                Alerting(clock=ports.clock, disk=ports.disk, host=host, hide=hide),
            )
            alert_by(parts, settings.alerts, outlets)
            keeper = Keeper(ports.disk, ports.clock, Codec(journal_key), journal)
            parts.tasks.keep_running("keeping of the journal", keeper.run)
            try:
                yield parts
            finally:
                with anyio.CancelScope(shield=True):
                    await _drain(parts)
                group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await _close(parts)
        writer.cancel_scope.cancel()


async def _wire(
    ports: Ports,
    settings: Settings,
    adapters: Mapping[str, Adapter],
    group: Any,
    gate: Gate,
    journal: Journal,
    book: Book,
    events: Events,
    credentials_of: Callable[[AccountSettings], Credentials],
    learned: Callable[[Secret], None],
    calendar: LoadedCalendar,
    alerts: Alerting,
) -> Running:
    clock, tasks = ports.clock, Tasks(group)
    ledger = Ledger(journal, book, events)
    prices = Prices(clock)
    mornings = Mornings(calendar.calendar)
    sender = Sender(clock, gate)
    new_id = NewId(clock, ports.random)
    accounts: dict[str, Account] = {}
    readers: dict[str, Reader] = {}
    masters: dict[str, MasterKeeper] = {}

    def looked_for(account: str, item_id: str) -> None:
        if reader := readers.get(account):  # None: it went with its last order's end
            reader.count_from_now(item_id)
            reader.look()

    def looks(account: str) -> None:
        if reader := readers.get(account):
            reader.look()

    desk = Desk(
        clock=clock,
        new_id=new_id,
        ledger=ledger,
        gate=gate,
        sender=sender,
        accounts=accounts,
        tasks=tasks,
        limits=settings.risk.everywhere,
        strategy_limits=settings.risk.strategies,
        fresh_price=prices.fresh,
        calendar=calendar.calendar,
        looked_for=looked_for,
    )
    changes = Changes(
        clock=clock,
        new_id=new_id,
        ledger=ledger,
        gate=gate,
        sender=sender,
        desk=desk,
        readers=readers,
        tasks=tasks,
    )
    keyed = KeyedChanges(
        clock=clock,
        new_id=new_id,
        ledger=ledger,
        gate=gate,
        sender=sender,
        desk=desk,
        looked_for=looks,
    )
    kill = KillSwitch(
        clock=clock,
        disk=ports.disk,
        gate=gate,
        ledger=ledger,
        accounts=accounts,
        readers=readers,
        changes=changes,
        tasks=tasks,
    )

    async def appeared(account: str) -> None:
        await changes.send_waiting(account)
        if known := accounts.get(account):
            await keyed.settle(known)

    def adopted(account: str, orders: list[str]) -> None:
        why = (
            f"the book of {account} holds orders with our tag that the journal lacks ({', '.join(orders)}): "
            "the state directory may be an old copy"
        )
        tasks.start_soon(partial(kill.engage, caller="start", reason=why, cancel_open=False))

    hub = Hub(clock=clock, random=ports.random, feeds=ports.feeds, mornings=mornings, prices=prices)
    roster = Roster(
        ports,
        accounts=accounts,
        readers=readers,
        masters=masters,
        ledger=ledger,
        mornings=mornings,
        desk=desk,
        keyed=keyed,
        kill=kill,
        hub=hub,
        tasks=tasks,
        new_id=new_id,
        credentials_of=credentials_of,
        learned=learned,
        appeared=appeared,
        heard=changes.send_waiting,
        adopted=adopted,
    )
    members = [roster.make(each, adapters[each.broker]) for each in settings.accounts.values()]
    roster.exchange((), members, settings.accounts)
    stopping = anyio.Event()
    parts = Running(
        version=__version__,
        started_at=clock.now(),
        clock=clock,
        disk=ports.disk,
        journal=journal,
        ledger=ledger,
        book=book,
        events=events,
        gate=gate,
        accounts=accounts,
        readers=readers,
        masters=masters,
        desk=desk,
        changes=changes,
        keyed=keyed,
        kill=kill,
        prices=prices,
        calendar=calendar,
        hub=hub,
        alerts=alerts,
        tasks=tasks,
        shown_settings=settings.public(),
        shut_down=stopping.set,
        stopping=stopping,
        roster=roster,
    )
    await _begin(parts, ports, tasks)
    return parts


def alert_by(parts: Parts, settings: AlertSettings, outlets: Iterable[Outlet]) -> None:
    """From now on these are told, of what these settings say; also at a reload."""
    limits = Limits(
        doubt_older_than_s=settings.doubt_older_than_s,
        disk_free_below_mb=settings.disk_free_below_mb,
        clock_skew_above_s=settings.clock_skew_above_s,
    )
    parts.alerts.use(
        outlets,
        remind_s=settings.remind_minutes * 60.0,
        per_hour=settings.per_hour,
        look=partial(conditions, parts, limits),
    )


async def _begin(parts: Running, ports: Ports, tasks: Tasks) -> None:
    """From the replayed state to one that may go on."""
    parts.kill.restore()
    now = parts.clock.now()
    if parts.journal.reasons_behind:
        why = "the state may be behind: " + "; ".join(parts.journal.reasons_behind)
        await parts.kill.engage(caller="start", reason=why[:500], cancel_open=False)
    records: list[Record] = [
        Doubt(
            id=item.id,
            why="the daemon ended before the outcome was known",
            sent_at=item.sent_at or now,
            died_at=now,
        )
        for item in parts.book.without_outcome()
    ]
    if records:
        await parts.ledger.record(*records)
    parts.changes.resume()
    for name in list(parts.accounts):
        parts.roster.begin(name)
    tasks.keep_running("kill watch", parts.kill.watch)
    tasks.keep_running("alerts", parts.alerts.run)
    parts.events.listen(partial(_wake_at_kill, parts.alerts))
    tasks.keep_running("housekeeping", partial(_keep_house, parts))
    ports.signals.on_kill(
        lambda: tasks.start_soon(partial(parts.kill.engage, caller="SIGUSR1", reason="signal"))
    )
    ports.signals.on_stop(parts.shut_down)
    await parts.kill.resume()


def _wake_at_kill(alerts: Alerting, event: Event) -> None:
    """A switch that is thrown and released between two looks is told too."""
    if event.topic is Topic.KILL:
        alerts.wake()


async def _keep_house(parts: Parts) -> None:
    """Once a book day: fold old orders away and take a snapshot, at the hour when nothing trades."""
    turned_at = parts.clock.now().date()
    while True:
        await anyio.sleep(HOUSEKEEPING_S)
        now = parts.clock.now()
        if now.date() > turned_at and now.hour >= 6:
            turned_at = now.date()
            with suppress(JournalFailed, DiskError):
                await _snapshot(parts.journal, parts.book, parts.clock)


async def _snapshot(journal: Journal, book: Book, clock: Clock) -> None:
    """The book as it is, orders of past days archived."""
    book.archive(past_days(clock.now()))
    await journal.save_snapshot(book.dump())


async def _drain(parts: Parts) -> None:
    """No new orders; those under way get their answers, as far as they come in time."""
    with anyio.move_on_after(DRAIN_S):
        await parts.desk.drain()
    await parts.alerts.end()
    for account in list(parts.accounts.values()):
        await account.line.aclose()


async def _close(parts: Parts) -> None:
    try:
        await _snapshot(parts.journal, parts.book, parts.clock)
        await parts.journal.close()
    except (JournalFailed, DiskError) as error:
        log.warning("not_closed", why=str(error))
