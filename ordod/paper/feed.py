"""The paper broker's stream: the moving market, looked at four times a second, in the same process."""

import anyio
import msgspec
from msgspec import Struct

from ordod.adapter import (
    BrokerOrder,
    BrokerSpec,
    DepthTick,
    Fill,
    Frame,
    Mode,
    StreamRequest,
    Tick,
)
from ordod.core.ports import Clock, Feed, FeedLost, LineSettings
from ordod.domain.market import Quote
from ordod.paper.broker import PaperBroker
from ordod.paper.exchange import Exchange
from ordod.paper.hours import STEPS_S
from ordod.paper.orders import PaperOrder

__all__ = ["PaperFeed", "PaperFeeds"]

BEHIND_S = 0.02  # an order is pushed so long after the answer to its request

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
    """One user's stream: an instrument when it was just asked for and when it has moved, an order whenever it moves."""

    def __init__(self, broker: PaperBroker, user: str, clock: Clock) -> None:
        self._broker = broker
        self._user = user
        self._clock = clock
        self._modes: dict[str, Mode] = {}
        self._shown: dict[str, Quote] = {}
        self._orders = _Orders(broker.exchange, user)
        self._written = anyio.Event()  # the user's own request may have changed an order
        self._deafen = broker.listen(user, lambda: self._written.set())

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
            with anyio.move_on_after(1 / STEPS_S):
                await self._written.wait()
                self._written = anyio.Event()
                await anyio.sleep(BEHIND_S)
            quotes = self._broker.pushed(self._user, self._modes, self._clock.now())
            if quotes is None:
                raise FeedLost("the session ended")
            moved = [quote for quote in quotes if self._shown.get(quote.symbol) != quote]
            rows, fills = self._orders.news()
            if moved or rows:
                self._shown |= {quote.symbol: quote for quote in moved}
                return self._frame(moved, rows, fills)

    def _frame(self, quotes: list[Quote], rows: list[BrokerOrder], fills: list[Fill]) -> Frame:
        ticks = [_tick(quote, self._modes[quote.symbol]) for quote in quotes]
        depth = [
            DepthTick(symbol=quote.symbol, buy=quote.depth.buy, sell=quote.depth.sell, at=quote.at)
            for quote in quotes
            if quote.depth is not None and self._modes[quote.symbol] is Mode.DEPTH
        ]
        return _encode({"ticks": ticks, "depth": depth, "orders": rows, "fills": fills})

    async def aclose(self) -> None:
        self._deafen()


class _Orders:
    """What the stream has told of a user's orders; those that are over are not looked at again."""

    def __init__(self, exchange: Exchange, user: str) -> None:
        self._exchange = exchange
        self._user = user
        self._count = 0
        self._told: dict[str, tuple[PaperOrder, int, int]] = {}  # id -> order, marks, fills told
        self.news()  # what was before is read, not pushed

    def news(self) -> tuple[list[BrokerOrder], list[Fill]]:
        """Rows and fills since the last time."""
        self._look_for_new()
        rows, fills = [], []
        for name, (order, marks, parts) in list(self._told.items()):
            if len(order.marks) != marks:
                rows.append(order.row())
                fills += order.fills[parts:]
                self._told[name] = (order, len(order.marks), len(order.parts))
            if not order.is_live:
                del self._told[name]
        return rows, fills

    def _look_for_new(self) -> None:
        if self._count > self._exchange.orders_count(self._user):
            self._count, self._told = 0, {}  # another day's book
        for order in self._exchange.orders_from(self._user, self._count):
            self._told[order.order_id] = (order, 0, 0)
            self._count += 1


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
