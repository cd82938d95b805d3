"""A daemon for what was written: the service where systemd keeps it, else a process of this person's own."""

import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ordoctl import requests
from ordoctl.client import Client
from ordoctl.errors import CallError
from ordoctl.folding import short
from ordoctl.models import Status
from ordoctl.places import Place
from ordoctl.setup.asking import Stop

__all__ = ["Starter"]

READY_S = 90.0  # a start replays the journal; a login at the start may take some seconds more
STOP_S = 30.0  # the drain is 5 s, and the journal is closed behind it
LOOK_S = 0.1
TAIL_BYTES = 4000
LOG = "ordod.log"
AT_WORK = ("NEW", "LOGGING_IN")  # of sessions that a start is still busy with


class Starter:
    """One daemon: is there one, start it, wait for it."""

    def __init__(self, place: Place, settings: Any) -> None:
        self._place = place
        self._socket: Path = settings.daemon.socket
        self._log: Path = settings.daemon.state_dir / LOG
        self._state: Path = settings.daemon.state_dir
        self._process: subprocess.Popen[bytes] | None = None
        self._log_from = 0

    @property
    def by_systemd(self) -> bool:
        return self._place.is_service and Path("/run/systemd/system").is_dir() and os.getuid() == 0

    @property
    def by_us(self) -> bool:
        """Whether it can be a process of this person's own; the service's state is another user's."""
        return not self._place.is_service

    @property
    def command(self) -> str:
        """What a person types to start it."""
        if self._place.is_service:
            return "sudo systemctl enable --now ordod.socket ordod.service"
        return f"ordod --config {short(self._place.config)}"

    @property
    def how(self) -> str:
        if self.by_systemd:
            return "the service ordod, by systemd"
        return f"{self.command}, in the background"

    @property
    def log(self) -> str:
        return "journalctl -u ordod" if self._place.is_service else short(self._log)

    def running(self) -> Status | None:
        """What the daemon on this socket says; None: there is none."""
        with Client(self._socket, timeout=10, patient=False) as client:
            try:
                return client.send(requests.status())
            except CallError as why:
                if why.kind == "NO_DAEMON":
                    return None
                raise

    def config_of_running(self) -> str:
        """The file that daemon was started with."""
        with Client(self._socket, timeout=10, patient=False) as client:
            told = client.send(requests.config())
        config = told.get("config")
        return str(config.get("file", "")) if isinstance(config, dict) else ""

    def start(self) -> None:
        """Begin, and do not wait. Raises Stop."""
        if self.by_systemd:
            self._systemctl("enable", "--now", "ordod.socket", "ordod.service")
        else:
            self._spawn()

    def reload(self) -> bool:
        """Have the one that runs take over what the file says now; False: something in it waits for a restart. Raises CallError."""
        with Client(self._socket, timeout=READY_S, patient=False) as client:
            return not client.send(requests.reload())["needs_restart"]

    def restart(self) -> None:
        """End the one that runs in good order, and begin anew. Raises Stop, CallError."""
        if self.by_systemd:
            self._systemctl("restart", "ordod.service")
            return
        pid = self._pid()
        ended = os.pidfd_open(pid)
        try:
            with Client(self._socket, timeout=10, patient=False) as client:
                client.send(requests.shutdown())
            if not select.select([ended], [], [], STOP_S)[0]:
                raise Stop(
                    f"the daemon (process {pid}) has not ended for {STOP_S:g} s; when it has: {self.command}"
                )
        finally:
            os.close(ended)
        self._spawn()

    def wait(self, accounts: tuple[str, ...], say: Callable[[str], None]) -> Status:
        """Its status, once it knows these accounts and is busy with no login of theirs. Raises Stop."""
        until = time.monotonic() + READY_S
        status, last = None, "nobody answers"
        while time.monotonic() < until:
            try:
                status = self.running()
            except CallError as why:
                if why.kind in ("FORBIDDEN", "UNAUTHENTICATED"):
                    raise Stop(
                        f"the daemon runs, and lets this user do nothing: {why.message}"
                    ) from None
                status, last = None, why.message
            if status is not None:
                busy = _busy(status, accounts)
                if not busy:
                    return status
                last = f"still busy with {', '.join(busy)}"
            if self._process is not None and self._process.poll() is not None:
                raise Stop(f"the daemon ended at once; it said:\n{self._said()}")
            time.sleep(LOOK_S)
        if status is None:
            raise Stop(
                f"no daemon at {self._socket} after {READY_S:g} s ({last}); look: {self.log}"
            )
        say(f"after {READY_S:g} s it is {last}")
        return status

    def _spawn(self) -> None:
        self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._log_from = os.fstat(fd).st_size
        beside = Path(sys.executable).with_name("ordod")
        program = [str(beside)] if beside.exists() else [sys.executable, "-m", "ordod"]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [*program, "--config", str(self._place.config)],
                stdin=subprocess.DEVNULL,
                stdout=fd,
                stderr=fd,
                start_new_session=True,  # it outlives this terminal
            )
        finally:
            os.close(fd)

    def _said(self) -> str:
        with self._log.open("rb") as log:
            log.seek(max(self._log_from, self._log.stat().st_size - TAIL_BYTES))
            return log.read().decode(errors="replace").strip()

    def _pid(self) -> int:
        """The process that listens."""
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(self._socket))
            peer = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        pid, _, _ = struct.unpack("3i", peer)
        return int(pid)

    def _systemctl(self, *words: str) -> None:
        done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)  # noqa: S603, S607 - the system's own
        if done.returncode != 0:
            raise Stop(
                f"systemctl {' '.join(words)} failed: {done.stderr.strip()}\nlook: systemctl status ordod; {self.log}"
            )


def _busy(status: Status, accounts: tuple[str, ...]) -> list[str]:
    """Which of them a start has not come to an end with."""
    found = {account.account: account for account in status.accounts}
    return [
        name
        for name in accounts
        if name not in found
        or found[name].state in AT_WORK
        or (found[name].state == "ACTIVE" and not found[name].can_trade)
    ]
