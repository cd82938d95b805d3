"""Which request does what: api.upstox.com, api-hft.upstox.com and assets.upstox.com in one (upstox.md 2 to 8)."""

from collections.abc import Mapping
from datetime import datetime, time
from typing import Any

import orjson

from ordod.paper.exchange import Exchange as Paper
from ordod.paper.exchange import Refusal
from ordod.sim.desk import Desk
from ordod.sim.feeds import SimFeed
from ordod.sim.message import Answer, Request
from ordod.sim.orders import PLAIN, Booked, Wish
from ordod.sim.upstox.accounts import Accounts, Login, profile
from ordod.sim.upstox.envelope import UpstoxError, bare, refused, success
from ordod.sim.upstox.feeds import MarketFeed, PortfolioFeed
from ordod.sim.upstox.limits import Limits
from ordod.sim.upstox.market import Market, ltp_row, ohlc_row, quote_row
from ordod.sim.upstox.orders import order_row, read_changes, read_order, trade_row, trail
from ordod.sim.upstox.portfolio import Portfolio
from ordod.sim.upstox.tickets import Tickets

__all__ = ["Api"]

MASTER = "/market-quote/instruments/exchange/complete.json.gz"
DIALOG = "/v2/login/authorization/dialog"
STREAMS = {
    "/v3/feed/market-data-feed": "market",
    "/v2/feed/portfolio-stream-feed": "portfolio",
}
OPENS = time(5, 30)  # IST; until midnight


class Api:
    """Reads a request, lets the right part answer it, and turns what is refused into Upstox's envelope.

    `keeps_hours`: the API is shut from midnight to 05:30, and the exchange's hours make after-market orders.
    """

    def __init__(
        self,
        accounts: Accounts,
        limits: Limits,
        paper: Paper,
        desk: Desk,
        tickets: Tickets,
        *,
        keeps_hours: bool,
    ) -> None:
        self.accounts = accounts
        self._paper = paper
        self._tickets = tickets
        self.market = Market(paper.listings(), paper)
        self.desk = desk
        self.portfolio = Portfolio(paper, self.market, desk)
        self._limits = limits
        self._keeps_hours = keeps_hours

    def carry_out(self, request: Request, now: datetime, wish: Wish = PLAIN) -> Answer:
        """One request, carried out if it may be."""
        try:
            return self._answer(request, now, wish)
        except UpstoxError as refusal:
            return refusal.answer()

    def let_in(self, request: Request, now: datetime) -> SimFeed | Answer:
        """A websocket: with a session's token it is sent on to an address of its own, which lets it in without (9.1)."""
        try:
            if request.path in STREAMS:
                login = self.accounts.authorised(request, now)
                address = self._tickets.give(STREAMS[request.path], login, request, now)
                return Answer(302, (("location", address),), b"")
            ticket = self._tickets.take(request, now)
            if ticket is None:
                return Answer(403, (), b"")
            if not self.accounts.lives(ticket.login, now):
                raise UpstoxError.dead_token()
        except UpstoxError as refusal:
            return refusal.answer()

        def lives(at: datetime) -> bool:
            return self.accounts.lives(ticket.login, at)

        if ticket.stream == "market":
            return MarketFeed(self.market, self._paper, lives)
        user, portfolio = ticket.login.user_id, self.portfolio
        rows = {
            "order": lambda at: self._book(user, at),
            "position": lambda at: portfolio.positions(user, at),
            "holding": lambda at: portfolio.holdings(user, at),
            "gtt_order": lambda at: portfolio.gtts(user, "", at),
        }
        return PortfolioFeed(user, {kind: rows[kind] for kind in ticket.updates}, lives, now)

    def _answer(self, request: Request, now: datetime, wish: Wish) -> Answer:
        match request.method, request.segments:
            case "GET", _ if request.path == MASTER:
                return self.market.file()
            case "GET", _ if request.path == DIALOG:
                return self.accounts.dialog(request)
            case "POST", _ if request.path == DIALOG:
                return self.accounts.submit(request, now)
            case "POST", ["v2", "login", "authorization", "token"]:
                return bare(self.accounts.exchange(request.form, now))
            case "POST", ["v3", "login", "auth", "token", "request", client_id]:
                secret = str(_body(request).get("client_secret"))
                return success(self.accounts.ask(client_id, secret, now))
            case "GET", ["v3", "historical-candle", *_]:  # the SDK sends no token (7.2)
                self._limits.admit("historical-candle", "", now)
                return success(self._market_data(request, now))
            case _:
                pass
        login = self.accounts.authorised(request, now)
        if self._keeps_hours and now.time() < OPENS:
            raise UpstoxError(423, "UDAPI100074", "The API is accessible from 5:30 AM to 12:00 AM.")
        self._limits.admit(_api(request), login.user_id, now)
        if request.segments[1:2] == ["order"]:
            return success(self._orders(request, login.user_id, now, wish))
        if request.segments[1:2] == ["market-quote"]:
            return success(self._market_data(request, now))
        return success(self._account(request, login, now))

    def _orders(self, request: Request, user: str, now: datetime, wish: Wish) -> Any:
        match request.method, request.segments:
            case "POST", ["v3", "order", "place"]:
                return {"order_ids": [self.place(user, _body(request), now, wish)]}
            case "PUT", ["v3", "order", "modify"]:
                return {"order_id": self._modify(user, _body(request), now)}
            case "DELETE", ["v3", "order", "cancel"]:
                return {"order_id": self._cancel(user, request.one("order_id"), now)}
            case "POST", ["v3", "order", "gtt", "place"]:
                made = self.portfolio.place_gtt(user, _body(request), now)
                return {"gtt_order_ids": [made]}
            case "PUT", ["v3", "order", "gtt", "modify"]:
                return {"gtt_order_ids": [self.portfolio.modify_gtt(user, _body(request), now)]}
            case "DELETE", ["v3", "order", "gtt", "cancel"]:
                return {"gtt_order_ids": [self.portfolio.cancel_gtt(user, _body(request), now)]}
            case "GET", ["v3", "order", "gtt"]:
                return self.portfolio.gtts(user, request.one("gtt_order_id"), now)
            case "GET", ["v2", "order", "retrieve-all"]:
                return self._book(user, now)
            case "GET", ["v2", "order", "details"]:
                return self._row(self._one(user, request.one("order_id"), now))
            case "GET", ["v2", "order", "history"]:
                return self._history(user, request, now)
            case "GET", ["v2", "order", "trades", "get-trades-for-day"]:
                return self._trades(user, "", now)
            case "GET", ["v2", "order", "trades"]:
                return self._trades(user, request.one("order_id"), now)
            case _:
                raise UpstoxError.no_path()

    def place(self, user: str, body: Mapping[str, Any], now: datetime, wish: Wish) -> str:
        """The order's id. A refused placement is a deed too. Raises UpstoxError."""
        try:
            order, contract = read_order(body, self.market)
        except UpstoxError as refusal:
            tag = str(body.get("tag") or "")
            self.desk.refused("place", user, now, refusal.message, body, tag=tag)
            raise
        is_closed = self._keeps_hours and not self.market.is_open(contract, now)
        held = is_closed or (not self._keeps_hours and body["is_amo"])
        try:
            return self.desk.place(user, order, now, wish, asked=body, held=held).order_id
        except Refusal as refusal:
            raise refused(refusal) from None

    def _modify(self, user: str, body: Mapping[str, Any], now: datetime) -> str:
        order_id = str(body.get("order_id"))
        try:
            booked = self.desk.mine(user, order_id)
            if booked is None:
                raise UpstoxError.no_order()
            changes = read_changes(body, self.market.of(booked.terms.symbol))
        except UpstoxError as refusal:
            self.desk.refused("modify", user, now, refusal.message, body, order_id=order_id)
            raise
        try:
            return self.desk.modify(user, order_id, changes, now, asked=body).order_id
        except Refusal as refusal:
            raise refused(refusal) from None

    def _cancel(self, user: str, order_id: str, now: datetime) -> str:
        try:
            asked = {"order_id": order_id}
            return self.desk.cancel(user, order_id, now, asked=asked).order_id
        except Refusal as refusal:
            raise refused(refusal, "UDAPI100040") from None

    def _one(self, user: str, order_id: str, now: datetime) -> Booked:
        booked = self.desk.shown(user, order_id, now)
        if booked is None:
            raise UpstoxError.no_order()
        return booked

    def _row(self, booked: Booked) -> dict[str, Any]:
        contract = self.market.of(booked.row.symbol)
        return order_row(booked, contract, gtt=self.portfolio.released_by(booked))

    def _book(self, user: str, now: datetime) -> list[dict[str, Any]]:
        self.portfolio.adopt(user, now)
        return [self._row(booked) for booked in self.desk.visible(user, now)]

    def _history(self, user: str, request: Request, now: datetime) -> list[dict[str, Any]]:
        """By id, by tag, or both."""
        order_id, tag = request.one("order_id"), request.one("tag")
        if order_id:
            found = [self._one(user, order_id, now)]
        elif tag:
            found = list(self.desk.visible(user, now))
        else:
            raise UpstoxError.bad_input("order_id")
        return [
            row
            for booked in found
            if tag in ("", booked.shown_tag)
            for row in trail(booked, self.market.of(booked.row.symbol))
        ]

    def _trades(self, user: str, order_id: str, now: datetime) -> list[dict[str, Any]]:
        return [
            trade_row(fill, booked, self.market.of(fill.symbol))
            for fill, booked in self.desk.fills(user, now)
            if order_id in ("", booked.order_id)
        ]

    def _market_data(self, request: Request, now: datetime) -> Any:
        market = self.market
        keys = request.one("instrument_key") or request.one("symbol")
        match request.method, request.segments:
            case "GET", ["v2", "market-quote", "quotes"]:
                return market.quotes(keys, quote_row, now)
            case "GET", ["v3", "market-quote", "ltp"]:
                return market.quotes(keys, ltp_row, now)
            case "GET", ["v3", "market-quote", "ohlc"]:
                return market.quotes(keys, ohlc_row, now)
            case "GET", ["v3", "historical-candle", "intraday", key, unit, interval]:
                return market.intraday(key, unit, interval, now)
            case "GET", ["v3", "historical-candle", key, unit, interval, upto, *since]:
                return market.history(key, unit, interval, upto, since[0] if since else None, now)
            case _:
                raise UpstoxError.no_path()

    def _account(self, request: Request, login: Login, now: datetime) -> Any:
        user, portfolio = login.user_id, self.portfolio
        match request.method, request.segments:
            case "DELETE", ["v2", "logout"]:
                self.accounts.end(login)
                return True
            case "GET", [*_, "authorize"] if request.path.removesuffix("/authorize") in STREAMS:
                stream = STREAMS[request.path.removesuffix("/authorize")]
                address = self._tickets.give(stream, login, request, now)
                return {"authorized_redirect_uri": address, "authorizedRedirectUri": address}
            case "GET", ["v2", "user", "profile"]:
                return profile(self.accounts.clients[user])
            case "GET", ["v2", "user", "get-funds-and-margin"]:
                return portfolio.funds_v2(user)
            case "GET", ["v3", "user", "get-funds-and-margin"]:
                return portfolio.funds(user)
            case "GET", ["v2", "portfolio", "short-term-positions"]:
                return portfolio.positions(user, now)
            case "GET", ["v3", "portfolio", "mtf-positions"]:
                return []  # the exchange behind has no MTF
            case "GET", ["v2", "portfolio", "long-term-holdings"]:
                return portfolio.holdings(user, now)
            case "PUT", ["v2", "portfolio", "convert-position"]:
                return portfolio.convert(user, _body(request), now)
            case "POST", ["v2", "charges", "margin"]:
                return portfolio.margin(user, _body(request), now)
            case _:
                raise UpstoxError.no_path()


def _api(request: Request) -> str:
    """What a request is counted as."""
    changes = request.method != "GET" and request.segments[1:2] == ["order"]
    return "orders" if changes else "/".join(request.segments[:3])


def _body(request: Request) -> dict[str, Any]:
    """A JSON object. Raises UpstoxError 400."""
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict) or request.content_type != "application/json":
        raise UpstoxError.bad_input("body", "UDAPI100038")
    return body
