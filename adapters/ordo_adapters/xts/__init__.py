"""XTS: what Symphony's trading system speaks, at every broker that runs it (xts.md); `members.py` says what differs.

Two APIs with a session each: orders and books at `interactive`, prices and instruments at `market`. Contracts are named by
segment and number. Left out: host lookups, cover and bracket orders, dealers' accounts, and what pushes prices.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from functools import partial
from typing import Any, ClassVar

from ordo_adapters.xts import members
from ordo_adapters.xts.login import MARKET, login, profile, signed
from ordo_adapters.xts.master import parse
from ordo_adapters.xts.members import Member
from ordo_adapters.xts.rows import (
    HoldingRow,
    MarginRow,
    OrderRow,
    PositionRow,
    QuoteRow,
    TradeRow,
    placed_id,
    read_candle,
    read_funds,
    read_holding,
    read_list,
    read_order,
    read_position,
    read_quote,
    read_trade,
    result,
    results,
)
from ordo_adapters.xts.tables import (
    CANDLES,
    EXCHANGE,
    INTERVAL,
    MASTER,
    NUMBERS,
    ORDERS,
    OTHERS,
    PRODUCT,
    QUOTES,
    QUOTES_MAX,
    SIDE,
    TYPE,
    UNCOUNTED,
    VALIDITY,
    WORDS,
    spec_of,
)
from ordod.adapter import (
    Adapter,
    BrokerError,
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
    HttpResponse,
    Instrument,
    Instruments,
    Interval,
    LoginDialogue,
    Margin,
    NewOrder,
    OrderChanges,
    OrderTerms,
    OrderType,
    Placed,
    Position,
    Quote,
    Rows,
    Session,
    Variety,
    decimal,
    read_rows,
    shaped,
)

__all__ = [
    "COMPOSITEDGE",
    "FIVEPAISA",
    "IBULLS",
    "IIFL",
    "JAINAM",
    "RMONEY",
    "WISDOM",
    "Xts",
    "XtsWithMargin",
]

TOUCHLINE, FULL = 1501, 1502  # what a quote says (xts.md 7)


class Xts(Adapter):
    """What the brokers of the family have in common."""

    member: ClassVar[Member]

    # Sessions

    def login(self, credentials: Credentials, now: datetime) -> LoginDialogue:
        """Both sessions: by a ready-made token or by the keys, behind the page where there is one (xts.md 2)."""
        return (yield from login(self.member, self.spec, credentials))

    def logout(self, session: Session) -> Dialogue[None]:
        """DELETE /user/session, then the market's: a token each (xts.md 2e)."""
        result((yield _call("DELETE", "/user/session", session)))
        result((yield _market("DELETE", "/auth/logout", session, OTHERS)))

    def user(self, session: Session) -> Dialogue[str]:
        """GET /user/profile (xts.md 6)."""
        return (yield from profile(session))

    # Orders

    def place(self, session: Session, order: NewOrder, instrument: Instrument) -> Dialogue[Placed]:
        """POST /orders: queued, and no more; the book has the verdict (xts.md 4)."""
        if order.variety is not Variety.REGULAR:
            raise BrokerError(
                Fault.UNSUPPORTED,
                f"variety {order.variety}: XTS has none that Ordo can use; place REGULAR orders",
            )
        if order.market_protection is not None:
            raise BrokerError(
                Fault.UNSUPPORTED, "XTS has no market protection; leave market_protection out"
            )
        body = {
            **_named(instrument),
            **_terms(order),
            "productType": PRODUCT.write(order.product),
            "orderSide": SIDE.write(order.side),
            "timeInForce": VALIDITY.write(order.validity),
            "disclosedQuantity": order.disclosed_quantity or 0,
            "orderUniqueIdentifier": order.tag or "",
            "apiOrderSource": "",
        }
        response = yield _call("POST", "/orders", session, f"{ORDERS}.place", body)
        return Placed(placed_id(response))

    def modify(
        self, session: Session, row: BrokerOrder, changes: OrderChanges, instrument: Instrument
    ) -> Dialogue[None]:
        """PUT /orders: the whole order as it is to be, its quantity the total (xts.md 4)."""
        if row.product is None:
            raise BrokerError(
                Fault.UNSUPPORTED, "a cover or bracket order; change it at the broker"
            )
        validity = changes.validity or row.validity
        if validity is None:
            raise BrokerError(Fault.UNSUPPORTED, "its validity is none of Ordo's; name one as well")
        _counted(instrument)
        kind = changes.type or row.type
        priced = kind in {OrderType.LIMIT, OrderType.SL}
        stops = kind in {OrderType.SL, OrderType.SL_M}
        disclosed = changes.disclosed_quantity
        body = {
            "appOrderID": int(row.broker_order_id),
            "modifiedProductType": PRODUCT.write(row.product),
            "modifiedOrderType": TYPE.write(kind),
            "modifiedOrderQuantity": changes.quantity or row.quantity,
            "modifiedDisclosedQuantity": (row.disclosed_quantity or 0)
            if disclosed is None
            else disclosed,
            "modifiedLimitPrice": (changes.price or row.price or 0) if priced else 0,
            "modifiedStopPrice": (changes.trigger_price or row.trigger_price or 0) if stops else 0,
            "modifiedTimeInForce": VALIDITY.write(validity),
            "orderUniqueIdentifier": _tag(row),
        }
        result((yield _call("PUT", "/orders", session, f"{ORDERS}.modify", body)))

    def cancel(self, session: Session, row: BrokerOrder) -> Dialogue[None]:
        """DELETE /orders, id and tag in the query (xts.md 4)."""
        query = (("appOrderID", row.broker_order_id), ("orderUniqueIdentifier", _tag(row)))
        result((yield _call("DELETE", "/orders", session, f"{ORDERS}.cancel", query=query)))

    def orders(
        self,
        session: Session,
        instruments: Instruments,
        last: Rows[BrokerOrder] | None = None,
    ) -> Dialogue[Rows[BrokerOrder]]:
        """GET /orders: the whole day in one answer (xts.md 5)."""
        response = yield _call("GET", "/orders", session)
        return read_list(
            results(response, rows="result"),
            OrderRow,
            lambda row: read_order(row, instruments),
            last,
        )

    def trail(
        self, session: Session, broker_order_id: str, instruments: Instruments
    ) -> Dialogue[Rows[BrokerOrder]]:
        """GET /orders of one order: its states, oldest first (xts.md 5)."""
        query = (("appOrderID", broker_order_id),)
        response = yield _call("GET", "/orders", session, query=query)
        return read_list(result(response), OrderRow, lambda row: read_order(row, instruments))

    def trades(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Fill]]:
        """GET /orders/trades (xts.md 5)."""
        response = yield _call("GET", "/orders/trades", session)
        return read_list(results(response), TradeRow, lambda row: read_trade(row, instruments))

    # Portfolio

    def positions(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Position]]:
        """GET /portfolio/positions, net; one deployment answers the bare list (xts.md 6)."""
        query = (("dayOrNet", "NetWise"),)
        found = results((yield _call("GET", "/portfolio/positions", session, query=query)))
        rows = shaped(found, dict[str, Any]).get("positionList") if _is_object(found) else found
        return read_list(rows, PositionRow, lambda row: read_position(row, instruments))

    def holdings(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Holding]]:
        """GET /portfolio/holdings: an object by ISIN (xts.md 6)."""
        found = results((yield _call("GET", "/portfolio/holdings", session)))
        match found:
            case None:
                return Rows(())
            case {"RMSHoldings": {"Holdings": dict(held)}}:
                rows = [
                    {**row, "isin": isin} if _is_object(row) else row for isin, row in held.items()
                ]
                return read_rows(rows, HoldingRow, lambda row: read_holding(row, instruments))
            case _:
                raise BrokerError(Fault.UNREADABLE, "holdings of an unknown form")

    def funds(self, session: Session) -> Dialogue[tuple[Funds, ...]]:
        """GET /user/balance (xts.md 6)."""
        return read_funds(result((yield _call("GET", "/user/balance", session))))

    def convert(
        self, session: Session, conversion: Conversion, instrument: Instrument
    ) -> Dialogue[None]:
        """PUT /portfolio/positions/convert (xts.md 4)."""
        body = {
            **_named(instrument),
            "targetQty": conversion.quantity,
            "isDayWise": not conversion.overnight,
            "oldProductType": PRODUCT.write(conversion.from_product),
            "newProductType": PRODUCT.write(conversion.to_product),
        }
        result((yield _call("PUT", "/portfolio/positions/convert", session, OTHERS, body)))

    # Market data

    def quotes(
        self, session: Session, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """POST /instruments/quotes, with five levels (xts.md 7)."""
        return (yield from self._quoted(session, instruments, FULL))

    def ltp(
        self, session: Session, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """The same without levels."""
        return (yield from self._quoted(session, instruments, TOUCHLINE))

    def _quoted(
        self, session: Session, instruments: tuple[Instrument, ...], code: int
    ) -> Dialogue[Mapping[str, Quote]]:
        """Matched by what names them: their order is not ours. A quote that cannot be read is left out, and spoils no other."""
        found: dict[str, Quote] = {}
        for first in range(0, len(instruments), QUOTES_MAX):
            asked = {_pair(one): one for one in instruments[first : first + QUOTES_MAX]}
            body = {
                "instruments": [
                    {"exchangeSegment": segment, "exchangeInstrumentID": number}
                    for segment, number in asked
                ],
                "xtsMessageCode": code,
                "publishFormat": "JSON",
            }
            response = yield _market("POST", "/instruments/quotes", session, QUOTES, body)
            for text in shaped(self._priced(response).get("listQuotes"), list[Any]):
                rows = read_rows([text], Any, partial(_quote, asked))
                found.update((one.symbol, one) for one in rows.good if one is not None)
        return found

    def candles(
        self,
        session: Session,
        instrument: Instrument,
        interval: Interval,
        start: datetime,
        end: datetime,
    ) -> Dialogue[Iterable[Candle]]:
        """GET /instruments/ohlc (xts.md 7)."""
        _counted(instrument)
        query = (
            ("exchangeSegment", WORDS[instrument.exchange]),
            ("exchangeInstrumentID", instrument.broker_symbol),
            ("startTime", _moment(start)),
            ("endTime", _moment(end)),
            ("compressionValue", INTERVAL.write(interval)),
        )
        response = yield _market("GET", "/instruments/ohlc", session, CANDLES, query=query)
        joined = shaped(self._priced(response).get("dataReponse"), str)  # their spelling
        texts = filter(None, joined.split(","))
        return [read_candle(text, instrument.exchange, interval) for text in texts]

    def master(self, session: Session) -> Dialogue[bytes]:
        """POST /instruments/master, one segment after the other, and the lists of indices (xts.md 8)."""
        files: list[str] = []
        for exchange in self.member.exchanges:
            body = {"exchangeSegmentList": [WORDS[exchange]]}
            response = yield _market("POST", "/instruments/master", session, MASTER, body)
            files.append(shaped(self._price_result(response), str).strip("\n"))
        for index in (Exchange.NSE_INDEX, Exchange.BSE_INDEX):
            query = (("exchangeSegment", str(NUMBERS[index])),)
            response = yield _market("GET", "/instruments/indexlist", session, MASTER, query=query)
            listed = shaped(self._priced(response).get("indexList"), list[str])
            files += [f"{index}|{one}" for one in listed]
        return "\n".join(files).encode()

    def parse_master(self, content: bytes, on: date) -> Iterable[Instrument]:
        """The files are today's, whatever `on` is."""
        return parse(content)

    def _priced(self, response: HttpResponse) -> dict[str, Any]:
        return shaped(self._price_result(response), dict[str, Any])

    def _price_result(self, response: HttpResponse) -> Any:
        """A dead market session is renewed by a login where that needs nobody; else the orders' session, which may well live, goes on."""
        try:
            return result(response)
        except BrokerError as error:
            if error.fault is Fault.AUTH_EXPIRED and self.member.page is not None:
                raise BrokerError(
                    Fault.BROKER_UNAVAILABLE,
                    "the market-data session has ended, orders go on; prices come back with the next login",
                    code=error.code,
                ) from None
            raise


class XtsWithMargin(Xts):
    """A broker that reckons margins (xts.md 0, 4)."""

    def margin(
        self, session: Session, orders: tuple[tuple[OrderTerms, Instrument], ...]
    ) -> Dialogue[Margin]:
        """POST /orders/margindetails."""
        portfolio = [_margined(order, instrument) for order, instrument in orders]
        response = yield _call(
            "POST", "/orders/margindetails", session, json={"portfolio": portfolio}, writes=False
        )
        said = shaped(result(response), dict[str, Any]).get("brokerageDeatils")  # their spelling
        row = shaped(said, MarginRow)
        return Margin(needed=decimal(row.needed), available=decimal(row.available))


class Iifl(Xts):
    member = members.IIFL
    spec = spec_of(member)


class Fivepaisa(Xts):
    member = members.FIVEPAISA
    spec = spec_of(member)


class Jainam(Xts):
    member = members.JAINAM
    spec = spec_of(member)


class Compositedge(Xts):
    member = members.COMPOSITEDGE
    spec = spec_of(member)


class Ibulls(Xts):
    member = members.IBULLS
    spec = spec_of(member)


class Wisdom(Xts):
    member = members.WISDOM
    spec = spec_of(member)


class Rmoney(XtsWithMargin):
    member = members.RMONEY
    spec = spec_of(member)


IIFL = Iifl()
FIVEPAISA = Fivepaisa()
JAINAM = Jainam()
COMPOSITEDGE = Compositedge()
IBULLS = Ibulls()
WISDOM = Wisdom()
RMONEY = Rmoney()


# Requests


def _call(
    method: str,
    path: str,
    session: Session,
    group: str = OTHERS,
    json: Mapping[str, Any] | None = None,
    *,
    query: tuple[tuple[str, str], ...] = (),
    writes: bool | None = None,
) -> HttpRequest:
    """To the interactive API; what has a body or is of an order's group changes something."""
    is_write = group != OTHERS or json is not None if writes is None else writes
    return HttpRequest(
        method,
        "interactive",
        path,
        group,
        signed(session.access_token),
        query=query,
        json=json,
        writes=is_write,
    )


def _market(
    method: str,
    path: str,
    session: Session,
    group: str,
    json: Mapping[str, Any] | None = None,
    *,
    query: tuple[tuple[str, str], ...] = (),
) -> HttpRequest:
    headers = signed(session.extra[MARKET])
    return HttpRequest(method, "market", path, group, headers, query=query, json=json)


# Fields


def _counted(instrument: Instrument) -> None:
    if instrument.exchange in UNCOUNTED:
        raise BrokerError(
            Fault.UNSUPPORTED,
            f"{instrument.symbol}: no source tells what a quantity counts on {instrument.exchange}",
        )


def _named(instrument: Instrument) -> dict[str, Any]:
    """What orders and conversions name a contract by; an index, or what cannot be counted, is not traded."""
    _counted(instrument)
    return {
        "exchangeSegment": EXCHANGE.write(instrument.exchange),
        "exchangeInstrumentID": int(instrument.broker_symbol),
    }


def _terms(order: OrderTerms) -> dict[str, Any]:
    return {
        "orderType": TYPE.write(order.type),
        "orderQuantity": order.quantity,
        "limitPrice": order.price or 0,
        "stopPrice": order.trigger_price or 0,
    }


def _margined(order: OrderTerms, instrument: Instrument) -> dict[str, Any]:
    """An item of a margin: other spellings, and the segment as a number."""
    assert order.product is not None  # only an order placed elsewhere may lack one
    named = _named(instrument)
    return {
        "exchange": NUMBERS[instrument.exchange],
        "exchangeInstrumentId": named["exchangeInstrumentID"],
        "productType": PRODUCT.write(order.product),
        "orderType": TYPE.write(order.type),
        "orderSide": SIDE.write(order.side),
        "quantity": order.quantity,
        "price": order.price or 0,
        "stopPrice": order.trigger_price or 0,
        "orderSessionType": 1,
    }


def _tag(row: BrokerOrder) -> str:
    return row.tags[0] if row.tags else ""


def _pair(instrument: Instrument) -> tuple[int, int]:
    return NUMBERS[instrument.exchange], int(instrument.broker_symbol)


def _quote(asked: Mapping[tuple[int, int], Instrument], text: Any) -> Quote | None:
    row = QuoteRow.of(text)
    instrument = asked.get((row.exchange_segment, row.instrument_id))
    return read_quote(row, instrument) if instrument else None


def _moment(at: datetime) -> str:
    return at.strftime("%b %d %Y %H%M%S")


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)
