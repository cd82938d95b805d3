"""Which request does what: the session first, then the limits, then the request (fyers.md 2 to 8)."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import orjson

from ordod.domain.gtt import BrokerGtt
from ordod.domain.orders import Status
from ordod.paper.exchange import Exchange as Paper
from ordod.paper.exchange import Refusal
from ordod.sim.desk import Desk
from ordod.sim.fyers.accounts import Accounts
from ordod.sim.fyers.envelope import JSON, FyersError, body_of, success
from ordod.sim.fyers.forms import (
    read_changes,
    read_conversion,
    read_gtt,
    read_order,
    read_terms,
)
from ordod.sim.fyers.limits import Limits
from ordod.sim.fyers.market import HSM_INDICES, Market
from ordod.sim.fyers.rows import (
    GTT_WORDS,
    fund_rows,
    gtt_row,
    holding_row,
    order_row,
    position_row,
    trade_row,
)
from ordod.sim.fyers.updates import pushed_order, pushed_position, pushed_trade
from ordod.sim.message import Answer, Request
from ordod.sim.orders import PLAIN, Booked, Wish

__all__ = ["Api"]

T = TypeVar("T")
CSV = (("content-type", "text/csv"),)
MULTI_MAX = 10


class Api:
    """Reads a request, lets the right part answer it, and turns what is refused into FYERS' words."""

    def __init__(
        self, accounts: Accounts, limits: Limits, market: Market, desk: Desk, paper: Paper
    ) -> None:
        self.accounts = accounts
        self.limits = limits
        self.market = market
        self.desk = desk
        self._paper = paper
        self._offline: set[str] = set()  # ids of after-market orders

    def carry_out(self, request: Request, now: datetime, wish: Wish = PLAIN) -> Answer:
        """One request, carried out if it may be."""
        try:
            return self._open(request, now) or self._call(request, now, wish)
        except FyersError as refusal:
            return refusal.answer()

    def _open(self, request: Request, now: datetime) -> Answer | None:
        """What needs no session: the way in, and the instrument files."""
        match request.method, request.path:
            case "POST", "/validate-authcode":
                return self.accounts.validate(request, now)
            case "POST", "/send_login_otp_v2":
                return self.accounts.send_otp(request, now)
            case "POST", "/verify_otp":
                return self.accounts.verify_otp(request, now)
            case "POST", "/verify_pin_v2":
                return self.accounts.verify_pin(request, now)
            case "POST", "/token":
                return self.accounts.authorise(request, now)
            case "GET", path if path.endswith(".csv"):
                content = self.market.csv(path.strip("/").removesuffix(".csv"), now)
                return None if content is None else Answer(200, CSV, content)
            case "GET", "/index_hsm_mapping.json":
                return Answer(200, JSON, orjson.dumps(HSM_INDICES))
            case "POST", "/symbol-token":
                return self._tokens(request, now)
            case _:
                return None

    def _tokens(self, request: Request, now: datetime) -> Answer:
        """The one call that names no app beside its token (fyers.md 3). Raises FyersError."""
        if self.accounts.living(request.headers.get("authorization", ""), now) is None:
            raise FyersError.dead_session()
        tickers = body_of(request).get("symbols")
        if not isinstance(tickers, list):
            raise FyersError.bad_input("symbols: Invalid input")
        known, unknown = self.market.tokens([str(one) for one in tickers])
        return success(validSymbol=known, invalidSymbol=unknown)

    def _call(self, request: Request, now: datetime, wish: Wish) -> Answer:
        client = self.accounts.authorised(request, now)
        user = client.fy_id
        self.limits.admit(user, now)
        match request.method, request.path:
            case "GET", "/profile":
                return self.accounts.profile(client)
            case "POST", "/logout":
                return self.accounts.logout(request)
            case "GET", "/orders":
                return self._orders(request, user, now)
            case "POST", "/orders/sync":
                return self._placed(user, body_of(request), now, wish)
            case "PATCH", "/orders/sync":
                return self._modified(user, body_of(request), now)
            case "DELETE", "/orders/sync":
                order_id = str(body_of(request).get("id"))
                with_refusals(lambda: self.desk.cancel(user, order_id, now, asked={}))
                return success(1103, f"Successfully cancelled order {order_id}", id=order_id)
            case "GET", "/tradebook":
                return success(tradeBook=_tagged(self.trade_rows(user, now), request))
            case _, "/gtt/orders" | "/gtt/orders/sync":
                return self._gtt(request, user, now)
            case _:
                return self._portfolio(request, user, now)

    # Orders

    def _orders(self, request: Request, user: str, now: datetime) -> Answer:
        rows = self.order_rows(user, now)
        wanted = request.one("id")
        found = [row for row in rows if not wanted or row["id"] == wanted]
        return success(orderBook=_tagged(found, request))

    def order_rows(self, user: str, now: datetime) -> list[dict[str, Any]]:
        return [self._row(booked, user) for booked in self.desk.visible(user, now)]

    def trade_rows(self, user: str, now: datetime) -> list[dict[str, Any]]:
        fills = self.desk.fills(user, now)
        return [trade_row(fill, b, user, self.market.of(fill.symbol)) for fill, b in fills]

    def position_rows(self, user: str, now: datetime) -> list[dict[str, Any]]:
        return [
            position_row(p, self.market.of(p.symbol), self._last(p.symbol, now))
            for p in self._paper.positions(user)
        ]

    def _row(self, booked: Booked, user: str) -> dict[str, Any]:
        contract = self.market.of(booked.terms.symbol)
        return order_row(booked, user, contract, amo=booked.order_id in self._offline)

    def place(self, user: str, body: Mapping[str, Any], now: datetime, wish: Wish) -> Booked:
        """`POST /orders/sync`. A refused placement is a deed too."""
        try:
            terms = read_order(body, self.market, user)
        except FyersError as refusal:
            tag = str(body.get("orderTag") or "")
            self.desk.refused("place", user, now, refusal.message, body, tag=tag)
            raise
        held = bool(body.get("offlineOrder"))
        booked = with_refusals(
            lambda: self.desk.place(user, terms, now, wish, asked=body, held=held)
        )
        if held:
            self._offline.add(booked.order_id)
        return booked

    def _placed(self, user: str, body: Mapping[str, Any], now: datetime, wish: Wish) -> Answer:
        """What the risk system refuses has an id and stands in the book, REJECTED."""
        booked = self.place(user, body, now, wish)
        if booked.waiting is Status.REJECTED:
            words = f"RED:Insufficient funds or holdings: {booked.message}"
            raise FyersError.rejected(words, id=booked.order_id)
        words = f"Order submitted successfully. Your Order Ref. No. {booked.order_id}"
        return success(1101, words, id=booked.order_id)

    def _modified(self, user: str, body: Mapping[str, Any], now: datetime) -> Answer:
        order_id = str(body.get("id"))
        booked = self.desk.mine(user, order_id)
        lot = self.market.of(booked.terms.symbol).lot if booked else 1
        try:
            changes = read_changes(body, lot)
        except FyersError as refusal:
            self.desk.refused("modify", user, now, refusal.message, body, order_id=order_id)
            raise
        with_refusals(lambda: self.desk.modify(user, order_id, changes, now, asked=body))
        return success(1102, f"Successfully modified order {order_id}", id=order_id)

    # GTT

    def _gtt(self, request: Request, user: str, now: datetime) -> Answer:
        if request.method == "GET":
            rows = [
                gtt_row(gtt, user, self.market.of(gtt.symbol))
                for gtt in self.gtts(user, now)
                if gtt.status in GTT_WORDS
            ]
            return success(orderBook=rows)
        body = body_of(request)
        gtt_id = str(body.get("id"))
        match request.method:
            case "POST":

                def arm() -> str:
                    return self._paper.place_gtt(user, read_gtt(body, self.market), now)

                made = self._do("gtt_place", user, now, arm, body)
                return success(1101, "GTT order placed", id=made)
            case "PATCH":

                def change() -> None:
                    self._paper.modify_gtt(user, gtt_id, read_gtt(body, self.market), now)

                self._do("gtt_modify", user, now, change, body, gtt_id)
                return success(1102, "GTT order modified", id=gtt_id)
            case "DELETE":

                def end() -> None:
                    self._paper.cancel_gtt(user, gtt_id, now)

                self._do("gtt_delete", user, now, end, body, gtt_id)
                return success(1103, "GTT order cancelled", id=gtt_id)
            case _:
                raise _no_route()

    def pushed(self, user: str) -> dict[str, Callable[[datetime], list[dict[str, Any]]]]:
        """What the order socket tells of this user, by kind (fyers.md 9.2)."""
        return {
            "orders": lambda now: [pushed_order(row) for row in self.order_rows(user, now)],
            "trades": lambda now: [pushed_trade(row) for row in self.trade_rows(user, now)],
            "positions": lambda now: [
                pushed_position(row) for row in self.position_rows(user, now)
            ],
        }

    def gtts(self, user: str, now: datetime) -> list[BrokerGtt]:
        """Those of this user, and in the book whatever they released."""
        found = [gtt.row() for gtt in self._paper.gtts(user)]
        for gtt in found:
            self.desk.adopt(user, gtt, now)
        return found

    # Portfolio and market

    def _portfolio(self, request: Request, user: str, now: datetime) -> Answer:
        match request.method, request.path:
            case "GET", "/positions":
                rows = self.position_rows(user, now)
                return success(netPositions=rows, overall={"count_total": len(rows)})
            case "POST", "/positions":
                body = body_of(request)

                def convert() -> None:
                    self._paper.convert(user, read_conversion(body, self.market), now)

                self._do("convert", user, now, convert, body)
                return success(positionDetails=1101)
            case "GET", "/holdings":
                held = [
                    holding_row(h, self.market.of(h.symbol), self._last(h.symbol, now))
                    for h in self._paper.holdings(user)
                ]
                return success(holdings=held, overall={"count_total": len(held)})
            case "GET", "/funds":
                return success(fund_limit=fund_rows(self._paper.funds(user)))
            case "POST", "/multiorder/margin":
                return self._margin(user, body_of(request), now)
            case "GET", "/quotes":
                return success(d=self.market.quotes(request, now))
            case "GET", "/depth":
                return success(d=self.market.depth(request, now))
            case "GET", "/history":
                candles = self.market.history(request, now)
                return success(candles=candles) if candles else _no_data()
            case _:
                raise _no_route()

    def _margin(self, user: str, body: Mapping[str, Any], now: datetime) -> Answer:
        asked = body.get("data")
        if not isinstance(asked, list) or not 0 < len(asked) <= MULTI_MAX:
            raise FyersError.bad_input("data: Invalid input")
        terms = [read_terms(one, self.market) for one in asked]
        needed = with_refusals(lambda: self._paper.margin(user, terms, now)).needed
        funds = self._paper.funds(user)
        data = {
            "margin_avail": float(funds.available),
            "margin_total": float(needed + (funds.used or 0)),
            "margin_new_order": float(needed),
        }
        return success(data=data)

    def _last(self, symbol: str, now: datetime) -> Any:
        return self._paper.last_price(symbol, now)

    def _do(
        self,
        what: str,
        user: str,
        now: datetime,
        act: Callable[[], T],
        asked: Mapping[str, Any],
        order_id: str = "",
    ) -> T:
        """A change that is no order's, carried out and noted; a refused one is noted with its reason."""
        try:
            done = with_refusals(act)
        except FyersError as refusal:
            self.desk.refused(what, user, now, refusal.message, asked, order_id=order_id)
            raise
        self.desk.did(what, user, now, asked, order_id)
        return done


def with_refusals(act: Callable[[], T]) -> T:
    """What the exchange answers; its no as FYERS'."""
    try:
        return act()
    except Refusal as refusal:
        match str(refusal.fault):
            case "INVALID_INPUT" | "UNSUPPORTED":
                raise FyersError.bad_input(refusal.message) from None
            case "NOT_FOUND":
                raise FyersError(400, -51, "Invalid order id") from None
            case "INSUFFICIENT_FUNDS":
                raise FyersError.rejected("RED:Margin Shortfall") from None
            case "MARKET_CLOSED":
                raise FyersError.rejected("Order not accepted: market closed") from None
            case _:
                raise FyersError.rejected(f"RED:{refusal.message}") from None


def _tagged(rows: list[dict[str, Any]], request: Request) -> list[dict[str, Any]]:
    """`?order_tag=1:<tag>`: the tag as it is shown."""
    wanted = request.one("order_tag")
    return [row for row in rows if not wanted or row["orderTag"] == wanted]


def _no_data() -> Answer:
    return Answer(200, (("content-type", "application/json"),), b'{"s":"no_data","candles":[]}')


def _no_route() -> FyersError:
    return FyersError(404, -50, "No such path")
