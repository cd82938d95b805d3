"""Dhan, through DhanHQ v2: one method an operation. `dhan.md N` is section N of Ordo's fact sheet.

Quantities are units at Dhan too. A contract is named by segment and security id; `instrument_token` is both, `NSE_EQ:1594`.
Orders are never sliced by Dhan. MARKET is protected by Dhan itself, by its own rule; one that names a percent goes out as a limit
order so far from the last price. An SL-M goes out as a stop with a limit (`_beyond`). Their rows show them so.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from msgspec.structs import replace

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
from ordo_adapters.dhan.tables import (
    AUTOMATIC_PROTECTION,
    CANDLES,
    INDEX_UNDERLYINGS,
    INSTRUMENT,
    INTERVAL,
    INTRADAY_SPAN,
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
from ordod.adapter import (
    IST,
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
    Variety,
    decimal,
    read_rows,
    shaped,
    units,
)

__all__ = ["DHAN", "Dhan"]

ZERO = Decimal(0)
LEG_NAMES = frozenset({"TARGET_LEG", "STOP_LOSS_LEG"})
STOPS = frozenset({OrderType.SL, OrderType.SL_M})


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
            **_named(instrument),
            "productType": PRODUCT.write(order.product),
            "validity": VALIDITY.write(order.validity),
            "quantity": _units(order.quantity, instrument),
            "disclosedQuantity": order.disclosed_quantity or 0,
            **_priced(order, instrument),
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
        _check_stop(terms, changes)
        body = {
            "dhanClientId": session.user_id,
            "orderId": row.broker_order_id,
            "quantity": _units(terms.quantity, instrument),
            "disclosedQuantity": changes.disclosed_quantity or row.disclosed_quantity or 0,
            **_priced(terms, instrument),
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

    def orders(self, session: Session, instruments: Instruments) -> Dialogue[Rows[BrokerOrder]]:
        """GET /orders: the whole day in one answer (dhan.md 5)."""
        response = yield _get("/orders", session)
        return read_list(response, OrderRow, lambda row: read_order(row, instruments))

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
        body = _forever(gtt, instrument) | {"dhanClientId": session.user_id}
        response = yield _write("POST", "/forever/orders", OTHERS, session, body)
        return _order_id(response)

    def modify_gtt(
        self, session: Session, broker_gtt_id: str, gtt: NewGtt, instrument: Instrument
    ) -> Dialogue[None]:
        """PUT /forever/orders/{id}: one leg a request, and of it prices, quantity and type alone (dhan.md 4.6).

        The list is read first: which of two legs is meant, and that nothing else would have to change, only it tells.
        """
        response = yield _get("/forever/orders", session)
        name, leg = _changed_leg(response, broker_gtt_id, _legs(gtt))
        body = {
            "dhanClientId": session.user_id,
            "orderId": broker_gtt_id,
            "orderFlag": "SINGLE" if len(gtt.legs) == 1 else "OCO",
            "orderType": TYPE.write(leg.type),
            "legName": name,
            "quantity": _units(leg.quantity, instrument),
            "disclosedQuantity": 0,
            "price": _leg_price(leg),
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
            **_named(instrument),
            "positionType": "LONG" if conversion.side is Side.BUY else "SHORT",
            "convertQty": _units(conversion.quantity, instrument),
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
    ) -> Dialogue[tuple[Candle, ...]]:
        """POST /charts/historical for days, /charts/intraday 90 days at a time (dhan.md 7)."""
        start, end = start.astimezone(IST), end.astimezone(IST)
        body = _named(instrument) | {
            "instrument": _kind_word(instrument),
            "oi": instrument.kind not in {InstrumentKind.EQUITY, InstrumentKind.INDEX},
        }
        if interval is Interval.D1:
            path, spans = "/charts/historical", [(start, end + timedelta(days=1))]  # end: exclusive
            body["expiryCode"] = 0
        else:
            path, spans = "/charts/intraday", list(_spans(start, end))
            body["interval"] = INTERVAL.write(interval)
        pattern = "%Y-%m-%d" if interval is Interval.D1 else "%Y-%m-%d %H:%M:%S"
        found: dict[datetime, Candle] = {}
        for first, last in spans:
            dates = {"fromDate": f"{first:{pattern}}", "toDate": f"{last:{pattern}}"}
            response = yield _ask(path, CANDLES, session, body | dates)
            candles = _candles(response)
            found.update((c.at, c) for c in candles if start <= c.at <= end)
        return tuple(found[at] for at in sorted(found))

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

    # Parts of operations

    def _protected(
        self, session: Session, order: NewOrder, instrument: Instrument
    ) -> Dialogue[NewOrder]:
        """A market order with a percent of its own, which Dhan does not take: a limit order so far from the last price."""
        last = yield from self.ltp(session, (instrument,))
        start = _last_price(last, instrument)
        return replace(order, type=OrderType.LIMIT, price=_beyond(start, order, instrument))

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
        if error.fault is Fault.AUTH_DENIED:
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


def _named(instrument: Instrument) -> dict[str, str]:
    segment, _, security_id = instrument.instrument_token.partition(":")
    return {"exchangeSegment": segment, "securityId": security_id}


def _units(quantity: int, instrument: Instrument) -> int:
    if instrument.lot_size is None:
        raise BrokerError(
            Fault.UNSUPPORTED,
            f"{instrument.symbol}: Dhan's file and the exchange's contract sizes do not agree on its lot, so no order is made of it",
        )
    return quantity


def _priced(terms: OrderTerms, instrument: Instrument) -> dict[str, Any]:
    """Type and prices, 0 for none. An SL-M is a stop with a limit (`_beyond`)."""
    kind, price = terms.type, terms.price
    if kind is OrderType.SL_M:
        kind, price = OrderType.SL, _beyond(terms.trigger_price, terms, instrument)
    return {
        "orderType": TYPE.write(kind),
        "price": price if price and kind is not OrderType.MARKET else ZERO,
        "triggerPrice": terms.trigger_price if terms.trigger_price and kind in STOPS else ZERO,
    }


def _beyond(start: Decimal | None, terms: OrderTerms, instrument: Instrument) -> Decimal:
    """The limit of a protected order: `market_protection` percent beyond where it starts, 5 where none is named.

    On the tick, at least one tick beyond the start and never through a circuit limit that the master tells: a price that the
    market cannot reach is no protection, and Dhan refuses it (dhan.md 13).
    """
    if start is None:
        raise BrokerError(Fault.INVALID_INPUT, "SL-M needs a trigger_price")
    tick = instrument.tick_size
    percent = AUTOMATIC_PROTECTION if terms.market_protection is None else terms.market_protection
    width = start * percent / 100
    if terms.side is Side.BUY:
        far = ((start + width) / tick).to_integral_value(ROUND_FLOOR) * tick
        return min(max(far, start + tick), instrument.upper_circuit or far + tick)
    far = ((start - width) / tick).to_integral_value(ROUND_CEILING) * tick
    return max(min(far, start - tick), instrument.lower_circuit or tick)


def _check_stop(terms: OrderTerms, changes: OrderChanges) -> None:
    """A stop whose trigger passes its limit could never trade; whether the limit was a person's or ours, its row does not tell."""
    price, trigger = terms.price, terms.trigger_price
    if terms.type is not OrderType.SL or changes.price is not None or not (price and trigger):
        return
    if price < trigger if terms.side is Side.BUY else price > trigger:
        raise BrokerError(
            Fault.INVALID_INPUT,
            f"the trigger {trigger} passes the order's limit {price}: name a price too, or type SL-M to have it set anew",
        )


def _leg_price(leg: GttLeg) -> Decimal:
    return ZERO if leg.type is OrderType.MARKET else leg.price


def _legs(gtt: NewGtt) -> list[GttLeg]:
    """The upper leg first, as Dhan's own sample of an OCO has it."""
    legs = sorted(gtt.legs, key=lambda leg: leg.trigger_price, reverse=True)
    if len(legs) not in {1, 2}:
        raise BrokerError(Fault.INVALID_INPUT, f"a GTT has one leg or two, not {len(legs)}")
    if len({(leg.side, leg.product, leg.type) for leg in legs}) > 1:
        raise BrokerError(
            Fault.UNSUPPORTED, "the legs of a trigger at Dhan share side, product and type"
        )
    if legs[0].type not in {OrderType.LIMIT, OrderType.MARKET}:
        raise BrokerError(
            Fault.UNSUPPORTED, f"a GTT at Dhan releases LIMIT and MARKET orders, not {legs[0].type}"
        )
    return legs


def _changed_leg(
    response: HttpResponse, broker_gtt_id: str, legs: list[GttLeg]
) -> tuple[str, GttLeg]:
    """Dhan's name of the one leg that is to change, and the leg."""
    rows = [
        shaped(row, GttRow)
        for row in read(response, list[dict[str, Any]])
        if row.get("orderId") == broker_gtt_id
    ]
    if not rows:
        raise BrokerError(Fault.NOT_FOUND, f"Dhan lists no forever order {broker_gtt_id}")
    rows.sort(key=lambda row: row.trigger_price, reverse=True)
    fixed = [(SIDE.read(row.transaction_type), PRODUCT.read(row.product_type)) for row in rows]
    if fixed != [(leg.side, leg.product) for leg in legs]:
        raise BrokerError(
            Fault.UNSUPPORTED,
            "Dhan changes neither side nor product nor number of legs: cancel the trigger and place another",
        )
    named = list(zip(("TARGET_LEG", "STOP_LOSS_LEG"), legs, rows, strict=False))
    changed = [
        (row.leg_name if row.leg_name in LEG_NAMES and len(legs) == 2 else name, leg)
        for name, leg, row in named
        if (leg.trigger_price, _leg_price(leg), leg.quantity)
        != (decimal(row.trigger_price), decimal(row.price), units(row.quantity))
    ]
    if len(changed) > 1:
        raise BrokerError(
            Fault.UNSUPPORTED,
            "Dhan changes the two legs of a trigger one at a time: change one, then the other",
        )
    return changed[0] if changed else (named[0][0], legs[0])


def _forever(gtt: NewGtt, instrument: Instrument) -> dict[str, Any]:
    first, *second = _legs(gtt)
    body: dict[str, Any] = {
        "orderFlag": "OCO" if second else "SINGLE",
        "transactionType": SIDE.write(first.side),
        **_named(instrument),
        "productType": PRODUCT.write(first.product),
        "orderType": TYPE.write(first.type),
        "validity": "DAY",
        "quantity": _units(first.quantity, instrument),
        "disclosedQuantity": 0,
        "price": _leg_price(first),
        "triggerPrice": first.trigger_price,
    }
    for other in second:
        body |= {
            "price1": _leg_price(other),
            "triggerPrice1": other.trigger_price,
            "quantity1": other.quantity,
        }
    return body


def _margin_item(
    order: OrderTerms, instrument: Instrument, last: Mapping[str, Quote]
) -> dict[str, Any]:
    assert order.product is not None  # only an order placed elsewhere may lack one
    price = order.price or order.trigger_price or _last_price(last, instrument)
    return {
        **_named(instrument),
        "transactionType": SIDE.write(order.side),
        "quantity": _units(order.quantity, instrument),
        "productType": PRODUCT.write(order.product),
        "price": price,
        "triggerPrice": order.trigger_price or ZERO,
    }


def _last_price(last: Mapping[str, Quote], instrument: Instrument) -> Decimal:
    if instrument.symbol not in last:
        raise BrokerError(Fault.INVALID_INPUT, f"Dhan has no last price of {instrument.symbol}")
    return last[instrument.symbol].last_price


def _kind_word(instrument: Instrument) -> str:
    """What charts call it: a word of exchange, kind and, for NFO and BFO, underlying (dhan.md 7)."""
    kind = instrument.kind
    if kind in {InstrumentKind.EQUITY, InstrumentKind.INDEX}:
        return "INDEX" if kind is InstrumentKind.INDEX else "EQUITY"
    on = "IDX" if instrument.name in INDEX_UNDERLYINGS else "STK"
    future, option = INSTRUMENT.get(instrument.exchange, (f"FUT{on}", f"OPT{on}"))
    return future if kind is InstrumentKind.FUTURE else option


def _spans(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The range in parts that one request may cover. They touch: whether Dhan counts the last moment in is not known."""
    first = start.replace(microsecond=0)
    while first <= end:
        last = min(first + INTRADAY_SPAN, end)
        yield first, last
        if last == end:
            return
        first = last
