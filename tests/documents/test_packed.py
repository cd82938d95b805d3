"""What documents tell of a past day's journal works on one that a daemon wrote and its own code compressed."""

import json
import shutil
import subprocess
from datetime import date
from pathlib import Path

import anyio
import pytest

from ordod.core.orders.format import Codec
from ordod.core.orders.keeping import closed_before, pack
from ordod.core.orders.segments import last_line, listed
from ordod.io.files import Files
from tests.acceptance.daemon import running
from tests.documents.marks import PACKED
from tests.documents.reading import DOCUMENTS, Block, blocks

FOUND = [block for document in DOCUMENTS for block in blocks(document) if block.mark == PACKED]
PAPER = '[accounts.paper]\nbroker = "paper"\n'
ORDER = {
    "account": "paper",
    "symbol": "NSE:INFY",
    "side": "BUY",
    "quantity": 10,
    "type": "MARKET",
    "product": "CNC",
}
COMMAND_S = 60.0


async def compress(state: Path) -> None:
    """All but the last segment, as on the days after."""
    disk = Files(state)
    try:
        head = json.loads(last_line(disk, listed(disk)[-1]))["seq"]
        for segment, after in closed_before(disk, date.max, head):
            await pack(disk, Codec(None), segment, after, anyio.lowlevel.checkpoint)
    finally:
        disk.close()


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder: the first segment, which has an order, is compressed; the second is the last."""
    folder = tmp_path_factory.mktemp("packed")
    with running(folder / "ordod", PAPER) as daemon:
        with daemon.connect() as client:
            client.ask("order.place", **ORDER, key="monday-1")
        daemon.stop()
        daemon.start()
    anyio.run(compress, daemon.state)
    return daemon.state / "journal"


@pytest.mark.skipif(shutil.which("jq") is None, reason="there is no jq")
@pytest.mark.parametrize("block", FOUND, ids=[block.place for block in FOUND])
def test_a_past_days_journal_is_read_as_a_document_tells(block: Block, journal: Path) -> None:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text],
        cwd=journal,
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["key"] == "monday-1"
