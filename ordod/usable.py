"""Whether a configuration can be used: what `ordod check`, a start, a reload, `ordoctl setup` and `ordoctl doctor` ask alike.

Nothing here writes, and nothing reaches a broker.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeAlias

from ordod.adapter import Adapter, BrokerSpec
from ordod.config import AccountSettings, ConfigError, Settings, find, load, parse
from ordod.config.calendar import load_calendar
from ordod.config.lines import KeyPath, key_lines
from ordod.config.tables import Mistakes
from ordod.domain.calendar import LoadedCalendar
from ordod.registry import RegistryError, installed, options_of
from ordod.registry import load as load_adapters
from ordod.secrets import Redactor, SecretError, Secrets
from ordod.store import Store, StoreError
from ordod.store_key import open_store

__all__ = [
    "FORGETFUL",
    "CannotStart",
    "calendar_of",
    "credentials_can_be_read",
    "forgetful",
    "hosts_of",
    "read_settings",
    "read_text",
    "store_of",
]

FORGETFUL = ("tmpfs", "ramfs", "overlay", "nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p")


class CannotStart(Exception):  # noqa: N818 - said to a person, as it is
    """Why the daemon does not start with this and what to do, in one line or a few."""


def read_settings(
    asked: Path | None, environment: Mapping[str, str]
) -> tuple[Settings, Mapping[str, Adapter]]:
    """The configuration, and the adapters of its brokers.

    Args:
        asked: its file; None: the usual places.
        environment: the daemon's: `HOME` and the directories that systemd gives.
    Raises:
        CannotStart: every mistake that was found.
    """
    try:
        file = find(asked, Path(environment.get("HOME") or Path.home()))
        settings = load(file, environment=environment, options_of=options_of, brokers=installed())
        return settings, _adapters(settings, partial(_lines_of, file))
    except (ConfigError, RegistryError) as error:
        raise CannotStart(str(error)) from error


def read_text(
    text: str, file: Path, mode: int, environment: Mapping[str, str]
) -> tuple[Settings, Mapping[str, Adapter]]:
    """As `read_settings`, of a text that is to become this file, with these permission bits. Raises CannotStart."""
    try:
        settings = parse(
            text,
            file=file,
            mode=mode,
            environment=environment,
            options_of=options_of,
            brokers=installed(),
        )
        return settings, _adapters(settings, partial(key_lines, text))
    except (ConfigError, RegistryError) as error:
        raise CannotStart(str(error)) from error


def _adapters(settings: Settings, lines: "_Lines") -> Mapping[str, Adapter]:
    """Raises RegistryError, CannotStart."""
    adapters = load_adapters(account.broker for account in settings.accounts.values())
    failures: dict[KeyPath, str] = {}
    for name, account in settings.accounts.items():
        spec = adapters[account.broker].spec
        if account.login and account.login not in spec.logins:
            known = ", ".join(repr(mode) for mode in spec.logins) or "none"
            why = f"accounts.{name}: {spec.name} has no login {account.login!r}; it has {known}"
            failures["accounts", name, "login"] = why
    _raise_failures(settings, failures, lines)
    return adapters


_Lines: TypeAlias = Callable[[], Mapping[KeyPath, int]]


def _lines_of(file: Path) -> Mapping[KeyPath, int]:
    """As far as it still is what was read."""
    with suppress(OSError, UnicodeDecodeError):
        return key_lines(file.read_text())
    return {}


def _raise_failures(settings: Settings, failures: Mapping[KeyPath, str], lines: _Lines) -> None:
    """All of them with their lines in the file. Raises CannotStart where there are any."""
    if failures:
        mistakes = Mistakes(str(settings.file), lines())
        for path, why in failures.items():
            mistakes.add(path, why)
        raise CannotStart("\n".join(mistakes))


def store_of(settings: Settings, environment: Mapping[str, str], redactor: Redactor) -> Store:
    """Raises CannotStart where the configuration names a key that cannot be used."""
    store = open_store(settings.daemon.state_dir, settings.daemon.store_key, environment, redactor)
    if settings.daemon.store_key is not None:
        try:
            store.key()
        except StoreError as error:
            raise CannotStart(str(error)) from error
    return store


def credentials_can_be_read(
    settings: Settings, secrets: Secrets, names: Iterable[str] | None = None
) -> None:
    """Raises CannotStart, with a line for each secret that cannot.

    Args:
        names: the accounts to look at; None: all.
    """
    failures: dict[KeyPath, str] = {}
    for name in settings.accounts if names is None else names:
        for key, reference in settings.accounts[name].secrets.items():
            try:
                secrets.read(reference)
            except SecretError as error:
                failures["accounts", name, key] = f"accounts.{name}: {key}: {error}"
    _raise_failures(settings, failures, partial(_lines_of, settings.file))


def calendar_of(settings: Settings) -> LoadedCalendar:
    return load_calendar((settings.daemon.state_dir, settings.file.parent))


def hosts_of(account: AccountSettings, spec: BrokerSpec) -> dict[str, str]:
    """Where each of the broker's hosts is for this account: name -> URL."""
    return {
        host: account.urls.get(host) or account.base_url or url for host, url in spec.hosts.items()
    }


def forgetful(settings: Settings, filesystem: str) -> str:
    """Why the state directory's file system cannot keep P1 and P2 for real money; "" where it can, or no money is at stake."""
    real = [account.name for account in settings.accounts.values() if account.is_real]
    if filesystem not in FORGETFUL or not real:
        return ""
    return (
        f"state directory {settings.daemon.state_dir} is on {filesystem}, which may forget or be shared; "
        f"the real account {real[0]} needs a local disk: set [daemon] state_dir to a folder on one"
    )
