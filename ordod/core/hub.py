"""What brokers push: prices to whoever reads them, order updates to whoever keeps the account's book.

What is wanted of prices is counted by (symbol, mode) here; `subscribing.py` keeps each connection at it, whatever becomes of
sessions and connections. A price is delivered in the turn of the loop in which it came, with what came beside it, as one batch that
all its readers share: whoever encodes it first encodes it for all. A reader must not wait: what it cannot hand on at once is
its own affair (`service/streams.py`).

Order updates come over the connections for prices, or over one of their own; either is open as long as there is a session.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Protocol, TypeAlias

import anyio
from msgspec import Struct

from ordod.adapter import (
    BadRow,
    BrokerOrder,
    DepthTick,
    Fill,
    Instrument,
    Mode,
    Pushed,
    Stream,
    StreamLimits,
    Tick,
    UpdateStream,
    supports,
)
from ordod.core.account import Account
from ordod.core.feeding import Connection, ConnectionStatus, Upstream
from ordod.core.mornings import Mornings
from ordod.core.ports import Clock, Feeds, LineSettings, Random
from ordod.core.prices import Prices
from ordod.core.subscribing import PriceConnection
from ordod.core.tasks import Together
from ordod.errors import Kind, OrdoError

__all__ = ["Batch", "FeedStatus", "Hub", "PriceReader", "UpdateListener"]

MODES = tuple(Mode)  # the lesser first
AUDIENCES_KEPT = 1000

_MakeUpstream: TypeAlias = Callable[..., Upstream[Any]]


class Batch:
    """Ticks, or levels, that came at once and have the same readers: by symbol, the newest of each.

    `skipped`: how many a newer one of the same moment replaced. `encoded`: their JSON, kept by whoever made it first.
    """

    __slots__ = ("encoded", "is_depth", "skipped", "values")

    def __init__(self, *, is_depth: bool) -> None:
        self.is_depth = is_depth
        self.values: dict[str, Tick | DepthTick] = {}
        self.skipped = 0
        self.encoded: bytes | None = None

    def add(self, value: Tick | DepthTick) -> None:
        self.skipped += value.symbol in self.values
        self.values[value.symbol] = value


class PriceReader(Protocol):
    """Who reads prices. None of it waits or raises."""

    def take(self, batch: Batch) -> None:
        """It is shared: nobody changes it."""
        ...

    def flush(self) -> None:
        """No more of this moment: hand on what was taken."""
        ...

    def left_alone(self, account: str) -> None:
        """The account they came from is gone, or begun anew: none come any more of this subscription."""
        ...


Audience: TypeAlias = tuple[PriceReader, ...]


class UpdateListener(Protocol):
    """Who keeps an account's order book. None of it waits or raises."""

    def heard(self, rows: Sequence[BrokerOrder], fills: Sequence[Fill]) -> None:
        """The broker said this of orders, now."""
        ...

    def unclear(self) -> None:
        """It said something that does not tell how an order stands."""
        ...

    def channel_opened(self) -> None:
        """Updates come from now on; what happened before was not told."""
        ...

    def channel_closed(self) -> None: ...


class FeedStatus(Struct, frozen=True, kw_only=True):
    """How one account's prices stand.

    Args:
        instruments: wanted.
        open: connections that are open.
        message: why the last connection was left, where one is missing.
        unreadable: frames and parts of frames that could not be read.
        subscribed: of these, at the broker now.
        opened: connections since the start.
        last_at: when the last price came.
        silences: connections that were left because nothing came, since the start.
    """

    account: str
    instruments: int
    subscribed: int
    open: int
    opened: int
    unreadable: int
    last_at: datetime | None
    message: str
    silences: int = 0


class _Audiences(dict[Audience, Audience]):
    """One tuple for all instruments that have the same readers: which that is is then seen at a glance, by `is`."""

    def __missing__(self, audience: Audience) -> Audience:
        if len(self) >= AUDIENCES_KEPT:
            self.clear()  # it only costs the glance
        self[audience] = audience
        return audience


class _Wanted:
    """One instrument: who reads it, and what came last over the connection that lives."""

    def __init__(self, connection: PriceConnection, audiences: _Audiences) -> None:
        self.connection = connection
        self._audiences = audiences
        self.readers: dict[Mode, dict[PriceReader, int]] = {}
        self.of_ticks: Audience = ()
        self.of_depth: Audience = ()
        self.tick: Tick | None = None
        self.depth: DepthTick | None = None

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
        of_ticks = dict.fromkeys(reader for readers in less for reader in readers)
        self.of_ticks = self._audiences[tuple(of_ticks)]
        self.of_depth = self._audiences[tuple(self.readers.get(Mode.DEPTH, {}))]

    @property
    def mode(self) -> Mode | None:
        """The most that anybody wants; None: nobody wants anything."""
        return next((mode for mode in reversed(MODES) if mode in self.readers), None)


class Hub:
    """All accounts' streams. `skipped`: values that slow readers were spared since the start.

    Args:
        feeds: opens connections; None: nothing is pushed.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        random: Random,
        feeds: Feeds | None,
        mornings: Mornings,
        prices: Prices,
    ) -> None:
        self.skipped = 0
        self._clock = clock
        self._random = random
        self._opens = feeds
        self._mornings = mornings
        self._prices = prices
        self._feeds: dict[str, _AccountFeed] = {}
        self._updates: dict[str, Connection[UpdateStream]] = {}
        self._upstreams: dict[str, list[Upstream[Any]]] = {}

    def add(
        self, account: Account, settings: LineSettings, listener: UpdateListener, tasks: Together
    ) -> None:
        """Open this account's streams as soon as it has a session.

        Args:
            settings: where its connections go.
            listener: who is told of its orders.
        """
        if self._opens is None:
            return
        name, limits = account.name, account.spec.streams
        upstreams: list[Upstream[Any]] = []
        make = partial(
            Upstream,
            account,
            clock=self._clock,
            random=self._random,
            feeds=self._opens,
            settings=settings,
        )
        if limits is not None and supports(account.adapter, "stream"):
            feed = _AccountFeed(
                account, limits, make, listener, self._clock, self._mornings, self._prices
            )
            self._feeds[name] = feed
            upstreams.append(feed.upstream)
            tasks.keep_running(f"feed {name}", feed.run)
        if account.spec.updates is not None and supports(account.adapter, "updates"):
            upstream = _updates(account, make, listener)
            self._updates[name] = Connection(upstream)
            upstreams.append(upstream)
            tasks.keep_running(f"updates {name}", self._updates[name].run)
        self._upstreams[name] = upstreams

    def remove(self, account: str) -> list[PriceReader]:
        """Forget an account's streams; whoever read its prices. Its tasks end, and with them its connections."""
        feed = self._feeds.pop(account, None)
        self._updates.pop(account, None)
        self._upstreams.pop(account, None)
        return feed.readers() if feed is not None else []

    def lead(self, account: str, settings: LineSettings) -> None:
        """From now on its connections go there; those that are open are left for new ones."""
        for upstream in self._upstreams.get(account, ()):
            upstream.settings = settings

    def can(self, account: str) -> bool:
        """Whether this account's broker pushes prices through Ordo."""
        return account in self._feeds

    def subscribe(
        self, account: str, instruments: Iterable[Instrument], mode: Mode, reader: PriceReader
    ) -> Callable[[], None]:
        """Give `reader` these prices from now on, the newest known ones at once; the answer ends it.

        Mode DEPTH gives the levels of the book alone, the others ticks, of at least this mode.

        Raises:
            OrdoError: OVERLOADED, more instruments than the broker pushes.
        """
        return self._feeds[account].subscribe(list(instruments), mode, reader)

    def status(self, account: str) -> FeedStatus:
        return self._feeds[account].status()

    def updates_status(self, account: str) -> ConnectionStatus | None:
        """None: this broker pushes none through Ordo."""
        feed = self._feeds.get(account)
        if account in self._updates:
            return self._updates[account].status()
        return feed.updates_status() if feed is not None and feed.has_orders else None


def _updates(
    account: Account, make: _MakeUpstream, listener: UpdateListener
) -> Upstream[UpdateStream]:
    assert account.spec.updates is not None
    return make(
        limits=account.spec.updates,
        connect=account.adapter.connect_updates,
        codec=lambda session: account.adapter.updates(session, account.master),
        deliver=partial(_tell, listener),
        opened=listener.channel_opened,
        closed=listener.channel_closed,
    )


def _tell(listener: UpdateListener, pushed: Iterable[Pushed]) -> None:
    """Hand on what a frame says of orders."""
    rows = [value for value in pushed if isinstance(value, BrokerOrder)]
    fills = [value for value in pushed if isinstance(value, Fill)]
    if rows or fills:
        listener.heard(rows, fills)
    if any(isinstance(value, BadRow) for value in pushed):
        listener.unclear()


def _nothing() -> None: ...


class _AccountFeed:
    """One account's prices: what is wanted of them, spread over its connections."""

    def __init__(
        self,
        account: Account,
        limits: StreamLimits,
        make: _MakeUpstream,
        listener: UpdateListener,
        clock: Clock,
        mornings: Mornings,
        prices: Prices,
    ) -> None:
        self._account = account
        self._limits = limits
        self._listener = listener
        self._clock = clock
        self._mornings = mornings
        self._prices = prices
        self._wanted: dict[str, _Wanted] = {}
        self._audiences = _Audiences()
        self._connections: list[PriceConnection] = []
        self._more = anyio.Event()  # a connection was added
        self._last_at: datetime | None = None
        self._opened_before = 0  # by connections that are gone
        self._unreadable_before = 0
        self._silences_before = 0
        self.upstream: Upstream[Stream] = make(
            limits=limits,
            connect=account.adapter.connect_stream,
            codec=lambda session: account.adapter.stream(session, account.master),
            deliver=self._deliver,
            opened=listener.channel_opened if limits.has_orders else _nothing,
            closed=listener.channel_closed if limits.has_orders else _nothing,
        )
        if limits.has_orders:
            self._add(is_kept=True)

    @property
    def has_orders(self) -> bool:
        return self._limits.has_orders

    async def run(self) -> None:
        """Until cancelled. Begun again after a bug, it goes on with what is wanted."""
        kept: set[PriceConnection] = set()
        async with anyio.create_task_group() as group:
            while True:
                self._more = anyio.Event()
                for connection in self._connections:
                    if connection not in kept:
                        kept.add(connection)
                        group.start_soon(self._keep, connection, kept)
                await self._more.wait()

    async def _keep(self, connection: PriceConnection, kept: set[PriceConnection]) -> None:
        await connection.run()
        # No await since it found itself unwanted: nobody was added to it meanwhile.
        kept.discard(connection)
        self._connections.remove(connection)
        self._opened_before += connection.opened
        self._unreadable_before += connection.unreadable
        self._silences_before += connection.silences

    def subscribe(
        self, instruments: list[Instrument], mode: Mode, reader: PriceReader
    ) -> Callable[[], None]:
        self._check_room(instruments)
        symbols = list(dict.fromkeys(one.symbol for one in instruments))
        known = Batch(is_depth=mode is Mode.DEPTH)
        for symbol in symbols:
            wanted = self._wanted.get(symbol)
            if wanted is None:
                wanted = self._wanted[symbol] = _Wanted(self._with_room(), self._audiences)
            wanted.add(mode, reader)
            wanted.connection.want(symbol, wanted.mode)
            newest = wanted.depth if mode is Mode.DEPTH else wanted.tick
            if newest is not None:
                known.add(newest)
        if known.values:
            reader.take(known)
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

    def _with_room(self) -> PriceConnection:
        for connection in self._connections:
            if connection.count < self._limits.instruments:
                return connection
        return self._add(is_kept=False)

    def _add(self, *, is_kept: bool) -> PriceConnection:
        connection = PriceConnection(
            self.upstream,
            limits=self._limits,
            mornings=self._mornings,
            is_kept=is_kept,
            closed=self._forget_latest,
        )
        self._connections.append(connection)
        self._more.set()
        return connection

    def _deliver(self, pushed: Iterable[Pushed]) -> None:
        """Hand what one frame brought to whoever reads it."""
        # By readers: most instruments have the same, and what they share is put together, and encoded, once for all of them.
        batches: dict[tuple[bool, Audience], Batch] = {}
        ticks: list[Tick] = []
        others: list[Pushed] = []
        batch: Batch | None = None
        audience: Audience = ()  # of `batch`, and so most often of the next value too
        for value in pushed:
            if isinstance(value, Tick):
                wanted = self._wanted.get(value.symbol)
                if wanted is None:
                    continue  # it crossed the end of its subscription
                ticks.append(value)
                wanted.tick = value
                is_depth, its_audience = False, wanted.of_ticks
            elif isinstance(value, DepthTick):
                wanted = self._wanted.get(value.symbol)
                if wanted is None:
                    continue
                wanted.depth = value
                is_depth, its_audience = True, wanted.of_depth
            else:
                others.append(value)
                continue
            if batch is None or audience is not its_audience or batch.is_depth is not is_depth:
                audience = its_audience
                batch = batches.get((is_depth, audience))
                if batch is None:
                    batch = batches[is_depth, audience] = Batch(is_depth=is_depth)
            batch.add(value)
        if ticks:
            self._last_at = self._clock.now()
            self._prices.learn(ticks)
        for (_, readers), batch in batches.items():
            for reader in readers:
                reader.take(batch)
        for reader in {reader: None for _, readers in batches for reader in readers}:
            reader.flush()
        if others and self._limits.has_orders:
            _tell(self._listener, others)

    def _forget_latest(self, symbols: Iterable[str]) -> None:
        """Their connection is gone: what came last over it grows old."""
        for symbol in symbols:
            wanted = self._wanted.get(symbol)
            if wanted is not None:
                wanted.tick = wanted.depth = None

    def readers(self) -> list[PriceReader]:
        """Everybody who reads anything."""
        every = (r for one in self._wanted.values() for some in one.readers.values() for r in some)
        return list(dict.fromkeys(every))

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
            silences=self._silences_before + sum(one.silences for one in self._connections),
        )

    def updates_status(self) -> ConnectionStatus:
        """Of order updates: they come over any of the connections."""
        every = [one.status() for one in self._connections]
        return next((one for one in every if one.is_open), every[0])
