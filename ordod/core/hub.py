"""Pushed prices: what readers want, kept subscribed at the brokers whatever becomes of sessions and connections.

What is wanted is counted by (symbol, mode) here; `feeding.py` keeps each connection at it. A price is delivered in the turn of
the loop in which it came, to each of its readers, as one object that all of them share: whoever encodes it first encodes it
for all. A reader must not wait: what it cannot hand on at once is its own affair (`service/streams.py`).
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Protocol

import anyio
from msgspec import Struct

from ordod.adapter import DepthTick, Instrument, Mode, Pushed, StreamLimits, Tick, supports
from ordod.core.account import Account
from ordod.core.feeding import Connection
from ordod.core.mornings import Mornings
from ordod.core.ports import Clock, Feeds, LineSettings, Random
from ordod.core.prices import Prices
from ordod.core.tasks import Tasks
from ordod.errors import Kind, OrdoError

__all__ = ["FeedStatus", "Hub", "PriceReader", "Shared"]

MODES = tuple(Mode)  # the lesser first


class Shared:
    """One pushed value, for all its readers. `encoded`: its JSON, kept by whoever made it first."""

    __slots__ = ("encoded", "value")

    def __init__(self, value: Tick | DepthTick) -> None:
        self.value = value
        self.encoded: bytes | None = None


class PriceReader(Protocol):
    """Who reads prices. Neither method waits or raises."""

    def take(self, pushed: Shared) -> None: ...

    def flush(self) -> None:
        """No more of this moment: hand on what was taken."""
        ...


class FeedStatus(Struct, frozen=True, kw_only=True):
    """How one account's prices stand.

    Args:
        instruments: wanted; `subscribed`: of these, at the broker now.
        open: connections; `opened`: how often one was opened since the start.
        unreadable: frames and parts of frames that could not be read.
        message: why the last connection was left, where one is missing.
    """

    account: str
    instruments: int
    subscribed: int
    open: int
    opened: int
    unreadable: int
    last_at: datetime | None
    message: str


class _Wanted:
    """One instrument: who reads it, and what came last over the connection that lives."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.readers: dict[Mode, dict[PriceReader, int]] = {}
        self.of_ticks: tuple[PriceReader, ...] = ()
        self.of_depth: tuple[PriceReader, ...] = ()
        self.tick: Shared | None = None
        self.depth: Shared | None = None

    def add(self, mode: Mode, reader: PriceReader) -> None:
        counts = self.readers.setdefault(mode, {})
        counts[reader] = counts.get(reader, 0) + 1
        self._sort()

    def drop(self, mode: Mode, reader: PriceReader) -> None:
        counts = self.readers[mode]
        counts[reader] -= 1
        if not counts[reader]:
            del counts[reader]
        if not counts:
            del self.readers[mode]
        self._sort()

    def _sort(self) -> None:
        less = (self.readers.get(mode, {}) for mode in (Mode.LTP, Mode.QUOTE))
        self.of_ticks = tuple(dict.fromkeys(reader for readers in less for reader in readers))
        self.of_depth = tuple(self.readers.get(Mode.DEPTH, {}))

    @property
    def mode(self) -> Mode | None:
        """The most that anybody wants; None: nobody wants anything."""
        return next((mode for mode in reversed(MODES) if mode in self.readers), None)


class Hub:
    """All accounts' pushed prices.

    Args:
        feeds: opens connections; None: no prices are pushed.
        settings: where each account's connections go.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        random: Random,
        feeds: Feeds | None,
        accounts: Mapping[str, Account],
        settings: Mapping[str, LineSettings],
        mornings: Mornings,
        prices: Prices,
        tasks: Tasks,
    ) -> None:
        self._upstreams: dict[str, _Upstream] = {}
        for name, account in accounts.items():
            limits = account.spec.streams
            if feeds is None or limits is None or not supports(account.adapter, "stream"):
                continue
            upstream = _Upstream(
                account, limits, clock, random, feeds, settings[name], mornings, prices
            )
            self._upstreams[name] = upstream
            tasks.keep_running(f"feed {name}", upstream.run)

    def can(self, account: str) -> bool:
        """Whether this account's broker pushes prices through Ordo."""
        return account in self._upstreams

    def subscribe(
        self, account: str, instruments: Iterable[Instrument], mode: Mode, reader: PriceReader
    ) -> Callable[[], None]:
        """Give `reader` these prices from now on, the newest known ones at once; the answer ends it.

        Mode DEPTH gives the levels of the book alone, the others ticks, of at least this mode.

        Raises:
            OrdoError: OVERLOADED, more instruments than the broker pushes.
        """
        return self._upstreams[account].subscribe(list(instruments), mode, reader)

    def status(self, account: str) -> FeedStatus:
        return self._upstreams[account].status()


class _Upstream:
    """One account: what is wanted of it, spread over its connections."""

    def __init__(
        self,
        account: Account,
        limits: StreamLimits,
        clock: Clock,
        random: Random,
        feeds: Feeds,
        settings: LineSettings,
        mornings: Mornings,
        prices: Prices,
    ) -> None:
        self._account = account
        self._limits = limits
        self._clock = clock
        self._prices = prices
        self._wanted: dict[str, _Wanted] = {}
        self._connections: list[Connection] = []
        self._more = anyio.Event()  # a connection was added
        self._last_at: datetime | None = None
        self._opened_before = 0  # by connections that are gone
        self._unreadable_before = 0
        self._make = partial(
            Connection,
            account,
            limits=limits,
            clock=clock,
            random=random,
            feeds=feeds,
            settings=settings,
            mornings=mornings,
            deliver=self._deliver,
            closed=self._forget_latest,
        )

    async def run(self) -> None:
        """Until cancelled. Begun again after a bug, it goes on with what is wanted."""
        kept: set[Connection] = set()
        async with anyio.create_task_group() as group:
            while True:
                self._more = anyio.Event()
                for connection in self._connections:
                    if connection not in kept:
                        kept.add(connection)
                        group.start_soon(self._keep, connection, kept)
                await self._more.wait()

    async def _keep(self, connection: Connection, kept: set[Connection]) -> None:
        await connection.run()
        # No await since it found itself unwanted: nobody was added to it meanwhile.
        kept.discard(connection)
        self._connections.remove(connection)
        self._opened_before += connection.opened
        self._unreadable_before += connection.unreadable

    def subscribe(
        self, instruments: list[Instrument], mode: Mode, reader: PriceReader
    ) -> Callable[[], None]:
        self._check_room(instruments)
        symbols = list(dict.fromkeys(one.symbol for one in instruments))
        for symbol in symbols:
            wanted = self._wanted.get(symbol)
            if wanted is None:
                wanted = self._wanted[symbol] = _Wanted(self._with_room())
            wanted.add(mode, reader)
            wanted.connection.want(symbol, wanted.mode)
            newest = wanted.depth if mode is Mode.DEPTH else wanted.tick
            if newest is not None:
                reader.take(newest)
        reader.flush()
        return lambda: self._end(symbols, mode, reader)

    def _end(self, symbols: list[str], mode: Mode, reader: PriceReader) -> None:
        for symbol in symbols:
            wanted = self._wanted[symbol]
            wanted.drop(mode, reader)
            wanted.connection.want(symbol, wanted.mode)
            if wanted.mode is None:
                del self._wanted[symbol]

    def _check_room(self, instruments: list[Instrument]) -> None:
        room = self._limits.instruments * self._limits.connections
        count = len(self._wanted.keys() | {one.symbol for one in instruments})
        if count > room:
            raise OrdoError(
                Kind.OVERLOADED,
                f"{self._account.spec.name} pushes at most {room} instruments to one account, "
                f"and these would make {count}",
                account=self._account.name,
                limit=room,
            )

    def _with_room(self) -> Connection:
        for connection in self._connections:
            if connection.count < self._limits.instruments:
                return connection
        connection = self._make()
        self._connections.append(connection)
        self._more.set()
        return connection

    def _deliver(self, pushed: Iterable[Pushed]) -> None:
        """Hand what one frame brought to whoever reads it."""
        touched: dict[PriceReader, None] = {}
        ticks: list[Tick] = []
        for value in pushed:
            if isinstance(value, Tick):
                wanted = self._wanted.get(value.symbol)
                if wanted is None:
                    continue  # it crossed the end of its subscription
                ticks.append(value)
                shared = wanted.tick = Shared(value)
                readers = wanted.of_ticks
            elif isinstance(value, DepthTick):
                wanted = self._wanted.get(value.symbol)
                if wanted is None:
                    continue
                shared = wanted.depth = Shared(value)
                readers = wanted.of_depth
            else:
                continue
            for reader in readers:
                reader.take(shared)
                touched[reader] = None
        if ticks:
            self._last_at = self._clock.now()
            self._prices.learn(ticks)
        for reader in touched:
            reader.flush()

    def _forget_latest(self, symbols: Iterable[str]) -> None:
        """Their connection is gone: what came last over it grows old."""
        for symbol in symbols:
            wanted = self._wanted.get(symbol)
            if wanted is not None:
                wanted.tick = wanted.depth = None

    def status(self) -> FeedStatus:
        missing = [one for one in self._connections if not one.is_open]
        return FeedStatus(
            account=self._account.name,
            instruments=len(self._wanted),
            subscribed=sum(one.subscribed for one in self._connections),
            open=len(self._connections) - len(missing),
            opened=self._opened_before + sum(one.opened for one in self._connections),
            unreadable=self._unreadable_before + sum(one.unreadable for one in self._connections),
            last_at=self._last_at,
            message="; ".join(dict.fromkeys(one.message for one in missing if one.message)),
        )
