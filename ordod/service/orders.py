"""`order.*`: place, modify, cancel, look."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeAlias

import anyio
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import asdict

from ordod.core.account import Account
from ordod.core.orders.changes import ChangeResult
from ordod.core.orders.desk import WantedOrder
from ordod.core.orders.history import records_of
from ordod.core.orders.states import ChangeState, OrderState
from ordod.core.parts import Parts
from ordod.domain.orders import (
    Order,
    OrderChanges,
    OrderTerms,
    OrderType,
    Product,
    Side,
    Status,
    Trade,
    Validity,
    Variety,
)
from ordod.domain.portfolio import Margin
from ordod.errors import Kind, OrdoError
from ordod.service.methods import Call, Caller, Example, Method, Role, Rupees
from ordod.service.params import AccountName, Key, Label

__all__ = ["PLACE_KINDS", "Terms", "methods", "terms_of"]

TimeoutMs: TypeAlias = Annotated[int, Meta(ge=1, le=600_000)]
Limit: TypeAlias = Annotated[int, Meta(ge=1, le=1000)]
Symbol: TypeAlias = Annotated[
    str, Meta(min_length=3, max_length=64, description="EXCHANGE:SYMBOL, such as NSE:INFY")
]
OrderId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
Percent: TypeAlias = Annotated[Rupees, Meta(description="percent, such as 2 or 0.5")]
Cursor: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=128, description="the `next` of the page before")
]
WAIT_MS_MAX = 60_000

PLACE_KINDS = (
    Kind.UNKNOWN_ACCOUNT,
    Kind.SESSION_REQUIRED,
    Kind.AUTH_DENIED,
    Kind.UNSUPPORTED,
    Kind.KILLED,
    Kind.RISK_REFUSED,
    Kind.KEY_REUSED,
    Kind.ORDER_REJECTED,
    Kind.INSUFFICIENT_FUNDS,
    Kind.TOO_LATE,
    Kind.UNKNOWN_INSTRUMENT,
    Kind.MARKET_CLOSED,
    Kind.RATE_LIMITED,
    Kind.BROKER_UNAVAILABLE,
    Kind.JOURNAL_FAILED,
)


class Terms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order's terms as parameters.

    Args:
        validity_minutes: with TTL.
        iceberg_legs: with ICEBERG: in how many parts.
        disclosed_quantity: units that the market sees.
        market_protection: of MARKET and SL-M, percent; without: the configuration's, else the broker's automatic.
    """

    symbol: Symbol
    side: Side
    quantity: int
    type: OrderType
    product: Product
    price: Rupees | None = None
    trigger_price: Rupees | None = None
    validity: Validity = Validity.DAY
    validity_minutes: int | None = None
    variety: Variety = Variety.REGULAR
    iceberg_legs: int | None = None
    disclosed_quantity: int | None = None
    market_protection: Percent | None = None


class Place(Terms, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`account`, or `accounts` for one order at each of several under the same key.

    Args:
        account: whose order it is; or `accounts` instead.
        accounts: the same order at each of these, side by side; the answer has `results`.
        dry_run: everything is looked at, nothing stored or sent.
    """

    key: Key
    account: AccountName | None = None
    accounts: Annotated[list[AccountName], Meta(min_length=1, max_length=64)] | None = None
    strategy: Label | None = None
    timeout_ms: TimeoutMs = 10_000
    dry_run: bool = False


class Fault(Struct, frozen=True):
    """An error inside a result.

    Args:
        code: of the kind (docs/errors.md).
        data: `kind`, `retry` and what else an error tells.
    """

    code: int
    message: str
    data: dict[str, Any]


class PlacedAt(Struct, frozen=True, kw_only=True):
    """One account's part of a fan-out: an order, or an error."""

    account: str
    order: Order | UnsetType = UNSET
    replayed: bool | UnsetType = UNSET
    error: Fault | UnsetType = UNSET


class PlaceAnswer(Struct, frozen=True, kw_only=True):
    """`order` and `replayed`, or, with `accounts`, `results`.

    Args:
        results: one an account, in the order asked.
        unchecked: risk limits that lacked a fresh price, and so let it pass.
        dry_run: true: nothing was stored or sent.
    """

    order: Order | UnsetType = UNSET
    replayed: bool | UnsetType = UNSET
    results: list[PlacedAt] | UnsetType = UNSET
    unchecked: list[str] | UnsetType = UNSET
    dry_run: bool | UnsetType = UNSET


class Reference(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order by `order_id`, or by `account` and `key`.

    Args:
        order_id: Ordo's id of the order; or `account` and `key` instead.
        account: with `key`.
        key: the order's.
    """

    order_id: OrderId | None = None
    account: AccountName | None = None
    key: Key | None = None


class Get(Reference, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An order, at once or when it changes.

    Args:
        wait_ms: answer as soon as the order changes, after so long at the latest; 0: at once.
    """

    wait_ms: Annotated[int, Meta(ge=0, le=WAIT_MS_MAX)] = 0


class Modify(Reference, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The order by `order_id`, or by `account` and `key`; and what is to change.

    Args:
        change_key: the caller's own name of this change: the same is the same change.
        price: a new limit, rupees.
        trigger_price: a new trigger, rupees.
        quantity: a new whole quantity, units, what is filled included.
        type: another type.
        validity: another validity.
        disclosed_quantity: units that the market sees from now on.
    """

    change_key: Key | None = None
    price: Rupees | None = None
    trigger_price: Rupees | None = None
    quantity: int | None = None
    type: OrderType | None = None
    validity: Validity | None = None
    disclosed_quantity: int | None = None
    timeout_ms: TimeoutMs = 10_000


class Cancel(Reference, frozen=True, kw_only=True, forbid_unknown_fields=True):
    timeout_ms: TimeoutMs = 10_000


class CancelAll(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: AccountName | None = None
    strategy: Label | None = None
    symbol: Symbol | None = None


class Filter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which orders, and which page of them.

    Args:
        status: only these; as an order's `status`.
    """

    account: AccountName | None = None
    strategy: Label | None = None
    symbol: Symbol | None = None
    status: Status | None = None
    limit: Limit = 100
    after: Cursor | None = None


class TradeFilter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: AccountName | None = None
    strategy: Label | None = None
    symbol: Symbol | None = None
    limit: Limit = 100
    after: Cursor | None = None


class Resolve(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person saw at the broker, who has looked.

    Args:
        outcome: `placed` (with `broker_order_id`) or `not_placed`.
        broker_order_id: the broker's own id of the order that was found.
        reason: how the person knows; it is journaled.
    """

    account: AccountName
    key: Key
    outcome: Literal["placed", "not_placed"]
    reason: Annotated[str, Meta(min_length=1, max_length=200)]
    broker_order_id: Annotated[str, Meta(max_length=64)] | None = None


class MarginOf(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Orders that are not placed.

    Args:
        orders: orders as `order.place` takes their terms, together.
    """

    account: AccountName
    orders: Annotated[list[Terms], Meta(min_length=1, max_length=20)]


class OrderAnswer(Struct, frozen=True):
    order: Order


class ResolveAnswer(Struct, frozen=True, kw_only=True):
    """What was in doubt, as it stands now.

    Args:
        order: as it stands now; null: the key was a GTT's or a conversion's.
        change: how that one ended: `done` or `not_done`.
    """

    order: Order | None
    change: str | UnsetType = UNSET


class ChangeAnswer(Struct, frozen=True, kw_only=True):
    """An order after a change of it.

    Args:
        durable: false: the disk is dead, and the journal lacks it; else left out.
    """

    order: Order
    change: str
    durable: bool | UnsetType = UNSET


class CancelledAt(Struct, frozen=True, kw_only=True):
    order_id: str
    account: str
    order: Order | UnsetType = UNSET
    change: str | UnsetType = UNSET
    error: Fault | UnsetType = UNSET


class CancelAllAnswer(Struct, frozen=True):
    """What became of each.

    Args:
        results: one an order, the newest first: `order` and `change`, or `error`.
    """

    results: list[CancelledAt]


class Orders(Struct, frozen=True):
    """A page of orders.

    Args:
        orders: in the order they came.
    """

    orders: list[Order]
    next: str | None


class Trades(Struct, frozen=True):
    """A page of executions.

    Args:
        trades: in the order they came.
    """

    trades: list[Trade]
    next: str | None


class History(Struct, frozen=True):
    """Everything the journal has of an order.

    Args:
        records: the journal's records of it, oldest first (docs/journal.md).
    """

    records: list[dict[str, Any]]


def terms_of(params: Terms) -> OrderTerms:
    """The domain's terms of these parameters."""
    fields = {name: getattr(params, name) for name in OrderTerms.__struct_fields__}
    return OrderTerms(**fields)


class _Orders:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._book = parts.book
        self._desk = parts.desk
        self._changes = parts.changes

    # Place

    async def place(self, call: Call, params: Place) -> PlaceAnswer:
        if (params.account is None) == (params.accounts is None):
            raise OrdoError(
                Kind.INVALID_PARAMS, "give account, or accounts, one of the two", field="account"
            )
        if params.accounts is None:
            assert params.account is not None
            return await self._place_one(call, params, params.account)
        if len(set(params.accounts)) < len(params.accounts):
            raise OrdoError(
                Kind.INVALID_PARAMS,
                "accounts names one twice; each account takes one order of a key",
                field="accounts",
                value=" ".join(params.accounts),
            )
        results: dict[str, PlacedAt] = {}

        async def place_at(account: str) -> None:
            try:
                answer = await self._place_one(call, params, account)
            except OrdoError as error:
                results[account] = PlacedAt(account=account, error=_fault(error))
            else:
                results[account] = PlacedAt(
                    account=account, order=answer.order, replayed=answer.replayed
                )

        async with anyio.create_task_group() as group:
            for account in params.accounts:
                group.start_soon(place_at, account)
        return PlaceAnswer(results=[results[account] for account in params.accounts])

    async def _place_one(self, call: Call, params: Place, account: str) -> PlaceAnswer:
        wanted = WantedOrder(
            account=account,
            key=params.key,
            terms=terms_of(params),
            caller=call.caller.name,
            strategy=params.strategy,
            timeout_s=params.timeout_ms / 1000,
        )
        try:
            if params.dry_run:
                return self._dry_run(wanted)
            result = await self._desk.place(wanted)
        except OrdoError as error:
            whose = {"account": account, "key": params.key}
            raise OrdoError(error.kind, error.message, **(whose | error.data)) from error
        return PlaceAnswer(
            order=result.order,
            replayed=result.replayed,
            unchecked=list(result.unchecked) or UNSET,
        )

    def _dry_run(self, wanted: WantedOrder) -> PlaceAnswer:
        """All that would be looked at, and nothing stored or sent. An order that would be has no id yet."""
        known = self._desk.known(wanted)
        if known is not None:
            return PlaceAnswer(order=known.order, replayed=True, dry_run=True)
        instrument, unchecked = self._desk.check(wanted)
        now = self._parts.clock.now()
        terms = wanted.terms
        order = Order(
            order_id="",
            key=wanted.key,
            account=wanted.account,
            strategy=wanted.strategy,
            symbol=instrument.symbol,
            side=terms.side,
            quantity=terms.quantity,
            type=terms.type,
            product=terms.product,
            price=terms.price,
            trigger_price=terms.trigger_price,
            validity=terms.validity,
            variety=terms.variety,
            disclosed_quantity=terms.disclosed_quantity,
            tag=None,
            broker_order_id=None,
            exchange_order_id=None,
            status=Status.NOT_PLACED,
            status_message="dry run: it would be sent",
            filled_quantity=0,
            average_price=None,
            placed_at=now,
            updated_at=now,
        )
        return PlaceAnswer(
            order=order, replayed=False, unchecked=list(unchecked) or UNSET, dry_run=True
        )

    # Change

    def _find(self, params: Reference) -> OrderState:
        return self._changes.find(params.order_id, params.account, params.key)

    async def modify(self, call: Call, params: Modify) -> ChangeAnswer:
        fields = {name: getattr(params, name) for name in OrderChanges.__struct_fields__}
        result = await self._changes.modify(
            self._find(params),
            OrderChanges(**fields),
            change_key=params.change_key,
            caller=call.caller.name,
            timeout_s=params.timeout_ms / 1000,
        )
        return _change_answer(result)

    async def cancel(self, call: Call, params: Cancel) -> ChangeAnswer:
        result = await self._changes.cancel(
            self._find(params), caller=call.caller.name, timeout_s=params.timeout_ms / 1000
        )
        return _change_answer(result)

    async def cancel_all(self, call: Call, params: CancelAll) -> CancelAllAnswer:
        """Every open order that matches, newest first; each its own result."""
        names = self._desk.names([params.symbol]) if params.symbol else None
        orders = [
            order
            for order in reversed(self._book.open_orders(params.account))
            if params.strategy in (None, order.strategy)
            and (names is None or order.terms.symbol in names)
            and order.account in self._parts.accounts
        ]
        if params.account is not None:
            self._desk.account(params.account)
        results: dict[str, CancelledAt] = {}

        async def cancel(order: OrderState) -> None:
            try:
                result = await self._changes.cancel(order, caller=call.caller.name, timeout_s=30.0)
            except OrdoError as error:
                results[order.id] = CancelledAt(
                    order_id=order.id, account=order.account, error=_fault(error)
                )
            else:
                results[order.id] = CancelledAt(
                    order_id=order.id,
                    account=order.account,
                    order=result.order,
                    change=result.change,
                )

        async with anyio.create_task_group() as group:
            for order in orders:
                group.start_soon(cancel, order)
        return CancelAllAnswer([results[order.id] for order in orders])

    async def resolve(self, call: Call, params: Resolve) -> ResolveAnswer:
        user = self._desk.account(params.account).user
        known = self._book.by_key(user, params.key) if user else None
        if isinstance(known, ChangeState):
            change = await self._changes.resolve_change(
                known,
                is_done=params.outcome == "placed",
                broker_id=params.broker_order_id or "",
                reason=params.reason,
                caller=call.caller.name,
            )
            return ResolveAnswer(order=None, change=change)
        order = self._changes.find(None, params.account, params.key)
        resolved = await self._changes.resolve(
            order,
            outcome=params.outcome,
            broker_order_id=params.broker_order_id or "",
            reason=params.reason,
            caller=call.caller.name,
        )
        return ResolveAnswer(order=resolved)

    # Look

    async def get(self, _: Call, params: Get) -> OrderAnswer:
        """At once, or, while the order may still change, as soon as it does, `wait_ms` at most."""
        order = self._find(params)
        if params.wait_ms and (order.is_live or order.is_open_doubt):
            changed = anyio.Event()
            stop = self._parts.events.listen(
                lambda event: (
                    changed.set() if getattr(event.subject, "order_id", None) == order.id else None
                )
            )
            try:
                with anyio.move_on_after(params.wait_ms / 1000):
                    await changed.wait()
            finally:
                stop()
            order = self._changes.find(order.id, None, None)
        return OrderAnswer(self._book.view(order))

    async def list_orders(self, _: Call, params: Filter) -> Orders:
        names = self._desk.names([params.symbol]) if params.symbol else None
        if params.account is not None:
            self._desk.account(params.account)
        matching = [
            order
            for order in self._book.orders.values()
            if order.sent != "unsent"
            and params.account in (None, order.account)
            and params.strategy in (None, order.strategy)
            and (names is None or order.terms.symbol in names)
            and params.status in (None, order.status)
        ]
        page, following = _page(
            [(order.id, order) for order in matching], params.after, params.limit
        )
        return Orders([self._book.view(order) for order in page], following)

    async def trades(self, _: Call, params: TradeFilter) -> Trades:
        names = self._desk.names([params.symbol]) if params.symbol else None
        if params.account is not None:
            self._desk.account(params.account)
        matching = [
            (f"{order.id}/{fill.trade_id}", self._book.trade(order, fill))
            for order in self._book.orders.values()
            if params.account in (None, order.account)
            and params.strategy in (None, order.strategy)
            and (names is None or order.terms.symbol in names)
            for fill in order.fills.values()
        ]
        page, following = _page(matching, params.after, params.limit)
        return Trades(page, following)

    async def history(self, _: Call, params: Reference) -> History:
        order = self._find(params)
        changes = [c.id for c in self._book.changes.values() if c.order_id == order.id]
        synced = range(order.first_seq, self._parts.journal.head[0] + 1)
        return History(await records_of(self._parts.disk, {order.id, *changes}, synced))

    async def margin(self, _: Call, params: MarginOf) -> Margin:
        account: Account = self._desk.account(params.account)
        if not account.can("margin"):
            raise OrdoError(
                Kind.UNSUPPORTED,
                f"{account.spec.name} tells no margins through Ordo",
                account=account.name,
            )
        orders = []
        for terms in map(terms_of, params.orders):
            instrument = self._desk.instrument(account, terms.symbol)
            orders.append((OrderTerms(**asdict(terms) | {"symbol": instrument.symbol}), instrument))
        return await account.read(
            lambda session: account.adapter.margin(session, tuple(orders)),
            deadline=self._parts.clock.boot() + 10.0,
        )


def _fault(error: OrdoError) -> Fault:
    return Fault(error.kind.code, error.message, error.as_data())


def _change_answer(result: ChangeResult) -> ChangeAnswer:
    return ChangeAnswer(
        order=result.order, change=result.change, durable=UNSET if result.durable else False
    )


def _page(
    items: list[tuple[str, Any]], after: str | None, limit: int
) -> tuple[list[Any], str | None]:
    """`limit` items behind the cursor, and the cursor of the next page; None: there is none."""
    start = 0
    if after is not None:
        names = [name for name, _ in items]
        if after not in names:
            raise OrdoError(
                Kind.INVALID_PARAMS,
                f"after {after} is not in this list; begin again without it",
                field="after",
                value=after,
            )
        start = names.index(after) + 1
    page = items[start : start + limit]
    has_more = start + limit < len(items)
    return [item for _, item in page], page[-1][0] if has_more and page else None


def methods(parts: Parts) -> Iterable[Method]:
    orders = _Orders(parts)

    def account_of(params: Any) -> tuple[str | None, ...]:
        order = parts.book.by_id(params.order_id) if params.order_id else None
        return (order.account if order else params.account,)

    def unseen(caller: Caller, params: Any) -> OrdoError | None:
        if params.order_id is None:
            return None
        order = parts.book.by_id(params.order_id)
        if order is not None:
            may_see = caller.role_for(order.account) >= Role.READ
        else:
            may_see = min(caller.role, *caller.roles.values(), Role.ADMIN) >= Role.READ
        if may_see:
            return None
        return OrdoError(
            Kind.FORBIDDEN,
            f"there is no order {params.order_id!r} at an account that {caller.name} may see: name one of yours",
            field="order_id",
        )

    example = {
        "account": "paper",
        "key": "first-1",
        "symbol": "NSE:INFY",
        "side": "BUY",
        "quantity": 1,
        "type": "MARKET",
        "product": "CNC",
    }
    stop = {**example, "key": "stop-1", "side": "SELL", "type": "SL-M", "trigger_price": 1000}
    reference = {"account": "paper", "key": "first-1"}
    stop_reference = {"account": "paper", "key": "stop-1"}
    change_kinds = (*PLACE_KINDS, Kind.UNKNOWN_ORDER, Kind.ORDER_IN_DOUBT)
    yield Method(
        name="order.place",
        role=Role.TRADE,
        summary="Place one order, at most once for its key, at one account or at several.",
        params=Place,
        result=PlaceAnswer,
        run=orders.place,
        accounts=lambda params: tuple(params.accounts or (params.account,)),
        changes=True,
        errors=PLACE_KINDS,
        examples=(
            Example(example, {"order": {"key": "first-1", "quantity": 1}, "replayed": False}),
            Example(stop, {"order": {"key": "stop-1", "trigger_price": 1000}, "replayed": False}),
            Example(stop, {"order": {"key": "stop-1", "trigger_price": 1000}, "replayed": True}),
        ),
    )
    yield Method(
        name="order.modify",
        role=Role.TRADE,
        summary="Change price, quantity, type or validity of a living order.",
        params=Modify,
        result=ChangeAnswer,
        run=orders.modify,
        accounts=account_of,
        unseen=unseen,
        changes=True,
        errors=change_kinds,
        examples=(
            Example(
                {**stop_reference, "trigger_price": 1010},
                {"order": {"key": "stop-1", "trigger_price": 1010}, "change": "done"},
            ),
        ),
    )
    yield Method(
        name="order.cancel",
        role=Role.TRADE,
        summary="Ask for an order's end. Works while killed and on a dead disk.",
        params=Cancel,
        result=ChangeAnswer,
        run=orders.cancel,
        accounts=account_of,
        unseen=unseen,
        changes=True,
        urgent=True,
        errors=change_kinds,
        examples=(
            Example(
                stop_reference,
                {"order": {"key": "stop-1", "status": "CANCELLED"}, "change": "done"},
            ),
        ),
    )
    yield Method(
        name="order.cancel_all",
        role=Role.TRADE,
        summary="Cancel every open order that matches, whoever placed it.",
        params=CancelAll,
        result=CancelAllAnswer,
        run=orders.cancel_all,
        changes=True,
        urgent=True,
        errors=(Kind.UNKNOWN_ACCOUNT,),
        examples=(Example({"account": "paper"}, {"results": []}),),
    )
    yield Method(
        name="order.get",
        role=Role.READ,
        summary="How an order stands; with wait_ms, as soon as that changes.",
        params=Get,
        result=OrderAnswer,
        run=orders.get,
        accounts=account_of,
        unseen=unseen,
        errors=(Kind.UNKNOWN_ORDER, Kind.UNKNOWN_ACCOUNT),
        examples=(
            Example(
                {**reference, "wait_ms": 1000}, {"order": {"key": "first-1", "status": "FILLED"}}
            ),
        ),
    )
    yield Method(
        name="order.list",
        role=Role.READ,
        summary="Orders of today and yesterday, also those placed elsewhere.",
        params=Filter,
        result=Orders,
        run=orders.list_orders,
        heavy=True,
        errors=(Kind.UNKNOWN_ACCOUNT,),
        examples=(
            Example(
                {"account": "paper", "limit": 10},
                {"orders": [{"key": "first-1", "status": "FILLED"}], "next": None},
            ),
        ),
    )
    yield Method(
        name="order.trades",
        role=Role.READ,
        summary="Executions of today and yesterday.",
        params=TradeFilter,
        result=Trades,
        run=orders.trades,
        heavy=True,
        errors=(Kind.UNKNOWN_ACCOUNT,),
        examples=(
            Example(
                {"account": "paper", "limit": 10},
                {"trades": [{"key": "first-1", "quantity": 1}], "next": None},
            ),
        ),
    )
    yield Method(
        name="order.history",
        role=Role.READ,
        summary="Every record of an order and its changes, as the journal holds them.",
        params=Reference,
        result=History,
        run=orders.history,
        heavy=True,
        accounts=account_of,
        unseen=unseen,
        errors=(Kind.UNKNOWN_ORDER, Kind.UNKNOWN_ACCOUNT),
        examples=(Example(reference, {"records": [{"type": "intent", "key": "first-1"}]}),),
    )
    yield Method(
        name="order.margin",
        role=Role.READ,
        summary="What orders would need together.",
        params=MarginOf,
        result=Margin,
        run=orders.margin,
        errors=(Kind.UNKNOWN_ACCOUNT, Kind.UNSUPPORTED, Kind.UNKNOWN_INSTRUMENT),
        examples=(
            Example(
                {
                    "account": "paper",
                    "orders": [
                        {
                            name: example[name]
                            for name in ("symbol", "side", "quantity", "type", "product")
                        }
                    ],
                },
                {},
            ),
        ),
    )
    yield Method(
        name="order.resolve",
        role=Role.ADMIN,
        summary="End a doubt by what a person found at the broker.",
        params=Resolve,
        result=ResolveAnswer,
        run=orders.resolve,
        changes=True,
        errors=(Kind.UNKNOWN_ORDER, Kind.UNKNOWN_ACCOUNT, Kind.JOURNAL_FAILED),
        examples=(
            Example(
                {**reference, "outcome": "placed", "reason": "seen in the broker's app"},
                {"order": {"key": "first-1", "status": "FILLED"}},
            ),
        ),
    )
