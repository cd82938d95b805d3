"""docs/logs.md is the log's schema: every event the source can write is there, and none besides."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import Struct

ROOT = Path(__file__).parent.parent
DOCUMENT = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
LEVELS = {"debug", "info", "warning", "error", "exception", "log"}
IDS = {"account", "key", "order_id", "tag", "broker_order_id", "strategy"}
# What a mapping that is spread into a call may bring along.
SPREAD = IDS | {"change_id", "change_key", "operation", "broker_gtt_id", "outcome", "by", "why"}


class Written(Struct, frozen=True):
    """One place of the source that writes an event. `level` None: it is reckoned."""

    where: str
    event: str
    level: str | None
    fields: frozenset[str]


def written(source: str, file: str) -> Iterator[Written]:
    tree = ast.parse(source)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_of_log(node):
            where = f"{file}:{node.lineno}"
            assert id(node) in called, f"{where}: log.{node.attr} is called by its name only"
        if isinstance(node, ast.Call) and _is_of_log(node.func):
            assert isinstance(node.func, ast.Attribute)
            where = f"{file}:{node.lineno}"
            level, said = node.func.attr, node.args[-1]
            assert isinstance(said, ast.Constant), f"{where}: an event's name is a literal"
            fields = {keyword.arg for keyword in node.keywords if keyword.arg}
            if level == "exception" or "exc_info" in fields:
                fields = fields - {"exc_info"} | {"exception"}
            known = {"exception": "error", "log": None}.get(level, level)
            yield Written(where, str(said.value), known, frozenset(fields))


def _is_of_log(node: ast.expr) -> bool:
    if not isinstance(node, ast.Attribute) or node.attr not in LEVELS:
        return False
    owner = node.value
    if isinstance(owner, ast.Call):  # structlog.get_logger().log(...)
        return isinstance(owner.func, ast.Attribute) and owner.func.attr == "get_logger"
    return isinstance(owner, ast.Name) and owner.id == "log"


EVERY = [
    each
    for folder in ("ordod", "adapters/ordo_adapters")
    for path in sorted((ROOT / folder).rglob("*.py"))
    for each in written(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
]


def rows(heading: str) -> list[list[str]]:
    part = DOCUMENT.partition(f"## {heading}")[2].partition("\n## ")[0]
    found = re.findall(r"^\| (?!---|event \| level|field \| type)(.*) \|$", part, re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")] for row in found]


def words(text: str) -> set[str]:
    return {word.strip() for word in text.split(",") if word.strip()}


LISTED = {
    name.strip("`"): (words(level), words(fields)) for name, level, _, fields in rows("Events")
}


def test_every_event_of_the_source_is_listed_and_every_one_listed_exists() -> None:
    assert len(EVERY) > 50
    assert {each.event for each in EVERY} == set(LISTED)


def test_an_event_is_written_at_the_levels_and_with_the_fields_that_are_listed() -> None:
    wrong = []
    for each in EVERY:
        levels, fields = LISTED[each.event]
        may_have = fields | IDS if "ids" in fields else fields
        if each.level not in {None, *levels} or not each.fields <= may_have:
            wrong.append(each)

    assert wrong == []
    assert all(re.fullmatch("[a-z_]+", each.event) for each in EVERY)


def test_every_field_that_an_event_has_is_explained_and_every_one_explained_is_had() -> None:
    explained = {name for row in rows("Fields") for name in words(row[0])}
    listed = {field for _, fields in LISTED.values() for field in fields - {"ids"}}

    assert explained == listed | SPREAD | {"at", "level", "event"}


@pytest.mark.parametrize("source", ["log.info(name)", "tell = log.warning", "log.log(10, name)"])
def test_an_event_whose_name_the_source_does_not_say_is_found(source: str) -> None:
    with pytest.raises(AssertionError, match=r"literal|by its name"):
        list(written(source, "a.py"))
