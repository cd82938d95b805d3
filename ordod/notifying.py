"""What systemd is told: that the daemon is ready, how it stands, that it lives, and that it goes.

It lives as long as its loop turns and its disk answers. A disk that failed is told in STATUS, and the daemon goes on without it:
cancels and the kill switch need none. One that hangs is another matter: a restart may find the disk again.
"""

from collections.abc import Mapping
from typing import Protocol

import anyio

from ordod.core.parts import Parts
from ordod.service.accounts import account_status

__all__ = ["Notifier", "keep_told"]

LOOK_S = 1.0
HANGS_S = 20.0  # a sync that takes longer: a slow disk takes a second, a sick one several


class Notifier(Protocol):
    """As sdnotify's; without a NOTIFY_SOCKET it does nothing."""

    def notify(self, state: str) -> None: ...


async def keep_told(parts: Parts, notifier: Notifier, environment: Mapping[str, str]) -> None:
    """Until cancelled: STATUS whenever it changes, and WATCHDOG at half of the time that the unit allows."""
    every_s = _watchdog_s(environment)
    status, due = "", 0.0
    while True:
        told = _status(parts)
        if told != status:
            notifier.notify(f"STATUS={told}")
            status = told
        now = parts.clock.boot()
        if every_s is not None and now >= due and _disk_answers(parts, now):
            notifier.notify("WATCHDOG=1")
            due = now + every_s
        await anyio.sleep(LOOK_S if every_s is None else min(LOOK_S, every_s))


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """None: nobody watches, or somebody else is meant."""
    text = environment.get("WATCHDOG_USEC", "")
    return int(text) / 2_000_000 if text.isdigit() and int(text) else None


def _disk_answers(parts: Parts, now: float) -> bool:
    since = parts.journal.syncing_since
    return since is None or now - since < HANGS_S


def _status(parts: Parts) -> str:
    """One line for `systemctl status`."""
    accounts = [account_status(account) for account in parts.accounts.values()]
    able = [one.account for one in accounts if one.can_trade]
    words = [f"{len(able)} of {len(accounts)} accounts can trade"]
    words += [f"{one.account}: {one.why}" for one in accounts if not one.can_trade and one.why]
    if parts.kill.status().engaged:
        words.insert(0, "KILLED")
    if parts.journal.failed:
        words.insert(0, "THE DISK FAILED")
    return "; ".join(words).replace("\n", " ")
