"""The OpenRPC document, made from the table of methods: what a client can read instead of guessing."""

from collections.abc import Iterable, Sequence
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct

from ordod.errors import Kind
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


def discover(methods: Iterable[Method], version: str) -> Method:
    """The method that answers the document of these methods and itself."""
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
    return method


def document(methods: Sequence[Method], version: str) -> dict[str, Any]:
    """The OpenRPC document of a table of methods."""
    hints = [get_type_hints(method.params, include_extras=True) for method in methods]
    wanted = [hint for each in hints for hint in each.values()]
    wanted += [method.result for method in methods]
    schemas, components = msgspec.json.schema_components(
        wanted, schema_hook=_schema, ref_template="#/components/schemas/{name}"
    )
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
        "components": {"schemas": _numbers(components), "errors": _errors(methods)},
    }


def openrpc_page(methods: Sequence[Method], version: str) -> Page:
    """The document as `GET /openrpc.json` answers it."""
    return Page(encode(document(methods, version)))


def _method(method: Method, by_name: dict[str, Any], result: Any) -> dict[str, Any]:
    fields = msgspec.structs.fields(method.params)
    described = {
        "name": method.name,
        "summary": method.summary,
        "paramStructure": "by-name",
        "params": [
            {"name": each.encode_name, "required": each.required, "schema": by_name[each.name]}
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
            "data": {"kind": kind.name, "retry": kind.retry},
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
