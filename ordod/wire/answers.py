"""Answers as they stand on the wire."""

from decimal import Decimal
from typing import Any

import msgspec
import orjson

from ordod.errors import OrdoError

__all__ = ["encode", "failure", "failure_from", "success"]

DECIMALS_MAX = 4  # WIRE 2


def encode(value: object) -> bytes:
    """JSON of structs, enums, dates and what JSON has; Decimals are numbers with at most 4 decimals.

    msgspec makes plain values and orjson writes them: 3 us for an order. msgspec alone would take 0.7, but writes every
    decimal there is; structs through orjson's `default` take 4.
    """
    return orjson.dumps(msgspec.to_builtins(value, builtin_types=(Decimal,)), default=_number)


def success(request_id: bytes, result: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":' + request_id + b',"result":' + result + b"}"


def failure(request_id: bytes, code: int, message: str, data: bytes) -> bytes:
    error = b'{"code":%d,"message":%b,"data":%b}' % (code, orjson.dumps(message), data)
    return b'{"jsonrpc":"2.0","id":' + request_id + b',"error":' + error + b"}"


def failure_from(request_id: bytes, error: OrdoError) -> bytes:
    return failure(request_id, error.kind.code, error.message, encode(error.as_data()))


def _number(value: Any) -> orjson.Fragment:
    if not isinstance(value, Decimal) or not value.is_finite():
        raise TypeError(f"{type(value).__name__} has no place in an answer")
    text = f"{value:f}"
    if "." in text:
        if len(text) - text.index(".") - 1 > DECIMALS_MAX:
            text = f"{value:.{DECIMALS_MAX}f}"
        text = text.rstrip("0").rstrip(".")
    return orjson.Fragment("0" if text == "-0" else text)
