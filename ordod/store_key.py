"""Where the store's key comes from: a systemd credential, a file, a variable, the system's keyring. Never from beside the data."""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Thread

from ordod.adapter import Secret
from ordod.domain.references import SecretReference, SecretSource
from ordod.private_file import sync_folder
from ordod.secrets import Redactor, SecretError, Secrets
from ordod.store import KEY_BYTES, Key, NoKey, Store, StoreError

__all__ = ["default_key_file", "make_key", "open_store"]

STORE = "secrets.store"
CREDENTIAL = "ordod.key"
KEYRING = ("ordod", "store.key")  # service and user, as `keyring set` takes them
KEYRING_S = 30.0  # it may ask a person for a password


def open_store(
    state: Path,
    reference: SecretReference | None,
    environment: Mapping[str, str],
    redactor: Redactor,
) -> Store:
    """The store of this state directory, with the first key there is. Neither is read before it is needed.

    Args:
        reference: `[daemon] store_key`.
        environment: `CREDENTIALS_DIRECTORY` and `HOME` of it are read, and what `env:NAME` names.
    """
    path = state / STORE

    def find_key() -> Key:
        text, place = _text_of_key(reference, state, environment, redactor)
        if text is None:
            raise NoKey(_about_no_key(path))
        try:
            return Key.read(text, place)
        except ValueError as error:
            raise StoreError(
                f"the store's key: {place} {error}; a new one: openssl rand -hex {KEY_BYTES}"
            ) from None

    return Store(path, find_key)


def default_key_file(environment: Mapping[str, str]) -> Path | None:
    """Where `ordoctl secret set` makes a key; None without a home."""
    home = environment.get("HOME")
    return Path(home) / ".config/ordod/store.key" if home else None


def make_key(
    state: Path,
    environment: Mapping[str, str],
    *,
    at: Path | None = None,
    owner: tuple[int, int] | None = None,
) -> Path | None:
    """A new key, durable, in the default file, which is returned; None where somebody else has just made one there.

    Args:
        at: another file than the default.
        owner: user and group it is given to, by root, before anybody can see it; None: whoever calls, who then has to be the daemon's user.
    Raises:
        StoreError: a store is there, which another key wrote; or this is no place for the key; or the disk said no.
    """
    file = at or default_key_file(environment)
    if file is None:
        raise StoreError(
            "there is no key for the store, and no $HOME to make one in: set [daemon] store_key"
        )
    if os.path.lexists(file):
        return None
    if os.path.lexists(state / STORE):
        raise NoKey(_about_no_key(state / STORE))
    _refuse_beside(file, state)
    if owner is None:
        _refuse_for_another(state)
    try:
        is_ours = _write_key(file, owner)
    except OSError as error:
        raise StoreError(f"no key could be made: {file}: {error.strerror}") from None
    return file if is_ours else None


def _refuse_for_another(state: Path) -> None:
    with suppress(FileNotFoundError):
        owner = state.stat().st_uid
        if owner != os.geteuid():
            raise StoreError(
                f"there is no key for the store, and one made here would not be the daemon's ({state} belongs to user {owner}): "
                "run this as that user, or set [daemon] store_key"
            )


def _reference(
    given: SecretReference | None, environment: Mapping[str, str]
) -> SecretReference | None:
    """The first place that is there, or said to be."""
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if folder and os.path.lexists(Path(folder) / CREDENTIAL):
        return SecretReference(SecretSource.CREDENTIAL, CREDENTIAL)
    if given is not None:
        return given
    file = default_key_file(environment)
    if file is not None and os.path.lexists(file):
        return SecretReference(SecretSource.FILE, str(file))
    return None


def _text_of_key(
    given: SecretReference | None, state: Path, environment: Mapping[str, str], redactor: Redactor
) -> tuple[str | None, str]:
    """The key as it is written there, or None; and where. Raises StoreError."""
    reference = _reference(given, environment)
    if reference is None:
        text = _of_keyring()
        redactor.add(Secret(text or ""))
        return text, "the keyring"
    if reference.source is SecretSource.FILE:
        _refuse_beside(Path(reference.name), state)
    try:
        return Secrets(environment, redactor).read(reference).reveal(), str(reference)
    except SecretError as error:
        raise StoreError(f"the store's key: {error}") from None


def _refuse_beside(file: Path, state: Path) -> None:
    """A key beside the data is copied with it, and then protects nothing."""
    if file.resolve().is_relative_to(state.resolve()):
        raise StoreError(
            f"the store's key must not lie in the state directory, beside what it protects: move {file} elsewhere, "
            "and set [daemon] store_key"
        )


def _of_keyring() -> str | None:
    """None where the package is not installed, no keyring runs, or it holds no key of ours. Raises StoreError."""
    answers: list[str | StoreError | None] = []
    # In a thread, because it may wait for a person, or for a service that hangs.
    thread = Thread(target=lambda: answers.append(_ask_keyring()), name="keyring", daemon=True)
    thread.start()
    thread.join(KEYRING_S)
    answer = (
        answers[0] if answers else StoreError(f"the keyring has not answered for {KEYRING_S:g} s")
    )
    if isinstance(answer, StoreError):
        raise StoreError(f"the store's key: {answer}: unlock it, or set [daemon] store_key")
    return answer


def _ask_keyring() -> str | StoreError | None:
    try:
        import keyring
        from keyring.errors import NoKeyringError
    except ImportError:
        return None
    try:
        return keyring.get_password(*KEYRING)
    except NoKeyringError:
        return None
    except Exception as error:  # noqa: BLE001 - backends raise what they like
        return StoreError(f"the keyring gives none ({type(error).__name__})")


def _write_key(file: Path, owner: tuple[int, int] | None) -> bool:
    """Whole or not at all, and never over another: by a link to a finished file. False: there is another."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scrap = file.with_name(f".{file.name}.{os.getpid()}.new")
    scrap.unlink(missing_ok=True)
    fd = os.open(scrap, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "w", encoding="ascii") as opened:
            if owner is not None:
                os.fchown(fd, *owner)
            opened.write(secrets.token_hex(KEY_BYTES) + "\n")
            opened.flush()
            os.fsync(fd)
        os.link(scrap, file)
    except FileExistsError:
        return False
    finally:
        scrap.unlink()
    sync_folder(file.parent)
    return True


def _about_no_key(path: Path) -> str:
    if os.path.lexists(path):
        return (
            f"the key of {path} is nowhere: give it back ([daemon] store_key, the systemd credential {CREDENTIAL}, "
            f"~/.config/ordod/store.key or the keyring), or move the store away (mv {path} {path}.old)"
        )
    return (
        "there is no key for the store: `ordoctl secret set NAME` makes one at its first use, "
        "or set [daemon] store_key"
    )
