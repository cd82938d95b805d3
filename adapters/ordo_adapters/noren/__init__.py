"""Noren (Kambala): one order system, many brokers (noren.md). What differs between them stands in `members.py`.

Prices are rupees and quantities units, both as texts. MARKET and SL-M are refused by the members, or soon will be: they go out as
limit orders a few percent beyond the market.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import partial
from typing import Any, ClassVar
from urllib.parse import quote_plus

from msgspec import Struct
from msgspec.structs import replace

from ordo_adapters.noren import members
from ordo_adapters.noren.login import call, login, whose
from ordo_adapters.noren.master import parse, unpacked
from ordo_adapters.noren.members import Member
from ordo_adapters.noren.rows import (
    DayCandleRow,
    GttRow,
    HoldingRow,
    IntradayRow,
    LimitsRow,
    OrderRow,
    PositionRow,
    QuoteRow,
    TradeRow,
    answered,
    listed,
    read_candle,
    read_day_candle,
    read_funds,
    read_gtt,
    read_holding,
    read_list,
    read_order,
    read_position,
    read_quote,
    read_trade,
)
from ordo_adapters.noren.tables import (
    CANDLES,
    EXCHANGE,
    INTERVAL,
    ORDERS,
    OTHERS,
    PRODUCT,
    PROTECTION,
    QUOTES,
    SIDE,
    TYPE,
    VALIDITY,
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
    Side,
    Variety,
    canonical,
    decimal,
    from_json,
    read_rows,
    shaped,
)

__all__ = ["FLATTRADE", "SHOONYA", "TRADESMART", "ZEBU", "Noren", "NorenGtt"]

STOPS = frozenset({OrderType.SL, OrderType.SL_M})
PRICELESS = frozenset({OrderType.MARKET, OrderType.SL_M})


class Noren(Adapter):
    """What every member has. A member's class names it, and its spec."""

    member: ClassVar[Member]

    def _call(
        self, session: Session, endpoint: str, body: dict[str, Any], group: str = OTHERS
    ) -> HttpRequest:
        return call(self.member, session, endpoint, group, body)

    def _write(
        self, session: Session, endpoint: str, body: dict[str, Any], group: str = OTHERS
    ) -> HttpRequest:
        return call(self.member, session, endpoint, group, body, writes=True)

    # Sessions

    def login(self, credentials: Credentials, now: datetime) -> LoginDialogue:
        """By ready-made token, or the member's page (noren.md 2)."""
        return (yield from login(self.member, credentials, now))

    def logout(self, session: Session) -> Dialogue[None]:
        answered((yield self._call(session, "Logout", {})))

    def user(self, session: Session) -> Dialogue[str]:
        yield from whose(self.member, session)
        return session.user_id

    # Orders (noren.md 4)

    def place(self, session: Session, order: NewOrder, instrument: Instrument) -> Dialogue[Placed]:
        """`PlaceOrder`: an Ok says that the order system has it; what the risk system says comes later, in the book."""
        if order.variety not in {Variety.REGULAR, Variety.AMO}:
            raise BrokerError(
                Fault.UNSUPPORTED,
                f"variety {order.variety}: Ordo places REGULAR and AMO orders at {self.member.name}",
            )
        terms = order
        if order.type in PRICELESS:
            terms = yield from self._protected(session, order, instrument)
        body = (
            _account(session) | _terms(terms, instrument) | {"ret": VALIDITY.write(order.validity)}
        )
        body |= {"dscqty": str(order.disclosed_quantity or 0), "ordersource": "API"}
        if order.tag is not None:
            body["remarks"] = order.tag
        if order.variety is Variety.AMO:
            body["amo"] = "Yes"
        response = yield self._write(session, "PlaceOrder", body, f"{ORDERS}.place")
        made = shaped(answered(response).get("norenordno"), str)
        if not made:
            raise BrokerError(Fault.UNREADABLE, "a success without an order number")
        return Placed(made)

    def modify(
        self, session: Session, row: BrokerOrder, changes: OrderChanges, instrument: Instrument
    ) -> Dialogue[None]:
        """`ModifyOrder`: complete; `qty` is the whole quantity, filled and open."""
        kind = changes.type or row.type
        if kind in PRICELESS:
            raise BrokerError(
                Fault.UNSUPPORTED,
                f"{kind} orders are placed as limit orders at {self.member.name}; change the type to LIMIT or SL",
            )
        validity = changes.validity or row.validity
        price = changes.price or row.price
        if price is None or validity is None:
            raise BrokerError(Fault.INVALID_INPUT, "the order's price or validity is not known")
        body = _account(session) | {
            "norenordno": row.broker_order_id,
            "exch": EXCHANGE.write(instrument.exchange),
            "tsym": quote_plus(instrument.broker_symbol),
            "qty": str(changes.quantity or row.quantity),
            "prctyp": TYPE.write(kind),
            "prc": canonical(price),
            "ret": VALIDITY.write(validity),
            "ordersource": "API",
        }
        if kind is OrderType.SL:
            trigger = changes.trigger_price or row.trigger_price
            if trigger is None:
                raise BrokerError(Fault.INVALID_INPUT, "an SL order needs a trigger_price")
            body["trgprc"] = canonical(trigger)
        if changes.disclosed_quantity is not None:
            body["dscqty"] = str(changes.disclosed_quantity)
        response = yield self._write(session, "ModifyOrder", body, f"{ORDERS}.modify")
        _of(answered(response), row)

    def cancel(self, session: Session, row: BrokerOrder) -> Dialogue[None]:
        body = {"norenordno": row.broker_order_id, "ordersource": "API"}
        response = yield self._write(session, "CancelOrder", body, f"{ORDERS}.cancel")
        _of(answered(response), row)

    def orders(
        self,
        session: Session,
        instruments: Instruments,
        last: Rows[BrokerOrder] | None = None,
    ) -> Dialogue[Rows[BrokerOrder]]:
        """`OrderBook`: the whole day in one answer (noren.md 5)."""
        response = yield self._call(session, "OrderBook", {})
        return read_list(response, OrderRow, lambda row: read_order(row, instruments), last)

    def trail(
        self, session: Session, broker_order_id: str, instruments: Instruments
    ) -> Dialogue[Rows[BrokerOrder]]:
        """`SingleOrdHist`: newest first."""
        response = yield self._call(session, "SingleOrdHist", {"norenordno": broker_order_id})
        rows = read_list(response, OrderRow, lambda row: read_order(row, instruments))
        return replace(rows, good=rows.good[::-1])

    def trades(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Fill]]:
        response = yield self._call(session, "TradeBook", _account(session))
        return read_list(response, TradeRow, lambda row: read_trade(row, instruments))

    # Portfolio (noren.md 6)

    def positions(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Position]]:
        response = yield self._call(session, "PositionBook", _account(session))
        return read_list(response, PositionRow, lambda row: read_position(row, instruments))

    def holdings(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Holding]]:
        response = yield self._call(session, "Holdings", _account(session) | {"prd": "C"})
        return read_list(response, HoldingRow, lambda row: read_holding(row, instruments))

    def funds(self, session: Session) -> Dialogue[tuple[Funds, ...]]:
        response = yield self._call(session, "Limits", _account(session))
        return (read_funds(shaped(answered(response), LimitsRow)),)

    def convert(
        self, session: Session, conversion: Conversion, instrument: Instrument
    ) -> Dialogue[None]:
        """`ProductConversion` (noren.md 4)."""
        body = _account(session) | {
            "exch": EXCHANGE.write(instrument.exchange),
            "tsym": quote_plus(instrument.broker_symbol),
            "qty": str(conversion.quantity),
            "prd": PRODUCT.write(conversion.to_product),
            "prevprd": PRODUCT.write(conversion.from_product),
            "trantype": SIDE.write(conversion.side),
            "postype": "CF" if conversion.overnight else "DAY",
            "ordersource": "API",
        }
        answered((yield self._write(session, "ProductConversion", body)))

    def margin(
        self, session: Session, orders: tuple[tuple[OrderTerms, Instrument], ...]
    ) -> Dialogue[Margin]:
        """`GetOrderMargin` for one, `GetBasketMargin` for more: the first inline, the rest as a list."""
        if not orders:
            raise BrokerError(Fault.INVALID_INPUT, "no orders to reckon a margin of")
        first, *rest = (_terms(order, instrument) for order, instrument in orders)
        body: dict[str, Any] = _account(session) | first
        if rest:
            body["basketlists"] = rest
        endpoint = "GetBasketMargin" if rest else "GetOrderMargin"
        row = shaped(answered((yield self._call(session, endpoint, body))), MarginRow)
        needed = row.marginused if row.marginusedtrade is None else row.marginusedtrade
        return Margin(
            needed=decimal(needed), available=None if row.cash is None else decimal(row.cash)
        )

    # Market data (noren.md 7)

    def quotes(
        self, session: Session, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """`GetQuotes`: one instrument a call, and its five levels with it."""
        found: dict[str, Quote] = {}
        for one in instruments:
            try:
                found[one.symbol] = read_quote((yield from self._quoted(session, one)), one)
            except BrokerError as error:
                if error.fault is not Fault.NOT_FOUND:
                    raise
        return found

    def ltp(
        self, session: Session, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """The same: there is no cheaper call."""
        return (yield from self.quotes(session, instruments))

    def candles(
        self,
        session: Session,
        instrument: Instrument,
        interval: Interval,
        start: datetime,
        end: datetime,
    ) -> Dialogue[Iterable[Candle]]:
        """`EODChartData` for days, `TPSeries` for less."""
        exch, _, token = instrument.instrument_token.partition("|")
        begins, ends = str(int(start.timestamp())), str(int(end.timestamp()))
        if interval is Interval.D1:
            name = f"{exch}:{instrument.broker_symbol}"
            body = {"sym": name, "from": begins, "to": ends}
            response = yield self._call(session, "EODChartData", body, CANDLES)
            rows = [from_json(shaped(row, str).encode()) for row in listed(response)]
            candles = [read_day_candle(shaped(row, DayCandleRow)) for row in rows]
        else:
            body = {"exch": exch, "token": token, "st": begins, "et": ends}
            body["intrv"] = INTERVAL.write(interval)
            response = yield self._call(session, "TPSeries", body, CANDLES)
            candles = [read_candle(shaped(row, IntradayRow)) for row in listed(response)]
        return [candle for candle in candles if candle.high]

    def master(self, session: Session) -> Dialogue[bytes]:
        """The public files, unpacked and joined (noren.md 8)."""
        files = []
        for path in self.member.masters:
            response = yield HttpRequest("GET", "files", path, OTHERS)
            if response.status != 200:
                raise BrokerError(Fault.UNREADABLE, f"HTTP {response.status}: no {path}")
            files.append(unpacked(response.body))
        return b"\n".join(files)

    def parse_master(self, content: bytes, on: date) -> Iterable[Instrument]:
        """The files are today's, whatever `on` is."""
        return parse(self.member, content)

    # Prices asked for

    def _quoted(self, session: Session, instrument: Instrument) -> Dialogue[dict[str, Any]]:
        exch, _, token = instrument.instrument_token.partition("|")
        response = yield self._call(session, "GetQuotes", {"exch": exch, "token": token}, QUOTES)
        return answered(response)

    def _protected(
        self, session: Session, order: NewOrder, instrument: Instrument
    ) -> Dialogue[NewOrder]:
        """The same order with a limit: `market_protection` percent beyond the last price or the trigger, within the day's range.

        The tick is the quote's own, because files do not agree about theirs (noren.md 8).
        """
        percent = PROTECTION if order.market_protection is None else order.market_protection
        if not 0 < percent <= 100:
            raise BrokerError(
                Fault.UNSUPPORTED, f"market_protection {percent}: above 0 and up to 100 percent"
            )
        row = shaped((yield from self._quoted(session, instrument)), QuoteRow)
        is_buy = order.side is Side.BUY
        begins = order.trigger_price or row.lp
        price = begins * (1 + percent / 100 * (1 if is_buy else -1))
        if is_buy and row.uc:
            price = min(price, row.uc)
        if not is_buy and row.lc:
            price = max(price, row.lc)
        tick = row.ti or instrument.tick_size
        steps = (price / tick).to_integral_value(ROUND_FLOOR if is_buy else ROUND_CEILING)
        if steps <= 0:
            raise BrokerError(Fault.UNREADABLE, f"{instrument.symbol}: no price to protect")
        kind = OrderType.SL if order.type is OrderType.SL_M else OrderType.LIMIT
        return replace(order, type=kind, price=decimal(steps * tick))


class NorenGtt(Noren):
    """Members whose GTT is documented (noren.md 4). Its calls answer texts instead of Ok."""

    def place_gtt(self, session: Session, gtt: NewGtt, instrument: Instrument) -> Dialogue[str]:
        kind = yield from self._kind(session, gtt, instrument)
        body = _gtt(session, gtt, instrument, kind)
        endpoint = "PlaceOCOOrder" if kind == OCO else "PlaceGTTOrder"
        said = answered((yield self._write(session, endpoint, body)), yes=partial(_did, "creat"))
        made = shaped(said.get("al_id") or said.get("Al_id"), str)
        if not made:
            raise BrokerError(Fault.UNREADABLE, "a success without a GTT's id")
        return made

    def modify_gtt(
        self, session: Session, broker_gtt_id: str, gtt: NewGtt, instrument: Instrument
    ) -> Dialogue[None]:
        """Complete, as placed; whether it waits above or below the price, or on both sides, does not change."""
        is_kind = yield from self._waiting(session, broker_gtt_id)
        kind = yield from self._kind(session, gtt, instrument)
        if kind != is_kind:
            raise BrokerError(
                Fault.UNSUPPORTED,
                "a GTT here does not change its side of the price, nor its legs' count; cancel and place again",
            )
        body = _gtt(session, gtt, instrument, kind) | {"al_id": broker_gtt_id}
        endpoint = "ModifyOCOOrder" if kind == OCO else "ModifyGTTOrder"
        answered((yield self._write(session, endpoint, body)), yes=partial(_did, "replace"))

    def cancel_gtt(self, session: Session, broker_gtt_id: str) -> Dialogue[None]:
        is_oco = (yield from self._waiting(session, broker_gtt_id)) == OCO
        endpoint = "CancelOCOOrder" if is_oco else "CancelGTTOrder"
        response = yield self._write(session, endpoint, {"al_id": broker_gtt_id})
        answered(response, yes=partial(_did, "delete"))

    def gtts(self, session: Session, instruments: Instruments) -> Dialogue[Rows[BrokerGtt]]:
        """`GetPendingGTTOrder`: those that wait; price alerts have no order and are left out."""
        response = yield self._call(session, "GetPendingGTTOrder", {})
        rows = [row for row in listed(response) if not _is_alert(row)]
        return read_rows(rows, GttRow, lambda row: read_gtt(row, instruments))

    def _waiting(self, session: Session, broker_gtt_id: str) -> Dialogue[str]:
        """What kind of GTT this is, `ai_t`."""
        response = yield self._call(session, "GetPendingGTTOrder", {})
        for row in listed(response):
            match row:
                case {"al_id": found, "ai_t": str(kind)} if found == broker_gtt_id:
                    return kind
        raise BrokerError(Fault.NOT_FOUND, f"no GTT {broker_gtt_id} waits")

    def _kind(self, session: Session, gtt: NewGtt, instrument: Instrument) -> Dialogue[str]:
        if len(gtt.legs) not in {1, 2} or any(leg.type is not OrderType.LIMIT for leg in gtt.legs):
            raise BrokerError(Fault.UNSUPPORTED, "a GTT here has one or two legs, of LIMIT orders")
        if len(gtt.legs) == 2:
            return OCO
        last = gtt.last_price
        if last is None:
            last = shaped((yield from self._quoted(session, instrument)), QuoteRow).lp
        return ABOVE if gtt.legs[0].trigger_price > last else BELOW


ABOVE, BELOW, OCO = "LTP_A_O", "LTP_B_O", "LMT_BOS_O"


class MarginRow(Struct):
    """`GetOrderMargin`; a basket's says also what it is after hedges (noren.md 6)."""

    marginused: Decimal
    marginusedtrade: Decimal | None = None
    cash: Decimal | None = None


class Shoonya(NorenGtt):
    """Finvasia's."""

    member = members.SHOONYA
    spec = members.SHOONYA.spec


class Flattrade(NorenGtt):
    """The token in the body, a token service of its own."""

    member = members.FLATTRADE
    spec = members.FLATTRADE.spec


class Zebu(NorenGtt):
    """MYNT."""

    member = members.ZEBU
    spec = members.ZEBU.spec


class TradeSmart(Noren):
    """No document of it tells of GTT."""

    member = members.TRADESMART
    spec = members.TRADESMART.spec


SHOONYA, FLATTRADE, ZEBU, TRADESMART = Shoonya(), Flattrade(), Zebu(), TradeSmart()


# Fields


def _account(session: Session) -> dict[str, str]:
    return {"actid": session.options.get("actid", session.user_id)}


def _terms(order: OrderTerms, instrument: Instrument) -> dict[str, str]:
    """What an order and a margin's item have in common. The symbol is encoded, as the vendor's SDK does: M%26M-EQ."""
    assert order.product is not None  # only an order placed elsewhere may lack one
    terms = {
        "exch": EXCHANGE.write(instrument.exchange),
        "tsym": quote_plus(instrument.broker_symbol),
        "qty": str(order.quantity),
        "prc": canonical(order.price) if order.price else "0",
        "prd": PRODUCT.write(order.product),
        "trantype": SIDE.write(order.side),
        "prctyp": TYPE.write(order.type),
    }
    if order.type in STOPS and order.trigger_price is not None:
        terms["trgprc"] = canonical(order.trigger_price)
    return terms


def _of(said: dict[str, Any], row: BrokerOrder) -> None:
    """A success of a change names the order it changed."""
    if said.get("result") != row.broker_order_id:
        raise BrokerError(Fault.UNREADABLE, "a success that names another order, or none")


def _gtt(session: Session, gtt: NewGtt, instrument: Instrument, kind: str) -> dict[str, Any]:
    """By ascending trigger: `x` is the lower one's (noren.md 4)."""
    legs = [_leg(session, leg, instrument) for leg in gtt.legs]
    triggers = [canonical(leg.trigger_price) for leg in gtt.legs]
    body: dict[str, Any] = {
        "exch": EXCHANGE.write(instrument.exchange),
        "tsym": quote_plus(instrument.broker_symbol),
        "ai_t": kind,
        "validity": "GTT",
        "remarks": "",
    }
    if kind != OCO:
        return legs[0] | body | {"d": triggers[0]}
    return body | {
        "oivariable": [
            {"d": trigger, "var_name": name} for trigger, name in zip(triggers, "xy", strict=True)
        ],
        "place_order_params": legs[0],
        "place_order_params_leg2": legs[1],
    }


def _leg(session: Session, leg: GttLeg, instrument: Instrument) -> dict[str, str]:
    return _account(session) | {
        "uid": session.user_id,
        "exch": EXCHANGE.write(instrument.exchange),
        "tsym": quote_plus(instrument.broker_symbol),
        "trantype": SIDE.write(leg.side),
        "prctyp": TYPE.write(leg.type),
        "prd": PRODUCT.write(leg.product),
        "ret": "DAY",
        "qty": str(leg.quantity),
        "prc": canonical(leg.price),
        "dscqty": "0",
        "ordersource": "API",
    }


def _did(word: str, stat: str) -> bool:
    """`OI created`, `Oi Replaced`, `OI deleted`, `Oi delete success`: never a plain Ok."""
    return stat.startswith("oi ") and word in stat


def _is_alert(row: Any) -> bool:
    match row:
        case {"ai_t": str(kind)}:
            return not kind.endswith("_O")
        case _:
            return False
