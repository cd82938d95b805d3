"""What clients are told when something did not happen: one exception, many kinds.

A kind is a cause; `Retry` is what the caller may do about it. The table below is the whole truth:
the wire, the OpenRPC document, the client and docs/errors.md read from here.
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
    """Every kind of error: its JSON-RPC code, its retry (WIRE 5), what happened, and what to do about it."""

    PARSE = (
        -32700,
        None,
        "The line is no JSON.",
        "Mend the client. It cannot be told which call it was: `id` is null.",
    )
    INVALID_REQUEST = (
        -32600,
        None,
        "JSON, but no JSON-RPC 2.0 request, or one that does not go over this connection.",
        "Mend the client.",
    )
    METHOD_NOT_FOUND = (
        -32601,
        None,
        "There is no such method in this version.",
        "The message names the closest; `rpc.discover` lists all.",
    )
    INVALID_PARAMS = (
        -32602,
        Retry.SAME_KEY,
        "A parameter is missing, unknown, of a wrong type, or makes no sense with the others. Nothing was stored.",
        "Mend what `data.field` names, then the same key.",
    )
    INTERNAL = (
        -32603,
        Retry.SAME_KEY,
        "A bug of Ordo's, before anything of the order was written down.",
        "Report it with the log's lines of `data.log_id`. The same key may be sent again.",
    )
    UNAUTHENTICATED = (
        1001,
        Retry.SAME_KEY,
        "The caller is nobody that the configuration knows.",
        "A person gives the user, group or token a role in the configuration.",
    )
    FORBIDDEN = (
        1002,
        Retry.SAME_KEY,
        "The caller's role is too small for the method, or for that account.",
        "A person gives it the role that the message names.",
    )
    OVERLOADED = (
        1003,
        Retry.SAME_KEY,
        "A bound of the daemon is reached (requests under way, connections, subscriptions), or it is stopping.",
        "The same call a little later. Cancels and the kill switch pass all the same.",
    )
    UNKNOWN_ACCOUNT = (
        1101,
        Retry.SAME_KEY,
        "No account of that name is configured.",
        "The message names those there are.",
    )
    SESSION_REQUIRED = (
        1102,
        Retry.SAME_KEY,
        "The account cannot trade yet: not logged in, waiting for an OTP, instruments loading, or its books not read since the start. Of a read also: the broker ended the session.",
        "Wait and send the same key; `account.status` says whether a person is wanted.",
    )
    AUTH_DENIED = (
        1103,
        Retry.SAME_KEY,
        "The broker refused the credentials, the login budget is spent, or a person logged the account out. Nothing is tried again by itself.",
        "A person mends them and runs `ordoctl login`. Then the same key.",
    )
    UNSUPPORTED = (
        1104,
        Retry.SAME_KEY,
        "This broker cannot do that, or cannot do it to this instrument, or this version of Ordo cannot.",
        "Another way to the same end; asking again does not help.",
    )
    KILLED = (
        1201,
        Retry.SAME_KEY,
        "The kill switch is engaged.",
        "Stop deciding. After a person's release the same key goes through.",
    )
    RISK_REFUSED = (
        1202,
        Retry.SAME_KEY,
        "A limit of `[risk]`, of the account or of the strategy would be passed; `data.limit` says which.",
        "A smaller order is another order; a limit is a person's to change.",
    )
    KEY_REUSED = (
        1203,
        Retry.NEVER,
        "The key belongs to another order, GTT or change. `data.differs` names the fields, `data.order` is that order (left out past 30 days).",
        "A mistake of the bot: two orders, one key. Look at `data.order` before anything else.",
    )
    ORDER_REJECTED = (
        1204,
        Retry.NEW_KEY,
        "The broker's sure no, in its own words in `data.broker_message`; of a change: there is nothing left to change.",
        "The order is off. What comes next is a new decision under a new key.",
    )
    INSUFFICIENT_FUNDS = (
        1205,
        Retry.NEW_KEY,
        "The broker's sure no for want of money, margin or shares.",
        "As ORDER_REJECTED.",
    )
    TOO_LATE = (
        1206,
        Retry.SAME_KEY,
        "`timeout_ms` passed before anything was sent.",
        "The same key, if the order is still wanted; perhaps with more time.",
    )
    ORDER_IN_DOUBT = (
        1207,
        Retry.SAME_KEY,
        "A modify of an order whose fate is not known; `data.order`.",
        "Wait with `order.get` and `wait_ms`. A cancel is taken at once, and goes out when the order appears.",
    )
    UNKNOWN_ORDER = (
        1208,
        Retry.SAME_KEY,
        "No order of that key or `order_id`; `data.closest` may name one.",
        "Look at `order.list`. Of a key: nothing was ever sent under it.",
    )
    UNKNOWN_INSTRUMENT = (
        1209,
        Retry.SAME_KEY,
        "The broker lists no such contract, or several that it may stand for; `data.closest` names what comes near.",
        "`instrument.search`; symbols are `EXCHANGE:SYMBOL`.",
    )
    MARKET_CLOSED = (
        1210,
        Retry.NEW_KEY,
        "The broker's sure no: the market does not take it now.",
        "The order is off; at the opening a new key, or `variety` AMO.",
    )
    RATE_LIMITED = (
        1301,
        Retry.SAME_KEY,
        "The wait for a slot in the broker's limits would pass the deadline, or the broker said too many. Nothing was sent, or surely had no effect.",
        "The same key after `data.retry_after_ms`, where it is told. Slow down: cancels count too.",
    )
    BROKER_UNAVAILABLE = (
        1302,
        Retry.SAME_KEY,
        "No connection, or none was tried after several failures in a row: nothing was sent. Of a read: it failed.",
        "The same key a little later.",
    )
    BROKER_ERROR = (
        1303,
        Retry.SAME_KEY,
        "A read's answer that Ordo does not understand.",
        "Ask again; if it stays, report it. Orders are never answered so.",
    )
    JOURNAL_FAILED = (
        1401,
        Retry.SAME_KEY,
        "The disk did not take the record, so nothing was sent. It stays so until a restart; cancels and the kill switch go on.",
        "A person mends the disk and restarts ordod. Then the same key.",
    )

    def __init__(self, code: int, retry: Retry | None, means: str, advice: str) -> None:
        self.code = code
        self.retry = retry
        self.means = means
        self.advice = advice


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
