"""What clients are told when something did not happen: one exception, many kinds.

A kind is a cause; `Retry` is what the caller may do about it. The table below is the whole truth:
the wire, the OpenRPC document and the client read codes and retries from here.
"""

from enum import Enum, StrEnum
from typing import Any

__all__ = ["Kind", "OrdoError", "Retry"]


class Retry(StrEnum):
    """What an error says of the key it was asked with (WIRE 4)."""

    SAME_KEY = "same_key"  # this call changed nothing and says nothing about the key
    NEW_KEY = "new_key"  # no order of this key exists, now or later
    NEVER = "never"  # the key belongs to another order


class Kind(Enum):
    """Every kind of error, with its JSON-RPC code and its retry (WIRE 5)."""

    PARSE = (-32700, None)
    INVALID_REQUEST = (-32600, None)
    METHOD_NOT_FOUND = (-32601, None)
    INVALID_PARAMS = (-32602, Retry.SAME_KEY)
    INTERNAL = (-32603, Retry.SAME_KEY)
    UNAUTHENTICATED = (1001, Retry.SAME_KEY)
    FORBIDDEN = (1002, Retry.SAME_KEY)
    OVERLOADED = (1003, Retry.SAME_KEY)
    UNKNOWN_ACCOUNT = (1101, Retry.SAME_KEY)
    SESSION_REQUIRED = (1102, Retry.SAME_KEY)
    AUTH_DENIED = (1103, Retry.SAME_KEY)
    UNSUPPORTED = (1104, Retry.SAME_KEY)
    KILLED = (1201, Retry.SAME_KEY)
    RISK_REFUSED = (1202, Retry.SAME_KEY)
    KEY_REUSED = (1203, Retry.NEVER)
    ORDER_REJECTED = (1204, Retry.NEW_KEY)
    INSUFFICIENT_FUNDS = (1205, Retry.NEW_KEY)
    TOO_LATE = (1206, Retry.SAME_KEY)
    ORDER_IN_DOUBT = (1207, Retry.SAME_KEY)
    UNKNOWN_ORDER = (1208, Retry.SAME_KEY)
    UNKNOWN_INSTRUMENT = (1209, Retry.SAME_KEY)
    MARKET_CLOSED = (1210, Retry.NEW_KEY)
    RATE_LIMITED = (1301, Retry.SAME_KEY)
    BROKER_UNAVAILABLE = (1302, Retry.SAME_KEY)
    BROKER_ERROR = (1303, Retry.SAME_KEY)
    JOURNAL_FAILED = (1401, Retry.SAME_KEY)

    def __init__(self, code: int, retry: Retry | None) -> None:
        self.code = code
        self.retry = retry


class OrdoError(Exception):
    """A call that did not do what was asked, as a client sees it.

    Args:
        kind: the cause; decides code and retry.
        message: plain English: what happened, the value that was wrong, what to do.
        data: what WIRE 5 lists besides (`field`, `value`, `limit`, `order`, `broker_message`, ...); never a secret.
    """

    def __init__(self, kind: Kind, message: str, **data: Any) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.data = {name: value for name, value in data.items() if value is not None}

    def as_data(self) -> dict[str, Any]:
        """The `data` member of the JSON-RPC error object."""
        retry = {"retry": self.kind.retry.value} if self.kind.retry else {}
        return {"kind": self.kind.name, **retry, **self.data}
