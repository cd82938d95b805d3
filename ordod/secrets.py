"""From a reference to its secret, and what keeps secrets out of the log.

Errors name the reference, never the value. Every secret that was read, and every token a login was given, is told to the
`Redactor`; whatever is logged goes through it.
"""

import json
import os
import re
import stat
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from threading import Lock
from urllib.parse import quote, quote_plus

from ordod.adapter import Secret
from ordod.domain.references import SecretReference, SecretSource
from ordod.store import Store, StoreError

__all__ = ["Redactor", "SecretError", "Secrets"]

SECRET_BYTES_MAX = 64 * 1024  # longer than any key or token; what is larger is some other file
STORED = "secret/"  # before the names of the user's secrets in the store
KNOWN_MAX = 512  # each costs every logged text 0.1 us; a token lives a day, so the oldest are dead
SHORT = 8  # characters; a shorter text may be part of a number by chance, so only the whole word is hidden


class SecretError(Exception):
    """A reference that gives no secret. The message says which, why, and what to do."""


class Redactor:
    """Every secret known, and their removal from a text."""

    def __init__(self) -> None:
        self._adding = Lock()  # what the store reads is added in a thread
        self._known: dict[str, tuple[str, ...]] = {}
        self._long: tuple[str, ...] = ()
        self._short: re.Pattern[str] | None = None

    def add(self, *secrets: Secret | None) -> None:
        """From now on these are hidden, as they are and as URLs and JSON write them."""
        with self._adding:
            self._add(*secrets)

    def _add(self, *secrets: Secret | None) -> None:
        was = len(self._known)
        for text in (secret.reveal() for secret in secrets if secret):
            # Taken out and put in again: what is still in use counts as new.
            self._known[text] = self._known.pop(text, ()) or _spellings(text)
        if len(self._known) == was:
            return
        while len(self._known) > KNOWN_MAX:
            del self._known[next(iter(self._known))]
        spellings = {spelling for known in self._known.values() for spelling in known}
        # The longest first: a secret may stand inside another.
        ordered = sorted(spellings, key=lambda spelling: (-len(spelling), spelling))
        self._long = tuple(spelling for spelling in ordered if len(spelling) >= SHORT)
        self._short = _whole_words([spelling for spelling in ordered if len(spelling) < SHORT])

    def hide(self, text: str) -> str:
        """The text with `***` where a secret stood."""
        for spelling in self._long:
            if spelling in text:
                text = text.replace(spelling, "***")
        return self._short.sub("***", text) if self._short else text


class Secrets:
    """Reads references of the configuration, anew each time: a file that changed gives its new secret."""

    def __init__(
        self, environment: Mapping[str, str], redactor: Redactor, store: Store | None = None
    ) -> None:
        self._environment = environment
        self._redactor = redactor
        self._store = store

    def read(self, reference: SecretReference) -> Secret:
        """The secret, known to the redactor. A line break at its end is not part of it.

        Raises:
            SecretError: it is not there, empty, no text, or others can read its file.
        """
        secret = Secret(self._text(reference).rstrip("\r\n"))
        if not secret:
            raise SecretError(f"{reference} is empty")
        self._redactor.add(secret)
        return secret

    def read_all(self, references: Mapping[str, SecretReference]) -> dict[str, Secret]:
        """By the same names. Raises SecretError, naming every one that fails."""
        secrets: dict[str, Secret] = {}
        failures: list[str] = []
        for name, reference in references.items():
            try:
                secrets[name] = self.read(reference)
            except SecretError as error:
                failures.append(f"{name}: {error}")
        if failures:
            raise SecretError("; ".join(failures))
        return secrets

    def _text(self, reference: SecretReference) -> str:
        match reference.source:
            case SecretSource.LITERAL:
                return reference.name
            case SecretSource.ENV:
                return self._variable(reference)
            case SecretSource.CREDENTIAL:
                return self._credential(reference)
            case SecretSource.FILE:
                return _read_file(reference, Path(reference.name), only_ours=True)
            case SecretSource.STORE:
                return self._stored(reference)

    def _variable(self, reference: SecretReference) -> str:
        try:
            return self._environment[reference.name]
        except KeyError:
            raise SecretError(f"{reference} is not set in the daemon's environment") from None

    def _credential(self, reference: SecretReference) -> str:
        folder = self._environment.get("CREDENTIALS_DIRECTORY")
        if not folder:
            raise SecretError(
                f"{reference}: $CREDENTIALS_DIRECTORY is not set; systemd sets it for a unit with "
                f"LoadCredential={reference.name}:PATH"
            )
        if "/" in reference.name or reference.name in ("", ".", ".."):
            raise SecretError(f"{reference} is no name of a credential")
        # No look at its mode: systemd made it, readable by this unit only.
        return _read_file(reference, Path(folder) / reference.name, only_ours=False)

    def _stored(self, reference: SecretReference) -> str:
        assert self._store is not None, "only the store's own key is read without a store"
        try:
            value = self._store.get(f"{STORED}{reference.name}")
            known = () if value is not None else tuple(self._store.names(STORED))
        except StoreError as error:
            raise SecretError(f"{reference}: {error}") from None
        if value is None:
            names = [name.removeprefix(STORED) for name in known]
            near = get_close_matches(reference.name, names, 1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise SecretError(
                f"{reference} is not in the store{hint} (ordoctl secret set {reference.name})"
            )
        return value.decode()


def _read_file(reference: SecretReference, path: Path, *, only_ours: bool) -> str:
    """Raises SecretError. What is checked is the opened file, so that no exchange of it slips between."""
    try:
        # Non-blocking: a named pipe nobody writes to would hold the daemon.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise SecretError(f"{reference}: {error.strerror}") from None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise SecretError(f"{reference} is not a file")
    with os.fdopen(descriptor, "rb") as file:
        if only_ours and status.st_mode & 0o077:
            mode = stat.S_IMODE(status.st_mode)
            raise SecretError(
                f"{reference} can be read by others (mode {mode:04o}); run: chmod 600 {path}"
            )
        content = file.read(SECRET_BYTES_MAX + 1)
    if len(content) > SECRET_BYTES_MAX:
        raise SecretError(f"{reference} is larger than {SECRET_BYTES_MAX} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise SecretError(f"{reference} is not UTF-8 text") from None


def _spellings(text: str) -> tuple[str, ...]:
    """How a secret may stand in a line: plain, in a URL, in a form, in JSON, in a `repr`."""
    in_json = json.dumps(text)[1:-1]
    return tuple(
        {text, quote(text, safe=""), quote(text), quote_plus(text), in_json, repr(text)[1:-1]}
    )


def _whole_words(words: Iterable[str]) -> re.Pattern[str] | None:
    choices = "|".join(re.escape(word) for word in words)
    return re.compile(rf"(?<![A-Za-z0-9])(?:{choices})(?![A-Za-z0-9])") if choices else None
