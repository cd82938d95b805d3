"""One connection over which a broker pushes prices, kept open and kept at what is wanted of it.

What is wanted and what was sent are two tables; the difference is what is sent next, and a new connection begins with an empty
second one. So reconnecting, a session's renewal, the next day's tokens and a change of mind are one thing.

A connection is left and made anew when it ends, when it brings nothing (no frame at all, or in market hours no price), when
its session is no longer the account's, and when the day's instruments were loaded: a broker gives the token of an expired
contract to another one, whose prices must not be told under the old name.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import date
from functools import partial

import anyio
import structlog
from msgspec import Struct

from ordod.adapter import (
    BadRow,
    BrokerError,
    BrokerOrder,
    DepthTick,
    Dialogue,
    Fault,
    Fill,
    Frame,
    Instrument,
    InstrumentKind,
    Mode,
    Notice,
    Pushed,
    Reply,
    Session,
    Stream,
    StreamLimits,
    StreamRequest,
    Tick,
)
from ordod.core.account import Account
from ordod.core.mornings import Mornings
from ordod.core.ports import Clock, Feed, FeedLost, Feeds, LineSettings, Random
from ordod.errors import OrdoError

__all__ = ["Connection"]

PAUSES_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # before the next try; each is shortened by up to half
LIVED_S = 10.0  # a connection that lasted so long was a good one: the next pause is the first again
EMPTY_S = 10.0  # with nothing wanted it stays open so long: a bot that starts anew finds it
LOOK_S = 1.0
REQUEST_S = 10.0
# A price at least comes within this time in market hours: of an index every second, of one dull option perhaps never, so the
# wait doubles each time that a new connection is silent too.
QUIET_INDEX_S = 15.0
QUIET_S = 60.0
QUIET_MAX_S = 1800.0
REFUSED = (401, 403)
LOGGED_EVERY_S = 60.0  # of what may come with every frame

log = structlog.get_logger("feed")


class _Left(Exception):  # noqa: N818 - an outcome, not an error
    """We leave the connection; `at_once`: and open the next without a pause."""

    def __init__(self, why: str, *, at_once: bool = False) -> None:
        super().__init__(why)
        self.at_once = at_once


class _Sent(Struct, frozen=True):
    instrument: Instrument
    mode: Mode


class Connection:
    """One of an account's connections.

    Args:
        deliver: takes what each frame brought, in the turn of the loop in which it came.
        closed: told the symbols whose prices came over a connection that is gone.
    """

    def __init__(
        self,
        account: Account,
        *,
        limits: StreamLimits,
        clock: Clock,
        random: Random,
        feeds: Feeds,
        settings: LineSettings,
        mornings: Mornings,
        deliver: Callable[[Iterable[Pushed]], None],
        closed: Callable[[Iterable[str]], None],
    ) -> None:
        self._account = account
        self._limits = limits
        self._clock = clock
        self._random = random
        self._feeds = feeds
        self._settings = settings
        self._mornings = mornings
        self._deliver = deliver
        self._closed = closed
        self._wanted: dict[str, Mode] = {}
        self._sent: dict[str, _Sent] = {}
        self._replies: list[Frame] = []
        self._changed = anyio.Event()
        self._heard_at = 0.0  # boot time of the last frame
        self._priced_at = 0.0  # of the last price, or of the subscription that waits for one
        self._empty_since = 0.0
        self._quiet_tries = 0  # connections in turn that brought no price
        self._failures = 0
        self._logged_at = -LOGGED_EVERY_S
        self.is_open = False
        self.opened = 0
        self.unreadable = 0
        self.message = ""

    @property
    def count(self) -> int:
        return len(self._wanted)

    @property
    def subscribed(self) -> int:
        return len(self._sent)

    def want(self, symbol: str, mode: Mode | None) -> None:
        """Push this symbol in this mode from now on; None: no longer."""
        if mode is None:
            self._wanted.pop(symbol, None)
            if not self._wanted:
                self._empty_since = self._clock.boot()
        else:
            self._wanted[symbol] = mode
        self._changed.set()

    async def run(self) -> None:
        """Until nothing has been wanted for a while."""
        while self._wanted:
            began = self._clock.boot()
            try:
                await self._has_session()
                await self._live()
            except _Left as left:
                self._told(str(left), at_once=left.at_once)
                if left.at_once:
                    continue
            except (FeedLost, BrokerError, OrdoError) as error:
                self._told(str(error))
                if _is_of_session(error):
                    await self._look_at_session()
            else:
                return  # nothing is wanted any more
            if self._clock.boot() - began >= LIVED_S:
                self._failures = 0
            await self._pause()

    def _told(self, why: str, *, at_once: bool = False) -> None:
        self.message = why
        log.warning("feed_lost", account=self._account.name, why=why, at_once=at_once)

    async def _pause(self) -> None:
        """Before the next try. A new session ends it: what failed in the one before may do now."""
        pause_s = PAUSES_S[min(self._failures, len(PAUSES_S) - 1)]
        self._failures += 1
        keeper = self._account.keeper
        before = keeper.session
        with anyio.move_on_after(pause_s * (1 - self._random.token(1)[0] / 512)):
            while keeper.session in (before, None):
                await keeper.moves()

    async def _has_session(self) -> None:
        """Wait for one, without asking for it: at night nobody logs in for prices that do not come."""
        keeper = self._account.keeper
        while keeper.session is None:
            await keeper.moves()

    async def _look_at_session(self) -> None:
        """The broker would not open a connection: where the session is dead, that is what finds out and renews it."""
        account = self._account
        if account.can("user") and account.keeper.session is not None:
            try:
                await account.read(account.adapter.user, deadline=self._clock.boot() + REQUEST_S)
            except OrdoError as error:
                self.message = str(error)

    # One life of it

    async def _live(self) -> None:
        """Open it and keep it until nothing is wanted. Raises FeedLost, BrokerError, OrdoError, _Left."""
        session, request = await self._request()
        loaded_on = self._account.master.loaded_on
        feed = await self._feeds.open(self._account.spec, self._settings, request)
        self.is_open, self.message = True, ""
        self.opened += 1
        self._heard_at = self._priced_at = self._clock.boot()
        ends: list[Exception] = []
        self._replies.clear()
        try:
            codec = self._account.adapter.stream(session, self._account.master)
            for frame in codec.greet():
                await feed.send(frame)
            async with anyio.create_task_group() as group:

                async def until_its_end(work: Callable[[], Awaitable[None]]) -> None:
                    try:
                        await work()
                    except (FeedLost, BrokerError, OrdoError, _Left) as end:
                        ends.append(end)
                    group.cancel_scope.cancel()

                group.start_soon(until_its_end, partial(self._write, feed, codec))
                group.start_soon(until_its_end, partial(self._read, feed, codec))
                if self._limits.keep_alive_s is not None:
                    alive = partial(_keep_alive, feed, codec, self._limits.keep_alive_s)
                    group.start_soon(until_its_end, alive)
                group.start_soon(until_its_end, partial(self._watch, session, loaded_on))
        finally:
            self.is_open = False
            sent, self._sent = self._sent, {}
            self._closed(sent)
            with anyio.CancelScope(shield=True):
                await feed.aclose()
        if ends:
            raise ends[0]

    async def _request(self) -> tuple[Session, StreamRequest]:
        """What opens it, and the session it is opened in."""
        account = self._account
        used: list[Session] = []

        def connect(session: Session) -> Dialogue[StreamRequest]:
            used.append(session)
            return account.adapter.connect_stream(session)

        request = await account.read(connect, deadline=self._clock.boot() + REQUEST_S)
        return used[-1], request

    async def _write(self, feed: Feed, codec: Stream) -> None:
        """Send the difference between what is wanted and what was sent, whenever there is one."""
        while True:
            self._changed = anyio.Event()
            replies, self._replies = self._replies, []
            for frame in (*replies, *self._difference(codec)):
                await feed.send(frame)
            await self._changed.wait()

    def _difference(self, codec: Stream) -> Iterator[Frame]:
        gone = [self._sent.pop(s).instrument for s in list(self._sent) if s not in self._wanted]
        for some in self._in_frames(gone):
            yield from codec.unsubscribe(some)
        news: dict[Mode, list[Instrument]] = {}
        for symbol, mode in self._wanted.items():
            sent = self._sent.get(symbol)
            if sent is not None and sent.mode is mode:
                continue
            # Looked up anew for each connection: tokens are of a day.
            instrument = sent.instrument if sent else self._account.master.find(symbol)
            if instrument is not None:
                self._sent[symbol] = _Sent(instrument, mode)
                news.setdefault(mode, []).append(instrument)
        for mode, instruments in news.items():
            for some in self._in_frames(instruments):
                yield from codec.subscribe(some, mode)
        if news:
            self._priced_at = self._clock.boot()

    def _in_frames(self, instruments: Sequence[Instrument]) -> Iterator[Sequence[Instrument]]:
        size = self._limits.frame_instruments
        return (instruments[at : at + size] for at in range(0, len(instruments), size))

    async def _read(self, feed: Feed, codec: Stream) -> None:
        while True:
            frame = await feed.receive()
            self._heard_at = self._clock.boot()
            try:
                pushed = codec.read(frame)
            except BrokerError as error:
                if error.fault is not Fault.UNREADABLE:
                    raise
                self._count_unreadable(str(error))
                continue
            if pushed:
                self._take(pushed)

    def _take(self, pushed: Sequence[Pushed]) -> None:
        for value in pushed:
            match value:
                case Tick():
                    self._priced_at = self._heard_at
                    self._quiet_tries = 0
                case BadRow():
                    self._count_unreadable(value.why)
                case Notice():
                    log.info("notice", account=self._account.name, message=value.message[:200])
                case Reply():
                    self._replies.append(value.frame)
                    self._changed.set()
                case DepthTick() | BrokerOrder() | Fill():
                    pass
        self._deliver(pushed)

    def _count_unreadable(self, why: str) -> None:
        """The frames around it are good: a broker that adds a kind of message must not cost the prices."""
        self.unreadable += 1
        if self._heard_at - self._logged_at >= LOGGED_EVERY_S:
            self._logged_at = self._heard_at
            log.warning("unreadable", account=self._account.name, why=why, count=self.unreadable)

    async def _watch(self, session: Session, loaded_on: date | None) -> None:
        """Returns when nothing has been wanted for a while. Raises _Left."""
        account, silence_s = self._account, self._limits.silence_s
        while True:
            await anyio.sleep(LOOK_S)
            now = self._clock.boot()
            if not self._wanted and now - self._empty_since >= EMPTY_S:
                return
            if account.keeper.session is not session:
                raise _Left("its session ended", at_once=True)
            if account.master.loaded_on != loaded_on:
                raise _Left("the instruments of another day were loaded", at_once=True)
            if silence_s is not None and now - self._heard_at > silence_s:
                raise _Left(f"nothing came for {silence_s:.0f} s")
            quiet_s = self._quiet_s()
            is_busy = self._mornings.is_busy(self._clock.now())
            if is_busy and self._sent and now - self._priced_at > quiet_s:
                self._quiet_tries += 1
                raise _Left(f"no price came for {quiet_s:.0f} s in market hours")

    def _quiet_s(self) -> float:
        has_index = any(one.instrument.kind is InstrumentKind.INDEX for one in self._sent.values())
        shortest = QUIET_INDEX_S if has_index else QUIET_S
        return min(shortest * (1 << min(self._quiet_tries, 10)), QUIET_MAX_S)


async def _keep_alive(feed: Feed, codec: Stream, every_s: float) -> None:
    while True:
        await anyio.sleep(every_s)
        await feed.send(codec.keep_alive())


def _is_of_session(error: Exception) -> bool:
    match error:
        case FeedLost(status=status):
            return status in REFUSED
        case BrokerError(fault=fault):
            return fault in (Fault.AUTH_EXPIRED, Fault.AUTH_DENIED)
        case _:
            return False
