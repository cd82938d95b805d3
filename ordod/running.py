"""The real daemon: real ports, the socket, and the words a person reads when it cannot start."""

import gc
import os
import resource
import sys
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, MutableSequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from socket import gethostname, socket
from typing import TypeAlias

import anyio
import orjson
import sdnotify  # type: ignore[import-untyped]  # it ships no types
import structlog
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from ordod import __version__, remote
from ordod.adapter import Adapter, BrokerSpec, Credentials, Secret, StreamRequest
from ordod.app import Running, alert_by, running
from ordod.config import SECRETS, AccountSettings, Settings
from ordod.config import Grant as GrantSettings
from ordod.core.alerts.alerting import Alerting
from ordod.core.alerts.conditions import damaged
from ordod.core.orders.segments import Damage
from ordod.core.orders.too_new import TooNew
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
from ordod.domain.calendar import Calendar
from ordod.errors import Kind, OrdoError
from ordod.io.clock import SystemClock, SystemRandom
from ordod.io.feeds import WebsocketFeeds
from ordod.io.files import Files, StateError
from ordod.io.http import HttpBrokers
from ordod.io.signals import Signals
from ordod.io.tables import SqliteTables
from ordod.logs import configure
from ordod.machine import Machine
from ordod.mark_file import keep_mark, kept_mark, mark_beside
from ordod.notifying import keep_told
from ordod.paper.feed import PaperFeeds
from ordod.paper.line import PaperBrokers, paper_brokers, paper_options
from ordod.receivers import Receivers, problems
from ordod.reloading import Reloader, Wanted
from ordod.remote import Remote
from ordod.secrets import Redactor, Secrets
from ordod.service.methods import Caller, Role
from ordod.service.table import table
from ordod.tokens import TokenError
from ordod.usable import (
    CannotStart,
    calendar_of,
    credentials_can_be_read,
    forgetful,
    read_settings,
    store_of,
)
from ordod.vault import StoreVault
from ordod.wire.dispatch import Dispatcher, Tally
from ordod.wire.door import UNKNOWN_MAX
from ordod.wire.http import Page
from ordod.wire.openrpc import discover, openrpc_page
from ordod.wire.peers import Access, Grant, Peers
from ordod.wire.room import total_within
from ordod.wire.server import Server
from ordod.wire.sockets import ListenError, inherited, listening
from ordod.wire.tcp import TcpFront
from ordod.wire.tls import TlsError

__all__ = ["check_config", "read_again", "run"]

DRAIN_S = 5.0
LAST_WORD_S = 15.0  # for the alert of a daemon that does not start
GC_ALLOCATIONS = (
    20_000  # a request makes some fifty objects; the default of 700 collects at every fourteenth
)
SAVE_S = 0.05  # a file that was the same so long is whole: an editor empties it and writes at once
SAVE_LOOKS = 40
PAPER_BOOK = "paper/exchange.ndjson"
FILES = 65_536  # as the service has them
PR_SET_DUMPABLE = 4  # linux/prctl.h

log = structlog.get_logger("ordod")


Through: TypeAlias = Callable[[Ports], Ports]


def _as_they_are(ports: Ports) -> Ports:
    return ports


def check_config(asked: Path | None) -> int:
    """Say whether the configuration can be used; 0 or 1."""
    try:
        settings, adapters = read_settings(asked, os.environ)
        worry = _check_remote(settings)
        redactor = Redactor()
        secrets = Secrets(os.environ, redactor, store_of(settings, os.environ, redactor))
        credentials_can_be_read(settings, secrets)
    except CannotStart as error:
        print(error, file=sys.stderr)  # noqa: T201 - a command's answer
        return 1
    if problem := calendar_of(settings).problem:
        print(f"{problem}. Until it is mended the built-in calendar serves", file=sys.stderr)  # noqa: T201 - a command's answer
        return 1
    if mute := list(problems(settings.alerts, secrets)):
        print("\n".join(mute), file=sys.stderr)  # noqa: T201 - a command's answer
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
    _forbid_key_log()
    _allow_files()
    gc.disable()  # until the start is over: it makes much and drops little
    try:
        settings, adapters = read_settings(asked, os.environ)
        redactor = Redactor()
        configure(settings.daemon.log_level, redactor)
        # In our words; by itself stamina counts them too, and imports prometheus-client for it.
        set_on_retry_hooks([_tell_retry])
        anyio.run(
            partial(_serve, settings, adapters, signals, redactor, through),
            backend_options={"use_uvloop": True},
        )
    except CannotStart as error:
        print(f"ordod: {error}", file=sys.stderr)  # noqa: T201 - a command's answer
        return 1
    return 0


def _tell_retry(details: RetryDetails) -> None:
    """A question to a broker is asked again."""
    log.info(
        "read_again",
        tries=details.retry_num,
        why=str(details.caused_by),
        wait_s=round(details.wait_for, 2),
    )


def _check_remote(settings: Settings) -> str:
    try:
        return remote.check(settings.daemon, os.environ, SystemClock().now)
    except (TlsError, TokenError) as error:
        raise CannotStart(str(error)) from error


def _forbid_core_dumps() -> None:
    """A core dump would hold every session (P6)."""
    import ctypes

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def _forbid_key_log() -> None:
    """Left over from a look at some traffic, it would have OpenSSL write down what opens the broker's, tokens and all (P6)."""
    os.environ.pop("SSLKEYLOGFILE", None)


def _files() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return FILES if soft == resource.RLIM_INFINITY else soft


def _allow_files() -> None:
    """A shell's 1024 are soon spent by clients, and then there are none for a broker's connection or the journal."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _serve(
    settings: Settings,
    adapters: Mapping[str, Adapter],
    signals: Signals,
    redactor: Redactor,
    through: Through,
) -> None:
    store = store_of(settings, os.environ, redactor)
    secrets = Secrets(os.environ, redactor, store)
    credentials_can_be_read(settings, secrets)
    with ExitStack() as stack:
        disk = stack.enter_context(_state(settings.daemon.state_dir))
        _refuse_forgetful(settings, disk)
        signals.arm(_gate(disk))
        mark_file = mark_beside(settings.daemon.socket)
        clock = SystemClock()
        distant = _remote(settings, clock)
        sockets = inherited(os.environ) or [stack.enter_context(_listening(settings))]
        front = stack.enter_context(_front(distant)) if distant else None
        calendar = calendar_of(settings)
        if calendar.problem:
            log.error("calendar_refused", why=calendar.problem, serves=calendar.source)
        tables = SqliteTables(settings.daemon.state_dir)
        stack.callback(tables.close)
        paper = _Paper(disk, clock, calendar.calendar)
        brokers = _Brokers(paper, HttpBrokers(clock))
        await paper.expect(_papers(settings), settings.accounts)
        ports = Ports(
            clock=clock,
            random=SystemRandom(),
            disk=disk,
            brokers=brokers,
            signals=signals,
            tables=tables,
            vault=StoreVault(store),
            feeds=_Feeds(paper, WebsocketFeeds()),
        )
        ports, host = through(ports), gethostname()
        receivers = Receivers(clock, secrets, os.environ, redactor.hide)
        for problem in problems(settings.alerts, secrets):
            log.error("receiver_refused", why=problem)
        try:
            async with running(
                ports,
                settings,
                adapters,
                credentials_of=partial(_credentials, secrets),
                learned=redactor.add,
                calendar=calendar,
                mark=kept_mark(mark_file),
                sealed=partial(keep_mark, mark_file),
                outlets=receivers.outlets(settings.alerts),
                host=host,
                hide=redactor.hide,
            ) as parts:
                ask = partial(_can_begin, disk, secrets, paper)
                await _answer(
                    parts, settings, sockets, front, distant, signals, redactor, receivers, ask
                )
        except (Damage, TooNew, DiskError) as error:
            why = _about_journal(error, settings.daemon.state_dir)
            if outlets := receivers.outlets(settings.alerts):
                alerts = Alerting(clock=clock, disk=ports.disk, host=host, hide=redactor.hide)
                alerts.use(
                    outlets,
                    remind_s=settings.alerts.remind_minutes * 60.0,
                    per_hour=settings.alerts.per_hour,
                )
                await alerts.tell_and_end(damaged(why), LAST_WORD_S)
            raise CannotStart(why) from error
        log.info("stopped")


async def _answer(
    parts: Running,
    settings: Settings,
    sockets: list[socket],
    front: TcpFront | None,
    distant: Remote | None,
    signals: Signals,
    redactor: Redactor,
    receivers: Receivers,
    can_begin: Callable[[Settings, Collection[str]], Awaitable[None]],
) -> None:
    """Serve clients until the daemon is to stop."""
    methods = table(parts)
    itself, document = discover(methods, __version__)
    every = [*methods, itself]
    page = openrpc_page(document)
    dispatcher = Dispatcher(every)
    machine = Machine(settings.daemon.state_dir)
    server = Server(
        dispatcher,
        Peers(_access(settings), os.getuid()).caller,
        pages={
            "/healthz": lambda _, show: show(_health(parts)),
            "/metrics": partial(_metrics, parts, dispatcher.tally, machine),
            "/openrpc.json": lambda _, show: show(page),
        },
        connections=total_within(_files() - (UNKNOWN_MAX if front else 0)),
    )
    reloader = Reloader(
        parts,
        parts.roster,
        settings,
        read=partial(_read_all_again, settings.file, distant),
        check=can_begin,
        take=partial(_take, parts, server, redactor, receivers, distant),
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
            telling.start_soon(machine.run)
            telling.start_soon(_load_metrics)
            telling.start_soon(keep_told, parts, notifier, dict(os.environ))
            await parts.stopping.wait()
            telling.cancel_scope.cancel()
        notifier.notify("STOPPING=1")
        parts.desk.is_draining = True
        server.stop()


async def _save_passes() -> None:
    await anyio.sleep(SAVE_S)


async def read_again(file: Path, pause: Callable[[], Awaitable[None]] = _save_passes) -> Wanted:
    """In a thread: orders do not wait for the file. Raises OrdoError: INVALID_PARAMS.

    One that is being saved is waited for: half of it would be a good file too, in which accounts are missing.
    """
    for _ in range(SAVE_LOOKS):
        before = await anyio.to_thread.run_sync(_look_of, file)
        await pause()
        try:
            settings, adapters = await anyio.to_thread.run_sync(read_settings, file, os.environ)
        except CannotStart as error:
            if await anyio.to_thread.run_sync(_look_of, file) != before:
                continue
            raise _unusable(error) from error
        if await anyio.to_thread.run_sync(_look_of, file) == before:
            return Wanted(settings, adapters)
    raise _unusable(CannotStart(f"{file} changes all the time; reload when it is saved"))


async def _read_all_again(file: Path, distant: Remote | None) -> Wanted:
    """The certificate too."""
    wanted = await read_again(file)
    try:
        if distant:
            await distant.read_again()
    except TlsError as error:
        raise _unusable(error) from error
    return wanted


def _look_of(file: Path) -> tuple[int, ...]:
    """What changes whenever the file does. Nothing where there is none."""
    with suppress(OSError):
        status = file.stat()
        return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    return ()


async def _can_begin(
    disk: Disk, secrets: Secrets, paper: "_Paper", settings: Settings, names: Collection[str]
) -> None:
    """Whether these accounts can, as a start would see it. Raises OrdoError: INVALID_PARAMS."""

    def look() -> None:
        _refuse_forgetful(settings, disk)
        credentials_can_be_read(settings, secrets, names)

    try:
        await anyio.to_thread.run_sync(look)
        await paper.expect(_papers(settings), names)
    except CannotStart as error:
        raise _unusable(error) from error


def _unusable(error: CannotStart | TlsError) -> OrdoError:
    return OrdoError(
        Kind.INVALID_PARAMS,
        f"the configuration cannot be used, nothing was changed: {error}",
        field="file",
    )


def _take(
    parts: Parts,
    server: Server,
    redactor: Redactor,
    receivers: Receivers,
    distant: Remote | None,
    settings: Settings,
) -> None:
    alert_by(parts, settings.alerts, receivers.outlets(settings.alerts))
    if distant:
        distant.take()
    configure(settings.daemon.log_level, redactor)
    parts.ledger.trail.look_at_level()
    server.identify_by(Peers(_access(settings), os.getuid()).caller)


async def _reload_by_signal(reloader: Reloader) -> None:
    try:
        await reloader.reload("SIGHUP")
    except OrdoError as error:
        log.error("reload_refused", why=str(error))  # noqa: TRY400 - a mistake in a file, no bug


def _calm_collector() -> None:
    """What a start has made lives as long as the daemon: not to be walked again at each collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 20, 50)
    gc.enable()


async def _load_metrics() -> None:
    """In a thread: the first scrape does not hold the loop up for it, nor does a start."""
    await anyio.to_thread.run_sync(import_module, "ordod.metrics", abandon_on_cancel=True)


def _metrics(
    parts: Parts, tally: Tally, machine: Machine, caller: Caller, show: Callable[[Page], None]
) -> None:
    if max(caller.role, *caller.roles.values(), Role.NOBODY) < Role.READ:
        tally.refuse("/metrics", Kind.FORBIDDEN, caller.name)
        show(Page(orjson.dumps({"error": "/metrics needs the role read"}), status=403))
    else:
        parts.tasks.start_soon(_scrape, parts, tally, machine, caller, show)


async def _scrape(
    parts: Parts, tally: Tally, machine: Machine, caller: Caller, show: Callable[[Page], None]
) -> None:
    from ordod.metrics import CONTENT_TYPE_LATEST, scrape  # loaded by now

    page = Page(orjson.dumps({"error": "a bug; the log has it"}), status=500)
    try:
        text = await scrape(parts, caller, tally, machine)
        page = Page(text, content_type=CONTENT_TYPE_LATEST)
    finally:
        show(page)


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


def _gate(disk: Files) -> MutableSequence[int]:
    try:
        return disk.gate()
    except StateError as error:
        raise CannotStart(f"state directory: {error}") from error


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


def _refuse_forgetful(settings: Settings, disk: Disk) -> None:
    if why := forgetful(settings, disk.identity().filesystem):
        raise CannotStart(why)


class _Paper:
    """The paper broker, made when its first account comes: its book is read then."""

    def __init__(self, disk: Files, clock: Clock, calendar: Calendar) -> None:
        self._disk = disk
        self._clock = clock
        self._calendar = calendar
        self._made: tuple[PaperBrokers, PaperFeeds] | None = None

    async def expect(
        self, accounts: Mapping[str, Mapping[str, str]], names: Collection[str]
    ) -> None:
        """Of all paper accounts of a file, with their options, these may come. Raises CannotStart."""
        try:
            paper_options(accounts)
            coming = {name: options for name, options in accounts.items() if name in names}
            if self._made is not None:
                self._made[0].expect(coming)
            elif coming:
                self._made = await self._make(coming)
        except (ValueError, DiskError) as error:
            raise CannotStart(f"paper: {error}") from error

    async def _make(
        self, accounts: Mapping[str, Mapping[str, str]]
    ) -> tuple[PaperBrokers, PaperFeeds]:
        try:
            saved = self._disk.read(PAPER_BOOK)
            save = self._disk.reopen(PAPER_BOOK).write
        except FileNotFoundError:
            saved, save = b"", (await self._disk.create(PAPER_BOOK)).write
        # A long book takes a while: beside the loop, which may have orders of others to carry.
        try:
            brokers = await anyio.to_thread.run_sync(
                lambda: paper_brokers(
                    accounts, self._clock, calendar=self._calendar, saved=saved, save=save
                )
            )
        except ValueError as error:
            raise ValueError(f"its book, {PAPER_BOOK} in the state directory: {error}") from error
        return brokers, PaperFeeds(brokers.broker, self._clock)

    @property
    def brokers(self) -> PaperBrokers:
        assert self._made is not None, "a paper account is expected before it comes"
        return self._made[0]

    @property
    def feeds(self) -> PaperFeeds:
        assert self._made is not None, "a paper account is expected before it comes"
        return self._made[1]


class _Brokers:
    """Paper within, everyone else over HTTP."""

    def __init__(self, paper: _Paper, http: HttpBrokers) -> None:
        self._paper = paper
        self._http = http

    def line(self, spec: BrokerSpec, settings: LineSettings) -> Line:
        brokers: Brokers = self._paper.brokers if spec.id == "paper" else self._http
        return brokers.line(spec, settings)


class _Feeds:
    """Paper within, everyone else over websockets."""

    def __init__(self, paper: _Paper, websockets: WebsocketFeeds) -> None:
        self._paper = paper
        self._websockets = websockets

    async def open(self, spec: BrokerSpec, settings: LineSettings, request: StreamRequest) -> Feed:
        feeds: Feeds = self._paper.feeds if spec.id == "paper" else self._websockets
        return await feeds.open(spec, settings, request)


def _papers(settings: Settings) -> dict[str, Mapping[str, str]]:
    return {
        account.name: account.options
        for account in settings.accounts.values()
        if account.broker == "paper"
    }


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


def _about_journal(error: Exception, state_dir: Path) -> str:
    if isinstance(error, Damage):
        return f"the journal is damaged: {error}. Nothing was changed. Look: ordoctl journal verify {state_dir}"
    return f"the journal in {state_dir} cannot be used: {error}"
