"""Which request does what (angelone.md 2 to 8)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

from ordod.sim.angelone.accounts import Accounts, Login
from ordod.sim.angelone.asked import Asked
from ordod.sim.angelone.envelope import AngelError, success
from ordod.sim.angelone.forms import read_body
from ordod.sim.angelone.limits import Limits
from ordod.sim.angelone.market import Market
from ordod.sim.angelone.orders import Orders
from ordod.sim.angelone.portfolio import Portfolio
from ordod.sim.angelone.triggers import Triggers
from ordod.sim.message import Answer, Request
from ordod.sim.orders import PLAIN, Wish

__all__ = ["Api"]

AUTH = "/rest/auth/angelbroking"
SECURE = "/rest/secure/angelbroking"
MASTER = "/OpenAPI_File/files/OpenAPIScripMaster.json"
DETAILS = "/order/v1/details/"  # and the order's unique id

Call: TypeAlias = Callable[[Asked], Any]


class Api:
    """Reads a request, lets the right part answer it, and turns what is refused into Angel One's words."""

    def __init__(
        self,
        accounts: Accounts,
        limits: Limits,
        market: Market,
        orders: Orders,
        portfolio: Portfolio,
        triggers: Triggers,
    ) -> None:
        self._accounts = accounts
        self._limits = limits
        self._market = market
        self._calls: dict[tuple[str, str], Call] = {
            ("GET", "/user/v1/getProfile"): self._profile,
            ("POST", "/user/v1/logout"): self._logout,
            ("GET", "/user/v1/getRMS"): portfolio.funds,
            ("POST", "/order/v1/placeOrder"): orders.placed,
            ("POST", "/order/v1/modifyOrder"): orders.modify,
            ("POST", "/order/v1/cancelOrder"): orders.cancel,
            ("GET", "/order/v1/getOrderBook"): orders.book,
            ("GET", DETAILS): orders.details,
            ("GET", "/order/v1/getTradeBook"): orders.trades,
            ("GET", "/order/v1/getPosition"): portfolio.positions,
            ("POST", "/order/v1/convertPosition"): portfolio.convert,
            ("POST", "/order/v1/getLtpData"): lambda a: market.ltp(a.said, a.now),
            ("POST", "/order/v1/searchScrip"): lambda a: market.search(a.said),
            ("GET", "/portfolio/v1/getHolding"): portfolio.holdings,
            ("GET", "/portfolio/v1/getAllHolding"): portfolio.all_holdings,
            ("POST", "/margin/v1/batch"): portfolio.margin,
            ("POST", "/market/v1/quote"): lambda a: market.quotes(a.said, a.now),
            ("POST", "/historical/v1/getCandleData"): lambda a: market.candles(a.said, a.now),
            ("POST", "/gtt/v1/createRule"): triggers.create,
            ("POST", "/gtt/v1/modifyRule"): triggers.modify,
            ("POST", "/gtt/v1/cancelRule"): triggers.cancel,
            ("POST", "/gtt/v1/ruleDetails"): triggers.details,
            ("POST", "/gtt/v1/ruleList"): triggers.listed,
        }

    def carry_out(self, request: Request, now: datetime, wish: Wish = PLAIN) -> Answer:
        """One request, carried out if it may be."""
        if request.path == MASTER:
            return self._market.file()
        try:
            return success(self._answer(request, now, wish))
        except AngelError as refusal:
            return refusal.answer()

    def _answer(self, request: Request, now: datetime, wish: Wish) -> Any:
        """Headers first, then the session, then the limits, then the request."""
        api_key = self._accounts.check_headers(request)
        path = request.path.removeprefix("/gtt-service").rstrip("/")
        if path.startswith(AUTH):
            return self._enter(path.removeprefix(AUTH), api_key, request, now)
        login = self._accounts.authorised(request, api_key, now)
        name, rest = path.removeprefix(SECURE), ""
        if name.startswith(DETAILS):
            name, rest = DETAILS, name.removeprefix(DETAILS)
        call = self._calls.get((request.method, name))
        if call is None or not path.startswith(SECURE):
            raise AngelError("AB1004", "Something Went Wrong, no such call")
        self._limits.admit(name.strip("/").rpartition("/")[2], login.clientcode, now)
        said = read_body(request.body) if request.method == "POST" else {}
        return call(Asked(login, said, rest, now, wish))

    # Sessions

    def _enter(self, name: str, api_key: str, request: Request, now: datetime) -> Any:
        said = read_body(request.body)
        match request.method, name:
            case "POST", "/user/v1/loginByPassword":
                self._limits.admit("loginByPassword", str(said.get("clientcode")), now)
                login = self._accounts.log_in(api_key, said, now)
                more = {"state": said["state"]} if "state" in said else {}
                return _tokens(login) | more
            case "POST", "/jwt/v1/generateTokens":
                owner = self._accounts.authorised(request, api_key, now)
                self._limits.admit("generateTokens", owner.clientcode, now)
                return _tokens(self._accounts.renew(api_key, said, now))
            case _:
                raise AngelError("AB1004", "Something Went Wrong, no such call")

    def _profile(self, a: Asked) -> dict[str, Any]:
        client = self._accounts.clients[a.user]
        return {
            "clientcode": client.clientcode,
            "name": client.name,
            "email": "",
            "mobileno": "",
            "exchanges": ["bse_cm", "nse_cm", "nse_fo", "mcx_fo"],
            "products": ["BO", "NRML", "CO", "CNC", "MIS", "MARGIN"],
            "lastlogintime": "",
            "broker": "",
        }

    def _logout(self, a: Asked) -> str:
        self._accounts.end(a.login)
        return ""


def _tokens(login: Login) -> dict[str, Any]:
    return {"jwtToken": login.jwt, "refreshToken": login.refresh, "feedToken": login.feed}
