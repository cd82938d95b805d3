"""The real daemon: real ports, the socket, and the words a person reads when it cannot start."""

import gc
import os
import resource
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from socket import socket
from typing import TypeAlias

import anyio
import msgspec
import orjson
import sdnotify  # type: ignore[import-untyped]  # it ships no types
import structlog
from stamina.instrumentation import StructlogOnRetryHook, set_on_retry_hooks

from ordod import __version__, remote
from ordod.adapter import Adapter, BrokerSpec, Credentials, Secret, StreamRequest
from ordod.app import running
from ordod.config import SECRETS, AccountSettings, ConfigError, Settings, find, load
from ordod.config import Grant as GrantSettings
from ordod.config.calendar import load_calendar
from ordod.core.orders.opening import Mark, TooNew
from ordod.core.orders.segments import Damage
from ordod.core.parts import Parts
from ordod.core.ports import (
    Brokers,
    Clock,
    Disk,
    DiskError,
    Feed,
    Feeds,
    Line,
    LineSettings,
    Ports,
)
from ordod.domain.calendar import Calendar, LoadedCalendar
from ordod.errors import Kind, OrdoError
from ordod.io.clock import SystemClock, SystemRandom
from ordod.io.feeds import WebsocketFeeds
from ordod.io.files import Files, StateError
from ordod.io.http import HttpBrokers
from ordod.io.signals import Signals
from ordod.io.tables import SqliteTables
from ordod.logs import configure
from ordod.notifying import keep_told
from ordod.paper.feed import PaperFeeds
from ordod.paper.line import PaperBrokers, paper_brokers
from ordod.registry import RegistryError, installed, options_of
from ordod.registry import load as load_adapters
from ordod.reloading import Reloader
from ordod.remote import Remote
from ordod.secrets import Redactor, SecretError, Secrets
from ordod.service.methods import Caller, Role
from ordod.service.table import table
from ordod.store import Store, StoreError
from ordod.store_key import open_store
from ordod.tokens import TokenError
from ordod.vault import StoreVault
from ordod.wire.dispatch import Dispatcher
from ordod.wire.http import Page
from ordod.wire.openrpc import discover, openrpc_page
from ordod.wire.peers import Access, Grant, Peers
from ordod.wire.server import Server
from ordod.wire.sockets import ListenError, inherited, listening
from ordod.wire.tcp import TcpFront
from ordod.wire.tls import TlsError

__all__ = ["check_config", "run"]

DRAIN_S = 5.0
GC_ALLOCATIONS = (
    20_000  # a request makes some fifty objects; the default of 700 collects at every fourteenth
)
PAPER_BOOK = "paper/exchange.ndjson"
PR_SET_DUMPABLE = 4  # linux/prctl.h
FORGETFUL = ("tmpfs", "ramfs", "overlay", "nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p")

log = structlog.get_logger("ordod")


Through: TypeAlias = Callable[[Ports], Ports]


def _as_they_are(ports: Ports) -> Ports:
    return ports


class CannotStart(Exception):  # noqa: N818 - said to a person, as it is
    """Why the daemon does not start and what to do, in one line or a few."""


def check_config(asked: Path | None) -> int:
    """Say whether the configuration can be used; 0 or 1."""
    try:
        settings, adapters = _settings(asked)
        worry = _check_remote(settings)
        redactor = Redactor()
        _credentials_can_be_read(
            settings, Secrets(os.environ, redactor, _store(settings, redactor))
        )
    except CannotStart as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command's answer
        return 1
    if problem := _calendar(settings).problem:
        print(f"{problem}. Until it is mended the built-in calendar serves", file=sys.stderr)  # noqa: T201 - a command's answer
        return 1
    names = ", ".join(
        f"{a.name} ({adapters[a.broker].spec.name})" for a in settings.accounts.values()
    )
    if worry:
        print(worry, file=sys.stderr)  # noqa: T201 - a command's answer
    print(f"{settings.file}: good. Accounts: {names or 'none'}")  # noqa: T201 - a command's answer
    return 0


def run(asked: Path | None, signals: Signals, through: Through = _as_they_are) -> int:
    """Run until told to stop; 0 after an orderly end, 1 where it cannot start.

    Args:
        through: what the ports are seen through; `tests/simulation/faulty_daemon.py` has some fail.
    """
    _forbid_core_dumps()
    gc.disable()  # until the start is over: it makes much and drops little
    try:
        settings, adapters = _settings(asked)
        redactor = Redactor()
        configure(settings.daemon.log_level, redactor)
        # Retries are logged; by itself stamina counts them too, and imports prometheus-client for it.
        set_on_retry_hooks([StructlogOnRetryHook])
        anyio.run(
            partial(_serve, settings, adapters, signals, redactor, through),
            backend_options={"use_uvloop": True},
        )
    except CannotStart as error:
        print(f"ordod: {error}", file=sys.stderr)  # noqa: T201 - a command's answer
        return 1
    return 0


def _settings(asked: Path | None) -> tuple[Settings, Mapping[str, Adapter]]:
    try:
        file = find(asked, Path.home())
        settings = load(file, environment=os.environ, options_of=options_of, brokers=installed())
        adapters = load_adapters(account.broker for account in settings.accounts.values())
    except ConfigError as error:
        raise CannotStart("\n".join(error.mistakes)) from error
    except RegistryError as error:
        raise CannotStart(str(error)) from error
    for account in settings.accounts.values():
        _login_is_known(account, adapters[account.broker].spec)
    return settings, adapters


def _login_is_known(account: AccountSettings, spec: BrokerSpec) -> None:
    if account.login and account.login not in spec.logins:
        known = ", ".join(repr(mode) for mode in spec.logins) or "none"
        raise CannotStart(
            f"accounts.{account.name}: {spec.name} has no login {account.login!r}; it has {known}"
        )


def _check_remote(settings: Settings) -> str:
    try:
        return remote.check(settings.daemon, os.environ, SystemClock().now)
    except (TlsError, TokenError) as error:
        raise CannotStart(str(error)) from error


def _store(settings: Settings, redactor: Redactor) -> Store:
    """Raises CannotStart where the configuration names a key that cannot be used."""
    store = open_store(settings.daemon.state_dir, settings.daemon.store_key, os.environ, redactor)
    if settings.daemon.store_key is not None:
        try:
            store.key()
        except StoreError as error:
            raise CannotStart(str(error)) from error
    return store


def _credentials_can_be_read(settings: Settings, secrets: Secrets) -> None:
    failures = []
    for account in settings.accounts.values():
        try:
            secrets.read_all(account.secrets)
        except SecretError as error:
            failures.append(f"accounts.{account.name}: {error}")
    if failures:
        raise CannotStart("\n".join(failures))


def _forbid_core_dumps() -> None:
    """A core dump would hold every session (P6)."""
    import ctypes

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


async def _serve(
    settings: Settings,
    adapters: Mapping[str, Adapter],
    signals: Signals,
    redactor: Redactor,
    through: Through,
) -> None:
    store = _store(settings, redactor)
    secrets = Secrets(os.environ, redactor, store)
    _credentials_can_be_read(settings, secrets)
    with ExitStack() as stack:
        disk = stack.enter_context(_state(settings.daemon.state_dir))
        _refuse_forgetful(settings, disk)
        signals.arm(disk.gate())
        clock = SystemClock()
        distant = _remote(settings, clock)
        sockets = inherited(os.environ) or [stack.enter_context(_listening(settings))]
        front = stack.enter_context(_front(distant)) if distant else None
        calendar = _calendar(settings)
        if calendar.problem:
            log.error("calendar refused", problem=calendar.problem, serves=calendar.source)
        tables = SqliteTables(settings.daemon.state_dir)
        stack.callback(tables.close)
        brokers = await _brokers(settings, disk, clock, calendar.calendar)
        ports = Ports(
            clock=clock,
            random=SystemRandom(),
            disk=disk,
            brokers=brokers,
            signals=signals,
            tables=tables,
            vault=StoreVault(store),
            feeds=_Feeds(PaperFeeds(brokers.paper.broker, clock), WebsocketFeeds()),
        )
        try:
            async with running(
                through(ports),
                settings,
                adapters,
                credentials_of=partial(_credentials, secrets),
                learned=redactor.add,
                calendar=calendar,
                mark=_kept_mark(settings),
                sealed=partial(_keep_mark, settings),
            ) as parts:
                await _answer(parts, settings, sockets, front, distant, signals, redactor)
        except (Damage, TooNew, DiskError) as error:
            raise CannotStart(_about_journal(error, settings.daemon.state_dir)) from error
        log.info("stopped")


async def _answer(
    parts: Parts,
    settings: Settings,
    sockets: list[socket],
    front: TcpFront | None,
    distant: Remote | None,
    signals: Signals,
    redactor: Redactor,
) -> None:
    """Serve clients until the daemon is to stop."""
    methods = table(parts)
    every = [*methods, discover(methods, __version__)]
    page = openrpc_page(every, __version__)
    server = Server(
        Dispatcher(every),
        Peers(_access(settings), os.getuid()).caller,
        pages={
            "/healthz": lambda _: _health(parts),
            "/metrics": lambda caller: _metrics(parts, caller),
            "/openrpc.json": lambda _: page,
        },
    )
    reloader = Reloader(
        parts,
        settings,
        read=partial(_read_again, settings.file, distant),
        take=partial(_take, server, redactor, distant),
    )
    parts.reload = reloader.reload
    notifier = sdnotify.SystemdNotifier()
    async with anyio.create_task_group() as group:
        await group.start(partial(server.serve, *sockets, front=front, drain_s=DRAIN_S))
        _calm_collector()
        signals.on_reload(lambda: parts.tasks.start_soon(_reload_by_signal, reloader))
        log.info("ready", socket=str(settings.daemon.socket), state=str(settings.daemon.state_dir))
        if distant:
            distant.say()
        notifier.notify("READY=1")
        async with anyio.create_task_group() as telling:
            telling.start_soon(keep_told, parts, notifier, dict(os.environ))
            await parts.stopping.wait()
            telling.cancel_scope.cancel()
        notifier.notify("STOPPING=1")
        parts.desk.is_draining = True
        server.stop()


async def _read_again(file: Path, distant: Remote | None) -> Settings:
    """In a thread: orders do not wait for the file. Raises OrdoError: INVALID_PARAMS."""
    try:
        settings, _ = await anyio.to_thread.run_sync(_settings, file)
        if distant:
            await distant.read_again()
    except (CannotStart, TlsError) as error:
        raise OrdoError(
            Kind.INVALID_PARAMS,
            f"the configuration cannot be used, nothing was changed: {error}",
            field="file",
        ) from error
    return settings


def _take(server: Server, redactor: Redactor, distant: Remote | None, settings: Settings) -> None:
    if distant:
        distant.take()
    configure(settings.daemon.log_level, redactor)
    server.identify_by(Peers(_access(settings), os.getuid()).caller)


async def _reload_by_signal(reloader: Reloader) -> None:
    try:
        await reloader.reload("SIGHUP")
    except OrdoError as error:
        log.error("reload refused", problem=str(error))  # noqa: TRY400 - a mistake in a file, no bug


def _calm_collector() -> None:
    """What a start has made lives as long as the daemon: not to be walked again at each collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 20, 50)
    gc.enable()


def _metrics(parts: Parts, caller: Caller) -> Page:
    if max(caller.role, *caller.roles.values(), Role.NOBODY) < Role.READ:
        return Page(orjson.dumps({"error": "/metrics needs the role read"}), status=403)
    from ordod.metrics import CONTENT_TYPE_LATEST, scrape  # a start does not pay for it

    return Page(scrape(parts, caller), content_type=CONTENT_TYPE_LATEST)


def _health(parts: Parts) -> Page:
    """200 where the daemon works; 503 where its disk has failed."""
    body = orjson.dumps(
        {"journal": "failed" if parts.journal.failed else "ok", "killed": parts.gate.is_closed}
    )
    return Page(body, status=503 if parts.journal.failed else 200)


@contextmanager
def _state(state_dir: Path) -> Iterator[Files]:
    try:
        disk = Files(state_dir)
    except StateError as error:
        raise CannotStart(f"state directory: {error}") from error
    except OSError as error:  # the lock's file
        raise CannotStart(f"state directory: {state_dir} cannot be used: {error}") from error
    try:
        yield disk
    finally:
        disk.close()


@contextmanager
def _listening(settings: Settings) -> Iterator[socket]:
    try:
        manager = listening(settings.daemon.socket)
        listener = manager.__enter__()
    except (ListenError, OSError) as error:
        raise CannotStart(str(error)) from error
    try:
        yield listener
    finally:
        manager.__exit__(None, None, None)


def _remote(settings: Settings, clock: Clock) -> Remote | None:
    if settings.daemon.tcp is None:
        return None
    try:
        return Remote(settings.daemon, os.environ, clock.now)
    except TlsError as error:
        raise CannotStart(str(error)) from error


@contextmanager
def _front(distant: Remote) -> Iterator[TcpFront]:
    manager = distant.listening()
    try:
        front = manager.__enter__()
    except ListenError as error:
        raise CannotStart(str(error)) from error
    try:
        yield front
    finally:
        manager.__exit__(None, None, None)


def _calendar(settings: Settings) -> LoadedCalendar:
    return load_calendar((settings.daemon.state_dir, settings.file.parent))


def _refuse_forgetful(settings: Settings, disk: Disk) -> None:
    """A file system that forgets, or that two machines share, cannot keep P1 and P2 for real money."""
    filesystem = disk.identity().filesystem
    real = [account.name for account in settings.accounts.values() if account.is_real]
    if filesystem in FORGETFUL and real:
        raise CannotStart(
            f"state directory {settings.daemon.state_dir} is on {filesystem}, which may forget or be shared; "
            f"the real account {real[0]} needs a local disk: set [daemon] state_dir to a folder on one"
        )


class _Brokers:
    """Paper within, everyone else over HTTP."""

    def __init__(self, paper: PaperBrokers, http: HttpBrokers) -> None:
        self.paper = paper
        self._http = http

    def line(self, spec: BrokerSpec, settings: LineSettings) -> Line:
        brokers: Brokers = self.paper if spec.id == "paper" else self._http
        return brokers.line(spec, settings)


class _Feeds:
    """Paper within, everyone else over websockets."""

    def __init__(self, paper: PaperFeeds, websockets: WebsocketFeeds) -> None:
        self._paper = paper
        self._websockets = websockets

    async def open(self, spec: BrokerSpec, settings: LineSettings, request: StreamRequest) -> Feed:
        feeds: Feeds = self._paper if spec.id == "paper" else self._websockets
        return await feeds.open(spec, settings, request)


async def _brokers(settings: Settings, disk: Files, clock: Clock, calendar: Calendar) -> _Brokers:
    papers = {
        account.name: account.options
        for account in settings.accounts.values()
        if account.broker == "paper"
    }
    saved = b""
    save: Callable[[bytes], None] | None = None
    if papers:
        try:
            saved = disk.read(PAPER_BOOK)
            save = disk.reopen(PAPER_BOOK).write
        except FileNotFoundError:
            save = (await disk.create(PAPER_BOOK)).write
    try:
        paper = paper_brokers(papers, clock, calendar=calendar, saved=saved, save=save)
    except ValueError as error:
        raise CannotStart(f"paper: {error}") from error
    return _Brokers(paper, HttpBrokers(clock))


def _credentials(secrets: Secrets, account: AccountSettings) -> Credentials:
    read: Mapping[str, Secret] = secrets.read_all(account.secrets)
    return Credentials(
        user_id=account.user_id,
        mode=account.login,
        options=account.options,
        secrets={name: secret for name, secret in read.items() if name not in SECRETS},
        **{name: secret for name, secret in read.items() if name in SECRETS},
    )


def _access(settings: Settings) -> Access:
    def grants(given: Mapping[str, GrantSettings]) -> dict[str, Grant]:
        return {
            name: Grant(
                Role[grant.role.upper()],
                {a: Role[r.upper()] for a, r in grant.accounts.items()},
            )
            for name, grant in given.items()
        }

    return Access(users=grants(settings.access.users), groups=grants(settings.access.groups))


def _mark_file(settings: Settings) -> Path:
    """Beside the socket: that folder outlives the daemon, and no backup of the state directory holds it."""
    return settings.daemon.socket.with_suffix(".head")


def _kept_mark(settings: Settings) -> Mark | None:
    try:
        return msgspec.json.decode(_mark_file(settings).read_bytes(), type=Mark)
    except (OSError, msgspec.MsgspecError):
        return None  # after a reboot, or the first start


def _keep_mark(settings: Settings, mark: Mark) -> None:
    """Written, not synced: it serves as long as the machine runs."""
    with suppress(OSError):
        _mark_file(settings).write_bytes(msgspec.json.encode(mark))


def _about_journal(error: Exception, state_dir: Path) -> str:
    if isinstance(error, Damage):
        return f"the journal is damaged: {error}. Nothing was changed. Look: ordoctl journal verify {state_dir}"
    return f"the journal in {state_dir} cannot be used: {error}"
