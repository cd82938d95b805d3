"""Dhan, simulated: DhanHQ v2, its auth host and its instrument file around the paper exchange.

An independent reading of the fact sheet and of Dhan's SDK (dhanhq 2.3.0): nothing here knows the adapter. The five hosts are
served on one port, `/v2` left off; of the two sockets that of prices is the one with a query.

What every simulated broker does alike stands in `broker.py` and `desk.py`.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from weakref import ref

from msgspec.structs import replace

from ordod.paper.hours import Hours
from ordod.paper.market import Listing
from ordod.sim.broker import BrokerSim, Options, Scope
from ordod.sim.desk import Desk
from ordod.sim.dhan.accounts import Accounts, Client
from ordod.sim.dhan.api import Api
from ordod.sim.dhan.envelope import JSON, DhanError, success
from ordod.sim.dhan.feeds import TOO_MANY, MarketFeed, OrderFeed
from ordod.sim.dhan.limits import Limits
from ordod.sim.dhan.market import Market
from ordod.sim.feeds import SimFeed
from ordod.sim.message import Answer, Request
from ordod.sim.orders import PLAIN, Wish

__all__ = ["Client", "DhanSim", "made"]

CONNECTIONS_MAX = 5  # for prices, of one client
REJECTIONS = {
    "funds": (400, "DH-906", "Insufficient funds: margin shortfall of 9500.00"),
    "holdings": (400, "DH-906", "Insufficient holdings to sell"),
    "input": (400, "DH-905", "Missing required fields, bad values for parameters etc."),
    "order": (400, "DH-906", "Incorrect request for order and cannot be processed"),
    "closed": (400, "DH-906", "Market is closed! Please place an after market order"),
    "limit": (429, "DH-904", "Too many requests on server from single user breaching rate limits."),
    "depository": (400, "DH-906", "Authorise these holdings with your TPIN before you sell them"),
}


class DhanSim(BrokerSim):
    """One broker. `hours`, `limits`: as `Options` has them."""

    scopes: ClassVar[Mapping[str, Scope]] = {
        "place": ("POST", "/orders"),
        "modify": ("PUT", "/orders/"),
        "cancel": ("DELETE", "/orders/"),
        "place_gtt": ("POST", "/forever/orders"),
        "modify_gtt": ("PUT", "/forever/orders/"),
        "cancel_gtt": ("DELETE", "/forever/orders/"),
        "convert": ("POST", "/positions/convert"),
    }

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
        self.desk = Desk(self.paper, ids=_order_id)
        self.accounts = Accounts(clients, self.chance, limits=limits)
        self.api = Api(self.accounts, Limits(enforced=limits), self.market, self.desk, self.paper)

        self._open: dict[str, list[ref[MarketFeed]]] = {}  # client -> his feeds of prices

    @property
    def orders(self) -> Desk:
        return self.desk

    @property
    def users(self) -> list[str]:
        return list(self.accounts.clients)

    def carry_out(self, request: Request, now: datetime, wish: Wish = PLAIN) -> Answer:
        return self.api.carry_out(request, now, wish)

    def let_in(self, request: Request, now: datetime) -> SimFeed | Answer:
        """Nobody is asked at the door: who may not come is told so by a packet, or hung up on (dhan.md 9)."""
        if request.path != "/":
            return Answer(404, (), b"")
        if not request.query:
            return OrderFeed(self.api.pushed, self._who)
        token, client_id = request.one("token"), request.one("clientId")
        feed = MarketFeed(
            self.market, self.paper, lambda at: self.accounts.unfit(token, client_id, at)
        )
        self._make_room(client_id)
        self._open[client_id].append(ref(feed))
        return feed

    def _make_room(self, client_id: str) -> None:
        """The oldest goes. A feed that nobody holds is closed already."""
        living = [each for each in self._open.get(client_id, ()) if each() is not None]
        if len(living) >= CONNECTIONS_MAX and (oldest := living.pop(0)()) is not None:
            oldest.end(TOO_MANY)
        self._open[client_id] = living

    def _who(self, access_token: str, now: datetime) -> str | None:
        client = self.accounts.living(access_token, now)
        return client.client_id if client else None

    def advance(self, now: datetime) -> None:
        super().advance(now)
        for user in self.users:
            self.api.gtts(user, now)  # what a forever order released stands in the book

    def take_in(self, listed: tuple[Listing, ...], now: datetime) -> None:
        self.market.take_in(listed)
        super().take_in(listed, now)

    def refusal(self, reason: str) -> Answer:
        return DhanError(*REJECTIONS[reason]).answer()

    def timed_out(self) -> Answer:
        return DhanError(500, "DH-908", "Internal Server Error").answer()

    def unnamed(self) -> Answer:
        return success({"orderStatus": "TRANSIT"})

    def empty_list(self, request: Request) -> Answer:
        return success([])

    def garbled(self) -> Answer:
        return Answer(200, JSON, b'{"orderId":\x00\xff')

    def reader(self, request: Request) -> str:
        return request.headers.get("access-token", "")

    def end_sessions(self, user: str) -> None:
        self.accounts.end_all(user)

    def access_token(self, user: str, now: datetime) -> str:
        return self.accounts.open(user, now).access_token

    def request_token(self, user: str, now: datetime) -> str:
        """The token id of a consent."""
        return self.accounts.grant(user)

    def config(self) -> dict[str, str]:
        client = next(iter(self.accounts.clients.values()))
        return {
            "user_id": client.client_id,
            "pin": client.pin,
            "totp_secret": client.totp_secret,
        }

    def secrets(self) -> list[str]:
        return list(self.accounts.given)

    def place_by_hand(self, user: str, asked: dict[str, Any], now: datetime) -> str:
        """`asked`: the body of `POST /orders`. Raises DhanError."""
        body = {"dhanClientId": user, **asked}
        return self.api.place(user, body, now, Wish(origin="hand")).order_id


def _order_id(now: datetime, number: int) -> str:
    return f"1{now:%y%m%d}{number:08}"


def made(options: Options, now: datetime) -> DhanSim:
    """As the command line asks for it."""
    client = Client()
    if options.user_id:
        client = replace(client, client_id=options.user_id)
    return DhanSim(
        seed=options.seed,
        now=now,
        cash=options.cash,
        clients=(client,),
        hours=options.hours,
        limits=options.limits,
    )
