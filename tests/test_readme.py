"""What README and docs tell people to type does work, and what they say about brokers is what the suite says.

A block marked `runnable` is run as it stands, one after the other, against a daemon of its document's own.
"""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ordod.adapter.table import table
from tests.adapters.known import ADAPTERS, samples_of
from tests.ordoctl.newcomer import not_here

ROOT = Path(__file__).parent.parent
DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")),
]
BLOCK = re.compile(r"^```(\w+) runnable\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TEST_COMMAND = "python3 -m venv .venv && .venv/bin/pip install -q '.[test]' && .venv/bin/pytest"
COMMANDS = {"ordod": "ordod.__main__", "ordoctl": "ordoctl.cli"}


def blocks(document: str) -> list[tuple[str, str]]:
    return BLOCK.findall((ROOT / document).read_text(encoding="utf-8"))


def _begins_with_nothing(document: str) -> bool:
    """It sets a daemon up itself."""
    return "ordoctl setup" in blocks(document)[0][1]


@pytest.fixture
def environment(tmp_path: Path, document: str) -> Iterator[dict[str, str]]:
    """Where a person would type it: the commands in the PATH, and the example's daemon running."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, module in COMMANDS.items():
        script = commands / name
        script.write_text(
            f"#!{sys.executable}\nimport sys\nfrom {module} import main\nsys.exit(main())\n"
        )
        script.chmod(0o755)
    paths = (ROOT, ROOT / "adapters", os.environ.get("PYTHONPATH", ""))
    outside = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ORDO")},
        "PATH": os.pathsep.join(
            [str(commands), str(Path(sys.executable).parent), os.environ["PATH"]]
        ),
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "STATE_DIRECTORY": "",
        "RUNTIME_DIRECTORY": "",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
    }
    if _begins_with_nothing(document):
        if why := not_here():
            pytest.skip(why)
        try:
            yield outside
        finally:
            _end_what_was_set_up(tmp_path)
        return
    daemon = subprocess.Popen(
        ["ordod", "--config", "ordod.conf.example"],
        executable=commands / "ordod",
        cwd=ROOT,
        env=outside,
        stderr=subprocess.DEVNULL,
    )
    try:
        _until_it_trades(outside)
        yield outside
    finally:
        daemon.kill()
        daemon.wait()


def _end_what_was_set_up(home: Path) -> None:
    lock = home / ".local/state/ordod/lock"
    if lock.exists():
        pid = int(lock.read_text())
        ended = os.pidfd_open(pid)
        os.kill(pid, signal.SIGTERM)
        assert select.select([ended], [], [], 30)[0]
        os.close(ended)


def _until_it_trades(environment: dict[str, str]) -> None:
    deadline = time.monotonic() + 20
    told = ""
    while "READY" not in told and time.monotonic() < deadline:
        command = [str(Path(environment["PATH"].split(os.pathsep)[0]) / "ordoctl"), "status"]
        status = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False
        )
        told = status.stdout + status.stderr
        time.sleep(0.1)
    assert "READY" in told


@pytest.mark.parametrize("document", [document for document in DOCUMENTS if blocks(document)])
def test_what_a_document_tells_to_type_works(document: str, environment: dict[str, str]) -> None:
    runners = {"sh": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-c"]}

    for language, text in blocks(document):
        if text.startswith("curl ") and shutil.which("curl") is None:
            continue
        if re.search("^openssl ", text, re.MULTILINE) and shutil.which("openssl") is None:
            pytest.skip("there is no openssl to make certificates with")
        ended = subprocess.run(
            [*runners[language], text],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == 0, f"{text}\n{ended.stdout}{ended.stderr}"


def test_the_readme_shows_every_way_of_a_first_order() -> None:
    languages = [language for language, _ in blocks("README.md")]

    assert languages.count("sh") >= 3
    assert languages.count("python") == 1


def test_the_brokers_table_is_the_one_the_suite_makes() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- brokers: .*? -->\n(.*?)<!-- end of brokers -->", text, re.DOTALL)
    samples = {adapter: samples_of(adapter) for adapter in ADAPTERS.values()}

    assert shown is not None
    assert shown[1] == table(samples), "python -m ordod.adapter.table"


def test_ci_runs_the_readmes_own_test_command() -> None:
    assert TEST_COMMAND in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    ci = ROOT / ".ci/run"
    if not ci.exists():
        pytest.skip("a source distribution has no .ci")

    (pattern,) = re.findall(r"grep -m1 '(.+?)' README.md", ci.read_text(encoding="utf-8"))
    found = subprocess.run(
        ["grep", "-m1", pattern, "README.md"], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert found.stdout == f"{TEST_COMMAND}\n"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_link_to_a_file_leads_somewhere(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)

    missing = [link for link in links if not (ROOT / document).parent.joinpath(link).exists()]

    assert missing == []
