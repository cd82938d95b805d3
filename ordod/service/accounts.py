"""`account.*`: sessions, and why an account cannot trade."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from msgspec import Struct

from ordod.core.account import Account
from ordod.core.orders.journal import JournalFailed
from ordod.core.orders.records import Admin
from ordod.core.parts import Parts
from ordod.errors import Kind, OrdoError
from ordod.service.methods import Call, Example, Method, Role
from ordod.service.params import AccountName, Private

__all__ = ["AccountStatus", "account_status", "methods"]


class OneOrAll(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: AccountName | None = None


class One(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: AccountName


class Otp(One, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a login asked for.

    Args:
        otp: what the broker sent, or the address it redirected the browser to. Never echoed.
    """

    otp: Private


class AccountStatus(Struct, frozen=True, kw_only=True):
    """An account's session, and whether it can trade.

    Args:
        state: NEW, LOGGING_IN, WAITING_OTP, ACTIVE, EXPIRED or DENIED (docs/sessions.md).
        user: the broker's name of the user; null: not known before a login.
        expires_at: when the session ends by the broker's clock; null: it does not say.
        can_trade: an order would be taken now.
        why: what keeps it from trading; "" where nothing does.
        todo: what a person should do, soon or now; "" where nothing.
        clock_skew_s: the broker's clock less this machine's, seconds; null: not measured of late.
        is_real: neither the paper broker nor a simulator on this machine.
    """

    account: str
    broker: str
    state: str
    user: str | None
    expires_at: datetime | None
    can_trade: bool
    why: str
    todo: str
    clock_skew_s: float | None
    is_real: bool


class Accounts(Struct, frozen=True):
    """Accounts and their sessions.

    Args:
        accounts: one row an account, in the configuration's order.
    """

    accounts: list[AccountStatus]


class AskedFor(Struct, frozen=True):
    """What a login wants of a person.

    Args:
        kind: `page`, `otp` or `totp`.
        prompt: in words.
        url: the page to open; "" where it is none.
    """

    kind: str
    prompt: str
    url: str


class LoginState(Struct, frozen=True, kw_only=True):
    """Where a login stands.

    Args:
        state: as `account.status` has it.
        ask: what is wanted of a person; null where nothing is.
    """

    account: str
    state: str
    ask: AskedFor | None
    message: str


def account_status(account: Account) -> AccountStatus:
    keeper = account.keeper
    why = keeper.advice
    if not why and account.master.loaded_on is None:
        why = "its instruments are not loaded yet"
    if not why and not account.is_read:
        why = "its order book was not read yet since the start"
    if not why and account.breaker.is_open:
        why = f"{account.spec.name} could not be reached of late"
    return AccountStatus(
        account=account.name,
        broker=account.spec.id,
        state=keeper.state.value,
        user=account.user,
        expires_at=keeper.session.expires_at if keeper.session else None,
        can_trade=not why,
        why=why,
        todo=f"ordoctl login {account.name}" if keeper.needs_person else keeper.reminder,
        clock_skew_s=keeper.skew.seconds,
        is_real=account.rules.is_real,
    )


class _Accounts:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def status(self, _: Call, params: OneOrAll) -> Accounts:
        return Accounts(
            [account_status(account) for account in self._parts.desk.accounts(params.account)]
        )

    async def login(self, call: Call, params: One) -> LoginState:
        account = self._parts.desk.account(params.account)
        await self._journaled(call, "account.login", params.account)
        await account.keeper.login()
        return self._login_state(account)

    async def otp(self, call: Call, params: Otp) -> LoginState:
        account = self._parts.desk.account(params.account)
        await self._journaled(call, "account.otp", params.account)
        await account.keeper.answer(params.otp.strip())
        return self._login_state(account)

    async def logout(self, call: Call, params: One) -> LoginState:
        account = self._parts.desk.account(params.account)
        await self._journaled(call, "account.logout", params.account)
        await account.keeper.logout()
        return self._login_state(account)

    async def _journaled(self, call: Call, method: str, account: str) -> None:
        record = Admin(caller=call.caller.name, method=method, params={"account": account})
        try:
            await self._parts.ledger.record(record)
        except JournalFailed as error:
            raise OrdoError(Kind.JOURNAL_FAILED, f"nothing was done: {error}") from error

    @staticmethod
    def _login_state(account: Account) -> LoginState:
        keeper = account.keeper
        ask = keeper.ask
        return LoginState(
            account=account.name,
            state=keeper.state.value,
            ask=AskedFor(ask.kind, ask.prompt, ask.url) if ask else None,
            message=keeper.message,
        )


def methods(parts: Parts) -> Iterable[Method]:
    accounts = _Accounts(parts)
    shown: tuple[tuple[str, str, Any], ...] = (
        ("list", "The configured accounts and their sessions.", accounts.status),
        (
            "status",
            "Sessions, expiry, why an account cannot trade and what to do.",
            accounts.status,
        ),
    )
    ready = {"account": "paper", "broker": "paper", "state": "ACTIVE", "can_trade": True, "why": ""}
    for name, summary, run in shown:
        yield Method(
            name=f"account.{name}",
            role=Role.READ,
            summary=summary,
            params=OneOrAll,
            result=Accounts,
            run=run,
            errors=(Kind.UNKNOWN_ACCOUNT,),
            examples=(Example({"account": "paper"}, {"accounts": [ready]}),),
        )
    account, active = {"account": "paper"}, {"account": "paper", "state": "ACTIVE", "ask": None}
    acts: tuple[tuple[str, str, Any, Any, Example], ...] = (
        (
            "logout",
            "End the session; a person logs in again.",
            One,
            accounts.logout,
            Example(account, {"account": "paper", "state": "DENIED"}),
        ),
        (
            "login",
            "Begin a login; the answer says what is wanted of a person.",
            One,
            accounts.login,
            Example(account, active),
        ),
        (
            "otp",
            "Give a login its OTP, or the address it redirected to.",
            Otp,
            accounts.otp,
            Example({**account, "otp": "123456"}, active),
        ),
    )
    for name, summary, params, run, example in acts:
        yield Method(
            name=f"account.{name}",
            role=Role.ADMIN,
            summary=summary,
            params=params,
            result=LoginState,
            run=run,
            changes=True,
            errors=(Kind.UNKNOWN_ACCOUNT, Kind.JOURNAL_FAILED),
            examples=(example,),
        )
