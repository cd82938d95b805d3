"""Prices and instruments."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.text import Text

from ordoctl.models import Candle, Holidays, Instrument, Level, MarketStatus, Quote, Quotes, Tick
from ordoctl.render.grid import Grid
from ordoctl.render.words import (
    NOTHING,
    day_and_minute,
    gain,
    grouped,
    plain,
    rupees,
    text,
    when,
    word,
)

__all__ = ["candles", "depth", "holidays", "instruments", "markets", "quotes", "tick"]


def quotes(answer: Quotes) -> RenderableType:
    table = Grid(
        "symbol",
        "last>",
        "change>",
        "%>",
        "open>?",
        "high>?",
        "low>?",
        "close>?",
        "volume>?",
        "time?",
    )
    for symbol, one in answer.quotes.items():
        moved, percent = _moved(one)
        table.row(
            symbol,
            Text(rupees(one.last_price), style="bold"),
            gain(moved),
            gain(percent),
            rupees(one.open_price),
            rupees(one.high_price),
            rupees(one.low_price),
            rupees(one.close_price),
            grouped(one.volume),
            when(one.at),
        )
    return table


def tick(one: Tick) -> Text:
    """One line of 78 columns, which stay where they are as long as names and prices are of the usual length."""
    moved, percent = _moved(one)
    at = one.at or datetime.now(UTC)  # a broker that does not tell the time told it now
    line = Text(f"{when(at):>8}  {plain(one.symbol):<23}", no_wrap=True, overflow="ignore")
    line.append(f"{rupees(one.last_price):>12}", style="bold")
    for amount, width, unit in ((moved, 10, ""), (percent, 8, "%")):
        told = gain(amount)
        line.append(" " * max(2, width - len(told.plain))).append_text(told)
        line.append(unit if amount is not None else "")
    return line.append(f"{grouped(one.volume):>14}") if one.volume is not None else line


def _moved(one: Quote | Tick) -> tuple[Decimal | None, Decimal | None]:
    """Since the close of the day before, in rupees and in percent."""
    if not one.last_price or not one.close_price:
        return None, None
    moved = one.last_price - one.close_price
    return moved, moved / one.close_price * 100


def depth(answer: Quotes) -> RenderableType:
    ladders: list[RenderableType] = []
    for symbol, one in answer.quotes.items():
        buy, sell = (one.depth.buy, one.depth.sell) if one.depth else (one.buy, one.sell)
        title = f"{symbol}  {rupees(one.last_price)}" if one.last_price else symbol
        table = Grid("orders>", "quantity>", "buy>", "sell", "quantity>", "orders>", title=title)
        for level in range(max(len(buy), len(sell))):
            table.row(
                *_level(buy, level, "green"),
                *reversed(_level(sell, level, "red")),
            )
        ladders.append(table)
    return Group(*ladders)


def _level(side: Sequence[Level], at: int, style: str) -> tuple[str, str, RenderableType]:
    if at >= len(side):
        return "", "", ""
    level = side[at]
    orders = grouped(level.orders) if level.orders is not None else ""
    return orders, grouped(level.quantity), Text(rupees(level.price), style=style)


def candles(candles: Sequence[Candle]) -> RenderableType:
    if not candles:
        return Text("no candles")
    interest = any(one.oi is not None for one in candles)
    table = Grid(
        "time", "open>", "high>", "low>", "close>", "volume>", "interest>" if interest else None
    )
    for one in candles:
        table.row(
            day_and_minute(one.at),
            rupees(one.open),
            rupees(one.high),
            rupees(one.low),
            rupees(one.close),
            grouped(one.volume),
            grouped(one.oi) if interest else None,
        )
    return table


_HOURS = {"open": "green", "closed": "dim"}


def markets(answer: MarketStatus) -> RenderableType:
    table = Grid("exchange", "now", "today", "next", "note~")
    for exchange, one in answer.exchanges.items():
        sessions = (f"{s.opens_at:%H:%M}-{s.closes_at:%H:%M}" for s in one.sessions)
        turn = NOTHING
        if one.next_change:
            turn = f"{'closes' if one.is_open else 'opens'} {day_and_minute(one.next_change)}"
        table.row(
            exchange,
            word("open" if one.is_open else "closed", _HOURS),
            ", ".join(sessions) or NOTHING,
            turn,
            one.note or "",
        )
    return table


def holidays(answer: Holidays) -> RenderableType:
    table = Grid("day", "name", "sessions", "exchanges~")
    for day in answer.days:
        table.row(
            f"{day.on:%a %d %b %Y}",
            day.name,
            ", ".join(f"{a:%H:%M}-{b:%H:%M}" for a, b in day.sessions) or "closed",
            " ".join(day.exchanges),
        )
    if answer.is_known:
        return table
    note = f"the calendar has no holidays of {answer.year}: every weekday counts as a trading day"
    return Group(table, text(note, "yellow")) if answer.days else text(note)


def instruments(found: Sequence[Instrument]) -> RenderableType:
    if not found:
        return Text("nothing found")
    table = Grid("symbol", "kind?", "name~", "lot>", "tick>?", "expiry", "strike>", "freeze>?")
    for one in found:
        table.row(
            one.symbol,
            one.kind,
            one.name,
            grouped(one.lot_size),
            rupees(one.tick_size),
            f"{one.expiry:%d %b %Y}" if one.expiry else "",
            rupees(one.strike) if one.strike is not None else "",
            grouped(one.freeze_quantity) if one.freeze_quantity is not None else "",
        )
    return table
