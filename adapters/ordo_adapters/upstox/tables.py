"""Upstox's words and numbers. `upstox.md N` is section N of Ordo's fact sheet on the Upstox Developer API, as of 2026."""

from collections.abc import Iterator
from datetime import time, timedelta
from decimal import Decimal

from ordod.adapter import (
    BASE32,
    BrokerSpec,
    Codes,
    Exchange,
    Fault,
    Faults,
    GttStatus,
    Interval,
    Mode,
    OrderType,
    Product,
    Side,
    Status,
    StreamLimits,
    Tag,
    UpdateLimits,
    Validity,
    Window,
)

__all__ = [
    "ANY_VERSION",
    "AUTOMATIC_PROTECTION",
    "CANDLES",
    "CASH",
    "EXCHANGE",
    "FAULTS",
    "FOREIGN_PRODUCTS",
    "GTT_STATUS",
    "INDEX_NAMES",
    "INTERVAL",
    "MARGIN_MAX",
    "ORDERS",
    "OTHERS",
    "PRODUCT",
    "PROTECTION_MAX",
    "QUOTES",
    "QUOTES_MAX",
    "SEGMENT",
    "SIDE",
    "SPEC",
    "STATUS",
    "STREAM_MODE",
    "TYPE",
    "VALIDITY",
    "WRITE_FAULTS",
]

# Rate windows' groups. Upstox counts each API by itself (upstox.md 10); what reads the books shares one group all the same.
ORDERS = "orders"  # place, modify, cancel, GTT together
QUOTES = "quotes"
CANDLES = "candles"
OTHERS = "others"

# What we send in one second or minute Upstox may see in a shorter one, hence a little less than 10, 50, 500 and 2000.
_STANDARD = ((45, 1), (490, 60), (1950, 1800))

CANDLE_SPANS = {
    **dict.fromkeys(
        (Interval.M1, Interval.M3, Interval.M5, Interval.M10, Interval.M15), timedelta(days=28)
    ),
    **dict.fromkeys((Interval.M30, Interval.H1), timedelta(days=89)),
    Interval.D1: timedelta(days=3650),
}  # upstox.md 7.2: a month, a quarter, a decade, at their shortest
SPEC = BrokerSpec(
    id="upstox",
    name="Upstox",
    hosts={
        "rest": "https://api.upstox.com",  # upstox.md 1
        "hft": "https://api-hft.upstox.com",  # placing, changing and cancelling orders; nothing else
        "assets": "https://assets.upstox.com",  # the instrument file
    },
    # 4.2: at most 40 characters, by a second-hand source, and of which kind is not said: 20 of the plainest are enough.
    tag=Tag(length=20, alphabet=BASE32),
    # Orders go "at the end of the trading session" (get-order-details page); the API is shut from midnight to 05:30 (1), so
    # midnight is the first moment at which a book may be empty.
    book_day=time(0, 0),
    session_ends=time(3, 30),  # 2.5
    windows=(
        Window(ORDERS, count=9, seconds=1),
        Window(ORDERS, count=490, seconds=60),
        Window(ORDERS, count=1950, seconds=1800),
        *(
            Window(group, count=count, seconds=seconds)
            for group in (QUOTES, CANDLES, OTHERS)
            for count, seconds in _STANDARD
        ),
    ),
    # 9.1: full has room for the fewest keys, and fewer where modes are mixed. Texts differ between 1, 2 and 5 connections. No
    # heartbeat is documented, so that silence tells nothing.
    streams=StreamLimits(instruments=1500, connections=1, frame_instruments=200),
    updates=UpdateLimits(),
    candle_spans=CANDLE_SPANS,
    credentials={"": ("api_key", "api_secret"), "push": ("api_key", "api_secret")},
    options={
        "redirect_uri": "the app's redirect URL, letter for letter as Upstox has it; for the login page"
    },
    logins={
        "": "Upstox's login page in a browser; the address it ends on is pasted or caught",
        "push": "the user approves on the phone; Upstox then sends the token to the app's webhook, from where it is pasted",
    },
)

ANY_VERSION = (
    "Api-Version",
    "2.0",
)  # upstox.md 3: once needed on v2 paths, and still sent by the SDK there

EXCHANGE = Codes(
    "exchange",
    {
        Exchange.NSE: "NSE",
        Exchange.BSE: "BSE",
        Exchange.NFO: "NFO",
        Exchange.BFO: "BFO",
        Exchange.CDS: "CDS",
        Exchange.BCD: "BCD",
        Exchange.MCX: "MCX",
    },
)  # upstox.md 4.3: in rows
SEGMENT = Codes(
    "segment",
    {
        Exchange.NSE: "NSE_EQ",
        Exchange.BSE: "BSE_EQ",
        Exchange.NFO: "NSE_FO",
        Exchange.BFO: "BSE_FO",
        Exchange.CDS: "NCD_FO",
        Exchange.BCD: "BCD_FO",
        Exchange.MCX: "MCX_FO",
        Exchange.NSE_INDEX: "NSE_INDEX",
        Exchange.BSE_INDEX: "BSE_INDEX",
    },
)  # upstox.md 4.3: in instrument keys, the instrument file, and rows of GTTs
CASH = frozenset({Exchange.NSE, Exchange.BSE})

SIDE = Codes("side", {Side.BUY: "BUY", Side.SELL: "SELL"})
TYPE = Codes(
    "type",
    {
        OrderType.MARKET: "MARKET",
        OrderType.LIMIT: "LIMIT",
        OrderType.SL: "SL",
        OrderType.SL_M: "SL-M",
    },
)
PRODUCT = Codes(
    "product",
    {Product.CNC: "D", Product.NRML: "D", Product.MIS: "I", Product.MTF: "MTF"},
)  # upstox.md 4.3: D is CNC on shares and NRML on derivatives
FOREIGN_PRODUCTS = frozenset({"CO", "OCO"})  # upstox.md 4.2: placed elsewhere
VALIDITY = Codes("validity", {Validity.DAY: "DAY", Validity.IOC: "IOC"})

STATUS = Codes(
    "status",
    {
        Status.PENDING: "open pending",
        Status.OPEN: "open",
        Status.TRIGGER_PENDING: "trigger pending",
        Status.FILLED: "complete",
        Status.CANCELLED: "cancelled",
        Status.REJECTED: "rejected",
    },
    read_also={
        "put order req received": Status.PENDING,
        "validation pending": Status.PENDING,
        "after market order req received": Status.PENDING,
        "modify after market order req received": Status.PENDING,
        "modify validation pending": Status.OPEN,
        "modify pending": Status.OPEN,
        "modified": Status.OPEN,
        "not modified": Status.OPEN,
        "cancel pending": Status.OPEN,
        "not cancelled": Status.OPEN,
        "cancelled after market order": Status.CANCELLED,
    },
)  # upstox.md 5.1, in lower case

GTT_STATUS = Codes(
    "GTT status",
    {
        GttStatus.ACTIVE: "SCHEDULED",
        GttStatus.TRIGGERED: "TRIGGERED",
        GttStatus.CANCELLED: "CANCELLED",
        GttStatus.REJECTED: "FAILED",
        GttStatus.EXPIRED: "EXPIRED",
        GttStatus.DISABLED: "INACTIVE",
    },
    read_also={
        "PENDING": GttStatus.ACTIVE,
        "OPEN": GttStatus.TRIGGERED,  # its order stands at the exchange: the quantity cannot be changed any more
        "COMPLETED": GttStatus.TRIGGERED,
    },
)  # get-gtt-order-details page: a rule's states

AUTOMATIC_PROTECTION = Decimal(-1)  # upstox.md 4.2
PROTECTION_MAX = Decimal(25)  # percent; upstox.md 4.2

QUOTES_MAX = 500  # upstox.md 7.1: keys a request
MARGIN_MAX = 20  # upstox.md 6: orders a request
INTERVAL = Codes(
    "interval",
    {
        Interval.M1: "minutes/1",
        Interval.M3: "minutes/3",
        Interval.M5: "minutes/5",
        Interval.M10: "minutes/10",
        Interval.M15: "minutes/15",
        Interval.M30: "minutes/30",
        Interval.H1: "hours/1",
        Interval.D1: "days/1",
    },
)  # upstox.md 7.2: unit and interval

STREAM_MODE = {Mode.LTP: "ltpc", Mode.QUOTE: "full", Mode.DEPTH: "full"}  # upstox.md 9.2

INDEX_NAMES = {
    "NIFTY 50": "NIFTY",
    "NIFTY BANK": "BANKNIFTY",
    "NIFTY FIN SERVICE": "FINNIFTY",
    "NIFTY MID SELECT": "MIDCPNIFTY",
    "NIFTY NEXT 50": "NIFTYNXT50",
    "INDIA VIX": "INDIAVIX",
}  # the name in an index's key, in capitals -> the name its derivatives go by; others lose their spaces


def _sure(
    means: tuple[int, Fault], *codes: str
) -> Iterator[tuple[int | None, str, str, Fault, str]]:
    """One row for each code: with this status a sure no."""
    status, fault = means
    return ((status, f"UDAPI{code}", "", fault, "upstox.md 11") for code in codes)


# What Upstox's refusals mean (upstox.md 11). A source makes a row *sure*: it ends an order that was sent. Sure are only answers
# of the layers before the order system: the limiter, the session, permission, validation; each by code and status together.
FAULTS = Faults(
    (429, "UDAPI10005", "", Fault.RATE_LIMITED, "upstox.md 10"),
    (429, "", "", Fault.RATE_LIMITED, ""),  # Cloudflare's: how far it came is not known
    # What no source tells of Upstox, and what others have dressed as a refusal: it may have been done.
    (None, "", "timed out", Fault.AMBIGUOUS, ""),
    (None, "", "timeout", Fault.AMBIGUOUS, ""),
    (None, "UDAPI100500", "", Fault.BROKER_UNAVAILABLE, ""),
    (500, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (502, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (503, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (504, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (401, "UDAPI100050", "", Fault.AUTH_EXPIRED, "upstox.md 2.5"),
    (None, "UDAPI100050", "", Fault.AUTH_EXPIRED, ""),  # by the code, whatever the status
    (None, "UDAPI100016", "", Fault.AUTH_DENIED, ""),  # the exchange of a code, as the next three
    (None, "UDAPI100057", "market", Fault.MARKET_CLOSED, ""),  # the sandbox says so
    (None, "UDAPI100057", "", Fault.AUTH_DENIED, ""),
    (None, "UDAPI100068", "", Fault.AUTH_DENIED, ""),
    # the app is not allowed; 1154: the address is not the registered one
    *_sure((403, Fault.AUTH_DENIED), "100073", "100067", "100049", "1154", "1179", "1180", "1181"),
    *_sure((400, Fault.AUTH_DENIED), "1156"),
    (403, "", "", Fault.BROKER_UNAVAILABLE, ""),  # a page of Cloudflare's, error 1010
    (423, "", "", Fault.BROKER_UNAVAILABLE, ""),  # a read between midnight and 05:30
    (None, "UDAPI10000", "", Fault.NOT_FOUND, ""),  # of a path, or of every instrument asked for
    (None, "UDAPI100060", "", Fault.NOT_FOUND, ""),
    (400, "", "insufficient", Fault.INSUFFICIENT_FUNDS, "upstox.md 11"),
    # "order request rejected", or no such order to change: either way nothing was done
    (400, "UDAPI100010", "", Fault.ORDER_REJECTED, "upstox.md 11"),
    (404, "UDAPI100010", "", Fault.NOT_FOUND, ""),
    *_sure(
        (400, Fault.INVALID_INPUT),
        *("100015", "100036", "100038", "100011", "1026", "1004", "1056", "1007", "1055"),
        *("1043", "1052", "1118", "1119", "1148"),
    ),
    *_sure((400, Fault.MARKET_CLOSED), "100039"),
    # no MARKET order; no MCX (September 2026); not alive any more, to cancel and to change
    *_sure((400, Fault.ORDER_REJECTED), "1158", "1161", "100040", "100041"),
    (400, "", "margin", Fault.INSUFFICIENT_FUNDS, ""),  # a word of many sentences: not sure
    (404, "", "", Fault.NOT_FOUND, ""),
)

# Looked at before FAULTS where a request writes.
WRITE_FAULTS = Faults(
    (423, "UDAPI100072", "", Fault.MARKET_CLOSED, "upstox.md 11"),  # outside 05:30 to 24:00
    (423, "UDAPI100074", "", Fault.MARKET_CLOSED, "upstox.md 11"),
)
