"""An upgrade keeps journal, keys, kill switch and sessions; and what a newer version wrote is refused, and left as it is."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import anyio
import pytest

from ordod.adapter import IST
from ordod.core.kept import read_session
from ordod.core.orders.format import Codec
from ordod.vault import StoreVault
from tests.promises.daemon import PAPER, Daemon, Refused
from tests.upgrade.made import SECOND_DAY, at, store_of

Make = Callable[..., Daemon]

FORMATS = sorted(Path(__file__).parent.glob("format_*"))
LATER = SECOND_DAY + timedelta(hours=2)


def kept(daemon: Daemon, state: Path) -> Daemon:
    """The daemon on a copy of this state; a checkout does not keep modes."""
    shutil.copytree(state, daemon.state)
    for path in (daemon.state, *daemon.state.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    at(daemon, LATER)
    return daemon


def contents(folder: Path) -> dict[Path, bytes]:
    """All but the lock, which whoever looks must take."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {path: path.read_bytes() for path in files}


def ordoctl(*asked: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "ordoctl.cli", *asked]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def refused(daemon: Daemon) -> str:
    """It does not start, says why in one line and changes nothing; the line."""
    before = contents(daemon.state)
    daemon.log.unlink(missing_ok=True)

    daemon.start()

    assert daemon.died() == 1
    assert contents(daemon.state) == before
    told = daemon.log_text()
    assert told.startswith("ordod: ")
    assert told.count("\n") == 1
    return told


@pytest.mark.parametrize("state", FORMATS, ids=lambda path: path.name)
def test_a_state_directory_of_an_earlier_version_is_gone_on_with(make: Make, state: Path) -> None:
    daemon = kept(make(PAPER, faulty=True), state)
    seals = [line for line in daemon.journal() if line["type"] == "seal"]
    before = daemon.verified()

    daemon.ready()
    orders = {
        key: daemon.call("order.get", account="paper", key=key)["order"]
        for key in ("first-day", "cancelled", "filled", "open")
    }
    killed = daemon.call("kill.status")
    with pytest.raises(Refused, match="first-day") as other:
        daemon.place("first-day", account="paper", quantity=2)
    daemon.call("kill.release", reason="the test looked")
    daemon.place("after-the-upgrade", account="paper")
    daemon.stop()

    assert before.is_good
    assert daemon.verified(head=(seals[-1]["seq"], seals[-1]["hash"])).is_good
    assert {key: order["key"] for key, order in orders.items()} == {key: key for key in orders}
    assert orders["cancelled"]["status"] == "CANCELLED"
    assert other.value.kind == "KEY_REUSED"
    assert other.value.data["order"]["order_id"] == orders["first-day"]["order_id"]
    assert killed["engaged"]
    assert list((daemon.state / "journal").glob("*.ndjson.gz"))


@pytest.mark.parametrize("state", FORMATS, ids=lambda path: path.name)
def test_secrets_and_sessions_of_an_earlier_version_are_read(state: Path, tmp_path: Path) -> None:
    shutil.copytree(state, tmp_path / "state")
    store = store_of(tmp_path / "state")
    store.path.chmod(0o600)

    content = anyio.run(StoreVault(store).find, "kite")

    assert store.get("secret/kite_secret") == b"a secret of no account"
    session = read_session(content or b"", datetime.now(IST))
    assert session is not None
    assert (session.user_id, session.access_token.reveal()) == ("AB1234", "a token of no session")


def test_a_newer_journal_is_refused_by_the_daemon_and_by_every_tool_and_left_as_it_is(
    make: Make,
    tmp_path: Path,
) -> None:
    daemon = kept(make(PAPER), FORMATS[-1])
    journal = daemon.state / "journal"
    last = max(journal.glob("*.ndjson"))
    lines = last.read_bytes().splitlines()
    opening = json.loads(lines[-1]) | {"seq": json.loads(lines[-1])["seq"] + 1}
    body = (
        b'"type":"open","format":2,"epoch":"e","machine":"m","inode":1,"installation":"i",'
        b'"version":"0.9.0","previous":"%b"' % opening["hash"].encode()
    )
    data, _ = Codec(None).lines(
        [body], seq=opening["seq"], batch=opening["batch"] + 1, at=LATER, previous=opening["hash"]
    )
    newer = journal / f"{opening['seq']:012}.ndjson"
    newer.write_bytes(data + b"what this version cannot know\n")

    told = refused(daemon)
    before = contents(daemon.state)
    doctor = ordoctl("doctor", "--offline", "--json", "--config", str(daemon.config))
    checks = {one["check"]: one for one in json.loads(doctor.stdout)["checks"]}
    tools = [
        ordoctl("journal", "verify", str(daemon.state)),
        ordoctl("journal", "repair", str(daemon.state)),
        ordoctl(
            "journal", "export", str(daemon.state), "--day", "2025-06-03", "--to", str(tmp_path)
        ),
    ]

    said = f"journal/{newer.name} is of format 2, written by ordod 0.9.0; this ordod reads up to format 1"
    assert said in told
    assert "start ordod 0.9.0, or a newer one" in told
    assert [tool.returncode for tool in tools] == [1, 1, 1]
    assert all(said in tool.stderr for tool in tools)
    assert checks["journal"]["result"] == "problem"
    assert said in checks["journal"]["message"]
    assert contents(daemon.state) == before
    assert not list(tmp_path.glob("*.csv"))


def test_a_newer_book_of_the_paper_broker_is_refused_by_its_name(make: Make) -> None:
    daemon = kept(make(PAPER), FORMATS[-1])
    book = daemon.state / "paper/exchange.ndjson"
    book.write_bytes(book.read_bytes().replace(b'"format":1', b'"format":2'))

    told = refused(daemon)

    assert "paper/exchange.ndjson in the state directory: it is of format 2, and this" in told
    assert "or move the file away" in told
