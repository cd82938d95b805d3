"""Dhan's answers, field for field, and what they are in our words. Quantities are units everywhere (dhan.md 4.2)."""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from msgspec import Struct

from ordo_adapters.dhan.tables import (
    EMPTY,
    FAULTS,
    FOREIGN_PRODUCTS,
    GTT_STATUS,
    PRODUCT,
    SEGMENT,
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
    Exchange,
    Fault,
    Faults,
    Fill,
    Funds,
    GttLeg,
    GttStatus,
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
    decimal,
    from_json,
    identifier,
    ist_datetime,
    read_rows,
    shaped,
    units,
)

__all__ = [
    "Accepted",
    "BasketMargin",
    "Candles",
    "FundLimit",
    "GttRow",
    "HoldingRow",
    "OneMargin",
    "OrderRow",
    "PositionRow",
    "Profile",
    "QuoteRow",
    "Quoted",
    "TokenAnswer",
    "TradeRow",
    "data_of",
    "gtt_groups",
    "read",
    "read_candles",
    "read_funds",
    "read_gtt",
    "read_holding",
    "read_list",
    "read_order",
    "read_position",
    "read_quote",
    "read_trade",
]

T = TypeVar("T")
U = TypeVar("U")

TOKENS = re.compile(r"[A-Za-z0-9_.-]{32,}")  # a JWT has hundreds; a tag at most 30, an order id 15
OKAY = range(200, 203)


# The envelope, or its absence (dhan.md 3)


def data_of(
    response: HttpResponse,
    faults: Faults = FAULTS,
    secret: re.Pattern[str] = TOKENS,
    *,
    rows: str | None = None,
) -> Any:
    """A success's JSON, which has no envelope. What matches `secret` is masked in a refusal's words.

    Raises:
        BrokerError: what `faults` says of a refusal, in either of its shapes; sure at most where the status is 400 to 499.
            UNREADABLE where the answer is neither, unless its status alone has a meaning. Such a body is never quoted.
    """
    value = from_json(response.body, rows=rows)
    refusal = _refusal(value)
    if refusal is not None:
        code, message = refusal
        error = faults.error(response.status, code, secret.sub("***", message))
        error.sure = error.sure and 400 <= response.status < 500
        raise error
    if response.status in OKAY and isinstance(value, dict | list):
        return value
    row = faults.find(response.status, "", "")
    raise BrokerError(
        row.fault if row and response.status not in OKAY else Fault.UNREADABLE,
        f"HTTP {response.status} without an answer of Dhan's ({len(response.body)} bytes)",
    )


def _refusal(value: Any) -> tuple[str, str] | None:
    """Code and words of a refusal: the trading APIs', the data APIs' (the code is a key), the auth host's."""
    match value:
        case {"errorCode": str(code), **rest}:
            return code, str(rest.get("errorMessage") or rest.get("errorType") or code)
        case {"status": "failed", "data": dict(said)} if said:
            code, message = next(iter(said.items()))
            return str(code), str(message)
        case {"status": "error" | "failed" | "failure", **rest}:
            return "", str(rest.get("message") or rest.get("remarks") or "no reason given")
        case _:
            return None


def read(response: HttpResponse, shape: type[T]) -> T:
    """A success, as this shape."""
    return shaped(data_of(response), shape)


def read_list(
    response: HttpResponse,
    shape: type[U],
    convert: Callable[[U], T],
    last: Rows[T] | None = None,
    *,
    may_lack: bool = False,
) -> Rows[T]:
    """A success, a list, row by row. `may_lack`: where Dhan says that there is none, it is empty (dhan.md 3)."""
    try:
        return read_rows(shaped(data_of(response, rows=""), list[Any]), shape, convert, last)
    except BrokerError as error:
        if may_lack and error.code in EMPTY:
            return Rows(())
        raise


class Row(Struct, rename="camel"):
    """Dhan's spelling."""


class Profile(Row):
    """`GET /profile` (dhan.md 2.6)."""

    dhan_client_id: str
    token_validity: str = ""  # dd/MM/yyyy HH:mm, IST


class TokenAnswer(Row):
    """A new token (dhan.md 2.1)."""

    dhan_client_id: str
    access_token: str
    expiry_time: str | None = None  # IST


class Accepted(Row):
    """Place, modify and cancel, of orders and of forever orders (dhan.md 4)."""

    order_id: str
    order_status: str = ""


# Orders and trades (dhan.md 5)


class OrderRow(Row):
    """One row of `GET /orders`."""

    order_id: str
    order_status: str
    transaction_type: str
    exchange_segment: str
    product_type: str
    order_type: str
    security_id: str
    quantity: Decimal
    filled_qty: Decimal
    validity: str | None = None
    trading_symbol: str | None = None
    correlation_id: str | None = None
    price: Decimal | None = None  # rupees; 0 and null: none, as in the prices below
    trigger_price: Decimal | None = None
    average_traded_price: Decimal | None = None
    disclosed_quantity: Decimal | None = None
    after_market_order: bool | None = None
    exchange_order_id: str | None = None
    create_time: str | None = None
    update_time: str | None = None
    oms_error_description: str | None = None


def read_order(row: OrderRow, instruments: Instruments) -> BrokerOrder:
    kind = TYPE.read(row.order_type)
    at_exchange = _text(row.exchange_order_id)
    return BrokerOrder(
        broker_order_id=identifier(row.order_id),
        status=_status(row, kind, at_exchange),
        symbol=_symbol(row.exchange_segment, row.security_id, row.trading_symbol, instruments),
        side=SIDE.read(row.transaction_type),
        quantity=units(row.quantity),
        type=kind,
        product=_product(row.product_type),
        validity=VALIDITY.read(row.validity) if row.validity else None,
        variety=Variety.AMO if row.after_market_order else Variety.REGULAR,
        price=_amount(row.price),
        trigger_price=_amount(row.trigger_price),
        disclosed_quantity=units(row.disclosed_quantity) if row.disclosed_quantity else None,
        filled_quantity=units(row.filled_qty),
        average_price=_amount(row.average_traded_price),
        status_message=_text(row.oms_error_description),
        exchange_order_id=at_exchange,
        tags=(row.correlation_id,) if row.correlation_id else (),
        placed_at=_time(row.create_time),
        updated_at=_time(row.update_time),
    )


def _status(row: OrderRow, kind: OrderType, at_exchange: str | None) -> Status:
    """PENDING says no more than that the exchange has it: type and fills tell the rest (dhan.md 5)."""
    status = STATUS.read(row.order_status)
    if status is not Status.OPEN:
        return status
    if 0 < row.filled_qty < row.quantity:
        return Status.PARTIALLY_FILLED
    if row.after_market_order and at_exchange is None:
        return Status.PENDING  # parked until the market opens
    return Status.TRIGGER_PENDING if kind in {OrderType.SL, OrderType.SL_M} else Status.OPEN


class TradeRow(Row):
    """One row of `GET /trades`."""

    order_id: str
    exchange_trade_id: str
    transaction_type: str
    exchange_segment: str
    product_type: str
    security_id: str
    traded_quantity: Decimal
    traded_price: Decimal
    exchange_time: str
    trading_symbol: str | None = None
    exchange_order_id: str | None = None


def read_trade(row: TradeRow, instruments: Instruments) -> Fill:
    return Fill(
        trade_id=identifier(row.exchange_trade_id),
        broker_order_id=identifier(row.order_id),
        symbol=_symbol(row.exchange_segment, row.security_id, row.trading_symbol, instruments),
        side=SIDE.read(row.transaction_type),
        quantity=units(row.traded_quantity),
        price=decimal(row.traded_price),
        product=_product(row.product_type),
        at=ist_datetime(row.exchange_time),
        exchange_order_id=_text(row.exchange_order_id),
    )


# Forever orders (dhan.md 4.6)


class GttRow(Row):
    """One leg of `GET /forever/orders`; the two legs of an OCO share the order id. What the order will be is not told."""

    order_id: str
    order_status: str
    transaction_type: str
    exchange_segment: str
    product_type: str
    security_id: str
    quantity: Decimal
    trigger_price: Decimal
    price: Decimal = Decimal(0)  # 0: a market order
    trading_symbol: str | None = None
    leg_name: str | None = None
    create_time: str | None = None
    update_time: str | None = None


def gtt_groups(rows: Iterable[Any]) -> Iterator[list[Any]]:
    """The legs of each forever order, by ascending trigger where they can be told."""
    groups: dict[Any, list[Any]] = {}
    for place, row in enumerate(rows):
        name = row.get("orderId") if isinstance(row, dict) else place
        groups.setdefault(str(name), []).append(row)
    return iter(groups.values())


_FATE = (  # of legs that ended differently the first of these names the whole
    GttStatus.ACTIVE,
    GttStatus.TRIGGERED,
    GttStatus.REJECTED,
    GttStatus.EXPIRED,
    GttStatus.CANCELLED,
)


def read_gtt(rows: list[GttRow], instruments: Instruments) -> BrokerGtt:
    first, *_ = rows
    legs = sorted(rows, key=lambda row: row.trigger_price)
    return BrokerGtt(
        broker_gtt_id=identifier(first.order_id),
        status=min((GTT_STATUS.read(row.order_status) for row in rows), key=_FATE.index),
        symbol=_symbol(
            first.exchange_segment, first.security_id, first.trading_symbol, instruments
        ),
        legs=tuple(
            GttLeg(
                trigger_price=decimal(row.trigger_price),
                side=SIDE.read(row.transaction_type),
                quantity=units(row.quantity),
                price=decimal(row.price),
                type=OrderType.LIMIT if row.price else OrderType.MARKET,
                product=PRODUCT.read(row.product_type),
            )
            for row in legs
        ),
        created_at=_time(first.create_time),
        updated_at=_time(first.update_time),
    )


# Portfolio (dhan.md 6)


class PositionRow(Row):
    """One row of `GET /positions`; closed ones too."""

    exchange_segment: str
    security_id: str
    product_type: str
    net_qty: Decimal  # signed
    buy_qty: Decimal
    sell_qty: Decimal
    cost_price: Decimal
    realized_profit: Decimal
    unrealized_profit: Decimal
    carry_forward_buy_qty: Decimal
    carry_forward_sell_qty: Decimal
    carry_forward_buy_value: Decimal
    carry_forward_sell_value: Decimal
    day_buy_value: Decimal
    day_sell_value: Decimal
    multiplier: Decimal = Decimal(1)
    trading_symbol: str | None = None


MEASURED = frozenset(
    {"MCX_COMM", "NSE_CURRENCY", "BSE_CURRENCY"}
)  # where a lot has units of its own


def read_position(row: PositionRow, instruments: Instruments) -> Position:
    symbol = _symbol(row.exchange_segment, row.security_id, row.trading_symbol, instruments)
    if row.exchange_segment in MEASURED and row.multiplier != 1:
        raise BrokerError(
            Fault.UNREADABLE,
            f"{symbol}: a multiplier of {row.multiplier}, and whether it counts lots is not known",
        )
    realised, unrealised = decimal(row.realized_profit), decimal(row.unrealized_profit)
    return Position(
        symbol=symbol,
        product=_product(row.product_type),
        quantity=units(row.net_qty),
        overnight_quantity=units(row.carry_forward_buy_qty) - units(row.carry_forward_sell_qty),
        average_price=_amount(row.cost_price),
        pnl=realised + unrealised,
        realised=realised,
        unrealised=unrealised,
        buy_quantity=units(row.buy_qty),
        buy_value=decimal(row.day_buy_value + row.carry_forward_buy_value),
        sell_quantity=units(row.sell_qty),
        sell_value=decimal(row.day_sell_value + row.carry_forward_sell_value),
    )


class HoldingRow(Row):
    """One row of `GET /holdings`. `exchange` is mostly `ALL`."""

    exchange: str
    trading_symbol: str
    security_id: str
    total_qty: Decimal
    t1_qty: Decimal
    collateral_qty: Decimal
    avg_cost_price: Decimal
    isin: str | None = None
    last_traded_price: Decimal | None = None


def read_holding(row: HoldingRow, instruments: Instruments) -> Holding:
    return Holding(
        symbol=_held(row, instruments),
        isin=_text(row.isin),
        quantity=units(row.total_qty),
        t1_quantity=units(row.t1_qty),
        collateral_quantity=units(row.collateral_qty),
        average_price=_amount(row.avg_cost_price),
        last_price=_amount(row.last_traded_price),
    )


def _held(row: HoldingRow, instruments: Instruments) -> str:
    """Shares in demat are of no exchange; an id names its share on the one exchange where the symbol fits too."""
    exchanges = (
        [Exchange(row.exchange)] if row.exchange in {"NSE", "BSE"} else [Exchange.NSE, Exchange.BSE]
    )
    for exchange in exchanges:
        instrument = instruments.by_token(f"{SEGMENT.write(exchange)}:{row.security_id}")
        if instrument and row.trading_symbol == instrument.broker_symbol:
            return instrument.symbol
    return f"{exchanges[0]}:{row.trading_symbol}"


class FundLimit(Row):
    """`GET /fundlimit`. The misspelling is Dhan's."""

    availabel_balance: Decimal
    utilized_amount: Decimal
    collateral_amount: Decimal
    sod_limit: Decimal


def read_funds(row: FundLimit) -> Funds:
    return Funds(
        segment="all",
        available=decimal(row.availabel_balance),
        used=decimal(row.utilized_amount),
        collateral=decimal(row.collateral_amount),
        opening=decimal(row.sod_limit),
    )


class OneMargin(Row):
    """`POST /margincalculator`."""

    total_margin: Decimal
    available_balance: Decimal
    brokerage: Decimal | None = None  # the broker's part of the charges alone


class BasketMargin(Struct):
    """`POST /margincalculator/multi`: numbers as text."""

    total_margin: Decimal


# Market data (dhan.md 7)


class Ohlc(Struct):
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


class LevelRow(Struct):
    price: Decimal
    quantity: Decimal
    orders: int


class DepthRow(Struct):
    buy: list[LevelRow]
    sell: list[LevelRow]


class QuoteRow(Struct):
    """One contract of `/marketfeed/quote`; of `/marketfeed/ltp` the price alone."""

    last_price: Decimal
    ohlc: Ohlc | None = None
    last_trade_time: str | None = None
    volume: Decimal | None = None
    average_price: Decimal | None = None
    oi: Decimal | None = None
    lower_circuit_limit: Decimal | None = None
    upper_circuit_limit: Decimal | None = None
    depth: DepthRow | None = None


class Quoted(Struct):
    """Segment -> security id -> its prices."""

    data: dict[str, dict[str, Any]]


NEVER = "01/01/1980 00:00:00"


def read_quote(row: QuoteRow, instrument: Instrument) -> Quote:
    """Volume, interest and depth of a contract whose lot is in doubt are left out: they may be lots."""
    ohlc, at = row.ohlc, row.last_trade_time
    counts = instrument.lot_size is not None
    return Quote(
        symbol=instrument.symbol,
        last_price=decimal(row.last_price),
        at=ist_datetime(at, "%d/%m/%Y %H:%M:%S") if at and at != NEVER else None,
        open_price=_amount(ohlc.open) if ohlc else None,
        high_price=_amount(ohlc.high) if ohlc else None,
        low_price=_amount(ohlc.low) if ohlc else None,
        close_price=_amount(ohlc.close) if ohlc else None,
        volume=units(row.volume) if counts and row.volume is not None else None,
        average_price=_amount(row.average_price),
        oi=units(row.oi) if counts and row.oi is not None else None,
        lower_circuit=_amount(row.lower_circuit_limit),
        upper_circuit=_amount(row.upper_circuit_limit),
        depth=Depth(_levels(row.depth.buy), _levels(row.depth.sell))
        if counts and row.depth
        else None,
    )


def _levels(rows: list[LevelRow]) -> tuple[Level, ...]:
    return tuple(
        Level(decimal(row.price), units(row.quantity), row.orders) for row in rows if row.quantity
    )


class Candles(Struct):
    """Columns, one of each candle's numbers; timestamps are UTC seconds."""

    open: list[Decimal]
    high: list[Decimal]
    low: list[Decimal]
    close: list[Decimal]
    volume: list[Decimal]
    timestamp: list[Decimal]
    open_interest: list[Decimal] | None = None


def read_candles(columns: Candles) -> Iterator[Candle]:
    """Raises BrokerError: UNREADABLE where the columns differ in length."""
    count = len(columns.timestamp)
    interest: list[Any] = columns.open_interest or [None] * count
    values = (columns.open, columns.high, columns.low, columns.close, columns.volume, interest)
    if any(len(column) != count for column in values):
        raise BrokerError(Fault.UNREADABLE, "candles whose columns differ in length")
    for at, open_, high, low, close, volume, oi in zip(columns.timestamp, *values, strict=True):
        yield Candle(
            at=datetime.fromtimestamp(units(at), IST),
            open=decimal(open_),
            high=decimal(high),
            low=decimal(low),
            close=decimal(close),
            volume=units(volume),
            oi=None if oi is None else units(oi),
        )


# Single fields


def _symbol(segment: str, security_id: str, theirs: str | None, instruments: Instruments) -> str:
    """An id names its contract only within a segment (dhan.md 8)."""
    instrument = instruments.by_token(f"{segment}:{security_id}")
    if instrument:
        return instrument.symbol
    return f"{SEGMENT.read(segment)}:{theirs or security_id}"


def _product(word: str) -> Product | None:
    return None if word in FOREIGN_PRODUCTS else PRODUCT.read(word)


def _text(value: str | None) -> str | None:
    return None if value in {None, "", "NA"} else value


def _amount(value: Decimal | None) -> Decimal | None:
    """A price, where 0 and null mean that there is none."""
    return decimal(value) if value else None


def _time(text: str | None) -> datetime | None:
    """An instant; Dhan's year 1 is none, as with expiries (dhan.md 6)."""
    return ist_datetime(text) if text and not text.startswith("0001-") else None
