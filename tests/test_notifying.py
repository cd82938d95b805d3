"""What systemd hears of a real daemon, on a socket as systemd has it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ordod.notifying import keep_told
from tests.core.world import VIRTUAL, running_world

CONFIG = """
[daemon]
state_dir = "{folder}/state"
socket = "{folder}/s"
[accounts.paper]
broker = "paper"
"""
WAIT_S = 30


class Systemd:
    """Hears one unit."""

    def __init__(self, folder: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._socket.settimeout(WAIT_S)
        self.heard: list[str] = []

    def hears(self, words: str) -> str:
        """Wait for a message with these words; the message."""
        while True:
            told = self._socket.recv(4096).decode()
            self.heard.append(told)
            if words in told:
                return told

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    made = Systemd(tmp_path)
    yield made
    made.close()


def test_systemd_hears_how_it_stands_that_it_lives_and_that_it_goes(
    systemd: Systemd, tmp_path: Path
) -> None:
    config = tmp_path / "ordod.conf"
    config.write_text(CONFIG.format(folder=tmp_path))
    config.chmod(0o600)
    environment = os.environ | {
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
        "WATCHDOG_USEC": "1000000",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "ordod", "--config", str(config)],
        env=environment,
        stderr=subprocess.DEVNULL,
    ) as daemon:
        systemd.hears("READY=1")
        systemd.hears("STATUS=1 of 1 accounts can trade")
        for _ in range(3):
            systemd.hears("WATCHDOG=1")
        daemon.send_signal(signal.SIGUSR1)
        systemd.hears("STATUS=KILLED; 1 of 1")
        daemon.terminate()
        systemd.hears("STOPPING=1")
        assert daemon.wait(WAIT_S) == 0

    assert systemd.heard[0] == "READY=1"


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


class Told:
    def __init__(self) -> None:
        self.words: list[str] = []

    def notify(self, state: str) -> None:
        self.words.append(state)


async def test_a_disk_that_hangs_is_no_sign_of_life_and_one_that_is_dead_is_told() -> None:
    import anyio

    async with running_world() as world:
        told = Told()
        async with anyio.create_task_group() as group:
            group.start_soon(keep_told, world.parts, told, {"WATCHDOG_USEC": "10000000"})
            await anyio.sleep(21)
            alive = told.words.count("WATCHDOG=1")
            world.parts.journal.syncing_since = world.clock.boot()
            await anyio.sleep(19)
            slow = told.words.count("WATCHDOG=1")
            await anyio.sleep(30)
            hung = told.words.count("WATCHDOG=1")
            world.parts.journal.syncing_since = None
            world.parts.journal.failed = True
            await anyio.sleep(6)
            group.cancel_scope.cancel()
        world.parts.journal.failed = False

    assert alive == 5
    assert slow > alive
    assert hung <= slow + 1
    assert told.words.count("WATCHDOG=1") > hung
    assert told.words[-1].startswith(("STATUS=THE DISK FAILED", "WATCHDOG=1"))
    assert any(word.startswith("STATUS=THE DISK FAILED; 1 of 1") for word in told.words)


async def test_without_a_watchdog_only_changes_are_told() -> None:
    import anyio

    async with running_world() as world:
        told = Told()
        with anyio.move_on_after(60):
            await keep_told(world.parts, told, {})

    assert told.words == ["STATUS=1 of 1 accounts can trade"]
