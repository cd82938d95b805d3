"""Accounts that come and go while the daemon runs. Those of the start come the same way.

An account comes in three steps: `make` (nothing of it runs or can be asked for), `exchange` (it is known; nothing awaits there, so
that no call sees half of it), `begin` (its open ends are taken up, it logs in, reads its book). It goes when nothing of ours is open
there: its orders live on at the broker, and somebody has to watch them. Until then it takes nothing new, and all else goes on.

Keys, tags and doubts are the broker user's, not the account's: an account that comes back, or comes under another name, finds
them again.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import TypeVar

import anyio
import structlog

from ordod.adapter import Adapter, Credentials, Secret
from ordod.config import AccountSettings
from ordod.core.account import Account, AccountRules, Going
from ordod.core.guard.kill import KillSwitch
from ordod.core.guard.windows import Windows, order_group
from ordod.core.hub import Hub, PriceReader
from ordod.core.leading import LedLine
from ordod.core.masters import MasterKeeper
from ordod.core.mornings import Mornings
from ordod.core.orders.desk import Desk
from ordod.core.orders.hearing import Hearing
from ordod.core.orders.keyed import KeyedChanges
from ordod.core.orders.ledger import Ledger
from ordod.core.orders.looking import Reader
from ordod.core.orders.records import AccountNote
from ordod.core.orders.settling import Settler
from ordod.core.ports import Line, LineSettings, Ports
from ordod.core.sessions import SessionKeeper
from ordod.core.skew import MeasuringLine, Skew
from ordod.core.tasks import Tasks, Together
from ordod.usable import hosts_of

__all__ = ["Member", "Roster"]

WARM_S = 20.0  # connections are dropped by most balancers after a minute of quiet
FULL_S = 1.0  # after a start the second's window counts as full
QUIET_S = 8.0  # a call to a broker has 7 s

log = structlog.get_logger("accounts")

T = TypeVar("T")


class Member:
    """One account with all that runs for it. `settings`: what it logs in with from the next login on."""

    def __init__(
        self,
        settings: AccountSettings,
        adapter: Adapter,
        ports: Ports,
        ledger: Ledger,
        mornings: Mornings,
        tasks: Together,
        *,
        credentials_of: Callable[[AccountSettings], Credentials],
        welcome: Callable[["Member", str], str],
        learned: Callable[[Secret], None],
    ) -> None:
        self.settings = settings
        self.tasks = tasks
        self._ports = ports
        self.goes_to = _line_settings(settings, adapter)
        spec, clock, book = adapter.spec, ports.clock, ledger.book
        skew = Skew(clock)
        self._led = LedLine(self._line(adapter))
        line = MeasuringLine(self._led, skew, clock)
        keeper = SessionKeeper(
            settings.name,
            adapter=adapter,
            line=line,
            ledger=ledger,
            clock=clock,
            credentials=lambda: credentials_of(self.settings),
            skew=skew,
            mornings=mornings,
            vault=ports.vault,
            user_id=settings.user_id,
            welcome=partial(welcome, self),
            learned=learned,
        )
        known_user = book.users.get(settings.name)
        if known_user and not settings.user_id:
            keeper.user = known_user
        for name, note, at in book.account_notes:
            # A code that was used under another name of this user is used.
            is_used_code = note.event == "totp" and bool(keeper.user) and note.user == keeper.user
            if name == settings.name or is_used_code:
                keeper.remember(note, at)
        windows = Windows(spec.windows, full_until=clock.boot() + FULL_S)
        now, boot = clock.now(), clock.boot()
        since = now - timedelta(days=1)
        for at, operation in book.sends_of(settings.name, since, now, keeper.user):
            # After the wall clock was set back a send may lie in the future: it counts as of now, and blocks nobody for an hour.
            windows.remember(order_group(operation), boot - max(0.0, (now - at).total_seconds()))
        self.account = Account(
            _rules(settings),
            adapter=adapter,
            line=line,
            windows=windows,
            keeper=keeper,
            master=ports.tables.master(spec.id),
            clock=clock,
        )

    @property
    def name(self) -> str:
        return self.settings.name

    def _line(self, adapter: Adapter) -> Line:
        return self._ports.brokers.line(adapter.spec, self.goes_to)

    def obey(self, settings: AccountSettings) -> None:
        """From now on these rules, and with the next login these secrets. Awaits nothing."""
        before, self.settings = self.settings, settings
        self.account.rules = _rules(settings)
        if _logs_in_with(before) != _logs_in_with(settings):
            self.account.keeper.try_again()

    async def lead(self, hub: Hub) -> None:
        """Its connections leave from `source_address` from now on; what is under way ends where it began."""
        where = _line_settings(self.settings, self.account.adapter)
        if where != self.goes_to:
            self.goes_to = where
            await self._led.lead(self._line(self.account.adapter))
            hub.lead(self.name, where)

    async def warm(self) -> None:
        """No order should pay a handshake. Until cancelled."""
        while True:
            if self.account.keeper.session is not None:
                await self.account.line.warm()
            await anyio.sleep(WARM_S)


class Roster:
    """Owns the accounts of a daemon: `accounts` and `readers` are filled here and read everywhere.

    Args:
        appeared, heard: called after a reading, and after something pushed, was taken in.
        adopted: called with orders of a book that carry our tag while the journal lacks them.
    """

    def __init__(
        self,
        ports: Ports,
        *,
        accounts: dict[str, Account],
        readers: dict[str, Reader],
        masters: dict[str, MasterKeeper],
        ledger: Ledger,
        mornings: Mornings,
        desk: Desk,
        keyed: KeyedChanges,
        kill: KillSwitch,
        hub: Hub,
        tasks: Tasks,
        new_id: Callable[[str], str],
        credentials_of: Callable[[AccountSettings], Credentials],
        learned: Callable[[Secret], None],
        appeared: Callable[[str], Awaitable[None]],
        heard: Callable[[str], Awaitable[None]],
        adopted: Callable[[str, list[str]], None],
    ) -> None:
        self._ports = ports
        self._accounts = accounts
        self._readers = readers
        self._masters = masters
        self._ledger = ledger
        self._book = ledger.book
        self._mornings = mornings
        self._desk = desk
        self._keyed = keyed
        self._kill = kill
        self._hub = hub
        self.tasks = tasks
        self._new_id = new_id
        self._credentials_of = credentials_of
        self._learned = learned
        self._appeared = appeared
        self._heard = heard
        self._adopted = adopted
        self._members: dict[str, Member] = {}
        self._owners: dict[tuple[str, str], Member] = {}  # broker and user -> whose it is
        self._fetching: dict[str, Together] = {}  # broker -> its master's task

    # Coming

    def make(self, settings: AccountSettings, adapter: Adapter) -> Member:
        """An account that nobody knows yet. Its sends of the last day count."""
        return Member(
            settings,
            adapter,
            self._ports,
            self._ledger,
            self._mornings,
            self.tasks.together(),
            credentials_of=self._credentials_of,
            welcome=self._welcome,
            learned=self._learned,
        )

    def exchange(
        self, going: Collection[str], coming: Iterable[Member], order: Collection[str]
    ) -> tuple[list[Member], list[tuple[PriceReader, str]]]:
        """Some go and some come, at once: nothing awaits here.

        Args:
            order: all names there are afterwards, as the file has them.
        Returns:
            Those that went, to be closed; and who read whose prices, to be told of it when all is done.
        """
        gone = [self._members.pop(name) for name in going]
        reading: list[tuple[PriceReader, str]] = []
        for member in gone:
            del self._accounts[member.name], self._readers[member.name]
            reading += [(reader, member.name) for reader in self._hub.remove(member.name)]
            self._kill.left(member.name)
            self._owners = {u: owner for u, owner in self._owners.items() if owner is not member}
        for member in coming:
            self._admit(member)
        _sort(self._accounts, order)
        _sort(self._readers, order)
        self._keep_masters()
        return gone, reading

    def _admit(self, member: Member) -> None:
        account, clock = member.account, self._ports.clock
        settler = Settler(
            account, clock=clock, ledger=self._ledger, new_id=self._new_id, adopted=self._adopted
        )
        hearing = Hearing(account, clock=clock, settler=settler, appeared=self._heard)
        self._members[member.name] = member
        self._accounts[member.name] = account
        self._readers[member.name] = Reader(
            account,
            clock=clock,
            book=self._book,
            settler=settler,
            hearing=hearing,
            appeared=self._appeared,
        )

    def _keep_masters(self) -> None:
        """One task for each broker there is."""
        wanted = {account.spec.id for account in self._accounts.values()}
        for broker in wanted - self._masters.keys():
            self._masters[broker] = MasterKeeper(
                broker, self._accounts.values, clock=self._ports.clock, tables=self._ports.tables
            )
        for broker in self._masters.keys() - wanted:
            del self._masters[broker]

    def begin(self, name: str) -> None:
        """Take up what is open at this account, log in, read its book."""
        member, reader = self._members[name], self._readers[name]
        for order in self._book.doubts(name):
            reader.count_from_now(order.id)
        for change in self._book.open_changes(name):
            reader.count_from_now(change.id)
            self._keyed.count_from_now(change.id)
        tasks = member.tasks
        tasks.keep_running(f"session {name}", member.account.keeper.run)
        tasks.keep_running(f"reader {name}", reader.run)
        tasks.keep_running(f"hearing {name}", reader.hearing.run)
        tasks.keep_running(f"warm {name}", member.warm)
        self._hub.add(member.account, member.goes_to, reader.hearing, tasks)
        broker = member.account.spec.id
        if broker not in self._fetching:
            self._fetching[broker] = self.tasks.together()
            self._fetching[broker].keep_running(f"master {broker}", self._masters[broker].run)
        self._kill.joined(name)

    def _welcome(self, member: Member, user: str) -> str:
        """Why a login of this user may not serve this account; "" where it may."""
        owner = self._owners.setdefault((member.settings.broker, user), member)
        if owner is not member:
            return f"user {user} is account {owner.name} already; two sessions of one user end each other"
        for claimed in self._book.claim(user, member.name):
            self._readers[member.name].count_from_now(claimed)
            self._keyed.count_from_now(claimed)
        return ""

    # Going

    def hold(self, names: Mapping[str, Going]) -> None:
        """These take nothing new from now on."""
        for name, going in names.items():
            self._accounts[name].goes = going

    def let_go_on(self, names: Iterable[str]) -> None:
        """These stay after all."""
        for name in names:
            self._accounts[name].goes = None

    async def quiet(self, names: Collection[str], within_s: float = QUIET_S) -> None:
        """Wait until no call of these is under way, so long at most: an answer on its way is worth it."""
        async with anyio.create_task_group() as group:
            for name in names:
                if user := self._accounts[name].user:
                    group.start_soon(self._desk.quiet, user, within_s)

    def holds(self, name: str, *, has_heir: bool = False) -> str:
        """What is open at this account, so that it cannot go, in words; "": nothing is.

        Args:
            has_heir: the same user goes on under another name, and takes over all but calls under way.
        """
        account, found = self._accounts[name], []
        calls = sum(user == account.user for user, _ in self._desk.under_way)
        if has_heir:
            return _counted(calls, "call under way", "calls under way") if calls else ""
        ours = [o for o in self._book.open_orders(name) if o.key is not None or o.tag is not None]
        doubts = sum(order.is_open_doubt for order in ours)
        changes = len(self._book.open_changes(name))
        for count, one, more in (
            (calls, "call under way", "calls under way"),
            (doubts, "order in doubt", "orders in doubt"),
            (len(ours) - doubts, "open order", "open orders"),
            (changes, "change under way", "changes under way"),
        ):
            if count:
                found.append(_counted(count, one, more))
        if self._kill.is_sweeping(name):
            found.append("the kill switch's sweep")
        return ", ".join(found)

    async def close(self, gone: Iterable[Member], heirs: Mapping[str, str]) -> None:
        """End what ran for them: tasks, session, connections.

        Args:
            heirs: name -> the name under which the same user goes on.
        """
        async with anyio.create_task_group() as group:
            for member in gone:
                group.start_soon(self._close, member, heirs.get(member.name))
        brokers = {account.spec.id for account in self._accounts.values()}
        for broker in self._fetching.keys() - brokers:
            await self._fetching.pop(broker).end()

    async def _close(self, member: Member, heir: str | None) -> None:
        await member.tasks.end()
        await member.account.keeper.close(heir)
        await member.account.line.aclose()

    def tell(self, name: str, event: str) -> None:
        """In the journal, and to whoever subscribed to accounts: it was added, or removed."""
        if event == "removed":
            self._desk.latencies.forget(name)
            self._ledger.trail.forget(name)
        self._ledger.write(
            AccountNote(account=name, event=event, message="by a reload of the configuration")
        )
        log.info("account_moved", account=name, what=event)

    # Staying

    async def obey(self, settings: Iterable[AccountSettings]) -> None:
        """These stay, and go on as they are configured now. What can be told at once is, before anything awaits."""
        members = []
        for each in settings:
            member = self._members[each.name]
            member.obey(each)
            members.append(member)
        for member in members:
            await member.lead(self._hub)


def _sort(known: dict[str, T], order: Iterable[str]) -> None:
    in_order = {name: known[name] for name in order}
    known.clear()
    known.update(in_order)


def _counted(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


def _rules(settings: AccountSettings) -> AccountRules:
    return AccountRules(
        name=settings.name,
        doubt_horizon_s=settings.doubt_horizon_s,
        market_protection=settings.market_protection,
        user_id=settings.user_id,
        is_real=settings.is_real,
        risk=settings.risk,
    )


def _logs_in_with(settings: AccountSettings) -> tuple[object, ...]:
    return settings.login, settings.secrets, settings.options


def _line_settings(settings: AccountSettings, adapter: Adapter) -> LineSettings:
    return LineSettings(
        account=settings.name,
        urls=hosts_of(settings, adapter.spec),
        source_address=settings.source_address,
    )
