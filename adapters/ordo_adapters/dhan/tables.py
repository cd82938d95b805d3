"""Dhan's words and numbers. `dhan.md N` is section N of Ordo's fact sheet on DhanHQ v2, as of 2026."""

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
    "ALERT_PRODUCT",
    "ALERT_SEGMENT",
    "ALERT_SIDE",
    "ALERT_TYPE",
    "AUTOMATIC_PROTECTION",
    "CANDLES",
    "DISCONNECTED",
    "EMPTY",
    "FAULTS",
    "FEED_SEGMENT",
    "FOREIGN_PRODUCTS",
    "GTT_STATUS",
    "INDEX_NAMES",
    "INDEX_SEGMENT",
    "INDEX_UNDERLYINGS",
    "INSTRUMENT",
    "INTERVAL",
    "LOGIN_FAULTS",
    "NO_PLAN",
    "ORDERS",
    "OTHERS",
    "PRODUCT",
    "QUOTES",
    "QUOTES_MAX",
    "SEGMENT",
    "SIDE",
    "SPEC",
    "STATUS",
    "STREAM_MODE",
    "TYPE",
    "VALIDITY",
]

# Rate windows' groups (dhan.md 10)
ORDERS = "orders"  # place, modify, cancel together
QUOTES = "data.quotes"
CANDLES = "data.candles"
OTHERS = "others"

SPEC = BrokerSpec(
    id="dhan",
    name="Dhan",
    hosts={
        "rest": "https://api.dhan.co/v2",  # dhan.md 1, as the two below
        "auth": "https://auth.dhan.co",
        "images": "https://images.dhan.co",  # the instrument file
        "feed": "wss://api-feed.dhan.co",  # 9.1
        "updates": "wss://api-order-update.dhan.co",  # 9.3
    },
    # 4.2: at most 30 of letters, digits, space, _ and -; 20 of base32 are 100 bits, and sure to be whole
    tag=Tag(length=20, alphabet=BASE32),
    # When the book is emptied is not documented. From midnight on absence is taken for nothing: the earliest is the safest.
    book_day=time(0, 0),
    session_ends=None,  # 2.5: 24 hours from each login; `Session.expires_at` tells
    windows=(
        # Dhan counts by its own clock; what we send in one second, minute or hour it may see in a shorter one, hence less.
        Window(ORDERS, count=9, seconds=1),
        Window(ORDERS, count=240, seconds=60),
        Window(ORDERS, count=980, seconds=3600),
        Window(ORDERS, count=7000, seconds=86_400),
        Window(QUOTES, count=1, seconds=1),
        Window(CANDLES, count=4, seconds=1),
        Window("data", count=100_000, seconds=86_400),
        # Tokens (one in two minutes) have no window: a login that waited for one would send a TOTP code that has gone stale.
        # Dhan says that it is too early, and nothing is spent.
        Window(OTHERS, count=18, seconds=1),
    ),
    streams=StreamLimits(instruments=5000, connections=5, frame_instruments=100),  # 9.1
    updates=UpdateLimits(),
    # dhan.md 7; days have no limit
    candle_spans={one: timedelta(days=90) for one in Interval if one is not Interval.D1},
    credentials={
        "": ("user_id", "pin"),
        "page": ("user_id", "api_key", "api_secret"),
    },
    logins={
        "": "client id, PIN and TOTP, by itself; set TOTP up on Dhan's web site first",
        "page": "Dhan's consent page in a browser, with an API key; the address it ends on is pasted or caught",
    },
)

SEGMENT = Codes(
    "exchange",
    {
        Exchange.NSE: "NSE_EQ",
        Exchange.BSE: "BSE_EQ",
        Exchange.NFO: "NSE_FNO",
        Exchange.BFO: "BSE_FNO",
        Exchange.CDS: "NSE_CURRENCY",
        Exchange.BCD: "BSE_CURRENCY",
        Exchange.MCX: "MCX_COMM",
    },
)  # dhan.md 4.1
INDEX_SEGMENT = "IDX_I"  # of every exchange; quoted and not traded

# The live market feed (dhan.md 9.1)
FEED_SEGMENT = {
    "IDX_I": 0,
    "NSE_EQ": 1,
    "NSE_FNO": 2,
    "NSE_CURRENCY": 3,
    "BSE_EQ": 4,
    "MCX_COMM": 5,
    "BSE_CURRENCY": 7,
    "BSE_FNO": 8,
}
STREAM_MODE = {Mode.LTP: 15, Mode.QUOTE: 17, Mode.DEPTH: 21}  # one more ends it
DISCONNECTED = {
    805: "too many connections of this user",
    806: "the data APIs are not subscribed to",
    807: "the access token has expired",
    808: "the client id is not the token's",
    809: "the access token is not taken",
    810: "the client id is invalid",
}  # 11; the words are ours

# Words of order updates -> of the order book (dhan.md 9.3)
ALERT_SIDE = {"B": "BUY", "S": "SELL"}
ALERT_SEGMENT = {
    ("NSE", "E"): "NSE_EQ",
    ("BSE", "E"): "BSE_EQ",
    ("NSE", "D"): "NSE_FNO",
    ("BSE", "D"): "BSE_FNO",
    ("NSE", "C"): "NSE_CURRENCY",
    ("BSE", "C"): "BSE_CURRENCY",
    ("MCX", "M"): "MCX_COMM",
}
ALERT_PRODUCT = {"C": "CNC", "I": "INTRADAY", "M": "MARGIN", "F": "MTF", "V": "CO", "B": "BO"}
ALERT_TYPE = {"LMT": "LIMIT", "MKT": "MARKET", "SL": "STOP_LOSS", "SLM": "STOP_LOSS_MARKET"}

SIDE = Codes("side", {Side.BUY: "BUY", Side.SELL: "SELL"})
PRODUCT = Codes(
    "product",
    {
        Product.CNC: "CNC",
        Product.MIS: "INTRADAY",
        Product.NRML: "MARGIN",
        Product.MTF: "MTF",
    },
)  # dhan.md 4.1
FOREIGN_PRODUCTS = frozenset(
    {"CO", "BO"}
)  # dhan.md 4.1: placed elsewhere; ours has no word for them
# SL_M is only read. Since Dhan protects prices (March 2026) a bare STOP_LOSS_MARKET is filled at once as a limit order, or
# refused: SL-M goes out as STOP_LOSS (dhan.md 13).
TYPE = Codes(
    "type",
    {OrderType.MARKET: "MARKET", OrderType.LIMIT: "LIMIT", OrderType.SL: "STOP_LOSS"},
    read_also={"STOP_LOSS_MARKET": OrderType.SL_M},
)
VALIDITY = Codes("validity", {Validity.DAY: "DAY", Validity.IOC: "IOC"})

AUTOMATIC_PROTECTION = Decimal(
    5
)  # percent beyond the trigger of an SL-M that names none; Ordo's choice

STATUS = Codes(
    "status",
    {
        Status.PENDING: "TRANSIT",
        Status.OPEN: "PENDING",
        Status.PARTIALLY_FILLED: "PART_TRADED",
        Status.FILLED: "TRADED",
        Status.CANCELLED: "CANCELLED",
        Status.REJECTED: "REJECTED",
        Status.EXPIRED: "EXPIRED",
    },
    # Legs of super orders, placed elsewhere; MODIFIED is of other clients' tables, and alive. Their INACTIVE is left out: it
    # would end an order on hearsay.
    read_also={"TRIGGERED": Status.OPEN, "CLOSED": Status.FILLED, "MODIFIED": Status.OPEN},
)  # dhan.md 5
GTT_STATUS = Codes(
    "GTT status",
    {
        GttStatus.ACTIVE: "CONFIRM",
        GttStatus.TRIGGERED: "TRADED",
        GttStatus.CANCELLED: "CANCELLED",
        GttStatus.REJECTED: "REJECTED",
        GttStatus.EXPIRED: "EXPIRED",
    },
    read_also={
        "TRANSIT": GttStatus.ACTIVE,
        "PENDING": GttStatus.ACTIVE,
        "TRIGGERED": GttStatus.TRIGGERED,
    },
)  # dhan.md 4.6, 5

QUOTES_MAX = 1000  # dhan.md 7: instruments a request
INTERVAL = Codes(
    "interval",
    {Interval.M1: "1", Interval.M5: "5", Interval.M15: "15", Interval.H1: "60"},
)  # dhan.md 7: within the day; whole days have a path of their own
INDEX_UNDERLYINGS = frozenset(
    {"NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50", "SENSEX", "BANKEX", "SENSEX50"}
)
INDEX_NAMES = {
    "NIFTY 50": "NIFTY",
    "NIFTY BANK": "BANKNIFTY",
    "NIFTY FIN SERVICE": "FINNIFTY",
    "NIFTY MID SELECT": "MIDCPNIFTY",
    "NIFTY NEXT 50": "NIFTYNXT50",
}  # an index -> the name its derivatives go by; Dhan mostly has that already, and others lose their spaces
# What charts call a contract (dhan.md 7): futures and options, by exchange; on NFO and BFO the underlying tells.
INSTRUMENT = {
    Exchange.MCX: ("FUTCOM", "OPTFUT"),
    Exchange.CDS: ("FUTCUR", "OPTCUR"),
    Exchange.BCD: ("FUTCUR", "OPTCUR"),
}

EMPTY = frozenset({"DH-1111", "DH-1112"})  # dhan.md 3: no holdings, no positions

NO_PLAN = frozenset({"DH-902", "806"})  # dhan.md 7, 11: data is not subscribed to

# What Dhan's refusals mean (dhan.md 11). A source makes a row *sure*, in an answer of 400 to 499 only (`rows.data_of`): it ends
# an order that was sent. Codes of the data APIs are numbers, and never answer an order.
FAULTS = Faults(
    (None, "DH-904", "", Fault.RATE_LIMITED, "dhan.md 10"),
    (None, "805", "", Fault.RATE_LIMITED, ""),
    (429, "", "", Fault.RATE_LIMITED, ""),  # other words: not known to be the limiter's
    (
        None,
        "",
        "timed out",
        Fault.AMBIGUOUS,
        "",
    ),  # never seen here; at other brokers of an order that went through
    (None, "DH-901", "", Fault.AUTH_EXPIRED, "dhan.md 2.7"),
    (None, "DH-906", "invalid token", Fault.AUTH_EXPIRED, "dhan.md 2.7"),
    (None, "807", "", Fault.AUTH_EXPIRED, ""),
    (None, "808", "", Fault.AUTH_EXPIRED, ""),
    (None, "809", "", Fault.AUTH_EXPIRED, ""),
    (None, "DH-902", "", Fault.AUTH_DENIED, "dhan.md 11"),
    (None, "806", "", Fault.AUTH_DENIED, ""),  # no data plan
    (None, "810", "", Fault.AUTH_DENIED, ""),  # the client id is wrong: no login helps
    (None, "DH-911", "", Fault.AUTH_DENIED, "dhan.md 11"),  # not from the registered address
    (None, "DH-903", "", Fault.ORDER_REJECTED, "dhan.md 11"),
    (None, "DH-905", "", Fault.INVALID_INPUT, "dhan.md 11"),
    (None, "804", "", Fault.INVALID_INPUT, ""),
    (None, "811", "", Fault.INVALID_INPUT, ""),
    (None, "812", "", Fault.INVALID_INPUT, ""),
    (None, "813", "", Fault.INVALID_INPUT, ""),
    (None, "814", "", Fault.INVALID_INPUT, ""),
    (None, "DH-906", "not found", Fault.NOT_FOUND, "dhan.md 11"),
    (None, "DH-906", "insufficient", Fault.INSUFFICIENT_FUNDS, "dhan.md 11"),
    (None, "DH-906", "market closed", Fault.MARKET_CLOSED, "dhan.md 11"),
    (None, "DH-906", "market is closed", Fault.MARKET_CLOSED, "dhan.md 11"),
    (None, "DH-906", "", Fault.ORDER_REJECTED, "dhan.md 11"),
    (None, "DH-907", "", Fault.NOT_FOUND, ""),  # no data; or parameters that find none
    (None, "DH-1111", "", Fault.NOT_FOUND, ""),
    (None, "DH-1112", "", Fault.NOT_FOUND, ""),
    (None, "DH-908", "", Fault.BROKER_UNAVAILABLE, ""),  # on a write doubt, as the two below
    (None, "DH-909", "", Fault.BROKER_UNAVAILABLE, ""),
    (None, "DH-910", "", Fault.BROKER_UNAVAILABLE, ""),
    (None, "800", "", Fault.BROKER_UNAVAILABLE, ""),
    (500, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (502, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (503, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (504, "", "", Fault.BROKER_UNAVAILABLE, ""),
)

# The same at the auth host. Its words for a wrong PIN or code are not documented, so whatever else it refuses is the
# credentials' fault: they are not tried again, and no account is locked (dhan.md 2.1).
LOGIN_FAULTS = Faults(
    (None, "", "once every 2 minutes", Fault.RATE_LIMITED, "dhan.md 2.1"),
    (429, "", "", Fault.RATE_LIMITED, "dhan.md 10"),
    (500, "", "", Fault.BROKER_UNAVAILABLE, "dhan.md 11"),
    (502, "", "", Fault.BROKER_UNAVAILABLE, "dhan.md 11"),
    (503, "", "", Fault.BROKER_UNAVAILABLE, "dhan.md 11"),
    (504, "", "", Fault.BROKER_UNAVAILABLE, "dhan.md 11"),
    (200, "", "", Fault.AUTH_DENIED, "dhan.md 2.1"),
    (400, "", "", Fault.AUTH_DENIED, "dhan.md 2.1"),
    (401, "", "", Fault.AUTH_DENIED, "dhan.md 2.1"),
    (403, "", "", Fault.AUTH_DENIED, "dhan.md 2.1"),
)
