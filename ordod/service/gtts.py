"""`gtt.*` and `portfolio.convert`: changes with a key of their own."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta, Struct
from msgspec.structs import asdict, replace

from ordod.core.account import Account
from ordod.core.orders.keyed import Keyed, Prepared
from ordod.core.orders.states import ChangeState
from ordod.core.orders.validate import check_gtt, check_quantity
from ordod.core.parts import Parts
from ordod.domain.gtt import BrokerGtt, GttLeg, NewGtt
from ordod.domain.orders import OrderTerms, OrderType, Product, Side
from ordod.domain.portfolio import Conversion
from ordod.errors import Kind, OrdoError
from ordod.service.methods import Call, Example, Method, Role, Rupees
from ordod.service.orders import PLACE_KINDS, Symbol, TimeoutMs
from ordod.service.params import AccountName, Key

__all__ = ["methods"]

READ_S = 10.0
GttId = Annotated[str, Meta(min_length=1, max_length=64)]


class Leg(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A trigger, and the order it releases.

    Args:
        trigger_price: rupees: reached, the order is placed.
        price: limit of that order, rupees.
        type: LIMIT; what else a broker can is its adapter's to say.
    """

    trigger_price: Rupees
    side: Side
    quantity: int
    price: Rupees
    type: OrderType = OrderType.LIMIT
    product: Product = Product.CNC


class Keyed_(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):  # noqa: N801 - a base of parameters
    account: AccountName
    key: Key
    timeout_ms: TimeoutMs = 10_000


class PlaceGtt(Keyed_, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One leg, or two (stop and target): whichever triggers first ends the other.

    Args:
        legs: one, or two (stop and target), in any order: whichever triggers first ends the other.
        key: the caller's own name of the GTT: the same key is the same GTT.
    """

    symbol: Symbol
    legs: Annotated[list[Leg], Meta(min_length=1, max_length=2)]


class ModifyGtt(PlaceGtt, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The legs take the place of those it has.

    Args:
        gtt_id: the broker's id of the one to change.
        key: the caller's own name of this change.
    """

    gtt_id: GttId


class CancelGtt(Keyed_, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A GTT that is to end.

    Args:
        gtt_id: the broker's id of the one to cancel.
        key: the caller's own name of this change.
    """

    gtt_id: GttId


class ListGtts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: AccountName


class Convert(Keyed_, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another product for a position, or a part of it.

    Args:
        side: the position's: BUY for a long one.
        quantity: units of it.
        from_product: what it is.
        to_product: what it is to be.
        overnight: it was carried over from yesterday.
        key: the caller's own name of the conversion.
    """

    symbol: Symbol
    side: Side
    quantity: int
    from_product: Product
    to_product: Product
    overnight: bool = False


class Gtt(Struct, frozen=True, kw_only=True):
    """A GTT as the broker has it.

    Args:
        gtt_id: the broker's; null while its answer is not known.
        status: ACTIVE, TRIGGERED, CANCELLED, REJECTED, EXPIRED or DISABLED.
        legs: by ascending trigger.
        placed_order_ids: the broker's ids of orders it released.
        status_message: the broker's words; null: none.
        created_at: when it was made.
        updated_at: when it changed last.
        expires_at: when it ends by itself.
    """

    gtt_id: str | None
    account: str
    status: str
    symbol: str
    legs: tuple[GttLeg, ...]
    placed_order_ids: tuple[str, ...] = ()
    status_message: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None
    expires_at: datetime | None = None


class GttAnswer(Struct, frozen=True, kw_only=True):
    """A GTT after a change of it.

    Args:
        gtt: how it stands; null: not known.
    """

    gtt: Gtt | None
    change: str
    replayed: bool


class Gtts(Struct, frozen=True):
    """The triggers that wait at the broker.

    Args:
        gtts: all that the broker has, whoever placed them.
    """

    gtts: list[Gtt]


class ConvertAnswer(Struct, frozen=True):
    change: str
    replayed: bool


class _Gtts:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def _account(self, name: str, operation: str) -> Account:
        account = self._parts.desk.account(name)
        if not account.can(operation):
            raise OrdoError(
                Kind.UNSUPPORTED,
                f"{account.spec.name} has no {operation} through Ordo",
                account=name,
            )
        return account

    async def place(self, call: Call, params: PlaceGtt) -> GttAnswer:
        account = self._account(params.account, "place_gtt")
        return await self._write(call, account, params, "place_gtt", None)

    async def modify(self, call: Call, params: ModifyGtt) -> GttAnswer:
        account = self._account(params.account, "modify_gtt")
        return await self._write(call, account, params, "modify_gtt", params.gtt_id)

    async def _write(
        self, call: Call, account: Account, params: PlaceGtt, operation: str, target: str | None
    ) -> GttAnswer:
        legs = tuple(GttLeg(**asdict(leg)) for leg in params.legs)
        adapter = account.adapter

        def prepare() -> Prepared:
            instrument = self._parts.desk.instrument(account, params.symbol)
            gtt = NewGtt(symbol=instrument.symbol, legs=legs)
            check_gtt(gtt, instrument)
            for leg in legs:
                self._parts.desk.check_released(account, _released(instrument.symbol, leg))
            # The price of now, which some brokers want; where it is not fresh, the adapter asks for it.
            sent = replace(gtt, last_price=self._parts.prices.fresh(instrument.symbol))
            return Prepared(
                gtt=gtt,
                make=lambda session: (
                    adapter.place_gtt(session, sent, instrument)
                    if target is None
                    else adapter.modify_gtt(session, target, sent, instrument)
                ),
            )

        wanted = Keyed(
            account=account.name,
            key=params.key,
            operation=operation,
            caller=call.caller.name,
            timeout_s=params.timeout_ms / 1000,
            gtt=NewGtt(symbol=params.symbol, legs=legs),
            target=target,
        )
        change, replayed = await self._parts.keyed.carry(wanted, prepare)
        return self._answer(account, change, replayed)

    async def cancel(self, call: Call, params: CancelGtt) -> GttAnswer:
        account = self._account(params.account, "cancel_gtt")
        wanted = Keyed(
            account=account.name,
            key=params.key,
            operation="cancel_gtt",
            caller=call.caller.name,
            timeout_s=params.timeout_ms / 1000,
            target=params.gtt_id,
        )
        change, replayed = await self._parts.keyed.carry(
            wanted,
            lambda: Prepared(
                make=lambda session: account.adapter.cancel_gtt(session, params.gtt_id)
            ),
        )
        return self._answer(account, change, replayed)

    def _answer(self, account: Account, change: ChangeState, replayed: bool) -> GttAnswer:
        told = _told(account, change)
        gtt = change.intent.gtt if change.intent else None
        shown = None
        if gtt is not None:
            shown = Gtt(
                gtt_id=change.broker_id or None,
                account=account.name,
                status="ACTIVE" if told == "done" else "IN_DOUBT",
                symbol=gtt.symbol,
                legs=gtt.legs,
            )
        return GttAnswer(gtt=shown, change=told, replayed=replayed)

    async def list_gtts(self, _: Call, params: ListGtts) -> Gtts:
        account = self._account(params.account, "gtts")
        rows = await account.read(
            lambda session: account.adapter.gtts(session, account.master),
            deadline=self._parts.clock.boot() + READ_S,
        )
        return Gtts([_shown(account.name, row) for row in rows.good])

    async def convert(self, call: Call, params: Convert) -> ConvertAnswer:
        account = self._account(params.account, "convert")
        asked = Conversion(
            symbol=params.symbol,
            side=params.side,
            quantity=params.quantity,
            from_product=params.from_product,
            to_product=params.to_product,
            overnight=params.overnight,
        )

        def prepare() -> Prepared:
            instrument = self._parts.desk.instrument(account, params.symbol)
            conversion = replace(asked, symbol=instrument.symbol)
            check_quantity(conversion.quantity, instrument)
            if conversion.from_product is conversion.to_product:
                raise OrdoError(
                    Kind.INVALID_PARAMS,
                    f"to_product {conversion.to_product} is what the position is in already",
                    field="to_product",
                    value=conversion.to_product,
                )
            return Prepared(
                conversion=conversion,
                make=lambda session: account.adapter.convert(session, conversion, instrument),
            )

        wanted = Keyed(
            account=account.name,
            key=params.key,
            operation="convert",
            caller=call.caller.name,
            timeout_s=params.timeout_ms / 1000,
            conversion=asked,
        )
        change, replayed = await self._parts.keyed.carry(wanted, prepare)
        return ConvertAnswer(_told(account, change), replayed)


def _told(account: Account, change: ChangeState) -> str:
    """done or in_doubt. Raises OrdoError where it is known that it did not happen."""
    if change.state == "not_done":
        raise OrdoError(
            Kind.ORDER_REJECTED,
            "the broker's books show that it did not happen",
            account=account.name,
            key=change.key,
        )
    return "done" if change.state == "done" else "in_doubt"


def _released(symbol: str, leg: GttLeg) -> OrderTerms:
    return OrderTerms(
        symbol=symbol,
        side=leg.side,
        quantity=leg.quantity,
        type=leg.type,
        product=leg.product,
        price=leg.price,
    )


def _shown(account: str, row: BrokerGtt) -> Gtt:
    return Gtt(
        gtt_id=row.broker_gtt_id,
        account=account,
        status=row.status,
        symbol=row.symbol,
        legs=row.legs,
        placed_order_ids=row.placed_order_ids,
        status_message=row.status_message,
        created_at=row.created_at,
        updated_at=row.updated_at,
        expires_at=row.expires_at,
    )


def methods(parts: Parts) -> Iterable[Method]:
    gtts = _Gtts(parts)
    leg = {"trigger_price": 1000, "side": "SELL", "quantity": 1, "price": 1000}
    gtt = {"account": "paper", "key": "gtt-1", "symbol": "NSE:INFY", "legs": [leg]}
    done = {"change": "done", "replayed": False}
    writes: tuple[tuple[str, str, Any, Any, Any, dict[str, Any]], ...] = (
        (
            "gtt.place",
            "Leave a price condition that places an order.",
            PlaceGtt,
            GttAnswer,
            gtts.place,
            gtt,
        ),
        (
            "gtt.modify",
            "Change a condition and its order, whole.",
            ModifyGtt,
            GttAnswer,
            gtts.modify,
            {**gtt, "key": "gtt-2", "gtt_id": "1", "legs": [{**leg, "trigger_price": 1010}]},
        ),
        (
            "gtt.cancel",
            "Take a condition back.",
            CancelGtt,
            GttAnswer,
            gtts.cancel,
            {"account": "paper", "key": "gtt-3", "gtt_id": "1"},
        ),
        (
            "portfolio.convert",
            "Change the product of a position.",
            Convert,
            ConvertAnswer,
            gtts.convert,
            {
                "account": "paper",
                "key": "convert-1",
                "symbol": "NSE:INFY",
                "side": "BUY",
                "quantity": 1,
                "from_product": "CNC",
                "to_product": "MIS",
            },
        ),
    )
    for name, summary, params, result, run, given in writes:
        yield Method(
            name=name,
            role=Role.TRADE,
            summary=summary,
            params=params,
            result=result,
            run=run,
            changes=True,
            errors=PLACE_KINDS,
            examples=(Example(given, done),),
        )
    yield Method(
        name="gtt.list",
        role=Role.READ,
        summary="The conditions an account has at its broker.",
        params=ListGtts,
        result=Gtts,
        run=gtts.list_gtts,
        errors=(Kind.UNKNOWN_ACCOUNT, Kind.UNSUPPORTED, Kind.BROKER_UNAVAILABLE),
        examples=(Example({"account": "paper"}, {}),),
    )
