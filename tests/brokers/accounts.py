"""An account at any simulated broker: what its table in the configuration says, and whether a text tells of its secrets."""

import json
import re
from pathlib import Path

from ordod.sim.process import SimProcess

__all__ = ["is_told", "table"]

HORIZON_S = 1


def table(name: str, broker: str, sim: SimProcess, token: Path | None = None) -> str:
    """`[accounts.NAME]`, with all that a login by itself needs; with `token` the session is the one in this file instead."""
    settings = sim.config()
    if token is not None:
        token.write_text(sim.access_token())
        token.chmod(0o600)
        for key in ("login", "password", "pin", "totp_secret", "api_secret"):
            settings.pop(key, None)
        settings["access_token"] = f"file:{token}"
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    return "\n".join(
        [
            f"[accounts.{name}]",
            f'broker = "{broker}"',
            f'base_url = "{sim.url}"',
            f"doubt_horizon_s = {HORIZON_S}",
            *lines,
            "",
        ]
    )


def is_told(secret: str, text: str) -> bool:
    """As a word: a PIN's digits may be part of a number by chance."""
    return bool(re.search(rf"(?<![A-Za-z0-9]){re.escape(secret)}(?![A-Za-z0-9])", text))
