"""Dhan's two streams: prices in packets, and what becomes of orders in alerts (dhan.md 9)."""

import struct
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from ordod.domain.market import Level, Quote
from ordod.paper.exchange import Exchange as Paper
from ordod.sim.clock import IST
from ordod.sim.dhan.market import Contract, Market
from ordod.sim.feeds import Frame, SimFeed

__all__ = ["AlertFeed", "PriceFeed", "alert"]

SEGMENTS = ("IDX_I", "NSE_EQ", "NSE_FNO", "NSE_CURRENCY", "BSE_EQ", "MCX_COMM", "", "BSE_CURRENCY", "BSE_FNO")  # fmt: skip
TICKER, QUOTE, FULL = 15, 17, 21
END = 12
LISTED_MAX = 100
SUBSCRIBED_MAX = 5000
LEVELS = 5
NONE = Level(Decimal(0), 0, 0)
EXPIRED = 807

Names = tuple[str, str]  # segment and id


class PriceFeed(SimFeed):
    """One socket for prices. A packet a frame: Dhan's own client reads no more of one.

    Args:
        lives: whether the session does.
    """

    def __init__(self, market: Market, paper: Paper, lives: Callable[[datetime], bool]) -> None:
        self._market = market
        self._paper = paper
        self._lives = lives
        self._modes: dict[Names, int] = {}
        self._told: dict[Names, bytes] = {}
        self._fresh: list[Names] = []  # whose day before is told first
        self._is_told_why = False
        self._has_left = False

    def is_over(self, now: datetime) -> bool:
        return self._has_left or self._is_told_why

    def received(self, frame: Frame, now: datetime) -> None:
        """`{"RequestCode": n, "InstrumentCount": n, "InstrumentList": [{"ExchangeSegment", "SecurityId"}]}`, or 12: the end."""
        try:
            said = orjson.loads(frame)
            code = said["RequestCode"]
            if code == END:
                self._has_left = True
                return
            listed = [
                (str(r["ExchangeSegment"]), str(r["SecurityId"])) for r in said["InstrumentList"]
            ]
        except (orjson.JSONDecodeError, LookupError, TypeError):
            return
        if len(listed) > LISTED_MAX or said.get("InstrumentCount") != len(listed):
            return
        for names in listed:
            if code - 1 == self._modes.get(names):
                del self._modes[names]
                self._told.pop(names, None)
            elif code in {TICKER, QUOTE, FULL} and self._takes(names):
                self._modes[names] = code
                self._told.pop(names, None)
                self._fresh.append(names)

    def _takes(self, names: Names) -> bool:
        has_room = len(self._modes) < SUBSCRIBED_MAX or names in self._modes
        return has_room and self._market.known(*names) is not None

    def frames(self, now: datetime) -> list[Frame]:
        if not self._lives(now):
            self._is_told_why = True
            return [_packet(50, ("IDX_I", "0"), struct.pack("<H", EXPIRED))]
        frames: list[Frame] = []
        fresh, self._fresh = self._fresh, []
        for names in fresh:
            contract = self._market.known(*names)
            if contract is not None and names in self._modes:
                quote = self._paper.quote(contract.symbol, now)
                close = struct.pack("<fI", quote.close_price or 0, 0)
                frames.append(_packet(6, names, close))
        for names, mode in self._modes.items():
            contract = self._market.known(*names)
            if contract is None:
                continue  # it expired in the night
            packets = _packets(mode, names, contract, self._paper.quote(contract.symbol, now))
            if self._told.get(names) != packets[-1]:
                self._told[names] = packets[-1]
                frames += packets
        return frames


def _packet(code: int, names: Names, body: bytes) -> bytes:
    segment, security_id = names
    head = struct.pack("<BHBI", code, 8 + len(body), SEGMENTS.index(segment), int(security_id))
    return head + body


def _packets(mode: int, names: Names, contract: Contract, quote: Quote) -> list[bytes]:
    """What is told of one instrument at a time; the last is its price."""
    traded = _wall(quote.at) if quote.at else 0
    if mode == TICKER:
        return [_packet(2, names, struct.pack("<fI", quote.last_price, traded))]
    buy, sell = (quote.depth.buy, quote.depth.sell) if quote.depth else ((), ())
    counts = (
        quote.volume or 0,
        sum(level.quantity for level in sell),
        sum(level.quantity for level in buy),
    )
    day = [
        float(price or 0)
        for price in (quote.open_price, quote.close_price, quote.high_price, quote.low_price)
    ]
    average = quote.average_price or quote.last_price
    front = struct.pack("<fHIf3I", quote.last_price, 1, traded, average, *counts)
    oi = quote.oi or 0
    if mode == QUOTE:
        packets = [_packet(4, names, front + struct.pack("<4f", *day))]
        if contract.instrument.expiry is not None:
            packets.insert(0, _packet(5, names, struct.pack("<I", oi)))
        return packets
    rows = b""
    for bid, ask in zip(_five(buy), _five(sell), strict=True):
        sizes = (bid.quantity, ask.quantity, bid.orders or 1, ask.orders or 1)
        rows += struct.pack("<IIHHff", *sizes, bid.price, ask.price)
    return [_packet(8, names, front + struct.pack("<3I4f", oi, oi, oi, *day) + rows)]


def _five(levels: tuple[Level, ...]) -> list[Level]:
    return [*levels[:LEVELS], *[NONE] * LEVELS][:LEVELS]


def _wall(at: datetime) -> int:
    """Seconds that read as UTC show India's clock (dhan.md 9.1)."""
    return int((at.astimezone(IST) + timedelta(hours=5, minutes=30)).timestamp())


class AlertFeed(SimFeed):
    """One socket for orders, of whoever its first frame says.

    Args:
        alerts: what is told of each of a user's orders now.
        lives: whether a client's token does.
    """

    def __init__(
        self,
        alerts: Callable[[str, datetime], list[dict[str, Any]]],
        lives: Callable[[str, str, datetime], bool],
    ) -> None:
        self._alerts = alerts
        self._lives = lives
        self._who: tuple[str, str] | None = None
        self._told: dict[str, dict[str, Any]] = {}

    def is_over(self, now: datetime) -> bool:
        return self._who is not None and not self._lives(*self._who, now)

    def received(self, frame: Frame, now: datetime) -> None:
        """`{"LoginReq": {"MsgCode": 42, "ClientId", "Token"}, "UserType": "SELF"}`. What stands in the book already is not told."""
        try:
            said = orjson.loads(frame)
            login, kind = said["LoginReq"], said["UserType"]
            if self._who is None and (login["MsgCode"], kind) == (42, "SELF"):
                self._who = (str(login["ClientId"]), str(login["Token"]))
                if self._lives(*self._who, now):
                    self._told = {row["orderNo"]: row for row in self._alerts(self._who[0], now)}
        except (orjson.JSONDecodeError, LookupError, TypeError):
            return

    def frames(self, now: datetime) -> list[Frame]:
        if self._who is None or not self._lives(*self._who, now):
            return []
        frames: list[Frame] = []
        for row in self._alerts(self._who[0], now):
            if self._told.get(row["orderNo"]) != row:
                self._told[row["orderNo"]] = row
                frames.append(orjson.dumps({"Type": "order_alert", "Data": row}).decode())
        return frames


PRODUCTS = {"CNC": "C", "INTRADAY": "I", "MARGIN": "M", "MTF": "F"}
TYPES = {"LIMIT": "LMT", "MARKET": "MKT", "STOP_LOSS": "SL", "STOP_LOSS_MARKET": "SLM"}
PLACES = {
    "NSE_EQ": ("NSE", "E"),
    "BSE_EQ": ("BSE", "E"),
    "NSE_FNO": ("NSE", "D"),
    "BSE_FNO": ("BSE", "D"),
    "NSE_CURRENCY": ("NSE", "C"),
    "BSE_CURRENCY": ("BSE", "C"),
    "MCX_COMM": ("MCX", "M"),
}
WORDS = {"PART_TRADED": "Pending"}  # a partial fill shows in quantities alone (9.3)


def alert(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the order book as the live order update tells it (dhan.md 9.3), names as on the socket."""
    exchange, segment = PLACES[row["exchangeSegment"]]
    status = row["orderStatus"]
    return {
        "exchange": exchange,
        "segment": segment,
        "source": "P",
        "securityId": row["securityId"],
        "clientId": row["dhanClientId"],
        "exchOrderNo": row["exchangeOrderId"] or "",
        "orderNo": row["orderId"],
        "product": PRODUCTS[row["productType"]],
        "txnType": row["transactionType"][0],
        "orderType": TYPES[row["orderType"]],
        "validity": row["validity"],
        "discQuantity": row["disclosedQuantity"],
        "remainingQuantity": row["remainingQuantity"],
        "quantity": row["quantity"],
        "tradedQty": row["filledQty"],
        "price": row["price"],
        "triggerPrice": row["triggerPrice"],
        "tradedPrice": row["averageTradedPrice"],
        "avgTradedPrice": row["averageTradedPrice"],
        "offMktFlag": "1" if row["afterMarketOrder"] else "0",
        "orderDateTime": row["createTime"],
        "lastUpdatedTime": row["updateTime"],
        "reasonDescription": row["omsErrorDescription"] or "CONFIRMED",
        "legNo": 1,
        "symbol": row["tradingSymbol"],
        "status": WORDS.get(status, status.title()),
        "correlationId": row["correlationId"] or "",
    }
