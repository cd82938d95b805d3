"""What must hold (RELIABILITY 3), read from the broker's truth, the disk, and what clients were told. Nothing else.

Each check names its invariant; a world that breaks one ends at once.
"""

import re
from collections import defaultdict, deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import orjson
from msgspec import Struct

from ordod.adapter import HttpRequest
from ordod.core.orders.checking import verify
from ordod.domain.orders import LIVE, Order, Status
from ordod.errors import Retry
from tests.simulation.clients import Answer, Plan, Told, call, mark_of
from tests.simulation.disk import TearingDisk
from tests.simulation.far import BY_HAND, Placement, fields
from tests.simulation.near import Handed

if TYPE_CHECKING:
    from tests.simulation.world import Broken, Life, World

__all__ = ["Checks"]

REST_S = 200.0  # virtual; a horizon, two readings, retries of logins, and time for a person
IDLE_S = (
    20.0  # an idle account's book is read that often, and what was placed by hand is listed then
)
TASKS_MAX = 60  # of a daemon at rest, with its clients
FINAL = frozenset({Status.FILLED, Status.CANCELLED, Status.REJECTED, Status.EXPIRED})
PLACED = LIVE | {Status.FILLED, Status.CANCELLED, Status.EXPIRED}


class Heard(Struct):
    """The last that anybody was told of an order."""

    seq: int
    status: Status
    filled: int
    key: str | None
    tag: str | None
    account: str


class Checks:
    def __init__(self, world: "World") -> None:
        self.world = world
        self.found: list[Broken] = []
        self.is_swept = False
        self.restored_at = 0.0
        self.told_kinds: set[str] = set()
        self._epoch = ""
        self._heard: dict[str, Heard] = {}
        self._heard_events: dict[str, Heard] = {}
        self._refused: dict[str, float] = {}  # keys of which a client was told: no order, ever
        self._denied: dict[str, Heard] = {}  # orders told as NOT_PLACED
        self._known: set[tuple[str, str | None, int]] = set()  # placed: account, key, quantity
        self._hands: dict[int, deque[float]] = defaultdict(deque)
        self._modified: set[tuple[str, str]] = set()
        self._gtts: set[str] = set()
        self._carried: list[str] = []  # prices of modifies, quantities of triggers
        self._changed: dict[Decimal, str] = {}  # price of a modify -> what its caller was told
        self._triggers: dict[
            int, str
        ] = {}  # quantity of a trigger -> what its callers were told last
        self._cancelled: set[str] = set()
        self._head_seq = 0
        self._backup_head = 0
        self._uncounted = False

    # At each hand-over of bytes

    def handed_over(self, handed: Handed, *, is_first: bool) -> None:
        world = self.world
        if not handed.is_write:
            return
        if not handed.is_cancel and world.kill_stands:
            world.broken("I10", f"{handed.method} {handed.path} was handed over while killed")
        if is_first:
            self._count(handed)
        assert world.life is not None
        disk = world.life.disk
        if handed.method == "POST" and "tag" not in handed.fields:
            # What surely was not taken goes out again under the same intent, with the price of then.
            self._gtts.add(re.sub(r"\W*last_price\W+[\d.]+", "", repr(handed.fields)))
            if len(self._gtts) > synced(disk).count(b'"operation":"place_gtt"') and (
                not world.was_restored
            ):
                world.broken("I2", "a trigger was handed over before its intent was on disk")
        elif handed.method == "POST":
            if b'"tag":"%b"' % handed.fields["tag"].encode() not in synced(disk):
                world.broken(
                    "I2",
                    f"order {handed.fields['tag']} was handed over before its intent was on disk",
                )
        elif handed.method == "PUT" and is_first:
            # The same may go twice: what the broker surely did not take is sent again, under the same record.
            self._modified.add((handed.path, repr(handed.fields)))
            if (
                len(self._modified) > synced(disk).count(b'"type":"modify"')
                and not world.was_restored
            ):
                world.broken("I2", f"modify of {handed.path} was handed over before it was on disk")
        elif handed.is_cancel and is_first and not self._disk_is_bad():
            self._cancelled.add(
                handed.path
            )  # after a start it may be sent again, under the same record
            if (
                len(self._cancelled) > synced(disk).count(b'"type":"cancel"')
                and not world.was_restored
            ):
                world.broken("I2", f"cancel of {handed.path} was handed over before it was on disk")

    def _disk_is_bad(self) -> bool:
        profile = self.world.profile
        return bool(profile.hangs or profile.disk_fails or profile.disk_full or profile.slow_disk)

    def _count(self, handed: Handed) -> None:
        """No window is ever overrun, in this life or across two."""
        world = self.world
        for number, window in enumerate(world.windows):
            sent = self._hands[number]
            sent.append(handed.at)
            while sent and sent[0] <= handed.at - window.seconds + 1e-6:
                sent.popleft()
            is_known = window.seconds <= 1 or not (
                self._disk_is_bad() or world.profile.steps or world.was_restored
            )
            if len(sent) > window.count and is_known:
                world.broken(
                    "I12",
                    f"{len(sent)} requests within {window.seconds} s, {window.count} are allowed",
                )

    # At each answer

    def answered(self, told: Told, life: "Life") -> None:
        world = self.world
        self.told_kinds.add(told.kind or str(told.order.status if told.order else ""))
        if told.method == "place":
            name = (told.account, told.key, told.of)
            if told.order is not None:
                # In doubt, it may still turn out to be unsent; adopted, it is known once the book was read.
                if told.order.status is not Status.IN_DOUBT and not world.was_restored:
                    self._known.add(name)
            elif name in self._known:
                world.broken(
                    "I6", f"{told.key} has an order, whoever asks again is told {told.kind}"
                )
            if told.retry == Retry.NEW_KEY:
                self._refused.setdefault(f"{told.account} {told.key}", world.time)
            if told.order is not None:
                self._is_what_was_asked(told, told.order)
        if told.order is not None:
            self.heard(life, told.order, told.method)

    def _is_what_was_asked(self, told: Told, order: Order) -> None:
        plan = next(plan for plan in self.world.plans if plan.key == told.key)
        wanted = plan.wanted
        asked = (told.of, wanted["symbol"], wanted["side"], wanted["product"])
        if (order.quantity, order.symbol, order.side, order.product) != asked:
            self.world.broken("I4", f"{told.key} asked for {asked}, was answered {order}")

    def heard(self, life: "Life", order: Order, method: str) -> None:
        """One order as the daemon tells it now: never older than before, never back from an end."""
        now = Heard(
            order.seq, order.status, order.filled_quantity, order.key, order.tag, order.account
        )
        before = self._heard.get(order.order_id)
        self._heard[order.order_id] = now
        if before is not None:
            self._follows(order.order_id, before, now, method)
        self._is_true(order.order_id, now)

    def heard_event(self, epoch: str, order: dict[str, Any]) -> None:
        now = Heard(
            order["seq"],
            Status(order["status"]),
            order["filled_quantity"],
            order["key"],
            order["tag"],
            order["account"],
        )
        order_id = order["order_id"]
        before = self._heard_events.get(order_id)
        if before is not None and before.seq <= now.seq:
            self._follows(order_id, before, now, "event")
        self._heard_events[order_id] = now
        known = self._heard.get(order_id)
        if known is None or known.seq < now.seq:
            self._heard[order_id] = now
        self._is_true(order_id, now)

    def _follows(self, order_id: str, before: Heard, now: Heard, method: str) -> None:
        says = f"{order_id} was {before.status} (seq {before.seq}, filled {before.filled}), now {now.status} (seq {now.seq}, filled {now.filled}) by {method}"
        if now.key is None and now.status is Status.NOT_PLACED:
            return  # listed without its tag, it turned out to be one of ours
        if now.seq < before.seq or now.filled < before.filled:
            self.world.broken("I6", f"older than before: {says}")
        elif now.seq == before.seq and now.status != before.status:
            self.world.broken("I6", f"the same seq, another state: {says}")
        elif before.status in (Status.FILLED, Status.EXPIRED) and now.status is not before.status:
            self.world.broken("I6", f"an end was left: {says}")
        elif before.status in PLACED and now.status in (Status.IN_DOUBT, Status.NOT_PLACED):
            self.world.broken("I6", f"it was there: {says}")
        elif before.status is Status.CANCELLED and now.status is not Status.CANCELLED:
            self.world.broken("I6", f"a cancelled order lives: {says}")

    def _is_true(self, order_id: str, now: Heard) -> None:
        """What is told now is so at the broker, or was a moment ago."""
        if now.key is None:
            return
        if now.status is Status.NOT_PLACED:
            self._denied[order_id] = now
        if now.status not in PLACED:
            return
        placement = self._placement_of(now)
        if placement is None:
            self.world.broken(
                "I4",
                f"{order_id} ({now.key}) was told as {now.status}; the broker has no such order",
            )
            return
        if now.key[0] == "k" and mark_of(placement.quantity) != int(now.key[1:]):
            self.world.broken(
                "I4", f"{order_id} of {now.key} was told as {now.status}; its tag is on {placement}"
            )
        status, filled = self.world.far.state(placement)
        if now.filled > filled:
            self.world.broken("I13", f"{order_id} is told as filled {now.filled}, it is {filled}")
        if now.status in FINAL and now.status is not status:
            self.world.broken(
                "I4", f"{order_id} was told as {now.status}; the broker says {status}"
            )

    def _placement_of(self, heard: Heard) -> Placement | None:
        if heard.tag:
            found = [
                p for p in self.world.far.placed if p.tag == heard.tag and p.user == heard.account
            ]
        else:
            found = []
        return found[0] if found else None

    # Changes

    def carried_out(self, request: HttpRequest) -> None:
        """A change at the broker, whoever hears of it."""
        asked = fields(request)
        if request.method == "PUT" and asked.get("price") is not None:
            self._carried.append(f"price {Decimal(asked['price']).normalize():f}")
        elif request.method == "POST" and "tag" not in asked:
            self._carried.append(f"trigger {_quantity(asked)}")

    def has_trigger(self, quantity: int) -> bool:
        """Whether the broker carried this trigger out."""
        return f"trigger {quantity}" in self._carried

    def modified(self, plan: Plan, price: Decimal, answer: Answer) -> None:
        said = answer.error.kind.name if answer.error is not None else answer.result.change
        self._changed[price] = said

    def placed_gtt(self, quantity: int, answer: Answer) -> None:
        error = answer.error
        if error is None:
            self._triggers[quantity] = answer.result.change
        elif error.kind.retry is Retry.NEW_KEY:
            self._triggers[quantity] = error.kind.name
        elif self._triggers.get(quantity) == "done" and not self.world.was_restored:
            self.world.broken("I6", f"trigger {quantity} was done, now {error.kind.name}")

    def _changes_are_true(self) -> None:
        """What was told of a change is what became of it; and a key makes one trigger."""
        for price, said in self._changed.items():
            done = f"price {price.normalize():f}" in self._carried
            if said == "done" and not done:
                self.world.broken("I4", f"the modify to {price} was told as done, and never came")
            if said not in ("done", "in_doubt") and done:
                self.world.broken("I3", f"the modify to {price} was told as {said}, and was done")
        for quantity, said in self._triggers.items():
            done = f"trigger {quantity}" in self._carried
            if said == "done" and not done:
                self.world.broken("I4", f"trigger {quantity} was told as done, and never came")
            if said not in ("done", "in_doubt") and done:
                self.world.broken("I3", f"trigger {quantity} was told as {said}, and was done")
        for name in set(self._carried):
            # A trigger carries no tag: a journal that lacks it cannot find it again.
            is_known = name.startswith("trigger") and not self.world.was_restored
            if is_known and self._carried.count(name) > 1:
                self.world.broken("I1", f"{name} was placed {self._carried.count(name)} times")

    # At starts

    def before_crash(self) -> None:
        """What was told until now has to be there afterwards."""

    def backed_up(self, life: "Life") -> None:
        self._backup_head = life.parts.journal.head[0]

    def restored(self) -> None:
        """The state is older than what was told, and nobody but the daemon can find out."""
        self.restored_at = self.world.time
        self.world.kill_stands = False  # an old copy of everything forgets a kill, too
        self._heard.clear()
        self._heard_events.clear()
        self._refused.clear()
        self._known.clear()
        for listener in self.world.listeners:
            listener.forget()

    def started(self, life: "Life") -> None:
        """The daemon is up: it knows all it ever told."""
        world, parts = self.world, life.parts
        if self._epoch and parts.journal.epoch != self._epoch and not world.was_restored:
            # Another epoch: numbers may name other records. What was told must be there all the same.
            for heard in (*self._heard.values(), *self._heard_events.values()):
                heard.seq = 0
            for listener in world.listeners:
                listener.forget()
        self._epoch = parts.journal.epoch
        for order_id, heard in self._heard.items():
            state = parts.book.by_id(order_id)
            if state is None:
                world.broken(
                    "I5", f"{order_id} ({heard.key}) was told as {heard.status} and is forgotten"
                )
                return
            view = parts.book.view(state)
            if view.seq < heard.seq or (view.seq == heard.seq and view.status != heard.status):
                world.broken(
                    "I5",
                    f"{order_id} was told as {heard.status} (seq {heard.seq}), after the start it is {view.status} (seq {view.seq})",
                )
        for name in self._refused:
            account, key = name.split()
            user = parts.accounts[account].user
            known = parts.book.by_key(user, key) if user else None
            if known is None:
                world.broken("I5", f"key {key} was told as refused for good, and is free again")
        if world.kill_stands and not parts.gate.is_closed:
            world.broken("I10", "killed, and after the start the gate is open")

    # At rest

    async def comes_to_rest(self, life: "Life") -> None:
        """The faults are over: everything settles, or waits for a person, who comes."""
        world = self.world
        until = world.time + REST_S
        least = world.time + 12.0
        why = "not looked yet"
        while world.time < until:
            await anyio.sleep(1.0)
            if world.profile.ends_killed and not self.is_swept:
                await self._sweep_ends(
                    life
                )  # at once: while orders in doubt are still on their way
                continue
            why = self._unsettled(life)
            if not why and world.time > least:
                break
        else:
            world.broken("I9", f"{REST_S:.0f} s after the last fault: {why}")
            return
        world.is_over = True
        for _ in range(60):  # what the bots asked last is answered first
            if not life.parts.desk.under_way:
                break
            await anyio.sleep(1.0)
        await self._can_leave(life)
        last = max((placement.at for placement in world.far.placed), default=0.0)
        await anyio.sleep(max(5.0, last + IDLE_S - world.time))
        await self._same_books(life)
        self._leaks(life)

    def _unsettled(self, life: "Life") -> str:
        parts, world = life.parts, self.world
        if parts.gate.is_closed:
            return "the kill switch is engaged"
        doubts = parts.book.doubts()
        if doubts:
            order = doubts[0]
            return f"{order.id} ({order.key}) is in doubt: {parts.readers[order.account].why_open.get(order.id)}"
        for name, account in parts.accounts.items():
            if not account.is_read:
                return f"{name} was not read"
            for change in parts.book.open_changes(name):
                if not self._is_of_a_past_day(life, change.order_id):
                    return f"change {change.id} ({change.operation}) of {change.order_id} is {change.state}"
        if world.flying:
            return "something is under way"
        undone = [plan.key for bot in world.bots for plan in bot._plans if not plan.is_over]
        if undone:
            return f"{undone} got no answer that ends them"
        return ""

    def _is_of_a_past_day(self, life: "Life", order_id: str | None) -> bool:
        """No book shows it any more: nobody can tell what became of a change of it."""
        order = life.parts.book.orders.get(order_id or "")
        placement = self.world.far.by_id.get((order and order.broker_order_id) or "")
        return placement is not None and placement.status is not None

    async def _sweep_ends(self, life: "Life") -> None:
        """Killed at the end: the sweep leaves nothing alive, ours or not."""
        from tests.simulation.clients import engage

        world = self.world
        await engage(life)
        for _ in range(160):
            await anyio.sleep(1.0)
            if world.flying:
                continue
            live = [p for p in world.far.live("paper") if p.seen_from <= world.time]
            sweep = life.parts.kill.status().sweep
            if not live and not life.parts.book.doubts() and (sweep is None or not sweep.running):
                break
        else:
            world.broken(
                "I10",
                f"160 s after the kill: {len(world.far.live('paper'))} live at the broker, doubts {life.parts.book.doubts()}, {life.parts.kill.status()}",
            )
        self.is_swept = True

    async def _can_leave(self, life: "Life") -> None:
        """Whatever happened, what is live can be cancelled."""
        world = self.world
        for _ in range(40):
            if not world.far.live("paper"):
                return
            answer = await call(life, "order.cancel_all")
            world.tell("end", f"cancel_all: {answer.result or answer.error}")
            await anyio.sleep(1.0)
        left = world.far.live("paper")
        world.broken("I9", f"cannot be cancelled: {left}")

    async def _same_books(self, life: "Life") -> None:
        """What the daemon says of each order is what the broker says."""
        world = self.world
        answer = await call(life, "order.list", limit=1000)
        orders: list[Order] = answer.result.orders
        by_broker_id: dict[str, list[Order]] = defaultdict(list)
        for order in orders:
            if order.broker_order_id:
                by_broker_id[order.broker_order_id].append(order)
        for placement in world.far.placed:
            status, filled = world.far.state(placement)
            shown = by_broker_id.get(placement.order_id, [])
            if len(shown) > 1:
                world.broken(
                    "I4",
                    f"{placement.order_id} is listed {len(shown)} times: {[(o.order_id, o.key, o.status) for o in shown]}",
                )
            if not shown and placement.status is None:
                world.broken(
                    "I9",
                    f"{placement.order_id} ({placement.quantity}) at the broker is listed nowhere",
                )
            for order in shown:
                if placement.status is None and (order.status, order.filled_quantity) != (
                    status,
                    filled,
                ):
                    world.broken(
                        "I13",
                        f"{order.order_id} ({order.key}) is told as {order.status} filled {order.filled_quantity}, the broker says {status} {filled}",
                    )
                if placement.tag and order.key and mark_of(order.quantity) != int(order.key[1:]):
                    world.broken(
                        "I4", f"{order.order_id}: {order.key} with quantity {order.quantity}"
                    )
        trades = (await call(life, "order.trades", limit=1000)).result.trades
        self._fills(trades, orders)
        for listener in world.listeners:
            await self._listener_knows(listener, orders)

    def _fills(self, trades: Any, orders: list[Order]) -> None:
        sums: dict[str, int] = defaultdict(int)
        for trade in trades:
            sums[trade.order_id] += trade.quantity
        for order in orders:
            placement = self.world.far.by_id.get(order.broker_order_id or "")
            if placement is None or placement.status is not None:
                continue
            if sums[order.order_id] != order.filled_quantity:
                self.world.broken(
                    "I13",
                    f"{order.order_id} is filled {order.filled_quantity}, its trades sum to {sums[order.order_id]}",
                )

    async def _listener_knows(self, listener: Any, orders: list[Order]) -> None:
        """Snapshot and events make the state."""
        await anyio.sleep(5.0)
        if not listener.is_whole:
            return
        for order in orders:
            shown = listener.orders.get(order.order_id)
            if shown is None:
                if order.status in LIVE:
                    self.world.broken(
                        "I14", f"{order.order_id} is {order.status}; a listener never heard of it"
                    )
                continue
            if shown["seq"] > order.seq:
                continue
            fills = sum(q for (of, _), q in listener.fills.items() if of == order.order_id)
            known = max(shown["filled_quantity"], fills)  # executions are told as trades
            if order.key is None and order.status is Status.NOT_PLACED:
                continue  # it turned out to be one of ours, and so did its trades
            if (shown["status"], known) != (
                str(order.status),
                order.filled_quantity,
            ):
                self.world.broken(
                    "I14",
                    f"{order.order_id} is {order.status} filled {order.filled_quantity}; a listener knows {shown['status']} {shown['filled_quantity']}",
                )

    def _leaks(self, life: "Life") -> None:
        import asyncio

        tasks = asyncio.all_tasks()
        if len(tasks) > TASKS_MAX:
            self.world.broken("I9", f"{len(tasks)} tasks at rest")
        if life.parts.desk.under_way:
            self.world.broken("I9", f"calls under way at rest: {list(life.parts.desk.under_way)}")

    # At the end

    def at_the_end(self) -> None:
        self._one_order_a_key()
        self._refusals_hold()
        self._changes_are_true()
        self._journal()

    def _one_order_a_key(self) -> None:
        placed: dict[int, list[Placement]] = defaultdict(list)
        for placement in self.world.far.placed:
            if placement.quantity < BY_HAND:
                placed[mark_of(placement.quantity)].append(placement)
        for mark, placements in placed.items():
            if len(placements) > 1:
                self.world.broken("I1", f"key k{mark} made {len(placements)} orders: {placements}")
        for plan in self.world.plans:
            for placement in placed.get(plan.number, ()):
                self._is_payload(plan, placement)

    def _is_payload(self, plan: Plan, placement: Placement) -> None:
        sent = placement.sent
        wanted = dict(plan.wanted)
        if "tradingsymbol" in sent:
            sent = {
                "symbol": f"{sent['exchange']}:{sent['tradingsymbol']}",
                "side": sent["transaction_type"],
                "type": sent["order_type"],
                "product": sent["product"],
            }
        for name in ("symbol", "side", "type", "product"):
            if sent[name] != wanted[name]:
                self.world.broken(
                    "I4", f"{plan.key}: {name} {sent[name]} was sent, {wanted[name]} was asked"
                )

    def _refusals_hold(self) -> None:
        for name in self._refused:
            account, key = name.split()
            number = int(key[1:])
            if found := self.world.far.of(account, lambda q, n=number: mark_of(q) == n):  # type: ignore[misc]
                self.world.broken("I3", f"{key} was refused for good, yet there is {found[0]}")
        for order_id, heard in self._denied.items():
            # What was unsent may have been sent with the same key later, by another call, as another order.
            settled = b'"type":"settled","id":"%b","outcome":"not_placed"' % order_id.encode()
            if self._placement_of(heard) is not None and settled in synced(self.world.disk):
                self.world.broken(
                    "I3",
                    f"{heard.key} was told as NOT_PLACED, yet there is {self._placement_of(heard)}",
                )

    def _journal(self) -> None:
        """It is whole, and no doubt in it ended without evidence."""
        report = verify(self.world.disk)
        if not report.is_good:
            self.world.broken("I15", f"the journal at the end: {report}")
        doubts: dict[str, dict[str, Any]] = {}
        absent: dict[str, list[datetime]] = defaultdict(list)
        for line in synced(self.world.disk).splitlines():
            record = orjson.loads(line)
            kind, about = record["type"], record.get("id", "")
            if kind == "doubt":
                doubts[about] = record
                absent[about] = []
            elif kind == "evidence" and not record["found"]:
                absent[about].append(datetime.fromisoformat(record["begun_at"]))
            elif kind in ("unsent", "rejected") and about in doubts:
                self.world.broken("I8", f"the doubt of {about} ended as {kind}")
            elif kind == "settled" and about in doubts:
                self._has_evidence(record, absent[about], doubts.pop(about))

    def _has_evidence(
        self, record: dict[str, Any], absent: list[datetime], doubt: dict[str, Any]
    ) -> None:
        from tests.simulation.world import HORIZON_S

        if record["outcome"] != "not_placed" or record["by"] == "person":
            return
        about = record["id"]
        has_steady_clock = not self.world.profile.steps
        if len(absent) < 2 or (
            has_steady_clock and absent[-1] - absent[0] < timedelta(seconds=4.9)
        ):
            self.world.broken("I8", f"{about} was settled as not placed on {absent}")
        elif has_steady_clock and not self.world.profile.suspends:
            died = datetime.fromisoformat(doubt["died_at"])
            if absent[0] - died < timedelta(seconds=HORIZON_S - 0.1):
                self.world.broken("I8", f"{about} was settled {absent[0] - died} after {died}")


def _quantity(asked: Mapping[str, Any]) -> int:
    """Of the leg of a trigger."""
    legs = asked.get("legs") or orjson.loads(asked["orders"])
    return int(legs[0]["quantity"])


def synced(disk: TearingDisk) -> bytes:
    """The journal as it would be found after the worst power cut, as one text."""
    parts = [
        bytes(file.content[: file.synced])
        for path, file in sorted(disk.files.items())
        if path.startswith("journal/") and path.endswith(".ndjson")
    ]
    return b"".join(parts)
