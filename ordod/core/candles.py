"""Candles of any range: asked for in parts that the broker allows, and joined.

Each part is a question of its own: a session that dies on the way or a connection that breaks costs one part, not the years
before it. Where parts touch, both may tell a candle; it is told once, as the later part had it. What the broker has no candle of
stays a gap: nothing is made up. The parts come all or not at all.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

import anyio.lowlevel

from ordod.adapter import IST, BrokerSpec, Candle, Dialogue, Instrument, Interval, Session, spans
from ordod.core.account import Account
from ordod.core.ports import Clock

__all__ = ["candles", "joined", "parts"]

PART_S = 60.0  # for one part, the wait for its slot in the broker's limits and one renewal of the session with it


async def candles(
    account: Account,
    instrument: Instrument,
    interval: Interval,
    start: datetime,
    end: datetime,
    *,
    clock: Clock,
    told: Callable[[int, int], None],
) -> list[Candle]:
    """Oldest first, each once, those that begin within [start, end].

    Args:
        told: after each part, how many are done and how many there are.
    Raises:
        OrdoError: as `Account.read`.
    """
    asked = parts(account.spec, interval, start, end)
    found: list[Candle] = []
    for done, (first, last) in enumerate(asked, 1):
        question = _question(account, instrument, interval, first, last)
        found += await account.read(question, deadline=clock.boot() + PART_S)
        await anyio.lowlevel.checkpoint()  # the paper broker answers without one
        told(done, len(asked))
    return joined(found, start, end)


def parts(
    spec: BrokerSpec, interval: Interval, start: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    """The range (IST) as this broker's questions cover it."""
    start, end = start.astimezone(IST), end.astimezone(IST)
    longest = spec.candle_spans.get(interval)
    return [(start, end)] if longest is None else list(spans(start, end, longest))


def joined(found: Iterable[Candle], start: datetime, end: datetime) -> list[Candle]:
    """Those of the range, oldest first, each once."""
    by_time = {one.at: one for one in found if start <= one.at <= end}
    return [by_time[at] for at in sorted(by_time)]


def _question(
    account: Account, instrument: Instrument, interval: Interval, first: datetime, last: datetime
) -> Callable[[Session], Dialogue[Iterable[Candle]]]:
    return lambda session: account.adapter.candles(session, instrument, interval, first, last)
