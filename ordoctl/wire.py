"""JSON-RPC lines: what is sent, and what a line that came may be. Pure."""

from decimal import Decimal
from typing import Any, TypeAlias

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

__all__ = [
    "EVENT",
    "LINE_BYTES_MAX",
    "Answer",
    "Error",
    "Lines",
    "Message",
    "Notice",
    "Progress",
    "Unreadable",
    "progress",
    "read",
    "write",
]

LINE_BYTES_MAX = 256 * 1024 * 1024
"""A longer line is no answer: the longest we know, 1,000 orders of 1 KiB or a year of minute candles, is a tenth of it."""


class Error(Struct, frozen=True):
    """The `error` member."""

    code: int = 0
    message: str = ""
    data: Any = None


class _Envelope(Struct, frozen=True):
    id: int | str | None = None
    result: Raw | UnsetType = UNSET
    error: Error | UnsetType | None = UNSET
    method: str | None = None
    params: Raw | UnsetType = UNSET


class Answer(Struct, frozen=True):
    """A result or an error. `id` is None where the daemon could not read what was sent."""

    id: int | str | None
    result: Raw | None
    error: Error | None


EVENT = "event"


class Notice(Struct, frozen=True):
    """A message that is no answer: an event, or how far a call is."""

    method: str
    params: Raw


class Progress(Struct, frozen=True):
    """How far a call is; `progress` is the word that its parameters had."""

    progress: str
    done: int
    of: int


class Unreadable(Exception):  # noqa: N818 - what came, not what went wrong with us
    """A line that is no JSON-RPC message."""


Message: TypeAlias = Answer | Notice

_encoder = msgspec.json.Encoder()
_progress = msgspec.json.Decoder(Progress)
_envelopes = msgspec.json.Decoder(_Envelope, float_hook=Decimal)


def write(call_id: int, method: str, params: dict[str, Any]) -> bytes:
    """One request, its newline included."""
    message = {"jsonrpc": "2.0", "id": call_id, "method": method, "params": params}
    return _encoder.encode(message) + b"\n"


def read(line: bytes) -> Message:
    """What a line says. Raises Unreadable."""
    try:
        envelope = _envelopes.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as why:
        raise Unreadable(str(why)) from None
    if envelope.method is not None:
        params = envelope.params
        return Notice(envelope.method, Raw(b"{}") if isinstance(params, UnsetType) else params)
    if isinstance(envelope.error, Error):
        return Answer(envelope.id, None, envelope.error)
    if not isinstance(envelope.result, UnsetType):
        return Answer(envelope.id, envelope.result, None)
    raise Unreadable("neither a result nor an error")


def progress(notice: Notice) -> Progress | None:
    """What it says of a call; None: it is another notice."""
    try:
        return _progress.decode(notice.params) if notice.method == "progress" else None
    except msgspec.MsgspecError:
        return None


class Lines:
    """Bytes as they come, lines as they end."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._length = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` ends, blank ones left out. Raises Unreadable: one has no end."""
        *ended, rest = data.split(b"\n")
        lines = []
        for line in ended:
            whole = b"".join([*self._pieces, line]).strip()
            self._pieces.clear()
            self._length = 0
            if whole:
                lines.append(whole)
        if rest:
            self._pieces.append(rest)
            self._length += len(rest)
            if self._length > LINE_BYTES_MAX:
                raise Unreadable(f"a line of more than {LINE_BYTES_MAX} bytes")
        return lines
