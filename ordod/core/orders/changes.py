"""Modify, cancel, and a person's word on a doubt. The same path as an order's: written down, sent once, told.

An acknowledgement is not yet a change: what a modify or cancel came to, the order's row tells (`settling.py`). A cancel passes
the gate, and works with a dead disk. A cancel of an order in doubt is written down and goes out when the order appears.
One change of an order at a time; the next waits.
"""

from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from itertools import islice
from typing import Any

import anyio
from msgspec import Struct
from msgspec.structs import asdict, replace

from ordod.adapter import BrokerOrder, Instrument, OrderChanges
from ordod.core.account import Account
from ordod.core.guard.gate import Gate
from ordod.core.orders.desk import Desk, NewId
from ordod.core.orders.journal import JournalFailed
from ordod.core.orders.keys import fingerprint_of
from ordod.core.orders.ledger import Ledger
from ordod.core.orders.looking import Reader
from ordod.core.orders.records import (
    Admin,
    Cancel,
    Modify,
    Record,
    Settled,
)
from ordod.core.orders.sending import Outcome, Sender, error_of, record_of
from ordod.core.orders.states import ChangeState, OrderState, row_of
from ordod.core.orders.trail import about
from ordod.core.orders.validate import check_changes
from ordod.core.ports import Clock
from ordod.core.tasks import Tasks
from ordod.domain.orders import Order, Status
from ordod.errors import Kind, OrdoError

__all__ = ["ChangeResult", "Changes"]

SYNC_S = 2.0
SEEN_S = 2.0  # how long an acknowledged change is waited for in the order's row before the answer says in_doubt
TOLD_S = 0.7  # of it, how long the broker's own word is waited for, where it pushes what happens
SEEN_PAUSE_S = 0.3  # between looks for it: the order book's own rate limit is everybody's
CANCEL_S = 10.0
NEAR_KEYS = 200  # the newest of an account that are looked at for one that was meant: a millisecond
KILL_SYNC_S = 0.25  # in a kill a hanging disk is waited for no longer


class ChangeResult(Struct, frozen=True):
    """The order as it stands and `done` or `in_doubt`. `durable` False: the disk is dead, and the journal lacks it."""

    order: Order
    change: str
    durable: bool = True


class Changes:
    """Modifies, cancels and keyed changes of all accounts."""

    def __init__(
        self,
        *,
        clock: Clock,
        new_id: NewId,
        ledger: Ledger,
        gate: Gate,
        sender: Sender,
        desk: Desk,
        readers: dict[str, Reader],
        tasks: Tasks,
    ) -> None:
        self._clock = clock
        self._new_id = new_id
        self._ledger = ledger
        self._book = ledger.book
        self._gate = gate
        self._sender = sender
        self._desk = desk
        self._readers = readers
        self._tasks = tasks
        self._locks: dict[str, anyio.Lock] = {}
        self._waiting: set[str] = set()  # cancels (change ids) of orders in doubt

    def find(self, order_id: str | None, account: str | None, key: str | None) -> OrderState:
        """The order of an id, or of an account's key.

        Raises:
            OrdoError: UNKNOWN_ORDER, for a key with the closest ones there are; UNKNOWN_ACCOUNT; INVALID_PARAMS.
        """
        if order_id is not None:
            order = self._book.by_id(order_id)
            if order is None:
                raise OrdoError(
                    Kind.UNKNOWN_ORDER,
                    f"there is no order {order_id!r}; order.list names those there are",
                    field="order_id",
                    value=order_id,
                )
            return order
        if account is None or key is None:
            raise OrdoError(
                Kind.INVALID_PARAMS, "give order_id, or account and key", field="order_id"
            )
        user = self._desk.account(account).user
        order_or_change = self._book.by_key(user, key) if user else None
        if not isinstance(order_or_change, OrderState):
            closest = get_close_matches(key, self._newest_keys(account))
            hint = f"; near: {', '.join(closest)}" if closest else ""
            raise OrdoError(
                Kind.UNKNOWN_ORDER,
                f"there is no order of key {key} at {account}{hint}",
                field="key",
                value=key,
                account=account,
                closest=closest,
            )
        return order_or_change

    def _newest_keys(self, account: str) -> Iterator[str]:
        keys = (o.key for o in reversed(self._book.orders.values()) if o.account == account)
        return islice((key for key in keys if key is not None), NEAR_KEYS)

    # Cancel

    async def cancel(self, order: OrderState, *, caller: str, timeout_s: float) -> ChangeResult:
        """Ask for an order's end.

        Raises:
            OrdoError: ORDER_REJECTED where there is nothing left to cancel or the broker refused; others: nothing was sent.
        """
        if not (order.is_live or order.is_open_doubt):
            return self._cancelled_or_refuse(order)
        self._desk.account(order.account)  # what nobody can send is not written down
        if order.is_open_doubt:
            return await self._cancel_later(order, caller)
        deadline = self._clock.boot() + timeout_s
        async with self._lock(order.id):
            if not order.is_live:
                return self._cancelled_or_refuse(order)
            change_id = self._new_id("c")
            record = Cancel(id=change_id, order_id=order.id, caller=caller)
            is_durable = await self._stored(record)
            outcome = await self._send_cancel(order, deadline)
            is_durable = await self._concluded(change_id, outcome) and is_durable
        if outcome.what in ("rejected", "unsent"):
            return await self._refused_cancel(order, outcome, deadline)
        if not is_durable:
            return ChangeResult(self._book.view(order), "in_doubt", durable=False)
        return await self._seen(order, change_id, deadline)

    async def cancel_now(self, order: OrderState, *, caller: str, timeout_s: float) -> str:
        """One cancel for the kill sweep: accepted, rejected, unsent, doubt, or `waits` for an order in doubt to appear."""
        if order.is_open_doubt:
            await self._cancel_later(order, caller)
            return "waits"
        deadline = self._clock.boot() + timeout_s
        async with self._lock(order.id):
            if not order.is_live:
                return "accepted" if order.status is Status.CANCELLED else "rejected"
            change_id = self._new_id("c")
            await self._stored(Cancel(id=change_id, order_id=order.id, caller=caller))
            outcome = await self._send_cancel(order, deadline)
            await self._concluded(change_id, outcome)
        if reader := self._readers.get(order.account):
            reader.count_from_now(change_id)
        return outcome.what

    async def cancel_unstored(self, order: OrderState, row: BrokerOrder, timeout_s: float) -> str:
        """On a dead disk: cancel an order in doubt by the row in which it has appeared, which could not be stored."""
        account = self._desk.account(order.account)
        outcome = await self._sender.send_once(
            account,
            lambda session: account.adapter.cancel(session, row),
            user=order.user,
            strategy=order.strategy,
            deadline=self._clock.boot() + timeout_s,
            is_cancel=True,
            ids=about(order),
        )
        return outcome.what

    def _cancelled_or_refuse(self, order: OrderState) -> ChangeResult:
        if order.status is Status.CANCELLED:
            return ChangeResult(self._book.view(order), "done")
        raise OrdoError(
            Kind.ORDER_REJECTED,
            f"order {order.id} is {order.status}; there is nothing to cancel",
            account=order.account,
            order=self._book.view(order),
        )

    async def _cancel_later(self, order: OrderState, caller: str) -> ChangeResult:
        if not any(c.operation == "cancel" for c in self._book.open_changes_of(order.id)):
            change_id = self._new_id("c")
            self._waiting.add(change_id)
            record = Cancel(id=change_id, order_id=order.id, caller=caller)
            if not await self._stored(record):
                return ChangeResult(self._book.view(order), "in_doubt", durable=False)
        return ChangeResult(self._book.view(order), "in_doubt")

    async def _send_cancel(self, order: OrderState, deadline: float) -> Outcome[None]:
        account, row = self._desk.account(order.account), row_of(order)
        return await self._sender.send_once(
            account,
            lambda session: account.adapter.cancel(session, row),
            user=order.user,
            strategy=order.strategy,
            deadline=deadline,
            # Leaving a cover order trades: that is an order, and the gate holds it.
            is_cancel=not order.is_cover_leg,
            ids=about(order),
        )

    async def _refused_cancel(
        self, order: OrderState, outcome: Outcome[None], deadline: float
    ) -> ChangeResult:
        """A refusal often means that the order ended meanwhile: its row tells."""
        reader = self._readers.get(order.account)
        if outcome.what == "rejected" and reader is not None:
            left = min(SEEN_S, deadline - self._clock.boot())
            await reader.seen_since(self._clock.boot(), within_s=left)
            if order.status is Status.CANCELLED:
                return ChangeResult(self._book.view(order), "done")
        error = error_of(outcome, account=order.account, order=self._book.view(order))
        assert error is not None
        raise error

    def waiting_cancels(self, account: str) -> list[ChangeState]:
        """Cancels that were written down for orders in doubt and whose order has appeared."""
        ready = []
        for change in self._book.open_changes(account):
            order = self._book.orders.get(change.order_id or "")
            is_unsent = change.operation == "cancel" and change.state == "intent"
            if is_unsent and change.id in self._waiting and order and not order.is_open_doubt:
                ready.append(change)
        return ready

    async def send_waiting(self, account: str) -> None:
        """Send the cancels whose orders have appeared."""
        for change in self.waiting_cancels(account):
            self._waiting.discard(change.id)
            self._tasks.start_soon(self._send_waiting, change)

    async def _send_waiting(self, change: ChangeState) -> None:
        assert change.order_id is not None
        order = self._book.orders[change.order_id]
        if not order.is_live:
            outcome = "done" if order.status is Status.CANCELLED else "not_done"
            with suppress(JournalFailed):
                await self._ledger.record(Settled(id=change.id, outcome=outcome, by="book"))
            return
        async with self._lock(order.id):
            result = await self._send_cancel(order, self._clock.boot() + CANCEL_S)
            await self._concluded(change.id, result)
        if result.what == "unsent" and order.is_live:
            await self._cancel_again(order)
        if reader := self._readers.get(order.account):
            reader.look()

    async def _cancel_again(self, order: OrderState) -> None:
        """It could not be sent: it waits for the next reading."""
        await self._cancel_later(order, "settling")

    def resume(self) -> None:
        """After a start: cancels without an outcome are sent (again): a cancel twice is a cancel."""
        for change in self._book.changes.values():
            if change.operation == "cancel" and change.state == "intent":
                self._waiting.add(change.id)

    # Modify

    async def modify(
        self,
        order: OrderState,
        changes: OrderChanges,
        *,
        change_key: str | None,
        caller: str,
        timeout_s: float,
    ) -> ChangeResult:
        """Change a living order.

        Raises:
            OrdoError: as for an order; the words speak of the change. ORDER_IN_DOUBT where it is not known how it stands.
        """
        deadline = self._clock.boot() + timeout_s
        print_ = fingerprint_of(order.id, *(str(value) for value in asdict(changes).values()))
        replayed = self._modified_before(order, change_key, print_)
        if replayed is not None:
            return await self._seen(order, replayed.id, deadline)
        async with self._lock(order.id):
            replayed = self._modified_before(order, change_key, print_)
            if replayed is not None:
                return await self._seen(order, replayed.id, deadline)
            account = self._desk.account(order.account)
            instrument = self._check_modify(account, order, changes)
            change_id = self._new_id("c")
            record = Modify(
                id=change_id,
                order_id=order.id,
                changes=changes,
                caller=caller,
                key=change_key,
                fingerprint=print_,
            )
            await self._ledger.store(record)
            row = row_of(order)
            outcome = await self._sender.send_once(
                account,
                lambda session: account.adapter.modify(session, row, changes, instrument),
                user=order.user,
                strategy=order.strategy,
                deadline=deadline,
                ids=about(order),
            )
            is_durable = await self._concluded(change_id, outcome)
        error = error_of(outcome, account=order.account, order=self._book.view(order))
        if error is not None and (is_durable or outcome.what == "unsent"):
            raise error
        return await self._seen(order, change_id, deadline)

    def _modified_before(
        self, order: OrderState, change_key: str | None, print_: str
    ) -> ChangeState | None:
        known = self._book.by_key(order.user, change_key) if change_key else None
        if known is None:
            return None
        if isinstance(known, ChangeState) and known.fingerprint == print_:
            return known
        raise OrdoError(
            Kind.KEY_REUSED,
            f"change_key {change_key} belongs to another order or change; take a new one",
            key=change_key,
            order=self._book.view(order),
        )

    def _check_modify(
        self, account: Account, order: OrderState, changes: OrderChanges
    ) -> Instrument:
        if order.is_open_doubt or any(
            c.operation == "modify" and c.is_open for c in self._book.open_changes_of(order.id)
        ):
            raise OrdoError(
                Kind.ORDER_IN_DOUBT,
                f"how order {order.id} stands is not known yet; ask order.get, then modify",
                account=order.account,
                order=self._book.view(order),
            )
        if not order.is_live:
            raise OrdoError(
                Kind.ORDER_REJECTED,
                f"order {order.id} is {order.status}; it can no longer be changed",
                account=order.account,
                order=self._book.view(order),
            )
        wanted = {name: value for name, value in asdict(changes).items() if value is not None}
        if not wanted:
            raise OrdoError(
                Kind.INVALID_PARAMS, "nothing to change was named", field="price", value=None
            )
        instrument = self._desk.instrument(account, order.terms.symbol)
        changed = replace(order.current, **wanted)
        check_changes(changed, instrument, order.filled_quantity)
        if self._gate.is_closed_for(order.account, order.strategy):
            raise OrdoError(
                Kind.KILLED,
                "the kill switch is engaged; orders can be cancelled, not modified",
                account=order.account,
            )
        self._desk.check_modified(account, changed, order.strategy)
        return instrument

    # A person's word

    async def resolve_change(
        self, change: ChangeState, *, is_done: bool, broker_id: str, reason: str, caller: str
    ) -> str:
        """End the doubt of a GTT or conversion by a person's word: `done` or `not_done`. As `resolve`."""
        outcome = "done" if is_done else "not_done"
        if not change.is_open:
            if change.state == outcome:
                return outcome
            raise OrdoError(
                Kind.INVALID_PARAMS,
                f"the {change.operation} of this key is {change.state}, not in doubt",
                field="outcome",
                value=outcome,
            )
        await self._must_settle(
            Settled(
                id=change.id,
                outcome=outcome,
                by="person",
                broker_id=broker_id,
                caller=caller,
                reason=reason,
            )
        )
        return outcome

    async def _must_settle(self, settled: Settled) -> None:
        """A person's word, with who said it, on disk. Raises OrdoError: JOURNAL_FAILED."""
        params = {"id": settled.id, "outcome": settled.outcome, "reason": settled.reason}
        said = Admin(caller=settled.caller, method="order.resolve", params=dict(params))
        try:
            await self._ledger.record(said, settled)
        except JournalFailed as error:
            raise OrdoError(
                Kind.JOURNAL_FAILED, f"it could not be written down ({error}); nothing was changed"
            ) from error

    async def resolve(
        self, order: OrderState, *, outcome: str, broker_order_id: str, reason: str, caller: str
    ) -> Order:
        """End a doubt by what a person found at the broker. Where it has ended so already, nothing is left to do.

        Raises:
            OrdoError: INVALID_PARAMS where there is no doubt and the order stands otherwise.
        """
        if not order.is_open_doubt:
            if _is_so(order, outcome, broker_order_id):
                return self._book.view(order)
            raise OrdoError(
                Kind.INVALID_PARAMS,
                f"order {order.id} is {order.status}, not in doubt; what the broker shows stands, {outcome} does not",
                field="outcome",
                value=outcome,
                order=self._book.view(order),
            )
        if outcome == "placed" and not broker_order_id:
            raise OrdoError(
                Kind.INVALID_PARAMS,
                "broker_order_id is missing; it says which order of the broker this is",
                field="broker_order_id",
            )
        await self._must_settle(
            Settled(
                id=order.id,
                outcome=outcome,
                by="person",
                broker_id=broker_order_id,
                caller=caller,
                reason=reason,
            )
        )
        reader = self._readers.get(order.account)  # None: its account's name left the configuration
        if reader is not None:
            reader.look()
        return self._book.view(order)

    # Writing down

    def _lock(self, order_id: str) -> anyio.Lock:
        if len(self._locks) > 10_000:  # a day's orders; those nobody holds are dropped
            self._locks = {name: lock for name, lock in self._locks.items() if lock.locked()}
        return self._locks.setdefault(order_id, anyio.Lock())

    async def _stored(self, record: Record, within_s: float = SYNC_S) -> bool:
        """Whether a cancel, or a change's outcome, is on disk in time; it goes on in any case."""
        pending = self._ledger.write(record)
        with suppress(JournalFailed):
            return await pending.durable(within_s=within_s)
        return False

    async def _concluded(self, change_id: str, outcome: Outcome[Any]) -> bool:
        """The outcome of a change on disk; whether it is. A disk that hangs has it in its queue and holds nobody up."""
        return await self._stored(record_of(change_id, outcome))

    async def _seen(self, order: OrderState, change_id: str, deadline: float) -> ChangeResult:
        """Wait a little for the order's row to show the change. Raises OrdoError where it shows that it did not happen."""
        reader, change = self._readers.get(order.account), self._book.changes.get(change_id)
        if reader is not None:  # else the account went, with this, its last change, done
            await self._look_for(change, change_id, reader, deadline)
        view = self._book.view(order)
        if change is None or change.is_open:
            return ChangeResult(view, "in_doubt")
        if change.state == "done":
            return ChangeResult(view, "done")
        kind = Kind[change.error_kind] if change.error_kind else Kind.ORDER_REJECTED
        message = change.message or f"it did not happen; order {order.id} is {order.status}"
        raise OrdoError(kind, message, account=order.account, order=view)

    async def _look_for(
        self, change: ChangeState | None, change_id: str, reader: Reader, deadline: float
    ) -> None:
        """Until the change is over, SEEN_S at most. None: the disk is dead, and the book does not have it."""
        reader.count_from_now(change_id)
        until = min(deadline, self._clock.boot() + SEEN_S)
        told_until = min(until, self._clock.boot() + TOLD_S)
        while change is not None and change.is_open and reader.hearing.is_open:
            if (left := told_until - self._clock.boot()) <= 0:
                break
            await reader.hearing.told(within_s=left)
        while change is not None and change.is_open and self._clock.boot() < until:
            now = self._clock.boot()
            if not await reader.seen_since(now, within_s=until - now):
                break
            if change.is_open:
                await anyio.sleep(SEEN_PAUSE_S)


def _is_so(order: OrderState, outcome: str, broker_order_id: str) -> bool:
    """Whether the order stands as a person says."""
    if outcome == "not_placed":
        return order.status is Status.NOT_PLACED
    return order.sent == "placed" and broker_order_id in ("", order.broker_order_id)
