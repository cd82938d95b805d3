"""The Zerodha simulator as a process, a session with it, and the account that uses them."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.client import HTTPConnection
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

from msgspec import Struct

from benchmarks.processes import environment
from ordod.adapter import Secret, Session
from ordod.sim.process import SimProcess
from ordod.sim.process import running as sim_running
from ordod.sim.zerodha import App, Client

__all__ = ["Broker", "simulated"]

CASH = "900000000000"


class Broker(Struct, frozen=True):
    """A simulator and a live session. `price` rests: five percent under the market."""

    sim: SimProcess
    session: Session
    price: Decimal

    def account(self, name: str, broker: str) -> str:
        """Its table in the configuration, with the session's token."""
        return (
            f'[accounts.{name}]\nbroker = "{broker}"\nbase_url = "{self.sim.url}"\n'
            f'doubt_horizon_s = 5\nuser_id = "{self.session.user_id}"\napi_key = "{self.session.api_key}"\n'
            f'access_token = "{self.session.access_token.reveal()}"\n'
        )


@contextmanager
def simulated(*options: str) -> Iterator[Broker]:
    with patch.dict(os.environ, environment()), sim_running("--cash", CASH, *options) as sim:
        app = App()
        token = sim.request_token()
        proof = hashlib.sha256(f"{app.api_key}{token}{app.api_secret}".encode()).hexdigest()
        form = {"api_key": app.api_key, "request_token": token, "checksum": proof}
        data = _ask(sim, "POST", "/session/token", urlencode(form))
        session = Session(
            user_id=Client().user_id,
            access_token=Secret(data["access_token"]),
            api_key=app.api_key,
        )
        quote = _ask(sim, "GET", "/quote/ltp?i=NSE:INFY", "", session)
        price = Decimal(round(quote["NSE:INFY"]["last_price"] * 0.95))
        yield Broker(sim, session, price)


def _ask(
    sim: SimProcess, method: str, target: str, form: str, session: Session | None = None
) -> Any:
    """The `data` of one answer."""
    headers = {"X-Kite-Version": "3", "Content-Type": "application/x-www-form-urlencoded"}
    if session is not None:
        headers["Authorization"] = f"token {session.api_key}:{session.access_token.reveal()}"
    connection = HTTPConnection(sim.url.partition("://")[2], timeout=10)
    try:
        connection.request(method, target, form, headers)
        answer = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    if answer["status"] != "success":
        raise RuntimeError(f"the simulator refused {target}: {answer['message']}")
    return answer["data"]
