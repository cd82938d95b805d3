"""The contract between Ordo and a broker: all that an adapter, ours or a plugin's, may import.

An adapter is pure: no socket, no clock, no sleep, no file. An operation is a generator that yields HTTP requests, is sent
the responses and returns a domain value:

    def place(self, session, order, instrument):
        response = yield HttpRequest("POST", "rest", "/orders", "orders", form={...}, writes=True)
        return Placed(read(response).order_no)

Whoever drives it (the daemon, a test, a simulator) does the sending. Transport failures are never thrown into it. What a
class overrides is supported; what it does not answers UNSUPPORTED. Nothing is declared beside the code.
"""

from collections.abc import Generator, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Struct, field

from ordod.adapter.codes import BrokerError, Codes, Fault, Faults
from ordod.adapter.contract_sizes import contract_size
from ordod.adapter.reading import (
    IST,
    BadRow,
    Rows,
    amount,
    decimal,
    derivative_symbol,
    from_json,
    from_paise,
    identifier,
    isin,
    ist_date,
    ist_datetime,
    masked,
    paise,
    read_rows,
    shaped,
    spans,
    units,
)
from ordod.adapter.streams import (
    Frame,
    Notice,
    Pushed,
    Reply,
    Stream,
    StreamLimits,
    StreamRequest,
    UpdateLimits,
    UpdateStream,
)
from ordod.domain.gtt import BrokerGtt, GttLeg, GttStatus, NewGtt
from ordod.domain.instruments import Exchange, Instrument, InstrumentKind
from ordod.domain.market import Candle, Depth, DepthTick, Interval, Level, Mode, Quote, Tick
from ordod.domain.money import canonical
from ordod.domain.orders import (
    BrokerOrder,
    Fill,
    NewOrder,
    OrderChanges,
    OrderTerms,
    OrderType,
    Placed,
    Product,
    Side,
    Status,
    Validity,
    Variety,
)
from ordod.domain.portfolio import Conversion, Funds, Holding, Margin, Position

__all__ = [
    "BASE32",
    "CONTRACT",
    "DIGITS",
    "IST",
    "OPERATIONS",
    "PRICES",
    "STREAMING",
    "UPDATES",
    "Adapter",
    "Ask",
    "BadRow",
    "BrokerError",
    "BrokerGtt",
    "BrokerOrder",
    "BrokerSpec",
    "Candle",
    "Codes",
    "Conversion",
    "Credentials",
    "Depth",
    "DepthTick",
    "Dialogue",
    "Exchange",
    "Fault",
    "Faults",
    "Fill",
    "Frame",
    "Funds",
    "GttLeg",
    "GttStatus",
    "Holding",
    "HttpRequest",
    "HttpResponse",
    "Instrument",
    "InstrumentKind",
    "Instruments",
    "Interval",
    "Level",
    "LoginDialogue",
    "Margin",
    "Mode",
    "NewGtt",
    "NewOrder",
    "Notice",
    "OrderChanges",
    "OrderTerms",
    "OrderType",
    "Placed",
    "Position",
    "Product",
    "Pushed",
    "Quote",
    "Reply",
    "Rows",
    "Secret",
    "Session",
    "Side",
    "Status",
    "Stream",
    "StreamLimits",
    "StreamRequest",
    "Tag",
    "Tick",
    "UpdateLimits",
    "UpdateStream",
    "Validity",
    "Variety",
    "Window",
    "amount",
    "canonical",
    "contract_size",
    "decimal",
    "derivative_symbol",
    "from_json",
    "from_paise",
    "identifier",
    "isin",
    "ist_date",
    "ist_datetime",
    "masked",
    "paise",
    "read_rows",
    "shaped",
    "spans",
    "supports",
    "units",
]

CONTRACT = 1  # the registry refuses an adapter written for another

BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
DIGITS = "0123456789"

T = TypeVar("T")

_JSON = msgspec.json.Encoder(decimal_format="number")  # prices are Decimal and never a float


class Secret:
    """A text that prints nothing. `reveal()` is the only way to it, and stands where it is sent."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str | tuple[Any, ...]:
        raise TypeError("a Secret is not pickled")


class HttpRequest(Struct, frozen=True):
    """One HTTP/1.1 request, without its host's address.

    Args:
        host: a name in `spec.hosts`.
        group: what rate windows count it as (`Window`).
        query: pairs, in order; a name may repeat.
        form: pairs or a mapping, sent form-encoded. `json`: a value sent as JSON, a Decimal as a
            number. `content`: content type and bytes of a body that is neither. At most one of the three.
        writes: it may change something at the broker. At most one request of a dialogue does.
        looks: a login's request that sends no credentials, at a broker where even that is no GET: it costs nothing of the
            login budget.
    """

    method: str
    host: str
    path: str
    group: str
    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    form: Mapping[str, str] | None = None
    json: Any = None
    content: tuple[str, bytes] | None = None
    writes: bool = False
    looks: bool = False

    def target(self) -> str:
        """Path and query as they stand in the request line."""
        path = quote(self.path, safe="/:@!$&'()*+,;=-._~%")
        return f"{path}?{urlencode(self.query)}" if self.query else path

    def body(self) -> tuple[str, bytes]:
        """Content type and bytes; ("", b"") where there is no body."""
        if self.content is not None:
            return self.content
        if self.form is not None:
            return "application/x-www-form-urlencoded", urlencode(dict(self.form)).encode()
        if self.json is not None:
            return "application/json", _JSON.encode(self.json)
        return "", b""


class HttpResponse(Struct, frozen=True):
    """The answer, whole: redirects are not followed and cookies not kept, both stand in `headers` (names in lower case)."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first header of this name (lower case), or None."""
        return next((value for key, value in self.headers if key == name), None)


class Ask(Struct, frozen=True):
    """What a login needs besides requests; it is sent the answer, a string.

    Args:
        kind: `totp`: the code of now, made from `totp_secret` where there is one, else typed by a person. `otp`: what the
            broker sent to a phone. `page`: a person opens `url`; the answer is the address the broker redirected to.
    """

    kind: str
    prompt: str
    url: str = ""


Dialogue: TypeAlias = Generator[HttpRequest, HttpResponse, T]
LoginDialogue: TypeAlias = Generator["HttpRequest | Ask", "HttpResponse | str", "Session"]


class Session(Struct, frozen=True, kw_only=True):
    """A login's result. `user_id` is the broker's name of the user: keys and sessions belong to it, not to our account name.

    `extra` and `options`: what else later calls need, secrets and plain words.
    """

    user_id: str
    access_token: Secret
    api_key: str = ""
    extra: Mapping[str, Secret] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None


class Credentials(Struct, frozen=True, kw_only=True):
    """What the configuration gives a login. Fields that a broker needs and are missing are AUTH_DENIED, by name.

    `mode` is the account's `login` key (`""`: the broker's official flow); `options` and `secrets` what a broker needs besides
    (`spec.options`, `spec.secrets`).
    """

    user_id: str = ""
    api_key: Secret | None = None
    api_secret: Secret | None = None
    password: Secret | None = None
    pin: Secret | None = None
    totp_secret: Secret | None = None
    access_token: Secret | None = None
    mode: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)


class Tag(Struct, frozen=True):
    """What a broker's tag field carries: so many characters of this alphabet."""

    length: int
    alphabet: str = BASE32


class Window(Struct, frozen=True):
    """At most `count` requests of `group` in any `seconds`, rolling. The daemon never sends more.

    A window counts the groups below its own too: `orders` counts `orders.place`, "" counts every request. Requests that place,
    modify or cancel an order are of the groups `orders.place`, `orders.modify`, `orders.cancel`.
    """

    group: str
    count: int
    seconds: int

    def counts(self, group: str) -> bool:
        return f"{group}.".startswith(f"{self.group}." if self.group else "")


class BrokerSpec(Struct, frozen=True, kw_only=True):
    """One broker's numbers, each with its source beside it in the adapter's `tables.py`.

    Args:
        hosts: name -> base URL; `base_url` in the configuration replaces all, `urls.NAME` one.
        tag: what the order's tag field carries; None: the broker has none.
        book_day: IST; the order book of a day is emptied at this time of the next.
        session_ends: IST; every session dies then. None: `Session.expires_at` alone tells.
        windows: rate limits, by group.
        streams: what it allows of pushed prices; None: it pushes none, or not through Ordo.
        updates: of a connection of its own that brings order updates; None: there is none.
        candle_spans: the longest range of one `candles`, by interval; one left out has no limit.
        credentials: names a login cannot do without, by mode (`""` the official flow).
        options: keys an account may have besides WIRE 9's, with their meaning. `secrets`: those of them that are
            secrets: the configuration refers to them as to any secret, and they are in `Credentials.secrets`.
        logins: modes of `login` -> what they are (the first is the default).
        duplicate_tag: the broker refuses a tag it has; such a refusal is evidence of presence.
    """

    id: str
    name: str
    hosts: Mapping[str, str]
    tag: Tag | None
    book_day: time
    session_ends: time | None = None
    windows: tuple[Window, ...] = ()
    streams: StreamLimits | None = None
    updates: UpdateLimits | None = None
    candle_spans: Mapping[Interval, timedelta] = field(default_factory=dict)
    credentials: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    logins: Mapping[str, str] = field(default_factory=dict)
    duplicate_tag: bool = False


class Instruments(Protocol):
    """The contracts this broker's master names, for reading rows."""

    def by_broker_symbol(self, exchange: Exchange, broker_symbol: str) -> Instrument | None: ...

    def by_token(self, instrument_token: str) -> Instrument | None: ...


class Adapter:
    """One broker. Override what it can; the rest answers UNSUPPORTED.

    Every method but `parse_master`, `stream` and `updates` is a generator function. Faults are raised as `BrokerError`.
    """

    contract: ClassVar[int] = CONTRACT
    spec: ClassVar[BrokerSpec]

    # Sessions

    def login(self, credentials: Credentials, now: datetime) -> LoginDialogue:
        """A session, by this broker's flow and `credentials.mode`. `now` (IST) serves to reckon its end."""
        raise _unsupported("login")

    def logout(self, session: Session) -> Dialogue[None]:
        raise _unsupported("logout")

    def user(self, session: Session) -> Dialogue[str]:
        """The broker's user id of this session: the cheapest proof that it lives."""
        raise _unsupported("user")

    # Orders

    def place(self, session: Session, order: NewOrder, instrument: Instrument) -> Dialogue[Placed]:
        raise _unsupported("place")

    def modify(
        self, session: Session, row: BrokerOrder, changes: OrderChanges, instrument: Instrument
    ) -> Dialogue[None]:
        """Change a living order; `row` is how the broker last showed it. An answer is an acknowledgement, not yet a change."""
        raise _unsupported("modify")

    def cancel(self, session: Session, row: BrokerOrder) -> Dialogue[None]:
        """Ask for an order's end. An answer is an acknowledgement, not yet a cancel."""
        raise _unsupported("cancel")

    def orders(
        self,
        session: Session,
        instruments: Instruments,
        last: Rows[BrokerOrder] | None = None,
    ) -> Dialogue[Rows[BrokerOrder]]:
        """Today's order book, every page and half of it.

        `last` is the reading before, for `read_rows`: a book of hundreds is read again with every order, and few rows move.
        """
        raise _unsupported("orders")

    def trail(
        self, session: Session, broker_order_id: str, instruments: Instruments
    ) -> Dialogue[Rows[BrokerOrder]]:
        """What became of one order, oldest first."""
        raise _unsupported("trail")

    def by_tag(
        self, session: Session, tag: str, instruments: Instruments
    ) -> Dialogue[Rows[BrokerOrder]]:
        """The orders that carry this tag. Empty proves nothing."""
        raise _unsupported("by_tag")

    def trades(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Fill]]:
        """Today's executions."""
        raise _unsupported("trades")

    # GTT

    def place_gtt(self, session: Session, gtt: NewGtt, instrument: Instrument) -> Dialogue[str]:
        """The broker's id of the new trigger."""
        raise _unsupported("place_gtt")

    def modify_gtt(
        self, session: Session, broker_gtt_id: str, gtt: NewGtt, instrument: Instrument
    ) -> Dialogue[None]:
        raise _unsupported("modify_gtt")

    def cancel_gtt(self, session: Session, broker_gtt_id: str) -> Dialogue[None]:
        raise _unsupported("cancel_gtt")

    def gtts(self, session: Session, instruments: Instruments) -> Dialogue[Rows[BrokerGtt]]:
        raise _unsupported("gtts")

    # Portfolio

    def positions(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Position]]:
        raise _unsupported("positions")

    def holdings(self, session: Session, instruments: Instruments) -> Dialogue[Rows[Holding]]:
        raise _unsupported("holdings")

    def funds(self, session: Session) -> Dialogue[tuple[Funds, ...]]:
        raise _unsupported("funds")

    def convert(
        self, session: Session, conversion: Conversion, instrument: Instrument
    ) -> Dialogue[None]:
        raise _unsupported("convert")

    def margin(
        self, session: Session, orders: tuple[tuple[OrderTerms, Instrument], ...]
    ) -> Dialogue[Margin]:
        """What these orders would need together."""
        raise _unsupported("margin")

    # Market data

    def quotes(
        self, session: Session, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """By symbol; instruments the broker is silent about are left out. Any number: batched within."""
        raise _unsupported("quotes")

    def ltp(
        self, session: Session, instruments: tuple[Instrument, ...]
    ) -> Dialogue[Mapping[str, Quote]]:
        """As `quotes`, with `last_price` alone."""
        raise _unsupported("ltp")

    def candles(
        self,
        session: Session,
        instrument: Instrument,
        interval: Interval,
        start: datetime,
        end: datetime,
    ) -> Dialogue[Iterable[Candle]]:
        """Those that begin within [start, end] (IST), which `spec.candle_spans` allows; in any order, others among them."""
        raise _unsupported("candles")

    def master(self, session: Session) -> Dialogue[bytes]:
        """Today's instrument file as the broker sends it."""
        raise _unsupported("master")

    def parse_master(self, content: bytes, on: date) -> Iterable[Instrument]:
        """The contracts of `master()`, lazily; rows of no use to Ordo are left out. Runs in a worker."""
        raise _unsupported("parse_master")

    # Streams; who has prices has both, and `spec.streams`

    def connect_stream(self, session: Session) -> Dialogue[StreamRequest]:
        """What opens a connection for pushed prices; requests before it where the broker wants any."""
        raise _unsupported("connect_stream")

    def stream(self, session: Session, instruments: Instruments) -> Stream:
        """The codec of a connection that was just opened. Runs in the loop: what it does, it does in microseconds."""
        raise _unsupported("stream")

    # Order updates over a connection of their own; who has it has both, and `spec.updates`

    def connect_updates(self, session: Session) -> Dialogue[StreamRequest]:
        """What opens the connection that brings order updates."""
        raise _unsupported("connect_updates")

    def updates(self, session: Session, instruments: Instruments) -> UpdateStream:
        """The codec of that connection, just opened."""
        raise _unsupported("updates")


PRICES, UPDATES = ("connect_stream", "stream"), ("connect_updates", "updates")
STREAMING = (*PRICES, *UPDATES)
OPERATIONS: tuple[str, ...] = tuple(
    name
    for name, member in vars(Adapter).items()
    if callable(member) and not name.startswith("_") and name not in STREAMING
)


def supports(adapter: Adapter, operation: str) -> bool:
    """Whether this adapter has that operation: it has where it overrides it."""
    return getattr(type(adapter), operation) is not getattr(Adapter, operation)


def _unsupported(operation: str) -> BrokerError:
    return BrokerError(Fault.UNSUPPORTED, f"this broker has no {operation} in Ordo")
