"""`alert.*`: whether the receivers of `[alerts]` can be reached."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated

from msgspec import Meta, Struct

from ordod.core.alerts.alerting import Tried
from ordod.core.orders.journal import JournalFailed
from ordod.core.orders.records import Admin
from ordod.core.parts import Parts
from ordod.errors import Kind, OrdoError
from ordod.service.methods import Call, Example, Method, Role

__all__ = ["methods"]


class Test(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which receivers are to be tried.

    Args:
        receiver: its name in `[alerts]`; without, all.
    """

    receiver: Annotated[str, Meta(min_length=1, max_length=32)] | None = None


class Tests(Struct, frozen=True):
    """What became of it.

    Args:
        results: each receiver, in the order of the configuration; none where it has none.
    """

    results: list[Tried]


class _Alerts:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def test(self, call: Call, params: Test) -> Tests:
        """Each is told once that it works, at the same time; the answer takes as long as the slowest, 15 s at most."""
        alerts = self._parts.alerts
        name = params.receiver
        if name is not None and name not in alerts.names:
            near = get_close_matches(name, alerts.names, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            there = f"; there are {', '.join(alerts.names)}" if alerts.names and not near else ""
            raise OrdoError(
                Kind.INVALID_PARAMS,
                f"the configuration has no [alerts.{name}]{hint}{there}",
                field="receiver",
                value=name,
            )
        record = Admin(caller=call.caller.name, method="alert.test", params={"receiver": name})
        try:
            await self._parts.ledger.record(record)
        except JournalFailed as error:
            if not self._parts.journal.failed:  # a dead disk is what one may want to try alerts for
                raise OrdoError(Kind.JOURNAL_FAILED, str(error)) from error
        return Tests(await alerts.test([name] if name is not None else alerts.names))


def methods(parts: Parts) -> Iterable[Method]:
    yield Method(
        name="alert.test",
        role=Role.ADMIN,
        summary="Tell the receivers of alerts that they work; which were reached.",
        params=Test,
        result=Tests,
        run=_Alerts(parts).test,
        accounts=lambda _: (),
        changes=True,
        errors=(Kind.JOURNAL_FAILED,),
        examples=(Example({}, {"results": []}),),
    )
