"""Answers as they stand on the wire."""

import orjson

from ordod.errors import OrdoError
from ordod.service.encoding import plain

__all__ = ["encode", "failure", "failure_from", "success"]


def encode(value: object) -> bytes:
    """JSON of structs, enums, dates and what JSON has; Decimals are numbers with at most 4 decimals. Bytes are JSON already.

    msgspec makes plain values and orjson writes them: 3 us for an order. msgspec alone would take 0.7, but writes every
    decimal there is; structs through orjson's `default` take 4.
    """
    return value if type(value) is bytes else orjson.dumps(plain(value), default=plain)


def success(request_id: bytes, result: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":' + request_id + b',"result":' + result + b"}"


def failure(request_id: bytes, code: int, message: str, data: bytes) -> bytes:
    error = b'{"code":%d,"message":%b,"data":%b}' % (code, orjson.dumps(message), data)
    return b'{"jsonrpc":"2.0","id":' + request_id + b',"error":' + error + b"}"


def failure_from(request_id: bytes, error: OrdoError) -> bytes:
    return failure(request_id, error.kind.code, error.message, encode(error.as_data()))
