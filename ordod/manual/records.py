"""The table of docs/journal.md: every record that the journal may hold, field by field."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from ordod.core.orders.records import Record
from ordod.domain.gtt import GttLeg, NewGtt
from ordod.domain.orders import BrokerOrder, Fill, OrderChanges, OrderTerms
from ordod.domain.portfolio import Conversion
from ordod.manual.markdown import table
from ordod.service.described import about

__all__ = ["page"]

INSIDE = (OrderTerms, OrderChanges, NewGtt, GttLeg, Conversion, BrokerOrder, Fill)
WORDS = {str: "text", int: "number", bool: "true or false", datetime: "time", Decimal: "rupees"}


def page() -> str:
    """Markdown: each type of record with its fields, then what stands inside of these."""
    return "".join(_parts())


def _parts() -> Iterable[str]:
    for one in get_args(Record):
        tag = msgspec.inspect.type_info(one).tag  # type: ignore[attr-defined]
        text, _ = about(one)
        yield f"\n#### `{tag}`\n\n{' '.join(text.split())}\n"
        if one.__struct_fields__:
            yield "\n" + _fields(one)
    for inner in INSIDE:
        text, _ = about(inner)
        yield f"\n#### {inner.__name__}\n\n{' '.join(text.split())}\n\n" + _fields(inner)


def _fields(one: type[Struct]) -> str:
    _, meanings = about(one)
    hints = get_type_hints(one)
    return table(
        ("field", "value", "meaning"),
        (
            (
                f"`{field.encode_name}`" + ("" if field.required else " ?"),
                _word(hints[field.name]),
                meanings.get(field.encode_name, ""),
            )
            for field in msgspec.structs.fields(one)
        ),
    )


def _word(hint: Any) -> str:
    """What a value is, in a word."""
    if get_origin(hint) in (Union, UnionType):
        return " or ".join(_word(each) for each in get_args(hint) if each is not type(None))
    if get_origin(hint) is tuple:
        return f"list of {_word(get_args(hint)[0])}"
    if get_origin(hint) is dict:
        return "object"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return " ".join(str(member.value) for member in hint)
    if isinstance(hint, type) and issubclass(hint, Struct):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    return WORDS.get(hint, "value")
