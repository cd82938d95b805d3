"""From a message to its answer: what is checked before a method runs, and how it runs.

`Dispatcher.parse` reads one message, `begin` carries it out. Checks (id, method, parameters, role, the daemon's bound) are
made at once, in the order of arrival; what passed becomes one task of the caller's, started in that same order, and runs
through jsonrpcserver as one checked request. Each member of a batch goes this way by itself.
"""

import inspect
import secrets
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec
import orjson
import structlog
from jsonrpcserver import Error, Result, Success
from jsonrpcserver.async_dispatcher import dispatch_request
from jsonrpcserver.dispatcher import not_notification, to_response
from jsonrpcserver.request import Request
from jsonrpcserver.response import ErrorResponse
from jsonrpcserver.sentinels import NOID
from msgspec import Struct, field

from ordod.errors import Kind, OrdoError
from ordod.service.methods import Call, Method
from ordod.service.params import OddNumber, closest, read
from ordod.service.turns import Turns
from ordod.wire.answers import encode, failure, failure_from, success
from ordod.wire.framing import LINE_BYTES_MAX
from ordod.wire.roles import check_role, is_stranger, stranger

__all__ = [
    "BATCH_MAX",
    "CALLER_IN_FLIGHT_MAX",
    "HEAVY_AT_ONCE",
    "IN_FLIGHT_MAX",
    "URGENT_IN_FLIGHT_MAX",
    "Checked",
    "Dispatcher",
    "Message",
    "Send",
    "Start",
    "Tally",
    "is_worth_a_line",
    "request_id_of",
]

BATCH_MAX = 64  # WIRE 1
IN_FLIGHT_MAX = 4096  # of the whole daemon: some 20 MB of tasks
CALLER_IN_FLIGHT_MAX = 1024  # of one caller: 4 full connections; the others keep their room
HEAVY_AT_ONCE = (
    2  # of one caller and one method: who asks for a thousand long lists waits for himself
)
URGENT_IN_FLIGHT_MAX = 256  # on top of either, for what is urgent: who floods can be stopped
HEAVY_LESS = (
    512  # long lists are refused so much earlier: orders of the same caller keep their room
)
RETRY_AFTER_MS = 100
NO_ID = b"null"
NO_ROOM = (
    "too many connections are open, of this user or of all together: close some; until then only what stops "
    "something (kill.engage, order.cancel, order.cancel_all) is taken here"
)

log = structlog.get_logger()

_Handler: TypeAlias = Callable[[Call, Any], Awaitable[Result]]

Send: TypeAlias = Callable[[bytes | None], None]
"""Takes a message's answer; None: there is nothing to say. Called once."""


class Message(Struct, frozen=True):
    """One message as it came: its requests, still unchecked. No batch: exactly one."""

    members: Sequence[Any]
    is_batch: bool = False


class Checked(Struct, frozen=True):
    """A request that may run: jsonrpcserver's request, holding the parameters' struct as its only argument."""

    request: Request
    call: Call


Start: TypeAlias = Callable[[Checked, Send], None]
"""Makes a task that sends what `Dispatcher.run` answers. Tasks begin in the order they were made."""


class Tally(Struct):
    """What was counted since the start. `calls` by (method, `ok` or kind); `refused` by (caller, kind)."""

    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    unheard: Counter[str] = field(default_factory=Counter)
    """Changes asked for without an id, by method: not carried out."""
    connections: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """Connections closed by us, by why (`connection.DROPPED`)."""

    def refuse(self, what: str, kind: Kind, caller: str) -> None:
        """Count that they may not have this, and log it: the first time, and ever more seldom."""
        self.refused[caller, kind.name] += 1
        times = self.refused[caller, kind.name]
        if is_worth_a_line(times):
            log.warning("call_refused", method=what, caller=caller, kind=kind.name, times=times)


class Dispatcher:
    """The table of methods, and what stands between it and a caller.

    Args:
        positional: parameters may come as a list too. Ordo's own table never does so; the examples of the JSON-RPC
            specification do, and its table is the tests'.
    """

    def __init__(self, methods: Iterable[Method], *, positional: bool = False) -> None:
        self._methods = {method.name: method for method in methods}
        self._handlers = {name: self._handler(method) for name, method in self._methods.items()}
        self._positional = positional
        self._decoder = msgspec.json.Decoder(float_hook=_decimal)
        self.tally = Tally()
        self._in_flight: Counter[str] = Counter()

    @property
    def in_flight(self) -> int:
        """Requests being worked on."""
        return self._in_flight.total()

    def parse(self, message: bytes | None) -> Message:
        """The requests of one message; None is one that was too long.

        Raises:
            OrdoError: PARSE; INVALID_REQUEST for a batch of none or too many.
        """
        if message is None:
            raise OrdoError(
                Kind.PARSE, f"the message is longer than {LINE_BYTES_MAX} bytes: send less at once"
            )
        try:
            content = self._decoder.decode(message)
        except RecursionError:
            raise OrdoError(Kind.PARSE, "the message is nested too deeply") from None
        except UnicodeDecodeError as error:
            raise OrdoError(Kind.PARSE, f"the message is not UTF-8: {error.reason}") from None
        except msgspec.MsgspecError as error:
            raise OrdoError(Kind.PARSE, f"the message is not JSON: {error}") from None
        if not isinstance(content, list):
            return Message((content,))
        if not content:
            raise OrdoError(Kind.INVALID_REQUEST, "the batch is empty")
        if len(content) > BATCH_MAX:
            raise OrdoError(
                Kind.INVALID_REQUEST,
                f"the batch has {len(content)} requests, more than {BATCH_MAX}: nothing of it was carried out; split it",
            )
        return Message(content, is_batch=True)

    def begin(
        self,
        message: Message,
        call: Call,
        start: Start,
        send: Send,
        hold: Callable[[int], bool] = lambda _: True,
    ) -> None:
        """Check every request of a message and start the good ones; `send` gets the answer when all is done.

        Args:
            hold: is told the bytes of answers that wait for the others of their batch, and when they no longer do; False: they
                need not be kept.
        """
        reactions: list[Callable[[], None]] = []
        call = Call(call.caller, call.outbox, reactions.append, call.only_urgent)

        def answered(answer: bytes | None) -> None:
            send(answer)
            for react in reactions:
                react()

        if message.is_batch:
            answers = _Answers(len(message.members), answered, hold)
            for position, member in enumerate(message.members):
                self._begin_one(member, call, start, answers.place(position))
        else:
            self._begin_one(message.members[0], call, start, answered)

    async def run(self, checked: Checked) -> bytes | None:
        """The answer of one checked request; None for a notification. Never raises."""
        try:
            # Its `async_dispatch_to_response` gathers a list of one, in a task of its own: a twentieth of a paper order.
            answered = await dispatch_request(self._handlers, checked.call, checked.request)
            return _line(to_response(*answered)) if not_notification(answered) else None
        finally:
            caller = checked.call.caller.name
            self._in_flight[caller] -= 1
            if not self._in_flight[caller]:
                del self._in_flight[caller]

    def _begin_one(self, member: Any, call: Call, start: Start, send: Send) -> None:
        request_id: bytes | None = NO_ID
        name = "?"
        try:
            request_id = request_id_of(member)
            method = self._method(member, call)
            name = method.name
            if request_id is None and method.changes:
                self.tally.unheard[name] += 1
                if is_worth_a_line(self.tally.unheard[name]):
                    log.warning("call_without_id", method=name, caller=call.caller.name)
                send(None)
                return
            checked = self._check(member, method, request_id, call)
        except OrdoError as error:
            self._count(name, error.kind, call)
            if request_id is None and error.kind is Kind.INVALID_REQUEST:
                request_id = NO_ID  # what is no request is no notification either
            send(failure_from(request_id, error) if request_id is not None else None)
        except Exception as error:  # noqa: BLE001 - one of dispatch's two edges: a bug ends one request
            internal = self._bug(name, call, error)
            send(failure_from(request_id, internal) if request_id is not None else None)
        else:
            self._in_flight[call.caller.name] += 1
            start(checked, send)

    def _method(self, member: dict[str, Any], call: Call) -> Method:
        if is_stranger(call.caller):
            raise stranger(call.caller)
        if member.get("jsonrpc") != "2.0":
            raise OrdoError(Kind.INVALID_REQUEST, '`jsonrpc` must be "2.0"')
        name = member.get("method")
        if not isinstance(name, str):
            raise OrdoError(Kind.INVALID_REQUEST, "`method` must be a text")
        method = self._methods.get(name)
        if method is None:
            near = closest(name, self._methods)
            way_out = f"did you mean `{near}`?" if near else "`rpc.discover` lists them all"
            raise OrdoError(Kind.METHOD_NOT_FOUND, f"there is no method `{name[:100]}`; {way_out}")
        return method

    def _check(
        self, member: dict[str, Any], method: Method, request_id: bytes | None, call: Call
    ) -> Checked:
        given = member.get("params")
        if given is None:
            given = {}
        elif not isinstance(given, dict | list):
            raise OrdoError(Kind.INVALID_REQUEST, "`params` must be an object")
        elif self._positional and isinstance(given, list):
            given = dict(zip(method.params.__struct_fields__, given, strict=False))
        params = read(method.params, given)
        if unseen := method.unseen(call.caller, params):
            raise unseen
        check_role(call.caller, method, method.accounts(params))
        if call.only_urgent and not method.urgent:
            raise OrdoError(Kind.OVERLOADED, NO_ROOM, retry_after_ms=RETRY_AFTER_MS)
        self._check_room(call.caller.name, method)
        reply_to = NOID if request_id is None else request_id
        return Checked(Request(method.name, [params], reply_to), call)

    def _check_room(self, caller: str, method: Method) -> None:
        extra = URGENT_IN_FLIGHT_MAX * method.urgent - HEAVY_LESS * method.heavy
        theirs = self._in_flight[caller]
        if theirs >= CALLER_IN_FLIGHT_MAX + extra:
            raise OrdoError(
                Kind.OVERLOADED,
                f"{theirs} requests of {caller} are being worked on: wait for their answers",
                retry_after_ms=RETRY_AFTER_MS,
            )
        if self.in_flight >= IN_FLIGHT_MAX + extra:
            raise OrdoError(
                Kind.OVERLOADED,
                f"{self.in_flight} requests are being worked on: send it again in a moment",
                retry_after_ms=RETRY_AFTER_MS,
            )

    def _handler(self, method: Method) -> _Handler:
        async def handle(call: Call, params: Any, /) -> Result:
            try:
                try:
                    result = encode(await method.run(call, params))
                except OrdoError as error:
                    self._count(method.name, error.kind, call)
                    return Error(error.kind.code, error.message, encode(error.as_data()))
            except Exception as error:  # noqa: BLE001 - the other edge: a bug ends one request
                internal = self._bug(method.name, call, error, params)
                return Error(internal.kind.code, internal.message, encode(internal.as_data()))
            self.tally.calls[method.name, "ok"] += 1
            return Success(result)

        handler = _in_turns(handle) if method.heavy else handle
        # jsonrpcserver asks for the signature and binds to it at each call: 12 us for a function's own.
        handler.__signature__ = _SIGNATURE  # type: ignore[attr-defined]
        return handler

    def _count(self, name: str, kind: Kind, call: Call) -> None:
        self.tally.calls[name, kind.name] += 1
        if kind in (Kind.UNAUTHENTICATED, Kind.FORBIDDEN):
            self.tally.refuse(name, kind, call.caller.name)

    def _bug(self, name: str, call: Call, error: Exception, params: Any = None) -> OrdoError:
        log_id = secrets.token_hex(4)
        self.tally.calls[name, Kind.INTERNAL.name] += 1
        log.error(
            "call_failed",
            log_id=log_id,
            method=name,
            caller=call.caller.name,
            **_ids(params),
            exc_info=error,
        )
        return OrdoError(
            Kind.INTERNAL, f"a bug of ordod; the log has it as log_id={log_id}", log_id=log_id
        )


def _in_turns(handle: _Handler) -> _Handler:
    turns = Turns(HEAVY_AT_ONCE)

    async def handle_in_turn(call: Call, params: Any, /) -> Result:
        try:
            async with turns.turn(call):
                return await handle(call, params)
        except OrdoError as error:
            return Error(error.kind.code, error.message, encode(error.as_data()))

    return handle_in_turn


class _Answers:
    """A batch's answers, in the order of its requests; sent as one list when the last is in."""

    def __init__(self, count: int, send: Send, hold: Callable[[int], bool]) -> None:
        self._answers: list[bytes | None] = [None] * count
        self._missing = count
        self._send = send
        self._hold = hold
        self._held = 0

    def place(self, position: int) -> Send:
        def send(answer: bytes | None) -> None:
            size = len(answer or b"")
            self._answers[position] = answer if self._hold(size) else None
            self._held += size
            self._missing -= 1
            if not self._missing:
                self._hold(-self._held)
                said = [each for each in self._answers if each is not None]
                self._send(b"[" + b",".join(said) + b"]" if said else None)

        return send


def _ids(params: Any) -> dict[str, str]:
    """What finds the order that a call was about, where its checked parameters name one."""
    named = {name: getattr(params, name, None) for name in ("account", "key", "order_id")}
    return {name: value for name, value in named.items() if isinstance(value, str)}


def is_worth_a_line(times: int) -> bool:
    """The 1st, 2nd, 4th, 8th ... time: nobody floods the log by asking for what they may not have."""
    return times & (times - 1) == 0


def request_id_of(member: Any) -> bytes | None:
    """The request's id as it goes back; None: a notification."""
    if not isinstance(member, dict):
        raise OrdoError(Kind.INVALID_REQUEST, "a request is an object")
    if "id" not in member:
        return None
    match member["id"]:
        case bool():
            pass
        case int() | Decimal() as number:
            return str(number).encode()
        case str() as text:
            return orjson.dumps(text)
        case None:
            return NO_ID
        case OddNumber(text=text):
            return text.encode()
        case _:
            pass
    raise OrdoError(Kind.INVALID_REQUEST, "`id` must be a text, a number or null")


def _decimal(text: str) -> Decimal | OddNumber:
    return OddNumber(text) if "e" in text or "E" in text else Decimal(text)


def _line(response: Any) -> bytes:
    """One response of jsonrpcserver; its id, result and data are JSON already."""
    inside: Any = response._error if hasattr(response, "_error") else response._value
    if isinstance(inside, ErrorResponse):
        return failure(inside.id, inside.code, inside.message, inside.data)
    return success(inside.id, inside.result)


class _Checked(inspect.Signature):
    """The signature of a handler. Its arguments were checked already, so binding them looks at nothing."""

    def bind(self, *args: Any, **kwargs: Any) -> inspect.BoundArguments:
        return _BOUND


_SIGNATURE = _Checked()
_BOUND = inspect.BoundArguments(_SIGNATURE, OrderedDict())
