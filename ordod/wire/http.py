"""HTTP/1.1 on the same socket: `POST /rpc`, and a few pages to GET. One request at a time on a connection."""

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus
from time import perf_counter
from typing import TypeAlias

import h11
from msgspec import Struct

from ordod.errors import OrdoError
from ordod.service.methods import Call, Caller
from ordod.wire.answers import encode, failure_from
from ordod.wire.connection import Way
from ordod.wire.dispatch import NO_ID, Dispatcher, Start
from ordod.wire.framing import LINE_BYTES_MAX
from ordod.wire.lines import TURN_S
from ordod.wire.roles import is_stranger

__all__ = ["Gate", "HttpTalk", "Page", "Pages", "Refusal"]

BODY_BYTES_MAX = LINE_BYTES_MAX
JSON = "application/json"
TWO_LENGTHS = {b"content-length", b"transfer-encoding"}  # read differently by different servers


class Page(Struct, frozen=True):
    """What a path answers to GET."""

    body: bytes
    status: int = 200
    content_type: str = JSON


Pages: TypeAlias = Mapping[str, Callable[[Caller, Callable[[Page], None]], None]]
"""By path: for whom, and what takes the page, now or later, once."""


class Refusal(Struct, frozen=True):
    """Why a request is not even read, and how long that is kept back; then the connection is closed."""

    status: HTTPStatus
    message: str
    headers: tuple[tuple[str, str], ...] = ()
    after_s: float = 0.0


Gate: TypeAlias = Callable[[h11.Request], Call | Refusal]
"""Who makes this request, from its head."""


class HttpTalk:
    """One connection's requests. While one is worked on the socket is not read."""

    def __init__(
        self, way: Way, gate: Gate, dispatcher: Dispatcher, start: Start, pages: Pages
    ) -> None:
        self._way = way
        self._gate = gate
        self._dispatcher = dispatcher
        self._start = start
        self._pages = pages
        self._http = h11.Connection(h11.SERVER)
        self._request: h11.Request | None = None
        self._call: Call | None = None
        self._body = bytearray()
        self._is_advancing = False
        self._is_answering = False
        self._is_stopping = False

    @property
    def kept(self) -> int:
        return len(self._body) + len(self._http.trailing_data[0])

    @property
    def is_busy(self) -> bool:
        return self._is_answering

    def feed(self, data: bytes) -> None:
        self._http.receive_data(data)
        self._advance()

    def end(self) -> None:
        self.feed(b"")

    def stop(self) -> None:
        self._is_stopping = True
        if not self._is_answering:
            self._way.close()

    def _advance(self) -> None:
        """Take what has come. An answer that is there at once calls back in here; the flag makes it return."""
        if self._is_advancing:
            return
        self._is_advancing = True
        try:
            is_over = self._take(perf_counter() + TURN_S)
        except h11.RemoteProtocolError as error:
            is_over = False
            self._refuse(HTTPStatus(error.error_status_hint), f"not HTTP/1.1: {error}")
        self._is_advancing = is_over
        self._way.read_on(not is_over and not self._is_answering)
        if is_over:
            asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._is_advancing = False
        self._advance()

    def _take(self, ends_at: float) -> bool:
        """Whether the turn was over before the requests were: pages sent for ahead must not hold the loop."""
        while not self._is_answering:
            if perf_counter() > ends_at:
                return True
            match self._http.next_event():
                case h11.Request() as request:
                    self._request = request
                    self._body.clear()
                    if {name for name, _ in request.headers} >= TWO_LENGTHS:
                        self._refuse(
                            HTTPStatus.BAD_REQUEST,
                            "two lengths, Content-Length and Transfer-Encoding: send one",
                        )
                        return False
                    if not self._is_let_in(request):
                        return False
                    if self._http.they_are_waiting_for_100_continue:
                        self._send(h11.InformationalResponse(status_code=100, headers=[]))
                case h11.Data(data=data):
                    if len(self._body) + len(data) > BODY_BYTES_MAX:
                        self._refuse(
                            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                            f"the body is longer than {BODY_BYTES_MAX} bytes: send less at once",
                        )
                        return False
                    self._body += data
                case h11.EndOfMessage():
                    self._is_answering = True
                    self._way.read_on(False)
                    self._answer()
                case h11.ConnectionClosed():
                    self._way.close()
                    return False
                case _:
                    return False
        return False

    def _is_let_in(self, request: h11.Request) -> bool:
        match self._gate(request):
            case Refusal() as refusal:
                self._is_answering = self._is_stopping = True
                if refusal.after_s:
                    loop = asyncio.get_running_loop()
                    loop.call_later(refusal.after_s, self._refuse_entry, refusal)
                else:
                    self._refuse_entry(refusal)
                return False
            case Call() as call:
                self._call = call
                # Who is let in nowhere, or only to stop something, is answered once.
                self._is_stopping |= call.only_urgent or is_stranger(call.caller)
                return True

    def _refuse_entry(self, refusal: Refusal) -> None:
        self._respond(
            refusal.status, encode({"error": refusal.message}), JSON, headers=refusal.headers
        )

    def _answer(self) -> None:
        assert self._request is not None
        assert self._call is not None
        method = self._request.method
        path = self._request.target.partition(b"?")[0].decode("ascii", "replace")
        if path == "/rpc":
            if method != b"POST":
                self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "/rpc takes POST", (("allow", "POST"),))
            elif not self._is_json():
                self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"send it as Content-Type: {JSON}")
            else:
                self._call_method()
        elif path in self._pages:
            if method != b"GET":
                self._refuse(
                    HTTPStatus.METHOD_NOT_ALLOWED, f"{path} takes GET", (("allow", "GET"),)
                )
            else:
                self._pages[path](self._call.caller, self._show)
        else:
            known = ", ".join(["POST /rpc", *(f"GET {each}" for each in self._pages)])
            self._refuse(HTTPStatus.NOT_FOUND, f"there is nothing here; there are {known}")

    def _show(self, page: Page) -> None:
        self._respond(page.status, page.body, page.content_type)

    def _call_method(self) -> None:
        assert self._call is not None
        body = bytes(self._body)
        self._body.clear()
        try:
            message = self._dispatcher.parse(body)
        except OrdoError as error:
            self._answered(failure_from(NO_ID, error))
        else:
            self._dispatcher.begin(message, self._call, self._start, self._answered, self._way.hold)

    def _answered(self, answer: bytes | None) -> None:
        if answer is None:
            self._respond(HTTPStatus.NO_CONTENT, b"", None)
        else:
            self._respond(HTTPStatus.OK, answer, JSON)

    def _is_json(self) -> bool:
        assert self._request is not None
        given = next(
            (value for name, value in self._request.headers if name == b"content-type"), b""
        )
        return given.partition(b";")[0].strip().lower() == JSON.encode()

    def _refuse(
        self,
        status: HTTPStatus,
        message: str,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Answer with a status; where the request was not read to its end, or makes no sense, also hang up."""
        self._is_answering = True
        body = encode({"error": message})
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._respond(status, body, JSON, headers=headers)
        else:
            self._way.close()

    def _respond(
        self,
        status: int,
        body: bytes,
        content_type: str | None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        said = list(headers)
        if status != HTTPStatus.NO_CONTENT:
            said.append(("content-length", str(len(body))))
        if content_type:
            said.append(("content-type", content_type))
        if self._is_stopping:
            said.append(("connection", "close"))
        reason = HTTPStatus(status).phrase
        self._send(h11.Response(status_code=status, reason=reason, headers=said))
        if self._request is None or self._request.method != b"HEAD":
            self._send(h11.Data(data=body))
        self._send(h11.EndOfMessage())
        self._is_answering = False
        if (
            self._is_stopping
            or self._http.our_state is not h11.DONE
            or self._http.their_state is not h11.DONE
        ):
            self._way.close()
            return
        self._http.start_next_cycle()
        self._way.read_on(True)
        self._advance()

    def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._way.write(data)
