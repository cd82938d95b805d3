"""Where the store's key is found, in which order, and that it is never made or read beside the data."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import KeyringLocked

from ordod.domain.references import SecretReference
from ordod.secrets import Redactor
from ordod.store import Key, NoKey, StoreError
from ordod.store_key import default_key_file, make_key, open_store


def text(number: int) -> str:
    """A key as people write it."""
    return bytes([number] * 32).hex()


def found(state: Path, reference: str | None = None, **environment: str) -> Key:
    return open_store(
        state, SecretReference.read(reference) if reference else None, environment, Redactor()
    ).key()


def private(path: Path, content: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content + "\n")
    path.chmod(mode)
    return path


class Memory(KeyringBackend):
    """A keyring with one key, or one that is locked."""

    priority = 1

    def __init__(self, kept: str | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.kept = kept
        self.asked: list[tuple[str, str]] = []

    def get_password(self, service: str, username: str) -> str | None:
        self.asked.append((service, username))
        return self.kept

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError

    def delete_password(self, service: str, username: str) -> None:
        raise NotImplementedError


class Locked(Memory):
    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("hunter2")


class Hanging(Memory):
    def __init__(self) -> None:
        super().__init__()
        self.may_end = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        self.may_end.wait(30)
        return None


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def no_keyring() -> Iterator[None]:
    """Nor one of the machine that tests run on."""
    before = keyring.get_keyring()
    keyring.set_keyring(NoKeyring())  # type: ignore[no-untyped-call]
    yield
    keyring.set_keyring(before)


def test_the_places_are_asked_in_their_order(tmp_path: Path, state: Path) -> None:
    home = tmp_path / "home"
    keyring.set_keyring(Memory(text(4)))
    of_keyring = found(state, HOME=str(home))
    private(home / ".config/ordod/store.key", text(3))
    of_home = found(state, HOME=str(home))
    configured = f"file:{private(tmp_path / 'key', text(2))}"
    of_file = found(state, configured, HOME=str(home))
    private(tmp_path / "credentials" / "ordod.key", text(1), 0o440)
    of_systemd = found(
        state, configured, HOME=str(home), CREDENTIALS_DIRECTORY=str(tmp_path / "credentials")
    )

    keys = [of_systemd, of_file, of_home, of_keyring]
    assert [key.reveal() for key in keys] == [bytes([number] * 32) for number in (1, 2, 3, 4)]
    assert [key.place for key in keys] == [
        "credential:ordod.key",
        configured,
        f"file:{home}/.config/ordod/store.key",
        "the keyring",
    ]


def test_a_key_may_be_a_variable_or_a_credential_of_another_name(
    tmp_path: Path, state: Path
) -> None:
    private(tmp_path / "mine", text(5), 0o400)

    assert found(state, "env:STORE_KEY", STORE_KEY=text(6)).reveal() == bytes([6] * 32)
    of_systemd = found(state, "credential:mine", CREDENTIALS_DIRECTORY=str(tmp_path))
    assert of_systemd.reveal() == bytes([5] * 32)


def test_a_configured_key_that_is_not_there_is_not_replaced_by_another(
    tmp_path: Path, state: Path
) -> None:
    private(tmp_path / ".config/ordod/store.key", text(3))

    with pytest.raises(StoreError, match="the store's key: env:STORE_KEY is not set") as caught:
        found(state, "env:STORE_KEY", HOME=str(tmp_path))
    assert not isinstance(caught.value, NoKey)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path, state: Path) -> None:
    file = private(tmp_path / "key", text(1), 0o640)

    with pytest.raises(StoreError, match=f"mode 0640.*chmod 600 {file}"):
        found(state, f"file:{file}")


def test_a_key_beside_the_data_is_refused_however_it_is_named(tmp_path: Path, state: Path) -> None:
    file = private(state / "keys" / "key", text(1))
    (tmp_path / "link").symlink_to(file)

    for path in (file, tmp_path / "link"):
        with pytest.raises(StoreError, match="must not lie in the state directory"):
            found(state, f"file:{path}")
    with pytest.raises(StoreError, match="must not lie in the state directory"):
        make_key(state, {"HOME": str(state)})
    assert not (state / ".config").exists()


def test_the_text_of_the_key_is_known_to_the_redactor(tmp_path: Path, state: Path) -> None:
    redactor = Redactor()
    reference = SecretReference.read(f"file:{private(tmp_path / 'key', text(7))}")

    open_store(state, reference, {}, redactor).key()

    assert redactor.hide(f"key={text(7)}") == "key=***"


# The keyring


def test_the_keyring_is_asked_for_ordods_key_and_hidden_in_the_log(state: Path) -> None:
    memory = Memory(text(4))
    keyring.set_keyring(memory)
    redactor = Redactor()

    open_store(state, None, {}, redactor).key()

    assert memory.asked == [("ordod", "store.key")]
    assert redactor.hide(text(4)) == "***"


def test_a_keyring_without_our_key_is_no_key(state: Path) -> None:
    keyring.set_keyring(Memory())

    with pytest.raises(NoKey, match="`ordoctl secret set NAME` makes one"):
        found(state)


def test_a_locked_keyring_is_told_and_is_not_the_same_as_none(state: Path) -> None:
    keyring.set_keyring(Locked())

    with pytest.raises(
        StoreError, match=r"keyring gives none \(KeyringLocked\): unlock it"
    ) as caught:
        found(state)

    assert not isinstance(caught.value, NoKey)
    assert "hunter2" not in str(caught.value)


def test_a_keyring_that_hangs_holds_nobody_for_ever(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ordod.store_key.KEYRING_S", 0.05)
    hanging = Hanging()
    keyring.set_keyring(hanging)

    with pytest.raises(StoreError, match="the keyring has not answered"):
        found(state)
    hanging.may_end.set()


def test_without_the_package_there_is_no_keyring(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)

    with pytest.raises(NoKey):
        found(state)


# A key is made


def test_a_key_that_is_made_is_found_and_is_for_its_owner_alone(
    tmp_path: Path, state: Path
) -> None:
    environment = {"HOME": str(tmp_path)}

    file = make_key(state, environment)

    assert file is not None
    assert file == default_key_file(environment) == tmp_path / ".config/ordod/store.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o077 == 0
    assert list(file.parent.iterdir()) == [file]
    assert len(set(found(state, HOME=str(tmp_path)).reveal())) > 8


def test_who_makes_a_key_second_gets_the_first_ones(tmp_path: Path, state: Path) -> None:
    environment = {"HOME": str(tmp_path)}

    make_key(state, environment)
    first = found(state, HOME=str(tmp_path)).reveal()
    private(state / "secrets.store", "which the first one has written by now")

    assert make_key(state, environment) is None
    assert found(state, HOME=str(tmp_path)).reveal() == first


def test_where_a_store_has_lost_its_key_no_new_one_is_made(tmp_path: Path, state: Path) -> None:
    private(state / "secrets.store", "whatever")

    with pytest.raises(NoKey, match=f"the key of {state}/secrets.store is nowhere: give it back"):
        make_key(state, {"HOME": str(tmp_path)})

    assert not (tmp_path / ".config").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
def test_root_makes_no_key_that_the_daemons_user_could_not_read(
    tmp_path: Path, state: Path
) -> None:
    state.mkdir()
    os.chown(state, 12345, 12345)

    with pytest.raises(StoreError, match=r"belongs to user 12345.*run this as that user"):
        make_key(state, {"HOME": str(tmp_path)})


def test_without_a_home_it_says_what_to_set(state: Path) -> None:
    with pytest.raises(StoreError, match=r"no \$HOME to make one in: set \[daemon\] store_key"):
        make_key(state, {})


def test_a_daemon_that_has_no_store_loads_neither_the_cipher_nor_a_keyring(state: Path) -> None:
    """They cost a start 20 and 150 ms."""
    code = (
        "import sys\nfrom pathlib import Path\nimport ordod.running\n"
        "from ordod.store_key import open_store\nfrom ordod.secrets import Redactor\n"
        f"assert open_store(Path({str(state)!r}), None, {{}}, Redactor()).get('session/kite') is None\n"
        "print([name for name in ('cryptography', 'keyring') if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)

    assert done.stdout == "[]\n"
