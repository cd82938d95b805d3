"""Zerodha, simulated: Kite Connect v3 and the login pages of kite.zerodha.com around the paper exchange.

An independent reading of the fact sheet, of Kite's own sample answers and of its SDK (kiteconnect 5.2.2): nothing here knows
the adapter. `ZerodhaSim` is pure: no socket, no clock; `server.py` puts it on a port.

- `handle` carries one request out and answers it.
- `answer` does the same under `faults`: the answer may be lost, late, cut or a lie.
- `desk.deeds` and `requests` are the ground truth that tests compare with.
"""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec import Struct

from ordod.paper.exchange import Exchange as Paper
from ordod.paper.hours import Hours
from ordod.paper.market import Listing, listings
from ordod.sim.faults import Fault, FaultKind, Faults
from ordod.sim.message import Answer, Ending, Headers, Reply, Request
from ordod.sim.zerodha.accounts import Accounts, App, Client, Login, profile, session_data
from ordod.sim.zerodha.envelope import JSON, KiteError, success
from ordod.sim.zerodha.forms import (
    read_convert,
    read_gtt,
    read_modify,
    read_place,
    read_quoted,
)
from ordod.sim.zerodha.limits import Limits
from ordod.sim.zerodha.market import Market, nifty_options
from ordod.sim.zerodha.orders import Deed, Desk, Wish
from ordod.sim.zerodha.portfolio import Portfolio

__all__ = ["App", "Client", "Deed", "Seen", "ZerodhaSim"]

REJECTIONS = {
    "funds": (
        400,
        "MarginException",
        "Insufficient funds. Required margin is 9500.00 but available margin is 1200.50.",
    ),
    "holdings": (400, "HoldingException", "Insufficient holdings to sell."),
    "input": (400, "InputException", "Invalid `price`."),
    "order": (400, "OrderException", "Order rejected by the risk management."),
    "closed": (400, "OrderException", "Markets are closed right now. Use AMO for placing orders."),
    "depository": (428, "OrderException", "1 quantity needs authorisation at depository."),
}
TIMED_OUT = "Order request timed out. Please check the order book and confirm before placing again."
WEB_PATHS = ("/connect/", "/api/")
JSON_PATHS = ("/margins/", "/charges/")


class Seen(Struct, frozen=True, kw_only=True):
    """One request that arrived whole. `status` is what was decided, sent or not; `fault` what befell it."""

    at: datetime
    method: str
    path: str
    form: dict[str, str]
    status: int
    fault: str = ""


class _Late(Struct, frozen=True):
    due: datetime
    request: Request
    wish: Wish


class ZerodhaSim:
    """One broker.

    Args:
        seed: the market, tokens and chance faults all come from it.
        now: the day whose instruments are listed.
        hours: None: the market is always open.
        limits: False: no 429 from the broker's own counting.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        now: datetime,
        cash: Decimal = Decimal(10_000_000),
        clients: tuple[Client, ...] = (Client(),),
        apps: tuple[App, ...] = (App(),),
        hours: Hours | None = None,
        limits: bool = True,
    ) -> None:
        listed = _listed(now)
        chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.faults = Faults(seed)
        self.paper = Paper(listed, seed=seed, cash=cash, hours=hours)
        self.market = Market(listed, self.paper)
        self.desk = Desk(self.paper, self.market, chance)
        self.portfolio = Portfolio(self.paper, self.market, self.desk)
        self.accounts = Accounts(clients, apps, chance)
        self.limits = Limits(enforced=limits)
        self.requests: list[Seen] = []
        self._late: list[_Late] = []
        self._copies: dict[tuple[str, str], Answer] = {}  # what each reader was last told

    # The two ways in

    def handle(
        self, method: str, target: str, headers: Headers, body: bytes, now: datetime
    ) -> Answer:
        """One request carried out and answered, faults aside."""
        self.advance(now)
        return self._carry_out(Request.read(method, target, headers, body), now)

    def answer(
        self, method: str, target: str, headers: Headers, body: bytes, now: datetime
    ) -> Reply:
        """One request under the faults that wait for it."""
        self.advance(now)
        request = Request.read(method, target, headers, body)
        fault = self.faults.take(request.method, request.path)
        reply = (
            Reply(self._carry_out(request, now))
            if fault is None
            else self._spoil(fault, request, now)
        )
        hidden = ("password", "twofa_value", "checksum")
        self.requests.append(
            Seen(
                at=now,
                method=request.method,
                path=request.path,
                form={name: value for name, value in request.form.items() if name not in hidden},
                status=reply.answer.status,
                fault=str(fault.kind) if fault else "",
            )
        )
        return reply

    def advance(self, now: datetime) -> None:
        """Let the market move, and carry out what was held back until now."""
        self.paper.advance(now)
        self.desk.advance(now)
        due = [late for late in self._late if late.due <= now]
        if due:
            self._late = [late for late in self._late if late.due > now]
            for late in due:
                self._carry_out(late.request, now, late.wish)

    def new_day(self, now: datetime) -> None:
        """The night is over: the book of the day before is gone."""
        listed = _listed(now)
        self.paper.new_day(now, listed)
        self.market.take_in(listed)
        self.desk.new_day(now)
        self._copies.clear()

    # Faults

    def _spoil(self, fault: Fault, request: Request, now: datetime) -> Reply:
        """What becomes of a request that a fault befell."""

        def done(wish: Wish = Wish()) -> Answer:  # noqa: B008 - a frozen value
            return self._carry_out(request, now, wish)

        nothing = Answer(0, (), b"")
        match fault.kind:
            case FaultKind.LOSE_BEFORE:
                return Reply(nothing, Ending.CLOSE)
            case FaultKind.LOSE_AFTER:
                return Reply(done(), Ending.CLOSE)
            case FaultKind.RESET:
                return Reply(done() if fault.executed else nothing, Ending.RESET)
            case FaultKind.HANG:
                return Reply(done() if fault.executed else nothing, Ending.HANG)
            case FaultKind.DELAY:
                return Reply(done(), delay_s=fault.seconds)
            case FaultKind.STATUS:
                if fault.executed:
                    done()
                return Reply(Answer(fault.status, (("content-type", "text/html"),), fault.page()))
            case FaultKind.HALF:
                return Reply(done(), Ending.HALF)
            case FaultKind.GARBAGE:
                done()
                return Reply(Answer(200, JSON, b'{"status":"success","data":{"order_id":\x00\xff'))
            case FaultKind.NO_ORDER_ID:
                done()
                return Reply(success({}))
            case FaultKind.DEAD_SESSION:
                for client in self.accounts.clients:
                    self.accounts.end_all(client)
                return Reply(done())
            case FaultKind.REJECT:
                return Reply(KiteError(*REJECTIONS[fault.reason]).answer())
            case FaultKind.TIMED_OUT_400:
                if fault.executed:
                    done()
                return Reply(KiteError.bad_input(TIMED_OUT).answer())
            case FaultKind.LATE:
                self._late.append(_Late(now + timedelta(seconds=fault.seconds), request, Wish()))
                if fault.status == 400:
                    return Reply(KiteError.bad_input(TIMED_OUT).answer())
                return Reply(nothing, Ending.CLOSE)
            case FaultKind.INVISIBLE:
                return Reply(done(Wish(invisible_s=fault.seconds)))
            case FaultKind.HIDE_TAG:
                return Reply(done(Wish(hides_tag=True)))
            case FaultKind.STALE:
                reader = (request.headers.get("authorization", ""), request.path)
                return Reply(self._copies.get(reader) or success([]))

    # Requests

    def _carry_out(self, request: Request, now: datetime, wish: Wish = Wish()) -> Answer:  # noqa: B008
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
        answer = self._route(request, login, now, wish)
        if request.method == "GET":
            self._copies[request.headers["authorization"], request.path] = answer
        return answer

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
                return success(self._place(user, variety, request.form, now, wish))
            case "PUT", ["orders", variety, order_id]:
                form = read_modify(variety, order_id, request.form)
                self._do(
                    "modify",
                    user,
                    now,
                    lambda: desk.modify(user, variety, order_id, form, now),
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
                    order_id,
                )
                return success({"order_id": order_id})
            case _:
                raise _not_allowed()

    def _place(
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

    def place_by_hand(self, user: str, variety: str, form: dict[str, str], now: datetime) -> str:
        """An order placed in another app: no tag of ours, no API limit. Returns its id. Raises KiteError."""
        placed = self._place(user, variety, form, now, Wish(origin="hand"))
        return str(placed["order_id"])

    def _portfolio(self, request: Request, login: Login, now: datetime) -> Answer:
        user, portfolio = login.user_id, self.portfolio
        match request.method, request.segments[1:]:
            case "GET", ["positions"]:
                return success(portfolio.positions(user, now))
            case "PUT", ["positions"]:
                form = read_convert(request.form)
                self._do("convert", user, now, lambda: portfolio.convert(user, form, now))
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
                    "gtt_place", user, now, lambda: portfolio.place_gtt(user, form, now)
                )
                return success({"trigger_id": made})
            case "PUT", ["triggers", gtt_id]:
                form = read_gtt(request.form)
                self._do(
                    "gtt_modify",
                    user,
                    now,
                    lambda: portfolio.modify_gtt(user, gtt_id, form, now),
                    gtt_id,
                )
                return success({"trigger_id": int(gtt_id)})
            case "DELETE", ["triggers", gtt_id]:
                self._do(
                    "gtt_delete", user, now, lambda: portfolio.delete_gtt(user, gtt_id, now), gtt_id
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
        self, what: str, user: str, now: datetime, act: Callable[[], Any], order_id: str = ""
    ) -> Any:
        """A change, carried out and noted; a refused one is noted with its reason."""
        error = ""
        try:
            return act()
        except KiteError as refusal:
            error = refusal.message
            raise
        finally:
            self.desk.note(
                Deed(what=what, at=now, user_id=user, origin="api", order_id=order_id, error=error)
            )


def _listed(now: datetime) -> tuple[Listing, ...]:
    listed = listings(now.date())
    return (*listed, *nifty_options(listed))


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
