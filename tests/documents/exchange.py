"""JSON that a document shows of the wire: requests are sent as they stand, and what is shown of the answers is looked for in them.

An answer may hold more than is shown. Words that say what happened (`kind`, `status`, `symbol`, ...) must be the same, other
values of the same sort; a list is compared by what it holds first.
"""

import json
import socket
import time
from pathlib import Path
from typing import Any

__all__ = ["Connection", "difference", "values"]

SAME = frozenset(
    {
        "account",
        "change",
        "code",
        "kind",
        "key",
        "method",
        "name",
        "product",
        "quantity",
        "replayed",
        "retry",
        "side",
        "symbol",
        "topic",
        "type",
    }
)
WAIT_S = 45.0


def values(text: str) -> list[Any]:
    """The JSON values that follow each other in a text. Raises ValueError."""
    decoder = json.JSONDecoder()
    found, position = [], 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        value, position = decoder.raw_decode(text, position)
        found.append(value)
    return found


def difference(shown: Any, told: Any, where: str = "") -> str:
    """What is shown and not so told; "" where all of it is."""
    match shown, told:
        case dict(), dict():
            for name, value in shown.items():
                if name not in told:
                    return f"{where}.{name}: not there"
                if name in SAME and not isinstance(value, dict | list) and value != told[name]:
                    return f"{where}.{name}: {value!r} is shown, {told[name]!r} is told"
                if said := difference(value, told[name], f"{where}.{name}"):
                    return said
            return ""
        case list(), list():
            if shown and not told:
                return f"{where}: empty"
            return next(
                (
                    said
                    for value in shown[:1]
                    if (said := difference(value, told[0], where + "[0]"))
                ),
                "",
            )
        case None, _:
            return ""
        case _:
            pass
    return "" if _sort(shown) == _sort(told) else f"{where}: {told!r} is told, {shown!r} is shown"


def _sort(value: Any) -> type:
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


class Connection:
    """One connection of a document's requests. What comes is kept until it is asked for."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(WAIT_S)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rb")
        self._come: list[Any] = []

    def close(self) -> None:
        self._lines.close()
        self._socket.close()

    def send(self, message: Any) -> None:
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def find(self, shown: Any) -> str:
        """Waits for the message that is shown; how the nearest differs, "" once it came."""
        until = time.monotonic() + WAIT_S
        nearest, seen = "nothing came", 0
        while time.monotonic() < until:
            for message in self._come[seen:]:
                if message.get("id") == shown.get("id"):
                    nearest = difference(shown, message)
                    if not nearest:
                        return ""
                    if "id" in shown:
                        return nearest
            seen = len(self._come)
            line = self._lines.readline()
            if not line:
                return "the daemon hung up"
            self._come.append(json.loads(line))
        return nearest
