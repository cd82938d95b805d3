"""Users, apps and sessions: the login page, codes, tokens, and the approval by phone (upstox.md 2).

What happens on Upstox's own login page is not documented and is no program's business; what a person does there is one form
here: mobile number, TOTP, PIN.
"""

import random
import string
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

import pyotp
from msgspec import Struct

from ordod.sim.message import Answer, Request
from ordod.sim.upstox.envelope import UpstoxError

__all__ = ["Accounts", "App", "Client", "Login"]

SESSIONS_END = time(3, 30)  # IST
CODE_LIVES = timedelta(minutes=10)
APPROVAL_LIVES = timedelta(minutes=10)
WRONG_MAX = 5
HTML = (("content-type", "text/html; charset=utf-8"),)


class Client(Struct, frozen=True, kw_only=True):
    """A user of the broker."""

    user_id: str = "ZZ0001"
    mobile: str = "9800000001"
    pin: str = "135790"
    totp_secret: str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105 - a simulated user's
    name: str = "A TRADER"


class App(Struct, frozen=True, kw_only=True):
    """A developer's app, with the redirect URL it is registered with."""

    client_id: str = "615b1297-d443-3b39-ba19-1927fbcdddc7"
    client_secret: str = "simsecret0"  # noqa: S105
    redirect_uri: str = "http://127.0.0.1/callback"


class Login(Struct, frozen=True, kw_only=True):
    """A live access token: whose, until when."""

    user_id: str
    access_token: str
    expires_at: datetime


class _Code(Struct, frozen=True):
    user_id: str
    client_id: str
    at: datetime


class Accounts:
    """Who may come in. Everything secret it gives out comes from `chance`, so that a seed repeats."""

    def __init__(
        self, clients: tuple[Client, ...], apps: tuple[App, ...], chance: random.Random
    ) -> None:
        self.clients = {client.user_id: client for client in clients}
        self.apps = {app.client_id: app for app in apps}
        self.given = [text for one in clients for text in (one.pin, one.totp_secret)]  # secret
        self.given += [text for one in apps for text in (one.client_id, one.client_secret)]
        self._chance = chance
        self._codes: dict[str, _Code] = {}
        self._live: dict[str, Login] = {}
        self._asked: dict[str, datetime] = {}  # client_id -> when the user was asked on the phone
        self._wrong: dict[str, int] = {}
        self._last_step: dict[str, int] = {}

    # Sessions

    def authorised(self, request: Request, now: datetime) -> Login:
        """The session a request belongs to. Raises UpstoxError 401."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        login = self._live.get(token)
        if scheme != "Bearer" or login is None or now >= login.expires_at:
            raise UpstoxError.dead_token()
        return login

    def lives(self, login: Login, now: datetime) -> bool:
        return self._live.get(login.access_token) is login and now < login.expires_at

    def open(self, user_id: str, now: datetime) -> Login:
        """A new session; the ones before live on (upstox.md 2.5)."""
        end = datetime.combine(now.date(), SESSIONS_END, now.tzinfo)
        login = Login(
            user_id=user_id,
            access_token=f"{self.text(36)}.{self.text(60)}.{self.text(43)}",
            expires_at=end if now < end else end + timedelta(days=1),
        )
        self._live[login.access_token] = login
        return login

    def end(self, login: Login) -> None:
        del self._live[login.access_token]

    def end_all(self, user_id: str) -> None:
        self._live = {t: login for t, login in self._live.items() if login.user_id != user_id}

    # The page (upstox.md 2.1)

    def dialog(self, request: Request) -> Answer:
        """`GET .../dialog`: the login form. Raises UpstoxError for a wrong app or address."""
        self._app(request.one("client_id"), request.one("redirect_uri"))
        if request.one("response_type") != "code":
            raise UpstoxError.bad_input("response_type")
        page = (
            b"<html><title>Login to Upstox</title><form method=post>mobile totp pin</form></html>"
        )
        return Answer(200, HTML, page)

    def submit(self, request: Request, now: datetime) -> Answer:
        """What a person does there: to the app's own address with a code."""
        app = self._app(request.one("client_id"), request.one("redirect_uri"))
        form = request.form
        client = next((c for c in self.clients.values() if c.mobile == form.get("mobile")), None)
        if client is None:
            return _page(200, "No such user")
        if self._wrong.get(client.user_id, 0) >= WRONG_MAX:
            return _page(200, "Your account is locked. Reset your PIN.")
        step = self._step_of(client, form.get("totp", ""), now)
        if step is None or form.get("pin") != client.pin:
            self._wrong[client.user_id] = self._wrong.get(client.user_id, 0) + 1
            return _page(200, "Invalid TOTP or PIN")
        self._wrong[client.user_id] = 0
        self._last_step[client.user_id] = step
        query = {"code": self.grant(app.client_id, client.user_id, now)}
        if request.one("state"):
            query["state"] = request.one("state")
        return Answer(302, (*HTML, ("location", f"{app.redirect_uri}?{urlencode(query)}")), b"")

    def grant(self, client_id: str, user_id: str, now: datetime) -> str:
        """A code, as the redirect carries it."""
        code = self.text(6)
        self._codes[code] = _Code(user_id, client_id, now)
        return code

    def exchange(self, form: dict[str, str], now: datetime) -> dict[str, Any]:
        """`POST .../token`: a code is spent by the first try, whatever comes of it."""
        granted = self._codes.pop(form.get("code", ""), None)
        app = self._app(form.get("client_id", ""), form.get("redirect_uri", ""))
        if form.get("grant_type") != "authorization_code":
            raise UpstoxError.bad_input("grant_type")
        if form.get("client_secret") != app.client_secret:
            raise UpstoxError(401, "UDAPI100016", "Invalid Credentials")
        if granted is None or granted.client_id != app.client_id or now - granted.at > CODE_LIVES:
            raise UpstoxError(401, "UDAPI100057", "Invalid Auth code")
        login = self.open(granted.user_id, now)
        token = {"access_token": login.access_token, "extended_token": None}
        return profile(self.clients[login.user_id]) | token

    # By the phone (upstox.md 2.2)

    def ask(self, client_id: str, secret: str, now: datetime) -> dict[str, str]:
        """The user is asked; nothing else happens until he approves."""
        app = self.apps.get(client_id)
        if app is None or secret != app.client_secret:
            raise UpstoxError(401, "UDAPI100016", "Invalid Credentials")
        self._asked[client_id] = now
        expiry = int((now + APPROVAL_LIVES).timestamp() * 1000)
        return {
            "authorization_expiry": str(expiry),
            "notifier_url": "https://app.example/upstox/token",
        }

    def approve(self, user_id: str, now: datetime) -> str:
        """The user approves: the token that Upstox now sends to the app's webhook. Raises ValueError where nothing was asked."""
        asked = [c for c, at in self._asked.items() if now - at <= APPROVAL_LIVES]
        if not asked:
            raise ValueError("nothing was asked")
        del self._asked[asked[0]]
        return self.open(user_id, now).access_token

    # Pieces

    def text(self, length: int) -> str:
        """A secret of this length."""
        self.given.append(
            "".join(self._chance.choices(string.ascii_letters + string.digits, k=length))
        )
        return self.given[-1]

    def _app(self, client_id: str, redirect_uri: str) -> App:
        app = self.apps.get(client_id)
        if app is None or redirect_uri != app.redirect_uri:
            raise UpstoxError(
                400,
                "UDAPI100068",
                "Check your 'client_id' and 'redirect_uri'; one or both are incorrect.",
            )
        return app

    def _step_of(self, client: Client, code: str, now: datetime) -> int | None:
        """The 30-second step of a code that was not used before."""
        generator, current = pyotp.TOTP(client.totp_secret), int(now.timestamp()) // 30
        found = (s for s in (current, current - 1, current + 1) if generator.at(s * 30) == code)
        step = next(found, None)
        return step if step is not None and step > self._last_step.get(client.user_id, -1) else None


def profile(client: Client) -> dict[str, Any]:
    """`GET /v2/user/profile`, and the common part of the token's answer."""
    return {
        "email": f"{client.user_id.lower()}@example.in",
        "exchanges": ["NSE", "NFO", "BSE", "CDS", "BFO", "BCD", "MCX"],
        "products": ["D", "CO", "I"],
        "broker": "UPSTOX",
        "user_id": client.user_id,
        "user_name": client.name,
        "order_types": ["MARKET", "LIMIT", "SL", "SL-M"],
        "user_type": "individual",
        "poa": False,
        "ddpi": True,
        "is_active": True,
    }


def _page(status: int, words: str) -> Answer:
    return Answer(status, HTML, f"<html><title>Login to Upstox</title>{words}</html>".encode())
