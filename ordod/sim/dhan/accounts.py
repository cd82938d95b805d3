"""Users, tokens and consents at auth.dhan.co (dhan.md 2). A user has one live token; a new one ends it."""

import base64
import random
import string
from datetime import datetime, timedelta

import orjson
import pyotp
from msgspec import Struct

from ordod.sim.clock import IST
from ordod.sim.dhan.envelope import AuthError, DhanError, dead_session
from ordod.sim.message import Request

__all__ = ["Accounts", "Client", "Token"]

LIFE = timedelta(hours=24)
BETWEEN = timedelta(minutes=2)
WRONG_MAX = 5
CONSENTS_A_DAY = 25
NO_PLAN, EXPIRED, NOT_HIS, FAILED = 806, 807, 808, 809


class Client(Struct, frozen=True, kw_only=True):
    """A user of the broker, and the one app of his. Without `data_plan` there are no quotes and no charts."""

    client_id: str = "1000000001"
    pin: str = "482913"
    totp_secret: str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105 - a simulated user's
    name: str = "ASHA TRADER"
    app_id: str = "simapp01"
    app_secret: str = "simsecret-0123456789"  # noqa: S105
    data_plan: bool = True


class Token(Struct, frozen=True, kw_only=True):
    access_token: str
    client_id: str
    at: datetime

    @property
    def ends_at(self) -> datetime:
        return self.at + LIFE


class Accounts:
    """Who may come in. Everything secret it gives out comes from `chance`, so that a seed repeats."""

    def __init__(
        self, clients: tuple[Client, ...], chance: random.Random, *, limits: bool = True
    ) -> None:
        self.clients = {client.client_id: client for client in clients}
        self.given = [
            text
            for one in clients
            for text in (one.pin, one.totp_secret, one.app_id, one.app_secret)
        ]  # whatever is secret
        self._chance = chance
        self._limits = limits
        self._live: dict[str, Token] = {}
        self._given: dict[str, datetime] = {}  # when the last token was given for a PIN
        self._wrong: dict[str, int] = {}
        self._last_step: dict[str, int] = {}
        self._consents: dict[str, list[datetime]] = {}
        self._token_ids: dict[str, str] = {}

    # The API's side

    def authorised(self, request: Request, now: datetime) -> Client:
        """Whose request it is. Raises DhanError in the shape that its path has."""
        client = self.living(request.headers.get("access-token", ""), now)
        if client is None:
            raise dead_session(request.path)
        return client

    def living(self, access_token: str, now: datetime) -> Client | None:
        """Whose token it is, as long as it lives."""
        for token in self._live.values():
            if token.access_token == access_token and now < token.ends_at:
                return self.clients[token.client_id]
        return None

    def unfit(self, access_token: str, client_id: str, now: datetime) -> int | None:
        """Why the market feed does not serve this client (dhan.md 9.1, 11); None: it does."""
        client = self.living(access_token, now)
        if client is None:
            return EXPIRED if access_token in self.given else FAILED
        if client.client_id != client_id:
            return NOT_HIS
        return None if client.data_plan else NO_PLAN

    def open(self, client_id: str, now: datetime) -> Token:
        """A new token: a JWT with its end, UTC seconds."""
        claims = {"iss": "dhan", "exp": int((now + LIFE).timestamp()), "dhanClientId": client_id}
        parts = [_packed({"typ": "JWT", "alg": "HS512"}), _packed(claims), self._text(43)]
        token = Token(access_token=".".join(parts), client_id=client_id, at=now)
        self._live[client_id] = token
        self.given.append(token.access_token)
        return token

    def end_all(self, client_id: str) -> None:
        self._live.pop(client_id, None)

    def profile(self, client: Client) -> dict[str, object]:
        """`GET /profile` (dhan.md 2.6)."""
        ends = self._live[client.client_id].ends_at.astimezone(IST)
        return {
            "dhanClientId": client.client_id,
            "tokenValidity": f"{ends:%d/%m/%Y %H:%M}",
            "activeSegment": "Equity, Derivative, Currency, Commodity",
            "ddpi": "Active",
            "mtf": "Active",
            "dataPlan": "Active" if client.data_plan else "Deactive",
            "dataValidity": "2027-12-05 09:37:52.0",
        }

    # The auth host

    def generate(self, request: Request, now: datetime) -> dict[str, object]:
        """`POST /app/generateAccessToken`: PIN and code in the query; a code is good for its own 30 seconds and the ones beside, once."""
        client = self.clients.get(request.one("dhanClientId"))
        if client is None:
            raise AuthError("Invalid Client ID")
        last = self._given.get(client.client_id)
        if self._limits and last is not None and now - last < BETWEEN:
            raise AuthError("Token can be generated once every 2 minutes.")
        wrong = self._wrong.get(client.client_id, 0)
        if wrong >= WRONG_MAX:
            raise AuthError("Your account is locked after too many attempts. Reset your PIN.")
        step = _step_of(client, request.one("totp"), now)
        fresh = step is not None and step > self._last_step.get(client.client_id, -1)
        if request.one("pin") != client.pin or not fresh:
            self._wrong[client.client_id] = wrong + 1
            is_pin = request.one("pin") != client.pin
            raise AuthError("Invalid Pin" if is_pin else "Invalid TOTP")
        assert step is not None
        self._wrong[client.client_id] = 0
        self._last_step[client.client_id] = step
        self._given[client.client_id] = now
        return self._granted(client, now)

    def consent(self, request: Request, now: datetime) -> dict[str, object]:
        """`POST /app/generate-consent`."""
        client = self._app(request)
        if client.client_id != request.one("client_id"):
            raise DhanError(401, "DH-901", "Invalid client_id for this app.")
        day = [at for at in self._consents.get(client.client_id, []) if at.date() == now.date()]
        if self._limits and len(day) >= CONSENTS_A_DAY:
            raise DhanError(429, "DH-904", "Consent limit of the day is reached.")
        self._consents[client.client_id] = [*day, now]
        made = self._text(36)
        return {"consentAppId": made, "consentAppStatus": "GENERATED", "status": "success"}

    def grant(self, client_id: str) -> str:
        """What the login page puts on the address it ends on."""
        token_id = self._text(32)
        self._token_ids[token_id] = client_id
        return token_id

    def consume(self, request: Request, now: datetime) -> dict[str, object]:
        """`/app/consumeApp-consent`: a token id is good once."""
        client = self._app(request)
        if self._token_ids.get(request.one("tokenId")) != client.client_id:
            raise DhanError(401, "DH-901", "Invalid tokenId.")
        del self._token_ids[request.one("tokenId")]
        return self._granted(client, now)

    def renew(self, client: Client, now: datetime) -> dict[str, object]:
        """`GET /RenewToken` (dhan.md 2.4): the old one ends."""
        token = self.open(client.client_id, now)
        return {
            "token": token.access_token,
            "createTime": _stamp(now),
            "expiryTime": _stamp(token.ends_at),
        }

    def _granted(self, client: Client, now: datetime) -> dict[str, object]:
        token = self.open(client.client_id, now)
        return {
            "dhanClientId": client.client_id,
            "dhanClientName": client.name,
            "dhanClientUcc": "ABCD12345E",
            "givenPowerOfAttorney": False,
            "accessToken": token.access_token,
            "expiryTime": _stamp(token.ends_at),
        }

    def _app(self, request: Request) -> Client:
        pair = (request.headers.get("app_id"), request.headers.get("app_secret"))
        for client in self.clients.values():
            if (client.app_id, client.app_secret) == pair:
                return client
        raise DhanError(401, "DH-901", "Invalid app_id or app_secret.")

    def _text(self, length: int) -> str:
        return "".join(self._chance.choices(string.ascii_letters + string.digits, k=length))


def _step_of(client: Client, code: str, now: datetime) -> int | None:
    generator = pyotp.TOTP(client.totp_secret)
    current = int(now.timestamp()) // 30
    return next(
        (s for s in (current, current - 1, current + 1) if generator.at(s * 30) == code), None
    )


def _packed(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(IST):%Y-%m-%dT%H:%M:%S}.000"
