"""Trouble on request: what goes wrong with which requests, scripted one by one or by chance from a seed.

A `Fault` names the trouble and the requests it befalls. Scripted faults are looked at in the order they were added, chance
faults after them; the first that fits befalls the request, and no other. The simulator of a broker carries it out, because
only it knows what a rejection or a dead session looks like there.
"""

import random
from collections.abc import Sequence
from enum import StrEnum

import msgspec
from msgspec import Struct

__all__ = ["Fault", "FaultKind", "Faults"]

ORDER_CHANGES = (("POST", "/orders"), ("PUT", "/orders"), ("DELETE", "/orders"))
HTML = "<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>"


class FaultKind(StrEnum):
    """The request's fate. "Carried out" is `Fault.executed` where the kind leaves it open."""

    LOSE_BEFORE = "lose_before"  # not carried out; the connection is closed without an answer
    LOSE_AFTER = "lose_after"  # carried out; the connection is closed without an answer
    RESET = "reset"  # carried out or not; the connection is reset
    HANG = "hang"  # carried out or not; nothing comes, the connection stays open
    DELAY = "delay"  # carried out; the answer comes `seconds` later
    STATUS = "status"  # carried out or not; the answer is `status` with a page of HTML, or `body`
    HALF = "half"  # carried out; the answer is cut in the middle of its body
    GARBAGE = "garbage"  # carried out; a 200 that is no JSON
    NO_ORDER_ID = "no_order_id"  # carried out; a success that names no order
    DEAD_SESSION = "dead_session"  # the session is ended, then the request looked at
    REJECT = "reject"  # not carried out; refused for `reason`: funds, holdings, input, order, closed, depository, limit
    TIMED_OUT_400 = "timed_out_400"  # carried out or not; a 400 that says the request timed out
    LATE = "late"  # carried out `seconds` later; the connection is closed at once, or answered with a 400 (`status`)
    INVISIBLE = "invisible"  # carried out and answered; the order is in no book for `seconds`
    HIDE_TAG = "hide_tag"  # carried out and answered; the order's rows never show the client's tag
    STALE = "stale"  # a read answered with the copy that was served last; with an empty list where none was


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One piece of trouble.

    Args:
        method, prefix: the requests it befalls; "" is any method, the prefix is the path's beginning.
        times: how many of them; None: all that come.
        chance: each of them only with this probability.
        skip: so many fitting requests pass unharmed first.
        executed: for RESET, HANG, STATUS and TIMED_OUT_400: whether the request is carried out all the same.
    """

    kind: FaultKind
    method: str = ""
    prefix: str = "/"
    times: int | None = 1
    chance: float = 1.0
    skip: int = 0
    executed: bool = True
    seconds: float = 0
    status: int = 502
    body: str | None = None
    reason: str = "order"

    def page(self) -> bytes:
        return (self.body or HTML.replace("{status}", str(self.status))).encode()


class Faults:
    """The trouble still to come. One per simulator; every draw of chance comes from `seed`."""

    def __init__(
        self, seed: int = 0, *, changes: Sequence[tuple[str, str]] = ORDER_CHANGES
    ) -> None:
        """`changes`: method and path of what changes orders, befallen where a chance names no scope."""
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._changes = changes
        self._waiting: list[Fault] = []
        self.befell: list[tuple[Fault, str, str]] = []  # fault, method, path: what has happened

    def add(
        self, kind: FaultKind | str, method: str = "", prefix: str = "/", **more: object
    ) -> None:
        """One more fault, as `Fault` describes it. Raises msgspec.ValidationError for what it does not know."""
        self._waiting.append(
            msgspec.convert({"kind": str(kind), "method": method, "prefix": prefix, **more}, Fault)
        )

    def chance(self, text: str) -> None:
        """`KIND=PROBABILITY[:METHOD:PREFIX]`, as on the command line; without a scope: whatever changes orders.

        `lose` is half `lose_before`, half `lose_after`. Raises ValueError for anything else.
        """
        word, _, rest = text.partition("=")
        number, _, scope = rest.partition(":")
        method, _, prefix = scope.partition(":")
        chance = float(number)
        if not 0 <= chance <= 1:
            raise ValueError(f"{text!r}: a probability lies between 0 and 1")
        halves = {"lose": (FaultKind.LOSE_BEFORE, FaultKind.LOSE_AFTER)}
        kinds = halves.get(word) or (FaultKind(word),)
        scopes = [(method, prefix or "/")] if scope else self._changes
        left = 1.0  # faults are looked at in turn: the second is drawn only where the first was not
        for kind in kinds:
            share = chance / len(kinds)
            for where in scopes:
                self.add(kind, *where, times=None, chance=share / left, seconds=5.0)
            left -= share

    def clear(self) -> None:
        self._waiting.clear()

    @property
    def waiting(self) -> tuple[Fault, ...]:
        return tuple(self._waiting)

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that befalls this request, if any; it is used up by it."""
        for index, fault in enumerate(self._waiting):
            if fault.method not in ("", method) or not path.startswith(fault.prefix):
                continue
            if fault.skip:
                self._waiting[index] = msgspec.structs.replace(fault, skip=fault.skip - 1)
                continue
            if fault.chance < 1 and self._random.random() >= fault.chance:
                continue
            if fault.times == 1:
                del self._waiting[index]
            elif fault.times is not None:
                self._waiting[index] = msgspec.structs.replace(fault, times=fault.times - 1)
            self.befell.append((fault, method, path))
            return fault
        return None
