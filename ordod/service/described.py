"""What a type's docstring says of it and of its fields: the words of `rpc.discover` and of docs/methods.md stand beside the fields.

The text before `Args:` tells of the type; `name: ...` or `name, name: ...` below it tells of its fields, and a class inherits
what it does not say itself. A name that means the same wherever it stands is told once, in `COMMON`.
"""

import inspect
import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

__all__ = ["COMMON", "about"]

_FIELD = re.compile(r"    (?P<names>\w+(?:, \w+)*): (?P<text>.+)")

COMMON: Mapping[str, str] = MappingProxyType(
    {
        "account": "the account's name in the configuration",
        "after": "go on behind this page: the `next` of the answer before",
        "at": "when",
        "ask_price": "the best, rupees",
        "bid_price": "the best, rupees",
        "close_price": "the day before's, rupees",
        "average_price": "rupees a unit, of what was filled",
        "broker": "the broker's id",
        "broker_order_id": "the broker's own id of the order",
        "change": "`done`, or `in_doubt`: sent, and not seen yet",
        "epoch": "names the journal: a `seq` means the same as long as it is the same",
        "disclosed_quantity": "units that the market sees",
        "error": "why this one failed; the others stand",
        "exchange": "NSE, BSE, NFO, BFO, CDS, BCD, MCX, NSE_INDEX or BSE_INDEX",
        "exchange_order_id": "the exchange's own id of the order",
        "expiry": "the day the contract ends",
        "high_price": "the day's highest, rupees",
        "isin": "of the security; null: not told",
        "key": "the caller's own name of the order: the same key is the same order",
        "last_price": "rupees",
        "limit": "how many at most",
        "low_price": "the day's lowest, rupees",
        "lower_circuit": "the least price that the exchange takes today, rupees",
        "message": "in words",
        "missing": "symbols that the broker is silent about",
        "next": "give it as `after` for the next page; null: this was the last",
        "oi": "open interest, units",
        "open_price": "the day's first, rupees",
        "order": "how the order stands",
        "order_id": "Ordo's id of the order",
        "price": "limit, rupees, on the tick; LIMIT and SL",
        "product": "how it is settled and margined",
        "quantity": "units, not lots",
        "read_at": "when the broker was read",
        "reason": "why, for the journal and for whoever looks later",
        "replayed": "true: the key was known, and this is how its order stands now",
        "seq": "the number of the journal's record that made it so",
        "side": "what is done: bought or sold",
        "strike": "rupees",
        "strategy": "a label of the caller's, by which orders are found, cancelled and limited",
        "symbol": "the contract, `EXCHANGE:SYMBOL`",
        "symbols": "contracts, each `EXCHANGE:SYMBOL`",
        "timeout_ms": "how long the caller waits; what was begun goes on without it",
        "trigger_price": "rupees, on the tick; SL and SL-M",
        "type": "MARKET: at once; LIMIT: at `price` or better; SL and SL-M: a LIMIT or MARKET from `trigger_price` on",
        "unreadable": "rows of the broker's that could not be read; left out where all could",
        "upper_circuit": "the highest price that the exchange takes today, rupees",
        "validity": "how long it stands: the day, what can be had at once (IOC), or some minutes (TTL)",
        "variety": "REGULAR; AMO: after the market; ICEBERG: in parts; CO: with a stop",
        "volume": "units traded today",
    }
)


def about(described: type) -> tuple[str, Mapping[str, str]]:
    """What it is ("" where nothing says), and what its fields are, by name."""
    text, own = _read(described)
    fields: dict[str, str] = {}
    for each in reversed(described.__mro__[1:]):
        fields |= _read(each)[1]
    return text, {**COMMON, **fields, **own}


@cache
def _read(described: type) -> tuple[str, dict[str, str]]:
    doc = described.__dict__.get("__doc__")
    if not doc or described is object:
        return "", {}
    text, _, listed = inspect.cleandoc(doc).partition("\nArgs:\n")
    fields: dict[str, str] = {}
    names: list[str] = []
    for line in listed.splitlines():
        if found := _FIELD.fullmatch(line):
            names = found["names"].split(", ")
            fields |= dict.fromkeys(names, found["text"])
        elif names and line.startswith("        "):
            fields |= {name: f"{fields[name]} {line.strip()}" for name in names}
        else:
            names = []
    return text.strip(), {name: each.removesuffix(".") for name, each in fields.items()}
