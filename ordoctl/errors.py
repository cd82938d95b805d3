"""What a call can end with instead of a result: one exception class for each reaction.

| class | what a caller does |
| --- | --- |
| `Refused` | changes something, or gives up: the same call would hear the same |
| `TryAgain` | sends the same call later, with the same key: nothing is known of the key, or nothing was done yet |
| `NotAllowed` | asks whoever runs the daemon for the right |
| `NoDaemon` | starts the daemon, or names the right socket |

That an order is in doubt is no exception: it is a status of the order that was answered. `retry` says what is known of the
key (WIRE 4) whatever the class; only `new_key` means that no order of it exists.
"""

from collections.abc import Mapping
from typing import Any

__all__ = [
    "NO_ANSWER",
    "NO_DAEMON",
    "UNREADABLE",
    "CallError",
    "NoDaemon",
    "NotAllowed",
    "Refused",
    "TryAgain",
    "from_wire",
]

# Kinds of our own, beside those of WIRE 5.
NO_ANSWER = "NO_ANSWER"  # sent, and the time was up or the connection gone before an answer
UNREADABLE = "UNREADABLE"  # an answer came that is not what WIRE says
NO_DAEMON = "NO_DAEMON"

REPEATED = frozenset(
    {"OVERLOADED", "SESSION_REQUIRED", "TOO_LATE", "RATE_LIMITED", "BROKER_UNAVAILABLE"}
)
"""Kinds after which a patient client sends the same call again by itself (WIRE 8)."""

_LATER = REPEATED | {"INTERNAL", "ORDER_IN_DOUBT", "BROKER_ERROR", "JOURNAL_FAILED"}
_RIGHTS = frozenset({"UNAUTHENTICATED", "FORBIDDEN"})
_KINDS_OF_JSON_RPC = {
    -32700: "PARSE",
    -32600: "INVALID_REQUEST",
    -32601: "METHOD_NOT_FOUND",
    -32602: "INVALID_PARAMS",
    -32603: "INTERNAL",
}


class CallError(Exception):
    """A call that ended without a result.

    Args:
        kind: the cause, as in WIRE 5, or one of this module's own.
        message: plain English: what happened and what to do.
        data: what came with it; `key` always, where the call had one.
    """

    def __init__(
        self, kind: str, message: str, data: Mapping[str, Any] | None = None, code: int = 0
    ) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.data: dict[str, Any] = dict(data or {})
        self.code = code

    @property
    def retry(self) -> str | None:
        """`same_key`, `new_key`, `never`, or None where the daemon said nothing about it."""
        retry = self.data.get("retry")
        return retry if isinstance(retry, str) else None


class Refused(CallError):  # noqa: N818 - a reaction, not a cause
    """The daemon or the broker said no, and would say it again."""


class TryAgain(CallError):  # noqa: N818 - a reaction, not a cause
    """Not now. The same call with the same key may be sent again, and cannot make a second order."""

    @property
    def may_have_happened(self) -> bool:
        """The call was handed to the daemon and nobody told how it ended."""
        return self.kind in (NO_ANSWER, UNREADABLE)


class NotAllowed(CallError):  # noqa: N818 - a reaction, not a cause
    """The caller lacks the role."""


class NoDaemon(CallError):  # noqa: N818 - a reaction, not a cause
    """There was no connection, and nothing of this call was ever sent."""

    def __init__(self, message: str) -> None:
        super().__init__(NO_DAEMON, message)


def from_wire(code: int, message: str, data: Mapping[str, Any]) -> CallError:
    """The exception for a JSON-RPC error object."""
    named = data.get("kind")
    kind = named if isinstance(named, str) else _KINDS_OF_JSON_RPC.get(code, str(code))
    if kind in _RIGHTS:
        return NotAllowed(kind, message, data, code)
    if kind in _LATER:
        return TryAgain(kind, message, data, code)
    return Refused(kind, message, data, code)
