"""Users, apps, codes and tokens: FYERS' own page, the steps behind it, and who may come in (fyers.md 2)."""

import base64
import random
import string
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import orjson
import pyotp
from msgspec import Struct

from ordod.sim.clock import IST
from ordod.sim.fyers.envelope import JSON, FyersError, body_of, success
from ordod.sim.message import Answer, Request

__all__ = ["Accounts", "Client"]

DIES_AT = time(6, 0)  # "the early morning of the next day"
CODE_LIFE = timedelta(minutes=5)
WRONG_MAX = 5


class Client(Struct, frozen=True, kw_only=True):
    """A user of the broker, and the one app of his."""

    fy_id: str = "XA00001"
    pin: str = "4829"
    totp_secret: str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105 - a simulated user's
    name: str = "ASHA TRADER"
    app_id: str = "SIMAPP0001-100"
    app_secret: str = "SIMSECRET9"  # noqa: S105
    redirect_uri: str = "http://127.0.0.1/fyers"


class Accounts:
    """Who may come in. Everything secret it gives out comes from `chance`, so that a seed repeats."""

    def __init__(self, clients: tuple[Client, ...], chance: random.Random) -> None:
        self.clients = {client.fy_id: client for client in clients}
        self.given = [t for one in clients for t in (one.pin, one.totp_secret, one.app_secret)]
        self._chance = chance
        self._live: dict[str, tuple[str, datetime]] = {}  # token -> user, end
        self._keys: dict[str, str] = {}  # hsm_key -> token
        self._codes: dict[str, tuple[str, datetime]] = {}  # auth code -> user, end
        self._steps: dict[str, tuple[str, str]] = {}  # request key -> user, what comes next
        self._wrong: dict[str, int] = {}
        self._last_code: dict[str, int] = {}

    # The API's side

    def authorised(self, request: Request, now: datetime) -> Client:
        """Whose request it is: `Authorization: <app id>:<token>`. Raises FyersError."""
        app_id, _, token = request.headers.get("authorization", "").partition(":")
        client = self.living(token, now)
        if client is None or client.app_id != app_id:
            raise FyersError.dead_session()
        return client

    def living(self, token: str, now: datetime) -> Client | None:
        """Whose token it is."""
        user, ends = self._live.get(token, ("", now))
        return self.clients[user] if now < ends else None

    def knows_key(self, key: str, now: datetime) -> bool:
        """Whether a living token has this `hsm_key` (9.1)."""
        return self.living(self._keys.get(key, ""), now) is not None

    def open(self, user: str, now: datetime) -> str:
        """A new token: a JWT that tells its own end."""
        today = now.astimezone(IST)
        ends = datetime.combine(today.date(), DIES_AT, IST)
        ends += timedelta(days=today >= ends)
        claims = {"iat": int(now.timestamp()), "exp": int(ends.timestamp()), "fy_id": user}
        key = self._text(16)
        token = self._keys[key] = self._jwt(claims | {"hsm_key": key})
        self.given.append(key)
        self._live[token] = (user, ends)
        return token

    def end_all(self, user: str) -> None:
        self._live = {token: (who, end) for token, (who, end) in self._live.items() if who != user}

    def logout(self, request: Request) -> Answer:
        self._live.pop(request.headers["authorization"].partition(":")[2], None)
        return success(message="you are successfully logged out")

    def profile(self, client: Client) -> Answer:
        data = {
            "fy_id": client.fy_id,
            "name": client.name,
            "display_name": client.name.title(),
            "email_id": "a***@example.com",
            "PAN": "XXXXX1234X",
            "mobile_number": "98******10",
            "pwd_to_expire": 90,
            "totp": True,
            "ddpi_enabled": True,
            "mtf_enabled": False,
            "image": None,
        }
        return success(data=data)

    # The way in

    def grant(self, user: str, now: datetime) -> str:
        """What the login page puts on the address it ends on: good once, for minutes."""
        code = self._jwt({"exp": int((now + CODE_LIFE).timestamp()), "sub": "auth_code"})
        self._codes[code] = (user, now + CODE_LIFE)
        return code

    def validate(self, request: Request, now: datetime) -> Answer:
        """`POST /validate-authcode`."""
        body = body_of(request)
        user, ends = self._codes.pop(str(body.get("code")), ("", now))
        if now >= ends:
            raise FyersError(401, -413, "Invalid auth code")
        client = self.clients[user]
        proof = sha256(f"{client.app_id}:{client.app_secret}".encode()).hexdigest()
        if body.get("grant_type") != "authorization_code" or body.get("appIdHash") != proof:
            raise FyersError(400, -371, "Invalid app id hash")
        return success(access_token=self.open(user, now), refresh_token=self._jwt({"r": user}))

    def send_otp(self, request: Request, now: datetime) -> Answer:
        """The first of the undocumented steps."""
        body = body_of(request)
        user = _unpacked(body.get("fy_id"))
        if user not in self.clients or body.get("app_id") != "2":
            raise FyersError(400, -1001, "Invalid user id")
        if self._wrong.get(user, 0) >= WRONG_MAX:
            raise FyersError(400, -1010, "Your account is blocked")
        return success(request_key=self._next(user, "otp"))

    def verify_otp(self, request: Request, now: datetime) -> Answer:
        """A code is good for its own 30 seconds and the ones beside, once."""
        body = body_of(request)
        user = self._due(body, "otp")
        generator = pyotp.TOTP(self.clients[user].totp_secret)
        current = int(now.timestamp()) // 30
        given = str(body.get("otp"))
        near = (current, current - 1, current + 1)
        step = next((s for s in near if generator.at(s * 30) == given), -1)
        if step <= self._last_code.get(user, -1):
            self._wrong[user] = self._wrong.get(user, 0) + 1
            raise FyersError(400, -1025, "Invalid TOTP")
        self._last_code[user] = step
        return success(request_key=self._next(user, "pin"))

    def verify_pin(self, request: Request, now: datetime) -> Answer:
        """Its token opens the last step only."""
        body = body_of(request)
        user = self._due(body, "pin")
        is_pin = body.get("identity_type") == "pin"
        if not is_pin or _unpacked(body.get("identifier")) != self.clients[user].pin:
            self._wrong[user] = self._wrong.get(user, 0) + 1
            raise FyersError(401, -1026, "Invalid PIN")
        self._wrong[user] = 0
        return success(data={"access_token": self._next(user, "token")})

    def authorise(self, request: Request, now: datetime) -> Answer:
        """`POST /token`: a 308 with a body, as scripts tell it."""
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        client = self.clients[self._due({"request_key": key}, "token")]
        body = body_of(request)
        app_id, _, kind = client.app_id.partition("-")
        due = {"fyers_id": client.fy_id, "app_id": app_id, "appType": kind}
        due |= {"redirect_uri": client.redirect_uri, "response_type": "code"}
        if any(body.get(name) != value for name, value in due.items()):
            raise FyersError(400, -352, "invalid app id")
        code = self.grant(client.fy_id, now)
        query = urlencode({"s": "ok", "code": "200", "auth_code": code, "state": body.get("state")})
        said = {"s": "ok", "code": 308, "message": "", "Url": f"{client.redirect_uri}?{query}"}
        return Answer(308, JSON, orjson.dumps(said))

    def _next(self, user: str, what: str) -> str:
        key = self._text(48)
        self._steps[key] = (user, what)
        self.given.append(key)
        return key

    def _due(self, body: Mapping[str, Any], what: str) -> str:
        """Whose step this is; a key is good once. Raises FyersError."""
        user, due = self._steps.pop(str(body.get("request_key")), ("", ""))
        if due != what:
            raise FyersError(401, -1004, "Invalid request key")
        return user

    def _jwt(self, claims: dict[str, Any]) -> str:
        parts = [_packed({"typ": "JWT", "alg": "HS256"}), _packed(claims), self._text(43)]
        self.given.append(".".join(parts))
        return self.given[-1]

    def _text(self, length: int) -> str:
        return "".join(self._chance.choices(string.ascii_letters + string.digits, k=length))


def _packed(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


def _unpacked(value: object) -> str:
    try:
        return base64.b64decode(str(value), validate=True).decode()
    except ValueError:
        return ""
