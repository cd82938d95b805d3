"""How XTS answers: `type`, `code`, `description`, `result` (xts.md 3 and 11)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from ordod.sim.broker import SimError
from ordod.sim.message import Answer, Request

__all__ = ["XtsError", "body_of", "number", "success"]

JSON = (("content-type", "application/json"),)


class XtsError(SimError):
    """A refusal: HTTP 400 as a rule."""

    def __init__(self, code: str, description: str, status: int = 400, **result: Any) -> None:
        super().__init__(description)
        self.code = code
        self.message = description
        self.status = status
        self.result = result

    def answer(self) -> Answer:
        said = {"type": "error", "code": self.code, "description": self.message}
        return Answer(self.status, JSON, orjson.dumps(said | {"result": self.result}))

    @classmethod
    def bad_input(cls, message: str) -> "XtsError":
        return cls("e-property-validation-failed", "Bad Request", errors=[message])

    @classmethod
    def dead_session(cls) -> "XtsError":
        return cls("e-session-0007", "Invalid Token")

    @classmethod
    def nothing(cls, what: str) -> "XtsError":
        """What an empty book is."""
        return cls(f"e-{what}-0005", "Data Not Available")


def success(result: Any, code: str = "s-response-0001", description: str = "") -> Answer:
    said = {"type": "success", "code": code, "description": description, "result": result}
    return Answer(200, JSON, orjson.dumps(said))


def body_of(request: Request) -> Mapping[str, Any]:
    """The JSON object of a request. Raises XtsError."""
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise XtsError.bad_input("body")
    return body


def number(amount: Decimal | int | None) -> float | int:
    value = float(amount or 0)
    return int(value) if value.is_integer() else value
