"""Noren, simulated, as its members run it: one order system around the paper exchange, the login behind each member's page, and its files.

An independent reading of the fact sheet: nothing here knows the adapter. Hosts are served on one port, their own paths left off.
Which member is asked for stands in `Options.member`; what differs between them in `members.py`.
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
from ordod.sim.noren.accounts import Accounts, Client
from ordod.sim.noren.api import Api, Limits
from ordod.sim.noren.envelope import NO_DATA, NorenError
from ordod.sim.noren.market import Market
from ordod.sim.noren.members import MEMBERS
from ordod.sim.orders import PLAIN, Wish

__all__ = ["Client", "NorenSim", "made"]

REJECTIONS = {
    "funds": "Rejected : RED:Margin Shortfall:INR 9500.00 Available:INR 500.00",
    "holdings": "Rejected : RMS:Check Holdings including BTST",
    "input": "Invalid Input :  Invalid Price",
    "order": "Rejected : ALGO_CHK: Order not allowed for API order",
    "closed": "Rejected : RED:Market closed, place the order as AMO",
    "limit": "Invalid Input :  Order Recieved 11 in a current second exceeds Limit 10 for user",
    "depository": "Rejected : RMS:Holdings are not authorised",
}


class NorenSim(BrokerSim):
    """One member. `hours`, `limits`: as `Options` has them."""

    scopes: ClassVar[Mapping[str, Scope]] = {
        "place": ("POST", "/PlaceOrder"),
        "modify": ("POST", "/ModifyOrder"),
        "cancel": ("POST", "/CancelOrder"),
        "place_gtt": ("POST", "/PlaceGTTOrder"),
        "modify_gtt": ("POST", "/ModifyGTTOrder"),
        "cancel_gtt": ("POST", "/CancelGTTOrder"),
        "convert": ("POST", "/ProductConversion"),
    }
    hidden = frozenset({"request_code", "api_secret"})

    def __init__(
        self,
        member: str,
        *,
        seed: int = 0,
        now: datetime,
        cash: Decimal = Decimal(10_000_000),
        clients: tuple[Client, ...] = (Client(),),
        hours: Hours | None = None,
        limits: bool = True,
    ) -> None:
        super().__init__(Options(seed=seed, cash=cash, hours=hours), now)
        profile = MEMBERS[member]
        self.market = Market(profile, self.listed, self.paper)
        self.desk = Desk(self.paper, ids=_order_id)
        self.accounts = Accounts(clients, profile, self.chance)
        counts = Limits(profile, enforced=limits)
        self.api = Api(profile, self.accounts, counts, self.market, self.desk, self.paper)

    @property
    def orders(self) -> Desk:
        return self.desk

    @property
    def users(self) -> list[str]:
        return list(self.accounts.clients)

    def carry_out(self, request: Request, now: datetime, wish: Wish = PLAIN) -> Answer:
        return self.api.carry_out(request, now, wish)

    def advance(self, now: datetime) -> None:
        super().advance(now)
        for user in self.users:
            self.api.gtts(user, now)  # what a trigger released stands in the book

    def take_in(self, listed: tuple[Listing, ...], now: datetime) -> None:
        self.market.take_in(listed)
        super().take_in(listed, now)

    def refusal(self, reason: str) -> Answer:
        return NorenError(REJECTIONS[reason]).answer()

    def timed_out(self) -> Answer:
        return NorenError("Server Timeout :  ").answer()

    def unnamed(self) -> Answer:
        return Answer(200, (("content-type", "application/json"),), b'{"stat":"Ok"}')

    def empty_list(self, request: Request) -> Answer:
        return NorenError(NO_DATA).answer()

    def end_sessions(self, user: str) -> None:
        self.accounts.end_all(user)

    def access_token(self, user: str, now: datetime) -> str:
        return self.accounts.open(user, now)

    def request_token(self, user: str, now: datetime) -> str:
        """The code on the address that the page ends on."""
        return self.accounts.grant(user, now)

    def config(self) -> dict[str, str]:
        client = next(iter(self.accounts.clients.values()))
        return {"user_id": client.uid, "api_key": client.app_id, "api_secret": client.app_secret}

    def secrets(self) -> list[str]:
        return list(self.accounts.given)

    def place_by_hand(self, user: str, asked: dict[str, Any], now: datetime) -> str:
        """`asked`: the object of `PlaceOrder`. Raises NorenError."""
        return self.api.place(user, asked, now, Wish(origin="hand")).order_id


def _order_id(now: datetime, number: int) -> str:
    return f"{now:%y%m%d}{number:08}"


def made(options: Options, now: datetime) -> NorenSim:
    """As the command line asks for it."""
    client = Client()
    if options.user_id:
        client = replace(client, uid=options.user_id)
    return NorenSim(
        options.member,
        seed=options.seed,
        now=now,
        cash=options.cash,
        clients=(client,),
        hours=options.hours,
        limits=options.limits,
    )
