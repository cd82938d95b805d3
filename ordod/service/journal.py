"""`journal.*`: what was written down, and whether it is whole."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Any, Literal

import anyio.to_thread
from msgspec import Meta, Struct

from ordod.core.orders.checking import verify
from ordod.core.orders.export import TABLES, day_tables
from ordod.core.orders.history import last_lines
from ordod.core.orders.journal import JournalFailed
from ordod.core.orders.records import Admin
from ordod.core.parts import Parts
from ordod.errors import Kind, OrdoError
from ordod.service.methods import Call, Example, Method, Role

__all__ = ["methods"]


class Tail(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many.

    Args:
        limit: how many at most, the newest.
    """

    limit: Annotated[int, Meta(ge=1, le=1000)] = 20


class Verify(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Against what.

    Args:
        head: SEQ:HASH as the log kept it; against it truncation and tampering show too.
    """

    head: (
        Annotated[
            str,
            Meta(
                pattern=r"^\d{1,18}:[0-9a-f]{32}$(?!\n)",
                description="SEQ:HASH as a log line of a seal has them",
            ),
        ]
        | None
    ) = None


class Export(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which table of which day.

    Args:
        day: in India.
        table: docs/journal.md says what each holds.
        after: the `next` of the answer before; 0: from the first row.
    """

    day: date
    table: Literal["orders", "events", "fills", "admin"]
    after: Annotated[int, Meta(ge=0, le=1_000_000_000)] = 0
    limit: Annotated[int, Meta(ge=1, le=5000)] = 1000


class Exported(Struct, frozen=True):
    """Rows as `columns` names their cells; null where the records do not say.

    Args:
        columns: names, which stay; new ones are added at the end.
        rows: each as long as `columns`.
        next: give it as `after`; null where no row is left.
    """

    columns: list[str]
    rows: list[list[Any]]
    next: int | None


class Entries(Struct, frozen=True):
    """Records.

    Args:
        entries: records as they stand in the journal (docs/journal.md), oldest first.
    """

    entries: list[dict[str, Any]]


class Verified(Struct, frozen=True, kw_only=True):
    """What checking every record gave.

    Args:
        is_good: no damage, and the head fits.
        records: how many were checked.
        segments: files.
        seq: the last record's number.
        hash: the last record's.
        sealed: the number of the last seal.
        problem: where the damage stands and what to do; null where there is none.
    """

    is_good: bool
    records: int
    segments: int
    seq: int
    hash: str
    sealed: int
    problem: str | None


class _Journal:
    def __init__(self, parts: Parts, key: bytes | None) -> None:
        self._parts = parts
        self._key = key

    async def tail(self, _: Call, params: Tail) -> Entries:
        return Entries(
            await last_lines(self._parts.disk, params.limit, self._parts.journal.head[0])
        )

    async def verify(self, _: Call, params: Verify) -> Verified:
        """In a worker: a million records take seconds. The batch being written may look torn; it is not counted against it."""
        seq, digest = (params.head or ":").split(":")
        head = (int(seq), digest) if seq else None
        if head is not None and head[0] < 1:
            raise OrdoError(
                Kind.INVALID_PARAMS, "head 0 is no record", field="head", value=params.head
            )
        report = await anyio.to_thread.run_sync(
            lambda: verify(self._parts.disk, key=self._key, head=head)
        )
        problem = report.tampered or (str(report.damage) if report.damage else None)
        return Verified(
            is_good=report.is_good,
            records=report.records,
            segments=report.segments,
            seq=report.head[0],
            hash=report.head[1],
            sealed=report.sealed,
            problem=problem,
        )

    async def export(self, call: Call, params: Export) -> Exported:
        """In a worker, as `verify`. The rows of a day only grow, so that pages fit together. Who took them is journaled."""
        record = Admin(
            caller=call.caller.name,
            method="journal.export",
            params={"day": params.day.isoformat(), "table": params.table, "after": params.after},
        )
        try:
            await self._parts.ledger.record(record)
        except JournalFailed as error:
            if (
                not self._parts.journal.failed
            ):  # with a dead disk the record of orders is wanted most
                raise OrdoError(Kind.JOURNAL_FAILED, str(error)) from error
        head = self._parts.journal.head[0]
        tables = await anyio.to_thread.run_sync(
            lambda: day_tables(self._parts.disk, params.day, head=head)
        )
        rows = tables[params.table]
        end = params.after + params.limit
        return Exported(
            columns=[column.name for column in TABLES[params.table]],
            rows=rows[params.after : end],
            next=end if end < len(rows) else None,
        )


def methods(parts: Parts, key: bytes | None) -> Iterable[Method]:
    journal = _Journal(parts, key)
    yield Method(
        name="journal.tail",
        role=Role.READ,
        summary="The newest records, oldest first.",
        params=Tail,
        result=Entries,
        run=journal.tail,
        heavy=True,
        accounts=lambda _: (None,),
        examples=(Example({"limit": 5}, {"entries": [{}]}),),
    )
    yield Method(
        name="journal.verify",
        role=Role.READ,
        summary="Check every record against the one before it.",
        params=Verify,
        result=Verified,
        run=journal.verify,
        heavy=True,
        accounts=lambda _: (None,),
        examples=(Example({}, {"is_good": True}),),
    )
    yield Method(
        name="journal.export",
        role=Role.ADMIN,
        summary="A day's orders, their events, fills or admin acts as a flat table.",
        params=Export,
        result=Exported,
        run=journal.export,
        heavy=True,
        accounts=lambda _: (None,),
        errors=(Kind.JOURNAL_FAILED,),
        examples=(Example({"day": "2026-01-26", "table": "fills"}, {"rows": [], "next": None}),),
    )
