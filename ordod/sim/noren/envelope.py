"""How Noren is asked and how it answers: `jData=...&jKey=...`, every value a text; Ok with fields, a bare list, or Not_Ok with words (noren.md 3)."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_plus

import orjson

from ordod.sim.broker import SimError
from ordod.sim.clock import IST
from ordod.sim.message import Answer, Request

__all__ = [
    "JSON",
    "NO_DATA",
    "NorenError",
    "asked_of",
    "listing",
    "number",
    "stamp",
    "success",
    "text_of",
]

JSON = (("content-type", "application/json"),)
NO_DATA = 'Error Occurred : 5 "no data"'
STRUCTURED = frozenset(
    {"pos", "basketlists", "oivariable", "place_order_params", "place_order_params_leg2"}
)


class NorenError(SimError):
    """A refusal."""

    def __init__(self, message: str, status: int = 200) -> None:
        super().__init__(message)
        self.message = message
        self.status = status

    def answer(self) -> Answer:
        return Answer(self.status, JSON, orjson.dumps({"stat": "Not_Ok", "emsg": self.message}))


def success(now: datetime, **payload: Any) -> Answer:
    said = {"stat": "Ok", "request_time": stamp(now)} | payload
    return Answer(200, JSON, orjson.dumps(said))


def listing(rows: list[Any]) -> Answer:
    """A bare list; an empty one is an error in words."""
    if not rows:
        raise NorenError(NO_DATA)
    return Answer(200, JSON, orjson.dumps(rows))


def asked_of(request: Request) -> tuple[dict[str, Any], str]:
    """The object of `jData`, and `jKey`. The body is cut at ampersands before anything is decoded. Raises NorenError."""
    parts = dict(
        part.partition("=")[::2] for part in request.body.decode(errors="replace").split("&")
    )
    if "jData" not in parts:
        raise NorenError("Invalid Input :  Missing jData")
    try:
        body = orjson.loads(parts["jData"])
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        raise NorenError("Invalid Input :  jData is not valid json object")
    body = {name: value for name, value in body.items() if value is not None}
    if any(not isinstance(value, str) for name, value in body.items() if name not in STRUCTURED):
        raise NorenError("Invalid Input :  One or more input parameters are not in string format")
    if "tsym" in body:
        body["tsym"] = unquote_plus(body["tsym"])
    return body, parts.get("jKey", "")


def text_of(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise NorenError(f"Invalid Input :  {name} is Missing")
    return value


def number(amount: Decimal | int | None) -> str:
    return f"{amount or 0:.2f}"


def stamp(at: datetime) -> str:
    return f"{at.astimezone(IST):%H:%M:%S %d-%m-%Y}"
