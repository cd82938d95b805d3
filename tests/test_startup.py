"""What a person reads when `ordod` does not start: one clear line, exit status 1. And that it starts where it should."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAPER = '[accounts.paper]\nbroker = "paper"\n'
ZERODHA = '[accounts.kite]\nbroker = "zerodha"\napi_key = "env:TEST_KITE_KEY"\n'
MEMORY = Path("/dev/shm")

Configured = Callable[..., Path]


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    """Writes a configuration: these accounts, with the state and the socket where they are said to be."""

    def write(accounts: str = PAPER, *, state: Path | None = None, at: Path | None = None) -> Path:
        file = tmp_path / "ordod.conf"
        places = {"state_dir": state or tmp_path / "state", "socket": at or tmp_path / "o.sock"}
        lines = [f'{key} = "{value}"' for key, value in places.items()]
        file.write_text("\n".join(["[daemon]", *lines, accounts]))
        file.chmod(0o600)
        return file

    return write


def ordod(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "ordod", *map(str, arguments)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def refusal(*arguments: str | Path, **environment: str) -> str:
    """The one line that says why it does not start."""
    ended = ordod(*arguments, **environment)

    assert ended.returncode == 1, ended
    assert ended.stdout == ""
    assert ended.stderr.startswith("ordod: ")
    assert ended.stderr.count("\n") == 1
    return ended.stderr.removeprefix("ordod: ").rstrip("\n")


@pytest.fixture
def run() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """Starts a daemon and waits until it says that it is ready."""
    daemons: list[subprocess.Popen[str]] = []

    def start(config: Path, **environment: str) -> subprocess.Popen[str]:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "ordod", "--config", str(config)],
            env={**os.environ, **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        daemons.append(daemon)
        assert daemon.stderr is not None
        assert any('"ready"' in line for line in daemon.stderr)
        return daemon

    yield start
    for daemon in daemons:
        daemon.kill()
        daemon.communicate()


def test_a_wrong_configuration_is_told_by_line_and_closest_key(configured: Configured) -> None:
    file = configured(PAPER + "market_protecton = 5\n")

    assert refusal("--config", file) == (
        f'{file}:6: [accounts.paper] unknown key "market_protecton"; did you mean "market_protection"?'
    )


def test_every_mistake_is_told_by_check_as_by_the_daemon(configured: Configured) -> None:
    file = configured('[accounts.paper]\nbrokr = "paper"\ndoubt_horizon_s = "soon"\n')

    checked = ordod("check", "--config", file)
    checked_the_other_way = ordod("--config", file, "check")
    started = ordod("--config", file)

    assert checked.returncode == checked_the_other_way.returncode == started.returncode == 1
    assert checked.stderr == checked_the_other_way.stderr
    assert started.stderr == f"ordod: {checked.stderr}"
    assert f'{file}:5: [accounts.paper] unknown key "brokr"; did you mean "broker"?' in (
        checked.stderr.splitlines()
    )
    assert f"{file}:6: [accounts.paper] doubt_horizon_s must be a number" in checked.stderr


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert refusal("--config", tmp_path / "no.conf") == (
        f"{tmp_path}/no.conf: No such file or directory"
    )


def test_without_a_configuration_it_says_where_it_looked(tmp_path: Path) -> None:
    if Path("/etc/ordod/ordod.conf").exists():
        pytest.skip("this machine has a configuration of its own")

    assert f"{tmp_path}/.config/ordod/ordod.conf" in refusal(HOME=str(tmp_path))


def test_an_unknown_broker_is_told_with_the_closest(configured: Configured) -> None:
    file = configured('[accounts.kite]\nbroker = "zerodah"\n')

    told = refusal("--config", file)

    assert told.startswith(f'{file}:5: [accounts.kite] broker "zerodah"')
    assert told.endswith('did you mean "zerodha"?')


def test_a_secret_that_is_not_there_is_named_and_not_shown(configured: Configured) -> None:
    file = configured(ZERODHA)

    assert refusal("--config", file) == (
        f"{file}:6: accounts.kite: api_key: env:TEST_KITE_KEY is not set in the daemon's environment"
    )


def test_every_name_that_the_store_lacks_is_told(configured: Configured, tmp_path: Path) -> None:
    second = ZERODHA.replace("kite]", "spare]").replace("env:TEST_KITE_KEY", "store:spare_key")
    file = configured(ZERODHA.replace("env:TEST_KITE_KEY", "store:kite_key") + second)

    checked = ordod("check", "--config", file, HOME=str(tmp_path))

    assert checked.returncode == 1
    assert checked.stderr.splitlines() == [
        f"{file}:6: accounts.kite: api_key: store:kite_key is not in the store (ordoctl secret set kite_key)",
        f"{file}:9: accounts.spare: api_key: store:spare_key is not in the store (ordoctl secret set spare_key)",
    ]
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("command", [[], ["check"]])
def test_a_key_of_the_store_that_cannot_be_used_is_named(
    configured: Configured, tmp_path: Path, command: list[str]
) -> None:
    key = tmp_path / "key"
    file = configured()
    file.write_text(file.read_text().replace("[daemon]", f'[daemon]\nstore_key = "file:{key}"'))

    missing = ordod(*command, "--config", file)
    key.write_text("hunter2hunter2\n")
    key.chmod(0o644)
    open_to_all = ordod(*command, "--config", file)
    key.chmod(0o600)
    no_key = ordod(*command, "--config", file)

    assert {missing.returncode, open_to_all.returncode, no_key.returncode} == {1}
    assert missing.stderr.removeprefix("ordod: ") == (
        f"the store's key: file:{key}: No such file or directory\n"
    )
    assert f"run: chmod 600 {key}" in open_to_all.stderr
    assert "is no key: 32 bytes, as hex digits or base64; a new one: openssl" in no_key.stderr
    assert "hunter2" not in no_key.stderr


def test_a_state_directory_that_cannot_be_is_named(configured: Configured, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    file = configured(state=tmp_path / "file")

    assert refusal("--config", file) == (
        f"state directory: {tmp_path}/file cannot be used (File exists): "
        "give this user a folder there, or set another state_dir"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_state_directory_that_is_not_writable_is_named(
    configured: Configured, tmp_path: Path
) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    file = configured(state=tmp_path / "closed" / "state")

    assert f"state directory: {tmp_path}/closed/state cannot be used (Permission denied)" in (
        refusal("--config", file)
    )


@pytest.mark.skipif(not MEMORY.is_dir(), reason="this machine has no /dev/shm")
def test_a_real_broker_is_not_run_on_a_disk_that_forgets(configured: Configured) -> None:
    state = MEMORY / f"ordod-test-{os.getpid()}"
    file = configured(ZERODHA, state=state)

    try:
        told = refusal("--config", file, TEST_KITE_KEY="key of this test")
    finally:
        shutil.rmtree(state, ignore_errors=True)

    assert f"{state} is on tmpfs" in told
    assert "the real account kite needs a local disk" in told


def test_a_socket_where_another_daemon_listens_is_left_to_it(
    configured: Configured, run: Callable[[Path], subprocess.Popen[str]], tmp_path: Path
) -> None:
    first = run(configured(state=tmp_path / "one"))

    told = refusal("--config", configured(state=tmp_path / "two"))

    assert told == (
        f"another ordod listens at {tmp_path}/o.sock: stop it, or set another [daemon] socket"
    )
    assert first.poll() is None


def test_a_state_directory_has_one_daemon(
    configured: Configured, run: Callable[[Path], subprocess.Popen[str]], tmp_path: Path
) -> None:
    first = run(configured())

    told = refusal("--config", configured(at=tmp_path / "other.sock"))

    assert f"{tmp_path}/state is in use by another ordod, process {first.pid}" in told


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_socket_that_cannot_be_is_named(
    configured: Configured, tmp_path: Path, what: str
) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / "file" if what == "file" else tmp_path / "file" / "o.sock"

    told = refusal("--config", configured(at=place))

    assert str(place) in told
    assert told.endswith("set another [daemon] socket")


def test_the_example_runs_as_it_is(
    run: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    places = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}

    checked = ordod("check", "--config", ROOT / "ordod.conf.example", **places)
    daemon = run(ROOT / "ordod.conf.example", STATE_DIRECTORY="", RUNTIME_DIRECTORY="", **places)

    assert checked.stdout.endswith("ordod.conf.example: good. Accounts: paper (Paper)\n")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(tmp_path / "ordod" / "ordod.sock"))
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(15) == 0


def test_sigterm_ends_it_in_order(
    configured: Configured, run: Callable[[Path], subprocess.Popen[str]], tmp_path: Path
) -> None:
    daemon = run(configured())

    daemon.send_signal(signal.SIGTERM)

    assert daemon.wait(15) == 0
    assert not (tmp_path / "o.sock").exists()


def test_version_and_help_are_told_to_stdout() -> None:
    assert ordod("--version").stdout.startswith("ordod 0.")
    assert "Without a command it runs the daemon" in ordod("--help").stdout


def test_a_command_that_is_none_is_a_mistake_of_usage() -> None:
    ended = ordod("chek")

    assert ended.returncode == 2
    assert "invalid choice: 'chek'" in ended.stderr


def test_a_bad_calendar_is_told_by_check_and_does_not_stop_the_daemon(
    configured: Configured, tmp_path: Path
) -> None:
    file = configured()
    (tmp_path / "calendar.toml").write_text("years = 2026\n")

    checked = ordod("check", "--config", file)

    assert checked.returncode == 1
    assert checked.stderr.startswith(f"{tmp_path}/calendar.toml: ")
    assert checked.stderr.endswith(". Until it is mended the built-in calendar serves\n")
    daemon = subprocess.Popen(
        [sys.executable, "-m", "ordod", "--config", str(file)], stderr=subprocess.PIPE, text=True
    )
    try:
        assert daemon.stderr is not None
        told = []
        for line in daemon.stderr:
            told.append(line)
            if '"ready"' in line:
                break
    finally:
        daemon.kill()
        daemon.communicate()
    assert "calendar.toml" in told[0]
    assert '"ready"' in told[-1]
