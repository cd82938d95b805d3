"""Kite's stream: binary packets of prices, texts of orders (zerodha.md 9)."""

import struct
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from ordod.domain.market import Level, Quote
from ordod.paper.exchange import Exchange as Paper
from ordod.sim.feeds import Frame, SimFeed
from ordod.sim.zerodha.market import Contract, Market

__all__ = ["INSTRUMENTS_MAX", "KiteFeed"]

INSTRUMENTS_MAX = 3000
HEARTBEAT = timedelta(seconds=2)
MODES = ("ltp", "quote", "full")
DIVISORS = {3: 10_000_000, 6: 10_000, 12: 10_000}
LEVELS = 5


class KiteFeed(SimFeed):
    """One socket.

    Args:
        lives: whether its session does.
        rows: the order book of its user, as `GET /orders` has it.
    """

    def __init__(
        self,
        market: Market,
        paper: Paper,
        rows: Callable[[datetime], list[dict[str, Any]]],
        lives: Callable[[datetime], bool],
        now: datetime,
    ) -> None:
        self._market = market
        self._paper = paper
        self._rows = rows
        self._lives = lives
        self._modes: dict[int, str] = {}
        self._shown: dict[int, bytes] = {}
        self._said_at = now
        self._orders = {row["order_id"]: row for row in rows(now)}

    def is_over(self, now: datetime) -> bool:
        return not self._lives(now)

    def received(self, frame: Frame, now: datetime) -> None:
        """`{"a": "subscribe" | "unsubscribe" | "mode", "v": ...}`; what is not understood is passed over."""
        try:
            said = orjson.loads(frame)
            match said["a"], said["v"]:
                case "subscribe", list(tokens):
                    self._subscribe(tokens, "quote", is_new=True)
                case "mode", [str(mode), list(tokens)] if mode in MODES:
                    self._subscribe(tokens, mode, is_new=False)
                case "unsubscribe", list(tokens):
                    for token in tokens:
                        self._modes.pop(token, None)
                        self._shown.pop(token, None)
                case _:
                    return
        except (orjson.JSONDecodeError, LookupError, TypeError):
            return

    def _subscribe(self, tokens: list[Any], mode: str, *, is_new: bool) -> None:
        for token in tokens:
            known = isinstance(token, int) and self._market.of_token(token) is not None
            if not known or (is_new and token in self._modes):
                continue
            if token not in self._modes and (not is_new or len(self._modes) >= INSTRUMENTS_MAX):
                continue
            self._modes[token] = mode
            self._shown.pop(token, None)

    def frames(self, now: datetime) -> list[Frame]:
        frames: list[Frame] = [*self._order_texts(now)]
        packets = self._packets(now)
        if packets:
            parts = [len(each).to_bytes(2, "big") + each for each in packets]
            frames.append(len(packets).to_bytes(2, "big") + b"".join(parts))
            self._said_at = now
        elif now - self._said_at >= HEARTBEAT:
            frames.append(b"\0")
            self._said_at = now
        return frames

    def _order_texts(self, now: datetime) -> list[str]:
        texts = []
        for row in self._rows(now):
            before, self._orders[row["order_id"]] = self._orders.get(row["order_id"]), row
            if row != before:
                unfilled = row["quantity"] - row["filled_quantity"]
                told = row | {"user_id": row["placed_by"], "unfilled_quantity": unfilled}
                has_more = before is not None and row["status"] == before["status"] == "OPEN"
                told["status"] = "UPDATE" if has_more else row["status"]
                texts.append(orjson.dumps({"type": "order", "data": told}).decode())
        return texts

    def _packets(self, now: datetime) -> list[bytes]:
        packets = []
        for token, mode in self._modes.items():
            contract = self._market.of_token(token)
            if contract is None:
                continue  # it expired in the night
            packet = _packet(contract, mode, self._paper.quote(contract.symbol, now))
            if packet != self._shown.get(token):
                self._shown[token] = packet
                packets.append(packet)
        return packets


def _packet(contract: Contract, mode: str, quote: Quote) -> bytes:
    token = contract.instrument_token
    divisor = DIVISORS.get(token & 0xFF, 100)

    def price(amount: Decimal | None) -> int:
        return int((amount or 0) * divisor)

    last = struct.pack(">2I", token, price(quote.last_price))
    at = int(quote.at.timestamp()) if quote.at else 0
    if mode == "ltp":
        return last
    first, high, low, close = (
        price(each)
        for each in (quote.open_price, quote.high_price, quote.low_price, quote.close_price)
    )
    if contract.is_index:
        change = price(quote.last_price) - close
        whole = last + struct.pack(">4Ii", high, low, first, close, change)
        return whole + struct.pack(">I", at) if mode == "full" else whole
    buy, sell = (quote.depth.buy, quote.depth.sell) if quote.depth else ((), ())
    totals = [sum(level.quantity for level in side) // contract.units for side in (buy, sell)]
    volume = (quote.volume or 0) // contract.units
    day = (contract.lot_size, price(quote.average_price), volume, *totals, first, high, low, close)
    whole = last + struct.pack(">9I", *day)
    if mode == "quote":
        return whole
    oi = (quote.oi or 0) // contract.units
    whole += struct.pack(">5I", at, oi, oi, oi, at)
    return whole + b"".join(_levels(side, contract, price) for side in (buy, sell))


def _levels(
    side: tuple[Level, ...], contract: Contract, price: Callable[[Decimal | None], int]
) -> bytes:
    """Five of them, empty ones zero."""
    rows = [
        struct.pack(
            ">IIHxx", level.quantity // contract.units, price(level.price), level.orders or 1
        )
        for level in side[:LEVELS]
    ]
    return b"".join(rows).ljust(LEVELS * 12, b"\0")
