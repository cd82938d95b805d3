"""One connection over which a broker pushes, kept open: opened, greeted, kept alive, watched, left and made anew.

A connection is left when it ends, when it brings nothing, when its session is no longer the account's, when it is to go elsewhere, and
when the day's instruments were loaded: a broker gives the token of an expired contract to another one, whose prices must not be told under
the old name. As it stands here it brings order updates alone; `subscribing.py` has the one that carries prices.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import date
from functools import partial
from typing import Generic, TypeVar

import anyio
import structlog
from msgspec import Struct

from ordod.adapter import (
    BadRow,
    BrokerError,
    Dialogue,
    Fault,
    Frame,
    Notice,
    Pushed,
    Reply,
    Session,
    StreamLimits,
    StreamRequest,
    UpdateLimits,
    UpdateStream,
)
from ordod.core.account import Account
from ordod.core.ports import Clock, Feed, FeedLost, Feeds, LineSettings, Random
from ordod.errors import OrdoError

__all__ = ["Connection", "ConnectionStatus", "Left", "Upstream"]

PAUSES_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # before the next try; each is shortened by up to half
LIVED_S = 10.0  # a connection that lasted so long was a good one: the next pause is the first again
LOOK_S = 1.0
REQUEST_S = 10.0
REFUSED = (401, 403)
LOGGED_EVERY_S = 60.0  # of what may come with every frame

log = structlog.get_logger("feed")

S = TypeVar("S", bound=UpdateStream)


class Left(Exception):  # noqa: N818 - an outcome, not an error
    """We leave the connection; `at_once`: and open the next without a pause."""

    def __init__(self, why: str, *, at_once: bool = False) -> None:
        super().__init__(why)
        self.at_once = at_once


class Upstream(Generic[S]):
    """What every connection of an account to one of its broker's streams needs.

    Args:
        connect, codec: the adapter's, of this stream.
        deliver: takes what each frame brought, in the turn of the loop in which it came.
        opened, closed: told of every connection that was opened, and that is gone.
    """

    def __init__(
        self,
        account: Account,
        *,
        limits: StreamLimits | UpdateLimits,
        connect: Callable[[Session], Dialogue[StreamRequest]],
        codec: Callable[[Session], S],
        clock: Clock,
        random: Random,
        feeds: Feeds,
        settings: LineSettings,
        deliver: Callable[[Sequence[Pushed]], None],
        opened: Callable[[], None],
        closed: Callable[[], None],
    ) -> None:
        self.account = account
        self.limits = limits
        self.connect = connect
        self.codec = codec
        self.clock = clock
        self.random = random
        self.feeds = feeds
        self.settings = settings
        self.deliver = deliver
        self.opened = opened
        self.closed = closed


class ConnectionStatus(Struct, frozen=True, kw_only=True):
    """How a connection stands.

    Args:
        opened: how often it was, since the start.
        silences: how often it was left because nothing came.
        unreadable: frames and parts of frames that could not be read.
        message: why it was left last, while it is not open.
        is_open: now.
    """

    is_open: bool
    opened: int
    unreadable: int
    message: str
    silences: int = 0


class Connection(Generic[S]):
    """One of an account's connections, as it is where nothing is subscribed: it stays as long as the account has a session."""

    def __init__(self, upstream: Upstream[S]) -> None:
        self._upstream = upstream
        self._account = upstream.account
        self._clock = upstream.clock
        self._replies: list[Frame] = []
        self._changed = anyio.Event()  # there may be something to send
        self._heard_at = 0.0  # boot time of the last frame
        self._failures = 0
        self._logged_at = -LOGGED_EVERY_S
        self.is_open = False
        self.opened = 0
        self.unreadable = 0
        self.silences = 0
        self.message = ""

    def status(self) -> ConnectionStatus:
        return ConnectionStatus(
            is_open=self.is_open,
            opened=self.opened,
            unreadable=self.unreadable,
            message=self.message,
            silences=self.silences,
        )

    # What a connection that carries prices does otherwise

    @property
    def is_wanted(self) -> bool:
        return True

    def _news(self, codec: S) -> Iterator[Frame]:
        """What is to be said now, besides replies."""
        yield from ()

    def _noticed(self, pushed: Sequence[Pushed]) -> None:
        """What a frame brought, before it is delivered."""

    def _check(self) -> bool:
        """Every second: whether it is still worth its place. Raises Left."""
        return True

    def _lost(self) -> None:
        """It is gone, and what it was told with it."""

    # One life after another

    async def run(self) -> None:
        """Until it is no longer wanted."""
        while self.is_wanted:
            began = self._clock.boot()
            try:
                await self._has_session()
                await self._live()
            except Left as left:
                self._told(str(left), at_once=left.at_once)
                if left.at_once:
                    continue
            except (FeedLost, BrokerError, OrdoError) as error:
                self._told(str(error))
                if _is_of_session(error):
                    await self._look_at_session()
            else:
                continue
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
        with anyio.move_on_after(pause_s * (1 - self._upstream.random.token(1)[0] / 512)):
            while keeper.session in (before, None):
                await keeper.moves()

    async def _has_session(self) -> None:
        """Wait for one, without asking for it: at night nobody logs in for what does not come. And for the instruments' names."""
        keeper, master = self._account.keeper, self._account.master
        while keeper.session is None:
            await keeper.moves()
        while master.loaded_on is None and self._account.can("master"):  # noqa: ASYNC110 - no event tells of a load
            await anyio.sleep(LOOK_S)

    async def _look_at_session(self) -> None:
        """The broker would not have us: where the session is dead, that is what finds out and renews it."""
        account = self._account
        if account.can("user") and account.keeper.session is not None:
            try:
                await account.read(account.adapter.user, deadline=self._clock.boot() + REQUEST_S)
            except OrdoError as error:
                self.message = str(error)

    # One life

    async def _live(self) -> None:
        """Open it and keep it until it is no longer wanted. Raises FeedLost, BrokerError, OrdoError, Left."""
        upstream = self._upstream
        session, request = await self._request()
        loaded_on, settings = self._account.master.loaded_on, upstream.settings
        feed = await upstream.feeds.open(self._account.spec, settings, request)
        self.is_open, self.message = True, ""
        self.opened += 1
        self._heard_at = self._clock.boot()
        self._replies.clear()
        ends: list[Exception] = []
        upstream.opened()
        try:
            codec = upstream.codec(session)
            for frame in codec.greet():
                await feed.send(frame)
            async with anyio.create_task_group() as group:

                async def until_its_end(work: Callable[[], Awaitable[None]]) -> None:
                    try:
                        await work()
                    except (FeedLost, BrokerError, OrdoError, Left) as end:
                        ends.append(end)
                    group.cancel_scope.cancel()

                group.start_soon(until_its_end, partial(self._write, feed, codec))
                group.start_soon(until_its_end, partial(self._read, feed, codec))
                if upstream.limits.keep_alive_s is not None:
                    alive = partial(_keep_alive, feed, codec, upstream.limits.keep_alive_s)
                    group.start_soon(until_its_end, alive)
                group.start_soon(until_its_end, partial(self._watch, session, loaded_on, settings))
        finally:
            self.is_open = False
            self._lost()
            upstream.closed()
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
            return self._upstream.connect(session)

        request = await account.read(connect, deadline=self._clock.boot() + REQUEST_S)
        return used[-1], request

    async def _write(self, feed: Feed, codec: S) -> None:
        """Send what there is to say, whenever there is something."""
        while True:
            self._changed = anyio.Event()
            replies, self._replies = self._replies, []
            for frame in (*replies, *self._news(codec)):
                await feed.send(frame)
            await self._changed.wait()

    async def _read(self, feed: Feed, codec: S) -> None:
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
        self._noticed(pushed)
        for value in pushed:
            match value:
                case BadRow():
                    self._count_unreadable(value.why)
                case Notice():
                    log.info(
                        "broker_notice", account=self._account.name, message=value.message[:200]
                    )
                case Reply():
                    self._replies.append(value.frame)
                    self._changed.set()
                case _:
                    pass
        self._upstream.deliver(pushed)

    def _count_unreadable(self, why: str) -> None:
        """The frames around it are good: a broker that adds a kind of message must not cost the rest."""
        self.unreadable += 1
        if self._heard_at - self._logged_at >= LOGGED_EVERY_S:
            self._logged_at = self._heard_at
            log.warning(
                "frame_unreadable", account=self._account.name, why=why, count=self.unreadable
            )

    async def _watch(
        self, session: Session, loaded_on: date | None, settings: LineSettings
    ) -> None:
        """Returns when it is no longer worth its place. Raises Left."""
        account, silence_s = self._account, self._upstream.limits.silence_s
        while True:
            await anyio.sleep(LOOK_S)
            if account.keeper.session is not session:
                raise Left("its session ended", at_once=True)
            if account.master.loaded_on != loaded_on:
                raise Left("the instruments of another day were loaded", at_once=True)
            if self._upstream.settings is not settings:
                raise Left("its address was changed", at_once=True)
            if silence_s is not None and self._clock.boot() - self._heard_at > silence_s:
                self.silences += 1
                raise Left(f"nothing came for {silence_s:.0f} s")
            if not self._check():
                return


async def _keep_alive(feed: Feed, codec: UpdateStream, every_s: float) -> None:
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
