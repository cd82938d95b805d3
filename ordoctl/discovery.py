"""Where the daemon listens and keeps its state, for who was not told (WIRE 1)."""

import os
from pathlib import Path

from ordoctl.errors import NoDaemon

__all__ = ["default_state_dir", "find_socket"]

SERVICE_SOCKET = Path("/run/ordod/ordod.sock")


def default_state_dir() -> Path:
    """STATE, where no configuration says otherwise (WIRE 9)."""
    named = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    return Path(named) if named else Path.home() / ".local/state/ordod"


def find_socket(named: str | os.PathLike[str] | None = None) -> Path:
    """The daemon's socket: as named, else `$ORDOD_SOCKET`, else the first of the usual places that exists.

    Raises:
        NoDaemon: there is none at the usual places.
    """
    if named is None:
        named = os.environ.get("ORDOD_SOCKET") or None
    if named is not None:
        return Path(named)
    places = [SERVICE_SOCKET, Path.home() / ".local/state/ordod/ordod.sock"]
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        places.insert(0, Path(runtime) / "ordod/ordod.sock")
    for place in places:
        if place.exists():
            return place
    looked = ", ".join(str(place) for place in places)
    raise NoDaemon(
        f"no daemon's socket at {looked}; start it with `ordod --config FILE` (the first time: `ordoctl setup`), or name its socket with --socket or $ORDOD_SOCKET"
    )
