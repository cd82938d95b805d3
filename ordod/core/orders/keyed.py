"""Changes with a key of their own: GTTs and conversions. The whole order path: key, validate, kill, intent, send once, outcome.

They carry no tag. After a lost answer a GTT is found by its conditions in the broker's list, a conversion by the position it
took from; both end by evidence only, under the same two readings a horizon after the send as an order's absence.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import anyio
import structlog
from msgspec import Struct
from msgspec.structs import asdict

from ordod.adapter import (
    BrokerGtt,
    Conversion,
    Dialogue,
    GttStatus,
    NewGtt,
    Position,
    Rows,
    Session,
    Side,
    canonical,
)
from ordod.core.account import Account
from ordod.core.guard.gate import Gate
from ordod.core.orders.desk import Call, Desk, NewId
from ordod.core.orders.journal import JournalFailed
from ordod.core.orders.keys import fingerprint_of
from ordod.core.orders.ledger import Ledger
from ordod.core.orders.reconcile import earliest
from ordod.core.orders.records import Evidence, Intent, Record, Settled
from ordod.core.orders.sending import Sender, error_of, record_of
from ordod.core.orders.states import ChangeState, OrderState
from ordod.core.ports import Clock
from ordod.errors import Kind, OrdoError

__all__ = ["Keyed", "KeyedChanges", "Prepared"]

APART_S = 5.0  # between the two readings that speak for absence
READ_S = 8.0
SURE_S = 30.0  # a trigger made so long before its send, by clocks that agree, is another one

log = structlog.get_logger("keyed")


class Keyed(Struct, frozen=True, kw_only=True):
    """What a caller asked for, the symbol as written. `operation`: place_gtt, modify_gtt, cancel_gtt, convert.

    `target`: the GTT's id at the broker.
    """

    account: str
    key: str
    operation: str
    caller: str
    timeout_s: float
    gtt: NewGtt | None = None
    conversion: Conversion | None = None
    target: str | None = None

    def fingerprint(self) -> str:
        parts = [self.operation, self.target or ""]
        if self.gtt:
            parts.append(self.gtt.symbol)
            for leg in self.gtt.legs:
                parts += [leg.side, str(leg.quantity), leg.type, leg.product]
                parts += [canonical(leg.trigger_price), canonical(leg.price)]
        if self.conversion:
            parts += [str(value) for value in asdict(self.conversion).values()]
        return fingerprint_of(*parts)


class Prepared(Struct, frozen=True, kw_only=True):
    """What goes out: the terms with their symbol resolved, and the adapter's dialogue (a `str` it returns is the broker's id)."""

    make: Callable[[Session], Dialogue[Any]]
    gtt: NewGtt | None = None
    conversion: Conversion | None = None


class KeyedChanges:
    """Carries keyed changes of all accounts, and settles their doubts.

    Args:
        looked_for: called with the account of a change in doubt, which wants to be looked for from now on.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        new_id: NewId,
        ledger: Ledger,
        gate: Gate,
        sender: Sender,
        desk: Desk,
        looked_for: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._new_id = new_id
        self._ledger = ledger
        self._book = ledger.book
        self._gate = gate
        self._sender = sender
        self._desk = desk
        self._looked_for = looked_for
        self._position_locks: dict[tuple[str, str], anyio.Lock] = {}
        self._counted_from: dict[str, float] = {}
        self._absent_since: dict[str, float] = {}
        self.waits: set[str] = set()  # changes in doubt that only a person can end

    async def carry(
        self, wanted: Keyed, prepare: Callable[[], Prepared]
    ) -> tuple[ChangeState, bool]:
        """The change as it stands, and whether its key had been here before.

        Args:
            prepare: validates; raises OrdoError before anything is stored. The key is looked at before it.
        Raises:
            OrdoError: as for an order; the words speak of the change.
        """
        account = self._desk.account(wanted.account)
        deadline = self._clock.boot() + wanted.timeout_s
        user, print_ = await self._desk.user(account, deadline), wanted.fingerprint()
        call = self._desk.under_way.get((user, wanted.key))
        if call is not None:
            if call.fingerprint != print_:
                raise _reused(wanted)
            await call.done.wait()
            return self._change_of(call), True
        known = self._book.by_key(user, wanted.key)
        if known is not None or self._book.key_is_spent(user, wanted.key):
            return _same(known, wanted, print_), True
        call = self._desk.under_way[user, wanted.key] = Call(print_, wanted.operation)
        try:
            await self._desk.ready(account, user, deadline)
            prepared = prepare()
            if wanted.operation != "cancel_gtt":
                account.check_stays()
            self._check_gate(account, wanted.key)
            conversion = prepared.conversion
            if conversion is None:
                await self._carry(call, account, user, wanted, prepared, deadline)
            else:
                async with self._position_lock(account.name, conversion.symbol):
                    before = await self._quantity_before(account, conversion, deadline)
                    await self._carry(call, account, user, wanted, prepared, deadline, before)
        except OrdoError as error:
            call.error = error
            raise
        finally:
            del self._desk.under_way[user, wanted.key]
            call.done.set()
        return self._change_of(call), False

    async def _carry(
        self,
        call: Call,
        account: Account,
        user: str,
        wanted: Keyed,
        prepared: Prepared,
        deadline: float,
        before: int | None = None,
    ) -> None:
        call.order_id = self._new_id("c")
        intent = Intent(
            id=call.order_id,
            operation=wanted.operation,
            account=account.name,
            user=user,
            key=wanted.key,
            fingerprint=call.fingerprint,
            caller=wanted.caller,
            gtt=prepared.gtt,
            conversion=prepared.conversion,
            target=wanted.target,
            before=before,
        )
        await self._ledger.store(intent)
        outcome = await self._sender.send_once(
            account,
            prepared.make,
            user=user,
            strategy=None,
            deadline=deadline,
            ids={"account": account.name, "key": wanted.key, "change_id": intent.id},
        )
        self._counted_from[intent.id] = self._clock.boot()
        broker_id = outcome.value if isinstance(outcome.value, str) else wanted.target or ""
        try:
            await self._ledger.record(record_of(intent.id, outcome, broker_id))
        except JournalFailed:
            log.warning(
                "outcome_not_stored", account=account.name, key=wanted.key, change_id=intent.id
            )
            if outcome.what != "unsent":
                return  # told as in doubt: the intent is on disk, its outcome is not
        if outcome.what == "doubt":
            self._looked_for(account.name)
        error = error_of(outcome, account=account.name, key=wanted.key)
        if error is not None:
            raise error

    def _check_gate(self, account: Account, key: str) -> None:
        if self._desk.is_draining:
            raise OrdoError(Kind.OVERLOADED, "the daemon is stopping; send the same key again soon")
        if self._gate.is_closed_for(account.name, None):
            raise OrdoError(
                Kind.KILLED,
                "the kill switch is engaged; nothing was sent",
                account=account.name,
                key=key,
            )

    def _change_of(self, call: Call) -> ChangeState:
        if call.error is not None:
            raise OrdoError(call.error.kind, call.error.message, **call.error.data)
        return self._book.changes[call.order_id]

    def _position_lock(self, account: str, symbol: str) -> anyio.Lock:
        return self._position_locks.setdefault((account, symbol), anyio.Lock())

    async def _quantity_before(
        self, account: Account, conversion: Conversion, deadline: float
    ) -> int:
        """The position a conversion takes from. Raises OrdoError: INVALID_PARAMS where it is too small."""
        rows = await account.read(
            lambda session: account.adapter.positions(session, account.master), deadline=deadline
        )
        quantity = _position(rows, conversion)
        has = quantity if conversion.side is Side.BUY else -quantity
        if has < conversion.quantity:
            raise OrdoError(
                Kind.INVALID_PARAMS,
                f"quantity {conversion.quantity} is more than the {conversion.side} position of "
                f"{conversion.symbol} {conversion.from_product}, {max(0, has)}",
                field="quantity",
                value=conversion.quantity,
            )
        return quantity

    # Settling

    def count_from_now(self, change_id: str) -> None:
        """After a start the horizon of an open doubt begins anew."""
        self._counted_from[change_id] = self._clock.boot()

    async def settle(self, account: Account) -> None:
        """Look for what became of this account's keyed changes in doubt. Never raises."""
        user = account.user
        doubts = [
            change
            for change in self._book.open_changes(account.name)
            if change.intent is not None and change.state == "doubt" and change.user == user
        ]
        if not doubts:
            return
        begun, deadline = self._clock.boot(), self._clock.boot() + READ_S
        records: list[Record] = []
        try:
            gtts = positions = None
            if any(change.operation != "convert" for change in doubts):
                gtts = await account.read(
                    lambda session: account.adapter.gtts(session, account.master),
                    deadline=deadline,
                )
            if any(change.operation == "convert" for change in doubts):
                positions = await account.read(
                    lambda session: account.adapter.positions(session, account.master),
                    deadline=deadline,
                )
            if account.user != user:
                return  # another user's lists say nothing
            claimed: set[str] = set()  # one row ends one doubt
            for change in doubts:
                if change.operation == "convert" and positions is not None:
                    shown = self._conversion_shows(account, change, positions)
                    records += self._evidence(account, change, begun, positions.is_whole, shown)
                elif gtts is not None:
                    shown = self._gtt_shows(account, change, gtts, claimed, begun)
                    records += self._evidence(account, change, begun, gtts.is_whole, shown)
            if records:
                await self._ledger.record(*records)
        except (OrdoError, JournalFailed) as error:
            log.info("changes_not_settled", account=account.name, why=str(error))

    def _evidence(
        self,
        account: Account,
        change: ChangeState,
        begun: float,
        is_whole: bool,
        shown: "_Shown | None",
    ) -> Iterator[Record]:
        source = "positions" if change.operation == "convert" else "gtts"
        at = self._clock.now()
        if shown is not None:
            self.waits.discard(change.id)
        elif change.id not in self.waits:
            self.waits.add(change.id)
            log.warning(
                "change_waits_for_person", account=account.name, key=change.key, change_id=change.id
            )
        if shown is not None and shown.now:
            found = shown.now == "done"
            yield Evidence(id=change.id, source=source, begun_at=at, complete=is_whole, found=found)
            yield Settled(id=change.id, outcome=shown.now, by=source, broker_id=shown.broker_id)
            return
        waited_s = begun - self._counted_from.setdefault(change.id, begun)
        if shown is None or not is_whole or waited_s < account.rules.doubt_horizon_s:
            self._absent_since.pop(change.id, None)
            return
        yield Evidence(id=change.id, source=source, begun_at=at, complete=True, found=False)
        if begun - self._absent_since.setdefault(change.id, begun) >= APART_S:
            yield Settled(id=change.id, outcome=shown.later, by=source, broker_id=shown.broker_id)

    def _conversion_shows(
        self, account: Account, change: ChangeState, positions: Rows[Position]
    ) -> "_Shown | None":
        """Positions are of a day, and one that cannot be read may be the one: then they say nothing."""
        sent_on = account.book_day(change.sent_at or change.at)
        if sent_on != account.book_day(self._clock.now()):
            return None
        if not positions.is_whole:
            return _Shown("", "not_done")  # for which a list must be whole
        return _conversion_shows(change.intent, positions)

    def _gtt_shows(
        self,
        account: Account,
        change: ChangeState,
        gtts: Rows[BrokerGtt],
        claimed: set[str],
        begun: float,
    ) -> "_Shown | None":
        """None: a person must tell whether the one that is there is this one."""
        intent = change.intent
        assert intent is not None
        target = next((g for g in gtts.good if g.broker_gtt_id == intent.target), None)
        match change.operation:
            case "cancel_gtt":
                return _cancel_shows(target)
            case "modify_gtt":
                assert intent.gtt is not None
                is_done = target is not None and target.legs == intent.gtt.legs
                return _Shown("done" if is_done else "", "not_done", intent.target or "")
            case _:
                return self._placing_shows(account, change, gtts, claimed, begun)

    def _placing_shows(
        self,
        account: Account,
        change: ChangeState,
        gtts: Rows[BrokerGtt],
        claimed: set[str],
        begun: float,
    ) -> "_Shown | None":
        """A trigger on the terms of the intent, made since, that no other change made, is its own: triggers carry no tag.

        One that was made since only if clocks were wrong may be its own or a stranger's.
        """
        intent = change.intent
        assert intent is not None
        assert intent.gtt is not None
        skew_s, sent_at = account.keeper.skew.seconds or 0.0, change.sent_at or change.at
        waited_s = begun - self._counted_from.setdefault(change.id, begun)
        surely = sent_at + timedelta(seconds=skew_s - SURE_S)
        perhaps = earliest(sent_at, now=self._clock.now(), skew_s=skew_s, waited_s=waited_s)
        taken = claimed | {c.broker_id for c in self._book.changes.values() if c.broker_id}
        rows = [
            row
            for row in gtts.good
            if row.broker_gtt_id not in taken
            and row.symbol == intent.gtt.symbol
            and row.legs == intent.gtt.legs
        ]
        for row in rows:
            if row.created_at is None or row.created_at >= surely:
                claimed.add(row.broker_gtt_id)
                return _Shown("done", "", row.broker_gtt_id)
        if any(row.created_at is not None and row.created_at >= perhaps for row in rows):
            return None
        return _Shown("", "not_done")


class _Shown(Struct, frozen=True):
    """What a reading says of a change: `now`, by what it holds ("" nothing); `later`, by what two readings do not hold."""

    now: str
    later: str
    broker_id: str = ""


def _cancel_shows(target: BrokerGtt | None) -> _Shown:
    """A trigger that is gone from a whole list was cancelled; one that ended otherwise was not."""
    if target is None:
        return _Shown("", "done")
    ended = target.status is not GttStatus.ACTIVE
    outcome = "done" if target.status is GttStatus.CANCELLED else "not_done"
    return _Shown(outcome if ended else "", "not_done", target.broker_gtt_id)


def _conversion_shows(intent: Intent | None, positions: Rows[Position]) -> _Shown | None:
    """Whether the position lost what the conversion took; None where it moved otherwise, and a person must tell."""
    assert intent is not None
    conversion, before = intent.conversion, intent.before
    assert conversion is not None
    assert before is not None
    sign = 1 if conversion.side is Side.BUY else -1
    now = _position(positions, conversion)
    if now == before - sign * conversion.quantity:
        return _Shown("done", "")
    return _Shown("", "not_done") if now == before else None


def _position(rows: Rows[Position], conversion: Conversion) -> int:
    return sum(
        row.quantity
        for row in rows.good
        if (row.symbol, row.product) == (conversion.symbol, conversion.from_product)
    )


def _same(known: OrderState | ChangeState | None, wanted: Keyed, print_: str) -> ChangeState:
    if not isinstance(known, ChangeState) or known.fingerprint != print_:
        raise _reused(wanted)
    if known.state == "rejected":
        raise OrdoError(
            Kind[known.error_kind], known.message, account=wanted.account, key=wanted.key
        )
    return known


def _reused(wanted: Keyed) -> OrdoError:
    return OrdoError(
        Kind.KEY_REUSED,
        f"key {wanted.key} belongs to another order or change; take a new key",
        key=wanted.key,
        account=wanted.account,
    )
