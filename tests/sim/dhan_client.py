"""One logged-in client of a simulated Dhan, which speaks its wire format by hand. Its clock stands; `now` is moved by the test."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import orjson
import pyotp

from ordod.sim.clock import IST
from ordod.sim.dhan import Client, DhanSim
from ordod.sim.message import Answer

__all__ = ["TEN", "USER", "DhanClient"]

TEN = datetime(2026, 11, 25, 10, 0, tzinfo=IST)
USER = Client()


class DhanClient:
    """Speaks as Dhan's documentation has it."""

    def __init__(self, sim: DhanSim) -> None:
        self.sim = sim
        self.now = TEN
        self.access_token = sim.access_token(USER.client_id, TEN)

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [("access-token", self.access_token), ("client-id", USER.client_id)]

    def send(
        self,
        method: str,
        target: str,
        body: Mapping[str, Any] | None = None,
        headers: list[tuple[str, str]] | None = None,
    ) -> Answer:
        """The bare answer, whatever it is. A second passes, so that no limit is met unasked."""
        self.now += timedelta(seconds=1)
        content = b"" if body is None else orjson.dumps(body)
        given = [
            *(self.headers if headers is None else headers),
            ("Content-Type", "application/json"),
        ]
        return self.sim.handle(method, target, given, content, self.now)

    def ask(self, method: str, target: str, body: Mapping[str, Any] | None = None) -> Any:
        """The JSON of a success."""
        answer = self.send(method, target, body)
        assert answer.status in (200, 202), answer.body
        return orjson.loads(answer.body) if answer.body else None

    def refused(
        self, method: str, target: str, body: Mapping[str, Any] | None = None
    ) -> tuple[int, str, str]:
        """Status, code and words of a refusal, in whichever shape."""
        answer = self.send(method, target, body)
        said = orjson.loads(answer.body)
        if "data" in said:
            ((code, words),) = said["data"].items()
            assert said["status"] == "failed"
            return answer.status, code, words
        return answer.status, said["errorCode"], said["errorMessage"]

    def log_in(self, *, pin: str = USER.pin, code: str | None = None) -> dict[str, Any]:
        """What the auth host answers, a yes or a no; it is a 200 either way."""
        query = {
            "dhanClientId": USER.client_id,
            "pin": pin,
            "totp": code or pyotp.TOTP(USER.totp_secret).at(self.now + timedelta(seconds=1)),
        }
        answer = self.send("POST", f"/app/generateAccessToken?{urlencode(query)}", headers=[])
        assert answer.status == 200
        said: dict[str, Any] = orjson.loads(answer.body)
        return said

    def security_id(self, symbol: str) -> str:
        return self.sim.market.of(symbol).security_id

    def order(self, **more: Any) -> dict[str, Any]:
        """The body of a market order for ten shares, changed by what is named; None takes a field out."""
        body = {
            "dhanClientId": USER.client_id,
            "transactionType": "BUY",
            "exchangeSegment": "NSE_EQ",
            "productType": "CNC",
            "orderType": "MARKET",
            "validity": "DAY",
            "securityId": self.security_id("NSE:INFY"),
            "quantity": 10,
            "disclosedQuantity": 0,
            "price": 0,
            "triggerPrice": 0,
            "afterMarketOrder": False,
        }
        return {name: value for name, value in (body | more).items() if value is not None}

    def place(self, **more: Any) -> str:
        return str(self.ask("POST", "/orders", self.order(**more))["orderId"])

    def row(self, order_id: str) -> dict[str, Any]:
        (row,) = self.ask("GET", f"/orders/{order_id}")
        found: dict[str, Any] = row
        return found

    def last_price(self) -> float:
        security_id = self.security_id("NSE:INFY")
        said = self.ask("POST", "/marketfeed/ltp", {"NSE_EQ": [int(security_id)]})
        return float(said["data"]["NSE_EQ"][security_id]["last_price"])

    def low(self) -> float:
        """A price that is not reached today."""
        return float(int(self.last_price() * 0.95))
