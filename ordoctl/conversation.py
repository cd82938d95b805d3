"""How one call is brought to its end: when it is sent again, when it waits, what it finally is. Pure.

The conversation is a generator. It yields `Send` and `Pause`; whoever drives it (a blocking client, an asynchronous one) does that
and sends back what came of it. The rules (WIRE 4 and 8):

- An error that says "later" is followed by the same call with the same key, until the time is up. Every other error ends it.
- A connection that was lost in mid-call is followed by the same call with the same key: the daemon looks at the key first, so the
  answer tells what became of the first one. Methods of `requests.ONCE` are not sent again once they were handed over.
- Never is a new key made, and a lost connection is never told as "it did not happen".
"""

from collections.abc import Callable, Generator
from typing import TypeAlias, TypeVar

from msgspec import Raw, Struct

from ordoctl.errors import (
    NO_ANSWER,
    REPEATED,
    UNREADABLE,
    CallError,
    NoDaemon,
    TryAgain,
    from_wire,
)
from ordoctl.requests import Object, Progress, Request
from ordoctl.wire import Error

__all__ = [
    "Conversation",
    "Garbled",
    "Lost",
    "Pause",
    "Reply",
    "Send",
    "Silent",
    "Step",
    "Unconnected",
    "converse",
    "next_pause",
]

T = TypeVar("T")

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 1.0  # a daemon that comes back is found within a second


class Send(Struct, frozen=True):
    """Send this and wait for its answer until `deadline`, on the driver's clock; progress that is told puts it off as far again."""

    method: str
    params: Object
    deadline: float
    progress: Progress | None = None


class Pause(Struct, frozen=True):
    """Wait so long."""

    seconds: float


class Unconnected(Struct, frozen=True):
    """No connection could be made; nothing was sent. `first`: this client never had one."""

    why: str
    first: bool


class Lost(Struct, frozen=True):
    """Bytes were handed over, and the connection ended before an answer."""

    why: str


class Silent(Struct, frozen=True):
    """Handed over, and the deadline passed without an answer."""


class Garbled(Struct, frozen=True):
    """What came is no answer."""

    why: str


Step: TypeAlias = Send | Pause
Reply: TypeAlias = Raw | Error | Unconnected | Lost | Silent | Garbled | None
Conversation: TypeAlias = Generator[Step, Reply, Raw]


def converse(
    request: Request[T], *, clock: Callable[[], float], timeout: float, patient: bool
) -> Conversation:
    """The result of a call, as it came.

    Args:
        clock: monotonic seconds.
        timeout: seconds after which it is given up.
        patient: answers that say "later" are not told but tried again. A lost connection always is.
    Raises:
        Refused, TryAgain, NotAllowed, NoDaemon: with the call's key in `data`.
    """
    deadline = clock() + timeout
    pause = FIRST_PAUSE_S
    was_sent = False
    while True:
        params = request.within(deadline - clock())
        reply = yield Send(request.method, params, deadline, request.progress)
        wait = pause
        failure: CallError
        match reply:
            case Raw():
                return reply
            case Error():
                failure = from_wire(reply.code, reply.message, _as_object(reply.data))
                if not (patient and failure.kind in REPEATED):
                    raise _with_key(failure, request)
                wait = _asked_wait(failure) or pause
            case Unconnected():
                failure = _unanswered(request, reply.why) if was_sent else NoDaemon(reply.why)
                if reply.first:
                    raise _with_key(failure, request)
            case Lost():
                was_sent = True
                failure = _unanswered(request, reply.why)
                if request.is_sent_once:
                    raise _with_key(failure, request)
            case Silent():
                raise _with_key(_unanswered(request, f"no answer in {timeout:g} s"), request)
            case Garbled():
                words = f"the daemon answered what is no answer ({reply.why})"
                raise _with_key(TryAgain(UNREADABLE, _what_now(request, words)), request)
            case None:
                raise AssertionError("a Send is replied to")
        if clock() + wait >= deadline:
            raise _with_key(failure, request)
        yield Pause(wait)
        pause = next_pause(pause)


def next_pause(pause: float) -> float:
    """How long to wait after having waited `pause` for nothing."""
    return min(pause * 2, LONGEST_PAUSE_S)


def _asked_wait(failure: CallError) -> float | None:
    asked = failure.data.get("retry_after_ms")
    return asked / 1000 if isinstance(asked, int) and asked > 0 else None


def _unanswered(request: Request[T], why: str) -> TryAgain:
    return TryAgain(NO_ANSWER, _what_now(request, why))


def _what_now(request: Request[T], why: str) -> str:
    if request.key is None:
        return f"{request.method}: {why}; it may have been done"
    return f"{request.method}: {why}; it may have been done. Ask again with the same key, {request.key}"


def _with_key(failure: CallError, request: Request[T]) -> CallError:
    if request.key is not None:
        failure.data.setdefault("key", request.key)
    return failure


def _as_object(data: object) -> Object:
    return data if isinstance(data, dict) else {}
