"""Pushed prices on their way to one subscription: newest value per symbol, and a count of what was skipped.

A tick is encoded once, whoever reads it. While a connection does not read, nothing is queued for it: the newest value of each
symbol waits here, at most one for each that was asked for, and goes out in one message when there is room again.
"""

from datetime import datetime
from typing import Protocol

import msgspec
import orjson

from ordod.core.events import Topic
from ordod.core.hub import Shared
from ordod.domain.market import DepthTick, Tick
from ordod.service.methods import Outbox

__all__ = ["PricePusher"]

_encode = msgspec.json.Encoder(decimal_format="number").encode


class _Clock(Protocol):
    def now(self) -> datetime: ...


class PricePusher:
    """One subscription's prices (`core.hub.PriceReader`), pushed as topics `ticks` and `depth`."""

    def __init__(self, subscription: str, epoch: str, outbox: Outbox, clock: _Clock) -> None:
        self._outbox = outbox
        self._clock = clock
        self._ticks = _Newest(Topic.TICKS, subscription, epoch)
        self._depth = _Newest(Topic.DEPTH, subscription, epoch)
        self._is_held = True  # until the answer to `subscribe` is out, and while there is no room

    def take(self, pushed: Shared) -> None:
        newest = self._ticks if type(pushed.value) is Tick else self._depth
        newest.take(pushed)

    def flush(self) -> None:
        if self._is_held:
            return
        for newest in (self._ticks, self._depth):
            if not newest.waiting:
                continue
            if not self._outbox.is_free:
                self._is_held = True
                self._outbox.on_free(self.open)
                return
            self._outbox.push(newest.message(self._clock.now()))

    def open(self) -> None:
        """The answer is out, or there is room again."""
        self._is_held = False
        self.flush()

    def end(self) -> None:
        """Nothing more is wanted."""
        self._ticks.waiting.clear()
        self._depth.waiting.clear()


class _Newest:
    """What waits of one topic: symbol -> its newest value."""

    def __init__(self, topic: Topic, subscription: str, epoch: str) -> None:
        named = orjson.dumps({"subscription": subscription, "topic": topic, "epoch": epoch})
        self._head = b'{"jsonrpc":"2.0","method":"event","params":' + named[:-1] + b',"at":"'
        self._name = b',"' + topic.encode() + b'":['
        self._skipped = 0
        self.waiting: dict[str, Shared] = {}

    def take(self, pushed: Shared) -> None:
        symbol = pushed.value.symbol
        if symbol in self.waiting:
            self._skipped += 1
        self.waiting[symbol] = pushed

    def message(self, at: datetime) -> bytes:
        """All that waits; afterwards nothing does."""
        values = b",".join(
            [one.encoded or _encoded(one) for one in self.waiting.values()]  # one by one, once
        )
        skipped = b"%d" % self._skipped
        self.waiting.clear()
        self._skipped = 0
        head = self._head + at.isoformat().encode() + b'","skipped":' + skipped
        return head + self._name + values + b"]}}"


def _encoded(pushed: Shared) -> bytes:
    value: Tick | DepthTick = pushed.value
    pushed.encoded = _encode(value)
    return pushed.encoded
