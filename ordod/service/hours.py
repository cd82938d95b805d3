"""`market.status` and `market.holidays`: when the exchanges trade. No broker is asked: the calendar file tells."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Annotated

from msgspec import Meta, Struct

from ordod.core.parts import Parts
from ordod.domain.calendar import Span
from ordod.domain.instruments import Exchange
from ordod.service.methods import Call, Example, Method, Role

__all__ = ["methods"]

EXCHANGES_MAX = len(Exchange)


class Status(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which exchanges.

    Args:
        exchanges: without, all.
    """

    exchanges: Annotated[list[Exchange], Meta(min_length=1, max_length=EXCHANGES_MAX)] | None = None


class Holidays(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which year and exchange.

    Args:
        year: without, this one.
        exchange: without, all.
    """

    year: Annotated[int, Meta(ge=2000, le=2100)] | None = None
    exchange: Exchange | None = None


class Session(Struct, frozen=True):
    """One span of trading.

    Args:
        opens_at: the first instant.
        closes_at: the first instant after it.
    """

    opens_at: datetime
    closes_at: datetime


class Market(Struct, frozen=True, kw_only=True):
    """One exchange, now.

    Args:
        is_open: now.
        sessions: today's.
        note: what makes today unlike other days; null: nothing.
        next_change: when it opens or closes next; null: not known.
    """

    is_open: bool
    sessions: list[Session]
    note: str | None
    next_change: datetime | None


class Markets(Struct, frozen=True, kw_only=True):
    """By exchange. `source`: the calendar's file, or `built in`; `problem`: why the file that should serve does not.

    Args:
        exchanges: by exchange.
        source: the calendar's file, or `built in`.
        problem: why the file that should serve does not; null: none.
    """

    at: datetime
    exchanges: dict[Exchange, Market]
    source: str
    problem: str | None


class Day(Struct, frozen=True, kw_only=True):
    """A day unlike others.

    Args:
        on: the day.
        name: of the holiday, or of what is special.
        exchanges: for which it holds.
        sessions: [opens, closes], IST; none on a holiday.
    """

    on: date
    name: str
    exchanges: tuple[Exchange, ...]
    sessions: tuple[Span, ...]


class Days(Struct, frozen=True, kw_only=True):
    """Days unlike others, in order.

    Args:
        year: asked for.
        is_known: the calendar has this year's; else every weekday counts as a trading day.
        days: the earliest first.
        source: the calendar's file, or `built in`.
        problem: why the file that should serve does not; null: none.
    """

    year: int
    is_known: bool
    days: list[Day]
    source: str
    problem: str | None


class _Hours:
    def __init__(self, parts: Parts) -> None:
        self._clock = parts.clock
        self._loaded = parts.calendar

    async def status(self, _: Call, params: Status) -> Markets:
        now = self._clock.now()
        return Markets(
            at=now,
            exchanges={one: self._market(one, now) for one in params.exchanges or Exchange},
            source=self._loaded.source,
            problem=self._loaded.problem or None,
        )

    def _market(self, exchange: Exchange, now: datetime) -> Market:
        calendar, today = self._loaded.calendar, now.date()
        odd = calendar.odd_day(exchange, today)
        return Market(
            is_open=calendar.is_open(exchange, now),
            sessions=[
                Session(
                    datetime.combine(today, span.opens, now.tzinfo),
                    datetime.combine(today, span.closes, now.tzinfo),
                )
                for span in calendar.sessions(exchange, today)
            ],
            note=odd.name if odd else None,
            next_change=calendar.next_change(exchange, now),
        )

    async def holidays(self, _: Call, params: Holidays) -> Days:
        calendar = self._loaded.calendar
        year = params.year or self._clock.now().year
        days = [
            Day(on=day.on, name=day.name, exchanges=day.exchanges, sessions=day.sessions)
            for day in calendar.days
            if day.on.year == year and params.exchange in (None, *day.exchanges)
        ]
        return Days(
            year=year,
            is_known=year in calendar.years,
            days=sorted(days, key=lambda day: day.on),
            source=self._loaded.source,
            problem=self._loaded.problem or None,
        )


def methods(parts: Parts) -> Iterable[Method]:
    hours = _Hours(parts)
    yield Method(
        name="market.status",
        role=Role.READ,
        summary="Which exchanges are open, and when they open or close next.",
        params=Status,
        result=Markets,
        run=hours.status,
        examples=(Example({"exchanges": ["NSE"]}, {"source": "built in"}),),
    )
    yield Method(
        name="market.holidays",
        role=Role.READ,
        summary="Days on which exchanges have no session, or others than usual.",
        params=Holidays,
        result=Days,
        run=hours.holidays,
        examples=(
            Example({"year": 2026, "exchange": "NSE"}, {"is_known": True, "source": "built in"}),
        ),
    )
