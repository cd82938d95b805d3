"""Zerodha's words and numbers. `zerodha.md N` is section N of Ordo's fact sheet on Kite Connect v3, as of 2026."""

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
    Validity,
    Variety,
    Window,
)

__all__ = [
    "AUTOMATIC_PROTECTION",
    "CANDLES",
    "DIVISOR",
    "EXCHANGE",
    "FAULTS",
    "FOREIGN_PRODUCTS",
    "FOREIGN_VARIETIES",
    "GTT_STATUS",
    "ICEBERG_LEGS",
    "INDEX_NAMES",
    "INDEX_SEGMENT",
    "INTERVAL",
    "IN_LOTS",
    "LOGIN_FAULTS",
    "LTP_MAX",
    "ORDERS",
    "OTHERS",
    "PRODUCT",
    "QUOTES",
    "QUOTES_MAX",
    "QUOTE_EXCHANGE",
    "RUPEE_DIVISOR",
    "SIDE",
    "SPEC",
    "STATUS",
    "STREAM_MODE",
    "TYPE",
    "UPDATE",
    "VALIDITY",
    "VARIETY",
]

# Rate windows' groups (zerodha.md 10)
ORDERS = "orders"  # place, modify, cancel together
QUOTES = "quotes"  # quote, ohlc, ltp
CANDLES = "candles"
OTHERS = "others"

CANDLE_SPANS = {
    Interval.M1: timedelta(days=60),
    Interval.M3: timedelta(days=100),
    Interval.M5: timedelta(days=100),
    Interval.M10: timedelta(days=100),
    Interval.M15: timedelta(days=200),
    Interval.M30: timedelta(days=200),
    Interval.H1: timedelta(days=400),
    Interval.D1: timedelta(days=2000),
}  # zerodha.md 7.2: the most that one request covers
SPEC = BrokerSpec(
    id="zerodha",
    name="Zerodha",
    hosts={
        "rest": "https://api.kite.trade",  # zerodha.md 1
        "web": "https://kite.zerodha.com",  # the login page, and the headless login (2.2)
        "ws": "wss://ws.kite.trade",  # 9.1
    },
    tag=Tag(length=20, alphabet=BASE32),  # 4.2: alphanumeric, at most 20
    book_day=time(
        6, 0
    ),  # 5.2: emptied before the next session; with the session is the latest that is safe
    session_ends=time(6, 0),  # 2.3
    windows=(
        # 10 a second and 400 a minute are counted by Kite's own clock; what we send in one second or minute it may see in a
        # shorter one, hence one and ten less.
        Window(ORDERS, count=9, seconds=1),
        Window(ORDERS, count=390, seconds=60),
        Window(f"{ORDERS}.place", count=5000, seconds=86_400),
        Window(QUOTES, count=1, seconds=1),
        Window(CANDLES, count=3, seconds=1),
        Window(OTHERS, count=9, seconds=1),
    ),
    # 9.1, 9.3: heartbeats come every couple of seconds, and Zerodha's own clients give up after five without a frame
    streams=StreamLimits(
        instruments=3000, connections=3, frame_instruments=200, silence_s=6.0, has_orders=True
    ),
    candle_spans=CANDLE_SPANS,
    credentials={
        "": ("api_key", "api_secret"),
        "headless": ("api_key", "api_secret", "user_id", "password"),
    },
    logins={
        "": "Zerodha's login page in a browser; the address it ends on is pasted or caught",
        "headless": "user id, password and TOTP without a browser; not documented by Zerodha (external TOTP only)",
    },
)

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
)  # zerodha.md 4.3
QUOTE_EXCHANGE = Codes(
    "exchange",
    {exchange: EXCHANGE.write(exchange) for exchange in EXCHANGE}
    | {Exchange.NSE_INDEX: "NSE", Exchange.BSE_INDEX: "BSE"},
)  # zerodha.md 4.3: an index is quoted under its exchange, and not traded
IN_LOTS = frozenset(
    {Exchange.MCX, Exchange.CDS, Exchange.BCD}
)  # zerodha.md 4.4: quantity 1 = 1 lot

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
    {Product.CNC: "CNC", Product.MIS: "MIS", Product.NRML: "NRML", Product.MTF: "MTF"},
)
FOREIGN_PRODUCTS = frozenset(
    {"CO", "BO"}
)  # zerodha.md 4.2: old rows only; ours has no word for them
VALIDITY = Codes("validity", {Validity.DAY: "DAY", Validity.IOC: "IOC", Validity.TTL: "TTL"})
VARIETY = Codes(
    "variety",
    {
        Variety.REGULAR: "regular",
        Variety.AMO: "amo",
        Variety.ICEBERG: "iceberg",
        Variety.CO: "co",
    },
)
FOREIGN_VARIETIES = frozenset(
    {"auction", "bo"}
)  # zerodha.md 4.2: placed elsewhere; listed, not changed

STATUS = Codes(
    "status",
    {
        Status.PENDING: "OPEN PENDING",
        Status.OPEN: "OPEN",
        Status.TRIGGER_PENDING: "TRIGGER PENDING",
        Status.FILLED: "COMPLETE",
        Status.CANCELLED: "CANCELLED",
        Status.REJECTED: "REJECTED",
    },
    read_also={
        "PUT ORDER REQ RECEIVED": Status.PENDING,
        "VALIDATION PENDING": Status.PENDING,
        "AMO REQ RECEIVED": Status.PENDING,
        "MODIFY AMO REQ RECEIVED": Status.PENDING,
        "MODIFY VALIDATION PENDING": Status.OPEN,
        "MODIFY PENDING": Status.OPEN,
        "MODIFIED": Status.OPEN,
        "CANCEL PENDING": Status.OPEN,
        "CANCELLED AMO": Status.CANCELLED,
    },
)  # zerodha.md 5.1; UPDATE stands in pushed messages only, never in a row

GTT_STATUS = Codes(
    "GTT status",
    {
        GttStatus.ACTIVE: "active",
        GttStatus.TRIGGERED: "triggered",
        GttStatus.DISABLED: "disabled",
        GttStatus.EXPIRED: "expired",
        GttStatus.CANCELLED: "cancelled",
        GttStatus.REJECTED: "rejected",
    },
    read_also={"deleted": GttStatus.CANCELLED},
)  # zerodha.md 4.7

AUTOMATIC_PROTECTION = Decimal(-1)  # zerodha.md 4.2: Kite chooses; 0 is rejected since 1 April 2026
ICEBERG_LEGS = range(2, 51)  # zerodha.md 4.2

QUOTES_MAX, LTP_MAX = 500, 1000  # zerodha.md 7.1: instruments a request
INTERVAL = Codes(
    "interval",
    {
        Interval.M1: "minute",
        Interval.M3: "3minute",
        Interval.M5: "5minute",
        Interval.M10: "10minute",
        Interval.M15: "15minute",
        Interval.M30: "30minute",
        Interval.H1: "60minute",
        Interval.D1: "day",
    },
)

# The stream (zerodha.md 9)
STREAM_MODE = {Mode.LTP: "ltp", Mode.QUOTE: "quote", Mode.DEPTH: "full"}
INDEX_SEGMENT = 9  # the last byte of a token
DIVISOR = {3: 10_000_000, 6: 10_000, 12: 10_000}  # by segment: cds, bcd, nco
RUPEE_DIVISOR = 100
UPDATE = "UPDATE"  # a pushed order's status: something changed, not what it is

INDEX_NAMES = {
    ("NSE", "NIFTY 50"): "NIFTY",
    ("NSE", "NIFTY BANK"): "BANKNIFTY",
    ("NSE", "NIFTY FIN SERVICE"): "FINNIFTY",
    ("NSE", "NIFTY MID SELECT"): "MIDCPNIFTY",
    ("NSE", "NIFTY NEXT 50"): "NIFTYNXT50",
    ("NSE", "INDIA VIX"): "INDIAVIX",
    ("BSE", "SENSEX"): "SENSEX",
}  # Kite's symbol of an index -> the name its derivatives go by; others lose their spaces

# What Kite's refusals mean (zerodha.md 11). A source makes a row *sure*: it ends an order that was sent. Sure are only
# answers of the layers before the order system: the rate limiter, the session check, the permission check, and validation,
# whose 400s never reach the order book (zerodha.md 12). Zerodha's staff ask to look into the book after any other answer, and
# once a 400 said "timed out" of an order that went through: that row stands before every 400.
FAULTS = Faults(
    (429, "", "too many requests", Fault.RATE_LIMITED, "zerodha.md 10"),
    (429, "", "", Fault.RATE_LIMITED, ""),  # other words: not known to be the limiter's
    (None, "", "timed out", Fault.AMBIGUOUS, ""),  # "Order request timed out. ..." in a 400
    (None, "", "before placing again", Fault.AMBIGUOUS, ""),  # the same notice in other words
    (500, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (502, "", "", Fault.BROKER_UNAVAILABLE, ""),  # the order system is down
    (503, "", "", Fault.BROKER_UNAVAILABLE, ""),  # "Request failed (kitetrade-oms)"
    (504, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (None, "NetworkException", "", Fault.BROKER_UNAVAILABLE, ""),
    (None, "DataException", "", Fault.BROKER_UNAVAILABLE, ""),
    (404, "GeneralException", "couldn't find that", Fault.NOT_FOUND, ""),  # the trail's answer
    (None, "GeneralException", "", Fault.BROKER_UNAVAILABLE, ""),
    (403, "TokenException", "", Fault.AUTH_EXPIRED, "zerodha.md 2.3"),
    (None, "TokenException", "", Fault.AUTH_EXPIRED, ""),  # by the type, whatever the status
    (403, "PermissionException", "", Fault.AUTH_DENIED, "zerodha.md 11"),
    (403, "UserException", "", Fault.AUTH_DENIED, "zerodha.md 11"),
    (400, "UserException", "", Fault.AUTH_DENIED, "zerodha.md 11"),
    (428, "", "", Fault.ORDER_REJECTED, "zerodha.md 6.2"),  # shares to be authorised by hand
    (400, "", "couldn't find that", Fault.NOT_FOUND, "zerodha.md 11"),
    (404, "", "", Fault.NOT_FOUND, ""),  # of an order, or of a path that is not there
    (400, "", "markets are closed", Fault.MARKET_CLOSED, "zerodha.md 11"),
    (400, "", "market is closed", Fault.MARKET_CLOSED, "zerodha.md 11"),
    (400, "MarginException", "", Fault.INSUFFICIENT_FUNDS, "zerodha.md 11"),
    (400, "HoldingException", "", Fault.INSUFFICIENT_FUNDS, "zerodha.md 11"),
    (400, "", "maximum allowed order", Fault.ORDER_REJECTED, "zerodha.md 10"),  # day, 25 changes
    (400, "OrderException", "", Fault.ORDER_REJECTED, "zerodha.md 11"),
    (400, "InputException", "", Fault.INVALID_INPUT, "zerodha.md 11"),
)

# The same answers to the steps of a login, where a refusal is the credentials' (zerodha.md 2.2, 2.3). Credentials are never
# tried twice: a repeated wrong password locks the account.
LOGIN_FAULTS = Faults(
    (429, "", "", Fault.RATE_LIMITED, "zerodha.md 10"),
    (None, "NetworkException", "", Fault.BROKER_UNAVAILABLE, "zerodha.md 11"),
    (None, "DataException", "", Fault.BROKER_UNAVAILABLE, "zerodha.md 11"),
    (None, "GeneralException", "", Fault.BROKER_UNAVAILABLE, "zerodha.md 11"),
    (400, "", "", Fault.AUTH_DENIED, "zerodha.md 2.2"),
    (401, "", "", Fault.AUTH_DENIED, "zerodha.md 11"),
    (403, "", "", Fault.AUTH_DENIED, "zerodha.md 2.3"),
    (500, "", "", Fault.BROKER_UNAVAILABLE, "zerodha.md 11"),
    (502, "", "", Fault.BROKER_UNAVAILABLE, "zerodha.md 11"),
    (503, "", "", Fault.BROKER_UNAVAILABLE, "zerodha.md 11"),
    (504, "", "", Fault.BROKER_UNAVAILABLE, "zerodha.md 11"),
)
