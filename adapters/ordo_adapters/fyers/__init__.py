"""FYERS: API v3 (fyers.md).

Prices are rupees as JSON numbers, quantities units; on MCX and currency they are lots, which exist only here.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from ordo_adapters.fyers.login import login, profile, signed
from ordo_adapters.fyers.master import is_master, parse
from ordo_adapters.fyers.rows import (
    DepthRow,
    FundRow,
    GttRow,
    HoldingRow,
    MarginRow,
    OrderRow,
    PositionRow,
    QuoteRow,
    TradeRow,
    envelope,
    order_id,
    placed_id,
    read,
    read_candle,
    read_depth,
    read_funds,
    read_gtt,
    read_holding,
    read_list,
    read_order,
    read_position,
    read_quote,
    read_trade,
    units_in_lot,
)
from ordo_adapters.fyers.stream import HsmStream, hsm_key
from ordo_adapters.fyers.tables import (
    CANDLES,
    EXCHANGE,
    INTERVAL,
    MASTER_FILES,
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
from ordo_adapters.fyers.updates import OrderUpdates
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
    shaped,
)

__all__ = ["FYERS", "Fyers"]


class Fyers(Adapter):
    """FYERS API v3."""

    spec = SPEC

    # Sessions

    def login(self, credentials: Credentials, now: datetime) -> LoginDialogue:
        """By ready-made token, FYERS' page, or `headless` (fyers.md 2)."""
        return (yield from login(credentials, now))

    def logout(self, session: Session) -> Dialogue[None]:
        """POST /logout: this app's token alone (fyers.md 2.4)."""
        response = yield HttpRequest("POST", "rest", "/logout", OTHERS, signed(session))
        envelope(response)

    def user(self, session: Session) -> Dialogue[str]:
        """GET /profile (fyers.md 6)."""
        return (yield from profile(session))

    # Orders

    def place(self, session: Session, order: NewOrder, instrument: Instrument) -> Dialogue[Placed]:
        """POST /orders/sync (fyers.md 4.2). FYERS itself makes a protected limit order of MARKET."""
        if order.variety not in {Variety.REGULAR, Variety.AMO}:
            raise BrokerError(
                Fault.UNSUPPORTED,
                f"variety {order.variety}: FYERS has no icebergs, and its cover orders carry no tag; place REGULAR orders",
            )
        if order.market_protection is not None:
            raise BrokerError(
                Fault.UNSUPPORTED,
                "FYERS protects market orders by its own rule; leave market_protection out",
            )
        body = _terms(order, instrument) | {
            "validity": VALIDITY.write(order.validity),
            "disclosedQty": _quantity(order.disclosed_quantity or 0, instrument),
            "offlineOrder": order.variety is Variety.AMO,
        }
        if order.tag is not None:
            body["orderTag"] = order.tag
        response = yield _write("POST", "/orders/sync", f"{ORDERS}.place", session, body)
        return Placed(placed_id(response))

    def modify(
        self, session: Session, row: BrokerOrder, changes: OrderChanges, instrument: Instrument
    ) -> Dialogue[None]:
        """PATCH /orders/sync: what changes, and the type beside it (fyers.md 4.3)."""
        if changes.validity not in {None, row.validity}:
            raise BrokerError(
                Fault.UNSUPPORTED, "FYERS changes no validity; cancel and place again"
            )
        body: dict[str, Any] = {
            "id": row.broker_order_id,
            "type": int(TYPE.write(changes.type or row.type)),
        }
        if changes.price is not None:
            body["limitPrice"] = changes.price
        if changes.trigger_price is not None:
            body["stopPrice"] = changes.trigger_price
        if changes.quantity is not None:
            body["qty"] = _quantity(changes.quantity, instrument)
        if changes.disclosed_quantity is not None:
            body["disclosedQty"] = _quantity(changes.disclosed_quantity, instrument)
        response = yield _write("PATCH", "/orders/sync", f"{ORDERS}.modify", session, body)
        order_id(response)

    def cancel(self, session: Session, row: BrokerOrder) -> Dialogue[None]:
        """DELETE /orders/sync, the id in a body (fyers.md 4.1)."""
        body = {"id": row.broker_order_id}
        response = yield _write("DELETE", "/orders/sync", f"{ORDERS}.cancel", session, body)
        order_id(response)

    def orders(
        self,
        session: Session,
        instruments: Instruments,
        last: Rows[BrokerOrder] | None = None,
    ) -> Dialogue[Rows[BrokerOrder]]:
        """GET /orders: the whole day in one answer (fyers.md 5)."""
        response = yield _get("/orders", session)
        return read_list(
            response, "orderBook", OrderRow, lambda row: read_order(row, instruments), last
        )

    def by_tag(
        self, session: Session, tag: str, instruments: Instruments
    ) -> Dialogue[Rows[BrokerOrder]]:
        """GET /orders?order_tag=1:TAG: the filter wants the mark that FYERS puts before a tag (fyers.md 5)."""
        response = yield _get("/orders", session, query=(("order_tag", f"1:{tag}"),))
        return read_list(response, "orderBook", OrderRow, lambda row: read_order(row, instruments))

    def trades(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Fill]]:
        """GET /tradebook (fyers.md 5)."""
        response = yield _get("/tradebook", session)
        return read_list(response, "tradeBook", TradeRow, lambda row: read_trade(row, instruments))

    # GTT

    def place_gtt(self, session: Session, gtt: NewGtt, instrument: Instrument) -> Dialogue[str]:
        """POST /gtt/orders/sync (fyers.md 4.7)."""
        response = yield _write("POST", _GTT, OTHERS, session, _gtt_body(gtt, instrument))
        return _gtt_id(envelope(response))

    def modify_gtt(
        self, session: Session, broker_gtt_id: str, gtt: NewGtt, instrument: Instrument
    ) -> Dialogue[None]:
        """PATCH /gtt/orders/sync: complete, as placed."""
        body = {"id": broker_gtt_id, **_gtt_body(gtt, instrument)}
        response = yield _write("PATCH", _GTT, OTHERS, session, body)
        _gtt_id(envelope(response))

    def cancel_gtt(self, session: Session, broker_gtt_id: str) -> Dialogue[None]:
        """DELETE /gtt/orders/sync, the id in a body."""
        response = yield _write("DELETE", _GTT, OTHERS, session, {"id": broker_gtt_id})
        _gtt_id(envelope(response))

    def gtts(self, session: Session, instruments: Instruments) -> Dialogue[Rows[BrokerGtt]]:
        """GET /gtt/orders."""
        response = yield _get("/gtt/orders", session)
        return read_list(response, "orderBook", GttRow, lambda row: read_gtt(row, instruments))

    # Portfolio

    def positions(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Position]]:
        """GET /positions: closed ones with quantity 0 (fyers.md 6)."""
        response = yield _get("/positions", session)
        return read_list(
            response, "netPositions", PositionRow, lambda row: read_position(row, instruments)
        )

    def holdings(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Holding]]:
        """GET /holdings (fyers.md 6)."""
        response = yield _get("/holdings", session)
        return read_list(
            response, "holdings", HoldingRow, lambda row: read_holding(row, instruments)
        )

    def funds(self, session: Session) -> Dialogue[tuple[Funds, ...]]:
        """GET /funds: equity and commodity apart (fyers.md 6)."""
        response = yield _get("/funds", session)
        return read_funds(read(response, "fund_limit", list[FundRow]))

    def convert(
        self, session: Session, conversion: Conversion, instrument: Instrument
    ) -> Dialogue[None]:
        """POST /positions: a position is named by ticker and product (fyers.md 4.5)."""
        if Product.MTF in {conversion.from_product, conversion.to_product}:
            raise BrokerError(Fault.UNSUPPORTED, "FYERS converts no MTF positions")
        theirs = PRODUCT.write(conversion.from_product)
        body = {
            "symbol": f"{instrument.broker_symbol}-{theirs}",
            "positionSide": int(SIDE.write(conversion.side)),
            "convertQty": _quantity(conversion.quantity, instrument),
            "convertFrom": theirs,
            "convertTo": PRODUCT.write(conversion.to_product),
            "overnight": int(conversion.overnight),
        }
        envelope((yield _write("POST", "/positions", OTHERS, session, body)))

    def margin(
        self, session: Session, orders: tuple[tuple[OrderTerms, Instrument], ...]
    ) -> Dialogue[Margin]:
        """POST /multiorder/margin (fyers.md 6)."""
        body = {"data": [_terms(order, instrument) for order, instrument in orders]}
        response = yield HttpRequest(
            "POST", "rest", "/multiorder/margin", OTHERS, signed(session), json=body
        )
        row = read(response, "data", MarginRow)
        return Margin(needed=decimal(row.needed), available=decimal(row.available))

    # Market data

    def quotes(
        self, session: Session, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """GET /depth for a single contract, with its five levels; GET /quotes for more, or an index (fyers.md 7)."""
        first = instruments[0] if len(instruments) == 1 else None
        if first is None or first.kind is InstrumentKind.INDEX:
            return (yield from self.ltp(session, instruments))
        query = (("symbol", first.broker_symbol), ("ohlcv_flag", "1"))
        response = yield _get("/depth", session, QUOTES, query, host="data")
        found = read(response, "d", dict[str, Any]).get(first.broker_symbol)
        return {first.symbol: read_depth(shaped(found, DepthRow), first)} if found else {}

    def ltp(
        self, session: Session, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """GET /quotes: FYERS says more than the last price. A row we cannot read is left out, and spoils no other."""
        found: dict[str, Quote] = {}
        for first in range(0, len(instruments), QUOTES_MAX):
            asked = {one.broker_symbol: one for one in instruments[first : first + QUOTES_MAX]}
            query = (("symbols", ",".join(asked)),)
            response = yield _get("/quotes", session, QUOTES, query, host="data")
            for row in read(response, "d", list[Any]):
                match row:
                    case {"n": str(name), "s": "ok", "v": value} if name in asked:
                        rows = read_rows([value], QuoteRow, partial(read_quote, asked[name]))
                        found.update((quote.symbol, quote) for quote in rows.good)
        return found

    def candles(
        self,
        session: Session,
        instrument: Instrument,
        interval: Interval,
        start: datetime,
        end: datetime,
    ) -> Dialogue[Iterable[Candle]]:
        """GET /history (fyers.md 7)."""
        size = units_in_lot(instrument)
        if size is None:
            raise BrokerError(
                Fault.UNSUPPORTED,
                f"{instrument.symbol}: volume is in lots, and no table tells how many units a lot has",
            )
        is_daily = interval is Interval.D1
        has_oi = instrument.kind not in {InstrumentKind.EQUITY, InstrumentKind.INDEX}
        query = (
            ("symbol", instrument.broker_symbol),
            ("resolution", INTERVAL.write(interval)),
            ("date_format", "1" if is_daily else "0"),
            ("range_from", _moment(start, is_daily=is_daily)),
            ("range_to", _moment(end, is_daily=is_daily)),
            ("cont_flag", "0"),
            ("oi_flag", "1" if has_oi else "0"),
        )
        response = yield _get("/history", session, CANDLES, query, host="data")
        rows = shaped(envelope(response, yes=("ok", "no_data")).get("candles"), list[Any])
        return [read_candle(row, size, is_daily=is_daily) for row in rows]

    def master(self, session: Session) -> Dialogue[bytes]:
        """GET the public files, one an exchange and segment, and join them (fyers.md 8)."""
        files = []
        for name in MASTER_FILES:
            response = yield HttpRequest("GET", "files", f"/{name}.csv", OTHERS)
            if response.status != 200 or not is_master(response.body):
                raise BrokerError(
                    Fault.UNREADABLE, f"HTTP {response.status}: {name}.csv is no instrument file"
                )
            files.append(response.body.rstrip(b"\n"))
        return b"\n".join(files)

    def parse_master(self, content: bytes, on: date) -> Iterable[Instrument]:
        """The files are today's, whatever `on` is."""
        return parse(content)

    # Streams

    def connect_stream(self, session: Session) -> Dialogue[StreamRequest]:
        """HSM: the first frame says who comes (fyers.md 9.1)."""
        yield from ()
        hsm_key(session)
        return StreamRequest("socket", "/hsm/v1-5/prod")

    def stream(self, session: Session, instruments: Instruments) -> Stream:
        return HsmStream(hsm_key(session))

    def connect_updates(self, session: Session) -> Dialogue[StreamRequest]:
        """The order websocket (fyers.md 9.2)."""
        yield from ()
        return StreamRequest("socket", "/trade/v3", headers=signed(session))

    def updates(self, session: Session, instruments: Instruments) -> UpdateStream:
        return OrderUpdates(instruments)


FYERS = Fyers()

_GTT = "/gtt/orders/sync"


# Requests


def _get(
    path: str,
    session: Session,
    group: str = OTHERS,
    query: tuple[tuple[str, str], ...] = (),
    *,
    host: str = "rest",
) -> HttpRequest:
    return HttpRequest("GET", host, path, group, signed(session), query=query)


def _write(
    method: str, path: str, group: str, session: Session, body: Mapping[str, Any]
) -> HttpRequest:
    return HttpRequest(method, "rest", path, group, signed(session), json=body, writes=True)


# Fields


def _quantity(quantity: int, instrument: Instrument) -> int:
    """FYERS' quantity: units, but lots on MCX and currency (fyers.md 4.2)."""
    size = units_in_lot(instrument)
    if size is None:
        raise BrokerError(
            Fault.UNSUPPORTED,
            f"{instrument.symbol}: no table tells how many units a lot of it has, so no order is made of it",
        )
    lots, rest = divmod(quantity, size)
    if rest:
        raise BrokerError(
            Fault.INVALID_INPUT, f"quantity {quantity} is not a multiple of the lot of {size}"
        )
    return lots


def _terms(order: OrderTerms, instrument: Instrument) -> dict[str, Any]:
    """What an order and a margin's item have in common."""
    EXCHANGE.write(instrument.exchange)  # an index is not traded
    assert order.product is not None  # only an order placed elsewhere may lack one
    return {
        "symbol": instrument.broker_symbol,
        "qty": _quantity(order.quantity, instrument),
        "type": int(TYPE.write(order.type)),
        "side": int(SIDE.write(order.side)),
        "productType": PRODUCT.write(order.product),
        "limitPrice": order.price or 0,
        "stopPrice": order.trigger_price or 0,
        "stopLoss": 0,
        "takeProfit": 0,
    }


def _gtt_body(gtt: NewGtt, instrument: Instrument) -> dict[str, Any]:
    """Of two legs the first is the upper one (fyers.md 4.7)."""
    legs = sorted(gtt.legs, key=lambda leg: leg.trigger_price, reverse=True)
    if len(legs) not in {1, 2} or len({(leg.side, leg.product) for leg in legs}) != 1:
        raise BrokerError(
            Fault.UNSUPPORTED, "a GTT at FYERS has one leg, or two of one side and product"
        )
    if any(leg.type is not OrderType.LIMIT or leg.product is Product.MIS for leg in legs):
        raise BrokerError(
            Fault.UNSUPPORTED, "a GTT at FYERS releases LIMIT orders in CNC, NRML or MTF"
        )
    return {
        "side": int(SIDE.write(legs[0].side)),
        "symbol": instrument.broker_symbol,
        "productType": PRODUCT.write(legs[0].product),
        "orderInfo": {
            f"leg{place}": _gtt_leg(leg, instrument) for place, leg in enumerate(legs, 1)
        },
    }


def _gtt_leg(leg: GttLeg, instrument: Instrument) -> dict[str, Decimal | int]:
    return {
        "price": leg.price,
        "triggerPrice": leg.trigger_price,
        "qty": _quantity(leg.quantity, instrument),
    }


def _gtt_id(said: Mapping[str, Any]) -> str:
    if not (made := shaped(said.get("id"), str)):
        raise BrokerError(Fault.UNREADABLE, "a success without a GTT's id")
    return made


def _moment(at: datetime, *, is_daily: bool) -> str:
    return f"{at:%Y-%m-%d}" if is_daily else str(int(at.timestamp()))
