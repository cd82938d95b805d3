"""What documents tell to type that makes an environment, asks a person, or wants a broker or a name of the reader's own.

Each block is run as it stands. Where one says what only its reader has, the test says what stands for it: a simulated broker for
the real one, a folder for /etc/ordod, a broker that is there for the one that is to be written.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ordod.sim.angelone import accounts as angelone
from ordod.sim.process import running as simulated
from ordod.sim.zerodha import accounts as zerodha
from tests.checkout import copied
from tests.documents.conftest import Machine
from tests.documents.reading import DOCUMENTS, ROOT, Block, blocks
from tests.ordoctl.newcomer import not_here
from tests.ordoctl.person import at_a_terminal
from tests.promises.daemon import until

BASH = ["bash", "-euo", "pipefail", "-c"]
TYPED_S = 1800
START_S = 60
NO_INDEX = ("NewConnectionError", "Temporary failure in name resolution", "Network is unreachable")


def of(mark: str, *documents: str) -> list[Block]:
    found = [block for document in documents or DOCUMENTS for block in blocks(document)]
    return [block for block in found if block.mark == mark and block.language == "sh"]


def params(found: list[Block]) -> list[Any]:
    return [pytest.param(block, id=block.place) for block in found]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return copied(tmp_path / "ordo")


@pytest.fixture
def outside(tmp_path: Path) -> Mapping[str, str]:
    """The environment of somebody who has Python and this checkout. Of our own tests pytest only lists the names: they run already."""
    kept = ("PATH", "LANG", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE")
    return {name: os.environ[name] for name in kept if name in os.environ} | {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "PYTEST_ADDOPTS": "--collect-only --quiet -n 0 -p no:cacheprovider",
    }


@pytest.fixture
def developing(outside: Mapping[str, str], checkout: Path) -> Mapping[str, str]:
    """The same, with the checkout and its `test` extra installed."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{outside['PATH']}"
    packages = os.pathsep.join([str(checkout), str(checkout / "adapters")])
    return {**outside, "PATH": programs, "PYTHONPATH": packages, "COLUMNS": "120"}


def typed(
    block: Block, where: Path, environment: Mapping[str, str], text: str = ""
) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        [*BASH, text or block.text],
        cwd=where,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TYPED_S,
        check=False,
    )
    said = f"{done.stdout}{done.stderr}"
    if done.returncode and any(words in said for words in NO_INDEX):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, f"{block.place}\n{text or block.text}\n{said[-4000:]}"
    return done


# Installing


def test_the_readmes_first_commands_install_it_and_start_it(
    checkout: Path, outside: Mapping[str, str]
) -> None:
    install, (daemon,) = of("install", "README.md")[0], of("daemon", "README.md")

    demo = typed(install, checkout, outside).stdout
    started = subprocess.Popen(
        ["bash", "-c", daemon.text], cwd=checkout, env=outside, stderr=subprocess.PIPE
    )
    try:
        command = [str(checkout / ".venv/bin/ordoctl"), "--account", "paper", "status"]
        until(
            lambda: "READY" in subprocess.run(
                command, env=outside, capture_output=True, text=True, check=False
            ).stdout.split(),
            START_S,
        )  # fmt: skip
    finally:
        started.send_signal(signal.SIGTERM)
        said = started.communicate(timeout=START_S)[1].decode()

    assert "your first order" in demo  # it ends with what to do next
    assert started.returncode == 0, said


@pytest.mark.slow  # README's second is what runs all these tests
@pytest.mark.parametrize("block", params(of("install")[1:]))
def test_an_installation_is_made_as_a_document_tells(
    block: Block, checkout: Path, outside: Mapping[str, str]
) -> None:
    typed(block, checkout, outside)


def test_a_block_stands_only_where_its_test_looks_for_it() -> None:
    found = {
        mark: {block.document for block in of(mark)}
        for mark in ("daemon", "broker", "adapter", "program", "container")
    }

    assert found == {
        "daemon": {"README.md"},
        "broker": {"docs/quickstart.md"},
        "adapter": {"docs/adapters.md"},
        "program": {"docs/alerts.md"},
        "container": {"docs/install.md"},
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        pytest.param((block, line), id=line)
        for block in of("long")
        for line in block.text.splitlines()
    ],
)
def test_what_takes_minutes_runs_to_its_end(
    line: tuple[Block, str], checkout: Path, developing: Mapping[str, str]
) -> None:
    """No figure is looked at: only that it ends as it should."""
    block, text = line

    done = typed(block, checkout, developing, text)

    assert "figure" in done.stdout


# Setting up


@pytest.fixture
def somebody(tmp_path: Path) -> Iterator[Machine]:
    if why := not_here():
        pytest.skip(why)
    made = Machine(tmp_path)
    try:
        yield made
    finally:
        made.end_what_was_set_up()


def test_setup_asks_what_enter_answers_and_asks_again(somebody: Machine) -> None:
    first, again = of("asks", "docs/quickstart.md")

    for block in (first, again):
        with at_a_terminal([*BASH, block.text], somebody.environment) as person:
            person.answers("Which broker [paper]: ", "")
            person.answers("yours to choose [paper]: ", "")
            person.answers("Go on? [Y/n]: ", "")
            assert person.ends() == 0, person.shown

    assert "FILLED" in somebody.run("sh", "ordoctl orders").stdout


def test_the_quick_starts_first_real_order_is_placed(somebody: Machine) -> None:
    order, _ = of("broker", "docs/quickstart.md")
    app, user = zerodha.App(), zerodha.Client()
    secrets = (app.api_key, app.api_secret, user.password, user.totp_secret)
    with simulated("--no-limits") as broker:
        set_up = (
            f"printf '%s\\n' {' '.join(secrets)} | ordoctl setup --yes --broker zerodha --account kite "
            f"--base-url {broker.url} --login headless --user-id {user.user_id} --secret api_key=- "
            "--secret api_secret=- --secret password=- --secret totp_secret=-"
        )
        typed(order, ROOT, somebody.environment, set_up)

        typed(order, ROOT, somebody.environment)

        (placed,) = broker.placements()
    assert placed["terms"]["tradingsymbol"] == "INFY"
    assert (placed["terms"]["quantity"], placed["terms"]["price"]) == ("1", "1400")


def test_accounts_are_set_up_in_a_script_as_the_quick_start_shows(
    somebody: Machine, tmp_path: Path
) -> None:
    _, script = of("broker", "docs/quickstart.md")
    app, user = angelone.App(), angelone.Client()
    for name in ("key", "secret"):
        file = tmp_path / f"upstox.{name}"
        file.write_text("not-a-real-one\n")
        file.chmod(0o600)
    environment = {
        **somebody.environment,
        "KEY": app.api_key,
        "PIN": user.pin,
        "TOTP": user.totp_secret,
    }
    angel, upstox = script.text.replace("/etc/ordod", str(tmp_path)).split("\nordoctl")
    with simulated("--no-limits", "--user-id", "A100001", broker="angelone") as broker:
        typed(script, ROOT, environment, angel.replace("--yes", f"--yes --base-url {broker.url}"))
    with simulated("--no-limits", broker="upstox") as broker:
        text = f"ordoctl{upstox}".replace("--yes", f"--yes --base-url {broker.url}")
        done = somebody.run("sh", text)

    assert done.returncode == 1
    assert "upstox waits for a person: ordoctl login upstox" in done.stderr
    status = json.loads(somebody.run("sh", "ordoctl --json status").stdout)
    accounts = {one["account"]: one["state"] for one in status["accounts"]}
    assert accounts == {"paper": "ACTIVE", "angel": "ACTIVE", "upstox": "WAITING_OTP"}


# Adapters


@pytest.mark.parametrize("block", params(of("adapter", "docs/adapters.md")))
def test_who_writes_an_adapter_types_what_works_of_one_that_is_there(
    block: Block, checkout: Path, developing: Mapping[str, str]
) -> None:
    text = block.text.replace("banyan", "dhan")
    if "ordod.sim" not in text:
        typed(block, checkout, developing, text)
        return
    text = text.replace("--port 9010", "--port 0")  # one that is surely free
    with subprocess.Popen([*BASH, text], cwd=checkout, env=developing, stdout=-1) as started:
        assert started.stdout is not None
        assert b"ready at" in started.stdout.readline()
        started.terminate()
