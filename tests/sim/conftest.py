"""A simulated Zerodha without a socket, and a client that speaks its wire format by hand."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest

from ordod.sim.clock import IST
from ordod.sim.message import Answer
from ordod.sim.zerodha import App, ZerodhaSim

TEN = datetime(2026, 11, 25, 10, 0, tzinfo=IST)
FORM = "application/x-www-form-urlencoded"


class Kite:
    """One logged-in client of a simulator whose clock stands; `now` is moved by the test."""

    def __init__(self, sim: ZerodhaSim) -> None:
        self.sim = sim
        self.now = TEN
        self.access_token = ""

    def login(self, user_id: str = "ZX0001") -> None:
        token = self.sim.accounts.grant(App().api_key, user_id, self.now)
        login = self.sim.accounts.exchange(self.session_form(token), self.now)
        self.access_token = login.access_token

    def session_form(self, request_token: str) -> dict[str, str]:
        """What turns a request token into an access token."""
        app = App()
        text = app.api_key + request_token + app.api_secret
        checksum = sha256(text.encode()).hexdigest()
        return {"api_key": app.api_key, "request_token": request_token, "checksum": checksum}

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [
            ("X-Kite-Version", "3"),
            ("Authorization", f"token {App().api_key}:{self.access_token}"),
        ]

    def send(
        self, method: str, target: str, form: Mapping[str, object] | None = None, json: Any = None
    ) -> Answer:
        """The bare answer, whatever it is. A second passes, so that no limit is met unasked."""
        self.now += timedelta(seconds=1)
        body, headers = b"", self.headers
        if form is not None:
            body, headers = urlencode(form).encode(), [*headers, ("Content-Type", FORM)]
        if json is not None:
            body, headers = orjson.dumps(json), [*headers, ("Content-Type", "application/json")]
        return self.sim.handle(method, target, headers, body, self.now)

    def ask(
        self, method: str, target: str, form: Mapping[str, object] | None = None, json: Any = None
    ) -> Any:
        """The `data` of a success."""
        answer = self.send(method, target, form, json)
        assert answer.status == 200, answer.body
        return orjson.loads(answer.body)["data"]

    def refused(
        self, method: str, target: str, form: Mapping[str, object] | None = None
    ) -> tuple[int, str, str]:
        """Status, error_type and message of a refusal."""
        answer = self.send(method, target, form)
        said = orjson.loads(answer.body)
        assert said["status"] == "error"
        return answer.status, said["error_type"], said["message"]

    def place(self, variety: str = "regular", **more: object) -> str:
        return str(self.ask("POST", f"/orders/{variety}", order_form(**more))["order_id"])

    def order(self, order_id: str) -> dict[str, Any]:
        return next(row for row in self.ask("GET", "/orders") if row["order_id"] == order_id)

    def last_price(self, name: str) -> float:
        return float(self.ask("GET", f"/quote/ltp?i={name}")[name]["last_price"])


def order_form(**more: object) -> dict[str, object]:
    """A market order for ten shares, changed by what is named; None takes a field out."""
    form: dict[str, object] = {
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "BUY",
        "order_type": "MARKET",
        "quantity": 10,
        "product": "CNC",
        "market_protection": -1,
    }
    return {name: value for name, value in (form | more).items() if value is not None}


@pytest.fixture
def sim() -> ZerodhaSim:
    return ZerodhaSim(seed=7, now=TEN)


@pytest.fixture
def kite(sim: ZerodhaSim) -> Kite:
    client = Kite(sim)
    client.login()
    return client


@pytest.fixture(scope="session")
def new_kite() -> Callable[[], Kite]:
    """A fresh simulator with a client each time, for laws that are tried many times."""

    def make() -> Kite:
        client = Kite(ZerodhaSim(seed=7, now=TEN))
        client.login()
        return client

    return make


@pytest.fixture
def form() -> Callable[..., dict[str, object]]:
    return order_form
