"""Angel One, through SmartAPI: one method an operation. `angelone.md N` is section N of Ordo's fact sheet.

Quantities are units here and at Angel One; where a unit is a matter of the quotation (MCX, currency) only contracts whose lot is
ours are traded. Market orders need no protection of ours: the broker turns each into a limit order inside its own band (1).

After hours the broker parks an ordinary order until the open and shows it as AMO; it has no word that asks for it. `variety`
AMO is therefore refused: sent in market hours it would be an order that trades at once. Send REGULAR after hours.

Angel One cannot look an order up by its tag, and has no trail: `trail` is how the order stands now.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from ordo_adapters.angelone.login import asking, login, profile_request, signed, streaming
from ordo_adapters.angelone.master import is_master, parse
from ordo_adapters.angelone.rows import (
    FundsRow,
    GttAnswer,
    GttRow,
    HoldingRow,
    MarginAnswer,
    OrderAnswer,
    OrderRow,
    PositionRow,
    Profile,
    QuoteRow,
    Quotes,
    TradeRow,
    check,
    data_of,
    day_of,
    read,
    read_candle,
    read_funds,
    read_gtt,
    read_holding,
    read_list,
    read_order,
    read_position,
    read_quote,
    read_trade,
    rows_of,
)
from ordo_adapters.angelone.stream import SmartStream
from ordo_adapters.angelone.tables import (
    BOOK,
    CANDLES,
    EXCHANGE,
    FUNDS,
    GTT_DAYS,
    GTT_EXCHANGES,
    GTT_PAGE,
    GTT_PRODUCTS,
    GTTS,
    HOLDINGS,
    INTERVAL,
    MARGIN_MAX,
    MASTER,
    ORDERS,
    OTHERS,
    POSITIONS,
    PRODUCT,
    QUOTE_EXCHANGE,
    QUOTES,
    QUOTES_MAX,
    SESSION,
    SIDE,
    SPEC,
    STOP_VARIETY,
    STOPS,
    TRADES,
    TYPE,
    VALIDITY,
    VARIETY,
)
from ordo_adapters.angelone.updates import OrderUpdates
from ordod.adapter import (
    Adapter,
    BrokerError,
    BrokerGtt,
    BrokerOrder,
    Candle,
    Conversion,
    Credentials,
    Dialogue,
    Fault,
    Fill,
    Funds,
    GttLeg,
    Holding,
    HttpRequest,
    Instrument,
    Instruments,
    Interval,
    LoginDialogue,
    Margin,
    NewGtt,
    NewOrder,
    OrderChanges,
    OrderTerms,
    OrderType,
    Placed,
    Position,
    Quote,
    Rows,
    Session,
    Stream,
    StreamRequest,
    UpdateStream,
    Variety,
    canonical,
    decimal,
    read_rows,
)

__all__ = ["ANGELONE", "AngelOne"]

SECURE = "/rest/secure/angelbroking"
GTT_WRITES = (
    f"/gtt-service{SECURE}/gtt/v1"  # as the SDK writes; its docs leave the prefix out (4.6)
)
GTT_READS = f"{SECURE}/gtt/v1"
AUTOMATIC_PROTECTION = Decimal(-1)  # Ordo's word for the broker's own choice
GTT_PAGES_MAX = 200  # ten thousand triggers; more is a list that never ends


class AngelOne(Adapter):
    """SmartAPI v1."""

    spec = SPEC

    # Sessions

    def login(self, credentials: Credentials, now: datetime) -> LoginDialogue:
        """By PIN and TOTP, or a ready-made token (angelone.md 2)."""
        return (yield from login(credentials, now))

    def logout(self, session: Session) -> Dialogue[None]:
        """POST logout: the API's session alone, not the web's or the app's (angelone.md 2.5)."""
        body = {"clientcode": session.user_id}
        check((yield _post(f"{SECURE}/user/v1/logout", session, SESSION, body)))

    def user(self, session: Session) -> Dialogue[str]:
        """GET getProfile (angelone.md 6)."""
        response = yield profile_request(session)
        return read(response, Profile).clientcode

    # Orders

    def place(self, session: Session, order: NewOrder, instrument: Instrument) -> Dialogue[Placed]:
        """POST placeOrder; numbers as text (angelone.md 4.2)."""
        if order.variety is Variety.AMO:
            raise BrokerError(
                Fault.UNSUPPORTED,
                "Angel One has no order that asks for after-market: a REGULAR order sent after hours waits for the open",
            )
        VARIETY.write(order.variety)  # iceberg and cover orders there are none
        _protection(order)
        _check_lot(order.quantity, instrument)
        body = {
            "variety": _variety(order.type, None),
            "tradingsymbol": instrument.broker_symbol,
            "symboltoken": instrument.instrument_token,
            "transactiontype": SIDE.write(order.side),
            "exchange": EXCHANGE.write(instrument.exchange),
            "ordertype": TYPE.write(order.type),
            "producttype": PRODUCT.write(order.product),
            "duration": VALIDITY.write(order.validity),
            "price": canonical(order.price or Decimal(0)),
            "triggerprice": canonical(order.trigger_price or Decimal(0)),
            "squareoff": "0",  # of bracket orders; every client and the SDK's samples send them
            "stoploss": "0",
            "quantity": str(order.quantity),
        }
        if order.disclosed_quantity:
            body["disclosedquantity"] = str(order.disclosed_quantity)
        if order.tag is not None:
            body["ordertag"] = order.tag
        response = yield _order("placeOrder", "place", session, body)
        try:
            return Placed(_order_id(read(response, OrderAnswer)))
        except BrokerError as error:
            if error.fault is not Fault.NOT_FOUND:
                raise
            # "Order not found" ends a change; of a new order it may tell of a look at one that was made.
            raise BrokerError(Fault.AMBIGUOUS, error.message, code=error.code) from None

    def modify(
        self, session: Session, row: BrokerOrder, changes: OrderChanges, instrument: Instrument
    ) -> Dialogue[None]:
        """POST modifyOrder: the whole order as it is to be, `quantity` the total (angelone.md 4.3)."""
        kind = changes.type or row.type
        if (kind in STOPS) is not (row.type in STOPS):
            raise BrokerError(
                Fault.UNSUPPORTED, "at Angel One no change makes a stop of an order, or ends one"
            )
        price = None if kind in {OrderType.MARKET, OrderType.SL_M} else changes.price or row.price
        trigger_price = changes.trigger_price or row.trigger_price
        validity = changes.validity or row.validity
        if kind in {OrderType.LIMIT, OrderType.SL} and price is None:
            raise BrokerError(Fault.INVALID_INPUT, f"type {kind} needs a price")
        if row.product is None or validity is None:
            raise _unknown(row, "product or validity")
        quantity = changes.quantity or row.quantity
        _check_lot(quantity, instrument)
        body = {
            "variety": _own_variety(row),
            "orderid": row.broker_order_id,
            "ordertype": TYPE.write(kind),
            "producttype": PRODUCT.write(row.product),
            "duration": VALIDITY.write(validity),
            "price": canonical(price or Decimal(0)),
            "triggerprice": canonical(trigger_price or Decimal(0)),
            "quantity": str(quantity),
            "tradingsymbol": instrument.broker_symbol,
            "symboltoken": instrument.instrument_token,
            "exchange": EXCHANGE.write(instrument.exchange),
        }
        disclosed = changes.disclosed_quantity or row.disclosed_quantity
        if disclosed:
            body["disclosedquantity"] = str(disclosed)
        response = yield _order("modifyOrder", "modify", session, body)
        _order_id(read(response, OrderAnswer))

    def cancel(self, session: Session, row: BrokerOrder) -> Dialogue[None]:
        """POST cancelOrder, under the order's own variety (angelone.md 4.4)."""
        body = {"variety": _own_variety(row), "orderid": row.broker_order_id}
        response = yield _order("cancelOrder", "cancel", session, body)
        _order_id(read(response, OrderAnswer))

    def orders(
        self,
        session: Session,
        instruments: Instruments,
        last: Rows[BrokerOrder] | None = None,
    ) -> Dialogue[Rows[BrokerOrder]]:
        """GET getOrderBook: the whole day in one answer (angelone.md 5.1)."""
        response = yield _get(f"{SECURE}/order/v1/getOrderBook", session, BOOK)
        return read_list(response, OrderRow, lambda row: read_order(row, instruments), last)

    def trail(
        self, session: Session, broker_order_id: str, instruments: Instruments
    ) -> Dialogue[Rows[BrokerOrder]]:
        """GET details/{uniqueorderid}: how it stands now; the id it is asked by stands in the book (angelone.md 5.2)."""
        response = yield _get(f"{SECURE}/order/v1/getOrderBook", session, BOOK)
        unique_id = _unique_id(rows_of(response), broker_order_id)
        response = yield _get(f"{SECURE}/order/v1/details/{unique_id}", session, OTHERS)
        row = read(response, dict[str, Any])
        return read_rows([row], OrderRow, lambda one: read_order(one, instruments))

    def trades(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Fill]]:
        """GET getTradeBook: times of day; the day is that of the answer (angelone.md 5.4)."""
        response = yield _get(f"{SECURE}/order/v1/getTradeBook", session, TRADES)
        rows = rows_of(response)
        on = day_of(response) if rows else date.min
        return read_rows(rows, TradeRow, lambda row: read_trade(row, instruments, on))

    # GTT

    def place_gtt(self, session: Session, gtt: NewGtt, instrument: Instrument) -> Dialogue[str]:
        """POST createRule (angelone.md 4.6)."""
        leg = _only_leg(gtt, instrument)
        body = {
            "tradingsymbol": instrument.broker_symbol,
            "symboltoken": instrument.instrument_token,
            "exchange": EXCHANGE.write(instrument.exchange),
            "producttype": PRODUCT.write(leg.product),
            "transactiontype": SIDE.write(leg.side),
            **_gtt_terms(leg),
        }
        response = yield _post(f"{GTT_WRITES}/createRule", session, GTTS, body, writes=True)
        return _gtt_id(read(response, GttAnswer))

    def modify_gtt(
        self, session: Session, broker_gtt_id: str, gtt: NewGtt, instrument: Instrument
    ) -> Dialogue[None]:
        """POST modifyRule: prices and quantity; it cannot change the rest, which ruleDetails tells first (angelone.md 4.6)."""
        leg = _only_leg(gtt, instrument)
        rule = yield from self._rule(session, broker_gtt_id)
        is_same = (rule.symboltoken, rule.exchange, rule.transactiontype, rule.producttype) == (
            instrument.instrument_token,
            EXCHANGE.write(instrument.exchange),
            SIDE.write(leg.side),
            PRODUCT.write(leg.product),
        )
        if not is_same:
            raise BrokerError(
                Fault.UNSUPPORTED,
                "of a GTT at Angel One only the prices and the quantity can be changed",
            )
        body = {
            "id": broker_gtt_id,
            "symboltoken": rule.symboltoken,
            "exchange": rule.exchange,
            **_gtt_terms(leg),
        }
        response = yield _post(f"{GTT_WRITES}/modifyRule", session, GTTS, body, writes=True)
        _gtt_id(read(response, GttAnswer))

    def cancel_gtt(self, session: Session, broker_gtt_id: str) -> Dialogue[None]:
        """POST cancelRule: it wants the instrument named, which ruleDetails tells first (angelone.md 4.6)."""
        rule = yield from self._rule(session, broker_gtt_id)
        body = {
            "id": broker_gtt_id,
            "symboltoken": rule.symboltoken,
            "exchange": rule.exchange,
        }
        response = yield _post(f"{GTT_WRITES}/cancelRule", session, GTTS, body, writes=True)
        _gtt_id(read(response, GttAnswer))

    def gtts(self, session: Session, instruments: Instruments) -> Dialogue[Rows[BrokerGtt]]:
        """POST ruleList, page by page until one is not full (angelone.md 4.6)."""
        found: list[Any] = []
        for page in range(1, GTT_PAGES_MAX + 1):
            body = {"status": ["FORALL"], "page": page, "count": GTT_PAGE}
            response = yield _post(f"{GTT_READS}/ruleList", session, OTHERS, body)
            rows = rows_of(response)
            found += rows
            if len(rows) < GTT_PAGE:
                return read_rows(found, GttRow, lambda row: read_gtt(row, instruments))
        raise BrokerError(Fault.UNREADABLE, f"triggers of more than {GTT_PAGES_MAX} pages")

    # Portfolio

    def positions(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Position]]:
        """GET getPosition (angelone.md 6)."""
        response = yield _get(f"{SECURE}/order/v1/getPosition", session, POSITIONS)
        return read_list(response, PositionRow, lambda row: read_position(row, instruments))

    def holdings(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Holding]]:
        """GET getHolding (angelone.md 6)."""
        response = yield _get(f"{SECURE}/portfolio/v1/getHolding", session, HOLDINGS)
        return read_list(response, HoldingRow, lambda row: read_holding(row, instruments))

    def funds(self, session: Session) -> Dialogue[tuple[Funds, ...]]:
        """GET getRMS (angelone.md 6)."""
        response = yield _get(f"{SECURE}/user/v1/getRMS", session, FUNDS)
        return (read_funds(read(response, FundsRow)),)

    def convert(
        self, session: Session, conversion: Conversion, instrument: Instrument
    ) -> Dialogue[None]:
        """POST convertPosition, the short form of the SDK's own tests (angelone.md 4.5)."""
        if conversion.overnight:
            raise BrokerError(
                Fault.UNSUPPORTED, "Angel One documents no conversion of yesterday's positions"
            )
        _check_lot(conversion.quantity, instrument)
        body = {
            "exchange": EXCHANGE.write(instrument.exchange),
            "symboltoken": instrument.instrument_token,
            "oldproducttype": PRODUCT.write(conversion.from_product),
            "newproducttype": PRODUCT.write(conversion.to_product),
            "tradingsymbol": instrument.broker_symbol,
            "transactiontype": SIDE.write(conversion.side),
            "quantity": conversion.quantity,
            "type": "DAY",
        }
        path = f"{SECURE}/order/v1/convertPosition"
        check((yield _post(path, session, OTHERS, body, writes=True)))

    def margin(
        self, session: Session, orders: tuple[tuple[OrderTerms, Instrument], ...]
    ) -> Dialogue[Margin]:
        """POST margin/v1/batch; it tells no charges (angelone.md 6)."""
        if len(orders) > MARGIN_MAX:
            raise BrokerError(
                Fault.UNSUPPORTED, f"Angel One reckons {MARGIN_MAX} orders at most together"
            )
        body = {"positions": [_margin_item(order, instrument) for order, instrument in orders]}
        response = yield _post(f"{SECURE}/margin/v1/batch", session, OTHERS, body)
        return Margin(needed=decimal(read(response, MarginAnswer).total_margin_required))

    # Market data

    def quotes(
        self, session: Session, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """POST market/v1/quote, mode FULL (angelone.md 7)."""
        return (yield from self._quotes(session, "FULL", instruments))

    def ltp(
        self, session: Session, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """The same in mode LTP: fifty at a time, where getLtpData gives one."""
        return (yield from self._quotes(session, "LTP", instruments))

    def candles(
        self,
        session: Session,
        instrument: Instrument,
        interval: Interval,
        start: datetime,
        end: datetime,
    ) -> Dialogue[Iterable[Candle]]:
        """POST getCandleData (angelone.md 7)."""
        body = {
            "exchange": QUOTE_EXCHANGE.write(instrument.exchange),
            "symboltoken": instrument.instrument_token,
            "interval": INTERVAL.write(interval),
            "fromdate": f"{start:%Y-%m-%d %H:%M}",
            "todate": f"{end:%Y-%m-%d %H:%M}",
        }
        response = yield _post(f"{SECURE}/historical/v1/getCandleData", session, CANDLES, body)
        return [read_candle(row) for row in rows_of(response)]

    def master(self, session: Session) -> Dialogue[bytes]:
        """GET OpenAPIScripMaster.json: all exchanges; it asks for no session (angelone.md 8)."""
        path = "/OpenAPI_File/files/OpenAPIScripMaster.json"
        response = yield HttpRequest("GET", "master", path, MASTER)
        if response.status != 200 or not is_master(response.body):
            data_of(response)
            raise BrokerError(Fault.UNREADABLE, "not an instrument file")
        return response.body

    def parse_master(self, content: bytes, on: date) -> Iterable[Instrument]:
        """The file is today's, whatever `on` is."""
        return parse(content)

    # Shared by two operations

    def _rule(self, session: Session, broker_gtt_id: str) -> Dialogue[GttRow]:
        response = yield _post(f"{GTT_READS}/ruleDetails", session, OTHERS, {"id": broker_gtt_id})
        return read(response, GttRow)

    # Streams

    def connect_stream(self, session: Session) -> Dialogue[StreamRequest]:
        """The market socket (angelone.md 9.1). Its token is one of those that a login by PIN gives."""
        yield from ()
        if "feed_token" not in session.extra:
            raise BrokerError(
                Fault.UNSUPPORTED,
                "prices are not pushed to this session: a ready-made access_token needs the feed_token of its login",
            )
        return StreamRequest("stream", "/smart-stream", streaming(session))

    def stream(self, session: Session, instruments: Instruments) -> Stream:
        return SmartStream()

    def connect_updates(self, session: Session) -> Dialogue[StreamRequest]:
        """The order socket (angelone.md 9.2)."""
        yield from ()
        return StreamRequest("updates", "/smart-order-update", streaming(session))

    def updates(self, session: Session, instruments: Instruments) -> UpdateStream:
        return OrderUpdates(instruments)

    # Parts of operations

    def _quotes(
        self, session: Session, mode: str, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """A row we cannot read is left out, and spoils no other."""
        found: dict[str, Quote] = {}
        for first in range(0, len(instruments), QUOTES_MAX):
            asked = {_quote_key(one): one for one in instruments[first : first + QUOTES_MAX]}
            tokens: dict[str, list[str]] = {}
            for exchange, token in asked:
                tokens.setdefault(exchange, []).append(token)
            body = {"mode": mode, "exchangeTokens": tokens}
            response = yield _post(f"{SECURE}/market/v1/quote", session, QUOTES, body)
            fetched = read(response, Quotes).fetched
            rows = read_rows(fetched, QuoteRow, partial(_quote, asked))
            found.update((quote.symbol, quote) for quote in rows.good)
        return found


ANGELONE = AngelOne()


# Requests


def _get(path: str, session: Session, group: str) -> HttpRequest:
    return HttpRequest("GET", "rest", path, group, asking(session))


def _post(
    path: str, session: Session, group: str, body: Mapping[str, Any], *, writes: bool = False
) -> HttpRequest:
    return HttpRequest("POST", "rest", path, group, signed(session), json=body, writes=writes)


def _order(name: str, what: str, session: Session, body: Mapping[str, str]) -> HttpRequest:
    return _post(f"{SECURE}/order/v1/{name}", session, f"{ORDERS}.{what}", body, writes=True)


def _order_id(answer: OrderAnswer) -> str:
    if not answer.orderid:
        raise BrokerError(Fault.UNREADABLE, "a success without an order id")
    return answer.orderid


def _gtt_id(answer: GttAnswer) -> str:
    if not answer.id:
        raise BrokerError(Fault.UNREADABLE, "a success without a trigger's id")
    return str(answer.id)


def _unique_id(rows: list[Any], broker_order_id: str) -> str:
    for row in rows:
        match row:
            case {"orderid": str(found), "uniqueorderid": str(unique_id)} if unique_id:
                if found == broker_order_id:
                    return unique_id
    raise BrokerError(Fault.NOT_FOUND, f"order {broker_order_id} is not in today's book")


# Fields


def _variety(kind: OrderType, trigger_price: Decimal | None) -> str:
    """Stops, also triggered ones, go under a variety of their own (angelone.md 4.1)."""
    if kind in STOPS or trigger_price:
        return STOP_VARIETY
    return VARIETY.write(Variety.REGULAR)


def _own_variety(row: BrokerOrder) -> str:
    """A parked order is shown as AMO and changed as what it was placed as (forum 5188)."""
    if row.variety is None:
        raise _unknown(row, "variety")
    return _variety(row.type, row.trigger_price)


def _unknown(row: BrokerOrder, what: str) -> BrokerError:
    return BrokerError(
        Fault.UNSUPPORTED,
        f"order {row.broker_order_id} is of a {what} that only Angel One's own screens handle",
    )


def _protection(order: NewOrder) -> None:
    """The broker protects market orders in a band of its own; there is no field to say another (angelone.md 1)."""
    if order.market_protection not in {None, AUTOMATIC_PROTECTION}:
        raise BrokerError(
            Fault.UNSUPPORTED,
            f"market_protection {order.market_protection}: Angel One chooses its own; leave it out",
        )


def _check_lot(quantity: int, instrument: Instrument) -> None:
    size = instrument.lot_size
    if size is None:
        raise BrokerError(
            Fault.UNSUPPORTED,
            f"{instrument.symbol}: no table tells what one of Angel One's quantities is, so no order is made of it",
        )
    if quantity % size:
        raise BrokerError(
            Fault.INVALID_INPUT, f"quantity {quantity} is not a multiple of the lot of {size}"
        )


def _only_leg(gtt: NewGtt, instrument: Instrument) -> GttLeg:
    """The one leg there is, if a trigger here can be it (angelone.md 4.6)."""
    if len(gtt.legs) != 1:
        raise BrokerError(Fault.UNSUPPORTED, "a GTT at Angel One has one leg")
    (leg,) = gtt.legs
    if instrument.exchange not in GTT_EXCHANGES or leg.product not in GTT_PRODUCTS:
        raise BrokerError(
            Fault.UNSUPPORTED, "a GTT at Angel One is of NSE or BSE shares, in CNC or MTF"
        )
    if leg.type is not OrderType.LIMIT:
        raise BrokerError(
            Fault.UNSUPPORTED, f"a GTT at Angel One releases LIMIT orders, not {leg.type}"
        )
    return leg


def _gtt_terms(leg: GttLeg) -> dict[str, Any]:
    return {
        "price": leg.price,
        "qty": leg.quantity,
        "triggerprice": leg.trigger_price,
        "disclosedqty": leg.quantity,
        "timeperiod": GTT_DAYS,
    }


def _margin_item(order: OrderTerms, instrument: Instrument) -> dict[str, Any]:
    assert order.product is not None  # only an order placed elsewhere may lack one
    _check_lot(order.quantity, instrument)
    return {
        "exchange": EXCHANGE.write(instrument.exchange),
        "qty": order.quantity,
        "price": order.price or 0,
        "productType": PRODUCT.write(order.product),
        "token": instrument.instrument_token,
        "tradeType": SIDE.write(order.side),
        "orderType": TYPE.write(order.type),
    }


def _quote_key(instrument: Instrument) -> tuple[str, str]:
    return QUOTE_EXCHANGE.write(instrument.exchange), instrument.instrument_token


def _quote(asked: Mapping[tuple[str, str], Instrument], row: QuoteRow) -> Quote:
    instrument = asked.get((row.exchange, row.symbol_token))
    if instrument is None:
        raise BrokerError(Fault.UNREADABLE, f"a quote of {row.symbol_token}, not asked for")
    return read_quote(row, instrument)
