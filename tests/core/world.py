"""A whole daemon in memory on virtual time, with the paper broker behind a line that does what a test tells it.

    async with running_world() as world:
        world.line().script(lost_after)          # the next write is carried out and its answer lost
        placed = await world.parts.desk.place(wanted("k1"))

Virtual time: a test module has `anyio_backend` answer `VIRTUAL`; then nobody ever sleeps.
"""

import asyncio
import selectors
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from copy import copy
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
from msgspec.structs import replace

from ordod.adapter import (
    Adapter,
    BrokerSpec,
    Credentials,
    Exchange,
    HttpRequest,
    HttpResponse,
    Instrument,
)
from ordod.app import Running, running
from ordod.config import AccountSettings, Settings
from ordod.config.settings import DaemonSettings, RiskSettings
from ordod.core.orders.desk import WantedOrder
from ordod.core.orders.states import OrderState
from ordod.core.ports import Admit, Feeds, Line, LineSettings, Lost, Master, Ports, Unsent
from ordod.core.sessions import SessionState
from ordod.domain.instruments import InstrumentKind
from ordod.domain.orders import OrderTerms, OrderType, Product, Side
from ordod.paper import PAPER
from ordod.paper.broker import PaperBroker
from ordod.paper.feed import PaperFeeds
from ordod.paper.line import PaperLine
from tests.simulation.disk import TearingDisk
from tests.simulation.ports import IST, SeededRandom

BEGINS = datetime(2026, 11, 23, 10, 0, tzinfo=IST)  # a Monday
CALL_S = 7.0  # how long a lost answer is waited for

# Time


class _Jumping(selectors.DefaultSelector):
    """Waits for nobody: where only timers are left, the time is theirs at once."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:  # only another thread can wake the loop
            return super().select(None)
        ready = super().select(0)
        if not ready and timeout > 0:
            self.loop.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.now = 1000.0
        selector = _Jumping()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


VIRTUAL = ("asyncio", {"loop_factory": VirtualLoop})


class LoopClock:
    """Fulfils `Clock` from the loop's time."""

    def __init__(self, begins: datetime = BEGINS) -> None:
        self._begins = begins
        self._begun = anyio.current_time()

    def now(self) -> datetime:
        return self._begins + timedelta(seconds=anyio.current_time() - self._begun)

    def boot(self) -> float:
        return anyio.current_time()


# The broker's line

Send = Callable[[HttpRequest, Admit | None], Awaitable[HttpResponse]]
Act = Callable[[Send, HttpRequest, Admit | None], Awaitable[HttpResponse]]


async def lost_before(send: Send, request: HttpRequest, admit: Admit | None) -> HttpResponse:
    """The bytes go out and never arrive."""
    if admit is not None:
        admit()
    await anyio.sleep(CALL_S)
    raise Lost("no answer within 7 s", anyio.current_time())


async def lost_after(send: Send, request: HttpRequest, admit: Admit | None) -> HttpResponse:
    """It is carried out, and the answer is lost."""
    await send(request, admit)
    await anyio.sleep(CALL_S)
    raise Lost("no answer within 7 s", anyio.current_time())


async def unsent(send: Send, request: HttpRequest, admit: Admit | None) -> HttpResponse:
    """No connection can be had."""
    raise Unsent("connection refused")


def answers(status: int, fault: str, message: str = "no", *, executes: bool = False) -> Act:
    """The broker says this instead."""

    async def act(send: Send, request: HttpRequest, admit: Admit | None) -> HttpResponse:
        if executes:
            await send(request, admit)
        elif admit is not None:
            admit()
        body = f'{{"fault": "{fault}", "message": "{message}"}}'.encode()
        return HttpResponse(status, (("content-type", "application/json"),), body)

    return act


def late(seconds: float) -> Act:
    """It is carried out and answered after so long."""

    async def act(send: Send, request: HttpRequest, admit: Admit | None) -> HttpResponse:
        response = await send(request, admit)
        await anyio.sleep(seconds)
        return response

    return act


def first(wait: Callable[[], Awaitable[object]], then: Act | None = None) -> Act:
    """Something happens before a byte of it is handed over: the connection is waited for."""

    async def act(send: Send, request: HttpRequest, admit: Admit | None) -> HttpResponse:
        await wait()
        return await (then(send, request, admit) if then else send(request, admit))

    return act


class ScriptedLine(Line):
    """The paper broker's line; `script` tells what the next requests that `match` come to."""

    def __init__(self, inner: PaperLine) -> None:
        self._inner = inner
        self._scripts: list[tuple[Callable[[HttpRequest], bool], Act]] = []
        self.sent: list[HttpRequest] = []
        self.resets = 0
        self.exposed = 0
        self.closed = False

    def script(
        self,
        *acts: Act,
        match: Callable[[HttpRequest], bool] = lambda request: request.writes,
    ) -> None:
        self._scripts += [(match, act) for act in acts]

    def always(self, act: Act, match: Callable[[HttpRequest], bool]) -> Callable[[], None]:
        """Every request that matches, until the answer is called."""
        entry = (match, _forever(act))
        self._scripts.append(entry)
        return lambda: self._scripts.remove(entry)

    def forget(self) -> None:
        """No script any more."""
        self._scripts.clear()

    def writes(self, method: str | None = None) -> list[HttpRequest]:
        """Writing requests whose bytes were handed over."""
        return [r for r in self.sent if r.writes and method in (None, r.method)]

    async def send(
        self, request: HttpRequest, *, deadline: float, admit: Admit | None = None
    ) -> HttpResponse:
        def admitted() -> None:
            if admit is not None:
                admit()
            self.sent.append(request)

        async def inner(request: HttpRequest, admit: Admit | None) -> HttpResponse:
            return await self._inner.send(request, deadline=deadline, admit=admit)

        for entry in self._scripts:
            match, act = entry
            if match(request):
                if not isinstance(act, _forever):
                    self._scripts.remove(entry)
                return await act(inner, request, admitted)
        return await inner(request, admitted)

    async def warm(self) -> None:
        """There is no connection."""

    def reset_writes(self) -> int:
        self.resets += 1
        return self.exposed

    async def aclose(self) -> None:
        self.closed = True


class _forever:  # noqa: N801 - a function that is told apart
    def __init__(self, act: Act) -> None:
        self._act = act

    def __call__(
        self, send: Send, request: HttpRequest, admit: Admit | None
    ) -> Awaitable[HttpResponse]:
        return self._act(send, request, admit)


class ScriptedBrokers:
    """Fulfils `Brokers`: all accounts at one paper exchange."""

    def __init__(self, exchange: PaperBroker, clock: LoopClock) -> None:
        self.exchange = exchange
        self._clock = clock
        self.lines: dict[str, ScriptedLine] = {}
        self.users: dict[str, str] = {}  # account -> user, where it is not the account's name

    def line(self, spec: BrokerSpec, settings: LineSettings) -> Line:
        user = self.users.get(settings.account, settings.account)
        self.exchange.open_account(user, Decimal(10**7), self._clock.now())
        line = ScriptedLine(PaperLine(self.exchange, user, self._clock))
        self.lines[settings.account] = line
        return line


# Tables and signals


class MemoryMaster(Master):
    def __init__(self) -> None:
        self.instruments: dict[str, Instrument] = {}
        self.day: date | None = None
        self.edition = 0

    @property
    def loaded_on(self) -> date | None:
        return self.day

    def by_broker_symbol(self, exchange: Exchange, broker_symbol: str) -> Instrument | None:
        return self.instruments.get(f"{exchange}:{broker_symbol}")

    def by_token(self, instrument_token: str) -> Instrument | None:
        return next(
            (i for i in self.instruments.values() if i.instrument_token == instrument_token), None
        )

    def find(self, symbol: str) -> Instrument | None:
        return self.instruments.get(symbol.upper())

    def candidates(self, symbol: str) -> list[Instrument]:
        found = self.find(symbol)
        return [found] if found else []

    @property
    def ambiguous(self) -> list[str]:
        return []

    def by_isin(self, exchange: Exchange, isin: str) -> list[Instrument]:
        rows = self.instruments.values()
        return [row for row in rows if (row.exchange, row.isin) == (exchange, isin)]

    def closest(self, symbol: str) -> list[str]:
        return [known for known in self.instruments if known[:6] == symbol[:6]][:5]

    def expiries(self, exchange: Exchange, name: str) -> list[tuple[date, InstrumentKind]]:
        known = (i for i in self.instruments.values() if (i.exchange, i.name) == (exchange, name))
        return sorted({(i.expiry, i.kind) for i in known if i.expiry is not None})

    def contracts(self, exchange: Exchange, name: str, expiry: date) -> list[Instrument]:
        wanted = (exchange, name, expiry)
        return [i for i in self.instruments.values() if (i.exchange, i.name, i.expiry) == wanted]

    async def search(self, text: str, limit: int = 20) -> list[Instrument]:
        return [i for i in self.instruments.values() if text in i.symbol][:limit]


class MemoryTables:
    def __init__(self) -> None:
        self.masters: dict[str, MemoryMaster] = {}

    def master(self, broker: str) -> Master:
        return self.masters.setdefault(broker, MemoryMaster())

    async def load(self, broker: str, adapter: Adapter, content: bytes, on: date) -> int:
        master = self.masters.setdefault(broker, MemoryMaster())
        master.instruments = {i.symbol: i for i in adapter.parse_master(content, on)}
        master.day = on
        master.edition += 1
        return len(master.instruments)


class HandSignals:
    """Fulfils `Signals`: a test calls `kill` and `stop` itself."""

    def __init__(self) -> None:
        self.kill: Callable[[], None] = lambda: None
        self.stop: Callable[[], None] = lambda: None

    def on_kill(self, react: Callable[[], None]) -> None:
        self.kill = react

    def on_stop(self, react: Callable[[], None]) -> None:
        self.stop = react


# The daemon


class World:
    """What a daemon runs in; outlives it. `pushes_orders`: the broker does; else what its book shows is all there is."""

    parts: Running

    def __init__(self, *, disk: TearingDisk | None = None, begins: datetime = BEGINS) -> None:
        self.clock = LoopClock(begins)
        self.disk = disk or TearingDisk()
        self.exchange = PaperBroker(self.clock.now())
        self.brokers = ScriptedBrokers(self.exchange, self.clock)
        self.tables = MemoryTables()
        self.signals = HandSignals()
        self.feeds: Feeds | None = PaperFeeds(self.exchange, self.clock)
        self.random = SeededRandom()
        self.lives = 0
        self.pushes_orders = False

    @property
    def ports(self) -> Ports:
        return Ports(
            clock=self.clock,
            random=self.random,
            disk=self.disk,
            brokers=self.brokers,
            signals=self.signals,
            tables=self.tables,
            feeds=self.feeds,
        )

    def line(self, account: str = "paper") -> ScriptedLine:
        return self.brokers.lines[account]

    def is_ready(self) -> bool:
        return all(
            a.is_read and a.keeper.state is SessionState.ACTIVE and a.master.loaded_on is not None
            for a in self.parts.accounts.values()
        )

    def order(self, key: str, user: str = "paper") -> OrderState:
        found = self.parts.book.by_key(user, key)
        assert isinstance(found, OrderState)
        return found

    def at_broker(self, user: str = "paper") -> list[Any]:
        """The broker's own truth."""
        return [order.row() for order in self.exchange.exchange.orders(user)]

    def records(self) -> list[str]:
        """The types of the journal's records, `open` and `seal` apart."""
        lines = b"".join(self.disk.read(f"journal/{name}") for name in self.segments())
        kinds = [
            line.partition(b'"type":"')[2].partition(b'"')[0].decode()
            for line in lines.splitlines()
        ]
        return [kind for kind in kinds if kind not in ("open", "seal", "account")]

    def segments(self) -> list[str]:
        return [name for name in self.disk.names("journal") if name.endswith(".ndjson")]

    @asynccontextmanager
    async def daemon(
        self,
        *accounts: AccountSettings,
        adapter: Adapter = PAPER,
        risk: RiskSettings | None = None,
        ready: bool = True,
        credentials: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[Running]:
        """One life of it. `ready`: every account may trade when it begins."""
        self.lives += 1
        configured = accounts or (account(),)
        settings = Settings(
            file=Path("/ordod.conf"),
            daemon=DaemonSettings(socket=Path("/ordod.sock"), state_dir=Path("/state")),
            risk=risk or RiskSettings(),
            accounts={each.name: each for each in configured},
        )

        def credentials_of(each: AccountSettings) -> Credentials:
            return Credentials(user_id=each.user_id, **(credentials or {}))

        if not self.pushes_orders:
            adapter = _without_updates(adapter)
        async with running(
            self.ports, settings, {"paper": adapter}, credentials_of=credentials_of
        ) as self.parts:
            if ready:
                await until(self.is_ready)
            yield self.parts


def account(name: str = "paper", **changed: Any) -> AccountSettings:
    fields: dict[str, Any] = {"name": name, "broker": "paper", "doubt_horizon_s": 60.0}
    return AccountSettings(**fields | changed)


@asynccontextmanager
async def running_world(
    *accounts: AccountSettings, world: World | None = None, **settings: Any
) -> AsyncIterator[World]:
    world = world or World()
    async with world.daemon(*accounts, **settings):
        yield world


FAR = Decimal(1200)  # a limit that does not trade


def resting(**changed: Any) -> OrderTerms:
    """A limit order far from the market: it stays open."""
    fields: dict[str, Any] = {
        "symbol": "NSE:INFY",
        "side": Side.BUY,
        "quantity": 10,
        "type": OrderType.LIMIT,
        "product": Product.CNC,
        "price": FAR,
    }
    return OrderTerms(**fields | changed)


def market(**changed: Any) -> OrderTerms:
    """It is filled at once."""
    return resting(**{"type": OrderType.MARKET, "price": None} | changed)


def wanted(key: str, terms: OrderTerms | None = None, **changed: Any) -> WantedOrder:
    fields: dict[str, Any] = {
        "account": "paper",
        "key": key,
        "terms": terms or resting(),
        "caller": "test",
    }
    return WantedOrder(**fields | changed)


def with_spec(**changed: Any) -> Adapter:
    """The paper adapter with another spec."""

    class Changed(type(PAPER)):  # type: ignore[misc]  # a class made for one test
        spec = replace(PAPER.spec, **changed)

    return Changed()


def _without_updates(adapter: Adapter) -> Adapter:
    if adapter is PAPER:
        adapter = copy(adapter)
    limits = adapter.spec.streams
    spec = replace(adapter.spec, streams=limits and replace(limits, has_orders=False))
    vars(adapter)["spec"] = spec  # of this one; tests hold on to theirs
    return adapter


def request_is(method: str, resource: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.method == method and request.path.startswith(resource)


async def until(true: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait for it, in virtual time."""
    with anyio.fail_after(within_s):
        while not true():  # noqa: ASYNC110 - what is waited for sets no event; time is virtual
            await anyio.sleep(0.01)
