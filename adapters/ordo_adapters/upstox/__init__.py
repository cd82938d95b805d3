"""Upstox, through its Developer API v2 and v3: one method an operation. `upstox.md N` is section N of Ordo's fact sheet.

Quantities are units, at Upstox lots on MCX; `_quantity` and the rows convert. Orders are never sliced by Upstox (`slice` is not
sent), so one order id stands for the whole order. Instruments are named by their key, in `instrument_token`.

A 401 to an order may mean the address or the app rather than the token (upstox.md 2.5). To find out would be a request after
the one that writes, which no dialogue may make: it is AUTH_EXPIRED.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ordo_adapters.upstox.login import headers, login, profile_request
from ordo_adapters.upstox.master import is_master, parse
from ordo_adapters.upstox.rows import (
    AuthorizeAnswer,
    Candles,
    ConvertAnswer,
    FundsAnswer,
    GttAnswer,
    GttRow,
    HoldingRow,
    MarginAnswer,
    OrderAnswer,
    OrderRow,
    PositionRow,
    Profile,
    QuoteRow,
    TradeRow,
    data_of,
    lot_of,
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
)
from ordo_adapters.upstox.stream import UpstoxStream, UpstoxUpdates, named_address
from ordo_adapters.upstox.tables import (
    AUTOMATIC_PROTECTION,
    CANDLES,
    CASH,
    INTERVAL,
    MARGIN_MAX,
    ORDERS,
    OTHERS,
    PRODUCT,
    PROTECTION_MAX,
    QUOTES,
    QUOTES_MAX,
    SIDE,
    SPEC,
    TYPE,
    VALIDITY,
)
from ordod.adapter import (
    IST,
    Adapter,
    BadRow,
    BrokerError,
    BrokerGtt,
    BrokerOrder,
    Candle,
    Conversion,
    Credentials,
    Dialogue,
    Exchange,
    Fault,
    Fill,
    Funds,
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
    Product,
    Quote,
    Rows,
    Session,
    Stream,
    StreamRequest,
    UpdateStream,
    Variety,
    decimal,
    read_rows,
)

__all__ = ["UPSTOX", "Upstox"]

PRICED = frozenset({OrderType.LIMIT, OrderType.SL})
TRIGGERED = frozenset({OrderType.SL, OrderType.SL_M})


class Upstox(Adapter):
    """Upstox Developer API."""

    spec = SPEC

    # Sessions

    def login(self, credentials: Credentials, now: datetime) -> LoginDialogue:
        """By ready-made token, Upstox's page, or `push` (upstox.md 2)."""
        return (yield from login(credentials, now))

    def logout(self, session: Session) -> Dialogue[None]:
        """DELETE /v2/logout (upstox.md 2.5)."""
        path = "/v2/logout"
        response = yield HttpRequest("DELETE", "rest", path, OTHERS, headers(session, path))
        data_of(response)

    def user(self, session: Session) -> Dialogue[str]:
        """GET /v2/user/profile (upstox.md 2.5)."""
        response = yield profile_request(session)
        return read(response, Profile).user_id

    # Orders

    def place(self, session: Session, order: NewOrder, instrument: Instrument) -> Dialogue[Placed]:
        """POST /v3/order/place, JSON; prices in rupees, 0 for none (upstox.md 4.2)."""
        if order.variety not in {Variety.REGULAR, Variety.AMO}:
            raise BrokerError(Fault.UNSUPPORTED, f"Upstox has no orders of variety {order.variety}")
        body = {
            "quantity": _quantity(order.quantity, instrument),
            "product": _product(order.product, instrument),
            "validity": VALIDITY.write(order.validity),
            "price": order.price or 0,
            "tag": order.tag,
            "instrument_token": instrument.instrument_token,
            "order_type": TYPE.write(order.type),
            "transaction_type": SIDE.write(order.side),
            "disclosed_quantity": _quantity(order.disclosed_quantity or 0, instrument),
            "trigger_price": order.trigger_price or 0,
            "is_amo": order.variety is Variety.AMO,
            **_protected(order.type, order.market_protection),
        }
        if order.tag is None:
            del body["tag"]
        response = yield _order("POST", "place", session, json=body)
        return Placed(read(response, OrderAnswer, writes=True).one())

    def modify(
        self, session: Session, row: BrokerOrder, changes: OrderChanges, instrument: Instrument
    ) -> Dialogue[None]:
        """PUT /v3/order/modify: type, validity and prices always, the rest where it changes (upstox.md 4.2)."""
        kind, validity = changes.type or row.type, changes.validity or row.validity
        assert validity is not None  # every row of Upstox's has one
        body: dict[str, Any] = {
            "order_id": row.broker_order_id,
            "order_type": TYPE.write(kind),
            "validity": VALIDITY.write(validity),
            "price": (changes.price or row.price or 0) if kind in PRICED else 0,
            "trigger_price": (changes.trigger_price or row.trigger_price or 0)
            if kind in TRIGGERED
            else 0,
            **_protected(kind, None),
        }
        if changes.quantity is not None:
            body["quantity"] = _quantity(changes.quantity, instrument)
        if changes.disclosed_quantity is not None:
            body["disclosed_quantity"] = _quantity(changes.disclosed_quantity, instrument)
        response = yield _order("PUT", "modify", session, json=body)
        read(response, OrderAnswer, writes=True).one()

    def cancel(self, session: Session, row: BrokerOrder) -> Dialogue[None]:
        """DELETE /v3/order/cancel?order_id= (upstox.md 4.1)."""
        query = (("order_id", row.broker_order_id),)
        response = yield _order("DELETE", "cancel", session, query=query)
        read(response, OrderAnswer, writes=True).one()

    def orders(
        self,
        session: Session,
        instruments: Instruments,
        last: Rows[BrokerOrder] | None = None,
    ) -> Dialogue[Rows[BrokerOrder]]:
        """GET /v2/order/retrieve-all: the whole day in one answer (upstox.md 4.1)."""
        response = yield _get("/v2/order/retrieve-all", session)
        return read_list(response, OrderRow, lambda row: read_order(row, instruments), last)

    def trail(
        self, session: Session, broker_order_id: str, instruments: Instruments
    ) -> Dialogue[Rows[BrokerOrder]]:
        """GET /v2/order/history?order_id= (upstox.md 4.1)."""
        return (yield from self._history(session, ("order_id", broker_order_id), instruments))

    def by_tag(
        self, session: Session, tag: str, instruments: Instruments
    ) -> Dialogue[Rows[BrokerOrder]]:
        """GET /v2/order/history?tag=: the trails of all orders of this tag, of which the last state is given (upstox.md 12)."""
        rows = yield from self._history(session, ("tag", tag), instruments)
        latest = {row.broker_order_id: row for row in rows.good}
        return Rows(tuple(latest.values()), rows.bad)

    def trades(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Fill]]:
        """GET /v2/order/trades/get-trades-for-day (upstox.md 5.3)."""
        response = yield _get("/v2/order/trades/get-trades-for-day", session)
        return read_list(response, TradeRow, lambda row: read_trade(row, instruments))

    # GTT

    def place_gtt(self, session: Session, gtt: NewGtt, instrument: Instrument) -> Dialogue[str]:
        """POST /v3/order/gtt/place: one rule (upstox.md 4.7)."""
        rules = yield from self._gtt_rules(session, gtt, instrument)
        (leg,) = gtt.legs
        body = {
            **rules,
            "product": _product(leg.product, instrument),
            "instrument_token": instrument.instrument_token,
            "transaction_type": SIDE.write(leg.side),
        }
        response = yield _gtt("POST", "place", session, body)
        return read(response, GttAnswer, writes=True).one()

    def modify_gtt(
        self, session: Session, broker_gtt_id: str, gtt: NewGtt, instrument: Instrument
    ) -> Dialogue[None]:
        """PUT /v3/order/gtt/modify: quantity and rule; product and side stay (upstox.md 4.7)."""
        rules = yield from self._gtt_rules(session, gtt, instrument)
        response = yield _gtt("PUT", "modify", session, {"gtt_order_id": broker_gtt_id, **rules})
        read(response, GttAnswer, writes=True).one()

    def cancel_gtt(self, session: Session, broker_gtt_id: str) -> Dialogue[None]:
        """DELETE /v3/order/gtt/cancel, with a body (upstox.md 4.7)."""
        response = yield _gtt("DELETE", "cancel", session, {"gtt_order_id": broker_gtt_id})
        read(response, GttAnswer, writes=True).one()

    def gtts(self, session: Session, instruments: Instruments) -> Dialogue[Rows[BrokerGtt]]:
        """GET /v3/order/gtt: those that are not completed."""
        response = yield _get("/v3/order/gtt", session)
        return read_list(response, GttRow, lambda row: read_gtt(row, instruments))

    # Portfolio

    def positions(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Position]]:
        """GET /v2/portfolio/short-term-positions, closed ones with quantity 0, and GET /v3/portfolio/mtf-positions (upstox.md 6).

        What Upstox says to a user without MTF is not known: a refusal of the second is told as a row that could not be read.
        """
        response = yield _get("/v2/portfolio/short-term-positions", session)
        rows = read_list(response, PositionRow, lambda row: read_position(row, instruments))
        response = yield _get("/v3/portfolio/mtf-positions", session)
        try:
            mtf = read_list(response, PositionRow, lambda row: read_position(row, instruments))
        except BrokerError as error:
            if error.fault not in {Fault.AUTH_DENIED, Fault.NOT_FOUND, Fault.INVALID_INPUT}:
                raise
            mtf = Rows((), (BadRow(f"MTF positions: {error.message}", None),))
        return Rows(rows.good + mtf.good, rows.bad + mtf.bad)

    def holdings(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Holding]]:
        """GET /v2/portfolio/long-term-holdings (upstox.md 6)."""
        response = yield _get("/v2/portfolio/long-term-holdings", session)
        return read_list(response, HoldingRow, lambda row: read_holding(row, instruments))

    def funds(self, session: Session) -> Dialogue[tuple[Funds, ...]]:
        """GET /v3/user/get-funds-and-margin: all segments together (upstox.md 6)."""
        response = yield _get("/v3/user/get-funds-and-margin", session)
        return (read_funds(read(response, FundsAnswer)),)

    def convert(
        self, session: Session, conversion: Conversion, instrument: Instrument
    ) -> Dialogue[None]:
        """PUT /v2/portfolio/convert-position (upstox.md 4.8)."""
        body = {
            "instrument_token": instrument.instrument_token,
            "new_product": _product(conversion.to_product, instrument),
            "old_product": _product(conversion.from_product, instrument),
            "transaction_type": SIDE.write(conversion.side),
            "quantity": _quantity(conversion.quantity, instrument),
        }
        path = "/v2/portfolio/convert-position"
        response = yield HttpRequest(
            "PUT", "rest", path, OTHERS, headers(session, path), json=body, writes=True
        )
        status = read(response, ConvertAnswer, writes=True).status
        if status != "complete":
            raise BrokerError(Fault.UNREADABLE, f"a conversion that is {status!r}"[:100])

    def margin(
        self, session: Session, orders: tuple[tuple[OrderTerms, Instrument], ...]
    ) -> Dialogue[Margin]:
        """POST /v2/charges/margin: what they need together; what they cost is told nowhere for several (upstox.md 6)."""
        if len(orders) > MARGIN_MAX:
            raise BrokerError(
                Fault.INVALID_INPUT, f"Upstox reckons the margin of {MARGIN_MAX} orders at most"
            )
        body = {"instruments": [_margin_item(order, instrument) for order, instrument in orders]}
        path = "/v2/charges/margin"
        response = yield HttpRequest(
            "POST", "rest", path, OTHERS, headers(session, path), json=body
        )
        answer = read(response, MarginAnswer)
        if len(answer.margins) != len(orders):
            raise BrokerError(
                Fault.UNREADABLE,
                f"margins of {len(answer.margins)} orders where {len(orders)} were asked for",
            )
        return Margin(needed=round(decimal(answer.final_margin), 2))

    # Market data

    def quotes(
        self, session: Session, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """GET /v2/market-quote/quotes, whose ohlc holds the previous close (upstox.md 7.1)."""
        return (yield from self._quotes(session, "/v2/market-quote/quotes", instruments))

    def ltp(
        self, session: Session, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """GET /v3/market-quote/ltp (upstox.md 7.1)."""
        return (yield from self._quotes(session, "/v3/market-quote/ltp", instruments))

    def candles(
        self,
        session: Session,
        instrument: Instrument,
        interval: Interval,
        start: datetime,
        end: datetime,
    ) -> Dialogue[Iterable[Candle]]:
        """GET /v3/historical-candle, and then today's, which it lacks (upstox.md 7.2).

        Which day is today is not known here: a history that has candles of the last day asked for needs no more.
        """
        key, unit = instrument.instrument_token, INTERVAL.write(interval)
        candles: list[Candle] = []
        for path in (f"{key}/{unit}/{end.date()}/{start.date()}", f"intraday/{key}/{unit}"):
            response = yield _get(f"/v3/historical-candle/{path}", session, CANDLES)
            candles += (read_candle(row, instrument) for row in read(response, Candles).candles)
            if any(one.at.astimezone(IST).date() == end.date() for one in candles):
                break
        return candles

    def master(self, session: Session) -> Dialogue[bytes]:
        """GET complete.json.gz of the assets host, without the session (upstox.md 8)."""
        path = "/market-quote/instruments/exchange/complete.json.gz"
        response = yield HttpRequest("GET", "assets", path, OTHERS)
        if response.status != 200 or not is_master(response.body):
            data_of(response)
            raise BrokerError(Fault.UNREADABLE, "not an instrument file")
        return response.body

    def parse_master(self, content: bytes, on: date) -> Iterable[Instrument]:
        """The file is today's, whatever `on` is."""
        return parse(content)

    # Streams

    def connect_stream(self, session: Session) -> Dialogue[StreamRequest]:
        """GET /v3/feed/market-data-feed/authorize names an address for one connection (upstox.md 9.1)."""
        response = yield _get("/v3/feed/market-data-feed/authorize", session)
        return named_address(read(response, AuthorizeAnswer).address)

    def stream(self, session: Session, instruments: Instruments) -> Stream:
        return UpstoxStream()

    def connect_updates(self, session: Session) -> Dialogue[StreamRequest]:
        """GET /v2/feed/portfolio-stream-feed/authorize: of orders alone (upstox.md 9.5)."""
        query = (("update_types", "order"),)
        response = yield _get("/v2/feed/portfolio-stream-feed/authorize", session, query=query)
        return named_address(read(response, AuthorizeAnswer).address)

    def updates(self, session: Session, instruments: Instruments) -> UpdateStream:
        return UpstoxUpdates(instruments)

    # Shared by two operations

    def _history(
        self, session: Session, by: tuple[str, str], instruments: Instruments
    ) -> Dialogue[Rows[BrokerOrder]]:
        """Oldest first: Upstox does not say in which order it tells them, the time in each row does."""
        response = yield _get("/v2/order/history", session, query=(by,))
        rows = read_list(response, OrderRow, lambda row: read_order(row, instruments))
        good = sorted(rows.good, key=lambda row: row.placed_at or datetime.min.replace(tzinfo=IST))
        return Rows(tuple(good), rows.bad)

    def _gtt_rules(
        self, session: Session, gtt: NewGtt, instrument: Instrument
    ) -> Dialogue[dict[str, Any]]:
        """Upstox wants to know on which side of the price the trigger lies: where the caller has none, it is asked for first."""
        leg = gtt.legs[0]
        if len(gtt.legs) != 1:
            raise BrokerError(
                Fault.UNSUPPORTED,
                "of two legs one must open a position at Upstox: a stop and a target for what is held are two GTTs there",
            )
        if leg.type is not OrderType.LIMIT or leg.price != leg.trigger_price:
            raise BrokerError(
                Fault.UNSUPPORTED,
                "a GTT at Upstox releases a LIMIT order at its trigger: give price the value of trigger_price",
            )
        last_price = gtt.last_price
        if last_price is None:
            found = yield from self.ltp(session, (instrument,))
            if instrument.symbol not in found:
                raise BrokerError(
                    Fault.INVALID_INPUT, f"Upstox has no last price of {instrument.symbol}"
                )
            last_price = found[instrument.symbol].last_price
        if leg.trigger_price == last_price:
            raise BrokerError(
                Fault.INVALID_INPUT, f"the trigger {leg.trigger_price} is the price now"
            )
        rule = {
            "strategy": "ENTRY",
            "trigger_type": "ABOVE" if leg.trigger_price > last_price else "BELOW",
            "trigger_price": leg.trigger_price,
        }
        return {
            "type": "SINGLE",
            "quantity": _quantity(leg.quantity, instrument),
            "rules": [rule],
        }

    def _quotes(
        self, session: Session, path: str, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """Rows are told apart by the key within: Upstox leaves out what it does not know and names the rest as it likes."""
        whole = path.startswith("/v2/")
        found: dict[str, Quote] = {}
        for first in range(0, len(instruments), QUOTES_MAX):
            asked = {i.instrument_token: i for i in instruments[first : first + QUOTES_MAX]}
            query = (("instrument_key", ",".join(asked)),)
            response = yield _get(path, session, QUOTES, query)
            rows = read_rows(
                read(response, dict[str, Any]).values(),
                QuoteRow,
                lambda row: read_quote(row, asked, whole=whole),  # noqa: B023 - called before the next turn
            )
            found.update((quote.symbol, quote) for quote in rows.good)
        return found


UPSTOX = Upstox()


# Requests


def _get(
    path: str, session: Session, group: str = OTHERS, query: tuple[tuple[str, str], ...] = ()
) -> HttpRequest:
    return HttpRequest("GET", "rest", path, group, headers(session, path), query=query)


def _order(
    method: str,
    what: str,
    session: Session,
    *,
    json: Any = None,
    query: tuple[tuple[str, str], ...] = (),
) -> HttpRequest:
    path = f"/v3/order/{what}"
    return HttpRequest(
        method,
        "hft",
        path,
        f"{ORDERS}.{what}",
        headers(session, path),
        query=query,
        json=json,
        writes=True,
    )


def _gtt(method: str, what: str, session: Session, body: Any) -> HttpRequest:
    path = f"/v3/order/gtt/{what}"
    return HttpRequest(
        method, "rest", path, f"{ORDERS}.gtt", headers(session, path), json=body, writes=True
    )


# Fields


def _quantity(quantity: int, instrument: Instrument) -> int:
    """Upstox's quantity: units, but lots on MCX (upstox.md 4.4)."""
    size = lot_of(instrument)
    if instrument.exchange is not Exchange.MCX:
        return quantity
    lots, rest = divmod(quantity, size)
    if rest:
        raise BrokerError(
            Fault.INVALID_INPUT, f"quantity {quantity} is not a multiple of the lot of {size}"
        )
    return lots


def _product(product: Product, instrument: Instrument) -> str:
    """D is CNC on shares and NRML on derivatives: the other way round it would be another product than was asked for."""
    wrong = Product.NRML if instrument.exchange in CASH else Product.CNC
    if product is wrong:
        raise BrokerError(
            Fault.INVALID_INPUT, f"{product} is no product of {instrument.exchange} at Upstox"
        )
    return PRODUCT.write(product)


def _protected(kind: OrderType, percent: Decimal | None) -> dict[str, Decimal]:
    """Never absent on MARKET and SL-M, which Upstox may refuse without it since April 2026 (upstox.md 4.2)."""
    if kind in PRICED:
        return {}
    value = AUTOMATIC_PROTECTION if percent is None else percent
    if value != AUTOMATIC_PROTECTION and not 0 < value <= PROTECTION_MAX:
        raise BrokerError(
            Fault.INVALID_INPUT,
            f"market_protection {value}: above 0 and up to {PROTECTION_MAX} percent, or -1 for Upstox's own choice",
        )
    return {"market_protection": value}


def _margin_item(order: OrderTerms, instrument: Instrument) -> dict[str, Any]:
    assert order.product is not None  # only an order placed elsewhere may lack one
    return {
        "instrument_key": instrument.instrument_token,
        "quantity": _quantity(order.quantity, instrument),
        "product": _product(order.product, instrument),
        "transaction_type": SIDE.write(order.side),
        "price": order.price or 0,
    }
