"""The configuration: one TOML file in, frozen settings out. Mistakes are told all at once, each with line and closest key.

It knows no adapter: which options a broker has is handed in as a function (`OptionsOf`).
"""

from ordod.config.addresses import split_address
from ordod.config.reading import SECRETS, ConfigError, OptionsOf, find, load, parse
from ordod.config.settings import (
    AccessSettings,
    AccountSettings,
    AlertSettings,
    DaemonSettings,
    Grant,
    LogLevel,
    ReceiverSettings,
    RiskSettings,
    RoleName,
    Settings,
)

__all__ = [
    "SECRETS",
    "AccessSettings",
    "AccountSettings",
    "AlertSettings",
    "ConfigError",
    "DaemonSettings",
    "Grant",
    "LogLevel",
    "OptionsOf",
    "ReceiverSettings",
    "RiskSettings",
    "RoleName",
    "Settings",
    "find",
    "load",
    "parse",
    "split_address",
]
