"""JSON-RPC, one message a line: in the order of arrival, and never more in flight than the bound."""

import asyncio
from collections import deque
from time import perf_counter

from ordod.errors import OrdoError
from ordod.service.methods import Call, Caller, Role
from ordod.wire.answers import failure_from
from ordod.wire.connection import Way
from ordod.wire.dispatch import NO_ID, Dispatcher, Message, Start
from ordod.wire.framing import Lines
from ordod.wire.roles import is_stranger

__all__ = ["CONNECTION_IN_FLIGHT_MAX", "LineTalk"]

CONNECTION_IN_FLIGHT_MAX = 256  # WIRE 1
TURN_S = 0.002  # for what one connection has sent, before the others have their turn; a mistake takes up to 1 ms to explain


class LineTalk:
    """One connection's messages. What cannot start yet waits here, and the socket is not read on meanwhile."""

    def __init__(self, way: Way, call: Call, dispatcher: Dispatcher, start: Start) -> None:
        self._way = way
        self._call = call
        self._dispatcher = dispatcher
        self._start = start
        self._lines = Lines()
        self._waiting: deque[bytes | None] = deque()
        self._next: Message | None = None  # parsed, and waiting for room
        self._in_flight = 0
        self._is_taking = False
        self._has_ended = False

    @property
    def kept(self) -> int:
        return self._lines.begun + sum(len(line or b"") for line in self._waiting)

    @property
    def is_busy(self) -> bool:
        return bool(self._in_flight or self._waiting or self._next)

    def disown(self) -> None:
        """Who called has no access any more: what has not begun is refused."""
        caller = self._call.caller
        self._call = Call(Caller(caller.name, Role.NOBODY), self._call.outbox)

    def feed(self, data: bytes) -> None:
        if self._has_ended:
            return
        self._waiting.extend(self._lines.feed(data))
        self._take()

    def end(self) -> None:
        """A last line needs no `\\n`: an object that is cut short is never JSON, so nothing half-sent is carried out."""
        self._waiting.extend(self._lines.end())
        self._has_ended = True
        self._take()

    def stop(self) -> None:
        self._waiting.clear()
        self._next = None
        self._has_ended = True
        self._way.read_on(False)
        self._close_if_done()

    def _take(self) -> None:
        """Begin what may begin. Answers that come at once call back in here; the flag makes them return."""
        if self._is_taking:
            return
        self._is_taking = True
        ends_at = perf_counter() + TURN_S
        is_over = False
        while (self._waiting or self._next) and not is_over:
            message = self._next or self._parsed(self._waiting.popleft())
            self._next = None
            room = len(message.members) if message else 1
            if self._in_flight + room > CONNECTION_IN_FLIGHT_MAX:
                self._next = message
                break
            if message:
                self._begin(message, room)
            if self._call.only_urgent or is_stranger(self._call.caller):
                self.stop()  # told once what would help; who is let in nowhere holds no connection
            is_over = perf_counter() > ends_at
        self._is_taking = False
        if is_over and self._waiting:
            self._is_taking = True
            asyncio.get_running_loop().call_soon(self._next_turn)
        if not self._has_ended:
            self._way.read_on(not self._waiting and self._next is None)
        self._close_if_done()

    def _next_turn(self) -> None:
        self._is_taking = False
        self._take()

    def _parsed(self, line: bytes | None) -> Message | None:
        try:
            return self._dispatcher.parse(line)
        except OrdoError as error:
            self._way.push(failure_from(NO_ID, error))
            return None

    def _begin(self, message: Message, room: int) -> None:
        self._in_flight += room

        def send(answer: bytes | None) -> None:
            self._in_flight -= room
            if answer is not None:
                self._way.push(answer)
            if self._waiting or self._next is not None:
                self._take()
            elif self._has_ended:
                self._close_if_done()

        self._dispatcher.begin(message, self._call, self._start, send, self._way.hold)

    def _close_if_done(self) -> None:
        if self._has_ended and not (self._in_flight or self._waiting or self._next):
            self._way.close()
