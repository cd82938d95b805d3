"""Users, two pairs of keys each, and their sessions: one a pair, and a second login ends the first (xts.md 2)."""

import random
import string
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

import orjson
from msgspec import Struct

from ordod.sim.clock import IST
from ordod.sim.message import Answer, Request
from ordod.sim.xts.envelope import XtsError, body_of, success

__all__ = ["INTERACTIVE", "MARKET", "PAGES", "Accounts", "Client"]

DIES_AT = time(6, 0)  # not documented; every trading morning is a new login
INTERACTIVE, MARKET, PAGE = "interactive", "market", "page"
# Who has a login page, and what the session it ends with holds; at the others the keys are enough.
PAGES = {"compositedge": "accessToken", "rmoney": "token"}


class Client(Struct, frozen=True, kw_only=True):
    """An investor client of the broker."""

    client_id: str = "CL00001"
    name: str = "ASHA TRADER"
    app_key: str = "simkey0interactive01"
    secret_key: str = "Simsecret#i1"  # noqa: S105 - a simulated user's
    market_key: str = "simkey0marketdata001"
    market_secret: str = "Simsecret#m1"  # noqa: S105
    return_url: str = "http://127.0.0.1/xts"


class Accounts:
    """Who may come in. Everything secret it gives out comes from `chance`, so that a seed repeats."""

    def __init__(self, member: str, clients: tuple[Client, ...], chance: random.Random) -> None:
        self.page = PAGES.get(member)
        self.member = member
        self.clients = {client.client_id: client for client in clients}
        self.given = [
            text
            for one in clients
            for text in (one.app_key, one.secret_key, one.market_key, one.market_secret)
        ]
        self._chance = chance
        self._live: dict[tuple[str, str], tuple[str, datetime]] = {}  # user, API -> token, end

    def authorised(self, request: Request, api: str, now: datetime) -> Client:
        """Whose request it is. Raises XtsError."""
        token = request.headers.get("authorization", "")
        if not token:
            raise XtsError("e-token-0002", "Please Provide token to Authenticate")
        for (user, kind), (live, ends) in self._live.items():
            if kind == api and live == token and now < ends:
                return self.clients[user]
        raise XtsError.dead_session()

    def open(self, user: str, api: str, now: datetime) -> str:
        today = now.astimezone(IST)
        ends = datetime.combine(today.date(), DIES_AT, IST)
        ends += timedelta(days=today >= ends)
        token = f"eyJ{self._text(40)}.{self._text(60)}.{self._text(43)}"
        self.given.append(token)
        self._live[user, api] = (token, ends)
        return token

    def end(self, user: str, *apis: str) -> None:
        for api in apis or (INTERACTIVE, MARKET):
            self._live.pop((user, api), None)

    def redirect(self, user: str, now: datetime) -> str:
        """The address that the login page ends on: JSON in a text, in a query (xts.md 2b)."""
        assert self.page is not None
        api = PAGE if self.page == "accessToken" else INTERACTIVE
        said = {self.page: self.open(user, api, now), "userID": user}
        session = orjson.dumps(orjson.dumps(said).decode()).decode()
        return f"{self.clients[user].return_url}?{urlencode({'session': session})}"

    def login(self, request: Request, now: datetime) -> Answer:
        """`POST /user/session`."""
        body = body_of(request)
        client = self._of_keys(body, "app_key", "secret_key")
        if self.page is not None:
            due, ends = self._live.pop((client.client_id, PAGE), ("", now))
            if not due or body.get("accessToken") != due or now >= ends:
                raise XtsError("e-user-0002", "Access token is not valid")
        elif str(body.get("source", "")).upper() != "WEBAPI" and not body.get("accessToken"):
            raise XtsError.bad_input("source")
        return success(
            {
                "token": self.open(client.client_id, INTERACTIVE, now),
                "userID": client.client_id,
                "isInvestorClient": True,
                "isOneTouchUser": False,
                "clientCodes": [client.client_id],
                "exchangeSegmentArray": [],
                "enums": {},
            },
            "s-user-0001",
            "User Loggen in Sucessfully",
        )

    def market_login(self, request: Request, now: datetime) -> Answer:
        """`POST /auth/login`, of the market-data API."""
        client = self._of_keys(body_of(request), "market_key", "market_secret")
        said = {
            "token": self.open(client.client_id, MARKET, now),
            "userID": client.client_id,
            "appVersion": "2.0",
            "application_expiry_date": "31-12-2030",
        }
        return success(said, "s-auth-0001", "Login successfully.")

    def profile(self, client: Client) -> Answer:
        return success(
            {
                "ClientId": client.client_id,
                "ClientName": client.name,
                "EmailId": "a***@example.com",
                "MobileNo": "98******10",
                "PAN": "XXXXX1234X",
                "ClientExchangeDetailsList": {
                    "NSECM": {
                        "ClientId": client.client_id,
                        "ExchangeSegNumber": 1,
                        "Enabled": True,
                        "ParticipantCode": "",
                    }
                },
            }
        )

    def _of_keys(self, body: Any, key: str, secret: str) -> Client:
        for client in self.clients.values():
            if (body.get("appKey"), body.get("secretKey")) == (
                getattr(client, key),
                getattr(client, secret),
            ):
                return client
        raise XtsError("e-user-0001", "Invalid application key or secret")

    def _text(self, length: int) -> str:
        return "".join(self._chance.choices(string.ascii_letters + string.digits, k=length))
