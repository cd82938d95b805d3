"""Users, apps and sessions (angelone.md 2)."""

import base64
import random
from datetime import datetime, timedelta
from typing import Any

import orjson
import pyotp
from msgspec import Struct

from ordod.sim.angelone.envelope import AngelError, DeadSessionError
from ordod.sim.message import Request

__all__ = ["Accounts", "App", "Client", "Login"]

WRONG_MAX = 5
STEP_S = 30
IDENTITY = ("x-clientlocalip", "x-clientpublicip", "x-macaddress")
FIXED = {"accept": "application/json", "x-usertype": "USER", "x-sourceid": "WEB"}


class Client(Struct, frozen=True, kw_only=True):
    """A user of the broker."""

    clientcode: str = "A100001"
    pin: str = "4821"
    totp_secret: str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105 - a simulated user's
    name: str = "Asha Trader"


class App(Struct, frozen=True, kw_only=True):
    """A developer's app."""

    api_key: str = "aBcD1234"


class Login(Struct, frozen=True, kw_only=True):
    """A live session: whose, for which app, until when."""

    clientcode: str
    api_key: str
    jwt: str
    refresh: str
    feed: str
    expires_at: datetime


class Accounts:
    """Who may come in. Tokens come from `chance`, so that a seed repeats."""

    def __init__(
        self, clients: tuple[Client, ...], apps: tuple[App, ...], chance: random.Random
    ) -> None:
        self.clients = {client.clientcode: client for client in clients}
        self.apps = {app.api_key: app for app in apps}
        self.given = [text for one in clients for text in (one.pin, one.totp_secret)]  # secret
        self.given += self.apps
        self._chance = chance
        self._wrong: dict[str, int] = {}
        self._last_step: dict[str, int] = {}
        self._live: dict[str, Login] = {}  # by jwt
        self._ended: set[str] = set()  # tokens that were good once and died of age

    def check_headers(self, request: Request) -> str:
        """The app's key; every call names it and says where it comes from. Raises AngelError, DeadSessionError."""
        for name, value in FIXED.items():
            if request.headers.get(name) != value:
                raise AngelError("AB1004", f"Something Went Wrong, header {name}")
        for name in IDENTITY:
            if not request.headers.get(name):
                raise AngelError("AB1004", f"Something Went Wrong, header {name} is missing")
        api_key = request.headers.get("x-privatekey", "")
        if api_key not in self.apps:
            raise DeadSessionError("AG8004", "Invalid API Key")
        return api_key

    def log_in(self, api_key: str, asked: dict[str, Any], now: datetime) -> Login:
        """`POST loginByPassword`. A TOTP code is good once; the fifth wrong try blocks the account. Raises AngelError."""
        code = str(asked.get("clientcode", ""))
        client = self.clients.get(code)
        if client is None:
            raise AngelError("AB1007", "Login Id or password is invalid")
        if self._wrong.get(code, 0) >= WRONG_MAX:
            raise AngelError("AB1006", "Client Is Block For Trading")
        if asked.get("password") != client.pin:
            self._wrong[code] = self._wrong.get(code, 0) + 1
            raise AngelError("AB1007", "Login Id or password is invalid")
        step = _step_of(client, str(asked.get("totp", "")), now)
        if step is None or step <= self._last_step.get(code, -1):
            self._wrong[code] = self._wrong.get(code, 0) + 1
            raise AngelError("AB1050", "Invalid totp")
        self._last_step[code] = step
        self._wrong[code] = 0
        return self.open(api_key, code, now)

    def open(self, api_key: str, clientcode: str, now: datetime) -> Login:
        """A new session, which lives until midnight. The others live on: nothing says that they end."""
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        login = Login(
            clientcode=clientcode,
            api_key=api_key,
            jwt=self._token({"username": clientcode, "exp": int(midnight.timestamp())}),
            refresh=self._token({"token": "REFRESH-TOKEN"}),
            feed=self._token({"username": clientcode}),
            expires_at=midnight,
        )
        self._live[login.jwt] = login
        return login

    def renew(self, api_key: str, asked: dict[str, Any], now: datetime) -> Login:
        """`POST generateTokens`: new tokens for a refresh token of today. Raises AngelError."""
        for login in self._live.values():
            if login.refresh == asked.get("refreshToken") and login.api_key == api_key:
                if now >= login.expires_at:
                    raise AngelError("AB8051", "Refresh Token Expired")
                del self._live[login.jwt]
                return self.open(api_key, login.clientcode, now)
        raise AngelError("AB8050", "Invalid Refresh Token")

    def authorised(self, request: Request, api_key: str, now: datetime) -> Login:
        """The session a request belongs to. Raises DeadSessionError."""
        scheme, _, jwt = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or not jwt:
            raise DeadSessionError("AG8003", "Token missing")
        login = self._live.get(jwt)
        if login is not None and now >= login.expires_at:
            del self._live[jwt]
            self._ended.add(jwt)
        if jwt in self._ended:
            raise DeadSessionError("AG8002", "Token Expired")
        if login is None or login.api_key != api_key:
            raise DeadSessionError("AG8001", "Invalid Token")
        return login

    def of_stream(self, request: Request, now: datetime, *, wants_feed_token: bool) -> Login | str:
        """The session that a handshake names, or what is wrong with it (angelone.md 9.1)."""
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        login = self._live.get(given)
        if login is None or now >= login.expires_at:
            return "Invalid Header - Invalid Auth token"
        if request.headers.get("x-client-code") != login.clientcode:
            return "Invalid Header - Invalid Client Code"
        if request.headers.get("x-api-key") != login.api_key:
            return "Invalid Header - Invalid API Key"
        if wants_feed_token and request.headers.get("x-feed-token") != login.feed:
            return "Invalid Header - Invalid Feed Token"
        return login

    def lives(self, login: Login, now: datetime) -> bool:
        return self._live.get(login.jwt) is login and now < login.expires_at

    def end(self, login: Login) -> None:
        """`POST logout`."""
        self._live.pop(login.jwt, None)

    def end_all(self, clientcode: str) -> None:
        self._live = {jwt: one for jwt, one in self._live.items() if one.clientcode != clientcode}

    def _token(self, claims: dict[str, Any]) -> str:
        """Three parts in base64, as a JWT has."""
        parts = [orjson.dumps({"alg": "HS512"}), orjson.dumps(claims), self._chance.randbytes(64)]
        text = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
        self.given.append(text)
        return text


def _step_of(client: Client, code: str, now: datetime) -> int | None:
    """The 30-second step this code belongs to; None: none near now."""
    generator = pyotp.TOTP(client.totp_secret)
    current = int(now.timestamp()) // STEP_S
    return next(
        (s for s in (current, current - 1, current + 1) if generator.at(s * STEP_S) == code), None
    )
