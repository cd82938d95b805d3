"""Domain values as plain ones, for JSON."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import anyio.lowlevel
import msgspec
import orjson

__all__ = ["DECIMALS_MAX", "encoded_rows", "number", "plain"]

DECIMALS_MAX = 4  # WIRE 2
ROWS_AT_ONCE = 500  # some 1.5 ms


def plain(value: Any) -> Any:
    """What orjson takes: structs as objects, Decimals as JSON numbers with at most 4 decimals."""
    if isinstance(value, Decimal):
        return number(value)
    return msgspec.to_builtins(value, builtin_types=(Decimal,))


def number(value: Decimal) -> orjson.Fragment:
    """Raises TypeError for nan and inf: they have no place in an answer."""
    if not value.is_finite():
        raise TypeError(f"{value} has no place in an answer")
    text = f"{value:f}"
    if "." in text:
        if len(text) - text.index(".") - 1 > DECIMALS_MAX:
            text = f"{value:.{DECIMALS_MAX}f}"
        text = text.rstrip("0").rstrip(".")
    return orjson.Fragment("0" if text == "-0" else text)


async def encoded_rows(rows: Sequence[object]) -> bytes:
    """A list that may be very long as JSON, made in steps: the loop turns between them, and an order waits for one."""
    parts = []
    for begin in range(0, len(rows), ROWS_AT_ONCE):
        some = orjson.dumps(plain(rows[begin : begin + ROWS_AT_ONCE]), default=plain)
        parts.append(some[1:-1])
        await anyio.lowlevel.checkpoint()
    return b"[" + b",".join(parts) + b"]"
