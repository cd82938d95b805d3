"""Kite's envelope: how an answer is wrapped, and the ways of saying no (zerodha.md 3 and 11)."""

from decimal import Decimal
from typing import Any

import orjson

from ordod.sim.broker import SimError
from ordod.sim.message import Answer

__all__ = ["JSON", "KiteError", "number", "success"]

JSON = (("content-type", "application/json"),)


class KiteError(SimError):
    """A refusal, as it is sent: HTTP status, `error_type` and message."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_type = error_type
        self.message = message

    def answer(self) -> Answer:
        envelope = {
            "status": "error",
            "message": self.message,
            "data": None,
            "error_type": self.error_type,
        }
        return Answer(self.status, JSON, orjson.dumps(envelope))

    @classmethod
    def bad_input(cls, message: str) -> "KiteError":
        return cls(400, "InputException", message)

    @classmethod
    def dead_session(cls) -> "KiteError":
        return cls(403, "TokenException", "Incorrect `api_key` or `access_token`.")

    @classmethod
    def bad_token(cls) -> "KiteError":
        return cls(403, "TokenException", "Token is invalid or has expired.")

    @classmethod
    def too_many(cls, message: str = "Too many requests") -> "KiteError":
        return cls(429, "NetworkException", message)

    @classmethod
    def no_order(cls) -> "KiteError":
        return cls(400, "OrderException", "Couldn't find that `order_id`.")


def success(data: Any, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(200, (*JSON, *headers), orjson.dumps({"status": "success", "data": data}))


def number(amount: Decimal | int | None) -> float | int:
    """Kite writes 159 or 159.5, and 0 for nothing."""
    if amount is None:
        return 0
    return int(amount) if amount == int(amount) else float(amount)
