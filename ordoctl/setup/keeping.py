"""Secrets into the store, before the file that refers to them; and whether the daemon will be able to read all it needs."""

from collections.abc import Callable, Mapping
from typing import Any

from ordoctl.places import Place
from ordoctl.setup.asking import Stop
from ordoctl.stored import Stored

__all__ = ["keep"]


def keep(place: Place, settings: Any, typed: Mapping[str, str], say: Callable[[str], None]) -> None:
    """What was typed, by its name in the store. `settings` (`ordod.config.Settings`) are those that will be.

    Raises:
        Stop, StoredError: a secret cannot be kept or read. Those that were kept before it stay, and serve when this is done again.
    """
    if place.is_service:
        _make_service_key(place, settings, say)
    stored = Stored.of(settings, place.environment)
    for name, value in typed.items():
        stored.put(name, value, say)
        say(f"stored  {name}")
    _check(place, settings)


def _make_service_key(place: Place, settings: Any, say: Callable[[str], None]) -> None:
    import pwd

    from ordod.store import StoreError
    from ordod.store_key import make_key

    key = place.service.store_key
    if str(settings.daemon.store_key) != f"file:{key}":
        return
    try:
        user = pwd.getpwnam(place.service.user)
        state = settings.daemon.state_dir
        made = make_key(state, {}, at=key, owner=(user.pw_uid, user.pw_gid))
    except KeyError:
        raise Stop(f"there is no user {place.service.user}: sudo sh systemd/install.sh") from None
    except StoreError as why:
        raise Stop(str(why)) from None
    if made:
        say(
            f"made    {made}: the key of the store. Keep a copy elsewhere: without it the secrets are lost."
        )


def _check(place: Place, settings: Any) -> None:
    """As a start does, but for what only the daemon's own environment has. Raises Stop."""
    from ordod.secrets import Redactor, SecretError, Secrets
    from ordod.usable import CannotStart, store_of

    try:
        store = store_of(settings, place.environment, Redactor())
    except CannotStart as why:
        raise Stop(f"the configuration was not written: {why}") from None
    secrets = Secrets(place.environment, Redactor(), store)
    for account in settings.accounts.values():
        for key, reference in account.secrets.items():
            if reference.source == "credential" or (reference.source == "env" and place.is_service):
                continue
            try:
                secrets.read(reference)
            except SecretError as why:
                raise Stop(
                    f"the configuration was not written: accounts.{account.name}: {key}: {why}"
                ) from None
