"""Angel One's answers, field for field, and what they are in our words.

Numbers come as numbers in one answer and as text in another (angelone.md 13): both are read.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from msgspec import Struct, field

from ordo_adapters.angelone.tables import (
    EXCHANGE,
    FAULTS,
    FOREIGN_PRODUCTS,
    FOREIGN_VARIETIES,
    GTT_STATUS,
    PRODUCT,
    SIDE,
    SIZED,
    STATUS,
    TYPE,
    VALIDITY,
    VARIETY,
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
    "FundsRow",
    "GttAnswer",
    "GttRow",
    "HoldingRow",
    "MarginAnswer",
    "OrderAnswer",
    "OrderRow",
    "PositionRow",
    "Profile",
    "QuoteRow",
    "Quotes",
    "SessionAnswer",
    "TradeRow",
    "check",
    "data_of",
    "day_of",
    "read",
    "read_candle",
    "read_funds",
    "read_gtt",
    "read_holding",
    "read_list",
    "read_order",
    "read_position",
    "read_quote",
    "read_trade",
    "rows_of",
]

T = TypeVar("T")
U = TypeVar("U")

_TOKEN = re.compile(r"[A-Za-z0-9_.-]{40,}")  # tokens have hundreds; an order's UUID has 36
_TRUE, _FALSE = (True, "true"), (False, "false")  # the docs show both (angelone.md 2.1)
TEXT_MAX = 100  # of an answer in plain words; the rate limiter's has 44 bytes


# The envelope (angelone.md 2.7, 3)


def data_of(response: HttpResponse, faults: Faults = FAULTS, *, rows: str | None = None) -> Any:
    """The `data` of a success, in either of the two envelopes.

    Raises:
        BrokerError: what `faults` says of a refusal; UNREADABLE and never sure where the answer is neither an envelope nor
            the rate limiter's plain words. Such a body is never quoted.
    """
    match from_json(response.body, rows=rows):
        case {"status": status, "data": data} if status in _TRUE and response.status == 200:
            return data
        case {"success": status, "data": data} if status in _TRUE and response.status == 200:
            return data
        case {"status": status, "message": str(message), "errorcode": str(code)} if (
            status in _FALSE
        ):
            raise faults.error(response.status, code, _TOKEN.sub("***", message))
        case {"success": status, "message": str(message), "errorCode": str(code)} if (
            status in _FALSE
        ):
            raise faults.error(response.status, code, _TOKEN.sub("***", message))
        case _:
            row = faults.find(response.status, "", _plain(response))
            raise BrokerError(
                row.fault if row else Fault.UNREADABLE,
                f"HTTP {response.status} without Angel One's envelope ({len(response.body)} bytes)",
                sure=bool(row and row.source and row.words),
            )


def check(response: HttpResponse) -> None:
    """A success, whatever its `data` is: logout and conversions have none to speak of."""
    data_of(response)


def read(response: HttpResponse, shape: type[T], faults: Faults = FAULTS) -> T:
    """The `data` of a success, as this shape."""
    return shaped(data_of(response, faults), shape)


def rows_of(response: HttpResponse, *, rows: str | None = None) -> list[Any]:
    """The `data` of a success, a list; null is an empty one (angelone.md 3)."""
    data = data_of(response, rows=rows)
    return [] if data is None else shaped(data, list[Any])


def read_list(
    response: HttpResponse, shape: type[U], convert: Callable[[U], T], last: Rows[T] | None = None
) -> Rows[T]:
    """The same, row by row."""
    return read_rows(rows_of(response, rows="data"), shape, convert, last)


def day_of(response: HttpResponse) -> date:
    """The broker's day, by the clock of its answer: its trade book tells the time alone (angelone.md 5.4)."""
    try:
        return parsedate_to_datetime(response.header("date") or "").astimezone(IST).date()
    except ValueError:
        raise BrokerError(Fault.UNREADABLE, "trades without a date: the answer has none") from None


def _plain(response: HttpResponse) -> str:
    return response.body.decode("ascii", "replace") if len(response.body) <= TEXT_MAX else ""


class Profile(Struct):
    """`GET getProfile` (angelone.md 6)."""

    clientcode: str


class SessionAnswer(Struct, rename="camel"):
    """`POST loginByPassword` (angelone.md 2.1)."""

    jwt_token: str
    refresh_token: str | None = None
    feed_token: str | None = None


class OrderAnswer(Struct):
    """Place, modify and cancel (angelone.md 4.2)."""

    orderid: str


class GttAnswer(Struct):
    """A trigger's id: a number in practice, text in the docs (angelone.md 4.6)."""

    id: int | str


# Orders and trades (angelone.md 5)


class OrderRow(Struct):
    """One row of `getOrderBook`, or `details`. `orderstatus` says what `status` says."""

    orderid: str
    status: str
    exchange: str
    tradingsymbol: str
    transactiontype: str
    ordertype: str
    producttype: str
    variety: str
    duration: str
    quantity: Decimal
    filledshares: Decimal
    price: Decimal  # rupees; 0: none, as in the prices below
    triggerprice: Decimal
    averageprice: Decimal
    disclosedquantity: Decimal | None = None
    updatetime: str | None = None
    text: str | None = None
    ordertag: str | None = None
    exchangeorderid: str | None = None
    parentorderid: str | None = None


def read_order(row: OrderRow, instruments: Instruments) -> BrokerOrder:
    contract = _Contract(row.exchange, row.tradingsymbol, instruments)
    quantity, filled = contract.units(row.quantity), contract.units(row.filledshares)
    return BrokerOrder(
        broker_order_id=identifier(row.orderid),
        status=_status(row.status, quantity, filled),
        symbol=contract.symbol,
        side=SIDE.read(row.transactiontype),
        quantity=quantity,
        type=TYPE.read(row.ordertype),
        product=_product(row.producttype),
        validity=VALIDITY.read(row.duration),
        variety=_variety(row.variety),
        price=amount(row.price),
        trigger_price=amount(row.triggerprice),
        disclosed_quantity=units(row.disclosedquantity) if row.disclosedquantity else None,
        filled_quantity=filled,
        average_price=amount(row.averageprice),
        status_message=row.text or None,
        exchange_order_id=row.exchangeorderid or None,
        parent_order_id=row.parentorderid or None,
        tags=(row.ordertag,) if row.ordertag else (),
        updated_at=_time(row.updatetime),  # when it was placed no field tells
    )


class TradeRow(Struct):
    """One row of `getTradeBook`: the time of day without a date."""

    orderid: str
    fillid: str
    exchange: str
    tradingsymbol: str
    transactiontype: str
    producttype: str
    fillprice: Decimal
    fillsize: Decimal
    filltime: str


def read_trade(row: TradeRow, instruments: Instruments, on: date) -> Fill:
    contract = _Contract(row.exchange, row.tradingsymbol, instruments)
    return Fill(
        trade_id=identifier(row.fillid),
        broker_order_id=identifier(row.orderid),
        symbol=contract.symbol,
        side=SIDE.read(row.transactiontype),
        quantity=contract.units(row.fillsize),
        price=decimal(row.fillprice),
        product=_product(row.producttype),
        at=datetime.combine(on, time.fromisoformat(row.filltime), IST),
    )


def _status(word: str, quantity: int, filled: int) -> Status:
    """A partial fill has no word: the quantities tell (angelone.md 5.3)."""
    status = STATUS.read(word.lower())
    return Status.PARTIALLY_FILLED if status is Status.OPEN and 0 < filled < quantity else status


# GTT (angelone.md 4.6)


class GttRow(Struct):
    """One row of `ruleList`, or `ruleDetails`."""

    status: str
    exchange: str
    tradingsymbol: str
    symboltoken: str
    transactiontype: str
    producttype: str
    price: Decimal
    qty: Decimal
    triggerprice: Decimal
    id: int | str = ""
    createddate: str | None = None
    updateddate: str | None = None
    expirydate: str | None = None


def read_gtt(row: GttRow, instruments: Instruments) -> BrokerGtt:
    contract = _Contract(row.exchange, row.tradingsymbol, instruments)
    leg = GttLeg(
        trigger_price=decimal(row.triggerprice),
        side=SIDE.read(row.transactiontype),
        quantity=contract.units(row.qty),
        price=decimal(row.price),
        product=PRODUCT.read(row.producttype),
    )
    return BrokerGtt(
        broker_gtt_id=identifier(str(row.id)),
        status=GTT_STATUS.read(row.status),
        symbol=contract.symbol,
        legs=(leg,),
        created_at=_instant(row.createddate) if row.createddate else None,
        updated_at=_instant(row.updateddate) if row.updateddate else None,
        expires_at=_instant(row.expirydate) if row.expirydate else None,
    )


# Portfolio (angelone.md 6)


class PositionRow(Struct):
    """One row of `getPosition`, every value text. `cf...` came in from the day before; the last four are not always there."""

    exchange: str
    tradingsymbol: str
    producttype: str
    netqty: Decimal  # signed
    cfbuyqty: Decimal
    cfsellqty: Decimal
    buyqty: Decimal
    sellqty: Decimal
    buyamount: Decimal
    sellamount: Decimal
    avgnetprice: Decimal
    ltp: Decimal | None = None
    pnl: Decimal | None = None
    realised: Decimal | None = None
    unrealised: Decimal | None = None


def read_position(row: PositionRow, instruments: Instruments) -> Position:
    contract = _Contract(row.exchange, row.tradingsymbol, instruments)
    return Position(
        symbol=contract.symbol,
        product=_product(row.producttype),
        quantity=contract.units(row.netqty),
        overnight_quantity=contract.units(row.cfbuyqty) - contract.units(row.cfsellqty),
        average_price=amount(row.avgnetprice),
        last_price=amount(row.ltp),
        pnl=_money(row.pnl),
        realised=_money(row.realised),
        unrealised=_money(row.unrealised),
        buy_quantity=contract.units(row.buyqty),
        buy_value=decimal(row.buyamount),
        sell_quantity=contract.units(row.sellqty),
        sell_value=decimal(row.sellamount),
    )


class HoldingRow(Struct):
    """One row of `getHolding`. `quantity` is the whole, `t1quantity` and `realisedquantity` its parts."""

    exchange: str
    tradingsymbol: str
    quantity: Decimal
    t1quantity: Decimal
    averageprice: Decimal
    ltp: Decimal
    close: Decimal
    profitandloss: Decimal
    collateralquantity: Decimal | None = None
    isin: str | None = None


def read_holding(row: HoldingRow, instruments: Instruments) -> Holding:
    return Holding(
        symbol=_Contract(row.exchange, row.tradingsymbol, instruments).symbol,
        isin=row.isin or None,
        quantity=units(row.quantity),
        t1_quantity=units(row.t1quantity),
        collateral_quantity=units(row.collateralquantity or 0),
        average_price=amount(row.averageprice),
        last_price=amount(row.ltp),
        close_price=amount(row.close),
        pnl=decimal(row.profitandloss),
    )


class FundsRow(Struct):
    """`getRMS`: one purse for all segments."""

    net: Decimal
    availablecash: Decimal
    collateral: Decimal | None = None
    utiliseddebits: Decimal | None = None


def read_funds(row: FundsRow) -> Funds:
    return Funds(
        segment="all",
        available=decimal(row.net),
        cash=decimal(row.availablecash),
        used=_money(row.utiliseddebits),
        collateral=_money(row.collateral),
    )


class MarginAnswer(Struct, rename="camel"):
    """`POST margin/v1/batch`."""

    total_margin_required: Decimal


# Market data (angelone.md 7)


class LevelRow(Struct):
    price: Decimal
    quantity: Decimal
    orders: int


class DepthRow(Struct):
    buy: list[LevelRow]
    sell: list[LevelRow]


class QuoteRow(Struct, rename="camel"):
    """One row of `fetched`. Mode LTP has the price alone; an index has no volume and an empty depth."""

    exchange: str
    symbol_token: str
    ltp: Decimal
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    close: Decimal | None = None  # the previous day's
    exch_feed_time: str | None = None
    avg_price: Decimal | None = None
    trade_volume: Decimal | None = None
    open_interest: Decimal | None = field(name="opnInterest", default=None)
    lower_circuit: Decimal | None = None
    upper_circuit: Decimal | None = None
    depth: DepthRow | None = None


class Quotes(Struct):
    """`POST market/v1/quote`. What it does not know stands in `unfetched` and is left out."""

    fetched: list[Any]


def read_quote(row: QuoteRow, instrument: Instrument) -> Quote:
    is_counted = instrument.exchange not in SIZED or instrument.lot_size is not None
    return Quote(
        symbol=instrument.symbol,
        last_price=decimal(row.ltp),
        at=_time(row.exch_feed_time),
        open_price=amount(row.open),
        high_price=amount(row.high),
        low_price=amount(row.low),
        close_price=amount(row.close),
        volume=None if row.trade_volume is None or not is_counted else units(row.trade_volume),
        average_price=amount(row.avg_price),
        oi=None if row.open_interest is None or not is_counted else units(row.open_interest),
        lower_circuit=amount(row.lower_circuit),
        upper_circuit=amount(row.upper_circuit),
        depth=Depth(_levels(row.depth.buy), _levels(row.depth.sell))
        if row.depth and is_counted
        else None,
    )


def _levels(rows: list[LevelRow]) -> tuple[Level, ...]:
    return tuple(
        Level(decimal(row.price), units(row.quantity), row.orders) for row in rows if row.quantity
    )


def read_candle(value: Any) -> Candle:
    """`["2025-10-13T09:15:00+05:30", open, high, low, close, volume]`."""
    match value:
        case [str(at), open_, high, low, close, volume]:
            return Candle(
                at=_instant(at),
                open=decimal(open_),
                high=decimal(high),
                low=decimal(low),
                close=decimal(close),
                volume=units(volume),
            )
        case _:
            raise BrokerError(Fault.UNREADABLE, f"not a candle: {value!r}"[:200])


# Contracts and single fields


class _Contract:
    """A row's contract: its name, and whether its quantities are units of ours."""

    def __init__(self, exchange: str, tradingsymbol: str, instruments: Instruments) -> None:
        ours = EXCHANGE.read(exchange)
        instrument = instruments.by_broker_symbol(ours, tradingsymbol)
        self.symbol = instrument.symbol if instrument else f"{ours}:{tradingsymbol}"
        self._is_counted = ours not in SIZED or bool(instrument and instrument.lot_size)

    def units(self, quantity: Decimal) -> int:
        if quantity and not self._is_counted:
            raise BrokerError(
                Fault.UNREADABLE,
                f"{self.symbol}: no table tells what one of Angel One's quantities is here",
            )
        return units(quantity)


def _product(word: str) -> Product | None:
    return None if word in FOREIGN_PRODUCTS else PRODUCT.read(word)


def _variety(word: str) -> Variety | None:
    return None if word in FOREIGN_VARIETIES else VARIETY.read(word)


def _money(value: Decimal | None) -> Decimal | None:
    return None if value is None else decimal(value)


def _time(text: str | None) -> datetime | None:
    return ist_datetime(text, "%d-%b-%Y %H:%M:%S") if text else None


def _instant(text: str) -> datetime:
    """RFC 3339. A trigger's times say `Z` (angelone.md 4.6) and are given as they stand."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BrokerError(Fault.UNREADABLE, f"not a time: {text!r}") from None
    if at.tzinfo is None:
        raise BrokerError(Fault.UNREADABLE, f"a time without a zone: {text!r}")
    return at
