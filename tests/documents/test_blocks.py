"""What README and docs tell people to type does work, and what they show of configuration, wire and journal is so.

Every block is run, or looked at in its own way, or says by a word behind its language why it cannot be (`marks.py`).
"""

import configparser
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

import ordod.__main__
from ordod.core.orders.format import body, entry, stated_hash
from tests.acceptance.remote import Certificates
from tests.documents.conftest import Machine
from tests.documents.exchange import Connection, values
from tests.documents.marks import LANGUAGES, LAST, RUNNABLE, WHY_NOT
from tests.documents.reading import DOCUMENTS, ROOT, Block, blocks
from tests.ordoctl.newcomer import not_here

ALL = [block for document in DOCUMENTS for block in blocks(document)]
TYPED = re.compile(
    r"^\s*(\$ |sudo |ordoctl |ordod |curl |python3? |pip |systemctl |docker |apt )", re.MULTILINE
)
REFERENCE = re.compile(r'"(?:store|credential|env|file):[^"]+"')
STORE_KEY = re.compile(r"^store_key = .*$", re.MULTILINE)
PROGRAM = re.compile(r'command = \["[^"]+"')
TOOLS = ("curl", "jq", "openssl")  # a block with one that is not here is left out
CERTIFICATE = re.compile(r"^(tls_cert|tls_key) = .*$", re.MULTILINE)
CLIENTS_CA = re.compile(r"^tls_client_ca = .*$", re.MULTILINE)
A_SECRET = "JBSWY3DPEHPK3PXP"  # any text, and a TOTP secret too


def _is_run(block: Block) -> bool:
    if block.language == "json":
        return block.mark in ("", LAST)
    return block.language in ("sh", "python") and block.mark == RUNNABLE


def _sets_up(document: str) -> bool:
    """It sets a daemon up itself."""
    return "ordoctl setup" in next(block.text for block in blocks(document) if _is_run(block))


def _of(language: str) -> list[Block]:
    return [block for block in ALL if block.language == language]


def _each(found: list[Block]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("block", found, ids=[block.place for block in found])


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_block_is_run_or_says_why_not(document: str) -> None:
    unsaid = [
        f"{block.place}: {block.language or 'no language'} {block.mark}"
        for block in blocks(document)
        if block.language not in LANGUAGES
        or (block.language == "sh" and block.mark not in (RUNNABLE, *WHY_NOT))
        or (block.language == "python" and block.mark not in (RUNNABLE, "before", "adapter"))
        or (block.language == "json" and block.mark not in ("", "journal", LAST))
        or (block.language == "toml" and block.mark != "")
    ]

    known = f"sh {RUNNABLE}, or sh and one of {', '.join(WHY_NOT)} (tests/documents/marks.py)"
    assert unsaid == [], f"a block wants a language and, for commands, a word behind it: {known}"


@pytest.mark.parametrize("word", WHY_NOT)
def test_what_is_not_run_here_is_done_by_other_tests(word: str) -> None:
    for file, words in WHY_NOT[word].by.items():
        if file.startswith(".ci/") and not (ROOT / file).exists():
            continue  # a source distribution has none
        assert words in (ROOT / file).read_text(encoding="utf-8"), (word, file)


@pytest.mark.parametrize(
    "document", [document for document in DOCUMENTS if any(map(_is_run, blocks(document)))]
)
def test_what_a_document_tells_to_type_works(
    document: str, machine: Callable[..., Machine]
) -> None:
    if _sets_up(document) and (why := not_here()):
        pytest.skip(why)
    here = machine(with_daemon=not _sets_up(document))
    connection: Connection | None = None

    for block in sorted(filter(_is_run, blocks(document)), key=lambda block: block.mark == LAST):
        if block.language == "json":
            connection = connection or Connection(here.socket)
            _exchange(block, connection)
            continue
        if any(f"{tool} " in block.text and shutil.which(tool) is None for tool in TOOLS):
            continue
        ended = here.run(block.language, block.text)
        assert ended.returncode == 0, f"{block.place}\n{block.text}\n{ended.stdout}{ended.stderr}"

    if connection is not None:
        connection.close()


def _exchange(block: Block, connection: Connection) -> None:
    for message in values(block.text):
        if "method" in message and "id" in message:
            connection.send(message)
        else:
            assert connection.find(message) == "", block.place


@_each(_of("sh"))
def test_a_block_of_commands_is_a_script_without_mistakes(block: Block) -> None:
    checked = subprocess.run(
        ["bash", "-n"], input=block.text, capture_output=True, text=True, check=False
    )

    assert (checked.returncode, checked.stderr) == (0, "")


@_each(_of("python"))
def test_a_block_of_python_compiles(block: Block) -> None:
    compile(block.text, block.place, "exec")


@_each(_of("toml"))
def test_a_configuration_that_is_shown_is_one(
    block: Block,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    accounts = tomllib.loads(block.text).get("accounts", {})
    bare = [name for name, account in accounts.items() if "broker" not in account]
    if not accounts:
        bare = ["paper"]
    whole = block.text + "".join(f'\n[accounts.{name}]\nbroker = "paper"\n' for name in bare)
    config = tmp_path / "ordod.conf"
    whole = PROGRAM.sub('command = ["/bin/true"', whole)  # theirs are not installed here
    whole = REFERENCE.sub('"env:A_SECRET"', whole)
    if CERTIFICATE.search(whole):
        made = Certificates(tmp_path / "tls", "localhost")
        files = f'[daemon]\ntls_cert = "{made.cert}"\ntls_key = "file:{made.key}"\n'
        whole = CERTIFICATE.sub("", whole).replace("[daemon]\n", files)
        whole = CLIENTS_CA.sub(f'tls_client_ca = "{made.ca_file}"', whole)
    config.write_text(STORE_KEY.sub('store_key = "env:A_KEY"', whole))
    config.chmod(0o600)
    monkeypatch.setenv("A_SECRET", A_SECRET)
    monkeypatch.setenv("A_KEY", "5f" * 32)

    status = ordod.__main__.main(["check", "--config", str(config)])

    assert status == 0, capsys.readouterr().err


@_each([block for block in _of("json") if block.mark == "journal"])
def test_a_line_of_a_journal_that_is_shown_is_one(block: Block) -> None:
    for line in block.text.encode().splitlines():
        read = entry(line, 1)

        assert b"," + body(read.record) + b',"hash":"' in line
        assert re.fullmatch("[0-9a-f]{32}", stated_hash(line))


@_each(_of("ini"))
def test_a_unit_that_is_shown_is_one(block: Block) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]

    parser.read_string(block.text)

    known = {"Unit", "Service", "Socket", "Timer", "Install", "Container"}
    assert set(parser.sections()) <= known


@_each(_of("text"))
def test_what_is_called_a_text_is_nothing_to_type(block: Block) -> None:
    assert TYPED.search(block.text) is None, block.text


def test_the_readme_shows_every_way_of_a_first_order() -> None:
    languages = [block.language for block in blocks("README.md") if _is_run(block)]

    assert languages.count("sh") >= 3
    assert languages.count("python") == 1
