"""One logged-in client of a simulated FYERS, which speaks its wire format by hand. Its clock stands; `now` is moved by the test."""

import base64
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import orjson
import pyotp

from ordod.sim.clock import IST
from ordod.sim.fyers import Client, FyersSim
from ordod.sim.message import Answer

__all__ = ["TEN", "USER", "FyersClient", "packed"]

TEN = datetime(2026, 11, 25, 10, 0, tzinfo=IST)
USER = Client()


def packed(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class FyersClient:
    """Speaks as FYERS' documentation has it."""

    def __init__(self, sim: FyersSim) -> None:
        self.sim = sim
        self.now = TEN
        self.access_token = sim.access_token(USER.fy_id, TEN)

    def send(
        self,
        method: str,
        target: str,
        body: Mapping[str, Any] | None = None,
        authorization: str = "",
    ) -> Answer:
        """The bare answer, whatever it is. A second passes, so that no limit is met unasked."""
        self.now += timedelta(seconds=1)
        content = b"" if body is None else orjson.dumps(body)
        signed = authorization or f"{USER.app_id}:{self.access_token}"
        headers = [("Authorization", signed), ("Content-Type", "application/json")]
        return self.sim.handle(method, target, headers, content, self.now)

    def ask(self, method: str, target: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON of a success."""
        answer = self.send(method, target, body)
        said = orjson.loads(answer.body)
        assert (answer.status, said["s"]) == (200, "ok"), said
        return said

    def refused(
        self, method: str, target: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, int]:
        """Status and code of a refusal."""
        answer = self.send(method, target, body)
        said = orjson.loads(answer.body)
        assert said["s"] == "error", said
        return answer.status, said["code"]

    def validate(self, code: str, *, secret: str = USER.app_secret) -> Answer:
        proof = sha256(f"{USER.app_id}:{secret}".encode()).hexdigest()
        body = {"grant_type": "authorization_code", "appIdHash": proof, "code": code}
        return self.send("POST", "/validate-authcode", body)

    def step(self, path: str, body: Mapping[str, Any]) -> Any:
        """A step of the login behind the page, whatever it answers."""
        return orjson.loads(self.send("POST", path, body).body)

    def code_of_now(self) -> str:
        return pyotp.TOTP(USER.totp_secret).at(self.now + timedelta(seconds=1))

    def order(self, **more: Any) -> dict[str, Any]:
        return {
            "symbol": "NSE:INFY-EQ",
            "qty": 10,
            "type": 2,
            "side": 1,
            "productType": "CNC",
            "limitPrice": 0,
            "stopPrice": 0,
            "validity": "DAY",
            "disclosedQty": 0,
            "offlineOrder": False,
        } | more

    def place(self, **more: Any) -> str:
        return str(self.ask("POST", "/orders/sync", self.order(**more))["id"])

    def row(self, order_id: str) -> dict[str, Any]:
        (row,) = self.ask("GET", f"/orders?id={order_id}")["orderBook"]
        assert isinstance(row, dict)
        return row

    def last_price(self) -> float:
        (quote,) = self.ask("GET", "/quotes?symbols=NSE:INFY-EQ")["d"]
        return float(quote["v"]["lp"])
