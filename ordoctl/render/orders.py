"""Orders, trades, GTTs, and what the journal says of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ordoctl.models import CancelResult, Change, Event, Gtt, GttChange, Order, OrderPage, TradePage
from ordoctl.render.grid import Grid
from ordoctl.render.words import (
    NOTHING,
    day_or_clock,
    failure,
    flat,
    grouped,
    plain,
    rupees,
    text,
    when,
    word,
    written_when,
)

__all__ = [
    "cancelled",
    "change",
    "event",
    "gtt_change",
    "gtts",
    "history",
    "order",
    "orders",
    "trades",
]

# In a column of their own, or of no interest.
_OF_THE_JOURNAL = ("seq", "at", "type", "hash", "batch")


def order(order: Order) -> RenderableType:
    facts: list[tuple[str, RenderableType]] = [
        ("order", text(order.order_id)),
        ("status", word(order.status)),
        ("", text(order.status_message or "")),
        ("what", _what(order)),
        ("filled", text(_filled(order))),
        ("account", text(order.account)),
        ("strategy", text(order.strategy or "")),
        ("key", text(order.key or "placed elsewhere")),
        ("tag", text(order.tag or "")),
        ("broker's id", text(order.broker_order_id or "")),
        ("exchange's id", text(order.exchange_order_id or "")),
        ("placed", text(when(order.placed_at, exactly=True))),
        ("updated", text(when(order.updated_at, exactly=True))),
        ("in doubt since", text(when(order.since, exactly=True))),
        ("looked for at", text(when(order.next_check, exactly=True))),
        ("", text("this key had been sent before" if order.replayed else "")),
    ]
    table = Table.grid(padding=(0, 2))
    for name, fact in facts:
        if str(fact) not in ("", NOTHING):
            table.add_row(Text(name, style="dim"), fact)
    return table


def change(change: Change) -> RenderableType:
    return order(change.order)


def orders(page: OrderPage) -> RenderableType:
    if not page.orders:
        return Text("no orders")
    several, strategies = _several(page), any(one.strategy for one in page)
    table = Grid(
        "time?",
        "account?" if several else None,
        "order",
        "strategy?" if strategies else None,
        "side",
        "quantity>",
        "symbol",
        "price>",
        "product?",
        "status",
        "average>?",
    )
    for one in page:
        table.row(
            day_or_clock(one.placed_at),
            one.account if several else None,
            one.order_id,
            (one.strategy or "") if strategies else None,
            word(one.side),
            _filled_of(one),
            one.symbol,
            _price_asked(one),
            one.product or NOTHING,
            word(one.status),
            rupees(one.average_price),
        )
    notes = [text(f"{o.order_id}: {o.status_message}", "dim") for o in page if o.status_message]
    return Group(table, *notes)


def event(event: Event) -> RenderableType:
    """What happened, in a line; the snapshot that comes first is a table."""
    if event.snapshot is not None:
        return (
            orders(OrderPage(orders=event.snapshot.orders))
            if event.snapshot.orders
            else Text("no open orders", style="dim")
        )
    line = text(f"{when(event.at)}  ", "dim")
    if event.order is not None:
        one = event.order
        line.append_text(Text.assemble(plain(one.account), "  ", word(one.side), " "))
        line.append(f"{_filled_of(one)} {plain(one.symbol)} {_price_asked(one)}  ")
        line.append_text(word(one.status))
        line.append(
            f"  {plain(one.order_id)}"
            + (f"  {plain(one.status_message)}" if one.status_message else ""),
            "dim",
        )
    elif event.trade is not None:
        fill = event.trade
        line.append_text(Text.assemble(plain(fill.account), "  ", word(fill.side), " "))
        line.append(f"{grouped(fill.quantity)} {plain(fill.symbol)} at {rupees(fill.price)}  ")
        line.append(plain(fill.order_id or fill.broker_order_id or ""), "dim")
    elif event.account is not None:
        one_account = event.account
        line.append_text(Text.assemble(plain(one_account.account), "  ", word(one_account.state)))
        line.append(f"  {plain(one_account.why)}" if one_account.why else "", "dim")
    else:
        line.append(f"{plain(event.topic)}  {plain(flat(event.kill or event.system or {}))}")
    return line


def trades(page: TradePage) -> RenderableType:
    if not page.trades:
        return Text("no trades")
    several = _several(page)
    table = Grid(
        "time?",
        "account?" if several else None,
        "trade?",
        "order",
        "side",
        "quantity>",
        "symbol",
        "price>",
        "value>?",
        "product?",
    )
    for one in page:
        table.row(
            day_or_clock(one.at),
            one.account if several else None,
            one.trade_id,
            one.order_id or one.broker_order_id or NOTHING,
            word(one.side),
            grouped(one.quantity),
            one.symbol,
            rupees(one.price),
            rupees(one.price * one.quantity),
            one.product or NOTHING,
        )
    return table


def cancelled(results: Sequence[CancelResult]) -> RenderableType:
    if not results:
        return Text("nothing was open")
    table = Grid("order", "account", "cancel", "status", "note~")
    for one in results:
        outcome = "refused" if one.error else (one.change or NOTHING)
        table.row(
            one.order_id,
            one.account,
            word(outcome, {"done": "green", "in_doubt": "bold yellow", "refused": "red"}),
            word(one.order.status) if one.order else NOTHING,
            failure(one.error) if one.error else "",
        )
    return table


def gtts(found: Sequence[Gtt]) -> RenderableType:
    if not found:
        return Text("no GTTs")
    table = Grid(
        "gtt",
        "symbol",
        "status",
        "side",
        "quantity>",
        "trigger>",
        "price>",
        "product",
        "note~",
    )
    for one in found:
        for number, leg in enumerate(one.legs):
            table.row(
                (one.gtt_id or NOTHING) if not number else "",
                one.symbol if not number else "",
                word(one.status) if not number else "",
                word(leg.side),
                grouped(leg.quantity),
                rupees(leg.trigger_price),
                rupees(leg.price),
                leg.product,
                (one.status_message or "") if not number else "",
            )
    return table


def gtt_change(change: GttChange) -> RenderableType:
    outcome = word(change.change, {"done": "green", "in_doubt": "bold yellow"})
    return Group(outcome, gtts([change.gtt])) if change.gtt else outcome


def history(records: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Records or journal entries: what all have in columns, the rest in words."""
    if not records:
        return Text("nothing")
    table = Grid("seq>", "time", "type", "what~")
    for one in records:
        rest = {name: value for name, value in one.items() if name not in _OF_THE_JOURNAL}
        at = one.get("at")
        table.row(
            str(one.get("seq", NOTHING)),
            written_when(at) if isinstance(at, str) else NOTHING,
            str(one.get("type", NOTHING)),
            flat(rest),
        )
    return table


def _what(order: Order) -> Text:
    terms = [order.product, order.validity, order.variety]
    return Text.assemble(
        word(order.side),
        plain(f" {order.quantity} {order.symbol} {_price_asked(order)} "),
        plain(" ".join(term for term in terms if term and term != "REGULAR")),
    )


def _price_asked(order: Order) -> str:
    price = rupees(order.price) if order.price else order.type
    return f"{price} at {rupees(order.trigger_price)}" if order.trigger_price else price


def _filled_of(order: Order) -> str:
    if not order.filled_quantity:
        return grouped(order.quantity)
    return f"{grouped(order.filled_quantity)}/{grouped(order.quantity)}"


def _filled(order: Order) -> str:
    if not order.filled_quantity:
        return ""
    return f"{order.filled_quantity} of {order.quantity} at {rupees(order.average_price)}"


def _several(things: Iterable[Any]) -> bool:
    return len({one.account for one in things}) > 1
