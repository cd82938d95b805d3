"""What goes over the line: a request read, an answer, and how the answer is delivered, or not."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson
from msgspec import Struct

__all__ = ["Answer", "Ending", "Headers", "Reply", "Request"]

Headers = Sequence[tuple[str, str]]


class Answer(NamedTuple):
    """One HTTP answer. `Content-Length` is the server's to add."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Ending(StrEnum):
    """What becomes of an answer on its way."""

    WHOLE = "whole"
    CLOSE = "close"  # the connection is closed in an orderly way; not a byte is answered
    RESET = "reset"  # the same with a TCP reset
    HANG = "hang"  # nothing: the connection stays open until the client gives up
    HALF = "half"  # the head announces the whole body, half of it follows, then the connection is closed


class Reply(Struct, frozen=True):
    """An answer and its delivery. `delay_s` passes after the request was carried out and before the first byte leaves."""

    answer: Answer
    ending: Ending = Ending.WHOLE
    delay_s: float = 0


class Request(Struct, frozen=True):
    """A request, taken apart. Header names are in lower case; `form` is empty where the body is none."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    body: bytes
    form: dict[str, str]

    @classmethod
    def read(cls, method: str, target: str, headers: Headers, body: bytes) -> "Request":
        parts = urlsplit(target)
        named = {name.lower(): value for name, value in headers}
        is_form = "form-urlencoded" in named.get("content-type", "")
        text = body.decode("utf-8", "replace") if is_form else ""
        return cls(
            method,
            unquote(parts.path),
            tuple(parse_qsl(parts.query, keep_blank_values=True)),
            named,
            body,
            dict(parse_qsl(text, keep_blank_values=True)),
        )

    @property
    def segments(self) -> list[str]:
        return self.path.strip("/").split("/")

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def cookies(self) -> dict[str, str]:
        pairs = (item.partition("=") for item in self.headers.get("cookie", "").split(";"))
        return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}

    def fields(self) -> dict[str, str]:
        """What was asked, whichever way it came: a form's fields, or the top of a JSON object as text."""
        if self.content_type != "application/json":
            return self.form
        try:
            body = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return {k: str(v) for k, v in body.items()} if isinstance(body, dict) else {}

    def one(self, name: str) -> str:
        """The query value of this name, "" where there is none."""
        return next((value for key, value in self.query if key == name), "")

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.query if key == name]
