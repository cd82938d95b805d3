"""A day of the journal in flat tables, for an auditor: what its records say, a row each, nothing concluded.

`orders`: a row for each order that was meant, or first seen, on the day, with the last that the day's records say of it.
`events`: every record about an order or a change of one. `fills`: every execution. `admin`: who stopped, released, logged in
or changed something, starts and ends, notes. Columns are only ever added, at the end. `record` is the whole record as JSON,
`hash` its own in the journal's chain. Prices are rupees, quantities units, times IST.
"""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from ordod.adapter import IST
from ordod.core.orders.format import entry, header, stated_hash, without_hash
from ordod.core.orders.records import (
    Accepted,
    AccountNote,
    Admin,
    Cancel,
    Close,
    Doubt,
    Entry,
    Filled,
    Intent,
    Kill,
    Modify,
    Note,
    Open,
    Record,
    Rejected,
    Release,
    Seal,
    Unsent,
    Update,
)
from ordod.core.orders.segments import last_line, listed, pieces, read
from ordod.core.ports import Disk

__all__ = ["TABLES", "Cell", "Column", "day_tables"]

Cell: TypeAlias = str | int | Decimal | datetime | None
NEAR = timedelta(days=1)  # a clock set back over midnight writes an earlier day behind a later one


class Column(Struct, frozen=True):
    """`kind`: text, whole, money or time."""

    name: str
    kind: str


def _columns(text: str) -> tuple[Column, ...]:
    return tuple(
        Column(*word.split(":")) if ":" in word else Column(word, "text") for word in text.split()
    )


TABLES = {
    "orders": _columns(
        "seq:whole at:time order_id account user strategy caller key tag symbol symbol_written side quantity:whole type product "
        "price:money trigger_price:money validity variety disclosed_quantity:whole iceberg_legs:whole market_protection:money "
        "broker_order_id outcome status filled_quantity:whole average_price:money message last_seq:whole last_at:time"
    ),
    "events": _columns(
        "seq:whole at:time type id order_id operation account caller key broker_order_id outcome status filled_quantity:whole "
        "average_price:money kind message record hash"
    ),
    "fills": _columns(
        "seq:whole at:time order_id account trade_id broker_order_id exchange_order_id symbol side quantity:whole price:money "
        "product traded_at:time hash"
    ),
    "admin": _columns("seq:whole at:time type caller account strategy method message record hash"),
}

_ADMIN = (Kill, Release, AccountNote, Admin, Note, Open, Close, Seal)


def day_tables(disk: Disk, day: date, *, head: int) -> dict[str, list[list[Cell]]]:
    """The rows of each table, oldest first, their cells as `TABLES` has the columns. Nothing is checked: see `verify`.

    Args:
        head: seq of the last record that counts.
    Raises:
        Damage: a file is misnamed or cannot be unpacked.
        msgspec.ValidationError: a record of a newer version.
    """
    orders: dict[str, dict[str, Any]] = {}
    changed: dict[str, str] = {}  # a change's id -> its order's
    rows: dict[str, list[list[Cell]]] = {name: [] for name in TABLES}
    for one, line in _entries(disk, day, head):
        record = one.record
        said = {
            "seq": one.seq,
            "at": one.at,
            "type": record.__struct_config__.tag,
            "record": without_hash(line).decode(),
            "hash": stated_hash(line),
        }
        if isinstance(record, _ADMIN):
            _add(rows, "admin", said | _of_admin(record))
            continue
        if isinstance(record, Modify | Cancel):
            changed[record.id] = record.order_id
        said |= _said(record)
        said["order_id"] = record.id if record.id.startswith("o") else changed.get(record.id)
        if isinstance(record, Intent | Update):
            _begin(orders, one)
        order = orders.get(record.id)
        if order is not None:
            _learn(order, said)
            said["account"] = order["account"]
        _add(rows, "events", said)
        if isinstance(record, Filled):
            fill = msgspec.structs.asdict(record.fill)
            _add(rows, "fills", said | fill | {"at": one.at, "traded_at": record.fill.at})
    for order in orders.values():
        _add(rows, "orders", order)
    return rows


def _entries(disk: Disk, day: date, head: int) -> Iterator[tuple[Entry, bytes]]:
    """The day's records but seals, each with its line."""
    for segment in listed(disk):
        begin = header(read(disk, segment.path, 0, 4096))
        end = header(last_line(disk, segment))
        if begin is None or end is None:
            continue
        if not _day_of(begin.at) - NEAR <= day <= _day_of(end.at) + NEAR:
            continue
        lines = chain.from_iterable(lines for lines, _ in pieces(disk, segment.path))
        for seq, line in enumerate(lines, segment.first):
            if seq > head:
                return
            found = header(line)
            if found and found.type != Seal.__struct_config__.tag and _day_of(found.at) == day:
                yield entry(line, seq), line


def _day_of(at: str) -> date:
    return date.fromisoformat(at[:10])


def _begin(orders: dict[str, dict[str, Any]], one: Entry) -> None:
    """An order's own row, at its first record: its intent, or a row of the broker's that is new to us."""
    record = one.record
    if isinstance(record, Intent):
        if record.operation != "place" or record.order is None:
            return
        terms = msgspec.structs.asdict(record.order)
        own = {
            name: getattr(record, name) for name in ("caller", "key", "strategy", "symbol_written")
        }
    elif isinstance(record, Update) and record.account and record.id not in orders:
        terms, own = msgspec.structs.asdict(record.row), {}
    else:
        return
    whose = {"account": record.account, "user": record.user, "tag": record.tag}
    orders[record.id] = terms | own | whose | {"seq": one.seq, "at": one.at, "order_id": record.id}


def _learn(order: dict[str, Any], said: dict[str, Any]) -> None:
    """What a later record says of it; what it does not say stays."""
    if said["type"] != "intent":
        names = (
            "broker_order_id",
            "outcome",
            "status",
            "filled_quantity",
            "average_price",
            "message",
        )
        order.update({name: said[name] for name in names if said[name] is not None})
    order["last_seq"], order["last_at"] = said["seq"], said["at"]


def _said(record: Record) -> dict[str, Any]:
    """The columns of `events` that a record about an order or a change fills."""

    def first(*names: str) -> Any:
        return next((found for name in names if (found := getattr(record, name, None))), None)

    said = {
        name: first(name)
        for name in ("id", "operation", "account", "caller", "key", "status", "kind")
    }
    said["broker_order_id"] = first("broker_id")
    said["message"] = first("message", "why", "reason")
    said["filled_quantity"] = said["average_price"] = None
    said["outcome"] = first("outcome")
    match record:
        case Accepted() | Rejected() | Unsent() | Doubt():
            said["outcome"] = record.__struct_config__.tag
        case Update(row=row):
            names = ("broker_order_id", "filled_quantity", "average_price")
            said |= {name: getattr(row, name) for name in names}
            said["message"] = row.status_message
        case Filled(fill=fill):
            said["broker_order_id"] = fill.broker_order_id
        case _:
            pass
    return said


def _of_admin(record: Any) -> dict[str, Any]:
    said = {
        name: getattr(record, name, None) for name in ("caller", "account", "strategy", "method")
    }
    words = (getattr(record, name, None) for name in ("reason", "message", "text", "event"))
    return said | {"message": next((word for word in words if word), None)}


def _add(rows: dict[str, list[list[Cell]]], table: str, said: dict[str, Any]) -> None:
    rows[table].append([_cell(said.get(column.name), column.kind) for column in TABLES[table]])


def _cell(value: Any, kind: str) -> Cell:
    if value is None or value == "":
        return None
    if kind == "time":
        assert isinstance(value, datetime)
        return value.astimezone(IST)
    if kind == "money":
        assert isinstance(value, Decimal)
    return str(value) if kind == "text" else value
