"""`system.reload` and SIGHUP: what a running daemon takes over from its file, and what waits for a restart.

Taken over at once: `[access]`, `[risk]` with its strategies, `[alerts]`, `log_level`, and of each account its `risk`,
`doubt_horizon_s` and `market_protection`. Whatever else differs stays as it is, and is named at each reload until a
restart. An account that is gone from the file is among that: its orders live on at the broker, and somebody has to watch
them.
"""

from collections.abc import Awaitable, Callable, Iterator

import anyio
import structlog
from msgspec import Struct
from msgspec.structs import replace

from ordod.config import AccountSettings, Settings
from ordod.core.orders.journal import JournalFailed
from ordod.core.orders.records import Admin
from ordod.core.parts import Parts, Reloaded
from ordod.errors import Kind, OrdoError

__all__ = ["Reloader", "differences", "merged"]

UNWRITTEN = (
    "everywhere",
    "receivers",
    "secrets",
    "options",
)  # levels of the settings that the file does not have

log = structlog.get_logger("reload")


class Reloader:
    """Reads the file again, one reload at a time.

    Args:
        settings: what the daemon was started with.
        read: the file as it is now; raises OrdoError where it cannot be used.
        take: puts `[access]`, `[alerts]` and the log level of these settings in force.
    """

    def __init__(
        self,
        parts: Parts,
        settings: Settings,
        *,
        read: Callable[[], Awaitable[Settings]],
        take: Callable[[Settings], None],
    ) -> None:
        self._parts = parts
        self._settings = settings
        self._read = read
        self._take = take
        self._lock = anyio.Lock()

    async def reload(self, caller: str) -> Reloaded:
        """Journal what changes, then put it in force; between two orders, never within the check of one.

        Raises:
            OrdoError: INVALID_PARAMS for a file that cannot be used, JOURNAL_FAILED; nothing was changed.
        """
        async with self._lock:
            wanted = await self._read()
            settings = merged(self._settings, wanted)
            done = Reloaded(
                list(differences(self._settings, settings)), list(differences(settings, wanted))
            )
            if done.changed:
                await self._record(caller, done)
            self._put_in_force(settings)
        log.info("reloaded", caller=caller, changed=done.changed, needs_restart=done.needs_restart)
        return done

    async def _record(self, caller: str, done: Reloaded) -> None:
        params: dict[str, str | int | bool | None] = {"changed": ", ".join(done.changed)}
        try:
            await self._parts.ledger.record(
                Admin(caller=caller, method="system.reload", params=params)
            )
        except JournalFailed as error:
            raise OrdoError(Kind.JOURNAL_FAILED, str(error)) from error

    def _put_in_force(self, settings: Settings) -> None:
        """Nothing awaits here: an order is checked against the old limits or the new ones, never a mixture."""
        parts = self._parts
        parts.desk.limit_by(settings.risk.everywhere, settings.risk.strategies)
        for name, account in parts.accounts.items():
            said = settings.accounts[name]
            account.rules = replace(
                account.rules,
                risk=said.risk,
                doubt_horizon_s=said.doubt_horizon_s,
                market_protection=said.market_protection,
            )
        parts.shown_settings = settings.public()
        self._settings = settings
        self._take(settings)


def merged(old: Settings, new: Settings) -> Settings:
    """The settings in force after a reload: of `new` what can be taken over, of `old` the rest."""
    return replace(
        old,
        daemon=replace(old.daemon, log_level=new.daemon.log_level),
        access=new.access,
        risk=new.risk,
        alerts=new.alerts,
        accounts={
            name: _merged_account(account, new.accounts.get(name, account))
            for name, account in old.accounts.items()
        },
    )


def _merged_account(old: AccountSettings, new: AccountSettings) -> AccountSettings:
    return replace(
        old,
        risk=new.risk,
        doubt_horizon_s=new.doubt_horizon_s,
        market_protection=new.market_protection,
    )


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
