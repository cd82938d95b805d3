"""A state directory as the ordod of this tree leaves it: `python -m tests.upgrade.made FOLDER` makes one to keep.

Two days of a paper account: the first one's journal compressed, then a restart, the kill switch, an orderly end; beside it an
encrypted store with a secret and a session. `tests/upgrade/format_1` was made so by the version that its journal names. It is
never made again: that it can still be read is what `test_upgrade.py` is for. A new format gets a folder of its own.
"""

import shutil
import sys
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from ordod.adapter import IST, Secret, Session
from ordod.core.kept import written
from ordod.core.orders.format import Codec
from ordod.core.orders.keeping import closed_before, pack
from ordod.io.files import Files
from ordod.store import Key, Store
from ordod.store_key import STORE
from ordod.vault import StoreVault
from tests.promises.daemon import PAPER, Daemon, ended

__all__ = ["FIRST_DAY", "SECOND_DAY", "STORE_KEY", "at", "store_of"]

FIRST_DAY = datetime(2025, 6, 2, 10, tzinfo=IST)
SECOND_DAY = FIRST_DAY + timedelta(days=1)
STORE_KEY = "5a" * 32
LEFT_OUT = ("lock", "instruments")


def at(daemon: Daemon, now: datetime) -> None:
    """Its wall clock says so from its next start on."""
    daemon.step_clock((now - datetime.now(IST)).total_seconds())


def store_of(state: Path) -> Store:
    key = Key.read(STORE_KEY, "the tests")
    return Store(state / STORE, lambda: key)


def make(folder: Path) -> None:
    with TemporaryDirectory(prefix="ordod-") as name:
        daemon = Daemon(Path(name), PAPER, faulty=True)
        with ended([daemon]):
            _trade(daemon)
        anyio.run(_finish, daemon.state)
        shutil.copytree(daemon.state, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))


def _trade(daemon: Daemon) -> None:
    at(daemon, FIRST_DAY)
    daemon.ready()
    daemon.place("first-day", account="paper", type="MARKET", price=None)
    daemon.place("cancelled", account="paper")
    daemon.call("order.cancel", account="paper", key="cancelled")
    daemon.stop()
    at(daemon, SECOND_DAY)
    daemon.ready()
    daemon.place("filled", account="paper", type="MARKET", price=None)
    daemon.place("open", account="paper")
    daemon.call("kill.engage", reason="the day is over", cancel_open=False)
    daemon.stop()


async def _finish(state: Path) -> None:
    store = store_of(state)
    store.put("secret/kite_secret", b"a secret of no account")
    session = Session(
        user_id="AB1234", access_token=Secret("a token of no session"), api_key="an-api-key"
    )
    await StoreVault(store).keep("kite", written(session))
    disk = Files(state)
    head = int(max((state / "journal").glob("*.ndjson")).stem)
    for segment, after in closed_before(disk, SECOND_DAY.date(), head):
        await pack(disk, Codec(None), segment, after, _no_pause)
    disk.close()


async def _no_pause() -> None:
    """Nobody waits."""


if __name__ == "__main__":
    make(Path(sys.argv[1]))
