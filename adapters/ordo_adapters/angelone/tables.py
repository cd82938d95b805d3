"""Angel One's words and numbers. `angelone.md N` is section N of Ordo's fact sheet on SmartAPI, as of 2026.

`forum N` is topic N of the SmartAPI forum, where the broker's own staff answer.
"""

from datetime import time, timedelta

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
    Variety,
    Window,
)

__all__ = [
    "BOOK",
    "CANDLES",
    "EXCHANGE",
    "FAULTS",
    "FEED_EXCHANGE",
    "FOREIGN_PRODUCTS",
    "FOREIGN_VARIETIES",
    "FUNDS",
    "GTTS",
    "GTT_DAYS",
    "GTT_EXCHANGES",
    "GTT_PAGE",
    "GTT_PRODUCTS",
    "GTT_STATUS",
    "HOLDINGS",
    "INDEX_NAMES",
    "INTERVAL",
    "LOGIN_FAULTS",
    "MARGIN_MAX",
    "MASTER",
    "ORDERS",
    "OTHERS",
    "POSITIONS",
    "PRODUCT",
    "QUOTES",
    "QUOTES_MAX",
    "QUOTE_EXCHANGE",
    "SESSION",
    "SIDE",
    "SIZED",
    "SPEC",
    "STATUS",
    "STOPS",
    "STOP_VARIETY",
    "STREAM_MODE",
    "TRADES",
    "TYPE",
    "USER",
    "VALIDITY",
    "VARIETY",
]

# Rate windows' groups (angelone.md 10). Each book has a second of its own.
SESSION = "session"
USER = "user"
ORDERS = "orders"  # place, modify, cancel together
BOOK = "book"
TRADES = "trades"
POSITIONS = "positions"
HOLDINGS = "holdings"
FUNDS = "funds"
GTTS = "gtts"
QUOTES = "quotes"
CANDLES = "candles"
OTHERS = "others"  # margin, conversion, one order's details, lists of triggers
MASTER = "master"

CANDLE_SPANS = {
    Interval.M1: timedelta(days=30),
    Interval.M3: timedelta(days=60),
    Interval.M5: timedelta(days=100),
    Interval.M10: timedelta(days=100),
    Interval.M15: timedelta(days=200),
    Interval.M30: timedelta(days=200),
    Interval.H1: timedelta(days=400),
    Interval.D1: timedelta(days=2000),
}  # angelone.md 7: the most that one request covers
SPEC = BrokerSpec(
    id="angelone",
    name="Angel One",
    hosts={
        "rest": "https://apiconnect.angelone.in",  # angelone.md 1
        "master": "https://margincalculator.angelone.in",  # angelone.md 1, 8: the instrument file
        "stream": "wss://smartapisocket.angelone.in",  # 9.1
        "updates": "wss://tns.angelone.in",  # 9.2
    },
    tag=Tag(
        length=19, alphabet=BASE32
    ),  # angelone.md 4.2: shorter than 20; its alphabet is not told
    book_day=time(
        0, 0
    ),  # not told; with the sessions is the earliest, so that absence claims least
    session_ends=time(0, 0),  # angelone.md 2.4
    windows=(
        # What we send in one second the broker may see in a shorter one: one less than it allows, and ten of hundreds.
        Window(SESSION, count=1, seconds=1),
        Window(USER, count=2, seconds=1),
        Window(USER, count=990, seconds=3600),
        Window(ORDERS, count=8, seconds=1),
        Window(ORDERS, count=490, seconds=60),
        Window(ORDERS, count=990, seconds=3600),
        Window(BOOK, count=1, seconds=1),
        Window(TRADES, count=1, seconds=1),
        Window(POSITIONS, count=1, seconds=1),
        Window(HOLDINGS, count=1, seconds=1),
        Window(FUNDS, count=1, seconds=1),
        Window(GTTS, count=8, seconds=1),
        Window(GTTS, count=490, seconds=60),
        Window(QUOTES, count=9, seconds=1),
        Window(QUOTES, count=490, seconds=60),
        Window(QUOTES, count=4990, seconds=3600),
        Window(CANDLES, count=2, seconds=1),
        Window(CANDLES, count=170, seconds=60),
        Window(CANDLES, count=4990, seconds=3600),
        Window(OTHERS, count=9, seconds=1),
        Window(OTHERS, count=490, seconds=60),
        Window(MASTER, count=1, seconds=1),
    ),
    # 9.1: our ping is answered; one in half a minute is asked for
    streams=StreamLimits(
        instruments=1000, connections=3, frame_instruments=500, keep_alive_s=10.0, silence_s=35.0
    ),
    updates=UpdateLimits(),
    candle_spans=CANDLE_SPANS,
    credentials={"": ("user_id", "api_key", "pin")},
    logins={"": "client code, PIN and TOTP code, by the API's own call"},
    secrets={
        "feed_token": "beside a ready-made access_token, the feedToken of the same login: without it no price is pushed",
    },
    options={
        "client_local_ip": "the address of this machine, which Angel One asks for; 127.0.0.1 if left out",
        "client_public_ip": "the address its requests come from, registered with the app; 127.0.0.1 if left out",
        "mac_address": "of this machine's network card; 00:00:00:00:00:00 if left out",
    },
)

EXCHANGE = Codes(
    "exchange",
    {
        Exchange.NSE: "NSE",
        Exchange.BSE: "BSE",
        Exchange.NFO: "NFO",
        Exchange.BFO: "BFO",
        Exchange.MCX: "MCX",
        Exchange.CDS: "CDS",
    },
)  # angelone.md 4.1; NCDEX has no word of ours
QUOTE_EXCHANGE = Codes(
    "exchange",
    {exchange: EXCHANGE.write(exchange) for exchange in EXCHANGE}
    | {Exchange.NSE_INDEX: "NSE", Exchange.BSE_INDEX: "BSE"},
)  # angelone.md 7: an index is asked for under its exchange
FEED_EXCHANGE = {
    Exchange.NSE: 1,
    Exchange.NSE_INDEX: 1,
    Exchange.NFO: 2,
    Exchange.BSE: 3,
    Exchange.BSE_INDEX: 3,
    Exchange.BFO: 4,
    Exchange.MCX: 5,
    Exchange.CDS: 13,
}  # angelone.md 9.1
STREAM_MODE = {Mode.LTP: 1, Mode.QUOTE: 2, Mode.DEPTH: 3}  # angelone.md 9.1
SIZED = frozenset({Exchange.MCX, Exchange.CDS})  # where its lot is checked against our table

SIDE = Codes("side", {Side.BUY: "BUY", Side.SELL: "SELL"})
TYPE = Codes(
    "type",
    {
        OrderType.MARKET: "MARKET",
        OrderType.LIMIT: "LIMIT",
        OrderType.SL: "STOPLOSS_LIMIT",
        OrderType.SL_M: "STOPLOSS_MARKET",
    },
)
STOPS = frozenset({OrderType.SL, OrderType.SL_M})
PRODUCT = Codes(
    "product",
    {
        Product.CNC: "DELIVERY",
        Product.MIS: "INTRADAY",
        Product.NRML: "CARRYFORWARD",
        Product.MTF: "MARGIN",
    },
)
FOREIGN_PRODUCTS = frozenset({"BO"})  # angelone.md 4.1: bracket orders, placed elsewhere
VALIDITY = Codes("validity", {Validity.DAY: "DAY", Validity.IOC: "IOC"})
STOP_VARIETY = (
    "STOPLOSS"  # angelone.md 4.1: stops go under it; NORMAL is refused (AB1020, forum 1538)
)
VARIETY = Codes(
    "variety",
    {Variety.REGULAR: "NORMAL"},
    # AMO stands in the book only: it is placed, changed and cancelled as NORMAL (angelone.md 4.1, forum 5188).
    read_also={STOP_VARIETY: Variety.REGULAR, "AMO": Variety.AMO},
)
FOREIGN_VARIETIES = frozenset({"ROBO"})  # bracket orders: listed, not changed

STATUS = Codes(
    "status",
    {
        Status.PENDING: "open pending",
        Status.OPEN: "open",
        Status.TRIGGER_PENDING: "trigger pending",
        Status.FILLED: "complete",
        Status.CANCELLED: "cancelled",
        Status.REJECTED: "rejected",
        Status.EXPIRED: "expired",
    },
    read_also={
        "validation pending": Status.PENDING,
        "put order req received": Status.PENDING,
        "pending": Status.PENDING,
        "amo submitted": Status.PENDING,
        "after market order req received": Status.PENDING,
        "modify after market order req received": Status.PENDING,
        "modified": Status.OPEN,
        "modify pending": Status.OPEN,
        "modify validation pending": Status.OPEN,
        "cancel pending": Status.OPEN,
        "not modified": Status.OPEN,
        "not cancelled": Status.OPEN,
        "cancelled after market order": Status.CANCELLED,
        "lapsed": Status.EXPIRED,
    },
)  # angelone.md 5.3; compared in lower case

GTT_EXCHANGES = frozenset({Exchange.NSE, Exchange.BSE})  # angelone.md 4.6: cash only
GTT_PRODUCTS = frozenset({Product.CNC, Product.MTF})
GTT_DAYS = 365  # what the SDK's samples ask for
GTT_PAGE = 50
GTT_STATUS = Codes(
    "GTT status",
    {
        GttStatus.ACTIVE: "NEW",
        GttStatus.TRIGGERED: "SENTTOEXCHANGE",
        GttStatus.CANCELLED: "CANCELLED",
    },
    read_also={"ACTIVE": GttStatus.ACTIVE},
)  # angelone.md 4.6

QUOTES_MAX = 50  # angelone.md 7: tokens a request
MARGIN_MAX = 50  # angelone.md 6: positions a request
INTERVAL = Codes(
    "interval",
    {
        Interval.M1: "ONE_MINUTE",
        Interval.M3: "THREE_MINUTE",
        Interval.M5: "FIVE_MINUTE",
        Interval.M10: "TEN_MINUTE",
        Interval.M15: "FIFTEEN_MINUTE",
        Interval.M30: "THIRTY_MINUTE",
        Interval.H1: "ONE_HOUR",
        Interval.D1: "ONE_DAY",
    },
)

INDEX_NAMES = {
    "99926000": "NIFTY",
    "99926009": "BANKNIFTY",
    "99919000": "SENSEX",
}  # angelone.md 7: token -> the name its derivatives go by; others go by their `name` without spaces

# What refusals mean (angelone.md 11). A source makes a row *sure*: it ends an order that was sent. Sure are the words of the
# rate limiter and of the session check, which stand before the order system, and codes of its validation: a definite code is
# proof (angelone.md 12). What the order system says of itself ("something went wrong", "AMX error", its sessions) is not.
_CHECKED = "angelone.md 11, 12"
FAULTS = Faults(
    (403, "", "exceeding access rate", Fault.RATE_LIMITED, "angelone.md 3, 10"),
    (429, "", "", Fault.RATE_LIMITED, ""),  # never recorded: not known to be the limiter's
    (None, "AG8001", "", Fault.AUTH_EXPIRED, "angelone.md 2.7"),
    (None, "AG8002", "", Fault.AUTH_EXPIRED, "angelone.md 2.7"),
    (None, "AG8003", "", Fault.AUTH_EXPIRED, "angelone.md 2.7"),
    (None, "AG8004", "", Fault.AUTH_DENIED, ""),  # the API key; seen in clients only
    (None, "AB8050", "", Fault.AUTH_EXPIRED, ""),
    (None, "AB8051", "", Fault.AUTH_EXPIRED, ""),
    (None, "AB1010", "", Fault.AUTH_EXPIRED, ""),  # the order system's own session
    (None, "AB1011", "", Fault.AUTH_EXPIRED, ""),
    (None, "AB9005", "", Fault.AUTH_EXPIRED, ""),
    (200, "AB1006", "", Fault.AUTH_DENIED, _CHECKED),  # blocked for trading
    (None, "AB1004", "", Fault.BROKER_UNAVAILABLE, ""),
    (None, "AB1007", "", Fault.BROKER_UNAVAILABLE, ""),
    (None, "AB2000", "", Fault.BROKER_UNAVAILABLE, ""),
    (None, "AB2001", "", Fault.BROKER_UNAVAILABLE, ""),
    (None, "AB9000", "", Fault.BROKER_UNAVAILABLE, ""),
    (200, "AB1008", "", Fault.INVALID_INPUT, _CHECKED),  # variety
    (200, "AB1009", "", Fault.INVALID_INPUT, _CHECKED),  # symbol
    (200, "AB1012", "", Fault.INVALID_INPUT, _CHECKED),  # product
    (200, "AB1018", "", Fault.INVALID_INPUT, _CHECKED),  # symbol
    (200, "AB1020", "", Fault.INVALID_INPUT, "forum 1538"),  # type under the wrong variety
    (200, "AB4008", "", Fault.INVALID_INPUT, _CHECKED),  # tag
    (200, "AB4018", "", Fault.INVALID_INPUT, _CHECKED),  # token
    (200, "AB4013", "", Fault.ORDER_REJECTED, "forum 1538"),  # shares to be authorised by hand
    (200, "AB1017", "", Fault.ORDER_REJECTED, _CHECKED),  # conversion
    (200, "AB1013", "", Fault.NOT_FOUND, _CHECKED),
    (None, "AB1014", "", Fault.NOT_FOUND, ""),
    (None, "AB1015", "", Fault.NOT_FOUND, ""),
    (None, "AB1016", "", Fault.NOT_FOUND, ""),
    (200, "AB9013", "", Fault.NOT_FOUND, _CHECKED),
    *(
        (200, f"AB90{number:02}", "", Fault.INVALID_INPUT, _CHECKED)
        for number in (1, 3, 4, *range(6, 13), *range(14, 19))
    ),  # fields of a trigger
    (500, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (502, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (503, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (504, "", "", Fault.BROKER_UNAVAILABLE, ""),
)

# The same answers to a login, where AB1007 is a wrong PIN (angelone.md 2.1, 11). Nothing is tried twice: the account would lock.
LOGIN_FAULTS = Faults(
    (403, "", "exceeding access rate", Fault.RATE_LIMITED, "angelone.md 3, 10"),
    *(
        (None, code, "", Fault.AUTH_DENIED, "angelone.md 2.1, 11")
        for code in (
            *("AB1000", "AB1001", "AB1002", "AB1005", "AB1006", "AB1007"),
            *("AB1031", "AB1032", "AB1050", "AG8004"),
        )
    ),
    (None, "AB1004", "", Fault.BROKER_UNAVAILABLE, "angelone.md 11"),
    (None, "AB2000", "", Fault.BROKER_UNAVAILABLE, "angelone.md 11"),
    (None, "AB2001", "", Fault.BROKER_UNAVAILABLE, "angelone.md 11"),
    (500, "", "", Fault.BROKER_UNAVAILABLE, "angelone.md 11"),
    (502, "", "", Fault.BROKER_UNAVAILABLE, "angelone.md 11"),
    (503, "", "", Fault.BROKER_UNAVAILABLE, "angelone.md 11"),
    (504, "", "", Fault.BROKER_UNAVAILABLE, "angelone.md 11"),
)
