"""Angel One's two sockets: prices in packets, and rows of the order book in envelopes (angelone.md 9)."""

import struct
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from ordod.domain.market import Level, Quote
from ordod.sim.angelone.market import Contract, Market
from ordod.sim.feeds import Frame, SimFeed

__all__ = ["OrderFeed", "PriceFeed"]

EXCHANGES = {1: "NSE", 2: "NFO", 3: "BSE", 4: "BFO", 5: "MCX", 13: "CDS"}
CURRENCY = 13
LTP, QUOTE, SNAP = 1, 2, 3
SUBSCRIBED_MAX = 1000
SILENT_S = 30  # a client that says nothing for so long is let go
LEVELS = 5
NONE = Level(Decimal(0), 0, 0)

Names = tuple[int, str, int]  # exchange, token, mode


class PriceFeed(SimFeed):
    """One socket for prices, one packet a frame.

    Args:
        lives: whether the session does.
    """

    def __init__(self, market: Market, lives: Callable[[datetime], bool]) -> None:
        self._market = market
        self._lives = lives
        self._told: dict[Names, bytes] = {}  # in the order of subscribing
        self._answers: list[Frame] = []
        self._heard_at: datetime | None = None
        self._sequence = 0

    def is_over(self, now: datetime) -> bool:
        self._heard_at = self._heard_at or now
        return not self._lives(now) or (now - self._heard_at).total_seconds() > SILENT_S

    def received(self, frame: Frame, now: datetime) -> None:
        """`ping`, or `{"correlationID"?, "action": 1 | 0, "params": {"mode", "tokenList": [{"exchangeType", "tokens"}]}}`."""
        self._heard_at = now
        if frame == "ping":
            self._answers.append("pong")
            return
        try:
            said = orjson.loads(frame)
        except orjson.JSONDecodeError:
            said = None
        asked = _asked(said)
        if asked is None:
            self._refuse(said, "E1001", "Invalid Request Payload.")
            return
        action, names = asked
        if action == 0:
            for name in names:
                self._told.pop(name, None)
            return
        news = [n for n in names if self._market.known(EXCHANGES.get(n[0], ""), n[1])]
        if len(self._told.keys() | set(news)) > SUBSCRIBED_MAX:
            self._refuse(said, "E1002", "Subscription Limit Exceeded. Max 1000 tokens are allowed.")
            return
        for name in news:
            self._told.setdefault(name, b"")

    def _refuse(self, said: Any, code: str, words: str) -> None:
        name = said.get("correlationID", "") if isinstance(said, dict) else ""
        told = {"correlationID": name, "errorCode": code, "errorMessage": words}
        self._answers.append(orjson.dumps(told).decode())

    def frames(self, now: datetime) -> list[Frame]:
        frames, self._answers = self._answers, []
        for names, before in list(self._told.items()):
            contract = self._market.known(EXCHANGES[names[0]], names[1])
            if contract is None:
                continue  # it expired in the night
            packet = _packet(names, contract, self._market.quote(contract.symbol, now))
            if packet != before:
                self._told[names] = packet
                self._sequence += 1
                frames.append(packet[:27] + struct.pack("<q", self._sequence) + packet[35:])
        return frames


def _asked(said: Any) -> tuple[int, list[Names]] | None:
    """What is to be done, and with what; None: nobody can tell."""
    try:
        action, mode = said["action"], said["params"]["mode"]
        names = [
            (row["exchangeType"], str(token), mode)
            for row in said["params"]["tokenList"]
            for token in row["tokens"]
        ]
    except (LookupError, TypeError):
        return None
    is_known = action in (0, 1) and mode in (LTP, QUOTE, SNAP)
    return (action, names) if is_known else None


def _packet(names: Names, contract: Contract, quote: Quote) -> bytes:
    """Without its number in the sequence."""
    exchange, token, mode = names
    scale = 10_000_000 if exchange == CURRENCY else 100

    def price(amount: Decimal | None) -> int:
        return int((amount or 0) * scale)

    at = quote.at.timestamp() if quote.at else 0
    head = struct.pack("<BB25sqq", mode, exchange, token.encode(), 0, int(at * 1000))
    packet = head + struct.pack("<q", price(quote.last_price))
    if mode == LTP:
        return packet
    buy, sell = (quote.depth.buy, quote.depth.sell) if quote.depth else ((), ())
    sums = [float(sum(level.quantity for level in side)) for side in (buy, sell)]
    average = price(quote.average_price or quote.last_price)
    day = (quote.open_price, quote.high_price, quote.low_price, quote.close_price)
    lot = contract.instrument.lot_size or 0
    packet += struct.pack("<3q2d", lot, average, quote.volume or 0, *sums)
    packet += struct.pack("<4q", *map(price, day))
    if mode == QUOTE:
        return packet
    packet += struct.pack("<2qd", int(at), quote.oi or 0, 0.0)
    for flag, side in ((1, buy), (0, sell)):
        for level in [*side[:LEVELS], *[NONE] * LEVELS][:LEVELS]:
            packet += struct.pack(
                "<hqqh", flag, level.quantity, price(level.price), level.orders or 1
            )
    limits = (quote.upper_circuit, quote.lower_circuit, quote.high_price, quote.low_price)
    return packet + struct.pack("<4q", *map(price, limits))


WORDS = {
    "open": "AB01",
    "cancelled": "AB02",
    "rejected": "AB03",
    "complete": "AB05",
    "AMO SUBMITTED": "AB06",
    "cancelled after market order": "AB07",
    "open pending": "AB09",
    "trigger pending": "AB10",
}


class OrderFeed(SimFeed):
    """One socket for the orders of a user. What stands in the book already is not told.

    Args:
        rows: what the book says of each order now.
        lives: whether the session does.
    """

    def __init__(
        self,
        user: str,
        rows: Callable[[datetime], list[dict[str, Any]]],
        lives: Callable[[datetime], bool],
    ) -> None:
        self._user = user
        self._rows = rows
        self._lives = lives
        self._told: dict[str, dict[str, Any]] | None = None

    def is_over(self, now: datetime) -> bool:
        return not self._lives(now)

    def received(self, frame: Frame, now: datetime) -> None:
        """Nothing is asked of it."""

    def frames(self, now: datetime) -> list[Frame]:
        rows = {row["orderid"]: row for row in self._rows(now)}
        if self._told is None:
            self._told = rows
            return [self._frame("AB00", {})]
        news = [row for name, row in rows.items() if self._told.get(name) != row]
        self._told = rows
        return [self._frame(WORDS[row["orderstatus"]], row) for row in news]

    def _frame(self, code: str, row: dict[str, Any]) -> str:
        told = {
            "user-id": self._user,
            "status-code": "200",
            "order-status": code,
            "error-message": "",
            "orderData": row,
        }
        return orjson.dumps(told).decode()
