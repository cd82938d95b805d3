"""token new, list, revoke: who may come in over TCP, with or without a daemon. A token is printed once, when it is made."""

import re
from datetime import date, datetime, time, timedelta

from msgspec import structs

from ordoctl.cli import ROLES
from ordoctl.commands import tables
from ordoctl.commands.terminal import DONE, NO, Misuse, Terminal
from ordoctl.issuing import Issuing, IssuingError
from ordoctl.ist import IST
from ordoctl.stored import StoredError

__all__ = ["kept", "new", "revoke"]

DAY_ENDS = time(23, 59, 59)  # no token ends while its bot trades


def new(terminal: Terminal) -> int:
    args = terminal.args
    if args.account is not None:
        raise Misuse(
            f"accounts stand behind the role: ordoctl token new {args.name} {args.role} {args.account}"
        )
    accounts = _accounts(args.role, args.accounts)
    expires_at = _end(args.expires, datetime.now(IST))
    try:
        issuing = Issuing(args.config)
        text, issued = issuing.make(args.name, args.role, accounts, expires_at)
    except (StoredError, IssuingError) as why:
        return _no(terminal, why)
    if terminal.is_json:
        terminal.print_value({"token": text, **structs.asdict(issued)})
    else:
        print(text)
        terminal.say(
            f"This is the token of {issued.name}, and it is not shown again; {issuing.path} keeps a hash of it. "
            "A client takes it from $ORDOD_TOKEN or --token-file."
        )
    if not issuing.has_daemon:
        terminal.say(
            f"ordoctl: no daemon has run on {issuing.path.parent} yet; is it the one of [daemon] state_dir?"
        )
    if not issuing.has_tcp:
        terminal.say(
            "ordoctl: the configuration has no [daemon] tcp yet: without it nobody listens"
        )
    return DONE


def kept(terminal: Terminal) -> int:
    try:
        tokens = Issuing(terminal.args.config).listed()
    except (StoredError, IssuingError) as why:
        return _no(terminal, why)
    if terminal.is_json:
        terminal.print_value({"tokens": tokens})
    else:
        terminal.print(tables.tokens(tokens, datetime.now(IST)))
    return DONE


def revoke(terminal: Terminal) -> int:
    try:
        issued = Issuing(terminal.args.config).revoke(terminal.args.name)
    except (StoredError, IssuingError) as why:
        return _no(terminal, why)
    if terminal.is_json:
        terminal.print_value(issued)
    else:
        terminal.say(f"{issued.name} is revoked: it opens nothing from now on")
    return DONE


def _accounts(role: str, named: list[str]) -> dict[str, str]:
    accounts = {}
    for each in named:
        name, equals, own = each.partition("=")
        if equals and own not in ROLES:
            raise Misuse(f"{each}: a role is one of {', '.join(ROLES)}")
        accounts[name] = own or role
    return accounts


def _end(text: str, now: datetime) -> datetime | None:
    """When a token given until then ends; days end at midnight in India. Raises Misuse."""
    if text == "never":
        return None
    if match := re.fullmatch(r"([1-9][0-9]{0,4})([dh])", text):
        count = int(match[1])
        if match[2] == "h":
            return (now + timedelta(hours=count)).replace(microsecond=0)
        return datetime.combine(now.date() + timedelta(days=count), DAY_ENDS, IST)
    try:
        end = datetime.combine(date.fromisoformat(text), DAY_ENDS, IST)
    except ValueError:
        raise Misuse(f"--expires {text}: write 90d, 12h, a day as 2026-12-31, or never") from None
    if end <= now:
        raise Misuse(f"--expires {text} is past")
    return end


def _no(terminal: Terminal, why: Exception) -> int:
    terminal.say(f"ordoctl: {why}")
    return NO
