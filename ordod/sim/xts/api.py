"""Which request does what: the session of its API first, then the limits, then the request (xts.md 2 to 8)."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from ordod.paper.exchange import Exchange as Paper
from ordod.paper.exchange import Refusal
from ordod.sim.desk import Desk
from ordod.sim.message import Answer, Request
from ordod.sim.orders import PLAIN, Booked, Wish
from ordod.sim.xts.accounts import INTERACTIVE, MARKET, Accounts
from ordod.sim.xts.envelope import XtsError, body_of, success
from ordod.sim.xts.forms import read_changes, read_conversion, read_margin, read_order, whole
from ordod.sim.xts.market import Market
from ordod.sim.xts.rows import balance, holding, order_row, position_row, trade_row

__all__ = ["Api"]

T = TypeVar("T")
A_SECOND = 10  # orders (xts.md 10)
OF_MARKET = ("/auth/", "/instruments/")


class Api:
    """Reads a request, lets the right part answer it, and turns what is refused into XTS' words."""

    def __init__(
        self, accounts: Accounts, market: Market, desk: Desk, paper: Paper, *, limits: bool
    ) -> None:
        self.accounts = accounts
        self.market = market
        self.desk = desk
        self._paper = paper
        self._limits = limits
        self._counted: dict[str, tuple[str, int]] = {}  # user -> second, changes in it

    def carry_out(self, request: Request, now: datetime, wish: Wish = PLAIN) -> Answer:
        """One request, carried out if it may be."""
        try:
            match request.method, request.path:
                case "POST", "/user/session":
                    return self.accounts.login(request, now)
                case "POST", "/auth/login":
                    return self.accounts.market_login(request, now)
                case _, path if path.startswith(OF_MARKET):
                    return self._market(request, now)
                case _:
                    user = self.accounts.authorised(request, INTERACTIVE, now).client_id
                    return self._orders(request, user, now, wish)
        except XtsError as refusal:
            return refusal.answer()

    # Orders

    def _orders(self, request: Request, user: str, now: datetime, wish: Wish) -> Answer:
        method, path = request.method, request.path
        if path == "/orders" and method != "GET":
            self._admit(user, now)
        match method, path:
            case "POST", "/orders":
                booked = self.place(user, body_of(request), now, wish)
                said = {"AppOrderID": int(booked.order_id)}
                return success(said, "s-orders-0001", "Request sent")
            case "PUT", "/orders":
                return self._modified(user, body_of(request), now)
            case "DELETE", "/orders":
                order_id = request.one("appOrderID")
                with_refusals(lambda: self.desk.cancel(user, order_id, now, asked={}))
                said = {"AppOrderID": int(order_id)}
                return success(said, "s-orders-0001", "Order cancel request sent")
            case "GET", "/orders":
                return self._book(request, user, now)
            case "GET", "/orders/trades":
                fills = self.desk.fills(user, now)
                rows = [trade_row(f, b, user, self.market.of(f.symbol)) for f, b in fills]
                return _listed(rows, "tradebook")
            case _:
                return self._portfolio(request, user, now)

    def place(self, user: str, body: Mapping[str, Any], now: datetime, wish: Wish) -> Booked:
        """`POST /orders`: taken before any risk check, whose no stands in the book. A refused placement is a deed too."""
        try:
            terms = read_order(body, self.market)
        except XtsError as refusal:
            tag = str(body.get("orderUniqueIdentifier") or "")
            self.desk.refused("place", user, now, refusal.message, body, tag=tag)
            raise
        return with_refusals(lambda: self.desk.place(user, terms, now, wish, asked=body))

    def _modified(self, user: str, body: Mapping[str, Any], now: datetime) -> Answer:
        try:
            order_id = str(whole(body, "appOrderID"))
            changes = read_changes(body)
        except XtsError as refusal:
            self.desk.refused("modify", user, now, refusal.message, body)
            raise
        with_refusals(lambda: self.desk.modify(user, order_id, changes, now, asked=body))
        return success({"AppOrderID": int(order_id)}, "s-orders-0001", "Order modified")

    def _book(self, request: Request, user: str, now: datetime) -> Answer:
        wanted = request.one("appOrderID")
        if wanted and self.desk.shown(user, wanted, now) is None:
            raise XtsError("e-orders-0001", "Order not found")
        rows = [
            order_row(booked, user, self.market.of(booked.terms.symbol))
            for booked in self.desk.visible(user, now)
            if wanted in {"", booked.order_id}
        ]
        return _listed(rows, "orders")

    def _admit(self, user: str, now: datetime) -> None:
        """Raises XtsError: too many changes in this second."""
        second = now.isoformat()[:19]
        at, seen = self._counted.get(user, ("", 0))
        seen = seen + 1 if at == second else 1
        self._counted[user] = (second, seen)
        if self._limits and seen > A_SECOND:
            raise XtsError("e-apirl-0004", "Rate limit exceeded for this API", 429)

    # Portfolio

    def _portfolio(self, request: Request, user: str, now: datetime) -> Answer:
        match request.method, request.path:
            case "GET", "/user/profile":
                return self.accounts.profile(self.accounts.clients[user])
            case "DELETE", "/user/session":
                self.accounts.end(user, INTERACTIVE)
                return success({}, "s-user-0001", "User logged out sucessfully")
            case "GET", "/user/balance":
                return success(balance(self._paper.funds(user), user))
            case "GET", "/portfolio/positions":
                if request.one("dayOrNet") not in {"NetWise", "DayWise"}:
                    raise XtsError.bad_input("dayOrNet")
                rows = [
                    position_row(p, self.market.of(p.symbol), self._paper.last_price(p.symbol, now))
                    for p in self._paper.positions(user)
                ]
                return success({"positionList": rows})
            case "PUT", "/portfolio/positions/convert":
                return self._converted(user, body_of(request), now)
            case "GET", "/portfolio/holdings":
                held = {
                    one.isin or f"INE{self.market.of(one.symbol).number:0>9}": holding(
                        one, self.market.of(one.symbol)
                    )
                    for one in self._paper.holdings(user)
                }
                if not held:
                    raise XtsError.nothing("holdings")
                return success({"ClientId": user, "RMSHoldings": {"Holdings": held}})
            case "POST", "/orders/margindetails" if self.accounts.member == "rmoney":
                return self._margin(user, body_of(request), now)
            case _:
                raise XtsError("e-app-0001", "No such path", 404)

    def _converted(self, user: str, body: Mapping[str, Any], now: datetime) -> Answer:
        try:
            asked = read_conversion(body, self.market, list(self._paper.positions(user)))
            with_refusals(lambda: self._paper.convert(user, asked, now))
        except XtsError as refusal:
            self.desk.refused("convert", user, now, refusal.message, body)
            raise
        self.desk.did("convert", user, now, body)
        return success({"CovertedQty": asked.quantity}, "s-portfolio-0001", "Position converted")

    def _margin(self, user: str, body: Mapping[str, Any], now: datetime) -> Answer:
        terms = read_margin(body, self.market)
        needed = with_refusals(lambda: self._paper.margin(user, terms, now)).needed
        available = self._paper.funds(user).available
        said = {
            "IsValid": True,
            "MarginRequired": float(needed),
            "MarginAvailable": float(available),
            "MarginShortfall": max(float(needed - available), 0.0),
            "ErrorMessage": "",
        }
        return success({"brokerageDeatils": said})

    # Market data

    def _market(self, request: Request, now: datetime) -> Answer:
        if (request.method, request.path) == ("POST", "/instruments/master"):
            return success(self.market.master(body_of(request)))  # needs no session
        client = self.accounts.authorised(request, MARKET, now)
        match request.method, request.path:
            case "DELETE", "/auth/logout":
                self.accounts.end(client.client_id, MARKET)
                return success({}, "s-auth-0002", "Logout successfully.")
            case "POST", "/instruments/quotes":
                return success(self.market.quotes(body_of(request), now), "s-quotes-0001")
            case "GET", "/instruments/ohlc":
                return success(self.market.candles(request, now))
            case "GET", "/instruments/indexlist":
                return success(self.market.indices(request))
            case _:
                raise XtsError("e-app-0001", "No such path", 404)


def with_refusals(act: Callable[[], T]) -> T:
    """What the exchange answers; its no as XTS': beyond its own checks its codes are not documented."""
    try:
        return act()
    except Refusal as refusal:
        match str(refusal.fault):
            case "INVALID_INPUT" | "UNSUPPORTED":
                raise XtsError.bad_input(refusal.message) from None
            case "NOT_FOUND":
                raise XtsError("e-orders-0001", "Order not found") from None
            case _:
                raise XtsError("e-orders-0003", f"RMS:{refusal.message}") from None


def _listed(rows: list[dict[str, Any]], what: str) -> Answer:
    if not rows:
        raise XtsError.nothing(what)
    return success(rows)
