"""What every simulated broker does alike: let the market move, carry requests out, and spoil them on request.

A broker's package subclasses `BrokerSim` and says in its own words what a request does (`carry_out`) and how a refusal, a
success without an id and the like look there. It is pure: no socket, no clock; `server.py` puts it on a port.

- `handle` carries one request out and answers it.
- `answer` does the same under `faults`: the answer may be lost, late, cut or a lie.
- `orders.deeds` and `requests` are the ground truth that tests compare with.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from msgspec import Struct

from ordod.paper.exchange import Exchange as Paper
from ordod.paper.hours import Hours
from ordod.paper.listed import listings
from ordod.paper.market import Listing
from ordod.sim.faults import Fault, FaultKind, Faults
from ordod.sim.feeds import FeedFaults, SimFeed
from ordod.sim.message import Answer, Ending, Headers, Reply, Request
from ordod.sim.orders import PLAIN, Orders, Wish

__all__ = ["BrokerSim", "Options", "Scope", "Seen", "SimError"]

Scope = tuple[str, str]  # method and the beginning of the path


class SimError(Exception):
    """A refusal in a broker's own words. Subclasses know how it is sent."""

    def answer(self) -> Answer:
        raise NotImplementedError


class Seen(Struct, frozen=True, kw_only=True):
    """One request that arrived whole. `status` is what was decided, sent or not; `fault` what befell it."""

    at: datetime
    method: str
    path: str
    form: dict[str, str]
    status: int
    fault: str = ""


class Options(Struct, frozen=True, kw_only=True):
    """What the command line may say of any broker. "" leaves a name as the broker's package has it.

    Args:
        seed: the market, tokens and chance faults all come from it.
        hours: None: the market is always open.
        limits: False: no refusals from the broker's own counting.
        member: which broker, where one package serves a family.
    """

    seed: int = 0
    cash: Decimal = Decimal(10_000_000)
    hours: Hours | None = None
    limits: bool = True
    user_id: str = ""
    redirect_url: str = ""
    member: str = ""


class _Late(Struct, frozen=True):
    due: datetime
    request: Request


class BrokerSim(ABC):
    """One simulated broker. `now`: the day whose instruments are listed.

    `scopes`: which requests are which change, at least `place`, `modify`, `cancel`; `hidden`: fields of requests that are
    secrets and never kept in `requests`.
    """

    scopes: ClassVar[Mapping[str, Scope]]
    hidden: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, options: Options, now: datetime) -> None:
        self.listed = _listed(now)
        self.chance = random.Random(options.seed)  # noqa: S311 - repeatable on purpose
        self.faults = Faults(
            options.seed, changes=[self.scopes[each] for each in ("place", "modify", "cancel")]
        )
        self.paper = Paper(self.listed, seed=options.seed, cash=options.cash, hours=options.hours)
        self.feed_faults = FeedFaults()
        self.feed_scheme = "ws"  # how its streams are reached; the server knows
        self.requests: list[Seen] = []
        self._late: list[_Late] = []
        self._copies: dict[tuple[str, str], Answer] = {}  # what each reader was last told

    # In the broker's own words

    @property
    @abstractmethod
    def orders(self) -> Orders[Any]:
        """Its orders of the day."""

    @property
    @abstractmethod
    def users(self) -> list[str]:
        """Its users; the first is meant where none is named."""

    @abstractmethod
    def carry_out(self, request: Request, now: datetime, wish: Wish = PLAIN) -> Answer:
        """One request, carried out if it may be. Never raises for what a client can send."""

    @abstractmethod
    def refusal(self, reason: str) -> Answer:
        """How a write is refused for `reason`: funds, holdings, input, order, closed, depository, limit."""

    @abstractmethod
    def timed_out(self) -> Answer:
        """An answer that says the order may or may not have been taken; where the broker has no such words, its 5xx."""

    @abstractmethod
    def unnamed(self) -> Answer:
        """A success of a placement that names no order."""

    @abstractmethod
    def empty_list(self, request: Request) -> Answer:
        """What the list asked for looks like with nothing in it."""

    @abstractmethod
    def end_sessions(self, user: str) -> None:
        """Every session of this user is dead from now on."""

    @abstractmethod
    def access_token(self, user: str, now: datetime) -> str:
        """A new session, as a login would give it, for tests that are not about logging in."""

    def request_token(self, user: str, now: datetime) -> str:
        """What a login on the broker's page ends with. Raises ValueError where the broker has no such page."""
        raise ValueError("this broker has no login page")

    @abstractmethod
    def config(self) -> dict[str, str]:
        """What the configuration of an account says of its first user: keys, user and, where the broker allows it, all that
        a login by itself needs. Without `broker`, `base_url` and `access_token`."""

    @abstractmethod
    def secrets(self) -> list[str]:
        """Every text that must never be seen: what users and apps were given, and every token of a session so far."""

    @abstractmethod
    def place_by_hand(self, user: str, asked: dict[str, Any], now: datetime) -> str:
        """An order placed in another app: no tag of ours, no API limit. Its id."""

    def take_in(self, listed: tuple[Listing, ...], now: datetime) -> None:
        """Another day: other instruments, an empty book."""
        self.orders.new_day(now)

    def controls(self) -> dict[tuple[str, str], Callable[[Any], Any]]:
        """Control requests that this broker alone has (`control.py`)."""
        return {}

    def let_in(self, request: Request, now: datetime) -> SimFeed | Answer:
        """A client that wants a stream: what it is told from now on, or why it is not let in."""
        return Answer(404, (), b"")

    def reader(self, request: Request) -> str:
        """Who reads: one answer served before is served again to the same reader only."""
        return request.headers.get("authorization", "")

    def garbled(self) -> Answer:
        """A 200 that is no JSON."""
        return Answer(
            200,
            (("content-type", "application/json"),),
            b'{"status":"success","data":{"id":\x00\xff',
        )

    # The two ways in

    def handle(
        self, method: str, target: str, headers: Headers, body: bytes, now: datetime
    ) -> Answer:
        """One request carried out and answered, faults aside."""
        self.advance(now)
        return self._carry_out(Request.read(method, target, headers, body), now)

    def answer(
        self, method: str, target: str, headers: Headers, body: bytes, now: datetime
    ) -> Reply:
        """One request under the faults that wait for it."""
        self.advance(now)
        request = Request.read(method, target, headers, body)
        fault = self.faults.take(request.method, request.path)
        reply = (
            Reply(self._carry_out(request, now))
            if fault is None
            else self._spoil(fault, request, now)
        )
        self.requests.append(
            Seen(
                at=now,
                method=request.method,
                path=request.path,
                form={
                    name: value
                    for name, value in request.fields().items()
                    if name not in self.hidden
                },
                status=reply.answer.status,
                fault=str(fault.kind) if fault else "",
            )
        )
        return reply

    def open_feed(self, request: Request, now: datetime) -> SimFeed | Answer:
        """A client that wants a stream, under the faults that wait for it."""
        self.advance(now)
        if self.feed_faults.refuses():
            return Answer(403, (), b"")
        return self.let_in(request, now)

    def advance(self, now: datetime) -> None:
        """Let the market move, and carry out what was held back until now."""
        self.paper.advance(now)
        due = [late for late in self._late if late.due <= now]
        if due:
            self._late = [late for late in self._late if late.due > now]
            for late in due:
                self._carry_out(late.request, now)

    def new_day(self, now: datetime) -> None:
        """The night is over: the book of the day before is gone."""
        self.listed = _listed(now)
        self.paper.new_day(now, self.listed)
        self.take_in(self.listed, now)
        self._copies.clear()

    def _carry_out(self, request: Request, now: datetime, wish: Wish = PLAIN) -> Answer:
        answer = self.carry_out(request, now, wish)
        if request.method == "GET" and answer.status == 200:
            self._copies[self.reader(request), request.path] = answer
        return answer

    # Faults

    def _spoil(self, fault: Fault, request: Request, now: datetime) -> Reply:
        """What becomes of a request that a fault befell."""

        def done(wish: Wish = PLAIN) -> Answer:
            return self._carry_out(request, now, wish)

        nothing = Answer(0, (), b"")
        match fault.kind:
            case FaultKind.LOSE_BEFORE:
                return Reply(nothing, Ending.CLOSE)
            case FaultKind.LOSE_AFTER:
                return Reply(done(), Ending.CLOSE)
            case FaultKind.RESET:
                return Reply(done() if fault.executed else nothing, Ending.RESET)
            case FaultKind.HANG:
                return Reply(done() if fault.executed else nothing, Ending.HANG)
            case FaultKind.DELAY:
                return Reply(done(), delay_s=fault.seconds)
            case FaultKind.STATUS:
                if fault.executed:
                    done()
                return Reply(Answer(fault.status, (("content-type", "text/html"),), fault.page()))
            case FaultKind.HALF:
                return Reply(done(), Ending.HALF)
            case FaultKind.GARBAGE:
                done()
                return Reply(self.garbled())
            case FaultKind.NO_ORDER_ID:
                done()
                return Reply(self.unnamed())
            case FaultKind.DEAD_SESSION:
                for user in self.users:
                    self.end_sessions(user)
                return Reply(done())
            case FaultKind.REJECT:
                return Reply(self.refusal(fault.reason))
            case FaultKind.TIMED_OUT_400:
                if fault.executed:
                    done()
                return Reply(self.timed_out())
            case FaultKind.LATE:
                self._late.append(_Late(now + timedelta(seconds=fault.seconds), request))
                if fault.status == 400:
                    return Reply(self.timed_out())
                return Reply(nothing, Ending.CLOSE)
            case FaultKind.INVISIBLE:
                return Reply(done(Wish(invisible_s=fault.seconds)))
            case FaultKind.HIDE_TAG:
                return Reply(done(Wish(hides_tag=True)))
            case FaultKind.STALE:
                copy = self._copies.get((self.reader(request), request.path))
                return Reply(copy or self.empty_list(request))


def _listed(now: datetime) -> tuple[Listing, ...]:
    return listings(now.date())
