"""One request of a session, read; and the exchange's no in Angel One's words."""

from datetime import datetime
from typing import Any

from ordod.paper.exchange import Refusal
from ordod.sim.angelone.accounts import Login
from ordod.sim.angelone.envelope import AngelError
from ordod.sim.orders import Wish

__all__ = ["Asked", "refused"]


class Asked:
    """One request of a session."""

    def __init__(self, login: Login, said: dict[str, Any], rest: str, now: datetime, wish: Wish):
        self.user = login.clientcode
        self.login = login
        self.said = said
        self.rest = rest  # what follows the path's name
        self.now = now
        self.wish = wish


def refused(refusal: Refusal) -> AngelError:
    """The exchange's no to a change, or a placement that no book shows."""
    if str(refusal.fault) == "NOT_FOUND":
        return AngelError("AB1013", "Order not found")
    return AngelError("AB2000", f"Error not specified: {refusal.message}")
