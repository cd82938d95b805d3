"""setup: from nothing to a daemon that runs, an account that is logged in, and a first order at the paper broker."""

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ordoctl.commands.terminal import DONE, NO, Misuse, Terminal
from ordoctl.errors import CallError
from ordoctl.folding import folded, short
from ordoctl.places import SERVICE, Place, find_place, usual_config
from ordoctl.setup.asking import Asker, Stop
from ordoctl.setup.brokers import PAPER
from ordoctl.setup.first import QUANTITY, SYMBOL, First
from ordoctl.setup.interview import Wanted, interview
from ordoctl.setup.keeping import keep
from ordoctl.setup.starting import Starter
from ordoctl.setup.writing import FILE_MODE, CannotWrite, extended, written
from ordoctl.stored import Stored, StoredError

__all__ = ["setup"]

SERVICE_MODE = 0o640  # of the service's file: root writes it, the daemon's group reads it
INTERRUPTED = 130


def setup(terminal: Terminal) -> int:
    args = terminal.args
    asks = not args.yes
    if asks and not terminal.is_interactive:
        raise Misuse("there is no terminal to ask at: answer by options, and say --yes")
    try:
        return _Setup(
            terminal,
            Asker(lambda words: terminal.say(folded(words)), asks=asks),
            _place(args.config),
        ).run()
    except (Stop, StoredError, CannotWrite) as why:
        terminal.say(folded(f"ordoctl: {why}"))
        return NO


def _place(asked: str | None) -> Place:
    """Root works on the service where there is one; everybody else on a daemon of their own. Raises Misuse."""
    if asked:
        return find_place(Path(asked).expanduser())
    own = usual_config(Path.home())
    if os.getuid() == 0 and SERVICE.is_installed:
        return find_place(SERVICE.config)
    if os.getuid() != 0 and os.path.lexists(SERVICE.config.parent):
        raise Misuse(
            f"this machine has Ordo as a service ({SERVICE.config.parent}). For an account of the service: sudo ordoctl setup. For a "
            f"daemon of your own besides: ordoctl setup --config {own}"
        )
    return find_place(own)


class _Setup:
    def __init__(self, terminal: Terminal, asker: Asker, place: Place) -> None:
        self._terminal = terminal
        self._said = terminal.say
        self._asker = asker
        self._place = place
        self._before = _read(place.config)
        self._done: dict[str, Any] = {"config": str(place.config)}

    def run(self) -> int:
        is_there = "extended" if self._before is not None else "new"
        if self._asker.asks:
            self._say(
                f"Ordo setup. Nothing is written before you say yes at the end; Ctrl-C leaves at any question.\n"
                f"Configuration: {short(self._place.config)} ({is_there})\n"
            )
        settings = self._settings(self._before or "")
        daemon = self._daemon_keys(settings)
        try:
            wanted = self._asked(settings)
            text = extended(self._before or "", wanted.accounts, daemon)
            planned = self._settings(text)
            self._refuse_forgetful(planned)
            starter = Starter(self._place, planned)
            is_running = self._is_running(starter)
            starts = self._plan(wanted, planned, starter, is_running=is_running, daemon=daemon)
        except KeyboardInterrupt:
            self._say("\nordoctl: left; nothing was changed")
            return INTERRUPTED
        if starts is None:
            self._say("nothing was changed")
            return NO
        with _undisturbed():
            self._write(wanted, planned, text)
        self._done |= {"account": wanted.account, "broker": wanted.broker}
        if not starts:
            self._say(f"\nnot started. To start it: {starter.command}")
            return self._ended(DONE)
        return self._ended(self._started(wanted, planned, starter, is_running=is_running))

    def _say(self, words: str, hanging: int = 0) -> None:
        self._said(folded(words, hanging=hanging))

    # Before anything is written

    def _settings(self, text: str) -> Any:
        """By the code of `ordod check`. Raises Stop."""
        from ordod.usable import CannotStart, read_text

        try:
            mode = self._place.config.stat().st_mode & 0o7777
        except FileNotFoundError:
            mode = FILE_MODE
        try:
            settings, _ = read_text(text, self._place.config, mode, self._place.environment)
        except CannotStart as why:
            raise Stop(f"this cannot be used, nothing was changed:\n{why}") from None
        return settings

    def _refuse_forgetful(self, settings: Any) -> None:
        """As a start would. Raises Stop."""
        from ordod.io.files import filesystem_of
        from ordod.usable import forgetful

        state: Path = settings.daemon.state_dir
        folder = next(one for one in (state, *state.parents) if one.exists())
        if why := forgetful(settings, filesystem_of(folder)):
            raise Stop(f"{why}. Nothing was changed")

    def _daemon_keys(self, settings: Any) -> dict[str, str]:
        """The service's user has no home for a key of the store: it is told where the key is."""
        if not self._place.is_service or settings.daemon.store_key is not None:
            return {}
        return {"store_key": f"file:{self._place.service.store_key}"}

    def _asked(self, settings: Any) -> Wanted:
        names = {kept.name for kept in self._kept(settings)}
        return interview(
            self._terminal.args,
            self._asker,
            settings.accounts,
            names.__contains__,
            self._say,
        )

    def _kept(self, settings: Any) -> tuple[Any, ...]:
        """What the store has; raises StoredError where it could not take a secret."""
        stored = Stored.of(settings, self._place.environment)
        if self._place.is_service and not os.path.lexists(self._place.service.store_key):
            return ()
        stored.check()
        return stored.listed()

    def _is_running(self, starter: Starter) -> bool:
        """Whether the daemon of this configuration runs. Raises Stop where another one sits on its socket."""
        try:
            if starter.running() is None:
                return False
            file = starter.config_of_running()
        except CallError as why:
            raise Stop(f"a daemon runs, and cannot be asked: {why.message}") from None
        if file and Path(file).resolve() != self._place.config.resolve():
            raise Stop(
                f"another daemon, of {file}, listens where this one would. Stop it (ordoctl call system.shutdown), or give this one a "
                "socket of its own ([daemon] socket)"
            )
        return True

    def _plan(
        self,
        wanted: Wanted,
        settings: Any,
        starter: Starter,
        *,
        is_running: bool,
        daemon: Mapping[str, str],
    ) -> bool | None:
        """Say what will be done, and ask; whether to start the daemon, None: nothing is to be done at all."""
        lines = []
        if wanted.accounts or daemon:
            what = ", ".join(
                f"{name} ({values['broker']})" for name, values in wanted.accounts.items()
            )
            lines.append(f"write   {short(self._place.config)}: {what or 'store_key'}")
        else:
            lines.append(f"keep    {short(self._place.config)} as it is")
        if wanted.typed:
            lines.append(
                f"store   {', '.join(wanted.typed)}; encrypted, in {short(settings.daemon.state_dir)}"
            )
        starts = not self._terminal.args.no_start and (starter.by_systemd or starter.by_us)
        if starts:
            verb = "start"
            if is_running:
                verb = "restart" if daemon else "reload" if wanted.accounts else "keep on"
            lines.append(f"{verb:<7} {starter.how}")
            if wanted.broker != PAPER:
                lines.append(
                    f"log in  {wanted.account}, and show its funds; no order is placed there"
                )
            lines.append(
                f"place   an order for {QUANTITY} {SYMBOL} at {wanted.order_at}: paper, no money"
            )
        if self._asker.asks:
            self._say("\nThis will be done:")
        for line in lines:
            self._say(f"  {line}", hanging=10)
        return starts if self._asker.agreed("Go on?") else None

    # From here on things change

    def _write(self, wanted: Wanted, settings: Any, text: str) -> None:
        """Secrets first: a file never refers to one that is not there. Raises Stop, StoredError, CannotWrite."""
        place = self._place
        keep(place, settings, wanted.typed, self._say)
        self._done["secrets"] = list(wanted.typed)
        if text == (self._before or "") and self._before is not None:
            self._say(f"kept    {short(place.config)}: nothing was to be added")
            return
        mode, group = (SERVICE_MODE, _group(place)) if place.is_service else (FILE_MODE, None)
        written(place.config, self._before, text, mode=mode, group=group)
        self._say(f"wrote   {short(place.config)}")

    def _started(self, wanted: Wanted, settings: Any, starter: Starter, *, is_running: bool) -> int:
        changed = bool(wanted.accounts) or self._settings_differ(starter, is_running)
        if is_running and changed:
            if starter.reload():
                self._say(f"reloaded {starter.how}: the other accounts feel nothing")
            else:
                starter.restart()
                self._say(f"restarted {starter.how}")
        elif is_running:
            self._say("runs already")
        else:
            starter.start()
            self._say(f"started {starter.how}")
        self._terminal.use(settings.daemon.socket)
        status = starter.wait((wanted.account, wanted.order_at), self._say)
        self._done["state"] = status.state
        self._say(
            f"ready   it answers at {short(settings.daemon.socket)}; its log: {starter.log}",
            hanging=8,
        )
        first = First(self._terminal, self._say, asks=self._asker.asks)
        is_placed = first.order(wanted.order_at)
        is_in = wanted.broker == PAPER or first.account(wanted)
        self._done |= first.done
        self._farewell(wanted, settings)
        return DONE if is_placed and is_in else NO

    def _settings_differ(self, starter: Starter, is_running: bool) -> bool:
        """An account that is in the file and that the daemon has not seen yet: an earlier run ended in between."""
        if not is_running:
            return False
        status = starter.running()
        there = {account.account for account in status.accounts} if status else set()
        return bool(set(self._settings(_read(self._place.config) or "").accounts) - there)

    def _farewell(self, wanted: Wanted, settings: Any) -> None:
        if self._terminal.is_json:
            return
        self._say(
            "\nNext: ordoctl status · ordoctl doctor · docs/orders.md for bots\n"
            "Everything stops, at once: ordoctl kill --reason WHY"
        )
        if not self._place.is_service:
            self._say(
                "This daemon runs until it is stopped (ordoctl call system.shutdown) or the machine is; then nothing starts it anew. As a "
                "service, which does: docs/operations.md"
            )

    def _ended(self, status: int) -> int:
        if self._terminal.is_json:
            self._terminal.print_value(self._done)
        return status


def _read(file: Path) -> str | None:
    """None: there is no file. Raises Stop."""
    try:
        return file.read_bytes().decode()
    except FileNotFoundError:
        return None
    except OSError as why:
        raise Stop(f"{file}: {why.strerror}; to change the service's: sudo ordoctl setup") from None
    except UnicodeDecodeError:
        raise Stop(f"{file} is not UTF-8 text") from None


def _group(place: Place) -> int:
    import grp

    try:
        return grp.getgrnam(place.service.group).gr_gid
    except KeyError:
        raise Stop(f"there is no group {place.service.group}: sudo sh systemd/install.sh") from None


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits until the files are whole."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
