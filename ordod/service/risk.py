"""`risk.*`: the limits, and what they would say of an order."""

from collections.abc import Iterable

from msgspec import Struct

from ordod.core.orders.desk import WantedOrder
from ordod.core.parts import Parts
from ordod.domain.risk import RiskLimits
from ordod.errors import Kind
from ordod.service.methods import Call, Example, Method, Role
from ordod.service.orders import PLACE_KINDS, Terms, terms_of
from ordod.service.params import AccountName, Label

__all__ = ["methods"]


class OneOrAll(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: AccountName | None = None


class Check(Terms, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: AccountName
    strategy: Label | None = None


class ScopeLimits(Struct, frozen=True):
    """The limits of one scope.

    Args:
        scope: `all`, `account NAME` or `strategy NAME`.
        limits: docs: `[risk]` in ordod.conf.example; null or empty: no such limit.
    """

    scope: str
    limits: RiskLimits


class Limits(Struct, frozen=True):
    """All scopes that an account's orders are of.

    Args:
        limits: of each scope; an order must pass those of every scope it is of.
    """

    limits: list[ScopeLimits]


class Checked(Struct, frozen=True):
    """The order would pass. `unchecked`: limits that lack a fresh price.

    Args:
        passes: true; what would refuse it is an error, as at `order.place`.
        unchecked: limits that lack a fresh price, and so would let it pass.
    """

    passes: bool
    unchecked: list[str]


class _Risk:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._desk = parts.desk

    async def limits(self, _: Call, params: OneOrAll) -> Limits:
        names = [params.account] if params.account else list(self._parts.accounts)
        found: dict[str, RiskLimits] = {}
        for name in names:
            found |= dict(self._desk.limits_of(self._desk.account(name), None))
        if params.account is None:
            found |= {
                f"strategy {name}": limits for name, limits in self._desk.strategy_limits.items()
            }
        return Limits([ScopeLimits(scope, limits) for scope, limits in found.items()])

    async def check(self, call: Call, params: Check) -> Checked:
        wanted = WantedOrder(
            account=params.account,
            key="check",
            terms=terms_of(params),
            caller=call.caller.name,
            strategy=params.strategy,
        )
        _, unchecked = self._desk.check(wanted)
        return Checked(passes=True, unchecked=list(unchecked))


def methods(parts: Parts) -> Iterable[Method]:
    risk = _Risk(parts)
    yield Method(
        name="risk.limits",
        role=Role.READ,
        summary="The limits of each scope.",
        params=OneOrAll,
        result=Limits,
        run=risk.limits,
        errors=(Kind.UNKNOWN_ACCOUNT,),
        examples=(Example({"account": "paper"}, {"limits": [{"scope": "all"}]}),),
    )
    yield Method(
        name="risk.check",
        role=Role.READ,
        summary="What validation, kill switch and limits would say of an order; nothing is stored or sent.",
        params=Check,
        result=Checked,
        run=risk.check,
        errors=PLACE_KINDS,
        examples=(
            Example(
                {
                    "account": "paper",
                    "symbol": "NSE:INFY",
                    "side": "BUY",
                    "quantity": 1,
                    "type": "MARKET",
                    "product": "CNC",
                },
                {"passes": True},
            ),
        ),
    )
