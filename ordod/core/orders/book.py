"""What is known: every order and change, as the fold of the journal's records.

`apply` is the only way in, for a live daemon and for a replay alike, and it is called with records that are on disk: so
whatever can be read here may be told. Nothing here awaits, measures time or decides what to do.

A key belongs to a broker user. It is taken by an intent and freed only by `unsent` (nothing happened, nothing will). Orders
of past days that are final go into an archive: a bot may ask for them, nobody changes them.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, assert_never

import msgspec
from msgspec import Struct

from ordod.adapter import Fill
from ordod.core.orders.archive import Archive, ArchiveDump
from ordod.core.orders.records import (
    Accepted,
    AccountNote,
    Admin,
    Cancel,
    Close,
    Doubt,
    Entry,
    Evidence,
    Filled,
    Intent,
    Kill,
    Modify,
    Note,
    Open,
    Rejected,
    Release,
    Seal,
    Settled,
    Unsent,
    Update,
)
from ordod.core.orders.states import ChangeState, KillNote, OrderState
from ordod.domain.orders import LIVE, Order, OrderTerms, Status, Trade

__all__ = ["Book"]

KEEP = timedelta(days=30)  # WIRE 4: past it a key answers KEY_REUSED without its order


class _Dump(Struct):
    """What a snapshot holds."""

    orders: list[OrderState]
    changes: list[ChangeState]
    archive: ArchiveDump
    kills: list[KillNote]
    users: dict[str, str]
    accounts: list[tuple[str, AccountNote, datetime]]


class Book:
    """All orders and changes, by id, key, tag and broker id."""

    def __init__(self) -> None:
        self.orders: dict[str, OrderState] = {}
        self.changes: dict[str, ChangeState] = {}
        self.kills: dict[tuple[str | None, str | None], KillNote] = {}
        self.users: dict[str, str] = {}  # account -> broker user last seen
        self.account_notes: list[tuple[str, AccountNote, datetime]] = []  # a day's, and denials
        self._keys: dict[tuple[str, str], str] = {}  # (user, key) -> id of an order or change
        self._tags: dict[tuple[str, str], str] = {}
        self._adopted: dict[str, None] = {}  # ids of orders with our tag and no key
        self._broker_ids: dict[tuple[str, str], str] = {}
        self._twins: dict[
            str, str
        ] = {}  # listed without a key -> the order of ours it turned out to be
        self._open: dict[str, dict[str, OrderState]] = {}  # account -> live or in doubt
        self._doubts: dict[str, dict[str, OrderState]] = {}  # of them, those in doubt
        self._open_changes: dict[str, dict[str, ChangeState]] = {}
        self._archive = Archive()
        self._seq = 0

    # Looking

    def by_key(self, user: str, key: str) -> OrderState | ChangeState | None:
        """The order or change this key made; an archived order is brought back for the look."""
        found = self._keys.get((user, key))
        if found is not None:
            return self.orders.get(found) or self.changes.get(found)
        return self._archive.by_key(user, key)

    def key_is_spent(self, user: str, key: str) -> bool:
        return (user, key) in self._keys or self._archive.holds_key(user, key)

    def by_id(self, order_id: str) -> OrderState | None:
        return self.orders.get(order_id) or self._archive.by_id(order_id)

    def by_tag(self, user: str, tag: str) -> OrderState | None:
        found = self._tags.get((user, tag))
        return self.orders.get(found) if found else None

    def adopted(self, user: str, mark: str) -> OrderState | None:
        """An order that carries a tag of ours which begins so, while the journal lacks its intent."""
        found = (self.orders[each] for each in self._adopted)
        return next((o for o in found if o.user == user and (o.tag or "").startswith(mark)), None)

    def tag_is_taken(self, user: str, tag: str) -> bool:
        return (user, tag) in self._tags

    def by_broker_id(self, user: str, broker_order_id: str) -> OrderState | None:
        found = self._broker_ids.get((user, broker_order_id))
        return self.orders.get(found) if found else None

    def twins(self, account: str) -> list[tuple[OrderState, str]]:
        """Orders that were listed without a key, and the id of the order of ours that each turned out to be."""
        twins = [(self.orders[twin], first) for twin, first in self._twins.items()]
        return [(twin, first) for twin, first in twins if twin.account == account]

    def open_orders(self, account: str | None = None) -> list[OrderState]:
        """Live or in doubt, oldest first."""
        if account is not None:
            return list(self._open.get(account, {}).values())
        return [order for orders in self._open.values() for order in orders.values()]

    def unended(self) -> list[OrderState]:
        """Orders whose end nobody saw: live, in doubt, or of a day that ended before theirs was seen."""
        return [o for o in self.orders.values() if o.status in LIVE or o.is_open_doubt]

    def live(self, account: str | None = None) -> list[OrderState]:
        return [order for order in self.open_orders(account) if order.is_live]

    def doubts(self, account: str | None = None) -> list[OrderState]:
        if account is not None:
            return list(self._doubts.get(account, {}).values())
        return [order for orders in self._doubts.values() for order in orders.values()]

    def has_live(self, account: str) -> bool:
        return any(order.is_live for order in self._open.get(account, {}).values())

    def open_changes(self, account: str) -> list[ChangeState]:
        return list(self._open_changes.get(account, {}).values())

    def open_changes_of(self, order_id: str) -> list[ChangeState]:
        order = self.orders.get(order_id)
        if order is None:
            return []
        changes = self._open_changes.get(order.account, {}).values()
        return [change for change in changes if change.order_id == order_id]

    def without_outcome(self) -> list[OrderState | ChangeState]:
        """What was written down to be sent, and nothing after it. At a start: it may have been sent."""
        orders = [order for order in self.open_orders() if order.sent == "intent"]
        changes = [
            change
            for shelf in self._open_changes.values()
            for change in shelf.values()
            if change.state == "intent" and change.operation != "cancel"
        ]
        return [*orders, *changes]

    def sends_of(
        self, account: str, since: datetime, now: datetime, user: str = ""
    ) -> list[tuple[datetime, str]]:
        """When orders and changes of an account were sent, or may have been, at the latest, and what; oldest first.

        `user`: whose it is, where that is known: under whatever name its orders were sent, its broker counts them.

        What waited for a slot, or for its order to appear, went out long after its intent: no later than its next record, or
        than now where there is none.
        """
        orders = [o for o in self.orders.values() if o.key is not None]
        mine: list[OrderState | ChangeState] = [*orders, *self.changes.values()]
        sent = [
            (each.sent_by or now, "place" if isinstance(each, OrderState) else each.operation)
            for each in mine
            if each.account == account or (user and each.user == user)
            for _ in range(each.sends)
        ]
        return sorted(one for one in sent if one[0] > since)

    def of_user(self, user: str) -> Iterator[OrderState]:
        return (order for order in self.orders.values() if order.user == user)

    @staticmethod
    def view(order: OrderState) -> Order:
        """The order as clients see it."""
        terms, row = order.current, order.row
        doubt = order.is_open_doubt
        return Order(
            order_id=order.id,
            key=order.key,
            account=order.account,
            strategy=order.strategy,
            symbol=terms.symbol,
            side=terms.side,
            quantity=terms.quantity,
            type=terms.type,
            product=terms.product,
            price=terms.price,
            trigger_price=terms.trigger_price,
            validity=terms.validity,
            variety=terms.variety,
            disclosed_quantity=terms.disclosed_quantity,
            tag=order.tag,
            broker_order_id=order.broker_order_id,
            exchange_order_id=row.exchange_order_id if row else None,
            status=order.status,
            status_message=order.message,
            filled_quantity=order.filled_quantity,
            average_price=order.average_price,
            since=order.sent_at if doubt else None,
            next_check=order.next_check if doubt else None,
            placed_at=order.placed_at,
            updated_at=order.updated_at,
            seq=order.seq,
        )

    @staticmethod
    def trade(order: OrderState, fill: Fill) -> Trade:
        """A fill as clients see it."""
        return Trade(
            trade_id=fill.trade_id,
            order_id=order.id,
            key=order.key,
            account=order.account,
            strategy=order.strategy,
            broker_order_id=fill.broker_order_id,
            exchange_order_id=fill.exchange_order_id,
            symbol=order.terms.symbol,
            side=fill.side,
            quantity=fill.quantity,
            price=fill.price,
            product=fill.product or order.terms.product,
            at=fill.at,
        )

    # Folding

    def apply(self, entry: Entry) -> None:
        """Take one record in. Records are facts: none is refused, whatever state it meets."""
        seq, at, record = entry.seq, entry.at, entry.record
        self._seq = seq
        match record:
            case Intent():
                self._intent(seq, at, record)
            case Update():
                self._update(seq, at, record)
            case Accepted():
                self._accepted(seq, at, record)
            case Filled():
                self._filled(seq, at, record)
            case Unsent():
                self._unsent(seq, at, record)
            case Rejected():
                self._rejected(seq, at, record)
            case Doubt():
                self._doubt(seq, at, record)
            case Evidence():
                self._evidence(record)
            case Settled():
                self._settled(seq, at, record)
            case Modify() | Cancel():
                self._change(seq, at, record)
            case Kill():
                scope = (record.account, record.strategy)
                known = self.kills.get(scope)
                self.kills[scope] = KillNote(
                    *scope,
                    reason=known.reason if known else record.reason,
                    caller=known.caller if known else record.caller,
                    at=known.at if known else at,
                    cancel_open=record.cancel_open or (known is not None and known.cancel_open),
                )
            case Release():
                self.kills.pop((record.account, record.strategy), None)
            case AccountNote():
                if record.user:
                    self.users[record.account] = record.user
                self._note_account(at, record)
            case Open() | Admin() | Note() | Seal() | Close():
                pass
            case _:
                assert_never(record)

    def _note_account(self, at: datetime, record: AccountNote) -> None:
        """Keep the notes of a day, and a denial until it is lifted: only a person ends it."""
        if record.event in ("added", "removed"):
            return  # of no session
        since, lifts = at - timedelta(days=1), record.event in ("active", "released")
        self.account_notes = [
            (account, note, noted_at)
            for account, note, noted_at in self.account_notes
            if (noted_at > since or note.event == "denied")
            and not (lifts and note.event == "denied" and account == record.account)
        ]
        self.account_notes.append((record.account, record, at))

    def _intent(self, seq: int, at: datetime, record: Intent) -> None:
        if record.order is None:
            change = ChangeState(
                id=record.id,
                operation=record.operation,
                account=record.account,
                user=record.user,
                state="intent",
                seq=seq,
                at=at,
                key=record.key,
                fingerprint=record.fingerprint,
                intent=record,
                sent_at=at,
            )
            self._keys[record.user, record.key] = change.id
            self._keep_change(change)
            return
        order = OrderState(
            id=record.id,
            account=record.account,
            user=record.user,
            terms=record.order,
            status=Status.IN_DOUBT,
            sent="intent",
            seq=seq,
            first_seq=seq,
            placed_at=at,
            updated_at=at,
            key=record.key,
            fingerprint=record.fingerprint,
            symbol_written=record.symbol_written,
            tag=record.tag,
            strategy=record.strategy,
            sent_at=at,
        )
        self.orders[order.id] = order
        self._keys[order.user, record.key] = order.id
        if order.tag:
            self._tags[order.user, order.tag] = order.id
        self._file(order)

    def _accepted(self, seq: int, at: datetime, record: Accepted) -> None:
        order = self.orders.get(record.id)
        if order is not None:
            self._bind(order, record.broker_id)
            if order.sent != "placed":
                self._appeared(order)
            self._touch(order, seq, at)
            return
        change = self.changes.get(record.id)
        if change is not None:
            change.broker_id = record.broker_id
            self._end_change(change, seq, at, "accepted" if change.order_id else "done")

    def _unsent(self, seq: int, at: datetime, record: Unsent) -> None:
        order = self.orders.get(record.id)
        if order is not None:
            if order.sent == "placed":
                return  # a row of it was seen meanwhile: presence wins
            order.sent, order.status, order.sends = "unsent", Status.NOT_PLACED, record.sends
            order.error_kind, order.message = record.kind, record.message or None
            self._free_key(order.user, order.key, order.id)
            if self._tags.get((order.user, order.tag or "")) == order.id:
                del self._tags[
                    order.user, order.tag or ""
                ]  # it was on no order: the key's next try has it again
            self._touch(order, seq, at)
            return
        change = self.changes.get(record.id)
        if change is not None:
            change.error_kind, change.message = record.kind, record.message
            change.sends = record.sends
            self._free_key(change.user, change.key, change.id)
            self._end_change(change, seq, at, "unsent")

    def _rejected(self, seq: int, at: datetime, record: Rejected) -> None:
        item = self.orders.get(record.id) or self.changes.get(record.id)
        if item is None or (isinstance(item, OrderState) and item.sent == "placed"):
            return  # presence wins
        item.error_kind, item.message, item.code = record.kind, record.message, record.code
        if isinstance(item, OrderState):
            item.sent, item.status = "rejected", Status.REJECTED
            self._touch(item, seq, at)
        else:
            self._end_change(item, seq, at, "rejected")

    def _doubt(self, seq: int, at: datetime, record: Doubt) -> None:
        item = self.orders.get(record.id) or self.changes.get(record.id)
        if item is None or (isinstance(item, OrderState) and not item.is_open_doubt):
            return  # presence wins
        item.sent_at, item.died_at, item.absences = record.sent_at, record.died_at, 0
        if isinstance(item, OrderState):
            item.sent, item.status = "doubt", Status.IN_DOUBT
            self._touch(item, seq, at)
        else:
            self._end_change(item, seq, at, "doubt")

    def _evidence(self, record: Evidence) -> None:
        item = self.orders.get(record.id) or self.changes.get(record.id)
        if item is not None and not record.found and record.complete:
            item.absences += 1

    def _settled(self, seq: int, at: datetime, record: Settled) -> None:
        order = self.orders.get(record.id)
        if order is not None:
            if record.outcome == "placed":
                self._bind(order, record.broker_id)
                if order.sent != "placed":
                    self._appeared(order)
            elif record.outcome == "lapsed":
                order.has_lapsed, order.message = True, record.reason
            elif self._twins.pop(order.id, None):
                order.sent, order.status = "not_placed", Status.NOT_PLACED
                order.message = record.reason or None
                order.broker_order_id, order.row, order.fills = None, None, {}
            elif order.sent != "placed":  # presence wins, also over a person's word
                order.sent, order.status = "not_placed", Status.NOT_PLACED
                order.message = record.reason or None
            self._touch(order, seq, at)
            return
        change = self.changes.get(record.id)
        if change is not None:
            change.broker_id = record.broker_id or change.broker_id
            self._end_change(change, seq, at, record.outcome)

    def _update(self, seq: int, at: datetime, record: Update) -> None:
        row = record.row
        order = self.orders.get(record.id)
        if order is None:
            order = _foreign(seq, at, record)
            self.orders[order.id] = order
            if order.tag:
                self._tags.setdefault((order.user, order.tag), order.id)
                self._adopted[order.id] = None
        if order.sent != "placed":
            self._appeared(order)
        self._bind(order, row.broker_order_id)
        status = record.status
        if order.terms.iceberg_legs:
            row, status = order.with_leg(row)
            order.broker_order_id = row.broker_order_id
        order.has_lapsed = False
        order.row, order.status, order.message = row, status, row.status_message
        self._touch(order, seq, at)

    def _filled(self, seq: int, at: datetime, record: Filled) -> None:
        order = self.orders.get(record.id)
        if order is None:
            return
        before = order.filled_quantity
        order.fills = {**order.fills, record.fill.trade_id: record.fill}
        # What the row told already is no news of the order: its events and its `get` end with the same record.
        if order.filled_quantity != before:
            self._touch(order, seq, at)

    def _change(self, seq: int, at: datetime, record: Modify | Cancel) -> None:
        order = self.orders.get(record.order_id)
        if order is None:
            return
        change = ChangeState(
            id=record.id,
            operation="modify" if isinstance(record, Modify) else "cancel",
            account=order.account,
            user=order.user,
            state="intent",
            seq=seq,
            at=at,
            order_id=record.order_id,
            sent_at=at,
        )
        if isinstance(record, Modify):
            change.changes, change.key = record.changes, record.key
            change.fingerprint = record.fingerprint
            if record.key:
                self._keys[order.user, record.key] = change.id
        self._keep_change(change)

    def _keep_change(self, change: ChangeState) -> None:
        self.changes[change.id] = change
        self._open_changes.setdefault(change.account, {})[change.id] = change

    def _end_change(self, change: ChangeState, seq: int, at: datetime, state: str) -> None:
        change.state, change.seq = state, seq
        change.sent_by = change.sent_by or at
        if not change.is_open:
            self._open_changes.get(change.account, {}).pop(change.id, None)

    def _appeared(self, order: OrderState) -> None:
        """It is at the broker, whatever was thought before; then it has its key again."""
        if order.sent == "unsent":
            if order.key is not None:
                self._keys.setdefault((order.user, order.key), order.id)
            if order.tag is not None:
                self._tags.setdefault((order.user, order.tag), order.id)
        order.sent, order.status = "placed", Status.PENDING
        order.error_kind, order.message, order.code = "", None, ""

    def _bind(self, order: OrderState, broker_order_id: str) -> None:
        """The broker's id is this order's. One that was listed under it without a key was the same: it is a twin now."""
        if not broker_order_id:
            return
        name = (order.user, broker_order_id)
        if not order.legs:  # else the current leg's stays
            order.broker_order_id = broker_order_id
        bound = self.orders.get(self._broker_ids.get(name, ""))
        if bound is None or bound is order or (bound.key is None) == (order.key is None):
            self._broker_ids[name] = order.id
            return
        first, twin = (order, bound) if order.key is not None else (bound, order)
        self._broker_ids[name] = first.id
        self._twins[twin.id] = first.id

    def _free_key(self, user: str, key: str | None, owner: str) -> None:
        if key is not None and self._keys.get((user, key)) == owner:
            del self._keys[user, key]

    def _touch(self, order: OrderState, seq: int, at: datetime) -> None:
        order.seq, order.updated_at = seq, at
        order.sent_by = order.sent_by or at
        self._file(order)

    def _file(self, order: OrderState) -> None:
        is_doubt = order.is_open_doubt
        _keep(self._open, order, is_doubt or order.is_live)
        _keep(self._doubts, order, is_doubt)

    def claim(self, user: str, account: str) -> list[str]:
        """This broker user is now this account: what is open under another name (it was renamed) is this one's. Their ids."""
        claimed = []
        for order in [o for o in self.open_orders() if o.user == user and o.account != account]:
            self._open[order.account].pop(order.id, None)
            self._doubts.get(order.account, {}).pop(order.id, None)
            order.account = account
            self._file(order)
            claimed.append(order.id)
        for changes in list(self._open_changes.values()):
            for change in [c for c in changes.values() if c.user == user and c.account != account]:
                del changes[change.id]
                change.account = account
                self._open_changes.setdefault(account, {})[change.id] = change
                claimed.append(change.id)
        return claimed

    # Keeping small

    def archive(self, before: datetime) -> int:
        """Fold away orders that are final and were last touched before this time; forget the order of keys past 30 days.

        Their tags and broker ids are forgotten too: the broker's books of that day are gone. How many were folded.
        """
        old = [
            o
            for o in self.orders.values()
            if o.updated_at < before and not (o.is_live or o.is_open_doubt)
        ]
        kept = []
        for order in old:
            del self.orders[order.id]
            self._adopted.pop(order.id, None)
            names = [(self._tags, order.tag), (self._broker_ids, order.broker_order_id)]
            names += [(self._broker_ids, leg) for leg in order.legs]
            for index, name in names:
                if name is not None and index.get((order.user, name)) == order.id:
                    del index[order.user, name]
            if order.key is not None and self._keys.get((order.user, order.key)) == order.id:
                del self._keys[order.user, order.key]
                kept.append(order)
        self._archive.add(kept)
        self._archive.forget(before - KEEP)
        for change in [c for c in self.changes.values() if c.at < before and not c.is_open]:
            if change.key is None:
                del self.changes[change.id]
        return len(old)

    def dump(self) -> bytes:
        """Everything, for a snapshot."""
        return msgspec.msgpack.encode(
            _Dump(
                orders=list(self.orders.values()),
                changes=list(self.changes.values()),
                archive=self._archive.dump(),
                kills=list(self.kills.values()),
                users=self.users,
                accounts=self.account_notes,
            )
        )

    def load(self, content: bytes) -> None:
        """What `dump` gave, into an empty book. Raises ValueError, having changed nothing, for what another version wrote."""
        assert not self.orders
        try:
            dump = msgspec.msgpack.decode(content, type=_Dump)
        except msgspec.MsgspecError as error:
            raise ValueError(str(error)) from error
        for order in dump.orders:
            self.orders[order.id] = order
            if order.tag and order.key is not None and order.sent != "unsent":
                self._tags[order.user, order.tag] = order.id
            elif order.tag and order.key is None:
                self._tags.setdefault((order.user, order.tag), order.id)
                self._adopted[order.id] = None
            for broker_id in filter(None, (*order.legs, order.broker_order_id)):
                self._bind(order, broker_id)
            if order.key is not None and order.sent != "unsent":
                self._keys[order.user, order.key] = order.id
            self._file(order)
        for change in dump.changes:
            self.changes[change.id] = change
            if change.key is not None and change.state != "unsent":
                self._keys[change.user, change.key] = change.id
            if change.is_open:
                self._open_changes.setdefault(change.account, {})[change.id] = change
        self._archive = Archive(dump.archive)
        self.kills = {(kill.account, kill.strategy): kill for kill in dump.kills}
        self.users = dump.users
        self.account_notes = dump.accounts


def _keep(shelves: dict[str, dict[str, OrderState]], order: OrderState, belongs: bool) -> None:
    if belongs:
        shelves.setdefault(order.account, {})[order.id] = order
    elif order.account in shelves:
        shelves[order.account].pop(order.id, None)


def _foreign(seq: int, at: datetime, record: Update) -> OrderState:
    """An order that was placed elsewhere, or whose intent is lost: as its row says, without a key."""
    row = record.row
    terms: dict[str, Any] = {} if row.validity is None else {"validity": row.validity}
    if row.variety is not None:
        terms["variety"] = row.variety
    return OrderState(
        id=record.id,
        account=record.account,
        user=record.user,
        terms=OrderTerms(
            symbol=row.symbol,
            side=row.side,
            quantity=row.quantity,
            type=row.type,
            product=row.product,
            **terms,
        ),
        status=record.status,
        sent="placed",
        seq=seq,
        first_seq=seq,
        placed_at=row.placed_at or at,
        updated_at=at,
        tag=record.tag,
    )
