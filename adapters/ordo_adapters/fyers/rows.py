"""FYERS' answers, field for field as far as they are read, and what they are in our words."""

from collections.abc import Callable
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, TypeVar

from msgspec import Struct, field

from ordo_adapters.fyers.tables import (
    CHANGED,
    EXCHANGE,
    FAULTS,
    FOREIGN_PRODUCTS,
    GTT_STATUS,
    IN_LOTS,
    PRODUCT,
    SIDE,
    STATUS,
    TYPE,
    VALIDITY,
)
from ordod.adapter import (
    IST,
    BrokerError,
    BrokerGtt,
    BrokerOrder,
    Candle,
    Depth,
    Fault,
    Faults,
    Fill,
    Funds,
    GttLeg,
    Holding,
    HttpResponse,
    Instrument,
    Instruments,
    Level,
    OrderType,
    Position,
    Product,
    Quote,
    Rows,
    Status,
    Variety,
    amount,
    decimal,
    from_json,
    identifier,
    ist_datetime,
    masked,
    read_rows,
    shaped,
    units,
)

__all__ = [
    "DepthRow",
    "FundRow",
    "GttRow",
    "HoldingRow",
    "MarginRow",
    "OrderRow",
    "PositionRow",
    "Profile",
    "QuoteRow",
    "TradeRow",
    "envelope",
    "instant",
    "order_id",
    "placed_id",
    "read",
    "read_candle",
    "read_depth",
    "read_funds",
    "read_gtt",
    "read_holding",
    "read_list",
    "read_order",
    "read_position",
    "read_quote",
    "read_trade",
    "units_in_lot",
]

T = TypeVar("T")
U = TypeVar("U")


# The envelope (fyers.md 3)


def envelope(
    response: HttpResponse,
    faults: Faults = FAULTS,
    *,
    yes: tuple[str, ...] = ("ok",),
    rows: str | None = None,
) -> dict[str, Any]:
    """The whole JSON of a success; a 201 in it is none.

    Raises:
        BrokerError: what `faults` says of a refusal; UNREADABLE and never sure where the answer is not FYERS' envelope, unless
            its status alone has a meaning (502 with a page of HTML). Such a body is never quoted.
    """
    said = from_json(response.body, rows=rows)
    match said:
        case {"s": str(word)} if word in yes and response.status == 200 and said.get("code") != 201:
            return dict(said)
        case {"s": str(), "code": int(code), **rest}:
            raise faults.error(response.status, str(code), masked(str(rest.get("message", ""))))
        case _:
            row = faults.find(response.status, "", "")
            raise BrokerError(
                row.fault if row else Fault.UNREADABLE,
                f"HTTP {response.status} without FYERS' envelope ({len(response.body)} bytes)",
            )


def read(response: HttpResponse, name: str, shape: type[T], faults: Faults = FAULTS) -> T:
    """What stands under this name in a success. Raises BrokerError."""
    return shaped(envelope(response, faults).get(name), shape)


def read_list(
    response: HttpResponse,
    name: str,
    shape: type[U],
    convert: Callable[[U], T],
    last: Rows[T] | None = None,
) -> Rows[T]:
    """A list in a success, row by row."""
    listed = shaped(envelope(response, rows=name).get(name), list[Any])
    return read_rows(listed, shape, convert, last)


class Changed(Struct):
    code: int
    id: str


def order_id(response: HttpResponse) -> str:
    """The order of a success of place, modify or cancel: a code that says done, and an id (fyers.md 4.2)."""
    answer = shaped(envelope(response), Changed)
    if answer.code not in CHANGED or not answer.id:
        raise BrokerError(
            Fault.UNREADABLE, f"a success of code {answer.code} with the order id {answer.id!r}"
        )
    return answer.id


def placed_id(response: HttpResponse) -> str:
    """As `order_id`. A refusal that names an order is no sure one: the book has it, REJECTED or not (fyers.md 4.2, -99)."""
    try:
        return order_id(response)
    except BrokerError as error:
        match from_json(response.body):
            case {"id": str(named)} if named:
                raise BrokerError(error.fault, error.message, code=error.code) from None
        raise


class Profile(Struct):
    """`GET /profile` (fyers.md 6)."""

    fy_id: str


# Orders and trades (fyers.md 5)


class Contracted(Struct):
    """What rows name a contract by."""

    exchange: int
    segment: int
    symbol: str


class OrderRow(Contracted):
    """One row of `GET /orders`."""

    id: str
    status: int
    type: int
    side: int
    product: str = field(name="productType")
    quantity: Decimal = field(name="qty")  # units; lots on MCX and CDS, as every quantity below
    filled: Decimal = field(name="filledQty")
    average_price: Decimal = field(name="tradedPrice")
    limit_price: Decimal = field(name="limitPrice")  # rupees; 0: none
    stop_price: Decimal = field(name="stopPrice")
    validity: str = field(name="orderValidity")
    at: str = field(name="orderDateTime")
    is_amo: bool = field(name="offlineOrder", default=False)
    tag: str | None = field(name="orderTag", default=None)
    disclosed: Decimal = field(name="disclosedQty", default=Decimal(0))
    message: str | None = None
    exchange_order_id: str | None = field(name="exchOrdId", default=None)
    parent_id: str | None = field(name="parentId", default=None)


def read_order(row: OrderRow, instruments: Instruments) -> BrokerOrder:
    contract = _Contract(row, instruments)
    quantity, filled = contract.units(row.quantity), contract.units(row.filled)
    kind = TYPE.read(str(row.type))
    return BrokerOrder(
        broker_order_id=identifier(row.id),
        status=_status(row.status, kind, quantity, filled),
        symbol=contract.symbol,
        side=SIDE.read(str(row.side)),
        quantity=quantity,
        type=kind,
        product=_product(row.product),
        validity=VALIDITY.read(row.validity),
        variety=_variety(row),
        price=amount(row.limit_price),
        trigger_price=amount(row.stop_price),
        disclosed_quantity=contract.units(row.disclosed) or None,
        filled_quantity=filled,
        average_price=amount(row.average_price),
        status_message=row.message or None,
        exchange_order_id=row.exchange_order_id or None,
        parent_order_id=row.parent_id or None,
        tags=_tags(row.tag),
        placed_at=_time(row.at),
    )


class TradeRow(Contracted):
    """One row of `GET /tradebook`."""

    id: str = field(name="orderNumber")
    trade_id: str = field(name="tradeNumber")
    side: int
    product: str = field(name="productType")
    quantity: Decimal = field(name="tradedQty")
    price: Decimal = field(name="tradePrice")
    at: str = field(name="orderDateTime")
    exchange_order_id: str | None = field(name="exchangeOrderNo", default=None)


def read_trade(row: TradeRow, instruments: Instruments) -> Fill:
    contract = _Contract(row, instruments)
    return Fill(
        trade_id=identifier(row.trade_id),
        broker_order_id=identifier(row.id),
        symbol=contract.symbol,
        side=SIDE.read(str(row.side)),
        quantity=contract.units(row.quantity),
        price=decimal(row.price),
        product=_product(row.product),
        at=_time(row.at),
        exchange_order_id=row.exchange_order_id or None,
    )


def _status(code: int, kind: OrderType, quantity: int, filled: int) -> Status:
    """FYERS has one word for all that lives at the exchange; whether a stop has fired it does not tell (fyers.md 5)."""
    status = STATUS.read(str(code))
    if status is not Status.OPEN:
        return status
    if filled:
        return Status.PARTIALLY_FILLED
    return Status.TRIGGER_PENDING if kind in {OrderType.SL, OrderType.SL_M} else Status.OPEN


def _variety(row: OrderRow) -> Variety | None:
    if row.product in FOREIGN_PRODUCTS:
        return None
    return Variety.AMO if row.is_amo else Variety.REGULAR


def _tags(shown: str | None) -> tuple[str, ...]:
    """`1:<tag>` of a client's, `2:Untagged` without one (fyers.md 4.4)."""
    mark, _, tag = (shown or "").partition(":")
    return (tag,) if mark == "1" and tag else ()


# GTT (fyers.md 4.7)


class GttRow(Contracted):
    """One row of `GET /gtt/orders`; the second leg counts in an OCO only."""

    id: str
    report_type: str
    tran_side: int
    product_type: str
    gtt_oco_ind: int  # 1 GTT, 2 OCO
    qty: Decimal
    price_limit: Decimal
    price_trigger: Decimal
    create_time: str
    qty2: Decimal = Decimal(0)
    price2_limit: Decimal = Decimal(0)
    price2_trigger: Decimal = Decimal(0)
    oms_msg: str | None = None


def read_gtt(row: GttRow, instruments: Instruments) -> BrokerGtt:
    contract = _Contract(row, instruments)
    legs = [(row.price_trigger, row.price_limit, row.qty)]
    if row.gtt_oco_ind == 2:
        legs.append((row.price2_trigger, row.price2_limit, row.qty2))
    return BrokerGtt(
        broker_gtt_id=identifier(row.id),
        status=GTT_STATUS.read(row.report_type),
        symbol=contract.symbol,
        legs=tuple(
            GttLeg(
                trigger_price=decimal(trigger),
                side=SIDE.read(str(row.tran_side)),
                quantity=contract.units(quantity),
                price=decimal(price),
                product=PRODUCT.read(row.product_type),
            )
            for trigger, price, quantity in sorted(legs)
        ),
        status_message=row.oms_msg or None,
        created_at=_time(row.create_time),
    )


# Portfolio (fyers.md 6)


class PositionRow(Contracted):
    """One row of `GET /positions`."""

    product: str = field(name="productType")
    quantity: Decimal = field(name="netQty")  # signed
    average_price: Decimal = field(name="netAvg")
    last_price: Decimal = field(name="ltp")
    pnl: Decimal = field(name="pl")
    realized_profit: Decimal
    unrealized_profit: Decimal
    buy_quantity: Decimal = field(name="buyQty")
    buy_value: Decimal = field(name="buyVal")
    sell_quantity: Decimal = field(name="sellQty")
    sell_value: Decimal = field(name="sellVal")
    carried_buy: Decimal = field(name="cfBuyQty", default=Decimal(0))
    carried_sell: Decimal = field(name="cfSellQty", default=Decimal(0))


def read_position(row: PositionRow, instruments: Instruments) -> Position:
    contract = _Contract(row, instruments)
    return Position(
        symbol=contract.symbol,
        product=_product(row.product),
        quantity=contract.units(row.quantity),
        overnight_quantity=contract.units(row.carried_buy - row.carried_sell),
        average_price=amount(row.average_price),
        last_price=amount(row.last_price),
        pnl=decimal(row.pnl),
        realised=decimal(row.realized_profit),
        unrealised=decimal(row.unrealized_profit),
        buy_quantity=contract.units(row.buy_quantity),
        buy_value=decimal(row.buy_value),
        sell_quantity=contract.units(row.sell_quantity),
        sell_value=decimal(row.sell_value),
    )


class HoldingRow(Contracted):
    """One row of `GET /holdings`; shares not settled yet may stand in a row of their own, of type T1."""

    quantity: Decimal
    cost_price: Decimal = field(name="costPrice")
    last_price: Decimal = field(name="ltp")
    pnl: Decimal = field(name="pl")
    kind: str = field(name="holdingType")
    t1: Decimal = field(name="qty_t1", default=Decimal(0))
    collateral: Decimal = field(name="collateralQuantity", default=Decimal(0))
    isin: str | None = None


def read_holding(row: HoldingRow, instruments: Instruments) -> Holding:
    contract = _Contract(row, instruments)
    quantity = contract.units(row.quantity)
    return Holding(
        symbol=contract.symbol,
        isin=row.isin or None,
        quantity=quantity,
        t1_quantity=quantity if row.kind == "T1" else contract.units(row.t1),
        collateral_quantity=contract.units(row.collateral),
        average_price=amount(row.cost_price),
        last_price=amount(row.last_price),
        pnl=decimal(row.pnl),
    )


class FundRow(Struct):
    """One row of `GET /funds`: 2 used, 3 clear balance, 5 collateral, 9 at the start of the day, 10 available."""

    id: int
    equity: Decimal = field(name="equityAmount")
    commodity: Decimal = field(name="commodityAmount")


def read_funds(rows: list[FundRow]) -> tuple[Funds, ...]:
    by_id = {row.id: row for row in rows}
    if missing := {2, 3, 5, 9, 10} - by_id.keys():
        raise BrokerError(Fault.UNREADABLE, f"funds without rows {sorted(missing)}")
    return tuple(
        Funds(
            segment=segment,
            available=decimal(getattr(by_id[10], segment)),
            cash=decimal(getattr(by_id[3], segment)),
            used=decimal(getattr(by_id[2], segment)),
            collateral=decimal(getattr(by_id[5], segment)),
            opening=decimal(getattr(by_id[9], segment)),
        )
        for segment in ("equity", "commodity")
    )


class MarginRow(Struct):
    """`data` of `POST /multiorder/margin`."""

    available: Decimal = field(name="margin_avail")
    needed: Decimal = field(name="margin_new_order")


# Market data (fyers.md 7)


class QuoteRow(Struct):
    """`v` of one quote."""

    lp: Decimal
    tt: int | None = None  # epoch seconds
    open_price: Decimal | None = None
    high_price: Decimal | None = None
    low_price: Decimal | None = None
    prev_close_price: Decimal | None = None
    atp: Decimal | None = None
    volume: Decimal | None = None


def read_quote(instrument: Instrument, row: QuoteRow) -> Quote:
    return Quote(
        symbol=instrument.symbol,
        last_price=decimal(row.lp),
        at=instant(row.tt) if row.tt else None,
        open_price=amount(row.open_price),
        high_price=amount(row.high_price),
        low_price=amount(row.low_price),
        close_price=amount(row.prev_close_price),
        average_price=amount(row.atp),
        volume=_maybe(row.volume, instrument),
    )


class LevelRow(Struct):
    price: Decimal
    volume: Decimal
    ord: int


class DepthRow(Struct):
    """One value of `GET /depth`: plural `bids`, singular `ask`; `c` is the previous day's."""

    ltp: Decimal
    bids: list[LevelRow]
    ask: list[LevelRow]
    ltt: int | None = None
    o: Decimal | None = None
    h: Decimal | None = None
    l: Decimal | None = None  # noqa: E741 - FYERS' name
    c: Decimal | None = None
    v: Decimal | None = None
    atp: Decimal | None = None
    oi: Decimal | None = None
    lower_ckt: Decimal | None = None
    upper_ckt: Decimal | None = None


def read_depth(row: DepthRow, instrument: Instrument) -> Quote:
    size = units_in_lot(instrument)

    def levels(rows: list[LevelRow]) -> tuple[Level, ...]:
        return tuple(
            Level(decimal(one.price), units(one.volume) * (size or 1), one.ord)
            for one in rows
            if one.volume
        )

    return Quote(
        symbol=instrument.symbol,
        last_price=decimal(row.ltp),
        at=instant(row.ltt) if row.ltt else None,
        open_price=amount(row.o),
        high_price=amount(row.h),
        low_price=amount(row.l),
        close_price=amount(row.c),
        average_price=amount(row.atp),
        volume=_maybe(row.v, instrument),
        oi=_maybe(row.oi, instrument),
        lower_circuit=amount(row.lower_ckt),
        upper_circuit=amount(row.upper_ckt),
        depth=Depth(levels(row.bids), levels(row.ask)) if size else None,
    )


def read_candle(value: Any, size: int, *, is_daily: bool) -> Candle:
    """`[epoch seconds, open, high, low, close, volume]`, with open interest a seventh; a day's is its date's midnight."""
    match value:
        case [int(at), open_, high, low, close, volume, *oi]:
            begins = instant(at)
            return Candle(
                at=datetime.combine(begins.date(), time(), IST) if is_daily else begins,
                open=decimal(open_),
                high=decimal(high),
                low=decimal(low),
                close=decimal(close),
                volume=units(volume) * size,
                oi=units(oi[0]) * size if oi else None,
            )
        case _:
            raise BrokerError(Fault.UNREADABLE, f"not a candle: {value!r}"[:200])


# Contracts, lots and single fields


class _Contract:
    """A row's contract: its name, and how many units one of FYERS' quantities is."""

    def __init__(self, row: Contracted, instruments: Instruments) -> None:
        exchange = EXCHANGE.read(f"{row.exchange}:{row.segment}")
        instrument = instruments.by_broker_symbol(exchange, row.symbol)
        theirs = row.symbol.partition(":")[2] or row.symbol
        self.symbol = instrument.symbol if instrument else f"{exchange}:{theirs}"
        self._size = 1
        if exchange in IN_LOTS:
            size = instrument.lot_size if instrument else None
            if size is None:
                raise BrokerError(
                    Fault.UNREADABLE,
                    f"{self.symbol}: a quantity in lots, and no table tells how many units a lot has",
                )
            self._size = size

    def units(self, quantity: Decimal) -> int:
        return units(quantity) * self._size


def units_in_lot(instrument: Instrument) -> int | None:
    """How many units one of FYERS' quantities is; None: not known."""
    return instrument.lot_size if instrument.exchange in IN_LOTS else 1


def _maybe(value: Decimal | None, instrument: Instrument) -> int | None:
    size = units_in_lot(instrument)
    return None if value is None or size is None else units(value) * size


def _product(word: str) -> Product | None:
    return None if word in FOREIGN_PRODUCTS else PRODUCT.read(word)


def _time(text: str) -> datetime:
    return ist_datetime(text, "%d-%b-%Y %H:%M:%S")


def instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).astimezone(IST)
