"""A daemon whose every secret is in the encrypted store: set by `ordoctl`, read at the login, and nowhere in plain."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ordod.sim.process import SimProcess, running
from tests.zerodha_day.harness import APP, USER, eventually, ordo

SECRETS = {
    "api_key": APP.api_key,
    "api_secret": APP.api_secret,
    "password": USER.password,
    "totp_secret": USER.totp_secret,
}
STORED: dict[str, Any] = {key: f"store:kite_{key}" for key in SECRETS}


@pytest.fixture
def own_sim() -> Iterator[SimProcess]:
    with running("--no-limits") as started:
        yield started


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's, with the key; the daemon's folder lies elsewhere."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    return home


def keep(folder: Path, **secrets: str) -> bytes:
    """By `ordoctl secret set`; all that it said."""
    config = folder / "only-the-state.conf"
    config.write_text(f'[daemon]\nstate_dir = "{folder}/state"\n')
    said = b""
    for key, value in secrets.items():
        done = subprocess.run(
            [sys.executable, "-m", "ordoctl.cli", "secret", "set", f"kite_{key}", "--config", str(config)],
            input=value.encode(),
            capture_output=True,
            env=os.environ,
            timeout=30,
            check=True,
        )  # fmt: skip
        said += done.stdout + done.stderr
    return said


def test_it_logs_in_with_what_is_in_the_store_and_nothing_stands_in_plain(
    own_sim: SimProcess, home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "o"
    folder.mkdir()
    said = keep(folder, **SECRETS)

    with ordo(folder, own_sim, login="headless", user_id=USER.user_id, **STORED) as daemon:
        user = daemon.account()["user"]
        daemon.place()
        shown = daemon.call("system.config")

    files = [path for path in folder.rglob("*") if path.is_file()]
    key = (home / ".config/ordod/store.key").read_bytes().strip()
    assert user == USER.user_id
    assert "store:kite_password" in str(shown)
    assert {"secrets.store", "log", "ordod.conf"} <= {path.name for path in files}
    for secret in (*(value.encode() for value in SECRETS.values()), key):
        assert secret not in said
        assert secret not in str(shown).encode()
        assert not [path.name for path in files if secret in path.read_bytes()]


def test_a_secret_that_is_set_anew_is_used_without_a_restart(
    own_sim: SimProcess, home: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "o"
    folder.mkdir()
    keep(folder, **SECRETS | {"password": "not-this-one"})
    account: dict[str, Any] = {"login": "headless", "user_id": USER.user_id, **STORED}

    with ordo(folder, own_sim, trades=False, **account) as daemon:
        eventually(lambda: daemon.account()["state"] == "DENIED")
        keep(folder, password=USER.password)
        daemon.call("account.login", account="kite")
        daemon.can_trade()
