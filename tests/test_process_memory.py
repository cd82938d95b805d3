"""P6, by what the kernel says: the memory of a daemon holds every session, and no other process of its user reads it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can be another user")

NOBODY = 65_534
END_S = 60
# What is imported is imported as root: the other user may not reach where the tests run from.
HOLDER = f"""
import os, resource, signal, sys
from ordod.running import _forbid_core_dumps
os.setgroups([])
os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
import ctypes
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # a change of user made it undumpable: as if it had been started so
if sys.argv[1] == "closed":
    _forbid_core_dumps()
print(resource.getrlimit(resource.RLIMIT_CORE), flush=True)
signal.pause()
"""
READER = f"""
import os, sys
os.setgroups([])
os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
for name in ("mem", "environ", "maps"):
    try:
        with open(f"/proc/{{sys.argv[1]}}/{{name}}", "rb"):
            print(name, "open")
    except PermissionError:
        print(name, "refused")
"""


@contextmanager
def holder(how: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process of another user, and its limit of core dumps as it tells it."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, how],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def read_by_the_same_user(process: subprocess.Popen[str]) -> list[str]:
    reader = [sys.executable, "-c", READER, str(process.pid)]
    read = subprocess.run(reader, capture_output=True, text=True, check=True, timeout=END_S)
    return read.stdout.splitlines()


def test_a_process_of_the_same_user_cannot_read_its_memory(tmp_path: Path) -> None:
    with holder("open", tmp_path) as (process, _):
        if read_by_the_same_user(process) != ["mem open", "environ open", "maps open"]:
            pytest.skip("this kernel refuses it to every process, so that there is nothing to see")

    with holder("closed", tmp_path) as (process, _):
        assert read_by_the_same_user(process) == ["mem refused", "environ refused", "maps refused"]


def test_a_signal_that_dumps_core_leaves_none(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with holder("closed", tmp_path) as (process, limit):
        process.send_signal(signal.SIGABRT)
        status = process.wait(timeout=END_S)

    assert limit == "(0, 0)"
    assert status == -signal.SIGABRT
    assert list(tmp_path.iterdir()) == []
