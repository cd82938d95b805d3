"""Every command and option that a document names is one that the programs know, in a block as in a sentence."""

import re
import shlex

import pytest

from tests.documents.commands import PROGRAMS, mistake, of_script, options
from tests.documents.reading import DOCUMENTS, ROOT, blocks, codes

# Of other programs that documents name, with whose they are.
OTHERS = {
    "--wheels": "systemd/install.sh",
    "--uninstall": "systemd/install.sh",
    "--write-samples": "tests/vendor/conftest.py",
}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_of_a_block_is_one_that_exists(document: str) -> None:
    wrong = [
        f"{block.place}: {said}"
        for block in blocks(document)
        if block.language == "sh"
        for call in of_script(block.text)
        if (said := mistake(call, whole=True))
    ]

    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_of_a_sentence_is_one_that_exists(document: str) -> None:
    wrong = [
        f"{code.place}: {said}"
        for code in codes(document)
        if code.text.startswith(tuple(f"{program} " for program in PROGRAMS))
        for call in of_script(code.text.replace("|", "\\|"))
        if (said := mistake(call, whole=False))
    ]

    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_option_of_a_sentence_is_one_that_exists(document: str) -> None:
    known = options() | {
        option for option, file in OTHERS.items() if option in (ROOT / file).read_text()
    }
    wrong = [
        f"{code.place}: {code.text}"
        for code in codes(document)
        if (found := re.match(r"--[a-z][a-z-]*", code.text)) and found[0] not in known
    ]

    assert wrong == []


@pytest.mark.parametrize(
    ("said", "is_good"),
    [
        ("ordoctl status --json", True),
        ("ordoctl statsu", False),
        ("ordoctl status --jsno", False),
        ("ordoctl kill --reason ...", True),
        ("ordoctl resolve KEY placed|not_placed --reason WHY", True),
        ("ordoctl resolve KEY placed|lost --reason WHY", False),
        ("ordoctl candles NSE:INFY 7m", False),
        ("ordoctl journal", True),
        ("ordod check --config FILE", True),
        ("ordod chekc", False),
        ("sudo ordoctl secret set NAME", True),
        ("echo x | ordoctl secret sett NAME", False),
        ("ordoctl place buy 1 NSE:INFY || ordoctl kil", False),
    ],
)
def test_a_misspelt_command_is_found(said: str, is_good: bool) -> None:
    text = said.replace("placed|", "placed\\|")

    wrong = [found for call in of_script(text) if (found := mistake(call, whole=False))]

    assert (wrong == []) == is_good
    assert shlex.split(said)
