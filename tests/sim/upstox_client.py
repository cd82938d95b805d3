"""A client of the simulated Upstox that speaks its wire format by hand."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from ordod.paper.hours import Hours
from ordod.sim.broker import Options
from ordod.sim.clock import IST
from ordod.sim.message import Answer
from ordod.sim.upstox import UpstoxSim

__all__ = ["INFY", "TEN", "Hand"]

TEN = datetime(2026, 11, 25, 10, 0, tzinfo=IST)
INFY = "NSE_EQ|INE005A01010"


class Hand:
    """One logged-in client of a simulator whose clock stands; `now` is moved by the test, and by a second with each request."""

    def __init__(
        self, *, cash: int = 10_000_000, hours: Hours | None = None, limits: bool = True
    ) -> None:
        self.sim = UpstoxSim(Options(seed=7, cash=Decimal(cash), hours=hours, limits=limits), TEN)
        self.now = TEN
        self.token = self.sim.access_token("ZZ0001", TEN)

    def send(self, method: str, target: str, body: Any = None, *, step_s: float = 1) -> Answer:
        """The bare answer, whatever it is."""
        self.now += timedelta(seconds=step_s)
        headers = [("Authorization", f"Bearer {self.token}")]
        content = b""
        if body is not None:
            content, headers = orjson.dumps(body), [*headers, ("Content-Type", "application/json")]
        return self.sim.handle(method, target, headers, content, self.now)

    def ask(self, method: str, target: str, body: Any = None) -> Any:
        """The `data` of a success."""
        answer = self.send(method, target, body)
        assert answer.status == 200, answer.body
        return orjson.loads(answer.body)["data"]

    def refused(self, method: str, target: str, body: Any = None) -> tuple[int, str]:
        """Status and code of a refusal."""
        answer = self.send(method, target, body)
        said = orjson.loads(answer.body)
        assert said["status"] == "error"
        return answer.status, said["errors"][0]["error_code"]

    def order(self, **more: Any) -> dict[str, Any]:
        """The body of a market order for ten shares, changed by what is named; None takes a field out."""
        body = {
            "quantity": 10,
            "product": "D",
            "validity": "DAY",
            "price": 0,
            "tag": "t1",
            "instrument_token": INFY,
            "order_type": "MARKET",
            "transaction_type": "BUY",
            "disclosed_quantity": 0,
            "trigger_price": 0,
            "is_amo": False,
            "market_protection": -1,
        }
        return {name: value for name, value in (body | more).items() if value is not None}

    def limit(self, **more: Any) -> dict[str, Any]:
        """The body of an order that waits."""
        waits = {"order_type": "LIMIT", "price": self.last() // 10 * 9, "market_protection": None}
        return self.order(**(waits | more))

    def place(self, body: dict[str, Any] | None = None) -> str:
        (order_id,) = self.ask("POST", "/v3/order/place", body or self.order())["order_ids"]
        return str(order_id)

    def row(self, order_id: str) -> dict[str, Any]:
        rows = self.ask("GET", "/v2/order/retrieve-all")
        return next(row for row in rows if row["order_id"] == order_id)

    def last(self, key: str = INFY) -> float:
        (row,) = self.ask("GET", f"/v3/market-quote/ltp?instrument_key={key}").values()
        return float(row["last_price"])
