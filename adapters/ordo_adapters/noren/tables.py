"""Noren's words, the same at every member. `noren.md N` is section N of Ordo's fact sheet on the family, as of mid 2026."""

from datetime import timedelta
from decimal import Decimal

from ordod.adapter import (
    Codes,
    Exchange,
    Fault,
    Faults,
    Interval,
    OrderType,
    Product,
    Side,
    Status,
    Validity,
)

__all__ = [
    "CANDLES",
    "CANDLE_SPANS",
    "EXCHANGE",
    "FAULTS",
    "FOREIGN_PRODUCTS",
    "INDICES",
    "INTERVAL",
    "LOGIN_FAULTS",
    "ORDERS",
    "OTHERS",
    "PRODUCT",
    "PROTECTION",
    "QUOTES",
    "SIDE",
    "STATUS",
    "TYPE",
    "VALIDITY",
]

ORDERS, QUOTES, CANDLES, OTHERS = "orders", "quotes", "candles", "others"  # rate groups

EXCHANGE = Codes(
    "exchange",
    {
        Exchange.NSE: "NSE",
        Exchange.BSE: "BSE",
        Exchange.NFO: "NFO",
        Exchange.BFO: "BFO",
        Exchange.CDS: "CDS",
        Exchange.MCX: "MCX",
    },
)  # noren.md 4, as the words below
SIDE = Codes("side", {Side.BUY: "B", Side.SELL: "S"})
TYPE = Codes(
    "type",
    {
        OrderType.MARKET: "MKT",
        OrderType.LIMIT: "LMT",
        OrderType.SL: "SL-LMT",
        OrderType.SL_M: "SL-MKT",
    },
)
PRODUCT = Codes(
    "product", {Product.CNC: "C", Product.MIS: "I", Product.NRML: "M", Product.MTF: "F"}
)
FOREIGN_PRODUCTS = frozenset({"H", "B"})  # cover and bracket orders, placed elsewhere
VALIDITY = Codes("validity", {Validity.DAY: "DAY", Validity.IOC: "IOC"})
STATUS = Codes(
    "status",
    {
        Status.PENDING: "PENDING",
        Status.OPEN: "OPEN",
        Status.TRIGGER_PENDING: "TRIGGER PENDING",
        Status.FILLED: "COMPLETE",
        Status.CANCELLED: "CANCELED",
        Status.REJECTED: "REJECTED",
    },
    read_also={
        "CANCELLED": Status.CANCELLED,
        "REJECT": Status.REJECTED,
        "NEW": Status.OPEN,
        "REPLACED": Status.OPEN,
        "AFTER MARKET ORDER REQ RECEIVED": Status.PENDING,
    },
)  # noren.md 5: compared in upper case, `_` as a blank
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
    },
)
INDICES = {  # NSE's tokens (noren.md 7): our name, and the one that daily candles want
    "26000": ("NIFTY", "Nifty 50"),
    "26009": ("BANKNIFTY", "Nifty Bank"),
    "26017": ("INDIAVIX", "India VIX"),
}
PROTECTION = Decimal(3)  # percent: how far beyond the market a MARKET or SL-M order's limit stands


_DAYS = {5: "1m 3m", 20: "5m 10m", 60: "15m 30m 1h", 1000: "1d"}
CANDLE_SPANS = {
    Interval(word): timedelta(days=days) for days, words in _DAYS.items() for word in words.split()
}  # noren.md 7: longer ones time out

# What refusals mean (noren.md 11): there are texts only. Sure are those that the sheet lists with that meaning.
NOT_NOW = (
    (None, "", "server timeout", Fault.BROKER_UNAVAILABLE, ""),
    (None, "", "unknown request", Fault.BROKER_UNAVAILABLE, ""),
    (500, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (502, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (503, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (504, "", "", Fault.BROKER_UNAVAILABLE, ""),
    (429, "", "", Fault.RATE_LIMITED, "noren.md 10"),
    (None, "", "exceeds limit", Fault.RATE_LIMITED, "noren.md 10"),
)
FAULTS = Faults(
    *NOT_NOW,
    (None, "", "session expired", Fault.AUTH_EXPIRED, "noren.md 2d"),
    (None, "", "invalid user", Fault.AUTH_DENIED, "noren.md 11"),
    (None, "", "user not enabled", Fault.AUTH_DENIED, "noren.md 11"),
    (None, "", "access restricted", Fault.AUTH_DENIED, "noren.md 11"),
    (None, "", "invalid access type", Fault.AUTH_DENIED, "noren.md 11"),
    (None, "", "market closed", Fault.MARKET_CLOSED, "noren.md 11"),
    (None, "", "algo_chk", Fault.ORDER_REJECTED, "noren.md 11"),
    (None, "", "insufficient", Fault.INSUFFICIENT_FUNDS, "noren.md 11"),
    (None, "", "red:margin", Fault.INSUFFICIENT_FUNDS, ""),  # texts of the risk system (14)
    (None, "", "rms:", Fault.ORDER_REJECTED, ""),
    (None, "", "order not found", Fault.NOT_FOUND, "noren.md 11"),
    (None, "", "to cancel", Fault.NOT_FOUND, "noren.md 11"),
    (None, "", "no data", Fault.NOT_FOUND, ""),
    (None, "", "trigger price invalid", Fault.INVALID_INPUT, "noren.md 11"),
    (None, "", "invalid input", Fault.INVALID_INPUT, "noren.md 11"),
)

# The same answers where a code is exchanged: what is no outage is the credentials' or the address's (noren.md 2b, 13.7).
LOGIN_FAULTS = Faults(
    *NOT_NOW,
    (None, "", " ", Fault.AUTH_DENIED, "noren.md 2b"),  # any words
)
