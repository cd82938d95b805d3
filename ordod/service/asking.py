"""Asking a broker for prices: which account is asked, and for which instruments."""

from collections.abc import Iterable, Mapping

from ordod.core.account import Account
from ordod.core.parts import Parts
from ordod.core.sessions import SessionState
from ordod.domain.instruments import Instrument
from ordod.domain.market import Quote
from ordod.errors import Kind, OrdoError

__all__ = ["READ_KINDS", "READ_S", "Asking"]

READ_S = 10.0
READ_KINDS = (
    Kind.UNKNOWN_ACCOUNT,
    Kind.UNKNOWN_INSTRUMENT,
    Kind.SESSION_REQUIRED,
    Kind.AUTH_DENIED,
    Kind.UNSUPPORTED,
    Kind.RATE_LIMITED,
    Kind.BROKER_UNAVAILABLE,
    Kind.BROKER_ERROR,
)


class Asking:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def account(self, name: str | None, operation: str) -> Account:
        """The account asked for, or the first with a session whose broker can."""
        if name is not None:
            account = self._parts.desk.account(name)
            if not account.can(operation):
                raise OrdoError(
                    Kind.UNSUPPORTED,
                    f"{account.spec.name} has no {operation} through Ordo",
                    account=name,
                )
            return account
        able = [a for a in self._parts.accounts.values() if a.can(operation)]
        if not able:
            raise OrdoError(Kind.UNSUPPORTED, f"no configured broker has {operation}")
        return next((a for a in able if a.keeper.state is SessionState.ACTIVE), able[0])

    async def ready(self, account: Account) -> None:
        """It has a session, and so its instruments."""
        await account.keeper.ensure(self._parts.clock.boot() + READ_S)

    async def quotes(
        self, account: Account, instruments: Iterable[Instrument], operation: str = "quotes"
    ) -> Mapping[str, Quote]:
        """By Ordo's symbol, each asked for once; those the broker is silent about are left out."""
        wanted = tuple({one.symbol: one for one in instruments}.values())
        ask = account.adapter.quotes if operation == "quotes" else account.adapter.ltp
        quotes: Mapping[str, Quote] = await account.read(
            lambda session: ask(session, wanted), deadline=self._parts.clock.boot() + READ_S
        )
        self._parts.prices.learn(quotes.values())
        return quotes
