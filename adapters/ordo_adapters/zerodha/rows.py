"""Kite's answers, field for field, and what they are in our words."""

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from msgspec import Struct

from ordo_adapters.zerodha.tables import (
    EXCHANGE,
    FAULTS,
    FOREIGN_PRODUCTS,
    FOREIGN_VARIETIES,
    GTT_STATUS,
    IN_LOTS,
    PRODUCT,
    SIDE,
    STATUS,
    TYPE,
    VALIDITY,
    VARIETY,
)
from ordod.adapter import (
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
    read_rows,
    shaped,
    units,
)

__all__ = [
    "BasketMargin",
    "Candles",
    "GttAnswer",
    "GttRow",
    "HoldingRow",
    "LoginAnswer",
    "MarginRow",
    "Margins",
    "OrderAnswer",
    "OrderRow",
    "PositionRow",
    "Positions",
    "Profile",
    "QuoteRow",
    "SegmentFunds",
    "SessionAnswer",
    "TradeRow",
    "data_of",
    "read",
    "read_candle",
    "read_funds",
    "read_gtt",
    "read_holding",
    "read_list",
    "read_margins",
    "read_order",
    "read_position",
    "read_quote",
    "read_trade",
]

T = TypeVar("T")
U = TypeVar("U")

_TOKEN = re.compile(r"[A-Za-z0-9]{24,}")  # Kite's tokens have 32; an order id at most 19


# The envelope (zerodha.md 3)


def data_of(response: HttpResponse, faults: Faults = FAULTS, *, rows: str | None = None) -> Any:
    """The `data` of a success.

    Raises:
        BrokerError: what `faults` says of a refusal; UNREADABLE and never sure where the answer is not Kite's envelope, unless
            its status alone has a meaning (502 with a page of HTML). Such a body is never quoted.
    """
    match from_json(response.body, rows=rows):
        case {"status": "success", "data": data} if response.status == 200:
            return data
        case {"status": "error", "message": str(message), **rest}:
            code = rest.get("error_type")
            words = _TOKEN.sub("***", message)
            raise faults.error(response.status, code if isinstance(code, str) else "", words)
        case _:
            row = faults.find(response.status, "", "")
            raise BrokerError(
                row.fault if row else Fault.UNREADABLE,
                f"HTTP {response.status} without Kite's envelope ({len(response.body)} bytes)",
            )


def read(response: HttpResponse, shape: type[T], faults: Faults = FAULTS) -> T:
    """The `data` of a success, as this shape."""
    return shaped(data_of(response, faults), shape)


def read_list(
    response: HttpResponse, shape: type[U], convert: Callable[[U], T], last: Rows[T] | None = None
) -> Rows[T]:
    """The `data` of a success, a list, row by row."""
    return read_rows(shaped(data_of(response, rows="data"), list[Any]), shape, convert, last)


class Profile(Struct):
    """`GET /user/profile` (zerodha.md 2.3)."""

    user_id: str


class SessionAnswer(Struct):
    """`POST /session/token` (zerodha.md 2.1)."""

    user_id: str
    access_token: str


class LoginAnswer(Struct):
    """`POST /api/login` of the headless login (zerodha.md 2.2)."""

    request_id: str
    twofa_type: str


class OrderAnswer(Struct):
    """Place, modify and cancel (zerodha.md 4.1)."""

    order_id: str


class GttAnswer(Struct):
    """Place, modify and delete of a trigger (zerodha.md 4.7)."""

    trigger_id: int


# Orders and trades (zerodha.md 5)


class OrderRow(Struct):
    """One row of `GET /orders`, or one entry of a trail. Older rows lack what has a default here."""

    order_id: str
    status: str
    exchange: str
    tradingsymbol: str
    transaction_type: str
    order_type: str
    product: str
    variety: str
    quantity: Decimal  # units; lots on MCX, CDS, BCD, as every quantity below
    filled_quantity: Decimal
    price: Decimal | None  # rupees; 0 and null: none, as in the prices below
    trigger_price: Decimal | None
    average_price: Decimal | None
    order_timestamp: str
    validity: str
    disclosed_quantity: Decimal | None = None
    exchange_update_timestamp: str | None = None
    status_message: str | None = None
    status_message_raw: str | None = None
    exchange_order_id: str | None = None
    parent_order_id: str | None = None
    tag: str | None = None  # null on some market-protected orders
    tags: list[str] | None = None  # ours and Kite's own: mktp, autoslice ...


def read_order(row: OrderRow, instruments: Instruments) -> BrokerOrder:
    lots = _Contract(row.exchange, row.tradingsymbol, instruments)
    quantity, filled = lots.units(row.quantity), lots.units(row.filled_quantity)
    return BrokerOrder(
        broker_order_id=identifier(row.order_id),
        status=_status(row.status, quantity, filled),
        symbol=lots.symbol,
        side=SIDE.read(row.transaction_type),
        quantity=quantity,
        type=TYPE.read(row.order_type),
        product=_product(row.product),
        validity=VALIDITY.read(row.validity),
        variety=_variety(row.variety),
        price=amount(row.price),
        trigger_price=amount(row.trigger_price),
        disclosed_quantity=lots.units(row.disclosed_quantity) if row.disclosed_quantity else None,
        filled_quantity=filled,
        average_price=amount(row.average_price),
        status_message=row.status_message or row.status_message_raw or None,
        exchange_order_id=row.exchange_order_id or None,
        parent_order_id=row.parent_order_id or None,
        tags=tuple(dict.fromkeys(tag for tag in (row.tag, *(row.tags or ())) if tag)),
        placed_at=ist_datetime(row.order_timestamp),
        updated_at=_time(row.exchange_update_timestamp),
    )


class TradeRow(Struct):
    """One row of `GET /trades`. Its `order_timestamp` has no date and is not read."""

    trade_id: str
    order_id: str
    exchange: str
    tradingsymbol: str
    transaction_type: str
    product: str
    quantity: Decimal
    average_price: Decimal  # of this fill
    fill_timestamp: str
    exchange_order_id: str | None = None


def read_trade(row: TradeRow, instruments: Instruments) -> Fill:
    lots = _Contract(row.exchange, row.tradingsymbol, instruments)
    return Fill(
        trade_id=identifier(row.trade_id),
        broker_order_id=identifier(row.order_id),
        symbol=lots.symbol,
        side=SIDE.read(row.transaction_type),
        quantity=lots.units(row.quantity),
        price=decimal(row.average_price),
        product=_product(row.product),
        at=ist_datetime(row.fill_timestamp),
        exchange_order_id=row.exchange_order_id or None,
    )


def _status(word: str, quantity: int, filled: int) -> Status:
    """Kite has no word for a partial fill: the quantities tell (zerodha.md 5.1)."""
    status = STATUS.read(word)
    return Status.PARTIALLY_FILLED if status is Status.OPEN and 0 < filled < quantity else status


# GTT (zerodha.md 4.7)


class GttCondition(Struct):
    exchange: str
    tradingsymbol: str
    trigger_values: list[Decimal]


class GttOrderResult(Struct):
    order_id: str = ""
    rejection_reason: str | None = None


class GttResult(Struct):
    order_result: GttOrderResult | None = None


class GttOrder(Struct):
    transaction_type: str
    quantity: Decimal
    order_type: str
    product: str
    price: Decimal
    result: GttResult | None = None


class GttRow(Struct):
    """One row of `GET /gtt/triggers`. Order i belongs to trigger value i."""

    id: int
    status: str
    condition: GttCondition
    orders: list[GttOrder]
    created_at: str | None = None
    updated_at: str | None = None
    expires_at: str | None = None


def read_gtt(row: GttRow, instruments: Instruments) -> BrokerGtt:
    lots = _Contract(row.condition.exchange, row.condition.tradingsymbol, instruments)
    results = [
        order.result.order_result
        for order in row.orders
        if order.result and order.result.order_result
    ]
    return BrokerGtt(
        broker_gtt_id=str(row.id),
        status=GTT_STATUS.read(row.status),
        symbol=lots.symbol,
        legs=tuple(
            GttLeg(
                trigger_price=decimal(trigger),
                side=SIDE.read(order.transaction_type),
                quantity=lots.units(order.quantity),
                price=decimal(order.price),
                type=TYPE.read(order.order_type),
                product=PRODUCT.read(order.product),
            )
            for trigger, order in zip(row.condition.trigger_values, row.orders, strict=True)
        ),
        placed_order_ids=tuple(result.order_id for result in results if result.order_id),
        status_message=next((r.rejection_reason for r in results if r.rejection_reason), None),
        created_at=_time(row.created_at),
        updated_at=_time(row.updated_at),
        expires_at=_time(row.expires_at),
    )


# Portfolio (zerodha.md 6)


class PositionRow(Struct):
    """One row of `GET /portfolio/positions`. Values are rupees, the contract size in them."""

    exchange: str
    tradingsymbol: str
    product: str
    quantity: Decimal  # signed
    overnight_quantity: Decimal
    multiplier: Decimal  # units in a lot on MCX, CDS, BCD
    average_price: Decimal
    last_price: Decimal
    pnl: Decimal
    realised: Decimal
    unrealised: Decimal
    buy_quantity: Decimal
    buy_value: Decimal
    sell_quantity: Decimal
    sell_value: Decimal


class Positions(Struct):
    """`net` is what is held now; `day`, today's part of it, is not read."""

    net: list[Any]


def read_position(row: PositionRow, instruments: Instruments) -> Position:
    lots = _Contract(row.exchange, row.tradingsymbol, instruments)
    if lots.in_lots and row.multiplier != lots.size:
        raise BrokerError(
            Fault.UNREADABLE,
            f"{lots.symbol}: Kite says {row.multiplier} units in a lot, our table {lots.size}",
        )
    return Position(
        symbol=lots.symbol,
        product=_product(row.product),
        quantity=lots.units(row.quantity),
        overnight_quantity=lots.units(row.overnight_quantity),
        average_price=amount(row.average_price),
        last_price=amount(row.last_price),
        pnl=decimal(row.pnl),
        realised=decimal(row.realised),
        unrealised=decimal(row.unrealised),
        buy_quantity=lots.units(row.buy_quantity),
        buy_value=decimal(row.buy_value),
        sell_quantity=lots.units(row.sell_quantity),
        sell_value=decimal(row.sell_value),
    )


class HoldingRow(Struct):
    """One row of `GET /portfolio/holdings`. What was sold today is already taken off `quantity`."""

    exchange: str
    tradingsymbol: str
    quantity: Decimal
    t1_quantity: Decimal
    collateral_quantity: Decimal
    used_quantity: Decimal
    average_price: Decimal
    last_price: Decimal
    close_price: Decimal
    pnl: Decimal
    isin: str | None = None


def read_holding(row: HoldingRow, instruments: Instruments) -> Holding:
    lots = _Contract(row.exchange, row.tradingsymbol, instruments)
    t1, pledged = units(row.t1_quantity), units(row.collateral_quantity)
    return Holding(
        symbol=lots.symbol,
        isin=row.isin or None,
        quantity=units(row.quantity) + t1 + pledged,
        t1_quantity=t1,
        collateral_quantity=pledged,
        used_quantity=units(row.used_quantity),
        average_price=amount(row.average_price),
        last_price=amount(row.last_price),
        close_price=amount(row.close_price),
        pnl=decimal(row.pnl),
    )


class Available(Struct):
    live_balance: Decimal
    cash: Decimal
    collateral: Decimal
    opening_balance: Decimal


class Utilised(Struct):
    debits: Decimal


class SegmentFunds(Struct):
    """One segment of `GET /user/margins`. `available.live_balance` is free cash and margin together."""

    enabled: bool
    available: Available
    utilised: Utilised


class Margins(Struct):
    """`GET /user/margins`: one segment or both."""

    equity: SegmentFunds | None = None
    commodity: SegmentFunds | None = None


def read_margins(margins: Margins) -> tuple[Funds, ...]:
    segments = {"equity": margins.equity, "commodity": margins.commodity}
    if not any(segments.values()):
        raise BrokerError(Fault.UNREADABLE, "funds without a segment")
    return tuple(read_funds(name, row) for name, row in segments.items() if row and row.enabled)


def read_funds(segment: str, row: SegmentFunds) -> Funds:
    return Funds(
        segment=segment,
        available=decimal(row.available.live_balance),
        cash=decimal(row.available.cash),
        used=decimal(row.utilised.debits),
        collateral=decimal(row.available.collateral),
        opening=decimal(row.available.opening_balance),
    )


class Charges(Struct):
    total: Decimal


class MarginRow(Struct):
    """One order of `POST /margins/orders` (zerodha.md 6.4)."""

    total: Decimal
    charges: Charges


class BasketTotal(Struct):
    total: Decimal


class BasketMargin(Struct):
    """`POST /margins/basket`. `final` counts what the legs spare each other; the charges stand with the orders alone."""

    final: BasketTotal
    orders: list[MarginRow]


# Market data (zerodha.md 7)


class Ohlc(Struct):
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal  # the previous day's


class LevelRow(Struct):
    price: Decimal
    quantity: Decimal
    orders: int


class DepthRow(Struct):
    buy: list[LevelRow]
    sell: list[LevelRow]


class QuoteRow(Struct):
    """One value of the map that `/quote` or `/quote/ltp` answers. An index has no volume and no depth; ltp nothing but the price."""

    last_price: Decimal
    timestamp: str | None = None
    ohlc: Ohlc | None = None
    volume: Decimal | None = None
    average_price: Decimal | None = None
    oi: Decimal | None = None
    lower_circuit_limit: Decimal | None = None
    upper_circuit_limit: Decimal | None = None
    depth: DepthRow | None = None


def read_quote(value: Any, instrument: Instrument) -> Quote:
    row = shaped(value, QuoteRow)
    size = _lot(instrument)
    ohlc = row.ohlc
    return Quote(
        symbol=instrument.symbol,
        last_price=decimal(row.last_price),
        at=_time(row.timestamp),
        open_price=amount(ohlc.open) if ohlc else None,
        high_price=amount(ohlc.high) if ohlc else None,
        low_price=amount(ohlc.low) if ohlc else None,
        close_price=amount(ohlc.close) if ohlc else None,
        volume=None if row.volume is None or size is None else units(row.volume) * size,
        average_price=amount(row.average_price),
        oi=None if row.oi is None or size is None else units(row.oi) * size,
        lower_circuit=amount(row.lower_circuit_limit),
        upper_circuit=amount(row.upper_circuit_limit),
        depth=None
        if row.depth is None or size is None
        else Depth(_levels(row.depth.buy, size), _levels(row.depth.sell, size)),
    )


def _levels(rows: list[LevelRow], size: int) -> tuple[Level, ...]:
    return tuple(
        Level(decimal(row.price), units(row.quantity) * size, row.orders)
        for row in rows
        if row.quantity
    )


class Candles(Struct):
    candles: list[Any]


def read_candle(value: Any, instrument: Instrument) -> Candle:
    """`["2026-01-05T09:15:00+0530", open, high, low, close, volume]`, with `oi=1` a seventh (zerodha.md 7.2)."""
    size = _lot(instrument)
    if size is None:
        raise BrokerError(
            Fault.UNSUPPORTED,
            f"{instrument.symbol}: Kite counts its volume in lots, and no table tells how many units a lot has",
        )
    match value:
        case [str(at), open_, high, low, close, volume, *oi]:
            return Candle(
                at=_instant(at),
                open=decimal(open_),
                high=decimal(high),
                low=decimal(low),
                close=decimal(close),
                volume=units(volume) * size,
                oi=units(oi[0]) * size if oi else None,
            )
        case _:
            raise BrokerError(Fault.UNREADABLE, f"not a candle: {value!r}"[:200])


def _instant(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        raise BrokerError(Fault.UNREADABLE, f"not a time: {text!r}") from None


# Contracts, lots and single fields


class _Contract:
    """A row's contract: its name, and how many units one of Kite's quantities is."""

    def __init__(self, exchange: str, tradingsymbol: str, instruments: Instruments) -> None:
        ours = EXCHANGE.read(exchange)
        instrument = instruments.by_broker_symbol(ours, tradingsymbol)
        self.symbol = instrument.symbol if instrument else f"{ours}:{tradingsymbol}"
        self.size = 1
        self.in_lots = ours in IN_LOTS
        if self.in_lots:
            size = instrument.lot_size if instrument else None
            if size is None:
                raise BrokerError(
                    Fault.UNREADABLE,
                    f"{self.symbol}: a quantity in lots, and no table tells how many units a lot has",
                )
            self.size = size

    def units(self, quantity: Decimal) -> int:
        return units(quantity) * self.size


def _lot(instrument: Instrument) -> int | None:
    """How many units one of Kite's quantities is; None: not known."""
    return instrument.lot_size if instrument.exchange in IN_LOTS else 1


def _product(word: str) -> Product | None:
    return None if word in FOREIGN_PRODUCTS else PRODUCT.read(word)


def _variety(word: str) -> Variety | None:
    return None if word in FOREIGN_VARIETIES else VARIETY.read(word)


def _time(text: str | None) -> datetime | None:
    return ist_datetime(text) if text else None
