"""One line of the journal: how a record is written, chained to the one before, and read back.

    {"seq":1842,"batch":977,"at":"2026-11-23T09:15:00.123456+05:30","type":"intent", ... ,"hash":"<32 hex>"}

The hash covers the hash of the line before and every byte of this one up to `,"hash"`; what follows is fixed text. So no bit
of a line can change without being seen: the body by the hash, the rest by comparison.
"""

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime

import msgspec
from msgspec import Struct

from ordod.core.orders.records import Entry, Record

__all__ = [
    "HEADER_BYTES_MAX",
    "SEAL_BYTES_MAX",
    "Codec",
    "Header",
    "body",
    "entry",
    "header",
    "headers",
    "stated_hash",
    "without_hash",
]

_HASH = b',"hash":"'
_END = b'"}'
_CHARS = 32
_TAIL = len(_HASH) + _CHARS + len(_END)

HEADER_BYTES_MAX = 128
SEAL_BYTES_MAX = 192  # a seal is its header and its hash; saves looking into longer lines
_HEADER = re.compile(rb'\{"seq":(\d{1,18}),"batch":(\d{1,18}),"at":"([^"]{32})","type":"([a-z]+)"')

_encoder = msgspec.json.Encoder(decimal_format="number")
_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


class Header(Struct, frozen=True):
    """What every line begins with. `at` as text; `position`: where it stands in the bytes it was found in."""

    seq: int
    batch: int
    at: str
    type: str
    position: int


class Codec:
    """Writes lines and checks them, with a key or without."""

    def __init__(self, key: bytes | None) -> None:
        self._fresh = hashlib.blake2b(digest_size=_CHARS // 2, key=key or b"")

    def lines(
        self, bodies: Iterable[bytes], *, seq: int, batch: int, at: datetime, previous: str
    ) -> tuple[bytes, str]:
        """The bytes of one batch whose first record is `seq`, and the hash of its last."""
        time = at.isoformat(timespec="microseconds").encode()
        middle = b',"batch":%d,"at":"%s",' % (batch, time)
        parts: list[bytes] = []
        digest = previous.encode()
        for number, body in enumerate(bodies, seq):
            line = b'{"seq":%d%b%b' % (number, middle, body)
            digest = self._digest(digest, line)
            parts += (line, _HASH, digest, b'"}\n')
        return b"".join(parts), digest.decode()

    def check(self, line: bytes, previous: bytes) -> bytes | None:
        """The line's hash if the line, without its newline, follows the one with the hash `previous`; else None."""
        digest = self._digest(previous, line[:-_TAIL])
        return digest if line[-_TAIL:] == _HASH + digest + _END else None

    def seal(self, *parts: bytes) -> str:
        """A check sum of a few values, none of which holds a newline but the last."""
        return self._digest(b"\n".join(parts), b"").decode()

    def _digest(self, previous: bytes, body: bytes) -> bytes:
        state = self._fresh.copy()
        state.update(previous + body)
        return state.hexdigest().encode()


def body(record: Record) -> bytes:
    """The middle of a record's line, from `"type"` on."""
    return _encoder.encode(record)[1:-1]


def entry(line: bytes, seq: int) -> Entry:
    """A checked line as an entry.

    Raises:
        msgspec.ValidationError: a record this version does not know.
    """
    start = line.index(b'"at":"') + 6
    at = datetime.fromisoformat(line[start : start + 32].decode())
    return Entry(seq, at, _decoder.decode(line))


def header(line: bytes) -> Header | None:
    """What the line begins with; None where it cannot be read."""
    found = _HEADER.match(line)
    return _header(found) if found else None


def headers(data: bytes) -> list[Header]:
    """Everything in these bytes that looks like a line's beginning, wherever it stands.

    Not only behind a newline, for that may be the damaged byte. A string of a record cannot look like one: its quotes are
    escaped.
    """
    return [_header(found) for found in _HEADER.finditer(data)]


def stated_hash(line: bytes) -> str:
    """The hash a line claims to have, unchecked."""
    return line[-len(_END) - _CHARS : -len(_END)].decode("ascii", "replace")


def without_hash(line: bytes) -> bytes:
    """A whole line as JSON of the record alone."""
    return line[:-_TAIL] + b"}"


def _header(found: re.Match[bytes]) -> Header:
    seq, batch, at, kind = found.groups()
    return Header(int(seq), int(batch), at.decode("ascii", "replace"), kind.decode(), found.start())
