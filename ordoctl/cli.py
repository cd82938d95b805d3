"""`ordoctl`: the command line.

Only the grammar stands here, so that help and completion need nothing else; what a command does is in `commands`, and imported when
it is called. Data goes to stdout, talk to stderr. Exit status (WIRE 8): 0 done, 1 the daemon said no, 2 usage, 3 no daemon, 4 in
doubt.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from datetime import date
from importlib import import_module

__all__ = ["build_parser", "main"]

SIDES = ("BUY", "SELL")
TYPES = ("MARKET", "LIMIT", "SL", "SL-M")
PRODUCTS = ("CNC", "MIS", "NRML", "MTF")
INTERVALS = ("1m", "3m", "5m", "10m", "15m", "30m", "1h", "1d")

ROLES = ("read", "trade", "admin")
ENDPOINT = ("socket", "url", "token_file", "ca", "client_cert", "client_key")

USAGE = 2
BUG = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED = 130  # as a shell has it for SIGINT
PIPE_CLOSED = 141  # and for SIGPIPE


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. Raises SystemExit for usage and help only."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, io.TextIOWrapper
        ):  # a terminal that cannot show a character shows its code
            stream.reconfigure(errors="backslashreplace")
    parser = build_parser()
    args = parser.parse_args(argv)
    if not args.run:
        parser.print_help(sys.stderr)
        return USAGE
    module, function = args.run
    try:
        status = _run(module, function, args)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has enough. Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except KeyboardInterrupt:
        print("ordoctl: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as bug:  # noqa: BLE001 - the program's edge: people are told, not shown a traceback
        place = import_module("traceback").extract_tb(bug.__traceback__)[-1]
        where = f"{place.filename}:{place.lineno}"
        print(f"ordoctl: a bug of ordoctl's own, at {where}: {bug!r}", file=sys.stderr)
        return BUG
    return status


def _run(module: str, function: str, args: argparse.Namespace) -> int:
    run = import_module(f"ordoctl.commands.{module}")
    terminal = import_module("ordoctl.commands.terminal")
    status: int = terminal.run(getattr(run, function), args)
    return status


def build_parser() -> argparse.ArgumentParser:
    """The grammar. `run` of what it parses is (module of `commands`, function)."""
    parser = argparse.ArgumentParser(
        prog="ordoctl",
        description="Talk to ordod, the daemon between trading bots and brokers.",
        epilog="Exit status: 0 done, 1 the daemon said no, 2 usage, 3 no daemon, 4 in doubt.",
        parents=[_common()],
    )
    parser.add_argument("--version", action=_Version, help="print the version")
    parser.set_defaults(run=None, json=False, account=None, timeout=30.0)
    parser.set_defaults(**dict.fromkeys(ENDPOINT))
    # A parser of their own: argparse shares actions with parents, and with them the defaults just set.
    grammar = _Grammar(parser, _common())
    _accounts(grammar)
    _orders(grammar)
    _portfolio(grammar)
    _market(grammar)
    _gtt(grammar)
    _kill(grammar)
    _alert(grammar)
    _journal(grammar)
    _secret(grammar)
    _token(grammar)
    _beginning(grammar)
    _raw(grammar)
    return parser


class _Version(argparse.Action):
    """Looked up only when it is asked for: the package's metadata takes longer to read than most calls."""

    def __init__(self, option_strings: list[str], dest: str, help: str) -> None:  # noqa: A002 - argparse's word
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        metadata = import_module("importlib.metadata")
        print(f"ordoctl {metadata.version('ordod')}")
        parser.exit()


def _common() -> argparse.ArgumentParser:
    """Options that stand before a command as well as behind it."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    group = common.add_argument_group("everywhere")
    group.add_argument("--account", metavar="NAME", help="the account; needless where there is one")
    group.add_argument("--json", action="store_true", help="the daemon's own answer, for programs")
    group.add_argument("--socket", metavar="PATH", help="where the daemon listens")
    group.add_argument(
        "--url", metavar="URL", help="its TCP, tls://HOST:PORT; the token is $ORDOD_TOKEN"
    )
    group.add_argument("--token-file", metavar="FILE", help="with --url: where the token is")
    group.add_argument("--ca", metavar="FILE", help="with --url: the certificates to trust")
    group.add_argument("--client-cert", metavar="FILE", help="with --url: this client's own")
    group.add_argument("--client-key", metavar="FILE", help="its key, where it is not there too")
    group.add_argument(
        "--timeout", metavar="SECONDS", type=_seconds, help="when to give up waiting (30)"
    )
    return common


class _Grammar:
    """Commands as they are added, each with the common options."""

    def __init__(
        self,
        parser: argparse.ArgumentParser,
        common: argparse.ArgumentParser,
        *,
        is_required: bool = False,
    ) -> None:
        self._common = common
        self._commands = parser.add_subparsers(
            title="commands", metavar="COMMAND", required=is_required
        )

    def command(
        self, name: str, about: str, run: tuple[str, str] | None = None
    ) -> argparse.ArgumentParser:
        parser = self._commands.add_parser(
            name, help=about, description=about, parents=[self._common]
        )
        if run is not None:
            parser.set_defaults(run=run)
        return parser

    def group(self, name: str, about: str) -> "_Grammar":
        return _Grammar(self.command(name, about), self._common, is_required=True)


def _accounts(grammar: _Grammar) -> None:
    grammar.command(
        "status", "the daemon, its accounts, and what to do next", ("accounts", "status")
    )
    login = grammar.command("login", "log in at the broker", ("accounts", "login"))
    _which_account(login)
    _how_to_log_in(login)
    _which_account(grammar.command("logout", "end the broker's session", ("accounts", "logout")))


def _how_to_log_in(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen",
        metavar="PORT",
        type=_port,
        help="catch the broker's redirect on 127.0.0.1:PORT (the app's redirect address must be that)",
    )
    parser.add_argument("--no-browser", action="store_true", help="print the page's address only")


def _which_account(parser: argparse.ArgumentParser) -> None:
    """An account by its name alone, as the daemon's own hints say it (`ordoctl login main`)."""
    parser.add_argument(
        "account", nargs="?", default=argparse.SUPPRESS, metavar="ACCOUNT", help="the account"
    )


def _orders(grammar: _Grammar) -> None:
    place = grammar.command("place", "place an order", ("orders", "place"))
    place.add_argument("side", type=str.upper, choices=SIDES)
    place.add_argument("quantity", type=_count, help="units, not lots")
    place.add_argument("symbol", help="EXCHANGE:SYMBOL, as NSE:INFY")
    place.add_argument("--price", type=_price, help="its limit; without it MARKET or SL-M")
    place.add_argument("--trigger", type=_price, dest="trigger_price", help="SL and SL-M")
    place.add_argument(
        "--type", type=str.upper, choices=TYPES, help="else told by the prices given"
    )
    place.add_argument("--product", type=str.upper, choices=PRODUCTS, required=True)
    place.add_argument("--validity", type=str.upper, choices=("DAY", "IOC", "TTL"))
    place.add_argument("--minutes", type=_count, dest="validity_minutes", help="with TTL")
    place.add_argument("--variety", type=str.upper, choices=("REGULAR", "AMO", "ICEBERG", "CO"))
    place.add_argument("--iceberg-legs", type=_count)
    place.add_argument("--disclosed", type=_count, dest="disclosed_quantity")
    place.add_argument("--market-protection", type=_price, metavar="PERCENT")
    place.add_argument("--strategy")
    place.add_argument("--key", help="to ask again after an order; else a new one is made")
    place.add_argument("--dry-run", action="store_true", help="checked by the daemon, not placed")
    place.add_argument("--yes", "-y", action="store_true", help="do not ask first")

    modify = grammar.command("modify", "change a living order", ("orders", "modify"))
    _which_order(modify)
    modify.add_argument("--price", type=_price)
    modify.add_argument("--trigger", type=_price, dest="trigger_price")
    modify.add_argument("--quantity", type=_count)
    modify.add_argument("--type", type=str.upper, choices=TYPES)
    modify.add_argument("--validity", type=str.upper, choices=("DAY", "IOC", "TTL"))
    modify.add_argument("--disclosed", type=_count, dest="disclosed_quantity")

    cancel = grammar.command("cancel", "cancel an order, or all", ("orders", "cancel"))
    _which_order(cancel)
    cancel.add_argument("--all", action="store_true", help="every open order of the scope")
    cancel.add_argument("--strategy", help="with --all")
    cancel.add_argument("--symbol", help="with --all")

    order = grammar.command("order", "one order as it stands", ("orders", "order"))
    _which_order(order)
    order.add_argument("--wait", type=_seconds, metavar="SECONDS", help="for it to change")
    order.add_argument("--history", action="store_true", help="every record of it")

    orders = grammar.command("orders", "orders, also those placed elsewhere", ("orders", "orders"))
    trades = grammar.command("trades", "executions", ("orders", "trades"))
    for listing in (orders, trades):
        listing.add_argument("--strategy")
        listing.add_argument("--symbol")
        listing.add_argument("--limit", type=_count, default=200)
        listing.add_argument("--after", help="go on behind an earlier page")
    orders.add_argument("--status", type=str.upper)

    resolve = grammar.command(
        "resolve", "end an order's doubt by what you saw at the broker", ("orders", "resolve")
    )
    _which_account(resolve)
    resolve.add_argument("key")
    resolve.add_argument("outcome", choices=("placed", "not_placed"))
    resolve.add_argument("--broker-order-id", metavar="ID", help="with placed")
    resolve.add_argument("--reason", required=True, help="how you know; it is journaled")


def _which_order(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("order_id", nargs="?", metavar="ORDER", help="its order_id")
    parser.add_argument("--key", help="its key, instead")


def _portfolio(grammar: _Grammar) -> None:
    grammar.command("positions", "today's positions", ("portfolio", "positions"))
    grammar.command("holdings", "shares in demat", ("portfolio", "holdings"))
    grammar.command("funds", "money and margins", ("portfolio", "funds"))


def _market(grammar: _Grammar) -> None:
    quote = grammar.command("quote", "prices now", ("market", "quote"))
    quote.add_argument("symbols", nargs="+", metavar="SYMBOL")
    quote.add_argument("--depth", action="store_true", help="the levels of the book")
    watch = grammar.command(
        "watch",
        "prices as they move and what happens, a line each, until Ctrl-C",
        ("watch", "watch"),
    )
    watch.add_argument(
        "wanted",
        nargs="+",
        metavar="WHAT",
        help="symbols, and any of orders, trades, accounts, kill, system; with both, those of these symbols",
    )
    watch.add_argument("--limit", "-n", type=_count, help="end after so many lines")
    grammar.command("top", "everything on one screen, live", ("top", "top"))
    candles = grammar.command("candles", "prices over time", ("market", "candles"))
    candles.add_argument("symbol")
    candles.add_argument("interval", choices=INTERVALS)
    candles.add_argument("--from", dest="start", metavar="TIME", help="IST; else today, or a year")
    candles.add_argument("--plot", action="store_true", help="as a picture")
    candles.add_argument("--to", dest="end", metavar="TIME", help="IST; else now")
    chain = grammar.command("chain", "calls and puts around the money", ("market", "chain"))
    chain.add_argument("underlying", help="as NIFTY, INFY, BFO:SENSEX, MCX:GOLDM")
    chain.add_argument("--expiry", metavar="DAY", help="as 2026-12-29; else the nearest")
    chain.add_argument("--strikes", type=_count, help="on each side of the money (10)")
    chain.add_argument("--rate", type=_price, dest="rate_percent", metavar="PERCENT", help="(0)")
    market = grammar.command("market", "which exchanges are open", ("market", "market"))
    market.add_argument("exchanges", nargs="*", metavar="EXCHANGE", type=str.upper)
    market.add_argument("--holidays", action="store_true", help="days without a session, or others")
    market.add_argument("--year", type=_count, help="with --holidays; else this one")
    search = grammar.command("search", "find instruments", ("market", "search"))
    search.add_argument("words", nargs="+")
    search.add_argument("--limit", type=_count, default=20)


def _gtt(grammar: _Grammar) -> None:
    gtt = grammar.group("gtt", "orders the broker places when a price is reached")
    gtt.command("list", "those the broker has", ("gtt", "listing"))
    place = gtt.command("place", "one leg, or stop and target", ("gtt", "place"))
    place.add_argument("symbol")
    place.add_argument("--yes", "-y", action="store_true", help="do not ask first")
    modify = gtt.command("modify", "give one other legs", ("gtt", "modify"))
    modify.add_argument("gtt_id", metavar="GTT", help="its gtt_id")
    modify.add_argument("symbol")
    for parser in (place, modify):
        parser.add_argument(
            "--leg",
            nargs=4,
            action="append",
            required=True,
            metavar=("SIDE", "QUANTITY", "TRIGGER", "PRICE"),
            dest="legs",
        )
        parser.add_argument("--product", type=str.upper, choices=PRODUCTS, default="CNC")
    cancel = gtt.command("cancel", "cancel one", ("gtt", "cancel"))
    cancel.add_argument("gtt_id", metavar="GTT", help="its gtt_id")
    for parser in (place, modify, cancel):
        parser.add_argument("--key", help="to ask again after one; else a new one is made")


def _kill(grammar: _Grammar) -> None:
    kill = grammar.command("kill", "stop new orders and cancel what is open, now", ("kill", "kill"))
    kill.add_argument("--strategy", help="only this one; without it and --account: everything")
    kill.add_argument("--reason")
    kill.add_argument(
        "--reduce", action="store_true", help="let pass what makes a position smaller"
    )
    kill.add_argument("--keep-open", action="store_true", help="cancel nothing")
    kill.add_argument("--square-off", action="store_true", help="close every position")
    kill.add_argument("--cancel-gtt", action="store_true", help="cancel GTTs too")
    kill.add_argument(
        "--local", action="store_true", help="without the daemon, when it hangs: everything"
    )
    kill.add_argument("--state", metavar="DIR", help="with --local: the daemon's state directory")
    release = grammar.command("release", "let it trade again", ("kill", "release"))
    release.add_argument("--strategy")
    release.add_argument("--reason", required=True)


def _alert(grammar: _Grammar) -> None:
    alert = grammar.group("alert", "what the daemon tells people by itself")
    test = alert.command("test", "tell the receivers that they work", ("alerts", "test"))
    test.add_argument("receiver", nargs="?", metavar="RECEIVER", help="only this one")


def _journal(grammar: _Grammar) -> None:
    journal = grammar.group("journal", "the record of everything")
    verify = journal.command("verify", "is it whole? (needs no daemon)", ("journal", "verify"))
    verify.add_argument("--head", metavar="SEQ:HASH", help="as the system's log has it")
    repair = journal.command(
        "repair", "set damage aside so that the daemon starts, killed", ("journal", "repair")
    )
    export = journal.command(
        "export", "a day in tables, for an auditor (needs no daemon)", ("journal", "export")
    )
    export.add_argument("--day", type=_day, required=True, metavar="YYYY-MM-DD", help="in India")
    export.add_argument("--format", choices=("csv", "parquet"), default="csv")
    export.add_argument("--to", metavar="FOLDER", default=".", help="where the files go")
    for parser in (verify, repair, export):
        parser.add_argument("state", nargs="?", metavar="DIR", help="the daemon's state directory")
        parser.add_argument("--hash-key", metavar="FILE", help="where the journal's key is kept")
    tail = journal.command("tail", "its last entries", ("journal", "tail"))
    tail.add_argument("--limit", "-n", type=_count, default=20)


def _secret(grammar: _Grammar) -> None:
    secret = grammar.group("secret", "the daemon's encrypted store (needs no daemon)")
    store = secret.command(
        "set", "keep one; asked for, or a line of standard input", ("secret", "store")
    )
    kept = secret.command("list", "their names, never what they are", ("secret", "kept"))
    remove = secret.command("rm", "forget one", ("secret", "remove"))
    for parser in (store, remove):
        parser.add_argument("name", metavar="NAME", help="as store:NAME refers to it")
    for parser in (store, kept, remove):
        parser.add_argument("--config", metavar="FILE", help="the daemon's; else the usual places")


def _token(grammar: _Grammar) -> None:
    token = grammar.group("token", "who may come in over TCP (needs no daemon)")
    new = token.command("new", "make one; it is printed once and kept nowhere", ("token", "new"))
    new.add_argument("name", metavar="NAME", help="as the journal will name its caller")
    new.add_argument("role", choices=ROLES, help="at every account, or at those named")
    new.add_argument(
        "accounts", nargs="*", metavar="ACCOUNT", help="only these; ACCOUNT=ROLE for another role"
    )
    new.add_argument(
        "--expires",
        metavar="WHEN",
        default="365d",
        help="after days (90d), at the end of a day in India (2026-12-31), or never (365d)",
    )
    kept = token.command("list", "their names and rights", ("token", "kept"))
    revoke = token.command("revoke", "end one, and what it has open", ("token", "revoke"))
    revoke.add_argument("name", metavar="NAME")
    for parser in (new, kept, revoke):
        parser.add_argument("--config", metavar="FILE", help="the daemon's; else the usual places")


def _beginning(grammar: _Grammar) -> None:
    setup = grammar.command(
        "setup",
        "from nothing to a daemon that runs, and a first order on paper",
        ("setup", "setup"),
    )
    setup.add_argument("--broker", metavar="ID", help="as zerodha; paper needs nothing")
    setup.add_argument("--user-id", metavar="ID", help="yours, at the broker")
    setup.add_argument("--login", metavar="MODE", help="the broker's other ways of logging in")
    setup.add_argument(
        "--option",
        action="append",
        metavar="NAME=VALUE",
        dest="options",
        help="what the broker needs besides, as redirect_uri=...; repeatable",
    )
    setup.add_argument(
        "--secret",
        action="append",
        metavar="NAME=FROM",
        dest="secrets",
        help="FROM is - (a line of standard input), file:PATH, env:NAME, credential:NAME or store:NAME; repeatable",
    )
    setup.add_argument(
        "--source-address", metavar="IP", help="the local address its connections leave from"
    )
    setup.add_argument(
        "--base-url", metavar="URL", help="a test environment or a simulator in the broker's place"
    )
    setup.add_argument("--no-start", action="store_true", help="write the files only")
    setup.add_argument("--yes", "-y", action="store_true", help="ask nothing: answer by options")
    _how_to_log_in(setup)
    doctor = grammar.command(
        "doctor", "is everything as it should be, and how it is mended", ("doctor", "doctor")
    )
    doctor.add_argument("--offline", action="store_true", help="look at no network")
    doctor.add_argument("--deep", action="store_true", help="the whole journal, not its end only")
    for parser in (setup, doctor):
        parser.add_argument("--config", metavar="FILE", help="the daemon's; else the usual places")


def _raw(grammar: _Grammar) -> None:
    call = grammar.command("call", "any method of the wire", ("raw", "call"))
    call.add_argument("method", help="as order.list")
    call.add_argument(
        "params", nargs="*", metavar="name=value", help="values are JSON, else text; - reads JSON"
    )
    completion = grammar.command("completion", "a script for your shell", ("raw", "completion"))
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day as 2026-11-26") from None


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)


def _price(text: str) -> str:
    """As it was typed: the daemon reads it exactly, and says what is wrong with it."""
    plain = text.replace(",", "")
    if not plain or set(plain) - set("0123456789."):
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount in rupees")
    return plain


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
