"""The encrypted store: what was put comes back, what is not whole is refused and kept, and a crash loses nothing that was told."""

import os
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ordoctl.commands import secret
from ordod.config import reading
from ordod.store import NAME, Key, NoKey, Store, StoreError

KEY = Key(bytes(range(32)), "file:/keys/one")
OTHER = Key(bytes(range(1, 33)), "file:/keys/other")
AT = datetime(2026, 11, 23, 9, 15, tzinfo=UTC)

# A process that puts numbered secrets and says each number once it was told that it is stored.
WRITER = """
import sys
from pathlib import Path
from ordod.store import Key, Store
store = Store(Path(sys.argv[1]), lambda: Key(bytes(range(32)), "argv"))
for number in range(int(sys.argv[3])):
    store.put(f"secret/{sys.argv[2]}{number}", b"value-%d-" % number + b"x" * 1000)
    print(number, flush=True)
"""


def store_at(path: Path, key: Key = KEY) -> Store:
    return Store(path, lambda: key, now=lambda: AT)


def failure(store: Store, name: str = "secret/a") -> str:
    """What a look says, and a change too, which leaves the file alone."""
    before = store.path.read_bytes()
    with pytest.raises(StoreError) as caught:
        store.get(name)
    with pytest.raises(StoreError) as put:
        store.put(name, b"new")
    with pytest.raises(StoreError) as removed:
        store.remove(name)
    assert store.path.read_bytes() == before
    assert str(caught.value) == str(put.value) == str(removed.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """One with an entry."""
    store = store_at(tmp_path / "state" / "secrets.store")
    store.put("secret/a", b"hunter2hunter2")
    return store


# Entries


def test_what_was_put_is_got_by_whoever_has_file_and_key(store: Store) -> None:
    store.put("session/kite", b"\x00\xff")

    another = store_at(store.path)
    assert another.get("secret/a") == b"hunter2hunter2"
    assert another.get("session/kite") == b"\x00\xff"
    assert another.get("secret/b") is None
    assert another.names("secret/") == {"secret/a": AT}
    assert list(another.names()) == ["secret/a", "session/kite"]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["secret/a", "secret/b", "session/a", "session/z"]),
            st.none() | st.binary(max_size=200),
        ),
        max_size=12,
    )
)
def test_it_holds_what_a_dictionary_would(changes: list[tuple[str, bytes | None]]) -> None:
    model: dict[str, bytes] = {}
    with TemporaryDirectory() as folder:
        store = store_at(Path(folder) / "secrets.store")

        for name, value in changes:
            if value is None:
                assert store.remove(name) == (model.pop(name, None) is not None)
            else:
                store.put(name, value)
                model[name] = value
            assert {each: store.get(each) for each in store.names()} == model


@pytest.mark.parametrize(
    "name",
    ["", "a", "secret/", "secret/..", "secret/.", "secret/a/b", "other/a", "secret/a\n", "secret/" + "x" * 65],
)  # fmt: skip
def test_a_name_that_is_none_is_not_stored(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        store.put(name, b"hunter2hunter2")

    assert list(store.names()) == ["secret/a"]


@given(st.text("aZ09._-/ \n:é", max_size=4) | st.text(max_size=70))
def test_a_name_is_one_for_the_command_the_configuration_and_the_store_alike(name: str) -> None:
    patterns = (secret.NAME, reading.STORE_NAME)
    accepted = {bool(pattern.fullmatch(name)) for pattern in patterns}

    assert accepted == {bool(NAME.fullmatch(f"secret/{name}"))}


def test_a_file_that_would_grow_beyond_its_bound_stays_as_it_is(store: Store) -> None:
    with pytest.raises(ValueError, match="longer than"):
        store.put("secret/big", b"x" * 70_000)
    for name in ("secret/b0", "secret/b1", "secret/b2"):
        store.put(name, b"x" * 60_000)
    with pytest.raises(StoreError, match="would be larger"):
        store.put("secret/b3", b"x" * 60_000)

    assert store.get("secret/a") == b"hunter2hunter2"
    assert store.get("secret/b0") == b"x" * 60_000


def test_no_value_and_no_key_is_ever_shown_or_written_in_plain(store: Store) -> None:
    shown = repr(store) + repr(KEY) + repr(store.names())
    written = b"".join(file.read_bytes() for file in store.path.parent.iterdir())

    assert "hunter2" not in shown
    assert KEY.reveal().hex() not in shown
    assert b"hunter2" not in written
    assert b"secret/a" not in written  # names are nobody's business either
    assert KEY.reveal() not in written


def test_the_same_content_is_never_written_the_same_way_twice(store: Store) -> None:
    contents = set()
    for _ in range(20):
        store.put("secret/a", b"hunter2hunter2")
        contents.add(store.path.read_bytes())

    assert len(contents) == 20


def test_its_files_are_for_their_owner_alone(store: Store) -> None:
    paths = [store.path.parent, *store.path.parent.iterdir()]

    assert {path.stat().st_mode & 0o077 for path in paths} == {0}
    assert {path.name for path in paths} == {"state", "secrets.store", "secrets.lock"}


def test_without_a_file_no_key_is_asked_for_until_something_is_stored(tmp_path: Path) -> None:
    def none() -> Key:
        raise NoKey("no key")

    store = Store(tmp_path / "secrets.store", none)

    assert store.get("secret/a") is None
    assert store.names() == {}
    assert not store.remove("secret/a")
    with pytest.raises(NoKey):
        store.put("secret/a", b"x")
    assert not store.path.exists()


# What is refused


def test_every_flipped_bit_is_damage_and_nothing_else(store: Store) -> None:
    """Also one in the key's id or in the version: neither is a wrong key or a newer format."""
    whole = store.path.read_bytes()
    told = set()

    with store.path.open("r+b", buffering=0) as file:
        for bit in range(len(whole) * 8):
            os.pwrite(file.fileno(), bytes([whole[bit // 8] ^ (1 << bit % 8)]), bit // 8)
            with pytest.raises(StoreError, match="is damaged") as caught:
                store.get("secret/a")
            told.add(str(caught.value))
            os.pwrite(file.fileno(), whole[bit // 8 : bit // 8 + 1], bit // 8)

    assert store.get("secret/a") == b"hunter2hunter2"
    assert len(told) == 2  # of the magic, and of all the rest
    assert all(f"mv {store.path} {store.path}.old" in each for each in told)
    assert all("hunter2" not in each for each in told)


def test_every_truncation_is_damage_also_the_empty_file(store: Store) -> None:
    whole = store.path.read_bytes()

    for length in range(len(whole)):
        store.path.write_bytes(whole[:length])
        with pytest.raises(StoreError, match="is damaged"):
            store.get("secret/a")


def test_bytes_at_its_end_are_damage(store: Store) -> None:
    store.path.write_bytes(store.path.read_bytes() + b"\0")

    assert "is damaged" in failure(store)


@pytest.mark.parametrize("content", [b"", b"a note to myself\n", b"ORDOSTOR", b"x" * 300_000])
def test_what_is_no_store_is_never_written_over(store: Store, content: bytes) -> None:
    store.path.write_bytes(content)

    assert "is damaged or no store of Ordo's" in failure(store)


def test_a_forger_who_mends_the_checksum_is_found_by_the_encryption(store: Store) -> None:
    from ordod.store import DIGEST_BYTES, _digest

    body = bytearray(store.path.read_bytes()[:-DIGEST_BYTES])
    for at in (len(body) - 1, len(body) // 2, 30):
        forged = bytearray(body)
        forged[at] ^= 1
        store.path.write_bytes(bytes(forged) + _digest(bytes(forged)))

        assert "it cannot be decrypted" in failure(store)


def test_another_key_is_told_from_damage(store: Store) -> None:
    told = failure(store_at(store.path, OTHER))

    assert "was written with another key" in told
    assert "file:/keys/other" in told
    assert "damaged" not in told
    assert store.get("secret/a") == b"hunter2hunter2"


def test_a_newer_format_is_told_from_damage(store: Store) -> None:
    from ordod.store import DIGEST_BYTES, MAGIC, _digest

    body = store.path.read_bytes()[:-DIGEST_BYTES]
    newer = MAGIC + (2).to_bytes(2) + body[len(MAGIC) + 2 :]
    store.path.write_bytes(newer + _digest(newer))

    assert "is of format 2, and this ordod reads format 1: use the version" in failure(store)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_others_can_read_is_refused_with_the_command_that_mends_it(
    store: Store, mode: int
) -> None:
    store.path.chmod(mode)

    assert failure(store) == (
        f"{store.path} can be read by others (mode {mode:04o}); run: chmod 600 {store.path}"
    )


def test_neither_a_link_nor_a_pipe_is_a_store(store: Store) -> None:
    link = store.path.with_name("link")
    link.symlink_to(store.path)
    pipe = store.path.with_name("pipe")
    os.mkfifo(pipe, 0o600)

    with pytest.raises(StoreError, match="symbolic link"):
        store_at(link).get("secret/a")
    with pytest.raises(StoreError, match="is not a file"):
        store_at(pipe).get("secret/a")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
def test_what_root_writes_belongs_to_the_daemons_user(store: Store) -> None:
    os.chown(store.path.parent, 12345, 12345)

    store.put("secret/a", b"new")

    assert {path.stat().st_uid for path in store.path.parent.iterdir()} == {12345}


# Crashes and writers


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace", "os.fdopen"])
def test_a_disk_that_says_no_changes_nothing_and_leaves_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def no(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    before = store.path.read_bytes()
    content = store._content()
    monkeypatch.setattr(Store, "_content", lambda _: content)  # only the writing fails
    with monkeypatch.context() as failing:
        failing.setattr(step, no)
        with pytest.raises(StoreError, match="was not changed: No space left on device"):
            store.put("secret/a", b"new")

    assert store.path.read_bytes() == before
    assert not list(store.path.parent.glob(".*"))


def test_a_half_written_file_of_a_crash_is_neither_read_nor_kept(store: Store) -> None:
    scrap = store.path.with_name(".secrets.store.new")
    scrap.write_bytes(store.path.read_bytes()[:20])

    assert store.get("secret/a") == b"hunter2hunter2"
    store.put("secret/b", b"x")
    assert not scrap.exists()


def test_what_is_put_in_place_was_synced_before_and_its_folder_is_after(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    sync, replace = os.fsync, Path.replace

    def watched_sync(fd: int) -> None:
        steps.append("sync " + Path(f"/proc/self/fd/{fd}").readlink().name)
        sync(fd)

    def watched_replace(source: Path, target: Path) -> Path:
        steps.append(f"replace {source.name} {target.name}")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", watched_sync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    store.put("secret/a", b"new")

    assert steps == [
        "sync .secrets.store.new",
        "replace .secrets.store.new secrets.store",
        "sync state",
    ]


@pytest.mark.parametrize(
    ("step", "call", "kept"),
    [
        ("os.fsync", 1, b"hunter2hunter2"),
        ("os.replace", 1, b"hunter2hunter2"),
        ("os.fsync", 2, b"new"),
    ],
)
def test_a_process_that_dies_at_any_step_leaves_the_old_or_the_new(
    store: Store, step: str, call: int, kept: bytes
) -> None:
    code = (
        "import os, pathlib, signal, sys\nfrom ordod.store import Key, Store\n"
        f"calls, real = [], {step}\n"
        "def dies(*args, **more):\n"
        "    calls.append(1)\n"
        f"    if len(calls) == {call}: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return real(*args, **more)\n"
        f"{step} = dies\n"
        f"Store(pathlib.Path({str(store.path)!r}), lambda: Key(bytes(range(32)), 'x'))"
        ".put('secret/a', b'new')\n"
    )

    ended = subprocess.run([sys.executable, "-c", code], check=False)

    assert ended.returncode == -9
    assert store.get("secret/a") == kept
    store.put("secret/b", b"x")
    assert {path.name for path in store.path.parent.iterdir()} == {"secrets.store", "secrets.lock"}


def writer(path: Path, prefix: str, puts: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), prefix, str(puts)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_processes_that_write_at_once_lose_nothing_of_each_other(store: Store) -> None:
    first, second = writer(store.path, "one", 60), writer(store.path, "two", 60)

    assert [first.communicate(timeout=60)[0].count("\n"), first.returncode] == [60, 0]
    assert [second.communicate(timeout=60)[0].count("\n"), second.returncode] == [60, 0]

    expected = {f"secret/{prefix}{number}" for prefix in ("one", "two") for number in range(60)}
    assert set(store.names()) == expected | {"secret/a"}


def test_a_kill_in_mid_write_loses_nothing_that_was_told(store: Store) -> None:
    for round_ in range(10):
        process = writer(store.path, f"r{round_}.", 60)
        assert process.stdout is not None
        for _ in range(round_ + 1):
            assert process.stdout.readline()
        process.kill()
        rest = process.stdout.read()
        process.wait()
        process.stdout.close()

        told = round_ + 1 + rest.count("\n")
        for number in range(told):
            value = store.get(f"secret/r{round_}.{number}")
            assert value == b"value-%d-" % number + b"x" * 1000
        for name in store.names(f"secret/r{round_}."):
            assert store.remove(name)  # also: the next writer is not held up by the dead one's lock
    assert store.get("secret/a") == b"hunter2hunter2"


def test_a_lock_that_is_held_for_long_is_told_and_nothing_is_changed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ordod.private_file.LOCK_S", 0.05)

    with store._file.alone(), pytest.raises(StoreError, match="held by another process"):
        store_at(store.path).put("secret/a", b"new")

    assert store.get("secret/a") == b"hunter2hunter2"


# Keys


@given(st.binary(min_size=32, max_size=32))
def test_a_key_is_read_as_hex_and_as_base64(secret: bytes) -> None:
    texts = [
        secret.hex(),
        secret.hex().upper() + "\n",
        b64encode(secret).decode(),
        b64encode(secret).decode().rstrip("="),
        urlsafe_b64encode(secret).decode(),
    ]

    assert {Key.read(text, "here").reveal() for text in texts} == {secret}


@pytest.mark.parametrize(
    "text", ["", "hunter2", "0" * 63, "0" * 62, "0" * 66, "z" * 64, "é" * 43, "A" * 42]
)
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="is no key: 32 bytes") as caught:
        Key.read(text, "here")

    assert not text or text not in str(caught.value)
