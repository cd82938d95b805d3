"""call and completion."""

import sys
from decimal import Decimal
from typing import Any

import msgspec

from ordoctl import requests
from ordoctl.commands.terminal import DONE, IN_DOUBT, Misuse, Terminal

__all__ = ["call", "completion"]


def call(terminal: Terminal) -> int:
    args = terminal.args
    params: dict[str, Any] = {}
    for text in args.params:
        params.update(_from_stdin() if text == "-" else _pair(text))
    if args.account is not None:
        params.setdefault("account", args.account)
    result = terminal.show_json(requests.call(args.method, **params))
    return IN_DOUBT if _is_in_doubt(result) else DONE


def completion(terminal: Terminal) -> int:
    from ordoctl.cli import build_parser
    from ordoctl.completion import script

    sys.stdout.write(script(build_parser(), terminal.args.shell))
    return DONE


def _pair(text: str) -> dict[str, Any]:
    name, equals, value = text.partition("=")
    if not (equals and name):
        raise Misuse(f"{text!r}: parameters are name=value")
    try:
        return {name: _decoder.decode(value)}
    except msgspec.DecodeError:
        return {name: value}


def _from_stdin() -> dict[str, Any]:
    try:
        params = _decoder.decode(sys.stdin.buffer.read())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as why:
        raise Misuse(f"standard input is not JSON: {why}") from None
    if not isinstance(params, dict):
        raise Misuse("standard input is JSON, but no object; parameters go by name")
    return params


def _is_in_doubt(result: dict[str, Any]) -> bool:
    order = result.get("order")
    is_order = isinstance(order, dict) and order.get("status") == "IN_DOUBT"
    return is_order or result.get("change") == "in_doubt"


_decoder = msgspec.json.Decoder(float_hook=Decimal)
