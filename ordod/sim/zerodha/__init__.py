"""Zerodha, simulated: Kite Connect v3 and the login pages of kite.zerodha.com around the paper exchange.

An independent reading of the fact sheet, of Kite's own sample answers and of its SDK (kiteconnect 5.2.2): nothing here knows
the adapter.

What every simulated broker does alike stands in `broker.py`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from msgspec.structs import replace

from ordod.paper.hours import Hours
from ordod.paper.market import Listing
from ordod.sim.broker import BrokerSim, Options, Scope, Seen
from ordod.sim.feeds import SimFeed
from ordod.sim.message import Answer, Request
from ordod.sim.orders import PLAIN, Deed, Wish
from ordod.sim.zerodha.accounts import Accounts, App, Client
from ordod.sim.zerodha.api import Api
from ordod.sim.zerodha.envelope import JSON, KiteError, success
from ordod.sim.zerodha.limits import Limits
from ordod.sim.zerodha.market import Market
from ordod.sim.zerodha.orders import Desk
from ordod.sim.zerodha.portfolio import Portfolio
from ordod.sim.zerodha.ticker import KiteFeed

__all__ = ["App", "Client", "Deed", "Seen", "ZerodhaSim", "made"]

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
    "limit": (429, "NetworkException", "Too many requests"),
    "depository": (428, "OrderException", "1 quantity needs authorisation at depository."),
}
TIMED_OUT = "Order request timed out. Please check the order book and confirm before placing again."


class ZerodhaSim(BrokerSim):
    """One broker. `hours`, `limits`: as `Options` has them."""

    scopes: ClassVar[Mapping[str, Scope]] = {
        "place": ("POST", "/orders/"),
        "modify": ("PUT", "/orders/"),
        "cancel": ("DELETE", "/orders/"),
        "place_gtt": ("POST", "/gtt/"),
        "modify_gtt": ("PUT", "/gtt/"),
        "cancel_gtt": ("DELETE", "/gtt/"),
        "convert": ("PUT", "/portfolio/positions"),
    }
    hidden: ClassVar[frozenset[str]] = frozenset({"password", "twofa_value", "checksum"})

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
        super().__init__(Options(seed=seed, cash=cash, hours=hours), now)
        self.market = Market(self.listed, self.paper)
        self.desk = Desk(self.paper, self.market, self.chance)
        self.portfolio = Portfolio(self.paper, self.market, self.desk)
        self.accounts = Accounts(clients, apps, self.chance)
        self.api = Api(
            self.accounts, Limits(enforced=limits), self.market, self.desk, self.portfolio
        )

    @property
    def orders(self) -> Desk:
        return self.desk

    @property
    def users(self) -> list[str]:
        return list(self.accounts.clients)

    def carry_out(self, request: Request, now: datetime, wish: Wish = PLAIN) -> Answer:
        return self.api.carry_out(request, now, wish)

    def let_in(self, request: Request, now: datetime) -> SimFeed | Answer:
        """Whatever the path. Prices and the orders of the session's user (zerodha.md 9)."""
        login = self.accounts.living(request.one("api_key"), request.one("access_token"), now)
        if login is None:
            return KiteError.dead_session().answer()
        return KiteFeed(
            self.market,
            self.paper,
            rows=lambda at: self.desk.rows(login.user_id, at),
            lives=lambda at: self.accounts.living(login.api_key, login.access_token, at) is login,
            now=now,
        )

    def advance(self, now: datetime) -> None:
        self.paper.advance(now)
        self.desk.advance(now)  # legs and stops, before what was held back
        super().advance(now)

    def take_in(self, listed: tuple[Listing, ...], now: datetime) -> None:
        self.market.take_in(listed)
        super().take_in(listed, now)

    def refusal(self, reason: str) -> Answer:
        return KiteError(*REJECTIONS[reason]).answer()

    def timed_out(self) -> Answer:
        return KiteError.bad_input(TIMED_OUT).answer()

    def unnamed(self) -> Answer:
        return success({})

    def empty_list(self, request: Request) -> Answer:
        return success([])

    def garbled(self) -> Answer:
        return Answer(200, JSON, b'{"status":"success","data":{"order_id":\x00\xff')

    def end_sessions(self, user: str) -> None:
        self.accounts.end_all(user)

    def access_token(self, user: str, now: datetime) -> str:
        app = next(iter(self.accounts.apps.values()))
        return self.accounts.open(app.api_key, user, now).access_token

    def request_token(self, user: str, now: datetime) -> str:
        return self.accounts.grant(next(iter(self.accounts.apps)), user, now)

    def config(self) -> dict[str, str]:
        client = next(iter(self.accounts.clients.values()))
        app = next(iter(self.accounts.apps.values()))
        return {
            "login": "headless",
            "user_id": client.user_id,
            "password": client.password,
            "totp_secret": client.totp_secret,
            "api_key": app.api_key,
            "api_secret": app.api_secret,
        }

    def secrets(self) -> list[str]:
        return [*self.accounts.given]

    def place_by_hand(self, user: str, asked: dict[str, Any], now: datetime) -> str:
        """`asked`: Kite's form, and its `variety`. Raises KiteError."""
        form = {name: str(value) for name, value in asked.items()}
        variety = form.pop("variety", "regular")
        placed = self.api.place(user, variety, form, now, Wish(origin="hand"))
        return str(placed["order_id"])

    def controls(self) -> dict[tuple[str, str], Callable[[Any], Any]]:
        return {("POST", "auctions"): self.portfolio.auctions.update}


def made(options: Options, now: datetime) -> ZerodhaSim:
    """As the command line asks for it."""
    client, app = Client(), App()
    if options.user_id:
        client = replace(client, user_id=options.user_id)
    if options.redirect_url:
        app = replace(app, redirect_url=options.redirect_url)
    return ZerodhaSim(
        seed=options.seed,
        now=now,
        cash=options.cash,
        clients=(client,),
        apps=(app,),
        hours=options.hours,
        limits=options.limits,
    )
