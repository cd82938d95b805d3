"""The near side: the ports of a daemon that lives in a hostile world.

A request is handed over where `admit` is called, and recorded there. What then becomes of it is drawn from the seed: it may
arrive late, or much later than anybody waits, or never; its answer may be lost, late, cut or nonsense.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import anyio
from msgspec import Struct

from ordod.adapter import Adapter, BrokerSpec, HttpRequest, HttpResponse
from ordod.core.ports import Admit, Line, LineSettings, Lost, Master, Unsent
from ordod.domain.instruments import Exchange, Instrument, InstrumentKind
from tests.simulation.far import fields

if TYPE_CHECKING:
    from tests.simulation.world import Life, World

__all__ = ["Fates", "Handed", "HostileBrokers", "MemoryTables", "NoSignals", "WorldClock"]

TOTAL_S = 7.0  # a call's limit, as the transport has it
CONNECT_S = 3.0
HTML = HttpResponse(502, (("content-type", "text/html"),), b"<html><h1>502 Bad Gateway</h1></html>")
BUSY = HttpResponse(429, (), b'{"fault":"RATE_LIMITED","message":"too many"}')
DOWN = HttpResponse(503, (), b"upstream connect error")
WITHOUT_ID = HttpResponse(200, (("content-type", "application/json"),), b"{}")


class WorldClock:
    """Fulfils `Clock`: boot time from virtual time, wall time that may be stepped."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def now(self) -> datetime:
        return self._world.wall() + timedelta(seconds=self._world.stepped_s)

    def boot(self) -> float:
        return self._world.time - self._world.booted_at


class Fates(Struct):
    """What may befall a request: probabilities, and how late. All zero: nothing does."""

    lost_request: float = 0.0
    lost_answer: float = 0.0
    late_answer: float = 0.0
    slow: float = 0.0
    held: float = 0.0
    garbage: float = 0.0
    refused: float = 0.0
    busy: float = 0.0
    dead_session: float = 0.0
    reads: float = 1.0  # times the above, for what does not write
    held_s: float = 0.0  # the latest arrival after the hand-over
    split: float = 0.0  # head and body are handed over apart


class Handed(Struct):
    """One request whose bytes were handed to the socket. `synced`: what the disk held for sure at that moment."""

    at: float
    life: int
    user: str
    method: str
    path: str
    group: str
    fields: Mapping[str, Any]
    is_write: bool
    is_cancel: bool
    gate_open: bool


class _Flying:
    """A request under way. `answer` None when `arrived` is set: its connection died."""

    def __init__(self, writes: bool) -> None:
        self.writes = writes
        self.arrived = asyncio.Event()
        self.answer: HttpResponse | None = None
        self.is_dead = False

    def answered(self, response: HttpResponse) -> None:
        if not self.is_dead:
            self.answer = response
            self.arrived.set()

    def die(self) -> None:
        if not self.arrived.is_set():
            self.is_dead = True
            self.arrived.set()


class HostileLine(Line):
    """One user's way to the broker, through a world that loses things."""

    def __init__(self, life: "Life", user: str) -> None:
        self._life = life
        self._world = life.world
        self._chance: random.Random = life.world.chance
        self._user = user
        self._flying: dict[int, _Flying] = {}
        self._count = 0

    async def send(
        self, request: HttpRequest, *, deadline: float, admit: Admit | None = None
    ) -> HttpResponse:
        world, chance = self._world, self._chance
        if self._life.is_over:
            raise Unsent("this process is dead")
        if world.kill_with_next_send and request.writes and not self._life.is_over:
            world.pull()
        await anyio.sleep(0.001 + chance.random() * 0.02)
        if world.link_down:
            left = min(deadline - world.clock.boot(), CONNECT_S)
            await anyio.sleep(max(0.0, left))
            raise Unsent("no connection")
        if world.clock.boot() > deadline:
            raise Unsent("the deadline has passed")
        is_first = True
        if admit is not None:
            admit()
            if world.fates.split and chance.random() < world.fates.split:
                self._hand_over(request, is_first=True)
                is_first = False
                await anyio.sleep(chance.random() * 0.05)
                try:
                    admit()
                except Exception as error:
                    raise Lost("reset between head and body", world.clock.boot()) from error
        if self._life.is_over:
            raise Lost("this process is dead", world.clock.boot())
        self._hand_over(request, is_first=is_first)
        flying = _Flying(writes=admit is not None)
        self._count += 1
        number = self._count
        self._flying[number] = flying
        world.fly(self._user, request, flying)
        try:
            with anyio.move_on_after(TOTAL_S):
                await flying.arrived.wait()
        finally:
            del self._flying[number]
            flying.is_dead = True
        if flying.answer is None:
            raise Lost("no answer", world.clock.boot())
        return flying.answer

    def _hand_over(self, request: HttpRequest, *, is_first: bool) -> None:
        world = self._world
        handed = Handed(
            at=world.time,
            life=self._life.number,
            user=self._user,
            method=request.method,
            path=request.path,
            group=request.group,
            fields=fields(request),
            is_write=request.writes,
            is_cancel=request.writes and request.method == "DELETE",
            gate_open=not self._life.disk.gate()[0],
        )
        world.handed_over(handed, is_first=is_first)

    async def warm(self) -> None:
        """There is always a connection, or none can be had."""

    def reset_writes(self) -> int:
        writing = [flying for flying in self._flying.values() if flying.writes]
        for flying in writing:
            flying.die()
        return len(writing)

    def cut(self) -> None:
        """The link is gone: nobody hears an answer to what is under way."""
        for flying in self._flying.values():
            flying.is_dead = True

    async def aclose(self) -> None:
        """What is under way is not waited for."""


class HostileBrokers:
    """Fulfils `Brokers`."""

    def __init__(self, life: "Life") -> None:
        self._life = life
        self.lines: list[HostileLine] = []

    def line(self, spec: BrokerSpec, settings: LineSettings) -> Line:
        line = HostileLine(self._life, settings.account)
        self.lines.append(line)
        return line


def draw(world: "World", user: str, request: HttpRequest, flying: _Flying) -> None:
    """What becomes of a request that was handed over, from the world's fates."""
    chance, fates = world.chance, world.fates
    roll = chance.random() / (1.0 if request.writes else max(fates.reads, 1e-9))
    there, back = 0.001 + chance.random() * 0.02, 0.001 + chance.random() * 0.02
    latest = world.time + fates.held_s

    def arrive(after: float, answer: Callable[[HttpResponse], None]) -> None:
        flight = world.departs(user, request)
        world.agenda.at(
            world.time + after, lambda: world.arrives(user, request, flight, latest, answer)
        )

    def answer_after(after: float) -> Callable[[HttpResponse], None]:
        return lambda response: world.agenda.at(
            world.time + after, lambda: world.answers(flying, response)
        )

    def garbled(bad: HttpResponse | None, real: HttpResponse) -> None:
        answer_after(back)(bad or _half(real))

    def dies() -> None:
        if chance.random() < 0.5:  # reset; else it hangs until the time is up
            world.agenda.at(world.time + there + chance.random(), flying.die)

    def nobody(_: HttpResponse) -> None:
        pass

    for name in (
        "lost_request",
        "lost_answer",
        "late_answer",
        "slow",
        "held",
        "garbage",
        "refused",
        "busy",
        "dead_session",
    ):
        share: float = getattr(fates, name)
        if roll >= share:
            roll -= share
            continue
        match name:
            case "lost_request":
                dies()
            case "lost_answer":
                arrive(there, nobody)
                dies()
            case "late_answer":
                arrive(there, answer_after(5 + chance.random() * 20))
            case "slow":
                arrive(1 + chance.random() * 24, answer_after(back))
            case "held":
                arrive(TOTAL_S + chance.random() * max(0.0, fates.held_s - TOTAL_S), nobody)
                dies()
            case "garbage":
                arrive(there, partial(garbled, chance.choice((HTML, WITHOUT_ID, DOWN, None))))
            case "refused":
                world.agenda.at(world.time + there, lambda: world.answers(flying, DOWN))
            case "busy":
                world.agenda.at(world.time + there, lambda: world.answers(flying, BUSY))
            case _:
                world.far.log_out(user)
                arrive(there, answer_after(back))
        world.tell("fate", f"{name} befalls {request.method} {request.path} {_brief(request)}")
        return
    arrive(there, answer_after(back))


def _half(response: HttpResponse) -> HttpResponse:
    return HttpResponse(response.status, response.headers, response.body[: len(response.body) // 2])


def _brief(request: HttpRequest) -> str:
    return str(fields(request).get("quantity", ""))


class _MemoryMaster(Master):
    """A table of instruments."""

    def __init__(self) -> None:
        self.rows: Mapping[str, Instrument] = {}
        self.day: date | None = None
        self.edition = 0

    @property
    def loaded_on(self) -> date | None:
        return self.day

    def find(self, symbol: str) -> Instrument | None:
        return self.rows.get(symbol)

    def candidates(self, symbol: str) -> list[Instrument]:
        found = self.find(symbol)
        return [found] if found else []

    @property
    def ambiguous(self) -> list[str]:
        return []

    def by_isin(self, exchange: Exchange, isin: str) -> list[Instrument]:
        rows = self.rows.values()
        return [row for row in rows if (row.exchange, row.isin) == (exchange, isin)]

    def closest(self, symbol: str) -> list[str]:
        return sorted(self.rows)[:1]

    def expiries(self, exchange: Exchange, name: str) -> list[tuple[date, InstrumentKind]]:
        known = (i for i in self.rows.values() if (i.exchange, i.name) == (exchange, name))
        return sorted({(i.expiry, i.kind) for i in known if i.expiry is not None})

    def contracts(self, exchange: Exchange, name: str, expiry: date) -> list[Instrument]:
        wanted = (exchange, name, expiry)
        return [i for i in self.rows.values() if (i.exchange, i.name, i.expiry) == wanted]

    async def search(self, text: str, limit: int = 20) -> list[Instrument]:
        return [row for name, row in self.rows.items() if text.upper() in name][:limit]

    def by_broker_symbol(self, exchange: Exchange, broker_symbol: str) -> Instrument | None:
        return next(
            (
                r
                for r in self.rows.values()
                if r.exchange is exchange and r.broker_symbol == broker_symbol
            ),
            None,
        )

    def by_token(self, instrument_token: str) -> Instrument | None:
        rows = self.rows.values()
        return next((row for row in rows if row.instrument_token == instrument_token), None)


class MemoryTables:
    """Fulfils `Tables`; outlives the daemons, as a file would."""

    _parsed: ClassVar[dict[tuple[bytes, date], dict[str, Instrument]]] = {}

    def __init__(self) -> None:
        self._masters: dict[str, _MemoryMaster] = {}

    def master(self, broker: str) -> _MemoryMaster:
        return self._masters.setdefault(broker, _MemoryMaster())

    async def load(self, broker: str, adapter: Adapter, content: bytes, on: date) -> int:
        known = self._parsed.get((content, on))
        if known is None:
            if len(self._parsed) > 20:
                self._parsed.clear()
            known = {row.symbol: row for row in adapter.parse_master(content, on)}
            self._parsed[content, on] = known
        await anyio.sleep(0.01)
        master = self.master(broker)
        master.rows, master.day = known, on
        master.edition += 1
        return len(known)


class NoSignals:
    """Fulfils `Signals`; a world sends them by hand."""

    def __init__(self) -> None:
        self.kill: Callable[[], None] = _nothing
        self.stop: Callable[[], None] = _nothing

    def on_kill(self, react: Callable[[], None]) -> None:
        self.kill = react

    def on_stop(self, react: Callable[[], None]) -> None:
        self.stop = react


def _nothing() -> None:
    pass
