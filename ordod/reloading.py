"""`system.reload` and SIGHUP: what a running daemon takes over from its file, and what waits.

Taken over at once: `[access]`, `[risk]` with its strategies, `log_level`; accounts that were added; of each account its limits and
rules, what it logs in with (from the next login on) and its `source_address`. Another broker, address or user is another account
under the same name: it goes and comes anew, alone. Everything or nothing: a file that cannot be used changes nothing.

An account goes when nothing of ours is open there. One that is gone from the file while something is takes nothing new, goes by
itself when nothing is left, and is named at each reload until then. One that should come anew goes on as it was, and waits for
another reload. Whatever else differs is named at each reload until a restart.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping

import anyio
import structlog
from msgspec import Struct
from msgspec.structs import replace

from ordod.adapter import Adapter
from ordod.config import AccountSettings, Settings
from ordod.core.account import Going
from ordod.core.orders.journal import JournalFailed
from ordod.core.orders.records import Admin
from ordod.core.parts import Parts, Reloaded
from ordod.errors import Kind, OrdoError
from ordod.roster import Member, Roster

__all__ = ["Reloader", "Wanted", "differences", "merged", "planned"]

UNWRITTEN = (
    "everywhere",
    "secrets",
    "options",
)  # levels of the settings that the file does not have
LOOK_S = 0.5  # whether an account that is to go can

log = structlog.get_logger("reload")


class Wanted(Struct, frozen=True):
    """The file as it is now, and the adapters of its brokers."""

    settings: Settings
    adapters: Mapping[str, Adapter]


class Step(Struct, frozen=True):
    """What a reload makes of the accounts. `heirs`: one that goes -> one that comes and is the same user's."""

    settings: Settings
    added: tuple[str, ...]
    removed: tuple[str, ...]
    anew: tuple[str, ...]
    heirs: Mapping[str, str]

    @property
    def going(self) -> tuple[str, ...]:
        return (*self.removed, *self.anew)


class Reloader:
    """Reads the file again, one reload at a time.

    Args:
        settings: what the daemon was started with.
        read: the file as it is now; raises OrdoError where it cannot be used.
        check: whether these accounts of a file can begin here, their secrets above all; raises OrdoError.
        take: puts `[access]` and the log level of these settings in force.
    """

    def __init__(
        self,
        parts: Parts,
        roster: Roster,
        settings: Settings,
        *,
        read: Callable[[], Awaitable[Wanted]],
        check: Callable[[Settings, Collection[str]], Awaitable[None]],
        take: Callable[[Settings], None],
    ) -> None:
        self._parts = parts
        self._roster = roster
        self._settings = settings
        self._read = read
        self._check = check
        self._take = take
        self._lock = anyio.Lock()
        self._leaving: set[str] = set()  # gone from the file, and something is open there

    async def reload(self, caller: str) -> Reloaded:
        """Journal what changes, then put it in force; between two orders, never within the check of one.

        Raises:
            OrdoError: INVALID_PARAMS for a file that cannot be used, JOURNAL_FAILED; nothing was changed.
        """
        async with self._lock:
            wanted = await self._read()
            self._check_emptied(wanted.settings)
            step = planned(self._settings, wanted.settings)
            await self._check(wanted.settings, _to_check(self._settings, step.settings))
            held = dict.fromkeys(step.removed, Going.FOR_GOOD)
            held |= dict.fromkeys(step.anew, Going.ANEW)
            self._roster.hold(held)
            try:
                await self._roster.quiet(step.going)
                open_at = self._open_at(step)
                step = planned(self._settings, wanted.settings, open_at)
                coming = [
                    self._roster.make(each, wanted.adapters[each.broker])
                    for each in map(step.settings.accounts.__getitem__, (*step.added, *step.anew))
                ]
                done = self._done(step.settings, wanted.settings, open_at)
                leaving = open_at.keys() - wanted.settings.accounts.keys()
                if done.changed or leaving - self._leaving:
                    await self._record(caller, done)
            except BaseException:
                self._roster.let_go_on(held.keys() - self._leaving)
                raise
            self._roster.let_go_on(self._parts.accounts.keys() - leaving - {*step.going})
            await self._put_in_force(step, coming)
            for name in leaving - self._leaving:
                self._roster.tasks.start_soon(self._see_off, name)
            self._leaving = set(leaving)
        log.info(
            "reloaded",
            caller=caller,
            changed=done.changed,
            needs_restart=done.needs_restart,
            waits=done.waits,
        )
        return done

    def _check_emptied(self, wanted: Settings) -> None:
        """A file that was cut off in the saving looks so; all accounts at once are not given up by a reload."""
        if self._settings.accounts and not wanted.accounts:
            raise OrdoError(
                Kind.INVALID_PARAMS,
                f"{wanted.file} names no account any more, nothing was changed: leave one in it, or restart ordod",
                field="file",
            )

    def _open_at(self, step: Step) -> dict[str, str]:
        """Accounts that cannot go, or cannot come because another cannot go, and why."""
        open_at = {
            name: why
            for name in step.going
            if (why := self._roster.holds(name, has_heir=name in step.heirs))
        }
        heirs = {step.heirs[name]: name for name in open_at if name in step.heirs}
        return open_at | {heir: f"{name} is the same user's" for heir, name in heirs.items()}

    def _done(self, in_force: Settings, wanted: Settings, open_at: Mapping[str, str]) -> Reloaded:
        needs_restart, waits = [], []
        for path in differences(in_force, wanted):
            name = _account_in(path)
            if name not in open_at:
                needs_restart.append(path)
            elif path.endswith(" (removed)"):
                waits.append(f"{path}: it takes nothing new, and goes after {open_at[name]}")
            else:
                waits.append(f"{path}: reload again after {open_at[name]}")
        return Reloaded(list(differences(self._settings, in_force)), needs_restart, waits)

    async def _record(self, caller: str, done: Reloaded) -> None:
        params: dict[str, str | int | bool | None] = {"changed": ", ".join(done.changed)}
        if done.waits:
            params["waits"] = ", ".join(done.waits)
        try:
            await self._parts.ledger.record(
                Admin(caller=caller, method="system.reload", params=params)
            )
        except JournalFailed as error:
            raise OrdoError(Kind.JOURNAL_FAILED, str(error)) from error

    async def _put_in_force(self, step: Step, coming: list[Member]) -> None:
        """Until the first await everything is in force: an order is checked against the old limits or the new ones, never a
        mixture, and an account is there or it is not."""
        parts, settings = self._parts, step.settings
        parts.desk.limit_by(settings.risk.everywhere, settings.risk.strategies)
        gone, reading = self._roster.exchange(step.going, coming, settings.accounts)
        parts.shown_settings = settings.public()
        self._settings = settings
        self._take(settings)
        fresh = {member.name for member in coming}
        await self._roster.obey(s for s in settings.accounts.values() if s.name not in fresh)
        for name in step.removed:
            self._roster.tell(name, "removed")
        for name in step.added:
            self._roster.tell(name, "added")
        await self._roster.close(gone, step.heirs)
        for member in coming:
            self._roster.begin(member.name)
        for reader, account in reading:
            reader.left_alone(account)

    async def _see_off(self, name: str) -> None:
        """An account goes as soon as nothing is open there, unless the file has it again."""
        while True:
            await anyio.sleep(LOOK_S)
            async with self._lock:
                if name not in self._leaving:
                    return
                if self._roster.holds(name):
                    continue
                accounts = {n: s for n, s in self._settings.accounts.items() if n != name}
                step = Step(replace(self._settings, accounts=accounts), (), (name,), (), {})
                self._leaving.discard(name)
                await self._put_in_force(step, [])
                return


def planned(old: Settings, new: Settings, kept: Collection[str] = ()) -> Step:
    """What is to be done, where these accounts can neither go nor come now."""
    settings = merged(old, new, kept)
    added = tuple(name for name in settings.accounts if name not in old.accounts)
    removed = tuple(name for name in old.accounts if name not in settings.accounts)
    anew = tuple(
        name
        for name, account in settings.accounts.items()
        if name in old.accounts and _is_another(old.accounts[name], account)
    )
    heirs = {
        name: heir
        for name in old.accounts.keys() - new.accounts.keys()
        for heir in new.accounts.keys() - old.accounts.keys()
        if _is_renamed(old.accounts[name], new.accounts[heir])
    }
    return Step(settings, added, removed, anew, heirs)


def merged(old: Settings, new: Settings, kept: Collection[str] = ()) -> Settings:
    """The settings in force after a reload: of `new` what can be taken over, of `old` the rest.

    Args:
        kept: accounts that can neither go nor come now.
    """
    accounts = {}
    for name, account in new.accounts.items():
        before = old.accounts.get(name)
        if before is not None:
            accounts[name] = _merged_account(before, account, is_kept=name in kept)
        elif name not in kept:
            accounts[name] = account
    gone = old.accounts.keys() - new.accounts.keys()
    accounts |= {n: account for n, account in old.accounts.items() if n in gone and n in kept}
    return replace(
        old,
        daemon=replace(old.daemon, log_level=new.daemon.log_level),
        access=new.access,
        risk=new.risk,
        accounts=accounts,
    )


def _merged_account(
    old: AccountSettings, new: AccountSettings, *, is_kept: bool
) -> AccountSettings:
    if _is_another(old, new):
        if not is_kept:
            return new
        return replace(
            old,
            risk=new.risk,
            doubt_horizon_s=new.doubt_horizon_s,
            market_protection=new.market_protection,
        )
    # The paper exchange is one for all, and made once.
    return replace(new, options=old.options) if new.broker == "paper" else new


def _is_another(old: AccountSettings, new: AccountSettings) -> bool:
    """Whether it is another account under the same name: what is known of the one says nothing of the other."""
    return (old.broker, old.user_id) != (new.broker, new.user_id) or not _is_there(old, new)


def _is_there(old: AccountSettings, new: AccountSettings) -> bool:
    return (old.broker, old.base_url, old.urls) == (new.broker, new.base_url, new.urls)


def _is_renamed(old: AccountSettings, new: AccountSettings) -> bool:
    """Whether it is the same user of the same broker under another name. On paper the name is the user."""
    if old.broker == "paper" or not _is_there(old, new):
        return False
    if old.user_id or new.user_id:
        return old.user_id == new.user_id
    return bool(old.secrets) and old.secrets == new.secrets


def _to_check(old: Settings, new: Settings) -> set[str]:
    """Accounts of which something is read that was not read before."""
    return {
        name
        for name, account in new.accounts.items()
        if name not in old.accounts
        or _is_another(old.accounts[name], account)
        or old.accounts[name].secrets != account.secrets
    }


def _account_in(path: str) -> str:
    """The account that a path of `differences` is about; "": none."""
    table, _, rest = path.partition(".")
    return rest.partition(" ")[0].partition(".")[0] if table == "accounts" else ""


def differences(old: Struct, new: Struct, where: str = "") -> Iterator[str]:
    """The names of settings that differ, as the file writes them (`accounts.main.risk.max_value`); never a value."""
    for name in old.__struct_fields__:
        path = where if name in UNWRITTEN else f"{where}.{name}".lstrip(".")
        one, other = getattr(old, name), getattr(new, name)
        if isinstance(one, dict):
            for key in sorted(one.keys() | other.keys()):
                yield from _difference(one.get(key), other.get(key), f"{path}.{key}")
        else:
            yield from _difference(one, other, path)


def _difference(one: object, other: object, path: str) -> Iterator[str]:
    if one == other:
        return
    if isinstance(one, Struct) and isinstance(other, Struct):
        yield from differences(one, other, path)
    elif one is None and isinstance(other, AccountSettings):
        yield f"{path} (added)"
    elif other is None and isinstance(one, AccountSettings):
        yield f"{path} (removed)"
    else:
        yield path
