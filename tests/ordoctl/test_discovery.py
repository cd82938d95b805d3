"""Where the daemon is looked for."""

from pathlib import Path

import pytest

from ordoctl import Client, NoDaemon, discovery
from ordoctl.discovery import default_state_dir, find_socket
from tests.ordoctl.scripted import ScriptedDaemon


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and none of the places that this machine may have."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("ORDOD_SOCKET", raising=False)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setattr(discovery, "SERVICE_SOCKET", tmp_path / "service.sock")
    return tmp_path


def made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_what_is_named_wins_then_the_environment_then_the_usual_places_in_their_order(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = made(home / ".local/state/ordod/ordod.sock")
    assert find_socket() == state

    service = made(home / "service.sock")
    assert find_socket() == service

    runtime = made(home / "run/ordod/ordod.sock")
    assert find_socket() == runtime

    monkeypatch.setenv("ORDOD_SOCKET", "/of/the/environment")
    assert find_socket() == Path("/of/the/environment")
    assert find_socket("/named") == Path("/named")


def test_no_socket_anywhere_says_where_it_was_looked_for(home: Path) -> None:
    with pytest.raises(NoDaemon) as raised:
        find_socket()

    assert str(home / "run/ordod/ordod.sock") in raised.value.message
    assert str(home / "service.sock") in raised.value.message


def test_the_state_directory_is_in_the_home(home: Path) -> None:
    assert default_state_dir() == home / ".local/state/ordod"


def test_a_client_stays_with_the_daemon_it_found(home: Path, daemon: ScriptedDaemon) -> None:
    state = home / ".local/state/ordod/ordod.sock"
    state.parent.mkdir(parents=True)
    state.symlink_to(daemon.path)
    daemon.on("system.ping", {})
    other = ScriptedDaemon(home / "service.sock")
    other.on("system.ping", {})

    with Client() as client:
        client.system.ping()
        other.start()
        daemon.stop()
        daemon.start()
        client.system.ping()
        other.stop()

    assert len(daemon.received) == 2
    assert other.received == []
