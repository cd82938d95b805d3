"""Every check, in the order a person would look: the configuration, what is kept, the daemon, its accounts, the network, the machine.

A fact that this user may not see makes a check skipped, with the reason. Nothing here changes anything.
"""

import os
import platform
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from ordoctl import requests
from ordoctl.client import Client
from ordoctl.discovery import find_socket
from ordoctl.doctor import daemon as daemons
from ordoctl.doctor import files, keeping, reaching
from ordoctl.doctor.findings import Finding, ok, problem, skipped, warning
from ordoctl.doctor.machine import Machine
from ordoctl.errors import CallError, NoDaemon, NotAllowed
from ordoctl.folding import short
from ordoctl.models import Status
from ordoctl.places import SERVICE, Place, find_place, usual_config

__all__ = ["Asked", "examine"]

ANSWER_S = 10.0
KEPT = ("secret", "store_key", "state_dir", "filesystem", "space", "inodes", "disk_sync", "journal")
UNIT = ("LoadState", "ActiveState", "SubState", "UnitFileState", "NRestarts", "WatchdogUSec", "MainPID")  # fmt: skip


class Asked(Struct, frozen=True, kw_only=True):
    """What the command line says. `socket` as `--socket`."""

    config: Path | None = None
    socket: str | None = None
    offline: bool = False
    deep: bool = False


def examine(
    asked: Asked,
    machine: Machine,
    way: reaching.Way,
    environment: Mapping[str, str] = os.environ,
) -> Iterator[Finding]:
    """All findings, as they are found."""
    yield from _Examination(asked, machine, way, environment).findings()


class _Examination:
    def __init__(
        self, asked: Asked, machine: Machine, way: reaching.Way, environment: Mapping[str, str]
    ) -> None:
        self._asked = asked
        self._machine = machine
        self._way = way
        self._environment = environment
        self._place = self._found_place()
        self._settings: Any = None
        self._adapters: Mapping[str, Any] = {}
        self._status: Status | None = None
        self._pid: int | None = None

    def findings(self) -> Iterator[Finding]:
        yield from self._configuration()
        yield from self._kept()
        yield from self._daemon()
        yield from self._accounts()
        yield from self._network()
        yield from self._machine_itself()

    def _found_place(self) -> Place | None:
        """None: there is no configuration at the usual places."""
        if self._asked.config is not None:
            return find_place(self._asked.config, self._environment)
        home = Path(self._environment.get("HOME") or Path.home())
        for config in (SERVICE.config, usual_config(home)):
            try:
                is_there = config.exists()
            except PermissionError:  # there is something that we may not see
                is_there = True
            if is_there:
                return find_place(config, self._environment)
        return None

    # The configuration

    def _configuration(self) -> Iterator[Finding]:
        from ordod.usable import CannotStart, calendar_of, read_settings

        if self._place is None:
            yield problem("config", "there is none at the usual places", "ordoctl setup")
            return
        config = self._place.config
        try:
            facts = self._machine.look(config)
            if facts is not None:
                with config.open("rb"):
                    pass
        except PermissionError:
            yield skipped("config", f"this user may not read {short(config)}", "sudo ordoctl doctor")  # fmt: skip
            return
        if facts is None:
            yield problem("config", f"{short(config)} is not there", f"ordoctl setup --config {short(config)}")  # fmt: skip
            return
        try:
            self._settings, self._adapters = read_settings(config, self._place.environment)
        except CannotStart as why:
            for line in str(why).splitlines():
                yield problem("config", line, f"${{EDITOR:-nano}} {short(config)} && ordod check --config {short(config)}")  # fmt: skip
        else:
            names = ", ".join(self._settings.accounts) or "no accounts"
            yield ok("config", f"{short(config)}: {names}")
            if trouble := calendar_of(self._settings).problem:
                yield warning("calendar", f"{trouble}. Until it is mended the built-in one serves", f"ordod check --config {short(config)}")  # fmt: skip
        daemon_uid = self._daemon_uid()
        users = {uid: self._machine.user(uid) for uid in (facts.uid, daemon_uid)}
        yield from files.config_file(
            config, facts, users, daemon_uid=daemon_uid, is_service=self._place.is_service
        )

    def _daemon_uid(self) -> int:
        """The service's user, or whose the state is, or ourselves."""
        assert self._place is not None
        if self._place.is_service:
            found = self._machine.uid_of(self._place.service.user)
            return self._machine.uid if found is None else found
        try:
            state = self._settings and self._machine.look(self._settings.daemon.state_dir)
        except PermissionError:
            state = None
        config = self._machine.look(self._place.config)
        if state and state.uid != 0:
            return int(state.uid)
        return config.uid if config is not None and config.uid != 0 else self._machine.uid

    # What the daemon keeps

    def _kept(self) -> Iterator[Finding]:
        if self._settings is None or self._place is None:
            for check in KEPT:
                yield skipped(
                    check, "without a configuration that can be used nobody knows where to look"
                )
            return
        daemon_uid = self._daemon_uid()
        if self._machine.uid not in (0, daemon_uid):
            user = self._machine.user(daemon_uid)
            for check in KEPT:
                yield skipped(check, f"only root and {user}, the daemon's user, may look", "sudo ordoctl doctor")  # fmt: skip
            return
        yield from self._secrets(daemon_uid)
        yield keeping.store_key(self._settings, self._place.environment, self._place.config)
        yield from self._state(daemon_uid)

    def _secrets(self, daemon_uid: int) -> Iterator[Finding]:
        from ordod.secrets import Redactor, Secrets
        from ordod.store_key import open_store

        assert self._place is not None
        daemon, environment = self._settings.daemon, self._place.environment
        store = open_store(daemon.state_dir, daemon.store_key, environment, Redactor())
        secrets = Secrets(environment, Redactor(), store)
        for account in self._settings.accounts.values():
            for key, reference in account.secrets.items():
                if reference.source == "file":
                    path = Path(reference.name)
                    facts = self._machine.look(path)
                    uids = {daemon_uid, facts.uid if facts else daemon_uid}
                    users = {uid: self._machine.user(uid) for uid in uids}
                    found = files.secret_file(account.name, key, path, facts, users, daemon_uid=daemon_uid)  # fmt: skip
                    yield found
                    if found.mend:
                        continue
                is_ours = not self._place.is_service
                yield keeping.secret(account.name, key, reference, secrets.read, is_ours=is_ours)

    def _state(self, daemon_uid: int) -> Iterator[Finding]:
        from ordod.usable import FORGETFUL, forgetful

        state: Path = self._settings.daemon.state_dir
        facts = self._machine.look(state)
        uids = {daemon_uid, facts.uid if facts else daemon_uid}
        users = {uid: self._machine.user(uid) for uid in uids}
        yield files.state_dir(state, facts, users, daemon_uid=daemon_uid)
        folder = state if facts else next(one for one in state.parents if one.exists())
        kind = self._machine.filesystem(folder)
        yield files.filesystem(kind, forgetful(self._settings, kind), self._settings.file, is_forgetful=kind in FORGETFUL)  # fmt: skip
        yield from files.space(folder, self._machine.space(folder))
        yield files.disk_sync(self._machine.sync_s(folder))
        yield keeping.journal(state, deep=self._asked.deep)

    # The daemon

    def _daemon(self) -> Iterator[Finding]:
        yield from self._service()
        path = self._socket()
        if path is None:
            yield daemons.socket_missing(None, self._start_command)
        else:
            yield from self._answering(path)
        if self._status is None:
            yield from self._without_daemon()
            return
        yield daemons.version(
            self._status.version, _our_version(), platform.python_version(), self._restart_command
        )
        if found := daemons.journal_head(self._status):
            yield found
        yield daemons.kill(self._status)
        yield daemons.doubts(self._status)

    def _service(self) -> Iterator[Finding]:
        if not self._machine.has_systemd:
            yield skipped("service", "systemd does not run this machine")
            return
        if self._place is not None and self._place.is_service:
            unit = self._machine.unit("ordod.service", *UNIT)
            if unit is None:
                yield skipped("service", "systemd does not answer")
                return
            self._pid = int(unit.get("MainPID", "0")) or None
            yield from daemons.service(unit)
            return
        user = self._machine.user(self._machine.uid)
        unit = self._machine.unit("ordod.service", *UNIT, user=True)
        yield from daemons.user_service(unit, self._machine.lingers(user), user)

    def _socket(self) -> Path | None:
        named = self._asked.socket or self._environment.get("ORDOD_SOCKET")
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
            self._pid = self._pid or (pid if pid > 1 else None)
        except PermissionError:
            user = self._machine.user(self._machine.uid)
            yield skipped("socket", f"this user may not connect to {short(path)}", f"sudo usermod -aG ordo {user}   # then log in anew; [access] says what the group may do")  # fmt: skip
            return
        except FileNotFoundError:
            yield daemons.socket_missing(path, self._start_command)
            return
        except OSError as why:
            yield daemons.socket_dead(path, why.strerror or str(why), self._start_command)
            return
        try:
            with Client(path, timeout=ANSWER_S, patient=False) as client:
                self._status = client.send(requests.status())
        except NotAllowed as why:
            yield skipped("socket", f"{short(path)} answers, and this user may read nothing: {why.message}", "who runs the daemon gives a role in [access]")  # fmt: skip
        except CallError as why:
            yield problem("socket", f"{short(path)} is open, and no answer comes: {why.message}", f"ordoctl kill --local   # if orders must stop now; then: {self._restart_command}")  # fmt: skip
        else:
            yield ok("socket", f"{short(path)} answers: {self._status.state}")

    def _without_daemon(self) -> Iterator[Finding]:
        why = "no daemon answers"
        yield skipped("version", f"{why}; installed is {_our_version()}, Python {platform.python_version()}")  # fmt: skip
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
            return "sudo systemctl start ordod.socket ordod.service"
        return f"ordod --config {short(self._place.config)}"

    @property
    def _restart_command(self) -> str:
        if self._place is not None and self._place.is_service:
            return "sudo systemctl restart ordod.service"
        return f"ordoctl call system.shutdown   # and when it has ended: {self._start_command}"

    # Accounts and the network

    def _accounts(self) -> Iterator[Finding]:
        if self._status is None:
            yield skipped("session", "no daemon answers")
            return
        yield from daemons.sessions(self._status.accounts)
        yield from daemons.skews(self._status.accounts)

    def _network(self) -> Iterator[Finding]:
        from ordod.usable import hosts_of

        if self._settings is None:
            yield skipped(
                "dns", "without a configuration that can be used nobody knows where to look"
            )
            return
        urls = {
            account.name: hosts_of(account, self._adapters[account.broker].spec)
            for account in self._settings.accounts.values()
        }
        reached = None
        if not self._asked.offline:
            reached = reaching.reach(set(self._targets(urls)), self._way)
        for account in self._settings.accounts.values():
            yield from reaching.accounts_network(
                account.name, urls[account.name], account.source_address, reached, self._way
            )

    def _targets(self, urls: Mapping[str, Mapping[str, str]]) -> Iterator[reaching.Target]:
        for account in self._settings.accounts.values():
            source = account.source_address
            if source is not None and not self._way.is_here(source):
                continue
            for url in urls[account.name].values():
                if target := reaching.Target.of(url, source):
                    yield target

    # The machine

    def _machine_itself(self) -> Iterator[Finding]:
        synced = self._machine.is_clock_synchronised()
        if synced is None:
            yield skipped("clock", "the kernel does not say whether it is synchronised")
        elif synced:
            yield ok("clock", "synchronised, as the kernel says")
        else:
            yield warning("clock", "nothing synchronises this machine's clock: TOTP codes and market hours depend on it", "sudo timedatectl set-ntp true   # or: sudo apt install chrony")  # fmt: skip
        is_service = self._place is not None and self._place.is_service
        pid = self._pid if self._status is not None else None
        if pid is None:
            yield skipped("core_dumps", "no daemon answers; it turns them off when it starts")
            yield skipped("open_files", "no daemon answers")
        else:
            yield from daemons.process(self._machine.limits(pid), is_service=is_service)
        taken = self._machine.memory_of(pid) if pid is not None else None
        yield daemons.memory(self._machine.memory_left(), taken)


def _our_version() -> str:
    from ordod import __version__

    return __version__
