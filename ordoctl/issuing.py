"""Tokens for TCP, by the daemon's own code, with or without one that runs.

As in `stored`, the daemon's modules are imported when they are called, and what they find is handed on as values of our own.
"""

from collections.abc import Mapping
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from msgspec import Struct

from ordoctl.ist import IST
from ordoctl.stored import settings_of

__all__ = ["Issued", "Issuing", "IssuingError"]


class IssuingError(Exception):
    """Nothing was changed; the message, of a line or a few, says why."""


class Issued(Struct, frozen=True, kw_only=True):
    """What is known of a token. `accounts`: the role there, where it differs; `expires_at` None: never."""

    name: str
    role: str
    accounts: dict[str, str]
    created_at: datetime
    expires_at: datetime | None


class Issuing:
    """The tokens of the daemon that this configuration is for; without a configuration, of one with the defaults.

    Args:
        config: `--config`, else the usual places.
    Raises:
        StoredError: the configuration cannot be used.
    """

    def __init__(self, config: str | None) -> None:
        from ordod.tokens import TokenFile, token_path

        settings, _ = settings_of(config)
        self._accounts: Mapping[str, Any] = settings.accounts
        self.has_tcp: bool = settings.daemon.tcp is not None
        self._state_dir: Path = settings.daemon.state_dir
        self._file = TokenFile(token_path(self._state_dir))
        self.path: Path = self._file.path

    @property
    def has_daemon(self) -> bool:
        """Whether one has ever run on this state directory."""
        return (self._state_dir / "journal").exists()

    def make(
        self, name: str, role: str, accounts: Mapping[str, str], expires_at: datetime | None
    ) -> tuple[str, Issued]:
        """The token itself, and what is known of it. With `accounts` it opens these only. Raises IssuingError."""
        from ordod.tokens import TokenError, TokenRole

        for account in accounts:
            self._check(account)
        everywhere = TokenRole.NOBODY if accounts else TokenRole(role)
        roles = {account: TokenRole(given) for account, given in accounts.items()}
        try:
            text, token = self._file.make(name, everywhere, roles, expires_at)
        except TokenError as why:
            raise IssuingError(str(why)) from None
        return text, _issued(token)

    def listed(self) -> tuple[Issued, ...]:
        """Raises IssuingError."""
        from ordod.tokens import TokenError

        try:
            return tuple(_issued(token) for token in self._file.listed())
        except TokenError as why:
            raise IssuingError(str(why)) from None

    def revoke(self, name: str) -> Issued:
        """Raises IssuingError, also where there is none."""
        from ordod.tokens import TokenError

        try:
            return _issued(self._file.revoke(name))
        except TokenError as why:
            raise IssuingError(str(why)) from None

    def _check(self, account: str) -> None:
        """A token for an account that does not exist would be a slip nobody notices."""
        if account in self._accounts:
            return
        near = get_close_matches(account, self._accounts, 1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        known = ", ".join(self._accounts) or "none"
        raise IssuingError(f"there is no account {account}{hint} (the configuration has {known})")


def _issued(token: Any) -> Issued:
    return Issued(
        name=token.name,
        role=str(token.role),
        accounts={name: str(role) for name, role in token.accounts.items()},
        created_at=token.created_at.astimezone(IST),
        expires_at=token.expires_at and token.expires_at.astimezone(IST),
    )
