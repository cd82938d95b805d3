"""`events.*`: what happens, pushed. No gap and no repeat: each event names the one before it of its subscription.

Prices (`ticks`, `depth`) are no events of the journal: they carry no `seq`, and a slow reader gets the newest (`pushing.py`).
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Annotated, Any, Literal

import anyio
import orjson
from msgspec import Meta, Struct
from msgspec.structs import replace

from ordod.core.account import Account
from ordod.core.events import Event, Topic
from ordod.core.parts import Parts
from ordod.core.sessions import SessionState
from ordod.domain.instruments import Instrument
from ordod.domain.market import Mode
from ordod.domain.orders import Order
from ordod.domain.portfolio import Position
from ordod.errors import Kind, OrdoError
from ordod.service.accounts import AccountStatus, account_status
from ordod.service.encoding import plain
from ordod.service.methods import Call, Example, Method, Outbox, Role
from ordod.service.orders import Symbol
from ordod.service.params import AccountName, Label
from ordod.service.pushing import PricePusher
from ordod.service.turns import Turns

__all__ = ["methods"]

SUBSCRIPTIONS_MAX = 64  # of one connection
CALLER_SUBSCRIPTIONS_MAX = (
    512  # of one caller: each costs every event some 10 us, before the order's own answer
)
MISSED_AT_ONCE = 100  # events of the past that are told in one turn of the loop: 2 ms
POSITIONS_S = 5.0
SESSION_S = 10.0
PRICES = (Topic.TICKS, Topic.DEPTH)
SUBJECT = {
    Topic.ORDERS: "order",
    Topic.TRADES: "trade",
    Topic.ACCOUNTS: "account",
    Topic.KILL: "kill",
    Topic.SYSTEM: "system",
}


class Subscribe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`ticks` and `depth` want `symbols`; they come from the first of `accounts` whose broker pushes prices, or from any.

    Args:
        topics: orders, trades, accounts, kill, system, ticks, depth.
        accounts: only of these.
        symbols: only of these; `ticks` and `depth` want them.
        mode: of the ticks: `ltp`, the last price alone, where that is all that is wanted; `quote` (default): the day's
            figures too.
        since: the `seq` of the last event that was seen: what came after it is told first.
        epoch: with `since`: the journal it was of.
    """

    topics: Annotated[list[Topic], Meta(min_length=1, max_length=10)]
    accounts: Annotated[list[AccountName], Meta(min_length=1, max_length=64)] | None = None
    strategy: Label | None = None
    symbols: Annotated[list[Symbol], Meta(min_length=1, max_length=1000)] | None = None
    mode: Literal["ltp", "quote"] | None = None
    since: Annotated[int, Meta(ge=0)] | None = None
    epoch: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class Unsubscribe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which subscription.

    Args:
        subscription: its name, as `events.subscribe` answered it.
    """

    subscription: Annotated[str, Meta(min_length=1, max_length=64)]


class Snapshot(Struct, frozen=True, kw_only=True):
    """How things stand at `seq`.

    Args:
        orders: those that live or are in doubt.
        positions: by account, those that could be read.
        accounts: their sessions.
        kill: the switch, as `kill.status` has it.
    """

    orders: list[Order]
    positions: dict[str, list[Position]]
    accounts: list[AccountStatus]
    kill: dict[str, Any]


class Subscribed(Struct, frozen=True, kw_only=True):
    """A subscription, and how things stand at its beginning.

    Args:
        subscription: its name in events.
        seq: the number up to which the snapshot, or what was seen before, tells.
        reset: true: the events after `since` are no longer kept; the snapshot stands in their place.
        snapshot: null where `since` made none needed.
    """

    subscription: str
    epoch: str
    seq: int
    reset: bool
    snapshot: Snapshot | None


class Unsubscribed(Struct, frozen=True):
    """What was ended.

    Args:
        subscription: that has ended.
    """

    subscription: str


class _Source(Struct, frozen=True):
    """Whose broker pushes the prices, and of what."""

    account: str
    instruments: list[Instrument]


class _Subscription:
    """One subscription of one connection: what it wants, and the seq it was last told."""

    def __init__(self, name: str, params: Subscribe, epoch: str, prev: int, outbox: Outbox) -> None:
        self.name = name
        self._params = params
        self._epoch = epoch
        self._prev = prev
        self._outbox = outbox
        self._held: deque[Event] | None = deque()  # until the answer to `subscribe` is out

    def take(self, event: Event) -> None:
        if not self._wants(event):
            return
        if self._held is not None:
            self._held.append(event)
        else:
            self._push(event)

    def tell_held(self) -> bool:
        """The answer is out: tell some of what came meanwhile. True: that was all, and from now on it is told at once."""
        for _ in range(MISSED_AT_ONCE):
            if not self._held or not self._push(self._held.popleft()):
                self._held = None
                return True
        return False

    def _wants(self, event: Event) -> bool:
        params = self._params
        if event.topic not in params.topics:
            return False
        if params.accounts is not None and event.account not in (None, *params.accounts):
            return False
        if params.strategy is not None and event.strategy != params.strategy:
            # An order without a label is of no strategy; what is of no order concerns every strategy.
            is_of_order = event.topic in (Topic.ORDERS, Topic.TRADES)
            if is_of_order or event.strategy is not None:
                return False
        return params.symbols is None or event.symbol is None or event.symbol in params.symbols

    def _push(self, event: Event) -> bool:
        told = {
            "subscription": self.name,
            "topic": event.topic,
            "epoch": self._epoch,
            "seq": event.seq,
            "prev": self._prev,
            "at": event.at,
            SUBJECT[event.topic]: plain(event.subject),
        }
        self._prev = event.seq
        message = {"jsonrpc": "2.0", "method": "event", "params": told}
        return self._outbox.push(orjson.dumps(message, default=plain))


class _Streams:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._count = 0
        # Connection -> subscription -> what ends it; a connection stays until it is closed.
        self._ends: dict[int, dict[str, tuple[Callable[[], object], ...]]] = {}
        self._of_caller: Counter[str] = Counter()
        self._turns = Turns(1)  # a snapshot of a thousand orders takes ten milliseconds
        self._behind: deque[_Subscription] = deque()  # those with more of the past to tell

    async def subscribe(self, call: Call, params: Subscribe) -> Subscribed:
        outbox = call.outbox
        if outbox is None:
            raise OrdoError(
                Kind.INVALID_REQUEST, "events are pushed over a socket connection, not over HTTP"
            )
        self._check_room(call.caller.name, outbox)
        for account in params.accounts or ():
            self._parts.desk.account(account)
        source = await self._price_source(params)
        if params.symbols is not None:
            params = replace(params, symbols=list(self._parts.desk.names(params.symbols)))
        is_of_prices_alone = all(topic in PRICES for topic in params.topics)
        missed = self._missed(params)
        is_reset = params.since is not None and missed is None
        wants_snapshot = (params.since is None or is_reset) and not is_of_prices_alone
        positions = await self._positions(params) if wants_snapshot else {}
        if is_of_prices_alone:
            return self._begin(call, outbox, params, source, positions)
        async with self._turns.turn(call):
            self._check_room(call.caller.name, outbox)  # others may have come meanwhile
            return self._begin(call, outbox, params, source, positions)

    def _check_room(self, caller: str, outbox: Outbox) -> None:
        for whose, count, most in (
            ("this connection", len(self._ends.get(id(outbox), ())), SUBSCRIPTIONS_MAX),
            (caller, self._of_caller[caller], CALLER_SUBSCRIPTIONS_MAX),
        ):
            if count >= most:
                raise OrdoError(
                    Kind.OVERLOADED,
                    f"{whose} has {most} subscriptions already: end one, or name several topics and symbols in one",
                )

    def _begin(
        self,
        call: Call,
        outbox: Outbox,
        params: Subscribe,
        source: "_Source | None",
        positions: Mapping[str, list[Position]],
    ) -> Subscribed:
        """Nothing here awaits: snapshot and stream join without a gap."""
        is_of_prices_alone = all(topic in PRICES for topic in params.topics)
        missed = self._missed(params)
        is_reset = params.since is not None and missed is None
        self._count += 1
        seq = self._parts.journal.head[0]
        epoch = self._parts.journal.epoch
        begin = params.since if missed is not None and params.since is not None else seq
        subscription = _Subscription(f"s{self._count}", params, epoch, begin, outbox)
        key = (id(outbox), subscription.name)
        pusher = PricePusher(
            subscription.name,
            epoch,
            outbox,
            self._parts.clock,
            count_skipped=self._count_skipped,
            left=lambda account: self._follow(key, params, pusher, account),
        )
        has_missed = missed is not None or is_of_prices_alone
        snapshot = None if has_missed else self._snapshot(params, positions)
        end_prices = self._begin_prices(params, source, pusher)
        for event in missed or ():
            subscription.take(event)
        end_events = self._parts.events.listen(subscription.take)
        one_less = partial(self._one_less, call.caller.name)
        self._of_caller[call.caller.name] += 1
        self._remember(outbox, subscription.name, (end_events, one_less, *end_prices))
        call.on_answered(lambda: self._tell_held(subscription))
        call.on_answered(pusher.open)
        return Subscribed(
            subscription=subscription.name,
            epoch=epoch,
            seq=begin,
            reset=is_reset,
            snapshot=snapshot,
        )

    def _count_skipped(self, values: int) -> None:
        self._parts.hub.skipped += values

    def _tell_held(self, subscription: _Subscription) -> None:
        """At once where it is little; the rest in turns, so that a client from yesterday holds up nobody."""
        if not subscription.tell_held():
            self._behind.append(subscription)
            if len(self._behind) == 1:
                asyncio.get_running_loop().call_soon(self._catch_up)

    def _catch_up(self) -> None:
        subscription = self._behind.popleft()
        if not subscription.tell_held():
            self._behind.append(subscription)
        if self._behind:
            asyncio.get_running_loop().call_soon(self._catch_up)

    async def _price_source(self, params: Subscribe) -> "_Source | None":
        """Where the prices come from; None: none are asked for. Waits for a session."""
        if not any(topic in PRICES for topic in params.topics):
            return None
        if params.symbols is None:
            raise OrdoError(
                Kind.INVALID_PARAMS, "ticks and depth are of symbols; name them", field="symbols"
            )
        account = self._price_account(params.accounts)
        await account.keeper.ensure(self._parts.clock.boot() + SESSION_S)
        instruments = [self._parts.desk.instrument(account, symbol) for symbol in params.symbols]
        return _Source(account.name, instruments)

    def _every(self, names: list[str] | None) -> list[Account]:
        """Those of these names, or all. Raises OrdoError: UNKNOWN_ACCOUNT, also of one that went meanwhile."""
        desk = self._parts.desk
        return [desk.account(name) for name in names] if names else desk.accounts(None)

    def _price_account(self, names: list[str] | None) -> Account:
        every = self._every(names)
        able = [account for account in every if self._parts.hub.can(account.name)]
        if not able:
            brokers = ", ".join(dict.fromkeys(account.spec.name for account in every))
            raise OrdoError(
                Kind.UNSUPPORTED, f"no prices are pushed through Ordo by {brokers or 'any broker'}"
            )
        return next((a for a in able if a.keeper.state is SessionState.ACTIVE), able[0])

    def _begin_prices(
        self, params: Subscribe, source: "_Source | None", pusher: PricePusher
    ) -> tuple[Callable[[], None], ...]:
        """What ends them."""
        if source is None:
            return ()
        self._parts.desk.account(source.account)  # it may have gone while positions were read
        modes = {Topic.TICKS: Mode(params.mode or Mode.QUOTE), Topic.DEPTH: Mode.DEPTH}
        ends = [
            self._parts.hub.subscribe(source.account, source.instruments, modes[topic], pusher)
            for topic in dict.fromkeys(params.topics)
            if topic in PRICES
        ]
        return (*ends, pusher.end)

    def _follow(
        self, key: tuple[int, str], params: Subscribe, pusher: PricePusher, gone: str
    ) -> None:
        """The account that prices came from went, or began anew: they come from another, or the subscriber hears that they end."""
        connection, name = key
        ends = self._ends.get(connection, {}).get(name)
        if ends is None:
            return
        names = params.accounts and [
            name for name in params.accounts if name in self._parts.accounts
        ]
        more: tuple[Callable[[], None], ...] = ()
        try:
            if names == []:
                self._parts.desk.account(gone)
            account = self._price_account(names)
            symbols = params.symbols or ()
            instruments = [self._parts.desk.instrument(account, symbol) for symbol in symbols]
            more = self._begin_prices(params, _Source(account.name, instruments), pusher)
        except OrdoError as error:
            topics = [topic for topic in PRICES if topic in params.topics]
            pusher.tell_end(topics, f"the prices of {gone} end: {error.message}")
        self._ends[connection][name] = (*ends[:2], *more)

    def _missed(self, params: Subscribe) -> list[Event] | None:
        """The events after `since`; None: not asked for, or no longer kept."""
        if params.since is None:
            return None
        if params.epoch is None:
            raise OrdoError(
                Kind.INVALID_PARAMS, "since goes with the epoch it was of", field="epoch"
            )
        if params.epoch != self._parts.journal.epoch:
            raise OrdoError(
                Kind.INVALID_PARAMS,
                f"epoch {params.epoch[:40]} is not this journal's, {self._parts.journal.epoch}; "
                "subscribe without since",
                field="epoch",
                value=params.epoch[:40],
            )
        head = self._parts.journal.head[0]
        if params.since > head:
            raise OrdoError(
                Kind.INVALID_PARAMS,
                f"since {params.since} is beyond the head, {head}; subscribe without since",
                field="since",
                value=params.since,
            )
        return self._parts.events.since(params.since)

    async def _positions(self, params: Subscribe) -> dict[str, list[Position]]:
        """As the brokers show them now; an account that cannot be read in time is left out."""
        found: dict[str, list[Position]] = {}

        async def read(account: Account) -> None:
            try:
                rows = await account.read(
                    lambda session: account.adapter.positions(session, account.master),
                    deadline=self._parts.clock.boot() + POSITIONS_S,
                )
            except OrdoError:
                return
            found[account.name] = list(rows.good)

        with anyio.move_on_after(POSITIONS_S):
            async with anyio.create_task_group() as group:
                for account in self._every(params.accounts):
                    group.start_soon(read, account)
        return found

    def _snapshot(self, params: Subscribe, positions: Mapping[str, list[Position]]) -> Snapshot:
        parts = self._parts
        accounts = self._every(params.accounts)
        names = {account.name for account in accounts}
        orders = [
            parts.book.view(order)
            for order in parts.book.unended()
            if order.account in names
            and params.strategy in (None, order.strategy)
            and (params.symbols is None or order.terms.symbol in params.symbols)
        ]
        return Snapshot(
            orders=orders,
            positions=dict(positions),
            accounts=[account_status(account) for account in accounts],
            kill={"engaged": parts.gate.is_closed},
        )

    async def unsubscribe(self, call: Call, params: Unsubscribe) -> Unsubscribed:
        ends = self._ends.get(id(call.outbox), {}).pop(params.subscription, None)
        if ends is None:
            raise OrdoError(
                Kind.INVALID_PARAMS,
                f"this connection has no subscription {params.subscription!r}",
                field="subscription",
                value=params.subscription[:40],
            )
        for end in ends:
            end()
        return Unsubscribed(params.subscription)

    def _remember(self, outbox: Outbox, name: str, ends: tuple[Callable[[], object], ...]) -> None:
        """A connection's end is waited for once, however often it subscribes and unsubscribes."""
        connection = id(outbox)
        if connection in self._ends:
            self._ends[connection][name] = ends
        else:
            self._ends[connection] = {name: ends}
            outbox.on_close(lambda: self._gone(connection))

    def _gone(self, connection: int) -> None:
        for ends in self._ends.pop(connection, {}).values():
            for end in ends:
                end()

    def _one_less(self, caller: str) -> None:
        self._of_caller[caller] -= 1
        if not self._of_caller[caller]:
            del self._of_caller[caller]


def methods(parts: Parts) -> Iterable[Method]:
    streams = _Streams(parts)
    yield Method(
        name="events.subscribe",
        role=Role.READ,
        summary="Be told what happens; with since, also what was missed.",
        params=Subscribe,
        result=Subscribed,
        run=streams.subscribe,
        accounts=lambda params: tuple(params.accounts or (None,)),
        errors=(
            Kind.UNKNOWN_ACCOUNT,
            Kind.INVALID_REQUEST,
            Kind.SESSION_REQUIRED,
            Kind.AUTH_DENIED,
            Kind.UNSUPPORTED,
            Kind.UNKNOWN_INSTRUMENT,
        ),
        examples=(Example({"topics": ["orders", "trades"]}, {"reset": False}),),
    )
    yield Method(
        name="events.unsubscribe",
        role=Role.READ,
        summary="No longer.",
        params=Unsubscribe,
        result=Unsubscribed,
        run=streams.unsubscribe,
        accounts=lambda _: (),
        examples=(Example({"subscription": "s1"}, {"subscription": "s1"}),),
    )
