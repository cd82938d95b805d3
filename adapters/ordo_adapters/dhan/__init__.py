"""Dhan, through DhanHQ v2: one method an operation. `dhan.md N` is section N of Ordo's fact sheet.

Quantities are units at Dhan too. A contract is named by segment and security id; `instrument_token` is both, `NSE_EQ:1594`.
Orders are never sliced by Dhan. MARKET is protected by Dhan itself, by its own rule; one that names a percent goes out as a limit
order so far from the last price. An SL-M goes out as a stop with a limit (`fields.beyond`). Their rows show them so.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from ordo_adapters.dhan.fields import ZERO, beyond, chart_word, check_stop, named, priced, units_of
from ordo_adapters.dhan.forever import changed_leg, forever_body, leg_price, legs_of
from ordo_adapters.dhan.login import login, profile_request, signed
from ordo_adapters.dhan.master import is_master, parse
from ordo_adapters.dhan.rows import (
    Accepted,
    BasketMargin,
    Candles,
    FundLimit,
    GttRow,
    HoldingRow,
    OneMargin,
    OrderRow,
    PositionRow,
    Profile,
    Quoted,
    QuoteRow,
    TradeRow,
    data_of,
    gtt_groups,
    read,
    read_candles,
    read_funds,
    read_gtt,
    read_holding,
    read_list,
    read_order,
    read_position,
    read_quote,
    read_trade,
)
from ordo_adapters.dhan.stream import DhanStream
from ordo_adapters.dhan.tables import (
    CANDLES,
    INTERVAL,
    NO_PLAN,
    ORDERS,
    OTHERS,
    PRODUCT,
    QUOTES,
    QUOTES_MAX,
    SIDE,
    SPEC,
    TYPE,
    VALIDITY,
)
from ordo_adapters.dhan.updates import OrderAlerts
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
    HttpResponse,
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
    Side,
    Stream,
    StreamRequest,
    UpdateStream,
    Variety,
    decimal,
    read_rows,
    shaped,
)

__all__ = ["DHAN", "Dhan"]


class Dhan(Adapter):
    """DhanHQ v2."""

    spec = SPEC

    # Sessions

    def login(self, credentials: Credentials, now: datetime) -> LoginDialogue:
        """By ready-made token, PIN and TOTP, or Dhan's consent page (dhan.md 2)."""
        return (yield from login(credentials, now))

    def user(self, session: Session) -> Dialogue[str]:
        """GET /profile (dhan.md 2.6)."""
        response = yield profile_request(session.user_id, session.access_token)
        return read(response, Profile).dhan_client_id

    # Orders

    def place(self, session: Session, order: NewOrder, instrument: Instrument) -> Dialogue[Placed]:
        """POST /orders; prices in rupees, 0 for none (dhan.md 4.2)."""
        if order.variety not in {Variety.REGULAR, Variety.AMO}:
            raise BrokerError(
                Fault.UNSUPPORTED, f"variety {order.variety} is not known at Dhan's order API"
            )
        if order.type is OrderType.MARKET and order.market_protection is not None:
            order = yield from self._protected(session, order, instrument)
        is_amo = order.variety is Variety.AMO
        body = {
            "dhanClientId": session.user_id,
            "transactionType": SIDE.write(order.side),
            **named(instrument),
            "productType": PRODUCT.write(order.product),
            "validity": VALIDITY.write(order.validity),
            "quantity": units_of(order.quantity, instrument),
            "disclosedQuantity": order.disclosed_quantity or 0,
            **priced(order, instrument),
            "afterMarketOrder": is_amo,
        }
        if is_amo:
            body["amoTime"] = "OPEN"
        if order.tag is not None:
            body["correlationId"] = order.tag
        response = yield _write("POST", "/orders", f"{ORDERS}.place", session, body)
        return Placed(_order_id(response))

    def modify(
        self, session: Session, row: BrokerOrder, changes: OrderChanges, instrument: Instrument
    ) -> Dialogue[None]:
        """PUT /orders/{id}: the order whole, `quantity` its total (dhan.md 4.3)."""
        kind = changes.type or row.type
        terms = OrderTerms(
            symbol=row.symbol,
            side=row.side,
            quantity=changes.quantity or row.quantity,
            type=kind,
            product=row.product,
            price=changes.price or row.price,
            trigger_price=changes.trigger_price or row.trigger_price,
        )
        check_stop(terms, changes)
        body = {
            "dhanClientId": session.user_id,
            "orderId": row.broker_order_id,
            "quantity": units_of(terms.quantity, instrument),
            "disclosedQuantity": changes.disclosed_quantity or row.disclosed_quantity or 0,
            **priced(terms, instrument),
            "validity": VALIDITY.write(changes.validity or row.validity or terms.validity),
        }
        path = f"/orders/{row.broker_order_id}"
        response = yield _write("PUT", path, f"{ORDERS}.modify", session, body)
        _order_id(response)

    def cancel(self, session: Session, row: BrokerOrder) -> Dialogue[None]:
        """DELETE /orders/{id} (dhan.md 4.4)."""
        path = f"/orders/{row.broker_order_id}"
        response = yield _write("DELETE", path, f"{ORDERS}.cancel", session)
        _acknowledged(response)

    def orders(
        self,
        session: Session,
        instruments: Instruments,
        last: Rows[BrokerOrder] | None = None,
    ) -> Dialogue[Rows[BrokerOrder]]:
        """GET /orders: the whole day in one answer (dhan.md 5)."""
        response = yield _get("/orders", session)
        return read_list(response, OrderRow, lambda row: read_order(row, instruments), last)

    def trail(
        self, session: Session, broker_order_id: str, instruments: Instruments
    ) -> Dialogue[Rows[BrokerOrder]]:
        """GET /orders/{id}: how it stands now; Dhan tells no history (dhan.md 5)."""
        response = yield _get(f"/orders/{broker_order_id}", session)
        return _one_or_many(response, instruments)

    def by_tag(
        self, session: Session, tag: str, instruments: Instruments
    ) -> Dialogue[Rows[BrokerOrder]]:
        """GET /orders/external/{tag}. How Dhan says that there is none is not documented; none proves nothing (dhan.md 12)."""
        response = yield _get(f"/orders/external/{tag}", session)
        try:
            return _one_or_many(response, instruments)
        except BrokerError as error:
            if error.fault in {Fault.NOT_FOUND, Fault.ORDER_REJECTED}:
                return Rows(())
            raise

    def trades(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Fill]]:
        """GET /trades (dhan.md 5)."""
        response = yield _get("/trades", session)
        return read_list(response, TradeRow, lambda row: read_trade(row, instruments))

    # GTT: forever orders

    def place_gtt(self, session: Session, gtt: NewGtt, instrument: Instrument) -> Dialogue[str]:
        """POST /forever/orders: SINGLE, or OCO (dhan.md 4.6)."""
        body = forever_body(gtt, instrument) | {"dhanClientId": session.user_id}
        response = yield _write("POST", "/forever/orders", OTHERS, session, body)
        return _order_id(response)

    def modify_gtt(
        self, session: Session, broker_gtt_id: str, gtt: NewGtt, instrument: Instrument
    ) -> Dialogue[None]:
        """PUT /forever/orders/{id}: one leg a request, and of it prices, quantity and type alone (dhan.md 4.6).

        The list is read first: which of two legs is meant, and that nothing else would have to change, only it tells.
        """
        response = yield _get("/forever/orders", session)
        name, leg = changed_leg(response, broker_gtt_id, legs_of(gtt))
        body = {
            "dhanClientId": session.user_id,
            "orderId": broker_gtt_id,
            "orderFlag": "SINGLE" if len(gtt.legs) == 1 else "OCO",
            "orderType": TYPE.write(leg.type),
            "legName": name,
            "quantity": units_of(leg.quantity, instrument),
            "disclosedQuantity": 0,
            "price": leg_price(leg),
            "triggerPrice": leg.trigger_price,
            "validity": "DAY",
        }
        path = f"/forever/orders/{broker_gtt_id}"
        response = yield _write("PUT", path, OTHERS, session, body)
        _order_id(response)

    def cancel_gtt(self, session: Session, broker_gtt_id: str) -> Dialogue[None]:
        """DELETE /forever/orders/{id}."""
        response = yield _write("DELETE", f"/forever/orders/{broker_gtt_id}", OTHERS, session)
        _acknowledged(response)

    def gtts(self, session: Session, instruments: Instruments) -> Dialogue[Rows[BrokerGtt]]:
        """GET /forever/orders, as the SDK asks (dhan.md 4.6)."""
        response = yield _get("/forever/orders", session)
        groups = gtt_groups(read(response, list[Any]))
        return read_rows(groups, list[GttRow], lambda rows: read_gtt(rows, instruments))

    # Portfolio

    def positions(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Position]]:
        """GET /positions, closed ones with quantity 0 (dhan.md 6)."""
        response = yield _get("/positions", session)
        return read_list(
            response, PositionRow, lambda row: read_position(row, instruments), may_lack=True
        )

    def holdings(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Holding]]:
        """GET /holdings (dhan.md 6)."""
        response = yield _get("/holdings", session)
        return read_list(
            response, HoldingRow, lambda row: read_holding(row, instruments), may_lack=True
        )

    def funds(self, session: Session) -> Dialogue[tuple[Funds, ...]]:
        """GET /fundlimit: one purse for everything (dhan.md 6)."""
        response = yield _get("/fundlimit", session)
        return (read_funds(read(response, FundLimit)),)

    def convert(
        self, session: Session, conversion: Conversion, instrument: Instrument
    ) -> Dialogue[None]:
        """POST /positions/convert; the yes is a 202, mostly empty (dhan.md 6)."""
        body = {
            "dhanClientId": session.user_id,
            "fromProductType": PRODUCT.write(conversion.from_product),
            **named(instrument),
            "positionType": "LONG" if conversion.side is Side.BUY else "SHORT",
            "convertQty": units_of(conversion.quantity, instrument),
            "toProductType": PRODUCT.write(conversion.to_product),
        }
        response = yield _write("POST", "/positions/convert", OTHERS, session, body)
        if response.status != 202 or response.body:
            data_of(response)
        if response.status != 202:
            raise BrokerError(Fault.UNREADABLE, "a conversion answered with neither yes nor no")

    def margin(
        self, session: Session, orders: tuple[tuple[OrderTerms, Instrument], ...]
    ) -> Dialogue[Margin]:
        """POST /margincalculator for one, /margincalculator/multi for several, beside the positions (dhan.md 6).

        A market order is reckoned at its last price. The charges are not told whole.
        """
        unpriced = tuple(i for order, i in orders if not (order.price or order.trigger_price))
        last = (yield from self.ltp(session, unpriced)) if unpriced else {}
        items = [_margin_item(order, instrument, last) for order, instrument in orders]
        mine = {"dhanClientId": session.user_id}
        if len(items) == 1:
            response = yield _ask("/margincalculator", OTHERS, session, items[0] | mine)
            one = read(response, OneMargin)
            return Margin(
                needed=decimal(one.total_margin), available=decimal(one.available_balance)
            )
        body = {"includePosition": True, "includeOrder": False, "scripList": items} | mine
        response = yield _ask("/margincalculator/multi", OTHERS, session, body)
        return Margin(needed=decimal(read(response, BasketMargin).total_margin))

    # Market data

    def quotes(
        self, session: Session, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """POST /marketfeed/quote (dhan.md 7)."""
        return (yield from self._quotes(session, "/marketfeed/quote", instruments))

    def ltp(
        self, session: Session, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """POST /marketfeed/ltp (dhan.md 7)."""
        return (yield from self._quotes(session, "/marketfeed/ltp", instruments))

    def candles(
        self,
        session: Session,
        instrument: Instrument,
        interval: Interval,
        start: datetime,
        end: datetime,
    ) -> Dialogue[Iterable[Candle]]:
        """POST /charts/historical for days, /charts/intraday for less (dhan.md 7)."""
        body = named(instrument) | {
            "instrument": chart_word(instrument),
            "oi": instrument.kind not in {InstrumentKind.EQUITY, InstrumentKind.INDEX},
        }
        if interval is Interval.D1:
            path, end = "/charts/historical", end + timedelta(days=1)  # it is exclusive
            body["expiryCode"] = 0
        else:
            path = "/charts/intraday"
            body["interval"] = INTERVAL.write(interval)
        pattern = "%Y-%m-%d" if interval is Interval.D1 else "%Y-%m-%d %H:%M:%S"
        dates = {"fromDate": f"{start:{pattern}}", "toDate": f"{end:{pattern}}"}
        response = yield _ask(path, CANDLES, session, body | dates)
        return _candles(response)

    def master(self, session: Session) -> Dialogue[bytes]:
        """The detailed file, for everybody, at a host of its own (dhan.md 8)."""
        response = yield HttpRequest(
            "GET", "images", "/api-data/api-scrip-master-detailed.csv", OTHERS
        )
        if response.status != 200 or not is_master(response.body):
            raise BrokerError(Fault.UNREADABLE, f"HTTP {response.status}: not an instrument file")
        return response.body

    def parse_master(self, content: bytes, on: date) -> Iterable[Instrument]:
        """The file is today's, whatever `on` is."""
        return parse(content)

    # Streams

    def connect_stream(self, session: Session) -> Dialogue[StreamRequest]:
        """The live market feed; token and client id stand in the address (dhan.md 9.1)."""
        yield from ()
        query = (
            ("version", "2"),
            ("token", session.access_token.reveal()),
            ("clientId", session.user_id),
            ("authType", "2"),
        )
        return StreamRequest("feed", "/", query=query)

    def stream(self, session: Session, instruments: Instruments) -> Stream:
        return DhanStream()

    def connect_updates(self, session: Session) -> Dialogue[StreamRequest]:
        """The live order update; the first frame says who comes (dhan.md 9.3)."""
        yield from ()
        return StreamRequest("updates", "/")

    def updates(self, session: Session, instruments: Instruments) -> UpdateStream:
        return OrderAlerts(session, instruments)

    # Parts of operations

    def _protected(
        self, session: Session, order: NewOrder, instrument: Instrument
    ) -> Dialogue[NewOrder]:
        """A market order with a percent of its own, which Dhan does not take: a limit order so far from the last price."""
        last = yield from self.ltp(session, (instrument,))
        start = _last_price(last, instrument)
        return replace(order, type=OrderType.LIMIT, price=beyond(start, order, instrument))

    def _quotes(
        self, session: Session, path: str, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """Dhan leaves out what it does not know; a row we cannot read is left out too, and spoils no other."""
        found: dict[str, Quote] = {}
        for first in range(0, len(instruments), QUOTES_MAX):
            asked = {one.instrument_token: one for one in instruments[first : first + QUOTES_MAX]}
            body: dict[str, list[int]] = {}
            for token in asked:
                segment, _, security_id = token.partition(":")
                body.setdefault(segment, []).append(int(security_id))
            response = yield _ask(path, QUOTES, session, body)
            pairs = [
                (asked[f"{segment}:{security_id}"], row)
                for segment, rows in shaped(_market_data(response), Quoted).data.items()
                for security_id, row in rows.items()
                if f"{segment}:{security_id}" in asked
            ]
            rows = read_rows(pairs, tuple[Any, QuoteRow], lambda pair: read_quote(pair[1], pair[0]))
            found.update((quote.symbol, quote) for quote in rows.good)
        return found


DHAN = Dhan()


# Requests and answers


def _get(path: str, session: Session) -> HttpRequest:
    return HttpRequest("GET", "rest", path, OTHERS, signed(session.user_id, session.access_token))


def _ask(path: str, group: str, session: Session, body: Mapping[str, Any]) -> HttpRequest:
    headers = signed(session.user_id, session.access_token)
    return HttpRequest("POST", "rest", path, group, headers, json=body)


def _write(
    method: str, path: str, group: str, session: Session, body: Mapping[str, Any] | None = None
) -> HttpRequest:
    headers = signed(session.user_id, session.access_token)
    return HttpRequest(method, "rest", path, group, headers, json=body, writes=True)


def _order_id(response: HttpResponse) -> str:
    order_id = read(response, Accepted).order_id
    if not order_id:
        raise BrokerError(Fault.UNREADABLE, "a success without an order id")
    return order_id


def _acknowledged(response: HttpResponse) -> None:
    """A cancel's yes: the id, or a 202 with nothing in it (dhan.md 3)."""
    if response.status != 202 or response.body:
        _order_id(response)


def _one_or_many(response: HttpResponse, instruments: Instruments) -> Rows[BrokerOrder]:
    """The documentation has a list here, the SDK's own tests one row: both are read (dhan.md 5). An empty object is none."""
    value = data_of(response)
    rows = value if isinstance(value, list) else [value] if value else []
    return read_rows(rows, OrderRow, lambda row: read_order(row, instruments))


def _market_data(response: HttpResponse) -> Any:
    """Answers of the data APIs, for which Dhan wants a plan of its own (dhan.md 1)."""
    try:
        value = data_of(response)
    except BrokerError as error:
        if error.code in NO_PLAN:
            words = "market data needs Dhan's data plan, which is subscribed to at web.dhan.co"
            raise BrokerError(error.fault, f"{error.message}: {words}", code=error.code) from None
        raise
    return value


def _candles(response: HttpResponse) -> list[Candle]:
    """None where Dhan has no data of that time."""
    try:
        columns = _market_data(response)
    except BrokerError as error:
        if error.fault is Fault.NOT_FOUND:
            return []
        raise
    return list(read_candles(shaped(columns, Candles)))


# Fields


def _margin_item(
    order: OrderTerms, instrument: Instrument, last: Mapping[str, Quote]
) -> dict[str, Any]:
    assert order.product is not None  # only an order placed elsewhere may lack one
    price = order.price or order.trigger_price or _last_price(last, instrument)
    return {
        **named(instrument),
        "transactionType": SIDE.write(order.side),
        "quantity": units_of(order.quantity, instrument),
        "productType": PRODUCT.write(order.product),
        "price": price,
        "triggerPrice": order.trigger_price or ZERO,
    }


def _last_price(last: Mapping[str, Quote], instrument: Instrument) -> Decimal:
    if instrument.symbol not in last:
        raise BrokerError(Fault.INVALID_INPUT, f"Dhan has no last price of {instrument.symbol}")
    return last[instrument.symbol].last_price
