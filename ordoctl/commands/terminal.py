"""What every command shares: the client, the account, the two ways to show an answer, and how errors end it."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from msgspec import Raw

from ordoctl import requests
from ordoctl.cli import ENDPOINT
from ordoctl.client import Client
from ordoctl.errors import UNREADABLE, CallError, NoDaemon, TryAgain
from ordoctl.models import Account
from ordoctl.requests import ONCE, Progress, Request

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = [
    "DONE",
    "IN_DOUBT",
    "NO",
    "NO_DAEMON",
    "USAGE",
    "Misuse",
    "Terminal",
    "endpoint_in",
    "run",
]

T = TypeVar("T")

DONE, NO, USAGE, NO_DAEMON, IN_DOUBT = 0, 1, 2, 3, 4  # WIRE 8

READS = (
    "system.authenticate",
    "system.ping",
    "system.version",
    "system.status",
    "system.config",
    "account.list",
    "account.status",
    "order.get",
    "order.list",
    "order.trades",
    "order.history",
    "order.margin",
    "gtt.list",
    "portfolio.positions",
    "portfolio.holdings",
    "portfolio.funds",
    "market.",
    "instrument.",
    "kill.status",
    "risk.",
    "journal.",
    "rpc.",
)
"""Methods that change nothing at a broker: unanswered, they leave nothing in doubt."""


_encoder = msgspec.json.Encoder(decimal_format="number")


class Misuse(Exception):  # noqa: N818 - the caller's, not ours
    """The command makes no sense as it was given."""


class Terminal:
    """One command's surroundings."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        # A person at a terminal wants to hear at once that there is no session, not half a minute later.
        self.client = Client(**endpoint_in(args), timeout=args.timeout, patient=False)
        self.calling: Request[Any] | None = None
        self._accounts: tuple[Account, ...] | None = None

    def close(self) -> None:
        self.client.close()

    def use(self, socket: Path) -> None:
        """Talk to the daemon at this socket from now on."""
        self.client.close()
        self.client = Client(socket, timeout=self.args.timeout, patient=False)

    @property
    def is_json(self) -> bool:
        return bool(self.args.json)

    @property
    def is_interactive(self) -> bool:
        """A person can be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def ask_daemon(self, request: Request[T]) -> T:
        """A result that is not what the command was for."""
        return request.read(self._raw(request))

    def show(self, request: Request[T], table: Callable[[T], "RenderableType"]) -> T:
        """Send a request and show its result: as it came with --json, else as `table` makes it."""
        raw = self._raw(request)
        if self.is_json:
            self.print_json(raw)
            return request.read(raw)
        result = request.read(raw)
        try:
            self.print(table(result))
        except ArithmeticError:
            raise TryAgain(
                UNREADABLE, f"{request.method}: the answer's numbers are beyond any price"
            ) from None
        return result

    def show_json(self, request: Request[T]) -> T:
        """Send a request and show its result as JSON, for people indented."""
        raw = self._raw(request)
        result = request.read(raw)
        self.print_json(raw, indent=-1 if self.is_json else 2)
        return result

    def print_json(self, raw: Raw, indent: int = -1) -> None:
        """As it came, number for number, on one line or indented."""
        sys.stdout.buffer.write(msgspec.json.format(raw, indent=indent) + b"\n")

    def print_value(self, value: object) -> None:
        """One of our own values, for programs."""
        sys.stdout.buffer.write(_encoder.encode(value) + b"\n")

    def print(self, what: "RenderableType") -> None:
        from ordoctl.render import console

        console(sys.stdout).print(what, crop=False)

    def say(self, words: str) -> None:
        """Talk: to stderr, so that it never mixes with data."""
        print(_plain(words), file=sys.stderr)

    @contextmanager
    def progress(self, what: str) -> Iterator[Progress | None]:
        """What shows a person how far a call of several parts is, on stderr until all are done; None: nobody looks."""
        if not sys.stderr.isatty():
            yield None
            return
        from rich import progress

        from ordoctl.render import console

        bar = progress.Progress(console=console(sys.stderr), transient=True)
        task = bar.add_task(what, total=None)

        def told(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of)
            (bar.start if done < of else bar.stop)()

        try:
            yield told
        finally:
            bar.stop()

    def confirm(self, question: str) -> bool:
        print(f"{_plain(question)} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def account(self) -> str:
        """The account that was named, or the only one.

        Raises:
            Misuse: there are several, or none.
        """
        if self.args.account is not None:
            return str(self.args.account)
        accounts = self.accounts()
        if len(accounts) == 1:
            return accounts[0].account
        names = ", ".join(account.account for account in accounts)
        raise Misuse(f"say which with --account: {names}" if names else "there is no account yet")

    def accounts(self) -> tuple[Account, ...]:
        if self._accounts is None:
            self._accounts = self.ask_daemon(requests.account_list())
        return self._accounts

    def _raw(self, request: Request[T]) -> Raw:
        self.calling = request
        try:
            return self.client.send_raw(request)
        except (UnicodeEncodeError, RecursionError) as why:
            # A text that is no UTF-8, JSON nested without end: refused before a byte is sent.
            raise Misuse(f"this cannot be sent: {why}") from None


def endpoint_in(args: argparse.Namespace) -> dict[str, str | None]:
    """Where the daemon is, as a client's arguments."""
    return {name: getattr(args, name) for name in ENDPOINT}


def run(command: Callable[[Terminal], int], args: argparse.Namespace) -> int:
    """The command's exit status, whatever happens in it."""
    try:
        terminal = Terminal(args)
    except ValueError as why:
        print(f"ordoctl: {why}", file=sys.stderr)
        return USAGE
    with closing(terminal):
        try:
            return command(terminal)
        except Misuse as why:
            terminal.say(f"ordoctl: {why}")
            return USAGE
        except CallError as failure:
            return _told(terminal, failure)
        except KeyboardInterrupt:
            request = terminal.calling
            if request is None or not _changes(request.method):
                raise
            terminal.say(f"\nordoctl: interrupted; {request.method} may have been done")
            _say_key(terminal, request.key)
            return IN_DOUBT
        except OSError as why:
            if isinstance(why, BrokenPipeError):
                raise
            terminal.say(f"ordoctl: {why}")
            return NO


def _told(terminal: Terminal, failure: CallError) -> int:
    """Say it, on stdout too with --json, and what helps."""
    if terminal.is_json:
        told = {
            "code": failure.code,
            "kind": failure.kind,
            "message": failure.message,
            "data": failure.data,
        }
        sys.stdout.buffer.write(_encoder.encode({"error": told}) + b"\n")
    if isinstance(failure, NoDaemon):
        terminal.say(f"ordoctl: {failure.message}")
        return NO_DAEMON
    terminal.say(f"ordoctl: {failure.kind}: {failure.message}")
    said = failure.data.get("broker_message")
    if isinstance(said, str) and said not in failure.message:
        terminal.say(f"  the broker's words: {said}")
    if isinstance(log_id := failure.data.get("log_id"), str):
        terminal.say(f"  the daemon's log has it under {log_id}")
    if failure.kind in ("SESSION_REQUIRED", "AUTH_DENIED"):
        terminal.say("  `ordoctl status` says what to do; mostly `ordoctl login`")
    request = terminal.calling
    unanswered = isinstance(failure, TryAgain) and failure.may_have_happened
    if unanswered and request is not None and _changes(request.method):
        _say_key(terminal, request.key)
        return IN_DOUBT
    return NO


def _say_key(terminal: Terminal, key: str | None) -> None:
    if key is not None:
        terminal.say(f"  what became of it: ordoctl order --key {key}")


def _changes(method: str) -> bool:
    return method in ONCE or not method.startswith(READS)


def _plain(words: str) -> str:
    """Without control characters: a broker's words must not steer a terminal."""
    return "".join(
        c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in words
    )
