"""The OpenRPC document, made from the table of methods: what a client can read instead of guessing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_type_hints

import msgspec
import msgspec.inspect as types
from msgspec import Struct

from ordod.errors import Kind
from ordod.service.described import about
from ordod.service.methods import Call, Example, Method, Role, Rupees
from ordod.wire.answers import encode
from ordod.wire.http import Page

__all__ = ["discover", "document", "openrpc_page"]

OPENRPC = "1.3.2"
DISCOVER = "rpc.discover"
ALWAYS = (
    Kind.INVALID_PARAMS,
    Kind.INTERNAL,
    Kind.UNAUTHENTICATED,
    Kind.FORBIDDEN,
    Kind.OVERLOADED,
)
RUPEES = {
    "description": "rupees: a number or a decimal text, without exponent",
    "anyOf": [
        {"type": "number", "minimum": 0},
        {"type": "string", "pattern": r"^([0-9]+\.?[0-9]*|\.[0-9]+)$"},
    ],
}


class NoParams(Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


def discover(methods: Iterable[Method], version: str) -> tuple[Method, Mapping[str, Any]]:
    """The method that answers the document of these methods and itself, and that document: making it takes 15 ms."""
    described: dict[str, Any] = {}

    async def run(_: Call, __: NoParams) -> dict[str, Any]:
        return described

    method = Method(
        name=DISCOVER,
        role=Role.READ,
        summary="This document: every method that works, its parameters, result, errors, an example.",
        params=NoParams,
        result=dict[str, Any],
        run=run,
        accounts=lambda _: (),
        examples=(Example({}, {"openrpc": OPENRPC}),),
    )
    described.update(document((*methods, method), version))
    return method, described


def document(methods: Sequence[Method], version: str) -> dict[str, Any]:
    """The OpenRPC document of a table of methods."""
    hints = [get_type_hints(method.params, include_extras=True) for method in methods]
    wanted = [hint for each in hints for hint in each.values()]
    wanted += [method.result for method in methods]
    schemas, components = msgspec.json.schema_components(
        wanted, schema_hook=_schema, ref_template="#/components/schemas/{name}"
    )
    components = _numbers(components)
    _describe(components, wanted)
    found = iter(_numbers(list(schemas)))
    by_name = [{name: next(found) for name in each} for each in hints]
    return {
        "openrpc": OPENRPC,
        "info": {
            "title": "Ordo",
            "version": version,
            "description": "A local daemon between trading bots and Indian brokers. One JSON object a line; "
            "parameters by name; prices in rupees; quantities in units.",
            "license": {"name": "MIT"},
        },
        "methods": [
            _method(method, schemas_of, next(found))
            for method, schemas_of in zip(methods, by_name, strict=True)
        ],
        "components": {"schemas": components, "errors": _errors(methods)},
    }


def openrpc_page(described: Mapping[str, Any]) -> Page:
    """A document as `GET /openrpc.json` answers it."""
    return Page(encode(described))


def _method(method: Method, by_name: dict[str, Any], result: Any) -> dict[str, Any]:
    fields = msgspec.structs.fields(method.params)
    _, meanings = about(method.params)
    described = {
        "name": method.name,
        "summary": method.summary,
        "paramStructure": "by-name",
        "params": [
            _param(each, by_name[each.name], meanings)
            for each in sorted(fields, key=lambda each: not each.required)
        ],
        "result": {"name": "result", "schema": result},
        "errors": [
            {"$ref": f"#/components/errors/{kind.name}"}
            for kind in dict.fromkeys((*method.errors, *ALWAYS))
        ],
        "x-role": method.role.name.lower(),
        "x-changes": method.changes,
    }
    if method.examples:
        described["examples"] = [_example(method, each) for each in method.examples]
    return described


def _param(
    field: msgspec.structs.FieldInfo, schema: dict[str, Any], meanings: Mapping[str, str]
) -> dict[str, Any]:
    meaning = meanings.get(field.encode_name)
    is_said = field.default is not msgspec.NODEFAULT and field.default is not None
    return {
        "name": field.encode_name,
        **({"description": meaning} if meaning else {}),
        "required": field.required,
        "schema": {**schema, **({"default": field.default} if is_said else {})},
    }


def _describe(components: dict[str, Any], wanted: Sequence[Any]) -> None:
    """Puts what the types' docstrings say into their schemas: the type's words to the type, a field's to the field."""
    for name, described in _structs(wanted, set(components)).items():
        text, meanings = about(described.cls)
        schema = components[name]
        schema.pop("description", None)
        if text:
            schema["description"] = text
        fields = {field.encode_name: field for field in described.fields}
        for field, each in schema.get("properties", {}).items():
            if meaning := meanings.get(field):
                each["description"] = meaning
            if _is_time(fields[field].type):
                for one in (each, *each.get("anyOf", ())):
                    if one.get("type") == "string":
                        one["format"] = "date-time"


def _is_time(field: types.Type) -> bool:
    """msgspec names the format only of times that must have an offset; ours have one without being made to."""
    match field:
        case types.DateTimeType():
            return True
        case types.UnionType(types=some):
            return any(_is_time(each) for each in some)
        case types.Metadata(type=inner):
            return _is_time(inner)
        case _:
            return False


def _structs(wanted: Sequence[Any], names: set[str]) -> dict[str, types.StructType]:
    """Every struct within these types, by its name among the components."""
    found: dict[str, types.StructType] = {}
    left = list(types.multi_type_info(wanted))
    seen: set[int] = set()
    while left:
        match left.pop():
            case types.StructType() as one if id(one) not in seen:
                seen.add(id(one))
                short, whole = one.cls.__name__, f"{one.cls.__module__}.{one.cls.__qualname__}"
                found[short if short in names else whole] = one
                left += [field.type for field in one.fields]
            case types.Metadata(type=inner):
                left.append(inner)
            case types.UnionType(types=inner):
                left += inner
            case types.ListType(item_type=inner) | types.VarTupleType(item_type=inner):
                left.append(inner)
            case types.TupleType(item_types=inner):
                left += inner
            case types.DictType(value_type=inner):
                left.append(inner)
            case _:
                pass
    return found


def _example(method: Method, example: Example) -> dict[str, Any]:
    return {
        "name": method.name,
        "params": [{"name": name, "value": value} for name, value in example.params.items()],
        "result": {"name": "result", "value": example.result},
    }


def _errors(methods: Sequence[Method]) -> dict[str, Any]:
    """By kind; the message of the document is the kind's name, an answer's says what happened."""
    kinds = dict.fromkeys((*ALWAYS, *(kind for method in methods for kind in method.errors)))
    return {
        kind.name: {
            "code": kind.code,
            "message": kind.name,
            "data": {
                "kind": kind.name,
                "retry": kind.retry,
                "means": kind.means,
                "advice": kind.advice,
            },
        }
        for kind in kinds
    }


def _schema(wanted: type) -> dict[str, Any]:
    if wanted is Rupees:
        return RUPEES
    raise NotImplementedError(f"{wanted} has no JSON Schema")


def _numbers(schema: Any) -> Any:
    """msgspec writes decimals as texts, and says so in its schemas; on our wire they are numbers."""
    match schema:
        case {"type": "string", "format": "decimal"}:
            return {"type": "number"}
        case dict():
            return {name: _numbers(each) for name, each in schema.items()}
        case list():
            return [_numbers(each) for each in schema]
        case _:
            return schema
