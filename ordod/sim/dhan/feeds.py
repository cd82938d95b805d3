"""Dhan's two sockets: prices in binary packets, and updates of orders in JSON (dhan.md 9)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson

from ordod.domain.market import Quote
from ordod.paper.exchange import Exchange as Paper
from ordod.sim.dhan import wire
from ordod.sim.dhan.market import Contract, Market
from ordod.sim.feeds import Frame, SimFeed

__all__ = ["TOO_MANY", "MarketFeed", "OrderFeed"]

ASKED_MAX = 100  # instruments of one request
INSTRUMENTS_MAX = 5000
TICKER, QUOTE, FULL, LEAVE = 15, 17, 21, 12  # requests; one more unsubscribes
TOO_MANY = 805
LOGIN = 42

Packets = list[bytes]


class MarketFeed(SimFeed):
    """One socket for prices.

    Args:
        ends: the number of the reason for which its client is not, or no longer, served; None: he is.
    """

    def __init__(
        self, market: Market, paper: Paper, ends: Callable[[datetime], int | None]
    ) -> None:
        self._market = market
        self._paper = paper
        self._ends = ends
        self._wanted: dict[tuple[int, str, str], None] = {}  # request, segment, id
        self._told: dict[tuple[int, str, str], Packets] = {}
        self._reason: int | None = None
        self._is_over = False

    def end(self, reason: int) -> None:
        self._reason = reason

    def is_over(self, now: datetime) -> bool:
        return self._is_over

    def received(self, frame: Frame, now: datetime) -> None:
        """`{"RequestCode", "InstrumentCount", "InstrumentList"}`; what is not understood is passed over."""
        try:
            said = orjson.loads(frame)
            code = said["RequestCode"]
            if code == LEAVE:
                self._is_over = True
                return
            asked = [(one["ExchangeSegment"], one["SecurityId"]) for one in said["InstrumentList"]]
            if said["InstrumentCount"] != len(asked) or len(asked) > ASKED_MAX:
                return
        except (orjson.JSONDecodeError, LookupError, TypeError):
            return
        known = [one for one in asked if self._market.listed(*one) is not None]
        if code in (TICKER, QUOTE, FULL):
            self._subscribe(code, known)
        elif code in (TICKER + 1, QUOTE + 1, FULL + 1):
            for one in known:
                self._wanted.pop((code - 1, *one), None)
                self._told.pop((code - 1, *one), None)

    def _subscribe(self, code: int, known: list[tuple[str, str]]) -> None:
        """Each request is a subscription of its own, of an instrument that another brings already too."""
        named = {name[1:] for name in self._wanted}
        if len(named | set(known)) <= INSTRUMENTS_MAX:
            for one in known:
                self._wanted[code, *one] = None
                self._told.pop((code, *one), None)

    def frames(self, now: datetime) -> list[Frame]:
        if self._is_over:
            return []
        reason = self._reason or self._ends(now)
        if reason is not None:
            self._is_over = True
            return [wire.disconnect(reason)]
        frames: list[Frame] = []
        for name in self._wanted:
            contract = self._market.listed(*name[1:])
            if contract is None:
                continue  # it expired in the night
            told = self._paper.quote(contract.symbol, now)
            before = self._told.get(name)
            packets = self._told[name] = _packets(name[0], contract, told)
            if before is None:
                frames += [wire.previous_close(contract, told), *packets]
            else:
                frames += [packet for packet in packets if packet not in before]
        return frames


def _packets(code: int, contract: Contract, told: Quote) -> Packets:
    """What a subscription brings, the price last."""
    if code == TICKER:
        return [wire.ticker(contract, told)]
    if code == FULL:
        return [wire.full(contract, told)]
    interest = [wire.open_interest(contract, told)] if told.oi is not None else []
    return [*interest, wire.quote(contract, told)]


class OrderFeed(SimFeed):
    """One socket for what becomes of orders.

    Args:
        rows: of a client, as they are pushed.
        who: the client of a token that lives; None: nobody.
    """

    def __init__(
        self,
        rows: Callable[[str, datetime], list[dict[str, Any]]],
        who: Callable[[str, datetime], str | None],
    ) -> None:
        self._rows = rows
        self._who = who
        self._client_id = ""  # nobody is logged in
        self._token = ""
        self._told: dict[str, dict[str, Any]] = {}
        self._is_over = False

    def is_over(self, now: datetime) -> bool:
        is_dead = bool(self._client_id) and self._who(self._token, now) != self._client_id
        return self._is_over or is_dead

    def received(self, frame: Frame, now: datetime) -> None:
        """The login. What stands in the book already is not told."""
        try:
            said = orjson.loads(frame)
            asked = said["LoginReq"]
            client_id, token = asked["ClientId"], asked["Token"]
            is_login = asked["MsgCode"] == LOGIN and said["UserType"] == "SELF"
        except (orjson.JSONDecodeError, LookupError, TypeError):
            return
        if not is_login or not isinstance(token, str) or self._who(token, now) != client_id:
            self._is_over = True
            return
        self._client_id, self._token = client_id, token
        self._told = {row["orderNo"]: row for row in self._rows(client_id, now)}

    def frames(self, now: datetime) -> list[Frame]:
        if not self._client_id:
            return []
        frames: list[Frame] = []
        for row in self._rows(self._client_id, now):
            if self._told.get(row["orderNo"]) != row:
                self._told[row["orderNo"]] = row
                frames.append(orjson.dumps({"Data": row, "Type": "order_alert"}).decode())
        return frames
