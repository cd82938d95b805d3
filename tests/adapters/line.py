"""A codec talks to a simulator's stream without a socket: what one says the other hears."""

from collections.abc import Iterable
from datetime import timedelta

from ordod.adapter import (
    BrokerError,
    Fault,
    Frame,
    Pushed,
    Reply,
    Stream,
    StreamRequest,
    UpdateStream,
)
from ordod.sim.feeds import SimFeed
from ordod.sim.message import Answer, Request
from tests.adapters.bench import Bench

__all__ = ["Line", "opened"]


class Line:
    """A codec and its stream, connected: what one says the other hears."""

    def __init__(self, bench: Bench, codec: Stream | UpdateStream, feed: SimFeed) -> None:
        self.bench = bench
        self.codec = codec
        self.feed = feed
        self.unreadable = 0
        self.say(codec.greet())

    def say(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self.feed.received(frame, self.bench.now)

    def hear(self) -> list[Pushed]:
        """All that comes now. Raises BrokerError, but UNREADABLE is counted."""
        heard: list[Pushed] = []
        now = self.bench.now
        for frame in self.bench.sim.feed_faults.spoiled(self.feed.frames(now), now):
            try:
                heard += self.codec.read(frame)
            except BrokerError as error:
                if error.fault is not Fault.UNREADABLE:
                    raise
                self.unreadable += 1
        self.say(value.frame for value in heard if isinstance(value, Reply))
        return heard

    def later(self, seconds: float = 1) -> list[Pushed]:
        self.bench.now += timedelta(seconds=seconds)
        self.bench.sim.advance(self.bench.now)
        return self.hear()


def opened(bench: Bench, request: StreamRequest) -> SimFeed:
    asked = Request.read("GET", request.target(), list(request.headers), b"")
    feed = bench.sim.open_feed(asked, bench.now)
    assert not isinstance(feed, Answer), feed.status
    return feed
