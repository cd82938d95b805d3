"""Upstox's envelope: how an answer is wrapped, and the ways of saying no (upstox.md 3 and 11)."""

from decimal import Decimal
from typing import Any

import orjson

from ordod.paper.exchange import Refusal
from ordod.sim.broker import SimError
from ordod.sim.message import Answer

__all__ = ["JSON", "UpstoxError", "bare", "number", "refused", "success"]

JSON = (("content-type", "application/json"),)
LATENCY_MS = 31


class UpstoxError(SimError):
    """A refusal, as it is sent: HTTP status, code and message. Both spellings of a field are sent, as in 2026."""

    def __init__(self, status: int, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field

    def answer(self) -> Answer:
        error = {
            "errorCode": self.code,
            "message": self.message,
            "propertyPath": self.field,
            "invalidValue": None,
            "error_code": self.code,
            "property_path": self.field,
            "invalid_value": None,
        }
        return Answer(self.status, JSON, orjson.dumps({"status": "error", "errors": [error]}))

    @classmethod
    def bad_input(cls, field: str, code: str = "UDAPI100036") -> "UpstoxError":
        return cls(400, code, f"Invalid input: {field}", field)

    @classmethod
    def bad_key(cls) -> "UpstoxError":
        return cls(400, "UDAPI100011", "Invalid Instrument key")

    @classmethod
    def dead_token(cls) -> "UpstoxError":
        return cls(401, "UDAPI100050", "Invalid token used to access API")

    @classmethod
    def too_many(cls) -> "UpstoxError":
        return cls(429, "UDAPI10005", "Too Many Request Sent")

    @classmethod
    def no_path(cls) -> "UpstoxError":
        return cls(404, "UDAPI100060", "Resource not Found.")

    @classmethod
    def no_order(cls) -> "UpstoxError":
        return cls(400, "UDAPI100010", "Unknown order id or order request rejected")


def refused(refusal: Refusal, too_late: str = "UDAPI100041") -> UpstoxError:
    """The exchange's no in Upstox's words. `too_late`: the code of a change that came after the order's end."""
    match str(refusal.fault):
        case "NOT_FOUND":
            return UpstoxError.no_order()
        case "ORDER_REJECTED":
            return UpstoxError(400, too_late, f"Not possible any more: {refusal.message}")
        case "INSUFFICIENT_FUNDS":
            return UpstoxError(400, "UDAPI100010", f"Insufficient funds: {refusal.message}")
        case _:
            return UpstoxError(400, "UDAPI100036", f"Invalid input: {refusal.message}")


def success(data: Any) -> Answer:
    body = {"status": "success", "data": data, "metadata": {"latency": LATENCY_MS}}
    return Answer(200, JSON, orjson.dumps(body))


def bare(data: Any) -> Answer:
    """An answer without an envelope: the token's (upstox.md 2.1)."""
    return Answer(200, JSON, orjson.dumps(data))


def number(amount: Decimal | int | None) -> float:
    """Upstox writes every price with a decimal point, 0.0 for none."""
    return float(amount or 0)
