"""What the configuration says, as frozen values."""

from decimal import Decimal
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field

from ordod.domain.alerts import AlertKind
from ordod.domain.references import SecretReference
from ordod.domain.risk import RiskLimits

__all__ = [
    "TCP_CONNECTIONS",
    "TCP_IDLE_S",
    "AccessSettings",
    "AccountSettings",
    "AlertSettings",
    "DaemonSettings",
    "Grant",
    "LogLevel",
    "ReceiverSettings",
    "RiskSettings",
    "RoleName",
    "Settings",
]


TCP_CONNECTIONS = 256
TCP_IDLE_S = 300.0


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class RoleName(StrEnum):
    """WIRE 7's roles by name. NOBODY is what a grant that names accounts only gives elsewhere."""

    NOBODY = "nobody"
    READ = "read"
    TRADE = "trade"
    ADMIN = "admin"


class DaemonSettings(Struct, frozen=True, kw_only=True):
    """Absolute paths, defaults filled in.

    Args:
        store_key: where the key of the encrypted store is, if that is said.
        tcp: `host:port`; None: the socket only.
        tls_key: `file:` or `credential:`.
        tls_client_ca: who signs the certificates that clients must have; None: they need none.
        tcp_idle_s: after so long a connection over TCP that does nothing and follows nothing is closed.
    """

    socket: Path
    state_dir: Path
    store_key: SecretReference | None = None
    tcp: str | None = None
    tls_cert: Path | None = None
    tls_key: SecretReference | None = None
    tls_client_ca: Path | None = None
    tcp_connections: int = TCP_CONNECTIONS
    tcp_idle_s: float = TCP_IDLE_S
    log_level: LogLevel = LogLevel.INFO


class Grant(Struct, frozen=True):
    """What a user or group may do: `role` in general, `accounts` where it differs."""

    role: RoleName
    accounts: dict[str, RoleName] = field(default_factory=dict)


class AccessSettings(Struct, frozen=True, kw_only=True):
    """By name of the system's user or group. Both empty: root and the daemon's own user only."""

    users: dict[str, Grant] = field(default_factory=dict)
    groups: dict[str, Grant] = field(default_factory=dict)


class RiskSettings(Struct, frozen=True, kw_only=True):
    """`everywhere` holds for every order, `strategies` for those with that label besides."""

    everywhere: RiskLimits = RiskLimits()
    strategies: dict[str, RiskLimits] = field(default_factory=dict)


class ReceiverSettings(Struct, frozen=True, kw_only=True):
    """One receiver of alerts: a `command`, or a `url`; the other is empty.

    Args:
        command: the program with its arguments; no shell reads it.
        body: a text, or a table that is sent as JSON; None: the alert itself as JSON.
        kinds: what it is told; empty: everything.
    """

    name: str
    command: tuple[str, ...] = ()
    url: str = ""
    token: SecretReference | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    kinds: tuple[AlertKind, ...] = ()


class AlertSettings(Struct, frozen=True, kw_only=True):
    """Who is told of what. `per_hour`: alerts in any hour, at most."""

    remind_minutes: int = 30
    per_hour: int = 30
    doubt_older_than_s: float = 60.0
    disk_free_below_mb: int = 500
    clock_skew_above_s: float = 5.0
    receivers: dict[str, ReceiverSettings] = field(default_factory=dict)


class AccountSettings(Struct, frozen=True, kw_only=True):
    """One account at one broker.

    Args:
        base_url: replaces all of the broker's hosts; `urls` one each, by the adapter's name of the host. Without a
            slash at the end.
        source_address: the local IP address its connections leave from.
        login: the adapter's mode; "": the broker's official flow.
        market_protection: percent, for MARKET and SL-M orders that say none; None: the broker's automatic.
        secrets: `api_key api_secret password pin totp_secret access_token` and the broker's own, those that are given.
        options: what this broker needs besides; the adapter names them.
    """

    name: str
    broker: str
    base_url: str | None = None
    urls: dict[str, str] = field(default_factory=dict)
    source_address: str | None = None
    login: str = ""
    doubt_horizon_s: float = 300.0
    market_protection: Decimal | None = None
    user_id: str = ""
    secrets: dict[str, SecretReference] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    risk: RiskLimits = RiskLimits()

    @property
    def is_real(self) -> bool:
        """Whether money is at stake: neither paper nor a broker on this machine."""
        if self.broker == "paper":
            return False
        if self.base_url is None:
            return True
        host = urlsplit(self.base_url).hostname or ""
        try:
            return not ip_address(host).is_loopback
        except ValueError:
            return host != "localhost"


class Settings(Struct, frozen=True, kw_only=True):
    """The whole file. `file`: where it was read."""

    file: Path
    daemon: DaemonSettings
    access: AccessSettings = AccessSettings()
    risk: RiskSettings = RiskSettings()
    alerts: AlertSettings = AlertSettings()
    accounts: dict[str, AccountSettings] = field(default_factory=dict)

    def public(self) -> dict[str, Any]:
        """As `system.config` shows it: plain values, no secret. References show where a secret is, literals `***`.

        A broker's own options are shown as `***` too: what some brokers call an option, others would call a password.
        """
        shown: dict[str, Any] = msgspec.to_builtins(
            self, builtin_types=(Decimal,), enc_hook=str, order="deterministic"
        )
        for account in shown["accounts"].values():
            account["options"] = dict.fromkeys(account["options"], "***")
        for receiver in shown["alerts"]["receivers"].values():
            _hide_receiver(receiver)
        return shown


def _hide_receiver(shown: dict[str, Any]) -> None:
    """A receiver's address is often all that is needed to write to it."""
    if shown["url"]:
        parts = urlsplit(shown["url"])
        shown["url"] = f"{parts.scheme}://{parts.netloc}/***"
    shown["command"] = [*shown["command"][:1], *("***" for _ in shown["command"][1:])]
    shown["headers"] = dict.fromkeys(shown["headers"], "***")
    shown["body"] = shown["body"] and "***"
