"""The daemon, asked over its socket, and by systemd: does it run, does it answer, and what does it say of itself."""

import platform
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ordoctl import requests
from ordoctl.client import Client
from ordoctl.discovery import find_socket
from ordoctl.doctor import daemon as daemons
from ordoctl.doctor import keeping
from ordoctl.doctor.findings import Finding, ok, problem, skipped
from ordoctl.doctor.machine import Machine
from ordoctl.errors import CallError, NoDaemon, NotAllowed
from ordoctl.folding import short
from ordoctl.models import Status
from ordoctl.places import Place

__all__ = ["Answering"]

ANSWER_S = 10.0
UNIT = (
    "LoadState",
    "ActiveState",
    "SubState",
    "Result",
    "UnitFileState",
    "NRestarts",
    "WatchdogUSec",
    "MainPID",
)


class Answering:
    """Asked once, by going through `findings`; `status` and `pid` are what was learned then, None where nothing was.

    Args:
        place, settings: None where there is no configuration, or this user may not read it.
        named: the socket, where the command line says it.
    """

    def __init__(
        self,
        place: Place | None,
        settings: Any,
        named: str | None,
        machine: Machine,
        environment: Mapping[str, str],
    ) -> None:
        self._place = place
        self._settings = settings
        self._named = named
        self._machine = machine
        self._environment = environment
        self.status: Status | None = None
        self.pid: int | None = None
        self._unit: Mapping[str, str] = {}
        self.why_not = "no daemon answers"

    def findings(self) -> Iterator[Finding]:
        yield from self._service()
        path = self._socket()
        if path is None:
            yield daemons.socket_missing(None, self._start_command)
        else:
            yield from self._answering(path)
        if self.status is None:
            yield from self._without_daemon()
            return
        yield daemons.version(
            self.status.version, _our_version(), platform.python_version(), self._restart_command
        )
        if found := daemons.journal_head(self.status):
            yield found
        yield daemons.kill(self.status)
        yield daemons.doubts(self.status)

    def _service(self) -> Iterator[Finding]:
        if not self._machine.has_systemd:
            yield skipped("service", "systemd does not run this machine")
            return
        if self._place is not None and self._place.is_service:
            unit = self._machine.unit("ordod.service", *UNIT)
            if unit is None:
                yield skipped("service", "systemd does not answer")
                return
            self._unit = unit
            self.pid = int(unit.get("MainPID", "0")) or None
            yield from daemons.service(unit)
            return
        user = self._machine.user(self._machine.uid)
        unit = self._machine.unit("ordod.service", *UNIT, user=True)
        yield from daemons.user_service(unit, self._machine.lingers(user), user)

    def _socket(self) -> Path | None:
        named = self._named or self._environment.get("ORDOD_SOCKET")
        if named:
            return Path(named)
        if self._settings is not None:
            socket_path: Path = self._settings.daemon.socket
            return socket_path
        try:
            return find_socket()
        except (NoDaemon, OSError):
            return None

    def _answering(self, path: Path) -> Iterator[Finding]:
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(ANSWER_S)
                link.connect(str(path))
                peer = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            pid = struct.unpack("3i", peer)[0]
            self.pid = self.pid or (pid if pid > 1 else None)
        except PermissionError:
            user = self._machine.user(self._machine.uid)
            self.why_not = "this user may not ask the daemon"
            yield skipped(
                "socket",
                f"this user may not connect to {short(path)}",
                f"sudo usermod -aG ordo {user}   # then log in anew; [access] says what the group may do",
            )
            return
        except FileNotFoundError:
            yield daemons.socket_missing(path, self._start_command)
            return
        except OSError as why:
            yield daemons.socket_dead(path, why.strerror or str(why), self._start_command)
            return
        try:
            with Client(path, timeout=ANSWER_S, patient=False) as client:
                self.status = client.send(requests.status())
        except NotAllowed as why:
            self.why_not = "this user may not ask the daemon"
            yield skipped(
                "socket",
                f"{short(path)} answers, and this user may read nothing: {why.message}",
                "who runs the daemon gives a role in [access]",
            )
        except CallError as why:
            yield problem(
                "socket",
                f"{short(path)} is open, and no answer comes: {why.message}",
                f"ordoctl kill --local   # if orders must stop now; then: {self._restart_command}",
            )
        else:
            yield ok("socket", f"{short(path)} answers: {self.status.state}")

    def _without_daemon(self) -> Iterator[Finding]:
        why = self.why_not
        yield skipped(
            "version", f"{why}; installed is {_our_version()}, Python {platform.python_version()}"
        )
        state = self._settings.daemon.state_dir if self._settings is not None else None
        try:
            yield (
                keeping.kill_on_disk(state, self._start_command) if state else skipped("kill", why)
            )
        except PermissionError:
            yield skipped("kill", f"{why}, and this user may not read the state directory")
        yield skipped("doubts", why)

    @property
    def _start_command(self) -> str:
        if self._place is None:
            return "ordoctl setup"
        if self._place.is_service:
            return daemons.start(self._unit)
        return f"ordod --config {short(self._place.config)}"

    @property
    def _restart_command(self) -> str:
        if self._place is not None and self._place.is_service:
            return "sudo systemctl restart ordod.service"
        return f"ordoctl call system.shutdown   # and when it has ended: {self._start_command}"


def _our_version() -> str:
    from ordod import __version__

    return __version__
