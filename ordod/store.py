"""Ordo's encrypted store: names and their values in one file, `STATE/secrets.store`.

`secret/NAME` is a secret of the user's, `session/ACCOUNT` a broker's session. The file is replaced whole at every change
(`private_file`). What cannot be read whole (damage, another key, a newer format, a file that others can read) is refused and
never written over.

    magic 8 · version 2 · key id 16 · nonce 12 · AES-256-GCM of the entries, the 38 bytes before as associated data · digest 16

The digest is BLAKE2b of all before it, without a key. It adds nothing to the encryption: it tells damage from a wrong key and
from a newer format, which would otherwise look alike where the flipped bit stands in the header.

Everything here blocks, on the disk or on another process's lock: the daemon calls it in a thread.
"""

import os
import re
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ordod.private_file import PrivateFile

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["KEY_BYTES", "Key", "NoKey", "Store", "StoreError"]

KEY_BYTES = 32
VALUE_BYTES_MAX = 64 * 1024  # as of any secret
STORE_BYTES_MAX = 256 * 1024  # hundreds of accounts; read and decrypted in a millisecond

MAGIC = b"ORDOSTOR"
VERSION = 1
ID_BYTES = 16
NONCE_BYTES = 12
DIGEST_BYTES = 16
_ID_AT = len(MAGIC) + 2
_NONCE_AT = _ID_AT + ID_BYTES
_SEALED_AT = _NONCE_AT + NONCE_BYTES

NAME = re.compile(r"(?:secret|session)/(?!\.{1,2}$)[A-Za-z0-9._-]{1,64}")


class StoreError(Exception):
    """The store cannot be read or changed; nothing was. The message says why and what to do, and no value."""


class NoKey(StoreError):  # noqa: N818 - a state of things, with its own way out
    """None of the places holds a key."""


class Key:
    """32 random bytes, and in `place` where they were found. Shows itself as its id, which says nothing about it."""

    __slots__ = ("_bytes", "id", "place")

    def __init__(self, secret: bytes, place: str) -> None:
        """Raises ValueError."""
        if len(secret) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes")
        self._bytes = secret
        self.place = place
        self.id = blake2b(digest_size=ID_BYTES, key=secret, person=b"ordod store id").digest()

    @classmethod
    def read(cls, text: str, place: str) -> "Key":
        """From 64 hex digits or 43 to 44 characters of base64. Raises ValueError, without the text."""
        text = text.strip()
        try:
            if len(text) == 2 * KEY_BYTES:
                return cls(bytes.fromhex(text), place)
            padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
            return cls(
                b64decode(padded, altchars=b"-_" if {"-", "_"} & {*text} else None, validate=True),
                place,
            )
        except ValueError:
            raise ValueError(f"is no key: {KEY_BYTES} bytes, as hex digits or base64") from None

    def reveal(self) -> bytes:
        return self._bytes

    def __repr__(self) -> str:
        return f"Key({self.id.hex()[:8]}, {self.place})"


class _Entry(msgspec.Struct, frozen=True):
    at: datetime
    value: bytes

    def __repr__(self) -> str:
        return "_Entry(***)"


class Store:
    """One file and its key. Holds nothing else: every call reads the file as it is then.

    Args:
        path: the file; it and its folder need not be there. The lock's file lies beside it.
        find_key: called when the key is first needed, which it is not to learn that there is no file. Raises StoreError.
    """

    def __init__(
        self,
        path: Path,
        find_key: Callable[[], Key],
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.path = path
        self._file = PrivateFile(path, StoreError)
        self._find_key = find_key
        self._found: Key | None = None
        self._now = now

    def __repr__(self) -> str:
        return f"Store({self.path})"

    def key(self) -> Key:
        """Raises NoKey, or StoreError where there is one that cannot be used."""
        if self._found is None:
            self._found = self._find_key()
        return self._found

    def get(self, name: str) -> bytes | None:
        """Raises StoreError."""
        entry = self._read().get(name)
        return None if entry is None else entry.value

    def names(self, prefix: str = "") -> dict[str, datetime]:
        """The names that begin so, in order, and when each was set (UTC). Raises StoreError."""
        entries = self._read()
        return {name: entries[name].at for name in sorted(entries) if name.startswith(prefix)}

    def put(self, name: str, value: bytes) -> None:
        """On disk when this returns.

        Raises:
            StoreError: nothing was changed.
            ValueError: the name is none, or the value too long.
        """
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name in the store")
        if len(value) > VALUE_BYTES_MAX:
            raise ValueError(f"{name}: longer than {VALUE_BYTES_MAX} bytes")
        with self._file.alone():
            self._write(self._read() | {name: _Entry(self._now(), value)})

    def remove(self, name: str) -> bool:
        """Whether it was there. Raises StoreError: nothing was changed."""
        with self._file.alone():
            entries = self._read()
            if entries.pop(name, None) is None:
                return False
            self._write(entries)
            return True

    # Reading

    def _read(self) -> dict[str, _Entry]:
        content = self._content()
        return {} if content is None else self._opened(content)

    def _content(self) -> bytes | None:
        content = self._file.read(STORE_BYTES_MAX)
        if content is not None and len(content) > STORE_BYTES_MAX:
            raise self._damaged(f"larger than {STORE_BYTES_MAX} bytes")
        return content

    def _opened(self, content: bytes) -> dict[str, _Entry]:
        body, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
        if not content.startswith(MAGIC):
            raise self._damaged("it does not begin as one")
        if len(body) < _SEALED_AT or _digest(body) != digest:
            raise self._damaged("its checksum is wrong")
        version = int.from_bytes(body[len(MAGIC) : _ID_AT])
        if version != VERSION:
            raise StoreError(
                f"{self.path} is of format {version}, and this ordod reads format {VERSION}: use the version that wrote it"
            )
        key, wanted = self.key(), body[_ID_AT:_NONCE_AT]
        if wanted != key.id:
            raise StoreError(
                f"{self.path} was written with another key ({wanted.hex()[:8]}) than that of {key.place} "
                f"({key.id.hex()[:8]}): give it its key, or {self._way_out}"
            )
        try:
            plain = _cipher(key).decrypt(
                body[_NONCE_AT:_SEALED_AT], body[_SEALED_AT:], body[:_SEALED_AT]
            )
            return _decoder.decode(plain)
        except Exception:  # noqa: BLE001 - of whatever kind, and its words may hold a value
            raise self._damaged("it cannot be decrypted") from None

    def _damaged(self, why: str) -> StoreError:
        return StoreError(
            f"{self.path} is damaged or no store of Ordo's ({why}); nothing was changed: put back a copy of it, or {self._way_out}"
        )

    @property
    def _way_out(self) -> str:
        return f"move it away (mv {self.path} {self.path}.old) and set its secrets anew (ordoctl secret set NAME)"

    # Writing

    def _write(self, entries: dict[str, _Entry]) -> None:
        key, nonce = self.key(), os.urandom(NONCE_BYTES)
        head = MAGIC + VERSION.to_bytes(2) + key.id + nonce
        body = head + _cipher(key).encrypt(nonce, _encoder.encode(entries), head)
        content = body + _digest(body)
        if len(content) > STORE_BYTES_MAX:
            raise StoreError(
                f"{self.path} would be larger than {STORE_BYTES_MAX} bytes: remove a secret first"
            )
        self._file.replace(content)


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=DIGEST_BYTES, person=b"ordod store").digest()


def _cipher(key: Key) -> "AESGCM":
    # Imported when there is something to read: it costs 20 ms and some MiB that no daemon without a store should pay.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key.reveal())


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(dict[str, _Entry])
