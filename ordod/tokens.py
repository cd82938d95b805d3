"""Tokens: who may come in over TCP. `STATE/tokens.json` holds a hash of each, with a name, a role, accounts and an end.

A token is 256 random bits, shown once. Its hash is a plain, fast one (BLAKE2b): slow hashes make up for passwords that can be
guessed, and of 2**256 tokens none can be guessed at any speed; a slow one would only let strangers keep the daemon busy. Texts
of one length are compared, every one of them, and without an early end: how long a no takes says nothing about how near it was.

`TokenFile` changes the file (`ordoctl token`), `Tokens` is the daemon's view of it.
"""

import os
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from hashlib import blake2b
from hmac import compare_digest
from pathlib import Path
from typing import Annotated

import msgspec
import structlog
from msgspec import Meta, Struct

from ordod.private_file import PrivateFile

__all__ = ["NAME", "Token", "TokenError", "TokenFile", "TokenRole", "Tokens", "token_path"]

PREFIX = "ordo_"  # so that scanners for leaked secrets know one
SECRET_BYTES = 32
TOKENS_MAX = 256  # each costs every authentication a comparison of 0.2 us
FILE_BYTES_MAX = 256 * 1024
FORMAT = 1

NAME = re.compile(r"[A-Za-z0-9._-]{1,32}")

log = structlog.get_logger("tokens")


class TokenError(Exception):
    """The tokens cannot be read or changed; nothing was. The message says why and what to do."""


class TokenRole(StrEnum):
    """WIRE 7's roles; NOBODY is what a token for some accounts gives elsewhere."""

    NOBODY = "nobody"
    READ = "read"
    TRADE = "trade"
    ADMIN = "admin"


class Token(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of a token; never the token. `accounts`: the role there, where it differs."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,32}$")]
    hash: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    role: TokenRole
    accounts: dict[str, TokenRole] = {}
    created_at: Annotated[datetime, Meta(tz=True)]
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


class _Content(Struct, frozen=True, forbid_unknown_fields=True):
    format: int
    tokens: Annotated[tuple[Token, ...], Meta(max_length=TOKENS_MAX)]


def token_path(state_dir: Path) -> Path:
    return state_dir / "tokens.json"


class TokenFile:
    """The file as it is changed by people, with or without a daemon that runs.

    Args:
        now: with an offset.
    """

    def __init__(
        self, path: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.path = path
        self._file = PrivateFile(path, TokenError)
        self._now = now

    def listed(self) -> tuple[Token, ...]:
        """As they were made, also those past their end. Raises TokenError."""
        content = self._file.read(FILE_BYTES_MAX)
        return () if content is None else _read(self.path, content)

    def make(
        self,
        name: str,
        role: TokenRole,
        accounts: Mapping[str, TokenRole],
        expires_at: datetime | None,
    ) -> tuple[str, Token]:
        """A new token, and what is kept of it, on disk. Raises TokenError: nothing was changed."""
        if not NAME.fullmatch(name):
            raise TokenError("a token's name has 1 to 32 of A-Z a-z 0-9 . _ -")
        text = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        made = Token(
            name=name,
            hash=_digest(text).hex(),
            role=role,
            accounts=dict(accounts),
            created_at=self._now().replace(microsecond=0),
            expires_at=expires_at,
        )
        with self._file.alone():
            tokens = self.listed()
            if any(token.name == name for token in tokens):
                raise TokenError(
                    f"there is a token {name} already: choose another name, or revoke that one first (ordoctl token revoke {name})"
                )
            if len(tokens) >= TOKENS_MAX:
                raise TokenError(
                    f"there are {len(tokens)} tokens, the most there may be: revoke some"
                )
            self._write((*tokens, made))
        return text, made

    def revoke(self, name: str) -> Token:
        """The token that is no more. Raises TokenError: nothing was changed, or there is none of this name."""
        with self._file.alone():
            tokens = self.listed()
            gone = next((token for token in tokens if token.name == name), None)
            if gone is None:
                near = get_close_matches(name, [token.name for token in tokens], 1)
                hint = f'; did you mean "{near[0]}"?' if near else ""
                raise TokenError(f"there is no token {name}{hint}")
            self._write(tuple(token for token in tokens if token is not gone))
        return gone

    def _write(self, tokens: tuple[Token, ...]) -> None:
        content = msgspec.json.format(msgspec.json.encode(_Content(FORMAT, tokens)), indent=1)
        self._file.replace(content + b"\n")


class Tokens:
    """The file as the daemon sees it: read when it is first asked, and anew when it has changed.

    That is asked at every request of a connection that came in by a token, so it looks at the open file only: an `fstat` never
    waits for a disk, and one that was replaced has a link less.

    A file that cannot be read gives nobody access: it may be the one that would say who was revoked.
    """

    def __init__(self, path: Path, *, now: Callable[[], datetime]) -> None:
        self._file = PrivateFile(path, TokenError)
        self._now = now
        self._fd: int | None = None
        self._seen: tuple[int, ...] = ()
        self._tokens: dict[bytes, Token] = {}
        self.problem = ""

    def find(self, text: str) -> Token | None:
        """The token this is, also one past its end; None: nobody's."""
        self._refresh()
        given = _digest(text)
        found = None
        for digest, token in self._tokens.items():
            if compare_digest(digest, given):
                found = token
        return found

    def lives(self, token: Token) -> bool:
        """It was neither revoked nor has it come to its end."""
        self._refresh()
        is_known = self._tokens.get(bytes.fromhex(token.hash)) == token
        return is_known and (token.expires_at is None or self._now() < token.expires_at)

    def close(self) -> None:
        self._forget()

    def _refresh(self) -> None:
        if self._fd is not None and _stamp(self._fd) == self._seen:
            return
        self._forget()
        problem = ""
        try:
            self._fd = self._file.open()
            if self._fd is not None:
                # The stamp comes first: what changes after it is seen the next time.
                self._seen = _stamp(self._fd)
                content = os.pread(self._fd, FILE_BYTES_MAX + 1, 0)
                read = _read(self._file.path, content)
                self._tokens = {bytes.fromhex(token.hash): token for token in read}
        except (TokenError, OSError) as error:
            problem = str(error)
        if problem and problem != self.problem:
            log.error("tokens_unreadable", why=f"{problem}; nobody gets in over TCP")
        self.problem = problem

    def _forget(self) -> None:
        self._tokens = {}
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _stamp(fd: int) -> tuple[int, ...]:
    status = os.fstat(fd)
    return status.st_nlink, status.st_ctime_ns, status.st_mtime_ns, status.st_size


def _digest(text: str) -> bytes:
    """Of whatever was given, of the same length."""
    given = text.encode(errors="surrogatepass")
    return blake2b(given, digest_size=32, person=b"ordod token").digest()


def _read(path: Path, content: bytes) -> tuple[Token, ...]:
    way_out = f"move it away (mv {path} {path}.old) and make new tokens (ordoctl token new)"
    if len(content) > FILE_BYTES_MAX:
        raise TokenError(f"{path} is larger than {FILE_BYTES_MAX} bytes: {way_out}")
    try:
        read = _decoder.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise TokenError(f"{path} is damaged ({error}): put back a copy, or {way_out}") from None
    if read.format != FORMAT:
        raise TokenError(
            f"{path} is of format {read.format}, and this ordod reads format {FORMAT}: use the version that wrote it"
        )
    return read.tokens


_decoder = msgspec.json.Decoder(_Content)
