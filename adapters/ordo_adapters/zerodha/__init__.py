"""Zerodha, through Kite Connect v3: one method an operation. `zerodha.md N` is section N of Ordo's fact sheet.

Quantities are units here and lots at Kite on MCX and currency; `_lots` and the rows convert. Orders are never sliced by Kite
(`autoslice` is not sent), so one order id stands for the whole order. Kite cannot look an order up by its tag.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from ordo_adapters.zerodha.login import VERSION, login, profile_request, signed
from ordo_adapters.zerodha.master import is_master, parse
from ordo_adapters.zerodha.rows import (
    BasketMargin,
    Candles,
    GttAnswer,
    GttRow,
    HoldingRow,
    MarginRow,
    Margins,
    OrderAnswer,
    OrderRow,
    PositionRow,
    Positions,
    Profile,
    TradeRow,
    data_of,
    read,
    read_candle,
    read_gtt,
    read_holding,
    read_list,
    read_margins,
    read_order,
    read_position,
    read_quote,
    read_trade,
)
from ordo_adapters.zerodha.stream import KiteStream
from ordo_adapters.zerodha.tables import (
    AUTOMATIC_PROTECTION,
    CANDLES,
    EXCHANGE,
    ICEBERG_LEGS,
    IN_LOTS,
    INTERVAL,
    LTP_MAX,
    ORDERS,
    OTHERS,
    PRODUCT,
    QUOTE_EXCHANGE,
    QUOTES,
    QUOTES_MAX,
    SIDE,
    SPEC,
    TYPE,
    VALIDITY,
    VARIETY,
)
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
    Holding,
    HttpRequest,
    Instrument,
    InstrumentKind,
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
    Validity,
    Variety,
    canonical,
    decimal,
    read_rows,
)

__all__ = ["ZERODHA", "Zerodha"]

_JSON = msgspec.json.Encoder(decimal_format="number")


class Zerodha(Adapter):
    """Kite Connect v3."""

    spec = SPEC

    # Sessions

    def login(self, credentials: Credentials, now: datetime) -> LoginDialogue:
        """By ready-made token, Zerodha's page, or `headless` (zerodha.md 2)."""
        return (yield from login(credentials, now))

    def logout(self, session: Session) -> Dialogue[None]:
        """DELETE /session/token: the API's session alone, not Kite web's (zerodha.md 2.3)."""
        response = yield HttpRequest(
            "DELETE",
            "rest",
            "/session/token",
            OTHERS,
            signed(session),
            query=(
                ("api_key", session.api_key),
                ("access_token", session.access_token.reveal()),
            ),
        )
        data_of(response)

    def user(self, session: Session) -> Dialogue[str]:
        """GET /user/profile (zerodha.md 2.3)."""
        response = yield profile_request(session)
        return read(response, Profile).user_id

    # Orders

    def place(self, session: Session, order: NewOrder, instrument: Instrument) -> Dialogue[Placed]:
        """POST /orders/{variety}, a form; prices in rupees (zerodha.md 4.2)."""
        form = {
            "exchange": EXCHANGE.write(instrument.exchange),
            "tradingsymbol": instrument.broker_symbol,
            "transaction_type": SIDE.write(order.side),
            "order_type": TYPE.write(order.type),
            "quantity": _lots(order.quantity, instrument),
            "product": PRODUCT.write(order.product),
            "validity": VALIDITY.write(order.validity),
            **_priced(order.price, order.trigger_price),
        }
        if order.validity is Validity.TTL:
            if not order.validity_minutes:
                raise BrokerError(Fault.INVALID_INPUT, "validity TTL needs validity_minutes")
            form["validity_ttl"] = str(order.validity_minutes)
        if order.disclosed_quantity:
            form["disclosed_quantity"] = _lots(order.disclosed_quantity, instrument)
        if order.variety is Variety.ICEBERG:
            form |= _iceberg(order, instrument)
        if order.type in {OrderType.MARKET, OrderType.SL_M}:
            form["market_protection"] = _protection(order.market_protection)
        if order.tag is not None:
            form["tag"] = order.tag
        path = f"/orders/{VARIETY.write(order.variety)}"
        response = yield _write("POST", path, f"{ORDERS}.place", session, form)
        return Placed(_order_id(read(response, OrderAnswer)))

    def modify(
        self, session: Session, row: BrokerOrder, changes: OrderChanges, instrument: Instrument
    ) -> Dialogue[None]:
        """PUT /orders/{variety}/{order_id}: what changes, `order_type` beside a price (zerodha.md 4.2)."""
        form = _priced(changes.price, changes.trigger_price)
        if row.parent_order_id:
            form["parent_order_id"] = row.parent_order_id
        if row.variety is Variety.CO:
            _only_prices(changes)
        else:
            form |= _changed_terms(row, changes, instrument)
        response = yield _write("PUT", _order_path(row), f"{ORDERS}.modify", session, form)
        _order_id(read(response, OrderAnswer))

    def cancel(self, session: Session, row: BrokerOrder) -> Dialogue[None]:
        """DELETE /orders/{variety}/{order_id}, under the variety that its row shows (zerodha.md 13)."""
        parent = (("parent_order_id", row.parent_order_id),) if row.parent_order_id else ()
        response = yield HttpRequest(
            "DELETE",
            "rest",
            _order_path(row),
            f"{ORDERS}.cancel",
            signed(session),
            query=parent,
            writes=True,
        )
        _order_id(read(response, OrderAnswer))

    def orders(
        self,
        session: Session,
        instruments: Instruments,
        last: Rows[BrokerOrder] | None = None,
    ) -> Dialogue[Rows[BrokerOrder]]:
        """GET /orders: the whole day in one answer (zerodha.md 5.2)."""
        response = yield _get("/orders", session)
        return read_list(response, OrderRow, lambda row: read_order(row, instruments), last)

    def trail(
        self, session: Session, broker_order_id: str, instruments: Instruments
    ) -> Dialogue[Rows[BrokerOrder]]:
        """GET /orders/{order_id}: its history, not its row (zerodha.md 13)."""
        response = yield _get(f"/orders/{broker_order_id}", session)
        return read_list(response, OrderRow, lambda row: read_order(row, instruments))

    def trades(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Fill]]:
        """GET /trades (zerodha.md 5.3)."""
        response = yield _get("/trades", session)
        return read_list(response, TradeRow, lambda row: read_trade(row, instruments))

    # GTT

    def place_gtt(self, session: Session, gtt: NewGtt, instrument: Instrument) -> Dialogue[str]:
        """POST /gtt/triggers: condition and orders as JSON text in a form (zerodha.md 4.7)."""
        form = yield from self._gtt_form(session, gtt, instrument)
        response = yield _write("POST", "/gtt/triggers", OTHERS, session, form)
        return str(read(response, GttAnswer).trigger_id)

    def modify_gtt(
        self, session: Session, broker_gtt_id: str, gtt: NewGtt, instrument: Instrument
    ) -> Dialogue[None]:
        """PUT /gtt/triggers/{id}: complete, as placed."""
        form = yield from self._gtt_form(session, gtt, instrument)
        response = yield _write("PUT", f"/gtt/triggers/{broker_gtt_id}", OTHERS, session, form)
        read(response, GttAnswer)

    def cancel_gtt(self, session: Session, broker_gtt_id: str) -> Dialogue[None]:
        """DELETE /gtt/triggers/{id}."""
        path = f"/gtt/triggers/{broker_gtt_id}"
        response = yield HttpRequest("DELETE", "rest", path, OTHERS, signed(session), writes=True)
        read(response, GttAnswer)

    def gtts(self, session: Session, instruments: Instruments) -> Dialogue[Rows[BrokerGtt]]:
        """GET /gtt/triggers: the active ones and those of the last seven days."""
        response = yield _get("/gtt/triggers", session)
        return read_list(response, GttRow, lambda row: read_gtt(row, instruments))

    # Portfolio

    def positions(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Position]]:
        """GET /portfolio/positions: the net ones, closed ones with quantity 0 (zerodha.md 6.1)."""
        response = yield _get("/portfolio/positions", session)
        net = read(response, Positions).net
        return read_rows(net, PositionRow, lambda row: read_position(row, instruments))

    def holdings(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Holding]]:
        """GET /portfolio/holdings (zerodha.md 6.2)."""
        response = yield _get("/portfolio/holdings", session)
        return read_list(response, HoldingRow, lambda row: read_holding(row, instruments))

    def funds(self, session: Session) -> Dialogue[tuple[Funds, ...]]:
        """GET /user/margins: the segments that are enabled (zerodha.md 6.3)."""
        response = yield _get("/user/margins", session)
        return read_margins(read(response, Margins))

    def convert(
        self, session: Session, conversion: Conversion, instrument: Instrument
    ) -> Dialogue[None]:
        """PUT /portfolio/positions (zerodha.md 4.8)."""
        form = {
            "exchange": EXCHANGE.write(instrument.exchange),
            "tradingsymbol": instrument.broker_symbol,
            "transaction_type": SIDE.write(conversion.side),
            "position_type": "overnight" if conversion.overnight else "day",
            "quantity": _lots(conversion.quantity, instrument),
            "old_product": PRODUCT.write(conversion.from_product),
            "new_product": PRODUCT.write(conversion.to_product),
        }
        response = yield _write("PUT", "/portfolio/positions", OTHERS, session, form)
        if data_of(response) is not True:
            raise BrokerError(Fault.UNREADABLE, "a conversion answered with neither yes nor no")

    def margin(
        self, session: Session, orders: tuple[tuple[OrderTerms, Instrument], ...]
    ) -> Dialogue[Margin]:
        """POST /margins/orders for one, /margins/basket for several, beside the positions (zerodha.md 6.4)."""
        body = [_margin_item(order, instrument) for order, instrument in orders]
        if len(body) == 1:
            response = yield _ask_margin("/margins/orders", session, body)
            rows = read(response, list[MarginRow])
            needed = sum((row.total for row in rows), Decimal(0))
        else:
            query = (("consider_positions", "true"),)
            response = yield _ask_margin("/margins/basket", session, body, query)
            basket = read(response, BasketMargin)
            rows, needed = basket.orders, basket.final.total
        if len(rows) != len(body):
            raise BrokerError(
                Fault.UNREADABLE, f"margins of {len(rows)} orders where {len(body)} were asked for"
            )
        charges = sum((row.charges.total for row in rows), Decimal(0))
        return Margin(needed=_paisa(needed), charges=_paisa(charges))

    # Market data

    def quotes(
        self, session: Session, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """GET /quote (zerodha.md 7.1)."""
        return (yield from self._quotes(session, "/quote", QUOTES_MAX, instruments))

    def ltp(
        self, session: Session, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """GET /quote/ltp (zerodha.md 7.1)."""
        return (yield from self._quotes(session, "/quote/ltp", LTP_MAX, instruments))

    def candles(
        self,
        session: Session,
        instrument: Instrument,
        interval: Interval,
        start: datetime,
        end: datetime,
    ) -> Dialogue[Iterable[Candle]]:
        """GET /instruments/historical/{token}/{interval} (zerodha.md 7.2)."""
        path = f"/instruments/historical/{instrument.instrument_token}/{INTERVAL.write(interval)}"
        has_oi = instrument.kind not in {InstrumentKind.EQUITY, InstrumentKind.INDEX}
        query = (
            ("from", f"{start:%Y-%m-%d %H:%M:%S}"),
            ("to", f"{end:%Y-%m-%d %H:%M:%S}"),
            ("continuous", "0"),
            ("oi", "1" if has_oi else "0"),
        )
        response = yield _get(path, session, CANDLES, query)
        return [read_candle(row, instrument) for row in read(response, Candles).candles]

    def master(self, session: Session) -> Dialogue[bytes]:
        """GET /instruments: all exchanges, a CSV (zerodha.md 8)."""
        response = yield _get("/instruments", session)
        if response.status != 200 or not is_master(response.body):
            data_of(response)
            raise BrokerError(Fault.UNREADABLE, "not an instrument file")
        return response.body

    def parse_master(self, content: bytes, on: date) -> Iterable[Instrument]:
        """The file is today's, whatever `on` is."""
        return parse(content)

    # Streams

    def connect_stream(self, session: Session) -> Dialogue[StreamRequest]:
        """One socket for prices and orders; the tokens stand in the address (zerodha.md 9.1)."""
        yield from ()
        query = (("api_key", session.api_key), ("access_token", session.access_token.reveal()))
        return StreamRequest("ws", "/", (VERSION,), query)

    def stream(self, session: Session, instruments: Instruments) -> Stream:
        return KiteStream(instruments)

    # Shared by two operations

    def _gtt_form(
        self, session: Session, gtt: NewGtt, instrument: Instrument
    ) -> Dialogue[dict[str, str]]:
        """Kite wants the price of now beside the triggers: where the caller has none, it is asked for first."""
        exchange, theirs = EXCHANGE.write(instrument.exchange), instrument.broker_symbol
        legs = [
            {
                "exchange": exchange,
                "tradingsymbol": theirs,
                "transaction_type": SIDE.write(leg.side),
                "quantity": int(_lots(leg.quantity, instrument)),
                "order_type": _gtt_type(leg.type),
                "product": PRODUCT.write(leg.product),
                "price": leg.price,
            }
            for leg in gtt.legs
        ]
        if len(legs) not in {1, 2}:
            raise BrokerError(Fault.INVALID_INPUT, f"a GTT has one leg or two, not {len(legs)}")
        last_price = gtt.last_price
        if last_price is None:
            found = yield from self.ltp(session, (instrument,))
            if instrument.symbol not in found:
                raise BrokerError(
                    Fault.INVALID_INPUT, f"Kite has no last price of {instrument.symbol}"
                )
            last_price = found[instrument.symbol].last_price
        condition = {
            "exchange": exchange,
            "tradingsymbol": theirs,
            "trigger_values": [leg.trigger_price for leg in gtt.legs],
            "last_price": last_price,
        }
        return {
            "type": "single" if len(legs) == 1 else "two-leg",
            "condition": _JSON.encode(condition).decode(),
            "orders": _JSON.encode(legs).decode(),
        }

    def _quotes(
        self, session: Session, path: str, most: int, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """Kite leaves out what it does not know; a row we cannot read is left out too, and spoils no other."""
        found: dict[str, Quote] = {}
        for first in range(0, len(instruments), most):
            asked = {_quote_key(one): one for one in instruments[first : first + most]}
            query = tuple(("i", key) for key in asked)
            response = yield _get(path, session, QUOTES, query)
            data = read(response, dict[str, Any])
            rows = read_rows(
                [(asked[key], row) for key, row in data.items() if key in asked],
                tuple[Any, Any],
                lambda pair: read_quote(pair[1], pair[0]),
            )
            found.update((quote.symbol, quote) for quote in rows.good)
        return found


ZERODHA = Zerodha()


# Requests


def _get(
    path: str, session: Session, group: str = OTHERS, query: tuple[tuple[str, str], ...] = ()
) -> HttpRequest:
    return HttpRequest("GET", "rest", path, group, signed(session), query=query)


def _write(
    method: str, path: str, group: str, session: Session, form: Mapping[str, str]
) -> HttpRequest:
    return HttpRequest(method, "rest", path, group, signed(session), form=form, writes=True)


def _ask_margin(
    path: str,
    session: Session,
    body: list[dict[str, Any]],
    query: tuple[tuple[str, str], ...] = (),
) -> HttpRequest:
    return HttpRequest("POST", "rest", path, OTHERS, signed(session), query=query, json=body)


def _order_path(row: BrokerOrder) -> str:
    if row.variety is None:
        raise BrokerError(
            Fault.UNSUPPORTED,
            f"order {row.broker_order_id} is of a variety that only Zerodha's own screens handle",
        )
    return f"/orders/{VARIETY.write(row.variety)}/{row.broker_order_id}"


def _order_id(answer: OrderAnswer) -> str:
    if not answer.order_id:
        raise BrokerError(Fault.UNREADABLE, "a success without an order id")
    return answer.order_id


# Fields


def _lots(quantity: int, instrument: Instrument) -> str:
    """Kite's quantity: units, but lots on MCX and currency (zerodha.md 4.4)."""
    size = instrument.lot_size
    if size is None:
        raise BrokerError(
            Fault.UNSUPPORTED,
            f"{instrument.symbol}: no table tells how many units a lot of it has, so no order is made of it",
        )
    if instrument.exchange not in IN_LOTS:
        return str(quantity)
    lots, rest = divmod(quantity, size)
    if rest:
        raise BrokerError(
            Fault.INVALID_INPUT, f"quantity {quantity} is not a multiple of the lot of {size}"
        )
    return str(lots)


def _priced(price: Decimal | None, trigger_price: Decimal | None) -> dict[str, str]:
    prices = {"price": price, "trigger_price": trigger_price}
    return {name: canonical(value) for name, value in prices.items() if value is not None}


def _iceberg(order: OrderTerms, instrument: Instrument) -> dict[str, str]:
    legs = order.iceberg_legs
    if legs is None or legs not in ICEBERG_LEGS:
        raise BrokerError(
            Fault.INVALID_INPUT,
            f"an iceberg has {ICEBERG_LEGS[0]} to {ICEBERG_LEGS[-1]} legs, not {legs}",
        )
    leg, rest = divmod(order.quantity, legs)
    if rest or leg % (instrument.lot_size or 1):
        raise BrokerError(
            Fault.INVALID_INPUT,
            f"quantity {order.quantity} does not make {legs} equal legs of whole lots",
        )
    return {"iceberg_legs": str(legs), "iceberg_quantity": _lots(leg, instrument)}


def _protection(percent: Decimal | None) -> str:
    """Never absent on MARKET and SL-M: without it Kite rejects them since 1 April 2026 (zerodha.md 1)."""
    value = AUTOMATIC_PROTECTION if percent is None else percent
    if value != AUTOMATIC_PROTECTION and not 0 < value <= 100:
        raise BrokerError(
            Fault.INVALID_INPUT,
            f"market_protection {value}: above 0 and up to 100 percent, or -1 for Kite's own choice",
        )
    return canonical(value)


def _only_prices(changes: OrderChanges) -> None:
    """Of a cover order only the prices can be changed (zerodha.md 4.2)."""
    others = (changes.quantity, changes.type, changes.validity, changes.disclosed_quantity)
    if any(value is not None for value in others):
        raise BrokerError(Fault.UNSUPPORTED, "of a cover order only the prices can be changed")


def _changed_terms(
    row: BrokerOrder, changes: OrderChanges, instrument: Instrument
) -> dict[str, str]:
    form = {}
    kind = changes.type or row.type
    if changes.type or changes.price is not None or changes.trigger_price is not None:
        form["order_type"] = TYPE.write(kind)
    if changes.quantity is not None:
        form["quantity"] = _lots(changes.quantity, instrument)
    if changes.disclosed_quantity is not None:
        form["disclosed_quantity"] = _lots(changes.disclosed_quantity, instrument)
    if changes.validity is Validity.TTL:
        raise BrokerError(Fault.UNSUPPORTED, "a change to TTL needs minutes, which it cannot carry")
    if changes.validity:
        form["validity"] = VALIDITY.write(changes.validity)
    if kind in {OrderType.MARKET, OrderType.SL_M}:
        form["market_protection"] = _protection(None)
    return form


def _gtt_type(kind: OrderType) -> str:
    if kind is not OrderType.LIMIT:
        raise BrokerError(Fault.UNSUPPORTED, f"a GTT at Zerodha releases LIMIT orders, not {kind}")
    return TYPE.write(kind)


def _margin_item(order: OrderTerms, instrument: Instrument) -> dict[str, Any]:
    assert order.product is not None  # only an order placed elsewhere may lack one
    return {
        "exchange": EXCHANGE.write(instrument.exchange),
        "tradingsymbol": instrument.broker_symbol,
        "transaction_type": SIDE.write(order.side),
        "variety": VARIETY.write(order.variety),
        "product": PRODUCT.write(order.product),
        "order_type": TYPE.write(order.type),
        "quantity": int(_lots(order.quantity, instrument)),
        "price": order.price or 0,
        "trigger_price": order.trigger_price or 0,
    }


def _paisa(amount: Decimal) -> Decimal:
    return round(decimal(amount), 2)


def _quote_key(instrument: Instrument) -> str:
    return f"{QUOTE_EXCHANGE.write(instrument.exchange)}:{instrument.broker_symbol}"
