"""Angel One, simulated: SmartAPI around the paper exchange.

An independent reading of the fact sheet and of the broker's SDK (smartapi-python 1.5.5): nothing here knows the adapter.

What every simulated broker does alike stands in `broker.py` and `desk.py`.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from msgspec.structs import replace

from ordod.paper.market import Listing
from ordod.sim.angelone.accounts import Accounts, App, Client
from ordod.sim.angelone.api import Api
from ordod.sim.angelone.envelope import JSON, AngelError, TooManyError, success
from ordod.sim.angelone.feeds import OrderFeed, PriceFeed
from ordod.sim.angelone.limits import Limits
from ordod.sim.angelone.market import Market
from ordod.sim.angelone.orders import Orders
from ordod.sim.angelone.portfolio import Portfolio
from ordod.sim.angelone.triggers import Triggers
from ordod.sim.broker import BrokerSim, Options, Scope
from ordod.sim.desk import BOOKED_REFUSALS, Desk
from ordod.sim.feeds import SimFeed
from ordod.sim.message import Answer, Request
from ordod.sim.orders import PLAIN, Wish

__all__ = ["AngelOneSim", "App", "Client", "made"]

# Angel One answers most refusals with an order id and tells them in the book. What a placement is refused with at once are
# these; money and hours have no code of their own there and come, if at all, as an error not specified.
REJECTIONS = {
    "funds": AngelError(
        "AB2000", "Insufficient Funds. You require Rs. 9500.00 funds to execute this order."
    ),
    "holdings": AngelError("AB4013", "TPIN is not validated"),
    "input": AngelError("AB1012", "Invalid Product Type"),
    "order": AngelError("AB1009", "Symbol Not Found"),
    "closed": AngelError("AB2000", "Adapter is Logged Off"),
    "limit": TooManyError(),
    "depository": AngelError("AB4013", "TPIN is not validated"),
}
ORDER, GTT = "/rest/secure/angelbroking/order/v1", "/gtt-service/rest/secure/angelbroking/gtt/v1"


class AngelOneSim(BrokerSim):
    """One broker. `hours`, `limits`: as `Options` has them."""

    scopes: ClassVar[Mapping[str, Scope]] = {
        "place": ("POST", f"{ORDER}/placeOrder"),
        "modify": ("POST", f"{ORDER}/modifyOrder"),
        "cancel": ("POST", f"{ORDER}/cancelOrder"),
        "place_gtt": ("POST", f"{GTT}/createRule"),
        "modify_gtt": ("POST", f"{GTT}/modifyRule"),
        "cancel_gtt": ("POST", f"{GTT}/cancelRule"),
        "convert": ("POST", f"{ORDER}/convertPosition"),
    }
    hidden: ClassVar[frozenset[str]] = frozenset({"password", "totp", "refreshToken", "jwtToken"})

    def __init__(
        self,
        options: Options,
        now: datetime,
        *,
        clients: tuple[Client, ...] = (Client(),),
        apps: tuple[App, ...] = (App(),),
    ) -> None:
        super().__init__(options, now)
        self.market = Market(self.listed, self.paper)
        booked = BOOKED_REFUSALS | {"INVALID_INPUT"}
        self.desk = Desk(self.paper, ids=_order_id, booked_refusals=booked)
        self.accounts = Accounts(clients, apps, self.chance)
        self.order_calls = Orders(
            self.paper, self.market, self.desk, has_hours=options.hours is not None
        )
        self.api = Api(
            self.accounts,
            Limits(enforced=options.limits),
            self.market,
            self.order_calls,
            Portfolio(self.paper, self.market, self.desk),
            Triggers(self.paper, self.market, self.desk),
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
        """Both sockets ask at the door; the one for prices wants the feed token, too (angelone.md 9)."""
        if request.path not in ("/smart-stream", "/smart-order-update"):
            return Answer(404, (), b"")
        is_of_prices = request.path == "/smart-stream"
        login = self.accounts.of_stream(request, now, wants_feed_token=is_of_prices)
        if isinstance(login, str):
            return Answer(401, (("x-error-message", login),), b"")
        known = login
        if is_of_prices:
            return PriceFeed(self.market, lambda at: self.accounts.lives(known, at))
        return OrderFeed(
            known.clientcode,
            lambda at: self.order_calls.pushed(known.clientcode, at),
            lambda at: self.accounts.lives(known, at),
        )

    def take_in(self, listed: tuple[Listing, ...], now: datetime) -> None:
        self.market.take_in(listed)
        super().take_in(listed, now)

    def refusal(self, reason: str) -> Answer:
        return REJECTIONS[reason].answer()

    def timed_out(self) -> Answer:
        return AngelError("AB1004", "Something Went Wrong, Please Try After Sometime").answer()

    def unnamed(self) -> Answer:
        """A 200 with nothing in it, as seen of orders that went through (angelone.md 12)."""
        return Answer(200, JSON, b"")

    def empty_list(self, request: Request) -> Answer:
        return success(None)

    def end_sessions(self, user: str) -> None:
        self.accounts.end_all(user)

    def access_token(self, user: str, now: datetime) -> str:
        return self.accounts.open(next(iter(self.accounts.apps)), user, now).jwt

    def config(self) -> dict[str, str]:
        client = next(iter(self.accounts.clients.values()))
        return {
            "user_id": client.clientcode,
            "pin": client.pin,
            "totp_secret": client.totp_secret,
            "api_key": next(iter(self.accounts.apps)),
        }

    def secrets(self) -> list[str]:
        return list(self.accounts.given)

    def place_by_hand(self, user: str, asked: dict[str, Any], now: datetime) -> str:
        """`asked`: the fields of `placeOrder`. Raises AngelError."""
        wish = Wish(origin="hand")
        return self.order_calls.place(user, asked, now, wish).order_id


def made(options: Options, now: datetime) -> AngelOneSim:
    """As the command line asks for it."""
    client = Client()
    if options.user_id:
        client = replace(client, clientcode=options.user_id)
    return AngelOneSim(options, now, clients=(client,))


def _order_id(now: datetime, number: int) -> str:
    """Fifteen digits: yymmdd and a count (angelone.md 4.2)."""
    return f"{now:%y%m%d}{number:09}"
