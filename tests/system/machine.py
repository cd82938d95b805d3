"""A Debian of its own, with systemd as its first process: made by debootstrap, booted by systemd-nspawn, without a network.

The root folder is made once and kept (`ORDO_SYSTEM_CACHE`, else a temporary folder); each machine is a copy of it. It takes some
minutes, so CI begins with it (`python3 tests/system/machine.py`) and tests other things meanwhile.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Machine", "made", "missing", "running"]

SUITE = "bookworm"
PACKAGES = (
    "systemd,systemd-sysv,dbus,python3,python3-venv,curl,jq,openssl,openssh-client,openssh-server"
)
BOOT_S = 60.0
COMMAND_S = 300.0


def missing(*tools: str) -> str:
    """Why no machine can be made here, or what needs these tools; "" where it can."""
    if not os.environ.get("ORDO_SYSTEM_TESTS"):
        return (
            "it takes minutes and a download of Debian, so it is asked for by ORDO_SYSTEM_TESTS=1"
        )
    if os.getuid() != 0:
        return "it takes root"
    for tool in ("debootstrap", *(tools or ("systemd-nspawn", "nsenter"))):
        if shutil.which(tool) is None:
            return f"there is no {tool}"
    return ""


class Machine:
    """A booted machine."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._process = _nspawn(root)

    def run(
        self, *command: str, check: bool = True, user: str = ""
    ) -> "subprocess.CompletedProcess[str]":
        """A command in it, and what it said."""
        done = subprocess.run(
            self.command(*command, user=user),
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def start(self, *command: str, user: str = "") -> "subprocess.Popen[str]":
        """The same, not waited for."""
        return subprocess.Popen(
            self.command(*command, user=user),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def command(self, *command: str, user: str = "") -> list[str]:
        """What runs this command in it, as root or as the user."""
        asked = [*(("runuser", "-u", user, "--") if user else ()), *command]
        return ["nsenter", "--all", "--target", str(self._first()), *asked]

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def comes(self, look: Callable[[], Any], *, within_s: float = BOOT_S) -> Any:
        """The first true thing that `look` sees; a command that fails has seen nothing."""
        until, last = time.monotonic() + within_s, ""
        while True:
            try:
                if seen := look():
                    return seen
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                last = str(error)
            assert time.monotonic() < until, f"not within {within_s:.0f} s; {last}"
            time.sleep(0.3)

    def booted(self) -> None:
        self.comes(
            lambda: (
                self.run("systemctl", "is-system-running", check=False).stdout.strip()
                in ("running", "degraded")
            )
        )

    def reboot(self) -> None:
        """And wait until it has booted. Where nspawn leaves the second boot to whoever called it, that is us."""
        first = self._first()
        self.run("systemctl", "reboot", check=False)
        self.comes(lambda: self._process.poll() is not None or self._first() != first)
        if self._process.poll() is not None:
            self._process = _nspawn(self.root)
        self.booted()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _first(self) -> int:
        """The process that is its systemd."""
        mine = {self._process.pid}
        for _ in range(3):
            for entry in Path("/proc").iterdir():
                if not entry.name.isdigit():
                    continue
                try:
                    stat = (entry / "stat").read_text()
                except OSError:
                    continue
                name = stat[stat.index("(") + 1 : stat.rindex(")")]
                parent = int(stat[stat.rindex(")") + 2 :].split()[1])
                if parent in mine:
                    if name == "systemd":
                        return int(entry.name)
                    mine.add(int(entry.name))
        raise OSError("its systemd does not run")


def _nspawn(root: Path) -> "subprocess.Popen[bytes]":
    command = ["systemd-nspawn", "--directory", str(root), "--boot", "--register=no", "--keep-unit"]
    return subprocess.Popen(
        [*command, "--private-network", "--console=pipe"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@contextmanager
def running(folder: Path) -> Iterator[Machine]:
    """A machine that has booted, from a copy of the root folder."""
    root = folder / "root"
    subprocess.run(["cp", "-a", "--reflink=auto", str(made()), str(root)], check=True)
    machine = Machine(root)
    try:
        machine.booted()
        yield machine
    finally:
        machine.stop()
        shutil.rmtree(root, ignore_errors=True)


def made() -> Path:
    """The root folder that machines are copies of; not to be changed. Waits for whoever is making it."""
    kept = Path(os.environ.get("ORDO_SYSTEM_CACHE") or tempfile.gettempdir()) / f"ordo-{SUITE}"
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            begun = kept.with_suffix(".begun")
            shutil.rmtree(begun, ignore_errors=True)
            subprocess.run(
                ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(begun)],
                stdout=subprocess.DEVNULL,
                check=True,
            )
            begun.rename(kept)
    return kept


if __name__ == "__main__":
    if why := missing():
        raise SystemExit(why)
    made()
