"""The paper broker as an adapter: a small JSON protocol in Ordo's own words, so that nothing needs translating.

Bodies are the domain types as msgspec writes them (amounts as decimal strings, times RFC 3339, symbols Ordo's). Every answer
but 200 is `{"fault": ..., "message": ...}` with the contract's word for the fault; `broker` is the other side.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from ordod.adapter import (
    BASE32,
    Adapter,
    BrokerError,
    BrokerGtt,
    BrokerOrder,
    BrokerSpec,
    Candle,
    Conversion,
    Credentials,
    DepthTick,
    Dialogue,
    Fault,
    Faults,
    Fill,
    Frame,
    Funds,
    Holding,
    HttpRequest,
    HttpResponse,
    Instrument,
    Instruments,
    Interval,
    LoginDialogue,
    Margin,
    Mode,
    NewGtt,
    NewOrder,
    OrderChanges,
    OrderTerms,
    Placed,
    Position,
    Pushed,
    Quote,
    Rows,
    Secret,
    Session,
    Stream,
    StreamLimits,
    StreamRequest,
    Tag,
    Tick,
)

__all__ = ["PAPER", "Paper"]

SPEC = BrokerSpec(
    id="paper",
    name="Paper",
    hosts={"rest": "paper://exchange"},
    tag=Tag(length=20, alphabet=BASE32),
    book_day=time(6, 0),  # IST; when `PaperBroker` begins a new book
    streams=StreamLimits(instruments=3000, connections=1, frame_instruments=1000, has_orders=True),
    candle_spans=dict.fromkeys(Interval, timedelta(days=1))  # some 20 ms of the exchange's time
    | {Interval.D1: timedelta(days=30)},
    credentials={"": ()},
    options={
        "cash": "what the account begins with, rupees; default 1000000",
        "hours": "`always` (default): open day and night; `market`: as the exchanges",
    },
    logins={"": "none needed: the account's name is the user"},
)
_SOURCE = "ordod/paper/broker.py"
FAULTS = Faults(
    *(
        (None, fault.value, "", fault, _SOURCE)
        for fault in (
            Fault.AUTH_EXPIRED,
            Fault.INVALID_INPUT,
            Fault.INSUFFICIENT_FUNDS,
            Fault.ORDER_REJECTED,
            Fault.NOT_FOUND,
            Fault.MARKET_CLOSED,
            Fault.UNSUPPORTED,
        )
    )
)
SYMBOLS_MAX = 200  # of one request for prices

T = TypeVar("T")


class _Placed(Struct):
    order_id: str


class _Gtt(Struct):
    gtt_id: str


class _User(Struct):
    user_id: str
    access_token: str = ""


class _No(Struct):
    fault: str = ""
    message: str = ""


class Paper(Adapter):
    spec = SPEC

    # Sessions

    def login(self, credentials: Credentials, now: datetime) -> LoginDialogue:
        # A reading: it makes nothing, so it spends nothing of an account's login budget.
        answer = yield HttpRequest("GET", "rest", "/login", "session")
        assert isinstance(answer, HttpResponse)
        user = _read(answer, _User)
        return Session(user_id=user.user_id, access_token=Secret(user.access_token))

    def logout(self, session: Session) -> Dialogue[None]:
        _read((yield _ask(session, "DELETE", "/login")), dict[str, Any])

    def user(self, session: Session) -> Dialogue[str]:
        return _read((yield _ask(session, "GET", "/user")), _User).user_id

    # Orders

    def place(self, session: Session, order: NewOrder, instrument: Instrument) -> Dialogue[Placed]:
        body = msgspec.to_builtins(order)
        response = yield _change(session, "POST", "/orders", body, "orders.place")
        placed = _read(response, _Placed)
        if not placed.order_id:
            raise BrokerError(Fault.UNREADABLE, "a success without an order id")
        return Placed(placed.order_id)

    def modify(
        self, session: Session, row: BrokerOrder, changes: OrderChanges, instrument: Instrument
    ) -> Dialogue[None]:
        path = f"/orders/{row.broker_order_id}"
        body = msgspec.to_builtins(changes)
        response = yield _change(session, "PUT", path, body, "orders.modify")
        _read(response, _Placed)

    def cancel(self, session: Session, row: BrokerOrder) -> Dialogue[None]:
        path = f"/orders/{row.broker_order_id}"
        response = yield _change(session, "DELETE", path, group="orders.cancel")
        _read(response, _Placed)

    def orders(
        self,
        session: Session,
        instruments: Instruments,
        last: Rows[BrokerOrder] | None = None,
    ) -> Dialogue[Rows[BrokerOrder]]:
        return _rows((yield _ask(session, "GET", "/orders")), BrokerOrder)

    def trail(
        self, session: Session, broker_order_id: str, instruments: Instruments
    ) -> Dialogue[Rows[BrokerOrder]]:
        return _rows((yield _ask(session, "GET", f"/orders/{broker_order_id}")), BrokerOrder)

    def by_tag(
        self, session: Session, tag: str, instruments: Instruments
    ) -> Dialogue[Rows[BrokerOrder]]:
        return _rows((yield _ask(session, "GET", "/orders", ("tag", tag))), BrokerOrder)

    def trades(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Fill]]:
        return _rows((yield _ask(session, "GET", "/trades")), Fill)

    # GTT

    def place_gtt(self, session: Session, gtt: NewGtt, instrument: Instrument) -> Dialogue[str]:
        response = yield _change(session, "POST", "/gtts", msgspec.to_builtins(gtt))
        return _read(response, _Gtt).gtt_id

    def modify_gtt(
        self, session: Session, broker_gtt_id: str, gtt: NewGtt, instrument: Instrument
    ) -> Dialogue[None]:
        path = f"/gtts/{broker_gtt_id}"
        _read((yield _change(session, "PUT", path, msgspec.to_builtins(gtt))), _Gtt)

    def cancel_gtt(self, session: Session, broker_gtt_id: str) -> Dialogue[None]:
        _read((yield _change(session, "DELETE", f"/gtts/{broker_gtt_id}")), _Gtt)

    def gtts(self, session: Session, instruments: Instruments) -> Dialogue[Rows[BrokerGtt]]:
        return _rows((yield _ask(session, "GET", "/gtts")), BrokerGtt)

    # Portfolio

    def positions(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Position]]:
        return _rows((yield _ask(session, "GET", "/positions")), Position)

    def holdings(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Holding]]:
        return _rows((yield _ask(session, "GET", "/holdings")), Holding)

    def funds(self, session: Session) -> Dialogue[tuple[Funds, ...]]:
        return (_read((yield _ask(session, "GET", "/funds")), Funds),)

    def convert(
        self, session: Session, conversion: Conversion, instrument: Instrument
    ) -> Dialogue[None]:
        body = msgspec.to_builtins(conversion)
        _read((yield _change(session, "PUT", "/positions", body)), dict[str, Any])

    def margin(
        self, session: Session, orders: tuple[tuple[OrderTerms, Instrument], ...]
    ) -> Dialogue[Margin]:
        terms = [msgspec.to_builtins(order) for order, _ in orders]
        return _read((yield _ask(session, "POST", "/margin", body=terms)), Margin)

    # Market data

    def quotes(
        self, session: Session, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        return (yield from _prices(session, "/quotes", instruments))

    def ltp(
        self, session: Session, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        return (yield from _prices(session, "/ltp", instruments))

    def candles(
        self,
        session: Session,
        instrument: Instrument,
        interval: Interval,
        start: datetime,
        end: datetime,
    ) -> Dialogue[Iterable[Candle]]:
        response = yield _ask(
            session,
            "GET",
            "/candles",
            ("symbol", instrument.symbol),
            ("interval", interval.value),
            ("start", start.isoformat()),
            ("end", end.isoformat()),
        )
        return _read(response, list[Candle])

    def master(self, session: Session) -> Dialogue[bytes]:
        response = yield _ask(session, "GET", "/master")
        if response.status != 200:
            raise _refusal(response)
        _instruments(response.body)
        return response.body

    def parse_master(self, content: bytes, on: date) -> Iterable[Instrument]:
        return _instruments(content)

    # Streams

    def connect_stream(self, session: Session) -> Dialogue[StreamRequest]:
        yield from ()
        return StreamRequest("rest", "/stream", _auth(session))

    def stream(self, session: Session, instruments: Instruments) -> "PaperStream":
        return PaperStream()


class PaperStream(Stream):
    """`{"mode": "quote", "symbols": [...]}` asks (mode null: no longer), `{"ticks": [...], "depth": [...]}` comes, and `orders`
    and `fills` as they happen."""

    def subscribe(self, instruments: Sequence[Instrument], mode: Mode) -> Iterable[Frame]:
        return [_wish(instruments, mode)]

    def unsubscribe(self, instruments: Sequence[Instrument]) -> Iterable[Frame]:
        return [_wish(instruments, None)]

    def read(self, frame: Frame) -> Sequence[Pushed]:
        try:
            pushed = _PUSHED.decode(frame)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise BrokerError(Fault.UNREADABLE, f"a frame of another shape: {error}") from None
        return [*pushed.ticks, *pushed.depth, *pushed.orders, *pushed.fills]


class _Pushed(Struct):
    ticks: list[Tick] = []
    depth: list[DepthTick] = []
    orders: list[BrokerOrder] = []
    fills: list[Fill] = []


_PUSHED = msgspec.json.Decoder(_Pushed)


def _wish(instruments: Sequence[Instrument], mode: Mode | None) -> str:
    symbols = [instrument.symbol for instrument in instruments]
    return msgspec.json.encode({"mode": mode, "symbols": symbols}).decode()


def _instruments(content: bytes) -> list[Instrument]:
    try:
        return msgspec.json.decode(content, type=list[Instrument])
    except msgspec.MsgspecError as error:
        raise BrokerError(Fault.UNREADABLE, f"not the paper broker's master: {error}") from None


def _ask(
    session: Session, method: str, path: str, *query: tuple[str, str], body: Any = None
) -> HttpRequest:
    return HttpRequest(method, "rest", path, "reads", _auth(session), query=query, json=body)


def _change(
    session: Session, method: str, path: str, body: Any = None, group: str = "orders"
) -> HttpRequest:
    return HttpRequest(method, "rest", path, group, _auth(session), json=body, writes=True)


def _auth(session: Session) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"paper {session.access_token.reveal()}"),)


def _read(response: HttpResponse, shape: type[T]) -> T:
    """The answer as this shape. Raises BrokerError: what the broker said instead, or UNREADABLE."""
    if response.status != 200:
        raise _refusal(response)
    try:
        return msgspec.json.decode(response.body, type=shape)
    except msgspec.MsgspecError as error:
        raise BrokerError(Fault.UNREADABLE, f"an answer of another shape: {error}") from None


def _rows(response: HttpResponse, shape: type[T]) -> Rows[T]:
    """A list is read whole or not at all: both sides write the same types."""
    return Rows(tuple(_read(response, list[shape])))  # type: ignore[valid-type]


def _refusal(response: HttpResponse) -> BrokerError:
    try:
        no = msgspec.json.decode(response.body, type=_No)
    except msgspec.MsgspecError:
        no = _No()
    return FAULTS.error(response.status, no.fault, no.message)


def _prices(
    session: Session, path: str, instruments: Sequence[Instrument]
) -> Dialogue[Mapping[str, Quote]]:
    found: dict[str, Quote] = {}
    symbols = iter(instruments)
    while batch := [("symbol", instrument.symbol) for instrument in islice(symbols, SYMBOLS_MAX)]:
        quotes = _read((yield _ask(session, "GET", path, *batch)), list[Quote])
        found |= {quote.symbol: quote for quote in quotes}
    return found


PAPER = Paper()
