"""Games with paths: what lies where a file should be is not trusted, never waited for, and never written through."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.promises.daemon import Daemon, Refused, until
from tests.security.hostile import MALLORY, needs_root

Make = Callable[..., Daemon]

REFUSED_S = 30.0
as_root = pytest.mark.skipif(not needs_root, reason="only root can give files away")


def refused(daemon: Daemon) -> str:
    """What it says instead of starting. It must not wait for anything."""
    daemon.start()
    assert daemon.died(REFUSED_S) == 1
    assert "Traceback" not in daemon.log_text()
    return daemon.log_text()


def ordoctl(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "ordoctl.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=REFUSED_S,
        check=False,
    )


# The configuration


@pytest.mark.parametrize("mode", [0o602, 0o620])
@as_root
def test_a_configuration_that_others_can_write_is_refused(make: Make, mode: int) -> None:
    daemon = make()
    os.chown(daemon.config, MALLORY, 0)  # the group is not the owner's own
    daemon.config.chmod(mode)

    said = refused(daemon)

    assert f"chmod go-w {daemon.config}" in said


def test_a_named_pipe_as_configuration_is_refused_at_once(make: Make) -> None:
    daemon = make()
    daemon.config.unlink()
    os.mkfifo(daemon.config)

    assert "is not a file" in refused(daemon)


# Secrets


def _device(place: Path) -> None:
    place.symlink_to("/dev/zero")


def _world_readable(place: Path) -> None:
    place.write_text("s3cr3t-value")
    place.chmod(0o644)


def _link_to_readable(place: Path) -> None:
    _world_readable(place.with_name("real"))
    place.symlink_to(place.with_name("real"))


NO_SECRETS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a pipe": (os.mkfifo, "is not a file"),
    "a device behind a link": (_device, "is not a file"),
    "a folder": (Path.mkdir, "is not a file"),
    "readable by all": (_world_readable, "chmod 600"),
    "a link to what all can read": (_link_to_readable, "chmod 600"),
    "a link to itself": (lambda place: place.symlink_to(place), "symbolic links"),
}


@pytest.mark.parametrize("what", NO_SECRETS)
def test_a_secret_that_is_no_private_file_is_refused_at_once_and_not_shown(
    make: Make, folder: Path, what: str
) -> None:
    put, words = NO_SECRETS[what]
    place = folder / "secret"
    put(place)
    daemon = make(
        f'[accounts.kite]\nbroker = "zerodha"\napi_key = "x"\naccess_token = "file:{place}"\n'
        'base_url = "http://127.0.0.1:9"\n'
    )

    said = refused(daemon)

    assert words in said
    assert f"file:{place}" in said
    assert "accounts.kite" in said
    assert "s3cr3t-value" not in said


# The socket


def test_a_socket_in_a_folder_where_anybody_can_replace_it_is_refused(make: Make) -> None:
    daemon = make()
    daemon.folder.chmod(0o777)

    said = refused(daemon)

    assert f"chmod o-w {daemon.folder}" in said


def test_a_socket_in_a_shared_folder_that_keeps_files_their_owners_is_taken(make: Make) -> None:
    daemon = make()
    daemon.folder.chmod(0o1777)

    assert daemon.ready().call("system.ping")


def test_a_link_where_the_socket_should_be_is_neither_followed_nor_removed(
    make: Make, folder: Path
) -> None:
    daemon = make()
    precious = folder / "precious"
    precious.write_text("mine")
    daemon.socket.symlink_to(precious)

    said = refused(daemon)

    assert "is no socket" in said
    assert daemon.socket.is_symlink()
    assert precious.read_text() == "mine"


def test_a_link_beside_the_socket_leads_the_daemon_nowhere(make: Make, folder: Path) -> None:
    daemon = make()
    precious = folder / "precious"
    precious.write_text("mine")
    daemon.socket.with_suffix(".head").symlink_to(precious)

    daemon.ready()
    daemon.place("k", account="paper")
    until(lambda: daemon.records("seal"))
    daemon.stop()

    assert precious.read_text() == "mine"


def test_a_pipe_beside_the_socket_holds_up_nobody(make: Make) -> None:
    daemon = make()
    os.mkfifo(daemon.socket.with_suffix(".head"))

    daemon.ready()
    daemon.place("k", account="paper")
    until(lambda: daemon.records("seal"))

    assert daemon.stop() == 0


def test_the_head_beside_the_socket_is_for_its_owner_alone(make: Make) -> None:
    daemon = make().ready()
    daemon.place("k", account="paper")
    head = daemon.socket.with_suffix(".head")
    until(head.exists)

    assert stat.S_IMODE(head.stat().st_mode) == 0o600


# The state directory


GAMES: dict[str, Callable[[Path], object]] = {
    "a link": lambda place: place.symlink_to("/etc/passwd"),
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
}


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("name", ["kill.gate", "lock", "paper/exchange.ndjson"])
def test_what_is_no_file_of_its_own_in_the_state_directory_is_refused_at_once(
    make: Make, name: str, game: str
) -> None:
    daemon = make()
    place = daemon.state / name
    place.parent.mkdir(parents=True, mode=0o700)
    GAMES[game](place)
    passwords = Path("/etc/passwd").read_bytes()

    said = refused(daemon)

    assert Path(name).name in said
    assert Path("/etc/passwd").read_bytes() == passwords


@pytest.mark.parametrize("name", ["journal", "kill.d", "instruments", "paper"])
def test_a_file_in_the_place_of_a_folder_is_refused_with_its_name(make: Make, name: str) -> None:
    daemon = make()
    daemon.state.mkdir(mode=0o700)
    (daemon.state / name).write_text("kept")

    said = refused(daemon)

    assert name in said
    assert "Traceback" not in said
    assert (daemon.state / name).read_text() == "kept"


@pytest.mark.parametrize("game", ["a link", "a pipe"])
def test_a_journal_file_exchanged_for_something_else_is_no_fresh_start(
    make: Make, game: str
) -> None:
    daemon = make().ready()
    daemon.place("k", account="paper")
    daemon.stop()
    daemon.socket.with_suffix(".head").unlink()
    (file,) = (daemon.state / "journal").glob("*.ndjson")
    file.rename(daemon.folder / "taken")
    GAMES[game](file)

    assert file.name in refused(daemon).rpartition("cannot be used")[2]


@as_root
@pytest.mark.parametrize("name", ["kill.gate", "lock", "journal", "kill.d"])
def test_what_another_user_left_in_the_state_directory_is_refused(make: Make, name: str) -> None:
    daemon = make()
    daemon.state.mkdir(mode=0o777)
    place = daemon.state / name
    if name in ("journal", "kill.d"):
        place.mkdir()
    else:
        place.touch(0o666)
    os.chown(place, MALLORY, MALLORY)

    daemon.start()
    status = daemon.died(REFUSED_S)

    assert status == 1
    assert f"belongs to user {MALLORY}" in daemon.log_text()


@as_root
def test_a_state_directory_of_another_user_is_refused(make: Make) -> None:
    daemon = make()
    daemon.state.mkdir()
    os.chown(daemon.state, MALLORY, MALLORY)

    assert f"belongs to user {MALLORY}" in refused(daemon)


def test_names_in_kill_d_stop_the_daemon_and_lead_nowhere(make: Make) -> None:
    daemon = make().ready()
    scopes = daemon.state / "kill.d"
    scopes.mkdir(exist_ok=True)
    names = ["-rf", "a b\n{}", "\udcff", "..json", "x" * 255]

    for name in names:
        (scopes / name).touch()
    (scopes / "link").symlink_to("/etc/passwd")
    daemon.wait_status(lambda status: status["kill"]["engaged"])
    daemon.call("kill.release", reason="seen")

    assert list(scopes.iterdir()) == []
    assert Path("/etc/passwd").exists()
    assert not daemon.call("kill.status")["engaged"]
    assert daemon.verified().is_good


@as_root
def test_a_local_kill_by_root_is_not_led_out_of_the_state_directory(
    make: Make, folder: Path
) -> None:
    daemon = make()
    daemon.state.mkdir(mode=0o700)
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (daemon.state / "kill.d").symlink_to(elsewhere)
    os.chown(daemon.state, MALLORY, MALLORY)
    os.link("/etc/hostname", folder / "precious") if Path("/etc/hostname").stat().st_dev == (
        folder.stat().st_dev
    ) else (folder / "precious").write_text("root's\n")
    before = (folder / "precious").read_bytes()
    os.link(folder / "precious", daemon.state / "kill.gate")

    killed = ordoctl("kill", "--local", "--state", str(daemon.state))

    assert killed.returncode == 1
    assert "no file of the daemon's user" in killed.stderr
    assert (folder / "precious").read_bytes() == before
    assert (folder / "precious").stat().st_uid == 0
    assert list(elsewhere.iterdir()) == []


@as_root
def test_a_local_kill_by_root_leaves_its_files_to_the_daemons_user(make: Make) -> None:
    daemon = make()
    daemon.state.mkdir(mode=0o700)
    os.chown(daemon.state, MALLORY, MALLORY)

    killed = ordoctl("kill", "--local", "--state", str(daemon.state), "--reason", "x")

    assert killed.returncode == 0, killed.stderr
    owners = {path.stat().st_uid for path in daemon.state.rglob("*")}
    assert owners == {MALLORY}
    assert (daemon.state / "kill.gate").read_bytes()[:1] == b"\x01"


# What clients write


def test_an_export_is_written_by_the_client_and_never_over_a_file(make: Make, folder: Path) -> None:
    daemon = make().ready()
    daemon.place("k", account="paper")
    day = daemon.records("intent")[0]["at"][:10]
    precious = folder / "precious"
    precious.write_text("mine")
    (folder / f"orders-{day}.csv").symlink_to(precious)

    exported = ordoctl(
        "--socket", str(daemon.socket), "journal", "export", day, "--to", str(folder)
    )

    assert exported.returncode != 0
    assert precious.read_text() == "mine"
    with pytest.raises(Refused):
        daemon.call("journal.export", day=day, table="orders", to="/etc/cron.d/x")
