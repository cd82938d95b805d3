"""`ordoctl secret`, as the processes people run: with a key or without, at a terminal or in a pipe, and never with a traceback."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

VALUE = "hunter2-hunter2"
KITE = '[accounts.kite]\nbroker = "zerodha"\napi_key = "store:kite_key"\n'


class Machine:
    """A home with a configuration, and commands that are run in it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder
        self.state = folder / "data"
        self.key = folder / ".config/ordod/store.key"
        self.store = self.state / "secrets.store"
        self.config = folder / "ordod.conf"
        self.configure("")

    def configure(self, accounts: str, more: str = "") -> None:
        self.config.write_text(f'[daemon]\nstate_dir = "{self.state}"\n{more}\n{accounts}')
        self.config.chmod(0o600)

    @property
    def environment(self) -> dict[str, str]:
        kept = {"PATH": os.environ["PATH"], "HOME": str(self.home)}
        return kept | {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}

    def run(
        self, *argv: str, said: bytes = b"", config: bool = True
    ) -> "subprocess.CompletedProcess[bytes]":
        """`ordoctl secret ...`, with standard input from a pipe."""
        done = subprocess.run(
            self.command(*argv, config=config),
            input=said,
            env=self.environment,
            capture_output=True,
            timeout=30,
            check=False,
        )
        told = done.stdout + done.stderr
        assert VALUE.encode() not in told
        assert b"Traceback" not in told
        return done

    def command(self, *argv: str, config: bool = True) -> list[str]:
        where = ["--config", str(self.config)] if config else []
        return [sys.executable, "-m", "ordoctl.cli", "secret", *argv, *where]

    def set(self, name: str, value: str = VALUE) -> None:
        done = self.run("set", name, said=value.encode() + b"\n")
        assert done.returncode == 0, done.stderr

    def names(self) -> list[str]:
        listed = json.loads(self.run("list", "--json").stdout)
        return [secret["name"] for secret in listed["secrets"]]

    def refused(self, *argv: str, said: bytes = b"", status: int = 1) -> str:
        """The one line that says why not; nothing is on stdout."""
        done = self.run(*argv, said=said)
        assert (done.returncode, done.stdout) == (status, b""), done
        told = done.stderr.decode()
        assert told.startswith("ordoctl: ")
        assert told.count("\n") == 1
        return told

    def typed(self, name: str, *answers: bytes) -> tuple[int, bytes]:
        """`secret set` by a person at a terminal: the exit status, and all that stood there."""
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            self.command("set", name),
            stdin=theirs,
            stderr=theirs,
            stdout=subprocess.DEVNULL,
            env=self.environment,
            start_new_session=True,  # else it would ask at the terminal that the tests run at
        ) as process:
            os.close(theirs)
            shown = b""
            for answer in answers:
                shown += _until(ours, b": ")
                os.write(ours, answer)
            status = process.wait(30)
            shown += _until(ours, b"\0", patience_s=0.2)
        os.close(ours)
        return status, shown


def _until(terminal: int, end: bytes, patience_s: float = 20) -> bytes:
    """What is shown until a prompt stands there, or nothing more comes."""
    shown = b""
    until = time.monotonic() + patience_s
    while not shown.endswith(end) and time.monotonic() < until:
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                shown += os.read(terminal, 10_000)
            except OSError:  # the other end is closed
                break
    return shown


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


# set


def test_the_first_secret_makes_a_key_outside_of_the_state_directory_and_says_so(
    machine: Machine,
) -> None:
    first = machine.run("set", "kite_key", said=VALUE.encode())
    key = machine.key.read_bytes()
    second = machine.run("set", "kite_secret", said=b"x\n")

    assert first.returncode == second.returncode == 0
    assert first.stdout == second.stdout == b""
    assert f"{machine.key} was made: the key of the store. Keep a copy" in first.stderr.decode()
    assert b"was made" not in second.stderr
    assert b'refers to it by "store:kite_key"' in first.stderr
    assert machine.key.read_bytes() == key
    assert not machine.key.is_relative_to(machine.state)
    assert machine.names() == ["kite_key", "kite_secret"]


def test_several_that_are_set_at_once_with_no_key_yet_agree_on_one(machine: Machine) -> None:
    processes = [
        subprocess.Popen(
            machine.command("set", f"name{number}"),
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=machine.environment,
        )
        for number in range(4)
    ]

    told = [process.communicate(VALUE.encode(), timeout=60)[1] for process in processes]

    assert [process.returncode for process in processes] == [0, 0, 0, 0], told
    assert sum(b"was made" in each for each in told) == 1
    assert machine.names() == ["name0", "name1", "name2", "name3"]


def test_a_person_is_asked_twice_and_what_is_typed_is_not_shown(machine: Machine) -> None:
    status, shown = machine.typed("kite_key", VALUE.encode() + b"\n", VALUE.encode() + b"\n")

    assert status == 0, shown
    assert b"kite_key: " in shown
    assert b"once more: " in shown
    assert VALUE.encode() not in shown
    assert machine.names() == ["kite_key"]


def test_two_that_differ_are_not_stored(machine: Machine) -> None:
    status, shown = machine.typed("kite_key", VALUE.encode() + b"\n", b"hunter3\n")

    assert status == 2
    assert b"the two are not the same" in shown
    assert machine.names() == []


def test_a_person_who_thinks_better_of_it_leaves_in_peace(machine: Machine) -> None:
    interrupted, shown = machine.typed("kite_key", b"\x04")

    assert interrupted == 2
    assert b"Traceback" not in shown


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\n", "not UTF-8"),
        (b"x" * 70_000, "longer than 65536"),
    ],
)
def test_a_line_that_is_no_secret_is_usage(machine: Machine, said: bytes, told: str) -> None:
    assert told in machine.refused("set", "kite_key", said=said, status=2)
    assert not machine.key.exists()
    assert not machine.store.exists()


@pytest.mark.parametrize("name", ["a b", "a/b", "..", "ä", "x" * 65, ""])
def test_a_name_that_is_none_is_usage_and_not_repeated(machine: Machine, name: str) -> None:
    for command in ("set", "rm"):
        told = machine.refused(command, name, said=b"x\n", status=2)
        assert told == "ordoctl: a secret's name has 1 to 64 of A-Z a-z 0-9 . _ -\n"


def test_a_value_is_never_an_argument(machine: Machine) -> None:
    done = machine.run("set", "kite_key", "something", said=b"x\n")

    assert done.returncode == 2
    assert machine.names() == []


def test_the_key_that_the_configuration_names_is_the_one_that_is_used(machine: Machine) -> None:
    key = machine.home / "elsewhere"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    machine.configure("", f'store_key = "file:{key}"')

    machine.set("kite_key")

    assert not machine.key.exists()
    assert machine.names() == ["kite_key"]


def test_without_a_configuration_it_is_the_store_of_a_daemon_with_the_defaults(
    machine: Machine,
) -> None:
    if Path("/etc/ordod/ordod.conf").exists():
        pytest.skip("this machine has a configuration of its own")

    done = machine.run("set", "kite_key", said=b"x\n", config=False)

    assert done.returncode == 0, done.stderr
    assert (machine.home / ".local/state/ordod/secrets.store").exists()


# list and rm


def test_what_was_set_is_listed_with_its_time_and_without_what_it_is(machine: Machine) -> None:
    machine.set("kite_key")

    people = machine.run("list")
    programs = machine.run("list", "--json")

    assert people.returncode == programs.returncode == 0
    assert people.stdout.split()[:2] == [b"secret", b"set"]
    assert people.stdout.splitlines()[-1].startswith(b"kite_key ")
    (secret,) = json.loads(programs.stdout)["secrets"]
    assert set(secret) == {"name", "set_at"}
    assert secret["set_at"].endswith("+05:30")


def test_an_empty_store_lists_nothing_and_makes_nothing(machine: Machine) -> None:
    people = machine.run("list")

    assert (people.returncode, people.stdout) == (0, b"no secrets\n")
    assert machine.names() == []
    assert not machine.key.exists()
    assert not machine.state.exists()


def test_a_secret_that_is_removed_is_gone(machine: Machine) -> None:
    machine.set("kite_key")
    machine.set("kite_secret")

    done = machine.run("rm", "kite_key")

    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr == b"kite_key is removed\n"
    assert machine.names() == ["kite_secret"]


def test_a_name_that_is_not_there_is_told_with_the_closest(machine: Machine) -> None:
    machine.set("kite_key")

    assert machine.refused("rm", "kite_kye") == (
        'ordoctl: there is no kite_kye in the store; did you mean "kite_key"?\n'
    )


def test_an_account_that_still_refers_to_what_was_removed_is_named(machine: Machine) -> None:
    machine.configure(KITE)
    machine.set("kite_key")

    done = machine.run("rm", "kite_key", "--json")

    assert done.returncode == 0
    assert json.loads(done.stdout) == {"name": "kite_key"}
    assert b"accounts.kite: api_key still refers to store:kite_key" in done.stderr


def test_a_secret_that_only_one_broker_has_is_referred_to_as_any_other(machine: Machine) -> None:
    machine.configure('[accounts.xts]\nbroker = "iifl"\nmarket_api_key = "store:feed_key"\n')
    machine.set("feed_key")

    done = machine.run("rm", "feed_key")

    assert done.returncode == 0, done.stderr
    assert b"accounts.xts: market_api_key still refers to store:feed_key" in done.stderr


# What cannot be


def test_a_damaged_store_is_told_by_every_command_and_left_alone(machine: Machine) -> None:
    machine.set("kite_key")
    spoilt = bytearray(machine.store.read_bytes())
    spoilt[40] ^= 1
    machine.store.write_bytes(spoilt)

    for argv in (["set", "kite_key"], ["list"], ["rm", "kite_key"]):
        told = machine.refused(*argv, said=b"x\n")
        assert f"{machine.store} is damaged" in told
        assert f"mv {machine.store} {machine.store}.old" in told
    assert machine.store.read_bytes() == spoilt


def test_a_store_whose_key_is_lost_is_told_and_gets_no_new_one(machine: Machine) -> None:
    machine.set("kite_key")
    machine.key.unlink()

    for argv in (["set", "kite_key"], ["list"], ["rm", "kite_key"]):
        assert f"the key of {machine.store} is nowhere" in machine.refused(*argv, said=b"x\n")
    assert not machine.key.exists()


def test_another_key_is_told_before_a_person_is_asked_for_anything(machine: Machine) -> None:
    machine.set("kite_key")
    machine.key.write_text("00" * 32)

    assert "was written with another key" in machine.refused("set", "kite_key")


def test_a_configuration_that_cannot_be_used_is_told(machine: Machine) -> None:
    machine.configure('[accounts.kite]\nbroker = "zerodah"\n')

    assert 'did you mean "zerodha"?' in machine.refused("list")


def test_a_configuration_that_is_not_there_is_told(machine: Machine) -> None:
    machine.config.unlink()

    assert "ordod.conf: No such file" in machine.refused("list")


def test_a_state_directory_that_cannot_be_is_told(machine: Machine) -> None:
    machine.state.write_text("a file")

    assert f"{machine.store}: Not a directory" in machine.refused("set", "kite_key", said=b"x\n")
    assert not machine.key.exists()
