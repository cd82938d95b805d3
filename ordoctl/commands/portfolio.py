"""positions, holdings, funds."""

from collections.abc import Iterable

from ordoctl import requests
from ordoctl.commands import tables
from ordoctl.commands.terminal import DONE, NO, Terminal
from ordoctl.models import Failure

__all__ = ["funds", "holdings", "positions"]


def positions(terminal: Terminal) -> int:
    accounts = terminal.show(
        requests.positions(terminal.args.account), lambda result: tables.positions(result)
    )
    return _status(account.error for account in accounts)


def holdings(terminal: Terminal) -> int:
    accounts = terminal.show(
        requests.holdings(terminal.args.account), lambda result: tables.holdings(result)
    )
    return _status(account.error for account in accounts)


def funds(terminal: Terminal) -> int:
    accounts = terminal.show(
        requests.funds(terminal.args.account), lambda result: tables.funds(result)
    )
    return _status(account.error for account in accounts)


def _status(errors: Iterable[Failure | None]) -> int:
    """No where some account could not be read: half an answer must not pass for a whole one."""
    return NO if any(errors) else DONE
