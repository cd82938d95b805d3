"""Users, apps, codes and tokens: the login page, what a code is exchanged for, and who may come in (noren.md 2)."""

import random
from datetime import datetime, time, timedelta
from hashlib import sha256
from typing import Any

import orjson
from msgspec import Struct

from ordod.sim.clock import IST
from ordod.sim.message import Answer, Request
from ordod.sim.noren.envelope import JSON, NorenError, asked_of, success
from ordod.sim.noren.members import Profile

__all__ = ["Accounts", "Client"]

DIES_AT = time(6, 0)
CODE_LIFE = timedelta(minutes=5)
DEAD = "Session Expired :  Invalid Session Key"  # two blanks, as live answers have them


class Client(Struct, frozen=True, kw_only=True):
    """A user of the broker, and the one app of his."""

    uid: str = "FA00001"
    name: str = "ASHA TRADER"
    app_id: str = "FA00001_U"
    app_secret: str = "SIMSECRET9SIMSECRET9SIMSECRET9"  # noqa: S105 - a simulated user's


class Accounts:
    """Who may come in. Everything secret it gives out comes from `chance`, so that a seed repeats."""

    def __init__(
        self, clients: tuple[Client, ...], profile: Profile, chance: random.Random
    ) -> None:
        self.clients = {client.uid: client for client in clients}
        self.given = [client.app_secret for client in clients]
        self._profile = profile
        self._chance = chance
        self._live: dict[str, tuple[str, datetime]] = {}  # token -> user, end
        self._codes: dict[str, tuple[str, datetime]] = {}

    def authorised(self, request: Request, now: datetime) -> tuple[Client, dict[str, Any]]:
        """Whose request it is, and what it asks. Raises NorenError."""
        body, key = asked_of(request)
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        user, ends = self._live.get(key if self._profile.is_keyed else bearer, ("", now))
        if now >= ends:
            raise NorenError(DEAD)
        if body.get("uid") != user:
            raise NorenError("Session Expired :  Invalid User Id")
        return self.clients[user], body

    def open(self, user: str, now: datetime) -> str:
        token = self._text(64)
        self._live[token] = (user, self._end(now))
        return token

    def end_all(self, user: str) -> None:
        self._live = {token: one for token, one in self._live.items() if one[0] != user}

    def grant(self, user: str, now: datetime) -> str:
        """What the login page puts on the address it ends on: good once, for minutes."""
        code = self._text(32)
        self._codes[code] = (user, now + CODE_LIFE)
        return code

    def exchange(self, request: Request, now: datetime) -> Answer:
        """`GenAcsTok`: sha256 of key, secret and code."""
        body, _ = asked_of(request)
        code = body.get("code", "")
        client = self._redeemed(code, now)
        if client is None or body.get("checksum") != _hash(client.app_id, client.app_secret, code):
            raise NorenError("Invalid Input : INVALID_VERIFIER")
        token = self.open(client.uid, now)
        return success(
            now,
            USERID=client.uid,
            uid=client.uid,
            actid=client.uid,
            uname=client.name,
            brkname=self._profile.broker,
            access_token=token,
            refresh_token=self._text(64),
            susertoken=self._text(64),
            expires_in=str(int(self._end(now).timestamp())),
        )

    def api_token(self, request: Request, now: datetime) -> Answer:
        """`apitoken`, flattrade's: sha256 of key, code and secret, and `emsg` empty when all is well."""
        try:
            body = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            body = {}
        code = str(body.get("request_code", ""))
        client = self._redeemed(code, now)
        if client is None or body.get("api_secret") != _hash(
            client.app_id, code, client.app_secret
        ):
            raise NorenError("Invalid Input : Invalid request code or secret")
        said = {"token": self.open(client.uid, now), "client": client.uid, "stat": "Ok", "emsg": ""}
        return Answer(200, JSON, orjson.dumps(said))

    def _redeemed(self, code: str, now: datetime) -> Client | None:
        user, ends = self._codes.pop(code, ("", now))
        return self.clients[user] if now < ends else None

    def _end(self, now: datetime) -> datetime:
        today = now.astimezone(IST)
        end = datetime.combine(today.date(), DIES_AT, IST)
        return end + timedelta(days=today >= end)

    def _text(self, length: int) -> str:
        self.given.append("".join(self._chance.choices("0123456789abcdef", k=length)))
        return self.given[-1]


def _hash(*parts: str) -> str:
    return sha256("".join(parts).encode()).hexdigest()
