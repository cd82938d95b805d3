"""Each call that docs/migrating-from-sdk.md names is one of that SDK's, by its own code."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.documents.reading import ROOT
from tests.vendor.environments import CannotInstall, sdk

pytestmark = pytest.mark.vendor

PLACES = {  # column -> broker, and how its SDK's classes are found
    "kiteconnect": ("zerodha", "from kiteconnect import KiteConnect as Main"),
    "smartapi-python": ("angelone", "from SmartApi import SmartConnect as Main"),
    "dhanhq": ("dhan", "from dhanhq import dhanhq as Main"),
    "upstox-python-sdk": ("upstox", "import upstox_client as Main"),
    "fyers-apiv3": ("fyers", "from fyers_apiv3.fyersModel import FyersModel as Main"),
}
LOOK = """
{importing}
import json, sys
from functools import reduce
def has(name):
    try:
        reduce(getattr, name.split("."), Main)
    except AttributeError:
        return False
    return True
print(json.dumps([name for name in json.load(sys.stdin) if not has(name)]))
"""


def _columns() -> dict[str, list[str]]:
    text = (ROOT / "docs/migrating-from-sdk.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- sdk calls: .*? -->\n(.*?)<!-- end of sdk calls -->", text, re.DOTALL)
    assert shown is not None
    head, _, *rows = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in shown[1].splitlines()
    ]
    return {
        name: [row[at] for row in rows if row[at]] for at, name in enumerate(head) if name != "Ordo"
    }


@pytest.mark.parametrize("column", PLACES)
def test_the_calls_of_a_column_are_the_sdks(column: str, tmp_path: Path) -> None:
    broker, importing = PLACES[column]
    try:
        python = sdk(broker)
    except CannotInstall as error:
        pytest.skip(str(error))

    looked = subprocess.run(
        [python, "-c", LOOK.format(importing=importing)],
        input=json.dumps(_columns()[column]),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )

    assert json.loads(looked.stdout.splitlines()[-1]) == []


def test_every_column_has_calls() -> None:
    assert {name for name, calls in _columns().items() if len(calls) > 10} == set(PLACES)
