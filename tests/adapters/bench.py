"""An adapter talks to a simulator without a socket: two independent readings of one fact sheet must agree."""

from collections.abc import Callable, Generator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import pyotp
import pytest

from ordod.adapter import (
    IST,
    Adapter,
    Ask,
    BrokerError,
    BrokerOrder,
    Candle,
    Credentials,
    Dialogue,
    Exchange,
    HttpRequest,
    HttpResponse,
    Instrument,
    Interval,
    NewOrder,
    OrderType,
    Product,
    Secret,
    Session,
    Side,
)
from ordod.core.candles import joined, parts
from ordod.sim.broker import BrokerSim

__all__ = ["TEN", "Bench", "history"]

TEN = datetime(2026, 11, 25, 10, 0, tzinfo=IST)  # a Wednesday, in market hours
TAG = "a7f3a91c2dk5m7q2w3xy"


def history(
    adapter: Adapter,
    session: Session,
    instrument: Instrument,
    interval: Interval,
    start: datetime,
    end: datetime,
) -> Dialogue[tuple[Candle, ...]]:
    """Of any range, as the daemon asks for them."""
    found: list[Candle] = []
    for first, last in parts(adapter.spec, interval, start, end):
        found += yield from adapter.candles(session, instrument, interval, first, last)
    return tuple(joined(found, start, end))


class Bench:
    """Carries an adapter's requests to a simulator and the answers back. A second passes with each.

    Args:
        credentials: the first login is made with them.
        answers: what a person or the daemon answers to an `Ask`; without it codes are made from `totp_secret`.
        tag: what orders carry, as the broker's tag field takes it.
    """

    def __init__(
        self,
        adapter: Adapter,
        sim: BrokerSim,
        credentials: Credentials,
        *,
        answers: Callable[[Ask, datetime], str] | None = None,
        tag: str = TAG,
    ) -> None:
        self.adapter = adapter
        self.sim = sim
        self.now = TEN
        self.credentials = credentials
        self.tag = tag
        self._answers = answers or self._code
        self.session: Session = self.run(adapter.login(credentials, TEN))
        content = self.run(adapter.master(self.session))
        self.instruments = tuple(adapter.parse_master(content, TEN.date()))

    def run(self, dialogue: Generator[Any, Any, Any]) -> Any:
        """Play a dialogue to its end."""
        answer: HttpResponse | str | None = None
        while True:
            try:
                asked = dialogue.send(answer) if answer is not None else next(dialogue)
            except StopIteration as end:
                return end.value
            self.now += timedelta(seconds=1)
            answer = self._answers(asked, self.now) if isinstance(asked, Ask) else self._send(asked)

    def _send(self, request: HttpRequest) -> HttpResponse:
        content_type, body = request.body()
        headers = list(request.headers)
        if content_type:
            headers.append(("Content-Type", content_type))
        reply = self.sim.answer(request.method, request.target(), headers, body, self.now)
        status, answered, content = reply.answer
        date = format_datetime(self.now.astimezone(UTC), usegmt=True)  # as the server adds it
        return HttpResponse(status, (*answered, ("date", date)), content)

    def _code(self, ask: Ask, now: datetime) -> str:
        secret = self.credentials.totp_secret
        assert ask.kind == "totp"
        assert isinstance(secret, Secret)
        return pyotp.TOTP(secret.reveal()).at(now)

    # The contract's Instruments

    def by_broker_symbol(self, exchange: Exchange, broker_symbol: str) -> Instrument | None:
        wanted = (exchange, broker_symbol)
        found = (i for i in self.instruments if (i.exchange, i.broker_symbol) == wanted)
        return next(found, None)

    def by_token(self, instrument_token: str) -> Instrument | None:
        found = (i for i in self.instruments if i.instrument_token == instrument_token)
        return next(found, None)

    # What the tests do again and again

    def listed(self, symbol: str) -> Instrument:
        """The instrument of this name of Ordo's."""
        found = [each for each in self.instruments if each.symbol == symbol]
        assert len(found) == 1, found
        return found[0]

    @property
    def infy(self) -> Instrument:
        return self.listed("NSE:INFY")

    def last_price(self, symbol: str = "NSE:INFY") -> Decimal:
        quotes = self.run(self.adapter.ltp(self.session, (self.listed(symbol),)))
        price = quotes[symbol].last_price
        assert isinstance(price, Decimal)
        return price

    def near(self, part: str, symbol: str = "NSE:INFY") -> Decimal:
        """So much of the last price, in whole rupees."""
        return (self.last_price(symbol) * Decimal(part)).quantize(Decimal(1))

    def refused(self, dialogue: Generator[Any, Any, Any]) -> BrokerError:
        """What a dialogue ends with that must not end well."""
        with pytest.raises(BrokerError) as error:
            self.run(dialogue)
        return error.value

    def place(self, symbol: str = "NSE:INFY", **more: Any) -> str:
        """A market order for ten, changed by what is named; its broker's id."""
        terms: dict[str, Any] = {
            "symbol": symbol,
            "side": Side.BUY,
            "quantity": 10,
            "type": OrderType.MARKET,
            "product": Product.CNC,
            "tag": self.tag,
        }
        order = NewOrder(**(terms | more))
        placed = self.run(self.adapter.place(self.session, order, self.listed(symbol)))
        return str(placed.broker_order_id)

    def rows(self) -> tuple[BrokerOrder, ...]:
        read = self.run(self.adapter.orders(self.session, self))
        assert read.is_whole, read.bad
        rows: tuple[BrokerOrder, ...] = read.good
        return rows

    def row(self, broker_order_id: str) -> BrokerOrder:
        return next(row for row in self.rows() if row.broker_order_id == broker_order_id)
