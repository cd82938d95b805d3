"""docs/errors.md: the table of kinds for people, with an example of each as a daemon words it."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from ordod.adapter.codes import Fault
from ordod.core.account import READ_KINDS
from ordod.core.orders.sending import NO_EFFECT, SURE_NO
from ordod.errors import Kind, Retry
from ordod.manual.markdown import anchor, table

__all__ = ["EXAMPLES", "page"]

INTRO = """# Errors

Made of `ordod/errors.py` by `python -m ordod.manual errors`. An error is a JSON-RPC error object: `code`, `message` (plain English: what happened, the value, what to do) and `data`. Programs go by `data.kind` and
`data.retry`; messages are for people, and get better. `data` holds those of `kind account key retry field value differs order limit broker_code broker_message retry_after_ms log_id closest` that apply.

## Retry

What an error says of the key it was asked with; on a modify, a cancel and other changes it speaks of the change, never of the order.

| `retry` | it says | the bot |
| --- | --- | --- |
| `same_key` | this call changed nothing, and says nothing about the key | mends the cause or waits, then sends the same key |
| `new_key` | no order of this key exists, now or later | takes the order as off; a new decision takes a new key |
| `never` | the key is another order's | has a mistake: two orders, one key |

PARSE, INVALID_REQUEST and METHOD_NOT_FOUND have none: no call was understood.

## No error: doubt

An order that was sent and not answered is no error. It is a **result** whose `status` is IN_DOUBT, and it ends by evidence only: FILLED, OPEN, REJECTED, ..., or NOT_PLACED. So an error never leaves a bot
to guess, and a bot's rule is: *send the same key until you get a result, `new_key` or `never`*. [orders.md](orders.md#doubt) tells how a doubt ends.

| what the bot holds | how the order stands |
| --- | --- |
| a result, PENDING OPEN TRIGGER_PENDING PARTIALLY_FILLED | it lives |
| a result, FILLED CANCELLED REJECTED EXPIRED | it has ended so |
| a result, IN_DOUBT | it may have been sent; it is looked for |
| a result, NOT_PLACED | the books have proved that the broker does not have it |
| an error, `new_key` | there is none, and will be none |
| an error, `same_key` | this call did nothing; what calls before it did stands as it did |
| an error, `never` | it is another order, in `data.order` |
| no answer: the connection broke | not known to the bot: the same key tells |

## Kinds

"""

# What a daemon says, as an example. tests/documents/test_errors.py has one say it, or finds the words in the code.
EXAMPLES: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.PARSE: "the message is not JSON: Input data was truncated",
        Kind.INVALID_REQUEST: '`jsonrpc` must be "2.0"',
        Kind.METHOD_NOT_FOUND: "there is no method `order.palce`; did you mean `order.place`?",
        Kind.INVALID_PARAMS: '`quantity` must be a whole number, not "ten"',
        Kind.OVERLOADED: "this connection has 64 subscriptions already: end one, or name several topics and symbols in one",
        Kind.UNKNOWN_ACCOUNT: "no account 'papr' is configured; there are: away paper poor",
        Kind.SESSION_REQUIRED: "the order book of kite was not read yet since the start; ask again in a moment",
        Kind.AUTH_DENIED: "away was logged out by a person and is stopped. Run: ordoctl login away",
        Kind.UNSUPPORTED: "NSE_INDEX:NIFTY is an index and cannot be ordered; take its future, an option or an ETF",
        Kind.KILLED: "the kill switch is engaged; nothing was sent. See kill.status; an admin may release it",
        Kind.RISK_REFUSED: "quantity 10 is above 5 ([risk] max_quantity of strategy small). "
        "Nothing was sent; change the order or the limit.",
        Kind.KEY_REUSED: "key monday-1 belongs to another order (differs in quantity); take a new key for a new order",
        Kind.ORDER_REJECTED: "order o1a21b85d1409870ed560002 is FILLED; there is nothing to cancel",
        Kind.INSUFFICIENT_FUNDS: "15426.00 rupees are needed and 10.00 available",
        Kind.TOO_LATE: "the deadline passed before the order was written down; send the same key again",
        Kind.ORDER_IN_DOUBT: "how order o1a21b85d1409870ed560002 stands is not known yet; ask order.get, then modify",
        Kind.UNKNOWN_ORDER: "there is no order of key never-was at paper",
        Kind.UNKNOWN_INSTRUMENT: "Paper has no instrument 'NSE:INFYY'; near: NSE:INFY, NSE:SBIN",
        Kind.RATE_LIMITED: "the broker's limit of orders is reached; a slot is free in 0.8 s, past the deadline",
        Kind.BROKER_UNAVAILABLE: "Zerodha could not be reached of late; the next try is in 12 s",
        Kind.JOURNAL_FAILED: "it could not be written down (No space left on device), so nothing was sent. See to the disk",
    }
)


def page(examples: Mapping[Kind, str] = EXAMPLES) -> str:
    """Markdown of every kind."""
    return "".join(_parts(examples))


def _parts(examples: Mapping[Kind, str]) -> Iterable[str]:
    yield INTRO
    yield table(
        ("code", "kind", "`retry`"),
        ((str(kind.code), f"[{kind.name}](#{anchor(kind.name)})", _retry(kind)) for kind in Kind),
    )
    for kind in Kind:
        yield f"\n### {kind.name}\n\n`{kind.code}`"
        yield f", {_retry(kind)}. " if kind.retry else ". "
        yield f"{kind.means} {kind.advice}\n"
        if said := examples.get(kind):
            yield f"\n> {said}\n"
    yield "\n## What brokers say\n\n"
    yield (
        "An adapter names what a broker's refusal means, a fault. Of an order the fault counts only where a source says that the refusal is sure; everything else is doubt, "
        "also the faults that stand below as *in doubt*. Before the first byte has left there is no doubt: what would be is BROKER_UNAVAILABLE, and UNSUPPORTED stays UNSUPPORTED, both `same_key`. `data.broker_code` and `data.broker_message` have the broker's own words.\n\n"
    )
    yield table(
        ("fault", "of an order, a change", "of a read"),
        ((fault.value, _of_write(fault), _of_read(fault)) for fault in Fault),
    )


def _retry(kind: Kind) -> str:
    return f"`{kind.retry}`" if kind.retry else ""


def _of_write(fault: Fault) -> str:
    if fault in SURE_NO:
        return f"{SURE_NO[fault].name}, `{Retry.NEW_KEY}`"
    if fault in NO_EFFECT:
        return f"{NO_EFFECT[fault].name}, `{Retry.SAME_KEY}`"
    return "*in doubt*"


def _of_read(fault: Fault) -> str:
    return READ_KINDS.get(fault, Kind.BROKER_ERROR).name
