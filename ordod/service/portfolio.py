"""`portfolio.*`: what one owns, by account, each as its broker answered and when."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

import anyio
from msgspec import UNSET, Struct, UnsetType

from ordod.core.account import Account
from ordod.core.parts import Parts
from ordod.domain.portfolio import Funds, Holding, Position
from ordod.errors import Kind, OrdoError
from ordod.service.methods import Call, Example, Method, Role
from ordod.service.orders import Fault
from ordod.service.params import AccountName

__all__ = ["methods"]

READ_S = 10.0

T = TypeVar("T")


class OneOrAll(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: AccountName | None = None


class PositionsAt(Struct, frozen=True, kw_only=True):
    """One account's part: read, or an error.

    Args:
        positions: by instrument and product.
    """

    account: str
    read_at: datetime | None = None
    positions: list[Position] | UnsetType = UNSET
    unreadable: int | UnsetType = UNSET
    error: Fault | UnsetType = UNSET


class HoldingsAt(Struct, frozen=True, kw_only=True):
    """One account's part: read, or an error.

    Args:
        holdings: by share.
    """

    account: str
    read_at: datetime | None = None
    holdings: list[Holding] | UnsetType = UNSET
    unreadable: int | UnsetType = UNSET
    error: Fault | UnsetType = UNSET


class FundsAt(Struct, frozen=True, kw_only=True):
    """One account's part: read, or an error.

    Args:
        funds: by segment.
    """

    account: str
    read_at: datetime | None = None
    funds: list[Funds] | UnsetType = UNSET
    error: Fault | UnsetType = UNSET


class Positions(Struct, frozen=True):
    """Each account's part.

    Args:
        accounts: one an account.
    """

    accounts: list[PositionsAt]


class Holdings(Struct, frozen=True):
    """Each account's part.

    Args:
        accounts: one an account.
    """

    accounts: list[HoldingsAt]


class AllFunds(Struct, frozen=True):
    """Each account's part.

    Args:
        accounts: one an account.
    """

    accounts: list[FundsAt]


class _Portfolio:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def positions(self, _: Call, params: OneOrAll) -> Positions:
        read = await self._each(
            params.account,
            lambda a, by: a.read(lambda s: a.adapter.positions(s, a.master), deadline=by),
        )
        return Positions(
            [
                PositionsAt(account=name, error=answer)
                if isinstance(answer, Fault)
                else PositionsAt(
                    account=name,
                    read_at=at,
                    positions=list(answer.good),
                    unreadable=len(answer.bad) or UNSET,
                )
                for name, at, answer in read
            ]
        )

    async def holdings(self, _: Call, params: OneOrAll) -> Holdings:
        read = await self._each(
            params.account,
            lambda a, by: a.read(lambda s: a.adapter.holdings(s, a.master), deadline=by),
        )
        return Holdings(
            [
                HoldingsAt(account=name, error=answer)
                if isinstance(answer, Fault)
                else HoldingsAt(
                    account=name,
                    read_at=at,
                    holdings=list(answer.good),
                    unreadable=len(answer.bad) or UNSET,
                )
                for name, at, answer in read
            ]
        )

    async def funds(self, _: Call, params: OneOrAll) -> AllFunds:
        read = await self._each(params.account, lambda a, by: a.read(a.adapter.funds, deadline=by))
        return AllFunds(
            [
                FundsAt(account=name, error=answer)
                if isinstance(answer, Fault)
                else FundsAt(account=name, read_at=at, funds=list(answer))
                for name, at, answer in read
            ]
        )

    async def _each(
        self,
        account: str | None,
        ask: Callable[[Account, float], Awaitable[T]],
    ) -> list[tuple[str, datetime, T | Fault]]:
        """The answer of each account, side by side; one that is down is an error of its own."""
        wanted = self._parts.desk.accounts(account)
        answers: dict[str, tuple[datetime, T | Fault]] = {}

        async def put(one: Account) -> None:
            at = self._parts.clock.now()
            try:
                answer: T | Fault = await ask(one, self._parts.clock.boot() + READ_S)
            except OrdoError as error:
                answer = Fault(error.kind.code, error.message, error.as_data())
            answers[one.name] = (at, answer)

        async with anyio.create_task_group() as group:
            for one in wanted:
                group.start_soon(put, one)
        return [(one.name, *answers[one.name]) for one in wanted]


def methods(parts: Parts) -> Iterable[Method]:
    portfolio = _Portfolio(parts)
    rows: tuple[tuple[str, str, Any, Any], ...] = (
        ("positions", "Net positions of the day.", Positions, portfolio.positions),
        ("holdings", "Shares in demat.", Holdings, portfolio.holdings),
        ("funds", "Money and margins, by segment.", AllFunds, portfolio.funds),
    )
    for name, summary, result, run in rows:
        yield Method(
            name=f"portfolio.{name}",
            role=Role.READ,
            summary=f"{summary} Per account, with the time of reading.",
            params=OneOrAll,
            result=result,
            run=run,
            errors=(Kind.UNKNOWN_ACCOUNT,),
            examples=(Example({"account": "paper"}, {}),),
        )
