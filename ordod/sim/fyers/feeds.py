"""FYERS' two sockets: HSM's prices in binary records, and orders, trades and positions in JSON (fyers.md 9)."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from ordod.domain.market import Level, Quote
from ordod.paper.exchange import Exchange as Paper
from ordod.sim.feeds import Frame, SimFeed
from ordod.sim.fyers import wire
from ordod.sim.fyers.market import Contract, Market

__all__ = ["ACK_EVERY", "HsmFeed", "OrderFeed"]

OK, NO = "K", "N"
ACK_EVERY = 5
UNACKNOWLEDGED_MAX = 1000  # a client that never acknowledges is let go
FEEDS_MAX = 5000
SCRIPS_MAX = 1500
RECORDS_MAX = 20  # of one frame
CHANNELS = range(1, 31)
FULL, LITE = 70, 76
LEVELS = 5

Rows = Callable[[datetime], list[dict[str, Any]]]


class HsmFeed(SimFeed):
    """One socket for prices. `lives`: whether the session of this `hsm_key` does."""

    def __init__(
        self, market: Market, paper: Paper, lives: Callable[[str, datetime], bool]
    ) -> None:
        self._market = market
        self._paper = paper
        self._lives = lives
        self._key: str | None = None  # nobody is logged in
        self._channels: dict[str, int] = {}  # feed -> where it was subscribed
        self._modes = dict.fromkeys(CHANNELS, FULL)
        self._paused: set[int] = set()
        self._topics: dict[str, int] = {}
        self._told: dict[str, tuple[int, ...]] = {}
        self._answers: list[bytes] = []
        self._topic = 0
        self._number = 0
        self.acknowledged = 0

    def is_over(self, now: datetime) -> bool:
        if self._number - self.acknowledged > UNACKNOWLEDGED_MAX:
            return True
        return self._key is not None and not self._lives(self._key, now)

    # What the client says

    def received(self, frame: Frame, now: datetime) -> None:
        asked = wire.read_asked(frame) if isinstance(frame, bytes) else None
        if asked is None:
            return
        match asked.kind:
            case 1:
                self._login(asked, now)
            case 3:
                self.acknowledged = asked.number(1)
            case 4 | 5 | 7 | 8 | 12 as kind:
                does = self._key is not None and self._do(kind, asked)
                self._answers.append(wire.answer(kind, OK if does else NO))
            case _:  # a ping, too
                return

    def _login(self, asked: wire.Asked, now: datetime) -> None:
        key = asked.fields.get(1, b"").decode("ascii", "replace")
        is_in = asked.fields.get(2) == b"P" and self._lives(key, now)
        self._key = key if is_in else None
        self._answers.append(wire.login_answer(OK if is_in else NO, ACK_EVERY))

    def _do(self, kind: int, asked: wire.Asked) -> bool:
        if kind in {4, 5}:
            return self._scrips(kind, asked)
        mask = asked.number(1)
        channels = {channel for channel in CHANNELS if mask >> channel & 1}
        match kind:
            case 7:
                self._paused |= channels
            case 8:
                self._paused -= channels
            case _:
                mode = asked.number(2)
                if mode not in {FULL, LITE}:
                    return False
                self._modes |= dict.fromkeys(channels, mode)
        return True

    def _scrips(self, kind: int, asked: wire.Asked) -> bool:
        names, channel = wire.scrips(asked.fields.get(1, b"")), asked.number(2)
        if names is None or len(names) > SCRIPS_MAX or channel not in CHANNELS:
            return False
        if kind == 5:
            for name in names:
                if self._channels.get(name) == channel:
                    del self._channels[name]
                    self._told.pop(name, None)
            return True
        known = [name for name in names if self._market.of_feed(name) is not None]
        if len(self._channels.keys() | set(known)) > FEEDS_MAX:
            self._answers.append(wire.notice(51001, "Symbol limit exceeded", kind))
            return False
        for name in known:
            self._channels[name] = channel
            self._told.pop(name, None)
        return True

    # What it is told

    def frames(self, now: datetime) -> list[Frame]:
        frames: list[Frame] = [*self._answers]
        self._answers.clear()
        if self._key is None:
            return frames
        records = self._records(now)
        for at in range(0, len(records), RECORDS_MAX):
            self._number += 1
            frames.append(wire.data(self._number, records[at : at + RECORDS_MAX]))
        return frames

    def _records(self, now: datetime) -> list[bytes]:
        records = []
        for name, channel in self._channels.items():
            contract = self._market.of_feed(name)
            if contract is None or channel in self._paused:
                continue  # it expired in the night, or waits
            numbers = _numbers(name, contract, self._paper.quote(contract.symbol, now))
            before = self._told.get(name)
            self._told[name] = numbers
            if before is None:
                records.append(self._snapshot(name, contract, numbers))
            elif self._modes[channel] == LITE:
                if numbers[0] != before[0] and not name.startswith("dp"):
                    records.append(wire.lite(self._topics[name], numbers[0]))
            elif numbers != before:
                pairs = zip(numbers, before, strict=True)
                changed = [wire.ABSENT if n == was else n for n, was in pairs]
                records.append(wire.update(self._topics[name], changed))
        return records

    def _snapshot(self, name: str, contract: Contract, numbers: tuple[int, ...]) -> bytes:
        """Each has a topic number of its own, never one that was told before."""
        self._topic = self._topics[name] = self._topic + 1
        multiplier, precision = contract.scale
        labels = (name.split("|")[1], contract.instrument.instrument_token, contract.ticker)
        return wire.snapshot(
            self._topic,
            name,
            numbers,
            multiplier=multiplier,
            precision=precision,
            labels=labels,
        )


def _numbers(name: str, contract: Contract, quote: Quote) -> tuple[int, ...]:
    """The fields of a feed, in the order of its records."""
    multiplier, precision = contract.scale
    at = int(quote.at.timestamp()) if quote.at else wire.ABSENT

    def price(amount: Decimal | None) -> int:
        return wire.ABSENT if amount is None else int(amount * 10**precision * multiplier)

    last, close = price(quote.last_price), price(quote.close_price)
    high, low, first = price(quote.high_price), price(quote.low_price), price(quote.open_price)
    if name.startswith("if"):
        return (last, close, at, high, low, first)
    buy, sell = (quote.depth.buy, quote.depth.sell) if quote.depth else ((), ())
    lot = contract.lot
    if name.startswith("dp"):
        sides = [[*side[:LEVELS], *[_NONE] * LEVELS][:LEVELS] for side in (buy, sell)]
        prices = [price(level.price) for side in sides for level in side]
        sizes = [level.quantity // lot for side in sides for level in side]
        return (*prices, *sizes, *[level.orders or 0 for side in sides for level in side])
    best_buy, best_sell = (side[0] if side else _NONE for side in (buy, sell))
    total_buy, total_sell = (sum(level.quantity for level in side) // lot for side in (buy, sell))
    return (
        last,
        (quote.volume or 0) // lot,
        at,
        at,
        best_buy.quantity // lot,
        best_sell.quantity // lot,
        price(best_buy.price),
        price(best_sell.price),
        contract.least,
        total_buy,
        total_sell,
        price(quote.average_price or quote.last_price),
        wire.ABSENT if quote.oi is None else quote.oi // lot,
        low,
        high,
        wire.ABSENT,  # of the year
        wire.ABSENT,
        price(quote.lower_circuit),
        price(quote.upper_circuit),
        first,
        close,
    )


_NONE = Level(Decimal(0), 0, 0)


class OrderFeed(SimFeed):
    """One socket for what becomes of orders.

    Args:
        rows: of each kind, what is told of it now, under the socket's names.
        lives: whether the session does.
    """

    def __init__(self, rows: Mapping[str, Rows], lives: Callable[[datetime], bool]) -> None:
        self._rows = rows
        self._lives = lives
        self._wanted: dict[str, dict[str, dict[str, Any]]] = {}  # kind -> what was told, by name
        self._answers: list[Frame] = []

    def is_over(self, now: datetime) -> bool:
        return not self._lives(now)

    def received(self, frame: Frame, now: datetime) -> None:
        """`ping`, or `{"T": "SUB_ORD", "SLIST": [...], "SUB_T": 1 | -1}`. What stands in the books already is not told."""
        if frame in ("ping", b"ping"):
            self._answers.append("pong")
            return
        try:
            said = orjson.loads(frame)
            match said["T"], said["SUB_T"], said["SLIST"]:
                case "SUB_ORD", 1, list(kinds):
                    for kind in kinds:
                        if kind in self._rows:
                            rows = self._rows[kind](now)
                            self._wanted.setdefault(kind, {_named(kind, row): row for row in rows})
                    words = "Successfully subscribed"
                case "SUB_ORD", -1, list(kinds):
                    for kind in kinds:
                        self._wanted.pop(kind, None)
                    words = "Successfully unsubscribed"
                case _:
                    return
        except (orjson.JSONDecodeError, LookupError, TypeError):
            return
        told = {"code": 1605, "message": words, "s": "ok"}
        self._answers.append(orjson.dumps(told).decode())

    def frames(self, now: datetime) -> list[Frame]:
        frames, self._answers = self._answers, []
        for kind, told in self._wanted.items():
            for row in self._rows[kind](now):
                name = _named(kind, row)
                if told.get(name) != row:
                    told[name] = row
                    frames.append(orjson.dumps({kind: row, "s": "ok"}).decode())
        return frames


def _named(kind: str, row: Mapping[str, Any]) -> str:
    return str(row["id_fill"] if kind == "trades" else row["id"])
