"""Upstox's answers, field for field, and what they are in our words."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from msgspec import Struct, field

from ordo_adapters.upstox.tables import (
    CASH,
    EXCHANGE,
    FAULTS,
    FOREIGN_PRODUCTS,
    GTT_STATUS,
    PRODUCT,
    SEGMENT,
    SIDE,
    STATUS,
    TYPE,
    VALIDITY,
    WRITE_FAULTS,
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
    "AuthorizeAnswer",
    "Candles",
    "ConvertAnswer",
    "FundsAnswer",
    "GttAnswer",
    "GttRow",
    "HoldingRow",
    "MarginAnswer",
    "OrderAnswer",
    "OrderRow",
    "PositionRow",
    "Profile",
    "PushAnswer",
    "SessionAnswer",
    "TradeRow",
    "data_of",
    "lot_of",
    "read",
    "read_bare",
    "read_candle",
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


# The envelope (upstox.md 3)


def data_of(response: HttpResponse, *, writes: bool = False, rows: str | None = None) -> Any:
    """The `data` of a success.

    Raises:
        BrokerError: what the tables say of a refusal; UNREADABLE and never sure where the answer is not Upstox's envelope,
            unless its status alone has a meaning (a page of Cloudflare's). Such a body is never quoted.
    """
    match from_json(response.body, rows=rows):
        case {"status": "success", "data": data} if response.status == 200:
            return data
        case envelope:
            raise _refusal(response, envelope, writes=writes)


def _refusal(response: HttpResponse, envelope: Any, *, writes: bool = False) -> BrokerError:
    match envelope:
        case {"status": "error", "errors": [{"message": str(message), **first}, *_]}:
            code = first.get("error_code") or first.get("errorCode")  # the second will vanish
            code, words = code if isinstance(code, str) else "", masked(message)
            if writes and WRITE_FAULTS.find(response.status, code, words):
                return WRITE_FAULTS.error(response.status, code, words)
            return FAULTS.error(response.status, code, words)
        case _:
            row = FAULTS.find(response.status, "", "")
            return BrokerError(
                row.fault if row else Fault.UNREADABLE,
                f"HTTP {response.status} without Upstox's envelope ({len(response.body)} bytes)",
            )


def read(response: HttpResponse, shape: type[T], *, writes: bool = False) -> T:
    """The `data` of a success, as this shape."""
    return shaped(data_of(response, writes=writes), shape)


def read_bare(response: HttpResponse, shape: type[T]) -> T:
    """An answer without an envelope (upstox.md 2.1), as this shape."""
    body = from_json(response.body)
    if response.status != 200:
        raise _refusal(response, body)
    return shaped(body, shape)


def read_list(
    response: HttpResponse, shape: type[U], convert: Callable[[U], T], last: Rows[T] | None = None
) -> Rows[T]:
    """The `data` of a success, a list, row by row."""
    return read_rows(shaped(data_of(response, rows="data"), list[Any]), shape, convert, last)


class Profile(Struct):
    """`GET /v2/user/profile` (upstox.md 2.5)."""

    user_id: str


class SessionAnswer(Struct):
    """`POST /v2/login/authorization/token` (upstox.md 2.1)."""

    user_id: str
    access_token: str


class PushAnswer(Struct):
    """`POST /v3/login/auth/token/request/{client_id}` (upstox.md 2.2)."""

    authorization_expiry: str  # epoch milliseconds


class AuthorizeAnswer(Struct):
    """`GET .../authorize` of a stream: an address for one connection, under two names (upstox.md 9.1)."""

    authorized_redirect_uri: str | None = None
    authorizedRedirectUri: str | None = None  # noqa: N815 - Upstox's

    @property
    def address(self) -> str:
        return self.authorized_redirect_uri or self.authorizedRedirectUri or ""


class OrderAnswer(Struct):
    """Place, modify and cancel (upstox.md 4.1): `order_ids` of a placement, `order_id` of the others and, it is said, of some placements."""

    order_id: str | None = None
    order_ids: list[str] = field(default_factory=list)

    def one(self) -> str:
        """The id. More than one would be slices, which we never ask for."""
        ids = self.order_ids or [self.order_id or ""]
        if len(ids) != 1 or not ids[0]:
            raise BrokerError(
                Fault.UNREADABLE, f"a success with {len(ids)} order ids, or an empty one"
            )
        return ids[0]


class GttAnswer(Struct):
    """Place, modify and cancel of a GTT (upstox.md 4.7)."""

    gtt_order_ids: list[str]

    def one(self) -> str:
        if len(self.gtt_order_ids) != 1 or not self.gtt_order_ids[0]:
            raise BrokerError(Fault.UNREADABLE, "a success without the one id of a GTT")
        return self.gtt_order_ids[0]


class ConvertAnswer(Struct):
    """`PUT /v2/portfolio/convert-position` (upstox.md 4.8)."""

    status: str


# Orders and trades (upstox.md 5)


class _Named(Struct, kw_only=True):
    """What names a row's contract. `tradingsymbol` is the elder twin; newer rows may have the other alone."""

    exchange: str
    instrument_token: str
    trading_symbol: str | None = None
    tradingsymbol: str | None = None

    @property
    def name(self) -> str:
        return self.trading_symbol or self.tradingsymbol or self.instrument_token


class OrderRow(_Named, kw_only=True):
    """One row of the book or of a trail; a trail's lacks what has a default here (upstox.md 5.2)."""

    order_id: str
    status: str
    transaction_type: str
    order_type: str
    product: str
    validity: str
    quantity: Decimal  # units; lots on MCX, as every quantity below
    filled_quantity: Decimal
    price: Decimal | None  # rupees; 0 and null: none, as in the prices below
    trigger_price: Decimal | None
    average_price: Decimal | None
    order_timestamp: str
    disclosed_quantity: Decimal | None = None
    exchange_timestamp: str | None = None
    is_amo: bool = False
    status_message: str | None = None
    status_message_raw: str | None = None
    exchange_order_id: str | None = None
    parent_order_id: str | None = None
    tag: str | None = None


def read_order(row: OrderRow, instruments: Instruments) -> BrokerOrder:
    lots = _Contract(row, instruments)
    quantity, filled = lots.units(row.quantity), lots.units(row.filled_quantity)
    product = lots.product(row.product)
    variety = Variety.AMO if row.is_amo else Variety.REGULAR
    return BrokerOrder(
        broker_order_id=identifier(row.order_id),
        status=_status(row.status, quantity, filled),
        symbol=lots.symbol,
        side=SIDE.read(row.transaction_type),
        quantity=quantity,
        type=TYPE.read(row.order_type),
        product=product,
        validity=VALIDITY.read(row.validity),
        variety=variety if product else None,
        price=amount(row.price),
        trigger_price=amount(row.trigger_price),
        disclosed_quantity=lots.units(row.disclosed_quantity) if row.disclosed_quantity else None,
        filled_quantity=filled,
        average_price=amount(row.average_price),
        status_message=row.status_message or row.status_message_raw or None,
        exchange_order_id=row.exchange_order_id or None,
        parent_order_id=row.parent_order_id or None,
        tags=(row.tag,) if row.tag else (),
        placed_at=_time(row.order_timestamp),
        updated_at=_time(row.exchange_timestamp),
    )


class TradeRow(_Named, kw_only=True):
    """One row of the day's trades (upstox.md 5.3)."""

    trade_id: str
    order_id: str
    transaction_type: str
    product: str
    quantity: Decimal
    average_price: Decimal  # of this fill
    exchange_timestamp: str
    exchange_order_id: str | None = None


def read_trade(row: TradeRow, instruments: Instruments) -> Fill:
    lots = _Contract(row, instruments)
    at = _time(row.exchange_timestamp)
    if at is None:
        raise BrokerError(Fault.UNREADABLE, "a trade without a time")
    return Fill(
        trade_id=identifier(row.trade_id),
        broker_order_id=identifier(row.order_id),
        symbol=lots.symbol,
        side=SIDE.read(row.transaction_type),
        quantity=lots.units(row.quantity),
        price=decimal(row.average_price),
        product=lots.product(row.product),
        at=at,
        exchange_order_id=row.exchange_order_id or None,
    )


def _status(word: str, quantity: int, filled: int) -> Status:
    """Upstox has no word for a partial fill: the quantities tell (upstox.md 5.1)."""
    status = STATUS.read(word.strip().lower())
    return Status.PARTIALLY_FILLED if status is Status.OPEN and 0 < filled < quantity else status


# GTT (upstox.md 4.7; get-gtt-order-details page)


class Rule(Struct):
    """One leg. It has no price: what it releases is a LIMIT order (place-gtt-order page), and the trigger its only price."""

    strategy: str  # ENTRY; TARGET and STOPLOSS after it
    status: str
    trigger_price: Decimal
    transaction_type: str
    order_id: str | None = None
    message: str | None = None


class GttRow(_Named, kw_only=True):
    """One row of `GET /v3/order/gtt`. `exchange` is a segment here; times are epoch microseconds."""

    gtt_order_id: str
    quantity: Decimal
    product: str
    rules: list[Rule]
    created_at: int | None = None
    expires_at: int | None = None


def read_gtt(row: GttRow, instruments: Instruments) -> BrokerGtt:
    lots = _Contract(row, instruments, SEGMENT.read(row.exchange))
    product = lots.product(row.product)
    if not row.rules or product is None:
        raise BrokerError(Fault.UNREADABLE, "a GTT without a rule, or of a product not ours")
    return BrokerGtt(
        broker_gtt_id=identifier(row.gtt_order_id),
        status=_gtt_status([GTT_STATUS.read(rule.status) for rule in row.rules]),
        symbol=lots.symbol,
        legs=tuple(
            GttLeg(
                trigger_price=decimal(rule.trigger_price),
                side=SIDE.read(rule.transaction_type),
                quantity=lots.units(row.quantity),
                price=decimal(rule.trigger_price),
                type=OrderType.LIMIT,
                product=product,
            )
            for rule in row.rules
        ),
        placed_order_ids=tuple(rule.order_id for rule in row.rules if rule.order_id),
        status_message=next((rule.message for rule in row.rules if rule.message), None),
        created_at=_epoch(row.created_at),
        expires_at=_epoch(row.expires_at),
    )


def _gtt_status(rules: list[GttStatus]) -> GttStatus:
    """It waits as long as one rule may come yet: target and stop are INACTIVE until the entry came. Else as its entry, the first."""
    waits_for_entry = {GttStatus.TRIGGERED, GttStatus.DISABLED} <= set(rules)
    return GttStatus.ACTIVE if GttStatus.ACTIVE in rules or waits_for_entry else rules[0]


# Portfolio (upstox.md 6)


class PositionRow(_Named, kw_only=True):
    """One row of `GET /v2/portfolio/short-term-positions`. Money in rupees."""

    product: str
    quantity: Decimal  # signed
    multiplier: Decimal
    overnight_quantity: Decimal
    overnight_buy_quantity: Decimal
    overnight_sell_quantity: Decimal
    day_buy_quantity: Decimal
    day_sell_quantity: Decimal
    buy_value: Decimal
    sell_value: Decimal
    pnl: Decimal
    realised: Decimal
    unrealised: Decimal
    last_price: Decimal
    average_price: Decimal | None = None
    buy_price: Decimal | None = None
    sell_price: Decimal | None = None


def read_position(row: PositionRow, instruments: Instruments) -> Position:
    lots = _Contract(row, instruments)
    if lots.exchange is Exchange.MCX and row.multiplier != lots.size:
        raise BrokerError(
            Fault.UNREADABLE,
            f"{lots.symbol}: Upstox says {row.multiplier} units in a lot, our table {lots.size}",
        )
    quantity = lots.units(row.quantity)
    side_price = row.buy_price if quantity > 0 else row.sell_price if quantity else None
    return Position(
        symbol=lots.symbol,
        product=lots.product(row.product),
        quantity=quantity,
        overnight_quantity=lots.units(row.overnight_quantity),
        average_price=amount(row.average_price) or amount(side_price),
        last_price=amount(row.last_price),
        pnl=decimal(row.pnl),
        realised=decimal(row.realised),
        unrealised=decimal(row.unrealised),
        buy_quantity=lots.units(row.overnight_buy_quantity + row.day_buy_quantity),
        buy_value=decimal(row.buy_value),
        sell_quantity=lots.units(row.overnight_sell_quantity + row.day_sell_quantity),
        sell_value=decimal(row.sell_value),
    )


class HoldingRow(_Named, kw_only=True):
    """One row of `GET /v2/portfolio/long-term-holdings`. `quantity` is the whole holding."""

    quantity: Decimal
    t1_quantity: Decimal
    collateral_quantity: Decimal
    cnc_used_quantity: Decimal
    average_price: Decimal
    last_price: Decimal
    close_price: Decimal
    pnl: Decimal
    isin: str | None = None


def read_holding(row: HoldingRow, instruments: Instruments) -> Holding:
    return Holding(
        symbol=_Contract(row, instruments).symbol,
        isin=row.isin or None,
        quantity=units(row.quantity),
        t1_quantity=units(row.t1_quantity),
        collateral_quantity=units(row.collateral_quantity),
        used_quantity=units(row.cnc_used_quantity),
        average_price=amount(row.average_price),
        last_price=amount(row.last_price),
        close_price=amount(row.close_price),
        pnl=decimal(row.pnl),
    )


class Total(Struct):
    total: Decimal


class Cash(Struct):
    opening_balance: Decimal


class CashToTrade(Struct):
    total: Decimal
    cash: Cash
    margin_used: Total


class PledgeToTrade(Struct):
    margin_from_pledge: Total
    margin_used: Total


class Available(Struct):
    total: Decimal
    cash_available_to_trade: CashToTrade
    pledge_available_to_trade: PledgeToTrade


class FundsAnswer(Struct):
    """`GET /v3/user/get-funds-and-margin`: all segments together."""

    available_to_trade: Available


def read_funds(answer: FundsAnswer) -> Funds:
    free = answer.available_to_trade
    cash, pledge = free.cash_available_to_trade, free.pledge_available_to_trade
    return Funds(
        segment="all",
        available=decimal(free.total),
        cash=decimal(cash.total),
        used=decimal(cash.margin_used.total + pledge.margin_used.total),
        collateral=decimal(pledge.margin_from_pledge.total),
        opening=decimal(cash.cash.opening_balance),
    )


class MarginAnswer(Struct):
    """`POST /v2/charges/margin`. `final_margin` counts what the orders spare each other."""

    margins: list[Any]
    final_margin: Decimal


# Market data (upstox.md 7)


class Ohlc(Struct):
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal  # the previous day's, in v2


class LevelRow(Struct):
    price: Decimal
    quantity: Decimal
    orders: int


class DepthRow(Struct):
    buy: list[LevelRow]
    sell: list[LevelRow]


class QuoteRow(Struct):
    """A full quote of v2 or a last price of v3. An index has no volume and no depth."""

    instrument_token: str
    last_price: Decimal
    timestamp: str | None = None
    ohlc: Ohlc | None = None
    volume: Decimal | None = None
    average_price: Decimal | None = None
    oi: Decimal | None = None
    lower_circuit_limit: Decimal | None = None
    upper_circuit_limit: Decimal | None = None
    depth: DepthRow | None = None


def read_quote(row: QuoteRow, asked: Mapping[str, Instrument], *, whole: bool) -> Quote:
    """`whole`: all that the row tells; else the last price alone. What is counted in lots of unknown size is left out."""
    instrument = asked.get(row.instrument_token)
    if instrument is None:
        raise BrokerError(Fault.UNREADABLE, f"{row.instrument_token} was not asked for")
    if not whole:
        return Quote(symbol=instrument.symbol, last_price=decimal(row.last_price))
    size, ohlc = _lot(instrument), row.ohlc
    return Quote(
        symbol=instrument.symbol,
        last_price=decimal(row.last_price),
        at=_instant(row.timestamp) if row.timestamp else None,
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
    """Newest first."""

    candles: list[Any]


def read_candle(value: Any, instrument: Instrument) -> Candle:
    """`["2026-01-05T09:15:00+05:30", open, high, low, close, volume, oi]` (upstox.md 7.2)."""
    size = lot_of(instrument) if instrument.exchange is Exchange.MCX else 1
    match value:
        case [str(at), open_, high, low, close, volume, oi]:
            return Candle(
                at=_instant(at),
                open=decimal(open_),
                high=decimal(high),
                low=decimal(low),
                close=decimal(close),
                volume=units(volume) * size,
                oi=units(oi) * size or None,
            )
        case _:
            raise BrokerError(Fault.UNREADABLE, f"not a candle: {value!r}"[:200])


# Contracts, lots and single fields


class _Contract:
    """A row's contract: its name, and how many units one of Upstox's quantities is."""

    def __init__(
        self, row: _Named, instruments: Instruments, exchange: Exchange | None = None
    ) -> None:
        self.exchange = exchange or EXCHANGE.read(row.exchange)
        instrument = instruments.by_token(row.instrument_token)
        self.symbol = instrument.symbol if instrument else f"{self.exchange}:{row.name}"
        self.size = 1
        if self.exchange is Exchange.MCX:
            size = instrument.lot_size if instrument else None
            if size is None:
                raise BrokerError(
                    Fault.UNREADABLE,
                    f"{self.symbol}: a quantity in lots, and no table tells how many units a lot has",
                )
            self.size = size

    def units(self, quantity: Decimal) -> int:
        return units(quantity) * self.size

    def product(self, word: str) -> Product | None:
        """D is CNC on shares and NRML on derivatives (upstox.md 4.3)."""
        if word in FOREIGN_PRODUCTS:
            return None
        product = PRODUCT.read(word)
        return Product.CNC if product is Product.NRML and self.exchange in CASH else product


def _lot(instrument: Instrument) -> int | None:
    """How many units one of Upstox's quantities is: a lot on MCX (upstox.md 4.4); None: not known."""
    return instrument.lot_size if instrument.exchange is Exchange.MCX else 1


def lot_of(instrument: Instrument) -> int:
    """Units in a lot. Raises BrokerError, UNSUPPORTED, where neither Upstox's file nor the table tells."""
    if instrument.lot_size is None:
        raise BrokerError(
            Fault.UNSUPPORTED,
            f"{instrument.symbol}: no table tells how many units a lot of it has, so nothing is reckoned with it",
        )
    return instrument.lot_size


def _time(text: str | None) -> datetime | None:
    """Two ways of writing are seen (upstox.md 5.2); `17-Oct-2017 13:37:36` is the elder."""
    if not text:
        return None
    return ist_datetime(text, "%d-%b-%Y %H:%M:%S") if text[2:3] == "-" else ist_datetime(text)


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BrokerError(Fault.UNREADABLE, f"not a time: {text!r}") from None
    if at.tzinfo is None:
        raise BrokerError(Fault.UNREADABLE, f"a time without a zone: {text!r}")
    return at


def _epoch(microseconds: int | None) -> datetime | None:
    if not microseconds:
        return None
    try:
        return datetime.fromtimestamp(microseconds // 1_000_000, IST)
    except (ValueError, OverflowError, OSError):
        raise BrokerError(Fault.UNREADABLE, f"not a time: {microseconds}") from None
