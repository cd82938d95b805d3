"""SmartAPI's envelopes: how an answer is wrapped, and the ways of saying no (angelone.md 2.7, 3, 11)."""

from decimal import Decimal
from typing import Any

import orjson

from ordod.sim.broker import SimError
from ordod.sim.message import Answer

__all__ = ["JSON", "AngelError", "DeadSessionError", "TooManyError", "number", "success", "text"]

JSON = (("content-type", "application/json"),)
LIMITED = b"Access denied because of exceeding access rate"


class AngelError(SimError):
    """A refusal of a call: HTTP 200, `status` false, a code."""

    def __init__(self, errorcode: str, message: str) -> None:
        super().__init__(message)
        self.errorcode = errorcode
        self.message = message

    def answer(self) -> Answer:
        envelope = {
            "status": False,
            "message": self.message,
            "errorcode": self.errorcode,
            "data": None,
        }
        return Answer(200, JSON, orjson.dumps(envelope))


class DeadSessionError(AngelError):
    """The session check's no: also HTTP 200, and another envelope."""

    def answer(self) -> Answer:
        envelope = {
            "success": False,
            "message": self.message,
            "errorCode": self.errorcode,
            "data": "",
        }
        return Answer(200, JSON, orjson.dumps(envelope))


class TooManyError(AngelError):
    """The rate limiter's no: HTTP 403 in plain words."""

    def __init__(self) -> None:
        super().__init__("", LIMITED.decode())

    def answer(self) -> Answer:
        return Answer(403, (("content-type", "text/plain"),), LIMITED)


def success(data: Any) -> Answer:
    envelope = {"status": True, "message": "SUCCESS", "errorcode": "", "data": data}
    return Answer(200, JSON, orjson.dumps(envelope))


def number(amount: Decimal | int | None) -> float:
    """As order rows and quotes write an amount; 0.0 for nothing."""
    return float(amount or 0)


def text(amount: Decimal | int | None) -> str:
    """As positions and trades write it: two decimals."""
    return f"{amount or 0:.2f}"
