"""The kill switch: no new order leaves, and what is open is cancelled, until a person releases it.

`engage` closes the gate before anything else, with no await and no disk, so that it works with a dead disk, a hung broker and
under load; then it makes that durable by three means (the mapped gate, a file in `kill.d`, the journal), resets connections
with unanswered orders, and sends each open order its first cancel. The sweep goes on behind until no doubt is open and a
complete reading begun after the gate shows nothing live.

Ways in: the call, SIGUSR1 (its handler stores the gate byte itself), a file in `kill.d` and the mapped byte, which another
process may set. Whatever says killed at a start wins; all of them must say otherwise before an order leaves.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

import anyio
import orjson
import structlog
from msgspec import Struct
from msgspec.structs import replace

from ordod.core.account import Account
from ordod.core.guard.gate import Gate, Scope
from ordod.core.histogram import LONG_S, Histogram
from ordod.core.orders.changes import Changes
from ordod.core.orders.journal import JournalFailed, Pending
from ordod.core.orders.ledger import Ledger
from ordod.core.orders.looking import Reader
from ordod.core.orders.records import Kill, Record, Release
from ordod.core.orders.states import KillNote, OrderState
from ordod.core.ports import Clock, Disk, DiskError
from ordod.core.tasks import Tasks
from ordod.errors import Kind, OrdoError

__all__ = ["KILL_FOLDER", "KillResult", "KillStatus", "KillSwitch", "Sweep"]

KILL_FOLDER = "kill.d"
FILE = f"{KILL_FOLDER}/all.json"
DURABLE_S = 1.0  # for the disk to say yes; the answer does not wait longer
CANCEL_S = 30.0  # for a cancel's slot and connection: 100 orders at 9 a second take 11 s
WATCH_S = 0.25  # how late a file in kill.d, or another process's byte, is noticed; the gate itself is closed at once
AGAIN_S = 2.0  # before a living order gets its next cancel
LOOK_S = 10.0

log = structlog.get_logger("kill")


class KillResult(Struct, frozen=True, kw_only=True):
    """Cancels that wait for an order in doubt to appear are neither `cancelled` nor `failed`; `kill.status` tells what is left.

    Args:
        durable: true: it holds over a restart, by at least one of three means.
        cancelled: first cancels that reached the broker.
        failed: first cancels that did not, or were refused; they are repeated.
        exposed: orders whose connection was reset while unanswered; they are in doubt.
        took_ms: from the call to the answer.
    """

    durable: bool
    cancelled: int
    failed: int
    exposed: int
    took_ms: int


class Sweep(Struct, kw_only=True):
    """How the cancelling stands.

    Args:
        running: it goes on.
        cancelled: cancels that reached the broker.
        failed: those that did not, or were refused.
        exposed: orders whose connection was reset while unanswered.
        left: orders live or in doubt at the last look.
    """

    running: bool = False
    cancelled: int = 0
    failed: int = 0
    exposed: int = 0
    left: int = 0


class KillStatus(Struct, frozen=True, kw_only=True):
    """The switch, and the cancelling behind it.

    Args:
        engaged: nothing new leaves.
        scopes: what is stopped: account and strategy (both null: everything), reason, who and when.
        sweep: how the cancelling stands; null: none since the start.
    """

    engaged: bool
    scopes: tuple[dict[str, str | None], ...]
    sweep: Sweep | None


class KillSwitch:
    """The switch of the whole daemon.

    `engagements`: how often it was thrown since the start. `first_cancels_s`: from the call until each open order had its
    first cancel; `sweeps_s`: of sweeps that came to their end.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        disk: Disk,
        gate: Gate,
        ledger: Ledger,
        accounts: Mapping[str, Account],
        readers: Mapping[str, Reader],
        changes: Changes,
        tasks: Tasks,
    ) -> None:
        self._clock = clock
        self._disk = disk
        self._gate = gate
        self._ledger = ledger
        self._accounts = accounts
        self._readers = readers
        self._changes = changes
        self._tasks = tasks
        self._sweep = Sweep()
        self._left: dict[str, int] = {}  # of this sweep, by account: open at the last look
        self._sweeping: set[str] = set()  # accounts that this sweep is not through with
        self._has_swept = False  # since the last release
        self._known_engaged = False
        self._engaged: KillNote | None = None  # until the journal has it
        self.engagements = 0
        self._swept_from = 0.0  # boot time of the kill that is being swept for
        self.first_cancels_s = Histogram()
        self.sweeps_s = Histogram(LONG_S)
        self._file = (
            anyio.Lock()
        )  # of kill.d: a release takes away what was written, never the other way round
        self._tried: dict[str, float] = {}  # order -> boot time of its last cancel
        self._over: set[str] = set()  # orders of a day that is over, whose cancel was refused

    # At a start

    def restore(self) -> list[str]:
        """Close the gate where anything says killed; what said so. Before any order can come."""
        said = []
        if self._gate.is_closed:
            said.append("kill.gate")
        if self._disk.names(KILL_FOLDER):
            said.append(KILL_FOLDER)
        if any(scope == (None, None) for scope in self._ledger.book.kills):
            said.append("journal")
        if said:
            self._gate.close(Scope())
            self._known_engaged = True
        return said

    async def resume(self) -> None:
        """Go on with the sweep of a kill that was engaged before the start."""
        note = self._ledger.book.kills.get((None, None))
        if self._known_engaged and note is None:
            why = "the gate was closed at the start"
            record = self._ledger.write(Kill(caller="start", reason=why, cancel_open=True))
            await self._durable("start", why, record)
        if self._known_engaged and (note is None or note.cancel_open):
            self._start_sweep(self._clock.boot())

    # Engaging

    async def engage(self, *, caller: str, reason: str, cancel_open: bool = True) -> KillResult:
        """Stop everything. See the module's text for the order of things."""
        began = self._clock.boot()
        self._gate.close(Scope())
        standing = self._ledger.book.kills.get((None, None))
        # One kill adds to another: what appears when its sweep is over is swept as well.
        cancel_open = cancel_open or (standing is not None and standing.cancel_open)
        self.engagements += 1
        self._known_engaged = True
        self._engaged = KillNote(None, None, reason, caller, self._clock.now(), cancel_open)
        # At once, so that the journal's order of kills and releases is the gate's.
        record = self._ledger.write(Kill(caller=caller, reason=reason, cancel_open=cancel_open))
        exposed = sum(account.line.reset_writes() for account in self._accounts.values())
        self._sweep.exposed += exposed
        log.warning("killed", caller=caller, reason=reason, exposed=exposed)
        durable, cancelled, failed = False, 0, 0

        async def make_durable() -> None:
            nonlocal durable
            durable = await self._durable(caller, reason, record)

        async def first_cancels() -> None:
            nonlocal cancelled, failed
            if cancel_open:
                cancelled, failed = await self._cancel_all()

        async with anyio.create_task_group() as group:
            group.start_soon(make_durable)
            group.start_soon(first_cancels)
        if cancel_open:
            self._start_sweep(began)
        self.first_cancels_s.add(self._clock.boot() - began)
        return KillResult(
            durable=durable,
            cancelled=cancelled,
            failed=failed,
            exposed=exposed,
            took_ms=round((self._clock.boot() - began) * 1000),
        )

    async def _durable(self, caller: str, reason: str, record: Pending) -> bool:
        """Try the three means side by side; whether one of them took it in time."""
        took = anyio.Event()

        async def by_file() -> None:
            note = {"caller": caller, "reason": reason, "at": self._clock.now().isoformat()}
            with suppress(DiskError):
                async with self._file:
                    await self._disk.replace(FILE, orjson.dumps(note))
                took.set()

        async def by_gate() -> None:
            with suppress(DiskError):
                await self._disk.flush_gate()
                took.set()

        async def by_journal() -> None:
            with suppress(JournalFailed):
                await record.durable()
                took.set()

        for way in (by_file, by_gate, by_journal):
            self._tasks.start_soon(way)
        with anyio.move_on_after(DURABLE_S):
            await took.wait()
            return True
        return False

    async def watch(self) -> None:
        """Notice a switch that was thrown from outside: a signal, a file, another process. Until cancelled."""
        while True:
            await anyio.sleep(WATCH_S)
            if not self._known_engaged and (self._gate.is_closed or self._disk.names(KILL_FOLDER)):
                await self.engage(caller="outside", reason="signal, kill.d or ordoctl kill --local")

    # Cancelling

    def _open(self, account: str | None) -> list[OrderState]:
        """Everything live or in doubt, newest first. None: at all accounts."""
        orders = [o for o in self._ledger.book.open_orders(account) if o.id not in self._over]
        return sorted(orders, key=lambda order: order.placed_at, reverse=True)

    async def _cancel_all(self, account: str | None = None) -> tuple[int, int]:
        """One cancel for each open order, side by side; the windows put them in order. How many were taken, and how many not."""
        taken = failed = 0

        async def cancel(order: OrderState) -> None:
            nonlocal taken, failed
            self._tried[order.id] = self._clock.boot()
            what = await self._changes.cancel_now(order, caller="kill", timeout_s=CANCEL_S)
            taken += what in ("accepted", "doubt")
            failed += what in ("rejected", "unsent")
            if what == "rejected" and order.is_live and self._is_of_a_past_day(order):
                self._over.add(order.id)  # its book is gone: another try would find it no better

        async with anyio.create_task_group() as group:
            for order in self._open(account):
                if order.account in self._accounts and self._may_try(order):
                    group.start_soon(cancel, order)
        self._sweep.cancelled += taken
        self._sweep.failed += failed
        return taken, failed

    def _is_of_a_past_day(self, order: OrderState) -> bool:
        account = self._accounts[order.account]
        placed_at = order.row.placed_at if order.row and order.row.placed_at else order.placed_at
        return placed_at < account.book_day(self._clock.now())

    async def _cancel_unstored(self, reader: Reader) -> None:
        """On a dead disk the book cannot take in that an order in doubt has appeared; its row is enough to cancel it."""
        found, reader.unstored = reader.unstored, []
        for order, row in found:
            what = await self._changes.cancel_unstored(order, row, CANCEL_S)
            self._sweep.cancelled += what in ("accepted", "doubt")

    def _may_try(self, order: OrderState) -> bool:
        last = self._tried.get(order.id)
        if order.is_open_doubt:
            return last is None
        return last is None or self._clock.boot() - last >= AGAIN_S

    def joined(self, account: str) -> None:
        """This account came while the daemon runs: where everything is killed, its open orders are swept too."""
        note = self._ledger.book.kills.get((None, None)) or self._engaged
        if self._gate.is_closed and note is not None and note.cancel_open:
            self._has_swept = True
            if not self._sweeping:
                self._swept_from = self._clock.boot()
            self._sweep_at(account)

    def left(self, account: str) -> None:
        """This account is gone."""
        self._left.pop(account, None)
        self._sweep.left = sum(self._left.values())

    def is_sweeping(self, account: str) -> bool:
        return account in self._sweeping

    def _start_sweep(self, began: float) -> None:
        """`began`: boot time of the kill."""
        if not self._sweeping:
            self._swept_from = began
        self._has_swept = True
        for account in self._readers:
            self._sweep_at(account)

    def _sweep_at(self, account: str) -> None:
        if account not in self._sweeping:
            self._sweeping.add(account)
            self._sweep.running = True
            self._tasks.start_soon(self._run_sweep, account, self._readers[account])

    async def _run_sweep(self, account: str, reader: Reader) -> None:
        """Each account by itself: one whose broker hangs holds no other up.

        A release begins another sweep: this one ends then, though the switch be thrown again.
        """
        this, left, sweeping = self._sweep, self._left, self._sweeping
        try:
            while self._gate.is_closed and self._sweep is this:
                looked = await reader.seen_since(self._clock.boot(), within_s=LOOK_S)
                left[account] = len(self._open(account))
                this.left = sum(left.values())
                if looked and not left[account]:
                    return
                await self._cancel_all(account)
                await self._cancel_unstored(reader)
                await anyio.sleep(AGAIN_S / 2)
        finally:
            sweeping.discard(account)
            this.running = bool(sweeping)
            if not sweeping and self._gate.is_closed and self._sweep is this:
                self.sweeps_s.add(self._clock.boot() - self._swept_from)
                log.warning("swept", cancelled=this.cancelled, exposed=this.exposed)

    # Releasing and telling

    async def release(self, *, caller: str, reason: str) -> None:
        """Let orders pass again. The journal first: a crash in between leaves everything stopped.

        A switch that is thrown meanwhile stays thrown: this release was not of it (P4).

        Raises:
            OrdoError: INVALID_PARAMS where nothing is engaged, KILLED where it was engaged again meanwhile, JOURNAL_FAILED.
        """
        if not self._gate.is_closed:
            raise OrdoError(Kind.INVALID_PARAMS, "the kill switch is not engaged", field="account")
        record: Record = Release(caller=caller, reason=reason)
        released, names = self.engagements, self._disk.names(KILL_FOLDER)
        self._gate.close(Scope())  # a byte that is stored from now on shows
        try:
            await self._ledger.record(record)
            async with (
                self._file
            ):  # an engage just before may still be writing its note, which is ours to remove
                ours = {*names, FILE.removeprefix(f"{KILL_FOLDER}/")}
                for name in self._disk.names(KILL_FOLDER) if self.engagements == released else ():
                    if name in ours:
                        await self._disk.remove(f"{KILL_FOLDER}/{name}")
        except (JournalFailed, DiskError) as error:
            raise OrdoError(
                Kind.JOURNAL_FAILED, f"the release could not be written down ({error})"
            ) from error
        if self.engagements == released and (
            self._gate.was_thrown or self._disk.names(KILL_FOLDER)
        ):
            self._known_engaged = False  # `watch` takes it in
        if self.engagements != released or not self._known_engaged:
            raise OrdoError(
                Kind.KILLED, "the kill switch was engaged again meanwhile, and stays engaged"
            )
        self._known_engaged = False
        self._engaged = None
        self._tried.clear()
        self._over.clear()
        self._sweep, self._has_swept = Sweep(), False
        self._left, self._sweeping = {}, set()
        self._gate.open(Scope())
        with suppress(DiskError):
            await self._disk.flush_gate()
        log.warning("released", caller=caller, reason=reason)

    @property
    def sweep(self) -> Sweep:
        """How the cancelling stands; all 0 where there was none since the last release."""
        return self._sweep

    def status(self) -> KillStatus:
        notes = list(self._ledger.book.kills.values())
        if not notes and self._gate.is_closed and self._engaged:
            notes = [self._engaged]
        scopes = tuple(
            {
                "account": note.account,
                "strategy": note.strategy,
                "reason": note.reason,
                "caller": note.caller,
                "at": _text(note.at),
            }
            for note in notes
        )
        sweep = replace(self._sweep) if self._has_swept else None
        return KillStatus(engaged=self._gate.is_closed, scopes=scopes, sweep=sweep)


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
