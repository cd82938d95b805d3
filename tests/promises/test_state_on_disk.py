"""What the state directory lies on: a disk that is full, one that forgets."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ordod.sim.process import SimProcess
from tests.promises.daemon import PAPER, Daemon, Refused

Make = Callable[..., Daemon]

SHARED_MEMORY = Path("/dev/shm")
DISK_BYTES = 256 << 20  # the journal reserves 70 MiB, and the next segment as much again


def is_tmpfs(path: Path) -> bool:
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return any(line.split()[1:3] == [str(path), "tmpfs"] for line in mounts)


@pytest.fixture
def forgetful() -> Iterator[Path]:
    """A state directory in memory."""
    if not is_tmpfs(SHARED_MEMORY) or not os.access(SHARED_MEMORY, os.W_OK):
        pytest.skip("there is no tmpfs to write to")
    path = SHARED_MEMORY / f"ordod-test-{os.getpid()}"
    yield path
    subprocess.run(["rm", "-rf", str(path)], check=True)


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own, in a file."""
    image, mount = folder / "disk", folder / "mount"
    mount.mkdir()
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
    made = subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=False, capture_output=True)
    if (
        made.returncode
        or subprocess.run(
            ["mount", "-o", "loop", str(image), str(mount)], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("only root, with loop devices, can mount a disk of its own")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def fill(mount: Path, *, leave: int = 0) -> Path:
    """Take all the space there is but so many bytes."""
    ballast = mount / "ballast"
    free = os.statvfs(mount)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - leave)
    return ballast


def test_a_state_that_may_be_forgotten_is_refused_for_a_real_broker(
    make: Make, forgetful: Path
) -> None:
    account = '[accounts.real]\nbroker = "zerodha"\napi_key = "a"\naccess_token = "b"\n'
    daemon = make(account, state=forgetful).start()

    status = daemon.died()

    [line] = daemon.log_text().splitlines()
    assert status == 1
    assert "tmpfs" in line
    assert str(forgetful) in line
    assert "state_dir" in line


def test_a_state_in_memory_is_good_enough_for_paper_and_simulators(
    make: Make, forgetful: Path, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker + PAPER, state=forgetful).ready()

    assert daemon.insist("simulated")["status"] in ("PENDING", "OPEN")
    daemon.kill()


def test_a_full_disk_stops_neither_what_has_room_reserved_nor_the_kill(
    make: Make, small_disk: Path, sim: SimProcess, broker: str
) -> None:
    daemon = make(broker, state=small_disk / "state").ready()
    daemon.insist("before")
    ballast = fill(small_disk)

    during = daemon.insist("during")
    cancelled = daemon.call("order.cancel", account="zerodha", key="before")
    engaged = daemon.call("kill.engage", reason="disk full")
    daemon.wait_status(lambda _: daemon.get("during")["status"] == "CANCELLED")
    daemon.kill()
    ballast.unlink()
    daemon.ready()
    with pytest.raises(Refused) as refused:
        daemon.place("after")

    assert during["status"] in ("PENDING", "OPEN")
    assert cancelled["change"] == "done"
    assert engaged["durable"]
    assert refused.value.kind == "KILLED"
    assert daemon.verified().is_good
    daemon.kill()


def test_a_disk_too_full_for_the_journal_is_said_in_one_line_at_the_start(
    make: Make, small_disk: Path
) -> None:
    fill(small_disk, leave=1 << 20)
    daemon = make(PAPER, state=small_disk / "state").start()

    status = daemon.died()

    [line] = daemon.log_text().splitlines()
    assert status == 1
    assert "journal" in line
    assert "space" in line.lower()
