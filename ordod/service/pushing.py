"""Pushed prices on their way to one subscription: newest value per symbol, and a count of what was skipped.

What came at once is encoded once, whoever reads it. While a connection does not read, nothing is queued for it: the newest value of each
symbol waits here, at most one for each that was asked for, and goes out in one message when there is room again.
"""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

import msgspec
import orjson

from ordod.core.events import Topic
from ordod.core.hub import Batch
from ordod.domain.market import DepthTick, Tick
from ordod.service.methods import Outbox

__all__ = ["PricePusher"]

_encode = msgspec.json.Encoder(decimal_format="number").encode


class _Clock(Protocol):
    def now(self) -> datetime: ...


class PricePusher:
    """One subscription's prices (`core.hub.PriceReader`), pushed as topics `ticks` and `depth`.

    `left`: called when the account they came from is gone, with its name.
    """

    def __init__(
        self,
        subscription: str,
        epoch: str,
        outbox: Outbox,
        clock: _Clock,
        count_skipped: Callable[[int], None] = lambda values: None,
        left: Callable[[str], None] = lambda account: None,
    ) -> None:
        self._subscription = subscription
        self._epoch = epoch
        self._count_skipped = count_skipped
        self._outbox = outbox
        self._clock = clock
        self._left = left
        self._ticks = _Newest(Topic.TICKS, subscription, epoch)
        self._depth = _Newest(Topic.DEPTH, subscription, epoch)
        self._is_held = True  # until the answer to `subscribe` is out, and while there is no room

    def take(self, batch: Batch) -> None:
        (self._depth if batch.is_depth else self._ticks).take(batch)

    def flush(self) -> None:
        if self._is_held:
            return
        for newest in (self._ticks, self._depth):
            if not newest.waits:
                continue
            if not self._outbox.is_free:
                self._is_held = True
                self._outbox.on_free(self.open)
                return
            if newest.skipped:
                self._count_skipped(newest.skipped)
            self._outbox.push(newest.message(self._clock.now()))

    def open(self) -> None:
        """The answer is out, or there is room again."""
        self._is_held = False
        self.flush()

    def left_alone(self, account: str) -> None:
        self._left(account)

    def tell_end(self, topics: Iterable[Topic], why: str) -> None:
        """No prices come any more: the last message of each topic says `ended`."""
        for topic in topics:
            told = {
                "subscription": self._subscription,
                "topic": topic,
                "epoch": self._epoch,
                "at": self._clock.now().isoformat(),
                "skipped": 0,
                topic.value: [],
                "ended": why,
            }
            self._outbox.push(orjson.dumps({"jsonrpc": "2.0", "method": "event", "params": told}))

    def end(self) -> None:
        """Nothing more is wanted."""
        self._ticks.clear()
        self._depth.clear()


class _Newest:
    """What waits of one topic: symbol -> its newest value. As long as that is one batch, it is that batch, shared with others."""

    def __init__(self, topic: Topic, subscription: str, epoch: str) -> None:
        named = orjson.dumps({"subscription": subscription, "topic": topic, "epoch": epoch})
        self._head = b'{"jsonrpc":"2.0","method":"event","params":' + named[:-1] + b',"at":"'
        self._name = b',"' + topic.encode() + b'":['
        self.skipped = 0
        self._batch: Batch | None = None
        self._values: dict[
            str, Tick | DepthTick
        ] = {}  # of several batches; of one, while there is no second

    @property
    def waits(self) -> bool:
        return bool(self._values)

    def take(self, batch: Batch) -> None:
        self.skipped += batch.skipped
        if not self._values:
            self._batch, self._values = batch, batch.values
            return
        if self._batch is not None:
            self._batch, self._values = None, dict(self._values)
        self.skipped += len(self._values.keys() & batch.values.keys())
        self._values.update(batch.values)

    def clear(self) -> None:
        self._batch, self._values, self.skipped = None, {}, 0

    def message(self, at: datetime) -> bytes:
        """All that waits; afterwards nothing does."""
        batch = self._batch
        if batch is None:
            values = _encoded(self._values)
        else:
            values = batch.encoded = batch.encoded or _encoded(batch.values)
        skipped = b"%d" % self.skipped
        self.clear()
        head = self._head + at.isoformat().encode() + b'","skipped":' + skipped
        return head + self._name + values + b"]}}"


def _encoded(values: dict[str, Tick | DepthTick]) -> bytes:
    """As they stand between the brackets of a list."""
    return _encode(list(values.values()))[1:-1]
