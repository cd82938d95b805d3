"""How Dhan answers: bare values, and three shapes of a refusal (dhan.md 3 and 11)."""

from decimal import Decimal
from typing import Any

import orjson

from ordod.sim.broker import SimError
from ordod.sim.message import Answer

__all__ = ["JSON", "AuthError", "DataError", "DhanError", "dead_session", "number", "success"]

JSON = (("content-type", "application/json"),)
ERROR_TYPES = {
    "DH-901": "Invalid_Authentication",
    "DH-902": "Invalid_Access",
    "DH-903": "User_Account",
    "DH-904": "Rate_Limit",
    "DH-905": "Input_Exception",
    "DH-906": "Order_Error",
    "DH-907": "Data_Error",
    "DH-908": "Internal_Server_Error",
    "DH-909": "Network_Error",
    "DH-910": "Others",
    "DH-911": "Invalid_IP",
    "DH-1111": "HOLDING_ERROR",
}
DATA_PATHS = ("/marketfeed/", "/charts/", "/optionchain")
ORDER_PATHS = ("/orders", "/forever/", "/fundlimit", "/trades")


class DhanError(SimError):
    """A refusal of the trading APIs."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def said(self) -> dict[str, Any]:
        kind = ERROR_TYPES[self.code]
        return {"errorType": kind, "errorCode": self.code, "errorMessage": self.message}

    def answer(self) -> Answer:
        return Answer(self.status, JSON, orjson.dumps(self.said()))

    @classmethod
    def bad_input(cls, message: str) -> "DhanError":
        return cls(400, "DH-905", message)

    @classmethod
    def order(cls, message: str) -> "DhanError":
        return cls(400, "DH-906", message)


class DataError(DhanError):
    """A refusal of the data APIs: the code is a key."""

    def said(self) -> dict[str, Any]:
        return {"data": {self.code: self.message}, "status": "failed"}


class AuthError(DhanError):
    """A refusal of the auth host, in a 200."""

    def __init__(self, message: str) -> None:
        super().__init__(200, "", message)

    def said(self) -> dict[str, Any]:
        return {"status": "error", "message": self.message}


def dead_session(path: str) -> DhanError:
    """What a dead session is called depends on where one asks (dhan.md 2.7)."""
    if path.startswith(DATA_PATHS):
        words = "Authentication Failed - Client ID or Access Token invalid"
        return DataError(401, "808", words)
    if path.startswith(ORDER_PATHS):
        return DhanError.order("Invalid Token")
    words = "Client ID or user generated access token is invalid or expired."
    return DhanError(401, "DH-901", words)


def success(value: Any, status: int = 200) -> Answer:
    return Answer(status, JSON, orjson.dumps(value))


def number(amount: Decimal | int | None) -> float | int:
    """Dhan writes 159.0 for a price and 0 for none."""
    return float(amount) if amount is not None else 0
