"""`system.*`: is it well, and what should a person do next."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import orjson
from msgspec import Struct

from ordod.core.feeding import ConnectionStatus
from ordod.core.hub import FeedStatus
from ordod.core.orders.hearing import Lag
from ordod.core.orders.journal import JournalFailed
from ordod.core.orders.latency import OrderLatency
from ordod.core.orders.records import Admin
from ordod.core.parts import Parts, Reloaded
from ordod.domain.orders import Order
from ordod.errors import Kind, OrdoError
from ordod.service.accounts import AccountStatus, account_status
from ordod.service.methods import Call, Example, Method, Role

__all__ = ["methods"]

ERRORS = {
    "reload": (Kind.JOURNAL_FAILED, Kind.UNSUPPORTED),
    "shutdown": (Kind.JOURNAL_FAILED,),
}


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class Pong(Struct, frozen=True):
    """It is there.

    Args:
        at: the daemon's time.
    """

    at: datetime


class Version(Struct, frozen=True):
    """Which daemon this is.

    Args:
        version: the daemon's.
        contract: of the wire; within it things are only added.
    """

    version: str
    contract: int
    epoch: str


class JournalState(Struct, frozen=True, kw_only=True):
    """The journal's head, and whether the disk is well.

    Args:
        seq: the last record's number.
        hash: the last record's.
        failed: true: nothing new is placed until a restart.
        why: what failed; "" where nothing.
    """

    epoch: str
    seq: int
    hash: str
    failed: bool
    why: str


class KillState(Struct, frozen=True):
    """The switch.

    Args:
        engaged: nothing new leaves.
        scopes: what is stopped, and why.
    """

    engaged: bool
    scopes: tuple[dict[str, str | None], ...]


class DoubtState(Struct, frozen=True):
    """An order in doubt.

    Args:
        why: it is not settled yet.
    """

    order: Order
    why: str


class ChangeDoubt(Struct, frozen=True):
    """A GTT or conversion in doubt that only a person can end.

    Args:
        operation: what was asked under its key.
    """

    account: str
    key: str
    operation: str
    symbol: str


class UpdatesStatus(Struct, frozen=True):
    """What becomes of orders, as the broker pushes it.

    Args:
        channel: the connection.
        heard: updates since the start.
        lag: how late they were told.
    """

    account: str
    channel: ConnectionStatus
    heard: int
    lag: Lag


class SystemStatus(Struct, frozen=True, kw_only=True):
    """The daemon, its accounts, and what a person should look at.

    Args:
        state: READY, PARTLY_READY, NOT_READY, KILLED, JOURNAL_FAILED or STOPPING.
        version: the daemon's.
        started_at: when it began.
        accounts: as `account.status` has them.
        doubts: orders in doubt, and why.
        changes: GTTs and conversions that wait for a person.
        kill: the switch.
        journal: its head, and whether the disk is well.
        feeds: prices, of accounts whose broker pushes them.
        updates: order updates, of accounts whose broker pushes them.
        latency: how long orders take, of accounts that placed any since the start.
        todo: the next thing a person should do; "" where there is none.
    """

    state: str
    version: str
    started_at: datetime
    accounts: list[AccountStatus]
    doubts: list[DoubtState]
    changes: list[ChangeDoubt]
    kill: KillState
    journal: JournalState
    feeds: list[FeedStatus]
    updates: list[UpdatesStatus]
    latency: list[OrderLatency]
    todo: str


class Config(Struct, frozen=True):
    """The configuration as it was read, without secrets.

    Args:
        config: as it was read: `daemon`, `access`, `risk`, `accounts`; secrets are left out.
    """

    config: dict[str, Any]


class Done(Struct, frozen=True):
    """It was taken.

    Args:
        message: what happens now.
    """

    message: str


class _System:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ping(self, _: Call, __: Nothing) -> Pong:
        return Pong(self._parts.clock.now())

    async def version(self, _: Call, __: Nothing) -> Version:
        return Version(self._parts.version, 1, self._parts.journal.epoch)

    async def config(self, call: Call, _: Nothing) -> Config:
        """With the accounts that the caller may read, and who has access where that is every account there is."""
        shown = orjson.loads(orjson.dumps(self._parts.shown_settings, default=str))
        role_for = call.caller.role_for
        shown["accounts"] = {
            name: account
            for name, account in shown["accounts"].items()
            if role_for(name) >= Role.READ
        }
        if min(call.caller.role, *map(role_for, self._parts.accounts)) < Role.READ:
            shown.pop("access", None)
        return Config(shown)

    async def status(self, call: Call, _: Nothing) -> SystemStatus:
        """Of the accounts that the caller may read: another's doubts and sessions are not theirs to see."""
        parts = self._parts
        seen = [
            account
            for name, account in parts.accounts.items()
            if call.caller.role_for(name) >= Role.READ
        ]
        kill = parts.kill.status()
        doubts = [
            DoubtState(
                parts.book.view(order), parts.readers[order.account].why_open.get(order.id, "")
            )
            for order in parts.book.doubts()
            if order.account in {account.name for account in seen}
        ]
        changes = [
            ChangeDoubt(change.account, change.key or "", change.operation, intent.symbol_written)
            for account in seen
            for change in parts.book.open_changes(account.name)
            if change.id in parts.keyed.waits and (intent := change.intent) is not None
        ]
        accounts = [account_status(account) for account in seen]
        seq, digest = parts.journal.head
        return SystemStatus(
            state=self._state(accounts, is_killed=kill.engaged),
            version=parts.version,
            started_at=parts.started_at,
            accounts=accounts,
            doubts=doubts,
            changes=changes,
            kill=KillState(kill.engaged, kill.scopes),
            journal=JournalState(
                epoch=parts.journal.epoch,
                seq=seq,
                hash=digest,
                failed=parts.journal.failed,
                why=parts.journal.failure,
            ),
            feeds=[
                parts.hub.status(account.name) for account in seen if parts.hub.can(account.name)
            ],
            updates=[
                _updates(parts, account.name, channel)
                for account in seen
                if (channel := parts.hub.updates_status(account.name)) is not None
            ],
            latency=[
                taken
                for account in seen
                if (taken := parts.desk.latencies.of(account.name)) is not None
            ],
            todo=self._todo(accounts, doubts, changes, is_killed=kill.engaged)
            or self._about_unwatched(call),
        )

    def _about_unwatched(self, call: Call) -> str:
        """Orders in doubt whose account the configuration does not name: nobody reads its book."""
        names = {order.account for order in self._parts.book.doubts()} - {*self._parts.accounts}
        seen = sorted(name for name in names if call.caller.role_for(name) >= Role.READ)
        if not seen:
            return ""
        return (
            f"orders of {', '.join(seen)} are in doubt, and the configuration names no such account: "
            "name it there, then run: ordoctl call system.reload"
        )

    def _state(self, accounts: list[AccountStatus], *, is_killed: bool) -> str:
        if self._parts.stopping.is_set():
            return "STOPPING"
        if self._parts.journal.failed:
            return "JOURNAL_FAILED"
        if is_killed:
            return "KILLED"
        if all(account.can_trade for account in accounts):
            return "READY"
        return "PARTLY_READY" if any(account.can_trade for account in accounts) else "NOT_READY"

    def _todo(
        self,
        accounts: list[AccountStatus],
        doubts: list[DoubtState],
        changes: list[ChangeDoubt],
        *,
        is_killed: bool,
    ) -> str:
        if self._parts.journal.failed:
            return f"the disk failed ({self._parts.journal.failure}): mend it, then restart ordod"
        stuck = next((doubt for doubt in doubts if "order.resolve" in doubt.why), None)
        if stuck is not None:
            return (
                f"look at the broker for order {stuck.order.key} (tag {stuck.order.tag}) and tell: "
                f"ordoctl resolve --account {stuck.order.account} {stuck.order.key} placed|not_placed --reason WHY"
            )
        if changes:
            one = changes[0]
            return (
                f"look at the broker for the {one.operation} of {one.symbol} under key {one.key} and tell: "
                f"ordoctl resolve --account {one.account} {one.key} placed|not_placed --reason WHY"
            )
        if is_killed:
            return (
                "the kill switch is engaged; when its reason is gone: ordoctl release --reason WHY"
            )
        return next((account.todo for account in accounts if account.todo), "")

    async def reload(self, call: Call, _: Nothing) -> Reloaded:
        if self._parts.reload is None:
            raise OrdoError(Kind.UNSUPPORTED, "this daemon has no configuration file to read again")
        return await self._parts.reload(call.caller.name)

    async def shutdown(self, call: Call, _: Nothing) -> Done:
        """Begins the orderly end; the connection closes when the requests under way are answered."""
        try:
            record = Admin(caller=call.caller.name, method="system.shutdown", params={})
            await self._parts.ledger.record(record)
        except JournalFailed as error:
            if not self._parts.journal.failed:
                raise OrdoError(Kind.JOURNAL_FAILED, str(error)) from error
        self._parts.shut_down()
        return Done("stopping: requests under way are answered first")


def _updates(parts: Parts, account: str, channel: ConnectionStatus) -> UpdatesStatus:
    hearing = parts.readers[account].hearing
    return UpdatesStatus(account, channel, hearing.heard_count, hearing.lag)


def methods(parts: Parts) -> Iterable[Method]:
    system = _System(parts)
    for name, role, summary, result, run, told in (
        ("ping", Role.READ, "Is it there; the daemon's time.", Pong, system.ping, {}),
        (
            "version",
            Role.READ,
            "The daemon's version and the journal's epoch.",
            Version,
            system.version,
            {"contract": 1},
        ),
        (
            "status",
            Role.READ,
            "Accounts, sessions, doubts, kill switch, journal, and the next thing a person should do.",
            SystemStatus,
            system.status,
            {"state": "READY", "doubts": [], "todo": ""},
        ),
        ("config", Role.READ, "The configuration, without secrets.", Config, system.config, {}),
        (
            "reload",
            Role.ADMIN,
            "Read the configuration again: what changed, and what needs a restart.",
            Reloaded,
            system.reload,
            {"changed": [], "needs_restart": []},
        ),
        ("shutdown", Role.ADMIN, "End in good order.", Done, system.shutdown, {}),
    ):
        yield Method(
            name=f"system.{name}",
            role=role,
            summary=summary,
            params=Nothing,
            result=result,
            run=run,
            accounts=lambda _: (),
            changes=role is Role.ADMIN,
            errors=ERRORS.get(name, ()),
            examples=(Example({}, told),),
        )
