"""FYERS, simulated: API v3, its data API, the login behind its page and its instrument files around the paper exchange.

An independent reading of the fact sheet: nothing here knows the adapter. The four hosts are served on one port, their own
paths left off.

What every simulated broker does alike stands in `broker.py` and `desk.py`.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

import orjson
from msgspec.structs import replace

from ordod.paper.hours import Hours
from ordod.paper.market import Listing
from ordod.sim.broker import BrokerSim, Options, Scope
from ordod.sim.desk import Desk
from ordod.sim.feeds import SimFeed
from ordod.sim.fyers.accounts import Accounts, Client
from ordod.sim.fyers.api import Api
from ordod.sim.fyers.envelope import JSON, FyersError, success
from ordod.sim.fyers.feeds import HsmFeed, OrderFeed
from ordod.sim.fyers.limits import Limits
from ordod.sim.fyers.market import Market
from ordod.sim.message import Answer, Request
from ordod.sim.orders import PLAIN, Wish

__all__ = ["Client", "FyersSim", "made"]

REJECTIONS = {
    "funds": (400, -99, "RED:Margin Shortfall[9500.00] Available[500.00]"),
    "holdings": (400, -99, "RED:Insufficient holdings to sell"),
    "input": (400, -50, "qty: Invalid input"),
    "order": (400, -99, "RED:Order rejected by the exchange"),
    "closed": (400, -99, "Order not accepted: market closed"),
    "limit": (429, -429, "Request limit reached: second"),
    "depository": (400, -99, "RED:Authorise these holdings before you sell them"),
}


RISK = frozenset({"INSUFFICIENT_FUNDS"})  # what is refused with an id, and stands in the book
LISTS = {"/tradebook": "tradeBook", "/positions": "netPositions", "/holdings": "holdings"}


class FyersSim(BrokerSim):
    """One broker. `hours`, `limits`: as `Options` has them."""

    scopes: ClassVar[Mapping[str, Scope]] = {
        "place": ("POST", "/orders/sync"),
        "modify": ("PATCH", "/orders/sync"),
        "cancel": ("DELETE", "/orders/sync"),
        "place_gtt": ("POST", "/gtt/orders/sync"),
        "modify_gtt": ("PATCH", "/gtt/orders/sync"),
        "cancel_gtt": ("DELETE", "/gtt/orders/sync"),
        "convert": ("POST", "/positions"),
    }
    hidden = frozenset({"code", "appIdHash", "request_key", "otp", "identifier"})

    def __init__(
        self,
        *,
        seed: int = 0,
        now: datetime,
        cash: Decimal = Decimal(10_000_000),
        clients: tuple[Client, ...] = (Client(),),
        hours: Hours | None = None,
        limits: bool = True,
    ) -> None:
        super().__init__(Options(seed=seed, cash=cash, hours=hours), now)
        self.market = Market(self.listed, self.paper)
        self.desk = Desk(self.paper, ids=_order_id, booked_refusals=RISK)
        self.accounts = Accounts(clients, self.chance)
        self.api = Api(self.accounts, Limits(enforced=limits), self.market, self.desk, self.paper)

    @property
    def orders(self) -> Desk:
        return self.desk

    @property
    def users(self) -> list[str]:
        return list(self.accounts.clients)

    def carry_out(self, request: Request, now: datetime, wish: Wish = PLAIN) -> Answer:
        return self.api.carry_out(request, now, wish)

    def let_in(self, request: Request, now: datetime) -> SimFeed | Answer:
        """HSM asks nobody at the door, the order socket does: 403 for a bad token, 404 for a bad address (fyers.md 9)."""
        match request.path:
            case "/hsm/v1-5/prod":
                return HsmFeed(self.market, self.paper, self.accounts.knows_key)
            case "/trade/v3":
                try:
                    client = self.accounts.authorised(request, now)
                except FyersError:
                    return Answer(403, (), b"")
                token = request.headers["authorization"].partition(":")[2]
                return OrderFeed(
                    self.api.pushed(client.fy_id),
                    lambda at: self.accounts.living(token, at) is not None,
                )
            case _:
                return Answer(404, (), b"")

    def advance(self, now: datetime) -> None:
        super().advance(now)
        for user in self.users:
            self.api.gtts(user, now)  # what a trigger released stands in the book

    def take_in(self, listed: tuple[Listing, ...], now: datetime) -> None:
        self.market.take_in(listed)
        super().take_in(listed, now)

    def refusal(self, reason: str) -> Answer:
        return FyersError(*REJECTIONS[reason]).answer()

    def timed_out(self) -> Answer:
        """Sent on, and the order system did not say in time."""
        return success(201, "Request sent. Please check the order book for its status")

    def unnamed(self) -> Answer:
        return success(1101, "Order submitted successfully.")

    def empty_list(self, request: Request) -> Answer:
        name = LISTS.get(request.path, "orderBook")
        return Answer(200, JSON, orjson.dumps({"s": "ok", "code": 200, "message": "", name: []}))

    def end_sessions(self, user: str) -> None:
        self.accounts.end_all(user)

    def access_token(self, user: str, now: datetime) -> str:
        return self.accounts.open(user, now)

    def request_token(self, user: str, now: datetime) -> str:
        """The auth code on the address that the page ends on."""
        return self.accounts.grant(user, now)

    def config(self) -> dict[str, str]:
        client = next(iter(self.accounts.clients.values()))
        return {
            "login": "headless",
            "user_id": client.fy_id,
            "api_key": client.app_id,
            "api_secret": client.app_secret,
            "pin": client.pin,
            "totp_secret": client.totp_secret,
            "redirect_uri": client.redirect_uri,
        }

    def secrets(self) -> list[str]:
        return list(self.accounts.given)

    def place_by_hand(self, user: str, asked: dict[str, Any], now: datetime) -> str:
        """`asked`: the body of `POST /orders/sync`. Raises FyersError."""
        return self.api.place(user, asked, now, Wish(origin="hand")).order_id


def _order_id(now: datetime, number: int) -> str:
    return f"{now:%y%m%d}{number:08}"


def made(options: Options, now: datetime) -> FyersSim:
    """As the command line asks for it."""
    client = Client()
    if options.user_id:
        client = replace(client, fy_id=options.user_id)
    if options.redirect_url:
        client = replace(client, redirect_uri=options.redirect_url)
    return FyersSim(
        seed=options.seed,
        now=now,
        cash=options.cash,
        clients=(client,),
        hours=options.hours,
        limits=options.limits,
    )
