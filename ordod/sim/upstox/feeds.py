"""Upstox's two streams: prices in protobuf, and updates of orders, positions, holdings and GTTs in JSON (upstox.md 9)."""

from collections.abc import Callable, Hashable, Mapping
from datetime import datetime
from typing import Any

import orjson

from ordod.paper.exchange import Exchange as Paper
from ordod.sim.feeds import Frame, SimFeed
from ordod.sim.upstox.market import Contract, Market
from ordod.sim.upstox.wire import (
    INITIAL_FEED,
    LIVE_FEED,
    feed,
    feed_response,
    market_info,
    parts_of,
)

__all__ = ["UPDATE_TYPES", "MarketFeed", "PortfolioFeed"]

KEYS_MAX = {"ltpc": (5000, 2000), "full": (2000, 1500), "option_greeks": (3000, 2000)}
"""Of one mode, and where there are others beside it (9.1)."""
NORMAL_OPEN, NORMAL_CLOSE = 2, 3
UPDATE_TYPES = {
    "order": ("order_id",),
    "position": ("instrument_token", "product"),
    "holding": ("instrument_token",),
    "gtt_order": ("gtt_order_id",),
}  # and what names a row of it
MOVING = frozenset(  # with every price, and so no update by themselves
    {"last_price", "pnl", "value", "unrealised", "day_change", "day_change_percentage"}
)

Rows = Callable[[datetime], list[dict[str, Any]]]


class MarketFeed(SimFeed):
    """One socket for prices. `lives`: whether its session does."""

    def __init__(self, market: Market, paper: Paper, lives: Callable[[datetime], bool]) -> None:
        self._market = market
        self._paper = paper
        self._lives = lives
        self._modes: dict[str, str] = {}
        self._told: dict[str, dict[str, bytes]] = {}  # key -> what its last feeds said
        self._errors: list[str] = []
        self._is_new = True

    def is_over(self, now: datetime) -> bool:
        return not self._lives(now)

    def received(self, frame: Frame, now: datetime) -> None:
        """JSON in a binary frame, nothing else (9.2); what is not understood is passed over."""
        if isinstance(frame, str):
            return
        try:
            said = orjson.loads(frame)
            method, data = said["method"], said["data"]
            keys = [key for key in data["instrumentKeys"] if self._known(key) is not None]
            mode = data.get("mode", "ltpc")
        except (orjson.JSONDecodeError, LookupError, TypeError, AttributeError):
            return
        match method:
            case "sub":
                self._subscribe([key for key in keys if key not in self._modes], mode)
            case "change_mode":
                self._subscribe([key for key in keys if key in self._modes], mode)
            case "unsub":
                for key in keys:
                    self._modes.pop(key, None)
                    self._told.pop(key, None)
            case _:
                return

    def _known(self, key: Any) -> Contract | None:
        return self._market.listed(key) if isinstance(key, str) else None

    def _subscribe(self, keys: list[str], mode: Any) -> None:
        """All of them, or none and a word of the reason."""
        if not isinstance(mode, str) or mode not in KEYS_MAX:
            self._errors.append(f"mode {mode} is not available")
            return
        wanted = self._modes | dict.fromkeys(keys, mode)
        modes = list(wanted.values())
        for each in set(modes):
            alone, mixed = KEYS_MAX[each]
            if modes.count(each) > (alone if len(set(modes)) == 1 else mixed):
                self._errors.append(f"too many keys in mode {each}")
                return
        self._modes = wanted
        for key in keys:
            self._told.pop(key, None)

    def frames(self, now: datetime) -> list[Frame]:
        frames: list[Frame] = []
        if self._is_new:
            self._is_new = False
            frames.append(market_info(self._statuses(now), now))
        frames += [orjson.dumps({"error": words}).decode() for words in self._errors]
        self._errors.clear()
        news, changed = self._feeds(now)
        for kind, feeds in ((INITIAL_FEED, news), (LIVE_FEED, changed)):
            if feeds:
                frames.append(feed_response(kind, feeds, now))
        return frames

    def _feeds(self, now: datetime) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """Of keys that were not told before, whole; of others what changed (13)."""
        news, changed = {}, {}
        for key, mode in self._modes.items():
            contract = self._known(key)
            if contract is None:
                continue  # it expired in the night
            parts = parts_of(contract, mode, self._paper.quote(contract.symbol, now), now)
            before = self._told.get(key)
            self._told[key] = parts
            if before is None:
                news[key] = feed(contract, mode, parts.values())
            elif parts != before:
                differing = [told for name, told in parts.items() if told != before[name]]
                changed[key] = feed(contract, mode, differing)
        return news, changed

    def _statuses(self, now: datetime) -> dict[str, int]:
        """Of each segment, as its first contract stands."""
        firsts = {contract.segment: contract for contract in reversed(self._market.contracts)}
        return {
            segment: NORMAL_OPEN if self._market.is_open(contract, now) else NORMAL_CLOSE
            for segment, contract in firsts.items()
        }


class PortfolioFeed(SimFeed):
    """One socket for updates. `rows`: for each type that was asked for, what the books have."""

    def __init__(
        self,
        user_id: str,
        rows: Mapping[str, Rows],
        lives: Callable[[datetime], bool],
        now: datetime,
    ) -> None:
        self._user_id = user_id
        self._rows = rows
        self._lives = lives
        self._told: dict[Hashable, dict[str, Any]] = {}
        self.frames(now)  # what stands in the books already is not told

    def is_over(self, now: datetime) -> bool:
        return not self._lives(now)

    def received(self, frame: Frame, now: datetime) -> None:
        """Nothing is to be said here (9.5)."""

    def frames(self, now: datetime) -> list[Frame]:
        frames: list[Frame] = []
        for kind, rows in self._rows.items():
            for row in rows(now):
                name = (kind, *(row[field] for field in UPDATE_TYPES[kind]))
                stands = {field: value for field, value in row.items() if field not in MOVING}
                if self._told.get(name) != stands:
                    self._told[name] = stands
                    frames.append(self._update(kind, row))
        return frames

    def _update(self, kind: str, row: dict[str, Any]) -> str:
        told = {"update_type": kind, "user_id": self._user_id, "userId": self._user_id, **row}
        return orjson.dumps(told | {"instrument_key": row["instrument_token"]}).decode()
