"""One connection that carries prices, kept at what is wanted of it.

What is wanted and what was sent are two tables; the difference is what is sent next, and a new connection begins with an empty
second one. So reconnecting, a session's renewal, the next day's tokens and a change of mind are one thing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec import Struct

from ordod.adapter import (
    Frame,
    Instrument,
    InstrumentKind,
    Mode,
    Pushed,
    Stream,
    StreamLimits,
    Tick,
)
from ordod.core.feeding import Connection, Left, Upstream
from ordod.core.mornings import Mornings

__all__ = ["PriceConnection"]

EMPTY_S = 10.0  # with nothing wanted it stays open so long: a bot that starts anew finds it
# A price at least comes within this time in market hours: of an index every second, of one dull option perhaps never, so the
# wait doubles each time that a new connection is silent too.
QUIET_INDEX_S = 15.0
QUIET_S = 60.0
QUIET_MAX_S = 1800.0


class _Sent(Struct, frozen=True):
    instrument: Instrument
    mode: Mode


class PriceConnection(Connection[Stream]):
    """One of an account's connections for prices.

    Args:
        is_kept: it stays without any subscription, because order updates come over it.
        closed: told the symbols whose prices came over a connection that is gone.
    """

    def __init__(
        self,
        upstream: Upstream[Stream],
        *,
        limits: StreamLimits,
        mornings: Mornings,
        is_kept: bool,
        closed: Callable[[Iterable[str]], None],
    ) -> None:
        super().__init__(upstream)
        self._limits = limits
        self._mornings = mornings
        self._is_kept = is_kept
        self._closed = closed
        self._wanted: dict[str, Mode] = {}
        self._sent: dict[str, _Sent] = {}
        # Boot time of the last price, or of the subscription that waits for one.
        self._priced_at = 0.0
        self._empty_since = 0.0
        self._quiet_tries = 0  # connections in turn that brought no price

    @property
    def count(self) -> int:
        return len(self._wanted)

    @property
    def subscribed(self) -> int:
        return len(self._sent)

    @property
    def is_wanted(self) -> bool:
        return self._is_kept or bool(self._wanted)

    def want(self, symbol: str, mode: Mode | None) -> None:
        """Push this symbol in this mode from now on; None: no longer."""
        if mode is None:
            self._wanted.pop(symbol, None)
            if not self._wanted:
                self._empty_since = self._clock.boot()
        else:
            self._wanted[symbol] = mode
        self._changed.set()

    def _news(self, codec: Stream) -> Iterator[Frame]:
        """The difference between what is wanted and what was sent."""
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

    def _noticed(self, pushed: Sequence[Pushed]) -> None:
        if any(type(value) is Tick for value in pushed):
            self._priced_at = self._heard_at
            self._quiet_tries = 0

    def _check(self) -> bool:
        now = self._clock.boot()
        if not self.is_wanted and now - self._empty_since >= EMPTY_S:
            return False
        quiet_s = self._quiet_s()
        is_busy = self._mornings.is_busy(self._clock.now())
        if is_busy and self._sent and now - self._priced_at > quiet_s:
            self._quiet_tries += 1
            raise Left(f"no price came for {quiet_s:.0f} s in market hours")
        return True

    def _quiet_s(self) -> float:
        has_index = any(one.instrument.kind is InstrumentKind.INDEX for one in self._sent.values())
        shortest = QUIET_INDEX_S if has_index else QUIET_S
        return min(shortest * (1 << min(self._quiet_tries, 10)), QUIET_MAX_S)

    def _lost(self) -> None:
        sent, self._sent = self._sent, {}
        self._closed(sent)
