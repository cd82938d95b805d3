"""XTS' words and numbers, the same at every broker that runs it (xts.md)."""

from datetime import time, timedelta

from ordo_adapters.xts.members import Member
from ordod.adapter import (
    BASE32,
    BrokerSpec,
    Codes,
    Exchange,
    Fault,
    Faults,
    Interval,
    OrderType,
    Product,
    Side,
    Status,
    Tag,
    Validity,
    Window,
)

__all__ = [
    "CANDLES",
    "EXCHANGE",
    "FAULTS",
    "FOREIGN_PRODUCTS",
    "INDEX_NAMES",
    "INTERVAL",
    "LOGIN_FAULTS",
    "MARKET_KEYS",
    "MASTER",
    "NUMBERS",
    "OPENS",
    "ORDERS",
    "OTHERS",
    "PRODUCT",
    "QUOTES",
    "QUOTES_MAX",
    "SIDE",
    "STATUS",
    "TYPE",
    "UNCOUNTED",
    "VALIDITY",
    "WORDS",
    "spec_of",
]

ORDERS, QUOTES, CANDLES, MASTER, OTHERS = "orders", "quotes", "candles", "master", "others"
MARKET_KEYS = ("market_api_key", "market_api_secret")


def spec_of(member: Member) -> BrokerSpec:
    """The spec of one broker of the family."""
    redirect = ("redirect_uri",) if member.page else ()
    return BrokerSpec(
        id=member.id,
        name=member.name,
        hosts={
            "interactive": f"{member.root}/interactive",
            "market": f"{member.root}{member.market}",
        },
        tag=Tag(length=20, alphabet=BASE32),  # 4: its limit is not documented, 20 are in use
        book_day=time(0, 0),  # no source tells when the book is emptied; midnight is the earliest
        session_ends=time(6, 0),  # 2e: not documented; a new login every trading morning
        windows=(  # 10: the official table could not be read
            Window(ORDERS, count=9, seconds=1),
            Window(QUOTES, count=9, seconds=1),
            Window(CANDLES, count=1, seconds=1),
            Window(MASTER, count=1, seconds=1),
            Window(OTHERS, count=9, seconds=1),
        ),
        candle_spans=dict.fromkeys(Interval, timedelta(days=6)),  # 7
        credentials={"": ("api_key", "api_secret", *MARKET_KEYS, *redirect)},
        logins={
            "": "the broker's login page in a browser; the address or the session it ends with is pasted"
            if member.page
            else "the two pairs of keys alone"
        },
        secrets={
            "market_api_key": "the key of the market-data API, a pair of its own",
            "market_api_secret": "its secret",
        },
        options=dict.fromkeys(redirect, "the return URL of the login page"),
    )


EXCHANGE = Codes(
    "exchange segment",
    {
        Exchange.NSE: "NSECM",
        Exchange.NFO: "NSEFO",
        Exchange.CDS: "NSECD",
        Exchange.BSE: "BSECM",
        Exchange.BFO: "BSEFO",
        Exchange.MCX: "MCXFO",
    },
)  # xts.md 4
WORDS = {one: EXCHANGE.write(one) for one in EXCHANGE} | {
    Exchange.NSE_INDEX: "NSECM",
    Exchange.BSE_INDEX: "BSECM",
}
SEGMENTS = {"NSECM": 1, "NSEFO": 2, "NSECD": 3, "BSECM": 11, "BSEFO": 12, "MCXFO": 51}
NUMBERS = {exchange: SEGMENTS[word] for exchange, word in WORDS.items()}  # of market data (4, 7)
# What one of a quantity is there no source tells (xts.md 4): no order is made of it, and no position told.
UNCOUNTED = frozenset({Exchange.MCX, Exchange.CDS})

SIDE = Codes("side", {Side.BUY: "BUY", Side.SELL: "SELL"})
TYPE = Codes(
    "type",
    {
        OrderType.MARKET: "MARKET",
        OrderType.LIMIT: "LIMIT",
        OrderType.SL: "STOPLIMIT",
        OrderType.SL_M: "STOPMARKET",
    },
)  # books write them in another case (xts.md 4)
PRODUCT = Codes("product", {Product.CNC: "CNC", Product.MIS: "MIS", Product.NRML: "NRML"})
FOREIGN_PRODUCTS = frozenset({"CO", "BO"})  # xts.md 4: placed elsewhere
VALIDITY = Codes("validity", {Validity.DAY: "DAY", Validity.IOC: "IOC"})
STATUS = Codes(
    "status",
    {
        Status.PENDING: "PendingNew",
        Status.OPEN: "New",
        Status.TRIGGER_PENDING: "Trigger Pending",
        Status.PARTIALLY_FILLED: "PartiallyFilled",
        Status.FILLED: "Filled",
        Status.CANCELLED: "Cancelled",
        Status.REJECTED: "Rejected",
    },
    read_also={
        "Replaced": Status.OPEN,
        "PendingReplace": Status.OPEN,
        "PendingCancel": Status.OPEN,
    },
)  # xts.md 5

QUOTES_MAX = 50  # xts.md 7: instruments a request
INTERVAL = Codes(
    "interval",
    {
        Interval.M1: "60",
        Interval.M3: "180",
        Interval.M5: "300",
        Interval.M10: "600",
        Interval.M15: "900",
        Interval.M30: "1800",
        Interval.H1: "3600",
        Interval.D1: "D",
    },
)
OPENS = {Exchange.MCX: time(9, 0), Exchange.CDS: time(9, 0)}  # others at 09:15: candles begin there

INDEX_NAMES = {
    "NIFTY 50": "NIFTY",
    "NIFTY BANK": "BANKNIFTY",
    "NIFTY FIN SERVICE": "FINNIFTY",
    "NIFTY MID SELECT": "MIDCPNIFTY",
    "NIFTY NEXT 50": "NIFTYNXT50",
}  # the name its derivatives go by; others lose their spaces

# What refusals mean (xts.md 11). Placing is answered before any risk check (4), so money, holdings and hours are refused in the
# book; sure are the gateway's own checks. Codes are used for several things, and the words tell which (11).
FAULTS = Faults(
    (None, "", "timed out", Fault.AMBIGUOUS, ""),
    (429, "", "", Fault.RATE_LIMITED, "xts.md 10"),
    (None, "e-apirl-0004", "", Fault.RATE_LIMITED, "xts.md 10"),
    (500, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (502, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (503, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (504, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (None, "", "invalid token", Fault.AUTH_EXPIRED, "xts.md 2e"),
    (None, "e-session-0007", "", Fault.AUTH_EXPIRED, "xts.md 2e"),
    (None, "e-token-0002", "", Fault.AUTH_EXPIRED, "xts.md 2e"),
    (401, "", "", Fault.AUTH_EXPIRED, ""),
    (None, "", "bad request", Fault.INVALID_INPUT, "xts.md 3"),
    (None, "e-property-validation-failed", "", Fault.INVALID_INPUT, "xts.md 11"),
    (None, "e-instrument-0001", "", Fault.INVALID_INPUT, "xts.md 11"),
    (None, "e-orders-0002", "algo enabled", Fault.INVALID_INPUT, "xts.md 11"),
    (None, "e-orders-0001", "", Fault.NOT_FOUND, ""),  # also of an order that is not shown yet (12)
    (None, "", "data not available", Fault.NOT_FOUND, ""),
    (None, "e-orders-0005", "", Fault.NOT_FOUND, ""),
    (None, "e-tradebook-0005", "", Fault.NOT_FOUND, ""),
    (None, "e-portfolio-0005", "", Fault.NOT_FOUND, ""),
    (None, "e-holdings-0005", "", Fault.NOT_FOUND, ""),
    (None, "e-balance-0005", "", Fault.NOT_FOUND, ""),
)

# The same answers to a login, where every other refusal is the keys' (xts.md 11).
LOGIN_FAULTS = Faults(
    (429, "", "", Fault.RATE_LIMITED, "xts.md 10"),
    (None, "e-apirl-0004", "", Fault.RATE_LIMITED, "xts.md 10"),
    (500, "", "", Fault.BROKER_UNAVAILABLE, "xts.md 11"),
    (502, "", "", Fault.BROKER_UNAVAILABLE, "xts.md 11"),
    (503, "", "", Fault.BROKER_UNAVAILABLE, "xts.md 11"),
    (504, "", "", Fault.BROKER_UNAVAILABLE, "xts.md 11"),
    (None, "", "", Fault.AUTH_DENIED, "xts.md 11"),
)
