"""An alert: one thing that a person should know, as it is told to the receivers of `[alerts]`."""

import re
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

__all__ = ["PLACEHOLDER", "PLACEHOLDERS", "TEST", "Alert", "AlertKind", "AlertState", "Severity"]


class AlertKind(StrEnum):
    KILL = "kill"  # engaged, for everything or a narrower scope
    START = "start"  # the daemon cannot start: its journal is damaged
    JOURNAL = "journal"  # the disk failed, or does not answer
    SESSION = "session"  # an account has none, and none is coming by itself
    DOUBT = "doubt"  # in doubt for too long
    RESOLVE = "resolve"  # in doubt, and only a person can end it
    CONTRADICTION = "contradiction"  # an order that had ended is at the broker after all; told once
    BREAKER = "breaker"  # the broker cannot be reached
    DISK = "disk"  # nearly full
    CLOCK = "clock"  # this machine's is off
    STREAM = "stream"  # prices or order updates are not pushed


TEST = "test"  # the kind of an alert that a person asked for, to try a receiver


class Severity(StrEnum):
    CRITICAL = "critical"  # orders cannot be placed, or are not what one thinks
    WARNING = "warning"
    INFO = "info"


class AlertState(StrEnum):
    FIRING = "firing"
    RESOLVED = "resolved"


class Alert(Struct, frozen=True, kw_only=True):
    """What receivers are told; its JSON is what they get.

    Args:
        id: the same for everything that is told of one condition: `session:zerodha`.
        kind: an `AlertKind`, or `test`.
        since: when it began; `at`: of this alert.
        reminder: it was told before, and lasts.
        title: one line; `message`: what it is and what to do, in plain English.
    """

    id: str
    kind: str
    severity: Severity
    state: AlertState
    account: str | None
    since: datetime
    at: datetime
    host: str
    reminder: bool
    title: str
    message: str


PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
PLACEHOLDERS = (*Alert.__struct_fields__, "text", "token")
"""What may stand in braces in a receiver's `body` and `headers`. `text`: title and message; `token`: the receiver's secret."""
