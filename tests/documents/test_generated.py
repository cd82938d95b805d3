"""Pages and tables that are made are what their makers make now, and what the journal's page shows is a journal."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from ordod.core.orders.records import Record
from ordod.manual import errors, methods, records
from tests.acceptance.daemon import Daemon, running
from tests.documents.reading import DOCUMENTS, ROOT, blocks, codes

NO_METHODS = {"kill.gate", "kill.d", "order.palce"}  # files, and a mistake that is shown
FILES = (".md", ".py", ".conf", ".service", ".socket")
ACCOUNTS = '[accounts.paper]\nbroker = "paper"\n'


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with running(tmp_path_factory.mktemp("manual") / "ordod", ACCOUNTS) as daemon:
        yield _document(daemon)


def _document(daemon: Daemon) -> Any:
    assert daemon.contract is not None
    return daemon.contract.document


def test_the_methods_page_is_made_of_what_a_daemon_says_of_itself(document: Any) -> None:
    shown = (ROOT / "docs/methods.md").read_text(encoding="utf-8")

    assert shown == methods.page(document), (
        "ordoctl --json call rpc.discover | python -m ordod.manual methods > docs/methods.md"
    )


def test_every_parameter_and_every_field_is_explained(document: Any) -> None:
    unsaid = [
        f"{method['name']} {param['name']}"
        for method in document["methods"]
        for param in method["params"]
        if not param.get("description")
    ] + [
        f"{name} {field}"
        for name, schema in document["components"]["schemas"].items()
        for field, each in schema.get("properties", {}).items()
        if not each.get("description")
    ]

    assert unsaid == [], "say it below Args: in the type's docstring (ordod/service/described.py)"


METHOD = re.compile(r"(\w+)\.(\w+)")


@pytest.mark.parametrize("page", DOCUMENTS)
def test_every_method_that_a_sentence_names_is_there(page: str, document: Any) -> None:
    names = {method["name"] for method in document["methods"]}
    groups = {name.split(".")[0] for name in names}
    unknown = [
        f"{code.place}: {code.text}"
        for code in codes(page)
        if (found := METHOD.fullmatch(code.text))
        and found[1] in groups
        and code.text not in names | NO_METHODS
    ]

    assert [each for each in unknown if not each.endswith(FILES)] == []


def test_the_errors_page_is_made_of_the_table_of_kinds() -> None:
    shown = (ROOT / "docs/errors.md").read_text(encoding="utf-8")

    assert shown == errors.page(), "python -m ordod.manual errors > docs/errors.md"


def test_the_table_of_records_is_made_of_the_records() -> None:
    text = (ROOT / "docs/journal.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- records -->\n(.*)<!-- end of records -->", text, re.DOTALL)

    assert shown is not None
    assert shown[1] == records.page(), "python -m ordod.manual records"


# The journal's page


def _example() -> str:
    return next(block.text for block in blocks("docs/journal.md") if block.mark == "journal")


def _checker() -> str:
    return next(block.text for block in blocks("docs/journal.md") if "blake2b" in block.text)


def _check(home: Path, journal: bytes) -> "subprocess.CompletedProcess[str]":
    folder = home / ".local/state/ordod/journal"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "000000000001.ndjson").write_bytes(journal)
    return subprocess.run(
        [sys.executable, "-c", _checker()],
        env={"HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_journals_page_shows_one_of_each_record_that_the_code_writes() -> None:
    shown = [json.loads(line)["type"] for line in _example().splitlines()]
    types = msgspec.inspect.multi_type_info(get_args(Record))
    written = {str(each.tag) for each in types if isinstance(each, msgspec.inspect.StructType)}

    assert set(shown) == written
    assert len(written) >= 19


def test_the_shown_journal_is_whole_by_the_pages_own_check_and_a_changed_bit_is_found(
    tmp_path: Path,
) -> None:
    whole = _example().encode()
    changed = whole.replace(b'"quantity":1', b'"quantity":2', 1)

    good, bad = _check(tmp_path, whole), _check(tmp_path, changed)

    assert good.stdout.startswith(f"{len(whole.splitlines())} records")
    assert (bad.returncode, "record 3" in bad.stderr) == (1, True)
