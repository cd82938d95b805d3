"""References become secrets; whatever goes wrong names the reference and never the value."""

import json
import os
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordod.adapter import Secret
from ordod.domain.references import SecretReference, SecretSource
from ordod.secrets import Redactor, SecretError, Secrets
from ordod.store import Key, Store


def read(text: str, **environment: str) -> str:
    return Secrets(environment, Redactor()).read(SecretReference.read(text)).reveal()


def failure(text: str, **environment: str) -> str:
    with pytest.raises(SecretError) as caught:
        read(text, **environment)
    return str(caught.value)


def private(path: Path, content: bytes = b"hunter2\n", mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


# References


@pytest.mark.parametrize(
    ("text", "source", "name", "shown"),
    [
        ("env:KEY", SecretSource.ENV, "KEY", "env:KEY"),
        ("file:/a/b:c", SecretSource.FILE, "/a/b:c", "file:/a/b:c"),
        ("credential:key", SecretSource.CREDENTIAL, "key", "credential:key"),
        ("store:key", SecretSource.STORE, "key", "store:key"),
        ("hunter2", SecretSource.LITERAL, "hunter2", "***"),
        ("a:b", SecretSource.LITERAL, "a:b", "***"),
        ("literal:x", SecretSource.LITERAL, "literal:x", "***"),
    ],
)
def test_a_reference_says_where_and_a_literal_shows_nothing(
    text: str, source: SecretSource, name: str, shown: str
) -> None:
    reference = SecretReference.read(text)

    assert (reference.source, reference.name) == (source, name)
    assert str(reference) == shown
    assert repr(reference) == f"SecretReference({shown})"
    assert reference == SecretReference(source, name)


# Secrets


def test_a_variable_is_read() -> None:
    assert read("env:KEY", KEY="hunter2") == "hunter2"


def test_a_literal_is_itself() -> None:
    assert read("hunter2") == "hunter2"


def test_a_credential_is_read_from_the_directory_of_the_unit(tmp_path: Path) -> None:
    private(tmp_path / "kite", mode=0o440)

    assert read("credential:kite", CREDENTIALS_DIRECTORY=str(tmp_path)) == "hunter2"


def test_a_file_that_changed_gives_its_new_secret(tmp_path: Path) -> None:
    file = private(tmp_path / "key")
    secrets = Secrets({}, Redactor())
    reference = SecretReference.read(f"file:{file}")

    before = secrets.read(reference)
    private(file, b"hunter3\r\n")
    after = secrets.read(reference)

    assert before.reveal() == "hunter2"
    assert after.reveal() == "hunter3"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_others_can_read_is_refused_with_the_command_that_mends_it(
    tmp_path: Path, mode: int
) -> None:
    file = private(tmp_path / "key", mode=mode)

    told = failure(f"file:{file}")

    assert told == f"file:{file} can be read by others (mode {mode:04o}); run: chmod 600 {file}"


def test_a_named_pipe_does_not_hold_the_daemon(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)

    assert failure(f"file:{tmp_path}/pipe") == f"file:{tmp_path}/pipe is not a file"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff", "is not UTF-8 text"),
        (b"x" * 70_000, "larger"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    file = private(tmp_path / "key", content)

    assert told in failure(f"file:{file}")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("file:/nowhere/key", "file:/nowhere/key: No such file"),
        ("env:KEY", "env:KEY is not set"),
        ("credential:kite", "LoadCredential=kite:PATH"),
    ],
)
def test_a_reference_to_nothing_says_what_is_missing(text: str, told: str) -> None:
    assert told in failure(text)


@pytest.mark.parametrize("name", ["../kite", "..", ""])
def test_a_credential_is_no_way_out_of_its_directory(tmp_path: Path, name: str) -> None:
    told = failure(f"credential:{name}", CREDENTIALS_DIRECTORY=str(tmp_path))

    assert "is no name of a credential" in told


def test_every_reference_that_fails_is_named() -> None:
    references = {
        "api_key": SecretReference.read("env:A"),
        "password": SecretReference.read("hunter2"),
        "pin": SecretReference.read("env:B"),
    }

    with pytest.raises(SecretError, match=r"api_key: env:A .*; pin: env:B") as caught:
        Secrets({}, Redactor()).read_all(references)

    assert "hunter2" not in str(caught.value)


def test_all_secrets_are_read_by_their_names() -> None:
    references = {"api_key": SecretReference.read("env:A")}

    assert Secrets({"A": "x"}, Redactor()).read_all(references) == {"api_key": Secret("x")}


# The store


def stored(path: Path, **secrets: bytes) -> Store:
    store = Store(path / "secrets.store", lambda: Key(bytes(32), "a test"))
    for name, value in secrets.items():
        store.put(f"secret/{name}", value)
    return store


def test_a_secret_in_the_store_is_read_anew_each_time_and_known_to_the_redactor(
    tmp_path: Path,
) -> None:
    redactor = Redactor()
    store = stored(tmp_path, kite=b"hunter2hunter2")
    secrets = Secrets({}, redactor, store)

    before = secrets.read(SecretReference.read("store:kite"))
    store.put("secret/kite", b"hunter3hunter3")
    after = secrets.read(SecretReference.read("store:kite"))

    assert (before.reveal(), after.reveal()) == ("hunter2hunter2", "hunter3hunter3")
    assert redactor.hide("hunter3hunter3") == "***"


def test_a_name_that_the_store_lacks_is_told_with_the_closest(tmp_path: Path) -> None:
    store = stored(tmp_path, kite_key=b"hunter2")
    store.put("session/kite_kye", b"a session is no secret of the user's")

    with pytest.raises(SecretError) as caught:
        Secrets({}, Redactor(), store).read(SecretReference.read("store:kite_kye"))

    assert str(caught.value) == (
        'store:kite_kye is not in the store; did you mean "kite_key"? (ordoctl secret set kite_kye)'
    )


def test_a_store_that_cannot_be_read_is_told_by_the_reference(tmp_path: Path) -> None:
    store = stored(tmp_path, kite=b"hunter2")
    store.path.chmod(0o644)

    with pytest.raises(SecretError, match=r"^store:kite: .* can be read by others"):
        Secrets({}, Redactor(), store).read(SecretReference.read("store:kite"))


# The redactor


def test_a_secret_that_was_read_is_hidden_from_then_on() -> None:
    redactor = Redactor()
    secrets = Secrets({"KEY": "hunter22"}, redactor)

    before = redactor.hide("hunter22")
    secrets.read(SecretReference.read("env:KEY"))

    assert before == "hunter22"
    assert redactor.hide("a hunter22!") == "a ***!"


def test_a_short_secret_is_hidden_as_a_word_and_spoils_no_number() -> None:
    redactor = Redactor()
    redactor.add(Secret("1234"))

    assert redactor.hide("pin=1234&id=51234 01234x") == "pin=***&id=51234 01234x"


def test_the_longer_of_two_secrets_is_hidden_whole() -> None:
    redactor = Redactor()
    redactor.add(Secret("hunter22"), Secret("hunter22-and-more"))

    assert redactor.hide("hunter22-and-more") == "***"


def test_nothing_and_empty_secrets_hide_nothing() -> None:
    redactor = Redactor()
    redactor.add(None, Secret(""))

    assert redactor.hide("a text") == "a text"


def test_the_oldest_tokens_are_forgotten_and_those_in_use_are_not() -> None:
    redactor = Redactor()

    for number in range(1000):
        redactor.add(Secret("password"), Secret(f"access-token-{number:04}"))

    assert redactor.hide("password access-token-0000") == "*** access-token-0000"
    assert redactor.hide("access-token-0999") == "***"


@given(st.text(min_size=8).filter(lambda text: text.strip("\\*") != ""), st.text(), st.text())
def test_a_secret_is_hidden_however_it_is_written(secret: str, before: str, after: str) -> None:
    redactor = Redactor()
    encodable = secret.encode("utf-8", "replace").decode()
    redactor.add(Secret(encodable))

    written = [
        before + encodable + after,
        json.dumps({"token": encodable}),
        repr({"token": encodable}),
        urlencode({"token": encodable}),
        "/" + quote(encodable, safe=""),
    ]

    spellings = (encodable, json.dumps(encodable)[1:-1], quote(encodable, safe=""))
    for line in written:
        hidden = redactor.hide(line)
        assert "***" in hidden
        assert not any(word in part for word in spellings for part in hidden.split("***"))
