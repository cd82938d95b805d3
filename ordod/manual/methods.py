"""docs/methods.md: the OpenRPC document for people."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from ordod.manual.markdown import anchor, table

__all__ = ["page"]

REF = "#/components/schemas/"
WORDS_MAX = 9  # an enumeration is told in place up to so many

INTRO = """# Methods

Made of `rpc.discover` by `ordoctl --json call rpc.discover | python -m ordod.manual methods`; the same is at `GET /openrpc.json` of the socket. What orders, keys and doubt mean: [orders.md](orders.md).

JSON-RPC 2.0, one object a line, parameters by name; `null` is as good as leaving one out. Prices are rupees: numbers, or decimal texts where a number would lose digits. Quantities are units. Times are RFC 3339
with offset. Unknown parameters are refused; ignore what you do not know in a result: things are added.

Each method says the least role that may call it: `read` < `trade` < `admin`. A method that **changes** something wants an `id`. From a shell: `ordoctl call METHOD name=value ...`; from Python:
`client.order.get(...)` and `client.call(METHOD, name=value)`.

"""


def page(document: Mapping[str, Any]) -> str:
    """Markdown of a document, as `rpc.discover` answers it."""
    return "".join(_Page(document).parts())


class _Page:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self._methods: Sequence[Any] = document["methods"]
        self._types: Mapping[str, Any] = document["components"]["schemas"]
        self._kinds: Mapping[str, Any] = document["components"]["errors"]
        kinds = [set(_kinds(method)) for method in self._methods]
        self._always = set.intersection(*kinds)
        self._shown: dict[str, None] = {}

    def parts(self) -> Iterable[str]:
        yield INTRO
        always = [name for name in self._kinds if name in self._always]
        yield (
            f"Any method may answer {self._linked(always)}; below stand the others. [errors.md](errors.md) says what each means.\n\n"
        )
        groups = [
            (name, list(methods))
            for name, methods in groupby(
                sorted(self._methods, key=self._group_order), key=lambda m: m["name"].split(".")[0]
            )
        ]
        yield table(
            ("group", "methods"),
            (
                (
                    f"[`{name}`](#{anchor(f'`{name}`')})",
                    " ".join(
                        f"[`{m['name'].split('.')[1]}`](#{anchor(m['name'])})" for m in methods
                    ),
                )
                for name, methods in groups
            ),
        )
        for name, methods in groups:
            yield f"\n## `{name}`\n"
            for method in methods:
                yield self._method(method)
        yield "\n## Types\n\nWhat results are made of. A field that a broker does not tell is `null`.\n"
        done: set[str] = set()
        while left := [name for name in self._shown if name not in done]:
            for name in left:
                done.add(name)
                yield self._type(name)

    def _group_order(self, method: Any) -> int:
        """Groups stay together, in the order in which their first method comes."""
        groups = list(dict.fromkeys(each["name"].split(".")[0] for each in self._methods))
        return groups.index(method["name"].split(".")[0])

    def _method(self, method: Any) -> str:
        changes = ", **changes**" if method["x-changes"] else ""
        parts = [f"\n### {method['name']}\n\n`{method['x-role']}`{changes}. {method['summary']}\n"]
        if method["params"]:
            parts.append("\n")
            parts.append(
                table(
                    ("parameter", "value", "meaning"),
                    (
                        (f"`{p['name']}`", self._value(p), p.get("description", ""))
                        for p in method["params"]
                    ),
                )
            )
        parts.append(self._result(method["result"]["schema"]))
        if kinds := [kind for kind in _kinds(method) if kind not in self._always]:
            parts.append(f"\nErrors: {self._by_retry(kinds)}.\n")
        parts += [
            _example(method["name"], number, each)
            for number, each in enumerate(method.get("examples", ()), 1)
        ]
        return "".join(parts)

    def _by_retry(self, kinds: Sequence[str]) -> str:
        by_retry: dict[str, list[str]] = {}
        for kind in kinds:
            by_retry.setdefault(self._kinds[kind]["data"]["retry"] or "", []).append(kind)
        return "; ".join(
            f"`{retry}`: {self._linked(names)}" if retry else self._linked(names)
            for retry, names in by_retry.items()
        )

    @staticmethod
    def _linked(kinds: Iterable[str]) -> str:
        return ", ".join(f"[{kind}](errors.md#{anchor(kind)})" for kind in kinds)

    def _value(self, param: Any) -> str:
        said = self._kind(param["schema"])
        if param["required"]:
            return f"**{said}**"
        default = param["schema"].get("default")
        return said if default is None else f"{said}; default {json.dumps(default).strip(chr(34))}"

    def _result(self, schema: Any) -> str:
        fields = self._types.get(_ref(schema), {}).get("properties", {})
        return f"\n{self._fields('result', fields)}" if fields else "\nThe result is an object.\n"

    def _fields(self, head: str, fields: Mapping[str, Any]) -> str:
        return table(
            (head, "value", "meaning"),
            (
                (f"`{field}`", self._kind(schema), schema.get("description", ""))
                for field, schema in fields.items()
            ),
        )

    def _type(self, name: str) -> str:
        described = self._types[name]
        text = described.get("description", "")
        head = f"\n### {_heading(name)}\n\n" + (f"{_flat(text)}\n\n" if text else "")
        return head + self._fields("field", described.get("properties", {}))

    def _kind(self, schema: Any) -> str:
        """What a value is, in a few words."""
        if name := _ref(schema):
            described = self._types[name]
            if "enum" in described:
                return _words(described["enum"])
            if "properties" not in described:
                return self._kind({**described, "description": ""})
            self._shown.setdefault(name)
            return f"[{name.rsplit('.', 1)[-1]}](#{anchor(_heading(name))})"
        if "anyOf" in schema:
            if {"number", "string"} <= {each.get("type") for each in schema["anyOf"]}:  # Rupees
                is_percent = str(schema.get("description", "")).startswith("percent")
                return "percent" if is_percent else "rupees"
            some = [each for each in schema["anyOf"] if each != {"type": "null"}]
            return " or ".join(self._kind(each) for each in some)
        if "enum" in schema:
            return _words(schema["enum"])
        match schema.get("type"):
            case "array" if "prefixItems" in schema:
                return f"[{', '.join(self._kind(each) for each in schema['prefixItems'])}]"
            case "array":
                return f"list of {self._kind(schema.get('items', {}))}{_bounds(schema, 'Items')}"
            case "object" if isinstance(schema.get("additionalProperties"), dict):
                return f"object: name -> {self._kind(schema['additionalProperties'])}"
            case "object":
                return "object"
            case "integer":
                return f"whole number{_bounds(schema, 'imum')}"
            case "string":
                return _text(schema)
            case "boolean":
                return "true or false"
            case "number":
                return "number"
            case _:
                return "any value"


def _ref(schema: Any) -> str:
    return str(schema.get("$ref", "")).removeprefix(REF)


def _heading(name: str) -> str:
    """A type's short name; of two that share it, with its module."""
    *module, short = name.split(".")
    return f"Type {short} of {module[-1]}" if module else f"Type {short}"


def _kinds(method: Any) -> list[str]:
    return [each["$ref"].rsplit("/", 1)[1] for each in method["errors"]]


def _words(words: Sequence[str]) -> str:
    return " ".join(f"`{word}`" for word in words)


def _text(schema: Any) -> str:
    if said := {"date-time": "time", "date": "date"}.get(str(schema.get("format"))):
        return said
    if "pattern" in schema and (said := schema.get("description")):
        return str(said)
    return f"text{_bounds(schema, 'Length')}"


def _bounds(schema: Any, of: str) -> str:
    low, high = (schema.get(f"{end}{of}") for end in ("min", "max"))
    if high is None:
        return "" if low in (None, 1) else f" from {low}"
    return f", {low or 0} to {high}"


def _flat(text: str) -> str:
    return " ".join(text.split())


def _example(method: str, number: int, example: Any) -> str:
    params = {each["name"]: each["value"] for each in example["params"]}
    request = {"jsonrpc": "2.0", "id": f"{method}-{number}", "method": method, "params": params}
    answer = {"jsonrpc": "2.0", "id": request["id"], "result": example["result"]["value"]}
    mark = " last" if method == "system.shutdown" else ""
    lines = [json.dumps(request, ensure_ascii=False), json.dumps(answer, ensure_ascii=False)]
    return f"\n```json{mark}\n" + "\n".join(lines) + "\n```\n"
