"""A daemon from ports: the one place that makes every part, wires it and supervises it.

    async with running(ports, settings, adapters, ...) as parts:
        ...  # parts is ready; `service.table(parts)` is what clients may call

The order of the start is the order of what may be believed: the journal is proved and replayed, the gate is closed where
anything says killed, open ends are written down as doubts, and only then do sessions log in and readers look. Orders wait
for the first complete reading of their account.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any

import anyio
import structlog

from ordod import __version__
from ordod.adapter import Adapter, Credentials, Secret
from ordod.config import AccountSettings, Settings
from ordod.core.account import Account, AccountRules
from ordod.core.events import Events
from ordod.core.guard.gate import Gate
from ordod.core.guard.kill import KillSwitch
from ordod.core.guard.windows import Windows, order_group
from ordod.core.hub import Hub
from ordod.core.masters import MasterKeeper
from ordod.core.mornings import Mornings
from ordod.core.orders.book import Book
from ordod.core.orders.changes import Changes
from ordod.core.orders.desk import Desk, NewId
from ordod.core.orders.format import Codec
from ordod.core.orders.hearing import Hearing
from ordod.core.orders.journal import Journal, JournalFailed
from ordod.core.orders.keeping import Keeper
from ordod.core.orders.keyed import KeyedChanges
from ordod.core.orders.ledger import Ledger
from ordod.core.orders.looking import Reader
from ordod.core.orders.opening import Mark, open_journal
from ordod.core.orders.records import Doubt, Record
from ordod.core.orders.sending import Sender
from ordod.core.orders.settling import Settler
from ordod.core.parts import Parts
from ordod.core.ports import Clock, DiskError, LineSettings, Ports
from ordod.core.prices import Prices
from ordod.core.replaying import Replay, past_days
from ordod.core.sessions import SessionKeeper
from ordod.core.skew import MeasuringLine, Skew
from ordod.core.tasks import Tasks
from ordod.domain.calendar import WEEKDAYS, LoadedCalendar
from ordod.usable import hosts_of

__all__ = ["running"]

NO_HOLIDAYS = LoadedCalendar(WEEKDAYS)
DRAIN_S = 8.0  # a call to a broker has 7 s
SNAPSHOT_RECORDS = (
    100_000  # replayed in about half a second; past it a start makes a snapshot first
)
HOUSEKEEPING_S = 60.0
WARM_S = 20.0  # connections are dropped by most balancers after a minute of quiet
FULL_S = 1.0  # after a start the second's window counts as full

log = structlog.get_logger("app")


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
) -> AsyncIterator[Parts]:
    """A running daemon; on leaving it drains, writes `close` and ends its tasks.

    Args:
        adapters: broker id -> adapter, for the brokers in the settings.
        credentials_of: reads an account's secrets, at each login.
        learned: is told each secret a login yields.
        calendar: when the exchanges trade.
        mark: the journal's head as `sealed` kept it last, outside the state directory; where the journal lacks it, the
            daemon starts KILLED.
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

    journal.on_seal = on_seal
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
            )
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
) -> Parts:
    clock, tasks = ports.clock, Tasks(group)
    ledger = Ledger(journal, book, events)
    prices = Prices(clock)
    mornings = Mornings(calendar.calendar)
    sender = Sender(clock, gate)
    new_id = NewId(clock, ports.random)
    accounts: dict[str, Account] = {}
    lines = {
        name: _line_settings(each, adapters[each.broker])
        for name, each in settings.accounts.items()
    }
    readers: dict[str, Reader] = {}
    owners: dict[tuple[str, str], str] = {}  # broker and user -> account

    def welcome(account: AccountSettings, user: str) -> str:
        owner = owners.setdefault((account.broker, user), account.name)
        if owner != account.name:
            return (
                f"user {user} is account {owner} already; two sessions of one user end each other"
            )
        book.claim(user, account.name)
        return ""

    for name, each in settings.accounts.items():
        accounts[name] = _account(
            ports,
            each,
            adapters[each.broker],
            lines[name],
            ledger,
            partial(credentials_of, each),
            partial(welcome, each),
            learned,
            mornings,
        )

    def looked_for(account: str, item_id: str) -> None:
        readers[account].count_from_now(item_id)
        readers[account].look()

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
        looked_for=lambda account: readers[account].look(),
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
        await keyed.settle(accounts[account])

    def adopted(account: str, orders: list[str]) -> None:
        why = (
            f"the book of {account} holds orders with our tag that the journal lacks ({', '.join(orders)}): "
            "the state directory may be an old copy"
        )
        tasks.start_soon(partial(kill.engage, caller="start", reason=why, cancel_open=False))

    for name, account in accounts.items():
        settler = Settler(account, clock=clock, ledger=ledger, new_id=new_id, adopted=adopted)
        hearing = Hearing(account, clock=clock, settler=settler, appeared=changes.send_waiting)
        readers[name] = Reader(
            account, clock=clock, book=book, settler=settler, hearing=hearing, appeared=appeared
        )
    masters = {
        broker: MasterKeeper(
            broker,
            [account for account in accounts.values() if account.spec.id == broker],
            clock=clock,
            tables=ports.tables,
        )
        for broker in {account.spec.id for account in accounts.values()}
    }
    hub = Hub(
        clock=clock,
        random=ports.random,
        feeds=ports.feeds,
        accounts=accounts,
        settings=lines,
        listeners={name: reader.hearing for name, reader in readers.items()},
        mornings=mornings,
        prices=prices,
        tasks=tasks,
    )
    stopping = anyio.Event()
    parts = Parts(
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
        tasks=tasks,
        shown_settings=settings.public(),
        shut_down=stopping.set,
        stopping=stopping,
    )
    await _begin(parts, ports, tasks)
    return parts


def _line_settings(settings: AccountSettings, adapter: Adapter) -> LineSettings:
    urls = hosts_of(settings, adapter.spec)
    return LineSettings(account=settings.name, urls=urls, source_address=settings.source_address)


def _account(
    ports: Ports,
    settings: AccountSettings,
    adapter: Adapter,
    line_settings: LineSettings,
    ledger: Ledger,
    credentials: Callable[[], Credentials],
    welcome: Callable[[str], str],
    learned: Callable[[Secret], None],
    mornings: Mornings,
) -> Account:
    spec, clock = adapter.spec, ports.clock
    skew = Skew(clock)
    line = MeasuringLine(ports.brokers.line(spec, line_settings), skew, clock)
    keeper = SessionKeeper(
        settings.name,
        adapter=adapter,
        line=line,
        ledger=ledger,
        clock=clock,
        credentials=credentials,
        skew=skew,
        mornings=mornings,
        vault=ports.vault,
        user_id=settings.user_id,
        welcome=welcome,
        learned=learned,
    )
    known_user = ledger.book.users.get(settings.name)
    if known_user and not settings.user_id:
        keeper.user = known_user
    for name, note, at in ledger.book.account_notes:
        if name == settings.name:
            keeper.remember(note, at)
    windows = Windows(spec.windows, full_until=clock.boot() + FULL_S)
    now, boot = clock.now(), clock.boot()
    for at, operation in ledger.book.sends_of(settings.name, now - timedelta(days=1), now):
        # After the wall clock was set back a send may lie in the future: it counts as of now, and blocks nobody for an hour.
        windows.remember(order_group(operation), boot - max(0.0, (now - at).total_seconds()))
    return Account(
        AccountRules(
            name=settings.name,
            doubt_horizon_s=settings.doubt_horizon_s,
            market_protection=settings.market_protection,
            user_id=settings.user_id,
            is_real=settings.is_real,
            risk=settings.risk,
        ),
        adapter=adapter,
        line=line,
        windows=windows,
        keeper=keeper,
        master=ports.tables.master(spec.id),
        clock=clock,
    )


async def _begin(parts: Parts, ports: Ports, tasks: Tasks) -> None:
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
    for order in parts.book.doubts():
        if order.account in parts.readers:
            parts.readers[order.account].count_from_now(order.id)
    parts.changes.resume()
    for name, account in parts.accounts.items():
        for change in parts.book.open_changes(name):
            parts.readers[name].count_from_now(change.id)
            parts.keyed.count_from_now(change.id)
        tasks.keep_running(f"session {name}", account.keeper.run)
        tasks.keep_running(f"reader {name}", parts.readers[name].run)
        tasks.keep_running(f"hearing {name}", parts.readers[name].hearing.run)
        tasks.keep_running(f"warm {name}", partial(_keep_warm, account))
    for broker, master in parts.masters.items():
        tasks.keep_running(f"master {broker}", master.run)
    tasks.keep_running("kill watch", parts.kill.watch)
    tasks.keep_running("housekeeping", partial(_keep_house, parts))
    ports.signals.on_kill(
        lambda: tasks.start_soon(partial(parts.kill.engage, caller="SIGUSR1", reason="signal"))
    )
    ports.signals.on_stop(parts.shut_down)
    await parts.kill.resume()


async def _keep_warm(account: Account) -> None:
    """No order should pay a handshake."""
    while True:
        if account.keeper.session is not None:
            await account.line.warm()
        await anyio.sleep(WARM_S)


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
    for account in parts.accounts.values():
        await account.line.aclose()


async def _close(parts: Parts) -> None:
    try:
        await _snapshot(parts.journal, parts.book, parts.clock)
        await parts.journal.close()
    except (JournalFailed, DiskError) as error:
        log.warning("not_closed", why=str(error))
