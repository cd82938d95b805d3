"""Every check, in the order a person would look: the configuration, what is kept, the daemon, its accounts, the network, the machine.

A fact that this user may not see makes a check skipped, with the reason. Nothing here changes anything.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from ordoctl.doctor import daemon as daemons
from ordoctl.doctor import files, keeping, reaching
from ordoctl.doctor.answering import Answering
from ordoctl.doctor.findings import Finding, ok, problem, skipped, warning
from ordoctl.doctor.machine import Machine
from ordoctl.folding import short
from ordoctl.places import SERVICE, Place, find_place, usual_config

__all__ = ["Asked", "examine"]

KEPT = ("secret", "store_key", "state_dir", "filesystem", "space", "inodes", "disk_sync", "journal")


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

    def findings(self) -> Iterator[Finding]:
        yield from self._configuration()
        yield from self._kept()
        daemon = Answering(
            self._place, self._settings, self._asked.socket, self._machine, self._environment
        )
        yield from daemon.findings()
        yield from self._accounts(daemon)
        yield from self._network()
        yield from self._machine_itself(daemon)

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
            yield skipped(
                "config", f"this user may not read {short(config)}", "sudo ordoctl doctor"
            )
            return
        if facts is None:
            yield problem(
                "config", f"{short(config)} is not there", f"ordoctl setup --config {short(config)}"
            )
            return
        try:
            self._settings, self._adapters = read_settings(config, self._place.environment)
        except CannotStart as why:
            for line in str(why).splitlines():
                yield problem(
                    "config",
                    line,
                    f"${{EDITOR:-nano}} {short(config)} && ordod check --config {short(config)}",
                )
        else:
            names = ", ".join(self._settings.accounts) or "no accounts"
            yield ok("config", f"{short(config)}: {names}")
            if trouble := calendar_of(self._settings).problem:
                yield warning(
                    "calendar",
                    f"{trouble}. Until it is mended the built-in one serves",
                    f"ordod check --config {short(config)}",
                )
        daemon_uid = self._daemon_uid()
        users = {uid: self._machine.user(uid) for uid in (facts.uid, daemon_uid)}
        yield from files.config_file(
            config, facts, users, daemon_uid=daemon_uid, is_service=self._place.is_service
        )

    def _daemon_uid(self) -> int:
        """Who runs it: the service's user; else whose the configuration is; of root's, whose the state is; else who asks."""
        assert self._place is not None
        if self._place.is_service:
            found = self._machine.uid_of(self._place.service.user)
            return self._machine.uid if found is None else found
        config = self._machine.look(self._place.config)
        if config is not None and config.uid != 0:
            return config.uid
        try:
            state = self._settings and self._machine.look(self._settings.daemon.state_dir)
        except PermissionError:
            state = None
        return int(state.uid) if state else self._machine.uid

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
            who = "root" if user == "root" else f"root and {user}, the daemon's user,"
            for check in KEPT:
                yield skipped(
                    check,
                    f"only {who} may look",
                    "sudo ordoctl doctor",
                )
            return
        yield from self._secrets(daemon_uid)
        yield keeping.store_key(self._settings, self._place.environment, self._place.config)
        is_ours = not self._place.is_service
        yield from keeping.certificate(self._settings, self._place.environment, is_ours=is_ours)
        yield from keeping.tokens(self._settings.daemon.state_dir)
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
                    found = files.secret_file(
                        account.name, key, path, facts, users, daemon_uid=daemon_uid
                    )
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
        yield files.filesystem(
            kind,
            forgetful(self._settings, kind),
            self._settings.file,
            is_forgetful=kind in FORGETFUL,
        )
        yield from files.space(folder, self._machine.space(folder))
        yield files.disk_sync(self._machine.sync_s(folder))
        yield keeping.journal(state, deep=self._asked.deep)

    # Accounts and the network

    def _accounts(self, daemon: Answering) -> Iterator[Finding]:
        if daemon.status is None:
            yield skipped("session", daemon.why_not)
            return
        yield from daemons.sessions(daemon.status.accounts)
        yield from daemons.skews(daemon.status.accounts)

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

    def _machine_itself(self, daemon: Answering) -> Iterator[Finding]:
        synced = self._machine.is_clock_synchronised()
        if synced is None:
            yield skipped("clock", "the kernel does not say whether it is synchronised")
        elif synced:
            yield ok("clock", "synchronised, as the kernel says")
        else:
            yield warning(
                "clock",
                "nothing synchronises this machine's clock: TOTP codes and market hours depend on it",
                "sudo timedatectl set-ntp true   # or: sudo apt install chrony",
            )
        is_service = self._place is not None and self._place.is_service
        pid = daemon.pid if daemon.status is not None else None
        if pid is None:
            yield skipped("core_dumps", f"{daemon.why_not}; it turns them off when it starts")
            yield skipped("open_files", daemon.why_not)
        else:
            yield from daemons.process(self._machine.limits(pid), is_service=is_service)
        taken = self._machine.memory_of(pid) if pid is not None else None
        yield daemons.memory(self._machine.memory_left(), taken)
