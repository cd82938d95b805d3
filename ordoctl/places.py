"""Which daemon of this machine a configuration is for, and the environment that daemon reads it in.

The service that `systemd/install.sh` lays down runs as a user of its own, with directories that systemd gives it. Whoever works on
its configuration from a shell has to look where the service looks, not below their own home.
"""

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

__all__ = ["SERVICE", "Place", "Service", "find_place", "usual_config"]


class Service(Struct, frozen=True, kw_only=True):
    """Ordo as `systemd/` has it."""

    user: str = "ordod"
    group: str = "ordod"
    config: Path = Path("/etc/ordod/ordod.conf")
    store_key: Path = Path("/etc/ordod/store.key")
    state: Path = Path("/var/lib/ordod")
    runtime: Path = Path("/run/ordod")
    units: tuple[Path, ...] = (
        Path("/etc/systemd/system/ordod.service"),
        Path("/usr/lib/systemd/system/ordod.service"),
        Path("/lib/systemd/system/ordod.service"),
    )

    @property
    def is_installed(self) -> bool:
        return any(unit.exists() for unit in self.units)


SERVICE = Service()


class Place(Struct, frozen=True, kw_only=True):
    """One daemon. `environment`: what of it that daemon's configuration depends on, as it will see it."""

    config: Path
    is_service: bool
    environment: Mapping[str, str]
    service: Service = SERVICE


def usual_config(home: Path) -> Path:
    """The file of a daemon that a person runs for themselves (WIRE 9)."""
    return home / ".config/ordod/ordod.conf"


def find_place(
    config: Path, environment: Mapping[str, str] = os.environ, service: Service = SERVICE
) -> Place:
    """The place that this configuration makes."""
    config = config.absolute()
    if config != service.config or not service.is_installed:
        return Place(config=config, is_service=False, environment=environment, service=service)
    try:
        home = pwd.getpwnam(service.user).pw_dir
    except KeyError:  # laid down, and its user not made
        home = str(service.state)
    theirs = {
        **environment,
        "HOME": home,
        "STATE_DIRECTORY": str(service.state),
        "RUNTIME_DIRECTORY": str(service.runtime),
    }
    theirs.pop("XDG_RUNTIME_DIR", None)
    return Place(config=config, is_service=True, environment=theirs, service=service)
