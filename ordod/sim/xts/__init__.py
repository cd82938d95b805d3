"""XTS, simulated for any broker that runs it: the interactive and the market-data API around the paper exchange.

An independent reading of the fact sheet: nothing here knows the adapter. Both APIs are served on one port, their own paths
left off. Sockets are not there.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from msgspec.structs import replace

from ordod.paper.hours import Hours
from ordod.paper.market import Listing
from ordod.sim.broker import BrokerSim, Options, Scope
from ordod.sim.desk import Desk
from ordod.sim.message import Answer, Request
from ordod.sim.orders import PLAIN, Wish
from ordod.sim.xts.accounts import INTERACTIVE, Accounts, Client
from ordod.sim.xts.api import Api
from ordod.sim.xts.envelope import XtsError, success
from ordod.sim.xts.market import Market

__all__ = ["Client", "XtsSim", "made"]

NO_CODE = "e-orders-0003"  # of refusals whose codes are not documented
REJECTIONS = {
    "funds": (NO_CODE, "RMS:Margin Exceeds"),
    "holdings": (NO_CODE, "RMS:Insufficient holdings"),
    "input": ("e-property-validation-failed", "Bad Request"),
    "order": ("e-orders-0002", "Market order Or Price 0 is not allowed for ALGO enabled orders"),
    "closed": (NO_CODE, "Market is closed"),
    "limit": ("e-apirl-0004", "Rate limit exceeded for this API"),
    "depository": (NO_CODE, "RMS:Authorise these holdings before you sell them"),
}


class XtsSim(BrokerSim):
    """One broker of the family, by its id. `hours`, `limits`: as `Options` has them."""

    scopes: ClassVar[Mapping[str, Scope]] = {
        "place": ("POST", "/orders"),
        "modify": ("PUT", "/orders"),
        "cancel": ("DELETE", "/orders"),
        "convert": ("PUT", "/portfolio/positions/convert"),
    }
    hidden = frozenset({"appKey", "secretKey", "accessToken"})

    def __init__(
        self,
        *,
        member: str = "iifl",
        seed: int = 0,
        now: datetime,
        cash: Decimal = Decimal(10_000_000),
        clients: tuple[Client, ...] = (Client(),),
        hours: Hours | None = None,
        limits: bool = True,
    ) -> None:
        super().__init__(Options(seed=seed, cash=cash, hours=hours), now)
        self.market = Market(self.listed, self.paper)
        self.desk = Desk(self.paper, ids=_order_id)
        self.accounts = Accounts(member, clients, self.chance)
        self.api = Api(self.accounts, self.market, self.desk, self.paper, limits=limits)

    @property
    def orders(self) -> Desk:
        return self.desk

    @property
    def users(self) -> list[str]:
        return list(self.accounts.clients)

    def carry_out(self, request: Request, now: datetime, wish: Wish = PLAIN) -> Answer:
        return self.api.carry_out(request, now, wish)

    def take_in(self, listed: tuple[Listing, ...], now: datetime) -> None:
        self.market.take_in(listed)
        super().take_in(listed, now)

    def refusal(self, reason: str) -> Answer:
        code, words = REJECTIONS[reason]
        return XtsError(code, words, 429 if reason == "limit" else 400).answer()

    def timed_out(self) -> Answer:
        return XtsError(NO_CODE, "Request timed out", 400).answer()

    def unnamed(self) -> Answer:
        return success({}, "s-orders-0001", "Request sent")

    def empty_list(self, request: Request) -> Answer:
        """An empty book is an error that says so."""
        if request.path == "/portfolio/positions":
            return success({"positionList": []})
        what = {"/orders/trades": "tradebook", "/portfolio/holdings": "holdings"}
        return XtsError.nothing(what.get(request.path, "orders")).answer()

    def end_sessions(self, user: str) -> None:
        self.accounts.end(user)

    def access_token(self, user: str, now: datetime) -> str:
        return self.accounts.open(user, INTERACTIVE, now)

    def request_token(self, user: str, now: datetime) -> str:
        """The address that the login page ends on. Raises ValueError where there is no page."""
        if self.accounts.page is None:
            return super().request_token(user, now)
        return self.accounts.redirect(user, now)

    def config(self) -> dict[str, str]:
        client = next(iter(self.accounts.clients.values()))
        told = {
            "user_id": client.client_id,
            "api_key": client.app_key,
            "api_secret": client.secret_key,
            "market_api_key": client.market_key,
            "market_api_secret": client.market_secret,
        }
        return told | ({"redirect_uri": client.return_url} if self.accounts.page else {})

    def secrets(self) -> list[str]:
        return list(self.accounts.given)

    def place_by_hand(self, user: str, asked: dict[str, Any], now: datetime) -> str:
        """`asked`: the body of `POST /orders`. Raises XtsError."""
        return self.api.place(user, asked, now, Wish(origin="hand")).order_id


def _order_id(now: datetime, number: int) -> str:
    return str(1_200_000_000 + number)


def made(options: Options, now: datetime) -> XtsSim:
    """As the command line asks for it."""
    client = Client()
    if options.user_id:
        client = replace(client, client_id=options.user_id)
    if options.redirect_url:
        client = replace(client, return_url=options.redirect_url)
    return XtsSim(
        member=options.member or "iifl",
        seed=options.seed,
        now=now,
        cash=options.cash,
        clients=(client,),
        hours=options.hours,
        limits=options.limits,
    )
