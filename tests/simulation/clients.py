"""Those who use the daemon: bots that retry and change their minds, a listener, and a person who looks at the broker.

All of them live longer than the daemon: what they were told stands in the world's `told`, and is held against what follows.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
import orjson
from msgspec import Struct

from ordod.domain.orders import Order, Side
from ordod.errors import Kind, OrdoError, Retry
from ordod.service.methods import Call, Caller, Role
from ordod.service.params import read

if TYPE_CHECKING:
    from tests.simulation.world import Life, World

__all__ = ["Bot", "Listener", "Person", "Plan", "Told", "call", "mark_of"]

MARK = 10  # quantities are 10 for the first key, 20 for the second ...; units beyond it tell a changed payload
GTT = 1000  # quantities of triggers begin here
SHARED = 200  # messages a listener may leave unread before its connection is closed


def mark_of(quantity: int) -> int:
    """The number of the key whose order has this quantity."""
    return quantity // MARK


class Plan(Struct):
    """One order that a bot wants. `wanted`: the parameters, as they are sent each time."""

    number: int
    key: str
    account: str
    start_at: float
    wanted: dict[str, Any]
    is_over: bool = False


class Told(Struct):
    """One thing a client was told: `order`, or an error's `kind` and `retry`. `of`: the quantity it had asked with."""

    at: float
    life: int
    epoch: str
    method: str
    key: str | None
    account: str
    of: int
    order: Order | None = None
    kind: str = ""
    retry: str = ""
    change: str = ""


class Answer(Struct):
    """What a call came to. Nothing at all: the caller hung up, or the daemon died."""

    result: Any = None
    error: OrdoError | None = None


BOT = Caller(name="uid:1000 (bot)", role=Role.ADMIN)


async def call(
    life: "Life",
    name: str,
    /,
    *,
    outbox: Any = None,
    patience_s: float = 120.0,
    hear: Callable[[Answer], None] = lambda answer: None,
    **params: Any,
) -> Answer:
    """Call a method as the wire does: the work goes on when the caller hangs up.

    Args:
        hear: is given the answer where the wire would write it.
    """
    answer, done = Answer(), anyio.Event()
    method = life.methods[name]

    async def work() -> None:
        try:
            answer.result = await method.run(Call(BOT, outbox), read(method.params, params))
        except OrdoError as error:
            answer.error = error
        except Exception as bug:  # noqa: BLE001 - whatever it is, it is a finding
            life.world.broken("bug", f"{name} raised {bug!r}", bug)
        hear(answer)
        done.set()

    life.wire.start_soon(work)
    with anyio.move_on_after(patience_s):
        await done.wait()
        return answer
    return Answer()


class Bot:
    """Works through its plans: sends each key until it knows, and meanwhile does whatever a bot may do."""

    def __init__(self, world: "World", name: str, plans: list[Plan]) -> None:
        self._world = world
        self._name = name
        self._plans = plans

    @property
    def is_done(self) -> bool:
        return all(plan.is_over for plan in self._plans)

    async def run(self, life: "Life") -> None:
        chance, world = self._world.chance, self._world
        while not world.is_over:
            due = [p for p in self._plans if not p.is_over and p.start_at <= world.time]
            if due and chance.random() < 0.8:
                await self._place(life, due[0] if chance.random() < 0.7 else chance.choice(due))
            else:
                await self._meddle(life)
            await anyio.sleep(chance.random() * (2.0 if due else 6.0))

    async def _place(self, life: "Life", plan: Plan, quantity: int | None = None) -> None:
        chance = self._world.chance
        times = 1 if chance.random() < 0.7 else 2
        async with anyio.create_task_group() as group:
            for _ in range(times):
                group.start_soon(self._place_once, life, plan, quantity)

    async def _place_once(self, life: "Life", plan: Plan, quantity: int | None) -> None:
        world, chance = self._world, self._world.chance
        wanted = plan.wanted if quantity is None else {**plan.wanted, "quantity": quantity}
        timeout_ms = chance.choice((300, 3_000, 10_000, 10_000, 20_000))
        patience_s = 0.5 if chance.random() < 0.05 else 60.0
        asked = wanted["quantity"]
        answer = await call(
            life,
            "order.place",
            patience_s=patience_s,
            hear=lambda answer: world.hear(life, "place", plan.key, plan.account, asked, answer),
            timeout_ms=timeout_ms,
            **wanted,
        )
        if quantity is not None:
            return
        final = (Retry.NEW_KEY, Retry.NEVER)
        if answer.result is not None or (answer.error and answer.error.kind.retry in final):
            plan.is_over = True

    async def _meddle(self, life: "Life") -> None:
        world, chance = self._world, self._world.chance
        begun = [p for p in self._plans if p.start_at <= world.time]
        if not begun:
            return
        plan = chance.choice(begun)
        where = {"account": plan.account, "key": plan.key}
        roll = chance.random()
        if roll < 0.2:
            await self._place(life, plan)
        elif roll < 0.3:
            await self._place(life, plan, plan.wanted["quantity"] + chance.randint(1, 3))
        elif roll < 0.5:
            await self._ask(
                life, "order.get", "get", plan, wait_ms=chance.choice((0, 0, 5000)), **where
            )
        elif roll < 0.6:
            await call(
                life,
                "order.list",
                account=plan.account,
                hear=lambda answer: world.hear_orders(life, "list", answer.result.orders),
            )
        elif roll < 0.72 and world.profile.cancels:
            await self._ask(life, "order.cancel", "cancel", plan, timeout_ms=5000, **where)
        elif roll < 0.82 and world.profile.modifies:
            if plan.wanted.get("price") is not None:
                await self._modify(life, plan)
        elif roll < 0.85 and world.profile.cancels:
            await call(life, "order.cancel_all", account=plan.account)
        elif roll < 0.93 and world.profile.gtts:
            await self._place_gtt(life, plan)

    async def _modify(self, life: "Life", plan: Plan) -> None:
        """To a price that no other call asks for, so that the broker's truth tells whose change was carried out."""
        world, chance = self._world, self._world.chance
        price = Decimal(plan.wanted["price"]) + world.another_price()
        more: dict[str, Any] = {}
        if chance.random() < 0.5:
            more["change_key"] = f"{plan.key}-{price}"
        await call(
            life,
            "order.modify",
            account=plan.account,
            key=plan.key,
            price=price,
            timeout_ms=8000,
            hear=lambda answer: world.hear_modified(life, plan, price, answer),
            **more,
        )

    async def _place_gtt(self, life: "Life", plan: Plan) -> None:
        """A trigger far below the price, under a key of its own; its quantity tells which."""
        world = self._world
        number = world.chance.randint(1, 3)
        trigger = world.gtt_trigger(plan.wanted["symbol"])
        quantity = GTT + 10 * plan.number + number
        leg = {"trigger_price": trigger, "price": trigger, "side": Side.BUY, "quantity": quantity}
        await call(
            life,
            "gtt.place",
            account=plan.account,
            key=f"g{quantity}",
            symbol=plan.wanted["symbol"],
            legs=[leg],
            timeout_ms=8000,
            hear=lambda answer: world.hear_gtt(life, quantity, answer),
        )

    async def _ask(self, life: "Life", method: str, name: str, plan: Plan, **params: Any) -> None:
        asked = plan.wanted["quantity"]
        await call(
            life,
            method,
            hear=lambda answer: self._world.hear(life, name, plan.key, plan.account, asked, answer),
            **params,
        )


class _Outbox:
    """A connection's way back; full at SHARED, and then closed."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.is_closed = False
        self._reactions: list[Callable[[], None]] = []

    def push(self, message: bytes) -> bool:
        if self.is_closed:
            return False
        if len(self.messages) >= SHARED:
            self.close()
            return False
        self.messages.append(message)
        return True

    @property
    def is_free(self) -> bool:
        return not self.is_closed

    def on_free(self, react: Callable[[], None]) -> None:
        """It is always free."""

    async def until_free(self) -> bool:
        return self.is_free

    def on_close(self, react: Callable[[], None]) -> None:
        self._reactions.append(react)

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            for react in self._reactions:
                react()


class Listener:
    """Subscribes, keeps the state it was shown, hangs up, and comes back with `since`."""

    def __init__(self, world: "World", *, is_slow: bool) -> None:
        self._world = world
        self._is_slow = is_slow
        self._epoch = ""
        self.seq = 0
        self.orders: dict[str, dict[str, Any]] = {}
        self.fills: dict[tuple[str, str], int] = {}
        self.is_whole = False  # it has a state: a snapshot, and every event since

    def forget(self) -> None:
        """The journal is of another epoch."""
        self._epoch, self.is_whole = "", False
        self.orders, self.fills = {}, {}

    async def run(self, life: "Life") -> None:
        world, chance = self._world, self._world.chance
        while True:
            outbox = _Outbox()
            since: dict[str, Any] = {}
            if self._epoch:
                since = {"since": self.seq, "epoch": self._epoch}
            answer = await call(
                life,
                "events.subscribe",
                outbox=outbox,
                topics=["orders", "trades", "kill"],
                **since,
            )
            if answer.error is not None:
                if answer.error.kind is not Kind.INVALID_PARAMS:
                    await anyio.sleep(1)
                    continue
                if self._epoch == life.parts.journal.epoch:
                    world.broken("I5", f"since {self.seq} was refused: {answer.error.message}")
                self.forget()
                continue
            self._begin(answer.result)
            ends_at = world.time + (5 + chance.random() * 60)
            while world.time < ends_at or world.is_calm:
                self._read(life, outbox)
                if outbox.is_closed:
                    break
                await anyio.sleep(2.0 if self._is_slow else 0.2)
            self._read(life, outbox)
            outbox.close()
            await anyio.sleep(chance.random() * 5)

    def _begin(self, told: Any) -> None:
        if self._epoch and self._epoch == told.epoch and not told.reset:
            if told.seq != self.seq:
                self._world.broken("I14", f"asked for since {self.seq}, got {told.seq}")
            return
        self._epoch, self.seq = told.epoch, told.seq
        self.orders = {}
        for order in told.snapshot.orders:
            plain = _as_event(order)
            self.orders[order.order_id] = plain
        self.fills = {}
        self.is_whole = True

    def _read(self, life: "Life", outbox: _Outbox) -> None:
        world = self._world
        messages, outbox.messages = outbox.messages, []
        for message in messages:
            event = orjson.loads(message)["params"]
            if event["prev"] != self.seq:
                world.broken(
                    "I14", f"event {event['seq']} follows {event['prev']}, we have {self.seq}"
                )
            if event["seq"] <= self.seq:
                world.broken("I14", f"event {event['seq']} after {self.seq}")
            self.seq = event["seq"]
            if event["topic"] == "orders":
                self.orders[event["order"]["order_id"]] = event["order"]
                world.hear_event(life, event["epoch"], event["order"])
            elif event["topic"] == "trades":
                trade = event["trade"]
                name = (trade["order_id"], trade["trade_id"])
                if name in self.fills:
                    world.broken("I13", f"trade {name} was told twice")
                self.fills[name] = trade["quantity"]


def _as_event(order: Order) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "status": str(order.status),
        "filled_quantity": order.filled_quantity,
        "key": order.key,
        "seq": order.seq,
    }


class Person:
    """Looks after the daemon: logs in where it must, ends doubts that only a person can end, by the broker's truth."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.resolved: list[str] = []
        self._asked_since: dict[str, float] = {}

    async def run(self, life: "Life") -> None:
        while True:
            await anyio.sleep(3.0)
            answer = await call(life, "system.status")
            status = answer.result
            if status is None:
                continue
            for account in status.accounts:
                if account.state in ("DENIED", "EXPIRED"):
                    await call(life, "account.login", account=account.account)
            for doubt in status.doubts:
                if "order.resolve" in doubt.why:
                    await self._resolve(life, doubt.order)
            for change in status.changes:
                await self._resolve_gtt(life, change.account, change.key)
            await self._mind_the_kill(life)

    async def _resolve_gtt(self, life: "Life", account: str, key: str) -> None:
        """The quantity of a trigger tells whose it is, and its key tells the quantity."""
        world = self._world
        since = self._asked_since.setdefault(key, world.time)
        if not world.is_calm and world.time - since < 10:
            return
        outcome = "placed" if world.checks.has_trigger(int(key[1:])) else "not_placed"
        answer = await call(
            life, "order.resolve", account=account, key=key, outcome=outcome, reason="looked"
        )
        world.tell("person", f"resolved {key} as {outcome}: {answer.error or 'done'}")

    async def _resolve(self, life: "Life", order: Order) -> None:
        world = self._world
        since = self._asked_since.setdefault(order.order_id, world.time)
        if order.key is None or (not world.is_calm and world.time - since < 10):
            return
        mark = mark_of(order.quantity)
        if world.network_holds(order.account, mark):
            return
        # The same key may have been another order's, whose first try was never sent: a person sees its quantity.
        found = world.far.of(order.account, lambda quantity: quantity == order.quantity)
        where: dict[str, Any] = {
            "account": order.account,
            "key": order.key,
            "reason": "looked at the broker",
        }
        if found:
            where |= {"outcome": "placed", "broker_order_id": found[0].order_id}
        else:
            where |= {"outcome": "not_placed"}
        answer = await call(life, "order.resolve", **where)
        if answer.result is not None:
            self.resolved.append(order.order_id)
        world.tell(
            "person", f"resolved {order.key} as {where['outcome']}: {answer.error or 'done'}"
        )

    async def _mind_the_kill(self, life: "Life") -> None:
        world = self._world
        if life.parts.gate.is_closed and world.may_release():
            await release(life)


async def engage(life: "Life", *, cancel_open: bool = True) -> None:
    """Pull the kill switch; from its answer on nothing new may leave."""
    world = life.world
    begun, releases = world.awake, world.releases
    answer = await call(life, "kill.engage", reason="test", cancel_open=cancel_open)
    if answer.result is None:
        if answer.error is not None:
            world.broken("I11", f"kill.engage failed: {answer.error.message}")
        return
    if releases == world.releases:  # else a person let go meanwhile
        world.killed(answer.result.durable)
    if world.awake - begun > 60:
        world.broken("I11", f"kill.engage took {world.awake - begun:.1f} s")


async def release(life: "Life") -> None:
    world = life.world
    world.released()
    answer = await call(life, "kill.release", reason="it is over")
    world.tell("person", f"released: {answer.error or 'done'}")
