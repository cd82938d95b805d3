"""Parameters as they came over the wire, made into a method's struct, or a mistake explained.

msgspec does the conversion and is strict: no text becomes a number, no boolean an integer. What it says of a mistake is
made for programmers, so only the place of the mistake is taken from it; the words are written here, from the struct's types.
A `Meta(description=...)` on a type is what "must be" is followed by, hence a noun phrase ("1 to 32 of `a-z`").
"""

import json
import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated, Any, TypeAlias, TypeVar

import msgspec.inspect as types
from msgspec import Meta, Struct, ValidationError, convert

from ordod.domain.money import rupees
from ordod.errors import Kind, OrdoError
from ordod.service.methods import Rupees

__all__ = ["AccountName", "Instant", "Key", "Label", "OddNumber", "Private", "closest", "read"]

T = TypeVar("T")

SHOWN_MAX = (
    100  # characters of a value that are echoed: enough to recognise it, too few to flood a log
)
NAMES_MAX = 40  # names listed in a message

# `$` alone would let a newline at the end pass in Python; the look-ahead means nothing elsewhere.
AccountName: TypeAlias = Annotated[
    str, Meta(pattern=r"^[a-z0-9_-]{1,32}$(?!\n)", description="1 to 32 of `a-z 0-9 _ -`")
]
Key: TypeAlias = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9._:-]{1,64}$(?!\n)", description="1 to 64 of `A-Z a-z 0-9 . _ : -`"),
]
Label: TypeAlias = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9._:-]{1,32}$(?!\n)", description="1 to 32 of `A-Z a-z 0-9 . _ : -`"),
]
Instant: TypeAlias = Annotated[
    datetime, Meta(tz=True, description="an RFC 3339 time with offset (2026-11-23T09:15:00+05:30)")
]
Private: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=4096, description="a text", extra={"private": True})
]
"""A text that is never echoed: an OTP, the address a broker redirected to."""


class OddNumber(Struct, frozen=True):
    """A JSON number that is no plain decimal: written with an exponent, or beyond 64 bits. Fits no parameter."""

    text: str


def read(params_type: type[T], raw: object) -> T:
    """The struct these parameters make; `null` means absent.

    Args:
        raw: what JSON gave: objects, lists, texts, booleans, integers, and Decimal or OddNumber for other numbers.
    Raises:
        OrdoError: INVALID_PARAMS, naming the field, its value and the way out. Private values are not shown.
    """
    if not isinstance(raw, dict):
        raise OrdoError(
            Kind.INVALID_PARAMS, f"parameters go by name, in an object; this is {_shown(raw)}"
        )
    try:
        given = _present(raw)
    except RecursionError:
        raise OrdoError(Kind.INVALID_PARAMS, "the parameters are nested too deeply") from None
    try:
        return convert(given, params_type, dec_hook=_from_wire)
    except ValidationError as error:
        raise _explained(params_type, given, str(error)) from None


def closest(word: str, words: Iterable[str]) -> str | None:
    """The one of `words` that was probably meant, whatever its case; None: none is near."""
    by_lower = {known.lower(): known for known in words}
    found = get_close_matches(word[:SHOWN_MAX].lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def _present(value: Any) -> Any:
    match value:
        case dict():
            return {
                name: each if type(each) is str else _present(each)
                for name, each in value.items()
                if each is not None
            }
        case list():
            return [_present(each) for each in value]
        case int() if not -(2**63) <= value < 2**63:
            return OddNumber(str(value))
    return value


def _from_wire(wanted: type, value: Any) -> Any:
    if wanted is Rupees:
        return rupees(value)
    raise ValueError(f"no {wanted.__name__} can be made of it")


# Mistakes. From here on speed does not matter.

_PLACE = re.compile(r" - at `\$(?P<path>.*)`$", re.DOTALL)
_STEP = re.compile(r"\.(?P<field>\w+)|\[(?P<index>\d+)\]")


def _explained(params_type: type[Any], given: Any, said: str) -> OrdoError:
    place = _PLACE.search(said)
    reason = said[: place.start()] if place else said
    wanted, value, path = _bare(types.type_info(params_type)), given, ""
    private, description = False, None
    for step in _STEP.finditer(place["path"]) if place else ():
        if step["field"] is not None and isinstance(wanted, types.StructType):
            inner = next(f.type for f in wanted.fields if f.encode_name == step["field"])
            value = value[step["field"]]
            path = f"{path}.{step['field']}" if path else step["field"]
        elif step["index"] is not None and isinstance(value, list):
            inner = _item(wanted)
            value = value[int(step["index"])]
            path += f"[{step['index']}]"
        else:
            break
        private, description = _is_private(inner), _description(inner)
        wanted = _bare(inner)
    if isinstance(wanted, types.StructType) and isinstance(value, dict):
        return _of_members(wanted, value, path, reason)
    return _of_value(wanted, value, path, reason, private=private, description=description)


def _of_members(
    wanted: types.StructType, value: dict[str, Any], path: str, reason: str
) -> OrdoError:
    """A name too many, else a name missing, else what the struct itself objects to."""
    before = f"{path}." if path else ""
    names = [field.encode_name for field in wanted.fields]
    for name in value:
        if wanted.forbid_unknown_fields and name not in names:
            near = closest(name, names)
            way_out = f"did you mean `{near}`?" if near else f"there are {_listed(names)}"
            shown = f"{before}{name[:SHOWN_MAX]}"
            return OrdoError(
                Kind.INVALID_PARAMS, f"there is no parameter `{shown}`; {way_out}", field=shown
            )
    for field in wanted.fields:
        if field.required and field.encode_name not in value:
            missing = f"{before}{field.encode_name}"
            expected = _description(field.type) or _expected(_bare(field.type))
            return OrdoError(
                Kind.INVALID_PARAMS, f"`{missing}` is missing: give {expected}", field=missing
            )
    return OrdoError(Kind.INVALID_PARAMS, reason, field=path or None)


def _of_value(
    wanted: types.Type,
    value: Any,
    path: str,
    reason: str,
    *,
    private: bool,
    description: str | None,
) -> OrdoError:
    expected = description or _expected(wanted)
    if private:
        return OrdoError(Kind.INVALID_PARAMS, f"`{path}` must be {expected}", field=path)
    message = f"`{path}` must be {expected}, not {_shown(value)}"
    near = closest(value, _words(wanted)) if isinstance(value, str) else None
    if near:
        message += f"; did you mean `{near}`?"
    elif isinstance(value, OddNumber):
        message += ": it has an exponent, or is beyond 64 bits"
    elif isinstance(wanted, types.CustomType):
        message += f": {reason}"
    return OrdoError(Kind.INVALID_PARAMS, message, field=path, value=_echo(value))


def _bare(wanted: types.Type) -> types.Type:
    """The type without its notes and without `None`."""
    while True:
        match wanted:
            case types.Metadata():
                wanted = wanted.type
            case types.UnionType() if len(some := _not_none(wanted)) == 1:
                wanted = some[0]
            case _:
                return wanted


def _notes(wanted: types.Type) -> list[types.Metadata]:
    match wanted:
        case types.Metadata():
            return [wanted, *_notes(wanted.type)]
        case types.UnionType() if len(some := _not_none(wanted)) == 1:
            return _notes(some[0])
        case _:
            return []


def _not_none(union: types.UnionType) -> list[types.Type]:
    return [each for each in union.types if not isinstance(each, types.NoneType)]


def _is_private(wanted: types.Type) -> bool:
    return any((note.extra or {}).get("private", False) for note in _notes(wanted))


def _description(wanted: types.Type) -> str | None:
    found = (note.extra_json_schema or {} for note in _notes(wanted))
    return next((str(each["description"]) for each in found if "description" in each), None)


def _item(wanted: types.Type) -> types.Type:
    match wanted:
        case types.ListType() | types.VarTupleType():
            return wanted.item_type
        case _:
            return types.AnyType()


def _words(wanted: types.Type) -> list[str]:
    match wanted:
        case types.EnumType():
            return [str(member.value) for member in wanted.cls]
        case types.LiteralType():
            return [str(value) for value in wanted.values]
        case _:
            return []


def _expected(wanted: types.Type) -> str:
    """What a value of this type is, as a noun phrase."""
    match wanted:
        case types.EnumType() | types.LiteralType():
            return f"one of {_listed(_words(wanted))}"
        case types.IntType():
            return "a whole number" + _bounds(wanted.ge, wanted.le)
        case types.StrType():
            return "a text" + _lengths(wanted.min_length, wanted.max_length, "characters")
        case types.BoolType():
            return "true or false"
        case types.CustomType(cls=cls) if cls is Rupees:
            return 'a price in rupees, such as 1450.5 or "1450.5"'
        case types.DecimalType() | types.FloatType():
            return "a number"
        case types.ListType() | types.VarTupleType():
            return "a list" + _lengths(wanted.min_length, wanted.max_length, "members")
        case types.StructType() | types.DictType():
            return "an object"
        case types.DateTimeType():
            return "an RFC 3339 time"
        case types.DateType():
            return "a date (2026-11-24)"
        case types.UnionType():
            return " or ".join(_expected(_bare(each)) for each in _not_none(wanted))
        case _:
            return "something else"


def _bounds(low: int | None, high: int | None) -> str:
    match low, high:
        case None, None:
            return ""
        case _, None:
            return f" of at least {low}"
        case None, _:
            return f" of at most {high}"
        case _:
            return f" from {low} to {high}"


def _lengths(low: int | None, high: int | None, of: str) -> str:
    return (
        f" of {low or 0} to {high} {of}"
        if high is not None
        else f" of {low} or more {of}"
        if low
        else ""
    )


def _listed(names: list[str]) -> str:
    more = ", ..." if len(names) > NAMES_MAX else ""
    return ", ".join(f"`{name}`" for name in names[:NAMES_MAX]) + more


def _shown(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            cut = value if len(value) <= SHOWN_MAX else value[:SHOWN_MAX] + "..."
            return json.dumps(cut, ensure_ascii=False)
        case OddNumber():
            return value.text[:SHOWN_MAX]
        case int() | Decimal():
            return str(value)[:SHOWN_MAX]
        case list():
            return f"a list of {len(value)}"
        case _:
            return "an object"  # its contents may be private, and long


def _echo(value: object) -> object:
    match value:
        case bool() | int():
            return value
        case str():
            return value[:SHOWN_MAX]
        case _:
            return _shown(value)
