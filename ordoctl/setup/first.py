"""The first things that are done with a daemon that has just come: an order on paper, a login, a look at the funds."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ordoctl import requests
from ordoctl.commands import tables
from ordoctl.commands.accounts import log_in
from ordoctl.commands.terminal import Terminal
from ordoctl.errors import CallError
from ordoctl.ist import IST
from ordoctl.models import Account, Order
from ordoctl.setup.interview import Wanted

__all__ = ["QUANTITY", "SYMBOL", "First"]

SYMBOL, QUANTITY, PRODUCT = "NSE:INFY", 1, "CNC"
FILL_MS = 5_000


class First:
    """`done`: what became of it, for programs.

    Args:
        say: how to talk to the person.
        asks: whether there is one, whom a login may ask.
    """

    def __init__(self, terminal: Terminal, say: Callable[[str], None], *, asks: bool) -> None:
        self._terminal = terminal
        self._say = say
        self._asks = asks
        self.done: dict[str, Any] = {}

    def order(self, account: str) -> bool:
        """One order a day, whoever runs this how often: the key is the day's."""
        key = f"setup-{datetime.now(UTC).astimezone(IST):%Y-%m-%d}"
        request = requests.place(account, SYMBOL, "BUY", QUANTITY, "MARKET", PRODUCT, key=key)
        try:
            order = self._terminal.ask_daemon(request)
            if order.status in ("PENDING", "OPEN"):
                order = self._terminal.ask_daemon(
                    requests.order_get(account=account, key=key, wait_ms=FILL_MS)
                )
        except CallError as why:
            self._say(f"\nthe first order was refused: {why.kind}: {why.message}")
            return False
        self.done["order"] = order
        self._say(f"\nThe first order, key {key}{_replayed(order)}:")
        if not self._terminal.is_json:
            self._terminal.print(tables.order(order))
        return True

    def account(self, wanted: Wanted) -> bool:
        """Logged in where it is not yet, its status and its funds shown."""
        terminal, name = self._terminal, wanted.account
        self._say(f"\nThe account {name}:")
        try:
            account = self._status_of(name)
            # The start has just tried a new account, and what was denied stays so: the same words again might lock it.
            if account.state == "DENIED" and (wanted.is_new or not wanted.typed):
                self._say(_standing(account))
                self._say(_how_to_mend(name))
                return False
            if account.state != "ACTIVE" and not self._log_in(name, account):
                return False
            account = self._status_of(name)
            self.done["session"] = account
            self._say(_standing(account))
            funds = terminal.ask_daemon(requests.funds(name))
        except CallError as why:
            self._say(f"{name}: {why.kind}: {why.message}\n  to go on: ordoctl login {name}")
            return False
        if not terminal.is_json:
            terminal.print(tables.funds(funds))
        return True

    def _status_of(self, name: str) -> Account:
        return self._terminal.ask_daemon(requests.account_status(name))[0]

    def _log_in(self, name: str, account: Account) -> bool:
        if not self._asks and account.state == "WAITING_OTP":
            self._say(f"{name} waits for a person: ordoctl login {name}")
            return False
        state = log_in(self._terminal, name)
        if state.state != "ACTIVE":
            self._say(f"{name}: {state.state}. {state.message or ''}".rstrip(". "))
            denied = state.state == "DENIED"
            self._say(_how_to_mend(name) if denied else f"  to go on: ordoctl login {name}")
        return state.state == "ACTIVE"


def _standing(account: Account) -> str:
    """`kite: ACTIVE, as AB1234, until ...`."""
    facts = [account.state, f"as {account.user}" if account.user else ""]
    if account.expires_at:
        facts.append(f"until {account.expires_at.astimezone(IST):%d %b %H:%M} IST")
    return f"{account.account}: {', '.join(filter(None, facts))}{f'. {account.why}' if account.why else ''}"


def _how_to_mend(name: str) -> str:
    return f"  mend it (ordoctl setup again takes other secrets), then: ordoctl login {name}"


def _replayed(order: Order) -> str:
    return " (it was there already: the same key is the same order)" if order.replayed else ""
