"""Which request does what: kite.zerodha.com's pages and api.kite.trade's calls, one after the other (zerodha.md 2 to 8)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from ordod.sim.message import Answer, Request
from ordod.sim.orders import PLAIN, Deed, Wish
from ordod.sim.zerodha.accounts import Accounts, Login, profile, session_data
from ordod.sim.zerodha.envelope import KiteError, success
from ordod.sim.zerodha.forms import (
    read_convert,
    read_gtt,
    read_modify,
    read_place,
    read_quoted,
)
from ordod.sim.zerodha.limits import Limits
from ordod.sim.zerodha.market import Market
from ordod.sim.zerodha.orders import Desk
from ordod.sim.zerodha.portfolio import Portfolio

__all__ = ["Api"]

T = TypeVar("T")
WEB_PATHS = ("/connect/", "/api/")
JSON_PATHS = ("/margins/", "/charges/")


class Api:
    """Reads a request, lets the right part answer it, and turns what is refused into Kite's envelope."""

    def __init__(
        self, accounts: Accounts, limits: Limits, market: Market, desk: Desk, portfolio: Portfolio
    ) -> None:
        self.accounts = accounts
        self.limits = limits
        self.market = market
        self.desk = desk
        self.portfolio = portfolio

    def carry_out(self, request: Request, now: datetime, wish: Wish = PLAIN) -> Answer:
        """One request, carried out if it may be."""
        try:
            if request.path.startswith(WEB_PATHS):
                return self._page(request, now)
            return self._call(request, now, wish)
        except KiteError as refusal:
            return refusal.answer()

    def _page(self, request: Request, now: datetime) -> Answer:
        """kite.zerodha.com."""
        match request.method, request.path:
            case "GET", "/connect/login":
                return self.accounts.login_page(request, now)
            case "GET", "/connect/finish":
                return self.accounts.finish(request, now)
            case "POST", "/connect/authorize":
                return self.accounts.authorise(request, now)
            case "POST", "/api/login":
                return self.accounts.password(request)
            case "POST", "/api/twofa":
                return self.accounts.second_factor(request, now)
            case _:
                raise KiteError(404, "GeneralException", "Route not found")

    def _call(self, request: Request, now: datetime, wish: Wish) -> Answer:
        """api.kite.trade. The session is looked at first, then the limits, then the request."""
        if request.headers.get("x-kite-version") != "3":
            raise KiteError.bad_input("Invalid `X-Kite-Version`.")
        _check_body(request)
        if request.path == "/session/token":
            return self._session(request, now)
        login = self.accounts.authorised(request, now)
        self._admit(request, login, now)
        return self._route(request, login, now, wish)

    def _session(self, request: Request, now: datetime) -> Answer:
        match request.method:
            case "POST":
                return success(
                    session_data(self.accounts.exchange(request.form, now), self.accounts)
                )
            case "DELETE":
                self.accounts.end(request.one("api_key"), request.one("access_token"))
                return success(True)
            case _:
                raise _not_allowed()

    def _admit(self, request: Request, login: Login, now: datetime) -> None:
        segments = request.segments
        changes_orders = segments[0] == "orders" and request.method in ("POST", "PUT", "DELETE")
        if changes_orders:
            self.limits.admit("orders", login.user_id, now)
            if request.method == "POST":
                self.limits.admit_place(login.user_id, now)
            return
        group = {"quote": "quote"}.get(segments[0], "other")
        if request.path.startswith("/instruments/historical/"):
            group = "candles"
        self.limits.admit(group, login.api_key, now)

    def _route(self, request: Request, login: Login, now: datetime, wish: Wish) -> Answer:
        match request.segments[0]:
            case "user":
                return self._user(request, login)
            case "orders" | "trades":
                return self._orders(request, login, now, wish)
            case "portfolio":
                return self._portfolio(request, login, now)
            case "gtt":
                return self._gtt(request, login, now)
            case "margins" | "charges":
                return self._margins(request, login, now)
            case "quote" | "instruments":
                self._may_see_data(request, login)
                return self._data(request, now)
            case _:
                raise KiteError(404, "GeneralException", "Route not found")

    def _user(self, request: Request, login: Login) -> Answer:
        match request.method, request.segments[1:]:
            case "GET", ["profile"]:
                return success(profile(self.accounts.clients[login.user_id]))
            case "GET", ["margins"]:
                return success(self.portfolio.margins(login.user_id))
            case "GET", ["margins", segment]:
                return success(self.portfolio.margins(login.user_id, segment))
            case _:
                raise _not_allowed()

    def _orders(self, request: Request, login: Login, now: datetime, wish: Wish) -> Answer:
        user, desk = login.user_id, self.desk
        match request.method, request.segments:
            case "GET", ["orders"]:
                return success(desk.rows(user, now))
            case "GET", ["trades"]:
                return success(desk.trades(user, now))
            case "GET", ["orders", order_id]:
                return success(desk.trail(user, order_id, now))
            case "GET", ["orders", order_id, "trades"]:
                return success(desk.trades_of(user, order_id, now))
            case "POST", ["orders", variety]:
                return success(self.place(user, variety, request.form, now, wish))
            case "PUT", ["orders", variety, order_id]:
                form = read_modify(variety, order_id, request.form)
                self._do(
                    "modify",
                    user,
                    now,
                    lambda: desk.modify(user, variety, order_id, form, now),
                    request,
                    order_id,
                )
                return success({"order_id": order_id})
            case "DELETE", ["orders", variety, order_id]:
                parent = request.one("parent_order_id")
                self._do(
                    "cancel",
                    user,
                    now,
                    lambda: desk.cancel(user, variety, order_id, parent, now),
                    request,
                    order_id,
                )
                return success({"order_id": order_id})
            case _:
                raise _not_allowed()

    def place(
        self, user: str, variety: str, form: dict[str, str], now: datetime, wish: Wish
    ) -> dict[str, Any]:
        """A refused placement is a deed too: it counts, though it made nothing."""
        try:
            read = read_place(variety, form)
            if variety == "auction" and read.auction_number not in self.portfolio.auctions.values():
                raise KiteError.bad_input("Invalid `auction_number`.")
            return self.desk.place(user, read, now, wish)
        except KiteError as refusal:
            self.desk.note(
                Deed(
                    what="place",
                    at=now,
                    user_id=user,
                    origin=wish.origin,
                    tag=form.get("tag", ""),
                    terms=form,
                    error=refusal.message,
                )
            )
            raise

    def _portfolio(self, request: Request, login: Login, now: datetime) -> Answer:
        user, portfolio = login.user_id, self.portfolio
        match request.method, request.segments[1:]:
            case "GET", ["positions"]:
                return success(portfolio.positions(user, now))
            case "PUT", ["positions"]:
                form = read_convert(request.form)
                self._do("convert", user, now, lambda: portfolio.convert(user, form, now), request)
                return success(True)
            case "GET", ["holdings"]:
                return success(portfolio.holdings(user, now))
            case "GET", ["holdings", "auctions"]:
                return success(portfolio.auctioned(user, now))
            case _:
                raise _not_allowed()

    def _gtt(self, request: Request, login: Login, now: datetime) -> Answer:
        user, portfolio = login.user_id, self.portfolio
        match request.method, request.segments[1:]:
            case "GET", ["triggers"]:
                return success(portfolio.gtts(user, now))
            case "GET", ["triggers", gtt_id]:
                return success(portfolio.gtt(user, gtt_id, now))
            case "POST", ["triggers"]:
                form = read_gtt(request.form)
                made = self._do(
                    "gtt_place", user, now, lambda: portfolio.place_gtt(user, form, now), request
                )
                return success({"trigger_id": made})
            case "PUT", ["triggers", gtt_id]:
                form = read_gtt(request.form)
                self._do(
                    "gtt_modify",
                    user,
                    now,
                    lambda: portfolio.modify_gtt(user, gtt_id, form, now),
                    request,
                    gtt_id,
                )
                return success({"trigger_id": int(gtt_id)})
            case "DELETE", ["triggers", gtt_id]:
                self._do(
                    "gtt_delete",
                    user,
                    now,
                    lambda: portfolio.delete_gtt(user, gtt_id, now),
                    request,
                    gtt_id,
                )
                return success({"trigger_id": int(gtt_id)})
            case _:
                raise _not_allowed()

    def _margins(self, request: Request, login: Login, now: datetime) -> Answer:
        match request.method, request.segments:
            case "POST", ["margins", "orders"]:
                return success(
                    self.portfolio.order_margins(login.user_id, read_quoted(request.body), now)
                )
            case "POST", ["margins", "basket"]:
                return success(self.portfolio.basket(login.user_id, read_quoted(request.body), now))
            case "POST", ["charges", "orders"]:
                orders = read_quoted(request.body, price_field="average_price")
                return success(self.portfolio.contract_note(orders))
            case _:
                raise _not_allowed()

    def _may_see_data(self, request: Request, login: Login) -> None:
        """Quotes and candles belong to the paid plan; the instrument dump does not (zerodha.md 7.2)."""
        is_dump = request.segments[0] == "instruments" and len(request.segments) <= 2
        if not is_dump and not self.accounts.apps[login.api_key].market_data:
            raise KiteError(403, "PermissionException", "Insufficient permission for that call.")

    def _data(self, request: Request, now: datetime) -> Answer:
        market, names = self.market, request.all("i")
        match request.method, request.segments:
            case "GET", ["quote"]:
                return success(market.quotes("quote", names, now))
            case "GET", ["quote", ("ohlc" | "ltp") as kind]:
                return success(market.quotes(kind, names, now))
            case "GET", ["instruments"]:
                return market.dump("", zipped=_takes_gzip(request))
            case "GET", ["instruments", "trigger_range", side]:
                return success(market.trigger_range(side, names, now))
            case "GET", ["instruments", "historical", token, interval]:
                return success(market.candles(token, interval, dict(request.query), now))
            case "GET", ["instruments", exchange]:
                return market.dump(exchange, zipped=_takes_gzip(request))
            case _:
                raise _not_allowed()

    def _do(
        self,
        what: str,
        user: str,
        now: datetime,
        act: Callable[[], T],
        request: Request,
        order_id: str = "",
    ) -> T:
        """A change, carried out and noted; a refused one is noted with its reason."""
        error = ""
        try:
            return act()
        except KiteError as refusal:
            error = refusal.message
            raise
        finally:
            self.desk.note(
                Deed(
                    what=what,
                    at=now,
                    user_id=user,
                    origin="api",
                    order_id=order_id,
                    terms=request.form,
                    error=error,
                )
            )


def _not_allowed() -> KiteError:
    return KiteError(405, "GeneralException", "Method not allowed")


def _takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")


def _check_body(request: Request) -> None:
    """POST and PUT are forms, but for margins and charges, which are JSON. Raises KiteError 400."""
    if request.method not in ("POST", "PUT"):
        return
    wanted = "application/x-www-form-urlencoded"
    if request.path.startswith(JSON_PATHS):
        wanted = "application/json"
    if request.content_type != wanted:
        raise KiteError.bad_input(f"Invalid content type {request.content_type!r}.")
