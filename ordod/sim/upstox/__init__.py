"""Upstox, simulated: its Developer API v2 and v3 around the paper exchange.

An independent reading of the fact sheet, of Upstox's documentation and of its SDK (upstox-python-sdk 2.30.0): nothing here
knows the adapter. All three hosts answer at one address.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from msgspec.structs import replace

from ordod.paper.market import Listing
from ordod.sim.broker import BrokerSim, Options, Scope
from ordod.sim.desk import Desk
from ordod.sim.feeds import SimFeed
from ordod.sim.message import Answer, Request
from ordod.sim.orders import PLAIN, Wish
from ordod.sim.upstox.accounts import Accounts, App, Client
from ordod.sim.upstox.api import Api
from ordod.sim.upstox.envelope import UpstoxError, success
from ordod.sim.upstox.limits import Limits
from ordod.sim.upstox.tickets import Tickets

__all__ = ["App", "Client", "UpstoxSim", "made"]

REFUSALS = {
    "funds": (400, "UDAPI100010", "Insufficient funds: the margin required is 9500.00"),
    "holdings": (400, "UDAPI100010", "Insufficient holdings to sell"),
    "input": (400, "UDAPI1043", "The 'price' is required"),
    "order": (400, "UDAPI1158", "Market order is not allowed. Use a limit order."),
    "closed": (423, "UDAPI100074", "The API is accessible from 5:30 AM to 12:00 AM."),
    "limit": (429, "UDAPI10005", "Too Many Request Sent"),
    "depository": (400, "UDAPI100010", "Order request rejected: TPIN authorisation is needed"),
}


class UpstoxSim(BrokerSim):
    """One broker."""

    scopes: ClassVar[Mapping[str, Scope]] = {
        "place": ("POST", "/v3/order/place"),
        "modify": ("PUT", "/v3/order/modify"),
        "cancel": ("DELETE", "/v3/order/cancel"),
        "place_gtt": ("POST", "/v3/order/gtt/place"),
        "modify_gtt": ("PUT", "/v3/order/gtt/modify"),
        "cancel_gtt": ("DELETE", "/v3/order/gtt/cancel"),
        "convert": ("PUT", "/v2/portfolio/convert-position"),
    }
    hidden: ClassVar[frozenset[str]] = frozenset({"client_secret", "code", "pin", "totp"})

    def __init__(
        self,
        options: Options,
        now: datetime,
        *,
        clients: tuple[Client, ...] = (Client(),),
        apps: tuple[App, ...] = (App(),),
    ) -> None:
        super().__init__(options, now)
        self.accounts = Accounts(clients, apps, self.chance)
        self.desk = Desk(self.paper, ids=lambda at, number: f"{at:%y%m%d}{number:09}")
        self.api = Api(
            self.accounts,
            Limits(enforced=options.limits),
            self.paper,
            self.desk,
            Tickets(self.accounts, lambda: self.feed_scheme),
            keeps_hours=options.hours is not None,
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
        return self.api.let_in(request, now)

    def take_in(self, listed: tuple[Listing, ...], now: datetime) -> None:
        self.api.market.take_in(listed)
        super().take_in(listed, now)

    def refusal(self, reason: str) -> Answer:
        return UpstoxError(*REFUSALS[reason]).answer()

    def timed_out(self) -> Answer:
        return UpstoxError(500, "UDAPI100500", "Something went wrong... please contact us").answer()

    def unnamed(self) -> Answer:
        return success({"order_ids": []})

    def empty_list(self, request: Request) -> Answer:
        return success([])

    def end_sessions(self, user: str) -> None:
        self.accounts.end_all(user)

    def access_token(self, user: str, now: datetime) -> str:
        return self.accounts.open(user, now).access_token

    def request_token(self, user: str, now: datetime) -> str:
        return self.accounts.grant(next(iter(self.accounts.apps)), user, now)

    def config(self) -> dict[str, str]:
        app = next(iter(self.accounts.apps.values()))
        return {
            "user_id": self.users[0],
            "api_key": app.client_id,
            "api_secret": app.client_secret,
            "redirect_uri": app.redirect_uri,
        }

    def secrets(self) -> list[str]:
        return list(self.accounts.given)

    def place_by_hand(self, user: str, asked: dict[str, Any], now: datetime) -> str:
        """`asked`: the body of a placement. Raises UpstoxError."""
        return self.api.place(user, asked, now, Wish(origin="hand"))

    def controls(self) -> dict[tuple[str, str], Callable[[Any], Any]]:
        """`POST /_sim/approve` `{"at", "user_id"?}`: the user approves the request on the phone; the token his app's webhook gets."""
        return {("POST", "approve"): self._approve}

    def _approve(self, asked: Any) -> dict[str, str]:
        at = datetime.fromisoformat(asked["at"])
        return {"access_token": self.accounts.approve(asked.get("user_id") or self.users[0], at)}


def made(options: Options, now: datetime) -> UpstoxSim:
    """As the command line asks for it."""
    client, app = Client(), App()
    if options.user_id:
        client = replace(client, user_id=options.user_id)
    if options.redirect_url:
        app = replace(app, redirect_uri=options.redirect_url)
    return UpstoxSim(options, now, clients=(client,), apps=(app,))
