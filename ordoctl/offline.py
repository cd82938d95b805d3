"""The journal read from its disk, by the daemon's own code: the one place where `ordoctl` needs it.

The daemon's modules are imported when they are called; what they find is handed on as values of our own, which stay the same for
programs whatever becomes of the daemon's.
"""

from datetime import date
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

__all__ = ["Damage", "OfflineError", "Report", "Table", "day_tables", "repair", "verify"]


class OfflineError(Exception):
    """The state directory cannot be read, or not be changed; the message says why."""


class Damage(Struct, frozen=True, kw_only=True):
    """Where the journal is damaged (`path` below the state directory), and in `message` what to do."""

    message: str
    why: str
    path: str
    line: int
    seq: int


class Report(Struct, frozen=True, kw_only=True):
    """What was found.

    `records` and `head` (SEQ:HASH) are of the good part. `torn`: an unfinished tail, as a power cut leaves it. `tampered`: why it
    is not the journal of the head that was given. `lost`: what a repair set aside, and where.
    """

    good: bool
    segments: int
    records: int
    head: str
    sealed: int
    epoch: str
    torn: str | None
    damage: Damage | None
    tampered: str | None
    lost: tuple[str, ...]


class Table(Struct, frozen=True, kw_only=True):
    """`kinds`: of its columns, text, whole, money (Decimal) or time; None where there is nothing to say."""

    name: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    rows: list[list[Any]]


class _Damage(Protocol):
    why: str
    path: str
    line: int
    seq: int


class _Found(Protocol):
    """The daemon's report, as far as we read it."""

    segments: int
    records: int
    head: tuple[int, str]
    sealed: int
    epoch: str
    torn: str | None
    tampered: str | None
    lost: list[str]

    @property
    def damage(self) -> _Damage | None: ...
    @property
    def is_good(self) -> bool: ...


def verify(
    state: Path, *, head: tuple[int, str] | None, key: bytes | None, bytes_max: int | None = None
) -> Report:
    """What the journal in this state directory is worth; nothing is changed. A daemon may be running.

    Args:
        bytes_max: only the newest files of together so many bytes (two at least); None: everything.
    Raises:
        OfflineError: the directory cannot be read.
    """
    from ordod.core.orders import checking
    from ordod.io.files import Files, StateError

    try:
        files = Files(state, exclusive=False)
    except StateError as why:
        raise OfflineError(str(why)) from None
    try:
        return _ours(checking.verify(files, key=key, head=head, bytes_max=bytes_max))
    finally:
        files.close()


def repair(state: Path, *, key: bytes | None) -> Report:
    """Set damage aside, so that the daemon starts, killed. Not while one runs.

    Raises:
        OfflineError: a daemon holds the directory, or the disk refused a step (nothing is lost).
    """
    import anyio

    from ordod.core.orders import checking
    from ordod.io import files
    from ordod.io.clock import SystemClock, SystemRandom

    try:
        disk = files.Files(state)
    except files.StateError as why:
        raise OfflineError(str(why)) from None

    async def run() -> checking.Report:
        return await checking.repair(disk, SystemClock(), SystemRandom(), key=key)

    try:
        return _ours(anyio.run(run))
    except files.DiskError as why:  # type: ignore[attr-defined]  # the port's; io raises it
        raise OfflineError(str(why)) from None
    finally:
        disk.close()


def day_tables(state: Path, day: date, *, key: bytes | None) -> tuple[Report, list[Table]]:
    """The journal checked from its beginning, and its tables of one day. A daemon may be running.

    Raises:
        OfflineError: the directory cannot be read, the journal is damaged or of a newer version.
    """
    import msgspec

    from ordod.core.orders import checking, export
    from ordod.io.files import Files, StateError

    try:
        files = Files(state, exclusive=False)
    except StateError as why:
        raise OfflineError(str(why)) from None
    try:
        report = _ours(checking.verify(files, key=key))
        if report.damage is not None:
            raise OfflineError(report.damage.message)
        rows = export.day_tables(files, day, head=report.records)
    except msgspec.ValidationError as why:
        raise OfflineError(f"a newer ordod wrote this journal: {why}") from None
    finally:
        files.close()
    return report, [
        Table(
            name=name,
            columns=tuple(column.name for column in columns),
            kinds=tuple(column.kind for column in columns),
            rows=rows[name],
        )
        for name, columns in export.TABLES.items()
    ]


def _ours(found: _Found) -> Report:
    bad = found.damage
    seq, digest = found.head
    return Report(
        good=found.is_good,
        segments=found.segments,
        records=found.records,
        head=f"{seq}:{digest}",
        sealed=found.sealed,
        epoch=found.epoch,
        torn=found.torn,
        damage=None
        if bad is None
        else Damage(message=str(bad), why=bad.why, path=bad.path, line=bad.line, seq=bad.seq),
        tampered=found.tampered,
        lost=tuple(found.lost),
    )
