"""`kill.*`: stop everything, and let it go on."""

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct

from ordod.core.guard.kill import KillResult, KillStatus
from ordod.core.parts import Parts
from ordod.errors import Kind, OrdoError
from ordod.service.methods import Call, Example, Method, Role
from ordod.service.params import AccountName, Label

__all__ = ["methods"]

Reason = Annotated[str, Meta(max_length=200)]


class Engage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is stopped, and how.

    Args:
        account: not yet: only everything can be stopped.
        strategy: not yet: only everything can be stopped.
        mode: `halt`; `reduce` not yet.
        cancel_open: open orders are cancelled.
        square_off: not yet.
        cancel_gtt: not yet.
    """

    account: AccountName | None = None
    strategy: Label | None = None
    mode: Literal["halt", "reduce"] = "halt"
    cancel_open: bool = True
    square_off: bool = False
    cancel_gtt: bool = False
    reason: Reason = ""


class Release(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is released.

    Args:
        account: not yet.
        strategy: not yet.
    """

    reason: Annotated[str, Meta(min_length=1, max_length=200)]
    account: AccountName | None = None
    strategy: Label | None = None


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class State(Struct, frozen=True):
    """The switch, now.

    Args:
        state: RELEASED.
    """

    state: str


class _Kill:
    def __init__(self, parts: Parts) -> None:
        self._kill = parts.kill

    async def engage(self, call: Call, params: Engage) -> KillResult:
        _only_everything(params.account, params.strategy)
        for field, value, is_asked in (
            ("mode", params.mode, params.mode != "halt"),
            ("square_off", params.square_off, params.square_off),
            ("cancel_gtt", params.cancel_gtt, params.cancel_gtt),
        ):
            if is_asked:
                raise OrdoError(
                    Kind.INVALID_PARAMS,
                    f"{field} {value} is not available yet; leave it out to halt and cancel everything",
                    field=field,
                    value=value,
                )
        return await self._kill.engage(
            caller=call.caller.name, reason=params.reason, cancel_open=params.cancel_open
        )

    async def release(self, call: Call, params: Release) -> State:
        _only_everything(params.account, params.strategy)
        await self._kill.release(caller=call.caller.name, reason=params.reason)
        return State("RELEASED")

    async def status(self, _: Call, __: Nothing) -> KillStatus:
        return self._kill.status()


def _only_everything(account: str | None, strategy: str | None) -> None:
    for field, value in (("account", account), ("strategy", strategy)):
        if value is not None:
            raise OrdoError(
                Kind.INVALID_PARAMS,
                f"a kill of one {field} ({value}) is not available yet; leave it out to stop everything",
                field=field,
                value=value,
            )


def methods(parts: Parts) -> Iterable[Method]:
    kill = _Kill(parts)
    yield Method(
        name="kill.engage",
        role=Role.TRADE,
        summary="Stop everything: no new order leaves, and every open order is cancelled, until a release.",
        params=Engage,
        result=KillResult,
        run=kill.engage,
        accounts=lambda _: (None,),
        changes=True,
        urgent=True,
        examples=(
            Example(
                {"reason": "example"}, {"durable": True, "cancelled": 0, "failed": 0, "exposed": 0}
            ),
        ),
    )
    yield Method(
        name="kill.status",
        role=Role.READ,
        summary="Whether it is engaged, why, and how the cancelling stands.",
        params=Nothing,
        result=KillStatus,
        run=kill.status,
        accounts=lambda _: (),
        examples=(Example({}, {"engaged": True}),),
    )
    yield Method(
        name="kill.release",
        role=Role.ADMIN,
        summary="Let orders pass again.",
        params=Release,
        result=State,
        run=kill.release,
        accounts=lambda _: (None,),
        changes=True,
        errors=(Kind.KILLED, Kind.JOURNAL_FAILED),
        examples=(Example({"reason": "example is over"}, {"state": "RELEASED"}),),
    )
