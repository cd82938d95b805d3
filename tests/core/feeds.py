"""A broker's stream that does what a test says."""

import json
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from ordod.adapter import BrokerSpec, DepthTick, Frame, StreamRequest, Tick
from ordod.core.hub import Batch
from ordod.core.ports import Feed, FeedLost, LineSettings

__all__ = ["HandFeed", "HandFeeds", "Listener"]


class HandFeed(Feed):
    """One connection: what was sent, and what a test pushes."""

    def __init__(self, request: StreamRequest) -> None:
        self.request = request
        self.sent: list[dict[str, Any]] = []
        self.is_closed = False
        self.modes: dict[str, str] = {}
        self._in: MemoryObjectSendStream[Frame | FeedLost]
        self._out: MemoryObjectReceiveStream[Frame | FeedLost]
        self._in, self._out = anyio.create_memory_object_stream(1000)

    async def send(self, frame: Frame) -> None:
        if self.is_closed:
            raise FeedLost("closed")
        wish = json.loads(frame)
        self.sent.append(wish)
        for symbol in wish["symbols"]:
            self.modes.pop(symbol, None)
            if wish["mode"]:
                self.modes[symbol] = wish["mode"]

    async def receive(self) -> Frame:
        got = await self._out.receive()
        if isinstance(got, FeedLost):
            raise got
        return got

    async def aclose(self) -> None:
        self.is_closed = True
        self._in.close()
        self._out.close()

    def push(self, frame: Frame) -> None:
        self._in.send_nowait(frame)

    def tick(self, symbol: str, price: int) -> None:
        self.push(json.dumps({"ticks": [{"symbol": symbol, "last_price": str(price)}]}))

    def breaks(self) -> None:
        self._in.send_nowait(FeedLost("the connection broke off"))


class HandFeeds:
    """Fulfils `Feeds`."""

    def __init__(self) -> None:
        self.opened: list[HandFeed] = []
        self.tried_at: list[float] = []
        self.sources: list[str | None] = []  # the addresses they were opened from
        self.refuses: list[FeedLost] = []  # the next openings, one each

    @property
    def open_now(self) -> list[HandFeed]:
        return [feed for feed in self.opened if not feed.is_closed]

    @property
    def last(self) -> HandFeed:
        return self.opened[-1]

    async def open(self, spec: BrokerSpec, settings: LineSettings, request: StreamRequest) -> Feed:
        self.tried_at.append(anyio.current_time())
        await anyio.sleep(0.05)
        if self.refuses:
            raise self.refuses.pop(0)
        self.sources.append(settings.source_address)
        feed = HandFeed(request)
        self.opened.append(feed)
        return feed


class Listener:
    """Fulfils `PriceReader`: what it was told."""

    def __init__(self) -> None:
        self.told: list[Tick | DepthTick] = []
        self.batch: Batch | None = None  # the last
        self.flushes = 0

    def take(self, batch: Batch) -> None:
        self.told += batch.values.values()
        self.batch = batch

    def flush(self) -> None:
        self.flushes += 1

    def left_alone(self, account: str) -> None:
        """No test takes its account away."""

    @property
    def prices(self) -> list[tuple[str, int]]:
        return [(one.symbol, int(getattr(one, "last_price", 0))) for one in self.told]
