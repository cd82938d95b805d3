"""A simulated Angel One without a socket, and a client that speaks its wire format by hand."""

from datetime import datetime, timedelta
from typing import Any

import orjson
import pyotp

from ordod.sim.angelone import AngelOneSim, App, Client
from ordod.sim.broker import Options
from ordod.sim.clock import IST
from ordod.sim.message import Answer

__all__ = ["ORDER", "SECURE", "TEN", "Smart"]

TEN = datetime(2026, 11, 25, 10, 0, tzinfo=IST)
SECURE = "/rest/secure/angelbroking"
ORDER = f"{SECURE}/order/v1"
INFY = {"exchange": "NSE", "tradingsymbol": "INFY-EQ", "symboltoken": "1004"}


class Smart:
    """One client of a simulator whose clock stands; `now` is moved by the test."""

    def __init__(self, **options: Any) -> None:
        self.sim = AngelOneSim(Options(**({"seed": 7} | options)), TEN)
        self.now = TEN
        self.jwt = self.sim.access_token("A100001", TEN)
        self.headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "X-UserType": "USER",
            "X-SourceID": "WEB",
            "X-ClientLocalIP": "127.0.0.1",
            "X-ClientPublicIP": "192.0.2.10",
            "X-MACAddress": "02:00:00:00:00:01",
            "X-PrivateKey": App().api_key,
        }

    def send(self, method: str, path: str, json: Any = None, *, wait_s: float = 1) -> Answer:
        """The bare answer, whatever it is. A second passes, so that no limit is met unasked."""
        self.now += timedelta(seconds=wait_s)
        headers = dict(self.headers)
        if self.jwt:
            headers["Authorization"] = f"Bearer {self.jwt}"
        body = b"" if json is None else orjson.dumps(json)
        return self.sim.handle(method, path, list(headers.items()), body, self.now)

    def ask(self, method: str, path: str, json: Any = None) -> Any:
        """The `data` of a success."""
        said = orjson.loads(self.send(method, path, json).body)
        assert said["status"] is True, said
        assert (said["message"], said["errorcode"]) == ("SUCCESS", "")
        return said["data"]

    def refused(self, method: str, path: str, json: Any = None) -> str:
        """The code of a refusal in the usual envelope."""
        answer = self.send(method, path, json)
        said = orjson.loads(answer.body)
        assert (answer.status, said["status"], said["data"]) == (200, False, None)
        return str(said["errorcode"])

    def dead(self, method: str, path: str, json: Any = None) -> str:
        """The code of the session check's refusal, in the envelope that is its own."""
        answer = self.send(method, path, json)
        said = orjson.loads(answer.body)
        assert (answer.status, said["success"], "status" in said) == (200, False, False)
        return str(said["errorCode"])

    def login_body(self, **more: str) -> dict[str, str]:
        client = Client()
        code = pyotp.TOTP(client.totp_secret).at(self.now + timedelta(seconds=1))
        return {"clientcode": client.clientcode, "password": client.pin, "totp": code} | more

    def order(self, **more: Any) -> dict[str, Any]:
        """A market order for ten shares, changed by what is named; None takes a field out."""
        body: dict[str, Any] = {
            "variety": "NORMAL",
            **INFY,
            "transactiontype": "BUY",
            "ordertype": "MARKET",
            "producttype": "DELIVERY",
            "duration": "DAY",
            "price": "0",
            "quantity": "10",
        }
        return {name: value for name, value in (body | more).items() if value is not None}

    def place(self, **more: Any) -> str:
        return str(self.ask("POST", f"{ORDER}/placeOrder", self.order(**more))["orderid"])

    def row(self, order_id: str) -> dict[str, Any]:
        rows = self.ask("GET", f"{ORDER}/getOrderBook")
        return next(row for row in rows if row["orderid"] == order_id)

    def last_price(self) -> float:
        return float(self.ask("POST", f"{ORDER}/getLtpData", INFY)["ltp"])
