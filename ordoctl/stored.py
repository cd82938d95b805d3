"""Secrets in the daemon's encrypted store, by the daemon's own code, with or without one that runs.

As in `offline`, the daemon's modules are imported when they are called, and what they find is handed on as values of our own.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from msgspec import Struct

from ordoctl.ist import IST
from ordoctl.places import find_place

__all__ = ["Kept", "Stored", "StoredError", "settings_of"]

PREFIX = "secret/"


class StoredError(Exception):
    """Nothing was changed; the message, of a line or a few, says why."""


class Kept(Struct, frozen=True, kw_only=True):
    """A secret's name, and when it was set."""

    name: str
    set_at: datetime


class Stored:
    """The store of the daemon that this configuration is for; without a configuration, of one with the defaults.

    Args:
        config: `--config`, else the usual places.
    Raises:
        StoredError: the configuration cannot be used.
    """

    def __init__(self, config: str | None) -> None:
        self._open(*settings_of(config))

    @classmethod
    def of(cls, settings: Any, environment: Mapping[str, str]) -> "Stored":
        """The store of a daemon with these settings (`ordod.config.Settings`) in this environment."""
        stored = cls.__new__(cls)
        stored._open(settings, environment)
        return stored

    def _open(self, settings: Any, environment: Mapping[str, str]) -> None:
        from ordod.secrets import Redactor
        from ordod.store_key import open_store

        self._settings = settings
        self._environment = environment
        self._state: Path = settings.daemon.state_dir
        self._store = open_store(
            self._state, settings.daemon.store_key, self._environment, Redactor()
        )

    def check(self) -> None:
        """Before a person is asked for a secret: whatever would keep it from being stored. Raises StoredError."""
        from ordod.store import NoKey, StoreError

        try:
            self._store.names()
            with suppress(NoKey):  # one is made when there is something to store
                self._store.key()
        except StoreError as why:
            raise StoredError(str(why)) from None

    def put(self, name: str, value: str, say: Callable[[str], None]) -> Kept:
        """A key is made where there is none, and that is said. Raises StoredError."""
        from ordod.store import NoKey, StoreError
        from ordod.store_key import make_key

        try:
            try:
                self._store.key()
            except NoKey:
                if file := make_key(self._state, self._environment):
                    say(
                        f"{file} was made: the key of the store. Keep a copy elsewhere: without it the secrets are lost."
                    )
            self._store.put(PREFIX + name, value.encode())
        except StoreError as why:
            raise StoredError(str(why)) from None
        return next(kept for kept in self.listed() if kept.name == name)

    def listed(self) -> tuple[Kept, ...]:
        """By name. Raises StoredError."""
        from ordod.store import StoreError

        try:
            names = self._store.names(PREFIX)
        except StoreError as why:
            raise StoredError(str(why)) from None
        return tuple(
            Kept(name=name.removeprefix(PREFIX), set_at=at.astimezone(IST).replace(microsecond=0))
            for name, at in names.items()
        )

    def remove(self, name: str) -> None:
        """Raises StoredError, also where it is not there."""
        from ordod.store import StoreError

        try:
            is_removed = self._store.remove(PREFIX + name)
        except StoreError as why:
            raise StoredError(str(why)) from None
        if not is_removed:
            near = get_close_matches(name, [one.name for one in self.listed()], 1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise StoredError(f"there is no {name} in the store{hint}")

    def references(self, name: str) -> list[str]:
        """Where the configuration refers to it: `accounts.kite: api_key`."""
        return [
            f"accounts.{account.name}: {key}"
            for account in self._settings.accounts.values()
            for key, reference in account.secrets.items()
            if str(reference) == f"store:{name}"
        ]


def settings_of(named: str | None) -> tuple[Any, Mapping[str, str]]:
    """The settings, and the environment of the daemon that they are for; without a configuration one with the defaults.

    Raises:
        StoredError: the configuration cannot be used.
    """
    from ordod import config, registry

    home = Path.home()
    asked = Path(named) if named else None
    try:
        try:
            place = find_place(config.find(asked, home))
        except config.ConfigError:  # none yet: its secrets may come first
            settings = config.parse(
                "",
                file=Path("ordod.conf"),
                mode=0o600,
                environment=os.environ,
                options_of=registry.options_of,
            )
            return settings, os.environ
        settings = config.load(
            place.config,
            environment=place.environment,
            options_of=registry.options_of,
            brokers=registry.installed(),
        )
    except (config.ConfigError, registry.RegistryError) as why:
        raise StoredError(str(why)) from None
    return settings, place.environment
