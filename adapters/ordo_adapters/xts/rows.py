"""XTS' answers, field for field as far as they are read, and what they are in our words (xts.md 3 to 7)."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from msgspec import Struct, field

from ordo_adapters.xts.tables import (
    EXCHANGE,
    FAULTS,
    FOREIGN_PRODUCTS,
    OPENS,
    PRODUCT,
    SIDE,
    STATUS,
    TYPE,
    UNCOUNTED,
    VALIDITY,
)
from ordod.adapter import (
    IST,
    BrokerError,
    BrokerOrder,
    Candle,
    Depth,
    Exchange,
    Fault,
    Faults,
    Fill,
    Funds,
    Holding,
    HttpResponse,
    Instrument,
    Instruments,
    Interval,
    Level,
    OrderType,
    Position,
    Product,
    Quote,
    Rows,
    Status,
    Validity,
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
    "FundsRow",
    "HoldingRow",
    "MarginRow",
    "OrderRow",
    "PositionRow",
    "QuoteRow",
    "TradeRow",
    "placed_id",
    "read_candle",
    "read_funds",
    "read_holding",
    "read_list",
    "read_order",
    "read_position",
    "read_quote",
    "read_trade",
    "result",
    "results",
]

T = TypeVar("T")
U = TypeVar("U")

_1980 = datetime(1980, 1, 1, tzinfo=IST)  # where the exchanges' clocks begin (xts.md 7)


# The envelope (xts.md 3)


def result(response: HttpResponse, faults: Faults = FAULTS, *, rows: str | None = None) -> Any:
    """`result` of a success. `type` decides: errors come with 400, and with 200 too.

    Raises:
        BrokerError: what `faults` says of a refusal; UNREADABLE and never sure where the answer is not XTS' envelope, unless its
            status alone has a meaning. Such a body is never quoted.
    """
    match from_json(response.body, rows=rows):
        case {"type": "success", "result": value} if response.status == 200:
            return value
        case {"type": "error", "description": str(words), **rest}:
            details = rest.get("result")
            errors = details.get("errors") if isinstance(details, dict) else None
            message = masked(f"{words}: {errors}" if errors else words)
            raise faults.error(response.status, str(rest.get("code", "")), message)
        case _:
            row = faults.find(response.status, "", "")
            is_known = row is not None and row.status is not None
            raise BrokerError(
                row.fault if row and is_known else Fault.UNREADABLE,
                f"HTTP {response.status} without XTS' envelope ({len(response.body)} bytes)",
            )


def results(response: HttpResponse, *, rows: str | None = None) -> Any:
    """As `result`; None of an empty book, which is an error that says so (xts.md 5, 11)."""
    try:
        return result(response, rows=rows)
    except BrokerError as error:
        if error.fault is Fault.NOT_FOUND:
            return None
        raise


def read_list(
    value: Any, shape: type[U], convert: Callable[[U], T], last: Rows[T] | None = None
) -> Rows[T]:
    """A list of rows, row by row; None: an empty one."""
    return read_rows([] if value is None else shaped(value, list[Any]), shape, convert, last)


class PlacedRow(Struct):
    id: Decimal = field(name="AppOrderID")


def placed_id(response: HttpResponse) -> str:
    """The order of a placement that was taken. A refusal that names one is not sure: the book tells."""
    try:
        return _id(shaped(result(response), PlacedRow).id)
    except BrokerError as error:
        match from_json(response.body):
            case {"result": {"AppOrderID": named}} if named:
                raise BrokerError(error.fault, error.message, code=error.code) from None
        raise


# Orders and trades (xts.md 5)


class Contracted(Struct, rename="pascal"):
    """What rows name a contract by; newer builds spell the id otherwise (xts.md 13)."""

    exchange_segment: str
    product_type: str
    instrument_id: int | None = field(name="ExchangeInstrumentID", default=None)
    newer_id: int | None = field(name="ExchangeInstrumentId", default=None)


class OrderRow(Contracted, rename="pascal", kw_only=True):
    """One row of the order book, or a state of an order."""

    id: Decimal = field(name="AppOrderID")  # a number, in one client's experience of float notation
    order_status: str
    order_side: str
    order_type: str
    time_in_force: str
    order_quantity: Decimal
    cumulative_quantity: Decimal
    order_price: Decimal
    order_stop_price: Decimal
    order_generated_date_time: str
    last_update_date_time: str | None = None
    order_disclosed_quantity: Decimal = Decimal(0)
    order_average_traded_price: Any = None  # a text, and may be empty
    cancel_reject_reason: str | None = None
    exchange_order_id: Any = field(name="ExchangeOrderID", default=None)
    order_unique_identifier: str | None = None


def read_order(row: OrderRow, instruments: Instruments) -> BrokerOrder:
    """On MCX and currency quantities are as XTS counts them: a kill must see these orders too."""
    _, symbol = _contract(row, instruments)
    kind, filled = TYPE.read(row.order_type.upper()), units(row.cumulative_quantity)
    return BrokerOrder(
        broker_order_id=_id(row.id),
        status=_status(row.order_status, kind, filled),
        symbol=symbol,
        side=SIDE.read(row.order_side.upper()),
        quantity=units(row.order_quantity),
        type=kind,
        product=_product(row.product_type),
        validity=_validity(row.time_in_force),
        variety=None if row.product_type in FOREIGN_PRODUCTS else Variety.REGULAR,
        price=amount(row.order_price),
        trigger_price=amount(row.order_stop_price),
        disclosed_quantity=units(row.order_disclosed_quantity) or None,
        filled_quantity=filled,
        average_price=amount(decimal(row.order_average_traded_price or 0)),
        status_message=row.cancel_reject_reason or None,
        exchange_order_id=str(row.exchange_order_id or "") or None,
        tags=(row.order_unique_identifier,) if row.order_unique_identifier else (),
        placed_at=_time(row.order_generated_date_time),
        updated_at=_time(row.last_update_date_time) if row.last_update_date_time else None,
    )


def _status(word: str, kind: OrderType, filled: int) -> Status:
    """`New` lives at the exchange; whether a stop has fired it does not tell (xts.md 5)."""
    status = STATUS.read(word)
    if status is not Status.OPEN:
        return status
    if filled:
        return Status.PARTIALLY_FILLED
    return Status.TRIGGER_PENDING if kind in {OrderType.SL, OrderType.SL_M} else Status.OPEN


class TradeRow(Contracted, rename="pascal", kw_only=True):
    """One row of the trade book: an order's fields and its execution's."""

    id: Decimal = field(name="AppOrderID")
    execution_id: Any = field(name="ExecutionID")
    order_side: str
    last_traded_quantity: Decimal  # `OrderQuantity` is the whole order's
    last_traded_price: Decimal
    last_execution_transact_time: str
    exchange_order_id: Any = field(name="ExchangeOrderID", default=None)


def read_trade(row: TradeRow, instruments: Instruments) -> Fill:
    exchange, symbol = _contract(row, instruments)
    _counted(exchange)
    return Fill(
        trade_id=_text(row.execution_id),
        broker_order_id=_id(row.id),
        symbol=symbol,
        side=SIDE.read(row.order_side.upper()),
        quantity=units(row.last_traded_quantity),
        price=decimal(row.last_traded_price),
        product=_product(row.product_type),
        at=_time(row.last_execution_transact_time),
        exchange_order_id=str(row.exchange_order_id or "") or None,
    )


# Portfolio (xts.md 6)


class PositionRow(Contracted, rename="pascal", kw_only=True):
    """One position, of either generation of fields. Amounts are texts."""

    quantity: Decimal | None = None  # signed; the older build's is `NetPosition`
    net_position: Decimal | None = None
    open_buy_quantity: Decimal | None = None
    open_sell_quantity: Decimal | None = None
    long_position: Decimal = Decimal(0)
    short_position: Decimal = Decimal(0)
    buy_average_price: Decimal
    sell_average_price: Decimal
    mtm: Decimal = field(name="MTM")
    realized: Decimal = field(name="RealizedMTM")
    unrealized: Decimal = field(name="UnrealizedMTM")


def read_position(row: PositionRow, instruments: Instruments) -> Position:
    exchange, symbol = _contract(row, instruments)
    _counted(exchange)
    net = row.net_position if row.quantity is None else row.quantity
    if net is None:
        raise BrokerError(Fault.UNREADABLE, f"{symbol}: a position without a quantity")
    bought = row.long_position if row.open_buy_quantity is None else row.open_buy_quantity
    sold = row.short_position if row.open_sell_quantity is None else row.open_sell_quantity
    quantity = units(net)
    average = row.buy_average_price if quantity > 0 else row.sell_average_price
    return Position(
        symbol=symbol,
        product=_product(row.product_type),
        quantity=quantity,
        average_price=amount(average) if quantity else None,
        pnl=decimal(row.mtm),
        realised=decimal(row.realized),
        unrealised=decimal(row.unrealized),
        buy_quantity=units(bought),
        buy_value=decimal(bought * row.buy_average_price),
        sell_quantity=units(sold),
        sell_value=decimal(sold * row.sell_average_price),
    )


class HoldingRow(Struct, rename="pascal"):
    """One value of `Holdings`, with its key, the ISIN, put in."""

    isin: str = field(name="isin")
    holding_quantity: Decimal
    buy_avg_price: Decimal
    exchange_nse_instrument_id: int = field(name="ExchangeNSEInstrumentId", default=0)
    exchange_bse_instrument_id: int = field(name="ExchangeBSEInstrumentId", default=0)


def read_holding(row: HoldingRow, instruments: Instruments) -> Holding:
    ids = {
        Exchange.NSE: row.exchange_nse_instrument_id,
        Exchange.BSE: row.exchange_bse_instrument_id,
    }
    found = (instruments.by_broker_symbol(one, str(number)) for one, number in ids.items())
    instrument = next((one for one in found if one is not None), None)
    return Holding(
        symbol=instrument.symbol if instrument else f"{Exchange.NSE}:{row.isin}",
        isin=row.isin,
        quantity=units(row.holding_quantity),
        average_price=amount(row.buy_avg_price),
    )


class FundsRow(Struct):
    """`RMSSubLimits` of a balance: texts, and what is not known is `NaN`."""

    available: Decimal = field(name="netMarginAvailable")
    cash: Decimal = field(name="cashAvailable")
    used: Decimal = field(name="marginUtilized")
    collateral: Decimal


def read_funds(value: Any) -> tuple[Funds, ...]:
    """The first of the list, as clients read it: all segments together."""
    match value:
        case {"BalanceList": [{"limitObject": {"RMSSubLimits": limits}}, *_]}:
            row = shaped(limits, FundsRow)
            known = {
                name: None if (said := getattr(row, name)).is_nan() else decimal(said)
                for name in ("cash", "used", "collateral")
            }
            return (Funds(segment="all", available=decimal(row.available), **known),)
        case _:
            raise BrokerError(Fault.UNREADABLE, "a balance without RMSSubLimits")


class MarginRow(Struct):
    """`brokerageDeatils` (their spelling) of `POST /orders/margindetails`."""

    needed: Decimal = field(name="MarginRequired")
    available: Decimal = field(name="MarginAvailable")


# Market data (xts.md 7)


class LevelRow(Struct, rename="pascal"):
    size: Decimal
    price: Decimal
    total_orders: int


class Touchline(Struct, rename="pascal"):
    last_traded_price: Decimal
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    close: Decimal | None = None  # the previous day's
    average_traded_price: Decimal | None = None
    total_traded_quantity: Decimal | None = None


class QuoteRow(Struct, rename="pascal"):
    """One text of `listQuotes`: 1502 with levels, or 1501."""

    exchange_segment: int
    instrument_id: int = field(name="ExchangeInstrumentID")
    touchline: Touchline
    exchange_time_stamp: int = 0
    bids: list[LevelRow] | None = None
    asks: list[LevelRow] | None = None

    @classmethod
    def of(cls, text: Any) -> "QuoteRow":
        """JSON within JSON; old builds have no `Touchline` and its fields at the top. Raises BrokerError."""
        said = from_json(text.encode()) if isinstance(text, str) else None
        if isinstance(said, Mapping) and "Touchline" not in said:
            said = {**said, "Touchline": said}
        return shaped(said, cls)


def read_quote(row: QuoteRow, instrument: Instrument) -> Quote:
    touch = row.touchline
    is_counted = instrument.exchange not in UNCOUNTED
    volume = touch.total_traded_quantity
    depth = None
    if is_counted and row.bids is not None and row.asks is not None:
        depth = Depth(_levels(row.bids), _levels(row.asks))
    at = row.exchange_time_stamp
    return Quote(
        symbol=instrument.symbol,
        last_price=decimal(touch.last_traded_price),
        at=_1980 + timedelta(seconds=at) if at else None,
        open_price=amount(touch.open),
        high_price=amount(touch.high),
        low_price=amount(touch.low),
        close_price=amount(touch.close),
        average_price=amount(touch.average_traded_price),
        volume=units(volume) if is_counted and volume is not None else None,
        depth=depth,
    )


def _levels(rows: list[LevelRow]) -> tuple[Level, ...]:
    return tuple(
        Level(decimal(one.price), units(one.size), one.total_orders) for one in rows if one.size
    )


def read_candle(text: str, exchange: Exchange, interval: Interval) -> Candle:
    """`ts|open|high|low|close|volume|oi|`; `ts` is the Indian wall clock read as UTC, of the bar's begin or its end."""
    match text.split("|"):
        case [stamp, open_, high, low, close, volume, *oi] if stamp.isdigit():
            said = datetime.fromtimestamp(int(stamp), UTC).replace(tzinfo=IST)
            return Candle(
                at=_begin(said, exchange, interval),
                open=decimal(open_),
                high=decimal(high),
                low=decimal(low),
                close=decimal(close),
                volume=units(volume),
                oi=units(oi[0]) if oi and oi[0] and exchange not in CASH else None,
            )
        case _:
            raise BrokerError(Fault.UNREADABLE, f"not a candle: {text!r}"[:200])


CASH = frozenset({Exchange.NSE, Exchange.BSE, Exchange.NSE_INDEX, Exchange.BSE_INDEX})


def _begin(at: datetime, exchange: Exchange, interval: Interval) -> datetime:
    """Where the bar begins that this moment is in: bars follow each other from the hour the exchange opens."""
    if interval is Interval.D1:
        return datetime.combine(at.date(), time(), IST)
    opens = datetime.combine(at.date(), OPENS.get(exchange, time(9, 15)), IST)
    return opens + (at - opens) // interval.length * interval.length


# Contracts and single fields


def _contract(row: Contracted, instruments: Instruments) -> tuple[Exchange, str]:
    """Our exchange, and the contract's name: ours where the master has it."""
    exchange = EXCHANGE.read(row.exchange_segment)
    number = row.newer_id if row.instrument_id is None else row.instrument_id
    if number is None:
        raise BrokerError(Fault.UNREADABLE, "a row without an instrument")
    found = instruments.by_broker_symbol(exchange, str(number))
    return exchange, found.symbol if found else f"{exchange}:{number}"


def _counted(exchange: Exchange) -> None:
    if exchange in UNCOUNTED:
        raise BrokerError(
            Fault.UNREADABLE, f"a quantity on {exchange}, and no source tells what it counts"
        )


def _validity(word: str) -> Validity | None:
    """None for those that only other apps use: which there are differs by broker, and a kill must see these orders too."""
    return VALIDITY.read(word) if word in VALIDITY.readable else None


def _product(word: str) -> Product | None:
    return None if word in FOREIGN_PRODUCTS else PRODUCT.read(word)


def _id(number: Decimal) -> str:
    return _text(units(number))


def _text(value: Any) -> str:
    return identifier(str(value or ""))


def _time(text: str) -> datetime:
    """Indian time in one of the forms that were seen; a zone, where one is said, is believed (xts.md 5)."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return ist_datetime(text, "%d-%m-%Y %H:%M:%S")
    return at.astimezone(IST) if at.tzinfo else at.replace(tzinfo=IST)
