"""How FYERS answers: `s`, `code` and `message` beside the payload, whichever it is (fyers.md 3 and 11)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from ordod.sim.broker import SimError
from ordod.sim.message import Answer, Request

__all__ = ["JSON", "FyersError", "body_of", "number", "success"]

JSON = (("content-type", "application/json"),)


class FyersError(SimError):
    """A refusal."""

    def __init__(self, status: int, code: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.more = more

    def answer(self) -> Answer:
        said = {"s": "error", "code": self.code, "message": self.message, **self.more}
        return Answer(self.status, JSON, orjson.dumps(said))

    @classmethod
    def bad_input(cls, message: str) -> "FyersError":
        return cls(400, -50, message)

    @classmethod
    def rejected(cls, message: str, **more: Any) -> "FyersError":
        return cls(400, -99, message, **more)

    @classmethod
    def dead_session(cls) -> "FyersError":
        return cls(401, -16, "Could not authenticate the user")


def success(code: int = 200, message: str = "", **payload: Any) -> Answer:
    return Answer(200, JSON, orjson.dumps({"s": "ok", "code": code, "message": message, **payload}))


def body_of(request: Request) -> Mapping[str, Any]:
    """The JSON object of a request. Raises FyersError."""
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise FyersError.bad_input("Invalid input")
    return body


def number(amount: Decimal | int | None) -> float | int:
    """Prices as FYERS writes them: 801.5, 849, and 0 for none."""
    value = float(amount or 0)
    return int(value) if value.is_integer() else value
