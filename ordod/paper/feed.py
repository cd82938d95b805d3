"""The paper broker's stream: the moving market, looked at four times a second, in the same process."""

import anyio
import msgspec
from msgspec import Struct

from ordod.adapter import BrokerSpec, DepthTick, Frame, Mode, StreamRequest, Tick
from ordod.core.ports import Clock, Feed, FeedLost, LineSettings
from ordod.domain.market import Quote
from ordod.paper.broker import PaperBroker
from ordod.paper.hours import STEPS_S

__all__ = ["PaperFeed", "PaperFeeds"]

_encode = msgspec.json.Encoder().encode


class _Wish(Struct):
    symbols: list[str]
    mode: Mode | None


class PaperFeeds:
    """The port `Feeds` for accounts of broker `paper`."""

    def __init__(self, broker: PaperBroker, clock: Clock) -> None:
        self._broker = broker
        self._clock = clock

    async def open(self, spec: BrokerSpec, settings: LineSettings, request: StreamRequest) -> Feed:
        assert spec.id == "paper"
        if not self._broker.admits(settings.account, request):
            raise FeedLost("the paper broker knows no such session", status=401)
        return PaperFeed(self._broker, settings.account, self._clock)


class PaperFeed(Feed):
    """One user's stream. An instrument is pushed when it was just asked for and when it has moved."""

    def __init__(self, broker: PaperBroker, user: str, clock: Clock) -> None:
        self._broker = broker
        self._user = user
        self._clock = clock
        self._modes: dict[str, Mode] = {}
        self._shown: dict[str, Quote] = {}

    async def send(self, frame: Frame) -> None:
        wish = msgspec.json.decode(frame, type=_Wish)
        for symbol in wish.symbols:
            self._shown.pop(symbol, None)
            if wish.mode is None:
                self._modes.pop(symbol, None)
            else:
                self._modes[symbol] = wish.mode

    async def receive(self) -> Frame:
        while True:
            await anyio.sleep(1 / STEPS_S)
            quotes = self._broker.pushed(self._user, self._modes, self._clock.now())
            if quotes is None:
                raise FeedLost("the session ended")
            moved = [quote for quote in quotes if self._shown.get(quote.symbol) != quote]
            if moved:
                self._shown |= {quote.symbol: quote for quote in moved}
                return self._frame(moved)

    def _frame(self, quotes: list[Quote]) -> Frame:
        ticks = [_tick(quote, self._modes[quote.symbol]) for quote in quotes]
        depth = [
            DepthTick(symbol=quote.symbol, buy=quote.depth.buy, sell=quote.depth.sell, at=quote.at)
            for quote in quotes
            if quote.depth is not None and self._modes[quote.symbol] is Mode.DEPTH
        ]
        return _encode({"ticks": ticks, "depth": depth})

    async def aclose(self) -> None:
        """There is no connection."""


def _tick(quote: Quote, mode: Mode) -> Tick:
    if mode is Mode.LTP:
        return Tick(symbol=quote.symbol, last_price=quote.last_price, at=quote.at)
    return Tick(
        symbol=quote.symbol,
        last_price=quote.last_price,
        at=quote.at,
        volume=quote.volume,
        open_price=quote.open_price,
        high_price=quote.high_price,
        low_price=quote.low_price,
        close_price=quote.close_price,
    )
