"""FYERS' words and numbers. `fyers.md N` is section N of Ordo's fact sheet on FYERS API v3, as of mid 2026.

Most of FYERS' words are whole numbers in JSON; here they stand as text.
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
    "CANDLES",
    "CHANGED",
    "DEAD_SESSION",
    "EXCHANGE",
    "FAULTS",
    "FOREIGN_PRODUCTS",
    "GTT_STATUS",
    "HSM_SEGMENT",
    "INDEX_NAMES",
    "INTERVAL",
    "IN_LOTS",
    "LOGIN_FAULTS",
    "MASTER_FILES",
    "ORDERS",
    "OTHERS",
    "PRODUCT",
    "QUOTES",
    "QUOTES_MAX",
    "SIDE",
    "SPEC",
    "STATUS",
    "TYPE",
    "VALIDITY",
]

ORDERS, QUOTES, CANDLES, OTHERS = "orders", "quotes", "candles", "others"  # rate groups

SPEC = BrokerSpec(
    id="fyers",
    name="FYERS",
    hosts={  # fyers.md 1
        "rest": "https://api-t1.fyers.in/api/v3",
        "data": "https://api-t1.fyers.in/data",
        "vagator": "https://api-t2.fyers.in/vagator/v2",  # the headless login (2.3)
        "files": "https://public.fyers.in/sym_details",  # 8
        "socket": "wss://socket.fyers.in",  # 9
    },
    tag=Tag(length=20, alphabet=BASE32),  # 4.4: letters and digits, at most 30
    book_day=time(0, 0),  # no source tells when the book is emptied; midnight is the earliest
    windows=(
        # 10. FYERS counts by a clock of its own, and blocks for the day whoever passes its minute a fourth time.
        Window("", count=9, seconds=1),
        Window("", count=190, seconds=60),
        Window("", count=100_000, seconds=86_400),
        Window(ORDERS, count=9, seconds=1),
    ),
    # 9.1: 5000 feeds a connection, 1500 a frame, and the book of an instrument is a feed of its own. Whether a ping is answered
    # there, and whether there may be a second connection, no source tells.
    streams=StreamLimits(instruments=2500, connections=1, frame_instruments=750, keep_alive_s=10.0),
    updates=UpdateLimits(keep_alive_s=10.0, silence_s=30.0),  # 9.2: a ping every 10 s is answered
    candle_spans=dict.fromkeys(Interval, timedelta(days=100))
    | {Interval.D1: timedelta(days=366)},  # fyers.md 7
    credentials={
        "": ("api_key", "api_secret", "redirect_uri"),
        "headless": ("api_key", "api_secret", "redirect_uri", "user_id", "pin"),
    },
    logins={
        "": "FYERS' login page in a browser; the address it ends on is pasted or caught",
        "headless": "user id, TOTP and PIN without a browser; not documented by FYERS (external TOTP only)",
    },
    options={"redirect_uri": "the redirect URI of the app, letter for letter as FYERS has it"},
)

EXCHANGE = Codes(
    "exchange and segment",
    {
        Exchange.NSE: "10:10",
        Exchange.NFO: "10:11",
        Exchange.CDS: "10:12",
        Exchange.MCX: "11:20",
        Exchange.BSE: "12:10",
        Exchange.BFO: "12:11",
    },
)  # fyers.md 4.4 and 8
IN_LOTS = frozenset({Exchange.MCX, Exchange.CDS})  # fyers.md 4.2: quantity 1 = 1 lot
HSM_SEGMENT = {  # fyers.md 9.1
    Exchange.NSE: "nse_cm",
    Exchange.NSE_INDEX: "nse_cm",
    Exchange.NFO: "nse_fo",
    Exchange.CDS: "cde_fo",
    Exchange.MCX: "mcx_fo",
    Exchange.BSE: "bse_cm",
    Exchange.BSE_INDEX: "bse_cm",
    Exchange.BFO: "bse_fo",
    Exchange.BCD: "bcs_fo",
}

SIDE = Codes("side", {Side.BUY: "1", Side.SELL: "-1"})
TYPE = Codes(
    "type",
    {OrderType.LIMIT: "1", OrderType.MARKET: "2", OrderType.SL_M: "3", OrderType.SL: "4"},
)
PRODUCT = Codes(
    "product",
    {
        Product.CNC: "CNC",
        Product.MIS: "INTRADAY",
        Product.NRML: "MARGIN",
        Product.MTF: "MTF",
    },
)
FOREIGN_PRODUCTS = frozenset({"CO", "BO"})  # fyers.md 4.2: placed elsewhere
VALIDITY = Codes("validity", {Validity.DAY: "DAY", Validity.IOC: "IOC"})
STATUS = Codes(
    "status",
    {
        Status.CANCELLED: "1",
        Status.FILLED: "2",
        Status.PENDING: "4",
        Status.REJECTED: "5",
        Status.OPEN: "6",
        Status.EXPIRED: "7",
    },
)  # fyers.md 5
GTT_STATUS = Codes(
    "GTT report type", {GttStatus.ACTIVE: "PLACED", GttStatus.CANCELLED: "CANCELLED"}
)  # fyers.md 4.7, whose list ends in "..."
CHANGED = frozenset({1101, 1102, 1103})  # fyers.md 4.2: placed, modified, cancelled

QUOTES_MAX = 50  # fyers.md 7: symbols a request
INTERVAL = Codes(
    "interval",
    {
        Interval.M1: "1",
        Interval.M3: "3",
        Interval.M5: "5",
        Interval.M10: "10",
        Interval.M15: "15",
        Interval.M30: "30",
        Interval.H1: "60",
        Interval.D1: "1D",
    },
)

MASTER_FILES = ("NSE_CM", "NSE_FO", "NSE_CD", "BSE_CM", "BSE_FO", "MCX_COM")  # fyers.md 8
INDEX_NAMES = {"NIFTY50": "NIFTY", "NIFTYBANK": "BANKNIFTY"}  # others are called as here


DEAD_SESSION = frozenset({"-8", "-15", "-16", "-17"})  # fyers.md 2.4; by HTTP they come with 401

# What refusals mean (fyers.md 11). Sure are only those that the sheet lists with that meaning; FYERS looks at the code first and
# says itself that texts are not stable.
FAULTS = Faults(
    (None, "201", "", Fault.AMBIGUOUS, ""),  # sent on, and not acknowledged in time (4.2)
    (None, "", "timed out", Fault.AMBIGUOUS, ""),
    (429, "", "", Fault.RATE_LIMITED, "fyers.md 10"),
    (None, "-429", "", Fault.RATE_LIMITED, "fyers.md 10"),
    (500, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (502, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (503, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (504, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (401, "-8", "", Fault.AUTH_EXPIRED, "fyers.md 2.4"),
    (401, "-15", "", Fault.AUTH_EXPIRED, "fyers.md 2.4"),
    (401, "-16", "", Fault.AUTH_EXPIRED, "fyers.md 2.4"),
    (401, "-17", "", Fault.AUTH_EXPIRED, "fyers.md 2.4"),
    (401, "", "", Fault.AUTH_EXPIRED, ""),
    (403, "", "", Fault.AUTH_DENIED, "fyers.md 11"),  # the app's permissions, or its address
    (None, "-352", "app id", Fault.AUTH_DENIED, "fyers.md 11"),
    (None, "-352", "no position", Fault.NOT_FOUND, "fyers.md 11"),
    (None, "-50", "", Fault.INVALID_INPUT, "fyers.md 11"),
    (None, "-300", "", Fault.INVALID_INPUT, "fyers.md 11"),
    (None, "-51", "", Fault.NOT_FOUND, "fyers.md 11"),
    (None, "-53", "", Fault.NOT_FOUND, "fyers.md 11"),
    (None, "-99", "margin", Fault.INSUFFICIENT_FUNDS, "fyers.md 11"),
    (None, "-99", "insufficient", Fault.INSUFFICIENT_FUNDS, "fyers.md 11"),
    (None, "-99", "shortfall", Fault.INSUFFICIENT_FUNDS, "fyers.md 11"),
    (None, "-99", "market closed", Fault.MARKET_CLOSED, "fyers.md 11"),
    (None, "-99", "not in session", Fault.MARKET_CLOSED, "fyers.md 11"),
    (None, "-99", "", Fault.ORDER_REJECTED, "fyers.md 11"),
)

# The same answers to the steps of a login, where a refusal is the credentials' (fyers.md 2.3).
LOGIN_FAULTS = Faults(
    (429, "", "", Fault.RATE_LIMITED, "fyers.md 10"),
    (500, "", "", Fault.BROKER_UNAVAILABLE, "fyers.md 11"),
    (502, "", "", Fault.BROKER_UNAVAILABLE, "fyers.md 11"),
    (503, "", "", Fault.BROKER_UNAVAILABLE, "fyers.md 11"),
    (504, "", "", Fault.BROKER_UNAVAILABLE, "fyers.md 11"),
    (None, "-429", "", Fault.RATE_LIMITED, "fyers.md 10"),
    (400, "", "", Fault.AUTH_DENIED, "fyers.md 2.3"),
    (401, "", "", Fault.AUTH_DENIED, "fyers.md 2.3"),
    (403, "", "", Fault.AUTH_DENIED, "fyers.md 2.3"),
)
